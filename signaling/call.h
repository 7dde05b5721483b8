/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call, carried back to back: the caller's dialog (we are the UAS), and the callee's (we are the UAC), each with
 * its own identifiers. What must outlive the process is in the call record (common/layout/call_record.h); struct
 * call is what one life of the process keeps beside it.
 *
 *   call.c           the table: what happens in which state
 *   call_store.c     slots, strings, states of the shared record
 *   call_caller.c    the caller's INVITE, and what it is answered
 *   call_callee.c    attempts: the INVITE to a gateway or phone, and its answers
 *   call_attempt.c   attempts one after the other, and when to stop
 *   targets.c        where they go...
 *   redirect.c       ...and where a vendor's 3xx sends them
 *   call_request.c   requests inside the dialogs...
 *   call_pass.c      ...passed to the other side, and their answers back
 *   call_ack.c       ACKs to a 2xx
 *   session_timer.c  how long a session lasts unless it is refreshed, and by whom
 *   own_request.c    our own requests in a dialog: refreshes
 *   call_deadline.c  what time ends, or refreshes
 *   reason.c         SIP codes and Q.850 causes
 *   early_dialog.c   requests before the answer
 *   reliable.c       provisional responses that are acknowledged, and PRACK
 *   fork.c           descriptions of several phones behind one gateway
 *   call_bye.c       the end of a call, whoever ends it
 *   call_headers.c   which headers cross, and how
 *   identity.c       who calls, and what of it is private
 *   ringback.c       what a customer is told while it rings
 *   call_media.c     session descriptions, and who carries the media
 *   media_link.c     what media is told, and says
 *   call_recover.c   the calls an earlier life left
 *   cdr_emit.c       the record
 */
#ifndef TANDEM_SIGNALING_CALL_H
#define TANDEM_SIGNALING_CALL_H

#include "common/layout/call_record.h"
#include "signaling/binding_store.h"
#include "signaling/dialog.h"
#include "signaling/engine.h"
#include "signaling/fork.h"
#include "signaling/gateway.h"
#include "signaling/reliable.h"
#include "signaling/rtp_ports.h"
#include "signaling/sdp/sdp.h"
#include "signaling/sip/digest.h"
#include "signaling/snapshot_signaling.h"
#include "signaling/targets.h"
#include "signaling/transaction.h"

#define CALL_NETWORK_MAX 64
#define CALL_NUMBER_MAX  128 /* bytes of a dialled number or user */

/* Set-up stages, each with its own time-out. */
enum call_stage { STAGE_INVITE, STAGE_TRYING, STAGE_PROGRESS, STAGE_PROGRESS_SDP, STAGE_RINGING, STAGE_COUNT };

/* What applies to one attempt: the parameters as they were when the call came, with the gateway's own values. */
struct attempt_policy {
	uint32_t timeout_ms[STAGE_COUNT];
	bool until_connect, stop_after_sdp, stop_after_rtp, stop_after_busy, stop_after_invite_timeout;
};

/*
 * What only a call needs that is being set up, or in whose dialogs an offer awaits its answer. From a small pool that
 * stays in the cache; a conversation has none.
 */
struct call_work {
	/* set-up */
	struct attempt_policy policy;
	struct parameters_of_call {
		uint32_t switch_limit, no_media_hangup_s;
		uint32_t timeout_ms[STAGE_COUNT];
		bool until_connect, stop_after_sdp, stop_after_rtp, stop_after_busy, stop_after_invite_timeout;
		bool record_nonconnect;
		uint8_t media_mode, media_behind_nat, media_between_net, tos;
	} parameters;
	uint8_t stage_now; /* enum call_stage */
	bool rtp_started;  /* media heard the callee */
	uint32_t media_generation; /* the callee's, when this attempt began */
	uint32_t media_tells;      /* how often media has been told of the call */
	bool sdp_seen;     /* a provisional response of this attempt had a description */
	uint8_t raised;     /* how often the session's interval was made longer in this attempt */
	uint8_t challenged; /* how often credentials have been sent in this attempt */
	bool trying;       /* any response came in this attempt */
	bool caller_behind_nat;
	uint8_t caller_media_mode; /* enum media_mode of the mapping gateway */
	uint8_t caller_len, callee_len;
	uint16_t attempts;
	struct targets targets;

