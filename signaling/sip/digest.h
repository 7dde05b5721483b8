/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digest authentication: MD5 (RFC 2617 as RFC 3261 section 22.4 uses it), SHA-256 and SHA-512-256 (RFC 7616,
 * RFC 8760); qop auth, and none. Computation only: nonces, counts and suspensions are the caller's policy.
 *
 * A context belongs to one thread. It is made at start-up; after that nothing allocates.
 */
#ifndef TANDEM_SIGNALING_SIP_DIGEST_H
#define TANDEM_SIGNALING_SIP_DIGEST_H

#include "signaling/sip/fields.h"

struct sip_digest; /* the hashes, ready */

#define SIP_DIGEST_HEX  64   /* hex digits of the longest hash */
#define SIP_DIGEST_TEXT 1024 /* enough for sip_digest_authorize() with names of ordinary length */

/* H(user:realm:password), in hex. A secret: whoever has it can log in. */
struct sip_ha1 {
	uint8_t algorithm; /* enum sip_digest_algorithm */
	uint8_t len;       /* hex digits */
	char hex[SIP_DIGEST_HEX];
};

struct sip_digest *sip_digest_new(void); /* NULL: out of memory, or OpenSSL has none of the hashes */
void sip_digest_free(struct sip_digest *digest);

/* False for an algorithm this OpenSSL does not provide (MD5 under FIPS, say). */
bool sip_digest_has(const struct sip_digest *digest, enum sip_digest_algorithm algorithm);

/* 0 or -ENOTSUP. */
int sip_digest_ha1(struct sip_digest *digest, enum sip_digest_algorithm algorithm, struct sip_text username,
		   struct sip_text realm, struct sip_text password, struct sip_ha1 *out);

/*
 * Do the credentials prove the knowledge of HA1 for a request with this method? Compared in constant time. Returns
 * 0, -EACCES (they do not), -EINVAL (another algorithm than ha1's, or an unknown qop), -ENOTSUP. Whether nonce,
 * realm, username and uri are the right ones is the caller's to check.
 */
int sip_digest_verify(struct sip_digest *digest, const struct sip_credentials *credentials, struct sip_text method,
		      const struct sip_ha1 *ha1);

/*
 * Write the value of an Authorization or Proxy-Authorization header that answers the challenge: with qop=auth where
 * offered, without where no qop was offered. nc counts the uses of the nonce from 1. Returns the length, -EMSGSIZE,
 * or -ENOTSUP (algorithm unknown, or only qop=auth-int offered).
 */
int sip_digest_authorize(struct sip_digest *digest, const struct sip_challenge *challenge, struct sip_text username,
			 struct sip_text password, struct sip_text method, struct sip_text uri, struct sip_text cnonce,
			 uint32_t nc, char *out, size_t size);

/* Which challenges are answered; all-zero: any. */
struct sip_digest_limits {
	struct sip_text realm; /* no other than this; at NULL = any */
	unsigned int refused;  /* 1u << algorithm each */
};

struct sip_message;
/*
 * The challenge of a 401 or 407 to answer: SHA-256 before SHA-512-256 before MD5 (RFC 8760 section 2.4 leaves the
 * choice to us among what the server offers). *proxy says which header it was. Returns 0 or -ENOENT (none usable).
 */
int sip_digest_choose(const struct sip_digest *digest, const struct sip_message *response,
		      const struct sip_digest_limits *limits, struct sip_challenge *challenge, bool *proxy);

/* Lower-case hex of the response for given values; the core of the two above, public for tests. 0 or -ENOTSUP. */
int sip_digest_response(struct sip_digest *digest, const struct sip_ha1 *ha1, struct sip_text nonce,
			enum sip_digest_qop qop, struct sip_text nc, struct sip_text cnonce, struct sip_text method,
			struct sip_text uri, char out[static SIP_DIGEST_HEX]);

#endif
