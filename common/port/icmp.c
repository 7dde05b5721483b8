/* SPDX-License-Identifier: Apache-2.0 */
/* Echo requests are answered in their own buffer; neighbour discovery goes on to nd.c; the rest is counted. */
#include <string.h>

#include "internal.h"

#define ICMP4_ECHO_REPLY   0
#define ICMP4_ECHO_REQUEST 8
#define ICMP6_ECHO_REQUEST 128
#define ICMP6_ECHO_REPLY   129
#define ICMP6_NS           135
#define ICMP6_NA           136
#define ICMP_HEADER        8

static void drop(struct port_queue *q, struct packet *p, enum counter_id why)
{
	counter_inc(q->row, why);
	rte_pktmbuf_free(p->mbuf);
}

static void echo(struct port_queue *q, struct packet *p, uint8_t reply_type)
{
	struct outgoing o = {.mbuf = p->mbuf,
			     .source = p->destination,
			     .destination = p->source,
			     .l4 = p->payload,
			     .len = p->len,
			     .family = p->family,
			     .protocol = p->protocol,
			     .tos = p->tos,
			     .hop_limit = PORT_HOP_LIMIT};
	uint64_t sum = 0;
	uint16_t checksum;

	if (p->len < ICMP_HEADER || p->payload[1] != 0) {
		drop(q, p, COUNTER_port_icmp_bad);
		return;
	}
	if (!port_may_answer(q, &q->echo_answers)) {
		rte_pktmbuf_free(p->mbuf);
		return;
	}
	counter_inc(q->row, COUNTER_port_icmp_echo_answered);
	p->payload[0] = reply_type;
	memset(p->payload + 2, 0, 2);
	if (p->family == NET_IP6)
		sum = checksum_pseudo(o.source, o.destination, NET_IP6, PROTO_ICMP6, o.len);
	checksum = (uint16_t)~checksum_fold(checksum_add(sum, o.l4, o.len));
	memcpy(p->payload + 2, &checksum, sizeof(checksum));
	ip_send(q, &o);
}

void icmp4_input(struct port_queue *q, struct packet *p)
{
	if (p->len < ICMP_HEADER || checksum_fold(checksum_add(0, p->payload, p->len)) != UINT16_MAX)
		drop(q, p, COUNTER_port_icmp_bad);
	else if (p->payload[0] == ICMP4_ECHO_REQUEST)
		echo(q, p, ICMP4_ECHO_REPLY);
	else
		drop(q, p, COUNTER_port_icmp_ignored);
}

void icmp6_input(struct port_queue *q, struct packet *p)
{
	uint64_t pseudo = checksum_pseudo(p->source, p->destination, NET_IP6, PROTO_ICMP6, p->len);

	if (p->len < ICMP_HEADER || checksum_fold(checksum_add(pseudo, p->payload, p->len)) != UINT16_MAX) {
		drop(q, p, COUNTER_port_icmp_bad);
		return;
	}
	/* Neighbour discovery in fragments is refused (RFC 6980). */
	if ((p->payload[0] == ICMP6_NS || p->payload[0] == ICMP6_NA) && p->whole) {
		nd_input(q, p);
		rte_pktmbuf_free(p->mbuf);
	} else if (p->payload[0] == ICMP6_ECHO_REQUEST && p->destination[0] != 0xff) {
		echo(q, p, ICMP6_ECHO_REPLY);
	} else {
		drop(q, p, COUNTER_port_icmp_ignored);
	}
}
