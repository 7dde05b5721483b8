/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that are more than a session description (RFC 5621), INFO (RFC 6086) and forks, through a whole engine. */
#include <stdlib.h>
#include <string.h>

#include "lab.h"
#include "signaling/sip/build.h"
#include "tests/unit/check.h"

#define SDP_OF(ip) "v=0\r\no=- 1 1 IN IP4 " ip "\r\ns=-\r\nc=IN IP4 " ip "\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
#define SDP        SDP_OF("10.1.0.5")
#define MIXED      "Content-Type: multipart/mixed;boundary=\"b 1\"\r\nMIME-Version: 1.0\r\n"
#define OPEN       "--b 1\r\n"
#define CLOSE      "--b 1--\r\n"
#define SDP_PART   OPEN "Content-Length: 999\r\nContent-Type: application/sdp\r\n\r\n" SDP "\r\n"
#define ISUP                                                                                                           \
	"Content-Type: application/isup;version=itu-t92+\r\nContent-Disposition: signal;handling=required\r\n\r\n\x01" \
	"\x11!\r\n"
#define PIDF                                                                                                           \
	OPEN "Content-Type: application/pidf+xml\r\nContent-Disposition: render;handling=optional\r\n"                 \
	     "Content-ID: <here@example.com>\r\n\r\n<presence/>\r\n"

static void send_request(struct lab *lab, const char *method, unsigned int cseq, struct sip_message *dialog,
			 const char *headers, const char *body)
{
	struct sip_text to = dialog ? sip_message_value(dialog, SIP_H_TO) : SIP_TEXT("<sip:4930123@10.0.0.1>");

	lab_text(lab, CUSTOMER,
		 "%s sip:4930123@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.5:5060;branch=z9hG4bKr%u\r\n"
		 "Max-Forwards: 70\r\nFrom: <sip:4911@10.1.0.5>;tag=c\r\nTo: %.*s\r\nCall-ID: bodies\r\n"
		 "CSeq: %u %s\r\nContact: <sip:ann@10.1.0.5:5060>\r\n%sContent-Length: %zu\r\n\r\n%s",
		 method, cseq, (int)to.len, to.at, cseq, method, headers, strlen(body), body);
}

static void reply(struct lab *lab, struct sip_message *request, const char *from, unsigned int code, const char *tag,
		  const char *headers, const char *body)
{
	static char text[8192];
	struct sip_builder b;
	struct sip_message copy;

	CHECK(request);
	if (!request)
		return;
	copy = *request;
	sip_build_init(&b, text, sizeof(text));
	sip_build_response(&b, &copy, code, NULL, sip_text_of(tag), NULL);
	sip_build_string(&b, "Contact: <sip:vendor@");
	sip_build_string(&b, from);
	sip_build_string(&b, ">\r\n");
	sip_build_string(&b, headers);
	sip_build_string(&b, "Content-Length: ");
	sip_build_u32(&b, (uint32_t)strlen(body));
	sip_build_string(&b, "\r\n\r\n");
	sip_build_string(&b, body);
	lab_receive(lab, from, text, b.len);
}

/* What a message says of its length is what it has. */
static bool is_whole(struct sip_message *m)
{
	uint32_t length;

	return m && sip_message_number(m, SIP_H_CONTENT_LENGTH, &length) == 0 && length == m->body.len &&
	       m->trailing == 0;
}

static bool ends_with(struct sip_message *m, const char *end)
{
	size_t len = strlen(end);

	return m && m->body.len >= len && memcmp(sip_text_end(m->body) - len, end, len) == 0;
}

static struct sip_message *take(struct lab *lab, const char *to, const char *start)
{
	static struct sip_message taken[16];
	static unsigned int next;
	struct sip_message *m = lab_take(lab, to, start);

	if (!m)
		return NULL;
	taken[next % 16] = *m;
	return &taken[next++ % 16];
}

