/* SPDX-License-Identifier: Apache-2.0 */
/* What signaling says over a ring, and what it hears. */
#include <stdlib.h>

#include "../check.h"
#include "bench.h"
#include "media/links.h"
#include "proto/messages.h"
#include "proto/messages.pb-c.h"

#define RING_BYTES 4096

static struct media_links links;
static struct media_link link;
static struct ring *rings[2];
static struct ring_producer to_media;
static struct ring_consumer from_media;

static struct ring *ring_new(void)
{
	size_t bytes = (ring_bytes(RING_BYTES) + 63) & ~(size_t)63;
	struct ring *ring = aligned_alloc(64, bytes);

	if (!ring)
		abort();
	memset(ring, 0, bytes);
	ring_create(ring, RING_BYTES);
	return ring;
}

static void begin(void)
{
	bench_begin();
	for (int i = 0; i < 2; i++) {
		free(rings[i]);
		rings[i] = ring_new();
	}
	ring_producer_attach(&to_media, rings[0]);
	ring_consumer_attach(&link.from, rings[0]);
	ring_producer_attach(&link.to, rings[1]);
	ring_consumer_attach(&from_media, rings[1]);
	links = (struct media_links){.core = &bench.core[0], .link = &link, .count = 1, .life = 5};
	bench.core[0].context = &links;
}

static void say(uint16_t type, const ProtobufCMessage *message)
{
	uint8_t *room = ring_reserve(&to_media, (uint32_t)protobuf_c_message_get_packed_size(message));

	CHECK(room != NULL);
	if (room)
		ring_publish(&to_media, type, (uint32_t)protobuf_c_message_pack(message, room));
}

/* Caller 192.0.2.1:4000 at 10.0.0.1:20000, callee 192.0.2.2:5000 at 10.0.0.1:20008. */
static struct say_open {
	Tandem__Address address[4];
	Tandem__MediaLeg leg[LEG_COUNT];
	Tandem__MediaOpen open;
	uint8_t ip[3][16];
} said;

static void said_begin(uint64_t id)
{
	static const uint16_t port[4] = {20000, 4000, 20008, 5000};
	static const uint8_t ip[3][4] = {{10, 0, 0, 1}, {192, 0, 2, 1}, {192, 0, 2, 2}};

	tandem__media_open__init(&said.open);
	for (int i = 0; i < 3; i++)
		memcpy(said.ip[i], ip[i], 4);
	for (int i = 0; i < 4; i++) {
		tandem__address__init(&said.address[i]);
		said.address[i].ip.data = said.ip[i % 2 ? 1 + i / 2 : 0];
		said.address[i].ip.len = 4;
		said.address[i].port = port[i];
	}
	for (int i = 0; i < LEG_COUNT; i++) {
		tandem__media_leg__init(&said.leg[i]);
		said.leg[i].local = &said.address[2 * i];
		said.leg[i].remote = &said.address[2 * i + 1];
		said.leg[i].clock_rate = 8000;
	}
	said.open.session = 2;
	said.open.id = id;
	said.open.caller = &said.leg[LEG_CALLER];
	said.open.callee = &said.leg[LEG_CALLEE];
	said.open.tos = 0xb8;
}

static void say_close(uint32_t session, uint64_t id)
{
	Tandem__MediaClose ask = TANDEM__MEDIA_CLOSE__INIT;

	ask.session = session;
	ask.id = id;
	say(MESSAGE_MEDIA_CLOSE, &ask.base);
}

/* The next message to signaling must be a MediaClosed; the caller frees it. */
static Tandem__MediaClosed *hear_closed(void)
{
	struct ring_message message;
	Tandem__MediaClosed *closed = NULL;

	if (ring_peek(&from_media, &message) && message.type == MESSAGE_MEDIA_CLOSED)
		closed = tandem__media_closed__unpack(NULL, message.len, message.body);
	CHECK(closed != NULL);
	if (closed)
		ring_release(&from_media, message.end);
	return closed;
}

static void opens(void)
{
	const struct media_session *session;

	begin();
	said_begin(7);
	say(MESSAGE_MEDIA_OPEN, &said.open.base);
	CHECK_INT(links_poll(&links, bench.now_us), 1);
	session = sessions_find(&bench.core[0], 2, 7);
	CHECK(session != NULL);
	if (!session)
		return;
	CHECK_INT(session->hot[LEG_CALLER].remote.port, 4000);
	CHECK_INT(session->hot[LEG_CALLEE].tos, 0xb8);
	CHECK_INT(session->cold[LEG_CALLEE].rtcp_remote.port, 5001); /* the next, when nothing else is said */
	CHECK_INT(session->hot[LEG_CALLEE].local.port, 20008);
	CHECK_INT(links_poll(&links, bench.now_us), 0);
}

