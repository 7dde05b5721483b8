/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify(3): datagrams to the socket that the supervisor names in the environment. */
#include "process_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

static uint64_t watchdog_interval_us(void)
{
	const char *interval = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (!interval || (pid && strtol(pid, NULL, 10) != getpid()))
		return 0;
	return strtoull(interval, NULL, 10) / 2; /* half the time allowed, as systemd advises */
}

void notify_open(struct process *process)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = path ? strlen(path) : 0;
	int fd;

	process->notify_fd = -1;
	if (len < 2 || len >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0'; /* the abstract name space */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    connect(fd, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
		log_warn("process", "can't reach the supervisor at %s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return;
	}
	process->notify_fd = fd;
	process->watchdog_us = watchdog_interval_us();
}

void notify_close(struct process *process)
{
	if (process->notify_fd >= 0)
		close(process->notify_fd);
	process->notify_fd = -1;
}

/* A supervisor that does not read must not stop us. */
static void tell(struct process *process, const char *text)
{
	if (process->notify_fd >= 0 && send(process->notify_fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_warn("process", "the supervisor did not take '%s': %s", text, strerror(errno));
}

void notify_ready(struct process *process)
{
	tell(process, "READY=1");
}

void notify_reloading(struct process *process)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_now_us());
	tell(process, text);
}

void notify_stopping(struct process *process)
{
	tell(process, "STOPPING=1");
}

void notify_watchdog(struct process *process, uint64_t now_us)
{
	if (!process->watchdog_us || now_us - process->watchdog_told_us < process->watchdog_us)
		return;
	process->watchdog_told_us = now_us;
	tell(process, "WATCHDOG=1");
}