static void crosses(void)
{
	struct lab *lab = lab_new();
	struct sip_text sdp;

	send_request(lab, "INVITE", 1, NULL, MIXED,
		     "preamble of 10.1.0.5\r\n" SDP_PART OPEN ISUP PIDF CLOSE "epilogue");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	struct sip_message *in = take(lab, VENDOR(0), "INVITE ");

	CHECK(is_whole(in) && has(in, "Content-Type: multipart/mixed;boundary=\"b 1\"\r\n") &&
	      has(in, "MIME-Version: 1.0"));
	CHECK(has(in, OPEN ISUP) && has(in, PIDF) && ends_with(in, CLOSE));
	CHECK(!has(in, "10.1.0.5") && !has(in, "preamble") && !has(in, "epilogue") && !has(in, "Content-Length: 999"));
	CHECK(in && sip_message_sdp(in, &sdp) == 0);
	/* Provisional with ISUP alone, then with both, then the answer. */
	reply(lab, in, VENDOR(0), 180, "v", "Content-Type: application/isup\r\nContent-Disposition: signal\r\n",
	      "\x06!");
	struct sip_message *out = take(lab, CUSTOMER, "SIP/2.0 180");

	CHECK(is_whole(out) && has(out, "Content-Type: application/isup\r\n") && ends_with(out, "\x06!") &&
	      has(out, "Content-Disposition: signal\r\n"));
	reply(lab, in, VENDOR(0), 183, "v", MIXED, SDP_PART OPEN ISUP CLOSE);
	out = take(lab, CUSTOMER, "SIP/2.0 183");
	CHECK(is_whole(out) && has(out, OPEN ISUP) && has(out, "m=audio") && !has(out, "c=IN IP4 10.1.0.5"));
	reply(lab, in, VENDOR(0), 200, "v", MIXED, OPEN ISUP CLOSE); /* its description was in the 183 */
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	struct sip_message *answer = take(lab, CUSTOMER, "SIP/2.0 200");

	CHECK(is_whole(answer) && has(answer, OPEN ISUP) && has(answer, "m=audio"));
	CHECK(answer && sip_message_sdp(answer, &sdp) == 0);
	send_request(lab, "ACK", 1, answer, "", "");
	send_request(lab, "INVITE", 2, answer, MIXED, OPEN ISUP SDP_PART CLOSE);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	in = take(lab, VENDOR(0), "INVITE ");
	CHECK(is_whole(in) && has(in, OPEN ISUP OPEN) && has(in, "m=audio") && !has(in, "10.1.0.5"));
	reply(lab, in, VENDOR(0), 200, "", MIXED, OPEN ISUP SDP_PART CLOSE);
	out = take(lab, CUSTOMER, "SIP/2.0 200");
	CHECK(is_whole(out) && has(out, OPEN ISUP OPEN) && has(out, "m=audio"));
	lab_free(lab);
}

static void plain_beside_a_description(void)
{
	struct lab *lab = lab_new();

	send_request(lab, "INVITE", 1, NULL, "Content-Type: application/sdp\r\n", SDP);
	struct sip_message *in = take(lab, VENDOR(0), "INVITE ");

	CHECK(is_whole(in) && has(in, "Content-Type: application/sdp\r\n"));
	lab_skip(lab, NULL);
	reply(lab, in, VENDOR(0), 183, "v", "Content-Type: application/sdp\r\n", SDP);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 183"));
	reply(lab, in, VENDOR(0), 200, "v", "Content-Type: application/isup\r\n", "\x09");
	struct sip_message *out = take(lab, CUSTOMER, "SIP/2.0 200");

	CHECK(is_whole(out) && has(out, "Content-Type: application/isup\r\n\r\n\x09\r\n") && has(out, "m=audio"));
	lab_free(lab);
}

static void stripped(void)
{
	struct lab *lab = lab_new();

	lab->routing[0].headers.strip_bodies = true;
	lab_reload(lab);
	send_request(lab, "INVITE", 1, NULL, MIXED, SDP_PART OPEN ISUP CLOSE);
	struct sip_message *in = take(lab, VENDOR(0), "INVITE ");

	CHECK(is_whole(in) && has(in, "Content-Type: application/sdp\r\n") && !has(in, "isup"));
	lab_skip(lab, NULL);
	reply(lab, in, VENDOR(0), 180, "v", "Content-Type: application/isup\r\n", "\x09");
	CHECK(!has(lab_take(lab, CUSTOMER, "SIP/2.0 180"), "isup"));
	lab_free(lab);
}

