/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "signaling/client_auth.h"
#include "signaling/local_headers.h"
#include "signaling/register_client.h"
#include "signaling/registrations.h"
#include "signaling/snapshot_signaling.h"
#include "signaling/transaction.h"

#define BACK_OFF_MOST_S 1800u /* RFC 5626 section 4.5 */
#define REFUSED_WAIT_S  1800u
#define RETRY_MOST_S    3600u            /* of a Retry-After */
#define EXPIRES_MOST_S  86400u           /* of a Min-Expires, and of what is granted */
#define MARGIN_MOST_S   300u             /* before the end, for a refresh and its resends */
#define START_SPREAD_US (10 * US_PER_MS) /* for each registration of a worker: they don't start all at once */

static void on_timer(struct timer *timer, void *context);
static void on_response(struct engine *engine, struct transaction *t, struct sip_message *response);
static void on_unanswered(struct engine *engine, struct transaction *t);

static const struct transaction_user register_user = {on_response, on_unanswered};

/* ---- what others see ---- */

static void show(struct registration *r, enum gateway_registration_state state, unsigned int code)
{
	atomic_store_explicit(&r->shown->code, code, memory_order_relaxed);
	atomic_store_explicit(&r->shown->failures, r->failures, memory_order_relaxed);
	atomic_store_explicit(&r->shown->expires_us, r->expires_us, memory_order_relaxed);
	atomic_store_explicit(&r->shown->state, state, memory_order_relaxed);
}

static void show_none(struct registration *r)
{
	r->failures = 0;
	atomic_store_explicit(&r->shown->next_us, 0, memory_order_relaxed);
	show(r, GATEWAY_NOT_REGISTERING, 0);
}

static void count_standing(struct engine *engine, int64_t change)
{
	engine->registrations_standing += (uint64_t)change;
	gauge_set(engine->counters, COUNTER_register_client_standing, engine->registrations_standing);
}

static void set_expiry(struct registration *r, uint64_t expires_us)
{
	if ((expires_us != 0) != (r->expires_us != 0))
		count_standing(r->engine, expires_us != 0 ? 1 : -1);
	r->expires_us = expires_us;
}

/* ---- sending ---- */

static void wait_until(struct registration *r, uint64_t at_us)
{
	timer_start(&r->engine->wheel, &r->timer, at_us, on_timer);
	atomic_store_explicit(&r->shown->next_us, at_us, memory_order_relaxed);
}

/* Into the engine's scratch. */
static int build(struct registration *r, const struct sip_flow *flow, struct transaction *t,
		 const struct client_auth *auth)
{
	char branch[IDENTIFIER_BRANCH];
	struct sip_builder b;

	transaction_branch(r->engine, t, branch);
	sip_build_init(&b, (char *)r->engine->scratch, ENGINE_MESSAGE_MAX);
	sip_build_request(&b, SIP_TEXT("REGISTER"), sip_text_of(r->uri));
	local_headers_via(r->engine, &b, &flow->local, sip_text(branch, sizeof(branch)));
	sip_build_number(&b, SIP_H_MAX_FORWARDS, 70);
	sip_build_name_addr(&b, SIP_H_FROM, SIP_TEXT(""), false, sip_text_of(r->aor), sip_text(r->tag, sizeof(r->tag)));
	sip_build_name_addr(&b, SIP_H_TO, SIP_TEXT(""), false, sip_text_of(r->aor), SIP_TEXT(""));
	sip_build_header(&b, SIP_H_CALL_ID, sip_text(r->call_id, sizeof(r->call_id)));
	sip_build_cseq(&b, ++r->cseq, SIP_TEXT("REGISTER"));
	sip_build_contact(&b, sip_text_of(r->contact), &flow->local);
	sip_build_number(&b, SIP_H_EXPIRES, r->ending ? 0 : r->asked_s);
	if (auth != NULL)
		sip_build_header(&b, auth->proxy ? SIP_H_PROXY_AUTHORIZATION : SIP_H_AUTHORIZATION,
				 sip_text(auth->value, auth->len));
	sip_build_no_body(&b);
	return sip_build_finish(&b);
}

