/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "signaling/snapshot_signaling.h"

int signaling_state_init(struct signaling_state *state, struct segment *gateways)
{
	int error;

	memset(state, 0, sizeof(*state));
	error = nonces_init(&state->nonces);
	if (error < 0)
		return error;
	state->parties = parties_new(gateways);
	state->user_states = user_states_new();
	if (state->parties == NULL || state->user_states == NULL) {
		signaling_state_fini(state);
		return -ENOMEM;
	}
	return 0;
}

void signaling_state_fini(struct signaling_state *state)
{
	registrations_free(&state->registrations);
	user_states_free(state->user_states);
	parties_free(state->parties);
	nonces_fini(&state->nonces);
	free(state->resolved_vendors);
	memset(state, 0, sizeof(*state));
}

static int compare_route_entries(const void *a, const void *b)
{
	return strcmp(((const struct route_entry *)a)->config->name, ((const struct route_entry *)b)->config->name);
}

static int compare_source_entries(const void *a, const void *b)
{
	return strcmp(((const struct source_entry *)a)->config->name, ((const struct source_entry *)b)->config->name);
}

/* The gateways with their parties, sorted by name. */
static int entries_make(struct signaling_snapshot *snapshot)
{
	const struct config *config = snapshot->config;
	struct parties *parties = snapshot->state->parties;

	snapshot->route_entries = calloc(config->routing_gateways_count + 1, sizeof(*snapshot->route_entries));
	snapshot->source_entries = calloc(config->mapping_gateways_count + 1, sizeof(*snapshot->source_entries));
	if (snapshot->route_entries == NULL || snapshot->source_entries == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < config->routing_gateways_count; i++) {
		int64_t id = party_claim(parties, PARTY_ROUTING, config->routing_gateways[i].name);

		if (id < 0)
			return (int)id;
		snapshot->route_entries[i] = (struct route_entry){&config->routing_gateways[i], (uint32_t)id};
	}
	for (unsigned int i = 0; i < config->mapping_gateways_count; i++) {
		int64_t id = party_claim(parties, PARTY_MAPPING, config->mapping_gateways[i].name);

		if (id < 0)
			return (int)id;
		snapshot->source_entries[i] = (struct source_entry){&config->mapping_gateways[i], (uint32_t)id};
	}
	qsort(snapshot->route_entries, config->routing_gateways_count, sizeof(*snapshot->route_entries),
	      compare_route_entries);
	qsort(snapshot->source_entries, config->mapping_gateways_count, sizeof(*snapshot->source_entries),
	      compare_source_entries);
	return 0;
}

/* From a party's id to its configuration. */
static int parties_link(struct signaling_snapshot *snapshot)
{
	const struct config *config = snapshot->config;

	snapshot->party_count = snapshot->state->parties->count;
	snapshot->party = calloc(snapshot->party_count + 1, sizeof(*snapshot->party));
	if (snapshot->party == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < config->routing_gateways_count; i++)
		snapshot->party[snapshot->route_entries[i].id].routing = snapshot->route_entries[i].config;
	for (unsigned int i = 0; i < config->mapping_gateways_count; i++)
		snapshot->party[snapshot->source_entries[i].id].mapping = snapshot->source_entries[i].config;
	return 0;
}

static int compare_registrations(const void *a, const void *b)
{
	return strcmp(((const struct registration_entry *)a)->gateway->registration->contact,
		      ((const struct registration_entry *)b)->gateway->registration->contact);
}

/* Without a registration now; what an earlier life has left there is not so any more. */
static void registration_clear(struct party *party)
{
	atomic_store_explicit(&party->slot->registration.state, GATEWAY_NOT_REGISTERING, memory_order_relaxed);
	atomic_store_explicit(&party->slot->registration.expires_us, 0, memory_order_relaxed);
}

static int registrations_make(struct signaling_snapshot *snapshot)
{
	const struct config *config = snapshot->config;

	snapshot->registrations = calloc(config->routing_gateways_count + 1, sizeof(*snapshot->registrations));
	if (snapshot->registrations == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < config->routing_gateways_count; i++) {
		const struct config_routing_gateway *gateway = snapshot->route_entries[i].config;
		struct registration_entry *entry = &snapshot->registrations[snapshot->registration_count];

		if (gateway->registration == NULL || !gateway->enabled) {
			if (snapshot->serial == 1)
				registration_clear(party_get(snapshot->state->parties, snapshot->route_entries[i].id));
			continue;
		}
		entry->gateway = gateway;
		entry->id = snapshot->route_entries[i].id;
		entry->registration =
		    registration_claim(&snapshot->state->registrations, snapshot->state->parties, gateway, entry->id);
		if (entry->registration == NULL)
			return -ENOMEM;
		if (gateway->registration->calls != NULL &&
		    signaling_snapshot_gateway(snapshot, PARTY_MAPPING, gateway->registration->calls,
					       strlen(gateway->registration->calls), &entry->caller_id) == 0)
			entry->caller = gateway_mapping(snapshot, entry->caller_id);
		snapshot->registration_count++;
	}
	qsort(snapshot->registrations, snapshot->registration_count, sizeof(*snapshot->registrations),
	      compare_registrations);
	return 0;
}

