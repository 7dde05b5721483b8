/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/build.h"
#include "signaling/sip/check.h"
#include "tests/unit/check.h"

#include <stdlib.h>

static struct sip_message msg;
static char out[4096];

static enum sip_parse_error parse(const char *text)
{
	return sip_message_parse(&msg, text, strlen(text));
}

static const struct net_addr here = {.ip = {192, 0, 2, 1}, .port = 5060, .family = NET_IP4};
static const struct net_addr there = {.ip = {203, 0, 113, 9}, .port = 1027, .family = NET_IP4};
static const struct net_addr there6 = {.ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 7}, .port = 5062, .family = NET_IP6};

static void request(void)
{
	struct sip_builder b;
	int len;

	sip_build_init(&b, out, sizeof(out));
	sip_build_request(&b, SIP_TEXT("INVITE"), SIP_TEXT("sip:1@192.0.2.9"));
	sip_build_via(&b, &here, SIP_TEXT("z9hG4bKx"));
	sip_build_number(&b, SIP_H_MAX_FORWARDS, 69);
	sip_build_name_addr(&b, SIP_H_FROM, SIP_TEXT("A \"B\" \\"), false, SIP_TEXT("sip:a@b"), SIP_TEXT("t"));
	sip_build_name_addr(&b, SIP_H_TO, SIP_TEXT("raw \\\""), true, SIP_TEXT("sip:1@c"), SIP_TEXT(""));
	sip_build_cseq(&b, 4294967295u, SIP_TEXT("INVITE"));
	sip_build_contact(&b, SIP_TEXT("u"), &there6);
	sip_build_header(&b, SIP_H_SUBJECT, SIP_TEXT("evil\r\nX-Injected: 1\0 and a long tail of text\n"));
	sip_build_body(&b, SIP_TEXT("application/sdp"), SIP_TEXT("v=0\r\n"));
	len = sip_build_finish(&b);
	CHECK_TEXT(out, len,
		   "INVITE sip:1@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKx\r\n"
		   "Max-Forwards: 69\r\nFrom: \"A \\\"B\\\" \\\\\" <sip:a@b>;tag=t\r\nTo: \"raw \\\"\" <sip:1@c>\r\n"
		   "CSeq: 4294967295 INVITE\r\nContact: <sip:u@[2001:db8::7]:5062>\r\n"
		   "Subject: evil  X-Injected: 1  and a long tail of text \r\n"
		   "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n");
}

static const char original[] =
    "OPTIONS sip:us SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 198.51.100.7:5070;rport;branch=z9hG4bKa;received=1.2.3.4, SIP/2.0/UDP x\r\n"
    "v: SIP/2.0/TCP y\r\n"
    "f: <sip:a@b>;tag=f\r\n"
    "To: sip:c@d\r\n"
    "i: id\r\n"
    "CSeq:\r\n 1 OPTIONS\r\n"
    "Timestamp: 54\r\n\r\n";

static int respond(unsigned int code, const char *text, const struct net_addr *source, size_t size)
{
	struct sip_builder b;

	sip_message_parse(&msg, text, strlen(text));
	sip_build_init(&b, out, size);
	sip_build_response(&b, &msg, code, NULL, SIP_TEXT("mine"), source);
	sip_build_no_body(&b);
	return sip_build_finish(&b);
}

