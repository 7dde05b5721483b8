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

/* liburcu is not instrumented: the thread sanitizer is told what it does. Any address that all share will do. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define SNAPSHOT_QUIESCENT() __tsan_release((void *)synchronize_rcu)
#define SNAPSHOT_WAITED()    __tsan_acquire((void *)synchronize_rcu)
#else
#define SNAPSHOT_QUIESCENT() ((void)0)
#define SNAPSHOT_WAITED()    ((void)0)
#endif

struct snapshot {
	void *current;
};

static inline const void *snapshot_get(const struct snapshot *s)
{
	return __atomic_load_n(&s->current, __ATOMIC_ACQUIRE);
}

/* Once per poll: nothing that snapshot_get() returned before is held any more. */
static inline void snapshot_quiescent(void)
{
	SNAPSHOT_QUIESCENT();
	rcu_quiescent_state();
}

/* Publish `next`; returns the old one, which no reader can hold any more: the caller frees it. Blocks; housekeeping
 * only. */
static inline void *snapshot_replace(struct snapshot *s, void *next)
{
	void *old = __atomic_exchange_n(&s->current, next, __ATOMIC_SEQ_CST);

	synchronize_rcu();
	SNAPSHOT_WAITED();
	return old;
}

#endif
