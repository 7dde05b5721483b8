/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole engine with shared memory, rings and a clock of the test's: customers and vendors are texts, time moves
 * when the test says so, and "kill -9" is a new engine on the same memory.
 */
#ifndef TANDEM_TESTS_SIGNALING_LAB_H
#define TANDEM_TESTS_SIGNALING_LAB_H

#include <stdbool.h>
#include <stdint.h>

#include "common/layout/call_record.h"
#include "proto/messages.pb-c.h"
#include "signaling/engine.h"
#include "signaling/registrar.h"
#include "signaling/sip/message.h"
#include "signaling/snapshot_signaling.h"

#define LAB_CALLS    32
#define LAB_SENT     4096
#define LAB_CDRS     256
#define LAB_GATEWAYS 4
#define LAB_RING     65536u
#define LAB_CDR_RING 262144u

#define CUSTOMER  "10.1.0.5:5060"
#define LAB_PORTS 100 /* pairs of RTP ports */

struct lab_sent {
	struct sip_flow flow;
	uint32_t len;
	bool taken;
	char *data;
};

struct lab_cdr {
	uint8_t id[16];
	uint32_t attempt, code, cause, reason, direction, pdd_ms;
	bool final;
	int64_t setup_us, progress_us, answer_us, end_us;
	uint64_t duration_us, packets;
	bool has_media;
	uint32_t media_mode;
	char gateway[64], callee_out[64];
	char call_id[64]; /* the caller's */
};

struct lab {
	struct status *status;
	struct segment *gateways; /* "gateways"; the test's own; NULL: none */
	struct counter_row *counters;
	void *calls; /* the segment's content */
	size_t calls_size;
	struct ring *media_ring, *cdr_ring;
	struct binding_record *bindings;
	uint32_t transactions; /* for how many the engine has room; 0 = by the calls */
	/* lab_renew() leaves all of the above where it is */
	struct config config;
	struct config_port ports[2];
	struct net_prefix addresses[4];
	struct config_mapping_gateway mapping;
	struct net_prefix mapping_address;
	struct config_routing_gateway routing[LAB_GATEWAYS];
	char *any_prefix[1];
	struct ring_producer to_media, to_cdr;
	struct ring_consumer media, cdr;
	struct signaling_state state;
	struct signaling_snapshot *snapshot;
	struct binding_store *store;
	struct timer *binding_timers;
	struct registrar *registrar;
	struct engine *engine;
	unsigned int worker, workers; /* which of how many we are, from the next (re)start on */
	uint64_t now_us;
	bool media_dead;  /* MediaClose is never answered */
	bool media_stops; /* nobody empties its ring */
	bool media_mute;  /* it is, but no packet was heard */
	bool cdrs_stay;   /* nobody empties the CDR ring */
	uint32_t media_opens, media_updates, media_closes;
	uint32_t last_session; /* of the latest MediaOpen */
	uint64_t last_id;
	/* what media carries, as far as LAB_CALLS go: the session's id, 0 = none, and our ports */
	struct lab_session {
		uint64_t id;
		uint16_t ports[CALL_SIDES];
	} sessions[LAB_CALLS];
	unsigned int clashes;              /* sessions opened over others, or with ports of others: must stay 0 */
	uint16_t caller_port, callee_port; /* ours, of the latest */
	bool caller_udptl, callee_udptl;   /* so, too */
	bool encrypted[CALL_SIDES];
	uint32_t direction[CALL_SIDES], clock_rate[CALL_SIDES];
	uint8_t *received;        /* the datagram being handled */
	unsigned int branches;    /* of the peers' requests so far */
	const char *content_type; /* of the bodies that the peers send; NULL = application/sdp */
	unsigned int sent_count, cdr_count, parsed_next;
	const char *extra;               /* header lines of the peers' requests in dialogs; NULL = none */
	void (*moment)(struct lab *lab); /* called at every datagram sent */
	void (*heard)(struct lab *lab, const char *from, const char *data, size_t len); /* and received, before it is */
	/* from here on as far as the counts say */
	struct lab_sent sent[LAB_SENT];
	struct lab_cdr cdrs[LAB_CDRS];
	struct sip_message parsed[8]; /* what lab_take() returned, round and round */
};

