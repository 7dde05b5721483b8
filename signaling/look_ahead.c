/* SPDX-License-Identifier: Apache-2.0 */
/* Sending for memory before it is needed: the calls that stand fill gigabytes, and each message is another call's. */
#include <string.h>

#include "signaling/call.h"
#include "signaling/sip/scan.h"

#define LINE       64u
#define HEAD_BYTES 512u /* our tag or branch stands in there, or the datagram waits for its memory */

static inline void prefetch(const void *at, size_t bytes)
{
#pragma GCC unroll 32
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

/* A parameter's value that begins as a tag or branch of ours does. True: it was a tag. */
static bool note(const struct engine *engine, const char *value, const char *end)
{
	uint32_t number;

	if (*value == 'w' && end - value >= IDENTIFIER_TAG) {
		if (!identifier_peek(value + IDENTIFIER_TAG_SLOT, &number) || number >= engine->calls->count)
			return false;
		prefetch_call(engine->calls, number);
		return true;
	}
	if (end - value >= IDENTIFIER_BRANCH && identifier_is_branch(value) &&
	    identifier_peek(value + IDENTIFIER_BRANCH_INDEX, &number) && number < engine->transactions->used)
		prefetch(&engine->transactions->pool[number], sizeof(struct transaction));
	return false;
}

/* A bit for each equals sign before a 'w' or 'z'. `behind`: the same block, one byte later. */
static inline uint32_t values_in(sip_block block, sip_block behind)
{
	return sip_bits(sip_is(block, '=') & (sip_is(behind, 'w') | sip_is(behind, 'z')));
}

void engine_look_ahead(const struct engine *engine, const uint8_t *data, uint32_t len)
{
	const struct calls *calls = engine->calls;
	const char *at = (const char *)data, *end = at + (len < HEAD_BYTES ? len : HEAD_BYTES);

	/* What begins in the last block is too short for a tag or branch. */
	for (; end - at > SIP_BLOCK; at += SIP_BLOCK)
		for (uint32_t found = values_in(sip_load(at), sip_load(at + 1)); found; found &= found - 1)
			if (note(engine, at + __builtin_ctz(found) + 1, end))
				return;
	/* A new call takes the slot that was given back last; those of the messages before it are taken by then. */
	if (len > 7 && memcmp(data, "INVITE ", 7) == 0 && calls->free_slots >= ENGINE_LOOK_AHEAD)
		prefetch_call(calls, calls->free_slot[calls->free_slots - ENGINE_LOOK_AHEAD]);
}
