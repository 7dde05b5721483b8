/* SPDX-License-Identifier: Apache-2.0 */
/* The customer: places calls, acknowledges, gives up, hangs up, and sends again what is not answered (RFC 3261, 17.1).
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "generator.h"

#define T1_NS      500000000ull
#define T2_NS      4000000000ull
#define TIMER_B_NS (64 * T1_NS)
#define SETUP_NS   180000000000ull /* longest wait for a final response once there was a provisional one */

static void on_timer(struct timer *timer, void *context);

static void timer_in(struct generator *g, struct call *call, uint64_t in_ns)
{
	timer_start(&g->wheel, &call->caller_timer, wheel_time(g->now_ns + in_ns), on_timer);
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

static void fill_values(struct generator *g, const struct call *call, struct template_values *values)
{
	const struct call_options *options = &g->scenario->call;

	values_id(values, call->slot, call->serial);
	values_number(values, options->prefix[call->seed % options->prefixes], options->digits, call->seed >> 20,
		      call->slot, call->serial);
	values->k = call->kind;
}

static bool begin(struct generator *g, struct call *call, struct writer *w)
{
	return writer_begin(g, w, call, g->customer_port, &g->link->customer, &g->link->target);
}

static struct span caller_piece(const struct call *call, struct piece piece)
{
	return (struct span){call->caller_text + piece.at, piece.len};
}

static void send_invite(struct generator *g, struct call *call, bool again)
{
	struct template_values values;
	unsigned int address;
	struct writer w;
	uint16_t port;

	if (!begin(g, call, &w))
		return;
	fill_values(g, call, &values);
	media_endpoint(g, call->slot, SIDE_CALLER, &address, &port);
	values_port(&values, port);
	put_template(&w, &g->messages->invite, &values);
	put_span(&w, caller_piece(call, call->credentials));
	values.k = 'a';
	put_template(&w, &g->messages->media[address], &values);
	writer_end(g, &w, ROLE_CALLER, MESSAGE_TYPE_INVITE, again);
}

/* Everything between the request line's URI and CSeq that requests other than INVITE have in common. */
static void put_common(struct generator *g, struct writer *w, char kind, struct template_values *values, struct span to)
{
	values->k = kind;
	put_template(w, &g->messages->request, values);
	put_span(w, to);
	PUT(w, "\r\nCSeq: ");
}

static void put_target(struct generator *g, struct writer *w, const struct template_values *values)
{
	PUT(w, "sip:");
	put(w, values->number, values->number_len);
	PUT(w, "@");
	put(w, g->messages->target.text, g->messages->target.len);
}

/* CANCEL, and the ACK of an error: hop by hop, with the INVITE's own branch. */
static void send_hop(struct generator *g, struct call *call, enum message_type type, struct span to, bool again)
{
	struct template_values values;
	char plain_to[NET_ADDR_TEXT + NUMBER_MAX + 16];
	struct writer w;

	if (!begin(g, call, &w))
		return;
	fill_values(g, call, &values);
	if (to.len == 0) {
		to.at = plain_to;
		to.len = (uint32_t)snprintf(plain_to, sizeof(plain_to), "<sip:%.*s@%s>", values.number_len,
					    values.number, g->messages->target.text);
	}
	put(&w, message_name[type], strlen(message_name[type]));
	PUT(&w, " ");
	put_target(g, &w, &values);
	put_common(g, &w, call->kind, &values, to);
	put(&w, &call->kind, 1);
	PUT(&w, " ");
	put(&w, message_name[type], strlen(message_name[type]));
	PUT(&w, "\r\nContent-Length: 0\r\n\r\n");
	writer_end(g, &w, ROLE_CALLER, type, again);
}

/* ACK of a 2xx, and BYE: inside the dialog. */
static void send_in_dialog(struct generator *g, struct call *call, enum message_type type, char kind, char cseq,
			   bool again)
{
	struct template_values values;
	struct writer w;

	if (!begin(g, call, &w))
		return;
	values_id(&values, call->slot, call->serial);
	if (type == MESSAGE_TYPE_ACK)
		PUT(&w, "ACK ");
	else
		PUT(&w, "BYE ");
	put_span(&w, caller_piece(call, call->target));
	put_common(g, &w, kind, &values, caller_piece(call, call->to));
	put(&w, &cseq, 1);
	if (type == MESSAGE_TYPE_ACK)
		PUT(&w, " ACK\r\n");
	else
		PUT(&w, " BYE\r\n");
	put_span(&w, caller_piece(call, call->route));
	PUT(&w, "Content-Length: 0\r\n\r\n");
	writer_end(g, &w, ROLE_CALLER, type, again);
}

void caller_probe(struct generator *g)
{
	char text[NET_ADDR_TEXT + 8];
	int len = snprintf(text, sizeof(text), "<sip:%s>", g->messages->target.text);
	struct span to = {text, (uint32_t)len};
	struct template_values values;
	struct writer w;

	if (!begin(g, NULL, &w))
		return;
	values_id(&values, PROBE_SLOT, g->probes++);
	PUT(&w, "OPTIONS sip:");
	put(&w, g->messages->target.text, g->messages->target.len);
	put_common(g, &w, PROBE_KIND, &values, to);
	PUT(&w, "1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
	writer_end(g, &w, ROLE_CALLER, MESSAGE_TYPE_OPTIONS, false);
}

/* ---- timers -------------------------------------------------------------------------------------------------- */

/* How long until the next repetition: T1 doubled each time, up to `most`. */
static uint64_t resend_in(unsigned int resends, uint64_t most)
{
	uint64_t in = T1_NS << (resends < 10 ? resends : 10);

	return in < most ? in : most;
}

static void over(struct generator *g, struct call *call)
{
	call->caller = CALLER_DONE;
	timer_stop(&g->wheel, &call->caller_timer);
	rtp_stop(g, call);
	call_check_end(g, call);
}

static void timed_out(struct generator *g, struct call *call)
{
	call->flags |= CALL_TIMED_OUT;
	over(g, call);
}

static void resend(struct generator *g, struct call *call, uint64_t most)
{
	if (++call->resends > 10) {
		timed_out(g, call);
		return;
	}
	call_resent(g, call);
	if (call->caller == CALLER_CALLING)
		send_invite(g, call, true);
	else if (call->caller == CALLER_CANCELLING)
		send_hop(g, call, MESSAGE_TYPE_CANCEL, (struct span){0}, true);
	else
		send_in_dialog(g, call, MESSAGE_TYPE_BYE, 'b', '3', true);
	timer_in(g, call, resend_in(call->resends, most));
}

static void cancel(struct generator *g, struct call *call)
{
	call->caller = CALLER_CANCELLING;
	call->flags |= CALL_CANCEL_SENT;
	call->resends = 0;
	send_hop(g, call, MESSAGE_TYPE_CANCEL, (struct span){0}, false);
	timer_in(g, call, T1_NS);
}

/* The hold time is over. A callee may hang up only after its answer was acknowledged. */
static void hang_up(struct generator *g, struct call *call)
{
	if ((call->flags & CALL_CALLEE_HANGS_UP) && call->callee == CALLEE_UP)
		callee_hang_up(g, call);
	else
		caller_hang_up(g, call);
}

static void on_timer(struct timer *timer, void *context)
{
	struct call *call = (struct call *)((char *)timer - offsetof(struct call, caller_timer));
	struct generator *g = context;

	switch ((enum caller_state)call->caller) {
	case CALLER_CALLING:
		resend(g, call, TIMER_B_NS);
		break;
	case CALLER_CANCELLING:
	case CALLER_BYE:
		resend(g, call, T2_NS);
		break;
	case CALLER_PROCEEDING:
		if (g->scenario->flow[call->flow].cancel_ns != NEVER_NS && !(call->flags & CALL_CANCEL_SENT))
			cancel(g, call);
		else
			timed_out(g, call);
		break;
	case CALLER_CANCELLED:
		timed_out(g, call);
		break;
	case CALLER_UP:
		hang_up(g, call);
		break;
	default:
		break;
	}
}

/* ---- placing ------------------------------------------------------------------------------------------------- */

static uint8_t choose_flow(struct generator *g, bool standing)
{
	double at = random_share(g);
	unsigned int i = 0;

	if (standing)
		for (i = 0; i < g->scenario->flows; i++)
			if (g->scenario->flow[i].answers && g->scenario->flow[i].cancel_ns == NEVER_NS)
				return (uint8_t)i;
	for (i = 0; i + 1 < g->scenario->flows && at >= g->flow_until[i];)
		i++;
	return (uint8_t)i;
}

void caller_place(struct generator *g, uint64_t due_ns, bool standing)
{
	struct call *call = call_take(g);
	const struct flow *flow;

	latency_add(g->phase, LATENCY_schedule, due_ns, g->now_ns);
	if (!call) {
		stat_inc(g->phase, STAT_not_placed);
		return;
	}
	call->flow = choose_flow(g, standing);
	call->phase = (uint16_t)atomic_load_explicit(&g->answer.phase, memory_order_relaxed);
	call->due_ns = due_ns;
	call->seed = random_next(g) >> 1;
	call->caller = CALLER_CALLING;
	flow = &g->scenario->flow[call->flow];
	if (standing)
		call->flags |= CALL_STANDING;
	if (flow->callee_hangs_up > 0 && random_share(g) < flow->callee_hangs_up)
		call->flags |= CALL_CALLEE_HANGS_UP;
	if (flow->answers && g->scenario->rtp.share > 0 && random_share(g) < g->scenario->rtp.share)
		call->flags |= CALL_HAS_RTP;
	stat_inc(g->phase, STAT_offered);
	tally_add(&g->phase->flow_offered[call->flow], 1);
	send_invite(g, call, false);
	timer_in(g, call, T1_NS);
}

void caller_hang_up(struct generator *g, struct call *call)
{
	if (call->caller != CALLER_UP)
		return;
	call->caller = CALLER_BYE;
	call->resends = 0;
	call->bye_ns = g->now_ns;
	g->up--;
	rtp_stop(g, call);
	send_in_dialog(g, call, MESSAGE_TYPE_BYE, 'b', '3', false);
	timer_in(g, call, T1_NS);
}

/* ---- responses to INVITE ------------------------------------------------------------------------------------- */

static void provisional(struct generator *g, struct call *call, const struct sip_view *view)
{
	const struct flow *flow = &g->scenario->flow[call->flow];
	uint32_t heard = view->code == 100 ? CALL_TRYING_HEARD : view->code == 180 ? CALL_RINGING_HEARD : 0;
	struct phase *phase = call_phase(g, call);

	if (call->caller == CALLER_CALLING) {
		call->caller = CALLER_PROCEEDING;
		if (flow->cancel_ns != NEVER_NS)
			timer_start(&g->wheel, &call->caller_timer, wheel_time(call->due_ns + flow->cancel_ns), on_timer);
		else
			timer_in(g, call, SETUP_NS);
	}
	if ((call->flags & heard) || heard == 0) {
		/* Each vendor asked may ring once; the switch says 100 once. */
		if (heard == CALL_TRYING_HEARD || (heard && call->attempts < 2)) {
			message_count(g, ROLE_CALLER, RECEIVED_AGAIN, message_type(VIEW_INVITE, view->code));
			call_resent(g, call);
		}
		return;
	}
	call->flags |= heard;
	latency_add(phase, view->code == 100 ? LATENCY_invite_100 : LATENCY_invite_180, call->due_ns, g->now_ns);
}

static bool keep(struct call *call, struct piece *piece, uint16_t *used, const char *before, struct span value,
		 const char *after)
{
	size_t before_len = strlen(before), after_len = strlen(after), len = before_len + value.len + after_len;
	char *to = call->caller_text + *used;

	if (*used + len > CALLER_TEXT)
		return false;
	memcpy(to, before, before_len);
	memcpy(to + before_len, value.at, value.len);
	memcpy(to + before_len + value.len, after, after_len);
	if (piece->len == 0)
		piece->at = *used;
	piece->len = (uint16_t)(piece->len + len);
	*used = (uint16_t)(*used + len);
	return true;
}

/* The dialog that a 2xx makes: remote target, tag, and the route set, which is the Record-Routes in reverse. */
static bool keep_dialog(struct call *call, const struct sip_view *view)
{
	struct span target = value_uri(view->contact);
	uint16_t used = 0;
	bool ok;

	call->to.len = call->target.len = call->route.len = call->credentials.len = 0;
	ok = target.len && keep(call, &call->target, &used, "", target, "") &&
	     keep(call, &call->to, &used, "", view->to, "");
	for (unsigned int i = view->routes; ok && i > 0; i--)
		ok = keep(call, &call->route, &used, "Route: ", view->route[i - 1], "\r\n");
	return ok;
}

/* The offer or answer has to be of this very call. */
static void check_answer(struct generator *g, struct call *call, const struct sip_view *view)
{
	struct identity id;
	struct net_addr remote;
	bool labelled = identity_of_label(&id, view->body);

	if (labelled && (id.kind != 'b' || id.slot != call->slot || id.serial != call->serial))
		call->flags |= CALL_SDP_SWAPPED;
	if (!sdp_media_address(&remote, view->body)) {
		call->flags |= CALL_SDP_SWAPPED;
		return;
	}
	if (!media_is_plausible(g, call, SIDE_CALLER, &remote))
		call->flags |= CALL_SDP_SWAPPED;
	rtp_remote(g, call, SIDE_CALLER, &remote);
}

static uint64_t hold_ns(struct generator *g, const struct call *call)
{
	const struct flow *flow = &g->scenario->flow[call->flow];

	if (!flow->hold_random)
		return flow->hold_ns;
	return (uint64_t)(-log(1 - random_share(g)) * (double)flow->hold_ns);
}

static void answered_latencies(struct generator *g, const struct call *call)
{
	struct phase *phase = call_phase(g, call);
	uint64_t all = g->now_ns - call->due_ns, own = call->answered_ns - call->asked_ns;

	latency_add(phase, LATENCY_invite_200, call->due_ns, g->now_ns);
	if (!(call->flags & CALL_ANSWERED))
		return;
	latency_add(phase, LATENCY_answer_transit, call->answered_ns, g->now_ns);
	if (call->attempts == 1)
		latency_add(phase, LATENCY_setup_added, own, all);
}

static void count_final(struct generator *g, struct call *call, unsigned int code)
{
	struct phase *phase = call_phase(g, call);

	call->flags |= CALL_FINAL;
	call->code = (uint16_t)code;
	stat_inc(phase, STAT_final);
	tally_add(&phase->code[code], 1);
}

static void answered(struct generator *g, struct call *call, const struct sip_view *view)
{
	bool crossed = call->flags & CALL_CANCEL_SENT;

	if (!keep_dialog(call, view)) {
		tally_add(&g->oversized, 1);
		return;
	}
	count_final(g, call, view->code);
	stat_inc(call_phase(g, call), STAT_answered);
	answered_latencies(g, call);
	check_answer(g, call, view);
	call->flags |= CALL_WAS_UP;
	call->caller = CALLER_UP;
	g->up++;
	timer_stop(&g->wheel, &call->caller_timer);
	send_in_dialog(g, call, MESSAGE_TYPE_ACK, 'k', call->kind, false);
	if (call->flags & CALL_HAS_RTP)
		rtp_start(g, call, SIDE_CALLER);
	if (crossed)
		caller_hang_up(g, call);
	else if (!(call->flags & CALL_STANDING))
		timer_in(g, call, hold_ns(g, call));
	call_check_end(g, call);
}

/* The same once more, with credentials. False: the challenge can't be answered. */
static bool try_again(struct generator *g, struct call *call, const struct sip_view *view)
{
	struct template_values values;
	char uri[NUMBER_MAX + NET_ADDR_TEXT + 8];
	int len;

	fill_values(g, call, &values);
	snprintf(uri, sizeof(uri), "sip:%.*s@%s", values.number_len, values.number, g->messages->target.text);
	len = authorization_write(g->authorization, view->whole, g->scenario->call.user, g->scenario->call.password,
				  "INVITE", uri, call->caller_text, CALLER_TEXT);
	if (len <= 0)
		return false;
	call->credentials = (struct piece){0, (uint16_t)len};
	call->flags |= CALL_AUTHORIZED;
	call->caller = CALLER_CALLING;
	call->kind = '2';
	call->resends = 0;
	send_invite(g, call, false);
	timer_in(g, call, T1_NS);
	return true;
}

static void refused(struct generator *g, struct call *call, const struct sip_view *view)
{
	send_hop(g, call, MESSAGE_TYPE_ACK, view->to, false);
	if ((view->code == 401 || view->code == 407) && g->scenario->flow[call->flow].digest &&
	    !(call->flags & CALL_AUTHORIZED) && try_again(g, call, view))
		return;
	if (view->code == 503 && view->retry_after)
		call->flags |= CALL_SHED;
	count_final(g, call, view->code);
	over(g, call);
}

static void invite_response(struct generator *g, struct call *call, const struct sip_view *view, char kind)
{
	bool waits = call->caller >= CALLER_CALLING && call->caller <= CALLER_CANCELLED;

	if (view->code < 200) {
		if (waits && kind == call->kind)
			provisional(g, call, view);
		return;
	}
	if (waits && kind == call->kind && !(call->flags & CALL_FINAL)) {
		if (view->code < 300)
			answered(g, call, view);
		else
			refused(g, call, view);
		return;
	}
	/* Our ACK was lost, or was late. */
	message_count(g, ROLE_CALLER, RECEIVED_AGAIN, message_type(VIEW_INVITE, view->code));
	call_resent(g, call);
	if (view->code >= 300)
		send_hop(g, call, MESSAGE_TYPE_ACK, view->to, true);
	else if (call->to.len)
		send_in_dialog(g, call, MESSAGE_TYPE_ACK, 'k', call->kind, true);
}

void caller_response(struct generator *g, struct call *call, const struct sip_view *view, const struct identity *id)
{
	if (view->method == VIEW_INVITE) {
		invite_response(g, call, view, id->kind);
	} else if (view->method == VIEW_CANCEL) {
		if (call->caller != CALLER_CANCELLING || view->code < 200)
			return;
		call->caller = CALLER_CANCELLED;
		timer_in(g, call, TIMER_B_NS);
	} else if (view->method == VIEW_BYE && view->code >= 200) {
		if (call->caller != CALLER_BYE) {
			message_count(g, ROLE_CALLER, RECEIVED_AGAIN, message_type(VIEW_BYE, view->code));
			return;
		}
		latency_add(call_phase(g, call), LATENCY_bye_200, call->bye_ns, g->now_ns);
		over(g, call);
	}
}

/* ---- requests from the switch -------------------------------------------------------------------------------- */

static void heard_bye(struct generator *g, struct call *call)
{
	if (call->flags & CALL_CALLER_BYE) {
		message_count(g, ROLE_CALLER, RECEIVED_AGAIN, MESSAGE_TYPE_BYE);
		call_resent(g, call);
		return;
	}
	call->flags |= CALL_CALLER_BYE;
	if (call->bye_ns && call->caller == CALLER_UP)
		latency_add(call_phase(g, call), LATENCY_bye_transit, call->bye_ns, g->now_ns);
	if (call->caller == CALLER_UP || call->caller == CALLER_BYE) {
		if (call->caller == CALLER_UP)
			g->up--;
		call->caller = CALLER_DONE;
		timer_stop(&g->wheel, &call->caller_timer);
		rtp_stop(g, call);
	}
}

void caller_request(struct generator *g, struct call *call, const struct sip_view *view, const struct datagram *d)
{
	struct plain_response how = {.call = call, .port = g->customer_port, .code = 200, .role = ROLE_CALLER};
	struct template_values values;
	unsigned int address;
	uint16_t port;

	if (view->method == VIEW_ACK)
		return;
	if (!call && view->method != VIEW_OPTIONS) {
		tally_add(&g->stray, 1);
		how.code = 481;
	} else if (view->method == VIEW_BYE) {
		how.again = call->flags & CALL_CALLER_BYE;
		heard_bye(g, call);
	} else if (view->method == VIEW_INVITE) { /* within the dialog: what we said before still holds */
		values_id(&values, call->slot, call->serial);
		media_endpoint(g, call->slot, SIDE_CALLER, &address, &port);
		values_port(&values, port);
		values.k = 'a';
		how.tail = &g->messages->media[address];
		how.values = &values;
	}
	how.tag = "stray";
	how.tag_len = 5;
	respond_plainly(g, view, d, &how);
	if (call && view->method == VIEW_BYE)
		call_check_end(g, call);
}
