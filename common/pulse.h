/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A polling worker's pulse: how busy its core is, as its process's status tells it, and how it rests when there is
 * nothing to do. The worker's thread only. Linked with the ports: it counts the core's cycles as they do.
 *
 * IDLE_SPIN never rests and makes no system call. IDLE_NAP, for shared cores: a worker that finds nothing sleeps until
 * a port has a frame, somebody rings its bell, or a timer is due. Under load that would be a wake-up for each frame,
 * and waking costs more than most frames do. So on average it wakes at most once in `nap_us`, with PULSE_CREDIT
 * wake-ups saved up: what comes in between is found together, at most nap_us late. Where so much comes that a wake-up
 * finds more than a burst, it wakes more often.
 */
#ifndef TANDEM_COMMON_PULSE_H
#define TANDEM_COMMON_PULSE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "port.h"
#include "process.h"
#include "status.h"

#define PULSE_SLEEP_MOST_US (200 * US_PER_MS) /* whatever is not heard of, a wish of the main thread's, say */
#define PULSE_CREDIT        20u

struct pulse {
	struct worker_status *status;
	enum idle_policy idle;
	bool listening; /* all ports can wake us */
	bool asleep;    /* said so: the next look decides */
	bool woken, rung;
	uint64_t found; /* since it woke */
	unsigned int idle_polls; /* in a row */
	unsigned int nap_us; /* of the configuration */
	uint64_t gap_us;     /* at present: nap_us or less */
	uint64_t paid_us;                      /* the wake-ups until now are worth this long */
	uint64_t polls, busy, started, before; /* all but polls in cycles */
	uint64_t long_cycles, second_cycles;   /* what is worth a note: 100 us; and how long a second is */
	uint64_t longest, longest_before;      /* poll of this minute, and of the last, in cycles */
	uint64_t minute_ends;                  /* in cycles */
	struct port_queue *const *queues;
	unsigned int queues_count;
	unsigned int sources;
	struct pollfd source[1 + CONFIG_MAX_PORTS]; /* the bell first */
};

/* Main thread: a worker of this process with these queues (borrowed; all that it has). */
void pulse_init(struct pulse *pulse, struct process *process, unsigned int worker, struct port_queue *const *queues,
		unsigned int count);
void pulse_fini(struct pulse *pulse);

/* At the beginning of the thread; it sets the precision of the thread's naps. */
void pulse_start(struct pulse *pulse);

/*
 * A poll that began at now_us is over and has done so much work; 0 = none. Then it may rest (IDLE_NAP), at most until
 * next_us, when something else is due.
 */
void pulse_beat(struct pulse *pulse, unsigned int work, uint64_t now_us, uint64_t next_us);

#endif
