/* SPDX-License-Identifier: Apache-2.0 */
#include "ring.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define ALIGNMENT 8u
#define TYPE_SKIP 0xffffu /* no message: the rest of the bytes before the wrap */
#define SALT      0x5a3cu

/* Before every message. The check ties it to its place, so that leftover bytes of an earlier lap don't pass for one. */
struct message_header {
	uint32_t len;
	uint16_t type;
	uint16_t check;
};
static_assert(sizeof(struct message_header) == ALIGNMENT, "a skip always fits before the wrap");
static_assert(sizeof(struct ring) == 192, "capacity, head and tail have a cache line each: one writer a line");

static uint16_t check_of(uint64_t position, uint32_t len, uint16_t type)
{
	uint64_t mix = (position / ALIGNMENT) ^ ((uint64_t)len << 7) ^ type ^ SALT;

	return (uint16_t)(mix ^ (mix >> 16) ^ (mix >> 32));
}

static uint64_t rounded(uint64_t len)
{
	return (len + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
}

/* Bytes a message takes with its header. */
static uint64_t footprint(uint32_t len)
{
	return sizeof(struct message_header) + rounded(len);
}

static bool capacity_is_valid(uint64_t capacity)
{
	return capacity >= 4096 && capacity <= UINT64_MAX / 4 && (capacity & (capacity - 1)) == 0;
}

/* Can these be the two ends of what lies in a ring? */
static bool span_is_valid(uint64_t tail, uint64_t head, uint64_t capacity)
{
	return tail <= head && head - tail <= capacity && ((tail | head) & (ALIGNMENT - 1)) == 0;
}

size_t ring_bytes(uint64_t capacity)
{
	return sizeof(struct ring) + capacity;
}

void ring_create(struct ring *ring, uint64_t capacity)
{
	assert(capacity_is_valid(capacity));
	ring->capacity = capacity;
	atomic_store_explicit(&ring->head, 0, memory_order_relaxed);
	atomic_store_explicit(&ring->tail, 0, memory_order_release);
}

uint32_t ring_longest(uint64_t capacity)
{
	uint64_t half = capacity / 2 - sizeof(struct message_header);

	return half < RING_MAX_MESSAGE ? (uint32_t)half : RING_MAX_MESSAGE;
}

int ring_producer_attach(struct ring_producer *p, struct ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

	if (!capacity_is_valid(ring->capacity) || !span_is_valid(tail, head, ring->capacity))
		return -EPROTO;
	*p = (struct ring_producer){.ring = ring, .head = head, .tail_seen = tail, .capacity = ring->capacity};
	return 0;
}

int ring_consumer_attach(struct ring_consumer *c, struct ring *ring)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

	if (!capacity_is_valid(ring->capacity) || !span_is_valid(tail, head, ring->capacity))
		return -EPROTO;
	*c = (struct ring_consumer){.ring = ring, .position = tail, .head_seen = tail, .capacity = ring->capacity};
	return 0;
}

static void write_header(struct ring_producer *p, uint64_t position, uint16_t type, uint32_t len)
{
	struct message_header header = {.len = len, .type = type, .check = check_of(position, len, type)};

	memcpy(p->ring->data + (position & (p->capacity - 1)), &header, sizeof(header));
}

/* Bytes to skip so that the message does not wrap; UINT64_MAX when there is no room for both. */
static uint64_t find_room(struct ring_producer *p, uint32_t len)
{
	uint64_t before_wrap = p->capacity - (p->head & (p->capacity - 1));
	uint64_t need = footprint(len);
	uint64_t skip = need > before_wrap ? before_wrap : 0;

	if (len > ring_longest(p->capacity))
		return UINT64_MAX;
	if (p->capacity - (p->head - p->tail_seen) < skip + need) {
		uint64_t tail = atomic_load_explicit(&p->ring->tail, memory_order_acquire);

		if (!span_is_valid(tail, p->head, p->capacity) || tail < p->tail_seen) {
			p->faults++;
			return UINT64_MAX;
		}
		p->tail_seen = tail;
		if (p->capacity - (p->head - tail) < skip + need)
			return UINT64_MAX;
	}
	return skip;
}

