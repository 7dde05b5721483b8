/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named shared-memory segments. deploy creates them once from the configuration (`tandemctl segments create`),
 * processes attach; a process that is killed and started again finds everything as it left it.
 *
 * Housekeeping and start-up only: these make system calls.
 */
#ifndef TANDEM_COMMON_SEGMENT_H
#define TANDEM_COMMON_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SEGMENT_MAGIC  0x314d444e41545353ull
#define SEGMENT_HEADER 64 /* bytes before the layout's own content */

/* First cache line of every segment; written by the creator only. */
struct segment_header {
	uint64_t magic;
	uint64_t size;       /* of the whole segment, in bytes */
	uint64_t generation; /* random at creation: tells one life of a segment from the next */
	uint32_t layout;     /* which structure: enum segment_layout */
	uint32_t version;    /* of that structure */
	uint32_t item_size;  /* for tables: sizeof one item */
	uint32_t item_count; /* for tables: how many */
	uint8_t reserved[24];
};

enum segment_layout {
	SEGMENT_COUNTERS = 1,
	SEGMENT_STATUS,
	SEGMENT_RING,
	SEGMENT_CALLS,
	SEGMENT_MEDIA_SESSIONS,
	SEGMENT_BINDINGS,
	SEGMENT_GATEWAYS,
};

/* What a segment must be; both the creator and whoever attaches fill it from the same function. */
struct segment_spec {
	char name[96]; /* without the node's prefix: "calls", "ring.signaling-0.media-1" */
	enum segment_layout layout;
	uint32_t version;
	uint32_t item_size;
	uint32_t item_count;
	uint64_t size; /* SEGMENT_HEADER included */
	/* The role that alone writes it ("media"): the user "tandem-media" gets it, others may only read. NULL:
	 * several. */
	const char *writer;
	/* Writes what the content must start with, before the segment is published; NULL = all zero. */
	void (*fill)(void *content, const struct segment_spec *spec);
};

struct segment {
	struct segment_header *header;
	void *content; /* header + SEGMENT_HEADER */
	size_t size;
	char name[96];
};

/*
 * Create /dev/shm/tandem.<node>.<name>, zero-filled (then fill()), published under its name only when complete and
 * with all its memory taken, so that a full /dev/shm is an error here (-ENOSPC) and not a SIGBUS in a worker.
 * An equal one that exists is kept as it is (returns 1). One that differs is an error (-EEXIST) unless `replace`.
 * Returns 0 when created. Errors are logged with what was found and what was expected. `mode` are the permission
 * bits; the group is "tandem" where the system has one and the caller may give files to it. A segment with a writer
 * goes to that role's user where root creates it and the system has the user; the group then may only read it.
 */
int segment_create(const char *node, const struct segment_spec *spec, unsigned int mode, bool replace);

/*
 * Map an existing segment; refuses a mismatch (-EPROTO) with a log line that says which field differs, and one that
 * somebody else could have put there (-EPERM): not root's, not ours, not of the group "tandem", or open to everybody.
 */
int segment_attach(struct segment *segment, const char *node, const struct segment_spec *spec, bool writable);
void segment_detach(struct segment *segment);
/*
 * Make one byte of an existing segment the caller's, for as long as the descriptor that is returned stays open; the
 * kernel gives it back at the holder's death. Negative errno: -EWOULDBLOCK when somebody else has it. Logs nothing.
 */
int segment_hold(const char *node, const char *name, unsigned int byte);
/* 0 or a negative errno; -ENOENT when there is none. Who has it mapped keeps it. */
int segment_remove(const char *node, const char *name);
/* The group that the processes of a node share, (gid_t)-1 where the system has none: chown() then leaves it alone. */
gid_t segment_group(void);
/* The creator's word for what a segment is, for messages: "ring". "unknown" when it is none of ours. */
const char *segment_layout_name(uint32_t layout);

#endif
