/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ports without devices, "a" and "b", each sending into a ring from which the test takes the frames, looks at
 * them, and hands them to the other, or not. Time is the test's own.
 */
#include <stdlib.h>

#include <rte_arp.h>
#include <rte_eal.h>

#include "common/port/internal.h"
#include "tests/unit/check.h"

#define FRAMES 2048

static struct port_pools pools;
static struct counter_row rows[4];
static uint64_t now_us = 1000 * US_PER_S;

struct side {
	struct port *port;
	struct port_queue *q;
	struct counter_row *row;
	struct net_addr ip4, ip6;
};
static struct side a, b;

static struct net_addr addr(const char *text)
{
	struct net_addr out;

	if (net_addr_parse(&out, text, strlen(text)) != 0)
		abort();
	return out;
}

/* ---- the two ports ---------------------------------------------------------------------------------------------- */

static void side_open(struct side *s, const char *ip4, const char *ip6, const char *gateway, uint16_t id,
		      uint16_t queues)
{
	struct port *port = calloc(1, sizeof(*port));
	struct config_port *config = &port->config;
	char text[64];

	config->addresses = calloc(2, sizeof(*config->addresses));
	config->gateways = calloc(1, sizeof(*config->gateways));
	config->addresses_count = 2;
	config->gateways_count = gateway != NULL;
	config->name = strdup("side");
	if (gateway)
		config->gateways[0] = addr(gateway);
	snprintf(text, sizeof(text), "%s/24", ip4);
	net_prefix_parse(&config->addresses[0], text, strlen(text));
	snprintf(text, sizeof(text), "%s/64", ip6);
	net_prefix_parse(&config->addresses[1], text, strlen(text));
	port->id = id;
	port->queues_count = queues;
	port->is_virtual = true;
	port->mtu = 1500;
	port->pools = &pools;
	port->multicast_fd = -1;
	port->mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, (uint8_t)(id + 1)}};
	port_set_addresses(port);
	port_queues_init(port);
	memset(&rows[id], 0, sizeof(rows[id]));
	s->port = port;
	s->row = &rows[id];
	s->ip4 = addr(ip4);
	s->ip6 = addr(ip6);
	s->ip4.port = s->ip6.port = 5060;
	for (unsigned int i = 0; i < queues; i++)
		port_queue_open(port, i, s->row)->now_us = now_us;
	s->q = port->queues[0];
}

static unsigned int take(struct side *s, struct rte_mbuf **frames)
{
	unsigned int count = 0, got;

	port_flush(s->q, now_us);
	while (count + PORT_BURST <= FRAMES &&
	       (got = rte_eth_rx_burst(s->port->id, 0, &frames[count], PORT_BURST)) != 0)
		count += got;
	return count;
}

static void side_close(struct side *s)
{
	struct rte_mbuf *frames[FRAMES];

	rte_pktmbuf_free_bulk(frames, take(s, frames));
	for (unsigned int i = 0; i < s->port->queues_count; i++) {
		neighbor_fini(&s->port->queues[i]->neighbors);
		reassembly_fini(&s->port->queues[i]->reassemblies);
		rte_ring_free(s->port->queues[i]->events);
		free(s->port->queues[i]);
	}
	free(s->port->queues);
	free(s->port->config.addresses);
	free(s->port->config.gateways);
	free(s->port->config.name);
	free(s->port);
}

static void open_both(void)
{
	side_open(&a, "10.0.0.1", "fd00::1", NULL, 0, 1);
	side_open(&b, "10.0.0.2", "fd00::2", NULL, 1, 1);
}

static void close_both(void)
{
	side_close(&a);
	side_close(&b);
	CHECK_INT(rte_mempool_in_use_count(pools.small), 0);
	CHECK_INT(rte_mempool_in_use_count(pools.large), 0);
}

static uint64_t count_of(const struct side *s, enum counter_id id)
{
	return s->row->value[id];
}

static unsigned int input(struct side *s, struct rte_mbuf **frames, unsigned int count, struct datagram *out)
{
	unsigned int datagrams = 0;

	for (unsigned int i = 0; i < count; i += PORT_BURST) {
		s->q->now_us = now_us;
		datagrams +=
		    port_input(s->q, &frames[i], RTE_MIN(count - i, (unsigned int)PORT_BURST), &out[datagrams]);
	}
	return datagrams;
}

/* All frames to the other side, to and fro until both are quiet; datagrams that came out are in `out`. */
static unsigned int pump(struct datagram *out)
{
	struct rte_mbuf *frames[FRAMES];
	unsigned int count, datagrams = 0, moved;

	do {
		moved = count = take(&a, frames);
		datagrams += input(&b, frames, count, &out[datagrams]);
		count = take(&b, frames);
		moved += count;
		datagrams += input(&a, frames, count, &out[datagrams]);
	} while (moved);
	return datagrams;
}

static void advance(uint64_t us)
{
	now_us += us;
	port_tick(a.q, now_us);
	port_tick(b.q, now_us);
}

static int send_text(struct side *from, const struct net_addr *local, const struct net_addr *remote, const void *data,
		     uint32_t len)
{
	return port_send_copy(from->q, local, remote, data, len, 0xb8, now_us);
}

