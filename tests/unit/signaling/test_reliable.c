/* SPDX-License-Identifier: Apache-2.0 */
/* Reliable provisional responses (RFC 3262) through a whole engine. */
#include <stdlib.h>

#include "lab.h"
#include "common/layout/call_record.h"
#include "tests/unit/check.h"

#define BOTH    "Supported: 100rel\r\n"
#define CALLEE1 "Require: 100rel\r\nRSeq: 7001\r\n"
#define CALLEE2 "Require: 100rel\r\nRSeq: 7002\r\n"

/* Not where, and not how, it was before. */
static const char moved[] = "v=0\r\no=peer 1 2 IN IP4 10.1.0.6\r\ns=-\r\nc=IN IP4 10.1.0.6\r\nt=0 0\r\n"
			    "m=audio 5000 RTP/AVP 9\r\na=rtpmap:9 G722/8000\r\n";

static void hang_up(struct lab *lab, struct sip_message *answer, unsigned int cseq)
{
	lab_caller_request(lab, answer, "BYE", cseq, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	lab_reply(lab, lab_take(lab, VENDOR(0), "BYE "), VENDOR(0), 200, "", NULL, "");
}

/* The customer's INVITE, and what the vendor gets of it. */
static struct sip_message *invite(struct lab *lab, const char *sdp, const char *extra)
{
	static struct sip_message got;

	lab_invite(lab, 1, "4930123", sdp, extra);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	got = *lab_take(lab, VENDOR(0), "INVITE ");
	return &got;
}

/* Both do it: one PRACK crosses, and both ends are told once. */
static void both(void)
{
	struct lab *lab = lab_new();
	static struct sip_message progress, answer;
	struct sip_message *in = invite(lab, lab_sdp, BOTH), *prack;

	CHECK(has(in, "Supported: 100rel"));
	lab_reply(lab, in, VENDOR(0), 183, "v", lab_sdp, CALLEE1);
	progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	CHECK(has(&progress, "Require: 100rel\r\n") && has(&progress, "RSeq: ") && has(&progress, "Contact: "));
	CHECK(!has(&progress, "RSeq: 7001"));
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_reply(lab, in, VENDOR(0), 183, "v", lab_sdp, CALLEE1); /* again: absorbed */
	CHECK_INT(lab_waiting(lab, CUSTOMER), 0);
	lab_prack(lab, &progress, 2, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "PRACK"));
	prack = lab_take(lab, VENDOR(0), "PRACK ");
	CHECK(has(prack, "RAck: 7001 ") && has(prack, ";tag=v"));
	lab_reply(lab, prack, VENDOR(0), 200, "", NULL, "");
	lab_reply(lab, in, VENDOR(0), 180, "v", NULL, CALLEE2);
	progress = *lab_take(lab, CUSTOMER, "SIP/2.0 180");
	lab_prack(lab, &progress, 3, NULL);
	lab_skip(lab, CUSTOMER);
	prack = lab_take(lab, VENDOR(0), "PRACK ");
	CHECK(has(prack, "RAck: 7002 "));
	lab_reply(lab, prack, VENDOR(0), 200, "", NULL, "");
	lab_reply(lab, in, VENDOR(0), 200, "v", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	hang_up(lab, &answer, 4);
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);
}

/* Only the vendor does: we acknowledge, and the customer sees nothing of it. */
static void callee_alone(void)
{
	struct lab *lab = lab_new();
	struct sip_message *in = invite(lab, lab_sdp, ""), *prack, *progress;

	CHECK(has(in, "Supported: 100rel"));
	lab_reply(lab, in, VENDOR(0), 183, "v", lab_sdp, CALLEE1);
	progress = lab_take(lab, CUSTOMER, "SIP/2.0 183");
	CHECK(!has(progress, "RSeq") && !has(progress, "Require"));
	prack = lab_take(lab, VENDOR(0), "PRACK sip:vendor@10.2.0.1");
	CHECK(has(prack, "RAck: 7001 "));
	lab_sleep(lab, 600); /* lost: it comes again */
	prack = lab_take(lab, VENDOR(0), "PRACK ");
	lab_reply(lab, prack, VENDOR(0), 200, "", NULL, "");
	lab_reply(lab, in, VENDOR(0), 180, "v", NULL, "Require: 100rel\r\nRSeq: 7003\r\n"); /* 7002 is missing */
	CHECK_INT(lab_waiting(lab, NULL), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_provisionals_out_of_order), 1);
	lab_reply(lab, in, VENDOR(0), 486, "v", NULL, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 486"));
	lab_over(lab, END_BUSY, END_BY_CALLEE, 486);
	lab_free(lab);
}

/* Only the customer does: a description arrives reliably, and ends here. */
static void caller_alone(void)
{
	struct lab *lab = lab_new();
	static struct sip_message progress, answer;
	struct sip_message *in = invite(lab, lab_sdp, BOTH);

	lab_reply(lab, in, VENDOR(0), 180, "v", NULL, "");
	CHECK(!has(lab_take(lab, CUSTOMER, "SIP/2.0 180"), "RSeq"));
	lab_reply(lab, in, VENDOR(0), 183, "v", lab_sdp, "");
	progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	CHECK(has(&progress, "RSeq: "));
	lab_sleep(lab, 600);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 183"), "RSeq: "));
	lab_reply(lab, in, VENDOR(0), 200, "v", lab_sdp, ""); /* section 3: the 200 waits */
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK_INT(lab_waiting(lab, CUSTOMER), 0);
	lab_caller_request(lab, &progress, "ACK", 1, NULL); /* of a 200 that has not been sent: means nothing */
	lab_prack(lab, &progress, 2, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "PRACK"));
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	CHECK(has(&answer, "CSeq: 1 INVITE") && has(&answer, "m=audio"));
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	hang_up(lab, &answer, 3);
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);
}

