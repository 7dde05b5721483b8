/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, configuring and closing a port: everything that happens before and after its workers run. */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include "common/log.h"
#include "internal.h"

static struct port_pools process_pools;

const char *port_vdev_name(enum port_driver driver)
{
	static const char *const name[] = {
	    [DRIVER_AF_PACKET] = "net_af_packet",
	    [DRIVER_AF_XDP] = "net_af_xdp",
	    [DRIVER_MEMIF] = "net_memif",
	    [DRIVER_TAP] = "net_tap",
	    [DRIVER_PCI] = "",
	};
	return name[driver];
}

/* ---- the copy of the configuration ------------------------------------------------------------------------------- */

static void *copy_array(const void *from, size_t bytes)
{
	void *to = malloc(bytes ? bytes : 1);

	if (to && bytes)
		memcpy(to, from, bytes);
	return to;
}

static int config_copy(struct config_port *to, const struct config_port *from)
{
	*to = *from;
	to->name = strdup(from->name);
	to->network = strdup(from->network ? from->network : "default");
	to->device = strdup(from->device);
	to->options = from->options ? strdup(from->options) : NULL;
	to->addresses = copy_array(from->addresses, from->addresses_count * sizeof(*from->addresses));
	to->gateways = copy_array(from->gateways, from->gateways_count * sizeof(*from->gateways));
	if (to->name && to->network && to->device && to->addresses && to->gateways && (to->options || !from->options))
		return 0;
	return -ENOMEM;
}

/* ---- buffers ---------------------------------------------------------------------------------------------------- */

/*
 * Workers may share a core with each other and with other processes, so a thread can lose its core in the middle of a
 * pool operation: the "rts" ring lets the others go on where the plain one would spin.
 */
static struct rte_mempool *pool_new(const char *name, unsigned int count, unsigned int cache, uint16_t bytes)
{
	struct rte_mempool *pool =
	    rte_pktmbuf_pool_create_by_ops(name, count, cache, 0, bytes, (int)rte_socket_id(), "ring_mt_rts");

	if (!pool)
		log_error("port", "no memory for %u packet buffers of %u bytes: %s", count, bytes,
			  rte_strerror(rte_errno));
	return pool;
}

static int pools_init(const struct config *config, enum process_role role)
{
	unsigned int small_count, large_count;
	uint32_t small_bytes;

	if (process_pools.small)
		return 0;
	port_pool_sizes(config, role, &small_count, &small_bytes, &large_count);
	process_pools.small = pool_new("small", small_count, 256, (uint16_t)small_bytes);
	process_pools.large = pool_new("large", large_count, 0, UINT16_MAX);
	process_pools.small_room = small_bytes - RTE_PKTMBUF_HEADROOM - ETHER_LEN - IP6_LEN - UDP_LEN;
	return process_pools.small && process_pools.large ? 0 : -ENOMEM;
}

/* ---- the device ------------------------------------------------------------------------------------------------- */

static bool is_kernel_interface(enum port_driver driver)
{
	return driver == DRIVER_AF_PACKET || driver == DRIVER_AF_XDP;
}

/* The interface belongs to the host, so its MTU is respected rather than set. */
static int kernel_mtu(struct port *port)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", port->config.device);
	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &request) != 0)
		rc = -errno;
	else if ((uint32_t)request.ifr_mtu < port->mtu) {
		log_warn("port", "%s: mtu is %u, but that of %s is %d: using the latter", port->config.name, port->mtu,
			 port->config.device, request.ifr_mtu);
		port->mtu = (uint32_t)request.ifr_mtu;
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Neighbour solicitations arrive as multicast. A socket's membership, unlike a flag of the interface, ends with us. */
static int kernel_multicast(struct port *port)
{
	struct packet_mreq request = {.mr_ifindex = (int)if_nametoindex(port->config.device),
				      .mr_type = PACKET_MR_ALLMULTI};

	port->multicast_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (port->multicast_fd < 0 || request.mr_ifindex == 0 ||
	    setsockopt(port->multicast_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request)) != 0)
		return -errno;
	return 0;
}

static int accept_multicast(struct port *port)
{
	int rc;

	if (port->ip6_count == 0)
		return 0;
	if (is_kernel_interface(port->config.driver))
		rc = kernel_multicast(port);
	else if ((rc = rte_eth_allmulticast_enable(port->id)) != 0)
		rc = rte_eth_promiscuous_enable(port->id);
	if (rc == -ENOTSUP && port->config.driver == DRIVER_MEMIF)
		rc = 0; /* a point-to-point link: everything arrives */
	return rc;
}

static int set_mtu(struct port *port)
{
	int rc;

	port->mtu = port->config.mtu ? port->config.mtu : 1500;
	if (is_kernel_interface(port->config.driver))
		return kernel_mtu(port);
	rc = rte_eth_dev_set_mtu(port->id, (uint16_t)port->mtu);
	return rc == -ENOTSUP ? 0 : rc;
}

