/* SPDX-License-Identifier: Apache-2.0 */
/* Requests in a dialog that collide, ring for ever, are refused, get answers that fit nowhere, or none. */
#include <stdlib.h>

#include "lab.h"
#include "signaling/call.h"
#include "tests/unit/check.h"

/* A passed re-INVITE; what the vendor got. */
static struct sip_message reinvited(struct lab *lab, struct sip_message *answer)
{
	lab_caller_request(lab, answer, "INVITE", 2, lab_sdp);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	return *lab_take(lab, VENDOR(0), "INVITE ");
}

/* A hangup while a re-INVITE rings on the other side: its 487 is the asker's, with nothing of the other leg. */
static void hangup_during_reinvite(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite, passed;

	CHECK(lab_call(lab, 1, &answer, &invite));
	passed = reinvited(lab, &answer);
	lab_reply(lab, &passed, VENDOR(0), 180, "", NULL, "");
	lab_caller_request(lab, &answer, "BYE", 3, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	struct sip_message *failure = lab_take(lab, CUSTOMER, "SIP/2.0 487");

	CHECK(has(failure, "Call-ID: call1\r\n"));
	CHECK(has(failure, "CSeq: 2 INVITE"));
	CHECK(!has(failure, "10.2.0.1"));
	CHECK(has(lab_take(lab, VENDOR(0), "CANCEL "), "Reason: Q.850;cause=16\r\n"));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	lab_check_empty(lab);
	lab_free(lab);
}

/*
 * The answer to a re-INVITE does not fit, since it repeats what came with it: 500, whose ACK ends the transaction. The
 * next INVITE of anybody gets its place, and is none of this call's concern.
 */
static void answer_too_long(void)
{
	static struct sip_message answer, invite, passed;
	static char route[60000], sdp[7500];

	snprintf(route, sizeof(route), "Record-Route: <sip:10.1.0.5;x=%0*d>\r\n", 59000, 0);
	snprintf(sdp, sizeof(sdp), "%sa=x:%0*d\r\n", lab_sdp, 7000, 0);
	for (int offerless = 0; offerless < 2; offerless++) {
		struct lab *lab = lab_new();

		CHECK(lab_call(lab, 1, &answer, &invite));
		lab->extra = route;
		lab_caller_request(lab, &answer, "INVITE", 2, offerless ? NULL : lab_sdp);
		lab->extra = NULL;
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
		passed = *lab_take(lab, VENDOR(0), "INVITE ");
		lab_reply(lab, &passed, VENDOR(0), 200, "", sdp, "");
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
		lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 500"));
		lab_invite(lab, 2, "4930123", lab_sdp, "");
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
		lab_skip(lab, VENDOR(0));
		/* The way is free again. */
		lab_caller_request(lab, &answer, "INVITE", 3, lab_sdp);
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
		lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 488, "", NULL, "");
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
		lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 488"));
		lab_caller_request(lab, &answer, "BYE", 4, NULL);
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
		CHECK(lab_take(lab, VENDOR(0), "BYE "));
		CHECK_INT(lab_waiting(lab, NULL), 0);
		lab_cancel(lab, 2, "4930123");
		lab_check_empty(lab);
		lab_free(lab);
	}
}