/* Nobody asked for it. */
static void neither(void)
{
	struct lab *lab = lab_new();
	struct sip_message *in = invite(lab, lab_sdp, "");

	lab_reply(lab, in, VENDOR(0), 183, "v", lab_sdp, "");
	struct sip_message *progress = lab_take(lab, CUSTOMER, "SIP/2.0 183");

	CHECK(!has(progress, "RSeq"));
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_reply(lab, in, VENDOR(0), 404, "v", NULL, "");
	lab_skip(lab, NULL);
	lab_free(lab);
}

/* Required: every one is reliable, and the next waits for the PRACK of the one before; the latest counts. */
static void required(void)
{
	struct lab *lab = lab_new();
	static struct sip_message first, second;
	struct sip_message *in = invite(lab, lab_sdp, "Require: 100rel\r\n");

	lab_reply(lab, in, VENDOR(0), 180, "v", NULL, "");
	first = *lab_take(lab, CUSTOMER, "SIP/2.0 180");
	CHECK(has(&first, "RSeq: "));
	lab_reply(lab, in, VENDOR(0), 181, "v", NULL, "");
	lab_reply(lab, in, VENDOR(0), 183, "v", lab_sdp, "");
	CHECK_INT(lab_waiting(lab, CUSTOMER), 0);
	lab_prack(lab, &first, 2, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "PRACK"));
	second = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	CHECK(has(&second, "m=audio"));
	lab_prack(lab, &first, 3, NULL); /* of the first once more, by a new request */
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 481"));
	CHECK_INT(lab_count(lab, COUNTER_signaling_pracks_stray), 1);
	lab_prack(lab, &second, 4, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	lab_reply(lab, in, VENDOR(0), 200, "v", lab_sdp, "");
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "CSeq: 1 INVITE"));
	lab_free(lab);
}

/* The offer is in the vendor's 18x, the answer in the customer's PRACK. */
static void offer_in_provisional(void)
{
	struct lab *lab = lab_new();
	static struct sip_message progress, answer;
	struct sip_message *in = invite(lab, NULL, BOTH), *prack;

	CHECK(has(in, "Supported: 100rel"));
	lab_reply(lab, in, VENDOR(0), 183, "v", lab_sdp, CALLEE1);
	progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	CHECK(has(&progress, "m=audio"));
	lab_prack(lab, &progress, 2, lab_sdp);
	prack = lab_take(lab, VENDOR(0), "PRACK ");
	CHECK(has(prack, "m=audio") && !has(prack, "10.1.0.5"));
	CHECK_INT(lab_waiting(lab, CUSTOMER), 0); /* the vendor's word is waited for */
	lab_reply(lab, prack, VENDOR(0), 200, "", NULL, "");
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "PRACK"));
	lab_reply(lab, in, VENDOR(0), 200, "v", NULL, "");
	CHECK(!has(lab_take(lab, VENDOR(0), "ACK "), "m=audio")); /* at once: there is nothing to wait for */
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	hang_up(lab, &answer, 3);
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);

	lab = lab_new();
	in = invite(lab, NULL, ""); /* nobody could answer such an offer */
	CHECK(!has(in, "100rel"));
	lab_free(lab);
}

/* The PRACK that would bring the answer does not fit: the next one may, or the ACK. */
static void answer_too_long(void)
{
	static struct sip_message in, progress, answer;
	static char route[1200], sdp[65100];

	snprintf(route, sizeof(route), CALLEE1 "Record-Route: <sip:10.2.0.1;lr;x=%01000d>\r\n", 0);
	snprintf(sdp, sizeof(sdp), "%sa=x:%064600d\r\n", lab_sdp, 0);
	for (int again = 0; again < 2; again++) {
		struct lab *lab = lab_new();

		in = *invite(lab, NULL, BOTH);
		lab_reply(lab, &in, VENDOR(0), 183, "v", lab_sdp, route);
		progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
		lab_reply(lab, &in, VENDOR(0), 183, "w", lab_sdp, CALLEE1); /* another phone, not wanted */
		CHECK(lab_take(lab, VENDOR(0), "BYE "));
		lab_prack(lab, &progress, 2, sdp);
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 500"));
		if (again) {
			lab_reply(lab, &in, VENDOR(0), 183, "v", lab_sdp, route);
			progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
			lab_prack(lab, &progress, 3, lab_sdp);
			CHECK(has(lab_take(lab, VENDOR(0), "PRACK "), "m=audio"));
		}
		lab_reply(lab, &in, VENDOR(0), 200, "v", NULL, "");
		CHECK(!again || !has(lab_take(lab, VENDOR(0), "ACK "), "m=audio"));
		CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
		answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
		lab_caller_request(lab, &answer, "ACK", 1, again ? NULL : lab_sdp);
		CHECK(again || has(lab_take(lab, VENDOR(0), "ACK "), "m=audio"));
		hang_up(lab, &answer, 4);
		lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
		lab_free(lab);
	}
}

