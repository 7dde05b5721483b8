/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "signaling/sip/digest.h"
#include "signaling/keyed_hash.h"
#include "signaling/users.h"

/* ---- states: what outlives a reload ---- */

#define STATES_IN_CHUNK 1024u

struct state_name {
	char *name;
	struct user_state *state;
};

struct state_chunk {
	struct state_chunk *next;
	struct user_state state[STATES_IN_CHUNK];
};

struct user_states {
	uint8_t key[16];
	struct state_name *index;
	uint32_t index_size, count;
	struct state_chunk *chunks; /* the newest first: it alone has room */
};

struct user_states *user_states_new(void)
{
	struct user_states *states = calloc(1, sizeof(*states));

	if (states == NULL)
		return NULL;
	states->index_size = 1024;
	states->index = calloc(states->index_size, sizeof(*states->index));
	if (states->index == NULL || RAND_bytes(states->key, sizeof(states->key)) != 1) {
		user_states_free(states);
		return NULL;
	}
	return states;
}

void user_states_free(struct user_states *states)
{
	if (states == NULL)
		return;
	for (uint32_t i = 0; states->index != NULL && i < states->index_size; i++)
		free(states->index[i].name);
	while (states->chunks != NULL) {
		struct state_chunk *chunk = states->chunks;

		states->chunks = chunk->next;
		free(chunk);
	}
	free(states->index);
	free(states);
}

static struct state_name *state_place(const struct user_states *states, const char *name)
{
	uint32_t mask = states->index_size - 1;
	uint32_t at = (uint32_t)keyed_hash(states->key, 0, name, strlen(name)) & mask;

	while (states->index[at].name != NULL && strcmp(states->index[at].name, name) != 0)
		at = (at + 1) & mask;
	return &states->index[at];
}

static bool states_grow(struct user_states *states)
{
	struct user_states bigger = *states;

	bigger.index_size *= 2;
	bigger.index = calloc(bigger.index_size, sizeof(*bigger.index));
	if (bigger.index == NULL)
		return false;
	for (uint32_t i = 0; i < states->index_size; i++)
		if (states->index[i].name != NULL)
			*state_place(&bigger, states->index[i].name) = states->index[i];
	free(states->index);
	*states = bigger;
	return true;
}

/* The state of that name, made if need be; NULL when out of memory. */
static struct user_state *user_state_claim(struct user_states *states, const char *name)
{
	struct state_name *place;

	if (states->count * 2 >= states->index_size && !states_grow(states))
		return NULL;
	place = state_place(states, name);
	if (place->name != NULL)
		return place->state;
	if (states->count % STATES_IN_CHUNK == 0) {
		struct state_chunk *chunk = calloc(1, sizeof(*chunk));

		if (chunk == NULL)
			return NULL;
		chunk->next = states->chunks;
		states->chunks = chunk;
	}
	place->name = strdup(name);
	if (place->name == NULL)
		return NULL;
	place->state = &states->chunks->state[states->count++ % STATES_IN_CHUNK];
	return place->state;
}

/* ---- the table ---- */

struct users {
	uint8_t key[16];
	struct user *user;
	unsigned int count, most;
	uint32_t *index; /* place + 1 by hash */
	uint32_t mask;
	char *names; /* of expanded ranges, USER_NAME_MAX each */
	size_t names_used;
	struct sip_digest *digest;
	const char *realm;
	struct user_states *states;
	struct parties *parties;
};

static uint32_t *user_place(const struct users *users, uint64_t hash, const char *name, size_t len)
{
	for (uint32_t at = (uint32_t)hash;; at++) {
		uint32_t *place = &users->index[at & users->mask];
		const struct user *user;

		if (*place == 0)
			return place;
		user = &users->user[*place - 1];
		if (user->hash == hash && user->name_len == len && memcmp(user->name, name, len) == 0)
			return place;
	}
}

static void hex_to_bytes(const char *hex, uint8_t *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};

		out[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
}

static void ha1_make(const struct users *users, struct user *user, const char *password)
{
	struct sip_text name = sip_text(user->name, user->name_len), realm = sip_text_of(users->realm);
	struct sip_ha1 ha1;

	if (sip_digest_ha1(users->digest, SIP_DIGEST_MD5, name, realm, sip_text_of(password), &ha1) == 0)
		hex_to_bytes(ha1.hex, user->ha1_md5, sizeof(user->ha1_md5));
	if (sip_digest_ha1(users->digest, SIP_DIGEST_SHA256, name, realm, sip_text_of(password), &ha1) == 0)
		hex_to_bytes(ha1.hex, user->ha1_sha256, sizeof(user->ha1_sha256));
}

/* One user more; `name` must outlive the table. */
static struct user *user_add(struct users *users, const char *name, const char *password)
{
	struct user *user = &users->user[users->count];
	size_t len = strlen(name);
	char masked[40];
	uint32_t *place;

