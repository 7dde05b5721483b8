/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIP transactions over UDP: RFC 3261 section 17 with RFC 6026 (Accepted), RFC 4320 and RFC 3581.
 *
 * A transaction owns the message it may have to send again and, on the server side, a copy of the request it has
 * to answer later. Everything comes from pools of the worker. Its user (a call) is told of responses and of
 * failure through struct transaction_user; a transaction whose user has gone carries on alone until its end.
 *
 * As soon as nothing is to be sent again that could not be made anew, a tombstone (tombstones.h) takes its place: so
 * the transactions that stand are those of calls being set up, which all fit into the cache.
 */
#ifndef TANDEM_SIGNALING_TRANSACTION_H
#define TANDEM_SIGNALING_TRANSACTION_H

#include "signaling/engine.h"
#include "signaling/identifier.h"
#include "signaling/message_pool.h"
#include "signaling/sip/build.h"
#include "signaling/sip/message.h"
#include "signaling/tombstones.h"

enum transaction_kind { SERVER_INVITE, SERVER_OTHER, CLIENT_INVITE, CLIENT_OTHER };

enum transaction_state {
	TRANSACTION_FREE,
	TRANSACTION_HELD,       /* an earlier life's, perhaps: not to be given away yet */
	TRANSACTION_TRYING,     /* client: Calling / Trying; server: no response yet */
	TRANSACTION_PROCEEDING, /* a provisional response has passed */
	TRANSACTION_COMPLETED,  /* a final response (other than 2xx to INVITE) has passed */
	TRANSACTION_CONFIRMED,  /* server INVITE: its ACK came */
	TRANSACTION_ACCEPTED,   /* INVITE: a 2xx has passed */
};

struct call;
struct transaction;

struct transaction_user {
	/* client: a provisional or the final response; for INVITE every 2xx that is not a resend. */
	void (*response)(struct engine *engine, struct transaction *transaction, struct sip_message *response);
	/* client: no final response in time; server INVITE: no ACK to our 2xx. The transaction ends after it. */
	void (*failed)(struct engine *engine, struct transaction *transaction);
	/* server INVITE: no PRACK to our reliable provisional response in time. The transaction stands. */
	void (*unacknowledged)(struct engine *engine, struct transaction *transaction);
};

struct transaction_link {
	struct transaction *next;
	struct transaction **from;
};

/* By line: finding and moving on; where to and whose; the timers; what is rarer. */
struct transaction {
	_Alignas(64) struct text_hash key; /* server */
	struct transaction_link by_key;    /* server: chain of its hash; next also threads the free list */
	uint64_t serial;                   /* client: in its branch; only we can tell it */
	uint32_t index;
	uint8_t kind, state, method, resends;
	bool lingering;
	bool ended;                     /* on the list `ended`: a tombstone is about to take its place */
	bool cancelled;                 /* client INVITE: CANCEL is to follow the first provisional, or has been sent */
	bool cancel_sent;               /* once: whoever ignores it is not asked again at each of his provisionals */
	bool behind_nat;                /* client INVITE: its ACK and BYE go to the flow, not to what Contact says */
	uint8_t owner_side;             /* the user's: which side of the call */
	uint8_t tombstone;              /* ended: enum tombstone_kind */
	bool spare : 1;                 /* BYE to an answer beyond the first of its INVITE */
	uint8_t schedule : 3;           /* by which it is sent again: of transactions.schedules */
	bool in_dialog : 1;             /* client INVITE: a late 2xx to it has begun no dialog that had to be ended */
	bool passed : 1;                /* client: it counts among those that a call awaits an answer to */
	struct message_buffer *message; /* what we send again */

	struct sip_flow flow; /* where what we send goes */
	uint32_t value; /* ended: the tombstone's; client INVITE, Accepted: hash of the acknowledged dialog's To tag; of
			 * other requests the user's */
	const struct transaction_user *user;
	void *owner; /* the user's */

	struct timer resend, end;

