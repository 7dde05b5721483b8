/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/identifier.h"

#include "signaling/keyed_hash.h"

#define BRANCH_PREFIX     "z9hG4bKt"
#define BRANCH_PREFIX_LEN 8

/* Eight digits at once: a byte of a little-endian word for each. */
#define EACH(byte) (0x0101010101010101u * (byte))

/* The lower 32 bits as eight bytes of four bits, the highest ones in the lowest byte: as they are written. */
static uint64_t spread(uint32_t value)
{
	uint64_t x = value;

	x = (x << 32 | x >> 16) & 0x0000ffff0000ffffu;
	x = (x << 16 | x >> 8) & 0x00ff00ff00ff00ffu;
	x = (x << 8 | x >> 4) & EACH(0x0f);
	return x;
}

static char *put_hex(char *out, uint32_t value)
{
	uint64_t digits = spread(value);
	/* A carry into the fifth bit: ten and more, for which letters follow. */
	uint64_t letters = (digits + EACH(6)) >> 4 & EACH(1);
	uint64_t text = digits + EACH('0') + letters * ('a' - '0' - 10);

	memcpy(out, &text, sizeof(text));
	return out + sizeof(text);
}

static char *put_byte(char *out, unsigned int value)
{
	static const char digit[] = "0123456789abcdef";

	*out++ = digit[value >> 4 & 15];
	*out++ = digit[value & 15];
	return out;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool get_byte(const char **at, unsigned int *value)
{
	int high = digit_value((*at)[0]), low = digit_value((*at)[1]);

	*at += 2;
	*value = (unsigned int)high << 4 | (unsigned int)low;
	return high >= 0 && low >= 0;
}

/* 0x80 in each byte of x that is at least `least` and below 128; bytes from 128 on are for the caller to refuse. */
static uint64_t at_least(uint64_t x, uint8_t least)
{
	return (x + EACH(0x80u - least)) & EACH(0x80);
}

static bool get_hex(const char **at, uint32_t *value)
{
	uint64_t text;

	memcpy(&text, *at, sizeof(text));
	*at += sizeof(text);
	if (text & EACH(0x80))
		return false;
	uint64_t letters = at_least(text, 'a') & ~at_least(text, 'f' + 1);
	uint64_t numbers = at_least(text, '0') & ~at_least(text, '9' + 1);

	if ((letters | numbers) != EACH(0x80))
		return false;
	/* The lower half of a letter counts from 1. */
	uint64_t x = (text & EACH(0x0f)) + (letters >> 7) * 9;

	x = (x << 4 | x >> 8) & 0x00ff00ff00ff00ffu;
	x = (x << 8 | x >> 16) & 0x0000ffff0000ffffu;
	*value = (uint32_t)(x << 16 | x >> 32);
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
	at = put_byte(at, tag->worker);
	at = put_hex(at, tag->slot);
	at = put_hex(at, tag->nonce);
	put_hex(at, check_value(key, out));
}

int identifier_tag_parse(struct identifier_tag *tag, const uint8_t key[16], struct sip_text text)
{
	const char *at = text.at;
	uint32_t check = 0;

	if (text.len != IDENTIFIER_TAG || *at++ != 'w')
		return -EINVAL;
	if (!get_byte(&at, &tag->worker) || !get_hex(&at, &tag->slot) || !get_hex(&at, &tag->nonce) ||
	    (key && !get_hex(&at, &check)))
		return -EINVAL;
	return key && check != check_value(key, text.at) ? -EINVAL : 0;
}

bool identifier_peek(const char *at, uint32_t *value)
{
	return get_hex(&at, value);
}

bool identifier_is_branch(const char *at)
{
	return memcmp(at, BRANCH_PREFIX, BRANCH_PREFIX_LEN) == 0;
}

void identifier_branch_print(const struct identifier_branch *branch, char out[static IDENTIFIER_BRANCH])
{
	memcpy(out, BRANCH_PREFIX, BRANCH_PREFIX_LEN);
	out = put_hex(put_byte(out + BRANCH_PREFIX_LEN, branch->worker), branch->index);
	put_hex(put_hex(out, (uint32_t)(branch->serial >> 32)), (uint32_t)branch->serial);
}

int identifier_branch_parse(struct identifier_branch *branch, struct sip_text text)
{
	uint32_t high, low;

	if (text.len != IDENTIFIER_BRANCH || !identifier_is_branch(text.at))
		return -EINVAL;
	const char *at = text.at + BRANCH_PREFIX_LEN;

	if (!get_byte(&at, &branch->worker) || !get_hex(&at, &branch->index) || !get_hex(&at, &high) ||
	    !get_hex(&at, &low))
		return -EINVAL;
	branch->serial = (uint64_t)high << 32 | low;
	return 0;
}
