/* SPDX-License-Identifier: Apache-2.0 */
/* From frames to datagrams: every header checked before anything behind it is believed. */
#include <string.h>

#include <rte_prefetch.h>

#include "internal.h"

#define PREFETCH_AHEAD 4

static bool drop(struct port_queue *q, struct rte_mbuf *m, enum counter_id why)
{
	counter_inc(q->row, why);
	rte_pktmbuf_free(m);
	return false;
}

/* ---- UDP -------------------------------------------------------------------------------------------------------- */

/*
 * `partial`: a sender on the same host leaves the sum over the data to "the hardware" and fills in that of the
 * pseudo-header alone; such a frame has never been on a wire.
 */
static bool udp_checksum_good(struct port_queue *q, const struct packet *p, const struct rte_udp_hdr *udp, uint32_t len,
			      uint8_t *carried)
{
	uint64_t pseudo;
	bool partial;

	*carried = NET_NONE;
	if (udp->dgram_cksum == 0)
		return p->family == NET_IP4;
	if (p->checked)
		return true;
	pseudo = checksum_pseudo(p->source, p->destination, p->family, PROTO_UDP, len);
	partial = q->port->is_virtual && p->whole && udp->dgram_cksum == checksum_fold(pseudo);
	if (q->port->carries && p->plain && p->whole && !partial) {
		*carried = p->family;
		return true;
	}
	if (checksum_fold(checksum_add(pseudo, p->payload, len)) == UINT16_MAX)
		return true;
	if (!partial)
		return false;
	counter_inc(q->row, COUNTER_port_rx_partial_checksum);
	return true;
}

static void addr_set(struct net_addr *addr, const uint8_t *ip, rte_be16_t port, uint8_t family)
{
	if (family == NET_IP4) {
		memcpy(addr->ip, ip, 4);
		memset(addr->ip + 4, 0, 12);
	} else {
		memcpy(addr->ip, ip, 16);
	}
	addr->port = rte_be_to_cpu_16(port);
	addr->family = family;
	addr->pad = 0;
}

static bool udp_input(struct port_queue *q, struct packet *p, struct datagram *out)
{
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)p->payload;
	uint32_t len;

	if (p->len < UDP_LEN)
		return drop(q, p->mbuf, COUNTER_port_rx_bad_udp_header);
	len = rte_be_to_cpu_16(udp->dgram_len);
	if (len < UDP_LEN || len > p->len || udp->src_port == 0 || udp->dst_port == 0)
		return drop(q, p->mbuf, COUNTER_port_rx_bad_udp_header);
	if (!udp_checksum_good(q, p, udp, len, &out->carried))
		return drop(q, p->mbuf, COUNTER_port_rx_bad_udp_checksum);
	addr_set(&out->local, p->destination, udp->dst_port, p->family);
	addr_set(&out->remote, p->source, udp->src_port, p->family);
	out->data = p->payload + UDP_LEN;
	out->len = len - UDP_LEN;
	out->tos = p->tos;
	out->mbuf = p->mbuf;
	counter_inc(q->row, COUNTER_port_rx_datagrams);
	counter_add(q->row, COUNTER_port_rx_bytes, out->len);
	return true;
}

/* ---- IPv4 ------------------------------------------------------------------------------------------------------- */

static bool ip4_source_possible(const struct port *port, const uint8_t *ip)
{
	return ip[0] != 0 && ip[0] != 127 && ip[0] < 224 && !port_owns(port, ip, NET_IP4);
}

