/* SPDX-License-Identifier: Apache-2.0 */
/* What a spool directory holds when a writer starts on it, after a clean stop, a kill or a power cut. */
#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

#define LOCK_TRIES 20 /* of 100 ms: a predecessor that was killed may still be exiting */

/* "000000000012.spool" -> 12; 0 = no segment's name. */
static uint64_t parse_name(const char *name)
{
	char again[32];
	uint64_t number = strtoull(name, NULL, 10);

	spool_segment_name(again, number);
	return strcmp(name, again) == 0 ? number : 0;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int spool_list(int directory_fd, uint64_t **numbers)
{
	int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
	int count = 0, room = 0;

	*numbers = NULL;
	if (!directory) {
		int error = -errno;

		if (fd >= 0)
			close(fd);
		return error;
	}
	for (struct dirent *entry; (entry = readdir(directory));) {
		uint64_t number = parse_name(entry->d_name);

		if (number == 0)
			continue;
		if (count == room) {
			room = room ? 2 * room : 64;
			uint64_t *more = realloc(*numbers, (size_t)room * sizeof(**numbers));

			if (!more) {
				closedir(directory);
				free(*numbers);
				*numbers = NULL;
				return -ENOMEM;
			}
			*numbers = more;
		}
		(*numbers)[count++] = number;
	}
	closedir(directory);
	if (count > 0)
		qsort(*numbers, (size_t)count, sizeof(**numbers), compare_numbers);
	return count;
}

static int take_possession(struct spool *spool)
{
	if (mkdir(spool->directory, 0750) < 0 && errno != EEXIST) {
		log_error("spool", "%s: cannot be made: %s", spool->directory, strerror(errno));
		return -errno;
	}
	spool->directory_fd = open(spool->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (spool->directory_fd >= 0)
		spool->lock_fd = openat(spool->directory_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (spool->lock_fd < 0) {
		log_error("spool", "%s: cannot be opened for writing: %s", spool->directory, strerror(errno));
		return -errno;
	}
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(spool->lock_fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			return -errno;
		usleep(100000);
	}
	log_error("spool", "%s: another process is writing to this spool", spool->directory);
	return -EBUSY;
}

/* A file that is no segment of this spool: out of the way, for a person to look at. */
static void set_aside(struct spool *spool, uint64_t number, const char *suffix)
{
	char name[32], aside[64];

	spool_segment_name(name, number);
	snprintf(aside, sizeof(aside), "%s.%s", name, suffix);
	/* Where it has that second name already (spool_keep()), renaming does nothing. */
	if (renameat(spool->directory_fd, name, spool->directory_fd, aside) == 0)
		unlinkat(spool->directory_fd, name, 0);
	log_error("spool", "%s/%s is %s: set aside as %s", spool->directory, name, suffix, aside);
	spool->damaged++;
}

static void take_positions(struct spool *spool, const struct spool_record *record)
{
	size_t count = record->header.length / sizeof(spool->rings[0]);

	if (count > SPOOL_RINGS)
		count = SPOOL_RINGS;
	memcpy(spool->rings, record->body, count * sizeof(spool->rings[0]));
	spool->rings_count = (unsigned int)count;
}

static void take_position(struct spool *spool, const struct spool_record_header *header)
{
	unsigned int i = 0;

	while (i < spool->rings_count && spool->rings[i].generation != header->generation)
		i++;
	if (i == SPOOL_RINGS)
		i = 0;
	else if (i == spool->rings_count)
		spool->rings_count++;
	spool->rings[i] = (struct spool_ring_position){
	    .generation = header->generation,
	    .position = header->position,
	    .worker = header->worker,
	};
}

/* The last segment: how far each ring got, how many records there have been, and where it really ends. */
static int scan_last(struct spool *spool, struct spool_cursor *cursor, struct spool_segment *last)
{
	struct spool_record record;
	uint64_t skip_bytes = 0;
	char name[32];
	int found;

	spool->end = (struct spool_place){last->number, sizeof(struct spool_segment_header), last->first_record};
	while ((found = spool_cursor_next(cursor, &record)) != 0) {
		if (spool_cursor_is_unreadable(found)) {
			cursor->offset = spool_cursor_behind(cursor, &skip_bytes);
			continue;
		}
		if (found < 0)
			return found;
		if (record.header.type == SPOOL_POSITIONS) {
			take_positions(spool, &record);
		} else {
			take_position(spool, &record.header);
			spool->end.records = record.header.number + 1;
		}
		spool->end.offset = record.end;
	}
	spool_segment_name(name, last->number);
	if (cursor->damaged > 0)
		log_error("spool", "%s/%s: %" PRIu64 " damaged places", spool->directory, name, cursor->damaged);
	if (cursor->torn)
		log_warn("spool",
			 "%s/%s: torn after %" PRIu64 " bytes, by a kill or a power cut; what is left had not been "
			 "released by its ring",
			 spool->directory, name, spool->end.offset);
	if (skip_bytes > 0) { /* not cut: the loader tries again, and a person may save more */
		log_error("spool", "%s/%s: parts can't be read", spool->directory, name);
		spool->end.offset = cursor->end;
	}
	last->bytes = spool->end.offset;
	int fd = openat(spool->directory_fd, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* What was written but never known to be durable counts from now on: so make it durable. */
	int error = ftruncate(fd, (off_t)spool->end.offset) < 0 || fdatasync(fd) < 0 ? -errno : 0;

	close(fd);
	return error;
}

/* From the newest to the oldest, so that the newest decides which spool this is. */
static int take_segments(struct spool *spool, struct spool_cursor *cursor, const uint64_t *numbers, int count)
{
	spool->segments = calloc((size_t)count + 64, sizeof(*spool->segments));
	if (!spool->segments)
		return -ENOMEM;
	spool->segments_room = (unsigned int)count + 64;
	for (int i = count - 1; i >= 0; i--) {
		int error = spool_cursor_open(cursor, spool->directory_fd, numbers[i]);
		struct spool_segment *segment = &spool->segments[spool->segments_count];

		if (spool_cursor_is_unreadable(error)) {
			set_aside(spool, numbers[i], "damaged");
			continue;
		}
		if (error)
			return error;
		if (spool->segments_count > 0 && cursor->segment.spool_id != spool->id) {
			set_aside(spool, numbers[i], "foreign");
			continue;
		}
		*segment = (struct spool_segment){numbers[i], cursor->end, cursor->segment.first_record};
		if (spool->segments_count++ == 0) {
			spool->id = cursor->segment.spool_id;
			error = scan_last(spool, cursor, segment);
			if (error)
				return error;
		}
	}
	for (unsigned int i = 0, j = spool->segments_count; i + 1 < j; i++) {
		struct spool_segment swap = spool->segments[--j];

		spool->segments[j] = spool->segments[i];
		spool->segments[i] = swap;
	}
	/* A number that was set aside is not used again. */
	if (count > 0 && spool->end.segment < numbers[count - 1])
		spool->end.segment = numbers[count - 1];
	return 0;
}

static int survey(struct spool *spool)
{
	struct spool_cursor cursor;
	uint64_t *numbers;
	int count = spool_list(spool->directory_fd, &numbers);
	int error = count < 0 ? count : spool_cursor_init(&cursor);

	if (error) {
		free(numbers);
		return error;
	}
	error = take_segments(spool, &cursor, numbers, count);
	if (error == 0 && spool->segments_count == 0)
		error = getrandom(&spool->id, sizeof(spool->id), 0) == sizeof(spool->id) ? 0 : -EIO;
	spool_cursor_fini(&cursor);
	free(numbers);
	spool->id &= INT64_MAX; /* the database has no unsigned numbers */
	return error;
}

static int init_shared(struct spool *spool)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&spool->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&spool->grown, &attributes);
	pthread_condattr_destroy(&attributes);
	spool->group = calloc(1, SPOOL_GROUP_MAX);
	return spool->group ? 0 : -ENOMEM;
}

int spool_open(struct spool *spool, const char *directory, uint64_t segment_bytes, uint64_t reserve_bytes)
{
	int error;

	*spool = (struct spool){
	    .directory_fd = -1,
	    .lock_fd = -1,
	    .fd = -1,
	    .segment_bytes = segment_bytes,
	    .reserve_bytes = reserve_bytes,
	};
	snprintf(spool->directory, sizeof(spool->directory), "%s", directory);
	error = init_shared(spool);
	if (error == 0)
		error = take_possession(spool);
	if (error == 0)
		error = survey(spool);
	if (error) {
		log_error("spool", "%s: %s", directory, strerror(-error));
		spool_close(spool);
		return error;
	}
	memcpy(spool->group_rings, spool->rings, sizeof(spool->rings));
	spool->group_rings_count = spool->rings_count;
	spool->durable = spool->end;
	if (spool->segments_count > 0) /* until the database says better */
		spool->committed = (struct spool_place){spool->segments[0].number, sizeof(struct spool_segment_header),
							spool->segments[0].first_record};
	return 0;
}

void spool_close(struct spool *spool)
{
	if (spool->fd >= 0) {
		if (ftruncate(spool->fd, (off_t)spool->end.offset) < 0)
			log_warn("spool", "cannot cut the last segment: %s", strerror(errno));
		close(spool->fd);
	}
	if (spool->lock_fd >= 0)
		close(spool->lock_fd);
	if (spool->directory_fd >= 0)
		close(spool->directory_fd);
	free(spool->group);
	free(spool->segments);
	pthread_mutex_destroy(&spool->lock);
	pthread_cond_destroy(&spool->grown);
	*spool = (struct spool){.directory_fd = -1, .lock_fd = -1, .fd = -1};
}
