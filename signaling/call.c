/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/table_memory.h"
#include "signaling/early_dialog.h"

typedef void (*call_handler)(struct call *call, const struct call_event *event);

/* A request in a dialog that is over. */
static void refuse_over(struct call *call, const struct call_event *event)
{
	call_respond(call, event, 481);
}

/* In the early dialog only the caller may send BYE (RFC 3261 section 15). */
static void early_bye(struct call *call, const struct call_event *event)
{
	if (event->side == CALLEE) {
		refuse_over(call, event);
		return;
	}
	call_respond(call, event, 200);
	call_note_reason(call, event->message);
	call_close(call, END_CALLER_CANCEL, END_BY_CALLER, 487, -1);
}

static void on_ack_timeout(struct call *call, const struct call_event *event)
{
	if (call_state(call) < CALL_CLOSING) {
		call_close(call, END_ACK_TIMEOUT, END_BY_SERVER, 408, -1);
	} else {
		call->record->dialog[CALLER].flags &= ~(uint32_t)DIALOG_ACK_DUE;
		call_settle(call);
	}
}

static void on_media_silent(struct call *call, const struct call_event *event)
{
	call_close(call, END_NO_MEDIA, END_BY_SERVER, call->record->sip_code, -1);
}

static void on_media_started(struct call *call, const struct call_event *event)
{
	if (event->side == CALLEE && call->work)
		call->work->rtp_started = true;
}

static void on_hangup(struct call *call, const struct call_event *event)
{
	bool answered = call_state(call) != CALL_SETUP;

	call_close(call, END_OPERATOR_HANGUP, END_BY_SERVER, answered ? call->record->sip_code : 480, -1);
}

static void on_media_timer(struct call *call, const struct call_event *event)
{
	call_media_tell(call);
}

static void on_closing_timer(struct call *call, const struct call_event *event)
{
	if (call->media_dirty)
		call_media_tell(call);
	if (call->media_closing && (int32_t)(call->engine->now_us / US_PER_MS - call->media_deadline_ms) >= 0)
		call_media_finish(call);
}

static void on_ending_timer(struct call *call, const struct call_event *event)
{
	call_publish(call);
}

static void on_billed_timer(struct call *call, const struct call_event *event)
{
	call->leaving = false;
	call_settle(call);
}

static void on_settle_timer(struct call *call, const struct call_event *event)
{
	call_settle(call);
}

/* The callee has answered, but the caller does not know yet: its CANCEL is not too late. */
static void cancel_answered(struct call *call, const struct call_event *event)
{
	if (reliable_answer_waits(call))
		call_cancelled(call, event);
	else
		counter_inc(call->engine->counters, COUNTER_signaling_events_ignored);
}

/* The caller acknowledged a 200 whose call is over already: now its BYE may go. */
static void ack_closing(struct call *call, const struct call_event *event)
{
	call_caller_acked(call, event);
	call_settle(call);
}

#define OVER                                                                                                           \
	[CALL_EVENT_ACK] = ack_closing, [CALL_EVENT_BYE] = call_bye_crossed, [CALL_EVENT_REQUEST] = refuse_over,       \
	[CALL_EVENT_PRACK] = refuse_over, [CALL_EVENT_ACK_TIMEOUT] = on_ack_timeout,                                   \
	[CALL_EVENT_BYE_DONE] = call_bye_done, [CALL_EVENT_STAGE_TIMEOUT] = on_settle_timer

#define STANDING                                                                                                       \
	[CALL_EVENT_MEDIA_STARTED] = on_media_started, [CALL_EVENT_MEDIA_TIMER] = on_media_timer,                      \
	[CALL_EVENT_HANGUP] = on_hangup, [CALL_EVENT_PRACK] = call_prack

#define CONFIRMED                                                                                                      \
	STANDING, [CALL_EVENT_ACK] = call_ack, [CALL_EVENT_BYE] = call_bye, [CALL_EVENT_ACK_TIMEOUT] = on_ack_timeout, \
		  [CALL_EVENT_LIMIT] = call_limit, [CALL_EVENT_MEDIA_SILENT] = on_media_silent,                        \
		  [CALL_EVENT_SESSION_TIMEOUT] = call_session_timeout, [CALL_EVENT_REFRESH] = call_refresh

/* What does not stand here is ignored: it came late, or twice. */
static const call_handler table[CALL_STATE_COUNT][CALL_EVENT_COUNT] = {
    [CALL_SETUP] = {STANDING, [CALL_EVENT_CANCEL] = call_cancelled, [CALL_EVENT_BYE] = early_bye,
		    [CALL_EVENT_REQUEST] = call_early_request, [CALL_EVENT_PROVISIONAL] = call_provisional,
		    [CALL_EVENT_ANSWER] = call_answered, [CALL_EVENT_FAILURE] = call_failure,
		    [CALL_EVENT_STAGE_TIMEOUT] = call_stage_timeout, [CALL_EVENT_PRACK_TIMEOUT] = call_prack_timeout},
    [CALL_ANSWERED] = {CONFIRMED, [CALL_EVENT_REQUEST] = call_request, [CALL_EVENT_CANCEL] = cancel_answered,
		       [CALL_EVENT_PRACK_TIMEOUT] = call_prack_timeout},
    [CALL_ESTABLISHED] = {CONFIRMED, [CALL_EVENT_REQUEST] = call_request},
    [CALL_CLOSING] =
	{OVER, [CALL_EVENT_MEDIA_CLOSED] = call_media_figures, [CALL_EVENT_MEDIA_TIMER] = on_closing_timer},
    [CALL_ENDING] = {OVER, [CALL_EVENT_MEDIA_TIMER] = on_ending_timer},
    [CALL_BILLED] = {OVER, [CALL_EVENT_MEDIA_TIMER] = on_billed_timer},
};

