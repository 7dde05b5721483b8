/* SPDX-License-Identifier: Apache-2.0 */
/* Session descriptions from one side to the other, and what media is told of them. */
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
#define OFFER_MADE    1u                /* in place of the hash of what a description was made from */

/* ---- who carries the audio (call-control: media mode) ---- */

static bool same_network(const char *a, const char *b)
{
	return !a || !b || !*a || !*b || strcmp(a, b) == 0;
}

struct media_case {
	enum media_mode caller, callee;
	bool encrypted, behind_nat, between_networks, families_differ;
};

static enum media_mode effective(const struct call *call, enum media_mode own)
{
	static const enum media_mode of_system[] = {
	    [MEDIA_PROXY_AUTO] = MEDIA_AUTO,
	    [MEDIA_PROXY_ON] = MEDIA_ON,
	    [MEDIA_PROXY_OFF] = MEDIA_OFF,
	    [MEDIA_PROXY_MUST_ON] = MEDIA_MUST_ON,
	};

	return own == MEDIA_SYSTEM ? of_system[call->work->parameters.media_mode] : own;
}

static bool relays(const struct call *call, const struct media_case *c)
{
	enum media_mode a = effective(call, c->caller), b = effective(call, c->callee);

	if (call->work->parameters.media_mode == MEDIA_PROXY_MUST_ON || c->families_differ)
		return true;
	if (a == MEDIA_MUST_ON || a == MEDIA_ON || b == MEDIA_MUST_ON || b == MEDIA_ON)
		return true;
	if (a == MEDIA_OFF || b == MEDIA_OFF)
		return false;
	return c->encrypted || (c->between_networks && call->work->parameters.media_between_net) ||
	       (c->behind_nat && call->work->parameters.media_behind_nat);
}

/* ---- ports ---- */

static void give_port(struct call *call, enum call_side side)
{
	struct call_media *media = &call->record->media[side];
	struct net_addr local = media->local;

	if (!local.port)
		return;
	media->local = (struct net_addr){0};
	rtp_ports_give(call->engine->calls->ports, call->record->media_worker, &local);
}

static int take_port(struct call *call, enum call_side side, const char *network, enum net_family family)
{
	struct call_media *media = &call->record->media[side];
	struct net_addr local;
	int error = rtp_ports_take(call->engine->calls->ports, call->record->media_worker, network, family, &local);

	if (error < 0) {
		counter_inc(call->engine->counters, COUNTER_signaling_rtp_ports_exhausted);
		return -ENOBUFS;
	}
	media->local = local;
	return 0;
}

/* Parse what a message describes, unless that has just been done. 0; -ENOENT: it describes nothing; -EINVAL. */
static int read_description(struct calls *calls, struct sip_message *message)
{
	bool known = calls->sdp_of == message;
	int error = known ? 0 : sip_message_sdp(message, &calls->sdp_text);

	calls->sdp_of = NULL;
	if (known || error == -ENOENT)
		return error;
	return error < 0 || sdp_parse(&calls->sdp, calls->sdp_text) < 0 ? -EINVAL : 0;
}

static enum net_family offer_family(const struct call *call, int audio)
{
	const struct sdp_session *sdp = &call->engine->calls->sdp;
	struct net_addr addr = {0};

	if (audio >= 0)
		sdp_media_addr(sdp, &sdp->media[audio], &addr);
	if (addr.family == NET_NONE)
		return (enum net_family)call->record->dialog[CALLER].flow.remote.family;
	return (enum net_family)addr.family;
}

static int take_relay(struct call *call, enum net_family caller_family, const char *callee_network)
{
	struct engine *engine = call->engine;
	struct call_record *record = call->record;
	const char *network = call->work->caller_network;
	enum net_family callee_family = (enum net_family)record->dialog[CALLEE].flow.remote.family;
	int error = 0;

	if (!engine->options.media_workers)
		return -ENOBUFS;
	if (!record->media[CALLER].local.port) {
		record->media_worker = (uint8_t)(record->life % engine->options.media_workers);
		error = take_port(call, CALLER, *network ? network : NULL, caller_family);
	}
	give_port(call, CALLEE); /* of the attempt before: it may have been on another network */
	if (error == 0)
		error = take_port(call, CALLEE, callee_network, callee_family);
	return error;
}

