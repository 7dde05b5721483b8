/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Just enough reading of SIP to play both ends of a call: where the lines are that have to be repeated, and which call
 * a message belongs to. Independent of the switch's own parser on purpose. Nothing is copied: spans point into the
 * message, and none reaches beyond it, whatever it holds.
 *
 * Of most messages hardly anything matters: sip_view_glance() looks at the first two lines only.
 */
#ifndef TANDEM_GENERATOR_SIP_VIEW_H
#define TANDEM_GENERATOR_SIP_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define VIEW_VIAS   6
#define VIEW_ROUTES 6

enum view_method { VIEW_OTHER, VIEW_INVITE, VIEW_ACK, VIEW_BYE, VIEW_CANCEL, VIEW_REGISTER, VIEW_OPTIONS, VIEW_UPDATE };

struct span {
	const char *at;
	uint32_t len;
};

struct sip_view {
	uint16_t code;  /* 0: a request */
	uint8_t method; /* enum view_method; of a response: its CSeq's */
	uint8_t vias, routes;
	bool retry_after, authorization;
	uint32_t cseq_number;
	struct span uri;                /* of a request */
	struct span via[VIEW_VIAS];     /* values, the topmost first */
	struct span route[VIEW_ROUTES]; /* values of Record-Route */
	struct span from, to, call_id, cseq, contact;
	struct span body, whole;
};

/* Returns 0, or -EINVAL when it is no SIP message or lacks one of the fields that each has. */
int sip_view_read(struct sip_view *view, const char *text, uint32_t len);
/*
 * Sets code, the topmost Via of a response, method and uri of a request, and `whole`; a response's method is
 * VIEW_OTHER, and call_id is empty. False, with nothing said about the message: it does not begin as those do that are
 * worth it.
 */
bool sip_view_glance(struct sip_view *view, const char *text, uint32_t len);

/* Which call, in the words that we put into branches and user parts: a kind, a slot and a serial number. */
struct identity {
	char kind; /* 0: by the number dialled, of which `serial` is only the last three digits */
	uint32_t slot, serial;
};

#define BRANCH_COOKIE  "z9hG4bK"
#define ID_HEX         16 /* slot and serial */
#define NUMBER_TAIL    10 /* seven digits of slot, three of serial */
#define NUMBER_SLOTS   10000000u
#define NUMBER_SERIALS 1000u

/* From the topmost Via of a response; false when the branch is none of run `run`'s. */
bool identity_of_branch(struct identity *id, struct span via, uint32_t run);
/* From the user part of a request's URI. */
bool identity_of_uri(struct identity *id, struct span uri);
/* From the label of an SDP; false when it has none of ours. */
bool identity_of_label(struct identity *id, struct span body);

/* Where the SDP wants media; false when it does not say. */
bool sdp_media_address(struct net_addr *addr, struct span body);
/* The value of a parameter ("tag") behind the name-addr; len 0 when absent. */
struct span value_parameter(struct span value, const char *name);
/* The URI out of a Contact or route value. */
struct span value_uri(struct span value);

#endif
