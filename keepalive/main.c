/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tandem-keepalive: knows every registered endpoint behind NAT and tells the signaling workers when to send each of
 * them a keep-alive message. The housekeeping thread runs process_run(); the pacing thread does the rest:
 *
 *   BindingAdded / BindingRemoved  -> endpoints.c   who there is
 *   the clock                      -> pacer.c       whose turn it is
 *   KeepaliveBurst                 <- outbox.c      to the worker that announced the endpoint
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/bell.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/pb_arena.h"
#include "common/process.h"
#include "common/rings.h"
#include "endpoints.h"
#include "outbox.h"
#include "pacer.h"
#include "proto/messages.h"
#include "proto/messages.pb-c.h"

#define MESSAGES_PER_POLL 1024u
#define NAP_MAX_US        (200 * US_PER_MS)
#define NAP_BUSY_US       (1 * US_PER_MS)

/* How long a new life waits to hear again what its predecessor knew, before the round goes on. */
#define SETTLE_QUIET_US (500 * US_PER_MS)
#define SETTLE_MOST_US  (5 * US_PER_S)

/* One signaling worker, seen from here. */
struct peer {
	struct ring_consumer from;
	struct ring_producer to;
	struct bell bell; /* wakes the worker that sends */
	struct outbox outbox;
	bool resync_sent;
	uint32_t faults; /* of both rings, as far as they are counted */
};

struct keepalive {
	struct process process;
	struct endpoints endpoints;
	struct pacer pacer;
	struct peer peers[CONFIG_MAX_WORKERS];
	unsigned int peers_count;
	struct pb_arena arena;
	struct counter_row *counters;
	pthread_t thread;
	bool thread_runs;

	uint64_t life; /* of the next Resync; never the same twice */
	uint64_t started_us, heard_us, now_us;
	uint64_t known_before; /* endpoints in the table of the previous life */
	bool settled;
	uint64_t outbox_missed;

	pthread_mutex_t pace_lock; /* guards the next two: reload writes, the pacing thread takes */
	struct pace next_pace;
	bool pace_changed;
};

static struct pace pace_of(const struct config *config)
{
	const struct parameters *p = &config->parameters;

	return (struct pace){
	    .on = p->nat_keep_alive_message[0] != '\0',
	    .period_s = p->nat_keep_alive_period_s,
	    .interval_ms = p->nat_keep_alive_send_interval_ms,
	    .one_time = p->nat_keep_alive_send_one_time,
	};
}

static int reload(struct process *process, const struct config *next)
{
	struct keepalive *k = process->context;

	pthread_mutex_lock(&k->pace_lock);
	k->next_pace = pace_of(next);
	k->pace_changed = true;
	pthread_mutex_unlock(&k->pace_lock);
	return 0;
}

/* ---- what signaling says --------------------------------------------------------------------------------------- */

static void binding_added(struct keepalive *k, unsigned int worker, const struct ring_message *message)
{
	Tandem__BindingAdded *m = tandem__binding_added__unpack(&k->arena.allocator, message->len, message->body);

	if (!m) {
		counter_inc(k->counters, COUNTER_keepalive_unexpected_messages);
		return;
	}
	switch (endpoints_add(&k->endpoints, m->endpoint, m->id, worker, m->expires_us)) {
	case ENDPOINT_ADDED:
		counter_inc(k->counters, COUNTER_keepalive_added);
		break;
	case ENDPOINT_REFRESHED:
		counter_inc(k->counters, COUNTER_keepalive_refreshed);
		break;
	case ENDPOINT_REFUSED:
		counter_inc(k->counters, COUNTER_keepalive_refused);
		break;
	}
}

static void binding_removed(struct keepalive *k, const struct ring_message *message)
{
	Tandem__BindingRemoved *m = tandem__binding_removed__unpack(&k->arena.allocator, message->len, message->body);

	if (!m)
		counter_inc(k->counters, COUNTER_keepalive_unexpected_messages);
	else if (endpoints_remove(&k->endpoints, m->endpoint, m->id) == 0)
		counter_inc(k->counters, COUNTER_keepalive_removed);
	else
		counter_inc(k->counters, COUNTER_keepalive_stale_removals);
}

