/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/local_headers.h"

#include <string.h>

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
