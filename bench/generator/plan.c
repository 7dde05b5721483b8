/* SPDX-License-Identifier: Apache-2.0 */
/* The directing thread: one phase after the other, and the judgement on each. */
#include "plan.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/log.h"
#include "generator.h"
#include "phones.h"

#define TICK_MS       20
#define LATE_US       5000 /* p99 of the schedule beyond which the generator was the limit */
#define LINK_WAIT_S   30
#define ANSWER_WAIT_S 10
#define BUSY_LIMIT    0.97
#define NS_PER_S      1e9

static volatile sig_atomic_t interrupts;

void plan_interrupt(void)
{
	interrupts = interrupts + 1;
}

struct plan {
	struct generator *g;
	struct plan_result *result;
	bool quiet;
	uint64_t start_ns, progress_ns;
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void tick(struct plan *p)
{
	uint64_t now;

	nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000l}, NULL);
	log_drain();
	now = clock_ns();
	if (p->quiet || now < p->progress_ns)
		return;
	p->progress_ns += 1000000000u;
	progress_print(p->g, (double)(now - p->start_ns) / NS_PER_S);
}

/* ---- phases -------------------------------------------------------------------------------------------------- */

static struct phase *phase_start(struct plan *p, const char *name, double rate, bool measured)
{
	struct generator *g = p->g;
	uint32_t index = atomic_load(&g->phases_count);
	struct phase *phase = index < MAX_PHASES ? calloc(1, sizeof(*phase)) : NULL;

	if (!phase)
		return NULL;
	phase->name = name;
	phase->rate = rate;
	phase->measured = measured;
	g->phases[index] = phase;
	atomic_store(&g->phases_count, index + 1);
	return phase;
}

/* The load enters the newest phase. */
static void phase_enter(struct plan *p, struct phase *phase)
{
	struct generator *g = p->g;
	uint32_t index = atomic_load(&g->phases_count) - 1;

	atomic_store(&g->command.placing, true);
	atomic_store(&g->command.phase, index);
	phase->start_ns = clock_ns();
	while (atomic_load(&g->answer.phase) != index)
		tick(p);
}

static void phase_stop_placing(struct plan *p, struct phase *phase)
{
	phase->end_ns = clock_ns();
	atomic_store(&p->g->command.placing, false);
}

static void wait_for(struct plan *p, double seconds)
{
	uint64_t until = clock_ns() + (uint64_t)(seconds * NS_PER_S);

	while (clock_ns() < until && !interrupts)
		tick(p);
}

/* Until what became of every call of the phase is known, or the time is up. */
static void drain(struct plan *p, const struct phase *phase)
{
	uint64_t until = clock_ns() + (uint64_t)(p->g->scenario->load.drain_s * NS_PER_S);

	while (clock_ns() < until && interrupts < 2) {
		tick(p);
		if (stat_read(phase, STAT_judged) == stat_read(phase, STAT_offered))
			return;
	}
}

/* ---- judgement ----------------------------------------------------------------------------------------------- */

static bool is_limited(const struct phase *phase)
{
	uint64_t done = phase->of_rtp ? stat_read(phase, STAT_sent) : stat_read(phase, STAT_offered);
	double seconds = phase_seconds(phase);
	uint64_t cycles = stat_read(phase, STAT_cycles);

	if (stat_read(phase, STAT_not_placed) > 0 || stat_read(phase, STAT_overrun) > 0)
		return true;
	if (phase->rate * seconds > 200 && (double)done < 0.97 * phase->rate * seconds)
		return true;
	if (histogram_quantile(&phase->latency[LATENCY_schedule], 0.99) > LATE_US * 1000ull)
		return true;
	return cycles && (double)stat_read(phase, STAT_busy_cycles) > BUSY_LIMIT * (double)cycles;
}

