/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a local address and port to the session and leg that use it: one direct index for each of our media
 * addresses. Private to the process, rebuilt from the session records at start.
 *
 * All workers read and write the same map, each only the entries of its own ports (rtp_ranges.h), so there is
 * nothing to lock. Made at start-up; nothing allocates after that.
 */
#ifndef TANDEM_MEDIA_PORT_MAP_H
#define TANDEM_MEDIA_PORT_MAP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/addr.h"
#include "common/config.h"

#define PORT_MAP_ADDRESSES 64
#define PORT_MAP_NONE      UINT32_MAX

struct port_map_address {
	struct net_addr addr; /* port 0 */
	unsigned int first;   /* its RTP ports, in slices of equal size for the workers (rtp_ranges.h) */
	unsigned int span;    /* port numbers in one slice */
	unsigned int owned;   /* in all of them */
	unsigned int port;    /* which of the role's ports it is on, in configuration order */
	uint32_t *entry;      /* by RTP port / 2: slot * 2 + leg, or PORT_MAP_NONE */
};

struct port_map {
	struct port_map_address address[PORT_MAP_ADDRESSES];
	unsigned int addresses;
	unsigned int workers;
};

/* All addresses of the media ports in the configuration. 0, -ENOMEM, or -EINVAL when there are none or too many. */
int port_map_init(struct port_map *map, const struct config *config);
void port_map_fini(struct port_map *map);

/* Which of our addresses this is (port number ignored), or -1. */
static inline int port_map_address(const struct port_map *map, const struct net_addr *local)
{
	uint64_t ours[2], theirs[2];

	memcpy(theirs, local->ip, sizeof(theirs));
	for (unsigned int i = 0; i < map->addresses; i++) {
		memcpy(ours, map->address[i].addr.ip, sizeof(ours));
		if (((ours[0] ^ theirs[0]) | (ours[1] ^ theirs[1])) == 0 &&
		    map->address[i].addr.family == local->family)
			return (int)i;
	}
	return -1;
}

/* The worker that owns a local port of one of our addresses, or -1; rtp_range_owner() without its divisions. */
static inline int port_map_owner(const struct port_map *map, unsigned int address, uint16_t port)
{
	const struct port_map_address *of = &map->address[address];

	return port >= of->first && port - of->first < of->owned ? (int)((port - of->first) / of->span) : -1;
}

/* Is it this worker's? The same without any division: nearly always the answer is yes. */
static inline bool port_map_owns(const struct port_map *map, unsigned int address, uint16_t port, unsigned int worker)
{
	const struct port_map_address *of = &map->address[address];

	return port - (of->first + worker * of->span) < of->span;
}

static inline uint32_t *port_map_entry(const struct port_map *map, unsigned int address, uint16_t port)
{
	return &map->address[address].entry[port >> 1];
}

#endif
