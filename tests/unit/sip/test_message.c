/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/build.h"
#include "signaling/sip/check.h"
#include "tests/unit/check.h"

#include <stdlib.h>

#define CHECK_SLICE(slice, expected) CHECK_TEXT((slice).at, (slice).len, expected)

static struct sip_message msg;

static enum sip_parse_error parse(const char *text)
{
	return sip_message_parse(&msg, text, strlen(text));
}

#define HEAD                                                                                                           \
	"INVITE sip:1001@192.0.2.1 SIP/2.0\r\n"                                                                        \
	"Via: SIP/2.0/UDP 198.51.100.7:5070;rport;branch=z9hG4bKa1, SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa0\r\n"         \
	"v: SIP/2.0/TCP 10.0.0.2;branch=z9hG4bKb\r\n"                                                                  \
	"Max-Forwards: 70\r\n"                                                                                         \
	"f: \"Caller\" <sip:2002@198.51.100.7>;tag=ft\r\n"                                                             \
	"t: <sip:1001@192.0.2.1>\r\n"                                                                                  \
	"i: id-1@198.51.100.7\r\n"                                                                                     \
	"CSeq: 42 INVITE\r\n"                                                                                          \
	"Supported: timer\r\n"                                                                                         \
	"X-Own: one\r\n"                                                                                               \
	"k: 100rel, replaces\r\n"

static void index_and_values(void)
{
	struct sip_values it;
	struct sip_text value;

	CHECK_INT(parse("\r\n\r\n" HEAD "Content-Type: text/plain\r\nl: 4\r\n\r\nbodytail"), SIP_PARSE_OK);
	CHECK(msg.is_request && msg.method == SIP_INVITE);
	CHECK_SLICE(msg.uri_text, "sip:1001@192.0.2.1");
	CHECK_INT(msg.header_count, 12);
	CHECK_SLICE(msg.body, "body");
	CHECK_INT(msg.trailing, 4);
	CHECK_SLICE(sip_message_via(&msg)->branch, "z9hG4bKa1");
	CHECK(sip_message_via(&msg) == sip_message_via(&msg));
	CHECK_SLICE(sip_message_from(&msg)->tag, "ft");
	CHECK(sip_message_to(&msg)->tag.at == NULL);
	CHECK_INT(sip_message_cseq(&msg)->number, 42);
	CHECK_SLICE(sip_message_uri(&msg)->user, "1001");
	CHECK_SLICE(sip_message_call_id(&msg), "id-1@198.51.100.7");
	CHECK_SLICE(sip_message_find(&msg, "x-own"), "one");
	CHECK_SLICE(sip_message_find(&msg, "max-forwards"), "70");
	CHECK(sip_message_find(&msg, "X-Other").at == NULL);
	CHECK(sip_message_lists(&msg, SIP_H_SUPPORTED, "100rel") && sip_message_lists(&msg, SIP_H_SUPPORTED, "TIMER"));
	CHECK(!sip_message_lists(&msg, SIP_H_SUPPORTED, "path"));
	sip_values_init(&it, &msg, SIP_H_VIA);
	CHECK_INT(sip_values_next(&it, &value), 1);
	CHECK_INT(sip_values_next(&it, &value), 1);
	CHECK_SLICE(value, "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa0");
	CHECK_INT(sip_values_next(&it, &value), 1);
	CHECK_SLICE(value, "SIP/2.0/TCP 10.0.0.2;branch=z9hG4bKb");
	CHECK_INT(sip_values_next(&it, &value), 0);
}

