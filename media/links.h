/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A media worker's rings from and to the signaling workers: what they say becomes sessions, what happens here is said
 * to them. A message is released only when it has been carried out; what can't be carried out yet (no room for the
 * answer, say) stays in the ring.
 */
#ifndef TANDEM_MEDIA_LINKS_H
#define TANDEM_MEDIA_LINKS_H

#include "common/config.h"
#include "common/ring.h"
#include "session.h"

struct media_link {
	struct ring_consumer from;
	struct ring_producer to;
	uint32_t faults; /* of both, as far as they are counted */
};

struct media_links {
	struct media_core *core;
	struct media_link *link; /* one a signaling worker */
	unsigned int count;
	uint64_t life; /* of the next Resync; never the same twice */
};

/* Start-up: attach to the rings of the core's worker. 0 or a negative errno (logged). */
int links_open(struct media_links *links, const struct config *config, struct media_core *core);
void links_close(struct media_links *links);

/* Carry out what signaling has said; bounded for each ring. Returns how many messages. */
unsigned int links_poll(struct media_links *links, uint64_t now_us);

/* For struct media_notify; core->context is the struct media_links. */
bool links_started(struct media_core *core, uint32_t slot, enum media_leg_index leg);
bool links_silent(struct media_core *core, uint32_t slot, uint32_t silent_ms);
bool links_dtmf(struct media_core *core, uint32_t slot, enum media_leg_index leg, char digit, uint32_t duration_ms);
bool links_resync(struct media_core *core, unsigned int signaling_worker);

#endif
