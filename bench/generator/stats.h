/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted. The load's thread writes; the directing thread reads at any time (counters) or after the load has
 * left the phase (histograms).
 */
#ifndef TANDEM_GENERATOR_STATS_H
#define TANDEM_GENERATOR_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "scenario.h"
#include "sip_view.h"

enum stat {
#define STAT(group, name) STAT_##name,
#include "stats.def"
#undef STAT
	STAT_COUNT
};

struct stat_info {
	const char *group, *name;
};
extern const struct stat_info stat_info[STAT_COUNT];

enum latency {
#define LATENCY(name) LATENCY_##name,
#include "latencies.def"
#undef LATENCY
	LATENCY_COUNT
};
extern const char *const latency_name[LATENCY_COUNT];

enum message_type {
#define MESSAGE(id, text) MESSAGE_TYPE_##id,
#include "messages.def"
#undef MESSAGE
	MESSAGE_TYPES
};
extern const char *const message_name[MESSAGE_TYPES];

enum role { ROLE_CALLER, ROLE_CALLEE, ROLE_PHONE, ROLES };
enum way { SENT, RECEIVED, SENT_AGAIN, RECEIVED_AGAIN, WAYS };
extern const char *const role_name[ROLES], *const way_name[WAYS];

#define CODES 700

typedef _Atomic uint64_t tally;

static inline void tally_add(tally *t, uint64_t n)
{
	atomic_store_explicit(t, atomic_load_explicit(t, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline uint64_t tally_read(const tally *t)
{
	return atomic_load_explicit(t, memory_order_relaxed);
}

/* A stretch of time under one load, and everything that became of the calls placed in it. */
struct phase {
	const char *name;
	bool measured, of_rtp, registers, standing, ending;
	double rate, factor;       /* factor: of the rate that a search found; 0: none */
	uint64_t start_ns, end_ns; /* of placing */
	/*
	 * Not 0: the load comes in stretches of this length, in which the generator does not rest. In between nothing
	 * is due for as long, and others have its core.
	 */
	uint64_t stretch_ns;
	bool clean, limited;
	tally stat[STAT_COUNT];
	tally code[CODES];
	tally flow_offered[MAX_FLOWS], flow_as_expected[MAX_FLOWS];
	struct histogram latency[LATENCY_COUNT];
};

/* How long things were due in it. */
static inline double phase_seconds(const struct phase *p)
{
	double seconds = p->end_ns > p->start_ns ? (double)(p->end_ns - p->start_ns) / 1e9 : 0;

	return p->stretch_ns ? seconds / 2 : seconds;
}

static inline void stat_add(struct phase *p, enum stat id, uint64_t n)
{
	tally_add(&p->stat[id], n);
}

static inline void stat_inc(struct phase *p, enum stat id)
{
	stat_add(p, id, 1);
}

static inline uint64_t stat_read(const struct phase *p, enum stat id)
{
	return tally_read(&p->stat[id]);
}

static inline void latency_add(struct phase *p, enum latency id, uint64_t from_ns, uint64_t to_ns)
{
	histogram_add(&p->latency[id], to_ns > from_ns ? to_ns - from_ns : 0);
}

/* `code` 0: a request. */
enum message_type message_type(enum view_method method, unsigned int code);

#endif
