/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hierarchical timer wheel with intrusive timers: start, restart and stop are a few stores, whatever the
 * number of timers. One thread owns a wheel. Ticks are milliseconds; a timer fires at or after its time, never
 * before, in the order of ticks. Nothing allocates after timer_wheel_init().
 */
#ifndef TANDEM_COMMON_TIMER_WHEEL_H
#define TANDEM_COMMON_TIMER_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

struct timer;
typedef void (*timer_handler)(struct timer *timer, void *context);

/* Embed one in what it times; zero-initialised = stopped. The owner finds itself with container_of(). */
struct timer {
	struct timer *next;
	struct timer **link; /* whatever points at us; NULL = not running */
	uint64_t expires_ms;
	timer_handler handler;
};

#define TIMER_LEVELS 5
#define TIMER_SLOTS  256

struct timer_wheel {
	uint64_t now_ms;    /* the ticks up to this one have left the slots */
	uint64_t running;   /* timers started and not yet fired or stopped */
	void *context;      /* handed to every handler */
	struct timer *due;  /* of this tick, about to fire */
	struct timer *past; /* started with a time that had passed: due at the next sweep */
	struct timer **past_end;
	struct timer *moving; /* a slot's timers on their way to lower levels */
	struct timer *slot[TIMER_LEVELS][TIMER_SLOTS];
	uint64_t occupied[TIMER_LEVELS][TIMER_SLOTS / 64]; /* so that idle ticks cost nothing */
};

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_us, void *context);
/*
 * Start, or restart if running. A time in the past fires at the next sweep, never in the running one, so a handler
 * that restarts its timer with a past time can't hold the sweep. Times after the clock's first 34 years are shortened
 * to that.
 */
void timer_start(struct timer_wheel *wheel, struct timer *timer, uint64_t expires_us, timer_handler handler);
void timer_stop(struct timer_wheel *wheel, struct timer *timer);
static inline bool timer_is_running(const struct timer *timer)
{
	return timer->link != 0;
}
/*
 * Fire what is due, at most `limit` timers (the rest at the next call); a handler may start and stop any timer, and
 * free its own. Moving timers to lower levels is bounded, too (8 for each one that may fire), so that a sweep's time
 * is bounded whatever the number of timers. Returns how many fired.
 */
unsigned int timer_wheel_sweep(struct timer_wheel *wheel, uint64_t now_us, unsigned int limit);
/* When the earliest running timer can fire, in microseconds; UINT64_MAX when none runs. A lower bound. */
uint64_t timer_wheel_next_us(const struct timer_wheel *wheel);

#endif
