/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a usual INVITE costs the codec, on one core: the index of its lines, the values a switch reads, its checks,
 * the 200 OK to it, and the SDP in it. Prints nanoseconds for each (the best of several rounds).
 */
#include "signaling/sdp/sdp.h"
#include "signaling/sip/build.h"
#include "signaling/sip/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef COUNT_INSTRUCTIONS
#include "tests/instructions/count.h"
#endif

#define ROUNDS    400 /* short and many: the best one had the core for itself */
#define ROUND_OPS 500

static const char invite[] = "INVITE sip:+4940200@192.0.2.1:5060;user=phone SIP/2.0\r\n"
			     "Via: SIP/2.0/UDP 198.51.100.7:5060;rport;branch=z9hG4bK-524287-1---c0ffee\r\n"
			     "Max-Forwards: 70\r\n"
			     "Contact: <sip:+4930100@198.51.100.7:5060;transport=udp>\r\n"
			     "To: <sip:+4940200@192.0.2.1;user=phone>\r\n"
			     "From: \"Customer\" <sip:+4930100@198.51.100.7;user=phone>;tag=7f3a2b1c\r\n"
			     "Call-ID: 7f3a2b1c-4d5e-6f70@198.51.100.7\r\n"
			     "CSeq: 1 INVITE\r\n"
			     "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, UPDATE\r\n"
			     "Supported: timer, 100rel\r\n"
			     "Session-Expires: 1800;refresher=uac\r\n"
			     "User-Agent: Gateway 4.2\r\n"
			     "Content-Type: application/sdp\r\n"
			     "Content-Length: 207\r\n"
			     "\r\n"
			     "v=0\r\n"
			     "o=- 20518 0 IN IP4 198.51.100.7\r\n"
			     "s=-\r\n"
			     "c=IN IP4 198.51.100.7\r\n"
			     "t=0 0\r\n"
			     "m=audio 30000 RTP/AVP 8 0 101\r\n"
			     "a=rtpmap:8 PCMA/8000\r\n"
			     "a=rtpmap:0 PCMU/8000\r\n"
			     "a=rtpmap:101 telephone-event/8000\r\n"
			     "a=ptime:20\r\n"
			     "a=sendrecv\r\n";

static struct sip_message msg;
static struct sdp_session sdp;
static char out[4096];
static uint64_t sum; /* what every operation adds to, so that none is optimized away */

static const struct net_addr source = {.ip = {198, 51, 100, 7}, .port = 5060, .family = NET_IP4};
static const struct net_addr here = {.ip = {192, 0, 2, 1}, .port = 5060, .family = NET_IP4};

static void index_lines(void)
{
	sum += sip_message_parse(&msg, invite, sizeof(invite) - 1);
}

static void read_values(void)
{
	msg.parsed = msg.valid = 0;
	sum += sip_message_via(&msg)->port + sip_message_from(&msg)->tag.len + sip_message_to(&msg)->uri.len;
	sum += sip_message_cseq(&msg)->number + sip_message_uri(&msg)->user.len + sip_message_call_id(&msg).len;
}

static void judge(void)
{
	static const char *const extensions[] = {"timer", "100rel", NULL};
	const struct sip_abilities abilities = {extensions, 1u << SIP_INVITE, 1u << SIP_SCHEME_SIP};
	struct sip_check check;

	msg.parsed &= (uint8_t)~SIP_CACHE_CONTACT; /* the others were read before this test */
	sip_check_request(&check, &msg, &abilities);
	sum += check.code;
}

static void build_200(void)
{
	struct sip_builder b;

	sip_build_init(&b, out, sizeof(out));
	sip_build_response(&b, &msg, 200, NULL, SIP_TEXT("00a1b2c3d4"), &source);
	sip_build_contact(&b, SIP_TEXT("+4940200"), &here);
	sip_build_body(&b, SIP_TEXT("application/sdp"), msg.body);
	sum += (uint64_t)sip_build_finish(&b);
}

static void build_invite(void)
{
	struct sip_builder b;

	sip_build_init(&b, out, sizeof(out));
	sip_build_request(&b, SIP_TEXT("INVITE"), SIP_TEXT("sip:+4940200@203.0.113.5;user=phone"));
	sip_build_via(&b, &here, SIP_TEXT("z9hG4bK00a1b2c3d4e5f6"));
	sip_build_number(&b, SIP_H_MAX_FORWARDS, 69);
	sip_build_name_addr(&b, SIP_H_FROM, SIP_TEXT("Customer"), true, SIP_TEXT("sip:+4930100@192.0.2.1"),
			    SIP_TEXT("00a1b2c3"));
	sip_build_name_addr(&b, SIP_H_TO, SIP_TEXT(""), true, SIP_TEXT("sip:+4940200@203.0.113.5"), SIP_TEXT(""));
	sip_build_header(&b, SIP_H_CALL_ID, SIP_TEXT("00a1b2c3d4e5f60718293a4b5c6d7e8f"));
	sip_build_cseq(&b, 1, SIP_TEXT("INVITE"));
	sip_build_contact(&b, SIP_TEXT("+4930100"), &here);
	sip_build_header(&b, SIP_H_SUPPORTED, SIP_TEXT("timer"));
	sip_build_body(&b, SIP_TEXT("application/sdp"), msg.body);
	sum += (uint64_t)sip_build_finish(&b);
}

static void parse_sdp(void)
{
	sum += (uint64_t)sdp_parse(&sdp, msg.body);
}

static void rewrite_sdp(void)
{
	struct sdp_rewrite put;

	put.username = SIP_TEXT("tandem");
	put.session_id = put.version = 1;
	put.keep = false;
	put.addr = here;
	put.media[0] = (struct sdp_put){.port = here.port};
	sum += (uint64_t)sdp_rewrite(&sdp, &put, out, sizeof(out));
}

#ifdef COUNT_INSTRUCTIONS
#define COUNTED 100u

static void measure(const char *name, void (*op)(void))
{
	char full[64];

	snprintf(full, sizeof(full), "sip: %s", name);
	op();
	count_begin();
	for (unsigned int i = 0; i < COUNTED * COUNT_REPEAT; i++)
		op();
	count_end(full, COUNTED);
}
#else
static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double best_ns(void (*op)(void))
{
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = now_ns();
		double each;

		for (int i = 0; i < ROUND_OPS; i++)
			op();
		each = (double)(now_ns() - start) / ROUND_OPS;
		if (each < best)
			best = each;
	}
	return best;
}

static void measure(const char *name, void (*op)(void))
{
	printf("%-32s %7.1f ns\n", name, best_ns(op));
}
#endif

int main(void)
{
	static const struct {
		const char *name;
		void (*op)(void);
	} ops[] = {
	    {"index an INVITE", index_lines},
	    {"read Via, From, To, CSeq, URI", read_values},
	    {"check it", judge},
	    {"build the 200 OK", build_200},
	    {"build an INVITE", build_invite},
	    {"parse its SDP", parse_sdp},
	    {"rewrite its SDP", rewrite_sdp},
	};

	if (sip_message_parse(&msg, invite, sizeof(invite) - 1) != SIP_PARSE_OK || sdp_parse(&sdp, msg.body) != 0) {
		fprintf(stderr, "the message itself is malformed\n");
		return 1;
	}
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		measure(ops[i].name, ops[i].op);
	return sum == 0;
}
