/* SPDX-License-Identifier: Apache-2.0 */
#include "sip_view.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* ---- names --------------------------------------------------------------------------------------------------- */

static enum view_method method_of(const char *at, size_t len)
{
	static const struct {
		const char *name;
		uint8_t len, method;
	} methods[] = {{"INVITE", 6, VIEW_INVITE},    {"ACK", 3, VIEW_ACK},         {"BYE", 3, VIEW_BYE},
		       {"CANCEL", 6, VIEW_CANCEL},    {"OPTIONS", 7, VIEW_OPTIONS}, {"UPDATE", 6, VIEW_UPDATE},
		       {"REGISTER", 8, VIEW_REGISTER}};

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (methods[i].len == len && memcmp(methods[i].name, at, len) == 0)
			return methods[i].method;
	return VIEW_OTHER;
}

enum field { NONE, VIA, FROM, TO, CALL_ID, CSEQ, CONTACT, RECORD_ROUTE, RETRY_AFTER, AUTHORIZATION };

static enum field field_of(const char *at, size_t len)
{
	static const struct {
		const char *name;
		uint8_t len, field;
	} fields[] = {{"via", 3, VIA},
		      {"from", 4, FROM},
		      {"to", 2, TO},
		      {"call-id", 7, CALL_ID},
		      {"cseq", 4, CSEQ},
		      {"contact", 7, CONTACT},
		      {"record-route", 12, RECORD_ROUTE},
		      {"retry-after", 11, RETRY_AFTER},
		      {"authorization", 13, AUTHORIZATION},
		      {"proxy-authorization", 19, AUTHORIZATION},
		      {"v", 1, VIA},
		      {"f", 1, FROM},
		      {"t", 1, TO},
		      {"i", 1, CALL_ID},
		      {"m", 1, CONTACT}};
	char first = (char)(*at | 0x20);

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (fields[i].len == len && fields[i].name[0] == first && strncasecmp(fields[i].name, at, len) == 0)
			return fields[i].field;
	return NONE;
}

/* ---- lines --------------------------------------------------------------------------------------------------- */

