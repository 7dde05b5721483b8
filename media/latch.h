/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a leg listens to. Packets go to the address of the SDP until valid ones arrive; where they come from then is
 * the peer, and it stays locked: a stranger who sprays the port neither hears nor is heard.
 *
 *   from exactly the signalled address    locked at once
 *   from the signalled IP, another port   locked after LATCH_PACKETS in a row
 *   from anywhere, peer behind NAT        locked after LATCH_PACKETS in a row
 *   from anywhere else                    a stranger
 *   from whom was locked before, when     heard until another is locked, and locked again after LATCH_STAYS in a row:
 *   a new SDP comes in the conversation   it talks on until the new SDP is answered, and then moves, or stays after all
 *
 * "In a row" is one source, one SSRC, rising sequence numbers; a packet of another source begins the count anew, so
 * scattered ones never add up. UDPTL has no SSRC, and repeats packets under their number, and DTLS begins its numbers
 * anew: there one source is enough. While that goes on, the signalled address wins with a single packet. Only a new SDP
 * (a raised generation) makes a locked leg learn again. RTCP follows: from the signalled RTCP address, or from any port
 * of the IP that RTP is locked to.
 */
#ifndef TANDEM_MEDIA_LATCH_H
#define TANDEM_MEDIA_LATCH_H

#include <string.h>

#include "common/layout/media_session.h"
#include "rtp/rtp.h"

#define LATCH_PACKETS  3
#define LATCH_STAYS    250 /* as a rule five seconds */
#define LATCH_MAX_STEP 16  /* between two packets in a row: a lossy path must be able to latch, too */

enum latch_verdict {
	LATCH_ACCEPT,
	LATCH_ACCEPT_SIGNALLED, /* and the leg has just been locked, to the signalled address */
	LATCH_ACCEPT_LEARNED,   /* and the leg has just been locked, to another one */
	LATCH_LEARNING,         /* on probation: keep it back */
	LATCH_STRANGER,         /* drop it */
};

static inline bool latch_same(const struct net_addr *a, const struct net_addr *b)
{
	struct {
		uint64_t ip[2];
		uint32_t rest; /* port, family and padding */
	} x, y;

	memcpy(&x, a, sizeof(*a));
	memcpy(&y, b, sizeof(*b));
	return ((x.ip[0] ^ y.ip[0]) | (x.ip[1] ^ y.ip[1]) | (x.rest ^ y.rest)) == 0;
}

/* Nobody is locked in yet. */
enum latch_verdict latch_learn(struct media_session *session, enum media_leg_index leg, const struct rtp_header *header,
			       const struct net_addr *source);

/* A valid RTP packet came to this leg's RTP port. The worker that owns the session only. */
static inline enum latch_verdict latch_rtp(struct media_session *session, enum media_leg_index leg,
					   const struct rtp_header *header, const struct net_addr *source)
{
	const struct media_leg_hot *hot = &session->hot[leg];

	if (hot->latch == LATCH_LOCKED)
		return latch_same(&hot->remote, source) ? LATCH_ACCEPT : LATCH_STRANGER;
	return latch_learn(session, leg, header, source);
}

/* A packet of a fax, or DTLS, came to this leg's RTP port. */
static inline enum latch_verdict latch_unnumbered(struct media_session *session, enum media_leg_index leg,
						  const struct net_addr *source)
{
	const struct rtp_header next = {.seq = (uint16_t)(session->cold[leg].candidate_seq + 1)};

	return latch_rtp(session, leg, &next, source);
}

/* A valid RTCP packet, or DTLS, came to this leg's RTCP port. */
enum latch_verdict latch_rtcp(struct media_session *session, enum media_leg_index leg, const struct net_addr *source);

/* A valid RTCP packet came to this leg's RTP port (rtcp-mux). */
enum latch_verdict latch_rtcp_mux(struct media_session *session, enum media_leg_index leg,
				  const struct net_addr *source);

#endif
