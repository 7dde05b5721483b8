/* SPDX-License-Identifier: Apache-2.0 */
#include "counters.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

const struct counter_info counter_info[COUNTER_COUNT] = {
#define COUNTER(group, name, help) [COUNTER_##group##_##name] = {#group, #name, help, 0},
#define GAUGE(group, name, help)   [COUNTER_##group##_##name] = {#group, #name, help, 1},
#include "counters/all.def"
#undef COUNTER
#undef GAUGE
};

/* Two builds agree on a row only if they agree on every name in it: the version is a hash of them. */
static uint32_t names_version(void)
{
	uint32_t hash = 2166136261u;

	for (unsigned int i = 0; i < COUNTER_COUNT; i++) {
		const char *parts[] = {counter_info[i].group, ".", counter_info[i].name,
				       counter_info[i].is_gauge ? "=" : "+"};

		for (unsigned int part = 0; part < 4; part++)
			for (const char *c = parts[part]; *c; c++)
				hash = (hash ^ (uint8_t)*c) * 16777619u;
	}
	return hash;
}

void counters_spec(struct segment_spec *spec)
{
	*spec = (struct segment_spec){
	    .name = "counters",
	    .layout = SEGMENT_COUNTERS,
	    .version = names_version(),
	    .item_size = sizeof(struct counter_row),
	    .item_count = COUNTER_ROWS,
	    .size = SEGMENT_HEADER + (uint64_t)COUNTER_ROWS * sizeof(struct counter_row),
	};
}

/*
 * Threads of several processes claim rows at once, so the first eight bytes of the name are the lock: a free row
 * has zero there, one being claimed has CLAIMING and the claimer's pid (which may die), then the name.
 */
#define CLAIMING 0xffu

typedef _Atomic uint64_t claim_word __attribute__((may_alias));

static claim_word *claim_of(struct counter_row *row)
{
	return (claim_word *)(void *)row->owner;
}

static bool may_claim(uint64_t word)
{
	if (word == 0)
		return true;
	return (word & 0xff) == CLAIMING && kill((pid_t)(word >> 32), 0) < 0 && errno == ESRCH;
}

static bool claim(struct counter_row *row, const char owner[static sizeof(row->owner)])
{
	uint64_t word = atomic_load_explicit(claim_of(row), memory_order_acquire), name;

	if (!may_claim(word) ||
	    !atomic_compare_exchange_strong(claim_of(row), &word, ((uint64_t)getpid() << 32) | CLAIMING))
		return false;
	memcpy(row->owner + sizeof(name), owner + sizeof(name), sizeof(row->owner) - sizeof(name));
	memcpy(&name, owner, sizeof(name));
	atomic_store_explicit(claim_of(row), name, memory_order_release);
	return true;
}

static bool row_is(struct counter_row *row, const char owner[static sizeof(row->owner)])
{
	uint64_t name;

	memcpy(&name, owner, sizeof(name));
	return atomic_load_explicit(claim_of(row), memory_order_acquire) == name &&
	       memcmp(row->owner + sizeof(name), owner + sizeof(name), sizeof(row->owner) - sizeof(name)) == 0;
}

struct counter_row *counters_row(struct segment *counters, const char *owner)
{
	struct counter_row *rows = counters->content;
	char name[sizeof(rows->owner)] = {0};

	snprintf(name, sizeof(name), "%s", owner);
	for (unsigned int i = 0; i < COUNTER_ROWS; i++)
		if (row_is(&rows[i], name))
			return &rows[i];
	for (unsigned int i = 0; i < COUNTER_ROWS; i++)
		if (claim(&rows[i], name))
			return &rows[i];
	log_error("counters", "no row left for %s: all %d are taken", owner, COUNTER_ROWS);
	return NULL;
}
