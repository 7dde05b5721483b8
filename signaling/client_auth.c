/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/client_auth.h"

#include <errno.h>

#include "common/log.h"
#include "signaling/call.h"
#include "signaling/keyed_hash.h"
#include "signaling/local_headers.h"
#include "signaling/snapshot_signaling.h"

/* Never 0. */
static uint64_t realm_hash(const struct engine *engine, struct sip_text realm)
{
	uint64_t hash = keyed_hash(engine->hash_key, 0x7265616c6d, realm.at, realm.len);

	return hash != 0 ? hash : 1;
}

static int refuse(struct engine *engine, const struct client_auth_peer *peer, const char *why)
{
	char text[NET_ADDR_TEXT];

	counter_inc(engine->counters, COUNTER_client_auth_foreign);
	net_addr_print(&engine->flow->remote, text);
	log_warn("client_auth", "gateway=%s: a challenge from %s gets no answer: %s", peer->name, text, why);
	return -EACCES;
}

/* Its algorithm is one that the credentials allow, and the realm the one that counts. */
static int choose(struct engine *engine, const struct client_auth_peer *peer, const struct sip_message *response,
		  struct sip_challenge *challenge, bool *proxy)
{
	const struct config_credentials *credentials = peer->credentials;
	struct sip_digest_limits limits = {.refused = 0};

	if (credentials->realm != NULL)
		limits.realm = sip_text_of(credentials->realm);
	if (!(credentials->algorithms & DIGEST_MD5))
		limits.refused = 1u << SIP_DIGEST_MD5;
	if (!(credentials->algorithms & DIGEST_SHA256))
		limits.refused = 1u << SIP_DIGEST_SHA256 | 1u << SIP_DIGEST_SHA512_256;
	if (sip_digest_choose(engine->calls->digest, response, &limits, challenge, proxy) < 0)
		return refuse(engine, peer, "another realm, or no algorithm that its credentials allow");
	return 0;
}

/* The first realm is the one, whichever worker meets it. */
static int pin(struct engine *engine, const struct client_auth_peer *peer, const struct sip_challenge *challenge)
{
	uint64_t hash = realm_hash(engine, challenge->realm), known = 0;

	if (peer->credentials->realm != NULL ||
	    (peer->was_here && atomic_load_explicit(peer->realm, memory_order_relaxed) == 0) ||
	    atomic_compare_exchange_strong_explicit(peer->realm, &known, hash, memory_order_relaxed,
						    memory_order_relaxed) ||
	    known == hash)
		return 0;
	return refuse(engine, peer, "another realm than before");
}

int client_auth_answer_to(struct engine *engine, const struct client_auth_peer *peer, struct sip_text method,
			  struct sip_text uri, const struct sip_message *response, struct client_auth *auth)
{
	struct sip_challenge challenge;
	char cnonce[16];
	int len;

	if (!peer->is_here)
		return refuse(engine, peer, "not the gateway's address");
	if (choose(engine, peer, response, &challenge, &auth->proxy) < 0 || pin(engine, peer, &challenge) < 0)
		return -EACCES;
	for (unsigned int i = 0; i < sizeof(cnonce); i++)
		cnonce[i] = "0123456789abcdef"[engine_random(engine) & 15];
	len = sip_digest_authorize(engine->calls->digest, &challenge, sip_text_of(peer->credentials->user),
				   sip_text_of(peer->credentials->password), method, uri,
				   sip_text(cnonce, sizeof(cnonce)), 1, auth->value, sizeof(auth->value));
	if (len < 0)
		return len == -ENOTSUP ? -EACCES : len;
	auth->len = (uint32_t)len;
	auth->stale = challenge.stale;
	counter_inc(engine->counters, COUNTER_client_auth_answered);
	return 0;
}

static bool is_at(const struct engine *engine, uint32_t id, const struct net_addr *addr, const struct net_addr *was)
{
	return gateway_is_at(engine, id, addr) || (was && net_addr_equal_ip(was, addr));
}

int client_auth_answer(struct engine *engine, uint32_t id, const struct net_addr *to, const struct net_addr *was,
		       struct sip_text method, struct sip_text uri, const struct sip_message *response,
		       struct client_auth *auth)
{
	const struct config_routing_gateway *gateway = gateway_routing(engine->snapshot, id);

	if (!gateway || !gateway->digest)
		return -ENOENT;
	const struct client_auth_peer peer = {
	    .name = gateway->name,
	    .credentials = gateway->digest,
	    .is_here = is_at(engine, id, &engine->flow->remote, was),
	    .was_here = !gateway_is_at(engine, id, &engine->flow->remote),
	    .realm = &party_get(engine->snapshot->state->parties, id)->vendor->realm[REALM_OF_CALLS],
	};

	/* A call that the gateway has redirected may be with somebody else. */
	if (!is_at(engine, id, to, was))
		return refuse(engine, &peer, "not the gateway's call any more");
	return client_auth_answer_to(engine, &peer, method, uri, response, auth);
}

int client_auth_build_again(struct engine *engine, const struct transaction *transaction,
			    const struct sip_message *sent, uint32_t cseq, const struct client_auth *auth)
{
	char branch[IDENTIFIER_BRANCH];
	struct sip_builder b;

	transaction_branch(engine, transaction, branch);
	sip_build_init(&b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	sip_build_request(&b, sent->method_text, sent->uri_text);
	local_headers_via(engine, &b, &transaction->flow.local, sip_text(branch, sizeof(branch)));
	for (unsigned int i = 0; i < sent->header_count; i++) {
		enum sip_header_id id = (enum sip_header_id)sent->headers[i].id;

		if (id != SIP_H_VIA && id != SIP_H_CSEQ && id != SIP_H_AUTHORIZATION &&
		    id != SIP_H_PROXY_AUTHORIZATION && id != SIP_H_CONTENT_TYPE && id != SIP_H_CONTENT_LENGTH)
			sip_build_copy_line(&b, sent, &sent->headers[i]);
	}
	sip_build_cseq(&b, cseq, sent->method_text);
	sip_build_header(&b, auth->proxy ? SIP_H_PROXY_AUTHORIZATION : SIP_H_AUTHORIZATION,
			 sip_text(auth->value, auth->len));
	sip_build_body(&b, sip_message_value(sent, SIP_H_CONTENT_TYPE), sent->body);
	return sip_build_finish(&b);
}
