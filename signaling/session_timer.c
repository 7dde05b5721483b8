/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/session_timer.h"

#include "signaling/local_headers.h"

#define MOST_S  86400u /* longest interval, as SS_SIP_SESSION_TTL */
#define LEAST_S 60u    /* shortest that a peer's answer may want, whatever RFC 4028 section 4 says of 90 s */

void session_timer_init(struct call *call)
{
	const struct parameters *p = call->engine->snapshot->parameters;
	struct call_record *record = call->record;

	record->session_ttl_s = p->session_ttl_s;
	record->session_min_se_s = (uint16_t)p->session_min_se_s;
	record->session_early_s = (uint16_t)p->session_timeout_early_hangup_s;
	record->session_segment = (uint8_t)p->session_update_segment;
	record->session_uas = (uint8_t)p->session_timer_refresher;
}

bool session_timer_sound(const struct call_record *record)
{
	const struct call_dialog *d = record->dialog;

	if (record->session_ttl_s > MOST_S || d[CALLER].session_interval_s > MOST_S ||
	    d[CALLEE].session_interval_s > MOST_S)
		return false;
	if (record->session_ttl_s == 0)
		return !((d[CALLER].flags | d[CALLEE].flags) & DIALOG_TIMER);
	return record->session_segment >= 2 && record->session_segment <= 10;
}

/* ---- what messages say ---- */

static bool supports_timer(const struct sip_message *m)
{
	return sip_message_lists(m, SIP_H_SUPPORTED, "timer") || sip_message_lists(m, SIP_H_REQUIRE, "timer");
}

static bool read_interval(const struct sip_message *m, struct sip_session_expires *out)
{
	return sip_message_has(m, SIP_H_SESSION_EXPIRES) &&
	       sip_session_expires_parse(out, sip_message_value(m, SIP_H_SESSION_EXPIRES)) == 0;
}

/* 0: it says nothing. */
static uint32_t read_min_se(const struct sip_message *m)
{
	struct sip_session_expires min;

	if (!sip_message_has(m, SIP_H_MIN_SE) ||
	    sip_session_expires_parse(&min, sip_message_value(m, SIP_H_MIN_SE)) < 0)
		return 0;
	return min.delta_s;
}

