/* SPDX-License-Identifier: Apache-2.0 */
/* One call after the other through a whole engine: from the INVITE to the record. */

#include "lab.h"
#include "tests/unit/check.h"

static void basic_call(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	CHECK(lab_call(lab, 1, &answer, &invite));
	CHECK(has(&answer, "c=IN IP4 10.0.0.2"));
	CHECK(has(&invite, "c=IN IP4 10.0.0.2"));
	/* Nothing of one side on the other. */
	CHECK(!has(&invite, "10.1.0.5"));
	CHECK(!has(&invite, "call1"));
	CHECK(!has(&answer, "10.2.0.1"));
	CHECK(has(&invite, "INVITE sip:4930123@10.2.0.1:5060 SIP/2.0"));
	CHECK(has(&invite, "\"Ann\" <sip:4911@10.0.0.1"));
	CHECK_INT(lab->media_opens, 1);
	lab_sleep(lab, 60000);
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	struct sip_message *bye = lab_take(lab, VENDOR(0), "BYE ");

	CHECK(has(bye, "Reason: Q.850;cause=16"));
	lab_reply(lab, bye, VENDOR(0), 200, "", NULL, "");
	CHECK_INT(lab->media_closes, 1);
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	CHECK_INT(lab->cdrs[0].duration_us, 60 * US_PER_S);
	CHECK_INT(lab->cdrs[0].packets, 50);
	CHECK_TEXT(lab->cdrs[0].gateway, strlen(lab->cdrs[0].gateway), "v1");
	lab_free(lab);
}

/* Post-dial delay there is, progress there was none. */
static void answered_at_once(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	lab_sleep(lab, 300);
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 200, "v", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	lab_skip(lab, NULL);
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	CHECK_INT(lab->cdrs[0].progress_us, 0);
	CHECK_INT(lab->cdrs[0].pdd_ms, 300);
	lab_free(lab);
}

static void bye_from_callee(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	CHECK(lab_call(lab, 1, &answer, &invite));
	lab_callee_request(lab, &invite, VENDOR(0), "v", "BYE", 1, NULL);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 200"));
	struct sip_message *bye = lab_take(lab, CUSTOMER, "BYE sip:ann@10.1.0.5:5060 ");

	CHECK(has(bye, "tag=c1"));
	lab_reply(lab, bye, CUSTOMER, 200, "", NULL, "");
	lab_over(lab, END_NORMAL, END_BY_CALLEE, 200);
	lab_free(lab);
}

static void crossing_byes(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	CHECK(lab_call(lab, 1, &answer, &invite));
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	lab_callee_request(lab, &invite, VENDOR(0), "v", "BYE", 1, NULL);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 200"));
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200); /* although our BYE is never answered */
	CHECK(lab_count(lab, COUNTER_signaling_byes_unanswered) == 1);
	lab_free(lab);
}

static void messages_twice(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	for (int i = 0; i < 2; i++)
		lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK(lab_take(lab, VENDOR(0), "ACK ")); /* each 200 has its ACK */
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_sleep(lab, 600); /* and our 200 goes out again till it has one */
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	for (int i = 0; i < 2; i++)
		lab_caller_request(lab, &answer, "ACK", 1, NULL);
	lab_sleep(lab, 5000);
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_callee_request(lab, &invite, VENDOR(0), "v", "BYE", 1, NULL);
	lab_reply(lab, lab_take(lab, CUSTOMER, "BYE "), CUSTOMER, 200, "", NULL, "");
	lab_over(lab, END_NORMAL, END_BY_CALLEE, 200);
	lab_free(lab);
}

static void cancel_rings(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 180, "v", NULL, "");
	lab_skip(lab, CUSTOMER);
	lab_cancel(lab, 1, "4930123");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 487"));
	struct sip_message *cancel = lab_take(lab, VENDOR(0), "CANCEL ");

	CHECK(has(cancel, "Reason: SIP;cause=487, Q.850;cause=16"));
	lab_reply(lab, cancel, VENDOR(0), 200, "v", NULL, "");
	lab_reply(lab, &invite, VENDOR(0), 487, "v", NULL, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	lab_over(lab, END_CALLER_CANCEL, END_BY_CALLER, 487);
	lab_free(lab);
}

static void cancel_before_provisional(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_cancel(lab, 1, "4930123");
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_reply(lab, &invite, VENDOR(0), 100, "", NULL, "");
	CHECK(has(lab_take(lab, VENDOR(0), "CANCEL "), "Reason: SIP;cause=487, Q.850;cause=16"));
	lab_skip(lab, NULL);
	lab_over(lab, END_CALLER_CANCEL, END_BY_CALLER, 487);
	lab_free(lab);
}

static void cancel_crosses_answer(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 180, "v", NULL, "");
	lab_cancel(lab, 1, "4930123");
	CHECK(lab_take(lab, VENDOR(0), "CANCEL "));
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	lab_skip(lab, NULL);
	lab_over(lab, END_CALLER_CANCEL, END_BY_CALLER, 487);
	lab_free(lab);
}

static void forked_answers(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 200, "one", lab_sdp, "");
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), "tag=one"));
	lab_reply(lab, &invite, VENDOR(0), 200, "two", lab_sdp, "");
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), "tag=two"));
	CHECK(has(lab_take(lab, VENDOR(0), "BYE "), "tag=two"));
	CHECK_INT(lab_standing(lab), 1);
	lab_free(lab);
}

static void ack_never_comes(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	lab_skip(lab, NULL);
	lab_sleep(lab, 31900);
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_skip(lab, NULL);
	lab_sleep(lab, 400);
	CHECK(lab_take(lab, CUSTOMER, "BYE "));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	lab_over(lab, END_ACK_TIMEOUT, END_BY_SERVER, 408);
	lab_free(lab);
}

