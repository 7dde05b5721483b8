/* SPDX-License-Identifier: Apache-2.0 */
/* A call record as the CDR writer gets it: made from the shared record alone, so that it comes out the same twice. */
#include <errno.h>
#include <string.h>

#include "proto/messages.h"
#include "proto/messages.pb-c.h"
#include "signaling/call.h"

/*
 * Records of standing calls wait in shared memory for room; this much must be free for a new call, so that a
 * writer which has stopped is noticed long before that.
 */
#define ROOM     (64u * 1024u)
#define RETRY_US (10 * US_PER_MS)
#define TEXT_MAX 256u

struct texts {
	char text[10][TEXT_MAX + 1];
	unsigned int used;
};

bool cdr_has_room(struct engine *engine)
{
	const struct ring_producer *ring = engine->options.to_cdrwriter;
	uint64_t quarter = ring->capacity / 4; /* of the smallest rings */

	return ring_has_room(engine->options.to_cdrwriter, quarter < ROOM ? (uint32_t)quarter : ROOM);
}

/* protobuf wants terminated UTF-8 strings: what is not printable ASCII is a peer's mischief. */
static char *text_of(const struct call *call, struct texts *texts, struct call_text ref)
{
	struct sip_text text = call_text(call, ref);
	char *out = texts->text[texts->used++];
	uint32_t len = text.len < TEXT_MAX ? text.len : TEXT_MAX;

	for (uint32_t i = 0; i < len; i++)
		out[i] = (char)(text.at[i] >= ' ' && text.at[i] <= '~' ? text.at[i] : '?');
	out[len] = '\0';
	return out;
}

static int64_t wall(const struct call_record *record, uint64_t us)
{
	return us ? record->setup_wall_us + (int64_t)(us - record->setup_us) : 0;
}

static void fill_direction(Tandem__MediaDirection *to, const struct call_direction_figures *figures)
{
	tandem__media_direction__init(to);
	to->packets = figures->packets;
	to->bytes = figures->bytes;
	to->lost = figures->lost;
	to->sent = figures->sent;
	to->jitter_us = figures->jitter_us;
	to->max_jitter_us = figures->max_jitter_us;
	to->mos_x100 = figures->mos_x100;
	to->payload_type = figures->payload_type;
}

static void fill_address(Tandem__Address *to, struct net_addr *addr)
{
	tandem__address__init(to);
	to->ip.data = addr->ip;
	to->ip.len = addr->family == NET_IP6 ? 16 : addr->family == NET_IP4 ? 4 : 0;
	to->port = addr->port;
}

/* A session that was opened for an attempt which then was refused carried nothing, and is no measurement. */
static bool was_relayed(const struct call_record *record)
{
	const struct call_direction_figures *figures = record->figures;

	return record->media_mode == CALL_MEDIA_RELAY &&
	       (record->answer_us || figures[CALLER].packets || figures[CALLEE].packets);
}

static void fill_texts(Tandem__CdrRecord *cdr, const struct call *call, struct texts *texts)
{
	const struct call_record *record = call->record;

	cdr->caller_sip_call_id = text_of(call, texts, record->dialog[CALLER].call_id);
	cdr->callee_sip_call_id = text_of(call, texts, record->dialog[CALLEE].call_id);
	cdr->caller_number_in = text_of(call, texts, record->caller_in);
	cdr->caller_number_out = text_of(call, texts, record->caller_out);
	cdr->callee_number_in = text_of(call, texts, record->callee_in);
	cdr->callee_number_out = text_of(call, texts, record->callee_out);
	cdr->mapping_gateway = text_of(call, texts, record->mapping_gateway);
	cdr->routing_gateway = text_of(call, texts, record->routing_gateway);
}

static void fill_outcome(Tandem__CdrRecord *cdr, const struct call_record *record)
{
	cdr->attempt = record->attempt;
	cdr->final = record->final;
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

static int publish(struct engine *engine, const Tandem__CdrRecord *cdr)
{
	struct ring_producer *ring = engine->options.to_cdrwriter;
	uint32_t len = (uint32_t)tandem__cdr_record__get_packed_size(cdr);
	uint8_t *to = ring_reserve(ring, len);

	if (!to) {
		counter_inc(engine->counters, COUNTER_signaling_cdr_ring_full);
		return -ENOSPC;
	}
	tandem__cdr_record__pack(cdr, to);
	ring_publish(ring, MESSAGE_CDR_RECORD, len);
	counter_inc(engine->counters, COUNTER_signaling_cdrs);
	return 0;
}

int cdr_publish(struct call *call)
{
	struct call_record *record = call->record;
	struct texts texts; /* kilobytes: not cleared */
	Tandem__CdrRecord cdr = TANDEM__CDR_RECORD__INIT;
	Tandem__MediaStatistics media = TANDEM__MEDIA_STATISTICS__INIT;
	Tandem__MediaDirection direction[CALL_SIDES];
	Tandem__Address caller, callee;

	texts.used = 0;
	cdr.call_id.data = record->id;
	cdr.call_id.len = sizeof(record->id);
	cdr.node = call->engine->snapshot->config->node;
	fill_texts(&cdr, call, &texts);
	fill_outcome(&cdr, record);
	fill_address(&caller, &record->dialog[CALLER].flow.remote);
	fill_address(&callee, &record->dialog[CALLEE].flow.remote);
	cdr.caller_address = &caller;
	cdr.callee_address = record->dialog[CALLEE].flow.remote.family != NET_NONE ? &callee : NULL;
	fill_direction(&direction[CALLER], &record->figures[CALLER]);
	fill_direction(&direction[CALLEE], &record->figures[CALLEE]);
	media.caller_to_callee = &direction[CALLER];
	media.callee_to_caller = &direction[CALLEE];
	cdr.media = was_relayed(record) ? &media : NULL;
	cdr.codec = record->codec;
	return publish(call->engine, &cdr);
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