struct lab *lab_new(void);
struct lab *lab_new_for(uint32_t calls); /* for benchmarks: more than LAB_CALLS */
/* With room for so many transactions (0 = by the calls), and memory of the gateways' (the test's own, or NULL). */
struct lab *lab_new_with(uint32_t calls, uint32_t transactions, struct segment *gateways);
/* As it was when it was new, the engine too; but the memory is the same. */
void lab_renew(struct lab *lab);
void lab_free(struct lab *lab);
void lab_reload(struct lab *lab);  /* what the test changed in config is in force */
void lab_kill(struct lab *lab);    /* as after a kill -9, and before the new life has looked at anything... */
void lab_restart(struct lab *lab); /* ...but at some of what it found */
void lab_sleep(struct lab *lab, uint64_t ms);
void lab_drain(struct lab *lab); /* media and the CDR writer do their work */
void lab_receive(struct lab *lab, const char *from, const char *data, size_t len);
void lab_text(struct lab *lab, const char *from, const char *format, ...) __attribute__((format(printf, 3, 4)));
/*
 * The next message to this address that has not been taken, parsed; its start line must begin with `start`
 * ("INVITE ", "SIP/2.0 180"). NULL and a failed check otherwise. Valid till eight more were taken.
 */
struct sip_message *lab_take(struct lab *lab, const char *to, const char *start);
unsigned int lab_waiting(const struct lab *lab, const char *to); /* messages not taken; to NULL = to anybody */
void lab_skip(struct lab *lab, const char *to);
uint64_t lab_count(const struct lab *lab, enum counter_id id);
/* Everybody has gone: a minute later nothing may stand. */
void lab_check_empty(struct lab *lab);
unsigned int lab_standing(const struct lab *lab);       /* records that are not free */
unsigned int lab_sessions(const struct lab *lab);       /* that stand at media */
const struct lab_cdr *lab_final(const struct lab *lab); /* the only final record so far; NULL and a failed check */
bool has(struct sip_message *m, const char *what);      /* m may be NULL: false */
/* Whatever still comes, comes: then nothing may be left, and the only final record says so. */
void lab_over(struct lab *lab, enum end_reason reason, enum end_direction direction, unsigned int code);

/* ---- scripts ---- */

extern const char lab_sdp[];
/* An INVITE of the customer's, Call-ID call<n>; sdp NULL = none; extra: header lines or "". */
void lab_invite(struct lab *lab, unsigned int n, const char *number, const char *sdp, const char *extra);
void lab_cancel(struct lab *lab, unsigned int n, const char *number);
/* The vendor answers a request of ours. tag "" = none. */
void lab_reply(struct lab *lab, struct sip_message *request, const char *vendor, unsigned int code, const char *tag,
	       const char *sdp, const char *extra);
/* The customer's request in the dialog of `answer` (a 200 it got). */
void lab_caller_request(struct lab *lab, struct sip_message *answer, const char *method, unsigned int cseq,
			const char *sdp);
/* The customer acknowledges a reliable provisional response (RFC 3262). */
void lab_prack(struct lab *lab, struct sip_message *provisional, unsigned int cseq, const char *sdp);
/* The vendor's, in the dialog of `invite` (which it got) under its own tag. */
void lab_callee_request(struct lab *lab, struct sip_message *invite, const char *vendor, const char *tag,
			const char *method, unsigned int cseq, const char *sdp);
/* The first vendor gets credentials of ours, from now on; it asks for them (407), and we acknowledge. */
void lab_give_credentials(struct lab *lab);
void lab_challenge(struct lab *lab, struct sip_message *invite, const char *nonce);
/* The ACK to a failure, within its transaction. */
void lab_ack_failure(struct lab *lab, const char *from, struct sip_message *response);
/* An established call over the first vendor; *answer: the 200 the customer got, *invite: what the vendor got. */
bool lab_call(struct lab *lab, unsigned int n, struct sip_message *answer, struct sip_message *invite);
#define VENDOR(n) ((const char *const[]){"10.2.0.1:5060", "10.2.0.2:5060", "10.2.0.3:5060", "10.2.0.4:5060"}[n])

#endif
