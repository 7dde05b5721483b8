/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the spool in order and makes batches of rows of it. The loader's thread only. */
#ifndef TANDEM_CDRWRITER_BATCH_H
#define TANDEM_CDRWRITER_BATCH_H

#include "row.h"
#include "spool.h"

#define BATCH_DAYS  64u /* a batch ends before it touches more days than these */
#define BATCH_BYTES (16u << 20)

struct batch {
	struct spool_place begin, end;
	unsigned int count;
	struct buffer copy; /* the data of COPY ... BINARY */
	struct buffer raw;  /* the first record as it lies in the spool */
	const char *fault;  /* the first record is none (then it is the only one) */
	bool complete;      /* takes no more */
	int64_t days[BATCH_DAYS];
	unsigned int days_count;
};

struct batch_reader {
	struct spool *spool;
	struct spool_cursor cursor;
	struct spool_place place;          /* of the next record */
	uint64_t skip_bytes, skip_segment; /* what the next batch_reader_skip() in that segment leaves out */
};

int batch_reader_init(struct batch_reader *reader, struct spool *spool); /* 0 or -ENOMEM */
void batch_reader_fini(struct batch_reader *reader);
void batch_reader_seek(struct batch_reader *reader, const struct spool_place *place);

/* batch_add() meets the same unreadable place again and again: go on behind it. */
void batch_reader_skip(struct batch_reader *reader);

/*
 * A batch begins where the reader is, takes records as they become durable, and is closed when it is to be loaded.
 * batch_add() takes records until there are `limit` in it, or it is complete: what comes next does not belong into it,
 * or can't be read. 0 (also when there are none yet), or a negative errno with an empty batch: the disk, or no memory;
 * then nothing has moved. The others: 0 or -ENOMEM.
 */
int batch_begin(struct batch *batch, const struct batch_reader *reader);
int batch_add(struct batch *batch, struct batch_reader *reader, unsigned int limit);
int batch_close(struct batch *batch);
void batch_fini(struct batch *batch);

#endif
