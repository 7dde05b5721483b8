/* SPDX-License-Identifier: Apache-2.0 */
/* What peers do that is rare, wrong or hostile, and what then has to be true. */
#include <stdlib.h>

#include "lab.h"
#include "signaling/call.h"
#include "tests/unit/check.h"

/* An offerless INVITE whose ACK never comes: what waited for that ACK is gone by then, and not touched any more. */
static void offerless_never_acknowledged(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	/* The transaction of the vendor's 200 ends before that of ours, as one does that is given up for want of room. */
	lab->config.parameters.resend_count = 2;
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", NULL, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	lab->config.parameters.resend_count = 10;
	lab->engine->transactions->schedules[lab->snapshot->serial % TRANSACTION_SCHEDULES].count = 10;
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
	lab_check_empty(lab);
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
	lab_check_empty(lab);
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
	lab_check_empty(lab);
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

static void invite_by(struct lab *lab, const char *branch)
{
	lab_text(lab, CUSTOMER,
		 "INVITE sip:4930123@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.5:5060;branch=z9hG4bK%s\r\n"
		 "Max-Forwards: 70\r\nFrom: <sip:a@10.1.0.5>;tag=a\r\nTo: <sip:4930123@10.0.0.1>\r\nCall-ID: ways\r\n"
		 "CSeq: 1 INVITE\r\nContact: <sip:a@10.1.0.5>\r\nContent-Type: application/sdp\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 branch, strlen(lab_sdp), lab_sdp);
}

/* An INVITE by two ways is one (RFC 3261 section 8.2.2.2); a while after it was refused it is another attempt. */
static void by_another_way(void)
{
	struct lab *lab = lab_new();

	lab->config.routing_gateways_count = 1;
	lab_reload(lab);
	invite_by(lab, "one");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	invite_by(lab, "two");
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 482"));
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 503, "v", NULL, "");
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 503"));
	lab_skip(lab, NULL);
	invite_by(lab, "two");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 482"));
	lab_sleep(lab, 6000);
	invite_by(lab, "one"); /* long on its way: still the same */
	CHECK_INT(lab_waiting(lab, NULL), 0);
	invite_by(lab, "two");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 503, "v", NULL, "");
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 503"));
	lab_check_empty(lab);
	lab_free(lab);
}

/* An INVITE of a stranger's, from this user. */
static void invite_of_stranger(struct lab *lab, const char *user, unsigned int n)
{
	lab_text(lab, "10.9.0.1:5060",
		 "INVITE sip:1@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.9.0.1:5060;branch=z9hG4bKf%u\r\n"
		 "Max-Forwards: 70\r\nFrom: <sip:%s@10.9.0.1>;tag=f%u\r\nTo: <sip:1@10.0.0.1>\r\nCall-ID: f%u\r\n"
		 "CSeq: 1 INVITE\r\nContact: <sip:x@10.9.0.1>\r\nContent-Length: 0\r\n\r\n",
		 n, user, n, n);
}

/* A flood of INVITEs of strangers, who acknowledge nothing, takes no room, and none in the ring of the records. */
static void flood_of_strangers(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	lab->cdrs_stay = true;
	for (unsigned int i = 0; i < 20000; i++) {
		invite_of_stranger(lab, "x", i);
		for (unsigned int j = 0; j < lab->sent_count; j++)
			free(lab->sent[j].data);
		lab->sent_count = 0;
	}
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_calls), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_cdrs) + lab_count(lab, COUNTER_signaling_refusals_unrecorded),
		  20000);
	CHECK(lab_call(lab, 1, &answer, &invite));
	lab->cdrs_stay = false;
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	lab_check_empty(lab);
	lab_free(lab);
}

