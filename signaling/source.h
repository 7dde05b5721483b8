/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sends this: a customer's equipment by its address or its digest, a phone by its digest, or a stranger.
 *
 * An address that belongs to a mapping gateway without credentials is let in as that gateway. Everybody else must
 * name a configured user in From (or in the credentials): then the request is challenged and the digest decides.
 * A stranger that names none is refused with 403, or not answered at all when SS_REPLY_UNAUTHORIZED is off.
 */
#ifndef TANDEM_SIGNALING_SOURCE_H
#define TANDEM_SIGNALING_SOURCE_H

#include "signaling/engine.h"

/* The addresses of the mapping gateways: exact ones by hash, networks by their length. */
struct source_table;

struct source_entry {
	const struct config_mapping_gateway *config; /* borrowed */
	uint32_t id;                                 /* party */
};

/* Housekeeping. NULL when out of memory. */
struct source_table *source_table_new(const struct source_entry *entries, unsigned int count);
void source_table_free(struct source_table *table);

/*
 * The gateway that an address belongs to: the most specific prefix wins, and at equal length one that names a port.
 * NULL: none. Any thread.
 */
const struct source_entry *source_table_find(const struct source_table *table, const struct net_addr *remote);

/* The engine's: an INVITE outside a dialog. Digest included. Fills `source` in every case. */
enum source_verdict source_identify(struct engine *engine, const struct sip_flow *flow, struct sip_message *message,
				    struct source *source);

/*
 * SS_REPLY_UNAUTHORIZED is off, and the request is neither from a gateway's address nor names a user of ours: no word
 * to it, not even that it is wrong. Counted. For answers given before, or without, source_identify().
 */
bool source_is_ignored(struct engine *engine, const struct sip_flow *flow, struct sip_message *message);

/*
 * Do requests reach the sender only where this one came from? When the top Via's sent-by is another address, or Contact
 * is a private one that nobody reaches from outside. A host name in either says nothing; a proxy that records its route
 * vouches for what is behind it.
 */
bool source_is_behind_nat(struct sip_message *message, const struct net_addr *remote);

#endif
