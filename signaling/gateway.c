/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "signaling/gateway.h"
#include "signaling/snapshot_signaling.h"

#define NS_PER_S          1000000000ull
#define RETRY_AFTER_MAX_S 3600u /* a vendor cannot take itself out of service for longer by one response */

/* ---- the table of parties ---- */

struct parties *parties_new(struct segment *gateways)
{
	struct parties *parties = calloc(1, sizeof(*parties));

	if (parties != NULL)
		parties->segment = gateways;
	return parties;
}

void parties_free(struct parties *parties)
{
	if (parties == NULL)
		return;
	for (uint32_t id = 0; id < parties->count; id++)
		free((char *)party_get(parties, id)->name);
	for (uint32_t i = 0; i < PARTY_CHUNKS && parties->chunk[i] != NULL; i++)
		free(parties->chunk[i]);
	free(parties->index);
	free(parties);
}

/* FNV-1a: the names come from the configuration, not from strangers. */
static uint32_t name_hash(enum party_kind kind, const char *name)
{
	uint32_t hash = 2166136261u ^ (uint32_t)kind;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash;
}

/* The place of a name in the index: where it is, or where it would go. */
static uint32_t *index_place(struct parties *parties, enum party_kind kind, const char *name)
{
	uint32_t mask = parties->index_size - 1;

	for (uint32_t at = name_hash(kind, name) & mask;; at = (at + 1) & mask) {
		uint32_t *place = &parties->index[at];
		const struct party *party;

		if (*place == 0)
			return place;
		party = party_get(parties, *place - 1);
		if (party->kind == kind && strcmp(party->name, name) == 0)
			return place;
	}
}

static int index_grow(struct parties *parties)
{
	uint32_t *old = parties->index;
	uint32_t size = parties->index_size ? parties->index_size * 2 : 1024;

	parties->index = calloc(size, sizeof(*parties->index));
	if (parties->index == NULL) {
		parties->index = old;
		return -ENOMEM;
	}
	parties->index_size = size;
	for (uint32_t id = 0; id < parties->count; id++) {
		const struct party *party = party_get(parties, id);

		*index_place(parties, party->kind, party->name) = id + 1;
	}
	free(old);
	return 0;
}

/* The statistics go on where an earlier life left them; only the calls standing are counted anew. */
static void party_attach_slot(struct parties *parties, struct party *party)
{
	struct gateway_sum sum;

	if (parties->segment == NULL || party->kind == PARTY_PHONE)
		return;
	party->slot = gateway_status_claim(
	    parties->segment, party->kind == PARTY_MAPPING ? GATEWAY_MAPPING : GATEWAY_ROUTING, party->name);
	if (party->slot == NULL) {
		log_warn("gateway", "gateway=%s: no room in the gateways segment, it carries calls uncounted",
			 party->name);
		return;
	}
	for (unsigned int w = 0; w < CONFIG_MAX_WORKERS; w++) {
		atomic_store_explicit(&party->slot->worker[w].calls, 0, memory_order_relaxed);
		atomic_store_explicit(&party->slot->worker[w].ban_until_us, 0, memory_order_relaxed);
	}
	gateway_status_sum(party->slot, &sum);
	atomic_init(&party->carried, (uint32_t)sum.answered);
}

int64_t party_claim(struct parties *parties, enum party_kind kind, const char *name)
{
	uint32_t id = parties->count, *place;
	struct party *party;

	if (parties->count * 2 >= parties->index_size && index_grow(parties) < 0)
		return -ENOMEM;
	place = index_place(parties, kind, name);
	if (*place != 0)
		return *place - 1;
	if (id / PARTY_CHUNK >= PARTY_CHUNKS)
		return -ENOSPC;
	if (parties->chunk[id / PARTY_CHUNK] == NULL) {
		parties->chunk[id / PARTY_CHUNK] = aligned_alloc(64, PARTY_CHUNK * sizeof(struct party));
		if (parties->chunk[id / PARTY_CHUNK] == NULL)
			return -ENOMEM;
		memset(parties->chunk[id / PARTY_CHUNK], 0, PARTY_CHUNK * sizeof(struct party));
	}
	party = party_get(parties, id);
	party->kind = (uint8_t)kind;
	party->name = strdup(name);
	if (party->name == NULL)
		return -ENOMEM;
	party_attach_slot(parties, party);
	__atomic_store_n(&parties->count, id + 1, __ATOMIC_RELEASE);
	*place = id + 1;
	return id;
}

void party_limit(struct party *party, const struct party_limits *limits)
{
	atomic_store_explicit(&party->capacity, limits->capacity, memory_order_relaxed);
	atomic_store_explicit(&party->calls_per_second, limits->calls_per_second, memory_order_relaxed);
	atomic_store_explicit(&party->enabled, limits->enabled, memory_order_relaxed);
}

/* ---- admission ---- */

const struct config_routing_gateway *gateway_routing(const struct signaling_snapshot *snapshot, uint32_t id)
{
	return id < snapshot->party_count ? snapshot->party[id].routing : NULL;
}

const struct config_mapping_gateway *gateway_mapping(const struct signaling_snapshot *snapshot, uint32_t id)
{
	return id < snapshot->party_count ? snapshot->party[id].mapping : NULL;
}

/* NULL also for an id that this process never gave out (a damaged call record). */
static struct party *party_of(const struct engine *engine, uint32_t id)
{
	const struct parties *parties = engine->snapshot->state->parties;

	return id < __atomic_load_n(&parties->count, __ATOMIC_ACQUIRE) ? party_get(parties, id) : NULL;
}

