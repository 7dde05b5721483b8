/* SPDX-License-Identifier: Apache-2.0 */
/* Server transactions: RFC 3261 section 17.2, RFC 6026 section 7.1. */
#include <errno.h>
#include <string.h>

#include "signaling/call.h"
#include "signaling/keyed_hash.h"
#include "signaling/transaction.h"

const struct response_extra response_later = {"Retry-After: 2\r\n", 16};

#define TIMER_I_US (5 * (int64_t)US_PER_S) /* T4: how long a network may hold a message */

/* What keeps the kinds of keys apart. */
#define KEY_RFC3261 1u
#define KEY_RFC2543 2u
#define KEY_MERGE   3u

/* RFC 3261 section 17.2.3: what makes a request belong to a transaction, as a hash. */
static struct text_hash key_of_via(const struct engine *engine, const struct sip_via *via, enum sip_method method)
{
	const struct text_hash_key *hash = &engine->transactions->hash;
	struct text_hash key =
	    text_hash(hash, (struct text_hash){KEY_RFC3261, method}, via->branch.at, via->branch.len);

	key.b ^= via->port;
	return text_hash(hash, key, via->host.at, via->host.len);
}

/* Peers of RFC 2543 make no unique branches: the dialog's identifiers and the whole Via stand in. */
static struct text_hash key_of_rfc2543(const struct engine *engine, struct sip_message *request, enum sip_method method)
{
	const struct text_hash_key *hash = &engine->transactions->hash;
	const struct sip_via *via = sip_message_via(request);
	const struct sip_name_addr *from = sip_message_from(request);
	struct sip_text call_id = sip_message_call_id(request);
	struct text_hash key = text_hash(hash, (struct text_hash){KEY_RFC2543, method}, via->text.at, via->text.len);

	key.b ^= sip_message_cseq(request)->number;
	key = text_hash(hash, key, call_id.at, call_id.len);
	return text_hash(hash, key, from->tag.len ? from->tag.at : "", from->tag.len);
}

static struct text_hash key_of(const struct engine *engine, struct sip_message *request, enum sip_method method)
{
	const struct sip_via *via = sip_message_via(request);

	return via->branch_is_rfc3261 ? key_of_via(engine, via, method) : key_of_rfc2543(engine, request, method);
}

static struct transaction *find(const struct engine *engine, struct text_hash key)
{
	struct transaction *t = engine->transactions->by_key[key.a & engine->transactions->mask];

	while (t && !text_hash_equal(t->key, key))
		t = t->by_key.next;
	return t;
}

bool transaction_stands(const struct engine *engine, const struct sip_via *via, struct text_hash *key)
{
	*key = key_of_via(engine, via, SIP_INVITE);
	return find(engine, *key);
}

/* The ACK to a final response other than 2xx; the transaction then absorbs what is still under way. */
static void receive_ack(struct engine *engine, struct transaction *t)
{
	if (t->state != TRANSACTION_COMPLETED)
		return;
	t->state = TRANSACTION_CONFIRMED;
	transaction_end(engine, t, TOMBSTONE_REFUSED_INVITE, 0);
}

static void receive_again(struct engine *engine, struct transaction *t)
{
	counter_inc(engine->counters, COUNTER_signaling_requests_again);
	if (t->state == TRANSACTION_PROCEEDING || t->state == TRANSACTION_COMPLETED)
		transaction_send_kept(engine, t);
}

/* RFC 3261 section 8.2.2.2: what makes INVITEs the same one, whichever way each came. */
static struct text_hash merge_key(const struct engine *engine, struct sip_text call_id, struct sip_text from_tag,
				  uint32_t cseq)
{
	const struct text_hash_key *hash = &engine->transactions->hash;
	struct text_hash key = text_hash(hash, (struct text_hash){KEY_MERGE, cseq}, call_id.at, call_id.len);

	return text_hash(hash, key, from_tag.len ? from_tag.at : "", from_tag.len);
}

static struct text_hash merge_key_of(const struct engine *engine, struct sip_message *request)
{
	return merge_key(engine, sip_message_call_id(request), sip_message_from(request)->tag,
			 sip_message_cseq(request)->number);
}

static const struct transaction *find_merge(const struct transactions *ts, struct text_hash key)
{
	const struct transaction *t = ts->by_merge[key.a & ts->mask];

	while (t && !text_hash_equal(t->merge_key, key))
		t = t->by_merge.next;
	return t;
}

