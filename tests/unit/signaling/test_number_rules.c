/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/number_rules.h"

#include <stdlib.h>

#include "tests/unit/check.h"

#define WORDS(literal) ((char *)(uintptr_t)(literal))

/* As the number becomes; in exactly the memory it has. */
static void check(const struct config_rewrite *rewrite, const char *number, const char *expected)
{
	size_t len = strlen(number);
	char *from = malloc(len + 1), *out = malloc(128);

	memcpy(from, number, len);
	CHECK_TEXT(out, number_rewrite(rewrite, sip_text(from, len), out, 128), expected);
	free(from);
	free(out);
}

static void test_strip_and_add(void)
{
	struct config_rewrite rewrite = {.strip = 2, .add = WORDS("+49")};

	check(NULL, "0030123", "0030123");
	check(&(struct config_rewrite){0}, "0030123", "0030123");
	check(&rewrite, "0030123", "+4930123");
	check(&rewrite, "00", "+49");
	check(&rewrite, "0", "+49");
	check(&rewrite, "", "+49");
	/* No numbers. */
	check(&rewrite, "anonymous", "anonymous");
	check(&rewrite, "0030-123", "0030-123");
}

static void test_first_that_fits(void)
{
	struct config_number_rule rules[] = {
	    {.prefix = WORDS("00"), .min_length = 6, .strip = 2, .add = WORDS("+")},
	    {.prefix = WORDS("0"), .strip = 1, .add = WORDS("+49")},
	    {.prefix = WORDS("11x"), .max_length = 3},
	    {.prefix = WORDS("+")},
	    {.suffix = WORDS("#"), .strip_end = 1, .add_end = WORDS("*9")},
	};
	struct config_rewrite rewrite = {.strip = 0, .add = WORDS("+4930"), .rules = rules, .rules_count = 5};

	check(&rewrite, "004312345", "+4312345");
	check(&rewrite, "00431", "+490431"); /* too short for the first */
	check(&rewrite, "0228001", "+49228001");
	check(&rewrite, "112", "112");
	check(&rewrite, "1123", "+49301123");
	check(&rewrite, "11*", "+493011*"); /* x is a digit */
	check(&rewrite, "+4312345", "+4312345");
	check(&rewrite, "7654#", "7654*9");
	check(&rewrite, "7654", "+49307654");
	check(&rewrite, "", "+4930");
	check(&rewrite, "alice", "alice");
}

static void test_ends(void)
{
	struct config_number_rule rules[] = {
	    {.min_length = 10, .max_length = 10, .strip = 3, .strip_end = 2, .add = WORDS("1"), .add_end = WORDS("2")},
	    {.prefix = WORDS("12"), .suffix = WORDS("21"), .strip = 9, .strip_end = 9},
	};
	struct config_rewrite rewrite = {.rules = rules, .rules_count = 2};
	char out[8];

	check(&rewrite, "0123456789", "1345672");
	check(&rewrite, "123456789", "123456789");
	check(&rewrite, "121", ""); /* prefix and suffix may overlap, and nothing need be left */
	CHECK_TEXT(out, number_rewrite(&rewrite, SIP_TEXT("12345678901"), out, sizeof(out)), "12345678");
	CHECK_TEXT(out, number_rewrite(&rewrite, SIP_TEXT("0123456789"), out, 4), "1345");
}

static const struct check_case cases[] = {
    {"strip and add", test_strip_and_add},
    {"the first rule that fits", test_first_that_fits},
    {"both ends, and little room", test_ends},
};
CHECK_MAIN(cases)
