/* SPDX-License-Identifier: Apache-2.0 */
/* Calls through a whole engine: from the INVITE to the record. */
#include <stdlib.h>

#include "lab.h"
#include "tests/unit/check.h"

static bool has(struct sip_message *m, const char *what)
{
	return m && memmem(m->data, m->len, what, strlen(what));
}

/* Nothing may be left: no call, no port, and exactly one final record. */
static void check_over(struct lab *lab, enum end_reason reason, enum end_direction direction, unsigned int code)
{
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	const struct lab_cdr *cdr = lab_final(lab);

	CHECK(cdr);
	if (!cdr)
		return;
	CHECK_INT(cdr->reason, reason);
	CHECK_INT(cdr->direction, direction);
	CHECK_INT(cdr->code, code);
	CHECK_INT(lab_count(lab, COUNTER_signaling_calls), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
}

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
	check_over(lab, END_NORMAL, END_BY_CALLER, 200);
	CHECK_INT(lab->cdrs[0].duration_us, 60 * US_PER_S);
	CHECK_INT(lab->cdrs[0].packets, 50);
	CHECK_TEXT(lab->cdrs[0].gateway, strlen(lab->cdrs[0].gateway), "v1");
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
	check_over(lab, END_NORMAL, END_BY_CALLEE, 200);
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
	check_over(lab, END_NORMAL, END_BY_CALLER, 200); /* although our BYE is never answered */
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
	check_over(lab, END_NORMAL, END_BY_CALLEE, 200);
	lab_free(lab);
}

static void silent_vendor(void)
{
	struct lab *lab = lab_new();

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "INVITE "));
	lab_sleep(lab, 9900);
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 4); /* 0.5, 1.5, 3.5, 7.5 s */
	CHECK_INT(lab_waiting(lab, VENDOR(1)), 0);
	lab_sleep(lab, 200);
	struct sip_message *second = lab_take(lab, VENDOR(1), "INVITE ");

	CHECK(second);
	lab_reply(lab, second, VENDOR(1), 486, "w", NULL, "");
	CHECK(lab_take(lab, VENDOR(1), "ACK "));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 486"));
	check_over(lab, END_BUSY, END_BY_CALLEE, 486);
	CHECK_INT(lab->cdr_count, 2);
	CHECK_INT(lab->cdrs[0].reason, END_INVITE_TIMEOUT);
	CHECK_INT(lab->cdrs[0].attempt, 1);
	CHECK(!lab->cdrs[0].final);
	CHECK_INT(lab->cdrs[1].attempt, 2);
	lab_free(lab);
}

/* Each attempt has the cause of its own end, the last one or not. */
static void causes_of_attempts(void)
{
	struct lab *lab = lab_new();

	lab->config.parameters.switch_until_connect = true;
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 180, "v", NULL, "");
	lab_sleep(lab, 120100); /* rings for too long: 480 is told, but it is no 480 of the vendor's */
	lab_skip(lab, VENDOR(0));
	lab_reply(lab, lab_take(lab, VENDOR(1), "INVITE "), VENDOR(1), 480, "v", NULL, "");
	lab_skip(lab, VENDOR(1));
	lab_reply(lab, lab_take(lab, VENDOR(2), "INVITE "), VENDOR(2), 486, "v", NULL, "");
	lab_skip(lab, NULL);
	check_over(lab, END_BUSY, END_BY_CALLEE, 486);
	CHECK_INT(lab->cdrs[0].reason, END_RINGING_TIMEOUT);
	CHECK_INT(lab->cdrs[0].cause, 19);
	CHECK_INT(lab->cdrs[1].cause, 18);
	CHECK_INT(lab->cdrs[2].cause, 17);
	lab_free(lab);
}

