/* SPDX-License-Identifier: Apache-2.0 */
/* The headers that say where we are, written once for each of our addresses: nearly every message of ours has them. */
#ifndef TANDEM_SIGNALING_LOCAL_HEADERS_H
#define TANDEM_SIGNALING_LOCAL_HEADERS_H

#include "signaling/engine.h"
#include "signaling/sip/build.h"

#define LOCAL_HEADERS_ADDRESSES 8u

struct local_headers {
	struct {
		struct net_addr addr;
		uint8_t via_len, contact_len, host_len;
		char via[104], contact[80], host[NET_ADDR_TEXT];
	} address[LOCAL_HEADERS_ADDRESSES]; /* those used last */
	unsigned int next;
};

/* The Via of a request; `branch` is our own. */
void local_headers_via(struct engine *engine, struct sip_builder *b, const struct net_addr *ours,
		       struct sip_text branch);
void local_headers_contact(struct engine *engine, struct sip_builder *b, const struct net_addr *ours);
/* ip:port; valid till the next call of any of these. */
struct sip_text local_headers_host(struct engine *engine, const struct net_addr *ours);
/*
 * Is the sent-by of this Via one that we write (RFC 3261 section 18.1.2)? `ours`: the address that the response came
 * to, which it nearly always is; else any other of the SIP ports'.
 */
bool local_headers_sent_by(struct engine *engine, const struct sip_via *via, const struct net_addr *ours);

/* Text that is known to be whole header lines, or a piece of one: copied as it is. */
static inline void local_headers_put(struct sip_builder *b, struct sip_text text)
{
	if (b->overflow || text.len > b->size - b->len) {
		b->overflow = true;
		return;
	}
	memcpy(b->data + b->len, text.at, text.len);
	b->len += text.len;
}

#endif
