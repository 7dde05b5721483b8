/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reassembly straight into one contiguous large buffer. Bounded in every direction: datagrams in the making, those
 * of one source, time, and the size of a fragment. Overlapping fragments spoil the whole datagram (RFC 5722, and
 * for IPv4 alike: no honest sender makes them); an exact repetition is ignored.
 */
#include <string.h>

#include "internal.h"

#define REASSEMBLY_HEADROOM 16
#define REASSEMBLY_TICK_US  (50 * US_PER_MS)

static_assert(PORT_MAX_L4 + REASSEMBLY_HEADROOM <= UINT16_MAX, "fits a large buffer");
static_assert(PORT_MAX_L4 <= REASSEMBLY_UNITS * 8, "fits the map");

static void release(struct reassembly_table *t, struct reassembly *r)
{
	rte_pktmbuf_free(r->buffer);
	r->buffer = NULL;
	r->family = NET_NONE;
	t->used--;
}

void reassembly_fini(struct reassembly_table *t)
{
	for (unsigned int i = 0; i < REASSEMBLIES; i++)
		rte_pktmbuf_free(t->item[i].buffer);
}

static bool is_same(const struct reassembly *r, const struct packet *p, uint32_t id)
{
	/* IPv6 identifies a datagram without its protocol (RFC 8200, 4.5). */
	return r->id == id && r->family == p->family && (p->family == NET_IP6 || r->protocol == p->protocol) &&
	       ip_equal(r->source, p->source) && ip_equal(r->destination, p->destination);
}

static struct reassembly *begin(struct port_queue *q, struct reassembly *r, const struct packet *p, uint32_t id)
{
	struct rte_mbuf *buffer = rte_pktmbuf_alloc(q->port->pools->large);

	if (!buffer) {
		counter_inc(q->row, COUNTER_port_rx_no_buffer);
		return NULL;
	}
	buffer->data_off = REASSEMBLY_HEADROOM;
	memset(r, 0, sizeof(*r));
	memcpy(r->source, p->source, sizeof(r->source));
	memcpy(r->destination, p->destination, sizeof(r->destination));
	r->id = id;
	r->family = p->family;
	r->protocol = p->protocol;
	r->buffer = buffer;
	r->expires_us = q->now_us + REASSEMBLY_TIMEOUT_US;
	q->reassemblies.used++;
	return r;
}

/* The datagram that this fragment is of, begun if need be; NULL when there is no room for another (counted). */
static struct reassembly *find_or_begin(struct port_queue *q, const struct packet *p, uint32_t id)
{
	struct reassembly_table *t = &q->reassemblies;
	struct reassembly *unused = NULL, *oldest = NULL;
	unsigned int of_source = 0;

	for (unsigned int i = 0; i < REASSEMBLIES; i++) {
		struct reassembly *r = &t->item[i];

		if (r->family == NET_NONE) {
			unused = r;
			continue;
		}
		if (is_same(r, p, id))
			return r;
		of_source += r->family == p->family && ip_equal(r->source, p->source);
		if (!oldest || r->expires_us < oldest->expires_us)
			oldest = r;
	}
	if (of_source >= REASSEMBLIES_PER_SOURCE) {
		counter_inc(q->row, COUNTER_port_rx_fragment_full);
		return NULL;
	}
	if (!unused) {
		counter_inc(q->row, COUNTER_port_rx_fragment_full);
		release(t, oldest);
		unused = oldest;
	}
	return begin(q, unused, p, id);
}

/* How many of the eight-byte units [first, end) are there already. */
static uint32_t units_present(const struct reassembly *r, uint32_t first, uint32_t end)
{
	uint32_t count = 0;

	for (uint32_t i = first; i < end; i++)
		count += (r->have[i / 64] >> (i % 64)) & 1;
	return count;
}

static void units_mark(struct reassembly *r, uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++)
		r->have[i / 64] |= 1ull << (i % 64);
}

/* Nothing of it will be taken any more; the entry stays, so that its later fragments don't begin a new one. */
static void spoil(struct port_queue *q, struct reassembly *r)
{
	counter_inc(q->row, COUNTER_port_rx_fragment_overlap);
	rte_pktmbuf_free(r->buffer);
	r->buffer = NULL;
	r->spoiled = true;
}

static bool is_repetition(struct reassembly *r, const struct packet *p, uint32_t offset, bool more)
{
	uint32_t end = offset + p->len;

	return (more ? end <= r->highest : end == r->total) &&
	       memcmp(rte_pktmbuf_mtod_offset(r->buffer, uint8_t *, offset), p->payload, p->len) == 0;
}

/* Put a fragment in its place; false when it was not used. */
static bool place(struct port_queue *q, struct reassembly *r, const struct packet *p, uint32_t offset, bool more)
{
	uint32_t end = offset + p->len, first_unit = offset / 8, end_unit = (end + 7) / 8, present;

	present = units_present(r, first_unit, end_unit);
	if (present == end_unit - first_unit && is_repetition(r, p, offset, more)) {
		counter_inc(q->row, COUNTER_port_rx_fragment_duplicate);
		return false;
	}
	if (present != 0 || (r->total != 0 && (end > r->total || !more)) || (!more && r->highest > end)) {
		spoil(q, r);
		return false;
	}
	memcpy(rte_pktmbuf_mtod_offset(r->buffer, uint8_t *, offset), p->payload, p->len);
	units_mark(r, first_unit, end_unit);
	r->received += p->len;
	r->highest = RTE_MAX(r->highest, end);
	if (!more)
		r->total = end;
	if (offset == 0) {
		r->tos = p->tos;
		r->protocol = p->protocol;
	}
	return true;
}

static void finish(struct port_queue *q, struct reassembly *r, struct packet *p)
{
	p->mbuf = r->buffer;
	p->payload = rte_pktmbuf_mtod(r->buffer, uint8_t *);
	p->len = r->total;
	p->tos = r->tos;
	p->protocol = r->protocol;
	p->checked = false;
	p->whole = false;
	r->buffer->data_len = (uint16_t)r->total;
	r->buffer->pkt_len = r->total;
	r->buffer = NULL;
	release(&q->reassemblies, r);
	counter_inc(q->row, COUNTER_port_rx_reassembled);
}

bool reassembly_add(struct port_queue *q, struct packet *p, uint32_t id, uint32_t offset, bool more)
{
	struct rte_mbuf *fragment = p->mbuf;
	struct reassembly *r = NULL;
	bool done = false;

	counter_inc(q->row, COUNTER_port_rx_fragments);
	if (p->len == 0 || offset + p->len > PORT_MAX_L4 ||
	    (more && (p->len % 8 != 0 || p->len < REASSEMBLY_MIN_FRAGMENT)))
		counter_inc(q->row, COUNTER_port_rx_fragment_bad);
	else
		r = find_or_begin(q, p, id);
	if (r && !r->spoiled && place(q, r, p, offset, more) && r->received == r->total) {
		finish(q, r, p);
		done = true;
	}
	rte_pktmbuf_free(fragment);
	return done;
}

void reassembly_tick(struct port_queue *q)
{
	struct reassembly_table *t = &q->reassemblies;

	if (t->used == 0 || q->now_us < t->next_tick_us)
		return;
	t->next_tick_us = q->now_us + REASSEMBLY_TICK_US;
	for (unsigned int i = 0; i < REASSEMBLIES; i++) {
		struct reassembly *r = &t->item[i];

		if (r->family == NET_NONE || q->now_us < r->expires_us)
			continue;
		if (!r->spoiled)
			counter_inc(q->row, COUNTER_port_rx_fragment_timeout);
		release(t, r);
	}
}
