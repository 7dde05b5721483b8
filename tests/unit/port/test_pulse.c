/* SPDX-License-Identifier: Apache-2.0 */
/* A worker that naps, with nothing but its bell: what it costs at rest and under load, and that no ring is lost. */
#include "common/pulse.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "common/bell.h"
#include "common/clock.h"
#include "common/port/internal.h"
#include "tests/unit/check.h"

static char node[32], directory[] = "/tmp/test-pulse-XXXXXX";
static struct config config;
static struct process process;
static const struct process_hooks hooks = {.role = ROLE_MEDIA};

/* What the worker is given, and what it does with it. */
static _Atomic uint64_t given;
static _Atomic bool stopping;
static _Atomic uint64_t taken, polls, busy_polls;

static void begin(enum idle_policy idle, unsigned int nap_us)
{
	struct segment_spec spec;

	config = (struct config){.node = node};
	config.process[ROLE_MEDIA] = (struct config_process){.idle = idle, .nap_us = nap_us, .workers_count = 1};
	process = (struct process){.hooks = &hooks, .config = &config};
	status_spec(&spec);
	CHECK_INT(segment_create(node, &spec, 0600, true), 0);
	CHECK_INT(segment_attach(&process.status_segment, node, &spec, true), 0);
	process.status = &((struct status *)process.status_segment.content)->process[ROLE_MEDIA];
	given = taken = polls = busy_polls = 0;
	stopping = false;
}

static void end(void)
{
	segment_detach(&process.status_segment);
	CHECK_INT(segment_remove(node, "status"), 0);
}

static void *work(void *context)
{
	struct pulse *pulse = context;

	pulse_start(pulse);
	while (!stopping) {
		uint64_t now_us = clock_now_us(), all = atomic_load_explicit(&given, memory_order_acquire);
		unsigned int found = (unsigned int)(all - taken);

		atomic_store_explicit(&taken, all, memory_order_release);
		polls++;
		busy_polls += found > 0;
		pulse_beat(pulse, found, now_us, UINT64_MAX);
	}
	return NULL;
}

static void sleep_us(uint64_t us)
{
	nanosleep(&(struct timespec){.tv_sec = (time_t)(us / US_PER_S), .tv_nsec = (long)(us % US_PER_S * 1000)}, NULL);
}

static void give(struct bell *bell)
{
	uint64_t all = given + 1;

	atomic_store_explicit(&given, all, memory_order_release);
	bell_ring(bell, all);
}

static struct pulse pulse;
static pthread_t thread;

/* A worker that rests like this, with these ports. */
static void start(enum idle_policy idle, unsigned int nap_us, struct port_queue *const *queues, unsigned int count)
{
	begin(idle, nap_us);
	pulse_init(&pulse, &process, 0, queues, count);
	CHECK_INT(pthread_create(&thread, NULL, work, &pulse), 0);
}

static void halt(void)
{
	stopping = true;
	pthread_join(thread, NULL);
	pulse_fini(&pulse);
	end();
}

/* Nobody who sleeps in between looks so often, however long one waits for it. */
static bool polls_without_rest(void)
{
	for (int ms = 0; ms < 10000 && polls <= 10000; ms++)
		sleep_us(US_PER_MS);
	return polls > 10000;
}

static void test_rest(void)
{

	start(IDLE_NAP, 1000, NULL, 0);
	sleep_us(500 * US_PER_MS);
	CHECK(polls >= 1 && polls < 40);
	CHECK_INT(process.status->worker[0].asleep, 1);
	halt();
}

#define MS_CYCLES 1000000u /* a cycle takes a nanosecond or less */

