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

static bool is_name(const char *at, const char *name, size_t len)
{
	return strncasecmp(at, name, len) == 0;
}

static enum field field_of(const char *at, size_t len)
{
	char first = (char)(*at | 0x20);

	switch (len) {
	case 1:
		return first == 'v'   ? VIA
		       : first == 'f' ? FROM
		       : first == 't' ? TO
		       : first == 'i' ? CALL_ID
		       : first == 'm' ? CONTACT
				      : NONE;
	case 2:
		return is_name(at, "to", 2) ? TO : NONE;
	case 3:
		return is_name(at, "via", 3) ? VIA : NONE;
	case 4:
		return first == 'f' && is_name(at, "from", 4)   ? FROM
		       : first == 'c' && is_name(at, "cseq", 4) ? CSEQ
								: NONE;
	case 7:
		if (first != 'c')
			return NONE;
		return is_name(at, "call-id", 7) ? CALL_ID : is_name(at, "contact", 7) ? CONTACT : NONE;
	case 11:
		return first == 'r' && is_name(at, "retry-after", 11) ? RETRY_AFTER : NONE;
	case 12:
		return first == 'r' && is_name(at, "record-route", 12) ? RECORD_ROUTE : NONE;
	case 13:
		return is_name(at, "authorization", 13) ? AUTHORIZATION : NONE;
	case 19:
		return is_name(at, "proxy-authorization", 19) ? AUTHORIZATION : NONE;
	default:
		return NONE;
	}
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
	const char *at = view->cseq.at, *end;
	enum view_method method;

	if (!at)
		return false;
	end = at + view->cseq.len;
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

bool sip_view_glance(struct sip_view *view, const char *text, uint32_t len)
{
	static const char via[] = "Via: ";
	const char *end = text + len, *line_end = memchr(text, '\n', len), *via_end;

	view->code = 0;
	view->method = VIEW_OTHER;
	view->vias = 0;
	view->call_id = (struct span){0};
	view->whole = (struct span){text, len};
	if (!line_end || !read_first_line(view, text, line_end))
		return false;
	if (view->code == 0)
		return view->method != VIEW_OTHER;
	line_end++;
	if ((size_t)(end - line_end) < sizeof(via) || memcmp(line_end, via, sizeof(via) - 1) != 0)
		return false;
	via_end = memchr(line_end, '\n', (size_t)(end - line_end));
	if (!via_end)
		return false;
	view->vias = 1;
	view->via[0] = trimmed(line_end + sizeof(via) - 1, via_end);
	return true;
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
	static const char key[] = ";branch=" BRANCH_COOKIE;
	const size_t room = sizeof(key) - 1 + 1 + ID_HEX + 8;
	const char *at = via.at, *end = at + via.len;
	uint32_t its_run;

	/* rport stands before it, with more or less behind it. */
	while ((at = memchr(at, ';', (size_t)(end - at))) && (size_t)(end - at) >= room &&
	       memcmp(at, key, sizeof(key) - 1) != 0)
		at++;
	if (!at || (size_t)(end - at) < room)
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

/* What follows `key` on the first line of an SDP that begins with it; NULL: there is none. */
static const char *sdp_line(struct span body, const char *key, size_t len)
{
	const char *at = body.at, *end = at + body.len, *line_end;

	for (; body.len && (size_t)(end - at) > len; at = line_end + 1) {
		if (memcmp(at, key, 2) == 0 && memcmp(at, key, len) == 0)
			return at + len;
		line_end = memchr(at, '\n', (size_t)(end - at));
		if (!line_end)
			break;
	}
	return NULL;
}

bool identity_of_label(struct identity *id, struct span body)
{
	const char *at = sdp_line(body, "a=label:", 8);

	if (!at || (size_t)(body.at + body.len - at) < 1 + ID_HEX)
		return false;
	id->kind = *at;
	return hex8(at + 1, &id->slot) && hex8(at + 9, &id->serial);
}

/* ---- values -------------------------------------------------------------------------------------------------- */

/* What most addresses are. */
static bool ip4_parse(struct net_addr *addr, const char *at, const char *end)
{
	*addr = (struct net_addr){.family = NET_IP4};
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int value = 0, digits = 0;

		for (; at < end && *at >= '0' && *at <= '9' && digits < 3; at++, digits++)
			value = value * 10 + (unsigned int)(*at - '0');
		if (digits == 0 || value > UINT8_MAX || (i < 3 && (at == end || *at++ != '.')))
			return false;
		addr->ip[i] = (uint8_t)value;
	}
	return at == end;
}

/* The media's own address goes before the session's (RFC 4566 section 5.7); there is one medium. */
bool sdp_media_address(struct net_addr *addr, struct span body)
{
	const char *end = body.at + body.len, *media = sdp_line(body, "m=audio ", 8), *at, *stop;
	uint32_t port;

	if (!media)
		return false;
	at = sdp_line((struct span){media, (uint32_t)(end - media)}, "c=IN IP", 7);
	if (!at)
		at = sdp_line(body, "c=IN IP", 7);
	if (!at || end - at < 2)
		return false;
	at += 2;
	for (stop = at; stop<end && * stop> ' ' && *stop != '/';)
		stop++;
	if (!ip4_parse(addr, at, stop) && net_addr_parse(addr, at, (size_t)(stop - at)) != 0)
		return false;
	if (!number(&media, end, &port) || port > UINT16_MAX)
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
