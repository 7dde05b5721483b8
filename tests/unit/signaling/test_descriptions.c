/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of session descriptions on their way: faxes, several media, direct media. */
#include <string.h>

#include "lab.h"
#include "proto/messages.h"
#include "signaling/call.h"
#include "tests/unit/check.h"

#define HEAD(ip)  "v=0\r\no=peer 1 1 IN IP4 " ip "\r\ns=-\r\nc=IN IP4 " ip "\r\nt=0 0\r\n"
#define FAX(port) "m=image " port " udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
#define NO_AUDIO  "m=audio 0 RTP/AVP 8\r\n"

static const char customer_fax[] = HEAD("10.1.0.5") NO_AUDIO FAX("4100");
static const char vendor_fax[] = HEAD("10.2.0.1") NO_AUDIO FAX("5100");

static struct sip_message answer, invite; /* what customer and vendor got */

/* Line by line, as it stands there: "m=image 20004 udptl t38". */
static bool has_media(struct sip_message *m, const char *kind, unsigned int port, const char *rest)
{
	char line[128];

	snprintf(line, sizeof(line), "m=%s %u %s\r\n", kind, port, rest);
	return has(m, line);
}

static void check_over(struct lab *lab)
{
	lab_caller_request(lab, &answer, "BYE", 20, NULL);
	lab_skip(lab, NULL);
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);
}

/* The customer offers, the vendor answers; *offered and *answered: what each got. */
static void renegotiate(struct lab *lab, unsigned int cseq, const char *offer, const char *reply,
			struct sip_message *offered, struct sip_message *answered)
{
	lab_caller_request(lab, &answer, "INVITE", cseq, offer);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	*offered = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, offered, VENDOR(0), 200, "", reply, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	*answered = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_caller_request(lab, &answer, "ACK", cseq, NULL);
}

/* A new life of media wants to know everything. */
static void media_asks(struct lab *lab)
{
	Tandem__Resync resync = TANDEM__RESYNC__INIT;
	uint8_t body[32];
	struct ring_message message = {.body = body, .type = MESSAGE_MEDIA_RESYNC};

	resync.life = 4711;
	message.len = (uint32_t)tandem__resync__pack(&resync, body);
	engine_media_message(lab->engine, 0, &message);
	lab_sleep(lab, 1000);
}

/* RFC 2543: nothing but the address says it. */
static void held_by_address(void)
{
	static const char audio[] = "m=audio 4000 RTP/AVP 8\r\n";
	static struct sip_message offered, answered;
	static char offer[256];
	struct lab *lab = lab_new();

	CHECK(lab_call(lab, 1, &answer, &invite));
	for (unsigned int i = 0; i < 3; i++) {
		snprintf(offer, sizeof(offer), "%s%s%s", i == 1 ? HEAD("10.1.0.5") : HEAD("0.0.0.0"), audio,
			 i == 2 ? "c=IN IP4 10.1.0.5\r\n" : "");
		renegotiate(lab, 2 + i, offer, lab_sdp, &offered, &answered);
		CHECK_INT(has(&offered, "c=IN IP4 0.0.0.0\r\n"), i == 0);
		CHECK_INT(has(&offered, "c=IN IP4 10.0.0.2\r\n"), i != 0);
		CHECK(has(&offered, " IN IP4 10.0.0.2\r\ns=") && has(&answered, "c=IN IP4 10.0.0.2\r\n"));
		CHECK(has_media(&offered, "audio", lab->callee_port, "RTP/AVP 8"));
		/* No music is promised, and no address to talk to. */
		CHECK_INT(lab->direction[CALLER], i == 0 ? SDP_INACTIVE : SDP_SENDRECV);
		CHECK_INT(lab->direction[CALLEE], SDP_SENDRECV);
	}
	check_over(lab);
}

