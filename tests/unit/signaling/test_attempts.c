/* SPDX-License-Identifier: Apache-2.0 */
/* The attempts of a call: which gateway is tried, when the next one is, and what each leaves in its record. */
#include "lab.h"
#include "tests/unit/check.h"

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
	lab_over(lab, END_BUSY, END_BY_CALLEE, 486);
	CHECK_INT(lab->cdr_count, 2);
	CHECK_INT(lab->cdrs[0].reason, END_INVITE_TIMEOUT);
	CHECK_INT(lab->cdrs[0].attempt, 1);
	CHECK(!lab->cdrs[0].final);
	CHECK_INT(lab->cdrs[1].attempt, 2);
	lab_free(lab);
}

/* The customer has heard the vendor, who then wants credentials, and is silent: no other one is tried. */
static void silent_after_sdp(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab_give_credentials(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 183, "v", lab_sdp, "");
	lab_challenge(lab, &invite, "n");
	CHECK(lab_take(lab, VENDOR(0), "INVITE "));
	lab_sleep(lab, 10100);
	CHECK_INT(lab_waiting(lab, VENDOR(1)), 0);
	lab_skip(lab, NULL);
	lab_over(lab, END_INVITE_TIMEOUT, END_BY_SERVER, 408);
	CHECK_INT(lab->cdr_count, 1);
	lab_free(lab);
}

/* A message under way goes by the schedule that it began with, whatever is loaded; the next one by the new one. */
static void schedule_of_a_reload(void)
{
	struct lab *lab = lab_new();

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "INVITE "));
	lab_sleep(lab, 1000);
	lab->config.parameters.send_retry = 1;
	for (unsigned int i = 0; i < 3; i++)
		lab_reload(lab);
	lab_sleep(lab, 8900);
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 4); /* 0.5, 1.5, 3.5, 7.5 s */
	CHECK_INT(lab_waiting(lab, VENDOR(1)), 0);
	lab_sleep(lab, 150);
	CHECK(lab_take(lab, VENDOR(1), "INVITE "));
	lab_sleep(lab, 1100); /* 0.5 s, and half a second later it has failed */
	CHECK_INT(lab_waiting(lab, VENDOR(1)), 1);
	CHECK(lab_take(lab, VENDOR(2), "INVITE "));
	lab_cancel(lab, 1, "4930123");
	lab_skip(lab, NULL);
	lab_over(lab, END_CALLER_CANCEL, END_BY_CALLER, 487);
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
	lab_over(lab, END_BUSY, END_BY_CALLEE, 486);
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
	lab_over(lab, END_GLOBAL_FAILURE, END_BY_CALLEE, 603);
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
		lab_over(lab, END_BUSY, END_BY_CALLEE, 600); /* the record keeps what the vendor said */
		lab_free(lab);
	}
}

static void vendor_challenges(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab_give_credentials(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_challenge(lab, &invite, "n");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK(has(&invite, "Proxy-Authorization: Digest username=\"tandem\""));
	lab_challenge(lab, &invite, "m");
	CHECK(lab_take(lab, VENDOR(1), "INVITE "));
	lab_cancel(lab, 1, "4930123");
	lab_skip(lab, NULL);
	lab_over(lab, END_CALLER_CANCEL, END_BY_CALLER, 487);
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
	lab_over(lab, END_CALLER_CANCEL, END_BY_CALLER, 487);
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
	lab_over(lab, END_NO_AVAILABLE_ROUTER, END_BY_SERVER, 503);
	CHECK_INT(lab->cdrs[0].media_mode, CALL_MEDIA_NONE);
	CHECK_INT(lab->cdrs[0].cause, 3);
	lab_free(lab);
}

static const struct check_case cases[] = {
    {"a silent vendor", silent_vendor},
    {"a vendor silent after SDP", silent_after_sdp},
    {"the schedule of a reload", schedule_of_a_reload},
    {"causes of attempts", causes_of_attempts},
    {"late 200 of an abandoned attempt", late_answer_of_abandoned},
    {"the tree of attempts", attempt_tree},
    {"600 in the customer's words", busy_everywhere_rewritten},
    {"a vendor's challenge", vendor_challenges},
    {"numbers and identities", rewriting},
    {"no route", no_route},
};
CHECK_MAIN(cases)
