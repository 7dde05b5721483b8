/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include <rte_eal.h>

#include "lab.h"

struct side a, b;
struct port_pools pools;
uint64_t now_us = 1000 * US_PER_S;
uint8_t payload[PORT_MAX_DATAGRAM];

static struct counter_row rows[2];

struct net_addr addr(const char *text)
{
	struct net_addr out;

	if (net_addr_parse(&out, text, strlen(text)) != 0)
		abort();
	return out;
}

void side_open(struct side *s, const char *ip4, const char *ip6, const char *gateway, uint16_t id, uint16_t queues)
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

unsigned int take(struct side *s, struct rte_mbuf **frames)
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

void open_both(void)
{
	side_open(&a, "10.0.0.1", "fd00::1", NULL, 0, 1);
	side_open(&b, "10.0.0.2", "fd00::2", NULL, 1, 1);
}

void close_both(void)
{
	side_close(&a);
	side_close(&b);
	CHECK_INT(rte_mempool_in_use_count(pools.small), 0);
	CHECK_INT(rte_mempool_in_use_count(pools.large), 0);
}

uint64_t count_of(const struct side *s, enum counter_id id)
{
	return s->row->value[id];
}

unsigned int input(struct side *s, struct rte_mbuf **frames, unsigned int count, struct datagram *out)
{
	unsigned int datagrams = 0;

	for (unsigned int i = 0; i < count; i += PORT_BURST) {
		s->q->now_us = now_us;
		datagrams +=
		    port_input(s->q, &frames[i], RTE_MIN(count - i, (unsigned int)PORT_BURST), &out[datagrams]);
	}
	return datagrams;
}

unsigned int pump(struct datagram *out)
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

void advance(uint64_t us)
{
	now_us += us;
	port_tick(a.q, now_us);
	port_tick(b.q, now_us);
}

int send_text(struct side *from, const struct net_addr *local, const struct net_addr *remote, const void *data,
	      uint32_t len)
{
	return port_send_copy(from->q, local, remote, data, len, 0xb8, now_us);
}

void get_acquainted(void)
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

void exchange(const struct net_addr *local, const struct net_addr *remote, uint32_t len)
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

void mend_checksum(uint8_t *frame)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + ETHER_LEN);

	if (ip->version_ihl != RTE_IPV4_VHL_DEF)
		return;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~checksum_fold(checksum_add(0, ip, IP4_LEN));
}

static int eal_start(void)
{
	char prefix[64];
	const char *arguments[] = {program_invocation_short_name,
				   "--no-huge",
				   "--no-shconf",
				   "-m",
				   "128",
				   "--no-pci",
				   "--no-telemetry",
				   "--iova-mode=va",
				   "--lcores=0@(0)",
				   "--log-level=error",
				   prefix,
				   "--vdev=net_ring0",
				   "--vdev=net_ring1"};
	char *argv[RTE_DIM(arguments) + 1];

	snprintf(prefix, sizeof(prefix), "--file-prefix=%s", program_invocation_short_name);
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

int lab_main(const struct check_case *cases, int count)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (eal_start() != 0) {
		printf("DPDK did not start\n");
		return 1;
	}
	srand(1);
	for (unsigned int i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(rand() >> 5);
	return check_main(cases, count);
}
