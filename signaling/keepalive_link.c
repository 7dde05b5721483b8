/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/keepalive_burst.h"
#include "proto/messages.h"
#include "proto/messages.pb-c.h"
#include "signaling/keepalive_link.h"
#include "signaling/snapshot_signaling.h"

#define MESSAGE_ROOM   256u /* a packed BindingAdded is under 100 bytes */
#define SWEEP_LOOKS    512u /* slots looked at in one poll */
#define SWEEP_PAUSE_US (100 * US_PER_MS)
#define RING_HEADROOM  4096u /* a sweep leaves so much for what happens meanwhile */
#define ARENA_BYTES    4096u
#define AHEAD          12u /* records on their way into the cache while one is sent */

int keepalive_link_init(struct keepalive_link *link, struct ring_producer *ring, struct binding_store *store,
			struct counter_row *counters, unsigned int worker)
{
	memset(link, 0, sizeof(*link));
	link->ring = ring;
	link->store = store;
	link->counters = counters;
	link->worker = worker;
	link->slots = binding_store_slots(store);
	link->cursor = link->slots;
	link->due = true; /* what an earlier life could not tell any more */
	link->endpoint = calloc(KEEPALIVE_BURST_MAX, sizeof(*link->endpoint));
	link->id = calloc(KEEPALIVE_BURST_MAX, sizeof(*link->id));
	if (link->endpoint && link->id && pb_arena_init(&link->arena, ARENA_BYTES) == 0)
		return 0;
	keepalive_link_fini(link);
	return -ENOMEM;
}

void keepalive_link_fini(struct keepalive_link *link)
{
	pb_arena_fini(&link->arena);
	free(link->endpoint);
	free(link->id);
	link->endpoint = NULL;
	link->id = NULL;
}

/* ---- to keepalive ---- */

static void address_pack(Tandem__Address *out, const struct net_addr *addr)
{
	tandem__address__init(out);
	out->ip.data = (uint8_t *)addr->ip;
	out->ip.len = addr->family == NET_IP4 ? 4 : 16;
	out->port = addr->port;
}

/* False when the ring is full. */
static bool tell_added(struct keepalive_link *link, uint32_t slot, const struct binding_record *record)
{
	Tandem__BindingAdded added = TANDEM__BINDING_ADDED__INIT;
	Tandem__Address remote, local;
	uint8_t *room = ring_reserve(link->ring, MESSAGE_ROOM);

	if (room == NULL) {
		counter_inc(link->counters, COUNTER_registrar_keepalive_ring_full);
		return false;
	}
	address_pack(&remote, &record->remote);
	address_pack(&local, &record->local);
	added.endpoint = slot;
	added.id = record->id;
	added.remote = &remote;
	added.local = &local;
	added.expires_us = record->expires_us;
	ring_publish(link->ring, MESSAGE_BINDING_ADDED, (uint32_t)tandem__binding_added__pack(&added, room));
	counter_inc(link->counters, COUNTER_registrar_keepalive_told);
	return true;
}

void keepalive_link_added(struct keepalive_link *link, uint32_t slot, const struct binding_record *record)
{
	if (link->ring == NULL)
		return;
	/* The mark is in the record already: killed between here and there, the next life tells it. */
	if (tell_added(link, slot, record))
		binding_store_flag(link->store, slot, BINDING_KEEPALIVE_DUE, false);
	else
		link->due = true;
}

/*
 * Not marked anywhere when it does not fit: keepalive drops the endpoint when it expires, and is told again when it
 * asks for a payload to one that is gone.
 */
void keepalive_link_removed(struct keepalive_link *link, uint32_t slot, uint64_t id)
{
	Tandem__BindingRemoved removed = TANDEM__BINDING_REMOVED__INIT;
	uint8_t *room;

	if (link->ring == NULL)
		return;
	room = ring_reserve(link->ring, MESSAGE_ROOM);
	if (room == NULL) {
		counter_inc(link->counters, COUNTER_registrar_keepalive_ring_full);
		return;
	}
	removed.endpoint = slot;
	removed.id = id;
	ring_publish(link->ring, MESSAGE_BINDING_REMOVED, (uint32_t)tandem__binding_removed__pack(&removed, room));
}

