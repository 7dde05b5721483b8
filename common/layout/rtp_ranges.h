/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who owns which RTP ports. Every media address has the whole range of its port's `rtp_ports`. It is cut into equal
 * slices, one for each media worker (whose packets they are), and each slice into equal parts, one for each signaling
 * worker (which hands them out to its calls). So neither process asks the other for a port, and a datagram's
 * destination port alone says whose it is.
 *
 * Ports come in pairs: RTP even, RTCP the next. Both legs of a call must come from the same media worker's slice.
 * What the divisions leave over at the end of a range belongs to nobody.
 */
#ifndef TANDEM_COMMON_LAYOUT_RTP_RANGES_H
#define TANDEM_COMMON_LAYOUT_RTP_RANGES_H

#include <stdint.h>

#include "common/config.h"

struct rtp_slice {
	uint16_t first;     /* even: the first RTP port; 0 when there are no pairs */
	unsigned int pairs; /* RTP ports first, first + 2, ... */
};

/* Pairs of ports in a range, from its first even port on. */
static inline unsigned int rtp_range_pairs(const struct config_range *range)
{
	unsigned int first = (range->first + 1u) & ~1u;

	return range->last > first ? (range->last - first + 1u) / 2u : 0;
}

/* All of one media worker's ports; workers = number of media workers, >= 1. */
static inline struct rtp_slice rtp_range_of_media(const struct config_range *range, unsigned int workers,
						  unsigned int worker)
{
	unsigned int pairs = rtp_range_pairs(range) / workers;
	unsigned int first = (range->first + 1u) & ~1u;

	if (pairs == 0 || worker >= workers)
		return (struct rtp_slice){0, 0};
	return (struct rtp_slice){(uint16_t)(first + 2u * pairs * worker), pairs};
}

/* The part of it that one signaling worker hands out. */
static inline struct rtp_slice rtp_range_of_signaling(const struct config_range *range, unsigned int media_workers,
						      unsigned int media_worker, unsigned int signaling_workers,
						      unsigned int signaling_worker)
{
	struct rtp_slice slice = rtp_range_of_media(range, media_workers, media_worker);
	unsigned int pairs = slice.pairs / signaling_workers;

	if (pairs == 0 || signaling_worker >= signaling_workers)
		return (struct rtp_slice){0, 0};
	return (struct rtp_slice){(uint16_t)(slice.first + 2u * pairs * signaling_worker), pairs};
}

/* The media worker that owns a local port (RTP or RTCP), or -1. */
static inline int rtp_range_owner(const struct config_range *range, unsigned int workers, uint16_t port)
{
	unsigned int pairs = rtp_range_pairs(range) / workers;
	unsigned int first = (range->first + 1u) & ~1u;

	if (pairs == 0 || port < first)
		return -1;
	unsigned int worker = (port - first) / 2u / pairs;

	return worker < workers ? (int)worker : -1;
}

#endif
