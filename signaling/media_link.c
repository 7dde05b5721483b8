/* SPDX-License-Identifier: Apache-2.0 */
/* What media is told of a call, and what it says. */
#include <errno.h>
#include <string.h>

#include "common/layout/media_session.h"
#include "proto/media_report.h"
#include "proto/media_request.h"
#include "proto/messages.h"
#include "proto/messages.pb-c.h"
#include "signaling/call.h"

#define CLOSE_WAIT_US (500 * US_PER_MS) /* for the statistics of a session that was closed */
#define RETRY_US      (10 * US_PER_MS)  /* when a ring was full */
#define UNTOLD_US     (250 * US_PER_MS) /* the same, of a call that is over otherwise... */
#define UNTOLD_MAX_US (10 * US_PER_S)   /* ...and till when: media finds out by itself, but late */

/* ---- to media ---- */

static void fill_leg(struct media_leg_request *leg, const struct call_media *media)
{
	*leg = (struct media_leg_request){
	    .local = media->local,
	    .remote = media->remote,
	    .remote_rtcp = media->remote_rtcp,
	    .clock_rate = media->clock_rate,
	    .generation = media->generation,
	    /* Whether who holds by his address plays music is not said: nothing may be expected of either side. */
	    .direction = media->holds ? SDP_INACTIVE : media->direction,
	    .payload_type = media->payload_type,
	    .dtmf_payload_type = media->dtmf_payload_type,
	    .behind_nat = media->behind_nat,
	    .udptl = media->udptl,
	    .encrypted = media->encrypted,
	};
}

/* Where to write what media is told; NULL with *error set when that can't be. */
static uint8_t *reserve(struct call *call, struct ring_producer **ring, int *error)
{
	struct engine *engine = call->engine;
	uint8_t worker = call->record->media_worker;

	*error = -ENOENT;
	if (worker >= engine->options.media_workers)
		return NULL;
	*error = -ENOSPC;
	*ring = &engine->options.to_media[worker];
	uint8_t *to = ring_reserve(*ring, MEDIA_REQUEST_MAX);

	if (!to)
		counter_inc(engine->counters, COUNTER_signaling_media_ring_full);
	return to;
}

static int tell_open(struct call *call)
{
	struct call_record *record = call->record;
	struct media_request request = {
	    .slot = call->slot,
	    .id = record->life,
	    .silence_limit_ms = record->silence_limit_ms,
	    .silence_watch = record->silence_watch,
	    .tos = record->tos,
	    .answered = call_state(call) == CALL_ANSWERED || call_state(call) == CALL_ESTABLISHED,
	};
	bool first = !record->media_open;
	struct ring_producer *ring;
	int error;
	uint8_t *to = reserve(call, &ring, &error);

	record->media_open = true;
	if (!to)
		return error;
	fill_leg(&request.leg[CALLER], &record->media[CALLER]);
	fill_leg(&request.leg[CALLEE], &record->media[CALLEE]);
	if (first)
		ring_publish(ring, MESSAGE_MEDIA_OPEN, media_open_write(&request, to));
	else
		ring_publish(ring, MESSAGE_MEDIA_UPDATE, media_update_write(&request, to));
	return 0;
}

static int tell_close(struct call *call)
{
	struct media_close close = {.session = call->slot, .id = call->record->life};
	struct ring_producer *ring;
	int error;
	uint8_t *to = reserve(call, &ring, &error);

	if (!to)
		return error;
	ring_publish(ring, MESSAGE_MEDIA_CLOSE, media_close_write(&close, to));
	return 0;
}

static uint64_t closing_deadline_us(const struct call *call)
{
	uint64_t now_ms = call->engine->now_us / US_PER_MS;

	return (now_ms + (uint64_t)(int32_t)(call->media_deadline_ms - (uint32_t)now_ms)) * US_PER_MS;
}

