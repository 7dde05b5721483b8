/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "signaling/registrations.h"
#include "signaling/sip/message.h"
#include "signaling/snapshot_signaling.h"

#define URI_MAX 384u

/* ---- housekeeping: what there is ---- */

static const struct net_addr *registrar_of(const struct config_routing_gateway *gateway)
{
	return gateway->registration->registrar.family != NET_NONE ? &gateway->registration->registrar
								   : &gateway->address;
}

static void print_uris(const struct config_routing_gateway *gateway, char aor[static URI_MAX], char uri[static URI_MAX])
{
	const char *domain = gateway->registration->domain;
	char address[NET_ADDR_TEXT];

	if (domain == NULL) {
		struct net_addr addr = *registrar_of(gateway);

		if (addr.port == 5060 && addr.family == NET_IP4)
			addr.port = 0;
		net_addr_print(&addr, address);
		domain = address;
	}
	snprintf(uri, URI_MAX, "sip:%s", domain);
	snprintf(aor, URI_MAX, "sip:%s@%s", gateway->registration->user, domain);
}

static void registration_free(struct registration *registration)
{
	free(registration->name);
	free(registration->aor);
	free(registration->uri);
	free(registration);
}

struct registration *registration_claim(struct registrations *registrations, const struct parties *parties,
					const struct config_routing_gateway *gateway, uint32_t id)
{
	struct registration *r;
	char aor[URI_MAX], uri[URI_MAX];

	print_uris(gateway, aor, uri);
	for (r = registrations->first; r != NULL; r = r->next)
		if (r->id == id && net_addr_equal(&r->registrar, registrar_of(gateway)) && strcmp(r->aor, aor) == 0 &&
		    strcmp(r->contact, gateway->registration->contact) == 0)
			return r;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->id = id;
	r->registrar = *registrar_of(gateway);
	r->name = strdup(gateway->name);
	r->aor = strdup(aor);
	r->uri = strdup(uri);
	if (r->name == NULL || r->aor == NULL || r->uri == NULL) {
		registration_free(r);
		return NULL;
	}
	snprintf(r->contact, sizeof(r->contact), "%s", gateway->registration->contact);
	r->shown = &party_get(parties, id)->slot->registration;
	r->next = registrations->first;
	registrations->first = r;
	return r;
}

void registrations_free(struct registrations *registrations)
{
	while (registrations->first != NULL) {
		struct registration *r = registrations->first;

		registrations->first = r->next;
		registration_free(r);
	}
}

/* ---- calls to our Contacts ---- */

static int contact_order(const struct registration_entry *entry, const char *user, size_t len)
{
	int order = strncmp(entry->registration->contact, user, len);

	return order != 0 ? order : entry->registration->contact[len] != '\0';
}

const struct config_mapping_gateway *registrations_caller(struct engine *engine, struct sip_message *invite,
							  const struct net_addr *remote, uint32_t *id)
{
	const struct signaling_snapshot *snapshot = engine->snapshot;
	unsigned int first = 0, last = snapshot->registration_count;
	const struct sip_uri *uri = last > 0 ? sip_message_uri(invite) : NULL;
	char user[USER_NAME_MAX];
	int len = uri != NULL && uri->user.at != NULL ? sip_unescape(uri->user, user, sizeof(user)) : 0;

	if (len <= 0 || memchr(user, '\0', (size_t)len) != NULL)
		return NULL;
	while (first < last) {
		unsigned int middle = first + (last - first) / 2;

		if (contact_order(&snapshot->registrations[middle], user, (size_t)len) < 0)
			first = middle + 1;
		else
			last = middle;
	}
	for (; first < snapshot->registration_count; first++) {
		const struct registration_entry *entry = &snapshot->registrations[first];

		if (contact_order(entry, user, (size_t)len) != 0)
			return NULL;
		if (entry->caller != NULL && (net_addr_equal_ip(&entry->registration->registrar, remote) ||
					      gateway_is_at(engine, entry->id, remote))) {
			*id = entry->caller_id;
			return entry->caller;
		}
	}
	return NULL;
}