/* A second offer in the PRACK, and its answer in the 2xx to that. */
static void offer_in_prack(void)
{
	struct lab *lab = lab_new();
	static struct sip_message progress;
	struct sip_message *in = invite(lab, lab_sdp, BOTH), *prack, *ok;

	lab_reply(lab, in, VENDOR(0), 183, "v", lab_sdp, CALLEE1);
	progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	lab_prack(lab, &progress, 2, lab_sdp);
	prack = lab_take(lab, VENDOR(0), "PRACK ");
	lab_reply(lab, prack, VENDOR(0), 200, "", lab_sdp, "");
	ok = lab_take(lab, CUSTOMER, "SIP/2.0 200");
	CHECK(has(ok, "PRACK") && has(ok, "m=audio"));
	lab_free(lab);

	/* It stands until it is answered; one that is refused is taken back. */
	lab = lab_new();
	in = invite(lab, lab_sdp, BOTH);
	const struct call_record *record = call_table_record(lab->calls, 0);

	lab_reply(lab, in, VENDOR(0), 183, "v", lab_sdp, CALLEE1);
	progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	lab_prack(lab, &progress, 2, moved);
	prack = lab_take(lab, VENDOR(0), "PRACK ");
	CHECK_INT(record->media[CALLER].remote.port, 5000);
	lab_caller_request(lab, &progress, "INFO", 3, NULL);
	lab_reply(lab, lab_take(lab, VENDOR(0), "INFO "), VENDOR(0), 415, "", NULL, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 415"));
	CHECK_INT(record->media[CALLER].remote.port, 5000);
	lab_callee_request(lab, in, VENDOR(0), "v", "UPDATE", 1, lab_sdp);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 491"));
	lab_reply(lab, prack, VENDOR(0), 488, "", NULL, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 488"));
	CHECK_INT(record->media[CALLER].remote.port, 4000);
	lab_callee_request(lab, in, VENDOR(0), "v", "UPDATE", 3, lab_sdp);
	CHECK(lab_take(lab, CUSTOMER, "UPDATE "));
	lab_free(lab);
}

/* ---- several phones behind the gateway, and an INVITE without an offer ---- */

#define SDP_OF(ip) "v=0\r\no=- 1 1 IN IP4 " ip "\r\ns=-\r\nc=IN IP4 " ip "\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
#define FORK(rseq) "Require: 100rel\r\nRSeq: " #rseq "\r\n"

static bool audio_is(const struct lab *lab, const char *where)
{
	struct net_addr addr;

	net_addr_parse(&addr, where, strlen(where));
	return net_addr_equal(&call_table_record(lab->calls, 0)->media[CALLEE].remote, &addr);
}

/* The first has made its offer, and the customer has it; the second one's is not wanted. */
static struct lab *two_offers(struct sip_message *in, struct sip_message *progress)
{
	struct lab *lab = lab_new();
	struct sip_message *bye;

	*in = *invite(lab, NULL, BOTH);
	lab_reply(lab, in, VENDOR(0), 183, "one", SDP_OF("10.2.0.11"), FORK(100));
	*progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	CHECK(has(progress, "m=audio"));
	lab_reply(lab, in, VENDOR(0), 183, "two", SDP_OF("10.2.0.22"), FORK(900));
	bye = lab_take(lab, VENDOR(0), "BYE sip:vendor@10.2.0.1");
	CHECK(has(bye, ";tag=two\r\n"));
	lab_reply(lab, bye, VENDOR(0), 200, "", NULL, "");
	lab_reply(lab, in, VENDOR(0), 183, "two", SDP_OF("10.2.0.22"), FORK(900)); /* they crossed */
	lab_reply(lab, in, VENDOR(0), 183, "three", SDP_OF("10.2.0.33"), "");      /* not reliable: no offer at all */
	CHECK(audio_is(lab, "10.2.0.11:4000"));
	CHECK_INT(lab_waiting(lab, NULL), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_forks_ended), 1);
	return lab;
}

static void one_offer_alone(void)
{
	static struct sip_message in, progress, answer;
	struct lab *lab = two_offers(&in, &progress);
	struct sip_message *prack;

	lab_prack(lab, &progress, 2, lab_sdp);
	prack = lab_take(lab, VENDOR(0), "PRACK ");
	CHECK(has(prack, ";tag=one\r\n") && has(prack, "RAck: 100 ") && has(prack, "m=audio"));
	CHECK(!has(lab_take(lab, CUSTOMER, "SIP/2.0 183"), "m=audio")); /* the third one's, which waited */
	lab_reply(lab, prack, VENDOR(0), 200, "", NULL, "");
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "PRACK"));
	lab_reply(lab, &in, VENDOR(0), 200, "one", NULL, "");
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), ";tag=one\r\n"));
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	CHECK(audio_is(lab, "10.2.0.11:4000"));
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	hang_up(lab, &answer, 4);
	lab_skip(lab, CUSTOMER);
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);
}

/* One whose offer nobody can answer any more picks up all the same. */
static void another_answers(void)
{
	static struct sip_message in, progress;
	struct lab *lab = two_offers(&in, &progress);
	struct sip_message *bye;

	lab_reply(lab, &in, VENDOR(0), 200, "three", SDP_OF("10.2.0.33"), "");
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), ";tag=three\r\n"));
	bye = lab_take(lab, VENDOR(0), "BYE ");
	CHECK(has(bye, ";tag=three\r\n"));
	lab_reply(lab, bye, VENDOR(0), 200, "", NULL, "");
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 502"));
	lab_over(lab, END_SERVER_FAILURE, END_BY_CALLEE, 502);
	lab_free(lab);
}

