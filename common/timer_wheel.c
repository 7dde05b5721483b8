/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A timer lies on the level of the highest byte in which its tick and now_ms differ, in the slot of that byte's
 * value. So everything on level 0 is due before anything on level 1, and so on: the earliest is found in the
 * bitmap of the lowest level that has any, and time can jump over empty slots. When time reaches a slot of a
 * higher level, its timers now differ in a lower byte only, and move there.
 */
#include "timer_wheel.h"

#include <stddef.h>
#include <string.h>

#define LEVEL_BITS       8
#define SLOT_MASK        (TIMER_SLOTS - 1ull)
#define FARTHEST         ((1ull << (TIMER_LEVELS * LEVEL_BITS)) - 1)
#define MOVES_FOR_A_FIRE 8
#define US_PER_TICK      1000

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_us, void *context)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->now_ms = now_us / US_PER_TICK;
	wheel->context = context;
	wheel->past_end = &wheel->past;
}

static void push(struct timer **list, struct timer *timer)
{
	timer->next = *list;
	timer->link = list;
	if (timer->next)
		timer->next->link = &timer->next;
	*list = timer;
}

static void append_past(struct timer_wheel *wheel, struct timer *timer)
{
	timer->next = NULL;
	timer->link = wheel->past_end;
	*wheel->past_end = timer;
	wheel->past_end = &timer->next;
}

/* Move a whole list; `to` must be empty. */
static void take_list(struct timer **to, struct timer **from)
{
	*to = *from;
	*from = NULL;
	if (*to)
		(*to)->link = to;
}

static void set_occupied(struct timer_wheel *wheel, unsigned int level, unsigned int slot)
{
	wheel->occupied[level][slot / 64] |= 1ull << (slot % 64);
}

static void clear_occupied(struct timer_wheel *wheel, unsigned int level, unsigned int slot)
{
	wheel->occupied[level][slot / 64] &= ~(1ull << (slot % 64));
}

/* For a tick after now_ms. */
static void insert(struct timer_wheel *wheel, struct timer *timer)
{
	uint64_t differ = timer->expires_ms ^ wheel->now_ms;
	unsigned int level = (63u - (unsigned int)__builtin_clzll(differ)) / LEVEL_BITS;
	unsigned int slot = (timer->expires_ms >> (level * LEVEL_BITS)) & SLOT_MASK;

	push(&wheel->slot[level][slot], timer);
	set_occupied(wheel, level, slot);
}

/* Take a running timer off its list, whichever that is. */
static void detach(struct timer_wheel *wheel, struct timer *timer)
{
	struct timer **link = timer->link;
	uintptr_t offset = (uintptr_t)link - (uintptr_t)wheel->slot;

	*link = timer->next;
	if (timer->next)
		timer->next->link = link;
	else if (wheel->past_end == &timer->next)
		wheel->past_end = link;
	timer->link = NULL;
	/* A link inside the array is a slot's head: the slot may have become empty. */
	if (!timer->next && offset < sizeof(wheel->slot)) {
		unsigned int index = (unsigned int)(offset / sizeof(struct timer *));

		clear_occupied(wheel, index / TIMER_SLOTS, index % TIMER_SLOTS);
	}
}

void timer_start(struct timer_wheel *wheel, struct timer *timer, uint64_t expires_us, timer_handler handler)
{
	uint64_t expires_ms = expires_us / US_PER_TICK + (expires_us % US_PER_TICK != 0);
	uint64_t farthest = wheel->now_ms | FARTHEST;

	if (timer->link)
		detach(wheel, timer);
	else
		wheel->running++;
	timer->handler = handler;
	timer->expires_ms = expires_ms < farthest ? expires_ms : farthest;
	if (timer->expires_ms <= wheel->now_ms)
		append_past(wheel, timer);
	else
		insert(wheel, timer);
}

void timer_stop(struct timer_wheel *wheel, struct timer *timer)
{
	if (!timer->link)
		return;
	detach(wheel, timer);
	wheel->running--;
}

