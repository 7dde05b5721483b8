/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash-2-4 (Aumasson and Bernstein): a keyed hash for what strangers choose (names in tables), and, its output
 * being unpredictable without the key, the MAC of short values such as nonces. Pure function, any thread.
 */
#ifndef TANDEM_SIGNALING_SIPHASH_H
#define TANDEM_SIGNALING_SIPHASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct siphash_key {
	uint64_t k[2];
};

static inline uint64_t siphash_rotate(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void siphash_round(uint64_t v[static 4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = siphash_rotate(v[1], 13) ^ v[0];
	v[3] = siphash_rotate(v[3], 16) ^ v[2];
	v[0] = siphash_rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = siphash_rotate(v[1], 17) ^ v[2];
	v[3] = siphash_rotate(v[3], 21) ^ v[0];
	v[2] = siphash_rotate(v[2], 32);
}

static inline uint64_t siphash(const struct siphash_key *key, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t v[4] = {key->k[0] ^ 0x736f6d6570736575ull, key->k[1] ^ 0x646f72616e646f6dull,
			 key->k[0] ^ 0x6c7967656e657261ull, key->k[1] ^ 0x7465646279746573ull};
	uint64_t word = (uint64_t)len << 56;

	for (size_t rest = len; rest >= 8; rest -= 8, at += 8) {
		uint64_t m;

		memcpy(&m, at, 8);
		v[3] ^= m;
		siphash_round(v);
		siphash_round(v);
		v[0] ^= m;
	}
	for (size_t i = 0; i < len % 8; i++)
		word |= (uint64_t)at[i] << (8 * i);
	v[3] ^= word;
	siphash_round(v);
	siphash_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		siphash_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