static void response(void)
{
	CHECK_TEXT(
	    out, respond(100, original, &there, sizeof(out)),
	    "SIP/2.0 100 Trying\r\n"
	    "Via: SIP/2.0/UDP 198.51.100.7:5070;branch=z9hG4bKa;received=203.0.113.9;rport=1027, SIP/2.0/UDP x\r\n"
	    "Via: SIP/2.0/TCP y\r\nFrom: <sip:a@b>;tag=f\r\nTo: sip:c@d;tag=mine\r\nCall-ID: id\r\n"
	    "CSeq: 1 OPTIONS\r\nTimestamp: 54\r\nContent-Length: 0\r\n\r\n");
	CHECK_TEXT(
	    out,
	    respond(404,
		    "BYE sip:us SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9:1027;branch=b\r\nTo: <sip:c>;tag=t\r\n\r\n",
		    &there, sizeof(out)),
	    "SIP/2.0 404 Not Found\r\nVia: SIP/2.0/UDP 203.0.113.9:1027;branch=b\r\nTo: <sip:c>;tag=t\r\n"
	    "Content-Length: 0\r\n\r\n");
	CHECK_TEXT(out, respond(400, "BYE sip:us SIP/2.0\r\nVia: SIP/2.0/UDP gw;;\r\n\r\n", &there, sizeof(out)),
		   "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP gw;;\r\nContent-Length: 0\r\n\r\n");
	CHECK_TEXT(out, respond(400, "BYE sip:us SIP/2.0\r\nVia: SIP/2.0/UDP gw\r\n\r\n", &there6, sizeof(out)),
		   "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP gw;received=2001:db8::7\r\nContent-Length: 0\r\n\r\n");
}

/* What the sender says it was received from goes, wherever it stands; what the transport saw comes last. */
static void top_vias(void)
{
	static const struct {
		const char *via, *expected;
	} vias[] = {
	    {"h", "h;received=203.0.113.9"},
	    {"h;branch=b", "h;branch=b;received=203.0.113.9"},
	    {"h;rport", "h;received=203.0.113.9;rport=1027"},
	    {"h;branch=b;rport", "h;branch=b;received=203.0.113.9;rport=1027"},
	    {"h;received=x;branch=b;rport=5;z", "h;branch=b;z;received=203.0.113.9;rport=1027"},
	    {"h;rport=5;received=x;branch=b", "h;branch=b;received=203.0.113.9;rport=1027"},
	    {"203.0.113.9;received=x;branch=b", "203.0.113.9;branch=b"},
	};
	char text[128], expected[256];

	for (size_t i = 0; i < sizeof(vias) / sizeof(vias[0]); i++) {
		snprintf(text, sizeof(text), "BYE sip:us SIP/2.0\r\nVia: SIP/2.0/UDP %s\r\n\r\n", vias[i].via);
		snprintf(expected, sizeof(expected),
			 "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP %s\r\nContent-Length: 0\r\n\r\n", vias[i].expected);
		CHECK_TEXT(out, respond(200, text, &there, sizeof(out)), expected);
	}
}

/* Whatever its length, a value that would end its line comes out in one line, and all else as it was. */
static void values_of_all_lengths(void)
{
	static const char bad[] = {'\r', '\n', '\0'};
	char text[80];

	for (uint32_t len = 1; len < sizeof(text); len++) {
		for (uint32_t at = 0; at < len; at++) {
			struct sip_builder b;

			for (uint32_t i = 0; i < sizeof(text); i++)
				text[i] = (char)('!' + i);
			text[at] = bad[at % sizeof(bad)];
			sip_build_init(&b, out, sizeof(out));
			sip_build_text(&b, sip_text(text, len));
			CHECK_INT(sip_build_finish(&b), len);
			text[at] = ' ';
			CHECK(memcmp(out, text, len) == 0);
		}
	}
}

/* No size, however small, is written past; the end is always the same. */
static void overflow(void)
{
	int whole = respond(200, original, &there, sizeof(out));

	for (size_t size = 0; size < (size_t)whole; size++) {
		char *exact = malloc(size ? size : 1);
		struct sip_builder b;

		CHECK(exact != NULL);
		sip_build_init(&b, exact, size);
		sip_build_response(&b, &msg, 200, NULL, SIP_TEXT("mine"), &there);
		sip_build_no_body(&b);
		CHECK_INT(sip_build_finish(&b), -EMSGSIZE);
		free(exact);
	}
	CHECK_INT(respond(200, original, &there, (size_t)whole), whole);
}