static void updates(void)
{
	Tandem__MediaUpdate update = TANDEM__MEDIA_UPDATE__INIT;

	begin();
	said_begin(7);
	update.session = &said.open;
	say(MESSAGE_MEDIA_UPDATE, &update.base); /* of a session not known: it is one now */
	said.leg[LEG_CALLEE].generation = 1;
	said.address[3].port = 6000;
	say(MESSAGE_MEDIA_UPDATE, &update.base);
	CHECK_INT(links_poll(&links, bench.now_us), 2);
	CHECK_INT(bench.session[2].hot[LEG_CALLEE].remote.port, 6000);
	CHECK_INT(bench_count(COUNTER_media_sessions_opened), 1);
}

static void closes(void)
{
	struct net_addr from = bench_addr("192.0.2.1:4000"), to = bench_addr("10.0.0.1:20000");
	Tandem__MediaClosed *closed;

	begin();
	said_begin(7);
	say(MESSAGE_MEDIA_OPEN, &said.open.base);
	links_poll(&links, bench.now_us);
	for (uint16_t seq = 0; seq < 10; seq++) {
		struct datagram d = bench_rtp(&from, &to, seq, 1);

		if (seq != 5)
			bench_relay(&d);
	}
	say_close(2, 8); /* of another life of the slot */
	say_close(2, 7);
	say_close(2, 7); /* again */
	say_close(4000000000u, 1);
	CHECK_INT(links_poll(&links, bench.now_us), 4);
	closed = hear_closed();
	CHECK_INT(closed->id, 8);
	CHECK_INT(closed->statistics->caller_to_callee->packets, 0);
	tandem__media_closed__free_unpacked(closed, NULL);
	closed = hear_closed();
	CHECK_INT(closed->id, 7);
	CHECK_INT(closed->session, 2);
	CHECK_INT(closed->statistics->caller_to_callee->packets, 9);
	CHECK_INT(closed->statistics->caller_to_callee->sent, 9);
	CHECK_INT(closed->statistics->caller_to_callee->lost, 1);
	CHECK_INT(closed->statistics->caller_to_callee->bytes, 9 * 32);
	CHECK(closed->statistics->caller_to_callee->mos_x100 > 300);
	CHECK_INT(closed->statistics->callee_to_caller->packets, 0);
	tandem__media_closed__free_unpacked(closed, NULL);
	closed = hear_closed();
	CHECK_INT(closed->id, 7);
	CHECK_INT(closed->statistics->caller_to_callee->packets, 0);
	tandem__media_closed__free_unpacked(closed, NULL);
	closed = hear_closed();
	CHECK_INT(closed->session, 4000000000u);
	tandem__media_closed__free_unpacked(closed, NULL);
	CHECK_INT(bench_count(COUNTER_media_sessions_closed), 1);
}

static void close_waits_for_room(void)
{
	struct ring_message message;
	unsigned int answers = 0;

	begin();
	said_begin(7);
	say(MESSAGE_MEDIA_OPEN, &said.open.base);
	links_poll(&links, bench.now_us);
	while (links_resync(&bench.core[0], 0))
		;
	say_close(2, 7);
	CHECK_INT(links_poll(&links, bench.now_us), 0);
	CHECK_INT(links_poll(&links, bench.now_us), 0);
	CHECK(sessions_find(&bench.core[0], 2, 7) != NULL); /* nothing is forgotten before it is told */
	CHECK_INT(bench_count(COUNTER_media_waiting), 2);
	while (ring_peek(&from_media, &message))
		ring_release(&from_media, message.end);
	CHECK_INT(links_poll(&links, bench.now_us), 1);
	CHECK(sessions_find(&bench.core[0], 2, 7) == NULL);
	while (ring_peek(&from_media, &message)) {
		answers += message.type == MESSAGE_MEDIA_CLOSED;
		ring_release(&from_media, message.end);
	}
	CHECK_INT(answers, 1);
}