	struct reliable reliable;
	struct forks forks;
	struct message_buffer *early_response; /* early_dialog.h */

	/* an offer in a dialog, and an ACK that brings the answer */
	uint8_t updates[CALL_SIDES]; /* what brought an offer of that side that awaits its answer: UPDATE, PRACK; or 0 */
	bool noted[CALL_SIDES];                   /* `before` holds something of this call */
	struct transaction *reinvite[CALL_SIDES]; /* call_reinvite(): they end by themselves */
	uint32_t reinvite_cseq[CALL_SIDES];
	struct transaction *answer_awaiting_ack; /* client INVITE whose ACK waits for the other side's */
	enum call_side ack_side;                 /* to which side that ACK goes */
	uint64_t ack_serial;                     /* answer_awaiting_ack's: it may end before the ACK comes */
	uint32_t ack_cseq;

	/* a refresh of ours on its way to a side: own_request.c */
	struct own_request {
		struct transaction *transaction; /* NULL: none */
		uint8_t challenged, raised;      /* how often it was sent anew after 401 and 407, after 422 */
		bool offers;                     /* what the other side said: DIALOG_OFFER_DUE */
	} own[CALL_SIDES];

	/* from here on nothing is cleared: it means something only as far as the above says */
	char caller_network[CALL_NETWORK_MAX]; /* "" = any; a copy: the configuration may be replaced */
	char caller[CALL_NUMBER_MAX],
	    callee[CALL_NUMBER_MAX]; /* numbers as the customer's gateway has them rewritten */
	struct target_list list;
	struct media_before {
		struct call_media media;
		uint32_t tells;
		char codec[18];
		uint32_t flags; /* DIALOG_OF_SDP of the other side */
	} before[CALL_SIDES];   /* what a side's offer in the dialog would change: for when it is refused */
	struct fork_said said[FORKS_LEFT];
	struct call_work *next; /* of those that are free */
};

/* Two lines: what an event needs, and the timers. */
struct call {
	_Alignas(64) struct call_record *record; /* NULL: this slot is not ours, or free */
	struct engine *engine;
	struct call_work *work;            /* NULL: none is needed */
	struct transaction *caller_invite; /* as long as it has no acknowledged final response */
	struct transaction *callee_invite; /* of the current attempt, as long as it has no final response */
	uint32_t slot;
	uint32_t caller_gateway, callee_gateway; /* admission ids; GATEWAY_NO_ID: none held */
	uint32_t customer;                       /* the caller's gateway, whether its admission is held or not */
	uint32_t media_deadline_ms;              /* of the monotonic clock, modulo 2^32: for the figures of the end */
	uint8_t cause_told;   /* Q.850 cause by the peer's own word, in the Reason header of what ended it; 0 = none */
	bool media_dirty : 1; /* media has to be told */
	bool media_closing : 1; /* MediaClose sent, statistics awaited */
	bool recovered : 1;     /* an earlier life made it */
	bool response_sent : 1; /* for DIALOG_RESPONSE_DUE: by this life */
	bool cancel_sent : 1;   /* for DIALOG_CANCEL_DUE */
	bool leaving : 1;       /* till the poll ends: they could be lost, and only the record says them again */
	uint8_t bye_sent : 2;   /* bit for each side: and not answered yet */
	uint8_t bye_challenged : 2; /* how often the callee wanted credentials with it */
	struct timer timer; /* set-up time-outs; call_deadline.c; at recovery: its turn; over: a BYE is tried again */
	struct timer media; /* media has to be told again, or to answer; a CDR has to be published again */
};
static_assert(sizeof(struct call) == 128, "every line of it is counted");

