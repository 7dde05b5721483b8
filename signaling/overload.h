/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More calls offered than a worker can set up. What is under way is finished, and of the new INVITEs just so many are
 * refused, with 503 and Retry-After (RFC 3261 section 21.5.4), that the worker keeps up with all the rest; a refusal
 * costs a small part of a call, since little more than five header lines are looked at and nothing is kept.
 *
 * The measure is whether the worker ever catches up, as in CoDel (RFC 8289): when it has not found its ports empty once
 * in a window of 10 ms (of its own: what others take of its processor does not count), messages wait for longer and
 * longer, and less is let in; after a window in which it has caught up more is, by as much as it was idle. How long the
 * queue is does not matter, nor what a call costs. While it refuses, a window is half as long, so that less is down
 * sooner: what does not fit a port's ring meanwhile is lost, and comes again and again.
 *
 * Which ones: by the hash of their transaction, so that an INVITE that comes again meets the same fate.
 * One for each worker, on its thread.
 */
#ifndef TANDEM_SIGNALING_OVERLOAD_H
#define TANDEM_SIGNALING_OVERLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/clock.h"

struct engine;
struct sip_flow;

#define OVERLOAD_ALL       65536u              /* share: every new INVITE */
#define OVERLOAD_LEAST     (OVERLOAD_ALL / 64) /* let in, whatever comes */
#define OVERLOAD_WINDOW_US (10 * US_PER_MS)
#define OVERLOAD_SHED_US   (OVERLOAD_WINDOW_US / 2) /* a window, while there is a share */
#define OVERLOAD_POLL_US   2000u /* longest time that counts for one poll with a backlog: beyond, it had no processor */
#define OVERLOAD_RETRY_MAX 4u    /* Retry-After: from one second to this */

enum overload_poll {
	OVERLOAD_IDLE,   /* there was nothing to do */
	OVERLOAD_BUSY,   /* there was, and it is done */
	OVERLOAD_BACKLOG /* a port gave as much as was asked of it: more may be waiting */
};

struct overload {
	uint32_t share;   /* of the new INVITEs that are refused; 0: all is well */
	uint32_t behind;  /* windows in a row in which the worker did not catch up */
	bool caught_up;   /* in this window */
	uint8_t last;     /* enum overload_poll: of the poll that has lasted since polled_us */
	uint64_t ran_us;  /* in this window, as far as the worker had a processor */
	uint64_t idle_us; /* of that */
	uint64_t polled_us;
	struct net_addr peer; /* who was last refused, and its address as text */
	uint32_t peer_len;
	char peer_text[NET_ADDR_TEXT];
};

void overload_window(struct overload *overload);

/* At the end of each poll, with the time of its beginning. */
static inline void overload_poll(struct overload *overload, enum overload_poll poll, uint64_t now_us)
{
	uint64_t us = now_us - overload->polled_us;

	overload->polled_us = now_us;
	overload->ran_us += overload->last == OVERLOAD_BACKLOG && us > OVERLOAD_POLL_US ? OVERLOAD_POLL_US : us;
	overload->idle_us += overload->last == OVERLOAD_IDLE ? us : 0;
	overload->caught_up |= overload->last != OVERLOAD_BACKLOG;
	overload->last = (uint8_t)poll;
	if (overload->ran_us >= (overload->share ? OVERLOAD_SHED_US : OVERLOAD_WINDOW_US))
		overload_window(overload);
}

/* Is the new INVITE with this hash one of those that are refused? */
static inline bool overload_refuses(const struct overload *overload, uint64_t hash)
{
	return (hash >> 7) % OVERLOAD_ALL < overload->share;
}

/*
 * A datagram, while there is a share: true when it has been dealt with. It was a new INVITE and has its 503, or the ACK
 * to one. False: it is for the ordinary way, which refuses as many when the INVITE is not of a usual form.
 */
bool overload_receive(struct engine *engine, const struct sip_flow *flow, const uint8_t *data, uint32_t len);

#endif