static void get_acquainted(void)
{
	struct datagram out[8];
	unsigned int count;

	send_text(&a, &a.ip4, &b.ip4, "hello", 5);
	send_text(&a, &a.ip6, &b.ip6, "hello", 5);
	count = pump(out);
	CHECK_INT(count, 2);
	while (count)
		datagram_free(&out[--count]);
}

/* ---- checksums -------------------------------------------------------------------------------------------------- */

static void test_checksum(void)
{
	static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}; /* RFC 1071, section 3 */
	uint8_t data[300];

	CHECK_INT(rte_be_to_cpu_16(checksum_fold(checksum_add(0, example, sizeof(example)))), 0xddf2);
	for (unsigned int i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 151 + 255);
	for (unsigned int len = 0; len < sizeof(data) - 8; len++) {
		uint32_t slow = 0;
		const uint8_t *at = data + len % 8;

		for (unsigned int i = 0; i < len; i++)
			slow += i % 2 ? at[i] : at[i] * 256u;
		while (slow >> 16)
			slow = (slow & 0xffff) + (slow >> 16);
		CHECK_INT(rte_be_to_cpu_16(checksum_fold(checksum_add(0, at, len))), slow);
	}
	memset(data, 0xff, sizeof(data));
	CHECK_INT(checksum_fold(checksum_add(UINT16_MAX, data, 298)), 0xffff);
}

/* ---- datagrams -------------------------------------------------------------------------------------------------- */

static uint8_t payload[PORT_MAX_DATAGRAM];

static void exchange(const struct net_addr *local, const struct net_addr *remote, uint32_t len)
{
	struct datagram out[8];
	unsigned int count;

	CHECK_INT(send_text(&a, local, remote, payload, len), 0);
	count = pump(out);
	CHECK_INT(count, 1);
	if (count != 1)
		return;
	CHECK(net_addr_equal(&out[0].local, remote));
	CHECK(net_addr_equal(&out[0].remote, local));
	CHECK_INT(out[0].len, len);
	CHECK_INT(out[0].tos, 0xb8);
	CHECK(memcmp(out[0].data, payload, len) == 0);
	/* And back in the same buffer, as the relay does it. */
	out[0].local = *remote;
	out[0].remote = *local;
	CHECK_INT(port_send(b.q, &out[0], now_us), 0);
	count = pump(out);
	CHECK_INT(count, 1);
	if (count == 1) {
		CHECK_INT(out[0].len, len);
		CHECK(memcmp(out[0].data, payload, len) == 0);
		datagram_free(&out[0]);
	}
}

static void test_every_size(void)
{
	static const uint32_t sizes[] = {0,
					 1,
					 2,
					 3,
					 4,
					 7,
					 8,
					 9,
					 160,
					 1431,
					 1432,
					 1433,
					 1451,
					 1452,
					 1453,
					 1471,
					 1472,
					 1473,
					 1474,
					 1960,
					 2000,
					 2048,
					 2960,
					 2961,
					 4000,
					 8000,
					 20000,
					 65407,
					 65408,
					 65500,
					 PORT_MAX_DATAGRAM};

	for (unsigned int i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(rand() >> 5);
	open_both();
	for (unsigned int i = 0; i < RTE_DIM(sizes); i++) {
		exchange(&a.ip4, &b.ip4, sizes[i]);
		exchange(&a.ip6, &b.ip6, sizes[i]);
	}
	CHECK_INT(send_text(&a, &a.ip4, &b.ip4, payload, PORT_MAX_DATAGRAM + 1), -ENOBUFS);
	CHECK_INT(count_of(&a, COUNTER_port_tx_too_long), 1);
	CHECK_INT(count_of(&b, COUNTER_port_rx_bad_udp_checksum), 0);
	CHECK_INT(count_of(&b, COUNTER_port_rx_partial_checksum), 0);
	close_both();
}

/* IPv4 in, IPv6 out, in place: twenty bytes more header than came. */
static void test_relay_between_families(void)
{
	struct datagram out[8];

	open_both();
	get_acquainted();
	send_text(&a, &a.ip4, &b.ip4, "audio", 5);
	CHECK_INT(pump(out), 1);
	out[0].local = b.ip6;
	out[0].remote = a.ip6;
	CHECK_INT(port_send(b.q, &out[0], now_us), 0);
	CHECK_INT(pump(out), 1);
	CHECK_INT(out[0].local.family, NET_IP6);
	CHECK_TEXT((char *)out[0].data, out[0].len, "audio");
	datagram_free(&out[0]);
	close_both();
}

static void test_bad_addresses(void)
{
	struct net_addr other = addr("10.0.0.7:5060"), none = addr("10.0.0.2"), many = addr("239.1.1.1:5060");
	struct net_addr far = addr("198.51.100.1:5060");

	open_both();
	CHECK_INT(send_text(&a, &other, &b.ip4, "x", 1), -EADDRNOTAVAIL);
	CHECK_INT(send_text(&a, &a.ip4, &none, "x", 1), -EADDRNOTAVAIL);
	CHECK_INT(send_text(&a, &a.ip4, &many, "x", 1), -EADDRNOTAVAIL);
	CHECK_INT(send_text(&a, &a.ip4, &b.ip6, "x", 1), -EADDRNOTAVAIL);
	CHECK_INT(count_of(&a, COUNTER_port_tx_bad_address), 4);
	CHECK_INT(send_text(&a, &a.ip4, &far, "x", 1), -EHOSTUNREACH);
	CHECK_INT(count_of(&a, COUNTER_port_tx_no_route), 1);
	CHECK_INT(send_text(&a, &a.ip4, &a.ip4, "x", 1), -EHOSTUNREACH); /* the wire does not lead back to us */
	CHECK_INT(send_text(&a, &a.ip6, &a.ip6, "x", 1), -EHOSTUNREACH);
	CHECK_INT(count_of(&a, COUNTER_port_tx_no_route), 3);
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_requests), 0);
	close_both();
}