/* One answer to each INVITE whose sender has proved nothing, and not another one while it is not acknowledged. */
static void answered_once(void)
{
	struct lab *lab = lab_new();
	struct config_phone phone = {.user = (char *)(uintptr_t) "bob", .password = (char *)(uintptr_t) "secret"};
	static const struct {
		const char *user, *answer;
		bool spool_full;
	} strangers[] = {{"bob", "SIP/2.0 407"}, {"x", "SIP/2.0 403"}, {"x", "SIP/2.0 503", true}};

	lab->config.phones = &phone;
	lab->config.phones_count = 1;
	lab_reload(lab);
	for (unsigned int i = 0; i < 3; i++) {
		atomic_store(&lab->status->process[ROLE_CDRWRITER].spool_full, strangers[i].spool_full);
		for (unsigned int again = 0; again < 2; again++) {
			invite_of_stranger(lab, strangers[i].user, i);
			lab_sleep(lab, 40000);
			CHECK_INT(lab_waiting(lab, NULL), 1);
			lab_ack_failure(lab, "10.9.0.1:5060", lab_take(lab, "10.9.0.1:5060", strangers[i].answer));
			CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
		}
	}
	CHECK_INT(lab_count(lab, COUNTER_signaling_acks_shed), 6);
	CHECK_INT(lab->cdr_count, 2); /* of the 403s */
	CHECK_INT(lab->cdrs[0].reason, END_FORBIDDEN_SOURCE);
	CHECK_INT(lab->cdrs[0].code, 403);
	lab_free(lab);
}

/* Without room for an INVITE the caller is told to come back, not that its message is too long. */
static void buffers_run_out(void)
{
	struct lab *lab = lab_new();
	struct message_pool *pool = &lab->engine->transactions->messages;
	static char large[3000];

	for (unsigned int i = 0; i < MESSAGE_POOL_CLASSES; i++)
		pool->class[i].used = pool->class[i].count;
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 503"), "Retry-After: "));
	CHECK_INT(lab_count(lab, COUNTER_signaling_calls_refused_memory), 1);
	for (unsigned int i = 0; i < MESSAGE_POOL_CLASSES; i++)
		pool->class[i].used = 0;
	/* The same for the blocks that hold what does not fit into a record. */
	lab->engine->calls->small_blocks.count = lab->engine->calls->large_blocks.count = 0;
	strcpy(large, "Record-Route: <sip:10.1.0.5;lr>");
	for (unsigned int i = 0; i < 30; i++)
		strcat(large, ", <sip:a.long.name.of.a.proxy.example.net:5060;lr>");
	strcat(large, "\r\n");
	lab_invite(lab, 2, "4930123", lab_sdp, large);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 503"), "Retry-After: "));
	CHECK_INT(lab_count(lab, COUNTER_signaling_calls_refused_memory), 2);
	CHECK_INT(lab->cdr_count, 0);
	lab_check_empty(lab);
	lab_free(lab);
}

/* What only the set-up needs lies in a block, which is given back when that is over; without one it takes the arena. */
static void blocks_come_back(void)
{
	struct lab *lab = lab_new();
	struct calls *calls = lab->engine->calls;
	uint32_t small = calls->small_blocks.count, large = calls->large_blocks.count;
	static struct sip_message answer, invite;
	static char route[1400];

	for (unsigned int round = 0; round < 3; round++) {
		const struct call_record *record = call_table_record(lab->calls, 0);

		strcpy(route, round == 2 ? "Record-Route: <sip:10.1.0.5;lr>" : "");
		for (unsigned int i = 0; i < 24 && round == 2; i++)
			strcat(route, ", <sip:a.long.name.of.a.proxy.example.net:5060;lr>");
		strcat(route, round == 2 ? "\r\n" : "");
		calls->small_blocks.count = round == 1 ? 0 : small;
		lab_invite(lab, round, "4930123", lab_sdp, route);
		lab_skip(lab, CUSTOMER);
		invite = *lab_take(lab, VENDOR(0), "INVITE ");
		CHECK_INT(record->block != 0, round != 1);
		CHECK_INT(record->response.offset >= CALL_ARENA, round != 1);
		lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
		answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
		/* The route does not fit into the arena. */
		CHECK_INT(record->block > call_table_small_blocks(calls->count), round == 2);
		CHECK(round != 2 || has(&answer, "<sip:a.long.name.of.a.proxy.example.net:5060;lr>"));
		lab_caller_request(lab, &answer, "ACK", 1, NULL);
		CHECK_INT(record->block != 0, round == 2);
		CHECK_INT(calls->small_blocks.count, round == 1 ? 0 : small);
		lab_caller_request(lab, &answer, "BYE", 2, NULL);
		lab_skip(lab, CUSTOMER);
		lab_reply(lab, lab_take(lab, VENDOR(0), "BYE "), VENDOR(0), 200, "", NULL, "");
		CHECK_INT(lab_standing(lab), 0);
		CHECK_INT(calls->large_blocks.count, large);
	}
	CHECK_INT(calls->small_blocks.count, small);
	lab_check_empty(lab);
	lab_free(lab);
}

