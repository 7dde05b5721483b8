/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/log.h"
#include "signaling/call.h"
#include "signaling/keyed_hash.h"
#include "signaling/local_headers.h"
#include "signaling/options_probe.h"
#include "signaling/register_client.h"
#include "signaling/registrar.h"
#include "signaling/sip/check.h"
#include "signaling/source.h"
#include "signaling/transaction.h"

/* ---- random ---- */

/* xoshiro256** (Blackman, Vigna), seeded from the kernel. */
uint64_t engine_random(struct engine *engine)
{
	uint64_t *s = engine->random;
	uint64_t result = keyed_hash_rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = keyed_hash_rotate(s[3], 45);
	return result;
}

/* ---- start and end ---- */

static uint8_t worker_key[16]; /* engine_worker_of(): all engines of a process have the same segment, and this is its */

/* The key lives as long as the segment: tags and hashes of an earlier life must be known again. */
static int load_key(struct engine *engine)
{
	struct call_table *table = engine->options.calls_segment;
	static const uint8_t none[16];

	if (memcmp(table->hash_key, none, sizeof(none)) == 0 &&
	    getrandom(table->hash_key, sizeof(table->hash_key), 0) != sizeof(table->hash_key))
		return -EIO;
	memcpy(engine->hash_key, table->hash_key, sizeof(engine->hash_key));
	memcpy(worker_key, table->hash_key, sizeof(worker_key));
	return 0;
}

#define LEAST_TRANSACTIONS 16384u
#define MOST_TRANSACTIONS  4194304u

/*
 * Each call has a few while it is set up or ended, and what nobody acknowledges or answers stands for half a minute.
 * Tombstones are counted by it, too.
 */
static uint32_t transactions_wanted(const struct engine_options *options)
{
	uint64_t count = (uint64_t)options->config->limits.calls * 8 / options->workers;

	if (options->transactions)
		return options->transactions;
	if (count < LEAST_TRANSACTIONS)
		return LEAST_TRANSACTIONS;
	return count > MOST_TRANSACTIONS ? MOST_TRANSACTIONS : (uint32_t)count;
}

#define ARENA_BYTES 65536u

struct engine *engine_new(const struct engine_options *options)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->worker = options->worker;
	engine->workers = options->workers;
	engine->now_us = options->now_us;
	engine->snapshot = options->snapshot;
	engine->counters = options->counters;
	engine->io = options->io;
	engine->options = *options;
	engine->registrar = options->registrar;
	timer_wheel_init(&engine->wheel, options->now_us, engine);
	engine->message = calloc(1, sizeof(*engine->message));
	engine->scratch = calloc(1, ENGINE_MESSAGE_MAX + 1);
	engine->local_headers = calloc(1, sizeof(*engine->local_headers));
	if (!engine->message || !engine->scratch || !engine->local_headers || load_key(engine) < 0 ||
	    getrandom(engine->random, sizeof(engine->random), 0) != sizeof(engine->random) ||
	    pb_arena_init(&engine->arena, ARENA_BYTES) < 0 ||
	    transactions_init(engine, transactions_wanted(options)) < 0 || calls_init(engine) < 0) {
		log_error("engine", "worker %u: out of memory, or no random numbers", options->worker);
		engine_free(engine);
		return NULL;
	}
	engine->options.config = NULL; /* a reload may free it: from now on there is the snapshot's */
	return engine;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	calls_fini(engine);
	transactions_fini(engine);
	pb_arena_fini(&engine->arena);
	free(engine->local_headers);
	free(engine->scratch);
	free(engine->message);
	free(engine);
}

/* ---- which worker ---- */

struct line {
	const char *value, *end;
};

/* The value of a header line that begins at `at`, when it has this name (full or compact); folds included. */
static bool line_is(const char *at, const char *end, const char *name, char compact, struct line *line)
{
	size_t len = strlen(name);

	if ((size_t)(end - at) > len && strncasecmp(at, name, len) == 0)
		at += len;
	else if (at < end && sip_lower(*at) == compact)
		at++;
	else
		return false;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	if (at == end || *at++ != ':')
		return false;
	line->value = at;
	while (at < end && !(*at == '\n' && (at + 1 == end || (at[1] != ' ' && at[1] != '\t'))))
		at++;
	line->end = at;
	return true;
}

