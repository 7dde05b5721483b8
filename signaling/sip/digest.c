/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/digest.h"
#include "signaling/sip/build.h"

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdlib.h>

#define HASHES SIP_DIGEST_UNKNOWN

/* What each algorithm is called: by OpenSSL and on the wire. Indexed by enum sip_digest_algorithm. */
static const struct {
	const char *openssl;
	const char *wire;
} algorithms[HASHES] = {
    [SIP_DIGEST_MD5] = {"MD5", "MD5"},
    [SIP_DIGEST_SHA256] = {"SHA2-256", "SHA-256"},
    [SIP_DIGEST_SHA512_256] = {"SHA2-512/256", "SHA-512-256"},
};

/*
 * A hash of the OpenSSL provider that has it, through the provider's own functions (provider-digest(7)): these begin
 * anew in the state there is. EVP_DigestInit_ex2() and EVP_MD_CTX_copy_ex() of OpenSSL 3.0 allocate one every time.
 */
struct hash {
	EVP_MD *md;  /* keeps the provider */
	void *state; /* NULL: no provider has this hash */
	OSSL_FUNC_digest_init_fn *init;
	OSSL_FUNC_digest_update_fn *update;
	OSSL_FUNC_digest_final_fn *final;
	OSSL_FUNC_digest_freectx_fn *free_state;
};

struct sip_digest {
	struct hash hashes[HASHES];
};

/* The functions that a provider has for a hash, NULL-terminated; it lists them under all its names, with colons. */
static const OSSL_DISPATCH *find_functions(const OSSL_ALGORITHM *offered, const char *name)
{
	size_t len = strlen(name);

	for (; offered && offered->algorithm_names; offered++) {
		const char *names = offered->algorithm_names;

		if (strncmp(names, name, len) == 0 && (names[len] == ':' || names[len] == '\0'))
			return offered->implementation;
	}
	return NULL;
}

/* Takes over the functions; returns the one that makes a state. */
static OSSL_FUNC_digest_newctx_fn *take_functions(struct hash *hash, const OSSL_DISPATCH *function)
{
	OSSL_FUNC_digest_newctx_fn *new_state = NULL;

	for (; function && function->function_id; function++) {
		switch (function->function_id) {
		case OSSL_FUNC_DIGEST_NEWCTX:
			new_state = OSSL_FUNC_digest_newctx(function);
			break;
		case OSSL_FUNC_DIGEST_INIT:
			hash->init = OSSL_FUNC_digest_init(function);
			break;
		case OSSL_FUNC_DIGEST_UPDATE:
			hash->update = OSSL_FUNC_digest_update(function);
			break;
		case OSSL_FUNC_DIGEST_FINAL:
			hash->final = OSSL_FUNC_digest_final(function);
			break;
		case OSSL_FUNC_DIGEST_FREECTX:
			hash->free_state = OSSL_FUNC_digest_freectx(function);
			break;
		default:
			break;
		}
	}
	return new_state;
}

static void hash_init(struct hash *hash, const char *name)
{
	OSSL_FUNC_digest_newctx_fn *new_state;
	const OSSL_PROVIDER *provider;
	const OSSL_ALGORITHM *offered;
	int no_cache;

	hash->md = EVP_MD_fetch(NULL, name, NULL);
	if (!hash->md)
		return;
	provider = EVP_MD_get0_provider(hash->md);
	offered = OSSL_PROVIDER_query_operation(provider, OSSL_OP_DIGEST, &no_cache);
	new_state = take_functions(hash, find_functions(offered, EVP_MD_get0_name(hash->md)));
	if (new_state && hash->init && hash->update && hash->final && hash->free_state)
		hash->state = new_state(OSSL_PROVIDER_get0_provider_ctx(provider));
	OSSL_PROVIDER_unquery_operation(provider, OSSL_OP_DIGEST, offered);
}

static void hash_fini(struct hash *hash)
{
	if (hash->state)
		hash->free_state(hash->state);
	EVP_MD_free(hash->md);
}

struct sip_digest *sip_digest_new(void)
{
	struct sip_digest *digest = calloc(1, sizeof(*digest));
	bool any = false;