/* Twice for longer than a millisecond, once for a little less. */
static void test_long_polls(void)
{
	const struct worker_status *status;

	begin(IDLE_SPIN, 1000);
	pulse_init(&pulse, &process, 0, NULL, 0);
	pulse_start(&pulse);
	pulse.second_cycles = MS_CYCLES * 1000; /* without DPDK's start nobody knows */
	pulse.long_cycles = pulse.second_cycles / 10000;
	status = &process.status->worker[0];
	for (unsigned int i = 0; i < 3; i++) {
		sleep_us(i ? 2000 : 300);
		pulse_beat(&pulse, 1, clock_now_us(), UINT64_MAX);
	}
	CHECK(status->polls_over_100us >= 3);
	CHECK(status->polls_over_1ms >= 2);
	CHECK(status->longest_poll_cycles >= MS_CYCLES);
	/* What was long ago is forgotten. */
	for (unsigned int minutes = 0; minutes < 2; minutes++) {
		pulse.minute_ends = 0;
		pulse.before = rte_rdtsc();
		pulse_beat(&pulse, 1, clock_now_us(), UINT64_MAX);
	}
	CHECK(status->longest_poll_cycles < MS_CYCLES);
	pulse_fini(&pulse);
	end();
}

static void test_spin(void)
{

	start(IDLE_SPIN, 1000, NULL, 0);
	CHECK_INT(pulse.sources, 0);
	CHECK(polls_without_rest());
	CHECK_INT(process.status->worker[0].asleep, 0);
	halt();
}

/* A port that is flooded with what it drops gives no work, and is not left alone for it. */
static void test_flood(void)
{
	static struct port_queue flooded = {.wake_fd = -1, .more = true};
	struct port_queue *queue = &flooded;

	start(IDLE_NAP, 10000, &queue, 1);
	CHECK(polls_without_rest());
	halt();
}

/* Each is found at once, and not only when the longest sleep is over; a busy machine may be late with a few. */
static void test_no_ring_is_lost(void)
{
	enum { ROUNDS = 2000 };
	unsigned int late = 0;
	struct bell bell;

	start(IDLE_NAP, 50, NULL, 0);
	bell_open(&bell, &process, ROLE_MEDIA, 0);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t start_us;

		/* At all points of its way to sleep. */
		for (start_us = clock_now_us(); clock_now_us() < start_us + (unsigned int)rand() % 200;)
			;
		give(&bell);
		for (start_us = clock_now_us(); taken != given && clock_now_us() < start_us + US_PER_S;)
			sched_yield();
		CHECK(taken == given);
		late += clock_now_us() - start_us > PULSE_SLEEP_MOST_US / 2;
	}
	CHECK(late < ROUNDS / 20);
	bell_close(&bell);
	halt();
}

/* Under load it wakes once in nap_us, and what it saved up. */
static void test_load_is_gathered(void)
{
	uint64_t start_us;
	struct bell bell;

	start(IDLE_NAP, 5000, NULL, 0);
	bell_open(&bell, &process, ROLE_MEDIA, 0);
	for (start_us = clock_now_us(); clock_now_us() < start_us + 500 * US_PER_MS;) {
		give(&bell);
		sleep_us(200);
	}
	sleep_us(100 * US_PER_MS);
	CHECK(taken == given);
	CHECK(busy_polls <= (clock_now_us() - start_us) / 5000 + PULSE_CREDIT + 10);
	bell_close(&bell);
	halt();
}

/* A wake-up that finds so much, and the look after it that finds nothing more. */
static uint64_t gap_after(unsigned int found)
{
	pulse.woken = true;
	pulse_beat(&pulse, found, clock_now_us(), UINT64_MAX);
	pulse_beat(&pulse, 0, clock_now_us(), UINT64_MAX);
	return pulse.gap_us;
}

