/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused when too much comes, how, and how much of it. */
#include <stdio.h>
#include <string.h>

#include "signaling/overload.h"
#include "signaling/transaction.h"
#include "tests/unit/check.h"
#include "tests/unit/signaling/lab.h"

/* ---- how much ---------------------------------------------------------------------------------------------------- */

/* A worker that spends 10 us on a call and 0.5 us on a refusal, and reads 32 INVITEs a poll at most. */
struct worker {
	struct overload o;
	uint64_t now_us;
	double waiting, owed_us; /* messages; time that is no whole microsecond yet */
	double most;             /* ever waiting */
	double completed;
};

static void run(struct worker *w, unsigned int offered, unsigned int ms)
{
	for (uint64_t end_us = w->now_us + ms * US_PER_MS, before_us = w->now_us; w->now_us < end_us;) {
		double take, refused;

		w->waiting += offered * 1e-6 * (double)(w->now_us - before_us);
		before_us = w->now_us;
		w->most = w->waiting > w->most ? w->waiting : w->most;
		take = w->waiting < 1 ? 0 : w->waiting < 32 ? w->waiting : 32;
		refused = take * w->o.share / OVERLOAD_ALL;
		w->waiting -= take;
		w->completed += take - refused;
		overload_poll(&w->o,
			      take == 0   ? OVERLOAD_IDLE
			      : take < 32 ? OVERLOAD_BUSY
					  : OVERLOAD_BACKLOG,
			      w->now_us);
		w->owed_us += 0.3 + refused * 0.5 + (take - refused) * 10;
		w->now_us += (uint64_t)w->owed_us;
		w->owed_us -= (double)(uint64_t)w->owed_us;
	}
}

static void nothing_is_refused_without_need(void)
{
	struct worker w = {.now_us = US_PER_S};

	run(&w, 95000, 1000);
	CHECK_INT(w.o.share, 0);
	CHECK(!overload_refuses(&w.o, 0));
}

/* Whatever comes, there is time for nearly as much as it could do if it did not have to refuse the rest. */
static void as_much_as_needed_is(void)
{
	struct worker w = {.now_us = US_PER_S};

	for (unsigned int offered = 110000; offered <= 900000; offered *= 2) {
		double most;

		run(&w, offered, 1000);
		w.completed = 0;
		run(&w, offered, 1000);
		most = (1e6 - 0.5 * offered) / (10 - 0.5);
		CHECK(w.completed > 0.92 * most && w.completed < 1.02 * most);
		CHECK(w.waiting < 1000);
	}
}

/* What waits until little enough is let in: lost, if it is more than a port's ring has room for. */
static void soon_enough(void)
{
	struct worker w = {.now_us = US_PER_S};

	run(&w, 90000, 1000);
	run(&w, 180000, 1000);
	CHECK(w.most < 3000);
	run(&w, 360000, 1000);
	CHECK(w.most < 6000);
}

static void all_is_well_again_at_once(void)
{
	struct worker w = {.now_us = US_PER_S};

	run(&w, 500000, 1000);
	w.waiting = w.waiting < 4096 ? w.waiting : 4096;
	run(&w, 90000, 1000);
	CHECK_INT(w.o.share, 0);
	w.completed = 0;
	run(&w, 90000, 100);
	CHECK(w.completed > 8900);
}

/* It comes back to a full port, and has caught up after a while: nothing of that is overload. */
static void a_processor_taken_away_is_none(void)
{
	struct overload o = {.polled_us = US_PER_S};
	uint64_t now_us = US_PER_S;

	for (unsigned int i = 0; i < 100; i++) {
		now_us += 30 * US_PER_MS;
		for (unsigned int poll = 0; poll < 20; poll++)
			overload_poll(&o, OVERLOAD_BACKLOG, now_us += 200);
		overload_poll(&o, OVERLOAD_BUSY, now_us += 200);
		overload_poll(&o, OVERLOAD_IDLE, now_us += 200);
	}
	CHECK_INT(o.share, 0);
}

/* ---- how --------------------------------------------------------------------------------------------------------- */

static void same(struct sip_message *a, struct sip_message *b, enum sip_header_id id)
{
	struct sip_text x = sip_message_value(a, id), y = sip_message_value(b, id);

	CHECK(x.len && sip_text_equal(x, y));
}

static const char head[] = "INVITE sip:4930@10.0.0.1 SIP/2.0\r\n";
static const char rest[] = "Max-Forwards: 70\r\nContact: <sip:10.1.0.5>\r\nContent-Length: 0\r\n\r\n";

