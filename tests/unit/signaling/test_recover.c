/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 at every moment. A script is run once; before every store to the call records the shared memory is copied
 * as a killed process would leave it: the records are write-protected, and each fault lets one instruction pass.
 * Then every copy is given to a new engine, whose peers answer as peers do, and in the end nothing may stand, and
 * each call has exactly one final record. Where instructions can't be stepped (not x86-64), the moments are the
 * datagrams sent.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "lab.h"
#include "signaling/rtp_ports.h"
#include "tests/unit/check.h"

#define MOMENTS   4096
#define RECORDS   2 /* of the scripts' calls: the first slots */
#define RING_COPY 8192u

struct moment {
	uint8_t records[sizeof(struct call_table) + RECORDS * sizeof(struct call_record)];
	uint8_t blocks[RECORDS * CALL_SMALL_BLOCK]; /* the first ones, too */
	uint8_t cdr_ring[sizeof(struct ring) + RING_COPY];
	uint64_t now_us;
};

static struct moment *moments;
static unsigned int moment_count;
static struct lab *watched;

static void keep(struct moment *m, const struct lab *lab)
{
	memcpy(m->records, lab->calls, sizeof(m->records));
	memcpy(m->blocks, call_table_block(lab->calls, LAB_CALLS, 0), sizeof(m->blocks));
	memcpy(m->cdr_ring, lab->cdr_ring, sizeof(m->cdr_ring));
	m->now_us = lab->now_us;
}

/* The shared memory is as it was then. */
static void go_back(struct lab *lab, const struct moment *m)
{
	memcpy(lab->calls, m->records, sizeof(m->records));
	memcpy(call_table_block(lab->calls, LAB_CALLS, 0), m->blocks, sizeof(m->blocks));
	memcpy(lab->cdr_ring, m->cdr_ring, sizeof(m->cdr_ring));
	ring_consumer_attach(&lab->cdr, lab->cdr_ring);
}

static void record_moment(struct lab *lab)
{
	struct moment *m = &moments[moment_count];

	if (moment_count == MOMENTS)
		return;
	keep(m, lab);
	if (moment_count == 0 || memcmp(m[-1].records, m->records, sizeof(m->records)) != 0 ||
	    memcmp(m[-1].blocks, m->blocks, sizeof(m->blocks)) != 0 ||
	    memcmp(m[-1].cdr_ring, m->cdr_ring, sizeof(m->cdr_ring)) != 0)
		moment_count++;
}

#ifdef __x86_64__
#define TRAP_FLAG 0x100

static void protect(struct lab *lab, int access)
{
	mprotect(lab->calls, (lab->calls_size + 4095) & ~(size_t)4095, access);
}

static void on_store(int signal, siginfo_t *info, void *context)
{
	ucontext_t *at = context;

	if (signal == SIGTRAP) {
		at->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
		protect(watched, PROT_READ);
		return;
	}
	if ((char *)info->si_addr < (char *)watched->calls ||
	    (char *)info->si_addr >= (char *)watched->calls + watched->calls_size + 4096)
		abort();
	record_moment(watched);
	protect(watched, PROT_READ | PROT_WRITE);
	at->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void watch(struct lab *lab)
{
	struct sigaction action = {.sa_sigaction = on_store, .sa_flags = SA_SIGINFO | SA_NODEFER};

	watched = lab;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGTRAP, &action, NULL);
	protect(lab, PROT_READ);
}

static void unwatch(struct lab *lab)
{
	protect(lab, PROT_READ | PROT_WRITE);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGTRAP, SIG_DFL);
}
#else
static void watch(struct lab *lab)
{
	lab->moment = record_moment;
}

static void unwatch(struct lab *lab)
{
	lab->moment = NULL;
}
#endif

/* The peers: whatever request they get they answer, whatever 200 the customer gets it acknowledges. */
static void peers_answer(struct lab *lab, unsigned int *from)
{
	for (; *from < lab->sent_count; (*from)++) {
		struct lab_sent *sent = &lab->sent[*from];
		static struct sip_message m;
		char peer[NET_ADDR_TEXT];

		net_addr_print(&sent->flow.remote, peer);
		if (sip_message_parse(&m, sent->data, sent->len) != SIP_PARSE_OK)
			continue;
		if (m.is_request && m.method != SIP_ACK && m.method != SIP_INVITE)
			lab_reply(lab, &m, peer, 200, "", NULL, "");
		else if (!m.is_request && m.status == 200 && sip_message_cseq(&m)->method == SIP_INVITE)
			lab_caller_request(lab, &m, "ACK", sip_message_cseq(&m)->number, NULL);
	}
}

