/* SPDX-License-Identifier: Apache-2.0 */
#include "outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "proto/keepalive_burst.h"
#include "proto/messages.h"

static_assert((OUTBOX_SIZE & (OUTBOX_SIZE - 1)) == 0, "positions are masked");
static_assert(OUTBOX_SIZE % OUTBOX_MESSAGE_ENDPOINTS == 0, "a message is cut at the end of the arrays");

int outbox_init(struct outbox *outbox)
{
	*outbox = (struct outbox){
	    .endpoint = calloc(OUTBOX_SIZE, sizeof(*outbox->endpoint)),
	    .id = calloc(OUTBOX_SIZE, sizeof(*outbox->id)),
	    .queued_us = calloc(OUTBOX_SIZE, sizeof(*outbox->queued_us)),
	};
	if (outbox->endpoint && outbox->id && outbox->queued_us)
		return 0;
	outbox_fini(outbox);
	return -ENOMEM;
}

void outbox_fini(struct outbox *outbox)
{
	free(outbox->endpoint);
	free(outbox->id);
	free(outbox->queued_us);
	*outbox = (struct outbox){0};
}

bool outbox_put(struct outbox *outbox, uint32_t endpoint, uint64_t id, uint64_t now_us)
{
	uint32_t at = outbox->head & (OUTBOX_SIZE - 1);

	if (outbox->head - outbox->tail == OUTBOX_SIZE)
		return false;
	outbox->endpoint[at] = endpoint;
	outbox->id[at] = id;
	outbox->queued_us[at] = now_us;
	outbox->head++;
	return true;
}

/* As many as fit a message and lie next to each other in the arrays. */
static uint32_t next_message(const struct outbox *outbox, uint32_t at)
{
	uint64_t n = outbox->head - outbox->tail;

	if (n > OUTBOX_MESSAGE_ENDPOINTS)
		n = OUTBOX_MESSAGE_ENDPOINTS;
	if (n > OUTBOX_SIZE - at)
		n = OUTBOX_SIZE - at;
	return (uint32_t)n;
}

struct outbox_result outbox_flush(struct outbox *outbox, struct ring_producer *ring, uint64_t now_us,
				  uint64_t patience_us)
{
	struct outbox_result result = {0};

	while (outbox->tail != outbox->head &&
	       now_us - outbox->queued_us[outbox->tail & (OUTBOX_SIZE - 1)] > patience_us) {
		outbox->tail++;
		result.stale++;
	}
	while (outbox->tail != outbox->head) {
		uint32_t at = outbox->tail & (OUTBOX_SIZE - 1);
		uint32_t n = next_message(outbox, at);
		uint8_t *body = ring_reserve(ring, KEEPALIVE_BURST_ROOM(n));

		if (!body) {
			result.full = true;
			break;
		}
		ring_publish(ring, MESSAGE_KEEPALIVE_BURST,
			     keepalive_burst_write(&outbox->endpoint[at], &outbox->id[at], n, body));
		outbox->tail += n;
		result.sent += n;
		result.messages++;
	}
	return result;
}