/* A peer that names another Contact in each refresh, now longer, now shorter, takes room for a few. */
static void contacts_change(void)
{
	struct lab *lab = lab_new();
	const struct call_record *record = call_table_record(lab->calls, 0);
	static struct sip_message answer, invite;
	char from[32];

	CHECK(lab_call(lab, 1, &answer, &invite));
	uint32_t used = record->arena_used;

	for (unsigned int i = 0; i < 60; i++) {
		snprintf(from, sizeof(from), "10.2.0.1:%u", i % 3 ? 20000 + i : 2000 + i);
		lab_callee_request(lab, &invite, from, "v", "UPDATE", i + 1, NULL);
		CHECK(lab_take(lab, from, "SIP/2.0 200"));
	}
	CHECK(record->block == 0 && record->arena_used <= used + strlen("sip:x@10.2.0.1:20059"));
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	CHECK(has(lab_take(lab, from, "BYE sip:x@10.2.0.1:20059 "), "\r\nTo: <sip:4930123@10.2.0.1:5060>;tag=v\r\n"));
	lab_check_empty(lab);
	lab_free(lab);
}

/*
 * What is kept for a call's whole life takes half of the blocks at the most, and none for an answer in an ACK that can
 * be made anew: set-ups, which can't do without, find one.
 */
static void blocks_are_left_for_setups(void)
{
	static const char rich[] =
	    "v=0\r\no=peer 1 1 IN IP4 10.1.0.5\r\ns=-\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\n"
	    "m=audio 4000 RTP/AVPF 8 18 96 97 101\r\na=rtpmap:96 opus/48000/2\r\n"
	    "a=rtpmap:97 AMR-WB/16000\r\na=rtcp-fb:* nack\r\na=rtpmap:101 telephone-event/8000\r\n";
	static struct sip_message answer, invite;
	static char route[400];

	/* The arena is nearly full then. */
	snprintf(route, sizeof(route), "Record-Route: <sip:10.1.0.5;lr;x=%0250d>\r\n", 1);
	for (unsigned int variant = 0; variant < 4; variant++) {
		struct lab *lab = lab_new();
		struct calls *calls = lab->engine->calls;
		uint32_t small = call_table_small_blocks(calls->count);
		const struct call_record *record = call_table_record(lab->calls, 0);
		const char *sdp = variant ? rich : lab_sdp;

		if (variant >= 2)
			calls->small_blocks.count = small / 2;
		if (variant == 2)
			calls->large_blocks.count = call_table_large_blocks(calls->count) / 2;
		lab_invite(lab, 1, "4930123", NULL, route);
		lab_skip(lab, CUSTOMER);
		CHECK(record->block);
		invite = *lab_take(lab, VENDOR(0), "INVITE ");
		lab_reply(lab, &invite, VENDOR(0), 200, "v", sdp, "");
		answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
		lab_caller_request(lab, &answer, "ACK", 1, sdp);
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
		CHECK_INT(record->block != 0, variant & 1);
		CHECK_INT(record->block > small, variant == 3);
		CHECK_INT(record->dialog[CALLEE].local_sdp.len != 0, variant & 1);
		lab_free(lab);
	}
}

/* A BYE that finds no transaction goes out when there is one again: the other side must not think it has a call. */
static void bye_without_room(void)
{
	struct lab *lab = lab_new();
	struct transactions *ts = lab->engine->transactions;
	static struct sip_message answer, invite;

	CHECK(lab_call(lab, 1, &answer, &invite));
	struct transaction *unused = ts->free;
	uint32_t used = ts->used;

	ts->free = NULL;
	ts->used = ts->count;
	ts->linger_first = NULL;
	ts->linger_last = &ts->linger_first;
	for (uint32_t i = 0; i < used; i++)
		ts->pool[i].lingering = false;
	CHECK_INT(engine_hangup(lab->engine, call_table_record(lab->calls, 0)->id), 0);
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_sleep(lab, 3000);
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	ts->free = unused;
	ts->used = used;
	lab_sleep(lab, 1100);
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	CHECK(lab_take(lab, CUSTOMER, "BYE "));
	CHECK_INT(lab_count(lab, COUNTER_signaling_byes_given_up), 0);
	lab_check_empty(lab);
	lab_free(lab);
}

