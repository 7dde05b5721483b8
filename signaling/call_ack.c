/* SPDX-License-Identifier: Apache-2.0 */
/* ACKs to a 2xx, of the first INVITE and of those in the dialogs; some bring a description that has to cross. */
#include "signaling/session_timer.h"

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

void call_ack_awaited(struct call *call)
{
	struct call_work *work = call->work;

	if (!work || !work->answer_awaiting_ack)
		return;
	call_ack_callee(call, work->ack_side, call_awaiting_ack(call), work->ack_serial, work->ack_cseq, SIP_TEXT(""));
	work->answer_awaiting_ack = NULL;
}

static bool acked(struct call *call, const struct call_event *event)
{
	struct call_work *work = call->work;
	struct transaction *reinvite = call_reinvite(call, event->side);
	const struct call_dialog *caller = &call->record->dialog[CALLER];
	uint32_t cseq = sip_message_cseq(event->message)->number;

	if (event->side == CALLER && (caller->flags & DIALOG_ACK_DUE)) {
		call_caller_acked(call, event);
		return cseq == caller->invite_cseq; /* else it is of a re-INVITE that we refused, and comes again */
	}
	if (!reinvite || reinvite->state != TRANSACTION_ACCEPTED || cseq != work->reinvite_cseq[event->side])
		return false;
	transaction_acked(call->engine, reinvite);
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
	session_timer_keep(call, side, sdp);
	call_ack_callee(call, side, client, serial, cseq, sdp);
	call_work_done(call);
}