static bool has_dialog(struct sip_message *request)
{
	const struct sip_name_addr *to = sip_message_to(request);

	return !to || to->tag.at;
}

/* One that was refused is no ongoing transaction any more (timer I): a proxy may be trying us again, another way. */
static bool is_long_over(const struct engine *engine, const struct tombstone *past)
{
	int32_t left_ms = (int32_t)(past->end_ms - (uint32_t)(engine->now_us / US_PER_MS));
	int64_t since_us = (int64_t)transaction_lifetime_us(engine) - left_ms * (int64_t)US_PER_MS;

	return past->kind == TOMBSTONE_REFUSED_INVITE && since_us > TIMER_I_US;
}

/*
 * An INVITE outside a dialog. Nearly every one is new, and then has no other with its merge key: so that is looked for
 * first, and only where there is one, which of both it is. True: one that comes again, by the same way.
 */
static bool receive_new_invite(struct engine *engine)
{
	struct transactions *ts = engine->transactions;
	const struct transaction *other = find_merge(ts, ts->merge_key);
	const struct tombstone *past = other ? NULL : tombstone_find(&ts->tombstones, ts->merge_key);

	ts->merged = other || (past && !is_long_over(engine, past));
	if (!other && !past)
		return false;
	struct transaction *t = find(engine, ts->key);

	if (t)
		receive_again(engine, t);
	else if (past && past->value == transaction_way(ts->key))
		counter_inc(engine->counters, COUNTER_signaling_requests_again);
	else
		return false;
	return true;
}

/* CANCEL comes too late, but has come to the right place. */
static bool receive_late_cancel(struct engine *engine, const struct sip_flow *flow, struct sip_message *request)
{
	struct transactions *ts = engine->transactions;
	bool dialog = has_dialog(request);
	const struct tombstone *past =
	    tombstone_find(&ts->tombstones, dialog ? ts->key : merge_key_of(engine, request));

	if (!past || (!dialog && past->value != transaction_way(ts->key)))
		return false;
	transaction_reply_stateless(engine, flow, request, 200, NULL, NULL);
	return true;
}

/* Any other request whose transaction has ended. */
static bool receive_past(struct engine *engine, const struct sip_flow *flow, struct sip_message *request)
{
	struct transactions *ts = engine->transactions;
	const struct tombstone *past = tombstone_find(&ts->tombstones, ts->key);

	if (!past)
		return false;
	counter_inc(engine->counters, COUNTER_signaling_requests_again);
	if (past->kind == TOMBSTONE_OTHER)
		transaction_reply_stateless(engine, flow, request, past->value, NULL, NULL);
	return true;
}

void transaction_send_for(struct engine *engine, struct sip_message *request)
{
	struct transactions *ts = engine->transactions;
	enum sip_method method = (enum sip_method)request->method;
	bool of_invite = method == SIP_ACK || method == SIP_CANCEL;

	if (!sip_message_via(request) || !sip_message_from(request) || !sip_message_cseq(request) ||
	    !sip_message_call_id(request).at)
		return; /* it is refused */
	ts->key = key_of(engine, request, of_invite ? SIP_INVITE : method);
	__builtin_prefetch(&ts->by_key[ts->key.a & ts->mask], 1);
	if (method != SIP_INVITE || has_dialog(request))
		return;
	ts->merge_key = merge_key_of(engine, request);
	__builtin_prefetch(&ts->by_merge[ts->merge_key.a & ts->mask], 1);
	tombstone_prefetch(&ts->tombstones, ts->merge_key);
}

bool transaction_receive_request(struct engine *engine, const struct sip_flow *flow, struct sip_message *request,
				 struct transaction **found)
{
	struct transactions *ts = engine->transactions;
	enum sip_method method = (enum sip_method)request->method;

	*found = NULL;
	if (method == SIP_INVITE && !has_dialog(request))
		return receive_new_invite(engine);
	*found = find(engine, ts->key);
	if (method == SIP_CANCEL)
		return !*found && receive_late_cancel(engine, flow, request);
	if (method == SIP_ACK) {
		/* One to a 2xx has a branch of its own; one that has not is the call's all the same. */
		if (!*found || (*found)->state == TRANSACTION_ACCEPTED)
			return false;
		receive_ack(engine, *found);
		return true;
	}
	if (!*found)
		return receive_past(engine, flow, request);
	receive_again(engine, *found);
	return true;
}