static void let_in_or_not(void)
{
	static const struct {
		const char *what, *headers, *body;
		unsigned int code;
		const char *crosses; /* where it is let in */
	} rows[] = {
	    {"no closing boundary", MIXED, SDP_PART, 400, NULL},
	    {"no boundary at all", MIXED, "v=0\r\n", 400, NULL},
	    {"no boundary parameter", "Content-Type: multipart/mixed\r\n", SDP_PART CLOSE, 400, NULL},
	    {"a closing boundary alone", MIXED, CLOSE, 400, NULL},
	    {"encoded", MIXED,
	     OPEN "Content-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0wDQo=\r\n" CLOSE, 415,
	     NULL},
	    {"of two types", MIXED, OPEN "Content-Type: text/plain\r\nc: application/sdp\r\n\r\n" SDP "\r\n" CLOSE, 415,
	     NULL},
	    {"an early session", MIXED,
	     OPEN "Content-Type: application/sdp\r\nContent-Disposition: early-session\r\n\r\n" SDP
		  "\r\n" SDP_PART CLOSE,
	     415, NULL},
	    {"encrypted", "Content-Type: multipart/encrypted;boundary=\"b 1\"\r\n", PIDF CLOSE, 415, NULL},
	    {"nothing but text", "Content-Type: text/plain\r\n", "x", 415, NULL},
	    {"an early session that need not be understood", MIXED,
	     OPEN
	     "Content-Type: application/sdp\r\nContent-Disposition: early-session; handling=optional\r\n\r\n" SDP_OF(
		 "10.9.9.9") "\r\n" SDP_PART CLOSE,
	     0, "m=audio"},
	    {"two descriptions", MIXED,
	     SDP_PART OPEN "Content-Type: application/sdp\r\n\r\n" SDP_OF("10.9.9.9") "\r\n" CLOSE, 0, "m=audio"},
	    {"no description", MIXED, OPEN ISUP CLOSE, 0, OPEN ISUP},
	    {"text that need not be understood",
	     "Content-Type: text/plain\r\nContent-Disposition: render;handling=optional\r\n", "x", 0, "\r\n\r\nx"},
	    {"nested", MIXED,
	     OPEN "Content-Type: multipart/alternative;boundary=i\r\n\r\n--i\r\nContent-Type: text/plain\r\n\r\nx\r\n"
		  "--i\r\nContent-Type: application/sdp\r\n\r\n" SDP "\r\n--i--\r\n" PIDF CLOSE,
	     0, "--i\r\nContent-Type: text/plain\r\n\r\nx\r\n--i\r\n"},
	    {"signed", "Content-Type: multipart/signed;boundary=\"b 1\"\r\n",
	     SDP_PART OPEN "Content-Type: application/pkcs7-signature\r\n\r\nxyz\r\n" CLOSE, 0,
	     "Content-Type: application/sdp\r\n"},
	    {"bare line ends", "Content-Type: multipart/mixed;boundary=b\r\n",
	     "--b\nContent-Type: application/sdp\n\n" SDP "\n--b\n\ntext\n--b--", 0, "--b\r\n\r\ntext\r\n--b--\r\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lab *lab = lab_new();
		char start[32];

		send_request(lab, "INVITE", 1, NULL, rows[i].headers, rows[i].body);
		snprintf(start, sizeof(start), "SIP/2.0 %u", rows[i].code ? rows[i].code : 100);
		CHECK(lab_take(lab, CUSTOMER, start));
		struct sip_message *in = rows[i].code ? NULL : take(lab, VENDOR(0), "INVITE ");

		if (rows[i].code
			? lab_waiting(lab, VENDOR(0)) != 0
			: !is_whole(in) || !has(in, rows[i].crosses) || has(in, "10.1.0.5") || has(in, "10.9.9.9"))
			CHECK(!rows[i].what);
		if (has(in, "isup"))
			CHECK(!has(in, "Supported: 100rel")); /* nobody could answer the vendor's offer */
		lab_free(lab);
	}
}

static void unreadable_answer(void)
{
	struct lab *lab = lab_new();

	send_request(lab, "INVITE", 1, NULL, "Content-Type: application/sdp\r\n", SDP);
	struct sip_message *in = take(lab, VENDOR(0), "INVITE ");

	lab_skip(lab, NULL);
	reply(lab, in, VENDOR(0), 200, "v", MIXED, SDP_PART); /* its end is missing */
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 5"));
	lab_free(lab);
}

/* ---- INFO ---- */

#define PACKAGE "Info-Package: dtmf\r\nContent-Type: application/dtmf-relay\r\nContent-Disposition: Info-Package\r\n"

static void info(void)
{
	struct lab *lab = lab_new();

	send_request(lab, "INVITE", 1, NULL, "Recv-Info: dtmf\r\nContent-Type: application/sdp\r\n", SDP);
	struct sip_message *in = take(lab, VENDOR(0), "INVITE ");

	CHECK(has(in, "Recv-Info: dtmf\r\n"));
	lab_skip(lab, NULL);
	reply(lab, in, VENDOR(0), 200, "v", "Recv-Info: dtmf, other\r\nContent-Type: application/sdp\r\n", SDP);
	struct sip_message *answer = take(lab, CUSTOMER, "SIP/2.0 200");

	CHECK(has(answer, "Recv-Info: dtmf, other\r\n"));
	send_request(lab, "ACK", 1, answer, "", "");
	lab_skip(lab, NULL);
	uint32_t updates = lab->media_updates;

	send_request(lab, "INFO", 2, answer, PACKAGE, "Signal=5\r\n");
	in = take(lab, VENDOR(0), "INFO ");
	CHECK(is_whole(in) && has(in, "Info-Package: dtmf\r\n") &&
	      has(in, "Content-Type: application/dtmf-relay\r\n") && has(in, "Content-Disposition: Info-Package\r\n") &&
	      sip_text_is(in->body, "Signal=5\r\n"));
	reply(lab, in, VENDOR(0), 469, "", "Recv-Info: other\r\n", "");
	struct sip_message *out = take(lab, CUSTOMER, "SIP/2.0 469 Bad Info Package");

	CHECK(has(out, "Recv-Info: other\r\n"));
	send_request(lab, "INFO", 3, answer, MIXED "Info-Package: dtmf\r\n", PIDF CLOSE);
	in = take(lab, VENDOR(0), "INFO ");
	CHECK(is_whole(in) && has(in, PIDF) && has(in, "Info-Package: dtmf\r\n"));
	reply(lab, in, VENDOR(0), 200, "", "", "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	/* Looks like an offer, but an INFO offers nothing: the audio stays where it is. */
	send_request(lab, "INFO", 4, answer, "Content-Type: application/sdp\r\n", SDP_OF("10.1.0.77"));
	in = take(lab, VENDOR(0), "INFO ");
	CHECK(is_whole(in) && has(in, "m=audio") && !has(in, "10.1.0.77"));
	reply(lab, in, VENDOR(0), 200, "", "", "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	lab_drain(lab);
	CHECK_INT(lab->media_updates, updates);
	lab_free(lab);
}

/* ---- forks ---- */

#define RELIABLE(n) "Supported: 100rel\r\nRequire: 100rel\r\nRSeq: " #n "\r\nContent-Type: application/sdp\r\n"

static const struct net_addr *callee_audio(const struct lab *lab)
{
	for (uint32_t slot = 0; slot < LAB_CALLS; slot++) {
		const struct call_record *record = call_table_record(lab->calls, slot);

		if (atomic_load(&record->state) != CALL_FREE)
			return &record->media[1].remote;
	}
	return NULL;
}

static bool audio_is(const struct lab *lab, const char *expected)
{
	char text[NET_ADDR_TEXT] = "";

	if (callee_audio(lab))
		net_addr_print(callee_audio(lab), text);
	return strcmp(text, expected) == 0;
}

/* Each fork's PRACK goes into its own early dialog, and the audio to the one that has spoken last. */
static void forks(void)
{
	struct lab *lab = lab_new();
	struct sip_message *in, *first, *second, *prack;

	send_request(lab, "INVITE", 1, NULL, "Supported: 100rel\r\nContent-Type: application/sdp\r\n", SDP);
	in = take(lab, VENDOR(0), "INVITE ");
	lab_skip(lab, NULL);
	reply(lab, in, VENDOR(0), 183, "one", RELIABLE(100), SDP_OF("10.2.0.11"));
	first = take(lab, CUSTOMER, "SIP/2.0 183");
	CHECK(has(first, "RSeq: ") && audio_is(lab, "10.2.0.11:4000"));
	reply(lab, in, VENDOR(0), 183, "two", RELIABLE(900), SDP_OF("10.2.0.22"));
	prack = take(lab, VENDOR(0), "PRACK "); /* ours, at once: the caller has one to acknowledge already */
	CHECK(has(prack, ";tag=two\r\n") && has(prack, "RAck: 900 "));
	lab_reply(lab, prack, VENDOR(0), 200, "", NULL, "");
	CHECK(audio_is(lab, "10.2.0.22:4000"));
	reply(lab, in, VENDOR(0), 180, "two", "", ""); /* waits, and does not take the place of the first */
	CHECK_INT(lab_waiting(lab, CUSTOMER), 0);
	lab_sleep(lab, 600);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 183"), "RSeq: "));
	lab_prack(lab, first, 2, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "PRACK"));
	prack = take(lab, VENDOR(0), "PRACK ");
	CHECK(has(prack, ";tag=one\r\n") && has(prack, "RAck: 100 "));
	lab_reply(lab, prack, VENDOR(0), 200, "", NULL, "");
	second = take(lab, CUSTOMER, "SIP/2.0 180");
	CHECK(has(second, "m=audio")); /* the second fork's description has not been overtaken */
	lab_prack(lab, second, 3, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "PRACK"));
	/* The first one picks up; what it had to say it has said. */
	reply(lab, in, VENDOR(0), 200, "one", "", "");
	CHECK(audio_is(lab, "10.2.0.11:4000"));
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), ";tag=one\r\n"));
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "m=audio"));
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_free(lab);
}

