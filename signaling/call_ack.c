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

/* One that brought the answer and was lost with an earlier life brings what the record says of it. */
void call_ack_again(struct call *call, enum call_side side, uint64_t serial, uint32_t cseq)
{
	const struct call_dialog *d = &call->record->dialog[side];
	bool brings = side == CALLEE && call->record->bodyless && call->recovered && cseq == d->invite_cseq;
	struct sip_text sdp = brings ? call_text(call, d->local_sdp) : SIP_TEXT("");

	if (brings && !sdp.len && call_media_offer(call, side, &sdp) < 0)
		sdp = SIP_TEXT("");
	call_ack_callee(call, side, NULL, serial, cseq, sdp);
}

static bool is_first(const struct call *call, const struct call_event *event)
{
	return event->side == CALLER && (call->record->dialog[CALLER].flags & DIALOG_ACK_DUE);
}

/* Else it is of a re-INVITE that we refused, and comes again, or of a 200 that we have not sent. */
static bool is_awaited(const struct call *call, const struct call_event *event)
{
	const struct transaction *reinvite = call_reinvite(call, event->side);
	uint32_t cseq = sip_message_cseq(event->message)->number;

	if (is_first(call, event))
		return cseq == call->record->dialog[CALLER].invite_cseq && !reliable_answer_waits(call);
	return reinvite && reinvite->state == TRANSACTION_ACCEPTED && cseq == call->work->reinvite_cseq[event->side];
}

/* What the other side awaits: its ACK, with what this one says. */
static void pass(struct call *call, const struct call_event *event, bool first)
{
	const struct call_record *record = call->record;
	struct call_work *work = call->work;
	enum call_side side = first ? CALLEE : work->ack_side;
	uint32_t cseq = first ? record->dialog[CALLEE].invite_cseq : work->ack_cseq;
	uint64_t serial = first ? record->branch_serial : work->ack_serial;
	struct transaction *client = call_awaiting_ack(call);
	struct sip_text sdp;

	if (work)
		work->answer_awaiting_ack = NULL;
	if (call_media_pass(call, event->side, event->message, &sdp) < 0)
		sdp = SIP_TEXT("");
	/* The first answer is kept for call_ack_again(), where that can't make it anew. */
	if (first && !(record->dialog[side].flags & DIALOG_SDP_PLAIN))
		call_put_description(call, side, sdp);
	else
		session_timer_keep(call, side, sdp);
	call_ack_callee(call, side, client, serial, cseq, sdp);
}

void call_ack(struct call *call, const struct call_event *event)
{
	bool first = event->side == CALLER && call->record->bodyless && !call->record->callee_acked;

	if (!is_awaited(call, event))
		return;
	/* Before it counts as come: killed in between, we send our 200 again, and so it comes again. */
	if (first || (call->work && call->work->answer_awaiting_ack))
		pass(call, event, first);
	if (is_first(call, event))
		call_caller_acked(call, event);
	else
		transaction_acked(call->engine, call_reinvite(call, event->side));
	call_work_done(call);
}