/* Forms that INVITEs come in; NULL at the end. */
static const char *const plain[] = {
    "Via: SIP/2.0/UDP 10.1.0.5:5060;branch=z9hG4bKa%u\r\nFrom: <sip:1@x>;tag=1\r\nTo: <sip:2@y>\r\n"
    "Call-ID: a%u\r\nCSeq: 1 INVITE\r\n",
    "Via: SIP/2.0/UDP 10.1.0.5:5060;rport;branch=z9hG4bKb%u;alias\r\nFrom: A <sip:1@x>;tag=1\r\nTo: \"B\" <sip:2@y>\r\n"
    "Call-ID: b%u\r\nCSeq: 7 INVITE\r\n",
    "v:SIP/2.0/UDP other.example;rport;branch=z9hG4bKc%u\r\nVia: SIP/2.0/UDP 10.9.9.9;branch=z9hG4bKx\r\n"
    "f: <sip:1@x>;tag=1\r\nt: <sip:2@y>\r\ni: c%u\r\nCSEQ:  12 INVITE \r\n",
    NULL};
static const char *const unusual[] = {
    "Via: SIP/2.0/UDP 10.1.0.5:5060\r\n ;branch=z9hG4bKd%u\r\nFrom: <sip:1@x>;tag=1\r\nTo: <sip:2@y>\r\n"
    "Call-ID: d%u\r\nCSeq: 1 INVITE\r\n",
    "Via: SIP/2.0/UDP 10.1.0.5;branch=z9hG4bKe%u,SIP/2.0/UDP 10.9.9.9;branch=z9hG4bKx\r\nFrom: <sip:1@x>;tag=1\r\n"
    "To: sip:2@y\r\nCall-ID: e%u\r\nCSeq: 1 INVITE\r\n",
    "Via : SIP/2.0/UDP 10.1.0.5:5060;branch=z9hG4bKf%u\r\nFrom: <sip:1@x>;tag=1\r\nTo: <sip:2@y>\r\n"
    "Call-ID: f%u\r\nCSeq: 1 INVITE\r\n",
    "Via: SIP/2.0/UDP 10.1.0.5;branch=old%u\r\nFrom: <sip:1@x>;tag=1\r\nTo: <sip:2@y>\r\nCall-ID: g%u\r\nCSeq: 1 "
    "INVITE\r\n",
    NULL};

static void offer(struct lab *lab, const char *form, unsigned int n)
{
	char text[2048];
	int len = snprintf(text, sizeof(text), "%s", head);

	len += snprintf(text + len, sizeof(text) - (size_t)len, form, n, n);
	len += snprintf(text + len, sizeof(text) - (size_t)len, "%s", rest);
	lab_receive(lab, CUSTOMER, text, (size_t)len);
}

/* The short way and the long way (all slots are taken) say the same, but for the tag and the seconds. */
static void both_ways_say_the_same(void)
{
	struct lab *lab = lab_new();

	for (unsigned int i = 0; plain[i]; i++) {
		struct sip_message *fast, *slow;
		uint64_t shed = lab_count(lab, COUNTER_signaling_calls_shed);

		lab->engine->overload.share = OVERLOAD_ALL;
		offer(lab, plain[i], 2 * i);
		fast = lab_take(lab, CUSTOMER, "SIP/2.0 503");
		CHECK_INT(lab_count(lab, COUNTER_signaling_calls_shed), shed + 1);
		CHECK_INT(lab_count(lab, COUNTER_signaling_invites), i);
		lab->engine->overload.share = 0;
		lab->engine->draining = true;
		offer(lab, plain[i], 2 * i);
		slow = lab_take(lab, CUSTOMER, "SIP/2.0 503");
		lab->engine->draining = false;
		if (!fast || !slow)
			break;
		CHECK_INT(sip_message_via(fast)->rport, sip_message_via(slow)->rport);
		CHECK(sip_text_equal(sip_message_via(fast)->received, sip_message_via(slow)->received));
		CHECK(sip_text_equal(sip_message_via(fast)->branch, sip_message_via(slow)->branch));
		CHECK(sip_text_equal(sip_message_to(fast)->uri, sip_message_to(slow)->uri));
		CHECK_INT(sip_message_to(fast)->tag.len, sip_message_to(slow)->tag.len);
		same(fast, slow, SIP_H_FROM);
		same(fast, slow, SIP_H_CALL_ID);
		same(fast, slow, SIP_H_CSEQ);
		CHECK(sip_message_value(fast, SIP_H_RETRY_AFTER).len == 1);
	}
	lab_free(lab);
}

