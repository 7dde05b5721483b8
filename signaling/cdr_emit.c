/* SPDX-License-Identifier: Apache-2.0 */
/* A call record as the CDR writer gets it: made from the shared record alone, so that it comes out the same twice. */
#include <errno.h>
#include <string.h>

#include "proto/cdr_record.h"
#include "proto/messages.h"
#include "signaling/call.h"

/*
 * Records of standing calls wait in shared memory for room; this much must be free for a new call, so that a
 * writer which has stopped is noticed long before that.
 */
#define ROOM     (64u * 1024u)
#define RETRY_US (10 * US_PER_MS)
#define TEXT_MAX 256u

bool cdr_has_room(struct engine *engine)
{
	const struct ring_producer *ring = engine->options.to_cdrwriter;
	uint64_t quarter = ring->capacity / 4; /* of the smallest rings */

	return ring_has_room(engine->options.to_cdrwriter, quarter < ROOM ? (uint32_t)quarter : ROOM);
}

bool cdr_has_room_to_spare(const struct engine *engine)
{
	const struct ring_producer *ring = engine->options.to_cdrwriter;

	return ring_backlog(ring->ring) <= ring->capacity / 2;
}

static struct wire_text text_of(const struct call *call, struct call_text ref)
{
	struct sip_text text = call_text(call, ref);

	return (struct wire_text){text.at, (uint32_t)(text.len < TEXT_MAX ? text.len : TEXT_MAX)};
}

static int64_t wall(const struct call_record *record, uint64_t us)
{
	return us ? record->setup_wall_us + (int64_t)(us - record->setup_us) : 0;
}

/* A session that was opened for an attempt which then was refused carried nothing, and is no measurement. */
static bool was_relayed(const struct call_record *record)
{
	const struct call_direction_figures *figures = record->figures;

	return record->media_mode == CALL_MEDIA_RELAY &&
	       (record->answer_us || figures[CALLER].packets || figures[CALLEE].packets);
}

static void fill_texts(struct cdr_record *cdr, const struct call *call)
{
	const struct call_record *record = call->record;
	const char *node = call->engine->snapshot->config->node;

	cdr->call_id = (struct wire_text){(const char *)record->id, sizeof(record->id)};
	cdr->node = (struct wire_text){node, (uint32_t)strlen(node)};
	cdr->caller_sip_call_id = text_of(call, record->dialog[CALLER].call_id);
	cdr->callee_sip_call_id = text_of(call, record->dialog[CALLEE].call_id);
	cdr->caller_number_in = text_of(call, record->caller_in);
	cdr->caller_number_out = text_of(call, record->caller_out);
	cdr->callee_number_in = text_of(call, record->callee_in);
	cdr->callee_number_out = text_of(call, record->callee_out);
	cdr->mapping_gateway = text_of(call, record->mapping_gateway);
	cdr->routing_gateway = text_of(call, record->routing_gateway);
	cdr->codec = (struct wire_text){record->codec, (uint32_t)strnlen(record->codec, sizeof(record->codec))};
}

static void fill_outcome(struct cdr_record *cdr, const struct call_record *record)
{
	cdr->attempt = record->attempt;
	cdr->final = record->final;
	cdr->caller_address = record->dialog[CALLER].flow.remote;
	cdr->callee_address = record->dialog[CALLEE].flow.remote;
	cdr->setup_us = wall(record, record->attempt == 1 ? record->setup_us : record->attempt_us);
	cdr->progress_us = wall(record, record->progress_us);
	cdr->answer_us = wall(record, record->answer_us);
	cdr->end_us = wall(record, record->end_us);
	cdr->pdd_ms = record->pdd_ms;
	cdr->duration_us = record->answer_us ? record->end_us - record->answer_us : 0;
	cdr->sip_code = record->sip_code;
	cdr->q850_cause = record->q850_cause;
	cdr->end_direction = record->end_direction;
	cdr->end_reason = record->end_reason;
	cdr->media_mode = record->media_mode;
}

static void fill_figures(struct cdr_record *cdr, const struct call_record *record)
{
	cdr->has_figures[CALLER] = cdr->has_figures[CALLEE] = was_relayed(record);
	if (!cdr->has_figures[CALLER])
		return;
	cdr->figures[CALLER] = record->figures[CALLER];
	cdr->figures[CALLEE] = record->figures[CALLEE];
}

int cdr_publish(struct call *call)
{
	struct engine *engine = call->engine;
	struct ring_producer *ring = engine->options.to_cdrwriter;
	struct cdr_record cdr;

	fill_texts(&cdr, call);
	fill_outcome(&cdr, call->record);
	fill_figures(&cdr, call->record);
	uint8_t *to = ring_reserve(ring, cdr_record_room(&cdr));

	if (!to) {
		counter_inc(engine->counters, COUNTER_signaling_cdr_ring_full);
		return -ENOSPC;
	}
	ring_publish(ring, MESSAGE_CDR_RECORD, cdr_record_write(&cdr, to));
	counter_inc(engine->counters, COUNTER_signaling_cdrs);
	return 0;
}

/* The record keeps its slot until there is room: nothing is lost, and no new call is taken meanwhile. */
void call_publish(struct call *call)
{
	struct engine *engine = call->engine;

	if (cdr_publish(call) < 0) {
		timer_start(&engine->wheel, &call->media, engine->now_us + RETRY_US, call_on_media);
		return;
	}
	call_set_state(call, CALL_BILLED);
	call_settle(call);
}
