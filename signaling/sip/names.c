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

#define NAME_LEN_MAX 24
#define BLOCK        16

/* Bits for each byte of a name; the names of one length have the same. */
#define NAME_BITS(len) ((1u << (len)) - 1)

/* The names in rows of two blocks, to be compared block by block. Row 0 ends every walk: no name has its bits. */
static const struct row {
	char name[2 * BLOCK - sizeof(uint32_t)];
	uint32_t bits;
} rows[SIP_H_COUNT] = {
    {"", 0},
#define HEADER(id, name, compact) [SIP_H_##id + 1] = {name, NAME_BITS(sizeof(name) - 1)},
#include "signaling/sip/header.def"
#undef HEADER
};

/*
 * Two small indexes into the rows, made by the compiler: where several headers claim one place, the last one stays. For
 * the lengths that is the point (header.def is sorted by length, so the others stand right before it, the rarer ones
 * first); for the compact forms only place 0 is claimed more than once, and nobody asks for it.
 */
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

/* A name that is spelled unlike the RFCs, or unknown. */
static enum sip_header_id find_nocase(struct sip_text name)
{
	for (const struct row *row = &rows[last_of_length[name.len]]; row->bits == NAME_BITS(name.len); row--)
		if (sip_text_equal_nocase(sip_text(row->name, name.len), name))
			return (enum sip_header_id)(row - rows - 1);
	return SIP_H_OTHER;
}

/* The name is followed by bytes enough to fill both blocks. */
static inline bool row_equal(const struct row *row, const char *name, uint32_t len)
{
#ifdef __SSE2__
	__m128i low = _mm_cmpeq_epi8(sip_load16(row->name), sip_load16(name));
	__m128i high = _mm_cmpeq_epi8(sip_load16(row->name + BLOCK), sip_load16(name + BLOCK));
	uint32_t equal = (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << BLOCK;

	return (equal & row->bits) == row->bits;
#else
	return memcmp(row->name, name, len) == 0;
#endif
}

enum sip_header_id sip_header_find_in(const char *at, uint32_t len, const char *end)
{
	if (len <= 1)
		return len == 1 ? find_compact(*at) : SIP_H_OTHER;
	if (len > NAME_LEN_MAX)
		return SIP_H_OTHER;
	if (end - at >= 2 * BLOCK)
		for (const struct row *row = &rows[last_of_length[len]]; row->bits == NAME_BITS(len); row--)
			if (row_equal(row, at, len))
				return (enum sip_header_id)(row - rows - 1);
	return find_nocase(sip_text(at, len));
}

enum sip_header_id sip_header_find(struct sip_text name)
{
	return sip_header_find_in(name.at, name.len, sip_text_end(name));
}

static const struct sip_text header_starts[SIP_H_COUNT] = {
#define HEADER(id, name, compact) [SIP_H_##id] = SIP_TEXT_INIT(name ": "),
#include "signaling/sip/header.def"
#undef HEADER
    [SIP_H_OTHER] = SIP_TEXT_INIT(": "),
};

struct sip_text sip_header_start(enum sip_header_id id)
{
	return header_starts[(unsigned int)id < SIP_H_COUNT ? id : SIP_H_OTHER];
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