static struct span trimmed(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	while (end > at && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	return (struct span){at, (uint32_t)(end - at)};
}

static bool number(const char **at, const char *end, uint32_t *out)
{
	const char *start = *at;
	uint64_t value = 0;

	for (; *at < end && **at >= '0' && **at <= '9' && *at - start < 10; (*at)++)
		value = value * 10 + (uint64_t)(**at - '0');
	*out = (uint32_t)value;
	return *at > start;
}

static bool read_cseq(struct sip_view *view)
{
	const char *at = view->cseq.at, *end = at + view->cseq.len;
	enum view_method method;

	if (!number(&at, end, &view->cseq_number))
		return false;
	while (at < end && *at == ' ')
		at++;
	method = method_of(at, (size_t)(end - at));
	if (view->code != 0)
		view->method = (uint8_t)method;
	return true;
}

static bool read_first_line(struct sip_view *view, const char *at, const char *end)
{
	const char *space = memchr(at, ' ', (size_t)(end - at)), *second;
	uint32_t code;

	if (!space)
		return false;
	if (space - at == 7 && memcmp(at, "SIP/2.0", 7) == 0) {
		second = space + 1;
		if (!number(&second, end, &code) || code < 100 || code > 699)
			return false;
		view->code = (uint16_t)code;
		return true;
	}
	second = memchr(space + 1, ' ', (size_t)(end - space - 1));
	if (!second || (size_t)(end - second) < 8 || memcmp(second, " SIP/2.0", 8) != 0)
		return false;
	view->method = (uint8_t)method_of(at, (size_t)(space - at));
	view->uri = (struct span){space + 1, (uint32_t)(second - space - 1)};
	return true;
}

/* Where the field's value is kept; NULL when nobody asks for it. */
static struct span *keep(struct sip_view *view, enum field field)
{
	switch (field) {
	case VIA:
		return view->vias < VIEW_VIAS ? &view->via[view->vias++] : NULL;
	case RECORD_ROUTE:
		return view->routes < VIEW_ROUTES ? &view->route[view->routes++] : NULL;
	case FROM:
		return &view->from;
	case TO:
		return &view->to;
	case CALL_ID:
		return &view->call_id;
	case CSEQ:
		return &view->cseq;
	case CONTACT:
		return &view->contact;
	case RETRY_AFTER:
		view->retry_after = true;
		return NULL;
	case AUTHORIZATION:
		view->authorization = true;
		return NULL;
	default:
		return NULL;
	}
}

int sip_view_read(struct sip_view *view, const char *text, uint32_t len)
{
	const char *end = text + len, *at = text, *line_end = memchr(text, '\n', len), *colon, *name_end;
	struct span *value = NULL;

	memset(view, 0, offsetof(struct sip_view, via));
	view->from = view->to = view->call_id = view->cseq = view->contact = view->body = (struct span){0};
	view->whole = (struct span){text, len};
	if (!line_end || !read_first_line(view, at, line_end))
		return -EINVAL;
	for (at = line_end + 1; at < end; at = line_end + 1) {
		line_end = memchr(at, '\n', (size_t)(end - at));
		if (!line_end)
			return -EINVAL;
		if (*at == '\r' || *at == '\n') {
			view->body = (struct span){line_end + 1, (uint32_t)(end - line_end - 1)};
			break;
		}
		if (*at == ' ' || *at == '\t') { /* the line before goes on */
			if (value)
				value->len = trimmed(value->at, line_end).len;
			continue;
		}
		colon = memchr(at, ':', (size_t)(line_end - at));
		if (!colon)
			return -EINVAL;
		for (name_end = colon; name_end > at && name_end[-1] == ' ';)
			name_end--;
		value = keep(view, field_of(at, (size_t)(name_end - at)));
		if (value)
			*value = trimmed(colon + 1, line_end);
	}
	if (view->vias == 0 || !view->from.len || !view->to.len || !view->call_id.len || !read_cseq(view))
		return -EINVAL;
	return 0;
}

/* ---- identity ------------------------------------------------------------------------------------------------ */

static bool hex8(const char *at, uint32_t *out)
{
	uint32_t value = 0;

	for (int i = 0; i < 8; i++) {
		char c = at[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = value;
	return true;
}

bool identity_of_branch(struct identity *id, struct span via, uint32_t run)
{
	static const char key[] = "branch=" BRANCH_COOKIE;
	const char *at = memmem(via.at, via.len, key, sizeof(key) - 1);
	uint32_t its_run;

	if (!at || (size_t)(via.at + via.len - at) < sizeof(key) - 1 + 1 + ID_HEX + 8)
		return false;
	at += sizeof(key) - 1;
	id->kind = *at;
	return hex8(at + 1, &id->slot) && hex8(at + 9, &id->serial) && hex8(at + 17, &its_run) && its_run == run;
}

static bool decimal(const char *at, unsigned int digits, uint32_t *out)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < digits; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		value = value * 10 + (uint32_t)(at[i] - '0');
	}
	*out = value;
	return true;
}

bool identity_of_uri(struct identity *id, struct span uri)
{
	const char *user = memchr(uri.at, ':', uri.len), *end;
	size_t len;

	if (!user)
		return false;
	user++;
	end = memchr(user, '@', (size_t)(uri.at + uri.len - user));
	if (!end)
		return false;
	for (const char *semicolon; (semicolon = memchr(user, ';', (size_t)(end - user)));)
		end = semicolon;
	len = (size_t)(end - user);
	if (len == 1 + ID_HEX && *user >= 'a' && hex8(user + 1, &id->slot) && hex8(user + 9, &id->serial)) {
		id->kind = *user;
		return true;
	}
	id->kind = 0;
	return len >= NUMBER_TAIL && decimal(end - NUMBER_TAIL, 7, &id->slot) && decimal(end - 3, 3, &id->serial);
}

bool identity_of_label(struct identity *id, struct span body)
{
	static const char key[] = "a=label:";
	const char *at = body.len ? memmem(body.at, body.len, key, sizeof(key) - 1) : NULL;

	if (!at || (size_t)(body.at + body.len - at) < sizeof(key) - 1 + 1 + ID_HEX)
		return false;
	at += sizeof(key) - 1;
	id->kind = *at;
	return hex8(at + 1, &id->slot) && hex8(at + 9, &id->serial);
}

/* ---- values -------------------------------------------------------------------------------------------------- */

bool sdp_media_address(struct net_addr *addr, struct span body)
{
	const char *end = body.at + body.len, *at, *stop;
	uint32_t port;

	at = body.len ? memmem(body.at, body.len, "c=IN IP", 7) : NULL;
	if (!at || end - at < 9)
		return false;
	at += 9;
	for (stop = at; stop<end && * stop> ' ' && *stop != '/';)
		stop++;
	if (net_addr_parse(addr, at, (size_t)(stop - at)) != 0)
		return false;
	at = memmem(body.at, body.len, "m=audio ", 8);
	if (!at)
		return false;
	at += 8;
	if (!number(&at, end, &port) || port > UINT16_MAX)
		return false;
	addr->port = (uint16_t)port;
	return true;
}

struct span value_parameter(struct span value, const char *name)
{
	const char *end = value.at + value.len, *at = memchr(value.at, '>', value.len);
	size_t len = strlen(name);

	for (at = at ? at : value.at; (at = memchr(at, ';', (size_t)(end - at))); at++) {
		const char *start = at + 1 + len + 1, *stop = start;

		if ((size_t)(end - at) < len + 2 || strncasecmp(at + 1, name, len) != 0 || at[1 + len] != '=')
			continue;
		while (stop < end && *stop != ';' && *stop != ' ' && *stop != ',')
			stop++;
		return (struct span){start, (uint32_t)(stop - start)};
	}
	return (struct span){0};
}

struct span value_uri(struct span value)
{
	const char *open = memchr(value.at, '<', value.len), *end = value.at + value.len, *close;

	if (!open) {
		close = memchr(value.at, ';', value.len);
		return (struct span){value.at, close ? (uint32_t)(close - value.at) : value.len};
	}
	close = memchr(open, '>', (size_t)(end - open));
	if (!close)
		return (struct span){0};
	return (struct span){open + 1, (uint32_t)(close - open - 1)};
}
