/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Next hops: which neighbour a destination goes through, and under which link-layer address it is reached.
 *
 * Each queue has a cache of its own, so nothing is locked. Whatever a queue hears from a neighbour it tells the
 * other queues of the port through their event rings; each then acts on it as if it had heard it itself.
 *
 * A cache believes answers to questions that it asked, and, for a neighbour it knows nothing about, the sender of a
 * question directed at us. Anything else that contradicts it merely makes it ask.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

#define FIRST_RETRY_US (100 * US_PER_MS)
#define RETRY_US       (1 * US_PER_S)
#define REQUESTS       4 /* for an unknown neighbour: at once, after 100 ms, and twice after a second */
#define PROBES_UNICAST 3 /* to the known address, then ... */
#define PROBES         6 /* ... the rest to everybody */
#define LEARN_UNTIL    (NEIGHBORS * 3 / 4) /* entries that only asked us something may fill this much */
#define GATEWAYS_US    US_PER_S

/* ---- the table -------------------------------------------------------------------------------------------------- */

void neighbor_init(struct neighbor_table *t)
{
	memset(t, 0, sizeof(*t));
	memset(t->bucket, 0xff, sizeof(t->bucket));
	t->free_first = NEIGHBOR_NONE;
	for (uint16_t i = 0; i < NEIGHBOR_WAITING_ALL; i++)
		t->frame[i].next = i + 1 < NEIGHBOR_WAITING_ALL ? i + 1 : NEIGHBOR_NONE;
	t->hash_key = (uint32_t)clock_now_us() | 1;
}

/* False when too many wait already. */
static bool waiting_put(struct neighbor_table *t, struct neighbor *n, struct rte_mbuf *m)
{
	uint16_t index = t->frame_free;

	if (n->waiting_count == NEIGHBOR_WAITING || index == NEIGHBOR_NONE)
		return false;
	t->frame_free = t->frame[index].next;
	t->frame[index] = (struct waiting_frame){.mbuf = m, .next = NEIGHBOR_NONE};
	*(n->waiting_count == 0 ? &n->waiting_first : &t->frame[n->waiting_last].next) = index;
	n->waiting_last = index;
	n->waiting_count++;
	t->waiting++;
	return true;
}

/* The frame that has waited longest, or NULL. */
static struct rte_mbuf *waiting_take(struct neighbor_table *t, struct neighbor *n)
{
	struct waiting_frame *frame;
	uint16_t index;

	if (n->waiting_count == 0)
		return NULL;
	index = n->waiting_first;
	frame = &t->frame[index];
	n->waiting_first = frame->next;
	n->waiting_count--;
	t->waiting--;
	frame->next = t->frame_free;
	t->frame_free = index;
	return frame->mbuf;
}

static void waiting_free(struct neighbor_table *t, struct neighbor *n)
{
	struct rte_mbuf *m;

	while ((m = waiting_take(t, n)))
		rte_pktmbuf_free(m);
}

void neighbor_fini(struct neighbor_table *t)
{
	for (unsigned int i = 0; i < t->high; i++)
		waiting_free(t, &t->entry[i]);
}

static struct neighbor *find(struct neighbor_table *t, const uint8_t *ip, uint8_t family)
{
	for (uint16_t i = t->bucket[neighbor_hash(t, ip) % NEIGHBOR_BUCKETS]; i != NEIGHBOR_NONE; i = t->entry[i].next)
		if (ip_equal(t->entry[i].ip, ip) && t->entry[i].family == family)
			return &t->entry[i];
	return NULL;
}

static void set_state(struct neighbor_table *t, struct neighbor *n, enum neighbor_state state, uint64_t timer_us)
{
	t->unresolved -= n->state == NEIGHBOR_INCOMPLETE;
	t->unresolved += state == NEIGHBOR_INCOMPLETE;
	n->state = (uint8_t)state;
	n->requests = 0;
	n->timer_us = timer_us;
}