/* ---- checksums on the way in ------------------------------------------------------------------------------------- */

static unsigned int send_altered(const struct net_addr *local, const struct net_addr *remote, bool partial)
{
	struct rte_mbuf *frames[FRAMES];
	struct datagram out[8];
	uint32_t ip_len = local->family == NET_IP4 ? IP4_LEN : IP6_LEN;
	struct rte_udp_hdr *udp;
	unsigned int count;

	send_text(&a, local, remote, "hello", 5);
	CHECK_INT(take(&a, frames), 1);
	udp = rte_pktmbuf_mtod_offset(frames[0], struct rte_udp_hdr *, ETHER_LEN + ip_len);
	if (partial)
		udp->dgram_cksum = checksum_fold(checksum_pseudo(local->ip, remote->ip, local->family, PROTO_UDP, 13));
	else
		udp->dgram_cksum ^= 0x0100;
	count = input(&b, frames, 1, out);
	if (count)
		datagram_free(&out[0]);
	return count;
}

static void test_received_checksums(void)
{
	open_both();
	get_acquainted();
	CHECK_INT(send_altered(&a.ip4, &b.ip4, false), 0);
	CHECK_INT(send_altered(&a.ip6, &b.ip6, false), 0);
	CHECK_INT(count_of(&b, COUNTER_port_rx_bad_udp_checksum), 2);
	CHECK_INT(send_altered(&a.ip4, &b.ip4, true), 1);
	CHECK_INT(send_altered(&a.ip6, &b.ip6, true), 1);
	CHECK_INT(count_of(&b, COUNTER_port_rx_partial_checksum), 2);
	b.port->is_virtual = false;
	CHECK_INT(send_altered(&a.ip4, &b.ip4, true), 0);
	CHECK_INT(count_of(&b, COUNTER_port_rx_bad_udp_checksum), 3);
	close_both();
}

/* ---- fragments -------------------------------------------------------------------------------------------------- */

static unsigned int fragments(const struct net_addr *local, const struct net_addr *remote, struct rte_mbuf **frames)
{
	send_text(&a, local, remote, payload, 5000);
	return take(&a, frames);
}

static void shuffled(const struct net_addr *local, const struct net_addr *remote)
{
	struct rte_mbuf *frames[FRAMES];
	struct datagram out[8];
	unsigned int count = fragments(local, remote, frames), datagrams;

	CHECK_INT(count, 4);
	for (unsigned int i = count - 1; i > 0; i--) {
		unsigned int other = (unsigned int)rand() % (i + 1);
		struct rte_mbuf *swap = frames[i];

		frames[i] = frames[other];
		frames[other] = swap;
	}
	/* One comes twice; when that is the last to come, it begins a datagram that is never finished. */
	frames[count] = rte_pktmbuf_copy(frames[1], pools.small, 0, UINT32_MAX);
	datagrams = input(&b, frames, count + 1, out);
	CHECK_INT(datagrams, 1);
	if (datagrams) {
		CHECK_INT(out[0].len, 5000);
		CHECK(memcmp(out[0].data, payload, 5000) == 0);
		datagram_free(&out[0]);
	}
	advance(REASSEMBLY_TIMEOUT_US + US_PER_S);
	CHECK_INT(b.q->reassemblies.used, 0);
	pump(out);
}

static void test_fragments_in_any_order(void)
{
	open_both();
	get_acquainted();
	for (int i = 0; i < 30; i++) {
		shuffled(&a.ip4, &b.ip4);
		shuffled(&a.ip6, &b.ip6);
	}
	close_both();
}

static void test_lost_fragment(void)
{
	struct rte_mbuf *frames[FRAMES];
	struct datagram out[8];
	unsigned int count;

	open_both();
	get_acquainted();
	count = fragments(&a.ip4, &b.ip4, frames);
	rte_pktmbuf_free(frames[--count]);
	CHECK_INT(input(&b, frames, count, out), 0);
	CHECK_INT(b.q->reassemblies.used, 1);
	advance(REASSEMBLY_TIMEOUT_US + 1);
	CHECK_INT(b.q->reassemblies.used, 0);
	CHECK_INT(count_of(&b, COUNTER_port_rx_fragment_timeout), 1);
	close_both();
}

