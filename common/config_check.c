/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_fill.h"

#define PLACE(parent, name) (&(struct place){parent, name, 0})
#define ENTRY(parent, i)    (&(struct place){parent, NULL, i})

static const struct place ports_place = {NULL, "ports", 0};
static const struct place mapping_place = {NULL, "mapping_gateways", 0};
static const struct place routing_place = {NULL, "routing_gateways", 0};
static const struct place phones_place = {NULL, "phones", 0};
static const struct place parameters_place = {NULL, "parameters", 0};

/* ---- names used twice ------------------------------------------------------------------------------------------- */

struct name {
	const char *name;
	const struct place *list;
	unsigned int index;
};

static int name_compare(const void *a, const void *b)
{
	const struct name *first = a, *second = b;
	int order = strcmp(first->name, second->name);

	return order != 0 ? order : first->index < second->index ? -1 : first->index > second->index;
}

/* `items` is an array of structures of `size` bytes, each beginning with its name. */
static int check_names(struct report *report, const struct place *list, const void *items, unsigned int count,
		       size_t size)
{
	struct name *names = calloc(count + 1, sizeof(*names));
	unsigned int used = 0;

	if (names == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < count; i++) {
		char *name;

		memcpy(&name, (const char *)items + i * size, sizeof(name));
		if (name != NULL)
			names[used++] = (struct name){name, list, i};
	}
	qsort(names, used, sizeof(*names), name_compare);
	for (unsigned int i = 1; i < used; i++) {
		if (strcmp(names[i - 1].name, names[i].name) == 0)
			report_error(report, PLACE(ENTRY(list, names[i].index), "name"),
				     "expected a name of its own; entry %u has it, too", names[i - 1].index);
	}
	free(names);
	return 0;
}

/* ---- users known by digest -------------------------------------------------------------------------------------- */

/* Users first to last: numbers of one width, or a single text. */
struct user_range {
	const char *text;
	size_t width; /* 0: not a number */
	uint64_t first, last;
	const struct place *list;
	unsigned int index;
};

static struct user_range user_range(const char *user, unsigned int count, const struct place *list, unsigned int index)
{
	size_t len = strlen(user);
	struct user_range range = {.text = user, .list = list, .index = index};

	if (len > 0 && len <= 18 && strspn(user, "0123456789") == len) {
		range.width = len;
		range.first = strtoull(user, NULL, 10);
		range.last = range.first + count - 1;
	}
	return range;
}

static int user_compare(const void *a, const void *b)
{
	const struct user_range *x = a, *y = b;
	int order = 0;

	if (x->width != y->width)
		return x->width < y->width ? -1 : 1;
	if (x->width == 0)
		order = strcmp(x->text, y->text);
	else if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	if (order == 0 && x->list != y->list)
		return x->list == &mapping_place ? -1 : 1;
	return order != 0 ? order : x->index < y->index ? -1 : x->index > y->index;
}

static void report_user(struct report *report, const struct user_range *range, const struct user_range *other)
{
	const struct place *entry = ENTRY(range->list, range->index);
	const struct place *digest = PLACE(entry, "digest");

	report_error(report, PLACE(range->list == &mapping_place ? digest : entry, "user"),
		     "expected a user of its own; %s[%u] has it, too", other->list->key, other->index);
}

/* Phones and the digests of mapping gateways share one realm. */
static int check_users(const struct config *config, struct report *report)
{
	struct user_range *users = calloc(config->phones_count + config->mapping_gateways_count + 1, sizeof(*users));
	unsigned int count = 0, widest = 0;

	if (users == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < config->mapping_gateways_count; i++) {
		const struct config_digest *digest = config->mapping_gateways[i].digest;

		if (digest != NULL && digest->user != NULL)
			users[count++] = user_range(digest->user, 1, &mapping_place, i);
	}
	for (unsigned int i = 0; i < config->phones_count; i++) {
		if (config->phones[i].user != NULL)
			users[count++] = user_range(config->phones[i].user, config->phones[i].count, &phones_place, i);
	}
	qsort(users, count, sizeof(*users), user_compare);
	/* `widest`: of the ranges so far the one that reaches furthest. */
	for (unsigned int i = 1; i < count; i++) {
		const struct user_range *before = &users[widest], *now = &users[i];
		bool clash = before->width == now->width &&
			     (now->width > 0 ? now->first <= before->last : strcmp(before->text, now->text) == 0);

		if (clash)
			report_user(report, now, before);
		if (before->width != now->width || now->width == 0 || now->last > before->last)
			widest = i;
	}
	free(users);
	return 0;
}

