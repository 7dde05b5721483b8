/* SPDX-License-Identifier: Apache-2.0 */
/* The vendors: answer, refuse, ring or stay silent as the scenario says, and repeat themselves until heard (RFC
 * 3261, 17.2). */
#include <stddef.h>
#include <stdio.h>

#include "generator.h"

#define T1_NS   500000000ull
#define T2_NS   4000000000ull
#define RESENDS 10 /* 64 * T1, about */

static void on_timer(struct timer *timer, void *context);

static void timer_in(struct generator *g, struct call *call, uint64_t in_ns)
{
	timer_start(&g->wheel, &call->callee_timer, wheel_time(g->now_ns + in_ns), on_timer);
}

static struct span callee_piece(const struct call *call, struct piece piece)
{
	return (struct span){call->callee_text + piece.at, piece.len};
}

static uint16_t vendor_number(const struct generator *g, const struct net_addr *local)
{
	for (unsigned int i = 0; i < g->link->vendor_groups; i++) {
		const struct vendor_group *group = &g->link->vendor[i];
		unsigned int offset = (unsigned int)local->port - group->address.port;

		if (offset < group->count && same_ip(&group->address, local))
			return (uint16_t)(group->first + offset);
	}
	return 0;
}

static const struct action *action_of(const struct generator *g, const struct call *call)
{
	const struct flow *flow = &g->scenario->flow[call->flow];
	unsigned int attempt = call->attempts ? call->attempts - 1u : 0;

	return &flow->action[attempt < flow->actions ? attempt : flow->actions - 1];
}

/* ---- what an INVITE leaves behind ---------------------------------------------------------------------------- */

struct text_out {
	struct call *call;
	uint16_t used;
	bool overflow;
};

static void add(struct text_out *out, const char *text, size_t len)
{
	if (out->used + len > CALLEE_TEXT) {
		out->overflow = true;
		return;
	}
	memcpy(out->call->callee_text + out->used, text, len);
	out->used = (uint16_t)(out->used + len);
}

#define ADD(out, literal) add((out), (literal), sizeof(literal) - 1)

/* Returns where the value went. */
static struct piece add_value(struct text_out *out, struct span value)
{
	struct piece piece = {out->used, (uint16_t)value.len};

	add(out, value.at, value.len);
	return piece;
}

/* The topmost Via with what RFC 3581 wants to be filled in. */
static void add_via(const struct generator *g, struct text_out *out, struct span via, const struct net_addr *from)
{
	const char *rport = memmem(via.at, via.len, ";rport", 6);
	const char *end = via.at + via.len, *after = rport ? rport + 6 : NULL;
	char text[NET_ADDR_TEXT + 32], ip[NET_ADDR_TEXT];
	int len;

	ADD(out, "Via: ");
	if (!rport || (after < end && *after != ';')) { /* none, or one that has a value */
		add(out, via.at, via.len);
	} else {
		add(out, via.at, (size_t)(after - via.at));
		if (from->port == g->link->target.port && same_ip(from, &g->link->target)) {
			add(out, g->messages->received, g->messages->received_len);
		} else {
			net_addr_print_ip(from, ip);
			len = snprintf(text, sizeof(text), "=%u;received=%s", from->port, ip);
			add(out, text, (size_t)len);
		}
		add(out, after, (size_t)(end - after));
	}
	ADD(out, "\r\n");
}

