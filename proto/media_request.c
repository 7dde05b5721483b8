/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/media_request.h"

#include "common/config.h"

#define CLOCK_RATE_MAX    384000
#define SILENCE_LIMIT_MAX (86400u * 1000u)
#define PAYLOAD_TYPE_MAX  127u
#define DIRECTION_MAX     3u

/* ---- a leg ---- */

enum {
	LOCAL = 1,
	REMOTE,
	REMOTE_RTCP,
	BEHIND_NAT,
	DIRECTION,
	PAYLOAD_TYPE,
	CLOCK_RATE,
	DTMF_PAYLOAD_TYPE,
	GENERATION,
	UDPTL,
	ENCRYPTED,
	LEG_LAST = ENCRYPTED
};

static uint8_t *put_leg(uint8_t *to, uint32_t number, const struct media_leg_request *leg)
{
	uint8_t *start = wire_begin(to, number), *at = start;

	at = wire_put_address(at, LOCAL, &leg->local);
	at = wire_put_address(at, REMOTE, &leg->remote);
	at = wire_put_address(at, REMOTE_RTCP, &leg->remote_rtcp);
	at = wire_put_uint(at, BEHIND_NAT, leg->behind_nat);
	at = wire_put_uint(at, DIRECTION, leg->direction);
	at = wire_put_uint(at, PAYLOAD_TYPE, leg->payload_type);
	at = wire_put_uint(at, CLOCK_RATE, leg->clock_rate);
	at = wire_put_uint(at, DTMF_PAYLOAD_TYPE, leg->dtmf_payload_type);
	at = wire_put_uint(at, GENERATION, leg->generation);
	at = wire_put_uint(at, UDPTL, leg->udptl);
	at = wire_put_uint(at, ENCRYPTED, leg->encrypted);
	return wire_end(start, at);
}

/* A number that is at most `most`. */
static int get_small(struct wire_field f, uint32_t most, uint8_t *to)
{
	uint32_t n = (uint32_t)f.value;

	*to = (uint8_t)n;
	return n <= most ? 0 : -EBADMSG;
}

static int get_leg_field(struct wire_field f, struct media_leg_request *leg)
{
	switch (f.tag) {
	case WIRE_TAG(LOCAL, WIRE_BYTES):
		return wire_get_address(wire_text(f), &leg->local);
	case WIRE_TAG(REMOTE, WIRE_BYTES):
		return wire_get_address(wire_text(f), &leg->remote);
	case WIRE_TAG(REMOTE_RTCP, WIRE_BYTES):
		return wire_get_address(wire_text(f), &leg->remote_rtcp);
	case WIRE_TAG(BEHIND_NAT, WIRE_VARINT):
		leg->behind_nat = f.value != 0;
		return 0;
	case WIRE_TAG(DIRECTION, WIRE_VARINT):
		return get_small(f, DIRECTION_MAX, &leg->direction);
	case WIRE_TAG(PAYLOAD_TYPE, WIRE_VARINT):
		return get_small(f, PAYLOAD_TYPE_MAX, &leg->payload_type);
	case WIRE_TAG(CLOCK_RATE, WIRE_VARINT):
		leg->clock_rate = (uint32_t)f.value;
		return 0;
	case WIRE_TAG(DTMF_PAYLOAD_TYPE, WIRE_VARINT):
		return get_small(f, PAYLOAD_TYPE_MAX, &leg->dtmf_payload_type);
	case WIRE_TAG(GENERATION, WIRE_VARINT):
		leg->generation = (uint32_t)f.value;
		return 0;
	case WIRE_TAG(UDPTL, WIRE_VARINT):
		leg->udptl = f.value != 0;
		return 0;
	case WIRE_TAG(ENCRYPTED, WIRE_VARINT):
		leg->encrypted = f.value != 0;
		return 0;
	}
	return wire_unknown(f, LEG_LAST);
}

static int get_leg(struct wire_text message, struct media_leg_request *leg)
{
	struct wire_reader reader = wire_reader(message);
	struct wire_field f;
	int found, error = 0;

	while (error == 0 && (found = wire_next(&reader, &f)) != 0)
		error = found < 0 ? found : get_leg_field(f, leg);
	return error;
}

/* ---- MediaOpen ---- */

enum { SESSION = 1, ID, CALLER_LEG, CALLEE_LEG, SILENCE_LIMIT_MS, SILENCE_WATCH, ANSWERED, TOS, LAST = TOS };

static uint8_t *put_open(uint8_t *to, const struct media_request *request)
{
	uint8_t *at = wire_put_uint(to, SESSION, request->slot);

	at = wire_put_fixed64(at, ID, request->id);
	at = put_leg(at, CALLER_LEG, &request->leg[0]);
	at = put_leg(at, CALLEE_LEG, &request->leg[1]);
	at = wire_put_uint(at, SILENCE_LIMIT_MS, request->silence_limit_ms);
	at = wire_put_uint(at, SILENCE_WATCH, request->silence_watch);
	at = wire_put_uint(at, ANSWERED, request->answered);
	return wire_put_uint(at, TOS, request->tos);
}

