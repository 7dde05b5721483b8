/* SPDX-License-Identifier: Apache-2.0 */
#include "rings.h"

#include <errno.h>
#include <stdio.h>

#include "proto/messages.h"

#define RING_VERSION 1
#define SMALLEST     (64u * 1024u)

static const struct {
	enum process_role from, to;
} routes[MESSAGE_TYPE_COUNT] = {
#define X(type, from_role, to_role, message) [MESSAGE_##type] = {ROLE_##from_role, ROLE_##to_role},
    MESSAGE_TABLE(X)
#undef X
};

/*
 * How far a consumer that is dead or slow may fall behind. Media and signaling: seconds of calls while the other
 * side starts again. Bindings: a resync of tens of thousands without a pause. Bursts: several of the largest.
 */
static const struct {
	enum process_role from, to;
	uint32_t bytes;
} sizes[] = {
    {ROLE_SIGNALING, ROLE_MEDIA, 1u << 20},
    {ROLE_MEDIA, ROLE_SIGNALING, 1u << 20},
    {ROLE_SIGNALING, ROLE_KEEPALIVE, 4u << 20},
    {ROLE_KEEPALIVE, ROLE_SIGNALING, 2u << 20},
};

unsigned int rings_threads(const struct config *config, enum process_role role)
{
	return role == ROLE_SIGNALING || role == ROLE_MEDIA ? config->process[role].workers_count : 1;
}

bool rings_allowed(enum process_role from, enum process_role to, uint16_t type)
{
	return type > MESSAGE_NONE && type < MESSAGE_TYPE_COUNT && routes[type].from == from && routes[type].to == to;
}

bool rings_exist(enum process_role from, enum process_role to)
{
	for (uint16_t type = MESSAGE_NONE + 1; type < MESSAGE_TYPE_COUNT; type++)
		if (rings_allowed(from, to, type))
			return true;
	return false;
}

static uint32_t power_of_two(uint64_t at_least)
{
	uint32_t bytes = SMALLEST;

	while (bytes < at_least && bytes < 1u << 31)
		bytes <<= 1;
	return bytes;
}

static uint32_t ring_capacity(const struct config *config, enum process_role from, enum process_role to)
{
	if (to == ROLE_CDRWRITER)
		return power_of_two((uint64_t)config->limits.cdr_ring_kb * 1024);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (sizes[i].from == from && sizes[i].to == to)
			return sizes[i].bytes;
	return SMALLEST;
}

static void fill_ring(void *content, const struct segment_spec *spec)
{
	ring_create(content, spec->item_count);
}

void rings_spec(struct segment_spec *spec, const struct config *config, enum process_role from,
		unsigned int from_thread, enum process_role to, unsigned int to_thread)
{
	uint32_t capacity = ring_capacity(config, from, to);

	*spec = (struct segment_spec){
	    .layout = SEGMENT_RING,
	    .version = RING_VERSION,
	    .item_size = 1,
	    .item_count = capacity,
	    .size = SEGMENT_HEADER + ring_bytes(capacity),
	    .fill = fill_ring,
	};
	snprintf(spec->name, sizeof(spec->name), "ring.%s-%u.%s-%u", process_role_name[from], from_thread,
		 process_role_name[to], to_thread);
}

/* The segment stays mapped for the life of the process, so nobody keeps its description. */
static struct ring *map_ring(const struct config *config, const struct segment_spec *spec, uint64_t *generation,
			     int *error)
{
	struct segment segment;
	struct ring *ring;

	*error = segment_attach(&segment, config->node, spec, true);
	if (*error)
		return NULL;
	ring = segment.content;
	if (ring->capacity == spec->item_count) {
		if (generation)
			*generation = segment.header->generation;
		return ring;
	}
	log_error("rings", "%s: capacity is %llu, expected %u: create it anew", spec->name,
		  (unsigned long long)ring->capacity, spec->item_count);
	segment_detach(&segment);
	*error = -EPROTO;
	return NULL;
}

static int positions_damaged(const char *name, const struct ring *ring)
{
	log_error("rings", "%s: impossible positions head=%llu tail=%llu: create it anew", name,
		  (unsigned long long)atomic_load(&ring->head), (unsigned long long)atomic_load(&ring->tail));
	return -EPROTO;
}

int rings_producer(struct ring_producer *p, const struct config *config, enum process_role from,
		   unsigned int from_thread, enum process_role to, unsigned int to_thread)
{
	struct segment_spec spec;
	struct ring *ring;
	int error;

	rings_spec(&spec, config, from, from_thread, to, to_thread);
	ring = map_ring(config, &spec, NULL, &error);
	if (ring && ring_producer_attach(p, ring))
		error = positions_damaged(spec.name, ring);
	return error;
}

int rings_consumer(struct ring_consumer *c, uint64_t *generation, const struct config *config, enum process_role from,
		   unsigned int from_thread, enum process_role to, unsigned int to_thread)
{
	struct segment_spec spec;
	struct ring *ring;
	int error;

	rings_spec(&spec, config, from, from_thread, to, to_thread);
	ring = map_ring(config, &spec, generation, &error);
	if (ring && ring_consumer_attach(c, ring))
		error = positions_damaged(spec.name, ring);
	return error;
}
