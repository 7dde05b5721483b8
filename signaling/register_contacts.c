/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "signaling/keyed_hash.h"
#include "signaling/register_contacts.h"
#include "signaling/registrar.h"
#include "signaling/sip/message.h"
#include "signaling/snapshot_signaling.h"
#include "signaling/source.h"

#define EXPIRES_DEFAULT_S 3600u /* where the request names none, or one that can't be read (RFC 3261 section 20.19) */
#define RETRY_WHEN_FULL   "Retry-After: 60\r\n"

/* For hashes that are compared with those of an earlier life: no secret wanted. */
static const uint8_t fixed_key[16];

/* What one Contact of the request asks for. */
struct wish {
	struct sip_text text; /* the URI */
	struct sip_uri uri;
	uint32_t expires_s; /* 0 = remove */
	uint16_t q_x1000;
	bool nat;
	bool superseded;        /* the same contact stands again further on */
	int match;              /* index of the binding it is about; -1: none yet */
	struct net_addr remote; /* where requests go */
	uint64_t instance_hash; /* of its +sip.instance; 0: none */
	uint32_t slot;          /* of a new binding */
};

/* A request at work. */
struct job {
	struct engine *engine;
	struct registrar *registrar;
	struct sip_message *message;
	const struct sip_flow *flow;
	const struct user *user;
	struct register_outcome *outcome;
	uint64_t call_id_hash;
	uint32_t cseq;
	uint32_t header_expires_s;
	unsigned int standing; /* bindings before */
	uint32_t slot[BINDINGS_PER_USER];
	bool kept[BINDINGS_PER_USER]; /* a wish is about this one */
	unsigned int wishes;
	struct wish wish[BINDINGS_PER_USER];
};

/* False, so that a check can end with it. */
static bool refuse(struct job *job, enum counter_id counter, unsigned int code, const char *reason, const char *headers)
{
	counter_inc(job->engine->counters, counter);
	job->outcome->code = code;
	job->outcome->reason = reason;
	job->outcome->headers_len = strlen(headers);
	memcpy(job->outcome->headers, headers, job->outcome->headers_len);
	return false;
}

static bool bad_request(struct job *job, const char *reason)
{
	return refuse(job, COUNTER_registrar_bad_request, 400, reason, "");
}

/* ---- understanding it ---- */

static uint32_t expires_read(struct sip_text text)
{
	uint32_t seconds;
	int error = sip_number_parse(&seconds, text);

	if (error == -ERANGE)
		return UINT32_MAX;
	return error < 0 ? EXPIRES_DEFAULT_S : seconds;
}

/*
 * Behind NAT when it was heard from another address than its Via or its Contact names. Then everything goes to where
 * it was heard from; otherwise to its Contact.
 */
static void wish_locate(const struct job *job, struct wish *wish)
{
	struct net_addr contact;

	wish->nat = source_is_behind_nat(job->message, &job->flow->remote);
	if (net_addr_parse(&contact, wish->uri.host.at, wish->uri.host.len) < 0 ||
	    !net_addr_equal_ip(&contact, &job->flow->remote))
		wish->nat = true;
	wish->remote = job->flow->remote;
	if (!wish->nat)
		wish->remote.port = wish->uri.port != 0 ? wish->uri.port : 5060;
}

/* Which device this is, and which of its flows where it has several (RFC 5626 section 4). */
static uint64_t instance_read(struct sip_text params)
{
	struct sip_text instance, reg_id;
	uint64_t hash;

	if (!sip_param_find(params, "+sip.instance", &instance) || instance.len == 0)
		return 0;
	hash = keyed_hash(fixed_key, 0, instance.at, instance.len);
	if (sip_param_find(params, "reg-id", &reg_id) && reg_id.len > 0)
		hash ^= keyed_hash(fixed_key, 1, reg_id.at, reg_id.len);
	return hash != 0 ? hash : 1;
}

static bool wish_read(struct job *job, struct wish *wish, struct sip_text value)
{
	struct sip_name_addr contact;
	struct sip_text parameter;

	if (sip_name_addr_parse(&contact, value) < 0 || contact.star || sip_uri_parse(&wish->uri, contact.uri) < 0)
		return bad_request(job, "Bad Contact");
	if (wish->uri.scheme != SIP_SCHEME_SIP)
		return bad_request(job, "Contact Is Not a SIP URI");
	if (contact.uri.len > BINDING_CONTACT_MAX)
		return bad_request(job, "Contact Too Long");
	wish->text = contact.uri;
	wish->expires_s = job->header_expires_s;
	if (sip_param_find(contact.params, "expires", &parameter))
		wish->expires_s = expires_read(parameter);
	wish->q_x1000 = sip_contact_q(contact.params);
	wish->instance_hash = instance_read(contact.params);
	wish->match = -1;
	wish->superseded = false;
	wish_locate(job, wish);
	return true;
}

