/* SPDX-License-Identifier: Apache-2.0 */
#include "authorization.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "signaling/sip/digest.h"
#include "signaling/sip/message.h"

struct authorization {
	struct sip_digest *digest;
	struct sip_message message;
};

struct authorization *authorization_new(void)
{
	struct authorization *a = calloc(1, sizeof(*a));

	if (a)
		a->digest = sip_digest_new();
	if (a && a->digest)
		return a;
	free(a);
	return NULL;
}

void authorization_free(struct authorization *a)
{
	if (!a)
		return;
	sip_digest_free(a->digest);
	free(a);
}

int authorization_write(struct authorization *a, struct span response, const char *user, const char *password,
			const char *method, const char *uri, char *out, size_t size)
{
	static const struct sip_digest_limits any;
	struct sip_challenge challenge;
	bool proxy;
	int before, len;

	if (sip_message_parse(&a->message, response.at, response.len) != SIP_PARSE_OK ||
	    sip_digest_choose(a->digest, &a->message, &any, &challenge, &proxy) != 0)
		return -ENOENT;
	before = snprintf(out, size, "%s: ", proxy ? "Proxy-Authorization" : "Authorization");
	if (before < 0 || (size_t)before + 2 >= size)
		return -EMSGSIZE;
	len = sip_digest_authorize(a->digest, &challenge, sip_text_of(user), sip_text_of(password), sip_text_of(method),
				   sip_text_of(uri), SIP_TEXT("5ad1c3e07b9f2468"), 1, out + before,
				   size - (size_t)before - 2);
	if (len < 0)
		return len;
	memcpy(out + before + len, "\r\n", 2);
	return before + len + 2;
}
