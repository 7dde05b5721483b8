/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/transaction.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/table_memory.h"
#include "signaling/snapshot_signaling.h"

#define FOR_A_CHAIN         4u /* transactions, when all stand */
#define TOMBSTONES_FOR_EACH 4u

int transactions_init(struct engine *engine, uint32_t count)
{
	struct transactions *ts = calloc(1, sizeof(*ts));
	uint32_t buckets = 1024;
	uint64_t tombstones = (uint64_t)count * TOMBSTONES_FOR_EACH;

	engine->transactions = ts;
	if (!ts)
		return -ENOMEM;
	while (buckets < count / FOR_A_CHAIN)
		buckets *= 2;
	ts->mask = buckets - 1;
	ts->count = count;
	ts->pool = aligned_alloc(_Alignof(struct transaction), count * sizeof(*ts->pool));
	if (ts->pool)
		table_advise(ts->pool, count * sizeof(*ts->pool));
	ts->by_key = table_calloc(buckets, sizeof(*ts->by_key));
	ts->by_merge = table_calloc(buckets, sizeof(*ts->by_merge));
	ts->kept = calloc(1, sizeof(*ts->kept));
	ts->linger_last = &ts->linger_first;
	ts->serial = engine_random(engine);
	text_hash_init(&ts->hash, engine->hash_key);
	gauge_set(engine->counters, COUNTER_signaling_transactions, 0); /* an earlier life's are gone */
	if (!ts->pool || !ts->by_key || !ts->by_merge || !ts->kept || message_pool_init(&ts->messages, count) < 0 ||
	    tombstones_init(&ts->tombstones, tombstones < UINT32_MAX / 2 ? (uint32_t)tombstones : UINT32_MAX / 2) < 0)
		return -ENOMEM;
	return 0;
}

void transactions_fini(struct engine *engine)
{
	struct transactions *ts = engine->transactions;

	if (!ts)
		return;
	tombstones_fini(&ts->tombstones);
	message_pool_fini(&ts->messages);
	free(ts->kept);
	free(ts->by_merge);
	free(ts->by_key);
	free(ts->pool);
	free(ts);
	engine->transactions = NULL;
}

static struct transaction_link *link_at(struct transaction *t, size_t member)
{
	return (struct transaction_link *)((char *)t + member);
}

void transaction_chain(struct transaction **head, struct transaction_link *link, struct transaction *t, size_t member)
{
	link->next = *head;
	link->from = head;
	if (*head)
		link_at(*head, member)->from = &link->next;
	*head = t;
}

static void unchain(struct transaction_link *link, size_t member)
{
	if (!link->from)
		return;
	*link->from = link->next;
	if (link->next)
		link_at(link->next, member)->from = link->from;
	*link = (struct transaction_link){NULL, NULL};
}

static void linger_remove(struct transactions *ts, struct transaction *t)
{
	if (!t->lingering)
		return;
	if (ts->linger_last == &t->linger.next)
		ts->linger_last = t->linger.from;
	unchain(&t->linger, offsetof(struct transaction, linger));
	t->lingering = false;
}

static void count(struct engine *engine)
{
	const struct transactions *ts = engine->transactions;

	gauge_set(engine->counters, COUNTER_signaling_transactions,
		  ts->standing + tombstones_standing(&ts->tombstones));
}

struct transaction *transaction_take(struct engine *engine)
{
	struct transactions *ts = engine->transactions;

	/* Never the only one: it may be the very transaction whose user asks for another. */
	if (!ts->free && ts->used == ts->count && ts->linger_first && ts->linger_first->linger.next) {
		counter_inc(engine->counters, COUNTER_signaling_transactions_given_up);
		transaction_free(engine, ts->linger_first);
	}
	struct transaction *t = ts->free;

	if (t) {
		ts->free = t->by_key.next;
	} else if (ts->used < ts->count) {
		t = &ts->pool[ts->used++];
	} else {
		counter_inc(engine->counters, COUNTER_signaling_transactions_exhausted);
		return NULL;
	}
	memset(t, 0, sizeof(*t));
	t->index = (uint32_t)(t - ts->pool);
	t->state = TRANSACTION_TRYING;
	ts->standing++;
	count(engine);
	return t;
}

