/* SPDX-License-Identifier: Apache-2.0 */
/* How a session's one writer writes its record, so that others may read it at any time. */
#ifndef TANDEM_MEDIA_RECORD_H
#define TANDEM_MEDIA_RECORD_H

#include "common/layout/media_session.h"

/* Counts: one writer, so a plain add is enough; readers see each whole. */
#define RECORD_GET(field)        atomic_load_explicit(&(field), memory_order_relaxed)
#define RECORD_SET(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)
#define RECORD_ADD(field, n)     RECORD_SET(field, RECORD_GET(field) + (n))

/* Around changes to what readers must not see half-way. */
static inline void record_write_begin(struct media_session *session)
{
	RECORD_ADD(session->sequence, 1);
	atomic_thread_fence(memory_order_release);
}

static inline void record_write_end(struct media_session *session)
{
	atomic_store_explicit(&session->sequence, RECORD_GET(session->sequence) + 1, memory_order_release);
}

#endif
