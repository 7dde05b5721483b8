/* SPDX-License-Identifier: Apache-2.0 */
/* Client transactions: RFC 3261 section 17.1, RFC 6026 section 7.2; CANCEL: section 9.1. */
#include <errno.h>
#include <string.h>

#include "signaling/call.h"
#include "signaling/keyed_hash.h"
#include "signaling/transaction.h"

struct transaction *transaction_client_new(struct engine *engine, enum sip_method method, const struct sip_flow *flow,
					   const struct transaction_user *user, void *owner)
{
	struct transactions *ts = engine->transactions;
	struct transaction *t = transaction_take(engine);

	if (!t)
		return NULL;
	t->kind = method == SIP_INVITE ? CLIENT_INVITE : CLIENT_OTHER;
	t->method = (uint8_t)method;
	t->flow = *flow;
	t->user = user;
	t->owner = owner;
	/* Every peer sees some: none must tell what another's is, or it could answer in that one's place. */
	ts->serial++;
	t->serial = keyed_hash(engine->hash_key, 0x6272616e6368, &ts->serial, sizeof(ts->serial));
	return t;
}

/*
 * What one call may owe answers to. Of most methods a dialog has one at a time: these have a share of their own, so
 * that a peer that answers no INFO can still be asked all else.
 */
#define INFOS_MAX  16u
#define PASSED_MAX 32u

struct transaction *transaction_passed_new(struct engine *engine, enum sip_method method, const struct sip_flow *flow,
					   const struct transaction_user *user, struct call *call)
{
	struct transactions *ts = engine->transactions;
	struct passed_requests *of_call = &engine->calls->passed[call->slot];
	bool is_info = method == SIP_INFO;
	struct transaction *t;

	/* Each has a server transaction beside it. */
	if (of_call->count >= (is_info ? INFOS_MAX : PASSED_MAX) || ts->passed >= ts->count / (is_info ? 8 : 4)) {
		counter_inc(engine->counters, COUNTER_signaling_requests_not_passed);
		return NULL;
	}
	t = transaction_client_new(engine, method, flow, user, call);
	if (!t)
		return NULL;
	t->passed = true;
	t->passed_slot = call->slot;
	t->passed_life = of_call->life;
	of_call->count++;
	ts->passed++;
	return t;
}

void transaction_passed_over(struct engine *engine, struct transaction *t)
{
	if (!t->passed)
		return;
	struct passed_requests *of_call = &engine->calls->passed[t->passed_slot];

	t->passed = false;
	engine->transactions->passed--;
	if (of_call->life == t->passed_life)
		of_call->count--;
}

static struct transaction *of_end(struct timer *timer)
{
	return (struct transaction *)((char *)timer - offsetof(struct transaction, end));
}

static void on_orphan_end(struct timer *timer, void *context)
{
	transaction_free(context, of_end(timer));
}

void transactions_hold(struct engine *engine, uint32_t index)
{
	struct transactions *ts = engine->transactions;

	for (; ts->used <= index && ts->used < ts->count; ts->used++) {
		memset(&ts->pool[ts->used], 0, sizeof(ts->pool[0]));
		ts->pool[ts->used].state = TRANSACTION_HELD;
		ts->held = ts->used + 1;
	}
}

void transactions_release(struct engine *engine)
{
	struct transactions *ts = engine->transactions;

	for (; ts->held; ts->held--) {
		struct transaction *t = &ts->pool[ts->held - 1];

		if (t->state != TRANSACTION_HELD)
			continue;
		t->state = TRANSACTION_FREE;
		t->by_key.next = ts->free;
		ts->free = t;
	}
}

static struct transaction *claim(struct transactions *ts, uint32_t index)
{
	return index < ts->held && ts->pool[index].state == TRANSACTION_HELD ? &ts->pool[index] : NULL;
}

