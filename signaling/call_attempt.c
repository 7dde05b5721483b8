/* SPDX-License-Identifier: Apache-2.0 */
/* Which gateway is next, and when the search is over. */
#include <errno.h>
#include <string.h>

#include "signaling/call.h"
#include "signaling/client_auth.h"
#include "signaling/early_dialog.h"
#include "signaling/redirect.h"
#include "signaling/session_timer.h"

/* ---- stages ---- */

void call_stage_start(struct call *call, enum call_stage stage)
{
	struct engine *engine = call->engine;

	call->work->stage_now = (uint8_t)stage;
	timer_start(&engine->wheel, &call->timer, engine->now_us + call->work->policy.timeout_ms[stage] * US_PER_MS,
		    call_on_stage);
}

static uint32_t gateway_or_system(uint32_t gateway_ms, uint32_t system_ms)
{
	return gateway_ms ? gateway_ms : system_ms;
}

static void set_policy(struct call *call, const struct config_routing_gateway *gateway)
{
	const struct parameters_of_call *p = &call->work->parameters;

	call->work->policy = (struct attempt_policy){
	    .until_connect = p->until_connect,
	    .stop_after_sdp = p->stop_after_sdp,
	    .stop_after_rtp = p->stop_after_rtp,
	    .stop_after_busy = p->stop_after_busy,
	    .stop_after_invite_timeout = p->stop_after_invite_timeout,
	};
	memcpy(call->work->policy.timeout_ms, p->timeout_ms, sizeof(p->timeout_ms));
	if (!gateway)
		return;
	const uint32_t own[STAGE_COUNT] = {gateway->timeout_invite_ms, gateway->timeout_trying_ms,
					   gateway->timeout_progress_ms, gateway->timeout_progress_sdp_ms,
					   gateway->timeout_ringing_ms};

	for (unsigned int i = 0; i < STAGE_COUNT; i++)
		call->work->policy.timeout_ms[i] = gateway_or_system(own[i], p->timeout_ms[i]);
	if (gateway->stop_switch_after_sdp >= 0)
		call->work->policy.stop_after_sdp = gateway->stop_switch_after_sdp;
	if (gateway->stop_switch_after_invite_timeout >= 0)
		call->work->policy.stop_after_invite_timeout = gateway->stop_switch_after_invite_timeout;
}

/* ---- one attempt ---- */

static void clear_attempt(struct call *call)
{
	struct call_record *record = call->record;

	call_forget_attempt(call);
	reliable_forget_attempt(call);
	forks_forget(call);
	early_dialog_forget_offers(call);
	record->progress_us = record->end_us = 0;
	record->pdd_ms = 0;
	record->answer = (struct call_text){0, 0};
	record->sip_code = record->q850_cause = 0;
	record->end_direction = record->end_reason = 0;
	call->work->rtp_started = call->work->sdp_seen = call->work->trying = false;
	call->work->challenged = call->work->raised = 0;
	call->cause_told = 0;
}

void call_attempt_published(struct call_record *record)
{
	record->attempt_published = (uint8_t)record->attempt;
	atomic_thread_fence(memory_order_release);
	record->attempt_over = ATTEMPT_PUBLISHED;
	atomic_thread_fence(memory_order_release);
}

static void number_attempt(struct call_record *record, uint64_t now_us)
{
	record->attempt_us = now_us;
	atomic_thread_fence(memory_order_release);
	record->attempt++;
	atomic_thread_fence(memory_order_release);
	record->attempt_over = ATTEMPT_RUNS;
}

/* Errors of our own (no ports, no memory, an offer that can't be carried) end the call: no other gateway helps. */
static void give_up(struct call *call, int error)
{
	bool theirs = error == -EINVAL;

	call_close(call, theirs ? END_BAD_REQUEST : END_OVERLOAD, END_BY_SERVER, theirs ? 488 : 503, -1);
}

/* again: the same attempt, at another address. */
static void start_attempt(struct call *call, struct sip_message *invite, const struct attempt_target *target,
			  bool again)
{
	const struct config_routing_gateway *gateway = target->config;
	struct call_record *record = call->record;
	int error = -ENOBUFS;

	call->callee_gateway = target->gateway;
	call->work->targets.kind = (uint8_t)target->kind;
	set_policy(call, gateway);
	record->silence_limit_ms = call->work->parameters.no_media_hangup_s * 1000u;
	record->silence_watch = (uint8_t)(gateway ? gateway->silence_watch : SILENCE_BOTH);
	clear_attempt(call);
	if (!again)
		number_attempt(call->record, call->engine->now_us);
	if (invite && call_fill_callee(call, invite, target))
		error = call_media_prepare(call, invite, target->network, gateway ? gateway->media_mode : MEDIA_SYSTEM,
					   target->behind_nat);
	if (error == 0)
		error = call_send_invite(call, invite, SIP_TEXT(""), false);
	if (error < 0) {
		give_up(call, error);
		return;
	}
	counter_inc(call->engine->counters, again ? COUNTER_resolver_next_addresses : COUNTER_signaling_attempts);
	call_stage_start(call, STAGE_INVITE);
}