/* While the customer owes a PRACK for something else, an offer waits: it comes again. */
static void offer_waits(void)
{
	struct lab *lab = lab_new();
	static struct sip_message in, ringing, progress;
	struct sip_message *prack;

	in = *invite(lab, NULL, BOTH);
	lab_reply(lab, &in, VENDOR(0), 180, "one", NULL, FORK(100));
	ringing = *lab_take(lab, CUSTOMER, "SIP/2.0 180");
	lab_reply(lab, &in, VENDOR(0), 183, "two", SDP_OF("10.2.0.22"), FORK(900));
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_prack(lab, &ringing, 2, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "PRACK"));
	lab_reply(lab, lab_take(lab, VENDOR(0), "PRACK "), VENDOR(0), 200, "", NULL, "");
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_reply(lab, &in, VENDOR(0), 183, "two", SDP_OF("10.2.0.22"), FORK(900));
	progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	CHECK(has(&progress, "m=audio"));
	lab_prack(lab, &progress, 3, lab_sdp);
	prack = lab_take(lab, VENDOR(0), "PRACK ");
	CHECK(has(prack, ";tag=two\r\n") && has(prack, "RAck: 900 ") && has(prack, "m=audio"));
	lab_reply(lab, prack, VENDOR(0), 200, "", NULL, "");
	lab_skip(lab, NULL);
	lab_reply(lab, &in, VENDOR(0), 183, "one", SDP_OF("10.2.0.11"), FORK(101));
	CHECK(has(lab_take(lab, VENDOR(0), "BYE "), ";tag=one\r\n"));
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_free(lab);
}

/* RFC 3261 section 13.2.1: an offer comes reliably. What else looks like one is not shown. */
static void preview(void)
{
	struct lab *lab = lab_new();
	static struct sip_message in, answer;
	struct sip_message *progress;

	in = *invite(lab, NULL, BOTH);
	lab_reply(lab, &in, VENDOR(0), 183, "v", lab_sdp, "");
	progress = lab_take(lab, CUSTOMER, "SIP/2.0 183");
	CHECK(!has(progress, "m=audio") && !has(progress, "RSeq"));
	lab_reply(lab, &in, VENDOR(0), 200, "v", lab_sdp, "");
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	CHECK(has(&answer, "m=audio"));
	lab_caller_request(lab, &answer, "ACK", 1, lab_sdp);
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), "m=audio"));
	hang_up(lab, &answer, 2);
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);
}

/* It never comes: 504 to the caller, and the callee is taken back. */
static void prack_never_comes(void)
{
	struct lab *lab = lab_new();
	struct sip_message *in = invite(lab, lab_sdp, BOTH);

	lab_reply(lab, in, VENDOR(0), 183, "v", lab_sdp, "");
	lab_sleep(lab, 33000);
	for (unsigned int i = 0; i < 11; i++)
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 183"));
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 504"));
	struct sip_message *cancel = lab_take(lab, VENDOR(0), "CANCEL ");

	lab_reply(lab, cancel, VENDOR(0), 200, "v", NULL, "");
	lab_reply(lab, in, VENDOR(0), 487, "v", NULL, "");
	CHECK_INT(lab_count(lab, COUNTER_signaling_provisionals_unacknowledged), 1);
	lab_over(lab, END_ACK_TIMEOUT, END_BY_SERVER, 504);
	lab_free(lab);
}

/* While the 200 waits for it, the caller may still give up: by CANCEL, by BYE, or by silence. */
static void answered_but_not_told(void)
{
	static const char *const how[] = {"CANCEL", "BYE", "nothing", "callee's BYE"};
	static const unsigned int codes[] = {487, 480, 504, 480};

	for (unsigned int i = 0; i < 4; i++) {
		struct lab *lab = lab_new();
		static struct sip_message progress;
		const struct lab_cdr *cdr;
		const struct party *party;
		uint32_t acme;
		struct sip_message *in = invite(lab, lab_sdp, BOTH);

		lab_reply(lab, in, VENDOR(0), 183, "v", lab_sdp, "");
		progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
		lab_reply(lab, in, VENDOR(0), 200, "v", lab_sdp, "");
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
		lab_sleep(lab, 100);
		if (i == 0)
			lab_cancel(lab, 1, "4930123");
		else if (i == 1)
			lab_caller_request(lab, &progress, "BYE", 2, NULL);
		else if (i == 2)
			lab_sleep(lab, 32100);
		else
			lab_callee_request(lab, in, VENDOR(0), "v", "BYE", 1, NULL);
		if (i == 2)
			for (unsigned int n = 0; n < 10; n++)
				lab_take(lab, CUSTOMER, "SIP/2.0 183");
		if (i < 2)
			CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200")); /* to that request */
		lab_ack_failure(lab, CUSTOMER,
				lab_take(lab, CUSTOMER,
					 i == 0   ? "SIP/2.0 487"
					 : i == 2 ? "SIP/2.0 504"
						  : "SIP/2.0 480"));
		if (i < 3)
			lab_reply(lab, lab_take(lab, VENDOR(0), "BYE "), VENDOR(0), 200, "", NULL, "");
		else
			CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 200"));
		CHECK_INT(lab_waiting(lab, NULL), 0);
		if (lab_waiting(lab, NULL))
			printf("%s\n", how[i]);
		lab_sleep(lab, 70000);
		CHECK_INT(lab_standing(lab), 0);
		cdr = lab_final(lab);
		CHECK(cdr && cdr->code == codes[i] && !cdr->answer_us && !cdr->duration_us);
		CHECK_INT(gateway_find(lab->engine, GATEWAY_CALLER, false, "acme", 4, &acme), 0);
		party = party_get(lab->state.parties, acme);
		CHECK_INT(party_carried(party, 0), 0);
		lab_free(lab);
	}
}

