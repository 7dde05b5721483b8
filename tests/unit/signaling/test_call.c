/* SPDX-License-Identifier: Apache-2.0 */
/* Calls through a whole engine: from the INVITE to the record. */
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

static const struct check_case cases[] = {
	{"basic call", basic_call},
};
CHECK_MAIN(cases)
