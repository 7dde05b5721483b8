/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/client_auth.h"

#include <errno.h>

#include "signaling/call.h"

int client_auth_answer(struct engine *engine, uint32_t id, struct sip_text method, struct sip_text uri,
		       const struct sip_message *response, struct client_auth *auth)
{
	const struct config_routing_gateway *gateway = gateway_routing(engine->snapshot, id);
	struct sip_digest *digest = engine->calls->digest;
	struct sip_challenge challenge;
	char cnonce[16];

	if (!gateway || !gateway->digest || sip_digest_choose(digest, response, &challenge, &auth->proxy) < 0)
		return -ENOENT;
	for (unsigned int i = 0; i < sizeof(cnonce); i++)
		cnonce[i] = "0123456789abcdef"[engine_random(engine) & 15];
	int len = sip_digest_authorize(digest, &challenge, sip_text_of(gateway->digest->user),
				       sip_text_of(gateway->digest->password), method, uri,
				       sip_text(cnonce, sizeof(cnonce)), 1, auth->value, sizeof(auth->value));

	if (len < 0)
		return len == -ENOTSUP ? -ENOENT : len;
	auth->len = (uint32_t)len;
	return 0;
}
