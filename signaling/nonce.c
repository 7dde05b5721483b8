/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "signaling/keyed_hash.h"
#include "signaling/nonce.h"

/* A place holds serial and count in one word, so that taking a count is one compare-and-swap. */
#define NC_BITS     20
#define NC_MAX      ((1u << NC_BITS) - 1)
#define SERIAL_MASK ((1ull << (64 - NC_BITS)) - 1)

/* What the MAC covers. No padding. */
struct nonce_fields {
	uint64_t serial;
	uint32_t time_s;
	uint32_t family;
	uint8_t ip[16];
};
static_assert(sizeof(struct nonce_fields) == 32, "hashed as it lies");

/* serial 12 hex digits, time 8, MAC 32: 52, and 4 of zeros kept for a version. */
#define SERIAL_DIGITS  12
#define TIME_DIGITS    8
#define VERSION_DIGITS 4
static_assert(VERSION_DIGITS + SERIAL_DIGITS + TIME_DIGITS + 32 == NONCE_LEN, "all of the nonce is accounted for");

int nonces_init(struct nonces *nonces)
{
	nonces->used = calloc(NONCE_PLACES, sizeof(*nonces->used));
	if (nonces->used == NULL)
		return -ENOMEM;
	if (RAND_bytes((unsigned char *)nonces->key, sizeof(nonces->key)) != 1) {
		nonces_fini(nonces);
		return -EIO;
	}
	atomic_init(&nonces->serial, 1);
	return 0;
}

void nonces_fini(struct nonces *nonces)
{
	free(nonces->used);
	memset(nonces, 0, sizeof(*nonces));
}

static void hex_write(char *out, uint64_t value, int digits)
{
	for (int i = digits - 1; i >= 0; i--, value >>= 4)
		out[i] = "0123456789abcdef"[value & 15];
}

static bool hex_read(const char *text, int digits, uint64_t *value)
{
	uint64_t sum = 0;

	for (int i = 0; i < digits; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			sum = sum << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			sum = sum << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*value = sum;
	return true;
}

static void nonce_mac(const struct nonces *nonces, uint64_t serial, uint32_t time_s, const struct net_addr *remote,
		      uint64_t mac[static 2])
{
	struct nonce_fields fields = {.serial = serial, .time_s = time_s, .family = remote->family};

	/* The port is left out: a NAT may give a phone another one between two messages. */
	memcpy(fields.ip, remote->ip, sizeof(fields.ip));
	mac[0] = keyed_hash(nonces->key[0], 0, &fields, sizeof(fields));
	mac[1] = keyed_hash(nonces->key[1], 0, &fields, sizeof(fields));
}

void nonce_make(struct nonces *nonces, const struct net_addr *remote, uint64_t now_us, char out[static NONCE_LEN])
{
	uint64_t serial = atomic_fetch_add_explicit(&nonces->serial, 1, memory_order_relaxed) & SERIAL_MASK;
	uint32_t time_s = (uint32_t)(now_us / US_PER_S);
	uint64_t mac[2];

	nonce_mac(nonces, serial, time_s, remote, mac);
	hex_write(out, 1, VERSION_DIGITS);
	hex_write(out + VERSION_DIGITS, serial, SERIAL_DIGITS);
	hex_write(out + VERSION_DIGITS + SERIAL_DIGITS, time_s, TIME_DIGITS);
	hex_write(out + NONCE_LEN - 32, mac[0], 16);
	hex_write(out + NONCE_LEN - 16, mac[1], 16);
}

static bool nonce_read(const char *nonce, size_t len, uint64_t *serial, uint64_t *time_s, uint64_t mac[static 2])
{
	uint64_t version;

	return len == NONCE_LEN && hex_read(nonce, VERSION_DIGITS, &version) && version == 1 &&
	       hex_read(nonce + VERSION_DIGITS, SERIAL_DIGITS, serial) &&
	       hex_read(nonce + VERSION_DIGITS + SERIAL_DIGITS, TIME_DIGITS, time_s) &&
	       hex_read(nonce + NONCE_LEN - 32, 16, &mac[0]) && hex_read(nonce + NONCE_LEN - 16, 16, &mac[1]);
}

enum nonce_verdict nonce_check(const struct nonces *nonces, const char *nonce, size_t len,
			       const struct net_addr *remote, uint64_t now_us)
{
	uint64_t serial, time_s, got[2], expected[2];

	if (!nonce_read(nonce, len, &serial, &time_s, got))
		return NONCE_FOREIGN;
	nonce_mac(nonces, serial, (uint32_t)time_s, remote, expected);
	/* Both halves always, so that the time taken tells nothing. */
	if (((got[0] ^ expected[0]) | (got[1] ^ expected[1])) != 0)
		return NONCE_FOREIGN;
	return now_us / US_PER_S > time_s + NONCE_LIFETIME_S ? NONCE_STALE : NONCE_OK;
}

enum nonce_verdict nonce_use(struct nonces *nonces, const char *nonce, size_t len, uint32_t nc)
{
	uint64_t serial, time_s, mac[2], next;
	_Atomic uint64_t *place;

	if (!nonce_read(nonce, len, &serial, &time_s, mac))
		return NONCE_FOREIGN;
	if (nc == 0 || nc > NC_MAX || serial > SERIAL_MASK)
		return NONCE_STALE;
	place = &nonces->used[serial % NONCE_PLACES];
	next = serial << NC_BITS | nc;
	for (uint64_t seen = atomic_load_explicit(place, memory_order_relaxed);;) {
		/* A later serial in this place, or this one with as high a count: one comparison says both. */
		if (seen >= next)
			return NONCE_STALE;
		if (atomic_compare_exchange_weak_explicit(place, &seen, next, memory_order_relaxed,
							  memory_order_relaxed))
			return NONCE_OK;
	}
}
