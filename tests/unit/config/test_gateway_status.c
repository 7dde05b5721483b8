/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "common/layout/gateway_status.h"
#include "tests/unit/check.h"

static struct segment make(void)
{
	struct segment_spec spec;

	gateway_status_spec(&spec, NULL);
	CHECK_INT(spec.size, SEGMENT_HEADER + (uint64_t)spec.item_size * spec.item_count);
	void *content = aligned_alloc(64, spec.size - SEGMENT_HEADER);
	memset(content, 0, spec.size - SEGMENT_HEADER);
	return (struct segment){.content = content};
}

static void test_claim(void)
{
	struct segment segment = make();
	struct gateway_slot *a = gateway_status_claim(&segment, GATEWAY_MAPPING, "acme");
	struct gateway_slot *b = gateway_status_claim(&segment, GATEWAY_ROUTING, "acme");
	char longest[sizeof(a->name) + 1];

	CHECK(a != NULL && b != NULL && a != b);
	CHECK(gateway_status_claim(&segment, GATEWAY_MAPPING, "acme") == a);
	CHECK(gateway_status_claim(&segment, GATEWAY_ROUTING, "acme") == b);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(a->name)] = '\0';
	CHECK(gateway_status_claim(&segment, GATEWAY_ROUTING, longest) == NULL);
	longest[sizeof(a->name) - 1] = '\0';
	CHECK(gateway_status_claim(&segment, GATEWAY_ROUTING, longest) != NULL);
	free(segment.content);
}

static void test_full(void)
{
	struct segment segment = make();
	char name[16];

	for (unsigned int i = 0; i < GATEWAY_STATUS_SLOTS; i++) {
		snprintf(name, sizeof(name), "g%u", i);
		CHECK(gateway_status_claim(&segment, GATEWAY_ROUTING, name) != NULL);
	}
	CHECK(gateway_status_claim(&segment, GATEWAY_ROUTING, "one-more") == NULL);
	CHECK(gateway_status_claim(&segment, GATEWAY_ROUTING, "g4095") != NULL);
	free(segment.content);
}

static void test_sum(void)
{
	struct segment segment = make();
	struct gateway_slot *slot = gateway_status_claim(&segment, GATEWAY_ROUTING, "v");
	struct gateway_sum sum;

	slot->worker[0].calls = 3;
	slot->worker[CONFIG_MAX_WORKERS - 1].calls = 4;
	slot->worker[1].talk_ms = 1000;
	slot->worker[2].talk_ms = 500;
	slot->worker[0].ban_until_us = 7;
	slot->worker[5].ban_until_us = 9;
	slot->worker[6].ban_until_us = 8;
	gateway_status_sum(slot, &sum);
	CHECK_INT(sum.calls, 7);
	CHECK_INT(sum.talk_ms, 1500);
	CHECK_INT(sum.ban_until_us, 9);
	CHECK_INT(sum.attempts, 0);
	free(segment.content);
}

static const struct check_case cases[] = {
    {"slots are claimed by name and kind", test_claim},
    {"a full table", test_full},
    {"cells are added up", test_sum},
};
CHECK_MAIN(cases)
