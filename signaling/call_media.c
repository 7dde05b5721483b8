/* SPDX-License-Identifier: Apache-2.0 */
/* Session descriptions from one side to the other: who carries the media, and what it is. */
#include <errno.h>
#include <string.h>

#include "signaling/call.h"

#define OFFER_MADE 1u /* in place of the hash of what a description was made from */

/* ---- who carries the media (SS_MEDIAPROXYMODE) ---- */

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

void call_media_give_ports(struct call *call)
{
	give_port(call, CALLER);
	give_port(call, CALLEE);
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

static enum net_family offer_family(const struct call *call, int media)
{
	const struct sdp_session *sdp = &call->engine->calls->sdp;
	struct net_addr addr = {0};

	if (media >= 0)
		sdp_media_addr(sdp, &sdp->media[media], &addr);
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
	int media = offer == 0 ? sdp_main_media(sdp) : -ENOENT;

	if (offer == -EINVAL || (offer == 0 && media < 0))
		return -EINVAL;
	enum net_family family = offer_family(call, media);
	struct media_case c = {
	    .caller = (enum media_mode)call->work->caller_media_mode,
	    .callee = callee_mode,
	    .encrypted = media >= 0 && sdp->media[media].encrypted,
	    .behind_nat = call->work->caller_behind_nat || callee_nat,
	    .between_networks = !same_network(call->work->caller_network, callee_network),
	    .families_differ = family != (enum net_family)record->dialog[CALLEE].flow.remote.family,
	};

	record->media[CALLER].behind_nat = call->work->caller_behind_nat;
	record->media[CALLEE].behind_nat = callee_nat;
	record->media[CALLEE].udptl = record->media[CALLEE].encrypted = false;
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

/* What this side's description says of where and how it wants its audio, or its fax. */
static void note_media(struct call *call, enum call_side side, const struct sdp_session *sdp, int which)
{
	struct call_media *media = &call->record->media[side];
	struct net_addr remote = {0}, rtcp = {0};
	uint32_t payload;

	if (which < 0) {
		media->direction = SDP_INACTIVE;
		return;
	}
	const struct sdp_media *m = &sdp->media[which];

	sdp_media_addr(sdp, m, &remote);
	sdp_media_rtcp_addr(sdp, m, &rtcp);
	media->direction = m->direction;
	/* 0.0.0.0 says "on hold", not where to send to: the address stays. */
	media->holds = net_addr_is_any(&remote);
	if (remote.family != NET_NONE && !media->holds && !net_addr_equal(&remote, &media->remote)) {
		media->remote = remote;
		media->remote_rtcp = rtcp;
		media->generation++;
	}
	if (m->format_count && sip_text_to_u32(m->format[0], &payload) == 0 && payload < 128)
		media->payload_type = (uint8_t)payload;
	int dtmf = sdp_telephone_event(m);

	media->udptl = m->kind == SDP_IMAGE;
	media->encrypted = m->encrypted;
	media->dtmf_payload_type = dtmf > 0 && dtmf < 128 ? (uint8_t)dtmf : 0;
	/* The jitter of the audio before a fax stays in its own units. */
	if (!media->udptl)
		media->clock_rate = clock_rate_of(sdp_codec_name(m));
	note_codec(call, media->udptl ? m->format[0] : sdp_codec_name(m));
}

static void plan_rewrite(struct call *call, enum call_side to, int which)
{
	struct calls *calls = call->engine->calls;
	const struct call_record *record = call->record;
	const struct call_dialog *dialog = &record->dialog[to];
	struct sdp_rewrite *put = &calls->put;
	bool relay = record->media_mode == CALL_MEDIA_RELAY;
	struct net_addr theirs = {.family = NET_NONE};

	memset(put, 0, sizeof(*put));
	put->session_id = dialog->sdp_id;
	put->version = dialog->sdp_version;
	put->addr = relay ? record->media[to].local : dialog->flow.local;
	put->keep = !relay;
	/* Who holds by his address, as RFC 2543 had it, holds on the other side by ours. */
	if (which >= 0)
		sdp_media_addr(&calls->sdp, &calls->sdp.media[which], &theirs);
	put->held = net_addr_is_any(&theirs);
	for (int i = 0; i < calls->sdp.media_count; i++)
		put->media[i] = (struct sdp_put){.reject = i != which, .port = record->media[to].local.port};
}

static uint64_t hash_of(const struct call *call, struct sip_text body)
{
	return text_hash(&call->engine->transactions->hash, (struct text_hash){0, 0}, body.at, body.len).a;
}

static void set_flags_of_sdp(struct call_dialog *dialog, uint32_t flags)
{
	dialog->flags = (dialog->flags & ~(uint32_t)DIALOG_OF_SDP) | flags;
}

/* No more than build_description() could say: an offer may not have fewer streams, or another protocol. */
static bool is_plain(const struct sdp_session *sdp)
{
	const struct sdp_media *m = &sdp->media[0];

	return sdp->media_count == 1 && !m->encrypted && m->kind == SDP_AUDIO &&
	       sip_text_is_nocase(m->proto, "RTP/AVP");
}

int call_media_translate(struct call *call, enum call_side from, struct sip_message *message, struct sip_text *out)
{
	struct calls *calls = call->engine->calls;
	struct call_dialog *dialog = &call->record->dialog[call_other_side(from)];
	int error = read_description(calls, message);

	*out = SIP_TEXT("");
	if (error < 0)
		return error == -ENOENT ? 0 : error;
	int which = sdp_main_media(&calls->sdp);
	uint64_t hash = hash_of(call, calls->sdp_text);

	/* The same description again (in the 200 after the 183, say) keeps its version. */
	if (hash != dialog->sdp_hash)
		dialog->sdp_version++;
	dialog->sdp_hash = hash;
	note_media(call, from, &calls->sdp, which);
	bool plain = is_plain(&calls->sdp) && call->record->media[from].remote.port;

	set_flags_of_sdp(dialog, plain ? DIALOG_SDP_PLAIN : 0);
	plan_rewrite(call, call_other_side(from), which);
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
	plan_rewrite(call, call_other_side(from), sdp_main_media(&calls->sdp));
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

bool call_media_learn(struct call *call, enum call_side side, struct sip_message *message, struct sip_text *sdp)
{
	struct calls *calls = call->engine->calls;
	struct call_media *media = &call->record->media[side];
	uint32_t generation = media->generation;

	if (read_description(calls, message) < 0)
		return false;
	note_media(call, side, &calls->sdp, sdp_main_media(&calls->sdp));
	if (generation == media->generation)
		return false;
	call_media_tell(call);
	return call->record->media_mode == CALL_MEDIA_DIRECT && call_media_translate(call, side, message, sdp) == 0;
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

/* As the other side would say it today: a stream of RTP/AVP (DIALOG_SDP_PLAIN), as far as the record knows. */
static void build_description(struct sip_builder *b, const struct call_media *media, const char *codec)
{
	static const char *const directions[] = {[SDP_SENDRECV] = "a=sendrecv\r\n",
						 [SDP_SENDONLY] = "a=sendonly\r\n",
						 [SDP_RECVONLY] = "a=recvonly\r\n",
						 [SDP_INACTIVE] = "a=inactive\r\n"};
	const struct net_addr nowhere = {.family = media->remote.family};
	char ip[NET_ADDR_TEXT];

	net_addr_print_ip(media->holds ? &nowhere : &media->remote, ip);
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

	if (!(d->flags & DIALOG_SDP_PLAIN))
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

/* ---- an offer that is refused ---- */

void call_media_note_before(struct call *call, enum call_side side)
{
	struct call_work *work = call_work(call);
	struct media_before *before = &work->before[side];

	work->noted[side] = true;
	before->tells = work->media_tells;
	before->media = call->record->media[side];
	before->flags = call->record->dialog[call_other_side(side)].flags & DIALOG_OF_SDP;
	memcpy(before->codec, call->record->codec, sizeof(before->codec));
}

void call_media_take_back(struct call *call, enum call_side side)
{
	struct call_media *media = &call->record->media[side];
	uint32_t generation = media->generation;

	if (!call->work || !call->work->noted[side])
		return;
	const struct media_before *before = &call->work->before[side];
	bool told = before->tells != call->work->media_tells, begun = call_write_begin(call);

	*media = before->media;
	set_flags_of_sdp(&call->record->dialog[call_other_side(side)], before->flags);
	memcpy(call->record->codec, before->codec, sizeof(before->codec));
	/* A media that has been killed meanwhile, say, knows the offer, and has to learn the old address anew. */
	if (told) {
		media->generation = generation + (generation != before->media.generation);
		call_media_tell(call);
	}
	call_write_end(call, begun);
}
