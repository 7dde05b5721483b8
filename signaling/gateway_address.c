/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/gateway_address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/snapshot.h"
#include "signaling/snapshot_signaling.h"

/* ---- the engine's ---- */

static const struct gateway_addresses *addresses_of(const struct engine *engine, uint32_t id)
{
	const struct party *party = party_get(engine->snapshot->state->parties, id);

	return __atomic_load_n(&party->vendor->addresses, __ATOMIC_ACQUIRE);
}

/* Of the best priority that is left, by weight; -1: none is left. */
static int choose(struct engine *engine, const struct gateway_addresses *addresses, unsigned int tried)
{
	uint64_t sum = 0;
	int last = -1;

	for (unsigned int i = 0; i < addresses->count; i++) {
		if (tried >> i & 1 || (last >= 0 && addresses->target[i].priority != addresses->target[last].priority))
			continue;
		sum += addresses->target[i].weight;
		last = (int)i;
	}
	if (sum == 0)
		return last;
	uint64_t at = engine_random(engine) % sum;

	for (unsigned int i = 0; i < addresses->count; i++) {
		const struct gateway_target *target = &addresses->target[i];

		if (tried >> i & 1 || target->priority != addresses->target[last].priority)
			continue;
		if (at < target->weight)
			return (int)i;
		at -= target->weight;
	}
	return last;
}

int gateway_address_pick(struct engine *engine, uint32_t id, uint8_t *tried, struct sip_flow *flow)
{
	const struct config_routing_gateway *gateway = gateway_routing(engine->snapshot, id);
	const struct gateway_addresses *addresses;

	if (gateway->host == NULL) {
		if (*tried || engine->io.flow_to(engine->io.context, gateway->network, &gateway->address, flow) < 0)
			return -ENOENT;
		*tried = 1;
		return 0;
	}
	addresses = addresses_of(engine, id);
	if (addresses == NULL || addresses->count == 0) {
		counter_inc(engine->counters, COUNTER_resolver_unresolved);
		return -ENOENT;
	}
	for (int i = choose(engine, addresses, *tried); i >= 0; i = choose(engine, addresses, *tried)) {
		*tried |= (uint8_t)(1u << i);
		if (engine->io.flow_to(engine->io.context, gateway->network, &addresses->target[i].addr, flow) == 0)
			return 0;
	}
	return -ENOENT;
}

/* ---- the resolver's ---- */

/* For tandemctl, which reads while we write, and for the next life. */
static void note_in_segment(struct gateway_place *place, const struct gateway_addresses *next, uint64_t name_hash,
			    uint64_t now_us)
{
	uint32_t sequence = atomic_load_explicit(&place->sequence, memory_order_relaxed) | 1;

	atomic_store_explicit(&place->sequence, sequence, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	place->count = next ? next->count : 0;
	place->name_hash = name_hash;
	place->resolved_us = now_us;
	if (next)
		memcpy(place->target, next->target, sizeof(place->target));
	atomic_store_explicit(&place->sequence, sequence + 1, memory_order_release);
}

void gateway_addresses_publish(struct party *party, struct gateway_addresses *next, uint64_t name_hash, uint64_t now_us)
{
	struct gateway_addresses *old;

	note_in_segment(&party->slot->place, next, name_hash, now_us);
	old = __atomic_exchange_n(&party->vendor->addresses, next, __ATOMIC_SEQ_CST);
	if (old == NULL)
		return;
	synchronize_rcu();
	SNAPSHOT_WAITED();
	free(old);
}

static bool target_is_sound(const struct gateway_target *target)
{
	return (target->addr.family == NET_IP4 || target->addr.family == NET_IP6) && target->addr.port != 0 &&
	       target->addr.pad == 0 && !net_addr_is_any(&target->addr);
}

struct gateway_addresses *gateway_addresses_left(const struct party *party, uint64_t name_hash)
{
	const struct gateway_place *place = &party->slot->place;
	struct gateway_addresses *addresses;

	if ((atomic_load_explicit(&place->sequence, memory_order_acquire) & 1) || place->name_hash != name_hash ||
	    place->count == 0 || place->count > GATEWAY_ADDRESSES)
		return NULL;
	for (unsigned int i = 0; i < place->count; i++)
		if (!target_is_sound(&place->target[i]))
			return NULL;
	addresses = calloc(1, sizeof(*addresses));
	if (addresses != NULL) {
		addresses->count = place->count;
		memcpy(addresses->target, place->target, sizeof(addresses->target));
	}
	return addresses;
}
