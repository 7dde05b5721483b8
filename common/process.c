/* SPDX-License-Identifier: Apache-2.0 */
#include "process_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "rings.h"

/* A wake-up of an idle core costs 50 us and more: seldom, but workers' lines wait as long for the log. */
#define HOUSEKEEPING_US (400 * US_PER_MS)
#define STUCK_US        (5 * US_PER_S) /* workers beat at least once a second */

static const char *role_name(const struct process *process)
{
	return process_role_name[process->hooks->role];
}

/* ---- start ---- */

static void print_usage(FILE *out, const struct process *process)
{
	fprintf(out,
		"usage: tandem-%s --config FILE\n"
		"  -c, --config FILE  the configuration\n"
		"  -h, --help         this text\n"
		"  -v, --version      the version\n"
		"%s",
		role_name(process), process->hooks->more_usage ? process->hooks->more_usage : "");
}

/* The configuration's path, or NULL after an error message. */
static const char *parse_arguments(const struct process *process, int argc, char **argv)
{
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'v'},
	    {NULL, 0, NULL, 0},
	};
	const char *path = NULL;
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "c:hv", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 'h':
			print_usage(stdout, process);
			exit(EX_OK);
		case 'v':
			printf("tandem-%s %s\n", role_name(process), TANDEM_VERSION);
			exit(EX_OK);
		default:
			path = NULL;
			optind = argc;
			goto wrong;
		}
	}
	if (path && optind == argc)
		return path;
wrong:
	print_usage(stderr, process);
	return NULL;
}

/* Every missing directory above the file; what exists is left alone. */
static int make_directories(const char *file)
{
	char path[PROCESS_SOCKET_PATH];

	snprintf(path, sizeof(path), "%s", file);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

int process_make_runtime_directory(const char *node)
{
	char path[PROCESS_SOCKET_PATH];
	int fd, error;

	if (geteuid() != 0 || segment_group() == (gid_t)-1)
		return 0;
	error = process_socket_path(path, node, ROLE_SIGNALING);
	if (!error)
		error = make_directories(path);
	if (error)
		return error;
	*strrchr(path, '/') = '\0';
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fchown(fd, 0, segment_group()) < 0 || fchmod(fd, 01770) < 0)
		error = -errno;
	close(fd);
	return error;
}

/*
 * Two lives of one role would take the control socket and the bells from each other. The lock is the kernel's and goes
 * with its holder, however that ends; the file stays, because removing it would let two hold "it" at once. The shared
 * memory, which another folder leads to as well, has a lock of its own: hold_status().
 */
static int take_lock(struct process *process)
{
	char path[PROCESS_SOCKET_PATH], pid[16] = "";
	int fd, len, error;

	error = process_socket_path(path, process->config->node, process->hooks->role);
	if (error)
		return error;
	strcpy(path + strlen(path) - strlen("sock"), "lock");
	error = make_directories(path);
	if (error) {
		log_error("process", "%s: can't make its directory: %s", path, strerror(-error));
		return error;
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
		error = -errno;
		if (fd >= 0 && read(fd, pid, sizeof(pid) - 1) >= 0)
			close(fd);
		if (error == -EWOULDBLOCK)
			log_error("process", "another %s of node %s runs already, pid %d", role_name(process),
				  process->config->node, atoi(pid));
		else
			log_error("process", "%s: can't lock: %s", path, strerror(-error));
		return error;
	}
	len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)len, 0) != len)
		log_warn("process", "%s: can't write the pid: %s", path, strerror(errno));
	process->lock_fd = fd;
	return 0;
}

static void start_status(struct process *process)
{
	struct process_status *status = process->status;
	uint64_t now_us = clock_now_us();

	atomic_store(&status->ready, 0);
	atomic_store(&status->pid, (int32_t)getpid());
	atomic_fetch_add(&status->starts, 1);
	atomic_store(&status->started_us, now_us);
	atomic_store(&status->heartbeat_us, now_us);
	atomic_store(&status->config_loaded_us, now_us);
	atomic_store(&status->config_generation, 1);
	atomic_store(&status->workers, process->config->process[process->hooks->role].workers_count);
	memset(status->version, 0, sizeof(status->version));
	snprintf(status->version, sizeof(status->version), "%s", TANDEM_VERSION);
	for (unsigned int i = 0; i < CONFIG_MAX_WORKERS; i++) {
		atomic_store(&status->worker[i].busy_cycles, 0);
		atomic_store(&status->worker[i].total_cycles, 0);
		atomic_store(&status->worker[i].polls, 0);
		atomic_store(&status->worker[i].polls_over_100us, 0);
		atomic_store(&status->worker[i].polls_over_1ms, 0);
		atomic_store(&status->worker[i].longest_poll_cycles, 0);
		atomic_store(&status->worker[i].beat_us, 0);
	}
}