static unsigned int distinct_finals(const struct lab *lab, bool *differ)
{
	unsigned int count = 0;

	*differ = false;
	for (unsigned int i = 0; i < lab->cdr_count; i++) {
		bool again = false;

		for (unsigned int j = 0; j < i; j++) {
			if (memcmp(lab->cdrs[i].id, lab->cdrs[j].id, 16) != 0)
				continue;
			if (lab->cdrs[i].attempt == lab->cdrs[j].attempt) {
				again = true;
				*differ |= memcmp(&lab->cdrs[i], &lab->cdrs[j], sizeof(lab->cdrs[i])) != 0;
			} else {
				*differ |= lab->cdrs[i].final && lab->cdrs[j].final;
			}
		}
		count += lab->cdrs[i].final && !again;
	}
	return count;
}

/* Those of one call are numbered from 1, without a gap. */
static bool numbered(const struct lab *lab)
{
	uint32_t seen = 0, last = 0;

	for (unsigned int i = 0; i < lab->cdr_count; i++) {
		seen |= 1u << lab->cdrs[i].attempt;
		last = lab->cdrs[i].attempt > last ? lab->cdrs[i].attempt : last;
	}
	return seen == (2u << last) - 2;
}

static unsigned int standing_in(const void *calls, enum call_state least, enum call_state most)
{
	unsigned int count = 0;

	for (uint32_t slot = 0; slot < LAB_CALLS; slot++) {
		uint8_t state = atomic_load(&call_table_record(calls, slot)->state);

		count += state >= least && state <= most;
	}
	return count;
}

/* A life after the moment: conversations stand until the operator ends them. Mail comes before it looks at a call. */
static void live_on(const struct moment *m, unsigned int number, void (*mail)(struct lab *lab))
{
	struct lab *lab = lab_new();
	unsigned int from = 0;
	bool differ;
	int before = check_failures;

	go_back(lab, m);
	unsigned int talks = standing_in(lab->calls, CALL_ANSWERED, CALL_ESTABLISHED);
	unsigned int known = standing_in(lab->calls, CALL_SETUP, CALL_BILLED);

	lab->now_us = m->now_us + US_PER_S;
	lab_kill(lab);
	if (mail && known)
		mail(lab);
	lab_sleep(lab, 1);
	for (unsigned int i = 0; i < 40; i++) {
		peers_answer(lab, &from);
		lab_sleep(lab, 1000);
	}
	CHECK_INT(standing_in(lab->calls, CALL_ESTABLISHED, CALL_ESTABLISHED), talks);
	CHECK_INT(lab_standing(lab), talks);
	for (uint32_t slot = 0; slot < LAB_CALLS; slot++)
		engine_hangup(lab->engine, call_table_record(lab->calls, slot)->id);
	for (unsigned int i = 0; i < 70; i++) {
		peers_answer(lab, &from);
		lab_sleep(lab, 1000);
	}
	CHECK_INT(lab_standing(lab), 0);
	unsigned int finals = distinct_finals(lab, &differ);

	CHECK(!differ);
	CHECK(lab->cdr_count == 0 || numbered(lab));
	/* A call whose record was still in the ring counts, too. */
	CHECK(known == 0 || finals == 1);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
	if (check_failures != before)
		printf("  at moment %u of %u: known %u, talking %u, finals %u\n", number, moment_count, known, talks,
		       finals);
	lab_free(lab);
}

static void play_with(void (*script)(struct lab *lab), void (*mail)(struct lab *lab))
{
	struct lab *lab = lab_new();

	moments = calloc(MOMENTS, sizeof(*moments));
	moment_count = 0;
	lab->cdrs_stay = true;
	watch(lab);
	script(lab);
	unwatch(lab);
	record_moment(lab);
	lab_free(lab);
	CHECK(moment_count > 3);
	CHECK(moment_count < MOMENTS);
	for (unsigned int i = 0; i < moment_count; i++)
		live_on(&moments[i], i, mail);
	free(moments);
}

static void play(void (*script)(struct lab *lab))
{
	play_with(script, NULL);
}

