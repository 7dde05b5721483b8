/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who we are, for a gateway that asks (RFC 3261 section 22.2): its challenge is answered with its credentials.
 *
 * A digest is something to guess the password by. So only the gateway itself gets one: the challenge has to come from
 * its own address, or the one where the call found it (a dialog may outlive both), for the realm of its credentials,
 * with an algorithm that they allow. Without a configured realm the first one that it names is the one, for calls and
 * for our registration apart, until the next reload.
 */
#ifndef TANDEM_SIGNALING_CLIENT_AUTH_H
#define TANDEM_SIGNALING_CLIENT_AUTH_H

#include <stdatomic.h>

#include "signaling/engine.h"
#include "signaling/sip/digest.h"

#define CLIENT_AUTH_TRIES 3u /* answers that one request gets at most */

struct client_auth {
	uint32_t len;
	bool proxy; /* Proxy-Authorization, not Authorization */
	bool stale; /* the challenge says that the digest before was right, and its nonce too old */
	char value[SIP_DIGEST_TEXT];
};

/* Whose credentials they are. */
struct client_auth_peer {
	const char *name; /* the gateway's, for the log */
	const struct config_credentials *credentials;
	bool is_here;            /* the message being handled is from its address */
	_Atomic uint64_t *realm; /* the realm that counts when none is configured, hashed; 0 = not known yet */
	bool was_here;           /* only when the call began: no realm begins to count there */
};

/*
 * The answer to a 401 or 407 of a routing gateway, for a request with this method and Request-URI. `response` is the
 * message being handled: the address that the engine has it from counts, and `to`, which the request goes to. Where the
 * gateway was when the call began (NULL: that is of no interest) counts as well as where it is now. 0;
 * -ENOENT: the gateway has no credentials; -EACCES: the challenge is none of its own, or too weak (counted); -EMSGSIZE.
 */
int client_auth_answer(struct engine *engine, uint32_t gateway, const struct net_addr *to, const struct net_addr *was,
		       struct sip_text method, struct sip_text uri, const struct sip_message *response,
		       struct client_auth *auth);
/* The same for any peer. */
int client_auth_answer_to(struct engine *engine, const struct client_auth_peer *peer, struct sip_text method,
			  struct sip_text uri, const struct sip_message *response, struct client_auth *auth);

/* Is a request to be sent with it that was sent with credentials `before` times already? */
static inline bool client_auth_helps(const struct client_auth *auth, unsigned int before)
{
	return before == 0 || (auth->stale && before < CLIENT_AUTH_TRIES);
}

/*
 * What was sent once more, for a transaction of its own, with a new CSeq and the credentials (RFC 3261 section 22.2).
 * Into the engine's scratch; its length or -EMSGSIZE.
 */
int client_auth_build_again(struct engine *engine, const struct transaction *transaction,
			    const struct sip_message *sent, uint32_t cseq, const struct client_auth *auth);

#endif
