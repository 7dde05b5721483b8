/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port: one DPDK ethdev with our IP addresses on it. It answers ARP, neighbour discovery and echo requests,
 * resolves next hops, reassembles and fragments, checks and fills checksums, and deals in UDP datagrams.
 *
 * Ports are opened by the main thread before the workers start. Each worker then has one queue pair per port
 * (queue number = worker number) and is from then on the only thread that touches it. Nothing allocates after port_open().
 */
#ifndef TANDEM_COMMON_PORT_H
#define TANDEM_COMMON_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "config.h"
#include "counters.h"

struct port;
struct port_queue;
struct rte_mbuf;

#define PORT_BURST 32
#define PORT_MAX_DATAGRAM 65507

/* A received datagram, or one about to be sent. The bytes lie in the mbuf. */
struct datagram {
	struct net_addr local;  /* our address and port */
	struct net_addr remote; /* the peer's */
	uint8_t *data;          /* UDP payload, contiguous */
	uint32_t len;
	uint8_t tos;            /* IPv4 TOS / IPv6 traffic class */
	/*
	 * Received on a port of media, whose payloads nobody here lives on: the UDP checksum has not been verified. Sent on
	 * with the same data and len, the datagram keeps its sender's, adjusted to the new addresses (RFC 1624): what arrived
	 * damaged stays so, for the receiver to find.
	 */
	uint8_t carried; /* the family it came with, or NET_NONE: verified, or made here */
	struct rte_mbuf *mbuf;  /* owned by whoever holds the datagram */
};

/* EAL start-up for a process: own file prefix, hugepages as configured with fall-back, drivers of its ports as vdevs. */
int port_eal_init(const struct config *config, enum process_role role);
/* The lcore that runs worker 0, 1, ...: start it with rte_eal_remote_launch(). Cores may be shared, lcores are not. */
unsigned int port_worker_lcore(unsigned int worker);

/* Open and start every port of `role`; queues = number of workers. Returns how many, or a negative errno (logged). */
int ports_open(const struct config *config, enum process_role role, unsigned int queues, struct port **ports);
void port_close(struct port *port);

const struct config_port *port_config(const struct port *port);
bool port_has_address(const struct port *port, const struct net_addr *addr); /* port number ignored */
/* Our address of this family on the port, or NULL. */
const struct net_addr *port_address(const struct port *port, enum net_family family);
bool port_link_up(const struct port *port);

/* A worker's own view; `row` counts its drops. Call once per worker, before its loop. */
struct port_queue *port_queue_open(struct port *port, unsigned int queue, struct counter_row *row);

/*
 * Up to max (<= PORT_BURST) datagrams that are addressed to us, each handed to the caller with its mbuf. Everything
 * else in the burst has been answered, queued for reassembly, or dropped with a counter.
 */
unsigned int port_receive(struct port_queue *q, struct datagram *out, unsigned int max, uint64_t now_us);

/*
 * A buffer to build a payload of up to `room` bytes in (<= PORT_MAX_DATAGRAM): sets data and mbuf, len to 0.
 * Returns 0 or -ENOBUFS (counted).
 */
int port_buffer(struct port_queue *q, struct datagram *out, uint32_t room);

/*
 * Queue a datagram for sending from d->local to d->remote; takes the mbuf in every case. Resolves the next hop:
 * while it is unknown datagrams wait, within bounds, and fail with a counter. What exceeds the MTU is fragmented.
 * Works on a datagram just received, too (the RTP relay): headers are rewritten in place.
 * Returns 0 or a negative errno, already counted.
 */
int port_send(struct port_queue *q, struct datagram *d, uint64_t now_us);

/* As port_send(), but keeps a reference for the caller, who may send the same bytes again later (SIP resends). */
int port_send_copy(struct port_queue *q, const struct net_addr *local, const struct net_addr *remote, const void *data,
                   uint32_t len, uint8_t tos, uint64_t now_us);

/*
 * There will be datagrams for `remote`, which is an address to send to: ask for its next hop now, if it is not known,
 * so that they need not wait. Best effort; the question goes out with the next port_flush().
 */
void port_resolve(struct port_queue *q, const struct net_addr *remote, uint64_t now_us);

/* The last port_receive() took as many frames as it may, whatever they were: there are probably more. */
bool port_queue_more(const struct port_queue *q);

/* Readable when the queue may have received something, to sleep on; -1 when its driver has no such descriptor. */
int port_queue_fd(const struct port_queue *q);

/* Hand what was queued to the driver; once per poll. */
void port_flush(struct port_queue *q, uint64_t now_us);
/* Time-outs of reassembly and of next-hop resolution; cheap, once per poll. */
void port_tick(struct port_queue *q, uint64_t now_us);

void datagram_free(struct datagram *d);

#endif