/* Who was announced in what was given up is heard of only when the worker says everything again. */
static void count_faults(struct keepalive *k, unsigned int worker)
{
	struct peer *peer = &k->peers[worker];
	uint32_t faults = peer->from.faults + peer->to.faults;

	if (faults == peer->faults)
		return;
	counter_add(k->counters, COUNTER_keepalive_ring_damaged, faults - peer->faults);
	log_error("keepalive", "the rings from and to signaling worker %u were damaged; stepped over it", worker);
	peer->faults = faults;
	peer->resync_sent = false;
	k->life++; /* the one before has been answered */
}

static unsigned int receive_from(struct keepalive *k, unsigned int worker)
{
	struct peer *peer = &k->peers[worker];
	struct ring_message message;
	unsigned int n = 0;
	uint64_t end = 0;

	while (n < MESSAGES_PER_POLL && ring_peek(&peer->from, &message)) {
		pb_arena_reset(&k->arena);
		if (message.type == MESSAGE_BINDING_ADDED)
			binding_added(k, worker, &message);
		else if (message.type == MESSAGE_BINDING_REMOVED)
			binding_removed(k, &message);
		else
			counter_inc(k->counters, COUNTER_keepalive_unexpected_messages);
		end = message.end;
		n++;
	}
	if (n > 0)
		ring_release(&peer->from, end);
	count_faults(k, worker);
	return n;
}

static unsigned int receive(struct keepalive *k, uint64_t now_us)
{
	unsigned int n = 0;

	for (unsigned int worker = 0; worker < k->peers_count; worker++)
		n += receive_from(k, worker);
	if (n > 0)
		k->heard_us = now_us;
	return n;
}

/* ---- what signaling is told ------------------------------------------------------------------------------------ */

static void request_resync(struct keepalive *k, struct peer *peer)
{
	Tandem__Resync resync = TANDEM__RESYNC__INIT;

	resync.life = k->life;
	uint32_t len = (uint32_t)tandem__resync__get_packed_size(&resync);
	uint8_t *body = ring_reserve(&peer->to, len);

	if (!body) {
		counter_inc(k->counters, COUNTER_keepalive_ring_full);
		return;
	}
	tandem__resync__pack(&resync, body);
	ring_publish(&peer->to, MESSAGE_BINDINGS_RESYNC, len);
	peer->resync_sent = true;
}

static void emit(void *context, const struct endpoint *endpoint, uint32_t slot)
{
	struct keepalive *k = context;

	if (!outbox_put(&k->peers[endpoint->worker].outbox, slot, endpoint->id, k->now_us))
		k->outbox_missed++;
}

static void flush(struct keepalive *k, uint64_t now_us)
{
	/* Half a period: a message that waited longer would come too close to the next round's. */
	uint64_t patience_us = k->pacer.pace.period_s * US_PER_S / 2;

	for (unsigned int worker = 0; worker < k->peers_count; worker++) {
		struct peer *peer = &k->peers[worker];

		if (!peer->resync_sent)
			request_resync(k, peer);
		struct outbox_result result = outbox_flush(&peer->outbox, &peer->to, now_us, patience_us);

		counter_add(k->counters, COUNTER_keepalive_sent, result.sent);
		counter_add(k->counters, COUNTER_keepalive_messages, result.messages);
		counter_add(k->counters, COUNTER_keepalive_missed, result.stale);
		counter_add(k->counters, COUNTER_keepalive_ring_full, result.full);
		bell_ring(&peer->bell, peer->to.head);
	}
	if (k->outbox_missed > 0) {
		counter_add(k->counters, COUNTER_keepalive_missed, k->outbox_missed);
		log_warn("keepalive", "%llu endpoints left out of the round: signaling does not read its ring",
			 (unsigned long long)k->outbox_missed);
		k->outbox_missed = 0;
	}
}

