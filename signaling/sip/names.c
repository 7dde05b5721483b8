/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/rows.h"

/* Methods padded with zeros to a block. */
static const char method_names[SIP_METHOD_COUNT][SIP_BLOCK] = {
#define METHOD(id) [SIP_##id] = #id,
#include "signaling/sip/method.def"
#undef METHOD
};

enum sip_method sip_method_find(struct sip_text text)
{
	sip_block block;

	if (text.len == 0 || text.len >= SIP_BLOCK ||
	    text.at[text.len - 1] == '\0') /* the padding is no NUL of its own */
		return SIP_METHOD_OTHER;
	block = sip_load_part(text.at, text.len);
	for (int i = 1; i < SIP_METHOD_COUNT; i++)
		if (sip_bits((sip_block)(sip_load(method_names[i]) == block)) == SIP_BLOCK_BITS)
			return (enum sip_method)i;
	return SIP_METHOD_OTHER;
}

const char *sip_method_text(enum sip_method method)
{
	return (unsigned int)method < SIP_METHOD_COUNT ? method_names[method] : "";
}

/* Row 0 is of no name. */
const struct sip_header_row sip_header_rows[SIP_H_COUNT] = {
    {"", 0},
#define HEADER(id, name, compact) [SIP_H_##id + 1] = {name, sizeof(name) - 1},
#include "signaling/sip/header.def"
#undef HEADER
};

/*
 * Where several headers claim one place, the last one stays. For the lengths that is the point (header.def is sorted by
 * length, so the others stand right before it, the rarer ones first); for the compact forms only place 0 is claimed
 * more than once, and nobody asks for it.
 */
#pragma GCC diagnostic push
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
const uint8_t sip_header_row_of_length[SIP_HEADER_NAME_MAX + 1] = {
#define HEADER(id, name, compact) [sizeof(name) - 1] = SIP_H_##id + 1,
#include "signaling/sip/header.def"
#undef HEADER
};
const uint8_t sip_header_row_of_compact[32] = {
#define HEADER(id, name, compact) [(compact)&31] = SIP_H_##id + 1,
#include "signaling/sip/header.def"
#undef HEADER
};
#pragma GCC diagnostic pop

enum sip_header_id sip_header_find(struct sip_text name)
{
	const struct sip_header_row *row;

	if (name.len == 1)
		return sip_header_find_compact(*name.at);
	if (name.len > SIP_HEADER_NAME_MAX)
		return SIP_H_OTHER;
	for (row = sip_header_row_last(name.len); row->len == name.len && name.len; row--)
		if (sip_text_equal_nocase(sip_text(row->name, name.len), name))
			return sip_header_row_id(row);
	return SIP_H_OTHER;
}

const struct sip_header_start sip_header_starts[SIP_H_COUNT] = {
#define HEADER(id, name, compact) [SIP_H_##id] = {sizeof(name ": ") - 1, name ": "},
#include "signaling/sip/header.def"
#undef HEADER
    [SIP_H_OTHER] = {2, ": "},
};

struct sip_text sip_header_start(enum sip_header_id id)
{
	const struct sip_header_start *start = &sip_header_starts[(unsigned int)id < SIP_H_COUNT ? id : SIP_H_OTHER];

	return sip_text(start->text, start->len);
}

struct sip_text sip_header_name(enum sip_header_id id)
{
	struct sip_text start = sip_header_start(id);

	return sip_text(start.at, start.len - 2);
}

static const struct {
	uint16_t code;
	const char *reason;
} statuses[] = {
#define STATUS(code, reason) {code, reason},
#include "signaling/sip/status.def"
#undef STATUS
};

const char *sip_status_reason(unsigned int code)
{
	const char *reason = "Unknown";

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (statuses[i].code == code || statuses[i].code == code / 100 * 100)
			reason = statuses[i].reason;
		if (statuses[i].code >= code)
			break;
	}
	return reason;
}

struct sip_text sip_status_line(unsigned int code)
{
	switch (code) {
#define STATUS(code, reason)                                                                                           \
	case code:                                                                                                     \
		return SIP_TEXT("SIP/2.0 " #code " " reason "\r\n");
#include "signaling/sip/status.def"
#undef STATUS
	default:
		return SIP_TEXT("");
	}
}
