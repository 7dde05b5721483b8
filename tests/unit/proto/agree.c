/* SPDX-License-Identifier: Apache-2.0 */
#include "agree.h"

#include <stdlib.h>

#include "common/config.h"

static struct cdr_record cdr;
static struct media_request request;
static struct media_close closing;
static struct media_started started;
static struct media_closed closed;
static struct {
	uint32_t endpoint[AGREE_BURST_MAX];
	uint64_t id[AGREE_BURST_MAX];
	int count;
} burst;

/* ---- parts ---- */

/* protobuf-c's strings end at a zero byte. */
static bool same_text(struct wire_text ours, const char *theirs)
{
	return strnlen(ours.at ? ours.at : "", ours.len) == strlen(theirs) &&
	       memcmp(theirs, ours.at ? ours.at : "", strlen(theirs)) == 0;
}

static bool same_address(const struct net_addr *ours, const Tandem__Address *theirs)
{
	uint32_t len = ours->family == NET_IP6 ? 16 : ours->family == NET_IP4 ? 4 : 0;

	if (!theirs)
		return len == 0 && ours->port == 0;
	return theirs->ip.len == len && theirs->port == ours->port && (!len || !memcmp(theirs->ip.data, ours->ip, len));
}

static bool sound_address(const Tandem__Address *theirs)
{
	return !theirs ||
	       ((theirs->ip.len == 0 || theirs->ip.len == 4 || theirs->ip.len == 16) && theirs->port <= UINT16_MAX);
}

static bool same_direction(bool has, const struct call_direction_figures *ours, const Tandem__MediaDirection *theirs)
{
	if (!has || !theirs)
		return has == (theirs != NULL);
	return ours->packets == theirs->packets && ours->bytes == theirs->bytes && ours->lost == theirs->lost &&
	       ours->jitter_us == theirs->jitter_us && ours->max_jitter_us == theirs->max_jitter_us &&
	       ours->sent == theirs->sent && ours->mos_x100 == theirs->mos_x100 &&
	       ours->payload_type == theirs->payload_type;
}

static bool same_statistics(const bool has[CALL_SIDES], const struct call_direction_figures figures[CALL_SIDES],
			    const Tandem__MediaStatistics *theirs)
{
	return same_direction(has[CALLER], &figures[CALLER], theirs ? theirs->caller_to_callee : NULL) &&
	       same_direction(has[CALLEE], &figures[CALLEE], theirs ? theirs->callee_to_caller : NULL);
}

static bool always_sound(const ProtobufCMessage *theirs)
{
	return true;
}

/* ---- CdrRecord ---- */

static int cdr_read(const uint8_t *bytes, uint32_t len)
{
	return cdr_record_read(&cdr, bytes, len);
}

static bool cdr_same(const ProtobufCMessage *message)
{
	const Tandem__CdrRecord *t = (const Tandem__CdrRecord *)message;

	return cdr.call_id.len == t->call_id.len &&
	       (cdr.call_id.len == 0 || memcmp(cdr.call_id.at, t->call_id.data, t->call_id.len) == 0) &&
	       cdr.attempt == t->attempt && cdr.final == (t->final != 0) && same_text(cdr.node, t->node) &&
	       same_text(cdr.caller_sip_call_id, t->caller_sip_call_id) &&
	       same_text(cdr.callee_sip_call_id, t->callee_sip_call_id) &&
	       same_text(cdr.caller_number_in, t->caller_number_in) &&
	       same_text(cdr.caller_number_out, t->caller_number_out) &&
	       same_text(cdr.callee_number_in, t->callee_number_in) &&
	       same_text(cdr.callee_number_out, t->callee_number_out) &&
	       same_text(cdr.mapping_gateway, t->mapping_gateway) &&
	       same_text(cdr.routing_gateway, t->routing_gateway) && same_text(cdr.codec, t->codec) &&
	       same_address(&cdr.caller_address, t->caller_address) &&
	       same_address(&cdr.callee_address, t->callee_address) && cdr.setup_us == t->setup_us &&
	       cdr.progress_us == t->progress_us && cdr.answer_us == t->answer_us && cdr.end_us == t->end_us &&
	       cdr.pdd_ms == t->pdd_ms && cdr.duration_us == t->duration_us && cdr.sip_code == t->sip_code &&
	       cdr.q850_cause == t->q850_cause && cdr.end_direction == t->end_direction &&
	       cdr.end_reason == t->end_reason && cdr.media_mode == t->media_mode &&
	       same_statistics(cdr.has_figures, cdr.figures, t->media);
}

