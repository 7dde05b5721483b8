/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the spool, and what both threads share of it. The start is in spool_open.c. */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#define SEGMENT_SMALLEST (1u << 20)
static_assert(SEGMENT_SMALLEST >= SPOOL_GROUP_MAX + 65536, "a new segment takes any group");

int spool_place_compare(const struct spool_place *a, const struct spool_place *b)
{
	if (a->segment != b->segment)
		return a->segment < b->segment ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* ---- positions of the rings ----------------------------------------------------------------------------------------
 */

static struct spool_ring_position *find_ring(struct spool_ring_position *rings, unsigned int count, uint64_t generation)
{
	for (unsigned int i = 0; i < count; i++)
		if (rings[i].generation == generation)
			return &rings[i];
	return NULL;
}

bool spool_has(const struct spool *spool, uint64_t generation, uint64_t position)
{
	const struct spool_ring_position *ring =
	    find_ring((struct spool_ring_position *)spool->group_rings, spool->group_rings_count, generation);

	return ring && position <= ring->position;
}

/* The list is kept in the order of last use; the ring that has been quiet for longest makes room. */
static void note_position(struct spool *spool, unsigned int worker, uint64_t generation, uint64_t position)
{
	struct spool_ring_position *rings = spool->group_rings;
	struct spool_ring_position *ring = find_ring(rings, spool->group_rings_count, generation);

	if (!ring && spool->group_rings_count < SPOOL_RINGS) {
		ring = &rings[spool->group_rings_count++];
	} else if (!ring) {
		memmove(&rings[0], &rings[1], (SPOOL_RINGS - 1) * sizeof(rings[0]));
		ring = &rings[SPOOL_RINGS - 1];
	}
	*ring = (struct spool_ring_position){.generation = generation, .position = position, .worker = worker};
}

/* ---- the group
 * -------------------------------------------------------------------------------------------------------- */

static void put_record(uint8_t *to, struct spool_record_header *header, uint32_t seed, const void *body)
{
	size_t whole = spool_record_bytes(header->length), used = sizeof(*header) + header->length;

	header->magic = SPOOL_RECORD_MAGIC;
	header->version = SPOOL_VERSION;
	header->crc = spool_record_crc(seed, header, body);
	memcpy(to, header, sizeof(*header));
	memmove(to + sizeof(*header), body, header->length);
	memset(to + used, 0, whole - used);
}

bool spool_group_add(struct spool *spool, unsigned int worker, uint64_t generation, uint64_t position, const void *body,
		     uint32_t length)
{
	struct spool_record_header header = {
	    .length = length,
	    .type = SPOOL_CDR,
	    .worker = (uint16_t)worker,
	    .generation = generation,
	    .position = position,
	    .number = spool->end.records + spool->group_records,
	};

	if (spool->group_len + spool_record_bytes(length) > SPOOL_GROUP_MAX)
		return false;
	/* The sum depends on the segment, which is known for certain only when the group is written: see seal_group().
	 */
	memcpy(spool->group + spool->group_len, &header, sizeof(header));
	memcpy(spool->group + spool->group_len + sizeof(header), body, length);
	spool->group_len += spool_record_bytes(length);
	spool->group_records++;
	note_position(spool, worker, generation, position);
	return true;
}

/* Complete the records' headers for the segment that they go to. */
static void seal_group(struct spool *spool)
{
	for (size_t at = 0; at < spool->group_len;) {
		struct spool_record_header header;

		memcpy(&header, spool->group + at, sizeof(header));
		put_record(spool->group + at, &header, spool->seed, spool->group + at + sizeof(header));
		at += spool_record_bytes(header.length);
	}
}

static void drop_group(struct spool *spool)
{
	spool->group_len = 0;
	spool->group_records = 0;
	memcpy(spool->group_rings, spool->rings, sizeof(spool->rings));
	spool->group_rings_count = spool->rings_count;
}

static int write_all(int fd, const uint8_t *data, size_t len, uint64_t offset)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		data += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* ---- segments
 * --------------------------------------------------------------------------------------------------------- */

/* Nothing more is written to this segment: give back what was set aside and not used. */
static void leave_segment(struct spool *spool)
{
	if (spool->fd < 0)
		return;
	if (ftruncate(spool->fd, (off_t)spool->end.offset) < 0)
		log_warn("spool", "segment %" PRIu64 ": cannot be cut to %" PRIu64 " bytes: %s", spool->end.segment,
			 spool->end.offset, strerror(errno));
	close(spool->fd);
	spool->fd = -1;
}

/* The largest of the configured size, its half, ... that the file system will set aside. */
static int allocate(int fd, uint64_t wanted, uint64_t *allocated)
{
	for (uint64_t bytes = wanted;; bytes /= 2) {
		if (bytes < SEGMENT_SMALLEST)
			bytes = SEGMENT_SMALLEST;
		*allocated = bytes;
		if (fallocate(fd, 0, 0, (off_t)bytes) == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
			return 0; /* a file system that can't promise room: a write may fail, and is done again */
		if ((errno != ENOSPC && errno != EDQUOT && errno != EFBIG) || bytes == SEGMENT_SMALLEST)
			return -errno;
	}
}

/* Header and positions of an empty segment. */
static int write_beginning(struct spool *spool, int fd, uint64_t number, uint64_t *offset)
{
	uint8_t bytes[sizeof(struct spool_segment_header) + 64 + sizeof(spool->rings)] = {0};
	struct spool_segment_header segment = {
	    .magic = SPOOL_SEGMENT_MAGIC,
	    .version = SPOOL_VERSION,
	    .spool_id = spool->id,
	    .number = number,
	    .first_record = spool->end.records,
	    .created_us = clock_wall_us(clock_now_us()),
	};
	struct spool_record_header positions = {
	    .type = SPOOL_POSITIONS,
	    .length = (uint32_t)(spool->rings_count * sizeof(spool->rings[0])),
	    .number = spool->end.records,
	};

	segment.crc = spool_segment_crc(&segment);
	memcpy(bytes, &segment, sizeof(segment));
	put_record(bytes + sizeof(segment), &positions, spool_seed(spool->id, number), spool->rings);
	*offset = sizeof(segment) + spool_record_bytes(positions.length);
	int error = write_all(fd, bytes, *offset, 0);

	if (error == 0 && fdatasync(fd) < 0)
		error = -errno;
	return error;
}

static int append_segment(struct spool *spool, const struct spool_segment *segment)
{
	if (spool->segments_count == spool->segments_room) {
		unsigned int room = spool->segments_room ? 2 * spool->segments_room : 64;
		struct spool_segment *more = realloc(spool->segments, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		spool->segments = more;
		spool->segments_room = room;
	}
	spool->segments[spool->segments_count++] = *segment;
	return 0;
}

static void delete_segment(struct spool *spool, uint64_t number)
{
	char name[32];

	spool_segment_name(name, number);
	if (unlinkat(spool->directory_fd, name, 0) == 0)
		spool->deleted++;
	else
		log_warn("spool", "%s/%s: cannot be deleted: %s", spool->directory, name, strerror(errno));
}

/*
 * No room for a new segment, but the database has all of the ones there are, and so have the rings forgotten them:
 * they only take up the room that the new one needs.
 */
static bool give_up_committed(struct spool *spool)
{
	bool given_up = false;

	pthread_mutex_lock(&spool->lock);
	if (spool->segments_count > 0 && spool_place_compare(&spool->committed, &spool->durable) >= 0) {
		for (unsigned int i = 0; i < spool->segments_count; i++)
			delete_segment(spool, spool->segments[i].number);
		spool->segments_count = 0;
		given_up = true;
	}
	pthread_mutex_unlock(&spool->lock);
	return given_up;
}

/* Under a name of its own until it is whole, so that a segment file always has a header. */
static int make_segment(struct spool *spool, uint64_t number, uint64_t *offset)
{
	char name[32];
	static const char temporary[] = "next.tmp";
	int fd = openat(spool->directory_fd, temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	int error;

	if (fd < 0)
		return -errno;
	spool_segment_name(name, number);
	error = allocate(fd, spool->segment_bytes, &spool->allocated);
	if (error == 0)
		error = write_beginning(spool, fd, number, offset);
	if (error == 0 && renameat(spool->directory_fd, temporary, spool->directory_fd, name) < 0)
		error = -errno;
	if (error == 0 && fsync(spool->directory_fd) < 0) {
		error = -errno;
		unlinkat(spool->directory_fd, name, 0);
	}
	if (error) {
		unlinkat(spool->directory_fd, temporary, 0);
		close(fd);
		return error;
	}
	spool->fd = fd;
	return 0;
}

static int next_segment(struct spool *spool)
{
	uint64_t number = spool->end.segment + 1, offset = 0;

	leave_segment(spool);
	int error = make_segment(spool, number, &offset);

	if ((error == -ENOSPC || error == -EDQUOT) && give_up_committed(spool))
		error = make_segment(spool, number, &offset);
	if (error)
		return error;
	spool->end.segment = number;
	spool->end.offset = offset;
	spool->seed = spool_seed(spool->id, number);
	pthread_mutex_lock(&spool->lock);
	error = append_segment(spool, &(struct spool_segment){number, offset, spool->end.records});
	if (error == 0)
		spool->durable = spool->end;
	pthread_mutex_unlock(&spool->lock);
	if (error)
		leave_segment(spool);
	return error;
}

static void publish_durable(struct spool *spool)
{
	pthread_mutex_lock(&spool->lock);
	spool->segments[spool->segments_count - 1].bytes = spool->end.offset;
	spool->durable = spool->end;
	pthread_cond_signal(&spool->grown);
	pthread_mutex_unlock(&spool->lock);
}

int spool_group_commit(struct spool *spool)
{
	int error = 0;

	if (spool->group_len == 0)
		return 0;
	if (spool->fd < 0 || spool->end.offset + spool->group_len > spool->allocated)
		error = next_segment(spool);
	if (error == 0) {
		seal_group(spool);
		error = write_all(spool->fd, spool->group, spool->group_len, spool->end.offset);
		if (error == 0 && fdatasync(spool->fd) < 0)
			error = -errno;
		if (error)
			leave_segment(spool);
	}
	if (error == 0) {
		spool->end.offset += spool->group_len;
		spool->end.records += spool->group_records;
		memcpy(spool->rings, spool->group_rings, sizeof(spool->rings));
		spool->rings_count = spool->group_rings_count;
		publish_durable(spool);
	}
	drop_group(spool);
	return error;
}

static int measure_room(struct spool *spool)
{
	struct statvfs fs;

	if (fstatvfs(spool->directory_fd, &fs) < 0)
		return -errno;
	spool->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	/* What the segment has set aside is room for records, too. */
	uint64_t set_aside = spool->fd >= 0 ? spool->allocated - spool->end.offset : 0;
	/* An eighth more to recover, so that the answer does not flap. */
	uint64_t needed = spool->reserve_bytes + (spool->tight ? spool->reserve_bytes / 8 : 0);

	spool->tight = spool->free_bytes + set_aside < needed;
	return spool->tight ? -ENOSPC : 0;
}

int spool_check_room(struct spool *spool)
{
	int error = measure_room(spool);

	/* No call is taken, so no record will ever push the last segment out: once the database has it, it goes now. */
	if (error == -ENOSPC && spool->group_len == 0 && give_up_committed(spool)) {
		leave_segment(spool);
		error = measure_room(spool);
	}
	return error;
}

void spool_finish(struct spool *spool)
{
	pthread_mutex_lock(&spool->lock);
	spool->finished = true;
	pthread_cond_signal(&spool->grown);
	pthread_mutex_unlock(&spool->lock);
}

/* ---- the loader's side --------------------------------------------------------------------------------------------
 */

void spool_wait(struct spool *spool, uint64_t records, uint64_t until_us)
{
	struct timespec until = {.tv_sec = (time_t)(until_us / US_PER_S),
				 .tv_nsec = (long)(until_us % US_PER_S * 1000)};

	pthread_mutex_lock(&spool->lock);
	while (!spool->finished && spool->durable.records < records)
		if (pthread_cond_timedwait(&spool->grown, &spool->lock, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&spool->lock);
}

bool spool_find(struct spool *spool, const struct spool_place *place, struct spool_segment *segment, bool *is_last)
{
	bool found = false;

	pthread_mutex_lock(&spool->lock);
	for (unsigned int i = 0; i < spool->segments_count && !found; i++) {
		const struct spool_segment *s = &spool->segments[i];

		/* At the end of a segment the next one goes on, if there is one. */
		if (s->number < place->segment || (s->number == place->segment && place->offset >= s->bytes))
			continue;
		*segment = *s;
		*is_last = i == spool->segments_count - 1;
		found = true;
	}
	pthread_mutex_unlock(&spool->lock);
	return found;
}

struct spool_place spool_durable(struct spool *spool)
{
	pthread_mutex_lock(&spool->lock);
	struct spool_place place = spool->durable;

	pthread_mutex_unlock(&spool->lock);
	return place;
}

bool spool_is_finished(struct spool *spool)
{
	pthread_mutex_lock(&spool->lock);
	bool finished = spool->finished;

	pthread_mutex_unlock(&spool->lock);
	return finished;
}

void spool_committed(struct spool *spool, const struct spool_place *place)
{
	unsigned int whole = 0;

	pthread_mutex_lock(&spool->lock);
	spool->committed = *place;
	/* The last one stays: it knows the rings' positions. */
	while (whole + 1 < spool->segments_count &&
	       (spool->segments[whole].number < place->segment ||
		(spool->segments[whole].number == place->segment && spool->segments[whole].bytes <= place->offset)))
		delete_segment(spool, spool->segments[whole++].number);
	memmove(spool->segments, spool->segments + whole, (spool->segments_count - whole) * sizeof(*spool->segments));
	spool->segments_count -= whole;
	pthread_mutex_unlock(&spool->lock);
}

void spool_keep(struct spool *spool, uint64_t number)
{
	char name[32], kept[64];

	spool_segment_name(name, number);
	snprintf(kept, sizeof(kept), "%s.damaged", name);
	if (linkat(spool->directory_fd, name, spool->directory_fd, kept, 0) < 0 && errno != EEXIST)
		log_error("spool", "%s/%s: cannot be kept as %s: %s", spool->directory, name, kept, strerror(errno));
	else if (fsync(spool->directory_fd) < 0)
		log_error("spool", "%s: %s", spool->directory, strerror(errno));
}

void spool_pending(struct spool *spool, uint64_t *records, uint64_t *bytes)
{
	pthread_mutex_lock(&spool->lock);
	uint64_t done = spool->committed.records;

	*records = spool->durable.records > done ? spool->durable.records - done : 0;
	*bytes = 0;
	for (unsigned int i = 0; *records > 0 && i < spool->segments_count; i++) {
		const struct spool_segment *s = &spool->segments[i];

		if (s->number > spool->committed.segment)
			*bytes += s->bytes;
		else if (s->number == spool->committed.segment && s->bytes > spool->committed.offset)
			*bytes += s->bytes - spool->committed.offset;
	}
	pthread_mutex_unlock(&spool->lock);
}
