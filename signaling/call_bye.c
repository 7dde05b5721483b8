/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a call, whoever ends it. */
#include <errno.h>
#include <string.h>

#include "signaling/own_request.h"

/* ---- what is due ---- */

static int send_bye(struct call *call, enum call_side side, const struct client_auth *auth);

/* A gateway that wants credentials with the BYE would bill the call on without. */
static bool answer_challenge(struct call *call, enum call_side side, struct sip_message *response)
{
	struct client_auth auth;

	if ((response->status != 401 && response->status != 407) ||
	    own_request_credentials(call, side, SIP_TEXT("BYE"), response, &auth) < 0 ||
	    !client_auth_helps(&auth, call->bye_challenged))
		return false;
	call->bye_challenged++;
	return send_bye(call, side, &auth) == 0;
}

static void bye_response(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	struct call *call = t->owner;
	enum call_side side = (enum call_side)t->owner_side;

	if (response->status < 200)
		return;
	bool begun = call_write_begin(call), again = answer_challenge(call, side, response);

	call_write_end(call, begun);
	/* The dialog is over whatever else the answer. */
	if (again)
		return;
	call_dispatch(t->owner, &(struct call_event){.type = CALL_EVENT_BYE_DONE, .side = side});
}

static void bye_failed(struct engine *engine, struct transaction *t)
{
	counter_inc(engine->counters, COUNTER_signaling_byes_unanswered);
	call_dispatch(t->owner,
		      &(struct call_event){.type = CALL_EVENT_BYE_DONE, .side = (enum call_side)t->owner_side});
}

static const struct transaction_user bye_user = {.response = bye_response, .failed = bye_failed};

