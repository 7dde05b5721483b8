/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call machine under plausible disorder: each pair of bytes is one move of a customer, a vendor, a phone, media,
 * time, the operator or kill -9; the first byte is a letter of the table below. Afterwards everybody goes quiet, and
 * what call_ledger.h says must hold.
 */
#include <stdio.h>
#include <stdlib.h>

#include "proto/messages.h"
#include "tests/fuzz/call_ledger.h"
#include "tests/fuzz/call_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOVES_MAX 96
#define LOOK_BACK 24u /* so far a peer looks for what it reacts to */

static struct sip_message message; /* that which was found */
static char peer[NET_ADDR_TEXT];   /* who had it from us */

/* ---- what there is to react to ---- */

/* What begins so (NULL: any request) and passes the test; most messages need not be parsed for that. */
struct filter {
	const char *start;
	bool (*fits)(void);
};

static bool is_no_ack(void)
{
	return message.method != SIP_ACK;
}

static bool is_any(void)
{
	return true;
}

static bool has_no_to_tag(void)
{
	return !sip_message_to(&message)->tag.len;
}

static bool is_inner(void)
{
	return is_no_ack() && !has_no_to_tag();
}

static bool is_failure(void)
{
	return message.status >= 300;
}

static bool is_reliable(void)
{
	return sip_message_has(&message, SIP_H_RSEQ) && sip_message_has(&message, SIP_H_CONTACT);
}

/* It made a dialog, early or not. */
static bool makes_dialog(void)
{
	return message.status >= 180 && message.status < 300 && sip_message_cseq(&message)->method == SIP_INVITE &&
	       sip_message_has(&message, SIP_H_CONTACT);
}

static const struct filter any_request = {NULL, is_no_ack}, inner_request = {NULL, is_inner},
			   any_invite = {"INVITE ", is_any}, first_invite = {"INVITE ", has_no_to_tag},
			   failure = {"SIP/2.0 ", is_failure}, reliable = {"SIP/2.0 1", is_reliable},
			   dialog_response = {"SIP/2.0 ", makes_dialog};

static bool begins(const struct lab_sent *sent, const char *start)
{
	return start ? strncmp(sent->data, start, strlen(start)) == 0 : strncmp(sent->data, "SIP/2.0 ", 8) != 0;
}

/* False: an answer to something broken, which has not all that a peer needs. */
static bool look_at(const struct lab_sent *sent)
{
	net_addr_print(&sent->flow.remote, peer);
	return sip_message_parse(&message, sent->data, sent->len) == SIP_PARSE_OK && sip_message_cseq(&message) &&
	       sip_message_from(&message) && sip_message_to(&message) && sip_message_via(&message);
}

/* Of the latest messages of ours that pass the filter, the one so many before the last. */
static bool find(struct lab *lab, unsigned int back, const struct filter *filter)
{
	bool found = false;

	for (unsigned int i = 1; i <= lab->sent_count && i <= LOOK_BACK; i++) {
		const struct lab_sent *sent = &lab->sent[lab->sent_count - i];

		if (!begins(sent, filter->start) || !look_at(sent) || !filter->fits())
			continue;
		found = true;
		if (back-- == 0)
			return true;
	}
	/* Not so many: the oldest. */
	return found && find(lab, 0, filter);
}

/* ---- calls ---- */

static const char *body_text(struct lab *lab, unsigned int which)
{
	const struct world_body *body = &world_bodies[which % WORLD_BODIES];

	lab->content_type = body->type;
	return body->text;
}

static const char *extra(const struct lab *lab)
{
	return lab->extra ? lab->extra : "";
}

static void move_invite(struct lab *lab, uint8_t a)
{
	static const char *const numbers[] = {"4930123", "alice", "1", "bob"};

	world.call[a % WORLD_CALLERS] = ++world.calls;
	lab_invite(lab, world.calls, numbers[a & 8 ? 0 : world.calls % 4], body_text(lab, a & 16 ? a >> 5 : 1),
		   a & 64 ? "Supported: timer, 100rel\r\n" : extra(lab));
}