static void start_lines(void)
{
	static const struct {
		const char *text;
		enum sip_parse_error error;
	} lines[] = {
	    {"OPTIONS sip:a SIP/2.0\r\n\r\n", SIP_PARSE_OK},
	    {"OPTIONS sip:a SIP/2.0\n\n", SIP_PARSE_OK},
	    {"OPTIONS sip:a sip/2.0\r\n\r\n", SIP_PARSE_OK},
	    {"OPTIONS sip:a SIP/2.00\r\n\r\n", SIP_PARSE_VERSION},
	    {"OPTIONS sip:a SIP/3.0\r\n\r\n", SIP_PARSE_VERSION},
	    {"OPTIONS  sip:a SIP/2.0\r\n\r\n", SIP_PARSE_START_LINE},
	    {"OPTIONS sip:a SIP/2.0 \r\n\r\n", SIP_PARSE_START_LINE},
	    {"OPTIONS sip:a b SIP/2.0\r\n\r\n", SIP_PARSE_START_LINE},
	    {"OPTIONS SIP/2.0\r\n\r\n", SIP_PARSE_START_LINE},
	    {"OPTIONS  SIP/2.0\r\n\r\n", SIP_PARSE_START_LINE},
	    {" OPTIONS sip:a SIP/2.0\r\n\r\n", SIP_PARSE_NOT_SIP},
	    {"OPT@IONS sip:a SIP/2.0\r\n\r\n", SIP_PARSE_NOT_SIP},
	    {"GET / HTTP/1.1\r\n\r\n", SIP_PARSE_NOT_SIP},
	    {"hello", SIP_PARSE_NOT_SIP},
	    {"\r\n\r\n", SIP_PARSE_KEEPALIVE},
	    {"", SIP_PARSE_KEEPALIVE},
	    {"SIP/2.0 200 OK\r\n\r\n", SIP_PARSE_OK},
	    {"SIP/2.0 200\r\n\r\n", SIP_PARSE_OK},
	    {"SIP/2.0 200 \r\n\r\n", SIP_PARSE_OK},
	    {"SIP/2.0 99 x\r\n\r\n", SIP_PARSE_STATUS_CODE},
	    {"SIP/2.0 700 x\r\n\r\n", SIP_PARSE_STATUS_CODE},
	    {"SIP/2.0 2000 x\r\n\r\n", SIP_PARSE_STATUS_CODE},
	    {"SIP/2.0 20x x\r\n\r\n", SIP_PARSE_STATUS_CODE},
	    {"SIP/2.0  200 x\r\n\r\n", SIP_PARSE_STATUS_CODE},
	    {"SIP/2.0\r\n\r\n", SIP_PARSE_START_LINE},
	    {"SIP/1.0 200 OK\r\n\r\n", SIP_PARSE_VERSION},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		enum sip_parse_error error = parse(lines[i].text);

		if (error != lines[i].error)
			printf("  '%s': %d\n", lines[i].text, error);
		CHECK_INT(error, lines[i].error);
	}
}

static void broken_lines(void)
{
	CHECK_INT(parse(HEAD), SIP_PARSE_NO_END);
	CHECK_INT(parse(HEAD "no colon here\r\n\r\n"), SIP_PARSE_HEADER_LINE);
	CHECK_SLICE(sip_message_call_id(&msg), "id-1@198.51.100.7");
	CHECK_INT(parse(HEAD ": nameless\r\n\r\n"), SIP_PARSE_HEADER_LINE);
	CHECK_INT(parse(HEAD "Subject: a\rTo: b\r\n\r\n"), SIP_PARSE_HEADER_LINE);
	CHECK_INT(parse(HEAD "Subject: a\n\n"), SIP_PARSE_OK);
	CHECK_INT(parse(HEAD "Subject : a\r\n\tb\r\n  c\r\n\r\n"), SIP_PARSE_OK);
	CHECK_SLICE(sip_message_value(&msg, SIP_H_SUBJECT), "a\r\n\tb\r\n  c");
	CHECK_INT(sip_header_first(&msg, SIP_H_SUBJECT)->folded, 1);
	CHECK_INT(parse(HEAD "Subject:\r\n\r\n"), SIP_PARSE_OK);
	CHECK(sip_message_has(&msg, SIP_H_SUBJECT) && sip_message_value(&msg, SIP_H_SUBJECT).len == 0);
	CHECK_INT(sip_message_parse(&msg, HEAD "Subject: a\0b\r\n\r\n", sizeof(HEAD "Subject: a\0b\r\n\r\n") - 1),
		  SIP_PARSE_OK);
	CHECK_INT(sip_message_value(&msg, SIP_H_SUBJECT).len, 3);
}

static void content_lengths(void)
{
	CHECK_INT(parse(HEAD "\r\nwhole"), SIP_PARSE_OK);
	CHECK_SLICE(msg.body, "whole");
	CHECK_INT(parse(HEAD "l: 6\r\n\r\nshort"), SIP_PARSE_BODY_SHORT);
	CHECK_INT(parse(HEAD "l: 99999999999999999999\r\n\r\nx"), SIP_PARSE_CONTENT_LENGTH);
	CHECK_INT(parse(HEAD "l: -1\r\n\r\nx"), SIP_PARSE_CONTENT_LENGTH);
	CHECK_INT(parse(HEAD "l: 1 1\r\n\r\nx"), SIP_PARSE_CONTENT_LENGTH);
	CHECK_INT(parse(HEAD "l:\r\n\r\nx"), SIP_PARSE_CONTENT_LENGTH);
	CHECK_INT(parse(HEAD "l: 1\r\nContent-Length: 2\r\n\r\nxy"), SIP_PARSE_CONTENT_LENGTH);
	CHECK_INT(parse(HEAD "l: 1\r\nContent-Length: 1\r\n\r\nxy"), SIP_PARSE_OK);
	CHECK_SLICE(msg.body, "x");
}

