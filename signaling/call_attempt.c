/* SPDX-License-Identifier: Apache-2.0 */
/* Which gateway is next, and when the search is over. */
#include <errno.h>
#include <string.h>

#include "signaling/call.h"
#include "signaling/client_auth.h"
#include "signaling/early_dialog.h"
#include "signaling/gateway_address.h"
#include "signaling/keyed_hash.h"
#include "signaling/registrar.h"
#include "signaling/route.h"
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
			  const char *network, enum media_mode mode, bool again)
{
	int error = -ENOBUFS;

	clear_attempt(call);
	if (!again)
		number_attempt(call->record, call->engine->now_us);
	if (invite && call_fill_callee(call, invite, target))
		error = call_media_prepare(call, invite, network, mode, target->behind_nat);
	if (error == 0)
		error = call_send_invite(call, invite, SIP_TEXT(""), false);
	if (error < 0) {
		give_up(call, error);
		return;
	}
	counter_inc(call->engine->counters, again ? COUNTER_resolver_next_addresses : COUNTER_signaling_attempts);
	call_stage_start(call, STAGE_INVITE);
}

static void start_gateway(struct call *call, struct sip_message *invite, uint32_t id, const struct sip_flow *flow,
			  bool again)
{
	const struct config_routing_gateway *gateway = gateway_routing(call->engine->snapshot, id);
	struct attempt_target target = {
	    .flow = *flow,
	    .name = sip_text_of(gateway->name),
	    .host = sip_text_of(gateway->host ? gateway->host : ""),
	    .host_port = gateway->host_port,
	    .behind_nat = call->work->gateway_behind_nat,
	    .caller = &gateway->caller,
	    .callee = &gateway->callee,
	};

	call->callee_gateway = id;
	set_policy(call, gateway);
	call->record->silence_limit_ms = call->work->parameters.no_media_hangup_s * 1000u;
	call->record->silence_watch = (uint8_t)gateway->silence_watch;
	start_attempt(call, invite, &target, gateway->network, gateway->media_mode, again);
}

/* The flow to a gateway: to its address, or to where it has registered from. 0 or negative: it can't be reached. */
static int reach(struct call *call, const struct config_routing_gateway *gateway, uint32_t id, struct sip_flow *flow)
{
	struct engine *engine = call->engine;
	struct binding_target binding;
	int error;

	call->work->gateway_behind_nat = false;
	call->work->addresses_tried = 0;
	if (!gateway->registered)
		return gateway_address_pick(engine, id, &call->work->addresses_tried, flow);
	call->work->addresses_tried = UINT8_MAX; /* it has no other */
	error = binding_lookup_gateway(engine, gateway->registered, &binding);
	if (error < 0)
		return error;
	*flow = binding.flow;
	call->work->gateway_behind_nat = binding.behind_nat;
	return 0;
}

/* The next candidate that takes the call now, admitted; GATEWAY_NO_ID: none. */
static uint32_t next_gateway(struct call *call, struct sip_flow *flow)
{
	struct engine *engine = call->engine;

	while (call->work->candidate_next < call->work->candidate_count) {
		uint32_t id = call->work->candidate[call->work->candidate_next++];
		const struct config_routing_gateway *gateway = gateway_routing(engine->snapshot, id);

		if (!gateway || reach(call, gateway, id, flow) < 0)
			continue;
		if (gateway_admit(engine, GATEWAY_CALLEE, id, false) == GATEWAY_OK)
			return id;
	}
	return GATEWAY_NO_ID;
}

void call_release_callee(struct call *call)
{
	if (call->callee_gateway != GATEWAY_NO_ID)
		gateway_release(call->engine, GATEWAY_CALLEE, call->callee_gateway);
	call->callee_gateway = GATEWAY_NO_ID;
}

/* ---- the first ---- */

static uint64_t contact_hash(const struct engine *engine, const struct binding_target *binding)
{
	return keyed_hash(engine->hash_key, 0x636f6e74, binding->contact, binding->contact_len);
}

static bool was_tried(const struct call *call, uint64_t contact)
{
	for (unsigned int i = 0; i < call->work->contacts_tried; i++)
		if (call->work->contact_tried[i] == contact)
			return true;
	return false;
}

/* The best contact of the phone that has not been tried: serial forking (RFC 3261 section 16.6, by q). */
static bool next_contact(struct call *call, struct binding_target *next)
{
	struct binding_target targets[BINDINGS_PER_USER];
	int count = 0;

	if (call->work->contacts_tried < BINDINGS_PER_USER)
		count = binding_lookup_all(call->engine, call->work->callee, call->work->callee_len, targets,
					   BINDINGS_PER_USER);
	for (int i = 0; i < count; i++)
		if (!was_tried(call, contact_hash(call->engine, &targets[i]))) {
			*next = targets[i];
			return true;
		}
	return false;
}

static void start_contact(struct call *call, struct sip_message *invite, const struct binding_target *binding)
{
	struct attempt_target target = {
	    .flow = binding->flow,
	    .uri = sip_text(binding->contact, binding->contact_len),
	    .name = sip_text(call->work->callee, call->work->callee_len),
	    .behind_nat = binding->behind_nat,
	    .is_phone = true,
	};

	call->work->contact_tried[call->work->contacts_tried++] = contact_hash(call->engine, binding);
	start_attempt(call, invite, &target, NULL, MEDIA_SYSTEM, false);
}

