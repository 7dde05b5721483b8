/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests in dialogs that have no final response yet (RFC 3261 section 12.1): INFO, UPDATE and PRACK while it rings.
 * The callee's side of such a dialog is what its last reliable response says; before there is one, nothing can be
 * passed to it. Nothing of this outlives the process: a call that is being set up ends with it.
 */
#ifndef TANDEM_SIGNALING_EARLY_DIALOG_H
#define TANDEM_SIGNALING_EARLY_DIALOG_H

#include <stdbool.h>

#include "signaling/call.h"

/* Keep the response that makes the callee's early dialog, in place of the one before. False: no room. */
bool early_dialog_keep(struct call *call, const struct sip_message *response);
void early_dialog_forget(struct call *call);
/* The attempt is over: nobody answers an UPDATE in it any more. */
void early_dialog_forget_offers(struct call *call);
/* That response, parsed; NULL: none. Valid as transaction_request()'s is. */
struct sip_message *early_dialog_response(struct call *call);

struct early_request {
	enum sip_method method;
	struct sip_text headers;        /* whole lines */
	const struct sip_message *from; /* whose body it has; NULL: the description alone */
	struct sip_text sdp;            /* as it is to be there; may be empty */
};

/*
 * Send it in the callee's early dialog that `response` makes. NULL: it can't be sent. Should the vendor challenge it,
 * it goes once more with its credentials. What else the callee says to it goes to the server transaction that becomes
 * its peer, if one does.
 */
struct transaction *early_dialog_send(struct call *call, struct sip_message *response,
				      const struct early_request *request);

/* Handler: a request while the call is being set up. */
void call_early_request(struct call *call, const struct call_event *event);

#endif
