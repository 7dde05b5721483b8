/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "../check.h"
#include "signaling/route.h"

#define GATEWAYS 40
#define WORKERS  3

/* Vendors with their prefixes, as the configuration would hold them. */
static struct config_routing_gateway gateway[GATEWAYS];
static char *prefix[GATEWAYS][64];
static char name[GATEWAYS][16];
static struct route_entry entry[GATEWAYS];
static struct parties *parties;
static struct route_table *table;

static void vendor(unsigned int i, const char *called, unsigned int priority, const char *first, const char *second)
{
	snprintf(name[i], sizeof(name[i]), "%s", called);
	gateway[i] = (struct config_routing_gateway){.name = name[i], .priority = priority, .enabled = true};
	prefix[i][0] = (char *)first;
	prefix[i][1] = (char *)second;
	gateway[i].prefixes = prefix[i];
	gateway[i].prefixes_count = second != NULL ? 2 : 1;
}

static void build(unsigned int count)
{
	parties = parties_new(NULL);
	for (unsigned int i = 0; i < count; i++) {
		entry[i] = (struct route_entry){&gateway[i], (uint32_t)party_claim(parties, PARTY_ROUTING, name[i])};
		party_limit(party_get(parties, entry[i].id),
			    &(struct party_limits){gateway[i].capacity, 0, gateway[i].enabled});
	}
	table = route_table_new(entry, count);
}

static void drop(void)
{
	route_table_free(table);
	parties_free(parties);
}

/* The names in order, "a b c". */
static const char *chosen(const char *number)
{
	static char text[2048];
	struct route_result result;

	route_table_select(table, parties, number, strlen(number), WORKERS, 1000, &result);
	text[0] = '\0';
	for (unsigned int i = 0; i < result.count; i++) {
		strcat(text, i ? " " : "");
		strcat(text, party_get(parties, result.gateway[i])->name);
	}
	return text;
}

#define CHECK_CHOICE(number, expected) CHECK_TEXT(chosen(number), strlen(chosen(number)), expected)

static void test_longest_prefix_first(void)
{
	vendor(0, "a", 100, "", NULL);
	vendor(1, "b", 100, "49", "4930");
	vendor(2, "c", 1, "49", NULL);
	vendor(3, "d", 100, "+49", "*31#");
	build(4);
	CHECK_CHOICE("493012", "b c a"); /* b once, at its longest */
	CHECK_CHOICE("4989", "c b a");
	CHECK_CHOICE("49", "c b a");
	CHECK_CHOICE("4", "a");
	CHECK_CHOICE("", "a");
	CHECK_CHOICE("+4930", "d a");
	CHECK_CHOICE("*31#49", "d a");
	CHECK_CHOICE("alice", "a");
	CHECK_CHOICE("49x30", "c b a");
	drop();
}

/* What each worker has counted of a gateway: calls that stand, and calls that it carried. */
static void load(unsigned int i, const unsigned int calls[static WORKERS], const unsigned int carried[static WORKERS])
{
	for (unsigned int w = 0; w < WORKERS; w++) {
		struct gateway_cell *cell = party_cell(party_get(parties, entry[i].id), w);

		atomic_store(&cell->calls, calls[w]);
		atomic_store(&cell->answered, carried[w]);
	}
}

static void test_order_within_a_prefix(void)
{
	vendor(0, "z", 10, "49", NULL);
	vendor(1, "y", 10, "49", NULL);
	vendor(2, "x", 10, "49", NULL);
	vendor(3, "w", 5, "49", NULL);
	gateway[0].capacity = 10;
	gateway[1].capacity = 100;
	build(4);
	CHECK_CHOICE("49", "w x y z");                                              /* equal load: by name */
	load(1, (const unsigned int[]){0, 20, 0}, (const unsigned int[]){0, 0, 0}); /* y: 20 % */
	load(0, (const unsigned int[]){0, 1, 0}, (const unsigned int[]){0, 0, 0});  /* z: 10 % */
	CHECK_CHOICE("49", "w x z y");
	load(1, (const unsigned int[]){0, 3, 7},
	     (const unsigned int[]){3, 0, 4}); /* both 10 %: the fewer calls carried */
	load(0, (const unsigned int[]){1, 0, 0}, (const unsigned int[]){0, 8, 0});
	CHECK_CHOICE("49", "w x y z");
	load(1, (const unsigned int[]){10, 0, 0}, (const unsigned int[]){0, 0, 9});
	CHECK_CHOICE("49", "w x z y");
	/* One that is nearly full, all of it another worker's calls, is behind one that this worker alone uses. */
	load(0, (const unsigned int[]){0, 0, 9}, (const unsigned int[]){0, 0, 0});
	load(1, (const unsigned int[]){80, 0, 0}, (const unsigned int[]){9, 9, 9});
	CHECK_CHOICE("49", "w x y z");
	drop();
}

/* Those under way count as carried then. */
static void test_order_without_capacity(void)
{
	vendor(0, "a", 10, "49", NULL);
	vendor(1, "b", 10, "49", NULL);
	build(2);
	load(0, (const unsigned int[]){0, 2, 0}, (const unsigned int[]){0, 0, 0});
	load(1, (const unsigned int[]){0, 0, 0}, (const unsigned int[]){1, 0, 0});
	CHECK_CHOICE("49", "b a");
	drop();
}

