/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SIP message in one datagram (RFC 3261 sections 7 and 18.3), read without copying.
 *
 * sip_message_parse() indexes the header lines in one pass and reads the start line; what stands inside a header is
 * parsed when somebody asks, and From, To, the top Via, the first Contact, CSeq and the Request-URI at most once.
 *
 * The message borrows the datagram: every slice points into it and dies with it. The struct is large (2.4 KiB):
 * a worker keeps one and parses each datagram into it. One thread at a time. Nothing allocates.
 */
#ifndef TANDEM_SIGNALING_SIP_MESSAGE_H
#define TANDEM_SIGNALING_SIP_MESSAGE_H

#include "signaling/sip/fields.h"

#define SIP_MESSAGE_MAX     65535 /* bytes in a datagram */
#define SIP_MESSAGE_HEADERS 128   /* header lines; more is an attack */

enum sip_parse_error {
	SIP_PARSE_OK = 0,
	/* Nothing that could be answered: drop it. */
	SIP_PARSE_KEEPALIVE, /* empty, or only CR LF (RFC 5626 section 3.5.1) and NULs */
	SIP_PARSE_NOT_SIP,   /* the first line is neither a request nor a response */
	SIP_PARSE_TOO_LONG,  /* over SIP_MESSAGE_MAX */
	/* A SIP message with a defect; the start line and all header lines before the defect are indexed. */
	SIP_PARSE_START_LINE,     /* 400: white space or characters that do not belong in the start line */
	SIP_PARSE_VERSION,        /* 505: not SIP/2.0 */
	SIP_PARSE_STATUS_CODE,    /* a response whose code is not 100-699 */
	SIP_PARSE_HEADER_LINE,    /* 400: a line without a name or colon, or a bare CR */
	SIP_PARSE_TOO_MANY,       /* 513: more than SIP_MESSAGE_HEADERS lines */
	SIP_PARSE_NO_END,         /* 400: no empty line after the headers */
	SIP_PARSE_CONTENT_LENGTH, /* 400: not a number, or two that differ */
	SIP_PARSE_BODY_SHORT,     /* 400: Content-Length beyond the end of the datagram */
	SIP_PARSE_ERROR_COUNT
};

/* A header line. Offsets are into the datagram. */
struct sip_header {
	uint16_t name_at;
	uint16_t name_len;
	uint16_t at; /* value without surrounding white space; folded lines keep their line ends inside */
	uint16_t len;
	uint8_t id;     /* enum sip_header_id */
	uint8_t next;   /* index of the next line with this id; SIP_HEADER_NONE = last */
	uint8_t folded; /* 1: the value spans lines */
	uint8_t pad;
};
#define SIP_HEADER_NONE 0xff

struct sip_message {
	const char *data;
	uint32_t len; /* of what belongs to the message: leading CR LF and a tail cut off are not in it */
	uint8_t is_request;
	uint8_t method;  /* enum sip_method; for a response that of its CSeq is in sip_message_cseq() */
	uint16_t status; /* 100-699; 0 in a request */
	uint8_t error;   /* enum sip_parse_error: what sip_message_parse() returned */
	uint8_t parsed;  /* which of the cached values below have been tried */
	uint8_t valid;   /* ...and were well formed */
	uint8_t header_count;
	uint32_t trailing; /* bytes of the datagram after the body, ignored */
	struct sip_text method_text;
	struct sip_text uri_text; /* the Request-URI as it came */
	struct sip_text version;  /* "SIP/2.0" as it came */
	struct sip_text reason;   /* may be empty */
	struct sip_text body;     /* at NULL when the headers have no end */
	uint8_t first[SIP_H_COUNT];
	uint8_t last[SIP_H_COUNT]; /* private; only where there are two or more */
	struct sip_header headers[SIP_MESSAGE_HEADERS];

	/* Private: read through the accessors. */
	struct sip_via via;
	struct sip_name_addr from, to, contact;
	struct sip_cseq cseq;
	struct sip_uri uri;
};

/* Parse data[0..len). Returns 0 or the first defect (above); even then what was understood can be read. */
enum sip_parse_error sip_message_parse(struct sip_message *msg, const void *data, size_t len);

/* What a defect means: the code to answer (0 = drop) and a reason phrase that names it. */
unsigned int sip_parse_error_code(enum sip_parse_error error);
const char *sip_parse_error_reason(enum sip_parse_error error);

/* Header lines in the order they came. NULL: none (left). */
static inline const struct sip_header *sip_header_first(const struct sip_message *msg, enum sip_header_id id)
{
	return msg->first[id] == SIP_HEADER_NONE ? NULL : &msg->headers[msg->first[id]];
}

static inline const struct sip_header *sip_header_next(const struct sip_message *msg, const struct sip_header *header)
{
	return header->next == SIP_HEADER_NONE ? NULL : &msg->headers[header->next];
}

static inline struct sip_text sip_header_value(const struct sip_message *msg, const struct sip_header *header)
{
	return sip_text(msg->data + header->at, header->len);
}

static inline struct sip_text sip_header_name_text(const struct sip_message *msg, const struct sip_header *header)
{
	return sip_text(msg->data + header->name_at, header->name_len);
}

static inline bool sip_message_has(const struct sip_message *msg, enum sip_header_id id)
{
	return msg->first[id] != SIP_HEADER_NONE;
}

