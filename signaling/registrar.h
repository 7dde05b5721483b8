/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registrar (RFC 3261 section 10.3): who is reached where. One struct registrar for each worker, which gets every
 * REGISTER of the users it owns (registrar_worker_of()); they share the binding store.
 */
#ifndef TANDEM_SIGNALING_REGISTRAR_H
#define TANDEM_SIGNALING_REGISTRAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "signaling/binding_store.h"
#include "signaling/engine.h"
#include "signaling/keepalive_link.h"
#include "signaling/nonce.h"

#define REGISTRAR_MIN_EXPIRES_S 30u

struct registrar {
	unsigned int worker;
	struct binding_store *store;
	uint64_t standing;         /* bindings of ours */
	struct sip_digest *digest; /* this thread's hash contexts */
	struct keepalive_link keepalive;
	struct timer *expiry; /* [slots], shared by all workers: a slot's timer is its owner's */
	struct binding_record found[BINDINGS_PER_USER]; /* binding_target.contact points into it, too */
};

struct registrar_options {
	unsigned int worker;
	struct binding_store *store;        /* shared */
	struct timer *expiry;               /* shared: [slots], zeroed */
	struct ring_producer *to_keepalive; /* may be NULL */
	struct counter_row *counters;
};

/* Start-up. NULL when out of memory. */
struct registrar *registrar_new(const struct registrar_options *options);
void registrar_free(struct registrar *registrar);
/* Before the worker's loop, on its thread: starts the expiry timers of the bindings found in shared memory. */
void registrar_start(struct engine *engine);

/* The worker whose registrar a REGISTER belongs to, from its raw bytes; -1: not a REGISTER, or without a readable To.
 */
int registrar_worker_of(const struct binding_store *store, struct sip_message *scratch, const uint8_t *data,
			uint32_t len);

/* Once per poll: keep-alive bursts and what keepalive has yet to be told. Returns a measure of the work done. */
unsigned int registrar_poll(struct engine *engine);

/* ---- the engine's ---- */

/* Answers at once with transaction_respond(), or transaction_ignore(). */
void registrar_request(struct engine *engine, struct transaction *transaction, struct sip_message *message,
		       const struct sip_flow *flow);
void registrar_keepalive_message(struct engine *engine, const struct ring_message *message);
/* True while the last keepalive message is still being worked off: it must stay in the ring till then. */
bool registrar_keepalive_busy(const struct engine *engine);
/* Where a registered phone is reached. */
struct binding_target {
	struct sip_flow flow;
	const char *contact; /* URI, without <>; valid until the next registrar call */
	uint32_t contact_len;
	bool behind_nat;
	uint32_t gateway; /* admission id, GATEWAY_NO_ID = none */
};

/*
 * Where a phone is reached: its contacts, the highest q first, then the latest; how many (at most max), -ENOENT: no such
 * phone.
 */
int binding_lookup_all(struct engine *engine, const char *user, size_t len, struct binding_target *targets,
		       unsigned int max);
/* The first of them. 0, -ENOENT: no such phone, -EAGAIN: not registered now. */
int binding_lookup(struct engine *engine, const char *user, size_t len, struct binding_target *target);
/* Where a mapping gateway has registered from, by its digest user (a routing gateway's `registered`). As above. */
int binding_lookup_gateway(struct engine *engine, const char *user, struct binding_target *target);

#endif
