/* SPDX-License-Identifier: Apache-2.0 */
/* Sending for memory before it is needed: the calls that stand fill gigabytes, and each message is another call's. */
#include <string.h>

#include "signaling/call.h"

#define LINE       64u
#define HEAD_BYTES 512u /* our tag or branch stands in there, or the datagram waits for its memory */

static void prefetch(const void *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += LINE)
		__builtin_prefetch((const char *)at + i, 1, 2);
}

/* The fixed part of a record, and of its strings as many as most calls have. */
#define RECORD_BYTES (offsetof(struct call_record, arena) + 512u)

static void prefetch_call(const struct calls *calls, uint32_t slot)
{
	prefetch(&calls->call[slot], sizeof(struct call));
	prefetch(call_table_record(calls->table, slot), RECORD_BYTES);
}

/* A parameter's value that looks like a tag or branch of ours. True: it was a tag. */
static bool note(const struct engine *engine, const char *value, const char *end)
{
	uint32_t number;

	if (*value == 'w' && end - value >= IDENTIFIER_TAG) {
		if (!identifier_peek(value + IDENTIFIER_TAG_SLOT, &number) || number >= engine->calls->count)
			return false;
		prefetch_call(engine->calls, number);
		return true;
	}
	if (*value == 'z' && end - value >= IDENTIFIER_BRANCH &&
	    identifier_peek(value + IDENTIFIER_BRANCH_INDEX, &number) && number < engine->transactions->used)
		prefetch(&engine->transactions->pool[number], sizeof(struct transaction));
	return false;
}

void engine_look_ahead(const struct engine *engine, const uint8_t *data, uint32_t len)
{
	const struct calls *calls = engine->calls;
	const char *at = (const char *)data, *end = at + (len < HEAD_BYTES ? len : HEAD_BYTES);

	while ((at = memchr(at, '=', (size_t)(end - at))) && ++at < end)
		if ((*at == 'w' || *at == 'z') && note(engine, at, end))
			return;
	/* A new call takes the slot that was given back last; those of the messages before it are taken by then. */
	if (len > 7 && memcmp(data, "INVITE ", 7) == 0 && calls->free_slots >= ENGINE_LOOK_AHEAD)
		prefetch_call(calls, calls->free_slot[calls->free_slots - ENGINE_LOOK_AHEAD]);
}
