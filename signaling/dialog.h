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
	struct sip_text call_id;
	struct sip_text local, local_tag;   /* From; an empty tag: `local` has it already, or there is none */
	struct sip_text remote, remote_tag; /* To; likewise */
	struct sip_text target;             /* Request-URI */
	struct sip_text route;              /* Route values separated by commas; may be empty */
	struct sip_flow flow;               /* where the peer was last heard */
	bool behind_nat;                    /* requests go to the flow whatever target says */
};

/* Start line to CSeq; the caller adds what else there is and ends the headers. */
void dialog_build_request(struct sip_builder *b, const struct dialog *dialog, struct sip_text method, uint32_t cseq,
			  const struct net_addr *sent_by, struct sip_text branch);
/* The next hop: the first route's address, else the target's; the flow where that is a name or not to be reached. */
void dialog_next_hop(const struct engine *engine, const struct dialog *dialog, struct sip_flow *flow);

/*
 * The route set of a dialog from the Record-Route of the message that made it: as it stands for the UAS, reversed
 * for the UAC. Returns the length, 0 without any, or -EMSGSIZE.
 */
int dialog_route_set(const struct sip_message *message, bool reversed, char *out, size_t size);

/* The first Contact's URI, or at NULL. */
struct sip_text dialog_contact(const struct sip_message *message);
/* A From or To value without its tag parameter, into out. Returns the length or -EMSGSIZE. */
int dialog_without_tag(const struct sip_name_addr *name, char *out, size_t size);

#endif