/* Nor one for the CANCEL: the phone must not ring on. */
static void cancel_without_room(void)
{
	struct lab *lab = lab_new();
	struct transactions *ts = lab->engine->transactions;
	static struct sip_message invite;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 180, "v", NULL, "");
	struct transaction *unused = ts->free;
	uint32_t used = ts->used;

	ts->free = NULL;
	ts->used = ts->count;
	lab_cancel(lab, 1, "4930123");
	CHECK(lab_count(lab, COUNTER_signaling_transactions_exhausted) > 0);
	lab_sleep(lab, 3000);
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	ts->free = unused;
	ts->used = used;
	lab_sleep(lab, 600);
	CHECK(has(lab_take(lab, VENDOR(0), "CANCEL "), "\r\nReason: "));
	lab_reply(lab, &invite, VENDOR(0), 487, "v", NULL, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	lab_check_empty(lab);
	lab_free(lab);
}

/* A late ACK of the first INVITE is not that of a re-INVITE. */
static void old_ack(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite, passed;

	CHECK(lab_call(lab, 1, &answer, &invite));
	lab_caller_request(lab, &answer, "INVITE", 2, NULL);
	passed = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &passed, VENDOR(0), 200, "", lab_sdp, "");
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_caller_request(lab, &answer, "ACK", 2, lab_sdp);
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), "c=IN IP4 10.0.0.2"));
	lab_caller_request(lab, &answer, "BYE", 3, NULL);
	lab_check_empty(lab);
	lab_free(lab);
}

/* No more does the ACK, come twice, to a re-INVITE that we refused since the first ACK was not there yet. */
static void ack_of_a_refusal(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, failure;

	lab_invite(lab, 1, "4930123", NULL, "");
	lab_skip(lab, CUSTOMER);
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 200, "v", lab_sdp, "");
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_caller_request(lab, &answer, "INVITE", 2, lab_sdp);
	failure = *lab_take(lab, CUSTOMER, "SIP/2.0 491");
	lab_ack_failure(lab, CUSTOMER, &failure);
	lab_ack_failure(lab, CUSTOMER, &failure);
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_caller_request(lab, &answer, "ACK", 1, lab_sdp);
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), "c=IN IP4 10.0.0.2"));
	lab_caller_request(lab, &answer, "BYE", 3, NULL);
	lab_check_empty(lab);
	lab_free(lab);
}

/* A name that stood without quotes may have what does not stand in them as it is. */
static void names_are_quoted(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab_text(lab, CUSTOMER,
		 "INVITE sip:4930123@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.5:5060;branch=z9hG4bKname\r\n"
		 "Max-Forwards: 70\r\nFrom: Ann\\ <sip:4911@10.1.0.5>;tag=a\r\nTo: <sip:4930123@10.0.0.1>\r\n"
		 "Call-ID: name\r\nCSeq: 1 INVITE\r\nContact: <sip:a@10.1.0.5>\r\n"
		 "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
		 strlen(lab_sdp), lab_sdp);
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK(has(&invite, "From: \"Ann\\\\\" <sip:4911@"));
	CHECK(sip_message_from(&invite) && sip_message_from(&invite)->tag.len);
	lab_free(lab);
}

/* The cause that a peer tells goes into the record and to the other side. */
static void causes_pass(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;
	struct sip_message *m;

	lab->config.routing_gateways_count = 1;
	lab_reload(lab);
	lab_invite(lab, 2, "4930123", lab_sdp, "");
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 503, "v", NULL,
		  "Reason: SIP;cause=503, Q.850;cause=34;text=\"no circuit\"\r\n");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 503"), "Reason: Q.850;cause=34"));
	CHECK_INT(lab->cdr_count, 1);
	CHECK_INT(lab->cdrs[0].cause, 34);
	lab_skip(lab, NULL);
	CHECK(lab_call(lab, 1, &answer, &invite));
	lab_text(lab, VENDOR(0),
		 "BYE sip:10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.2.0.1;branch=z9hG4bKcause\r\n"
		 "From: %.*s;tag=v\r\nTo: %.*s\r\nCall-ID: %.*s\r\nCSeq: 1 BYE\r\nReason: Q.850;cause=31\r\n"
		 "Reason: Q.850;cause=4000\r\nContent-Length: 0\r\n\r\n",
		 (int)sip_message_to(&invite)->text.len, sip_message_to(&invite)->text.at,
		 (int)sip_message_from(&invite)->text.len, sip_message_from(&invite)->text.at,
		 (int)sip_message_call_id(&invite).len, sip_message_call_id(&invite).at);
	m = lab_take(lab, CUSTOMER, "BYE ");
	CHECK(has(m, "Reason: Q.850;cause=31\r\n"));
	CHECK_INT(lab->cdrs[1].cause, 31);
	lab_check_empty(lab);
	lab_free(lab);
}

