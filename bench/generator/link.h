/* SPDX-License-Identifier: Apache-2.0 */
/* The link file (bench/README.md): ports, addresses and cores. The directing thread makes it; it does not change. */
#ifndef TANDEM_GENERATOR_LINK_H
#define TANDEM_GENERATOR_LINK_H

#include <string.h>

#include "common/config.h"

#define MAX_VENDOR_GROUPS   16
#define MAX_RANGE_ADDRESSES 16

/* Vendors on consecutive UDP ports of one address. */
struct vendor_group {
	struct net_addr address;
	unsigned int count;
	unsigned int first; /* number of its first vendor */
};

/* Endpoints on the UDP ports first to last of each address. */
struct endpoint_range {
	struct net_addr address[MAX_RANGE_ADDRESSES];
	unsigned int addresses;
	uint16_t first, last;
};

struct link {
	struct config config; /* what common/port.h wants to see; all ports are ROLE_SIGNALING's */
	struct config_port port[CONFIG_MAX_PORTS];
	unsigned int
	    ring[CONFIG_MAX_PORTS]; /* descriptors of a port, where a full one loses what comes; 0: not known */
	unsigned int worker;
	struct net_addr target; /* the switch */
	struct net_addr customer;
	struct vendor_group vendor[MAX_VENDOR_GROUPS];
	unsigned int vendor_groups, vendors;
	struct endpoint_range media, phones; /* media: even ports are RTP */
	bool has_phones;
};

/* Returns a new link (link_free()), or NULL with what is wrong written to stderr. */
struct link *link_load(const char *path);
void link_free(struct link *link);

static inline bool same_ip(const struct net_addr *a, const struct net_addr *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a->ip, 16);
	memcpy(y, b->ip, 16);
	return a->family == b->family && ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

/* Which of config.ports has the address; -1: none. */
int link_port_of(const struct link *link, const struct net_addr *addr);

/* RTP endpoints of `media`: two to a call. */
static inline unsigned int link_media_endpoints(const struct link *link)
{
	return link->media.addresses * ((link->media.last - link->media.first + 1u) / 4 * 2);
}

#endif