static void test_passed_over(void)
{
	struct route_result result;

	vendor(0, "a", 1, "49", NULL);
	vendor(1, "b", 2, "49", NULL);
	build(2);
	atomic_store(&party_get(parties, entry[0].id)->ban_until_us, 1001);
	CHECK_CHOICE("49", "b");
	atomic_store(&party_get(parties, entry[0].id)->ban_until_us, 1000);
	CHECK_CHOICE("49", "a b");
	atomic_store(&party_get(parties, entry[0].id)->enabled, 0);
	atomic_store(&party_get(parties, entry[1].id)->enabled, 0);
	route_table_select(table, parties, "49", 2, WORKERS, 1000, &result);
	CHECK_INT(result.count, 0);
	CHECK_INT(result.matched, 2);
	route_table_select(table, parties, "1", 1, WORKERS, 1000, &result);
	CHECK_INT(result.matched, 0);
	drop();
}

static void test_more_than_fit(void)
{
	char called[16];

	for (unsigned int i = 0; i < GATEWAYS; i++) {
		snprintf(called, sizeof(called), "g%02u", GATEWAYS - 1 - i);
		vendor(i, called, 100 - i, "4", NULL);
	}
	build(GATEWAYS);
	struct route_result result;

	route_table_select(table, parties, "4", 1, WORKERS, 1000, &result);
	CHECK_INT(result.count, ROUTE_MAX);
	for (unsigned int i = 0; i < result.count; i++)
		CHECK_INT(result.gateway[i], entry[GATEWAYS - 1 - i].id);
	drop();
}

static void test_bad_prefix_refused(void)
{
	vendor(0, "a", 1, "49a", NULL);
	parties = parties_new(NULL);
	entry[0] = (struct route_entry){&gateway[0], (uint32_t)party_claim(parties, PARTY_ROUTING, "a")};
	CHECK(route_table_new(entry, 1) == NULL);
	parties_free(parties);
}

/* ---- against a reference that tries everything ---- */

static int longest_match(unsigned int i, const char *number)
{
	int best = -1;

	for (unsigned int p = 0; p < gateway[i].prefixes_count; p++) {
		size_t len = strlen(gateway[i].prefixes[p]);

		if (strncmp(gateway[i].prefixes[p], number, len) == 0 && (int)len > best)
			best = (int)len;
	}
	return best;
}

static const char *reference_number;

static int reference_order(const void *a_, const void *b_)
{
	unsigned int a = *(const unsigned int *)a_, b = *(const unsigned int *)b_;
	int match_a = longest_match(a, reference_number), match_b = longest_match(b, reference_number);

	if (match_a != match_b)
		return match_b - match_a;
	if (gateway[a].priority != gateway[b].priority)
		return gateway[a].priority < gateway[b].priority ? -1 : 1;
	return strcmp(name[a], name[b]);
}

static void random_number(char *out, unsigned int most)
{
	static const char symbols[] = "00112349*#+";
	unsigned int len = (unsigned int)rand() % (most + 1);

	for (unsigned int i = 0; i < len; i++)
		out[i] = symbols[(unsigned int)rand() % (sizeof(symbols) - 1)];
	out[len] = '\0';
}

static void test_against_reference(void)
{
	static char text[GATEWAYS][64][8];
	unsigned int count = 30;

	srand(7);
	for (unsigned int i = 0; i < count; i++) {
		snprintf(name[i], sizeof(name[i]), "v%02u", (i * 7) % count);
		gateway[i] = (struct config_routing_gateway){.name = name[i], .priority = (unsigned int)rand() % 3};
		gateway[i].enabled = true;
		gateway[i].prefixes = prefix[i];
		gateway[i].prefixes_count = (unsigned int)rand() % 64;
		for (unsigned int p = 0; p < gateway[i].prefixes_count; p++) {
			random_number(text[i][p], 5);
			prefix[i][p] = text[i][p];
		}
	}
	build(count);
	for (int round = 0; round < 20000; round++) {
		unsigned int expected[GATEWAYS], matches = 0;
		struct route_result result;
		char number[16];

		random_number(number, 9);
		for (unsigned int i = 0; i < count; i++)
			if (longest_match(i, number) >= 0)
				expected[matches++] = i;
		reference_number = number;
		qsort(expected, matches, sizeof(expected[0]), reference_order);
		route_table_select(table, parties, number, strlen(number), WORKERS, 1000, &result);
		CHECK_INT(result.count, matches);
		for (unsigned int i = 0; i < matches && i < result.count; i++)
			CHECK_INT(result.gateway[i], entry[expected[i]].id);
	}
	drop();
}

static const struct check_case cases[] = {
    {"longest prefix first, shorter ones behind", test_longest_prefix_first},
    {"priority, load, calls carried, name", test_order_within_a_prefix},
    {"order without a capacity", test_order_without_capacity},
    {"disabled and banned ones are passed over", test_passed_over},
    {"the best of more than fit", test_more_than_fit},
    {"a prefix that no number has", test_bad_prefix_refused},
    {"20,000 numbers against a reference", test_against_reference},
};
CHECK_MAIN(cases)
