/* SPDX-License-Identifier: Apache-2.0 */
#include "pb_arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 16 /* of malloc(): what protobuf-c expects */

static void *arena_alloc(void *data, size_t size)
{
	struct pb_arena *arena = data;
	size_t start = (arena->used + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);

	if (start > arena->size || size > arena->size - start)
		return NULL;
	arena->used = start + size;
	return arena->memory + start;
}

static void arena_free(void *data, void *pointer)
{
	/* Everything goes at once, at pb_arena_reset(). */
}

int pb_arena_init(struct pb_arena *arena, size_t size)
{
	memset(arena, 0, sizeof(*arena));
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	arena->memory = aligned_alloc(ALIGNMENT, size);
	if (!arena->memory)
		return -ENOMEM;
	memset(arena->memory, 0, size); /* the pages are there before the loop needs them */
	arena->size = size;
	arena->allocator = (ProtobufCAllocator){.alloc = arena_alloc, .free = arena_free, .allocator_data = arena};
	return 0;
}

void pb_arena_fini(struct pb_arena *arena)
{
	free(arena->memory);
	memset(arena, 0, sizeof(*arena));
}