/* A vendor answers what it was asked in one call as if it had been another call. */
static void answer_of_another_call(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite, other_answer, other, passed;
	const struct sip_via *via;

	CHECK(lab_call(lab, 1, &answer, &invite));
	CHECK(lab_call(lab, 2, &other_answer, &other));
	lab_caller_request(lab, &answer, "INVITE", 2, lab_sdp);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	passed = *lab_take(lab, VENDOR(0), "INVITE ");
	via = sip_message_via(&passed);
	lab_text(lab, VENDOR(0),
		 "SIP/2.0 488 No\r\nVia: %.*s\r\nFrom: %.*s\r\nTo: %.*s;tag=v\r\nCall-ID: %.*s\r\nCSeq: %u INVITE\r\n"
		 "Content-Length: 0\r\n\r\n",
		 (int)via->text.len, via->text.at, (int)sip_message_from(&other)->text.len,
		 sip_message_from(&other)->text.at, (int)sip_message_to(&other)->text.len,
		 sip_message_to(&other)->text.at, (int)sip_message_call_id(&other).len, sip_message_call_id(&other).at,
		 sip_message_cseq(&passed)->number);
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 481"));
	lab_skip(lab, NULL);
	lab_caller_request(lab, &answer, "INVITE", 3, lab_sdp);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100")); /* the way is free again */
	CHECK(lab_take(lab, VENDOR(0), "INVITE "));
	lab_caller_request(lab, &answer, "BYE", 4, NULL);
	lab_caller_request(lab, &other_answer, "BYE", 2, NULL);
	lab_check_empty(lab);
	lab_free(lab);
}

/* Killed between the 200 to an offerless INVITE and the ACK that brings the description. */
static void killed_before_answer(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	lab_invite(lab, 1, "4930123", NULL, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_restart(lab);
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, ""); /* again: its ACK will have a description */
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_caller_request(lab, &answer, "ACK", 1, lab_sdp);
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), "c=IN IP4 10.0.0.2"));
	lab_restart(lab);
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, ""); /* that ACK was lost */
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), "c=IN IP4 10.0.0.2"));
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	lab_check_empty(lab);
	lab_free(lab);
}

/* Each of many calls that were ringing is cancelled, whatever transactions the others take. */
static void killed_while_many_ring(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab->config.routing_gateways_count = 1;
	lab_reload(lab);
	for (unsigned int i = 0; i < 8; i++) {
		lab_invite(lab, i, "4930123", lab_sdp, "");
		invite = *lab_take(lab, VENDOR(0), "INVITE ");
		lab_reply(lab, &invite, VENDOR(0), 180, "v", NULL, "");
	}
	lab_skip(lab, NULL);
	lab_restart(lab);
	for (unsigned int i = 0; i < 8; i++)
		CHECK(lab_take(lab, VENDOR(0), "CANCEL "));
	lab_check_empty(lab);
	lab_free(lab);
}

static bool same(const struct sip_message *a, const struct sip_message *b)
{
	return a && b && a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Where its own addresses lead nowhere, a fork that answers after the first is hung up where it is heard. */
static void late_fork_behind_nat(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;
	static const char behind[] = "192.168.7.7:5060";
	struct call *call = &lab->engine->calls->call[0];

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	call->callee_invite->behind_nat = true;
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	lab_reply(lab, &invite, VENDOR(0), 200, "fork", lab_sdp, "Record-Route: <sip:192.168.7.7:5060;lr>\r\n");
	CHECK_INT(lab_waiting(lab, behind), 0);
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), "tag=fork"));
	CHECK(has(lab_take(lab, VENDOR(0), "BYE "), "tag=fork"));
	lab_free(lab);
}

