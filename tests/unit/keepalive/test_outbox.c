/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "keepalive/outbox.h"
#include "proto/messages.h"
#include "proto/messages.pb-c.h"
#include "tests/unit/check.h"

static struct ring *ring;
static struct ring_producer producer;
static struct ring_consumer consumer;
static struct outbox outbox;

static void set_up(uint64_t capacity)
{
	ring = aligned_alloc(64, ring_bytes(capacity));
	memset(ring, 0, ring_bytes(capacity));
	ring_create(ring, capacity);
	CHECK_INT(ring_producer_attach(&producer, ring), 0);
	CHECK_INT(ring_consumer_attach(&consumer, ring), 0);
	CHECK_INT(outbox_init(&outbox), 0);
}

static void tear_down(void)
{
	outbox_fini(&outbox);
	free(ring);
}

/* Read everything; checks that the endpoints go on from *next with their ids. Returns the number of messages. */
static unsigned int drain(uint32_t *next)
{
	struct ring_message message;
	unsigned int messages = 0;

	while (ring_peek(&consumer, &message)) {
		Tandem__KeepaliveBurst *burst = tandem__keepalive_burst__unpack(NULL, message.len, message.body);

		CHECK_INT(message.type, MESSAGE_KEEPALIVE_BURST);
		CHECK(burst && burst->n_endpoint == burst->n_id && burst->n_id <= OUTBOX_MESSAGE_ENDPOINTS);
		for (size_t i = 0; i < burst->n_endpoint; i++, (*next)++) {
			CHECK_INT(burst->endpoint[i], *next);
			CHECK_INT(burst->id[i], *next + 1000000ull);
		}
		tandem__keepalive_burst__free_unpacked(burst, NULL);
		ring_release(&consumer, message.end);
		messages++;
	}
	return messages;
}

static void put(uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		CHECK(outbox_put(&outbox, i, i + 1000000ull, 1000));
}

static void a_burst_leaves_in_small_messages(void)
{
	uint32_t next = 0;

	set_up(1 << 20);
	put(0, 3000);
	struct outbox_result result = outbox_flush(&outbox, &producer, 1000, 5000);

	CHECK_INT(result.sent, 3000);
	CHECK_INT(result.messages, 12);
	CHECK_INT(result.stale, 0);
	CHECK(!result.full);
	CHECK_INT(drain(&next), 12);
	CHECK_INT(next, 3000);
	result = outbox_flush(&outbox, &producer, 1000, 5000);
	CHECK_INT(result.messages, 0);
	tear_down();
}

static void a_full_ring_makes_them_wait(void)
{
	uint32_t next = 0, sent = 0;

	set_up(16384);
	put(0, OUTBOX_SIZE);
	CHECK(!outbox_put(&outbox, 1, 1, 1000));
	for (int i = 0; i < 1000 && sent < OUTBOX_SIZE; i++) {
		struct outbox_result result = outbox_flush(&outbox, &producer, 1000, 5000);

		sent += result.sent;
		CHECK(result.full == (sent < OUTBOX_SIZE));
		drain(&next);
		CHECK_INT(next, sent);
	}
	CHECK_INT(sent, OUTBOX_SIZE);
	put(OUTBOX_SIZE, 300); /* across the end of the arrays */
	outbox_flush(&outbox, &producer, 1000, 5000);
	drain(&next);
	CHECK_INT(next, OUTBOX_SIZE + 300);
	tear_down();
}

static void patience_ends(void)
{
	uint32_t next = 500;

	set_up(1 << 20);
	put(0, 500);
	for (uint32_t i = 500; i < 600; i++)
		CHECK(outbox_put(&outbox, i, i + 1000000ull, 4000));
	struct outbox_result result = outbox_flush(&outbox, &producer, 6500, 5000);

	CHECK_INT(result.stale, 500);
	CHECK_INT(result.sent, 100);
	drain(&next);
	CHECK_INT(next, 600);
	tear_down();
}

static const struct check_case cases[] = {
    {"a burst leaves in small messages", a_burst_leaves_in_small_messages},
    {"a full ring makes them wait, none is lost", a_full_ring_makes_them_wait},
    {"patience ends", patience_ends},
};

CHECK_MAIN(cases)