/* The first occupied slot after `slot` on a level, or -1. */
static int next_occupied(const uint64_t *occupied, unsigned int slot)
{
	unsigned int word = (slot + 1) / 64;
	uint64_t bits;

	if (slot + 1 >= TIMER_SLOTS)
		return -1;
	bits = occupied[word] & (~0ull << ((slot + 1) % 64));
	while (!bits) {
		if (++word == TIMER_SLOTS / 64)
			return -1;
		bits = occupied[word];
	}
	return (int)(word * 64) + __builtin_ctzll(bits);
}

/* The earliest slot that has timers and the tick at which it begins; its level, or -1 when all slots are empty. */
static int earliest_slot(const struct timer_wheel *wheel, uint64_t *tick, unsigned int *slot)
{
	for (unsigned int level = 0; level < TIMER_LEVELS; level++) {
		unsigned int shift = level * LEVEL_BITS;
		int found = next_occupied(wheel->occupied[level], (wheel->now_ms >> shift) & SLOT_MASK);

		if (found < 0)
			continue;
		*slot = (unsigned int)found;
		*tick = (((wheel->now_ms >> shift) & ~SLOT_MASK) | *slot) << shift;
		return (int)level;
	}
	return -1;
}

/* Go to the next tick that has something to do, not after target_ms. False when there is none: now is target_ms. */
static bool advance(struct timer_wheel *wheel, uint64_t target_ms)
{
	uint64_t tick;
	unsigned int slot;
	int level = earliest_slot(wheel, &tick, &slot);

	if (level < 0 || tick > target_ms) {
		if (wheel->now_ms < target_ms)
			wheel->now_ms = target_ms;
		return false;
	}
	wheel->now_ms = tick;
	clear_occupied(wheel, (unsigned int)level, slot);
	take_list(level == 0 ? &wheel->due : &wheel->moving, &wheel->slot[level][slot]);
	return true;
}

/* Spread the detached slot over the lower levels. Returns what is left of the budget. */
static uint64_t move_down(struct timer_wheel *wheel, uint64_t budget)
{
	for (; wheel->moving && budget; budget--) {
		struct timer *timer = wheel->moving;

		if (timer->next)
			__builtin_prefetch(timer->next->next);
		detach(wheel, timer);
		if (timer->expires_ms <= wheel->now_ms)
			push(&wheel->due, timer);
		else
			insert(wheel, timer);
	}
	return budget;
}

/* What came too late for its tick goes first. */
static void take_past(struct timer_wheel *wheel)
{
	if (!wheel->past)
		return;
	*wheel->past_end = wheel->due;
	if (wheel->due)
		wheel->due->link = wheel->past_end;
	wheel->due = NULL;
	take_list(&wheel->due, &wheel->past);
	wheel->past_end = &wheel->past;
}

static void fire_first(struct timer_wheel *wheel)
{
	struct timer *timer = wheel->due;

	if (timer->next)
		__builtin_prefetch(timer->next);
	detach(wheel, timer);
	wheel->running--;
	timer->handler(timer, wheel->context);
}

unsigned int timer_wheel_sweep(struct timer_wheel *wheel, uint64_t now_us, unsigned int limit)
{
	uint64_t target_ms = now_us / US_PER_TICK, moves = (uint64_t)limit * MOVES_FOR_A_FIRE;
	unsigned int fired = 0;

	take_past(wheel);
	do {
		moves = move_down(wheel, moves);
		while (wheel->due && fired < limit) {
			fire_first(wheel);
			fired++;
		}
	} while (!wheel->due && !wheel->moving && advance(wheel, target_ms));
	return fired;
}

uint64_t timer_wheel_next_us(const struct timer_wheel *wheel)
{
	uint64_t tick;
	unsigned int slot;

	if (wheel->due || wheel->past || wheel->moving)
		return wheel->now_ms * US_PER_TICK;
	return earliest_slot(wheel, &tick, &slot) < 0 ? UINT64_MAX : tick * US_PER_TICK;
}