/* -ENOBUFS: there is no room to send it from now; -EMSGSIZE: there never will be. */
static int send_bye(struct call *call, enum call_side side, const struct client_auth *auth)
{
	struct engine *engine = call->engine;
	struct call_record *record = call->record;
	struct call_dialog *d = &record->dialog[side];
	struct dialog dialog;
	struct sip_flow flow;
	struct sip_builder b;
	char branch[IDENTIFIER_BRANCH], reason[REASON_MAX];

	call_dialog(call, side, &dialog);
	call_next_hop(call, side, &dialog, &flow);
	struct transaction *t = transaction_client_new(engine, SIP_BYE, &flow, &bye_user, call);

	if (!t)
		return -ENOBUFS;
	t->owner_side = side;
	transaction_branch(engine, t, branch);
	d->local_cseq++;
	sip_build_init(&b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	dialog_build_request(call->engine, &b, &dialog, SIP_TEXT("BYE"), d->local_cseq, &flow.local,
			     sip_text(branch, sizeof(branch)));
	sip_build_header(&b, SIP_H_REASON,
			 call_reason_text(engine, record->q850_cause, call_failed_with(record), reason));
	if (auth)
		sip_build_header(&b, auth->proxy ? SIP_H_PROXY_AUTHORIZATION : SIP_H_AUTHORIZATION,
				 sip_text(auth->value, auth->len));
	sip_build_no_body(&b);
	int len = sip_build_finish(&b);

	if (len < 0) {
		counter_inc(engine->counters, COUNTER_signaling_build_failures);
		transaction_free(engine, t);
		return len;
	}
	int error = transaction_send_request(engine, t, engine->scratch, (uint32_t)len);

	if (error == 0)
		call->bye_sent |= 1u << side;
	return error;
}

#define BYE_RETRY_US   (1 * US_PER_S)  /* when there was no room */
#define BYE_GIVE_UP_US (60 * US_PER_S) /* after the end of the call */

static void settle_bye(struct call *call, enum call_side side)
{
	struct call_dialog *d = &call->record->dialog[side];

	if (!(d->flags & DIALOG_BYE_DUE) || (call->bye_sent & 1u << side))
		return;
	/* Not before the ACK to our 200, or before it is certain never to come (RFC 3261 section 15). */
	if (d->flags & DIALOG_ACK_DUE)
		return;
	int error = send_bye(call, side, NULL);
	uint64_t now_us = call->engine->now_us;

	if (error == -ENOBUFS && now_us < call->record->end_us + BYE_GIVE_UP_US) {
		timer_start(&call->engine->wheel, &call->timer, now_us + BYE_RETRY_US, call_on_stage);
	} else if (error < 0) {
		counter_inc(call->engine->counters, COUNTER_signaling_byes_given_up);
		d->flags &= ~(uint32_t)DIALOG_BYE_DUE;
	}
}

/*
 * The flag stays as long as the record: a datagram leaves at the end of the poll, and one that was lost is sent again
 * by this life only. What a vendor's 3xx said is forgotten with it, and no other end is told then.
 */
static void settle_response(struct call *call)
{
	struct call_dialog *d = &call->record->dialog[CALLER];

	if (!(d->flags & DIALOG_RESPONSE_DUE) || call->response_sent)
		return;
	if (!call->caller_invite && call->recovered)
		call_restore_caller(call);
	call_send_failure(call);
	call->response_sent = call->leaving = true;
	if (call->engine->calls->redirect_told)
		d->flags &= ~(uint32_t)DIALOG_RESPONSE_DUE;
}

static void settle_cancel(struct call *call)
{
	struct call_dialog *d = &call->record->dialog[CALLEE];

	if (!(d->flags & DIALOG_CANCEL_DUE) || call->cancel_sent)
		return;
	if (!call->callee_invite && call->recovered)
		call_restore_callee(call);
	if (!call->callee_invite) {
		d->flags &= ~(uint32_t)DIALOG_CANCEL_DUE;
		return;
	}
	transaction_cancel(call->engine, call->callee_invite, call->record->q850_cause, call->record->sip_code);
	call->callee_invite = NULL;
	call->cancel_sent = call->leaving = true;
}

static bool anything_due(const struct call *call)
{
	const struct call_dialog *d = call->record->dialog;

	return ((d[CALLER].flags | d[CALLEE].flags) & DIALOG_BYE_DUE) ||
	       ((d[CALLER].flags & DIALOG_RESPONSE_DUE) && !call->response_sent) ||
	       ((d[CALLEE].flags & DIALOG_CANCEL_DUE) && !call->cancel_sent);
}

void call_settle(struct call *call)
{
	settle_response(call);
	settle_cancel(call);
	settle_bye(call, CALLER);
	settle_bye(call, CALLEE);
	if (call_state(call) != CALL_BILLED || !call_media_is_told(call) || anything_due(call))
		return;
	if (call->leaving)
		timer_start(&call->engine->wheel, &call->media, call->engine->now_us + US_PER_MS, call_on_media);
	else
		call_free(call);
}

/* ---- the end ---- */

static void end_passing(struct call *call)
{
	if (!call->work)
		return;
	own_request_end(call);
	for (enum call_side side = CALLER; side < CALL_SIDES; side++) {
		struct transaction *t = call_reinvite(call, side);

		if (!t)
			continue;
		struct sip_message *request = transaction_request(call->engine, t);

		/* Answered first: the CANCEL is made of another kept message. */
		if (request && t->state <= TRANSACTION_PROCEEDING)
			transaction_respond(call->engine, t, request, 487, NULL, NULL);
		if (t->peer)
			transaction_cancel(call->engine, t->peer, call->record->q850_cause,
					   call_failed_with(call->record));
		/* A 2xx that awaits its ACK need not come again: the BYE says more. */
		if (t->state == TRANSACTION_ACCEPTED)
			transaction_acked(call->engine, t);
		else
			transaction_detach(t);
	}
	call_work_free(call);
}

static void set_due(struct call *call, int spare)
{
	struct call_dialog *d = call->record->dialog;

	if (call_state(call) == CALL_SETUP)
		return; /* RESPONSE_DUE and CANCEL_DUE stand since their INVITE */
	for (int side = 0; side < CALL_SIDES; side++)
		if (side != spare)
			d[side].flags |= DIALOG_BYE_DUE;
	call_ack_awaited(call);
	/* What an earlier life waited for, whose caller never acknowledged. */
	if (call->record->bodyless && !call->record->callee_acked)
		call_ack_callee(call, CALLEE, NULL, call->record->branch_serial, d[CALLEE].invite_cseq, SIP_TEXT(""));
}

static void release(struct call *call)
{
	struct engine *engine = call->engine;
	const struct call_record *record = call->record;
	uint64_t talk_us = record->answer_us ? record->end_us - record->answer_us : 0;

	if (record->answer_us) {
		gateway_talked(engine, call->caller_gateway, talk_us);
		gateway_talked(engine, call->callee_gateway, talk_us);
	}
	call_release_callee(call);
	if (call->caller_gateway != GATEWAY_NO_ID)
		gateway_release(engine, call->caller_gateway);
	call->caller_gateway = GATEWAY_NO_ID;
}

unsigned int call_cause(const struct call *call, enum end_reason reason, enum end_direction direction,
			unsigned int code)
{
	if (call->cause_told)
		return call->cause_told;
	if (direction == END_BY_CALLEE && !call->record->answer_us)
		return call_cause_of(code);
	return end_reason_info[reason].q850_cause;
}

void call_forget_unheard_answer(struct call *call)
{
	struct call_record *record = call->record;

	if (!record->answer_us || !(record->dialog[CALLER].flags & DIALOG_RESPONSE_DUE))
		return;
	record->answer_us = 0;
	if (record->sip_code < 300)
		record->sip_code = 480;
}

void call_close(struct call *call, enum end_reason reason, enum end_direction direction, unsigned int code, int spare)
{
	struct call_record *record = call->record;

	timer_stop(&call->engine->wheel, &call->timer);
	if (call->recovered && record->attempt_over && call_state(call) == CALL_SETUP)
		call_recover_attempt(call);
	record->end_us = call->engine->now_us;
	record->end_reason = (uint8_t)reason;
	record->end_direction = (uint8_t)direction;
	record->sip_code = (uint16_t)code;
	record->q850_cause = (uint16_t)call_cause(call, reason, direction, code);
	record->final = true;
	bool unanswered = reliable_take_answer_back(call);

	set_due(call, spare);
	if (unanswered)
		record->dialog[CALLER].flags &= ~(uint32_t)DIALOG_BYE_DUE;
	end_passing(call);
	if (!record->attempt) {
		record->attempt_us = record->setup_us;
		record->attempt = 1;
	}
	call_set_state(call, CALL_CLOSING);
	/* Not before: an answered call that awaits no ACK goes on in another life. */
	atomic_thread_fence(memory_order_release);
	if (unanswered || reason == END_ACK_TIMEOUT)
		record->dialog[CALLER].flags &= ~(uint32_t)DIALOG_ACK_DUE;
	call_forget_unheard_answer(call);
	release(call);
	counter_inc(call->engine->counters, COUNTER_signaling_calls_ended);
	call_settle(call);
	call_media_close(call);
}

void call_bye(struct call *call, const struct call_event *event)
{
	transaction_respond(call->engine, event->transaction, event->message, 200, NULL, NULL);
	call_note_reason(call, event->message);
	/* Whoever hangs up has no more use for our 200, acknowledged or not. */
	if (event->side == CALLER && !reliable_answer_waits(call)) {
		call->record->dialog[CALLER].flags &= ~(uint32_t)DIALOG_ACK_DUE;
		if (call->caller_invite)
			transaction_acked(call->engine, call->caller_invite);
		call->caller_invite = NULL;
	}
	call_close(call, END_NORMAL, event->side == CALLER ? END_BY_CALLER : END_BY_CALLEE, call->record->sip_code,
		   (int)event->side);
}

/* A BYE of a side to which ours is on its way: it will be answered, too, but is no longer needed. */
void call_bye_crossed(struct call *call, const struct call_event *event)
{
	struct call_dialog *d = &call->record->dialog[event->side];

	transaction_respond(call->engine, event->transaction, event->message, 200, NULL, NULL);
	if (event->side == CALLER && call->caller_invite && (d->flags & DIALOG_ACK_DUE)) {
		transaction_acked(call->engine, call->caller_invite);
		call->caller_invite = NULL;
		d->flags &= ~(uint32_t)DIALOG_ACK_DUE;
	}
	if (call->bye_sent & 1u << event->side)
		return; /* until its answer comes */
	d->flags &= ~(uint32_t)DIALOG_BYE_DUE;
	call_settle(call);
}

void call_bye_done(struct call *call, const struct call_event *event)
{
	call->record->dialog[event->side].flags &= ~(uint32_t)DIALOG_BYE_DUE;
	call->bye_sent &= ~(1u << event->side);
	call_settle(call);
}

void call_cancelled(struct call *call, const struct call_event *event)
{
	call_note_reason(call, event->message);
	call_close(call, END_CALLER_CANCEL, END_BY_CALLER, 487, -1);
}
