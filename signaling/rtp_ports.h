/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RTP ports this signaling worker may hand out (common/layout/rtp_ranges.h): for each address of the media
 * process and each media worker a queue of free pairs; what is given back is used again last. Addresses are used in
 * the order of the configuration, the next one when those before it are full. One thread's.
 */
#ifndef TANDEM_SIGNALING_RTP_PORTS_H
#define TANDEM_SIGNALING_RTP_PORTS_H

#include "common/config.h"
#include "common/layout/call_record.h"

struct rtp_ports;

/* NULL: out of memory. */
struct rtp_ports *rtp_ports_new(const struct config *config, unsigned int worker, unsigned int workers,
				unsigned int media_workers);
void rtp_ports_free(struct rtp_ports *ports);

/*
 * A pair on an address of this family: on the network named (NULL = any; another one where that has none).
 * Returns 0, -EADDRNOTAVAIL (no address of this family) or -ENOBUFS (all in use).
 */
int rtp_ports_take(struct rtp_ports *ports, unsigned int media_worker, const char *network, enum net_family family,
		   struct net_addr *local);
/* A pair taken before; one that is not ours is ignored. */
void rtp_ports_give(struct rtp_ports *ports, unsigned int media_worker, const struct net_addr *local);
/*
 * At start, before any rtp_ports_take(): this pair is in use by a call that stands. foreign: its record, when the call
 * is another worker's (their number has changed): that one can't give back what is ours now, so we look whether the
 * record still has it. NULL: the call is our own.
 */
void rtp_ports_mark(struct rtp_ports *ports, unsigned int media_worker, const struct net_addr *local,
		    const struct call_record *foreign);

#endif
