/* SPDX-License-Identifier: Apache-2.0 */
/* From datagrams to frames: headers in one pass, in place where the buffer has room before the payload. */
#include <errno.h>
#include <string.h>

#include "internal.h"

/* Payload starts here in a small buffer: room for every header, IPv6 being the longest. */
#define SMALL_DATA_OFFSET (RTE_PKTMBUF_HEADROOM + ETHER_LEN + IP6_LEN + UDP_LEN)
#define LARGE_HEADROOM    128u

static_assert(UINT16_MAX - PORT_MAX_DATAGRAM >= 8, "a large buffer holds the largest datagram and its UDP header");

static int refuse(struct port_queue *q, struct rte_mbuf *m, enum counter_id why, int error)
{
	counter_inc(q->row, why);
	rte_pktmbuf_free(m);
	return error;
}

uint32_t port_random(struct port_queue *q)
{
	q->random ^= q->random << 13;
	q->random ^= q->random >> 7;
	q->random ^= q->random << 17;
	return (uint32_t)((q->random * 0x2545f4914f6cdd1dull) >> 32);
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

static void flush(struct port_queue *q)
{
	uint16_t count = q->tx_count, sent = 0, taken;

	q->tx_count = 0;
	if (q->port->tx_checksum) {
		uint16_t ready = rte_eth_tx_prepare(q->port->id, q->id, q->tx, count);

		/* What the device can't send as it is, it can't send later either. */
		if (unlikely(ready < count)) {
			counter_add(q->row, COUNTER_port_tx_driver_full, count - ready);
			rte_pktmbuf_free_bulk(q->tx + ready, count - ready);
			count = ready;
		}
	}
	/* Go on as long as the driver takes anything; a full one gives nothing back, and then these are lost. */
	do {
		taken = q->packet_tx ? packet_tx_burst(q, q->tx + sent, count - sent)
				     : rte_eth_tx_burst(q->port->id, q->id, q->tx + sent, count - sent);
		sent += taken;
	} while (taken != 0 && sent < count);
	counter_add(q->row, COUNTER_port_tx_frames, sent);
	if (unlikely(sent < count)) {
		counter_add(q->row, COUNTER_port_tx_driver_full, count - sent);
		rte_pktmbuf_free_bulk(q->tx + sent, count - sent);
	}
}

void port_transmit(struct port_queue *q, struct rte_mbuf *m)
{
	q->tx[q->tx_count++] = m;
	if (q->tx_count == PORT_TX_BATCH)
		flush(q);
}

void port_flush(struct port_queue *q, uint64_t now_us)
{
	q->now_us = now_us;
	if (q->tx_count)
		flush(q);
}

struct rte_mbuf *port_frame(struct port_queue *q, const struct rte_ether_addr *to, uint16_t ethertype, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(q->port->pools->small);
	struct rte_ether_hdr *ether;

	if (unlikely(!m)) {
		counter_inc(q->row, COUNTER_port_tx_no_buffer);
		return NULL;
	}
	m->data_len = (uint16_t)(ETHER_LEN + len);
	m->pkt_len = m->data_len;
	ether = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	rte_ether_addr_copy(to, &ether->dst_addr);
	rte_ether_addr_copy(&q->port->mac, &ether->src_addr);
	ether->ether_type = rte_cpu_to_be_16(ethertype);
	return m;
}

bool port_may_answer(struct port_queue *q, struct answer_budget *budget)
{
	if (q->now_us - budget->second_us >= US_PER_S)
		*budget = (struct answer_budget){.second_us = q->now_us};
	if (budget->count++ < ANSWERS_PER_SECOND)
		return true;
	counter_inc(q->row, COUNTER_port_answers_limited);
	return false;
}

/* ---- packets ---------------------------------------------------------------------------------------------------- */

void ip_write(const struct outgoing *o, uint8_t *at, uint32_t len, uint32_t id, uint16_t fragment)
{
	struct rte_ipv4_hdr *ip4 = (struct rte_ipv4_hdr *)at;
	struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)at;
	uint32_t source, destination;
	uint64_t sum;

	if (o->family == NET_IP6) {
		ip6->vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)o->tos << 20);
		ip6->payload_len = rte_cpu_to_be_16((uint16_t)len);
		ip6->proto = fragment ? PROTO_FRAG : o->protocol;
		ip6->hop_limits = o->hop_limit;
		memcpy(ip6->src_addr, o->source, 16);
		memcpy(ip6->dst_addr, o->destination, 16);
		return;
	}
	memcpy(&source, o->source, 4);
	memcpy(&destination, o->destination, 4);
	ip4->version_ihl = RTE_IPV4_VHL_DEF;
	ip4->type_of_service = o->tos;
	ip4->total_length = rte_cpu_to_be_16((uint16_t)(IP4_LEN + len));
	ip4->packet_id = rte_cpu_to_be_16((uint16_t)id);
	ip4->fragment_offset = rte_cpu_to_be_16(fragment);
	ip4->time_to_live = o->hop_limit;
	ip4->next_proto_id = o->protocol;
	ip4->src_addr = source;
	ip4->dst_addr = destination;
	/* Summed from the values: reading wide what has just been written narrow would stall. */
	sum = rte_cpu_to_be_16((uint16_t)(RTE_IPV4_VHL_DEF << 8 | o->tos)) +
	      rte_cpu_to_be_16((uint16_t)(o->hop_limit << 8 | o->protocol));
	sum += ip4->total_length + ip4->packet_id + ip4->fragment_offset + (uint64_t)source + destination;
	ip4->hdr_checksum = (uint16_t)~checksum_fold(sum);
}

