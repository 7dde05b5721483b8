/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker's side of the talk with keepalive: tells it about the endpoints behind NAT, and sends the bursts it asks
 * for from the SIP port's own address. What does not fit into the ring stays marked in the record
 * (BINDING_KEEPALIVE_DUE) and is told later.
 */
#ifndef TANDEM_SIGNALING_KEEPALIVE_LINK_H
#define TANDEM_SIGNALING_KEEPALIVE_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/counters.h"
#include "common/pb_arena.h"
#include "common/ring.h"
#include "signaling/binding_store.h"
#include "signaling/engine.h"

#define KEEPALIVE_SENDS_PER_POLL 32u
#define KEEPALIVE_TELLS_PER_POLL 64u
#define KEEPALIVE_BURST_MAX      16384u /* endpoints in one message; SS_SIP_NAT_KEEP_ALIVE_SEND_ONE_TIME ends at 10000 */

struct keepalive_link {
	struct ring_producer *ring; /* may be NULL: nobody to tell */
	struct binding_store *store;
	struct counter_row *counters;
	unsigned int worker;
	struct pb_arena arena;
	/* the burst being sent: KEEPALIVE_BURST_MAX of each */
	uint32_t *endpoint;
	uint64_t *id;
	uint32_t burst_count, burst_sent;
	/* telling again: slots [cursor, slots) are still to be looked at; `all` = whatever their mark says */
	uint32_t cursor, slots;
	bool all;
	bool due;                /* something did not fit since the sweep began: sweep again */
	uint64_t sweep_after_us; /* but not before */
	uint64_t resync_life;    /* the last one answered */
};

int keepalive_link_init(struct keepalive_link *link, struct ring_producer *ring, struct binding_store *store,
			struct counter_row *counters, unsigned int worker);
void keepalive_link_fini(struct keepalive_link *link);

/* The binding is new, refreshed or moved. */
void keepalive_link_added(struct keepalive_link *link, uint32_t slot, const struct binding_record *record);
void keepalive_link_removed(struct keepalive_link *link, uint32_t slot, uint64_t id);

/* Takes a message of keepalive's in; a burst must have been sent to its end before the next one. */
void keepalive_link_message(struct keepalive_link *link, const struct ring_message *message);
/* True while a burst is being sent: its message must stay in the ring, and no other be handed in. */
bool keepalive_link_busy(const struct keepalive_link *link);
/* Once per poll: a few of the burst's payloads, a few of the tellings that are due. Returns what it did. */
unsigned int keepalive_link_poll(struct keepalive_link *link, struct engine *engine);

#endif
