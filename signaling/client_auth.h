/* SPDX-License-Identifier: Apache-2.0 */
/* Who we are, for a gateway that asks (RFC 3261 section 22.2): its challenge is answered with its credentials. */
#ifndef TANDEM_SIGNALING_CLIENT_AUTH_H
#define TANDEM_SIGNALING_CLIENT_AUTH_H

#include "signaling/engine.h"
#include "signaling/sip/digest.h"

struct client_auth {
	uint32_t len;
	bool proxy; /* Proxy-Authorization, not Authorization */
	char value[SIP_DIGEST_TEXT];
};

/*
 * The answer to a 401 or 407 of a routing gateway, for a request with this method and Request-URI. 0; -ENOENT: it has
 * no credentials, or asks for nothing that we can answer; -EMSGSIZE.
 */
int client_auth_answer(struct engine *engine, uint32_t gateway, struct sip_text method, struct sip_text uri,
		       const struct sip_message *response, struct client_auth *auth);

#endif
