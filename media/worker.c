/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "common/clock.h"
#include "common/log.h"
#include "kept.h"
#include "relay.h"
#include "watch.h"
#include "worker.h"

#define INBOX_DATAGRAMS 512 /* for each pair of workers */

static_assert(sizeof(struct datagram) % 4 == 0, "element of an rte_ring");

/* ---- between workers ----------------------------------------------------------------------------------------------
 */

static struct media_worker *worker_of(struct media_core *core)
{
	return (struct media_worker *)((char *)core - offsetof(struct media_worker, core));
}

/* A datagram without mbuf asks for a slot instead: its number is in len. It is asked again until it is done. */
static void let_go(struct media_core *core, unsigned int media_worker, uint32_t slot)
{
	struct media_worker *w = worker_of(core);
	struct datagram ask = {.len = slot};

	if (media_worker < w->workers_count && media_worker != core->worker &&
	    rte_ring_sp_enqueue_elem(w->workers[media_worker].inbox[core->worker], &ask, sizeof(ask)) == 0)
		w->handed[media_worker]++;
}

static void hand_over(struct media_worker *w, struct datagram *d, unsigned int to)
{
	if (rte_ring_sp_enqueue_elem(w->workers[to].inbox[w->core.worker], d, sizeof(*d)) == 0) {
		counter_inc(w->core.row, COUNTER_media_handed_over);
		w->handed[to]++;
		return;
	}
	counter_inc(w->core.row, COUNTER_media_drop_hand_over);
	datagram_free(d);
}

/* ---- the loop -----------------------------------------------------------------------------------------------------
 */

static void send(struct media_worker *w, struct datagram *d, const struct relay_verdict *verdict, struct relay_sum *sum,
		 uint64_t now_us)
{
	if (port_send(w->queue[verdict->target], d, now_us) == 0)
		relay_sent(sum, verdict);
	else
		counter_inc(w->core.row, COUNTER_media_drop_send);
}

static void send_kept(struct media_core *core, struct datagram *d, const struct relay_verdict *verdict)
{
	struct media_worker *w = worker_of(core);
	struct relay_sum sum = {0};

	send(w, d, verdict, &sum, w->now_us);
	relay_count(core, &sum);
}

static void free_kept(struct media_core *core, struct datagram *d)
{
	datagram_free(d);
}

static void relay(struct media_worker *w, struct datagram *datagrams, unsigned int count, uint64_t now_us)
{
	struct relay_verdict verdicts[PORT_BURST];
	struct relay_sum sum = {0};

	relay_burst(&w->core, datagrams, verdicts, count, now_us);
	for (unsigned int i = 0; i < count; i++) {
		switch (verdicts[i].action) {
		case RELAY_SEND:
			send(w, &datagrams[i], &verdicts[i], &sum, now_us);
			break;
		case RELAY_KEPT:
			break;
		case RELAY_HAND_OVER:
			hand_over(w, &datagrams[i], verdicts[i].target);
			break;
		case RELAY_DROP:
			datagram_free(&datagrams[i]);
			break;
		}
	}
	relay_count(&w->core, &sum);
}

static unsigned int receive(struct media_worker *w, uint64_t now_us)
{
	struct datagram datagrams[PORT_BURST];
	unsigned int all = 0;

	for (unsigned int i = 0; i < w->queues; i++) {
		unsigned int count = port_receive(w->queue[i], datagrams, PORT_BURST, now_us);

		if (count == 0)
			continue;
		counter_add(w->core.row, COUNTER_media_packets_received, count);
		relay(w, datagrams, count, now_us);
		all += count;
	}
	return all;
}

/* What other workers have handed over. */
static unsigned int take_over(struct media_worker *w, uint64_t now_us)
{
	struct datagram datagrams[PORT_BURST];
	unsigned int all = 0;

	for (unsigned int from = 0; from < w->workers_count; from++) {
		unsigned int count, keep = 0;

		if (from == w->core.worker)
			continue;
		count = rte_ring_sc_dequeue_burst_elem(w->inbox[from], datagrams, sizeof(*datagrams), PORT_BURST, NULL);
		for (unsigned int i = 0; i < count; i++) {
			if (datagrams[i].mbuf)
				datagrams[keep++] = datagrams[i];
			else
				sessions_let_go(&w->core, datagrams[i].len);
		}
		relay(w, datagrams, keep, now_us);
		all += count;
	}
	return all;
}

