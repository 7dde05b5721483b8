/* SPDX-License-Identifier: Apache-2.0 */
#include "../check.h"
#include "common/clock.h"
#include "signaling/nonce.h"

static struct nonces nonces;
static struct net_addr here, there;

static void begin(void)
{
	CHECK_INT(nonces_init(&nonces), 0);
	net_addr_parse(&here, "192.0.2.1:5060", 14);
	net_addr_parse(&there, "192.0.2.2:5060", 14);
}

static void test_fresh_and_expired(void)
{
	uint64_t now_us = 77 * US_PER_S;
	char nonce[NONCE_LEN];

	begin();
	nonce_make(&nonces, &here, now_us, nonce);
	CHECK_INT(nonce_check(&nonces, nonce, sizeof(nonce), &here, now_us), NONCE_OK);
	CHECK_INT(nonce_check(&nonces, nonce, sizeof(nonce), &here, now_us + NONCE_LIFETIME_S * US_PER_S), NONCE_OK);
	CHECK_INT(nonce_check(&nonces, nonce, sizeof(nonce), &here, now_us + (NONCE_LIFETIME_S + 1) * US_PER_S),
		  NONCE_STALE);
	here.port = 1024; /* a NAT may move the port */
	CHECK_INT(nonce_check(&nonces, nonce, sizeof(nonce), &here, now_us), NONCE_OK);
	nonces_fini(&nonces);
}

static void test_foreign(void)
{
	char nonce[NONCE_LEN];

	begin();
	nonce_make(&nonces, &here, 0, nonce);
	CHECK_INT(nonce_check(&nonces, nonce, sizeof(nonce), &there, 0), NONCE_FOREIGN);
	CHECK_INT(nonce_check(&nonces, nonce, sizeof(nonce) - 1, &here, 0), NONCE_FOREIGN);
	CHECK_INT(nonce_check(&nonces, "", 0, &here, 0), NONCE_FOREIGN);
	/* Every single digit counts. */
	for (unsigned int i = 0; i < sizeof(nonce); i++) {
		char kept = nonce[i];

		nonce[i] = kept == '0' ? '1' : '0';
		CHECK_INT(nonce_check(&nonces, nonce, sizeof(nonce), &here, 0), NONCE_FOREIGN);
		nonce[i] = 'G';
		CHECK_INT(nonce_check(&nonces, nonce, sizeof(nonce), &here, 0), NONCE_FOREIGN);
		nonce[i] = kept;
	}
	CHECK_INT(nonce_check(&nonces, nonce, sizeof(nonce), &here, 0), NONCE_OK);
	/* Another life has another key. */
	nonces_fini(&nonces);
	begin();
	CHECK_INT(nonce_check(&nonces, nonce, sizeof(nonce), &here, 0), NONCE_FOREIGN);
	nonces_fini(&nonces);
}

static void test_replay(void)
{
	char first[NONCE_LEN], second[NONCE_LEN];

	begin();
	nonce_make(&nonces, &here, 0, first);
	nonce_make(&nonces, &here, 0, second);
	CHECK(memcmp(first, second, sizeof(first)) != 0);
	CHECK_INT(nonce_use(&nonces, first, sizeof(first), 0), NONCE_STALE);
	CHECK_INT(nonce_use(&nonces, first, sizeof(first), 1), NONCE_OK);
	CHECK_INT(nonce_use(&nonces, first, sizeof(first), 1), NONCE_STALE);
	CHECK_INT(nonce_use(&nonces, second, sizeof(second), 1), NONCE_OK);
	CHECK_INT(nonce_use(&nonces, first, sizeof(first), 5), NONCE_OK);
	CHECK_INT(nonce_use(&nonces, first, sizeof(first), 4), NONCE_STALE);
	CHECK_INT(nonce_use(&nonces, first, sizeof(first), UINT32_MAX), NONCE_STALE);
	nonces_fini(&nonces);
}

/* A later nonce in the same place makes the earlier one stale, used or not: never accepted twice. */
static void test_place_taken_over(void)
{
	char first[NONCE_LEN], last[NONCE_LEN];

	begin();
	nonce_make(&nonces, &here, 0, first);
	for (unsigned int i = 0; i < NONCE_PLACES; i++)
		nonce_make(&nonces, &here, 0, last);
	CHECK_INT(nonce_use(&nonces, last, sizeof(last), 1), NONCE_OK);
	CHECK_INT(nonce_use(&nonces, first, sizeof(first), 9), NONCE_STALE);
	CHECK_INT(nonce_use(&nonces, last, sizeof(last), 2), NONCE_OK);
	nonces_fini(&nonces);
}

static const struct check_case cases[] = {
    {"fresh, then expired", test_fresh_and_expired},
    {"tampered, of another address, of another life", test_foreign},
    {"replayed", test_replay},
    {"a place taken over", test_place_taken_over},
};
CHECK_MAIN(cases)
