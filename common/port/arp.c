/* SPDX-License-Identifier: Apache-2.0 */
/* ARP (RFC 826) with the conflict and announcement rules of RFC 5227. */
#include <string.h>

#include <rte_arp.h>

#include "internal.h"

static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static void arp_send(struct port_queue *q, uint16_t opcode, const uint8_t *source_ip, const struct rte_ether_addr *to,
		     const uint8_t *target_ip, const struct rte_ether_addr *target_mac)
{
	struct rte_mbuf *m = port_frame(q, to, RTE_ETHER_TYPE_ARP, sizeof(struct rte_arp_hdr));
	struct rte_arp_hdr *arp;

	if (!m)
		return;
	arp = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, ETHER_LEN);
	arp->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = RTE_ETHER_ADDR_LEN;
	arp->arp_plen = 4;
	arp->arp_opcode = rte_cpu_to_be_16(opcode);
	rte_ether_addr_copy(&q->port->mac, &arp->arp_data.arp_sha);
	rte_ether_addr_copy(target_mac, &arp->arp_data.arp_tha);
	memcpy(&arp->arp_data.arp_sip, source_ip, 4);
	memcpy(&arp->arp_data.arp_tip, target_ip, 4);
	port_transmit(q, m);
}

void arp_request(struct port_queue *q, const uint8_t *ip, const struct rte_ether_addr *to)
{
	static const struct rte_ether_addr unknown;
	const struct config_port *config = &q->port->config;
	const uint8_t *source = NULL;
	struct net_addr target = {.family = NET_IP4};

	memcpy(target.ip, ip, 4);
	for (unsigned int i = 0; i < config->addresses_count; i++) {
		const struct net_prefix *prefix = &config->addresses[i];

		if (prefix->addr.family != NET_IP4)
			continue;
		if (!source || net_prefix_contains(prefix, &target))
			source = prefix->addr.ip;
	}
	if (source)
		arp_send(q, RTE_ARP_OP_REQUEST, source, to ? to : &broadcast, ip, &unknown);
}

void arp_announce(struct port_queue *q)
{
	static const struct rte_ether_addr unknown;

	for (unsigned int i = 0; i < q->port->ip4_count; i++) {
		const uint8_t *ip = (const uint8_t *)&q->port->ip4[i];

		arp_send(q, RTE_ARP_OP_REQUEST, ip, &broadcast, ip, &unknown);
	}
}

void arp_input(struct port_queue *q, const struct rte_mbuf *m)
{
	const struct rte_arp_hdr *arp = rte_pktmbuf_mtod_offset(m, const struct rte_arp_hdr *, ETHER_LEN);
	struct neighbor_event event = {.family = NET_IP4, .has_mac = 1};
	uint8_t target[16] = {0};
	bool for_us, is_request;

	if (m->data_len < ETHER_LEN + sizeof(*arp) || arp->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
	    arp->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) || arp->arp_hlen != RTE_ETHER_ADDR_LEN ||
	    arp->arp_plen != 4 || !rte_is_valid_assigned_ether_addr(&arp->arp_data.arp_sha)) {
		counter_inc(q->row, COUNTER_port_arp_bad);
		return;
	}
	if (rte_is_same_ether_addr(&arp->arp_data.arp_sha, &q->port->mac))
		return; /* our own, come back */
	memcpy(event.ip, &arp->arp_data.arp_sip, 4);
	memcpy(target, &arp->arp_data.arp_tip, 4);
	if (port_owns(q->port, event.ip, NET_IP4)) {
		counter_inc(q->row, COUNTER_port_arp_bad);
		return;
	}
	counter_inc(q->row, COUNTER_port_arp_received);
	is_request = arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST);
	for_us = port_owns(q->port, target, NET_IP4);
	if (is_request && for_us && port_may_answer(q, &q->neighbor_answers)) {
		counter_inc(q->row, COUNTER_port_arp_answered);
		arp_send(q, RTE_ARP_OP_REPLY, target, &arp->arp_data.arp_sha, event.ip, &arp->arp_data.arp_sha);
	}
	/* A sender of 0.0.0.0 probes for an address it does not have yet. */
	if (arp->arp_data.arp_sip == 0 || !port_is_on_link(q->port, event.ip, NET_IP4))
		return;
	rte_ether_addr_copy(&arp->arp_data.arp_sha, &event.mac);
	if (for_us)
		event.kind = is_request ? NEIGHBOR_ASKED_US : NEIGHBOR_REPLIED;
	else if (arp->arp_data.arp_sip == arp->arp_data.arp_tip)
		event.kind = NEIGHBOR_ANNOUNCED;
	else
		return;
	neighbor_event(q, &event);
}
