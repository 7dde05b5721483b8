/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any datagram: index it, read every header in every way, judge it, answer it. What must hold besides memory safety:
 * the answer to anything that is answered is a well-formed message with as many Via lines.
 */
#include "signaling/sip/build.h"
#include "signaling/sip/check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void read_uri(struct sip_text text)
{
	struct sip_uri uri;
	char out[64];

	if (sip_uri_parse(&uri, text) != 0)
		return;
	must(sip_uri_number(&uri, out, sizeof(out)) <= (int)sizeof(out));
	sip_unescape(uri.text, out, sizeof(out));
	if (uri.scheme == SIP_SCHEME_SIP || uri.scheme == SIP_SCHEME_SIPS)
		sip_uri_equal(&uri, &uri);
}

/* Every header as if it were of every kind: the parsers may get anything. */
static void read_value(struct sip_text value)
{
	union {
		struct sip_via via;
		struct sip_name_addr name_addr;
		struct sip_cseq cseq;
		struct sip_rack rack;
		struct sip_media_type type;
		struct sip_session_expires expires;
		struct sip_retry_after retry;
		struct sip_reason reason;
		struct sip_token token;
		uint32_t number;
	} out;
	struct sip_text list = value, one;

	sip_via_parse(&out.via, value);
	sip_cseq_parse(&out.cseq, value);
	sip_rack_parse(&out.rack, value);
	sip_media_type_parse(&out.type, value);
	sip_session_expires_parse(&out.expires, value);
	sip_retry_after_parse(&out.retry, value);
	sip_reason_parse(&out.reason, value);
	sip_token_parse(&out.token, value);
	sip_number_parse(&out.number, value);
	while (sip_list_next(&list, &one) == 1)
		if (sip_name_addr_parse(&out.name_addr, one) == 0)
			read_uri(out.name_addr.uri);
}

static int count_lines(const struct sip_message *msg, enum sip_header_id id)
{
	int count = 0;

	for (const struct sip_header *h = sip_header_first(msg, id); h; h = sip_header_next(msg, h))
		count++;
	return count;
}

static void answer(struct sip_message *request, const struct sip_check *check)
{
	static struct sip_message response;
	static char out[SIP_MESSAGE_MAX];
	const struct net_addr source = {.ip = {192, 0, 2, 1}, .port = 5061, .family = NET_IP4};
	struct net_addr target;
	struct sip_builder b;
	int len;

	sip_response_target(&target, request, &source);
	sip_build_init(&b, out, sizeof(out));
	sip_build_response(&b, request, check->code ? check->code : 100, check->code ? check->reason : NULL,
			   SIP_TEXT("tag"), &source);
	sip_check_build_extra(check, &b);
	sip_build_copy(&b, request, SIP_H_RECORD_ROUTE);
	sip_build_no_body(&b);
	len = sip_build_finish(&b);
	must(len > 0 || len == -EMSGSIZE);
	if (len < 0)
		return;
	must(sip_message_parse(&response, out, (size_t)len) == SIP_PARSE_OK);
	must(count_lines(&response, SIP_H_VIA) == count_lines(request, SIP_H_VIA));
	must(!sip_message_via(request) || sip_message_via(&response));
	must(!sip_message_cseq(request) || sip_message_cseq(&response)->number == sip_message_cseq(request)->number);
	must(!sip_message_to(request) || request->to.star || sip_message_to(&response)->tag.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sip_abilities abilities = {.methods = UINT32_MAX, .schemes = UINT32_MAX};
	static struct sip_message msg;
	struct sip_check check;
	struct sip_text sdp;

	sip_message_parse(&msg, data, size);
	for (int i = 0; i < msg.header_count; i++)
		read_value(sip_header_value(&msg, &msg.headers[i]));
	read_uri(msg.uri_text);
	sip_message_find(&msg, "X-Own");
	sip_message_lists(&msg, SIP_H_SUPPORTED, "timer");
	if (sip_message_sdp(&msg, &sdp) == 0)
		must(sdp.at >= msg.body.at && sip_text_end(sdp) <= sip_text_end(msg.body));
	if (msg.is_request)
		sip_check_request(&check, &msg, &abilities);
	else
		sip_check_response(&check, &msg);
	if (msg.is_request && check.verdict != SIP_DROP)
		answer(&msg, &check);
	return 0;
}
