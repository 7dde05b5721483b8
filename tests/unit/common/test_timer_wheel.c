/* SPDX-License-Identifier: Apache-2.0 */
#include "common/timer_wheel.h"

#include <stddef.h>
#include <stdlib.h>

#include "tests/unit/check.h"

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static unsigned int fired_count;

static void count(struct timer *timer, void *context)
{
	CHECK(!timer_is_running(timer));
	fired_count++;
}

static unsigned int sweep_all(struct timer_wheel *wheel, uint64_t now_us)
{
	return timer_wheel_sweep(wheel, now_us, UINT32_MAX);
}

static void never_early_never_late(void)
{
	static const uint64_t after_us[] = {1,      999,        1000,       1001,        255000,         256000,
					    257123, 65535000,   65536000,   65536001,    16777216000,    4294967296000,
					    1ull,   3600000000, 1800000000, 86400000000, 400000000000000};
	static struct timer_wheel wheel;

	for (size_t i = 0; i < sizeof(after_us) / sizeof(after_us[0]); i++) {
		for (uint64_t start_us = 0; start_us < 3000000; start_us += 254321) {
			struct timer timer = {0};
			uint64_t due_us = start_us + after_us[i], tick_us = (due_us + 999) / 1000 * 1000;

			timer_wheel_init(&wheel, start_us, NULL);
			timer_start(&wheel, &timer, due_us, count);
			CHECK(timer_is_running(&timer));
			CHECK(timer_wheel_next_us(&wheel) <= tick_us);
			CHECK_INT(sweep_all(&wheel, tick_us - 1), 0);
			CHECK_INT(sweep_all(&wheel, tick_us), 1);
			CHECK(!timer_is_running(&timer));
			CHECK_INT(wheel.running, 0);
			CHECK(timer_wheel_next_us(&wheel) == UINT64_MAX);
		}
	}
}

static void stopped_does_not_fire(void)
{
	static struct timer_wheel wheel;
	struct timer timers[4] = {0};

	timer_wheel_init(&wheel, 0, NULL);
	timer_stop(&wheel, &timers[0]); /* not running: nothing happens */
	for (int i = 0; i < 4; i++)
		timer_start(&wheel, &timers[i], 5000, count);
	timer_stop(&wheel, &timers[0]);
	timer_stop(&wheel, &timers[2]);
	timer_stop(&wheel, &timers[2]);
	CHECK_INT(wheel.running, 2);
	CHECK_INT(sweep_all(&wheel, 10000), 2);
	timer_start(&wheel, &timers[1], 9000, count); /* in the past: the next sweep's */
	CHECK(timer_wheel_next_us(&wheel) <= 10000);
	timer_start(&wheel, &timers[3], 8000, count);
	timer_stop(&wheel, &timers[3]);
	CHECK_INT(sweep_all(&wheel, 10000), 1);
	timer_start(&wheel, &timers[1], UINT64_MAX, count);
	CHECK_INT(sweep_all(&wheel, 1ull << 48), 0);
	CHECK_INT(wheel.running, 1);
}

static void restart_at_once(struct timer *timer, void *context)
{
	fired_count++;
	timer_start(context, timer, 0, restart_at_once);
}

static void restarting_in_the_past_does_not_hold_the_sweep(void)
{
	static struct timer_wheel wheel;
	struct timer timer = {0};

	timer_wheel_init(&wheel, 0, &wheel);
	timer_start(&wheel, &timer, 1000, restart_at_once);
	for (uint64_t i = 1; i < 100; i++)
		CHECK_INT(sweep_all(&wheel, i * 1000), 1);
}

static void limit_bounds_a_sweep(void)
{
	static struct timer_wheel wheel;
	static struct timer timers[10000];
	unsigned int fired = 0, sweeps = 0;

	memset(timers, 0, sizeof(timers));
	timer_wheel_init(&wheel, 0, NULL);
	for (int i = 0; i < 10000; i++)
		timer_start(&wheel, &timers[i], 70000000 + (uint64_t)(i % 100) * 1000, count);
	for (; fired < 10000 && sweeps < 10000; sweeps++) {
		unsigned int n = timer_wheel_sweep(&wheel, 80000000, 32);

		CHECK(n <= 32);
		fired += n;
	}
	CHECK_INT(fired, 10000);
	CHECK(sweeps < 10000 / 32 * 2);
}

static void a_million(void)
{
	enum { MILLION = 1000000 };
	static struct timer_wheel wheel;
	struct timer *timers = calloc(MILLION, sizeof(*timers));
	unsigned int stopped = 0, fired = 0;

	srandom(5);
	timer_wheel_init(&wheel, 12345678, NULL);
	for (int i = 0; i < MILLION; i++)
		timer_start(&wheel, &timers[i], 12345678 + (uint64_t)random() % 1800000000, count);
	for (int i = 0; i < MILLION; i += 3, stopped++)
		timer_stop(&wheel, &timers[i]);
	for (uint64_t now_us = 12345678; now_us < 1900000000; now_us += 20000)
		fired += sweep_all(&wheel, now_us);
	CHECK_INT(fired, MILLION - stopped);
	CHECK_INT(wheel.running, 0);
	free(timers);
}

