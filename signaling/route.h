/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which vendors can carry a call, best first.
 *
 * A trie over the characters 0-9, *, # and + finds every gateway with a prefix of the number. Order: the longest of
 * a gateway's matching prefixes first, then the smaller priority number, the smaller ratio of current calls to
 * capacity, the fewer calls carried, the name. Gateways of shorter prefixes follow those of longer ones, so that
 * they are the fallback when all of those fail; each gateway comes once, at its longest match.
 */
#ifndef TANDEM_SIGNALING_ROUTE_H
#define TANDEM_SIGNALING_ROUTE_H

#include <stddef.h>
#include <stdint.h>

#include "signaling/engine.h"
#include "signaling/gateway.h"

#define ROUTE_MAX 32u

struct route_table;

/* What the table is built from; the names and prefixes are borrowed and must outlive it. */
struct route_entry {
	const struct config_routing_gateway *config;
	uint32_t id; /* party */
};

/* Housekeeping. NULL when out of memory, or when a prefix has a character that no number has (logged). */
struct route_table *route_table_new(const struct route_entry *entries, unsigned int count);
void route_table_free(struct route_table *table);

struct route_result {
	unsigned int count;   /* candidates: ids of routing gateways, best first */
	unsigned int matched; /* gateways whose prefix matches, those passed over included: 0 = no route at all,
			       * else no candidate left means all are busy */
	uint32_t gateway[ROUTE_MAX];
};

/*
 * The ROUTE_MAX best of the table. What is disabled, banned or down now is passed over; a full one, or one over its
 * rate, is listed (the last of its priority, being full) and refused by gateway_admit(), which counts it. Calls and
 * calls carried are those of all `workers`. Any thread.
 */
void route_table_select(const struct route_table *table, const struct parties *parties, const char *number, size_t len,
			unsigned int workers, uint64_t now_us, struct route_result *result);

/* The engine's: the same with the snapshot's table and the engine's time. */
void route_select(const struct engine *engine, const char *number, size_t len, struct route_result *result);

#endif
