/* SPDX-License-Identifier: Apache-2.0 */
/* What time ends or refreshes in a conversation: one timer for whatever comes first. */
#include "signaling/own_request.h"
#include "signaling/session_timer.h"

struct deadline {
	uint64_t at_us; /* 0 = never */
	enum call_event_type type;
	enum call_side side;
};

static void consider(struct deadline *first, uint64_t at_us, enum call_event_type type, enum call_side side)
{
	if (at_us && (!first->at_us || at_us < first->at_us))
		*first = (struct deadline){at_us, type, side};
}

/* How long the conversation may last, 0 = for ever. A caller may begin a session timer at any time. */
static uint32_t longest_s(const struct call *call, enum end_reason *reason)
{
	uint32_t most_s = call->record->max_duration_s, no_timer_s = call->record->no_timer_s;

	if (no_timer_s && (!most_s || no_timer_s < most_s) && !session_timer_runs(call, CALLER)) {
		*reason = END_NO_TIMER_LIMIT;
		return no_timer_s;
	}
	*reason = END_MAX_DURATION;
	return most_s;
}

/* Of those at the same time the one that is considered first. */
static struct deadline first_of(const struct call *call)
{
	const struct call_record *record = call->record;
	struct deadline first = {.at_us = 0};
	enum end_reason reason;
	uint32_t limit_s = longest_s(call, &reason);

	if (limit_s)
		consider(&first, record->answer_us + limit_s * US_PER_S, CALL_EVENT_LIMIT, CALLER);
	for (enum call_side side = CALLER; side < CALL_SIDES; side++) {
		if (!session_timer_runs(call, side) && !(record->dialog[side].flags & DIALOG_OFFER_DUE))
			continue;
		consider(&first, session_timer_end_us(record, side), CALL_EVENT_SESSION_TIMEOUT, side);
		consider(&first, record->dialog[side].session_refresh_us, CALL_EVENT_REFRESH, side);
	}
	return first;
}

void call_deadline_start(struct call *call)
{
	struct timer_wheel *wheel = &call->engine->wheel;
	struct deadline first = first_of(call);

	if (first.at_us)
		timer_start(wheel, &call->timer, first.at_us, call_on_deadline);
	else
		timer_stop(wheel, &call->timer);
}

void call_on_deadline(struct timer *timer, void *context)
{
	struct call *call = (struct call *)((char *)timer - offsetof(struct call, timer));
	struct deadline first = first_of(call);

	/* The wheel may be early, and what was due may have moved on. */
	if (!first.at_us || first.at_us > call->engine->now_us)
		call_deadline_start(call);
	else
		call_dispatch(call, &(struct call_event){.type = first.type, .side = first.side});
}

void call_limit(struct call *call, const struct call_event *event)
{
	enum end_reason reason;

	longest_s(call, &reason);
	call_close(call, reason, END_BY_SERVER, call->record->sip_code, -1);
}

void call_session_timeout(struct call *call, const struct call_event *event)
{
	counter_inc(call->engine->counters, COUNTER_session_timer_timeouts);
	call_close(call, END_SESSION_TIMEOUT, END_BY_SERVER, call->record->sip_code, -1);
}

void call_dialog_gone(struct call *call, unsigned int code)
{
	counter_inc(call->engine->counters, COUNTER_session_timer_dialogs_gone);
	call_close(call, END_SESSION_TIMEOUT, END_BY_SERVER, code, -1);
}

#define IN_THE_WAY_US (2 * US_PER_S) /* another request that refreshes the session, too, or that forbids ours */

void call_refresh(struct call *call, const struct call_event *event)
{
	if (own_request_may_go(call, event->side))
		own_request_refresh(call, event->side);
	else
		session_timer_refresh_in(call, event->side, IN_THE_WAY_US);
	/* Not when that has ended the call. */
	if (call->record && call_state(call) <= CALL_ESTABLISHED)
		call_deadline_start(call);
}
