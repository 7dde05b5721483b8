/* SPDX-License-Identifier: Apache-2.0 */
#include "messages.h"

#include <stdio.h>
#include <stdlib.h>

#include "generator.h"

/* ---- prepared texts ------------------------------------------------------------------------------------------ */

static int compile_media(struct messages *m, const struct scenario *s, const struct net_addr *addr, unsigned int index)
{
	const struct call_options *call = &s->call;
	char ip[NET_ADDR_TEXT], lines[MAX_LINES * MAX_LINE] = "", sdp[MAX_LINES * MAX_LINE + 512],
						  whole[sizeof(sdp) + 128];
	int family = addr->family == NET_IP6 ? 6 : 4;
	struct template body;

	net_addr_print_ip(addr, ip);
	for (unsigned int i = 0; i < call->sdp_lines; i++) {
		strcat(lines, call->sdp[i]);
		strcat(lines, "\r\n");
	}
	snprintf(sdp, sizeof(sdp),
		 "v=0\r\no=- 1 1 IN IP%d %s\r\ns=-\r\nc=IN IP%d %s\r\nt=0 0\r\nm=audio {port} RTP/AVP %s\r\n%s"
		 "a=label:{k}{id}\r\n",
		 family, ip, family, ip, call->codecs, lines);
	if (template_compile(&body, sdp, 0) != 0)
		return -1;
	snprintf(whole, sizeof(whole), "Content-Type: application/sdp\r\nContent-Length: %u\r\n\r\n%s", body.len, sdp);
	return template_compile(&m->media[index], whole, 0);
}

static int compile_invite(struct messages *m, const struct scenario *s)
{
	char headers[MAX_LINES * (MAX_LINE + 2)] = "", source[sizeof(headers) + 2048];

	for (unsigned int i = 0; i < s->call.headers; i++) {
		strcat(headers, s->call.header[i]);
		strcat(headers, "\r\n");
	}
	snprintf(source, sizeof(source),
		 "INVITE sip:{number}@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=" BRANCH_COOKIE "{k}{id}%s\r\n"
		 "Max-Forwards: 70\r\nFrom: <sip:%s@%s>;tag=a{id}\r\nTo: <sip:{number}@%s>\r\nCall-ID: {id}%s@%s\r\n"
		 "CSeq: {k} INVITE\r\nContact: <sip:a{id}@%s>\r\nUser-Agent: tandem-generator\r\n"
		 "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\n%s",
		 m->target.text, m->customer.text, m->run, s->call.caller, m->customer.text, m->target.text, m->run,
		 m->customer.text, m->customer.text, headers);
	return template_compile(&m->invite, source, s->call.digits);
}

static int compile_request(struct messages *m, const struct scenario *s)
{
	char source[1024];

	snprintf(source, sizeof(source),
		 " SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=" BRANCH_COOKIE "{k}{id}%s\r\nMax-Forwards: 70\r\n"
		 "From: <sip:%s@%s>;tag=a{id}\r\nCall-ID: {id}%s@%s\r\nTo: ",
		 m->customer.text, m->run, s->call.caller, m->customer.text, m->run, m->customer.text);
	return template_compile(&m->request, source, 0);
}

static struct place_text place_text(struct net_addr addr)
{
	struct place_text place;

	place.len = (uint32_t)net_addr_print(&addr, place.text);
	return place;
}

static int prepare(struct messages *m, const struct scenario *s, const struct link *link)
{
	char ip[NET_ADDR_TEXT];
	int rc = 0;

	m->customer = place_text(link->customer);
	m->target = place_text(link->target);
	net_addr_print_ip(&link->target, ip);
	m->received_len =
	    (uint32_t)snprintf(m->received, sizeof(m->received), "=%u;received=%s", link->target.port, ip);
	m->vendor = calloc(link->vendors + 1, sizeof(*m->vendor));
	if (!m->vendor)
		return -1;
	for (unsigned int i = 0; i < link->vendor_groups; i++) {
		struct net_addr addr = link->vendor[i].address;

		for (unsigned int k = 0; k < link->vendor[i].count; k++, addr.port++)
			m->vendor[link->vendor[i].first + k] = place_text(addr);
	}
	for (unsigned int i = 0; rc == 0 && i < link->media.addresses; i++)
		rc = compile_media(m, s, &link->media.address[i], i);
	if (rc == 0)
		rc = compile_request(m, s);
	return rc ? rc : compile_invite(m, s);
}

struct messages *messages_new(const struct scenario *scenario, const struct link *link, uint32_t run)
{
	struct messages *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	snprintf(m->run, sizeof(m->run), "%08x", run);
	if (prepare(m, scenario, link) == 0 && m->invite.len + m->media[0].len + 300 < MESSAGE_ROOM)
		return m;
	fprintf(stderr, "the INVITE of this scenario is too long: at most %d bytes\n", MESSAGE_ROOM - 300);
	messages_free(m);
	return NULL;
}

