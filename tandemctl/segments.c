/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/bell.h"
#include "common/layout/segments.h"
#include "common/process.h"
#include "common/status.h"
#include "tandemctl/ctl.h"

#define DIRECTORY "/dev/shm"
#define MODE      0660

static const struct column columns[] = {
    {"name", "SEGMENT", -36}, {"state", "STATE", -10}, {"layout", "LAYOUT", -14},  {"bytes", "BYTES", 14},
    {"item_size", "ITEM", 8}, {"items", "ITEMS", 10},  {"version", "VERSION", 10},
};

struct list {
	struct segment_spec *specs;
	unsigned int count;
	char prefix[64]; /* of the node's files */
};

static const struct segment_spec *find_spec(const struct list *list, const char *name)
{
	for (unsigned int i = 0; i < list->count; i++) {
		if (strcmp(list->specs[i].name, name) == 0)
			return &list->specs[i];
	}
	return NULL;
}

/* Node names have no dots, so a prefix is one node's alone. */
static const char *name_in(const struct list *list, const char *file)
{
	size_t len = strlen(list->prefix);

	return strncmp(file, list->prefix, len) == 0 ? file + len : NULL;
}

/* Call `each` for every file of the node; stops at, and returns, the first value that is not 0. */
static int each_file(struct ctl *ctl, const struct list *list,
		     int (*each)(struct ctl *ctl, const struct list *list, const char *name))
{
	DIR *directory = opendir(DIRECTORY);
	struct dirent *entry;
	int status = 0;

	if (directory == NULL) {
		ctl_error("segments: %s: %s", DIRECTORY, strerror(errno));
		return CTL_NOT_THERE;
	}
	while (status == 0 && (entry = readdir(directory)) != NULL) {
		const char *name = name_in(list, entry->d_name);

		if (name != NULL)
			status = each(ctl, list, name);
	}
	closedir(directory);
	return status;
}

/* The header of a segment that may be there. "missing", "good", "differs" or why it can't be read. */
static const char *look(const struct ctl *ctl, const char *name, const struct segment_spec *spec,
			struct segment_header *header)
{
	int error = ctl_read_header(ctl, name, header);

	if (error != 0)
		memset(header, 0, sizeof(*header));
	if (error == -ENOENT)
		return "missing";
	if (error != 0)
		return error == -EPROTO ? "damaged" : "unreadable";
	if (spec == NULL)
		return "left over";
	return header->layout == spec->layout && header->version == spec->version && header->size == spec->size &&
		       header->item_size == spec->item_size && header->item_count == spec->item_count
		   ? "good"
		   : "differs";
}

static void put_segment(struct output *output, const char *name, const char *state, const struct segment_header *header)
{
	output_text(output, name);
	output_text(output, state);
	output_text(output, header->layout != 0 ? segment_layout_name(header->layout) : "");
	output_uint(output, header->size);
	output_uint(output, header->item_size);
	output_uint(output, header->item_count);
	output_uint(output, header->version);
}

static int put_left_over(struct ctl *ctl, const struct list *list, const char *name)
{
	struct segment_header header;

	if (find_spec(list, name) == NULL)
		put_segment(&ctl->output, name, look(ctl, name, NULL, &header), &header);
	return 0;
}

static int list_segments(struct ctl *ctl, const struct list *list)
{
	struct segment_header header;
	int status = CTL_OK;

	output_begin(&ctl->output, stdout, ctl->json);
	output_list(&ctl->output, "segments", columns, sizeof(columns) / sizeof(columns[0]));
	for (unsigned int i = 0; i < list->count; i++) {
		const struct segment_spec *spec = &list->specs[i];
		const char *state = look(ctl, spec->name, spec, &header);

		if (strcmp(state, "good") != 0)
			status = CTL_NOT_THERE;
		put_segment(&ctl->output, spec->name, state, &header);
	}
	if (each_file(ctl, list, put_left_over) != 0)
		status = CTL_NOT_THERE;
	output_list_end(&ctl->output);
	output_end(&ctl->output);
	return status;
}

/* The role that runs on this node, or NULL: what it has mapped must not be taken from under it. */
static const char *running_role(struct ctl *ctl, const struct list *list)
{
	const char *running = NULL;
	struct segment_header header;
	struct segment_spec spec;
	struct segment segment;

	status_spec(&spec);
	if (strcmp(look(ctl, spec.name, &spec, &header), "good") != 0 ||
	    segment_attach(&segment, ctl->config->node, &spec, false) != 0)
		return NULL;
	const struct status *status = segment.content;
	for (unsigned int role = 0; role < ROLE_COUNT && running == NULL; role++) {
		int32_t pid = atomic_load(&status->process[role].pid);

		if (pid > 0 && (kill(pid, 0) == 0 || errno == EPERM))
			running = process_role_name[role];
	}
	segment_detach(&segment);
	return running;
}

