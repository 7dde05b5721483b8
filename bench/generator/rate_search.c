/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

void rate_search_init(struct rate_search *s, double low, double high, double precision)
{
	*s = (struct rate_search){.low = low, .high = high, .precision = precision, .next = low};
}

/* Doubling while nothing has failed; halving the gap from then on. */
static double next_rate(const struct rate_search *s)
{
	if (s->clean == 0)
		return 0; /* not even the lowest */
	if (s->not_clean == 0)
		return s->clean >= s->high ? 0 : s->clean * 2 < s->high ? s->clean * 2 : s->high;
	if ((s->not_clean - s->clean) / s->not_clean <= s->precision)
		return 0;
	return (s->clean + s->not_clean) / 2;
}

void rate_search_tell(struct rate_search *s, bool clean)
{
	if (!clean && !s->repeated) {
		s->repeated = true;
		return;
	}
	s->repeated = false;
	if (clean)
		s->clean = s->next;
	else
		s->not_clean = s->next;
	s->next = next_rate(s);
}
