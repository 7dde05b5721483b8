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

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config.h"
#include "counters.h"
#include "status.h"

struct process;
struct control_clients;

#define PROCESS_SOCKET_PATH 108

/*
 * The control socket of a role: /run/tandem/<node>/<role>.sock, or $TANDEM_RUNTIME_DIRECTORY/<role>.sock.
 * Returns 0, or -ENAMETOOLONG.
 *
 * One line of words in ("hangup 17\n"), one answer out, then the process closes. The answer's first line is "ok"
 * or "error"; what follows is for people, or what the command's help says.
 */
int process_socket_path(char out[static PROCESS_SOCKET_PATH], const char *node, enum process_role role);

/*
 * Where processes have users of their own (the caller is root, and there is a group "tandem"): make the directory of
 * the node's control sockets and locks such that each makes its files in it and none removes another's. Elsewhere the
 * first process makes it. 0 or a negative errno.
 */
int process_make_runtime_directory(const char *node);

/* A command of the control socket, declared in a table: "hangup ID". Writes its answer to out; returns 0 or a negative
 * errno. */
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
	/* About every 100 ms. */
	void (*housekeeping)(struct process *process, uint64_t now_us);
	const struct control_command *commands; /* ends with a NULL name; may be NULL */
	const char *more_usage;                 /* lines of --help beyond the common ones; may be NULL */
};

struct process {
	const struct process_hooks *hooks;
	struct config *config; /* the running one; housekeeping thread only (workers: snapshot) */
	struct segment status_segment, counters_segment;
	struct process_status *status; /* our own */
	struct counter_row *counters;  /* the housekeeping thread's row */
	void *context;                 /* the process's own */
	_Atomic bool stopping;         /* SIGTERM or SIGINT came: workers leave their loops */
	int control_fd, signal_fd;
	int lock_fd, memory_fd; /* held for life: a second one of this role and node can't start */
	int notify_fd;          /* sd_notify; -1 = nobody listens */
	struct control_clients *clients;
	uint64_t watchdog_us;      /* how often to tell the supervisor that all is well; 0 = it does not ask */
	uint64_t watchdog_told_us; /* monotonic */
	bool worker_stuck;         /* a worker has not beaten for long: the supervisor is told nothing */
};

/*
 * Parse argv, load the configuration, refuse to be the second one of this role on the node, attach status and
 * counters, block signals (so call it before anything starts threads), open the control socket. Returns 0, or an
 * exit status (sysexits.h) after an error message: EX_CONFIG when only another configuration can help, EX_UNAVAILABLE
 * when the segments are missing or of another make, EX_TEMPFAIL when another one runs.
 */
int process_init(struct process *process, const struct process_hooks *hooks, int argc, char **argv);
/*
 * Mark ready, then loop until SIGTERM: heartbeat, signals (SIGHUP = reload), control commands, housekeeping(),
 * log_drain(). The supervisor's watchdog is told that all is well only while every worker that has ever set its
 * beat_us in the status goes on doing so.
 */
void process_run(struct process *process);
/* When the workers have ended: take the process out of the status, free everything. */
void process_fini(struct process *process);

/*
 * Load the configuration anew and put it in force; what is wrong goes to `out`, as the control command would answer,
 * and leaves everything as it was. 0 or a negative errno.
 */
int process_reload(struct process *process, FILE *out);

/* Pin the calling thread to a core (-1 = leave it) and name it (NULL = leave that, too). */
void process_pin_thread(int core, const char *name);

#endif
