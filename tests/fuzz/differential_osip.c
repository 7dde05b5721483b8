/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same messages through our parser and through libosip2 (osip_compare.h): they must agree. Where they may not is in
 * the table. Directories of messages are the arguments.
 */
#include "tests/fuzz/osip_compare.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
static const struct {
	const char *file;
	const char *what; /* what is compared; "accepted": only one of the two takes the message */
	const char *why;
} known[] = {
#include "differential_osip.def"
};
/* clang-format on */

static bool used[sizeof(known) / sizeof(known[0])];
static int failures, differing;
static const char *file_name;

static void differs(const char *what, const char *ours, const char *theirs)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].file, file_name) == 0 && strcmp(known[i].what, what) == 0) {
			used[i] = true;
			differing++;
			return;
		}
	}
	printf("FAIL %s: %s: ours '%s', osip '%s'\n", file_name, what, ours, theirs);
	failures++;
}

static void compare_file(const char *path)
{
	static struct sip_message ours;
	static char data[SIP_MESSAGE_MAX];
	osip_message_t *theirs;
	bool accepted, osip_accepted;
	size_t len;
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		failures++;
		return;
	}
	len = fread(data, 1, sizeof(data), file);
	fclose(file);
	if (osip_message_init(&theirs) != 0)
		abort();
	osip_accepted = osip_message_parse(theirs, data, len) == 0;
	accepted = sip_message_parse(&ours, data, len) == SIP_PARSE_OK;
	osip_same_number("accepted", accepted, osip_accepted);
	if (accepted && osip_accepted)
		osip_compare(&ours, theirs);
	osip_message_free(theirs);
}

static void compare_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	char name[4096];

	if (!directory) {
		perror(path);
		failures++;
		return;
	}
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		file_name = entry->d_name;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		compare_file(name);
	}
	closedir(directory);
}

int main(int argc, char **argv)
{
	osip_compare_init(differs);
	for (int i = 1; i < argc; i++)
		compare_directory(argv[i]);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (used[i])
			continue;
		printf("FAIL %s: %s: the difference in the table is no longer there\n", known[i].file, known[i].what);
		failures++;
	}
	printf("%d values compared, %d known differences, %d failures\n", osip_compared, differing, failures);
	return failures != 0 || osip_compared == 0;
}
