/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread from the spool to PostgreSQL. A batch is one transaction: the position moves from where the database
 * has it to the batch's end, and the rows go in. So whatever happens to the answer of COMMIT, the position in the
 * database says which rows are there; it is read again with every connection. Moving it takes the row's lock, so a
 * transaction of ours that is still in doubt on the server is waited for.
 *
 * While the server works on one batch, the next one is made of what is durable by then: it begins where the other ends.
 */
#ifndef TANDEM_CDRWRITER_LOADER_H
#define TANDEM_CDRWRITER_LOADER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/counters.h"
#include "common/process.h"
#include "batch.h"
#include "database.h"
#include "spool.h"

/* What a reload may change. */
struct loader_settings {
	char *connection;
	unsigned int batch, batch_wait_ms, partitions_ahead_days;
};

struct loader {
	struct spool *spool;
	struct process *process;
	struct counter_row *counters;
	char node[40]; /* a copy: a reload replaces the configuration */
	struct database db;
	struct batch_reader reader;
	struct batch batches[2];
	struct batch *batch; /* being loaded, or loaded last */
	struct batch *next;  /* begun; its place is where the reader's last one ended */

	struct spool_place recovered;   /* the spool's end when this life began */
	struct spool_place in_database; /* what the database says */
	bool agreed;                    /* a transaction of this life has moved it */
	unsigned int limit;             /* rows in the next batch: smaller for a while after trouble */
	uint64_t retry_us, delay_us;    /* next attempt, and the pause before the one after it */
	uint64_t partitions_us;         /* when to look at the partitions again */
	uint64_t unreadable_us;         /* since when the spool can't be read on; 0 = it can */
	int64_t days[512];              /* that have partitions, as far as known */
	unsigned int days_count;

	struct loader_settings settings; /* the thread's own */
	pthread_mutex_t lock;            /* guards the next two */
	struct loader_settings wanted;
	bool changed;
};

/* Borrows all but the configuration's values, which it copies. 0 or a negative errno. */
int loader_init(struct loader *loader, struct spool *spool, struct process *process, struct counter_row *counters);
void loader_fini(struct loader *loader);
/* Until the spool has finished and all of it is in the database, or the database is away, or five seconds later. */
void loader_run(struct loader *loader);

/* Housekeeping thread: new settings. 0 or -ENOMEM. */
int loader_configure(struct loader *loader, const struct config *config);

#endif
