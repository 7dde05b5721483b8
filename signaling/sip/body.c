/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the session description in a body (RFC 3261 section 7.4, RFC 2046 section 5.1, RFC 5621). */
#include "signaling/sip/message.h"

#define MULTIPART_DEPTH 3

/* What stands in the headers of a part that matters here. */
struct part {
	struct sip_media_type type;
	bool has_type;
	bool encoded; /* Content-Encoding, or a transfer encoding that is not plain */
	struct sip_text body;
};

static int find_sdp(struct sip_text boundary, struct sip_text body, int depth, struct sip_text *sdp);

/* The line at *at without its end; moves *at behind it. False at the end. */
static bool next_line(const char **at, const char *end, struct sip_text *line)
{
	const char *start = *at, *lf;

	if (start == end)
		return false;
	lf = memchr(start, '\n', (size_t)(end - start));
	*at = lf ? lf + 1 : end;
	*line = sip_text_span(start, lf ? lf : end);
	if (lf && line->len && line->at[line->len - 1] == '\r')
		line->len--;
	return true;
}

enum boundary { BOUNDARY_NO, BOUNDARY_OPEN, BOUNDARY_CLOSE };

static enum boundary boundary_at(struct sip_text line, struct sip_text boundary)
{
	struct sip_text rest;

	if (line.len < boundary.len + 2 || memcmp(line.at, "--", 2) != 0 ||
	    memcmp(line.at + 2, boundary.at, boundary.len) != 0)
		return BOUNDARY_NO;
	rest = sip_text_trim(sip_text_span(line.at + 2 + boundary.len, sip_text_end(line)));
	if (rest.len == 0)
		return BOUNDARY_OPEN;
	return sip_text_is(rest, "--") ? BOUNDARY_CLOSE : BOUNDARY_NO;
}

static void read_part_header(struct part *part, struct sip_text line)
{
	const char *colon = memchr(line.at, ':', line.len);
	struct sip_text name, value;

	if (!colon)
		return;
	name = sip_text_trim(sip_text_span(line.at, colon));
	value = sip_text_trim(sip_text_span(colon + 1, sip_text_end(line)));
	if (sip_text_is_nocase(name, "Content-Type") || sip_text_is_nocase(name, "c"))
		part->has_type = sip_media_type_parse(&part->type, value) == 0;
	else if (sip_text_is_nocase(name, "Content-Transfer-Encoding"))
		part->encoded |= sip_text_is_nocase(value, "base64") || sip_text_is_nocase(value, "quoted-printable");
	else if (sip_text_is_nocase(name, "Content-Encoding") || sip_text_is_nocase(name, "e"))
		part->encoded |= !sip_text_is_nocase(value, "identity");
}

/* Headers and body of the text between two boundary lines. Folded part headers are joined by extending the slice. */
static void read_part(struct part *part, struct sip_text text)
{
	const char *at = text.at, *end = sip_text_end(text);
	struct sip_text line, next, header = {NULL, 0};

	*part = (struct part){.has_type = false};
	while (next_line(&at, end, &line)) {
		if (line.len && (line.at[0] == ' ' || line.at[0] == '\t') && header.at) {
			header = sip_text_span(header.at, sip_text_end(line));
			continue;
		}
		next = line;
		if (header.at)
			read_part_header(part, header);
		header = next;
		if (line.len == 0)
			break;
	}
	part->body = sip_text_span(at, end);
}

static int sdp_of_part(struct sip_text text, int depth, struct sip_text *sdp)
{
	struct sip_text boundary;
	struct part part;

	read_part(&part, text);
	if (!part.has_type || part.encoded)
		return -ENOENT;
	if (sip_media_type_is(&part.type, "application", "sdp")) {
		*sdp = part.body;
		return 0;
	}
	if (sip_text_is_nocase(part.type.type, "multipart") && depth < MULTIPART_DEPTH &&
	    sip_param_find(part.type.params, "boundary", &boundary) && boundary.len)
		return find_sdp(boundary, part.body, depth + 1, sdp);
	return -ENOENT;
}

static int find_sdp(struct sip_text boundary, struct sip_text body, int depth, struct sip_text *sdp)
{
	const char *at = body.at, *end = sip_text_end(body), *start = NULL, *line_at;
	struct sip_text line;

	for (line_at = at; next_line(&at, end, &line); line_at = at) {
		enum boundary kind = boundary_at(line, boundary);

		if (kind == BOUNDARY_NO)
			continue;
		if (start) {
			/* The line end before a boundary belongs to the boundary. */
			const char *stop = line_at;

			if (stop > start && stop[-1] == '\n')
				stop--;
			if (stop > start && stop[-1] == '\r')
				stop--;
			if (sdp_of_part(sip_text_span(start, stop), depth, sdp) == 0)
				return 0;
		}
		if (kind == BOUNDARY_CLOSE)
			return -ENOENT;
		start = at;
	}
	return -EINVAL; /* no closing boundary */
}

int sip_message_sdp(const struct sip_message *msg, struct sip_text *sdp)
{
	struct sip_text value = sip_message_value(msg, SIP_H_CONTENT_TYPE), encoding, boundary;
	struct sip_media_type type;

	*sdp = (struct sip_text){NULL, 0};
	if (msg->body.len == 0)
		return -ENOENT;
	encoding = sip_message_value(msg, SIP_H_CONTENT_ENCODING);
	if (encoding.len && !sip_text_is_nocase(encoding, "identity"))
		return -ENOTSUP;
	if (!value.at || sip_text_is(value, "application/sdp")) {
		*sdp = msg->body;
		return 0;
	}
	if (sip_media_type_parse(&type, value) != 0)
		return -EINVAL;
	if (sip_media_type_is(&type, "application", "sdp")) {
		*sdp = msg->body;
		return 0;
	}
	if (!sip_text_is_nocase(type.type, "multipart"))
		return -ENOENT;
	if (!sip_param_find(type.params, "boundary", &boundary) || boundary.len == 0)
		return -EINVAL;
	return find_sdp(boundary, msg->body, 0, sdp);
}
