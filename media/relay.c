/* SPDX-License-Identifier: Apache-2.0 */
#include "relay.h"

#include "dtmf.h"
#include "kept.h"
#include "latch.h"
#include "record.h"
#include "rtp/rtp.h"
#include "stream.h"

#define DROP(core, name) counter_inc((core)->row, COUNTER_media_##name)

/* What the stages hand on about one datagram. */
struct relay_packet {
	struct media_session *session;
	uint32_t slot;
	enum media_leg_index leg;
};

static inline bool latch_passes(struct media_core *core, struct relay_packet *p, enum latch_verdict verdict)
{
	switch (verdict) {
	case LATCH_ACCEPT_SIGNALLED:
		counter_inc(core->row, COUNTER_media_latched_signalled);
		return true;
	case LATCH_ACCEPT_LEARNED:
		counter_inc(core->row, COUNTER_media_latched_learned);
		return true;
	case LATCH_ACCEPT:
		return true;
	case LATCH_LEARNING:
		return false;
	case LATCH_STRANGER:
		break;
	}
	RECORD_ADD(p->session->cold[p->leg].strangers, 1);
	DROP(core, drop_stranger);
	return false;
}

/*
 * Readdress a datagram to the other leg. RTCP: to its RTCP port, unless it muxes; DTLS: to the port of the same sort,
 * each has an association of its own (RFC 5764 section 4). False when nobody is there yet.
 */
static inline bool readdress(struct media_core *core, struct relay_packet *p, struct datagram *d, enum relay_kind kind,
			     struct relay_verdict *verdict)
{
	const struct media_leg_hot *to = &p->session->hot[!p->leg];
	const struct media_leg_cold *cold = &p->session->cold[!p->leg];
	bool apart = kind == RELAY_DTLS ? d->local.port % 2 != 0 : kind == RELAY_RTCP && !(to->flags & MEDIA_RTCP_MUX);

	if ((apart ? cold->rtcp_latch : to->latch) == LATCH_NONE) {
		DROP(core, drop_no_destination);
		return false;
	}
	d->local = to->local;
	d->local.port = (uint16_t)(d->local.port + apart);
	d->remote = apart ? cold->rtcp_remote : to->remote;
	d->tos = to->tos;
	verdict->action = RELAY_SEND;
	verdict->kind = (uint16_t)kind;
	verdict->target = core->map->address[to->address].port;
	return true;
}

/* Smallest packet of UDPTL: its number. */
#define UDPTL_MIN 2

/* Faxes and key exchanges are rare: out of the way, where they take no registers from audio. */
#define RARE __attribute__((cold))

/*
 * A fax (T.38 over UDPTL) has nothing to be checked by, so its packets are whatever comes while it lasts: but for STUN,
 * and for RTP of the stream that runs, which goes on until the other side has agreed to the switch.
 */
static RARE bool counts_as_udptl(const struct media_leg_hot *hot, const struct datagram *d)
{
	struct rtp_header header;

	if (d->local.port % 2 != 0 || d->len < UDPTL_MIN || rtp_classify(d->data, d->len) == RTP_KIND_STUN)
		return false;
	return !RECORD_GET(hot->streams) || rtp_parse(&header, d->data, d->len) || header.ssrc != hot->ssrc;
}

static RARE bool is_udptl(const struct relay_packet *p, const struct datagram *d)
{
	const struct media_leg_hot *hot = &p->session->hot[p->leg];

	return (hot->flags & MEDIA_UDPTL) && counts_as_udptl(hot, d);
}

/* Of what is encrypted, what is clear has to fit. */
static inline int parse(const struct relay_packet *p, struct rtp_header *header, const struct datagram *d)
{
	if (p->session->hot[p->leg].flags & MEDIA_ENCRYPTED)
		return srtp_parse(header, d->data, d->len);
	return rtp_parse(header, d->data, d->len);
}

