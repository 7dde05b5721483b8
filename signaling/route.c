/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "signaling/route.h"
#include "signaling/snapshot_signaling.h"

#define DEPTH_MAX 32u

/* Children lie side by side, in the order of their symbols; so do the routes of a node. */
struct route_node {
	uint32_t first_child;
	uint32_t first_route;
	uint16_t children; /* bit s = there is a child for symbol s */
	uint16_t routes;
};

/* A gateway at one prefix, with what the order needs at hand. */
struct route {
	uint32_t id;
	uint32_t priority;
	uint32_t rank; /* of its name among all names */
};

struct route_table {
	struct route_node *nodes;
	struct route *routes;
	uint32_t node_count, route_count;
};

/* While building: one prefix of one gateway. */
struct route_pair {
	const char *prefix;
	uint32_t len;
	struct route route;
};

static int symbol_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c == '*' ? 10 : c == '#' ? 11 : c == '+' ? 12 : -1;
}

static int compare_entries_by_name(const void *a, const void *b)
{
	return strcmp((*(const struct route_entry *const *)a)->config->name,
		      (*(const struct route_entry *const *)b)->config->name);
}

/* By prefix in symbol order, a shorter one before those it begins; then as routes are tried. */
static int compare_pairs(const void *a_, const void *b_)
{
	const struct route_pair *a = a_, *b = b_;

	for (uint32_t i = 0; i < a->len && i < b->len; i++)
		if (a->prefix[i] != b->prefix[i])
			return symbol_of(a->prefix[i]) - symbol_of(b->prefix[i]);
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	if (a->route.priority != b->route.priority)
		return a->route.priority < b->route.priority ? -1 : 1;
	return (a->route.rank > b->route.rank) - (a->route.rank < b->route.rank);
}

static bool prefix_is_valid(const char *prefix, const char *gateway)
{
	size_t len = strlen(prefix);

	if (len > DEPTH_MAX) {
		log_error("route", "prefix=%s gateway=%s: longer than %u characters", prefix, gateway, DEPTH_MAX);
		return false;
	}
	for (size_t i = 0; i < len; i++)
		if (symbol_of(prefix[i]) < 0) {
			log_error("route", "prefix=%s gateway=%s: only 0-9, *, # and + can stand in a prefix", prefix,
				  gateway);
			return false;
		}
	return true;
}

/* All prefixes of all gateways, sorted, doubles removed. Returns how many, or -1. */
static int64_t pairs_make(const struct route_entry *entries, unsigned int count, struct route_pair **out)
{
	const struct route_entry **by_name = calloc(count + 1, sizeof(*by_name));
	struct route_pair *pairs;
	size_t total = 0, kept = 0;

	for (unsigned int i = 0; i < count; i++)
		total += entries[i].config->prefixes_count;
	pairs = calloc(total + 1, sizeof(*pairs));
	*out = pairs;
	if (by_name == NULL || pairs == NULL)
		goto fail;
	for (unsigned int i = 0; i < count; i++)
		by_name[i] = &entries[i];
	qsort(by_name, count, sizeof(*by_name), compare_entries_by_name);
	total = 0;
	for (unsigned int i = 0; i < count; i++) {
		const struct config_routing_gateway *gateway = by_name[i]->config;

		for (unsigned int p = 0; p < gateway->prefixes_count; p++) {
			if (!prefix_is_valid(gateway->prefixes[p], gateway->name))
				goto fail;
			pairs[total++] = (struct route_pair){gateway->prefixes[p],
							     (uint32_t)strlen(gateway->prefixes[p]),
							     {by_name[i]->id, gateway->priority, i}};
		}
	}
	qsort(pairs, total, sizeof(*pairs), compare_pairs);
	for (size_t i = 0; i < total; i++)
		if (kept == 0 || compare_pairs(&pairs[kept - 1], &pairs[i]) != 0)
			pairs[kept++] = pairs[i];
	free(by_name);
	return (int64_t)kept;
fail:
	free(by_name);
	free(pairs);
	*out = NULL;
	return -1;
}

/* The sorted pairs [first, last) that a node stands for: they agree in its `depth` first characters. */
struct node_range {
	uint32_t first, last, depth;
};

/* Breadth first, so that the children of a node come out side by side. */
static void nodes_make(struct route_table *table, const struct route_pair *pairs, uint32_t pair_count,
		       struct node_range *range)
{
	range[0] = (struct node_range){0, pair_count, 0};
	table->node_count = 1;
	for (uint32_t n = 0; n < table->node_count; n++) {
		struct route_node *node = &table->nodes[n];
		uint32_t at = range[n].first, depth = range[n].depth;

		node->first_route = at;
		while (at < range[n].last && pairs[at].len == depth)
			at++;
		node->routes = (uint16_t)(at - range[n].first);
		node->first_child = table->node_count;
		while (at < range[n].last) {
			char symbol = pairs[at].prefix[depth];
			uint32_t first = at;

			while (at < range[n].last && pairs[at].prefix[depth] == symbol)
				at++;
			node->children |= (uint16_t)(1u << symbol_of(symbol));
			range[table->node_count++] = (struct node_range){first, at, depth + 1};
		}
	}
}

struct route_table *route_table_new(const struct route_entry *entries, unsigned int count)
{
	struct route_table *table = calloc(1, sizeof(*table));
	struct node_range *range = NULL;
	struct route_pair *pairs = NULL;
	int64_t pair_count = pairs_make(entries, count, &pairs);
	size_t nodes_most = 1;

