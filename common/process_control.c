/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket. Nothing here waits: a client that sends half a line, or does not read its answer, costs its
 * place until its time is up, and nothing else.
 */
#include "process_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

#define LINE_MAX_BYTES 1024
#define WORDS_MAX      16
#define ASK_US         (2 * US_PER_S)  /* for the whole question */
#define ANSWER_US      (10 * US_PER_S) /* for reading the whole answer */

/* One connection: reading its line while answer is NULL, then writing the answer. */
struct client {
	int fd; /* -1 = free */
	uint64_t deadline_us;
	size_t line_len;
	char line[LINE_MAX_BYTES];
	char *answer; /* from malloc() */
	size_t answer_len, answer_sent;
};

struct control_clients {
	struct client client[CONTROL_CLIENTS];
	bool accept_failed; /* for want of descriptors, say: who knocks goes on being ready, and we can't help it */
	char path[PROCESS_SOCKET_PATH];
};

int process_socket_path(char out[static PROCESS_SOCKET_PATH], const char *node, enum process_role role)
{
	const char *directory = getenv("TANDEM_RUNTIME_DIRECTORY");
	int len;

	if (directory && directory[0])
		len = snprintf(out, PROCESS_SOCKET_PATH, "%s/%s.sock", directory, process_role_name[role]);
	else
		len = snprintf(out, PROCESS_SOCKET_PATH, "/run/tandem/%s/%s.sock", node, process_role_name[role]);
	return len < PROCESS_SOCKET_PATH ? 0 : -ENAMETOOLONG;
}

/* ---- the commands of every process ---- */

static int run_ping(struct process *process, int argc, char **argv, FILE *out)
{
	fprintf(out, "tandem-%s %s pid %d\n", process_role_name[process->hooks->role], TANDEM_VERSION, (int)getpid());
	return 0;
}

static int run_reload(struct process *process, int argc, char **argv, FILE *out)
{
	return process_reload(process, out);
}

static int run_help(struct process *process, int argc, char **argv, FILE *out);

static const struct control_command common_commands[] = {
    {"ping", "", "say who is there", run_ping},
    {"reload", "", "load the configuration anew; a faulty one changes nothing", run_reload},
    {"help", "", "list the commands", run_help},
    {NULL, NULL, NULL, NULL},
};

static void list_commands(const struct control_command *commands, FILE *out)
{
	for (; commands && commands->name; commands++) {
		const char *arguments = commands->arguments ? commands->arguments : "";

		fprintf(out, "%s%s%s - %s\n", commands->name, arguments[0] ? " " : "", arguments, commands->help);
	}
}

static int run_help(struct process *process, int argc, char **argv, FILE *out)
{
	list_commands(common_commands, out);
	list_commands(process->hooks->commands, out);
	return 0;
}

static const struct control_command *find_command(const struct control_command *commands, const char *name)
{
	for (; commands && commands->name; commands++)
		if (strcmp(commands->name, name) == 0)
			return commands;
	return NULL;
}

static int split_words(char *line, char *words[static WORDS_MAX + 1])
{
	char *rest = NULL;
	int count = 0;

	for (char *word = strtok_r(line, " \t\r\n", &rest); word; word = strtok_r(NULL, " \t\r\n", &rest)) {
		if (count == WORDS_MAX)
			return -E2BIG;
		words[count++] = word;
	}
	words[count] = NULL;
	return count;
}

static int run_line(struct process *process, char *line, FILE *out)
{
	const struct control_command *command;
	char *words[WORDS_MAX + 1];
	int count = split_words(line, words);

	if (count <= 0) {
		fprintf(out, count ? "more than %d words\n" : "a command is expected; try help\n", WORDS_MAX);
		return -EINVAL;
	}
	command = find_command(common_commands, words[0]);
	if (!command)
		command = find_command(process->hooks->commands, words[0]);
	if (!command) {
		fprintf(out, "%s: unknown command; try help\n", words[0]);
		return -ENOENT;
	}
	return command->run(process, count, words, out);
}

/* ---- connections ---- */

static void drop_client(struct client *client)
{
	close(client->fd);
	free(client->answer);
	*client = (struct client){.fd = -1};
}

/* The verdict comes first, though it is known last. */
static char *with_verdict(int error, const char *text, size_t text_len, size_t *len)
{
	const char *verdict = error ? "error\n" : "ok\n";
	const char *reason = error && text_len == 0 ? strerror(-error) : "";
	char *answer = NULL;
	int made = asprintf(&answer, "%s%.*s%s%s", verdict, (int)text_len, text, reason, reason[0] ? "\n" : "");

	*len = made < 0 ? 0 : (size_t)made;
	return made < 0 ? NULL : answer;
}

