/* SPDX-License-Identifier: Apache-2.0 */
/* The load's thread: take in what came, place what is due, let timers fire, send. No system call but the drivers'. */
#include <math.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <time.h>

#include <rte_cycles.h>

#include "generator.h"
#include "phones.h"

#define ARRIVALS_AT_ONCE 64
#define BURSTS_AT_ONCE   16
#define READ_WHOLE       64 /* each so manyth message is read from end to end even when a glance would do */
#define TIMERS_AT_ONCE   256
#define ENDINGS_AT_ONCE  32
#define IDLE_POLLS       32
#define PROBE_NS         200000000u
#define NAP_NS           20000

/* Around a stretch: a late wake-up before it, and what its last calls bring after it. */
#define STRETCH_BEFORE_NS 500000
#define STRETCH_AFTER_NS  1000000

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now); /* by the vDSO */
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- what comes in ------------------------------------------------------------------------------------------- */

enum whose { WHOSE_NOBODY, WHOSE_CALLER, WHOSE_CALLEE, WHOSE_MEDIA, WHOSE_PHONE };

static int range_index(const struct endpoint_range *range, const struct net_addr *addr)
{
	if (addr->port < range->first || addr->port > range->last)
		return -1;
	for (unsigned int i = 0; i < range->addresses; i++)
		if (same_ip(&range->address[i], addr))
			return (int)i;
	return -1;
}

/* `index`: which address of the range. */
static enum whose whose(const struct link *link, const struct net_addr *local, unsigned int *index)
{
	int found;

	if (local->port == link->customer.port && same_ip(&link->customer, local))
		return WHOSE_CALLER;
	for (unsigned int i = 0; i < link->vendor_groups; i++) {
		const struct vendor_group *group = &link->vendor[i];

		if ((unsigned int)local->port - group->address.port < group->count && same_ip(&group->address, local))
			return WHOSE_CALLEE;
	}
	found = range_index(&link->media, local);
	if (found >= 0) {
		*index = (unsigned int)found;
		return WHOSE_MEDIA;
	}
	found = link->has_phones ? range_index(&link->phones, local) : -1;
	if (found < 0)
		return WHOSE_NOBODY;
	*index = (unsigned int)found;
	return WHOSE_PHONE;
}

/* A SIP message that has been read, and whose call is on its way into the cache. */
struct arrival {
	struct datagram *datagram;
	struct sip_view view;
	struct identity id;
	struct call *call;
	bool from_callee; /* it came to the callee's side */
	bool whole;       /* the view has everything */
};

/*
 * Does it say enough to know its kind, its code and its call? So do provisional responses, the answers to BYE and
 * ACKs, which are more than half of all messages. A response's method is told by the branch that was given out.
 */
static bool glance(struct generator *g, struct arrival *a)
{
	struct sip_view *view = &a->view;

	if (!sip_view_glance(view, (const char *)a->datagram->data, a->datagram->len))
		return false;
	if (view->code == 0)
		return view->method == VIEW_ACK && identity_of_uri(&a->id, view->uri);
	if (!identity_of_branch(&a->id, view->via[0], g->run))
		return false;
	if (view->code < 200 && (a->id.kind == '1' || a->id.kind == '2'))
		view->method = VIEW_INVITE;
	else if (view->code == 200 && (a->id.kind == 'b' || a->id.kind == 'v'))
		view->method = VIEW_BYE;
	return view->method != VIEW_OTHER;
}

static bool read_whole(struct arrival *a)
{
	a->whole = true;
	return sip_view_read(&a->view, (const char *)a->datagram->data, a->datagram->len) == 0;
}

/* False: nothing to be handled. */
static bool read_sip(struct generator *g, struct arrival *a, struct datagram *d, bool callee)
{
	bool known = true;

	a->datagram = d;
	a->from_callee = callee;
	a->call = NULL;
	a->whole = false;
	if (g->read++ % READ_WHOLE == 0 || !glance(g, a)) {
		a->id = (struct identity){0};
		if (!read_whole(a)) {
			tally_add(&g->malformed, 1);
			return false;
		}
		known = a->view.code ? identity_of_branch(&a->id, a->view.via[0], g->run)
				     : identity_of_uri(&a->id, a->view.uri);
	}
	message_count(g, callee ? ROLE_CALLEE : ROLE_CALLER, RECEIVED, message_type(a->view.method, a->view.code));
	if (!known || a->id.slot >= g->calls.size)
		return true;
	a->call = &g->calls.call[a->id.slot];
	for (unsigned int i = 0; i < 5; i++)
		__builtin_prefetch((const char *)a->call + i * 64, 1);
	return true;
}

/* What a glance left out, where it matters: which vendor an ACK is for, and whether a CANCEL is answered. */
static bool complete(struct arrival *a, const struct call *call)
{
	if (a->whole || (call && call->attempts <= 1 && !(call->flags & CALL_CANCEL_SENT)))
		return true;
	return read_whole(a);
}

