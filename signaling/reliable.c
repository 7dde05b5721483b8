/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/reliable.h"

#include <stdio.h>

#include "signaling/call.h"
#include "signaling/early_dialog.h"

#define FIRST_RSEQ_MASK 0x3fffffffu /* section 3: below 2^31, with room for those that follow */

/* ---- towards the callee ---- */

void reliable_read_invite(struct call *call, const struct sip_message *invite)
{
	struct reliable *r = &call->work->reliable;

	r->required = sip_message_lists(invite, SIP_H_REQUIRE, "100rel");
	r->supported = r->required || sip_message_lists(invite, SIP_H_SUPPORTED, "100rel");
}

bool reliable_offered(const struct call *call)
{
	return !call->record->bodyless || call->work->reliable.supported;
}

/* The number of a response that is to be acknowledged; 0: it is not. */
static uint32_t rseq_of(const struct sip_message *response)
{
	uint32_t rseq;

	if (!sip_message_has(response, SIP_H_RSEQ) || !sip_message_lists(response, SIP_H_REQUIRE, "100rel") ||
	    sip_message_number(response, SIP_H_RSEQ, &rseq) < 0)
		return 0;
	return rseq;
}

/* Which fork it is; r->forks: a new one. */
static unsigned int find_fork(const struct reliable *r, uint32_t tag)
{
	unsigned int i = 0;

	while (i < r->forks && r->fork[i].tag != tag)
		i++;
	return i;
}

/* Is it the next of its fork, which is the latest from now on? */
static bool is_next(struct reliable *r, uint32_t tag, uint32_t rseq)
{
	unsigned int i = find_fork(r, tag);

	if (i == RELIABLE_FORKS || (i < r->forks && rseq != r->fork[i].rseq + 1))
		return false;
	if (i == r->forks)
		r->forks++;
	r->fork[i].tag = tag;
	r->fork[i].rseq = rseq;
	r->latest = i;
	return true;
}

/* What can't be dealt with now is, when it comes again. */
static void await_again(struct call *call, struct sip_message *response)
{
	struct reliable *r = &call->work->reliable;
	unsigned int i = find_fork(r, fork_of(call, response));

	if (i < r->forks)
		r->fork[i].rseq = rseq_of(response) - 1;
}

bool reliable_is_another(const struct call *call, struct sip_message *response)
{
	const struct reliable *r = &call->work->reliable;

	return r->offerer && fork_of(call, response) != r->fork[r->offerer - 1].tag;
}

bool reliable_shows(const struct call *call, struct sip_message *response)
{
	const struct reliable *r = &call->work->reliable;

	if (r->offerer || !call->record->bodyless)
		return !reliable_is_another(call, response);
	return r->supported && rseq_of(response);
}

static void end_fork(struct call *call, struct sip_message *response)
{
	const struct early_request bye = {.method = SIP_BYE, .sdp = SIP_TEXT("")};

	if (early_dialog_send(call, response, &bye))
		counter_inc(call->engine->counters, COUNTER_signaling_forks_ended);
	else
		await_again(call, response);
}

bool reliable_in_order(struct call *call, struct sip_message *response)
{
	uint32_t rseq = rseq_of(response);

	if (!rseq)
		return true;
	if (!is_next(&call->work->reliable, fork_of(call, response), rseq)) {
		counter_inc(call->engine->counters, COUNTER_signaling_provisionals_out_of_order);
		return false;
	}
	if (!reliable_is_another(call, response) || call_media_is_offerless(response))
		return true;
	end_fork(call, response);
	return false;
}

/* What the callee says to it goes to the caller's PRACK, where that becomes its peer. */
static struct transaction *send_prack(struct call *call, struct sip_message *response, struct sip_text sdp)
{
	char rack[64];
	struct early_request request = {.method = SIP_PRACK, .sdp = sdp};
	int len = snprintf(rack, sizeof(rack), "RAck: %u %u INVITE\r\n", rseq_of(response),
			   sip_message_cseq(response)->number);

	request.headers = sip_text(rack, (size_t)len);
	struct transaction *t = early_dialog_send(call, response, &request);

