/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool: call records on disk, between the rings and the database. docs/decisions/0007-cdr-spool.md says why
 * it is as it is.
 *
 * Two threads. The spooler adds records to a group and commits it: when spool_group_commit() returns 0, the group is
 * durable, and the ring may forget it. The loader reads what is durable and says how far the database has it;
 * segments that it has whole are deleted. Everything else here is start-up.
 *
 * After any failed write the segment is given up: what a failed fdatasync has left in the page cache proves
 * nothing about the disk. The group's records are still in their rings and go into a new segment.
 */
#ifndef TANDEM_CDRWRITER_SPOOL_H
#define TANDEM_CDRWRITER_SPOOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "spool_cursor.h"

/* Lives of rings remembered; several a worker, because segments of shared memory may be made anew. */
#define SPOOL_RINGS     (4 * CONFIG_MAX_WORKERS)
#define SPOOL_GROUP_MAX (512u * 1024u)

/* A place between two records. Later places compare greater, segment first. */
struct spool_place {
	uint64_t segment; /* 0 = before the first */
	uint64_t offset;
	uint64_t records; /* call records before it, since the spool began */
};

struct spool_segment {
	uint64_t number;
	uint64_t bytes; /* durable */
	uint64_t first_record;
};

struct spool {
	uint64_t id;
	char directory[256];
	int directory_fd, lock_fd;
	uint64_t segment_bytes, reserve_bytes;

	/* The spooler's. */
	int fd;                 /* the segment being written; -1 = none, the next commit begins one */
	struct spool_place end; /* durable up to here */
	uint64_t allocated;     /* bytes of this segment that the file system has set aside */
	uint32_t seed;
	uint8_t *group;
	size_t group_len;
	unsigned int group_records;
	struct spool_ring_position rings[SPOOL_RINGS], group_rings[SPOOL_RINGS]; /* durable; with the group */
	unsigned int rings_count, group_rings_count;
	uint64_t free_bytes; /* on the file system, when last asked */
	bool tight;          /* and they were too few */

	/* Both threads', under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t grown;           /* CLOCK_MONOTONIC */
	struct spool_segment *segments; /* oldest first */
	unsigned int segments_count, segments_room;
	struct spool_place durable;   /* copy of end */
	struct spool_place committed; /* what the database has, as far as is known */
	bool finished;                /* nothing more will come */

	_Atomic uint64_t damaged, deleted; /* for the counters */
};

/*
 * Take possession of a spool directory (made if missing, locked against a second writer) and find out what it holds.
 * The tail of a torn segment is cut off; files that are no segments of this spool are renamed and left alone.
 * 0, or a negative errno with the reason logged.
 */
int spool_open(struct spool *spool, const char *directory, uint64_t segment_bytes, uint64_t reserve_bytes);
void spool_close(struct spool *spool);

/* ---- spooler ---- */

/* Does the spool (or the group) hold this ring's messages up to `position`? */
bool spool_has(const struct spool *spool, uint64_t generation, uint64_t position);
/* Copy a record into the group; false when the group is full: commit it first. */
bool spool_group_add(struct spool *spool, unsigned int worker, uint64_t generation, uint64_t position, const void *body,
		     uint32_t length);
/* Make the group durable. On an error (-ENOSPC, -EIO ...) the group is gone: add it again from the rings. */
int spool_group_commit(struct spool *spool);
/* 0; -ENOSPC when less than the reserve is left for records that come; or why the file system can't tell. */
int spool_check_room(struct spool *spool);
/* Nothing more will come: wakes the loader. */
void spool_finish(struct spool *spool);

/* ---- loader ---- */

/* Wait until the spool holds at least `records` (counted since it began), has finished, or until `until_us`
 * (monotonic). */
void spool_wait(struct spool *spool, uint64_t records, uint64_t until_us);
/* The segment that contains `place`, or the next one there is; false when there is nothing to read from there. */
bool spool_find(struct spool *spool, const struct spool_place *place, struct spool_segment *segment, bool *is_last);
struct spool_place spool_durable(struct spool *spool);
bool spool_is_finished(struct spool *spool);
/* The database has everything before `place`. */
void spool_committed(struct spool *spool, const struct spool_place *place);
/* A segment is damaged: give its file a second name, which stays for a person when the segment is deleted. */
void spool_keep(struct spool *spool, uint64_t number);
/* Records and bytes that it has not. */
void spool_pending(struct spool *spool, uint64_t *records, uint64_t *bytes);

int spool_place_compare(const struct spool_place *a, const struct spool_place *b);

/* ---- anybody, without taking possession ---- */

/* Numbers of the segment files in a directory, ascending; *numbers is malloc'd. Count or a negative errno. */
int spool_list(int directory_fd, uint64_t **numbers);

#endif
