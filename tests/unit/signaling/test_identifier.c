/* SPDX-License-Identifier: Apache-2.0 */
/* Tags and branches of ours: what is printed is read again, and what was touched is not. */
#include <inttypes.h>
#include <stdlib.h>

#include "signaling/identifier.h"
#include "tests/unit/check.h"

#define ROUNDS 20000

static const uint8_t key[16] = "a secret of ours";

static uint64_t any(void)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static bool is_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static void tags(void)
{
	char text[IDENTIFIER_TAG], expected[IDENTIFIER_TAG + 1];
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct identifier_tag tag = {any() & 255, (uint32_t)any(), (uint32_t)any()}, read;
		unsigned int at = 1 + any() % (IDENTIFIER_TAG - 1);
		char other = (char)any();

		identifier_tag_print(&tag, key, text);
		snprintf(expected, sizeof(expected), "w%02x%08" PRIx32 "%08" PRIx32, tag.worker, tag.slot, tag.nonce);
		wrong += memcmp(text, expected, IDENTIFIER_TAG - 8) != 0;
		wrong += identifier_tag_parse(&read, key, sip_text(text, sizeof(text))) != 0;
		wrong += read.worker != tag.worker || read.slot != tag.slot || read.nonce != tag.nonce;
		wrong += !identifier_peek(text + IDENTIFIER_TAG_SLOT, &read.slot) || read.slot != tag.slot;
		if (text[at] == other)
			continue;
		text[at] = other;
		wrong += identifier_tag_parse(&read, key, sip_text(text, sizeof(text))) == 0;
		wrong += (identifier_tag_parse(&read, NULL, sip_text(text, sizeof(text))) == 0) !=
			 (is_digit(other) || at >= IDENTIFIER_TAG - 8);
	}
	CHECK_INT(wrong, 0);
}

static void branches(void)
{
	char text[IDENTIFIER_BRANCH], expected[IDENTIFIER_BRANCH + 1];
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct identifier_branch branch = {any() & 255, (uint32_t)any(), any()}, read;
		unsigned int at = 8 + any() % (IDENTIFIER_BRANCH - 8);

		identifier_branch_print(&branch, text);
		snprintf(expected, sizeof(expected), "z9hG4bKt%02x%08" PRIx32 "%016" PRIx64, branch.worker,
			 branch.index, branch.serial);
		wrong += memcmp(text, expected, sizeof(text)) != 0;
		wrong += identifier_branch_parse(&read, sip_text(text, sizeof(text))) != 0;
		wrong += read.worker != branch.worker || read.index != branch.index || read.serial != branch.serial;
		wrong += !identifier_peek(text + IDENTIFIER_BRANCH_INDEX, &read.index) || read.index != branch.index;
		text[at] = (char)any();
		wrong += (identifier_branch_parse(&read, sip_text(text, sizeof(text))) == 0) != is_digit(text[at]);
	}
	CHECK_INT(wrong, 0);
}

static const struct check_case cases[] = {
    {"tags", tags},
    {"branches", branches},
};
CHECK_MAIN(cases)
