/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTP of all or some calls: a packet each interval from each side, spread evenly over the interval by a wheel whose
 * hand goes round once in it, each at a time of its own. Every packet says in its payload which call and side it is
 * of, and when it was due.
 */
#ifndef TANDEM_GENERATOR_RTP_H
#define TANDEM_GENERATOR_RTP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"

struct call;
struct datagram;
struct generator;

#define RTP_SPOKES 256

enum side { SIDE_CALLER, SIDE_CALLEE };

/* One side's sending and receiving. */
struct stream {
	_Alignas(64) struct net_addr remote;
	uint32_t serial, ssrc, timestamp;
	uint16_t seq, next_seq; /* to send; expected */
	uint64_t seen;          /* the last 64 sequence numbers before next_seq */
	uint32_t place;         /* in its spoke */
	uint16_t spoke;
	bool running, has_remote, heard;
};

struct spoke {
	uint32_t *stream; /* indices */
	uint32_t count;
};

/* Who was told this address last. */
struct told {
	struct net_addr addr;
	uint32_t slot, serial;
};

#define TOLD 262144 /* a power of two */

struct rtp_load {
	struct told *told;     /* by a hash of the address */
	struct stream *stream; /* two for each call slot; NULL: no RTP in this scenario */
	struct spoke spoke[RTP_SPOKES];
	uint32_t spoke_size, running;
	unsigned int hand, fill;
	uint32_t progress;      /* streams of the spoke under the hand that have had their turn */
	double due_ns, step_ns; /* when the hand came to its spoke; between two spokes */
	double gap_ns;          /* between two packets of this one */
	bool paused;            /* between two stretches of the load (struct phase) */
	uint32_t endpoints, per_address;
	uint8_t *pattern; /* payload behind what is particular */
};

/* Where a side of a call receives; also for calls without RTP. */
void media_endpoint(const struct generator *g, uint32_t slot, enum side side, unsigned int *address, uint16_t *port);

/*
 * May the media address that a side was told belong to this call? Told an endpoint of ours, it has to be the other
 * side's; told a relay's, that must not be another living call's.
 */
bool media_is_plausible(struct generator *g, struct call *call, enum side side, const struct net_addr *told);

int rtp_init(struct generator *g);
void rtp_fini(struct generator *g);
/* The interval between two packets of a stream, from now on. */
void rtp_set_interval(struct generator *g, double interval_ns);
/* The SDP for this side has arrived. */
void rtp_remote(struct generator *g, struct call *call, enum side side, const struct net_addr *remote);
void rtp_start(struct generator *g, struct call *call, enum side side);
void rtp_stop(struct generator *g, struct call *call);
/* Send what is due; returns how much. */
unsigned int rtp_send(struct generator *g);
/* What has come: send for the memory that taking it will need. Not all of it has to be RTP. */
void rtp_look_ahead(const struct generator *g, const struct datagram *d, unsigned int count);
/* A datagram on a media port; frees it. */
void rtp_receive(struct generator *g, struct datagram *d, unsigned int address);

#endif
