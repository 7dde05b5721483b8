/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call as both its ends know it: the caller's dialog with the switch and the callee's, side by side, so that what the
 * two were told can be compared. All are preallocated; a slot rests for a while after its call's end.
 */
#ifndef TANDEM_GENERATOR_CALL_H
#define TANDEM_GENERATOR_CALL_H

#include "common/addr.h"
#include "common/timer_wheel.h"
#include "scenario.h"
#include "sip_view.h"

struct datagram;
struct generator;
struct phase;

enum caller_state {
	CALLER_IDLE,
	CALLER_CALLING,    /* INVITE sent, nothing heard */
	CALLER_PROCEEDING, /* 1xx heard */
	CALLER_CANCELLING, /* CANCEL sent, no 200 for it yet */
	CALLER_CANCELLED,  /* CANCEL answered, no final response yet */
	CALLER_UP,
	CALLER_BYE, /* sent, no answer yet */
	CALLER_DONE
};

enum callee_state {
	CALLEE_IDLE,
	CALLEE_ASKED,    /* INVITE heard */
	CALLEE_ANSWERED, /* 200 sent, no ACK yet */
	CALLEE_UP,
	CALLEE_REFUSED, /* error sent, no ACK yet */
	CALLEE_BYE,     /* sent, no answer yet */
	CALLEE_DONE     /* also: refused and acknowledged */
};

enum call_flag {
	CALL_IN_USE = 1 << 0,
	CALL_JUDGED = 1 << 1,
	CALL_STANDING = 1 << 2,
	CALL_RESENT = 1 << 3, /* something was sent or came again */
	CALL_FINAL = 1 << 4,  /* the caller has its final response */
	CALL_TIMED_OUT = 1 << 5,
	CALL_SHED = 1 << 6,       /* 503 with Retry-After */
	CALL_AUTHORIZED = 1 << 7, /* credentials have been sent */
	CALL_SDP_SWAPPED = 1 << 8,
	CALL_MEDIA_WRONG = 1 << 9,
	CALL_ANSWERED = 1 << 10,    /* a vendor has sent 200 */
	CALL_ACK_MISSING = 1 << 11, /* a final response of a vendor's has not been acknowledged */
	CALL_CANCEL_SENT = 1 << 12,
	CALL_CALLER_BYE = 1 << 13, /* the caller has heard a BYE */
	CALL_CALLEE_BYE = 1 << 14, /* the callee has heard a BYE */
	CALL_CANCEL_HEARD = 1 << 15,
	CALL_TRYING_HEARD = 1 << 16,
	CALL_RINGING_HEARD = 1 << 17,
	CALL_HAS_RTP = 1 << 18,
	CALL_CALLEE_HANGS_UP = 1 << 19,
	CALL_WAS_UP = 1 << 20,
	CALL_UNSENT = 1 << 21 /* a message of it may not have left: the ring to the switch was full */
};

#define CALLER_TEXT 640
#define CALLEE_TEXT 1024

/* A piece of a call's text. */
struct piece {
	uint16_t at, len;
};

struct call {
	uint32_t slot, serial, flags;
	uint16_t code;  /* the caller's final response; 0: none */
	uint16_t phase; /* index */
	uint8_t flow, caller, callee, attempts;
	uint8_t resends, callee_resends;
	char kind;            /* of the INVITE's branch: '1', or '2' with credentials */
	uint8_t callee_port;  /* which of our ports */
	uint16_t callee_code; /* of the last response to INVITE: what a repetition gets */
	uint16_t vendor;      /* the callee's number */
	uint64_t due_ns, asked_ns, answered_ns, bye_ns;
	struct timer caller_timer, callee_timer;
	uint64_t seed; /* of the dialled number */
	uint32_t next_free;
	uint32_t callee_cseq;
	uint64_t callee_call_id_hash;
	struct net_addr callee_local, callee_peer;
	struct piece to, target, route;                         /* in caller_text; route: whole lines */
	struct piece credentials;                               /* there as long as no answer is: a whole line */
	struct piece head, from, own, call_id, routes, contact; /* in callee_text; head: what every response repeats */
	char caller_text[CALLER_TEXT];
	char callee_text[CALLEE_TEXT];
};

struct call_pool {
	struct call *call;
	uint32_t size, used, first_free, last_free;
};

/* ---- call.c -------------------------------------------------------------------------------------------------- */

int calls_init(struct call_pool *pool, uint32_t size);
void calls_fini(struct call_pool *pool);
/* NULL: all are in use. */
struct call *call_take(struct generator *g);
/* The call in use under this identity; NULL: none (any more). */
struct call *call_find(struct call_pool *pool, const struct identity *id);
/* Something ended on either side: judge the call if that was the last of it, or wait for the rest. */
void call_check_end(struct generator *g, struct call *call);
void call_resent(struct generator *g, struct call *call);
struct phase *call_phase(struct generator *g, const struct call *call);

/* ---- caller.c ------------------------------------------------------------------------------------------------ */

/* An OPTIONS to see whether the switch is there; its answer has this identity. */
#define PROBE_KIND 'o'
#define PROBE_SLOT UINT32_MAX
void caller_probe(struct generator *g);
/* Place a call that was due at due_ns. */
void caller_place(struct generator *g, uint64_t due_ns, bool standing);
void caller_response(struct generator *g, struct call *call, const struct sip_view *view, const struct identity *id);
/* Takes what came to the customer's address; `call` NULL: none that is known. */
void caller_request(struct generator *g, struct call *call, const struct sip_view *view, const struct datagram *d);
void caller_hang_up(struct generator *g, struct call *call);

/* ---- callee.c ------------------------------------------------------------------------------------------------ */

void callee_request(struct generator *g, struct call *call, const struct sip_view *view, const struct datagram *d,
		    unsigned int port);
void callee_response(struct generator *g, struct call *call, const struct sip_view *view);
void callee_hang_up(struct generator *g, struct call *call);

#endif
