/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of common/process.h's control socket. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/process.h"
#include "tandemctl/ctl.h"

#define ANSWER_WAIT_US (60 * US_PER_S) /* a reload reads the whole configuration again */
#define ANSWER_MOST    (4u << 20)

static int connect_role(const char *node, enum process_role role, char path[static PROCESS_SOCKET_PATH])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, error = process_socket_path(path, node, role);

	if (error != 0)
		return error;
	static_assert(sizeof(address.sun_path) >= PROCESS_SOCKET_PATH, "a socket path fits");
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

/* Everything until the process closes. */
static int read_answer(int fd, char *answer, size_t size)
{
	uint64_t until_us = clock_now_us() + ANSWER_WAIT_US;
	size_t len = 0;

	for (;;) {
		struct pollfd event = {.fd = fd, .events = POLLIN};
		uint64_t now_us = clock_now_us();
		ssize_t got;

		if (now_us >= until_us || len + 1 >= size)
			return now_us >= until_us ? -ETIMEDOUT : -EMSGSIZE;
		if (poll(&event, 1, (int)((until_us - now_us) / US_PER_MS) + 1) < 0 && errno != EINTR)
			return -errno;
		got = recv(fd, answer + len, size - len - 1, MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		len += (size_t)got;
	}
	answer[len] = '\0';
	return 0;
}

static int ask(int fd, const char *line, char *answer, size_t size)
{
	char question[1024];
	int len = snprintf(question, sizeof(question), "%s\n", line);

	if (len < 0 || (size_t)len >= sizeof(question))
		return -EMSGSIZE;
	if (send(fd, question, (size_t)len, MSG_NOSIGNAL) != len)
		return errno != 0 ? -errno : -EIO;
	return read_answer(fd, answer, size);
}

int ctl_ask(struct ctl *ctl, enum process_role role, const char *line, char **answer)
{
	char path[PROCESS_SOCKET_PATH] = "";
	char *text = calloc(1, ANSWER_MOST);
	int fd, error, verdict = CTL_NOT_THERE;

	*answer = NULL;
	if (text == NULL)
		return CTL_FAILED;
	fd = connect_role(ctl->config->node, role, path);
	error = fd < 0 ? fd : ask(fd, line, text, ANSWER_MOST);
	if (fd >= 0)
		close(fd);
	if (error == -ENOENT) {
		snprintf(text, ANSWER_MOST, "there is no %s; is it running, with the same $TANDEM_RUNTIME_DIRECTORY?",
			 path);
	} else if (error != 0) {
		snprintf(text, ANSWER_MOST, "%s: %s", path, strerror(-error));
	} else if (strncmp(text, "ok\n", 3) == 0) {
		verdict = CTL_OK;
		memmove(text, text + 3, strlen(text + 3) + 1);
	} else if (strncmp(text, "error\n", 6) == 0) {
		verdict = CTL_FAILED;
		memmove(text, text + 6, strlen(text + 6) + 1);
	} else {
		snprintf(text, ANSWER_MOST, "%s: closed without an answer", path);
	}
	size_t len = strlen(text);
	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	*answer = text;
	return verdict;
}
