/* SPDX-License-Identifier: Apache-2.0 */
#include "common/clock.h"

#include <time.h>

#include "tests/unit/check.h"

static void never_goes_back(void)
{
	uint64_t last = clock_now_us();

	for (int i = 0; i < 100000; i++) {
		uint64_t now = clock_now_us();

		CHECK(now >= last);
		last = now;
	}
}

static void wall_clock_follows(void)
{
	uint64_t now = clock_now_us();
	int64_t wall = clock_wall_us(now), system = (int64_t)time(NULL) * (int64_t)US_PER_S;

	CHECK(wall - system > -2 * (int64_t)US_PER_S && wall - system < 2 * (int64_t)US_PER_S);
	int64_t hour = clock_wall_us(now - 3600 * US_PER_S) - wall + 3600 * (int64_t)US_PER_S;
	CHECK(hour > -1000 && hour < 1000);
}

static const struct check_case cases[] = {
    {"never goes back", never_goes_back},
    {"wall clock follows", wall_clock_follows},
};
CHECK_MAIN(cases)
