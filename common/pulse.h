/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A polling worker's pulse: how busy its core is, as its process's status tells it, and how it rests when there is
 * nothing to do. The worker's thread only. Linked with the ports: it counts the core's cycles as they do.
 */
#ifndef TANDEM_COMMON_PULSE_H
#define TANDEM_COMMON_PULSE_H

#include <stdint.h>

#include "config.h"
#include "status.h"

struct pulse {
	struct worker_status *status;
	enum idle_policy idle;
	unsigned int idle_polls;               /* in a row */
	uint64_t polls, busy, started, before; /* all but polls in cycles */
};

/* At the beginning of the thread; it sets the precision of the thread's naps. Borrows the status. */
void pulse_start(struct pulse *pulse, struct worker_status *status, enum idle_policy idle);

/* A poll that began at now_us is over and has done so much work; 0 = none, and then it may nap (IDLE_NAP). */
void pulse_beat(struct pulse *pulse, unsigned int work, uint64_t now_us);

#endif