static void test_fragment_flood(void)
{
	struct rte_mbuf *frames[FRAMES];
	struct datagram out[8];

	open_both();
	get_acquainted();
	for (int i = 0; i < 100; i++) {
		unsigned int count = fragments(&a.ip4, &b.ip4, frames);

		rte_pktmbuf_free_bulk(&frames[1], count - 1);
		CHECK_INT(input(&b, frames, 1, out), 0);
	}
	CHECK_INT(b.q->reassemblies.used, REASSEMBLIES_PER_SOURCE);
	CHECK_INT(count_of(&b, COUNTER_port_rx_fragment_full), 100 - REASSEMBLIES_PER_SOURCE);
	/* The other family's datagrams are not the flooder's. */
	exchange(&a.ip6, &b.ip6, 3000);
	close_both();
}

static void test_overlap(void)
{
	struct rte_mbuf *frames[FRAMES];
	struct rte_ipv4_hdr *ip;
	struct datagram out[8];
	unsigned int count;

	open_both();
	get_acquainted();
	count = fragments(&a.ip4, &b.ip4, frames);
	ip = rte_pktmbuf_mtod_offset(frames[1], struct rte_ipv4_hdr *, ETHER_LEN);
	ip->fragment_offset =
	    rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | 184); /* a byte unit before the end of the first */
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~checksum_fold(checksum_add(0, ip, IP4_LEN));
	CHECK_INT(input(&b, frames, count, out), 0);
	CHECK_INT(count_of(&b, COUNTER_port_rx_fragment_overlap), 1);
	advance(REASSEMBLY_TIMEOUT_US + 1);
	CHECK_INT(count_of(&b, COUNTER_port_rx_fragment_timeout), 0);
	close_both();
}

/* ---- neighbours ------------------------------------------------------------------------------------------------- */

static void test_unresolved(void)
{
	struct net_addr absent = addr("10.0.0.77:5060");
	struct datagram out[8];

	open_both();
	CHECK_INT(send_text(&a, &a.ip4, &absent, "x", 1), 0);
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_requests), 1);
	advance(99 * US_PER_MS);
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_requests), 1);
	advance(11 * US_PER_MS);
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_requests), 2);
	advance(US_PER_S);
	advance(US_PER_S);
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_requests), 4);
	CHECK_INT(count_of(&a, COUNTER_port_tx_unresolved), 0);
	advance(US_PER_S);
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_unresolved), 1);
	CHECK_INT(count_of(&a, COUNTER_port_tx_unresolved), 1);
	CHECK_INT(send_text(&a, &a.ip4, &absent, "x", 1), -EHOSTUNREACH); /* remembered */
	advance(NEIGHBOR_FAILED_US + NEIGHBOR_TICK_US);
	CHECK_INT(send_text(&a, &a.ip4, &absent, "x", 1), 0); /* and tried again */
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_requests), 5);
	pump(out);
	close_both();
}

/* A burst to a peer that is not known yet: all of it arrives, in order. */
static void test_burst_waits(void)
{
	struct datagram out[NEIGHBOR_WAITING];
	unsigned int count;

	open_both();
	for (uint32_t i = 0; i < NEIGHBOR_WAITING; i++)
		CHECK_INT(send_text(&a, &a.ip4, &b.ip4, &i, sizeof(i)), 0);
	count = pump(out);
	CHECK_INT(count, NEIGHBOR_WAITING);
	for (uint32_t i = 0; i < count; i++) {
		CHECK(memcmp(out[i].data, &i, sizeof(i)) == 0);
		datagram_free(&out[i]);
	}
	CHECK_INT(a.q->neighbors.waiting, 0);
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_requests), 1);
	close_both();
}

static void test_resolved_ahead(void)
{
	struct net_addr one = addr("10.0.0.3:9"), far = addr("198.51.100.1:9");
	struct datagram out[8];

	open_both();
	port_resolve(a.q, &b.ip4, now_us);
	port_resolve(a.q, &b.ip6, now_us);
	CHECK_INT(pump(out), 0);
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_requests), 2);
	exchange(&a.ip4, &b.ip4, 10);
	exchange(&a.ip6, &b.ip6, 10);
	CHECK_INT(count_of(&a, COUNTER_port_tx_waiting), 0);
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_requests), 2);
	port_resolve(a.q, &far, now_us); /* no way there */
	for (one.ip[3] = 3; one.ip[3] < 250; one.ip[3]++) {
		port_resolve(a.q, &one, now_us);
		pump(out);
	}
	CHECK_INT(a.q->neighbors.unresolved, NEIGHBOR_UNRESOLVED / 2);
	CHECK_INT(send_text(&a, &a.ip4, &one, "x", 1), 0);
	close_both();
}

