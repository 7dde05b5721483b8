/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of digest headers; the arithmetic is in digest.c. */
#include "signaling/sip/fields.h"
#include "signaling/sip/chars.h"

/* Next "name = value" of a comma list; the quotes of a quoted value are off. 1, 0 at the end, -EINVAL. */
static int next_auth_param(struct sip_text *rest, struct sip_text *name, struct sip_text *value)
{
	const char *at = rest->at, *end = sip_text_end(*rest), *start;

	while (at < end && (sip_is_lws(*at) || *at == ','))
		at++;
	if (at == end)
		return 0;
	start = at;
	at = sip_skip_class(at, end, SIP_C_TOKEN);
	*name = sip_text_span(start, at);
	at = sip_skip_lws(at, end);
	if (name->len == 0 || at == end || *at != '=')
		return -EINVAL;
	start = sip_skip_lws(at + 1, end);
	if (start < end && *start == '"') {
		at = sip_skip_quoted(start, end);
		if (!at)
			return -EINVAL;
		*value = sip_text_span(start + 1, at - 1);
	} else {
		at = sip_skip_value(start, end);
		*value = sip_text_span(start, at);
		if (value->len && memchr(value->at, '\\', value->len))
			return -EINVAL; /* no token; between quotes again it would mean something else */
	}
	at = sip_skip_lws(at, end);
	if (at < end && *at != ',')
		return -EINVAL;
	*rest = sip_text_span(at, end);
	return 1;
}

/* The scheme and what follows it: 0, -ENOENT for another scheme than Digest. */
static int take_scheme(struct sip_text value, struct sip_text *rest)
{
	const char *end, *stop;

	value = sip_text_trim(value);
	end = sip_text_end(value);
	stop = sip_skip_class(value.at, end, SIP_C_TOKEN);
	if (stop == value.at)
		return -EINVAL;
	*rest = sip_text_span(stop, end);
	return sip_text_is_nocase(sip_text_span(value.at, stop), "Digest") ? 0 : -ENOENT;
}

static uint8_t find_algorithm(struct sip_text text)
{
	static const char *const names[] = {
	    [SIP_DIGEST_MD5] = "MD5",
	    [SIP_DIGEST_SHA256] = "SHA-256",
	    [SIP_DIGEST_SHA512_256] = "SHA-512-256",
	};

	for (uint8_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (sip_text_is_nocase(text, names[i]))
			return i;
	return SIP_DIGEST_UNKNOWN;
}

int sip_challenge_parse(struct sip_challenge *out, struct sip_text value)
{
	struct sip_text rest, name;
	int more;

	*out = (struct sip_challenge){.stale = false};
	more = take_scheme(value, &rest);
	if (more)
		return more;
	while ((more = next_auth_param(&rest, &name, &value)) == 1) {
		if (sip_text_is_nocase(name, "realm")) {
			out->realm = value;
		} else if (sip_text_is_nocase(name, "nonce")) {
			out->nonce = value;
		} else if (sip_text_is_nocase(name, "opaque")) {
			out->opaque = value;
		} else if (sip_text_is_nocase(name, "algorithm")) {
			out->algorithm_text = value;
			out->algorithm = find_algorithm(value);
		} else if (sip_text_is_nocase(name, "qop")) {
			out->has_qop = value.len != 0;
			out->qop_auth = sip_list_has(value, "auth");
		} else if (sip_text_is_nocase(name, "stale")) {
			out->stale = sip_text_is_nocase(value, "true");
		}
	}
	return more || !out->realm.at || !out->nonce.at ? -EINVAL : 0;
}

/* Exactly eight hex digits (RFC 3261 section 25.1, nc-value). */
static int parse_nc(struct sip_text text, uint32_t *number)
{
	uint32_t sum = 0;

	if (text.len != 8)
		return -EINVAL;
	for (uint32_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (!sip_char_is(c, SIP_C_HEX))
			return -EINVAL;
		sum = sum << 4 | (uint32_t)(sip_char_is(c, SIP_C_DIGIT) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	*number = sum;
	return 0;
}

/* Where each parameter of the credentials goes. */
static const struct {
	struct sip_text name;
	size_t offset;
} places[] = {
    {SIP_TEXT_INIT("username"), offsetof(struct sip_credentials, username)},
    {SIP_TEXT_INIT("realm"), offsetof(struct sip_credentials, realm)},
    {SIP_TEXT_INIT("nonce"), offsetof(struct sip_credentials, nonce)},
    {SIP_TEXT_INIT("uri"), offsetof(struct sip_credentials, uri)},
    {SIP_TEXT_INIT("response"), offsetof(struct sip_credentials, response)},
    {SIP_TEXT_INIT("cnonce"), offsetof(struct sip_credentials, cnonce)},
    {SIP_TEXT_INIT("nc"), offsetof(struct sip_credentials, nc_text)},
    {SIP_TEXT_INIT("qop"), offsetof(struct sip_credentials, qop_text)},
    {SIP_TEXT_INIT("opaque"), offsetof(struct sip_credentials, opaque)},
    {SIP_TEXT_INIT("algorithm"), offsetof(struct sip_credentials, algorithm_text)},
};

static int finish_credentials(struct sip_credentials *out)
{
	if (!out->username.len || !out->realm.at || !out->nonce.len || !out->uri.len || !out->response.len)
		return -EINVAL;
	if (out->algorithm_text.at)
		out->algorithm = find_algorithm(out->algorithm_text);
	if (!out->qop_text.at) {
		out->qop = SIP_QOP_NONE;
		return 0;
	}
	out->qop = sip_text_is_nocase(out->qop_text, "auth") ? SIP_QOP_AUTH : SIP_QOP_UNKNOWN;
	if (!out->cnonce.at)
		return -EINVAL;
	return parse_nc(out->nc_text, &out->nc);
}

int sip_credentials_parse(struct sip_credentials *out, struct sip_text value)
{
	struct sip_text rest, name;
	int more;

	*out = (struct sip_credentials){.nc = 0};
	more = take_scheme(value, &rest);
	if (more)
		return more;
	while ((more = next_auth_param(&rest, &name, &value)) == 1) {
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			struct sip_text *place = (void *)((char *)out + places[i].offset);

			if (!sip_text_equal_nocase(name, places[i].name))
				continue;
			if (place->at)
				return -EINVAL; /* twice: one reader may take the first, another the second */
			*place = value;
		}
	}
	return more ? more : finish_credentials(out);
}
