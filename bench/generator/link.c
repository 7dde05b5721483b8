/* SPDX-License-Identifier: Apache-2.0 */
#include "link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "yaml_tree.h"

/* ---- ports --------------------------------------------------------------------------------------------------- */

static char *text_of(struct yaml_tree *tree, yaml_node_t *map, const char *key, bool required)
{
	yaml_node_t *node = yaml_member(tree, map, key);
	const char *text = yaml_scalar(node);

	if (!text && (required || node))
		yaml_fault(tree, node ? node : map, "%s: expected a text", key);
	return text ? strdup(text) : NULL;
}

/* One of the words, by its number; what it was before when the key is absent. */
static unsigned int word_of(struct yaml_tree *tree, yaml_node_t *map, const char *key, const char *const *words,
			    unsigned int before)
{
	yaml_node_t *node = yaml_member(tree, map, key);
	const char *text = yaml_scalar(node);

	if (!node)
		return before;
	for (unsigned int i = 0; text && words[i]; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	yaml_fault(tree, node, "%s: not one of the words that are known", key);
	return before;
}

static void read_prefixes(struct yaml_tree *tree, yaml_node_t *map, struct config_port *port)
{
	yaml_node_t *node = yaml_member(tree, map, "addresses");
	unsigned int count = yaml_length(node);

	if (count == 0)
		yaml_fault(tree, map, "addresses: expected a list of address/length");
	port->addresses = calloc(count + 1, sizeof(*port->addresses));
	for (unsigned int i = 0; port->addresses && i < count; i++) {
		const char *text = yaml_scalar(yaml_item(tree, node, i));

		if (!text || net_prefix_parse(&port->addresses[i], text, strlen(text)) != 0)
			yaml_fault(tree, node, "%s: expected address/length", text ? text : "?");
		port->addresses_count++;
	}
}

static void read_gateways(struct yaml_tree *tree, yaml_node_t *map, struct config_port *port)
{
	yaml_node_t *node = yaml_member(tree, map, "gateways");
	unsigned int count = yaml_length(node);

	port->gateways = calloc(count + 1, sizeof(*port->gateways));
	for (unsigned int i = 0; port->gateways && i < count; i++) {
		const char *text = yaml_scalar(yaml_item(tree, node, i));

		if (!text || net_addr_parse(&port->gateways[i], text, strlen(text)) != 0)
			yaml_fault(tree, node, "%s: expected an address", text ? text : "?");
		port->gateways_count++;
	}
}

static void read_port(struct yaml_tree *tree, yaml_node_t *map, struct config_port *port)
{
	static const char *const drivers[] = {[DRIVER_AF_PACKET] = "af_packet",
					      [DRIVER_AF_XDP] = "af_xdp",
					      [DRIVER_MEMIF] = "memif",
					      [DRIVER_TAP] = "tap",
					      [DRIVER_PCI] = "pci",
					      [DRIVER_PCI + 1] = NULL};

	yaml_keys(tree, map, "name driver device options mtu addresses gateways");
	port->process = ROLE_SIGNALING;
	port->mtu = 1500;
	port->name = text_of(tree, map, "name", true);
	port->device = text_of(tree, map, "device", true);
	port->options = text_of(tree, map, "options", false);
	port->driver = word_of(tree, map, "driver", drivers, DRIVER_AF_PACKET);
	yaml_count(tree, map, "mtu", &port->mtu, 576, 9600);
	read_prefixes(tree, map, port);
	read_gateways(tree, map, port);
}

/* A memif has 1,024 descriptors, or two to the power of rsize. */
static unsigned int ring_of(const struct config_port *port)
{
	const char *size = port->options ? strstr(port->options, "rsize=") : NULL;

	if (port->driver != DRIVER_MEMIF)
		return 0;
	return 1u << (size ? strtoul(size + strlen("rsize="), NULL, 10) & 15 : 10);
}

static void read_ports(struct yaml_tree *tree, yaml_node_t *root, struct link *link)
{
	yaml_node_t *node = yaml_member(tree, root, "ports");

	link->config.ports = link->port;
	link->config.ports_count = yaml_length(node);
	if (link->config.ports_count == 0 || link->config.ports_count > CONFIG_MAX_PORTS) {
		yaml_fault(tree, node, "ports: expected a list of 1 to %d", CONFIG_MAX_PORTS);
		link->config.ports_count = 0;
	}
	for (unsigned int i = 0; i < link->config.ports_count; i++) {
		read_port(tree, yaml_item(tree, node, i), &link->port[i]);
		link->ring[i] = ring_of(&link->port[i]);
	}
}

/* ---- who is where -------------------------------------------------------------------------------------------- */

int link_port_of(const struct link *link, const struct net_addr *addr)
{
	for (unsigned int i = 0; i < link->config.ports_count; i++)
		for (unsigned int k = 0; k < link->port[i].addresses_count; k++)
			if (net_addr_equal_ip(&link->port[i].addresses[k].addr, addr))
				return (int)i;
	return -1;
}

static void read_address(struct yaml_tree *tree, yaml_node_t *node, struct net_addr *out, uint16_t port)
{
	const char *text = yaml_scalar(node);

	if (!text || net_addr_parse(out, text, strlen(text)) != 0)
		yaml_fault(tree, node, "%s: expected an address", text ? text : "?");
	if (out->port == 0)
		out->port = port;
}

static void read_own(struct yaml_tree *tree, yaml_node_t *node, const struct link *link, struct net_addr *out)
{
	read_address(tree, node, out, 5060);
	if (link_port_of(link, out) < 0)
		yaml_fault(tree, node, "expected an address of one of the ports");
}

static void read_vendors(struct yaml_tree *tree, yaml_node_t *root, struct link *link)
{
	yaml_node_t *node = yaml_member(tree, root, "vendors");

	link->vendor_groups = yaml_length(node);
	if (link->vendor_groups > MAX_VENDOR_GROUPS) {
		yaml_fault(tree, node, "vendors: expected at most %d entries", MAX_VENDOR_GROUPS);
		link->vendor_groups = MAX_VENDOR_GROUPS;
	}
	for (unsigned int i = 0; i < link->vendor_groups; i++) {
		struct vendor_group *group = &link->vendor[i];
		yaml_node_t *item = yaml_item(tree, node, i);

		group->count = 1;
		group->first = link->vendors;
		yaml_keys(tree, item, "address count");
		read_own(tree, yaml_member(tree, item, "address"), link, &group->address);
		yaml_count(tree, item, "count", &group->count, 1, 60000);
		if (group->address.port + group->count > UINT16_MAX)
			yaml_fault(tree, item, "count: more than there are ports");
		link->vendors += group->count;
	}
}

static void read_range(struct yaml_tree *tree, yaml_node_t *map, const struct link *link, struct endpoint_range *range)
{
	yaml_node_t *node = yaml_member(tree, map, "addresses");
	unsigned int count = yaml_length(node), first = range->first, last = range->last;

	yaml_keys(tree, map, "addresses first last");
	if (count > MAX_RANGE_ADDRESSES) {
		yaml_fault(tree, node, "addresses: expected at most %d", MAX_RANGE_ADDRESSES);
		count = MAX_RANGE_ADDRESSES;
	}
	if (count)
		range->addresses = count;
	for (unsigned int i = 0; i < count; i++)
		read_own(tree, yaml_item(tree, node, i), link, &range->address[i]);
	yaml_count(tree, map, "first", &first, 1024, UINT16_MAX);
	yaml_count(tree, map, "last", &last, 1024, UINT16_MAX);
	if (first >= last)
		yaml_fault(tree, map, "expected first to be below last");
	range->first = (uint16_t)first;
	range->last = (uint16_t)last;
}

/* SDPs are prepared with room for five digits; RTP has the even ports. */
static void check_media(struct yaml_tree *tree, struct endpoint_range *media)
{
	if (media->first < 10000 || media->first % 2 != 0)
		yaml_fault(tree, NULL, "media: expected first to be even, and at least 10000");
}

static void read_places(struct yaml_tree *tree, yaml_node_t *root, struct link *link)
{
	yaml_node_t *phones = yaml_member(tree, root, "phones");

	read_address(tree, yaml_member(tree, root, "switch"), &link->target, 5060);
	read_own(tree, yaml_member(tree, root, "customer"), link, &link->customer);
	read_vendors(tree, root, link);
	link->media = (struct endpoint_range){.addresses = 1, .first = 16384, .last = 65533};
	link->media.address[0] = link->customer;
	link->phones = (struct endpoint_range){.first = 10000, .last = 65534};
	read_range(tree, yaml_member(tree, root, "media"), link, &link->media);
	check_media(tree, &link->media);
	link->has_phones = phones != NULL;
	read_range(tree, phones, link, &link->phones);
}

static void read_process(struct yaml_tree *tree, yaml_node_t *root, struct link *link)
{
	static const char *const idles[] = {[IDLE_SPIN] = "spin", [IDLE_NAP] = "nap", NULL};
	static const char *const pages[] = {
	    [HUGEPAGES_AUTO] = "auto", [HUGEPAGES_ON] = "on", [HUGEPAGES_OFF] = "off", NULL};
	struct config_process *process = &link->config.process[ROLE_SIGNALING];
	double core = -1;
	char node[33] = "generator";

	yaml_number(tree, root, "core", &core, 0, 1023);
	yaml_count(tree, root, "worker", &link->worker, 0, 1023);
	process->workers = &link->worker;
	process->workers_count = 1;
	process->core = (int)core;
	process->idle = word_of(tree, root, "idle", idles, IDLE_NAP);
	process->hugepages = word_of(tree, root, "hugepages", pages, HUGEPAGES_AUTO);
	yaml_count(tree, root, "memory_mb", &process->memory_mb, 0, 1048576);
	yaml_text(tree, root, "node", node, sizeof(node));
	link->config.node = strdup(node);
	link->config.log_level = LOG_WARN;
}

struct link *link_load(const char *path)
{
	struct link *link = calloc(1, sizeof(*link));
	struct yaml_tree tree;
	yaml_node_t *root;

	if (!link || yaml_tree_load(&tree, path) != 0) {
		free(link);
		return NULL;
	}
	root = yaml_root(&tree);
	yaml_keys(&tree, root, "node core worker idle hugepages memory_mb ports switch customer vendors media phones");
	read_process(&tree, root, link);
	read_ports(&tree, root, link);
	read_places(&tree, root, link);
	yaml_tree_free(&tree);
	if (tree.errors == 0)
		return link;
	link_free(link);
	return NULL;
}

void link_free(struct link *link)
{
	if (!link)
		return;
	for (unsigned int i = 0; i < link->config.ports_count; i++) {
		free(link->port[i].name);
		free(link->port[i].device);
		free(link->port[i].options);
		free(link->port[i].addresses);
		free(link->port[i].gateways);
	}
	free(link->config.node);
	free(link);
}
