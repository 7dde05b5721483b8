/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "common/counters.h"
#include "common/layout/binding_record.h"
#include "common/layout/call_record.h"
#include "common/layout/gateway_status.h"
#include "common/layout/media_session.h"
#include "common/layout/segments.h"
#include "common/rings.h"
#include "common/status.h"

#define TABLES 6

/* Fill specs (NULL: only count) with the rings between two roles, one for each pair of threads. */
static unsigned int ring_specs(const struct config *config, enum process_role from, enum process_role to,
			       struct segment_spec *specs)
{
	unsigned int from_threads = rings_threads(config, from), to_threads = rings_threads(config, to), count = 0;

	if (!rings_exist(from, to))
		return 0;
	for (unsigned int a = 0; a < from_threads; a++) {
		for (unsigned int b = 0; b < to_threads; b++, count++) {
			if (specs != NULL)
				rings_spec(&specs[count], config, from, a, to, b);
		}
	}
	return count;
}

static unsigned int all_ring_specs(const struct config *config, struct segment_spec *specs)
{
	unsigned int count = 0;

	for (unsigned int from = 0; from < ROLE_COUNT; from++) {
		for (unsigned int to = 0; to < ROLE_COUNT; to++)
			count += ring_specs(config, from, to, specs != NULL ? specs + count : NULL);
	}
	return count;
}

int segments_specs(const struct config *config, struct segment_spec **specs, unsigned int *count)
{
	struct segment_spec *all = calloc(TABLES + all_ring_specs(config, NULL), sizeof(*all));

	if (all == NULL)
		return -ENOMEM;
	status_spec(&all[0]);
	counters_spec(&all[1]);
	calls_spec(&all[2], config);
	media_sessions_spec(&all[3], config);
	binding_segment_spec(&all[4], config->limits.registrations);
	gateway_status_spec(&all[5], config);
	*count = TABLES + all_ring_specs(config, all + TABLES);
	*specs = all;
	return 0;
}