/* The 200 without a PRACK before it, where the provisional had no description; the PRACK comes after it. */
static void answer_overtakes(void)
{
	struct lab *lab = lab_new();
	static struct sip_message ringing, answer;
	struct sip_message *in = invite(lab, lab_sdp, "Require: 100rel\r\n");

	lab_reply(lab, in, VENDOR(0), 180, "v", NULL, "");
	ringing = *lab_take(lab, CUSTOMER, "SIP/2.0 180");
	lab_reply(lab, in, VENDOR(0), 200, "v", lab_sdp, "");
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_prack(lab, &ringing, 2, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "PRACK"));
	lab_sleep(lab, 600); /* the 200 is still sent again */
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "INVITE"));
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	lab_skip(lab, VENDOR(0));
	hang_up(lab, &answer, 3);
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);
}

/* The next gateway begins its numbers anew; what the caller owes of the one before is not told to it. */
static void after_a_switch(void)
{
	struct lab *lab = lab_new();
	static struct sip_message first, second;

	lab->config.parameters.stop_switch_after_sdp = false;
	lab_reload(lab);
	struct sip_message *in = invite(lab, lab_sdp, BOTH);

	lab_reply(lab, in, VENDOR(0), 183, "v", lab_sdp, CALLEE1);
	first = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	lab_reply(lab, in, VENDOR(0), 503, "v", NULL, "");
	lab_skip(lab, VENDOR(0));
	struct sip_message *next = lab_take(lab, VENDOR(1), "INVITE ");

	lab_reply(lab, next, VENDOR(1), 183, "w", lab_sdp, CALLEE1);
	struct sip_message *prack = lab_take(lab, VENDOR(1), "PRACK "); /* ours: the caller owes one already */

	CHECK(has(prack, "RAck: 7001 "));
	lab_reply(lab, prack, VENDOR(1), 200, "", NULL, "");
	lab_prack(lab, &first, 2, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "PRACK"));
	second = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	lab_prack(lab, &second, 3, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_restart(lab); /* nothing of it outlives the process: the call ends */
	lab_skip(lab, NULL);
	lab_over(lab, END_NODE_RESTART, END_BY_SERVER, 503);
	lab_free(lab);
}

/* ---- other requests before the answer ---- */

static struct sip_message early_invite, early_progress;

/* Both legs have their answer, acknowledged, and it rings on. */
static struct lab *early_in(struct lab *lab)
{
	early_invite = *invite(lab, lab_sdp, BOTH);
	lab_reply(lab, &early_invite, VENDOR(0), 183, "v", lab_sdp, CALLEE1);
	early_progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	lab_prack(lab, &early_progress, 2, NULL);
	lab_reply(lab, lab_take(lab, VENDOR(0), "PRACK "), VENDOR(0), 200, "", NULL, "");
	lab_skip(lab, NULL);
	return lab;
}

static struct lab *early(void)
{
	return early_in(lab_new());
}

/* Where the caller is now, by its UPDATE, is not forgotten with the attempt that it came in. */
static void caller_moves_before_a_switch(void)
{
	struct lab *lab = lab_new();
	static struct sip_message in, ringing, answer;

	in = *invite(lab, lab_sdp, "");
	lab_reply(lab, &in, VENDOR(0), 180, "v", NULL, "");
	ringing = *lab_take(lab, CUSTOMER, "SIP/2.0 180");
	lab_caller_request(lab, &ringing, "UPDATE", 2, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "UPDATE"));
	lab_reply(lab, &in, VENDOR(0), 503, "v", NULL, "");
	lab_skip(lab, VENDOR(0));
	in = *lab_take(lab, VENDOR(1), "INVITE ");
	lab_reply(lab, &in, VENDOR(1), 200, "w", lab_sdp, "");
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	lab_callee_request(lab, &in, VENDOR(1), "w", "BYE", 1, NULL);
	CHECK(lab_take(lab, CUSTOMER, "BYE sip:x@10.1.0.5:5060 SIP/2.0"));
	lab_free(lab);
}

static void early_update(void)
{
	struct lab *lab = early();
	static struct sip_message update;

	lab_caller_request(lab, &early_progress, "UPDATE", 3, lab_sdp);
	update = *lab_take(lab, VENDOR(0), "UPDATE sip:vendor@10.2.0.1");
	CHECK(has(&update, ";tag=v") && has(&update, "m=audio") && !has(&update, "10.1.0.5"));
	lab_caller_request(lab, &early_progress, "UPDATE", 4, lab_sdp); /* the first awaits its answer */
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 500"), "Retry-After: "));
	lab_callee_request(lab, &early_invite, VENDOR(0), "v", "UPDATE", 1, lab_sdp);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 491"));
	lab_reply(lab, &update, VENDOR(0), 200, "", lab_sdp, "");
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "m=audio"));
	lab_callee_request(lab, &early_invite, VENDOR(0), "v", "UPDATE", 2, lab_sdp);
	update = *lab_take(lab, CUSTOMER, "UPDATE ");
	CHECK(has(&update, "m=audio") && !has(&update, "10.2.0.1"));
	lab_reply(lab, &update, CUSTOMER, 488, "", NULL, "");
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 488"));
	lab_caller_request(lab, &early_progress, "UPDATE", 5, NULL); /* no offer: answered here */
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "UPDATE"));
	lab_caller_request(lab, &early_progress, "UPDATE", 6, lab_sdp); /* never answered: nobody hears of it */
	CHECK(lab_take(lab, VENDOR(0), "UPDATE "));
	lab_sleep(lab, 33000);
	lab_skip(lab, VENDOR(0));
	CHECK_INT(lab_waiting(lab, CUSTOMER), 0);
	lab_reply(lab, &early_invite, VENDOR(0), 200, "v", NULL, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	lab_free(lab);
}