static void choose_offloads(struct port *port, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	const uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	const uint64_t tx = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;

	port->is_virtual = port->config.driver != DRIVER_PCI;
	port->carries = port->config.process == ROLE_MEDIA;
	/* A virtual device's "offload" is software of the driver; ours runs while the headers are in the cache. */
	port->rx_checksum = !port->is_virtual && (info->rx_offload_capa & rx) == rx;
	port->tx_checksum = !port->is_virtual && (info->tx_offload_capa & tx) == tx;
	if (port->rx_checksum)
		conf->rxmode.offloads |= rx;
	if (port->tx_checksum)
		conf->txmode.offloads |= tx;
	if (port->queues_count > 1 && info->flow_type_rss_offloads) {
		conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf->rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);
	}
}

static int start_device(struct port *port)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	uint16_t rx_descriptors = PORT_DESCRIPTORS, tx_descriptors = PORT_DESCRIPTORS;
	int socket = rte_eth_dev_socket_id(port->id), rc;

	rc = rte_eth_dev_info_get(port->id, &info);
	if (rc != 0)
		return rc;
	if (port->queues_count > info.max_rx_queues || port->queues_count > info.max_tx_queues) {
		log_error("port", "%s: the device has %u receive and %u transmit queues, but there are %u workers",
			  port->config.name, info.max_rx_queues, info.max_tx_queues, port->queues_count);
		return -EINVAL;
	}
	choose_offloads(port, &info, &conf);
	rc = rte_eth_dev_configure(port->id, port->queues_count, port->queues_count, &conf);
	if (rc == 0)
		rc = set_mtu(port);
	if (rc == 0)
		rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx_descriptors, &tx_descriptors);
	for (uint16_t i = 0; rc == 0 && i < port->queues_count; i++) {
		rc =
		    rte_eth_rx_queue_setup(port->id, i, rx_descriptors, (unsigned int)socket, NULL, port->pools->small);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(port->id, i, tx_descriptors, (unsigned int)socket, NULL);
	}
	for (uint16_t i = 0; rc == 0 && port->config.driver == DRIVER_AF_PACKET && i < port->queues_count; i++) {
		port->queues[i]->wake_fd = af_packet_claim(if_nametoindex(port->config.device));
		rc = packet_tx_open(port->queues[i]);
	}
	if (rc == 0)
		rc = rte_eth_dev_start(port->id);
	if (rc == 0)
		rc = accept_multicast(port);
	return rc;
}

/* ---- addresses -------------------------------------------------------------------------------------------------- */

/* fe80::/64 with the modified EUI-64 of RFC 4291 appendix A. */
static void make_link_local(struct port *port)
{
	const uint8_t *mac = port->mac.addr_bytes;
	const uint8_t ip[16] = {0xfe,       0x80,   0,      0,    0,    0,      0,      0,
				mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};

	port->link_local.family = NET_IP6;
	memcpy(port->link_local.ip, ip, sizeof(ip));
}

int port_set_addresses(struct port *port)
{
	for (unsigned int i = 0; i < port->config.addresses_count; i++) {
		const struct net_addr *addr = &port->config.addresses[i].addr;

		/* The last place of ip6 is the link-local address's. */
		if (port->ip4_count == PORT_MAX_ADDRESSES || port->ip6_count == PORT_MAX_ADDRESSES - 1) {
			log_error("port", "%s: more than %u addresses of a family", port->config.name,
				  PORT_MAX_ADDRESSES - 1);
			return -EINVAL;
		}
		if (addr->family == NET_IP4)
			memcpy(&port->ip4[port->ip4_count++], addr->ip, 4);
		else
			memcpy(port->ip6[port->ip6_count++], addr->ip, 16);
	}
	make_link_local(port);
	if (port->ip6_count > 0 && !port_owns(port, port->link_local.ip, NET_IP6))
		memcpy(port->ip6[port->ip6_count++], port->link_local.ip, 16);
	return 0;
}

/* ---- queues ----------------------------------------------------------------------------------------------------- */

int port_queues_init(struct port *port)
{
	char name[RTE_RING_NAMESIZE];

	port->queues = calloc(port->queues_count, sizeof(*port->queues));
	if (!port->queues)
		return -ENOMEM;
	for (uint16_t i = 0; i < port->queues_count; i++) {
		struct port_queue *q = aligned_alloc(64, RTE_ALIGN(sizeof(*q), 64));

		if (!q)
			return -ENOMEM;
		memset(q, 0, sizeof(*q));
		port->queues[i] = q;
		q->port = port;
		q->id = i;
		q->wake_fd = -1;
		neighbor_init(&q->neighbors);
		if (getrandom(&q->random, sizeof(q->random), 0) != sizeof(q->random))
			return -EIO;
		q->random |= 1;
		snprintf(name, sizeof(name), "neighbor-%u-%u", port->id, i);
		q->events = rte_ring_create_elem(name, sizeof(struct neighbor_event), NEIGHBOR_EVENTS, SOCKET_ID_ANY,
						 RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
		if (!q->events)
			return -ENOMEM;
	}
	return 0;
}

struct port_queue *port_queue_open(struct port *port, unsigned int queue, struct counter_row *row)
{
	struct port_queue *q = queue < port->queues_count ? port->queues[queue] : NULL;

	if (q)
		q->row = row;
	return q;
}

/* ---- open and close --------------------------------------------------------------------------------------------- */

static int find_device(struct port *port, unsigned int index)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	if (port->config.driver == DRIVER_PCI)
		snprintf(name, sizeof(name), "%s", port->config.device);
	else
		snprintf(name, sizeof(name), "%s%u", port_vdev_name(port->config.driver), index);
	return rte_eth_dev_get_port_by_name(name, &port->id);
}

