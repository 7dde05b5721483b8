/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sdp/sdp.h"
#include "tests/unit/check.h"

#include <stdlib.h>

#define CHECK_SLICE(slice, expected) CHECK_TEXT((slice).at, (slice).len, expected)

static struct sdp_session sdp;
static char out[4096];

static int parse(const char *text)
{
	return sdp_parse(&sdp, sip_text_of(text));
}

static const char offer[] = "v=0\r\n"
			    "o=phone 123 456 IN IP4 198.51.100.7\r\n"
			    "s=call\r\n"
			    "c=IN IP4 198.51.100.7\r\n"
			    "t=0 0\r\n"
			    "a=ice-lite\r\n"
			    "m=audio 30000 RTP/AVP 101 8 0\r\n"
			    "i=words\r\n"
			    "a=rtpmap:8 PCMA/8000\r\n"
			    "a=rtpmap:101 telephone-event/8000\r\n"
			    "a=fmtp:101 0-16\r\n"
			    "a=rtcp:30009 IN IP4 198.51.100.8\r\n"
			    "a=candidate:1 1 UDP 1 198.51.100.7 30000 typ host\r\n"
			    "a=ptime:20\r\n"
			    "a=sendonly\r\n"
			    "m=video 30002/2 RTP/AVP 31\r\n"
			    "c=IN IP6 2001:db8::2\r\n"
			    "a=rtcp-mux\r\n"
			    "m=image 0 udptl t38\r\n";

static void parts(void)
{
	struct net_addr addr;
	char text[NET_ADDR_TEXT];

	CHECK_INT(parse(offer), 0);
	CHECK_SLICE(sdp.origin.username, "phone");
	CHECK_SLICE(sdp.origin.session_id, "123");
	CHECK_SLICE(sdp.origin.version, "456");
	CHECK_INT(sdp.media_count, 3);
	CHECK_INT(sdp_main_media(&sdp), 0);
	CHECK_INT(sdp.media[0].port, 30000);
	CHECK_INT(sdp.media[0].format_count, 3);
	CHECK_INT(sdp.media[0].ptime_ms, 20);
	CHECK_INT(sdp.media[0].direction, SDP_SENDONLY);
	CHECK_SLICE(sdp_codec_name(&sdp.media[0]), "PCMA/8000");
	CHECK_SLICE(sdp_format_name(&sdp.media[0], SIP_TEXT("0")), "PCMU/8000");
	CHECK(sdp_format_name(&sdp.media[0], SIP_TEXT("99")).at == NULL);
	CHECK_INT(sdp_telephone_event(&sdp.media[0]), 101);
	CHECK_INT(sdp_telephone_event(&sdp.media[1]), -ENOENT);
	CHECK_SLICE(sdp_media_attribute(&sdp.media[0], "fmtp"), "101 0-16");
	CHECK(sdp_media_attribute(&sdp.media[1], "rtcp-mux").at != NULL);
	CHECK(sdp_media_attribute(&sdp.media[1], "fmtp").at == NULL);
	sdp_media_addr(&sdp, &sdp.media[0], &addr);
	CHECK_TEXT(text, net_addr_print(&addr, text), "198.51.100.7:30000");
	sdp_media_rtcp_addr(&sdp, &sdp.media[0], &addr);
	CHECK_TEXT(text, net_addr_print(&addr, text), "198.51.100.8:30009");
	sdp_media_rtcp_addr(&sdp, &sdp.media[1], &addr);
	CHECK_TEXT(text, net_addr_print(&addr, text), "[2001:db8::2]:30002");
	CHECK_INT(sdp.media[1].port_count, 2);
	CHECK_INT(sdp.media[1].direction, SDP_SENDRECV);
	CHECK_INT(sdp.media[2].kind, SDP_IMAGE);
	CHECK(sdp.media[0].has_ice && !sdp.media[0].encrypted);
}

#define START "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\n"

