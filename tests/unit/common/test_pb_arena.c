/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pb_arena.h"

#include "proto/messages.pb-c.h"
#include "tests/unit/check.h"

#define ENDPOINTS 100

/* A burst as keepalive sends it; returns its length. */
static size_t pack_burst(uint8_t *out, size_t room)
{
	static uint32_t endpoint[ENDPOINTS];
	static uint64_t id[ENDPOINTS];
	Tandem__KeepaliveBurst burst;

	for (uint32_t i = 0; i < ENDPOINTS; i++) {
		endpoint[i] = i * 7;
		id[i] = i * 1000000007ull;
	}
	tandem__keepalive_burst__init(&burst);
	burst.n_endpoint = burst.n_id = ENDPOINTS;
	burst.endpoint = endpoint;
	burst.id = id;
	CHECK(tandem__keepalive_burst__get_packed_size(&burst) <= room);
	return tandem__keepalive_burst__pack(&burst, out);
}

static void unpacks_again_and_again(void)
{
	struct pb_arena arena;
	uint8_t packed[2048];
	size_t len = pack_burst(packed, sizeof(packed));

	CHECK_INT(pb_arena_init(&arena, 4096), 0);
	for (int i = 0; i < 10000; i++) {
		Tandem__KeepaliveBurst *burst;

		pb_arena_reset(&arena);
		burst = tandem__keepalive_burst__unpack(&arena.allocator, len, packed);
		CHECK(burst && burst->n_id == ENDPOINTS && burst->id[99] == 99 * 1000000007ull);
	}
	pb_arena_fini(&arena);
}

static void fails_when_full(void)
{
	struct pb_arena arena;
	uint8_t packed[2048];
	size_t len = pack_burst(packed, sizeof(packed));

	for (size_t size = 16; size <= 1024; size += 16) {
		CHECK_INT(pb_arena_init(&arena, size), 0);
		CHECK(tandem__keepalive_burst__unpack(&arena.allocator, len, packed) == NULL);
		pb_arena_fini(&arena);
	}
}

static void gives_aligned_memory_within_bounds(void)
{
	struct pb_arena arena;
	ProtobufCAllocator *a = &arena.allocator;

	CHECK_INT(pb_arena_init(&arena, 100), 0); /* rounded up to 112 */
	for (size_t i = 0; i < 7; i++) {
		uint8_t *p = a->alloc(a->allocator_data, 1);

		CHECK(p && (uintptr_t)p % 16 == 0);
		CHECK(p >= arena.memory && p + 1 <= arena.memory + arena.size);
	}
	CHECK(a->alloc(a->allocator_data, 16) == NULL);
	CHECK(a->alloc(a->allocator_data, SIZE_MAX) == NULL);
	CHECK(a->alloc(a->allocator_data, SIZE_MAX - 8) == NULL);
	pb_arena_reset(&arena);
	CHECK(a->alloc(a->allocator_data, 112) == arena.memory);
	CHECK(a->alloc(a->allocator_data, 1) == NULL);
	pb_arena_fini(&arena);
}

static const struct check_case cases[] = {
    {"unpacks again and again", unpacks_again_and_again},
    {"fails when full", fails_when_full},
    {"gives aligned memory within bounds", gives_aligned_memory_within_bounds},
};
CHECK_MAIN(cases)
