/* SPDX-License-Identifier: Apache-2.0 */
/* What is let in, and by whom: strangers, no room, an engine that stops; which worker it comes to. */
#include <stdlib.h>

#include "lab.h"
#include "tests/unit/check.h"

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
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
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
	lab_over(lab, END_OPERATOR_HANGUP, END_BY_SERVER, 200);
	lab_free(lab);
}

static unsigned int worker_of(const char *text)
{
	return engine_worker_of((const uint8_t *)text, (uint32_t)strlen(text), 4);
}

/* Of four, by its Call-ID: for 16 calls, two bits each. */
static uint32_t workers_of_calls(void)
{
	char text[64];
	uint32_t all = 0;

	for (unsigned int i = 0; i < 16; i++) {
		snprintf(text, sizeof(text), "INVITE sip:x SIP/2.0\r\nCall-ID: call%u\r\n\r\n", i);
		all = all << 2 | worker_of(text);
	}
	return all;
}

/* An INVITE that comes again to the next life comes to the same worker; nobody can tell beforehand to which. */
static void worker_of_calls(void)
{
	struct lab *lab = lab_new();
	uint32_t before = workers_of_calls();

	lab_kill(lab);
	CHECK(workers_of_calls() == before);
	lab_renew(lab);
	CHECK(workers_of_calls() != before);
	lab_free(lab);
}

static void worker_of_datagrams(void)
{
	CHECK_INT(worker_of("BYE sip:x SIP/2.0\r\nCall-ID: a\r\nTo: <sip:y>;tag=w020000000112345678abcdef01\r\n\r\n"),
		  2);
	CHECK_INT(worker_of("BYE sip:x SIP/2.0\r\nt: <sip:y>\r\n ;tag=w030000000112345678abcdef01\r\n\r\n"), 3);
	CHECK_INT(worker_of("SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h;branch=z9hG4bKt01000000020000000000000003\r\n\r\n"), 1);
	/* However it is written, and whatever looks like it before. */
	CHECK_INT(
	    worker_of("BYE sip:x SIP/2.0\r\nCall-ID: a\r\nTo: <sip:y> ; TAG = w020000000112345678abcdef01\r\n\r\n"), 2);
	CHECK_INT(worker_of("BYE sip:x SIP/2.0\r\nTo: <sip:y>\t;\r\n tag\r\n\t=w030000000112345678abcdef01;x\r\n\r\n"),
		  3);
	CHECK_INT(worker_of("BYE sip:x SIP/2.0\r\nTo: \";tag=w01\" <sip:y;tag=w02>;a=b;tag=w03000000011234\r\n\r\n"),
		  3);
	CHECK_INT(worker_of("\r\n\r\nBYE sip:x SIP/2.0\r\nTo: <sip:y>;tag=w020000000112345678abcdef01\r\n\r\n"), 2);
	CHECK_INT(worker_of("\r\nsip/2.0 200 OK\r\nv: SIP/2.0/UDP h;branch=z9hG4bKt01000000020000000000000003\r\n\r\n"),
		  1);
	CHECK_INT(worker_of("x\nTo: <>;tag"), 0);
	CHECK_INT(worker_of("x\nTo: <>;tag ="), 0);
	CHECK_INT(worker_of("x\nTo: <>; "), 0);
	/* The same call, whatever stands around its Call-ID. */
	CHECK_INT(worker_of("INVITE sip:x SIP/2.0\r\nCall-ID: abc\r\n\r\n"),
		  worker_of("CANCEL sip:x SIP/2.0\r\nVia: z\r\ni :  abc \r\nTo: <sip:y>\r\n\r\n"));
	CHECK_INT(worker_of("garbage"), 0);
	CHECK_INT(worker_of(""), 0);
	CHECK_INT(worker_of("x\n"), 0);
	CHECK_INT(worker_of("x\nTo:"), 0);
	CHECK_INT(worker_of("x\nTo: <>;tag=w0"), 0);
}

static const struct check_case cases[] = {
    {"not let in", not_let_in},
    {"strangers get no answer", strangers_get_no_answer},
    {"no slot left", slots_run_out},
    {"no room for records", record_ring_full},
    {"stopping", stopping},
    {"hangup by the operator", operator_hangs_up},
    {"the worker of a call", worker_of_calls},
    {"which worker", worker_of_datagrams},
};
CHECK_MAIN(cases)
