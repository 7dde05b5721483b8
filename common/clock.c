/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <time.h>

static uint64_t read_us(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * US_PER_S + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_now_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(uint64_t monotonic_us)
{
	int64_t offset_us = (int64_t)(read_us(CLOCK_REALTIME) - read_us(CLOCK_MONOTONIC));

	return (int64_t)monotonic_us + offset_us;
}