static void late_answer_of_abandoned(void)
{
	struct lab *lab = lab_new();
	static struct sip_message first;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	first = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_sleep(lab, 10100);
	lab_skip(lab, VENDOR(0));
	struct sip_message *second = lab_take(lab, VENDOR(1), "INVITE ");

	CHECK(second);
	lab_reply(lab, &first, VENDOR(0), 200, "late", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	struct sip_message *bye = lab_take(lab, VENDOR(0), "BYE ");

	lab_reply(lab, bye, VENDOR(0), 200, "", NULL, "");
	lab_reply(lab, &first, VENDOR(0), 200, "late", lab_sdp, ""); /* again: only the ACK again */
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_reply(lab, second, VENDOR(1), 404, "w", NULL, "");
	struct sip_message *third = lab_take(lab, VENDOR(2), "INVITE ");

	lab_reply(lab, third, VENDOR(2), 603, "x", NULL, "");
	lab_skip(lab, NULL);
	check_over(lab, END_GLOBAL_FAILURE, END_BY_CALLEE, 603);
	CHECK_INT(lab->cdr_count, 3);
	lab_free(lab);
}

struct branch {
	const char *what;
	unsigned int provisional; /* 0 = none */
	bool sdp;
	unsigned int code; /* of the first vendor; 0 = silence */
	bool until_connect, no_stop_after_sdp, no_stop_after_busy, stop_after_invite;
	unsigned int switch_limit;
	bool switches;          /* to the second */
	enum end_reason reason; /* when it does not */
	unsigned int to_caller;
};

static const struct branch branches[] = {
    {"503", 0, false, 503, .switch_limit = 9, .switches = true},
    {"404 after 180", 180, false, 404, .switch_limit = 9, .switches = true},
    {"486", 0, false, 486, .switch_limit = 9, .reason = END_BUSY, .to_caller = 486},
    {"486, no stop", 0, false, 486, .no_stop_after_busy = true, .switch_limit = 9, .switches = true},
    {"600, no stop", 0, false, 600, .no_stop_after_busy = true, .switch_limit = 9, .switches = true},
    {"600", 0, false, 600, .switch_limit = 9, .reason = END_BUSY, .to_caller = 486},
    {"603", 0, false, 603, .switch_limit = 9, .reason = END_GLOBAL_FAILURE, .to_caller = 603},
    {"503 after SDP", 183, true, 503, .switch_limit = 9, .reason = END_SERVER_FAILURE, .to_caller = 503},
    {"503 after SDP, no stop", 183, true, 503, .no_stop_after_sdp = true, .switch_limit = 9, .switches = true},
    {"limit", 0, false, 500, .switch_limit = 0, .reason = END_SWITCH_LIMIT, .to_caller = 500},
    {"silence", 0, false, 0, .switch_limit = 9, .switches = true},
    {"silence, stop", 0, false, 0, .stop_after_invite = true, .switch_limit = 9, .reason = END_INVITE_TIMEOUT,
     .to_caller = 408},
    {"trying", 100, false, 0, .switch_limit = 9, .switches = true},
    {"ringing", 180, false, 0, .switch_limit = 9, .reason = END_RINGING_TIMEOUT, .to_caller = 480},
    {"ringing, until connect", 180, false, 0, .until_connect = true, .switch_limit = 9, .switches = true},
    {"progress", 183, false, 0, .switch_limit = 9, .reason = END_PROGRESS_TIMEOUT, .to_caller = 480},
    {"progress with SDP", 183, true, 0, .until_connect = true, .switch_limit = 9, .reason = END_PROGRESS_TIMEOUT,
     .to_caller = 480},
    {"stop code", 0, false, 403, .switch_limit = 9, .reason = END_FORBIDDEN, .to_caller = 403},
    {"401 without credentials", 0, false, 401, .switch_limit = 0, .reason = END_SWITCH_LIMIT, .to_caller = 403},
    {"302", 0, false, 302, .switch_limit = 9, .switches = true},
};

static void run_branch(const struct branch *b)
{
	static unsigned int stop_codes[] = {403};
	struct lab *lab = lab_new();
	static struct sip_message invite;
	char code[16];

	lab->config.parameters.switch_until_connect = b->until_connect;
	lab->config.parameters.stop_switch_after_sdp = !b->no_stop_after_sdp;
	lab->config.parameters.switch_stop_after_user_busy = !b->no_stop_after_busy;
	lab->config.parameters.stop_switch_after_invite_timeout = b->stop_after_invite;
	lab->config.parameters.gateway_switch_limit = b->switch_limit;
	lab->routing[0].stop_codes = stop_codes;
	lab->routing[0].stop_codes_count = 1;
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	if (b->provisional)
		lab_reply(lab, &invite, VENDOR(0), b->provisional, "v", b->sdp ? lab_sdp : NULL, "");
	if (b->code)
		lab_reply(lab, &invite, VENDOR(0), b->code, "v", NULL, "");
	else
		lab_sleep(lab, b->provisional == 100 || b->provisional == 183 ? (b->sdp ? 121000 : 21000)
									      : (b->provisional ? 121000 : 11000));
	lab_skip(lab, VENDOR(0));
	if (b->switches) {
		struct sip_message *second = lab_take(lab, VENDOR(1), "INVITE ");

		CHECK(second);
		if (second)
			lab_reply(lab, second, VENDOR(1), 486, "w", NULL, "");
		lab_skip(lab, CUSTOMER);
		lab->config.parameters.switch_stop_after_user_busy = true;
	} else {
		CHECK_INT(lab_waiting(lab, VENDOR(1)), 0);
		lab_take(lab, CUSTOMER, "SIP/2.0 100");
		if (b->provisional > 100)
			lab_take(lab, CUSTOMER, "SIP/2.0 18");
		snprintf(code, sizeof(code), "SIP/2.0 %u", b->to_caller);
		CHECK(lab_take(lab, CUSTOMER, code));
	}
	lab_sleep(lab, 300000);
	CHECK_INT(lab_standing(lab), 0);
	const struct lab_cdr *cdr = lab_final(lab);

	CHECK(cdr && (b->switches || cdr->reason == b->reason));
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
	lab_free(lab);
}

static void attempt_tree(void)
{
	for (size_t i = 0; i < sizeof(branches) / sizeof(branches[0]); i++) {
		int before = check_failures;

		run_branch(&branches[i]);
		if (check_failures != before)
			printf("  in: %s\n", branches[i].what);
	}
}

/* A customer's own words come before ours, for the vendor's code and for what we make of it. */
static void busy_everywhere_rewritten(void)
{
	static struct config_rewrite_code own[] = {{600, 603}}, usual[] = {{486, 480}};
	static const struct {
		struct config_rewrite_code *table;
		const char *answer;
	} want[] = {{own, "SIP/2.0 603"}, {usual, "SIP/2.0 480"}};

	for (unsigned int i = 0; i < 2; i++) {
		struct lab *lab = lab_new();

		lab->mapping.response_codes = want[i].table;
		lab->mapping.response_codes_count = 1;
		lab_reload(lab);
		lab_invite(lab, 1, "4930123", lab_sdp, "");
		lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 600, "v", NULL, "");
		lab_take(lab, CUSTOMER, "SIP/2.0 100");
		CHECK(lab_take(lab, CUSTOMER, want[i].answer));
		check_over(lab, END_BUSY, END_BY_CALLEE, 600); /* the record keeps what the vendor said */
		lab_free(lab);
	}
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
	check_over(lab, END_CALLER_CANCEL, END_BY_CALLER, 487);
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
	check_over(lab, END_CALLER_CANCEL, END_BY_CALLER, 487);
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
	check_over(lab, END_CALLER_CANCEL, END_BY_CALLER, 487);
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
	check_over(lab, END_ACK_TIMEOUT, END_BY_SERVER, 408);
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
	check_over(lab, END_NORMAL, END_BY_CALLEE, 200);
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
	check_over(lab, END_NORMAL, END_BY_CALLEE, 200);
	lab_free(lab);
}