static void test_waiting_is_bounded(void)
{
	struct net_addr absent = addr("10.0.0.77:5060");
	struct datagram out[8];

	open_both();
	for (int i = 0; i < NEIGHBOR_WAITING; i++)
		CHECK_INT(send_text(&a, &a.ip4, &absent, "x", 1), 0);
	CHECK_INT(send_text(&a, &a.ip4, &absent, "x", 1), -ENOBUFS);
	CHECK_INT(count_of(&a, COUNTER_port_tx_wait_full), 1);
	pump(out);
	for (unsigned int i = 0; i < 5000; i++) {
		struct net_addr one = addr("10.0.0.3:9");

		one.ip[3] = (uint8_t)(10 + i % 240);
		send_text(&a, &a.ip4, &one, "x", 1);
		if (i % 64 == 0)
			pump(out);
	}
	CHECK(a.q->neighbors.unresolved <= NEIGHBOR_UNRESOLVED);
	CHECK(a.q->neighbors.waiting <= NEIGHBOR_WAITING_ALL);
	for (int i = 0; i < 8; i++)
		advance(US_PER_S);
	CHECK_INT(a.q->neighbors.waiting, 0);
	CHECK_INT(a.q->neighbors.unresolved, 0);
	pump(out);
	close_both();
}

static void test_refresh_without_a_stall(void)
{
	struct datagram out[8];
	uint64_t asked;

	open_both();
	get_acquainted();
	asked = count_of(&a, COUNTER_port_neighbor_requests);
	for (int i = 0; i < 120; i++) {
		advance(US_PER_S);
		exchange(&a.ip4, &b.ip4, 10);
	}
	CHECK_INT(count_of(&a, COUNTER_port_tx_waiting), 2);
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_refreshed), 4);
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_requests) - asked, 4);
	for (int i = 0; i < 120; i++) {
		advance(US_PER_S);
		pump(out);
	}
	CHECK_INT(a.q->neighbors.used, 0); /* unused ones are forgotten, without another question */
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_requests) - asked, 4);
	close_both();
}

static void forge_arp(uint16_t opcode, const struct net_addr *sender, const struct net_addr *target, uint8_t mac)
{
	struct rte_mbuf *m = port_frame(b.q, &a.port->mac, RTE_ETHER_TYPE_ARP, sizeof(struct rte_arp_hdr));
	struct rte_arp_hdr *arp = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, ETHER_LEN);
	struct datagram out[1];

	memset(arp, 0, sizeof(*arp));
	arp->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = 6;
	arp->arp_plen = 4;
	arp->arp_opcode = rte_cpu_to_be_16(opcode);
	arp->arp_data.arp_sha = (struct rte_ether_addr){{2, 0, 0, 0, 9, mac}};
	memcpy(&arp->arp_data.arp_sip, sender->ip, 4);
	memcpy(&arp->arp_data.arp_tip, target->ip, 4);
	input(&a, &m, 1, out);
}

static void test_spoofing(void)
{
	struct net_addr stranger = addr("10.0.0.50"), far = addr("198.51.100.1"), victim = addr("10.0.0.60:9");
	struct datagram out[8];

	open_both();
	get_acquainted();
	forge_arp(RTE_ARP_OP_REPLY, &stranger, &a.ip4, 1);
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_unsolicited), 1);
	CHECK_INT(a.q->neighbors.used, 2);
	forge_arp(RTE_ARP_OP_REQUEST, &far, &a.ip4, 1); /* not on-link: answered, not learned */
	CHECK_INT(a.q->neighbors.used, 2);
	/* Claims to be b: looked into, while the traffic goes on to the right one. */
	forge_arp(RTE_ARP_OP_REPLY, &b.ip4, &a.ip4, 1);
	forge_arp(RTE_ARP_OP_REQUEST, &b.ip4, &a.ip4, 1);
	exchange(&a.ip4, &b.ip4, 10);
	CHECK_INT(count_of(&a, COUNTER_port_neighbor_refreshed), 1);
	forge_arp(RTE_ARP_OP_REPLY, &a.ip4, &b.ip4, 1); /* claims to be us */
	CHECK_INT(count_of(&a, COUNTER_port_arp_bad), 1);
	/* One we did ask for is believed. */
	send_text(&a, &a.ip4, &victim, "x", 1);
	pump(out);
	forge_arp(RTE_ARP_OP_REPLY, &victim, &a.ip4, 7);
	CHECK_INT(count_of(&a, COUNTER_port_tx_wait_full), 0);
	CHECK_INT(a.q->neighbors.waiting, 0);
	pump(out);
	close_both();
}

/* A peer is replaced by another machine with the same address, which announces itself (fail-over). */
static void test_fail_over(void)
{
	struct datagram out[8];
	unsigned int count;

	open_both();
	get_acquainted();
	b.port->mac.addr_bytes[5] = 99;
	send_text(&a, &a.ip4, &b.ip4, "lost", 4);
	CHECK_INT(pump(out), 0);
	arp_announce(b.q);
	pump(out);
	send_text(&a, &a.ip4, &b.ip4, "found", 5);
	count = pump(out);
	CHECK_INT(count, 1);
	if (count)
		datagram_free(&out[0]);
	close_both();
}

