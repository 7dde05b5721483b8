/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's side: its INVITE comes in, is let in or not, and is answered. */
#include <errno.h>
#include <string.h>

#include "signaling/call.h"
#include "signaling/local_headers.h"
#include "signaling/number_rules.h"
#include "signaling/redirect.h"
#include "signaling/session_timer.h"
#include "signaling/source.h"

#define RETRY_AFTER "Retry-After: 5\r\n"
static const struct response_extra retry_after = {RETRY_AFTER, sizeof(RETRY_AFTER) - 1};

/* ---- responses, made from the record so that another life of the process can make them, too ---- */

static void build_start(struct call *call, struct sip_builder *b, unsigned int code)
{
	const struct call_dialog *dialog = &call->record->dialog[CALLER];

	sip_build_init(b, (char *)call->engine->scratch, ENGINE_MESSAGE_MAX);
	sip_build_status(b, code, NULL);
	local_headers_put(b, call_text(call, call->record->response));
	if (code < 300 && dialog->route.len)
		sip_build_header(b, SIP_H_RECORD_ROUTE, call_text(call, dialog->route));
}

static bool send_built(struct call *call, struct sip_builder *b, unsigned int code, bool reliably)
{
	int len = sip_build_finish(b);

	if (len < 0) {
		counter_inc(call->engine->counters, COUNTER_signaling_build_failures);
		return false;
	}
	if (reliably)
		transaction_send_reliable(call->engine, call->caller_invite, code, b->data, (uint32_t)len);
	else
		transaction_send_response(call->engine, call->caller_invite, code, b->data, (uint32_t)len);
	return true;
}

/* rseq 0: not reliably. */
static void respond(struct call *call, unsigned int code, struct sip_message *from, struct sip_text sdp, uint32_t rseq)
{
	const struct net_addr *ours = &call->record->dialog[CALLER].flow.local;
	struct sip_builder b;

	if (!call->caller_invite)
		return;
	build_start(call, &b, code);
	local_headers_contact(call->engine, &b, ours);
	if (code >= 200 || rseq)
		call_build_allow(&b);
	if (code >= 200)
		session_timer_put_answer(call, CALLER, &b);
	if (rseq) {
		local_headers_put(&b, SIP_TEXT("Require: 100rel\r\n"));
		sip_build_number(&b, SIP_H_RSEQ, rseq);
	}
	if (from) {
		call_copy_response_headers(call, CALLER, &b, from, ours);
		call_build_body(call, CALLER, &b, from, sdp);
	} else {
		sip_build_body(&b, SIP_TEXT("application/sdp"), sdp);
	}
	/* Without what a callee may have put in too much of, it fits: the record is small. */
	if (!send_built(call, &b, code, rseq) && from)
		respond(call, code, NULL, sdp, rseq);
}

void call_respond_caller(struct call *call, unsigned int code, struct sip_message *from, struct sip_text sdp)
{
	respond(call, code, from, sdp, 0);
}

void call_respond_reliably(struct call *call, unsigned int code, struct sip_message *from, struct sip_text sdp,
			   uint32_t rseq)
{
	respond(call, code, from, sdp, rseq);
}

/* What the customer wants to be told instead of a code; 0: nothing else. */
static unsigned int rewritten(const struct call *call, unsigned int code)
{
	const struct config_mapping_gateway *gateway = gateway_mapping(call->engine->snapshot, call->customer);

	for (unsigned int i = 0; gateway && i < gateway->response_codes_count; i++)
		if (gateway->response_codes[i].from == code)
			return gateway->response_codes[i].to;
	return 0;
}

/*
 * What a caller may be told: challenges and redirections of a vendor are not for it, and busy is busy: that this
 * vendor knows no other place to ring, which is what 600 adds, is nothing that its own next attempt should heed.
 */
static unsigned int told_to_all(unsigned int code)
{
	if (code == 401 || code == 407)
		return 403;
	if (code == 600)
		return 486;
	return code < 400 ? 480 : code;
}

static unsigned int code_for_caller(const struct call *call, unsigned int code)
{
	unsigned int own = rewritten(call, code), usual = told_to_all(code);

	if (!own && call->engine->calls->redirect_told)
		return code;
	if (!own && usual != code)
		own = rewritten(call, usual);
	return own ? own : usual;
}

