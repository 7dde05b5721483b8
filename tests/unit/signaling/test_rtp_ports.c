/* SPDX-License-Identifier: Apache-2.0 */
/* Which address and port a leg gets: the addresses of its network in order, and each pair once. */
#include <errno.h>
#include <string.h>

#include "signaling/rtp_ports.h"
#include "tests/unit/check.h"

#define PAIRS 4u /* of an address */

static struct net_prefix inside[3], outside[1];
static struct config_port port[2];
static struct config config;

static void put(struct net_prefix *prefix, const char *text)
{
	CHECK_INT(net_addr_parse(&prefix->addr, text, strlen(text)), 0);
	prefix->len = 24;
}

/* Two IPv4 and an IPv6 address in one network, one address in another. */
static struct rtp_ports *begin(void)
{
	put(&inside[0], "10.0.0.1");
	put(&inside[1], "2001:db8::1");
	put(&inside[2], "10.0.0.2");
	put(&outside[0], "192.0.2.1");
	port[0] = (struct config_port){.process = ROLE_MEDIA,
				       .network = (char *)(uintptr_t) "inside",
				       .addresses = inside,
				       .addresses_count = 3,
				       .rtp_ports = {20000, 20007}};
	port[1] = port[0];
	port[1].network = (char *)(uintptr_t) "outside";
	port[1].addresses = outside;
	port[1].addresses_count = 1;
	config = (struct config){.ports = port, .ports_count = 2};
	return rtp_ports_new(&config, 0, 1, 1);
}

static bool is(const struct net_addr *addr, const struct net_prefix *of)
{
	return net_addr_equal_ip(addr, &of->addr);
}

static void every_address_of_the_network(void)
{
	struct rtp_ports *ports = begin();
	struct net_addr taken[2 * PAIRS], more;

	for (unsigned int i = 0; i < 2 * PAIRS; i++) {
		CHECK_INT(rtp_ports_take(ports, 0, "inside", NET_IP4, &taken[i]), 0);
		CHECK(is(&taken[i], i < PAIRS ? &inside[0] : &inside[2]));
		for (unsigned int k = 0; k < i; k++)
			CHECK(!net_addr_equal_ip(&taken[k], &taken[i]) || taken[k].port != taken[i].port);
	}
	CHECK_INT(rtp_ports_take(ports, 0, "inside", NET_IP4, &more), -ENOBUFS);
	CHECK_INT(rtp_ports_take(ports, 0, "inside", NET_IP6, &more), 0);
	CHECK(is(&more, &inside[1]));
	CHECK_INT(rtp_ports_take(ports, 0, "outside", NET_IP4, &more), 0);
	CHECK(is(&more, &outside[0]));
	rtp_ports_give(ports, 0, &taken[PAIRS + 1]); /* of the second address */
	CHECK_INT(rtp_ports_take(ports, 0, "inside", NET_IP4, &more), 0);
	CHECK(is(&more, &inside[2]));
	CHECK_INT(more.port, taken[PAIRS + 1].port);
	rtp_ports_free(ports);
}

static void a_network_without_the_family(void)
{
	struct rtp_ports *ports = begin();
	struct net_addr local;

	CHECK_INT(rtp_ports_take(ports, 0, "outside", NET_IP6, &local), 0);
	CHECK(is(&local, &inside[1]));
	CHECK_INT(rtp_ports_take(ports, 0, "elsewhere", NET_IP4, &local), 0);
	CHECK(is(&local, &inside[0]));
	CHECK_INT(rtp_ports_take(ports, 1, "inside", NET_IP4, &local), -EADDRNOTAVAIL); /* no such media worker */
	rtp_ports_free(ports);
}

static const struct check_case cases[] = {
    {"every address of the network, in order", every_address_of_the_network},
    {"a network without an address of the family", a_network_without_the_family},
};

CHECK_MAIN(cases)
