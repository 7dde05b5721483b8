/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/call_ledger.h"

#include <stdio.h>
#include <stdlib.h>

#include "signaling/call.h"

#define LEGS_MAX 512

/* An INVITE outside a dialog: the caller's by its Call-ID and branch, ours to a callee by the branch alone. */
struct asked {
	uint64_t call_id, branch;
	bool ours;
	unsigned int code; /* the final response; 0 = none yet */
	bool unkept;       /* of which nothing stays: the same INVITE is judged anew */
	bool heard_any;    /* a response */
	bool over;         /* caller: its dialog is, and it knows */
	bool tagless;      /* ours: a 2xx without a tag has made a dialog without one (RFC 3261 section 12.1.2) */
};

/* A dialog with a callee, which its 2xx to an INVITE of ours has made. */
struct dialled {
	uint64_t call_id, tag;
	bool acked, over;
};

static struct asked asked[LEGS_MAX];
static struct dialled dialled[LEGS_MAX];
static unsigned int asked_count, dialled_count, noted;
static struct sip_message message; /* the one being looked at */
static bool full;

void expect(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "not true: %s\n", what);
	abort();
}

/* FNV-1a; an empty text is 0. */
static uint64_t hash_of(struct sip_text text)
{
	uint64_t hash = text.len ? 14695981039346656037u : 0;

	for (uint32_t i = 0; i < text.len; i++)
		hash = (hash ^ (uint8_t)text.at[i]) * 1099511628211u;
	return hash;
}

static uint64_t branch_of(void)
{
	const struct sip_via *via = sip_message_via(&message);

	return via ? hash_of(via->branch) : 0;
}

static struct asked *find_asked(uint64_t call_id, uint64_t branch)
{
	for (unsigned int i = 0; i < asked_count; i++)
		if (asked[i].branch == branch && asked[i].call_id == call_id)
			return &asked[i];
	return NULL;
}

/* Is an INVITE of ours without a tag one in that dialog? */
static bool is_tagless(uint64_t call_id)
{
	for (unsigned int i = 0; i < asked_count; i++)
		if (asked[i].call_id == call_id && asked[i].tagless)
			return true;
	return false;
}

static struct dialled *find_dialled(uint64_t call_id, uint64_t tag)
{
	for (unsigned int i = 0; i < dialled_count; i++)
		if (dialled[i].call_id == call_id && dialled[i].tag == tag)
			return &dialled[i];
	return NULL;
}

static void note_invite(bool ours)
{
	uint64_t call_id = hash_of(sip_message_call_id(&message)), branch = branch_of();

	if (find_asked(call_id, branch))
		return;
	full |= asked_count == LEGS_MAX;
	if (!full)
		asked[asked_count++] = (struct asked){.call_id = call_id, .branch = branch, .ours = ours};
}

/* The dialog is over, and its peer knows; `tag` is the peer's. */
static void note_over(struct sip_text tag)
{
	uint64_t call_id = hash_of(sip_message_call_id(&message));
	struct dialled *leg = find_dialled(call_id, hash_of(tag));

	if (leg)
		leg->over = true;
	for (unsigned int i = 0; i < asked_count; i++)
		if (asked[i].call_id == call_id && !asked[i].ours)
			asked[i].over = true;
}

/* A response that says so much of the dialog, not of what was asked in it. */
static bool is_gone(unsigned int code)
{
	enum sip_method method = (enum sip_method)sip_message_cseq(&message)->method;

	return message.status == code && method != SIP_PRACK && method != SIP_CANCEL;
}

/* So much that the engine had no room for what it had to say, or we for what we saw. */
static bool was_flooded(const struct lab *lab)
{
	return full || lab->sent_count == LAB_SENT || lab_count(lab, COUNTER_signaling_transactions_exhausted) ||
	       lab_count(lab, COUNTER_signaling_transactions_given_up) ||
	       lab_count(lab, COUNTER_signaling_messages_exhausted);
}

/* ---- what we sent ---- */

/* To an answer that belongs to no INVITE that we know of: it comes without an ACK, as often as that answer. */
static bool is_bye_once(void)
{
	struct identifier_branch branch;

	return message.method == SIP_BYE && identifier_branch_parse(&branch, sip_message_via(&message)->branch) == 0 &&
	       branch.index == IDENTIFIER_NO_SLOT;
}

static void sent_request(void)
{
	const struct sip_name_addr *to = sip_message_to(&message);

	if (message.method == SIP_INVITE && !to->tag.len && !is_tagless(hash_of(sip_message_call_id(&message))))
		note_invite(true);
	else if (message.method == SIP_BYE)
		note_over(to->tag);
	if (message.method != SIP_ACK && !is_bye_once())
		return;
	struct dialled *leg = find_dialled(hash_of(sip_message_call_id(&message)), hash_of(to->tag));

	if (leg)
		leg->acked = true;
}