static void begin_phone(struct call *call, struct sip_message *invite, const struct binding_target *binding)
{
	if (gateway_admit(call->engine, GATEWAY_CALLEE, binding->gateway, false) != GATEWAY_OK) {
		call_close(call, END_BUSY, END_BY_SERVER, 486, -1);
		return;
	}
	call->callee_gateway = binding->gateway;
	call->work->to_phone = true;
	set_policy(call, NULL);
	call->record->silence_limit_ms = call->work->parameters.no_media_hangup_s * 1000u;
	call->record->silence_watch = SILENCE_BOTH;
	start_contact(call, invite, binding);
}

static void begin_route(struct call *call, struct sip_message *invite)
{
	struct route_result result = {0};
	struct sip_flow flow;

	route_select(call->engine, call->work->callee, call->work->callee_len, &result);
	if (!result.matched) {
		call_close(call, END_NO_AVAILABLE_ROUTER, END_BY_SERVER, 503, -1);
		return;
	}
	call->work->candidate_count = (uint8_t)result.count;
	memcpy(call->work->candidate, result.gateway, result.count * sizeof(result.gateway[0]));
	uint32_t id = next_gateway(call, &flow);

	if (id == GATEWAY_NO_ID)
		call_close(call, END_ALL_GATEWAY_BUSY, END_BY_SERVER, 503, -1);
	else
		start_gateway(call, invite, id, &flow, false);
}

void call_begin(struct call *call, struct sip_message *invite)
{
	struct binding_target binding;

	switch (binding_lookup(call->engine, call->work->callee, call->work->callee_len, &binding)) {
	case 0:
		begin_phone(call, invite, &binding);
		break;
	case -EAGAIN:
		call_close(call, END_REJECTED, END_BY_SERVER, 480, -1);
		break;
	default:
		begin_route(call, invite);
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
	record->attempt_over = ATTEMPT_PUBLISHED;
	atomic_thread_fence(memory_order_release);
	return true;
}

/* A phone that has registered several contacts is tried at the next; it stays one call of its capacity. */
static bool try_next_contact(struct call *call, const struct outcome *outcome)
{
	struct binding_target next;

	if (!call->work->to_phone || outcome->stop || !next_contact(call, &next) || !bill_attempt(call, outcome))
		return false;
	counter_inc(call->engine->counters, COUNTER_signaling_switches);
	start_contact(call, transaction_request(call->engine, call->caller_invite), &next);
	return true;
}

static void attempt_over(struct call *call, const struct outcome *outcome)
{
	struct sip_flow flow;
	enum end_reason reason = outcome->reason;
	uint32_t next = GATEWAY_NO_ID;

	timer_stop(&call->engine->wheel, &call->timer);
	if (try_next_contact(call, outcome))
		return;
	if (!outcome->stop && call->work->attempts >= call->work->parameters.switch_limit) {
		if (call->work->candidate_next < call->work->candidate_count)
			reason = END_SWITCH_LIMIT;
	} else if (!outcome->stop) {
		next = next_gateway(call, &flow);
	}
	if (next != GATEWAY_NO_ID && bill_attempt(call, outcome)) {
		call_release_callee(call);
		call->work->attempts++;
		counter_inc(call->engine->counters, COUNTER_signaling_switches);
		start_gateway(call, transaction_request(call->engine, call->caller_invite), next, &flow, false);
		return;
	}
	if (next != GATEWAY_NO_ID)
		gateway_release(call->engine, GATEWAY_CALLEE, next);
	call_close(call, reason, outcome->direction, outcome->code, -1);
}

static bool is_stop_code(const struct call *call, unsigned int code)
{
	const struct config_routing_gateway *gateway = NULL;

	if (!call->work->to_phone)
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
	struct client_auth auth;

	if (call->work->to_phone ||
	    client_auth_answer(engine, call->callee_gateway, SIP_TEXT("INVITE"),
			       call_text(call, call->record->dialog[CALLEE].target), response, &auth) < 0 ||
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
	struct engine *engine = call->engine;
	const struct config_routing_gateway *gateway = NULL;
	struct sip_flow flow;

	if (!call->work->to_phone)
		gateway = gateway_routing(engine->snapshot, call->callee_gateway);
	if (!gateway || !gateway->host || committed(call) ||
	    gateway_address_pick(engine, call->callee_gateway, &call->work->addresses_tried, &flow) < 0)
		return false;
	timer_stop(&engine->wheel, &call->timer);
	start_gateway(call, transaction_request(engine, call->caller_invite), call->callee_gateway, &flow, true);
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
	gateway_report(call->engine, GATEWAY_CALLEE, call->callee_gateway, code, retry_after_of(event->message));
	attempt_over(call, &(struct outcome){code, call_reason_of(code), END_BY_CALLEE, stops(call, code)});
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
		stop = call->work->policy.stop_after_invite_timeout;
		gateway_report(call->engine, GATEWAY_CALLEE, call->callee_gateway, 0, 0);
	} else if (stage_end[stage].only_until_connect) {
		stop |= !call->work->policy.until_connect;
	}
	attempt_over(call, &(struct outcome){stage_end[stage].code, stage_end[stage].reason, END_BY_SERVER, stop});
}
