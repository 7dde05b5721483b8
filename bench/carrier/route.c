/* SPDX-License-Identifier: Apache-2.0 */
/* Where a dialog's own requests go: the remote target and the route set (RFC 3261, 12.1 and 12.2.1.1). */
#include <stdio.h>
#include <string.h>

#include "carrier.h"

#define MAX_ROUTES 8

static bool is_loose(const char *route)
{
	const char *at = strchr(route, '<'), *end = at ? strchr(at, '>') : NULL;

	for (at = at ? strchr(at, ';') : NULL; at && at < end; at = strchr(at + 1, ';'))
		if (strncmp(at, ";lr", 3) == 0 && strchr(";=>", at[3]))
			return true;
	return false;
}

/* A hop whose name is no address, or of the other family, leaves the side where it was: it may be behind a proxy. */
static void set_next_hop(struct side *side, const char *uri)
{
	union endpoint hop;
	char host[TEXT_MAX];
	const char *at = strncmp(uri, "sip:", 4) == 0 ? uri + 4 : uri, *user = strchr(at, '@');
	size_t n;

	at = user ? user + 1 : at;
	n = strcspn(at, ";?>");
	if (n + 6 > sizeof(host))
		return;
	memcpy(host, at, n);
	host[n] = 0;
	if (!strchr(host[0] == '[' ? strchr(host, ']') ?: "" : host, ':'))
		strcat(host, ":5060");
	if (endpoint_parse(&hop, host) == 0 && hop.sa.sa_family == side->next_hop.sa.sa_family)
		side->next_hop = hop;
}

void route_learn(struct side *side, const char *text, size_t len, bool caller)
{
	char routes[MAX_ROUTES][TEXT_MAX], contact[TEXT_MAX], first[TEXT_MAX], strict[TEXT_MAX + 2];
	int count = text_values(text, len, "Record-Route", NULL, routes, MAX_ROUTES), from = 0;
	size_t used = 0;

	text_header(text, len, "Contact", "m", contact, sizeof(contact));
	if (!text_uri(contact, side->target, TEXT_MAX))
		side->target[0] = 0;
	side->route[0] = 0;
	if (count == 0) {
		set_next_hop(side, side->target);
		return;
	}
	/* The caller sees the proxies in the opposite order. */
	for (int i = 0; caller && i < count / 2; i++) {
		memcpy(first, routes[i], TEXT_MAX);
		memcpy(routes[i], routes[count - 1 - i], TEXT_MAX);
		memcpy(routes[count - 1 - i], first, TEXT_MAX);
	}
	if (!text_uri(routes[0], first, TEXT_MAX))
		return;
	set_next_hop(side, first);
	*strict = 0;
	if (!is_loose(routes[0])) { /* a strict router takes the place of the target, which goes to the end */
		snprintf(strict, sizeof(strict), "<%s>", side->target);
		memcpy(side->target, first, TEXT_MAX);
		from = 1;
	}
	for (int i = from; i < count + (*strict != 0); i++)
		used += (size_t)snprintf(side->route + used, used < ROUTE_MAX ? ROUTE_MAX - used : 0, "Route: %s\r\n",
					 i < count ? routes[i] : strict);
}
