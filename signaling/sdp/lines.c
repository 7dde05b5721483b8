/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sdp/lines.h"

static bool only_line_ends(const char *at, const char *end)
{
	if (*at != '\r' && *at != '\n')
		return false;
	while (at < end && (*at == '\r' || *at == '\n'))
		at++;
	return at == end;
}

int sdp_odd_line(const char **at, const char *end, struct sdp_line *line)
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

bool sdp_is_ice(struct sip_text name)
{
	if (name.len < 4)
		return false;
	switch (*name.at) {
	case 'i':
		return memcmp(name.at, "ice-", 4) == 0;
	case 'c':
		return sip_text_is(name, "candidate");
	case 'e':
		return sip_text_is(name, "end-of-candidates");
	case 'r':
		return sip_text_is(name, "remote-candidates");
	default:
		return false;
	}
}
