/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target as an ordinary test, without libFuzzer: every file of the folders named as it is, cut off at
 * every length, and with every byte changed in a few ways.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SEED 65536
#define MAX_CUTS 4096 /* longer seeds are cut and changed in their beginning only */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t seed[MAX_SEED];
static unsigned long runs;

/* A copy of its own for each input, so that a sanitizer sees the first byte beyond. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	runs++;
}

static void replay(size_t size)
{
	static const uint8_t changes[] = {0x01, 0x80, 0xff};
	size_t cuts = size < MAX_CUTS ? size : MAX_CUTS;

	run(seed, size);
	for (size_t len = 0; len < cuts; len++)
		run(seed, len);
	for (size_t at = 0; at < cuts; at++) {
		for (unsigned int i = 0; i < sizeof(changes); i++) {
			seed[at] ^= changes[i];
			run(seed, size);
			seed[at] ^= changes[i];
		}
	}
}

static int replay_file(const char *folder, const char *name)
{
	char path[4096];
	FILE *file;
	size_t size;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (!file) {
		perror(path);
		return 1;
	}
	size = fread(seed, 1, sizeof(seed), file);
	fclose(file);
	replay(size);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = argc < 2, files = 0;

	for (int i = 1; i < argc; i++) {
		DIR *folder = opendir(argv[i]);
		const struct dirent *entry;

		if (!folder) {
			perror(argv[i]);
			return 1;
		}
		while ((entry = readdir(folder))) {
			if (entry->d_name[0] == '.')
				continue;
			failed |= replay_file(argv[i], entry->d_name);
			files++;
		}
		closedir(folder);
	}
	printf("%d seeds, %lu inputs\n", files, runs);
	return failed || files == 0;
}
