/* SPDX-License-Identifier: Apache-2.0 */
/* The search for the highest clean rate, without the load: which rate to try next. */
#ifndef TANDEM_GENERATOR_PLAN_H
#define TANDEM_GENERATOR_PLAN_H

#include <stdbool.h>

struct rate_search {
	double low, high, precision;
	double clean, not_clean; /* the highest and the lowest such rate so far; 0: none */
	double next;             /* to try; 0: the search is over */
	bool repeated;           /* `next` was not clean once already */
};

void rate_search_init(struct rate_search *s, double low, double high, double precision);
/* What the trial of s->next has shown. One that was not clean is repeated once: a single disturbance proves nothing. */
void rate_search_tell(struct rate_search *s, bool clean);

#endif
