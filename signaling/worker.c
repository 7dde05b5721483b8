/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "common/clock.h"
#include "common/log.h"
#include "signaling/call.h"
#include "signaling/sip/message.h"
#include "signaling/worker.h"

#define INBOX_DATAGRAMS 1024 /* for each pair of workers */
#define HANGUP_WAIT_MS  500
#define DRAIN_US        (100 * US_PER_MS) /* from SIGTERM on: what is under way is answered, new calls with 503 */

/* A datagram on its way to the worker it belongs to. */
struct handed {
	struct datagram datagram;
	uint64_t port; /* sip_flow.port */
};
static_assert(sizeof(struct handed) % 4 == 0, "element of an rte_ring");

/* ---- datagrams --------------------------------------------------------------------------------------------------- */

/* A REGISTER belongs to the worker that owns its user, everything else to that of its call. */
static unsigned int owner_of(struct worker *w, const struct datagram *d)
{
	int owner;

	if (w->signaling->workers == 1)
		return 0;
	owner = registrar_worker_of(w->signaling->bindings, w->scratch, d->data, d->len);
	return owner >= 0 ? (unsigned int)owner : engine_worker_of(d->data, d->len, w->signaling->workers);
}

static void handle(struct worker *w, struct datagram *d, uint32_t port)
{
	struct sip_flow flow = {.port = port, .local = d->local, .remote = d->remote};

	engine_receive(w->engine, &flow, d->data, d->len);
	datagram_free(d);
}

static void hand_over(struct worker *w, struct datagram *d, uint32_t port, unsigned int to)
{
	struct handed handed = {*d, port};

	if (rte_ring_sp_enqueue_elem(w->signaling->worker[to]->inbox[w->index], &handed, sizeof(handed)) == 0) {
		counter_inc(w->counters, COUNTER_worker_handed_over);
		w->handed[to]++;
		return;
	}
	counter_inc(w->counters, COUNTER_worker_drop_hand_over);
	datagram_free(d);
}

static void dispatch(struct worker *w, struct datagram *d, uint32_t port)
{
	unsigned int owner;

	if (d->local.port != w->sip_port[port]) {
		counter_inc(w->counters, COUNTER_worker_drop_wrong_port);
		datagram_free(d);
		return;
	}
	owner = owner_of(w, d);
	if (owner == w->index)
		handle(w, d, port);
	else
		hand_over(w, d, port, owner);
}

static unsigned int receive(struct worker *w)
{
	struct datagram datagrams[PORT_BURST];
	unsigned int all = 0;

	for (uint32_t port = 0; port < w->signaling->ports; port++) {
		unsigned int count = port_receive(w->queue[port], datagrams, PORT_BURST, w->now_us);

		w->backlog |= port_queue_more(w->queue[port]);
		for (unsigned int i = 0; i < count && i < ENGINE_LOOK_AHEAD; i++)
			engine_look_ahead(w->engine, datagrams[i].data, datagrams[i].len);
		for (unsigned int i = 0; i < count; i++) {
			if (i + ENGINE_LOOK_AHEAD < count)
				engine_look_ahead(w->engine, datagrams[i + ENGINE_LOOK_AHEAD].data,
						  datagrams[i + ENGINE_LOOK_AHEAD].len);
			dispatch(w, &datagrams[i], port);
		}
		all += count;
	}
	return all;
}

/* What other workers have handed over. */
static unsigned int take_over(struct worker *w)
{
	struct handed handed[PORT_BURST];
	unsigned int all = 0;

	for (unsigned int from = 0; from < w->signaling->workers; from++) {
		unsigned int count;

		if (from == w->index)
			continue;
		count = rte_ring_sc_dequeue_burst_elem(w->inbox[from], handed, sizeof(*handed), PORT_BURST, NULL);
		w->backlog |= count == PORT_BURST;
		for (unsigned int i = 0; i < count; i++)
			handle(w, &handed[i].datagram, (uint32_t)handed[i].port);
		all += count;
	}
	return all;
}

/* Out with it, and whoever sleeps and has to do with it is woken. */
static void flush(struct worker *w)
{
	for (uint32_t port = 0; port < w->signaling->ports; port++)
		port_flush(w->queue[port], w->now_us);
	worker_rings_ring(w);
	for (unsigned int to = 0; to < w->signaling->workers; to++)
		bell_ring(&w->colleague[to], w->handed[to]);
}

