/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests inside a dialog (RFC 3261 section 12.2.1.1): what they are made of, wherever the strings lie, and where
 * they go.
 */
#ifndef TANDEM_SIGNALING_DIALOG_H
#define TANDEM_SIGNALING_DIALOG_H

#include "signaling/engine.h"
#include "signaling/identifier.h"
#include "signaling/sip/build.h"
#include "signaling/sip/message.h"

#define DIALOG_ROUTE_MAX 2048

struct dialog {
	struct sip_text head;          /* From, Call-ID and To as header lines, the last one without its end */
	struct sip_text call_id;       /* where that is empty, the values: */
	struct sip_text local, remote; /* From and To, with their tags */
	struct sip_text target;        /* Request-URI */
	struct sip_text route;         /* Route values separated by commas; may be empty */
	struct sip_flow flow;          /* where the peer was last heard */
	bool behind_nat;               /* requests go to the flow whatever target says */
};

/* Start line to CSeq; the caller adds what else there is and ends the headers. */
void dialog_build_request(struct engine *engine, struct sip_builder *b, const struct dialog *dialog,
			  struct sip_text method, uint32_t cseq, const struct net_addr *sent_by,
			  struct sip_text branch);
/* The next hop: the first route's address, else the target's; the flow where that is a name or not to be reached. */
void dialog_next_hop(const struct engine *engine, const struct dialog *dialog, struct sip_flow *flow);

/*
 * The route set of a dialog from the Record-Route of the message that made it: as it stands for the UAS, reversed
 * for the UAC. Returns the length, 0 without any, or -EMSGSIZE.
 */
int dialog_route_set(const struct sip_message *message, bool reversed, char *out, size_t size);

/*
 * The dialog that a response makes, by that response alone; it came to a request that went to `flow`. False: it does
 * not say where its requests go.
 */
bool dialog_of_response(struct dialog *dialog, const struct sip_flow *flow, bool behind_nat,
			struct sip_message *response, char route[static DIALOG_ROUTE_MAX]);

/* The first Contact's URI, or at NULL. */
struct sip_text dialog_contact(struct sip_message *message);

#endif