static void handle_sip(struct generator *g, struct arrival *a, unsigned int port)
{
	struct call *call = a->call ? call_find(&g->calls, &a->id) : NULL;

	if (!complete(a, call)) {
		tally_add(&g->malformed, 1);
	} else if (a->view.code == 0) {
		if (a->from_callee)
			callee_request(g, call, &a->view, a->datagram, port);
		else
			caller_request(g, call, &a->view, a->datagram);
	} else if (!call) {
		if (a->id.kind == PROBE_KIND && a->id.slot == PROBE_SLOT)
			atomic_store_explicit(&g->answer.heard, true, memory_order_relaxed);
		else
			tally_add(&g->stray, 1);
	} else if (a->from_callee) {
		callee_response(g, call, &a->view);
	} else {
		caller_response(g, call, &a->view, &a->id);
	}
}

static unsigned int receive(struct generator *g, unsigned int port)
{
	struct datagram in[PORT_BURST];
	struct arrival arrival[PORT_BURST];
	unsigned int count = port_receive(g->queue[port], in, PORT_BURST, now_us(g)), arrivals = 0, index = 0;

	if (count == 0)
		return 0;
	g->now_ns = clock_ns(); /* what came while the load was at work did not come before */
	rtp_look_ahead(g, in, count);
	for (unsigned int i = 0; i < count; i++) {
		enum whose who = whose(g->link, &in[i].local, &index);

		if (who == WHOSE_MEDIA) {
			rtp_receive(g, &in[i], index);
			continue;
		}
		if ((who == WHOSE_CALLER || who == WHOSE_CALLEE) &&
		    read_sip(g, &arrival[arrivals], &in[i], who == WHOSE_CALLEE)) {
			arrivals++;
			continue;
		}
		if (who == WHOSE_PHONE)
			phones_receive(g,
				       index * (g->link->phones.last - g->link->phones.first + 1u) + in[i].local.port -
					   g->link->phones.first,
				       &in[i]);
		else if (who == WHOSE_NOBODY)
			tally_add(&g->stray, 1);
		datagram_free(&in[i]);
	}
	for (unsigned int i = 0; i < arrivals; i++) {
		handle_sip(g, &arrival[i], port);
		datagram_free(arrival[i].datagram);
	}
	return count;
}

/* More is sent in a poll than one burst brings in. */
static unsigned int drain(struct generator *g, unsigned int port)
{
	unsigned int all = 0, count = PORT_BURST, ring = g->link->ring[port];

	for (unsigned int bursts = 0; bursts < BURSTS_AT_ONCE && count >= PORT_BURST / 2; bursts++) {
		count = receive(g, port);
		all += count;
	}
	g->unread[port] = count >= PORT_BURST / 2 ? g->unread[port] + all : all;
	if (ring && g->unread[port] >= ring && g->overrun_ns != g->now_ns) {
		g->overrun_ns = g->now_ns;
		stat_inc(g->phase, STAT_overrun);
	}
	return all;
}

/* ---- what is due --------------------------------------------------------------------------------------------- */

/* So long after the last one; the time between two stretches does not count. */
static void next_arrival(struct generator *g)
{
	double share = g->scenario->load.poisson && !g->phase->standing ? -log(1 - random_share(g)) : 1;
	double later = g->interval_ns * share, stretch = (double)g->phase->stretch_ns, left;

	if (stretch > 0) {
		left = stretch - fmod(g->next_due_ns - (double)g->entered_ns, 2 * stretch);
		if (later >= left)
			later += stretch * (1 + floor((later - left) / stretch));
	}
	g->next_due_ns += later;
}

static unsigned int arrive(struct generator *g)
{
	unsigned int count = 0;

	if (g->interval_ns <= 0 || !atomic_load_explicit(&g->command.placing, memory_order_relaxed))
		return 0;
	while (g->next_due_ns <= (double)g->now_ns && count < ARRIVALS_AT_ONCE) {
		uint64_t due_ns = (uint64_t)g->next_due_ns;

		if (g->phase->registers)
			phones_register(g, due_ns);
		else if (!g->phase->standing || stat_read(g->phase, STAT_offered) < g->scenario->load.standing)
			caller_place(g, due_ns, g->phase->standing);
		next_arrival(g);
		count++;
	}
	return count;
}

/* Hang up what stands, at the rate of the phase; calls that are not yet up end by themselves. */
static unsigned int end_calls(struct generator *g)
{
	unsigned int count = 0;

	for (; g->ending_slot < g->calls.size && count < ENDINGS_AT_ONCE && g->next_due_ns <= (double)g->now_ns;
	     g->ending_slot++) {
		struct call *call = &g->calls.call[g->ending_slot];

		if (!(call->flags & CALL_IN_USE) || call->caller != CALLER_UP)
			continue;
		caller_hang_up(g, call);
		g->next_due_ns += g->interval_ns;
		count++;
	}
	atomic_store_explicit(&g->answer.left, g->calls.size - g->ending_slot, memory_order_relaxed);
	return count;
}

