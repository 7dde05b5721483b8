/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tandem-generator: the whole. Two threads: the main one directs (plan.c), the worker makes the load (load.c and all it
 * calls). They share the phases' counters and the few atomics of struct command; everything else is the worker's from
 * its start to its end.
 */
#ifndef TANDEM_GENERATOR_GENERATOR_H
#define TANDEM_GENERATOR_GENERATOR_H

#include "authorization.h"
#include "call.h"
#include "common/counters.h"
#include "common/port.h"
#include "common/timer_wheel.h"
#include "link.h"
#include "messages.h"
#include "rtp.h"
#include "scenario.h"
#include "stats.h"

#define MAX_PHASES 420

/* What the directing thread asks of the load's thread. */
struct command {
	_Alignas(64) _Atomic uint32_t phase; /* index of the phase to be in */
	_Atomic bool placing;                /* place what the phase's rate says */
	_Atomic bool stop;
};

/* What the load's thread tells back. */
struct answer {
	_Alignas(64) _Atomic uint32_t phase;
	_Atomic uint64_t standing; /* calls up */
	_Atomic uint64_t calls;    /* slots in use */
	_Atomic uint64_t left;     /* an ending phase: calls not yet asked to end */
	_Atomic bool heard;        /* the switch has answered a probe */
	_Atomic bool stopped;
};

struct phone_load; /* phones.c */

/*
 * Whose messages went to a port's driver last. A full ring takes no more than a part of a batch, and these are lost:
 * what becomes of their calls then says nothing about the switch.
 */
#define OUTGOING 64 /* at least a port's batch, and a power of two */
struct outgoing {
	struct call *call[OUTGOING]; /* NULL: of none */
	uint32_t count;
	uint64_t refused; /* by all ports, as far as it is accounted for */
};

struct generator {
	/* made by the main thread before the worker starts */
	const struct scenario *scenario;
	const struct link *link;
	struct messages *messages;
	struct port *ports[CONFIG_MAX_PORTS];
	unsigned int ports_count;
	uint32_t run; /* makes the identifiers of this run its own */
	struct phase *phases[MAX_PHASES];
	_Atomic uint32_t phases_count;
	struct command command;
	struct answer answer;

	/* the worker's */
	_Alignas(64) struct port_queue *queue[CONFIG_MAX_PORTS];
	uint64_t now_ns;
	struct timer_wheel wheel;
	struct phase *phase;
	struct call_pool calls;
	struct rtp_load rtp;
	struct phone_load *phones;
	struct authorization *authorization;
	uint64_t random;
	double next_due_ns, interval_ns;    /* of arrivals */
	uint64_t entered_ns;                /* the phase, and its first stretch */
	uint32_t ending_slot, probes, read; /* SIP messages read, modulo */
	uint64_t next_probe_ns;
	uint64_t up;                  /* calls up at the caller's side */
	double flow_until[MAX_FLOWS]; /* cumulated shares */
	unsigned int media_port[MAX_RANGE_ADDRESSES], customer_port, phone_port[MAX_RANGE_ADDRESSES];
	struct counter_row row;
	struct outgoing outgoing;
	uint32_t unread[CONFIG_MAX_PORTS]; /* datagrams taken in since a port was last found empty */
	uint64_t overrun_ns;               /* when a port's ring was last seen full: what came then may be lost */
	tally message[ROLES][WAYS][MESSAGE_TYPES];
	tally stray, malformed, oversized;
};

/*
 * The wheel's ticks are a thousand of its units. With these they are 64 us: the calls that were placed evenly are hung
 * up evenly, not by the millisecond all at once.
 */
#define WHEEL_UNIT_NS 64
static inline uint64_t wheel_time(uint64_t ns)
{
	return ns / WHEEL_UNIT_NS;
}

static inline uint64_t now_us(const struct generator *g)
{
	return g->now_ns / 1000;
}

static inline uint64_t random_next(struct generator *g)
{
	g->random ^= g->random << 13;
	g->random ^= g->random >> 7;
	g->random ^= g->random << 17;
	return g->random * 0x2545f4914f6cdd1dull;
}

/* From 0 to less than 1. */
static inline double random_share(struct generator *g)
{
	return (double)(random_next(g) >> 11) * 0x1p-53;
}

static inline void message_count(struct generator *g, enum role role, enum way way, enum message_type type)
{
	tally_add(&g->message[role][way][type], 1);
}

/* ---- messages.c ---------------------------------------------------------------------------------------------- */

/* Did a driver refuse anything since the last time? When it was SIP, the calls that it was of are marked. */
void outgoing_check(struct generator *g, bool sip);

/* ---- load.c -------------------------------------------------------------------------------------------------- */

/* The worker thread's whole life; `g` is a struct generator. */
int load_run(void *g);

/* ---- main thread --------------------------------------------------------------------------------------------- */

/* plan.c: play the whole plan; returns when everything is over. */
struct plan_result {
	bool completed, limited;
	double highest, lowest_not_clean; /* of a search; 0: none */
	double seconds;
	uint64_t standing;
};
void plan_run(struct generator *g, bool quiet, struct plan_result *result);
void plan_interrupt(void); /* from a signal handler */

/* report.c: 0 or a negative errno; path NULL is stdout */
int report_write(const struct generator *g, const struct plan_result *result, const char *path);
void progress_print(const struct generator *g, double seconds);

#endif
