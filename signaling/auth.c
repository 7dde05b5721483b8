/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/log.h"
#include "signaling/auth.h"
#include "signaling/registrar.h"
#include "signaling/sip/digest.h"
#include "signaling/sip/message.h"
#include "signaling/snapshot_signaling.h"

/* A client may hold credentials for several realms: one header line each. */
static bool credentials_for_us(const struct engine *engine, const struct sip_message *message, enum auth_header header,
			       struct sip_credentials *credentials)
{
	enum sip_header_id id = header == AUTH_WWW ? SIP_H_AUTHORIZATION : SIP_H_PROXY_AUTHORIZATION;

	for (const struct sip_header *line = sip_header_first(message, id); line != NULL;
	     line = sip_header_next(message, line))
		if (sip_credentials_parse(credentials, sip_header_value(message, line)) == 0 &&
		    sip_text_is(credentials->realm, engine->snapshot->config->realm))
			return true;
	return false;
}

bool auth_claimed_user(struct engine *engine, const struct sip_message *message, enum auth_header header,
		       struct sip_text *user)
{
	struct sip_credentials credentials;

	if (!credentials_for_us(engine, message, header, &credentials))
		return false;
	*user = credentials.username;
	return true;
}

static void ha1_hex(struct sip_ha1 *ha1, const uint8_t *bytes, unsigned int count, uint8_t algorithm)
{
	ha1->algorithm = algorithm;
	ha1->len = (uint8_t)(count * 2);
	for (unsigned int i = 0; i < count; i++) {
		ha1->hex[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		ha1->hex[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
}

static bool digest_is_right(struct engine *engine, const struct sip_credentials *credentials,
			    const struct sip_message *message, const struct user *user)
{
	struct sip_ha1 ha1;

	if (credentials->algorithm == SIP_DIGEST_SHA256)
		ha1_hex(&ha1, user->ha1_sha256, sizeof(user->ha1_sha256), SIP_DIGEST_SHA256);
	else
		ha1_hex(&ha1, user->ha1_md5, sizeof(user->ha1_md5), SIP_DIGEST_MD5);
	return sip_digest_verify(engine->registrar->digest, credentials, message->method_text, &ha1) == 0;
}

/* Is this the address that one of the user's standing registrations came from? */
static enum user_place place_of(const struct engine *engine, const struct user *user, const struct net_addr *remote)
{
	struct registrar *registrar = engine->registrar;
	unsigned int count = binding_store_find(registrar->store, user->name, user->name_len, engine->now_us,
						registrar->found, NULL, BINDINGS_PER_USER);

	for (unsigned int i = 0; i < count; i++)
		if (net_addr_equal_ip(&registrar->found[i].remote, remote))
			return USER_AT_HOME;
	return USER_AWAY;
}

static bool is_suspended(const struct engine *engine, const struct user *user, const struct net_addr *remote)
{
	const struct user_state *state = user->state;
	bool any = false;

	for (int place = 0; place < USER_PLACES; place++)
		any |= atomic_load_explicit(&state->suspended_until_us[place], memory_order_relaxed) > engine->now_us;
	if (!any)
		return false;
	return atomic_load_explicit(&state->suspended_until_us[place_of(engine, user, remote)], memory_order_relaxed) >
	       engine->now_us;
}

/* Once in many wrong digests, and the log limits its own rate: no packet pays for it. */
static void suspension_log(const struct engine *engine, const struct user *user, enum user_place place,
			   const struct net_addr *remote)
{
	char masked[40], text[NET_ADDR_TEXT];

	net_addr_print(remote, text);
	log_warn("auth", "user=%s suspended for %u s after %u wrong digests, the last from %s%s",
		 log_mask(masked, user->name, user->name_len),
		 engine->snapshot->parameters->authentication_failed_suspend_s,
		 engine->snapshot->parameters->authentication_max_retry, text,
		 place == USER_AT_HOME ? "" : "; not where it is registered from");
}

static void count_failure(struct engine *engine, const struct user *user, const struct net_addr *remote)
{
	const struct parameters *parameters = engine->snapshot->parameters;
	enum user_place place = place_of(engine, user, remote);
	uint32_t failed;

	counter_inc(engine->counters, COUNTER_registrar_wrong_digest);
	if (parameters->authentication_max_retry == 0)
		return;
	failed = atomic_fetch_add_explicit(&user->state->failed[place], 1, memory_order_relaxed) + 1;
	if (failed < parameters->authentication_max_retry)
		return;
	atomic_store_explicit(&user->state->failed[place], 0, memory_order_relaxed);
	atomic_store_explicit(&user->state->suspended_until_us[place],
			      engine->now_us + parameters->authentication_failed_suspend_s * US_PER_S,
			      memory_order_relaxed);
	counter_inc(engine->counters, COUNTER_registrar_suspensions);
	suspension_log(engine, user, place, remote);
}

static void forget_failures(const struct engine *engine, const struct user *user, const struct net_addr *remote)
{
	struct user_state *state = user->state;

	for (int place = 0; place < USER_PLACES; place++)
		if (atomic_load_explicit(&state->failed[place], memory_order_relaxed) != 0) {
			atomic_store_explicit(&state->failed[place_of(engine, user, remote)], 0, memory_order_relaxed);
			return;
		}
}

/*
 * Any digest-uri is accepted as long as the digest covers it: clients and proxies between disagree about it, and
 * what a captured one could be used for is ruled out by the nonce count.
 */
static enum auth_verdict judge(struct engine *engine, const struct sip_flow *flow, const struct sip_message *message,
			       const struct sip_credentials *credentials, const struct user *user)
{
	struct nonces *nonces = &engine->snapshot->state->nonces;
	struct sip_text nonce = credentials->nonce;
	enum nonce_verdict fresh = nonce_check(nonces, nonce.at, nonce.len, &flow->remote, engine->now_us);

	if (!digest_is_right(engine, credentials, message, user)) {
		if (fresh != NONCE_OK)
			return AUTH_CHALLENGE;
		count_failure(engine, user, &flow->remote);
		return AUTH_WRONG;
	}
	/* Without qop there is no count: such a nonce serves once. */
	if (fresh != NONCE_OK || nonce_use(nonces, nonce.at, nonce.len,
					   credentials->qop == SIP_QOP_AUTH ? credentials->nc : 1) != NONCE_OK) {
		counter_inc(engine->counters, COUNTER_registrar_stale_nonce);
		return AUTH_STALE;
	}
	forget_failures(engine, user, &flow->remote);
	return AUTH_OK;
}

static bool is_offered(const struct engine *engine, enum sip_digest_algorithm algorithm)
{
	unsigned int offered = engine->snapshot->config->digest_algorithms;

	return (algorithm == SIP_DIGEST_SHA256 && offered & DIGEST_SHA256) ||
	       (algorithm == SIP_DIGEST_MD5 && offered & DIGEST_MD5);
}

enum auth_verdict auth_check(struct engine *engine, const struct sip_flow *flow, struct sip_message *message,
			     enum auth_header header, const struct user **user)
{
	struct sip_credentials credentials;

	*user = NULL;
	if (!credentials_for_us(engine, message, header, &credentials))
		return AUTH_CHALLENGE;
	*user = users_find(engine->snapshot->users, credentials.username.at, credentials.username.len);
	if (*user == NULL) {
		counter_inc(engine->counters, COUNTER_registrar_unknown_user);
		return AUTH_WRONG;
	}
	if (is_suspended(engine, *user, &flow->remote)) {
		counter_inc(engine->counters, COUNTER_registrar_suspended);
		return AUTH_SUSPENDED;
	}
	if (!is_offered(engine, credentials.algorithm))
		return AUTH_CHALLENGE;
	return judge(engine, flow, message, &credentials, *user);
}

struct text_out {
	char *at;
	size_t len, room;
};

static void put(struct text_out *out, const char *text, size_t len)
{
	if (len > out->room - out->len)
		len = out->room - out->len;
	memcpy(out->at + out->len, text, len);
	out->len += len;
}

static void put_string(struct text_out *out, const char *text)
{
	put(out, text, strlen(text));
}

/* The most that a line takes beside the realm; the configuration's realm is far from the rest. */
#define CHALLENGE_FIXED 200

size_t auth_challenge(struct engine *engine, const struct sip_flow *flow, enum auth_header header, bool stale,
		      char out[static AUTH_CHALLENGE_MAX])
{
	static const struct {
		enum digest_algorithms bit;
		const char *name;
	} algorithms[] = {{DIGEST_SHA256, "SHA-256"},
			  {DIGEST_MD5, "MD5"}}; /* the stronger first: RFC 8760 section 2.3 */
	const char *realm = engine->snapshot->config->realm;
	struct text_out text = {out, 0, AUTH_CHALLENGE_MAX - 1};
	size_t realm_len = strlen(realm);
	char nonce[NONCE_LEN];

	counter_inc(engine->counters, COUNTER_registrar_challenged);
	nonce_make(&engine->snapshot->state->nonces, &flow->remote, engine->now_us, nonce);
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++) {
		if (!(engine->snapshot->config->digest_algorithms & algorithms[i].bit))
			continue;
		/* Never half a line: a realm that long leaves only the first challenge. */
		if (text.room - text.len < realm_len + CHALLENGE_FIXED)
			break;
		put_string(&text, header == AUTH_WWW ? "WWW-Authenticate: Digest realm=\""
						     : "Proxy-Authenticate: Digest realm=\"");
		put(&text, realm, realm_len);
		put_string(&text, "\", nonce=\"");
		put(&text, nonce, sizeof(nonce));
		put_string(&text, stale ? "\", stale=true, algorithm=" : "\", algorithm=");
		put_string(&text, algorithms[i].name);
		put_string(&text, ", qop=\"auth\"\r\n");
	}
	out[text.len] = '\0';
	return text.len;
}
