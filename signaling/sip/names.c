/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/names.h"
#include "signaling/sip/scan.h"

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
#define BLOCK        16
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

/* The names once more in rows of one size, filled up with zeros, so that they can be compared block by block. */
static const char name_rows[SIP_H_OTHER][2 * BLOCK] = {
#define HEADER(id, name, compact) [SIP_H_##id] = name,
#include "signaling/sip/header.def"
#undef HEADER
};

#ifdef __SSE2__
/* Letters A to Z to lower case, all else as it is. */
static inline __m128i lower_block(__m128i block)
{
	__m128i upper =
	    _mm_and_si128(_mm_cmpgt_epi8(block, _mm_set1_epi8('A' - 1)), _mm_cmplt_epi8(block, _mm_set1_epi8('Z' + 1)));

	return _mm_or_si128(block, _mm_and_si128(upper, _mm_set1_epi8(0x20)));
}

static inline bool block_equal(const char *a, const char *b, uint32_t len)
{
	__m128i block_a = lower_block(_mm_loadu_si128((const __m128i *)(const void *)a));
	__m128i block_b = lower_block(_mm_loadu_si128((const __m128i *)(const void *)b));
	uint32_t equal = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(block_a, block_b));

	return (~equal & ((1u << len) - 1)) == 0;
}

/* The name is followed by bytes enough to fill its last block. */
static inline bool row_equal(const char *row, const char *name, uint32_t len)
{
	if (len <= BLOCK)
		return block_equal(row, name, len);
	return block_equal(row, name, BLOCK) && block_equal(row + BLOCK, name + BLOCK, len - BLOCK);
}
#else
static inline bool row_equal(const char *row, const char *name, uint32_t len)
{
	return sip_text_equal_nocase(sip_text(row, len), sip_text(name, len));
}
#endif

enum sip_header_id sip_header_find_in(const char *at, uint32_t len, const char *end)
{
	char copy[2 * BLOCK];
	char first;

	if (len <= 1)
		return len == 1 ? find_compact(*at) : SIP_H_OTHER;
	if (len > NAME_LEN_MAX)
		return SIP_H_OTHER;
	if (end - at < 2 * BLOCK) {
		memset(copy, 0, sizeof(copy));
		at = memcpy(copy, at, len);
	}
	first = sip_lower(*at);
	for (int i = last_of_length[len] - 1; i >= 0 && header_names[i].len == len; i--)
		if (sip_lower(name_rows[i][0]) == first && row_equal(name_rows[i], at, len))
			return (enum sip_header_id)i;
	return SIP_H_OTHER;
}

enum sip_header_id sip_header_find(struct sip_text name)
{
	return sip_header_find_in(name.at, name.len, sip_text_end(name));
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