/* The kernel's end of a tap device has the device's address, so ours must be another: the same with one bit turned. */
static int choose_mac(struct port *port)
{
	int rc = rte_eth_macaddr_get(port->id, &port->mac);

	if (port->config.driver == DRIVER_TAP)
		port->mac.addr_bytes[0] ^= 0x04;
	return rc;
}

static void log_opened(const struct port *port)
{
	log_info("port", "%s is open device=%s mac=" RTE_ETHER_ADDR_PRT_FMT " mtu=%u queues=%u checksums=%s",
		 port->config.name, port->config.device, RTE_ETHER_ADDR_BYTES(&port->mac), port->mtu,
		 port->queues_count, port->tx_checksum ? "hardware" : "software");
}

static int port_open(struct port **opened, const struct config_port *config, unsigned int index, unsigned int queues)
{
	struct port *port = calloc(1, sizeof(*port));
	int rc;

	if (!port)
		return -ENOMEM;
	port->id = RTE_MAX_ETHPORTS;
	port->multicast_fd = -1;
	port->queues_count = (uint16_t)queues;
	port->pools = &process_pools;
	rc = config_copy(&port->config, config);
	if (rc == 0)
		rc = find_device(port, index);
	if (rc == 0)
		rc = choose_mac(port);
	if (rc == 0)
		rc = port_set_addresses(port);
	if (rc == 0)
		rc = port_queues_init(port);
	if (rc == 0)
		rc = start_device(port);
	if (rc != 0) {
		log_error("port", "%s: device %s can't be opened: %s", config->name, config->device, rte_strerror(-rc));
		port_close(port);
		return rc;
	}
	log_opened(port);
	*opened = port;
	return 0;
}

int ports_open(const struct config *config, enum process_role role, unsigned int queues, struct port **ports)
{
	int count = 0, rc = pools_init(config, role);

	for (unsigned int i = 0; rc == 0 && i < config->ports_count; i++) {
		if (config->ports[i].process != role)
			continue;
		rc = port_open(&ports[count], &config->ports[i], i, queues);
		count += rc == 0;
	}
	if (rc == 0)
		return count;
	while (count > 0)
		port_close(ports[--count]);
	return rc;
}

static void queue_free(struct port_queue *q)
{
	rte_pktmbuf_free_bulk(q->tx, q->tx_count);
	neighbor_fini(&q->neighbors);
	reassembly_fini(&q->reassemblies);
	packet_tx_close(q);
	rte_ring_free(q->events);
	free(q);
}

void port_close(struct port *port)
{
	if (!port)
		return;
	if (port->id != RTE_MAX_ETHPORTS) {
		rte_eth_dev_stop(port->id);
		rte_eth_dev_close(port->id);
	}
	for (unsigned int i = 0; port->queues && i < port->queues_count; i++)
		if (port->queues[i])
			queue_free(port->queues[i]);
	free(port->queues);
	if (port->multicast_fd >= 0)
		close(port->multicast_fd);
	config_port_fini(&port->config);
	free(port);
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

#define LINK_CHECK_US US_PER_S
#define ANNOUNCEMENTS 2 /* each time the link comes up (RFC 5227, 2.3) */

/* Peers and switches learn at once where our addresses are now, after a restart or a fail-over too. */
static void announce(struct port_queue *q)
{
	if (q->now_us < q->announce_us)
		return;
	q->announce_us = q->now_us + LINK_CHECK_US;
	if (!port_link_up(q->port)) {
		q->announcements = 0;
		return;
	}
	if (q->announcements == ANNOUNCEMENTS)
		return;
	q->announcements++;
	arp_announce(q);
	nd_announce(q);
}

void port_tick(struct port_queue *q, uint64_t now_us)
{
	q->now_us = now_us;
	if (q->id == 0)
		announce(q);
	neighbor_tick(q);
	reassembly_tick(q);
}

/* ---- questions -------------------------------------------------------------------------------------------------- */

const struct config_port *port_config(const struct port *port)
{
	return &port->config;
}

bool port_has_address(const struct port *port, const struct net_addr *addr)
{
	return port_owns(port, addr->ip, addr->family);
}

const struct net_addr *port_address(const struct port *port, enum net_family family)
{
	for (unsigned int i = 0; i < port->config.addresses_count; i++)
		if (port->config.addresses[i].addr.family == family)
			return &port->config.addresses[i].addr;
	return NULL;
}

bool port_queue_more(const struct port_queue *q)
{
	return q->more;
}

int port_queue_fd(const struct port_queue *q)
{
	return q->wake_fd;
}

bool port_link_up(const struct port *port)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait(port->id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}
