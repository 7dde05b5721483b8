/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What time does to a session, by one timer each that is never touched by a packet: when it fires it looks at the
 * stamps and sleeps on.
 *
 * - Silence: from the answer on, no RTP for the limit from those who are watched and not on hold is told to
 *   signaling, once for each period of silence. Where both are watched, a sign of life from either is enough; where
 *   either is, the one that has been silent for longer counts.
 * - Sessions that signaling no longer has: when it has started anew, or has said nothing about one for WATCH_TOLD, it
 * is asked to say everything again. What it then leaves out for WATCH_ANSWER, although it has told of others and has
 *   not died in between, is ended. So is what has had neither RTP nor a word for WATCH_EXPIRE.
 */
#ifndef TANDEM_MEDIA_WATCH_H
#define TANDEM_MEDIA_WATCH_H

#include "session.h"

#define WATCH_TOLD_US   (3600 * US_PER_S)
#define WATCH_ANSWER_US (600 * US_PER_S)
#define WATCH_EXPIRE_US (2 * 3600 * US_PER_S)

/* (Re)start the session's timer after its terms changed. */
void watch_start(struct media_core *core, uint32_t slot, uint64_t now_us);

/* Since when the watched legs have been silent; 0 when nothing is watched. */
uint64_t watch_silent_since(const struct media_session *session);

/* Fire what is due, and ask for what has to be said again. Once per poll. */
void watch_sweep(struct media_core *core, uint64_t now_us);

#endif
