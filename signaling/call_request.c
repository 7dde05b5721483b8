/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests inside an established call (re-INVITE, UPDATE, INFO), passed to the other side and their answers back;
 * descriptions are rewritten on the way. A passed request is a server transaction and a client transaction that
 * are each other's peer; the call is found again by the tag in the answer (it has to be the one that asked: the
 * client's owner says which slot that was), so that neither holds on to it.
 */
#include <errno.h>
#include <string.h>

#include "signaling/call.h"
#include "signaling/local_headers.h"

static enum call_side other(enum call_side side)
{
	return side == CALLER ? CALLEE : CALLER;
}

static void respond(struct call *call, const struct call_event *event, unsigned int code)
{
	transaction_respond(call->engine, event->transaction, event->message, code, NULL, NULL);
}

#define RETRY_AFTER "Retry-After: 2\r\n"

static void answer_options(struct call *call, const struct call_event *event)
{
	static const char headers[] = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO\r\n"
				      "Accept: application/sdp\r\n";
	struct response_extra extra = {headers, sizeof(headers) - 1};

	transaction_respond(call->engine, event->transaction, event->message, 200, NULL, &extra);
}

/* RFC 3261 section 14.2: one INVITE at a time, in either direction. */
static bool glare(struct call *call, const struct call_event *event)
{
	static const struct response_extra later = {RETRY_AFTER, sizeof(RETRY_AFTER) - 1};
	struct call_record *record = call->record;

	if (event->message->method == SIP_INFO)
		return false;
	const struct call_work *work = call->work;

	if (work && work->reinvite[event->side]) {
		transaction_respond(call->engine, event->transaction, event->message, 500, NULL, &later);
		return true;
	}
	if ((work && work->reinvite[other(event->side)]) || call_state(call) == CALL_ANSWERED ||
	    (record->dialog[CALLER].flags & DIALOG_ACK_DUE)) {
		respond(call, event, 491);
		return true;
	}
	return false;
}

static void reinvite_failed(struct engine *engine, struct transaction *t)
{
	struct call *call = t->owner;

	if (call->work)
		call->work->reinvite[t->owner_side] = NULL;
	call_dispatch(call,
		      &(struct call_event){.type = CALL_EVENT_ACK_TIMEOUT, .side = (enum call_side)t->owner_side});
}

static const struct transaction_user reinvite_user = {.failed = reinvite_failed};

/* What is not a description crosses as it is; one that can't be read must not: it says where it comes from. */
static void build_passed_body(struct sip_builder *b, const struct sip_message *from, struct sip_text sdp)
{
	struct sip_text unread;

	if (sdp.len)
		sip_build_body(b, SIP_TEXT("application/sdp"), sdp);
	else if (from->body.len && sip_message_sdp(from, &unread) == -ENOENT)
		sip_build_body(b, sip_message_value(from, SIP_H_CONTENT_TYPE), from->body);
	else
		sip_build_no_body(b);
}

static int build_passed(struct call *call, enum call_side to, const struct sip_message *request,
			struct transaction *client, struct sip_text sdp)
{
	struct call_dialog *d = &call->record->dialog[to];
	const struct net_addr *ours = &client->flow.local;
	struct dialog dialog;
	struct sip_builder b;
	char branch[IDENTIFIER_BRANCH];

	call_dialog(call, to, &dialog);
	transaction_branch(call->engine, client, branch);
	d->local_cseq++;
	sip_build_init(&b, (char *)call->engine->scratch, ENGINE_MESSAGE_MAX);
	dialog_build_request(call->engine, &b, &dialog, request->method_text, d->local_cseq, ours,
			     sip_text(branch, sizeof(branch)));
	if (request->method != SIP_INFO) {
		local_headers_contact(call->engine, &b, ours);
		call_build_allow(&b);
	}
	call_copy_request_headers(&b, request, ours);
	build_passed_body(&b, request, sdp);
	return sip_build_finish(&b);
}

static void passed_response(struct engine *engine, struct transaction *t, struct sip_message *response);

/* The asker gets an answer of ours, since the other side's will not come. */
static void fail_server(struct engine *engine, struct transaction *server, unsigned int code)
{
	struct sip_message *request = server ? transaction_request(engine, server) : NULL;

	if (!request)
		return;
	if (server->user == &reinvite_user) {
		struct call *call = server->owner;

		if (call->work)
			call->work->reinvite[server->owner_side] = NULL;
		call_media_take_back(call, (enum call_side)server->owner_side);
		call_work_done(call);
	}
	transaction_respond(engine, server, request, code, NULL, NULL);
}

