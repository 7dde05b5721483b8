/* SPDX-License-Identifier: Apache-2.0 */
#include "links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/log.h"
#include "common/rings.h"
#include "dtmf.h"
#include "proto/messages.h"
#include "proto/messages.pb-c.h"
#include "record.h"
#include "stream.h"

#define MESSAGES_PER_POLL 32
#define ARENA_BYTES       16384
#define CLOCK_RATE_MAX    384000
#define SILENCE_LIMIT_MAX (86400u * 1000u)

/* ---- saying ----------------------------------------------------------------------------------------------------- */

/* False when the ring is full. */
static bool say(struct media_link *link, uint16_t type, const ProtobufCMessage *message)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *to = ring_reserve(&link->to, (uint32_t)len);

	if (!to)
		return false;
	ring_publish(&link->to, type, (uint32_t)protobuf_c_message_pack(message, to));
	return true;
}

static struct media_link *link_of(struct media_core *core, uint32_t slot)
{
	struct media_links *links = core->context;

	return &links->link[core->session[slot].signaling_worker];
}

bool links_started(struct media_core *core, uint32_t slot, enum media_leg_index leg)
{
	Tandem__MediaStarted started = TANDEM__MEDIA_STARTED__INIT;

	started.session = slot;
	started.id = core->session[slot].id;
	started.from_callee = leg == LEG_CALLEE;
	return say(link_of(core, slot), MESSAGE_MEDIA_STARTED, &started.base);
}

bool links_silent(struct media_core *core, uint32_t slot, uint32_t silent_ms)
{
	Tandem__MediaSilent silent = TANDEM__MEDIA_SILENT__INIT;

	silent.session = slot;
	silent.id = core->session[slot].id;
	silent.silent_ms = silent_ms;
	return say(link_of(core, slot), MESSAGE_MEDIA_SILENT, &silent.base);
}

bool links_dtmf(struct media_core *core, uint32_t slot, enum media_leg_index leg, char digit, uint32_t duration_ms)
{
	Tandem__Dtmf dtmf = TANDEM__DTMF__INIT;
	char text[2] = {digit, 0};

	dtmf.session = slot;
	dtmf.id = core->session[slot].id;
	dtmf.from_callee = leg == LEG_CALLEE;
	dtmf.digit = text;
	dtmf.duration_ms = duration_ms;
	return say(link_of(core, slot), MESSAGE_DTMF, &dtmf.base);
}

bool links_resync(struct media_core *core, unsigned int signaling_worker)
{
	struct media_links *links = core->context;
	Tandem__Resync resync = TANDEM__RESYNC__INIT;

	resync.life = links->life;
	if (!say(&links->link[signaling_worker], MESSAGE_MEDIA_RESYNC, &resync.base))
		return false;
	links->life++;
	return true;
}

/* ---- listening -------------------------------------------------------------------------------------------------- */

/* Absent is no address; anything but 4 or 16 bytes, or a port beyond 65535, is an error. */
static int address_read(struct net_addr *to, const Tandem__Address *from)
{
	*to = (struct net_addr){0};
	if (!from || from->ip.len == 0)
		return 0;
	if ((from->ip.len != 4 && from->ip.len != 16) || from->port > UINT16_MAX)
		return -EBADMSG;
	memcpy(to->ip, from->ip.data, from->ip.len);
	to->family = from->ip.len == 4 ? NET_IP4 : NET_IP6;
	to->port = (uint16_t)from->port;
	return 0;
}

