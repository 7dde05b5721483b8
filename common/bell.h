/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wakes a worker that sleeps (pulse.h), from another thread or process that has just put something into one of its
 * rings. No wake-up is lost: the sleeper says that it will sleep, and then looks once more; who fills a ring does so
 * first, and then looks whether the reader sleeps. A full fence is between the two on either side.
 *
 * What carries the ring is a named pipe in the directory of the control sockets, one for each worker, which both sides
 * hold open for reading and writing. So neither needs the other to be alive, and a new life of either goes on with the
 * same one. A bell that does not ring costs time, never a message: no worker sleeps longer than 50 ms.
 */
#ifndef TANDEM_COMMON_BELL_H
#define TANDEM_COMMON_BELL_H

#include <stdatomic.h>
#include <stdint.h>

#include "process.h"

/* One thread's way to wake one worker. */
struct bell {
	_Atomic uint32_t *asleep; /* in the status segment, written by the sleeper alone */
	int fd;
	uint64_t told; /* how far the ring was filled when the bell was rung last */
};

/*
 * Where processes have users of their own (as process_make_runtime_directory()): the bells of all workers of the node,
 * such that each process rings them and none removes one. Elsewhere who comes first makes a bell. 0 or a negative
 * errno.
 */
int bells_make(const struct config *config);

/* The worker may be one of this process, and need not run. After process_init(). One that fails is logged and mute. */
void bell_open(struct bell *bell, struct process *process, enum process_role role, unsigned int worker);
void bell_close(struct bell *bell); /* one that is zeroed, too */

/* The worker's own end: readable when somebody has rung. A descriptor or a negative errno (logged). */
int bell_listen(struct process *process, unsigned int worker);
void bell_hush(int fd); /* take in what was rung */

void bell_strike(const struct bell *bell);

/* Everything up to `position` of a ring is published: wake its reader if it sleeps. Costs nothing when nothing is new.
 */
static inline void bell_ring(struct bell *bell, uint64_t position)
{
	if (bell->told == position)
		return;
	bell->told = position;
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(bell->asleep, memory_order_relaxed))
		bell_strike(bell);
}

#endif