static void answer_client(struct process *process, struct client *client, uint64_t now_us)
{
	char *text = NULL;
	size_t text_len = 0;
	FILE *out = open_memstream(&text, &text_len);
	int error;

	if (!out) {
		drop_client(client);
		return;
	}
	client->line[client->line_len] = '\0';
	error = run_line(process, client->line, out);
	fclose(out);
	if (text)
		client->answer = with_verdict(error, text, text_len, &client->answer_len);
	free(text);
	client->deadline_us = now_us + ANSWER_US;
	if (!client->answer)
		drop_client(client);
}

static void read_line(struct process *process, struct client *client, uint64_t now_us)
{
	size_t room = sizeof(client->line) - 1 - client->line_len;
	ssize_t got = recv(client->fd, client->line + client->line_len, room, MSG_DONTWAIT);

	if (got < 0) {
		if (errno != EAGAIN && errno != EINTR)
			drop_client(client);
		return;
	}
	client->line_len += (size_t)got;
	if (memchr(client->line, '\n', client->line_len) || (got == 0 && client->line_len > 0))
		answer_client(process, client, now_us);
	else if (got == 0 || client->line_len == sizeof(client->line) - 1)
		drop_client(client);
}

static void write_answer(struct client *client)
{
	ssize_t sent = send(client->fd, client->answer + client->answer_sent, client->answer_len - client->answer_sent,
			    MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0) {
		if (errno != EAGAIN && errno != EINTR)
			drop_client(client);
		return;
	}
	client->answer_sent += (size_t)sent;
	if (client->answer_sent == client->answer_len)
		drop_client(client);
}

/* Called again with the next housekeeping, whether somebody is known to knock or not. */
static void accept_clients(struct process *process, uint64_t now_us)
{
	struct control_clients *clients = process->clients;
	bool failed_before = clients->accept_failed;

	clients->accept_failed = false;
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &clients->client[i];

		if (client->fd >= 0)
			continue;
		client->fd = accept4(process->control_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (client->fd >= 0) {
			client->deadline_us = now_us + ASK_US;
			continue;
		}
		clients->accept_failed = errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
		if (clients->accept_failed && !failed_before)
			log_warn("process", "%s: can't accept: %s", clients->path, strerror(errno));
		return;
	}
}

void control_serve(struct process *process, uint64_t now_us)
{
	accept_clients(process, now_us);
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &process->clients->client[i];

		if (client->fd >= 0 && !client->answer)
			read_line(process, client, now_us);
		if (client->fd >= 0 && client->answer)
			write_answer(client);
		if (client->fd >= 0 && now_us > client->deadline_us)
			drop_client(client);
	}
}

unsigned int control_poll_set(struct process *process, struct pollfd *fds)
{
	unsigned int count = 0, clients = 0;

	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		const struct client *client = &process->clients->client[i];

		if (client->fd < 0)
			continue;
		clients++;
		fds[count++] = (struct pollfd){.fd = client->fd, .events = client->answer ? POLLOUT : POLLIN};
	}
	/* With all places or descriptors taken, who knocks waits; polling for them would only spin. */
	if (clients < CONTROL_CLIENTS && !process->clients->accept_failed)
		fds[count++] = (struct pollfd){.fd = process->control_fd, .events = POLLIN};
	return count;
}

/* Whoever may write to the socket may hang up calls: the owner and the group "tandem". */
static int set_access(const char *path)
{
	if (chown(path, (uid_t)-1, segment_group()) < 0 && errno != EPERM)
		return -errno;
	return chmod(path, 0660) < 0 ? -errno : 0;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path); /* a previous life's: the lock says that it is over */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		error = -errno;
	if (!error)
		error = set_access(path);
	if (!error && listen(fd, CONTROL_CLIENTS) < 0)
		error = -errno;
	if (error)
		close(fd);
	return error ? error : fd;
}

int control_open(struct process *process)
{
	struct control_clients *clients = calloc(1, sizeof(*clients));

	if (!clients)
		return -ENOMEM;
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		clients->client[i].fd = -1;
	process->clients = clients;
	process->control_fd = process_socket_path(clients->path, process->config->node, process->hooks->role);
	if (process->control_fd == 0)
		process->control_fd = listen_at(clients->path);
	if (process->control_fd >= 0)
		return 0;
	log_error("process", "%s: can't listen: %s", clients->path, strerror(-process->control_fd));
	return process->control_fd;
}

void control_close(struct process *process)
{
	struct control_clients *clients = process->clients;

	if (!clients)
		return;
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		if (clients->client[i].fd >= 0)
			drop_client(&clients->client[i]);
	if (process->control_fd >= 0) {
		close(process->control_fd);
		unlink(clients->path);
	}
	process->control_fd = -1;
	free(clients);
	process->clients = NULL;
}