struct transaction *transaction_client_restore(struct engine *engine, uint32_t index, uint64_t serial,
					       const struct sip_flow *flow, const void *message, uint32_t len)
{
	struct transaction *t = claim(engine->transactions, index);

	if (!t)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->index = index;
	t->state = TRANSACTION_PROCEEDING;
	t->kind = CLIENT_INVITE;
	t->method = SIP_INVITE;
	t->serial = serial;
	t->flow = *flow;
	engine->transactions->standing++;
	t->user = &transaction_orphan_user;
	if (transaction_keep(engine, t, message, len) < 0) {
		transaction_free(engine, t);
		return NULL;
	}
	timer_start(&engine->wheel, &t->end, engine->now_us + transaction_lifetime_us(engine), on_orphan_end);
	return t;
}

void transaction_branch(const struct engine *engine, const struct transaction *t, char out[static IDENTIFIER_BRANCH])
{
	identifier_branch_print(
	    &(struct identifier_branch){.worker = engine->worker, .index = t->index, .serial = t->serial}, out);
}

int transaction_send_request(struct engine *engine, struct transaction *t, const void *data, uint32_t len)
{
	int error = transaction_keep(engine, t, data, len);

	if (error < 0) {
		transaction_free(engine, t);
		return error;
	}
	engine->io.send(engine->io.context, &t->flow, data, len);
	transaction_schedule_start(engine, t);
	return 0;
}

/* ACK (to a non-2xx) and CANCEL repeat what the INVITE said (sections 17.1.1.3 and 9.1). */
static int build_from_invite(struct engine *engine, struct transaction *t, const char *method, struct sip_text to,
			     struct sip_text reason)
{
	struct sip_message *invite = engine->transactions->kept;
	struct sip_builder b;

	if (!t->message || sip_message_parse(invite, t->message->data, t->message->len) != SIP_PARSE_OK)
		return -EINVAL;
	const struct sip_cseq *cseq = sip_message_cseq(invite);

