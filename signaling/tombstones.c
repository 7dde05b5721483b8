/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/tombstones.h"

#include <errno.h>
#include <stdlib.h>

#include "common/table_memory.h"

#define BLOCK         1024u /* tombstones */
#define LEAST         (2u * BLOCK)
#define FOR_A_CHAIN   4u /* at most, when all stand and are spread evenly */
#define US_PER_TICK   1000u
#define SWEEP_AT_ONCE 4096u

int tombstones_init(struct tombstones *ts, uint32_t count)
{
	uint32_t blocks = 1, chains = 1;

	while (blocks * BLOCK < count || blocks * BLOCK < LEAST)
		blocks *= 2;
	while (chains < blocks * BLOCK / FOR_A_CHAIN)
		chains *= 2;
	*ts = (struct tombstones){.capacity = blocks * BLOCK, .mask = chains - 1, .blocks = blocks};
	ts->chain = table_calloc(chains, sizeof(*ts->chain));
	ts->block = calloc(blocks, sizeof(*ts->block));
	ts->free_block = calloc(blocks, sizeof(*ts->free_block));
	ts->memory = table_calloc(ts->capacity, sizeof(*ts->memory));
	if (!ts->chain || !ts->block || !ts->free_block || !ts->memory)
		return -ENOMEM;
	while (ts->free_blocks < blocks) {
		ts->free_block[ts->free_blocks] = blocks - 1 - ts->free_blocks;
		ts->free_blocks++;
	}
	return 0;
}

void tombstones_fini(struct tombstones *ts)
{
	free(ts->memory);
	free(ts->free_block);
	free(ts->block);
	free(ts->chain);
}

static uint32_t *block_of(const struct tombstones *ts, uint32_t place)
{
	return &ts->block[place / BLOCK & (ts->blocks - 1)];
}

static struct tombstone *at(const struct tombstones *ts, uint32_t place)
{
	return &ts->memory[*block_of(ts, place) * BLOCK + place % BLOCK];
}

static void drop_first(struct tombstones *ts)
{
	uint32_t place = ts->first++;

	if (ts->first % BLOCK == 0)
		ts->free_block[ts->free_blocks++] = *block_of(ts, place);
}

bool tombstone_add(struct tombstones *ts, struct text_hash key, enum tombstone_kind kind, uint32_t value,
		   uint64_t end_us)
{
	uint32_t *chain = &ts->chain[key.a & ts->mask], place = ts->end;
	/* One block less, since the first and the last one may both be in use in part. */
	bool full = tombstones_standing(ts) == ts->capacity - BLOCK;

	if (full)
		drop_first(ts);
	if (place % BLOCK == 0)
		*block_of(ts, place) = ts->free_block[--ts->free_blocks];
	*at(ts, place) = (struct tombstone){
	    .key_b = key.b,
	    .key_a = (uint32_t)(key.a >> 32),
	    .next = *chain,
	    .end_ms = (uint32_t)(end_us / US_PER_TICK),
	    .value = value & TOMBSTONE_VALUE,
	    .kind = kind,
	};
	*chain = place;
	ts->end++;
	return !full;
}

/*
 * A chain whose newest has ended long ago may point at a place that has come round and is another's: the walk then
 * goes on in that one's chain, and finds nothing there. It ends because each step leads to an older place.
 */
const struct tombstone *tombstone_find(const struct tombstones *ts, struct text_hash key)
{
	uint32_t place = ts->chain[key.a & ts->mask], left = tombstones_standing(ts);

	while (place - ts->first < left) {
		const struct tombstone *t = at(ts, place);

		if (t->key_b == key.b && t->key_a == (uint32_t)(key.a >> 32))
			return t;
		left = place - ts->first;
		place = t->next;
	}
	return NULL;
}

void tombstones_sweep(struct tombstones *ts, uint64_t now_us)
{
	uint32_t now_ms = (uint32_t)(now_us / US_PER_TICK);

	for (uint32_t i = 0; i < SWEEP_AT_ONCE && ts->first != ts->end; i++) {
		if ((int32_t)(at(ts, ts->first)->end_ms - now_ms) > 0)
			return;
		drop_first(ts);
	}
}
