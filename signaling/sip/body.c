/* SPDX-License-Identifier: Apache-2.0 */
/* The session description in a body, and what is beside it (RFC 3261 section 7.4, RFC 2046 section 5.1, RFC 5621). */
#include <errno.h>

#include "signaling/sip/build.h"

#define MULTIPART_DEPTH 3

/* What stands in the headers of a part that matters here. */
struct part {
	struct sip_media_type type;
	struct sip_text disposition; /* its type; empty: none is said */
	bool has_type, is_doubled;   /* by a second Content-Type, which some may believe */
	bool encoded;                /* Content-Encoding, or a transfer encoding that is not plain */
	bool optional;               /* handling=optional: who does not understand it may pass over it */
	struct sip_text headers, body;
};

/* The parts of a multipart body, one after the other. */
struct parts {
	struct sip_text boundary;
	const char *at, *end;
	bool begun, closed;
};

enum part_kind {
	PART_PASSES,     /* of no interest here */
	PART_SDP,        /* describes the session */
	PART_CONTAINER,  /* has parts of its own */
	PART_UNREADABLE, /* describes a session, or may, in a way that can't be read */
};

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

/* RFC 3261 section 20.11: a type and parameters. */
static void read_disposition(struct part *part, struct sip_text value)
{
	const char *semicolon = memchr(value.at, ';', value.len);
	struct sip_text handling;

	if (!semicolon)
		semicolon = sip_text_end(value);
	part->disposition = sip_text_trim(sip_text_span(value.at, semicolon));
	part->optional = sip_param_find(sip_text_span(semicolon, sip_text_end(value)), "handling", &handling) &&
			 sip_text_is_nocase(handling, "optional");
}

static void read_type(struct part *part, struct sip_text value)
{
	part->is_doubled = part->has_type;
	part->has_type |= sip_media_type_parse(&part->type, value) == 0;
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
		read_type(part, value);
	else if (sip_text_is_nocase(name, "Content-Transfer-Encoding"))
		part->encoded |= sip_text_is_nocase(value, "base64") || sip_text_is_nocase(value, "quoted-printable");
	else if (sip_text_is_nocase(name, "Content-Encoding") || sip_text_is_nocase(name, "e"))
		part->encoded |= !sip_text_is_nocase(value, "identity");
	else if (sip_text_is_nocase(name, "Content-Disposition"))
		read_disposition(part, value);
}

/* The next header line of a part, folded ones joined by extending the slice. False at the empty line, or the end. */
static bool next_header(const char **at, const char *end, struct sip_text *header)
{
	const char *next;
	struct sip_text line;

	if (!next_line(at, end, header) || header->len == 0)
		return false;
	for (next = *at; next_line(&next, end, &line) && line.len && (line.at[0] == ' ' || line.at[0] == '\t');) {
		*header = sip_text_span(header->at, sip_text_end(line));
		*at = next;
	}
	return true;
}

/* Headers and body of the text between two boundary lines. */
static void read_part(struct part *part, struct sip_text text)
{
	const char *at = text.at, *end = sip_text_end(text);
	struct sip_text header;

	*part = (struct part){.headers = sip_text_span(at, at)};
	while (next_header(&at, end, &header)) {
		part->headers = sip_text_span(text.at, sip_text_end(header));
		read_part_header(part, header);
	}
	part->body = sip_text_span(at, end);
}

/* Up to the next boundary line, whose line end in front belongs to it; it->at is behind it then. */
static int up_to_boundary(struct parts *it, struct sip_text *text)
{
	const char *start = it->at, *line_at = start, *stop;
	enum boundary kind = BOUNDARY_NO;
	struct sip_text line;

	for (; next_line(&it->at, it->end, &line); line_at = it->at) {
		kind = boundary_at(line, it->boundary);
		if (kind != BOUNDARY_NO)
			break;
	}
	if (kind == BOUNDARY_NO)
		return -EINVAL;
	stop = line_at;
	if (stop > start && stop[-1] == '\n')
		stop--;
	if (stop > start && stop[-1] == '\r')
		stop--;
	it->closed = kind == BOUNDARY_CLOSE;
	*text = sip_text_span(start, stop);
	return 0;
}

static void parts_init(struct parts *it, struct sip_text boundary, struct sip_text body)
{
	*it = (struct parts){.boundary = boundary, .at = body.at, .end = sip_text_end(body)};
}

/* 1 with *part; 0 behind the last one; -EINVAL: a boundary is missing. */
static int next_part(struct parts *it, struct part *part)
{
	struct sip_text text;

	if (!it->begun && (up_to_boundary(it, &text) < 0 || it->closed))
		return -EINVAL;
	it->begun = true;
	if (it->closed)
		return 0;
	if (up_to_boundary(it, &text) < 0)
		return -EINVAL;
	read_part(part, text);
	return 1;
}

/* A signature would not fit what is rewritten under it, and what is encrypted can't be. */
static bool is_sealed(const struct sip_media_type *type)
{
	return sip_text_is_nocase(type->subtype, "signed") || sip_text_is_nocase(type->subtype, "encrypted");
}

