/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "signaling/gateway.h"
#include "signaling/gateway_address.h"
#include "signaling/keyed_hash.h"
#include "signaling/options_probe.h"
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

static void vendor_free(struct vendor *vendor)
{
	if (vendor == NULL)
		return;
	free(vendor->addresses);
	free(vendor->probe);
	free(vendor);
}

static struct vendor *vendor_new(void)
{
	struct vendor *vendor = calloc(1, sizeof(*vendor));

	if (vendor == NULL)
		return NULL;
	vendor->probe = calloc(1, sizeof(*vendor->probe));
	if (vendor->probe != NULL)
		return vendor;
	vendor_free(vendor);
	return NULL;
}

void parties_free(struct parties *parties)
{
	if (parties == NULL)
		return;
	for (uint32_t id = 0; id < parties->count; id++) {
		struct party *party = party_get(parties, id);

		free((char *)party->name);
		vendor_free(party->vendor);
		if (party->slot_is_own)
			free(party->slot);
	}
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

static struct gateway_slot *slot_in_segment(const struct parties *parties, const struct party *party)
{
	enum gateway_kind kind = party->kind == PARTY_MAPPING ? GATEWAY_MAPPING : GATEWAY_ROUTING;
	struct gateway_slot *slot;

	if (parties->segment == NULL)
		return NULL;
	slot = gateway_status_claim(parties->segment, kind, party->name);
	if (slot == NULL)
		log_warn("gateway", "gateway=%s: no room in the gateways segment, nobody sees what it carries",
			 party->name);
	return slot;
}

/* What an earlier life had noted, as far as it can be: no ban is longer than the longest. */
static void party_take_over(struct party *party)
{
	uint64_t longest_us = clock_now_us() + RETRY_AFTER_MAX_S * US_PER_S, until_us = 0;

	for (unsigned int w = 0; w < CONFIG_MAX_WORKERS; w++) {
		struct gateway_cell *cell = party_cell(party, w);
		uint64_t ban_us = atomic_load_explicit(&cell->ban_until_us, memory_order_relaxed);

		atomic_store_explicit(&cell->calls, 0, memory_order_relaxed);
		if (ban_us > longest_us)
			atomic_store_explicit(&cell->ban_until_us, ban_us = 0, memory_order_relaxed);
		until_us = ban_us > until_us ? ban_us : until_us;
	}
	atomic_store_explicit(&party->ban_until_us, until_us, memory_order_relaxed);
	atomic_store_explicit(&party->down, party->slot->probe.state == GATEWAY_IS_DOWN, memory_order_relaxed);
}

/*
 * The statistics go on where an earlier life left them, and who was banned or down still is; only the calls standing
 * are counted anew. 0 or -ENOMEM.
 */
static int party_attach_slot(struct parties *parties, struct party *party)
{
	if (party->kind == PARTY_PHONE)
		return 0;
	party->slot = slot_in_segment(parties, party);
	if (party->slot == NULL) {
		party->slot = aligned_alloc(64, sizeof(*party->slot));
		if (party->slot == NULL)
			return -ENOMEM;
		memset(party->slot, 0, sizeof(*party->slot));
		party->slot_is_own = true;
	}
	party_take_over(party);
	return 0;
}

static int party_init(struct parties *parties, struct party *party)
{
	if (party_attach_slot(parties, party) < 0)
		return -ENOMEM;
	if (party->kind == PARTY_ROUTING) {
		party->vendor = vendor_new();
		if (party->vendor == NULL)
			return -ENOMEM;
	}
	return 0;
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
	if (party->name == NULL || party_init(parties, party) < 0) {
		free((char *)party->name);
		if (party->slot_is_own)
			free(party->slot);
		memset(party, 0, sizeof(*party));
		return -ENOMEM;
	}
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

static uint64_t place_of(const struct config_routing_gateway *gateway)
{
	static const uint8_t key[16] = "where it is";
	const char *name = gateway->host ? gateway->host : gateway->registered;
	char text[NET_ADDR_TEXT];

	if (name == NULL) {
		net_addr_print(&gateway->address, text);
		name = text;
	}
	return keyed_hash(key, gateway->host_port, name, strlen(name)) | 1;
}

void party_place(struct party *party, const struct config_routing_gateway *gateway)
{
	bool enabled = gateway->enabled && !atomic_load_explicit(&party->enabled, memory_order_relaxed);
	uint64_t before = party->vendor->place, place = place_of(gateway);

	party->vendor->place = place;
	if (before == 0 || (place == before && !enabled))
		return;
	for (unsigned int w = 0; w < CONFIG_MAX_WORKERS; w++)
		atomic_store_explicit(&party_cell(party, w)->ban_until_us, 0, memory_order_relaxed);
	atomic_store_explicit(&party->ban_until_us, 0, memory_order_relaxed);
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

bool gateway_is_at(const struct engine *engine, uint32_t id, const struct net_addr *addr)
{
	const struct config_routing_gateway *gateway = gateway_routing(engine->snapshot, id);
	const struct gateway_addresses *addresses;

	if (gateway == NULL)
		return false;
	if (gateway->host == NULL)
		return net_addr_equal_ip(&gateway->address, addr);
	addresses = __atomic_load_n(&party_of(engine, id)->vendor->addresses, __ATOMIC_ACQUIRE);
	for (unsigned int i = 0; addresses != NULL && i < addresses->count; i++)
		if (net_addr_equal_ip(&addresses->target[i].addr, addr))
			return true;
	return false;
}

/* This worker's own count of a gateway; NULL for a phone. */
static struct gateway_cell *cell_of(const struct engine *engine, const struct party *party)
{
	return party_cell(party, engine->worker);
}

/* The cell has one writer but for ban_until_us, so a load and a store do. */
static void cell_add(_Atomic uint64_t *value, uint64_t n)
{
	atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + n, memory_order_relaxed);
}

static bool phone_take(struct party *party)
{
	uint32_t capacity = atomic_load_explicit(&party->capacity, memory_order_relaxed);
	uint32_t calls = atomic_load_explicit(&party->phone_calls, memory_order_relaxed);

	do {
		if (capacity != 0 && calls >= capacity)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&party->phone_calls, &calls, calls + 1, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

static void phone_give(struct party *party)
{
	uint32_t calls = atomic_load_explicit(&party->phone_calls, memory_order_relaxed);

	do {
		if (calls == 0)
			return;
	} while (!atomic_compare_exchange_weak_explicit(&party->phone_calls, &calls, calls - 1, memory_order_relaxed,
							memory_order_relaxed));
}

static uint64_t calls_of_all(const struct engine *engine, const struct party *party)
{
	uint64_t calls = party_calls(party, engine->worker);

	for (unsigned int w = 0; w < engine->workers; w++)
		if (w != engine->worker)
			calls += party_calls(party, w);
	return calls;
}

static void capacity_give(const struct engine *engine, struct party *party)
{
	struct gateway_cell *cell = cell_of(engine, party);

	if (cell == NULL)
		phone_give(party);
	else if (party_calls(party, engine->worker) > 0)
		cell_add(&cell->calls, (uint64_t)-1);
}

/*
 * One more call within the capacity: never more than that, whatever other workers do meanwhile. Each counts its call
 * first and looks at the others' counts then, so of two that want the last place at least one sees the other; it
 * can happen that both do.
 */
static bool capacity_take(const struct engine *engine, struct party *party)
{
	uint32_t capacity = atomic_load_explicit(&party->capacity, memory_order_relaxed);

	if (party->slot == NULL)
		return phone_take(party);
	cell_add(&cell_of(engine, party)->calls, 1);
	if (capacity == 0)
		return true;
	atomic_thread_fence(memory_order_seq_cst);
	if (calls_of_all(engine, party) <= capacity)
		return true;
	capacity_give(engine, party);
	return false;
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

static enum gateway_verdict party_admit(const struct engine *engine, struct party *party)
{
	if (!atomic_load_explicit(&party->enabled, memory_order_relaxed) ||
	    atomic_load_explicit(&party->ban_until_us, memory_order_relaxed) > engine->now_us)
		return GATEWAY_DISABLED;
	if (atomic_load_explicit(&party->down, memory_order_relaxed))
		return GATEWAY_DOWN;
	if (!capacity_take(engine, party))
		return GATEWAY_FULL;
	if (!rate_take(party, engine->now_us)) {
		capacity_give(engine, party);
		return GATEWAY_OVER_RATE;
	}
	return GATEWAY_OK;
}

/* Retry-After of a failing server speaks of the server (RFC 3261 section 20.33); of a 404 or 486, of whom it serves. */
static bool bans(const struct party *party, unsigned int code, uint32_t retry_after_s)
{
	return party->kind == PARTY_ROUTING && retry_after_s > 0 && (code == 500 || code == 503);
}

static void admit_standing(const struct engine *engine, struct party *party)
{
	struct gateway_cell *cell = cell_of(engine, party);

	if (cell != NULL)
		cell_add(&cell->calls, 1);
	else
		atomic_fetch_add_explicit(&party->phone_calls, 1, memory_order_relaxed);
}

enum gateway_verdict gateway_admit(struct engine *engine, uint32_t id, bool standing)
{
	struct party *party = party_of(engine, id);
	enum gateway_verdict verdict;
	struct gateway_cell *cell;

	if (party == NULL)
		return GATEWAY_OK;
	if (standing) {
		admit_standing(engine, party);
		return GATEWAY_OK;
	}
	verdict = party_admit(engine, party);
	cell = cell_of(engine, party);
	if (cell == NULL)
		return verdict;
	cell_add(&cell->attempts, 1);
	atomic_store_explicit(&cell->last_attempt_us, engine->now_us, memory_order_relaxed);
	if (verdict != GATEWAY_OK)
		cell_add(&cell->refused, 1);
	return verdict;
}

void gateway_release(struct engine *engine, uint32_t id)
{
	struct party *party = party_of(engine, id);

	if (party != NULL)
		capacity_give(engine, party);
}

bool gateway_admit_again(struct engine *engine, uint32_t id)
{
	struct party *party = party_of(engine, id);
	struct gateway_cell *cell = party != NULL ? cell_of(engine, party) : NULL;
	bool admitted = party == NULL || rate_take(party, engine->now_us);

	if (cell == NULL)
		return admitted;
	cell_add(&cell->attempts, 1);
	atomic_store_explicit(&cell->last_attempt_us, engine->now_us, memory_order_relaxed);
	if (!admitted)
		cell_add(&cell->refused, 1);
	return admitted;
}

/* Never to a shorter one: what answers now may have been asked before the other. */
static void lengthen(_Atomic uint64_t *ban_until_us, uint64_t until_us)
{
	uint64_t before = atomic_load_explicit(ban_until_us, memory_order_relaxed);

	while (before < until_us && !atomic_compare_exchange_weak_explicit(ban_until_us, &before, until_us,
									   memory_order_relaxed, memory_order_relaxed))
		;
}

void gateway_report(struct engine *engine, uint32_t id, unsigned int code,
		    uint32_t retry_after_s)
{
	struct party *party = party_of(engine, id);
	struct gateway_cell *cell;

	if (party == NULL)
		return;
	cell = cell_of(engine, party);
	if (code >= 200 && code < 300) {
		if (cell != NULL)
			cell_add(&cell->answered, 1);
	} else if (code >= 300 && code < 400) {
		/* To say where else is no failure: RFC 6076 section 4.6 leaves it out. */
		if (cell != NULL && atomic_load_explicit(&cell->attempts, memory_order_relaxed) > 0)
			cell_add(&cell->attempts, UINT64_MAX);
	} else if (bans(party, code, retry_after_s)) {
		uint32_t ban_s = retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S;
		uint64_t until_us = engine->now_us + ban_s * US_PER_S;

		lengthen(&party->ban_until_us, until_us);
		if (cell != NULL)
			lengthen(&cell->ban_until_us, until_us);
		counter_inc(engine->counters, COUNTER_registrar_gateway_banned);
		log_warn("gateway", "gateway=%s passed over for %u s: it answered %u with Retry-After", party->name,
			 ban_s, code);
	}
}

void gateway_talked(struct engine *engine, uint32_t id, uint64_t duration_us)
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
