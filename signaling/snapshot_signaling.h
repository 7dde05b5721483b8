/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What signaling's workers read of the configuration, and everything derived from it, as one immutable tree.
 * Housekeeping builds it at start and at every reload; workers get it by snapshot_get() once per poll.
 * What outlives a reload (calls carried, bans, suspensions, used nonces) hangs on struct signaling_state.
 */
#ifndef TANDEM_SIGNALING_SNAPSHOT_SIGNALING_H
#define TANDEM_SIGNALING_SNAPSHOT_SIGNALING_H

#include <stdint.h>

#include "common/config.h"
#include "common/snapshot.h"
#include "signaling/address_set.h"
#include "signaling/gateway.h"
#include "signaling/nonce.h"
#include "signaling/registrations.h"
#include "signaling/route.h"
#include "signaling/source.h"
#include "signaling/users.h"

/* The process's, made once. */
struct signaling_state {
	struct parties *parties;
	struct user_states *user_states;
	struct nonces nonces;
	struct registrations registrations;
	struct address_set *resolved_vendors; /* where those are that are known by name: the resolver's, under RCU */
	uint64_t snapshots;                   /* made so far */
};

int signaling_state_init(struct signaling_state *state, struct segment *gateways); /* segment may be NULL in tests */
void signaling_state_fini(struct signaling_state *state);

/* The configured gateway behind a party id; both NULL: a phone, or no longer configured. */
struct party_config {
	const struct config_mapping_gateway *mapping;
	const struct config_routing_gateway *routing;
};

struct signaling_snapshot {
	uint64_t serial;             /* no two of a process have the same, and none has 0 */
	const struct config *config; /* borrowed: freed after the snapshot */
	const struct parameters *parameters;
	struct signaling_state *state;
	struct route_table *routes;
	struct source_table *sources;
	struct address_set *vendors; /* where the others are, and the registrars of them all */
	struct users *users;
	struct party_config *party; /* [party_count], by id */
	uint32_t party_count;
	uint32_t keep_alive_len;                    /* of parameters->nat_keep_alive_message */
	const char *port_network[CONFIG_MAX_PORTS]; /* of signaling's ports, in the order of sip_flow.port */
	struct route_entry *route_entries;          /* by name */
	struct source_entry *source_entries;        /* by name */
	struct registration_entry *registrations;   /* ours at vendors, by the user of our Contact */
	unsigned int registration_count;
};

/* A gateway's party by kind and name: 0 or -ENOENT. Any reader of the snapshot. */
int signaling_snapshot_gateway(const struct signaling_snapshot *snapshot, enum party_kind kind, const char *name,
			       size_t len, uint32_t *id);

/*
 * NULL with the reason logged; then nothing has changed. The limits of gateways and phones hang on the state, so they
 * are in force from signaling_snapshot_apply() on, which cannot fail: call it when the snapshot is to be published.
 */
struct signaling_snapshot *signaling_snapshot_new(const struct config *config, struct signaling_state *state);
void signaling_snapshot_apply(const struct signaling_snapshot *snapshot);
void signaling_snapshot_free(struct signaling_snapshot *snapshot);

/* Of a sip_flow.port, also one out of shared memory; NULL: there is no such port. Borrowed from the configuration. */
const char *signaling_snapshot_network(const struct signaling_snapshot *snapshot, uint32_t port);

#endif
