/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/check.h"
#include "signaling/sip/build.h"

/* Each test looks at one thing and returns true when it has given its verdict. */
typedef bool (*request_test)(struct sip_check *out, struct sip_message *msg, const struct sip_abilities *abilities);

/* Until a test says otherwise. The extras have no number yet, so nobody reads them. */
static void accept(struct sip_check *out)
{
	out->verdict = SIP_ACCEPT;
	out->code = 0;
	out->reason = "";
	out->extra = SIP_H_OTHER;
	out->extra_count = 0;
	out->allow = 0;
}

static bool refuse(struct sip_check *out, unsigned int code, const char *reason)
{
	out->verdict = SIP_RESPOND;
	out->code = (uint16_t)code;
	out->reason = reason ? reason : sip_status_reason(code);
	return true;
}

static bool drop(struct sip_check *out, const char *why)
{
	out->verdict = SIP_DROP;
	out->code = 0;
	out->reason = why;
	return true;
}

/* A header that may stand in a message once only (RFC 3261 section 7.3.1) stands there twice. */
static bool is_doubled(const struct sip_message *msg, enum sip_header_id id)
{
	const struct sip_header *first = sip_header_first(msg, id);

	return first && first->next != SIP_HEADER_NONE;
}

static bool check_syntax(struct sip_check *out, struct sip_message *msg, const struct sip_abilities *abilities)
{
	enum sip_parse_error error = (enum sip_parse_error)msg->error;

	if (!sip_message_has(msg, SIP_H_VIA))
		return drop(out, "No Via");
	if (error != SIP_PARSE_OK)
		return refuse(out, sip_parse_error_code(error), sip_parse_error_reason(error));
	if (msg->body.at - msg->data > SIP_CHECK_HEAD_MAX)
		return refuse(out, 513, NULL);
	return false;
}

/* Section 8.1.1: what must be there, once, and be readable. */
static bool check_mandatory(struct sip_check *out, struct sip_message *msg, const struct sip_abilities *abilities)
{
	static const struct {
		enum sip_header_id id;
		const char *missing, *doubled;
	} mandatory[] = {
	    {SIP_H_FROM, "Missing From", "More Than One From"},
	    {SIP_H_TO, "Missing To", "More Than One To"},
	    {SIP_H_CALL_ID, "Missing Call-ID", "More Than One Call-ID"},
	    {SIP_H_CSEQ, "Missing CSeq", "More Than One CSeq"},
	};
	const struct sip_via *via;

	for (size_t i = 0; i < sizeof(mandatory) / sizeof(mandatory[0]); i++) {
		if (!sip_message_value(msg, mandatory[i].id).len)
			return refuse(out, 400, mandatory[i].missing);
		if (is_doubled(msg, mandatory[i].id))
			return refuse(out, 400, mandatory[i].doubled);
	}
	via = sip_message_via(msg);
	if (!via)
		return refuse(out, 400, "Bad Via");
	if (!sip_message_from(msg) || msg->from.star)
		return refuse(out, 400, "Bad From");
	if (!sip_message_to(msg) || msg->to.star)
		return refuse(out, 400, "Bad To");
	if (!sip_message_cseq(msg))
		return refuse(out, 400, "Bad CSeq");
	return false;
}

static bool has_method(uint32_t methods, uint8_t method)
{
	return method != SIP_METHOD_OTHER && (methods & 1u << method) != 0;
}

static bool check_method(struct sip_check *out, struct sip_message *msg, const struct sip_abilities *abilities)
{
	if (!sip_text_equal(msg->cseq.method_text, msg->method_text))
		return refuse(out, 400, "CSeq Method Mismatch");
	if (msg->method == SIP_METHOD_OTHER)
		return refuse(out, 501, NULL);
	if (!has_method(abilities->methods, msg->method)) {
		/* Who serves none has subscribed to nothing (RFC 6665 section 4.1.3). 489 is for who knows packages. */
		if (msg->method == SIP_NOTIFY)
			return refuse(out, 481, NULL);
		out->extra = SIP_H_ALLOW;
		out->allow = abilities->methods;
		return refuse(out, 405, NULL);
	}
	return false;
}

