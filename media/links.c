/* SPDX-License-Identifier: Apache-2.0 */
#include "links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/log.h"
#include "common/rings.h"
#include "dtmf.h"
#include "proto/media_report.h"
#include "proto/messages.h"
#include "proto/messages.pb-c.h"
#include "record.h"
#include "stream.h"

#define MESSAGES_PER_POLL 32

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
	struct media_started started = {
	    .session = slot,
	    .id = core->session[slot].id,
	    .from_callee = leg == LEG_CALLEE,
	    .generation = core->session[slot].cold[leg].generation,
	};
	struct media_link *link = link_of(core, slot);
	uint8_t *to = ring_reserve(&link->to, MEDIA_REPORT_MAX);

	if (to)
		ring_publish(&link->to, MESSAGE_MEDIA_STARTED, media_started_write(&started, to));
	return to != NULL;
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

static int on_open(struct media_links *links, unsigned int peer, const struct ring_message *message, uint64_t now_us)
{
	struct media_request request;
	int error = media_open_read(&request, message->body, message->len);

	request.signaling_worker = (uint8_t)peer;
	return error ? error : sessions_apply(links->core, &request, now_us);
}

static int on_update(struct media_links *links, unsigned int peer, const struct ring_message *message, uint64_t now_us)
{
	struct media_request request;
	int error = media_update_read(&request, message->body, message->len);

	request.signaling_worker = (uint8_t)peer;
	return error ? error : sessions_apply(links->core, &request, now_us);
}

static void figures_of(struct call_direction_figures *to, const struct media_session *session, enum media_leg_index leg)
{
	const struct media_leg_hot *hot = &session->hot[leg];

	to->packets = RECORD_GET(hot->packets);
	to->bytes = RECORD_GET(hot->bytes);
	to->sent = RECORD_GET(hot->sent);
	to->lost = media_leg_lost(session, leg);
	to->jitter_us = media_jitter_us(RECORD_GET(hot->jitter), hot->clock_rate);
	to->max_jitter_us = media_jitter_us(RECORD_GET(hot->max_jitter), hot->clock_rate);
	to->payload_type = hot->payload_type;
	if (RECORD_GET(hot->streams))
		to->mos_x100 =
		    stream_mos_x100(to->packets - hot->udptl_packets, to->lost, to->jitter_us, hot->payload_type);
}

/* Answer first, then forget: killed in between, we are asked again and answer again. */
static int on_close(struct media_links *links, unsigned int peer, const struct ring_message *message, uint64_t now_us)
{
	struct ring_producer *to = &links->link[peer].to;
	struct media_close ask;
	struct media_closed closed = {.has_figures = {true, true}};

	if (media_close_read(&ask, message->body, message->len) < 0)
		return -EBADMSG;
	struct media_session *session = sessions_find(links->core, ask.session, ask.id);

	if (session)
		dtmf_flush(links->core, ask.session);
	uint8_t *body = ring_reserve(to, MEDIA_REPORT_MAX);

	if (!body)
		return -EAGAIN;
	closed.session = ask.session;
	closed.id = ask.id;
	for (unsigned int leg = 0; session && leg < LEG_COUNT; leg++)
		figures_of(&closed.figures[leg], session, leg);
	ring_publish(to, MESSAGE_MEDIA_CLOSED, media_closed_write(&closed, body));
	if (session)
		session_end(links->core, ask.session, COUNTER_media_sessions_closed);
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
	int error = 0;

	*links = (struct media_links){.core = core};
	links->link = calloc(count ? count : 1, sizeof(*links->link));
	if (!links->link)
		return -ENOMEM;
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
	free(links->link);
	*links = (struct media_links){0};
}
