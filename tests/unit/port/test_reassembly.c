/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams in fragments: in any order, lost, in floods, overlapping. */
#include <stdlib.h>

#include "lab.h"

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
	/* One whose identification, which is random, is that of a datagram that stands is taken for a part of it. */
	uint64_t full = count_of(&b, COUNTER_port_rx_fragment_full);

	CHECK(full <= 100 - REASSEMBLIES_PER_SOURCE && full >= 96 - REASSEMBLIES_PER_SOURCE);
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

static const struct check_case cases[] = {
    {"fragments in any order", test_fragments_in_any_order},
    {"a lost fragment", test_lost_fragment},
    {"a flood of fragments", test_fragment_flood},
    {"overlapping fragments", test_overlap},
};

int main(void)
{
	return lab_main(cases, RTE_DIM(cases));
}