static void reinvite_never_answered(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite, passed;

	CHECK(lab_call(lab, 1, &answer, &invite));
	lab_caller_request(lab, &answer, "INVITE", 2, lab_sdp);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	passed = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &passed, VENDOR(0), 100, "", NULL, "");
	lab_sleep(lab, 180100);
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 408"));
	CHECK(lab_take(lab, VENDOR(0), "CANCEL "));
	lab_skip(lab, NULL);
	/* The way is free again. */
	lab_caller_request(lab, &answer, "INVITE", 3, lab_sdp);
	CHECK(lab_take(lab, VENDOR(0), "INVITE "));
	lab_caller_request(lab, &answer, "BYE", 4, NULL);
	lab_skip(lab, NULL);
	check_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);
}

/* The first vendor's call is relayed, the second's is not. */
static void relay_then_direct(void)
{
	struct lab *lab = lab_new();
	struct sip_message *m;

	lab->config.parameters.media_proxy_mode = MEDIA_PROXY_AUTO;
	lab->routing[0].media_mode = MEDIA_ON;
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 503, "v", NULL, "");
	CHECK_INT(lab->media_opens, 1);
	m = lab_take(lab, VENDOR(0), "ACK ");
	CHECK(m);
	m = lab_take(lab, VENDOR(1), "INVITE ");
	CHECK(has(m, "c=IN IP4 10.1.0.5"));
	lab_cancel(lab, 1, "4930123");
	lab_skip(lab, NULL);
	check_over(lab, END_CALLER_CANCEL, END_BY_CALLER, 487);
	CHECK_INT(lab->media_closes, 1);
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
	check_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);
}