void call_release_callee(struct call *call)
{
	if (call->callee_gateway != GATEWAY_NO_ID)
		gateway_release(call->engine, call->callee_gateway);
	call->callee_gateway = GATEWAY_NO_ID;
}

void call_begin(struct call *call, struct sip_message *invite)
{
	struct attempt_target target;

	switch (targets_first(call, &target)) {
	case 0:
		start_attempt(call, invite, &target, false);
		break;
	case -EAGAIN:
		call_close(call, END_REJECTED, END_BY_SERVER, 480, -1);
		break;
	case -EDQUOT:
		call_close(call, END_BUSY, END_BY_SERVER, 486, -1);
		break;
	case -ENOENT:
		call_close(call, END_NO_AVAILABLE_ROUTER, END_BY_SERVER, 503, -1);
		break;
	default:
		call_close(call, END_ALL_GATEWAY_BUSY, END_BY_SERVER, 503, -1);
	}
}

/* ---- the next ---- */

struct outcome {
	unsigned int code;
	enum end_reason reason;
	enum end_direction direction;
	bool stop;
};

/* Bill the attempt that is over. False when there is no room: then it has to be the last one. */
static bool bill_attempt(struct call *call, const struct outcome *outcome)
{
	struct call_record *record = call->record;

	record->end_us = call->engine->now_us;
	record->sip_code = (uint16_t)outcome->code;
	record->q850_cause = (uint16_t)call_cause(call, outcome->reason, outcome->direction, outcome->code);
	record->end_reason = (uint8_t)outcome->reason;
	record->end_direction = (uint8_t)outcome->direction;
	record->final = false;
	atomic_thread_fence(memory_order_release);
	if (call->work->parameters.record_nonconnect) {
		record->attempt_over = ATTEMPT_TO_PUBLISH;
		atomic_thread_fence(memory_order_release);
		if (cdr_publish(call) < 0) {
			record->attempt_over = ATTEMPT_RUNS;
			return false;
		}
	}
	call_attempt_published(record);
	return true;
}

/* Where to go on: another place of who is called already, which is no switch, or the next gateway. False: nowhere. */
static bool find_next(struct call *call, struct attempt_target *next, bool *switches, enum end_reason *reason)
{
	*switches = false;
	if (targets_next_place(call, next))
		return true;
	*switches = true;
	if (call->work->attempts < call->work->parameters.switch_limit)
		return targets_next_gateway(call, next);
	if (targets_gateways_left(call))
		*reason = END_SWITCH_LIMIT;
	return false;
}

static void leave_gateway(struct call *call)
{
	call_release_callee(call);
	redirect_forget(call);
	call->work->attempts++;
}

static void attempt_over(struct call *call, const struct outcome *outcome)
{
	struct attempt_target next;
	enum end_reason reason = outcome->reason;
	bool switches = false;

	timer_stop(&call->engine->wheel, &call->timer);
	bool found = !outcome->stop && find_next(call, &next, &switches, &reason);

	if (found && bill_attempt(call, outcome)) {
		if (next.kind != TARGET_REDIRECT)
			counter_inc(call->engine->counters, COUNTER_signaling_switches);
		if (switches)
			leave_gateway(call);
		start_attempt(call, transaction_request(call->engine, call->caller_invite), &next, false);
		return;
	}
	if (found && switches)
		gateway_release(call->engine, next.gateway);
	call_close(call, reason, outcome->direction, outcome->code, -1);
}

static bool is_stop_code(const struct call *call, unsigned int code)
{
	const struct config_routing_gateway *gateway = NULL;

	if (call->work->targets.kind != TARGET_PHONE)
		gateway = gateway_routing(call->engine->snapshot, call->callee_gateway);
	for (unsigned int i = 0; gateway && i < gateway->stop_codes_count; i++)
		if (gateway->stop_codes[i] == code)
			return true;
	return false;
}

static bool committed(const struct call *call)
{
	return (call->work->sdp_seen && call->work->policy.stop_after_sdp) ||
	       (call->work->rtp_started && call->work->policy.stop_after_rtp);
}

static bool stops(const struct call *call, unsigned int code)
{
	if (committed(call) || is_stop_code(call, code))
		return true;
	if (code == 486 || code == 600)
		return call->work->policy.stop_after_busy;
	return code >= 600;
}

