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

enum source_verdict {
	SOURCE_ADMIT,     /* known; gateway_admit() still has to agree */
	SOURCE_CHALLENGE, /* answer 407 with struct source's challenge */
	SOURCE_REFUSE,    /* answer source.code, record source.reason */
	SOURCE_IGNORE,    /* no answer at all, no record */
};

enum source_kind { SOURCE_UNKNOWN, SOURCE_GATEWAY, SOURCE_PHONE };

struct source {
	enum source_kind kind;
	uint32_t gateway;                            /* id for gateway_admit(); of a phone: its own admission id */
	const struct config_mapping_gateway *config; /* NULL for a phone; valid until the next quiescent point */
	const char *name;                            /* gateway's name or phone's user; same life */
	uint32_t name_len;
	const char *network;    /* of the port it came in on; the gateway's, if known by its address */
	bool behind_nat;        /* source_is_behind_nat() */
	unsigned int code;      /* SOURCE_REFUSE: the answer */
	enum end_reason reason; /* SOURCE_REFUSE */
	bool called_in_to;      /* the Request-URI is our Contact at a vendor: the number called stands in To */
	char challenge[768];    /* SOURCE_CHALLENGE: whole header lines, "Proxy-Authenticate: ...\r\n" */
};

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
