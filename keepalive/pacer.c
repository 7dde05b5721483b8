/* SPDX-License-Identifier: Apache-2.0 */
#include "pacer.h"

#include "common/clock.h" /* the units alone */

/* The parameters' ranges: what pace_fit() may propose. */
#define ONE_TIME_MAX 10000u
#define PERIOD_MAX_S 86400u

/* Held up for so many intervals at most, it comes back into its slots; else all that follows is later by that. */
#define CATCH_UP 8u

static uint64_t period_us(const struct pace *pace)
{
	return pace->period_s * US_PER_S;
}

static uint64_t interval_us(const struct pace *pace)
{
	return pace->interval_ms * US_PER_MS;
}

static uint64_t divide_up(uint64_t a, uint64_t b)
{
	return (a + b - 1) / b;
}

/* Whole intervals only: a burst in the rest of the period would push the next round back. */
static uint64_t bursts_per_period(const struct pace *pace)
{
	uint64_t bursts = pace->period_s * 1000ull / pace->interval_ms;

	return bursts > 0 ? bursts : 1;
}

uint64_t pace_capacity(const struct pace *pace)
{
	return bursts_per_period(pace) * pace->one_time;
}

struct pace_fit pace_fit(const struct pace *pace, uint32_t count)
{
	struct pace_fit fit = {0};
	uint64_t bursts = count > 0 ? divide_up(count, pace->one_time) : 1;
	uint64_t one_time = divide_up(count, bursts_per_period(pace));
	uint64_t interval_ms = pace->period_s * 1000ull / bursts;
	uint64_t period_s = divide_up(bursts * pace->interval_ms, 1000);

	if (one_time <= ONE_TIME_MAX)
		fit.one_time = (uint32_t)one_time;
	fit.interval_ms = (uint32_t)interval_ms; /* 0 when even one millisecond is too long */
	if (period_s <= PERIOD_MAX_S)
		fit.period_s = (uint32_t)period_s;
	return fit;
}

static void begin_round(struct pacer *pacer, uint64_t start_us)
{
	struct pacer_round *round = &pacer->round;

	round->start_us = start_us;
	round->left = pacer->endpoints->capacity;
	if (round->burst_us < start_us)
		round->burst_us = start_us;
	pacer->rounds++;
	pacer->excused = false;
}

/* Another life's round is worth going on with when it was under way not long ago. */
static bool round_is_usable(const struct pacer_round *round, const struct pacer *pacer, uint64_t now_us)
{
	return round->start_us > 0 && round->start_us <= now_us &&
	       now_us - round->start_us < 2 * period_us(&pacer->pace) && round->cursor < pacer->endpoints->capacity &&
	       round->left <= pacer->endpoints->capacity && round->burst_us >= round->start_us &&
	       round->burst_us <= now_us + interval_us(&pacer->pace);
}

void pacer_init(struct pacer *pacer, struct endpoints *endpoints, const struct pace *pace,
		const struct pacer_round *round, uint64_t now_us)
{
	*pacer = (struct pacer){.pace = *pace, .endpoints = endpoints};
	if (round && round_is_usable(round, pacer, now_us)) {
		pacer->round = *round;
		pacer->excused = true; /* while nobody was there */
	}
}

void pacer_set(struct pacer *pacer, const struct pace *pace, uint64_t now_us)
{
	struct pacer_round *round = &pacer->round;

	if (!pacer->pace.on || pace->period_s != pacer->pace.period_s)
		pacer->excused = true;
	pacer->pace = *pace;
	if (round->burst_us > now_us + interval_us(pace))
		round->burst_us = now_us + interval_us(pace);
	pacer->rest_us = 0;
}

/*
 * Go to the next endpoint of this round: true, and the cursor is on its slot. False when there is none, and then
 * the round is done and the cursor back where the round began.
 */
static bool walk(struct pacer *pacer)
{
	struct pacer_round *round = &pacer->round;
	uint32_t capacity = pacer->endpoints->capacity;

	while (round->left > 0) {
		uint32_t next = endpoints_next(pacer->endpoints, round->cursor);
		uint32_t step = next - round->cursor;

		if (step >= round->left) {
			round->cursor = (uint32_t)(((uint64_t)round->cursor + round->left) % capacity);
			round->left = 0;
			break;
		}
		round->left -= step;
		round->cursor = next == capacity ? 0 : next;
		if (next != capacity)
			return true;
	}
	return false;
}

static unsigned int burst(struct pacer *pacer, uint64_t now_us, pacer_emit emit, void *context)
{
	struct pacer_round *round = &pacer->round;
	struct endpoints *endpoints = pacer->endpoints;
	unsigned int emitted = 0;

	while (walk(pacer) && emitted < pacer->pace.one_time) {
		uint32_t slot = round->cursor;
		const struct endpoint *endpoint = &endpoints->slot[slot];

		round->cursor = slot + 1 == endpoints->capacity ? 0 : slot + 1;
		round->left--;
		if (endpoint->expires_us <= now_us) {
			endpoints_remove(endpoints, slot, endpoint->id);
			pacer->expired++;
			continue;
		}
		emit(context, endpoint, slot);
		emitted++;
	}
	pacer->bursts += emitted > 0;
	return emitted;
}

unsigned int pacer_poll(struct pacer *pacer, uint64_t now_us, pacer_emit emit, void *context)
{
	struct pacer_round *round = &pacer->round;
	uint64_t period = period_us(&pacer->pace), interval = interval_us(&pacer->pace);

	if (!pacer->pace.on)
		return 0;
	if (round->start_us == 0) {
		begin_round(pacer, now_us);
	} else if (now_us >= round->start_us + period) {
		bool late = now_us - round->start_us - period >= CATCH_UP * interval;

		if (walk(pacer) && !pacer->excused)
			pacer->overruns++;
		/* Rounds keep to their grid; but one that begins late must not be cut short by the next. */
		begin_round(pacer, late ? now_us : round->start_us + period);
	}
	if (round->left == 0 || now_us < round->burst_us || now_us < pacer->rest_us)
		return 0;

	unsigned int emitted = burst(pacer, now_us, emit, context);

	/* Held up: never two at once to make up for it, but a shorter pause for a while. */
	pacer->rest_us = now_us + interval / 2;
	round->burst_us += interval;
	if (round->burst_us <= now_us) {
		if (now_us - round->burst_us >= CATCH_UP * interval)
			round->burst_us = now_us + interval;
		pacer->late_bursts++;
	}
	return emitted;
}

uint64_t pacer_next_us(const struct pacer *pacer)
{
	const struct pacer_round *round = &pacer->round;

	if (!pacer->pace.on)
		return UINT64_MAX;
	if (round->start_us == 0)
		return 0;
	uint64_t next_round = round->start_us + period_us(&pacer->pace);

	uint64_t burst = round->burst_us > pacer->rest_us ? round->burst_us : pacer->rest_us;

	return round->left > 0 && burst < next_round ? burst : next_round;
}