void udp_checksum_fill(const struct outgoing *o)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)o->l4;
	uint64_t header = (uint64_t)udp->src_port + udp->dst_port + udp->dgram_len;
	uint16_t sum;

	sum = checksum_fold(
	    checksum_add(header + checksum_pseudo(o->source, o->destination, o->family, o->protocol, o->len),
			 o->l4 + UDP_LEN, o->len - UDP_LEN));
	/* Zero would mean "none" (RFC 768). */
	udp->dgram_cksum = sum == UINT16_MAX ? UINT16_MAX : (uint16_t)~sum;
}

static void offload_checksums(const struct outgoing *o, uint32_t ip_len, uint8_t *ip)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)o->l4;
	struct rte_mbuf *m = o->mbuf;

	m->l2_len = ETHER_LEN;
	m->l3_len = ip_len;
	m->l4_len = UDP_LEN;
	m->ol_flags = RTE_MBUF_F_TX_UDP_CKSUM;
	udp->dgram_cksum = checksum_fold(checksum_pseudo(o->source, o->destination, o->family, o->protocol, o->len));
	if (o->family == NET_IP4) {
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
		((struct rte_ipv4_hdr *)ip)->hdr_checksum = 0;
	} else {
		m->ol_flags |= RTE_MBUF_F_TX_IPV6;
	}
}

/* Two addresses of a family, as they lie one behind the other in a header, or apart. */
static inline uint64_t addresses_sum(const uint8_t *source, const uint8_t *destination, uint8_t family)
{
	uint32_t a, b;

	if (unlikely(family != NET_IP4))
		return checksum_add(checksum_add(0, source, 16), destination, 16);
	memcpy(&a, source, sizeof(a));
	memcpy(&b, destination, sizeof(b));
	return (uint64_t)a + b;
}

/*
 * The checksum of a datagram that is carried on, with the headers it came with still before it: its addresses and ports
 * taken out of the sum, the new ones put in (RFC 1624, equation 3). 0: there is nothing to go by, so it has to be
 * summed.
 */
static inline uint16_t carried_checksum(const struct datagram *d, const struct rte_udp_hdr *udp)
{
	uint32_t size = d->carried == NET_IP4 ? 4 : 16;
	const uint8_t *destination = (const uint8_t *)udp - size;
	uint64_t old, new;
	uint16_t sum;

	if (udp->dgram_cksum == 0 || udp->dgram_len != rte_cpu_to_be_16((uint16_t)(UDP_LEN + d->len)))
		return 0;
	old = addresses_sum(destination - size, destination, d->carried) + udp->src_port + udp->dst_port;
	new = addresses_sum(d->local.ip, d->remote.ip, d->local.family) + rte_cpu_to_be_16(d->local.port) +
	      rte_cpu_to_be_16(d->remote.port);
	sum = checksum_fold((uint16_t)~udp->dgram_cksum + (uint64_t)(uint16_t)~checksum_fold(old) + new);
	/* Zero would mean "none" (RFC 768). */
	return sum == UINT16_MAX ? UINT16_MAX : (uint16_t)~sum;
}