static void reinvite_hold(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite, held;
	static const char hold[] = "v=0\r\no=peer 1 2 IN IP4 10.1.0.5\r\ns=-\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\n"
				   "m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n";

	CHECK(lab_call(lab, 1, &answer, &invite));
	lab_caller_request(lab, &answer, "INVITE", 2, hold);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	held = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK(has(&held, "a=sendonly"));
	CHECK(has(&held, "c=IN IP4 10.0.0.2"));
	/* The other side wants one, too. */
	lab_callee_request(lab, &invite, VENDOR(0), "v", "INVITE", 7, lab_sdp);
	lab_ack_failure(lab, VENDOR(0), lab_take(lab, VENDOR(0), "SIP/2.0 491"));
	lab_reply(lab, &held, VENDOR(0), 200, "", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	struct sip_message *ok = lab_take(lab, CUSTOMER, "SIP/2.0 200");

	CHECK(has(ok, "c=IN IP4 10.0.0.2"));
	lab_caller_request(lab, &answer, "ACK", 2, NULL);
	lab_sleep(lab, 10000);
	CHECK_INT(lab_waiting(lab, NULL), 0);
	/* And back from the callee, without an offer: the ACK brings the answer. */
	lab_callee_request(lab, &invite, VENDOR(0), "v", "INVITE", 8, NULL);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 100"));
	held = *lab_take(lab, CUSTOMER, "INVITE ");
	lab_reply(lab, &held, CUSTOMER, 200, "", lab_sdp, "");
	CHECK_INT(lab_waiting(lab, CUSTOMER), 0);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 200"));
	lab_callee_request(lab, &invite, VENDOR(0), "v", "ACK", 8, lab_sdp);
	CHECK(has(lab_take(lab, CUSTOMER, "ACK "), "c=IN IP4 10.0.0.2"));
	lab_callee_request(lab, &invite, VENDOR(0), "v", "BYE", 9, NULL);
	lab_skip(lab, NULL);
	lab_over(lab, END_NORMAL, END_BY_CALLEE, 200);
	lab_free(lab);
}

static void reinvite_refused_and_info(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite, passed;

	CHECK(lab_call(lab, 1, &answer, &invite));
	lab_caller_request(lab, &answer, "INVITE", 2, lab_sdp);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	passed = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &passed, VENDOR(0), 488, "", NULL, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 488"));
	lab_caller_request(lab, &answer, "INFO", 3, NULL);
	passed = *lab_take(lab, VENDOR(0), "INFO ");
	lab_reply(lab, &passed, VENDOR(0), 200, "", NULL, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	lab_caller_request(lab, &answer, "OPTIONS", 4, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	lab_caller_request(lab, &answer, "INFO", 2, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 500")); /* out of order */
	lab_caller_request(lab, &answer, "REFER", 9, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 405"));
	/* Killed by the vendor while an INFO is on its way. */
	lab_caller_request(lab, &answer, "INFO", 10, NULL);
	passed = *lab_take(lab, VENDOR(0), "INFO ");
	lab_callee_request(lab, &invite, VENDOR(0), "v", "BYE", 1, NULL);
	lab_reply(lab, &passed, VENDOR(0), 200, "", NULL, "");
	lab_skip(lab, NULL);
	lab_over(lab, END_NORMAL, END_BY_CALLEE, 200);
	lab_free(lab);
}

static void offerless(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	lab_invite(lab, 1, "4930123", NULL, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK_INT(invite.body.len, 0);
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_caller_request(lab, &answer, "ACK", 1, lab_sdp);
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), "c=IN IP4 10.0.0.2"));
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	lab_skip(lab, NULL);
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);
}

static void long_headers(void)
{
	struct lab *lab = lab_new();
	char route[4200] = "Record-Route: <sip:10.1.0.5;lr>";
	static struct sip_message answer, invite;

	for (unsigned int i = 0; i < 50; i++)
		strcat(route, ", <sip:a.long.name.of.a.proxy.example.net:5060;lr>");
	strcat(route, "\r\n");
	lab_invite(lab, 1, "4930123", lab_sdp, route); /* beyond what a record takes: refused, not cut */
	lab_skip(lab, CUSTOMER);
	route[1600] = '\0';
	strcpy(strrchr(route, ','), "\r\n");
	lab_invite(lab, 2, "4930123", lab_sdp, route);
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	CHECK(has(&answer, "Record-Route: <sip:10.1.0.5;lr>"));
	lab_restart(lab);
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	lab_skip(lab, NULL);
	lab_callee_request(lab, &invite, VENDOR(0), "v", "BYE", 1, NULL);
	CHECK(has(lab_take(lab, VENDOR(0), "SIP/2.0 200"), "BYE"));
	CHECK(has(lab_take(lab, CUSTOMER, "BYE "), "Route: <sip:10.1.0.5;lr>"));
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	lab_free(lab);
}

static const struct check_case cases[] = {
    {"basic call", basic_call},
    {"answered at once", answered_at_once},
    {"BYE from the callee", bye_from_callee},
    {"crossing BYEs", crossing_byes},
    {"every message twice", messages_twice},
    {"CANCEL while it rings", cancel_rings},
    {"CANCEL before any response", cancel_before_provisional},
    {"CANCEL crosses the 200", cancel_crosses_answer},
    {"forked answers", forked_answers},
    {"the ACK never comes", ack_never_comes},
    {"re-INVITE both ways, glare, offerless", reinvite_hold},
    {"re-INVITE refused, INFO, OPTIONS, order", reinvite_refused_and_info},
    {"INVITE without an offer", offerless},
    {"long headers", long_headers},
};
CHECK_MAIN(cases)
