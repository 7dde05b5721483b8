/* SPDX-License-Identifier: Apache-2.0 */
#include "batch.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/log.h"

int batch_reader_init(struct batch_reader *reader, struct spool *spool)
{
	*reader = (struct batch_reader){.spool = spool};
	return spool_cursor_init(&reader->cursor);
}

void batch_reader_fini(struct batch_reader *reader)
{
	spool_cursor_fini(&reader->cursor);
}

void batch_reader_seek(struct batch_reader *reader, const struct spool_place *place)
{
	spool_cursor_close(&reader->cursor);
	reader->place = *place;
}

void batch_fini(struct batch *batch)
{
	buffer_fini(&batch->copy);
	buffer_fini(&batch->raw);
}

static void note_damage(struct batch_reader *reader, const struct spool_segment *segment)
{
	reader->spool->damaged++;
	spool_keep(reader->spool, segment->number);
}

static void step_over(struct batch_reader *reader, const struct spool_segment *segment, const char *what)
{
	log_error("spool", "segment %" PRIu64 ": %s after %" PRIu64 " bytes; going on with the next", segment->number,
		  what, reader->place.segment == segment->number ? reader->place.offset : 0);
	note_damage(reader, segment);
	spool_cursor_close(&reader->cursor);
	reader->place.segment = segment->number;
	reader->place.offset = segment->bytes;
}

void batch_reader_skip(struct batch_reader *reader)
{
	struct spool_segment segment;
	bool is_last;

	if (!spool_find(reader->spool, &reader->place, &segment, &is_last))
		return;
	if (reader->cursor.bad_at < sizeof(struct spool_segment_header)) {
		step_over(reader, &segment, "unreadable");
		return;
	}
	if (reader->skip_segment != segment.number)
		reader->skip_bytes = 0;
	reader->skip_segment = segment.number;
	uint64_t to = spool_cursor_behind(&reader->cursor, &reader->skip_bytes);

	log_error("spool", "segment %" PRIu64 ": unreadable from %" PRIu64 " on; going on at %" PRIu64, segment.number,
		  reader->cursor.bad_at, to);
	note_damage(reader, &segment);
	spool_cursor_close(&reader->cursor);
	reader->place.segment = segment.number;
	reader->place.offset = to;
}

/* Have the cursor in this segment, at the place if the place is in it. 1, 0 when the segment can't be used, or an
 * error. */
static int enter(struct batch_reader *reader, const struct spool_segment *segment)
{
	struct spool_cursor *cursor = &reader->cursor;

	if (cursor->fd < 0 || cursor->segment.number != segment->number) {
		int error = spool_cursor_open(cursor, reader->spool->directory_fd, segment->number);

		if (error == -EBADMSG || error == -ENOENT) {
			step_over(reader, segment, error == -ENOENT ? "gone" : "damaged");
			return 0;
		}
		if (error)
			return error;
		if (reader->place.segment == segment->number && reader->place.offset > cursor->offset)
			cursor->offset = reader->place.offset;
	}
	cursor->end = segment->bytes;
	return 1;
}

/* The segment that the next record is in. The spool is asked when what it said last has been read. */
static bool find(struct batch_reader *reader, struct spool_segment *segment)
{
	const struct spool_cursor *cursor = &reader->cursor;
	bool is_last;

	if (cursor->fd < 0 || reader->place.segment != cursor->segment.number || reader->place.offset >= cursor->end)
		return spool_find(reader->spool, &reader->place, segment, &is_last);
	*segment = (struct spool_segment){.number = cursor->segment.number, .bytes = cursor->end};
	return true;
}

/* 1: a call record; 0: no more that is durable; or a negative errno. */
static int next_record(struct batch_reader *reader, struct spool_record *record)
{
	struct spool_segment segment;

	while (find(reader, &segment)) {
		int found = enter(reader, &segment);

		if (found < 0)
			return found;
		if (found == 0)
			continue;
		uint64_t damaged = reader->cursor.damaged;

		found = spool_cursor_next(&reader->cursor, record);
		if (found < 0)
			return found;
		if (found == 0) {
			step_over(reader, &segment, "unreadable to its end");
			continue;
		}
		if (reader->cursor.damaged != damaged) {
			log_error("spool", "segment %" PRIu64 ": damage between %" PRIu64 " and %" PRIu64,
				  segment.number, reader->place.offset, record->offset);
			note_damage(reader, &segment);
		}
		reader->place.segment = segment.number;
		reader->place.offset = record->end;
		if (record->header.type != SPOOL_CDR)
			continue;
		reader->place.records = record->header.number + 1;
		return 1;
	}
	return 0;
}

/* False when the batch has no room for another day. */
static bool note_day(struct batch *batch, int64_t day)
{
	for (unsigned int i = 0; i < batch->days_count; i++)
		if (batch->days[i] == day)
			return true;
	if (batch->days_count == BATCH_DAYS)
		return false;
	batch->days[batch->days_count++] = day;
	return true;
}

static int keep_raw(struct batch *batch, const struct spool_record *record)
{
	batch->raw.len = 0;
	uint8_t *to = buffer_grow(&batch->raw, record->header.length);

	if (!to)
		return -ENOMEM;
	memcpy(to, record->body, record->header.length);
	return 0;
}

/* 1: taken; 0: it belongs into the next batch; or a negative errno. */
static int add_record(struct batch *batch, struct batch_reader *reader, const struct spool_record *record)
{
	int error = batch->count == 0 ? keep_raw(batch, record) : 0;

	if (error)
		return error;
	struct cdr_record cdr;
	const char *fault = "not a call record";

	if (cdr_record_read(&cdr, record->body, record->header.length) == 0)
		fault = row_fault(&cdr);

	if (fault) {
		if (batch->count > 0)
			return 0;
		batch->fault = fault;
	} else {
		if (!note_day(batch, row_day(cdr.setup_us)))
			return 0;
		error = row_append(&batch->copy, &cdr);
		if (error)
			return error;
	}
	batch->count++;
	return 1;
}

int batch_begin(struct batch *batch, const struct batch_reader *reader)
{
	batch->begin = batch->end = reader->place;
	batch->count = batch->days_count = 0;
	batch->fault = NULL;
	batch->complete = false;
	return row_begin_copy(&batch->copy);
}

/* 1: another one was taken; 0: the batch ends here, or there is no more; or a negative errno. */
static int take_record(struct batch *batch, struct batch_reader *reader)
{
	struct spool_place before = reader->place;
	struct spool_record record;
	int found = next_record(reader, &record);

	if (found == 1)
		found = add_record(batch, reader, &record);
	/* What was read and not taken is the next batch's. */
	if (found != 1 && batch->count > 0 && spool_place_compare(&before, &reader->place) != 0) {
		batch_reader_seek(reader, &before);
		batch->complete = true;
	}
	return found;
}

int batch_add(struct batch *batch, struct batch_reader *reader, unsigned int limit)
{
	int found = 1;

	while (found == 1 && !batch->complete && batch->count < limit) {
		found = take_record(batch, reader);
		if (batch->copy.len >= BATCH_BYTES || batch->fault)
			batch->complete = true;
	}
	if (found < 0 && batch->count == 0) {
		batch_reader_seek(reader, &batch->begin);
		return found;
	}
	if (found < 0)
		batch->complete = true;
	batch->end = reader->place;
	return 0;
}

int batch_close(struct batch *batch)
{
	batch->complete = true;
	return row_end_copy(&batch->copy);
}