/* A vendor that asks who we are is answered once (RFC 3261 section 22.2). */
static bool answer_challenge(struct call *call, struct sip_message *response)
{
	struct engine *engine = call->engine;
	const struct call_dialog *d = &call->record->dialog[CALLEE];
	struct client_auth auth;

	if (call->work->targets.kind == TARGET_PHONE ||
	    client_auth_answer(engine, call->callee_gateway, &d->flow.remote, NULL, SIP_TEXT("INVITE"),
			       call_text(call, d->target), response, &auth) < 0 ||
	    !client_auth_helps(&auth, call->work->challenged))
		return false;
	call->work->challenged++;
	struct sip_message *invite = transaction_request(engine, call->caller_invite);

	return invite && call_send_invite(call, invite, sip_text(auth.value, auth.len), auth.proxy) == 0;
}

#define RAISES_MAX 3u

/* A vendor for which our session interval is too short gets a longer one (RFC 4028 section 7.3): no switch. */
static bool raise_interval(struct call *call, struct sip_message *response)
{
	struct sip_message *invite = transaction_request(call->engine, call->caller_invite);

	if (!invite || call->work->raised == RAISES_MAX || !session_timer_raise(call, CALLEE, response))
		return false;
	call->work->raised++;
	call->work->challenged = 0;
	return call_send_invite(call, invite, SIP_TEXT(""), false) == 0;
}

/* RFC 3263 section 4.3: who is silent, or answers 503, may have another address, and is asked there: no switch. */
static bool next_address(struct call *call)
{
	struct attempt_target target;

	if (committed(call) || !targets_next_address(call, &target))
		return false;
	timer_stop(&call->engine->wheel, &call->timer);
	start_attempt(call, transaction_request(call->engine, call->caller_invite), &target, true);
	return true;
}

static uint32_t retry_after_of(const struct sip_message *response)
{
	struct sip_retry_after after;

	if (!sip_message_has(response, SIP_H_RETRY_AFTER) ||
	    sip_retry_after_parse(&after, sip_message_value(response, SIP_H_RETRY_AFTER)) < 0)
		return 0;
	return after.delta_s;
}

/* A 3xx is followed as the gateway says. If not, it may be the caller's to follow, and then it ends the search. */
static bool redirection_stops(struct call *call, const struct sip_message *response, bool stop)
{
	if (!stop && redirect_take(call, response))
		return false;
	return redirect_pass(call, response) || stop;
}

void call_failure(struct call *call, const struct call_event *event)
{
	unsigned int code = event->message->status;

	if (event->transaction != call->callee_invite)
		return;
	call->callee_invite = NULL;
	if (((code == 401 || code == 407) && answer_challenge(call, event->message)) ||
	    (code == 422 && raise_interval(call, event->message))) {
		call_stage_start(call, STAGE_INVITE);
		return;
	}
	if (code == 503 && next_address(call))
		return;
	call->cause_told = call_told_cause(event->message);
	/* What somebody else says of himself is not said of the gateway. */
	gateway_report(call->engine, call->callee_gateway, code,
		       redirect_leads_away(call) ? 0 : retry_after_of(event->message));
	bool stop = stops(call, code);

	if (code < 400)
		stop = redirection_stops(call, event->message, stop);
	attempt_over(call, &(struct outcome){code, call_reason_of(code), END_BY_CALLEE, stop});
}

static const struct {
	enum end_reason reason;
	uint16_t code;
	bool only_until_connect; /* progress was made: switch only when told to */
} stage_end[STAGE_COUNT] = {
    [STAGE_INVITE] = {END_INVITE_TIMEOUT, 408, false},    [STAGE_TRYING] = {END_TRYING_TIMEOUT, 408, false},
    [STAGE_PROGRESS] = {END_PROGRESS_TIMEOUT, 480, true}, [STAGE_PROGRESS_SDP] = {END_PROGRESS_TIMEOUT, 480, true},
    [STAGE_RINGING] = {END_RINGING_TIMEOUT, 480, true},
};

/* Also when the transaction itself gave up: it resends no longer than the schedule. */
void call_stage_timeout(struct call *call, const struct call_event *event)
{
	enum call_stage stage = (enum call_stage)call->work->stage_now;
	bool stop = committed(call);

	if (call->callee_invite)
		transaction_cancel(call->engine, call->callee_invite,
				   end_reason_info[stage_end[stage].reason].q850_cause, stage_end[stage].code);
	call->callee_invite = NULL;
	if (stage == STAGE_INVITE && next_address(call))
		return;
	if (stage == STAGE_INVITE) {
		stop |= call->work->policy.stop_after_invite_timeout;
		gateway_report(call->engine, call->callee_gateway, 0, 0);
	} else if (stage_end[stage].only_until_connect) {
		stop |= !call->work->policy.until_connect;
	}
	attempt_over(call, &(struct outcome){stage_end[stage].code, stage_end[stage].reason, END_BY_SERVER, stop});
}
