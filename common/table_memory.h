/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for the large tables of a process, which each message reads somewhere else: on huge pages where the system
 * has them, since on ordinary ones nearly every read waits for its address to be translated, too. Any thread.
 */
#ifndef TANDEM_COMMON_TABLE_MEMORY_H
#define TANDEM_COMMON_TABLE_MEMORY_H

#include <stddef.h>

/* As calloc(), for free(). What is not touched takes no memory, but for what is left of a huge page. */
void *table_calloc(size_t count, size_t size);
/* Huge pages for what has been allocated otherwise, and not been touched yet. */
void table_advise(void *memory, size_t bytes);

#endif
