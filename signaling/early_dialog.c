/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/early_dialog.h"

#include <string.h>

#include "signaling/client_auth.h"
#include "signaling/local_headers.h"

/* ---- the callee's dialog ---- */

void early_dialog_forget(struct call *call)
{
	message_pool_free(&call->engine->transactions->messages, call->work->early_response);
	call->work->early_response = NULL;
}

void early_dialog_forget_offers(struct call *call)
{
	memset(call->work->updates, 0, sizeof(call->work->updates));
}

bool early_dialog_keep(struct call *call, const struct sip_message *response)
{
	early_dialog_forget(call);
	call->work->early_response =
	    message_pool_keep(&call->engine->transactions->messages, response->data, response->len);
	return call->work->early_response;
}

struct sip_message *early_dialog_response(struct call *call)
{
	struct sip_message *kept = call->engine->transactions->kept;
	struct message_buffer *buffer = call->work ? call->work->early_response : NULL;

	return buffer && sip_message_parse(kept, buffer->data, buffer->len) == SIP_PARSE_OK ? kept : NULL;
}

/* ---- passed on, and answered ---- */

/* The side that asked gets what the other says; no 408 (RFC 4320 section 4.2), as in call_pass.c. */
static void send_answer(struct engine *engine, struct transaction *server, struct sip_message *response,
			struct sip_text sdp)
{
	unsigned int code = call_code_told(response->status);
	struct sip_message *request = transaction_request(engine, server);
	struct sip_builder b;