static int attach_segments(struct process *process)
{
	struct segment_spec spec;
	int error;

	counters_spec(&spec);
	error = segment_attach(&process->counters_segment, process->config->node, &spec, true);
	if (error)
		return error;
	status_spec(&spec);
	error = segment_attach(&process->status_segment, process->config->node, &spec, true);
	if (error)
		return error;
	process->counters = counters_row(&process->counters_segment, role_name(process));
	return process->counters ? 0 : -ENOSPC;
}

/*
 * All that the node has in shared memory may have one writer of each role only: who holds the role's byte of the status
 * segment. Until then nothing there is ours, the role's status above all.
 */
static int hold_status(struct process *process)
{
	enum process_role role = process->hooks->role;
	struct process_status *status = &((struct status *)process->status_segment.content)->process[role];

	process->memory_fd = segment_hold(process->config->node, process->status_segment.name, role);
	if (process->memory_fd >= 0) {
		process->status = status;
		return 0;
	}
	if (process->memory_fd == -EWOULDBLOCK)
		log_error("process", "another %s of node %s runs already, pid %d, with another runtime directory",
			  role_name(process), process->config->node, (int)atomic_load(&status->pid));
	else
		log_error("process", "the shared memory can't be locked: %s", strerror(-process->memory_fd));
	return process->memory_fd;
}

/* Signals arrive as bytes to read, between other work, never in the middle of it. */
static int block_signals(struct process *process)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL))
		return -EINVAL;
	process->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (process->signal_fd >= 0)
		return 0;
	log_error("process", "signalfd: %s", strerror(errno));
	return -errno;
}

static int start(struct process *process, const char *path)
{
	int error;

	process->config = config_load(path);
	if (!process->config)
		return EX_CONFIG;
	log_set_level(process->config->log_level);
	error = take_lock(process);
	if (error)
		return error == -EWOULDBLOCK ? EX_TEMPFAIL : EX_CANTCREAT;
	error = attach_segments(process);
	if (error) {
		log_error("process", "no shared memory to work in; 'tandemctl segments create' makes it");
		return EX_UNAVAILABLE;
	}
	error = hold_status(process);
	if (error)
		return error == -EWOULDBLOCK ? EX_TEMPFAIL : EX_UNAVAILABLE;
	if (block_signals(process))
		return EX_OSERR;
	if (control_open(process))
		return EX_CANTCREAT;
	process_pin_thread(process->config->process[process->hooks->role].core, NULL);
	notify_open(process);
	start_status(process);
	return 0;
}

int process_init(struct process *process, const struct process_hooks *hooks, int argc, char **argv)
{
	const char *path;
	int status;

	memset(process, 0, sizeof(*process));
	process->hooks = hooks;
	process->control_fd = process->signal_fd = process->notify_fd = -1;
	process->lock_fd = process->memory_fd = -1;
	log_init(role_name(process), LOG_INFO);
	path = parse_arguments(process, argc, argv);
	if (!path)
		return EX_USAGE;
	status = start(process, path);
	if (status)
		process_fini(process);
	return status;
}

/* ---- reload ---- */

static int replace_config(struct process *process, struct config *next, FILE *out)
{
	const char *key = config_needs_restart(process->config, next);
	struct config *old = process->config;
	int error = 0;

	if (key) {
		fprintf(out, "%s: %s: a change of this needs a restart\n", next->path, key);
		return -EBUSY;
	}
	if (process->hooks->reload)
		error = process->hooks->reload(process, next);
	if (error) {
		fprintf(out, "%s: can't be put in force: %s; the log says why\n", next->path, strerror(-error));
		return error;
	}
	process->config = next;
	config_free(old);
	log_set_level(next->log_level);
	atomic_store(&process->status->config_loaded_us, clock_now_us());
	atomic_fetch_add(&process->status->config_generation, 1);
	return 0;
}

int process_reload(struct process *process, FILE *out)
{
	struct config *next;
	int error;

	notify_reloading(process);
	next = config_load_for(process->config->path, 0, out);
	error = next ? replace_config(process, next, out) : -EINVAL;
	if (error && next)
		config_free(next);
	notify_ready(process);
	if (error)
		return error;
	fprintf(out, "%s is in force\n", process->config->path);
	log_info("process", "configuration loaded path=%s generation=%llu", process->config->path,
		 (unsigned long long)atomic_load(&process->status->config_generation));
	return 0;
}

