/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to digest challenges. Rare, and computed as everybody computes it: this is the one place where the generator
 * uses the switch's SIP library.
 */
#ifndef TANDEM_GENERATOR_AUTHORIZATION_H
#define TANDEM_GENERATOR_AUTHORIZATION_H

#include <stddef.h>

#include "sip_view.h"

struct authorization;

struct authorization *authorization_new(void); /* NULL: out of memory, or no hashes in OpenSSL */
void authorization_free(struct authorization *a);

/* A whole header line that answers the challenge in `response`; returns its length, or a negative errno. */
int authorization_write(struct authorization *a, struct span response, const char *user, const char *password,
			const char *method, const char *uri, char *out, size_t size);

#endif
