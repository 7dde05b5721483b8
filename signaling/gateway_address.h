/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a routing gateway is: at the address in its configuration, or, when that is a name, where the resolver
 * (resolver.h) has found it. The addresses of a name are an immutable set, replaced as a whole under RCU; the last good
 * set stays in force until there is a better one, over a kill -9, too (it lies in the gateways segment).
 */
#ifndef TANDEM_SIGNALING_GATEWAY_ADDRESS_H
#define TANDEM_SIGNALING_GATEWAY_ADDRESS_H

#include "common/layout/gateway_status.h"
#include "signaling/gateway.h"

/* As many as the bits of who has been tried. */
struct gateway_addresses {
	unsigned int count;
	struct gateway_target target[GATEWAY_ADDRESSES]; /* by priority, then weight */
};

/* ---- the engine's ---- */

/*
 * One address of the gateway that has not been tried, and the flow to it (RFC 2782: the lowest priority first, by
 * weight among equals); it is noted in *tried (0 at first). -ENOENT: there is none left, or none is known yet
 * (counted).
 */
int gateway_address_pick(struct engine *engine, uint32_t id, uint8_t *tried, struct sip_flow *flow);

/* ---- the resolver's ---- */

/*
 * Publish what a name stands for now (NULL: nothing is known), and free what it stood for before when no worker can
 * hold it any more: blocks. `next` is given away; `name_hash` tells in the segment whose addresses they are.
 */
void gateway_addresses_publish(struct party *party, struct gateway_addresses *next, uint64_t name_hash,
			       uint64_t now_us);
/* What an earlier life had found for this name. NULL: nothing, or not enough memory. The caller's. */
struct gateway_addresses *gateway_addresses_left(const struct party *party, uint64_t name_hash);

#endif