static void move_cancel(struct lab *lab, uint8_t a)
{
	if (world.call[a % WORLD_CALLERS])
		lab_cancel(lab, world.call[a % WORLD_CALLERS], "4930123");
}

static void move_reply(struct lab *lab, uint8_t a)
{
	static const unsigned int codes[] = {100, 180, 183, 200, 200, 200, 484, 404,
					     480, 486, 487, 491, 500, 503, 603, 408};
	bool again = a & 64;

	if (!find(lab, a >> 4 & 3, &any_request))
		return;
	const char *text = message.method == SIP_INVITE && a & 3 ? body_text(lab, again ? a >> 2 : 1) : NULL;

	lab_reply(lab, &message, peer, codes[a & 15], a & 128 ? "one" : "two", text,
		  (a & 15) == 13 ? "Retry-After: 20\r\n" : extra(lab));
}

/* Several phones behind one gateway. */
static void move_fork(struct lab *lab, uint8_t a)
{
	static const unsigned int codes[] = {180, 183, 200, 200};
	char tag[] = "fork0";

	if (!find(lab, a >> 7, &first_invite))
		return;
	tag[4] = (char)('0' + (a >> 2 & 7));
	lab_reply(lab, &message, peer, codes[a & 3], tag, body_text(lab, a >> 5 & 3), extra(lab));
}

/* A vendor sends the call elsewhere: to others, to itself, back, or nowhere. */
static void move_redirect(struct lab *lab, uint8_t a)
{
	static const char *const contacts[] = {
	    "Contact: <sip:4931@10.2.0.3>;q=0.5, <sip:4932@10.9.9.9?Route=x>;q=0.7\r\n",
	    "Contact: <sip:4930123@10.2.0.1:5060>, <sip:4933@10.2.0.1:5070>\r\n",
	    "Contact: <sip:4934@10.9.9.8>\r\nContact: <tel:+4930>, *\r\n",
	    "Contact: <sip:10.9.9.7;maddr=10.2.0.2>;q=2, <sip:a%40b@10.9.9.6>;q=0.001\r\n",
	};
	static const unsigned int codes[] = {302, 300, 305, 380};

	if (find(lab, a >> 4, &any_invite))
		lab_reply(lab, &message, peer, codes[a & 3], "one", NULL, contacts[a >> 2 & 3]);
}

/* Who we are, asked at any request of ours, within a dialog or not. */
static void move_challenge(struct lab *lab, uint8_t a)
{
	static const char *const challenges[] = {
	    "Digest realm=\"v\", nonce=\"n1\"",
	    "Digest realm=\"v\", nonce=\"n2\", stale=true, qop=\"auth\", algorithm=SHA-256",
	    "Digest realm=\"w\", nonce=\"n3\", qop=\"auth-int\"",
	    "Basic realm=\"v\"",
	};
	char text[128];

	if (!find(lab, a >> 4 & 7, a & 8 ? &inner_request : &any_request))
		return;
	snprintf(text, sizeof(text), "%s-Authenticate: %s\r\n", a & 4 ? "WWW" : "Proxy", challenges[a & 3]);
	lab_reply(lab, &message, peer, a & 4 ? 401 : 407, "one", NULL, text);
}

/* The answers that a request inside a dialog gets. */
static void move_unhappy(struct lab *lab, uint8_t a)
{
	static const unsigned int codes[] = {200, 405, 408, 422, 481, 491, 501, 423};

	if (find(lab, a >> 3 & 3, a & 32 ? &any_request : &inner_request))
		lab_reply(lab, &message, peer, codes[a & 7], a & 64 ? "one" : "", a & 128 ? body_text(lab, 1) : NULL,
			  (a & 7) == 3   ? "Min-SE: 1200\r\n"
			  : (a & 7) == 7 ? "Min-Expires: 1800\r\n"
					 : extra(lab));
}

/* A provisional response with a number (RFC 3262): the next one, the same, or others. */
static void move_reliable(struct lab *lab, uint8_t a)
{
	static const unsigned int codes[] = {180, 183, 181, 183};
	static const unsigned int steps[] = {1, 1, 0, 2};
	char text[64];

	if (!find(lab, a >> 7, &first_invite))
		return;
	world.rseq += steps[a >> 3 & 3];
	snprintf(text, sizeof(text), "Require: 100rel\r\nRSeq: %u\r\n", world.rseq);
	lab_reply(lab, &message, peer, codes[a & 3], a & 4 ? "one" : "two", a & 1 ? body_text(lab, a >> 5 & 3) : NULL,
		  text);
}