void messages_free(struct messages *messages)
{
	if (!messages)
		return;
	free(messages->vendor);
	free(messages);
}

/* ---- the writer ---------------------------------------------------------------------------------------------- */

void outgoing_check(struct generator *g, bool sip)
{
	struct outgoing *out = &g->outgoing;
	uint64_t refused = atomic_load_explicit(&g->row.value[COUNTER_port_tx_driver_full], memory_order_relaxed);

	if (refused == out->refused)
		return;
	stat_add(g->phase, STAT_refused, refused - out->refused);
	out->refused = refused;
	for (unsigned int i = 0; sip && i < OUTGOING; i++)
		if (out->call[i])
			out->call[i]->flags |= CALL_UNSENT;
}

bool writer_begin(struct generator *g, struct writer *w, struct call *call, unsigned int port,
		  const struct net_addr *local, const struct net_addr *remote)
{
	if (port_buffer(g->queue[port], &w->datagram, MESSAGE_ROOM) != 0)
		return false;
	w->datagram.local = *local;
	w->datagram.remote = *remote;
	w->datagram.tos = 0;
	w->at = (char *)w->datagram.data;
	w->end = w->at + MESSAGE_ROOM;
	w->port = port;
	w->call = call;
	w->overflow = false;
	return true;
}

void writer_end(struct generator *g, struct writer *w, enum role role, enum message_type type, bool again)
{
	if (w->overflow) {
		tally_add(&g->oversized, 1);
		datagram_free(&w->datagram);
		return;
	}
	w->datagram.len = (uint32_t)(w->at - (char *)w->datagram.data);
	g->outgoing.call[g->outgoing.count++ % OUTGOING] = w->call;
	port_send(g->queue[w->port], &w->datagram, now_us(g));
	outgoing_check(g, true);
	message_count(g, role, SENT, type);
	if (again)
		message_count(g, role, SENT_AGAIN, type);
}

void put_number(struct writer *w, uint32_t value)
{
	char digits[10];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	put(w, digits + at, sizeof(digits) - at);
}

void put_branch(struct writer *w, const struct generator *g, char kind, const char id[static ID_HEX])
{
	PUT(w, BRANCH_COOKIE);
	put(w, &kind, 1);
	put(w, id, ID_HEX);
	put(w, g->messages->run, 8);
}

void put_status(struct writer *w, unsigned int code)
{
#define STATUS(code, phrase)                                                                                           \
	{                                                                                                              \
		code, sizeof("SIP/2.0 " #code " " phrase "\r\n") - 1, "SIP/2.0 " #code " " phrase "\r\n"               \
	}
	static const struct {
		uint16_t code, len;
		const char *line;
	} known[] = {STATUS(200, "OK"),
		     STATUS(180, "Ringing"),
		     STATUS(100, "Trying"),
		     STATUS(302, "Moved Temporarily"),
		     STATUS(404, "Not Found"),
		     STATUS(407, "Proxy Authentication Required"),
		     STATUS(481, "Call Does Not Exist"),
		     STATUS(486, "Busy Here"),
		     STATUS(487, "Request Terminated"),
		     STATUS(503, "Service Unavailable")};
#undef STATUS

	for (unsigned int i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].code == code) {
			put(w, known[i].line, known[i].len);
			return;
		}
	PUT(w, "SIP/2.0 ");
	put_number(w, code);
	PUT(w, " Because\r\n");
}

/* ---- responses that need no state ---------------------------------------------------------------------------- */

void respond_plainly(struct generator *g, const struct sip_view *view, const struct datagram *to,
		     const struct plain_response *how)
{
	enum view_method method = how->as_invite ? VIEW_INVITE : (enum view_method)view->method;
	struct writer w;

	if (!writer_begin(g, &w, how->call, how->port, &to->local, &to->remote))
		return;
	put_status(&w, how->code);
	for (unsigned int i = 0; i < view->vias; i++) {
		PUT(&w, "Via: ");
		put_span(&w, view->via[i]);
		PUT(&w, "\r\n");
	}
	PUT(&w, "From: ");
	put_span(&w, view->from);
	PUT(&w, "\r\nTo: ");
	put_span(&w, view->to);
	if (how->tag && value_parameter(view->to, "tag").len == 0) {
		PUT(&w, ";tag=");
		put(&w, how->tag, how->tag_len);
	}
	PUT(&w, "\r\nCall-ID: ");
	put_span(&w, view->call_id);
	PUT(&w, "\r\nCSeq: ");
	if (how->as_invite) {
		put_number(&w, view->cseq_number);
		PUT(&w, " INVITE");
	} else {
		put_span(&w, view->cseq);
	}
	PUT(&w, "\r\n");
	if (how->tail)
		put_template(&w, how->tail, how->values);
	else
		PUT(&w, "Content-Length: 0\r\n\r\n");
	writer_end(g, &w, how->role, message_type(method, how->code), how->again);
}
