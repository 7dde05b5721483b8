/* SPDX-License-Identifier: Apache-2.0 */
/* The pace of keep-alive bursts, with a clock of our own: hours pass in milliseconds. */
#include <stdlib.h>

#include "keepalive/endpoints.h"
#include "keepalive/pacer.h"
#include "tests/unit/check.h"

#define MS         1000ull
#define S          1000000ull
#define T0         (1000 * S)
#define FOREVER_US (T0 * 1000000)
#define ENDPOINTS  1000000

/* What each endpoint saw. */
static uint64_t last_us[ENDPOINTS];
static uint32_t got[ENDPOINTS];
static uint64_t min_gap_us, max_gap_us, now;
static unsigned int largest_burst;
static uint64_t last_burst_us, min_pause_us;

static struct endpoints table;
static struct pacer pacer;

static void seen(void *context, const struct endpoint *endpoint, uint32_t slot)
{
	if (got[slot]++ > 0) {
		uint64_t gap = now - last_us[slot];

		min_gap_us = gap < min_gap_us ? gap : min_gap_us;
		max_gap_us = gap > max_gap_us ? gap : max_gap_us;
	}
	last_us[slot] = now;
}

static void forget(void)
{
	memset(got, 0, sizeof(got));
	min_gap_us = min_pause_us = UINT64_MAX;
	max_gap_us = last_burst_us = 0;
	largest_burst = 0;
}

static void set_up(uint32_t capacity, struct pace pace)
{
	forget();
	now = T0;
	CHECK_INT(endpoints_init(&table, capacity), 0);
	pacer_init(&pacer, &table, &pace, NULL, now);
}

static void add(uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		endpoints_add(&table, i, i + 1, 0, FOREVER_US);
}

/* Poll every `step` until `until`. */
static void run(uint64_t until_us, uint64_t step_us)
{
	for (; now < until_us; now += step_us) {
		unsigned int n = pacer_poll(&pacer, now, seen, NULL);

		if (n == 0)
			continue;
		largest_burst = n > largest_burst ? n : largest_burst;
		if (last_burst_us > 0 && now - last_burst_us < min_pause_us)
			min_pause_us = now - last_burst_us;
		last_burst_us = now;
	}
}

static uint32_t how_many_got(uint32_t count, uint32_t expected)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		n += got[i] == expected;
	return n;
}

static const struct pace usual = {.on = true, .period_s = 30, .interval_ms = 500, .one_time = 3000};

static void each_exactly_once_per_period(void)
{
	set_up(100000, usual);
	add(0, 100000);
	run(T0 + 90 * S, 1 * MS);
	CHECK_INT(how_many_got(100000, 3), 100000);
	CHECK_INT(min_gap_us, 30 * S);
	CHECK_INT(max_gap_us, 30 * S);
	CHECK_INT(largest_burst, 3000);
	CHECK_INT(min_pause_us, 500 * MS);
	CHECK_INT(pacer.bursts, 3 * 34);
	CHECK_INT(pacer.rounds, 3);
	CHECK_INT(pacer.overruns, 0);
	CHECK_INT(pacer.late_bursts, 0);
	endpoints_fini(&table);
}

static void a_day_without_drift(void)
{
	struct pace pace = {.on = true, .period_s = 10, .interval_ms = 3000, .one_time = 40};

	set_up(1000, pace);
	for (uint32_t i = 0; i < 100; i++)
		add(i * 10, 1);
	run(T0 + 86400 * S, 7 * MS);
	CHECK_INT(pacer.rounds, 8640);
	for (uint32_t i = 0; i < 100; i++)
		CHECK_INT(got[i * 10], 8640);
	CHECK(min_gap_us >= 10 * S - 7 * MS && max_gap_us <= 10 * S + 7 * MS);
	CHECK_INT(pacer.overruns, 0);
	endpoints_fini(&table);
}

