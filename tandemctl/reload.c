/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tandemctl/ctl.h"

static const struct column columns[] = {
    {"process", "PROCESS", -10},
    {"result", "RESULT", -9},
    {"answer", "", -1},
};

static int reload_role(struct ctl *ctl, enum process_role role)
{
	static const char *const word[] = {
	    [CTL_OK] = "reloaded", [CTL_FAILED] = "refused", [CTL_NOT_THERE] = "not there"};
	struct output *output = &ctl->output;
	char *answer;
	int status = ctl_ask(ctl, role, "reload", &answer);

	output_text(output, process_role_name[role]);
	output_text(output, word[status]);
	output_text(output, answer != NULL ? answer : "");
	free(answer);
	return status;
}

int ctl_reload(struct ctl *ctl, int argc, char **argv)
{
	int given = ctl_parse(argc, argv, NULL, 1), status = CTL_OK;
	unsigned int only = ROLE_COUNT;

	if (given < 0)
		return CTL_USAGE;
	for (unsigned int role = 0; given == 1 && role < ROLE_COUNT; role++) {
		if (strcmp(argv[1], process_role_name[role]) == 0)
			only = role;
	}
	if (given == 1 && only == ROLE_COUNT) {
		ctl_error("reload: there is no process named %s; expected signaling, media, keepalive or cdrwriter",
			  argv[1]);
		return CTL_USAGE;
	}
	output_begin(&ctl->output, stdout, ctl->json);
	output_list(&ctl->output, "processes", columns, sizeof(columns) / sizeof(columns[0]));
	for (unsigned int role = 0; role < ROLE_COUNT; role++) {
		int one = only == ROLE_COUNT || only == role ? reload_role(ctl, role) : CTL_OK;

		/* A refusal says more than an absence. */
		if (one != CTL_OK && status != CTL_FAILED)
			status = one;
	}
	output_list_end(&ctl->output);
	output_end(&ctl->output);
	return status;
}
