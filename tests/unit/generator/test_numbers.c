/* SPDX-License-Identifier: Apache-2.0 */
/* The generator's arithmetic: histograms and the search for the highest clean rate. */
#include <stdlib.h>

#include "bench/generator/histogram.h"
#include "bench/generator/plan.h"
#include "tests/unit/check.h"

static struct histogram h;

static void quantiles_are_exact_to_a_percent(void)
{
	memset(&h, 0, sizeof(h));
	for (uint64_t i = 1; i <= 1000000; i++)
		histogram_add(&h, i * 1000);
	for (double share = 0.01; share < 1; share += 0.01) {
		double got = (double)histogram_quantile(&h, share), exact = share * 1e9;

		CHECK(got >= exact * 0.9999 && got <= exact * 1.008);
	}
	CHECK_INT(histogram_quantile(&h, 1), 1000000000);
	CHECK_INT(h.min, 1000);
	CHECK_INT(histogram_mean(&h), 500000500);
}

static void small_values_are_exact(void)
{
	memset(&h, 0, sizeof(h));
	for (unsigned int i = 0; i < 128; i++)
		histogram_add(&h, i);
	CHECK_INT(histogram_quantile(&h, 0.5), 63);
	CHECK_INT(histogram_quantile(&h, 0), 0);
	CHECK_INT(histogram_quantile(&h, 1), 127);
}

static void buckets_are_in_order_and_enough(void)
{
	unsigned int before = 0;

	for (uint64_t value = 0; value < 1ull << 41; value += 1 + value / 3000) {
		unsigned int index = histogram_index(value);

		CHECK(index >= before && index <= before + 1 && index < HISTOGRAM_BUCKETS);
		before = index;
	}
	CHECK_INT(before, HISTOGRAM_BUCKETS - 1);
	CHECK_INT(histogram_index(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void an_empty_one_has_no_values(void)
{
	memset(&h, 0, sizeof(h));
	CHECK_INT(histogram_quantile(&h, 0.99), 0);
	CHECK_INT(histogram_mean(&h), 0);
}

/* What a switch with this highest rate would show; returns how many trials the search took. */
static unsigned int search(double low, double high, double precision, double truth, struct rate_search *s)
{
	unsigned int trials = 0;

	rate_search_init(s, low, high, precision);
	for (; s->next > 0 && trials < 100; trials++)
		rate_search_tell(s, s->next <= truth);
	return trials;
}

static void the_search_finds_the_rate(void)
{
	struct rate_search s;
	unsigned int trials = search(100, 100000, 0.02, 33333, &s);

	CHECK(s.clean <= 33333 && s.clean >= 33333 * 0.98 - 1);
	CHECK(s.not_clean > 33333);
	CHECK(trials < 30);
}

static void the_search_ends_at_its_bounds(void)
{
	struct rate_search s;

	search(100, 1000, 0.02, 5000, &s);
	CHECK_INT(s.clean, 1000);
	CHECK_INT(s.not_clean, 0);
	CHECK_INT(search(100, 1000, 0.02, 50, &s), 2);
	CHECK_INT(s.clean, 0);
	CHECK_INT(s.not_clean, 100);
}

static void one_disturbance_is_forgiven(void)
{
	struct rate_search s;

	rate_search_init(&s, 100, 200, 0.02);
	rate_search_tell(&s, false);
	CHECK_INT(s.next, 100);
	rate_search_tell(&s, true);
	CHECK_INT(s.clean, 100);
	CHECK_INT(s.next, 200);
}

static const struct check_case cases[] = {
    {"quantiles are exact to a percent", quantiles_are_exact_to_a_percent},
    {"small values are exact", small_values_are_exact},
    {"buckets are in order and enough", buckets_are_in_order_and_enough},
    {"an empty one has no values", an_empty_one_has_no_values},
    {"the search finds the rate", the_search_finds_the_rate},
    {"the search ends at its bounds", the_search_ends_at_its_bounds},
    {"one disturbance is forgiven", one_disturbance_is_forgiven},
};

CHECK_MAIN(cases)