static void move_prack(struct lab *lab, uint8_t a)
{
	if (find(lab, a >> 3 & 3, &reliable))
		lab_prack(lab, &message, ++world.cseq, a & 4 ? body_text(lab, a & 3) : NULL);
}

/* One that acknowledges something else, or comes from where none can. */
static void move_odd_prack(struct lab *lab, uint8_t a)
{
	static const char *const racks[] = {"RAck: 1 1 INVITE\r\n", "RAck: 4294967295 1 INVITE\r\n",
					    "RAck: 7 7 UPDATE\r\n", "RAck: x\r\n", ""};
	const char *before = lab->extra;

	lab->extra = racks[a % 5];
	if (a & 32 ? find(lab, a >> 6, &first_invite) : find(lab, a >> 6, &dialog_response)) {
		if (message.is_request)
			lab_callee_request(lab, &message, peer, "one", "PRACK", ++world.cseq, NULL);
		else
			lab_caller_request(lab, &message, "PRACK", ++world.cseq, NULL);
	}
	lab->extra = before;
}

/* ---- requests in dialogs, early ones too ---- */

static const char *const methods[] = {"INVITE", "ACK", "BYE", "UPDATE", "INFO", "OPTIONS", "INVITE", "REFER"};

static unsigned int next_cseq(const char *method, bool late)
{
	if (strcmp(method, "ACK") == 0 && !message.is_request)
		return sip_message_cseq(&message)->number;
	return late ? world.cseq : ++world.cseq;
}

static void caller_asks(struct lab *lab, unsigned int back, const char *method, const char *text, bool late)
{
	if (find(lab, back, &dialog_response))
		lab_caller_request(lab, &message, method, next_cseq(method, late), text);
}

static void callee_asks(struct lab *lab, unsigned int back, const char *tag, const char *method, const char *text,
			bool late)
{
	if (find(lab, back, &first_invite))
		lab_callee_request(lab, &message, peer, tag, method, next_cseq(method, late), text);
}

static void move_caller(struct lab *lab, uint8_t a)
{
	caller_asks(lab, a >> 3 & 1, methods[a & 7], body_text(lab, a >> 4), a & 128);
}

static void move_callee(struct lab *lab, uint8_t a)
{
	callee_asks(lab, 0, a & 8 ? "two" : "one", methods[a & 7], body_text(lab, a >> 4), a & 128);
}

/* Both at once. */
static void move_glare(struct lab *lab, uint8_t a)
{
	const char *text = a & 4 ? NULL : body_text(lab, 1 + (a & 1));

	caller_asks(lab, 0, a & 2 ? "UPDATE" : "INVITE", text, false);
	callee_asks(lab, 0, a & 8 ? "one" : "two", a & 16 ? "UPDATE" : "INVITE", text, false);
}

static void move_ack_failure(struct lab *lab, uint8_t a)
{
	if (find(lab, a & 7, &failure))
		lab_ack_failure(lab, peer, &message);
}

/* ---- everybody does what he should ---- */

static void answer_request(struct lab *lab, uint8_t a)
{
	if (message.method == SIP_INVITE && a & 1 && !sip_message_to(&message)->tag.len)
		lab_reply(lab, &message, peer, a & 2 ? 180 : 486, "one", NULL, "");
	else if (message.method == SIP_INVITE)
		lab_reply(lab, &message, peer, 200, "one", body_text(lab, a & 4 ? 2 : 1), extra(lab));
	else if (message.method != SIP_ACK)
		lab_reply(lab, &message, peer, 200, "one", NULL,
			  message.method == SIP_REGISTER ? "Expires: 300\r\n" : extra(lab));
}