static bool check_uri(struct sip_check *out, struct sip_message *msg, const struct sip_abilities *abilities)
{
	const struct sip_uri *uri = sip_message_uri(msg);

	if (!uri)
		return refuse(out, 400, "Bad Request-URI");
	if (uri->scheme == SIP_SCHEME_OTHER || !(abilities->schemes & 1u << uri->scheme))
		return refuse(out, 416, NULL);
	if (uri->headers.len) /* section 19.1.1: no headers in a Request-URI */
		return refuse(out, 400, "Headers In Request-URI");
	return false;
}

/* BYE, CANCEL and ACK end something here, and a REGISTER is for us, whatever hops they have left (section 16.3). */
static bool needs_hops(uint8_t method)
{
	return !has_method(1u << SIP_BYE | 1u << SIP_CANCEL | 1u << SIP_ACK | 1u << SIP_REGISTER, method);
}

/* Numbers that are there must be numbers, and in range. */
static bool check_numbers(struct sip_check *out, struct sip_message *msg, const struct sip_abilities *abilities)
{
	uint32_t hops = 70, expires;
	int error = sip_message_number(msg, SIP_H_MAX_FORWARDS, &hops);

	if (is_doubled(msg, SIP_H_MAX_FORWARDS) || (error && error != -ENOENT) || hops > 255)
		return refuse(out, 400, "Bad Max-Forwards");
	if (hops == 0 && needs_hops(msg->method))
		return refuse(out, 483, NULL);
	/* Over 2^32-1 (section 20.19) is no reason to refuse: the registrar takes it for an hour. */
	if (sip_message_number(msg, SIP_H_EXPIRES, &expires) == -EINVAL && msg->method == SIP_INVITE)
		return refuse(out, 400, "Bad Expires");
	return false;
}

/* Requests that make or change a binding or a dialog: their Contacts will be used, so they must be readable. */
static bool check_contacts(struct sip_check *out, struct sip_message *msg, const struct sip_abilities *abilities)
{
	struct sip_name_addr contact;
	struct sip_values it;
	struct sip_text value;
	int more;

	if (msg->method == SIP_ACK || msg->method == SIP_BYE || msg->method == SIP_CANCEL)
		return false;
	if (!sip_message_has(msg, SIP_H_CONTACT))
		return false;
	if (sip_message_contact(msg) && sip_message_is_only(msg, SIP_H_CONTACT, msg->contact.text))
		return false;
	sip_values_init(&it, msg, SIP_H_CONTACT);
	while ((more = sip_values_next(&it, &value)) == 1)
		if (sip_name_addr_parse(&contact, value) != 0)
			return refuse(out, 400, "Bad Contact");
	return more < 0 ? refuse(out, 400, "Bad Contact") : false;
}

static bool supports(const struct sip_abilities *abilities, struct sip_text tag)
{
	for (const char *const *name = abilities->extensions; name && *name; name++)
		if (sip_text_is_nocase(tag, *name))
			return true;
	return false;
}

/* Section 8.2.2.3: what the caller requires and we cannot do. Not looked at in CANCEL and ACK. */
static bool check_require(struct sip_check *out, struct sip_message *msg, const struct sip_abilities *abilities)
{
	struct sip_values it;
	struct sip_text tag;
	int more;

	if (msg->method == SIP_CANCEL || msg->method == SIP_ACK)
		return false;
	sip_values_init(&it, msg, SIP_H_REQUIRE);
	while ((more = sip_values_next(&it, &tag)) == 1)
		if (!supports(abilities, tag) && out->extra_count < SIP_CHECK_EXTRAS)
			out->extras[out->extra_count++] = tag;
	if (more < 0)
		return refuse(out, 400, "Bad Require");
	if (out->extra_count == 0)
		return false;
	out->extra = SIP_H_UNSUPPORTED;
	return refuse(out, 420, NULL);
}

/* A media range of an Accept header that takes in application/sdp. */
static bool range_has_sdp(struct sip_text value)
{
	struct sip_media_type type;

	if (sip_media_type_parse(&type, value) != 0)
		return false;
	return sip_media_type_is(&type, "*", "*") || sip_media_type_is(&type, "application", "*") ||
	       sip_media_type_is(&type, "application", "sdp");
}

/* What describes no session crosses unread, when it is one part of several, or may be passed over. */
static bool needs_no_reading(const struct sip_message *msg)
{
	struct sip_media_type type;

	return sip_body_is_optional(msg) ||
	       (sip_media_type_parse(&type, sip_message_value(msg, SIP_H_CONTENT_TYPE)) == 0 &&
		sip_text_is_nocase(type.type, "multipart"));
}

