/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a port share. A port_queue belongs to one worker; the only thing another worker touches in it
 * is its ring of neighbour events.
 */
#ifndef TANDEM_COMMON_PORT_INTERNAL_H
#define TANDEM_COMMON_PORT_INTERNAL_H

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_udp.h>

#include "common/clock.h"
#include "common/port.h"

#define PORT_DESCRIPTORS   1024 /* asked of the driver for each direction of a queue */
#define PORT_MAX_ADDRESSES 16   /* of one family on one port, link-local included */
#define PORT_TX_BATCH      64
#define PORT_HOP_LIMIT     64
#define PORT_MAX_L4        (PORT_MAX_DATAGRAM + 8u) /* with its UDP header: as long as IPv4 allows */

#define ETHER_LEN     ((uint32_t)sizeof(struct rte_ether_hdr))
#define IP4_LEN       ((uint32_t)sizeof(struct rte_ipv4_hdr))
#define IP6_LEN       ((uint32_t)sizeof(struct rte_ipv6_hdr))
#define UDP_LEN       ((uint32_t)sizeof(struct rte_udp_hdr))
#define IP6_FRAG_LEN  8u
#define PROTO_HOP     0
#define PROTO_ICMP    1
#define PROTO_UDP     17
#define PROTO_ROUTING 43
#define PROTO_FRAG    44
#define PROTO_ICMP6   58
#define PROTO_DSTOPT  60

/* ---- neighbours (neighbor.c) ------------------------------------------------------------------------------------ */

#define NEIGHBORS            1024 /* entries of one queue's cache */
#define NEIGHBOR_BUCKETS     2048
#define NEIGHBOR_UNRESOLVED  256  /* entries that may be waiting for their first answer at once */
#define NEIGHBOR_WAITING     512  /* frames that may wait for one neighbour: what a full link says in a millisecond */
#define NEIGHBOR_WAITING_ALL 1024 /* ... and for all of them */
#define NEIGHBOR_EVENTS      256
#define NEIGHBOR_NONE        UINT16_MAX
#define DESTINATIONS         256 /* direct-mapped cache: destination -> neighbour */

#define NEIGHBOR_REACHABLE_US (30 * US_PER_S) /* a probe is due this long after the last confirmation */
#define NEIGHBOR_IDLE_US      (60 * US_PER_S) /* forgotten when unused for this long */
#define NEIGHBOR_FAILED_US    (1 * US_PER_S)  /* how long a failure is remembered */
#define NEIGHBOR_TICK_US      (10 * US_PER_MS)

enum neighbor_state {
	NEIGHBOR_FREE,
	NEIGHBOR_INCOMPLETE, /* asked, never answered; frames wait */
	NEIGHBOR_REACHABLE,
	NEIGHBOR_PROBE,  /* in use while we ask again */
	NEIGHBOR_FAILED, /* did not answer; frames are dropped until it expires */
};

struct neighbor {
	_Alignas(64) uint8_t ip[16]; /* as in struct net_addr */
	struct rte_ether_addr mac;
	uint8_t family;
	uint8_t state;
	uint8_t requests;                                    /* sent since the state was entered */
	uint16_t next;                                       /* in its bucket, or in the free list */
	uint16_t waiting_count, waiting_first, waiting_last; /* its queue of waiting frames */
	uint64_t timer_us;                                   /* of the state: next request, or expiry */
	uint64_t used_us;
};
static_assert(sizeof(struct neighbor) == 64, "a line each: the tick looks at all of them");

/* A frame that lacks only the destination MAC. */
struct waiting_frame {
	struct rte_mbuf *mbuf;
	uint16_t next; /* in its neighbour's queue, or in the free list */
};

struct destination {
	_Alignas(32) uint8_t ip[16]; /* never on two lines */
	uint16_t neighbor;
	uint8_t family; /* NET_NONE = empty */
};

struct neighbor_table {
	uint16_t bucket[NEIGHBOR_BUCKETS];
	uint16_t free_first;
	uint16_t high; /* entries [0, high) have been used at some time */
	uint16_t used;
	uint16_t unresolved;
	uint16_t waiting; /* frames, in all queues */
	uint16_t frame_free;
	uint32_t hash_key;
	uint64_t next_tick_us;
	uint64_t next_gateways_us;
	struct destination destination[DESTINATIONS];
	struct neighbor entry[NEIGHBORS];
	struct waiting_frame frame[NEIGHBOR_WAITING_ALL];
};