static void overrun_serves_equally_late(void)
{
	struct pace pace = {.on = true, .period_s = 10, .interval_ms = 1000, .one_time = 70};
	uint32_t least = UINT32_MAX, most = 0;

	set_up(1000, pace);
	add(0, 1000); /* 700 fit */
	run(T0 + 1000 * S, 10 * MS);
	for (uint32_t i = 0; i < 1000; i++) {
		least = got[i] < least ? got[i] : least;
		most = got[i] > most ? got[i] : most;
	}
	CHECK_INT(least, 70);
	CHECK_INT(most, 70);
	CHECK(max_gap_us <= 15 * S);
	CHECK(min_gap_us >= 14 * S);
	CHECK_INT(min_pause_us, 1 * S);
	CHECK_INT(pacer.overruns, 99);
	CHECK_INT(pace_capacity(&pace), 700);
	struct pace_fit fit = pace_fit(&pace, 1000);
	CHECK_INT(fit.one_time, 100);
	CHECK_INT(fit.interval_ms, 666);
	CHECK_INT(fit.period_s, 15);

	for (int i = 0; i < 3; i++) { /* each value alone does fit */
		struct pace fitting = pace;

		if (i == 0)
			fitting.one_time = fit.one_time;
		else if (i == 1)
			fitting.interval_ms = fit.interval_ms;
		else
			fitting.period_s = fit.period_s;
		CHECK(pace_capacity(&fitting) >= 1000);
	}
	endpoints_fini(&table);
}

static void nothing_fits(void)
{
	struct pace pace = {.on = true, .period_s = 10, .interval_ms = 10000, .one_time = 1};
	struct pace_fit fit = pace_fit(&pace, 1000000);

	CHECK_INT(fit.one_time, 0);
	CHECK_INT(fit.interval_ms, 0);
	CHECK_INT(fit.period_s, 0);
	fit = pace_fit(&pace, 0);
	CHECK_INT(fit.period_s, 10);
}

static void newcomers_join_the_round(void)
{
	set_up(100000, usual);
	add(0, 50000);
	run(T0 + 4 * S, 1 * MS); /* 24,000 reached */
	CHECK_INT(how_many_got(100000, 1), 24000);
	endpoints_remove(&table, 10, 11);
	endpoints_add(&table, 10, 999999, 0, FOREVER_US); /* behind the cursor: next round */
	add(90000, 1000);                                 /* ahead: this one */
	run(T0 + 30 * S, 1 * MS);
	CHECK_INT(got[10], 1);
	CHECK_INT(how_many_got(100000, 1), 51000);
	run(T0 + 60 * S, 1 * MS);
	CHECK_INT(how_many_got(100000, 2), 51000);
	CHECK_INT(pacer.overruns, 0);
	endpoints_fini(&table);
}

static void expired_are_dropped(void)
{
	set_up(1000, usual);
	add(0, 10);
	endpoints_add(&table, 5, 6, 0, T0 + 40 * S); /* refreshed with an end */
	CHECK_INT(table.count, 10);
	run(T0 + 120 * S, 1 * MS);
	CHECK_INT(got[5], 2);
	CHECK_INT(got[6], 4);
	CHECK_INT(table.count, 9);
	CHECK_INT(pacer.expired, 1);
	CHECK_INT(endpoints_remove(&table, 5, 6), -2);
	endpoints_fini(&table);
}

static void reload_changes_pace_without_a_second_round(void)
{
	struct pace slow = {.on = true, .period_s = 60, .interval_ms = 10000, .one_time = 10};
	struct pace fast = {.on = true, .period_s = 60, .interval_ms = 100, .one_time = 10};

	set_up(100, slow);
	add(0, 50);
	run(T0 + 11 * S, 1 * MS);
	CHECK_INT(how_many_got(50, 1), 20);
	pacer_set(&pacer, &fast, now);
	run(T0 + 12 * S, 1 * MS);
	CHECK_INT(how_many_got(50, 1), 50); /* at once, not after the ten seconds */
	run(T0 + 60 * S, 1 * MS);
	CHECK_INT(how_many_got(50, 1), 50); /* and only once */

	fast.period_s = 10; /* shorter than what has passed of this round */
	run(T0 + 85 * S, 1 * MS);
	CHECK_INT(how_many_got(50, 2), 50);
	pacer_set(&pacer, &fast, now);
	run(T0 + 86 * S, 1 * MS);
	CHECK_INT(how_many_got(50, 3), 50);
	run(T0 + 94 * S, 1 * MS);
	CHECK_INT(how_many_got(50, 3), 50);
	run(T0 + 96 * S, 1 * MS);
	CHECK_INT(how_many_got(50, 4), 50);
	CHECK_INT(pacer.overruns, 0);
	endpoints_fini(&table);
}

