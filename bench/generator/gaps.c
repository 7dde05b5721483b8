/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-gaps CORE SECONDS: how long the machine itself takes a core away from a thread that does nothing but look at
 * the clock: interrupts, kernel threads, and whoever else a virtual core has to share with. What a latency measured on
 * this core can't be better than. Prints JSON: microseconds, and shares of the time.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "histogram.h"

#define NOTABLE_NS 5000u /* what is less is the look itself */

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct histogram gaps;

/* Each gap counts by its length: what a moment at random falls into. */
static void spin(uint64_t until_ns)
{
	uint64_t before = clock_ns(), now;

	for (; before < until_ns; before = now) {
		now = clock_ns();
		if (now - before >= NOTABLE_NS)
			histogram_add_times(&gaps, now - before, now - before);
		else
			histogram_add_times(&gaps, 0, now - before);
	}
}

static double us(uint64_t ns)
{
	return (double)ns / 1e3;
}

int main(int argc, char **argv)
{
	int core = argc == 3 ? atoi(argv[1]) : -1;
	double seconds = argc == 3 ? atof(argv[2]) : 0;
	uint64_t taken = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	if (core >= 0)
		CPU_SET((unsigned int)core, &set);
	if (core < 0 || !(seconds > 0 && seconds <= 3600) || sched_setaffinity(0, sizeof(set), &set) != 0) {
		fputs("bench-gaps CORE SECONDS\n", stderr);
		return 2;
	}
	spin(clock_ns() + (uint64_t)(seconds * 1e9));
	for (unsigned int i = 1; i < HISTOGRAM_BUCKETS; i++)
		taken += gaps.bucket[i];
	printf("{\"core\": %d, \"seconds\": %.1f, \"taken\": %.6f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": "
	       "%.1f}\n",
	       core, seconds, (double)taken / (double)gaps.count, us(histogram_quantile(&gaps, 0.99)),
	       us(histogram_quantile(&gaps, 0.999)), us(gaps.max));
	return 0;
}