	if (t)
		counter_inc(call->engine->counters, COUNTER_signaling_pracks_sent);
	return t;
}

/* Acknowledge the response that waited for the caller's PRACK. */
static struct transaction *send_due_prack(struct call *call, struct sip_text sdp)
{
	struct sip_message *response = early_dialog_response(call);
	struct transaction *t = response ? send_prack(call, response, sdp) : NULL;

	call->work->reliable.due = false;
	if (response && !t)
		await_again(call, response);
	return t;
}

void reliable_forget_forks(struct call *call)
{
	call->work->reliable.forks = call->work->reliable.offerer = 0;
}

static void put_by(struct call *call, const struct sip_message *response)
{
	struct message_pool *pool = &call->engine->transactions->messages;
	struct reliable *r = &call->work->reliable;

	message_pool_free(pool, r->next);
	r->next = response ? message_pool_keep(pool, response->data, response->len) : NULL;
}

void reliable_forget_attempt(struct call *call)
{
	struct reliable *r = &call->work->reliable;

	early_dialog_forget(call);
	reliable_forget_forks(call);
	put_by(call, NULL);
	r->due = false;
	r->next_code = 0;
	r->next_sdp = r->sent_sdp = r->acked_sdp = (struct call_text){0, 0};
}

/* ---- towards the caller ---- */

static void send_reliably(struct call *call, unsigned int code, struct sip_message *response, struct sip_text sdp)
{
	struct reliable *r = &call->work->reliable;

	if (!r->rseq)
		r->rseq = (uint32_t)engine_random(call->engine) & FIRST_RSEQ_MASK;
	r->rseq++;
	r->pending = true;
	r->pending_sdp = sdp.len > 0;
	r->sent_sdp = sdp.len ? call->record->answer : (struct call_text){0, 0};
	counter_inc(call->engine->counters, COUNTER_signaling_provisionals_reliable);
	call_respond_reliably(call, code, response, sdp, r->rseq);
}

/* The latest counts: what waited before has been overtaken; but its description has not. */
static void hold(struct call *call, unsigned int code, const struct sip_message *response, struct sip_text sdp)
{
	struct reliable *r = &call->work->reliable;

	if (sdp.len)
		r->next_sdp = call->record->answer;
	r->next_code = (uint16_t)code;
	put_by(call, response);
}

void reliable_respond(struct call *call, unsigned int code, struct sip_message *response, struct sip_text sdp)
{
	struct reliable *r = &call->work->reliable;
	bool callee = rseq_of(response), caller = code && (r->required || (r->supported && (callee || sdp.len)));
	bool offers = callee && r->supported && call->record->bodyless && sdp.len;
	/* Not while the caller owes a PRACK for another. */
	bool crosses =
	    callee && !r->due && !(offers && r->pending) && early_dialog_keep(call, response) && caller && !r->pending;

	if (offers && !crosses) {
		await_again(call, response);
		return;
	}
	if (offers)
		r->offerer = r->latest + 1;
	/* One that is not reliable would take the place of that which is to be sent again. */
	if (code && r->pending)
		hold(call, code, response, sdp);
	else if (caller)
		send_reliably(call, code, response, sdp);
	else if (code)
		call_respond_caller(call, code, response, sdp);
	r->due |= crosses;
	if (callee && !crosses && !send_prack(call, response, SIP_TEXT("")))
		await_again(call, response);
}

bool reliable_holds_answer(struct call *call, const struct sip_message *response)
{
	struct reliable *r = call->work ? &call->work->reliable : NULL;

	if (!r || !r->pending || !r->pending_sdp)
		return false;
	r->answer_waits = true;
	put_by(call, response);
	return true;
}

bool reliable_answer_waits(const struct call *call)
{
	return call->work && call->work->reliable.answer_waits;
}

bool reliable_take_answer_back(struct call *call)
{
	if (!reliable_answer_waits(call))
		return false;
	call->work->reliable.answer_waits = false;
	call->record->dialog[CALLER].flags |= DIALOG_RESPONSE_DUE;
	return true;
}

bool reliable_has_description(const struct call *call)
{
	struct call_text acked = call->work->reliable.acked_sdp, answer = call->record->answer;

	return acked.len && acked.offset == answer.offset && acked.len == answer.len;
}

