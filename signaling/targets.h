/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the attempts of a call go, in order: the gateways of its route, or the contacts of the phone that is called
 * (by q, then the latest), and in between the places that a gateway has redirected it to (redirect.h). One after the
 * other, each an attempt with a record of its own; call_attempt.c says when it is enough.
 */
#ifndef TANDEM_SIGNALING_TARGETS_H
#define TANDEM_SIGNALING_TARGETS_H

#include "common/config.h"
#include "common/layout/sip_flow.h"
#include "signaling/binding_store.h"
#include "signaling/engine.h"
#include "signaling/message_pool.h"
#include "signaling/route.h"
#include "signaling/sip/text.h"

enum target_kind { TARGET_GATEWAY, TARGET_PHONE, TARGET_REDIRECT };

/* Where an attempt goes, on whose account, and how its numbers look there. */
struct attempt_target {
	enum target_kind kind;
	uint32_t gateway;                            /* admission id: whose capacity it uses */
	const struct config_routing_gateway *config; /* NULL: a phone; valid until the next quiescent point */
	struct sip_flow flow;
	const char *network;  /* NULL = any */
	struct sip_text uri;  /* Request-URI; empty: made from the number and the host */
	struct sip_text host; /* by which the gateway is known; empty: the flow's address */
	uint16_t host_port;   /* 0 = none is said */
	struct sip_text name; /* of the gateway, or the phone's user */
	bool behind_nat;
};

/* A call's, while it is being set up. */
struct targets {
	struct message_buffer *redirects; /* redirect.c's; NULL: none */
	uint8_t kind;                     /* enum target_kind, of the attempt that runs */
	uint8_t gateways, gateway_next;
	uint8_t addresses; /* bits of the gateway's, by name, that have been tried: gateway_address.h */
	uint8_t contacts;  /* of a phone, that have been tried */
};

/* What of it means something only as far as the above says. */
struct target_list {
	uint32_t gateway[ROUTE_MAX];
	uint64_t contact[BINDINGS_PER_USER]; /* hashed */
};

struct call;

/* All are of the call's engine; what they give is admitted. Texts are valid until the event is over. */

/*
 * The first of them. 0; -EAGAIN: a phone that is not registered; -EDQUOT: a phone that has all the calls it may have;
 * -ENOENT: no route; -EBUSY: none of the route takes the call now.
 */
int targets_first(struct call *call, struct attempt_target *target);
/* Another place on the account of who is called already: it keeps its one call. */
bool targets_next_place(struct call *call, struct attempt_target *target);
/* The same gateway at another of its name's addresses (RFC 3263 section 4.3). */
bool targets_next_address(struct call *call, struct attempt_target *target);
/* The next gateway that takes the call. */
bool targets_next_gateway(struct call *call, struct attempt_target *target);
bool targets_gateways_left(const struct call *call);

#endif