static bool is_clean(const struct phase *phase, double allowed)
{
	uint64_t offered = stat_read(phase, STAT_offered), final = stat_read(phase, STAT_final), bad, of = offered;

	bad = stat_read(phase, STAT_failed) + stat_read(phase, STAT_shed) + stat_read(phase, STAT_timed_out) +
	      stat_read(phase, STAT_retransmitted) + stat_read(phase, STAT_total);
	if (final < offered && stat_read(phase, STAT_timed_out) < offered - final)
		bad += offered - final - stat_read(phase, STAT_timed_out);
	if (phase->of_rtp) {
		of = stat_read(phase, STAT_sent);
		bad +=
		    stat_read(phase, STAT_lost) + stat_read(phase, STAT_corrupted) + stat_read(phase, STAT_wrong_call);
		if (of > stat_read(phase, STAT_received))
			bad = fmax((double)bad, (double)(of - stat_read(phase, STAT_received)));
	}
	return (double)bad <= allowed * (double)of;
}

static void conclude(struct plan *p, struct phase *phase)
{
	phase->limited = is_limited(phase);
	phase->clean = is_clean(phase, p->g->scenario->load.clean);
	if (phase->measured && phase->limited)
		p->result->limited = true;
}

/* ---- the steps of a plan ------------------------------------------------------------------------------------- */

/* Warm-up and measurement at one rate. NULL: interrupted, or no memory. */
static struct phase *place(struct plan *p, const char *name, double rate, double seconds, uint64_t stretch_ns)
{
	const struct load *load = &p->g->scenario->load;
	struct phase *warm_up, *phase;

	if (interrupts)
		return NULL;
	if (load->warm_up_s > 0) {
		warm_up = phase_start(p, "warm-up", rate, false);
		if (!warm_up)
			return NULL;
		warm_up->of_rtp = load->of_rtp;
		warm_up->stretch_ns = stretch_ns;
		phase_enter(p, warm_up);
		wait_for(p, load->warm_up_s);
		warm_up->end_ns = clock_ns();
	}
	phase = phase_start(p, name, rate, true);
	if (!phase)
		return NULL;
	phase->of_rtp = load->of_rtp;
	phase->stretch_ns = stretch_ns;
	phase_enter(p, phase);
	wait_for(p, seconds);
	phase_stop_placing(p, phase);
	return phase;
}

/* The same, and the judgement. */
static struct phase *measure(struct plan *p, const char *name, double rate)
{
	const struct load *load = &p->g->scenario->load;
	struct phase *phase = place(p, name, rate, load->seconds, load->stretch_ns);

	if (!phase)
		return NULL;
	if (!load->of_rtp)
		drain(p, phase);
	conclude(p, phase);
	return interrupts ? NULL : phase;
}

/*
 * One rate right after the other: what is measured after an overload then begins a warm-up after its last call. They
 * are judged in the end, when what became of all calls is known.
 */
static void play_after(struct plan *p)
{
	const struct load *load = &p->g->scenario->load;
	struct phase *phase[MAX_AFTER];
	unsigned int count = 0;

	for (; count < load->afters && p->result->highest > 0; count++) {
		phase[count] = place(p, "after", load->after[count].factor * p->result->highest,
				     load->after[count].seconds, load->after[count].stretch_ns);
		if (!phase[count])
			break;
		phase[count]->factor = load->after[count].factor;
	}
	for (unsigned int i = 0; i < count; i++) {
		if (!load->of_rtp)
			drain(p, phase[i]);
		conclude(p, phase[i]);
	}
}

static void play_ramp(struct plan *p)
{
	const struct load *load = &p->g->scenario->load;
	unsigned int steps = (unsigned int)(fabs(load->to - load->from) / load->step * 1.000001);
	double step = load->to < load->from ? -load->step : load->step;

	for (unsigned int i = 0; i <= steps; i++)
		if (!measure(p, "ramp", load->from + i * step))
			return;
}

static void play_search(struct plan *p)
{
	const struct load *load = &p->g->scenario->load;
	struct rate_search search;
	struct phase *phase;

	rate_search_init(&search, load->from, load->to, load->step);
	while (search.next > 0) {
		phase = measure(p, "probe", search.next);
		if (!phase)
			break;
		rate_search_tell(&search, phase->clean);
	}
	p->result->highest = search.clean;
	p->result->lowest_not_clean = search.not_clean;
	play_after(p);
}

/* As after a search that found the rate that was given. */
static void play_known(struct plan *p)
{
	p->result->highest = p->g->scenario->load.rate;
	play_after(p);
}

