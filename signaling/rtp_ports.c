/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/rtp_ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/layout/rtp_ranges.h"

/* Our part of one media worker's slice on one address. */
struct pool {
	struct net_addr addr; /* port 0 */
	char *network;        /* a copy: the configuration may be replaced */
	unsigned int media_worker;
	struct rtp_slice slice;
	uint16_t *queue; /* indices of free pairs, a circle of slice.pairs */
	uint32_t head, free;
	uint8_t *used; /* [pairs] */
};

struct rtp_ports {
	struct pool *pool;
	unsigned int count;
};

static int pool_init(struct pool *pool)
{
	size_t pairs = pool->slice.pairs;

	pool->queue = calloc(pairs ? pairs : 1, sizeof(*pool->queue));
	pool->used = calloc(pairs ? pairs : 1, 1);
	if (!pool->queue || !pool->used)
		return -ENOMEM;
	for (size_t i = 0; i < pairs; i++)
		pool->queue[i] = (uint16_t)i;
	pool->free = (uint32_t)pairs;
	return 0;
}

static int add_address(struct rtp_ports *ports, const struct config_port *port, const struct net_addr *addr,
		       unsigned int worker, unsigned int workers, unsigned int media_workers)
{
	for (unsigned int m = 0; m < media_workers; m++) {
		struct pool *pool = &ports->pool[ports->count++];

		pool->addr = *addr;
		pool->addr.port = 0;
		pool->network = port->network ? strdup(port->network) : NULL;
		pool->media_worker = m;
		pool->slice = rtp_range_of_signaling(&port->rtp_ports, media_workers, m, workers, worker);
		if (pool_init(pool) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* The first address of each family on each media port. */
static int add_port(struct rtp_ports *ports, const struct config_port *port, unsigned int worker, unsigned int workers,
		    unsigned int media_workers)
{
	bool seen4 = false, seen6 = false;

	for (unsigned int i = 0; i < port->addresses_count; i++) {
		const struct net_addr *addr = &port->addresses[i].addr;
		bool *seen = addr->family == NET_IP4 ? &seen4 : &seen6;

		if (*seen)
			continue;
		*seen = true;
		if (add_address(ports, port, addr, worker, workers, media_workers) < 0)
			return -ENOMEM;
	}
	return 0;
}

struct rtp_ports *rtp_ports_new(const struct config *config, unsigned int worker, unsigned int workers,
				unsigned int media_workers)
{
	struct rtp_ports *ports = calloc(1, sizeof(*ports));

	if (!ports)
		return NULL;
	ports->pool = calloc((size_t)config->ports_count * 2 * media_workers + 1, sizeof(*ports->pool));
	if (!ports->pool)
		goto failed;
	for (unsigned int i = 0; i < config->ports_count; i++)
		if (config->ports[i].process == ROLE_MEDIA &&
		    add_port(ports, &config->ports[i], worker, workers, media_workers) < 0)
			goto failed;
	return ports;
failed:
	rtp_ports_free(ports);
	return NULL;
}

void rtp_ports_free(struct rtp_ports *ports)
{
	if (!ports)
		return;
	for (unsigned int i = 0; i < ports->count; i++) {
		free(ports->pool[i].network);
		free(ports->pool[i].queue);
		free(ports->pool[i].used);
	}
	free(ports->pool);
	free(ports);
}

static struct pool *choose(struct rtp_ports *ports, unsigned int media_worker, const char *network,
			   enum net_family family)
{
	struct pool *other = NULL;

	for (unsigned int i = 0; i < ports->count; i++) {
		struct pool *pool = &ports->pool[i];

		if (pool->media_worker != media_worker || pool->addr.family != family)
			continue;
		if (!network || !pool->network || strcmp(network, pool->network) == 0)
			return pool;
		if (!other)
			other = pool;
	}
	return other;
}

int rtp_ports_take(struct rtp_ports *ports, unsigned int media_worker, const char *network, enum net_family family,
		   struct net_addr *local)
{
	struct pool *pool = choose(ports, media_worker, network, family);

	if (!pool)
		return -EADDRNOTAVAIL;
	while (pool->free) {
		uint16_t pair = pool->queue[pool->head];

		pool->head = (pool->head + 1) % pool->slice.pairs;
		pool->free--;
		if (pool->used[pair]) {
			pool->used[pair] = 1; /* marked at start: it comes back when its call ends */
			continue;
		}
		pool->used[pair] = 1;
		*local = pool->addr;
		local->port = (uint16_t)(pool->slice.first + 2u * pair);
		return 0;
	}
	return -ENOBUFS;
}

static struct pool *find(struct rtp_ports *ports, unsigned int media_worker, const struct net_addr *local,
			 unsigned int *pair)
{
	for (unsigned int i = 0; i < ports->count; i++) {
		struct pool *pool = &ports->pool[i];

		if (pool->media_worker != media_worker || !net_addr_equal_ip(&pool->addr, local) ||
		    local->port < pool->slice.first || (local->port - pool->slice.first) / 2u >= pool->slice.pairs)
			continue;
		*pair = (local->port - pool->slice.first) / 2u;
		return pool;
	}
	return NULL;
}

void rtp_ports_give(struct rtp_ports *ports, unsigned int media_worker, const struct net_addr *local)
{
	unsigned int pair;
	struct pool *pool = find(ports, media_worker, local, &pair);

	if (!pool || !pool->used[pair])
		return;
	bool queued = pool->used[pair] == 2; /* marked, and its place in the queue has not been reached yet */

	pool->used[pair] = 0;
	if (queued)
		return;
	pool->queue[(pool->head + pool->free) % pool->slice.pairs] = (uint16_t)pair;
	pool->free++;
}

void rtp_ports_mark(struct rtp_ports *ports, unsigned int media_worker, const struct net_addr *local)
{
	unsigned int pair;
	struct pool *pool = find(ports, media_worker, local, &pair);

	if (pool)
		pool->used[pair] = 2;
}

bool rtp_ports_has_family(const struct rtp_ports *ports, enum net_family family)
{
	for (unsigned int i = 0; i < ports->count; i++)
		if (ports->pool[i].addr.family == family)
			return true;
	return false;
}