/* ---- sources of mapping gateways -------------------------------------------------------------------------------- */

struct source {
	struct net_prefix prefix; /* host bits cleared */
	unsigned int gateway, address;
};

static void clear_host_bits(struct net_prefix *prefix)
{
	for (unsigned int bit = prefix->len; bit < 128; bit++)
		prefix->addr.ip[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
}

static int source_compare(const void *a, const void *b)
{
	const struct source *x = a, *y = b;
	int order;

	if (x->prefix.addr.family != y->prefix.addr.family)
		return x->prefix.addr.family < y->prefix.addr.family ? -1 : 1;
	order = memcmp(x->prefix.addr.ip, y->prefix.addr.ip, sizeof(x->prefix.addr.ip));
	if (order != 0)
		return order;
	if (x->prefix.len != y->prefix.len)
		return x->prefix.len < y->prefix.len ? -1 : 1;
	return x->gateway < y->gateway ? -1 : x->gateway > y->gateway;
}

/*
 * The same source for two gateways is an error: nobody could tell whose call it is. One inside another is told
 * apart by the longer prefix, or by the port; that is worth a warning.
 */
static void check_source_pair(const struct config *config, struct report *report, const struct source *outer,
			      const struct source *inner)
{
	uint16_t port = inner->prefix.addr.port, other = outer->prefix.addr.port;
	const char *name = config->mapping_gateways[outer->gateway].name;
	const struct place *gateway = ENTRY(&mapping_place, inner->gateway);
	const struct place *addresses = PLACE(gateway, "addresses");
	const struct place *address = ENTRY(addresses, inner->address);

	if (inner->gateway == outer->gateway || (port != other && port != 0 && other != 0))
		return;
	if (inner->prefix.len == outer->prefix.len && port == other)
		report_error(report, address, "expected a source of its own; gateway %s has it, too", name);
	else
		report_warning(report, address, "overlaps a source of gateway %s; the more specific one decides", name);
}

static int check_sources(const struct config *config, struct report *report)
{
	unsigned int count = 0, most = 1;
	struct source *sources;

	for (unsigned int i = 0; i < config->mapping_gateways_count; i++)
		most += config->mapping_gateways[i].addresses_count;
	sources = calloc(most, sizeof(*sources));
	if (sources == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < config->mapping_gateways_count; i++) {
		const struct config_mapping_gateway *gateway = &config->mapping_gateways[i];

		for (unsigned int k = 0; k < gateway->addresses_count && gateway->digest == NULL; k++) {
			struct source *source = &sources[count];

			*source = (struct source){gateway->addresses[k], i, k};
			if (source->prefix.addr.family == NET_NONE)
				continue;
			clear_host_bits(&source->prefix);
			count++;
		}
	}
	/* Sorted so, whatever lies inside a prefix follows it without a gap. */
	qsort(sources, count, sizeof(*sources), source_compare);
	for (unsigned int i = 0; i < count; i++) {
		for (unsigned int k = i + 1; k < count; k++) {
			struct net_addr inside = sources[k].prefix.addr;

			inside.port = sources[i].prefix.addr.port;
			if (!net_prefix_contains(&sources[i].prefix, &inside))
				break;
			check_source_pair(config, report, &sources[i], &sources[k]);
		}
	}
	free(sources);
	return 0;
}

/* ---- registrations ---------------------------------------------------------------------------------------------- */

static const struct config_mapping_gateway *find_mapping(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->mapping_gateways_count; i++) {
		if (config->mapping_gateways[i].name != NULL && strcmp(config->mapping_gateways[i].name, name) == 0)
			return &config->mapping_gateways[i];
	}
	return NULL;
}