static bool cdr_sound(const ProtobufCMessage *message)
{
	const Tandem__CdrRecord *t = (const Tandem__CdrRecord *)message;

	return sound_address(t->caller_address) && sound_address(t->callee_address);
}

static uint32_t cdr_write(uint8_t *to, uint32_t *room)
{
	*room = cdr_record_room(&cdr) - WIRE_SLACK;
	return cdr_record_write(&cdr, to);
}

/* ---- MediaOpen, MediaUpdate, MediaClose ---- */

static bool same_leg(const struct media_leg_request *ours, const Tandem__MediaLeg *t)
{
	struct net_addr rtcp = {0};
	bool understood = t && (!t->remote_rtcp || t->remote_rtcp->ip.len == 0);

	/* RTCP that is not said is the next port. */
	if (understood && ours->remote.family != NET_NONE && ours->remote.port < UINT16_MAX) {
		rtcp = ours->remote;
		rtcp.port++;
	}
	return t && same_address(&ours->local, t->local) && same_address(&ours->remote, t->remote) &&
	       (rtcp.family ? net_addr_equal(&rtcp, &ours->remote_rtcp)
			    : same_address(&ours->remote_rtcp, t->remote_rtcp)) &&
	       ours->behind_nat == (t->behind_nat != 0) && ours->udptl == (t->udptl != 0) &&
	       ours->encrypted == (t->encrypted != 0) && ours->direction == (uint32_t)t->direction &&
	       ours->payload_type == t->payload_type &&
	       ours->clock_rate == (t->clock_rate <= 384000 ? t->clock_rate : 0) &&
	       ours->dtmf_payload_type == t->dtmf_payload_type && ours->generation == t->generation;
}

static bool sound_leg(const Tandem__MediaLeg *t)
{
	return t && sound_address(t->local) && sound_address(t->remote) && sound_address(t->remote_rtcp) &&
	       (uint32_t)t->direction <= 3 && t->payload_type < 128 && t->dtmf_payload_type < 128;
}

static int open_read(const uint8_t *bytes, uint32_t len)
{
	return media_open_read(&request, bytes, len);
}

static bool open_same(const ProtobufCMessage *message)
{
	const Tandem__MediaOpen *t = (const Tandem__MediaOpen *)message;

	return request.slot == t->session && request.id == t->id && same_leg(&request.leg[0], t->caller) &&
	       same_leg(&request.leg[1], t->callee) && request.silence_limit_ms == t->silence_limit_ms &&
	       request.silence_watch == t->silence_watch && request.answered == (t->answered != 0) &&
	       request.tos == t->tos;
}

static bool open_sound(const ProtobufCMessage *message)
{
	const Tandem__MediaOpen *t = (const Tandem__MediaOpen *)message;

	return sound_leg(t->caller) && sound_leg(t->callee) && t->silence_limit_ms <= 86400000 &&
	       t->silence_watch <= SILENCE_EITHER && t->tos <= UINT8_MAX;
}

static uint32_t open_write(uint8_t *to, uint32_t *room)
{
	*room = MEDIA_REQUEST_MAX - WIRE_SLACK;
	return media_open_write(&request, to);
}

static int update_read(const uint8_t *bytes, uint32_t len)
{
	return media_update_read(&request, bytes, len);
}

static bool update_same(const ProtobufCMessage *message)
{
	return open_same(&((const Tandem__MediaUpdate *)message)->session->base);
}

static bool update_sound(const ProtobufCMessage *message)
{
	const Tandem__MediaUpdate *t = (const Tandem__MediaUpdate *)message;

	return t->session && open_sound(&t->session->base);
}

static uint32_t update_write(uint8_t *to, uint32_t *room)
{
	*room = MEDIA_REQUEST_MAX - WIRE_SLACK;
	return media_update_write(&request, to);
}

static int close_read(const uint8_t *bytes, uint32_t len)
{
	return media_close_read(&closing, bytes, len);
}

static bool close_same(const ProtobufCMessage *message)
{
	const Tandem__MediaClose *t = (const Tandem__MediaClose *)message;

	return closing.session == t->session && closing.id == t->id;
}

static uint32_t close_write(uint8_t *to, uint32_t *room)
{
	*room = MEDIA_REQUEST_MAX - WIRE_SLACK;
	return media_close_write(&closing, to);
}

/* ---- MediaStarted, MediaClosed ---- */

static int started_read(const uint8_t *bytes, uint32_t len)
{
	return media_started_read(&started, bytes, len);
}

