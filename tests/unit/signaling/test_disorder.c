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

static const struct check_case cases[] = {
    {"a hangup while a re-INVITE rings", hangup_during_reinvite},
};
CHECK_MAIN(cases)