static bool is_digest_user(const struct config *config, const char *user)
{
	for (unsigned int i = 0; i < config->mapping_gateways_count; i++) {
		const struct config_digest *digest = config->mapping_gateways[i].digest;

		if (digest != NULL && digest->user != NULL && strcmp(digest->user, user) == 0)
			return true;
	}
	return false;
}

static const struct net_addr *registrar_of(const struct config_routing_gateway *gateway)
{
	return gateway->registration->registrar.family != NET_NONE ? &gateway->registration->registrar
								   : &gateway->address;
}

/* A call is known by its registrar and the user of our Contact. */
static bool same_contact(const struct config_routing_gateway *a, const struct config_routing_gateway *b)
{
	return a->registration->contact != NULL && b->registration->contact != NULL &&
	       strcmp(a->registration->contact, b->registration->contact) == 0 &&
	       net_addr_equal_ip(registrar_of(a), registrar_of(b));
}

static void check_registration(const struct config *config, struct report *report, unsigned int index)
{
	const struct config_routing_gateway *gateway = &config->routing_gateways[index];
	const struct place *entry = ENTRY(&routing_place, index);
	const struct place *section = PLACE(entry, "register");

	if (gateway->registered != NULL && !is_digest_user(config, gateway->registered))
		report_error(report, PLACE(entry, "registered"), "expected the digest user of a mapping gateway");
	if (gateway->registration == NULL)
		return;
	if (gateway->host != NULL && gateway->registration->registrar.family == NET_NONE)
		report_error(report, PLACE(section, "registrar"), "expected an address: the gateway is known by name");
	if (gateway->registration->calls != NULL && find_mapping(config, gateway->registration->calls) == NULL)
		report_error(report, PLACE(section, "calls"), "expected the name of a mapping gateway");
	for (unsigned int before = 0; before < index; before++) {
		const struct config_routing_gateway *other = &config->routing_gateways[before];

		if (other->registration != NULL && same_contact(gateway, other))
			report_error(report, PLACE(section, "contact"),
				     "expected a contact of its own at this registrar; entry %u has it, too", before);
	}
}

/* ---- networks and ports ----------------------------------------------------------------------------------------- */

static bool network_known(const struct config *config, const char *network)
{
	for (unsigned int i = 0; i < config->ports_count; i++) {
		if (config->ports[i].process == ROLE_SIGNALING && strcmp(config->ports[i].network, network) == 0)
			return true;
	}
	return false;
}

static void check_network(const struct config *config, struct report *report, const struct place *list,
			  unsigned int index, const char *network)
{
	if (network != NULL && config->ports_count > 0 && !network_known(config, network))
		report_error(report, PLACE(ENTRY(list, index), "network"),
			     "expected the network of one of the signaling ports; '%s' is none of them", network);
}

static void check_networks(const struct config *config, struct report *report)
{
	for (unsigned int i = 0; i < config->mapping_gateways_count; i++)
		check_network(config, report, &mapping_place, i, config->mapping_gateways[i].network);
	for (unsigned int i = 0; i < config->routing_gateways_count; i++)
		check_network(config, report, &routing_place, i, config->routing_gateways[i].network);
}

/* One address on two ports would get the packets of only one. */
static void check_port_pair(struct report *report, const struct config_port *port, unsigned int index,
			    const struct config_port *before)
{
	const struct place *entry = ENTRY(&ports_place, index);
	const struct place *addresses = PLACE(entry, "addresses");

	for (unsigned int a = 0; a < port->addresses_count; a++) {
		for (unsigned int b = 0; b < before->addresses_count; b++) {
			if (port->addresses[a].addr.family != NET_NONE &&
			    net_addr_equal_ip(&port->addresses[a].addr, &before->addresses[b].addr))
				report_error(report, ENTRY(addresses, a),
					     "expected an address of its own; port %s has it, too", before->name);
		}
	}
	if (port->driver == before->driver && port->driver != DRIVER_AF_PACKET && port->device != NULL &&
	    before->device != NULL && strcmp(port->device, before->device) == 0)
		report_error(report, PLACE(entry, "device"), "expected a device of its own; port %s has it, too",
			     before->name);
}