static void answered_script(struct lab *lab)
{
	static struct sip_message answer, invite;

	if (!lab_call(lab, 1, &answer, &invite))
		return;
	lab_sleep(lab, 5000);
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_reply(lab, lab_take(lab, VENDOR(0), "BYE "), VENDOR(0), 200, "", NULL, "");
}

static void killed_in_answered_call(void)
{
	play(answered_script);
}

static void failover_script(struct lab *lab)
{
	struct sip_message *m;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 503, "v", NULL, "");
	m = lab_take(lab, VENDOR(1), "INVITE ");
	lab_reply(lab, m, VENDOR(1), 180, "v", NULL, "");
	lab_reply(lab, m, VENDOR(1), 500, "v", NULL, "");
	m = lab_take(lab, VENDOR(2), "INVITE ");
	lab_reply(lab, m, VENDOR(2), 486, "v", NULL, "");
	lab_sleep(lab, 2000);
}

static void killed_in_failover(void)
{
	play(failover_script);
}

static void caller_asks_again(struct lab *lab)
{
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	CHECK_INT(lab_waiting(lab, NULL), 0);
}

static void caller_gives_up(struct lab *lab)
{
	lab_cancel(lab, 1, "4930123");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
}

static void heard_before_its_turn(void)
{
	play_with(failover_script, caller_asks_again);
	play_with(failover_script, caller_gives_up);
}

static void cancel_script(struct lab *lab)
{
	struct sip_message *m;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	m = lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, m, VENDOR(0), 183, "v", lab_sdp, "");
	lab_cancel(lab, 1, "4930123");
	lab_reply(lab, m, VENDOR(0), 487, "v", NULL, "");
	lab_sleep(lab, 2000);
}

static void killed_in_cancel(void)
{
	play(cancel_script);
}

static void hangup_script(struct lab *lab)
{
	static struct sip_message answer, invite;

	if (!lab_call(lab, 1, &answer, &invite))
		return;
	lab->media_dead = true;
	lab_callee_request(lab, &invite, VENDOR(0), "v", "BYE", 1, NULL);
	lab_sleep(lab, 2000);
}

/* The vendor's Contact is another each time. */
static void moving_script(struct lab *lab)
{
	static struct sip_message answer, invite;

	if (!lab_call(lab, 1, &answer, &invite))
		return;
	lab_callee_request(lab, &invite, "10.2.0.1:50600", "v", "UPDATE", 1, NULL);
	lab_callee_request(lab, &invite, "10.2.0.1:5061", "v", "UPDATE", 2, NULL);
	lab_callee_request(lab, &invite, "10.2.0.1:50601", "v", "UPDATE", 3, NULL);
	lab_skip(lab, NULL);
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	lab_reply(lab, lab_take(lab, "10.2.0.1:50601", "BYE sip:x@10.2.0.1:50601 SIP"), VENDOR(0), 200, "", NULL, "");
}

static void killed_while_it_moves(void)
{
	play(moving_script);
}

static void killed_in_hangup(void)
{
	play(hangup_script);
}

/* Conversations go on: either side can hang up, and in-dialog requests cross. */
static void conversation_goes_on(void)
{
	for (int by_callee = 0; by_callee < 2; by_callee++) {
		struct lab *lab = lab_new();
		static struct sip_message answer, invite, passed;

		CHECK(lab_call(lab, 1, &answer, &invite));
		lab_sleep(lab, 10000);
		lab_restart(lab);
		lab_sleep(lab, 10000);
		CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
		CHECK(lab->media_updates > 0);
		lab_caller_request(lab, &answer, "INVITE", 2, lab_sdp);
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
		passed = *lab_take(lab, VENDOR(0), "INVITE ");
		lab_reply(lab, &passed, VENDOR(0), 200, "", lab_sdp, "");
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
		lab_caller_request(lab, &answer, "ACK", 2, NULL);
		if (by_callee)
			lab_callee_request(lab, &invite, VENDOR(0), "v", "BYE", 1, NULL);
		else
			lab_caller_request(lab, &answer, "BYE", 3, NULL);
		CHECK(lab_take(lab, by_callee ? VENDOR(0) : CUSTOMER, "SIP/2.0 200"));
		CHECK(lab_take(lab, by_callee ? CUSTOMER : VENDOR(0), "BYE "));
		lab_sleep(lab, 70000);
		const struct lab_cdr *cdr = lab_final(lab);

		CHECK(cdr && cdr->reason == END_NORMAL && cdr->packets == 50);
		CHECK(cdr && cdr->duration_us == 20 * US_PER_S);
		CHECK_INT(lab_standing(lab), 0);
		lab_free(lab);
	}
}