static void answer_response(struct lab *lab, uint8_t a)
{
	bool invite = sip_message_cseq(&message)->method == SIP_INVITE;

	if (is_failure() && invite)
		lab_ack_failure(lab, peer, &message);
	else if (is_reliable())
		lab_prack(lab, &message, ++world.cseq, a & 8 ? body_text(lab, 1) : NULL);
	else if (makes_dialog() && message.status >= 200)
		lab_caller_request(lab, &message, "ACK", sip_message_cseq(&message)->number,
				   a & 64 ? body_text(lab, 1) : NULL);
}

static void move_all(struct lab *lab, uint8_t a)
{
	unsigned int end = lab->sent_count;

	for (unsigned int i = end > LOOK_BACK ? end - LOOK_BACK : 0; i < end; i++) {
		struct lab_sent *sent = &lab->sent[i];

		if (sent->taken || !look_at(sent))
			continue;
		sent->taken = true;
		if (message.is_request)
			answer_request(lab, a);
		else
			answer_response(lab, a);
	}
}

/* ---- phones ---- */

static void move_register(struct lab *lab, uint8_t a)
{
	static const unsigned int expires[] = {3600, 3600, 60, 0};

	world_register(a % (WORLD_PHONES + 1), expires[a >> 4 & 3], a & 8);
}

static void move_phone(struct lab *lab, uint8_t a)
{
	static const char *const numbers[] = {"4930123", "alice", "bob", "4930124"};

	world_phone_calls(a & 1, numbers[a >> 1 & 3], &world_bodies[a >> 4 & 7]);
}

/* ---- time, processes, the operator ---- */

static void move_sleep(struct lab *lab, uint8_t a)
{
	static const uint64_t ms[] = {1, 100, 600, 2000, 4000, 11000, 22000, 33000};

	lab_sleep(lab, ms[a & 7]);
}

static void move_wait(struct lab *lab, uint8_t a)
{
	static const uint64_t seconds[] = {45, 130, 150, 182, 300, 301, 590, 3700};

	lab_sleep(lab, seconds[a & 7] * 1000);
}

/* What the peers say of session timers and the like from now on. */
static void move_timer(struct lab *lab, uint8_t a)
{
	static const char *const says[] = {NULL,
					   "Supported: timer\r\n",
					   "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n",
					   "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n",
					   "Allow: UPDATE\r\nSession-Expires: 600;refresher=uac\r\n",
					   "Min-SE: 1800\r\n",
					   "Require: timer\r\nSession-Expires: 4294967295\r\nMin-SE: 4294967295\r\n",
					   "Supported: timer, 100rel\r\nRequire: 100rel\r\nSession-Expires: 60\r\n"};

	lab->extra = says[a & 7];
}

static void move_kill(struct lab *lab, uint8_t a)
{
	world_kill();
}

/* In the middle of one of the next events. */
static void move_kill_later(struct lab *lab, uint8_t a)
{
	world.kill_in = 1 + a % 16;
}

static void move_world(struct lab *lab, uint8_t a)
{
	lab->media_dead = a & 1;
	lab->cdrs_stay = a & 2;
	atomic_store(&lab->status->process[ROLE_CDRWRITER].spool_full, (a & 4) != 0);
	if (a & 8)
		engine_hangup(lab->engine, call_table_record(lab->calls, a >> 4)->id);
	if ((a & 0xf8) == 0xf0)
		engine_stop(lab->engine);
}

static void move_reload(struct lab *lab, uint8_t a)
{
	world_configure(a);
}

static void move_resolve(struct lab *lab, uint8_t a)
{
	world_resolve(a % 5);
}

static void move_again(struct lab *lab, uint8_t a)
{
	world_again(a);
}

/* What we sent comes back to us with a byte or two changed. */
static void move_echo(struct lab *lab, uint8_t a)
{
	static char text[8192];

	if (lab->sent_count == 0)
		return;
	struct lab_sent *sent = &lab->sent[lab->sent_count - 1 - (a & 7) % lab->sent_count];

	if (sent->len > sizeof(text))
		return;
	net_addr_print(&sent->flow.remote, peer);
	memcpy(text, sent->data, sent->len);
	text[(a * 37u) % sent->len] ^= (char)(a | 1);
	lab_receive(lab, peer, text, sent->len);
}