static void update_over(struct call *call)
{
	if (call->work && call->work->updates)
		call->work->updates--;
}

/* Nobody has answered an UPDATE: its offer is taken back. Its call may be over, and the owner another. */
static void update_failed(struct engine *engine, struct transaction *t)
{
	struct sip_message *request = t->peer ? transaction_request(engine, t->peer) : NULL;
	enum call_side side;
	struct call *call = request ? call_find(engine, request, false, &side) : NULL;

	if (!call || call != t->owner || call_state(call) > CALL_ESTABLISHED)
		return;
	call_media_take_back(call, side);
	update_over(call);
	call_work_done(call);
}

static void passed_failed(struct engine *engine, struct transaction *t)
{
	if (t->method == SIP_UPDATE)
		update_failed(engine, t);
	fail_server(engine, t->peer, 408);
}

static const struct transaction_user passed_user = {.response = passed_response, .failed = passed_failed};

/* A re-INVITE that rings for ever would keep all others out (RFC 3261 section 16.6: timer C). */
#define PASSED_INVITE_US (180 * US_PER_S)

static void on_passed_expired(struct timer *timer, void *context)
{
	struct transaction *t = (struct transaction *)((char *)timer - offsetof(struct transaction, end));

	fail_server(context, t->peer, 408);
	transaction_cancel(context, t, 0, 0);
}

static int pass(struct call *call, const struct call_event *event, struct sip_text sdp)
{
	struct engine *engine = call->engine;
	enum call_side to = other(event->side);
	struct dialog dialog;
	struct sip_flow flow;

	call_dialog(call, to, &dialog);
	call_next_hop(call, to, &dialog, &flow);
	struct transaction *client =
	    transaction_client_new(engine, (enum sip_method)event->message->method, &flow, &passed_user, call);

	if (!client)
		return -ENOBUFS;
	client->behind_nat = dialog.behind_nat;
	int len = build_passed(call, to, event->message, client, sdp);

	if (len < 0) {
		transaction_free(engine, client);
		return len;
	}
	int error = transaction_send_request(engine, client, engine->scratch, (uint32_t)len);

	if (error < 0)
		return error;
	client->peer = event->transaction;
	event->transaction->peer = client;
	if (client->kind == CLIENT_INVITE)
		timer_start(&engine->wheel, &client->end, engine->now_us + PASSED_INVITE_US, on_passed_expired);
	return 0;
}

void call_request(struct call *call, const struct call_event *event)
{
	struct engine *engine = call->engine;
	struct transaction *server = event->transaction;
	struct sip_text sdp;

	if (event->message->method == SIP_OPTIONS) {
		answer_options(call, event);
		return;
	}
	if (glare(call, event))
		return;
	if (event->message->method != SIP_INFO) {
		call_refresh_target(call, event->side, event->message);
		call_media_note_before(call, event->side);
	}
	if (call_media_pass(call, event->side, event->message, &sdp) < 0) {
		respond(call, event, 488);
		call_work_done(call);
		return;
	}
	if (transaction_keep_request(engine, server, event->message) < 0 || pass(call, event, sdp) < 0) {
		if (event->message->method != SIP_INFO)
			call_media_take_back(call, event->side);
		respond(call, event, 500);
		call_work_done(call);
		return;
	}
	if (event->message->method == SIP_UPDATE)
		call_work(call)->updates++;
	if (server->kind != SERVER_INVITE)
		return;
	server->user = &reinvite_user;
	server->owner = call;
	server->owner_side = (uint8_t)event->side;
	call_work(call)->reinvite[event->side] = server;
	call_work(call)->reinvite_cseq[event->side] = sip_message_cseq(event->message)->number;
	respond(call, event, 100);
}

/* ---- answers ---- */

static void send_answer(struct call *call, struct transaction *server, struct sip_message *response,
			struct sip_text sdp)
{
	struct engine *engine = call->engine;
	struct sip_message *request = transaction_request(engine, server);
	const struct net_addr *ours = &server->flow.local;
	unsigned int code = response->status;
	struct sip_builder b;

	if (!request)
		return;
	sip_build_init(&b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	sip_build_response(&b, request, code, NULL, SIP_TEXT(""), &server->flow.remote);
	if (code < 300 && request->method != SIP_INFO) {
		sip_build_copy(&b, request, SIP_H_RECORD_ROUTE);
		local_headers_contact(engine, &b, ours);
		call_build_allow(&b);
	}
	sip_build_copy(&b, response, SIP_H_RETRY_AFTER);
	call_copy_response_headers(&b, response, ours);
	build_passed_body(&b, response, sdp);
	int len = sip_build_finish(&b);

	if (len < 0)
		transaction_respond(engine, server, request, 500, NULL, NULL);
	else
		transaction_send_response(engine, server, code, engine->scratch, (uint32_t)len);
}

struct transaction *call_awaiting_ack(const struct call *call)
{
	const struct call_work *work = call->work;
	struct transaction *t = work ? work->answer_awaiting_ack : NULL;