/* One slot of a sweep: false when the ring is too full to go on. */
static bool sweep_slot(struct keepalive_link *link, uint32_t slot, unsigned int *told)
{
	uint8_t flags = binding_store_flags(link->store, slot);
	struct binding_record record;

	if (!(flags & BINDING_NAT) || !(link->all || flags & BINDING_KEEPALIVE_DUE) ||
	    !binding_store_read(link->store, slot, &record) ||
	    binding_store_owner(link->store, record.user, record.user_len) != link->worker)
		return true;
	if (!ring_has_room(link->ring, RING_HEADROOM) || !tell_added(link, slot, &record))
		return false;
	binding_store_flag(link->store, slot, BINDING_KEEPALIVE_DUE, false);
	(*told)++;
	return true;
}

/* Returns how many slots it has looked at. */
static unsigned int sweep(struct keepalive_link *link, uint64_t now_us)
{
	unsigned int told = 0, looks = 0;

	if (link->cursor == link->slots) {
		if (!link->due || now_us < link->sweep_after_us)
			return 0;
		link->due = false;
		link->cursor = 0;
	}
	for (; looks < SWEEP_LOOKS && told < KEEPALIVE_TELLS_PER_POLL; looks++) {
		if (link->cursor == link->slots || !sweep_slot(link, link->cursor, &told))
			break;
		link->cursor++;
	}
	if (link->cursor == link->slots) {
		link->all = false;
		link->sweep_after_us = now_us + SWEEP_PAUSE_US;
	}
	return looks;
}

/* ---- from keepalive ---- */

static void resync(struct keepalive_link *link, const struct ring_message *message)
{
	Tandem__Resync *resync;

	pb_arena_reset(&link->arena);
	resync = tandem__resync__unpack(&link->arena.allocator, message->len, message->body);
	if (resync == NULL) {
		counter_inc(link->counters, COUNTER_registrar_keepalive_bad_message);
		return;
	}
	if (resync->life == link->resync_life)
		return;
	counter_inc(link->counters, COUNTER_registrar_keepalive_resyncs);
	link->resync_life = resync->life;
	link->all = true;
	link->cursor = 0;
}

static void burst(struct keepalive_link *link, const struct ring_message *message)
{
	int count = keepalive_burst_read(link->endpoint, link->id, KEEPALIVE_BURST_MAX, message->body, message->len);

	if (count < 0) {
		counter_inc(link->counters, COUNTER_registrar_keepalive_bad_message);
		return;
	}
	link->burst_count = (uint32_t)count;
	link->burst_sent = 0;
	for (uint32_t i = 0; i < link->burst_count && i < AHEAD; i++)
		binding_store_prefetch(link->store, link->endpoint[i]);
}

void keepalive_link_message(struct keepalive_link *link, const struct ring_message *message)
{
	if (message->type == MESSAGE_KEEPALIVE_BURST)
		burst(link, message);
	else if (message->type == MESSAGE_BINDINGS_RESYNC)
		resync(link, message);
	else
		counter_inc(link->counters, COUNTER_registrar_keepalive_bad_message);
}

bool keepalive_link_busy(const struct keepalive_link *link)
{
	return link->burst_sent < link->burst_count;
}

/* One payload from the SIP port itself, so that it goes through the very pinhole that the phone opened. */
static void send_one(struct keepalive_link *link, struct engine *engine, uint32_t slot, uint64_t id)
{
	const struct signaling_snapshot *snapshot = engine->snapshot;
	struct binding_reach reach;
	struct sip_flow flow;

	if (!binding_store_reach(link->store, slot, &reach) || reach.id != id || reach.expires_us <= engine->now_us) {
		counter_inc(link->counters, COUNTER_registrar_keepalive_stale);
		keepalive_link_removed(link, slot, id);
		return;
	}
	if (snapshot->keep_alive_len == 0) {
		counter_inc(link->counters, COUNTER_registrar_keepalive_off);
		return;
	}
	flow = (struct sip_flow){.port = reach.port_index, .local = reach.local, .remote = reach.remote};
	engine->io.send(engine->io.context, &flow, (const uint8_t *)snapshot->parameters->nat_keep_alive_message,
			snapshot->keep_alive_len);
	counter_inc(link->counters, COUNTER_registrar_keepalive_sent);
}

unsigned int keepalive_link_poll(struct keepalive_link *link, struct engine *engine)
{
	unsigned int done = 0;

	for (; keepalive_link_busy(link) && done < KEEPALIVE_SENDS_PER_POLL; done++, link->burst_sent++) {
		if (link->burst_count - link->burst_sent > AHEAD)
			binding_store_prefetch(link->store, link->endpoint[link->burst_sent + AHEAD]);
		send_one(link, engine, link->endpoint[link->burst_sent], link->id[link->burst_sent]);
	}
	return done + (link->ring != NULL ? sweep(link, engine->now_us) : 0);
}