static RARE bool is_dtls(const struct relay_packet *p, const struct datagram *d)
{
	return (p->session->hot[p->leg].flags & MEDIA_ENCRYPTED) && rtp_classify(d->data, d->len) == RTP_KIND_DTLS;
}

static inline void started(struct media_core *core, struct relay_packet *p)
{
	struct media_leg_hot *hot = &p->session->hot[p->leg];

	if (!(hot->flags & MEDIA_STARTED) && core->notify->started(core, p->slot, p->leg))
		hot->flags |= MEDIA_STARTED;
}

/* A packet that the leg's peer has sent: of a fax... */
static RARE void udptl_heard(struct media_core *core, struct relay_packet *p, struct datagram *d,
			     struct relay_verdict *verdict, uint64_t now_us)
{
	struct media_leg_hot *hot = &p->session->hot[p->leg];

	stream_udptl(hot, &p->session->cold[p->leg], d->len, now_us);
	started(core, p);
	if (readdress(core, p, d, RELAY_UDPTL, verdict))
		verdict->from = hot;
}

/* ...of the exchange of keys, which is no audio: it is expected still, and its figures are its own... */
static RARE void dtls_heard(struct media_core *core, struct relay_packet *p, struct datagram *d,
			    struct relay_verdict *verdict)
{
	readdress(core, p, d, RELAY_DTLS, verdict);
}

/* ...and of audio. */
static inline void relay_heard(struct media_core *core, struct relay_packet *p, const struct rtp_header *header,
			       struct datagram *d, struct relay_verdict *verdict, uint64_t now_us)
{
	struct media_leg_hot *hot = &p->session->hot[p->leg];

	if (stream_packet(hot, &p->session->cold[p->leg], header, d->len, now_us))
		counter_inc(core->row, COUNTER_media_streams);
	started(core, p);
	if (hot->dtmf_payload_type && header->payload_type == hot->dtmf_payload_type)
		dtmf_packet(core, p->slot, p->leg, header, d->data);
	else if (hot->flags & MEDIA_DIGIT)
		dtmf_audio(core, p->slot, p->leg, header);
	if (readdress(core, p, d, RELAY_RTP, verdict))
		verdict->from = hot;
}

/* What was kept of the source that has just been learned goes before the packet that completed the row. */
static void relay_kept(struct media_core *core, struct relay_packet *p, const struct net_addr *source, uint64_t now_us)
{
	struct datagram kept[LATCH_PACKETS - 1];
	unsigned int count = kept_take(core, p->slot, p->leg, source, kept, now_us);

	for (unsigned int i = 0; i < count; i++) {
		struct relay_verdict verdict = {.action = RELAY_DROP};
		struct rtp_header header;

		if (is_udptl(p, &kept[i]))
			udptl_heard(core, p, &kept[i], &verdict, now_us);
		else if (is_dtls(p, &kept[i]))
			dtls_heard(core, p, &kept[i], &verdict);
		else if (parse(p, &header, &kept[i]) == 0)
			relay_heard(core, p, &header, &kept[i], &verdict, now_us);
		if (verdict.action == RELAY_SEND)
			core->notify->send_kept(core, &kept[i], &verdict);
		else
			core->notify->free_kept(core, &kept[i]);
	}
}

/* header NULL: UDPTL, or DTLS where the session is no fax. */
static void relay_media(struct media_core *core, struct relay_packet *p, struct datagram *d,
			const struct rtp_header *header, struct relay_verdict *verdict, uint64_t now_us)
{
	enum latch_verdict latch = header ? latch_rtp(p->session, p->leg, header, &d->remote)
					  : latch_unnumbered(p->session, p->leg, &d->remote);

	if (latch == LATCH_LEARNING) {
		kept_add(core, p->slot, p->leg, d, now_us);
		verdict->action = RELAY_KEPT;
	} else if (latch_passes(core, p, latch)) {
		if (latch == LATCH_ACCEPT_LEARNED)
			relay_kept(core, p, &d->remote, now_us);
		if (header)
			relay_heard(core, p, header, d, verdict, now_us);
		else if (p->session->hot[p->leg].flags & MEDIA_UDPTL)
			udptl_heard(core, p, d, verdict, now_us);
		else
			dtls_heard(core, p, d, verdict);
	}
}

