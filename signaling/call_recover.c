/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that an earlier life of the process left in shared memory: conversations go on, what was half-made is
 * ended on both sides, what was being ended is ended, and what was to be billed is billed.
 */
#include <stdlib.h>
#include <string.h>

#include "signaling/session_timer.h"

#define STEP 64u /* calls dealt with in one tick */

/* ---- transactions of the earlier life ---- */

bool call_restore_caller(struct call *call)
{
	struct engine *engine = call->engine;
	const struct call_record *record = call->record;
	struct sip_text lines = call_text(call, record->response);
	const char *end = lines.len ? memchr(lines.at, '\r', lines.len) : NULL;

	if (!end || !sip_text_starts(lines, "Via: "))
		return false;
	const struct call_dialog *d = &record->dialog[CALLER];
	struct transaction *t =
	    transaction_server_restore(engine, &d->flow, sip_text_span(lines.at + strlen("Via: "), end),
				       call_text(call, d->call_id), call_text(call, d->remote_tag), d->invite_cseq);

	if (!t)
		return false;
	t->user = &call_caller_user;
	t->owner = call;
	call->caller_invite = t;
	return true;
}

/* GATEWAY_NO_ID: it is none any more. */
static uint32_t callee_gateway(const struct call *call)
{
	struct sip_text name = call_text(call, call->record->routing_gateway);
	bool is_phone = call->record->dialog[CALLEE].flags & DIALOG_PHONE;
	uint32_t id;

	if (gateway_find(call->engine, GATEWAY_CALLEE, is_phone, name.at, name.len, &id) < 0)
		return GATEWAY_NO_ID;
	return id;
}