/* The lines that every response to this INVITE has, and what requests of ours will need. */
static bool keep_invite(const struct generator *g, struct call *call, const struct sip_view *view,
			const struct datagram *d)
{
	struct text_out out = {.call = call};
	struct template_values values;
	char tag[4] = {';', 't', 'a', 'g'}, attempt = (char)('0' + call->attempts % 10);
	uint16_t own;

	values_id(&values, call->slot, call->serial);
	for (unsigned int i = 0; i < view->vias; i++) {
		if (i == 0) {
			add_via(g, &out, view->via[0], &d->remote);
			continue;
		}
		ADD(&out, "Via: ");
		add(&out, view->via[i].at, view->via[i].len);
		ADD(&out, "\r\n");
	}
	call->routes.at = out.used;
	for (unsigned int i = 0; i < view->routes; i++) {
		ADD(&out, "Record-Route: ");
		add(&out, view->route[i].at, view->route[i].len);
		ADD(&out, "\r\n");
	}
	call->routes.len = (uint16_t)(out.used - call->routes.at);
	ADD(&out, "From: ");
	call->from = add_value(&out, view->from);
	ADD(&out, "\r\nCall-ID: ");
	call->call_id = add_value(&out, view->call_id);
	ADD(&out, "\r\nTo: ");
	own = out.used;
	add(&out, view->to.at, view->to.len);
	add(&out, tag, sizeof(tag));
	ADD(&out, "=b");
	add(&out, &attempt, 1);
	add(&out, values.id, ID_HEX);
	call->own = (struct piece){own, (uint16_t)(out.used - own)};
	ADD(&out, "\r\nCSeq: ");
	add(&out, view->cseq.at, view->cseq.len);
	ADD(&out, "\r\n");
	call->head = (struct piece){0, out.used};
	call->contact = add_value(&out, value_uri(view->contact));
	return !out.overflow;
}

/* ---- responses ----------------------------------------------------------------------------------------------- */

static void respond(struct generator *g, struct call *call, unsigned int code, bool again)
{
	struct template_values values;
	const struct place_text *place;
	unsigned int address;
	struct writer w;
	uint16_t port;

	if (!writer_begin(g, &w, call, call->callee_port, &call->callee_local, &call->callee_peer))
		return;
	call->callee_code = (uint16_t)code;
	values_id(&values, call->slot, call->serial);
	put_status(&w, code);
	put_span(&w, callee_piece(call, call->head));
	if (code == 407)
		PUT(&w,
		    "Proxy-Authenticate: Digest realm=\"vendor\", nonce=\"6c1f0a52\", algorithm=MD5, qop=\"auth\"\r\n");
	if (code != 100 && code < 400) {
		place = &g->messages->vendor[call->vendor];
		PUT(&w, "Contact: <sip:b");
		put(&w, values.id, ID_HEX);
		PUT(&w, "@");
		put(&w, place->text, place->len);
		PUT(&w, ">\r\n");
	}
	if (code == 200) {
		media_endpoint(g, call->slot, SIDE_CALLEE, &address, &port);
		values_port(&values, port);
		values.k = 'b';
		put_template(&w, &g->messages->media[address], &values);
	} else {
		PUT(&w, "Content-Length: 0\r\n\r\n");
	}
	writer_end(g, &w, ROLE_CALLEE, message_type(VIEW_INVITE, code), again);
}

static void answer(struct generator *g, struct call *call)
{
	call->callee = CALLEE_ANSWERED;
	call->flags |= CALL_ANSWERED;
	call->answered_ns = g->now_ns;
	call->callee_resends = 0;
	respond(g, call, 200, false);
	timer_in(g, call, T1_NS);
}

static void refuse(struct generator *g, struct call *call, unsigned int code)
{
	call->callee = CALLEE_REFUSED;
	call->answered_ns = g->now_ns;
	call->callee_resends = 0;
	respond(g, call, code, false);
	timer_in(g, call, T1_NS);
}

static void act(struct generator *g, struct call *call, const struct sip_view *view)
{
	const struct action *action = action_of(g, call);
	const struct flow *flow = &g->scenario->flow[call->flow];

	if (action->kind == ACTION_SILENT) {
		call->callee = CALLEE_IDLE; /* it never took notice */
		return;
	}
	if (action->kind == ACTION_CODE) {
		refuse(g, call, action->code);
		return;
	}
	if (action->kind == ACTION_CHALLENGE && !view->authorization) {
		refuse(g, call, 407);
		return;
	}
	if (g->scenario->call.trying)
		respond(g, call, 100, false);
	if (flow->rings || action->kind == ACTION_RING)
		respond(g, call, 180, false);
	if (action->kind == ACTION_RING)
		return;
	if (flow->ring_ns == 0)
		answer(g, call);
	else
		timer_in(g, call, flow->ring_ns);
}

