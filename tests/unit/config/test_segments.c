/* SPDX-License-Identifier: Apache-2.0 */
#include "common/layout/segments.h"
#include "common/rings.h"
#include "load.h"

static const char *const text = "node: t\n"
				"processes: {signaling: {workers: [0, 1, 2]}, media: {workers: [3, 4]}}\n"
				"limits: {calls: 1000, registrations: 500, cdr_ring_kb: 64}\n";

static void test_all_of_them(void)
{
	struct config *config = load_text(text);
	struct segment_spec *specs;
	unsigned int count, rings = 0;

	CHECK(config != NULL);
	CHECK_INT(segments_specs(config, &specs, &count), 0);
	for (unsigned int i = 0; i < count; i++) {
		rings += specs[i].layout == SEGMENT_RING;
		CHECK(specs[i].size > SEGMENT_HEADER && specs[i].name[0] != '\0' && specs[i].layout != 0);
		for (unsigned int before = 0; before < i; before++)
			CHECK(strcmp(specs[before].name, specs[i].name) != 0);
	}
	CHECK_INT(count - rings, 6);
	/* signaling-media both ways, signaling-keepalive both ways, signaling-cdrwriter */
	CHECK_INT(rings, 3 * 2 + 2 * 3 + 3 + 3 + 3);
	free(specs);
	config_free(config);
}

static void test_sizes_follow_limits(void)
{
	struct config *config = load_text(text);
	struct segment_spec *specs;
	unsigned int count;

	CHECK_INT(segments_specs(config, &specs, &count), 0);
	for (unsigned int i = 0; i < count; i++) {
		if (specs[i].layout == SEGMENT_CALLS || specs[i].layout == SEGMENT_MEDIA_SESSIONS)
			CHECK_INT(specs[i].item_count, 1000);
		if (specs[i].layout == SEGMENT_BINDINGS)
			CHECK_INT(specs[i].item_count, 500);
	}
	free(specs);
	config_free(config);
}

static const struct check_case cases[] = {
    {"every segment, once", test_all_of_them},
    {"sizes follow the limits", test_sizes_follow_limits},
};
CHECK_MAIN(cases)
