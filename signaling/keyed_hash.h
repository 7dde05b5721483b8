/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-1-3 (Aumasson, Bernstein): a keyed hash of what strangers choose. Pure; any thread. */
#ifndef TANDEM_SIGNALING_KEYED_HASH_H
#define TANDEM_SIGNALING_KEYED_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t keyed_hash_rotate(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void keyed_hash_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = keyed_hash_rotate(v[1], 13) ^ v[0];
	v[0] = keyed_hash_rotate(v[0], 32);
	v[2] += v[3];
	v[3] = keyed_hash_rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = keyed_hash_rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = keyed_hash_rotate(v[1], 17) ^ v[2];
	v[2] = keyed_hash_rotate(v[2], 32);
}

/* `seed` chains the parts of a compound key: the hash of one part is the seed of the next. */
static inline uint64_t keyed_hash(const uint8_t key[16], uint64_t seed, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t k[2], word = 0;

	memcpy(k, key, sizeof(k));
	k[1] ^= seed;
	uint64_t v[4] = {k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d, k[0] ^ 0x6c7967656e657261,
			 k[1] ^ 0x7465646279746573};

	for (size_t left = len; left >= 8; left -= 8, at += 8) {
		memcpy(&word, at, 8);
		v[3] ^= word;
		keyed_hash_round(v);
		v[0] ^= word;
	}
	word = (uint64_t)len << 56;
	for (size_t i = 0; i < (len & 7); i++)
		word |= (uint64_t)at[i] << (8 * i);
	v[3] ^= word;
	keyed_hash_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	keyed_hash_round(v);
	keyed_hash_round(v);
	keyed_hash_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