/* ---- BYE ----------------------------------------------------------------------------------------------------- */

static void send_bye(struct generator *g, struct call *call, bool again)
{
	struct template_values values;
	struct span routes = callee_piece(call, call->routes);
	const struct place_text *place;
	struct writer w;

	if (!writer_begin(g, &w, call, call->callee_port, &call->callee_local, &call->callee_peer))
		return;
	place = &g->messages->vendor[call->vendor];
	values_id(&values, call->slot, call->serial);
	PUT(&w, "BYE ");
	put_span(&w, callee_piece(call, call->contact));
	PUT(&w, " SIP/2.0\r\nVia: SIP/2.0/UDP ");
	put(&w, place->text, place->len);
	PUT(&w, ";rport;branch=");
	put_branch(&w, g, 'v', values.id);
	PUT(&w, "\r\nMax-Forwards: 70\r\nFrom: ");
	put_span(&w, callee_piece(call, call->own));
	PUT(&w, "\r\nTo: ");
	put_span(&w, callee_piece(call, call->from));
	PUT(&w, "\r\nCall-ID: ");
	put_span(&w, callee_piece(call, call->call_id));
	PUT(&w, "\r\nCSeq: 1 BYE\r\n");
	/* The route set of the called side is the Record-Routes in their order. */
	while (routes.len > 0) {
		const char *end = memchr(routes.at, '\n', routes.len);
		uint32_t len = end ? (uint32_t)(end + 1 - routes.at) : routes.len;

		put(&w, routes.at + sizeof("Record-") - 1, len - (sizeof("Record-") - 1));
		routes.at += len;
		routes.len -= len;
	}
	PUT(&w, "Content-Length: 0\r\n\r\n");
	writer_end(g, &w, ROLE_CALLEE, MESSAGE_TYPE_BYE, again);
}

void callee_hang_up(struct generator *g, struct call *call)
{
	if (call->callee != CALLEE_UP)
		return;
	call->callee = CALLEE_BYE;
	call->callee_resends = 0;
	call->bye_ns = g->now_ns;
	send_bye(g, call, false);
	timer_in(g, call, T1_NS);
}

static void over(struct generator *g, struct call *call)
{
	call->callee = CALLEE_DONE;
	timer_stop(&g->wheel, &call->callee_timer);
	rtp_stop(g, call);
	call_check_end(g, call);
}

void callee_response(struct generator *g, struct call *call, const struct sip_view *view)
{
	if (view->method != VIEW_BYE || view->code < 200)
		return;
	if (call->callee != CALLEE_BYE) {
		message_count(g, ROLE_CALLEE, RECEIVED_AGAIN, message_type(VIEW_BYE, view->code));
		return;
	}
	latency_add(call_phase(g, call), LATENCY_bye_200, call->bye_ns, g->now_ns);
	over(g, call);
}

/* ---- timers -------------------------------------------------------------------------------------------------- */

static void resend(struct generator *g, struct call *call)
{
	uint64_t in = T1_NS << (call->callee_resends + 1);

	if (++call->callee_resends > RESENDS) {
		if (call->callee != CALLEE_BYE)
			call->flags |= CALL_ACK_MISSING;
		else
			call->flags |= CALL_TIMED_OUT;
		over(g, call);
		return;
	}
	call_resent(g, call);
	if (call->callee == CALLEE_BYE)
		send_bye(g, call, true);
	else
		respond(g, call, call->callee_code, true);
	timer_in(g, call, in < T2_NS ? in : T2_NS);
}