/* Section 8.2.3: a body we cannot read (415), or a caller who could not read ours (406). */
static bool check_content(struct sip_check *out, struct sip_message *msg, const struct sip_abilities *abilities)
{
	struct sip_text sdp, value;
	struct sip_values it;
	bool listed = false;
	int error;

	if (msg->method != SIP_INVITE)
		return false;
	error = sip_message_sdp(msg, &sdp);
	if (error == -EINVAL)
		return refuse(out, 400, "Bad Body");
	if (msg->body.len && error && !(error == -ENOENT && needs_no_reading(msg))) {
		/* What we could have read: another type, or the same one plain (section 21.4.13). */
		out->extra = error == -ENOTSUP ? SIP_H_ACCEPT_ENCODING : SIP_H_ACCEPT;
		out->extras[out->extra_count++] =
		    error == -ENOTSUP ? SIP_TEXT("identity") : SIP_TEXT("application/sdp");
		return refuse(out, 415, NULL);
	}
	if (!sip_message_has(msg, SIP_H_ACCEPT))
		return false;
	sip_values_init(&it, msg, SIP_H_ACCEPT);
	while (sip_values_next(&it, &value) == 1)
		listed |= range_has_sdp(value);
	return listed ? false : refuse(out, 406, NULL);
}

void sip_check_request(struct sip_check *out, struct sip_message *msg, const struct sip_abilities *abilities)
{
	static const request_test tests[] = {
	    check_syntax,  check_mandatory, check_method,  check_uri,
	    check_numbers, check_contacts,  check_require, check_content,
	};

	accept(out);
	if (!msg->is_request) {
		drop(out, sip_parse_error_reason((enum sip_parse_error)msg->error));
		return;
	}
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (tests[i](out, msg, abilities))
			break;
	if (out->verdict == SIP_RESPOND && msg->method == SIP_ACK)
		out->verdict = SIP_DROP;
}

/* One Via, and a good one: what has more is meant for somebody else (section 8.1.3.3). */
static const char *wrong_via(struct sip_message *msg)
{
	const struct sip_via *via = sip_message_via(msg);
	struct sip_values vias;
	struct sip_text value;

	if (via && sip_message_is_only(msg, SIP_H_VIA, via->text))
		return NULL;
	sip_values_init(&vias, msg, SIP_H_VIA);
	if (!via || sip_values_next(&vias, &value) != 1)
		return "Bad Via";
	return sip_values_next(&vias, &value) != 0 ? "More Than One Via" : NULL;
}

void sip_check_response(struct sip_check *out, struct sip_message *msg)
{
	const char *via;

	accept(out);
	if (msg->error != SIP_PARSE_OK || msg->is_request) {
		drop(out, sip_parse_error_reason((enum sip_parse_error)msg->error));
		return;
	}
	via = wrong_via(msg);
	if (via)
		drop(out, via);
	else if (!sip_message_cseq(msg) || is_doubled(msg, SIP_H_CSEQ))
		drop(out, "Bad CSeq");
	else if (!sip_message_from(msg) || !sip_message_to(msg) || msg->from.star || msg->to.star)
		drop(out, "Bad From Or To");
	else if (!sip_message_call_id(msg).len || is_doubled(msg, SIP_H_CALL_ID))
		drop(out, "Bad Call-ID");
}

static void build_allow(const struct sip_check *check, struct sip_builder *b)
{
	const char *separator = "";

	sip_build_begin(b, SIP_H_ALLOW);
	for (int method = 1; method < SIP_METHOD_COUNT; method++) {
		if (!(check->allow & 1u << method))
			continue;
		sip_build_string(b, separator);
		sip_build_string(b, sip_method_text((enum sip_method)method));
		separator = ", ";
	}
	sip_build_end(b);
}

void sip_check_build_extra(const struct sip_check *check, struct sip_builder *b)
{
	if (check->extra == SIP_H_OTHER)
		return;
	if (check->extra == SIP_H_ALLOW) {
		build_allow(check, b);
		return;
	}
	sip_build_begin(b, (enum sip_header_id)check->extra);
	for (int i = 0; i < check->extra_count; i++) {
		if (i > 0)
			sip_build_string(b, ", ");
		sip_build_text(b, check->extras[i]);
	}
	sip_build_end(b);
}
