/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers for messages that are kept (to be sent again, or to be answered later), in five sizes, taken once at
 * start. One thread's.
 */
#ifndef TANDEM_SIGNALING_MESSAGE_POOL_H
#define TANDEM_SIGNALING_MESSAGE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_POOL_CLASSES 5

struct message_buffer {
	struct message_buffer *next;
	uint32_t len;
	uint16_t class;
	uint16_t pad;
	uint8_t data[];
};

struct message_pool {
	struct {
		uint8_t *memory;
		struct message_buffer *free;
		uint32_t count, used, standing; /* used: ever; standing: now */
	} class[MESSAGE_POOL_CLASSES];
};

/* `messages`: about how many are kept at once. 0 or -ENOMEM. */
int message_pool_init(struct message_pool *pool, uint32_t messages);
void message_pool_fini(struct message_pool *pool);

/* A copy of data[0..len) in the smallest buffer that is free, or NULL. */
struct message_buffer *message_pool_keep(struct message_pool *pool, const void *data, size_t len);
/* The same, but of the sizes that there are few of, half is left to others. */
struct message_buffer *message_pool_keep_to_spare(struct message_pool *pool, const void *data, size_t len);
/* Memory that has been used so far: what is given back is used again first. */
size_t message_pool_touched(const struct message_pool *pool);
/* NULL is allowed. */
void message_pool_free(struct message_pool *pool, struct message_buffer *buffer);

#endif