static void defects(void)
{
	static const char *const bad[] = {
	    "x",
	    "v=1\r\no=- 1 1 IN IP4 h\r\ns=-\r\n",
	    "o=- 1 1 IN IP4 h\r\nv=0\r\ns=-\r\n",
	    "v=0\r\no=- 1 1 IN IP4\r\ns=-\r\n",
	    "v=0\r\no=- 1 1 IN IP4 h\r\n",
	    START "m=audio 1 RTP/AVP 0\r\n",
	    START "c=IN IP4 h\r\nm=audio 65536 RTP/AVP 0\r\n",
	    START "c=IN IP4 h\r\nm=audio 99999999999999999999 RTP/AVP 0\r\n",
	    START "c=IN IP4 h\r\nm=audio -1 RTP/AVP 0\r\n",
	    START "c=IN IP4 h\r\nm=audio 1/0 RTP/AVP 0\r\n",
	    START "c=IN IP4 h\r\nm=audio 1 RTP/AVP\r\n",
	    START "c=IN IP4 h\r\nm=audio\r\n",
	    START "c=IN IP6 192.0.2.1\r\n",
	    START "c=IN IP5 h\r\n",
	    START "c=ATM IP4 h\r\n",
	    START "m =audio 1 RTP/AVP 0\r\n",
	    START "\r\nc=IN IP4 h\r\n",
	    START "c=IN IP4 a\rb\r\n",
	    START "c=IN IP4 h\r\nm=audio 1 RTP/AVP 0\r\na=rtcp:x\r\n",
	};
	char many[SDP_LINES * 8];
	size_t len;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(bad[i]) != -EINVAL)
			printf("  not refused: %s\n", bad[i]);
		CHECK_INT(parse(bad[i]), -EINVAL);
	}
	CHECK_INT(parse(""), -ENODATA);
	CHECK_INT(sdp_parse(&sdp, SIP_TEXT(START "i=a\0b\r\n")), -EINVAL);
	CHECK_INT(parse(START), 0);
	CHECK_INT(parse("v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 h\nm=audio 1 RTP/AVP 0"), 0);
	CHECK_INT(parse(START "\r\n\r\n"), 0);
	len = (size_t)snprintf(many, sizeof(many), START);
	for (int i = 0; i < SDP_LINES; i++)
		len += (size_t)snprintf(many + len, sizeof(many) - len, "a=x\r\n");
	CHECK_INT(parse(many), -E2BIG);
	len = (size_t)snprintf(many, sizeof(many), START);
	for (int i = 0; i <= SDP_MEDIAS; i++)
		len += (size_t)snprintf(many + len, sizeof(many) - len, "m=audio 0 RTP/AVP 0\r\n");
	CHECK_INT(parse(many), -E2BIG);
}

static void direction(void)
{
	CHECK_INT(
	    parse(START "c=IN IP4 h\r\na=inactive\r\nm=audio 1 RTP/AVP 0\r\nm=audio 2 RTP/AVP 0\r\na=sendrecv\r\n"), 0);
	CHECK_INT(sdp.media[0].direction, SDP_INACTIVE);
	CHECK_INT(sdp.media[1].direction, SDP_SENDRECV);
}

static struct sdp_rewrite rewrite_all(void)
{
	struct sdp_rewrite put = {
	    .username = SIP_TEXT("tandem"),
	    .session_id = 18446744073709551615u,
	    .version = 2,
	    .addr = {.ip = {192, 0, 2, 1}, .family = NET_IP4},
	};

	put.media[0].port = 40000;
	put.media[1].reject = true;
	return put;
}

static void rewrite(void)
{
	struct sdp_rewrite put = rewrite_all();

	CHECK_INT(parse(offer), 0);
	CHECK_TEXT(out, sdp_rewrite(&sdp, &put, out, sizeof(out)),
		   "v=0\r\n"
		   "o=tandem 18446744073709551615 2 IN IP4 192.0.2.1\r\n"
		   "s=call\r\n"
		   "c=IN IP4 192.0.2.1\r\n"
		   "t=0 0\r\n"
		   "m=audio 40000 RTP/AVP 101 8 0\r\n"
		   "i=words\r\n"
		   "a=rtpmap:8 PCMA/8000\r\n"
		   "a=rtpmap:101 telephone-event/8000\r\n"
		   "a=fmtp:101 0-16\r\n"
		   "a=rtcp:40001 IN IP4 192.0.2.1\r\n"
		   "a=ptime:20\r\n"
		   "a=sendonly\r\n"
		   "m=video 0 RTP/AVP 31\r\n"
		   "c=IN IP4 192.0.2.1\r\n"
		   "a=rtcp-mux\r\n"
		   "m=image 0 udptl t38\r\n");
}