uint32_t media_open_write(const struct media_request *request, uint8_t *to)
{
	return (uint32_t)(put_open(to, request) - to);
}

uint32_t media_update_write(const struct media_request *request, uint8_t *to)
{
	uint8_t *start = wire_begin(to, 1);

	return (uint32_t)(wire_end(start, put_open(start, request)) - to);
}

static int get_open_field(struct wire_field f, struct media_request *request, unsigned int *legs)
{
	switch (f.tag) {
	case WIRE_TAG(SESSION, WIRE_VARINT):
		request->slot = (uint32_t)f.value;
		return 0;
	case WIRE_TAG(ID, WIRE_FIXED64):
		request->id = f.value;
		return 0;
	case WIRE_TAG(CALLER_LEG, WIRE_BYTES):
	case WIRE_TAG(CALLEE_LEG, WIRE_BYTES):
		*legs |= 1u << ((f.tag >> 3) - CALLER_LEG);
		return get_leg(wire_text(f), &request->leg[(f.tag >> 3) - CALLER_LEG]);
	case WIRE_TAG(SILENCE_LIMIT_MS, WIRE_VARINT):
		request->silence_limit_ms = (uint32_t)f.value;
		return 0;
	case WIRE_TAG(SILENCE_WATCH, WIRE_VARINT):
		return get_small(f, SILENCE_EITHER, &request->silence_watch);
	case WIRE_TAG(ANSWERED, WIRE_VARINT):
		request->answered = f.value != 0;
		return 0;
	case WIRE_TAG(TOS, WIRE_VARINT):
		return get_small(f, UINT8_MAX, &request->tos);
	}
	return wire_unknown(f, LAST);
}

/* What the sender leaves to be understood. */
static void complete_leg(struct media_leg_request *leg)
{
	if (leg->remote_rtcp.family == NET_NONE && leg->remote.family != NET_NONE && leg->remote.port < UINT16_MAX) {
		leg->remote_rtcp = leg->remote;
		leg->remote_rtcp.port++;
	}
	if (leg->clock_rate > CLOCK_RATE_MAX) /* it comes from the peer's SDP */
		leg->clock_rate = 0;
}

static int get_open(struct wire_reader reader, struct media_request *request, unsigned int *legs)
{
	struct wire_field f;
	int found, error = 0;

	while (error == 0 && (found = wire_next(&reader, &f)) != 0)
		error = found < 0 ? found : get_open_field(f, request, legs);
	return error;
}

static int check_open(struct media_request *request, unsigned int legs)
{
	if (legs != 3 || request->silence_limit_ms > SILENCE_LIMIT_MAX)
		return -EBADMSG;
	complete_leg(&request->leg[0]);
	complete_leg(&request->leg[1]);
	return 0;
}

int media_open_read(struct media_request *request, const uint8_t *bytes, uint32_t len)
{
	unsigned int legs = 0;

	*request = (struct media_request){0};
	int error = get_open(wire_reader((struct wire_text){(const char *)bytes, len}), request, &legs);

	return error ? error : check_open(request, legs);
}

int media_update_read(struct media_request *request, const uint8_t *bytes, uint32_t len)
{
	struct wire_reader reader = wire_reader((struct wire_text){(const char *)bytes, len});
	struct wire_field f;
	unsigned int legs = 0;
	int found, error = 0;

	*request = (struct media_request){0};
	while (error == 0 && (found = wire_next(&reader, &f)) != 0)
		error = found < 0                          ? found
			: f.tag == WIRE_TAG(1, WIRE_BYTES) ? get_open(wire_reader(wire_text(f)), request, &legs)
							   : wire_unknown(f, 1);
	return error ? error : check_open(request, legs);
}

/* ---- MediaClose ---- */

uint32_t media_close_write(const struct media_close *message, uint8_t *to)
{
	uint8_t *at = wire_put_uint(to, SESSION, message->session);

	return (uint32_t)(wire_put_fixed64(at, ID, message->id) - to);
}

int media_close_read(struct media_close *message, const uint8_t *bytes, uint32_t len)
{
	struct wire_reader reader = wire_reader((struct wire_text){(const char *)bytes, len});
	struct wire_field f;
	int found;

	*message = (struct media_close){0};
	while ((found = wire_next(&reader, &f)) == 1) {
		if (f.tag == WIRE_TAG(SESSION, WIRE_VARINT))
			message->session = (uint32_t)f.value;
		else if (f.tag == WIRE_TAG(ID, WIRE_FIXED64))
			message->id = f.value;
		else if (wire_unknown(f, ID) < 0)
			return -EBADMSG;
	}
	return found;
}