static bool started_same(const ProtobufCMessage *message)
{
	const Tandem__MediaStarted *t = (const Tandem__MediaStarted *)message;

	return started.session == t->session && started.id == t->id && started.from_callee == (t->from_callee != 0) &&
	       started.generation == t->generation;
}

static uint32_t started_write(uint8_t *to, uint32_t *room)
{
	*room = MEDIA_REPORT_MAX - WIRE_SLACK;
	return media_started_write(&started, to);
}

static int closed_read(const uint8_t *bytes, uint32_t len)
{
	return media_closed_read(&closed, bytes, len);
}

static bool closed_same(const ProtobufCMessage *message)
{
	const Tandem__MediaClosed *t = (const Tandem__MediaClosed *)message;

	return closed.session == t->session && closed.id == t->id &&
	       same_statistics(closed.has_figures, closed.figures, t->statistics);
}

static uint32_t closed_write(uint8_t *to, uint32_t *room)
{
	*room = MEDIA_REPORT_MAX - WIRE_SLACK;
	return media_closed_write(&closed, to);
}

/* ---- KeepaliveBurst ---- */

static int burst_read(const uint8_t *bytes, uint32_t len)
{
	burst.count = keepalive_burst_read(burst.endpoint, burst.id, AGREE_BURST_MAX, bytes, len);
	return burst.count;
}

static bool burst_same(const ProtobufCMessage *message)
{
	const Tandem__KeepaliveBurst *t = (const Tandem__KeepaliveBurst *)message;
	size_t count = (size_t)burst.count;

	return t->n_endpoint == count && t->n_id == count &&
	       (count == 0 || (memcmp(t->endpoint, burst.endpoint, count * sizeof(burst.endpoint[0])) == 0 &&
			       memcmp(t->id, burst.id, count * sizeof(burst.id[0])) == 0));
}

static bool burst_sound(const ProtobufCMessage *message)
{
	const Tandem__KeepaliveBurst *t = (const Tandem__KeepaliveBurst *)message;

	return t->n_endpoint == t->n_id && t->n_id <= AGREE_BURST_MAX;
}

static uint32_t burst_write(uint8_t *to, uint32_t *room)
{
	*room = KEEPALIVE_BURST_ROOM((uint32_t)burst.count) - WIRE_SLACK;
	return keepalive_burst_write(burst.endpoint, burst.id, (uint32_t)burst.count, to);
}

const struct agree_message agree_messages[] = {
    {"CdrRecord", &tandem__cdr_record__descriptor, cdr_read, cdr_same, cdr_sound, cdr_write},
    {"MediaOpen", &tandem__media_open__descriptor, open_read, open_same, open_sound, open_write},
    {"MediaUpdate", &tandem__media_update__descriptor, update_read, update_same, update_sound, update_write},
    {"MediaClose", &tandem__media_close__descriptor, close_read, close_same, always_sound, close_write},
    {"MediaStarted", &tandem__media_started__descriptor, started_read, started_same, always_sound, started_write},
    {"MediaClosed", &tandem__media_closed__descriptor, closed_read, closed_same, always_sound, closed_write},
    {"KeepaliveBurst", &tandem__keepalive_burst__descriptor, burst_read, burst_same, burst_sound, burst_write},
};
const unsigned int agree_count = sizeof(agree_messages) / sizeof(agree_messages[0]);

/* ---- protobuf-c's memory: all of it goes at the next message ---- */

static struct {
	_Alignas(16) uint8_t memory[1u << 22];
	size_t used;
} arena;

static void *arena_alloc(void *data, size_t size)
{
	size_t at = (arena.used + 15) & ~(size_t)15;

	if (size > sizeof(arena.memory) - at)
		return NULL;
	arena.used = at + size;
	return arena.memory + at;
}

static void arena_free(void *data, void *pointer)
{
}

/* What this version does not know would be written again. */
static void forget_unknown(ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;

	message->n_unknown_fields = 0;
	for (unsigned int i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		ProtobufCMessage *inside = NULL;

		if (field->type == PROTOBUF_C_TYPE_MESSAGE)
			memcpy(&inside, (const uint8_t *)message + field->offset, sizeof(inside));
		if (inside)
			forget_unknown(inside);
	}
}

ProtobufCMessage *agree_unpack(const struct agree_message *message, const uint8_t *bytes, size_t len)
{
	static ProtobufCAllocator allocator = {.alloc = arena_alloc, .free = arena_free};

	arena.used = 0;
	ProtobufCMessage *theirs = protobuf_c_message_unpack(message->descriptor, &allocator, len, bytes);

	if (theirs)
		forget_unknown(theirs);
	return theirs;
}