static void unusual_ones_are_refused_too(void)
{
	struct lab *lab = lab_new();

	lab->engine->overload.share = OVERLOAD_ALL;
	for (unsigned int i = 0; unusual[i]; i++) {
		struct sip_message *response;

		offer(lab, unusual[i], i);
		response = lab_take(lab, CUSTOMER, "SIP/2.0 503");
		CHECK(response && sip_message_value(response, SIP_H_RETRY_AFTER).len);
		CHECK_INT(lab_count(lab, COUNTER_signaling_calls_shed), i + 1);
		CHECK_INT(lab_count(lab, COUNTER_signaling_invites), i + 1);
	}
	CHECK_INT(lab_standing(lab), 0);
	lab_free(lab);
}

/* Nothing is kept of it: it comes again, and its ACK comes, for next to nothing. */
static void refused_once_and_again(void)
{
	struct lab *lab = lab_new();
	struct sip_message *first, *again;
	struct identifier_tag id;
	struct text_hash key;

	lab->engine->overload.share = OVERLOAD_ALL;
	lab_invite(lab, 1, "4930", lab_sdp, "");
	first = lab_take(lab, CUSTOMER, "SIP/2.0 503");
	lab_invite(lab, 1, "4930", lab_sdp, "");
	again = lab_take(lab, CUSTOMER, "SIP/2.0 503");
	CHECK(first && again && first->len == again->len && memcmp(first->data, again->data, first->len) == 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_calls_shed), 2);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
	/* Nobody learns from it which chain the INVITE would have lain in. */
	CHECK(!transaction_stands(lab->engine, sip_message_via(first), &key));
	CHECK(identifier_tag_parse(&id, lab->engine->hash_key, sip_message_to(first)->tag) == 0);
	CHECK(id.nonce != (uint32_t)key.a && id.nonce != (uint32_t)key.b);
	lab_ack_failure(lab, CUSTOMER, first);
	CHECK_INT(lab_count(lab, COUNTER_signaling_acks_shed), 1);
	lab->engine->overload.share = 0;
	lab_ack_failure(lab, CUSTOMER, first);
	CHECK_INT(lab_count(lab, COUNTER_signaling_acks_shed), 2);
	CHECK_INT(lab_waiting(lab, NULL), 0);
	CHECK_INT(lab->cdr_count, 0);
	lab_free(lab);
}

/* What is under way goes on, however much is refused. */
static void what_stands_is_left_alone(void)
{
	struct lab *lab = lab_new();
	struct sip_message answer, invite;

	lab_invite(lab, 2, "4930", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	CHECK(lab_take(lab, VENDOR(0), "INVITE "));
	CHECK(lab_call(lab, 1, &answer, &invite));
	lab->engine->overload.share = OVERLOAD_ALL;
	lab_invite(lab, 2, "4930", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	lab_caller_request(lab, &answer, "INVITE", 2, lab_sdp);
	CHECK(lab_take(lab, VENDOR(0), "INVITE "));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	lab_caller_request(lab, &answer, "BYE", 3, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	CHECK_INT(lab_count(lab, COUNTER_signaling_calls_shed), 0);
	lab_free(lab);
}

/* Every beginning of a message, and each with one byte that is wrong (the sanitizers watch). */
static void broken_ones_harm_nobody(void)
{
	struct lab *lab = lab_new();
	char text[1024];
	int len = snprintf(text, sizeof(text), "%s", head);

	len += snprintf(text + len, sizeof(text) - (size_t)len, plain[1], 1u, 1u);
	len += snprintf(text + len, sizeof(text) - (size_t)len, "%s", rest);
	lab->engine->overload.share = OVERLOAD_ALL;
	for (int i = 0; i < len; i++) {
		char saved = text[i];

		lab_receive(lab, CUSTOMER, text, (size_t)i);
		for (unsigned int k = 0; k < 4; k++) {
			text[i] = "\r\n\t;"[k];
			lab_receive(lab, CUSTOMER, text, (size_t)len);
		}
		text[i] = saved;
		lab_skip(lab, NULL);
	}
	CHECK_INT(lab_standing(lab), 0);
	lab_free(lab);
}

static const struct check_case cases[] = {
    {"nothing is refused without need", nothing_is_refused_without_need},
    {"as much as needed is", as_much_as_needed_is},
    {"soon enough", soon_enough},
    {"all is well again at once", all_is_well_again_at_once},
    {"a processor taken away is none", a_processor_taken_away_is_none},
    {"both ways say the same", both_ways_say_the_same},
    {"unusual ones are refused, too", unusual_ones_are_refused_too},
    {"refused once and again", refused_once_and_again},
    {"what stands is left alone", what_stands_is_left_alone},
    {"broken ones harm nobody", broken_ones_harm_nobody},
};

CHECK_MAIN(cases)
