/* SPDX-License-Identifier: Apache-2.0 */
/* What media says to signaling in every call: MediaStarted and MediaClosed, with the figures that the CDR has, too. */
#ifndef TANDEM_PROTO_MEDIA_REPORT_H
#define TANDEM_PROTO_MEDIA_REPORT_H

#include "common/layout/call_record.h"
#include "proto/wire.h"

/* The parts of both that name the session. */
struct media_started {
	uint32_t session;
	uint64_t id;
	bool from_callee;
	uint32_t generation; /* of the leg, as in struct media_leg_request */
};

struct media_closed {
	uint32_t session;
	uint64_t id;
	bool has_figures[CALL_SIDES];
	struct call_direction_figures figures[CALL_SIDES];
};

/* Bytes to reserve for any of them; the statistics alone as a field with a number below 16. */
#define MEDIA_DIRECTION_MAX  (2u + 4 * WIRE_U64_MAX + 4 * WIRE_U32_MAX)
#define MEDIA_STATISTICS_MAX (3u + CALL_SIDES * MEDIA_DIRECTION_MAX)
#define MEDIA_REPORT_MAX     (WIRE_U32_MAX + WIRE_FIXED64_MAX + MEDIA_STATISTICS_MAX + WIRE_SLACK)

/* Each returns its length. */
uint32_t media_started_write(const struct media_started *message, uint8_t *to);
uint32_t media_closed_write(const struct media_closed *message, uint8_t *to);

/* 0 or -EBADMSG: the bytes are no such message. */
int media_started_read(struct media_started *message, const uint8_t *bytes, uint32_t len);
int media_closed_read(struct media_closed *message, const uint8_t *bytes, uint32_t len);

/* message MediaStatistics inside another; absent when it has neither side's figures. Returns where to go on. */
uint8_t *media_statistics_put(uint8_t *to, uint32_t number, const bool has[CALL_SIDES],
			      const struct call_direction_figures figures[CALL_SIDES]);
/* What the message says, over what is there. 0 or -EBADMSG. */
int media_statistics_get(struct wire_text message, bool has[CALL_SIDES],
			 struct call_direction_figures figures[CALL_SIDES]);

#endif
