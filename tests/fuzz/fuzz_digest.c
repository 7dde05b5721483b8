/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any value of a digest header. A challenge that can be answered must give credentials that can be read and that
 * prove what they should.
 */
#include "signaling/sip/digest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void answer(struct sip_digest *digest, const struct sip_challenge *challenge)
{
	struct sip_credentials credentials;
	struct sip_ha1 ha1;
	char out[4096];
	int len = sip_digest_authorize(digest, challenge, SIP_TEXT("user"), SIP_TEXT("password"), SIP_TEXT("INVITE"),
				       SIP_TEXT("sip:host"), SIP_TEXT("cnonce"), 0x1234abcd, out, sizeof(out));

	if (len < 0)
		return;
	/* An empty nonce, or one with a line end in it, does not come back as it was. */
	if (sip_credentials_parse(&credentials, sip_text(out, (size_t)len)) != 0) {
		must(challenge->nonce.len == 0);
		return;
	}
	must(credentials.nonce.len == challenge->nonce.len && credentials.realm.len == challenge->realm.len);
	if (!sip_text_equal(credentials.nonce, challenge->nonce))
		return;
	must(sip_digest_ha1(digest, (enum sip_digest_algorithm)challenge->algorithm, SIP_TEXT("user"), challenge->realm,
			    SIP_TEXT("password"), &ha1) == 0);
	must(sip_digest_verify(digest, &credentials, SIP_TEXT("INVITE"), &ha1) == 0);
	must(sip_digest_verify(digest, &credentials, SIP_TEXT("BYE"), &ha1) == -EACCES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sip_digest *digest;
	struct sip_text value = sip_text((const char *)data, size);
	struct sip_ha1 ha1 = {.algorithm = SIP_DIGEST_MD5, .len = 32};
	struct sip_credentials credentials;
	struct sip_challenge challenge;

	if (!digest)
		digest = sip_digest_new();
	must(digest != NULL);
	memset(ha1.hex, 'a', sizeof(ha1.hex));
	if (sip_credentials_parse(&credentials, value) == 0)
		sip_digest_verify(digest, &credentials, SIP_TEXT("INVITE"), &ha1);
	if (sip_challenge_parse(&challenge, value) == 0)
		answer(digest, &challenge);
	return 0;
}
