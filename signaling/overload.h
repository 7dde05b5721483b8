/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More calls offered than a worker can set up. What is under way is finished, and of the new INVITEs just so many are
 * refused, with 503 and Retry-After (RFC 3261 section 21.5.4), that the worker keeps up with all the rest; a refusal
 * costs a small part of a call, since little more than five header lines are looked at and nothing is kept.
 *
 * The measure is whether the worker ever catches up, as in CoDel (RFC 8289): when it has not found its ports empty once
 * in a window of 10 ms, messages wait for longer and longer, and more is refused; each window in which it has caught
 * up, less is. How long the queue is does not matter, nor what a call costs.
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

#define OVERLOAD_ALL       65536u /* share: every new INVITE */
#define OVERLOAD_WINDOW_US (10 * US_PER_MS)
#define OVERLOAD_LEAST     8u /* polls that a window needs: a worker that had no processor is not overloaded */
#define OVERLOAD_RETRY_MAX 4u /* Retry-After: from one second to this */

struct overload {
	uint32_t share;       /* of the new INVITEs that are refused; 0: all is well */
	bool caught_up;       /* in this window, a poll found no more than it could read */
	uint8_t behind, calm; /* windows in a row in which the worker did not catch up, or did; one of them is 0 */
	uint32_t polls;       /* in this window */
	uint64_t window_end_us;
	struct net_addr peer; /* who was last refused, and its address as text */
	uint32_t peer_len;
	char peer_text[NET_ADDR_TEXT];
};

void overload_window(struct overload *overload, uint64_t now_us);

/* Once per poll. backlog: a port gave as much as was asked of it, so that more may be waiting. */
static inline void overload_poll(struct overload *overload, bool backlog, uint64_t now_us)
{
	overload->polls++;
	if (!backlog)
		overload->caught_up = true;
	if (now_us >= overload->window_end_us && (overload->caught_up || overload->polls >= OVERLOAD_LEAST))
		overload_window(overload, now_us);
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
