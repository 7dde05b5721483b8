/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a port costs beyond its driver: frames in memory are parsed, checked, turned round with new headers and
 * checksums, and handed on. Prints nanoseconds a packet (the median of many bursts); the machine is what it is, so
 * nothing is judged here.
 */
#include <stdlib.h>

#include <rte_eal.h>

#include "common/port/internal.h"

#define ROUNDS 20000

static struct counter_row row;
static uint64_t receiving[ROUNDS], sending[ROUNDS]; /* cycles */

static struct net_addr addr(const char *text)
{
	struct net_addr out;

	if (net_addr_parse(&out, text, strlen(text)) != 0)
		abort();
	return out;
}

static struct port_queue *queue_new(struct port_pools *pools)
{
	struct port *port = calloc(1, sizeof(*port));
	struct net_prefix *addresses = calloc(2, sizeof(*addresses));

	net_prefix_parse(&addresses[0], "10.0.0.1/24", 11);
	net_prefix_parse(&addresses[1], "fd00::1/64", 10);
	port->config.addresses = addresses;
	port->config.addresses_count = 2;
	port->queues_count = 1;
	port->mtu = 1500;
	port->pools = pools;
	port->mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, 1}};
	port_set_addresses(port);
	if (port_queues_init(port) != 0)
		abort();
	return port_queue_open(port, 0, &row);
}

static void learn(struct port_queue *q, const struct net_addr *remote)
{
	struct neighbor_event event = {.family = remote->family, .kind = NEIGHBOR_ASKED_US, .has_mac = 1};

	memcpy(event.ip, remote->ip, 16);
	event.mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, 1}}; /* so that what is sent can be received again */
	neighbor_event(q, &event);
}

/* The frames that q has queued are its input again, with source and destination address exchanged. */
static void turn(struct rte_mbuf *m, uint8_t family)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, ETHER_LEN), swap[16];
	size_t len = family == NET_IP4 ? 4 : 16, at = family == NET_IP4 ? 12 : 8;

	memcpy(swap, ip + at, len);
	memcpy(ip + at, ip + at + len, len);
	memcpy(ip + at + len, swap, len);
}

static int compare(const void *x, const void *y)
{
	uint64_t first = *(const uint64_t *)x, second = *(const uint64_t *)y;

	return (first > second) - (first < second);
}

/* Of a packet, in the median round: others may use the machine, too. */
static double median_ns(uint64_t *cycles)
{
	qsort(cycles, ROUNDS, sizeof(*cycles), compare);
	return (double)cycles[ROUNDS / 2] * 1e9 / (double)rte_get_tsc_hz() / PORT_BURST;
}

static void measure(struct port_queue *q, const char *name, const char *local_text, const char *remote_text,
		    uint32_t len)
{
	struct net_addr local = addr(local_text), remote = addr(remote_text);
	struct rte_mbuf *frames[PORT_BURST];
	struct datagram out[PORT_BURST];
	uint8_t payload[1400] = {1};
	uint64_t start;

	learn(q, &remote);
	for (unsigned int i = 0; i < PORT_BURST; i++)
		port_send_copy(q, &local, &remote, payload, len, 0xb8, 1);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		unsigned int count = q->tx_count;

		q->tx_count = 0;
		memcpy(frames, q->tx, count * sizeof(frames[0]));
		for (unsigned int i = 0; i < count; i++)
			turn(frames[i], local.family);
		start = rte_rdtsc();
		count = port_input(q, frames, count, out);
		receiving[round] = rte_rdtsc() - start;
		for (unsigned int i = 0; i < count; i++) {
			out[i].local = local;
			out[i].remote = remote;
		}
		start = rte_rdtsc();
		for (unsigned int i = 0; i < count; i++)
			port_send(q, &out[i], 1);
		sending[round] = rte_rdtsc() - start;
	}
	rte_pktmbuf_free_bulk(q->tx, q->tx_count);
	q->tx_count = 0;
	printf("%-24s receive %5.1f ns  send %5.1f ns\n", name, median_ns(receiving), median_ns(sending));
}

int main(void)
{
	const char *arguments[] = {"bench_port",
				   "--no-huge",
				   "--no-shconf",
				   "-m",
				   "64",
				   "--no-pci",
				   "--lcores=0@(0)",
				   "--no-telemetry",
				   "--file-prefix=bench-port",
				   "--log-level=error",
				   "--iova-mode=va"};
	char *argv[RTE_DIM(arguments) + 1] = {NULL};
	struct port_pools pools = {.small_room = 1800};
	struct port_queue *q;

	memcpy(argv, arguments, sizeof(arguments));
	if (rte_eal_init(RTE_DIM(arguments), argv) < 0)
		return 1;
	pools.small = rte_pktmbuf_pool_create("small", 1023, 32, 0, RTE_PKTMBUF_HEADROOM + 2048, 0);
	if (!pools.small)
		return 1;
	q = queue_new(&pools);
	measure(q, "IPv4, RTP of 172 bytes", "10.0.0.1:5000", "10.0.0.2:5000", 172);
	measure(q, "IPv6, RTP of 172 bytes", "[fd00::1]:5000", "[fd00::2]:5000", 172);
	measure(q, "IPv4, SIP of 900 bytes", "10.0.0.1:5000", "10.0.0.2:5000", 900);
	return 0;
}
