/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/layout/gateway_status.h"

void gateway_status_spec(struct segment_spec *spec, const struct config *config)
{
	(void)config;
	*spec = (struct segment_spec){
	    .name = "gateways",
	    .layout = SEGMENT_GATEWAYS,
	    .writer = "signaling",
	    .version = GATEWAY_STATUS_VERSION,
	    .item_size = sizeof(struct gateway_slot),
	    .item_count = GATEWAY_STATUS_SLOTS,
	    .size = SEGMENT_HEADER + (uint64_t)GATEWAY_STATUS_SLOTS * sizeof(struct gateway_slot),
	};
}

struct gateway_slot *gateway_status_claim(struct segment *gateways, enum gateway_kind kind, const char *name)
{
	struct gateway_slot *slots = gateways->content;
	size_t len = strlen(name);

	if (len >= sizeof(slots->name))
		return NULL;
	for (unsigned int i = 0; i < GATEWAY_STATUS_SLOTS; i++) {
		struct gateway_slot *slot = &slots[i];
		uint32_t found = atomic_load_explicit(&slot->kind, memory_order_acquire);

		if (found == (uint32_t)kind && strncmp(slot->name, name, sizeof(slot->name)) == 0)
			return slot;
		if (found == GATEWAY_NONE) {
			/* A killed predecessor may have left half a name here. */
			memset(slot->name, 0, sizeof(slot->name));
			memcpy(slot->name, name, len);
			atomic_store_explicit(&slot->kind, (uint32_t)kind, memory_order_release);
			return slot;
		}
	}
	return NULL;
}

static uint64_t later(uint64_t a, const _Atomic uint64_t *b)
{
	uint64_t value = atomic_load_explicit(b, memory_order_relaxed);

	return value > a ? value : a;
}

void gateway_status_sum(const struct gateway_slot *slot, struct gateway_sum *sum)
{
	*sum = (struct gateway_sum){0};
	for (unsigned int w = 0; w < CONFIG_MAX_WORKERS; w++) {
		const struct gateway_cell *cell = &slot->worker[w];

		sum->calls += atomic_load_explicit(&cell->calls, memory_order_relaxed);
		sum->attempts += atomic_load_explicit(&cell->attempts, memory_order_relaxed);
		sum->answered += atomic_load_explicit(&cell->answered, memory_order_relaxed);
		sum->refused += atomic_load_explicit(&cell->refused, memory_order_relaxed);
		sum->talk_ms += atomic_load_explicit(&cell->talk_ms, memory_order_relaxed);
		sum->ended += atomic_load_explicit(&cell->ended, memory_order_relaxed);
		sum->ban_until_us = later(sum->ban_until_us, &cell->ban_until_us);
		sum->last_attempt_us = later(sum->last_attempt_us, &cell->last_attempt_us);
	}
}

unsigned int gateway_status_place(const struct gateway_slot *slot, struct net_addr addrs[static GATEWAY_ADDRESSES])
{
	const struct gateway_place *place = &slot->place;
	unsigned int count = 0;

	/* A killed writer may have left it odd; then there is none. */
	for (int attempt = 0; attempt < 100; attempt++) {
		uint32_t before = atomic_load_explicit(&place->sequence, memory_order_acquire);

		count = place->count <= GATEWAY_ADDRESSES ? place->count : 0;
		for (unsigned int i = 0; i < count; i++)
			addrs[i] = place->target[i].addr;
		atomic_thread_fence(memory_order_acquire);
		if ((before & 1) == 0 && atomic_load_explicit(&place->sequence, memory_order_relaxed) == before)
			return count;
	}
	return 0;
}
