/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/fields.h"
#include "signaling/sip/param.h"

/* A token and the white space behind it; empty when there is none. */
static struct sip_text take_token(const char **at, const char *end)
{
	const char *start = *at, *stop = sip_skip_class(start, end, SIP_C_TOKEN);

	*at = sip_skip_lws(stop, end);
	return sip_text_span(start, stop);
}

static bool take_slash(const char **at, const char *end)
{
	if (*at == end || **at != '/')
		return false;
	*at = sip_skip_lws(*at + 1, end);
	return true;
}

static int via_port(struct sip_text text, uint16_t *port)
{
	uint32_t number;

	if (sip_text_to_u32(text, &number) != 0 || number == 0 || number > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)number;
	return 0;
}

static int via_params(struct sip_via *via)
{
	struct sip_text rest = via->params, name, value;
	const char *start = rest.at;
	uint32_t number;
	int more = 0;

	/* What is there twice is malformed: one reader may take the first, another the second. */
	for (; rest.len && (more = sip_take_param(&rest, &name, &value)) == 1; start = rest.at) {
		if (sip_text_is_nocase(name, "branch")) {
			if (via->branch.at)
				return -EINVAL;
			via->branch = value;
		} else if (sip_text_is_nocase(name, "rport")) {
			if (via->has_rport || (value.len && via_port(value, &via->rport) != 0))
				return -EINVAL;
			via->has_rport = true;
			via->rport_param = sip_text_span(start, rest.at);
		} else if (sip_text_is_nocase(name, "received")) {
			if (via->received_param.at)
				return -EINVAL;
			via->received = value;
			via->received_param = sip_text_span(start, rest.at);
		} else if (sip_text_is_nocase(name, "maddr")) {
			via->maddr = value;
		} else if (sip_text_is_nocase(name, "ttl")) {
			if (sip_text_to_u32(value, &number) != 0 || number > UINT8_MAX)
				return -EINVAL;
			via->ttl = (uint8_t)number;
		}
	}
	return more < 0 ? more : 0;
}

/* "SIP/2.0/UDP" and what follows up to the host; white space may stand around the slashes. */
static int via_protocol(struct sip_via *via, const char **at, const char *end)
{
	static const struct sip_text usual = SIP_TEXT_INIT("SIP/2.0/UDP ");
	const char *start = *at, *stop;
	struct sip_text name, version;

	if (end - start > usual.len && memcmp(start, usual.at, usual.len) == 0) {
		via->protocol = sip_text(start, 7);
		via->version_ok = true;
		via->transport_text = sip_text(start + 8, 3);
		via->transport = SIP_TRANSPORT_UDP;
		*at = sip_skip_lws(start + usual.len, end);
		return 0;
	}
	name = take_token(at, end);
	if (!take_slash(at, end))
		return -EINVAL;
	version = sip_text_span(*at, sip_skip_class(*at, end, SIP_C_TOKEN));
	stop = sip_text_end(version);
	*at = sip_skip_lws(stop, end);
	if (!take_slash(at, end))
		return -EINVAL;
	via->protocol = sip_text_span(start, stop);
	via->version_ok = sip_text_is_nocase(name, "SIP") && sip_text_is(version, "2.0");
	via->transport_text = sip_text_span(*at, sip_skip_class(*at, end, SIP_C_TOKEN));
	stop = sip_text_end(via->transport_text);
	*at = sip_skip_lws(stop, end);
	if (name.len == 0 || version.len == 0 || via->transport_text.len == 0 || *at == stop)
		return -EINVAL;
	via->transport = (uint8_t)sip_transport_find(via->transport_text);
	return 0;
}