/* What a response has beside its description is not lost while it waits for a PRACK. */
static void kept_waiting(void)
{
	struct lab *lab = lab_new();
	struct sip_message *in, *out;

	send_request(lab, "INVITE", 1, NULL, "Require: 100rel\r\nContent-Type: application/sdp\r\n", SDP);
	in = take(lab, VENDOR(0), "INVITE ");
	lab_skip(lab, NULL);
	reply(lab, in, VENDOR(0), 180, "v", "", "");
	out = take(lab, CUSTOMER, "SIP/2.0 180");
	reply(lab, in, VENDOR(0), 183, "v", "P-Asserted-Identity: <sip:4930@10.2.0.1>\r\n" MIXED,
	      SDP_PART OPEN ISUP CLOSE);
	CHECK_INT(lab_waiting(lab, CUSTOMER), 0);
	lab_prack(lab, out, 2, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "PRACK"));
	out = take(lab, CUSTOMER, "SIP/2.0 183");
	CHECK(is_whole(out) && has(out, "\r\nP-Asserted-Identity: <sip:4930@10.0.0.1") && has(out, OPEN ISUP));
	CHECK(has(out, "m=audio") && has(out, "RSeq: ") && !has(out, "c=IN IP4 10.1.0.5"));
	reply(lab, in, VENDOR(0), 200, "v", "P-Asserted-Identity: <sip:4931@10.2.0.1>\r\n" MIXED,
	      SDP_PART OPEN ISUP CLOSE);
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK_INT(lab_waiting(lab, CUSTOMER), 0);
	lab_prack(lab, out, 3, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "PRACK"));
	out = take(lab, CUSTOMER, "SIP/2.0 200");
	CHECK(is_whole(out) && has(out, "\r\nP-Asserted-Identity: <sip:4931@10.0.0.1") && has(out, OPEN ISUP));
	CHECK(has(out, "CSeq: 1 INVITE") && has(out, "m=audio") && !has(out, "c=IN IP4 10.1.0.5"));
	lab_free(lab);
}

