/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a text that a stranger chose lies in a hash table of this process. Nobody outside ever sees such a hash, so
 * it need not withstand those who see many, as SipHash (keyed_hash.h) does: it is enough that they can't tell in
 * advance which texts meet. NH, the universal hash of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway), promises that:
 * with a secret key as long as the text, two texts meet with a probability of 2^-64, whatever they are. It takes two
 * additions and a multiplication for 16 bytes, a tenth of SipHash. Pure; any thread.
 */
#ifndef TANDEM_SIGNALING_TEXT_HASH_H
#define TANDEM_SIGNALING_TEXT_HASH_H

#include <stdbool.h>

#include "signaling/keyed_hash.h"

#define TEXT_HASH_BLOCK 256u /* bytes; longer texts are hashed block by block */
#define TEXT_HASH_WORDS (TEXT_HASH_BLOCK / 8)

struct text_hash_key {
	uint64_t word[TEXT_HASH_WORDS + 2];
};

struct text_hash {
	uint64_t a, b;
};

static inline void text_hash_init(struct text_hash_key *key, const uint8_t secret[static 16])
{
	for (uint64_t i = 0; i < TEXT_HASH_WORDS + 2; i++)
		key->word[i] = keyed_hash(secret, 0x6e68, &i, sizeof(i));
}

static inline uint64_t text_hash_load(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline unsigned __int128 text_hash_pair(const uint64_t key[2], uint64_t first, uint64_t second)
{
	return (unsigned __int128)(first + key[0]) * (second + key[1]);
}

/* The last 1 to 16 bytes as two words, which together with the length tell them apart. */
static inline unsigned __int128 text_hash_tail(const uint64_t key[2], const uint8_t *at, size_t len)
{
	uint32_t head = 0, tail = 0;

	if (len >= 8)
		return text_hash_pair(key, text_hash_load(at), text_hash_load(at + len - 8));
	if (len >= 4) {
		memcpy(&head, at, 4);
		memcpy(&tail, at + len - 4, 4);
	} else if (len) {
		head = at[0] | (uint32_t)at[len / 2] << 8 | (uint32_t)at[len - 1] << 16;
	}
	return text_hash_pair(key, head, tail);
}

static inline struct text_hash text_hash_block(const struct text_hash_key *key, struct text_hash seed,
					       const uint8_t *at, size_t len)
{
	unsigned __int128 sum = 0;
	size_t i = 0;

	for (; len - i > 16; i += 16)
		sum += text_hash_pair(&key->word[i / 8], text_hash_load(at + i), text_hash_load(at + i + 8));
	sum += text_hash_tail(&key->word[i / 8], at + i, len - i);
	/* Every bit of it into every bit of the result: tables take the lowest. */
	uint64_t low = (uint64_t)sum ^ seed.a, high = (uint64_t)(sum >> 64) ^ seed.b ^ len;
	unsigned __int128 x = (unsigned __int128)(low ^ key->word[TEXT_HASH_WORDS]) * 0x9e3779b97f4a7c15u;
	unsigned __int128 y = (unsigned __int128)(high ^ key->word[TEXT_HASH_WORDS + 1]) * 0xd6e8feb86659fd93u;

	return (struct text_hash){(uint64_t)x ^ (uint64_t)(y >> 64) ^ keyed_hash_rotate(high, 32),
				  (uint64_t)y ^ (uint64_t)(x >> 64) ^ keyed_hash_rotate(low, 32)};
}

/* `seed` chains the parts of a compound key: what one part gave is the seed of the next; at first any constant. */
static inline struct text_hash text_hash(const struct text_hash_key *key, struct text_hash seed, const void *data,
					 size_t len)
{
	const uint8_t *at = data;

	for (; len > TEXT_HASH_BLOCK; len -= TEXT_HASH_BLOCK, at += TEXT_HASH_BLOCK)
		seed = text_hash_block(key, seed, at, TEXT_HASH_BLOCK);
	return text_hash_block(key, seed, at, len);
}

static inline bool text_hash_equal(struct text_hash a, struct text_hash b)
{
	return a.a == b.a && a.b == b.b;
}

#endif
