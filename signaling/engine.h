/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signalling engine of one worker: transactions, calls, and the hand-over to the registrar. It knows nothing
 * of DPDK: the worker gives it datagrams and the time, and sends what it is told to; tests do the same from memory.
 *
 * One engine belongs to one thread. All engines of a process are made (engine_new) by the main thread before any
 * worker runs, because a call record left by an earlier life may belong to any of them; from then on an engine
 * touches only records that it owns. Nothing here allocates after engine_new(), locks or enters the kernel.
 */
#ifndef TANDEM_SIGNALING_ENGINE_H
#define TANDEM_SIGNALING_ENGINE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/counters.h"
#include "common/end_reason.h"
#include "common/layout/sip_flow.h"
#include "common/pb_arena.h"
#include "common/ring.h"
#include "common/status.h"
#include "common/timer_wheel.h"
#include "signaling/overload.h"

struct sip_message;        /* sip/message.h: a parsed request or response */
struct signaling_snapshot; /* snapshot_signaling.h: the running configuration and what is derived from it */
struct transaction;        /* transaction.h */
struct transactions;
struct calls;
struct registrar; /* registrar.h: this worker's share of it */
struct local_headers;
struct registration; /* registrations.h */

#define ENGINE_MESSAGE_MAX 65535u /* longest message taken or made */

struct engine_io {
	/*
	 * Send one datagram. The bytes are copied: they stay the engine's, which may send them again. A failure is
	 * already counted by the port; the engine's own resends make up for it.
	 */
	void (*send)(void *context, const struct sip_flow *flow, const uint8_t *data, uint32_t len);
	/*
	 * The flow on which `remote` is reached, when no message came from there yet: port and local address (of
	 * remote's family; `network` narrows the ports to that network, NULL = any). 0 or -EHOSTUNREACH.
	 */
	int (*flow_to)(void *context, const char *network, const struct net_addr *remote, struct sip_flow *flow);
	void *context;
};

/* What engine_new() needs; everything pointed to is borrowed and outlives the engine. */
struct engine_options {
	unsigned int worker, workers;
	const struct config *config; /* limits, node, ports, parameters: read at start only */
	const struct signaling_snapshot *snapshot;
	struct counter_row *counters;
	struct engine_io io;
	struct ring_producer *to_media; /* [media_workers] */
	unsigned int media_workers;
	struct ring_producer *to_keepalive; /* may be NULL in tests */
	struct ring_producer *to_cdrwriter;
	void *calls_segment;         /* content of the "calls" segment (common/layout/call_record.h) */
	const void *media_segment;   /* content of "media-sessions", read-only; NULL when there is none */
	const struct status *status; /* may be NULL in tests */
	struct registrar *registrar; /* may be NULL in tests */
	uint32_t transactions;       /* that may stand at once; 0: as many as the calls may need */
	uint64_t now_us;
};

struct engine {
	unsigned int worker, workers;
	uint64_t now_us; /* set by every entry point's caller through engine_tick() or directly, once per poll */
	const struct signaling_snapshot *snapshot; /* refreshed by the worker once per poll */
	struct counter_row *counters;
	struct timer_wheel wheel; /* its context is the engine */
	struct engine_io io;
	struct engine_options options;
	struct pb_arena arena; /* for unpacking one message; reset before each */
	struct transactions *transactions;
	struct calls *calls;
	struct registrar *registrar;
	uint64_t probing; /* serial of the snapshot whose gateways are probed (options_probe.h) */
	struct registration *registrations; /* ours at vendors: those that this worker keeps up */
	uint64_t registrations_serial;      /* of the snapshot that they come from */
	uint64_t registrations_standing;
	uint8_t hash_key[16]; /* keyed hashes of what strangers choose; the same in every worker of the process */
	uint64_t random[4];   /* generator for tags and branches */
	bool draining;        /* no new calls: 503 with Retry-After */
	struct overload overload; /* the worker tells it of each poll */
	struct sip_message *message; /* the one being handled */
	const struct sip_flow *flow; /* and how it came; valid only while it is */
	struct local_headers *local_headers;
	uint8_t *scratch;            /* ENGINE_MESSAGE_MAX bytes to build a message in that nobody keeps */
};

/* NULL with the reason logged. Attaches to the calls that stand in the segment (see engine_tick() for what happens to
 * them). */
struct engine *engine_new(const struct engine_options *options);
/* Frees what is private; the calls stay in shared memory. */
void engine_free(struct engine *engine);

/*
 * Which worker a datagram belongs to. Our own tags and branches carry a worker's number; anything else
 * goes by a keyed hash of its Call-ID, the same as in earlier lives. Looks at the raw bytes; garbage goes to worker 0.
 * Any thread, once the engines are made.
 */
unsigned int engine_worker_of(const uint8_t *data, uint32_t len, unsigned int workers);

/*
 * This datagram is one of the next: what memory it will need, as far as its first bytes tell, is sent for. Costs little
 * and promises nothing. Best so many datagrams before it is handled.
 */
#define ENGINE_LOOK_AHEAD 3u
void engine_look_ahead(const struct engine *engine, const uint8_t *data, uint32_t len);

/* One datagram: parse, check, dispatch. `data` is read during the call only. */
void engine_receive(struct engine *engine, const struct sip_flow *flow, const uint8_t *data, uint32_t len);

/*
 * Once per poll, with the time: fires due timers. The first ticks after engine_new() also end, a few calls a
 * poll, what an earlier life left half-made, and tell media about the calls that stand.
 */
void engine_tick(struct engine *engine, uint64_t now_us);
/* When the next timer is due (for an idle policy that sleeps): a lower bound, UINT64_MAX = never. */
uint64_t engine_next_us(const struct engine *engine);

/*
 * One message from a media worker's ring, or from keepalive's. Every message may come twice. The worker releases
 * it when this returns. Keepalive's messages go on to registrar_keepalive_message().
 */
void engine_media_message(struct engine *engine, unsigned int media_worker, const struct ring_message *message);
void engine_keepalive_message(struct engine *engine, const struct ring_message *message);

/* tandemctl hangup ID: by our own 128-bit call id. On the worker's thread. 0 or -ENOENT (not one of ours). */
int engine_hangup(struct engine *engine, const uint8_t call_id[static 16]);

/* SIGTERM: take no new calls from now on; standing ones are left in shared memory for the next life. */
void engine_stop(struct engine *engine);

uint64_t engine_random(struct engine *engine);

#endif