/* Two hexadecimal digits: all our identifiers begin with them, behind what marks them as ours. */
static bool read_worker(const char *at, const char *end, unsigned int *worker)
{
	unsigned int value = 0;

	if (end - at < 2)
		return false;
	for (unsigned int i = 0; i < 2; i++) {
		if (at[i] >= '0' && at[i] <= '9')
			value = value * 16 + (unsigned int)(at[i] - '0');
		else if (at[i] >= 'a' && at[i] <= 'f')
			value = value * 16 + (unsigned int)(at[i] - 'a' + 10);
		else
			return false;
	}
	*worker = value;
	return true;
}

static bool worker_of_branch(const struct line *line, unsigned int *worker)
{
	static const char mark[] = "z9hG4bKt";
	const char *at = memmem(line->value, (size_t)(line->end - line->value), mark, sizeof(mark) - 1);

	return at && read_worker(at + sizeof(mark) - 1, line->end, worker);
}

static const char *skip_lws(const char *at, const char *end)
{
	while (at < end && sip_is_lws(*at))
		at++;
	return at;
}

/* ;tag=w.. in any case of letters and with any blanks; the last one: a URI or a name before it may look the same. */
static bool worker_of_tag(const struct line *line, unsigned int *worker)
{
	const char *at = line->value, *end = line->end;
	bool found = false;

	while ((at = memchr(at, ';', (size_t)(end - at)))) {
		at = skip_lws(at + 1, end);
		if (end - at < 3 || strncasecmp(at, "tag", 3) != 0)
			continue;
		const char *equals = skip_lws(at + 3, end);
		const char *value = equals < end && *equals == '=' ? skip_lws(equals + 1, end) : end;

		if (value < end && *value == 'w')
			found |= read_worker(value + 1, end, worker);
	}
	return found;
}

static unsigned int by_call_id(const struct line *line, unsigned int workers)
{
	const char *at = line->value, *end = line->end;

	at = skip_lws(at, end);
	while (end > at && sip_is_lws(end[-1]))
		end--;
	return (unsigned int)(keyed_hash(worker_key, 0x776f726b6572, at, (size_t)(end - at)) % workers);
}

unsigned int engine_worker_of(const uint8_t *data, uint32_t len, unsigned int workers)
{
	const char *at = (const char *)data, *end = at + len;
	struct line call_id = {0}, line;
	bool response, via_seen = false;
	unsigned int worker;

	if (workers <= 1)
		return 0;
	/* RFC 3261 section 7.5: line ends before the start line count for nothing. */
	while (at < end && (*at == '\r' || *at == '\n'))
		at++;
	response = end - at > 4 && strncasecmp(at, "SIP/", 4) == 0;
	for (at = memchr(at, '\n', (size_t)(end - at)); at && ++at < end && *at != '\r' && *at != '\n';
	     at = memchr(at, '\n', (size_t)(end - at))) {
		if (response && !via_seen && line_is(at, end, "Via", 'v', &line)) {
			via_seen = true;
			if (worker_of_branch(&line, &worker))
				return worker % workers;
		} else if (!response && line_is(at, end, "To", 't', &line)) {
			if (worker_of_tag(&line, &worker))
				return worker % workers;
		} else if (!call_id.value && line_is(at, end, "Call-ID", 'i', &line)) {
			call_id = line;
		}
	}
	return call_id.value ? by_call_id(&call_id, workers) : 0;
}

/* ---- requests ---- */

static const char *const extensions[] = {"timer", "100rel", NULL};

static const struct sip_abilities abilities = {
    .extensions = extensions,
    .methods = 1u << SIP_INVITE | 1u << SIP_ACK | 1u << SIP_BYE | 1u << SIP_CANCEL | 1u << SIP_OPTIONS |
	       1u << SIP_REGISTER | 1u << SIP_PRACK | 1u << SIP_UPDATE | 1u << SIP_INFO,
    .schemes = 1u << SIP_SCHEME_SIP | 1u << SIP_SCHEME_SIPS | 1u << SIP_SCHEME_TEL,
};

/* An answer to a request that belongs to nothing we know of: strangers may have to do without. */
static void reply(struct engine *engine, const struct sip_flow *flow, unsigned int code, const char *reason,
		  const struct response_extra *extra)
{
	if (!source_is_ignored(engine, flow, engine->message))
		transaction_reply_stateless(engine, flow, engine->message, code, reason, extra);
}