	if (table == NULL || pair_count < 0)
		goto fail;
	for (int64_t i = 0; i < pair_count; i++)
		nodes_most += pairs[i].len;
	range = calloc(nodes_most, sizeof(*range));
	table->nodes = calloc(nodes_most, sizeof(*table->nodes));
	table->routes = calloc((size_t)pair_count + 1, sizeof(*table->routes));
	if (range == NULL || table->nodes == NULL || table->routes == NULL)
		goto fail;
	nodes_make(table, pairs, (uint32_t)pair_count, range);
	for (int64_t i = 0; i < pair_count; i++)
		table->routes[i] = pairs[i].route;
	table->route_count = (uint32_t)pair_count;
	free(range);
	free(pairs);
	return table;
fail:
	free(range);
	free(pairs);
	route_table_free(table);
	return NULL;
}

void route_table_free(struct route_table *table)
{
	if (table == NULL)
		return;
	free(table->nodes);
	free(table->routes);
	free(table);
}

/* A route with its load at the moment of the choice, of all workers. */
struct candidate {
	const struct route *route;
	uint64_t calls, carried;
	uint32_t capacity;
};

static bool candidate_before(const struct candidate *a, const struct candidate *b)
{
	/* Ratios by cross multiplication; without a capacity the ratio is nought. */
	uint64_t load_a = a->capacity ? a->calls * (b->capacity ? b->capacity : 1) : 0;
	uint64_t load_b = b->capacity ? b->calls * (a->capacity ? a->capacity : 1) : 0;

	if (a->route->priority != b->route->priority)
		return a->route->priority < b->route->priority;
	if (load_a != load_b)
		return load_a < load_b;
	if (a->carried != b->carried)
		return a->carried < b->carried;
	return a->route->rank < b->route->rank;
}

/* Only those of equal priority are told apart by their load: for the others no cell of another worker is looked at. */
static bool has_equal(const struct route_table *table, const struct route_node *node, const struct route *route)
{
	const struct route *first = &table->routes[node->first_route], *last = first + node->routes - 1;

	return (route > first && route[-1].priority == route->priority) ||
	       (route < last && route[1].priority == route->priority);
}

static void candidate_weigh(struct candidate *candidate, const struct party *party, unsigned int workers)
{
	candidate->capacity = atomic_load_explicit(&party->capacity, memory_order_relaxed);
	for (unsigned int w = 0; w < workers; w++) {
		candidate->calls += party_calls(party, w);
		candidate->carried += party_carried(party, w);
	}
	/* Where no ratio shares them out, those under way count, too: else all went to one until its first is answered.
	 */
	if (!candidate->capacity)
		candidate->carried += candidate->calls;
}

static bool party_is_ready(const struct party *party, uint64_t now_us)
{
	return atomic_load_explicit(&party->enabled, memory_order_relaxed) &&
	       !atomic_load_explicit(&party->down, memory_order_relaxed) &&
	       atomic_load_explicit(&party->ban_until_us, memory_order_relaxed) <= now_us;
}

static bool already_chosen(const struct route_result *result, uint32_t id)
{
	for (unsigned int i = 0; i < result->count; i++)
		if (result->gateway[i] == id)
			return true;
	return false;
}

/* The gateways of one prefix, best first, behind those of longer ones. */
static void level_append(const struct route_table *table, const struct route_node *node, const struct parties *parties,
			 unsigned int workers, uint64_t now_us, struct route_result *result)
{
	struct candidate best[ROUTE_MAX];
	unsigned int count = 0, room = ROUTE_MAX - result->count;

	for (unsigned int i = 0; i < node->routes; i++) {
		struct candidate next = {.route = &table->routes[node->first_route + i]};
		const struct party *party = party_get(parties, next.route->id);
		unsigned int at = count;

		result->matched++;
		if (already_chosen(result, next.route->id) || !party_is_ready(party, now_us))
			continue;
		if (has_equal(table, node, next.route))
			candidate_weigh(&next, party, workers);
		while (at > 0 && candidate_before(&next, &best[at - 1]))
			at--;
		if (at >= room)
			continue;
		if (count < room)
			count++;
		memmove(&best[at + 1], &best[at], (count - at - 1) * sizeof(best[0]));
		best[at] = next;
	}
	for (unsigned int i = 0; i < count; i++)
		result->gateway[result->count++] = best[i].route->id;
}

void route_table_select(const struct route_table *table, const struct parties *parties, const char *number, size_t len,
			unsigned int workers, uint64_t now_us, struct route_result *result)
{
	uint32_t path[DEPTH_MAX + 1], node = 0;
	unsigned int depth = 0;

	result->count = result->matched = 0;
	path[0] = 0;
	for (size_t i = 0; i < len && depth < DEPTH_MAX; i++) {
		int symbol = symbol_of(number[i]);
		uint16_t children = table->nodes[node].children;

		if (symbol < 0 || !(children >> symbol & 1))
			break;
		node = table->nodes[node].first_child + (uint32_t)__builtin_popcount(children & ((1u << symbol) - 1));
		path[++depth] = node;
	}
	for (int d = (int)depth; d >= 0; d--)
		level_append(table, &table->nodes[path[d]], parties, workers, now_us, result);
}

void route_select(const struct engine *engine, const char *number, size_t len, struct route_result *result)
{
	const struct signaling_snapshot *snapshot = engine->snapshot;

	route_table_select(snapshot->routes, snapshot->state->parties, number, len, engine->workers, engine->now_us,
			   result);
}
