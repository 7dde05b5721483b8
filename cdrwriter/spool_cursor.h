/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the records of one segment file in order, and steps over damage: where a record's sum is wrong, the next
 * place whose sum is right goes on. One thread's; reads with pread(), so that a bad disk is an error and no signal.
 */
#ifndef TANDEM_CDRWRITER_SPOOL_CURSOR_H
#define TANDEM_CDRWRITER_SPOOL_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool_format.h"

struct spool_cursor {
	int fd; /* -1 = none open */
	struct spool_segment_header segment;
	uint32_t seed;
	uint64_t offset;  /* of the next record */
	uint64_t end;     /* read no further */
	uint64_t damaged; /* places stepped over so far */
	bool torn;        /* at the end: what is left is neither a record nor zeros */
	uint64_t bad_at;  /* after an error: where nothing more could be read; 0 = not even opened */
	uint8_t *buffer;
	uint64_t buffer_at;
	size_t buffer_len;
};

struct spool_record {
	struct spool_record_header header;
	const uint8_t *body;  /* until the next call */
	uint64_t offset, end; /* where it lies in the segment */
};

void spool_segment_name(char name[static 32], uint64_t number);

/* 0 or -ENOMEM; a zeroed cursor with fd -1. */
int spool_cursor_init(struct spool_cursor *cursor);
void spool_cursor_fini(struct spool_cursor *cursor);

/*
 * Open a segment and set the end to the file's size. -EBADMSG when its header is damaged or names another number
 * than the file, another negative errno when it can't be read.
 */
int spool_cursor_open(struct spool_cursor *cursor, int directory_fd, uint64_t number);
void spool_cursor_close(struct spool_cursor *cursor);

/* 1: a record, of whatever type. 0: the end. -EIO and the like: the disk; nothing has moved. */
int spool_cursor_next(struct spool_cursor *cursor, struct spool_record *record);
/* Is this error one of the medium's, which a longer wait may not cure? */
bool spool_cursor_is_unreadable(int error);
/* After such an error: where to go on, leaving out *bytes from the block that can't be read (0 = one block; doubled for
 * the next time, so that a segment that is gone altogether does not take for ever). */
uint64_t spool_cursor_behind(const struct spool_cursor *cursor, uint64_t *bytes);

#endif
