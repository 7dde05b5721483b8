/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signaling worker: one pinned thread, one queue of each SIP port, one engine, one end of each ring to the other
 * processes. Its loop is four verbs: receive a burst, handle it, send what it produced, do what is due.
 */
#ifndef TANDEM_SIGNALING_WORKER_H
#define TANDEM_SIGNALING_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/bell.h"
#include "common/port.h"
#include "common/process.h"
#include "common/pulse.h"
#include "common/ring.h"
#include "common/snapshot.h"
#include "signaling/engine.h"
#include "signaling/registrar.h"
#include "signaling/resolver.h"
#include "signaling/snapshot_signaling.h"

struct rte_ring;
struct sip_message;
struct worker;

/* What all workers share; made by the main thread before any of them runs. */
struct signaling {
	struct process process;
	struct snapshot snapshot; /* struct signaling_snapshot */
	struct signaling_state state;
	struct resolver *resolver;
	struct segment calls, media_sessions, bindings_segment, gateways;
	struct binding_store *bindings;
	struct timer *binding_timers; /* one a slot */
	struct port *port[CONFIG_MAX_PORTS];
	unsigned int ports;
	struct worker *worker[CONFIG_MAX_WORKERS];
	unsigned int workers;
	bool eal;
};

/* A wish of the main thread's, one at a time: the id is read by the worker while the state is HANGUP_ASKED. */
enum hangup_state { HANGUP_IDLE, HANGUP_ASKED, HANGUP_TAKEN, HANGUP_DONE };
struct hangup_box {
	_Atomic uint32_t state;
	int result;
	uint8_t call_id[16];
};

struct worker {
	struct signaling *signaling;
	unsigned int index;
	struct engine *engine;
	struct registrar *registrar;
	struct counter_row *counters;
	uint64_t now_us;
	uint8_t tos;
	bool backlog; /* this poll may not have read all there was */
	struct port_queue *queue[CONFIG_MAX_PORTS]; /* by sip_flow.port */
	uint16_t sip_port[CONFIG_MAX_PORTS];
	struct rte_ring *inbox[CONFIG_MAX_WORKERS]; /* from each of the others: struct handed */
	struct bell colleague[CONFIG_MAX_WORKERS];  /* to wake the others: what they were handed is in their inboxes */
	uint64_t handed[CONFIG_MAX_WORKERS];        /* to each of the others, ever */
	struct sip_message *scratch;                /* to find out whose a REGISTER is */
	struct ring_producer to_media[CONFIG_MAX_WORKERS], to_keepalive, to_cdrwriter;
	struct ring_consumer from_media[CONFIG_MAX_WORKERS], from_keepalive;
	struct bell media_bell[CONFIG_MAX_WORKERS];
	unsigned int media_workers;
	uint32_t ring_faults;   /* of all of them, as far as they are counted */
	uint64_t keepalive_end; /* where the message being worked off ends; 0 = none is */
	struct hangup_box hangup;
	struct pulse pulse;
	char name[32];
};

/* Main thread, in worker order, with the ports open and the snapshot published. NULL with the reason logged. */
struct worker *worker_new(struct signaling *signaling, unsigned int index);
/* After its thread has ended. The calls stay in shared memory. */
void worker_free(struct worker *worker);

/* The thread: returns when the process is stopping. For rte_eal_remote_launch(). */
int worker_run(void *worker);

/*
 * Hang up the call with this id, if it is the worker's. Main thread; waits for the worker's next poll. 0, -ENOENT, or
 * -ETIMEDOUT: the worker does not answer.
 */
int worker_hangup(struct worker *worker, const uint8_t call_id[static 16]);

/* worker_io.c: what the engine sends through. The context is the worker. */
void worker_send(void *context, const struct sip_flow *flow, const uint8_t *data, uint32_t len);
int worker_flow_to(void *context, const char *network, const struct net_addr *remote, struct sip_flow *flow);

/* worker_rings.c: the rings to and from the other processes. Returns 0 or a negative errno (logged). */
int worker_rings_open(struct worker *worker);
void worker_rings_close(struct worker *worker);
/* Take in what media and keepalive say, a bounded number of messages; returns how many. */
unsigned int worker_rings_poll(struct worker *worker);
/* Wake who sleeps and has been told something in this poll. */
void worker_rings_ring(struct worker *worker);

#endif