static void check_port(struct report *report, const struct config_port *port, unsigned int index)
{
	const struct place *entry = ENTRY(&ports_place, index);
	const struct place *gateways = PLACE(entry, "gateways");

	for (unsigned int a = 0; a < port->addresses_count; a++) {
		if (port->addresses[a].addr.family == NET_IP6 && port->mtu < 1280)
			report_error(report, PLACE(entry, "mtu"), "expected 1280 at least, which IPv6 asks for");
	}
	for (unsigned int g = 0; g < port->gateways_count; g++) {
		bool on_link = port->gateways[g].family == NET_NONE;

		for (unsigned int a = 0; a < port->addresses_count; a++)
			on_link |= net_prefix_contains(&port->addresses[a], &port->gateways[g]);
		if (!on_link)
			report_warning(report, ENTRY(gateways, g), "is in the network of none of the port's addresses");
	}
}

/*
 * Each relayed call takes a pair of ports on either side, possibly all of one family. Where something is wrong, the
 * limit may not be the one that was written.
 */
static void check_rtp_room(const struct config *config, struct report *report)
{
	uint64_t pairs[2] = {0, 0}, room;
	const struct config_port *last = NULL;
	unsigned int index = 0;

	for (unsigned int i = 0; i < config->ports_count; i++) {
		const struct config_port *port = &config->ports[i];

		if (port->process != ROLE_MEDIA || port->rtp_ports.last < port->rtp_ports.first)
			continue;
		for (unsigned int a = 0; a < port->addresses_count; a++)
			pairs[port->addresses[a].addr.family == NET_IP6] +=
			    ((unsigned int)port->rtp_ports.last - port->rtp_ports.first + 1) / 2;
		last = port;
		index = i;
	}
	room = (pairs[0] > pairs[1] ? pairs[0] : pairs[1]) / 2;
	if (last != NULL && room < config->limits.calls && report->errors == 0)
		report_warning(report, PLACE(ENTRY(&ports_place, index), "rtp_ports"),
			       "the RTP ports of all media addresses are enough for %llu relayed calls, "
			       "limits.calls is %u",
			       (unsigned long long)room, config->limits.calls);
}

static void check_ports(const struct config *config, struct report *report)
{
	for (unsigned int i = 0; i < config->ports_count; i++) {
		const struct config_port *port = &config->ports[i];

		for (unsigned int before = 0; before < i; before++)
			check_port_pair(report, port, i, &config->ports[before]);
		check_port(report, port, i);
		if (config->process[port->process].workers_count == 0)
			report_error(report, PLACE(ENTRY(&ports_place, i), "process"),
				     "expected a process with workers: processes.%s.workers lists none",
				     process_role_name[port->process]);
	}
	check_rtp_room(config, report);
}

/* ---- cores ------------------------------------------------------------------------------------------------------ */

/* Does a worker of any process spin on this core? `but` is left out: a process's workers are checked among themselves.
 */
static bool core_spins(const struct config *config, unsigned int core, unsigned int but)
{
	for (unsigned int role = 0; role < ROLE_COUNT; role++) {
		const struct config_process *process = &config->process[role];

		for (unsigned int i = 0; i < process->workers_count && role != but; i++) {
			if (process->idle == IDLE_SPIN && process->workers[i] == core)
				return true;
		}
	}
	return false;
}

static void check_cores_free(const struct config *config, struct report *report)
{
	const struct place *processes = PLACE(NULL, "processes");

	for (unsigned int role = 0; role < ROLE_COUNT; role++) {
		const struct config_process *process = &config->process[role];
		const struct place *place = PLACE(processes, process_role_name[role]);
		const struct place *workers = PLACE(place, "workers");

		for (unsigned int i = 0; i < process->workers_count; i++) {
			if (core_spins(config, process->workers[i], role))
				report_warning(
				    report, ENTRY(workers, i),
				    "is the core of another process's worker that spins and leaves it no time");
		}
		if (process->core >= 0 && core_spins(config, (unsigned int)process->core, ROLE_COUNT))
			report_warning(report, PLACE(place, "core"),
				       "is the core of a worker that spins and leaves it no time");
	}
}

