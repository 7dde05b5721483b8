/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/own_request.h"

#include <errno.h>

#include "signaling/client_auth.h"
#include "signaling/local_headers.h"
#include "signaling/session_timer.h"

#define RAISES_MAX 3u /* 422s in a row that one refresh follows */

bool own_request_is_invite(const struct call *call, enum call_side side)
{
	const struct transaction *t = call->work ? call->work->own[side].transaction : NULL;

	return t && t->kind == CLIENT_INVITE;
}

bool own_request_may_go(const struct call *call, enum call_side side)
{
	const struct call_work *work = call->work;

	if (call_state(call) != CALL_ESTABLISHED || (call->record->dialog[side].flags & DIALOG_ACK_DUE))
		return false;
	return !work || (!call_reinvite(call, CALLER) && !call_reinvite(call, CALLEE) && !work->answer_awaiting_ack &&
			 !work->updates[CALLER] && !work->updates[CALLEE] && !work->own[side].transaction);
}

/* ---- sending ---- */

/* A re-INVITE repeats the whole description. Where that is not known, and can't be made, only UPDATE does without. */
static enum sip_method method_of(struct call_dialog *d)
{
	const uint32_t both = DIALOG_UPDATE_REFUSED | DIALOG_REINVITE_REFUSED;

	if (d->flags & DIALOG_OFFER_DUE)
		return SIP_INVITE;
	if (!d->local_sdp.len && !(d->flags & DIALOG_SDP_PLAIN))
		return SIP_UPDATE;
	if ((d->flags & both) == both)
		d->flags &= ~both;
	if (d->flags & DIALOG_UPDATE_REFUSED)
		return SIP_INVITE;
	return d->flags & (DIALOG_UPDATE | DIALOG_REINVITE_REFUSED) ? SIP_UPDATE : SIP_INVITE;
}

static int build(struct call *call, enum call_side side, const struct transaction *t, const struct client_auth *auth)
{
	struct call_dialog *d = &call->record->dialog[side];
	const struct net_addr *ours = &t->flow.local;
	struct dialog dialog;
	struct sip_builder b;
	struct sip_text sdp = call_text(call, d->local_sdp);
	char branch[IDENTIFIER_BRANCH];

	if (t->method == SIP_INVITE && !sdp.len && call_media_offer(call, side, &sdp) < 0)
		return -1;
	call_dialog(call, side, &dialog);
	transaction_branch(call->engine, t, branch);
	d->local_cseq++;
	sip_build_init(&b, (char *)call->engine->scratch, ENGINE_MESSAGE_MAX);
	dialog_build_request(call->engine, &b, &dialog,
			     t->method == SIP_INVITE ? SIP_TEXT("INVITE") : SIP_TEXT("UPDATE"), d->local_cseq, ours,
			     sip_text(branch, sizeof(branch)));
	local_headers_contact(call->engine, &b, ours);
	call_build_allow(&b);
	session_timer_put_offer(call, side, &b);
	if (auth)
		sip_build_header(&b, auth->proxy ? SIP_H_PROXY_AUTHORIZATION : SIP_H_AUTHORIZATION,
				 sip_text(auth->value, auth->len));
	if (t->method == SIP_INVITE)
		sip_build_body(&b, SIP_TEXT("application/sdp"), sdp);
	else
		sip_build_no_body(&b);
	return sip_build_finish(&b);
}

static const struct transaction_user own_user;

/* A transaction that hears nothing has given up by then; for a re-INVITE that rings, and for a life after this one. */
#define UNANSWERED_US (40 * US_PER_S)

