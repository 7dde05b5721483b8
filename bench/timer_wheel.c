/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timer wheel beside DPDK's rte_timer: what one start, restart, stop and expiry costs with a million timers
 * running, on one core. Times are spread as calls spread them: anywhere within the next 30 seconds.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_timer.h>

#include "common/clock.h"
#include "common/timer_wheel.h"

#define TIMERS    1000000u
#define SPREAD_US (30 * US_PER_S)

struct result {
	const char *name;
	double start_ns, restart_ns, stop_ns, expire_ns;
};

static uint32_t order[TIMERS]; /* timers are touched in random order, as packets do */
static uint64_t delay_us[TIMERS];
static unsigned int fired;

static void shuffle(void)
{
	uint64_t x = 88172645463325252ull;

	for (uint32_t i = 0; i < TIMERS; i++)
		order[i] = i;
	for (uint32_t i = TIMERS - 1; i > 0; i--) {
		uint32_t k, swap = order[i];

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		k = (uint32_t)(x % (i + 1));
		order[i] = order[k];
		order[k] = swap;
		delay_us[i] = x % SPREAD_US;
	}
}

static double ns_each(uint64_t start_us, unsigned int count)
{
	return (double)(clock_now_us() - start_us) * 1000.0 / count;
}

static void wheel_fired(struct timer *timer, void *context)
{
	fired++;
}

static struct result measure_wheel(void)
{
	struct result result = {.name = "timer wheel"};
	struct timer_wheel *wheel = malloc(sizeof(*wheel));
	struct timer *timers = calloc(TIMERS, sizeof(*timers));
	uint64_t start_us;

	timer_wheel_init(wheel, 0, NULL);
	for (uint32_t i = 0; i < TIMERS; i++) /* take the pages before the clock runs */
		timers[i].expires_ms = 1;
	start_us = clock_now_us();
	for (uint32_t i = 0; i < TIMERS; i++)
		timer_start(wheel, &timers[order[i]], delay_us[i], wheel_fired);
	result.start_ns = ns_each(start_us, TIMERS);
	start_us = clock_now_us();
	for (uint32_t i = 0; i < TIMERS; i++)
		timer_start(wheel, &timers[order[i]], delay_us[TIMERS - 1 - i], wheel_fired);
	result.restart_ns = ns_each(start_us, TIMERS);
	start_us = clock_now_us();
	for (uint32_t i = 0; i < TIMERS; i++)
		timer_stop(wheel, &timers[order[i]]);
	result.stop_ns = ns_each(start_us, TIMERS);
	for (uint32_t i = 0; i < TIMERS; i++)
		timer_start(wheel, &timers[order[i]], delay_us[i], wheel_fired);
	fired = 0;
	start_us = clock_now_us();
	for (uint64_t now_us = 0; fired < TIMERS; now_us += US_PER_MS) /* every tick, cascades included */
		timer_wheel_sweep(wheel, now_us, UINT32_MAX);
	result.expire_ns = ns_each(start_us, TIMERS);
	free(timers);
	free(wheel);
	return result;
}

static void rte_fired(struct rte_timer *timer, void *context)
{
	fired++;
}

static void rte_start(struct rte_timer *timer, uint64_t after_us)
{
	rte_timer_reset(timer, after_us * rte_get_timer_hz() / US_PER_S, SINGLE, rte_lcore_id(), rte_fired, NULL);
}

static struct result measure_rte_timer(void)
{
	struct result result = {.name = "rte_timer"};
	struct rte_timer *timers = calloc(TIMERS, sizeof(*timers));
	uint64_t start_us;

	for (uint32_t i = 0; i < TIMERS; i++)
		rte_timer_init(&timers[i]);
	start_us = clock_now_us();
	for (uint32_t i = 0; i < TIMERS; i++)
		rte_start(&timers[order[i]], SPREAD_US + delay_us[i]); /* none fires while we measure */
	result.start_ns = ns_each(start_us, TIMERS);
	start_us = clock_now_us();
	for (uint32_t i = 0; i < TIMERS; i++)
		rte_start(&timers[order[i]], SPREAD_US + delay_us[TIMERS - 1 - i]);
	result.restart_ns = ns_each(start_us, TIMERS);
	start_us = clock_now_us();
	for (uint32_t i = 0; i < TIMERS; i++)
		rte_timer_stop(&timers[order[i]]);
	result.stop_ns = ns_each(start_us, TIMERS);
	for (uint32_t i = 0; i < TIMERS; i++)
		rte_start(&timers[order[i]], delay_us[i] / 1000); /* due within 30 ms: no waiting, and in one go */
	usleep(50000);
	fired = 0;
	start_us = clock_now_us();
	while (fired < TIMERS)
		rte_timer_manage();
	result.expire_ns = ns_each(start_us, TIMERS);
	free(timers);
	return result;
}

int main(void)
{
	char *arguments[] = {(char[]){"timer_wheel"}, (char[]){"--no-huge"},        (char[]){"--no-pci"},
			     (char[]){"--no-shconf"}, (char[]){"--lcores=0"},       (char[]){"--no-telemetry"},
			     (char[]){"-m256"},       (char[]){"--log-level=error"}};
	struct result results[2];

	if (rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) < 0 || rte_timer_subsystem_init() < 0)
		return 1;
	shuffle();
	results[0] = measure_wheel();
	results[1] = measure_rte_timer();
	printf("%u timers, ns each%11s%10s%10s%10s\n", TIMERS, "start", "restart", "stop", "expire");
	for (int i = 0; i < 2; i++)
		printf("%-25s%10.0f%10.0f%10.0f%10.0f\n", results[i].name, results[i].start_ns, results[i].restart_ns,
		       results[i].stop_ns, results[i].expire_ns);
	rte_eal_cleanup();
	return 0;
}
