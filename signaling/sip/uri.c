/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/uri.h"
#include "signaling/sip/param.h"

/* "= value" at the place, white space allowed everywhere: behind it and what follows it, or NULL. */
const char *sip_take_value(const char *at, const char *end, struct sip_text *value)
{
	const char *start;

	at = sip_skip_lws(at, end);
	if (at < end && *at == '=') {
		start = sip_skip_lws(at + 1, end);
		if (start < end && *start == '"') {
			at = sip_skip_quoted(start, end);
			if (!at)
				return NULL;
			*value = sip_text_span(start + 1, at - 1);
		} else {
			at = sip_skip_value(start, end);
			*value = sip_text_span(start, at);
		}
		at = sip_skip_lws(at, end);
	}
	return at < end && *at != ';' ? NULL : at;
}

int sip_param_next(struct sip_text *params, struct sip_text *name, struct sip_text *value)
{
	return sip_take_param(params, name, value);
}

bool sip_param_find(struct sip_text params, const char *name, struct sip_text *value)
{
	struct sip_text wanted = sip_text_of(name), found;

	while (sip_param_next(&params, &found, value) == 1)
		if (sip_text_equal_nocase(found, wanted))
			return true;
	*value = (struct sip_text){NULL, 0};
	return false;
}

static const struct {
	struct sip_text name;
	uint8_t transport;
} transports[] = {
    {SIP_TEXT_INIT("udp"), SIP_TRANSPORT_UDP},   {SIP_TEXT_INIT("tcp"), SIP_TRANSPORT_TCP},
    {SIP_TEXT_INIT("tls"), SIP_TRANSPORT_TLS},   {SIP_TEXT_INIT("ws"), SIP_TRANSPORT_WS},
    {SIP_TEXT_INIT("sctp"), SIP_TRANSPORT_SCTP}, {SIP_TEXT_INIT("wss"), SIP_TRANSPORT_WSS},
};

enum sip_transport sip_transport_find(struct sip_text text)
{
	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++)
		if (sip_text_equal_nocase(text, transports[i].name))
			return (enum sip_transport)transports[i].transport;
	return SIP_TRANSPORT_OTHER;
}

/* An IPv6 reference: behind its bracket, or NULL. */
static const char *take_reference(const char *at, const char *end, struct sip_text *host)
{
	const char *stop = memchr(at, ']', (size_t)(end - at));

	if (!stop || stop - at < 3)
		return NULL;
	*host = sip_text_span(at + 1, stop);
	for (const char *c = at + 1; c < stop; c++)
		if (!sip_char_is(*c, SIP_C_HEX) && *c != ':' && *c != '.')
			return NULL;
	return stop + 1;
}

/* Behind the digits of a port, or NULL where it is none. */
static const char *take_port(const char *at, const char *end, uint16_t *port)
{
	uint32_t number = 0, digit;

	for (; at < end && (digit = (unsigned char)*at - (uint32_t)'0') <= 9 && number <= UINT16_MAX; at++)
		number = number * 10 + digit;
	*port = (uint16_t)number;
	return number && number <= UINT16_MAX ? at : NULL;
}

int sip_hostport_parse(const char **at, const char *end, struct sip_text *host, uint16_t *port, bool *is_ip6)
{
	const char *start = *at, *stop;

	*port = 0;
	*is_ip6 = start < end && *start == '[';
	if (*is_ip6) {
		stop = take_reference(start, end, host);
	} else {
		stop = sip_skip_host(start, end);
		*host = sip_text_span(start, stop);
	}
	if (!stop || stop == start)
		return -EINVAL;
	*at = stop;
	if (stop < end && *stop != ':')
		stop = sip_skip_lws(stop, end);
	if (stop == end || *stop != ':')
		return 0;
	stop = take_port(sip_skip_lws(stop + 1, end), end, port);
	if (!stop)
		return -EINVAL;
	*at = stop;
	return 0;
}