int sip_via_parse(struct sip_via *out, struct sip_text value)
{
	const char *at, *end;
	int error;

	value = sip_text_trim(value);
	at = value.at;
	end = sip_text_end(value);
	*out = (struct sip_via){.text = value};
	error = via_protocol(out, &at, end);
	if (!error)
		error = sip_take_hostport(&at, end, &out->host, &out->port, &out->host_is_ip6);
	if (error)
		return error;
	at = sip_skip_lws(at, end);
	out->params = sip_text_span(at, end);
	error = via_params(out);
	out->branch_is_rfc3261 = out->branch.len > 7 && memcmp(out->branch.at, "z9hG4bK", 7) == 0;
	return error;
}

/* What stands before the '<' of "Name" <uri> or Name <uri>: *at ends up on the bracket. */
static int take_display(struct sip_name_addr *out, const char **at, const char *end)
{
	const char *open = *at;

	if (*open == '"') {
		const char *behind = sip_skip_quoted(open, end);

		if (!behind)
			return -EINVAL;
		out->display = sip_text_span(open + 1, behind - 1);
		out->display_quoted = true;
		*at = sip_skip_lws(behind, end);
		return *at < end && **at == '<' ? 0 : -EINVAL;
	}
	if (*open == '<') {
		out->display = sip_text(open, 0);
		return 0;
	}
	/* Tokens by the grammar; commas, dots and bytes of other alphabets in practice. There is a bracket. */
	for (; *open != '<'; open++)
		if (*open == '"' || *open == '>')
			return -EINVAL;
	out->display = sip_text_trim(sip_text_span(*at, open));
	*at = open;
	return 0;
}

/* <uri>, blanks allowed around it: *at stands on the first bracket and ends up behind the second. */
static int take_bracketed(struct sip_name_addr *out, const char **at, const char *end)
{
	const char *start = *at + 1, *stop, *close;

	if (start < end && (unsigned char)*start <= ' ')
		start = sip_skip_lws(start, end);
	close = stop = sip_skip_uri(start, end);
	if (close < end && *close != '>')
		close = sip_skip_lws(stop, end);
	if (close == end || *close != '>')
		return -EINVAL;
	out->brackets = true;
	out->uri = sip_text_span(start, stop);
	*at = close + 1;
	return 0;
}

/* A URI without brackets ends at the first semicolon, and may hold no comma and no question mark (section 20). */
static int take_bare(struct sip_name_addr *out, const char **at, const char *end)
{
	const char *stop = sip_skip_value(*at, end);

	out->uri = sip_text_span(*at, stop);
	*at = stop;
	return sip_find(out->uri.at, stop, '?') < stop ? -EINVAL : 0;
}

/* Parameters of a name-addr: those of the header, not of the URI. */
static int take_params(struct sip_name_addr *out, const char *at, const char *end)
{
	struct sip_text rest, name, value;
	int more = 0;

	rest = out->params = sip_text_span(at, end);
	/* A tag and nothing else, as in nearly every From and To. */
	if (rest.len > 5 && memcmp(at, ";tag=", 5) == 0 && sip_skip_value(at + 5, end) == end) {
		out->tag = sip_text_span(at + 5, end);
		return 0;
	}
	while (rest.len && (more = sip_take_param(&rest, &name, &value)) == 1) {
		if (!sip_text_is_nocase(name, "tag"))
			continue;
		if (out->tag.at || value.len == 0)
			return -EINVAL; /* two tags are two dialogs, an empty one is none */
		out->tag = value;
	}
	return more < 0 ? more : 0;
}

static bool has_scheme(struct sip_text uri)
{
	const char *end = sip_text_end(uri);

	return (uri.len > 4 && memcmp(uri.at, "sip:", 4) == 0) || sip_find(uri.at, end, ':') < end;
}

