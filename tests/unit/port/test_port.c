/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams in and out: every size, checksums, the relay's short way, answers to pings, and garbage. */
#include <errno.h>
#include <stdlib.h>

#include "lab.h"

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

/* ---- carried on -------------------------------------------------------------------------------------------------- */

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
	a.port->is_virtual = false; /* or one damaged sum in 65,536 passes for the unfinished one of a local kernel */
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
    {"a flood of pings", test_ping_flood},
    {"carried on", test_carried_on},
    {"the short way in is the long way", test_short_way},
    {"garbage", test_garbage},
};

int main(void)
{
	return lab_main(cases, RTE_DIM(cases));
}
