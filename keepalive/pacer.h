/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is sent a keep-alive message, and when. Knows no socket, ring or clock: time is an argument.
 *
 * A round begins every period and reaches every endpoint once: bursts of at most `one_time` endpoints, at least an
 * interval apart, in the order of their slots; then nothing until the next round begins. As long as the
 * population stays the same, each endpoint's turn comes at the same time of each round, so its messages are
 * exactly a period apart. When the process was held up for a few intervals, bursts follow each other at half an
 * interval until the round is back in its slots. One that joins is reached in the running round when its slot is still
 * ahead, otherwise in the next: at most a period later either way.
 *
 * A round that has not reached everybody when its period is over is an overrun: the next begins where it stopped,
 * so that nobody starves and all are served equally late.
 *
 * The state of the round is four numbers (struct pacer_round), which the process keeps where they outlive it: a
 * restarted one goes on with the same round.
 */
#ifndef TANDEM_KEEPALIVE_PACER_H
#define TANDEM_KEEPALIVE_PACER_H

#include <stdbool.h>
#include <stdint.h>

#include "endpoints.h"

/* The operator's three numbers; see SS_SIP_NAT_KEEP_ALIVE_... */
struct pace {
	bool on; /* the message is not empty */
	uint32_t period_s;
	uint32_t interval_ms;
	uint32_t one_time;
};

struct pacer_round {
	uint64_t start_us; /* monotonic; 0 = there has been no round */
	uint64_t burst_us; /* monotonic: the next burst is due */
	uint32_t cursor;   /* the slot at which it goes on */
	uint32_t left;     /* slots it has yet to walk over; 0 = everybody has been reached */
};

struct pacer {
	struct pace pace;
	struct pacer_round round;
	struct endpoints *endpoints;
	uint64_t rest_us; /* no burst before, though one is due */
	bool excused;     /* the running round was disturbed from outside, and is no overrun */
	/* Totals, for the counters. */
	uint64_t rounds, overruns, bursts, late_bursts, expired;
};

/* Hands over one endpoint of the burst. */
typedef void (*pacer_emit)(void *context, const struct endpoint *endpoint, uint32_t slot);

/* Borrows the table. `round` may be NULL or nonsense (then the first round begins now). */
void pacer_init(struct pacer *pacer, struct endpoints *endpoints, const struct pace *pace,
		const struct pacer_round *round, uint64_t now_us);

/* New numbers, effective at once: the running round goes on with them and is not begun again. */
void pacer_set(struct pacer *pacer, const struct pace *pace, uint64_t now_us);

/* Emit the burst that is due, if one is; returns the number of endpoints in it. Drops expired ones on its way. */
unsigned int pacer_poll(struct pacer *pacer, uint64_t now_us, pacer_emit emit, void *context);

/* When pacer_poll() will next have something to do. */
uint64_t pacer_next_us(const struct pacer *pacer);

/* How many endpoints fit into a round. */
uint64_t pace_capacity(const struct pace *pace);

/* For each number: the value that would fit `count` endpoints if the others stayed; 0 = none in its range. */
struct pace_fit {
	uint32_t period_s, interval_ms, one_time;
};
struct pace_fit pace_fit(const struct pace *pace, uint32_t count);

#endif
