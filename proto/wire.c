/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/wire.h"

#define EACH_BYTE(n) (0x0101010101010101ull * (n))

/* Sixteen characters at once: what the compiler makes of it is a handful of instructions. */
typedef uint8_t characters __attribute__((vector_size(16)));
static_assert(sizeof(characters) <= WIRE_SLACK, "the last ones may reach behind the text");

uint8_t *wire_put_long_varint(uint8_t *to, uint64_t n)
{
	for (; n >> 56; n >>= 7)
		*to++ = (uint8_t)(n | 0x80);
	unsigned int more =
	    (64u - (unsigned int)__builtin_clzll(n | 1)) * 9 / 64; /* (bits - 1) / 7: all but the last */

	/* Seven bits to each of eight bytes, in three steps: to halves, to quarters, to bytes. */
	n = (n & 0x000000000fffffff) | (n & 0x00fffffff0000000) << 4;
	n = (n & 0x00003fff00003fff) | (n & 0x0fffc0000fffc000) << 2;
	n = (n & 0x007f007f007f007f) | (n & 0x3f803f803f803f80) << 1;
	n = htole64(n | (EACH_BYTE(0x80) & ((1ull << 8 * more) - 1)));
	memcpy(to, &n, sizeof(n));
	return to + more + 1;
}

uint8_t *wire_copy_printable(uint8_t *to, const char *text, uint32_t len)
{
	uint8_t *end = to + len;

	memcpy(to, text, len);
	for (; to < end; to += sizeof(characters)) {
		characters c, strange;

		memcpy(&c, to, sizeof(c));
		strange = (characters)((c < ' ') | (c > '~'));
		c = (c & ~strange) | (strange & '?');
		memcpy(to, &c, sizeof(c));
	}
	return end;
}

/* The length takes more than the one byte that was left for it. */
uint8_t *wire_end_long(uint8_t *start, uint8_t *to)
{
	uint8_t length[16];
	size_t len = (size_t)(to - start), more = (size_t)(wire_put_varint(length, len) - length) - 1;

	memmove(start + more, start, len);
	memcpy(start - 1, length, more + 1);
	return to + more;
}

/* Near the end of the message, or longer than eight bytes. */
static struct wire_number get_slowly(const uint8_t *at, const uint8_t *end)
{
	uint64_t n = 0;

	for (unsigned int shift = 0; shift < 64 && at < end; shift += 7) {
		uint8_t byte = *at++;

		if (shift == 63 && byte > 1)
			break;
		n |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return (struct wire_number){n, at};
	}
	return (struct wire_number){0, NULL};
}

struct wire_number wire_get_long_varint(const uint8_t *at, const uint8_t *end)
{
	uint64_t word, last;

	if (end - at < 8)
		return get_slowly(at, end);
	memcpy(&word, at, sizeof(word));
	word = le64toh(word);
	last = ~word & EACH_BYTE(0x80);
	if (!last)
		return get_slowly(at, end);
	at += (__builtin_ctzll(last) + 1) / 8;
	word &= (last ^ (last - 1)) & EACH_BYTE(0x7f); /* up to the first byte without the upper bit */
	/* The reverse of the three steps. */
	word = (word & 0x007f007f007f007f) | (word & 0x7f007f007f007f00) >> 1;
	word = (word & 0x00003fff00003fff) | (word & 0x3fff00003fff0000) >> 2;
	word = (word & 0x000000000fffffff) | (word & 0x0fffffff00000000) >> 4;
	return (struct wire_number){word, at};
}

int wire_get_address(struct wire_text message, struct net_addr *addr)
{
	struct wire_reader reader = wire_reader(message);
	struct wire_field f;
	int found;

	while ((found = wire_next(&reader, &f)) == 1) {
		switch (f.tag) {
		case WIRE_TAG(1, WIRE_BYTES):
			if (f.value != 0 && f.value != 4 && f.value != 16)
				return -EBADMSG;
			memset(addr->ip, 0, sizeof(addr->ip));
			memcpy(addr->ip, f.bytes, f.value);
			addr->family = f.value == 16 ? NET_IP6 : f.value == 4 ? NET_IP4 : NET_NONE;
			break;
		case WIRE_TAG(2, WIRE_VARINT):
			if ((uint32_t)f.value > UINT16_MAX)
				return -EBADMSG;
			addr->port = (uint16_t)f.value;
			break;
		default:
			if (wire_unknown(f, 2) < 0)
				return -EBADMSG;
		}
	}
	return found;
}
