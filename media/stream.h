/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one direction carried: sequence numbers, loss and jitter as RFC 3550 appendices A.1, A.3 and A.8 have them,
 * counted in the session's record. The worker that owns the session only.
 */
#ifndef TANDEM_MEDIA_STREAM_H
#define TANDEM_MEDIA_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/layout/media_session.h"
#include "record.h"
#include "rtp/rtp.h"

/* A step ahead beyond this, or behind beyond the other, is a jump: believed when the next packet confirms it. */
#define STREAM_MAX_DROPOUT  3000
#define STREAM_MAX_MISORDER 100

#define STREAM_WINDOW 64

/* RFC 3550 A.8. A time stamp that leaps by more than a second is a new start of the sender's clock, not jitter. */
static inline void stream_jitter(struct media_leg_hot *hot, uint32_t timestamp, uint64_t now_us, bool first)
{
	uint32_t arrival = (uint32_t)(now_us * hot->clock_rate / US_PER_S);
	uint32_t transit = arrival - timestamp;
	uint32_t d = transit - hot->transit;
	uint32_t jitter = RECORD_GET(hot->jitter);

	if ((int32_t)d < 0)
		d = 0u - d;
	hot->transit = transit;
	if (first || d > hot->clock_rate)
		return;
	jitter += d - ((jitter + 8) >> 4);
	RECORD_SET(hot->jitter, jitter);
	if (jitter > RECORD_GET(hot->max_jitter))
		RECORD_SET(hot->max_jitter, jitter);
}

/* What every valid packet changes. */
static inline void stream_count(struct media_leg_hot *hot, const struct rtp_header *header, uint32_t bytes,
				uint64_t now_us)
{
	RECORD_ADD(hot->packets, 1);
	RECORD_ADD(hot->bytes, bytes);
	RECORD_SET(hot->last_us, now_us);
	hot->payload_type = header->payload_type;
}

static inline void stream_step(struct media_leg_hot *hot, unsigned int step)
{
	RECORD_SET(hot->max_seq, RECORD_GET(hot->max_seq) + step);
	hot->window = step < STREAM_WINDOW ? hot->window << step | 1 : 1;
}

/* The stream's next packet, or one a little ahead: nearly all are. False, with nothing done: any other. */
static inline bool stream_goes_on(struct media_leg_hot *hot, const struct rtp_header *header, uint32_t bytes,
				  uint64_t now_us)
{
	uint16_t step = (uint16_t)(header->seq - (uint16_t)RECORD_GET(hot->max_seq));

	if (RECORD_GET(hot->streams) == 0 || header->ssrc != hot->ssrc || hot->jumping || step == 0 ||
	    step > STREAM_MAX_DROPOUT)
		return false;
	stream_step(hot, step);
	stream_count(hot, header, bytes, now_us);
	if (hot->clock_rate && header->payload_type != hot->dtmf_payload_type)
		stream_jitter(hot, header->timestamp, now_us, false);
	return true;
}

/* ... and all others. */
bool stream_irregular(struct media_leg_hot *hot, struct media_leg_cold *cold, const struct rtp_header *header,
		      uint32_t bytes, uint64_t now_us);

/* A valid packet of `bytes` came from this leg. True when it began a stream (a new SSRC, or a restart). */
static inline bool stream_packet(struct media_leg_hot *hot, struct media_leg_cold *cold,
				 const struct rtp_header *header, uint32_t bytes, uint64_t now_us)
{
	return !stream_goes_on(hot, header, bytes, now_us) && stream_irregular(hot, cold, header, bytes, now_us);
}

/* A packet of a fax (UDPTL) of `bytes` came: counted, and of no stream. */
static inline void stream_udptl(struct media_leg_hot *hot, struct media_leg_cold *cold, uint32_t bytes, uint64_t now_us)
{
	RECORD_ADD(hot->packets, 1);
	RECORD_ADD(hot->bytes, bytes);
	RECORD_SET(hot->last_us, now_us);
	cold->packets_before++;
	hot->udptl_packets++;
}

/*
 * Mean opinion score x 100 (100-450) by the E-model of ITU-T G.107 with default values, the equipment impairment of
 * the codec (G.113) and loss and jitter as measured; 0 when nothing was received. Burstiness of the loss and the
 * delay beyond us are not known, so it is an estimate from above.
 */
uint32_t stream_mos_x100(uint64_t packets, uint64_t lost, uint32_t jitter_us, uint8_t payload_type);

#endif
