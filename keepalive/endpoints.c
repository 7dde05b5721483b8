/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoints.h"

#include <errno.h>
#include <stdlib.h>

int endpoints_init(struct endpoints *table, uint32_t capacity)
{
	*table = (struct endpoints){.capacity = capacity};
	table->slot = calloc(capacity, sizeof(*table->slot));
	table->occupied = calloc(((size_t)capacity + 63) / 64, sizeof(*table->occupied));
	if (!table->slot || !table->occupied) {
		endpoints_fini(table);
		return -ENOMEM;
	}
	return 0;
}

void endpoints_fini(struct endpoints *table)
{
	free(table->slot);
	free(table->occupied);
	*table = (struct endpoints){0};
}

enum endpoints_result endpoints_add(struct endpoints *table, uint32_t slot, uint64_t id, unsigned int worker,
				    uint64_t expires_us)
{
	enum endpoints_result result = ENDPOINT_ADDED;

	if (slot >= table->capacity || id == 0)
		return ENDPOINT_REFUSED;
	if (table->slot[slot].id == id) {
		result = ENDPOINT_REFRESHED;
	} else if (table->slot[slot].id == 0) {
		table->occupied[slot / 64] |= 1ull << (slot % 64);
		table->count++;
	}
	table->slot[slot] = (struct endpoint){.id = id, .expires_us = expires_us, .worker = worker};
	return result;
}

int endpoints_remove(struct endpoints *table, uint32_t slot, uint64_t id)
{
	if (slot >= table->capacity || id == 0 || table->slot[slot].id != id)
		return -ENOENT;
	table->slot[slot] = (struct endpoint){0};
	table->occupied[slot / 64] &= ~(1ull << (slot % 64));
	table->count--;
	return 0;
}

uint32_t endpoints_next(const struct endpoints *table, uint32_t from)
{
	if (from >= table->capacity)
		return table->capacity;
	uint32_t words = (table->capacity + 63) / 64;
	uint32_t word = from / 64;
	uint64_t bits = table->occupied[word] & (~0ull << (from % 64));

	while (bits == 0) {
		if (++word == words)
			return table->capacity;
		bits = table->occupied[word];
	}
	return word * 64 + (uint32_t)__builtin_ctzll(bits);
}