	if (len == 0 || len > USER_NAME_MAX) {
		log_error("users", "user=%s: a name has 1 to %u characters", log_mask(masked, name, len),
			  USER_NAME_MAX);
		return NULL;
	}
	user->hash = keyed_hash(users->key, 0, name, len);
	place = user_place(users, user->hash, name, len);
	if (*place != 0) {
		log_error("users", "user=%s is configured twice", log_mask(masked, name, len));
		return NULL;
	}
	user->name = name;
	user->name_len = (uint8_t)len;
	ha1_make(users, user, password);
	user->state = user_state_claim(users->states, name);
	if (user->state == NULL)
		return NULL;
	*place = ++users->count;
	return user;
}

static bool phone_add(struct users *users, const char *name, const struct config_phone *phone)
{
	struct user *user = user_add(users, name, phone->password);
	int64_t id = user != NULL ? party_claim(users->parties, PARTY_PHONE, name) : -1;

	if (id < 0)
		return false;
	user->kind = USER_PHONE;
	user->may_register = true;
	user->id = (uint32_t)id;
	user->capacity = phone->capacity;
	return true;
}

/* The next name of a range: the number one higher, leading zeros kept. */
static bool name_increment(char *name)
{
	for (size_t at = strlen(name); at > 0; at--) {
		if (name[at - 1] < '0' || name[at - 1] > '9')
			return false;
		if (name[at - 1] != '9') {
			name[at - 1]++;
			return true;
		}
		name[at - 1] = '0';
	}
	return false;
}

static bool phones_add(struct users *users, const struct config_phone *phone)
{
	unsigned int count = phone->count ? phone->count : 1;
	char name[USER_NAME_MAX + 1];

	if (count == 1)
		return phone_add(users, phone->user, phone);
	if (strlen(phone->user) > USER_NAME_MAX)
		return false;
	strcpy(name, phone->user);
	for (unsigned int i = 0; i < count; i++) {
		char *kept = users->names + users->names_used;

		strcpy(kept, name);
		users->names_used += strlen(name) + 1;
		if (!phone_add(users, kept, phone))
			return false;
		if (i + 1 < count && !name_increment(name)) {
			log_error("users", "phones: %u users from %s on do not fit into its digits", count,
				  phone->user);
			return false;
		}
	}
	return true;
}

static bool is_called_there(const struct config *config, const char *user)
{
	for (unsigned int i = 0; i < config->routing_gateways_count; i++)
		if (config->routing_gateways[i].registered != NULL &&
		    strcmp(config->routing_gateways[i].registered, user) == 0)
			return true;
	return false;
}

static bool mapping_add(struct users *users, const struct config *config, const struct config_mapping_gateway *gateway)
{
	struct user *user = user_add(users, gateway->digest->user, gateway->digest->password);
	int64_t id = user != NULL ? party_claim(users->parties, PARTY_MAPPING, gateway->name) : -1;

	if (id < 0)
		return false;
	user->kind = USER_MAPPING;
	user->may_register = is_called_there(config, gateway->digest->user);
	user->id = (uint32_t)id;
	user->mapping = gateway;
	return true;
}

/* Room for everybody: the table never grows once made. */
static bool users_room(struct users *users, const struct config *config)
{
	size_t names = 0;
	uint32_t size = 64;

	for (unsigned int i = 0; i < config->phones_count; i++) {
		users->most += config->phones[i].count ? config->phones[i].count : 1;
		names +=
		    config->phones[i].count > 1 ? config->phones[i].count * (strlen(config->phones[i].user) + 1) : 0;
	}
	users->most += config->mapping_gateways_count;
	while (size < users->most * 2)
		size *= 2;
	users->mask = size - 1;
	users->index = calloc(size, sizeof(*users->index));
	users->user = calloc((size_t)users->most + 1, sizeof(*users->user));
	users->names = malloc(names + 1);
	users->digest = sip_digest_new();
	return users->index != NULL && users->user != NULL && users->names != NULL && users->digest != NULL;
}

struct users *users_new(const struct config *config, struct user_states *states, struct parties *parties)
{
	struct users *users = calloc(1, sizeof(*users));

	if (users == NULL)
		return NULL;
	memcpy(users->key, states->key, sizeof(users->key));
	users->states = states;
	users->parties = parties;
	users->realm = config->realm;
	if (!users_room(users, config))
		goto fail;
	for (unsigned int i = 0; i < config->phones_count; i++)
		if (!phones_add(users, &config->phones[i]))
			goto fail;
	for (unsigned int i = 0; i < config->mapping_gateways_count; i++)
		if (config->mapping_gateways[i].digest != NULL &&
		    !mapping_add(users, config, &config->mapping_gateways[i]))
			goto fail;
	sip_digest_free(users->digest);
	users->digest = NULL;
	return users;
fail:
	users_free(users);
	return NULL;
}

void users_free(struct users *users)
{
	if (users == NULL)
		return;
	if (users->digest != NULL)
		sip_digest_free(users->digest);
	free(users->names);
	free(users->index);
	free(users->user);
	free(users);
}

const struct user *users_find(const struct users *users, const char *name, size_t len)
{
	uint32_t place;

	if (len == 0 || len > USER_NAME_MAX)
		return NULL;
	place = *user_place(users, keyed_hash(users->key, 0, name, len), name, len);
	return place != 0 ? &users->user[place - 1] : NULL;
}

unsigned int users_count(const struct users *users)
{
	return users->count;
}

const struct user *users_at(const struct users *users, unsigned int i)
{
	return &users->user[i];
}
