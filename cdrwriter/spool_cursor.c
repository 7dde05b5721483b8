/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"

#define BUFFER_BYTES (1u << 20)
#define BLOCK_BYTES  4096u /* what a disk loses at once, at least */
static_assert(BUFFER_BYTES >= 2 * (SPOOL_BODY_MAX + sizeof(struct spool_record_header)), "a record fits whole");

uint32_t spool_segment_crc(const struct spool_segment_header *header)
{
	size_t from = offsetof(struct spool_segment_header, crc) + sizeof(header->crc);

	return crc32c(0, (const uint8_t *)header + from, sizeof(*header) - from);
}

uint32_t spool_seed(uint64_t spool_id, uint64_t number)
{
	uint64_t both[2] = {spool_id, number};

	return crc32c(0, both, sizeof(both));
}

uint32_t spool_record_crc(uint32_t seed, const struct spool_record_header *header, const void *body)
{
	size_t from = offsetof(struct spool_record_header, crc) + sizeof(header->crc);
	uint32_t crc = crc32c(seed, (const uint8_t *)header + from, sizeof(*header) - from);

	return crc32c(crc, body, header->length);
}

void spool_segment_name(char name[static 32], uint64_t number)
{
	snprintf(name, 32, "%012llu" SPOOL_SUFFIX, (unsigned long long)number);
}

int spool_cursor_init(struct spool_cursor *cursor)
{
	*cursor = (struct spool_cursor){.fd = -1, .buffer = malloc(BUFFER_BYTES)};
	return cursor->buffer ? 0 : -ENOMEM;
}

void spool_cursor_fini(struct spool_cursor *cursor)
{
	spool_cursor_close(cursor);
	free(cursor->buffer);
	cursor->buffer = NULL;
}

void spool_cursor_close(struct spool_cursor *cursor)
{
	if (cursor->fd >= 0)
		close(cursor->fd);
	cursor->fd = -1;
	cursor->buffer_len = 0;
}

/* Make `len` bytes from `offset` on readable at the returned pointer; NULL with *error = 0 when they are past the end.
 */
static const uint8_t *see(struct spool_cursor *cursor, uint64_t offset, size_t len, int *error)
{
	*error = 0;
	if (len > cursor->end || offset > cursor->end - len)
		return NULL;
	if (offset >= cursor->buffer_at && offset + len <= cursor->buffer_at + cursor->buffer_len)
		return cursor->buffer + (offset - cursor->buffer_at);

	size_t want = cursor->end - offset < BUFFER_BYTES ? (size_t)(cursor->end - offset) : BUFFER_BYTES;

	cursor->buffer_at = offset;
	cursor->buffer_len = 0;
	while (cursor->buffer_len < len) {
		ssize_t n = pread(cursor->fd, cursor->buffer + cursor->buffer_len, want - cursor->buffer_len,
				  (off_t)(offset + cursor->buffer_len));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*error = n < 0 ? -errno : -EIO; /* shorter than it was */
			cursor->bad_at = offset + cursor->buffer_len;
			return NULL;
		}
		cursor->buffer_len += (size_t)n;
	}
	return cursor->buffer;
}

int spool_cursor_open(struct spool_cursor *cursor, int directory_fd, uint64_t number)
{
	char name[32];
	struct stat st;
	int error = 0;

	spool_cursor_close(cursor);
	cursor->bad_at = 0;
	spool_segment_name(name, number);
	cursor->fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC);
	if (cursor->fd < 0 || fstat(cursor->fd, &st) < 0) {
		error = -errno;
		goto out;
	}
	cursor->end = (uint64_t)st.st_size;
	cursor->torn = false;
	const uint8_t *bytes = see(cursor, 0, sizeof(cursor->segment), &error);

	if (error)
		goto out;
	if (bytes)
		memcpy(&cursor->segment, bytes, sizeof(cursor->segment));
	if (!bytes || cursor->segment.magic != SPOOL_SEGMENT_MAGIC || cursor->segment.version != SPOOL_VERSION ||
	    cursor->segment.crc != spool_segment_crc(&cursor->segment) || cursor->segment.number != number) {
		error = -EBADMSG;
		goto out;
	}
	cursor->seed = spool_seed(cursor->segment.spool_id, number);
	cursor->offset = sizeof(cursor->segment);
	cursor->buffer_len = 0; /* it may hold what a writer has not written yet */
	return 0;
out:
	spool_cursor_close(cursor);
	return error;
}

/* Is there a whole record at `offset`? 1, 0 or a negative errno. */
static int record_at(struct spool_cursor *cursor, uint64_t offset, struct spool_record *record)
{
	int error;
	const uint8_t *bytes = see(cursor, offset, sizeof(record->header), &error);

	if (!bytes)
		return error;
	memcpy(&record->header, bytes, sizeof(record->header));
	if (record->header.magic != SPOOL_RECORD_MAGIC || record->header.version != SPOOL_VERSION ||
	    record->header.length > SPOOL_BODY_MAX)
		return 0;
	bytes = see(cursor, offset, sizeof(record->header) + record->header.length, &error);
	if (!bytes)
		return error;
	record->body = bytes + sizeof(record->header);
	if (record->header.crc != spool_record_crc(cursor->seed, &record->header, record->body))
		return 0;
	record->offset = offset;
	record->end = offset + spool_record_bytes(record->header.length);
	return 1;
}

/* From a damaged place on: the next record, or the end. */
static int search(struct spool_cursor *cursor, struct spool_record *record)
{
	bool zeros = true;
	int error;

	for (uint64_t at = cursor->offset;; at += SPOOL_ALIGN) {
		uint32_t magic;
		const uint8_t *bytes = see(cursor, at, SPOOL_ALIGN, &error);

		if (error)
			return error;
		if (!bytes)
			break;
		memcpy(&magic, bytes, sizeof(magic));
		if (magic == SPOOL_RECORD_MAGIC) {
			int found = record_at(cursor, at, record);

			if (found)
				return found;
			bytes = see(cursor, at, SPOOL_ALIGN, &error);
		}
		static const uint8_t nothing[SPOOL_ALIGN];

		zeros = zeros && bytes && memcmp(bytes, nothing, SPOOL_ALIGN) == 0;
	}
	cursor->torn = !zeros;
	return 0;
}

int spool_cursor_next(struct spool_cursor *cursor, struct spool_record *record)
{
	int found = record_at(cursor, cursor->offset, record);

	if (found == 0 && cursor->offset < cursor->end) {
		found = search(cursor, record);
		if (found == 1)
			cursor->damaged++;
	}
	if (found == 1)
		cursor->offset = record->end;
	return found;
}

bool spool_cursor_is_unreadable(int error)
{
	return error == -EIO || error == -ENODATA || error == -EUCLEAN || error == -EBADMSG || error == -EILSEQ;
}

uint64_t spool_cursor_behind(const struct spool_cursor *cursor, uint64_t *bytes)
{
	if (*bytes == 0)
		*bytes = BLOCK_BYTES;
	uint64_t to = cursor->bad_at / BLOCK_BYTES * BLOCK_BYTES + *bytes;

	*bytes *= 2;
	return to < cursor->end ? to : cursor->end;
}
