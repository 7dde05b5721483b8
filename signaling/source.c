/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "signaling/auth.h"
#include "signaling/gateway.h"
#include "signaling/sip/message.h"
#include "signaling/registrations.h"
#include "signaling/snapshot_signaling.h"
#include "signaling/source.h"

/* One hash table for all lengths: an entry is found by its masked address, its length and its port. */
struct source_key {
	struct net_addr addr; /* host bits cleared; port 0 = any */
	uint32_t len;
};
static_assert(sizeof(struct source_key) == 24, "compared with memcmp");

struct source_place {
	struct source_key key;
	const struct source_entry *entry; /* NULL = free */
};

/* The lengths in use, longest first, so that a look-up tries only those. */
struct source_length {
	uint8_t family, len;
};

#define LENGTHS_MAX (33 + 129)

struct source_table {
	struct source_place *places;
	uint32_t mask;
	unsigned int length_count;
	struct source_length length[LENGTHS_MAX];
};

static void source_key_make(struct source_key *key, const struct net_addr *addr, unsigned int len, uint16_t port)
{
	unsigned int bytes = addr->family == NET_IP4 ? 4 : 16;

	memset(key, 0, sizeof(*key));
	for (unsigned int i = 0; i < bytes && i * 8 < len; i++) {
		unsigned int bits = len - i * 8;

		key->addr.ip[i] = bits >= 8 ? addr->ip[i] : (uint8_t)(addr->ip[i] & (0xff00u >> bits));
	}
	key->addr.family = addr->family;
	key->addr.port = port;
	key->len = len;
}

static struct source_place *source_place(const struct source_table *table, const struct source_key *key)
{
	uint32_t at = (uint32_t)net_addr_hash(&key->addr) + key->len * 0x9e3779b9u;

	for (;; at++) {
		struct source_place *place = &table->places[at & table->mask];

		if (place->entry == NULL || memcmp(&place->key, key, sizeof(*key)) == 0)
			return place;
	}
}

static void source_length_note(struct source_table *table, uint8_t family, uint8_t len)
{
	unsigned int at = table->length_count;

	for (unsigned int i = 0; i < table->length_count; i++)
		if (table->length[i].family == family && table->length[i].len == len)
			return;
	for (; at > 0 && table->length[at - 1].len < len; at--)
		table->length[at] = table->length[at - 1];
	table->length[at] = (struct source_length){family, len};
	table->length_count++;
}

static void source_entry_add(struct source_table *table, const struct source_entry *entry)
{
	for (unsigned int i = 0; i < entry->config->addresses_count; i++) {
		const struct net_prefix *prefix = &entry->config->addresses[i];
		struct source_place *place;
		struct source_key key;

		source_key_make(&key, &prefix->addr, prefix->len, prefix->addr.port);
		place = source_place(table, &key);
		if (place->entry != NULL && place->entry != entry) {
			char text[NET_ADDR_TEXT];

			net_addr_print(&prefix->addr, text);
			log_warn("source", "address=%s/%u belongs to gateway=%s already, not also to gateway=%s", text,
				 prefix->len, place->entry->config->name, entry->config->name);
			continue;
		}
		*place = (struct source_place){key, entry};
		source_length_note(table, prefix->addr.family, prefix->len);
	}
}

struct source_table *source_table_new(const struct source_entry *entries, unsigned int count)
{
	struct source_table *table = calloc(1, sizeof(*table));
	uint32_t addresses = 0, size = 16;

	if (table == NULL)
		return NULL;
	for (unsigned int i = 0; i < count; i++)
		addresses += entries[i].config->addresses_count;
	while (size < addresses * 2)
		size *= 2;
	table->places = calloc(size, sizeof(*table->places));
	if (table->places == NULL) {
		free(table);
		return NULL;
	}
	table->mask = size - 1;
	for (unsigned int i = 0; i < count; i++)
		source_entry_add(table, &entries[i]);
	return table;
}

void source_table_free(struct source_table *table)
{
	if (table == NULL)
		return;
	free(table->places);
	free(table);
}