/* The first line's value; at is NULL when there is none. */
static inline struct sip_text sip_message_value(const struct sip_message *msg, enum sip_header_id id)
{
	const struct sip_header *header = sip_header_first(msg, id);

	return header ? sip_header_value(msg, header) : (struct sip_text){NULL, 0};
}

/* A header this codec has no number for, by name (letters of any case): its first value; at NULL when absent. */
struct sip_text sip_message_find(const struct sip_message *msg, const char *name);

/* Private: the values below, when they are asked for the first time. */
enum {
	SIP_CACHE_VIA = 1,
	SIP_CACHE_FROM = 2,
	SIP_CACHE_TO = 4,
	SIP_CACHE_CSEQ = 8,
	SIP_CACHE_URI = 16,
	SIP_CACHE_CONTACT = 32
};
const struct sip_via *sip_message_read_via(struct sip_message *msg);
const struct sip_name_addr *sip_message_read_from(struct sip_message *msg);
const struct sip_name_addr *sip_message_read_to(struct sip_message *msg);
const struct sip_cseq *sip_message_read_cseq(struct sip_message *msg);
const struct sip_uri *sip_message_read_uri(struct sip_message *msg);
const struct sip_name_addr *sip_message_read_contact(struct sip_message *msg);

/*
 * Parsed at most once for each message; NULL when the header is missing or malformed. The Via is the topmost one.
 */
static inline const struct sip_via *sip_message_via(struct sip_message *msg)
{
	if (!(msg->parsed & SIP_CACHE_VIA))
		return sip_message_read_via(msg);
	return msg->valid & SIP_CACHE_VIA ? &msg->via : NULL;
}

static inline const struct sip_name_addr *sip_message_from(struct sip_message *msg)
{
	if (!(msg->parsed & SIP_CACHE_FROM))
		return sip_message_read_from(msg);
	return msg->valid & SIP_CACHE_FROM ? &msg->from : NULL;
}

static inline const struct sip_name_addr *sip_message_to(struct sip_message *msg)
{
	if (!(msg->parsed & SIP_CACHE_TO))
		return sip_message_read_to(msg);
	return msg->valid & SIP_CACHE_TO ? &msg->to : NULL;
}

static inline const struct sip_cseq *sip_message_cseq(struct sip_message *msg)
{
	if (!(msg->parsed & SIP_CACHE_CSEQ))
		return sip_message_read_cseq(msg);
	return msg->valid & SIP_CACHE_CSEQ ? &msg->cseq : NULL;
}

/* The Request-URI. */
static inline const struct sip_uri *sip_message_uri(struct sip_message *msg)
{
	if (!(msg->parsed & SIP_CACHE_URI))
		return sip_message_read_uri(msg);
	return msg->valid & SIP_CACHE_URI ? &msg->uri : NULL;
}

/* The first Contact of all. */
static inline const struct sip_name_addr *sip_message_contact(struct sip_message *msg)
{
	if (!(msg->parsed & SIP_CACHE_CONTACT))
		return sip_message_read_contact(msg);
	return msg->valid & SIP_CACHE_CONTACT ? &msg->contact : NULL;
}

static inline struct sip_text sip_message_call_id(const struct sip_message *msg)
{
	return sip_message_value(msg, SIP_H_CALL_ID);
}

/* A number alone (Max-Forwards, Expires, RSeq...): 0, -ENOENT (absent), -EINVAL, -ERANGE. */
int sip_message_number(const struct sip_message *msg, enum sip_header_id id, uint32_t *number);

/* Walk the values of a list header over all its lines: Via, Contact, Route, Supported, Require... */
struct sip_values {
	const struct sip_message *msg;
	const struct sip_header *header;
	struct sip_text rest;
};
static inline void sip_values_init(struct sip_values *it, const struct sip_message *msg, enum sip_header_id id)
{
	it->msg = msg;
	it->header = sip_header_first(msg, id);
	it->rest = it->header ? sip_header_value(msg, it->header) : (struct sip_text){NULL, 0};
}
/* 1 with *value, 0 at the end, -EINVAL for unbalanced quotes or brackets. */
int sip_values_next(struct sip_values *it, struct sip_text *value);

/* True where the text is all there is of this header: one line, and this in it. */
static inline bool sip_message_is_only(const struct sip_message *msg, enum sip_header_id id, struct sip_text text)
{
	const struct sip_header *header = sip_header_first(msg, id);

	return header && header->next == SIP_HEADER_NONE && header->len == text.len;
}

/* True where a token list header (Supported, Require, Allow...) names this token. */
bool sip_message_lists(const struct sip_message *msg, enum sip_header_id id, const char *token);

/*
 * The body if Content-Type is application/sdp (or absent), or the first part of a multipart body that describes the
 * session (RFC 5621, nested multiparts included). Returns 0, -ENOENT (no body or no such part), -EINVAL (malformed),
 * -ENOTSUP (Content-Encoding other than identity), -EPROTO (a description that can't be read stands in a part that
 * has to be understood).
 */
int sip_message_sdp(const struct sip_message *msg, struct sip_text *sdp);
/* Content-Disposition says that a body nobody understands may be passed over (RFC 3261 section 20.11). */
bool sip_body_is_optional(const struct sip_message *msg);

/* Nothing but a session description, as nearly all bodies are. */
static inline bool sip_body_is_plain(const struct sip_message *msg)
{
	struct sip_text value = sip_message_value(msg, SIP_H_CONTENT_TYPE);

	return !value.at || sip_text_is(value, "application/sdp");
}

#endif
