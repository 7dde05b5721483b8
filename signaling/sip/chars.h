/* SPDX-License-Identifier: Apache-2.0 */
/* Character classes of the SIP grammar (RFC 3261 section 25.1) and scans built on them. Private to the codec. */
#ifndef TANDEM_SIGNALING_SIP_CHARS_H
#define TANDEM_SIGNALING_SIP_CHARS_H

#include "signaling/sip/scan.h"
#include "signaling/sip/text.h"

enum {
	SIP_C_TOKEN = 1, /* token */
	SIP_C_PARAM = 2, /* a parameter's name or value inside a URI (escapes included) */
	SIP_C_VALUE = 4, /* an unquoted parameter value in a header: what ends it is ; , " < > and white space */
	SIP_C_URI = 8,   /* may stand in a URI at all: no controls, white space, quotes or angle brackets */
	SIP_C_HOST = 16, /* host name, IPv4 address */
	SIP_C_DIGIT = 32,
	SIP_C_HEX = 64,
	SIP_C_ALPHA = 128,
};

extern const uint8_t sip_chars[256];

static inline bool sip_char_is(char c, unsigned int classes)
{
	return (sip_chars[(unsigned char)c] & classes) != 0;
}

static inline const char *sip_skip_class(const char *at, const char *end, unsigned int classes)
{
	while (at < end && sip_char_is(*at, classes))
		at++;
	return at;
}

#ifdef __SSE2__
/* Bits of what is no SIP_C_URI: white space, controls, quotes, angle brackets. */
static inline uint32_t sip_bits_no_uri(__m128i block)
{
	__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(' ')), block);

	return (uint32_t)_mm_movemask_epi8(low) | sip_bits_of(block, 0x7f) | sip_bits_of(block, '"') |
	       sip_bits_of(block, '<') | sip_bits_of(block, '>');
}
#endif

/* sip_skip_class() of SIP_C_URI, by blocks: these run long. */
static inline const char *sip_skip_uri(const char *at, const char *end)
{
#ifdef __SSE2__
	for (; end - at >= 16; at += 16) {
		uint32_t stops = sip_bits_no_uri(sip_load16(at));

		if (stops)
			return at + __builtin_ctz(stops);
	}
#endif
	return sip_skip_class(at, end, SIP_C_URI);
}

/* And of SIP_C_VALUE, which also ends at a semicolon and a comma. */
static inline const char *sip_skip_value(const char *at, const char *end)
{
#ifdef __SSE2__
	for (; end - at >= 16; at += 16) {
		__m128i block = sip_load16(at);
		uint32_t stops = sip_bits_no_uri(block) | sip_bits_of(block, ';') | sip_bits_of(block, ',');

		if (stops)
			return at + __builtin_ctz(stops);
	}
#endif
	return sip_skip_class(at, end, SIP_C_VALUE);
}

/* at stands on an opening quote: the place behind the closing one, or NULL. Backslash pairs are skipped. */
static inline const char *sip_skip_quoted(const char *at, const char *end)
{
	for (at++; at < end; at++) {
		if (*at == '"')
			return at + 1;
		if (*at == '\\' && ++at == end)
			break;
	}
	return NULL;
}

#endif
