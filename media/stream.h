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
#include "rtp/rtp.h"

/* A step ahead beyond this, or behind beyond the other, is a jump: believed when the next packet confirms it. */
#define STREAM_MAX_DROPOUT  3000
#define STREAM_MAX_MISORDER 100

/* A valid packet of `bytes` came from this leg. True when it began a stream (a new SSRC, or a restart). */
bool stream_packet(struct media_leg_hot *hot, struct media_leg_cold *cold, const struct rtp_header *header,
		   uint32_t bytes, uint64_t now_us);

/*
 * Mean opinion score x 100 (100-450) by the E-model of ITU-T G.107 with default values, the equipment impairment of
 * the codec (G.113) and loss and jitter as measured; 0 when nothing was received. Burstiness of the loss and the
 * delay beyond us are not known, so it is an estimate from above.
 */
uint32_t stream_mos_x100(uint64_t packets, uint64_t lost, uint32_t jitter_us, uint8_t payload_type);

#endif
