/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions a port spends on an RTP packet, its driver left out: frames in memory are checked and become datagrams,
 * which go out again as a relay sends them, with new addresses in place.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>

#include "common/port/internal.h"
#include "count.h"

#define RTP_LEN 172
#define WARM_UP 20u
#define BURSTS  200u

static struct counter_row row;
static struct port_queue *queue;
static struct net_addr local, peer[2]; /* ours; the peers' by turns */

static struct net_addr addr(const char *text)
{
	struct net_addr out;

	if (net_addr_parse(&out, text, strlen(text)) != 0)
		abort();
	return out;
}

static void learn(const struct net_addr *remote)
{
	struct neighbor_event event = {.family = remote->family, .kind = NEIGHBOR_ASKED_US, .has_mac = 1};

	memcpy(event.ip, remote->ip, sizeof(event.ip));
	event.mac = queue->port->mac; /* so that what is sent can be received again */
	neighbor_event(queue, &event);
}

static void queue_new(struct port_pools *pools)
{
	struct port *port = calloc(1, sizeof(*port));
	struct net_prefix *address = calloc(1, sizeof(*address));

	if (!port || !address || net_prefix_parse(address, "10.0.0.1/24", strlen("10.0.0.1/24")) != 0)
		abort();
	port->config.addresses = address;
	port->config.addresses_count = 1;
	port->queues_count = 1;
	port->mtu = 1500;
	port->is_virtual = true;
	port->carries = true;
	port->pools = pools;
	port->mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, 1}};
	if (port_set_addresses(port) != 0 || port_queues_init(port) != 0)
		abort();
	queue = port_queue_open(port, 0, &row);
}

/* What went out to one peer comes back from it. */
static void turn(struct rte_mbuf *m)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, ETHER_LEN), swap[4];

	memcpy(swap, ip + 12, sizeof(swap));
	memcpy(ip + 12, ip + 16, sizeof(swap));
	memcpy(ip + 16, swap, sizeof(swap));
}

static unsigned int take_in(struct datagram *out, bool counted)
{
	struct rte_mbuf *frames[PORT_BURST];
	unsigned int count = queue->tx_count;

	queue->tx_count = 0;
	memcpy(frames, queue->tx, count * sizeof(frames[0]));
	for (unsigned int i = 0; i < count; i++)
		turn(frames[i]);
	if (counted)
		count_begin();
	return port_input(queue, frames, count, out);
}

/* To the other peer of the pair, as a relay does. */
static void send_on(struct datagram *d, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		d[i].remote = peer[d[i].remote.ip[3] == peer[0].ip[3]];
		d[i].local = local;
	}
	for (unsigned int i = 0; i < count; i++)
		port_send(queue, &d[i], 1);
}

static void count_both(void)
{
	struct datagram d[PORT_BURST];

	for (unsigned int i = 0; i < WARM_UP + BURSTS; i++) {
		unsigned int count = take_in(d, i >= WARM_UP);

		if (count != PORT_BURST)
			abort();
		send_on(d, count);
		if (i >= WARM_UP && i + 1 < WARM_UP + BURSTS)
			count_pause();
	}
	count_end("rtp: a packet through the port, in and out", PORT_BURST * BURSTS);
}

int main(void)
{
	const char *arguments[] = {"count_port",
				   "--no-huge",
				   "--no-shconf",
				   "--no-pci",
				   "--no-telemetry",
				   "--iova-mode=va",
				   "--log-level=error",
				   "--lcores=0@(0)",
				   "--file-prefix=count",
				   "-m",
				   "64"};
	char *argv[RTE_DIM(arguments) + 1] = {NULL};
	struct port_pools pools = {.small_room = 1800};
	uint8_t payload[RTP_LEN] = {0x80, 8};

	memcpy(argv, arguments, sizeof(arguments));
	if (rte_eal_init(RTE_DIM(arguments), argv) < 0)
		return 1;
	pools.small = rte_pktmbuf_pool_create("small", 1023, 32, 0, RTE_PKTMBUF_HEADROOM + 2048, 0);
	if (!pools.small)
		return 1;
	queue_new(&pools);
	local = addr("10.0.0.1:20000");
	peer[0] = addr("10.0.0.2:30000");
	peer[1] = addr("10.0.0.3:30000");
	for (unsigned int i = 0; i < PORT_BURST; i++) {
		learn(&peer[i % 2]);
		port_send_copy(queue, &local, &peer[i % 2], payload, sizeof(payload), 0xb8, 1);
	}
	count_both();
	return 0;
}