static void limits(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	lab->config.parameters.max_call_duration_s = 60;
	lab_reload(lab);
	CHECK(lab_call(lab, 1, &answer, &invite));
	lab_sleep(lab, 60100);
	CHECK(lab_take(lab, CUSTOMER, "BYE "));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	lab->media_dead = true;
	check_over(lab, END_MAX_DURATION, END_BY_SERVER, 200);
	lab_free(lab);
}

static void not_let_in(void)
{
	struct lab *lab = lab_new();

	atomic_store(&lab->status->process[ROLE_CDRWRITER].spool_full, 1);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 503"), "Retry-After:"));
	atomic_store(&lab->status->process[ROLE_CDRWRITER].spool_full, 0);
	lab_invite(lab, 2, "4930123", "v=0\r\nrubbish\r\n", "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 488"));
	lab_invite(lab, 3, "4930123", lab_sdp, "Require: 100rel, precondition\r\n");
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 420"), "Unsupported: precondition"));
	lab_text(lab, CUSTOMER,
		 "BYE sip:x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.5:5060;branch=z9hG4bKz\r\nMax-Forwards: 70\r\n"
		 "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: none\r\nCSeq: 1 BYE\r\nContent-Length: "
		 "0\r\n\r\n");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 481"));
	lab_cancel(lab, 9, "1");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 481"));
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	lab_free(lab);
}

#define STRANGER "172.16.0.9:5060"

static const char *const unwanted[] = {
    "OPTIONS sip:10.0.0.1 SIP/2.0\r\n|OPTIONS|",
    "BYE sip:x@10.0.0.1 SIP/2.0\r\n|BYE|;tag=2",
    "CANCEL sip:x@10.0.0.1 SIP/2.0\r\n|CANCEL|",
    "INFO sip:x@10.0.0.1 SIP/2.0\r\n|INFO|",
    "REGISTER sip:10.0.0.1 SIP/2.0\r\n|REGISTER|",
    "SUBSCRIBE sip:x@10.0.0.1 SIP/2.0\r\n|SUBSCRIBE|", /* unknown method */
    "OPTIONS mailto:x@10.0.0.1 SIP/2.0\r\n|OPTIONS|",  /* unknown scheme */
    "OPTIONS sip:10.0.0.1 SIP/2.0\r\n|INVITE|",        /* malformed: CSeq names another */
};

/* All of them from one place, as this user; returns how many were answered. */
static unsigned int answered(struct lab *lab, const char *from, const char *user)
{
	static unsigned int branch;
	unsigned int before = lab->sent_count;

	for (size_t i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]); i++) {
		const char *method = strchr(unwanted[i], '|') + 1, *tag = strchr(method, '|') + 1;

		branch++;
		lab_text(lab, from,
			 "%.*sVia: SIP/2.0/UDP %s;branch=z9hG4bKu%u\r\nMax-Forwards: 70\r\nFrom: <sip:%s@b>;tag=1\r\n"
			 "To: <sip:%s@b>%s\r\nCall-ID: u%u\r\nCSeq: 1 %.*s\r\nContent-Length: 0\r\n\r\n",
			 (int)(method - 1 - unwanted[i]), unwanted[i], from, branch, user, user, tag, branch,
			 (int)(tag - 1 - method), method);
	}
	return lab->sent_count - before;
}

static void invite_from_stranger(struct lab *lab)
{
	lab_text(lab, STRANGER,
		 "INVITE sip:49@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP " STRANGER
		 ";branch=z9hG4bKs\r\nMax-Forwards: 70\r\n"
		 "From: <sip:a@b>;tag=1\r\nTo: <sip:49@b>\r\nCall-ID: s\r\nCSeq: 1 INVITE\r\nContact: <sip:a@b>\r\n"
		 "Content-Length: 0\r\n\r\n");
}

