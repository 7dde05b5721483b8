/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tandemctl/ctl.h"

static const struct column columns[] = {{"message", "", -1}};

int ctl_check(struct ctl *ctl, int argc, char **argv)
{
	const char *cores_text = NULL;
	const struct ctl_option options[] = {{"--cores", true, &cores_text}, {NULL, false, NULL}};
	struct output *output = &ctl->output;
	char *text = NULL, *rest = NULL;
	size_t len = 0;
	uint32_t cores;

	if (ctl_parse(argc, argv, options, 0) < 0 || !ctl_number("--cores", cores_text, &cores, 0))
		return CTL_USAGE;
	FILE *report = open_memstream(&text, &len);
	if (report == NULL) {
		ctl_error("check: out of memory");
		return CTL_FAILED;
	}
	struct config *config = config_load_for(ctl->config_path, cores, report);
	fclose(report);
	if (ctl->json) {
		output_begin(output, stdout, true);
		output_member_text(output, "file", ctl->config_path);
		output_member_bool(output, "valid", config != NULL);
		output_list(output, "messages", columns, 1);
		for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
			output_text(output, line);
		output_list_end(output);
		output_end(output);
	} else {
		fputs(text, stderr);
		if (config != NULL)
			printf("%s: %s\n", ctl->config_path, len > 0 ? "good, with warnings" : "good");
	}
	free(text);
	bool valid = config != NULL;
	config_free(config);
	return valid ? CTL_OK : CTL_CONFIG;
}