/* Of the session that stands, or of one that did; its end, too, though nobody has asked for it. */
static void move_media(struct lab *lab, uint8_t a)
{
	static const uint16_t types[] = {MESSAGE_MEDIA_STARTED, MESSAGE_MEDIA_STARTED, MESSAGE_MEDIA_SILENT,
					 MESSAGE_MEDIA_CLOSED};
	Tandem__MediaStarted started = TANDEM__MEDIA_STARTED__INIT;
	Tandem__MediaSilent silent = TANDEM__MEDIA_SILENT__INIT;
	Tandem__MediaClosed closed = TANDEM__MEDIA_CLOSED__INIT;
	Tandem__Resync resync = TANDEM__RESYNC__INIT;
	uint8_t body[64];
	struct ring_message m = {.body = body, .type = a & 64 ? MESSAGE_MEDIA_RESYNC : types[a & 3]};
	struct lab_session *session = &lab->sessions[a >> 2 & 3];

	started.session = silent.session = closed.session = a & 32 ? lab->last_session : (uint32_t)(a >> 2 & 3);
	started.id = silent.id = closed.id = a & 32 ? lab->last_id : session->id;
	started.from_callee = a & 16;
	started.generation = a >> 7;
	resync.life = a;
	if (m.type == MESSAGE_MEDIA_STARTED)
		m.len = (uint32_t)tandem__media_started__pack(&started, body);
	else if (m.type == MESSAGE_MEDIA_SILENT)
		m.len = (uint32_t)tandem__media_silent__pack(&silent, body);
	else if (m.type == MESSAGE_MEDIA_CLOSED)
		m.len = (uint32_t)tandem__media_closed__pack(&closed, body);
	else
		m.len = (uint32_t)tandem__resync__pack(&resync, body);
	engine_media_message(lab->engine, 0, &m);
	lab_drain(lab);
}

/* By the lower five bits, so that a seed can be written down: "i8a3a0a0n\2" calls, rings, answers and hangs up. */
static void (*const moves[32])(struct lab *lab, uint8_t a) = {
    ['@' & 31] = move_timer,      ['a' & 31] = move_all,      ['b' & 31] = move_ack_failure,
    ['c' & 31] = move_cancel,     ['d' & 31] = move_again,    ['e' & 31] = move_echo,
    ['f' & 31] = move_fork,       ['g' & 31] = move_register, ['h' & 31] = move_challenge,
    ['i' & 31] = move_invite,     ['j' & 31] = move_resolve,  ['k' & 31] = move_kill,
    ['l' & 31] = move_kill_later, ['m' & 31] = move_callee,   ['n' & 31] = move_caller,
    ['o' & 31] = move_media,      ['p' & 31] = move_prack,    ['q' & 31] = move_odd_prack,
    ['r' & 31] = move_reply,      ['s' & 31] = move_sleep,    ['t' & 31] = move_wait,
    ['u' & 31] = move_unhappy,    ['v' & 31] = move_reliable, ['w' & 31] = move_world,
    ['x' & 31] = move_redirect,   ['y' & 31] = move_phone,    ['z' & 31] = move_reload,
    ['[' & 31] = move_reply,      ['\\' & 31] = move_all,     [']' & 31] = move_caller,
    ['^' & 31] = move_invite,     ['_' & 31] = move_glare,
};

/* Nobody says anything any more, and nothing is probed or registered; what stands ends of itself. */
static void go_quiet(struct lab *lab, uint8_t a)
{
	world.kill_in = 0;
	lab->media_dead = lab->cdrs_stay = false;
	atomic_store(&lab->status->process[ROLE_CDRWRITER].spool_full, false);
	world_configure(0);
	lab_drain(lab);
	lab_sleep(lab, 400000);
	/* Whatever was agreed: no call lives longer than the longest session, or the limit of those without one. */
	lab_sleep(lab, 90000 * 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	world_begin();
	for (size_t i = 0; i + 1 < size && i / 2 < MOVES_MAX; i += 2)
		world_do(moves[data[i] & 31], data[i + 1]);
	world_do(go_quiet, 0);
	ledger_check(world.lab);
	world_end();
	return 0;
}