static int leg_read(struct media_leg_request *to, const Tandem__MediaLeg *from)
{
	if (!from || address_read(&to->local, from->local) || address_read(&to->remote, from->remote) ||
	    address_read(&to->remote_rtcp, from->remote_rtcp) || (uint32_t)from->direction > 3 ||
	    from->dtmf_payload_type > 127)
		return -EBADMSG;
	if (to->remote_rtcp.family == NET_NONE && to->remote.family != NET_NONE && to->remote.port < UINT16_MAX) {
		to->remote_rtcp = to->remote;
		to->remote_rtcp.port++;
	}
	to->clock_rate = from->clock_rate <= CLOCK_RATE_MAX ? from->clock_rate : 0; /* it comes from the peer's SDP */
	to->generation = from->generation;
	to->direction = (uint8_t)from->direction;
	to->dtmf_payload_type = (uint8_t)from->dtmf_payload_type;
	to->behind_nat = from->behind_nat;
	return 0;
}

static int request_read(struct media_request *to, const Tandem__MediaOpen *from)
{
	if (!from || leg_read(&to->leg[LEG_CALLER], from->caller) || leg_read(&to->leg[LEG_CALLEE], from->callee) ||
	    from->silence_watch > SILENCE_NONE || from->tos > UINT8_MAX || from->silence_limit_ms > SILENCE_LIMIT_MAX)
		return -EBADMSG;
	to->slot = from->session;
	to->id = from->id;
	to->silence_limit_ms = from->silence_limit_ms;
	to->silence_watch = (uint8_t)from->silence_watch;
	to->tos = (uint8_t)from->tos;
	to->answered = from->answered;
	return 0;
}

static int on_open(struct media_links *links, unsigned int peer, const struct ring_message *message, uint64_t now_us)
{
	Tandem__MediaOpen *open = tandem__media_open__unpack(&links->arena.allocator, message->len, message->body);
	struct media_request request = {.signaling_worker = (uint8_t)peer};
	int error = request_read(&request, open);

	return error ? error : sessions_apply(links->core, &request, now_us);
}

static int on_update(struct media_links *links, unsigned int peer, const struct ring_message *message, uint64_t now_us)
{
	Tandem__MediaUpdate *update =
	    tandem__media_update__unpack(&links->arena.allocator, message->len, message->body);
	struct media_request request = {.signaling_worker = (uint8_t)peer};
	int error = update ? request_read(&request, update->session) : -EBADMSG;

	return error ? error : sessions_apply(links->core, &request, now_us);
}

static void direction_write(Tandem__MediaDirection *to, const struct media_session *session, enum media_leg_index leg)
{
	const struct media_leg_hot *hot = &session->hot[leg];

	to->packets = RECORD_GET(hot->packets);
	to->bytes = RECORD_GET(hot->bytes);
	to->sent = RECORD_GET(hot->sent);
	to->lost = media_leg_lost(session, leg);
	to->jitter_us = media_jitter_us(RECORD_GET(hot->jitter), hot->clock_rate);
	to->max_jitter_us = media_jitter_us(RECORD_GET(hot->max_jitter), hot->clock_rate);
	to->payload_type = hot->payload_type;
	to->mos_x100 = stream_mos_x100(to->packets, to->lost, to->jitter_us, hot->payload_type);
}

/* Answer first, then forget: killed in between, we are asked again and answer again. */
static int on_close(struct media_links *links, unsigned int peer, const struct ring_message *message, uint64_t now_us)
{
	Tandem__MediaClose *ask = tandem__media_close__unpack(&links->arena.allocator, message->len, message->body);
	Tandem__MediaClosed closed = TANDEM__MEDIA_CLOSED__INIT;
	Tandem__MediaStatistics statistics = TANDEM__MEDIA_STATISTICS__INIT;
	Tandem__MediaDirection direction[LEG_COUNT] = {TANDEM__MEDIA_DIRECTION__INIT, TANDEM__MEDIA_DIRECTION__INIT};
	struct media_session *session;

	if (!ask)
		return -EBADMSG;
	closed.session = ask->session;
	closed.id = ask->id;
	closed.statistics = &statistics;
	statistics.caller_to_callee = &direction[LEG_CALLER];
	statistics.callee_to_caller = &direction[LEG_CALLEE];
	session = sessions_find(links->core, ask->session, ask->id);
	if (session) {
		dtmf_flush(links->core, ask->session);
		for (unsigned int leg = 0; leg < LEG_COUNT; leg++)
			direction_write(&direction[leg], session, leg);
	}
	if (!say(&links->link[peer], MESSAGE_MEDIA_CLOSED, &closed.base))
		return -EAGAIN;
	if (session)
		session_end(links->core, ask->session, COUNTER_media_sessions_closed);
	return 0;
}

