/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "../check.h"
#include "common/clock.h"
#include "signaling/binding_store.h"

static struct binding_record *records;

static struct binding_store *attach(uint32_t slots, unsigned int workers, uint64_t now_us)
{
	return binding_store_new(&(struct binding_store_options){records, slots, 0xabcd, workers, now_us});
}

static void shared_memory(uint32_t slots)
{
	free(records);
	records = aligned_alloc(64, slots * sizeof(*records));
	memset(records, 0, slots * sizeof(*records));
}

static int add(struct binding_store *store, const char *user, uint64_t expires_us, uint32_t *slot)
{
	struct binding_record record = {.user_len = (uint8_t)strlen(user), .expires_us = expires_us};

	memcpy(record.user, user, record.user_len);
	record.contact_len = (uint16_t)snprintf(record.contact, sizeof(record.contact), "sip:%s@192.0.2.1", user);
	return binding_store_add(store, &record, slot);
}

static unsigned int find(const struct binding_store *store, const char *user)
{
	struct binding_record found[BINDINGS_PER_USER];

	return binding_store_find(store, user, strlen(user), 0, found, NULL, BINDINGS_PER_USER);
}

static void test_add_find_remove(void)
{
	struct binding_store *store;
	struct binding_record record;
	uint32_t slot[3];
	uint64_t id;

	shared_memory(8);
	store = attach(8, 2, 0);
	CHECK_INT(add(store, "alice", 100, &slot[0]), 0);
	CHECK_INT(add(store, "alice", 100, &slot[1]), 0);
	CHECK_INT(add(store, "bob", 100, &slot[2]), 0);
	CHECK_INT(find(store, "alice"), 2);
	CHECK_INT(find(store, "bob"), 1);
	CHECK_INT(find(store, "carol"), 0);
	CHECK_INT(binding_store_standing(store), 3);
	CHECK(binding_store_read(store, slot[0], &record));
	id = record.id;
	CHECK(binding_store_remove(store, slot[0]));
	CHECK(!binding_store_remove(store, slot[0])); /* once */
	CHECK_INT(binding_store_standing(store), 2);
	CHECK(!binding_store_read(store, slot[0], &record));
	CHECK_INT(find(store, "alice"), 1);
	CHECK_INT(add(store, "carol", 100, &slot[0]), 0); /* the slot again, in another life */
	CHECK(binding_store_read(store, slot[0], &record));
	CHECK_INT(record.id, id + 1);
	CHECK_INT(add(store, "dave", 100, &slot[1]), 0);
	CHECK(slot[1] != slot[0]);
	CHECK(!binding_store_read(store, 8, &record));
	CHECK(!binding_store_read(store, BINDING_NONE, &record));
	binding_store_free(store);
}

/* Each slot can be used, by whatever worker, and each is found again. */
static void test_every_slot(void)
{
	enum { SLOTS = 5000 };
	static uint32_t slot[SLOTS];
	struct binding_store *store;
	char user[16];
	uint32_t more;

	shared_memory(SLOTS);
	store = attach(SLOTS, 3, 0);
	for (unsigned int i = 0; i < SLOTS; i++) {
		snprintf(user, sizeof(user), "u%u", i);
		CHECK_INT(add(store, user, 100, &slot[i]), 0);
	}
	CHECK_INT(add(store, "more", 100, &more), -ENOSPC);
	srand(3);
	for (unsigned int i = 0; i < SLOTS; i += 2)
		binding_store_remove(store, slot[i]);
	for (unsigned int i = 0; i < SLOTS; i++) {
		snprintf(user, sizeof(user), "u%u", i);
		CHECK_INT(find(store, user), i % 2);
	}
	for (unsigned int i = 0; i < SLOTS; i += 2)
		CHECK_INT(add(store, "many", 100, &slot[i]), 0);
	CHECK_INT(add(store, "more", 100, &more), -ENOSPC);
	binding_store_free(store);
}