static bool boundary_of(const struct sip_media_type *type, struct sip_text *boundary)
{
	return sip_param_find(type->params, "boundary", boundary) && boundary->len;
}

/* depth: of the multipart that the part is in. boundary: of the container it is. */
static enum part_kind kind_of(const struct part *part, int depth, struct sip_text *boundary)
{
	if (part->is_doubled)
		return PART_UNREADABLE;
	if (!part->has_type)
		return PART_PASSES; /* text (RFC 2046 section 5.1) */
	if (sip_media_type_is(&part->type, "application", "sdp")) {
		bool of_session = !part->disposition.len || sip_text_is_nocase(part->disposition, "session");

		return part->encoded || !of_session ? PART_UNREADABLE : PART_SDP;
	}
	if (!sip_text_is_nocase(part->type.type, "multipart"))
		return PART_PASSES;
	if (depth == MULTIPART_DEPTH || part->encoded || is_sealed(&part->type) || !boundary_of(&part->type, boundary))
		return PART_UNREADABLE;
	return PART_CONTAINER;
}

struct found {
	struct sip_text sdp; /* the first; at NULL: none */
	bool unreadable;     /* there is one that would have to be understood */
};

static int find_sdp(struct sip_text boundary, struct sip_text body, int depth, struct found *found)
{
	struct sip_text inner;
	struct parts it;
	struct part part;
	int more;

	parts_init(&it, boundary, body);
	while ((more = next_part(&it, &part)) == 1) {
		enum part_kind kind = kind_of(&part, depth, &inner);

		if (kind == PART_SDP && !found->sdp.at)
			found->sdp = part.body;
		else if (kind == PART_UNREADABLE)
			found->unreadable |= !part.optional;
		else if (kind == PART_CONTAINER && find_sdp(inner, part.body, depth + 1, found) < 0)
			return -EINVAL;
	}
	return more;
}

static int sdp_of_multipart(const struct sip_message *msg, const struct sip_media_type *type, struct sip_text *sdp)
{
	struct found found = {.unreadable = sip_text_is_nocase(type->subtype, "encrypted")};
	struct sip_text boundary;

	if (!boundary_of(type, &boundary) || find_sdp(boundary, msg->body, 0, &found) < 0)
		return -EINVAL;
	if (found.unreadable)
		return -EPROTO;
	if (!found.sdp.at)
		return -ENOENT;
	*sdp = found.sdp;
	return 0;
}

int sip_message_sdp(const struct sip_message *msg, struct sip_text *sdp)
{
	struct sip_text value = sip_message_value(msg, SIP_H_CONTENT_TYPE), encoding;
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
	return sip_text_is_nocase(type.type, "multipart") ? sdp_of_multipart(msg, &type, sdp) : -ENOENT;
}

bool sip_body_is_optional(const struct sip_message *msg)
{
	struct part part = {.optional = false};
	struct sip_text value = sip_message_value(msg, SIP_H_CONTENT_DISPOSITION);

	if (value.len)
		read_disposition(&part, value);
	return part.optional;
}

/* ---- writing ---- */

static void put(struct sip_builder *b, struct sip_text text)
{
	sip_build_raw(b, text.at, text.len);
}

static void put_boundary(struct sip_builder *b, struct sip_text boundary, const char *end)
{
	sip_build_string(b, "--");
	put(b, boundary);
	sip_build_string(b, end);
}

static void put_content(struct sip_builder *b, struct sip_text content)
{
	sip_build_string(b, "\r\n");
	put(b, content);
	sip_build_string(b, "\r\n");
}

/* A length that its part claims is no longer true. */
static void put_part_headers(struct sip_builder *b, struct sip_text headers)
{
	const char *at = headers.at, *end = sip_text_end(headers);
	struct sip_text header;

	while (next_header(&at, end, &header)) {
		const char *colon = memchr(header.at, ':', header.len);
		struct sip_text name = sip_text_trim(sip_text_span(header.at, colon ? colon : header.at));

		if (sip_text_is_nocase(name, "Content-Length") || sip_text_is_nocase(name, "l"))
			continue;
		put(b, header);
		sip_build_string(b, "\r\n");
	}
}

/* The description to send; at NULL when it has been, or there is none. */
struct rewritten {
	struct sip_text sdp;
};

static unsigned int put_parts(struct sip_builder *b, struct sip_text boundary, struct sip_text body, int depth,
			      struct rewritten *with);

/* False: it does not cross. */
static bool put_part(struct sip_builder *b, const struct part *part, int depth, struct rewritten *with)
{
	struct sip_text inner;
	enum part_kind kind = kind_of(part, depth, &inner);

	if (kind == PART_UNREADABLE || (kind == PART_SDP && !with->sdp.len))
		return false;
	put_part_headers(b, part->headers);
	if (kind == PART_PASSES) {
		put_content(b, part->body);
	} else if (kind == PART_SDP) {
		put_content(b, with->sdp);
		with->sdp = (struct sip_text){NULL, 0};
	} else {
		sip_build_string(b, "\r\n");
		return put_parts(b, inner, part->body, depth + 1, with);
	}
	return true;
}