struct calls {
	void *table; /* content of the segment */
	uint32_t count, blocks;
	void *call_memory;
	struct call *call;                   /* [count], in there, by cache lines */
	struct call_work *works, *free_work; /* [count]; those before works_used have been used */
	uint32_t works_used;
	uint32_t *free_slot, free_slots;
	struct free_blocks {
		uint32_t *block, count;
	} small_blocks, large_blocks; /* of the segment, that are free */
	struct passed_requests {
		uint32_t count, life; /* life: another one when a call ends that leaves some */
	} *passed;                    /* by slot: those that stand (transaction_passed_new()) */
	uint32_t standing;
	uint32_t *recover, recover_count;         /* slots that engine_tick() still has to deal with */
	uint64_t media_life[CONFIG_MAX_WORKERS];  /* last MediaResync of each media worker */
	uint32_t resync_next[CONFIG_MAX_WORKERS]; /* slot to tell that media worker about next; count = done */
	struct rtp_ports *ports;
	struct sip_digest *digest;
	struct sdp_session sdp; /* the description being worked on */
	struct sip_text sdp_text;
	struct sip_text reason_told;      /* Reason of the request that ends the call being dealt with; else empty */
	bool reason_has_cause;            /* and a Q.850 cause stands in it */
	const struct sip_message *redirect_told; /* the 3xx that ends it and is passed to the caller; else NULL */
	const struct sip_message *sdp_of; /* whose it is, between call_media_prepare() and the INVITE that follows it */
	struct sdp_rewrite put;
	char body[ENGINE_MESSAGE_MAX];
	char head[ENGINE_MESSAGE_MAX]; /* header lines that are put together */
	char route[DIALOG_ROUTE_MAX];
	/* what the INVITE to a callee says of session timers: the same for nearly every one */
	struct {
		uint32_t interval_s, min_se_s, len;
		char text[96];
	} session_offer;
};

enum call_event_type {
	CALL_EVENT_CANCEL, /* from the caller */
	CALL_EVENT_ACK,    /* to a 2xx, from either side */
	CALL_EVENT_BYE,
	CALL_EVENT_PRACK,
	CALL_EVENT_REQUEST,     /* INVITE, UPDATE, INFO, OPTIONS inside a dialog */
	CALL_EVENT_PROVISIONAL, /* from the callee, as the next two */
	CALL_EVENT_ANSWER,
	CALL_EVENT_FAILURE,
	CALL_EVENT_STAGE_TIMEOUT, /* a set-up time-out */
	CALL_EVENT_ACK_TIMEOUT,
	CALL_EVENT_PRACK_TIMEOUT, /* to a provisional response of ours */
	CALL_EVENT_LIMIT,
	CALL_EVENT_SESSION_TIMEOUT, /* nobody has refreshed the session of this side */
	CALL_EVENT_REFRESH,         /* it is ours to do that */
	CALL_EVENT_MEDIA_STARTED,
	CALL_EVENT_MEDIA_SILENT,
	CALL_EVENT_MEDIA_CLOSED,
	CALL_EVENT_MEDIA_TIMER,
	CALL_EVENT_BYE_DONE, /* our BYE has been answered, or never will be */
	CALL_EVENT_HANGUP,   /* the operator's */
	CALL_EVENT_COUNT
};

struct media_closed;

struct call_event {
	enum call_event_type type;
	enum call_side side; /* where it came from */
	struct transaction *transaction;
	struct sip_message *message;
	const struct sip_flow *flow;
	const struct media_closed *closed; /* CALL_EVENT_MEDIA_CLOSED */
};

/* ---- call.c ---- */
int calls_init(struct engine *engine);
void calls_fini(struct engine *engine);
void call_dispatch(struct call *call, const struct call_event *event);
/*
 * The call a tag of ours belongs to, and the side whose dialog it names; NULL: none. Call-ID and our tag are compared,
 * in a request the peer's tag, too (while the callee's is not known yet, any is taken).
 */
struct call *call_find(struct engine *engine, struct sip_message *message, bool is_response, enum call_side *side);
/* Handlers of the call's timers. */
void call_on_stage(struct timer *timer, void *context);
void call_on_media(struct timer *timer, void *context);