static void nonsense(void)
{
	static const uint8_t junk[] = {0xff, 0xff, 0xff, 0xff, 0x0f};

	begin();
	for (uint16_t type = 1; type < MESSAGE_TYPE_COUNT + 3; type++) {
		uint8_t *room = ring_reserve(&to_media, sizeof(junk));

		memcpy(room, junk, sizeof(junk));
		ring_publish(&to_media, type, sizeof(junk));
	}
	links_poll(&links, bench.now_us);
	CHECK_INT(bench_count(COUNTER_media_bad_message), MESSAGE_TYPE_COUNT + 2);
	said_begin(1);
	said.leg[0].dtmf_payload_type = 128;
	say(MESSAGE_MEDIA_OPEN, &said.open.base);
	said_begin(1);
	said.address[0].ip.len = 5;
	say(MESSAGE_MEDIA_OPEN, &said.open.base);
	said_begin(1);
	said.address[0].port = 65536 + 20000;
	say(MESSAGE_MEDIA_OPEN, &said.open.base);
	said_begin(1);
	said.open.callee = NULL;
	say(MESSAGE_MEDIA_OPEN, &said.open.base);
	said_begin(1);
	said.open.tos = 256;
	say(MESSAGE_MEDIA_OPEN, &said.open.base);
	CHECK_INT(links_poll(&links, bench.now_us), 5);
	CHECK_INT(bench_count(COUNTER_media_bad_message), MESSAGE_TYPE_COUNT + 7);
	CHECK_INT(bench_count(COUNTER_media_sessions_opened), 0);
}

static void damage_is_counted_and_mended(void)
{
	begin();
	bench.core[0].peer[0].resync_due = false;
	said_begin(7);
	say(MESSAGE_MEDIA_OPEN, &said.open.base);
	memset(rings[0]->data, 0xee, 8); /* its header */
	CHECK_INT(links_poll(&links, bench.now_us), 0);
	CHECK_INT(bench_count(COUNTER_media_ring_damaged), 1);
	CHECK(bench.core[0].peer[0].resync_due); /* signaling is asked for what was lost */
	say(MESSAGE_MEDIA_OPEN, &said.open.base);
	CHECK_INT(links_poll(&links, bench.now_us), 1);
	CHECK(sessions_find(&bench.core[0], 2, 7) != NULL);
	CHECK_INT(bench_count(COUNTER_media_ring_damaged), 1);
}

/* A fax has no sequence numbers that could tell of a loss: its packets make no audio better. */
static void score_with_a_fax(void)
{
	static const uint8_t udptl[] = {0, 0, 1, 6, 0, 0};
	struct net_addr from = bench_addr("192.0.2.1:4000"), to = bench_addr("10.0.0.1:20000");
	Tandem__MediaClosed *closed;
	uint32_t mos[2];

	for (unsigned int fax = 0; fax < 2; fax++) {
		begin();
		said_begin(7);
		say(MESSAGE_MEDIA_OPEN, &said.open.base);
		links_poll(&links, bench.now_us);
		for (uint16_t seq = 0; seq < 100; seq++) {
			struct datagram d = bench_rtp(&from, &to, seq, 1);

			if (seq % 10 != 5)
				bench_relay(&d);
		}
		said.leg[LEG_CALLEE].udptl = true;
		say(MESSAGE_MEDIA_OPEN, &said.open.base);
		links_poll(&links, bench.now_us);
		for (unsigned int i = 0; i < fax * 1000; i++) {
			struct datagram d = {.local = to, .remote = from, .data = (uint8_t *)(uintptr_t)udptl};

			d.len = sizeof(udptl);
			CHECK_INT(bench_relay(&d), RELAY_SEND);
		}
		say_close(2, 7);
		links_poll(&links, bench.now_us);
		closed = hear_closed();
		CHECK_INT(closed->statistics->caller_to_callee->packets, 90 + fax * 1000);
		CHECK_INT(closed->statistics->caller_to_callee->lost, 10);
		mos[fax] = closed->statistics->caller_to_callee->mos_x100;
		tandem__media_closed__free_unpacked(closed, NULL);
	}
	CHECK(mos[0] > 100 && mos[0] < 400);
	CHECK_INT(mos[1], mos[0]);
}

static const struct check_case cases[] = {
    {"MediaOpen opens", opens},
    {"MediaUpdate changes, or opens", updates},
    {"MediaClose is always answered", closes},
    {"a fax makes no better score", score_with_a_fax},
    {"MediaClose waits for room for the answer", close_waits_for_room},
    {"nonsense is counted", nonsense},
    {"a damaged ring is counted, and signaling asked again", damage_is_counted_and_mended},
};
CHECK_MAIN(cases)