static void check_cores(const struct config *config, struct report *report, unsigned int cores)
{
	const struct place *processes = PLACE(NULL, "processes");

	for (unsigned int role = 0; role < ROLE_COUNT; role++) {
		const struct config_process *process = &config->process[role];
		const struct place *place = PLACE(processes, process_role_name[role]);
		const struct place *workers = PLACE(place, "workers");

		for (unsigned int i = 0; i < process->workers_count; i++) {
			unsigned int core = process->workers[i];

			if (core >= cores)
				report_error(report, ENTRY(workers, i), "expected a core of this machine, 0 to %u",
					     cores - 1);
			for (unsigned int before = 0; before < i; before++) {
				if (process->workers[before] == core)
					report_error(report, ENTRY(workers, i),
						     "expected another core for each worker");
			}
		}
		if (process->core >= (int)cores)
			report_error(report, PLACE(place, "core"), "expected a core of this machine, 0 to %u",
				     cores - 1);
	}
}

/* ---- parameters that belong together ---------------------------------------------------------------------------- */

static void check_keep_alive(const struct config *config, struct report *report)
{
	const struct parameters *p = &config->parameters;
	uint64_t bursts = (uint64_t)p->nat_keep_alive_period_s * 1000 / p->nat_keep_alive_send_interval_ms;
	uint64_t room = bursts * p->nat_keep_alive_send_one_time;

	if (p->nat_keep_alive_message[0] == '\0')
		return;
	if (p->nat_keep_alive_period_s > p->endpoint_nat_expire_s / 5)
		report_warning(report, PLACE(&parameters_place, "SS_SIP_NAT_KEEP_ALIVE_PERIOD"),
			       "%u s is above a fifth of SS_ENDPOINT_NAT_EXPIRE (%u s)", p->nat_keep_alive_period_s,
			       p->endpoint_nat_expire_s);
	if (room < config->limits.registrations)
		report_warning(report, PLACE(&parameters_place, "SS_SIP_NAT_KEEP_ALIVE_PERIOD"),
			       "a round reaches %llu endpoints (%llu bursts of %u), limits.registrations is %u",
			       (unsigned long long)room, (unsigned long long)bursts, p->nat_keep_alive_send_one_time,
			       config->limits.registrations);
}

static void check_parameters(const struct config *config, struct report *report)
{
	const struct parameters *p = &config->parameters;

	check_keep_alive(config, report);
	if (p->session_ttl_s != 0 && p->session_ttl_s < p->session_min_se_s)
		report_warning(report, PLACE(&parameters_place, "SS_SIP_SESSION_TTL"),
			       "%u s is below SS_SIP_SESSION_MIN_SE (%u s)", p->session_ttl_s, p->session_min_se_s);
	if (p->endpoint_nat_expire_s > p->endpoint_expire_s)
		report_warning(report, PLACE(&parameters_place, "SS_ENDPOINT_NAT_EXPIRE"),
			       "%u s is above SS_ENDPOINT_EXPIRE (%u s)", p->endpoint_nat_expire_s,
			       p->endpoint_expire_s);
}

int config_check(const struct config *config, struct report *report, unsigned int cores)
{
	if (check_names(report, &ports_place, config->ports, config->ports_count, sizeof(*config->ports)) != 0 ||
	    check_names(report, &mapping_place, config->mapping_gateways, config->mapping_gateways_count,
			sizeof(*config->mapping_gateways)) != 0 ||
	    check_names(report, &routing_place, config->routing_gateways, config->routing_gateways_count,
			sizeof(*config->routing_gateways)) != 0 ||
	    check_users(config, report) != 0 || check_sources(config, report) != 0)
		return -ENOMEM;
	for (unsigned int i = 0; i < config->routing_gateways_count; i++)
		check_registration(config, report, i);
	check_networks(config, report);
	check_ports(config, report);
	check_cores(config, report, cores);
	check_cores_free(config, report);
	check_parameters(config, report);
	return 0;
}