static void test_kill_and_attach(void)
{
	struct binding_store *store;
	uint32_t slot[4];
	uint64_t id;

	shared_memory(16);
	store = attach(16, 4, 0);
	CHECK_INT(add(store, "stays", 100, &slot[0]), 0);
	CHECK_INT(add(store, "expires", 50, &slot[1]), 0);
	CHECK_INT(add(store, "torn", 100, &slot[2]), 0);
	CHECK_INT(add(store, "damaged", 100, &slot[3]), 0);
	id = records[slot[2]].id;
	atomic_fetch_add(&records[slot[2]].sequence, 1); /* killed while writing it */
	records[slot[3]].contact_len = 60000;            /* somebody else's doing */
	binding_store_free(store);
	store = attach(16, 3, 60); /* fewer workers now */
	CHECK_INT(binding_store_standing(store), 1);
	CHECK_INT(binding_store_torn(store), 1);
	CHECK_INT(find(store, "stays"), 1);
	CHECK_INT(find(store, "expires") + find(store, "torn") + find(store, "damaged"), 0);
	/* All other slots are free, and lives go on counting. */
	for (int i = 0; i < 15; i++)
		CHECK_INT(add(store, "new", 100, &slot[0]), 0);
	CHECK_INT(add(store, "new", 100, &slot[0]), -ENOSPC);
	CHECK_INT(records[slot[2]].id, id + 1);
	binding_store_free(store);
}

static void test_attach_is_fast(void)
{
	enum { SLOTS = 200000 };
	struct binding_store *store;
	uint64_t start_us, took_us;
	char user[16];
	uint32_t slot;

	shared_memory(SLOTS);
	store = attach(SLOTS, 2, 0);
	for (unsigned int i = 0; i < SLOTS; i++) {
		snprintf(user, sizeof(user), "%u", 100000 + i);
		CHECK_INT(add(store, user, 100, &slot), 0);
	}
	binding_store_free(store);
	start_us = clock_now_us();
	store = attach(SLOTS, 3, 0);
	took_us = clock_now_us() - start_us;
	printf("  200,000 bindings attached in %llu ms\n", (unsigned long long)(took_us / 1000));
	CHECK_INT(binding_store_standing(store), SLOTS);
	CHECK(took_us < 5 * US_PER_S); /* a loaded machine, a sanitizer: the figure itself is for people */
	binding_store_free(store);
}

/* ---- a reader beside the writer ---- */

struct race {
	struct binding_store *store;
	_Atomic bool stop;
	_Atomic unsigned long found, missed, wrong;
};

static void *reader(void *context)
{
	struct race *race = context;
	struct binding_record out[BINDINGS_PER_USER];

	while (!atomic_load(&race->stop)) {
		unsigned int count = binding_store_find(race->store, "steady", 6, 0, out, NULL, BINDINGS_PER_USER);

		atomic_fetch_add(count == 1 ? &race->found : &race->missed, 1);
		/* The writer always puts the same number in all of these. */
		if (count == 1 &&
		    (out[0].refreshed_us != out[0].registered_us || out[0].cseq != (uint32_t)out[0].refreshed_us))
			atomic_fetch_add(&race->wrong, 1);
	}
	return NULL;
}

static void test_reader_beside_writer(void)
{
	struct race race = {0};
	struct binding_record record;
	uint32_t steady, others[200];
	uint64_t until_us;
	pthread_t thread;
	char user[16];

	shared_memory(256);
	race.store = attach(256, 1, 0);
	CHECK_INT(add(race.store, "steady", 100, &steady), 0);
	CHECK(binding_store_read(race.store, steady, &record));
	pthread_create(&thread, NULL, reader, &race);
	until_us = clock_now_us() + 300000;
	for (uint64_t n = 1; clock_now_us() < until_us; n++) {
		record.refreshed_us = record.registered_us = n;
		record.cseq = (uint32_t)n;
		binding_store_update(race.store, steady, &record);
		for (unsigned int i = 0; i < 200; i++) {
			snprintf(user, sizeof(user), "o%u", i);
			CHECK_INT(add(race.store, user, 100, &others[i]), 0);
		}
		for (unsigned int i = 0; i < 200; i++)
			binding_store_remove(race.store, others[i]);
	}
	atomic_store(&race.stop, true);
	pthread_join(thread, NULL);
	/* It misses for as long as the writer is taken off its core in the middle of a record: a figure of the machine. */
	printf("  found %lu, missed %lu\n", race.found, race.missed);
	CHECK(race.found > 0);
	CHECK_INT(race.wrong, 0);
	binding_store_free(race.store);
	free(records);
	records = NULL;
}

static const struct check_case cases[] = {
    {"add, find, remove", test_add_find_remove},
    {"every slot", test_every_slot},
    {"killed and attached again", test_kill_and_attach},
    {"200,000 bindings attached", test_attach_is_fast},
    {"a reader beside the writer", test_reader_beside_writer},
};
CHECK_MAIN(cases)
