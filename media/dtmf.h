/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 4733 digits: relayed like any packet, and told to signaling once each, with their duration, when they end. A
 * digit whose end packets are all lost ends with the next digit, with audio well after it, or with the session.
 */
#ifndef TANDEM_MEDIA_DTMF_H
#define TANDEM_MEDIA_DTMF_H

#include "rtp/rtp.h"
#include "session.h"

/* A packet of the leg's dtmf_payload_type. */
void dtmf_packet(struct media_core *core, uint32_t slot, enum media_leg_index leg, const struct rtp_header *header,
		 const uint8_t *data);

/* Another packet while MEDIA_DIGIT is set in the leg's flags. */
void dtmf_audio(struct media_core *core, uint32_t slot, enum media_leg_index leg, const struct rtp_header *header);

/* The session ends. */
void dtmf_flush(struct media_core *core, uint32_t slot);

#endif