/* ---- the main thread's wishes ------------------------------------------------------------------------------------ */

static void hangup_poll(struct worker *w)
{
	struct hangup_box *box = &w->hangup;
	uint32_t asked = HANGUP_ASKED;

	if (atomic_load_explicit(&box->state, memory_order_relaxed) != HANGUP_ASKED ||
	    !atomic_compare_exchange_strong_explicit(&box->state, &asked, HANGUP_TAKEN, memory_order_acquire,
						     memory_order_relaxed))
		return;
	box->result = engine_hangup(w->engine, box->call_id);
	atomic_store_explicit(&box->state, HANGUP_DONE, memory_order_release);
}

int worker_hangup(struct worker *w, const uint8_t call_id[static 16])
{
	struct hangup_box *box = &w->hangup;
	uint32_t asked = HANGUP_ASKED;

	memcpy(box->call_id, call_id, sizeof(box->call_id));
	atomic_store_explicit(&box->state, HANGUP_ASKED, memory_order_release);
	for (int ms = 0; atomic_load_explicit(&box->state, memory_order_acquire) != HANGUP_DONE; ms++) {
		/* Taken back only while the worker has not begun with it. */
		if (ms >= HANGUP_WAIT_MS && atomic_compare_exchange_strong(&box->state, &asked, HANGUP_IDLE))
			return -ETIMEDOUT;
		asked = HANGUP_ASKED;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	atomic_store_explicit(&box->state, HANGUP_IDLE, memory_order_relaxed);
	return box->result;
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static void take_snapshot(struct worker *w)
{
	const struct signaling_snapshot *snapshot = snapshot_get(&w->signaling->snapshot);

	w->engine->snapshot = snapshot;
	w->tos = (uint8_t)snapshot->parameters->qos_signal;
}

static unsigned int poll_once(struct worker *w)
{
	unsigned int work;

	take_snapshot(w);
	w->engine->now_us = w->now_us;
	w->backlog = false;
	work = receive(w);
	work += take_over(w);
	work += worker_rings_poll(w);
	hangup_poll(w);
	engine_tick(w->engine, w->now_us);
	for (uint32_t port = 0; port < w->signaling->ports; port++)
		port_tick(w->queue[port], w->now_us);
	flush(w);
	overload_poll(&w->engine->overload, w->backlog ? OVERLOAD_BACKLOG : work ? OVERLOAD_BUSY : OVERLOAD_IDLE,
		      w->now_us);
	return work;
}

/* Until when it may rest: the calls' next timer, or the end of the drain; not while media is told everything again. */
static uint64_t next_us(const struct worker *w, uint64_t end_us)
{
	const struct calls *calls = w->engine->calls;
	uint64_t due_us;

	if (w->pulse.idle == IDLE_SPIN)
		return UINT64_MAX;
	for (unsigned int m = 0; m < w->media_workers; m++)
		if (calls->resync_next[m] < calls->count)
			return w->now_us;
	due_us = engine_next_us(w->engine);
	return due_us < end_us ? due_us : end_us;
}

static void loop(struct worker *w)
{
	struct process *process = &w->signaling->process;
	uint64_t end_us = UINT64_MAX;

	pulse_start(&w->pulse);
	do {
		unsigned int work;

		w->now_us = clock_now_us();
		if (end_us == UINT64_MAX && atomic_load_explicit(&process->stopping, memory_order_relaxed)) {
			engine_stop(w->engine);
			end_us = w->now_us + DRAIN_US;
		}
		work = poll_once(w);
		snapshot_quiescent();
		pulse_beat(&w->pulse, work, w->now_us, next_us(w, end_us));
	} while (w->now_us < end_us);
}

int worker_run(void *context)
{
	struct worker *w = context;

	process_pin_thread(-1, w->name);
	log_worker_init(w->name);
	rcu_register_thread();
	w->now_us = w->engine->now_us = clock_now_us();
	registrar_start(w->engine);
	loop(w);
	rcu_unregister_thread();
	return 0;
}

/* ---- start and end ----------------------------------------------------------------------------------------------- */

static int inboxes_open(struct worker *w)
{
	char name[RTE_RING_NAMESIZE];

	for (unsigned int from = 0; from < w->signaling->workers; from++) {
		if (from == w->index)
			continue;
		snprintf(name, sizeof(name), "inbox-%u-%u", from, w->index);
		w->inbox[from] = rte_ring_create_elem(name, sizeof(struct handed), INBOX_DATAGRAMS, SOCKET_ID_ANY,
						      RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (w->inbox[from] == NULL) {
			log_error("worker", "no memory for the ring between workers %u and %u", from, w->index);
			return -ENOMEM;
		}
		bell_open(&w->colleague[from], &w->signaling->process, ROLE_SIGNALING, from);
	}
	return 0;
}

static int queues_open(struct worker *w)
{
	for (unsigned int i = 0; i < w->signaling->ports; i++) {
		w->queue[i] = port_queue_open(w->signaling->port[i], w->index, w->counters);
		if (w->queue[i] == NULL)
			return -EINVAL;
		w->sip_port[i] = port_config(w->signaling->port[i])->sip_port;
	}
	return 0;
}

static int engine_make(struct worker *w)
{
	struct signaling *s = w->signaling;
	struct registrar_options registrar = {
	    .worker = w->index,
	    .store = s->bindings,
	    .expiry = s->binding_timers,
	    .to_keepalive = &w->to_keepalive,
	    .counters = w->counters,
	};
	struct engine_options engine = {
	    .worker = w->index,
	    .workers = s->workers,
	    .config = s->process.config,
	    .snapshot = snapshot_get(&s->snapshot),
	    .counters = w->counters,
	    .io = {.send = worker_send, .flow_to = worker_flow_to, .context = w},
	    .to_media = w->to_media,
	    .media_workers = w->media_workers,
	    .to_keepalive = &w->to_keepalive,
	    .to_cdrwriter = &w->to_cdrwriter,
	    .calls_segment = s->calls.content,
	    .media_segment = s->media_sessions.content,
	    .status = s->process.status_segment.content,
	    .now_us = clock_now_us(),
	};

	w->registrar = registrar_new(&registrar);
	if (w->registrar == NULL)
		return -ENOMEM;
	engine.registrar = w->registrar;
	w->engine = engine_new(&engine);
	return w->engine != NULL ? 0 : -ENOMEM;
}

static int worker_init(struct worker *w)
{
	int error;

	snprintf(w->name, sizeof(w->name), "signaling-%u", w->index);
	w->scratch = malloc(sizeof(*w->scratch));
	w->counters = counters_row(&w->signaling->process.counters_segment, w->name);
	if (w->scratch == NULL || w->counters == NULL)
		return -ENOSPC;
	error = worker_rings_open(w);
	if (error == 0)
		error = inboxes_open(w);
	if (error == 0)
		error = queues_open(w);
	if (error == 0) {
		pulse_init(&w->pulse, &w->signaling->process, w->index, w->queue, w->signaling->ports);
		error = engine_make(w);
	}
	return error;
}

struct worker *worker_new(struct signaling *signaling, unsigned int index)
{
	struct worker *w = calloc(1, sizeof(*w));
	int error = -ENOMEM;

	if (w != NULL) {
		w->signaling = signaling;
		w->index = index;
		error = worker_init(w);
	}
	if (error == 0)
		return w;
	log_error("worker", "worker %u can't be made: %s", index, strerror(-error));
	worker_free(w);
	return NULL;
}

void worker_free(struct worker *w)
{
	struct handed handed;

	if (w == NULL)
		return;
	for (unsigned int from = 0; from < w->signaling->workers; from++) {
		while (w->inbox[from] != NULL && rte_ring_sc_dequeue_elem(w->inbox[from], &handed, sizeof(handed)) == 0)
			datagram_free(&handed.datagram);
		rte_ring_free(w->inbox[from]);
		bell_close(&w->colleague[from]);
	}
	worker_rings_close(w);
	pulse_fini(&w->pulse);
	if (w->engine != NULL)
		engine_free(w->engine);
	registrar_free(w->registrar);
	free(w->scratch);
	free(w);
}
