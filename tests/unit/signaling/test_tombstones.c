/* SPDX-License-Identifier: Apache-2.0 */
/* The log of ended transactions, and the hash that it goes by. */
#include "signaling/tombstones.h"
#include "tests/unit/check.h"

static struct text_hash_key secret;

static struct text_hash key_of(uint32_t n)
{
	return text_hash(&secret, (struct text_hash){0, 0}, &n, sizeof(n));
}

static void known_till_its_end(void)
{
	struct tombstones ts;
	const struct tombstone *found;

	CHECK_INT(tombstones_init(&ts, 1), 0);
	CHECK(!tombstone_find(&ts, key_of(1)));
	CHECK(tombstone_add(&ts, key_of(1), TOMBSTONE_OTHER, 200, 32000000));
	CHECK(tombstone_add(&ts, key_of(2), TOMBSTONE_INVITE, 0, 33000000));
	found = tombstone_find(&ts, key_of(1));
	CHECK(found && found->kind == TOMBSTONE_OTHER && found->value == 200);
	tombstones_sweep(&ts, 31999000);
	CHECK_INT(tombstones_standing(&ts), 2);
	tombstones_sweep(&ts, 32000000);
	CHECK(!tombstone_find(&ts, key_of(1)));
	CHECK(tombstone_find(&ts, key_of(2)));
	tombstones_sweep(&ts, 60000000);
	CHECK_INT(tombstones_standing(&ts), 0);
	tombstones_fini(&ts);
}

/* More than there is room for: the oldest go. Then places pass 2^32. */
static void full_and_round(void)
{
	struct tombstones ts;
	uint32_t room, lost = 0, n = 0;

	CHECK_INT(tombstones_init(&ts, 100000), 0);
	room = ts.capacity;
	/* As if it had run for long. */
	ts.first = ts.end = UINT32_MAX - room / 2 + 1;
	for (; n < 4 * room; n++)
		lost += !tombstone_add(&ts, key_of(n), TOMBSTONE_OTHER, n & TOMBSTONE_VALUE, 1000000);
	uint32_t standing = tombstones_standing(&ts), missing = 0, wrong = 0, ghosts = 0;

	CHECK_INT(lost, 4 * room - standing);
	CHECK(standing >= 100000);
	for (uint32_t i = 0; i < n; i++) {
		const struct tombstone *found = tombstone_find(&ts, key_of(i));

		if (i >= n - standing) {
			missing += !found;
			wrong += found && found->value != (i & TOMBSTONE_VALUE);
		} else {
			ghosts += found != NULL;
		}
	}
	CHECK_INT(missing, 0);
	CHECK_INT(wrong, 0);
	CHECK_INT(ghosts, 0);
	while (tombstones_standing(&ts))
		tombstones_sweep(&ts, 2000000);
	CHECK_INT(ts.free_blocks, ts.blocks - (ts.end % 1024 != 0));
	tombstones_fini(&ts);
}

/* Time in milliseconds has 32 bits here, and passes them after seven weeks. */
static void time_goes_round(void)
{
	struct tombstones ts;
	uint64_t now_us = (uint64_t)UINT32_MAX * 1000 - 5000000;

	CHECK_INT(tombstones_init(&ts, 1), 0);
	tombstone_add(&ts, key_of(1), TOMBSTONE_OTHER, 200, now_us + 32000000);
	tombstones_sweep(&ts, now_us + 31000000);
	CHECK(tombstone_find(&ts, key_of(1)));
	tombstones_sweep(&ts, now_us + 32001000);
	CHECK_INT(tombstones_standing(&ts), 0);
	tombstones_fini(&ts);
}

/* Texts of every length that differ in one bit, or in their length alone, differ in their hash. */
static void hashes_differ(void)
{
	uint8_t text[600] = {0};
	struct text_hash seed = {1, 2}, before = {0, 0};
	unsigned int same = 0;

	for (size_t len = 0; len <= sizeof(text); len++) {
		struct text_hash whole = text_hash(&secret, seed, text, len);

		same += whole.a == before.a || whole.b == before.b;
		before = whole;
		for (size_t bit = 0; bit < len * 8; bit += len < 40 ? 1 : 61) {
			text[bit / 8] ^= (uint8_t)(1u << bit % 8);
			struct text_hash other = text_hash(&secret, seed, text, len);

			same += whole.a == other.a || whole.b == other.b;
			text[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
	CHECK_INT(same, 0);
	CHECK(!text_hash_equal(text_hash(&secret, seed, "a", 1), text_hash(&secret, (struct text_hash){2, 1}, "a", 1)));
}

/* Numbers in a row spread over a table: no slot of 4096 gets much more than its 16. */
static void hashes_spread(void)
{
	static uint8_t low[4096], high[4096];
	unsigned int most = 0;
	char text[32];

	for (unsigned int i = 0; i < 65536; i++) {
		int len = snprintf(text, sizeof(text), "z9hG4bK-%u", i);
		struct text_hash hash = text_hash(&secret, (struct text_hash){1, 1}, text, (size_t)len);

		low[hash.a & 4095]++;
		high[hash.b >> 52]++;
	}
	for (unsigned int i = 0; i < 4096; i++) {
		most = low[i] > most ? low[i] : most;
		most = high[i] > most ? high[i] : most;
	}
	CHECK(most < 45);
}

static const struct check_case cases[] = {
    {"known till its end", known_till_its_end}, {"full, and places go round", full_and_round},
    {"time goes round", time_goes_round},       {"hashes differ", hashes_differ},
    {"hashes spread", hashes_spread},
};

int main(void)
{
	text_hash_init(&secret, (const uint8_t *)"0123456789abcdef");
	return check_main(cases, sizeof(cases) / sizeof(cases[0]));
}