/* 0 or a negative errno. */
static int send_register(struct registration *r, const struct client_auth *auth)
{
	struct engine *engine = r->engine;
	const char *network = r->network[0] != '\0' ? r->network : NULL;
	struct transaction *t;
	struct sip_flow flow;
	int len = engine->io.flow_to(engine->io.context, network, &r->registrar, &flow);

	if (len < 0)
		return len;
	t = transaction_client_new(engine, SIP_REGISTER, &flow, &register_user, r);
	if (t == NULL)
		return -ENOBUFS;
	len = build(r, &flow, t, auth);
	if (len < 0) {
		counter_inc(engine->counters, COUNTER_signaling_build_failures);
		transaction_free(engine, t);
		return len;
	}
	counter_inc(engine->counters, COUNTER_register_client_requests);
	len = transaction_send_request(engine, t, engine->scratch, (uint32_t)len);
	r->transaction = len == 0 ? t : NULL;
	return len;
}

/* ---- what comes of it ---- */

static void end(struct registration *r)
{
	timer_stop(&r->engine->wheel, &r->timer);
	set_expiry(r, 0);
	r->ending = false;
	r->active = false;
}

static uint32_t retry_after_of(const struct sip_message *response)
{
	struct sip_retry_after after;

	if (response == NULL || !sip_message_has(response, SIP_H_RETRY_AFTER) ||
	    sip_retry_after_parse(&after, sip_message_value(response, SIP_H_RETRY_AFTER)) < 0)
		return 0;
	return after.delta_s < RETRY_MOST_S ? after.delta_s : RETRY_MOST_S;
}

/* The wait doubles with each failure; which part of its second half is left out is chance. */
static uint64_t back_off_us(struct registration *r)
{
	uint32_t doublings = r->failures - 1 < 11 ? r->failures - 1 : 11;
	uint64_t wait_us = (uint64_t)r->retry_s << doublings;

	if (wait_us > BACK_OFF_MOST_S)
		wait_us = BACK_OFF_MOST_S;
	wait_us *= US_PER_S;
	return wait_us / 2 + engine_random(r->engine) % (wait_us / 2 + 1);
}

static bool is_for_good(unsigned int code)
{
	return code >= 300 && (code < 500 || code >= 600) && code != 408 && code != 480;
}

/* code 0: no answer. */
static void failed(struct registration *r, unsigned int code, uint32_t retry_after_s)
{
	struct engine *engine = r->engine;
	bool refused = is_for_good(code);
	uint64_t wait_us;

	if (r->ending) {
		end(r);
		return;
	}
	r->failures++;
	wait_us = refused ? (REFUSED_WAIT_S + engine_random(engine) % (REFUSED_WAIT_S / 4)) * US_PER_S : back_off_us(r);
	if (wait_us < retry_after_s * US_PER_S)
		wait_us = retry_after_s * US_PER_S;
	counter_inc(engine->counters, refused ? COUNTER_register_client_refused
				      : code  ? COUNTER_register_client_failed
					      : COUNTER_register_client_unanswered);
	log_warn("register", "gateway=%s: no registration, code=%u (0: no answer); next try in %llu s", r->name, code,
		 (unsigned long long)(wait_us / US_PER_S));
	if (refused)
		set_expiry(r, 0);
	show(r, refused ? GATEWAY_REGISTER_REFUSED : GATEWAY_REGISTER_FAILED, code);
	wait_until(r, engine->now_us + wait_us);
}

static void begin(struct registration *r)
{
	r->asked_s = r->expires_s;
	r->challenged = 0;
	if (send_register(r, NULL) < 0)
		failed(r, 0, 0);
}

static void on_timer(struct timer *timer, void *context)
{
	struct registration *r = (struct registration *)((char *)timer - offsetof(struct registration, timer));
	struct engine *engine = context;

	if (engine->draining || r->transaction != NULL)
		return; /* its answer, or the lack of one, says how it goes on */
	if (r->expires_us != 0 && r->expires_us <= engine->now_us) {
		counter_inc(engine->counters, COUNTER_register_client_lost);
		set_expiry(r, 0);
	}
	if (r->expires_us == 0 && r->failures == 0)
		show(r, GATEWAY_REGISTERING, 0);
	begin(r);
}

