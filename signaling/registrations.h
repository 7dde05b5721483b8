/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our registrations at vendors: which there are, and which calls are theirs. What is done with them: register_client.h.
 */
#ifndef TANDEM_SIGNALING_REGISTRATIONS_H
#define TANDEM_SIGNALING_REGISTRATIONS_H

#include "common/layout/gateway_status.h"
#include "signaling/engine.h"
#include "signaling/users.h"

struct parties;

#define REGISTRATION_NETWORK_MAX 64u

/* One at a vendor. */
struct registration {
	struct registration *next; /* of all */

	/* What it is: never changes. */
	uint32_t id; /* party */
	struct net_addr registrar;
	char *name;      /* the gateway's */
	char *aor, *uri; /* sip:user@domain, sip:domain */
	char contact[USER_NAME_MAX + 1];
	struct gateway_registration *shown; /* for operators: in the gateways segment */

	/* Its worker's. */
	struct registration *next_active;
	uint64_t serial; /* of the last snapshot that had it */
	bool active, ending;
	struct engine *engine;
	struct timer timer;
	struct transaction *transaction; /* under way; NULL: none */
	_Atomic uint64_t *realm;         /* the vendor's, of registrations */
	/* Copies: a registration that has lost its configuration is still to be taken back. */
	struct config_credentials credentials;
	char user[USER_NAME_MAX + 1], password[129], realm_text[129], network[REGISTRATION_NETWORK_MAX + 1];
	bool has_credentials;
	uint32_t expires_s, retry_s; /* as configured */
	uint32_t asked_s;            /* of this attempt: longer after a 423 */
	uint32_t cseq;
	uint8_t challenged; /* credentials sent in this attempt */
	uint64_t expires_us;
	uint32_t failures;
	char call_id[32], tag[16];
};

/* The process's: never shrinks, its members never move. */
struct registrations {
	struct registration *first;
};

/* Of a snapshot, sorted by the user of our Contact. */
struct registration_entry {
	const struct config_routing_gateway *gateway;
	struct registration *registration;
	uint32_t id;                                 /* party */
	const struct config_mapping_gateway *caller; /* whose the calls are that come to our Contact; NULL: nobody's */
	uint32_t caller_id;
};

/*
 * Housekeeping: the registration of this gateway with just this address-of-record, registrar and Contact, made if need
 * be: another one of these is another registration. NULL when out of memory.
 */
struct registration *registration_claim(struct registrations *registrations, const struct parties *parties,
					const struct config_routing_gateway *gateway, uint32_t id);
void registrations_free(struct registrations *registrations);

/*
 * A call to our Contact at a vendor: the mapping gateway whose it is, and its id. NULL: the Request-URI's user is none
 * of our Contacts, or the call does not come from the vendor.
 */
const struct config_mapping_gateway *registrations_caller(struct engine *engine, struct sip_message *invite,
							  const struct net_addr *remote, uint32_t *id);

#endif
