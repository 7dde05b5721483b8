/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vendor that answers 3xx sends the call elsewhere (RFC 3261 section 8.1.3.4). Where it may go on this gateway's
 * account, and how often, is the gateway's `redirect`; what is not followed is a failure like any other, or, where the
 * customer wants it (`redirect: pass`), the customer's to follow.
 *
 * The targets of a gateway's redirects are tried one after the other: those of the latest 3xx first, the highest q
 * first, none twice. 300 to 302 are followed, and 305 as if it were 302; 380 speaks of another service.
 */
#ifndef TANDEM_SIGNALING_REDIRECT_H
#define TANDEM_SIGNALING_REDIRECT_H

#include <stdbool.h>

#include "signaling/sip/build.h"
#include "signaling/sip/message.h"

struct call;
struct attempt_target;

/* The gateway of the attempt that runs answered so: note where it sends the call. True: there is somewhere to go. */
bool redirect_take(struct call *call, const struct sip_message *response);
/* The next place, which has used the gateway's rate. False: there is none, or none that may be tried. */
bool redirect_next(struct call *call, struct attempt_target *target);
/* Forget it all: another gateway is tried, or the set-up is over. */
void redirect_forget(struct call *call);
/* Is the attempt that runs one to an address that is not the gateway's own? */
bool redirect_leads_away(const struct call *call);

/*
 * Is this response one for the caller to follow? Then call_send_failure() passes it on, if it is called before the
 * event is over, with its Contacts.
 */
bool redirect_pass(struct call *call, const struct sip_message *response);
void redirect_put_contacts(struct call *call, struct sip_builder *b);

/*
 * By which way the call came to where it goes now: Diversion (RFC 5806), the latest first; and History-Info (RFC 7044),
 * which goes on from the last entry in `from` (NULL: those are not passed on). Nothing unless it was redirected.
 */
void redirect_put_diversion(const struct call *call, struct sip_builder *b, const struct net_addr *ours);
void redirect_put_history(const struct call *call, struct sip_builder *b, const struct sip_message *from,
			  const struct net_addr *ours);

#endif
