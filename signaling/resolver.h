/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of gateways that are known by name (RFC 3263, UDP alone, so no NAPTR): with a port in the configuration A
 * and AAAA of the name, without one SRV of _sip._udp.name first, and A and AAAA with port 5060 where there is none.
 *
 * A thread of its own asks, so that no worker and no reload ever waits for a name server. Each name is asked for again
 * when its TTL (5 s to a day) is over. A look-up that fails leaves the last good addresses in force and is tried again,
 * after 5 s at first, a minute at most; an owner who says by SRV that there is no such service (target ".") is
 * believed. Questions go to one server after the other, each from a port of its own.
 */
#ifndef TANDEM_SIGNALING_RESOLVER_H
#define TANDEM_SIGNALING_RESOLVER_H

#include "common/counters.h"
#include "signaling/snapshot_signaling.h"

struct resolver;

/* Housekeeping. The row is the resolver's own. NULL: out of memory or descriptors. */
struct resolver *resolver_new(struct counter_row *counters);
/* What is to be resolved from now on: the names in this snapshot. Copies what it needs, and does not wait. 0 or
 * -ENOMEM. */
int resolver_configure(struct resolver *resolver, const struct signaling_snapshot *snapshot);
/* On this core, -1 = any. 0 or a negative errno. */
int resolver_start(struct resolver *resolver, int core);
/* Ends the thread, at once. NULL is fine. */
void resolver_free(struct resolver *resolver);

#endif
