/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>

#include "../check.h"
#include "fixture.h"

static struct fixture f;

static uint32_t gateway_id(enum gateway_side side, const char *called)
{
	uint32_t id = GATEWAY_NO_ID;

	CHECK_INT(gateway_find(&f.engine, side, false, called, strlen(called), &id), 0);
	return id;
}

/* The same configuration with other limits for "acme". */
static void reload(unsigned int capacity, unsigned int rate, bool enabled)
{
	struct signaling_snapshot *next;

	f.mapping[0].capacity = capacity;
	f.mapping[0].calls_per_second = rate;
	f.mapping[0].enabled = enabled;
	next = signaling_snapshot_new(&f.config, &f.state);
	CHECK(next != NULL);
	signaling_snapshot_apply(next);
	signaling_snapshot_free(f.snapshot);
	f.snapshot = next;
	f.engine.snapshot = next;
}

static enum gateway_verdict admit(uint32_t id)
{
	return gateway_admit(&f.engine, id, false);
}

static void test_capacity(void)
{
	uint32_t id;

	fixture_init(&f);
	reload(3, 0, true);
	id = gateway_id(GATEWAY_CALLER, "acme");
	for (int i = 0; i < 3; i++)
		CHECK_INT(admit(id), GATEWAY_OK);
	CHECK_INT(admit(id), GATEWAY_FULL);
	gateway_release(&f.engine, id);
	CHECK_INT(admit(id), GATEWAY_OK);
	/* A reload keeps the calls: below what stands, nobody is let in until enough have ended. */
	reload(2, 0, true);
	CHECK_INT(gateway_id(GATEWAY_CALLER, "acme"), id);
	gateway_release(&f.engine, id);
	CHECK_INT(admit(id), GATEWAY_FULL);
	gateway_release(&f.engine, id);
	CHECK_INT(admit(id), GATEWAY_OK);
	reload(0, 0, true);
	for (int i = 0; i < 100; i++)
		CHECK_INT(admit(id), GATEWAY_OK);
	fixture_fini(&f);
}

#define WORKERS 4
#define PLACES  3

static _Atomic int inside, most;

/* A worker that lets calls in and out as fast as it can. */
static void *worker_thread(void *context)
{
	struct engine engine = f.engine;
	uint32_t id = gateway_id(GATEWAY_CALLER, "acme"), held = 0, let_in = 0;

	engine.worker = (unsigned int)(uintptr_t)context;
	for (int i = 0; i < 20000; i++) {
		if (held < 2 && gateway_admit(&engine, id, false) == GATEWAY_OK) {
			int now = atomic_fetch_add(&inside, 1) + 1, before = atomic_load(&most);

			while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
				;
			held++;
			let_in++;
		} else if (held > 0) {
			atomic_fetch_sub(&inside, 1);
			gateway_release(&engine, id);
			held--;
		}
	}
	for (; held > 0; held--) {
		atomic_fetch_sub(&inside, 1);
		gateway_release(&engine, id);
	}
	return (void *)(uintptr_t)let_in;
}

static void test_capacity_of_all_workers(void)
{
	pthread_t thread[WORKERS];
	uintptr_t all = 0;
	uint32_t id;

	fixture_init(&f);
	reload(PLACES, 0, true);
	f.engine.workers = WORKERS;
	for (uintptr_t w = 0; w < WORKERS; w++)
		CHECK_INT(pthread_create(&thread[w], NULL, worker_thread, (void *)w), 0);
	for (unsigned int w = 0; w < WORKERS; w++) {
		void *let_in;

		pthread_join(thread[w], &let_in);
		all += (uintptr_t)let_in;
	}
	CHECK(all > PLACES);
	CHECK(atomic_load(&most) <= PLACES);
	/* Nothing has been lost or doubled: all places are free, and no more than that. */
	id = gateway_id(GATEWAY_CALLER, "acme");
	for (unsigned int i = 0; i < PLACES; i++) {
		f.engine.worker = i;
		CHECK_INT(admit(id), GATEWAY_OK);
	}
	CHECK_INT(admit(id), GATEWAY_FULL);
	fixture_fini(&f);
}

static void test_standing_calls(void)
{
	uint32_t id;

	fixture_init(&f);
	reload(2, 1, true);
	id = gateway_id(GATEWAY_CALLER, "acme");
	for (int i = 0; i < 3; i++)
		CHECK_INT(gateway_admit(&f.engine, id, true), GATEWAY_OK);
	CHECK_INT(admit(id), GATEWAY_FULL);
	for (int i = 0; i < 2; i++)
		gateway_release(&f.engine, id);
	CHECK_INT(admit(id), GATEWAY_OK); /* the token was not used by the standing ones */
	for (int i = 0; i < 9; i++)
		gateway_release(&f.engine, id); /* more than there are does not wrap */
	CHECK_INT(party_calls(party_get(f.state.parties, id), 0), 0);
	fixture_fini(&f);
}

static void test_rate(void)
{
	uint32_t id;
	int passed = 0;

	fixture_init(&f);
	reload(0, 50, true);
	id = gateway_id(GATEWAY_CALLER, "acme");
	/* One second's worth at once, not one more; a refused call takes no capacity. */
	for (int i = 0; i < 80; i++)
		passed += admit(id) == GATEWAY_OK;
	CHECK_INT(passed, 50);
	CHECK_INT(admit(id), GATEWAY_OVER_RATE);
	CHECK_INT(party_calls(party_get(f.state.parties, id), 0), 50);
	/* Then one every 20 ms. */
	passed = 0;
	for (int ms = 0; ms < 2000; ms++) {
		f.engine.now_us += 1000;
		passed += admit(id) == GATEWAY_OK;
	}
	CHECK_INT(passed, 100);
	fixture_fini(&f);
}