static void refuse(struct engine *engine, const struct sip_flow *flow, const struct sip_check *check)
{
	char text[512];
	struct sip_builder b;

	counter_inc(engine->counters, COUNTER_signaling_requests_refused);
	sip_build_init(&b, text, sizeof(text));
	sip_check_build_extra(check, &b);
	struct response_extra extra = {text, b.overflow ? 0 : b.len};

	reply(engine, flow, check->code, check->reason, &extra);
}

/* An ACK to an answer without a transaction. */
static bool is_shed(const struct engine *engine, struct sip_text tag)
{
	struct identifier_tag id;

	return tag.at && identifier_tag_parse(&id, engine->hash_key, tag) == 0 && id.slot >= IDENTIFIER_SHED_SLOT;
}

static void receive_ack(struct engine *engine, const struct sip_flow *flow, struct transaction *found)
{
	enum call_side side;
	struct call *call = call_find(engine, engine->message, false, &side);

	if (!call) {
		counter_inc(engine->counters, is_shed(engine, sip_message_to(engine->message)->tag)
						  ? COUNTER_signaling_acks_shed
						  : COUNTER_signaling_acks_stray);
		return;
	}
	call_dispatch(
	    call, &(struct call_event){.type = CALL_EVENT_ACK, .side = side, .message = engine->message, .flow = flow});
}

/* A re-INVITE is taken back: on the other side, too; what that answers is passed on. */
static void cancel_passed(struct engine *engine, struct transaction *server)
{
	uint8_t told = call_hear_reason(engine, engine->message);

	if (server->peer && server->state <= TRANSACTION_PROCEEDING)
		transaction_cancel_reinvite(engine, server->peer,
					    told ? told : end_reason_info[END_CALLER_CANCEL].q850_cause, 487);
	engine->calls->reason_told = SIP_TEXT("");
}

static void receive_cancel(struct engine *engine, const struct sip_flow *flow, struct transaction *invite)
{
	if (!invite || invite->kind != SERVER_INVITE) {
		reply(engine, flow, 481, NULL, NULL);
		return;
	}
	transaction_reply_stateless(engine, flow, engine->message, 200, NULL, NULL);
	if (invite->user == &call_caller_user)
		call_dispatch(invite->owner, &(struct call_event){.type = CALL_EVENT_CANCEL,
								  .side = CALLER,
								  .transaction = invite,
								  .message = engine->message});
	else
		cancel_passed(engine, invite);
}

/* Before the answer, each of the callee's forks has numbers of its own. */
static bool is_early(const struct call *call, enum call_side side)
{
	return side == CALLEE && !call->record->dialog[CALLEE].remote_tag.len;
}

static void dispatch_in_dialog(struct engine *engine, const struct sip_flow *flow, enum call_event_type type,
			       struct call *call, enum call_side side, struct transaction *t)
{
	struct sip_message *request = engine->message;
	struct call_dialog *dialog = &call->record->dialog[side];
	uint32_t cseq = sip_message_cseq(request)->number;

	if (!is_early(call, side) && dialog->remote_cseq && cseq < dialog->remote_cseq) {
		counter_inc(engine->counters, COUNTER_signaling_requests_out_of_order);
		transaction_respond(engine, t, request, 500, NULL, NULL);
		return;
	}
	if (!is_early(call, side))
		dialog->remote_cseq = cseq;
	call_dispatch(call, &(struct call_event){
				.type = type,
				.side = side,
				.transaction = t,
				.message = request,
				.flow = flow,
			    });
}

/* A request whose CSeq is higher than any before is a new one: its transaction need not be looked for. */
static bool is_new_in_dialog(const struct call *call, enum call_side side, struct sip_message *request)
{
	return call && !is_early(call, side) &&
	       sip_message_cseq(request)->number > call->record->dialog[side].remote_cseq;
}

static void receive_in_dialog(struct engine *engine, const struct sip_flow *flow, enum call_event_type type)
{
	struct transaction *found;
	enum call_side side;
	struct call *call = call_find(engine, engine->message, false, &side);

	if (!is_new_in_dialog(call, side, engine->message) &&
	    transaction_receive_request(engine, flow, engine->message, &found))
		return;
	if (!call) {
		counter_inc(engine->counters, COUNTER_signaling_requests_unknown_dialog);
		reply(engine, flow, 481, NULL, NULL);
		return;
	}
	struct transaction *t = transaction_server_new(engine, flow, engine->message);

	if (!t) {
		transaction_reply_stateless(engine, flow, engine->message, 503, NULL, &response_later);
		return;
	}
	dispatch_in_dialog(engine, flow, type, call, side, t);
	/* A state that ignores the request would leave it without an answer. */
	if (t->state == TRANSACTION_TRYING && !t->request)
		transaction_respond(engine, t, engine->message, 481, NULL, NULL);
}

