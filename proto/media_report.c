/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/media_report.h"

/* ---- figures ---- */

enum {
	PACKETS = 1,
	BYTES,
	LOST,
	JITTER_US,
	MAX_JITTER_US,
	SENT,
	MOS_X100,
	PAYLOAD_TYPE,
	DIRECTION_LAST = PAYLOAD_TYPE
};

static uint8_t *put_direction(uint8_t *to, uint32_t number, const struct call_direction_figures *figures)
{
	uint8_t *start = wire_begin(to, number), *at = start;

	at = wire_put_uint(at, PACKETS, figures->packets);
	at = wire_put_uint(at, BYTES, figures->bytes);
	at = wire_put_uint(at, LOST, figures->lost);
	at = wire_put_uint(at, JITTER_US, figures->jitter_us);
	at = wire_put_uint(at, MAX_JITTER_US, figures->max_jitter_us);
	at = wire_put_uint(at, SENT, figures->sent);
	at = wire_put_uint(at, MOS_X100, figures->mos_x100);
	at = wire_put_uint(at, PAYLOAD_TYPE, figures->payload_type);
	return wire_end(start, at);
}

uint8_t *media_statistics_put(uint8_t *to, uint32_t number, const bool has[CALL_SIDES],
			      const struct call_direction_figures figures[CALL_SIDES])
{
	uint8_t *start = wire_begin(to, number), *at = start;

	if (!has[CALLER] && !has[CALLEE])
		return to;
	for (uint32_t side = 0; side < CALL_SIDES; side++)
		if (has[side])
			at = put_direction(at, 1 + side, &figures[side]);
	return wire_end(start, at);
}

static int get_direction(struct wire_text message, struct call_direction_figures *figures)
{
	struct wire_reader reader = wire_reader(message);
	struct wire_field f;
	int found;

	while ((found = wire_next(&reader, &f)) == 1) {
		switch (f.tag) {
		case WIRE_TAG(PACKETS, WIRE_VARINT):
			figures->packets = f.value;
			break;
		case WIRE_TAG(BYTES, WIRE_VARINT):
			figures->bytes = f.value;
			break;
		case WIRE_TAG(LOST, WIRE_VARINT):
			figures->lost = f.value;
			break;
		case WIRE_TAG(JITTER_US, WIRE_VARINT):
			figures->jitter_us = (uint32_t)f.value;
			break;
		case WIRE_TAG(MAX_JITTER_US, WIRE_VARINT):
			figures->max_jitter_us = (uint32_t)f.value;
			break;
		case WIRE_TAG(SENT, WIRE_VARINT):
			figures->sent = f.value;
			break;
		case WIRE_TAG(MOS_X100, WIRE_VARINT):
			figures->mos_x100 = (uint32_t)f.value;
			break;
		case WIRE_TAG(PAYLOAD_TYPE, WIRE_VARINT):
			figures->payload_type = (uint32_t)f.value;
			break;
		default:
			if (wire_unknown(f, DIRECTION_LAST) < 0)
				return -EBADMSG;
		}
	}
	return found;
}

int media_statistics_get(struct wire_text message, bool has[CALL_SIDES],
			 struct call_direction_figures figures[CALL_SIDES])
{
	struct wire_reader reader = wire_reader(message);
	struct wire_field f;
	int found;

	while ((found = wire_next(&reader, &f)) == 1) {
		int error = 0;

		switch (f.tag) {
		case WIRE_TAG(1, WIRE_BYTES):
		case WIRE_TAG(2, WIRE_BYTES):
			has[(f.tag >> 3) - 1] = true;
			error = get_direction(wire_text(f), &figures[(f.tag >> 3) - 1]);
			break;
		default:
			error = wire_unknown(f, 2);
		}
		if (error)
			return error;
	}
	return found;
}

/* ---- messages ---- */

enum { SESSION = 1, ID, FROM_CALLEE, GENERATION, STARTED_LAST = GENERATION };
enum { STATISTICS = 3, CLOSED_LAST = STATISTICS };

uint32_t media_started_write(const struct media_started *message, uint8_t *to)
{
	uint8_t *at = wire_put_uint(to, SESSION, message->session);

	at = wire_put_fixed64(at, ID, message->id);
	at = wire_put_uint(at, FROM_CALLEE, message->from_callee);
	return (uint32_t)(wire_put_uint(at, GENERATION, message->generation) - to);
}

uint32_t media_closed_write(const struct media_closed *message, uint8_t *to)
{
	uint8_t *at = wire_put_uint(to, SESSION, message->session);

	at = wire_put_fixed64(at, ID, message->id);
	return (uint32_t)(media_statistics_put(at, STATISTICS, message->has_figures, message->figures) - to);
}

int media_started_read(struct media_started *message, const uint8_t *bytes, uint32_t len)
{
	struct wire_reader reader = wire_reader((struct wire_text){(const char *)bytes, len});
	struct wire_field f;
	int found;

	*message = (struct media_started){0};
	while ((found = wire_next(&reader, &f)) == 1) {
		switch (f.tag) {
		case WIRE_TAG(SESSION, WIRE_VARINT):
			message->session = (uint32_t)f.value;
			break;
		case WIRE_TAG(ID, WIRE_FIXED64):
			message->id = f.value;
			break;
		case WIRE_TAG(FROM_CALLEE, WIRE_VARINT):
			message->from_callee = f.value != 0;
			break;
		case WIRE_TAG(GENERATION, WIRE_VARINT):
			message->generation = (uint32_t)f.value;
			break;
		default:
			if (wire_unknown(f, STARTED_LAST) < 0)
				return -EBADMSG;
		}
	}
	return found;
}

int media_closed_read(struct media_closed *message, const uint8_t *bytes, uint32_t len)
{
	struct wire_reader reader = wire_reader((struct wire_text){(const char *)bytes, len});
	struct wire_field f;
	int found;

	*message = (struct media_closed){0};
	while ((found = wire_next(&reader, &f)) == 1) {
		int error = 0;

		switch (f.tag) {
		case WIRE_TAG(SESSION, WIRE_VARINT):
			message->session = (uint32_t)f.value;
			break;
		case WIRE_TAG(ID, WIRE_FIXED64):
			message->id = f.value;
			break;
		case WIRE_TAG(STATISTICS, WIRE_BYTES):
			error = media_statistics_get(wire_text(f), message->has_figures, message->figures);
			break;
		default:
			error = wire_unknown(f, CLOSED_LAST);
		}
		if (error)
			return error;
	}
	return found;
}