/* A challenge, or a refusal of what is too much, that was made without a transaction. */
static bool is_unkept(void)
{
	struct identifier_tag id;

	return identifier_tag_parse(&id, NULL, sip_message_to(&message)->tag) == 0 && id.slot >= IDENTIFIER_SHED_SLOT;
}

static void sent_response(const struct lab *lab)
{
	enum sip_method method = (enum sip_method)sip_message_cseq(&message)->method;

	/* 200: it was a BYE in one of our dialogs; 481: its peer sees that we have none any more. */
	if ((method == SIP_BYE && message.status == 200) || is_gone(481))
		note_over(sip_message_from(&message)->tag);
	struct asked *invite = find_asked(hash_of(sip_message_call_id(&message)), branch_of());

	if (method != SIP_INVITE || !invite || invite->ours)
		return;
	invite->heard_any = true;
	if (message.status < 200)
		return;
	/* What was given up for room is not known when it comes again. */
	expect(!invite->code || invite->code == message.status || invite->unkept || was_flooded(lab),
	       "a caller is told one end");
	invite->unkept = is_unkept();
	invite->code = message.status;
}

#define RESENDS 8 /* messages that are sent again by turns */

/* Has it just been sent in the very same words? */
static bool is_resend(const struct lab *lab, const struct lab_sent *sent)
{
	for (unsigned int i = 1; i <= RESENDS && i <= noted; i++) {
		const struct lab_sent *before = &lab->sent[noted - i];

		if (before->len == sent->len && memcmp(before->data, sent->data, sent->len) == 0)
			return true;
	}
	return false;
}

void ledger_note(struct lab *lab)
{
	for (; noted < lab->sent_count; noted++) {
		const struct lab_sent *sent = &lab->sent[noted];

		if (is_resend(lab, sent))
			continue;
		expect(sip_message_parse(&message, sent->data, sent->len) == SIP_PARSE_OK, "what we send is SIP");
		bool whole = sip_message_from(&message) && sip_message_to(&message) && sip_message_cseq(&message) &&
			     sip_message_via(&message);

		/* The answer to a request that lacked something may lack that. */
		expect(whole || !message.is_request, "what we send has all that it must");
		if (!whole)
			continue;
		if (message.is_request)
			sent_request();
		else
			sent_response(lab);
	}
}

/* ---- what we heard ---- */

static void heard_response(void)
{
	uint64_t call_id = hash_of(sip_message_call_id(&message));
	struct sip_text tag = sip_message_to(&message)->tag;
	struct asked *invite = find_asked(call_id, branch_of());

	if (is_gone(481) || is_gone(408))
		note_over(tag);
	if (!invite || !invite->ours || sip_message_cseq(&message)->method != SIP_INVITE || message.status < 200 ||
	    message.status > 299)
		return;
	invite->tagless |= !tag.len;
	if (!tag.len || find_dialled(call_id, hash_of(tag)))
		return;
	full |= dialled_count == LEGS_MAX;
	if (!full)
		dialled[dialled_count++] = (struct dialled){.call_id = call_id, .tag = hash_of(tag)};
}

void ledger_hear(struct lab *lab, const char *data, size_t len)
{
	ledger_note(lab);
	if (sip_message_parse(&message, data, len) != SIP_PARSE_OK || !sip_message_from(&message) ||
	    !sip_message_to(&message) || !sip_message_cseq(&message) || !sip_message_via(&message))
		return;
	if (!message.is_request)
		heard_response();
	else if (message.method == SIP_INVITE && !sip_message_to(&message)->tag.len)
		note_invite(false);
}

bool ledger_awaits_ack(const char *data, size_t len)
{
	if (sip_message_parse(&message, data, len) != SIP_PARSE_OK || message.is_request || !sip_message_to(&message))
		return false;
	const struct dialled *leg =
	    find_dialled(hash_of(sip_message_call_id(&message)), hash_of(sip_message_to(&message)->tag));

	return leg && !leg->acked && message.status >= 200 && message.status < 300;
}

void ledger_begin(void)
{
	asked_count = dialled_count = noted = 0;
	full = false;
}

/* ---- the end ---- */