void reliable_acked(struct call *call)
{
	if (call->work)
		call->work->reliable.pending = false;
}

/* What waited for the PRACK. */
static void go_on(struct call *call)
{
	struct transactions *ts = call->engine->transactions;
	struct reliable *r = &call->work->reliable;
	unsigned int code = r->next_code;
	struct sip_text sdp = call_text(call, r->next_sdp);
	struct message_buffer *next = r->next;
	bool kept = next && sip_message_parse(ts->kept, next->data, next->len) == SIP_PARSE_OK;

	r->next = NULL;
	r->next_code = 0;
	r->next_sdp = (struct call_text){0, 0};
	if (r->answer_waits) {
		r->answer_waits = false;
		gateway_report(call->engine, call->caller_gateway, 200, 0);
		call_respond_caller(call, 200, kept ? ts->kept : NULL, call_text(call, call->record->answer));
		call_work_done(call);
	} else if (code && call_state(call) == CALL_SETUP) {
		send_reliably(call, code, kept ? ts->kept : NULL, sdp);
	}
	message_pool_free(&ts->messages, next);
}

/* Its offer, or its answer to the callee's offer, crosses with it, and the callee's 2xx is the answer to it. */
static void pass_description(struct call *call, const struct call_event *event)
{
	bool offers = !call->record->bodyless;
	struct sip_text sdp;

	if (!call->work->reliable.due) {
		call_respond(call, event, 488); /* the callee's response was not one of those that are acknowledged */
		return;
	}
	call_media_note_before(call, CALLER);
	if (call_media_pass(call, CALLER, event->message, &sdp) < 0 ||
	    transaction_keep_request(call->engine, event->transaction, event->message) < 0) {
		call_media_take_back(call, CALLER);
		send_due_prack(call, SIP_TEXT(""));
		call_respond(call, event, 488);
		return;
	}
	struct transaction *client = send_due_prack(call, sdp);

	if (!client) {
		call_media_take_back(call, CALLER);
		call_respond(call, event, 500);
		return;
	}
	call->record->bodyless = false; /* an offer of the callee's has its answer: the ACKs need bring none */
	client->peer = event->transaction;
	event->transaction->peer = client;
	if (offers)
		call->work->updates[CALLER] = SIP_PRACK;
}

/* 0: it acknowledges what we sent; else the code that says why not. */
static unsigned int refusal(const struct call *call, const struct call_event *event)
{
	const struct reliable *r = call->work ? &call->work->reliable : NULL;
	struct sip_rack rack;

	if (sip_rack_parse(&rack, sip_message_value(event->message, SIP_H_RACK)) < 0)
		return 400;
	if (event->side != CALLER || !r || !r->pending || rack.rseq != r->rseq || rack.method != SIP_INVITE ||
	    rack.cseq != call->record->dialog[CALLER].invite_cseq)
		return 481;
	return 0;
}

void call_prack(struct call *call, const struct call_event *event)
{
	unsigned int refused = refusal(call, event);

	if (refused) {
		counter_inc(call->engine->counters, COUNTER_signaling_pracks_stray);
		call_respond(call, event, refused);
		return;
	}
	call->work->reliable.pending = false;
	call->work->reliable.sdp_acked |= call->work->reliable.pending_sdp;
	if (call->work->reliable.pending_sdp)
		call->work->reliable.acked_sdp = call->work->reliable.sent_sdp;
	if (call->caller_invite)
		transaction_reliable_acked(call->engine, call->caller_invite);
	if (event->message->body.len) {
		pass_description(call, event);
	} else {
		call_respond(call, event, 200);
		if (call->work->reliable.due)
			send_due_prack(call, SIP_TEXT(""));
	}
	go_on(call);
}

/* Section 3: the request is rejected with a 5xx. */
void call_prack_timeout(struct call *call, const struct call_event *event)
{
	counter_inc(call->engine->counters, COUNTER_signaling_provisionals_unacknowledged);
	call_close(call, END_ACK_TIMEOUT, END_BY_SERVER, 504, -1);
}
