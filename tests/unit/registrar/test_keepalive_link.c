/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "../check.h"
#include "fixture.h"
#include "proto/messages.h"
#include "proto/messages.pb-c.h"

static struct fixture f;
static struct sip_flow outside;

static void begin(void)
{
	fixture_init(&f);
	outside = home;
	address(&outside.remote, "203.0.113.9:41234");
}

static void register_behind_nat(unsigned int cseq, const char *contact)
{
	fixture_login(&f, &outside, &(struct request){.via = "192.168.1.5:5060", .contact = contact, .cseq = cseq},
		      "wonderland");
	CHECK_INT(answer.code, 200);
}

/* The next message on keepalive's ring; MESSAGE_NONE: there is none. */
static uint16_t next(uint32_t *endpoint, uint64_t *id)
{
	struct ring_message message;

	if (!ring_peek(&f.keepalive, &message))
		return MESSAGE_NONE;
	if (message.type == MESSAGE_BINDING_ADDED) {
		Tandem__BindingAdded *added = tandem__binding_added__unpack(NULL, message.len, message.body);

		*endpoint = added->endpoint;
		*id = added->id;
		CHECK_INT(added->remote->port, outside.remote.port);
		CHECK_INT(added->remote->ip.len, 4);
		CHECK(memcmp(added->remote->ip.data, outside.remote.ip, 4) == 0);
		CHECK_INT(added->local->port, 5060);
		CHECK(added->expires_us > f.engine.now_us);
		tandem__binding_added__free_unpacked(added, NULL);
	} else {
		Tandem__BindingRemoved *removed = tandem__binding_removed__unpack(NULL, message.len, message.body);

		*endpoint = removed->endpoint;
		*id = removed->id;
		tandem__binding_removed__free_unpacked(removed, NULL);
	}
	ring_release(&f.keepalive, message.end);
	return message.type;
}

static void burst(unsigned int count, const uint32_t *endpoints, const uint64_t *ids)
{
	Tandem__KeepaliveBurst message = TANDEM__KEEPALIVE_BURST__INIT;
	static uint8_t body[65536];

	message.n_endpoint = message.n_id = count;
	message.endpoint = (uint32_t *)endpoints;
	message.id = (uint64_t *)ids;
	registrar_keepalive_message(
	    &f.engine, &(struct ring_message){.body = body,
					      .len = (uint32_t)tandem__keepalive_burst__pack(&message, body),
					      .type = MESSAGE_KEEPALIVE_BURST});
}

static void resync(uint64_t life)
{
	Tandem__Resync message = TANDEM__RESYNC__INIT;
	uint8_t body[32];

	message.life = life;
	registrar_keepalive_message(&f.engine,
				    &(struct ring_message){.body = body,
							   .len = (uint32_t)tandem__resync__pack(&message, body),
							   .type = MESSAGE_BINDINGS_RESYNC});
}

static void poll_until_idle(void)
{
	for (int i = 0; i < 100; i++) {
		registrar_poll(&f.engine);
		f.engine.now_us += 10000;
	}
}

static void test_told(void)
{
	uint32_t endpoint, again;
	uint64_t id, id_again;

	begin();
	fixture_login(&f, &home, &(struct request){.contact = "<sip:alice@192.0.2.77>", .cseq = 1}, "wonderland");
	CHECK_INT(next(&endpoint, &id), MESSAGE_NONE); /* not behind NAT */
	register_behind_nat(2, "<sip:alice@192.168.1.5>");
	CHECK_INT(next(&endpoint, &id), MESSAGE_BINDING_ADDED);
	register_behind_nat(3, "<sip:alice@192.168.1.5>");
	CHECK_INT(next(&again, &id_again), MESSAGE_BINDING_ADDED); /* refreshed: the same endpoint */
	CHECK(again == endpoint && id_again == id);
	fixture_sleep(&f, 300);
	CHECK_INT(next(&again, &id_again), MESSAGE_BINDING_REMOVED);
	CHECK(again == endpoint && id_again == id);
	CHECK_INT(next(&again, &id_again), MESSAGE_NONE);
	fixture_fini(&f);
}