/* ---- random work beside a plain model ---- */

#define MODEL_TIMERS 200

struct model_timer {
	struct timer timer;
	bool running;
	uint64_t tick;      /* when it is due */
	unsigned int sweep; /* may not fire in this sweep: started in it, with a past time */
};

static struct model {
	struct timer_wheel wheel;
	struct model_timer timers[MODEL_TIMERS];
	uint64_t now_us, last_tick;
	unsigned int sweep;
	unsigned int starts_left; /* in handlers, so that a sweep with huge jumps comes to an end */
} model;

static void model_fire(struct timer *timer, void *context);

static uint64_t random_delay_us(void)
{
	uint64_t value = ((uint64_t)random() << 31) ^ (uint64_t)random();

	return value & ((1ull << (random() % 48)) - 1);
}

static void model_start(struct model_timer *t)
{
	uint64_t base_us = model.wheel.now_ms * 1000;
	uint64_t delay_us = random_delay_us();
	uint64_t expires_us = random() % 8 ? base_us + delay_us : (delay_us < base_us ? base_us - delay_us : 0);

	t->running = true;
	t->tick = (expires_us + 999) / 1000;
	t->sweep = t->tick <= model.wheel.now_ms ? model.sweep : 0;
	timer_start(&model.wheel, &t->timer, expires_us, model_fire);
}

static void model_stop(struct model_timer *t)
{
	t->running = false;
	timer_stop(&model.wheel, &t->timer);
}

static struct model_timer *any_timer(void)
{
	return &model.timers[random() % MODEL_TIMERS];
}

static void model_fire(struct timer *timer, void *context)
{
	struct model_timer *t = container_of(timer, struct model_timer, timer);

	CHECK(context == &model);
	CHECK(t->running);
	CHECK(t->tick <= model.now_us / 1000);              /* not early */
	CHECK(t->sweep != model.sweep);                     /* past times wait for the next sweep */
	CHECK(t->tick >= model.last_tick || t->sweep != 0); /* in the order of ticks */
	if (t->sweep == 0)
		model.last_tick = t->tick;
	t->running = false;
	if (model.starts_left && random() % 2) {
		model.starts_left--;
		model_start(t);
	}
	if (random() % 3 == 0)
		model_stop(any_timer());
	if (model.starts_left && random() % 3 == 0) {
		model.starts_left--;
		model_start(any_timer());
	}
}

static void model_check(bool complete)
{
	uint64_t running = 0, earliest_us = UINT64_MAX;

	for (int i = 0; i < MODEL_TIMERS; i++) {
		const struct model_timer *t = &model.timers[i];

		CHECK(t->running == timer_is_running(&t->timer));
		if (!t->running)
			continue;
		running++;
		if (t->tick * 1000 < earliest_us)
			earliest_us = t->tick * 1000;
		if (complete)
			CHECK(t->tick > model.now_us / 1000 || t->sweep == model.sweep); /* not late */
	}
	CHECK_INT(model.wheel.running, running);
	if (earliest_us == UINT64_MAX)
		CHECK(timer_wheel_next_us(&model.wheel) == UINT64_MAX);
	else
		CHECK(timer_wheel_next_us(&model.wheel) <= earliest_us ||
		      timer_wheel_next_us(&model.wheel) <= model.wheel.now_ms * 1000);
}

static void agrees_with_a_plain_model(void)
{
	for (unsigned int seed = 1; seed <= 40; seed++) {
		memset(&model, 0, sizeof(model));
		srandom(seed);
		model.sweep = 1;
		model.now_us = random_delay_us() >> 10;
		timer_wheel_init(&model.wheel, model.now_us, &model);
		for (int step = 0; step < 2000 && !check_failures; step++) {
			bool complete = random() % 2;
			uint64_t jump_us;

			for (int n = (int)(random() % 20); n; n--) {
				if (random() % 3)
					model_start(any_timer());
				else
					model_stop(any_timer());
			}
			jump_us = random_delay_us() >> (random() % 40);
			if (jump_us < (1ull << 49) - model.now_us) /* the wheel turns once in 34 years */
				model.now_us += jump_us;
			model.sweep++;
			model.last_tick = 0;
			model.starts_left = 100;
			timer_wheel_sweep(&model.wheel, model.now_us,
					  complete ? UINT32_MAX : (unsigned int)random() % 8);
			model_check(complete);
		}
	}
}

static const struct check_case cases[] = {
    {"never early, never late", never_early_never_late},
    {"stopped does not fire", stopped_does_not_fire},
    {"restarting in the past does not hold the sweep", restarting_in_the_past_does_not_hold_the_sweep},
    {"the limit bounds a sweep", limit_bounds_a_sweep},
    {"a million", a_million},
    {"agrees with a plain model", agrees_with_a_plain_model},
};
CHECK_MAIN(cases)