static void play_standing(struct plan *p)
{
	const struct load *load = &p->g->scenario->load;
	double seconds = load->standing / load->standing_rate;
	struct phase *phase;
	uint64_t until;

	if (load->standing == 0 || interrupts)
		return;
	phase = phase_start(p, "standing", load->standing_rate, false);
	if (!phase)
		return;
	phase->standing = true;
	phase_enter(p, phase);
	until = clock_ns() + (uint64_t)((seconds * 3 + load->drain_s) * NS_PER_S);
	while (clock_ns() < until && !interrupts && stat_read(phase, STAT_final) < load->standing)
		tick(p);
	phase_stop_placing(p, phase);
	phase->clean = is_clean(phase, load->clean);
}

static void play_registering(struct plan *p)
{
	const struct registration_options *r = &p->g->scenario->registrations;
	const struct phone_counts *counts = phones_counts(p->g);
	struct phase *phase;
	uint64_t until;

	if (r->endpoints == 0 || interrupts)
		return;
	phase = phase_start(p, "registering", r->rate, false);
	if (!phase)
		return;
	phase->registers = true;
	phase_enter(p, phase);
	until = clock_ns() + (uint64_t)((r->endpoints / r->rate * 3 + 40) * NS_PER_S);
	while (clock_ns() < until && !interrupts &&
	       tally_read(&counts->registered) + tally_read(&counts->refused) + tally_read(&counts->timed_out) <
		   r->endpoints)
		tick(p);
	phase_stop_placing(p, phase);
	phase->clean = tally_read(&counts->registered) == r->endpoints;
}

static void play_ending(struct plan *p)
{
	const struct scenario *s = p->g->scenario;
	uint64_t standing = atomic_load(&p->g->answer.standing), until;
	struct phase *phase;

	if (atomic_load(&p->g->answer.calls) == 0 || interrupts >= 2)
		return;
	phase = phase_start(p, "ending", s->load.standing_rate, false);
	if (!phase)
		return;
	phase->ending = true;
	atomic_store(&p->g->answer.left, 1);
	phase_enter(p, phase);
	until = clock_ns() + (uint64_t)(((double)standing / s->load.standing_rate * 2 + 40) * NS_PER_S);
	while (clock_ns() < until && interrupts < 2 &&
	       (atomic_load(&p->g->answer.left) > 0 || atomic_load(&p->g->answer.calls) > 0))
		tick(p);
	phase->end_ns = clock_ns();
	phase->clean = true;
}

/* A memif's other end may not be there yet, nor the switch that is starting. */
static void wait_for_switch(struct plan *p)
{
	uint64_t until = clock_ns() + LINK_WAIT_S * 1000000000ull;
	unsigned int up = 0;

	while (clock_ns() < until && up < p->g->ports_count && !interrupts) {
		tick(p);
		up = 0;
		for (unsigned int i = 0; i < p->g->ports_count; i++)
			up += port_link_up(p->g->ports[i]);
	}
	if (up < p->g->ports_count)
		fprintf(stderr, "%u of %u ports have no link\n", p->g->ports_count - up, p->g->ports_count);
	until = clock_ns() + ANSWER_WAIT_S * 1000000000ull;
	while (clock_ns() < until && !atomic_load(&p->g->answer.heard) && !interrupts)
		tick(p);
	if (!atomic_load(&p->g->answer.heard))
		fprintf(stderr, "the switch does not answer OPTIONS; going on without\n");
}

void plan_run(struct generator *g, bool quiet, struct plan_result *result)
{
	struct plan p = {.g = g, .result = result, .quiet = quiet, .start_ns = clock_ns()};

	p.progress_ns = p.start_ns + 1000000000u;
	wait_for_switch(&p);
	play_registering(&p);
	play_standing(&p);
	result->standing = atomic_load(&g->answer.standing);
	if (g->scenario->load.plan == PLAN_RAMP)
		play_ramp(&p);
	else if (g->scenario->load.plan == PLAN_SEARCH)
		play_search(&p);
	else if (g->scenario->load.afters > 0)
		play_known(&p);
	else if (g->scenario->load.seconds > 0)
		measure(&p, "measure", g->scenario->flows || g->scenario->load.of_rtp ? g->scenario->load.rate : 0);
	result->completed = interrupts == 0;
	play_ending(&p);
	result->seconds = (double)(clock_ns() - p.start_ns) / NS_PER_S;
}