/* ---- call_store.c ---- */
struct call *call_new(struct engine *engine); /* with a call_work; NULL: no slot */
/* call->work, made when there is none; as many as calls, so there always is one. */
struct call_work *call_work(struct call *call);
/* Give it back, needed or not... */
void call_work_free(struct call *call);
/* ...or when no offer and no ACK is under way in the dialogs. */
void call_work_done(struct call *call);
void call_free(struct call *call);
void call_set_state(struct call *call, enum call_state state);
static inline enum call_state call_state(const struct call *call)
{
	return (enum call_state)atomic_load_explicit(&call->record->state, memory_order_relaxed);
}
bool call_write_begin(struct call *call);
void call_write_end(struct call *call, bool begun);
struct sip_text call_text(const struct call *call, struct call_text text);
/* Store a string; false when there is no room left. An empty one takes none. */
bool call_put(struct call *call, struct call_text *ref, struct sip_text text);
/* The same for what only the set-up needs: it is gone after call_forget_setup(). */
bool call_put_for_setup(struct call *call, struct call_text *ref, struct sip_text text);
void call_forget_setup(struct call *call);
void call_give_block(struct calls *calls, uint32_t block); /* as in the record: 0 = none */
/* What did not fit would have, had there been another block. */
bool call_lacks_block(const struct call *call);
/* Store what a refresh of this side has to repeat, in place of the one before; empty: nothing, as without room. */
void call_put_description(struct call *call, enum call_side side, struct sip_text sdp);
/* The strings of the attempt before may be overwritten from now on. */
void call_forget_attempt(struct call *call);
void call_dialog(const struct call *call, enum call_side side, struct dialog *dialog);
/* Take the peer's Contact for target, unless there is no room. */
void call_refresh_target(struct call *call, enum call_side side, struct sip_message *message);
/* Where the dialog's requests go now. */
void call_next_hop(struct call *call, enum call_side side, const struct dialog *dialog, struct sip_flow *flow);
/* A tag of our own for one side. */
void call_make_tag(struct call *call, enum call_side side, char out[static IDENTIFIER_TAG]);
/* From, Call-ID and To of what we send in a dialog, as it is stored, and where in it the pieces lie. */
struct call_head {
	struct sip_text text;
	uint32_t call_id_at, call_id_len, local_tag_at, remote_tag_at, remote_tag_len;
	uint32_t uri_at, uri_len; /* the target, if it is that of To; else 0 */
};
bool call_put_head(struct call *call, enum call_side side, const struct call_head *head);
/* The tag that the peer has given itself in its answer. */
bool call_put_remote_tag(struct call *call, enum call_side side, struct sip_text tag);

/* ---- call_caller.c ---- */
void call_invite(struct engine *engine, const struct sip_flow *flow, struct sip_message *invite);
/* A provisional response, or the 200, made from the callee's `from` (NULL: nothing to copy). */
void call_respond_caller(struct call *call, unsigned int code, struct sip_message *from, struct sip_text sdp);
/* A provisional response that is sent again until call_prack() has seen its PRACK. */
void call_respond_reliably(struct call *call, unsigned int code, struct sip_message *from, struct sip_text sdp,
			   uint32_t rseq);
void call_send_failure(struct call *call);
void call_caller_acked(struct call *call, const struct call_event *event);
extern const struct transaction_user call_caller_user;

/* ---- call_callee.c ---- */
/* Fill in the callee's side of the record. False when there is no room for its strings. */
bool call_fill_callee(struct call *call, struct sip_message *invite, const struct attempt_target *target);
/* Send the INVITE of the attempt that the record describes, made from the caller's. authorization: a whole value, may
 * be empty. 0 or a negative errno as call_media_pass(). */
int call_send_invite(struct call *call, struct sip_message *invite, struct sip_text authorization, bool proxy);
void call_provisional(struct call *call, const struct call_event *event);
void call_answered(struct call *call, const struct call_event *event);
extern const struct transaction_user call_callee_user;
/* Once more, when the 2xx comes again and its transaction has ended. */
void call_ack_again(struct call *call, enum call_side side, uint64_t serial, uint32_t cseq);
/*
 * ACK a 2xx of this side, whose INVITE had this serial in its branch. invite: its transaction, NULL when that has
 * ended.
 */
void call_ack_callee(struct call *call, enum call_side side, struct transaction *invite, uint64_t serial, uint32_t cseq,
		     struct sip_text body);

/* ---- call_attempt.c ---- */
void call_begin(struct call *call, struct sip_message *invite); /* route, and make the first attempt */
void call_failure(struct call *call, const struct call_event *event);
void call_stage_timeout(struct call *call, const struct call_event *event);
void call_stage_start(struct call *call, enum call_stage stage);
void call_release_callee(struct call *call);
/* The record of an attempt that is not the last is out: another begins, in this life or the next. */
void call_attempt_published(struct call_record *record);

/* ---- call_request.c ---- */
/* Answer a request in the dialog; 500 asks for it once more, later. */
void call_respond(struct call *call, const struct call_event *event, unsigned int code);
void call_answer_options(struct call *call, const struct call_event *event);
void call_request(struct call *call, const struct call_event *event);