static void on_timer(struct timer *timer, void *context)
{
	struct call *call = (struct call *)((char *)timer - offsetof(struct call, callee_timer));
	struct generator *g = context;

	if (call->callee == CALLEE_ASKED)
		answer(g, call);
	else if (call->callee == CALLEE_ANSWERED || call->callee == CALLEE_REFUSED || call->callee == CALLEE_BYE)
		resend(g, call);
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

static uint64_t hash(struct span text)
{
	uint64_t h = 0xcbf29ce484222325ull, word;
	uint32_t i = 0;

	for (; i + 8 <= text.len; i += 8) {
		memcpy(&word, text.at + i, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	for (; i < text.len; i++)
		h = (h ^ (uint8_t)text.at[i]) * 0x100000001b3ull;
	return h;
}

static void check_offer(struct generator *g, struct call *call, const struct sip_view *view)
{
	struct identity id;
	struct net_addr remote;

	if (identity_of_label(&id, view->body) &&
	    (id.kind != 'a' || id.slot != call->slot || id.serial != call->serial))
		call->flags |= CALL_SDP_SWAPPED;
	if (!sdp_media_address(&remote, view->body) || !media_is_plausible(g, call, SIDE_CALLEE, &remote)) {
		call->flags |= CALL_SDP_SWAPPED;
		return;
	}
	rtp_remote(g, call, SIDE_CALLEE, &remote);
}

/* The INVITE of an attempt: the first, one at another vendor, or the same one with credentials. */
static void take_invite(struct generator *g, struct call *call, const struct sip_view *view, const struct datagram *d,
			unsigned int port, uint64_t call_id_hash)
{
	if (call->callee == CALLEE_REFUSED)
		call->flags |= CALL_ACK_MISSING;
	if (call_id_hash != call->callee_call_id_hash && call->attempts < UINT8_MAX)
		call->attempts++;
	if (call->attempts == 1 && call->asked_ns == 0)
		latency_add(call_phase(g, call), LATENCY_invite_transit, call->due_ns, g->now_ns);
	call->callee_call_id_hash = call_id_hash;
	call->callee_cseq = view->cseq_number;
	call->callee_local = d->local;
	call->callee_peer = d->remote;
	call->callee_port = (uint8_t)port;
	call->vendor = vendor_number(g, &d->local);
	call->callee_code = 0;
	call->asked_ns = g->now_ns;
	call->callee = CALLEE_ASKED;
	timer_stop(&g->wheel, &call->callee_timer);
	if (!keep_invite(g, call, view, d)) {
		tally_add(&g->oversized, 1);
		return;
	}
	check_offer(g, call, view);
	act(g, call, view);
}

static void on_invite(struct generator *g, struct call *call, const struct sip_view *view, const struct datagram *d,
		      unsigned int port)
{
	uint64_t call_id_hash = hash(view->call_id);

	if (call->callee_call_id_hash == call_id_hash && call->callee_cseq == view->cseq_number) {
		message_count(g, ROLE_CALLEE, RECEIVED_AGAIN, MESSAGE_TYPE_INVITE);
		if (action_of(g, call)->kind != ACTION_SILENT) /* who says nothing has asked for it */
			call_resent(g, call);
		if (call->callee_code)
			respond(g, call, call->callee_code, true);
		return;
	}
	take_invite(g, call, view, d, port, call_id_hash);
}

/* An INVITE, UPDATE or the like within the dialog: what we said before still holds. */
static void in_dialog(struct generator *g, struct call *call, const struct sip_view *view, const struct datagram *d,
		      unsigned int port)
{
	struct plain_response how = {.call = call, .port = port, .code = 200, .role = ROLE_CALLEE};
	struct template_values values;
	unsigned int address;
	uint16_t media_port;

	values_id(&values, call->slot, call->serial);
	media_endpoint(g, call->slot, SIDE_CALLEE, &address, &media_port);
	values_port(&values, media_port);
	values.k = 'b';
	if (view->method == VIEW_INVITE) {
		how.tail = &g->messages->media[address];
		how.values = &values;
	}
	respond_plainly(g, view, d, &how);
}

static void on_ack(struct generator *g, struct call *call)
{
	bool refused = call->callee == CALLEE_REFUSED;

	if (!refused && call->callee != CALLEE_ANSWERED) {
		message_count(g, ROLE_CALLEE, RECEIVED_AGAIN, MESSAGE_TYPE_ACK);
		return;
	}
	timer_stop(&g->wheel, &call->callee_timer);
	if (call->callee_resends > 0)
		stat_inc(call_phase(g, call), STAT_ack_late);
	if (refused) {
		call->callee = CALLEE_DONE;
		call_check_end(g, call);
		return;
	}
	call->callee = CALLEE_UP;
	latency_add(call_phase(g, call), LATENCY_answer_ack, call->answered_ns, g->now_ns);
	if (call->flags & CALL_HAS_RTP)
		rtp_start(g, call, SIDE_CALLEE);
}

static void on_cancel(struct generator *g, struct call *call, const struct sip_view *view, const struct datagram *d,
		      unsigned int port)
{
	struct plain_response how = {
	    .call = call, .port = port, .code = 200, .role = ROLE_CALLEE, .tag = "cancelled", .tag_len = 9};
	bool current = call->callee_call_id_hash == hash(view->call_id);

	how.again = call->flags & CALL_CANCEL_HEARD && current;
	if (how.again) {
		message_count(g, ROLE_CALLEE, RECEIVED_AGAIN, MESSAGE_TYPE_CANCEL);
		call_resent(g, call);
	}
	respond_plainly(g, view, d, &how);
	if (current && call->callee == CALLEE_ASKED) {
		call->flags |= CALL_CANCEL_HEARD;
		refuse(g, call, 487);
	} else if (!current) { /* of a vendor asked before: it has nothing but this to go by */
		how.code = 487;
		how.as_invite = true;
		respond_plainly(g, view, d, &how);
	}
}

static void on_bye(struct generator *g, struct call *call, const struct sip_view *view, const struct datagram *d,
		   unsigned int port)
{
	struct plain_response how = {.call = call, .port = port, .code = 200, .role = ROLE_CALLEE};

	how.again = call->flags & CALL_CALLEE_BYE;
	respond_plainly(g, view, d, &how);
	if (how.again) {
		message_count(g, ROLE_CALLEE, RECEIVED_AGAIN, MESSAGE_TYPE_BYE);
		call_resent(g, call);
		return;
	}
	call->flags |= CALL_CALLEE_BYE;
	if (call->callee == CALLEE_ANSWERED)
		call->flags |= CALL_ACK_MISSING;
	if (call->bye_ns && call->callee != CALLEE_BYE)
		latency_add(call_phase(g, call), LATENCY_bye_transit, call->bye_ns, g->now_ns);
	over(g, call);
}

/* Nobody we know: a probe, or a call that was over long ago. */
static void on_stranger(struct generator *g, const struct sip_view *view, const struct datagram *d, unsigned int port)
{
	struct plain_response how = {.port = port, .code = 200, .role = ROLE_CALLEE, .tag = "stray", .tag_len = 5};

	if (view->method == VIEW_ACK)
		return;
	if (view->method != VIEW_OPTIONS) {
		tally_add(&g->stray, 1);
		how.code = view->method == VIEW_INVITE ? 404 : 481;
	}
	respond_plainly(g, view, d, &how);
}

void callee_request(struct generator *g, struct call *call, const struct sip_view *view, const struct datagram *d,
		    unsigned int port)
{
	bool known = view->method == VIEW_ACK || view->method == VIEW_BYE || view->method == VIEW_CANCEL;

	if (!call) {
		on_stranger(g, view, d, port);
	} else if (known && view->method != VIEW_CANCEL && view->call_id.len &&
		   hash(view->call_id) != call->callee_call_id_hash) {
		/* Of a vendor asked before: the ACK of its error, or a BYE for an answer that came too late. */
		if (view->method == VIEW_BYE)
			respond_plainly(
			    g, view, d,
			    &(struct plain_response){.call = call, .port = port, .code = 200, .role = ROLE_CALLEE});
	} else if (view->method == VIEW_INVITE && value_parameter(view->to, "tag").len == 0) {
		on_invite(g, call, view, d, port);
	} else if (view->method == VIEW_ACK) {
		on_ack(g, call);
	} else if (view->method == VIEW_CANCEL) {
		on_cancel(g, call, view, d, port);
	} else if (view->method == VIEW_BYE) {
		on_bye(g, call, view, d, port);
	} else {
		in_dialog(g, call, view, d, port);
	}
}
