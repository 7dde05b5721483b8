/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens of a session description: lines, words, attributes. Private to the codec. */
#ifndef TANDEM_SIGNALING_SDP_LINES_H
#define TANDEM_SIGNALING_SDP_LINES_H

#include "signaling/sip/scan.h"
#include "signaling/sip/text.h"

struct sdp_line {
	const char *start;     /* its type letter */
	const char *next;      /* behind its line end */
	struct sip_text value; /* without the line end */
	char type;
};

/* sdp_next_line() for a line that does not end in CR LF, or has no "x=" in front: 1, 0, -EINVAL. */
int sdp_odd_line(const char **at, const char *end, struct sdp_line *line);

/* The first CR, LF or NUL in [at, end), or end. */
static inline const char *sdp_find_end(const char *at, const char *end)
{
	uint32_t low;

	for (; at < end; at += SIP_BLOCK) {
		/* Other characters up to CR are rare (a TAB, say), so one comparison finds the place. */
		low = sip_bits(sip_is_upto(sip_load_upto(at, end), '\r'));
		if (low) {
			at += __builtin_ctz(low);
			return at == end || *at == '\r' ? at : sip_find_any(at, end, '\0', '\r', '\n');
		}
	}
	return end;
}

/*
 * Next line, "x=value". Empty lines at the end of a body are tolerated. 1, 0 at the end, -EINVAL: no such line, or
 * a NUL or CR inside it (RFC 8866 section 9, byte-string).
 */
static inline int sdp_next_line(const char **at, const char *end, struct sdp_line *line)
{
	const char *start = *at, *stop = sdp_find_end(start, end);

	if (end - stop < 2 || stop - start < 2 || memcmp(stop, "\r\n", 2) != 0 || start[0] < 'a' || start[0] > 'z' ||
	    start[1] != '=')
		return sdp_odd_line(at, end, line);
	line->start = start;
	line->type = start[0];
	line->value = sip_text_span(start + 2, stop);
	*at = line->next = stop + 2;
	return 1;
}

/* The next word of a line, moving *rest behind it and the blanks that follow; empty when there is none. */
static inline struct sip_text sdp_word(struct sip_text *rest)
{
	const char *end = sip_text_end(*rest), *start = rest->at, *stop, *next;

	while (start < end && *start == ' ')
		start++;
	for (stop = start; stop < end && *stop != ' ';) /* words are short */
		stop++;
	for (next = stop; next < end && *next == ' ';)
		next++;
	*rest = sip_text_span(next, end);
	return sip_text_span(start, stop);
}

/* "name:value" or "name": the name, with the value in *value (empty for a property). */
static inline struct sip_text sdp_attribute_name(struct sip_text attribute, struct sip_text *value)
{
	const char *end = sip_text_end(attribute), *colon = sip_find(attribute.at, end, ':');

	*value = sip_text_span(colon < end ? colon + 1 : end, end);
	return sip_text_span(attribute.at, colon);
}

/* An attribute of ICE (RFC 8839), which would lead media past a relay. */
bool sdp_is_ice(struct sip_text name);

#endif
