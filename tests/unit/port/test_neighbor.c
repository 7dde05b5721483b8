/* SPDX-License-Identifier: Apache-2.0 */
/* Next hops (ARP, neighbour discovery): looked for, waited for, kept fresh, forged, replaced; the gateway. */
#include <errno.h>
#include <stdlib.h>

#include <rte_arp.h>

#include "lab.h"

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

static const struct check_case cases[] = {
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
};

int main(void)
{
	return lab_main(cases, RTE_DIM(cases));
}
