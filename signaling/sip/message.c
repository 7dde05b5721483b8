/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/message.h"
#include "signaling/sip/chars.h"
#include "signaling/sip/rows.h"

static const struct {
	uint16_t code;
	const char *reason;
} errors[SIP_PARSE_ERROR_COUNT] = {
    [SIP_PARSE_OK] = {0, ""},
    [SIP_PARSE_KEEPALIVE] = {0, "Keep-alive"},
    [SIP_PARSE_NOT_SIP] = {0, "Not a SIP message"},
    [SIP_PARSE_TOO_LONG] = {0, "Datagram Too Long"},
    [SIP_PARSE_START_LINE] = {400, "Bad Start Line"},
    [SIP_PARSE_VERSION] = {505, "Version Not Supported"},
    [SIP_PARSE_STATUS_CODE] = {0, "Bad Status Code"},
    [SIP_PARSE_HEADER_LINE] = {400, "Bad Header Line"},
    [SIP_PARSE_TOO_MANY] = {513, "Too Many Headers"},
    [SIP_PARSE_NO_END] = {400, "Headers Without End"},
    [SIP_PARSE_CONTENT_LENGTH] = {400, "Bad Content-Length"},
    [SIP_PARSE_BODY_SHORT] = {400, "Content-Length Beyond Datagram"},
};

unsigned int sip_parse_error_code(enum sip_parse_error error)
{
	return (unsigned int)error < SIP_PARSE_ERROR_COUNT ? errors[error].code : 400;
}

const char *sip_parse_error_reason(enum sip_parse_error error)
{
	return (unsigned int)error < SIP_PARSE_ERROR_COUNT ? errors[error].reason : "Bad Request";
}

/* Behind the end of a line that ends at eol; NULL for a CR that ends no line, or a line that never ends. */
static const char *after_eol(const char *eol, const char *end)
{
	if (eol < end && *eol == '\n')
		return eol + 1;
	if (end - eol >= 2 && eol[1] == '\n')
		return eol + 2;
	return NULL;
}

static void note(struct sip_message *msg, enum sip_parse_error error)
{
	if (msg->error == SIP_PARSE_OK)
		msg->error = (uint8_t)error;
}

/* "SIP/1.0" at the place; *ours tells 2.0. Its length, or 0. */
static uint32_t version_at(const char *at, const char *end, bool *ours)
{
	const char *dot, *stop;

	if (end - at >= 8 && memcmp(at, "SIP/2.0 ", 8) == 0) {
		*ours = true;
		return 7;
	}
	if (end - at < 7 || sip_lower(at[0]) != 's' || sip_lower(at[1]) != 'i' || sip_lower(at[2]) != 'p' ||
	    at[3] != '/')
		return 0;
	dot = sip_skip_class(at + 4, end, SIP_C_DIGIT);
	if (dot == at + 4 || dot == end || *dot != '.')
		return 0;
	stop = sip_skip_class(dot + 1, end, SIP_C_DIGIT);
	if (stop == dot + 1)
		return 0;
	*ours = stop - at == 7 && at[4] == '2' && at[6] == '0';
	return (uint32_t)(stop - at);
}

static void parse_status_line(struct sip_message *msg, const char *at, const char *end, uint32_t version_len, bool ours)
{
	uint32_t code = 0;
	const char *stop;

	msg->version = sip_text(at, version_len);
	if (!ours)
		note(msg, SIP_PARSE_VERSION);
	at += version_len;
	if (at == end || *at != ' ') {
		note(msg, SIP_PARSE_START_LINE);
		return;
	}
	stop = sip_skip_class(++at, end, SIP_C_DIGIT);
	if (stop - at != 3 || sip_text_to_u32(sip_text_span(at, stop), &code) != 0 || code < 100 || code > 699) {
		note(msg, SIP_PARSE_STATUS_CODE);
		return;
	}
	msg->status = (uint16_t)code;
	/* The phrase may be missing, with its space (which the grammar asks for, and many leave out). */
	if (stop < end && *stop != ' ')
		note(msg, SIP_PARSE_START_LINE);
	msg->reason = stop < end ? sip_text_span(stop + 1, end) : sip_text(stop, 0);
}

/* METHOD SP URI SP SIP/2.0, as nearly all come: true when it is. */
static bool parse_usual_request_line(struct sip_message *msg, const char *at, const char *end)
{
	const char *space = sip_find(at, end, ' '), *last = end - 8;
	enum sip_method method;

	if (end - space <= 9 || memcmp(last, " SIP/2.0", 8) != 0 || sip_skip_uri(space + 1, last) != last)
		return false;
	method = sip_method_find(sip_text_span(at, space));
	if (method == SIP_METHOD_OTHER)
		return false;
	msg->is_request = 1;
	msg->method = (uint8_t)method;
	msg->method_text = sip_text_span(at, space);
	msg->uri_text = sip_text_span(space + 1, last);
	msg->version = sip_text(last + 1, 7);
	return true;
}