/* One request names one contact once: the last time counts. */
static void wish_supersede(struct job *job, const struct wish *wish)
{
	for (struct wish *other = job->wish; other < wish; other++)
		if (!other->superseded && sip_uri_equal(&other->uri, &wish->uri))
			other->superseded = true;
}

static bool wishes_read(struct job *job)
{
	struct sip_values values;
	struct sip_text value;
	int more;

	sip_values_init(&values, job->message, SIP_H_CONTACT);
	while ((more = sip_values_next(&values, &value)) > 0) {
		if (job->wishes == BINDINGS_PER_USER)
			return bad_request(job, "Too Many Contacts");
		if (!wish_read(job, &job->wish[job->wishes], value))
			return false;
		wish_supersede(job, &job->wish[job->wishes++]);
	}
	return more == 0 || bad_request(job, "Bad Contact");
}

/* A later request of the same Call-ID was there before this one (section 10.3, step 7). Equal: a resend. */
static bool is_out_of_order(const struct job *job, unsigned int binding)
{
	const struct binding_record *record = &job->registrar->found[binding];

	return record->call_id_hash == job->call_id_hash && job->cseq < record->cseq;
}

static bool out_of_order(struct job *job)
{
	return refuse(job, COUNTER_registrar_out_of_order, 500, "CSeq Out of Order", "");
}

/*
 * The binding of the very contact, for one wish alone: two that are not equal to each other may both be equal to a
 * third (RFC 3261 section 19.1.4: a parameter that only one URI has does not count).
 */
static void wish_match(struct job *job, struct wish *wish)
{
	for (unsigned int i = 0; i < job->standing && wish->match < 0; i++) {
		const struct binding_record *record = &job->registrar->found[i];
		struct sip_uri uri;

		if (!job->kept[i] && sip_uri_parse(&uri, sip_text(record->contact, record->contact_len)) == 0 &&
		    sip_uri_equal(&uri, &wish->uri)) {
			wish->match = (int)i;
			job->kept[i] = true;
		}
	}
}

/*
 * Is the wish the same phone's as this binding, under another contact? It says so by its instance, or it comes with
 * another Call-ID out of the very socket: many make up a new contact whenever they start, and would else be called at
 * the old one until that expires.
 */
static bool is_same_phone(const struct job *job, const struct wish *wish, const struct binding_record *record)
{
	if (wish->instance_hash != 0 || record->instance_hash != 0)
		return wish->instance_hash == record->instance_hash;
	return record->call_id_hash != job->call_id_hash && record->port_index == job->flow->port &&
	       net_addr_equal(&record->remote, &wish->remote);
}

static void wish_take_over(struct job *job, struct wish *wish)
{
	for (unsigned int i = 0; i < job->standing && wish->match < 0; i++)
		if (!job->kept[i] && is_same_phone(job, wish, &job->registrar->found[i])) {
			wish->match = (int)i;
			job->kept[i] = true;
			counter_inc(job->engine->counters, COUNTER_registrar_taken_over);
		}
}

static bool wishes_check(struct job *job)
{
	for (unsigned int i = 0; i < job->wishes; i++) {
		struct wish *wish = &job->wish[i];

		if (wish->superseded)
			continue;
		if (wish->expires_s > 0 && wish->expires_s < REGISTRAR_MIN_EXPIRES_S)
			return refuse(job, COUNTER_registrar_too_brief, 423, NULL, "Min-Expires: 30\r\n");
		wish_match(job, wish);
		if (wish->match >= 0 && is_out_of_order(job, (unsigned int)wish->match))
			return out_of_order(job);
	}
	for (unsigned int i = 0; i < job->wishes; i++)
		if (!job->wish[i].superseded && job->wish[i].expires_s > 0)
			wish_take_over(job, &job->wish[i]);
	return true;
}
static_assert(REGISTRAR_MIN_EXPIRES_S == 30, "the 423 above says so");

/* ---- doing it ---- */

static void user_agent_copy(const struct job *job, struct binding_record *record)
{
	struct sip_text text = sip_message_value(job->message, SIP_H_USER_AGENT);

	record->user_agent_len = (uint8_t)(text.len < BINDING_USER_AGENT_MAX ? text.len : BINDING_USER_AGENT_MAX);
	for (unsigned int i = 0; i < record->user_agent_len; i++)
		record->user_agent[i] = text.at[i] >= ' ' && text.at[i] <= '~' ? text.at[i] : '?';
}

