/* SPDX-License-Identifier: Apache-2.0 */
/* Why something ended: SIP codes, Q.850 causes (RFC 3398), the Reason header (RFC 3326). */
#include "signaling/call.h"

static const struct {
	uint16_t first, last, cause; /* RFC 3398 section 8.2.6.1 and its kin */
	enum end_reason reason;
} codes[] = {
    {300, 399, 31, END_REJECTED},        {400, 400, 41, END_REJECTED},       {401, 401, 21, END_FORBIDDEN},
    {402, 402, 21, END_REJECTED},        {403, 403, 21, END_FORBIDDEN},      {404, 404, 1, END_NOT_FOUND},
    {405, 405, 63, END_REJECTED},        {406, 406, 79, END_REJECTED},       {407, 407, 21, END_FORBIDDEN},
    {408, 408, 102, END_REJECTED},       {410, 410, 22, END_NOT_FOUND},      {415, 415, 79, END_REJECTED},
    {413, 416, 127, END_REJECTED},       {420, 423, 127, END_REJECTED},      {480, 480, 18, END_REJECTED},
    {481, 481, 41, END_REJECTED},        {482, 483, 25, END_REJECTED},       {484, 484, 28, END_NOT_FOUND},
    {485, 485, 1, END_REJECTED},         {486, 486, 17, END_BUSY},           {487, 487, 16, END_REJECTED},
    {488, 488, 65, END_REJECTED},        {400, 499, 21, END_REJECTED},       {501, 501, 79, END_SERVER_FAILURE},
    {502, 502, 38, END_SERVER_FAILURE},  {503, 503, 41, END_SERVER_FAILURE}, {504, 504, 102, END_SERVER_FAILURE},
    {505, 513, 127, END_SERVER_FAILURE}, {500, 599, 41, END_SERVER_FAILURE}, {600, 600, 17, END_BUSY},
    {604, 604, 1, END_NOT_FOUND},        {606, 606, 65, END_GLOBAL_FAILURE}, {600, 699, 21, END_GLOBAL_FAILURE},
};
#define CODES (sizeof(codes) / sizeof(codes[0]))

enum end_reason call_reason_of(unsigned int code)
{
	for (unsigned int i = 0; i < CODES; i++)
		if (code >= codes[i].first && code <= codes[i].last)
			return codes[i].reason;
	return END_REJECTED;
}

unsigned int call_cause_of(unsigned int code)
{
	for (unsigned int i = 0; i < CODES; i++)
		if (code >= codes[i].first && code <= codes[i].last)
			return codes[i].cause;
	return 31; /* normal, unspecified */
}

void call_reason_header(unsigned int cause, unsigned int code, char *out, size_t size)
{
	struct sip_builder b;

	sip_build_init(&b, out, size - 1);
	if (code) {
		sip_build_string(&b, "SIP;cause=");
		sip_build_u32(&b, code);
		sip_build_string(&b, ", ");
	}
	sip_build_string(&b, "Q.850;cause=");
	sip_build_u32(&b, cause);
	out[b.len] = '\0';
}

/* *value: which of them says it. */
static uint8_t find_cause(const struct sip_message *message, struct sip_text *value)
{
	struct sip_reason reason;
	struct sip_values it;

	sip_values_init(&it, message, SIP_H_REASON);
	while (sip_values_next(&it, value) == 1)
		if (sip_reason_parse(&reason, *value) == 0 && sip_text_is_nocase(reason.protocol, "Q.850") &&
		    reason.cause > 0 && reason.cause < 128)
			return (uint8_t)reason.cause;
	return 0;
}

uint8_t call_told_cause(const struct sip_message *message)
{
	struct sip_text value;

	return find_cause(message, &value);
}

uint8_t call_hear_reason(struct engine *engine, const struct sip_message *message)
{
	struct sip_text line = sip_message_value(message, SIP_H_REASON), value;
	uint8_t cause = find_cause(message, &value);

	engine->calls->reason_told = line.len <= REASON_TOLD_MAX ? line : SIP_TEXT("");
	engine->calls->reason_has_cause = cause && value.at >= line.at && value.at < line.at + line.len;
	return cause;
}

void call_note_reason(struct call *call, const struct sip_message *message)
{
	call->cause_told = call_hear_reason(call->engine, message);
}

unsigned int call_failed_with(const struct call_record *record)
{
	return record->sip_code >= 300 ? record->sip_code : 0;
}

struct sip_text call_reason_text(const struct engine *engine, unsigned int cause, unsigned int code,
				 char out[static REASON_MAX])
{
	struct sip_text told = engine->calls->reason_told;
	struct sip_builder b;

	if (!told.len) {
		call_reason_header(cause, code, out, REASON_MAX);
		return sip_text_of(out);
	}
	if (engine->calls->reason_has_cause)
		return told;
	sip_build_init(&b, out, REASON_MAX);
	sip_build_text(&b, told);
	sip_build_string(&b, ", Q.850;cause=");
	sip_build_u32(&b, cause);
	return sip_text(out, b.len);
}