bool ring_has_room(struct ring_producer *p, uint32_t len)
{
	return find_room(p, len) != UINT64_MAX;
}

uint8_t *ring_reserve(struct ring_producer *p, uint32_t len)
{
	uint64_t skip = find_room(p, len);

	p->reserved_len = 0;
	if (skip == UINT64_MAX)
		return NULL;
	if (skip)
		write_header(p, p->head, TYPE_SKIP, (uint32_t)(skip - sizeof(struct message_header)));
	p->reserved = p->head + skip;
	p->reserved_len = len;
	return p->ring->data + ((p->reserved + sizeof(struct message_header)) & (p->capacity - 1));
}

void ring_publish(struct ring_producer *p, uint16_t type, uint32_t len)
{
	assert(len <= p->reserved_len && type != 0 && type != TYPE_SKIP);
	write_header(p, p->reserved, type, len);
	p->head = p->reserved + footprint(len);
	p->reserved_len = 0;
	atomic_store_explicit(&p->ring->head, p->head, memory_order_release);
}

uint64_t ring_backlog(const struct ring *ring)
{
	/* The tail first: it only grows, so that the difference is never negative. */
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

	return head > tail ? head - tail : 0;
}

/* Is there anything after our position? A head that can't be is not believed. */
static bool look_at_head(struct ring_consumer *c)
{
	uint64_t head;

	if (c->position != c->head_seen)
		return true;
	head = atomic_load_explicit(&c->ring->head, memory_order_acquire);
	if (head == c->position)
		return false;
	if (!span_is_valid(c->position, head, c->capacity)) {
		if (head != c->bad_head)
			c->faults++;
		c->bad_head = head;
		return false;
	}
	c->head_seen = head;
	return true;
}

/* True when the header at the position is a message or a skip that lies within what is published. */
static bool read_header(struct ring_consumer *c, struct message_header *header)
{
	uint64_t offset = c->position & (c->capacity - 1);
	uint64_t before_wrap = c->capacity - offset, need;

	memcpy(header, c->ring->data + offset, sizeof(*header));
	need = footprint(header->len);
	if (header->check != check_of(c->position, header->len, header->type) || need > before_wrap ||
	    need > c->head_seen - c->position)
		return false;
	if (header->type == TYPE_SKIP)
		return need == before_wrap;
	return header->type != 0 && header->len <= ring_longest(c->capacity);
}

/* Where the next message starts is unknown: go on with what is published from now. */
static void give_up(struct ring_consumer *c)
{
	c->faults++;
	c->damage_from = c->position;
	c->damage_to = c->position = c->head_seen;
	/* Nothing before it waits for a release, so nobody would give these bytes back to a producer that needs them.
	 */
	if (atomic_load_explicit(&c->ring->tail, memory_order_relaxed) == c->damage_from)
		ring_release(c, c->damage_to);
}

bool ring_peek(struct ring_consumer *c, struct ring_message *message)
{
	struct message_header header;

	while (look_at_head(c)) {
		uint64_t body = c->position + sizeof(header);

		if (!read_header(c, &header)) {
			give_up(c);
			return false;
		}
		c->position += footprint(header.len);
		if (header.type == TYPE_SKIP)
			continue;
		*message = (struct ring_message){
		    .body = c->ring->data + (body & (c->capacity - 1)),
		    .len = header.len,
		    .type = header.type,
		    .end = c->position,
		};
		return true;
	}
	return false;
}

void ring_release(struct ring_consumer *c, uint64_t end)
{
	uint64_t tail = atomic_load_explicit(&c->ring->tail, memory_order_relaxed);

	assert(end <= c->position);
	if (end >= c->damage_from && end < c->damage_to)
		end = c->damage_to;
	if (end > tail)
		atomic_store_explicit(&c->ring->tail, end, memory_order_release);
}

void ring_rewind(struct ring_consumer *c)
{
	uint64_t tail = atomic_load_explicit(&c->ring->tail, memory_order_relaxed);

	/* We alone write it; if it is not ours any more, what we hold is the better truth. */
	if (span_is_valid(tail, c->position, c->capacity))
		c->position = tail;
	else
		c->faults++;
}
