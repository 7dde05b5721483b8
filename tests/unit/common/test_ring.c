/* SPDX-License-Identifier: Apache-2.0 */
#include "common/ring.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "tests/unit/check.h"

#define CAPACITY 4096u

struct pair {
	struct ring *ring;
	struct ring_producer p;
	struct ring_consumer c;
};

static struct pair pair_new(uint64_t capacity)
{
	struct pair pair = {.ring = aligned_alloc(64, ring_bytes(capacity))};

	memset(pair.ring, 0, ring_bytes(capacity));
	ring_create(pair.ring, capacity);
	CHECK_INT(ring_producer_attach(&pair.p, pair.ring), 0);
	CHECK_INT(ring_consumer_attach(&pair.c, pair.ring), 0);
	return pair;
}

static void pair_free(struct pair *pair)
{
	free(pair->ring);
}

/* A message whose bytes follow from its number. */
static bool send_number(struct ring_producer *p, uint64_t number, uint32_t len)
{
	uint8_t *room = ring_reserve(p, len);

	if (!room)
		return false;
	memset(room, (int)(number & 0xff), len);
	memcpy(room, &number, sizeof(number));
	ring_publish(p, (uint16_t)(1 + number % 100), len);
	return true;
}

static bool is_number(const struct ring_message *message, uint64_t number)
{
	uint64_t found;

	memcpy(&found, message->body, sizeof(found));
	if (found != number || message->type != 1 + number % 100)
		return false;
	for (uint32_t i = sizeof(found); i < message->len; i++)
		if (message->body[i] != (number & 0xff))
			return false;
	return true;
}

static void passes_in_order(void)
{
	struct pair pair = pair_new(CAPACITY);
	struct ring_message message;

	srandom(7);
	CHECK(!ring_peek(&pair.c, &message));
	for (uint64_t sent = 0, seen = 0; seen < 100000;) {
		for (int n = (int)(random() % 8); n; n--)
			sent += send_number(&pair.p, sent, 8 + (uint32_t)random() % 600);
		for (int n = (int)(random() % 8); n && ring_peek(&pair.c, &message); n--) {
			CHECK(is_number(&message, seen));
			CHECK((uintptr_t)message.body % 8 == 0);
			seen++;
			ring_release(&pair.c, message.end);
		}
	}
	CHECK_INT(pair.p.faults + pair.c.faults, 0);
	pair_free(&pair);
}

static void full_says_so(void)
{
	struct pair pair = pair_new(CAPACITY);
	struct ring_message message;
	uint64_t sent = 0;

	while (send_number(&pair.p, sent, 100))
		sent++;
	CHECK_INT(sent, CAPACITY / 112); /* 104 and a header of 8 */
	CHECK(!ring_has_room(&pair.p, 100));
	CHECK_INT(ring_backlog(pair.ring), sent * 112);
	CHECK(ring_peek(&pair.c, &message));
	CHECK(!ring_has_room(&pair.p, 100)); /* seen is not released */
	ring_release(&pair.c, message.end);
	CHECK(ring_has_room(&pair.p, 40));
	pair_free(&pair);
}

static void longest_always_fits_an_empty_ring(void)
{
	struct pair pair = pair_new(CAPACITY);
	struct ring_message message;
	uint32_t longest = ring_longest(CAPACITY);

	CHECK_INT(longest, CAPACITY / 2 - 8);
	CHECK_INT(ring_longest(1u << 30), RING_MAX_MESSAGE);
	CHECK(ring_reserve(&pair.p, longest + 1) == NULL);
	CHECK(ring_reserve(&pair.p, UINT32_MAX) == NULL);
	for (uint64_t i = 0; i < 2000; i++) { /* at every offset */
		CHECK(send_number(&pair.p, 2 * i, longest));
		CHECK(ring_peek(&pair.c, &message) && is_number(&message, 2 * i));
		ring_release(&pair.c, message.end);
		CHECK(send_number(&pair.p, 2 * i + 1, 8));
		CHECK(ring_peek(&pair.c, &message) && is_number(&message, 2 * i + 1));
		ring_release(&pair.c, message.end);
	}
	pair_free(&pair);
}

