/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "common/table_memory.h"
#include "signaling/binding_store.h"
#include "signaling/keyed_hash.h"

/* An index entry: the upper half of the user's hash, and slot + 1; 0 = free. One word, so that readers never see half.
 */
static inline uint64_t entry_make(uint64_t hash, uint32_t slot)
{
	return (hash & 0xffffffff00000000ull) | (slot + 1);
}

/*
 * One worker's index: open addressing by the user's hash. Its owner alone writes. `moves` is raised before and after
 * each removal, which shifts entries, so that a reader on another thread notices and looks again.
 */
struct binding_index {
	_Alignas(64) _Atomic uint64_t *entry;
	uint32_t mask;
	uint32_t count;
	_Alignas(64) _Atomic uint32_t moves;
};

struct binding_store {
	struct binding_record *record;
	uint32_t slots;
	unsigned int workers;
	uint32_t torn;
	uint64_t generation;
	uint8_t key[16];
	struct binding_index *index; /* [workers] */
	_Atomic uint32_t *next_free; /* [slots]: the free list, a stack: next + 1, 0 = end */
	_Alignas(
	    64) _Atomic uint64_t free_head; /* tag << 32 | slot + 1: the tag tells one visit of a slot from the next */
	_Alignas(64) _Atomic uint64_t standing;
};

static uint64_t user_hash(const struct binding_store *store, const char *user, size_t len)
{
	return keyed_hash(store->key, 0, user, len);
}

static unsigned int hash_owner(const struct binding_store *store, uint64_t hash)
{
	/* The middle bits: neither those that choose the place in the index nor, alone, those of the entry. */
	return (unsigned int)((hash >> 20 & 0xffffffff) * store->workers >> 32);
}

unsigned int binding_store_owner(const struct binding_store *store, const char *user, size_t len)
{
	return hash_owner(store, user_hash(store, user, len));
}

/* ---- free slots ---- */

