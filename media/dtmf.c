/* SPDX-License-Identifier: Apache-2.0 */
#include "dtmf.h"

enum dtmf_state { DTMF_NONE, DTMF_DIGIT, DTMF_TOLD };

static void digit_end(struct media_core *core, uint32_t slot, enum media_leg_index leg)
{
	struct media_leg_hot *hot = &core->session[slot].hot[leg];
	struct media_leg_cold *cold = &core->session[slot].cold[leg];
	uint32_t duration_ms = cold->dtmf_duration * 1000u / hot->clock_rate;

	cold->dtmf_state = DTMF_TOLD;
	hot->flags &= (uint8_t)~MEDIA_DIGIT;
	if (core->notify->dtmf(core, slot, leg, rtp_event_digit(cold->dtmf_event), duration_ms))
		counter_inc(core->row, COUNTER_media_dtmf);
	else
		counter_inc(core->row, COUNTER_media_dtmf_lost);
}

/* A key held for long comes in segments, each with the time stamp where the one before ended (RFC 4733 2.5.1.3). */
static bool is_next_segment(const struct media_leg_cold *cold, const struct rtp_header *header,
			    const struct rtp_event *event)
{
	return cold->dtmf_state == DTMF_DIGIT && !header->marker && event->event == cold->dtmf_event &&
	       header->timestamp == cold->dtmf_timestamp + cold->dtmf_duration;
}

void dtmf_packet(struct media_core *core, uint32_t slot, enum media_leg_index leg, const struct rtp_header *header,
		 const uint8_t *data)
{
	struct media_leg_hot *hot = &core->session[slot].hot[leg];
	struct media_leg_cold *cold = &core->session[slot].cold[leg];
	struct rtp_event event;
	int32_t ahead = (int32_t)(header->timestamp - cold->dtmf_timestamp);

	if (hot->flags & MEDIA_ENCRYPTED)
		return; /* what is pressed is between the two */
	if (rtp_event_parse(&event, data + header->payload, header->payload_len) || !rtp_event_digit(event.event))
		return;
	if (cold->dtmf_state != DTMF_NONE && header->ssrc == hot->ssrc && ahead < 0 &&
	    ahead > -(int32_t)hot->clock_rate)
		return; /* late, of a digit before this one */
	if (is_next_segment(cold, header, &event)) {
		cold->dtmf_timestamp = header->timestamp;
	} else if (cold->dtmf_state == DTMF_NONE || ahead != 0) {
		if (cold->dtmf_state == DTMF_DIGIT)
			digit_end(core, slot, leg);
		cold->dtmf_timestamp = header->timestamp;
		cold->dtmf_event = event.event;
		cold->dtmf_duration = 0;
		cold->dtmf_state = DTMF_DIGIT;
		hot->flags |= MEDIA_DIGIT;
	}
	if (cold->dtmf_state != DTMF_DIGIT)
		return; /* the end, said again */
	if (event.duration > cold->dtmf_duration)
		cold->dtmf_duration = event.duration;
	if (event.end)
		digit_end(core, slot, leg);
}

void dtmf_audio(struct media_core *core, uint32_t slot, enum media_leg_index leg, const struct rtp_header *header)
{
	const struct media_leg_hot *hot = &core->session[slot].hot[leg];
	const struct media_leg_cold *cold = &core->session[slot].cold[leg];
	int32_t ahead = (int32_t)(header->timestamp - cold->dtmf_timestamp - cold->dtmf_duration);

	if (ahead > (int32_t)(hot->clock_rate / 5))
		digit_end(core, slot, leg);
}

void dtmf_flush(struct media_core *core, uint32_t slot)
{
	for (unsigned int leg = 0; leg < LEG_COUNT; leg++)
		if (core->session[slot].hot[leg].flags & MEDIA_DIGIT)
			digit_end(core, slot, leg);
}