/* ---- the pace ---------------------------------------------------------------------------------------------------- */

static void take_new_pace(struct keepalive *k, uint64_t now_us)
{
	struct pace next = {0};
	bool changed;

	pthread_mutex_lock(&k->pace_lock);
	changed = k->pace_changed;
	if (changed)
		next = k->next_pace;
	k->pace_changed = false;
	pthread_mutex_unlock(&k->pace_lock);
	if (changed)
		pacer_set(&k->pacer, &next, now_us);
}

/*
 * After a start the table is empty until signaling has answered the resync. A round that went on before that would
 * pass over everybody who has not been announced again yet.
 */
static bool has_settled(struct keepalive *k, uint64_t now_us)
{
	bool quiet = now_us - k->heard_us >= SETTLE_QUIET_US;

	if (!k->settled)
		k->settled = k->endpoints.count >= k->known_before || (k->endpoints.count > 0 && quiet) ||
			     now_us - k->started_us >= SETTLE_MOST_US;
	return k->settled;
}

static void alarm_overrun(const struct keepalive *k)
{
	struct pace_fit fit = pace_fit(&k->pacer.pace, k->endpoints.count);

	log_warn("keepalive",
		 "a round did not reach all of %u endpoints in %u s; any one of these would fit: "
		 "SS_SIP_NAT_KEEP_ALIVE_SEND_ONE_TIME %u, SS_SIP_NAT_KEEP_ALIVE_SEND_INTERVAL %u, "
		 "SS_SIP_NAT_KEEP_ALIVE_PERIOD %u (0 = none in its range)",
		 k->endpoints.count, k->pacer.pace.period_s, fit.one_time, fit.interval_ms, fit.period_s);
}

/* Totals into the counters; the round into its gauges, from where the next life takes it. */
static void account(struct keepalive *k, const struct pacer *before)
{
	const struct pacer *p = &k->pacer;
	const struct pacer_round *round = &p->round;

	counter_add(k->counters, COUNTER_keepalive_rounds, p->rounds - before->rounds);
	counter_add(k->counters, COUNTER_keepalive_rounds_overrun, p->overruns - before->overruns);
	counter_add(k->counters, COUNTER_keepalive_bursts, p->bursts - before->bursts);
	counter_add(k->counters, COUNTER_keepalive_late_bursts, p->late_bursts - before->late_bursts);
	counter_add(k->counters, COUNTER_keepalive_expired, p->expired - before->expired);
	gauge_set(k->counters, COUNTER_keepalive_round_start_us, round->start_us);
	gauge_set(k->counters, COUNTER_keepalive_round_burst_us, round->burst_us);
	gauge_set(k->counters, COUNTER_keepalive_round_cursor, round->cursor);
	gauge_set(k->counters, COUNTER_keepalive_round_left, round->left);
	if (p->overruns != before->overruns)
		alarm_overrun(k);
}

static void poll_once(struct keepalive *k, uint64_t now_us)
{
	take_new_pace(k, now_us);
	if (has_settled(k, now_us)) {
		struct pacer before = k->pacer;

		k->now_us = now_us;
		pacer_poll(&k->pacer, now_us, emit, k);
		account(k, &before);
		gauge_set(k->counters, COUNTER_keepalive_endpoints, k->endpoints.count);
	}
	flush(k, now_us);
}

static void nap(const struct keepalive *k, bool busy)
{
	uint64_t now_us = clock_now_us(), next_us = pacer_next_us(&k->pacer);
	uint64_t nap_us = busy ? NAP_BUSY_US : NAP_MAX_US;

	if (next_us <= now_us)
		nap_us = NAP_BUSY_US;
	else if (next_us - now_us < nap_us)
		nap_us = next_us - now_us;
	struct timespec ts = {.tv_nsec = (long)(nap_us * 1000)};

	nanosleep(&ts, NULL);
}