/* Where much comes, a wake-up has enough to do sooner. */
static void test_much_is_found_sooner(void)
{
	begin(IDLE_NAP, 8000);
	pulse_init(&pulse, &process, 0, NULL, 0);
	CHECK_INT(gap_after(PORT_BURST), 8000);
	CHECK_INT(gap_after(2 * PORT_BURST), 4000);
	CHECK_INT(gap_after(4 * PORT_BURST), 1000);
	CHECK_INT(gap_after(PORT_BURST), 1000);
	CHECK_INT(gap_after(1), 2000);
	CHECK_INT(gap_after(1), 4000);
	CHECK_INT(gap_after(1), 8000);
	CHECK_INT(gap_after(1), 8000);
	CHECK_INT(gap_after(1000 * PORT_BURST), 50);
	pulse_fini(&pulse);
	end();
}

/* Either side may be killed and come back; a sleeper that is gone costs its callers a byte each. */
static void test_new_lives(void)
{
	struct bell bell;
	struct pollfd own;

	begin(IDLE_NAP, 1000);
	bell_open(&bell, &process, ROLE_MEDIA, 0);
	process.status->worker[0].asleep = 1;
	for (uint64_t i = 1; i < 100000; i++) /* nobody listens: the pipe fills up, and nothing blocks */
		bell_ring(&bell, i);
	own = (struct pollfd){.fd = bell_listen(&process, 0), .events = POLLIN};
	CHECK_INT(poll(&own, 1, 0), 1);
	bell_hush(own.fd);
	CHECK_INT(poll(&own, 1, 0), 0);
	bell_ring(&bell, 99999); /* nothing new */
	CHECK_INT(poll(&own, 1, 0), 0);
	close(own.fd);
	own.fd = bell_listen(&process, 0);
	bell_ring(&bell, 100000);
	CHECK_INT(poll(&own, 1, 0), 1);
	bell_hush(own.fd);
	process.status->worker[0].asleep = 0;
	bell_ring(&bell, 100001);
	CHECK_INT(poll(&own, 1, 0), 0);
	bell_close(&bell);
	close(own.fd);
	end();
}

/* Its users are others of the group, whatever umask this process has. */
static void test_shared_bell(void)
{
	struct stat found;
	char path[64];
	mode_t before;
	int fd;

	begin(IDLE_NAP, 1000);
	snprintf(path, sizeof(path), "%s/media.0.bell", directory);
	CHECK_INT(unlink(path), 0);
	before = umask(0077);
	fd = bell_listen(&process, 0);
	umask(before);
	CHECK(fd >= 0);
	CHECK_INT(stat(path, &found), 0);
	CHECK_INT(found.st_mode & 07777, 0660);
	close(fd);
	end();
}

/* Something else has taken its place: a worker that can't be called looks often instead. */
static void test_mute_bell(void)
{
	struct bell bell;
	char path[64];

	begin(IDLE_NAP, 1000);
	snprintf(path, sizeof(path), "%s/media.0.bell", directory);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(mkdir(path, 0700), 0);
	pulse_init(&pulse, &process, 0, NULL, 0);
	CHECK(!pulse.listening && pulse.sources == 0);
	bell_open(&bell, &process, ROLE_MEDIA, 0);
	bell_ring(&bell, 1);
	bell_close(&bell);
	pulse_fini(&pulse);
	CHECK_INT(rmdir(path), 0);
	end();
}

static const struct check_case cases[] = {
    {"rest", test_rest},
    {"spin", test_spin},
    {"long polls", test_long_polls},
    {"flood", test_flood},
    {"no ring is lost", test_no_ring_is_lost},
    {"load is gathered", test_load_is_gathered},
    {"much is found sooner", test_much_is_found_sooner},
    {"new lives", test_new_lives},
    {"a shared bell", test_shared_bell},
    {"a mute bell", test_mute_bell},
};

int main(void)
{
	int status;

	snprintf(node, sizeof(node), "test-%d", (int)getpid());
	if (!mkdtemp(directory))
		return 1;
	setenv("TANDEM_RUNTIME_DIRECTORY", directory, 1);
	status = check_main(cases, sizeof(cases) / sizeof(cases[0]));
	rmdir(directory);
	return status;
}
