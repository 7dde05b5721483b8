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
	uint16_t *queue; /* indices of free pairs (and of those marked), a circle of slice.pairs */
	uint32_t head, free;
	uint8_t *used;                      /* [pairs], enum pair_use */
	const struct call_record **foreign; /* [pairs], of PAIR_FOREIGN: whose it is */
};

enum pair_use {
	PAIR_FREE,
	PAIR_USED,
	PAIR_MARKED,  /* used since before we started, and still in the queue */
	PAIR_FOREIGN, /* likewise, by a call of another worker, which can't give it back */
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
	pool->foreign = calloc(pairs ? pairs : 1, sizeof(*pool->foreign));
	if (!pool->queue || !pool->used || !pool->foreign)
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

static int add_port(struct rtp_ports *ports, const struct config_port *port, unsigned int worker, unsigned int workers,
		    unsigned int media_workers)
{
	for (unsigned int i = 0; i < port->addresses_count; i++)
		if (add_address(ports, port, &port->addresses[i].addr, worker, workers, media_workers) < 0)
			return -ENOMEM;
	return 0;
}

struct rtp_ports *rtp_ports_new(const struct config *config, unsigned int worker, unsigned int workers,
				unsigned int media_workers)
{
	struct rtp_ports *ports = calloc(1, sizeof(*ports));
	size_t addresses = 0;

	if (!ports)
		return NULL;
	for (unsigned int i = 0; i < config->ports_count; i++)
		addresses += config->ports[i].process == ROLE_MEDIA ? config->ports[i].addresses_count : 0;
	ports->pool = calloc(addresses * media_workers + 1, sizeof(*ports->pool));
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
		free(ports->pool[i].foreign);
	}
	free(ports->pool);
	free(ports);
}

static bool serves(const struct pool *pool, unsigned int media_worker, enum net_family family)
{
	return pool->media_worker == media_worker && pool->addr.family == family;
}

static bool is_on(const struct pool *pool, const char *network)
{
	return !network || !pool->network || strcmp(network, pool->network) == 0;
}

static bool network_serves(const struct rtp_ports *ports, unsigned int media_worker, const char *network,
			   enum net_family family)
{
	for (unsigned int i = 0; i < ports->count; i++)
		if (serves(&ports->pool[i], media_worker, family) && is_on(&ports->pool[i], network))
			return true;
	return false;
}

/* The other worker may be at it: then it is asked again when its turn comes again. */
static bool still_held(const struct call_record *record, const struct net_addr *local)
{
	uint8_t state = atomic_load_explicit(&record->state, memory_order_acquire);

	if (state < CALL_SETUP || state > CALL_CLOSING)
		return false;
	for (unsigned int side = 0; side < CALL_SIDES; side++)
		if (__atomic_load_n(&record->media[side].local.port, __ATOMIC_RELAXED) == local->port)
			return true;
	return false;
}

/* The next one in the queue is taken out; false: it is not free. */
static bool take_next(struct pool *pool, struct net_addr *local)
{
	uint16_t pair = pool->queue[pool->head];

	*local = pool->addr;
	local->port = (uint16_t)(pool->slice.first + 2u * pair);
	pool->head = (pool->head + 1) % pool->slice.pairs;
	if (pool->used[pair] == PAIR_FOREIGN && still_held(pool->foreign[pair], local)) {
		pool->queue[(pool->head + pool->free - 1) % pool->slice.pairs] = pair;
		return false;
	}
	pool->free--;
	bool marked = pool->used[pair] == PAIR_MARKED; /* it comes back when its call ends */

	pool->used[pair] = PAIR_USED;
	return !marked;
}

int rtp_ports_take(struct rtp_ports *ports, unsigned int media_worker, const char *network, enum net_family family,
		   struct net_addr *local)
{
	bool named = network_serves(ports, media_worker, network, family);
	int error = -EADDRNOTAVAIL;

	for (unsigned int i = 0; i < ports->count; i++) {
		struct pool *pool = &ports->pool[i];

		if (!serves(pool, media_worker, family) || (named && !is_on(pool, network)))
			continue;
		error = -ENOBUFS;
		for (uint32_t left = pool->free; left; left--)
			if (take_next(pool, local))
				return 0;
	}
	return error;
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
	bool queued = pool->used[pair] != PAIR_USED;

	pool->used[pair] = PAIR_FREE;
	if (queued)
		return;
	pool->queue[(pool->head + pool->free) % pool->slice.pairs] = (uint16_t)pair;
	pool->free++;
}

void rtp_ports_mark(struct rtp_ports *ports, unsigned int media_worker, const struct net_addr *local,
		    const struct call_record *foreign)
{
	unsigned int pair;
	struct pool *pool = find(ports, media_worker, local, &pair);

	if (!pool)
		return;
	pool->used[pair] = foreign ? PAIR_FOREIGN : PAIR_MARKED;
	pool->foreign[pair] = foreign;
}