/* Wake who sleeps and has been told something in this poll. */
static void ring_bells(struct media_worker *w)
{
	for (unsigned int peer = 0; peer < w->links.count; peer++)
		bell_ring(&w->signaling_bell[peer], w->links.link[peer].to.head);
	for (unsigned int to = 0; to < w->workers_count; to++)
		bell_ring(&w->colleague[to], w->handed[to]);
}

static unsigned int poll_once(struct media_worker *w, uint64_t now_us)
{
	unsigned int work;

	w->now_us = now_us;
	work = links_poll(&w->links, now_us);
	work += receive(w, now_us);
	work += take_over(w, now_us);
	watch_sweep(&w->core, now_us);
	kept_sweep(&w->core, now_us);
	for (unsigned int i = 0; i < w->queues; i++) {
		port_tick(w->queue[i], now_us);
		port_flush(w->queue[i], now_us);
	}
	ring_bells(w);
	return work;
}

/* Until when it may rest. */
static uint64_t next_us(const struct media_worker *w)
{
	return w->pulse.idle == IDLE_SPIN ? UINT64_MAX : timer_wheel_next_us(&w->core.wheel);
}

int media_worker_run(void *context)
{
	struct media_worker *w = context;

	process_pin_thread(-1, w->name);
	log_worker_init(w->name);
	pulse_start(&w->pulse);
	while (!atomic_load_explicit(&w->process->stopping, memory_order_relaxed)) {
		uint64_t now_us = clock_now_us();
		unsigned int work = poll_once(w, now_us);

		pulse_beat(&w->pulse, work, now_us, next_us(w));
	}
	return 0;
}

/* ---- start and end ------------------------------------------------------------------------------------------------
 */

static const struct media_notify notify = {
    .started = links_started,
    .silent = links_silent,
    .dtmf = links_dtmf,
    .resync = links_resync,
    .let_go = let_go,
    .send_kept = send_kept,
    .free_kept = free_kept,
};

static int inboxes_open(struct media_worker *w)
{
	char name[RTE_RING_NAMESIZE];

	for (unsigned int from = 0; from < w->workers_count; from++) {
		if (from == w->core.worker)
			continue;
		snprintf(name, sizeof(name), "inbox-%u-%u", from, w->core.worker);
		w->inbox[from] = rte_ring_create_elem(name, sizeof(struct datagram), INBOX_DATAGRAMS, SOCKET_ID_ANY,
						      RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (!w->inbox[from]) {
			log_error("media", "no memory for the ring between workers %u and %u", from, w->core.worker);
			return -ENOMEM;
		}
		bell_open(&w->colleague[from], w->process, ROLE_MEDIA, from);
	}
	return 0;
}

int media_worker_init(struct media_worker *w, struct process *process, struct port *const *ports,
		      unsigned int ports_count, struct media_worker *workers, unsigned int workers_count)
{
	int error;

	w->process = process;
	w->workers = workers;
	w->workers_count = workers_count;
	snprintf(w->name, sizeof(w->name), "media-%u", w->core.worker);
	w->core.row = counters_row(&process->counters_segment, w->name);
	if (!w->core.row) {
		log_error("media", "no counter row left for %s", w->name);
		return -ENOSPC;
	}
	w->core.notify = &notify;
	w->core.context = &w->links;
	error = links_open(&w->links, process->config, &w->core);
	if (error == 0)
		error = inboxes_open(w);
	if (error)
		return error;
	for (unsigned int peer = 0; peer < w->links.count; peer++)
		bell_open(&w->signaling_bell[peer], process, ROLE_SIGNALING, peer);
	for (unsigned int i = 0; i < ports_count; i++) {
		w->queue[i] = port_queue_open(ports[i], w->core.worker, w->core.row);
		if (!w->queue[i])
			return -EINVAL;
	}
	w->queues = ports_count;
	pulse_init(&w->pulse, process, w->core.worker, w->queue, w->queues);
	sessions_init(&w->core, clock_now_us());
	return 0;
}

void media_worker_fini(struct media_worker *w)
{
	struct datagram d;

	if (w->core.notify)
		kept_flush(&w->core);
	for (unsigned int from = 0; from < w->workers_count; from++) {
		while (w->inbox[from] && rte_ring_sc_dequeue_elem(w->inbox[from], &d, sizeof(d)) == 0)
			if (d.mbuf)
				datagram_free(&d);
		rte_ring_free(w->inbox[from]);
		bell_close(&w->colleague[from]);
	}
	for (unsigned int peer = 0; peer < w->links.count; peer++)
		bell_close(&w->signaling_bell[peer]);
	pulse_fini(&w->pulse);
	links_close(&w->links);
}
