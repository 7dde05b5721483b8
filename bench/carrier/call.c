/* SPDX-License-Identifier: Apache-2.0 */
/* The two dialogs of a call: `a` the customer's with the switch, `b` the vendor's. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "carrier.h"

#define T1_US          500000ull
#define T2_US          4000000ull
#define TRANSACTION_US 32000000ull
#define SETUP_US       60000000ull

struct writer {
	char *out;
	size_t size, len;
};

static void put(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct writer *w, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(w->out + w->len, w->size - w->len, format, args);
	va_end(args);
	if (n > 0 && w->len + (size_t)n < w->size)
		w->len += (size_t)n;
}

static void transmit(struct carrier *c, int fd, const char *data, size_t len, const union endpoint *to)
{
	if (sendto(fd, data, len, MSG_DONTWAIT, &to->sa, endpoint_len(to)) < 0)
		c->totals.unexpected++;
}

static void put_padding(struct carrier *c, struct writer *w)
{
	/* Whole headers of at most 400 bytes, as verbose equipment really sends. */
	for (unsigned int left = c->options.padding, i = 0; left > 0; i++) {
		unsigned int n = left < 400 ? left : 400;

		put(w, "X-Padding-%u: ", i);
		for (unsigned int k = 0; k < n; k++)
			put(w, "%c", 'a' + (int)(k % 26));
		put(w, "\r\n");
		left -= n;
	}
}

static void put_body(struct writer *w, const union endpoint *address, uint16_t port, uint32_t session)
{
	char ip[64], body[512];
	int six = address->sa.sa_family == AF_INET6, n;

	endpoint_print(address, ip, sizeof(ip), false);
	n = snprintf(
	    body, sizeof(body),
	    "v=0\r\no=carrier %u 1 IN IP%c %s\r\ns=call\r\nc=IN IP%c %s\r\nt=0 0\r\nm=audio %u RTP/AVP 8 101\r\n"
	    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 "
	    "0-15\r\na=ptime:20\r\na=sendrecv\r\n",
	    session, six ? '6' : '4', ip, six ? '6' : '4', ip, port ? port : 40000);
	put(w, "Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", n, body);
}

/* Send the side's request and start its resend schedule. */
static void request_start(struct carrier *c, struct side *side, int fd, size_t len)
{
	side->request_len = len;
	side->interval_us = T1_US;
	side->resend_us = c->now_us + T1_US;
	side->give_up_us = c->now_us + TRANSACTION_US;
	transmit(c, fd, side->request, len, &side->next_hop);
}

static void request_end(struct side *side)
{
	side->request_len = 0;
	side->resend_us = side->give_up_us = 0;
}

static struct call *call_by_number(struct carrier *c, uint32_t number)
{
	struct call *call = &c->calls[number % c->slots];

	return call->state != CALL_FREE && call->number == number ? call : NULL;
}

static struct call *call_by_caller_id(struct carrier *c, const char *call_id)
{
	unsigned int tag, number;
	struct call *call;

	if (sscanf(call_id, "a%8x-%u@", &tag, &number) != 2 || tag != c->tag)
		return NULL;
	call = call_by_number(c, number);
	return call && strcmp(call->a.call_id, call_id) == 0 ? call : NULL;
}

static struct call *call_by_callee_id(struct carrier *c, const char *call_id)
{
	for (unsigned int i = 0; i < c->slots; i++)
		if (c->calls[i].state != CALL_FREE && strcmp(c->calls[i].b.call_id, call_id) == 0)
			return &c->calls[i];
	return NULL;
}

static int vendor_fd(struct carrier *c, struct call *call)
{
	return c->options.vendor[call->vendor].fd;
}