void transaction_free(struct engine *engine, struct transaction *t)
{
	struct transactions *ts = engine->transactions;

	if (t->ended)
		return; /* it goes as it is */
	timer_stop(&engine->wheel, &t->resend);
	timer_stop(&engine->wheel, &t->end);
	unchain(&t->by_key, offsetof(struct transaction, by_key));
	unchain(&t->by_merge, offsetof(struct transaction, by_merge));
	linger_remove(ts, t);
	if (t->cancel)
		t->cancel->invite = NULL;
	if (t->invite)
		t->invite->cancel = NULL;
	if (t->peer)
		t->peer->peer = NULL;
	t->cancel = t->invite = t->peer = NULL;
	message_pool_free(&ts->messages, t->message);
	message_pool_free(&ts->messages, t->request);
	t->message = t->request = NULL;
	transaction_detach(t);
	t->state = TRANSACTION_FREE;
	t->serial = 0;
	t->by_key.next = ts->free;
	ts->free = t;
	ts->standing--;
	ts->spares -= t->spare;
	transaction_passed_over(engine, t);
	count(engine);
}

static struct text_hash tombstone_key(const struct transaction *t)
{
	if (t->kind >= CLIENT_INVITE)
		return transaction_client_key(t->serial, t->index);
	return t->by_merge.from ? t->merge_key : t->key;
}

void transaction_end(struct engine *engine, struct transaction *t, enum tombstone_kind kind, uint32_t value)
{
	struct transactions *ts = engine->transactions;

	if (t->ended)
		return;
	timer_stop(&engine->wheel, &t->resend);
	timer_stop(&engine->wheel, &t->end);
	transaction_detach(t);
	linger_remove(ts, t);
	t->ended = true;
	tombstone_prefetch(&ts->tombstones, tombstone_key(t));
	t->tombstone = (uint8_t)kind;
	t->value = value;
	t->linger.next = ts->ended;
	ts->ended = t;
}

static void bury(struct engine *engine, struct transaction *t)
{
	enum tombstone_kind kind = (enum tombstone_kind)t->tombstone;
	uint64_t end_us = engine->now_us + transaction_lifetime_us(engine);
	struct text_hash key = tombstone_key(t);
	uint32_t value = t->value;

	if (t->kind < CLIENT_INVITE && t->by_merge.from)
		value = transaction_way(t->key);
	if (!tombstone_add(&engine->transactions->tombstones, key, kind, value, end_us))
		counter_inc(engine->counters, COUNTER_signaling_transactions_given_up);
}

void transactions_bury(struct engine *engine)
{
	struct transactions *ts = engine->transactions;

	while (ts->ended) {
		struct transaction *t = ts->ended;

		ts->ended = t->linger.next;
		t->linger.next = NULL;
		t->ended = false;
		bury(engine, t);
		transaction_free(engine, t);
	}
}

void transactions_sweep(struct engine *engine)
{
	struct tombstones *tombstones = &engine->transactions->tombstones;

	transactions_bury(engine);
	if (tombstones_standing(tombstones)) {
		tombstones_sweep(tombstones, engine->now_us);
		count(engine);
	}
}

static void on_end(struct timer *timer, void *context)
{
	struct transaction *t = (struct transaction *)((char *)timer - offsetof(struct transaction, end));

	transaction_free(context, t);
}

void transaction_linger(struct engine *engine, struct transaction *t, uint64_t end_us)
{
	message_pool_free(&engine->transactions->messages, t->request);
	t->request = NULL;
	timer_start(&engine->wheel, &t->end, end_us, on_end);
	transaction_expendable(engine->transactions, t);
}

void transaction_expendable(struct transactions *ts, struct transaction *t)
{
	if (t->lingering)
		return;
	t->lingering = true;
	t->linger.next = NULL;
	t->linger.from = ts->linger_last;
	*ts->linger_last = t;
	ts->linger_last = &t->linger.next;
}

