/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/cdr_record.h"

#include "proto/media_report.h"

/* Numbers of messages.proto. */
enum {
	CALL_ID = 1,
	ATTEMPT,
	FINAL,
	NODE,
	CALLER_SIP_CALL_ID,
	CALLEE_SIP_CALL_ID,
	CALLER_NUMBER_IN,
	CALLER_NUMBER_OUT,
	CALLEE_NUMBER_IN,
	CALLEE_NUMBER_OUT,
	MAPPING_GATEWAY,
	ROUTING_GATEWAY,
	CALLER_ADDRESS,
	CALLEE_ADDRESS,
	SETUP_US,
	PROGRESS_US,
	ANSWER_US,
	END_US,
	PDD_MS,
	DURATION_US,
	SIP_CODE,
	Q850_CAUSE,
	END_DIRECTION,
	END_REASON,
	CODEC,
	MEDIA_MODE,
	MEDIA,
	LAST = MEDIA
};

#define TEXTS    11
#define TEXT_MAX 7u /* tag and length */
#define NUMBERS_MAX                                                                                                    \
	(WIRE_BOOL_MAX + 2 * WIRE_ADDRESS_MAX + 5 * (WIRE_U64_MAX + 1) + 7 * (WIRE_U32_MAX + 1) +                      \
	 MEDIA_STATISTICS_MAX + 1)

uint32_t cdr_record_room(const struct cdr_record *r)
{
	return TEXTS * TEXT_MAX + NUMBERS_MAX + WIRE_SLACK + r->call_id.len + r->node.len + r->caller_sip_call_id.len +
	       r->callee_sip_call_id.len + r->caller_number_in.len + r->caller_number_out.len +
	       r->callee_number_in.len + r->callee_number_out.len + r->mapping_gateway.len + r->routing_gateway.len +
	       r->codec.len;
}

uint32_t cdr_record_write(const struct cdr_record *r, uint8_t *to)
{
	uint8_t *at = wire_put_bytes(to, CALL_ID, r->call_id.at, r->call_id.len);

	at = wire_put_uint(at, ATTEMPT, r->attempt);
	at = wire_put_uint(at, FINAL, r->final);
	at = wire_put_text(at, NODE, r->node);
	at = wire_put_text(at, CALLER_SIP_CALL_ID, r->caller_sip_call_id);
	at = wire_put_text(at, CALLEE_SIP_CALL_ID, r->callee_sip_call_id);
	at = wire_put_text(at, CALLER_NUMBER_IN, r->caller_number_in);
	at = wire_put_text(at, CALLER_NUMBER_OUT, r->caller_number_out);
	at = wire_put_text(at, CALLEE_NUMBER_IN, r->callee_number_in);
	at = wire_put_text(at, CALLEE_NUMBER_OUT, r->callee_number_out);
	at = wire_put_text(at, MAPPING_GATEWAY, r->mapping_gateway);
	at = wire_put_text(at, ROUTING_GATEWAY, r->routing_gateway);
	at = wire_put_address(at, CALLER_ADDRESS, &r->caller_address);
	at = wire_put_address(at, CALLEE_ADDRESS, &r->callee_address);
	at = wire_put_uint(at, SETUP_US, (uint64_t)r->setup_us);
	at = wire_put_uint(at, PROGRESS_US, (uint64_t)r->progress_us);
	at = wire_put_uint(at, ANSWER_US, (uint64_t)r->answer_us);
	at = wire_put_uint(at, END_US, (uint64_t)r->end_us);
	at = wire_put_uint(at, PDD_MS, r->pdd_ms);
	at = wire_put_uint(at, DURATION_US, r->duration_us);
	at = wire_put_uint(at, SIP_CODE, r->sip_code);
	at = wire_put_uint(at, Q850_CAUSE, r->q850_cause);
	at = wire_put_uint(at, END_DIRECTION, r->end_direction);
	at = wire_put_uint(at, END_REASON, r->end_reason);
	at = wire_put_text(at, CODEC, r->codec);
	at = wire_put_uint(at, MEDIA_MODE, r->media_mode);
	return (uint32_t)(media_statistics_put(at, MEDIA, r->has_figures, r->figures) - to);
}

static int read_bytes(struct cdr_record *r, struct wire_field f)
{
	switch (f.tag >> 3) {
	case CALL_ID:
		r->call_id = wire_text(f);
		return 0;
	case NODE:
		r->node = wire_text(f);
		return 0;
	case CALLER_SIP_CALL_ID:
		r->caller_sip_call_id = wire_text(f);
		return 0;
	case CALLEE_SIP_CALL_ID:
		r->callee_sip_call_id = wire_text(f);
		return 0;
	case CALLER_NUMBER_IN:
		r->caller_number_in = wire_text(f);
		return 0;
	case CALLER_NUMBER_OUT:
		r->caller_number_out = wire_text(f);
		return 0;
	case CALLEE_NUMBER_IN:
		r->callee_number_in = wire_text(f);
		return 0;
	case CALLEE_NUMBER_OUT:
		r->callee_number_out = wire_text(f);
		return 0;
	case MAPPING_GATEWAY:
		r->mapping_gateway = wire_text(f);
		return 0;
	case ROUTING_GATEWAY:
		r->routing_gateway = wire_text(f);
		return 0;
	case CODEC:
		r->codec = wire_text(f);
		return 0;
	case CALLER_ADDRESS:
		return wire_get_address(wire_text(f), &r->caller_address);
	case CALLEE_ADDRESS:
		return wire_get_address(wire_text(f), &r->callee_address);
	case MEDIA:
		return media_statistics_get(wire_text(f), r->has_figures, r->figures);
	}
	return wire_unknown(f, LAST);
}

static int read_number(struct cdr_record *r, struct wire_field f)
{
	switch (f.tag >> 3) {
	case ATTEMPT:
		r->attempt = (uint32_t)f.value;
		return 0;
	case FINAL:
		r->final = f.value != 0;
		return 0;
	case SETUP_US:
		r->setup_us = (int64_t)f.value;
		return 0;
	case PROGRESS_US:
		r->progress_us = (int64_t)f.value;
		return 0;
	case ANSWER_US:
		r->answer_us = (int64_t)f.value;
		return 0;
	case END_US:
		r->end_us = (int64_t)f.value;
		return 0;
	case PDD_MS:
		r->pdd_ms = (uint32_t)f.value;
		return 0;
	case DURATION_US:
		r->duration_us = f.value;
		return 0;
	case SIP_CODE:
		r->sip_code = (uint32_t)f.value;
		return 0;
	case Q850_CAUSE:
		r->q850_cause = (uint32_t)f.value;
		return 0;
	case END_DIRECTION:
		r->end_direction = (uint32_t)f.value;
		return 0;
	case END_REASON:
		r->end_reason = (uint32_t)f.value;
		return 0;
	case MEDIA_MODE:
		r->media_mode = (uint32_t)f.value;
		return 0;
	}
	return wire_unknown(f, LAST);
}

int cdr_record_read(struct cdr_record *record, const uint8_t *bytes, uint32_t len)
{
	struct wire_reader reader = wire_reader((struct wire_text){(const char *)bytes, len});
	struct wire_field f;
	int found, error = 0;

	*record = (struct cdr_record){0};
	while (error == 0 && (found = wire_next(&reader, &f)) != 0)
		error = found < 0                    ? found
			: (f.tag & 7) == WIRE_BYTES  ? read_bytes(record, f)
			: (f.tag & 7) == WIRE_VARINT ? read_number(record, f)
						     : wire_unknown(f, LAST);
	return error;
}