static int parse_params(struct sip_uri *uri)
{
	struct sip_text rest = uri->params, name, value;
	uint32_t number;
	int more = 0;

	while (rest.len && (more = sip_take_param(&rest, &name, &value)) == 1) {
		if (sip_text_is_nocase(name, "transport") && value.at) {
			uri->transport = sip_transport_find(value);
		} else if (sip_text_is_nocase(name, "user") && value.at) {
			uri->user_param = value;
			uri->user_is_phone = sip_text_is_nocase(value, "phone");
		} else if (sip_text_is_nocase(name, "maddr") && value.at) {
			uri->maddr = value;
		} else if (sip_text_is_nocase(name, "lr")) {
			uri->lr = true;
		} else if (sip_text_is_nocase(name, "ttl") && value.at) {
			if (sip_text_to_u32(value, &number) != 0 || number > UINT8_MAX)
				return -EINVAL;
			uri->ttl = (uint8_t)number;
		}
	}
	return more < 0 ? more : 0;
}

/* Every '%' has two hex digits behind it. */
static bool escapes_ok(struct sip_text text)
{
	const char *at = text.at, *end = sip_text_end(text);

	while (text.len && (at = memchr(at, '%', (size_t)(end - at))) != NULL) {
		if (end - at < 3 || !sip_char_is(at[1], SIP_C_HEX) || !sip_char_is(at[2], SIP_C_HEX))
			return false;
		at += 3;
	}
	return true;
}

static int parse_userinfo(struct sip_uri *uri, const char *at, const char *end)
{
	const char *colon = memchr(at, ':', (size_t)(end - at));

	uri->user = sip_text_span(at, colon ? colon : end);
	if (colon)
		uri->password = sip_text_span(colon + 1, end);
	return uri->user.len && escapes_ok(sip_text_span(at, end)) ? 0 : -EINVAL;
}

/* "user@" when there is one; moves *at behind it. */
static int take_userinfo(struct sip_uri *uri, const char **at, const char *end)
{
	sip_block block = sip_load_upto(*at, end);
	uint32_t signs = sip_bits_of(block, '@'), before = (signs & -signs) - 1;
	const char *sign;

	/* Nearly all users are short, without a password, and nothing in them is escaped. */
	if (signs && before && (sip_bits(sip_is(block, ':') | sip_is(block, '%')) & before) == 0) {
		uri->user = sip_text(*at, (size_t)__builtin_ctz(signs));
		*at = sip_text_end(uri->user) + 1;
		return 0;
	}
	sign = sip_find(*at, end, '@');
	if (sign == end)
		return 0;
	if (parse_userinfo(uri, *at, sign) != 0)
		return -EINVAL;
	*at = sign + 1;
	return 0;
}

static int parse_sip(struct sip_uri *uri, const char *at, const char *end)
{
	const char *question;
	int error = take_userinfo(uri, &at, end);

	if (!error)
		error = sip_take_hostport(&at, end, &uri->host, &uri->port, &uri->host_is_ip6);
	if (error || at == end)
		return error;
	question = sip_find(at, end, '?');
	if (question < end)
		uri->headers = sip_text_span(question + 1, end);
	uri->params = sip_text_span(at, question);
	return parse_params(uri);
}

static int parse_tel(struct sip_uri *uri, const char *at, const char *end)
{
	const char *semicolon = memchr(at, ';', (size_t)(end - at));

	uri->user = sip_text_span(at, semicolon ? semicolon : end);
	if (semicolon)
		uri->params = sip_text_span(semicolon, end);
	for (uint32_t i = 0; i < uri->user.len; i++) {
		char c = uri->user.at[i];

		if (!sip_char_is(c, SIP_C_HEX) && !strchr("-.()*#", c) && !(c == '+' && i == 0))
			return -EINVAL;
	}
	return uri->user.len ? parse_params(uri) : -EINVAL;
}

static enum sip_scheme find_scheme(struct sip_text text)
{
	if (text.len == 3)
		return sip_text_is_nocase(text, "sip")   ? SIP_SCHEME_SIP
		       : sip_text_is_nocase(text, "tel") ? SIP_SCHEME_TEL
							 : SIP_SCHEME_OTHER;
	return sip_text_is_nocase(text, "sips") ? SIP_SCHEME_SIPS : SIP_SCHEME_OTHER;
}

/* The colon behind the scheme, or NULL. */
static const char *skip_scheme(const char *at, const char *end)
{
	const char *colon = at;

	if (end - at > 4 && memcmp(at, "sip:", 4) == 0)
		return at + 3;
	for (; colon < end && *colon != ':'; colon++)
		if (!sip_char_is(*colon, SIP_C_ALPHA | SIP_C_DIGIT) && *colon != '+' && *colon != '-' && *colon != '.')
			return NULL;
	return colon < end && colon > at && sip_char_is(*at, SIP_C_ALPHA) ? colon : NULL;
}