	if (!digest)
		return NULL;
	for (int i = 0; i < HASHES; i++) {
		hash_init(&digest->hashes[i], algorithms[i].openssl);
		any |= digest->hashes[i].state != NULL;
	}
	if (!any) {
		sip_digest_free(digest);
		return NULL;
	}
	return digest;
}

void sip_digest_free(struct sip_digest *digest)
{
	if (!digest)
		return;
	for (int i = 0; i < HASHES; i++)
		hash_fini(&digest->hashes[i]);
	free(digest);
}

bool sip_digest_has(const struct sip_digest *digest, enum sip_digest_algorithm algorithm)
{
	return (unsigned int)algorithm < HASHES && digest->hashes[algorithm].state;
}

static bool hash_add(const struct hash *hash, struct sip_text text)
{
	return text.len == 0 || hash->update(hash->state, (const unsigned char *)text.at, text.len) == 1;
}

/* Hex of the hash of the parts with colons between them: the number of digits, or -ENOTSUP. */
static int hash_parts(struct sip_digest *digest, enum sip_digest_algorithm algorithm, const struct sip_text *parts,
		      int count, char hex[static SIP_DIGEST_HEX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[SIP_DIGEST_HEX / 2];
	const struct hash *hash;
	size_t len = 0;
	bool ok;

	if (!sip_digest_has(digest, algorithm))
		return -ENOTSUP;
	hash = &digest->hashes[algorithm];
	ok = hash->init(hash->state, NULL) == 1;
	for (int i = 0; i < count && ok; i++)
		ok = (i == 0 || hash_add(hash, SIP_TEXT(":"))) && hash_add(hash, parts[i]);
	if (!ok || hash->final(hash->state, bytes, &len, sizeof(bytes)) != 1)
		return -ENOTSUP;
	for (size_t i = 0; i < len; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	return (int)len * 2;
}

int sip_digest_ha1(struct sip_digest *digest, enum sip_digest_algorithm algorithm, struct sip_text username,
		   struct sip_text realm, struct sip_text password, struct sip_ha1 *out)
{
	struct sip_text parts[] = {username, realm, password};
	int len = hash_parts(digest, algorithm, parts, 3, out->hex);

	if (len < 0)
		return len;
	out->algorithm = (uint8_t)algorithm;
	out->len = (uint8_t)len;
	return 0;
}

int sip_digest_response(struct sip_digest *digest, const struct sip_ha1 *ha1, struct sip_text nonce,
			enum sip_digest_qop qop, struct sip_text nc, struct sip_text cnonce, struct sip_text method,
			struct sip_text uri, char out[static SIP_DIGEST_HEX])
{
	enum sip_digest_algorithm algorithm = (enum sip_digest_algorithm)ha1->algorithm;
	struct sip_text a2[] = {method, uri};
	char ha2[SIP_DIGEST_HEX];
	int len = hash_parts(digest, algorithm, a2, 2, ha2);

	if (len < 0)
		return len;
	if (qop == SIP_QOP_AUTH) {
		struct sip_text parts[] = {sip_text(ha1->hex, ha1->len), nonce, nc, cnonce, SIP_TEXT("auth"),
					   sip_text(ha2, (size_t)len)};

		len = hash_parts(digest, algorithm, parts, 6, out);
	} else {
		struct sip_text parts[] = {sip_text(ha1->hex, ha1->len), nonce, sip_text(ha2, (size_t)len)};

		len = hash_parts(digest, algorithm, parts, 3, out);
	}
	return len < 0 ? len : 0;
}

int sip_digest_verify(struct sip_digest *digest, const struct sip_credentials *credentials, struct sip_text method,
		      const struct sip_ha1 *ha1)
{
	char expected[SIP_DIGEST_HEX], given[SIP_DIGEST_HEX];
	int error;

	if (credentials->algorithm != ha1->algorithm || credentials->qop == SIP_QOP_UNKNOWN)
		return -EINVAL;
	error = sip_digest_response(digest, ha1, credentials->nonce, (enum sip_digest_qop)credentials->qop,
				    credentials->nc_text, credentials->cnonce, method, credentials->uri, expected);
	if (error)
		return error;
	/* The length is no secret: it follows from the algorithm. */
	if (credentials->response.len != ha1->len)
		return -EACCES;
	for (uint32_t i = 0; i < ha1->len; i++)
		given[i] = sip_lower(credentials->response.at[i]);
	return CRYPTO_memcmp(expected, given, ha1->len) == 0 ? 0 : -EACCES;
}

static void put_param(struct sip_builder *b, const char *name, struct sip_text value)
{
	sip_build_string(b, name);
	sip_build_string(b, "\"");
	sip_build_text(b, value);
	sip_build_string(b, "\"");
}

/* May stand between quotes as it is: what would need a backslash would be hashed in another spelling than sent. */
static bool quotable(struct sip_text text)
{
	return !text.len || (!memchr(text.at, '"', text.len) && !memchr(text.at, '\\', text.len));
}

int sip_digest_authorize(struct sip_digest *digest, const struct sip_challenge *challenge, struct sip_text username,
			 struct sip_text password, struct sip_text method, struct sip_text uri, struct sip_text cnonce,
			 uint32_t nc, char *out, size_t size)
{
	enum sip_digest_qop qop = challenge->qop_auth ? SIP_QOP_AUTH : SIP_QOP_NONE;
	enum sip_digest_algorithm algorithm = (enum sip_digest_algorithm)challenge->algorithm;
	char response[SIP_DIGEST_HEX], nc_hex[8];
	struct sip_builder b;
	struct sip_ha1 ha1;
	int error;

	if ((challenge->has_qop && !challenge->qop_auth) || !quotable(username) || !quotable(cnonce) || !quotable(uri))
		return -ENOTSUP;
	for (int i = 0; i < 8; i++)
		nc_hex[i] = "0123456789abcdef"[nc >> (28 - 4 * i) & 15];
	error = sip_digest_ha1(digest, algorithm, username, challenge->realm, password, &ha1);
	if (!error)
		error = sip_digest_response(digest, &ha1, challenge->nonce, qop, sip_text(nc_hex, 8), cnonce, method,
					    uri, response);
	if (error)
		return error;
	sip_build_init(&b, out, size);
	put_param(&b, "Digest username=", username);
	put_param(&b, ", realm=", challenge->realm);
	put_param(&b, ", nonce=", challenge->nonce);
	put_param(&b, ", uri=", uri);
	put_param(&b, ", response=", sip_text(response, ha1.len));
	sip_build_string(&b, ", algorithm=");
	sip_build_string(&b, algorithms[algorithm].wire);
	if (qop == SIP_QOP_AUTH) {
		put_param(&b, ", cnonce=", cnonce);
		sip_build_string(&b, ", qop=auth, nc=");
		sip_build_text(&b, sip_text(nc_hex, 8));
	}
	if (challenge->opaque.at)
		put_param(&b, ", opaque=", challenge->opaque);
	return sip_build_finish(&b);
}

/* The stronger, the higher. */
static int strength(uint8_t algorithm)
{
	return algorithm == SIP_DIGEST_SHA256 ? 2 : algorithm == SIP_DIGEST_SHA512_256 ? 1 : 0;
}

static bool is_within(const struct sip_digest_limits *limits, const struct sip_challenge *challenge)
{
	return !(limits->refused & 1u << challenge->algorithm) &&
	       (!limits->realm.at || sip_text_equal(limits->realm, challenge->realm));
}

int sip_digest_choose(const struct sip_digest *digest, const struct sip_message *response,
		      const struct sip_digest_limits *limits, struct sip_challenge *challenge, bool *proxy)
{
	enum sip_header_id id = response->status == 407 ? SIP_H_PROXY_AUTHENTICATE : SIP_H_WWW_AUTHENTICATE;
	struct sip_challenge offered;
	bool found = false;

	for (const struct sip_header *h = sip_header_first(response, id); h; h = sip_header_next(response, h)) {
		if (sip_challenge_parse(&offered, sip_header_value(response, h)) != 0 ||
		    !sip_digest_has(digest, (enum sip_digest_algorithm)offered.algorithm) ||
		    !is_within(limits, &offered) || (offered.has_qop && !offered.qop_auth))
			continue;
		if (found && strength(offered.algorithm) <= strength(challenge->algorithm))
			continue;
		*challenge = offered;
		found = true;
	}
	*proxy = id == SIP_H_PROXY_AUTHENTICATE;
	return found ? 0 : -ENOENT;
}