#define MOVED(port)                                                                                                    \
	"v=0\r\no=peer 1 2 IN IP4 10.1.0.6\r\ns=-\r\nc=IN IP4 10.1.0.6\r\nt=0 0\r\nm=audio " port                      \
	" RTP/AVP 9\r\na=rtpmap:9 G722/8000\r\n"

/*
 * The next vendor is asked with what the customer said last and had agreed to: by UPDATE, in the answer to one, or in
 * a PRACK.
 */
static void early_then_next(void)
{
	static struct sip_message m;

	for (unsigned int way = 0; way < 4; way++) {
		struct lab *lab = lab_new();
		const struct call_record *record = call_table_record(lab->calls, 0);

		lab->config.parameters.stop_switch_after_sdp = false;
		lab_reload(lab);
		if (way < 3)
			early_in(lab);
		if (way < 2) { /* accepted, and not */
			lab_caller_request(lab, &early_progress, "UPDATE", 3, MOVED("5000"));
			m = *lab_take(lab, VENDOR(0), "UPDATE ");
			lab_reply(lab, &m, VENDOR(0), way ? 488 : 200, "", way ? NULL : lab_sdp, "");
		} else if (way == 2) {
			lab_callee_request(lab, &early_invite, VENDOR(0), "v", "UPDATE", 1, lab_sdp);
			m = *lab_take(lab, CUSTOMER, "UPDATE ");
			lab_reply(lab, &m, CUSTOMER, 200, "", MOVED("5000"), "");
		} else {
			early_invite = *invite(lab, NULL, BOTH);
			lab_reply(lab, &early_invite, VENDOR(0), 183, "v", lab_sdp, CALLEE1);
			m = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
			lab_prack(lab, &m, 2, MOVED("5000"));
			lab_reply(lab, lab_take(lab, VENDOR(0), "PRACK "), VENDOR(0), 200, "", NULL, "");
		}
		lab_skip(lab, NULL);
		lab_reply(lab, &early_invite, VENDOR(0), 503, "v", NULL, "");
		m = *lab_take(lab, VENDOR(1), "INVITE ");
		CHECK(has(&m, way == 1 ? " RTP/AVP 8 101\r\n" : " RTP/AVP 9\r\na=rtpmap:9 G722/8000\r\n"));
		CHECK(has(&m, "From: \"Ann\" <sip:4911@") && !has(&m, "10.1.0."));
		CHECK_INT(record->media[CALLER].remote.port, way == 1 ? 4000 : 5000);
		CHECK(!record->bodyless);
		lab_cancel(lab, 1, "4930123");
		CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "CANCEL"));
		lab_sleep(lab, 70000);
		CHECK_INT(lab_standing(lab), 0);
		lab_free(lab);
	}
}

static void early_info(void)
{
	struct lab *lab = early();
	static struct sip_message info;

	lab_caller_request(lab, &early_progress, "INFO", 3, lab_sdp);
	info = *lab_take(lab, VENDOR(0), "INFO ");
	lab_reply(lab, &info, VENDOR(0), 200, "", NULL, "");
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "INFO"));
	lab_callee_request(lab, &early_invite, VENDOR(0), "v", "INFO", 1, NULL);
	lab_reply(lab, lab_take(lab, CUSTOMER, "INFO "), CUSTOMER, 415, "", NULL, "");
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 415"));
	lab_caller_request(lab, &early_progress, "OPTIONS", 4, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "Allow: "));
	lab_caller_request(lab, &early_progress, "INVITE", 5, lab_sdp);
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 500"));
	lab_callee_request(lab, &early_invite, VENDOR(0), "v", "INVITE", 2, lab_sdp);
	lab_ack_failure(lab, VENDOR(0), lab_take(lab, VENDOR(0), "SIP/2.0 491"));
	lab_cancel(lab, 1, "4930123");
	lab_skip(lab, NULL);
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	lab_free(lab);

	/* Where no early dialog is known on the other side, or the first offer stands, they come too soon. */
	lab = lab_new();
	struct sip_message *in = invite(lab, lab_sdp, "");

	lab_reply(lab, in, VENDOR(0), 180, "v", NULL, "");
	struct sip_message *ringing = lab_take(lab, CUSTOMER, "SIP/2.0 180");

	lab_caller_request(lab, ringing, "INFO", 2, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 500"));
	lab_caller_request(lab, ringing, "UPDATE", 3, lab_sdp);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 500"));
	lab_callee_request(lab, in, VENDOR(0), "v", "UPDATE", 1, lab_sdp);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 491"));
	lab_free(lab);
}