static void forget(struct neighbor_table *t, struct neighbor *n)
{
	uint16_t index = (uint16_t)(n - t->entry), *link = &t->bucket[neighbor_hash(t, n->ip) % NEIGHBOR_BUCKETS];

	while (*link != index)
		link = &t->entry[*link].next;
	*link = n->next;
	waiting_free(t, n);
	set_state(t, n, NEIGHBOR_FREE, 0);
	n->next = t->free_first;
	t->free_first = index;
	t->used--;
	for (unsigned int i = 0; i < DESTINATIONS; i++)
		if (t->destination[i].neighbor == index)
			t->destination[i].family = NET_NONE;
}

/* Make room: the least recently used of a few taken at random. */
static void evict(struct port_queue *q)
{
	struct neighbor_table *t = &q->neighbors;
	struct neighbor *oldest = NULL;

	for (int i = 0; i < 16; i++) {
		struct neighbor *n = &t->entry[port_random(q) % t->high];

		if (n->state != NEIGHBOR_FREE && (!oldest || n->used_us < oldest->used_us))
			oldest = n;
	}
	if (!oldest)
		return;
	counter_inc(q->row, COUNTER_port_neighbor_evicted);
	counter_add(q->row, COUNTER_port_tx_unresolved, oldest->waiting_count);
	forget(t, oldest);
}

static struct neighbor *add(struct port_queue *q, const uint8_t *ip, uint8_t family)
{
	struct neighbor_table *t = &q->neighbors;
	struct neighbor *n;
	uint16_t index, *bucket = &t->bucket[neighbor_hash(t, ip) % NEIGHBOR_BUCKETS];

	if (t->free_first == NEIGHBOR_NONE && t->high == NEIGHBORS)
		evict(q);
	index = t->free_first;
	if (index != NEIGHBOR_NONE)
		t->free_first = t->entry[index].next;
	else if (t->high < NEIGHBORS)
		index = t->high++;
	else
		return NULL;
	n = &t->entry[index];
	memcpy(n->ip, ip, sizeof(n->ip));
	n->family = family;
	n->used_us = q->now_us;
	n->next = *bucket;
	*bucket = index;
	t->used++;
	return n;
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

static void request(struct port_queue *q, struct neighbor *n, const struct rte_ether_addr *to)
{
	counter_inc(q->row, COUNTER_port_neighbor_requests);
	if (n->family == NET_IP4)
		arp_request(q, n->ip, to);
	else
		nd_request(q, n->ip, to);
	n->requests++;
	n->timer_us = q->now_us + (n->requests == 1 ? FIRST_RETRY_US : RETRY_US);
}

/* Ask everybody, going on with what we know meanwhile. */
static void verify(struct port_queue *q, struct neighbor *n)
{
	if (n->state == NEIGHBOR_PROBE && n->requests >= PROBES_UNICAST)
		return;
	set_state(&q->neighbors, n, NEIGHBOR_PROBE, q->now_us);
	n->requests = PROBES_UNICAST;
	request(q, n, NULL);
}

static struct neighbor *ask(struct port_queue *q, const uint8_t *ip, uint8_t family)
{
	struct neighbor *n;

	if (q->neighbors.unresolved >= NEIGHBOR_UNRESOLVED || !(n = add(q, ip, family))) {
		counter_inc(q->row, COUNTER_port_tx_wait_full);
		return NULL;
	}
	set_state(&q->neighbors, n, NEIGHBOR_INCOMPLETE, q->now_us);
	request(q, n, NULL);
	return n;
}

/* ---- routing ---------------------------------------------------------------------------------------------------- */

bool port_is_on_link(const struct port *port, const uint8_t *ip, uint8_t family)
{
	struct net_addr addr = {.family = family};

	memcpy(addr.ip, ip, sizeof(addr.ip));
	if (family == NET_IP6 && ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80)
		return true;
	for (unsigned int i = 0; i < port->config.addresses_count; i++)
		if (port->config.addresses[i].addr.family == family &&
		    net_prefix_contains(&port->config.addresses[i], &addr))
			return true;
	return false;
}

static const uint8_t *next_hop(const struct port *port, const uint8_t *ip, uint8_t family)
{
	/* Nobody answers when we ask for ourselves. */
	if (port_owns(port, ip, family))
		return NULL;
	if (port_is_on_link(port, ip, family))
		return ip;
	for (unsigned int i = 0; i < port->config.gateways_count; i++)
		if (port->config.gateways[i].family == family)
			return port->config.gateways[i].ip;
	return NULL;
}

struct neighbor *neighbor_route(struct port_queue *q, const uint8_t *ip, uint8_t family)
{
	struct neighbor_table *t = &q->neighbors;
	struct neighbor *n = neighbor_known(t, ip, family);
	struct destination *d;
	const uint8_t *hop;