static void silent_fork(void)
{
	struct lab *lab = lab_new();

	send_request(lab, "INVITE", 1, NULL, "Content-Type: application/sdp\r\n", SDP);
	struct sip_message *in = take(lab, VENDOR(0), "INVITE ");

	reply(lab, in, VENDOR(0), 183, "one", "Content-Type: application/sdp\r\n", SDP_OF("10.2.0.11"));
	reply(lab, in, VENDOR(0), 180, "two", "", "");
	lab_skip(lab, NULL);
	reply(lab, in, VENDOR(0), 199, "one", "", ""); /* the caller's dialog is with us, and stands */
	CHECK_INT(lab_waiting(lab, NULL), 0);
	reply(lab, in, VENDOR(0), 200, "two", "", ""); /* never said a word */
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), ";tag=two\r\n"));
	CHECK(has(lab_take(lab, VENDOR(0), "BYE "), ";tag=two\r\n"));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 502"));
	lab_free(lab);
}

/* More forks than are remembered, again and again: the call goes on, and its memory suffices. */
static void many_forks(void)
{
	struct lab *lab = lab_new();

	send_request(lab, "INVITE", 1, NULL, "Content-Type: application/sdp\r\n", SDP);
	struct sip_message *in = take(lab, VENDOR(0), "INVITE ");

	for (unsigned int i = 0; i < 200; i++) {
		char tag[8];

		snprintf(tag, sizeof(tag), "t%u", i % 7);
		reply(lab, in, VENDOR(0), 183, tag, "Content-Type: application/sdp\r\n", SDP_OF("10.2.0.11"));
	}
	lab_skip(lab, NULL);
	reply(lab, in, VENDOR(0), 200, "t6", "Content-Type: application/sdp\r\n", SDP_OF("10.2.0.12"));
	CHECK(audio_is(lab, "10.2.0.12:4000"));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	lab_free(lab);
}

