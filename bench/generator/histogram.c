/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

static uint64_t bucket_end(unsigned int index)
{
	unsigned int shift;

	if (index < 1u << HISTOGRAM_SUB_BITS)
		return index;
	shift = (index >> HISTOGRAM_SUB_BITS) - 1;
	return (((uint64_t)(index & ((1u << HISTOGRAM_SUB_BITS) - 1)) + (1u << HISTOGRAM_SUB_BITS) + 1) << shift) - 1;
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
	double exact = share * (double)h->count;
	uint64_t rank = (uint64_t)exact, seen = 0, end;

	if ((double)rank < exact || rank == 0)
		rank++;
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen < rank)
			continue;
		end = bucket_end(i);
		return end < h->max ? end : h->max;
	}
	return h->max;
}

uint64_t histogram_mean(const struct histogram *h)
{
	return h->count ? h->sum / h->count : 0;
}
