/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each gateway is doing: the "gateways" segment, for operators and other readers; routing decisions use the
 * signaling workers' own memory.
 *
 * A table of slots, one a gateway, claimed by name and kept until the segments are made anew, so that a reload
 * neither moves nor clears what was counted. A slot has one cell for each signaling worker: that worker alone
 * writes it, in its loop, with relaxed stores; a reader adds the cells up. What the probes of a routing gateway have
 * found is written by the one worker that sends them; where one is that is known by name,
 * by the resolver. The signaling housekeeping thread alone claims slots (start-up
 * and reload), before it hands the worker the index.
 *
 * After a restart of signaling each worker overwrites `calls` with what it finds in the call records; the other
 * values go on where they stood. Bans and the probes' verdicts are read back: who was passed over still is.
 */
#ifndef TANDEM_COMMON_LAYOUT_GATEWAY_STATUS_H
#define TANDEM_COMMON_LAYOUT_GATEWAY_STATUS_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/config.h"
#include "common/segment.h"

#define GATEWAY_STATUS_VERSION 2
#define GATEWAY_STATUS_SLOTS   4096 /* both kinds together; 9.75 MiB */
#define GATEWAY_NAME           64

enum gateway_kind { GATEWAY_NONE, GATEWAY_MAPPING, GATEWAY_ROUTING };

/* One worker's view of one gateway. Sums since the segment was made, except `calls` and the last two. */
struct gateway_cell {
	_Alignas(64) _Atomic uint64_t calls; /* standing now, half-made ones included */
	_Atomic uint64_t attempts; /* INVITEs from it (mapping), or to it and not answered 3xx (routing; RFC 6076) */
	_Atomic uint64_t answered;
	_Atomic uint64_t refused;         /* not let in, or passed over: full, over its rate, banned */
	_Atomic uint64_t talk_ms;         /* conversation time of ended calls */
	_Atomic uint64_t ended;           /* answered calls that have ended: talk_ms / ended = ACD */
	_Atomic uint64_t ban_until_us; /* monotonic; passed over until then; 0 = not banned, as a reload may say, too */
	_Atomic uint64_t last_attempt_us; /* monotonic */
};
static_assert(sizeof(struct gateway_cell) == 64, "one cache line, one writer");

enum gateway_probe_state {
	GATEWAY_NOT_PROBED,
	GATEWAY_PROBED, /* not known yet: calls go there */
	GATEWAY_UP,
	GATEWAY_IS_DOWN, /* passed over */
};

/* What OPTIONS probes have found. */
struct gateway_probe {
	_Alignas(64) _Atomic uint32_t state; /* enum gateway_probe_state */
	_Atomic uint32_t code;               /* of the last answer; 0 = none came */
	_Atomic uint32_t rtt_us;             /* of the last answer */
	_Atomic uint32_t failures, answers;  /* in a row, up to now */
	_Atomic uint64_t changed_us;         /* monotonic: when it went up or down; 0 = never */
};
static_assert(sizeof(struct gateway_probe) == 64, "one cache line, one writer");

#define GATEWAY_ADDRESSES 8 /* of a name, as many as are kept */

struct gateway_target {
	struct net_addr addr; /* with its port */
	uint16_t priority;    /* RFC 2782 */
	uint16_t reserved;
	uint32_t weight; /* among those of the same priority */
};
static_assert(sizeof(struct gateway_target) == 28, "stored in shared memory");

/* Where a gateway is that is known by name: written by the resolver's thread. */
struct gateway_place {
	_Alignas(64) _Atomic uint32_t sequence; /* odd while the rest is being written */
	uint32_t count;                         /* 0 = not known */
	uint64_t name_hash;                     /* whose addresses they are */
	uint64_t resolved_us;                   /* monotonic: when they were found */
	struct gateway_target target[GATEWAY_ADDRESSES];
};
static_assert(sizeof(struct gateway_place) == 256, "four lines");

enum gateway_registration_state {
	GATEWAY_NOT_REGISTERING,
	GATEWAY_REGISTERING,      /* no answer yet */
	GATEWAY_REGISTERED,       /* until expires_us */
	GATEWAY_REGISTER_FAILED,  /* no answer, or one that says: later */
	GATEWAY_REGISTER_REFUSED, /* the registrar does not want us */
};

/* Our registration at a vendor; written by the one worker that keeps it up. */
struct gateway_registration {
	_Alignas(64) _Atomic uint32_t state; /* enum gateway_registration_state */
	_Atomic uint32_t code;               /* of the last final answer; 0 = none came */
	_Atomic uint32_t failures;           /* in a row */
	_Atomic uint64_t expires_us;         /* monotonic: it stands until then; 0 = it does not */
	_Atomic uint64_t next_us;            /* monotonic: the next attempt */
};
static_assert(sizeof(struct gateway_registration) == 64, "one cache line, one writer");

struct gateway_slot {
	_Alignas(64) _Atomic uint32_t kind; /* enum gateway_kind, written last (release): 0 = free */
	char name[GATEWAY_NAME - 4];        /* zero-terminated; never changes once kind is set */
	struct gateway_probe probe;         /* a routing gateway's; so are the next two */
	struct gateway_registration registration;
	struct gateway_place place;
	struct gateway_cell worker[CONFIG_MAX_WORKERS];
};
static_assert(sizeof(struct gateway_slot) == 448 + 64 * CONFIG_MAX_WORKERS,
	      "lines: name, probe, registration, place, one a worker");

void gateway_status_spec(struct segment_spec *spec, const struct config *config);

/*
 * The slot of a gateway, claimed if need be. Signaling's housekeeping thread only. NULL: the name is too long or
 * no slot is free (the caller logs it and does without; calls go on uncounted here).
 */
struct gateway_slot *gateway_status_claim(struct segment *gateways, enum gateway_kind kind, const char *name);

/* All workers' cells added up: ban_until_us and last_attempt_us are the latest. */
struct gateway_sum {
	uint64_t calls, attempts, answered, refused, talk_ms, ended, ban_until_us, last_attempt_us;
};
void gateway_status_sum(const struct gateway_slot *slot, struct gateway_sum *sum);
/* The addresses of its name, as one moment has them; returns how many. */
unsigned int gateway_status_place(const struct gateway_slot *slot, struct net_addr addrs[static GATEWAY_ADDRESSES]);

#endif