static int (*const handlers[MESSAGE_TYPE_COUNT])(struct media_links *links, unsigned int peer,
						 const struct ring_message *message, uint64_t now_us) = {
    [MESSAGE_MEDIA_OPEN] = on_open,
    [MESSAGE_MEDIA_UPDATE] = on_update,
    [MESSAGE_MEDIA_CLOSE] = on_close,
};

/* -EAGAIN: not now. Anything else has been dealt with. */
static int handle(struct media_links *links, unsigned int peer, const struct ring_message *message, uint64_t now_us)
{
	int error = -EBADMSG;

	if (message->type < MESSAGE_TYPE_COUNT && handlers[message->type])
		error = handlers[message->type](links, peer, message, now_us);
	pb_arena_reset(&links->arena);
	if (error == -EBADMSG)
		counter_inc(links->core->row, COUNTER_media_bad_message);
	return error;
}

/* What was given up is said again at the next resync. */
static void count_faults(struct media_links *links, unsigned int peer)
{
	struct media_link *link = &links->link[peer];
	uint32_t faults = link->from.faults + link->to.faults;

	if (faults == link->faults)
		return;
	counter_add(links->core->row, COUNTER_media_ring_damaged, faults - link->faults);
	log_error("media", "the rings from and to signaling worker %u were damaged; stepped over it", peer);
	link->faults = faults;
	links->core->peer[peer].resync_due = true;
}

static unsigned int link_poll(struct media_links *links, unsigned int peer, uint64_t now_us)
{
	struct ring_consumer *from = &links->link[peer].from;
	struct ring_message message;
	unsigned int count;

	for (count = 0; count < MESSAGES_PER_POLL && ring_peek(from, &message); count++) {
		if (handle(links, peer, &message, now_us) == -EAGAIN) {
			counter_inc(links->core->row, COUNTER_media_waiting);
			ring_rewind(from);
			break;
		}
		ring_release(from, message.end);
	}
	count_faults(links, peer);
	return count;
}

unsigned int links_poll(struct media_links *links, uint64_t now_us)
{
	unsigned int count = 0;

	for (unsigned int peer = 0; peer < links->count; peer++)
		count += link_poll(links, peer, now_us);
	return count;
}

/* ---- start ------------------------------------------------------------------------------------------------------ */

int links_open(struct media_links *links, const struct config *config, struct media_core *core)
{
	unsigned int count = rings_threads(config, ROLE_SIGNALING);
	int error;

	*links = (struct media_links){.core = core};
	links->link = calloc(count ? count : 1, sizeof(*links->link));
	if (!links->link)
		return -ENOMEM;
	error = pb_arena_init(&links->arena, ARENA_BYTES);
	for (unsigned int peer = 0; error == 0 && peer < count; peer++) {
		error = rings_consumer(&links->link[peer].from, NULL, config, ROLE_SIGNALING, peer, ROLE_MEDIA,
				       core->worker);
		if (error == 0)
			error = rings_producer(&links->link[peer].to, config, ROLE_MEDIA, core->worker, ROLE_SIGNALING,
					       peer);
	}
	if (error == 0 && getrandom(&links->life, sizeof(links->life), 0) != sizeof(links->life))
		error = -EIO;
	links->count = error ? 0 : count;
	return error;
}

void links_close(struct media_links *links)
{
	pb_arena_fini(&links->arena);
	free(links->link);
	*links = (struct media_links){0};
}
