/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/address_set.h"

#include <stdlib.h>

struct address_set {
	uint32_t mask;
	struct net_addr place[]; /* by hash, at most half of them taken; NET_NONE = free */
};

struct address_set *address_set_new(unsigned int most)
{
	uint32_t size = 2;

	while (size < 2 * most)
		size *= 2;
	struct address_set *set = calloc(1, sizeof(*set) + size * sizeof(set->place[0]));

	if (set != NULL)
		set->mask = size - 1;
	return set;
}

/* Where it is, or would be. */
static uint32_t place_of(const struct address_set *set, const struct net_addr *addr)
{
	struct net_addr ip = *addr;

	ip.port = 0;
	uint32_t at = (uint32_t)net_addr_hash(&ip) & set->mask;

	while (set->place[at].family != NET_NONE && !net_addr_equal(&set->place[at], &ip))
		at = (at + 1) & set->mask;
	return at;
}

void address_set_add(struct address_set *set, const struct net_addr *addr)
{
	struct net_addr *place = &set->place[place_of(set, addr)];

	*place = *addr;
	place->port = 0;
}

bool address_set_has(const struct address_set *set, const struct net_addr *addr)
{
	return set != NULL && set->place[place_of(set, addr)].family != NET_NONE;
}
