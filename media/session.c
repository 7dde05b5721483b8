/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <errno.h>
#include <string.h>

#include "dtmf.h"
#include "record.h"
#include "watch.h"

#define CLOCK_RATE_DEFAULT 8000

bool session_usable_remote(const struct net_addr *addr)
{
	if (addr->family == NET_NONE || addr->port == 0 || net_addr_is_any(addr))
		return false;
	if (addr->family == NET_IP4)
		return addr->ip[0] != 0 && addr->ip[0] != 127 && addr->ip[0] < 224; /* multicast, reserved, broadcast */
	return addr->ip[0] != 0xff;
}

void sessions_init(struct media_core *core, uint64_t now_us)
{
	timer_wheel_init(&core->wheel, now_us, core);
	for (unsigned int i = 0; i < core->peers; i++)
		core->peer[i] = (struct media_peer){.resync_due = true};
}

static bool is_open(const struct media_session *session)
{
	return atomic_load_explicit(&session->state, memory_order_acquire) == MEDIA_SESSION_OPEN;
}

static uint32_t *leg_entry(struct media_core *core, const struct media_leg_hot *hot)
{
	return port_map_entry(core->map, hot->address, hot->local.port);
}

static void unplug(struct media_core *core, uint32_t slot)
{
	for (unsigned int leg = 0; leg < LEG_COUNT; leg++) {
		uint32_t *entry = leg_entry(core, &core->session[slot].hot[leg]);

		if (*entry == slot * LEG_COUNT + leg)
			*entry = PORT_MAP_NONE;
	}
}

/* The ports are this session's; whoever had one before has lost its call. */
static void plug(struct media_core *core, uint32_t slot)
{
	for (unsigned int leg = 0; leg < LEG_COUNT; leg++) {
		uint32_t *entry = leg_entry(core, &core->session[slot].hot[leg]);

		if (*entry != PORT_MAP_NONE && *entry / LEG_COUNT != slot)
			session_end(core, *entry / LEG_COUNT, COUNTER_media_sessions_replaced);
		*entry = slot * LEG_COUNT + leg;
	}
}

static void count_open(struct media_core *core, int change)
{
	core->open += (uint64_t)(int64_t)change;
	gauge_set(core->row, COUNTER_media_sessions, core->open);
}

void session_end(struct media_core *core, uint32_t slot, enum counter_id why)
{
	struct media_session *session = &core->session[slot];

	dtmf_flush(core, slot);
	unplug(core, slot);
	timer_stop(&core->wheel, &core->timer[slot]);
	atomic_store_explicit(&session->state, MEDIA_SESSION_FREE, memory_order_release);
	count_open(core, -1);
	counter_inc(core->row, why);
}

void sessions_let_go(struct media_core *core, uint32_t slot)
{
	if (slot < core->slots && is_open(&core->session[slot]) && core->session[slot].worker == core->worker)
		session_end(core, slot, COUNTER_media_sessions_replaced);
}

struct media_session *sessions_find(struct media_core *core, uint32_t slot, uint64_t id)
{
	struct media_session *session = &core->session[slot];

	if (slot >= core->slots || !is_open(session) || session->worker != core->worker || session->id != id)
		return NULL;
	return session;
}

/* Which of our addresses a leg's local port is on, if the port is ours; else -1. */
static int local_address(const struct media_core *core, const struct net_addr *local)
{
	int address = port_map_address(core->map, local);

	if (address < 0 || local->port % 2 != 0 ||
	    port_map_owner(core->map, (unsigned int)address, local->port) != (int)core->worker)
		return -1;
	return address;
}

/*
 * Who was locked before a description that comes in the conversation: the peer talks on from there until it is
 * answered. During the set-up it may be the peer of an attempt that is over.
 */
static struct net_addr left_by(const struct media_session *session, enum media_leg_index leg,
			       const struct net_addr *remote)
{
	const struct media_leg_hot *hot = &session->hot[leg];
	struct net_addr left = hot->latch == LATCH_LOCKED ? hot->remote : session->cold[leg].left;
	bool moves =
	    (session->flags & MEDIA_ANSWERED) && session_usable_remote(&left) && !net_addr_equal(&left, remote);

	return moves ? left : (struct net_addr){0};
}