/* One that rings for ever is cancelled, and both sides know of the same session, or of none. */
static void reinvite_rings_for_ever(void)
{
	static struct config_credentials digest = {
	    .user = (char *)(uintptr_t) "tandem", .password = (char *)(uintptr_t) "secret", .algorithms = DIGEST_BOTH};
	static const struct {
		unsigned int code;
		const char *says, *told;
	} cases[] = {{487, "", "SIP/2.0 487"},
		     {200, "", "SIP/2.0 200"},
		     {401, "WWW-Authenticate: Digest realm=\"v\", nonce=\"n\"\r\n", "SIP/2.0 403"},
		     {0, "", "SIP/2.0 408"}};

	for (unsigned int i = 0; i < 4; i++) {
		struct lab *lab = lab_new();
		static struct sip_message answer, invite, passed, cancel;

		lab->routing[0].digest = &digest;
		lab_reload(lab);
		CHECK(lab_call(lab, 1, &answer, &invite));
		passed = reinvited(lab, &answer);
		lab_reply(lab, &passed, VENDOR(0), 180, "", NULL, "");
		lab_sleep(lab, 179 * 1000);
		CHECK_INT(lab_waiting(lab, NULL), 0);
		lab_sleep(lab, 1100);
		cancel = *lab_take(lab, VENDOR(0), "CANCEL ");
		CHECK(has(&cancel, "Reason: SIP;cause=408, Q.850;cause=102\r\n"));
		lab_reply(lab, &cancel, VENDOR(0), 200, "", NULL, "");
		CHECK_INT(lab_waiting(lab, NULL), 0); /* the customer waits for what comes of it */
		if (cases[i].code) {
			lab_reply(lab, &passed, VENDOR(0), cases[i].code, "", cases[i].code == 200 ? lab_sdp : NULL,
				  cases[i].says);
			CHECK(lab_take(lab, VENDOR(0), "ACK "));
			CHECK(lab_take(lab, CUSTOMER, cases[i].told));
			lab_caller_request(lab, &answer, "ACK", 2, NULL);
			lab_skip(lab, CUSTOMER);
			lab_sleep(lab, 40 * 1000);
			CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
			/* The way is free again. */
			lab_caller_request(lab, &answer, "INVITE", 3, lab_sdp);
			CHECK(lab_take(lab, VENDOR(0), "INVITE "));
			lab_caller_request(lab, &answer, "BYE", 4, NULL);
		} else {
			lab_sleep(lab, 33 * 1000);
			CHECK(lab_take(lab, CUSTOMER, cases[i].told));
			CHECK(lab_take(lab, VENDOR(0), "BYE "));
			lab_skip(lab, NULL);
			lab_reply(lab, &passed, VENDOR(0), 200, "", lab_sdp, ""); /* after all */
			CHECK(lab_take(lab, VENDOR(0), "ACK "));
			CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
			CHECK_INT(lab_final(lab)->reason, END_SESSION_TIMEOUT);
		}
		lab_check_empty(lab);
		lab_free(lab);
	}
}

/* The customer takes its re-INVITE back, and hangs up: one CANCEL. The 200 that crosses is acknowledged, and no more.
 */