	if (code == 408)
		transaction_end(engine, server, TOMBSTONE_UNANSWERED, 0);
	if (!request || code == 408)
		return;
	sip_build_init(&b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	sip_build_response(&b, request, code, NULL, SIP_TEXT(""), &server->flow.remote);
	if (code < 300 && request->method == SIP_UPDATE)
		local_headers_contact(engine, &b, &server->flow.local);
	sip_build_copy(&b, response, SIP_H_RETRY_AFTER);
	sip_build_copy(&b, response, SIP_H_RECV_INFO);
	sip_build_body_of(&b, response, sdp);
	int len = sip_build_finish(&b);

	if (len < 0)
		transaction_respond(engine, server, request, 500, NULL, NULL);
	else
		transaction_send_response(engine, server, code, engine->scratch, (uint32_t)len);
}

/* What was asked has its answer, or never will: was it the offer that stands? */
static void offer_over(struct call *call, enum call_side asker, const struct transaction *t, bool refused)
{
	if (!call->work || !t->peer || call->work->updates[asker] != t->method)
		return;
	if (refused)
		call_media_take_back(call, asker);
	call->work->updates[asker] = 0;
	call_work_done(call);
}

/* The call may have ended meanwhile, and the owner be another; or the attempt, and its early dialogs with it. */
static bool is_of_today(const struct call *call, const struct transaction *t)
{
	return call && call == t->owner && call_state(call) <= CALL_ESTABLISHED &&
	       (uint8_t)call->record->attempt == t->owner_side;
}

static const struct transaction_user early_user;

static void pair(struct transaction *client, struct transaction *server)
{
	client->peer = server;
	if (server)
		server->peer = client;
}

/* A vendor that asks who we are. t->value counts how often it has been told. */
static bool answer_challenge(struct call *call, struct transaction *t, const struct sip_message *response)
{
	struct engine *engine = call->engine;
	struct sip_message *sent = engine->transactions->kept;
	const struct call_dialog *d = &call->record->dialog[CALLEE];
	struct client_auth auth;

	if ((response->status != 401 && response->status != 407) || (d->flags & DIALOG_PHONE) || !t->message ||
	    sip_message_parse(sent, t->message->data, t->message->len) != SIP_PARSE_OK ||
	    client_auth_answer(engine, call->callee_gateway, &t->flow.remote, NULL, sent->method_text, sent->uri_text,
			       response, &auth) < 0 ||
	    !client_auth_helps(&auth, t->value))
		return false;
	struct transaction *again =
	    transaction_passed_new(engine, (enum sip_method)t->method, &t->flow, &early_user, call);

	if (!again)
		return false;
	again->owner_side = t->owner_side;
	again->value = t->value + 1;
	int len = client_auth_build_again(engine, again, sent, ++call->record->dialog[CALLEE].local_cseq, &auth);

	if (len < 0) {
		counter_inc(engine->counters, COUNTER_signaling_build_failures);
		transaction_free(engine, again);
		return false;
	}
	if (transaction_send_request(engine, again, engine->scratch, (uint32_t)len) < 0)
		return false;
	pair(again, t->peer);
	t->peer = NULL;
	return true;
}

/* What says how long and of which kind a body is. */
static bool is_of_body(enum sip_header_id id)
{
	return id == SIP_H_CONTENT_TYPE || id == SIP_H_CONTENT_LENGTH || id == SIP_H_CONTENT_ENCODING ||
	       id == SIP_H_CONTENT_DISPOSITION || id == SIP_H_CONTENT_LANGUAGE || id == SIP_H_MIME_VERSION;
}

/*
 * The caller has said in the early dialog what it wants or takes: so its INVITE says from now on, which is what the
 * next gateway is asked with.
 */
static void describe_anew(struct call *call, struct sip_text sdp)
{
	struct engine *engine = call->engine;
	struct sip_message *invite = call->caller_invite ? transaction_request(engine, call->caller_invite) : NULL;
	struct sip_builder b;

	if (!invite)
		return;
	sip_build_init(&b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	sip_build_request(&b, invite->method_text, invite->uri_text);
	for (unsigned int i = 0; i < invite->header_count; i++)
		if (!is_of_body((enum sip_header_id)invite->headers[i].id))
			sip_build_copy_line(&b, invite, &invite->headers[i]);
	sip_build_body_of(&b, invite, sdp);
	int len = sip_build_finish(&b);

	if (len > 0 && sip_message_parse(invite, engine->scratch, (size_t)len) == SIP_PARSE_OK)
		transaction_keep_request(engine, call->caller_invite, invite);
}

/* An offer has its answer. What the caller said is in the request on `server`, or in the response to it. */
static void agreed(struct call *call, enum call_side answerer, struct transaction *server, struct sip_message *response)
{
	struct sip_message *message = answerer == CALLER ? response : transaction_request(call->engine, server);
	struct sip_text sdp;

	if (call_state(call) == CALL_SETUP && message && sip_message_sdp(message, &sdp) == 0)
		describe_anew(call, sdp);
}

/* Of a 2xx, the description is the answer. False: there is none yet. */
static bool take_answer(struct call *call, enum call_side side, struct transaction *t, struct sip_message *response,
			struct sip_text *sdp)
{
	if (side == CALLEE && answer_challenge(call, t, response))
		return false;
	if (t->peer && response->status < 300 && call_media_cross(call, side, t->method == SIP_INFO, response, sdp) < 0)
		*sdp = SIP_TEXT("");
	if (t->peer && response->status < 300 && t->method != SIP_INFO && (side == CALLEE || sdp->len))
		agreed(call, side, t->peer, response);
	offer_over(call, call_other_side(side), t, response->status >= 300);
	return true;
}

static void on_response(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	struct sip_text sdp = SIP_TEXT("");
	enum call_side side;
	struct call *call = call_find(engine, response, true, &side);

	if (response->status < 200)
		return;
	if (is_of_today(call, t)) {
		bool begun = call_write_begin(call), answered = take_answer(call, side, t, response, &sdp);

		call_write_end(call, begun);
		if (!answered)
			return;
	}
	if (t->peer)
		send_answer(engine, t->peer, response, sdp);
}

/* By then the asker has given up, too, and RFC 4320 section 4.2 forbids to answer. */
static void on_failed(struct engine *engine, struct transaction *t)
{
	enum call_side side;
	struct sip_message *request = t->peer ? transaction_request(engine, t->peer) : NULL;
	struct call *call = request ? call_find(engine, request, false, &side) : NULL;

	if (is_of_today(call, t)) {
		bool begun = call_write_begin(call);

		offer_over(call, side, t, true);
		call_write_end(call, begun);
	}
	if (t->peer)
		transaction_end(engine, t->peer, TOMBSTONE_UNANSWERED, 0);
}

static const struct transaction_user early_user = {.response = on_response, .failed = on_failed};

static struct transaction *send_in(struct call *call, enum call_side to, const struct dialog *dialog,
				   const struct sip_flow *flow, const struct early_request *request)
{
	struct engine *engine = call->engine;
	struct transaction *t = transaction_passed_new(engine, request->method, flow, &early_user, call);
	char branch[IDENTIFIER_BRANCH];
	struct sip_builder b;

	if (!t)
		return NULL;
	t->owner_side = (uint8_t)call->record->attempt;
	transaction_branch(engine, t, branch);
	sip_build_init(&b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	dialog_build_request(engine, &b, dialog, sip_text_of(sip_method_text(request->method)),
			     ++call->record->dialog[to].local_cseq, &flow->local, sip_text(branch, sizeof(branch)));
	if (request->method == SIP_UPDATE) {
		local_headers_contact(engine, &b, &flow->local);
		call_build_allow(&b);
	}
	if (request->headers.len)
		local_headers_put(&b, request->headers);
	if (request->from) {
		sip_build_copy(&b, request->from, SIP_H_INFO_PACKAGE);
		sip_build_body_of(&b, request->from, request->sdp);
	} else {
		sip_build_body(&b, SIP_TEXT("application/sdp"), request->sdp);
	}
	int len = sip_build_finish(&b);

	if (len < 0) {
		counter_inc(engine->counters, COUNTER_signaling_build_failures);
		transaction_free(engine, t);
		return NULL;
	}
	return transaction_send_request(engine, t, engine->scratch, (uint32_t)len) == 0 ? t : NULL;
}

struct transaction *early_dialog_send(struct call *call, struct sip_message *response,
				      const struct early_request *request)
{
	const struct call_dialog *d = &call->record->dialog[CALLEE];
	char route[DIALOG_ROUTE_MAX];
	struct dialog dialog;
	struct sip_flow flow;

	if (!dialog_of_response(&dialog, &d->flow, d->flags & DIALOG_BEHIND_NAT, response, route))
		return NULL;
	dialog_next_hop(call->engine, &dialog, &flow);
	return send_in(call, CALLEE, &dialog, &flow, request);
}

/* ---- requests that come ---- */

static struct transaction *send_to(struct call *call, enum call_side to, const struct early_request *request)
{
	struct dialog dialog;
	struct sip_flow flow;

	if (to == CALLEE) {
		struct sip_message *response = early_dialog_response(call);

		return response ? early_dialog_send(call, response, request) : NULL;
	}
	call_dialog(call, CALLER, &dialog);
	call_next_hop(call, CALLER, &dialog, &flow);
	return send_in(call, CALLER, &dialog, &flow, request);
}

static bool pass(struct call *call, const struct call_event *event, const struct early_request *request)
{
	struct transaction *server = event->transaction;

	if (transaction_keep_request(call->engine, server, event->message) < 0)
		return false;
	struct transaction *client = send_to(call, call_other_side(event->side), request);

	if (!client)
		return false;
	pair(client, server);
	return true;
}

static void pass_info(struct call *call, const struct call_event *event)
{
	struct early_request request = {.method = SIP_INFO, .from = event->message};

	if (call_media_cross(call, event->side, true, event->message, &request.sdp) < 0)
		call_respond(call, event, 488);
	else if (!pass(call, event, &request))
		call_respond(call, event, 500);
}

/*
 * RFC 3311 section 5.2. Whose offer is it that stands? The caller's, until it has acknowledged an answer, for which 500
 * asks it to come again; ours, where the callee is concerned: 491.
 */
static bool offer_stands(struct call *call, const struct call_event *event)
{
	const struct call_work *work = call->work;

	if (!work) /* an earlier life's call, about to be ended */
		call_respond(call, event, 500);
	else if (work->updates[event->side])
		call_respond(call, event, 500);
	else if (work->updates[call_other_side(event->side)])
		call_respond(call, event, 491);
	else if (!work->reliable.sdp_acked || !work->early_response)
		call_respond(call, event, event->side == CALLER ? 500 : 491);
	else
		return false;
	return true;
}

static void pass_offer(struct call *call, const struct call_event *event)
{
	struct early_request request = {.method = SIP_UPDATE};

	if (offer_stands(call, event))
		return;
	call_media_note_before(call, event->side);
	if (call_media_translate(call, event->side, event->message, &request.sdp) < 0 || !request.sdp.len) {
		call_media_take_back(call, event->side);
		call_respond(call, event, 488);
	} else if (!pass(call, event, &request)) {
		call_media_take_back(call, event->side);
		call_respond(call, event, 500);
	} else {
		call->work->updates[event->side] = SIP_UPDATE;
	}
}

/* One without an offer: a new Contact, perhaps. */
static void answer_update(struct call *call, const struct call_event *event)
{
	char headers[512];
	struct sip_builder b;

	if (event->side == CALLER)
		call_refresh_target(call, CALLER, event->message);
	sip_build_init(&b, headers, sizeof(headers));
	local_headers_contact(call->engine, &b, &event->transaction->flow.local);
	call_build_allow(&b);
	struct response_extra extra = {headers, b.len};

	transaction_respond(call->engine, event->transaction, event->message, 200, NULL, &extra);
}

void call_early_request(struct call *call, const struct call_event *event)
{
	switch (event->message->method) {
	case SIP_OPTIONS:
		call_answer_options(call, event);
		break;
	case SIP_INFO:
		pass_info(call, event);
		break;
	case SIP_UPDATE:
		if (event->message->body.len)
			pass_offer(call, event);
		else
			answer_update(call, event);
		break;
	default: /* RFC 3261 section 14.2: an INVITE of theirs stands, or one of ours */
		call_respond(call, event, event->side == CALLER ? 500 : 491);
	}
}
