/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/local_headers.h"

#include <string.h>

#include "signaling/snapshot_signaling.h"

static unsigned int make(struct local_headers *local, const struct net_addr *ours)
{
	unsigned int i = local->next++ % LOCAL_HEADERS_ADDRESSES;
	struct sip_builder b;

	local->address[i].addr = *ours;
	local->address[i].host_len = (uint8_t)net_addr_print(ours, local->address[i].host);
	sip_build_init(&b, local->address[i].via, sizeof(local->address[i].via));
	sip_build_via(&b, ours, SIP_TEXT(""));
	local->address[i].via_len = (uint8_t)(b.len - 2); /* the branch goes before the line's end */
	sip_build_init(&b, local->address[i].contact, sizeof(local->address[i].contact));
	sip_build_contact(&b, SIP_TEXT(""), ours);
	local->address[i].contact_len = (uint8_t)b.len;
	return i;
}

static unsigned int find(struct local_headers *local, const struct net_addr *ours)
{
	for (unsigned int i = 0; i < LOCAL_HEADERS_ADDRESSES; i++)
		if (local->address[i].via_len && memcmp(&local->address[i].addr, ours, sizeof(*ours)) == 0)
			return i;
	return make(local, ours);
}

void local_headers_via(struct engine *engine, struct sip_builder *b, const struct net_addr *ours,
		       struct sip_text branch)
{
	struct local_headers *local = engine->local_headers;
	unsigned int i = find(local, ours);

	local_headers_put(b, sip_text(local->address[i].via, local->address[i].via_len));
	local_headers_put(b, branch);
	local_headers_put(b, SIP_TEXT("\r\n"));
}

void local_headers_contact(struct engine *engine, struct sip_builder *b, const struct net_addr *ours)
{
	struct local_headers *local = engine->local_headers;
	unsigned int i = find(local, ours);

	local_headers_put(b, sip_text(local->address[i].contact, local->address[i].contact_len));
}

struct sip_text local_headers_host(struct engine *engine, const struct net_addr *ours)
{
	struct local_headers *local = engine->local_headers;
	unsigned int i = find(local, ours);

	return sip_text(local->address[i].host, local->address[i].host_len);
}

#define VIA_NAME 5u /* "Via: " */

/* As we wrote it, byte for byte: nobody has a reason to write it otherwise. */
static bool is_as_written(const struct local_headers *local, unsigned int i, struct sip_text via)
{
	uint32_t len = local->address[i].via_len - (uint32_t)sizeof(";rport;branch=") + 1 - VIA_NAME;

	return via.len > len && memcmp(via.at, local->address[i].via + VIA_NAME, len) == 0 &&
	       (via.at[len] < '0' || via.at[len] > '9');
}

bool local_headers_sent_by(struct engine *engine, const struct sip_via *via, const struct net_addr *ours)
{
	const struct config *config = engine->snapshot->config;
	struct net_addr sent_by;

	if (is_as_written(engine->local_headers, find(engine->local_headers, ours), via->text))
		return true;
	if (net_addr_parse(&sent_by, via->host.at, via->host.len) < 0)
		return false;
	sent_by.port = via->port ? via->port : 5060;
	for (unsigned int i = 0; i < config->ports_count; i++)
		for (unsigned int k = 0; k < config->ports[i].addresses_count; k++)
			if (config->ports[i].process == ROLE_SIGNALING && sent_by.port == config->ports[i].sip_port &&
			    net_addr_equal_ip(&config->ports[i].addresses[k].addr, &sent_by))
				return true;
	return false;
}