int sip_uri_parse(struct sip_uri *uri, struct sip_text text)
{
	const char *at = text.at, *end = sip_text_end(text), *colon = skip_scheme(at, end);

	memset(uri, 0, sizeof(*uri));
	uri->text = text;
	if (!colon || sip_skip_uri(colon, end) != end)
		return -EINVAL;
	uri->scheme_text = sip_text_span(at, colon);
	uri->scheme = find_scheme(uri->scheme_text);
	switch ((enum sip_scheme)uri->scheme) {
	case SIP_SCHEME_SIP:
	case SIP_SCHEME_SIPS:
		return parse_sip(uri, colon + 1, end);
	case SIP_SCHEME_TEL:
		return parse_tel(uri, colon + 1, end);
	default:
		return 0;
	}
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return (c | 0x20) - 'a' + 10;
}

/* One character at *at, decoded; moves *at along. */
static int next_char(const char **at, const char *end)
{
	const char *c = *at;

	if (*c != '%') {
		*at = c + 1;
		return (unsigned char)*c;
	}
	if (end - c < 3 || !sip_char_is(c[1], SIP_C_HEX) || !sip_char_is(c[2], SIP_C_HEX))
		return -EINVAL;
	*at = c + 3;
	return hex_value(c[1]) << 4 | hex_value(c[2]);
}

int sip_unescape(struct sip_text text, char *out, size_t size)
{
	const char *at = text.at, *end = sip_text_end(text);
	size_t len = 0;

	while (at < end) {
		int c = next_char(&at, end);

		if (c < 0)
			return c;
		if (len == size)
			return -EMSGSIZE;
		out[len++] = (char)c;
	}
	return (int)len;
}

/* A telephone number: what is left of it without separators; 0 when the text is no number. */
static int strip_separators(char *text, int len)
{
	int kept = 0;

	for (int i = 0; i < len; i++)
		if (!sip_char_is(text[i], SIP_C_DIGIT) && !strchr("-.()*#", text[i]) && !(text[i] == '+' && i == 0))
			return 0;
	for (int i = 0; i < len; i++)
		if (!strchr("-.()", text[i]))
			text[kept++] = text[i];
	return kept;
}

/* Digits, as nearly all numbers are: how many the user part begins with and out has room for. */
static uint32_t copy_digits(struct sip_text user, char *out, size_t size)
{
	uint32_t i = 0;

	for (; i < user.len && i < size; i++) {
		if (!sip_char_is(user.at[i], SIP_C_DIGIT) && !(user.at[i] == '+' && i == 0))
			break;
		out[i] = user.at[i];
	}
	return i;
}

int sip_uri_number(const struct sip_uri *uri, char *out, size_t size)
{
	struct sip_text user = uri->user;
	uint32_t digits = copy_digits(user, out, size);
	const char *semicolon;
	int len, kept;

	if (digits && (digits == user.len || user.at[digits] == ';'))
		return (int)digits;
	semicolon = user.len ? memchr(user.at, ';', user.len) : NULL;
	if (semicolon)
		user = sip_text_span(user.at, semicolon);
	len = sip_unescape(user, out, size);
	if (len <= 0 || memchr(out, 0, (size_t)len))
		return len < 0 ? len : len == 0 ? 0 : -EINVAL;
	kept = strip_separators(out, len);
	return kept > 0 ? kept : len;
}

/* Equal after decoding; letters of any case where nocase. Escapes that are malformed make texts unequal. */
static bool equal_decoded(struct sip_text a, struct sip_text b, bool nocase)
{
	const char *a_at = a.at, *a_end = sip_text_end(a), *b_at = b.at, *b_end = sip_text_end(b);

	while (a_at < a_end && b_at < b_end) {
		int ca = next_char(&a_at, a_end), cb = next_char(&b_at, b_end);

		if (ca < 0 || cb < 0)
			return false;
		if (nocase) {
			ca = sip_lower((char)ca);
			cb = sip_lower((char)cb);
		}
		if ((char)ca != (char)cb)
			return false;
	}
	return a_at == a_end && b_at == b_end;
}