/* What a refused offer said of media is taken back, and so is that of one that nobody answers. */
static void early_offer_refused(void)
{
	struct lab *lab = early();
	const struct call_record *record = call_table_record(lab->calls, 0);
	static struct sip_message update;
	uint32_t generation = record->media[CALLER].generation;

	lab_caller_request(lab, &early_progress, "UPDATE", 3, moved);
	update = *lab_take(lab, VENDOR(0), "UPDATE ");
	CHECK_INT(record->media[CALLER].remote.port, 5000);
	lab_reply(lab, &update, VENDOR(0), 488, "", NULL, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 488"));
	CHECK_INT(record->media[CALLER].remote.port, 4000);
	CHECK_INT(record->media[CALLER].generation, generation);
	CHECK_TEXT(record->codec, strlen(record->codec), "PCMA/8000");
	lab_callee_request(lab, &early_invite, VENDOR(0), "v", "UPDATE", 1, moved);
	CHECK(lab_take(lab, CUSTOMER, "UPDATE "));
	CHECK_INT(record->media[CALLEE].remote.port, 5000);
	lab_sleep(lab, 33000);
	CHECK_INT(record->media[CALLEE].remote.port, 4000);
	lab_free(lab);
}

/* ---- a vendor that asks who we are, whatever we ask it ---- */

#define CHALLENGE_OF(header, rest) header ": Digest realm=\"v\", nonce=\"n\", qop=\"auth\"" rest "\r\n"
#define CHALLENGE                  CHALLENGE_OF("Proxy-Authenticate", "")

/* The request once more, with credentials. */
static struct sip_message *again(struct lab *lab, const char *method, struct sip_message *before, unsigned int code)
{
	static struct sip_message m;
	char uri[64];
	int len = snprintf(uri, sizeof(uri), "%s sip:vendor@10.2.0.1:5060 SIP/2.0\r\n", method);

	lab_reply(lab, before, VENDOR(0), code, "", NULL,
		  code == 407 ? CHALLENGE : CHALLENGE_OF("WWW-Authenticate", ", stale=true"));
	struct sip_message *taken = lab_waiting(lab, VENDOR(0)) ? lab_take(lab, VENDOR(0), method) : NULL;

	if (!taken)
		return NULL;
	CHECK(memcmp(taken->data, uri, (size_t)len) == 0);
	CHECK(has(taken, code == 407 ? "\r\nProxy-Authorization: Digest username=\"tandem\""
				     : "\r\nAuthorization: Digest username=\"tandem\""));
	CHECK(has(taken, "uri=\"sip:vendor@10.2.0.1:5060\"") && has(taken, ";tag=v\r\n"));
	CHECK(!sip_text_equal(sip_message_via(taken)->branch, sip_message_via(before)->branch));
	CHECK_INT(sip_message_cseq(taken)->number, sip_message_cseq(before)->number + 1);
	CHECK(sip_text_equal(taken->body, before->body));
	m = *taken;
	return &m;
}

static struct lab *asking(const char *extra)
{
	struct lab *lab = lab_new();

	lab_give_credentials(lab);
	early_invite = *invite(lab, lab_sdp, extra);
	lab_reply(lab, &early_invite, VENDOR(0), 183, "v", lab_sdp, CALLEE1);
	early_progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	return lab;
}

static void challenged_prack(void)
{
	struct lab *lab = asking("");
	static struct sip_message prack;
	struct sip_message *m;

	prack = *lab_take(lab, VENDOR(0), "PRACK "); /* ours alone */
	m = again(lab, "PRACK", &prack, 407);
	CHECK(has(m, "\r\nRAck: 7001 "));
	lab_reply(lab, m, VENDOR(0), 200, "", NULL, "");
	lab_reply(lab, &early_invite, VENDOR(0), 486, "v", NULL, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 486"));
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_over(lab, END_BUSY, END_BY_CALLEE, 486);
	lab_free(lab);

	lab = asking(BOTH); /* the customer's, with an offer */
	lab_prack(lab, &early_progress, 2, lab_sdp);
	prack = *lab_take(lab, VENDOR(0), "PRACK ");
	m = again(lab, "PRACK", &prack, 401);
	CHECK(has(m, "m=audio") && has(m, "\r\nRAck: 7001 ") && has(m, "\r\nContent-Type: application/sdp\r\n"));
	CHECK_INT(lab_waiting(lab, CUSTOMER), 0);
	lab_reply(lab, m, VENDOR(0), 200, "", lab_sdp, "");
	m = lab_take(lab, CUSTOMER, "SIP/2.0 200");
	CHECK(has(m, "PRACK") && has(m, "m=audio"));
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_free(lab);
}

/* The vendor's response says that the dialog is with somebody else: he gets no credentials of ours. */
static void challenged_elsewhere(void)
{
	struct lab *lab = lab_new();
	static struct sip_message in;

	lab_give_credentials(lab);
	in = *invite(lab, lab_sdp, "");
	lab_reply(lab, &in, "10.9.9.9:5060", 183, "v", NULL, CALLEE1);
	lab_reply(lab, lab_take(lab, "10.9.9.9:5060", "PRACK "), VENDOR(0), 407, "", NULL, CHALLENGE);
	CHECK_INT(lab_waiting(lab, "10.9.9.9:5060"), 0);
	CHECK_INT(lab_count(lab, COUNTER_client_auth_foreign), 1);
	lab_free(lab);
}

static void challenged_requests(void)
{
	struct lab *lab = asking(BOTH);
	static struct sip_message sent;
	struct sip_message *m;

	lab_prack(lab, &early_progress, 2, NULL);
	lab_reply(lab, lab_take(lab, VENDOR(0), "PRACK "), VENDOR(0), 200, "", NULL, "");
	lab_skip(lab, NULL);
	lab_caller_request(lab, &early_progress, "UPDATE", 3, lab_sdp);
	sent = *lab_take(lab, VENDOR(0), "UPDATE ");
	m = again(lab, "UPDATE", &sent, 407);
	CHECK(has(m, "m=audio") && has(m, "\r\nContact: ") && has(m, "\r\nAllow: "));
	sent = *m;
	CHECK(!again(lab, "UPDATE", &sent, 407)); /* it does not like them: that is not for the customer to see */
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 403"));
	/* The offer is over, and the next one may go. */
	lab_caller_request(lab, &early_progress, "UPDATE", 4, lab_sdp);
	sent = *lab_take(lab, VENDOR(0), "UPDATE ");
	m = again(lab, "UPDATE", &sent, 401);
	lab_reply(lab, m, VENDOR(0), 200, "", lab_sdp, "");
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "m=audio"));
	/* Nobody keeps us busy for ever with nonces that are too old. */
	lab_caller_request(lab, &early_progress, "INFO", 5, NULL);
	sent = *lab_take(lab, VENDOR(0), "INFO ");
	for (unsigned int i = 0; i < 3; i++) {
		m = again(lab, "INFO", &sent, 401);
		CHECK(m);
		sent = m ? *m : sent;
	}
	CHECK(!again(lab, "INFO", &sent, 401));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 403"));
	/* From elsewhere; and from the customer. */
	lab_caller_request(lab, &early_progress, "INFO", 6, NULL);
	lab_reply(lab, lab_take(lab, VENDOR(0), "INFO "), "10.9.9.9:5060", 407, "", NULL, CHALLENGE);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 403"));
	CHECK_INT(lab_count(lab, COUNTER_client_auth_foreign), 1);
	lab_callee_request(lab, &early_invite, VENDOR(0), "v", "INFO", 1, NULL);
	lab_reply(lab, lab_take(lab, CUSTOMER, "INFO "), CUSTOMER, 407, "", NULL, CHALLENGE);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 403"));
	/* RFC 4320 section 4.2: no 408. */
	lab_caller_request(lab, &early_progress, "INFO", 7, NULL);
	lab_reply(lab, lab_take(lab, VENDOR(0), "INFO "), VENDOR(0), 408, "", NULL, "");
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_free(lab);
}