/* The request's side of a record; what belongs to the binding's life stays. */
static void record_fill(const struct job *job, const struct wish *wish, struct binding_record *record)
{
	const struct parameters *parameters = job->engine->snapshot->parameters;
	uint32_t most_s = wish->nat ? parameters->endpoint_nat_expire_s : parameters->endpoint_expire_s;
	uint32_t granted_s = wish->expires_s < most_s ? wish->expires_s : most_s;

	record->state = BINDING_STANDING;
	record->flags = wish->nat ? BINDING_NAT | BINDING_KEEPALIVE_DUE : 0;
	record->q_x1000 = wish->q_x1000;
	record->refreshed_us = job->engine->now_us;
	record->expires_us = job->engine->now_us + granted_s * US_PER_S;
	record->call_id_hash = job->call_id_hash;
	record->instance_hash = wish->instance_hash;
	record->cseq = job->cseq;
	record->port_index = (uint16_t)job->flow->port;
	record->local = job->flow->local;
	record->remote = wish->remote;
	record->contact_len = (uint16_t)wish->text.len;
	memcpy(record->contact, wish->text.at, wish->text.len);
	user_agent_copy(job, record);
}

static void binding_tell(struct job *job, uint32_t slot, const struct binding_record *record)
{
	registrar_expiry_start(job->engine, slot, record->expires_us);
	if (record->flags & BINDING_NAT)
		keepalive_link_added(&job->registrar->keepalive, slot, record);
}

static bool wish_add(struct job *job, struct wish *wish)
{
	struct binding_record record = {.user_len = job->user->name_len, .registered_us = job->engine->now_us};

	memcpy(record.user, job->user->name, job->user->name_len);
	record_fill(job, wish, &record);
	if (binding_store_add(job->registrar->store, &record, &wish->slot) < 0)
		return false;
	job->registrar->standing++;
	binding_tell(job, wish->slot, &record);
	return true;
}

static void wish_refresh(struct job *job, const struct wish *wish)
{
	struct binding_record *record = &job->registrar->found[wish->match];
	uint32_t slot = job->slot[wish->match];
	bool was_nat = record->flags & BINDING_NAT;

	record_fill(job, wish, record);
	binding_store_update(job->registrar->store, slot, record);
	if (was_nat && !wish->nat)
		keepalive_link_removed(&job->registrar->keepalive, slot, record->id);
	binding_tell(job, slot, record);
	counter_inc(job->engine->counters, COUNTER_registrar_refreshed);
}

static void binding_drop(struct job *job, unsigned int binding, enum counter_id counter)
{
	registrar_binding_remove(job->engine, job->slot[binding], &job->registrar->found[binding]);
	counter_inc(job->engine->counters, counter);
}

/* A phone that comes with a new contact at every restart pushes out its oldest one, not itself. */
static void displace(struct job *job, unsigned int adds, unsigned int drops)
{
	while (job->standing + adds - drops > BINDINGS_PER_USER) {
		int oldest = -1;

		for (unsigned int i = 0; i < job->standing; i++)
			if (!job->kept[i] && (oldest < 0 || job->registrar->found[i].refreshed_us <
								job->registrar->found[oldest].refreshed_us))
				oldest = (int)i;
		if (oldest < 0)
			return;
		job->kept[oldest] = true;
		binding_drop(job, (unsigned int)oldest, COUNTER_registrar_displaced);
		drops++;
	}
}

static bool is_new(const struct wish *wish)
{
	return !wish->superseded && wish->match < 0 && wish->expires_s > 0;
}

/* New ones first: they alone can fail, and what was added so far is then taken back. */
static bool wishes_add(struct job *job)
{
	for (unsigned int i = 0; i < job->wishes; i++) {
		if (!is_new(&job->wish[i]) || wish_add(job, &job->wish[i]))
			continue;
		while (i-- > 0) {
			struct binding_record record;

			if (is_new(&job->wish[i]) &&
			    binding_store_read(job->registrar->store, job->wish[i].slot, &record))
				registrar_binding_remove(job->engine, job->wish[i].slot, &record);
		}
		return refuse(job, COUNTER_registrar_full, 503, NULL, RETRY_WHEN_FULL);
	}
	return true;
}

