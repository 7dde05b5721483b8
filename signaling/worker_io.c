/* SPDX-License-Identifier: Apache-2.0 */
/* Out through a port: which one leads to an address, and sending. */
#include <errno.h>
#include <string.h>

#include "signaling/worker.h"

/* How well a port leads to an address: 0 = not at all, 3 = it is on the port's own network. */
static unsigned int port_fitness(const struct config_port *port, const struct net_addr *remote)
{
	unsigned int fitness = 0;

	for (unsigned int i = 0; i < port->addresses_count; i++) {
		if (port->addresses[i].addr.family != remote->family)
			continue;
		if (net_prefix_contains(&port->addresses[i], remote))
			return 3;
		fitness = 1;
	}
	for (unsigned int i = 0; fitness > 0 && i < port->gateways_count; i++)
		if (port->gateways[i].family == remote->family)
			return 2;
	return fitness;
}

int worker_flow_to(void *context, const char *network, const struct net_addr *remote, struct sip_flow *flow)
{
	const struct worker *w = context;
	unsigned int best = 0;

	for (unsigned int i = 0; i < w->signaling->ports; i++) {
		const struct config_port *port = port_config(w->signaling->port[i]);
		unsigned int fitness = port_fitness(port, remote);

		if (fitness <= best || (network != NULL && strcmp(network, port->network) != 0))
			continue;
		best = fitness;
		flow->port = i;
		flow->local = *port_address(w->signaling->port[i], remote->family);
		flow->local.port = w->sip_port[i];
		flow->remote = *remote;
	}
	return best > 0 ? 0 : -EHOSTUNREACH;
}

void worker_send(void *context, const struct sip_flow *flow, const uint8_t *data, uint32_t len)
{
	struct worker *w = context;
	struct sip_flow other;

	/* A flow out of shared memory may name a port or an address that this life no longer has. */
	if (flow->port >= w->signaling->ports || !port_has_address(w->signaling->port[flow->port], &flow->local)) {
		if (worker_flow_to(w, NULL, &flow->remote, &other) < 0) {
			counter_inc(w->counters, COUNTER_worker_drop_no_flow);
			return;
		}
		flow = &other;
	}
	port_send_copy(w->queue[flow->port], &flow->local, &flow->remote, data, len, w->tos, w->now_us);
}