static void fax(void)
{
	static const char wideband[] = HEAD("10.1.0.5") "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n";
	static struct sip_message offered, answered;
	struct lab *lab = lab_new();

	CHECK(lab_call(lab, 1, &answer, &invite));
	renegotiate(lab, 2, wideband, wideband, &offered, &answered);
	renegotiate(lab, 3, customer_fax, vendor_fax, &offered, &answered);
	CHECK_INT(lab->clock_rate[CALLER], 48000); /* the jitter of before is in these units */
	CHECK(has_media(&offered, "image", lab->callee_port, "udptl t38") && has(&offered, NO_AUDIO));
	CHECK(has(&offered, "c=IN IP4 10.0.0.2\r\n") && has(&offered, "a=T38FaxUdpEC:t38UDPRedundancy\r\n"));
	CHECK(has_media(&answered, "image", lab->caller_port, "udptl t38") && has(&answered, NO_AUDIO));
	CHECK(lab->caller_udptl && lab->callee_udptl);
	lab_restart(lab);
	lab->caller_udptl = lab->callee_udptl = false;
	media_asks(lab);
	CHECK(lab->caller_udptl && lab->callee_udptl); /* told to a new life of media, by a new one of ours */
	renegotiate(lab, 4, lab_sdp, lab_sdp, &offered, &answered);
	CHECK(has_media(&offered, "audio", lab->callee_port, "RTP/AVP 8 101"));
	CHECK_INT(lab->clock_rate[CALLER], 8000);
	CHECK(!lab->caller_udptl && !lab->callee_udptl);
	check_over(lab);
}

