/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Write a SIP message into the caller's buffer, in order: start line, headers, end of headers and body.
 *
 * A builder never writes past the end: when something does not fit it notes that, ignores the rest, and
 * sip_build_finish() returns -EMSGSIZE. Header values written through it cannot break out of their line: CR, LF and
 * NUL become spaces (which unfolds folded headers). One thread at a time; nothing allocates.
 */
#ifndef TANDEM_SIGNALING_SIP_BUILD_H
#define TANDEM_SIGNALING_SIP_BUILD_H

#include "common/addr.h"
#include "signaling/sip/message.h"

struct sip_builder {
	char *data; /* the caller's */
	uint32_t size;
	uint32_t len;
	bool overflow;
};

void sip_build_init(struct sip_builder *b, char *data, size_t size);

/* Length of the message, or -EMSGSIZE. The headers must have been ended (one of the body functions). */
int sip_build_finish(const struct sip_builder *b);

/* Start lines. */
void sip_build_request(struct sip_builder *b, struct sip_text method, struct sip_text uri);
void sip_build_status(struct sip_builder *b, unsigned int code, const char *reason); /* NULL = the usual phrase */

/* Whole headers. */
void sip_build_header(struct sip_builder *b, enum sip_header_id id, struct sip_text value);
void sip_build_header_named(struct sip_builder *b, struct sip_text name, struct sip_text value);
void sip_build_number(struct sip_builder *b, enum sip_header_id id, uint32_t number);
void sip_build_cseq(struct sip_builder *b, uint32_t number, struct sip_text method);
/*
 * <uri>, with a display name in quotes unless empty, and a tag unless empty. quoted: the display name was taken out
 * of quotes (sip_name_addr.display_quoted) and still has its backslashes; else quotes and backslashes are escaped.
 */
void sip_build_name_addr(struct sip_builder *b, enum sip_header_id id, struct sip_text display, bool quoted,
			 struct sip_text uri, struct sip_text tag);
/* Via: SIP/2.0/UDP sent_by;rport;branch=... */
void sip_build_via(struct sip_builder *b, const struct net_addr *sent_by, struct sip_text branch);
/* Contact: <sip:user@addr>; user may be empty. */
void sip_build_contact(struct sip_builder *b, struct sip_text user, const struct net_addr *addr);

/* All lines with this id, in order, under the header's full name. */
void sip_build_copy(struct sip_builder *b, const struct sip_message *msg, enum sip_header_id id);
/* One line under the name it came with (unknown headers too). */
void sip_build_copy_line(struct sip_builder *b, const struct sip_message *msg, const struct sip_header *header);

/* Pieces of a header that has no function of its own: begin, any parts, end. */
void sip_build_begin(struct sip_builder *b, enum sip_header_id id);    /* "Name: " */
void sip_build_text(struct sip_builder *b, struct sip_text text);      /* CR, LF and NUL become spaces */
void sip_build_raw(struct sip_builder *b, const char *at, size_t len); /* written as it is */
void sip_build_u32(struct sip_builder *b, uint32_t number);
void sip_build_addr(struct sip_builder *b, const struct net_addr *addr); /* ip:port, [ip]:port */
void sip_build_quoted(struct sip_builder *b, struct sip_text text);      /* in quotes, escaped */
void sip_build_end(struct sip_builder *b);                               /* CR LF */

/* Written as it is: for literals, whose length the compiler knows. */
static inline void sip_build_string(struct sip_builder *b, const char *string)
{
	size_t len = strlen(string);

	if (b->size - b->len < len) {
		sip_build_raw(b, string, len);
		return;
	}
	memcpy(b->data + b->len, string, len);
	b->len += (uint32_t)len;
}

/* End of headers. The body is copied as it is. Content-Length is always written; without a body it is 0. */
void sip_build_body(struct sip_builder *b, struct sip_text content_type, struct sip_text body);
void sip_build_no_body(struct sip_builder *b);
/*
 * The body of `from` with `sdp` in place of its session description (empty: without one); where it has none, beside
 * what it has. Parts that are something else cross unread. Descriptions that can't be read, or are of another
 * disposition than the session, don't: they say where they come from.
 */
void sip_build_body_of(struct sip_builder *b, const struct sip_message *from, struct sip_text sdp);

/*
 * For a body that is written in place (an SDP rewrite, say): writes Content-Type, a Content-Length of fixed width
 * and the end of the headers, and returns where the body goes with the room left in *room (NULL on overflow).
 * sip_build_body_done() then sets its length.
 */
char *sip_build_body_begin(struct sip_builder *b, struct sip_text content_type, size_t *room);
void sip_build_body_done(struct sip_builder *b, size_t len);

/*
 * Response to a request by RFC 3261 section 8.2.6, up to and excluding the end of the headers: status line, all
 * Vias, From, To (with to_tag added when it had none and to_tag is not empty), Call-ID, CSeq; 100 copies Timestamp.
 * source is where the request came from: the top Via gets received= (when its sent-by is another host, or rport was
 * asked for) and rport= (RFC 3581); NULL leaves it alone. What the request lacks is left out. reason NULL = usual.
 */
void sip_build_response(struct sip_builder *b, struct sip_message *request, unsigned int code, const char *reason,
			struct sip_text to_tag, const struct net_addr *source);

/*
 * Where the response to this request goes (RFC 3261 section 18.2.2, RFC 3581 section 4): the source address, at
 * rport's port when rport was asked for, else at the sent-by port, 5060 without one. maddr is not followed: it would
 * let a stranger aim our answers at somebody else.
 */
void sip_response_target(struct net_addr *target, struct sip_message *request, const struct net_addr *source);

#endif
