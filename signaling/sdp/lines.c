/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sdp/lines.h"
#include "signaling/sip/scan.h"

static bool only_line_ends(const char *at, const char *end)
{
	if (*at != '\r' && *at != '\n')
		return false;
	while (at < end && (*at == '\r' || *at == '\n'))
		at++;
	return at == end;
}

int sdp_next_line(const char **at, const char *end, struct sdp_line *line)
{
	const char *start = *at, *stop;

	if (start >= end || only_line_ends(start, end))
		return 0;
	stop = sip_find_any(start, end, '\r', '\n', '\0');
	line->next = stop;
	if (stop < end && *stop == '\r')
		line->next++;
	if (line->next < end && *line->next++ != '\n')
		return -EINVAL; /* a NUL, or a CR that ends no line */
	if (stop - start < 2 || start[0] < 'a' || start[0] > 'z' || start[1] != '=')
		return -EINVAL;
	line->start = start;
	line->type = start[0];
	line->value = sip_text_span(start + 2, stop);
	*at = line->next;
	return 1;
}

struct sip_text sdp_word(struct sip_text *rest)
{
	const char *end = sip_text_end(*rest), *start = rest->at, *stop, *next;

	while (start < end && *start == ' ')
		start++;
	for (stop = start; stop < end && *stop != ' ';)
		stop++;
	for (next = stop; next < end && *next == ' ';)
		next++;
	*rest = sip_text_span(next, end);
	return sip_text_span(start, stop);
}

struct sip_text sdp_attribute_name(struct sip_text attribute, struct sip_text *value)
{
	const char *colon = attribute.len ? memchr(attribute.at, ':', attribute.len) : NULL;

	if (!colon) {
		*value = sip_text(sip_text_end(attribute), 0);
		return attribute;
	}
	*value = sip_text_span(colon + 1, sip_text_end(attribute));
	return sip_text_span(attribute.at, colon);
}

bool sdp_is_ice(struct sip_text name)
{
	return sip_text_is(name, "candidate") || sip_text_is(name, "end-of-candidates") ||
	       sip_text_is(name, "remote-candidates") || sip_text_starts(name, "ice-");
}