static void off_and_on_again(void)
{
	struct pace pace = usual;

	set_up(10000, pace);
	add(0, 10000);
	run(T0 + 1 * S, 1 * MS);
	CHECK_INT(how_many_got(10000, 1), 6000);
	pace.on = false;
	pacer_set(&pacer, &pace, now);
	CHECK(pacer_next_us(&pacer) == UINT64_MAX);
	run(T0 + 5 * S, 1 * MS);
	CHECK_INT(how_many_got(10000, 1), 6000);
	pace.on = true;
	pacer_set(&pacer, &pace, now);
	run(T0 + 29 * S, 1 * MS);
	CHECK_INT(how_many_got(10000, 1), 10000); /* the round went on */
	pace.on = false;
	pacer_set(&pacer, &pace, now);
	run(T0 + 59 * S, 1 * MS);
	pace.on = true;
	pacer_set(&pacer, &pace, now);
	run(T0 + 88 * S, 1 * MS);
	CHECK_INT(how_many_got(10000, 2), 10000);
	CHECK_INT(pacer.overruns, 0);
	endpoints_fini(&table);
}

/* Killed in the middle of a round and back after a second: the round goes on where it stood. */
static void restart_goes_on(void)
{
	set_up(100000, usual);
	add(0, 100000);
	run(T0 + 40 * S, 1 * MS);
	struct pacer_round kept = pacer.round;

	now += 1200 * MS;
	pacer_init(&pacer, &table, &usual, &kept, now);
	CHECK_INT(pacer.round.cursor, kept.cursor);
	run(T0 + 180 * S, 1 * MS);
	CHECK_INT(how_many_got(100000, 6), 100000);
	CHECK(max_gap_us <= 32 * S);
	CHECK(min_gap_us >= 28 * S);
	CHECK_INT(min_pause_us, 250 * MS); /* until it is back in its slots */
	CHECK_INT(largest_burst, 3000);
	CHECK_INT(pacer.overruns, 0);

	kept = pacer.round; /* away for an hour: begin afresh, without a rush */
	now += 3600 * S;
	forget();
	pacer_init(&pacer, &table, &usual, &kept, now);
	uint64_t start = now;

	run(start + 29 * S, 1 * MS);
	CHECK_INT(how_many_got(100000, 1), 100000);
	CHECK_INT(largest_burst, 3000);
	endpoints_fini(&table);
}

static void nonsense_from_another_life(void)
{
	const struct pacer_round bad[] = {
	    {.start_us = T0 + 1, .burst_us = T0 + 1, .left = 10},
	    {.start_us = T0 - S, .burst_us = T0 + 3600 * S, .left = 10},
	    {.start_us = T0 - S, .burst_us = T0, .left = 1001},
	    {.start_us = T0 - S, .burst_us = T0, .cursor = 1000, .left = 10},
	    {.start_us = T0 - S, .burst_us = 0, .left = 10},
	    {.start_us = UINT64_MAX, .burst_us = UINT64_MAX, .cursor = UINT32_MAX, .left = UINT32_MAX},
	};

	set_up(1000, usual);
	add(0, 1000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		forget();
		now = T0;
		pacer_init(&pacer, &table, &usual, &bad[i], now);
		CHECK_INT(pacer.round.start_us, 0);
		run(T0 + 30 * S, 1 * MS);
		CHECK_INT(how_many_got(1000, 1), 1000);
	}
	endpoints_fini(&table);
}

/* The process was stopped (a debugger, a suspended machine): no rush afterwards. */
static void held_up(void)
{
	set_up(100000, usual);
	add(0, 100000);
	run(T0 + 5 * S, 1 * MS);
	now += 200 * S;
	forget();
	uint64_t start = now;

	run(start + 29 * S, 1 * MS);
	CHECK_INT(largest_burst, 3000);
	CHECK_INT(min_pause_us, 500 * MS);
	CHECK_INT(how_many_got(100000, 1), 100000);
	endpoints_fini(&table);
}

/* For a moment: who was to be called then is late, all others are called when they should be. */
static void held_up_for_a_moment(void)
{
	set_up(100000, usual);
	add(0, 100000);
	run(T0 + 5 * S, 1 * MS);
	now += 1200 * MS; /* two bursts and more */
	run(T0 + 8 * S, 1 * MS);
	CHECK_INT(min_pause_us, 250 * MS);
	run(T0 + 59 * S, 1 * MS);
	CHECK_INT(how_many_got(100000, 2), 100000);
	CHECK_INT(last_us[99999] - T0, 30 * S + 33 * 500 * MS);
	CHECK_INT(max_gap_us, 30 * S);
	CHECK(min_gap_us >= 30 * S - 1200 * MS);
	/* So it is when the next round should have begun meanwhile. */
	now = T0 + 61 * S;
	run(T0 + 90 * S - 1, 1 * MS);
	CHECK_INT(pacer.round.start_us, T0 + 60 * S);
	CHECK_INT(last_us[99999] - T0, 60 * S + 33 * 500 * MS);
	CHECK_INT(pacer.overruns, 0);
	endpoints_fini(&table);
}