/* SS_REPLY_UNAUTHORIZED off: strangers learn nothing, those we know are told as ever. */
static void strangers_get_no_answer(void)
{
	struct lab *lab = lab_new();
	unsigned int all = sizeof(unwanted) / sizeof(unwanted[0]);
	struct config_phone phone = {.user = (char *)(uintptr_t) "bob", .password = (char *)(uintptr_t) "secret"};

	lab->config.phones = &phone;
	lab->config.phones_count = 1;
	lab_reload(lab);
	CHECK_INT(answered(lab, STRANGER, "nobody"), all);
	lab->config.parameters.reply_unauthorized = false;
	lab_reload(lab);
	uint64_t ignored = lab_count(lab, COUNTER_registrar_unknown_ignored);

	CHECK_INT(answered(lab, STRANGER, "nobody"), 0);
	CHECK_INT(lab_count(lab, COUNTER_registrar_unknown_ignored), ignored + all);
	CHECK_INT(answered(lab, STRANGER, "bob"), all); /* the challenge to its REGISTER among them */
	CHECK_INT(answered(lab, CUSTOMER, "nobody"), all - 1);
	CHECK_INT(answered(lab, VENDOR(1), "nobody"), all - 1); /* neither of the two registers here */
	/* Nor when there is no room for anybody. */
	lab_skip(lab, NULL);
	atomic_store(&lab->status->process[ROLE_CDRWRITER].spool_full, 1);
	invite_from_stranger(lab);
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_sleep(lab, 70000);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
	lab_free(lab);
}

static void no_route(void)
{
	struct lab *lab = lab_new();

	lab->config.routing_gateways_count = 0;
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	struct sip_message *refused = lab_take(lab, CUSTOMER, "SIP/2.0 503");

	CHECK(!has(refused, "Retry-After:")); /* other numbers are welcome */
	CHECK(has(refused, "Reason: Q.850;cause=3\r\n"));
	check_over(lab, END_NO_AVAILABLE_ROUTER, END_BY_SERVER, 503);
	CHECK_INT(lab->cdrs[0].media_mode, CALL_MEDIA_NONE);
	CHECK_INT(lab->cdrs[0].cause, 3);
	lab_free(lab);
}

static void slots_run_out(void)
{
	struct lab *lab = lab_new();

	for (unsigned int i = 0; i < LAB_CALLS; i++)
		lab_invite(lab, i, "4930123", lab_sdp, "");
	CHECK_INT(lab_standing(lab), LAB_CALLS);
	lab_skip(lab, NULL);
	lab_invite(lab, 100, "4930123", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 503"));
	for (unsigned int i = 0; i < LAB_CALLS; i++)
		lab_cancel(lab, i, "4930123");
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	CHECK_INT(lab->cdr_count, LAB_CALLS);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
	lab_free(lab);
}

/* After SIGTERM: calls that stand go on, new ones are sent elsewhere. */
static void stopping(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	CHECK(lab_call(lab, 1, &answer, &invite));
	engine_stop(lab->engine);
	lab_invite(lab, 2, "4930123", lab_sdp, "");
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 503"), "Retry-After:"));
	CHECK_INT(lab_standing(lab), 1);
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	check_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);
}

static void operator_hangs_up(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;
	static const uint8_t nobody[16] = {1};

	CHECK(lab_call(lab, 1, &answer, &invite));
	CHECK_INT(engine_hangup(lab->engine, nobody), -2);
	for (uint32_t slot = 0; slot < LAB_CALLS; slot++)
		if (call_table_record(lab->calls, slot)->state != CALL_FREE)
			CHECK_INT(engine_hangup(lab->engine, call_table_record(lab->calls, slot)->id), 0);
	CHECK(lab_take(lab, CUSTOMER, "BYE "));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	lab_drain(lab);
	check_over(lab, END_OPERATOR_HANGUP, END_BY_SERVER, 200);
	lab_free(lab);
}

static void vendor_challenges(void)
{
	static struct config_credentials digest = {(char *)(uintptr_t) "tandem", (char *)(uintptr_t) "secret", NULL,
						   DIGEST_BOTH};
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab->routing[0].digest = &digest;
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 407, "v", NULL,
		  "Proxy-Authenticate: Digest realm=\"v\", nonce=\"n\", qop=\"auth\"\r\n");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK(has(&invite, "Proxy-Authorization: Digest username=\"tandem\""));
	lab_reply(lab, &invite, VENDOR(0), 407, "v", NULL,
		  "Proxy-Authenticate: Digest realm=\"v\", nonce=\"m\", qop=\"auth\"\r\n");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK(lab_take(lab, VENDOR(1), "INVITE "));
	lab_cancel(lab, 1, "4930123");
	lab_skip(lab, NULL);
	check_over(lab, END_CALLER_CANCEL, END_BY_CALLER, 487);
	lab_free(lab);
}

