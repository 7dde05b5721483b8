/* SPDX-License-Identifier: Apache-2.0 */
/* Load a configuration from text and keep what is said about it. */
#ifndef TANDEM_TESTS_CONFIG_LOAD_H
#define TANDEM_TESTS_CONFIG_LOAD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "tests/unit/check.h"

#define TEST_CORES 8

static char load_report[16384];

static inline struct config *load_file(const char *path)
{
	FILE *report = fmemopen(load_report, sizeof(load_report), "w");

	load_report[0] = '\0';
	struct config *config = config_load_for(path, TEST_CORES, report);
	fclose(report);
	return config;
}

static inline struct config *load_text(const char *text)
{
	char path[] = "/tmp/tandem-config-XXXXXX";
	int fd = mkstemp(path);
	size_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len) {
		perror(path);
		exit(1);
	}
	close(fd);
	struct config *config = load_file(path);
	unlink(path);
	return config;
}

/* The line of the report that begins "FILE:line:" and has `part` in it is there. */
static inline bool reported(unsigned int line, const char *part)
{
	char copy[sizeof(load_report)], mark[32], *rest = NULL;

	memcpy(copy, load_report, sizeof(copy));
	snprintf(mark, sizeof(mark), ":%u: ", line);
	for (char *one = strtok_r(copy, "\n", &rest); one != NULL; one = strtok_r(NULL, "\n", &rest)) {
		const char *colon = strchr(one, ':');

		if (colon != NULL && strncmp(colon, mark, strlen(mark)) == 0 && strstr(one, part) != NULL)
			return true;
	}
	printf("  expected at line %u: %s\n  reported: %s\n", line, part, load_report);
	return false;
}

/* Refused, with `part` said of `line`. */
#define CHECK_REFUSED(text, line, part)                                                                                \
	do {                                                                                                           \
		struct config *config_ = load_text(text);                                                              \
		CHECK(config_ == NULL);                                                                                \
		CHECK(reported(line, part));                                                                           \
		config_free(config_);                                                                                  \
	} while (0)

/* Accepted, with a warning. */
#define CHECK_WARNED(text, line, part)                                                                                 \
	do {                                                                                                           \
		struct config *config_ = load_text(text);                                                              \
		CHECK(config_ != NULL);                                                                                \
		CHECK(reported(line, part));                                                                           \
		CHECK(strstr(load_report, "warning: ") != NULL);                                                       \
		config_free(config_);                                                                                  \
	} while (0)

/* Accepted without a word. */
#define CHECK_ACCEPTED(text)                                                                                           \
	do {                                                                                                           \
		struct config *config_ = load_text(text);                                                              \
		CHECK(config_ != NULL);                                                                                \
		CHECK_TEXT(load_report, strlen(load_report), "");                                                      \
		config_free(config_);                                                                                  \
	} while (0)

#endif