/* After a handler the call may be free. */
void call_dispatch(struct call *call, const struct call_event *event)
{
	struct engine *engine = call->engine;
	struct call_record *record = call->record;
	call_handler handler = table[call_state(call)][event->type];
	bool begun = call_write_begin(call);

	if (handler)
		handler(call, event);
	else
		counter_inc(engine->counters, COUNTER_signaling_events_ignored);
	engine->calls->reason_told = (struct sip_text){NULL, 0};
	engine->calls->redirect_told = NULL;
	if (call->record == record)
		call_write_end(call, begun);
}

/* ---- timers ---- */

#define CALL_OF(member, timer) ((struct call *)((char *)(timer)-offsetof(struct call, member)))

void call_on_stage(struct timer *timer, void *context)
{
	call_dispatch(CALL_OF(timer, timer), &(struct call_event){.type = CALL_EVENT_STAGE_TIMEOUT});
}

void call_on_media(struct timer *timer, void *context)
{
	call_dispatch(CALL_OF(media, timer), &(struct call_event){.type = CALL_EVENT_MEDIA_TIMER});
}

/* ---- finding ---- */

struct call *call_find(struct engine *engine, struct sip_message *message, bool is_response, enum call_side *side)
{
	const struct sip_name_addr *ours = is_response ? sip_message_from(message) : sip_message_to(message);
	const struct sip_name_addr *theirs = is_response ? NULL : sip_message_from(message);
	struct identifier_tag id;

	/* Its check value is compared with the rest of it. */
	if (!ours || !ours->tag.at || identifier_tag_parse(&id, NULL, ours->tag) < 0 || id.slot >= engine->calls->count)
		return NULL;
	struct call *call = &engine->calls->call[id.slot];

	*side = (enum call_side)(id.nonce & 1);
	if (!call->record || call->engine != engine)
		return NULL;
	const struct call_dialog *dialog = &call->record->dialog[*side];

	if (!sip_text_equal(ours->tag, call_text(call, dialog->local_tag)) ||
	    !sip_text_equal(sip_message_call_id(message), call_text(call, dialog->call_id)))
		return NULL;
	/* Of a fork only one branch is the dialog. A response tells its tag to who asked for it. */
	if (theirs && dialog->remote_tag.len && !sip_text_equal(theirs->tag, call_text(call, dialog->remote_tag)))
		return NULL;
	return call;
}

/* ---- start and end of an engine ---- */

int calls_init(struct engine *engine)
{
	const struct engine_options *options = &engine->options;
	struct calls *calls = calloc(1, sizeof(*calls));

	engine->calls = calls;
	if (!calls)
		return -ENOMEM;
	calls->table = options->calls_segment;
	calls->count = options->config->limits.calls;
	calls->blocks = call_table_blocks(calls->count);
	calls->call_memory = table_calloc(calls->count + 1, sizeof(*calls->call));
	calls->call = (struct call *)(((uintptr_t)calls->call_memory + _Alignof(struct call) - 1) &
				      ~(uintptr_t)(_Alignof(struct call) - 1));
	calls->works = table_calloc(calls->count, sizeof(*calls->works));
	calls->free_slot = table_calloc(calls->count, sizeof(*calls->free_slot));
	calls->passed = table_calloc(calls->count, sizeof(*calls->passed));
	calls->recover = calloc(calls->count, sizeof(*calls->recover));
	calls->small_blocks.block = calloc(calls->blocks, sizeof(uint32_t));
	calls->large_blocks.block = calloc(calls->blocks, sizeof(uint32_t));
	calls->ports = rtp_ports_new(options->config, engine->worker, engine->workers, options->media_workers);
	calls->digest = sip_digest_new();
	for (unsigned int i = 0; i < CONFIG_MAX_WORKERS; i++)
		calls->resync_next[i] = calls->count;
	if (!calls->call_memory || !calls->works || !calls->free_slot || !calls->passed || !calls->recover ||
	    !calls->small_blocks.block || !calls->large_blocks.block || !calls->ports || !calls->digest)
		return -ENOMEM;
	calls_recover_attach(engine);
	return 0;
}

void calls_fini(struct engine *engine)
{
	struct calls *calls = engine->calls;

	if (!calls)
		return;
	sip_digest_free(calls->digest);
	rtp_ports_free(calls->ports);
	free(calls->large_blocks.block);
	free(calls->small_blocks.block);
	free(calls->recover);
	free(calls->passed);
	free(calls->free_slot);
	free(calls->works);
	free(calls->call_memory);
	free(calls);
	engine->calls = NULL;
}
