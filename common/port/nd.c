/* SPDX-License-Identifier: Apache-2.0 */
/* IPv6 neighbour discovery (RFC 4861): solicitations and advertisements. */
#include <string.h>

#include "internal.h"

#define ND_SOLICITATION  135
#define ND_ADVERTISEMENT 136
#define ND_OPTION_SOURCE 1
#define ND_OPTION_TARGET 2
#define ND_HOP_LIMIT     255 /* proves that no router has forwarded it */

#define ND_FLAG_SOLICITED 0x40
#define ND_FLAG_OVERRIDE  0x20

struct nd_message {
	uint8_t type, code;
	uint16_t checksum;
	uint8_t flags, reserved[3];
	uint8_t target[16];
};

struct nd_option {
	uint8_t type, units; /* of eight bytes */
	struct rte_ether_addr mac;
};

static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};

static void multicast_mac(const uint8_t *ip, struct rte_ether_addr *mac)
{
	mac->addr_bytes[0] = mac->addr_bytes[1] = 0x33;
	memcpy(mac->addr_bytes + 2, ip + 12, 4);
}

static void solicited_node(const uint8_t *ip, uint8_t group[static 16])
{
	static const uint8_t prefix[13] = {0xff, 0x02, [11] = 1, [12] = 0xff};

	memcpy(group, prefix, sizeof(prefix));
	memcpy(group + 13, ip + 13, 3);
}

bool nd_is_ours(const struct port *port, const uint8_t *ip)
{
	uint8_t group[16];

	if (ip_equal(ip, all_nodes))
		return true;
	for (unsigned int i = 0; i < port->ip6_count; i++) {
		solicited_node(port->ip6[i], group);
		if (ip_equal(ip, group))
			return true;
	}
	return false;
}

struct nd_outgoing {
	uint8_t type, flags, option;
	const uint8_t *source, *destination, *target;
	const struct rte_ether_addr *to; /* NULL: the destination's multicast group */
};

static void nd_send(struct port_queue *q, const struct nd_outgoing *out)
{
	const uint32_t len = sizeof(struct nd_message) + sizeof(struct nd_option);
	struct outgoing o = {.source = out->source,
			     .destination = out->destination,
			     .family = NET_IP6,
			     .protocol = PROTO_ICMP6,
			     .hop_limit = ND_HOP_LIMIT};
	struct rte_ether_addr group;
	struct nd_message *message;
	struct nd_option *option;
	struct rte_mbuf *m;
	uint8_t *ip;

	multicast_mac(out->destination, &group);
	m = port_frame(q, out->to ? out->to : &group, RTE_ETHER_TYPE_IPV6, IP6_LEN + len);
	if (!m)
		return;
	ip = rte_pktmbuf_mtod_offset(m, uint8_t *, ETHER_LEN);
	ip_write(&o, ip, len, 0, 0);
	message = (struct nd_message *)(ip + IP6_LEN);
	memset(message, 0, sizeof(*message));
	message->type = out->type;
	message->flags = out->flags;
	memcpy(message->target, out->target, 16);
	option = (struct nd_option *)(message + 1);
	option->type = out->option;
	option->units = 1;
	rte_ether_addr_copy(&q->port->mac, &option->mac);
	message->checksum = (uint16_t)~checksum_fold(
	    checksum_add(checksum_pseudo(o.source, o.destination, NET_IP6, PROTO_ICMP6, len), message, len));
	port_transmit(q, m);
}

/* The address of ours that is nearest to the target: in its prefix, or link-local. */
static const uint8_t *source_for(const struct port *port, const uint8_t *target)
{
	struct net_addr addr = {.family = NET_IP6};

	memcpy(addr.ip, target, 16);
	for (unsigned int i = 0; i < port->config.addresses_count; i++)
		if (port->config.addresses[i].addr.family == NET_IP6 &&
		    net_prefix_contains(&port->config.addresses[i], &addr))
			return port->config.addresses[i].addr.ip;
	return port->link_local.ip;
}

void nd_request(struct port_queue *q, const uint8_t *ip, const struct rte_ether_addr *to)
{
	uint8_t group[16];

	solicited_node(ip, group);
	nd_send(q, &(struct nd_outgoing){.type = ND_SOLICITATION,
					 .option = ND_OPTION_SOURCE,
					 .source = source_for(q->port, ip),
					 .destination = to ? ip : group,
					 .target = ip,
					 .to = to});
}

