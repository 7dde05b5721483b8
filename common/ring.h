/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single-producer single-consumer byte ring in shared memory.
 *
 * A message is reserved, written in place and published by one release store: a producer that dies mid-write
 * has published nothing. The consumer peeks, acts and only then releases: one that dies has lost nothing and
 * sees the same messages again. So delivery is at least once, and every message must bear being seen twice.
 * Positions are byte counts that never wrap (64 bits), so a consumer can remember how far it got.
 *
 * Neither side trusts what the other wrote: a position or a message header that can't be is counted in `faults`
 * and never followed. A consumer that meets one gives up what was published until then and goes on after it.
 *
 * No call here allocates, locks or enters the kernel.
 */
#ifndef TANDEM_COMMON_RING_H
#define TANDEM_COMMON_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_MAX_MESSAGE (256u * 1024u)

/* The shared part: content of a SEGMENT_RING segment. One cache line a writer; the bytes follow. */
struct ring {
	_Alignas(64) uint64_t capacity;     /* bytes of data, a power of two; written at creation only */
	_Alignas(64) _Atomic uint64_t head; /* written by the producer: bytes ever published */
	_Alignas(64) _Atomic uint64_t tail; /* written by the consumer: bytes ever released */
	_Alignas(64) uint8_t data[];
};

struct ring_producer {
	struct ring *ring;
	uint64_t head;      /* our own copy */
	uint64_t tail_seen; /* the consumer's, when we last looked */
	uint64_t capacity;
	uint64_t reserved;     /* where the reserved message starts */
	uint32_t reserved_len; /* 0 = nothing reserved */
	uint32_t faults;       /* times the consumer's position made no sense: count and log a change */
};

struct ring_consumer {
	struct ring *ring;
	uint64_t position; /* next message to peek */
	uint64_t head_seen;
	uint64_t capacity;
	uint64_t bad_head;               /* the last one that made no sense; a fault is counted once */
	uint64_t damage_from, damage_to; /* bytes given up: released together with what comes before them */
	uint32_t faults;                 /* times the ring was found damaged: count and log a change */
};

struct ring_message {
	const uint8_t *body;
	uint32_t len;
	uint16_t type; /* enum message_type of proto/messages.h */
	uint64_t end;  /* position just after this message: pass to ring_release() */
};

size_t ring_bytes(uint64_t capacity);                   /* memory a ring of this capacity takes */
void ring_create(struct ring *ring, uint64_t capacity); /* on zeroed memory; capacity is a power of two >= 4096 */

/* -EPROTO when the shared part is damaged. Each side has one thread at a time; a new life takes over where the last one
 * stood. */
int ring_producer_attach(struct ring_producer *p, struct ring *ring);
int ring_consumer_attach(struct ring_consumer *c, struct ring *ring); /* starts at the released position */

/* The longest message a ring of this capacity ever takes: half of it, and never more than RING_MAX_MESSAGE. */
uint32_t ring_longest(uint64_t capacity);

/*
 * Contiguous room for len bytes (> 0), aligned to 8, or NULL when the ring is full (the caller counts it: no silent
 * drop) or the message is longer than ring_longest(). Reserving again without publishing replaces the first.
 */
uint8_t *ring_reserve(struct ring_producer *p, uint32_t len);
/* Publish what was reserved, cut to `len` bytes actually used. `type` is not 0 and not 0xffff. */
void ring_publish(struct ring_producer *p, uint16_t type, uint32_t len);
/* Could `len` bytes be reserved now? An admission check that reserves nothing. */
bool ring_has_room(struct ring_producer *p, uint32_t len);
/* Published and not yet released, in bytes: how far the consumer is behind. */
uint64_t ring_backlog(const struct ring *ring);

/* Next message not yet peeked, in order; false when there is none. -- the bytes stay valid until released. */
bool ring_peek(struct ring_consumer *c, struct ring_message *message);
/* Give everything up to `end` back to the producer. */
void ring_release(struct ring_consumer *c, uint64_t end);
/* Peek again from the released position (after an error, say). */
void ring_rewind(struct ring_consumer *c);

#endif