static void *pace_thread(void *context)
{
	struct keepalive *k = context;

	log_worker_init("pace");
	while (!k->process.stopping) {
		uint64_t now_us = clock_now_us();
		unsigned int heard = receive(k, now_us);

		poll_once(k, now_us);
		if (heard < MESSAGES_PER_POLL)
			nap(k, heard > 0);
	}
	return NULL;
}

/* ---- start and end ----------------------------------------------------------------------------------------------- */

static int open_peers(struct keepalive *k, const struct config *config)
{
	k->peers_count = rings_threads(config, ROLE_SIGNALING);
	for (unsigned int worker = 0; worker < k->peers_count; worker++) {
		struct peer *peer = &k->peers[worker];
		int error = rings_consumer(&peer->from, NULL, config, ROLE_SIGNALING, worker, ROLE_KEEPALIVE, 0);

		if (error == 0)
			error = rings_producer(&peer->to, config, ROLE_KEEPALIVE, 0, ROLE_SIGNALING, worker);
		if (error == 0)
			error = outbox_init(&peer->outbox);
		if (error)
			return error;
		bell_open(&peer->bell, &k->process, ROLE_SIGNALING, worker);
	}
	return 0;
}

static uint64_t gauge_get(const struct keepalive *k, enum counter_id id)
{
	return atomic_load_explicit(&k->counters->value[id], memory_order_relaxed);
}

/* Where the previous life left the round; 32-bit values that are too large stay so, for the pacer to refuse. */
static void resume(struct keepalive *k, const struct pace *pace)
{
	uint64_t cursor = gauge_get(k, COUNTER_keepalive_round_cursor);
	uint64_t left = gauge_get(k, COUNTER_keepalive_round_left);
	struct pacer_round round = {
	    .start_us = gauge_get(k, COUNTER_keepalive_round_start_us),
	    .burst_us = gauge_get(k, COUNTER_keepalive_round_burst_us),
	    .cursor = cursor < UINT32_MAX ? (uint32_t)cursor : UINT32_MAX,
	    .left = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX,
	};

	k->known_before = gauge_get(k, COUNTER_keepalive_endpoints);
	if (k->known_before > k->endpoints.capacity)
		k->known_before = 0;
	pacer_init(&k->pacer, &k->endpoints, pace, &round, clock_now_us());
}

static int start(struct keepalive *k)
{
	const struct config *config = k->process.config;
	struct pace pace = pace_of(config);
	int error;

	k->counters = counters_row(&k->process.counters_segment, "keepalive-pace");
	if (!k->counters) {
		log_error("keepalive", "no counter row left");
		return -ENOSPC;
	}
	error = endpoints_init(&k->endpoints, config->limits.registrations);
	if (error == 0)
		error = pb_arena_init(&k->arena, 4096);
	if (error == 0)
		error = open_peers(k, config);
	if (error)
		return error;
	if (getrandom(&k->life, sizeof(k->life), 0) != sizeof(k->life))
		return -EIO;
	resume(k, &pace);
	k->started_us = k->heard_us = clock_now_us();
	error = -pthread_create(&k->thread, NULL, pace_thread, k);
	k->thread_runs = error == 0;
	return error;
}

static void stop(struct keepalive *k)
{
	k->process.stopping = true;
	if (k->thread_runs)
		pthread_join(k->thread, NULL);
	for (unsigned int worker = 0; worker < k->peers_count; worker++) {
		bell_close(&k->peers[worker].bell);
		outbox_fini(&k->peers[worker].outbox);
	}
	pb_arena_fini(&k->arena);
	endpoints_fini(&k->endpoints);
}

int main(int argc, char **argv)
{
	static const struct process_hooks hooks = {.role = ROLE_KEEPALIVE, .reload = reload};
	static struct keepalive k = {.pace_lock = PTHREAD_MUTEX_INITIALIZER};
	int status = process_init(&k.process, &hooks, argc, argv);

	if (status)
		return status;
	k.process.context = &k;
	int error = start(&k);

	if (error)
		log_error("keepalive", "cannot start: %s", strerror(-error));
	else
		process_run(&k.process);
	stop(&k);
	process_fini(&k.process);
	return error ? 1 : 0;
}
