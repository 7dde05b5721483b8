/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/names.h"

static const struct sip_text method_texts[SIP_METHOD_COUNT] = {
    [SIP_METHOD_OTHER] = {"", 0},
#define METHOD(id) [SIP_##id] = SIP_TEXT_INIT(#id),
#include "signaling/sip/method.def"
#undef METHOD
};

enum sip_method sip_method_find(struct sip_text text)
{
	for (int i = 1; i < SIP_METHOD_COUNT; i++)
		if (method_texts[i].len == text.len && memcmp(method_texts[i].at, text.at, text.len) == 0)
			return (enum sip_method)i;
	return SIP_METHOD_OTHER;
}

const char *sip_method_text(enum sip_method method)
{
	return (unsigned int)method < SIP_METHOD_COUNT ? method_texts[method].at : "";
}

static const struct sip_text header_names[SIP_H_COUNT] = {
#define HEADER(id, name, compact) [SIP_H_##id] = SIP_TEXT_INIT(name),
#include "signaling/sip/header.def"
#undef HEADER
    [SIP_H_OTHER] = {"", 0},
};

/*
 * Two small indexes over header.def, made by the compiler: where several headers claim one place, the last one
 * stays. For the lengths that is the point (header.def is sorted by length, so the others stand right before it);
 * for the compact forms only place 0 is claimed more than once, and nobody asks for it.
 */
#define NAME_LEN_MAX 24
#pragma GCC diagnostic push
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
static const uint8_t last_of_length[NAME_LEN_MAX + 1] = {
#define HEADER(id, name, compact) [sizeof(name) - 1] = SIP_H_##id + 1,
#include "signaling/sip/header.def"
#undef HEADER
};
static const uint8_t by_compact[32] = {
#define HEADER(id, name, compact) [(compact)&31] = SIP_H_##id + 1,
#include "signaling/sip/header.def"
#undef HEADER
};
#pragma GCC diagnostic pop

static enum sip_header_id find_compact(char c)
{
	c = sip_lower(c);
	if (c < 'a' || c > 'z' || by_compact[c & 31] == 0)
		return SIP_H_OTHER;
	return (enum sip_header_id)(by_compact[c & 31] - 1);
}

enum sip_header_id sip_header_find(struct sip_text name)
{
	if (name.len == 1)
		return find_compact(name.at[0]);
	if (name.len == 0 || name.len > NAME_LEN_MAX)
		return SIP_H_OTHER;
	for (int i = last_of_length[name.len] - 1; i >= 0 && header_names[i].len == name.len; i--)
		if (sip_lower(header_names[i].at[0]) == sip_lower(name.at[0]) &&
		    sip_text_equal_nocase(header_names[i], name))
			return (enum sip_header_id)i;
	return SIP_H_OTHER;
}

struct sip_text sip_header_name(enum sip_header_id id)
{
	return header_names[(unsigned int)id < SIP_H_COUNT ? id : SIP_H_OTHER];
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
