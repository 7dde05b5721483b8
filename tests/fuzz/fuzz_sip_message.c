/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any datagram: index it, read every header in every way, judge it, answer it. What must hold besides memory safety:
 * the answer to anything that is answered is a well-formed message with as many Via lines; what the scans by blocks
 * find is what a look at every character finds; an answer comes out the same where there is just room for it.
 */
#include "signaling/sip/build.h"
#include "signaling/sip/chars.h"
#include "signaling/sip/check.h"

#include <errno.h>
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

static bool is_blank(const char *at, const char *end)
{
	return at < end && (*at == ' ' || *at == '\t');
}

/* The end of the line that begins at `at`, its continuations included, character by character. */
static const char *line_end(const char *at, const char *end, bool *folded)
{
	for (*folded = false;; at++) {
		while (at < end && *at != '\r' && *at != '\n')
			at++;
		must(at < end);
		if (!is_blank(*at == '\r' ? at + 2 : at + 1, end))
			return at;
		*folded = true;
		at += *at == '\r';
	}
}

/* The index of a message without a defect, against lines taken apart one character after the other. */
static void check_index(const struct sip_message *msg)
{
	const char *end = msg->body.at, *at = msg->data;
	int last[SIP_H_COUNT];
	bool folded;

	for (int id = 0; id < SIP_H_COUNT; id++)
		last[id] = SIP_HEADER_NONE;
	at = memchr(at, '\n', (size_t)(end - at));
	for (int i = 0; i < msg->header_count; i++) {
		const struct sip_header *header = &msg->headers[i];
		const char *start = at + 1, *eol = line_end(start, end, &folded),
			   *colon = memchr(start, ':', (size_t)(end - start));
		struct sip_text value = sip_text_span(sip_skip_lws(colon + 1, eol), eol),
				name = sip_header_name_text(msg, header);

		while (value.len && sip_is_lws(value.at[value.len - 1]))
			value.len--;
		must(name.at == start && sip_skip_class(start, colon, SIP_C_TOKEN) == sip_text_end(name));
		must(header->id == sip_header_find(name) && header->folded == folded);
		must(sip_text_equal(value, sip_header_value(msg, header)) && header->at == value.at - msg->data);
		must((last[header->id] == SIP_HEADER_NONE ? msg->first[header->id]
							  : msg->headers[last[header->id]].next) == i);
		last[header->id] = i;
		at = *eol == '\r' ? eol + 1 : eol;
	}
}

/* What is kept of a message is what its headers say when they are taken apart. */
static void check_kept(struct sip_message *msg)
{
	const struct sip_via *via = sip_message_via(msg);
	const struct sip_name_addr *contact = sip_message_contact(msg);
	struct sip_text list = sip_message_value(msg, SIP_H_VIA), value = {NULL, 0};
	struct sip_name_addr first;
	struct sip_values values;
	struct sip_via top;

	must((via != NULL) == (list.at && sip_list_next(&list, &value) == 1 && sip_via_parse(&top, value) == 0));
	must(!via ||
	     (via->text.at == value.at && via->text.len == value.len && sip_text_equal(via->branch, top.branch)));
	sip_values_init(&values, msg, SIP_H_CONTACT);
	must((contact != NULL) == (sip_values_next(&values, &value) == 1 && sip_name_addr_parse(&first, value) == 0));
	must(!contact || (contact->text.at == value.at && contact->text.len == value.len));
	if (contact && sip_message_is_only(msg, SIP_H_CONTACT, contact->text))
		must(sip_values_next(&values, &value) == 0);
}