void call_send_failure(struct call *call)
{
	const struct call_record *record = call->record;
	unsigned int code = code_for_caller(call, record->sip_code);
	char reason[64];
	struct sip_builder b;

	if (!call->caller_invite)
		return;
	build_start(call, &b, code);
	if (code < 400)
		redirect_put_contacts(call, &b);
	call_reason_header(record->q850_cause, 0, reason, sizeof(reason));
	sip_build_header(&b, SIP_H_REASON, sip_text_of(reason));
	/* Retry-After keeps the caller from us altogether: not for one number that leads nowhere. */
	if (code == 503 && record->end_reason != END_NO_AVAILABLE_ROUTER)
		sip_build_number(&b, SIP_H_RETRY_AFTER, 5);
	sip_build_no_body(&b);
	if (!send_built(call, &b, code, false))
		transaction_free(call->engine, call->caller_invite);
	call->caller_invite = NULL; /* it carries on alone till its ACK */
}

static void caller_failed(struct engine *engine, struct transaction *t)
{
	struct call *call = t->owner;

	call->caller_invite = NULL;
	call_dispatch(call, &(struct call_event){.type = CALL_EVENT_ACK_TIMEOUT, .side = CALLER, .transaction = t});
}

static void caller_unacknowledged(struct engine *engine, struct transaction *t)
{
	call_dispatch(t->owner,
		      &(struct call_event){.type = CALL_EVENT_PRACK_TIMEOUT, .side = CALLER, .transaction = t});
}

const struct transaction_user call_caller_user = {.failed = caller_failed, .unacknowledged = caller_unacknowledged};

void call_caller_acked(struct call *call, const struct call_event *event)
{
	struct call_dialog *dialog = &call->record->dialog[CALLER];
	const struct sip_cseq *cseq = sip_message_cseq(event->message);

	if (event->side != CALLER || !(dialog->flags & DIALOG_ACK_DUE) || cseq->number != dialog->invite_cseq)
		return;
	if (call->caller_invite)
		transaction_acked(call->engine, call->caller_invite);
	call->caller_invite = NULL;
	if (call_state(call) == CALL_ANSWERED)
		call_set_state(call, CALL_ESTABLISHED);
	dialog->flags &= ~(uint32_t)DIALOG_ACK_DUE;
	reliable_acked(call);
	call_forget_setup(call);
}

/* ---- the INVITE ---- */

/*
 * What every response to the INVITE begins with, but for its first line: the lines of our 100 from Via to CSeq, in To
 * our tag. In the builder.
 */
static void build_response_lines(struct sip_builder *b, const struct message_buffer *trying, struct sip_text tag)
{
	const char *at = trying ? memchr(trying->data, '\n', trying->len) : NULL;
	const char *end = trying ? (const char *)trying->data + trying->len : NULL;

	while (at && ++at < end && *at != '\r') {
		const char *next = memchr(at, '\n', (size_t)(end - at));
		struct sip_text line = sip_text(at, next ? (size_t)(next + 1 - at) : 0);

		if (sip_text_starts(line, "To: ")) {
			local_headers_put(b, sip_text(at, line.len - 2));
			local_headers_put(b, SIP_TEXT(";tag="));
			local_headers_put(b, tag);
			local_headers_put(b, SIP_TEXT("\r\n"));
		} else if (sip_text_starts(line, "Via: ") || sip_text_starts(line, "From: ") ||
			   sip_text_starts(line, "Call-ID: ") || sip_text_starts(line, "CSeq: ")) {
			local_headers_put(b, line);
		}
		at = next;
	}
}

static bool put_response_lines(struct call *call, struct sip_text tag)
{
	struct calls *calls = call->engine->calls;
	struct sip_builder b;

	sip_build_init(&b, calls->head, sizeof(calls->head));
	build_response_lines(&b, call->caller_invite->message, tag);
	return b.len && !b.overflow && call_put_for_setup(call, &call->record->response, sip_text(b.data, b.len));
}

