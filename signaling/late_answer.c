/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 2xx to an INVITE of ours that nobody waits for: it crossed our CANCEL, another phone answered first, or it can't be
 * used. Whoever sent it thinks that there is a call, which is ended. One to a re-INVITE is acknowledged and no more.
 */
#include "signaling/call.h"
#include "signaling/client_auth.h"
#include "signaling/keyed_hash.h"
#include "signaling/local_headers.h"
#include "signaling/transaction.h"

/* Whose answer, and why it is not wanted. */
struct late_answer {
	const struct sip_flow *from;
	bool behind_nat;
	struct transaction *keeper; /* its INVITE's, to which the ACK belongs; NULL: another answer came before */
	uint32_t vendor;            /* struct transaction's */
	unsigned int cause, sip_code;
	bool in_dialog; /* it was a re-INVITE: its dialog has had a BYE */
};

/* Of Q.850. */
#define CAUSE_ANSWERED_ELSEWHERE 26u /* non-selected user clearing */
#define CAUSE_FORGOTTEN          31u /* normal, unspecified */

/* ---- the ACK ---- */

/* Into the engine's scratch. */
static int build_ack(struct engine *engine, const struct dialog *dialog, const struct sip_flow *flow,
		     struct sip_message *response)
{
	struct identifier_branch invite;
	char branch[IDENTIFIER_BRANCH];
	struct sip_builder b;

	if (identifier_branch_parse(&invite, sip_message_via(response)->branch) < 0)
		invite.serial = engine_random(engine);
	transaction_ack_branch(engine, invite.serial, branch);
	sip_build_init(&b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	dialog_build_request(engine, &b, dialog, SIP_TEXT("ACK"), sip_message_cseq(response)->number, &flow->local,
			     sip_text(branch, sizeof(branch)));
	sip_build_no_body(&b);
	return sip_build_finish(&b);
}

void transaction_ack_again(struct engine *engine, const struct sip_flow *from, bool behind_nat,
			   struct sip_message *response)
{
	char route[DIALOG_ROUTE_MAX];
	struct dialog dialog;
	struct sip_flow flow;

	if (!dialog_of_response(&dialog, from, behind_nat, response, route))
		return;
	dialog_next_hop(engine, &dialog, &flow);
	int len = build_ack(engine, &dialog, &flow, response);

