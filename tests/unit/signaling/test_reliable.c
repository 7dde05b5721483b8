/* SPDX-License-Identifier: Apache-2.0 */
/* Reliable provisional responses (RFC 3262) through a whole engine. */
#include <stdlib.h>

#include "lab.h"
#include "tests/unit/check.h"

#define BOTH    "Supported: 100rel\r\n"
#define CALLEE1 "Require: 100rel\r\nRSeq: 7001\r\n"
#define CALLEE2 "Require: 100rel\r\nRSeq: 7002\r\n"

static bool has(struct sip_message *m, const char *what)
{
	return m && memmem(m->data, m->len, what, strlen(what));
}

static void check_over(struct lab *lab, enum end_reason reason, unsigned int code)
{
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	const struct lab_cdr *cdr = lab_final(lab);

	CHECK(cdr);
	if (!cdr)
		return;
	CHECK_INT(cdr->reason, reason);
	CHECK_INT(cdr->code, code);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
}

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
	check_over(lab, END_NORMAL, 200);
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
	check_over(lab, END_BUSY, 486);
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
	lab_prack(lab, &progress, 2, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "PRACK"));
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	CHECK(has(&answer, "CSeq: 1 INVITE") && has(&answer, "m=audio"));
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	hang_up(lab, &answer, 3);
	check_over(lab, END_NORMAL, 200);
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
	check_over(lab, END_NORMAL, 200);
	lab_free(lab);

	lab = lab_new();
	in = invite(lab, NULL, ""); /* nobody could answer such an offer */
	CHECK(!has(in, "100rel"));
	lab_free(lab);
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
	check_over(lab, END_ACK_TIMEOUT, 504);
	lab_free(lab);
}

/* While the 200 waits for it, the caller may still give up: by CANCEL, by BYE, or by silence. */
static void answered_but_not_told(void)
{
	static const char *const how[] = {"CANCEL", "BYE", "nothing", "callee's BYE"};

	for (unsigned int i = 0; i < 4; i++) {
		struct lab *lab = lab_new();
		static struct sip_message progress;
		struct sip_message *in = invite(lab, lab_sdp, BOTH);

		lab_reply(lab, in, VENDOR(0), 183, "v", lab_sdp, "");
		progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
		lab_reply(lab, in, VENDOR(0), 200, "v", lab_sdp, "");
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
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
		CHECK(lab_final(lab));
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
	check_over(lab, END_NORMAL, 200);
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
	check_over(lab, END_NODE_RESTART, 503);
	lab_free(lab);
}

/* ---- other requests before the answer ---- */

static struct sip_message early_invite, early_progress;

/* Both legs have their answer, acknowledged, and it rings on. */
static struct lab *early(void)
{
	struct lab *lab = lab_new();

	early_invite = *invite(lab, lab_sdp, BOTH);
	lab_reply(lab, &early_invite, VENDOR(0), 183, "v", lab_sdp, CALLEE1);
	early_progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	lab_prack(lab, &early_progress, 2, NULL);
	lab_reply(lab, lab_take(lab, VENDOR(0), "PRACK "), VENDOR(0), 200, "", NULL, "");
	lab_skip(lab, NULL);
	return lab;
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
	static struct config_credentials digest = {(char *)(uintptr_t) "tandem", (char *)(uintptr_t) "secret", NULL,
						   DIGEST_BOTH};
	struct lab *lab = lab_new();
	static struct sip_message in;

	lab->routing[0].digest = &digest;
	lab_reload(lab);
	in = *invite(lab, lab_sdp, "");
	lab_reply(lab, &in, VENDOR(0), 183, "v", NULL, CALLEE1);
	lab_reply(lab, lab_take(lab, VENDOR(0), "PRACK "), VENDOR(0), 200, "", NULL, "");
	lab_reply(lab, &in, VENDOR(0), 407, "v", NULL,
		  "Proxy-Authenticate: Digest realm=\"v\", nonce=\"n\", qop=\"auth\"\r\n");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
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
    {"an offer in the PRACK", offer_in_prack},
    {"a PRACK that never comes", prack_never_comes},
    {"answered, but the caller not told", answered_but_not_told},
    {"the 200 overtakes", answer_overtakes},
    {"after a switch", after_a_switch},
    {"UPDATE before the answer", early_update},
    {"INFO and others before the answer", early_info},
    {"UPDATEs that collide", update_glare},
    {"strays", strays},
    {"after a challenge", after_a_challenge},
};
CHECK_MAIN(cases)