static int remove_one(struct ctl *ctl, const struct list *list, const char *name)
{
	int error = segment_remove(ctl->config->node, name);

	if (error != 0 && error != -ENOENT) {
		ctl_error("segments: " DIRECTORY "/%s%s: %s", list->prefix, name, strerror(-error));
		return CTL_FAILED;
	}
	return 0;
}

static int remove_left_over(struct ctl *ctl, const struct list *list, const char *name)
{
	return find_spec(list, name) == NULL ? remove_one(ctl, list, name) : 0;
}

/* What is in use is not replaced: false after a message. */
static bool may_replace(struct ctl *ctl, const struct list *list)
{
	struct segment_header header;

	for (unsigned int i = 0; i < list->count; i++) {
		const char *state = look(ctl, list->specs[i].name, &list->specs[i], &header);
		const char *running = strcmp(state, "differs") == 0 ? running_role(ctl, list) : NULL;

		if (running != NULL) {
			ctl_error("segments: %s differs from what the configuration asks for and %s is running; "
				  "stop the node first",
				  list->specs[i].name, running);
			return false;
		}
	}
	return true;
}

static int create_segments(struct ctl *ctl, const struct list *list, bool replace)
{
	unsigned int created = 0, kept = 0;
	int error = process_make_runtime_directory(ctl->config->node);

	if (error == 0)
		error = bells_make(ctl->config);
	if (error != 0) {
		ctl_error("segments: the directory of the control sockets and bells: %s", strerror(-error));
		return CTL_FAILED;
	}
	if (replace && !may_replace(ctl, list))
		return CTL_FAILED;
	for (unsigned int i = 0; i < list->count; i++) {
		int made = segment_create(ctl->config->node, &list->specs[i], MODE, replace);

		if (made == -EEXIST)
			ctl_error("segments: %s is there and differs from what the configuration asks for; "
				  "`segments create --replace` makes it anew, and drops what is in it",
				  list->specs[i].name);
		if (made < 0)
			return CTL_FAILED;
		created += made == 0;
		kept += made == 1;
	}
	if (replace && each_file(ctl, list, remove_left_over) != 0)
		return CTL_FAILED;
	output_begin(&ctl->output, stdout, ctl->json);
	output_member_uint(&ctl->output, "created", created);
	output_member_uint(&ctl->output, "kept", kept);
	output_say(&ctl->output, "node %s: %u segments created, %u kept", ctl->config->node, created, kept);
	output_end(&ctl->output);
	return CTL_OK;
}

static int remove_segments(struct ctl *ctl, const struct list *list)
{
	const char *running = running_role(ctl, list);
	int status;

	if (running != NULL) {
		ctl_error("segments: %s is running; stop the node first", running);
		return CTL_FAILED;
	}
	status = each_file(ctl, list, remove_one);
	if (status == CTL_OK) {
		output_begin(&ctl->output, stdout, ctl->json);
		output_member_bool(&ctl->output, "removed", true);
		output_say(&ctl->output, "node %s: no segments left", ctl->config->node);
		output_end(&ctl->output);
	}
	return status;
}

int ctl_segments(struct ctl *ctl, int argc, char **argv)
{
	const char *replace = NULL;
	const struct ctl_option options[] = {{"--replace", false, &replace}, {NULL, false, NULL}};
	int given = ctl_parse(argc, argv, options, 1), status = CTL_USAGE;
	struct list list = {NULL};

	if (given < 0)
		return CTL_USAGE;
	snprintf(list.prefix, sizeof(list.prefix), "tandem.%s.", ctl->config->node);
	if (segments_specs(ctl->config, &list.specs, &list.count) != 0) {
		ctl_error("segments: out of memory");
		return CTL_FAILED;
	}
	if (given == 1 && strcmp(argv[1], "create") == 0)
		status = create_segments(ctl, &list, replace != NULL);
	else if (given == 1 && strcmp(argv[1], "list") == 0)
		status = list_segments(ctl, &list);
	else if (given == 1 && strcmp(argv[1], "remove") == 0)
		status = remove_segments(ctl, &list);
	else
		ctl_error("segments: expected create, list or remove");
	free(list.specs);
	return status;
}