/* Who can't, says so, and the audio goes on. */
static void fax_refused(void)
{
	struct lab *lab = lab_new();
	unsigned int updates;

	CHECK(lab_call(lab, 1, &answer, &invite));
	updates = lab->media_updates;
	lab_caller_request(lab, &answer, "INVITE", 2, customer_fax);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 488, "", NULL, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 488"));
	CHECK_INT(lab->media_updates, updates); /* media has not heard of it... */
	lab_caller_request(lab, &answer, "INVITE", 3, customer_fax);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	media_asks(lab); /* ...unless it asks in between */
	CHECK(lab->caller_udptl && !lab->callee_udptl);
	lab_skip(lab, VENDOR(0));
	lab_reply(lab, &invite, VENDOR(0), 488, "", NULL, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 488"));
	CHECK(!lab->caller_udptl && lab->media_updates == updates + 2);
	check_over(lab);
}

static void fax_from_the_start(void)
{
	struct lab *lab = lab_new();

	lab_invite(lab, 1, "4930123", customer_fax, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK(has_media(&invite, "image", lab->callee_port, "udptl t38"));
	lab_reply(lab, &invite, VENDOR(0), 200, "v", vendor_fax, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	CHECK(has_media(&answer, "image", lab->caller_port, "udptl t38"));
	CHECK(lab->caller_udptl && lab->callee_udptl);
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	check_over(lab);
}

/*
 * The record could not say it, so it has to find room. Half of the large blocks are for calls to come; where there is
 * none, a refresh says nothing of media.
 */
static void fax_refreshed(void)
{
	for (uint32_t large = 8; large <= 9; large++) {
		struct lab *lab = lab_new();
		static struct sip_message refresh;

		lab->engine->calls->small_blocks.count = 0;
		lab->engine->calls->large_blocks.count = large;
		lab_invite(lab, 1, "4930123", HEAD("10.1.0.5") FAX("4100"), "");
		invite = *lab_take(lab, VENDOR(0), "INVITE ");
		lab_reply(lab, &invite, VENDOR(0), 200, "v", HEAD("10.2.0.1") FAX("5100"), "Session-Expires: 600\r\n");
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
		answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
		lab_caller_request(lab, &answer, "ACK", 1, NULL);
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
		lab_sleep(lab, 300 * 1000 + 100);
		refresh = *lab_take(lab, VENDOR(0), large == 9 ? "INVITE " : "UPDATE ");
		CHECK_INT(has(&refresh, "m=image"), large == 9);
		lab_reply(lab, &refresh, VENDOR(0), 200, "", large == 9 ? HEAD("10.2.0.1") FAX("5100") : NULL, "");
		lab_skip(lab, NULL);
		check_over(lab);
	}
}

/* One of them is carried: the audio. */
static void audio_and_fax(void)
{
	struct lab *lab = lab_new();

	lab_invite(lab, 1, "4930123", HEAD("10.1.0.5") FAX("4100") "m=audio 4000 RTP/AVP 8\r\n", "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK(has_media(&invite, "image", 0, "udptl t38"));
	CHECK(has_media(&invite, "audio", lab->callee_port, "RTP/AVP 8"));
	lab_reply(lab, &invite, VENDOR(0), 200, "v", HEAD("10.2.0.1") FAX("0") "m=audio 5000 RTP/AVP 8\r\n", "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	CHECK(!lab->caller_udptl && !lab->callee_udptl);
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	check_over(lab);
}

#define MEDIAS(direction)                                                                                              \
	"s=-\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\nc=IN IP4 10.1.0.6\r\n" direction               \
	"m=video 4002 RTP/AVP 31\r\nm=image 4004 udptl t38\r\nc=IN IP4 10.1.0.7\r\n"

/* Without a relay all lines but o= cross as they are. Ours counts our changes, whatever the peer's does. */
static void direct(void)
{
	static const char first[] = "v=0\r\no=peer 7 70 IN IP4 10.1.0.5\r\n" MEDIAS(""),
			  held[] = "v=0\r\no=peer 7 75 IN IP4 10.1.0.5\r\n" MEDIAS("a=inactive\r\n");
	static struct sip_message offered, answered;
	struct lab *lab = lab_new();
	unsigned long long id, version, next;

	lab->config.parameters.media_proxy_mode = MEDIA_PROXY_OFF;
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", first, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK(has(&invite, MEDIAS("")) && !has(&invite, "10.0.0.2"));
	CHECK_INT(sscanf(invite.body.at, "v=0\r\no=- %llu %llu IN IP4 10.0.0.1", &id, &version), 2);
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	for (unsigned int i = 0; i < 3; i++) {
		renegotiate(lab, 2 + i, i ? held : first, lab_sdp, &offered, &answered);
		CHECK(has(&offered, i ? MEDIAS("a=inactive\r\n") : MEDIAS("")));
		CHECK_INT(sscanf(offered.body.at, "v=0\r\no=- %*u %llu IN IP4 10.0.0.1", &next), 1);
		CHECK_INT(next, version + (i > 0)); /* the same once more is no change */
	}
	CHECK_INT(lab->media_opens, 0);
	check_over(lab);
}

#define DTLS "a=fingerprint:sha-256 00:11\r\na=setup:actpass\r\na=tls-id:1\r\n"

/* Media hears of each side what it says; ICE stays behind, and what DTLS needs crosses. */
static void encrypted(void)
{
	static const char sdes[] =
	    HEAD("10.1.0.5") "m=audio 4000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\r\n";
	static const char dtls[] =
	    HEAD("10.1.0.5") "a=ice-lite\r\nm=audio 4000 UDP/TLS/RTP/SAVPF 8\r\na=ice-ufrag:x\r\n"
			     "a=ice-pwd:y\r\na=candidate:1 1 UDP 1 10.1.0.5 4000 typ host\r\n" DTLS;
	static const char best_effort[] = HEAD("10.1.0.5") "m=audio 4000 RTP/AVP 8\r\n" DTLS;
	static struct sip_message offered, answered;
	struct lab *lab = lab_new();

	CHECK(lab_call(lab, 1, &answer, &invite));
	CHECK(!lab->encrypted[CALLER] && !lab->encrypted[CALLEE]);
	renegotiate(lab, 2, sdes, sdes, &offered, &answered);
	CHECK(has_media(&offered, "audio", lab->callee_port, "RTP/SAVP 8") && has(&offered, "inline:AAAA\r\n"));
	CHECK(lab->encrypted[CALLER] && lab->encrypted[CALLEE]);
	lab_restart(lab);
	lab->encrypted[CALLER] = lab->encrypted[CALLEE] = false;
	media_asks(lab);
	CHECK(lab->encrypted[CALLER] && lab->encrypted[CALLEE]);
	renegotiate(lab, 3, best_effort, lab_sdp, &offered, &answered);
	CHECK(lab->encrypted[CALLER] && !lab->encrypted[CALLEE]);
	renegotiate(lab, 4, dtls, dtls, &offered, &answered);
	CHECK(has_media(&offered, "audio", lab->callee_port, "UDP/TLS/RTP/SAVPF 8"));
	CHECK(has(&offered, DTLS) && has(&answered, DTLS));
	CHECK(!has(&offered, "a=ice-") && !has(&offered, "a=candidate") && !has(&answered, "a=ice-"));
	CHECK(lab->encrypted[CALLER] && lab->encrypted[CALLEE]);
	renegotiate(lab, 5, lab_sdp, lab_sdp, &offered, &answered);
	CHECK(!lab->encrypted[CALLER] && !lab->encrypted[CALLEE]);
	check_over(lab);
}

static const struct check_case cases[] = {
    {"an audio call becomes a fax and an audio call again", fax},
    {"held by address", held_by_address},
    {"a fax that is refused", fax_refused},
    {"a fax from the start", fax_from_the_start},
    {"a fax that is refreshed", fax_refreshed},
    {"audio and a fax at once", audio_and_fax},
    {"direct media", direct},
    {"encrypted audio, by SDES and by DTLS", encrypted},
};
CHECK_MAIN(cases)
