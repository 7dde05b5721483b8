/* SPDX-License-Identifier: Apache-2.0 */
#include "latch.h"

#include <string.h>

#include "record.h"
#include "session.h"

static bool same_ip(const struct net_addr *a, const struct net_addr *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static void lock(struct media_session *session, enum media_leg_index leg, const struct net_addr *source)
{
	struct media_leg_hot *hot = &session->hot[leg];
	struct media_leg_cold *cold = &session->cold[leg];

	record_write_begin(session);
	/* A signalled RTCP address at another IP is one from behind the NAT, of no use: the usual place until RTCP
	 * comes. */
	if (cold->rtcp_latch != LATCH_LOCKED && !same_ip(&cold->rtcp_remote, source)) {
		cold->rtcp_remote = *source;
		cold->rtcp_remote.port++;
		cold->rtcp_latch = cold->rtcp_remote.port ? LATCH_SIGNALLED : LATCH_NONE;
	}
	hot->remote = *source;
	hot->latch = LATCH_LOCKED;
	cold->candidate_packets = 0;
	cold->left = (struct net_addr){0};
	record_write_end(session);
}

static bool may_learn(const struct media_leg_hot *hot, const struct net_addr *source)
{
	return (hot->flags & MEDIA_BEHIND_NAT) || (hot->latch == LATCH_SIGNALLED && same_ip(&hot->remote, source));
}

/* How many in a row this packet makes. */
static unsigned int probation(struct media_leg_cold *cold, const struct rtp_header *header,
			      const struct net_addr *source)
{
	uint16_t step = (uint16_t)(header->seq - cold->candidate_seq);

	if (cold->candidate_packets && cold->candidate_ssrc == header->ssrc && step >= 1 && step <= LATCH_MAX_STEP &&
	    latch_same(&cold->candidate, source)) {
		cold->candidate_packets++;
	} else {
		cold->candidate = *source;
		cold->candidate_ssrc = header->ssrc;
		cold->candidate_packets = 1;
	}
	cold->candidate_seq = header->seq;
	return cold->candidate_packets;
}

enum latch_verdict latch_learn(struct media_session *session, enum media_leg_index leg, const struct rtp_header *header,
			       const struct net_addr *source)
{
	const struct media_leg_hot *hot = &session->hot[leg];
	struct media_leg_cold *cold = &session->cold[leg];

	if (latch_same(&cold->left, source)) {
		if (probation(cold, header, source) < LATCH_STAYS)
			return LATCH_ACCEPT;
		lock(session, leg, source);
		return LATCH_ACCEPT_LEARNED;
	}
	if (hot->latch == LATCH_SIGNALLED && latch_same(&hot->remote, source)) {
		lock(session, leg, source);
		return LATCH_ACCEPT_SIGNALLED;
	}
	if (!may_learn(hot, source) || !session_usable_remote(source))
		return LATCH_STRANGER;
	if (probation(cold, header, source) < LATCH_PACKETS)
		return LATCH_LEARNING;
	lock(session, leg, source);
	return LATCH_ACCEPT_LEARNED;
}

enum latch_verdict latch_rtcp(struct media_session *session, enum media_leg_index leg, const struct net_addr *source)
{
	const struct media_leg_hot *hot = &session->hot[leg];
	struct media_leg_cold *cold = &session->cold[leg];
	bool exact = cold->rtcp_latch != LATCH_NONE && latch_same(&cold->rtcp_remote, source);

	if (cold->rtcp_latch == LATCH_LOCKED)
		return exact ? LATCH_ACCEPT : LATCH_STRANGER;
	if (!exact && !(hot->latch == LATCH_LOCKED && same_ip(&hot->remote, source) && session_usable_remote(source)))
		return LATCH_STRANGER;
	record_write_begin(session);
	cold->rtcp_remote = *source;
	cold->rtcp_latch = LATCH_LOCKED;
	record_write_end(session);
	return LATCH_ACCEPT;
}

enum latch_verdict latch_rtcp_mux(struct media_session *session, enum media_leg_index leg,
				  const struct net_addr *source)
{
	struct media_leg_hot *hot = &session->hot[leg];

	if (hot->latch == LATCH_NONE || !latch_same(&hot->remote, source))
		return LATCH_STRANGER;
	hot->flags |= MEDIA_RTCP_MUX;
	return LATCH_ACCEPT;
}