void call_place(struct carrier *c, bool standing)
{
	struct options *o = &c->options;
	struct call *call = NULL;
	struct writer w;
	char local[80], target[80];

	for (unsigned int tries = 0; tries < c->slots && !call; tries++, c->placed++)
		if (c->calls[c->placed % c->slots].state == CALL_FREE)
			call = &c->calls[c->placed % c->slots];
	if (!call) {
		c->totals.unexpected++;
		return;
	}
	*call = (struct call){.state = CALL_INVITED,
			      .number = c->placed - 1,
			      .standing = standing,
			      .vendor = -1,
			      .invite_us = c->now_us,
			      .a.audio = call->a.audio,
			      .b.audio = call->b.audio};
	call->wants = strcmp(o->hangup, "caller") == 0   ? 'a'
		      : strcmp(o->hangup, "callee") == 0 ? 'b'
		      : call->number & 1                 ? 'a'
							 : 'b';
	audio_start(&call->a.audio, c->tag ^ (call->number * 2 + 0x10000), c->tag ^ (call->number * 2 + 0x10001));
	audio_start(&call->b.audio, call->a.audio.peer_ssrc, call->a.audio.ssrc);
	call->a.peer = call->a.next_hop = o->target;
	call->a.cseq = 1;
	endpoint_print(&o->caller_address, local, sizeof(local), true);
	endpoint_print(&o->target, target, sizeof(target), true);
	snprintf(call->a.call_id, TEXT_MAX, "a%08x-%u@carrier", c->tag, call->number);
	snprintf(call->a.branch, sizeof(call->a.branch), "z9hG4bKa%08x%u", c->tag, call->number);
	snprintf(call->a.from, TEXT_MAX, "<sip:4922800%06u@%s>;tag=a%u", call->number, local, call->number);
	snprintf(call->a.to, TEXT_MAX, "<sip:%s%06u@%s>", o->number, call->number, target);
	w = (struct writer){call->a.request, sizeof(call->a.request), 0};
	put(&w,
	    "INVITE sip:%s%06u@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: "
	    "%s\r\nTo: %s\r\n"
	    "Call-ID: %s\r\nCSeq: 1 INVITE\r\nContact: <sip:a@%s>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n",
	    o->number, call->number, target, local, call->a.branch, call->a.from, call->a.to, call->a.call_id, local);
	put_padding(c, &w);
	put_body(&w, &o->caller_address, call->a.audio.port, call->number + 1);
	c->active++;
	c->totals.offered++;
	request_start(c, &call->a, c->caller_fd, w.len);
}

static void call_report(struct carrier *c, const struct call *call)
{
	if (!c->calls_out)
		return;
	fprintf(c->calls_out,
		"{\"number\":%u,\"call_id\":\"%s\",\"standing\":%s,\"code\":%d,\"vendor\":%d,\"invite_us\":%llu,\"ring_"
		"us\":%llu,"
		"\"answered_us\":%llu,\"callee_answer_us\":%llu,\"hangup_us\":%llu,\"end_a_us\":%llu,\"end_b_us\":%llu,"
		"\"ended_by\":\"%.1s\","
		"\"sent\":[%llu,%llu],\"received\":[%llu,%llu],\"corrupted\":%llu,\"max_gap_us\":[%llu,%llu],\"gap_at_"
		"us\":[%llu,%llu]}\n",
		call->number, call->a.call_id, call->standing ? "true" : "false", call->code, call->vendor,
		(unsigned long long)call->invite_us, (unsigned long long)call->ring_us,
		(unsigned long long)call->answered_us, (unsigned long long)call->answer_us,
		(unsigned long long)call->hangup_us, (unsigned long long)call->end_a_us,
		(unsigned long long)call->end_b_us, call->ended_by ? &call->ended_by : "-",
		(unsigned long long)call->a.audio.sent, (unsigned long long)call->b.audio.sent,
		(unsigned long long)call->a.audio.received, (unsigned long long)call->b.audio.received,
		(unsigned long long)(call->a.audio.corrupted + call->b.audio.corrupted),
		(unsigned long long)call->a.audio.max_gap_us, (unsigned long long)call->b.audio.max_gap_us,
		(unsigned long long)call->a.audio.gap_at_us, (unsigned long long)call->b.audio.gap_at_us);
}

