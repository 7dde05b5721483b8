/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one signaling worker is to send, between the pacer and the worker's ring: a burst leaves in messages of at
 * most OUTBOX_MESSAGE_ENDPOINTS, so that the worker can send a little per poll; what the ring has no room for
 * waits here, for a limited time, because a keep-alive message that is a period late is a second one.
 *
 * One thread's. Memory is taken in outbox_init().
 */
#ifndef TANDEM_KEEPALIVE_OUTBOX_H
#define TANDEM_KEEPALIVE_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ring.h"

#define OUTBOX_MESSAGE_ENDPOINTS 256u
#define OUTBOX_SIZE              16384u /* more than the largest burst; a power of two */

struct outbox {
	uint32_t *endpoint; /* three rings of OUTBOX_SIZE */
	uint64_t *id;
	uint64_t *queued_us;
	uint64_t head, tail; /* ever put in, ever taken out */
};

struct outbox_result {
	uint32_t sent;     /* endpoints published */
	uint32_t messages; /* in so many messages */
	uint32_t stale;    /* endpoints given up: they waited too long */
	bool full;         /* the ring had no room; some wait */
};

int outbox_init(struct outbox *outbox); /* 0 or -ENOMEM */
void outbox_fini(struct outbox *outbox);

/* False when it is full (the caller counts it): the worker has not read its ring for several bursts. */
bool outbox_put(struct outbox *outbox, uint32_t endpoint, uint64_t id, uint64_t now_us);

/* Publish what waits, as far as the ring has room; give up what has waited longer than `patience_us`. */
struct outbox_result outbox_flush(struct outbox *outbox, struct ring_producer *ring, uint64_t now_us,
				  uint64_t patience_us);

#endif