	struct message_buffer *request;   /* server: the request, as long as it is to be answered */
	struct transaction_link linger;   /* oldest first, of those that may be given up; or the list `ended` */
	struct transaction_link by_merge; /* server INVITE outside a dialog: RFC 3261 section 8.2.2.2 */
	union {
		struct text_hash merge_key; /* of that */
		struct { /* client */
			uint32_t vendor; /* whose credentials a late BYE may have: gateway + 1; 0 = nobody's */
			uint32_t passed_slot, passed_life; /* of `passed`: which call's */
		};
	};
	struct transaction *cancel; /* client INVITE: its CANCEL's transaction */
	struct transaction *invite; /* and back */
	struct transaction *peer;   /* of a request passed on: the transaction on the other side of the call */
	uint16_t cancel_cause, cancel_sip_code; /* for the Reason of a CANCEL that has to wait; code 0 = without */
};
static_assert(sizeof(struct transaction) == 5 * 64, "every line of it is counted");

/* Of a configuration; one that comes later is for what is sent later. */
struct resend_schedule {
	uint64_t serial; /* of the snapshot; 0 = free */
	uint32_t count;  /* resends */
	uint32_t wait_ms[RESEND_MAX];
};

#define TRANSACTION_SCHEDULES 8u /* of so many configurations in a row */

struct transactions {
	struct resend_schedule schedules[TRANSACTION_SCHEDULES];
	struct transaction *pool;
	uint32_t count, used, standing;
	uint32_t spares; /* that stand */
	uint32_t passed; /* likewise */
	uint32_t held;   /* at recovery: those before it are given to nobody but whom they belonged to */
	struct transaction *free;
	struct transaction **by_key, **by_merge;
	uint32_t mask;
	struct transaction *linger_first, **linger_last;
	struct transaction *ended; /* to be buried when the event that ended them has been dealt with */
	struct tombstones tombstones;
	struct text_hash_key hash;
	struct message_pool messages;
	struct sip_message *kept;        /* for reading a kept message again */
	struct text_hash key, merge_key; /* of the request that was looked for last: it is the one that is new */
	bool merged;                     /* which it is not quite: it came before by another way */
	uint64_t serial;
};

/* By which way a request came, in a tombstone. */
static inline uint32_t transaction_way(struct text_hash key)
{
	return key.b & TOMBSTONE_VALUE;
}

/* Where the tombstone of a client transaction lies. */
static inline struct text_hash transaction_client_key(uint64_t serial, uint32_t index)
{
	return (struct text_hash){serial, index};
}

/* 0 or -ENOMEM. */
int transactions_init(struct engine *engine, uint32_t count);
void transactions_fini(struct engine *engine);

/* ---- server (transaction_server.c) ---- */

/*
 * A request arrived, which may still turn out to be malformed: make the keys that the functions below look for it by,
 * and send for the memory where it is looked for. The keys are those of the last request this was called for.
 */
void transaction_send_for(struct engine *engine, struct sip_message *request);
/*
 * Find its transaction. True when it has been dealt with (a resend, an ACK to a non-2xx).
 * False: *found is the INVITE transaction a CANCEL is for, or NULL.
 */
bool transaction_receive_request(struct engine *engine, const struct sip_flow *flow, struct sip_message *request,
				 struct transaction **found);
/*
 * Does one stand for the INVITE with this top Via (branch of RFC 3261), which is outside a dialog? Its key in either
 * case. One that has ended is not known by its Via: its client has long had its answer, and heeds no other.
 */
bool transaction_stands(const struct engine *engine, const struct sip_via *via, struct text_hash *key);
/*
 * A new server transaction for the request that has just been looked for (an INVITE outside a dialog: in both ways), in
 * no state to be sent anything yet. NULL: no room (counted).
 */
struct transaction *transaction_server_new(struct engine *engine, const struct sip_flow *flow,
					   struct sip_message *request);
/* True when this INVITE, which has just been looked for, came before by another way (482). */
bool transaction_is_merged(const struct engine *engine);
/* Keep a copy of the request, to be answered after this datagram is gone. 0 or -ENOBUFS. */
int transaction_keep_request(struct engine *engine, struct transaction *transaction, const struct sip_message *request);
/* The kept request, parsed again; valid until the next call of this or of a function that sends. NULL: none. */
struct sip_message *transaction_request(struct engine *engine, struct transaction *transaction);
/*
 * Send a response that was built by the user: kept for resends, and the state moves on by its code. A 2xx to
 * INVITE is sent again until transaction_acked().
 */
