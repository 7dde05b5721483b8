/* SPDX-License-Identifier: Apache-2.0 */
#include "spooler.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/rings.h"
#include "proto/messages.h"

#define ROOM_CHECK_US (200 * US_PER_MS)
#define NAP_MIN_US    (1 * US_PER_MS)
#define RING_FILLS    64 /* bytes that a ring may be given in a microsecond without being full after a nap */
#define FAILED_NAP_US (200 * US_PER_MS)
#define FLUSH_MOST_US (2 * US_PER_S) /* at the end; what still comes waits in its ring for the next life */

int spooler_init(struct spooler *spooler, struct spool *spool, struct process *process, struct counter_row *counters)
{
	const struct config *config = process->config;

	*spooler = (struct spooler){.spool = spool,
				    .process = process,
				    .counters = counters,
				    .nap_us = config->spool.group_wait_ms * US_PER_MS};
	spooler->rings_count = rings_threads(config, ROLE_SIGNALING);
	for (unsigned int worker = 0; worker < spooler->rings_count; worker++) {
		struct spooler_ring *ring = &spooler->rings[worker];
		int error = rings_consumer(&ring->consumer, &ring->generation, config, ROLE_SIGNALING, worker,
					   ROLE_CDRWRITER, 0);
		if (error)
			return error;
		ring->seen = ring->consumer.position;
		if (spooler->nap_us > ring->consumer.capacity / RING_FILLS)
			spooler->nap_us = ring->consumer.capacity / RING_FILLS;
	}
	if (spooler->nap_us < NAP_MIN_US)
		spooler->nap_us = NAP_MIN_US;
	return 0;
}

static void nap(uint64_t us)
{
	struct timespec ts = {.tv_nsec = (long)(us * 1000)};

	nanosleep(&ts, NULL);
}

/* False when the group is full and the message must be peeked again after the commit. */
static bool take_message(struct spooler *s, unsigned int worker, const struct ring_message *message)
{
	struct spooler_ring *ring = &s->rings[worker];

	if (!rings_allowed(ROLE_SIGNALING, ROLE_CDRWRITER, message->type)) {
		counter_inc(s->counters, COUNTER_cdr_unexpected_messages);
	} else if (spool_has(s->spool, ring->generation, message->end)) {
		counter_inc(s->counters, COUNTER_cdr_already_spooled);
	} else if (!spool_group_add(s->spool, worker, ring->generation, message->end, message->body, message->len)) {
		return false;
	}
	ring->seen = message->end;
	return true;
}

/* Peek what there is. True when the group can take no more. */
static bool gather(struct spooler *s)
{
	for (unsigned int worker = 0; worker < s->rings_count; worker++) {
		struct spooler_ring *ring = &s->rings[worker];
		struct ring_message message;

		while (ring_peek(&ring->consumer, &message)) {
			if (!take_message(s, worker, &message)) {
				/* Peeked but not taken: the rings are read again from what is released. */
				return true;
			}
		}
		if (ring->consumer.faults != ring->faults) {
			log_error("spool", "the ring from signaling worker %u was damaged; stepped over it", worker);
			counter_add(s->counters, COUNTER_cdr_ring_damaged, ring->consumer.faults - ring->faults);
			ring->faults = ring->consumer.faults;
		}
	}
	return false;
}

static void release(struct spooler *s)
{
	for (unsigned int worker = 0; worker < s->rings_count; worker++) {
		struct spooler_ring *ring = &s->rings[worker];

		ring_release(&ring->consumer, ring->seen);
		ring_rewind(&ring->consumer);
	}
}

static void take_back(struct spooler *s)
{
	for (unsigned int worker = 0; worker < s->rings_count; worker++) {
		ring_rewind(&s->rings[worker].consumer);
		s->rings[worker].seen = s->rings[worker].consumer.position;
	}
}

/* Tell signaling whether calls can be recorded. */
static void set_full(struct spooler *s, bool full, const char *reason)
{
	if (full != s->full) {
		if (full) {
			counter_inc(s->counters, COUNTER_cdr_spool_full);
			log_error("spool", "no new calls are taken: %s", reason);
		} else {
			log_info("spool", "there is room again: new calls are taken");
		}
	}
	s->full = full;
	atomic_store_explicit(&s->process->status->spool_full, full, memory_order_release);
}

static void check_room(struct spooler *s, uint64_t now_us)
{
	if (now_us - s->room_checked_us < ROOM_CHECK_US && s->room_checked_us != 0)
		return;
	s->room_checked_us = now_us;
	int error = spool_check_room(s->spool);

	gauge_set(s->counters, COUNTER_cdr_disk_free_mb, s->spool->free_bytes >> 20);
	if (error)
		set_full(s, true, error == -ENOSPC ? "the spool's disk is full" : strerror(-error));
	else if (!s->write_failed)
		set_full(s, false, NULL);
	uint64_t damaged = s->spool->damaged;

	counter_add(s->counters, COUNTER_cdr_spool_damaged, damaged - s->damaged_counted);
	s->damaged_counted = damaged;
}

static int commit(struct spooler *s)
{
	struct spool *spool = s->spool;
	size_t bytes = spool->group_len;
	unsigned int records = spool->group_records;
	int error = spool_group_commit(spool);

	s->write_failed = error != 0;
	if (error) {
		take_back(s);
		counter_inc(s->counters, COUNTER_cdr_spool_errors);
		log_error("spool", "%s: %u records could not be written, they stay in their rings: %s",
			  spool->directory, records, strerror(-error));
		set_full(s, true, strerror(-error));
		return error;
	}
	release(s);
	counter_add(s->counters, COUNTER_cdr_spooled, records);
	counter_add(s->counters, COUNTER_cdr_spooled_bytes, bytes);
	counter_inc(s->counters, COUNTER_cdr_syncs);
	return 0;
}

/*
 * We nap between two groups: that bounds the number of fdatasyncs, and nobody waits for a record. Less than as long as
 * configured when records come so fast that a ring could fill up meanwhile, since only the commit frees its room: only
 * until half a group has come, if they go on coming as they did since the last look.
 */
static uint64_t time_to_gather(const struct spooler *s, uint64_t since_us)
{
	uint64_t us = since_us * (SPOOL_GROUP_MAX / 2) / s->spool->group_len;

	return us < NAP_MIN_US ? NAP_MIN_US : us < s->nap_us ? us : s->nap_us;
}

/* One turn: true when a group was written. Sets how long to nap after it; 0: there is more. */
static bool turn(struct spooler *s)
{
	bool group_full = gather(s);
	uint64_t now_us = clock_now_us(), since_us = now_us - s->looked_us;

	check_room(s, now_us);
	s->looked_us = now_us;
	s->rest_us = s->nap_us;
	if (s->spool->group_len == 0) {
		release(s); /* messages that need not be spooled */
		return false;
	}
	s->rest_us = group_full ? 0 : time_to_gather(s, since_us);
	if (commit(s) == 0)
		return true;
	s->rest_us = FAILED_NAP_US;
	return false;
}

void spooler_run(struct spooler *s)
{
	uint64_t stop_us;

	while (!s->process->stopping) {
		turn(s);
		if (s->rest_us > 0)
			nap(s->rest_us);
	}
	stop_us = clock_now_us() + FLUSH_MOST_US;
	while (turn(s) && clock_now_us() < stop_us)
		;
	spool_finish(s->spool);
}