/* ---- call_pass.c ---- */
/* Pass a request on, with this description (empty: with what else its body is). 0 or a negative errno. */
int call_pass(struct call *call, const struct call_event *event, struct sip_text sdp);
/* The server transaction of a re-INVITE from this side that has no final answer, or a 2xx without its ACK; or NULL. */
struct transaction *call_reinvite(const struct call *call, enum call_side side);
extern const struct transaction_user call_reinvite_user; /* of the server transaction of a passed re-INVITE */
/* What the asker is told in place of this code: what only the side that was asked and we have to do with stays here. */
unsigned int call_code_told(unsigned int code);

/* ---- call_ack.c ---- */
void call_ack(struct call *call, const struct call_event *event);
/* answer_awaiting_ack; NULL when it has ended meanwhile: then a resent 200 is answered from the record. */
struct transaction *call_awaiting_ack(const struct call *call);
/* Its ACK brings the answer to an offer of this side's, and waits for that of the other side. */
void call_await_ack(struct call *call, enum call_side side, struct transaction *client, uint32_t cseq);
/* The other side's will not come: its own goes all the same, without the answer. */
void call_ack_awaited(struct call *call);

/* ---- call_bye.c ---- */
/*
 * End the call. code: SIP code of the record (and of the response to the caller when there was no answer).
 * spare: the side that needs no BYE any more, or -1.
 */
void call_close(struct call *call, enum end_reason reason, enum end_direction direction, unsigned int code, int spare);
/* Of a call that is closing: what the caller has not heard of is no answer, and nothing to bill. */
void call_forget_unheard_answer(struct call *call);
/* Do what the dialogs' flags say is due. */
void call_settle(struct call *call);
void call_bye(struct call *call, const struct call_event *event);
void call_bye_crossed(struct call *call, const struct call_event *event);
void call_bye_done(struct call *call, const struct call_event *event);
void call_cancelled(struct call *call, const struct call_event *event);
/* The Q.850 cause of an end: what a peer told, else by the callee's response code, else by the reason. */
unsigned int call_cause(const struct call *call, enum end_reason reason, enum end_direction direction,
			unsigned int code);

/* ---- call_deadline.c ---- */
/* Start call->timer for what comes first in this conversation; again whenever that may have changed. */
void call_deadline_start(struct call *call);
void call_on_deadline(struct timer *timer, void *context);
void call_limit(struct call *call, const struct call_event *event);
void call_session_timeout(struct call *call, const struct call_event *event);
/* A side has answered 408 or 481, or nothing at all, to a request in its dialog: the call is over for both. */
void call_dialog_gone(struct call *call, unsigned int code);
void call_refresh(struct call *call, const struct call_event *event);

/* ---- reason.c ---- */
/* What a final response means, as end reason and as Q.850 cause. */
enum end_reason call_reason_of(unsigned int code);
unsigned int call_cause_of(unsigned int code);
/* The Q.850 cause in a message's Reason header (RFC 3326), 0 = none. */
uint8_t call_told_cause(const struct sip_message *message);
#define REASON_TOLD_MAX 256                    /* bytes of a Reason that we pass on */
#define REASON_MAX      (REASON_TOLD_MAX + 64) /* and with a cause of our own, or of that alone */
/* What a peer says of why it ends something: the text for the other side is kept. Returns the cause; 0 = none. */
uint8_t call_hear_reason(struct engine *engine, const struct sip_message *message);
/* The same of the call: the cause is for the record. */
void call_note_reason(struct call *call, const struct sip_message *message);
/* The SIP cause of a call that has ended by a failure; else 0. */
unsigned int call_failed_with(const struct call_record *record);
/*
 * Value of the Reason in a BYE or CANCEL: the peer's own words where its end is passed on, with our cause behind them
 * where it has named none. code: 0 = without a SIP cause.
 */
struct sip_text call_reason_text(const struct engine *engine, unsigned int cause, unsigned int code,
				 char out[static REASON_MAX]);
void call_reason_header(unsigned int cause, unsigned int code, char *out, size_t size);

/* ---- call_headers.c ---- */
void call_copy_request_headers(struct call *call, enum call_side to, struct sip_builder *b,
			       const struct sip_message *from, const struct net_addr *ours);
void call_copy_response_headers(struct call *call, enum call_side to, struct sip_builder *b,
				const struct sip_message *from, const struct net_addr *ours);
