/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens of a session description: lines, words, attributes. Private to the codec. */
#ifndef TANDEM_SIGNALING_SDP_LINES_H
#define TANDEM_SIGNALING_SDP_LINES_H

#include "signaling/sip/text.h"

struct sdp_line {
	const char *start;     /* its type letter */
	const char *next;      /* behind its line end */
	struct sip_text value; /* without the line end */
	char type;
};

/*
 * Next line, "x=value". Empty lines at the end of a body are tolerated. 1, 0 at the end, -EINVAL: no such line, or
 * a NUL or CR inside it (RFC 8866 section 9, byte-string).
 */
int sdp_next_line(const char **at, const char *end, struct sdp_line *line);

/* The next word of a line, moving *rest behind it and the blanks that follow; empty when there is none. */
struct sip_text sdp_word(struct sip_text *rest);

/* "name:value" or "name": the name, with the value in *value (empty for a property). */
struct sip_text sdp_attribute_name(struct sip_text attribute, struct sip_text *value);

/* An attribute of ICE (RFC 8839), which would lead media past a relay. */
bool sdp_is_ice(struct sip_text name);

#endif