static void body_in_place(void)
{
	struct sip_builder b;
	size_t room;
	char *at;

	sip_build_init(&b, out, 128);
	sip_build_status(&b, 200, NULL);
	at = sip_build_body_begin(&b, SIP_TEXT("application/sdp"), &room);
	CHECK(at != NULL && room == 128 - b.len);
	memcpy(at, "0123456789", 10);
	sip_build_body_done(&b, 10);
	CHECK_TEXT(out, sip_build_finish(&b),
		   "SIP/2.0 200 OK\r\nContent-Type: application/sdp\r\nContent-Length:    10\r\n\r\n0123456789");
	CHECK_INT(sip_message_parse(&msg, out, b.len), SIP_PARSE_OK);
	CHECK_INT(msg.body.len, 10);
	sip_build_body_done(&b, 1000);
	CHECK_INT(sip_build_finish(&b), -EMSGSIZE);
	sip_build_init(&b, out, 20);
	sip_build_status(&b, 200, NULL);
	CHECK(sip_build_body_begin(&b, SIP_TEXT("application/sdp"), &room) == NULL);
}

static void copies(void)
{
	struct sip_builder b;

	sip_message_parse(&msg, original, strlen(original));
	sip_build_init(&b, out, sizeof(out));
	sip_build_copy(&b, &msg, SIP_H_VIA);
	sip_build_copy(&b, &msg, SIP_H_CSEQ);
	sip_build_copy(&b, &msg, SIP_H_ROUTE);
	CHECK_TEXT(out, sip_build_finish(&b),
		   "Via: SIP/2.0/UDP 198.51.100.7:5070;rport;branch=z9hG4bKa;received=1.2.3.4, SIP/2.0/UDP x\r\n"
		   "Via: SIP/2.0/TCP y\r\nCSeq: 1 OPTIONS\r\n");
}

static void targets(void)
{
	struct net_addr target;

	sip_message_parse(&msg, original, strlen(original));
	sip_response_target(&target, &msg, &there);
	CHECK(net_addr_equal(&target, &there));
	parse("BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h:5099;maddr=198.51.100.66\r\n\r\n");
	sip_response_target(&target, &msg, &there);
	CHECK(net_addr_equal_ip(&target, &there));
	CHECK_INT(target.port, 5099);
	parse("BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n");
	sip_response_target(&target, &msg, &there);
	CHECK_INT(target.port, 5060);
}

#define REQUEST(method, uri, more)                                                                                     \
	method " " uri " SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n"  \
	       "Call-ID: x\r\nCSeq: 1 " method "\r\n" more "\r\n"

