/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/layout/call_record.h"
#include "tandemctl/ctl.h"

#define ID_DIGITS 32
#define ID_LEAST  6

static void id_print(const uint8_t id[static 16], char out[static ID_DIGITS + 1])
{
	for (size_t i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", id[i]);
}

/* The calls whose id begins so; the last one's id is in `found`. */
static unsigned int find_calls(const struct segment *segment, uint32_t calls, const char *beginning,
			       char found[static ID_DIGITS + 1])
{
	static struct call_record record;
	char id[ID_DIGITS + 1];
	unsigned int count = 0;

	for (uint32_t slot = 0; slot < calls; slot++) {
		if (!call_record_read(segment->content, calls, slot, &record, NULL))
			continue;
		id_print(record.id, id);
		if (strncmp(id, beginning, strlen(beginning)) != 0)
			continue;
		memcpy(found, id, sizeof(id));
		count++;
	}
	return count;
}

/* Hexadecimal digits in small letters; hyphens, which the database writes, are left out. */
static bool read_beginning(const char *given, char beginning[static ID_DIGITS + 1])
{
	size_t len = 0;

	for (; *given != '\0'; given++) {
		if (*given == '-')
			continue;
		if (!isxdigit((unsigned char)*given) || len == ID_DIGITS)
			return false;
		beginning[len++] = (char)tolower((unsigned char)*given);
	}
	beginning[len] = '\0';
	return len >= ID_LEAST;
}

static int resolve(struct ctl *ctl, const char *given, char id[static ID_DIGITS + 1])
{
	char beginning[ID_DIGITS + 1];
	struct segment_spec spec;
	struct segment segment;
	unsigned int count;

	if (!read_beginning(given, beginning)) {
		ctl_error("hangup: '%s': expected %d to %d hexadecimal digits, as `tandemctl calls` shows them", given,
			  ID_LEAST, ID_DIGITS);
		return CTL_USAGE;
	}
	calls_spec(&spec, ctl->config);
	if (ctl_attach(ctl, &segment, &spec) != CTL_OK)
		return CTL_NOT_THERE;
	count = find_calls(&segment, spec.item_count, beginning, id);
	segment_detach(&segment);
	if (count != 1) {
		ctl_error(count == 0 ? "hangup: no call has the id %s"
				     : "hangup: more than one call's id begins with %s",
			  given);
		return CTL_FAILED;
	}
	return CTL_OK;
}

int ctl_hangup(struct ctl *ctl, int argc, char **argv)
{
	struct output *output = &ctl->output;
	char id[ID_DIGITS + 1], line[64], *answer;
	int status, given = ctl_parse(argc, argv, NULL, 1);

	if (given != 1) {
		if (given == 0)
			ctl_error("hangup: which call? `tandemctl calls` lists them");
		return CTL_USAGE;
	}
	status = resolve(ctl, argv[1], id);
	if (status != CTL_OK)
		return status;
	snprintf(line, sizeof(line), "hangup %s", id);
	status = ctl_ask(ctl, ROLE_SIGNALING, line, &answer);
	if (status == CTL_OK) {
		output_begin(output, stdout, ctl->json);
		output_member_text(output, "id", id);
		output_member_bool(output, "hung_up", true);
		output_say(output, "%s: hung up", id);
		output_end(output);
	} else {
		ctl_error("hangup %s: %s", id, answer != NULL ? answer : "no answer");
	}
	free(answer);
	return status;
}