/* A neighbour has spoken; every queue of the port hears of it, and each judges for itself whether it had asked. */
enum neighbor_event_kind {
	NEIGHBOR_REPLIED,  /* ARP reply, solicited neighbour advertisement */
	NEIGHBOR_ASKED_US, /* ARP request or solicitation directed at one of our addresses */
	NEIGHBOR_ANNOUNCED /* gratuitous ARP, unsolicited advertisement */
};

struct neighbor_event {
	uint8_t ip[16];
	struct rte_ether_addr mac;
	uint8_t family;
	uint8_t kind;
	uint8_t has_mac; /* an advertisement need not repeat the address */
	uint8_t pad[7];
};
static_assert(sizeof(struct neighbor_event) == 32, "element of an rte_ring: a multiple of four");

/* ---- reassembly (reassembly.c) ---------------------------------------------------------------------------------- */

#define REASSEMBLIES            64 /* datagrams in the making, for each queue */
#define REASSEMBLIES_PER_SOURCE 8
#define REASSEMBLY_TIMEOUT_US   (2 * US_PER_S)
#define REASSEMBLY_MIN_FRAGMENT 256  /* payload of any fragment but the last; smaller ones serve attacks only */
#define REASSEMBLY_UNITS        8192 /* of eight bytes */

struct reassembly {
	uint8_t source[16], destination[16];
	uint32_t id;
	uint8_t family; /* NET_NONE = free */
	uint8_t protocol;
	uint8_t tos;
	bool spoiled;      /* overlapped: nothing of it is taken, but it stays until it times out */
	uint32_t total;    /* payload length, 0 = last fragment not seen */
	uint32_t highest;  /* end of the farthest fragment */
	uint32_t received; /* bytes */
	uint64_t expires_us;
	struct rte_mbuf *buffer; /* large; the payload lies from data_off on */
	uint64_t have[REASSEMBLY_UNITS / 64];
};

struct reassembly_table {
	unsigned int used;
	uint64_t next_tick_us;
	struct reassembly item[REASSEMBLIES];
};

/* The L3 facts of a packet whose payload lies at `payload`. */
struct packet {
	struct rte_mbuf *mbuf;
	uint8_t source[16], destination[16]; /* as in struct net_addr */
	uint8_t *payload;
	uint32_t len;
	uint8_t family, protocol, tos, hop_limit;
	bool plain;   /* its IP header is as short as can be and lies before the payload */
	bool checked; /* the device has verified the UDP checksum */
	bool whole;   /* never was in fragments: a partial checksum is possible */
};

/* ---- the port --------------------------------------------------------------------------------------------------- */

/* How many unasked-for answers of a kind have been given in the second that began then. */
struct answer_budget {
	uint64_t second_us;
	unsigned int count;
};

/* The two kinds of buffers of a process. */
struct port_pools {
	struct rte_mempool *small; /* one frame each */
	struct rte_mempool *large; /* one datagram of any size each */
	uint32_t small_room;       /* payload that fits a small one behind all headers */
};

struct port_queue {
	struct port *port;
	struct counter_row *row;
	uint16_t id;
	uint16_t tx_count;
	uint64_t random; /* of the IP identification */
	uint64_t now_us; /* of the call in progress */
	struct neighbor_table neighbors;
	struct reassembly_table reassemblies;
	struct answer_budget echo_answers,
	    neighbor_answers; /* apart: a flood of pings must not hide us from the link */
	uint64_t announce_us; /* queue 0: when to look at the link and announce our addresses next */
	unsigned int announcements;
	struct rte_mbuf *tx[PORT_TX_BATCH];
	bool more;                   /* port_queue_more() */
	int wake_fd;                 /* port_queue_fd() */
	struct packet_tx *packet_tx; /* how they leave through a kernel's interface; NULL: through the driver */
	_Alignas(64) struct rte_ring *events; /* written by the other workers, read by ours */
};

