/* SPDX-License-Identifier: Apache-2.0 */
/* A request inside an established call: answered here, refused, or passed to the other side (call_pass.c). */
#include "signaling/local_headers.h"
#include "signaling/own_request.h"
#include "signaling/session_timer.h"

void call_respond(struct call *call, const struct call_event *event, unsigned int code)
{
	transaction_respond(call->engine, event->transaction, event->message, code, NULL,
			    code == 500 ? &response_later : NULL);
}

void call_answer_options(struct call *call, const struct call_event *event)
{
	static const char headers[] = "Allow: " CALL_METHODS "\r\n"
				      "Accept: application/sdp\r\n";
	struct response_extra extra = {headers, sizeof(headers) - 1};

	transaction_respond(call->engine, event->transaction, event->message, 200, NULL, &extra);
}

/* One offer at a time, in either direction: RFC 3261 section 14.2, RFC 3311 section 5.2. */
static bool glare(struct call *call, const struct call_event *event)
{
	struct call_record *record = call->record;

	if (event->message->method == SIP_INFO)
		return false;
	const struct call_work *work = call->work;

	if (call_reinvite(call, event->side) || (work && work->updates[event->side])) {
		call_respond(call, event, 500);
		return true;
	}
	if (own_request_is_invite(call, CALLER) || own_request_is_invite(call, CALLEE) ||
	    call_reinvite(call, call_other_side(event->side)) ||
	    (work && work->updates[call_other_side(event->side)]) || call_state(call) == CALL_ANSWERED ||
	    (record->dialog[CALLER].flags & DIALOG_ACK_DUE)) {
		call_respond(call, event, 491);
		return true;
	}
	return false;
}

/* RFC 4028: an UPDATE without an offer refreshes the session of its own leg; the other leg has its own. */
static void answer_refresh(struct call *call, const struct call_event *event)
{
	const struct net_addr *ours = &event->transaction->flow.local;
	char headers[512];
	struct sip_builder b;

	call_refresh_target(call, event->side, event->message);
	session_timer_asked(call, event->side, event->message);
	session_timer_begin(call, event->side);
	sip_build_init(&b, headers, sizeof(headers));
	local_headers_contact(call->engine, &b, ours);
	call_build_allow(&b);
	session_timer_put_answer(call, event->side, &b);
	struct response_extra extra = {headers, b.len};

	transaction_respond(call->engine, event->transaction, event->message, 200, NULL, &extra);
	call_deadline_start(call);
}

static bool is_too_short(struct call *call, const struct call_event *event)
{
	const struct call_record *record = call->record;

	return event->message->method != SIP_INFO &&
	       session_timer_refuses(call->engine, event->transaction, event->message, record->session_ttl_s,
				     record->session_min_se_s);
}

/* Media is told of an offer when it is answered: until then it goes on as agreed before (RFC 3264 section 8). */
static int cross(struct call *call, const struct call_event *event, struct sip_text *sdp)
{
	if (event->message->method == SIP_INFO)
		return call_media_describe(call, event->side, event->message, sdp);
	return call_media_translate(call, event->side, event->message, sdp);
}

void call_request(struct call *call, const struct call_event *event)
{
	struct engine *engine = call->engine;
	struct transaction *server = event->transaction;
	struct sip_text sdp;

	if (event->message->method == SIP_OPTIONS) {
		call_answer_options(call, event);
		return;
	}
	if (is_too_short(call, event))
		return;
	if (event->message->method == SIP_UPDATE && !event->message->body.len) {
		answer_refresh(call, event);
		return;
	}
	if (glare(call, event))
		return;
	if (event->message->method != SIP_INFO) {
		call_refresh_target(call, event->side, event->message);
		call_media_note_before(call, event->side);
	}
	if (cross(call, event, &sdp) < 0) {
		if (event->message->method != SIP_INFO)
			call_media_take_back(call, event->side);
		call_respond(call, event, 488);
		call_work_done(call);
		return;
	}
	if (transaction_keep_request(engine, server, event->message) < 0 || call_pass(call, event, sdp) < 0) {
		if (event->message->method != SIP_INFO)
			call_media_take_back(call, event->side);
		call_respond(call, event, 500);
		call_work_done(call);
		return;
	}
	if (event->message->method == SIP_UPDATE)
		call_work(call)->updates[event->side] = SIP_UPDATE;
	if (server->kind != SERVER_INVITE)
		return;
	server->user = &call_reinvite_user;
	server->owner = call;
	server->owner_side = (uint8_t)event->side;
	call_work(call)->reinvite[event->side] = server;
	call_work(call)->reinvite_cseq[event->side] = sip_message_cseq(event->message)->number;
	call_respond(call, event, 100);
}