static void remote_set(struct media_session *session, enum media_leg_index leg, const struct media_leg_request *request)
{
	bool usable = session_usable_remote(&request->remote), rtcp = session_usable_remote(&request->remote_rtcp);
	struct media_leg_hot *hot = &session->hot[leg];
	struct media_leg_cold *cold = &session->cold[leg];

	cold->left = usable ? left_by(session, leg, &request->remote) : (struct net_addr){0};
	hot->latch = usable ? LATCH_SIGNALLED : LATCH_NONE;
	hot->remote = usable ? request->remote : (struct net_addr){0};
	/* What a peer behind NAT says leads nowhere. */
	if (cold->left.family != NET_NONE && (hot->flags & MEDIA_BEHIND_NAT))
		hot->remote = cold->left;
	hot->flags &= (uint8_t) ~(MEDIA_STARTED | MEDIA_RTCP_MUX);
	cold->rtcp_latch = rtcp ? LATCH_SIGNALLED : LATCH_NONE;
	cold->rtcp_remote = rtcp ? request->remote_rtcp : (struct net_addr){0};
	cold->candidate_packets = 0;
	cold->generation = request->generation;
}

/* By both descriptions: an offer may leave it to the answer. Until there is one it is as the other side says. */
static bool is_encrypted(const struct media_request *request)
{
	bool encrypted = false, plain = false;

	for (unsigned int leg = 0; leg < LEG_COUNT; leg++) {
		encrypted |= request->leg[leg].encrypted;
		plain |= !request->leg[leg].encrypted && request->leg[leg].remote.family != NET_NONE;
	}
	return encrypted && !plain;
}

/* On an SDP that is new to us the leg learns afresh; an older one said again moves nothing. */
static void leg_apply(struct media_session *session, enum media_leg_index leg, const struct media_request *request,
		      unsigned int address, bool fresh)
{
	const struct media_leg_request *from = &request->leg[leg];
	bool udptl = request->leg[LEG_CALLER].udptl || request->leg[LEG_CALLEE].udptl;
	struct media_leg_hot *hot = &session->hot[leg];

	hot->local = from->local;
	hot->address = (uint8_t)address;
	hot->tos = request->tos;
	hot->dtmf_payload_type = from->dtmf_payload_type;
	hot->clock_rate = from->clock_rate ? from->clock_rate : CLOCK_RATE_DEFAULT;
	/* Who got a page has said nothing for as long as it took. */
	if ((hot->flags & MEDIA_UDPTL) && !udptl)
		session->expect_us[leg] = 0;
	hot->flags &= (uint8_t) ~(MEDIA_BEHIND_NAT | MEDIA_UDPTL | MEDIA_ENCRYPTED);
	hot->flags |= (from->behind_nat ? MEDIA_BEHIND_NAT : 0) | (udptl ? MEDIA_UDPTL : 0) |
		      (is_encrypted(request) ? MEDIA_ENCRYPTED : 0);
	session->direction[leg] = from->direction;
	if (fresh || (int32_t)(from->generation - session->cold[leg].generation) > 0 ||
	    (hot->latch == LATCH_NONE && session_usable_remote(&from->remote)))
		remote_set(session, leg, from);
}

/* From when RTP of a leg is expected: the answer, or the end of a hold or a fax. */
static void expect(struct media_session *session, uint64_t now_us)
{
	const uint8_t *direction = session->direction;

	for (unsigned int leg = 0; leg < LEG_COUNT; leg++) {
		/* sendrecv or sendonly, where the other one receives: who is held may answer without a direction. */
		bool sends = direction[leg] <= 1 && (direction[!leg] == 0 || direction[!leg] == 2);

		if (!(session->flags & MEDIA_ANSWERED) || !sends)
			session->expect_us[leg] = 0;
		else if (session->expect_us[leg] == 0)
			session->expect_us[leg] = now_us;
	}
}

static void terms_apply(struct media_session *session, const struct media_request *request, uint64_t now_us)
{
	session->signaling_worker = request->signaling_worker;
	session->told_us = now_us;
	session->silence_limit_ms = request->silence_limit_ms;
	session->silence_watch = request->silence_watch;
	if (request->answered)
		session->flags |= MEDIA_ANSWERED;
	expect(session, now_us);
}

/* A clean record; its sequence count goes on, so that no reader takes the old call's half for the new one's. */
static void record_clear(struct media_session *session)
{
	size_t skip = offsetof(struct media_session, worker);

	memset((uint8_t *)session + skip, 0, sizeof(*session) - skip);
}

/* A free record becomes ours to fill: another worker may have been told to use the slot at the same time. */
static bool claim(struct media_session *session)
{
	uint8_t expected = MEDIA_SESSION_FREE;

	return atomic_compare_exchange_strong_explicit(&session->state, &expected, MEDIA_SESSION_FILLING,
						       memory_order_acquire, memory_order_relaxed);
}

