/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The "bindings" segment: one fixed-size record for each registered contact (RFC 3261 section 10).
 *
 * One writer at a time: the signaling worker that owns the record's user. Everybody else, in any process, reads
 * through binding_record_read(), which never returns a torn record. A record whose sequence is odd was being
 * written when its writer died; it counts as free.
 */
#ifndef TANDEM_COMMON_LAYOUT_BINDING_RECORD_H
#define TANDEM_COMMON_LAYOUT_BINDING_RECORD_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/addr.h"
#include "common/segment.h"

#define BINDING_RECORD_VERSION 3
#define BINDING_USER_MAX       64
#define BINDING_CONTACT_MAX    256
#define BINDING_USER_AGENT_MAX 64

enum binding_state { BINDING_FREE, BINDING_STANDING };

enum binding_flag {
	BINDING_NAT = 1u << 0,           /* heard from another address than its Via or Contact names */
	BINDING_KEEPALIVE_DUE = 1u << 1, /* keepalive has not been told yet */
};

/* The first line is all that a keep-alive message needs: a million of them come round every half minute. */
struct binding_record {
	_Atomic uint32_t sequence; /* odd while being written */
	uint8_t state;             /* enum binding_state */
	uint8_t flags;             /* enum binding_flag */
	uint16_t port_index;       /* which of the process's SIP ports it registered through */
	uint64_t id;               /* the binding's life in this slot; kept when it is freed, raised by the next one */
	uint64_t expires_us;       /* monotonic */
	struct net_addr local;     /* our address that the REGISTER came to: the other end of its pinhole */
	struct net_addr remote;    /* where it came from: requests to the phone go here */
	uint64_t registered_us;    /* monotonic: first REGISTER of this life */
	uint64_t refreshed_us;     /* monotonic: the last one */
	uint64_t call_id_hash;     /* of the REGISTER that made or refreshed it last */
	uint64_t instance_hash;    /* of its Contact's +sip.instance (RFC 5626 section 4.1); 0 = it has none */
	uint32_t cseq;             /* of that REGISTER */
	uint16_t q_x1000;          /* preference, 0-1000 */
	uint16_t contact_len;
	uint8_t user_len, user_agent_len;
	uint8_t reserved[22];
	char user[BINDING_USER_MAX];       /* no terminating zero: the lengths tell */
	char contact[BINDING_CONTACT_MAX]; /* the URI alone, as the phone wrote it */
	char user_agent[BINDING_USER_AGENT_MAX];
};
static_assert(sizeof(struct binding_record) == 512, "stored in shared memory");
static_assert(offsetof(struct binding_record, user) == 128, "stored in shared memory");
static_assert(offsetof(struct binding_record, registered_us) == 64, "the first line is a struct binding_reach");

/* How a phone is reached: a record's first line. */
struct binding_reach {
	uint32_t sequence;
	uint8_t state, flags;
	uint16_t port_index;
	uint64_t id, expires_us;
	struct net_addr local, remote;
};
static_assert(sizeof(struct binding_reach) == 64 &&
		  offsetof(struct binding_reach, remote) == offsetof(struct binding_record, remote),
	      "the first line of a struct binding_record");

/* `registrations` of the configuration's limits. */
static inline void binding_segment_spec(struct segment_spec *spec, unsigned int registrations)
{
	memset(spec, 0, sizeof(*spec));
	snprintf(spec->name, sizeof(spec->name), "bindings");
	spec->layout = SEGMENT_BINDINGS;
	spec->writer = "signaling";
	spec->version = BINDING_RECORD_VERSION;
	spec->item_size = sizeof(struct binding_record);
	spec->item_count = registrations;
	spec->size = SEGMENT_HEADER + (uint64_t)registrations * sizeof(struct binding_record);
}

/* Word by word, so that a reader beside the writer is well defined. */
static inline void binding_record_copy_words(uint64_t *to, const uint64_t *from, size_t first, size_t last)
{
	for (size_t i = first; i < last; i++)
		__atomic_store_n(&to[i], __atomic_load_n(&from[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

/* The first words of a record as they stood at one moment; false when it is free, or none of four attempts was quiet.
 */
static inline bool binding_record_copy(const struct binding_record *shared, void *out, size_t words)
{
	for (int attempt = 0; attempt < 4; attempt++) {
		uint32_t before = atomic_load_explicit(&shared->sequence, memory_order_acquire);

		if (before & 1)
			continue;
		binding_record_copy_words((uint64_t *)out, (const uint64_t *)shared, 0, words);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&shared->sequence, memory_order_relaxed) == before)
			return ((const struct binding_reach *)out)->state == BINDING_STANDING;
	}
	return false;
}

/*
 * Copy a record. False when it is free, torn by a dead writer, or its lengths make no sense; also when a writer was
 * busy with it four times running.
 */
static inline bool binding_record_read(const struct binding_record *shared, struct binding_record *out)
{
	return binding_record_copy(shared, out, sizeof(*out) / 8) && out->user_len > 0 &&
	       out->user_len <= BINDING_USER_MAX && out->contact_len <= BINDING_CONTACT_MAX &&
	       out->user_agent_len <= BINDING_USER_AGENT_MAX;
}

/* Its first line alone. */
static inline bool binding_record_reach(const struct binding_record *shared, struct binding_reach *out)
{
	return binding_record_copy(shared, out, sizeof(*out) / 8);
}

#endif