static void receive_invite(struct engine *engine, const struct sip_flow *flow, struct transaction *found)
{
	const struct sip_name_addr *from = sip_message_from(engine->message);
	struct identifier_tag id;

	if (transaction_is_merged(engine)) {
		counter_inc(engine->counters, COUNTER_signaling_requests_merged);
		reply(engine, flow, 482, NULL, NULL);
	} else if (from->tag.at && identifier_tag_parse(&id, engine->hash_key, from->tag) == 0) {
		/* Every INVITE of ours has our tag in From. */
		counter_inc(engine->counters, COUNTER_signaling_loops);
		reply(engine, flow, 482, NULL, NULL);
	} else {
		call_invite(engine, flow, engine->message);
	}
}

static void receive_options(struct engine *engine, const struct sip_flow *flow, struct transaction *found)
{
	static const char headers[] = "Allow: " CALL_METHODS ", REGISTER\r\n"
				      "Accept: application/sdp\r\n"
				      "Supported: timer, 100rel\r\n";
	struct response_extra extra = {headers, sizeof(headers) - 1};

	reply(engine, flow, engine->draining ? 503 : 200, NULL, &extra);
}

static void receive_register(struct engine *engine, const struct sip_flow *flow, struct transaction *found)
{
	static const struct response_extra later = {"Retry-After: 5\r\n", 16};
	struct transaction *t = transaction_server_new(engine, flow, engine->message);

	if (t)
		registrar_request(engine, t, engine->message, flow);
	else
		reply(engine, flow, 503, NULL, &later);
}

static void receive_nowhere(struct engine *engine, const struct sip_flow *flow, struct transaction *found)
{
	reply(engine, flow, 481, NULL, NULL);
}

/* Who receives the methods that we serve; of those of a dialog, only where To has no tag, else they are this event. */
static const struct {
	void (*receive)(struct engine *engine, const struct sip_flow *flow, struct transaction *found);
	bool of_dialog;
	enum call_event_type event;
} served[SIP_METHOD_COUNT] = {
    [SIP_INVITE] = {receive_invite, true, CALL_EVENT_REQUEST},
    [SIP_ACK] = {receive_ack},
    [SIP_BYE] = {receive_nowhere, true, CALL_EVENT_BYE},
    [SIP_CANCEL] = {receive_cancel},
    [SIP_OPTIONS] = {receive_options, true, CALL_EVENT_REQUEST},
    [SIP_REGISTER] = {receive_register},
    [SIP_PRACK] = {receive_nowhere, true, CALL_EVENT_PRACK},
    [SIP_UPDATE] = {receive_nowhere, true, CALL_EVENT_REQUEST},
    [SIP_INFO] = {receive_nowhere, true, CALL_EVENT_REQUEST},
};

static void receive_request(struct engine *engine, const struct sip_flow *flow)
{
	struct sip_message *request = engine->message;
	struct transaction *found;
	struct sip_check check;

	transaction_send_for(engine, request);
	sip_check_request(&check, request, &abilities);
	if (check.verdict == SIP_DROP) {
		counter_inc(engine->counters, COUNTER_signaling_datagrams_dropped);
		return;
	}
	if (check.verdict == SIP_RESPOND) {
		refuse(engine, flow, &check);
		return;
	}
	if (served[request->method].of_dialog && sip_message_to(request)->tag.len)
		receive_in_dialog(engine, flow, served[request->method].event);
	else if (!transaction_receive_request(engine, flow, request, &found))
		served[request->method].receive(engine, flow, found);
}

/* ---- responses ---- */

/* Its ACK brings the answer, and has to wait for the caller's. */
static bool awaits_caller(const struct call *call, enum call_side side)
{
	return side == CALLEE && call->record->bodyless && !call->record->callee_acked &&
	       call_state(call) == CALL_ANSWERED;
}

/* A 2xx that could not be used, and whose BYE was lost with an earlier life, has left its tag, too. */
static bool has_taken(const struct call *call, enum call_side side, struct sip_text tag)
{
	enum call_state state = call_state(call);

	if (state == CALL_SETUP || (state >= CALL_CLOSING && side == CALLEE && !call->record->callee_acked))
		return false;
	return tag.len && sip_text_equal(tag, call_text(call, call->record->dialog[side].remote_tag));
}

