/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "signaling/auth.h"
#include "signaling/register_contacts.h"
#include "signaling/registrar.h"
#include "signaling/sip/digest.h"
#include "signaling/sip/message.h"
#include "signaling/snapshot_signaling.h"
#include "signaling/source.h"
#include "signaling/transaction.h"
#include "signaling/users.h"

struct registrar *registrar_new(const struct registrar_options *options)
{
	struct registrar *registrar = calloc(1, sizeof(*registrar));

	if (registrar == NULL)
		return NULL;
	registrar->worker = options->worker;
	registrar->store = options->store;
	registrar->expiry = options->expiry;
	registrar->digest = sip_digest_new();
	if (registrar->digest == NULL || keepalive_link_init(&registrar->keepalive, options->to_keepalive,
							     options->store, options->counters, options->worker) < 0) {
		registrar_free(registrar);
		return NULL;
	}
	return registrar;
}

void registrar_free(struct registrar *registrar)
{
	if (registrar == NULL)
		return;
	keepalive_link_fini(&registrar->keepalive);
	if (registrar->digest != NULL)
		sip_digest_free(registrar->digest);
	free(registrar);
}

/* ---- expiry ---- */

static void binding_expired(struct timer *timer, void *context)
{
	struct engine *engine = context;
	struct registrar *registrar = engine->registrar;
	uint32_t slot = (uint32_t)(timer - registrar->expiry);
	struct binding_record record;

	if (!binding_store_read(registrar->store, slot, &record))
		return;
	counter_inc(engine->counters, COUNTER_registrar_expired);
	registrar_binding_remove(engine, slot, &record);
}

void registrar_expiry_start(struct engine *engine, uint32_t slot, uint64_t expires_us)
{
	timer_start(&engine->wheel, &engine->registrar->expiry[slot], expires_us, binding_expired);
}

void registrar_binding_remove(struct engine *engine, uint32_t slot, const struct binding_record *record)
{
	struct registrar *registrar = engine->registrar;

	timer_stop(&engine->wheel, &registrar->expiry[slot]);
	if (!binding_store_remove(registrar->store, slot))
		return;
	registrar->standing--;
	gauge_set(engine->counters, COUNTER_registrar_bindings, registrar->standing);
	if (record->flags & BINDING_NAT)
		keepalive_link_removed(&registrar->keepalive, slot, record->id);
}

void registrar_start(struct engine *engine)
{
	struct registrar *registrar = engine->registrar;
	struct binding_record record;

	for (uint32_t slot = 0; slot < binding_store_slots(registrar->store); slot++)
		if (binding_store_read(registrar->store, slot, &record) &&
		    binding_store_owner(registrar->store, record.user, record.user_len) == registrar->worker) {
			registrar_expiry_start(engine, slot, record.expires_us);
			registrar->standing++;
		}
	gauge_set(engine->counters, COUNTER_registrar_bindings, registrar->standing);
}

/* ---- whose REGISTER is this ---- */

/* The address-of-record's user (RFC 3261 section 10.3, step 5), decoded. Returns its length, 0: none. */
static size_t address_of_record(struct sip_message *message, char name[static USER_NAME_MAX])
{
	const struct sip_name_addr *to = sip_message_to(message);
	struct sip_uri uri;
	int len;

	if (to == NULL || sip_uri_parse(&uri, to->uri) < 0 || uri.user.at == NULL)
		return 0;
	len = sip_unescape(uri.user, name, USER_NAME_MAX);
	return len > 0 ? (size_t)len : 0;
}

int registrar_worker_of(const struct binding_store *store, struct sip_message *scratch, const uint8_t *data,
			uint32_t len)
{
	char name[USER_NAME_MAX];
	size_t name_len;

	/* RFC 3261 section 7.5: line ends before the request line count for nothing. */
	for (; len && (*data == '\r' || *data == '\n'); len--)
		data++;
	if (len < 9 || memcmp(data, "REGISTER ", 9) != 0)
		return -1;
	sip_message_parse(scratch, data, len);
	name_len = address_of_record(scratch, name);
	return name_len > 0 ? (int)binding_store_owner(store, name, name_len) : -1;
}

/* ---- a request ---- */

static void answer(struct engine *engine, struct transaction *transaction, const struct sip_message *message,
		   unsigned int code, const char *reason, const char *headers, size_t headers_len)
{
	struct response_extra extra = {headers, (uint32_t)headers_len};

	transaction_respond(engine, transaction, message, code, reason, &extra);
}

/* Nothing stays of a request before its sender has proved who it is: the same answer each time that it comes. */
static void answer_once(struct engine *engine, struct transaction *transaction, struct sip_message *message,
			const struct sip_flow *flow, unsigned int code, const char *reason,
			const struct response_extra *extra)
{
	transaction_reply_stateless(engine, flow, message, code, reason, extra);
	transaction_ignore(engine, transaction);
}

static void answer_stranger(struct engine *engine, struct transaction *transaction, struct sip_message *message,
			    const struct sip_flow *flow)
{
	if (engine->snapshot->parameters->reply_unauthorized) {
		counter_inc(engine->counters, COUNTER_registrar_unknown_source);
		answer_once(engine, transaction, message, flow, 403, NULL, NULL);
		return;
	}
	counter_inc(engine->counters, COUNTER_registrar_unknown_ignored);
	transaction_ignore(engine, transaction);
}

static void answer_challenge(struct engine *engine, struct transaction *transaction, struct sip_message *message,
			     const struct sip_flow *flow, bool stale)
{
	char challenge[AUTH_CHALLENGE_MAX];
	struct response_extra extra = {challenge, 0};

	extra.headers_len = (uint32_t)auth_challenge(engine, flow, AUTH_WWW, stale, challenge);
	answer_once(engine, transaction, message, flow, 401, NULL, &extra);
}