/* SIGHUP: nobody waits for an answer, so the log gets it. */
static void reload_and_log(struct process *process)
{
	char *text = NULL, *rest = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int error;

	if (!out)
		return;
	error = process_reload(process, out);
	fclose(out);
	if (error) {
		log_error("process", "reload refused, the running configuration stays in force");
		for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			log_error("process", "%s", line);
	}
	free(text);
}

/* ---- the loop ---- */

static void stop(struct process *process)
{
	process->stopping = true;
	atomic_store(&process->status->ready, 0);
	notify_stopping(process);
}

static void read_signals(struct process *process)
{
	struct signalfd_siginfo info;

	while (read(process->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			reload_and_log(process);
			continue;
		}
		log_info("process", "stopping on %s", info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
		stop(process);
	}
}

/* The first worker that has not beaten for long, or -1. One that has never begun is still being started. */
static int find_stuck_worker(const struct process *process, uint64_t now_us)
{
	for (unsigned int i = 0; i < CONFIG_MAX_WORKERS; i++) {
		uint64_t beat_us = atomic_load_explicit(&process->status->worker[i].beat_us, memory_order_relaxed);

		if (beat_us && now_us > beat_us + STUCK_US)
			return (int)i;
	}
	return -1;
}

static void beat(struct process *process, uint64_t now_us)
{
	int stuck = find_stuck_worker(process, now_us);

	atomic_store_explicit(&process->status->heartbeat_us, now_us, memory_order_relaxed);
	if (stuck >= 0 && !process->worker_stuck)
		log_error("process", "worker %d does not poll any more", stuck);
	if (stuck < 0 && process->worker_stuck)
		log_warn("process", "all workers poll again");
	process->worker_stuck = stuck >= 0;
	if (!process->worker_stuck)
		notify_watchdog(process, now_us);
}

static void wait_for_events(struct process *process, uint64_t until_us)
{
	struct pollfd fds[2 + CONTROL_CLIENTS];
	uint64_t now_us = clock_now_us();
	unsigned int count;

	fds[0] = (struct pollfd){.fd = process->signal_fd, .events = POLLIN};
	count = 1 + control_poll_set(process, fds + 1);
	poll(fds, count, until_us > now_us ? (int)((until_us - now_us + US_PER_MS - 1) / US_PER_MS) : 0);
}

void process_run(struct process *process)
{
	uint64_t housekeeping_us = clock_now_us();

	/* Once more: what was started since (DPDK, say) may have moved us. */
	process_pin_thread(process->config->process[process->hooks->role].core, NULL);
	atomic_store(&process->status->ready, 1);
	notify_ready(process);
	log_info("process", "ready version=%s node=%s", TANDEM_VERSION, process->config->node);
	while (!process->stopping) {
		uint64_t now_us = clock_now_us();

		read_signals(process);
		control_serve(process, now_us);
		if (now_us >= housekeeping_us) {
			beat(process, now_us);
			if (process->hooks->housekeeping)
				process->hooks->housekeeping(process, now_us);
			log_drain();
			housekeeping_us = now_us + HOUSEKEEPING_US;
		}
		if (!process->stopping)
			wait_for_events(process, housekeeping_us);
	}
}

/* ---- end ---- */

void process_fini(struct process *process)
{
	log_drain();
	control_close(process);
	if (process->signal_fd >= 0)
		close(process->signal_fd);
	notify_close(process);
	if (process->status) {
		atomic_store(&process->status->ready, 0);
		atomic_store(&process->status->pid, 0);
	}
	segment_detach(&process->status_segment);
	segment_detach(&process->counters_segment);
	if (process->config)
		config_free(process->config);
	if (process->memory_fd >= 0)
		close(process->memory_fd);
	if (process->lock_fd >= 0)
		close(process->lock_fd);
	memset(process, 0, sizeof(*process));
	process->control_fd = process->signal_fd = process->notify_fd = -1;
	process->lock_fd = process->memory_fd = -1;
}

void process_pin_thread(int core, const char *name)
{
	cpu_set_t cores;
	int error;

	if (name)
		pthread_setname_np(pthread_self(), name);
	if (core < 0)
		return;
	CPU_ZERO(&cores);
	if (core < CPU_SETSIZE)
		CPU_SET((unsigned int)core, &cores);
	error = pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores);
	if (error)
		log_warn("process", "can't run on core %d: %s", core, strerror(error));
}
