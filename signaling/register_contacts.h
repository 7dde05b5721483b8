/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an authenticated REGISTER does to its user's bindings: RFC 3261 section 10.3, steps 6 to 8. All of a request's
 * contacts are understood and checked before the first is changed: it succeeds as a whole or not at all.
 */
#ifndef TANDEM_SIGNALING_REGISTER_CONTACTS_H
#define TANDEM_SIGNALING_REGISTER_CONTACTS_H

#include <stddef.h>

#include "signaling/binding_store.h"
#include "signaling/engine.h"
#include "signaling/users.h"

/* A Contact line for each binding: the URI and its parameters. */
#define REGISTER_HEADERS_MAX (BINDINGS_PER_USER * (BINDING_CONTACT_MAX + 64))

struct register_outcome {
	unsigned int code;
	const char *reason; /* NULL = the usual phrase */
	char *headers;      /* the caller's, REGISTER_HEADERS_MAX bytes: whole header lines */
	size_t headers_len;
};

void register_contacts(struct engine *engine, struct sip_message *message, const struct sip_flow *flow,
		       const struct user *user, struct register_outcome *outcome);

/* registrar.c: the timer that ends a binding, and its end. Owner worker. */
void registrar_expiry_start(struct engine *engine, uint32_t slot, uint64_t expires_us);
void registrar_binding_remove(struct engine *engine, uint32_t slot, const struct binding_record *record);

#endif
