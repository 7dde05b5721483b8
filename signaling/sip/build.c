/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/build.h"
#include "signaling/sip/chars.h"
#include "signaling/sip/digits.h"
#include "signaling/sip/rows.h"

/* Content-Length before a body that is not written yet: blanks may stand before the number. */
#define LENGTH_WIDTH 5

void sip_build_init(struct sip_builder *b, char *data, size_t size)
{
	*b = (struct sip_builder){.data = data, .size = size > SIP_MESSAGE_MAX ? SIP_MESSAGE_MAX : (uint32_t)size};
}

int sip_build_finish(const struct sip_builder *b)
{
	return b->overflow ? -EMSGSIZE : (int)b->len;
}

/* Is there room for n bytes? If not, nothing fits any more from then on. */
static inline bool fits(struct sip_builder *b, size_t n)
{
	if (b->size - b->len >= n)
		return true;
	b->overflow = true;
	b->size = b->len;
	return false;
}

static inline void put(struct sip_builder *b, const char *at, uint32_t len)
{
	if (len && fits(b, len)) {
		memcpy(b->data + b->len, at, len);
		b->len += len;
	}
}

#define PUT(b, literal) put((b), (literal), sizeof(literal) - 1)

static inline void store_block(char *to, sip_block block)
{
	memcpy(to, &block, sizeof(block));
}

static void clean(char *at, const char *end)
{
	for (; at < end; at++)
		if (*at == '\r' || *at == '\n' || *at == '\0')
			*at = ' ';
}

/*
 * Copy what came from outside: nothing in it may end the line. It fits into the room; what is shorter than a block is
 * stored as one where that fits too, and overwritten by what follows.
 */
static void copy_clean(char *to, uint32_t room, struct sip_text text)
{
	const char *from = text.at;
	char *start = to, *end = to + text.len;
	uint32_t suspects;
	sip_block block, low;

	if (text.len < SIP_BLOCK) {
		block = sip_load_part(from, text.len);
		suspects = sip_bits(sip_is_upto(block, '\r')) & ((1u << text.len) - 1);
		if (room >= SIP_BLOCK)
			store_block(to, block);
		else if (text.len)
			memcpy(to, from, text.len);
	} else {
		/* Whole blocks, and the last one from the end: it may overlap the one before it. */
		low = sip_is_upto(sip_load(from + text.len - SIP_BLOCK), '\r');
		for (; end - to > SIP_BLOCK; to += SIP_BLOCK, from += SIP_BLOCK) {
			block = sip_load(from);
			low |= sip_is_upto(block, '\r');
			store_block(to, block);
		}
		store_block(end - SIP_BLOCK, sip_load(text.at + text.len - SIP_BLOCK));
		suspects = sip_bits(low);
	}
	if (suspects)
		clean(start, end);
}

static inline void put_safe(struct sip_builder *b, struct sip_text text)
{
	if (fits(b, text.len)) {
		copy_clean(b->data + b->len, b->size - b->len, text);
		b->len += text.len;
	}
}

static inline void put_u32(struct sip_builder *b, uint32_t number)
{
	/* Room for a block behind the digits, too: all of it is stored, and overwritten by what follows. */
	char text[2 * SIP_BLOCK] = {0}, *end = text + SIP_BLOCK, *at = sip_digits_before(end, number);

	if (b->size - b->len < SIP_BLOCK) {
		put(b, at, (uint32_t)(end - at));
		return;
	}
	store_block(b->data + b->len, sip_load(at));
	b->len += (uint32_t)(end - at);
}

static inline void put_start(struct sip_builder *b, enum sip_header_id id)
{
	const struct sip_header_start *start = &sip_header_starts[(unsigned int)id < SIP_H_COUNT ? id : SIP_H_OTHER];

	/* The text in the table is padded: all of it is copied where there is room, and overwritten by the value. */
	if (b->size - b->len < sizeof(start->text)) {
		put(b, start->text, start->len);
		return;
	}
	memcpy(b->data + b->len, start->text, sizeof(start->text));
	b->len += start->len;
}

static inline void put_addr(struct sip_builder *b, const struct net_addr *addr)
{
	char text[NET_ADDR_TEXT];

	if (b->size - b->len >= NET_ADDR_TEXT)
		b->len += (uint32_t)net_addr_print(addr, b->data + b->len);
	else
		put(b, text, (uint32_t)net_addr_print(addr, text));
}

void sip_build_u32(struct sip_builder *b, uint32_t number)
{
	put_u32(b, number);
}

void sip_build_text(struct sip_builder *b, struct sip_text text)
{
	put_safe(b, text);
}

void sip_build_raw(struct sip_builder *b, const char *at, size_t len)
{
	put(b, at, (uint32_t)len);
}

void sip_build_addr(struct sip_builder *b, const struct net_addr *addr)
{
	put_addr(b, addr);
}