void transaction_detach(struct transaction *t)
{
	t->user = NULL;
	t->owner = NULL;
}

int transaction_keep(struct engine *engine, struct transaction *t, const void *data, uint32_t len)
{
	struct message_pool *pool = &engine->transactions->messages;
	/* What a peer may make many of leaves half to what stands once in a call. */
	struct message_buffer *buffer = t->passed || t->kind == SERVER_OTHER
					    ? message_pool_keep_to_spare(pool, data, len)
					    : message_pool_keep(pool, data, len);

	if (!buffer) {
		counter_inc(engine->counters, COUNTER_signaling_messages_exhausted);
		return -ENOBUFS;
	}
	message_pool_free(pool, t->message);
	t->message = buffer;
	return 0;
}

void transaction_send_kept(struct engine *engine, struct transaction *t)
{
	if (t->message)
		engine->io.send(engine->io.context, &t->flow, t->message->data, t->message->len);
}

static uint32_t resends_allowed(const struct parameters *p)
{
	return p->send_retry == PARAMETER_NO_LIMIT || p->send_retry > p->resend_count ? p->resend_count : p->send_retry;
}

#define WAIT_AFTER_LAST_MS 500u

uint64_t transaction_lifetime_us(const struct engine *engine)
{
	const struct parameters *p = engine->snapshot->parameters;
	uint64_t ms = WAIT_AFTER_LAST_MS;

	for (uint32_t i = 0; i < p->resend_count; i++)
		ms += p->resend_interval_ms[i];
	return ms * US_PER_MS;
}

static void give_up(struct engine *engine, struct transaction *t)
{
	/* A reliable provisional response: the INVITE itself has yet to be answered. */
	if (t->kind == SERVER_INVITE && t->state == TRANSACTION_PROCEEDING) {
		if (t->user && t->user->unacknowledged)
			t->user->unacknowledged(engine, t);
		return;
	}
	counter_inc(engine->counters, COUNTER_signaling_transactions_timed_out);
	if (t->user && t->user->failed)
		t->user->failed(engine, t);
	transaction_free(engine, t);
}

static void on_resend(struct timer *timer, void *context)
{
	struct engine *engine = context;
	struct transaction *t = (struct transaction *)((char *)timer - offsetof(struct transaction, resend));
	const struct resend_schedule *schedule = &engine->transactions->schedules[t->schedule];

	if (t->resends >= schedule->count) {
		give_up(engine, t);
		return;
	}
	t->resends++;
	counter_inc(engine->counters, COUNTER_signaling_resends);
	transaction_send_kept(engine, t);
	uint64_t wait_ms = t->resends < schedule->count ? schedule->wait_ms[t->resends] : WAIT_AFTER_LAST_MS;

	timer_start(&engine->wheel, &t->resend, engine->now_us + wait_ms * US_PER_MS, on_resend);
}

static void note_schedule(struct resend_schedule *schedule, const struct signaling_snapshot *snapshot)
{
	const struct parameters *p = snapshot->parameters;

	schedule->serial = snapshot->serial;
	schedule->count = resends_allowed(p);
	memcpy(schedule->wait_ms, p->resend_interval_ms, sizeof(schedule->wait_ms));
}

void transaction_schedule_start(struct engine *engine, struct transaction *t)
{
	const struct signaling_snapshot *snapshot = engine->snapshot;
	struct resend_schedule *schedule;

	t->schedule = snapshot->serial % TRANSACTION_SCHEDULES;
	schedule = &engine->transactions->schedules[t->schedule];
	if (schedule->serial != snapshot->serial)
		note_schedule(schedule, snapshot);
	uint64_t wait_ms = schedule->count ? schedule->wait_ms[0] : WAIT_AFTER_LAST_MS;

	t->resends = 0;
	timer_start(&engine->wheel, &t->resend, engine->now_us + wait_ms * US_PER_MS, on_resend);
}