/* Made by the second of two workers, carried on by the only one, and by the last of three. */
static void workers_change(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite, passed;
	char *data;

	lab->worker = 1;
	lab->workers = 2;
	lab_restart(lab);
	CHECK(lab_call(lab, 1, &answer, &invite));
	data = strstr(answer.data, ";tag=w01");
	CHECK(data != NULL);
	lab->worker = 0;
	lab->workers = 1;
	lab_restart(lab);
	lab_caller_request(lab, &answer, "INFO", 2, NULL);
	passed = *lab_take(lab, VENDOR(0), "INFO ");
	lab_reply(lab, &passed, VENDOR(0), 200, "", NULL, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	lab->worker = 1;
	lab->workers = 3;
	lab_restart(lab);
	lab_callee_request(lab, &invite, VENDOR(0), "v", "BYE", 1, NULL);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 200"));
	CHECK(lab_take(lab, CUSTOMER, "BYE "));
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	CHECK(lab_final(lab));
	/* Another worker finds nothing of its own. */
	lab->worker = 2;
	lab_restart(lab);
	CHECK_INT(lab_count(lab, COUNTER_signaling_calls), 0);
	lab_free(lab);
}

/* After a change of the workers' number a pair of ours may be held by another's call: it comes back when that ends. */
static void foreign_ports(void)
{
	struct lab *lab = lab_new();
	struct rtp_ports *ports = rtp_ports_new(&lab->config, 0, 1, 1);
	struct call_record *record = call_table_record(lab->calls, 3);
	struct net_addr first, local, held;

	CHECK_INT(rtp_ports_take(ports, 0, NULL, NET_IP4, &first), 0);
	held = first;
	held.port += 2;
	record->media[CALLEE].local = held;
	atomic_store(&record->state, CALL_ESTABLISHED);
	rtp_ports_mark(ports, 0, &held, record);
	for (unsigned int i = 0; i < 98; i++)
		CHECK(rtp_ports_take(ports, 0, NULL, NET_IP4, &local) == 0 && local.port != held.port);
	CHECK_INT(rtp_ports_take(ports, 0, NULL, NET_IP4, &local), -ENOBUFS);
	atomic_store(&record->state, CALL_BILLED);
	CHECK(rtp_ports_take(ports, 0, NULL, NET_IP4, &local) == 0 && local.port == held.port);
	CHECK_INT(rtp_ports_take(ports, 0, NULL, NET_IP4, &local), -ENOBUFS);
	rtp_ports_give(ports, 0, &held);
	rtp_ports_give(ports, 0, &held); /* twice is once */
	CHECK(rtp_ports_take(ports, 0, NULL, NET_IP4, &local) == 0 && local.port == held.port);
	CHECK_INT(rtp_ports_take(ports, 0, NULL, NET_IP4, &local), -ENOBUFS);
	rtp_ports_free(ports);
	atomic_store(&record->state, CALL_FREE);
	lab_free(lab);
}

/* The vendor's 200 was on its way when we died: it gets ACK and BYE, with credentials if it asks; the caller has had
 * its 503. */
static void answer_after_death(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab_give_credentials(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 180, "v", NULL, "");
	lab_skip(lab, NULL);
	lab_restart(lab);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 503"));
	struct sip_message *cancel = lab_take(lab, VENDOR(0), "CANCEL ");

	CHECK(cancel);
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	lab_reply(lab, lab_take(lab, VENDOR(0), "BYE "), VENDOR(0), 407, "", NULL,
		  "Proxy-Authenticate: Digest realm=\"v\", nonce=\"n\"\r\n");
	CHECK(has(lab_take(lab, VENDOR(0), "BYE "), "\r\nProxy-Authorization: "));
	lab_skip(lab, NULL);
	lab_sleep(lab, 70000);
	const struct lab_cdr *cdr = lab_final(lab);

	CHECK(cdr && cdr->reason == END_NODE_RESTART);
	CHECK_INT(lab_standing(lab), 0);
	lab_free(lab);
}

/* Sessions that are no sessions: too long, refreshed by nobody, or never in time. */
static void damage_timer(struct call_record *record, int how)
{
	struct call_dialog *d = record->dialog;

	if (how == 0)
		record->session_ttl_s = 86401;
	else if (how <= 2)
		d[how - 1].session_interval_s = 86401;
	else if (how == 3)
		record->session_segment = 1;
	else if (how == 4)
		record->session_segment = 11;
	else
		record->session_ttl_s = 0;
	if (how > 4)
		d[how - 5].flags |= DIALOG_TIMER;
}

/* A reason that is none, a codec without an end, a session timer that never fires: not a call's. */
static void damaged_fields(void)
{
	for (int what = 0; what < 8; what++) {
		struct lab *lab = lab_new();
		struct call_record *record = call_table_record(lab->calls, 0);
		static struct sip_message answer, invite;

		CHECK(lab_call(lab, 1, &answer, &invite));
		if (what == 0)
			memset(record->codec, 'x', sizeof(record->codec));
		else
			damage_timer(record, what - 1);
		lab_restart(lab);
		CHECK_INT(lab_count(lab, COUNTER_signaling_records_damaged), 1);
		CHECK_INT(lab_standing(lab), 0);
		lab_free(lab);
	}
}

/* A damaged record in a slot of another worker's is not looked at either. */
static void damaged_elsewhere(void)
{
	struct lab *lab = lab_new();
	struct call_record *record = call_table_record(lab->calls, LAB_CALLS - 1);

	lab->workers = 2;
	record->block = UINT32_MAX;
	record->life = 1;
	for (lab->worker = 0; lab->worker < 2; lab->worker++) {
		atomic_store(&record->state, CALL_ESTABLISHED);
		lab_kill(lab);
		CHECK_INT(lab_count(lab, COUNTER_signaling_records_damaged), lab->worker);
		CHECK_INT(lab_count(lab, COUNTER_signaling_calls_recovered), 0);
		CHECK_INT(atomic_load(&record->state), lab->worker ? CALL_FREE : CALL_ESTABLISHED);
	}
	lab_free(lab);
}

/* Damage in the segment must not lead anywhere. */
static void rubbish_in_records(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;
	unsigned int seed = 1;

	CHECK(lab_call(lab, 1, &answer, &invite));
	for (unsigned int round = 0; round < 200; round++) {
		for (uint32_t slot = 0; slot < LAB_CALLS; slot++) {
			struct call_record *record = call_table_record(lab->calls, slot);
			uint8_t *bytes = (uint8_t *)record;

			for (unsigned int i = 0; i < 20; i++) {
				seed = seed * 1103515245 + 12345;
				bytes[(seed >> 8) % sizeof(*record)] = (uint8_t)(seed >> 3);
			}
		}
		lab_restart(lab);
		lab_sleep(lab, 2000);
		lab->cdr_count = 0;
		for (unsigned int i = 0; i < lab->sent_count; i++)
			free(lab->sent[i].data);
		lab->sent_count = 0;
	}
	lab_free(lab);
}

/* What lay in the port while nobody was there is read before the first call is looked at. */
static void mail_comes_first(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite, answer;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 183, "v", lab_sdp, "");
	lab_skip(lab, NULL);
	lab_kill(lab);
	lab_callee_request(lab, &invite, VENDOR(0), "v", "UPDATE", 1, lab_sdp);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 500"));
	lab_sleep(lab, 1);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 503"));
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	lab_free(lab);

	/* The last of an old call comes, and a new one takes its slot. */
	lab = lab_new();
	CHECK(lab_call(lab, 1, &answer, &invite));
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	lab_skip(lab, NULL);
	lab_kill(lab);
	lab_callee_request(lab, &invite, VENDOR(0), "v", "BYE", 1, NULL);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 200"));
	lab_invite(lab, 2, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_sleep(lab, 1);
	lab_skip(lab, CUSTOMER);
	lab_reply(lab, &invite, VENDOR(0), 200, "w", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	lab_free(lab);
}

/* The offer came with the 200, whose ACK waited for the caller's when we were killed: the caller never sends one. */
static void answer_without_an_ack(void)
{
	struct lab *lab = lab_new();

	lab_invite(lab, 1, "4930123", NULL, "");
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 200, "v", lab_sdp, "");
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_restart(lab);
	lab_sleep(lab, 32100);
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	lab_free(lab);
}

/* The 200 was not acknowledged when we were killed: whose INVITE comes again before the call's turn gets that. */
static void answer_asked_for_again(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 200, "v", lab_sdp, "");
	lab_skip(lab, NULL);
	lab_kill(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_sleep(lab, 1);
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	CHECK_INT(lab_standing(lab), 1);
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);
}

