/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters, declared once in common/counters/<group>.def and expanded into the enum, the names, the help texts
 * and docs/counters.md. They live in the "counters" segment: one row for each thread that counts, written by
 * that thread alone and readable by any process at no cost to the writer.
 *
 * A line of a .def file:  COUNTER(group, name, "help text, a full sentence.")
 * Gauges (a level, not a sum) use GAUGE(...) instead; readers add both up over the rows.
 */
#ifndef TANDEM_COMMON_COUNTERS_H
#define TANDEM_COMMON_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "segment.h"

enum counter_id {
#define COUNTER(group, name, help) COUNTER_##group##_##name,
#define GAUGE(group, name, help)   COUNTER_##group##_##name,
#include "counters/all.def"
#undef COUNTER
#undef GAUGE
	COUNTER_COUNT
};

struct counter_info {
	const char *group;
	const char *name;
	const char *help;
	int is_gauge;
};
extern const struct counter_info counter_info[COUNTER_COUNT];

#define COUNTER_ROWS 256

/* One thread's row: whole cache lines, one writer. */
struct counter_row {
	_Alignas(64) char owner[64]; /* "signaling-0"; empty = free */
	_Alignas(64) _Atomic uint64_t value[COUNTER_COUNT];
};

/* The row named owner, taken over from a previous life or claimed; counts go on where they stood. NULL: none left. */
struct counter_row *counters_row(struct segment *counters, const char *owner);

static inline void counter_add(struct counter_row *row, enum counter_id id, uint64_t n)
{
	atomic_store_explicit(&row->value[id], atomic_load_explicit(&row->value[id], memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline void counter_inc(struct counter_row *row, enum counter_id id)
{
	counter_add(row, id, 1);
}

static inline void gauge_set(struct counter_row *row, enum counter_id id, uint64_t value)
{
	atomic_store_explicit(&row->value[id], value, memory_order_relaxed);
}

void counters_spec(struct segment_spec *spec);

#endif