int ip_send(struct port_queue *q, struct outgoing *o)
{
	struct neighbor *n = neighbor_route(q, o->destination, o->family);
	uint32_t ip_len = o->family == NET_IP4 ? IP4_LEN : IP6_LEN;
	struct rte_mbuf *m = o->mbuf;
	struct rte_ether_hdr *ether;
	uint8_t *frame = o->l4 - ip_len - ETHER_LEN;

	if (unlikely(!n)) {
		rte_pktmbuf_free(m);
		return -EHOSTUNREACH;
	}
	if (unlikely(ip_len + o->len > q->port->mtu || o->l4 < (uint8_t *)m->buf_addr + ip_len + ETHER_LEN))
		return fragment_send(q, n, o);
	m->data_off = (uint16_t)(frame - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)(ETHER_LEN + ip_len + o->len);
	m->pkt_len = m->data_len;
	m->ol_flags = 0;
	ip_write(o, frame + ETHER_LEN, o->len, port_random(q), 0);
	if (o->sum != 0) {
		((struct rte_udp_hdr *)o->l4)->dgram_cksum = o->sum;
	} else if (o->protocol == PROTO_UDP) {
		if (q->port->tx_checksum)
			offload_checksums(o, ip_len, frame + ETHER_LEN);
		else
			udp_checksum_fill(o);
	}
	ether = (struct rte_ether_hdr *)frame;
	rte_ether_addr_copy(&q->port->mac, &ether->src_addr);
	ether->ether_type = o->family == NET_IP4 ? RTE_BE16(RTE_ETHER_TYPE_IPV4) : RTE_BE16(RTE_ETHER_TYPE_IPV6);
	return neighbor_output(q, n, m);
}

/* ---- datagrams -------------------------------------------------------------------------------------------------- */

static inline bool can_send_to(const struct net_addr *a)
{
	static const uint8_t any[16];

	if (a->port == 0 || ip_equal(a->ip, any))
		return false;
	return a->family == NET_IP4 ? a->ip[0] < 224 && a->ip[0] != 127 : a->ip[0] != 0xff;
}

int port_buffer(struct port_queue *q, struct datagram *out, uint32_t room)
{
	struct rte_mbuf *m;

	out->len = 0;
	out->carried = NET_NONE;
	out->mbuf = NULL;
	if (unlikely(room > PORT_MAX_DATAGRAM)) {
		counter_inc(q->row, COUNTER_port_tx_too_long);
		return -ENOBUFS;
	}
	if (likely(room <= q->port->pools->small_room)) {
		m = rte_pktmbuf_alloc(q->port->pools->small);
		if (likely(m))
			out->data = (uint8_t *)m->buf_addr + SMALL_DATA_OFFSET;
	} else {
		m = rte_pktmbuf_alloc(q->port->pools->large);
		if (likely(m))
			out->data = (uint8_t *)m->buf_addr + RTE_MIN(LARGE_HEADROOM, m->buf_len - room);
	}
	if (unlikely(!m)) {
		counter_inc(q->row, COUNTER_port_tx_no_buffer);
		return -ENOBUFS;
	}
	out->mbuf = m;
	return 0;
}

/*
 * What nearly every datagram of a relay is: carried on over IPv4, whole, to where packets go already. Its headers are
 * written over the old ones. False: something about it is different, and the long way says what.
 */
