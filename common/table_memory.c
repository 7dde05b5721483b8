/* SPDX-License-Identifier: Apache-2.0 */
#include "common/table_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((uintptr_t)2 << 20)

void table_advise(void *memory, size_t bytes)
{
	uintptr_t from = ((uintptr_t)memory + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	uintptr_t to = ((uintptr_t)memory + bytes) & ~(HUGE_PAGE - 1);

	/* Only whole ones. It is a wish: where there are none, ordinary pages do. */
	if (from < to)
		madvise((char *)memory + (from - (uintptr_t)memory), to - from, MADV_HUGEPAGE);
}

void *table_calloc(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory)
		table_advise(memory, count * size);
	return memory;
}