	if (len > 0)
		engine->io.send(engine->io.context, &flow, engine->scratch, (uint32_t)len);
}

/* ---- the BYE ---- */

static void bye_response(struct engine *engine, struct transaction *t, struct sip_message *response);

static const struct transaction_user bye_user = {.response = bye_response};

/* From the engine's scratch. */
static void send_built(struct engine *engine, struct transaction *t, int len)
{
	if (len < 0)
		transaction_free(engine, t);
	else
		transaction_send_request(engine, t, engine->scratch, (uint32_t)len);
}

/* A gateway that wants credentials with the BYE would bill the call on without. t->owner_side counts how often. */
static void bye_response(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	struct sip_message *bye = engine->transactions->kept;
	struct client_auth auth;

	if ((response->status != 401 && response->status != 407) || !t->vendor || !t->message ||
	    sip_message_parse(bye, t->message->data, t->message->len) != SIP_PARSE_OK ||
	    client_auth_answer(engine, t->vendor - 1, &t->flow.remote, NULL, bye->method_text, bye->uri_text, response,
			       &auth) < 0 ||
	    !client_auth_helps(&auth, t->owner_side))
		return;
	struct transaction *again = transaction_client_new(engine, SIP_BYE, &t->flow, &bye_user, NULL);

	if (!again)
		return;
	again->vendor = t->vendor;
	again->owner_side = (uint8_t)(t->owner_side + 1);
	send_built(engine, again,
		   client_auth_build_again(engine, again, bye, sip_message_cseq(bye)->number + 1, &auth));
}

static void begin_bye(struct engine *engine, struct sip_builder *b, const struct dialog *dialog,
		      const struct sip_flow *flow, struct sip_message *response, const char branch[IDENTIFIER_BRANCH])
{
	sip_build_init(b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	dialog_build_request(engine, b, dialog, SIP_TEXT("BYE"), sip_message_cseq(response)->number + 1, &flow->local,
			     sip_text(branch, IDENTIFIER_BRANCH));
}

static void send_bye(struct engine *engine, const struct dialog *dialog, const struct sip_flow *flow,
		     struct sip_message *response, const struct late_answer *late)
{
	struct transaction *t = transaction_client_new(engine, SIP_BYE, flow, &bye_user, NULL);
	char branch[IDENTIFIER_BRANCH], reason[REASON_MAX];
	struct sip_builder b;

	if (!t)
		return;
	t->vendor = late->vendor;
	t->spare = !late->keeper;
	engine->transactions->spares += t->spare;
	transaction_branch(engine, t, branch);
	begin_bye(engine, &b, dialog, flow, response, branch);
	sip_build_header(&b, SIP_H_REASON, call_reason_text(engine, late->cause, late->sip_code, reason));
	sip_build_no_body(&b);
	send_built(engine, t, sip_build_finish(&b));
}

/*
 * A BYE that nobody keeps: for one message we send one. If it is lost the 2xx comes again, since it gets no ACK, and
 * then so does the BYE; in the end the peer gives up by itself (RFC 3261 section 13.3.1.4).
 */
static void send_bye_once(struct engine *engine, const struct dialog *dialog, const struct sip_flow *flow,
			  struct sip_message *response, unsigned int cause)
{
	struct identifier_branch id = {engine->worker, IDENTIFIER_NO_SLOT, 0};
	struct sip_text tag = sip_message_to(response)->tag;
	char branch[IDENTIFIER_BRANCH], reason[REASON_MAX];
	struct sip_builder b;

	/* The same each time the same 2xx comes. */
	id.serial = keyed_hash(engine->hash_key, 0x627965, dialog->call_id.at, dialog->call_id.len);
	id.serial = keyed_hash(engine->hash_key, id.serial, tag.at ? tag.at : "", tag.len);
	identifier_branch_print(&id, branch);
	begin_bye(engine, &b, dialog, flow, response, branch);
	sip_build_header(&b, SIP_H_REASON, call_reason_text(engine, cause, 0, reason));
	sip_build_no_body(&b);
	int len = sip_build_finish(&b);

	if (len > 0)
		engine->io.send(engine->io.context, flow, engine->scratch, (uint32_t)len);
}

/* ---- both ---- */

/*
 * BYEs to answers beyond the first that stand at a time: who is called may invent as many as it likes, and each would
 * be sent eleven times.
 */
#define SPARES_MAX 64u

static void end_dialog(struct engine *engine, const struct late_answer *late, struct sip_message *response)
{
	struct transaction *keeper = late->keeper;
	char route[DIALOG_ROUTE_MAX];
	struct dialog dialog;
	struct sip_flow flow;

	counter_inc(engine->counters, COUNTER_signaling_late_answers);
	if (!dialog_of_response(&dialog, late->from, late->behind_nat, response, route))
		return;
	dialog_next_hop(engine, &dialog, &flow);
	if (!keeper && !late->in_dialog && engine->transactions->spares >= SPARES_MAX) {
		send_bye_once(engine, &dialog, &flow, response, late->cause);
		return;
	}
	int len = build_ack(engine, &dialog, &flow, response);

	if (len < 0)
		return;
	if (keeper) {
		keeper->flow = flow;
		transaction_send_ack(engine, keeper, sip_message_to(response)->tag, engine->scratch, (uint32_t)len,
				     false);
	} else {
		engine->io.send(engine->io.context, &flow, engine->scratch, (uint32_t)len);
	}
	if (!late->in_dialog)
		send_bye(engine, &dialog, &flow, response, late);
}

void transaction_end_stranger(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	end_dialog(engine,
		   &(struct late_answer){&t->flow, t->behind_nat, t, t->vendor, t->cancel_cause, t->cancel_sip_code,
					 t->in_dialog},
		   response);
}

void transaction_end_fork(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	end_dialog(
	    engine,
	    &(struct late_answer){&t->flow, t->behind_nat, NULL, t->vendor, CAUSE_ANSWERED_ELSEWHERE, 0, t->in_dialog},
	    response);
}

/* Only who has got an INVITE of ours has seen such a tag: strangers get others, and callers those of their own side. */
static bool is_of_our_invite(const struct engine *engine, struct sip_text tag)
{
	struct identifier_tag id;

	return tag.at && identifier_tag_parse(&id, engine->hash_key, tag) == 0 && id.slot < engine->calls->count &&
	       (id.nonce & 1) == CALLEE;
}

bool transaction_end_late(struct engine *engine, const struct sip_flow *from, struct sip_message *response)
{
	const struct tombstone *past = transaction_find_past(engine, response);
	char route[DIALOG_ROUTE_MAX];
	struct dialog dialog;

	if (past) {
		bool behind_nat = past->kind == TOMBSTONE_CLIENT_2XX_NAT;

		end_dialog(engine, &(struct late_answer){from, behind_nat, NULL, 0, CAUSE_ANSWERED_ELSEWHERE, 0, false},
			   response);
		return true;
	}
	if (!is_of_our_invite(engine, sip_message_from(response)->tag))
		return false;
	counter_inc(engine->counters, COUNTER_signaling_late_answers);
	/* A tag is soon known to many: the BYE goes back, not to whom the Contact names. */
	if (dialog_of_response(&dialog, from, true, response, route))
		send_bye_once(engine, &dialog, from, response, CAUSE_FORGOTTEN);
	return true;
}

static void orphan_response(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	if (response->status >= 200 && response->status < 300)
		transaction_end_stranger(engine, t, response);
}

const struct transaction_user transaction_orphan_user = {.response = orphan_response};