static void slot_give(struct binding_store *store, uint32_t slot)
{
	uint64_t head = atomic_load_explicit(&store->free_head, memory_order_relaxed);

	do {
		atomic_store_explicit(&store->next_free[slot], (uint32_t)head, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(&store->free_head, &head, ((head >> 32) + 1) << 32 | (slot + 1),
							memory_order_release, memory_order_relaxed));
}

static uint32_t slot_take(struct binding_store *store)
{
	uint64_t head = atomic_load_explicit(&store->free_head, memory_order_acquire), next;

	do {
		if ((uint32_t)head == 0)
			return BINDING_NONE;
		next = atomic_load_explicit(&store->next_free[(uint32_t)head - 1], memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(&store->free_head, &head, ((head >> 32) + 1) << 32 | next,
							memory_order_acquire, memory_order_acquire));
	return (uint32_t)head - 1;
}

/* ---- the index ---- */

static bool index_init(struct binding_index *index, uint32_t slots, unsigned int workers)
{
	uint32_t size = 64;
	/* Users spread evenly, but for a few of them not that evenly: each index could take four times its share. */
	uint64_t share = workers == 1 ? slots : (uint64_t)slots * 4 / workers + 4096;

	while (size < share * 2)
		size *= 2;
	index->mask = size - 1;
	index->entry = table_calloc(size, sizeof(*index->entry));
	return index->entry != NULL;
}

static bool index_add(struct binding_index *index, uint64_t hash, uint32_t slot)
{
	uint32_t at = (uint32_t)hash;

	if (index->count > index->mask / 8 * 7)
		return false;
	while (atomic_load_explicit(&index->entry[at & index->mask], memory_order_relaxed) != 0)
		at++;
	/* The record is complete before anybody finds it. */
	atomic_store_explicit(&index->entry[at & index->mask], entry_make(hash, slot), memory_order_release);
	index->count++;
	return true;
}

/* Where an entry would like to be: needs its user's hash, of which the index keeps only half. */
static uint32_t entry_home(const struct binding_store *store, uint64_t entry)
{
	const struct binding_record *record = &store->record[(uint32_t)entry - 1];

	return (uint32_t)user_hash(store, record->user, record->user_len);
}

/* Removal shifts back the entries behind, so that there are no gravestones to clear away. False: it is not there. */
static bool index_remove(struct binding_store *store, struct binding_index *index, uint64_t hash, uint32_t slot)
{
	uint64_t wanted = entry_make(hash, slot), entry;
	uint32_t hole = (uint32_t)hash & index->mask;

	while ((entry = atomic_load_explicit(&index->entry[hole], memory_order_relaxed)) != wanted) {
		if (entry == 0)
			return false;
		hole = (hole + 1) & index->mask;
	}
	atomic_fetch_add_explicit(&index->moves, 1, memory_order_acq_rel);
	for (uint32_t at = (hole + 1) & index->mask;; at = (at + 1) & index->mask) {
		entry = atomic_load_explicit(&index->entry[at], memory_order_relaxed);
		if (entry == 0)
			break;
		/* May it stand in the hole? Only if that is not before its home. */
		if (((at - entry_home(store, entry)) & index->mask) >= ((at - hole) & index->mask)) {
			atomic_store_explicit(&index->entry[hole], entry, memory_order_release);
			hole = at;
		}
	}
	atomic_store_explicit(&index->entry[hole], 0, memory_order_release);
	index->count--;
	atomic_fetch_add_explicit(&index->moves, 1, memory_order_release);
	return true;
}

/* ---- records ---- */

/* The first word holds sequence, state, flags and port: written by themselves, the sequence last. */
static void record_write(struct binding_record *shared, const struct binding_record *from)
{
	uint32_t sequence = atomic_load_explicit(&shared->sequence, memory_order_relaxed);

	atomic_store_explicit(&shared->sequence, sequence | 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	binding_record_copy_words((uint64_t *)shared, (const uint64_t *)from, 1, sizeof(*shared) / 8);
	__atomic_store_n(&shared->flags, from->flags, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->port_index, from->port_index, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->state, from->state, __ATOMIC_RELAXED);
	atomic_store_explicit(&shared->sequence, (sequence | 1) + 1, memory_order_release);
}

static void record_free(struct binding_record *shared)
{
	uint32_t sequence = atomic_load_explicit(&shared->sequence, memory_order_relaxed);

	atomic_store_explicit(&shared->sequence, sequence | 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	__atomic_store_n(&shared->state, BINDING_FREE, __ATOMIC_RELAXED);
	atomic_store_explicit(&shared->sequence, (sequence | 1) + 1, memory_order_release);
}

/* Take up what an earlier life left in a slot. */
static void slot_attach(struct binding_store *store, uint32_t slot, uint64_t now_us)
{
	struct binding_record *shared = &store->record[slot], copy;
	uint64_t hash;

	if (atomic_load_explicit(&shared->sequence, memory_order_relaxed) & 1)
		store->torn++;
	else if (shared->state == BINDING_FREE) {
		slot_give(store, slot);
		return;
	} else if (binding_record_read(shared, &copy) && copy.expires_us > now_us) {
		hash = user_hash(store, copy.user, copy.user_len);
		if (index_add(&store->index[hash_owner(store, hash)], hash, slot)) {
			atomic_fetch_add_explicit(&store->standing, 1, memory_order_relaxed);
			return;
		}
	}
	record_free(shared);
	slot_give(store, slot);
}

struct binding_store *binding_store_new(const struct binding_store_options *options)
{
	struct binding_store *store = aligned_alloc(64, (sizeof(*store) + 63) / 64 * 64);

	if (store == NULL)
		return NULL;
	memset(store, 0, sizeof(*store));
	store->record = options->segment;
	store->slots = options->slots;
	store->workers = options->workers;
	store->generation = options->generation;
	store->index = aligned_alloc(64, options->workers * sizeof(*store->index));
	store->next_free = table_calloc((size_t)options->slots + 1, sizeof(*store->next_free));
	if (store->index != NULL)
		memset(store->index, 0, options->workers * sizeof(*store->index));
	if (store->index == NULL || store->next_free == NULL || RAND_bytes(store->key, sizeof(store->key)) != 1)
		goto fail;
	for (unsigned int i = 0; i < options->workers; i++)
		if (!index_init(&store->index[i], options->slots, options->workers))
			goto fail;
	/* From the end, so that the lowest slots are used first and untouched memory stays so. */
	for (uint32_t slot = options->slots; slot-- > 0;)
		slot_attach(store, slot, options->now_us);
	return store;
fail:
	binding_store_free(store);
	return NULL;
}

void binding_store_free(struct binding_store *store)
{
	if (store == NULL)
		return;
	for (unsigned int i = 0; store->index != NULL && i < store->workers; i++)
		free(store->index[i].entry);
	free(store->index);
	free(store->next_free);
	free(store);
}

uint32_t binding_store_slots(const struct binding_store *store)
{
	return store->slots;
}

uint64_t binding_store_standing(const struct binding_store *store)
{
	return atomic_load_explicit(&store->standing, memory_order_relaxed);
}

uint32_t binding_store_torn(const struct binding_store *store)
{
	return store->torn;
}

bool binding_store_read(const struct binding_store *store, uint32_t slot, struct binding_record *out)
{
	return slot < store->slots && binding_record_read(&store->record[slot], out);
}

bool binding_store_reach(const struct binding_store *store, uint32_t slot, struct binding_reach *out)
{
	return slot < store->slots && binding_record_reach(&store->record[slot], out);
}

void binding_store_prefetch(const struct binding_store *store, uint32_t slot)
{
	if (slot < store->slots)
		__builtin_prefetch(&store->record[slot]);
}

uint8_t binding_store_flags(const struct binding_store *store, uint32_t slot)
{
	const struct binding_record *shared = &store->record[slot];

	if (__atomic_load_n(&shared->state, __ATOMIC_RELAXED) != BINDING_STANDING)
		return 0;
	return __atomic_load_n(&shared->flags, __ATOMIC_RELAXED);
}

/* ---- look-up ---- */

static bool slot_seen(const uint32_t *slots, unsigned int count, uint32_t slot)
{
	for (unsigned int i = 0; i < count; i++)
		if (slots[i] == slot)
			return true;
	return false;
}

/* An entry on its way into a hole stands in both places for a moment: it counts once. */
static unsigned int index_find(const struct binding_store *store, const struct binding_index *index, uint64_t hash,
			       const char *user, size_t len, uint64_t now_us, struct binding_record *out,
			       uint32_t *slots, unsigned int max)
{
	unsigned int count = 0;
	uint32_t at = (uint32_t)hash;

	for (uint32_t probes = 0; probes <= index->mask && count < max; probes++, at++) {
		uint64_t entry = atomic_load_explicit(&index->entry[at & index->mask], memory_order_acquire);
		uint32_t slot = (uint32_t)entry - 1;

		if (entry == 0)
			break;
		if ((entry ^ hash) >> 32 != 0 || slot_seen(slots, count, slot) ||
		    !binding_record_read(&store->record[slot], &out[count]) || out[count].user_len != len ||
		    memcmp(out[count].user, user, len) != 0 || out[count].expires_us <= now_us)
			continue;
		slots[count++] = slot;
	}
	return count;
}

/* While its owner keeps removing, a reader may miss an entry that moved behind it: it looks again, but not for ever. */
#define FIND_ATTEMPTS 8

unsigned int binding_store_find(const struct binding_store *store, const char *user, size_t len, uint64_t now_us,
				struct binding_record *out, uint32_t *slots, unsigned int max)
{
	uint64_t hash = user_hash(store, user, len);
	const struct binding_index *index = &store->index[hash_owner(store, hash)];
	uint32_t own[BINDINGS_PER_USER];
	unsigned int count = 0;

	if (max > BINDINGS_PER_USER)
		max = BINDINGS_PER_USER;
	if (slots == NULL)
		slots = own;
	for (int attempt = 0; attempt < FIND_ATTEMPTS; attempt++) {
		uint32_t moves = atomic_load_explicit(&index->moves, memory_order_acquire);

		count = index_find(store, index, hash, user, len, now_us, out, slots, max);
		atomic_thread_fence(memory_order_acquire);
		if (!(moves & 1) && atomic_load_explicit(&index->moves, memory_order_relaxed) == moves)
			break;
	}
	return count;
}

/* ---- changes: the owner's ---- */

int binding_store_add(struct binding_store *store, struct binding_record *record, uint32_t *slot_out)
{
	uint64_t hash = user_hash(store, record->user, record->user_len);
	uint32_t slot = slot_take(store);
	struct binding_record *shared;

	if (slot == BINDING_NONE)
		return -ENOSPC;
	shared = &store->record[slot];
	record->state = BINDING_STANDING;
	record->id = shared->id != 0 ? shared->id + 1 : (store->generation & 0xffffffff) << 32 | 1;
	record_write(shared, record);
	if (!index_add(&store->index[hash_owner(store, hash)], hash, slot)) {
		record_free(shared);
		slot_give(store, slot);
		return -ENOSPC;
	}
	atomic_fetch_add_explicit(&store->standing, 1, memory_order_relaxed);
	*slot_out = slot;
	return 0;
}

void binding_store_update(struct binding_store *store, uint32_t slot, const struct binding_record *record)
{
	record_write(&store->record[slot], record);
}

bool binding_store_remove(struct binding_store *store, uint32_t slot)
{
	struct binding_record *shared = &store->record[slot];
	uint64_t hash = user_hash(store, shared->user, shared->user_len);

	/* Given twice, it would be taken again and again, while all other free slots are lost. */
	if (!index_remove(store, &store->index[hash_owner(store, hash)], hash, slot))
		return false;
	record_free(shared);
	atomic_fetch_sub_explicit(&store->standing, 1, memory_order_relaxed);
	slot_give(store, slot);
	return true;
}

void binding_store_flag(struct binding_store *store, uint32_t slot, enum binding_flag flag, bool on)
{
	uint8_t *flags = &store->record[slot].flags;

	if (on)
		__atomic_fetch_or(flags, (uint8_t)flag, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(flags, (uint8_t)~flag, __ATOMIC_RELAXED);
}
