/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time. Everything that measures or waits uses the monotonic clock in microseconds; it is the same clock in
 * every process of one boot, so stamps in shared memory stay valid when a process restarts. A wall-clock
 * stamp is derived from it, once per call, for the record.
 */
#ifndef TANDEM_COMMON_CLOCK_H
#define TANDEM_COMMON_CLOCK_H

#include <stdint.h>

/* DPDK's rte_cycles.h has one that is an int, in which an hour overflows: include that before this. */
#undef US_PER_S
#define US_PER_MS 1000ull
#define US_PER_S  1000000ull

/* CLOCK_MONOTONIC in microseconds, through the vDSO: no system call. */
uint64_t clock_now_us(void);

/* Microseconds since 1970 UTC that belong to a monotonic stamp, by the offset between the clocks now. */
int64_t clock_wall_us(uint64_t monotonic_us);

#endif