/* Of a fork one phone has refused for all, and another one still answers: it is hung up. */
static void answer_after_a_failure(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 486, "v", NULL, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100") && lab_take(lab, CUSTOMER, "SIP/2.0 486"));
	lab_reply(lab, &invite, VENDOR(0), 200, "fork", lab_sdp, "");
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), "tag=fork"));
	CHECK(has(lab_take(lab, VENDOR(0), "BYE "), "tag=fork"));
	CHECK_INT(lab_waiting(lab, CUSTOMER), 0);
	lab_free(lab);
}

/* The customer's BYE, the very same each time. */
static void hang_up(struct lab *lab, struct sip_message *answer)
{
	struct sip_text to = sip_message_value(answer, SIP_H_TO), from = sip_message_value(answer, SIP_H_FROM);

	lab_text(lab, CUSTOMER,
		 "BYE sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.5:5060;branch=z9hG4bKbye;rport\r\n"
		 "Max-Forwards: 70\r\nFrom: %.*s\r\nTo: %.*s\r\nCall-ID: call1\r\nCSeq: 2 BYE\r\n"
		 "Content-Length: 0\r\n\r\n",
		 (int)from.len, from.at, (int)to.len, to.at);
}

/* What comes again after the transactions of a call have ended is met as it was the first time. */
static void resends_after_the_end(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite, ack, again, bye, answer;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	lab_skip(lab, CUSTOMER);
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	ack = *lab_take(lab, VENDOR(0), "ACK ");
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	lab_skip(lab, NULL);
	/* Our ACK was lost: the very same again. An INVITE that was late, and by another way; a late 180. */
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	again = *lab_take(lab, VENDOR(0), "ACK ");
	CHECK(same(&ack, &again));
	lab_reply(lab, &invite, VENDOR(0), 180, "v", NULL, "");
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	CHECK_INT(lab_waiting(lab, NULL), 0);
	CHECK_INT(lab_standing(lab), 1);
	lab_cancel(lab, 1, "4930123");
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "CSeq: 1 CANCEL"));
	CHECK_INT(lab_count(lab, COUNTER_signaling_responses_stray), 0);
	/* Another phone behind the vendor answers, too: it is hung up. */
	lab_reply(lab, &invite, VENDOR(0), 200, "fork", lab_sdp, "");
	CHECK(has(lab_take(lab, VENDOR(0), "ACK "), "tag=fork"));
	bye = *lab_take(lab, VENDOR(0), "BYE ");
	CHECK(has(&bye, "tag=fork"));
	lab_reply(lab, &bye, VENDOR(0), 200, "", NULL, "");
	lab_skip(lab, NULL);
	/* The same BYE twice: the same answer, one call's end. */
	hang_up(lab, &answer);
	again = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	hang_up(lab, &answer);
	CHECK(same(&again, lab_take(lab, CUSTOMER, "SIP/2.0 200")));
	bye = *lab_take(lab, VENDOR(0), "BYE ");
	lab_reply(lab, &bye, VENDOR(0), 200, "", NULL, "");
	hang_up(lab, &answer);
	CHECK(same(&again, lab_take(lab, CUSTOMER, "SIP/2.0 200")));
	/* A 200 that was long on its way: the call is over, but an ACK is all that it gets. */
	CHECK_INT(lab_standing(lab), 0);
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	again = *lab_take(lab, VENDOR(0), "ACK ");
	CHECK(sip_text_equal(sip_message_via(&ack)->branch, sip_message_via(&again)->branch));
	lab_sleep(lab, 1000);
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	/* The INVITE once more: still no second call. */
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_check_empty(lab);
	lab_free(lab);
}

/* From a stranger, with a Via so long. */
static void send_long(struct lab *lab, const char *method, unsigned int n, unsigned int via)
{
	static char text[65536];
	int len = snprintf(text, sizeof(text),
			   "%s sip:10.0.0.1 SIP/2.0\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: long%u\r\n"
			   "CSeq: 1 %s\r\nContact: <sip:a@b>\r\nContent-Length: 0\r\n"
			   "Via: SIP/2.0/UDP 10.9.0.1:5060;branch=z9hG4bKl%u;x=",
			   method, n, method, n);

	memset(text + len, 'a', via);
	memcpy(text + len + via, "\r\n\r\n", 4);
	lab_receive(lab, "10.9.0.1:5060", text, (size_t)len + via + 4);
}

