/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call machine under plausible disorder: each pair of bytes is one move of a customer, a vendor, media, time,
 * the operator or kill -9. Afterwards everybody goes quiet, and nothing may be left: no call, no transaction,
 * and one final record for each call, the same whenever it was written twice.
 */
#include <stdio.h>
#include <stdlib.h>

#include "proto/messages.h"
#include "tests/unit/signaling/lab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOVES_MAX 96

static void expect(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "not true: %s\n", what);
	abort();
}

/* One of the messages we have sent, counted back from the latest; false: none there. */
static bool pick(struct lab *lab, uint8_t back, struct sip_message *m, char peer[static NET_ADDR_TEXT])
{
	if (lab->sent_count == 0)
		return false;
	struct lab_sent *sent = &lab->sent[lab->sent_count - 1 - back % lab->sent_count];

	net_addr_print(&sent->flow.remote, peer);
	return sip_message_parse(m, sent->data, sent->len) == SIP_PARSE_OK;
}

static bool pick_kind(struct lab *lab, uint8_t back, bool is_request, struct sip_message *m,
		      char peer[static NET_ADDR_TEXT])
{
	for (unsigned int i = 0; i < 16; i++)
		if (pick(lab, (uint8_t)(back % 16 + i), m, peer) && m->is_request == is_request)
			return true;
	return false;
}

static struct sip_message message;
static char peer[NET_ADDR_TEXT];

static void move_invite(struct lab *lab, uint8_t a)
{
	static const char *const bodies[] = {lab_sdp, NULL, "v=0\r\nrubbish", lab_sdp};

	lab_invite(lab, a & 7, a & 8 ? "4930123" : "1", bodies[a >> 4 & 3],
		   a & 64       ? "Supported: timer, 100rel\r\n"
		   : lab->extra ? lab->extra
				: "");
}

static void move_cancel(struct lab *lab, uint8_t a)
{
	lab_cancel(lab, a & 7, a & 8 ? "4930123" : "1");
}

static void move_reply(struct lab *lab, uint8_t a)
{
	static const unsigned int codes[] = {100, 180, 183, 200, 200, 200, 401, 404,
					     407, 486, 487, 491, 500, 503, 603, 302};

	if (pick_kind(lab, a >> 4, true, &message, peer) && message.method != SIP_ACK)
		lab_reply(lab, &message, peer, codes[a & 15], a & 128 ? "one" : "two",
			  message.method == SIP_INVITE && a & 3 ? lab_sdp : NULL,
			  (a & 15) == 8 ? "Proxy-Authenticate: Digest realm=\"v\", nonce=\"n\"\r\n"
			  : lab->extra  ? lab->extra
					: "");
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

	if (pick_kind(lab, a >> 4, true, &message, peer) && message.method == SIP_INVITE)
		lab_reply(lab, &message, peer, codes[a & 3], "one", NULL, contacts[a >> 2 & 3]);
}

/* What the peers say of session timers from now on; and time passes till something of that is due. */
static void move_timer(struct lab *lab, uint8_t a)
{
	static const char *const says[] = {NULL,
					   "Supported: timer\r\n",
					   "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n",
					   "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n",
					   "Allow: UPDATE\r\nSession-Expires: 600;refresher=uac\r\n",
					   "Min-SE: 1800\r\n",
					   "Require: timer\r\nSession-Expires: 4294967295\r\nMin-SE: 4294967295\r\n",
					   "Supported: timer\r\nSession-Expires: 60\r\n"};
	static const uint64_t seconds[] = {0, 0, 0, 45, 150, 300, 301, 590};

	lab->extra = says[a & 7];
	lab_sleep(lab, seconds[a >> 3 & 7] * 1000);
}

/* The answers that a request inside a dialog gets. */
static void move_reply_inside(struct lab *lab, uint8_t a)
{
	static const unsigned int codes[] = {200, 405, 408, 422, 481, 491, 501, 407};

	if (pick_kind(lab, a >> 3, true, &message, peer) && message.method != SIP_ACK && sip_message_to(&message) &&
	    sip_message_to(&message)->tag.at)
		lab_reply(lab, &message, peer, codes[a & 7], "", message.method == SIP_INVITE ? lab_sdp : NULL,
			  lab->extra ? lab->extra : "");
}

/* A provisional response with a number (RFC 3262). */
static void move_reliable(struct lab *lab, uint8_t a)
{
	static const unsigned int codes[] = {180, 183, 181, 183};
	char extra[64];

	if (!pick_kind(lab, a >> 5, true, &message, peer) || message.method != SIP_INVITE)
		return;
	snprintf(extra, sizeof(extra), "Require: 100rel\r\nRSeq: %u\r\n", 1u + (a >> 3 & 3));
	lab_reply(lab, &message, peer, codes[a & 3], a & 4 ? "one" : "two", a & 1 ? lab_sdp : NULL, extra);
}

static void move_prack(struct lab *lab, uint8_t a)
{
	if (pick_kind(lab, a >> 3, false, &message, peer) && sip_message_has(&message, SIP_H_RSEQ) &&
	    sip_message_has(&message, SIP_H_CONTACT) && sip_message_cseq(&message))
		lab_prack(lab, &message, 2u + (a & 3), a & 4 ? lab_sdp : NULL);
}