/* Count the call and free its slot. */
static void call_finish(struct carrier *c, struct call *call)
{
	struct totals *t = &c->totals;
	const struct audio *audio[2] = {&call->a.audio, &call->b.audio};

	call->done_us = c->now_us;
	if (call->answered_us) {
		if (call->end_a_us && call->end_b_us)
			t->ended_clean++;
		else if (call->end_a_us || call->end_b_us)
			t->disagree++;
		else
			t->lost++;
	} else if (call->code == 0) {
		t->timeouts++;
	}
	if (!call->answered_us && call->b.acked && !call->end_b_us) /* acknowledged and then forgotten */
		t->disagree++;
	for (int i = 0; i < 2; i++) {
		t->audio_sent[i] += audio[i]->sent;
		t->audio_received[!i] += audio[i]->received;
		t->audio_lost[!i] += audio_lost(audio[i]);
		t->corrupted += audio[i]->corrupted;
		t->foreign += audio[i]->foreign;
		t->duplicates += audio[i]->duplicates;
		t->gaps_over_1s += audio[i]->max_gap_us > 1000000;
		if (audio[i]->max_gap_us > t->max_gap_us)
			t->max_gap_us = audio[i]->max_gap_us;
	}
	call_report(c, call);
	call->state = CALL_FREE;
	c->active--;
}

/* An in-dialog request of one side without a body: ACK or BYE. */
static size_t dialog_request(struct carrier *c, struct side *side, const union endpoint *local_address,
			     const char *method, uint32_t cseq, char *out, size_t size)
{
	struct writer w = {out, size, 0};
	char local[80];

	endpoint_print(local_address, local, sizeof(local), true);
	put(&w,
	    "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%c%08x%s%u%s;rport\r\nMax-Forwards: 70\r\nFrom: "
	    "%s\r\nTo: %s\r\n"
	    "Call-ID: %s\r\nCSeq: %u %s\r\n%sContent-Length: 0\r\n\r\n",
	    method, side->target, local, method[0], c->tag, side->call_id[0] == 'a' ? "a" : "b", cseq, side->call_id,
	    side->from, side->to, side->call_id, cseq, method, side->route);
	return w.len;
}

static void send_ack(struct carrier *c, struct call *call, bool success)
{
	char ack[4096];
	struct writer w = {ack, sizeof(ack), 0};
	char local[80];

	if (success) {
		w.len = dialog_request(c, &call->a, &c->options.caller_address, "ACK", 1, ack, sizeof(ack));
	} else {
		endpoint_print(&c->options.caller_address, local, sizeof(local), true);
		put(&w,
		    "ACK sip:%s%06u@switch SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: "
		    "%s\r\n"
		    "To: %s\r\nCall-ID: %s\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
		    c->options.number, call->number, local, call->a.branch, call->a.from, call->a.to, call->a.call_id);
	}
	transmit(c, c->caller_fd, ack, w.len, success ? &call->a.next_hop : &call->a.peer);
}

void call_hang_up(struct carrier *c, struct call *call, char who)
{
	struct side *side = who == 'a' ? &call->a : &call->b;
	const union endpoint *local =
	    who == 'a' ? &c->options.caller_address : &c->options.vendor[call->vendor].address;
	int fd = who == 'a' ? c->caller_fd : vendor_fd(c, call);

	if (call->state != CALL_UP)
		return;
	call->state = CALL_BYE_SENT;
	call->ended_by = who;
	call->hangup_us = c->now_us;
	side->cseq++;
	request_start(c, side, fd,
		      dialog_request(c, side, local, "BYE", side->cseq, side->request, sizeof(side->request)));
}

static void side_ended(struct carrier *c, struct call *call, struct side *side)
{
	uint64_t *end = side == &call->a ? &call->end_a_us : &call->end_b_us;

	if (!*end)
		*end = c->now_us;
	if (call->end_a_us && call->end_b_us)
		call_finish(c, call);
}