/* A request whose answer would be longer than a datagram: refused, or dropped, and nothing stands for it. */
static void too_long_to_be_answered(void)
{
	static const char *const methods[] = {"REGISTER", "INVITE", "OPTIONS"};
	struct lab *lab = lab_new();

	for (unsigned int i = 0; i < 3; i++) {
		send_long(lab, methods[i], i, 65330);
		CHECK_INT(lab_waiting(lab, NULL), 0);
		send_long(lab, methods[i], i, 60000);
		CHECK(has(lab_take(lab, "10.9.0.1:5060", "SIP/2.0 513"), "Call-ID: long"));
	}
	CHECK_INT(lab_count(lab, COUNTER_signaling_datagrams_dropped), 3);
	CHECK_INT(lab_count(lab, COUNTER_signaling_build_failures), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
	/* What may come is answered, and then is gone. */
	for (unsigned int i = 0; i < 3; i++)
		send_long(lab, methods[i], 10 + i, 59700);
	CHECK(lab_waiting(lab, NULL) >= 3);
	CHECK_INT(lab_count(lab, COUNTER_signaling_build_failures), 0);
	lab_check_empty(lab);
	lab_free(lab);
}

/* An answer of ours that does not fit all the same ends its transaction: nobody would ever answer it. */
static void answer_that_does_not_fit(void)
{
	struct lab *lab = lab_new();
	struct engine *engine = lab->engine;
	static struct sip_message invite, answer;
	static char longer[65000], reason[2000];
	struct sip_flow flow = {.port = 0};

	CHECK(lab_call(lab, 1, &answer, &invite));
	unsigned int before = (unsigned int)lab_count(lab, COUNTER_signaling_transactions);
	int len = snprintf(longer, sizeof(longer),
			   "INFO sip:x SIP/2.0\r\nCall-ID: x\r\nCSeq: 1 INFO\r\n"
			   "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nVia: SIP/2.0/UDP h;x=");

	memset(longer + len, 'a', sizeof(longer) - (size_t)len);
	memcpy(longer + sizeof(longer) - 4, "\r\n\r\n", 4);
	CHECK_INT(sip_message_parse(&invite, longer, sizeof(longer)), SIP_PARSE_OK);
	flow.remote.family = flow.local.family = NET_IP4;
	transaction_send_for(engine, &invite);
	struct transaction *t = transaction_server_new(engine, &flow, &invite);

	memset(reason, 'r', sizeof(reason) - 1);
	CHECK(transaction_respond(engine, t, &invite, 200, reason, NULL) < 0);
	engine_tick(engine, lab->now_us);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), before + 1); /* its tombstone */
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	lab_check_empty(lab);
	lab_free(lab);
}

static const struct check_case cases[] = {
    {"an offerless INVITE is never acknowledged", offerless_never_acknowledged},
    {"the customer's response codes", response_codes_rewritten},
    {"foreign tags", foreign_tags},
    {"branches are secret", branches_are_secret},
    {"a CANCEL is ignored", cancel_is_ignored},
    {"by another way", by_another_way},
    {"a flood of strangers", flood_of_strangers},
    {"strangers are answered once", answered_once},
    {"buffers run out", buffers_run_out},
    {"blocks come back", blocks_come_back},
    {"a Contact that changes all the time", contacts_change},
    {"blocks are left for set-ups", blocks_are_left_for_setups},
    {"a BYE without room", bye_without_room},
    {"a CANCEL without room", cancel_without_room},
    {"an old ACK", old_ack},
    {"an ACK of a refusal", ack_of_a_refusal},
    {"names are quoted", names_are_quoted},
    {"causes pass", causes_pass},
    {"an answer of another call", answer_of_another_call},
    {"killed before the answer", killed_before_answer},
    {"killed while many ring", killed_while_many_ring},
    {"resends after the end", resends_after_the_end},
    {"a late fork behind NAT", late_fork_behind_nat},
    {"too long to be answered", too_long_to_be_answered},
    {"an answer that does not fit", answer_that_does_not_fit},
    {"an answer after a failure", answer_after_a_failure},
};
CHECK_MAIN(cases)