/* What could not be said because the ring was full is said again from the record. */
void call_media_tell(struct call *call)
{
	struct engine *engine = call->engine;

	bool relayed = call->record->media_mode == CALL_MEDIA_RELAY && call->record->media[CALLER].local.port;

	if (call->work)
		call->work->media_tells++;
	/* A session that an earlier attempt opened is closed whatever the last one did. */
	if (!relayed && !call->media_closing)
		return;
	call->media_dirty = (call->media_closing ? tell_close(call) : tell_open(call)) == -ENOSPC;
	if (call->media_dirty)
		timer_start(&engine->wheel, &call->media, engine->now_us + RETRY_US, call_on_media);
	else if (call->media_closing)
		timer_start(&engine->wheel, &call->media, closing_deadline_us(call), call_on_media);
}

void call_media_close(struct call *call)
{
	struct engine *engine = call->engine;

	if (!call->record->media_open) {
		call_media_finish(call);
		return;
	}
	call->media_closing = true;
	call->media_deadline_ms = (uint32_t)((engine->now_us + CLOSE_WAIT_US) / US_PER_MS);
	call_media_tell(call);
	if (!timer_is_running(&call->media))
		timer_start(&engine->wheel, &call->media, closing_deadline_us(call), call_on_media);
}

/* ---- the end: figures into the record ---- */

static void figures_of_segment(struct call *call)
{
	const struct media_session *sessions = call->engine->options.media_segment;
	struct media_session session;

	if (!sessions || !media_session_read(&sessions[call->slot], &session) || session.id != call->record->life)
		return;
	for (unsigned int leg = 0; leg < LEG_COUNT; leg++) {
		const struct media_leg_hot *hot = &session.hot[leg];
		struct call_direction_figures *figures = &call->record->figures[leg];

		figures->packets = hot->packets;
		figures->bytes = hot->bytes;
		figures->sent = hot->sent;
		figures->lost = media_leg_lost(&session, (enum media_leg_index)leg);
		figures->jitter_us = media_jitter_us(hot->jitter, hot->clock_rate);
		figures->max_jitter_us = media_jitter_us(hot->max_jitter, hot->clock_rate);
		figures->payload_type = hot->payload_type;
	}
}

static void finish(struct call *call)
{
	timer_stop(&call->engine->wheel, &call->media);
	call->media_closing = false;
	/* The state first: a life that finds the session closed must not ask for its figures again. */
	call_set_state(call, CALL_ENDING);
	call_media_give_ports(call);
	call->record->media_open = false;
	call_publish(call);
}

void call_media_finish(struct call *call)
{
	if (call->record->media_open) {
		counter_inc(call->engine->counters, COUNTER_signaling_media_unanswered);
		figures_of_segment(call);
	}
	call->media_dirty &= call->media_closing; /* what was never opened need not be closed */
	finish(call);
}

bool call_media_is_told(struct call *call)
{
	uint64_t now_us = call->engine->now_us;

	if (call->media_dirty)
		call->media_dirty = tell_close(call) == -ENOSPC;
	if (!call->media_dirty || now_us >= call->record->end_us + UNTOLD_MAX_US)
		return true;
	timer_start(&call->engine->wheel, &call->media, now_us + UNTOLD_US, call_on_media);
	return false;
}

void call_media_figures(struct call *call, const struct call_event *event)
{
	for (unsigned int side = 0; side < CALL_SIDES; side++)
		if (event->closed->has_figures[side])
			call->record->figures[side] = event->closed->figures[side];
	call->media_dirty = false;
	finish(call);
}

/* ---- from media ---- */

static struct call *session_call(struct engine *engine, unsigned int worker, uint32_t session, uint64_t id)
{
	struct calls *calls = engine->calls;
	struct call *call = session < calls->count ? &calls->call[session] : NULL;

	if (!call || !call->record || call->record->life != id || call->record->media_worker != worker) {
		counter_inc(engine->counters, COUNTER_signaling_media_strays);
		return NULL;
	}
	return call;
}

/* It speaks of an attempt that is over: who is called now has not been heard by that. */
static bool is_left_behind(const struct call *call, const struct media_started *started)
{
	return call->work && started->from_callee && (int32_t)(started->generation - call->work->media_generation) < 0;
}

/* Each returns 0, or -EBADMSG when the message is none. */