int sessions_apply(struct media_core *core, const struct media_request *request, uint64_t now_us)
{
	struct media_session *session = &core->session[request->slot];
	int address[LEG_COUNT];
	bool fresh;

	for (unsigned int leg = 0; leg < LEG_COUNT; leg++)
		address[leg] = local_address(core, &request->leg[leg].local);
	if (request->slot >= core->slots || request->signaling_worker >= core->peers || address[LEG_CALLER] < 0 ||
	    address[LEG_CALLEE] < 0 ||
	    net_addr_equal(&request->leg[LEG_CALLER].local, &request->leg[LEG_CALLEE].local)) {
		counter_inc(core->row, COUNTER_media_refused);
		return -EINVAL;
	}
	if (is_open(session) && session->worker != core->worker) {
		core->notify->let_go(core, session->worker, request->slot);
		return -EAGAIN;
	}
	if (is_open(session) && session->id != request->id)
		session_end(core, request->slot, COUNTER_media_sessions_replaced);
	fresh = !is_open(session);
	if (fresh && !claim(session))
		return -EAGAIN;
	if (!fresh) {
		unplug(core, request->slot);
		core->peer[request->signaling_worker].told_us = now_us;
	}
	record_write_begin(session);
	if (fresh) {
		record_clear(session);
		session->worker = (uint8_t)core->worker;
		session->id = request->id;
		session->opened_us = now_us;
	}
	for (unsigned int leg = 0; leg < LEG_COUNT; leg++)
		leg_apply(session, leg, request, (unsigned int)address[leg], fresh);
	terms_apply(session, request, now_us);
	record_write_end(session);
	plug(core, request->slot);
	if (fresh) {
		atomic_store_explicit(&session->state, MEDIA_SESSION_OPEN, memory_order_release);
		count_open(core, 1);
		counter_inc(core->row, COUNTER_media_sessions_opened);
	}
	watch_start(core, request->slot, now_us);
	return 0;
}

/* Whose record this is now, by its ports; -1 when it makes no sense (the process died while writing it, say). */
static int record_owner(const struct media_core *core, struct media_session *session)
{
	int owner[LEG_COUNT];

	if ((session->sequence & 1) || session->signaling_worker >= core->peers ||
	    session->silence_watch > SILENCE_EITHER)
		return -1;
	for (unsigned int leg = 0; leg < LEG_COUNT; leg++) {
		struct media_leg_hot *hot = &session->hot[leg];
		int address = port_map_address(core->map, &hot->local);

		if (address < 0 || hot->local.port % 2 != 0 || session->direction[leg] > 3 || hot->clock_rate == 0 ||
		    hot->latch > LATCH_LOCKED || (hot->latch != LATCH_NONE && !session_usable_remote(&hot->remote)))
			return -1;
		hot->address = (uint8_t)address;
		owner[leg] = port_map_owner(core->map, hot->address, hot->local.port);
	}
	return owner[LEG_CALLER] == owner[LEG_CALLEE] ? owner[LEG_CALLER] : -1;
}

/* The time that we were away counts neither as silence nor as forgetting. */
static void record_restore(struct media_core *core, uint32_t slot, uint64_t now_us)
{
	struct media_session *session = &core->session[slot];

	session->worker = (uint8_t)core->worker;
	session->told_us = now_us;
	for (unsigned int leg = 0; leg < LEG_COUNT; leg++)
		if (session->expect_us[leg])
			session->expect_us[leg] = now_us;
	plug(core, slot);
	count_open(core, 1);
	counter_inc(core->row, COUNTER_media_sessions_restored);
	watch_start(core, slot, now_us);
}

void sessions_restore(struct media_core *const *cores, unsigned int count, uint64_t now_us)
{
	for (uint32_t slot = 0; slot < cores[0]->slots; slot++) {
		struct media_session *session = &cores[0]->session[slot];
		int owner;

		if (session->state != MEDIA_SESSION_OPEN) {
			/* A record that was being filled: nobody has seen it yet. */
			session->sequence &= ~1u;
			session->state = MEDIA_SESSION_FREE;
			continue;
		}
		owner = record_owner(cores[0], session);
		if (owner < 0 || (unsigned int)owner >= count) {
			session->state = MEDIA_SESSION_FREE;
			session->sequence &= ~1u;
			counter_inc(cores[0]->row, COUNTER_media_sessions_damaged);
			continue;
		}
		record_restore(cores[owner], slot, now_us);
	}
	for (unsigned int i = 0; i < count; i++)
		for (unsigned int peer = 0; peer < cores[i]->peers; peer++)
			cores[i]->peer[peer].resync_due = true;
}