int call_media_prepare(struct call *call, struct sip_message *invite, const char *callee_network,
		       enum media_mode callee_mode, bool callee_nat)
{
	struct call_record *record = call->record;
	struct calls *calls = call->engine->calls;
	const struct sdp_session *sdp = &calls->sdp;
	int offer = read_description(calls, invite);
	int audio = offer == 0 ? sdp_first_audio(sdp) : -ENOENT;

	if (offer == -EINVAL || (offer == 0 && audio < 0))
		return -EINVAL;
	enum net_family family = offer_family(call, audio);
	struct media_case c = {
	    .caller = (enum media_mode)call->work->caller_media_mode,
	    .callee = callee_mode,
	    .encrypted = audio >= 0 && sdp->media[audio].encrypted,
	    .behind_nat = call->work->caller_behind_nat || callee_nat,
	    .between_networks = !same_network(call->work->caller_network, callee_network),
	    .families_differ = family != (enum net_family)record->dialog[CALLEE].flow.remote.family,
	};

	record->media[CALLER].behind_nat = call->work->caller_behind_nat;
	record->media[CALLEE].behind_nat = callee_nat;
	record->media[CALLEE].remote = record->media[CALLEE].remote_rtcp = (struct net_addr){0};
	call->work->media_generation = ++record->media[CALLEE].generation;
	record->media_mode = relays(call, &c) ? CALL_MEDIA_RELAY : CALL_MEDIA_DIRECT;
	int error = record->media_mode == CALL_MEDIA_RELAY ? take_relay(call, family, callee_network) : 0;

	calls->sdp_of = error == 0 && offer == 0 ? invite : NULL;
	return error;
}

/* ---- descriptions ---- */

static uint32_t clock_rate_of(struct sip_text name)
{
	const char *slash = name.at ? memchr(name.at, '/', name.len) : NULL;
	uint32_t rate = 0;

	for (const char *at = slash ? slash + 1 : NULL; at && at < sip_text_end(name) && *at >= '0' && *at <= '9'; at++)
		rate = rate < 1000000 ? rate * 10 + (uint32_t)(*at - '0') : rate;
	return rate ? rate : 8000;
}

static void note_codec(struct call *call, struct sip_text name)
{
	char *codec = call->record->codec;
	size_t len = name.len < sizeof(call->record->codec) - 1 ? name.len : sizeof(call->record->codec) - 1;

	memset(codec, 0, sizeof(call->record->codec));
	if (name.at)
		memcpy(codec, name.at, len);
}

/* What this side's description says of where and how it wants its audio. */
static void note_media(struct call *call, enum call_side side, const struct sdp_session *sdp, int audio)
{
	struct call_media *media = &call->record->media[side];
	struct net_addr remote = {0}, rtcp = {0};
	uint32_t payload;

	if (audio < 0) {
		media->direction = SDP_INACTIVE;
		return;
	}
	const struct sdp_media *m = &sdp->media[audio];

	sdp_media_addr(sdp, m, &remote);
	sdp_media_rtcp_addr(sdp, m, &rtcp);
	media->direction = (uint8_t)sdp_media_direction(sdp, m);
	/* 0.0.0.0 says "on hold", not where to send to: the address stays. */
	if (remote.family != NET_NONE && !net_addr_is_any(&remote) && !net_addr_equal(&remote, &media->remote)) {
		media->remote = remote;
		media->remote_rtcp = rtcp;
		media->generation++;
	}
	if (m->format_count && sip_text_to_u32(m->format[0], &payload) == 0 && payload < 128)
		media->payload_type = (uint8_t)payload;
	int dtmf = sdp_telephone_event(m);

	media->dtmf_payload_type = dtmf > 0 && dtmf < 128 ? (uint8_t)dtmf : 0;
	media->clock_rate = clock_rate_of(sdp_codec_name(m));
	note_codec(call, sdp_codec_name(m));
}

static void plan_rewrite(struct call *call, enum call_side to, int audio)
{
	struct calls *calls = call->engine->calls;
	const struct call_record *record = call->record;
	const struct call_dialog *dialog = &record->dialog[to];
	struct sdp_rewrite *put = &calls->put;
	bool relay = record->media_mode == CALL_MEDIA_RELAY;

	memset(put, 0, sizeof(*put));
	put->session_id = dialog->sdp_id;
	put->version = dialog->sdp_version;
	put->addr = relay ? record->media[to].local : dialog->flow.local;
	put->keep_ice = !relay;
	for (int i = 0; i < calls->sdp.media_count; i++) {
		put->media[i].keep = !relay;
		put->media[i].reject = relay && i != audio;
		put->media[i].rtp = record->media[to].local;
	}
}

