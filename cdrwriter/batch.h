/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the spool in order and makes batches of rows of it. The loader's thread only. */
#ifndef TANDEM_CDRWRITER_BATCH_H
#define TANDEM_CDRWRITER_BATCH_H

#include "common/pb_arena.h"
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
	int64_t days[BATCH_DAYS];
	unsigned int days_count;
};

struct batch_reader {
	struct spool *spool;
	struct spool_cursor cursor;
	struct pb_arena arena;
	struct spool_place place;          /* of the next record */
	uint64_t skip_bytes, skip_segment; /* what the next batch_reader_skip() in that segment leaves out */
};

int batch_reader_init(struct batch_reader *reader, struct spool *spool); /* 0 or -ENOMEM */
void batch_reader_fini(struct batch_reader *reader);
void batch_reader_seek(struct batch_reader *reader, const struct spool_place *place);

/* batch_fill() meets the same unreadable place again and again: go on behind it. */
void batch_reader_skip(struct batch_reader *reader);

/*
 * Fill a batch with at most `limit` of the next durable records. 0 (also when there are none: count is 0), or a
 * negative errno: the disk, or no memory; then nothing has moved. What could be read before comes first.
 */
int batch_fill(struct batch *batch, struct batch_reader *reader, unsigned int limit);
void batch_fini(struct batch *batch);

#endif