/* Our requests to the caller come from whom it called, and go to whom it was. */
static bool put_caller_head(struct call *call, struct sip_message *invite, struct sip_text tag)
{
	struct calls *calls = call->engine->calls;
	struct sip_text from = sip_message_value(invite, SIP_H_FROM), to = sip_message_value(invite, SIP_H_TO);
	struct sip_text from_tag = sip_message_from(invite)->tag, call_id = sip_message_call_id(invite);
	struct call_head head = {.call_id_len = call_id.len, .remote_tag_len = from_tag.len};
	struct sip_builder b;

	sip_build_init(&b, calls->head, sizeof(calls->head));
	sip_build_begin(&b, SIP_H_FROM);
	sip_build_text(&b, to);
	sip_build_string(&b, ";tag=");
	head.local_tag_at = b.len;
	sip_build_text(&b, tag);
	sip_build_string(&b, "\r\nCall-ID: ");
	head.call_id_at = b.len;
	sip_build_text(&b, call_id);
	sip_build_string(&b, "\r\nTo: ");
	head.remote_tag_at = b.len + (from_tag.len ? (uint32_t)(from_tag.at - from.at) : 0);
	sip_build_text(&b, from);
	head.text = sip_text(b.data, b.len);
	return !b.overflow && call_put_head(call, CALLER, &head);
}

static bool fill_caller(struct call *call, const struct sip_flow *flow, struct sip_message *invite,
			const struct source *source)
{
	struct calls *calls = call->engine->calls;
	struct call_dialog *dialog = &call->record->dialog[CALLER];
	char tag[IDENTIFIER_TAG];
	int route = dialog_route_set(invite, false, calls->route, sizeof(calls->route));
	struct sip_text contact = dialog_contact(invite);

	dialog->flow = *flow;
	dialog->remote_cseq = dialog->invite_cseq = sip_message_cseq(invite)->number;
	dialog->sdp_id = engine_random(call->engine) >> 2;
	dialog->flags = call->caller_invite ? DIALOG_RESPONSE_DUE : 0;
	if (source->behind_nat)
		dialog->flags |= DIALOG_BEHIND_NAT;
	if (source->kind == SOURCE_PHONE)
		dialog->flags |= DIALOG_PHONE;
	session_timer_init(call);
	session_timer_asked(call, CALLER, invite);
	reliable_read_invite(call, invite);
	if (route < 0 || !contact.at)
		return false;
	if (!call_put(call, &dialog->route, sip_text(calls->route, (size_t)route)))
		return false;
	call_make_tag(call, CALLER, tag);
	return (!call->caller_invite || put_response_lines(call, sip_text(tag, sizeof(tag)))) &&
	       put_caller_head(call, invite, sip_text(tag, sizeof(tag))) && call_put(call, &dialog->target, contact);
}

static bool fill_numbers(struct call *call, struct sip_message *invite, const struct source *source)
{
	const struct config_mapping_gateway *gateway = source->config;
	char callee[CALL_NUMBER_MAX], caller[CALL_NUMBER_MAX];
	struct sip_uri from, to;
	int callee_len = 0;
	int caller_len = 0;

	if (source->called_in_to && sip_uri_parse(&to, sip_message_to(invite)->uri) == 0)
		callee_len = sip_uri_number(&to, callee, sizeof(callee));
	if (callee_len <= 0)
		callee_len = sip_uri_number(sip_message_uri(invite), callee, sizeof(callee));
	if (sip_uri_parse(&from, sip_message_from(invite)->uri) == 0)
		caller_len = sip_uri_number(&from, caller, sizeof(caller));
	if (callee_len <= 0)
		return false;
	if (caller_len < 0)
		caller_len = 0;
	struct sip_text dialled = sip_text(callee, (size_t)callee_len), calling = sip_text(caller, (size_t)caller_len);

	call->work->callee_len = (uint8_t)number_rewrite(gateway ? &gateway->callee : NULL, dialled, call->work->callee,
							 sizeof(call->work->callee));
	call->work->caller_len = (uint8_t)number_rewrite(gateway ? &gateway->caller : NULL, calling, call->work->caller,
							 sizeof(call->work->caller));
	return call_put(call, &call->record->callee_in, dialled) && call_put(call, &call->record->caller_in, calling) &&
	       call_put(call, &call->record->mapping_gateway, sip_text(source->name, source->name_len));
}

