/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A histogram of fixed size: 128 buckets for each power of two, so that a value read back is exact to 0.8 %. Values are
 * nanoseconds here, up to 18 minutes; longer ones count as that. One thread writes.
 */
#ifndef TANDEM_GENERATOR_HISTOGRAM_H
#define TANDEM_GENERATOR_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_MAX_BITS 40
#define HISTOGRAM_BUCKETS  ((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
	uint64_t count, sum, min, max;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

static inline unsigned int histogram_index(uint64_t value)
{
	unsigned int shift;

	if (value >> HISTOGRAM_MAX_BITS)
		value = (1ull << HISTOGRAM_MAX_BITS) - 1;
	if (value < 1u << HISTOGRAM_SUB_BITS)
		return (unsigned int)value;
	shift = 63 - HISTOGRAM_SUB_BITS - (unsigned int)__builtin_clzll(value);
	return ((shift + 1) << HISTOGRAM_SUB_BITS) +
	       ((unsigned int)(value >> shift) & ((1u << HISTOGRAM_SUB_BITS) - 1));
}

static inline void histogram_add_times(struct histogram *h, uint64_t value, uint64_t times)
{
	h->min = h->count == 0 || value < h->min ? value : h->min;
	h->max = value > h->max ? value : h->max;
	h->count += times;
	h->sum += value * times;
	h->bucket[histogram_index(value)] += times;
}

static inline void histogram_add(struct histogram *h, uint64_t value)
{
	histogram_add_times(h, value, 1);
}

/* The value that a share of all (0 to 1) does not exceed: the upper end of its bucket, at most the maximum. 0 = empty.
 */
uint64_t histogram_quantile(const struct histogram *h, double share);
uint64_t histogram_mean(const struct histogram *h);

#endif