static void test_table_is_bounded(void)
{
	struct datagram out[8];

	open_both();
	get_acquainted();
	for (unsigned int i = 0; i < 3000; i++) {
		struct neighbor_event event = {.family = NET_IP6, .kind = NEIGHBOR_ASKED_US, .has_mac = 1};
		struct net_addr ip = addr("fd00::5:0");

		ip.ip[15] = (uint8_t)i;
		ip.ip[14] = (uint8_t)(i >> 8);
		memcpy(event.ip, ip.ip, 16);
		event.mac = (struct rte_ether_addr){{2, 1, 1, 1, 1, 1}};
		neighbor_event(a.q, &event);
	}
	CHECK(a.q->neighbors.used <= NEIGHBORS * 3 / 4);
	exchange(&a.ip4, &b.ip4, 10);
	exchange(&a.ip6, &b.ip6, 10);
	for (int i = 0; i < 130; i++) {
		advance(US_PER_S);
		pump(out);
	}
	CHECK_INT(a.q->neighbors.used, 0);
	close_both();
}

static void test_queues_tell_each_other(void)
{
	struct net_addr remote = addr("10.0.0.2:9");
	struct rte_mbuf *frames[FRAMES];
	struct datagram out[8];
	struct port_queue *second;
	unsigned int count;

	side_open(&a, "10.0.0.1", "fd00::1", NULL, 0, 2);
	side_open(&b, "10.0.0.2", "fd00::2", NULL, 1, 1);
	second = a.port->queues[1];
	/* The second queue asks; the answer comes to the first. */
	port_send_copy(second, &a.ip4, &remote, "x", 1, 0, now_us);
	rte_pktmbuf_free(second->tx[--second->tx_count]);
	CHECK_INT(second->neighbors.waiting, 1);
	arp_request(a.q, remote.ip, NULL);
	count = take(&a, frames);
	input(&b, frames, count, out);
	count = take(&b, frames);
	input(&a, frames, count, out);
	CHECK_INT(second->neighbors.waiting, 1);
	neighbor_drain(second);
	CHECK_INT(second->neighbors.waiting, 0);
	CHECK_INT(second->tx_count, 1);
	rte_pktmbuf_free(second->tx[--second->tx_count]);
	close_both();
}

static void test_gateway(void)
{
	struct net_addr far = addr("198.51.100.1:9");
	struct rte_mbuf *frames[FRAMES];
	struct datagram out[8];
	unsigned int count;

	side_open(&a, "10.0.0.1", "fd00::1", "10.0.0.2", 0, 1);
	side_open(&b, "10.0.0.2", "fd00::2", NULL, 1, 1);
	port_tick(a.q, now_us); /* asks for its gateway before anybody needs it */
	pump(out);
	CHECK_INT(send_text(&a, &a.ip4, &far, "x", 1), 0);
	CHECK_INT(count_of(&a, COUNTER_port_tx_waiting), 0);
	count = take(&a, frames);
	CHECK_INT(count, 1);
	CHECK(rte_is_same_ether_addr(&rte_pktmbuf_mtod(frames[0], struct rte_ether_hdr *)->dst_addr, &b.port->mac));
	rte_pktmbuf_free_bulk(frames, count);
	close_both();
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

static void ping(void)
{
	struct rte_mbuf *frames[FRAMES];
	struct datagram d;
	uint8_t echo[8] = {8, 0, 0xf7, 0xff};
	struct outgoing o = {.source = b.ip4.ip,
			     .destination = a.ip4.ip,
			     .len = sizeof(echo),
			     .family = NET_IP4,
			     .protocol = 1,
			     .hop_limit = 64};

	CHECK_INT(port_buffer(b.q, &d, sizeof(echo)), 0);
	memcpy(d.data, echo, sizeof(echo));
	o.mbuf = d.mbuf;
	o.l4 = d.data;
	ip_send(b.q, &o);
	input(&a, frames, take(&b, frames), &d);
	rte_pktmbuf_free_bulk(frames, take(&a, frames));
}

static void test_ping_flood(void)
{
	struct rte_mbuf *frames[FRAMES];
	struct datagram out[8];

	open_both();
	get_acquainted();
	for (int i = 0; i < ANSWERS_PER_SECOND + 10; i++)
		ping();
	CHECK_INT(count_of(&a, COUNTER_port_icmp_echo_answered), ANSWERS_PER_SECOND);
	CHECK_INT(count_of(&a, COUNTER_port_answers_limited), 10);
	/* Who looks for us on the link finds us all the same. */
	arp_request(b.q, a.ip4.ip, NULL);
	nd_request(b.q, a.ip6.ip, NULL);
	input(&a, frames, take(&b, frames), out);
	CHECK_INT(count_of(&a, COUNTER_port_answers_limited), 10);
	CHECK_INT(take(&a, frames), 2);
	rte_pktmbuf_free_bulk(frames, 2);
	advance(US_PER_S);
	ping();
	CHECK_INT(count_of(&a, COUNTER_port_icmp_echo_answered), ANSWERS_PER_SECOND + 1);
	close_both();
}

/* So that what is wrong behind the IPv4 header is reached. */
static void mend_checksum(uint8_t *frame)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + ETHER_LEN);

	if (ip->version_ihl != RTE_IPV4_VHL_DEF)
		return;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~checksum_fold(checksum_add(0, ip, IP4_LEN));
}

