/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counted by callgrind: what lies between count_begin() and count_end(). Each piece becomes a part of callgrind's
 * output that bears its name; bench/instructions adds up the parts of a name and divides by how often it was done.
 * Set-up runs without instrumentation, so nearly at full speed. Outside valgrind these cost a few cycles and count
 * nothing.
 */
#ifndef TANDEM_TESTS_INSTRUCTIONS_COUNT_H
#define TANDEM_TESTS_INSTRUCTIONS_COUNT_H

#include <stdio.h>
#include <valgrind/callgrind.h>

/* The deliberate slow-down that shows that the guard bites: everything is done twice and counted once. */
#ifdef COUNT_TWICE
#define COUNT_REPEAT 2
#else
#define COUNT_REPEAT 1
#endif

static inline void count_begin(void)
{
	CALLGRIND_START_INSTRUMENTATION;
	CALLGRIND_TOGGLE_COLLECT;
}

/* What follows is not counted, till the next count_begin(). */
static inline void count_pause(void)
{
	CALLGRIND_TOGGLE_COLLECT;
}

/* `name` was done so many times in what has been counted since the last end. */
static inline void count_end(const char *name, unsigned int times)
{
	CALLGRIND_TOGGLE_COLLECT;
	CALLGRIND_DUMP_STATS_AT(name);
	printf("%u\t%s\n", times, name);
}

#endif