int sip_name_addr_parse(struct sip_name_addr *out, struct sip_text value)
{
	const char *at, *end;
	int error;

	value = sip_text_trim(value);
	*out = (struct sip_name_addr){.text = value};
	if (value.len == 0)
		return -EINVAL;
	if (value.len == 1 && *value.at == '*') {
		out->star = true;
		return 0;
	}
	at = value.at;
	end = sip_text_end(value);
	if (*at == '<' || *at == '"' || sip_find(at, end, '<') < end) {
		error = take_display(out, &at, end);
		if (!error)
			error = take_bracketed(out, &at, end);
	} else {
		error = take_bare(out, &at, end);
	}
	if (!error && !has_scheme(out->uri))
		error = -EINVAL; /* not even a scheme */
	if (error)
		return error;
	return take_params(out, at < end && *at == ';' ? at : sip_skip_lws(at, end), end);
}

uint16_t sip_contact_q(struct sip_text params)
{
	unsigned int value = 0, scale = 1000;
	struct sip_text text;

	if (!sip_param_find(params, "q", &text) || text.len == 0 || text.at[0] != '0')
		return 1000;
	for (uint32_t i = 2; i < text.len && scale > 1; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return 1000;
		scale /= 10;
		value += (unsigned int)(text.at[i] - '0') * scale;
	}
	return (uint16_t)value;
}

int sip_cseq_parse(struct sip_cseq *out, struct sip_text value)
{
	const char *at, *end, *stop;
	uint64_t number = 0;
	uint32_t digit;

	value = sip_text_trim(value);
	end = sip_text_end(value);
	*out = (struct sip_cseq){.number = 0};
	for (stop = value.at; stop < end && (digit = (unsigned char)*stop - (uint32_t)'0') <= 9; stop++) {
		number = number * 10 + digit;
		if (number > INT32_MAX)
			number = (uint64_t)INT32_MAX + 1; /* stays over, and does not wrap */
	}
	if (stop == value.at)
		return -EINVAL;
	if (number > INT32_MAX)
		return -ERANGE;
	at = sip_skip_lws(stop, end);
	if (at == stop || at == end)
		return -EINVAL;
	out->number = (uint32_t)number;
	out->method_text = sip_text_span(at, end);
	out->method = (uint8_t)sip_method_find(out->method_text);
	return out->method == SIP_METHOD_OTHER && sip_skip_class(at, end, SIP_C_TOKEN) != end ? -EINVAL : 0;
}

int sip_rack_parse(struct sip_rack *out, struct sip_text value)
{
	struct sip_cseq cseq;
	const char *at, *stop;
	int error;

	value = sip_text_trim(value);
	at = value.at;
	*out = (struct sip_rack){.rseq = 0};
	stop = sip_skip_class(at, sip_text_end(value), SIP_C_DIGIT);
	error = sip_text_to_u32(sip_text_span(at, stop), &out->rseq);
	if (!error)
		error = sip_cseq_parse(&cseq, sip_text_span(stop, sip_text_end(value)));
	if (error)
		return error;
	out->cseq = cseq.number;
	out->method = cseq.method;
	out->method_text = cseq.method_text;
	return 0;
}

/* Parameters must be well formed even where nobody reads them. */
static int params_ok(struct sip_text params)
{
	struct sip_text name, value;
	int more;

	while ((more = sip_param_next(&params, &name, &value)) == 1)
		;
	return more;
}

int sip_media_type_parse(struct sip_media_type *out, struct sip_text value)
{
	const char *at, *end;

	value = sip_text_trim(value);
	at = value.at;
	end = sip_text_end(value);
	out->type = take_token(&at, end);
	if (out->type.len == 0 || !take_slash(&at, end))
		return -EINVAL;
	out->subtype = take_token(&at, end);
	out->params = sip_text_span(at, end);
	return out->subtype.len ? params_ok(out->params) : -EINVAL;
}

bool sip_media_type_is(const struct sip_media_type *type, const char *name, const char *subtype)
{
	return sip_text_is_nocase(type->type, name) && sip_text_is_nocase(type->subtype, subtype);
}

int sip_number_parse(uint32_t *out, struct sip_text value)
{
	return sip_text_to_u32(sip_text_trim(value), out);
}