static void send_response(struct carrier *c, int fd, const char *text, size_t len, const union endpoint *to, int code,
			  const char *reason, const char *to_tag, struct side *keep, const union endpoint *contact)
{
	char value[TEXT_MAX], headers[4096], buffer[8192], local[80];
	struct writer w = {keep ? keep->response : buffer, sizeof(buffer), 0};

	put(&w, "SIP/2.0 %d %s\r\n", code, reason);
	text_all_headers(text, len, "Via", "v", headers, sizeof(headers));
	put(&w, "%s", headers);
	text_all_headers(text, len, "Record-Route", NULL, headers, sizeof(headers));
	put(&w, "%s", headers);
	text_header(text, len, "From", "f", value, sizeof(value));
	put(&w, "From: %s\r\n", value);
	text_header(text, len, "To", "t", value, sizeof(value));
	put(&w, "To: %s%s%s\r\n", value, to_tag && !strstr(value, "tag=") ? ";tag=" : "",
	    to_tag && !strstr(value, "tag=") ? to_tag : "");
	text_header(text, len, "Call-ID", "i", value, sizeof(value));
	put(&w, "Call-ID: %s\r\n", value);
	text_header(text, len, "CSeq", NULL, value, sizeof(value));
	put(&w, "CSeq: %s\r\n", value);
	if (contact) {
		endpoint_print(contact, local, sizeof(local), true);
		put(&w, "Contact: <sip:b@%s>\r\n", local);
	}
	if (contact && code >= 180) {
		put_padding(c, &w);
		put_body(&w, contact, keep->audio.port, 7);
	} else {
		put(&w, "Content-Length: 0\r\n\r\n");
	}
	if (keep)
		keep->response_len = w.len;
	transmit(c, fd, w.out, w.len, to);
}

/* ---- the customer's side ---- */

static void caller_answered(struct carrier *c, struct call *call, const char *text, size_t len)
{
	if (!call->answered_us) {
		text_header(text, len, "To", "t", call->a.to, TEXT_MAX);
		route_learn(&call->a, text, len, true);
		c->totals.unexpected += !call->a.target[0];
		call->answered_us = c->now_us;
		call->code = 200;
		call->state = CALL_UP;
		call->a.established = true;
		c->totals.answered_a++;
		request_end(&call->a);
		if (!text_sdp_endpoint(text, len, &call->a.audio.remote))
			c->totals.unexpected++;
	} else {
		c->totals.resent++;
	}
	send_ack(c, call, true);
}

static void caller_response(struct carrier *c, struct call *call, const char *text, size_t len, int code)
{
	char cseq[TEXT_MAX];

	text_header(text, len, "CSeq", NULL, cseq, sizeof(cseq));
	if (strstr(cseq, "BYE")) {
		if (call->a.request_len && call->ended_by == 'a' && code >= 200) {
			c->totals.bye_481 += code != 200;
			request_end(&call->a);
			side_ended(c, call, &call->a);
		}
		return;
	}
	if (code < 200) {
		call->a.resend_us = 0;
		call->a.give_up_us = call->invite_us + SETUP_US;
		if (code > 100 && !call->ring_us)
			call->ring_us = c->now_us;
		if (code == 183)
			text_sdp_endpoint(text, len, &call->a.audio.remote);
		return;
	}
	if (code < 300) {
		caller_answered(c, call, text, len);
		return;
	}
	text_header(text, len, "To", "t", call->a.to, TEXT_MAX);
	send_ack(c, call, false);
	if (!call->code) {
		call->code = code;
		c->totals.refused[code < MAX_CODES ? code : 0]++;
		request_end(&call->a);
		call->state = CALL_DONE; /* a little longer, to absorb what is resent */
		call->done_us = c->now_us + T1_US;
	}
}

/* A BYE from the switch to one side. */
static void bye_received(struct carrier *c, struct call *call, struct side *side, int fd, const char *text, size_t len,
			 const union endpoint *from)
{
	send_response(c, fd, text, len, from, 200, "OK", NULL, NULL, NULL);
	side->bye_received = true;
	if (call->state == CALL_UP) {
		call->state = CALL_BYE_SENT;
		call->ended_by = 's';
		call->hangup_us = c->now_us;
	}
	side_ended(c, call, side);
}

void call_caller_datagram(struct carrier *c, const char *text, size_t len, const union endpoint *from)
{
	char call_id[TEXT_MAX];
	struct call *call;
	int code = text_status(text, len);

	text_header(text, len, "Call-ID", "i", call_id, sizeof(call_id));
	call = call_by_caller_id(c, call_id);
	if (code && call)
		caller_response(c, call, text, len, code);
	else if (code)
		c->totals.resent++;
	else if (memcmp(text, "BYE ", 4) == 0 && call)
		bye_received(c, call, &call->a, c->caller_fd, text, len, from);
	else if (memcmp(text, "BYE ", 4) == 0) /* again, after the end */
		send_response(c, c->caller_fd, text, len, from, 200, "OK", NULL, NULL, NULL);
	else if (memcmp(text, "OPTIONS ", 8) == 0)
		send_response(c, c->caller_fd, text, len, from, 200, "OK", "o", NULL, NULL);
	else
		c->totals.unexpected++;
}

