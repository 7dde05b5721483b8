/* SPDX-License-Identifier: Apache-2.0 */
/* The thread from the rings to the spool: peek, make durable, and only then release. */
#ifndef TANDEM_CDRWRITER_SPOOLER_H
#define TANDEM_CDRWRITER_SPOOLER_H

#include "common/counters.h"
#include "common/process.h"
#include "common/ring.h"
#include "spool.h"

/* One signaling worker's ring. */
struct spooler_ring {
	struct ring_consumer consumer;
	uint64_t generation;
	uint64_t seen;   /* end of the last message peeked */
	uint32_t faults; /* of the ring, as far as they are counted */
};

struct spooler {
	struct spool *spool;
	struct process *process;
	struct counter_row *counters;
	struct spooler_ring rings[CONFIG_MAX_WORKERS];
	unsigned int rings_count;
	uint64_t looked_us, room_checked_us;
	uint64_t nap_us;   /* between two looks at most: no ring fills up meanwhile */
	uint64_t rest_us;  /* until the next one */
	bool write_failed; /* the last commit did */
	bool full;         /* what the status segment says */
	uint64_t damaged_counted;
};

/* Attach to every signaling worker's ring. Borrows all it is given. 0 or a negative errno (logged). */
int spooler_init(struct spooler *spooler, struct spool *spool, struct process *process, struct counter_row *counters);
/* Until the process stops and the rings are empty, or two seconds later. */
void spooler_run(struct spooler *spooler);

#endif