/* Is it our Contact, as the registrar wrote it down? */
static bool is_ours(const struct registration *r, const struct net_addr *local, struct sip_text uri_text)
{
	struct sip_uri uri;
	struct net_addr addr;
	char user[USER_NAME_MAX];
	int len;

	if (sip_uri_parse(&uri, uri_text) < 0 || net_addr_parse(&addr, uri.host.at, uri.host.len) < 0)
		return false;
	addr.port = uri.port ? uri.port : 5060;
	len = uri.user.at != NULL ? sip_unescape(uri.user, user, sizeof(user)) : 0;
	return net_addr_equal(&addr, local) && len >= 0 && (size_t)len == strlen(r->contact) &&
	       memcmp(user, r->contact, (size_t)len) == 0;
}

/* For how long (section 10.2.4): what our Contact says, else Expires, else what was asked for. */
static uint32_t granted_s(const struct registration *r, const struct transaction *t, struct sip_message *response)
{
	uint32_t seconds = r->asked_s;
	struct sip_name_addr contact;
	struct sip_values values;
	struct sip_text value;

	sip_message_number(response, SIP_H_EXPIRES, &seconds);
	sip_values_init(&values, response, SIP_H_CONTACT);
	while (sip_values_next(&values, &value) > 0) {
		if (sip_name_addr_parse(&contact, value) < 0 || contact.star ||
		    !is_ours(r, &t->flow.local, contact.uri))
			continue;
		if (sip_param_find(contact.params, "expires", &value))
			sip_number_parse(&seconds, value);
		break;
	}
	return seconds < EXPIRES_MOST_S ? seconds : EXPIRES_MOST_S;
}

static void accepted(struct registration *r, const struct transaction *t, struct sip_message *response)
{
	struct engine *engine = r->engine;
	uint32_t seconds = granted_s(r, t, response), margin = seconds / 10;

	if (r->ending) {
		counter_inc(engine->counters, COUNTER_register_client_removed);
		log_info("register", "gateway=%s: registration taken back", r->name);
		end(r);
		return;
	}
	if (seconds == 0) {
		failed(r, response->status, 0);
		return;
	}
	/* Short ones at half their time; else early enough for a whole transaction that fails, and another. */
	if (margin < 70)
		margin = seconds > 140 ? 70 : seconds / 2;
	else if (margin > MARGIN_MOST_S)
		margin = MARGIN_MOST_S;
	counter_inc(engine->counters, COUNTER_register_client_registered);
	if (r->expires_us == 0 || r->failures != 0)
		log_info("register", "gateway=%s: registered for %u s", r->name, seconds);
	r->failures = 0;
	set_expiry(r, engine->now_us + seconds * US_PER_S);
	show(r, GATEWAY_REGISTERED, response->status);
	wait_until(r, r->expires_us - margin * US_PER_S - engine_random(engine) % (margin * US_PER_S / 4 + 1));
}

/* False: the challenge is not to be answered. */
static bool answer_challenge(struct registration *r, struct sip_message *response)
{
	struct client_auth_peer peer = {r->name, &r->credentials,
					net_addr_equal_ip(&r->engine->flow->remote, &r->registrar), r->realm};
	struct client_auth auth;

	if (!r->has_credentials ||
	    client_auth_answer_to(r->engine, &peer, SIP_TEXT("REGISTER"), sip_text_of(r->uri), response, &auth) < 0 ||
	    !client_auth_helps(&auth, r->challenged))
		return false;
	r->challenged++;
	return send_register(r, &auth) == 0;
}

/* Too brief for it (section 10.2.8): again with what it wants, when that is more than before. */
static bool ask_longer(struct registration *r, struct sip_message *response)
{
	uint32_t least_s;

	if (r->ending || sip_message_number(response, SIP_H_MIN_EXPIRES, &least_s) < 0 || least_s <= r->asked_s ||
	    least_s > EXPIRES_MOST_S)
		return false;
	r->asked_s = least_s;
	r->challenged = 0;
	counter_inc(r->engine->counters, COUNTER_register_client_too_brief);
	return send_register(r, NULL) == 0;
}

static void on_response(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	struct registration *r = t->owner;
	unsigned int code = response->status;

	if (code < 200)
		return;
	r->transaction = NULL;
	if (code < 300)
		accepted(r, t, response);
	else if (((code != 401 && code != 407) || !answer_challenge(r, response)) &&
		 (code != 423 || !ask_longer(r, response)))
		failed(r, code, retry_after_of(response));
}