static void rewriting(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab->mapping.callee = (struct config_rewrite){2, (char *)(uintptr_t) "00"};
	lab->routing[0].callee = (struct config_rewrite){2, (char *)(uintptr_t) "#"};
	lab->routing[1].callee = (struct config_rewrite){1, (char *)(uintptr_t) "+49"};
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", lab_sdp,
		   "P-Asserted-Identity: \"A\" <sip:4911@10.1.0.5>\r\nX-Secret: 10.1.0.5\r\n");
	invite = *lab_take(lab, VENDOR(0), "INVITE sip:%2330123@10.2.0.1:5060 ");
	CHECK(has(&invite, "P-Asserted-Identity: \"A\" <sip:4911@10.0.0.1"));
	CHECK(!has(&invite, "10.1.0.5"));
	lab_reply(lab, &invite, VENDOR(0), 503, "v", NULL, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	/* From what the customer dialled, not from what the attempt before made of it. */
	CHECK(lab_take(lab, VENDOR(1), "INVITE sip:+49030123@10.2.0.2:5060 "));
	lab_cancel(lab, 1, "4930123");
	lab_skip(lab, NULL);
	check_over(lab, END_CALLER_CANCEL, END_BY_CALLER, 487);
	lab_free(lab);
}

/* Every port comes back, however the call ended: many more calls than there are pairs. */
static void ports_come_back(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	for (unsigned int i = 0; i < 150; i++) {
		if (i % 3 == 0) {
			lab_invite(lab, i, "4930123", lab_sdp, "");
			lab_cancel(lab, i, "4930123");
		} else if (i % 3 == 1) {
			lab_invite(lab, i, "4930123", lab_sdp, "");
			lab_skip(lab, NULL);
			lab_sleep(lab, 41000); /* all four are silent */
		} else {
			CHECK(lab_call(lab, i, &answer, &invite));
			if (i % 2)
				lab_restart(lab);
			lab_caller_request(lab, &answer, "BYE", 2, NULL);
		}
		lab_sleep(lab, 2000);
		lab_skip(lab, NULL);
		for (unsigned int j = 0; j < lab->sent_count; j++)
			free(lab->sent[j].data);
		lab->sent_count = 0;
	}
	CHECK_INT(lab_count(lab, COUNTER_signaling_rtp_ports_exhausted), 0);
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	lab_free(lab);
}

static void direct_media(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	lab->config.parameters.media_proxy_mode = MEDIA_PROXY_AUTO;
	lab_reload(lab);
	CHECK(lab_call(lab, 1, &answer, &invite));
	CHECK(has(&invite, "c=IN IP4 10.1.0.5"));
	CHECK(has(&invite, "m=audio 4000 "));
	CHECK(!has(&invite, "o=peer"));
	CHECK_INT(lab->media_opens, 0);
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	lab_skip(lab, NULL);
	check_over(lab, END_NORMAL, END_BY_CALLER, 200);
	CHECK(!lab->cdrs[0].has_media);
	CHECK_INT(lab->cdrs[0].media_mode, CALL_MEDIA_DIRECT);
	lab_free(lab);
}

/* Figures are in the record when there was something to measure: not of a session that was opened in vain. */
static void media_in_records(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	lab->media_mute = true;
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 503, "v", NULL, "");
	lab_skip(lab, VENDOR(0));
	lab_reply(lab, lab_take(lab, VENDOR(1), "INVITE "), VENDOR(1), 486, "v", NULL, "");
	lab_skip(lab, NULL);
	lab_invite(lab, 2, "4930123", "v=0\r\nrubbish\r\n", ""); /* refused before anything was decided */
	lab_skip(lab, NULL);
	lab->media_mute = false; /* early media, and no answer */
	lab_invite(lab, 3, "4930123", lab_sdp, "");
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 486, "v", NULL, "");
	lab_skip(lab, NULL);
	lab->media_mute = true; /* answered, and silent: that is a finding */
	CHECK(lab_call(lab, 4, &answer, &invite));
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	lab_skip(lab, NULL);
	lab_sleep(lab, 70000);
	CHECK_INT(lab->cdr_count, 5);
	for (unsigned int i = 0; i < 5; i++) {
		CHECK_INT(lab->cdrs[i].has_media, i >= 3);
		CHECK_INT(lab->cdrs[i].media_mode, i == 2 ? CALL_MEDIA_NONE : CALL_MEDIA_RELAY);
	}
	lab_free(lab);
}

