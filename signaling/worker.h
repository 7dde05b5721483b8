/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signaling worker: one pinned thread, one queue pair of each SIP port, one engine. Its loop is four verbs:
 * receive a burst, handle it, send what it produced, sweep the timers.
 */
#ifndef TANDEM_SIGNALING_WORKER_H
#define TANDEM_SIGNALING_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/port.h"
#include "common/process.h"
#include "common/ring.h"
#include "common/snapshot.h"
#include "signaling/engine.h"
#include "signaling/registrar.h"

/* What all workers share; made by the main thread before any of them runs. */
struct signaling {
	struct process *process;
	struct snapshot snapshot; /* struct signaling_snapshot */
	struct signaling_state *state;
	struct binding_store *bindings;
	struct timer *binding_timers;
	struct port *port[CONFIG_MAX_PORTS];
	unsigned int ports;
	struct worker *worker[CONFIG_MAX_WORKERS];
	unsigned int workers;
	struct segment calls, media_sessions, bindings_segment, gateways;
};

struct worker;

/* Main thread, in worker order. NULL with the reason logged. */
struct worker *worker_new(struct signaling *signaling, unsigned int index);
void worker_free(struct worker *worker);
/* The thread; returns when the process is stopping. */
int worker_start(struct worker *worker);
void worker_join(struct worker *worker);

/* Ask the worker for a hang-up and wait briefly. 0, -ENOENT: not its call, -ETIMEDOUT. Main thread. */
int worker_hangup(struct worker *worker, const uint8_t call_id[static 16]);

#endif