static void what_is_not_published_is_not_there(void)
{
	struct pair pair = pair_new(CAPACITY);
	struct ring_producer next;
	struct ring_message message;
	uint8_t *room;

	CHECK(send_number(&pair.p, 0, 50));
	memset(ring_reserve(&pair.p, 500), 0xee, 500); /* and here the producer dies */
	CHECK_INT(ring_producer_attach(&next, pair.ring), 0);
	CHECK(send_number(&next, 1, 50));
	CHECK(ring_peek(&pair.c, &message) && is_number(&message, 0));
	CHECK(ring_peek(&pair.c, &message) && is_number(&message, 1));
	CHECK(!ring_peek(&pair.c, &message));
	/* Shortened when published; reserved twice, published once. */
	room = ring_reserve(&next, 1000);
	memset(room, 1, 1000);
	room = ring_reserve(&next, 200);
	memset(room, 2, 200);
	ring_publish(&next, 9, 3);
	CHECK(ring_peek(&pair.c, &message));
	CHECK_INT(message.len, 3);
	CHECK_INT(message.body[0], 2);
	pair_free(&pair);
}

static void what_is_not_released_comes_again(void)
{
	struct pair pair = pair_new(CAPACITY);
	struct ring_consumer next;
	struct ring_message message;

	for (uint64_t i = 0; i < 5; i++)
		CHECK(send_number(&pair.p, i, 50));
	for (uint64_t i = 0; i < 4; i++) {
		CHECK(ring_peek(&pair.c, &message) && is_number(&message, i));
		if (i == 1)
			ring_release(&pair.c, message.end);
	}
	CHECK_INT(ring_consumer_attach(&next, pair.ring), 0);
	for (uint64_t i = 2; i < 5; i++)
		CHECK(ring_peek(&next, &message) && is_number(&message, i));
	ring_rewind(&next);
	CHECK(ring_peek(&next, &message) && is_number(&message, 2));
	ring_release(&next, message.end);
	ring_release(&next, 0); /* giving back less than before changes nothing */
	ring_rewind(&next);
	CHECK(ring_peek(&next, &message) && is_number(&message, 3));
	pair_free(&pair);
}

static void attach_refuses_damage(void)
{
	struct pair pair = pair_new(CAPACITY);
	struct ring_producer p;
	struct ring_consumer c;

	static const struct {
		uint64_t capacity, head, tail;
	} bad[] = {
	    {0, 0, 0},        {CAPACITY - 1, 0, 0},        {64, 0, 0},         {CAPACITY, 0, 8},
	    {CAPACITY, 4, 0}, {CAPACITY, CAPACITY + 8, 0}, {CAPACITY, 16, 12}, {UINT64_MAX, 0, 0},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		pair.ring->capacity = bad[i].capacity;
		atomic_store(&pair.ring->head, bad[i].head);
		atomic_store(&pair.ring->tail, bad[i].tail);
		CHECK_INT(ring_producer_attach(&p, pair.ring), -EPROTO);
		CHECK_INT(ring_consumer_attach(&c, pair.ring), -EPROTO);
	}
	pair_free(&pair);
}

static void damaged_message_is_given_up(void)
{
	struct pair pair = pair_new(CAPACITY);
	struct ring_message message;

	for (uint64_t i = 0; i < 3; i++)
		CHECK(send_number(&pair.p, i, 50));
	CHECK(ring_peek(&pair.c, &message) && is_number(&message, 0));
	pair.ring->data[64] ^= 0x40; /* the second one's length */
	CHECK(!ring_peek(&pair.c, &message));
	CHECK_INT(pair.c.faults, 1);
	CHECK(!ring_peek(&pair.c, &message));
	CHECK_INT(pair.c.faults, 1);
	CHECK(send_number(&pair.p, 3, 50));
	CHECK(ring_peek(&pair.c, &message) && is_number(&message, 3));
	ring_release(&pair.c, message.end);
	CHECK_INT(ring_backlog(pair.ring), 0);
	pair_free(&pair);
}

/* A ring full of rubbish must come free again, or the producer would wait for ever. */
static void damage_does_not_wedge(void)
{
	for (int released = 0; released < 2; released++) {
		struct pair pair = pair_new(CAPACITY);
		struct ring_message message;
		uint64_t sent = 0, first_end;

		while (send_number(&pair.p, sent, 100))
			sent++;
		CHECK(ring_peek(&pair.c, &message));
		first_end = message.end;
		if (released)
			ring_release(&pair.c, first_end);
		memset(pair.ring->data + 112, 0xff, CAPACITY - 112);
		CHECK(!ring_peek(&pair.c, &message));
		if (!released)
			ring_release(&pair.c, first_end); /* takes the damage along */
		CHECK_INT(ring_backlog(pair.ring), 0);
		CHECK(send_number(&pair.p, 77, 100));
		CHECK(ring_peek(&pair.c, &message) && is_number(&message, 77));
		pair_free(&pair);
	}
}