static void cancelled_and_hung_up(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite, passed;
	struct sip_text via, from, to;

	CHECK(lab_call(lab, 1, &answer, &invite));
	from = sip_message_value(&answer, SIP_H_FROM);
	to = sip_message_value(&answer, SIP_H_TO);
	passed = reinvited(lab, &answer);
	lab_reply(lab, &passed, VENDOR(0), 180, "", NULL, "");
	via = sip_message_value(&lab->parsed[(lab->parsed_next - 2) % 8], SIP_H_VIA); /* of the 100 */
	lab_text(lab, CUSTOMER,
		 "CANCEL sip:10.0.0.1 SIP/2.0\r\nVia: %.*s\r\nMax-Forwards: 70\r\nFrom: %.*s\r\nTo: %.*s\r\n"
		 "Call-ID: call1\r\nCSeq: 2 CANCEL\r\nReason: SIP;cause=600\r\nContent-Length: 0\r\n\r\n",
		 (int)via.len, via.at, (int)from.len, from.at, (int)to.len, to.at);
	CHECK(has(lab_take(lab, VENDOR(0), "CANCEL "), "Reason: SIP;cause=600, Q.850;cause=16\r\n"));
	lab_caller_request(lab, &answer, "BYE", 3, NULL);
	lab_reply(lab, lab_take(lab, VENDOR(0), "BYE "), VENDOR(0), 200, "", NULL, "");
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	CHECK_INT(lab_standing(lab), 0);
	lab_reply(lab, &passed, VENDOR(0), 200, "", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	lab_reply(lab, &passed, VENDOR(0), 200, "", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	while (lab_waiting(lab, VENDOR(0)) && lab_take(lab, VENDOR(0), "CANCEL "))
		; /* never answered: again */
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_check_empty(lab);
	lab_free(lab);
}

/* A BYE overtakes the ACK of a re-INVITE, or crosses it: the 200 to that does not come again. */
static void bye_before_ack_of_reinvite(void)
{
	for (unsigned int crosses = 0; crosses < 2; crosses++) {
		struct lab *lab = lab_new();
		static struct sip_message answer, invite, passed;

		CHECK(lab_call(lab, 1, &answer, &invite));
		passed = reinvited(lab, &answer);
		lab_reply(lab, &passed, VENDOR(0), 200, "", lab_sdp, "");
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
		if (crosses)
			lab_callee_request(lab, &invite, VENDOR(0), "v", "BYE", 1, NULL);
		else
			lab_caller_request(lab, &answer, "BYE", 3, NULL);
		lab_caller_request(lab, &answer, "ACK", 2, NULL);
		lab_sleep(lab, 600);
		CHECK(crosses || lab_take(lab, CUSTOMER, "SIP/2.0 200"));
		while (lab_waiting(lab, CUSTOMER) && lab_take(lab, CUSTOMER, "BYE "))
			;
		CHECK_INT(lab_waiting(lab, CUSTOMER), 0);
		lab_check_empty(lab);
		lab_free(lab);
	}
}

static const char moved[] = "v=0\r\no=peer 1 2 IN IP4 10.1.0.6\r\ns=-\r\nc=IN IP4 10.1.0.6\r\nt=0 0\r\n"
			    "m=audio 5000 RTP/AVP 9\r\na=rtpmap:9 G722/8000\r\n";

/* What a refused offer said of media is taken back (RFC 3261 section 14.1). */
static void refused_offer(void)
{
	struct lab *lab = lab_new();
	const struct call_record *record = call_table_record(lab->calls, 0);
	static struct sip_message answer, invite, passed;

	CHECK(lab_call(lab, 1, &answer, &invite));
	struct net_addr before = record->media[CALLER].remote;
	uint32_t generation = record->media[CALLER].generation;

	CHECK_INT(before.port, 4000);
	lab_caller_request(lab, &answer, "INVITE", 2, moved);
	passed = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK_INT(record->media[CALLER].remote.port, 5000);
	lab_caller_request(lab, &answer, "INFO", 3, NULL);
	uint32_t updates = lab->media_updates;

	lab_reply(lab, &passed, VENDOR(0), 488, "", NULL, "");
	CHECK(net_addr_equal(&before, &record->media[CALLER].remote));
	CHECK_INT(record->media[CALLER].generation, generation);
	CHECK_INT(lab->media_updates, updates); /* media has not heard of it */
	CHECK_TEXT(record->codec, strlen(record->codec), "PCMA/8000");
	lab_skip(lab, NULL);
	lab_caller_request(lab, &answer, "BYE", 4, NULL);
	lab_check_empty(lab);
	lab_free(lab);
}

/* Ours, of a description that does not fit once our addresses are in it: by then it has been read. */
static void offer_too_long(void)
{
	struct lab *lab = lab_new();
	const struct call_record *record = call_table_record(lab->calls, 0);
	static struct sip_message answer, invite;
	static char text[65536], sdp[65536];
	size_t len = (size_t)snprintf(sdp, sizeof(sdp), "%s", moved);

	CHECK(lab_call(lab, 1, &answer, &invite));
	for (unsigned int i = 0; i < 300; i++)
		len += (size_t)snprintf(sdp + len, sizeof(sdp) - len, "a=rtcp:1\r\n");
	len += (size_t)snprintf(sdp + len, sizeof(sdp) - len, "a=x:%0*u\r\n", (int)(64000 - len), 0);
	struct sip_text from = sip_message_value(&answer, SIP_H_FROM), to = sip_message_value(&answer, SIP_H_TO);
	int text_len = snprintf(text, sizeof(text),
				"UPDATE sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.5:5060;branch=z9hG4bKlong\r\n"
				"Max-Forwards: 70\r\nFrom: %.*s\r\nTo: %.*s\r\nCall-ID: call1\r\nCSeq: 2 UPDATE\r\n"
				"Contact: <sip:x@10.1.0.5>\r\nContent-Type: application/sdp\r\n"
				"Content-Length: %zu\r\n\r\n%s",
				(int)from.len, from.at, (int)to.len, to.at, len, sdp);
	uint32_t generation = record->media[CALLER].generation;

	lab_receive(lab, CUSTOMER, text, (size_t)text_len);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 488"));
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	CHECK_INT(record->media[CALLER].remote.port, 4000);
	CHECK_INT(record->media[CALLER].generation, generation);
	CHECK_TEXT(record->codec, strlen(record->codec), "PCMA/8000");
	lab_free(lab);
}

/* Of offers in UPDATEs that overlap each is taken back by itself, also when nobody answers it. */
static void refused_updates(void)
{
	struct lab *lab = lab_new();
	const struct call_record *record = call_table_record(lab->calls, 0);
	static struct sip_message answer, invite, first, second, third;

	CHECK(lab_call(lab, 1, &answer, &invite));
	lab_caller_request(lab, &answer, "UPDATE", 2, moved);
	first = *lab_take(lab, VENDOR(0), "UPDATE ");
	CHECK_INT(record->media[CALLER].remote.port, 5000);
	lab_reply(lab, &first, VENDOR(0), 200, "", lab_sdp, "");
	lab_caller_request(lab, &answer, "UPDATE", 3, lab_sdp);
	second = *lab_take(lab, VENDOR(0), "UPDATE ");
	CHECK_INT(record->media[CALLER].remote.port, 4000);
	lab_callee_request(lab, &invite, VENDOR(0), "v", "INVITE", 1, lab_sdp); /* an offer stands */
	lab_ack_failure(lab, VENDOR(0), lab_take(lab, VENDOR(0), "SIP/2.0 491"));
	lab_reply(lab, &second, VENDOR(0), 500, "", NULL, "");
	CHECK_INT(record->media[CALLER].remote.port, 5000);
	CHECK(record->media[CALLER].local.port != 0);
	lab_skip(lab, NULL);
	lab_callee_request(lab, &invite, VENDOR(0), "v", "INVITE", 2, lab_sdp);
	third = *lab_take(lab, CUSTOMER, "INVITE ");
	lab_reply(lab, &third, CUSTOMER, 488, "", NULL, "");
	CHECK(lab->engine->calls->call[0].work == NULL);
	lab_skip(lab, NULL);
	lab_caller_request(lab, &answer, "UPDATE", 4, lab_sdp);
	CHECK_INT(record->media[CALLER].remote.port, 4000);
	lab_sleep(lab, 40000);
	/* RFC 4320: no 408. But who does not answer in its dialog is gone. */
	CHECK(lab_take(lab, CUSTOMER, "BYE "));
	CHECK(lab->engine->calls->call[0].work == NULL);
	CHECK_INT(lab_final(lab)->reason, END_SESSION_TIMEOUT);
	lab_check_empty(lab);
	lab_free(lab);
}

/* A place elsewhere is nothing for a dialog, nor for the other side. */
static void redirected_requests(void)
{
	static const char *const methods[] = {"INVITE", "UPDATE", "INFO"};
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	CHECK(lab_call(lab, 1, &answer, &invite));
	for (unsigned int i = 0; i < 3; i++) {
		lab_caller_request(lab, &answer, methods[i], 2 + i, lab_sdp);
		lab_skip(lab, CUSTOMER);
		lab_reply(lab, lab_take(lab, VENDOR(0), methods[i]), VENDOR(0), 302, "", NULL,
			  "Contact: <sip:other@10.8.8.8>\r\n");
		lab_skip(lab, VENDOR(0));
		CHECK(!has(lab_take(lab, CUSTOMER, "SIP/2.0 480"), "10.8.8.8"));
	}
	lab_caller_request(lab, &answer, "BYE", 5, NULL);
	lab_check_empty(lab);
	lab_free(lab);
}

/* A description that can't be read does not cross as it is. */
static void unreadable_answer(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite, passed;

	CHECK(lab_call(lab, 1, &answer, &invite));
	passed = reinvited(lab, &answer);
	lab_reply(lab, &passed, VENDOR(0), 200, "", "v=0\r\nc=IN IP4 10.2.0.1\r\nrubbish\r\n", "");
	CHECK(!has(lab_take(lab, CUSTOMER, "SIP/2.0 "), "10.2.0.1"));
	lab_caller_request(lab, &answer, "BYE", 3, NULL);
	lab_check_empty(lab);
	lab_free(lab);
}

/* How many of `count` INFOs of this call are passed on; the others get 500 and are to come again. */
static unsigned int passed_infos(struct lab *lab, struct sip_message *answer, unsigned int first, unsigned int count)
{
	unsigned int refused;

	lab_skip(lab, NULL);
	lab->content_type = "application/x";
	for (unsigned int i = 0; i < count; i++)
		lab_caller_request(lab, answer, "INFO", first + i, "x=1");
	lab->content_type = NULL;
	refused = lab_waiting(lab, CUSTOMER);
	for (unsigned int i = 0; i < refused; i++)
		CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 500"), "Retry-After: "));
	CHECK_INT(refused + lab_waiting(lab, VENDOR(0)), count);
	return lab_waiting(lab, VENDOR(0));
}

/* INFOs that nobody answers: the call has had its share, and no other pays for it. */
static void infos_of_one_call(void)
{
	struct lab *lab = lab_new_with(LAB_CALLS, 512, NULL);
	static struct sip_message answer, other, invite, info, reinvite;

	CHECK(lab_call(lab, 1, &answer, &invite) && lab_call(lab, 2, &other, &invite));
	CHECK_INT(passed_infos(lab, &answer, 2, 40), 16);
	CHECK_INT(lab_count(lab, COUNTER_signaling_requests_not_passed), 24);
	info = *lab_take(lab, VENDOR(0), "INFO ");
	/* All else crosses. */
	lab_skip(lab, NULL);
	lab_caller_request(lab, &answer, "INVITE", 45, lab_sdp);
	reinvite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &reinvite, VENDOR(0), 200, "", lab_sdp, "");
	lab_caller_request(lab, &answer, "ACK", 45, NULL);
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK_INT(passed_infos(lab, &other, 2, 3), 3);
	/* Each answer makes room for one. */
	lab_reply(lab, &info, VENDOR(0), 200, "", NULL, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	CHECK_INT(passed_infos(lab, &answer, 50, 3), 1);
	/* Whoever gets the slot of the call has no part in that. */
	lab_caller_request(lab, &answer, "BYE", 60, NULL);
	lab_skip(lab, CUSTOMER);
	lab_reply(lab, lab_take(lab, VENDOR(0), "INFO "), VENDOR(0), 200, "", NULL, "");
	lab_reply(lab, lab_take(lab, VENDOR(0), "BYE "), VENDOR(0), 200, "", NULL, "");
	CHECK_INT(lab_standing(lab), 1);
	lab_skip(lab, NULL);
	CHECK(lab_call(lab, 3, &answer, &invite));
	CHECK_INT(passed_infos(lab, &answer, 2, 20), 16);
	lab_caller_request(lab, &answer, "BYE", 60, NULL);
	lab_caller_request(lab, &other, "BYE", 60, NULL);
	lab_check_empty(lab);
	lab_free(lab);
}

/* Many calls of one peer, and bodies of a size that few buffers have: room is left to what else is to be sent. */
static void infos_of_many_calls(void)
{
	struct lab *lab = lab_new_with(LAB_CALLS, 64, NULL);
	static struct sip_message answer[4], invite;
	static char body[3000], list[2500];
	unsigned int passed = 0;

	for (unsigned int i = 0; i < 4; i++)
		CHECK(lab_call(lab, i, &answer[i], &invite));
	memset(body, 'x', sizeof(body) - 1);
	snprintf(list, sizeof(list), "Record-Route: <sip:10.1.0.5;lr;x=%02000d>\r\n", 1);
	lab_skip(lab, NULL);
	lab->content_type = "application/x";
	for (unsigned int i = 0; i < 5; i++)
		lab_caller_request(lab, &answer[3], "INFO", 2 + i, body);
	lab->content_type = NULL;
	CHECK(lab_waiting(lab, VENDOR(0)) > 0 && lab_waiting(lab, VENDOR(0)) < 5);
	passed = lab_waiting(lab, VENDOR(0));
	for (unsigned int i = 0; i < 3; i++)
		passed += passed_infos(lab, &answer[i], 2, 20);
	CHECK_INT(passed, 64 / 8);
	lab_skip(lab, NULL);
	lab_invite(lab, 7, "4930123", lab_sdp, list);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 180, "w", NULL, "");
	lab_cancel(lab, 7, "4930123");
	CHECK(lab_take(lab, VENDOR(0), "CANCEL "));
	lab_caller_request(lab, &answer[0], "BYE", 60, NULL);
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions_exhausted), 0);
	for (unsigned int i = 1; i < 4; i++)
		lab_caller_request(lab, &answer[i], "BYE", 60, NULL);
	lab_check_empty(lab);
	lab_free(lab);
}

