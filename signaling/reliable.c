/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/reliable.h"

#include "signaling/call.h"
#include "signaling/text_hash.h"

#define FIRST_RSEQ_MASK 0x3fffffffu /* section 3: below 2^31, with room for those that follow */

/* ---- towards the callee ---- */

void reliable_read_invite(struct call *call, const struct sip_message *invite)
{
	struct reliable *r = &call->work->reliable;

	r->required = sip_message_lists(invite, SIP_H_REQUIRE, "100rel");
	r->supported = r->required || sip_message_lists(invite, SIP_H_SUPPORTED, "100rel");
}

bool reliable_offered(const struct call *call, const struct sip_message *invite)
{
	return invite->body.len || call->work->reliable.supported;
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

bool reliable_in_order(struct call *call, struct sip_message *response)
{
	struct reliable *r = &call->work->reliable;
	uint32_t rseq = rseq_of(response);
	struct sip_text tag = sip_message_to(response)->tag;

	if (!rseq)
		return true;
	uint32_t hash = text_hash(&call->engine->transactions->hash, (struct text_hash){0, 0}, tag.at, tag.len).b;

	for (unsigned int i = 0; i < r->forks; i++) {
		if (r->fork[i].tag != hash)
			continue;
		if (rseq != r->fork[i].rseq + 1) {
			counter_inc(call->engine->counters, COUNTER_signaling_provisionals_out_of_order);
			return false;
		}
		r->fork[i].rseq = rseq;
		return true;
	}
	if (r->forks == RELIABLE_FORKS) {
		counter_inc(call->engine->counters, COUNTER_signaling_provisionals_out_of_order);
		return false;
	}
	r->fork[r->forks].tag = hash;
	r->fork[r->forks++].rseq = rseq;
	return true;
}

/* The callee's 2xx to a PRACK that had an offer brings the answer; what else it says, the caller is told, too. */
static void prack_response(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	struct transaction *server = t->peer;
	struct sip_text sdp = SIP_TEXT("");
	enum call_side side;
	struct call *call = call_find(engine, response, true, &side);
	struct sip_builder b;

	if (response->status < 200 || !server)
		return;
	if (call && call == t->owner && call_state(call) <= CALL_ESTABLISHED && response->status < 300) {
		bool begun = call_write_begin(call);

		if (call_media_pass(call, CALLEE, response, &sdp) < 0)
			sdp = SIP_TEXT("");
		call_write_end(call, begun);
	}
	struct sip_message *request = transaction_request(engine, server);

	if (!request)
		return;
	sip_build_init(&b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	sip_build_response(&b, request, response->status, NULL, SIP_TEXT(""), &server->flow.remote);
	if (sdp.len)
		sip_build_body(&b, SIP_TEXT("application/sdp"), sdp);
	else
		sip_build_no_body(&b);
	int len = sip_build_finish(&b);

	if (len > 0)
		transaction_send_response(engine, server, response->status, engine->scratch, (uint32_t)len);
}

/* By then the caller has given up its PRACK, too, and RFC 4320 forbids to answer. */
static void prack_failed(struct engine *engine, struct transaction *t)
{
	if (t->peer)
		transaction_free(engine, t->peer);
}

static const struct transaction_user prack_user = {.response = prack_response, .failed = prack_failed};

static int build_prack(struct call *call, struct sip_message *response, const struct dialog *dialog,
		       struct transaction *t, struct sip_text sdp)
{
	struct call_dialog *d = &call->record->dialog[CALLEE];
	char branch[IDENTIFIER_BRANCH];
	struct sip_builder b;

	transaction_branch(call->engine, t, branch);
	d->local_cseq++;
	sip_build_init(&b, (char *)call->engine->scratch, ENGINE_MESSAGE_MAX);
	dialog_build_request(call->engine, &b, dialog, SIP_TEXT("PRACK"), d->local_cseq, &t->flow.local,
			     sip_text(branch, sizeof(branch)));
	sip_build_begin(&b, SIP_H_RACK);
	sip_build_u32(&b, rseq_of(response));
	sip_build_string(&b, " ");
	sip_build_u32(&b, sip_message_cseq(response)->number);
	sip_build_string(&b, " INVITE");
	sip_build_end(&b);
	if (sdp.len)
		sip_build_body(&b, SIP_TEXT("application/sdp"), sdp);
	else
		sip_build_no_body(&b);
	return sip_build_finish(&b);
}

/* In the early dialog that the response makes. NULL: it can't be sent; the callee will say so by a failure. */
static struct transaction *send_prack(struct call *call, struct sip_message *response, struct sip_text sdp)
{
	struct engine *engine = call->engine;
	const struct call_dialog *d = &call->record->dialog[CALLEE];
	char route[DIALOG_ROUTE_MAX];
	struct dialog dialog;
	struct sip_flow flow;

	if (!dialog_of_response(&dialog, &d->flow, d->flags & DIALOG_BEHIND_NAT, response, route))
		return NULL;
	dialog_next_hop(engine, &dialog, &flow);
	struct transaction *t = transaction_client_new(engine, SIP_PRACK, &flow, &prack_user, call);

	if (!t)
		return NULL;
	int len = build_prack(call, response, &dialog, t, sdp);

	if (len < 0) {
		counter_inc(engine->counters, COUNTER_signaling_build_failures);
		transaction_free(engine, t);
		return NULL;
	}
	counter_inc(engine->counters, COUNTER_signaling_pracks_sent);
	return transaction_send_request(engine, t, engine->scratch, (uint32_t)len) == 0 ? t : NULL;
}

static void drop_due(struct call *call)
{
	struct reliable *r = &call->work->reliable;

	message_pool_free(&call->engine->transactions->messages, r->due);
	r->due = NULL;
}

/* Acknowledge the response that waited for the caller's PRACK. */
static struct transaction *send_due_prack(struct call *call, struct sip_text sdp)
{
	struct sip_message *response = call->engine->transactions->kept;
	struct message_buffer *due = call->work->reliable.due;
	struct transaction *t = NULL;

	if (sip_message_parse(response, due->data, due->len) == SIP_PARSE_OK)
		t = send_prack(call, response, sdp);
	drop_due(call);
	return t;
}

void reliable_forget_attempt(struct call *call)
{
	drop_due(call);
	call->work->reliable.forks = 0;
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
	counter_inc(call->engine->counters, COUNTER_signaling_provisionals_reliable);
	call_respond_reliably(call, code, response, sdp, r->rseq);
}

/* The latest counts: what waited before has been overtaken. */
static void hold(struct call *call, unsigned int code, struct sip_text sdp)
{
	struct reliable *r = &call->work->reliable;

	if (sdp.len && !call_put_for_setup(call, &r->next_sdp, sdp))
		return;
	if (!sdp.len)
		r->next_sdp = (struct call_text){0, 0};
	r->next_code = (uint16_t)code;
}

void reliable_respond(struct call *call, unsigned int code, struct sip_message *response, struct sip_text sdp)
{
	struct reliable *r = &call->work->reliable;
	bool callee = rseq_of(response), caller = code && (r->required || (r->supported && (callee || sdp.len)));
	bool crosses = callee && caller && !r->pending && !r->due;

	if (crosses)
		r->due = message_pool_keep(&call->engine->transactions->messages, response->data, response->len);
	if (caller && r->pending)
		hold(call, code, sdp);
	else if (caller)
		send_reliably(call, code, response, sdp);
	else if (code)
		call_respond_caller(call, code, response, sdp);
	if (callee && !(crosses && r->due))
		send_prack(call, response, SIP_TEXT(""));
}

bool reliable_holds_answer(struct call *call)
{
	struct reliable *r = call->work ? &call->work->reliable : NULL;

	if (!r || !r->pending || !r->pending_sdp)
		return false;
	r->answer_waits = true;
	return true;
}

bool reliable_answer_waits(const struct call *call)
{
	return call->work && call->work->reliable.answer_waits;
}

bool reliable_take_answer_back(struct call *call)
{
	struct call_dialog *caller = &call->record->dialog[CALLER];

	if (!reliable_answer_waits(call))
		return false;
	call->work->reliable.answer_waits = false;
	caller->flags |= DIALOG_RESPONSE_DUE;
	caller->flags &= ~(uint32_t)DIALOG_ACK_DUE;
	return true;
}

void reliable_acked(struct call *call)
{
	if (call->work)
		call->work->reliable.pending = false;
}

/* What waited for the PRACK. */
static void go_on(struct call *call)
{
	struct reliable *r = &call->work->reliable;
	unsigned int code = r->next_code;

	r->next_code = 0;
	if (r->answer_waits) {
		r->answer_waits = false;
		call_respond_caller(call, 200, NULL, call_text(call, call->record->answer));
		call_work_done(call);
	} else if (code && call_state(call) == CALL_SETUP) {
		send_reliably(call, code, NULL, call_text(call, r->next_sdp));
	}
}

static void answer(struct call *call, const struct call_event *event, unsigned int code)
{
	transaction_respond(call->engine, event->transaction, event->message, code, NULL, NULL);
}

/* Its offer, or its answer to the callee's offer, crosses with it, and the callee's 2xx is the answer to it. */
static void pass_description(struct call *call, const struct call_event *event)
{
	struct sip_text sdp;

	if (!call->work->reliable.due) {
		answer(call, event, 488); /* the callee's response was not one of those that are acknowledged */
		return;
	}
	if (call_media_pass(call, CALLER, event->message, &sdp) < 0 ||
	    transaction_keep_request(call->engine, event->transaction, event->message) < 0) {
		send_due_prack(call, SIP_TEXT(""));
		answer(call, event, 488);
		return;
	}
	call->record->bodyless = false; /* an offer of the callee's has its answer: the ACKs need bring none */
	struct transaction *client = send_due_prack(call, sdp);

	if (!client) {
		answer(call, event, 500);
		return;
	}
	client->peer = event->transaction;
	event->transaction->peer = client;
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
		answer(call, event, refused);
		return;
	}
	call->work->reliable.pending = false;
	call->work->reliable.sdp_acked |= call->work->reliable.pending_sdp;
	if (call->caller_invite)
		transaction_reliable_acked(call->engine, call->caller_invite);
	if (event->message->body.len) {
		pass_description(call, event);
	} else {
		answer(call, event, 200);
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