	if (!cseq)
		return -EINVAL;
	sip_build_init(&b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	sip_build_request(&b, sip_text_of(method), invite->uri_text);
	sip_build_header(&b, SIP_H_VIA, sip_message_value(invite, SIP_H_VIA));
	sip_build_number(&b, SIP_H_MAX_FORWARDS, 70);
	sip_build_copy(&b, invite, SIP_H_ROUTE);
	sip_build_copy(&b, invite, SIP_H_FROM);
	sip_build_header(&b, SIP_H_TO, to.len ? to : sip_message_value(invite, SIP_H_TO));
	sip_build_copy(&b, invite, SIP_H_CALL_ID);
	sip_build_cseq(&b, cseq->number, sip_text_of(method));
	if (reason.len)
		sip_build_header(&b, SIP_H_REASON, reason);
	sip_build_no_body(&b);
	return sip_build_finish(&b);
}

static bool send_cancel(struct engine *engine, struct transaction *t)
{
	struct transaction *cancel = transaction_client_new(engine, SIP_CANCEL, &t->flow, NULL, NULL);
	char reason[REASON_MAX];
	int len = build_from_invite(engine, t, "CANCEL", SIP_TEXT(""),
				    call_reason_text(engine, t->cancel_cause, t->cancel_sip_code, reason));

	if (len < 0 || !cancel) {
		if (cancel)
			transaction_free(engine, cancel);
		return false;
	}
	cancel->serial = t->serial;
	if (transaction_send_request(engine, cancel, engine->scratch, (uint32_t)len) < 0)
		return false;
	cancel->invite = t;
	t->cancel = cancel;
	t->cancel_sent = true;
	return true;
}

#define CANCEL_AGAIN_US (500 * US_PER_MS)

static void on_cancel_due(struct timer *timer, void *context);

/* Without room for it now a little later, as long as the INVITE stands: else somebody's phone would ring on. */
static void cancel_now(struct engine *engine, struct transaction *t)
{
	if (!send_cancel(engine, t))
		timer_start(&engine->wheel, &t->resend, engine->now_us + CANCEL_AGAIN_US, on_cancel_due);
	else if (t->user == &transaction_orphan_user)
		timer_start(&engine->wheel, &t->end, engine->now_us + transaction_lifetime_us(engine), on_orphan_end);
}

static void on_cancel_due(struct timer *timer, void *context)
{
	cancel_now(context, (struct transaction *)((char *)timer - offsetof(struct transaction, resend)));
}

void transaction_cancel(struct engine *engine, struct transaction *t, unsigned int cause, unsigned int code)
{
	t->user = &transaction_orphan_user;
	t->owner = NULL;
	t->cancelled = true;
	if (t->state > TRANSACTION_PROCEEDING)
		return;
	/* Section 9.1: not before a provisional response. Whoever is silent is not asked again, either. */
	timer_stop(&engine->wheel, &t->resend);
	t->cancel_cause = (uint16_t)cause;
	t->cancel_sip_code = (uint16_t)code;
	timer_start(&engine->wheel, &t->end, engine->now_us + transaction_lifetime_us(engine), on_orphan_end);
	if (t->state == TRANSACTION_PROCEEDING && !t->cancel_sent)
		cancel_now(engine, t);
}

static void on_never_answered(struct timer *timer, void *context)
{
	struct transaction *t = of_end(timer);

	if (t->user && t->user->failed)
		t->user->failed(context, t);
	transaction_cancel(context, t, t->cancel_cause, t->cancel_sip_code);
}

void transaction_cancel_reinvite(struct engine *engine, struct transaction *t, unsigned int cause, unsigned int code)
{
	if (t->cancelled || t->state > TRANSACTION_PROCEEDING)
		return;
	t->cancelled = true;
	t->cancel_cause = (uint16_t)cause;
	t->cancel_sip_code = (uint16_t)code;
	timer_start(&engine->wheel, &t->end, engine->now_us + transaction_lifetime_us(engine), on_never_answered);
	if (t->state == TRANSACTION_PROCEEDING)
		cancel_now(engine, t);
}

static void on_limit(struct timer *timer, void *context)
{
	transaction_cancel_reinvite(context, of_end(timer), call_cause_of(408), 408);
}

void transaction_limit_reinvite(struct engine *engine, struct transaction *t, uint64_t wait_us)
{
	t->in_dialog = true;
	timer_start(&engine->wheel, &t->end, engine->now_us + wait_us, on_limit);
}

static uint32_t hash_tag(const struct engine *engine, struct sip_text tag)
{
	struct text_hash hash =
	    text_hash(&engine->transactions->hash, (struct text_hash){0, 0}, tag.at ? tag.at : "", tag.len);

	return hash.b & TOMBSTONE_VALUE;
}

void transaction_ack_branch(const struct engine *engine, uint64_t serial, char out[static IDENTIFIER_BRANCH])
{
	struct identifier_branch id = {engine->worker, IDENTIFIER_NO_SLOT, 0};

	id.serial = keyed_hash(engine->hash_key, 0x61636b, &serial, sizeof(serial));
	identifier_branch_print(&id, out);
}

void transaction_send_ack(struct engine *engine, struct transaction *t, struct sip_text to_tag, const void *data,
			  uint32_t len, bool keep)
{
	t->value = hash_tag(engine, to_tag);
	engine->io.send(engine->io.context, &t->flow, data, len);
	/* While its CANCEL stands, what answers that one is found through it. */
	if (!keep && !t->cancel) {
		transaction_end(engine, t, t->behind_nat ? TOMBSTONE_CLIENT_2XX_NAT : TOMBSTONE_CLIENT_2XX, t->value);
	} else if (transaction_keep(engine, t, data, len) < 0) {
		message_pool_free(&engine->transactions->messages, t->message);
		t->message = NULL;
	}
}

static void receive_provisional(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	if (t->state > TRANSACTION_PROCEEDING)
		return;
	t->state = TRANSACTION_PROCEEDING;
	if (t->kind == CLIENT_INVITE) {
		timer_stop(&engine->wheel, &t->resend);
		if (t->cancelled && !t->cancel_sent) {
			cancel_now(engine, t);
			return;
		}
	}
	if (t->user && t->user->response)
		t->user->response(engine, t, response);
}

static void receive_failure(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	if (t->state == TRANSACTION_ACCEPTED)
		return;
	if (t->state == TRANSACTION_COMPLETED) {
		transaction_send_kept(engine, t); /* our ACK was lost */
		return;
	}
	t->state = TRANSACTION_COMPLETED;
	timer_stop(&engine->wheel, &t->resend);
	int len = build_from_invite(engine, t, "ACK", sip_message_value(response, SIP_H_TO), SIP_TEXT(""));

	if (len > 0 && transaction_keep(engine, t, engine->scratch, (uint32_t)len) == 0)
		transaction_send_kept(engine, t);
	const struct transaction_user *user = t->user;

	if (user && user->response)
		user->response(engine, t, response);
	transaction_detach(t);
	/* Not before: who is told may need the room, and would get its own. */
	transaction_linger(engine, t, engine->now_us + transaction_lifetime_us(engine));
}

static void receive_success(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	const struct sip_name_addr *to = sip_message_to(response);

	if (t->state == TRANSACTION_ACCEPTED && t->value == hash_tag(engine, to->tag)) {
		transaction_send_kept(engine, t);
		return;
	}
	/* Another phone of a fork, perhaps after a failure (RFC 3261 section 16.7, step 5). */
	if (t->state == TRANSACTION_ACCEPTED || t->state == TRANSACTION_COMPLETED) {
		transaction_end_fork(engine, t, response);
		return;
	}
	t->state = TRANSACTION_ACCEPTED;
	t->value = hash_tag(engine, to->tag);
	timer_stop(&engine->wheel, &t->resend);
	message_pool_free(&engine->transactions->messages, t->message);
	t->message = NULL;
	timer_stop(&engine->wheel, &t->end);
	if (t->user && t->user->response)
		t->user->response(engine, t, response);
	if (!t->ended)
		transaction_linger(engine, t, engine->now_us + transaction_lifetime_us(engine));
}

static void receive_final_other(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	const struct transaction_user *user = t->user;

	if (user && user->response)
		user->response(engine, t, response);
	transaction_free(engine, t);
}

const struct tombstone *transaction_find_past(const struct engine *engine, struct sip_message *response)
{
	struct identifier_branch branch;
	const struct tombstone *past;

	if (sip_message_cseq(response)->method != SIP_INVITE ||
	    identifier_branch_parse(&branch, sip_message_via(response)->branch) < 0)
		return NULL;
	past = tombstone_find(&engine->transactions->tombstones, transaction_client_key(branch.serial, branch.index));
	return past && past->kind >= TOMBSTONE_CLIENT_2XX ? past : NULL;
}

bool transaction_was_acked(struct engine *engine, struct sip_message *response, bool *behind_nat)
{
	const struct tombstone *past = transaction_find_past(engine, response);

	if (!past || past->value != hash_tag(engine, sip_message_to(response)->tag))
		return false;
	*behind_nat = past->kind == TOMBSTONE_CLIENT_2XX_NAT;
	return true;
}

static struct transaction *find(struct engine *engine, struct sip_message *response)
{
	struct transactions *ts = engine->transactions;
	const struct sip_cseq *cseq = sip_message_cseq(response);
	struct identifier_branch branch;

	if (identifier_branch_parse(&branch, sip_message_via(response)->branch) < 0 || branch.index >= ts->used)
		return NULL;
	struct transaction *t = &ts->pool[branch.index];

	/* One that is held is of no kind yet. */
	if (t->state == TRANSACTION_FREE || t->serial != branch.serial || t->kind < CLIENT_INVITE)
		return NULL;
	if (t->method == SIP_INVITE && cseq->method == SIP_CANCEL)
		return t->cancel;
	return t->method == cseq->method ? t : NULL;
}

bool transaction_receive_response(struct engine *engine, struct sip_message *response)
{
	struct transaction *t = find(engine, response);

	if (!t) /* what comes after the 2xx is no longer of interest; another 2xx is */
		return (response->status < 200 || response->status >= 300) && transaction_find_past(engine, response);
	if (response->status >= 200)
		transaction_passed_over(engine, t);
	if (response->status < 200)
		receive_provisional(engine, t, response);
	else if (t->kind == CLIENT_OTHER)
		receive_final_other(engine, t, response);
	else if (response->status < 300)
		receive_success(engine, t, response);
	else
		receive_failure(engine, t, response);
	return true;
}