bool transaction_is_merged(const struct engine *engine)
{
	return engine->transactions->merged;
}

/* For what is looked for with find_merge(). */
static void chain_merge(struct transactions *ts, struct transaction *t, struct text_hash key)
{
	t->merge_key = key;
	transaction_chain(&ts->by_merge[key.a & ts->mask], &t->by_merge, t, offsetof(struct transaction, by_merge));
}

struct transaction *transaction_server_new(struct engine *engine, const struct sip_flow *flow,
					   struct sip_message *request)
{
	struct transactions *ts = engine->transactions;
	struct transaction *t = transaction_take(engine);

	if (!t)
		return NULL;
	t->method = request->method;
	t->kind = request->method == SIP_INVITE ? SERVER_INVITE : SERVER_OTHER;
	t->flow = *flow;
	sip_response_target(&t->flow.remote, request, &flow->remote);
	t->key = ts->key;
	transaction_chain(&ts->by_key[t->key.a & ts->mask], &t->by_key, t, offsetof(struct transaction, by_key));
	if (t->kind == SERVER_INVITE && !has_dialog(request))
		chain_merge(ts, t, ts->merge_key);
	return t;
}

struct transaction *transaction_server_restore(struct engine *engine, const struct sip_flow *flow,
					       struct sip_text via_text, struct sip_text call_id,
					       struct sip_text from_tag, uint32_t cseq)
{
	struct transactions *ts = engine->transactions;
	struct sip_text list = via_text, first;
	struct sip_via via;

	if (sip_list_next(&list, &first) != 1 || sip_via_parse(&via, first) < 0)
		return NULL;
	struct transaction *t = transaction_take(engine);

	if (!t)
		return NULL;
	t->method = SIP_INVITE;
	t->kind = SERVER_INVITE;
	t->flow = *flow;
	if (via.has_rport && via.rport)
		t->flow.remote.port = via.rport;
	else
		t->flow.remote.port = via.port ? via.port : 5060;
	t->key = key_of_via(engine, &via, SIP_INVITE);
	transaction_chain(&ts->by_key[t->key.a & ts->mask], &t->by_key, t, offsetof(struct transaction, by_key));
	chain_merge(ts, t, merge_key(engine, call_id, from_tag, cseq));
	return t;
}

int transaction_keep_request(struct engine *engine, struct transaction *t, const struct sip_message *request)
{
	struct message_pool *pool = &engine->transactions->messages;
	bool begins_call = t->by_merge.from;
	struct message_buffer *buffer = begins_call ? message_pool_keep(pool, request->data, request->len)
						    : message_pool_keep_to_spare(pool, request->data, request->len);

	if (!buffer) {
		counter_inc(engine->counters, COUNTER_signaling_messages_exhausted);
		return -ENOBUFS;
	}
	message_pool_free(pool, t->request);
	t->request = buffer;
	return 0;
}

struct sip_message *transaction_request(struct engine *engine, struct transaction *t)
{
	struct sip_message *kept = engine->transactions->kept;

	if (!t->request || sip_message_parse(kept, t->request->data, t->request->len) != SIP_PARSE_OK)
		return NULL;
	return kept;
}

/* Without room to keep a response it is sent all the same; the peer's resend is then answered by nobody. */
static void keep_or_forget(struct engine *engine, struct transaction *t, const void *data, uint32_t len)
{
	if (transaction_keep(engine, t, data, len) == 0)
		return;
	message_pool_free(&engine->transactions->messages, t->message);
	t->message = NULL;
}

static void finish_other(struct engine *engine, struct transaction *t)
{
	t->state = TRANSACTION_COMPLETED;
	transaction_detach(t);
	transaction_linger(engine, t, engine->now_us + transaction_lifetime_us(engine));
}

static void finish_invite(struct engine *engine, struct transaction *t, unsigned int code)
{
	t->state = code < 300 ? TRANSACTION_ACCEPTED : TRANSACTION_COMPLETED;
	message_pool_free(&engine->transactions->messages, t->request);
	t->request = NULL;
	if (code >= 300) {
		/* Strangers who never acknowledge their 403 must not keep customers out. */
		transaction_detach(t);
		transaction_expendable(engine->transactions, t);
	}
	transaction_schedule_start(engine, t);
}