/* The number a value begins with; what follows it is left in *rest. */
static int leading_number(struct sip_text value, uint32_t *number, struct sip_text *rest)
{
	const char *end, *stop;

	value = sip_text_trim(value);
	end = sip_text_end(value);
	stop = sip_skip_class(value.at, end, SIP_C_DIGIT);
	*rest = sip_text_span(sip_skip_lws(stop, end), end);
	return sip_text_to_u32(sip_text_span(value.at, stop), number);
}

int sip_session_expires_parse(struct sip_session_expires *out, struct sip_text value)
{
	struct sip_text refresher;
	int error;

	*out = (struct sip_session_expires){.delta_s = 0};
	error = leading_number(value, &out->delta_s, &out->params);
	if (!error)
		error = params_ok(out->params);
	if (error)
		return error;
	if (sip_param_find(out->params, "refresher", &refresher)) {
		if (sip_text_is_nocase(refresher, "uac"))
			out->refresher = SIP_REFRESHER_UAC;
		else if (sip_text_is_nocase(refresher, "uas"))
			out->refresher = SIP_REFRESHER_UAS;
	}
	return 0;
}

/* Behind a comment in parentheses, which may hold others; NULL when it does not end. */
static const char *skip_comment(const char *at, const char *end)
{
	unsigned int depth = 0;

	for (; at < end; at++) {
		if (*at == '(') {
			depth++;
		} else if (*at == ')') {
			if (--depth == 0)
				return at + 1;
		} else if (*at == '\\' && ++at == end) {
			break;
		}
	}
	return NULL;
}

int sip_retry_after_parse(struct sip_retry_after *out, struct sip_text value)
{
	struct sip_text duration;
	int error;

	*out = (struct sip_retry_after){.delta_s = 0};
	error = leading_number(value, &out->delta_s, &out->params);
	if (error)
		return error;
	if (out->params.len && *out->params.at == '(') {
		const char *end = sip_text_end(out->params), *behind = skip_comment(out->params.at, end);

		if (!behind)
			return -EINVAL;
		out->params = sip_text_span(sip_skip_lws(behind, end), end);
	}
	error = params_ok(out->params);
	if (!error && sip_param_find(out->params, "duration", &duration))
		error = sip_text_to_u32(duration, &out->duration_s);
	return error;
}

int sip_token_parse(struct sip_token *out, struct sip_text value)
{
	const char *at, *end;

	value = sip_text_trim(value);
	at = value.at;
	end = sip_text_end(value);
	out->token = take_token(&at, end);
	out->params = sip_text_span(at, end);
	return out->token.len ? params_ok(out->params) : -EINVAL;
}

int sip_reason_parse(struct sip_reason *out, struct sip_text value)
{
	struct sip_token token;
	struct sip_text cause;
	int error = sip_token_parse(&token, value);

	*out = (struct sip_reason){.cause = 0};
	if (error)
		return error;
	out->protocol = token.token;
	sip_param_find(token.params, "text", &out->reason);
	return sip_param_find(token.params, "cause", &cause) ? sip_text_to_u32(cause, &out->cause) : 0;
}

int sip_list_next(struct sip_text *list, struct sip_text *value)
{
	const char *at = list->at, *end = sip_text_end(*list), *start;

	while (at < end && (*at == ',' || sip_is_lws(*at)))
		at++;
	if (at == end) {
		*list = sip_text(end, 0);
		return 0;
	}
	for (start = at; (at = sip_find_any(at, end, ',', '"', '<')) < end && *at != ',';) {
		at = *at == '"' ? sip_skip_quoted(at, end) : memchr(at, '>', (size_t)(end - at));
		if (!at)
			return -EINVAL;
	}
	*value = sip_text_trim(sip_text_span(start, at));
	*list = sip_text_span(at, end);
	return 1;
}

bool sip_list_has(struct sip_text list, const char *token)
{
	struct sip_text wanted = sip_text_of(token), value;

	while (sip_list_next(&list, &value) == 1)
		if (sip_text_equal_nocase(value, wanted))
			return true;
	return false;
}