static void copy_parameters(struct call *call)
{
	const struct parameters *p = call->engine->snapshot->parameters;
	struct call_record *record = call->record;

	call->work->parameters = (struct parameters_of_call){
	    .switch_limit = p->gateway_switch_limit,
	    .no_media_hangup_s = p->no_media_hangup_s,
	    .timeout_ms = {p->timeout_invite_ms, p->timeout_trying_ms, p->timeout_progress_ms,
			   p->timeout_progress_sdp_ms, p->timeout_ringing_ms},
	    .until_connect = p->switch_until_connect,
	    .stop_after_sdp = p->stop_switch_after_sdp,
	    .stop_after_rtp = p->switch_stop_after_rtp_start,
	    .stop_after_busy = p->switch_stop_after_user_busy,
	    .stop_after_invite_timeout = p->stop_switch_after_invite_timeout,
	    .record_nonconnect = p->cdr_record_nonconnect,
	    .media_mode = (uint8_t)p->media_proxy_mode,
	    .media_behind_nat = p->media_proxy_behind_nat,
	    .media_between_net = p->media_proxy_between_net,
	    .tos = (uint8_t)p->qos_rtp,
	};
	record->tos = (uint8_t)p->qos_rtp;
	record->max_duration_s = p->max_call_duration_s == PARAMETER_NO_LIMIT ? 0 : p->max_call_duration_s;
	record->no_timer_s = p->no_timer_reinvite_interval_s;
}

static bool prefix_allowed(const struct call *call, const struct config_mapping_gateway *gateway)
{
	struct sip_text dialled = call_text(call, call->record->callee_in);

	if (!gateway || !gateway->prefixes_count)
		return true;
	for (unsigned int i = 0; i < gateway->prefixes_count; i++)
		if (sip_text_starts(dialled, gateway->prefixes[i]))
			return true;
	return false;
}

static const struct {
	enum end_reason reason;
	uint16_t code;
} not_admitted[] = {
    [GATEWAY_FULL] = {END_CAPACITY_REACHED, 503},
    [GATEWAY_OVER_RATE] = {END_RATE_LIMITED, 503},
    [GATEWAY_DISABLED] = {END_FORBIDDEN_SOURCE, 403},
};

/* Let it in, or end it. */
static void admit(struct call *call, struct sip_message *invite, const struct source *source)
{
	if (!prefix_allowed(call, source->config)) {
		call_close(call, END_FORBIDDEN, END_BY_SERVER, 403, -1);
		return;
	}
	enum gateway_verdict admitted = gateway_admit(call->engine, source->gateway, false);

	if (admitted != GATEWAY_OK) {
		call_close(call, not_admitted[admitted].reason, END_BY_SERVER, not_admitted[admitted].code, -1);
		return;
	}
	call->caller_gateway = source->gateway;
	call_begin(call, invite);
}

static bool overloaded(struct engine *engine)
{
	const struct status *status = engine->options.status;

	if (engine->draining)
		return true;
	if (status && atomic_load_explicit(&status->process[ROLE_CDRWRITER].spool_full, memory_order_relaxed)) {
		counter_inc(engine->counters, COUNTER_signaling_calls_refused_spool);
		return true;
	}
	if (!cdr_has_room(engine)) {
		counter_inc(engine->counters, COUNTER_signaling_calls_refused_ring);
		return true;
	}
	if (engine->overload.share && overload_refuses(&engine->overload, engine->transactions->key.b)) {
		counter_inc(engine->counters, COUNTER_signaling_calls_shed);
		return true;
	}
	if (!engine->calls->free_slots) {
		counter_inc(engine->counters, COUNTER_signaling_calls_refused_slots);
		return true;
	}
	return false;
}

/* An INVITE that no record could be made of: what was wrong with it, or with us. */
static unsigned int why_not(const struct call *call, struct sip_message *invite)
{
	char number[CALL_NUMBER_MAX];

	if (!call->caller_invite->request || !call->caller_invite->message || call_lacks_block(call))
		return 503;
	if (!dialog_contact(invite).at)
		return 400;
	if (sip_uri_number(sip_message_uri(invite), number, sizeof(number)) <= 0)
		return 484;
	return 513;
}