static void checks(void)
{
	static const struct {
		const char *text;
		int verdict, code;
	} messages[] = {
	    {REQUEST("INVITE", "sip:a@b", ""), SIP_ACCEPT, 0},
	    {REQUEST("INVITE", "tel:+49", ""), SIP_RESPOND, 416},
	    {REQUEST("INVITE", "sip:a@b", "Max-Forwards: 0\r\n"), SIP_RESPOND, 483},
	    {REQUEST("BYE", "sip:a@b", "Max-Forwards: 0\r\n"), SIP_ACCEPT, 0},
	    {REQUEST("REGISTER", "sip:b", "Max-Forwards: 0\r\n"), SIP_ACCEPT, 0},
	    {REQUEST("INVITE", "sip:a@b", "Max-Forwards: 256\r\n"), SIP_RESPOND, 400},
	    {REQUEST("INVITE", "sip:a@b", "Max-Forwards: x\r\n"), SIP_RESPOND, 400},
	    {REQUEST("INVITE", "sip:a@b", "Max-Forwards: 9\r\nMax-Forwards: 9\r\n"), SIP_RESPOND, 400},
	    {REQUEST("INVITE", "sip:a@b", "Require: timer\r\n"), SIP_ACCEPT, 0},
	    {REQUEST("INVITE", "sip:a@b", "Require: timer, nope\r\nRequire: nope2\r\n"), SIP_RESPOND, 420},
	    {REQUEST("CANCEL", "sip:a@b", "Require: nope\r\n"), SIP_ACCEPT, 0},
	    {REQUEST("ACK", "sip:a@b", "Require: nope\r\n"), SIP_ACCEPT, 0},
	    {REQUEST("ACK", "sip:a@b", "Max-Forwards: x\r\n"), SIP_DROP, 400},
	    {REQUEST("SUBSCRIBE", "sip:a@b", ""), SIP_RESPOND, 405},
	    {REQUEST("NOTIFY", "sip:a@b", ""), SIP_RESPOND, 481},
	    {REQUEST("FROB", "sip:a@b", ""), SIP_RESPOND, 501},
	    {REQUEST("INVITE", "sip:a@b", "Contact: <sip:x\r\n"), SIP_RESPOND, 400},
	    {REQUEST("INVITE", "sip:a@b", "Accept: text/html, application/*;q=0.1\r\n"), SIP_ACCEPT, 0},
	    {REQUEST("INVITE", "sip:a@b", "Accept: text/html\r\n"), SIP_RESPOND, 406},
	    {REQUEST("INVITE", "sip:a@b", "From: <sip:z@b>;tag=1\r\n"), SIP_RESPOND, 400},
	    {"INVITE sip:a@b SIP/2.0\r\nFrom: <sip:a@b>\r\n\r\n", SIP_DROP, 0},
	    {"\r\n", SIP_DROP, 0},
	};
	static const char *const extensions[] = {"timer", NULL};
	const struct sip_abilities abilities = {
	    extensions, 1u << SIP_INVITE | 1u << SIP_BYE | 1u << SIP_ACK | 1u << SIP_CANCEL | 1u << SIP_REGISTER,
	    1u << SIP_SCHEME_SIP};
	struct sip_check check;

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		sip_message_parse(&msg, messages[i].text, strlen(messages[i].text));
		sip_check_request(&check, &msg, &abilities);
		if (check.verdict != messages[i].verdict || check.code != messages[i].code)
			printf("  %s\n", messages[i].text);
		CHECK_INT(check.verdict, messages[i].verdict);
		CHECK_INT(check.code, messages[i].code);
	}
}

/* The header that goes along with a refusal. */
static void extra_headers(void)
{
	static const struct {
		const char *request, *extra;
	} refused[] = {
	    {REQUEST("INVITE", "sip:a@b", "Require: one, two\r\n"), "Unsupported: one, two\r\n"},
	    {REQUEST("SUBSCRIBE", "sip:a@b", ""), "Allow: INVITE, BYE\r\n"},
	    {REQUEST("INVITE", "sip:a@b", "Content-Type: text/plain\r\n") "x", "Accept: application/sdp\r\n"},
	    {REQUEST("INVITE", "sip:a@b", "Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n") "x",
	     "Accept-Encoding: identity\r\n"},
	    {REQUEST("FROB", "sip:a@b", ""), ""},
	};
	const struct sip_abilities abilities = {NULL, 1u << SIP_INVITE | 1u << SIP_BYE, 1u << SIP_SCHEME_SIP};
	struct sip_builder b;
	struct sip_check check;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		parse(refused[i].request);
		sip_check_request(&check, &msg, &abilities);
		CHECK_INT(check.verdict, SIP_RESPOND);
		sip_build_init(&b, out, sizeof(out));
		sip_check_build_extra(&check, &b);
		CHECK_TEXT(out, sip_build_finish(&b), refused[i].extra);
	}
}

static const struct check_case cases[] = {
    {"request", request},   {"response", response},
    {"top Vias", top_vias}, {"values of all lengths", values_of_all_lengths},
    {"overflow", overflow}, {"body in place", body_in_place},
    {"copies", copies},     {"targets", targets},
    {"checks", checks},     {"extra headers", extra_headers},
};
CHECK_MAIN(cases)
