/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine without transactions: the registrar's and the sources' code runs in it with a configuration, shared
 * memory and a clock of the test's. Answers land in `answer`, datagrams in `sent`.
 */
#ifndef TANDEM_TESTS_REGISTRAR_FIXTURE_H
#define TANDEM_TESTS_REGISTRAR_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ring.h"
#include "signaling/engine.h"
#include "signaling/registrar.h"
#include "signaling/sip/message.h"
#include "signaling/snapshot_signaling.h"

/* The configuration's strings are its own to free, so not const; the tests' are. */
#define WORDS(literal) ((char *)(literal))

#define FIXTURE_SLOTS 64
#define FIXTURE_RING  65536

struct answer {
	int count;
	bool ignored;
	unsigned int code;
	char headers[8192];
};
extern struct answer answer;

struct sent {
	int count;
	struct sip_flow flow;
	char data[600];
	uint32_t len;
};
extern struct sent sent;

struct fixture {
	struct config config;
	struct config_phone phones[3];
	struct config_mapping_gateway mapping[4];
	struct net_prefix prefixes[8];
	struct config_digest digest, digest_bound;
	struct config_port port;
	struct signaling_state state;
	struct signaling_snapshot *snapshot;
	struct binding_record *records; /* "shared memory": stays over restarts */
	struct binding_store *store;
	struct timer *timers;
	struct ring *ring;
	struct ring_producer to_keepalive;
	struct ring_consumer keepalive;
	struct counter_row counters;
	struct engine engine;
	struct sip_message message;
};

void fixture_init(struct fixture *f);
void fixture_fini(struct fixture *f);
/* As after a kill -9: everything private is lost, shared memory is what it was. */
void fixture_restart(struct fixture *f);
/* Time passes, timers fire. */
void fixture_sleep(struct fixture *f, uint64_t seconds);
uint64_t fixture_count(const struct fixture *f, enum counter_id id);
void address(struct net_addr *out, const char *text);
/* ask() with the flow of 192.0.2.77:5060. */
extern struct sip_flow home;

struct request {
	const char *method; /* REGISTER */
	const char *user;   /* of From and To: alice */
	const char *from_host;
	const char *via;     /* sent-by: 192.0.2.77:5060 */
	const char *contact; /* header value(s); NULL = none */
	const char *extra;   /* whole header lines */
	const char *call_id;
	unsigned int cseq;
	const char *credentials; /* of Authorization, written by fixture_credentials(); NULL = none */
};

/* Parse the request into the fixture's message. */
void fixture_request(struct fixture *f, const struct request *request);
/* A REGISTER as it comes from `flow`; the answer is in `answer`. */
void fixture_register(struct fixture *f, const struct sip_flow *flow, const struct request *request);
/* Challenge and answer: the whole of it, with the password. Leaves the final answer in `answer`. */
void fixture_login(struct fixture *f, const struct sip_flow *flow, const struct request *request, const char *password);
/* The credentials that answer the last challenge; `algorithm` "MD5" or "SHA-256". */
const char *fixture_credentials(struct fixture *f, const char *headers, const char *algorithm, const char *user,
				const char *password, const char *method, unsigned int nc);

#endif
