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

/* What is no SIP_C_URI: white space and controls, quotes, angle brackets. */
static inline sip_block sip_is_no_uri(sip_block block)
{
	/* '"' is ' ' and one more bit, '<' and '>' differ in one bit. */
	return sip_is_upto(block & (uint8_t) ~('"' ^ ' '), ' ') | sip_is(block | (uint8_t)('<' ^ '>'), '>') |
	       sip_is(block, 0x7f);
}

/* And no SIP_C_VALUE: semicolon and comma too. */
static inline sip_block sip_is_no_value(sip_block block)
{
	return sip_is_no_uri(block) | sip_is(block, ';') | sip_is(block, ',');
}

static inline sip_block sip_is_letter(sip_block block)
{
	return sip_is_within(block | 0x20, 'a', 'z');
}

static inline sip_block sip_is_no_host(sip_block block)
{
	sip_block digit_dot_hyphen = sip_is_within(block, '-', '9') & ~sip_is(block, '/');

	return ~(digit_dot_hyphen | sip_is_letter(block) | sip_is(block, '_'));
}

/* sip_skip_class() of SIP_C_URI, by blocks: these run long. A block's padding ends every run. */
static inline const char *sip_skip_uri(const char *at, const char *end)
{
	uint32_t stops;

	while ((stops = sip_bits(sip_is_no_uri(sip_load_upto(at, end)))) == 0)
		at += SIP_BLOCK;
	return at + __builtin_ctz(stops);
}

/* And of SIP_C_VALUE, which also ends at a semicolon and a comma. */
static inline const char *sip_skip_value(const char *at, const char *end)
{
	uint32_t stops;

	while ((stops = sip_bits(sip_is_no_value(sip_load_upto(at, end)))) == 0)
		at += SIP_BLOCK;
	return at + __builtin_ctz(stops);
}

static inline const char *sip_skip_host(const char *at, const char *end)
{
	uint32_t stops;

	while ((stops = sip_bits(sip_is_no_host(sip_load_upto(at, end)))) == 0)
		at += SIP_BLOCK;
	return at + __builtin_ctz(stops);
}

/* sip_skip_class() for a name, which begins with letters and nearly always has nothing else. */
static inline const char *sip_skip_name(const char *at, const char *end, unsigned int classes)
{
	uint32_t stops = sip_bits(~sip_is_letter(sip_load_upto(at, end)));

	return sip_skip_class(stops ? at + __builtin_ctz(stops) : at + SIP_BLOCK, end, classes);
}

/* at stands on an opening quote: the place behind the closing one, or NULL. Backslash pairs are skipped. */
static inline const char *sip_skip_quoted(const char *at, const char *end)
{
	for (at++; (at = sip_find_any(at, end, '"', '\\', '\\')) < end; at += 2)
		if (*at == '"')
			return at + 1;
	return NULL;
}

#endif