static bool wishes_apply(struct job *job)
{
	unsigned int adds = 0, drops = 0;
	bool nat = false;

	for (unsigned int i = 0; i < job->wishes; i++) {
		adds += is_new(&job->wish[i]);
		drops += !job->wish[i].superseded && job->wish[i].match >= 0 && job->wish[i].expires_s == 0;
		nat |= job->wish[i].nat;
	}
	counter_add(job->engine->counters, COUNTER_registrar_behind_nat, nat);
	displace(job, adds, drops);
	if (!wishes_add(job))
		return false;
	counter_add(job->engine->counters, COUNTER_registrar_registered, adds);
	for (unsigned int i = 0; i < job->wishes; i++) {
		const struct wish *wish = &job->wish[i];

		if (wish->superseded || wish->match < 0)
			continue;
		if (wish->expires_s == 0)
			binding_drop(job, (unsigned int)wish->match, COUNTER_registrar_removed);
		else
			wish_refresh(job, wish);
	}
	return true;
}

/* "Contact: *" with "Expires: 0": everything goes (section 10.2.2). */
static bool remove_all(struct job *job)
{
	uint32_t expires_s;

	if (sip_message_number(job->message, SIP_H_EXPIRES, &expires_s) < 0 || expires_s != 0)
		return bad_request(job, "Contact: * Needs Expires: 0");
	for (unsigned int i = 0; i < job->standing; i++)
		if (is_out_of_order(job, i))
			return out_of_order(job);
	for (unsigned int i = 0; i < job->standing; i++)
		binding_drop(job, i, COUNTER_registrar_removed);
	return true;
}

/* ---- the answer ---- */

struct lines {
	char *at;
	size_t len;
};

static void put(struct lines *out, const char *text, size_t len)
{
	memcpy(out->at + out->len, text, len);
	out->len += len;
}

static void put_number(struct lines *out, uint64_t number, int digits)
{
	char text[20];
	int at = sizeof(text);

	do {
		text[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0 || (int)sizeof(text) - at < digits);
	put(out, text + at, sizeof(text) - (size_t)at);
}

/* Every binding that now stands, with what is left of its time (section 10.3, step 8). */
static void answer_bindings(struct job *job)
{
	uint64_t now_us = job->engine->now_us;
	unsigned int count = binding_store_find(job->registrar->store, job->user->name, job->user->name_len, now_us,
						job->registrar->found, NULL, BINDINGS_PER_USER);
	struct lines out = {job->outcome->headers, 0};

	for (unsigned int i = 0; i < count; i++) {
		const struct binding_record *record = &job->registrar->found[i];

		put(&out, "Contact: <", 10);
		put(&out, record->contact, record->contact_len);
		put(&out, ">;expires=", 10);
		put_number(&out, (record->expires_us - now_us + US_PER_S - 1) / US_PER_S, 1);
		if (record->q_x1000 < 1000) {
			put(&out, ";q=0.", 5);
			put_number(&out, record->q_x1000, 3);
		}
		put(&out, "\r\n", 2);
	}
	job->outcome->headers_len = out.len;
	job->outcome->code = 200;
}

/* The only Contact is "*". */
static bool is_star(const struct sip_message *message)
{
	struct sip_text value = sip_message_value(message, SIP_H_CONTACT);

	return value.at != NULL && sip_text_is(sip_text_trim(value), "*") &&
	       sip_header_next(message, sip_header_first(message, SIP_H_CONTACT)) == NULL;
}

void register_contacts(struct engine *engine, struct sip_message *message, const struct sip_flow *flow,
		       const struct user *user, struct register_outcome *outcome)
{
	struct sip_text call_id = sip_message_call_id(message), expires = sip_message_value(message, SIP_H_EXPIRES);
	const struct sip_cseq *cseq = sip_message_cseq(message);
	struct job job;

	outcome->reason = NULL;
	outcome->headers_len = 0;
	job.engine = engine;
	job.registrar = engine->registrar;
	job.message = message;
	job.flow = flow;
	job.user = user;
	job.outcome = outcome;
	job.wishes = 0;
	memset(job.kept, 0, sizeof(job.kept));
	job.header_expires_s = expires.at != NULL ? expires_read(expires) : EXPIRES_DEFAULT_S;
	if (cseq == NULL || call_id.at == NULL) {
		bad_request(&job, NULL);
		return;
	}
	job.cseq = cseq->number;
	job.call_id_hash = keyed_hash(fixed_key, 0, call_id.at, call_id.len);
	job.standing = binding_store_find(job.registrar->store, user->name, user->name_len, engine->now_us,
					  job.registrar->found, job.slot, BINDINGS_PER_USER);
	if (is_star(message) ? remove_all(&job) : wishes_read(&job) && wishes_check(&job) && wishes_apply(&job))
		answer_bindings(&job);
	gauge_set(engine->counters, COUNTER_registrar_bindings, job.registrar->standing);
}
