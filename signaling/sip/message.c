/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/message.h"
#include "signaling/sip/chars.h"

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

static void add_header(struct sip_message *msg, enum sip_header_id id, struct sip_text name, struct sip_text value,
		       bool folded)
{
	uint8_t index = msg->header_count++;
	struct sip_header *header = &msg->headers[index];

	header->name_at = (uint16_t)(name.at - msg->data);
	header->name_len = (uint16_t)name.len;
	header->at = (uint16_t)(value.at - msg->data);
	header->len = (uint16_t)value.len;
	header->id = (uint8_t)id;
	header->next = SIP_HEADER_NONE;
	header->folded = folded;
	header->pad = 0;
	if (msg->first[id] == SIP_HEADER_NONE)
		msg->first[id] = index;
	else
		msg->headers[msg->last[id]].next = index;
	msg->last[id] = index;
}

/* The first colon of a line that ends at eol, or NULL. */
static inline const char *find_colon(const char *at, const char *eol, const char *end)
{
#ifdef __SSE2__
	if (end - at >= 16) {
		uint32_t colons = sip_bits_of(sip_load16(at), ':');

		if (colons) {
			const char *colon = at + __builtin_ctz(colons);

			return colon < eol ? colon : NULL;
		}
	}
#endif
	return memchr(at, ':', (size_t)(eol - at));
}

/*
 * The name of the header line from `at` to eol: returns its colon, or NULL where there is no name and colon. A name
 * that is known needs no look at its characters.
 */
static const char *parse_name(const char *at, const char *eol, const char *end, enum sip_header_id *id,
			      struct sip_text *name)
{
	const char *colon = find_colon(at, eol, end), *name_end;

	if (!colon)
		return NULL;
	*name = sip_text_span(at, colon);
	*id = sip_header_find_in(at, name->len, end);
	if (*id != SIP_H_OTHER)
		return colon;
	/* Unknown, or white space before the colon, which is legal. */
	name_end = sip_skip_class(at, colon, SIP_C_TOKEN);
	*name = sip_text_span(at, name_end);
	while (*name_end == ' ' || *name_end == '\t')
		name_end++;
	if (name_end != colon || name->len == 0)
		return NULL;
	*id = sip_header_find_in(at, name->len, end);
	return colon;
}

/* CR LF, and the next line is no continuation of this one. */
static inline bool is_plain_end(const char *eol, const char *end)
{
	return end - eol > 2 && memcmp(eol, "\r\n", 2) == 0 && eol[2] != ' ' && eol[2] != '\t';
}

/*
 * The value goes on behind its first line end, perhaps: moves *eol to its last. Returns behind that; NULL: the datagram
 * ends in it.
 */
static const char *unfold(struct sip_message *msg, struct sip_eols *eols, const char **eol, bool *folded)
{
	for (;;) {
		const char *next = after_eol(*eol, eols->end);

		if (!next && *eol < eols->end) {
			note(msg, SIP_PARSE_HEADER_LINE); /* a bare CR: somebody smuggles */
			*eol = sip_eols_next(eols, *eol + 1);
		} else if (next && next < eols->end && (*next == ' ' || *next == '\t')) {
			*folded = true;
			*eol = sip_eols_next(eols, next);
		} else {
			return next;
		}
	}
}

/*
 * One header line, whose first line end is eol, with its continuations. Returns behind it; NULL: no line may follow,
 * for the datagram ends in it, or it is one too many.
 */
static const char *parse_header(struct sip_message *msg, const char *at, const char *eol, struct sip_eols *eols)
{
	const char *colon, *next, *end = eols->end;
	enum sip_header_id id = SIP_H_OTHER;
	struct sip_text name;
	bool folded = false;

	colon = parse_name(at, eol, end, &id, &name);
	if (!colon) {
		note(msg, SIP_PARSE_HEADER_LINE);
		next = after_eol(eol, end);
		return next ? next : eol < end ? eol + 1 : NULL;
	}
	next = is_plain_end(eol, end) ? eol + 2 : unfold(msg, eols, &eol, &folded);
	if (msg->header_count == SIP_MESSAGE_HEADERS) {
		note(msg, SIP_PARSE_TOO_MANY);
		return NULL;
	}
	add_header(msg, id, name, sip_trim(colon + 1, eol), folded);
	return next;
}

/* All lines up to the empty one; returns where the body begins, NULL when there is no empty line. */
static const char *parse_headers(struct sip_message *msg, const char *at, const char *end)
{
	struct sip_eols eols;

	sip_eols_init(&eols, at, end);
	while (at && at < end) {
		const char *eol = sip_eols_next(&eols, at);

		if (eol == at && after_eol(eol, end))
			return after_eol(eol, end);
		at = parse_header(msg, at, eol, &eols);
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
	else if (parse_request_line(msg, at, eol) != SIP_PARSE_OK)
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

enum { CACHE_VIA = 1, CACHE_FROM = 2, CACHE_TO = 4, CACHE_CSEQ = 8, CACHE_URI = 16 };

/* True when the value must still be parsed; with a header to parse it from in *value. */
static bool first_look(struct sip_message *msg, uint8_t bit, enum sip_header_id id, struct sip_text *value)
{
	if (msg->parsed & bit)
		return false;
	msg->parsed |= bit;
	*value = sip_message_value(msg, id);
	return value->at != NULL;
}

const struct sip_via *sip_message_via(struct sip_message *msg)
{
	struct sip_text list, value;

	if (first_look(msg, CACHE_VIA, SIP_H_VIA, &list) && sip_list_next(&list, &value) == 1 &&
	    sip_via_parse(&msg->via, value) == 0)
		msg->valid |= CACHE_VIA;
	return msg->valid & CACHE_VIA ? &msg->via : NULL;
}

const struct sip_name_addr *sip_message_from(struct sip_message *msg)
{
	struct sip_text value;

	if (first_look(msg, CACHE_FROM, SIP_H_FROM, &value) && sip_name_addr_parse(&msg->from, value) == 0)
		msg->valid |= CACHE_FROM;
	return msg->valid & CACHE_FROM ? &msg->from : NULL;
}

const struct sip_name_addr *sip_message_to(struct sip_message *msg)
{
	struct sip_text value;

	if (first_look(msg, CACHE_TO, SIP_H_TO, &value) && sip_name_addr_parse(&msg->to, value) == 0)
		msg->valid |= CACHE_TO;
	return msg->valid & CACHE_TO ? &msg->to : NULL;
}

const struct sip_cseq *sip_message_cseq(struct sip_message *msg)
{
	struct sip_text value;

	if (first_look(msg, CACHE_CSEQ, SIP_H_CSEQ, &value) && sip_cseq_parse(&msg->cseq, value) == 0)
		msg->valid |= CACHE_CSEQ;
	return msg->valid & CACHE_CSEQ ? &msg->cseq : NULL;
}

const struct sip_uri *sip_message_uri(struct sip_message *msg)
{
	if (!(msg->parsed & CACHE_URI)) {
		msg->parsed |= CACHE_URI;
		if (msg->uri_text.at && sip_uri_parse(&msg->uri, msg->uri_text) == 0)
			msg->valid |= CACHE_URI;
	}
	return msg->valid & CACHE_URI ? &msg->uri : NULL;
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