/* ---- the vendor's side ---- */

/* The call that a number dialled belongs to: its last six digits. */
static struct call *call_by_request_uri(struct carrier *c, const char *text, size_t len)
{
	const char *at = memchr(text, '@', len < 200 ? len : 200);

	if (!at || at - text < 13)
		return NULL;
	return call_by_number(c, (uint32_t)strtoul(at - 6, NULL, 10));
}

static void callee_answer(struct carrier *c, struct call *call)
{
	struct side *b = &call->b;
	char to_tag[32];

	snprintf(to_tag, sizeof(to_tag), "b%u", call->number);
	call->answer_us = c->now_us;
	send_response(c, vendor_fd(c, call), b->request, b->interval_us, &b->peer, 200, "OK", to_tag, b,
		      &c->options.vendor[call->vendor].address);
	b->established = true;
	b->interval_us = T1_US;
	b->resend_us = c->now_us + T1_US;
	b->give_up_us = c->now_us + TRANSACTION_US;
}

static void callee_ring(struct carrier *c, struct call *call, int vendor, const char *text, size_t len,
			const char *call_id, const union endpoint *from)
{
	char value[TEXT_MAX], to_tag[32];
	struct vendor *v = &c->options.vendor[vendor];
	struct side *b = &call->b;

	call->vendor = vendor;
	b->peer = b->next_hop = *from;
	b->cseq = 100;
	snprintf(b->call_id, TEXT_MAX, "%s", call_id);
	snprintf(to_tag, sizeof(to_tag), "b%u", call->number);
	/* Our From in this dialog is the To of the INVITE, and the other way round. */
	text_header(text, len, "To", "t", value, sizeof(value));
	snprintf(b->from, TEXT_MAX, "%.200s;tag=%s", value, to_tag);
	text_header(text, len, "From", "f", b->to, TEXT_MAX);
	route_learn(b, text, len, false);
	c->totals.unexpected += !b->target[0];
	text_sdp_endpoint(text, len, &b->audio.remote);
	/* The INVITE is kept where our own requests will be: its headers are needed for the 200. */
	memcpy(b->request, text, len < sizeof(b->request) ? len : sizeof(b->request));
	b->request_len = 0;
	b->interval_us = len;
	call->state = CALL_RINGING;
	call->answer_us = 0;
	b->resend_us = c->now_us + c->options.ring_ms * 1000ull;
	send_response(c, v->fd, text, len, from, 100, "Trying", NULL, NULL, NULL);
	if (c->options.early_media)
		send_response(c, v->fd, text, len, from, 183, "Session Progress", to_tag, b, &v->address);
	else
		send_response(c, v->fd, text, len, from, 180, "Ringing", to_tag, b, NULL);
	if (c->options.ring_ms == 0)
		callee_answer(c, call);
}

static void callee_invite(struct carrier *c, int vendor, const char *text, size_t len, const char *call_id,
			  const union endpoint *from)
{
	struct vendor *v = &c->options.vendor[vendor];
	struct call *call = call_by_request_uri(c, text, len);

	if (v->behaviour == ANSWER && call && strcmp(call->b.call_id, call_id) == 0) { /* again */
		c->totals.resent++;
		if (call->b.response_len)
			transmit(c, v->fd, call->b.response, call->b.response_len, from);
		return;
	}
	v->invites++;
	if (v->behaviour == SILENT)
		return;
	if (v->behaviour == REFUSE) {
		send_response(c, v->fd, text, len, from, v->code, "Refused", "r", NULL, NULL);
		return;
	}
	if (!call || (call->state != CALL_INVITED)) {
		c->totals.unexpected++;
		send_response(c, v->fd, text, len, from, 404, "Not Found", "n", NULL, NULL);
		return;
	}
	callee_ring(c, call, vendor, text, len, call_id, from);
}