/* One more call within the capacity: never more than that, whatever other workers do meanwhile. */
static bool capacity_take(struct party *party)
{
	uint32_t capacity = atomic_load_explicit(&party->capacity, memory_order_relaxed);
	uint32_t current = atomic_load_explicit(&party->current, memory_order_relaxed);

	do {
		if (capacity != 0 && current >= capacity)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&party->current, &current, current + 1, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

static void capacity_give(struct party *party)
{
	uint32_t current = atomic_load_explicit(&party->current, memory_order_relaxed);

	do {
		if (current == 0)
			return;
	} while (!atomic_compare_exchange_weak_explicit(&party->current, &current, current - 1, memory_order_relaxed,
							memory_order_relaxed));
}

/*
 * A token bucket of one second's worth, kept as the one moment at which it would be full: taking a token moves that
 * moment on by one interval, and the bucket is empty when it lies a second ahead.
 */
static bool rate_take(struct party *party, uint64_t now_us)
{
	uint32_t rate = atomic_load_explicit(&party->calls_per_second, memory_order_relaxed);
	uint64_t full = atomic_load_explicit(&party->full_ns, memory_order_relaxed);
	uint64_t now_ns = now_us * 1000, next;

	if (rate == 0)
		return true;
	do {
		next = (full > now_ns ? full : now_ns) + NS_PER_S / rate;
		if (next > now_ns + NS_PER_S)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&party->full_ns, &full, next, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

static enum gateway_verdict party_admit(struct party *party, uint64_t now_us)
{
	if (!atomic_load_explicit(&party->enabled, memory_order_relaxed) ||
	    atomic_load_explicit(&party->ban_until_us, memory_order_relaxed) > now_us)
		return GATEWAY_DISABLED;
	if (!capacity_take(party))
		return GATEWAY_FULL;
	if (!rate_take(party, now_us)) {
		capacity_give(party);
		return GATEWAY_OVER_RATE;
	}
	return GATEWAY_OK;
}

/* This worker's own statistics of a gateway; NULL for a phone. */
static struct gateway_cell *cell_of(const struct engine *engine, const struct party *party)
{
	return party->slot != NULL ? &party->slot->worker[engine->worker] : NULL;
}

/* The cell has one writer, so a load and a store do. */
static void cell_add(_Atomic uint64_t *value, uint64_t n)
{
	atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + n, memory_order_relaxed);
}

enum gateway_verdict gateway_admit(struct engine *engine, enum gateway_side side, uint32_t id, bool standing)
{
	struct party *party = party_of(engine, id);
	enum gateway_verdict verdict = GATEWAY_OK;
	struct gateway_cell *cell;

	if (party == NULL)
		return GATEWAY_OK;
	cell = cell_of(engine, party);
	if (standing)
		atomic_fetch_add_explicit(&party->current, 1, memory_order_relaxed);
	else
		verdict = party_admit(party, engine->now_us);
	if (cell == NULL)
		return verdict;
	if (!standing) {
		cell_add(&cell->attempts, 1);
		atomic_store_explicit(&cell->last_attempt_us, engine->now_us, memory_order_relaxed);
	}
	cell_add(verdict == GATEWAY_OK ? &cell->calls : &cell->refused, 1);
	return verdict;
}

void gateway_release(struct engine *engine, enum gateway_side side, uint32_t id)
{
	struct party *party = party_of(engine, id);
	struct gateway_cell *cell;

	if (party == NULL)
		return;
	capacity_give(party);
	cell = cell_of(engine, party);
	if (cell != NULL && atomic_load_explicit(&cell->calls, memory_order_relaxed) > 0)
		cell_add(&cell->calls, (uint64_t)-1);
}

void gateway_report(struct engine *engine, enum gateway_side side, uint32_t id, unsigned int code,
		    uint32_t retry_after_s)
{
	struct party *party = party_of(engine, id);
	struct gateway_cell *cell;

	if (party == NULL)
		return;
	cell = cell_of(engine, party);
	if (code >= 200 && code < 300) {
		atomic_fetch_add_explicit(&party->carried, 1, memory_order_relaxed);
		if (cell != NULL)
			cell_add(&cell->answered, 1);
	} else if (retry_after_s > 0 && party->kind == PARTY_ROUTING) {
		uint32_t ban_s = retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S;
		uint64_t until_us = engine->now_us + ban_s * US_PER_S;

		atomic_store_explicit(&party->ban_until_us, until_us, memory_order_relaxed);
		if (cell != NULL)
			atomic_store_explicit(&cell->ban_until_us, until_us, memory_order_relaxed);
		counter_inc(engine->counters, COUNTER_registrar_gateway_banned);
		log_warn("gateway", "gateway=%s passed over for %u s: it answered %u with Retry-After", party->name,
			 ban_s, code);
	}
}

void gateway_talked(struct engine *engine, enum gateway_side side, uint32_t id, uint64_t duration_us)
{
	struct party *party = party_of(engine, id);
	struct gateway_cell *cell = party != NULL ? cell_of(engine, party) : NULL;

	if (cell == NULL)
		return;
	cell_add(&cell->ended, 1);
	cell_add(&cell->talk_ms, duration_us / US_PER_MS);
}

int gateway_find(struct engine *engine, enum gateway_side side, bool is_phone, const char *name, size_t len,
		 uint32_t *id)
{
	const struct signaling_snapshot *snapshot = engine->snapshot;
	enum party_kind kind = side == GATEWAY_CALLER ? PARTY_MAPPING : PARTY_ROUTING;
	const struct user *user;

	if (!is_phone)
		return signaling_snapshot_gateway(snapshot, kind, name, len, id);
	user = users_find(snapshot->users, name, len);
	if (user == NULL || user->kind != USER_PHONE)
		return -ENOENT;
	*id = user->id;
	return 0;
}
