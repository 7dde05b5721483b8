/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digest authentication of requests (RFC 3261 section 22, RFC 7616 with MD5 and SHA-256, RFC 8760).
 *
 * Wrong digests are counted for each user and lead to a suspension (SS_AUTHENTICATION_MAX_RETRY, ..._FAILED_SUSPEND).
 * Only a wrong answer to a fresh nonce of ours, given to the very address that answers, is counted: a source address
 * cannot be forged to suspend somebody. Failures from elsewhere do not suspend the address that the user is
 * registered from (users.h).
 */
#ifndef TANDEM_SIGNALING_AUTH_H
#define TANDEM_SIGNALING_AUTH_H

#include <stdbool.h>

#include "signaling/engine.h"
#include "signaling/nonce.h"
#include "signaling/sip/text.h"
#include "signaling/users.h"

enum auth_verdict {
	AUTH_OK,
	AUTH_CHALLENGE, /* no credentials, or for another realm or algorithm */
	AUTH_STALE,     /* right ones over a nonce that has had its day: challenge with stale=true */
	AUTH_WRONG,     /* 403: an unknown user or a wrong digest */
	AUTH_SUSPENDED, /* 403 without a look at the digest */
};

enum auth_header { AUTH_WWW, AUTH_PROXY }; /* 401 by a registrar, 407 for calls */

/* Check the request's credentials. *user is who they name, or NULL; only with AUTH_OK is it proved. */
enum auth_verdict auth_check(struct engine *engine, const struct sip_flow *flow, struct sip_message *message,
			     enum auth_header header, const struct user **user);

/* The user that the credentials for our realm name, unchecked; false when there are none. */
bool auth_claimed_user(struct engine *engine, const struct sip_message *message, enum auth_header header,
		       struct sip_text *user);

#define AUTH_CHALLENGE_MAX 768

/* A challenge for each algorithm that the configuration offers, whole header lines, SHA-256 first. Returns the length,
 * no terminating zero counted. */
size_t auth_challenge(struct engine *engine, const struct sip_flow *flow, enum auth_header header, bool stale,
		      char out[static AUTH_CHALLENGE_MAX]);

#endif