static void rewrite_to_ip6(void)
{
	struct sdp_rewrite put = {.addr = {.ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 9}, .family = NET_IP6}};

	put.media[0].port = 5000;
	put.media[0].rtcp_port = 6001;
	CHECK_INT(parse("v=0\no=x 1 1 IN IP4 h\ns=-\nc=IN IP4 192.0.2.9\nm=audio 1 RTP/AVP 0\na=rtcp:7\na=x"), 0);
	CHECK_TEXT(out, sdp_rewrite(&sdp, &put, out, sizeof(out)),
		   "v=0\no=- 0 0 IN IP6 2001:db8::9\r\ns=-\nc=IN IP6 2001:db8::9\r\nm=audio 5000 RTP/AVP 0\r\n"
		   "a=rtcp:6001 IN IP6 2001:db8::9\r\na=x\r\n");
}

/* Without a relay every line but o= stays as it came: the peer's addresses in each c=, whatever they look like. */
static void keep(void)
{
	static const char lines[] = "s=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\na=ice-lite\r\nm=audio 1 RTP/AVP 0\r\n"
				    "a=rtcp:7 IN IP4 198.51.100.8\r\nm=video 2 RTP/AVP 31\r\nc=IN IP6 name\r\n"
				    "a=candidate:1 1 UDP 1 198.51.100.7 2 typ host\r\nm=image 0 udptl t38\r\n";
	struct sdp_rewrite put = rewrite_all();
	char text[1024], expected[1024];

	put.keep = true;
	snprintf(text, sizeof(text), "v=0\r\no=- 1 1 IN IP4 h\r\n%s", lines);
	snprintf(expected, sizeof(expected), "v=0\r\no=tandem 18446744073709551615 2 IN IP4 192.0.2.1\r\n%s", lines);
	CHECK_INT(parse(text), 0);
	CHECK_TEXT(out, sdp_rewrite(&sdp, &put, out, sizeof(out)), expected);
}

/* A fax counts where there is no audio. */
static void main_media(void)
{
	static const struct {
		const char *medias;
		int expected;
	} rows[] = {
	    {"m=image 4000 udptl t38\r\n", 0},
	    {"m=audio 0 RTP/AVP 8\r\nm=image 4000 UDPTL t38\r\n", 1},
	    {"m=image 4000 udptl t38\r\nm=audio 4002 RTP/AVP 8\r\n", 1},
	    {"m=video 4000 RTP/AVP 31\r\nm=image 0 udptl t38\r\nm=image 4002 udptl t38\r\n", 2},
	    {"m=image 4000 tcp t38\r\n", -ENOENT},
	    {"m=audio 0 RTP/AVP 8\r\nm=image 0 udptl t38\r\n", -ENOENT},
	    {"m=audio 4000 udptl t38\r\n", -ENOENT},
	};
	char text[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), START "c=IN IP4 192.0.2.9\r\n%s", rows[i].medias);
		CHECK_INT(parse(text), 0);
		CHECK_INT(sdp_main_media(&sdp), rows[i].expected);
	}
}

static void overflow(void)
{
	struct sdp_rewrite put = rewrite_all();
	int whole;

	CHECK_INT(parse(offer), 0);
	whole = sdp_rewrite(&sdp, &put, out, sizeof(out));
	for (int size = 0; size < whole; size++) {
		char *exact = malloc(size ? (size_t)size : 1);

		CHECK(exact != NULL);
		CHECK_INT(sdp_rewrite(&sdp, &put, exact, (size_t)size), -EMSGSIZE);
		free(exact);
	}
	CHECK_INT(sdp_rewrite(&sdp, &put, out, (size_t)whole), whole);
}

static const struct check_case cases[] = {
    {"parts", parts},
    {"defects", defects},
    {"direction", direction},
    {"rewrite", rewrite},
    {"rewrite to IPv6", rewrite_to_ip6},
    {"keep", keep},
    {"overflow", overflow},
    {"main media", main_media},
};
CHECK_MAIN(cases)
