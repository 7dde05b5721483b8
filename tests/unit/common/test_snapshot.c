/* SPDX-License-Identifier: Apache-2.0 */
#include "common/snapshot.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/unit/check.h"

#define READERS 3
#define VALUES  64

/* Whole when all values are equal; freed ones are overwritten first. */
struct table {
	uint64_t value[VALUES];
};

static struct snapshot current;
static atomic_bool stop;
static _Atomic unsigned int torn, polls;

static struct table *table_new(uint64_t value)
{
	struct table *table = malloc(sizeof(*table));

	for (int i = 0; i < VALUES; i++)
		table->value[i] = value;
	return table;
}

static void table_free(struct table *table)
{
	for (int i = 0; i < VALUES; i++)
		table->value[i] = (uint64_t)i;
	free(table);
}

static void *read_tables(void *argument)
{
	rcu_register_thread();
	while (!stop) {
		const struct table *table = snapshot_get(&current);

		for (int i = 1; i < VALUES; i++)
			if (table->value[i] != table->value[0])
				torn++;
		polls++;
		snapshot_quiescent();
	}
	snapshot_quiescent();
	rcu_unregister_thread();
	return NULL;
}

static void readers_never_see_a_freed_one(void)
{
	pthread_t readers[READERS];
	uint64_t end_us = clock_now_us() + US_PER_S / 2, swaps = 0;

	current.current = table_new(0);
	for (int i = 0; i < READERS; i++)
		CHECK_INT(pthread_create(&readers[i], NULL, read_tables, NULL), 0);
	while (clock_now_us() < end_us || swaps < 20)
		table_free(snapshot_replace(&current, table_new(++swaps)));
	stop = true;
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	table_free(current.current);
	CHECK_INT(torn, 0);
	CHECK(polls > 100);
}

static const struct check_case cases[] = {
    {"readers never see a freed one", readers_never_see_a_freed_one},
};
CHECK_MAIN(cases)