/* ---- carried on ---------------------------------------------------------------------------------------------------
 */

/* a to b, which passes it on to a from its address of that family: how many arrive there. */
static unsigned int carry(uint8_t in_family, uint8_t out_family, uint32_t len, bool damaged)
{
	struct net_addr to = in_family == NET_IP4 ? b.ip4 : b.ip6;
	struct rte_mbuf *frames[FRAMES];
	struct datagram out[8];
	unsigned int count;

	to.port = (uint16_t)(1 + rand() % UINT16_MAX);
	send_text(&a, in_family == NET_IP4 ? &a.ip4 : &a.ip6, &to, payload + rand() % 64, len);
	CHECK_INT(take(&a, frames), 1);
	if (damaged)
		rte_pktmbuf_mtod(frames[0], uint8_t *)[frames[0]->data_len - 1] ^= 1;
	CHECK_INT(input(&b, frames, 1, out), 1);
	CHECK_INT(out[0].carried, in_family);
	out[0].local = out_family == NET_IP4 ? b.ip4 : b.ip6;
	out[0].local.port = (uint16_t)(1 + rand() % UINT16_MAX);
	out[0].remote = out_family == NET_IP4 ? a.ip4 : a.ip6;
	out[0].remote.port = (uint16_t)(1 + rand() % UINT16_MAX);
	CHECK_INT(port_send(b.q, &out[0], now_us), 0);
	count = input(&a, frames, take(&b, frames), out);
	if (count) {
		CHECK_INT(out[0].len, len);
		datagram_free(&out[0]);
	}
	return count;
}

static void test_carried_on(void)
{
	static const uint8_t families[] = {NET_IP4, NET_IP6};

	open_both();
	get_acquainted();
	b.port->carries = true;
	for (unsigned int i = 0; i < 20000; i++) {
		uint8_t in = families[i & 1], out = families[i >> 1 & 1];

		CHECK_INT(carry(in, out, 1 + (uint32_t)rand() % 300, false), 1);
		CHECK_INT(carry(in, out, 1 + (uint32_t)rand() % 300, true), 0);
	}
	CHECK_INT(count_of(&b, COUNTER_port_rx_bad_udp_checksum), 0);
	CHECK_INT(count_of(&a, COUNTER_port_rx_bad_udp_checksum), 20000);
	/* Not a sender's own checksum: verified as ever. */
	CHECK_INT(send_altered(&a.ip4, &b.ip4, true), 1);
	CHECK_INT(count_of(&b, COUNTER_port_rx_partial_checksum), 1);
	close_both();
}

/* One frame on the short way and on the long one. */
static void both_ways(struct rte_mbuf *m)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, pools.small, 0, UINT32_MAX);
	uint64_t bad = count_of(&b, COUNTER_port_rx_bad_udp_checksum);
	struct datagram quick, slow;
	unsigned int quick_count, slow_count;

	b.port->carries = true;
	quick_count = port_input(b.q, &m, 1, &quick);
	b.port->carries = false;
	slow_count = port_input(b.q, &copy, 1, &slow);
	bad = count_of(&b, COUNTER_port_rx_bad_udp_checksum) - bad;
	/* What it carries on may be damaged; in everything else the two agree. */
	CHECK(quick_count == slow_count || (quick_count == 1 && bad == 1));
	if (quick_count && slow_count)
		CHECK(net_addr_equal(&quick.local, &slow.local) && net_addr_equal(&quick.remote, &slow.remote) &&
		      quick.len == slow.len && quick.tos == slow.tos && memcmp(quick.data, slow.data, slow.len) == 0);
	if (quick_count)
		datagram_free(&quick);
	if (slow_count)
		datagram_free(&slow);
}

static void alter(struct rte_mbuf *m)
{
	uint8_t *bytes = rte_pktmbuf_mtod(m, uint8_t *);

	for (int changes = rand() % 3; changes > 0; changes--)
		bytes[(unsigned int)rand() % (ETHER_LEN + IP4_LEN + UDP_LEN)] ^= (uint8_t)(1 << rand() % 8);
	if (rand() % 2)
		mend_checksum(bytes);
	if (rand() % 16 == 0)
		rte_pktmbuf_trim(m, (uint16_t)(rand() % m->data_len));
}

static void test_short_way(void)
{
	struct rte_mbuf *frames[FRAMES];
	struct datagram out[8];
	unsigned int count;

	open_both();
	get_acquainted();
	for (int i = 0; i < 40000; i++) {
		send_text(&a, &a.ip4, &b.ip4, payload, (uint32_t)rand() % 200);
		count = take(&a, frames);
		for (unsigned int f = 0; f < count; f++) {
			if (i % 100 != 0)
				alter(frames[f]);
			both_ways(frames[f]);
		}
		if (i % 100 == 0)
			advance(10 * US_PER_MS);
		count = input(&a, frames, take(&b, frames), out);
		while (count)
			datagram_free(&out[--count]);
	}
	CHECK(count_of(&b, COUNTER_port_rx_datagrams) > 20000);
	advance(REASSEMBLY_TIMEOUT_US + US_PER_S);
	close_both();
}

