/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that we send in a dialog for ourselves: session refreshes, by UPDATE where the peer knows it, else by a
 * re-INVITE with the description that the peer got last (RFC 4028 section 7.4). At most one a side stands; the call's
 * end takes it along. What the peer answers:
 *
 *   2xx               a new interval begins
 *   401, 407          the same again with the gateway's credentials
 *   422               the same again with a longer interval
 *   491               the same again after RFC 3261 section 14.1's pause
 *   408, 481, nothing the dialog is dead: both sides get BYE
 *   1xx for ever      a re-INVITE is cancelled, and was refused unless a 2xx comes after all
 *   another 4xx, 501  the other method at once, where there is one
 *   else              tried again one segment later
 */
#ifndef TANDEM_SIGNALING_OWN_REQUEST_H
#define TANDEM_SIGNALING_OWN_REQUEST_H

#include "signaling/call.h"
#include "signaling/client_auth.h"

/* No request stands in the dialogs that ours would collide with. */
bool own_request_may_go(const struct call *call, enum call_side side);
/* Send a refresh. One that can't be sent is tried again later. */
void own_request_refresh(struct call *call, enum call_side side);
/* An INVITE of ours stands on this side: no other may be passed to it, and one from it is refused (491). */
bool own_request_is_invite(const struct call *call, enum call_side side);
/*
 * For a request of ours in a dialog that this side has answered with 401 or 407: as client_auth_answer(), with the
 * credentials of the gateway there.
 */
int own_request_credentials(struct call *call, enum call_side side, struct sip_text method,
			    const struct sip_message *response, struct client_auth *auth);
/* The call is over: what stands is taken back. */
void own_request_end(struct call *call);

#endif