/* Calls that are there for the rate of their packets begin with the lowest, not with what so many would send. */
static double first_interval_ns(const struct generator *g)
{
	const struct load *load = &g->scenario->load;
	double streams = 2 * load->standing * g->scenario->rtp.share,
	       interval_ns = (double)g->scenario->rtp.interval_ns;

	return load->of_rtp && load->rate > 0 ? fmax(interval_ns, 1e9 * streams / load->rate) : interval_ns;
}

static void enter_phase(struct generator *g, uint32_t index)
{
	struct phase *phase = g->phases[index];

	g->phase = phase;
	g->interval_ns = 0;
	if (phase->of_rtp)
		rtp_set_interval(g, g->rtp.running ? 1e9 * g->rtp.running / phase->rate
						   : (double)g->scenario->rtp.interval_ns);
	else if (phase->rate > 0)
		g->interval_ns = 1e9 / phase->rate;
	if (phase->standing)
		rtp_set_interval(g, first_interval_ns(g));
	g->entered_ns = g->now_ns;
	g->next_due_ns = (double)g->now_ns;
	g->ending_slot = phase->ending ? 0 : g->calls.size;
	atomic_store_explicit(&g->answer.phase, index, memory_order_release);
}

/* ---- the loop ------------------------------------------------------------------------------------------------ */

/* Before anything is measured: is the switch there? */
static void probe(struct generator *g)
{
	if (g->now_ns < g->next_probe_ns || atomic_load_explicit(&g->answer.heard, memory_order_relaxed))
		return;
	g->next_probe_ns = g->now_ns + PROBE_NS;
	caller_probe(g);
}

static unsigned int poll(struct generator *g)
{
	uint32_t wanted = atomic_load_explicit(&g->command.phase, memory_order_acquire);
	unsigned int work = 0;

	g->now_ns = clock_ns();
	if (wanted != atomic_load_explicit(&g->answer.phase, memory_order_relaxed))
		enter_phase(g, wanted);
	for (unsigned int i = 0; i < g->ports_count; i++)
		work += drain(g, i);
	if (g->phase == g->phases[0])
		probe(g);
	if (g->phase->ending)
		work += end_calls(g);
	else
		work += arrive(g);
	work += rtp_send(g);
	outgoing_check(g, false);
	work += timer_wheel_sweep(&g->wheel, wheel_time(g->now_ns), TIMERS_AT_ONCE);
	for (unsigned int i = 0; i < g->ports_count; i++) {
		port_tick(g->queue[i], now_us(g));
		port_flush(g->queue[i], now_us(g));
		outgoing_check(g, i == g->customer_port || i != g->media_port[0]);
	}
	atomic_store_explicit(&g->answer.standing, g->up, memory_order_relaxed);
	atomic_store_explicit(&g->answer.calls, g->calls.used, memory_order_relaxed);
	return work;
}

/* Within a stretch of the load, or so near to one that a nap might last into it, or what came of it be missed. */
static bool in_stretch(const struct generator *g)
{
	uint64_t stretch = g->phase->stretch_ns, at = stretch ? (g->now_ns - g->entered_ns) % (2 * stretch) : 0;

	return stretch && (at < stretch + STRETCH_AFTER_NS || at + STRETCH_BEFORE_NS >= 2 * stretch);
}

/* The next thing is never nearer than a nap when there was nothing to do for so many polls. */
static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
}

static void begin(struct generator *g)
{
	double until = 0;

	prctl(PR_SET_TIMERSLACK, 1000ul);
	g->now_ns = clock_ns();
	g->random = g->now_ns * 0x9e3779b97f4a7c15ull | 1;
	timer_wheel_init(&g->wheel, wheel_time(g->now_ns), g);
	for (unsigned int i = 0; i < g->scenario->flows; i++)
		g->flow_until[i] = until += g->scenario->flow[i].share;
	for (unsigned int i = 0; i < g->ports_count; i++)
		g->queue[i] = port_queue_open(g->ports[i], 0, &g->row);
	enter_phase(g, 0);
}

int load_run(void *context)
{
	struct generator *g = context;
	bool naps = g->link->config.process[ROLE_SIGNALING].idle == IDLE_NAP;
	unsigned int idle = 0;
	uint64_t before = rte_rdtsc(), after;

	begin(g);
	while (!atomic_load_explicit(&g->command.stop, memory_order_relaxed)) {
		uint64_t looked_ns = g->now_ns;
		unsigned int work = poll(g);

		/* By time, not by number: how long a gap is in which a random moment falls. */
		histogram_add_times(&g->phase->latency[LATENCY_gap], g->now_ns - looked_ns, g->now_ns - looked_ns);

		/* With packets, of which one is nearly always due soon, such polls need not be in a row. */
		idle = work == 0 ? idle + 1 : g->rtp.running ? idle : 0;
		if (naps && idle > IDLE_POLLS && !in_stretch(g)) {
			nap();
			idle = g->rtp.running ? 0 : idle;
		}
		after = rte_rdtsc();
		stat_add(g->phase, STAT_cycles, after - before);
		if (work)
			stat_add(g->phase, STAT_busy_cycles, after - before);
		before = after;
	}
	phones_finish(g);
	atomic_store_explicit(&g->answer.stopped, true, memory_order_release);
	return 0;
}