struct port {
	uint16_t id; /* of the ethdev */
	uint16_t queues_count;
	bool is_virtual; /* peers may share the host, so checksums may be partial */
	bool rx_checksum, tx_checksum;
	bool carries; /* media's: checksums of the payload are its receiver's business (struct datagram) */
	uint32_t mtu;
	struct rte_ether_addr mac;
	unsigned int ip4_count, ip6_count;
	uint32_t ip4[PORT_MAX_ADDRESSES]; /* network order */
	uint8_t ip6[PORT_MAX_ADDRESSES][16];
	struct net_addr link_local;
	struct config_port config; /* a copy of our own: the configuration may be replaced */
	struct port_pools *pools;
	struct port_queue **queues;
	int multicast_fd; /* a kernel interface's membership */
};

#define ANSWERS_PER_SECOND 1000

/* ---- checksum.c ------------------------------------------------------------------------------------------------- */

/* Add the 16-bit words of data to a running sum; all pieces but the last must be of even length. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t len);
/* The one's complement sum, not inverted, as it lies in memory. */
static inline uint16_t checksum_fold(uint64_t sum)
{
	uint32_t half;

	/* A number and itself with its halves exchanged: the upper half of that has both, and the carry of the lower. */
	sum += sum >> 32 | sum << 32;
	half = (uint32_t)(sum >> 32);
	half += half >> 16 | half << 16;
	return (uint16_t)(half >> 16);
}
/* The sum over the pseudo-header; addresses as in struct net_addr. */
uint64_t checksum_pseudo(const uint8_t *source, const uint8_t *destination, uint8_t family, uint8_t protocol,
			 uint32_t len);

/* The headers of a UDP datagram in IPv4 without options: what nearly every frame of media has. */
struct quick_frame {
	struct rte_ether_hdr ether;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
} __rte_packed __rte_aligned(2);
static_assert(sizeof(struct quick_frame) == 14 + 20 + 8, "as they lie in a frame");

/* ---- sending (port_tx.c, fragment.c) ----------------------------------------------------------------------------- */

/* An L4 message on its way: what ip_send() puts the headers before. */
struct outgoing {
	struct rte_mbuf *mbuf;               /* holds l4 .. l4 + len, contiguous */
	const uint8_t *source, *destination; /* as in struct net_addr */
	uint8_t *l4;
	uint32_t len;
	uint8_t family, protocol, tos, hop_limit;
	uint16_t sum; /* the UDP checksum, if it is known; else 0 */
};

/* Takes the mbuf. A UDP checksum is filled in here, any other by the caller. 0 or a negative errno, counted. */
int ip_send(struct port_queue *q, struct outgoing *o);
void ip_write(const struct outgoing *o, uint8_t *at, uint32_t len, uint32_t id, uint16_t fragment);
int fragment_send(struct port_queue *q, struct neighbor *n, struct outgoing *o);
void udp_checksum_fill(const struct outgoing *o);

void port_transmit(struct port_queue *q, struct rte_mbuf *m); /* a complete frame */
/* A small buffer with `len` bytes behind an Ethernet header that is filled in, or NULL (counted). */
struct rte_mbuf *port_frame(struct port_queue *q, const struct rte_ether_addr *to, uint16_t ethertype, uint32_t len);
/* May another answer of this kind go out in this second? Counts when not. */
bool port_may_answer(struct port_queue *q, struct answer_budget *budget);
uint32_t port_random(struct port_queue *q);

/* ---- messages in and out ----------------------------------------------------------------------------------------- */

/* icmp.c; both take the mbuf. */
void icmp4_input(struct port_queue *q, struct packet *p);
void icmp6_input(struct port_queue *q, struct packet *p);

/* arp.c, nd.c; the inputs leave the mbuf with the caller. `to` NULL: everybody who might be it. */
void arp_input(struct port_queue *q, const struct rte_mbuf *m);
void arp_request(struct port_queue *q, const uint8_t *ip, const struct rte_ether_addr *to);
void arp_announce(struct port_queue *q);
void nd_input(struct port_queue *q, const struct packet *p);
void nd_request(struct port_queue *q, const uint8_t *ip, const struct rte_ether_addr *to);
void nd_announce(struct port_queue *q);
bool nd_is_ours(const struct port *port, const uint8_t *ip); /* a multicast address that solicitations for us go to */