/* The end of a message to this side: the body of `from`, with this description (empty: without one). */
void call_build_body(struct call *call, enum call_side to, struct sip_builder *b, const struct sip_message *from,
		     struct sip_text sdp);
/* What may be sent within a call, as Allow lists it. */
#define CALL_METHODS "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO"
void call_build_allow(struct sip_builder *b);
void call_build_user(struct sip_builder *b, struct sip_text user); /* sip:user@ */
void call_build_user_uri(struct sip_builder *b, struct sip_text user, const struct net_addr *host);

/* ---- call_media.c ---- */
/*
 * Who carries the audio of the attempt to come, and the ports for it; its INVITE is built next (the offer is not parsed
 * again). 0; -EINVAL: the caller's offer makes no sense or has neither audio nor a fax (488); -ENOBUFS: no ports.
 */
int call_media_prepare(struct call *call, struct sip_message *invite, const char *callee_network,
		       enum media_mode callee_mode, bool callee_nat);
/*
 * The description in `message`, from one side, as the other side gets it: in the engine's body buffer. Empty
 * without one. media is told what is new (by translate it is not, yet). negative errno as above.
 */
int call_media_pass(struct call *call, enum call_side from, struct sip_message *message, struct sip_text *out);
int call_media_translate(struct call *call, enum call_side from, struct sip_message *message, struct sip_text *out);
/* In a dialog: pass, but what stands in an INFO describes no session, whatever it looks like (RFC 6086). */
int call_media_cross(struct call *call, enum call_side from, bool is_info, struct sip_message *message,
		     struct sip_text *out);
bool call_media_is_offerless(const struct sip_message *message);
/* The same text once more (call->body), with nothing noted: the description in `message` has crossed before. */
int call_media_describe(struct call *call, enum call_side from, struct sip_message *message, struct sip_text *out);
/* ...and was the last one. -ESTALE: another has crossed since. */
int call_media_repeat(struct call *call, enum call_side from, struct sip_message *message, struct sip_text *out);
/*
 * The answer of this side to an offer of our own: where its audio goes now. True: the other side sends it there itself,
 * and has to be told so by *sdp, in the same buffer.
 */
bool call_media_learn(struct call *call, enum call_side side, struct sip_message *message, struct sip_text *sdp);
/*
 * An offer of our own to this side, in the same buffer, for when what was sent there last is not known any more: the
 * one codec that is in use. 0 or -ENOENT: not enough is known of the other side, or there was more to it than that.
 */
int call_media_offer(struct call *call, enum call_side side, struct sip_text *out);
/* Around an offer of this side in the dialog: note what it may change; take it back when the offer is refused. */
void call_media_note_before(struct call *call, enum call_side side);
void call_media_take_back(struct call *call, enum call_side side);
void call_media_give_ports(struct call *call);

/* ---- media_link.c ---- */
void call_media_tell(struct call *call);
void call_media_close(struct call *call);
void call_media_finish(struct call *call); /* figures from the segment, ports back */
/* A call that is over otherwise: false while its MediaClose finds no room, which is tried again for a while. */
bool call_media_is_told(struct call *call);
void call_media_message(struct engine *engine, unsigned int worker, const struct ring_message *message);
void call_media_figures(struct call *call, const struct call_event *event);
void call_media_resync_step(struct engine *engine);

/* ---- cdr_emit.c ---- */
/* Room for the records of a new call? */
bool cdr_has_room(struct engine *engine);
/* Half the ring: for records that nobody is billed by. */
bool cdr_has_room_to_spare(const struct engine *engine);
/* Publish the record of the current attempt. 0 or -ENOSPC. */
int cdr_publish(struct call *call);
void call_publish(struct call *call); /* CALL_ENDING -> CALL_BILLED -> free, or a retry by timer */

/* ---- call_recover.c ---- */
void calls_recover_attach(struct engine *engine);
void calls_recover_step(struct engine *engine);
void call_on_recover(struct timer *timer, void *context);
/* Of a call in set-up whose attempt is over, and not quite (attempt_over): what is left to do. */
void call_recover_attempt(struct call *call);
/* Transactions of an earlier life, made again from the record: call->caller_invite and call->callee_invite. */
bool call_restore_caller(struct call *call);
void call_restore_callee(struct call *call);

#endif
