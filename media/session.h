/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sessions of one media worker: opening, changing and closing them as signaling says, in records that outlive
 * the process (common/layout/media_session.h). No DPDK and no sockets here.
 *
 * Everything is idempotent: signaling's messages come at least once. All functions belong to the worker's thread,
 * except sessions_restore(), which runs before the threads start.
 */
#ifndef TANDEM_MEDIA_SESSION_H
#define TANDEM_MEDIA_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/counters.h"
#include "common/layout/media_session.h"
#include "common/port.h"
#include "common/status.h"
#include "common/timer_wheel.h"
#include "port_map.h"
#include "proto/media_request.h"

struct media_core;
struct relay_verdict;

/* How a worker tells others. False: it could not be said now (ring full), so it is tried again. */
struct media_notify {
	bool (*started)(struct media_core *core, uint32_t slot, enum media_leg_index leg);
	bool (*silent)(struct media_core *core, uint32_t slot, uint32_t silent_ms);
	bool (*dtmf)(struct media_core *core, uint32_t slot, enum media_leg_index leg, char digit,
		     uint32_t duration_ms);
	bool (*resync)(struct media_core *core, unsigned int signaling_worker);
	/* Another media worker still holds this slot for a call that is gone: ask it to let go. */
	void (*let_go)(struct media_core *core, unsigned int media_worker, uint32_t slot);
	/* A datagram that was kept back (kept.h): send it as the verdict says, or be rid of it. */
	void (*send_kept)(struct media_core *core, struct datagram *d, const struct relay_verdict *verdict);
	void (*free_kept)(struct media_core *core, struct datagram *d);
};

/* What is known of a signaling worker's memory of our sessions. */
struct media_peer {
	uint64_t resync_us; /* when we last asked it to say everything again; 0 = never */
	uint64_t told_us;   /* when it last told of a session that stood already */
	bool resync_due;    /* ask as soon as there is room */
};

#define MEDIA_KEPT         128
#define MEDIA_KEPT_PACKETS 2

/* The packets of one leg's source on probation. */
struct media_kept {
	uint32_t slot;
	uint8_t leg;
	uint8_t count;
	uint64_t last_us;
	struct datagram datagram[MEDIA_KEPT_PACKETS];
};

struct media_core {
	struct media_session *session; /* the segment */
	uint32_t slots;
	struct port_map *map; /* all workers', see there */
	struct timer *timer;  /* one a slot; used by whichever worker has the session */
	struct timer_wheel wheel;
	struct counter_row *row;
	const struct media_notify *notify;
	void *context; /* of notify */
	uint64_t open;
	unsigned int worker;
	const struct process_status *signaling; /* tells its lives apart */
	uint32_t signaling_life;                /* its `starts` when we last asked */
	unsigned int peers;                     /* signaling workers */
	struct media_peer peer[CONFIG_MAX_WORKERS];
	struct media_kept kept[MEDIA_KEPT]; /* by slot and leg */
	unsigned int kept_swept;            /* the place that was looked at last */
};

/* What has to be known, too, before `core` is used: session, slots, map, timer, row, notify, worker, signaling, peers.
 */
void sessions_init(struct media_core *core, uint64_t now_us);

/*
 * Make it so: open, change, or put in the place of another call. 0; -EINVAL when slot, addresses or ports are not ours
 * (counted); -EAGAIN when another media worker has to let go of the slot first (it has been asked: come again).
 */
int sessions_apply(struct media_core *core, const struct media_request *request, uint64_t now_us);

/* The session of this slot and id if it is ours, else NULL. */
struct media_session *sessions_find(struct media_core *core, uint32_t slot, uint64_t id);

/* End a session of ours; `why` is counted. Its ports are nobody's from here on. */
void session_end(struct media_core *core, uint32_t slot, enum counter_id why);

/* Another worker needs the slot. */
void sessions_let_go(struct media_core *core, uint32_t slot);

/*
 * Take over what the previous life left: `cores` are all workers, in order. Records that make no sense are cleared.
 * Every signaling worker is asked to say again what should be true.
 */
void sessions_restore(struct media_core *const *cores, unsigned int count, uint64_t now_us);

/* May packets be sent there? Not to nowhere, ourselves, a group or everybody. */
bool session_usable_remote(const struct net_addr *addr);

#endif
