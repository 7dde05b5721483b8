/* SPDX-License-Identifier: Apache-2.0 */
/* The callee's side of an attempt: the INVITE goes out, and is answered. */
#include <errno.h>
#include <string.h>

#include "signaling/call.h"
#include "signaling/identity.h"
#include "signaling/local_headers.h"
#include "signaling/number_rules.h"
#include "signaling/redirect.h"
#include "signaling/ringback.h"
#include "signaling/session_timer.h"

/* From: the caller's display name and number at our address (RFC 3323 section 4.1.1.3 for who wants no name). */
static void build_from(struct call *call, struct sip_builder *b, const struct sip_name_addr *from,
		       struct sip_text number, const struct net_addr *ours)
{
	sip_build_string(b, "From: ");
	if (from && from->display.len && from->display_quoted) {
		sip_build_string(b, "\"");
		sip_build_text(b, from->display);
		sip_build_string(b, "\" ");
	} else if (from && from->display.len) {
		sip_build_quoted(b, from->display);
		sip_build_string(b, " ");
	}
	sip_build_string(b, "<");
	if (sip_text_is_nocase(number, "anonymous")) {
		sip_build_string(b, "sip:anonymous@anonymous.invalid");
	} else {
		call_build_user(b, number);
		local_headers_put(b, local_headers_host(call->engine, ours));
	}
	sip_build_string(b, ">;tag=");
}