/* METHOD SP URI SP SIP/2.0, where the version may be any and spaces may be too many: those are answered. */
static enum sip_parse_error parse_request_line(struct sip_message *msg, const char *at, const char *end)
{
	const char *method_end = sip_skip_class(at, end, SIP_C_TOKEN), *last = end, *uri_end;
	bool ours = false;
	uint32_t len;

	while (last > at && (last[-1] == ' ' || last[-1] == '\t'))
		last--;
	uri_end = last;
	while (uri_end > at && uri_end[-1] != ' ' && uri_end[-1] != '\t')
		uri_end--;
	len = version_at(uri_end, last, &ours);
	if (method_end == at || method_end >= uri_end || *method_end != ' ' || len == 0 || uri_end + len != last)
		return SIP_PARSE_NOT_SIP;
	msg->is_request = 1;
	msg->method_text = sip_text_span(at, method_end);
	msg->method = (uint8_t)sip_method_find(msg->method_text);
	msg->version = sip_text(uri_end, len);
	if (uri_end - method_end > 2)
		msg->uri_text = sip_text_span(method_end + 1, uri_end - 1);
	if (!ours)
		note(msg, SIP_PARSE_VERSION);
	if (last != end || msg->uri_text.len == 0 || sip_skip_uri(msg->uri_text.at, uri_end - 1) != uri_end - 1)
		note(msg, SIP_PARSE_START_LINE);
	return SIP_PARSE_OK;
}

/* The next header line. Of those with one id the last is noted once there are two. */
static inline void add_header(struct sip_message *msg, enum sip_header_id id, const char *name, size_t name_len,
			      struct sip_text value)
{
	const char *data = msg->data;
	unsigned int index = msg->header_count++, first = msg->first[id];
	struct sip_header *header = &msg->headers[index];

	header->id = (uint8_t)id;
	header->next = SIP_HEADER_NONE;
	header->folded = header->pad = 0;
	header->name_at = (uint16_t)(name - data);
	header->name_len = (uint16_t)name_len;
	if (first == SIP_HEADER_NONE) {
		msg->first[id] = (uint8_t)index;
	} else {
		msg->headers[msg->headers[first].next == SIP_HEADER_NONE ? first : msg->last[id]].next = (uint8_t)index;
		msg->last[id] = (uint8_t)index;
	}
	header->at = (uint16_t)(value.at - data);
	header->len = (uint16_t)value.len;
}

/*
 * The name of the header line from `at` to eol: returns its colon, or NULL where there is no name and colon. White
 * space before the colon is legal.
 */
static const char *parse_name(const char *at, const char *eol, enum sip_header_id *id, struct sip_text *name)
{
	const char *colon = sip_find(at, eol, ':'), *name_end;

	if (colon == eol)
		return NULL;
	name_end = sip_skip_name(at, colon, SIP_C_TOKEN);
	*name = sip_text_span(at, name_end);
	while (*name_end == ' ' || *name_end == '\t')
		name_end++;
	if (name_end != colon || name->len == 0)
		return NULL;
	*id = sip_header_find(*name);
	return colon;
}

/*
 * The value goes on behind its first line end, perhaps: moves *eol to its last. Returns behind that; NULL: the datagram
 * ends in it.
 */
static const char *unfold(struct sip_message *msg, const char *end, const char **eol, bool *folded)
{
	for (;;) {
		const char *next = after_eol(*eol, end);

		if (!next && *eol < end) {
			note(msg, SIP_PARSE_HEADER_LINE); /* a bare CR: somebody smuggles */
			*eol = sip_find_eol(*eol + 1, end);
		} else if (next && next < end && (*next == ' ' || *next == '\t')) {
			*folded = true;
			*eol = sip_find_eol(next, end);
		} else {
			return next;
		}
	}
}

/*
 * One header line of any form, with its continuations. Returns behind it; NULL: no line may follow, for the datagram
 * ends in it, or it is one too many.
 */
static const char *parse_header(struct sip_message *msg, const char *at, const char *end)
{
	const char *colon, *next, *eol = sip_find_eol(at, end);
	enum sip_header_id id = SIP_H_OTHER;
	struct sip_text name, value;
	bool folded = false;

	colon = parse_name(at, eol, &id, &name);
	if (!colon) {
		note(msg, SIP_PARSE_HEADER_LINE);
		next = after_eol(eol, end);
		return next ? next : eol < end ? eol + 1 : NULL;
	}
	next = unfold(msg, end, &eol, &folded);
	if (msg->header_count == SIP_MESSAGE_HEADERS) {
		note(msg, SIP_PARSE_TOO_MANY);
		return NULL;
	}
	value = sip_trim(colon + 1, eol);
	add_header(msg, id, name.at, name.len, value);
	msg->headers[msg->header_count - 1].folded = folded;
	return next;
}