/* The INVITE as far as its CANCEL and its ACK repeat it. */
void call_restore_callee(struct call *call)
{
	struct engine *engine = call->engine;
	const struct call_record *record = call->record;
	const struct call_dialog *d = &record->dialog[CALLEE];
	struct identifier_branch id = {record->worker, record->branch_index, record->branch_serial};
	char branch[IDENTIFIER_BRANCH];
	struct sip_builder b;
	struct dialog dialog;

	call_dialog(call, CALLEE, &dialog);
	identifier_branch_print(&id, branch);
	sip_build_init(&b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	dialog_build_request(call->engine, &b, &dialog, SIP_TEXT("INVITE"), d->invite_cseq, &d->flow.local,
			     sip_text(branch, sizeof(branch)));
	sip_build_no_body(&b);
	int len = sip_build_finish(&b);

	if (len > 0)
		call->callee_invite = transaction_client_restore(engine, record->branch_index, record->branch_serial,
								 &d->flow, engine->scratch, (uint32_t)len);
	if (!call->callee_invite)
		return;
	call->callee_invite->behind_nat = d->flags & DIALOG_BEHIND_NAT;
	call->callee_invite->vendor = callee_gateway(call) + 1;
}

/* ---- by state ---- */

/* Killed between an attempt's record and the next one's beginning. */
void call_recover_attempt(struct call *call)
{
	struct call_record *record = call->record;

	/* A message has ended the call before its turn. No room for this record: there will be for the last. */
	if (record->attempt_over == ATTEMPT_TO_PUBLISH) {
		cdr_publish(call);
		call_attempt_published(record);
	}
	call_forget_attempt(call);
	record->attempt_us = call->engine->now_us;
	record->progress_us = 0;
	/* Killed while it was numbered, it may have its number already. */
	if (record->attempt_published == (uint8_t)record->attempt)
		record->attempt++;
	atomic_thread_fence(memory_order_release);
	record->attempt_over = ATTEMPT_RUNS;
}

/* Half-made. */
static void recover_setup(struct call *call)
{
	struct call_record *record = call->record;

	if (record->attempt_over == ATTEMPT_TO_PUBLISH) {
		if (cdr_publish(call) < 0) {
			timer_start(&call->engine->wheel, &call->timer, call->engine->now_us + 10 * US_PER_MS,
				    call_on_recover);
			return;
		}
		call_attempt_published(record);
	}
	call_close(call, END_NODE_RESTART, END_BY_SERVER, 503, -1);
}

/* The 200 may have been lost, or its ACK: it is sent again until it is acknowledged. */
static void recover_answered(struct call *call)
{
	struct call_record *record = call->record;
	struct call_dialog *d = record->dialog;

	session_timer_recover(call);
	call_deadline_start(call);
	/* Killed on the way into the state. */
	d[CALLER].flags &= ~(uint32_t)DIALOG_RESPONSE_DUE;
	d[CALLEE].flags &= ~(uint32_t)DIALOG_CANCEL_DUE;
	if (!record->bodyless)
		call_ack_callee(call, CALLEE, NULL, record->branch_serial, d[CALLEE].invite_cseq, SIP_TEXT(""));
	if ((d[CALLER].flags & DIALOG_ACK_DUE) && (call->caller_invite || call_restore_caller(call))) {
		call_respond_caller(call, 200, NULL, call_text(call, record->answer));
		return;
	}
	call_set_state(call, CALL_ESTABLISHED);
	d[CALLER].flags &= ~(uint32_t)DIALOG_ACK_DUE;
}

static void recover_established(struct call *call)
{
	session_timer_recover(call);
	call_deadline_start(call);
	call->record->dialog[CALLER].flags &= ~(uint32_t)DIALOG_ACK_DUE;
	call_forget_setup(call);
}

#define UNHEARD_US (32 * US_PER_S) /* 64*T1: a peer that has not heard by then has given up */

static bool is_long_over(const struct call *call)
{
	return call_state(call) >= CALL_CLOSING && call->engine->now_us - call->record->end_us > UNHEARD_US;
}

/* What is over since an earlier life. Its INVITE's transaction is another call's when it is over for long. */
static void recover_over(struct call *call)
{
	struct call_record *record = call->record;

	record->dialog[CALLER].flags &= ~(uint32_t)DIALOG_ACK_DUE;
	if (is_long_over(call)) {
		record->dialog[CALLER].flags &= ~(uint32_t)DIALOG_RESPONSE_DUE;
		record->dialog[CALLEE].flags &= ~(uint32_t)DIALOG_CANCEL_DUE;
	}
	/* Restored for what is not said any more. */
	if (call->caller_invite && !(record->dialog[CALLER].flags & DIALOG_RESPONSE_DUE)) {
		transaction_acked(call->engine, call->caller_invite);
		call->caller_invite = NULL;
	}
}

static void recover_closing(struct call *call)
{
	recover_over(call);
	call_forget_unheard_answer(call);
	call_settle(call);
	call_media_close(call);
}

static void recover_ending(struct call *call)
{
	recover_over(call);
	call_settle(call);
	call_publish(call);
}

static void recover_billed(struct call *call)
{
	recover_over(call);
	call_settle(call);
}

static void (*const recover[CALL_STATE_COUNT])(struct call *call) = {
    [CALL_SETUP] = recover_setup,     [CALL_ANSWERED] = recover_answered, [CALL_ESTABLISHED] = recover_established,
    [CALL_CLOSING] = recover_closing, [CALL_ENDING] = recover_ending,     [CALL_BILLED] = recover_billed,
};

static void recover_call(struct call *call)
{
	struct call_record *record = call->record;
	bool begun = call_write_begin(call);

	recover[call_state(call)](call);
	if (call->record == record)
		call_write_end(call, begun);
}

void call_on_recover(struct timer *timer, void *context)
{
	recover_call((struct call *)((char *)timer - offsetof(struct call, timer)));
}

void calls_recover_step(struct engine *engine)
{
	struct calls *calls = engine->calls;

	if (!calls->recover_count)
		return;
	for (unsigned int i = 0; i < STEP && calls->recover_count; i++) {
		struct call *call = &calls->call[calls->recover[--calls->recover_count]];

		/* A message may have ended it first, and another call have its slot. */
		if (call->record && call->recovered)
			recover_call(call);
	}
	if (!calls->recover_count)
		transactions_release(engine);
}

/* ---- attach ---- */

/* What a record claims must not lead outside the segment, whatever wrote it. */
static bool sound(const struct calls *calls, const struct call_record *record)
{
	return atomic_load_explicit(&record->state, memory_order_acquire) < CALL_STATE_COUNT &&
	       record->arena_used <= CALL_ARENA && record->arena_mark <= record->arena_used &&
	       record->block <= calls->blocks &&
	       record->block_used <= (record->block ? call_table_block_size(calls->count, record->block - 1) : 0) &&
	       record->block_mark <= record->block_used && record->life && session_timer_sound(record) &&
	       memchr(record->codec, '\0', sizeof(record->codec));
}

static void hold_gateways(struct engine *engine, struct call *call)
{
	const struct call_dialog *dialog = call->record->dialog;
	struct sip_text caller = call_text(call, call->record->mapping_gateway);
	bool from_phone = dialog[CALLER].flags & DIALOG_PHONE;
	uint32_t id;

	call->caller_gateway = call->callee_gateway = call->customer = GATEWAY_NO_ID;
	if (gateway_find(engine, GATEWAY_CALLER, from_phone, caller.at, caller.len, &id) == 0)
		call->customer = id;
	if (call_state(call) != CALL_ANSWERED && call_state(call) != CALL_ESTABLISHED)
		return;
	if (call->customer != GATEWAY_NO_ID && gateway_admit(engine, call->customer, true) == GATEWAY_OK)
		call->caller_gateway = call->customer;
	id = callee_gateway(call);
	if (id != GATEWAY_NO_ID && gateway_admit(engine, id, true) == GATEWAY_OK)
		call->callee_gateway = id;
}

static void adopt(struct engine *engine, uint32_t slot, struct call_record *record)
{
	struct calls *calls = engine->calls;
	struct call *call = &calls->call[slot];
	uint32_t sequence = atomic_load_explicit(&record->sequence, memory_order_relaxed);

	call->engine = engine;
	call->slot = slot;
	call->record = record;
	call->recovered = true;
	if (sequence & 1) /* its writer died in the middle */
		atomic_store_explicit(&record->sequence, sequence + 1, memory_order_release);
	hold_gateways(engine, call);
	if (record->dialog[CALLEE].flags & DIALOG_CANCEL_DUE)
		transactions_hold(engine, record->branch_index);
	calls->standing++;
	calls->recover[calls->recover_count++] = slot;
	counter_inc(engine->counters, COUNTER_signaling_calls_recovered);
}

static void mark_ports(struct calls *calls, const struct call_record *record, bool ours)
{
	for (unsigned int side = 0; side < CALL_SIDES; side++)
		if (record->media[side].local.port)
			rtp_ports_mark(calls->ports, record->media_worker, &record->media[side].local,
				       ours ? NULL : record);
}

static void attach_slot(struct engine *engine, uint32_t slot, bool *block_used)
{
	struct calls *calls = engine->calls;
	struct call_record *record = call_table_record(calls->table, slot);
	bool home = call_home_worker(slot, calls->count, engine->workers) == engine->worker;
	bool damaged = atomic_load_explicit(&record->state, memory_order_acquire) != CALL_FREE && !sound(calls, record);

	if (damaged && home) {
		counter_inc(engine->counters, COUNTER_signaling_records_damaged);
		atomic_store_explicit(&record->state, CALL_FREE, memory_order_release);
	}
	/* Nothing that a damaged one says is looked at, also by those whose slot it is not. */
	if (damaged || atomic_load_explicit(&record->state, memory_order_relaxed) == CALL_FREE) {
		if (home)
			calls->free_slot[calls->free_slots++] = slot;
		return;
	}
	if (record->block)
		block_used[record->block - 1] = true;
	bool ours = record->worker % engine->workers == engine->worker;

	if (atomic_load_explicit(&record->state, memory_order_relaxed) <= CALL_CLOSING)
		mark_ports(calls, record, ours);
	if (ours)
		adopt(engine, slot, record);
}

/* Each kind is shared out by itself. */
static unsigned int home_of_block(const struct engine *engine, uint32_t block)
{
	uint32_t calls = engine->calls->count, small = call_table_small_blocks(calls);

	if (block < small)
		return call_home_worker(block, small, engine->workers);
	return call_home_worker(block - small, call_table_large_blocks(calls), engine->workers);
}

/* Dealt with from the end, so half-made ones first: what is over may name a transaction that is theirs by now. */
static void put_setups_last(struct calls *calls)
{
	uint32_t over = 0;

	for (uint32_t i = 0; i < calls->recover_count; i++) {
		uint32_t slot = calls->recover[i];

		if (call_state(&calls->call[slot]) == CALL_SETUP)
			continue;
		calls->recover[i] = calls->recover[over];
		calls->recover[over++] = slot;
	}
}

/*
 * Whose INVITE is not answered to the end comes again, perhaps before the call's turn: it must not be another call
 * then. Where there is no room now, there may be by then.
 */
static void restore_callers(struct calls *calls)
{
	for (uint32_t i = calls->recover_count; i-- > 0;) {
		struct call *call = &calls->call[calls->recover[i]];
		uint32_t due = call_state(call) == CALL_ANSWERED ? DIALOG_ACK_DUE : DIALOG_RESPONSE_DUE;

		if ((call->record->dialog[CALLER].flags & due) && !is_long_over(call))
			call_restore_caller(call);
	}
}

void calls_recover_attach(struct engine *engine)
{
	struct calls *calls = engine->calls;
	bool *block_used = calloc(calls->blocks, sizeof(*block_used));

	/* Downwards, so that low slots are taken first. */
	for (uint32_t slot = calls->count; slot-- > 0 && block_used;)
		attach_slot(engine, slot, block_used);
	for (uint32_t block = calls->blocks; block-- > 0 && block_used;)
		if (!block_used[block] && home_of_block(engine, block) == engine->worker)
			call_give_block(calls, block + 1);
	free(block_used);
	put_setups_last(calls);
	restore_callers(calls);
	if (calls->standing)
		memset(calls->resync_next, 0, sizeof(calls->resync_next));
	gauge_set(engine->counters, COUNTER_signaling_calls, calls->standing);
}
