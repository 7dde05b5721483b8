/* SPDX-License-Identifier: Apache-2.0 */
#include "port_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/layout/rtp_ranges.h"
#include "common/log.h"

#define ENTRIES (65536 / 2)

static int address_add(struct port_map *map, const struct net_addr *addr, const struct config_range *range,
		       unsigned int port)
{
	struct rtp_slice slice = rtp_range_of_media(range, map->workers, 0);
	struct port_map_address *to;

	if (map->addresses == PORT_MAP_ADDRESSES) {
		log_error("media", "more than %d media addresses", PORT_MAP_ADDRESSES);
		return -EINVAL;
	}
	to = &map->address[map->addresses];
	to->entry = malloc(ENTRIES * sizeof(*to->entry));
	if (!to->entry)
		return -ENOMEM;
	memset(to->entry, 0xff, ENTRIES * sizeof(*to->entry));
	to->addr = *addr;
	to->addr.port = 0;
	to->first = slice.first;
	to->span = slice.pairs * 2;
	to->owned = to->span * map->workers;
	to->port = port;
	map->addresses++;
	return 0;
}

int port_map_init(struct port_map *map, const struct config *config)
{
	unsigned int port = 0;

	*map = (struct port_map){.workers = config->process[ROLE_MEDIA].workers_count};
	for (unsigned int i = 0; map->workers > 0 && i < config->ports_count; i++) {
		const struct config_port *from = &config->ports[i];

		if (from->process != ROLE_MEDIA)
			continue;
		for (unsigned int a = 0; a < from->addresses_count; a++) {
			int err = address_add(map, &from->addresses[a].addr, &from->rtp_ports, port);

			if (err) {
				port_map_fini(map);
				return err;
			}
		}
		port++;
	}
	if (map->addresses == 0 || map->workers == 0) {
		log_error("media", "no media port with an address, or no media worker, is configured");
		return -EINVAL;
	}
	return 0;
}

void port_map_fini(struct port_map *map)
{
	for (unsigned int i = 0; i < map->addresses; i++)
		free(map->address[i].entry);
	map->addresses = 0;
}