static void refuse_unmade(struct call *call, struct sip_message *invite)
{
	struct engine *engine = call->engine;
	struct transaction *t = call->caller_invite;
	unsigned int code = why_not(call, invite);

	counter_inc(engine->counters,
		    code == 503 ? COUNTER_signaling_calls_refused_memory : COUNTER_signaling_calls_refused_unfit);
	call_free(call);
	transaction_respond(engine, t, invite, code, NULL, code == 503 ? &retry_after : NULL);
}

static void make_call(struct engine *engine, const struct sip_flow *flow, struct sip_message *invite,
		      struct transaction *t, const struct source *source)
{
	struct call *call = call_new(engine);

	call->caller_invite = t;
	if (transaction_keep_request(engine, t, invite) < 0 || !fill_caller(call, flow, invite, source) ||
	    !fill_numbers(call, invite, source)) {
		refuse_unmade(call, invite);
		return;
	}
	t->user = &call_caller_user;
	t->owner = call;
	call->customer = source->gateway;
	call->work->caller_behind_nat = source->behind_nat;
	if (source->network)
		memccpy(call->work->caller_network, source->network, '\0', sizeof(call->work->caller_network) - 1);
	call->work->caller_media_mode = (uint8_t)(source->config ? source->config->media_mode : MEDIA_SYSTEM);
	copy_parameters(call);
	call->record->arena_mark = call->record->arena_used;
	call->record->block_mark = call->record->block_used;
	call_set_state(call, CALL_SETUP);
	admit(call, invite, source);
	if (call->record)
		call_write_end(call, true);
}

static bool asks_for_too_short_a_session(struct engine *engine, struct transaction *t, struct sip_message *invite)
{
	const struct parameters *p = engine->snapshot->parameters;

	return session_timer_refuses(engine, t, invite, p->session_ttl_s, p->session_min_se_s);
}

static void let_in(struct engine *engine, const struct sip_flow *flow, struct sip_message *invite,
		   const struct source *source)
{
	struct transaction *t = transaction_server_new(engine, flow, invite);

	if (!t) {
		transaction_reply_stateless(engine, flow, invite, 503, NULL, &retry_after);
	} else if (!asks_for_too_short_a_session(engine, t, invite)) {
		transaction_respond(engine, t, invite, 100, NULL, NULL);
		make_call(engine, flow, invite, t, source);
	}
}

/* It is in the records all the same, unless a flood of such would take the room that customers' records need. */
static void record_refused(struct engine *engine, const struct sip_flow *flow, struct sip_message *invite,
			   const struct source *source)
{
	if (!cdr_has_room_to_spare(engine)) {
		counter_inc(engine->counters, COUNTER_signaling_refusals_unrecorded);
		return;
	}
	struct call *call = call_new(engine);

	if (!fill_caller(call, flow, invite, source) || !fill_numbers(call, invite, source)) {
		call_free(call);
		return;
	}
	call_set_state(call, CALL_SETUP);
	call_close(call, source->reason, END_BY_SERVER, source->code, -1);
	if (call->record)
		call_write_end(call, true);
}

/*
 * Until we know who it is from, an INVITE leaves nothing behind, and gets one answer each time it comes (RFC 3261
 * section 26.3.2.4): its source address may be that of somebody whom our answers are meant to hit.
 */
void call_invite(struct engine *engine, const struct sip_flow *flow, struct sip_message *invite)
{
	struct source source; /* its challenge is long: not cleared */

	counter_inc(engine->counters, COUNTER_signaling_invites);
	if (overloaded(engine)) {
		if (!source_is_ignored(engine, flow, invite))
			transaction_reply_stateless(engine, flow, invite, 503, NULL, &retry_after);
		return;
	}
	enum source_verdict verdict = source_identify(engine, flow, invite, &source);

	if (verdict == SOURCE_ADMIT) {
		let_in(engine, flow, invite, &source);
	} else if (verdict == SOURCE_CHALLENGE) {
		struct response_extra extra = {source.challenge, (uint32_t)strlen(source.challenge)};

		transaction_reply_stateless(engine, flow, invite, 407, NULL, &extra);
	} else if (verdict == SOURCE_REFUSE) {
		transaction_reply_stateless(engine, flow, invite, source.code, NULL, NULL);
		record_refused(engine, flow, invite, &source);
	}
}
