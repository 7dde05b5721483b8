/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/message_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/table_memory.h"

/* Most kept messages are responses and ACKs; an INVITE with its body takes the second or third size. */
static const struct {
	uint32_t size, share; /* one buffer for every `share` messages... */
	uint32_t least;       /* ...but never fewer than this */
} classes[MESSAGE_POOL_CLASSES] = {
    {512, 1, 16},
    {1024, 1, 16},
    {2048, 2, 16},
    {8192, 16, 8},
    {65536, 512, 4},
};

static size_t stride(unsigned int class)
{
	return sizeof(struct message_buffer) + classes[class].size;
}

int message_pool_init(struct message_pool *pool, uint32_t messages)
{
	memset(pool, 0, sizeof(*pool));
	for (unsigned int class = 0; class < MESSAGE_POOL_CLASSES; class ++) {
		uint32_t count = messages / classes[class].share;

		if (count < classes[class].least)
			count = classes[class].least;
		pool->class[class].memory = table_calloc(count, stride(class));
		if (!pool->class[class].memory) {
			message_pool_fini(pool);
			return -ENOMEM;
		}
		/* Never threaded through the memory in advance: what is not used is not touched. */
		pool->class[class].count = count;
	}
	return 0;
}

void message_pool_fini(struct message_pool *pool)
{
	for (unsigned int class = 0; class < MESSAGE_POOL_CLASSES; class ++)
		free(pool->class[class].memory);
	memset(pool, 0, sizeof(*pool));
}

size_t message_pool_touched(const struct message_pool *pool)
{
	size_t bytes = 0;

	for (unsigned int class = 0; class < MESSAGE_POOL_CLASSES; class ++)
		bytes += pool->class[class].used * stride(class);
	return bytes;
}

static struct message_buffer *take(struct message_pool *pool, unsigned int class, bool to_spare)
{
	struct message_buffer *buffer = pool->class[class].free;
	uint32_t left = to_spare && classes[class].share > 1 ? pool->class[class].count / 2 : 0;

	if (pool->class[class].standing + left >= pool->class[class].count ||
	    (!buffer && pool->class[class].used == pool->class[class].count))
		return NULL;
	pool->class[class].standing++;
	if (buffer) {
		pool->class[class].free = buffer->next;
		return buffer;
	}
	buffer = (struct message_buffer *)(pool->class[class].memory + pool->class[class].used++ * stride(class));
	buffer->class = (uint16_t) class;
	return buffer;
}

static struct message_buffer *keep(struct message_pool *pool, const void *data, size_t len, bool to_spare)
{
	for (unsigned int class = 0; class < MESSAGE_POOL_CLASSES; class ++) {
		struct message_buffer *buffer = len <= classes[class].size ? take(pool, class, to_spare) : NULL;

		if (buffer) {
			memcpy(buffer->data, data, len);
			buffer->len = (uint32_t)len;
			return buffer;
		}
	}
	return NULL;
}

struct message_buffer *message_pool_keep(struct message_pool *pool, const void *data, size_t len)
{
	return keep(pool, data, len, false);
}

struct message_buffer *message_pool_keep_to_spare(struct message_pool *pool, const void *data, size_t len)
{
	return keep(pool, data, len, true);
}

void message_pool_free(struct message_pool *pool, struct message_buffer *buffer)
{
	if (!buffer)
		return;
	pool->class[buffer->class].standing--;
	buffer->next = pool->class[buffer->class].free;
	pool->class[buffer->class].free = buffer;
}