static struct moment at_ack;

static void keep_at_ack(struct lab *lab)
{
	if (strncmp(lab->sent[lab->sent_count - 1].data, "ACK ", 4) == 0)
		keep(&at_ack, lab);
}

/*
 * Killed while the ACK to the callee's offer was sent, so that it was lost: once because the caller's had come, once
 * because none will come. Our 200 goes out again, and what the caller then does decides.
 */
static void killed_at_the_ack(void)
{
	for (int acknowledged = 0; acknowledged < 2; acknowledged++) {
		struct lab *lab = lab_new();
		static struct sip_message answer;
		const struct sip_message *ack;

		lab->moment = keep_at_ack;
		lab_invite(lab, 1, "4930123", NULL, "");
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
		lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 200, "v", lab_sdp, "");
		answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
		if (acknowledged)
			lab_caller_request(lab, &answer, "ACK", 1, lab_sdp);
		else
			lab_sleep(lab, 32100);
		lab->moment = NULL;
		lab_skip(lab, NULL);
		go_back(lab, &at_ack);
		lab_restart(lab);
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
		if (acknowledged)
			lab_caller_request(lab, &answer, "ACK", 1, lab_sdp);
		else
			lab_sleep(lab, 32100);
		ack = lab_take(lab, VENDOR(0), "ACK ");
		CHECK(ack && (strstr(ack->data, "c=IN IP4 10.0.0.2") != NULL) == acknowledged);
		CHECK(acknowledged || lab_take(lab, VENDOR(0), "BYE "));
		CHECK_INT(standing_in(lab->calls, CALL_ESTABLISHED, CALL_ESTABLISHED), acknowledged);
		lab_free(lab);
	}
}