void sip_build_quoted(struct sip_builder *b, struct sip_text text)
{
	PUT(b, "\"");
	for (uint32_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (c == '"' || c == '\\')
			PUT(b, "\\");
		put_safe(b, sip_text(&c, 1));
	}
	PUT(b, "\"");
}

void sip_build_begin(struct sip_builder *b, enum sip_header_id id)
{
	put_start(b, id);
}

void sip_build_end(struct sip_builder *b)
{
	PUT(b, "\r\n");
}

void sip_build_request(struct sip_builder *b, struct sip_text method, struct sip_text uri)
{
	struct sip_builder w = *b;

	put_safe(&w, method);
	PUT(&w, " ");
	put_safe(&w, uri);
	PUT(&w, " SIP/2.0\r\n");
	*b = w;
}

void sip_build_status(struct sip_builder *b, unsigned int code, const char *reason)
{
	struct sip_text line = reason ? SIP_TEXT("") : sip_status_line(code);

	if (line.len) {
		put(b, line.at, line.len);
		return;
	}
	PUT(b, "SIP/2.0 ");
	sip_build_u32(b, code);
	PUT(b, " ");
	put_safe(b, sip_text_of(reason ? reason : sip_status_reason(code)));
	PUT(b, "\r\n");
}

/*
 * Functions that write several pieces do so through a copy of the builder, which the compiler keeps in registers:
 * nothing that is written can alias it.
 */
void sip_build_header(struct sip_builder *b, enum sip_header_id id, struct sip_text value)
{
	struct sip_builder w = *b;

	put_start(&w, id);
	put_safe(&w, value);
	PUT(&w, "\r\n");
	*b = w;
}

void sip_build_header_named(struct sip_builder *b, struct sip_text name, struct sip_text value)
{
	struct sip_builder w = *b;

	put_safe(&w, name);
	PUT(&w, ": ");
	put_safe(&w, value);
	PUT(&w, "\r\n");
	*b = w;
}

void sip_build_number(struct sip_builder *b, enum sip_header_id id, uint32_t number)
{
	struct sip_builder w = *b;

	put_start(&w, id);
	put_u32(&w, number);
	PUT(&w, "\r\n");
	*b = w;
}

void sip_build_cseq(struct sip_builder *b, uint32_t number, struct sip_text method)
{
	struct sip_builder w = *b;

	PUT(&w, "CSeq: ");
	put_u32(&w, number);
	PUT(&w, " ");
	put_safe(&w, method);
	PUT(&w, "\r\n");
	*b = w;
}

static void put_display(struct sip_builder *b, struct sip_text display, bool quoted)
{
	if (quoted) {
		PUT(b, "\"");
		put_safe(b, display);
		PUT(b, "\" ");
	} else {
		sip_build_quoted(b, display);
		PUT(b, " ");
	}
}

void sip_build_name_addr(struct sip_builder *b, enum sip_header_id id, struct sip_text display, bool quoted,
			 struct sip_text uri, struct sip_text tag)
{
	struct sip_builder w;

	sip_build_begin(b, id);
	if (display.len)
		put_display(b, display, quoted);
	w = *b;
	PUT(&w, "<");
	put_safe(&w, uri);
	PUT(&w, ">");
	if (tag.len) {
		PUT(&w, ";tag=");
		put_safe(&w, tag);
	}
	PUT(&w, "\r\n");
	*b = w;
}

void sip_build_via(struct sip_builder *b, const struct net_addr *sent_by, struct sip_text branch)
{
	struct sip_builder w = *b;

	PUT(&w, "Via: SIP/2.0/UDP ");
	put_addr(&w, sent_by);
	PUT(&w, ";rport;branch=");
	put_safe(&w, branch);
	PUT(&w, "\r\n");
	*b = w;
}

void sip_build_contact(struct sip_builder *b, struct sip_text user, const struct net_addr *addr)
{
	struct sip_builder w = *b;

	PUT(&w, "Contact: <sip:");
	if (user.len) {
		put_safe(&w, user);
		PUT(&w, "@");
	}
	put_addr(&w, addr);
	PUT(&w, ">\r\n");
	*b = w;
}

void sip_build_copy(struct sip_builder *b, const struct sip_message *msg, enum sip_header_id id)
{
	for (const struct sip_header *h = sip_header_first(msg, id); h; h = sip_header_next(msg, h)) {
		if (id == SIP_H_OTHER)
			sip_build_copy_line(b, msg, h);
		else
			sip_build_header(b, id, sip_header_value(msg, h));
	}
}

void sip_build_copy_line(struct sip_builder *b, const struct sip_message *msg, const struct sip_header *header)
{
	sip_build_header_named(b, sip_header_name_text(msg, header), sip_header_value(msg, header));
}

void sip_build_body(struct sip_builder *b, struct sip_text content_type, struct sip_text body)
{
	struct sip_builder w;

	if (body.len == 0) {
		sip_build_no_body(b);
		return;
	}
	sip_build_header(b, SIP_H_CONTENT_TYPE, content_type);
	w = *b;
	PUT(&w, "Content-Length: ");
	put_u32(&w, body.len);
	PUT(&w, "\r\n\r\n");
	put(&w, body.at, body.len);
	*b = w;
}