static uint64_t hash_of(const struct call *call, struct sip_text body)
{
	return text_hash(&call->engine->transactions->hash, (struct text_hash){0, 0}, body.at, body.len).a;
}

int call_media_translate(struct call *call, enum call_side from, struct sip_message *message, struct sip_text *out)
{
	struct calls *calls = call->engine->calls;
	struct call_dialog *dialog = &call->record->dialog[call_other_side(from)];
	int error = read_description(calls, message);

	*out = SIP_TEXT("");
	if (error < 0)
		return error == -ENOENT ? 0 : error;
	int audio = sdp_first_audio(&calls->sdp);
	uint64_t hash = hash_of(call, calls->sdp_text);

	/* The same description again (in the 200 after the 183, say) keeps its version. */
	if (hash != dialog->sdp_hash)
		dialog->sdp_version++;
	dialog->sdp_hash = hash;
	note_media(call, from, &calls->sdp, audio);
	plan_rewrite(call, call_other_side(from), audio);
	int len = sdp_rewrite(&calls->sdp, &calls->put, calls->body, sizeof(calls->body));

	if (len < 0)
		return -EINVAL;
	*out = sip_text(calls->body, (size_t)len);
	return 0;
}

int call_media_describe(struct call *call, enum call_side from, struct sip_message *message, struct sip_text *out)
{
	struct calls *calls = call->engine->calls;
	int error = read_description(calls, message);

	*out = SIP_TEXT("");
	if (error < 0)
		return error == -ENOENT ? 0 : error;
	plan_rewrite(call, call_other_side(from), sdp_first_audio(&calls->sdp));
	int len = sdp_rewrite(&calls->sdp, &calls->put, calls->body, sizeof(calls->body));

	if (len < 0)
		return -EINVAL;
	*out = sip_text(calls->body, (size_t)len);
	return 0;
}

int call_media_repeat(struct call *call, enum call_side from, struct sip_message *message, struct sip_text *out)
{
	int error = call_media_describe(call, from, message, out);

	if (error == 0 && out->len &&
	    hash_of(call, call->engine->calls->sdp_text) != call->record->dialog[call_other_side(from)].sdp_hash) {
		*out = SIP_TEXT("");
		return -ESTALE;
	}
	return error;
}

void call_media_learn(struct call *call, enum call_side side, struct sip_message *message)
{
	struct calls *calls = call->engine->calls;
	uint32_t generation = call->record->media[side].generation;

	if (read_description(calls, message) < 0)
		return;
	note_media(call, side, &calls->sdp, sdp_first_audio(&calls->sdp));
	if (generation != call->record->media[side].generation)
		call_media_tell(call);
}

static void build_codec(struct sip_builder *b, uint8_t payload_type, const char *codec)
{
	if (!*codec)
		return;
	sip_build_string(b, "a=rtpmap:");
	sip_build_u32(b, payload_type);
	sip_build_string(b, " ");
	sip_build_string(b, codec);
	sip_build_string(b, "\r\n");
}

/* As the other side would say it today, as far as the record knows. */
static void build_description(struct sip_builder *b, const struct call_media *media, const char *codec)
{
	static const char *const directions[] = {[SDP_SENDRECV] = "a=sendrecv\r\n",
						 [SDP_SENDONLY] = "a=sendonly\r\n",
						 [SDP_RECVONLY] = "a=recvonly\r\n",
						 [SDP_INACTIVE] = "a=inactive\r\n"};
	char ip[NET_ADDR_TEXT];

	net_addr_print_ip(&media->remote, ip);
	sip_build_string(b, "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP");
	sip_build_string(b, media->remote.family == NET_IP6 ? "6 " : "4 ");
	sip_build_string(b, ip);
	sip_build_string(b, "\r\nt=0 0\r\nm=audio ");
	sip_build_u32(b, media->remote.port);
	sip_build_string(b, " RTP/AVP ");
	sip_build_u32(b, media->payload_type);
	if (media->dtmf_payload_type) {
		sip_build_string(b, " ");
		sip_build_u32(b, media->dtmf_payload_type);
	}
	sip_build_string(b, "\r\n");
	build_codec(b, media->payload_type, codec);
	if (media->dtmf_payload_type)
		build_codec(b, media->dtmf_payload_type, "telephone-event/8000");
	sip_build_string(b, directions[media->direction & 3]);
}