static void check_scans(struct sip_text text)
{
	const char *end = sip_text_end(text);

	for (const char *at = text.at; at < end; at += 1 + (end - at) / 4) {
		must(sip_skip_uri(at, end) == sip_skip_class(at, end, SIP_C_URI));
		must(sip_skip_value(at, end) == sip_skip_class(at, end, SIP_C_VALUE));
		must(sip_skip_host(at, end) == sip_skip_class(at, end, SIP_C_HOST));
		must(sip_skip_name(at, end, SIP_C_TOKEN) == sip_skip_class(at, end, SIP_C_TOKEN));
	}
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

static const struct net_addr source = {.ip = {192, 0, 2, 1}, .port = 5061, .family = NET_IP4};

static int build_answer(struct sip_message *request, const struct sip_check *check, char *out, size_t size)
{
	struct sip_builder b;

	sip_build_init(&b, out, size);
	sip_build_response(&b, request, check->code ? check->code : 100, check->code ? check->reason : NULL,
			   SIP_TEXT("tag"), &source);
	sip_check_build_extra(check, &b);
	sip_build_copy(&b, request, SIP_H_RECORD_ROUTE);
	sip_build_copy(&b, request, SIP_H_OTHER);
	sip_build_contact(&b, request->uri_text, &source);
	sip_build_no_body(&b);
	return sip_build_finish(&b);
}

#define ADDED_LINES 8 /* that an answer has and its request need not have */

static void answer(struct sip_message *request, const struct sip_check *check)
{
	static struct sip_message response;
	static char out[SIP_MESSAGE_MAX];
	struct net_addr target;
	char *exact;
	int len = build_answer(request, check, out, sizeof(out));

	sip_response_target(&target, request, &source);
	must(len > 0 || len == -EMSGSIZE);
	if (len < 0)
		return;
	exact = malloc((size_t)len);
	must(exact && build_answer(request, check, exact, (size_t)len - 1) == -EMSGSIZE);
	must(build_answer(request, check, exact, (size_t)len) == len && memcmp(exact, out, (size_t)len) == 0);
	free(exact);
	enum sip_parse_error error = sip_message_parse(&response, out, (size_t)len);

	/* To as many lines as we read there may be an answer of more. */
	if (error == SIP_PARSE_TOO_MANY && request->header_count + ADDED_LINES > SIP_MESSAGE_HEADERS)
		return;
	must(error == SIP_PARSE_OK);
	must(count_lines(&response, SIP_H_VIA) == count_lines(request, SIP_H_VIA));
	must(!sip_message_via(request) || sip_message_via(&response));
	must(!sip_message_cseq(request) || sip_message_cseq(&response)->number == sip_message_cseq(request)->number);
	must(!sip_message_to(request) || request->to.star || sip_message_to(&response)->tag.at);
}

#define NEW_SDP "v=0\r\ns=ours\r\n"

/*
 * A body as it crosses: a message again, whose description, where it has one, is ours, and which says the same when it
 * crosses once more; and it fits where there is just room for it.
 */
/* A request with the body that msg would cross with; its length, or -EMSGSIZE. */
static int build_with_body(char *data, size_t room, const struct sip_message *msg, struct sip_text sdp)
{
	struct sip_builder b;

	sip_build_init(&b, data, room);
	sip_build_string(&b, "OPTIONS sip:x SIP/2.0\r\n");
	sip_build_body_of(&b, msg, sdp);
	return sip_build_finish(&b);
}

/*
 * What is built can be read, says the same, and is built from that again the same. (From the second time on: control
 * characters in front of a value are blanks the first time, and no part of the value the second.)
 */
static void check_body(const struct sip_message *msg, struct sip_text sdp)
{
	static struct sip_message first, second;
	static char once[SIP_MESSAGE_MAX], twice[SIP_MESSAGE_MAX], thrice[SIP_MESSAGE_MAX];
	struct sip_text found;
	int len = build_with_body(once, sizeof(once), msg, sdp);

	if (len < 0)
		return;
	must(sip_message_parse(&first, once, (size_t)len) == SIP_PARSE_OK && first.trailing == 0);
	int is = sip_message_sdp(&first, &found);

	must(is == (sdp.len ? 0 : -ENOENT) && (!sdp.len || sip_text_equal(found, sdp)));
	int again = build_with_body(twice, sizeof(twice), &first, sdp);

	must(again > 0 && again <= len && sip_message_parse(&second, twice, (size_t)again) == SIP_PARSE_OK);
	must(build_with_body(thrice, sizeof(thrice), &second, sdp) == again &&
	     memcmp(twice, thrice, (size_t)again) == 0);
	must(build_with_body(thrice, (size_t)again - 1, &second, sdp) == -EMSGSIZE);
}

static void check_bodies(const struct sip_message *msg)
{
	struct sip_text unused;

	if (!msg->body.at || sip_message_sdp(msg, &unused) == -ENOTSUP)
		return;
	check_body(msg, SIP_TEXT(NEW_SDP));
	check_body(msg, SIP_TEXT(""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sip_abilities abilities = {.methods = UINT32_MAX, .schemes = UINT32_MAX};
	static struct sip_message msg;
	struct sip_check check;
	struct sip_text sdp;

	if (sip_message_parse(&msg, data, size) == SIP_PARSE_OK)
		check_index(&msg);
	for (int i = 0; i < msg.header_count; i++) {
		check_scans(sip_header_value(&msg, &msg.headers[i]));
		read_value(sip_header_value(&msg, &msg.headers[i]));
	}
	check_kept(&msg);
	read_uri(msg.uri_text);
	sip_message_find(&msg, "X-Own");
	sip_message_lists(&msg, SIP_H_SUPPORTED, "timer");
	if (sip_message_sdp(&msg, &sdp) == 0)
		must(sdp.at >= msg.body.at && sip_text_end(sdp) <= sip_text_end(msg.body));
	check_bodies(&msg);
	if (msg.is_request)
		sip_check_request(&check, &msg, &abilities);
	else
		sip_check_response(&check, &msg);
	if (msg.is_request && check.verdict != SIP_DROP)
		answer(&msg, &check);
	return 0;
}