/* neighbor.c */
void neighbor_init(struct neighbor_table *t);
void neighbor_fini(struct neighbor_table *t);
/* The next hop of a destination; NULL when there is none, or no room to resolve it (counted). */
struct neighbor *neighbor_route(struct port_queue *q, const uint8_t *ip, uint8_t family);
/* Send or keep a frame that is complete but for its destination MAC; takes it. 0 or a negative errno, counted. */
int neighbor_output(struct port_queue *q, struct neighbor *n, struct rte_mbuf *m);
void neighbor_event(struct port_queue *q, struct neighbor_event *event); /* seen here: tell all queues */
void neighbor_drain(struct port_queue *q);
void neighbor_tick(struct port_queue *q);
bool port_is_on_link(const struct port *port, const uint8_t *ip, uint8_t family);

/* reassembly.c */
/* Take a fragment. True: `p` is now the whole datagram. False: the mbuf has been taken. */
bool reassembly_add(struct port_queue *q, struct packet *p, uint32_t id, uint32_t offset, bool more);
void reassembly_tick(struct port_queue *q);
void reassembly_fini(struct reassembly_table *t);

/* port_rx.c: frames as a driver delivers them; port_receive() without the driver. Takes the mbufs. */
unsigned int port_input(struct port_queue *q, struct rte_mbuf **frames, unsigned int count, struct datagram *out);

/* port.c; also what unit tests build a port from, without a device */
const char *port_vdev_name(enum port_driver driver);
int port_set_addresses(struct port *port);
int port_queues_init(struct port *port);

/* af_packet.c */
/* How many queues each interface will have; before they are opened. */
void af_packet_queues(unsigned int queues);
/* The socket of the interface's next queue: ports ask in their order, each for its queues in their order. -1: none. */
int af_packet_claim(unsigned int interface);

/* packet_tx.c: for the driver af_packet. Opens a queue's, 0 or a negative errno; the burst takes the mbufs it sends. */
int packet_tx_open(struct port_queue *q);
void packet_tx_close(struct port_queue *q);
uint16_t packet_tx_burst(struct port_queue *q, struct rte_mbuf **frames, uint16_t count);

/* eal.c */
void port_pool_sizes(const struct config *config, enum process_role role, unsigned int *small_count,
		     uint32_t *small_bytes, unsigned int *large_count);

static inline bool ip_equal(const uint8_t *a, const uint8_t *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a, 16);
	memcpy(y, b, 16);
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

static inline uint32_t neighbor_hash(const struct neighbor_table *t, const uint8_t *ip)
{
	uint64_t half[2], h;

	memcpy(half, ip, sizeof(half));
	h = (half[0] ^ (half[1] * 0x9e3779b97f4a7c15ull) ^ t->hash_key) * 0xff51afd7ed558ccdull;
	return (uint32_t)(h >> 32);
}

/* Do we have its MAC? */
static inline bool neighbor_is_usable(const struct neighbor *n)
{
	return n->state == NEIGHBOR_REACHABLE || n->state == NEIGHBOR_PROBE;
}

/* neighbor_route() to where something was sent before; NULL: ask that. */
static inline struct neighbor *neighbor_known(struct neighbor_table *t, const uint8_t *ip, uint8_t family)
{
	const struct destination *d = &t->destination[neighbor_hash(t, ip) % DESTINATIONS];

	return d->family == family && ip_equal(d->ip, ip) ? &t->entry[d->neighbor] : NULL;
}

static inline bool port_owns(const struct port *port, const uint8_t *ip, uint8_t family)
{
	uint32_t ip4;

	if (family == NET_IP4) {
		memcpy(&ip4, ip, 4);
		for (unsigned int i = 0; i < port->ip4_count; i++)
			if (port->ip4[i] == ip4)
				return true;
		return false;
	}
	for (unsigned int i = 0; i < port->ip6_count; i++)
		if (ip_equal(port->ip6[i], ip))
			return true;
	return false;
}

#endif
