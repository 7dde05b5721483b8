/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests inside the dialogs, passed to the other side and their answers back; descriptions are rewritten on the way.
 * A passed request is a server transaction and a client transaction that are each other's peer; the call is found again
 * by the tag in the answer (it has to be the one that asked: the client's owner says which slot that was), so that
 * neither holds on to it.
 */
#include <errno.h>

#include "signaling/local_headers.h"
#include "signaling/own_request.h"
#include "signaling/session_timer.h"

static void reinvite_failed(struct engine *engine, struct transaction *t)
{
	struct call *call = t->owner;

	transaction_detach(t);
	call_dispatch(call,
		      &(struct call_event){.type = CALL_EVENT_ACK_TIMEOUT, .side = (enum call_side)t->owner_side});
}

const struct transaction_user call_reinvite_user = {.failed = reinvite_failed};

struct transaction *call_reinvite(const struct call *call, enum call_side side)
{
	struct transaction *t = call->work ? call->work->reinvite[side] : NULL;

	return t && t->user == &call_reinvite_user && t->owner == call && t->owner_side == side ? t : NULL;
}

/* The body is all that an INFO has to say. */
static void build_body(struct call *call, enum call_side to, struct sip_builder *b, bool is_info,
		       const struct sip_message *from, struct sip_text sdp)
{
	if (is_info)
		sip_build_body_of(b, from, sdp);
	else
		call_build_body(call, to, b, from, sdp);
}

static int build_passed(struct call *call, enum call_side to, const struct sip_message *request,
			struct transaction *client, struct sip_text sdp, const struct client_auth *auth)
{
	struct call_dialog *d = &call->record->dialog[to];
	const struct net_addr *ours = &client->flow.local;
	struct dialog dialog;
	struct sip_builder b;
	char branch[IDENTIFIER_BRANCH];

	call_dialog(call, to, &dialog);
	transaction_branch(call->engine, client, branch);
	d->local_cseq++;
	sip_build_init(&b, (char *)call->engine->scratch, ENGINE_MESSAGE_MAX);
	dialog_build_request(call->engine, &b, &dialog, request->method_text, d->local_cseq, ours,
			     sip_text(branch, sizeof(branch)));
	if (request->method == SIP_INFO) {
		sip_build_copy(&b, request, SIP_H_INFO_PACKAGE);
	} else {
		local_headers_contact(call->engine, &b, ours);
		call_build_allow(&b);
		session_timer_put_offer(call, to, &b);
	}
	if (auth)
		sip_build_header(&b, auth->proxy ? SIP_H_PROXY_AUTHORIZATION : SIP_H_AUTHORIZATION,
				 sip_text(auth->value, auth->len));
	call_copy_request_headers(call, to, &b, request, ours);
	build_body(call, to, &b, request->method == SIP_INFO, request, sdp);
	return sip_build_finish(&b);
}

static void passed_response(struct engine *engine, struct transaction *t, struct sip_message *response);

/* The asker gets an answer of ours, since the other side's will not come. */
static void fail_server(struct engine *engine, struct transaction *server, unsigned int code)
{
	struct sip_message *request = server ? transaction_request(engine, server) : NULL;

	if (!request)
		return;
	struct call *call = server->user == &call_reinvite_user ? server->owner : NULL;
	enum call_side side = (enum call_side)server->owner_side;

	/* RFC 4320 section 4.2: by now its client has given up, and a proxy that hears a 408 may take us for dead. */
	if (code == 408 && server->kind == SERVER_OTHER)
		transaction_end(engine, server, TOMBSTONE_UNANSWERED, 0);
	else
		transaction_respond(engine, server, request, code, NULL, NULL);
	if (!call)
		return;
	call_media_take_back(call, side);
	call_work_done(call);
}

/* asker: whose UPDATE it was. */
static void update_over(struct call *call, enum call_side asker)
{
	if (call->work)
		call->work->updates[asker] = 0;
}

/* The call whose request on `server` waits for an answer to the client transaction t; NULL: it is over. */
static struct call *call_of_passed(struct engine *engine, const struct transaction *t, enum call_side *side)
{
	struct sip_message *request = t->peer ? transaction_request(engine, t->peer) : NULL;
	struct call *call = request ? call_find(engine, request, false, side) : NULL;

	return call && call == t->owner && call_state(call) <= CALL_ESTABLISHED ? call : NULL;
}

/* Nobody has answered: an UPDATE's offer is taken back, and the dialog is dead. The owner may be another call. */
static void passed_failed(struct engine *engine, struct transaction *t)
{
	enum call_side side;
	struct call *call = call_of_passed(engine, t, &side);
	struct call_record *record = call ? call->record : NULL;
	bool begun = call && call_write_begin(call);

	if (call && t->method == SIP_UPDATE) {
		call_media_take_back(call, side);
		update_over(call, side);
		call_work_done(call);
	}
	fail_server(engine, t->peer, 408);
	/* Some that know no INFO say nothing at all. */
	if (call && t->method != SIP_INFO)
		call_dialog_gone(call, 408);
	if (call && call->record == record)
		call_write_end(call, begun);
}

static const struct transaction_user passed_user = {.response = passed_response, .failed = passed_failed};

/*
 * A re-INVITE that rings for ever would keep all others out (RFC 3261 section 16.6: timer C). It is cancelled, and the
 * asker hears what the other side says to that: 487, or the 2xx that has crossed it.
 */
#define PASSED_INVITE_US (180 * US_PER_S)

/* NULL with *error set: it could not be sent. */
static struct transaction *send_passed(struct call *call, enum call_side to, const struct sip_message *request,
				       struct sip_text sdp, const struct client_auth *auth, int *error)
{
	struct engine *engine = call->engine;
	struct dialog dialog;
	struct sip_flow flow;

	call_dialog(call, to, &dialog);
	call_next_hop(call, to, &dialog, &flow);
	struct transaction *client =
	    transaction_passed_new(engine, (enum sip_method)request->method, &flow, &passed_user, call);

	*error = -ENOBUFS;
	if (!client)
		return NULL;
	client->behind_nat = dialog.behind_nat;
	int len = build_passed(call, to, request, client, sdp, auth);

	if (len < 0) {
		*error = len;
		transaction_free(engine, client);
		return NULL;
	}
	*error = transaction_send_request(engine, client, engine->scratch, (uint32_t)len);
	return *error == 0 ? client : NULL;
}

static void pair(struct engine *engine, struct transaction *client, struct transaction *server)
{
	client->peer = server;
	server->peer = client;
	if (client->kind == CLIENT_INVITE)
		transaction_limit_reinvite(engine, client, PASSED_INVITE_US);
}

int call_pass(struct call *call, const struct call_event *event, struct sip_text sdp)
{
	int error;
	struct transaction *client = send_passed(call, call_other_side(event->side), event->message, sdp, NULL, &error);

	if (client)
		pair(call->engine, client, event->transaction);
	return error;
}

/* ---- answers ---- */

unsigned int call_code_told(unsigned int code)
{
	if (code == 401 || code == 407)
		return 403;
	if (code >= 300 && code < 400)
		return 480; /* the places that it names are of the other leg */
	return code == 422 ? 500 : code;
}

static void send_answer(struct call *call, enum call_side side, struct transaction *server,
			struct sip_message *response, struct sip_text sdp)
{
	struct engine *engine = call->engine;
	struct sip_message *request = transaction_request(engine, server);
	const struct net_addr *ours = &server->flow.local;
	unsigned int code = call_code_told(response->status);
	struct sip_builder b;

	if (!request)
		return;
	if (code < 300 && request->method != SIP_INFO) {
		session_timer_asked(call, side, request);
		session_timer_begin(call, side);
		session_timer_keep(call, side, sdp);
	}
	sip_build_init(&b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	sip_build_response(&b, request, code, NULL, SIP_TEXT(""), &server->flow.remote);
	if (code < 300 && request->method != SIP_INFO) {
		sip_build_copy(&b, request, SIP_H_RECORD_ROUTE);
		local_headers_contact(engine, &b, ours);
		call_build_allow(&b);
		session_timer_put_answer(call, side, &b);
	}
	sip_build_copy(&b, response, SIP_H_RETRY_AFTER);
	call_copy_response_headers(call, side, &b, response, ours);
	build_body(call, side, &b, request->method == SIP_INFO, response, sdp);
	int len = sip_build_finish(&b);

	if (len >= 0) {
		transaction_send_response(engine, server, code, engine->scratch, (uint32_t)len);
		return;
	}
	call_ack_awaited(call);
	if (request->method != SIP_INFO)
		call_media_take_back(call, side);
	fail_server(engine, server, 500);
}

/* The ACK to the answer: at once, or when the asker's comes, where that brings the description. */
static void acknowledge(struct call *call, enum call_side side, struct transaction *client, bool offerless,
			uint32_t cseq)
{
	if (offerless)
		call_await_ack(call, side, client, cseq);
	else
		call_ack_callee(call, side, client, client->serial, cseq, SIP_TEXT(""));
}

/* The side that was asked has agreed: its session begins anew. What it was offered may be wanted for a refresh. */
static void begin_session(struct call *call, enum call_side side, struct sip_message *request,
			  struct sip_message *response)
{
	struct sip_text offer = SIP_TEXT("");

	session_timer_agreed(call, side, response);
	if (request && session_timer_keeps(call, side) &&
	    call_media_repeat(call, call_other_side(side), request, &offer) < 0)
		offer = SIP_TEXT("");
	if (!request || !call_media_is_offerless(request))
		session_timer_keep(call, side, offer);
}

static void pass_answer(struct call *call, enum call_side side, struct transaction *client,
			struct sip_message *response)
{
	struct transaction *server = client->peer;
	struct sip_message *request = server ? transaction_request(call->engine, server) : NULL;
	bool invite = client->kind == CLIENT_INVITE, success = response->status < 300;
	bool offerless = request && invite && call_media_is_offerless(request);
	struct sip_text sdp = SIP_TEXT("");

	if (success && client->method != SIP_INFO) {
		begin_session(call, side, request, response);
		call_refresh_target(call, side, response);
	}
	if (success && call_media_cross(call, side, client->method == SIP_INFO, response, &sdp) < 0)
		sdp = SIP_TEXT("");
	if (invite && success)
		acknowledge(call, side, client, offerless, sip_message_cseq(response)->number);
	if (!success && client->method != SIP_INFO)
		call_media_take_back(call, call_other_side(side));
	if (response->status == 408 && !invite)
		fail_server(call->engine, server, 408);
	else if (server && request)
		send_answer(call, call_other_side(side), server, response, sdp);
	if (client->method == SIP_UPDATE)
		update_over(call, call_other_side(side));
	call_work_done(call);
	if (response->status == 481 || (response->status == 408 && client->method != SIP_INFO))
		call_dialog_gone(call, response->status);
	else if (success && client->method != SIP_INFO)
		call_deadline_start(call);
}

#define AGAIN_MAX 3u

static bool challenges(const struct sip_message *response)
{
	return response->status == 401 || response->status == 407;
}

/*
 * A side that wants credentials, or a longer session, gets the same request once more with that: neither is for the
 * asker to know. client->owner_side counts how often.
 */
static bool pass_again(struct call *call, enum call_side side, struct transaction *client, struct sip_message *response)
{
	struct transaction *server = client->peer;
	struct sip_message *request = server ? transaction_request(call->engine, server) : NULL;
	struct client_auth auth;
	struct sip_text sdp;
	int error;

	if (!request || client->cancelled || client->owner_side == AGAIN_MAX ||
	    (!challenges(response) && response->status != 422))
		return false;
	if (request->method == SIP_INFO)
		error = call_media_describe(call, call_other_side(side), request, &sdp);
	else
		error = call_media_repeat(call, call_other_side(side), request, &sdp);
	if (error < 0)
		return false;
	if (challenges(response) && (own_request_credentials(call, side, request->method_text, response, &auth) < 0 ||
				     !client_auth_helps(&auth, client->owner_side)))
		return false;
	if (response->status == 422 && !session_timer_raise(call, side, response))
		return false;
	struct transaction *again = send_passed(call, side, request, sdp, challenges(response) ? &auth : NULL, &error);

	if (!again)
		return false;
	again->owner_side = (uint8_t)(client->owner_side + 1);
	client->peer = NULL;
	pair(call->engine, again, server);
	return true;
}

static void passed_response(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	enum call_side side;
	struct call *call = call_find(engine, response, true, &side);

	if (response->status < 200)
		return; /* the asker has its 100 */
	if (!call || call != t->owner || call_state(call) > CALL_ESTABLISHED) {
		if (t->kind == CLIENT_INVITE && response->status < 300)
			transaction_end_stranger(engine, t, response);
		fail_server(engine, t->peer, 481);
		return;
	}
	struct call_record *record = call->record;
	bool begun = call_write_begin(call);

	if (!pass_again(call, side, t, response))
		pass_answer(call, side, t, response);
	if (call->record == record)
		call_write_end(call, begun);
}
