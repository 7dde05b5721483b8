/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/digest.h"
#include "signaling/sip/message.h"
#include "tests/unit/check.h"

#include <openssl/crypto.h>
#include <stdlib.h>

static struct sip_digest *digest;

/* The worked example of RFC 7616 section 3.9.1: the same request by MD5 and by SHA-256. */
static void published_values(void)
{
	static const struct {
		enum sip_digest_algorithm algorithm;
		const char *response;
	} examples[] = {
	    {SIP_DIGEST_MD5, "8ca523f5e9506fed4657c9700eebdbec"},
	    {SIP_DIGEST_SHA256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
	};
	char response[SIP_DIGEST_HEX];
	struct sip_ha1 ha1;

	for (size_t i = 0; i < 2; i++) {
		CHECK_INT(sip_digest_ha1(digest, examples[i].algorithm, SIP_TEXT("Mufasa"),
					 SIP_TEXT("http-auth@example.org"), SIP_TEXT("Circle of Life"), &ha1),
			  0);
		CHECK_INT(sip_digest_response(digest, &ha1, SIP_TEXT("7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"),
					      SIP_QOP_AUTH, SIP_TEXT("00000001"),
					      SIP_TEXT("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"), SIP_TEXT("GET"),
					      SIP_TEXT("/dir/index.html"), response),
			  0);
		CHECK_TEXT(response, ha1.len, examples[i].response);
	}
}

/* Without qop: values worked out with another implementation (printf | md5sum). */
static void legacy_value(void)
{
	char response[SIP_DIGEST_HEX];
	struct sip_ha1 ha1;

	CHECK_INT(sip_digest_ha1(digest, SIP_DIGEST_MD5, SIP_TEXT("u"), SIP_TEXT("r"), SIP_TEXT("p"), &ha1), 0);
	CHECK_TEXT(ha1.hex, ha1.len, "44add22b6f3179b751eafd68ee370f7d");
	CHECK_INT(sip_digest_response(digest, &ha1, SIP_TEXT("n"), SIP_QOP_NONE, SIP_TEXT(""), SIP_TEXT(""),
				      SIP_TEXT("REGISTER"), SIP_TEXT("sip:r"), response),
		  0);
	CHECK_TEXT(response, ha1.len, "5790559ba44538767b07fb5adb649909");
}

static void round_trip(enum sip_digest_algorithm algorithm, const char *name, const char *qop)
{
	struct sip_text user = SIP_TEXT("1001"), realm = SIP_TEXT("switch.example"), password = SIP_TEXT("secret");
	struct sip_credentials credentials;
	struct sip_challenge challenge;
	char text[256], value[SIP_DIGEST_TEXT];
	struct sip_ha1 ha1, other;
	int len;

	if (!sip_digest_has(digest, algorithm))
		return;
	len = snprintf(text, sizeof(text), "Digest realm=\"switch.example\", nonce=\"abc\", opaque=\"o\"%s%s%s%s",
		       *name ? ", algorithm=" : "", name, *qop ? ", qop=" : "", qop);
	CHECK_INT(sip_challenge_parse(&challenge, sip_text(text, (size_t)len)), 0);
	len = sip_digest_authorize(digest, &challenge, user, password, SIP_TEXT("REGISTER"),
				   SIP_TEXT("sip:switch.example"), SIP_TEXT("cn"), 1, value, sizeof(value));
	CHECK(len > 0);
	CHECK_INT(sip_credentials_parse(&credentials, sip_text(value, (size_t)len)), 0);
	CHECK_INT(sip_digest_ha1(digest, algorithm, user, realm, password, &ha1), 0);
	CHECK_INT(sip_digest_ha1(digest, algorithm, user, realm, SIP_TEXT("Secret"), &other), 0);
	CHECK_INT(sip_digest_verify(digest, &credentials, SIP_TEXT("REGISTER"), &ha1), 0);
	CHECK_INT(sip_digest_verify(digest, &credentials, SIP_TEXT("INVITE"), &ha1), -EACCES);
	CHECK_INT(sip_digest_verify(digest, &credentials, SIP_TEXT("REGISTER"), &other), -EACCES);
	credentials.response.len--;
	CHECK_INT(sip_digest_verify(digest, &credentials, SIP_TEXT("REGISTER"), &ha1), -EACCES);
	CHECK_INT(sip_digest_authorize(digest, &challenge, user, password, SIP_TEXT("REGISTER"), SIP_TEXT("sip:x"),
				       SIP_TEXT("cn"), 1, value, 40),
		  -EMSGSIZE);
}

static void round_trips(void)
{
	round_trip(SIP_DIGEST_MD5, "", "");
	round_trip(SIP_DIGEST_MD5, "MD5", "\"auth\"");
	round_trip(SIP_DIGEST_SHA256, "SHA-256", "\"auth,auth-int\"");
	round_trip(SIP_DIGEST_SHA512_256, "SHA-512-256", "auth");
}

static void refusals(void)
{
	struct sip_credentials credentials;
	struct sip_challenge challenge;
	char value[SIP_DIGEST_TEXT];
	struct sip_ha1 ha1;

	sip_digest_ha1(digest, SIP_DIGEST_MD5, SIP_TEXT("u"), SIP_TEXT("r"), SIP_TEXT("p"), &ha1);
	sip_credentials_parse(&credentials,
			      SIP_TEXT("Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:r\",response=\"x\","
				       "algorithm=SHA-256"));
	CHECK_INT(sip_digest_verify(digest, &credentials, SIP_TEXT("REGISTER"), &ha1), -EINVAL);
	CHECK_INT(sip_digest_ha1(digest, SIP_DIGEST_UNKNOWN, SIP_TEXT("u"), SIP_TEXT("r"), SIP_TEXT("p"), &ha1),
		  -ENOTSUP);
	sip_challenge_parse(&challenge, SIP_TEXT("Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\""));
	CHECK_INT(sip_digest_authorize(digest, &challenge, SIP_TEXT("u"), SIP_TEXT("p"), SIP_TEXT("REGISTER"),
				       SIP_TEXT("sip:r"), SIP_TEXT("c"), 1, value, sizeof(value)),
		  -ENOTSUP);
	sip_challenge_parse(&challenge, SIP_TEXT("Digest realm=\"r\", nonce=\"n\", algorithm=AKAv1-MD5"));
	CHECK_INT(sip_digest_authorize(digest, &challenge, SIP_TEXT("u"), SIP_TEXT("p"), SIP_TEXT("REGISTER"),
				       SIP_TEXT("sip:r"), SIP_TEXT("c"), 1, value, sizeof(value)),
		  -ENOTSUP);
}

static void choice(void)
{
	static const char text[] =
	    "SIP/2.0 407 x\r\n"
	    "Proxy-Authenticate: Digest realm=\"r\", nonce=\"1\", algorithm=MD5, qop=\"auth\"\r\n"
	    "Proxy-Authenticate: Digest realm=\"r\", nonce=\"2\", algorithm=SHA-256, qop=\"auth\"\r\n"
	    "Proxy-Authenticate: Digest realm=\"r\", nonce=\"3\", algorithm=NEWER, qop=\"auth\"\r\n"
	    "WWW-Authenticate: Digest realm=\"r\", nonce=\"4\"\r\n\r\n";
	static struct sip_message msg;
	struct sip_digest_limits limits = {.refused = 0};
	struct sip_challenge challenge;
	bool proxy = false;

	CHECK_INT(sip_message_parse(&msg, text, sizeof(text) - 1), SIP_PARSE_OK);
	CHECK_INT(sip_digest_choose(digest, &msg, &limits, &challenge, &proxy), 0);
	CHECK(proxy && challenge.algorithm == SIP_DIGEST_SHA256);
	CHECK_TEXT(challenge.nonce.at, challenge.nonce.len, "2");
	limits.realm = SIP_TEXT("other");
	CHECK_INT(sip_digest_choose(digest, &msg, &limits, &challenge, &proxy), -ENOENT);
	limits.realm = SIP_TEXT("r");
	limits.refused = 1u << SIP_DIGEST_SHA256;
	CHECK_INT(sip_digest_choose(digest, &msg, &limits, &challenge, &proxy), 0);
	CHECK_INT(challenge.algorithm, SIP_DIGEST_MD5);
	limits.refused |= 1u << SIP_DIGEST_MD5;
	CHECK_INT(sip_digest_choose(digest, &msg, &limits, &challenge, &proxy), -ENOENT);
	limits.refused = 0;
	msg.status = 401;
	CHECK_INT(sip_digest_choose(digest, &msg, &limits, &challenge, &proxy), 0);
	CHECK(!proxy && challenge.algorithm == SIP_DIGEST_MD5);
	CHECK_INT(sip_message_parse(&msg, "SIP/2.0 401 x\r\n\r\n", strlen("SIP/2.0 401 x\r\n\r\n")), SIP_PARSE_OK);
	CHECK_INT(sip_digest_choose(digest, &msg, &limits, &challenge, &proxy), -ENOENT);
}

static int allocations; /* made by OpenSSL */

static void *count_malloc(size_t size, const char *file, int line)
{
	allocations++;
	return malloc(size);
}

static void *count_realloc(void *old, size_t size, const char *file, int line)
{
	allocations++;
	return realloc(old, size);
}

static void count_free(void *old, const char *file, int line)
{
	free(old);
}

/* Workers verify digests: once the contexts stand, nothing allocates, whatever algorithms take turns. */
static void no_allocation(void)
{
	struct sip_credentials credentials;
	struct sip_ha1 ha1;

	CHECK(allocations > 0); /* they are counted at all */
	allocations = 0;
	for (int i = 0; i < 3 * SIP_DIGEST_UNKNOWN; i++) {
		enum sip_digest_algorithm algorithm = (enum sip_digest_algorithm)(i % SIP_DIGEST_UNKNOWN);

		if (!sip_digest_has(digest, algorithm))
			continue;
		CHECK_INT(sip_credentials_parse(&credentials, SIP_TEXT("Digest username=\"u\",realm=\"r\",nonce=\"n\","
								       "uri=\"sip:r\",response=\"x\"")),
			  0);
		credentials.algorithm = (uint8_t)algorithm;
		CHECK_INT(sip_digest_ha1(digest, algorithm, SIP_TEXT("u"), SIP_TEXT("r"), SIP_TEXT("p"), &ha1), 0);
		CHECK_INT(sip_digest_verify(digest, &credentials, SIP_TEXT("REGISTER"), &ha1), -EACCES);
	}
	CHECK_INT(allocations, 0);
}

static const struct check_case cases[] = {
    {"published values", published_values}, {"without qop", legacy_value},
    {"round trips", round_trips},           {"refusals", refusals},
    {"choice of challenge", choice},        {"no allocation", no_allocation},
};

int main(void)
{
	int failed;

	CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free);
	digest = sip_digest_new();
	if (!digest) {
		printf("no hashes\n");
		return 1;
	}
	failed = check_main(cases, (int)(sizeof(cases) / sizeof(cases[0])));
	sip_digest_free(digest);
	return failed;
}