/* ---- garbage ---------------------------------------------------------------------------------------------------- */

static void test_garbage(void)
{
	struct rte_mbuf *frames[FRAMES];
	struct datagram out[64];
	unsigned int count;

	open_both();
	get_acquainted();
	for (int i = 0; i < 40000; i++) {
		const struct net_addr *local = i % 2 ? &a.ip4 : &a.ip6, *remote = i % 2 ? &b.ip4 : &b.ip6;

		if (i % 7 == 0)
			(i % 2 ? arp_request : nd_request)(a.q, remote->ip, NULL);
		else
			send_text(&a, local, remote, payload, (uint32_t)rand() % 3200);
		count = take(&a, frames);
		for (unsigned int f = 0; f < count; f++) {
			uint8_t *bytes = rte_pktmbuf_mtod(frames[f], uint8_t *);

			for (int changes = rand() % 4; changes >= 0; changes--)
				bytes[(unsigned int)rand() % RTE_MIN(80u, frames[f]->data_len)] ^=
				    (uint8_t)(1 << rand() % 8);
			if (rand() % 2)
				mend_checksum(bytes);
			if (rand() % 4 == 0)
				rte_pktmbuf_trim(frames[f], (uint16_t)(rand() % frames[f]->data_len));
		}
		count = input(&b, frames, count, out);
		while (count)
			datagram_free(&out[--count]);
		advance(10 * US_PER_MS);
		/* Back come answers, so that the sender goes on knowing where to send. */
		count = take(&b, frames);
		count = input(&a, frames, count, out);
		while (count)
			datagram_free(&out[--count]);
	}
	CHECK(count_of(&b, COUNTER_port_rx_datagrams) > 100);
	CHECK(count_of(&b, COUNTER_port_rx_bad_udp_checksum) > 1000);
	CHECK(count_of(&b, COUNTER_port_rx_fragments) > 1000);
	CHECK(count_of(&b, COUNTER_port_nd_bad) > 0);
	advance(REASSEMBLY_TIMEOUT_US + US_PER_S);
	close_both();
}

static const struct check_case cases[] = {
    {"checksum", test_checksum},
    {"datagrams of every size, both families", test_every_size},
    {"relay between the families", test_relay_between_families},
    {"addresses that can't be used", test_bad_addresses},
    {"received checksums", test_received_checksums},
    {"fragments in any order", test_fragments_in_any_order},
    {"a lost fragment", test_lost_fragment},
    {"a flood of fragments", test_fragment_flood},
    {"overlapping fragments", test_overlap},
    {"unresolved next hop", test_unresolved},
    {"a burst waits for its next hop", test_burst_waits},
    {"a next hop resolved ahead", test_resolved_ahead},
    {"waiting frames are bounded", test_waiting_is_bounded},
    {"refresh without a stall", test_refresh_without_a_stall},
    {"spoofed ARP", test_spoofing},
    {"fail-over of a peer", test_fail_over},
    {"neighbour table is bounded", test_table_is_bounded},
    {"queues tell each other", test_queues_tell_each_other},
    {"gateway", test_gateway},
    {"a flood of pings", test_ping_flood},
    {"carried on", test_carried_on},
    {"the short way in is the long way", test_short_way},
    {"garbage", test_garbage},
};

static int eal_start(void)
{
	const char *arguments[] = {"test_port",
				   "--no-huge",
				   "--no-shconf",
				   "-m",
				   "128",
				   "--no-pci",
				   "--no-telemetry",
				   "--iova-mode=va",
				   "--lcores=0@(0)",
				   "--log-level=error",
				   "--file-prefix=test-port",
				   "--vdev=net_ring0",
				   "--vdev=net_ring1"};
	char *argv[RTE_DIM(arguments) + 1];

	memcpy(argv, arguments, sizeof(arguments));
	argv[RTE_DIM(arguments)] = NULL;

	if (rte_eal_init(RTE_DIM(arguments), argv) < 0)
		return -1;
	pools.small = rte_pktmbuf_pool_create("small", 8191, 0, 0, RTE_PKTMBUF_HEADROOM + 2048, 0);
	pools.large = rte_pktmbuf_pool_create("large", 127, 0, 0, UINT16_MAX, 0);
	pools.small_room = 2048 - ETHER_LEN - IP6_LEN - UDP_LEN;
	for (uint16_t id = 0; id < 2; id++) {
		struct rte_eth_conf conf = {0};

		if (rte_eth_dev_configure(id, 1, 1, &conf) != 0 ||
		    rte_eth_rx_queue_setup(id, 0, 1024, 0, NULL, pools.small) != 0 ||
		    rte_eth_tx_queue_setup(id, 0, 1024, 0, NULL) != 0 || rte_eth_dev_start(id) != 0)
			return -1;
	}
	return pools.small && pools.large ? 0 : -1;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (eal_start() != 0) {
		printf("DPDK did not start\n");
		return 1;
	}
	srand(1);
	return check_main(cases, RTE_DIM(cases));
}
