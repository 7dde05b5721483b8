/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a datagram that arrived on a media address: where it goes on to, or why it is dropped. Decides only;
 * receiving and sending is the worker's (worker.c), so all of this runs in a unit test.
 */
#ifndef TANDEM_MEDIA_RELAY_H
#define TANDEM_MEDIA_RELAY_H

#include "common/port.h"
#include "record.h"
#include "session.h"

enum relay_action {
	RELAY_DROP,      /* already counted */
	RELAY_SEND,      /* local, remote and tos of the datagram have been rewritten */
	RELAY_KEPT,      /* taken: its source is on probation */
	RELAY_HAND_OVER, /* its port belongs to another worker; untouched */
};

enum relay_kind { RELAY_RTP, RELAY_RTCP, RELAY_UDPTL, RELAY_DTLS, RELAY_KINDS };

struct relay_verdict {
	uint16_t action;            /* enum relay_action */
	uint16_t kind;              /* enum relay_kind: of what is sent */
	unsigned int target;        /* the port to send on, or the worker to hand it to */
	struct media_leg_hot *from; /* the leg it came from, for relay_sent(); RTCP, DTLS: NULL */
	uint32_t *entry;            /* between the stages: the port map's entry */
};

/* Decide about a burst, in stages that hide each other's cache misses. count <= PORT_BURST. */
void relay_burst(struct media_core *core, struct datagram *datagrams, struct relay_verdict *verdicts,
		 unsigned int count, uint64_t now_us);

/* What the port has taken of a burst. */
struct relay_sum {
	unsigned int sent[RELAY_KINDS];
};

static inline void relay_sent(struct relay_sum *sum, const struct relay_verdict *verdict)
{
	struct media_leg_hot *from = verdict->from;

	sum->sent[verdict->kind]++;
	if (from)
		RECORD_ADD(from->sent, 1);
}

static inline void relay_count(struct media_core *core, const struct relay_sum *sum)
{
	counter_add(core->row, COUNTER_media_rtp_relayed, sum->sent[RELAY_RTP]);
	counter_add(core->row, COUNTER_media_rtcp_relayed, sum->sent[RELAY_RTCP]);
	if (sum->sent[RELAY_UDPTL])
		counter_add(core->row, COUNTER_media_udptl_relayed, sum->sent[RELAY_UDPTL]);
	if (sum->sent[RELAY_DTLS])
		counter_add(core->row, COUNTER_media_dtls_relayed, sum->sent[RELAY_DTLS]);
}

#endif