/* Our own: the call's id and the attempt. */
static void build_call_id(struct sip_builder *b, const struct call_record *record)
{
	char hex[2 * sizeof(record->id) + 1];

	for (unsigned int i = 0; i < sizeof(record->id); i++) {
		hex[2 * i] = "0123456789abcdef"[record->id[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[record->id[i] & 15];
	}
	hex[sizeof(hex) - 1] = '-';
	local_headers_put(b, sip_text(hex, sizeof(hex)));
	sip_build_u32(b, record->attempt);
}

/* RFC 3263: the Request-URI names whom the gateway is known by, wherever the request goes. */
static void build_target(struct sip_builder *b, struct sip_text number, const struct attempt_target *target)
{
	if (!target->host.len) {
		call_build_user_uri(b, number, &target->flow.remote);
		return;
	}
	call_build_user(b, number);
	local_headers_put(b, target->host);
	if (target->host_port) {
		sip_build_string(b, ":");
		sip_build_u32(b, target->host_port);
	}
}

/* To stands last: the callee's answer adds a tag. */
static bool put_callee_head(struct call *call, const struct sip_name_addr *from, struct sip_text caller,
			    struct sip_text callee, const struct attempt_target *target)
{
	struct calls *calls = call->engine->calls;
	struct call_head head = {0};
	char tag[IDENTIFIER_TAG];
	struct sip_builder b;

	call_make_tag(call, CALLEE, tag);
	sip_build_init(&b, calls->head, sizeof(calls->head));
	build_from(call, &b, from, caller, &target->flow.local);
	head.local_tag_at = b.len;
	local_headers_put(&b, sip_text(tag, sizeof(tag)));
	sip_build_string(&b, "\r\nCall-ID: ");
	head.call_id_at = b.len;
	build_call_id(&b, call->record);
	head.call_id_len = b.len - head.call_id_at;
	sip_build_string(&b, "\r\nTo: <");
	head.uri_at = b.len;
	build_target(&b, callee, target);
	head.uri_len = target->uri.len ? 0 : b.len - head.uri_at;
	sip_build_string(&b, ">");
	head.text = sip_text(b.data, b.len);
	if (target->uri.len && !call_put(call, &call->record->dialog[CALLEE].target, target->uri))
		return false;
	return !b.overflow && call_put_head(call, CALLEE, &head);
}

/* RFC 3323 section 4.1.1.3. */
static const struct sip_name_addr nobody = {.display = {"Anonymous", 9}};

/* Where it was redirected, the number may be another one. */
static struct sip_text number_there(const struct attempt_target *target, struct sip_text usual,
				    char out[CALL_NUMBER_MAX])
{
	struct sip_uri uri;
	int len = -1;

	if (target->kind == TARGET_REDIRECT && sip_uri_parse(&uri, target->uri) == 0)
		len = sip_uri_number(&uri, out, CALL_NUMBER_MAX);
	return len > 0 ? sip_text(out, (size_t)len) : usual;
}

bool call_fill_callee(struct call *call, struct sip_message *invite, const struct attempt_target *target)
{
	struct call_record *record = call->record;
	struct call_dialog *dialog = &record->dialog[CALLEE];
	const struct config_routing_gateway *gateway = target->config;
	char caller[CALL_NUMBER_MAX], callee[CALL_NUMBER_MAX], there[CALL_NUMBER_MAX];
	const struct sip_name_addr *from = sip_message_from(invite);
	struct sip_text caller_in = sip_text(call->work->caller, call->work->caller_len);
	struct sip_text callee_in = sip_text(call->work->callee, call->work->callee_len);
	struct sip_text caller_out =
	    sip_text(caller, number_rewrite(gateway ? &gateway->caller : NULL, caller_in, caller, sizeof(caller)));
	struct sip_text callee_out =
	    sip_text(callee, number_rewrite(gateway ? &gateway->callee : NULL, callee_in, callee, sizeof(callee)));

	dialog->flow = target->flow;
	dialog->flags = (target->behind_nat ? DIALOG_BEHIND_NAT : 0) |
			(target->kind == TARGET_PHONE ? DIALOG_PHONE : 0) |
			(redirect_leads_away(call) ? DIALOG_LED_AWAY : 0);
	dialog->local_cseq = (uint32_t)(engine_random(call->engine) & 0x7fff) + 1;
	dialog->sdp_id = engine_random(call->engine) >> 2;
	if (identity_is_withheld(call, invite)) {
		caller_out = SIP_TEXT("anonymous");
		from = &nobody;
	}
	return call_put(call, &record->routing_gateway, target->name) &&
	       call_put(call, &record->caller_out, caller_out) &&
	       call_put(call, &record->callee_out, number_there(target, callee_out, there)) &&
	       put_callee_head(call, from, caller_out, callee_out, target);
}

static void build_forwards(struct sip_builder *b, const struct sip_message *invite)
{
	uint32_t forwards;

	if (sip_message_number(invite, SIP_H_MAX_FORWARDS, &forwards) < 0 || forwards > 70)
		forwards = 70;
	sip_build_number(b, SIP_H_MAX_FORWARDS, forwards ? forwards - 1 : 0);
}

static int build_invite(struct call *call, struct sip_message *invite, struct transaction *t, struct sip_text sdp,
			struct sip_text authorization, bool proxy)
{
	const struct call_dialog *d = &call->record->dialog[CALLEE];
	const struct net_addr *ours = &d->flow.local;
	struct sip_builder b;
	char branch[IDENTIFIER_BRANCH];

	transaction_branch(call->engine, t, branch);
	sip_build_init(&b, (char *)call->engine->scratch, ENGINE_MESSAGE_MAX);
	sip_build_request(&b, SIP_TEXT("INVITE"), call_text(call, d->target));
	local_headers_via(call->engine, &b, ours, sip_text(branch, sizeof(branch)));
	build_forwards(&b, invite);
	local_headers_put(&b, call_text(call, d->head));
	local_headers_put(&b, SIP_TEXT("\r\n"));
	sip_build_cseq(&b, d->local_cseq, SIP_TEXT("INVITE"));
	local_headers_contact(call->engine, &b, ours);
	call_build_allow(&b);
	session_timer_put_offer(call, CALLEE, &b);
	if (reliable_offered(call))
		local_headers_put(&b, SIP_TEXT("Supported: 100rel\r\n"));
	if (authorization.len)
		sip_build_header(&b, proxy ? SIP_H_PROXY_AUTHORIZATION : SIP_H_AUTHORIZATION, authorization);
	call_copy_request_headers(call, CALLEE, &b, invite, ours);
	call_build_body(call, CALLEE, &b, invite, sdp);
	return sip_build_finish(&b);
}

int call_send_invite(struct call *call, struct sip_message *invite, struct sip_text authorization, bool proxy)
{
	struct engine *engine = call->engine;
	struct call_record *record = call->record;
	struct call_dialog *dialog = &record->dialog[CALLEE];
	struct sip_text sdp;
	int error = call_media_pass(call, CALLER, invite, &sdp);

	if (error < 0)
		return error;
	record->bodyless = sdp.len == 0;
	reliable_forget_forks(call);
	struct transaction *t = transaction_client_new(engine, SIP_INVITE, &dialog->flow, &call_callee_user, call);

	if (!t)
		return -ENOBUFS;
	t->behind_nat = dialog->flags & DIALOG_BEHIND_NAT;
	t->vendor = call->callee_gateway + 1;
	dialog->local_cseq++;
	dialog->invite_cseq = dialog->local_cseq;
	int len = build_invite(call, invite, t, sdp, authorization, proxy);

	if (len < 0) {
		transaction_free(engine, t);
		return -ENOBUFS;
	}
	/* Known before it is out, so that another life can cancel it. */
	record->branch_index = t->index;
	record->branch_serial = t->serial;
	dialog->flags |= DIALOG_CANCEL_DUE;
	error = transaction_send_request(engine, t, engine->scratch, (uint32_t)len);
	call->callee_invite = error == 0 ? t : NULL;
	return error;
}

/* ---- responses ---- */

static void on_response(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	enum call_event_type type = CALL_EVENT_FAILURE;

	if (response->status < 300)
		type = response->status < 200 ? CALL_EVENT_PROVISIONAL : CALL_EVENT_ANSWER;
	call_dispatch(t->owner,
		      &(struct call_event){.type = type, .side = CALLEE, .transaction = t, .message = response});
}

static void on_failed(struct engine *engine, struct transaction *t)
{
	struct call *call = t->owner;

	call->callee_invite = NULL;
	call_dispatch(call, &(struct call_event){.type = CALL_EVENT_STAGE_TIMEOUT, .side = CALLEE});
}

const struct transaction_user call_callee_user = {.response = on_response, .failed = on_failed};

/* Something is heard of the callee. */
static void note_delay(struct call *call)
{
	struct call_record *record = call->record;

	if (!record->progress_us)
		record->pdd_ms = (uint32_t)((call->engine->now_us - record->setup_us) / US_PER_MS);
}

static void note_progress(struct call *call)
{
	note_delay(call);
	if (!call->record->progress_us)
		call->record->progress_us = call->engine->now_us;
}

static enum call_stage stage_of(unsigned int code, bool sdp)
{
	if (code == 100)
		return STAGE_TRYING;
	if (code == 180)
		return STAGE_RINGING;
	return sdp ? STAGE_PROGRESS_SDP : STAGE_PROGRESS;
}

/* Nothing is stored twice: a callee may say the same a thousand times. */
static bool put_answer(struct call *call, struct sip_text sdp)
{
	struct call_text *answer = &call->record->answer;

	return sip_text_equal(call_text(call, *answer), sdp) || call_put_for_setup(call, answer, sdp);
}

/*
 * The description in a provisional response. One that we can't read is left out: the answer will have one. What it has
 * not got reliably by then, the caller finds in the 200, whether that of the callee has it or not.
 */
static struct sip_text describe(struct call *call, struct sip_message *response)
{
	struct sip_text sdp;

	if (!reliable_shows(call, response))
		return SIP_TEXT("");
	fork_put_aside(call, response);
	if (call_media_pass(call, CALLEE, response, &sdp) < 0 || !sdp.len || !put_answer(call, sdp))
		return SIP_TEXT("");
	fork_has_spoken(call, response);
	call->work->sdp_seen = true;
	return sdp;
}

void call_provisional(struct call *call, const struct call_event *event)
{
	unsigned int code = event->message->status;
	struct sip_text sdp = SIP_TEXT("");

	if (event->transaction != call->callee_invite)
		return;
	if (code > 100 && !reliable_in_order(call, event->message))
		return;
	if (code > 100) {
		note_progress(call);
		sdp = describe(call, event->message);
	}
	/* Forward only, so that a gateway that alternates can't hold a call for ever. */
	enum call_stage stage = stage_of(code, sdp.len > 0);

	if (!call->work->trying || stage > (enum call_stage)call->work->stage_now)
		call_stage_start(call, stage);
	call->work->trying = true;
	if (code <= 100)
		return;
	/* 199 (RFC 6228): one of several phones rings no more. The caller's dialog is with us. */
	code = code == 199 ? 0 : ringback_code(call, code, &sdp);
	reliable_respond(call, code, event->message, sdp);
}

static bool fill_answer(struct call *call, struct sip_message *response)
{
	struct calls *calls = call->engine->calls;
	struct call_dialog *dialog = &call->record->dialog[CALLEE];
	struct sip_text contact = dialog_contact(response);
	int route = dialog_route_set(response, true, calls->route, sizeof(calls->route));

	dialog->flags &= ~(uint32_t)DIALOG_HOP_KNOWN;
	return route >= 0 && call_put_remote_tag(call, CALLEE, sip_message_to(response)->tag) &&
	       call_put(call, &dialog->route, sip_text(calls->route, (size_t)route)) &&
	       (!contact.at || call_put(call, &dialog->target, contact));
}

/*
 * What the 200 tells the caller: a description that it has acknowledged need not come again (RFC 3262 section 5); one
 * that came early and was not acknowledged was but a preview (RFC 3261 section 13.2.1).
 */
static bool fill_description(struct call *call, struct sip_message *response, struct sip_text sdp)
{
	if (sdp.len)
		return put_answer(call, sdp);
	switch (fork_answers(call, response)) {
	case FORK_SILENT:
		return false;
	case FORK_SPOKE_LAST:
		if (reliable_has_description(call))
			call->record->answer = (struct call_text){0, 0};
		return true;
	default:
		return true;
	}
}

/* A 200 that can't be used: the gateway thinks it has a call, so that call is ended. */
static void refuse_answer(struct call *call, const struct call_event *event)
{
	call->callee_invite = NULL;
	call->record->dialog[CALLEE].flags &= ~(uint32_t)DIALOG_CANCEL_DUE;
	transaction_detach(event->transaction);
	event->transaction->cancel_cause = end_reason_info[END_SERVER_FAILURE].q850_cause;
	event->transaction->cancel_sip_code = 502;
	transaction_end_stranger(call->engine, event->transaction, event->message);
	call_close(call, END_SERVER_FAILURE, END_BY_CALLEE, 502, -1);
}

/* The session of each leg, and what a refresh there has to repeat. `answer` lies where an offer is made again. */
static void begin_sessions(struct call *call, struct sip_message *response, struct sip_text answer)
{
	struct sip_message *invite;
	struct sip_text offer;

	session_timer_begin(call, CALLER);
	session_timer_keep(call, CALLER, answer);
	session_timer_agreed(call, CALLEE, response);
	if (!session_timer_keeps(call, CALLEE))
		return;
	invite = call->caller_invite ? transaction_request(call->engine, call->caller_invite) : NULL;
	if (invite && call_media_repeat(call, CALLER, invite, &offer) == 0)
		session_timer_keep(call, CALLEE, offer);
}

static void start_conversation(struct call *call)
{
	struct engine *engine = call->engine;

	call_deadline_start(call);
	gateway_report(engine, call->callee_gateway, 200, 0);
	counter_inc(engine->counters, COUNTER_signaling_calls_answered);
}

void call_answered(struct call *call, const struct call_event *event)
{
	struct call_record *record = call->record;
	struct transaction *t = event->transaction;
	struct sip_text sdp;

	if (t != call->callee_invite)
		return;
	if (reliable_is_another(call, event->message) || call_media_translate(call, CALLEE, event->message, &sdp) < 0 ||
	    !fill_answer(call, event->message) || !fill_description(call, event->message, sdp)) {
		refuse_answer(call, event);
		return;
	}
	begin_sessions(call, event->message, sdp);
	call->callee_invite = NULL;
	transaction_detach(t);
	note_delay(call);
	record->answer_us = call->engine->now_us;
	record->sip_code = 200;
	record->dialog[CALLER].flags |= DIALOG_ACK_DUE;
	call_set_state(call, CALL_ANSWERED);
	/* Not before: a call in set-up that has nothing due would end for neither side. */
	atomic_thread_fence(memory_order_release);
	record->dialog[CALLER].flags &= ~(uint32_t)DIALOG_RESPONSE_DUE;
	record->dialog[CALLEE].flags &= ~(uint32_t)DIALOG_CANCEL_DUE;
	call_media_tell(call);
	start_conversation(call);
	if (record->bodyless) {
		call_await_ack(call, CALLEE, t, record->dialog[CALLEE].invite_cseq);
	} else {
		call_ack_callee(call, CALLEE, t, t->serial, record->dialog[CALLEE].invite_cseq, SIP_TEXT(""));
	}
	if (reliable_holds_answer(call, event->message))
		return;
	call_work_done(call);
	gateway_report(call->engine, call->caller_gateway, 200, 0);
	call_respond_caller(call, 200, event->message, call_text(call, record->answer));
}

void call_ack_callee(struct call *call, enum call_side side, struct transaction *invite, uint64_t serial, uint32_t cseq,
		     struct sip_text body)
{
	struct engine *engine = call->engine;
	char branch[IDENTIFIER_BRANCH];
	struct sip_builder b;
	struct dialog dialog;
	struct sip_flow flow;

	call_dialog(call, side, &dialog);
	call_next_hop(call, side, &dialog, &flow);
	transaction_ack_branch(engine, serial, branch);
	sip_build_init(&b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	dialog_build_request(call->engine, &b, &dialog, SIP_TEXT("ACK"), cseq, &flow.local,
			     sip_text(branch, sizeof(branch)));
	if (body.len)
		sip_build_body(&b, SIP_TEXT("application/sdp"), body);
	else
		sip_build_no_body(&b);
	int len = sip_build_finish(&b);

	if (len < 0) {
		counter_inc(engine->counters, COUNTER_signaling_build_failures);
		return;
	}
	if (invite) {
		invite->flow = flow;
		/* One without a body is made again from the record when its 2xx comes again. */
		transaction_send_ack(engine, invite, call_text(call, call->record->dialog[side].remote_tag),
				     engine->scratch, (uint32_t)len, body.len > 0);
	} else {
		engine->io.send(engine->io.context, &flow, engine->scratch, (uint32_t)len);
	}
	if (side == CALLEE)
		call->record->callee_acked = true;
}