/* The ACK with the answer was lost with us after all else was done: the callee's 200 comes again, and gets it. */
static void answer_lost_with_its_ack(void)
{
	static const char rich[] = "v=0\r\no=peer 1 1 IN IP4 10.1.0.5\r\ns=-\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\n"
				   "m=audio 4000 RTP/AVPF 8\r\na=rtcp-fb:* nack\r\n";

	for (int variant = 0; variant < 2; variant++) {
		const char *sdp = variant ? rich : lab_sdp;
		static struct sip_message invite, answer;
		struct lab *lab = lab_new();
		const struct sip_message *ack;

		lab_invite(lab, 1, "4930123", NULL, "");
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
		invite = *lab_take(lab, VENDOR(0), "INVITE ");
		lab_reply(lab, &invite, VENDOR(0), 200, "v", sdp, "");
		answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
		lab_caller_request(lab, &answer, "ACK", 1, sdp);
		lab_skip(lab, NULL);
		lab_restart(lab);
		lab_reply(lab, &invite, VENDOR(0), 200, "v", sdp, "");
		ack = lab_take(lab, VENDOR(0), "ACK ");
		CHECK(ack && strstr(ack->data, "c=IN IP4 10.0.0.2"));
		CHECK(ack && (strstr(ack->data, "rtcp-fb:* nack") != NULL) == variant);
		lab_free(lab);
	}
}

/*
 * What ended the call before it was answered had not left yet, or was lost on its way: both sides are told again. A
 * call without relayed media waits for nobody then, but stands till its messages have left.
 */
static void killed_before_the_end_was_told(void)
{
	for (int variant = 0; variant < 4; variant++) {
		bool cancelled = variant & 1, direct = variant & 2;
		struct lab *lab = lab_new();
		struct sip_message *invite;

		lab->config.routing_gateways_count = 1;
		if (direct)
			lab->config.parameters.media_proxy_mode = MEDIA_PROXY_OFF;
		lab_reload(lab);
		lab->media_dead = true;
		lab_invite(lab, 1, "4930123", lab_sdp, "");
		invite = lab_take(lab, VENDOR(0), "INVITE ");
		lab_reply(lab, invite, VENDOR(0), 180, "v", NULL, "");
		if (cancelled)
			lab_cancel(lab, 1, "4930123");
		else
			lab_reply(lab, invite, VENDOR(0), 486, "v", NULL, "");
		CHECK_INT(standing_in(lab->calls, CALL_CLOSING, CALL_BILLED), 1);
		CHECK_INT(lab->cdr_count, direct);
		for (int life = 0; life < 3; life++) {
			lab_skip(lab, NULL);
			lab->now_us += US_PER_S;
			lab_restart(lab);
			CHECK(lab_take(lab, CUSTOMER, cancelled ? "SIP/2.0 487" : "SIP/2.0 486"));
			if (cancelled)
				CHECK(lab_take(lab, VENDOR(0), "CANCEL "));
			else
				CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
		}
		lab_sleep(lab, 70000);
		CHECK_INT(lab_standing(lab), 0);
		CHECK_INT(lab->cdr_count, 1);
		CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
		lab_free(lab);
	}
}