static bool ip4_checksum_good(const struct port_queue *q, const struct rte_mbuf *m, const void *ip, uint32_t header_len)
{
	uint64_t flags = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

	if (q->port->rx_checksum && flags == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	return checksum_fold(checksum_add(0, ip, header_len)) == UINT16_MAX;
}

static bool l4_checked(const struct port_queue *q, const struct rte_mbuf *m)
{
	return q->port->rx_checksum && (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
}

static bool ip4_input(struct port_queue *q, struct rte_mbuf *m, struct datagram *out)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, ETHER_LEN);
	uint32_t room = m->data_len - ETHER_LEN, header_len, total_len;
	struct packet p = {.mbuf = m, .family = NET_IP4, .whole = true};
	uint16_t fragment;

	if (m->data_len < ETHER_LEN + IP4_LEN)
		return drop(q, m, COUNTER_port_rx_bad_ip_header);
	header_len = (ip->version_ihl & 15u) * 4;
	total_len = rte_be_to_cpu_16(ip->total_length);
	if (ip->version_ihl >> 4 != 4 || header_len < IP4_LEN || total_len < header_len || total_len > room)
		return drop(q, m, COUNTER_port_rx_bad_ip_header);
	if (!ip4_checksum_good(q, m, ip, header_len))
		return drop(q, m, COUNTER_port_rx_bad_ip_checksum);
	memcpy(p.source, &ip->src_addr, 4);
	memcpy(p.destination, &ip->dst_addr, 4);
	if (!port_owns(q->port, p.destination, NET_IP4))
		return drop(q, m, COUNTER_port_rx_not_our_address);
	if (!ip4_source_possible(q->port, p.source))
		return drop(q, m, COUNTER_port_rx_bad_source);
	p.plain = header_len == IP4_LEN;
	p.payload = (uint8_t *)ip + header_len;
	p.len = total_len - header_len;
	p.protocol = ip->next_proto_id;
	p.tos = ip->type_of_service;
	p.hop_limit = ip->time_to_live;
	p.checked = l4_checked(q, m);
	fragment = rte_be_to_cpu_16(ip->fragment_offset);
	if ((fragment & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0 &&
	    !reassembly_add(q, &p, rte_be_to_cpu_16(ip->packet_id), (fragment & RTE_IPV4_HDR_OFFSET_MASK) * 8u,
			    (fragment & RTE_IPV4_HDR_MF_FLAG) != 0))
		return false;
	if (likely(p.protocol == PROTO_UDP))
		return udp_input(q, &p, out);
	if (p.protocol != PROTO_ICMP)
		return drop(q, p.mbuf, COUNTER_port_rx_unknown_protocol);
	icmp4_input(q, &p);
	return false;
}

/* ---- IPv6 ------------------------------------------------------------------------------------------------------- */

static bool ip6_source_possible(const struct port *port, const struct packet *p)
{
	static const uint8_t any[16], loopback[16] = {[15] = 1};

	if (p->source[0] == 0xff || ip_equal(p->source, loopback) || port_owns(port, p->source, NET_IP6))
		return false;
	/* Duplicate address detection asks with no address of its own; nothing else may. */
	return p->protocol == PROTO_ICMP6 || !ip_equal(p->source, any);
}

/*
 * Step over hop-by-hop and destination options to what the packet carries; routing headers are not for hosts
 * (RFC 5095). At most one fragment header. Returns false when the packet is malformed or refused.
 */
static bool ip6_skip_options(struct packet *p)
{
	for (unsigned int headers = 0; p->protocol == PROTO_HOP || p->protocol == PROTO_DSTOPT; headers++) {
		uint32_t len;

		if (p->len < 8 || headers == 4)
			return false;
		len = (p->payload[1] + 1u) * 8;
		if (len > p->len)
			return false;
		p->protocol = p->payload[0];
		p->payload += len;
		p->len -= len;
	}
	return p->protocol != PROTO_ROUTING;
}

static bool ip6_fragment(struct port_queue *q, struct packet *p)
{
	uint16_t offset;
	uint32_t id;

	if (p->len < IP6_FRAG_LEN) {
		return drop(q, p->mbuf, COUNTER_port_rx_fragment_bad);
	}
	memcpy(&offset, p->payload + 2, sizeof(offset));
	memcpy(&id, p->payload + 4, sizeof(id));
	offset = rte_be_to_cpu_16(offset);
	p->protocol = p->payload[0];
	p->payload += IP6_FRAG_LEN;
	p->len -= IP6_FRAG_LEN;
	if ((offset & ~6u) == 0)
		return true; /* a whole datagram all the same (RFC 6946) */
	return reassembly_add(q, p, id, offset & ~7u, offset & 1);
}

static bool ip6_input(struct port_queue *q, struct rte_mbuf *m, struct datagram *out)
{
	const struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv6_hdr *, ETHER_LEN);
	struct packet p = {.mbuf = m, .family = NET_IP6, .whole = true};
	uint32_t flow;

	if (m->data_len < ETHER_LEN + IP6_LEN)
		return drop(q, m, COUNTER_port_rx_bad_ip_header);
	flow = rte_be_to_cpu_32(ip->vtc_flow);
	p.payload = (uint8_t *)m->buf_addr + m->data_off + ETHER_LEN + IP6_LEN;
	p.len = rte_be_to_cpu_16(ip->payload_len);
	p.protocol = ip->proto;
	if (flow >> 28 != 6 || p.len > m->data_len - ETHER_LEN - IP6_LEN || !ip6_skip_options(&p))
		return drop(q, m, COUNTER_port_rx_bad_ip_header);
	memcpy(p.source, ip->src_addr, 16);
	memcpy(p.destination, ip->dst_addr, 16);
	p.tos = (uint8_t)(flow >> 20);
	p.hop_limit = ip->hop_limits;
	p.checked = l4_checked(q, m);
	if (!port_owns(q->port, p.destination, NET_IP6) &&
	    !(p.protocol == PROTO_ICMP6 && nd_is_ours(q->port, p.destination)))
		return drop(q, m, COUNTER_port_rx_not_our_address);
	if (!ip6_source_possible(q->port, &p))
		return drop(q, m, COUNTER_port_rx_bad_source);
	p.plain = ip->proto == PROTO_UDP;
	if (p.protocol == PROTO_FRAG) {
		p.whole = false;
		if (!ip6_fragment(q, &p))
			return false;
		if (!ip6_skip_options(&p))
			return drop(q, p.mbuf, COUNTER_port_rx_bad_ip_header);
	}
	if (likely(p.protocol == PROTO_UDP))
		return udp_input(q, &p, out);
	if (p.protocol != PROTO_ICMP6)
		return drop(q, p.mbuf, COUNTER_port_rx_unknown_protocol);
	icmp6_input(q, &p);
	return false;
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

static bool frame_input(struct port_queue *q, struct rte_mbuf *m, struct datagram *out)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	bool to_us;

	if (m->nb_segs != 1 && rte_pktmbuf_linearize(m) != 0)
		return drop(q, m, COUNTER_port_rx_segmented);
	if (m->data_len < ETHER_LEN)
		return drop(q, m, COUNTER_port_rx_unknown_ethertype);
	to_us = rte_is_same_ether_addr(&ether->dst_addr, &q->port->mac);
	if (!to_us && !rte_is_multicast_ether_addr(&ether->dst_addr))
		return drop(q, m, COUNTER_port_rx_not_our_mac);
	switch (ether->ether_type) {
	case RTE_BE16(RTE_ETHER_TYPE_IPV4):
		/* A broadcast or multicast frame with our unicast address in it is no honest one (RFC 1122, 3.3.6). */
		if (!to_us)
			return drop(q, m, COUNTER_port_rx_not_our_mac);
		return ip4_input(q, m, out);
	case RTE_BE16(RTE_ETHER_TYPE_IPV6):
		return ip6_input(q, m, out);
	case RTE_BE16(RTE_ETHER_TYPE_ARP):
		arp_input(q, m);
		rte_pktmbuf_free(m);
		return false;
	default:
		return drop(q, m, COUNTER_port_rx_unknown_ethertype);
	}
}

