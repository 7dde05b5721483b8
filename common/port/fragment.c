/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending what exceeds the MTU (or has no room for headers before it): each fragment is copied into a frame of its
 * own. Copying a big message once costs less than chained buffers would cost every driver, and frees the large
 * buffer at once.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

static void ip6_fragment_header(uint8_t *at, uint8_t protocol, uint32_t offset, bool more, uint32_t id)
{
	uint16_t field = rte_cpu_to_be_16((uint16_t)(offset | more));

	at[0] = protocol;
	at[1] = 0;
	memcpy(at + 2, &field, sizeof(field));
	id = rte_cpu_to_be_32(id);
	memcpy(at + 4, &id, sizeof(id));
}

static struct rte_mbuf *piece(struct port_queue *q, const struct outgoing *o, uint32_t offset, uint32_t len,
			      uint32_t id)
{
	static const struct rte_ether_addr unknown;
	bool whole = len == o->len, more = offset + len < o->len;
	uint32_t extra = o->family == NET_IP6 && !whole ? IP6_FRAG_LEN : 0;
	uint32_t ip_len = o->family == NET_IP4 ? IP4_LEN : IP6_LEN;
	uint16_t type = o->family == NET_IP4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;
	struct rte_mbuf *m = port_frame(q, &unknown, type, ip_len + extra + len);
	uint8_t *ip;

	if (!m)
		return NULL;
	ip = rte_pktmbuf_mtod_offset(m, uint8_t *, ETHER_LEN);
	if (o->family == NET_IP4) {
		ip_write(o, ip, len, id, (uint16_t)(offset / 8 | (more ? RTE_IPV4_HDR_MF_FLAG : 0)));
	} else {
		ip_write(o, ip, extra + len, id, !whole);
		if (extra)
			ip6_fragment_header(ip + IP6_LEN, o->protocol, offset, more, id);
	}
	memcpy(ip + ip_len + extra, o->l4 + offset, len);
	return m;
}

int fragment_send(struct port_queue *q, struct neighbor *n, struct outgoing *o)
{
	uint32_t ip_len = o->family == NET_IP4 ? IP4_LEN : IP6_LEN, id = port_random(q), most;
	int rc = 0;

	if (o->sum != 0)
		((struct rte_udp_hdr *)o->l4)->dgram_cksum = o->sum;
	else if (o->protocol == PROTO_UDP)
		udp_checksum_fill(o);
	most = q->port->mtu - ip_len;
	if (o->len > most) {
		most = (most - (o->family == NET_IP6 ? IP6_FRAG_LEN : 0)) & ~7u;
		counter_inc(q->row, COUNTER_port_tx_fragmented);
	}
	for (uint32_t offset = 0; rc == 0 && offset < o->len; offset += most) {
		struct rte_mbuf *m = piece(q, o, offset, RTE_MIN(most, o->len - offset), id);

		rc = m ? neighbor_output(q, n, m) : -ENOBUFS;
	}
	rte_pktmbuf_free(o->mbuf);
	return rc;
}