static void check_legs(void)
{
	for (unsigned int i = 0; i < asked_count; i++) {
		const struct asked *invite = &asked[i];

		if (invite->ours)
			continue;
		expect(!invite->heard_any || invite->code, "every caller is told an end");
		expect(invite->code < 200 || invite->code > 299 || invite->over, "every caller that was connected is "
										 "told that it is over");
	}
	for (unsigned int i = 0; i < dialled_count; i++) {
		expect(dialled[i].acked, "every callee's 200 is acknowledged");
		expect(dialled[i].over, "every callee that was connected is told that it is over");
	}
}

/* The record of a call says what its caller saw. */
static void check_told(const struct lab_cdr *cdr)
{
	uint64_t call_id = hash_of(sip_text_of(cdr->call_id));
	bool connected = false, known = false;

	for (unsigned int i = 0; i < asked_count; i++) {
		if (asked[i].call_id != call_id)
			continue;
		known = true;
		connected |= asked[i].code >= 200 && asked[i].code < 300;
	}
	expect(known, "a record's caller has called");
	expect(!cdr->answer_us || connected, "who is billed was connected");
	expect(cdr->answer_us || !connected || !cdr->final, "who was connected is billed");
}

static void check_records(const struct lab *lab)
{
	for (unsigned int i = 0; i < lab->cdr_count; i++) {
		const struct lab_cdr *a = &lab->cdrs[i];

		if (!was_flooded(lab))
			check_told(a);
		for (unsigned int j = 0; j < i; j++) {
			const struct lab_cdr *b = &lab->cdrs[j];

			if (memcmp(a->id, b->id, 16) != 0)
				continue;
			if (a->attempt == b->attempt)
				expect(memcmp(a, b, sizeof(*a)) == 0, "a record written twice is the same");
			else
				expect(!a->final || !b->final, "one final record a call");
		}
	}
}

/* Every final record, or none: a call that was refused before it was one has none. */
static void check_finals(const struct lab *lab)
{
	for (unsigned int i = 0; i < lab->cdr_count; i++) {
		bool final = lab->cdrs[i].final;

		for (unsigned int j = 0; j < lab->cdr_count; j++)
			final |= lab->cdrs[j].final && memcmp(lab->cdrs[i].id, lab->cdrs[j].id, 16) == 0;
		expect(final || lab->cdr_count == LAB_CDRS, "every call has its final record");
	}
}

static void check_calls(struct lab *lab)
{
	const struct calls *calls = lab->engine->calls;
	uint32_t works = 0;

	expect(lab_standing(lab) == 0 && calls->standing == 0, "no call stands");
	expect(calls->free_slots == calls->count, "every place of a call is free");
	expect(calls->small_blocks.count + calls->large_blocks.count == calls->blocks, "every block is free");
	for (const struct call_work *work = calls->free_work; work; work = work->next)
		works++;
	expect(works == calls->works_used, "every call_work is free");
}

static void check_transactions(struct lab *lab)
{
	const struct transactions *ts = lab->engine->transactions;
	uint32_t count = 0;

	expect(lab_count(lab, COUNTER_signaling_transactions) == 0 && ts->standing == 0, "no transaction stands");
	for (const struct transaction *t = ts->free; t; t = t->by_key.next)
		count++;
	expect(count == ts->used, "every transaction is free");
	for (unsigned int class = 0; class < MESSAGE_POOL_CLASSES; class ++) {
		count = 0;
		for (const struct message_buffer *b = ts->messages.class[class].free; b; b = b->next)
			count++;
		expect(count == ts->messages.class[class].used, "every kept message is free");
	}
	expect(lab->engine->wheel.running == 0, "no timer runs");
}

static void check_gateways(struct lab *lab)
{
	const struct parties *parties = lab->state.parties;

	for (uint32_t id = 0; id < parties->count; id++)
		expect(party_calls(party_get(parties, id), lab->worker) == 0 &&
			   atomic_load(&party_get(parties, id)->phone_calls) == 0,
		       "no gateway or phone carries a call");
}

static void check_media(struct lab *lab)
{
	struct net_addr local;
	unsigned int ports = 0;

	expect(lab->clashes == 0, "no session stands in the place or on the ports of another");
	expect(lab_sessions(lab) == 0, "every session at media is closed");
	while (rtp_ports_take(lab->engine->calls->ports, 0, NULL, NET_IP4, &local) == 0)
		ports++;
	expect(ports == LAB_PORTS, "every RTP port is free");
}

void ledger_check(struct lab *lab)
{
	ledger_note(lab);
	check_calls(lab);
	check_transactions(lab);
	check_gateways(lab);
	check_media(lab);
	check_records(lab);
	check_finals(lab);
	expect(lab->engine->registrar->standing == 0, "no registration stands");
	if (!was_flooded(lab))
		check_legs();
}