/*
 * A header line as nearly all are: a short name that we know, its colon, one blank, the value, CR LF, and no
 * continuation. False where it is otherwise, or may be.
 */
static inline bool parse_usual_header(struct sip_message *msg, const char *at, const char *eol)
{
	uint32_t colons = sip_bits_of(sip_load(at), ':');
	size_t name_len = (size_t)__builtin_ctz(colons | 1u << SIP_BLOCK);
	const char *value = at + name_len + 2;
	enum sip_header_id id;

	if (!colons || value >= eol || memcmp(eol, "\r\n", 2) != 0 || eol[2] == ' ' || eol[2] == '\t')
		return false;
	if (value[-1] != ' ' || (unsigned char)value[0] <= ' ' || (unsigned char)eol[-1] <= ' ')
		return false;
	id = sip_header_find_block(at, name_len);
	if (id == SIP_H_OTHER)
		return false;
	add_header(msg, id, at, name_len, sip_text_span(value, eol));
	return true;
}

/* Usual lines from `at` on; returns the first one that is not. Line ends are found for 64 bytes at a time. */
static const char *parse_usual_headers(struct sip_message *msg, const char *at, const char *end)
{
	const char *block, *eol, *last = end - SIP_BLOCK;

	if (end - at < SIP_BLOCK)
		return at;
	for (block = at; block < end - 2; block += 64) {
		/* Two bytes follow each of them: the LF, and the first of the next line. */
		uint64_t eols = sip_eol_mask(block, end - 2);

		if (at > block)
			eols &= ~(uint64_t)1; /* the LF of a CR before this block */
		for (; eols; at = eol + 2) {
			eol = block + (size_t)__builtin_ctzll(eols);
			if (at > last || msg->header_count == SIP_MESSAGE_HEADERS || !parse_usual_header(msg, at, eol))
				return at;
			eols &= eols - 1;
			eols &= eols - 1;
		}
	}
	return at;
}

/* All lines up to the empty one; returns where the body begins, NULL when there is no empty line. */
static const char *parse_headers(struct sip_message *msg, const char *at, const char *end)
{
	while (at && at < end) {
		at = parse_usual_headers(msg, at, end);
		if (at < end && (*at == '\r' || *at == '\n') && after_eol(at, end))
			return after_eol(at, end);
		at = parse_header(msg, at, end);
	}
	return NULL;
}

static void cut_body(struct sip_message *msg, const char *body, const char *end)
{
	const struct sip_header *header = sip_header_first(msg, SIP_H_CONTENT_LENGTH);
	uint32_t room = (uint32_t)(end - body), len = room, other;

	if (header && sip_text_to_u32(sip_header_value(msg, header), &len) != 0) {
		note(msg, SIP_PARSE_CONTENT_LENGTH);
		len = room;
	}
	while (header && (header = sip_header_next(msg, header)) != NULL)
		if (sip_text_to_u32(sip_header_value(msg, header), &other) != 0 || other != len)
			note(msg, SIP_PARSE_CONTENT_LENGTH);
	if (len > room) {
		note(msg, SIP_PARSE_BODY_SHORT);
		len = room;
	}
	msg->body = sip_text(body, len);
	msg->trailing = room - len;
	msg->len = (uint32_t)(body + len - msg->data);
}

static void reset(struct sip_message *msg, const char *data, uint32_t len)
{
	memset(msg, 0, offsetof(struct sip_message, first));
	memset(msg->first, SIP_HEADER_NONE, sizeof(msg->first));
	msg->data = data;
	msg->len = len;
}

enum sip_parse_error sip_message_parse(struct sip_message *msg, const void *data, size_t len)
{
	const char *at = data, *end = at + len, *eol, *next;
	uint32_t version_len;
	bool ours = false;

	reset(msg, at, 0);
	if (len > SIP_MESSAGE_MAX)
		return (enum sip_parse_error)(msg->error = SIP_PARSE_TOO_LONG);
	while (at < end && (*at == '\r' || *at == '\n' || *at == '\0'))
		at++;
	if (at == end)
		return (enum sip_parse_error)(msg->error = SIP_PARSE_KEEPALIVE);
	msg->data = at;
	msg->len = (uint32_t)(end - at);
	eol = sip_find_eol(at, end);
	next = after_eol(eol, end);
	if (!next)
		return (enum sip_parse_error)(msg->error = SIP_PARSE_NOT_SIP);
	version_len = version_at(at, eol, &ours);
	if (version_len)
		parse_status_line(msg, at, eol, version_len, ours);
	else if (!parse_usual_request_line(msg, at, eol) && parse_request_line(msg, at, eol) != SIP_PARSE_OK)
		return (enum sip_parse_error)(msg->error = SIP_PARSE_NOT_SIP);
	next = parse_headers(msg, next, end);
	if (next)
		cut_body(msg, next, end);
	else
		note(msg, SIP_PARSE_NO_END);
	return (enum sip_parse_error)msg->error;
}

