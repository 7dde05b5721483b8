/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who calls, and by which way: P-Asserted-Identity (RFC 3325), Remote-Party-ID, Diversion (RFC 5806), History-Info
 * (RFC 7044), and what Privacy (RFC 3323) leaves of them.
 *
 * A gateway is inside our trust domain unless its `headers: {trusted: off}` says otherwise; a phone never is. What
 * comes from outside is not believed; what is private does not go there. Hosts become ours, and numbers that say who
 * calls are rewritten as the caller's in From is.
 */
#ifndef TANDEM_SIGNALING_IDENTITY_H
#define TANDEM_SIGNALING_IDENTITY_H

#include <stdbool.h>

#include "common/layout/call_record.h"
#include "signaling/sip/build.h"
#include "signaling/sip/message.h"

struct call;

/* Must the callee of this attempt, whose dialog and gateway are set, not learn who calls? Then From is anonymous. */
bool identity_is_withheld(const struct call *call, const struct sip_message *invite);

/* The headers of a request to `to`, made from the other side's; of a response, likewise. */
void identity_put_request(struct call *call, enum call_side to, struct sip_builder *b, const struct sip_message *from,
			  const struct net_addr *ours);
void identity_put_response(struct call *call, enum call_side to, struct sip_builder *b, const struct sip_message *from,
			   const struct net_addr *ours);

/* Does what is beside the description of a body cross to this side? */
bool identity_passes_bodies(const struct call *call, enum call_side to);

#endif
