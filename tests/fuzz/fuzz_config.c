/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files: whatever is in one, it loads or is refused with a reason, and what loads equals itself. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/config.h"

#define CORES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("config", MFD_CLOEXEC);
	char path[64], *text = NULL;
	size_t len = 0;
	FILE *report = open_memstream(&text, &len);
	struct config *config;

	if (fd < 0 || report == NULL || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config = config_load_for(path, CORES, report);
	fclose(report);
	if (config == NULL && len == 0)
		abort();
	if (config != NULL && config_needs_restart(config, config) != NULL)
		abort();
	config_free(config);
	free(text);
	close(fd);
	return 0;
}
