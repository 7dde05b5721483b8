/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

/*
 * `seq` is the first of a new stream, of which `already` packets (0 or 1) have been counted. What the stream before
 * it lost is booked.
 */
static void stream_begin(struct media_leg_hot *hot, struct media_leg_cold *cold, uint16_t seq, uint32_t ssrc,
			 unsigned int already)
{
	uint64_t counted = RECORD_GET(hot->packets) - already;

	if (RECORD_GET(hot->streams)) {
		int64_t expected = (int64_t)(uint32_t)(RECORD_GET(hot->max_seq) - hot->base_seq) + 1;
		int64_t received = (int64_t)(counted - cold->packets_before);

		if (expected > received)
			RECORD_ADD(cold->lost_before, (uint64_t)(expected - received));
	}
	hot->base_seq = (uint32_t)seq - already;
	cold->packets_before = counted;
	RECORD_SET(hot->max_seq, seq);
	hot->window = already ? 3 : 1;
	hot->ssrc = ssrc;
	hot->jumping = 0;
	RECORD_ADD(hot->streams, 1);
}

/* A packet from behind the highest: true when we have it already, as far as the window reaches. */
static bool is_duplicate(struct media_leg_hot *hot, unsigned int behind)
{
	if (behind >= STREAM_WINDOW)
		return false;

	uint64_t bit = 1ull << behind;
	bool seen = (hot->window & bit) != 0;

	hot->window |= bit;
	return seen;
}

/* The jump before was a stray packet: it belongs to no stream, so it must not make up for one that was lost. */
static void jump_forget(struct media_leg_hot *hot, struct media_leg_cold *cold)
{
	hot->jumping = 0;
	cold->packets_before++;
}

bool stream_irregular(struct media_leg_hot *hot, struct media_leg_cold *cold, const struct rtp_header *header,
		      uint32_t bytes, uint64_t now_us)
{
	uint16_t step = (uint16_t)(header->seq - (uint16_t)RECORD_GET(hot->max_seq));
	bool begins = true, duplicate = false;

	if (RECORD_GET(hot->streams) == 0 || header->ssrc != hot->ssrc) {
		if (hot->jumping)
			jump_forget(hot, cold);
		stream_begin(hot, cold, header->seq, header->ssrc, 0);
	} else if (step > STREAM_MAX_DROPOUT && step < UINT16_MAX + 1 - STREAM_MAX_MISORDER) {
		if (hot->jumping && header->seq == hot->bad_seq) {
			RECORD_ADD(cold->jumps, 1);
			stream_begin(hot, cold, header->seq, header->ssrc, 1);
		} else {
			if (hot->jumping)
				jump_forget(hot, cold);
			hot->jumping = 1;
			hot->bad_seq = (uint16_t)(header->seq + 1);
			begins = false;
			duplicate = true; /* as far as the jitter is concerned */
		}
	} else {
		begins = false;
		if (hot->jumping)
			jump_forget(hot, cold);
		if (step == 0 || step > STREAM_MAX_DROPOUT) {
			duplicate = is_duplicate(hot, (uint16_t)(0u - step));
			RECORD_ADD(*(duplicate ? &cold->duplicates : &cold->reordered), 1);
		} else {
			stream_step(hot, step);
		}
	}
	stream_count(hot, header, bytes, now_us);
	if (!duplicate && hot->clock_rate && (header->payload_type != hot->dtmf_payload_type || begins))
		stream_jitter(hot, header->timestamp, now_us, begins);
	return begins;
}

/* Equipment impairment of a codec and its robustness against loss, ITU-T G.113 appendix I; by static payload type. */
static const struct codec_impairment {
	uint8_t payload_type;
	double ie, bpl;
} codec_impairments[] = {
    {0, 0, 25.1},  /* PCMU with concealment */
    {8, 0, 25.1},  /* PCMA */
    {3, 20, 43.0}, /* GSM */
    {4, 15, 16.1}, /* G.723.1 */
    {18, 11, 19.0} /* G.729 */
};

uint32_t stream_mos_x100(uint64_t packets, uint64_t lost, uint32_t jitter_us, uint8_t payload_type)
{
	double ie = 0, bpl = 25.1, r, mos;

	if (packets == 0)
		return 0;
	for (unsigned int i = 0; i < sizeof(codec_impairments) / sizeof(codec_impairments[0]); i++) {
		if (codec_impairments[i].payload_type == payload_type) {
			ie = codec_impairments[i].ie;
			bpl = codec_impairments[i].bpl;
		}
	}

	double loss = 100.0 * (double)lost / (double)(packets + lost);
	/* A receiver's buffer holds about twice the jitter; 20 ms of packet before it. */
	double delay_ms = 20 + 2 * jitter_us / 1000.0;
	double delay = 0.024 * delay_ms + (delay_ms > 177.3 ? 0.11 * (delay_ms - 177.3) : 0);

	r = 93.2 - delay - (ie + (95 - ie) * loss / (loss + bpl));
	if (r < 0)
		return 100;
	mos = 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
	return mos < 1 ? 100 : (uint32_t)(mos * 100 + 0.5);
}
