/* SPDX-License-Identifier: Apache-2.0 */
/* Processes as they are started and killed in life: each is a child that runs process_init(), _run() and _fini(). */
#include "common/process.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/unit/check.h"

static char node[32], folder[64], config_path[128];
static struct segment status_segment, counters_segment;

static void write_config(const char *log_level, const char *more)
{
	FILE *file = fopen(config_path, "w");

	fprintf(file,
		"node: %s\n"
		"log: {level: %s}\n"
		"processes:\n"
		"  signaling: {workers: [0], idle: nap}\n"
		"  media: {workers: [0], idle: nap}\n"
		"ports:\n"
		"  - {name: sip0, process: signaling, driver: tap, device: sip0, addresses: [192.0.2.10/24]}\n"
		"  - {name: rtp0, process: media, driver: tap, device: rtp0, addresses: [192.0.2.11/24]}\n"
		"database: {connection: \"dbname=none\"}\n"
		"spool: {directory: /tmp}\n"
		"%s",
		node, log_level, more);
	fclose(file);
}

static const struct process_status *status_of(enum process_role role)
{
	return &((const struct status *)status_segment.content)->process[role];
}

/* ---- the process under test ---- */

static int say(struct process *process, int argc, char **argv, FILE *out)
{
	for (int i = 1; i < argc; i++)
		fprintf(out, "%s%s", i > 1 ? " " : "", argv[i]);
	fprintf(out, "\n");
	return argc > 1 ? 0 : -EINVAL;
}

static int say_much(struct process *process, int argc, char **argv, FILE *out)
{
	for (int i = 0; i < 500000; i++)
		fprintf(out, "line %06d\n", i);
	return 0;
}

/* Take every descriptor there is, for a second. */
static int starved[64], starved_count;
static uint64_t starved_until_us;

static int starve(struct process *process, int argc, char **argv, FILE *out)
{
	struct rlimit few = {.rlim_cur = 64, .rlim_max = 64};
	int fd;

	if (setrlimit(RLIMIT_NOFILE, &few) < 0)
		return -errno;
	while ((fd = dup(0)) >= 0)
		starved[starved_count++] = fd;
	starved_until_us = clock_now_us() + US_PER_S;
	return 0;
}

static void feed(struct process *process, uint64_t now_us)
{
	while (now_us >= starved_until_us && starved_count > 0)
		close(starved[--starved_count]);
}

static const struct control_command commands[] = {
    {"starve", "", "leave no file descriptor", starve},
    {"say", "WORDS", "say them again", say},
    {"much", "", "a long answer", say_much},
    {NULL, NULL, NULL, NULL},
};

static int take_over(struct process *process, const struct config *next)
{
	return next->log_level == LOG_ERROR ? -ENOSPC : 0; /* the test's way to make it fail */
}

static const struct process_hooks hooks = {
    .role = ROLE_KEEPALIVE, .reload = take_over, .housekeeping = feed, .commands = commands};

static int run_process(const struct process_hooks *with)
{
	char *argv[] = {(char[]){"tandem-keepalive"}, (char[]){"--config"}, config_path, NULL};
	struct process process;
	int status = process_init(&process, with, 3, argv);

	if (status)
		return status;
	process_run(&process);
	process_fini(&process);
	return 0;
}

static pid_t start(void)
{
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(99);
		_exit(run_process(&hooks));
	}
	return child;
}

static bool wait_until_ready(pid_t child)
{
	for (int i = 0; i < 2000; i++) {
		if (status_of(ROLE_KEEPALIVE)->ready && status_of(ROLE_KEEPALIVE)->pid == child)
			return true;
		usleep(2000);
	}
	return false;
}

static int stop(pid_t child)
{
	int status = -1;

	kill(child, SIGTERM);
	waitpid(child, &status, 0);
	return status;
}