static void impossible_positions_are_not_followed(void)
{
	struct pair pair = pair_new(CAPACITY);
	struct ring_message message;
	uint64_t sent = 0;

	atomic_store(&pair.ring->head, 1ull << 40);
	for (int i = 0; i < 10; i++)
		CHECK(!ring_peek(&pair.c, &message));
	CHECK_INT(pair.c.faults, 1);        /* counted once, not at every poll */
	CHECK(send_number(&pair.p, 5, 50)); /* the producer knows better where it is */
	CHECK(ring_peek(&pair.c, &message) && is_number(&message, 5));
	atomic_store(&pair.ring->tail, 1ull << 40);
	while (send_number(&pair.p, sent, 100))
		sent++;
	CHECK(sent < CAPACITY / 100);
	CHECK(pair.p.faults > 0);
	pair_free(&pair);
}

/* Random bytes change anywhere in the shared part, at any time: no crash, no message out of bounds, no endless loop. */
static void survives_noise(void)
{
	srandom(3);
	for (int round = 0; round < 3000; round++) {
		struct pair pair = pair_new(CAPACITY);
		size_t bytes = ring_bytes(CAPACITY);

		for (int step = 0; step < 100; step++) {
			struct ring_message message;
			uint64_t number = (uint64_t)step;

			if (random() % 8 == 0) {
				size_t at =
				    64 + (size_t)random() % (bytes - 64); /* the capacity is read at attach only */

				if (random() % 4 == 0)
					at = random() % 2 ? 64 + (size_t)random() % 8 : 128 + (size_t)random() % 8;
				((uint8_t *)pair.ring)[at] ^= (uint8_t)(1 << random() % 8);
			}
			send_number(&pair.p, number, 8 + (uint32_t)random() % 300);
			for (int n = 0; n < 4 && ring_peek(&pair.c, &message); n++) {
				CHECK(message.body >= pair.ring->data &&
				      message.body + message.len <= pair.ring->data + CAPACITY);
				if (random() % 2)
					ring_release(&pair.c, message.end);
			}
			if (random() % 16 == 0)
				ring_rewind(&pair.c);
		}
		pair_free(&pair);
	}
}

#define THREAD_MESSAGES 300000

static void *produce(void *argument)
{
	struct ring_producer *p = argument;

	for (uint64_t sent = 0; sent < THREAD_MESSAGES;) {
		if (send_number(p, sent, 8 + (uint32_t)(sent * 2654435761u % 200)))
			sent++;
		else
			sched_yield();
	}
	return NULL;
}

static void two_threads(void)
{
	struct pair pair = pair_new(1u << 16);
	struct ring_message message;
	pthread_t thread;
	uint64_t wrong = 0;

	CHECK_INT(pthread_create(&thread, NULL, produce, &pair.p), 0);
	for (uint64_t seen = 0; seen < THREAD_MESSAGES;) {
		if (!ring_peek(&pair.c, &message)) {
			sched_yield();
			continue;
		}
		wrong += !is_number(&message, seen);
		seen++;
		if (seen % 3 == 0 || ring_backlog(pair.ring) > 30000)
			ring_release(&pair.c, message.end);
	}
	pthread_join(thread, NULL);
	CHECK_INT(wrong, 0);
	CHECK_INT(pair.c.faults + pair.p.faults, 0);
	pair_free(&pair);
}

static const struct check_case cases[] = {
    {"passes in order", passes_in_order},
    {"full says so", full_says_so},
    {"the longest always fits an empty ring", longest_always_fits_an_empty_ring},
    {"what is not published is not there", what_is_not_published_is_not_there},
    {"what is not released comes again", what_is_not_released_comes_again},
    {"attach refuses damage", attach_refuses_damage},
    {"a damaged message is given up", damaged_message_is_given_up},
    {"damage does not wedge", damage_does_not_wedge},
    {"impossible positions are not followed", impossible_positions_are_not_followed},
    {"survives noise", survives_noise},
    {"two threads", two_threads},
};
CHECK_MAIN(cases)
