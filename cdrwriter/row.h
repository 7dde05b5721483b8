/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call record as a row of tandem.cdr. The columns are declared once, as a table of name, type and value; from it come
 * the list for COPY, its binary rows, and the JSON of --dump-spool, which is such a row in words.
 */
#ifndef TANDEM_CDRWRITER_ROW_H
#define TANDEM_CDRWRITER_ROW_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/cdr_record.h"

/* Bytes that grow. Zero-initialised = empty; buffer_fini() frees them. */
struct buffer {
	uint8_t *bytes;
	size_t len, room;
};

/* NULL when there is no memory: the buffer is as it was. */
uint8_t *buffer_grow(struct buffer *buffer, size_t more);
void buffer_fini(struct buffer *buffer);

/* "setup_time, call_id, ...": what COPY tandem.cdr (...) and INSERT name. */
const char *row_columns(void);

/* The day (since 1970, UTC) of a time in microseconds, which is the partition of a row; rounds down, before 1970 too.
 */
int64_t row_day(int64_t wall_us);

/* Why a record can't be a row at all ("call_id is 3 bytes, expected 16"), or NULL when it can be tried. */
const char *row_fault(const struct cdr_record *record);

/* The 19 bytes a binary COPY begins with, one row, and the two bytes it ends with. 0 or -ENOMEM. */
int row_begin_copy(struct buffer *buffer);
int row_append(struct buffer *buffer, const struct cdr_record *record);
int row_end_copy(struct buffer *buffer);

/* An object, keys in the order of the columns. */
void row_print_json(FILE *out, const struct cdr_record *record);

#endif
