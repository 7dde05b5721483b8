/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session timers (RFC 4028): each leg agrees on its own how long its session lasts unless it is refreshed, and who
 * refreshes it. What is agreed stands in the call record, so that it outlives the process.
 *
 * On the caller's leg we are the UAS of the first INVITE, on the callee's the UAC; in the dialogs either. Every 2xx
 * with Session-Expires, whoever sent its request, begins a new interval. When something is due: call_deadline.c; how a
 * refresh is sent: own_request.c.
 */
#ifndef TANDEM_SIGNALING_SESSION_TIMER_H
#define TANDEM_SIGNALING_SESSION_TIMER_H

#include "signaling/call.h"

/* The parameters of a new call into its record. */
void session_timer_init(struct call *call);
/* Are what a record says values that can be calculated with? */
bool session_timer_sound(const struct call_record *record);

/* ---- requests of the peer ---- */

/*
 * An INVITE or UPDATE that wants a shorter session than is allowed (min_se_s) is answered 422 here: then true.
 * Parameters off: never.
 */
bool session_timer_refuses(struct engine *engine, struct transaction *transaction, struct sip_message *request,
			   uint32_t ttl_s, uint32_t min_se_s);
/* What this INVITE or UPDATE of a side asks for is agreed to, as far as it may be. Nothing runs yet. */
void session_timer_asked(struct call *call, enum call_side side, struct sip_message *request);
/* Into our 2xx to it. */
void session_timer_put_answer(const struct call *call, enum call_side side, struct sip_builder *b);

/* ---- requests of ours ---- */

/* Into an INVITE or UPDATE of ours to this side. */
void session_timer_put_offer(const struct call *call, enum call_side side, struct sip_builder *b);
/* The side's 2xx to it: what it says is agreed, and its interval begins. */
void session_timer_agreed(struct call *call, enum call_side side, struct sip_message *response);
/* The side's 422 to it. True: it can be sent once more, and offers a longer interval then. */
bool session_timer_raise(struct call *call, enum call_side side, const struct sip_message *response);

/* ---- both ---- */

/* A session timer runs on this leg, or will from the answer on. */
static inline bool session_timer_runs(const struct call *call, enum call_side side)
{
	return call->record->dialog[side].flags & DIALOG_TIMER;
}
/* A new interval begins on this side, if it has a timer. */
void session_timer_begin(struct call *call, enum call_side side);
/* When the leg is hung up unless it is refreshed, monotonic; 0 = never. */
uint64_t session_timer_end_us(const struct call_record *record, enum call_side side);
/* A refresh of ours at now + wait_us; sooner when the session would be over by then. */
void session_timer_refresh_in(struct call *call, enum call_side side, uint64_t wait_us);
/* ...and when one has failed. */
void session_timer_refresh_later(struct call *call, enum call_side side);
/* A life later: what fell due meanwhile is due in a while, not all of it at once. */
void session_timer_recover(struct call *call);
/*
 * Does a refresh of this side have to repeat the description that it got last? The next function keeps one that was
 * sent there, as far as that is needed, and forgets the one before; empty: what was sent is not known.
 */
bool session_timer_keeps(const struct call *call, enum call_side side);
void session_timer_keep(struct call *call, enum call_side side, struct sip_text sdp);

#endif
