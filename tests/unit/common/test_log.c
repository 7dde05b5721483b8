/* SPDX-License-Identifier: Apache-2.0 */
#include "common/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/unit/check.h"

static char captured[1 << 20];

/* Run in a child whose stderr is a file; what it wrote is in captured[]. */
static void capture(void (*run)(void))
{
	char path[] = "/tmp/test-log-XXXXXX";
	int fd = mkstemp(path), status;
	ssize_t len;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		dup2(fd, STDERR_FILENO);
		run();
		_exit(0);
	}
	waitpid(child, &status, 0);
	CHECK_INT(status, 0);
	len = pread(fd, captured, sizeof(captured) - 1, 0);
	captured[len < 0 ? 0 : len] = '\0';
	close(fd);
	unlink(path);
}

static unsigned int lines_with(const char *text)
{
	unsigned int count = 0;

	for (const char *at = captured; (at = strstr(at, text)); at++)
		count++;
	return count;
}

static void say_things(void)
{
	log_init("signaling", LOG_INFO);
	log_warn("call", "no route number=%s gateway=%s", "4930***", "acme");
	log_debug("call", "not shown");
	log_set_level(LOG_DEBUG);
	log_debug("call", "shown");
	log_info("sip", "a peer's text: %s", "x\n2026-01-01T00:00:00.000000Z error forged\x1b[31m");
}

static void format(void)
{
	capture(say_things);
	CHECK(strstr(captured, " warn signaling call: no route number=4930*** gateway=acme\n") == captured + 27);
	CHECK(captured[4] == '-' && captured[10] == 'T' && captured[19] == '.' && captured[26] == 'Z');
	CHECK(strncmp(captured, "20", 2) == 0);
	CHECK_INT(lines_with("not shown"), 0);
	CHECK_INT(lines_with("debug signaling call: shown\n"), 1);
	CHECK_INT(lines_with("\n"), 3); /* nobody else's line break */
	CHECK_INT(lines_with("x?2026"), 1);
	CHECK_INT(lines_with("\x1b"), 0);
}

static void storm(void)
{
	log_init("media", LOG_INFO);
	for (int i = 0; i < 1000; i++) {
		log_info("rtp", "storm %d", i);
		if (i == 500)
			log_info("rtp", "another site");
	}
	usleep(450000); /* two more lines are paid for */
	for (int i = 0; i < 10; i++)
		if (i < 5)
			log_info("rtp", "once %d", i);
}

static void rate_limit(void)
{
	capture(storm);
	CHECK(lines_with("storm") >= 20 && lines_with("storm") <= 22);
	CHECK_INT(lines_with("another site"), 1);
	CHECK_INT(lines_with("once"), 5);
}

static void storm_and_calm(void)
{
	for (int i = 0; i <= 120; i++) {
		if (i == 120)
			usleep(250000);
		log_info("rtp", "line %d", i);
	}
}

static void suppressed_is_said(void)
{
	capture(storm_and_calm);
	CHECK_INT(lines_with("line 120 suppressed=100\n"), 1);
}

static void *worker(void *name)
{
	if (log_worker_init(name))
		return NULL;
	for (int i = 0; i < 10; i++)
		log_warn("call", "from %s %d", (char *)name, i);
	return NULL;
}

static void two_workers(void)
{
	pthread_t threads[2];

	log_init("signaling", LOG_INFO);
	pthread_create(&threads[0], NULL, worker, (char[]){"signaling-0"});
	pthread_create(&threads[1], NULL, worker, (char[]){"signaling-1"});
	for (int i = 0; i < 10; i++)
		log_drain();
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	log_drain();
	log_drain();
}

static void workers_only_queue(void)
{
	capture(two_workers);
	CHECK_INT(lines_with("warn signaling-0 call: from signaling-0"), 10);
	CHECK_INT(lines_with("warn signaling-1 call: from signaling-1"), 10);
	CHECK_INT(lines_with("\n"), 20);
}

static void *flood(void *name)
{
	log_worker_init(name);
	/* 8 sites of 20 lines each: within their limits, but more than the queue holds. */
	for (int i = 0; i < 20; i++) {
		log_info("call", "flood a %d", i);
		log_info("call", "flood b %d", i);
		log_info("call", "flood c %d", i);
		log_info("call", "flood d %d", i);
		log_info("call", "flood e %d", i);
		log_info("call", "flood f %d", i);
		log_info("call", "flood g %d", i);
		log_info("call", "flood h %d", i);
	}
	return NULL;
}

static void flooding_worker(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, flood, (char[]){"media-0"});
	pthread_join(thread, NULL);
	log_drain();
}

static void a_full_queue_is_said(void)
{
	capture(flooding_worker);
	CHECK_INT(lines_with("flood"), 128);
	CHECK_INT(lines_with("warn media-0 log: queue was full lines_lost=32\n"), 1);
}

static void blocked(void)
{
	int ends[2];
	char sink[4096];
	uint64_t start_us;
	ssize_t got;
	FILE *copy;

	if (pipe(ends))
		_exit(1);
	copy = fdopen(dup(STDERR_FILENO), "w");
	dup2(ends[1], STDERR_FILENO);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	start_us = clock_now_us();
	for (int i = 0; i < 20; i++)
		log_info("call", "%500d", i);
	for (int i = 0; i < 20; i++)
		log_info("call", "%500d", i);
	fprintf(copy, "took %d ms\n", (int)((clock_now_us() - start_us) / US_PER_MS));
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	while (read(ends[0], sink, sizeof(sink)) > 0)
		;
	log_warn("call", "again");
	got = read(ends[0], sink, sizeof(sink));
	fwrite(sink, 1, got < 0 ? 0 : (size_t)got, copy);
	fclose(copy);
}

/* A journal that stands still must not stop the process. */
static void a_blocked_reader_does_not_block_us(void)
{
	int took = -1;

	capture(blocked);
	CHECK(sscanf(captured, "took %d ms", &took) == 1 && took < 1000);
	CHECK_INT(lines_with("stderr was blocked lines_lost="), 1);
	CHECK_INT(lines_with("warn tandem call: again\n"), 1);
}

static void masks(void)
{
	char out[40];

	CHECK_TEXT(log_mask(out, "493012345", 9), 9, "4930*****");
	CHECK_TEXT(log_mask(out, "4930", 4), 4, "4930");
	CHECK_INT(strlen(log_mask(out, "", 0)), 0);
	CHECK_TEXT(log_mask(out,
			    "a\nb\x1b"
			    "cd",
			    6),
		   6, "a?b?**");
	CHECK_INT(strlen(log_mask(out, "0123456789012345678901234567890123456789012345678901234567890", 61)), 39);
}

static const struct check_case cases[] = {
    {"format", format},
    {"rate limit", rate_limit},
    {"what is suppressed is said", suppressed_is_said},
    {"workers only queue", workers_only_queue},
    {"a full queue is said", a_full_queue_is_said},
    {"a blocked reader does not block us", a_blocked_reader_does_not_block_us},
    {"masks", masks},
};
CHECK_MAIN(cases)
