/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/identifier.h"

#include "signaling/keyed_hash.h"

#define BRANCH_PREFIX     "z9hG4bKt"
#define BRANCH_PREFIX_LEN 8

static char *put_hex(char *out, uint64_t value, unsigned int digits)
{
	for (unsigned int i = digits; i > 0; i--, value >>= 4)
		out[i - 1] = "0123456789abcdef"[value & 15];
	return out + digits;
}

static bool get_hex(const char **at, unsigned int digits, uint64_t *value)
{
	*value = 0;
	for (unsigned int i = 0; i < digits; i++) {
		char c = *(*at)++;

		if (c >= '0' && c <= '9')
			*value = *value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*value = *value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

static uint32_t check_value(const uint8_t key[16], const char *tag)
{
	return (uint32_t)keyed_hash(key, 0x746167, tag, IDENTIFIER_TAG - 8);
}

void identifier_tag_print(const struct identifier_tag *tag, const uint8_t key[16], char out[static IDENTIFIER_TAG])
{
	char *at = out;

	*at++ = 'w';
	at = put_hex(at, tag->worker, 2);
	at = put_hex(at, tag->slot, 8);
	at = put_hex(at, tag->nonce, 8);
	put_hex(at, check_value(key, out), 8);
}

int identifier_tag_parse(struct identifier_tag *tag, const uint8_t key[16], struct sip_text text)
{
	const char *at = text.at;
	uint64_t worker, slot, nonce, check;

	if (text.len != IDENTIFIER_TAG || *at++ != 'w')
		return -EINVAL;
	if (!get_hex(&at, 2, &worker) || !get_hex(&at, 8, &slot) || !get_hex(&at, 8, &nonce) ||
	    !get_hex(&at, 8, &check))
		return -EINVAL;
	if (key && check != check_value(key, text.at))
		return -EINVAL;
	tag->worker = (unsigned int)worker;
	tag->slot = (uint32_t)slot;
	tag->nonce = (uint32_t)nonce;
	return 0;
}

void identifier_branch_print(const struct identifier_branch *branch, char out[static IDENTIFIER_BRANCH])
{
	memcpy(out, BRANCH_PREFIX, BRANCH_PREFIX_LEN);
	put_hex(put_hex(put_hex(out + BRANCH_PREFIX_LEN, branch->worker, 2), branch->index, 8), branch->serial, 16);
}

int identifier_branch_parse(struct identifier_branch *branch, struct sip_text text)
{
	const char *at = text.at + BRANCH_PREFIX_LEN;
	uint64_t worker, index;

	if (text.len != IDENTIFIER_BRANCH || memcmp(text.at, BRANCH_PREFIX, BRANCH_PREFIX_LEN) != 0)
		return -EINVAL;
	if (!get_hex(&at, 2, &worker) || !get_hex(&at, 8, &index) || !get_hex(&at, 16, &branch->serial))
		return -EINVAL;
	branch->worker = (unsigned int)worker;
	branch->index = (uint32_t)index;
	return 0;
}
