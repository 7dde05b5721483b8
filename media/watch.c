/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include "record.h"

#define SWEEP_LIMIT      64
#define RETRY_US         (1 * US_PER_S)
#define LONGEST_SLEEP_US (600 * US_PER_S)

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t last_us(const struct media_session *session, enum media_leg_index leg)
{
	return RECORD_GET(session->hot[leg].last_us);
}

/* 0: it need not speak. */
static uint64_t leg_since(const struct media_session *session, enum media_leg_index leg)
{
	return session->expect_us[leg] ? later(session->expect_us[leg], last_us(session, leg)) : 0;
}

uint64_t watch_silent_since(const struct media_session *session)
{
	uint64_t caller = leg_since(session, LEG_CALLER), callee = leg_since(session, LEG_CALLEE);
	bool udptl = session->hot[LEG_CALLER].flags & MEDIA_UDPTL;

	if (session->silence_limit_ms == 0 || !(session->flags & MEDIA_ANSWERED))
		return 0;
	/* Who gets a page of a fax says nothing for as long as it takes. */
	switch (udptl && session->silence_watch != SILENCE_NONE ? SILENCE_BOTH : session->silence_watch) {
	case SILENCE_BOTH:
		if (!caller && !callee)
			return 0;
		return later(later(caller, callee), later(last_us(session, LEG_CALLER), last_us(session, LEG_CALLEE)));
	case SILENCE_CALLER:
		return caller;
	case SILENCE_CALLEE:
		return callee;
	case SILENCE_EITHER:
		return !callee || (caller && caller < callee) ? caller : callee;
	default:
		return 0;
	}
}

/* Tells of silence where there is some; returns when to look again. */
static uint64_t watch_silence(struct media_core *core, uint32_t slot, uint64_t now_us)
{
	struct media_session *session = &core->session[slot];
	uint64_t since = watch_silent_since(session), limit = session->silence_limit_ms * US_PER_MS;

	if (since == 0)
		return UINT64_MAX;
	if (now_us < since + limit) {
		session->flags &= (uint8_t)~MEDIA_SILENT_TOLD;
		return since + limit;
	}
	if (!(session->flags & MEDIA_SILENT_TOLD)) {
		uint64_t silent_ms = (now_us - since) / US_PER_MS;

		if (!core->notify->silent(core, slot, silent_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)silent_ms))
			return now_us + RETRY_US;
		session->flags |= MEDIA_SILENT_TOLD;
		counter_inc(core->row, COUNTER_media_silences);
	}
	/* Any packet from now on makes the silence shorter than the limit by then: no period is missed. */
	return now_us + limit;
}

/* Ends a session that nobody has any more. True when it did. */
static bool watch_forgotten(struct media_core *core, uint32_t slot, uint64_t now_us)
{
	struct media_session *session = &core->session[slot];
	struct media_peer *peer = &core->peer[session->signaling_worker];
	uint64_t sign_us = later(session->told_us, later(last_us(session, LEG_CALLER), last_us(session, LEG_CALLEE)));

	if (now_us > sign_us + WATCH_EXPIRE_US) {
		session_end(core, slot, COUNTER_media_sessions_expired);
		return true;
	}
	if (!peer->resync_due && session->told_us < peer->resync_us && peer->told_us > peer->resync_us &&
	    now_us > peer->resync_us + WATCH_ANSWER_US) {
		session_end(core, slot, COUNTER_media_sessions_forgotten);
		return true;
	}
	if (now_us > session->told_us + WATCH_TOLD_US && now_us > peer->resync_us + WATCH_TOLD_US)
		peer->resync_due = true;
	return false;
}

static void watch_fire(struct timer *timer, void *context)
{
	struct media_core *core = context;
	uint64_t now_us = core->wheel.now_ms * US_PER_MS;

	watch_start(core, (uint32_t)(timer - core->timer), now_us);
}

void watch_start(struct media_core *core, uint32_t slot, uint64_t now_us)
{
	uint64_t next_us;

	if (watch_forgotten(core, slot, now_us))
		return;
	next_us = watch_silence(core, slot, now_us);
	if (next_us > now_us + LONGEST_SLEEP_US)
		next_us = now_us + LONGEST_SLEEP_US;
	timer_start(&core->wheel, &core->timer[slot], next_us, watch_fire);
}

/* A new life of signaling may have lost calls that it never told us the end of; one that died may not have told all. */
static void watch_signaling(struct media_core *core)
{
	uint32_t life = RECORD_GET(core->signaling->starts);

	if (life == core->signaling_life)
		return;
	core->signaling_life = life;
	for (unsigned int i = 0; i < core->peers; i++)
		core->peer[i].resync_due = true;
}

void watch_sweep(struct media_core *core, uint64_t now_us)
{
	watch_signaling(core);
	timer_wheel_sweep(&core->wheel, now_us, SWEEP_LIMIT);
	for (unsigned int i = 0; i < core->peers; i++) {
		struct media_peer *peer = &core->peer[i];

		if (!peer->resync_due || !core->notify->resync(core, i))
			continue;
		peer->resync_due = false;
		peer->resync_us = now_us;
	}
}