void nd_announce(struct port_queue *q)
{
	for (unsigned int i = 0; i < q->port->ip6_count; i++)
		nd_send(q, &(struct nd_outgoing){.type = ND_ADVERTISEMENT,
						 .flags = ND_FLAG_OVERRIDE,
						 .option = ND_OPTION_TARGET,
						 .source = q->port->ip6[i],
						 .destination = all_nodes,
						 .target = q->port->ip6[i]});
}

/* Every option is well-formed; the link-layer address of the wanted type, if there, goes to `mac`. */
static bool options_read(const struct packet *p, uint8_t wanted, struct rte_ether_addr *mac, bool *found)
{
	const uint8_t *at = p->payload + sizeof(struct nd_message), *end = p->payload + p->len;

	*found = false;
	while (at < end) {
		size_t len;

		if (end - at < 2 || at[1] == 0 || (len = at[1] * 8u) > (size_t)(end - at))
			return false;
		if (at[0] == wanted && !*found) {
			memcpy(mac, at + 2, sizeof(*mac));
			*found = true;
		}
		at += len;
	}
	return !*found || rte_is_valid_assigned_ether_addr(mac);
}

static void solicited(struct port_queue *q, const struct packet *p, const struct nd_message *message,
		      struct neighbor_event *event)
{
	static const uint8_t any[16];
	bool anonymous = ip_equal(p->source, any);

	if (!port_owns(q->port, message->target, NET_IP6))
		return;
	if (!port_may_answer(q, &q->neighbor_answers))
		return;
	if (!anonymous && !event->has_mac)
		return; /* nothing to answer to; a real neighbour asks again, with its address */
	counter_inc(q->row, COUNTER_port_nd_answered);
	nd_send(q, &(struct nd_outgoing){.type = ND_ADVERTISEMENT,
					 .flags = ND_FLAG_OVERRIDE | (anonymous ? 0 : ND_FLAG_SOLICITED),
					 .option = ND_OPTION_TARGET,
					 .source = message->target,
					 .destination = anonymous ? all_nodes : p->source,
					 .target = message->target,
					 .to = anonymous ? NULL : &event->mac});
	if (anonymous || !port_is_on_link(q->port, p->source, NET_IP6))
		return;
	memcpy(event->ip, p->source, 16);
	event->kind = NEIGHBOR_ASKED_US;
	neighbor_event(q, event);
}

static void advertised(struct port_queue *q, const struct nd_message *message, struct neighbor_event *event)
{
	/* Someone else claims our address: nothing we could do would mend it. */
	if (port_owns(q->port, message->target, NET_IP6)) {
		counter_inc(q->row, COUNTER_port_nd_bad);
		return;
	}
	memcpy(event->ip, message->target, 16);
	event->kind = message->flags & ND_FLAG_SOLICITED ? NEIGHBOR_REPLIED : NEIGHBOR_ANNOUNCED;
	neighbor_event(q, event);
}

void nd_input(struct port_queue *q, const struct packet *p)
{
	const struct nd_message *message = (const struct nd_message *)p->payload;
	static const uint8_t any[16];
	struct neighbor_event event = {.family = NET_IP6};
	bool solicitation = p->payload[0] == ND_SOLICITATION, found, bad;

	bad = p->hop_limit != ND_HOP_LIMIT || p->len < sizeof(*message) || message->code != 0 ||
	      message->target[0] == 0xff ||
	      !options_read(p, solicitation ? ND_OPTION_SOURCE : ND_OPTION_TARGET, &event.mac, &found);
	if (!bad && solicitation && ip_equal(p->source, any))
		bad = found || p->destination[0] != 0xff || p->destination[12] != 0xff;
	if (!bad && !solicitation)
		bad = ip_equal(p->source, any) || (p->destination[0] == 0xff && (message->flags & ND_FLAG_SOLICITED));
	if (bad) {
		counter_inc(q->row, COUNTER_port_nd_bad);
		return;
	}
	counter_inc(q->row, COUNTER_port_nd_received);
	event.has_mac = found;
	if (solicitation)
		solicited(q, p, message, &event);
	else
		advertised(q, message, &event);
}