/* False: it could not be sent now. */
static bool send(struct call *call, enum call_side side, enum sip_method method, const struct client_auth *auth)
{
	struct engine *engine = call->engine;
	struct call_dialog *d = &call->record->dialog[side];
	struct dialog dialog;
	struct sip_flow flow;

	call_dialog(call, side, &dialog);
	call_next_hop(call, side, &dialog, &flow);
	struct transaction *t = transaction_client_new(engine, method, &flow, &own_user, call);

	if (!t)
		return false;
	t->owner_side = (uint8_t)side;
	t->behind_nat = d->flags & DIALOG_BEHIND_NAT;
	int len = build(call, side, t, auth);

	if (len < 0) {
		counter_inc(engine->counters, COUNTER_signaling_build_failures);
		transaction_free(engine, t);
		return false;
	}
	if (transaction_send_request(engine, t, engine->scratch, (uint32_t)len) < 0)
		return false;
	if (method == SIP_INVITE)
		transaction_limit_reinvite(engine, t, UNANSWERED_US);
	call_work(call)->own[side].transaction = t;
	call->work->own[side].offers = d->flags & DIALOG_OFFER_DUE;
	return true;
}

static void try(struct call *call, enum call_side side, enum sip_method method, const struct client_auth *auth)
{
	session_timer_refresh_in(call, side, UNANSWERED_US);
	if (send(call, side, method, auth)) {
		counter_inc(call->engine->counters, COUNTER_session_timer_refreshes);
		return;
	}
	session_timer_refresh_later(call, side);
	call_work_done(call);
}

void own_request_refresh(struct call *call, enum call_side side)
{
	call_work(call)->own[side] = (struct own_request){.transaction = NULL};
	try(call, side, method_of(&call->record->dialog[side]), NULL);
}

/* ---- answers ---- */

int own_request_credentials(struct call *call, enum call_side side, struct sip_text method,
			    const struct sip_message *response, struct client_auth *auth)
{
	const struct call_dialog *d = &call->record->dialog[side];
	struct sip_text name = call_text(call, call->record->routing_gateway);
	struct dialog dialog;
	struct sip_flow flow;
	uint32_t gateway;

	/* By its name: the call may have given its place back, or an earlier life may have made it. */
	if (side == CALLER || (d->flags & DIALOG_PHONE) ||
	    gateway_find(call->engine, GATEWAY_CALLEE, false, name.at, name.len, &gateway) < 0)
		return -ENOENT;
	/* The dialog's requests may go elsewhere than its INVITE did. */
	call_dialog(call, side, &dialog);
	call_next_hop(call, side, &dialog, &flow);
	return client_auth_answer(call->engine, gateway, &flow.remote,
				  d->flags & DIALOG_LED_AWAY ? NULL : &d->flow.remote, method, dialog.target, response,
				  auth);
}

/* RFC 3264 section 8.3.1: who sends audio to the side that has moved hears of it by an offer of ours. */
static void offer(struct call *call, enum call_side side, struct sip_text sdp)
{
	struct call_dialog *d = &call->record->dialog[side];

	call_put_description(call, side, sdp);
	d->session_refresh_us = call->engine->now_us;
	if (d->local_sdp.len || (d->flags & DIALOG_SDP_PLAIN))
		d->flags |= DIALOG_OFFER_DUE;
}

static void confirmed(struct call *call, enum call_side side, struct transaction *t, struct sip_message *response)
{
	bool offers = call->work->own[side].offers;
	struct sip_text sdp;

	counter_inc(call->engine->counters, COUNTER_session_timer_confirmed);
	call_refresh_target(call, side, response);
	if (t->kind == CLIENT_INVITE) {
		/* The answer to such an offer tells nothing: two that move each time would never come to rest. */
		if (call_media_learn(call, side, response, &sdp) && !offers)
			offer(call, call_other_side(side), sdp);
		if (offers)
			call->record->dialog[side].flags &= ~(uint32_t)DIALOG_OFFER_DUE;
		call_ack_callee(call, side, t, t->serial, sip_message_cseq(response)->number, SIP_TEXT(""));
	}
	session_timer_agreed(call, side, response);
}

/* RFC 3261 section 14.1: whoever made the Call-ID waits longer, so that both do not meet again. */
static void back_off(struct call *call, enum call_side side)
{
	uint64_t random = engine_random(call->engine);

	counter_inc(call->engine->counters, COUNTER_session_timer_glare);
	session_timer_refresh_in(call, side, (side == CALLEE ? 210 + random % 191 : random % 201) * 10 * US_PER_MS);
}