static void move_caller(struct lab *lab, uint8_t a)
{
	static const char *const methods[] = {"ACK", "ACK", "BYE", "INVITE", "UPDATE", "INFO", "OPTIONS", "REFER"};

	if (!pick_kind(lab, a >> 3, false, &message, peer) || message.status < 180 || message.status > 299 ||
	    !sip_message_has(&message, SIP_H_CONTACT) || !sip_message_cseq(&message))
		return;
	lab_caller_request(lab, &message, methods[a & 7], a & 7 ? 1u + (a >> 5) : sip_message_cseq(&message)->number,
			   (a & 7) == 3 ? lab_sdp : NULL);
}

static void move_callee(struct lab *lab, uint8_t a)
{
	static const char *const methods[] = {"BYE", "INVITE", "ACK", "UPDATE"};

	if (pick_kind(lab, a >> 3, true, &message, peer) && message.method == SIP_INVITE &&
	    sip_message_to(&message)->tag.at == NULL)
		lab_callee_request(lab, &message, peer, a & 128 ? "one" : "two", methods[a & 3], 1 + (a >> 5),
				   a & 4 ? lab_sdp : NULL);
}

static void move_sleep(struct lab *lab, uint8_t a)
{
	static const uint64_t ms[] = {1, 100, 600, 2000, 11000, 22000, 33000, 130000};

	lab_sleep(lab, ms[a & 7]);
}

static void move_kill(struct lab *lab, uint8_t a)
{
	lab_restart(lab);
}

static void move_world(struct lab *lab, uint8_t a)
{
	lab->media_dead = a & 1;
	lab->cdrs_stay = a & 2;
	atomic_store(&lab->status->process[ROLE_CDRWRITER].spool_full, (a & 4) != 0);
	if (a & 8)
		engine_hangup(lab->engine, call_table_record(lab->calls, a >> 4)->id);
}

/* What we sent comes back to us with a byte or two changed. */
static void move_echo(struct lab *lab, uint8_t a)
{
	static char text[8192];

	if (!pick(lab, a & 7, &message, peer) || message.len > sizeof(text))
		return;
	memcpy(text, message.data, message.len);
	text[(a * 37u) % message.len] ^= (char)(a | 1);
	lab_receive(lab, peer, text, message.len);
}

static void move_media(struct lab *lab, uint8_t a)
{
	Tandem__MediaStarted started = TANDEM__MEDIA_STARTED__INIT;
	Tandem__MediaSilent silent = TANDEM__MEDIA_SILENT__INIT;
	uint8_t body[64];
	struct ring_message m = {.body = body, .type = a & 1 ? MESSAGE_MEDIA_STARTED : MESSAGE_MEDIA_SILENT};

	started.session = silent.session = a & 2 ? lab->last_session : a;
	started.id = silent.id = lab->last_id;
	started.from_callee = a & 4;
	started.generation = a >> 4;
	m.len =
	    (uint32_t)(a & 1 ? tandem__media_started__pack(&started, body) : tandem__media_silent__pack(&silent, body));
	engine_media_message(lab->engine, 0, &m);
	lab_drain(lab);
}

static void move_ack_failure(struct lab *lab, uint8_t a)
{
	if (pick_kind(lab, a, false, &message, peer) && message.status >= 300 && sip_message_cseq(&message))
		lab_ack_failure(lab, peer, &message);
}

static void (*const moves[])(struct lab *lab, uint8_t a) = {
    move_invite,      move_reply, move_reply,    move_reply, move_caller, move_caller,       move_callee,
    move_cancel,      move_sleep, move_sleep,    move_kill,  move_world,  move_echo,         move_media,
    move_ack_failure, move_reply, move_reliable, move_prack, move_timer,  move_reply_inside,
    move_redirect,
};
#define MOVES (sizeof(moves) / sizeof(moves[0]))

static void check_records(const struct lab *lab)
{
	for (unsigned int i = 0; i < lab->cdr_count; i++)
		for (unsigned int j = 0; j < i; j++) {
			const struct lab_cdr *a = &lab->cdrs[i], *b = &lab->cdrs[j];

			if (memcmp(a->id, b->id, 16) != 0)
				continue;
			if (a->attempt == b->attempt)
				expect(memcmp(a, b, sizeof(*a)) == 0, "a record written twice is the same");
			else
				expect(!a->final || !b->final, "one final record a call");
		}
}

static void quiet(struct lab *lab)
{
	lab->media_dead = lab->cdrs_stay = false;
	lab_drain(lab);
	lab_sleep(lab, 400000);
	lab_drain(lab);
	/* Whatever was agreed: no call lives longer than the longest session, or the limit of those without one. */
	lab_sleep(lab, 90000 * 1000);
	expect(lab_standing(lab) == 0, "every call ends of itself");
	for (uint32_t slot = 0; slot < LAB_CALLS; slot++)
		engine_hangup(lab->engine, call_table_record(lab->calls, slot)->id);
	lab_drain(lab);
	lab_sleep(lab, 100000);
	expect(lab_standing(lab) == 0, "no call stands");
	expect(lab_count(lab, COUNTER_signaling_transactions) == 0, "no transaction stands");
	check_records(lab);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lab *lab = lab_new();

	lab->routing[0].redirect = (struct config_redirect){4, REDIRECT_ANY};
	lab->routing[1].redirect = (struct config_redirect){1, REDIRECT_KNOWN};
	lab->mapping.redirect_pass = size & 1;
	lab_reload(lab);
	for (size_t i = 0; i + 1 < size && i / 2 < MOVES_MAX; i += 2)
		moves[data[i] % MOVES](lab, data[i + 1]);
	quiet(lab);
	lab_free(lab);
	return 0;
}
