/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse.h"

#include <sys/prctl.h>
#include <time.h>

#include <rte_cycles.h>

#define IDLE_POLLS 32 /* before the first nap */
#define NAP_MIN_US 50
#define NAP_MAX_US 200

void pulse_start(struct pulse *pulse, struct worker_status *status, enum idle_policy idle)
{
	uint64_t now = rte_rdtsc();

	prctl(PR_SET_TIMERSLACK, 1000ul); /* ns: naps of the length asked for */
	atomic_store_explicit(&status->cycles_per_second, rte_get_tsc_hz(), memory_order_relaxed);
	*pulse = (struct pulse){.status = status, .idle = idle, .started = now, .before = now};
}

/* On a shared core: sleep when there was nothing to do for some polls, longer the longer it lasts. */
static void nap(struct pulse *pulse)
{
	unsigned int us = NAP_MIN_US;

	if (++pulse->idle_polls < IDLE_POLLS)
		return;
	us += pulse->idle_polls - IDLE_POLLS;
	if (us > NAP_MAX_US)
		us = NAP_MAX_US;
	nanosleep(&(struct timespec){.tv_nsec = us * 1000l}, NULL);
}

void pulse_beat(struct pulse *pulse, unsigned int work, uint64_t now_us)
{
	struct worker_status *status = pulse->status;
	uint64_t after;

	if (work > 0)
		pulse->idle_polls = 0;
	else if (pulse->idle == IDLE_NAP)
		nap(pulse);
	after = rte_rdtsc();
	pulse->busy += work > 0 ? after - pulse->before : 0;
	pulse->before = after;
	pulse->polls++;
	atomic_store_explicit(&status->busy_cycles, pulse->busy, memory_order_relaxed);
	atomic_store_explicit(&status->total_cycles, after - pulse->started, memory_order_relaxed);
	atomic_store_explicit(&status->polls, pulse->polls, memory_order_relaxed);
	atomic_store_explicit(&status->beat_us, now_us, memory_order_relaxed);
}