static void callee_cancel(struct carrier *c, struct call *call, int vendor, const char *text, size_t len,
			  const union endpoint *from)
{
	struct side *b = &call->b;
	int fd = c->options.vendor[vendor].fd;

	send_response(c, fd, text, len, from, 200, "OK", NULL, NULL, NULL);
	if (call->state == CALL_RINGING && !call->answer_us) {
		call->canceled = true;
		send_response(c, fd, b->request, b->interval_us, from, 487, "Request Terminated", "b", b, NULL);
		b->resend_us = 0;
	}
}

void call_callee_datagram(struct carrier *c, int vendor, const char *text, size_t len, const union endpoint *from)
{
	char call_id[TEXT_MAX];
	int fd = c->options.vendor[vendor].fd, code = text_status(text, len);
	struct call *call;

	text_header(text, len, "Call-ID", "i", call_id, sizeof(call_id));
	if (memcmp(text, "INVITE ", 7) == 0) {
		callee_invite(c, vendor, text, len, call_id, from);
		return;
	}
	if (memcmp(text, "OPTIONS ", 8) == 0) {
		send_response(c, fd, text, len, from, 200, "OK", "o", NULL, NULL);
		return;
	}
	call = call_by_callee_id(c, call_id);
	if (!call) {
		if (memcmp(text, "BYE ", 4) == 0)
			send_response(c, fd, text, len, from, 200, "OK", NULL, NULL, NULL);
		return;
	}
	if (memcmp(text, "ACK ", 4) == 0) {
		if (!call->b.acked && call->answer_us) {
			call->b.acked = true;
			c->totals.answered_b++;
		}
		call->b.resend_us = call->b.give_up_us = 0;
	} else if (memcmp(text, "BYE ", 4) == 0) {
		bye_received(c, call, &call->b, fd, text, len, from);
	} else if (memcmp(text, "CANCEL ", 7) == 0) {
		callee_cancel(c, call, vendor, text, len, from);
	} else if (code >= 200 && call->b.request_len && call->ended_by == 'b') {
		c->totals.bye_481 += code != 200;
		request_end(&call->b);
		side_ended(c, call, &call->b);
	}
}

/* ---- time ---- */

static void resend(struct carrier *c, struct side *side, int fd, const char *data, size_t len, const union endpoint *to)
{
	if (!side->resend_us || c->now_us < side->resend_us)
		return;
	c->totals.resent++;
	side->interval_us = side->interval_us * 2 < T2_US ? side->interval_us * 2 : T2_US;
	side->resend_us = c->now_us + side->interval_us;
	transmit(c, fd, data, len, to);
}

static void tick_established(struct carrier *c, struct call *call)
{
	bool up = call->state == CALL_UP;

	if (call->b.established && !call->b.acked)
		resend(c, &call->b, vendor_fd(c, call), call->b.response, call->b.response_len, &call->b.peer);
	if (up && !call->standing && c->now_us >= call->answered_us + (uint64_t)(c->options.hold_s * 1e6) &&
	    call->b.acked)
		call_hang_up(c, call, call->wants);
}

void call_tick(struct carrier *c, struct call *call)
{
	uint64_t ended = call->end_a_us ? call->end_a_us : call->end_b_us;

	if (call->state == CALL_FREE)
		return;
	if (call->state == CALL_DONE && c->now_us >= call->done_us) {
		call_finish(c, call);
		return;
	}
	if (call->state == CALL_RINGING && !call->answer_us && !call->canceled && call->b.resend_us &&
	    c->now_us >= call->b.resend_us)
		callee_answer(c, call);
	if (call->answer_us)
		tick_established(c, call);
	if (call->a.request_len)
		resend(c, &call->a, c->caller_fd, call->a.request, call->a.request_len, &call->a.next_hop);
	if (call->b.request_len && call->ended_by == 'b')
		resend(c, &call->b, vendor_fd(c, call), call->b.request, call->b.request_len, &call->b.next_hop);
	if ((call->a.give_up_us && c->now_us >= call->a.give_up_us) ||
	    (call->ended_by == 'b' && call->b.give_up_us && c->now_us >= call->b.give_up_us) ||
	    (ended && c->now_us >= ended + (uint64_t)(c->options.disagree_s * 1e6)))
		call_finish(c, call);
}