/* How many of them cross. What stands before the first and behind the last does not. */
static unsigned int put_parts(struct sip_builder *b, struct sip_text boundary, struct sip_text body, int depth,
			      struct rewritten *with)
{
	unsigned int count = 0;
	struct parts it;
	struct part part;

	parts_init(&it, boundary, body);
	while (next_part(&it, &part) == 1) {
		uint32_t before = b->len;

		put_boundary(b, boundary, "\r\n");
		if (put_part(b, &part, depth, with))
			count++;
		else
			b->len = before;
	}
	put_boundary(b, boundary, "--\r\n");
	return count;
}

static void put_sdp_part(struct sip_builder *b, struct sip_text boundary, struct sip_text sdp)
{
	put_boundary(b, boundary, "\r\n");
	sip_build_string(b, "Content-Type: application/sdp\r\n");
	put_content(b, sdp);
}

/* The line that counts, should somebody have written several. */
static void copy_first(struct sip_builder *b, const struct sip_message *from, enum sip_header_id id)
{
	if (sip_message_has(from, id))
		sip_build_header(b, id, sip_message_value(from, id));
}

static void put_content_headers(struct sip_builder *b, const struct sip_message *from)
{
	copy_first(b, from, SIP_H_MIME_VERSION);
	copy_first(b, from, SIP_H_CONTENT_DISPOSITION);
	copy_first(b, from, SIP_H_CONTENT_LANGUAGE);
}

static void build_plain(struct sip_builder *b, struct sip_text sdp)
{
	sip_build_body(b, SIP_TEXT("application/sdp"), sdp);
}

static void end_body(struct sip_builder *b, const struct sip_builder *body)
{
	if (body->overflow)
		b->overflow = true;
	else
		sip_build_body_done(b, body->len);
}

/* is_new: the description has no place among the parts yet. */
static void build_multipart(struct sip_builder *b, const struct sip_message *from, struct sip_text boundary,
			    struct sip_text sdp, bool is_new)
{
	struct rewritten with = {is_new ? SIP_TEXT("") : sdp};
	struct sip_builder before = *b, body;
	size_t room;

	put_content_headers(b, from);
	char *at = sip_build_body_begin(b, sip_message_value(from, SIP_H_CONTENT_TYPE), &room);

	if (!at)
		return;
	sip_build_init(&body, at, room);
	if (is_new)
		put_sdp_part(&body, boundary, sdp);
	if (!put_parts(&body, boundary, from->body, 0, &with)) {
		*b = before;
		build_plain(b, sdp);
		return;
	}
	end_body(b, &body);
}

#define OWN_BOUNDARY "tandem-part"

/* A description beside a body that is something else. */
static void build_pair(struct sip_builder *b, const struct sip_message *from, struct sip_text sdp)
{
	const struct sip_text boundary = SIP_TEXT(OWN_BOUNDARY);
	struct sip_builder body;
	size_t room;

	if (memmem(from->body.at, from->body.len, OWN_BOUNDARY, sizeof(OWN_BOUNDARY) - 1)) {
		build_plain(b, sdp);
		return;
	}
	sip_build_string(b, "MIME-Version: 1.0\r\n");
	char *at = sip_build_body_begin(b, SIP_TEXT("multipart/mixed;boundary=" OWN_BOUNDARY), &room);

	if (!at)
		return;
	sip_build_init(&body, at, room);
	put_sdp_part(&body, boundary, sdp);
	put_boundary(&body, boundary, "\r\n");
	copy_first(&body, from, SIP_H_CONTENT_TYPE);
	copy_first(&body, from, SIP_H_CONTENT_DISPOSITION);
	copy_first(&body, from, SIP_H_CONTENT_LANGUAGE);
	put_content(&body, from->body);
	put_boundary(&body, boundary, "--\r\n");
	end_body(b, &body);
}

/* A body that is not the description alone. What can't be read does not cross: it may say where it comes from. */
static void build_other(struct sip_builder *b, const struct sip_message *from, struct sip_text sdp)
{
	struct sip_text value = sip_message_value(from, SIP_H_CONTENT_TYPE), found, boundary;
	int error = sip_message_sdp(from, &found);
	struct sip_media_type type;

	if ((error < 0 && error != -ENOENT) || sip_media_type_parse(&type, value) != 0 ||
	    sip_media_type_is(&type, "application", "sdp")) {
		build_plain(b, sdp);
	} else if (sip_text_is_nocase(type.type, "multipart")) {
		bool is_new = error == -ENOENT && sdp.len;

		if (is_sealed(&type) || !boundary_of(&type, &boundary) ||
		    (is_new && !sip_text_is_nocase(type.subtype, "mixed")))
			build_plain(b, sdp);
		else
			build_multipart(b, from, boundary, sdp, is_new);
	} else if (sdp.len) {
		build_pair(b, from, sdp);
	} else {
		put_content_headers(b, from);
		sip_build_body(b, value, from->body);
	}
}

void sip_build_body_of(struct sip_builder *b, const struct sip_message *from, struct sip_text sdp)
{
	if (!from->body.len || sip_body_is_plain(from))
		build_plain(b, sdp);
	else
		build_other(b, from, sdp);
}