static void a_million_endpoints(void)
{
	struct pace pace = {.on = true, .period_s = 60, .interval_ms = 500, .one_time = 10000};

	set_up(ENDPOINTS, pace);
	add(0, ENDPOINTS);
	run(T0 + 180 * S, 5 * MS);
	CHECK_INT(how_many_got(ENDPOINTS, 3), ENDPOINTS);
	CHECK_INT(min_gap_us, 60 * S);
	CHECK_INT(max_gap_us, 60 * S);
	CHECK_INT(pacer.overruns, 0);
	endpoints_fini(&table);
}

/* Endpoints come, go and expire at random while values change: nobody waits for ever, nobody is called too often. */
static void churn(void)
{
	struct pace pace = {.on = true, .period_s = 10, .interval_ms = 200, .one_time = 20};
	uint32_t alive[1000] = {0};

	srand(7);
	set_up(1000, pace);
	for (uint32_t i = 0; i < 500; i++) {
		add(i * 2, 1); /* these stay */
		alive[i * 2] = 1;
	}
	for (int second = 0; second < 600; second++) {
		for (int i = 0; i < 20; i++) {
			uint32_t slot = (uint32_t)(rand() % 500) * 2 + 1;

			if (rand() % 2)
				endpoints_add(&table, slot, (uint64_t)rand() + 1, 0, now + 20 * S);
			else
				endpoints_remove(&table, slot, table.slot[slot].id);
		}
		run(T0 + (uint64_t)(second + 1) * S, 5 * MS);
	}
	for (uint32_t i = 0; i < 1000; i++)
		if (alive[i])
			CHECK(got[i] >= 59 && got[i] <= 60);
	CHECK_INT(pacer.overruns, 0);
	endpoints_fini(&table);
}

static void the_table_refuses_nonsense(void)
{
	CHECK_INT(endpoints_init(&table, 65), 0);
	CHECK_INT(endpoints_next(&table, 0), 65);
	CHECK_INT(endpoints_add(&table, 65, 1, 0, 1), ENDPOINT_REFUSED);
	CHECK_INT(endpoints_add(&table, UINT32_MAX, 1, 0, 1), ENDPOINT_REFUSED);
	CHECK_INT(endpoints_add(&table, 3, 0, 0, 1), ENDPOINT_REFUSED);
	CHECK_INT(endpoints_add(&table, 64, 5, 1, 1), ENDPOINT_ADDED);
	CHECK_INT(endpoints_add(&table, 64, 5, 1, 2), ENDPOINT_REFRESHED);
	CHECK_INT(endpoints_add(&table, 64, 6, 0, 2), ENDPOINT_ADDED); /* a later life */
	CHECK_INT(table.count, 1);
	CHECK(endpoints_remove(&table, 64, 5) < 0); /* the withdrawal of the earlier one comes late */
	CHECK(endpoints_remove(&table, 65, 5) < 0);
	CHECK(endpoints_remove(&table, 0, 0) < 0);
	CHECK_INT(endpoints_next(&table, 0), 64);
	CHECK_INT(endpoints_next(&table, 65), 65);
	CHECK_INT(endpoints_remove(&table, 64, 6), 0);
	CHECK_INT(table.count, 0);
	CHECK_INT(endpoints_next(&table, 0), 65);
	endpoints_fini(&table);
}

static const struct check_case cases[] = {
    {"each endpoint exactly once per period", each_exactly_once_per_period},
    {"a day without drift, period no multiple of the interval", a_day_without_drift},
    {"an overrun serves all equally late", overrun_serves_equally_late},
    {"no value would fit", nothing_fits},
    {"newcomers join the round", newcomers_join_the_round},
    {"expired endpoints are dropped", expired_are_dropped},
    {"reload changes the pace without a second round", reload_changes_pace_without_a_second_round},
    {"off and on again", off_and_on_again},
    {"a restart goes on with the round", restart_goes_on},
    {"nonsense from another life is not believed", nonsense_from_another_life},
    {"held up, then no rush", held_up},
    {"held up for a moment", held_up_for_a_moment},
    {"a million endpoints", a_million_endpoints},
    {"churn", churn},
    {"the table refuses nonsense", the_table_refuses_nonsense},
};

CHECK_MAIN(cases)