/* Both sides have given up long ago: nobody is told when the record has stood, the CDR ring being full, for minutes. */
static void nobody_is_told_too_late(void)
{
	struct lab *lab = lab_new();
	struct sip_message *invite;

	lab->media_dead = true;
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, invite, VENDOR(0), 180, "v", NULL, "");
	lab_cancel(lab, 1, "4930123");
	lab_skip(lab, NULL);
	lab->now_us += 33 * US_PER_S;
	lab_restart(lab);
	CHECK_INT(lab_waiting(lab, CUSTOMER), 0);
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	CHECK_INT(lab->cdr_count, 1);
	lab_free(lab);
}

/* Killed while a call is closed whose 200 waits for the caller's PRACK: nobody may think that it is established. */
static void killed_before_the_answer_was_heard(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab->moment = keep_at_ack;
	lab_invite(lab, 1, "4930123", NULL, "Supported: 100rel\r\n");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 183, "v", lab_sdp, "Require: 100rel\r\nRSeq: 1\r\n");
	lab_reply(lab, &invite, VENDOR(0), 200, "v", NULL, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 183"));
	lab_cancel(lab, 1, "4930123");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	lab->moment = NULL;
	lab_skip(lab, NULL);
	go_back(lab, &at_ack);
	lab_restart(lab);
	CHECK_INT(standing_in(lab->calls, CALL_ESTABLISHED, CALL_ESTABLISHED), 0);
	lab_sleep(lab, 32100);
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	lab_free(lab);
}

/* Killed between the ACK to a 200 that can't be used and its BYE: the 200 comes again, and gets it. */
static void killed_before_an_answer_was_refused(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab->media_dead = true; /* so that the record stands */
	lab->moment = keep_at_ack;
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 200, "v", NULL, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 502"));
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	lab->moment = NULL;
	lab_skip(lab, NULL);
	go_back(lab, &at_ack);
	lab_restart(lab);
	CHECK_INT(standing_in(lab->calls, CALL_ANSWERED, CALL_ESTABLISHED), 0);
	lab_reply(lab, &invite, VENDOR(0), 200, "v", NULL, "");
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
	lab_free(lab);
}

static const struct check_case cases[] = {
    {"killed at each moment of an answered call", killed_in_answered_call},
    {"killed at each moment of a failover", killed_in_failover},
    {"killed at each moment of a failover, and the caller is heard first", heard_before_its_turn},
    {"killed at each moment of a CANCEL", killed_in_cancel},
    {"killed at each moment of a hangup, media dead", killed_in_hangup},
    {"killed at each moment while a peer's Contact changes", killed_while_it_moves},
    {"a conversation goes on", conversation_goes_on},
    {"the number of workers changes", workers_change},
    {"ports of another worker's call", foreign_ports},
    {"an answer after our death", answer_after_death},
    {"damaged fields", damaged_fields},
    {"damaged fields of another worker's", damaged_elsewhere},
    {"rubbish in the records", rubbish_in_records},
    {"mail before the calls", mail_comes_first},
    {"an answer without an ACK", answer_without_an_ack},
    {"an answer asked for again", answer_asked_for_again},
    {"killed at the ACK", killed_at_the_ack},
    {"killed before the answer was heard", killed_before_the_answer_was_heard},
    {"an answer lost with its ACK", answer_lost_with_its_ack},
    {"killed before the end was told", killed_before_the_end_was_told},
    {"nobody is told too late", nobody_is_told_too_late},
    {"killed before an answer was refused", killed_before_an_answer_was_refused},
};
CHECK_MAIN(cases)
