/* SPDX-License-Identifier: Apache-2.0 */
/* The rings between a worker and the other processes. */
#include <errno.h>

#include "common/log.h"
#include "common/rings.h"
#include "signaling/worker.h"

#define MESSAGES_PER_POLL 64u /* of one ring: the rest waits, so that datagrams do not */

int worker_rings_open(struct worker *w)
{
	const struct config *config = w->signaling->process.config;
	int error;

	w->media_workers = rings_threads(config, ROLE_MEDIA);
	for (unsigned int m = 0; m < w->media_workers; m++) {
		error = rings_producer(&w->to_media[m], config, ROLE_SIGNALING, w->index, ROLE_MEDIA, m);
		if (error == 0)
			error =
			    rings_consumer(&w->from_media[m], NULL, config, ROLE_MEDIA, m, ROLE_SIGNALING, w->index);
		if (error < 0)
			return error;
		bell_open(&w->media_bell[m], &w->signaling->process, ROLE_MEDIA, m);
	}
	error = rings_producer(&w->to_keepalive, config, ROLE_SIGNALING, w->index, ROLE_KEEPALIVE, 0);
	if (error == 0)
		error = rings_consumer(&w->from_keepalive, NULL, config, ROLE_KEEPALIVE, 0, ROLE_SIGNALING, w->index);
	if (error == 0)
		error = rings_producer(&w->to_cdrwriter, config, ROLE_SIGNALING, w->index, ROLE_CDRWRITER, 0);
	return error;
}

void worker_rings_close(struct worker *w)
{
	for (unsigned int m = 0; m < w->media_workers; m++)
		bell_close(&w->media_bell[m]);
}

static unsigned int media_poll(struct worker *w, unsigned int media_worker)
{
	struct ring_consumer *ring = &w->from_media[media_worker];
	struct ring_message message;
	unsigned int count = 0;

	for (; count < MESSAGES_PER_POLL && ring_peek(ring, &message); count++) {
		if (rings_allowed(ROLE_MEDIA, ROLE_SIGNALING, message.type))
			engine_media_message(w->engine, media_worker, &message);
		else
			counter_inc(w->counters, COUNTER_worker_bad_message);
	}
	if (count > 0)
		ring_release(ring, message.end);
	return count;
}

/* A burst stays in the ring until its last payload is sent: killed before that, the next life sends it again. */
static unsigned int keepalive_poll(struct worker *w)
{
	struct ring_consumer *ring = &w->from_keepalive;
	struct ring_message message;
	unsigned int count = 0;

	while (count < MESSAGES_PER_POLL && !registrar_keepalive_busy(w->engine)) {
		if (w->keepalive_end != 0)
			ring_release(ring, w->keepalive_end);
		w->keepalive_end = 0;
		if (!ring_peek(ring, &message))
			break;
		if (rings_allowed(ROLE_KEEPALIVE, ROLE_SIGNALING, message.type))
			engine_keepalive_message(w->engine, &message);
		else
			counter_inc(w->counters, COUNTER_worker_bad_message);
		w->keepalive_end = message.end;
		count++;
	}
	return count + registrar_poll(w->engine);
}

/* What was given up needs nothing here: calls have timers, and keepalive's next round comes. */
static void count_faults(struct worker *w)
{
	uint32_t faults = w->from_keepalive.faults + w->to_keepalive.faults + w->to_cdrwriter.faults;

	for (unsigned int m = 0; m < w->media_workers; m++)
		faults += w->from_media[m].faults + w->to_media[m].faults;
	if (faults == w->ring_faults)
		return;
	counter_add(w->counters, COUNTER_worker_ring_damaged, faults - w->ring_faults);
	log_error("worker", "a ring from or to another process was damaged; stepped over it");
	w->ring_faults = faults;
}

unsigned int worker_rings_poll(struct worker *w)
{
	unsigned int work = keepalive_poll(w);

	for (unsigned int m = 0; m < w->media_workers; m++)
		work += media_poll(w, m);
	count_faults(w);
	return work;
}

void worker_rings_ring(struct worker *w)
{
	for (unsigned int m = 0; m < w->media_workers; m++)
		bell_ring(&w->media_bell[m], w->to_media[m].head);
}
