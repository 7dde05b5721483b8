/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans for a few characters, sixteen bytes at a time where the processor can (SSE2 is part of x86-64). They never
 * read outside [at, end). Private to the SIP and SDP codecs.
 */
#ifndef TANDEM_SIGNALING_SIP_SCAN_H
#define TANDEM_SIGNALING_SIP_SCAN_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The first of the three characters in [at, end), or end. Two may be the same. */
static inline const char *sip_find_any(const char *at, const char *end, char a, char b, char c)
{
#ifdef __SSE2__
	const __m128i want_a = _mm_set1_epi8(a), want_b = _mm_set1_epi8(b), want_c = _mm_set1_epi8(c);

	for (; end - at >= 16; at += 16) {
		__m128i block = _mm_loadu_si128((const __m128i *)(const void *)at);
		__m128i found = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, want_a), _mm_cmpeq_epi8(block, want_b)),
					     _mm_cmpeq_epi8(block, want_c));
		int hits = _mm_movemask_epi8(found);

		if (hits)
			return at + __builtin_ctz((unsigned int)hits);
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

#endif