static inline void relay_rtcp(struct media_core *core, struct relay_packet *p, struct datagram *d,
			      struct relay_verdict *verdict)
{
	bool muxed = d->local.port % 2 == 0;

	if (!latch_passes(core, p,
			  muxed ? latch_rtcp_mux(p->session, p->leg, &d->remote)
				: latch_rtcp(p->session, p->leg, &d->remote)))
		return;
	RECORD_ADD(p->session->cold[p->leg].rtcp_packets, 1);
	readdress(core, p, d, RELAY_RTCP, verdict);
}

static RARE void relay_dtls(struct media_core *core, struct relay_packet *p, struct datagram *d,
			    struct relay_verdict *verdict, uint64_t now_us)
{
	if (dtls_check(d->data, d->len))
		DROP(core, drop_bad_dtls);
	else if (d->local.port % 2 == 0)
		relay_media(core, p, d, NULL, verdict, now_us);
	else if (latch_passes(core, p, latch_rtcp(p->session, p->leg, &d->remote)))
		dtls_heard(core, p, d, verdict);
}

/* What differs in an encrypted call. False, with nothing done: it is as in any other, or malformed in any. */
static RARE bool relay_encrypted(struct media_core *core, struct relay_packet *p, struct datagram *d,
				 struct relay_verdict *verdict, uint64_t now_us)
{
	struct rtp_header header;

	switch (rtp_classify(d->data, d->len)) {
	case RTP_KIND_RTP:
		if (d->local.port % 2 != 0 || srtp_parse(&header, d->data, d->len))
			return false;
		relay_media(core, p, d, &header, verdict, now_us);
		return true;
	case RTP_KIND_RTCP:
		if (srtcp_check(d->data, d->len))
			return false;
		relay_rtcp(core, p, d, verdict);
		return true;
	case RTP_KIND_DTLS:
		relay_dtls(core, p, d, verdict, now_us);
		return true;
	default:
		return false;
	}
}

static RARE bool relay_rare(struct media_core *core, struct relay_packet *p, struct datagram *d,
			    struct relay_verdict *verdict, uint64_t now_us)
{
	if (is_udptl(p, d)) {
		relay_media(core, p, d, NULL, verdict, now_us);
		return true;
	}
	return (p->session->hot[p->leg].flags & MEDIA_ENCRYPTED) && relay_encrypted(core, p, d, verdict, now_us);
}

static void relay_one(struct media_core *core, struct relay_packet *p, struct datagram *d,
		      struct relay_verdict *verdict, uint64_t now_us)
{
	struct rtp_header header;

	if ((p->session->hot[p->leg].flags & (MEDIA_UDPTL | MEDIA_ENCRYPTED)) &&
	    relay_rare(core, p, d, verdict, now_us))
		return;
	switch (rtp_classify(d->data, d->len)) {
	case RTP_KIND_RTP:
		if (d->local.port % 2 != 0)
			DROP(core, drop_not_rtp);
		else if (rtp_parse(&header, d->data, d->len))
			DROP(core, drop_bad_rtp);
		else
			relay_media(core, p, d, &header, verdict, now_us);
		break;
	case RTP_KIND_RTCP:
		if (rtcp_check(d->data, d->len))
			DROP(core, drop_bad_rtcp);
		else
			relay_rtcp(core, p, d, verdict);
		break;
	case RTP_KIND_STUN:
		DROP(core, drop_stun);
		break;
	case RTP_KIND_DTLS:
	case RTP_KIND_OTHER:
		DROP(core, drop_not_rtp);
		break;
	}
}

