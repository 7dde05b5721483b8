/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Provisional responses that arrive (RFC 3262), each leg by itself.
 *
 * Towards the caller we are the UAS: who supports 100rel gets those reliably that the callee sent so, and those with a
 * description; who requires it, all. One at a time: the latest of those that come meanwhile waits for the PRACK, and
 * so does the 200, when the one under way has a description.
 *
 * Towards the callee we are the UAC. Where both legs do it, the caller's PRACK is what acknowledges the callee's
 * response, so that an offer or answer in it crosses; else ours does, at once.
 *
 * Where the INVITE had no offer, of several phones behind the gateway only the first that makes one can have an answer:
 * the caller has one dialog. Its offer waits until the caller owes no other PRACK; it comes again meanwhile. The early
 * dialogs of others that make one are ended with BYE (RFC 3261 section 15), and so is a call that one of them answers.
 *
 * What stands here is of a call being set up, and ends with the process: such a call ends then, too.
 */
#ifndef TANDEM_SIGNALING_RELIABLE_H
#define TANDEM_SIGNALING_RELIABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/layout/call_record.h"
#include "signaling/sip/message.h"

#define RELIABLE_FORKS 4u /* early dialogs of one attempt that are told apart */

struct call;
struct call_event;
struct engine;
struct message_buffer;
struct transaction;

struct reliable {
	/* towards the caller */
	bool supported, required;             /* by its INVITE */
	bool pending;                         /* one has been sent, and no PRACK has come */
	bool pending_sdp;                     /* it has a description */
	bool sdp_acked;                       /* the caller has acknowledged a description */
	struct call_text sent_sdp, acked_sdp; /* of this attempt: the one under way, and the one it has acknowledged */
	bool answer_waits;                    /* the 200, for that PRACK */
	uint16_t next_code;                   /* the latest provisional response that waits for it; 0: none */
	struct call_text next_sdp;
	struct message_buffer *next; /* the callee's that waits, 200 or provisional; NULL: none, or no room for it */
	uint32_t rseq;               /* of the last one sent; 0: none yet */

	/* towards the callee, in this attempt */
	struct {
		uint32_t tag, rseq; /* hash of its To tag, and the last response of it that was in order */
	} fork[RELIABLE_FORKS];
	unsigned int forks, latest;
	unsigned int offerer; /* of fork, from 1: whose offer the caller has, where its INVITE had none; 0: nobody's */
	bool due;             /* the response that makes the early dialog will be acknowledged by the caller's PRACK */
};

/* What the caller's INVITE says of it. */
void reliable_read_invite(struct call *call, const struct sip_message *invite);
/* Whether the INVITE to the callee says that we do it. Not where nobody could answer an offer in a response. */
bool reliable_offered(const struct call *call);
/* A provisional response of the callee's: false when it came before, or out of order, or can't be heeded. */
bool reliable_in_order(struct call *call, struct sip_message *response);
/* Does the caller see what it describes? Not where nobody could answer it. */
bool reliable_shows(const struct call *call, struct sip_message *response);
/* Has the caller the offer of another than this one? */
bool reliable_is_another(const struct call *call, struct sip_message *response);
/* Pass it on under this code (0: not at all), reliably where that is wanted, and have it acknowledged. */
void reliable_respond(struct call *call, unsigned int code, struct sip_message *response, struct sip_text sdp);
/* The callee has answered: does the 200 to the caller have to wait? Then it is sent when the PRACK comes. */
bool reliable_holds_answer(struct call *call, const struct sip_message *response);
bool reliable_answer_waits(const struct call *call);
/* The call ends while it waits: true, and the caller is owed a failure instead. */
bool reliable_take_answer_back(struct call *call);
/* The caller has acknowledged the description that stands in the record. */
bool reliable_has_description(const struct call *call);
/* The caller's ACK came: whatever it has not acknowledged before it has now. */
void reliable_acked(struct call *call);
/* The INVITE is sent again: whoever answers it numbers his responses anew. */
void reliable_forget_forks(struct call *call);
/* The attempt is over, or the call is. */
void reliable_forget_attempt(struct call *call);
/* Handlers: a PRACK, and its absence. */
void call_prack(struct call *call, const struct call_event *event);
void call_prack_timeout(struct call *call, const struct call_event *event);

#endif
