/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set of rings between the processes, by name: one for each producer thread and consumer.
 * ring.signaling-0.media-1 carries what signaling worker 0 says to media worker 1.
 */
#ifndef TANDEM_COMMON_RINGS_H
#define TANDEM_COMMON_RINGS_H

#include "config.h"
#include "ring.h"
#include "segment.h"

/* Threads of a role that have rings: its workers, or 1 for keepalive and cdrwriter. */
unsigned int rings_threads(const struct config *config, enum process_role role);

/* True when the message table has any message from one role to the other. */
bool rings_exist(enum process_role from, enum process_role to);

void rings_spec(struct segment_spec *spec, const struct config *config, enum process_role from, unsigned int from_thread,
                enum process_role to, unsigned int to_thread);

/* Map one end of a ring; the segment stays mapped for the life of the process. 0 or a negative errno (logged). */
int rings_producer(struct ring_producer *p, const struct config *config, enum process_role from, unsigned int from_thread,
                   enum process_role to, unsigned int to_thread);
/* `generation` (may be NULL): which life of the ring's segment this is; a consumer that keeps positions keeps it, too. */
int rings_consumer(struct ring_consumer *c, uint64_t *generation, const struct config *config, enum process_role from,
                   unsigned int from_thread, enum process_role to, unsigned int to_thread);

/* False when this message may not arrive on a ring between these roles. */
bool rings_allowed(enum process_role from, enum process_role to, uint16_t type);

#endif