/* These count even when only one of the two URIs has them (RFC 3261 section 19.1.4). */
static bool counts_alone(struct sip_text name)
{
	return sip_text_is_nocase(name, "user") || sip_text_is_nocase(name, "ttl") ||
	       sip_text_is_nocase(name, "method") || sip_text_is_nocase(name, "maddr") ||
	       sip_text_is_nocase(name, "transport");
}

static bool find_param(struct sip_text params, struct sip_text wanted, struct sip_text *value)
{
	struct sip_text name;

	while (sip_param_next(&params, &name, value) == 1)
		if (sip_text_equal_nocase(name, wanted))
			return true;
	return false;
}

/* Does every parameter of a agree with b? all: tel, where each must be in both. */
static bool params_agree(struct sip_text a, struct sip_text b, bool all)
{
	struct sip_text name, value, other;

	while (sip_param_next(&a, &name, &value) == 1) {
		if (find_param(b, name, &other)) {
			if (!equal_decoded(value, other, true))
				return false;
		} else if (all || counts_alone(name)) {
			return false;
		}
	}
	return true;
}

/* Next name=value of a URI's headers ("a=1&b=2"). */
static bool next_header(struct sip_text *headers, struct sip_text *name, struct sip_text *value)
{
	const char *end = sip_text_end(*headers), *stop, *equals;

	if (headers->len == 0)
		return false;
	stop = memchr(headers->at, '&', headers->len);
	if (!stop)
		stop = end;
	equals = memchr(headers->at, '=', (size_t)(stop - headers->at));
	*name = sip_text_span(headers->at, equals ? equals : stop);
	*value = equals ? sip_text_span(equals + 1, stop) : sip_text(stop, 0);
	*headers = sip_text_span(stop < end ? stop + 1 : end, end);
	return true;
}

/* Every header of a stands in b with an equal value. */
static bool headers_within(struct sip_text a, struct sip_text b)
{
	struct sip_text name, value, other_name, other;

	while (next_header(&a, &name, &value)) {
		struct sip_text rest = b;
		bool found = false;

		while (!found && next_header(&rest, &other_name, &other))
			found = equal_decoded(name, other_name, true) && equal_decoded(value, other, false);
		if (!found)
			return false;
	}
	return true;
}

static bool tel_equal(const struct sip_uri *a, const struct sip_uri *b)
{
	char number_a[128], number_b[128];
	int len_a = sip_uri_number(a, number_a, sizeof(number_a));
	int len_b = sip_uri_number(b, number_b, sizeof(number_b));

	return len_a > 0 && len_a == len_b &&
	       sip_text_equal_nocase(sip_text(number_a, (size_t)len_a), sip_text(number_b, (size_t)len_b)) &&
	       params_agree(a->params, b->params, true) && params_agree(b->params, a->params, true);
}

/* Each part is looked for among all of the other's, which takes its time when a stranger writes thousands. */
#define PARTS_MAX 32

static bool has_many(struct sip_text text, char separator)
{
	const char *at = text.at, *end = sip_text_end(text);
	unsigned int count = 0;

	while (at < end && (at = memchr(at, separator, (size_t)(end - at))) && count <= PARTS_MAX) {
		count++;
		at++;
	}
	return count > PARTS_MAX;
}

static bool is_long(const struct sip_uri *uri)
{
	return has_many(uri->params, ';') || has_many(uri->headers, '&');
}

bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b)
{
	if (a->scheme != b->scheme)
		return false;
	if (is_long(a) || is_long(b))
		return sip_text_equal(a->text, b->text);
	if (a->scheme == SIP_SCHEME_TEL)
		return tel_equal(a, b);
	if (a->scheme == SIP_SCHEME_OTHER)
		return sip_text_equal(a->text, b->text);
	return (a->user.at != NULL) == (b->user.at != NULL) && (a->password.at != NULL) == (b->password.at != NULL) &&
	       equal_decoded(a->user, b->user, false) && equal_decoded(a->password, b->password, false) &&
	       sip_text_equal_nocase(a->host, b->host) && a->port == b->port &&
	       params_agree(a->params, b->params, false) && params_agree(b->params, a->params, false) &&
	       headers_within(a->headers, b->headers) && headers_within(b->headers, a->headers);
}
