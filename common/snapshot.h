/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all workers read and few write, replaced as a whole: an RCU-protected pointer (liburcu, QSBR). A worker
 * is registered once, declares itself quiescent once per poll, and may hold what snapshot_get() returned until
 * then. The housekeeping thread swaps, waits until no worker can still see the old one, and frees it.
 */
#ifndef TANDEM_COMMON_SNAPSHOT_H
#define TANDEM_COMMON_SNAPSHOT_H

#ifndef RCU_QSBR
#define RCU_QSBR
#endif
#include <urcu-qsbr.h>

struct snapshot {
	void *current;
};

static inline const void *snapshot_get(const struct snapshot *s)
{
	return rcu_dereference(s->current);
}

/* Publish `next`; returns the old one, which no reader can hold any more: the caller frees it. Blocks; housekeeping only. */
static inline void *snapshot_replace(struct snapshot *s, void *next)
{
	void *old = rcu_xchg_pointer(&s->current, next);

	synchronize_rcu();
	return old;
}

#endif
