/* SPDX-License-Identifier: Apache-2.0 */
#include "dump.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "row.h"
#include "spool.h"

static void print_record(const struct spool_cursor *cursor, const struct spool_record *record)
{
	struct cdr_record cdr;

	printf("{\"segment\":%" PRIu64 ",\"position\":%" PRIu64 ",\"number\":%" PRIu64 ",\"worker\":%u,\"record\":",
	       cursor->segment.number, record->end, record->header.number, record->header.worker);
	if (cdr_record_read(&cdr, record->body, record->header.length) == 0)
		row_print_json(stdout, &cdr);
	else
		fputs("null", stdout);
	puts("}");
}

/* Places that are damaged, or -1 when the segment can't be read. */
static int dump_segment(struct spool_cursor *cursor, int directory_fd, uint64_t number)
{
	struct spool_record record;
	uint64_t damaged = cursor->damaged;
	int found = spool_cursor_open(cursor, directory_fd, number);

	if (found < 0) {
		fprintf(stderr, "segment %" PRIu64 ": %s\n", number, strerror(-found));
		return -1;
	}
	while ((found = spool_cursor_next(cursor, &record)) == 1)
		if (record.header.type == SPOOL_CDR)
			print_record(cursor, &record);
	if (found < 0)
		fprintf(stderr, "segment %" PRIu64 ": %s after %" PRIu64 " bytes\n", number, strerror(-found),
			cursor->offset);
	if (cursor->torn)
		fprintf(stderr, "segment %" PRIu64 ": torn after %" PRIu64 " bytes\n", number, cursor->offset);
	if (cursor->damaged != damaged)
		fprintf(stderr, "segment %" PRIu64 ": %" PRIu64 " damaged places\n", number, cursor->damaged - damaged);
	return (int)(cursor->damaged - damaged) + cursor->torn + (found < 0);
}

int dump_spool(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t *numbers = NULL;
	int count = fd < 0 ? -1 : spool_list(fd, &numbers), status = 0;
	struct spool_cursor cursor;

	if (count < 0 || spool_cursor_init(&cursor) < 0) {
		fprintf(stderr, "%s: cannot be read: %s\n", directory, strerror(errno));
		free(numbers);
		if (fd >= 0)
			close(fd);
		return 2;
	}
	for (int i = 0; i < count; i++)
		if (dump_segment(&cursor, fd, numbers[i]) != 0)
			status = 1;
	spool_cursor_fini(&cursor);
	free(numbers);
	close(fd);
	return status;
}
