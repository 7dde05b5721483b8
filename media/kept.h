/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets of a source on probation: kept back, and sent on in order when it turns out to be the peer, so that learning
 * costs no audio. A small table in each worker; a leg that finds its place taken takes it over, and what was kept there
 * is dropped. So is what has waited for a second: a stranger must not hold the port's buffers.
 */
#ifndef TANDEM_MEDIA_KEPT_H
#define TANDEM_MEDIA_KEPT_H

#include "latch.h"
#include "relay.h"

/* Keep the packet that made the leg's candidate_packets what it is. Takes the datagram. */
void kept_add(struct media_core *core, uint32_t slot, enum media_leg_index leg, const struct datagram *d,
	      uint64_t now_us);

/* The leg has learned `source`: hand over what was kept of it, oldest first; returns how many. The caller owns them. */
unsigned int kept_take(struct media_core *core, uint32_t slot, enum media_leg_index leg, const struct net_addr *source,
		       struct datagram out[static LATCH_PACKETS - 1], uint64_t now_us);

/* Drop what has waited too long: a look at one place of the table. Once per poll. */
void kept_sweep(struct media_core *core, uint64_t now_us);

/* Drop everything. */
void kept_flush(struct media_core *core);

#endif
