/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans for a few characters, sixteen bytes at a time, by the compiler's vector types (SSE2 is part of x86-64). They
 * never read outside [at, end). For the SIP and SDP codecs, and for who looks at datagrams before them.
 */
#ifndef TANDEM_SIGNALING_SIP_SCAN_H
#define TANDEM_SIGNALING_SIP_SCAN_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SIP_BLOCK      16
#define SIP_BLOCK_BITS 0xffffu

typedef uint8_t sip_block __attribute__((vector_size(SIP_BLOCK)));
typedef uint64_t sip_words __attribute__((vector_size(SIP_BLOCK)));

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte of a text is the lowest of a word");

static inline sip_block sip_load(const char *at)
{
	sip_block block;

	memcpy(&block, at, sizeof(block));
	return block;
}

static inline uint64_t sip_load8(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint32_t sip_load4(const char *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* One to seven bytes, and zeros behind them. Loads overlap, for there may be nothing behind the text. */
static inline uint64_t sip_load_short(const char *at, size_t n)
{
	if (n >= 4)
		return sip_load4(at) | (uint64_t)sip_load4(at + n - 4) << 8 * (n - 4);
	return (uint64_t)(uint8_t)at[0] | (uint64_t)(uint8_t)at[n / 2] << 8 * (n / 2) |
	       (uint64_t)(uint8_t)at[n - 1] << 8 * (n - 1);
}

/* n bytes, fewer than sixteen, and zeros behind them; only zeros for none, or fewer. */
static inline sip_block sip_load_part(const char *at, ptrdiff_t n)
{
	uint64_t low = 0, high = 0;

	if (n >= 8) {
		low = sip_load8(at);
		high = sip_load8(at + n - 8) >> 8 >> 8 * (15 - n); /* none of it when n is 8 */
	} else if (n > 0) {
		low = sip_load_short(at, (size_t)n);
	}
	return (sip_block)(sip_words){low, high};
}

/* The block at `at`; what lies behind the end reads as zeros. */
static inline sip_block sip_load_upto(const char *at, const char *end)
{
	return end - at >= SIP_BLOCK ? sip_load(at) : sip_load_part(at, end - at);
}

/* Bytes of all ones where the condition holds. */
static inline sip_block sip_is(sip_block block, uint8_t c)
{
	return (sip_block)(block == c);
}

static inline sip_block sip_is_upto(sip_block block, uint8_t highest)
{
	return (sip_block)(block <= highest);
}

static inline sip_block sip_is_within(sip_block block, uint8_t lowest, uint8_t highest)
{
	return (sip_block)(block - lowest <= (uint8_t)(highest - lowest));
}

/* One bit for each byte that is all ones, the first byte's bit the lowest. */
static inline uint32_t sip_bits(sip_block block)
{
#ifdef __SSE2__
	return (uint32_t)_mm_movemask_epi8((__m128i)block);
#else
	uint32_t bits = 0;

	for (int i = 0; i < SIP_BLOCK; i++)
		bits |= (uint32_t)(block[i] >> 7) << i;
	return bits;
#endif
}

static inline uint32_t sip_bits_of(sip_block block, char c)
{
	return sip_bits(sip_is(block, (uint8_t)c));
}

/* The first of the three characters in [at, end), or end. Two may be the same; none is NUL, unless it is the first. */
static inline const char *sip_find_any(const char *at, const char *end, char a, char b, char c)
{
	for (; at < end; at += SIP_BLOCK) {
		sip_block block = sip_load_upto(at, end);
		uint32_t hits =
		    sip_bits(sip_is(block, (uint8_t)a) | sip_is(block, (uint8_t)b) | sip_is(block, (uint8_t)c));

		if (hits)
			return at + __builtin_ctz(hits);
	}
	return end;
}

static inline const char *sip_find(const char *at, const char *end, char c)
{
	return sip_find_any(at, end, c, c, c);
}

/* The first CR or LF in [at, end), or end. */
static inline const char *sip_find_eol(const char *at, const char *end)
{
	return sip_find_any(at, end, '\r', '\n', '\n');
}

/* A bit for each CR and LF of the 64 bytes at `at`, the first byte's the lowest; those behind the end have none. */
static inline uint64_t sip_eol_mask(const char *at, const char *end)
{
	uint64_t mask = 0;

	for (int i = 0; i < 4; i++) {
		sip_block block = end - at >= 64 ? sip_load(at + 16 * i) : sip_load_upto(at + 16 * i, end);

		mask |= (uint64_t)sip_bits(sip_is(block, '\r') | sip_is(block, '\n')) << 16 * i;
	}
	return mask;
}

#endif