/* Each next reliable response says that the PRACK has come, answered or not; but there is an end of it. */
static void pracks_unanswered(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite, prack;
	char rseq[64];

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	for (unsigned int i = 1; i <= 40; i++) {
		snprintf(rseq, sizeof(rseq), "Require: 100rel\r\nRSeq: %u\r\n", i);
		lab_reply(lab, &invite, VENDOR(0), 183, "v", NULL, rseq);
	}
	prack = *lab_take(lab, VENDOR(0), "PRACK ");
	CHECK(has(&prack, "RAck: 1 "));
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 31);
	lab_skip(lab, VENDOR(0));
	lab_reply(lab, &prack, VENDOR(0), 200, "", NULL, "");
	lab_reply(lab, &invite, VENDOR(0), 183, "v", NULL, "Require: 100rel\r\nRSeq: 33\r\n");
	CHECK(has(lab_take(lab, VENDOR(0), "PRACK "), "RAck: 33 "));
	lab_cancel(lab, 1, "4930123");
	lab_check_empty(lab);
	lab_free(lab);
}

/* The failure that ends the call takes the last transaction but one: its BYEs get another, and their answers are heard.
 */
static void failure_without_room(void)
{
	struct lab *lab = lab_new();
	struct transactions *ts = lab->engine->transactions;
	static struct sip_message answer, invite, passed;

	CHECK(lab_call(lab, 1, &answer, &invite));
	passed = reinvited(lab, &answer);
	for (uint32_t i = 0; i < ts->used; i++)
		ts->pool[i].lingering = false;
	ts->linger_first = NULL;
	ts->linger_last = &ts->linger_first;
	ts->free = NULL;
	ts->used = ts->count;
	lab_reply(lab, &passed, VENDOR(0), 481, "", NULL, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 481"));
	for (unsigned int s = 0; s < 4; s++) {
		if (lab_waiting(lab, VENDOR(0)))
			lab_reply(lab, lab_take(lab, VENDOR(0), "BYE "), VENDOR(0), 200, "", NULL, "");
		if (lab_waiting(lab, CUSTOMER))
			lab_reply(lab, lab_take(lab, CUSTOMER, "BYE "), CUSTOMER, 200, "", NULL, "");
		lab_sleep(lab, 1100);
	}
	CHECK_INT(lab_count(lab, COUNTER_signaling_calls), 0);
	lab_free(lab);
}

static const struct check_case cases[] = {
    {"a hangup while a re-INVITE rings", hangup_during_reinvite},
    {"an answer that does not fit", answer_too_long},
    {"a re-INVITE rings for ever", reinvite_rings_for_ever},
    {"a re-INVITE is cancelled, then a hangup", cancelled_and_hung_up},
    {"BYE before the ACK of a re-INVITE", bye_before_ack_of_reinvite},
    {"a refused offer", refused_offer},
    {"an offer that is too long", offer_too_long},
    {"refused UPDATEs", refused_updates},
    {"redirected requests", redirected_requests},
    {"an unreadable answer", unreadable_answer},
    {"INFOs of one call, unanswered", infos_of_one_call},
    {"INFOs of many calls", infos_of_many_calls},
    {"PRACKs, unanswered", pracks_unanswered},
    {"a failure without room", failure_without_room},
};
CHECK_MAIN(cases)