int transaction_send_response(struct engine *engine, struct transaction *transaction, unsigned int code,
			      const void *data, uint32_t len);
/* A provisional response to INVITE that is sent again until transaction_reliable_acked() (RFC 3262 section 3). */
int transaction_send_reliable(struct engine *engine, struct transaction *transaction, unsigned int code,
			      const void *data, uint32_t len);
/* Its PRACK has come. */
void transaction_reliable_acked(struct engine *engine, struct transaction *transaction);
/* The ACK to our 2xx has come. */
void transaction_acked(struct engine *engine, struct transaction *transaction);
/* After a restart: a server INVITE transaction as an earlier life had it; by the top Via's text and the INVITE's
 * others. */
struct transaction *transaction_server_restore(struct engine *engine, const struct sip_flow *flow, struct sip_text via,
					       struct sip_text call_id, struct sip_text from_tag, uint32_t cseq);

/* More headers for a response, each "Name: value\r\n", and the To tag the response gets when it has none. */
struct response_extra {
	const char *headers;
	uint32_t headers_len;
};

extern const struct response_extra response_later; /* Retry-After: the request may be sent again soon */

/*
 * reason NULL = the standard phrase of the code. 0 or a negative errno (counted): a final response that does not fit
 * into a datagram ends the transaction without one.
 */
int transaction_respond(struct engine *engine, struct transaction *transaction, const struct sip_message *request,
			unsigned int code, const char *reason, const struct response_extra *extra);

/* End the transaction without an answer (SS_REPLY_UNAUTHORIZED off). */
void transaction_ignore(struct engine *engine, struct transaction *transaction);

/* Answer without a transaction. to_tag empty = one that is the same for each resend. */
void transaction_reply_stateless(struct engine *engine, const struct sip_flow *flow, struct sip_message *request,
				 unsigned int code, const char *reason, const struct response_extra *extra);

/* ---- client (transaction_client.c) ---- */

/* A new client transaction; print its branch into the request with transaction_branch(). NULL: no room (counted). */
struct transaction *transaction_client_new(struct engine *engine, enum sip_method method, const struct sip_flow *flow,
					   const struct transaction_user *user, void *owner);
/*
 * The same for what a call asks one side because of what the other has said, which may do so again before it is
 * answered: there is a limit to how many stand, for each call and in all, so that the rest of the room is left to
 * others. NULL: beyond it, or no room (counted).
 */
struct transaction *transaction_passed_new(struct engine *engine, enum sip_method method, const struct sip_flow *flow,
					   const struct transaction_user *user, struct call *call);
/* It is answered, or gone: no longer one of them, if it was. */
void transaction_passed_over(struct engine *engine, struct transaction *transaction);
/*
 * After a restart: that of an earlier life, and those before it, are kept for transaction_client_restore() until they
 * are released. Before any is taken.
 */
void transactions_hold(struct engine *engine, uint32_t index);
void transactions_release(struct engine *engine);
/* After a restart: the one an earlier life had, with its branch. `message`: the request as it was, without a body. */
struct transaction *transaction_client_restore(struct engine *engine, uint32_t index, uint64_t serial,
					       const struct sip_flow *flow, const void *message, uint32_t len);
void transaction_branch(const struct engine *engine, const struct transaction *transaction,
			char out[static IDENTIFIER_BRANCH]);
/* Keep and send the request. 0 or -ENOBUFS: then the transaction is gone. */
int transaction_send_request(struct engine *engine, struct transaction *transaction, const void *data, uint32_t len);
/* A response arrived. False: it belongs to no transaction here. */
bool transaction_receive_response(struct engine *engine, struct sip_message *response);
/*
 * CANCEL an INVITE, at once or after its first provisional response; Q.850 cause and SIP code (0 = none) of its Reason
 * header. The transaction then stands alone: what is still answered is ended by transaction_orphan_user.
 */
void transaction_cancel(struct engine *engine, struct transaction *transaction, unsigned int cause, unsigned int code);
/*
 * CANCEL a re-INVITE, whose answer is still wanted. When none comes (section 9.1) its user's failed() is called, in
 * state Proceeding, and it stands alone from then on.
 */