static int vendors_make(struct signaling_snapshot *snapshot)
{
	const struct config *config = snapshot->config;

	snapshot->vendors = address_set_new(2 * config->routing_gateways_count);
	if (snapshot->vendors == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < config->routing_gateways_count; i++) {
		const struct config_routing_gateway *gateway = &config->routing_gateways[i];

		if (gateway->address.family != NET_NONE)
			address_set_add(snapshot->vendors, &gateway->address);
		if (gateway->registration != NULL && gateway->registration->registrar.family != NET_NONE)
			address_set_add(snapshot->vendors, &gateway->registration->registrar);
	}
	return 0;
}

static void ports_note(struct signaling_snapshot *snapshot)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < snapshot->config->ports_count && count < CONFIG_MAX_PORTS; i++)
		if (snapshot->config->ports[i].process == ROLE_SIGNALING)
			snapshot->port_network[count++] = snapshot->config->ports[i].network;
}

const char *signaling_snapshot_network(const struct signaling_snapshot *snapshot, uint32_t port)
{
	return port < CONFIG_MAX_PORTS ? snapshot->port_network[port] : NULL;
}

struct signaling_snapshot *signaling_snapshot_new(const struct config *config, struct signaling_state *state)
{
	struct signaling_snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (snapshot == NULL)
		return NULL;
	snapshot->serial = ++state->snapshots;
	snapshot->config = config;
	snapshot->parameters = &config->parameters;
	snapshot->state = state;
	snapshot->keep_alive_len = (uint32_t)strlen(config->parameters.nat_keep_alive_message);
	ports_note(snapshot);
	if (entries_make(snapshot) < 0)
		goto fail;
	snapshot->users = users_new(config, state->user_states, state->parties);
	snapshot->routes = route_table_new(snapshot->route_entries, config->routing_gateways_count);
	snapshot->sources = source_table_new(snapshot->source_entries, config->mapping_gateways_count);
	if (snapshot->users == NULL || snapshot->routes == NULL || snapshot->sources == NULL ||
	    parties_link(snapshot) < 0 || registrations_make(snapshot) < 0 || vendors_make(snapshot) < 0)
		goto fail;
	return snapshot;
fail:
	log_error("config", "file=%s: routes, sources and users could not be built from it", config->path);
	signaling_snapshot_free(snapshot);
	return NULL;
}

void signaling_snapshot_apply(const struct signaling_snapshot *snapshot)
{
	const struct config *config = snapshot->config;
	struct parties *parties = snapshot->state->parties;

	for (unsigned int i = 0; i < config->routing_gateways_count; i++) {
		const struct config_routing_gateway *gateway = snapshot->route_entries[i].config;
		struct party *party = party_get(parties, snapshot->route_entries[i].id);

		party_place(party, gateway);
		party_limit(party,
			    &(struct party_limits){gateway->capacity, gateway->calls_per_second, gateway->enabled});
		/* Who reloads may have been told of another one. */
		for (unsigned int realm = 0; realm < VENDOR_REALMS; realm++)
			atomic_store_explicit(&party->vendor->realm[realm], 0, memory_order_relaxed);
	}
	for (unsigned int i = 0; i < config->mapping_gateways_count; i++) {
		const struct config_mapping_gateway *gateway = snapshot->source_entries[i].config;

		party_limit(party_get(parties, snapshot->source_entries[i].id),
			    &(struct party_limits){gateway->capacity, gateway->calls_per_second, gateway->enabled});
	}
	for (unsigned int i = 0; i < users_count(snapshot->users); i++) {
		const struct user *user = users_at(snapshot->users, i);

		if (user->kind == USER_PHONE)
			party_limit(party_get(parties, user->id), &(struct party_limits){user->capacity, 0, true});
	}
}

void signaling_snapshot_free(struct signaling_snapshot *snapshot)
{
	if (snapshot == NULL)
		return;
	source_table_free(snapshot->sources);
	route_table_free(snapshot->routes);
	users_free(snapshot->users);
	free(snapshot->party);
	free(snapshot->route_entries);
	free(snapshot->source_entries);
	free(snapshot->registrations);
	free(snapshot->vendors);
	free(snapshot);
}

/* Order of a sorted entry's name against one that has no terminating zero. */
static int name_order(const char *entry, const char *name, size_t len)
{
	int order = strncmp(entry, name, len);

	return order != 0 ? order : entry[len] != '\0';
}

int signaling_snapshot_gateway(const struct signaling_snapshot *snapshot, enum party_kind kind, const char *name,
			       size_t len, uint32_t *id)
{
	const struct config *config = snapshot->config;
	unsigned int first = 0;
	unsigned int last = kind == PARTY_ROUTING ? config->routing_gateways_count : config->mapping_gateways_count;

	while (first < last) {
		unsigned int middle = first + (last - first) / 2;
		int order;

		if (kind == PARTY_ROUTING) {
			order = name_order(snapshot->route_entries[middle].config->name, name, len);
			*id = snapshot->route_entries[middle].id;
		} else {
			order = name_order(snapshot->source_entries[middle].config->name, name, len);
			*id = snapshot->source_entries[middle].id;
		}
		if (order == 0)
			return 0;
		if (order < 0)
			first = middle + 1;
		else
			last = middle;
	}
	return -ENOENT;
}