int transaction_send_response(struct engine *engine, struct transaction *t, unsigned int code, const void *data,
			      uint32_t len)
{
	if (t->state >= TRANSACTION_COMPLETED)
		return -EALREADY;
	keep_or_forget(engine, t, data, len);
	engine->io.send(engine->io.context, &t->flow, data, len);
	if (code < 200)
		t->state = TRANSACTION_PROCEEDING;
	else if (t->kind == SERVER_INVITE)
		finish_invite(engine, t, code);
	else
		finish_other(engine, t);
	return 0;
}

int transaction_send_reliable(struct engine *engine, struct transaction *t, unsigned int code, const void *data,
			      uint32_t len)
{
	int error = transaction_send_response(engine, t, code, data, len);

	if (error == 0)
		transaction_schedule_start(engine, t);
	return error;
}

void transaction_reliable_acked(struct engine *engine, struct transaction *t)
{
	if (t->state == TRANSACTION_PROCEEDING)
		timer_stop(&engine->wheel, &t->resend);
}

void transaction_acked(struct engine *engine, struct transaction *t)
{
	transaction_end(engine, t, TOMBSTONE_INVITE, 0);
}

/* A tag that is the same each time the same request is answered. */
static struct sip_text stateless_tag(const struct engine *engine, struct sip_message *request, char tag[IDENTIFIER_TAG])
{
	struct sip_text call_id = sip_message_call_id(request);
	struct sip_text via = sip_message_value(request, SIP_H_VIA);
	uint64_t h = keyed_hash(engine->hash_key, 1, call_id.at, call_id.len);
	struct identifier_tag id = {.worker = engine->worker, .slot = IDENTIFIER_NO_SLOT};

	id.nonce = (uint32_t)keyed_hash(engine->hash_key, h, via.at, via.len);
	identifier_tag_print(&id, engine->hash_key, tag);
	return sip_text(tag, IDENTIFIER_TAG);
}

static int build_response(struct engine *engine, struct sip_message *request, const struct net_addr *source,
			  unsigned int code, const char *reason, const struct response_extra *extra)
{
	struct sip_builder b;
	const struct sip_name_addr *to = sip_message_to(request);
	struct sip_text tag = SIP_TEXT("");
	char text[IDENTIFIER_TAG];

	if (code > 100 && !(to && to->tag.at))
		tag = stateless_tag(engine, request, text);
	sip_build_init(&b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	sip_build_response(&b, request, code, reason, tag, source);
	if (extra && extra->headers_len && b.len + extra->headers_len < b.size) {
		memcpy(b.data + b.len, extra->headers, extra->headers_len);
		b.len += extra->headers_len;
	}
	sip_build_no_body(&b);
	return sip_build_finish(&b);
}

int transaction_respond(struct engine *engine, struct transaction *t, const struct sip_message *request,
			unsigned int code, const char *reason, const struct response_extra *extra)
{
	/* The accessors cache what they parse in the message; the request itself stays as it is. */
	struct sip_message *message = (struct sip_message *)(uintptr_t)request;
	int len = build_response(engine, message, &t->flow.remote, code, reason, extra);

	if (len < 0) {
		counter_inc(engine->counters, COUNTER_signaling_build_failures);
		/* Never answered, then: but it must not stand for ever, waiting for that. */
		if (code >= 200 && t->state < TRANSACTION_COMPLETED)
			transaction_end(engine, t, TOMBSTONE_UNANSWERED, 0);
		return len;
	}
	if (t->kind != SERVER_OTHER || code < 200 || reason || extra || t->state >= TRANSACTION_COMPLETED)
		return transaction_send_response(engine, t, code, engine->scratch, (uint32_t)len);
	/* The request, should it come again, says all that is needed to make this response again. */
	engine->io.send(engine->io.context, &t->flow, engine->scratch, (uint32_t)len);
	t->state = TRANSACTION_COMPLETED;
	transaction_end(engine, t, TOMBSTONE_OTHER, code);
	return 0;
}

void transaction_ignore(struct engine *engine, struct transaction *t)
{
	transaction_free(engine, t);
}

void transaction_reply_stateless(struct engine *engine, const struct sip_flow *flow, struct sip_message *request,
				 unsigned int code, const char *reason, const struct response_extra *extra)
{
	struct sip_flow to = *flow;
	int len = build_response(engine, request, &flow->remote, code, reason, extra);

	if (len < 0) {
		counter_inc(engine->counters, COUNTER_signaling_datagrams_dropped);
		return;
	}
	sip_response_target(&to.remote, request, &flow->remote);
	engine->io.send(engine->io.context, &to, engine->scratch, (uint32_t)len);
}