struct sip_text sip_message_find(const struct sip_message *msg, const char *name)
{
	struct sip_text wanted = sip_text_of(name);
	enum sip_header_id id = sip_header_find(wanted);

	if (id != SIP_H_OTHER)
		return sip_message_value(msg, id);
	for (const struct sip_header *h = sip_header_first(msg, SIP_H_OTHER); h; h = sip_header_next(msg, h))
		if (sip_text_equal_nocase(sip_header_name_text(msg, h), wanted))
			return sip_header_value(msg, h);
	return (struct sip_text){NULL, 0};
}

const struct sip_via *sip_message_read_via(struct sip_message *msg)
{
	struct sip_text list = sip_message_value(msg, SIP_H_VIA), value;

	msg->parsed |= SIP_CACHE_VIA;
	/* Nearly always the line is one Via. No comma that ends a value passes for a part of it. */
	if (!list.at || (sip_via_parse(&msg->via, list) != 0 &&
			 (sip_list_next(&list, &value) != 1 || sip_via_parse(&msg->via, value) != 0)))
		return NULL;
	msg->valid |= SIP_CACHE_VIA;
	return &msg->via;
}

static const struct sip_name_addr *read_name_addr(struct sip_message *msg, uint8_t cache, enum sip_header_id id,
						  struct sip_name_addr *out)
{
	struct sip_text value = sip_message_value(msg, id);

	msg->parsed |= cache;
	if (!value.at || sip_name_addr_parse(out, value) != 0)
		return NULL;
	msg->valid |= cache;
	return out;
}

const struct sip_name_addr *sip_message_read_from(struct sip_message *msg)
{
	return read_name_addr(msg, SIP_CACHE_FROM, SIP_H_FROM, &msg->from);
}

const struct sip_name_addr *sip_message_read_to(struct sip_message *msg)
{
	return read_name_addr(msg, SIP_CACHE_TO, SIP_H_TO, &msg->to);
}

const struct sip_cseq *sip_message_read_cseq(struct sip_message *msg)
{
	struct sip_text value = sip_message_value(msg, SIP_H_CSEQ);

	msg->parsed |= SIP_CACHE_CSEQ;
	if (!value.at || sip_cseq_parse(&msg->cseq, value) != 0)
		return NULL;
	msg->valid |= SIP_CACHE_CSEQ;
	return &msg->cseq;
}

const struct sip_uri *sip_message_read_uri(struct sip_message *msg)
{
	msg->parsed |= SIP_CACHE_URI;
	if (!msg->uri_text.at || sip_uri_parse(&msg->uri, msg->uri_text) != 0)
		return NULL;
	msg->valid |= SIP_CACHE_URI;
	return &msg->uri;
}

const struct sip_name_addr *sip_message_read_contact(struct sip_message *msg)
{
	struct sip_text value = sip_message_value(msg, SIP_H_CONTACT);
	struct sip_values it;
	bool found;

	msg->parsed |= SIP_CACHE_CONTACT;
	if (!value.at)
		return NULL;
	/* Behind brackets or quotes no comma passes for a part of the value, so a line that parses whole is one value.
	 */
	found = value.len && (*value.at == '<' || *value.at == '"') && sip_name_addr_parse(&msg->contact, value) == 0;
	if (!found) {
		sip_values_init(&it, msg, SIP_H_CONTACT);
		found = sip_values_next(&it, &value) == 1 && sip_name_addr_parse(&msg->contact, value) == 0;
	}
	if (!found)
		return NULL;
	msg->valid |= SIP_CACHE_CONTACT;
	return &msg->contact;
}

int sip_message_number(const struct sip_message *msg, enum sip_header_id id, uint32_t *number)
{
	struct sip_text value = sip_message_value(msg, id);

	return value.at ? sip_number_parse(number, value) : -ENOENT;
}

int sip_values_next(struct sip_values *it, struct sip_text *value)
{
	while (it->header) {
		int found = sip_list_next(&it->rest, value);

		if (found != 0)
			return found;
		it->header = sip_header_next(it->msg, it->header);
		if (it->header)
			it->rest = sip_header_value(it->msg, it->header);
	}
	return 0;
}

bool sip_message_lists(const struct sip_message *msg, enum sip_header_id id, const char *token)
{
	for (const struct sip_header *h = sip_header_first(msg, id); h; h = sip_header_next(msg, h))
		if (sip_list_has(sip_header_value(msg, h), token))
			return true;
	return false;
}