static bool answer_challenge(struct call *call, enum call_side side, enum sip_method method,
			     struct sip_message *response)
{
	struct own_request *own = &call->work->own[side];
	struct client_auth auth;

	if (own_request_credentials(call, side, method == SIP_INVITE ? SIP_TEXT("INVITE") : SIP_TEXT("UPDATE"),
				    response, &auth) < 0 ||
	    !client_auth_helps(&auth, own->challenged))
		return false;
	own->challenged++;
	try(call, side, method, &auth);
	return true;
}

static bool raise(struct call *call, enum call_side side, enum sip_method method, struct sip_message *response)
{
	struct own_request *own = &call->work->own[side];

	if (own->raised >= RAISES_MAX || !session_timer_raise(call, side, response))
		return false;
	own->raised++;
	try(call, side, method, NULL);
	return true;
}

/* Is a refused method not to be used any more on this leg? Errors of a server (5xx) pass. */
static bool is_final(unsigned int code)
{
	return code == 501 || (code >= 400 && code < 500) || code >= 600;
}

static void refused(struct call *call, enum call_side side, enum sip_method method, unsigned int code)
{
	struct call_dialog *d = &call->record->dialog[side];
	uint32_t other_refused = method == SIP_UPDATE ? DIALOG_REINVITE_REFUSED : DIALOG_UPDATE_REFUSED;

	counter_inc(call->engine->counters, COUNTER_session_timer_refused);
	d->flags |= method == SIP_UPDATE ? DIALOG_UPDATE_REFUSED : DIALOG_REINVITE_REFUSED;
	if (call->work->own[side].offers)
		d->flags &= ~(uint32_t)DIALOG_OFFER_DUE;
	if (!(d->flags & DIALOG_REFRESHER)) /* it was an offer, and no refresh is due */
		d->session_refresh_us = 0;
	else if (is_final(code) && !(d->flags & other_refused) && method_of(d) != method)
		try(call, side, method_of(d), NULL);
	else
		session_timer_refresh_later(call, side);
}

static void take(struct call *call, enum call_side side, struct transaction *t, struct sip_message *response)
{
	enum sip_method method = (enum sip_method)t->method;
	unsigned int code = response->status;

	if (code < 300) {
		confirmed(call, side, t, response);
	} else if (code == 408 || code == 481) {
		call_dialog_gone(call, code);
		return;
	} else if (code == 491) {
		back_off(call, side);
	} else if (((code != 401 && code != 407) || !answer_challenge(call, side, method, response)) &&
		   (code != 422 || !raise(call, side, method, response))) {
		refused(call, side, method, code);
	}
	call_work_done(call);
	call_deadline_start(call);
}

static void own_response(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	struct call *call = t->owner;
	struct call_record *record = call->record;
	enum call_side side = (enum call_side)t->owner_side;

	if (response->status < 200 || call->work->own[side].transaction != t)
		return;
	bool begun = call_write_begin(call);

	call->work->own[side].transaction = NULL;
	take(call, side, t, response);
	if (call->record == record)
		call_write_end(call, begun);
}

static void own_failed(struct engine *engine, struct transaction *t)
{
	struct call *call = t->owner;
	enum call_side side = (enum call_side)t->owner_side;
	struct call_record *record = call->record;
	bool begun = call_write_begin(call);

	call->work->own[side].transaction = NULL;
	if (t->cancel_sent) { /* not gone: it has spoken */
		refused(call, side, SIP_INVITE, 487);
		call_work_done(call);
		call_deadline_start(call);
	} else {
		call_dialog_gone(call, 408);
	}
	if (call->record == record)
		call_write_end(call, begun);
}

static const struct transaction_user own_user = {.response = own_response, .failed = own_failed};

void own_request_end(struct call *call)
{
	struct call_work *work = call->work;

	for (enum call_side side = CALLER; work && side < CALL_SIDES; side++) {
		struct transaction *t = work->own[side].transaction;

		work->own[side].transaction = NULL;
		if (t && t->kind == CLIENT_INVITE)
			transaction_cancel(call->engine, t, call->record->q850_cause, call_failed_with(call->record));
		else if (t)
			transaction_free(call->engine, t);
	}
}
