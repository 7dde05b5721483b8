/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What remains of a transaction that has nothing to send any more of its own accord, but has to know a resend for what
 * it is for another half a minute (RFC 3261 timers I, J, K; RFC 6026 timers L and M). Nearly every transaction ends so,
 * and at ten thousand calls a second a million of them stand: 24 bytes each, no timer, and nothing to be unlinked.
 *
 * A log in order of time: all last as long, so the oldest end first. Hash chains run from newer to older places
 * and end where the living end: what has ended need not be taken out. Places are numbers that only grow (modulo 2^32);
 * blocks of the log that hold nothing alive are used again, so that memory is touched by what stands, not by what
 * stood.
 *
 * One thread's.
 */
#ifndef TANDEM_SIGNALING_TOMBSTONES_H
#define TANDEM_SIGNALING_TOMBSTONES_H

#include <stdbool.h>
#include <stdint.h>

#include "signaling/text_hash.h"

enum tombstone_kind {
	/* Outside a dialog `value` tells an INVITE that comes again from one that comes by another way. */
	TOMBSTONE_INVITE,         /* our 2xx was acknowledged */
	TOMBSTONE_REFUSED_INVITE, /* another final response was */
	TOMBSTONE_UNANSWERED,     /* any request that got no answer and gets none */
	TOMBSTONE_OTHER,          /* any other request, answered with `value` and nothing that it does not say itself */
	TOMBSTONE_CLIENT_2XX,     /* our INVITE: the 2xx with the tag `value` was acknowledged */
	TOMBSTONE_CLIENT_2XX_NAT, /* likewise: ACK and BYE go where the 2xx comes from, not to its Contact */
};

struct tombstone {
	uint64_t key_b;
	uint32_t key_a; /* the upper half: the lower one has chosen the chain */
	uint32_t next;  /* place of the one before in the chain */
	uint32_t end_ms;
	uint32_t value : 24; /* as the kind says */
	uint32_t kind : 8;   /* enum tombstone_kind */
};

struct tombstones {
	uint32_t first, end; /* places [first, end) are alive */
	uint32_t capacity, mask;
	uint32_t *chain; /* place of the newest, by hash */
	uint32_t *block; /* by place: which block of memory; the unused ones are listed in free_block */
	uint32_t *free_block, free_blocks, blocks;
	struct tombstone *memory;
};

#define TOMBSTONE_VALUE 0xffffffu

/* About so many. 0 or -ENOMEM. */
int tombstones_init(struct tombstones *tombstones, uint32_t count);
void tombstones_fini(struct tombstones *tombstones);

/* Send for the memory that tombstone_find() or tombstone_add() will need first. */
static inline void tombstone_prefetch(const struct tombstones *tombstones, struct text_hash key)
{
	__builtin_prefetch(&tombstones->chain[key.a & tombstones->mask], 1);
}

/* False: one that was still needed had to go. */
bool tombstone_add(struct tombstones *tombstones, struct text_hash key, enum tombstone_kind kind, uint32_t value,
		   uint64_t end_us);
/* Valid till the next call that adds one. NULL: none. */
const struct tombstone *tombstone_find(const struct tombstones *tombstones, struct text_hash key);
/* Once per poll. */
void tombstones_sweep(struct tombstones *tombstones, uint64_t now_us);

static inline uint32_t tombstones_standing(const struct tombstones *tombstones)
{
	return tombstones->end - tombstones->first;
}

#endif