/* A phone, or a customer that is called where it registers from; one that has addresses, too, only from there. */
static bool may_register(const struct engine *engine, const struct user *user, const struct net_addr *remote)
{
	const struct source_entry *entry;

	if (user == NULL || !user->may_register)
		return false;
	if (user->kind == USER_PHONE || user->mapping->addresses_count == 0)
		return true;
	entry = source_table_find(engine->snapshot->sources, remote);
	return entry != NULL && entry->id == user->id;
}

/* Who may register this address-of-record; NULL: the request has been answered. */
static const struct user *authenticate(struct engine *engine, struct transaction *transaction,
				       struct sip_message *message, const struct sip_flow *flow, const char *name,
				       size_t len)
{
	const struct user *known = users_find(engine->snapshot->users, name, len), *user;
	enum auth_verdict verdict;

	if (!may_register(engine, known, &flow->remote)) {
		answer_stranger(engine, transaction, message, flow);
		return NULL;
	}
	verdict = auth_check(engine, flow, message, AUTH_WWW, &user);
	if (verdict == AUTH_OK && user == known)
		return user;
	if (verdict == AUTH_CHALLENGE || verdict == AUTH_STALE) {
		answer_challenge(engine, transaction, message, flow, verdict == AUTH_STALE);
		return NULL;
	}
	if (verdict == AUTH_OK)
		counter_inc(engine->counters, COUNTER_registrar_forbidden);
	answer(engine, transaction, message, 403, NULL, NULL, 0);
	return NULL;
}

void registrar_request(struct engine *engine, struct transaction *transaction, struct sip_message *message,
		       const struct sip_flow *flow)
{
	char name[USER_NAME_MAX], headers[REGISTER_HEADERS_MAX];
	size_t name_len = address_of_record(message, name);
	struct register_outcome outcome = {.headers = headers};
	const struct user *user;

	if (name_len == 0) {
		counter_inc(engine->counters, COUNTER_registrar_bad_request);
		if (source_is_ignored(engine, flow, message)) {
			transaction_ignore(engine, transaction);
			return;
		}
		answer_once(engine, transaction, message, flow, 400, "Bad Address of Record", NULL);
		return;
	}
	user = authenticate(engine, transaction, message, flow, name, name_len);
	if (user == NULL)
		return;
	if (binding_store_owner(engine->registrar->store, name, name_len) != engine->registrar->worker) {
		counter_inc(engine->counters, COUNTER_registrar_misrouted);
		answer(engine, transaction, message, 500, NULL, NULL, 0);
		return;
	}
	register_contacts(engine, message, flow, user, &outcome);
	answer(engine, transaction, message, outcome.code, outcome.reason, headers, outcome.headers_len);
}

/* ---- keepalive ---- */

unsigned int registrar_poll(struct engine *engine)
{
	return keepalive_link_poll(&engine->registrar->keepalive, engine);
}

void registrar_keepalive_message(struct engine *engine, const struct ring_message *message)
{
	keepalive_link_message(&engine->registrar->keepalive, message);
}

bool registrar_keepalive_busy(const struct engine *engine)
{
	return keepalive_link_busy(&engine->registrar->keepalive);
}

/* ---- where somebody is ---- */

static bool is_better(const struct binding_record *a, const struct binding_record *b)
{
	return a->q_x1000 > b->q_x1000 || (a->q_x1000 == b->q_x1000 && a->refreshed_us > b->refreshed_us);
}

static void fill_target(struct binding_target *target, const struct binding_record *record, uint32_t gateway)
{
	target->flow = (struct sip_flow){.port = record->port_index, .local = record->local, .remote = record->remote};
	target->contact = record->contact;
	target->contact_len = record->contact_len;
	target->behind_nat = record->flags & BINDING_NAT;
	target->gateway = gateway;
}

/* The best first. */
static unsigned int find_targets(struct engine *engine, const struct user *user, struct binding_target *targets,
				 unsigned int max)
{
	struct registrar *registrar = engine->registrar;
	const struct binding_record *order[BINDINGS_PER_USER];
	unsigned int count = binding_store_find(registrar->store, user->name, user->name_len, engine->now_us,
						registrar->found, NULL, BINDINGS_PER_USER);

	for (unsigned int i = 0; i < count; i++) {
		unsigned int at = i;

		for (; at > 0 && is_better(&registrar->found[i], order[at - 1]); at--)
			order[at] = order[at - 1];
		order[at] = &registrar->found[i];
	}
	for (unsigned int i = 0; i < count && i < max; i++)
		fill_target(&targets[i], order[i], user->id);
	return count < max ? count : max;
}

int binding_lookup_all(struct engine *engine, const char *user, size_t len, struct binding_target *targets,
		       unsigned int max)
{
	const struct user *known = users_find(engine->snapshot->users, user, len);

	return known != NULL && known->kind == USER_PHONE ? (int)find_targets(engine, known, targets, max) : -ENOENT;
}

int binding_lookup(struct engine *engine, const char *user, size_t len, struct binding_target *target)
{
	int count = binding_lookup_all(engine, user, len, target, 1);

	return count == 0 ? -EAGAIN : count < 0 ? count : 0;
}

int binding_lookup_gateway(struct engine *engine, const char *user, struct binding_target *target)
{
	const struct user *known = users_find(engine->snapshot->users, user, strlen(user));

	if (known == NULL || known->kind != USER_MAPPING)
		return -ENOENT;
	return find_targets(engine, known, target, 1) == 1 ? 0 : -EAGAIN;
}
