/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Producer and consumer are processes that are killed at random moments and started again, for two seconds.
 * Every message must arrive, in order, and none twice except to a new life of the consumer.
 */
#include "common/ring.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/unit/check.h"

#define CAPACITY     8192u
#define TEST_US      (2 * US_PER_S)
#define FEWEST_KILLS 200

/* What the test itself remembers over the deaths, beside the ring. */
struct memory {
	/* The producer is about to publish this number, or has; after it the head stands here. Odd and even numbers. */
	struct {
		_Atomic uint64_t number, head;
	} intent[2];
	_Atomic uint64_t expected; /* the consumer has handled all numbers below */
	_Atomic uint64_t redelivered;
	_Atomic int stop;
	_Atomic int wrong; /* line of the check that failed */
	struct ring *ring;
};

static uint32_t len_of(uint64_t number)
{
	return 8 + (uint32_t)(number * 0x9e3779b97f4a7c15ull >> 54);
}

static void produce(struct memory *m)
{
	struct ring_producer p;
	uint64_t number;

	if (ring_producer_attach(&p, m->ring)) {
		m->wrong = __LINE__;
		_exit(1);
	}
	number = m->intent[m->intent[1].head == p.head].number + 1;
	while (!m->stop) {
		uint32_t len = len_of(number);
		uint8_t *room = ring_reserve(&p, len);

		if (!room) {
			usleep(20);
			continue;
		}
		for (uint32_t i = 8; i < len; i++)
			room[i] = (uint8_t)(number + i);
		memcpy(room, &number, 8);
		m->intent[number % 2].head = UINT64_MAX; /* never half of it; the other one says where we stood */
		m->intent[number % 2].number = number;
		m->intent[number % 2].head = p.reserved + 8 + ((len + 7) & ~7u);
		ring_publish(&p, 1, len);
		number++;
	}
	_exit(0);
}

static bool is_whole(const struct ring_message *message, uint64_t *number)
{
	memcpy(number, message->body, 8);
	if (message->type != 1 || message->len != len_of(*number))
		return false;
	for (uint32_t i = 8; i < message->len; i++)
		if (message->body[i] != (uint8_t)(*number + i))
			return false;
	return true;
}

static void consume(struct memory *m)
{
	struct ring_consumer c;
	struct ring_message message;
	uint64_t number, last = UINT64_MAX;

	if (ring_consumer_attach(&c, m->ring)) {
		m->wrong = __LINE__;
		_exit(1);
	}
	for (;;) {
		if (!ring_peek(&c, &message)) {
			if (m->stop == 2) {
				ring_release(&c, c.position);
				_exit(ring_backlog(m->ring) != 0);
			}
			usleep(20);
			continue;
		}
		if (!is_whole(&message, &number))
			m->wrong = __LINE__;
		else if (last != UINT64_MAX && number != last + 1)
			m->wrong = __LINE__; /* one life sees an unbroken row */
		else if (number > m->expected)
			m->wrong = __LINE__; /* lost */
		else if (number < m->expected)
			m->redelivered++;
		else
			m->expected = number + 1;
		last = number;
		if (number % 4 == 0)
			ring_release(&c, message.end);
		if (c.faults)
			m->wrong = __LINE__;
	}
}

static pid_t spawn(struct memory *m, void (*run)(struct memory *))
{
	pid_t pid = fork();

	if (pid == 0)
		run(m);
	return pid;
}

static void killed_at_any_moment(void)
{
	size_t size = 4096 + ring_bytes(CAPACITY);
	struct memory *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t producer, consumer;
	uint64_t end_us = clock_now_us() + TEST_US;
	unsigned int kills = 0;
	int status;

	m->ring = (struct ring *)((uint8_t *)m + 4096);
	ring_create(m->ring, CAPACITY);
	m->intent[0].head = UINT64_MAX;
	m->intent[1].number = UINT64_MAX; /* the one before number 0 */
	producer = spawn(m, produce);
	consumer = spawn(m, consume);
	srandom((unsigned int)end_us);
	for (; clock_now_us() < end_us || kills < FEWEST_KILLS; kills++) {
		int which = (int)(random() % 3);

		usleep((useconds_t)(random() % 600));
		if (which != 0) {
			kill(producer, SIGKILL);
			waitpid(producer, NULL, 0);
			producer = spawn(m, produce);
		}
		if (which != 1) {
			kill(consumer, SIGKILL);
			waitpid(consumer, NULL, 0);
			consumer = spawn(m, consume);
		}
	}
	m->stop = 1;
	waitpid(producer, NULL, 0);
	m->stop = 2;
	waitpid(consumer, &status, 0);
	CHECK_INT(status, 0);
	printf("  %u kills, %llu messages, %llu of them seen again\n", kills, (unsigned long long)m->expected,
	       (unsigned long long)m->redelivered);
	CHECK_INT(m->wrong, 0);
	CHECK_INT(m->expected, m->intent[m->intent[1].head == m->ring->head].number + 1);
	CHECK(m->expected > 1000);
	munmap(m, size);
}

static const struct check_case cases[] = {
    {"killed at any moment", killed_at_any_moment},
};
CHECK_MAIN(cases)
