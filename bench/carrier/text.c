/* SPDX-License-Identifier: Apache-2.0 */
/* Just enough SIP and SDP reading for a well-behaved peer; independent of the switch's own codec on purpose. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "carrier.h"

int text_status(const char *text, size_t len)
{
	return len > 12 && memcmp(text, "SIP/2.0 ", 8) == 0 ? atoi(text + 8) : 0;
}

/* The line after `at`, its end in *end; NULL after the last header. */
static const char *next_line(const char *at, const char *stop, const char **end)
{
	const char *newline = memchr(at, '\n', (size_t)(stop - at));

	if (!newline || newline + 1 >= stop || newline[1] == '\r')
		return NULL;
	at = newline + 1;
	newline = memchr(at, '\n', (size_t)(stop - at));
	*end = newline ? newline : stop;
	if (*end > at && (*end)[-1] == '\r')
		(*end)--;
	return at;
}

static const char *header_value(const char *line, const char *end, const char *name, const char *compact)
{
	const char *colon = memchr(line, ':', (size_t)(end - line));
	size_t len;

	if (!colon)
		return NULL;
	for (len = (size_t)(colon - line); len > 0 && line[len - 1] == ' '; len--)
		;
	if (!(len == strlen(name) && strncasecmp(line, name, len) == 0) &&
	    !(compact && len == strlen(compact) && strncasecmp(line, compact, len) == 0))
		return NULL;
	for (colon++; colon < end && *colon == ' '; colon++)
		;
	return colon;
}

bool text_header(const char *text, size_t len, const char *name, const char *compact, char *out, size_t size)
{
	const char *end, *value;

	for (const char *line = text; (line = next_line(line, text + len, &end));) {
		value = header_value(line, end, name, compact);
		if (value && (size_t)(end - value) < size) {
			memcpy(out, value, (size_t)(end - value));
			out[end - value] = 0;
			return true;
		}
	}
	*out = 0;
	return false;
}

/* Every header of that name as "Name: value\r\n", in order; returns the length. */
size_t text_all_headers(const char *text, size_t len, const char *name, const char *compact, char *out, size_t size)
{
	const char *end, *value;
	size_t used = 0;

	for (const char *line = text; (line = next_line(line, text + len, &end));) {
		value = header_value(line, end, name, compact);
		if (value && used + strlen(name) + (size_t)(end - value) + 5 < size)
			used +=
			    (size_t)snprintf(out + used, size - used, "%s: %.*s\r\n", name, (int)(end - value), value);
	}
	out[used < size ? used : size - 1] = 0;
	return used;
}

/* How much of the text is one value: up to a comma that is in neither a quoted string nor an address. */
static size_t value_length(const char *at, const char *end)
{
	bool quoted = false, address = false;
	const char *start = at;

	for (; at < end && (quoted || address || *at != ','); at++) {
		if (quoted && *at == '\\' && at + 1 < end)
			at++;
		else if (*at == '"' && !address)
			quoted = !quoted;
		else if (!quoted && (*at == '<' || *at == '>'))
			address = *at == '<';
	}
	return (size_t)(at - start);
}

/* The values of every header of that name, in order; returns how many. One that is too long ends it. */
int text_values(const char *text, size_t len, const char *name, const char *compact, char values[][TEXT_MAX], int max)
{
	const char *end, *value;
	int count = 0;
	size_t n;

	for (const char *line = text; (line = next_line(line, text + len, &end));) {
		for (value = header_value(line, end, name, compact); value && value < end && count < max;) {
			n = value_length(value, end);
			if (n >= TEXT_MAX)
				return count;
			memcpy(values[count], value, n);
			values[count++][n] = 0;
			for (value += n; value < end && (*value == ',' || *value == ' '); value++)
				;
		}
	}
	return count;
}

bool text_parameter(const char *value, const char *name, char *out, size_t size)
{
	size_t len = strlen(name), n;

	for (const char *at = strchr(value, ';'); at; at = strchr(at + 1, ';')) {
		if (strncasecmp(at + 1, name, len) != 0 || at[1 + len] != '=')
			continue;
		at += len + 2;
		n = strcspn(at, ";,> \t");
		if (n >= size)
			return false;
		memcpy(out, at, n);
		out[n] = 0;
		return true;
	}
	return false;
}

bool text_uri(const char *name_addr, char *out, size_t size)
{
	const char *open = strchr(name_addr, '<');
	size_t n;

	if (open)
		n = strcspn(++open, ">");
	else
		n = strcspn(open = name_addr, ";, ");
	if (n == 0 || n >= size)
		return false;
	memcpy(out, open, n);
	out[n] = 0;
	return true;
}

/* Where the peer wants audio: the session's c= line and the first m= line. */
bool text_sdp_endpoint(const char *text, size_t len, union endpoint *out)
{
	const char *body = memmem(text, len, "\r\n\r\n", 4);
	const char *c, *m;
	char host[64];
	size_t n;

	if (!body)
		return false;
	len -= (size_t)(body - text);
	c = memmem(body, len, "\nc=IN IP", 8);
	m = memmem(body, len, "\nm=audio ", 9);
	if (!c || !m)
		return false;
	memset(out, 0, sizeof(*out));
	n = strcspn(c + 10, "\r\n/ ");
	if (n >= sizeof(host))
		return false;
	memcpy(host, c + 10, n);
	host[n] = 0;
	if (c[8] == '6') {
		out->in6.sin6_family = AF_INET6;
		out->in6.sin6_port = htons((uint16_t)atoi(m + 9));
		return inet_pton(AF_INET6, host, &out->in6.sin6_addr) == 1;
	}
	out->in.sin_family = AF_INET;
	out->in.sin_port = htons((uint16_t)atoi(m + 9));
	return inet_pton(AF_INET, host, &out->in.sin_addr) == 1;
}