	if (likely(n))
		return n;
	hop = next_hop(q->port, ip, family);
	if (!hop) {
		counter_inc(q->row, COUNTER_port_tx_no_route);
		return NULL;
	}
	n = find(t, hop, family);
	if (!n)
		n = ask(q, hop, family);
	if (!n)
		return NULL;
	d = &t->destination[neighbor_hash(t, ip) % DESTINATIONS];
	memcpy(d->ip, ip, sizeof(d->ip));
	d->neighbor = (uint16_t)(n - t->entry);
	d->family = family;
	return n;
}

void port_resolve(struct port_queue *q, const struct net_addr *remote, uint64_t now_us)
{
	q->now_us = now_us;
	/* Half of the places stay for those to whom there is something to send. */
	if (remote->family != NET_NONE && q->neighbors.unresolved < NEIGHBOR_UNRESOLVED / 2)
		neighbor_route(q, remote->ip, remote->family);
}

static void transmit_to(struct port_queue *q, const struct neighbor *n, struct rte_mbuf *m)
{
	rte_ether_addr_copy(&n->mac, &rte_pktmbuf_mtod(m, struct rte_ether_hdr *)->dst_addr);
	port_transmit(q, m);
}

int neighbor_output(struct port_queue *q, struct neighbor *n, struct rte_mbuf *m)
{
	n->used_us = q->now_us;
	if (likely(neighbor_is_usable(n))) {
		transmit_to(q, n, m);
		return 0;
	}
	if (n->state == NEIGHBOR_INCOMPLETE && waiting_put(&q->neighbors, n, m)) {
		counter_inc(q->row, COUNTER_port_tx_waiting);
		return 0;
	}
	rte_pktmbuf_free(m);
	if (n->state == NEIGHBOR_INCOMPLETE) {
		counter_inc(q->row, COUNTER_port_tx_wait_full);
		return -ENOBUFS;
	}
	counter_inc(q->row, COUNTER_port_tx_unresolved);
	return -EHOSTUNREACH;
}

/* ---- hearing ---------------------------------------------------------------------------------------------------- */

static void reachable(struct port_queue *q, struct neighbor *n, const struct rte_ether_addr *mac)
{
	bool known = n->state == NEIGHBOR_PROBE && rte_is_same_ether_addr(&n->mac, mac);
	struct rte_mbuf *m;

	counter_inc(q->row, known ? COUNTER_port_neighbor_refreshed : COUNTER_port_neighbor_learned);
	rte_ether_addr_copy(mac, &n->mac);
	set_state(&q->neighbors, n, NEIGHBOR_REACHABLE, q->now_us + NEIGHBOR_REACHABLE_US);
	while ((m = waiting_take(&q->neighbors, n)))
		transmit_to(q, n, m);
}

static void heard_reply(struct port_queue *q, struct neighbor *n, const struct neighbor_event *e)
{
	bool same = n && (!e->has_mac || rte_is_same_ether_addr(&n->mac, &e->mac));

	if (n && (n->state == NEIGHBOR_INCOMPLETE || n->state == NEIGHBOR_FAILED) && e->has_mac)
		reachable(q, n, &e->mac);
	else if (n && n->state == NEIGHBOR_PROBE && (same || n->requests > PROBES_UNICAST))
		reachable(q, n, e->has_mac ? &e->mac : &n->mac);
	else if (n && n->state != NEIGHBOR_INCOMPLETE && n->state != NEIGHBOR_FAILED && !same)
		verify(q, n);
}

static void heard_question(struct port_queue *q, struct neighbor *n, const struct neighbor_event *e)
{
	if (!n) {
		if (q->neighbors.used < LEARN_UNTIL && (n = add(q, e->ip, e->family)))
			reachable(q, n, &e->mac);
	} else if (n->state == NEIGHBOR_INCOMPLETE || n->state == NEIGHBOR_FAILED) {
		reachable(q, n, &e->mac);
	} else if (!rte_is_same_ether_addr(&n->mac, &e->mac)) {
		verify(q, n);
	}
}

static void hear(struct port_queue *q, const struct neighbor_event *e)
{
	struct neighbor *n = find(&q->neighbors, e->ip, e->family);

	if (e->kind == NEIGHBOR_REPLIED)
		heard_reply(q, n, e);
	else if (e->kind == NEIGHBOR_ASKED_US)
		heard_question(q, n, e);
	else if (n && (n->state == NEIGHBOR_REACHABLE || n->state == NEIGHBOR_PROBE) && e->has_mac &&
		 !rte_is_same_ether_addr(&n->mac, &e->mac))
		verify(q, n);
}

void neighbor_event(struct port_queue *q, struct neighbor_event *event)
{
	const struct port *port = q->port;

	if (event->kind == NEIGHBOR_REPLIED && !find(&q->neighbors, event->ip, event->family))
		counter_inc(q->row, COUNTER_port_neighbor_unsolicited);
	hear(q, event);
	for (unsigned int i = 0; i < port->queues_count; i++)
		if (port->queues[i] != q && rte_ring_enqueue_elem(port->queues[i]->events, event, sizeof(*event)) != 0)
			counter_inc(q->row, COUNTER_port_neighbor_event_lost);
}

void neighbor_drain(struct port_queue *q)
{
	struct neighbor_event event;

	for (int i = 0; i < PORT_BURST && rte_ring_dequeue_elem(q->events, &event, sizeof(event)) == 0; i++)
		hear(q, &event);
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

static void fail(struct port_queue *q, struct neighbor *n)
{
	counter_inc(q->row, COUNTER_port_neighbor_unresolved);
	counter_add(q->row, COUNTER_port_tx_unresolved, n->waiting_count);
	waiting_free(&q->neighbors, n);
	set_state(&q->neighbors, n, NEIGHBOR_FAILED, q->now_us + NEIGHBOR_FAILED_US);
}

static void timer_due(struct port_queue *q, struct neighbor *n)
{
	switch (n->state) {
	case NEIGHBOR_INCOMPLETE:
		if (n->requests < REQUESTS)
			request(q, n, NULL);
		else
			fail(q, n);
		break;
	case NEIGHBOR_REACHABLE:
		if (q->now_us - n->used_us >= NEIGHBOR_IDLE_US) {
			forget(&q->neighbors, n);
		} else if (q->now_us - n->used_us >= NEIGHBOR_REACHABLE_US) {
			n->timer_us = q->now_us + RETRY_US;
		} else {
			set_state(&q->neighbors, n, NEIGHBOR_PROBE, q->now_us);
			request(q, n, &n->mac);
		}
		break;
	case NEIGHBOR_PROBE:
		if (n->requests < PROBES)
			request(q, n, n->requests < PROBES_UNICAST ? &n->mac : NULL);
		else
			fail(q, n);
		break;
	default:
		forget(&q->neighbors, n);
	}
}

/* Gateways are kept resolved whether used or not: the first call after a quiet night need not wait. */
static void keep_gateways(struct port_queue *q)
{
	for (unsigned int i = 0; i < q->port->config.gateways_count; i++) {
		const struct net_addr *gateway = &q->port->config.gateways[i];
		struct neighbor *n = find(&q->neighbors, gateway->ip, gateway->family);

		if (n)
			n->used_us = q->now_us;
		else
			ask(q, gateway->ip, gateway->family);
	}
}

void neighbor_tick(struct port_queue *q)
{
	struct neighbor_table *t = &q->neighbors;

	if (q->now_us < t->next_tick_us)
		return;
	t->next_tick_us = q->now_us + NEIGHBOR_TICK_US;
	if (q->now_us >= t->next_gateways_us) {
		t->next_gateways_us = q->now_us + GATEWAYS_US;
		keep_gateways(q);
	}
	for (unsigned int i = 0; i < t->high; i++)
		if (t->entry[i].state != NEIGHBOR_FREE && q->now_us >= t->entry[i].timer_us)
			timer_due(q, &t->entry[i]);
}
