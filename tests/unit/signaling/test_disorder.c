/* SPDX-License-Identifier: Apache-2.0 */
/* What peers do that is rare, wrong or hostile, and what then has to be true. */
#include <stdlib.h>

#include "lab.h"
#include "tests/unit/check.h"

static bool has(struct sip_message *m, const char *what)
{
	return m && memmem(m->data, m->len, what, strlen(what));
}

/* Everybody has gone: nothing may stand. */
static void check_empty(struct lab *lab)
{
	lab_skip(lab, NULL);
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_calls), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
}

/* A hangup while a re-INVITE rings on the other side: its 487 is the asker's, with nothing of the other leg. */
static void hangup_during_reinvite(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite, passed;

	CHECK(lab_call(lab, 1, &answer, &invite));
	lab_caller_request(lab, &answer, "INVITE", 2, lab_sdp);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	passed = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &passed, VENDOR(0), 180, "", NULL, "");
	lab_caller_request(lab, &answer, "BYE", 3, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	struct sip_message *failure = lab_take(lab, CUSTOMER, "SIP/2.0 487");

	CHECK(has(failure, "Call-ID: call1\r\n"));
	CHECK(has(failure, "CSeq: 2 INVITE"));
	CHECK(!has(failure, "10.2.0.1"));
	CHECK(lab_take(lab, VENDOR(0), "CANCEL "));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	check_empty(lab);
	lab_free(lab);
}

/* An offerless INVITE whose ACK never comes: what waited for that ACK is gone by then, and not touched any more. */
static void offerless_never_acknowledged(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	/* The transaction of the vendor's 200 ends before that of ours: a reload may lengthen the schedule. */
	lab->config.parameters.resend_count = 2;
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", NULL, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	lab->config.parameters.resend_count = 10;
	lab_reload(lab);
	lab_sleep(lab, 31700);
	lab_invite(lab, 2, "4930123", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "INVITE "));
	lab_sleep(lab, 400);
	/* Acknowledged without a description, then ended. */
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), "tag=v"));
	lab_reply(lab, lab_take(lab, VENDOR(0), "BYE "), VENDOR(0), 200, "", NULL, "");
	lab_skip(lab, NULL);
	lab_invite(lab, 2, "4930123", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100")); /* and the other call's transaction is still its own */
	lab_cancel(lab, 2, "4930123");
	check_empty(lab);
	lab_free(lab);
}

/* The customer's table of response codes, for failures of vendors and for our own. */
static void response_codes_rewritten(void)
{
	static struct config_rewrite_code table[] = {{503, 486}, {404, 480}};
	struct lab *lab = lab_new();

	lab->mapping.response_codes = table;
	lab->mapping.response_codes_count = 2;
	lab->mapping.capacity = 1;
	lab->config.routing_gateways_count = 1;
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	lab_invite(lab, 2, "4930123", lab_sdp, ""); /* over the customer's capacity */
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 486"));
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 404, "v", NULL, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 480"));
	CHECK_INT(lab->cdr_count, 2);
	CHECK_INT(lab->cdrs[1].code, 404); /* the record keeps what the vendor said */
	check_empty(lab);
	lab_free(lab);
}

/* A request must have all three of a dialog: Call-ID, our tag and the peer's. */
static void foreign_tags(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite, forged;
	char *tag;

	CHECK(lab_call(lab, 1, &answer, &invite));
	/* The second branch of a fork, say, which was told to go away. */
	lab_callee_request(lab, &invite, VENDOR(0), "two", "BYE", 1, NULL);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 481"));
	forged = answer;
	tag = memmem(answer.data, answer.len, ";tag=c1", 7);
	CHECK(tag);
	tag[6] = '9';
	lab_caller_request(lab, &forged, "BYE", 2, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 481"));
	tag[6] = '1';
	CHECK_INT(lab_standing(lab), 1);
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	check_empty(lab);
	lab_free(lab);
}

/* Branches do not tell each other: who sees one can't answer in another's place. */
static void branches_are_secret(void)
{
	struct lab *lab = lab_new();
	uint64_t serial[2];

	for (unsigned int i = 0; i < 2; i++) {
		lab_invite(lab, i, "4930123", lab_sdp, "");
		const struct sip_via *via = sip_message_via(lab_take(lab, VENDOR(0), "INVITE "));

		CHECK(via && via->branch.len == 34);
		serial[i] = strtoull(via->branch.at + 18, NULL, 16);
	}
	CHECK(serial[1] - serial[0] > 1000000 && serial[0] - serial[1] > 1000000);
	lab_free(lab);
}

/* A vendor that never ends what was cancelled, and a phone behind NAT that answers as it is cancelled. */
static void cancel_is_ignored(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;
	unsigned int cancels = 0;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 180, "v", NULL, "");
	lab_cancel(lab, 1, "4930123");
	lab_reply(lab, lab_take(lab, VENDOR(0), "CANCEL "), VENDOR(0), 481, "v", NULL, "");
	for (unsigned int i = 0; i < 10; i++) {
		lab_sleep(lab, 10000);
		lab_reply(lab, &invite, VENDOR(0), 180, "v", NULL, "");
	}
	while (lab_waiting(lab, VENDOR(0)) && lab_take(lab, VENDOR(0), "CANCEL "))
		cancels++;
	CHECK_INT(cancels, 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
	lab_free(lab);
}

static const struct check_case cases[] = {
    {"a hangup while a re-INVITE rings", hangup_during_reinvite},
    {"an offerless INVITE is never acknowledged", offerless_never_acknowledged},
    {"the customer's response codes", response_codes_rewritten},
    {"foreign tags", foreign_tags},
    {"branches are secret", branches_are_secret},
    {"a CANCEL is ignored", cancel_is_ignored},
};
CHECK_MAIN(cases)
