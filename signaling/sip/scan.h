/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans for a few characters, sixteen bytes at a time where the processor can (SSE2 is part of x86-64). They never
 * read outside [at, end). Private to the SIP and SDP codecs.
 */
#ifndef TANDEM_SIGNALING_SIP_SCAN_H
#define TANDEM_SIGNALING_SIP_SCAN_H

#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>

static inline __m128i sip_load16(const char *at)
{
	return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* One bit for each byte of the block that is c, the first byte's bit the lowest. */
static inline uint32_t sip_bits_of(__m128i block, char c)
{
	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8(c)));
}
#endif

/* The first of the three characters in [at, end), or end. Two may be the same. */
static inline const char *sip_find_any(const char *at, const char *end, char a, char b, char c)
{
#ifdef __SSE2__
	for (; end - at >= 16; at += 16) {
		__m128i block = sip_load16(at);
		uint32_t hits = sip_bits_of(block, a) | sip_bits_of(block, b) | sip_bits_of(block, c);

		if (hits)
			return at + __builtin_ctz(hits);
	}
#endif
	while (at < end && *at != a && *at != b && *at != c)
		at++;
	return at;
}

/* The first CR or LF in [at, end), or end. */
static inline const char *sip_find_eol(const char *at, const char *end)
{
	return sip_find_any(at, end, '\r', '\n', '\n');
}

/*
 * The line ends of a text, asked for from front to back, so that each byte is looked at once: 64 of them become a mask
 * with a bit for each CR and LF, and the lines in them take their ends from it.
 */
struct sip_eols {
	const char *end;
	const char *masked; /* behind the 64 bytes that the mask is of */
	uint64_t mask;      /* bit 0 is the first of them */
};

static inline void sip_eols_init(struct sip_eols *eols, const char *at, const char *end)
{
	*eols = (struct sip_eols){.end = end, .masked = at, .mask = 0};
}

#ifdef __SSE2__
static inline uint64_t sip_eol_bits(const char *at)
{
	__m128i block = sip_load16(at);

	return sip_bits_of(block, '\r') | sip_bits_of(block, '\n');
}
#endif

/* Nothing is left in the mask at or behind `from`: look further. */
static const char *sip_eols_refill(struct sip_eols *eols, const char *from)
{
	if (from < eols->masked)
		from = eols->masked;
#ifdef __SSE2__
	for (; eols->end - from >= 64; from += 64) {
		eols->mask = sip_eol_bits(from) | sip_eol_bits(from + 16) << 16 | sip_eol_bits(from + 32) << 32 |
			     sip_eol_bits(from + 48) << 48;
		eols->masked = from + 64;
		if (eols->mask)
			return from + __builtin_ctzll(eols->mask);
	}
#endif
	return sip_find_eol(from, eols->end);
}

/* The first CR or LF at or behind `from`, which never goes back; or the end. */
static inline const char *sip_eols_next(struct sip_eols *eols, const char *from)
{
	uint64_t ahead = from < eols->masked ? eols->mask >> (64 - (eols->masked - from)) : 0;

	return ahead ? from + __builtin_ctzll(ahead) : sip_eols_refill(eols, from);
}

#endif