void transaction_cancel_reinvite(struct engine *engine, struct transaction *transaction, unsigned int cause,
				 unsigned int code);
/*
 * This INVITE is one in a dialog. RFC 3261 has no timer for it once a provisional response has come: it is cancelled,
 * as above, if it has no final one by then.
 */
void transaction_limit_reinvite(struct engine *engine, struct transaction *transaction, uint64_t wait_us);
/*
 * Send the ACK to a 2xx. keep: keep it, to be sent again when the 2xx comes again; else it can be made again, and the
 * transaction ends.
 */
void transaction_send_ack(struct engine *engine, struct transaction *transaction, struct sip_text to_tag,
			  const void *data, uint32_t len, bool keep);
/* Branch of the ACK to a 2xx: the same each time the INVITE with this serial in its branch is acknowledged. */
void transaction_ack_branch(const struct engine *engine, uint64_t serial, char out[static IDENTIFIER_BRANCH]);
/* This 2xx was acknowledged, and its transaction has ended; *behind_nat as its transaction had it. */
bool transaction_was_acked(struct engine *engine, struct sip_message *response, bool *behind_nat);
/* What is left of the INVITE that a response answers, when that ended with the ACK to a 2xx; NULL: nothing. */
const struct tombstone *transaction_find_past(const struct engine *engine, struct sip_message *response);

/* ---- answers that nobody waits for (late_answer.c) ---- */

/* Acknowledge a 2xx that was acknowledged before (transaction_was_acked()) and whose call is over. */
void transaction_ack_again(struct engine *engine, const struct sip_flow *flow, bool behind_nat,
			   struct sip_message *response);
/* ACK and BYE the first 2xx to an INVITE; the BYE says the transaction's cancel_cause. */
void transaction_end_stranger(struct engine *engine, struct transaction *transaction, struct sip_message *response);
/* Of an INVITE that is cancelled: does that with what is still answered. */
extern const struct transaction_user transaction_orphan_user;
/* ACK and BYE another one: another phone has answered, too. */
void transaction_end_fork(struct engine *engine, struct transaction *transaction, struct sip_message *response);
/*
 * One whose transaction has ended: of another phone that answered, too, or after its INVITE was given up. With nothing
 * left of the INVITE but our tag it gets one BYE, back to where it comes from. False: nothing in it is ours.
 */
bool transaction_end_late(struct engine *engine, const struct sip_flow *flow, struct sip_message *response);

/* ---- both (transaction.c) ---- */

struct transaction *transaction_take(struct engine *engine);
void transaction_free(struct engine *engine, struct transaction *transaction);
/* Nothing can come that a tombstone does not know how to meet: one takes its place when the event has been dealt with.
 */
void transaction_end(struct engine *engine, struct transaction *transaction, enum tombstone_kind kind, uint32_t value);
/* After each event: tombstones for those that have ended. */
void transactions_bury(struct engine *engine);
/* Once per poll. */
void transactions_sweep(struct engine *engine);
/* Only absorb resends from now on, until `end_us`; expendable. */
void transaction_linger(struct engine *engine, struct transaction *transaction, uint64_t end_us);
/* It may be given up early when transactions run short. */
void transaction_expendable(struct transactions *transactions, struct transaction *transaction);
/* The user goes; the transaction carries on alone. */
void transaction_detach(struct transaction *transaction);
/* Keep a message in place of the one before. 0 or -ENOBUFS. */
int transaction_keep(struct engine *engine, struct transaction *transaction, const void *data, uint32_t len);
void transaction_send_kept(struct engine *engine, struct transaction *transaction);
/* (Re)start the resends by SS_SIP_RESEND_INTERVAL. */
void transaction_schedule_start(struct engine *engine, struct transaction *transaction);
/* 32 s with the default schedule: timers B, D, F, H, J, L, M of the RFCs. */
uint64_t transaction_lifetime_us(const struct engine *engine);
void transaction_chain(struct transaction **head, struct transaction_link *link, struct transaction *transaction,
		       size_t member);

#endif