/* RFC 3311 section 5.2, in a conversation: one offer at a time. */
static void update_glare(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, vendor, update;

	CHECK(lab_call(lab, 1, &answer, &vendor));
	lab_caller_request(lab, &answer, "UPDATE", 2, lab_sdp);
	update = *lab_take(lab, VENDOR(0), "UPDATE ");
	lab_caller_request(lab, &answer, "UPDATE", 3, lab_sdp);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 500"), "Retry-After: "));
	lab_callee_request(lab, &vendor, VENDOR(0), "v", "UPDATE", 1, lab_sdp);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 491"));
	lab_callee_request(lab, &vendor, VENDOR(0), "v", "INVITE", 2, lab_sdp);
	lab_ack_failure(lab, VENDOR(0), lab_take(lab, VENDOR(0), "SIP/2.0 491"));
	lab_callee_request(lab, &vendor, VENDOR(0), "v", "UPDATE", 3, NULL);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 200"));
	lab_reply(lab, &update, VENDOR(0), 200, "", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	lab_callee_request(lab, &vendor, VENDOR(0), "v", "UPDATE", 4, lab_sdp);
	CHECK(lab_take(lab, CUSTOMER, "UPDATE "));
	lab_free(lab);
}

/* A vendor that asks who we are may number his responses anew, under the same tag. */
static void after_a_challenge(void)
{
	struct lab *lab = lab_new();
	static struct sip_message in;

	lab_give_credentials(lab);
	in = *invite(lab, lab_sdp, "");
	lab_reply(lab, &in, VENDOR(0), 183, "v", NULL, CALLEE1);
	lab_reply(lab, lab_take(lab, VENDOR(0), "PRACK "), VENDOR(0), 200, "", NULL, "");
	lab_challenge(lab, &in, "n");
	in = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &in, VENDOR(0), 183, "v", NULL, CALLEE1);
	CHECK(has(lab_take(lab, VENDOR(0), "PRACK "), "RAck: 7001 "));
	lab_free(lab);
}

/* Broken ones. */
static void strays(void)
{
	struct lab *lab = lab_new();
	static struct sip_message progress, answer, vendor;
	struct sip_message *in = invite(lab, lab_sdp, BOTH);

	lab_reply(lab, in, VENDOR(0), 183, "v", lab_sdp, CALLEE1);
	progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	lab_caller_request(lab, &progress, "PRACK", 2, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 400"));
	lab_callee_request(lab, in, VENDOR(0), "v", "PRACK", 1, NULL);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 400"));
	lab_prack(lab, &progress, 3, "no description");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 488"));
	CHECK(lab_take(lab, VENDOR(0), "PRACK ")); /* the vendor has its due all the same */
	lab_free(lab);

	lab = lab_new();
	CHECK(lab_call(lab, 1, &answer, &vendor));
	progress = answer;
	lab_caller_request(lab, &answer, "PRACK", 2, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 400"));
	lab_free(lab);
}

static const struct check_case cases[] = {
    {"both sides", both},
    {"the callee alone", callee_alone},
    {"the caller alone", caller_alone},
    {"neither", neither},
    {"required", required},
    {"the offer in a provisional response", offer_in_provisional},
    {"an answer in the PRACK that does not fit", answer_too_long},
    {"an offer in the PRACK", offer_in_prack},
    {"two phones with an offer each", one_offer_alone},
    {"another than whose offer stands answers", another_answers},
    {"an offer that has to wait", offer_waits},
    {"an offer that is none", preview},
    {"a PRACK that never comes", prack_never_comes},
    {"answered, but the caller not told", answered_but_not_told},
    {"the 200 overtakes", answer_overtakes},
    {"after a switch", after_a_switch},
    {"caller moves before a switch", caller_moves_before_a_switch},
    {"UPDATE before the answer", early_update},
    {"then the next vendor", early_then_next},
    {"INFO and others before the answer", early_info},
    {"an UPDATE that is refused", early_offer_refused},
    {"a challenged PRACK", challenged_prack},
    {"a challenge that would go elsewhere", challenged_elsewhere},
    {"other requests that are challenged", challenged_requests},
    {"UPDATEs that collide", update_glare},
    {"strays", strays},
    {"after a challenge", after_a_challenge},
};
CHECK_MAIN(cases)