static void many_headers(void)
{
	static char data[70000];
	size_t len = (size_t)snprintf(data, sizeof(data), "OPTIONS sip:a SIP/2.0\r\n");

	for (int i = 0; i < SIP_MESSAGE_HEADERS; i++)
		len += (size_t)snprintf(data + len, sizeof(data) - len, "X-%d: %d\r\n", i, i);
	memcpy(data + len, "\r\n", 2);
	CHECK_INT(sip_message_parse(&msg, data, len + 2), SIP_PARSE_OK);
	CHECK_INT(msg.header_count, SIP_MESSAGE_HEADERS);
	CHECK_SLICE(sip_message_find(&msg, "X-127"), "127");
	memcpy(data + len, "Y: z\r\n\r\n", 8);
	CHECK_INT(sip_message_parse(&msg, data, len + 8), SIP_PARSE_TOO_MANY);
	CHECK_INT(sip_parse_error_code(SIP_PARSE_TOO_MANY), 513);
	memset(data + len, 'x', sizeof(data) - len);
	CHECK_INT(sip_message_parse(&msg, data, SIP_MESSAGE_MAX + 1), SIP_PARSE_TOO_LONG);
	len = (size_t)snprintf(data, sizeof(data), "OPTIONS sip:a SIP/2.0\r\nX: y\r\n\r\n");
	CHECK_INT(sip_message_parse(&msg, data, SIP_MESSAGE_MAX), SIP_PARSE_OK);
	CHECK_INT(msg.body.len, SIP_MESSAGE_MAX - len);
}

/* Every prefix of a message, each in a block of its own, so that a sanitizer sees a byte read too far. */
static void truncations(void)
{
	static const char text[] = HEAD "Content-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\r";

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		char *data = malloc(len ? len : 1);

		CHECK(data != NULL);
		memcpy(data, text, len);
		CHECK(sip_message_parse(&msg, data, len) != SIP_PARSE_OK);
		sip_message_via(&msg);
		sip_message_from(&msg);
		sip_message_to(&msg);
		sip_message_cseq(&msg);
		free(data);
	}
}

static void sdp_bodies(void)
{
	struct sip_text sdp;

	parse(HEAD "c: application/SDP\r\n\r\nv=0\r\n");
	CHECK_INT(sip_message_sdp(&msg, &sdp), 0);
	CHECK_SLICE(sdp, "v=0\r\n");
	parse(HEAD "c: text/plain\r\n\r\nv=0\r\n");
	CHECK_INT(sip_message_sdp(&msg, &sdp), -ENOENT);
	parse(HEAD "c: application/sdp\r\ne: gzip\r\n\r\nv=0\r\n");
	CHECK_INT(sip_message_sdp(&msg, &sdp), -ENOTSUP);
	parse(HEAD "c: application/sdp\r\nl: 0\r\n\r\n");
	CHECK_INT(sip_message_sdp(&msg, &sdp), -ENOENT);
	parse(HEAD
	      "c: multipart/mixed;boundary=\"b 1\"\r\n\r\npreamble\r\n--b 1\r\nContent-Type: application/isup\r\n\r\n"
	      "\x01\x02\r\n--b 1\r\nContent-Type:\r\n application/sdp\r\n\r\nv=0\r\ns=-\r\n--b 1--\r\n");
	CHECK_INT(sip_message_sdp(&msg, &sdp), 0);
	CHECK_SLICE(sdp, "v=0\r\ns=-");
	parse(HEAD "c: multipart/mixed;boundary=o\r\n\r\n--o\r\nContent-Type: multipart/alternative;boundary=i\r\n\r\n"
		   "--i\r\nContent-Type: text/plain\r\n\r\nx\r\n--i\r\nContent-Type: "
		   "application/sdp\r\n\r\nv=0\r\n--i--\r\n--o--");
	CHECK_INT(sip_message_sdp(&msg, &sdp), 0);
	CHECK_SLICE(sdp, "v=0");
	parse(HEAD "c: multipart/mixed;boundary=o\r\n\r\n--o\r\nContent-Type: text/plain\r\n\r\nx\r\n");
	CHECK_INT(sip_message_sdp(&msg, &sdp), -EINVAL);
	parse(HEAD "c: multipart/mixed\r\n\r\nx");
	CHECK_INT(sip_message_sdp(&msg, &sdp), -EINVAL);
}

static const struct check_case cases[] = {
    {"index and values", index_and_values}, {"start lines", start_lines},   {"broken lines", broken_lines},
    {"content lengths", content_lengths},   {"many headers", many_headers}, {"truncations", truncations},
    {"SDP in bodies", sdp_bodies},
};
CHECK_MAIN(cases)