static inline bool quick_send(struct port_queue *q, const struct datagram *d)
{
	struct quick_frame *f = (struct quick_frame *)(d->data - sizeof(*f));
	const struct port *port = q->port;
	uint32_t total = IP4_LEN + UDP_LEN + d->len, word[5];
	struct rte_mbuf *m = d->mbuf;
	struct neighbor *n;
	uint16_t checksum;

	if (d->carried != NET_IP4 || d->local.family != NET_IP4 || d->remote.family != NET_IP4 || d->local.port == 0 ||
	    !can_send_to(&d->remote) || total > port->mtu || !port_owns(port, d->local.ip, NET_IP4))
		return false;
	n = neighbor_known(&q->neighbors, d->remote.ip, NET_IP4);
	if (!n || !neighbor_is_usable(n) || (checksum = carried_checksum(d, &f->udp)) == 0)
		return false;
	n->used_us = q->now_us;
	m->data_off = (uint16_t)((uint8_t *)f - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)(ETHER_LEN + total);
	m->pkt_len = m->data_len;
	m->ol_flags = 0;
	rte_ether_addr_copy(&n->mac, &f->ether.dst_addr);
	rte_ether_addr_copy(&port->mac, &f->ether.src_addr);
	word[0] = rte_cpu_to_be_32((uint32_t)RTE_IPV4_VHL_DEF << 24 | (uint32_t)d->tos << 16 | total);
	word[1] = rte_cpu_to_be_32(port_random(q) & 0xffff0000);
	word[2] = rte_cpu_to_be_32(PORT_HOP_LIMIT << 24 | PROTO_UDP << 16);
	memcpy(&word[3], d->local.ip, sizeof(word[3]));
	memcpy(&word[4], d->remote.ip, sizeof(word[4]));
	memcpy(&f->ip, word, sizeof(word));
	f->ip.hdr_checksum = (uint16_t)~checksum_fold((uint64_t)word[0] + word[1] + word[2] + word[3] + word[4]);
	f->udp.src_port = rte_cpu_to_be_16(d->local.port);
	f->udp.dst_port = rte_cpu_to_be_16(d->remote.port);
	f->udp.dgram_cksum = checksum;
	port_transmit(q, m);
	return true;
}

static int any_send(struct port_queue *q, struct datagram *d)
{
	struct outgoing o = {.mbuf = d->mbuf, .l4 = d->data - UDP_LEN, .len = d->len + UDP_LEN, .tos = d->tos};
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)o.l4;

	d->mbuf = NULL;
	if (unlikely(d->len > PORT_MAX_DATAGRAM))
		return refuse(q, o.mbuf, COUNTER_port_tx_too_long, -EMSGSIZE);
	if (unlikely(d->remote.family != d->local.family || d->local.port == 0 || !can_send_to(&d->remote) ||
		     !port_owns(q->port, d->local.ip, d->local.family)))
		return refuse(q, o.mbuf, COUNTER_port_tx_bad_address, -EADDRNOTAVAIL);
	o.source = d->local.ip;
	o.destination = d->remote.ip;
	o.family = d->local.family;
	o.protocol = PROTO_UDP;
	o.hop_limit = PORT_HOP_LIMIT;
	o.sum = d->carried ? carried_checksum(d, udp) : 0;
	udp->src_port = rte_cpu_to_be_16(d->local.port);
	udp->dst_port = rte_cpu_to_be_16(d->remote.port);
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)o.len);
	counter_inc(q->row, COUNTER_port_tx_datagrams);
	counter_add(q->row, COUNTER_port_tx_bytes, d->len);
	return ip_send(q, &o);
}

int port_send(struct port_queue *q, struct datagram *d, uint64_t now_us)
{
	q->now_us = now_us;
	if (quick_send(q, d)) {
		d->mbuf = NULL;
		counter_inc(q->row, COUNTER_port_tx_datagrams);
		counter_add(q->row, COUNTER_port_tx_bytes, d->len);
		return 0;
	}
	return any_send(q, d);
}

int port_send_copy(struct port_queue *q, const struct net_addr *local, const struct net_addr *remote, const void *data,
		   uint32_t len, uint8_t tos, uint64_t now_us)
{
	struct datagram d;
	int rc = port_buffer(q, &d, len);

	if (rc != 0)
		return rc;
	d.local = *local;
	d.remote = *remote;
	d.tos = tos;
	d.len = len;
	memcpy(d.data, data, len);
	return port_send(q, &d, now_us);
}

void datagram_free(struct datagram *d)
{
	rte_pktmbuf_free(d->mbuf);
	d->mbuf = NULL;
}
