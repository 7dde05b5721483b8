/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NAT endpoints to keep reachable: a fixed table indexed by the endpoint's slot in the bindings segment, and a
 * bitmap of the occupied slots so that walking over them is quick however sparse they are.
 *
 * One thread owns a table. Memory is taken once, in endpoints_init().
 */
#ifndef TANDEM_KEEPALIVE_ENDPOINTS_H
#define TANDEM_KEEPALIVE_ENDPOINTS_H

#include <stdint.h>

struct endpoint {
	uint64_t id;         /* its life in the slot; 0 = the slot is free */
	uint64_t expires_us; /* monotonic */
	uint32_t worker;     /* the signaling worker that announced it, and that sends to it */
};

struct endpoints {
	struct endpoint *slot;
	uint64_t *occupied; /* one bit a slot */
	uint32_t capacity;
	uint32_t count;
};

enum endpoints_result { ENDPOINT_ADDED, ENDPOINT_REFRESHED, ENDPOINT_REFUSED };

int endpoints_init(struct endpoints *table, uint32_t capacity); /* capacity >= 1; 0 or -ENOMEM */
void endpoints_fini(struct endpoints *table);

/* Announced, again or for the first time; another id in an occupied slot takes its place. Refused: no such slot, or id
 * 0. */
enum endpoints_result endpoints_add(struct endpoints *table, uint32_t slot, uint64_t id, unsigned int worker,
				    uint64_t expires_us);

/* 0, or -ENOENT when this life of the slot is not in the table (it may be a later one that is). */
int endpoints_remove(struct endpoints *table, uint32_t slot, uint64_t id);

/* The first occupied slot in [from, capacity); `capacity` when there is none. */
uint32_t endpoints_next(const struct endpoints *table, uint32_t from);

#endif
