/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every process does the same way: command line (--config FILE), configuration, status, signals, the
 * control socket, readiness (sd_notify protocol, no library), heartbeat, log draining. A process's main() is a
 * list of its own init and term steps around process_init(), process_run() and process_fini().
 *
 * Everything here runs on the housekeeping (main) thread.
 */
#ifndef TANDEM_COMMON_PROCESS_H
#define TANDEM_COMMON_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config.h"
#include "counters.h"
#include "status.h"

struct process;

/* A command of the control socket, declared in a table: "hangup ID". Writes its answer to out; returns 0 or a negative errno. */
struct control_command {
	const char *name;
	const char *arguments; /* for help: "ID" */
	const char *help;
	int (*run)(struct process *process, int argc, char **argv, FILE *out);
};

struct process_hooks {
	enum process_role role;
	/*
	 * A new configuration is loaded and may replace the running one: take it over (snapshot_replace() what was
	 * built from it). 0, or a negative errno with the reason logged: then the old one stays in force and the
	 * new one is freed by the caller.
	 */
	int (*reload)(struct process *process, const struct config *next);
	/* About every 20 ms. */
	void (*housekeeping)(struct process *process, uint64_t now_us);
	const struct control_command *commands; /* ends with a NULL name; may be NULL */
};

struct process {
	const struct process_hooks *hooks;
	struct config *config;          /* the running one; housekeeping thread only (workers: snapshot) */
	struct segment status_segment, counters_segment;
	struct process_status *status;  /* our own */
	struct counter_row *counters;   /* the housekeeping thread's row */
	void *context;                  /* the process's own */
	volatile bool stopping;         /* SIGTERM or SIGINT came: workers leave their loops */
	int control_fd, signal_fd;
};

/*
 * Parse argv, load the configuration, attach status and counters, block signals, open the control socket
 * /run/tandem/<node>/<role>.sock (or $TANDEM_RUNTIME_DIRECTORY/...). Returns 0, or an exit status after an error message.
 */
int process_init(struct process *process, const struct process_hooks *hooks, int argc, char **argv);
/* Mark ready, then loop until SIGTERM: heartbeat, signals (SIGHUP = reload), control commands, housekeeping(). */
void process_run(struct process *process);
void process_fini(struct process *process);

/* Pin the calling thread to a core (-1 = leave it) and name it. */
void process_pin_thread(int core, const char *name);

#endif