/*
 * What nearly every packet is: audio of a stream that goes on, from the source that the leg is locked to. It comes to
 * the same as the long way, with everything in registers. False, with nothing done: the long way finds out what it is.
 */
static inline bool relay_plain(struct media_core *core, struct relay_packet *p, struct datagram *d,
			       struct relay_verdict *verdict, uint64_t now_us)
{
	struct media_leg_hot *hot = &p->session->hot[p->leg];
	const struct media_leg_hot *to = &p->session->hot[!p->leg];
	struct rtp_header header;

	if (d->local.port % 2 != 0 || !rtp_parse_plain(&header, d->data, d->len) || hot->latch != LATCH_LOCKED ||
	    !latch_same(&hot->remote, &d->remote) || to->latch == LATCH_NONE ||
	    (hot->flags & (MEDIA_STARTED | MEDIA_DIGIT | MEDIA_UDPTL)) != MEDIA_STARTED ||
	    (hot->dtmf_payload_type && header.payload_type == hot->dtmf_payload_type) ||
	    !stream_goes_on(hot, &header, d->len, now_us))
		return false;
	d->local = to->local;
	d->remote = to->remote;
	d->tos = to->tos;
	verdict->action = RELAY_SEND;
	verdict->target = core->map->address[to->address].port;
	verdict->from = hot;
	return true;
}

/* Another worker's, or nobody's. */
static void look_elsewhere(struct media_core *core, const struct datagram *d, int address,
			   struct relay_verdict *verdict)
{
	int owner = address < 0 ? -1 : port_map_owner(core->map, (unsigned int)address, d->local.port);

	if (owner < 0) {
		DROP(core, drop_no_session);
		return;
	}
	verdict->action = RELAY_HAND_OVER;
	verdict->target = (unsigned int)owner;
}

/* First stage: whose port it is, and the way into the map. */
static inline void look_up(struct media_core *core, const struct datagram *d, struct relay_verdict *verdict)
{
	int address = port_map_address(core->map, &d->local);

	*verdict = (struct relay_verdict){.action = RELAY_DROP};
	__builtin_prefetch(d->data);
	if (address < 0 || !port_map_owns(core->map, (unsigned int)address, d->local.port, core->worker)) {
		look_elsewhere(core, d, address, verdict);
		return;
	}
	verdict->entry = port_map_entry(core->map, (unsigned int)address, d->local.port);
	__builtin_prefetch(verdict->entry);
}

/* Second stage: the session, and its lines. */
static void find_session(struct media_core *core, struct relay_packet *p, struct relay_verdict *verdict)
{
	uint32_t entry = verdict->entry ? *verdict->entry : PORT_MAP_NONE;

	p->session = NULL;
	if (entry == PORT_MAP_NONE) {
		if (verdict->entry)
			DROP(core, drop_no_session);
		return;
	}
	p->slot = entry / LEG_COUNT;
	p->leg = entry % LEG_COUNT;
	p->session = &core->session[p->slot];
	__builtin_prefetch(&p->session->hot[p->leg].remote, 1);
	__builtin_prefetch(&p->session->hot[p->leg].packets, 1);
	__builtin_prefetch(&p->session->hot[!p->leg].remote);
}

void relay_burst(struct media_core *core, struct datagram *datagrams, struct relay_verdict *verdicts,
		 unsigned int count, uint64_t now_us)
{
	struct relay_packet packets[PORT_BURST];

	for (unsigned int i = 0; i < count; i++)
		look_up(core, &datagrams[i], &verdicts[i]);
	for (unsigned int i = 0; i < count; i++)
		find_session(core, &packets[i], &verdicts[i]);
	for (unsigned int i = 0; i < count; i++)
		if (packets[i].session && !relay_plain(core, &packets[i], &datagrams[i], &verdicts[i], now_us))
			relay_one(core, &packets[i], &datagrams[i], &verdicts[i], now_us);
}