static void on_unanswered(struct engine *engine, struct transaction *t)
{
	struct registration *r = t->owner;

	r->transaction = NULL;
	failed(r, 0, 0);
}

/* ---- a new configuration ---- */

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from != NULL ? from : "");
}

static void take_settings(struct registration *r, const struct config_routing_gateway *gateway)
{
	const struct config_credentials *credentials = gateway->digest;

	r->expires_s = gateway->registration->expires_s;
	r->retry_s = gateway->registration->retry_s;
	copy_text(r->network, sizeof(r->network), gateway->network);
	r->has_credentials = credentials != NULL;
	if (credentials == NULL)
		return;
	copy_text(r->user, sizeof(r->user), credentials->user);
	copy_text(r->password, sizeof(r->password), credentials->password);
	copy_text(r->realm_text, sizeof(r->realm_text), credentials->realm);
	r->credentials = (struct config_credentials){
	    r->user, r->password, credentials->realm != NULL ? r->realm_text : NULL, credentials->algorithms};
}

static void make_text(struct engine *engine, char *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = "0123456789abcdef"[engine_random(engine) & 15];
}

static void start(struct engine *engine, struct registration *r, uint64_t delay_us)
{
	r->engine = engine;
	r->realm = &party_get(engine->snapshot->state->parties, r->id)->vendor->realm[REALM_OF_REGISTRATION];
	r->active = true;
	r->failures = 0;
	r->next_active = engine->registrations;
	engine->registrations = r;
	make_text(engine, r->call_id, sizeof(r->call_id));
	make_text(engine, r->tag, sizeof(r->tag));
	show(r, GATEWAY_REGISTERING, 0);
	wait_until(r, engine->now_us + delay_us);
}

/* It is not to be sent again beside the one that follows it (RFC 3261 section 10.2). */
static void forget_request(struct registration *r)
{
	if (r->transaction != NULL)
		transaction_free(r->engine, r->transaction);
	r->transaction = NULL;
}

/* It stands, and is to go on, or waits for a better time: the operator may have made it one. */
static void go_on(struct registration *r)
{
	if (r->ending) {
		forget_request(r);
		r->ending = false;
		set_expiry(r, 0);
		show(r, GATEWAY_REGISTERING, 0);
	}
	if (r->transaction == NULL && (r->failures != 0 || r->expires_us == 0))
		wait_until(r, r->engine->now_us);
}

static void take_back(struct registration *r)
{
	if (r->ending)
		return;
	show_none(r); /* from here on another registration may be shown in its place */
	r->ending = true;
	timer_stop(&r->engine->wheel, &r->timer);
	if (r->transaction == NULL && r->expires_us == 0) {
		end(r);
		return;
	}
	forget_request(r);
	r->challenged = 0;
	if (send_register(r, NULL) < 0)
		end(r);
}

/* One that has ended is not looked at again; the others stay in their order. */
static void drop_ended(struct engine *engine)
{
	struct registration **at = &engine->registrations;

	while (*at != NULL)
		if ((*at)->active)
			at = &(*at)->next_active;
		else
			*at = (*at)->next_active;
}

void register_clients_step(struct engine *engine)
{
	const struct signaling_snapshot *snapshot = engine->snapshot;
	uint64_t delay_us = 0;

	if (engine->registrations_serial == snapshot->serial)
		return;
	engine->registrations_serial = snapshot->serial;
	drop_ended(engine);
	for (unsigned int i = 0; i < snapshot->registration_count; i++)
		if (snapshot->registrations[i].id % engine->workers == engine->worker)
			snapshot->registrations[i].registration->serial = snapshot->serial;
	for (struct registration *r = engine->registrations; r != NULL; r = r->next_active)
		if (r->active && r->serial != snapshot->serial)
			take_back(r);
	for (unsigned int i = 0; i < snapshot->registration_count; i++) {
		const struct registration_entry *entry = &snapshot->registrations[i];
		struct registration *r = entry->registration;

		if (entry->id % engine->workers != engine->worker)
			continue;
		take_settings(r, entry->gateway);
		if (r->active)
			go_on(r);
		else
			start(engine, r, delay_us += START_SPREAD_US);
	}
}