int call_media_offer(struct call *call, enum call_side side, struct sip_text *out)
{
	struct calls *calls = call->engine->calls;
	struct call_dialog *d = &call->record->dialog[side];
	const struct call_media *media = &call->record->media[call_other_side(side)];
	struct sip_builder b;

	if (!media->remote.port)
		return -ENOENT;
	sip_build_init(&b, calls->head, sizeof(calls->head));
	build_description(&b, media, call->record->codec);
	if (sdp_parse(&calls->sdp, sip_text(b.data, b.len)) < 0)
		return -ENOENT;
	/* It differs from what crossed before, and what crosses next will differ from it. */
	if (d->sdp_hash != OFFER_MADE)
		d->sdp_version++;
	d->sdp_hash = OFFER_MADE;
	plan_rewrite(call, side, 0);
	int len = sdp_rewrite(&calls->sdp, &calls->put, calls->body, sizeof(calls->body));

	if (len < 0)
		return -ENOENT;
	*out = sip_text(calls->body, (size_t)len);
	return 0;
}

int call_media_pass(struct call *call, enum call_side from, struct sip_message *message, struct sip_text *out)
{
	int error = call_media_translate(call, from, message, out);

	if (out->len)
		call_media_tell(call);
	return error;
}

int call_media_cross(struct call *call, enum call_side from, bool is_info, struct sip_message *message,
		     struct sip_text *out)
{
	return is_info ? call_media_describe(call, from, message, out) : call_media_pass(call, from, message, out);
}

bool call_media_is_offerless(const struct sip_message *message)
{
	struct sip_text sdp;

	return sip_message_sdp(message, &sdp) == -ENOENT;
}

/* ---- to media ---- */

static void fill_leg(struct media_leg_request *leg, const struct call_media *media)
{
	*leg = (struct media_leg_request){
	    .local = media->local,
	    .remote = media->remote,
	    .remote_rtcp = media->remote_rtcp,
	    .clock_rate = media->clock_rate,
	    .generation = media->generation,
	    .direction = media->direction,
	    .payload_type = media->payload_type,
	    .dtmf_payload_type = media->dtmf_payload_type,
	    .behind_nat = media->behind_nat,
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

/* ---- an offer that is refused ---- */

void call_media_note_before(struct call *call, enum call_side side)
{
	struct call_work *work = call_work(call);
	struct media_before *before = &work->before[side];

	work->noted[side] = true;
	before->media = call->record->media[side];
	memcpy(before->codec, call->record->codec, sizeof(before->codec));
}

void call_media_take_back(struct call *call, enum call_side side)
{
	struct call_media *media = &call->record->media[side];
	uint32_t generation = media->generation;

	if (!call->work || !call->work->noted[side])
		return;
	const struct media_before *before = &call->work->before[side];
	bool begun = call_write_begin(call);

	*media = before->media;
	/* Another address again: media has to learn it anew. */
	media->generation = generation + (generation != before->media.generation);
	memcpy(call->record->codec, before->codec, sizeof(before->codec));
	call_media_tell(call);
	call_write_end(call, begun);
}

/* ---- the end: figures into the record, ports back ---- */

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
	call->media_closing = call->media_dirty = false;
	/* The state first: a life that finds the session closed must not ask for its figures again. */
	call_set_state(call, CALL_ENDING);
	give_port(call, CALLER);
	give_port(call, CALLEE);
	call->record->media_open = false;
	call_publish(call);
}

void call_media_finish(struct call *call)
{
	if (call->record->media_open) {
		counter_inc(call->engine->counters, COUNTER_signaling_media_unanswered);
		figures_of_segment(call);
	}
	finish(call);
}

void call_media_figures(struct call *call, const struct call_event *event)
{
	for (unsigned int side = 0; side < CALL_SIDES; side++)
		if (event->closed->has_figures[side])
			call->record->figures[side] = event->closed->figures[side];
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
