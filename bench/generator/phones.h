/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Phones by the million, each with an address of its own behind NAT: they register with digest, and then only listen.
 * Each HELLO is compared with the slot that the first one has set for its endpoint.
 */
#ifndef TANDEM_GENERATOR_PHONES_H
#define TANDEM_GENERATOR_PHONES_H

#include "histogram.h"
#include "sip_view.h"
#include "stats.h"

struct datagram;
struct generator;

struct phone_counts {
	tally asked, registered, refused, timed_out, hellos, endpoints_heard, missed, foreign;
	struct histogram deviation;
};

int phones_init(struct generator *g);
void phones_fini(struct generator *g);
/* The next phone registers, which was due at due_ns. False: all have begun to. */
bool phones_register(struct generator *g, uint64_t due_ns);
/* A datagram to phone number `index`. */
void phones_receive(struct generator *g, uint32_t index, const struct datagram *d);
const struct phone_counts *phones_counts(const struct generator *g);
/* Endpoints whose next HELLO is overdue by more than half a period; once, at the end. */
void phones_finish(struct generator *g);

#endif
