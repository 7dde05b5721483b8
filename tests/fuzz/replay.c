/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds every file of the directories named on the command line to a fuzz target: its seeds as an ordinary test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data;
	long size;

	if (!file || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0) {
		perror(path);
		return 1;
	}
	rewind(file);
	data = malloc(size ? (size_t)size : 1); /* just its size, so that a sanitizer sees a byte read too far */
	if (!data || fread(data, 1, (size_t)size, file) != (size_t)size) {
		perror(path);
		return 1;
	}
	fclose(file);
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
	return 0;
}

static int replay_directory(const char *path, int *count)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	char name[4096];
	int failed = 0;

	if (!directory) {
		perror(path);
		return 1;
	}
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		failed += replay_file(name);
		(*count)++;
	}
	closedir(directory);
	return failed;
}

int main(int argc, char **argv)
{
	int failed = 0, count = 0;

	for (int i = 1; i < argc; i++)
		failed += replay_directory(argv[i], &count);
	printf("%d inputs replayed\n", count);
	return failed != 0 || count == 0;
}