static void test_burst(void)
{
	uint32_t endpoint[100];
	uint64_t id[100];
	uint32_t gone;
	uint64_t gone_id;

	begin();
	register_behind_nat(1, "<sip:alice@192.168.1.5>");
	CHECK_INT(next(&endpoint[0], &id[0]), MESSAGE_BINDING_ADDED);
	for (unsigned int i = 1; i < 100; i++) {
		endpoint[i] = endpoint[0];
		id[i] = id[0];
	}
	id[98]++;                /* another life */
	endpoint[99] = 12345678; /* no such slot */
	memset(&sent, 0, sizeof(sent));
	burst(100, endpoint, id);
	CHECK(registrar_keepalive_busy(&f.engine));
	registrar_poll(&f.engine);
	CHECK_INT(sent.count, (int)KEEPALIVE_SENDS_PER_POLL);
	CHECK(registrar_keepalive_busy(&f.engine));
	for (int i = 0; i < 3; i++)
		registrar_poll(&f.engine);
	CHECK(!registrar_keepalive_busy(&f.engine));
	CHECK_INT(sent.count, 98);
	CHECK_TEXT(sent.data, sent.len, "HELLO");
	CHECK(net_addr_equal(&sent.flow.remote, &outside.remote));
	CHECK(net_addr_equal(&sent.flow.local, &outside.local));
	CHECK_INT(fixture_count(&f, COUNTER_registrar_keepalive_sent), 98);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_keepalive_stale), 2);
	/* Those that are gone: keepalive is told. */
	CHECK_INT(next(&gone, &gone_id), MESSAGE_BINDING_REMOVED);
	CHECK(gone == endpoint[98] && gone_id == id[98]);
	/* The feature switched off by a reload. */
	f.snapshot->keep_alive_len = 0;
	burst(1, endpoint, id);
	registrar_poll(&f.engine);
	CHECK_INT(sent.count, 98);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_keepalive_off), 1);
	fixture_fini(&f);
}

static void test_bad_messages(void)
{
	uint32_t endpoint[2] = {0, 1};
	Tandem__KeepaliveBurst uneven = TANDEM__KEEPALIVE_BURST__INIT;
	uint8_t body[64] = {0xff, 0xff, 0xff};

	begin();
	registrar_keepalive_message(&f.engine,
				    &(struct ring_message){.body = body, .len = 3, .type = MESSAGE_KEEPALIVE_BURST});
	registrar_keepalive_message(&f.engine,
				    &(struct ring_message){.body = body, .len = 3, .type = MESSAGE_BINDINGS_RESYNC});
	registrar_keepalive_message(&f.engine, &(struct ring_message){.body = body, .len = 3, .type = MESSAGE_DTMF});
	uneven.n_endpoint = 2;
	uneven.endpoint = endpoint;
	registrar_keepalive_message(
	    &f.engine, &(struct ring_message){.body = body,
					      .len = (uint32_t)tandem__keepalive_burst__pack(&uneven, body),
					      .type = MESSAGE_KEEPALIVE_BURST});
	CHECK_INT(fixture_count(&f, COUNTER_registrar_keepalive_bad_message), 4);
	CHECK(!registrar_keepalive_busy(&f.engine));
	fixture_fini(&f);
}

static void test_resync(void)
{
	uint32_t endpoint;
	uint64_t id;
	int told = 0;

	begin();
	register_behind_nat(1, "<sip:a@192.168.1.5>, <sip:b@192.168.1.5>, <sip:c@192.168.1.5>");
	while (next(&endpoint, &id) != MESSAGE_NONE)
		told++;
	CHECK_INT(told, 3);
	poll_until_idle();
	CHECK_INT(next(&endpoint, &id), MESSAGE_NONE);
	resync(7);
	resync(7); /* the same one twice is one */
	poll_until_idle();
	for (told = 0; next(&endpoint, &id) == MESSAGE_BINDING_ADDED; told++)
		;
	CHECK_INT(told, 3);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_keepalive_resyncs), 1);
	fixture_fini(&f);
}

/* Nobody reads the ring: what does not fit is told when there is room, also by the next life. */
static void test_full_ring(void)
{
	uint32_t endpoint;
	uint64_t id;

	for (int restart = 0; restart < 2; restart++) {
		begin();
		while (ring_reserve(&f.to_keepalive, 1024) != NULL)
			ring_publish(&f.to_keepalive, MESSAGE_BINDING_REMOVED, 1024);
		while (ring_reserve(&f.to_keepalive, 64) != NULL)
			ring_publish(&f.to_keepalive, MESSAGE_BINDING_REMOVED, 64);
		register_behind_nat(1, "<sip:alice@192.168.1.5>");
		CHECK_INT(answer.code, 200);
		CHECK(fixture_count(&f, COUNTER_registrar_keepalive_ring_full) > 0);
		if (restart)
			fixture_restart(&f);
		poll_until_idle();
		for (struct ring_message message; ring_peek(&f.keepalive, &message);)
			ring_release(&f.keepalive, message.end);
		poll_until_idle();
		CHECK_INT(next(&endpoint, &id), MESSAGE_BINDING_ADDED);
		CHECK_INT(next(&endpoint, &id), MESSAGE_NONE);
		fixture_fini(&f);
	}
}

static const struct check_case cases[] = {
    {"keepalive is told", test_told},
    {"a burst, 32 a poll", test_burst},
    {"messages that make no sense", test_bad_messages},
    {"told again on request", test_resync},
    {"a full ring", test_full_ring},
};
CHECK_MAIN(cases)