/* Both are in network order, as they are in the header. */
static inline void addr_set_ip4(struct net_addr *addr, uint32_t ip, rte_be16_t port)
{
	*addr = (struct net_addr){.port = rte_be_to_cpu_16(port), .family = NET_IP4};
	memcpy(addr->ip, &ip, sizeof(ip));
}

/*
 * What nearly every frame of media is: whole UDP over plain IPv4, its checksum carried on. All is checked as on the
 * long way, at once. False: something about it is different, and the long way says what.
 */
static inline bool quick_input(const struct port *port, struct rte_mbuf *m, struct datagram *out)
{
	const struct quick_frame *f = rte_pktmbuf_mtod(m, const struct quick_frame *);
	bool to_us = false, from_us = false;
	uint32_t total, len, word[5];
	uint64_t sum, pseudo;
	uint8_t first;

	if (m->data_len < sizeof(*f) || m->nb_segs != 1 || f->ether.ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
	    !rte_is_same_ether_addr(&f->ether.dst_addr, &port->mac))
		return false;
	if (f->ip.version_ihl != RTE_IPV4_VHL_DEF || f->ip.next_proto_id != PROTO_UDP ||
	    (f->ip.fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0)
		return false;
	total = rte_be_to_cpu_16(f->ip.total_length);
	len = rte_be_to_cpu_16(f->udp.dgram_len);
	if (total > m->data_len - ETHER_LEN || len < UDP_LEN || len + IP4_LEN > total || f->udp.src_port == 0 ||
	    f->udp.dst_port == 0 || f->udp.dgram_cksum == 0)
		return false;
	memcpy(word, &f->ip, sizeof(word));
	for (unsigned int i = 0; i < port->ip4_count; i++) {
		from_us |= port->ip4[i] == word[3];
		to_us |= port->ip4[i] == word[4];
	}
	first = ((const uint8_t *)&f->ip.src_addr)[0];
	if (!to_us || from_us || first == 0 || first == 127 || first >= 224)
		return false;
	pseudo = (uint64_t)word[3] + word[4];
	sum = pseudo + word[0] + word[1] + word[2];
	pseudo += f->udp.dgram_len + RTE_BE16(PROTO_UDP);
	if (checksum_fold(sum) != UINT16_MAX || checksum_fold(pseudo) == f->udp.dgram_cksum)
		return false;
	addr_set_ip4(&out->local, word[4], f->udp.dst_port);
	addr_set_ip4(&out->remote, word[3], f->udp.src_port);
	out->data = (uint8_t *)m->buf_addr + m->data_off + sizeof(*f);
	out->len = len - UDP_LEN;
	out->tos = f->ip.type_of_service;
	out->carried = NET_IP4;
	out->mbuf = m;
	return true;
}

unsigned int port_input(struct port_queue *q, struct rte_mbuf **frames, unsigned int count, struct datagram *out)
{
	const struct port *port = q->port;
	unsigned int datagrams = 0, quick_datagrams = 0;
	uint64_t quick_bytes = 0;

	counter_add(q->row, COUNTER_port_rx_frames, count);
	for (unsigned int i = 0; i < RTE_MIN(count, (unsigned int)PREFETCH_AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
	for (unsigned int i = 0; i < count; i++) {
		if (i + PREFETCH_AHEAD < count)
			rte_prefetch0(rte_pktmbuf_mtod(frames[i + PREFETCH_AHEAD], void *));
		if (likely(port->carries && quick_input(port, frames[i], &out[datagrams]))) {
			quick_bytes += out[datagrams++].len;
			quick_datagrams++;
		} else {
			datagrams += frame_input(q, frames[i], &out[datagrams]);
		}
	}
	counter_add(q->row, COUNTER_port_rx_datagrams, quick_datagrams);
	counter_add(q->row, COUNTER_port_rx_bytes, quick_bytes);
	return datagrams;
}

unsigned int port_receive(struct port_queue *q, struct datagram *out, unsigned int max, uint64_t now_us)
{
	struct rte_mbuf *frames[PORT_BURST];
	unsigned int count;

	q->now_us = now_us;
	if (unlikely(rte_ring_count(q->events) != 0))
		neighbor_drain(q);
	max = RTE_MIN(max, (unsigned int)PORT_BURST);
	count = rte_eth_rx_burst(q->port->id, q->id, frames, (uint16_t)max);
	q->more = count == max;
	return count ? port_input(q, frames, count, out) : 0;
}