/* A 2xx to an INVITE whose transaction is gone: its ACK was lost, or nobody wants the call any more. */
static void receive_stray_answer(struct engine *engine, const struct sip_flow *flow)
{
	struct sip_message *response = engine->message;
	struct identifier_branch branch;
	enum call_side side;
	bool behind_nat;
	struct call *call = call_find(engine, response, true, &side);

	if (identifier_branch_parse(&branch, sip_message_via(response)->branch) < 0)
		branch.serial = engine_random(engine);
	if (call && has_taken(call, side, sip_message_to(response)->tag)) {
		if (!awaits_caller(call, side))
			call_ack_again(call, side, branch.serial, sip_message_cseq(response)->number);
	} else if (transaction_was_acked(engine, response, &behind_nat)) {
		transaction_ack_again(engine, flow, behind_nat, response);
	} else if (!transaction_end_late(engine, flow, response)) {
		counter_inc(engine->counters, COUNTER_signaling_responses_stray);
	}
}

static void receive_response(struct engine *engine, const struct sip_flow *flow)
{
	struct sip_message *response = engine->message;
	struct sip_check check;

	sip_check_response(&check, response);
	if (check.verdict != SIP_ACCEPT) {
		counter_inc(engine->counters, COUNTER_signaling_datagrams_dropped);
		return;
	}
	if (!local_headers_sent_by(engine, sip_message_via(response), &flow->local)) {
		counter_inc(engine->counters, COUNTER_signaling_responses_foreign);
		return;
	}
	if (transaction_receive_response(engine, response))
		return;
	if (response->status >= 200 && response->status < 300 && sip_message_cseq(response)->method == SIP_INVITE)
		receive_stray_answer(engine, flow);
	else
		counter_inc(engine->counters, COUNTER_signaling_responses_stray);
}

void engine_receive(struct engine *engine, const struct sip_flow *flow, const uint8_t *data, uint32_t len)
{
	enum sip_parse_error error;

	engine->flow = flow;
	counter_inc(engine->counters, COUNTER_signaling_datagrams);
	if (engine->overload.share && overload_receive(engine, flow, data, len))
		return;
	error = sip_message_parse(engine->message, data, len);
	if (error == SIP_PARSE_KEEPALIVE)
		counter_inc(engine->counters, COUNTER_signaling_keepalives);
	else if (error == SIP_PARSE_NOT_SIP || error == SIP_PARSE_TOO_LONG)
		counter_inc(engine->counters, COUNTER_signaling_datagrams_dropped);
	else if (engine->message->is_request)
		receive_request(engine, flow);
	else
		receive_response(engine, flow);
	transactions_bury(engine);
}

/* ---- time, other processes, the operator ---- */

#define SWEEP_LIMIT 512u /* timers in one poll: what is left waits for the next one */

void engine_tick(struct engine *engine, uint64_t now_us)
{
	engine->now_us = now_us;
	calls_recover_step(engine);
	call_media_resync_step(engine);
	options_probes_step(engine);
	register_clients_step(engine);
	timer_wheel_sweep(&engine->wheel, now_us, SWEEP_LIMIT);
	transactions_sweep(engine);
}

uint64_t engine_next_us(const struct engine *engine)
{
	if (engine->calls->recover_count)
		return engine->now_us;
	return timer_wheel_next_us(&engine->wheel);
}

void engine_media_message(struct engine *engine, unsigned int media_worker, const struct ring_message *message)
{
	call_media_message(engine, media_worker, message);
}

void engine_keepalive_message(struct engine *engine, const struct ring_message *message)
{
	registrar_keepalive_message(engine, message);
}

int engine_hangup(struct engine *engine, const uint8_t call_id[static 16])
{
	uint32_t slot;

	memcpy(&slot, call_id, sizeof(slot));
	if (slot >= engine->calls->count)
		return -ENOENT;
	struct call *call = &engine->calls->call[slot];

	if (!call->record || memcmp(call->record->id, call_id, 16) != 0 || call_state(call) >= CALL_CLOSING)
		return -ENOENT;
	call_dispatch(call, &(struct call_event){.type = CALL_EVENT_HANGUP});
	return 0;
}

void engine_stop(struct engine *engine)
{
	engine->draining = true;
}