static int connect_control(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval patience = {.tv_sec = 10};

	CHECK_INT(process_socket_path(to.sun_path, node, ROLE_KEEPALIVE), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	CHECK_INT(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* One question, the whole answer. */
static const char *ask(const char *line)
{
	static char answer[8 << 20];
	int fd = connect_control();
	size_t len = 0;
	ssize_t got;

	CHECK_INT(send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
	while ((got = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0)
		len += (size_t)got;
	answer[len] = '\0';
	close(fd);
	return answer;
}

static bool starts_with(const char *text, const char *head)
{
	return strncmp(text, head, strlen(head)) == 0;
}

/* ---- cases ---- */

static void lives_and_ends(void)
{
	pid_t child = start();
	uint32_t starts;

	CHECK(wait_until_ready(child));
	starts = status_of(ROLE_KEEPALIVE)->starts;
	CHECK(clock_now_us() - status_of(ROLE_KEEPALIVE)->heartbeat_us < US_PER_S);
	CHECK_TEXT(status_of(ROLE_KEEPALIVE)->version, strlen(status_of(ROLE_KEEPALIVE)->version), TANDEM_VERSION);
	CHECK_INT(stop(child), 0);
	CHECK_INT(status_of(ROLE_KEEPALIVE)->pid, 0);
	CHECK_INT(status_of(ROLE_KEEPALIVE)->ready, 0);
	child = start();
	CHECK(wait_until_ready(child));
	CHECK_INT(status_of(ROLE_KEEPALIVE)->starts, starts + 1);
	CHECK_INT(stop(child), 0);
}

static void only_one_and_again_after_a_kill(void)
{
	pid_t child = start(), second;
	int status;

	CHECK(wait_until_ready(child));
	second = start();
	waitpid(second, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL);
	CHECK(starts_with(ask("ping\n"), "ok\n")); /* the first is unharmed */
	CHECK_INT(status_of(ROLE_KEEPALIVE)->pid, child);
	for (int i = 0; i < 5; i++) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		child = start();
		CHECK(wait_until_ready(child));
	}
	CHECK_INT(stop(child), 0);
}

/* A forgotten TANDEM_RUNTIME_DIRECTORY: other sockets, the same shared memory. */
static void only_one_whatever_its_folder(void)
{
	static const char *const names[] = {"keepalive.lock", "keepalive.sock"};
	char elsewhere[] = "/tmp/tandem-test-process-XXXXXX", path[200];
	pid_t child = start(), second;
	int status = -1;

	CHECK(wait_until_ready(child));
	CHECK(mkdtemp(elsewhere) != NULL);
	setenv("TANDEM_RUNTIME_DIRECTORY", elsewhere, 1);
	for (int i = 0; i < 2; i++) {
		second = start();
		for (int wait = 0; wait < 1000 && waitpid(second, &status, WNOHANG) == 0; wait++) {
			usleep(5000);
			if (wait == 998)
				kill(second, SIGKILL);
		}
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL);
		CHECK_INT(status_of(ROLE_KEEPALIVE)->pid, child);
		CHECK_INT(status_of(ROLE_KEEPALIVE)->ready, 1);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	second = start();
	CHECK(wait_until_ready(second));
	CHECK_INT(stop(second), 0);
	setenv("TANDEM_RUNTIME_DIRECTORY", folder, 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", elsewhere, names[i]);
		unlink(path);
	}
	rmdir(elsewhere);
}

static void answers_commands(void)
{
	pid_t child = start();
	const char *answer;

	CHECK(wait_until_ready(child));
	CHECK(starts_with(ask("ping\n"), "ok\ntandem-keepalive "));
	CHECK(strcmp(ask("say  hello\tworld \r\n"), "ok\nhello world\n") == 0);
	CHECK(strcmp(ask("say\n"), "error\n\n") == 0);
	CHECK(strcmp(ask("nonsense 1 2\n"), "error\nnonsense: unknown command; try help\n") == 0);
	CHECK(starts_with(ask("\n"), "error\n"));
	CHECK(starts_with(ask("a b c d e f g h i j k l m n o p q r\n"), "error\nmore than 16 words\n"));
	answer = ask("help\n");
	CHECK(strstr(answer, "reload - ") && strstr(answer, "say WORDS - say them again\n"));
	answer = ask("much\n");
	CHECK_INT(strlen(answer), 3 + 500000 * 12);
	CHECK(strstr(answer, "line 499999\n") != NULL);
	CHECK_INT(stop(child), 0);
}

static void clients_do_not_hold_it(void)
{
	pid_t child = start();
	uint64_t start_us;
	char line[3000];
	int mute[8], fd;

	CHECK(wait_until_ready(child));
	fd = connect_control(); /* asks for much, reads nothing */
	CHECK_INT(send(fd, "much\n", 5, MSG_NOSIGNAL), 5);
	for (int i = 0; i < 5; i++)
		mute[i] = connect_control(); /* say nothing */
	CHECK_INT(send(mute[0], "half a li", 9, MSG_NOSIGNAL), 9);
	memset(line, 'x', sizeof(line));
	CHECK(send(mute[1], line, sizeof(line), MSG_NOSIGNAL) > 0); /* no end of the line */
	start_us = clock_now_us();
	CHECK(starts_with(ask("ping\n"), "ok\n"));
	CHECK(clock_now_us() - start_us < US_PER_S);
	mute[5] = connect_control();
	mute[6] = connect_control();
	mute[7] = connect_control(); /* all places are taken: the next waits until a mute one's time is up */
	CHECK(starts_with(ask("ping\n"), "ok\n"));
	CHECK(clock_now_us() - start_us < 5 * US_PER_S);
	CHECK(clock_now_us() - status_of(ROLE_KEEPALIVE)->heartbeat_us < US_PER_S);
	for (int i = 0; i < 8; i++)
		close(mute[i]);
	close(fd);
	CHECK_INT(stop(child), 0);
}

static unsigned long cpu_ticks(pid_t pid)
{
	unsigned long user = 0, system = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	CHECK(file && fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2);
	if (file)
		fclose(file);
	return user + system;
}

static void no_descriptor_left_is_waited_for(void)
{
	pid_t child = start();
	unsigned long ticks;
	char answer[64] = "";
	int last, waiting;

	CHECK(wait_until_ready(child));
	CHECK(starts_with(ask("starve\n"), "ok\n"));
	last = connect_control(); /* gets the one that the question has left */
	usleep(50000);
	waiting = connect_control(); /* gets none */
	CHECK_INT(send(waiting, "ping\n", 5, MSG_NOSIGNAL), 5);
	ticks = cpu_ticks(child);
	usleep(500000);
	CHECK(cpu_ticks(child) - ticks < (unsigned long)sysconf(_SC_CLK_TCK) / 10);
	CHECK(clock_now_us() - status_of(ROLE_KEEPALIVE)->heartbeat_us < US_PER_S);
	CHECK(recv(waiting, answer, sizeof(answer) - 1, 0) > 0);
	CHECK(starts_with(answer, "ok\n"));
	close(waiting);
	close(last);
	CHECK_INT(stop(child), 0);
}

static void reload_changes_all_or_nothing(void)
{
	pid_t child = start();
	const struct process_status *status = status_of(ROLE_KEEPALIVE);
	char where[200];
	const char *answer;

	CHECK(wait_until_ready(child));
	CHECK_INT(status->config_generation, 1);
	write_config("warn", "");
	CHECK(starts_with(ask("reload\n"), "ok\n"));
	CHECK_INT(status->config_generation, 2);
	write_config("shouting", "");
	answer = ask("reload\n");
	snprintf(where, sizeof(where), "error\n%s:2: ", config_path);
	CHECK(starts_with(answer, where));
	CHECK_INT(status->config_generation, 2);
	write_config("warn", "limits: {calls: 777}\n");
	answer = ask("reload\n");
	CHECK(starts_with(answer, "error\n") && strstr(answer, "needs a restart"));
	write_config("error", "");
	CHECK(starts_with(ask("reload\n"), "error\n"));
	CHECK_INT(status->config_generation, 2);
	write_config("info", "");
	kill(child, SIGHUP);
	for (int i = 0; i < 1000 && status->config_generation == 2; i++)
		usleep(2000);
	CHECK_INT(status->config_generation, 3);
	CHECK_INT(stop(child), 0);
}

static void bad_starts_say_why(void)
{
	char *no_file[] = {(char[]){"x"}, (char[]){"--config"}, (char[]){"/nonexistent.yaml"}, NULL};
	char *no_option[] = {(char[]){"x"}, NULL};
	char *odd[] = {(char[]){"x"}, (char[]){"--config"}, config_path, (char[]){"more"}, NULL};
	struct process process;
	struct process_hooks media = {.role = ROLE_MEDIA};
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		int failed = 0;

		if (!freopen("/dev/null", "w", stderr))
			_exit(99);
		failed += process_init(&process, &hooks, 3, no_file) != EX_CONFIG;
		failed += process_init(&process, &hooks, 1, no_option) != EX_USAGE;
		failed += process_init(&process, &hooks, 4, odd) != EX_USAGE;
		segment_remove(node, "status");
		failed += run_process(&media) != EX_UNAVAILABLE;
		_exit(failed);
	}
	waitpid(child, &status, 0);
	CHECK_INT(status, 0);
}

static int notify_socket(char path[static 108])
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timeval patience = {.tv_sec = 5};

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/notify", folder);
	memcpy(path, at.sun_path, sizeof(at.sun_path));
	CHECK_INT(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static void expect_notification(int fd, const char *expected)
{
	char text[256] = "";
	ssize_t len;

	do {
		len = recv(fd, text, sizeof(text) - 1, 0);
		text[len < 0 ? 0 : len] = '\0';
	} while (len > 0 && strcmp(text, "WATCHDOG=1") == 0 && strcmp(expected, "WATCHDOG=1") != 0);
	if (!starts_with(text, expected)) {
		printf("  told '%s', expected '%s'\n", text, expected);
		check_failures++;
	}
}

static void tells_the_supervisor(void)
{
	char path[108];
	int fd = notify_socket(path);
	pid_t child;

	setenv("NOTIFY_SOCKET", path, 1);
	setenv("WATCHDOG_USEC", "200000", 1);
	child = start();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	expect_notification(fd, "READY=1");
	expect_notification(fd, "WATCHDOG=1");
	expect_notification(fd, "WATCHDOG=1");
	CHECK(starts_with(ask("reload\n"), "ok\n"));
	expect_notification(fd, "RELOADING=1\nMONOTONIC_USEC=");
	expect_notification(fd, "READY=1");
	/* A worker that beat long ago and not since. */
	((struct status *)status_segment.content)->process[ROLE_KEEPALIVE].worker[0].beat_us = 1;
	usleep(300000);
	while (recv(fd, path, sizeof(path), MSG_DONTWAIT) > 0)
		;
	usleep(500000);
	CHECK(recv(fd, path, sizeof(path), MSG_DONTWAIT) < 0);
	kill(child, SIGTERM);
	expect_notification(fd, "STOPPING=1");
	CHECK_INT(stop(child), 0);
	close(fd);
}

static const struct check_case cases[] = {
    {"lives and ends", lives_and_ends},
    {"only one, and again after a kill", only_one_and_again_after_a_kill},
    {"only one, whatever its folder", only_one_whatever_its_folder},
    {"answers commands", answers_commands},
    {"clients do not hold it", clients_do_not_hold_it},
    {"no descriptor left is waited for", no_descriptor_left_is_waited_for},
    {"reload changes all or nothing", reload_changes_all_or_nothing},
    {"tells the supervisor", tells_the_supervisor},
    {"bad starts say why", bad_starts_say_why},
};

static int set_up(void)
{
	struct segment_spec spec;

	snprintf(node, sizeof(node), "test-%d", (int)getpid());
	snprintf(folder, sizeof(folder), "/tmp/tandem-test-process-XXXXXX");
	if (!mkdtemp(folder))
		return -errno;
	snprintf(config_path, sizeof(config_path), "%s/tandem.yaml", folder);
	setenv("TANDEM_RUNTIME_DIRECTORY", folder, 1);
	write_config("info", "");
	status_spec(&spec);
	if (segment_create(node, &spec, 0600, false) || segment_attach(&status_segment, node, &spec, true))
		return -ENOMEM;
	counters_spec(&spec);
	if (segment_create(node, &spec, 0600, false) || segment_attach(&counters_segment, node, &spec, true))
		return -ENOMEM;
	return 0;
}

static void clean_up(void)
{
	static const char *const names[] = {"tandem.yaml", "notify", "keepalive.sock", "keepalive.lock", "media.lock"};
	char path[200];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
	segment_remove(node, "status");
	segment_remove(node, "counters");
}

int main(void)
{
	int failed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (set_up()) {
		printf("can't set up\n");
		return 1;
	}
	failed = check_main(cases, sizeof(cases) / sizeof(cases[0]));
	clean_up();
	return failed;
}