static void note_methods(struct call_dialog *d, const struct sip_message *m)
{
	if (m->is_request && m->method == SIP_UPDATE)
		d->flags |= DIALOG_UPDATE;
	else if (sip_message_has(m, SIP_H_ALLOW) && sip_message_lists(m, SIP_H_ALLOW, "UPDATE"))
		d->flags |= DIALOG_UPDATE;
	else if (sip_message_has(m, SIP_H_ALLOW))
		d->flags &= ~(uint32_t)DIALOG_UPDATE;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t clamp(uint32_t interval_s, uint32_t least_s)
{
	interval_s = larger(interval_s, least_s);
	return interval_s < MOST_S ? interval_s : MOST_S;
}

static void agree(struct call_dialog *d, uint32_t interval_s, bool we_refresh)
{
	d->session_interval_s = interval_s;
	d->flags |= DIALOG_TIMER;
	if (we_refresh)
		d->flags |= DIALOG_REFRESHER;
	else
		d->flags &= ~(uint32_t)DIALOG_REFRESHER;
}

/* Who refreshes where a message leaves it open: whoever did, at first whom the parameter names. */
static bool we_refresh_if_open(const struct call_record *record, const struct call_dialog *d, bool we_are_uas)
{
	if (d->session_expires_us)
		return d->flags & DIALOG_REFRESHER;
	return record->session_uas == we_are_uas;
}

/* ---- requests of the peer: we are the UAS (RFC 4028 section 9) ---- */

bool session_timer_refuses(struct engine *engine, struct transaction *t, struct sip_message *request, uint32_t ttl_s,
			   uint32_t min_se_s)
{
	struct sip_session_expires wanted;
	struct response_extra extra;
	char header[32];
	struct sip_builder b;

	/* Where only a proxy asked for a timer there is nobody to understand a 422. */
	if (!ttl_s || !read_interval(request, &wanted) || wanted.delta_s >= min_se_s || !supports_timer(request))
		return false;
	sip_build_init(&b, header, sizeof(header));
	sip_build_number(&b, SIP_H_MIN_SE, min_se_s);
	extra = (struct response_extra){header, b.len};
	counter_inc(engine->counters, COUNTER_session_timer_too_short);
	transaction_respond(engine, t, request, 422, NULL, &extra);
	return true;
}

void session_timer_asked(struct call *call, enum call_side side, struct sip_message *request)
{
	const struct call_record *record = call->record;
	struct call_dialog *d = &call->record->dialog[side];
	struct sip_session_expires wanted = {.refresher = SIP_REFRESHER_NONE};

	if (!record->session_ttl_s)
		return;
	bool supports = supports_timer(request), wants = read_interval(request, &wanted);

	if (!supports && !wants && !(d->flags & DIALOG_TIMER))
		return;
	uint32_t least_s = clamp(read_min_se(request), record->session_min_se_s);
	uint32_t interval_s = clamp(record->session_ttl_s, least_s);

	if (wants && wanted.delta_s < interval_s)
		interval_s = clamp(wanted.delta_s, record->session_min_se_s);
	note_methods(d, request);
	/* Table 2: who does not know timers can't be told to refresh. */
	if (!supports || wanted.refresher == SIP_REFRESHER_UAS)
		agree(d, interval_s, true);
	else if (wanted.refresher == SIP_REFRESHER_UAC)
		agree(d, interval_s, false);
	else
		agree(d, interval_s, we_refresh_if_open(record, d, true));
}

static void put_interval(struct sip_builder *b, uint32_t interval_s, const char *refresher)
{
	sip_build_begin(b, SIP_H_SESSION_EXPIRES);
	sip_build_u32(b, interval_s);
	sip_build_string(b, refresher);
	sip_build_end(b);
}

void session_timer_put_answer(const struct call *call, enum call_side side, struct sip_builder *b)
{
	const struct call_dialog *d = &call->record->dialog[side];

	if (!(d->flags & DIALOG_TIMER))
		return;
	local_headers_put(b, SIP_TEXT("Supported: timer\r\n"));
	put_interval(b, d->session_interval_s, d->flags & DIALOG_REFRESHER ? ";refresher=uas" : ";refresher=uac");
	if (!(d->flags & DIALOG_REFRESHER))
		local_headers_put(b, SIP_TEXT("Require: timer\r\n"));
}

/* ---- requests of ours: we are the UAC (section 7) ---- */

static uint32_t offered_interval(const struct call_record *record, const struct call_dialog *d)
{
	return clamp(record->session_ttl_s, larger(record->session_min_se_s, d->session_min_se_s));
}

static void put_first_offer(const struct call *call, uint32_t interval_s, uint32_t min_se_s, struct sip_builder *b)
{
	struct calls *calls = call->engine->calls;
	struct sip_builder text;

	if (calls->session_offer.interval_s != interval_s || calls->session_offer.min_se_s != min_se_s) {
		sip_build_init(&text, calls->session_offer.text, sizeof(calls->session_offer.text));
		sip_build_string(&text, "Supported: timer\r\n");
		put_interval(&text, interval_s, "");
		sip_build_number(&text, SIP_H_MIN_SE, min_se_s);
		calls->session_offer.interval_s = interval_s;
		calls->session_offer.min_se_s = min_se_s;
		calls->session_offer.len = text.len;
	}
	local_headers_put(b, sip_text(calls->session_offer.text, calls->session_offer.len));
}

void session_timer_put_offer(const struct call *call, enum call_side side, struct sip_builder *b)
{
	const struct call_record *record = call->record;
	const struct call_dialog *d = &record->dialog[side];
	bool begun = d->session_expires_us;

	/* Only the callee's INVITE offers a timer to who has not spoken of it. */
	if (!record->session_ttl_s || (!begun && (side == CALLER || record->answer_us)))
		return;
	uint32_t min_se_s = larger(record->session_min_se_s, d->session_min_se_s);

	if (!begun) {
		put_first_offer(call, offered_interval(record, d), min_se_s, b);
		return;
	}
	local_headers_put(b, SIP_TEXT("Supported: timer\r\n"));
	put_interval(b, clamp(d->session_interval_s, d->session_min_se_s),
		     d->flags & DIALOG_REFRESHER ? ";refresher=uac" : ";refresher=uas");
	sip_build_number(b, SIP_H_MIN_SE, min_se_s);
}

void session_timer_agreed(struct call *call, enum call_side side, struct sip_message *response)
{
	const struct call_record *record = call->record;
	struct call_dialog *d = &call->record->dialog[side];
	struct sip_session_expires said = {.refresher = SIP_REFRESHER_NONE};
	uint32_t offered_s = d->session_expires_us ? d->session_interval_s : offered_interval(record, d);

	if (!record->session_ttl_s)
		return;
	if (read_interval(response, &said)) {
		bool we = said.refresher == SIP_REFRESHER_NONE ? we_refresh_if_open(record, d, false)
							       : said.refresher == SIP_REFRESHER_UAC;

		agree(d, clamp(said.delta_s, LEAST_S), we);
	} else if (d->session_expires_us || supports_timer(response)) {
		agree(d, offered_s, true); /* it answers our refreshes, and that is all we need */
	} else {
		return;
	}
	note_methods(d, response);
	session_timer_begin(call, side);
}

bool session_timer_raise(struct call *call, enum call_side side, const struct sip_message *response)
{
	struct call_dialog *d = &call->record->dialog[side];
	uint32_t min_se_s = read_min_se(response);

	counter_inc(call->engine->counters, COUNTER_session_timer_raised);
	if (min_se_s <= d->session_min_se_s || min_se_s > MOST_S)
		return false;
	d->session_min_se_s = min_se_s;
	return true;
}

/* ---- intervals ---- */

static uint64_t segment_us(const struct call_record *record, const struct call_dialog *d)
{
	return d->session_interval_s * US_PER_S / record->session_segment;
}

void session_timer_begin(struct call *call, enum call_side side)
{
	const struct call_record *record = call->record;
	struct call_dialog *d = &call->record->dialog[side];
	uint64_t now_us = call->engine->now_us;

	if (!(d->flags & DIALOG_TIMER))
		return;
	if (!(d->flags & DIALOG_OFFER_DUE))
		d->session_refresh_us = d->flags & DIALOG_REFRESHER ? now_us + segment_us(record, d) : 0;
	d->session_expires_us = now_us + d->session_interval_s * US_PER_S;
}

uint64_t session_timer_end_us(const struct call_record *record, enum call_side side)
{
	const struct call_dialog *d = &record->dialog[side];
	uint32_t early_s = record->session_early_s, most_s = d->session_interval_s / 3;

	if (!(d->flags & DIALOG_TIMER) || !d->session_expires_us)
		return 0;
	/* No earlier than RFC 4028 section 10 has it for the shortest intervals: a refresh needs its time. */
	return d->session_expires_us - (early_s < most_s ? early_s : most_s) * US_PER_S;
}

#define LEAST_WAIT_US US_PER_S

void session_timer_refresh_in(struct call *call, enum call_side side, uint64_t wait_us)
{
	struct call_dialog *d = &call->record->dialog[side];
	uint64_t now_us = call->engine->now_us, end_us = session_timer_end_us(call->record, side);

	if (end_us && now_us + wait_us >= end_us) {
		wait_us = end_us > now_us ? (end_us - now_us) / 2 : 0;
		wait_us = wait_us < LEAST_WAIT_US ? LEAST_WAIT_US : wait_us;
	}
	d->session_refresh_us = now_us + wait_us;
}

void session_timer_refresh_later(struct call *call, enum call_side side)
{
	uint64_t wait_us = segment_us(call->record, &call->record->dialog[side]);

	session_timer_refresh_in(call, side, wait_us ? wait_us : LEAST_WAIT_US);
}

#define GRACE_US (35 * US_PER_S) /* for a refresh that we were not there to answer, and one of ours */

void session_timer_recover(struct call *call)
{
	uint64_t now_us = call->engine->now_us;

	for (enum call_side side = CALLER; side < CALL_SIDES; side++) {
		struct call_dialog *d = &call->record->dialog[side];
		uint64_t end_us = session_timer_end_us(call->record, side), spread_us;

		if (!end_us)
			continue;
		spread_us = segment_us(call->record, d) / 4 + US_PER_S;
		spread_us = engine_random(call->engine) % spread_us;
		if (end_us < now_us + GRACE_US + spread_us)
			d->session_expires_us += now_us + GRACE_US + spread_us - end_us;
		if (d->session_refresh_us && d->session_refresh_us <= now_us)
			d->session_refresh_us = now_us + spread_us;
	}
}

/* ---- descriptions ---- */

bool session_timer_keeps(const struct call *call, enum call_side side)
{
	uint32_t flags = call->record->dialog[side].flags;
	bool update = (flags & DIALOG_UPDATE) && !(flags & DIALOG_UPDATE_REFUSED);

	return (flags & DIALOG_TIMER) && (flags & DIALOG_REFRESHER) && !update;
}

void session_timer_keep(struct call *call, enum call_side side, struct sip_text sdp)
{
	bool keeps = session_timer_keeps(call, side);

	if (keeps || call->record->dialog[side].local_sdp.len)
		call_put_description(call, side, keeps ? sdp : SIP_TEXT(""));
}