	return t && t->state == TRANSACTION_ACCEPTED && t->serial == work->ack_serial ? t : NULL;
}

void call_await_ack(struct call *call, enum call_side side, struct transaction *client, uint32_t cseq)
{
	struct call_work *work = call_work(call);

	work->answer_awaiting_ack = client;
	work->ack_serial = client->serial;
	work->ack_side = side;
	work->ack_cseq = cseq;
}

/* The ACK to the answer: at once, or when the asker's comes, where that brings the description. */
static void acknowledge(struct call *call, enum call_side side, struct transaction *client, bool offerless,
			uint32_t cseq)
{
	if (offerless)
		call_await_ack(call, side, client, cseq);
	else
		call_ack_callee(call, side, client, client->serial, cseq, SIP_TEXT(""));
}

static void pass_answer(struct call *call, enum call_side side, struct transaction *client,
			struct sip_message *response)
{
	struct transaction *server = client->peer;
	struct sip_message *request = server ? transaction_request(call->engine, server) : NULL;
	bool invite = client->kind == CLIENT_INVITE, success = response->status < 300;
	bool offerless = request && request->body.len == 0;
	struct sip_text sdp = SIP_TEXT("");

	if (success && client->method != SIP_INFO)
		call_refresh_target(call, side, response);
	if (success && call_media_pass(call, side, response, &sdp) < 0)
		sdp = SIP_TEXT("");
	if (invite && success)
		acknowledge(call, side, client, offerless, sip_message_cseq(response)->number);
	if (server && invite && !success && call->work)
		call->work->reinvite[server->owner_side] = NULL;
	if (!success && client->method != SIP_INFO)
		call_media_take_back(call, other(side));
	if (client->method == SIP_UPDATE)
		update_over(call);
	call_work_done(call);
	if (server && request)
		send_answer(call, server, response, sdp);
}

static void passed_response(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	enum call_side side;
	struct call *call = call_find(engine, response, true, &side);

	if (response->status < 200)
		return; /* the asker has its 100 */
	if (!call || call != t->owner || call_state(call) > CALL_ESTABLISHED) {
		if (t->kind == CLIENT_INVITE && response->status < 300)
			transaction_end_stranger(engine, t, &t->flow, response);
		fail_server(engine, t->peer, 481);
		return;
	}
	bool begun = call_write_begin(call);

	pass_answer(call, side, t, response);
	call_write_end(call, begun);
}

/* ---- ACK to a 2xx ---- */

static bool acked(struct call *call, const struct call_event *event)
{
	struct call_work *work = call->work;
	struct transaction *reinvite = work ? work->reinvite[event->side] : NULL;
	const struct call_dialog *caller = &call->record->dialog[CALLER];
	uint32_t cseq = sip_message_cseq(event->message)->number;

	if (event->side == CALLER && (caller->flags & DIALOG_ACK_DUE)) {
		call_caller_acked(call, event);
		return cseq == caller->invite_cseq; /* else it is of a re-INVITE that we refused, and comes again */
	}
	if (!reinvite || reinvite->state != TRANSACTION_ACCEPTED || cseq != work->reinvite_cseq[event->side])
		return false;
	transaction_acked(call->engine, reinvite);
	work->reinvite[event->side] = NULL;
	return true;
}

void call_ack(struct call *call, const struct call_event *event)
{
	struct call_record *record = call->record;
	struct call_work *work = call->work;
	bool awaited = work && work->answer_awaiting_ack;
	struct sip_text sdp;

	if (!acked(call, event))
		return;
	bool first = event->side == CALLER && record->bodyless && !record->callee_acked;

	if (!awaited && !first) {
		call_work_done(call);
		return;
	}
	enum call_side side = first ? CALLEE : work->ack_side;
	uint32_t cseq = first ? record->dialog[CALLEE].invite_cseq : work->ack_cseq;
	uint64_t serial = first ? record->branch_serial : work->ack_serial;
	struct transaction *client = call_awaiting_ack(call);

	if (work)
		work->answer_awaiting_ack = NULL;
	if (call_media_pass(call, event->side, event->message, &sdp) < 0)
		sdp = SIP_TEXT("");
	record->callee_acked = true;
	call_ack_callee(call, side, client, serial, cseq, sdp);
	call_work_done(call);
}
