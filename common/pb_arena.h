/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump allocator for protobuf-c unpacking: everything unpacked is dropped at once by pb_arena_reset().
 * One thread's; the memory is taken once. When it is full, unpacking fails (NULL), which the caller counts.
 */
#ifndef TANDEM_COMMON_PB_ARENA_H
#define TANDEM_COMMON_PB_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

struct pb_arena {
	ProtobufCAllocator allocator; /* pass &arena->allocator to ..._unpack() */
	uint8_t *memory;
	size_t size, used;
};

int pb_arena_init(struct pb_arena *arena, size_t size); /* 0 or -ENOMEM */
void pb_arena_fini(struct pb_arena *arena);
static inline void pb_arena_reset(struct pb_arena *arena)
{
	arena->used = 0;
}

#endif
