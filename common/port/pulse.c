/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "common/bell.h"
#include "common/clock.h"
#include "internal.h"

#define FULL_POLL  PORT_BURST
#define IDLE_POLLS 32 /* in a row, with something due all the time, before a nap */
#define NAP_MIN_US 50
#define ENOUGH     PORT_BURST /* frames and messages for one wake-up: with more it is hardly less for each */

/* A port whose driver has no descriptor can't wake anybody: then the worker looks every nap_us. */
static void listen_to(struct pulse *pulse, int fd)
{
	if (fd < 0)
		pulse->listening = false;
	else
		pulse->source[pulse->sources++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

void pulse_init(struct pulse *pulse, struct process *process, unsigned int worker, struct port_queue *const *queues,
		unsigned int count)
{
	const struct config_process *config = &process->config->process[process->hooks->role];

	*pulse = (struct pulse){.status = &process->status->worker[worker],
				.idle = config->idle,
				.nap_us = config->nap_us,
				.gap_us = config->nap_us,
				.queues = queues,
				.queues_count = count,
				.listening = config->idle == IDLE_NAP};
	atomic_store_explicit(&pulse->status->asleep, 0, memory_order_relaxed);
	if (config->idle == IDLE_NAP)
		listen_to(pulse, bell_listen(process, worker));
	for (unsigned int i = 0; pulse->listening && i < count; i++)
		listen_to(pulse, port_queue_fd(queues[i]));
}

void pulse_fini(struct pulse *pulse)
{
	if (pulse->sources > 0)
		close(pulse->source[0].fd);
	pulse->sources = 0;
}

void pulse_start(struct pulse *pulse)
{
	prctl(PR_SET_TIMERSLACK, 1000ul); /* ns: naps of the length asked for */
	pulse->second_cycles = rte_get_tsc_hz();
	pulse->long_cycles = pulse->second_cycles / 10000;
	atomic_store_explicit(&pulse->status->cycles_per_second, pulse->second_cycles, memory_order_relaxed);
	pulse->started = pulse->before = pulse->minute_ends = rte_rdtsc();
}

/* ---- rest -------------------------------------------------------------------------------------------------------- */

static struct timespec timespec_of(uint64_t us)
{
	return (struct timespec){.tv_sec = (time_t)(us / US_PER_S), .tv_nsec = (long)(us % US_PER_S * 1000)};
}

static void nap(struct pulse *pulse, uint64_t us)
{
	struct timespec time = timespec_of(us);

	nanosleep(&time, NULL);
	pulse->woken = true;
}

/* What was said before a sleep, or taken back after it: see bell.h. */
static void say_asleep(struct pulse *pulse, bool asleep)
{
	if (asleep == pulse->asleep)
		return;
	pulse->asleep = asleep;
	atomic_store_explicit(&pulse->status->asleep, asleep, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

static void sleep_until_called(struct pulse *pulse, uint64_t us)
{
	struct timespec time = timespec_of(us);

	if (ppoll(pulse->source, pulse->sources, &time, NULL) <= 0)
		return;
	pulse->woken = pulse->rung = true;
	if (pulse->source[0].revents)
		bell_hush(pulse->source[0].fd);
	for (unsigned int i = 1; i < pulse->sources; i++) {
		int error;
		socklen_t len = sizeof(error);

		/* Its interface went down: asking takes the condition away, and it says so once. */
		if (pulse->source[i].revents & POLLERR)
			getsockopt(pulse->source[i].fd, SOL_SOCKET, SO_ERROR, &error, &len);
	}
}

/* Something is due now, and it does not get done: it waits for somebody else, who may want this core. */
static void linger(struct pulse *pulse)
{
	if (++pulse->idle_polls > IDLE_POLLS)
		nap(pulse, NAP_MIN_US);
}

/* There is probably more to do: much was found, or a port had much, be it only what it dropped. */
static bool has_more(const struct pulse *pulse, unsigned int work)
{
	for (unsigned int i = 0; i < pulse->queues_count; i++)
		if (port_queue_more(pulse->queues[i]))
			return true;
	return work >= FULL_POLL;
}

/*
 * A wake-up that found something, or that somebody asked for, is paid for. The more it found the sooner may the next
 * one come, so that each finds enough; the other way by steps, since what came at once need not be all that comes.
 */
static void pay(struct pulse *pulse, uint64_t now_us)
{
	if (pulse->woken && (pulse->found > 0 || pulse->rung)) {
		uint64_t gap_us = pulse->gap_us * ENOUGH / RTE_MAX(pulse->found, ENOUGH / 2u);

		gap_us = RTE_MIN(gap_us, (uint64_t)pulse->nap_us);
		pulse->gap_us = RTE_MAX(gap_us, (uint64_t)NAP_MIN_US);
		pulse->paid_us = RTE_MAX(pulse->paid_us, now_us - PULSE_CREDIT * pulse->gap_us) + pulse->gap_us;
	}
	pulse->woken = pulse->rung = false;
	pulse->found = 0;
}

static void rest(struct pulse *pulse, unsigned int work, uint64_t now_us, uint64_t next_us)
{
	uint64_t most_us = next_us > now_us ? RTE_MIN(next_us - now_us, (uint64_t)PULSE_SLEEP_MOST_US) : 0;

	pulse->found += work;
	if (work > 0)
		say_asleep(pulse, false);
	if (work > 0 || most_us > 0)
		pulse->idle_polls = 0;
	if (has_more(pulse, work))
		return;
	pay(pulse, now_us);
	if (most_us == 0)
		linger(pulse);
	else if (pulse->paid_us > now_us)
		nap(pulse, RTE_MIN(most_us, pulse->paid_us - now_us));
	else if (work > 0)
		return; /* awake anyway: look again at once */
	else if (!pulse->listening)
		nap(pulse, RTE_MIN(most_us, (uint64_t)pulse->nap_us));
	else if (!pulse->asleep)
		say_asleep(pulse, true); /* one more look, then */
	else
		sleep_until_called(pulse, most_us);
}

/* ---- the poll ---------------------------------------------------------------------------------------------------- */

static void add_one(_Atomic uint64_t *to)
{
	atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* Away from the ports for 100 us and more: how often, and the longest of one to two minutes. */
static void note_long(struct pulse *pulse, uint64_t cycles)
{
	struct worker_status *status = pulse->status;

	add_one(&status->polls_over_100us);
	if (cycles >= pulse->second_cycles / 1000)
		add_one(&status->polls_over_1ms);
	if (cycles > pulse->longest)
		pulse->longest = cycles;
	if (pulse->longest > pulse->longest_before)
		atomic_store_explicit(&status->longest_poll_cycles, pulse->longest, memory_order_relaxed);
}

static void next_minute(struct pulse *pulse, uint64_t now)
{
	pulse->longest_before = pulse->longest;
	pulse->longest = 0;
	pulse->minute_ends = now + 60 * pulse->second_cycles;
	atomic_store_explicit(&pulse->status->longest_poll_cycles, pulse->longest_before, memory_order_relaxed);
}

static void account(struct pulse *pulse, unsigned int work, uint64_t now_us)
{
	struct worker_status *status = pulse->status;
	uint64_t after = rte_rdtsc(), cycles = after - pulse->before;

	pulse->busy += work > 0 ? cycles : 0;
	if (after >= pulse->minute_ends)
		next_minute(pulse, after);
	if (cycles >= pulse->long_cycles)
		note_long(pulse, cycles);
	pulse->before = after;
	pulse->polls++;
	atomic_store_explicit(&status->busy_cycles, pulse->busy, memory_order_relaxed);
	atomic_store_explicit(&status->total_cycles, after - pulse->started, memory_order_relaxed);
	atomic_store_explicit(&status->polls, pulse->polls, memory_order_relaxed);
	atomic_store_explicit(&status->beat_us, now_us, memory_order_relaxed);
}

void pulse_beat(struct pulse *pulse, unsigned int work, uint64_t now_us, uint64_t next_us)
{
	account(pulse, work, now_us);
	if (pulse->idle == IDLE_SPIN)
		return;
	rest(pulse, work, now_us, next_us);
	pulse->before = rte_rdtsc();
}
