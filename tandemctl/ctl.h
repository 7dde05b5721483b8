/* SPDX-License-Identifier: Apache-2.0 */
/* tandemctl: one file a command, one table of commands (main.c). */
#ifndef TANDEM_TANDEMCTL_CTL_H
#define TANDEM_TANDEMCTL_CTL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/config.h"
#include "common/segment.h"
#include "tandemctl/output.h"

/* Exit statuses; docs and --help list them. */
enum ctl_status {
	CTL_OK = 0,
	CTL_FAILED = 1,    /* refused, or no such call, gateway, group ... */
	CTL_USAGE = 2,     /* the command line */
	CTL_CONFIG = 3,    /* the configuration file */
	CTL_NOT_THERE = 4, /* the node's shared memory or a process's control socket */
};

struct ctl {
	const char *config_path;
	const char *node; /* --node: what runs, whatever the file says; NULL = as the file says */
	bool json;
	struct config *config; /* NULL for commands that don't need it; with --node only the node and its limits */
	struct output output;  /* to stdout */
};

/* An option of a command: "--limit N". `value` points at what the user wrote, or at "" for one without a value. */
struct ctl_option {
	const char *name;
	bool has_value;
	const char **value;
};

enum ctl_needs {
	NEEDS_NOTHING, /* or loads the configuration itself */
	NEEDS_FILE,    /* the configuration as the file has it */
	NEEDS_NODE,    /* and the limits as the node's shared memory has them: the file may have been edited since */
};

struct ctl_command {
	const char *name;
	const char *arguments; /* for help */
	const char *help;
	enum ctl_needs needs;
	int (*run)(struct ctl *ctl, int argc, char **argv); /* argv[0] is the command; returns enum ctl_status */
};

int ctl_segments(struct ctl *ctl, int argc, char **argv);
int ctl_status(struct ctl *ctl, int argc, char **argv);
int ctl_calls(struct ctl *ctl, int argc, char **argv);
int ctl_registrations(struct ctl *ctl, int argc, char **argv);
int ctl_gateways(struct ctl *ctl, int argc, char **argv);
int ctl_counters(struct ctl *ctl, int argc, char **argv);
int ctl_hangup(struct ctl *ctl, int argc, char **argv);
int ctl_reload(struct ctl *ctl, int argc, char **argv);
int ctl_parameters(struct ctl *ctl, int argc, char **argv);
int ctl_check(struct ctl *ctl, int argc, char **argv);

/*
 * Take the options out of argv; what is left are the positional arguments, argc of them from argv[1] on. Returns
 * their number (argv[0] not counted), or -1 after a message: unknown option, or more than `most` arguments.
 */
int ctl_parse(int argc, char **argv, const struct ctl_option *options, int most);
/* A number an option was given; `fallback` when it was not. False after a message. */
bool ctl_number(const char *option, const char *text, uint32_t *value, uint32_t fallback);

/* "tandemctl: ..." on stderr. */
void ctl_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Load ctl->config; for commands that don't always need it. CTL_OK, or CTL_CONFIG with the faults on stderr. */
int ctl_load_config(struct ctl *ctl);
/* The first cache line of the node's segment, whatever it is. 0 or a negative errno. */
int ctl_read_header(const struct ctl *ctl, const char *name, struct segment_header *header);

/* The node's segment, read-only. CTL_OK, or CTL_NOT_THERE after a message that says what to do. */
int ctl_attach(struct ctl *ctl, struct segment *segment, const struct segment_spec *spec);

/*
 * One command over a role's control socket. Its answer, without the verdict, goes to *answer (zero-terminated, the
 * caller's; NULL when there is none). CTL_OK; CTL_FAILED when the process refused; CTL_NOT_THERE when nobody
 * answers, with the reason in *answer.
 */
int ctl_ask(struct ctl *ctl, enum process_role role, const char *line, char **answer);

#endif