static unsigned int worker_of(const char *text)
{
	return engine_worker_of((const uint8_t *)text, (uint32_t)strlen(text), 4);
}

static void worker_of_datagrams(void)
{
	CHECK_INT(worker_of("BYE sip:x SIP/2.0\r\nCall-ID: a\r\nTo: <sip:y>;tag=w020000000112345678abcdef01\r\n\r\n"),
		  2);
	CHECK_INT(worker_of("BYE sip:x SIP/2.0\r\nt: <sip:y>\r\n ;tag=w030000000112345678abcdef01\r\n\r\n"), 3);
	CHECK_INT(worker_of("SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h;branch=z9hG4bKt01000000020000000000000003\r\n\r\n"), 1);
	/* The same call, whatever stands around its Call-ID. */
	CHECK_INT(worker_of("INVITE sip:x SIP/2.0\r\nCall-ID: abc\r\n\r\n"),
		  worker_of("CANCEL sip:x SIP/2.0\r\nVia: z\r\ni :  abc \r\nTo: <sip:y>\r\n\r\n"));
	CHECK_INT(worker_of("garbage"), 0);
	CHECK_INT(worker_of(""), 0);
	CHECK_INT(worker_of("x\n"), 0);
	CHECK_INT(worker_of("x\nTo:"), 0);
	CHECK_INT(worker_of("x\nTo: <>;tag=w0"), 0);
}

/* No room for records: calls that stand end and wait, new ones are refused, and everything is written in the end. */
static void record_ring_full(void)
{
	struct lab *lab = lab_new();
	unsigned int made = 0;

	lab->cdrs_stay = true;
	for (unsigned int i = 0; i < 3000; i++) {
		uint64_t refused = lab_count(lab, COUNTER_signaling_calls_refused_ring);

		lab_invite(lab, i, "4930123", lab_sdp, "");
		lab_cancel(lab, i, "4930123");
		lab_sleep(lab, 10);
		for (unsigned int j = 0; j < lab->sent_count; j++)
			free(lab->sent[j].data);
		lab->sent_count = 0;
		if (lab_count(lab, COUNTER_signaling_calls_refused_ring) != refused)
			break;
		made++;
	}
	CHECK(made > 100 && made < 3000);
	lab->cdrs_stay = false;
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_cdrs), made);
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
    {"BYE from the callee", bye_from_callee},
    {"crossing BYEs", crossing_byes},
    {"every message twice", messages_twice},
    {"a silent vendor", silent_vendor},
    {"causes of attempts", causes_of_attempts},
    {"late 200 of an abandoned attempt", late_answer_of_abandoned},
    {"the tree of attempts", attempt_tree},
    {"600 in the customer's words", busy_everywhere_rewritten},
    {"CANCEL while it rings", cancel_rings},
    {"CANCEL before any response", cancel_before_provisional},
    {"CANCEL crosses the 200", cancel_crosses_answer},
    {"forked answers", forked_answers},
    {"the ACK never comes", ack_never_comes},
    {"re-INVITE both ways, glare, offerless", reinvite_hold},
    {"re-INVITE refused, INFO, OPTIONS, order", reinvite_refused_and_info},
    {"INVITE without an offer", offerless},
    {"longest duration, dead media", limits},
    {"not let in", not_let_in},
    {"strangers get no answer", strangers_get_no_answer},
    {"no route", no_route},
    {"no slot left", slots_run_out},
    {"stopping", stopping},
    {"hangup by the operator", operator_hangs_up},
    {"a vendor's challenge", vendor_challenges},
    {"numbers and identities", rewriting},
    {"re-INVITE that is never answered", reinvite_never_answered},
    {"relayed, then direct", relay_then_direct},
    {"ports come back", ports_come_back},
    {"direct media", direct_media},
    {"media in the records", media_in_records},
    {"which worker", worker_of_datagrams},
    {"no room for records", record_ring_full},
    {"long headers", long_headers},
};
CHECK_MAIN(cases)
