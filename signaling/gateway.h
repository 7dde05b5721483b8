/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who carries how many calls: admission of calls from customers (mapping gateways), to vendors (routing gateways)
 * and from and to phones, by capacity, calls per second, Retry-After bans and what probes have found
 * (options_probe.h).
 *
 * Each gateway and phone is a "party" with an id that stays the same for the life of the process, whatever is
 * reloaded; parties are never freed or moved. Limits are replaced at reload by the housekeeping thread. Each worker
 * counts a gateway's calls in a cell of its own (common/layout/gateway_status.h, where operators see them, too), so
 * that a call writes nothing that another worker writes; only a gateway with a limit, or with another one of its
 * priority (route.h), costs a look at the cells of the others, and then the limit is never passed, however many
 * workers share it.
 */
#ifndef TANDEM_SIGNALING_GATEWAY_H
#define TANDEM_SIGNALING_GATEWAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/layout/gateway_status.h"
#include "signaling/engine.h"

#define GATEWAY_NO_ID UINT32_MAX

enum gateway_side { GATEWAY_CALLER, GATEWAY_CALLEE };

enum gateway_verdict { GATEWAY_OK, GATEWAY_FULL, GATEWAY_OVER_RATE, GATEWAY_DISABLED, GATEWAY_DOWN };

enum party_kind { PARTY_MAPPING, PARTY_ROUTING, PARTY_PHONE };

struct options_probe;
struct gateway_addresses;

/* A vendor's registrar may name another realm than those who take its calls. */
enum vendor_realm { REALM_OF_CALLS, REALM_OF_REGISTRATION, VENDOR_REALMS };

/* What a routing gateway has beside the rest. */
struct vendor {
	struct options_probe *probe;
	struct gateway_addresses *addresses;   /* of its name, under RCU (gateway_address.h); NULL = not known */
	_Atomic uint64_t realm[VENDOR_REALMS]; /* of its challenges, hashed: the first that it named; 0 = none yet */
	uint64_t place;                        /* where the operator says that it is, hashed; housekeeping only */
};

/* One cache line: what an admission reads. Only a rate limit, and a phone's calls, are written to it. */
struct party {
	_Alignas(64) _Atomic uint32_t capacity; /* 0 = no limit */
	_Atomic uint32_t calls_per_second;      /* 0 = no limit */
	_Atomic uint64_t full_ns;               /* token bucket: when it will be full again, monotonic */
	_Atomic uint64_t ban_until_us;          /* Retry-After; 0 = none */
	struct gateway_slot *slot;              /* with a cell for each worker; NULL for phones */
	struct vendor *vendor;                  /* a routing gateway's; NULL for others */
	const char *name;                       /* zero-terminated, the party's own */
	_Atomic uint32_t phone_calls; /* a phone's calls: phones are too many for cells, and too small to meet at */
	uint8_t kind;                 /* enum party_kind */
	_Atomic uint8_t enabled;
	_Atomic uint8_t down; /* by its probes: passed over; written by the worker that probes it */
	uint8_t slot_is_own;  /* the segment had none for it */
};
static_assert(sizeof(struct party) == 64, "one cache line");

#define PARTY_CHUNK  1024u
#define PARTY_CHUNKS 4096u

struct parties {
	uint32_t count;
	struct segment *segment;           /* "gateways"; may be NULL */
	struct party *chunk[PARTY_CHUNKS]; /* fixed addresses: workers read while housekeeping adds */
	uint32_t *index;                   /* id + 1 by hash of kind and name; housekeeping only */
	uint32_t index_size;
};

/* ---- housekeeping and start-up ---- */

struct parties *parties_new(struct segment *gateways);
void parties_free(struct parties *parties);

struct party_limits {
	unsigned int capacity, calls_per_second;
	bool enabled;
};

/* The id of the party with that name, made if need be (without limits, disabled). Negative: -ENOMEM or -ENOSPC. */
int64_t party_claim(struct parties *parties, enum party_kind kind, const char *name);
void party_limit(struct party *party, const struct party_limits *limits);
/*
 * A routing gateway, before its limits: a ban ends when the operator enables it again, or says that it is elsewhere.
 * What a new life finds is no such change.
 */
void party_place(struct party *party, const struct config_routing_gateway *gateway);

/* ---- any thread ---- */

static inline struct party *party_get(const struct parties *parties, uint32_t id)
{
	return &parties->chunk[id / PARTY_CHUNK][id % PARTY_CHUNK];
}

/* What a worker counts of a gateway; NULL for a phone. */
static inline struct gateway_cell *party_cell(const struct party *party, unsigned int worker)
{
	return party->slot ? &party->slot->worker[worker] : NULL;
}

/* A gateway's calls that a worker carries, and how many it has carried that were answered; nought for a phone. */
static inline uint32_t party_calls(const struct party *party, unsigned int worker)
{
	const struct gateway_cell *cell = party_cell(party, worker);

	return cell ? (uint32_t)atomic_load_explicit(&cell->calls, memory_order_relaxed) : 0;
}

static inline uint64_t party_carried(const struct party *party, unsigned int worker)
{
	const struct gateway_cell *cell = party_cell(party, worker);

	return cell ? atomic_load_explicit(&cell->answered, memory_order_relaxed) : 0;
}

/* ---- the engine's ---- */

/* NULL: no longer configured. Valid until the next quiescent point. */
const struct config_routing_gateway *gateway_routing(const struct signaling_snapshot *snapshot, uint32_t id);
const struct config_mapping_gateway *gateway_mapping(const struct signaling_snapshot *snapshot, uint32_t id);

/* Is this where it is, or one of the places that its name stands for? Ports are not compared. */
bool gateway_is_at(const struct engine *engine, uint32_t id, const struct net_addr *addr);

/*
 * Count one more call. With `standing` (a call found at start-up) it is counted but never refused, and uses no
 * token. A ban reads as GATEWAY_DISABLED; GATEWAY_DOWN: its probes fail. GATEWAY_NO_ID is always admitted and never
 * counted.
 */
enum gateway_verdict gateway_admit(struct engine *engine, uint32_t id, bool standing);
void gateway_release(struct engine *engine, uint32_t id);
/*
 * A call that it carries goes to another place on its account: that uses its rate, not its capacity. False: it is over
 * its rate.
 */
bool gateway_admit_again(struct engine *engine, uint32_t id);
/*
 * How an attempt came out: its final SIP code, 0 = no response at all. 2xx at answer. Retry-After (0 = none) bans
 * a routing gateway for that long.
 */
void gateway_report(struct engine *engine, uint32_t id, unsigned int code,
		    uint32_t retry_after_s);
/* An answered call has ended: for the mean duration operators see. */
void gateway_talked(struct engine *engine, uint32_t id, uint64_t duration_us);
/*
 * By name, at recovery: a phone by its user, else a caller is a mapping gateway and a callee a routing one (a gateway
 * may have a user's name). 0 or -ENOENT.
 */
int gateway_find(struct engine *engine, enum gateway_side side, bool is_phone, const char *name, size_t len,
		 uint32_t *id);

#endif