/* Each fork counts its requests from where it likes; the one that answers is not measured by another's numbers. */
static void numbers_of_forks(void)
{
	struct lab *lab = lab_new();

	send_request(lab, "INVITE", 1, NULL, "Content-Type: application/sdp\r\n", SDP);
	struct sip_message *in = take(lab, VENDOR(0), "INVITE ");

	reply(lab, in, VENDOR(0), 183, "one", "Content-Type: application/sdp\r\n", SDP);
	reply(lab, in, VENDOR(0), 183, "two", "Content-Type: application/sdp\r\n", SDP);
	lab_skip(lab, NULL);
	lab_callee_request(lab, in, VENDOR(0), "one", "OPTIONS", 5000, NULL);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 200"));
	struct sip_text our_tag = sip_message_from(in)->tag, call_id = sip_message_call_id(in);

	for (unsigned int i = 0; i < 2; i++) { /* the second is the same again */
		lab_text(lab, VENDOR(0),
			 "INFO sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.2.0.1:5060;branch=z9hG4bKsame\r\n"
			 "Max-Forwards: 70\r\nFrom: <sip:x@10.2.0.1>;tag=two\r\nTo: <sip:y@10.0.0.1>;tag=%.*s\r\n"
			 "Call-ID: %.*s\r\nCSeq: 1 INFO\r\nContent-Length: 0\r\n\r\n",
			 (int)our_tag.len, our_tag.at, (int)call_id.len, call_id.at);
		CHECK_INT(lab_count(lab, COUNTER_signaling_requests_again), i);
	}
	CHECK(lab_take(lab, CUSTOMER, "INFO "));
	CHECK_INT(lab_waiting(lab, CUSTOMER), 0);
	reply(lab, in, VENDOR(0), 200, "two", "Content-Type: application/sdp\r\n", SDP);
	struct sip_message *answer = take(lab, CUSTOMER, "SIP/2.0 200");

	send_request(lab, "ACK", 1, answer, "", "");
	lab_skip(lab, NULL);
	lab_callee_request(lab, in, VENDOR(0), "two", "BYE", 2, NULL);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 200"));
	CHECK(lab_take(lab, CUSTOMER, "BYE "));
	lab_free(lab);
}

