/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A unit test is a program: a table of cases, each a function of CHECKs. Prints one line a case and
 * "N passed, N failed" at the end; exits 1 when any failed.
 */
#ifndef TANDEM_TESTS_CHECK_H
#define TANDEM_TESTS_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int check_failures __attribute__((weak)); /* one for all files of a program */

#define CHECK(condition)                                                                       \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			printf("  %s:%d: not true: %s\n", __FILE__, __LINE__, #condition);     \
			check_failures++;                                                      \
		}                                                                              \
	} while (0)

#define CHECK_INT(got, expected)                                                                           \
	do {                                                                                               \
		long long got_ = (long long)(got), expected_ = (long long)(expected);                      \
		if (got_ != expected_) {                                                                   \
			printf("  %s:%d: %s is %lld, expected %lld\n", __FILE__, __LINE__, #got, got_, expected_); \
			check_failures++;                                                                  \
		}                                                                                          \
	} while (0)

#define CHECK_TEXT(got, got_len, expected)                                                                        \
	do {                                                                                                      \
		size_t len_ = (size_t)(got_len);                                                                  \
		if (len_ != strlen(expected) || memcmp((got), (expected), len_) != 0) {                           \
			printf("  %s:%d: %s is '%.*s', expected '%s'\n", __FILE__, __LINE__, #got, (int)len_,     \
			       (const char *)(got), (expected));                                                  \
			check_failures++;                                                                         \
		}                                                                                                 \
	} while (0)

struct check_case {
	const char *name;
	void (*run)(void);
};

static inline int check_main(const struct check_case *cases, int count)
{
	int failed = 0;

	for (int i = 0; i < count; i++) {
		check_failures = 0;
		cases[i].run();
		printf("%s %s\n", check_failures ? "FAIL" : "ok  ", cases[i].name);
		failed += check_failures != 0;
	}
	printf("%d passed, %d failed\n", count - failed, failed);
	return failed != 0;
}

#define CHECK_MAIN(cases) \
	int main(void) { setvbuf(stdout, NULL, _IOLBF, 0); return check_main(cases, (int)(sizeof(cases) / sizeof(cases[0]))); }

#endif