const struct source_entry *source_table_find(const struct source_table *table, const struct net_addr *remote)
{
	for (unsigned int i = 0; i < table->length_count; i++) {
		const struct source_entry *entry;
		struct source_key key;

		if (table->length[i].family != remote->family)
			continue;
		source_key_make(&key, remote, table->length[i].len, remote->port);
		entry = source_place(table, &key)->entry;
		if (entry == NULL) {
			key.addr.port = 0;
			entry = source_place(table, &key)->entry;
		}
		if (entry != NULL)
			return entry;
	}
	return NULL;
}

/* ---- for a request ---- */

/* Not routed between networks of different owners: RFC 1918, 6598, 3927; RFC 4193, link-local. */
static bool is_private(const struct net_addr *addr)
{
	static const struct {
		uint8_t family, bytes[2], mask[2];
	} ranges[] = {
	    {NET_IP4, {10, 0}, {0xff, 0}},         {NET_IP4, {172, 16}, {0xff, 0xf0}},
	    {NET_IP4, {192, 168}, {0xff, 0xff}},   {NET_IP4, {100, 64}, {0xff, 0xc0}},
	    {NET_IP4, {169, 254}, {0xff, 0xff}},   {NET_IP6, {0xfc, 0}, {0xfe, 0}},
	    {NET_IP6, {0xfe, 0x80}, {0xff, 0xc0}},
	};

	for (unsigned int i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (ranges[i].family == addr->family && (addr->ip[0] & ranges[i].mask[0]) == ranges[i].bytes[0] &&
		    (addr->ip[1] & ranges[i].mask[1]) == ranges[i].bytes[1])
			return true;
	return false;
}

/* The address that requests in the dialog would go to; false: a host name, or proxies of the peer's take them. */
static bool contact_address(struct sip_message *message, struct net_addr *addr)
{
	struct sip_name_addr contact;
	struct sip_values values;
	struct sip_text value;
	struct sip_uri uri;

	sip_values_init(&values, message, SIP_H_CONTACT);
	return !sip_message_has(message, SIP_H_RECORD_ROUTE) && sip_values_next(&values, &value) == 1 &&
	       sip_name_addr_parse(&contact, value) == 0 && !contact.star && sip_uri_parse(&uri, contact.uri) == 0 &&
	       net_addr_parse(addr, uri.host.at, uri.host.len) == 0;
}

bool source_is_behind_nat(struct sip_message *message, const struct net_addr *remote)
{
	const struct sip_via *via = sip_message_via(message);
	struct net_addr sent_by, contact;
	bool says_where = via != NULL && net_addr_parse(&sent_by, via->host.at, via->host.len) == 0;

	if (says_where && !net_addr_equal_ip(&sent_by, remote))
		return true;
	if (!contact_address(message, &contact) || net_addr_equal_ip(&contact, remote))
		return false;
	return is_private(&contact) && !(says_where && is_private(remote));
}

/* Who the request says it is from: the credentials' user, else From's. */
static const struct user *claimed_user(struct engine *engine, struct sip_message *message)
{
	const struct sip_name_addr *from;
	char name[USER_NAME_MAX];
	struct sip_text named;
	struct sip_uri uri;
	int len;

	if (auth_claimed_user(engine, message, AUTH_PROXY, &named))
		return users_find(engine->snapshot->users, named.at, named.len);
	from = sip_message_from(message);
	if (from == NULL || sip_uri_parse(&uri, from->uri) < 0 || uri.user.at == NULL)
		return NULL;
	len = sip_unescape(uri.user, name, sizeof(name));
	return len > 0 ? users_find(engine->snapshot->users, name, (size_t)len) : NULL;
}

static enum source_verdict refuse(struct source *source, unsigned int code, enum end_reason reason)
{
	source->code = code;
	source->reason = reason;
	return SOURCE_REFUSE;
}

static enum source_verdict stranger(struct engine *engine, struct source *source)
{
	if (!engine->snapshot->parameters->reply_unauthorized) {
		counter_inc(engine->counters, COUNTER_registrar_unknown_ignored);
		return SOURCE_IGNORE;
	}
	counter_inc(engine->counters, COUNTER_registrar_unknown_source);
	return refuse(source, 403, END_FORBIDDEN_SOURCE);
}

/* Asked about each request of a flood of strangers'. */
static bool is_vendor(const struct signaling_snapshot *snapshot, const struct net_addr *remote)
{
	return address_set_has(snapshot->vendors, remote) ||
	       address_set_has(__atomic_load_n(&snapshot->state->resolved_vendors, __ATOMIC_ACQUIRE), remote);
}

bool source_is_ignored(struct engine *engine, const struct sip_flow *flow, struct sip_message *message)
{
	const struct signaling_snapshot *snapshot = engine->snapshot;

	if (snapshot->parameters->reply_unauthorized || source_table_find(snapshot->sources, &flow->remote) != NULL ||
	    is_vendor(snapshot, &flow->remote) || claimed_user(engine, message) != NULL)
		return false;
	counter_inc(engine->counters, COUNTER_registrar_unknown_ignored);
	return true;
}

static enum source_verdict admit_mapping(struct source *source, const struct config_mapping_gateway *config,
					 uint32_t id)
{
	source->kind = SOURCE_GATEWAY;
	source->gateway = id;
	source->config = config;
	source->name = config->name;
	source->name_len = (uint32_t)strlen(config->name);
	return SOURCE_ADMIT;
}

static enum source_verdict admit_user(struct source *source, const struct user *user)
{
	if (user->kind == USER_MAPPING)
		return admit_mapping(source, user->mapping, user->id);
	source->kind = SOURCE_PHONE;
	source->gateway = user->id;
	source->name = user->name;
	source->name_len = user->name_len;
	return SOURCE_ADMIT;
}

/* A customer that has both addresses and credentials needs both. */
static bool user_fits_address(const struct user *user, const struct source_entry *by_address)
{
	if (by_address != NULL)
		return user->kind == USER_MAPPING && user->id == by_address->id;
	return user->kind == USER_PHONE || user->mapping->addresses_count == 0;
}

static enum source_verdict identify_by_digest(struct engine *engine, const struct sip_flow *flow,
					      struct sip_message *message, const struct source_entry *by_address,
					      struct source *source)
{
	const struct user *user;
	enum auth_verdict verdict = auth_check(engine, flow, message, AUTH_PROXY, &user);

	switch (verdict) {
	case AUTH_OK:
		if (!user_fits_address(user, by_address))
			return stranger(engine, source);
		return admit_user(source, user);
	case AUTH_CHALLENGE:
	case AUTH_STALE:
		auth_challenge(engine, flow, AUTH_PROXY, verdict == AUTH_STALE, source->challenge);
		return SOURCE_CHALLENGE;
	case AUTH_WRONG:
		return refuse(source, 403, END_AUTHENTICATION_FAILED);
	case AUTH_SUSPENDED:
		return refuse(source, 403, END_SUSPENDED);
	}
	return stranger(engine, source);
}

enum source_verdict source_identify(struct engine *engine, const struct sip_flow *flow, struct sip_message *message,
				    struct source *source)
{
	const struct signaling_snapshot *snapshot = engine->snapshot;
	const struct source_entry *entry = source_table_find(snapshot->sources, &flow->remote);
	const struct config_mapping_gateway *registered;
	const struct user *user;
	uint32_t id;

	memset(source, 0, offsetof(struct source, challenge));
	source->challenge[0] = '\0';
	source->gateway = GATEWAY_NO_ID;
	source->name = "";
	source->network = signaling_snapshot_network(snapshot, flow->port);
	source->behind_nat = source_is_behind_nat(message, &flow->remote);
	registered = registrations_caller(engine, message, &flow->remote, &id);
	if (registered != NULL) {
		source->called_in_to = true;
		return admit_mapping(source, registered, id);
	}
	if (entry != NULL && entry->config->network != NULL)
		source->network = entry->config->network;
	if (entry != NULL && entry->config->digest == NULL)
		return admit_mapping(source, entry->config, entry->id);
	if (entry == NULL) {
		user = claimed_user(engine, message);
		if (user == NULL || !user_fits_address(user, NULL))
			return stranger(engine, source);
	}
	return identify_by_digest(engine, flow, message, entry, source);
}
