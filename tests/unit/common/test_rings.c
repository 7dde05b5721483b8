/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rings.h"

#include <errno.h>
#include <unistd.h>

#include "proto/messages.h"
#include "tests/unit/check.h"

static char node[32];

static struct config config_of(unsigned int signaling, unsigned int media)
{
	struct config config = {.node = node, .limits = {.cdr_ring_kb = 8192}};

	config.process[ROLE_SIGNALING].workers_count = signaling;
	config.process[ROLE_MEDIA].workers_count = media;
	return config;
}

static void threads_follow_the_configuration(void)
{
	struct config config = config_of(2, 4);

	CHECK_INT(rings_threads(&config, ROLE_SIGNALING), 2);
	CHECK_INT(rings_threads(&config, ROLE_MEDIA), 4);
	CHECK_INT(rings_threads(&config, ROLE_KEEPALIVE), 1);
	CHECK_INT(rings_threads(&config, ROLE_CDRWRITER), 1);
}

static void only_declared_messages_pass(void)
{
	CHECK(rings_exist(ROLE_SIGNALING, ROLE_MEDIA) && rings_exist(ROLE_MEDIA, ROLE_SIGNALING));
	CHECK(rings_exist(ROLE_SIGNALING, ROLE_KEEPALIVE) && rings_exist(ROLE_KEEPALIVE, ROLE_SIGNALING));
	CHECK(rings_exist(ROLE_SIGNALING, ROLE_CDRWRITER) && !rings_exist(ROLE_CDRWRITER, ROLE_SIGNALING));
	CHECK(!rings_exist(ROLE_MEDIA, ROLE_KEEPALIVE) && !rings_exist(ROLE_SIGNALING, ROLE_SIGNALING));
	CHECK(rings_allowed(ROLE_SIGNALING, ROLE_MEDIA, MESSAGE_MEDIA_OPEN));
	CHECK(!rings_allowed(ROLE_MEDIA, ROLE_SIGNALING, MESSAGE_MEDIA_OPEN));
	CHECK(!rings_allowed(ROLE_SIGNALING, ROLE_CDRWRITER, MESSAGE_MEDIA_OPEN));
	CHECK(!rings_allowed(ROLE_SIGNALING, ROLE_MEDIA, MESSAGE_NONE));
	CHECK(!rings_allowed(ROLE_SIGNALING, ROLE_MEDIA, MESSAGE_TYPE_COUNT));
	CHECK(!rings_allowed(ROLE_SIGNALING, ROLE_MEDIA, 0xffff));
}

static void specs_have_names_and_sizes(void)
{
	struct config config = config_of(2, 4);
	struct segment_spec spec;

	rings_spec(&spec, &config, ROLE_SIGNALING, 1, ROLE_MEDIA, 3);
	CHECK_TEXT(spec.name, strlen(spec.name), "ring.signaling-1.media-3");
	rings_spec(&spec, &config, ROLE_SIGNALING, 0, ROLE_CDRWRITER, 0);
	CHECK_INT(spec.item_count, 8192 * 1024);
	CHECK_INT(spec.size, SEGMENT_HEADER + ring_bytes(8192 * 1024));
	config.limits.cdr_ring_kb = 5000; /* rounded up */
	rings_spec(&spec, &config, ROLE_SIGNALING, 0, ROLE_CDRWRITER, 0);
	CHECK_INT(spec.item_count, 8192 * 1024);
	config.limits.cdr_ring_kb = UINT32_MAX;
	rings_spec(&spec, &config, ROLE_SIGNALING, 0, ROLE_CDRWRITER, 0);
	CHECK_INT(spec.item_count, 1u << 31);
}

static void both_ends_meet(void)
{
	struct config config = config_of(1, 1);
	struct segment_spec spec;
	struct segment segment;
	struct ring_producer p;
	struct ring_consumer c;
	struct ring_message message;
	uint64_t generation = 0;

	CHECK_INT(rings_producer(&p, &config, ROLE_SIGNALING, 0, ROLE_MEDIA, 0), -ENOENT);
	rings_spec(&spec, &config, ROLE_SIGNALING, 0, ROLE_MEDIA, 0);
	CHECK_INT(segment_create(node, &spec, 0600, false), 0);
	CHECK_INT(rings_producer(&p, &config, ROLE_SIGNALING, 0, ROLE_MEDIA, 0), 0);
	CHECK_INT(rings_consumer(&c, &generation, &config, ROLE_SIGNALING, 0, ROLE_MEDIA, 0), 0);
	CHECK(generation != 0);
	memcpy(ring_reserve(&p, 5), "hello", 5);
	ring_publish(&p, MESSAGE_MEDIA_OPEN, 5);
	CHECK(ring_peek(&c, &message));
	CHECK_TEXT((const char *)message.body, message.len, "hello");
	/* Damage that no process can repair is refused at attach. */
	CHECK_INT(segment_attach(&segment, node, &spec, true), 0);
	atomic_store(&((struct ring *)segment.content)->tail, 1ull << 50);
	CHECK_INT(rings_consumer(&c, NULL, &config, ROLE_SIGNALING, 0, ROLE_MEDIA, 0), -EPROTO);
	((struct ring *)segment.content)->capacity *= 2;
	CHECK_INT(rings_producer(&p, &config, ROLE_SIGNALING, 0, ROLE_MEDIA, 0), -EPROTO);
	segment_detach(&segment);
	CHECK_INT(segment_remove(node, spec.name), 0);
}

static const struct check_case cases[] = {
    {"threads follow the configuration", threads_follow_the_configuration},
    {"only declared messages pass", only_declared_messages_pass},
    {"specs have names and sizes", specs_have_names_and_sizes},
    {"both ends meet", both_ends_meet},
};

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(node, sizeof(node), "test-%d", (int)getpid());
	return check_main(cases, sizeof(cases) / sizeof(cases[0]));
}