/* An UPDATE that the last gateway never answered does not keep those to the next one out. */
static void update_of_another_attempt(void)
{
	struct lab *lab = lab_new();
	struct sip_message *in, *out, *update;

	lab->config.parameters.stop_switch_after_sdp = false;
	lab_reload(lab);
	send_request(lab, "INVITE", 1, NULL, "Supported: 100rel\r\nContent-Type: application/sdp\r\n", SDP);
	in = take(lab, VENDOR(0), "INVITE ");
	lab_skip(lab, NULL);
	reply(lab, in, VENDOR(0), 183, "v", RELIABLE(1), SDP);
	out = take(lab, CUSTOMER, "SIP/2.0 183");
	lab_prack(lab, out, 2, NULL);
	lab_reply(lab, take(lab, VENDOR(0), "PRACK "), VENDOR(0), 200, "", NULL, "");
	lab_skip(lab, NULL);
	send_request(lab, "UPDATE", 3, out, "Content-Type: application/sdp\r\n", SDP);
	update = take(lab, VENDOR(0), "UPDATE ");
	reply(lab, in, VENDOR(0), 183, "v", RELIABLE(2), SDP_OF("10.2.0.33")); /* waits for nothing: no PRACK is due */
	out = take(lab, CUSTOMER, "SIP/2.0 183");
	reply(lab, in, VENDOR(0), 183, "v", RELIABLE(3), SDP_OF("10.2.0.34")); /* waits for the PRACK */
	reply(lab, in, VENDOR(0), 503, "v", "", "");
	lab_skip(lab, VENDOR(0));
	in = take(lab, VENDOR(1), "INVITE ");
	lab_prack(lab, out, 4, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "PRACK"));
	CHECK_INT(lab_waiting(lab, CUSTOMER), 0); /* what waited was the old gateway's */
	reply(lab, in, VENDOR(1), 183, "w", RELIABLE(1), SDP);
	out = take(lab, CUSTOMER, "SIP/2.0 183");
	lab_prack(lab, out, 5, NULL);
	lab_reply(lab, take(lab, VENDOR(1), "PRACK "), VENDOR(1), 200, "", NULL, "");
	lab_skip(lab, NULL);
	send_request(lab, "UPDATE", 6, out, "Content-Type: application/sdp\r\n", SDP);
	CHECK(lab_take(lab, VENDOR(1), "UPDATE "));
	reply(lab, update, VENDOR(0), 200, "", "Content-Type: application/sdp\r\n", SDP_OF("10.2.0.99"));
	CHECK(!audio_is(lab, "10.2.0.99:4000")); /* it is nobody's any more */
	send_request(lab, "UPDATE", 7, out, "Content-Type: application/sdp\r\n", SDP);
	lab_skip(lab, CUSTOMER);
	CHECK_INT(lab_waiting(lab, VENDOR(1)), 0); /* the sixth still stands */
	lab_free(lab);
}

static const struct check_case cases[] = {
    {"parts cross", crosses},
    {"a body beside a description", plain_beside_a_description},
    {"a gateway that can't read them", stripped},
    {"let in, or not", let_in_or_not},
    {"an answer that can't be read", unreadable_answer},
    {"INFO", info},
    {"two forks, each reliable", forks},
    {"responses that wait for a PRACK", kept_waiting},
    {"a fork that never spoke", silent_fork},
    {"many forks", many_forks},
    {"numbers of forks", numbers_of_forks},
    {"an UPDATE of another attempt", update_of_another_attempt},
};
CHECK_MAIN(cases)
