/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slice of somebody else's bytes: never owned, never terminated by a zero, NUL bytes allowed inside.
 *
 * An absent value has at == NULL; an empty one has len == 0 and at set. Everything here is pure: any thread,
 * no allocation, no locale.
 */
#ifndef TANDEM_SIGNALING_SIP_TEXT_H
#define TANDEM_SIGNALING_SIP_TEXT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sip_text {
	const char *at;
	uint32_t len;
};

/* A slice over a string literal, usable as an initializer. */
#define SIP_TEXT_INIT(literal)                                                                                         \
	{                                                                                                              \
		(literal), sizeof(literal) - 1                                                                         \
	}
#define SIP_TEXT(literal) ((struct sip_text){(literal), sizeof(literal) - 1})

static inline struct sip_text sip_text(const char *at, size_t len)
{
	return (struct sip_text){at, (uint32_t)len};
}

static inline struct sip_text sip_text_of(const char *string)
{
	return (struct sip_text){string, (uint32_t)strlen(string)};
}

/* From `at` up to and excluding `end`. */
static inline struct sip_text sip_text_span(const char *at, const char *end)
{
	return (struct sip_text){at, (uint32_t)(end - at)};
}

static inline const char *sip_text_end(struct sip_text text)
{
	return text.len ? text.at + text.len : text.at;
}

static inline char sip_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool sip_text_equal(struct sip_text a, struct sip_text b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool sip_text_equal_nocase(struct sip_text a, struct sip_text b)
{
	if (a.len != b.len)
		return false;
	if (a.len == 0 || memcmp(a.at, b.at, a.len) == 0) /* the spelling of the RFCs, nearly always */
		return true;
	for (uint32_t i = 0; i < a.len; i++)
		if (a.at[i] != b.at[i] && sip_lower(a.at[i]) != sip_lower(b.at[i]))
			return false;
	return true;
}

/* With a literal these are a comparison of its length and of one or two words. */
static inline bool sip_text_is(struct sip_text text, const char *string)
{
	size_t len = strlen(string);

	return text.len == len && (len == 0 || memcmp(text.at, string, len) == 0);
}

static inline bool sip_text_is_nocase(struct sip_text text, const char *string)
{
	size_t len = strlen(string);

	if (text.len != len)
		return false;
	return len == 0 || memcmp(text.at, string, len) == 0 || sip_text_equal_nocase(text, sip_text(string, len));
}

static inline bool sip_text_starts(struct sip_text text, const char *prefix)
{
	size_t len = strlen(prefix);

	return text.len >= len && memcmp(text.at, prefix, len) == 0;
}

/* Linear white space, the line ends of folded headers among it (RFC 3261 section 25.1, LWS). */
static inline bool sip_is_lws(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline const char *sip_skip_lws(const char *at, const char *end)
{
	while (at < end && sip_is_lws(*at))
		at++;
	return at;
}

/* What stands between `at` and end without the white space around it. */
static inline struct sip_text sip_trim(const char *at, const char *end)
{
	if (at < end && *at == ' ')
		at++;
	if (at < end && (unsigned char)*at > ' ' && (unsigned char)end[-1] > ' ')
		return sip_text_span(at, end); /* as most are */
	at = sip_skip_lws(at, end);
	while (at < end && sip_is_lws(end[-1]))
		end--;
	return sip_text_span(at, end);
}

static inline struct sip_text sip_text_trim(struct sip_text text)
{
	return sip_trim(text.at, sip_text_end(text));
}

/* The whole slice as a decimal number. Returns 0, -EINVAL (empty or not only digits) or -ERANGE (over 2^32-1). */
static inline int sip_text_to_u32(struct sip_text text, uint32_t *number)
{
	const char *at = text.at, *end = sip_text_end(text);
	uint64_t sum = 0;

	if (at == end)
		return -EINVAL;
	for (; at < end; at++) {
		unsigned int digit = (unsigned char)*at - (unsigned int)'0';

		if (digit > 9)
			return -EINVAL;
		sum = sum * 10 + digit;
		if (sum > UINT32_MAX)
			sum = 1ull << 32; /* stays over, and does not wrap */
	}
	if (sum > UINT32_MAX)
		return -ERANGE;
	*number = (uint32_t)sum;
	return 0;
}

#endif