static void test_disabled_and_unknown(void)
{
	uint32_t id;

	fixture_init(&f);
	id = gateway_id(GATEWAY_CALLER, "acme");
	reload(0, 0, false);
	CHECK_INT(admit(id), GATEWAY_DISABLED);
	CHECK_INT(admit(GATEWAY_NO_ID), GATEWAY_OK);
	CHECK_INT(admit(123456), GATEWAY_OK); /* a damaged record does no harm */
	CHECK(gateway_mapping(f.snapshot, id) == &f.mapping[0]);
	CHECK(gateway_routing(f.snapshot, id) == NULL);
	CHECK(gateway_mapping(f.snapshot, 123456) == NULL);
	/* Removed by a reload: its id stays, its configuration is gone. */
	f.config.mapping_gateways++;
	f.config.mapping_gateways_count--;
	reload(0, 0, true);
	CHECK(gateway_mapping(f.snapshot, id) == NULL);
	fixture_fini(&f);
}

static void test_retry_after(void)
{
	static struct config_routing_gateway vendor = {.name = WORDS("vendor"), .enabled = true};
	uint32_t id;

	fixture_init(&f);
	f.config.routing_gateways = &vendor;
	f.config.routing_gateways_count = 1;
	reload(0, 0, true);
	id = gateway_id(GATEWAY_CALLEE, "vendor");
	gateway_report(&f.engine, id, 486, 10);
	gateway_report(&f.engine, id, 600, 10);
	CHECK_INT(gateway_admit(&f.engine, id, false), GATEWAY_OK);
	gateway_report(&f.engine, id, 503, 10);
	CHECK_INT(gateway_admit(&f.engine, id, false), GATEWAY_DISABLED);
	f.engine.now_us += 10 * US_PER_S;
	CHECK_INT(gateway_admit(&f.engine, id, false), GATEWAY_OK);
	gateway_report(&f.engine, id, 200, 0);
	CHECK_INT(party_carried(party_get(f.state.parties, id), 0), 1);
	gateway_report(&f.engine, id, 503, UINT32_MAX);
	CHECK(atomic_load(&party_get(f.state.parties, id)->ban_until_us) <= f.engine.now_us + 3600 * US_PER_S);
	fixture_fini(&f);
}

static void test_phones(void)
{
	uint32_t id, other;

	fixture_init(&f);
	CHECK_INT(gateway_find(&f.engine, GATEWAY_CALLEE, true, "alice", 5, &id), 0);
	CHECK_INT(gateway_find(&f.engine, GATEWAY_CALLER, true, "alice", 5, &other), 0);
	CHECK_INT(other, id);
	CHECK_INT(admit(id), GATEWAY_OK);
	CHECK_INT(gateway_admit(&f.engine, id, false), GATEWAY_OK);
	CHECK_INT(admit(id), GATEWAY_FULL);
	CHECK_INT(gateway_find(&f.engine, GATEWAY_CALLER, true, "nobody", 6, &id), -ENOENT);
	CHECK_INT(gateway_find(&f.engine, GATEWAY_CALLER, false, "acm", 3, &id), -ENOENT);
	CHECK_INT(gateway_find(&f.engine, GATEWAY_CALLER, false, "acme-", 5, &id), -ENOENT);
	/* What names a gateway names no phone, and the other way round. */
	CHECK_INT(gateway_find(&f.engine, GATEWAY_CALLER, true, "acme", 4, &id), -ENOENT);
	CHECK_INT(gateway_find(&f.engine, GATEWAY_CALLER, false, "alice", 5, &id), -ENOENT);
	fixture_fini(&f);
}

static void test_ranges_of_users(void)
{
	fixture_init(&f);
	CHECK_INT(users_count(f.snapshot->users), 1 + 5 + 1 + 2);
	CHECK(users_find(f.snapshot->users, "0998", 4) != NULL);
	CHECK(users_find(f.snapshot->users, "1002", 4) != NULL);
	CHECK(users_find(f.snapshot->users, "1003", 4) == NULL);
	CHECK(users_find(f.snapshot->users, "", 0) == NULL);
	/* Out of digits, or twice the same: not taken, and the running one is not touched. */
	f.phones[1].count = 9999;
	CHECK(signaling_snapshot_new(&f.config, &f.state) == NULL);
	f.phones[1] = (struct config_phone){WORDS("alice"), WORDS("x"), 1, 0};
	CHECK(signaling_snapshot_new(&f.config, &f.state) == NULL);
	CHECK(users_find(f.snapshot->users, "1002", 4) != NULL);
	fixture_fini(&f);
}

static const struct check_case cases[] = {
    {"capacity, over a reload", test_capacity},
    {"capacity, shared by workers", test_capacity_of_all_workers},
    {"calls found at start", test_standing_calls},
    {"calls per second", test_rate},
    {"disabled, unknown, removed", test_disabled_and_unknown},
    {"Retry-After", test_retry_after},
    {"phones", test_phones},
    {"ranges of users", test_ranges_of_users},
};
CHECK_MAIN(cases)