static int on_started(struct engine *engine, unsigned int worker, const struct ring_message *message)
{
	struct media_started started;
	int error = media_started_read(&started, message->body, message->len);
	struct call *call = error ? NULL : session_call(engine, worker, started.session, started.id);

	if (call && is_left_behind(call, &started))
		counter_inc(engine->counters, COUNTER_signaling_media_strays);
	else if (call)
		call_dispatch(call, &(struct call_event){.type = CALL_EVENT_MEDIA_STARTED,
							 .side = started.from_callee ? CALLEE : CALLER});
	return error;
}

static int on_closed(struct engine *engine, unsigned int worker, const struct ring_message *message)
{
	struct media_closed closed;
	int error = media_closed_read(&closed, message->body, message->len);
	struct call *call = error ? NULL : session_call(engine, worker, closed.session, closed.id);

	if (call)
		call_dispatch(call, &(struct call_event){.type = CALL_EVENT_MEDIA_CLOSED, .closed = &closed});
	return error;
}

static int on_silent(struct engine *engine, unsigned int worker, const struct ring_message *message)
{
	Tandem__MediaSilent *silent =
	    tandem__media_silent__unpack(&engine->arena.allocator, message->len, message->body);
	struct call *call = silent ? session_call(engine, worker, silent->session, silent->id) : NULL;

	if (call)
		call_dispatch(call, &(struct call_event){.type = CALL_EVENT_MEDIA_SILENT});
	return silent ? 0 : -EBADMSG;
}

static int on_dtmf(struct engine *engine, unsigned int worker, const struct ring_message *message)
{
	if (!tandem__dtmf__unpack(&engine->arena.allocator, message->len, message->body))
		return -EBADMSG;
	counter_inc(engine->counters, COUNTER_signaling_dtmf_digits);
	return 0;
}

static int on_resync(struct engine *engine, unsigned int worker, const struct ring_message *message)
{
	Tandem__Resync *resync = tandem__resync__unpack(&engine->arena.allocator, message->len, message->body);

	if (!resync)
		return -EBADMSG;
	if (worker >= CONFIG_MAX_WORKERS || engine->calls->media_life[worker] == resync->life)
		return 0;
	engine->calls->media_life[worker] = resync->life;
	engine->calls->resync_next[worker] = 0;
	return 0;
}

static int (*const handlers[MESSAGE_TYPE_COUNT])(struct engine *engine, unsigned int worker,
						 const struct ring_message *message) = {
    [MESSAGE_MEDIA_STARTED] = on_started, [MESSAGE_MEDIA_SILENT] = on_silent,
    [MESSAGE_MEDIA_CLOSED] = on_closed,   [MESSAGE_DTMF] = on_dtmf,
    [MESSAGE_MEDIA_RESYNC] = on_resync,
};

void call_media_message(struct engine *engine, unsigned int worker, const struct ring_message *message)
{
	pb_arena_reset(&engine->arena);
	if (message->type >= MESSAGE_TYPE_COUNT || !handlers[message->type] ||
	    handlers[message->type](engine, worker, message) < 0)
		counter_inc(engine->counters, COUNTER_signaling_ring_messages_refused);
}

#define RESYNC_STEP 256u /* slots looked at in one tick */

static void resync_worker(struct engine *engine, unsigned int worker)
{
	struct calls *calls = engine->calls;

	for (uint32_t i = 0; i < RESYNC_STEP && calls->resync_next[worker] < calls->count; i++) {
		struct call *call = &calls->call[calls->resync_next[worker]++];

		if (!call->record || !call->record->media_open || call->record->media_worker != worker ||
		    call_state(call) > CALL_CLOSING)
			continue;
		call_media_tell(call);
		if (call->media_dirty)
			return; /* its own timer tells it; the others wait for room, too */
	}
}

void call_media_resync_step(struct engine *engine)
{
	for (unsigned int worker = 0; worker < engine->options.media_workers; worker++)
		if (engine->calls->resync_next[worker] < engine->calls->count)
			resync_worker(engine, worker);
}