void sip_build_no_body(struct sip_builder *b)
{
	PUT(b, "Content-Length: 0\r\n\r\n");
}

char *sip_build_body_begin(struct sip_builder *b, struct sip_text content_type, size_t *room)
{
	sip_build_header(b, SIP_H_CONTENT_TYPE, content_type);
	PUT(b, "Content-Length:     0\r\n\r\n");
	*room = b->overflow ? 0 : b->size - b->len;
	return b->overflow ? NULL : b->data + b->len;
}

void sip_build_body_done(struct sip_builder *b, size_t len)
{
	char *field;

	if (b->overflow || len > b->size - b->len) {
		b->overflow = true;
		return;
	}
	field = b->data + b->len - 4 - LENGTH_WIDTH;
	memset(field, ' ', LENGTH_WIDTH);
	sip_digits_before(field + LENGTH_WIDTH, (uint32_t)len);
	b->len += (uint32_t)len;
}

/* ---- responses ------------------------------------------------------------------------------------------------ */

/* What stands before the cut, and goes on behind it. */
static inline void put_up_to(struct sip_builder *b, const char **at, struct sip_text cut)
{
	if (cut.at) {
		put_safe(b, sip_text_span(*at, cut.at));
		*at = sip_text_end(cut);
	}
}

/* The top Via with received and rport as the transport saw them (RFC 3261 section 18.2.1, RFC 3581 section 4). */
static void put_top_via(struct sip_builder *b, const struct sip_via *via, const struct net_addr *source)
{
	bool both = via->rport_param.at && via->received_param.at;
	bool swapped = both && via->received_param.at < via->rport_param.at;
	const char *at = via->text.at;
	char ip[NET_ADDR_TEXT];
	struct sip_text from = sip_text(ip, net_addr_print_ip(source, ip));
	/* Another spelling of the same IPv6 address gets a received= it would not need, which harms nobody. */
	bool same = sip_text_equal_nocase(via->host, from);
	struct sip_builder w = *b;

	put_up_to(&w, &at, swapped ? via->received_param : via->rport_param);
	put_up_to(&w, &at, swapped ? via->rport_param : via->received_param);
	put_safe(&w, sip_text_span(at, sip_text_end(via->text)));
	if (!same || via->has_rport) {
		PUT(&w, ";received=");
		put(&w, from.at, from.len);
	}
	if (via->has_rport) {
		PUT(&w, ";rport=");
		put_u32(&w, source->port);
	}
	*b = w;
}

static void put_vias(struct sip_builder *b, struct sip_message *request, const struct net_addr *source)
{
	const struct sip_header *first = sip_header_first(request, SIP_H_VIA), *header;
	const struct sip_via *via = sip_message_via(request);

	for (header = first; header; header = sip_header_next(request, header)) {
		struct sip_text value = sip_header_value(request, header);

		PUT(b, "Via: ");
		if (header == first && via && source) {
			put_top_via(b, via, source);
			value = sip_text_span(sip_text_end(via->text), sip_text_end(value));
		}
		if (value.len)
			put_safe(b, value);
		PUT(b, "\r\n");
	}
}

static void copy_one(struct sip_builder *b, const struct sip_message *msg, enum sip_header_id id)
{
	struct sip_text value = sip_message_value(msg, id);

	if (value.at)
		sip_build_header(b, id, value);
}

static void put_to(struct sip_builder *b, struct sip_message *request, struct sip_text to_tag)
{
	const struct sip_name_addr *to = sip_message_to(request);
	struct sip_text value = sip_message_value(request, SIP_H_TO);
	struct sip_builder w = *b;

	if (!value.at)
		return;
	PUT(&w, "To: ");
	put_safe(&w, value);
	if (to && !to->tag.at && to_tag.len) {
		PUT(&w, ";tag=");
		put_safe(&w, to_tag);
	}
	PUT(&w, "\r\n");
	*b = w;
}

void sip_build_response(struct sip_builder *b, struct sip_message *request, unsigned int code, const char *reason,
			struct sip_text to_tag, const struct net_addr *source)
{
	sip_build_status(b, code, reason);
	put_vias(b, request, source);
	copy_one(b, request, SIP_H_FROM);
	put_to(b, request, to_tag);
	copy_one(b, request, SIP_H_CALL_ID);
	copy_one(b, request, SIP_H_CSEQ);
	if (code == 100)
		copy_one(b, request, SIP_H_TIMESTAMP);
}

void sip_response_target(struct net_addr *target, struct sip_message *request, const struct net_addr *source)
{
	const struct sip_via *via = sip_message_via(request);

	*target = *source;
	if (via && !via->has_rport)
		target->port = via->port ? via->port : 5060;
}
