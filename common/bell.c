/* SPDX-License-Identifier: Apache-2.0 */
#include "bell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "segment.h"

static int bell_path(char path[static PROCESS_SOCKET_PATH], const char *node, enum process_role role,
		     unsigned int worker)
{
	int error = process_socket_path(path, node, role);
	size_t stem, room;

	if (error)
		return error;
	stem = strlen(path) - strlen("sock");
	room = PROCESS_SOCKET_PATH - stem;
	return (size_t)snprintf(path + stem, room, "%u.bell", worker) < room ? 0 : -ENAMETOOLONG;
}

/* Whoever may ring is the owner and the group "tandem", as at the control socket. */
static int share(int fd)
{
	if (fchown(fd, (uid_t)-1, segment_group()) < 0 && errno != EPERM)
		return -errno;
	return fchmod(fd, 0660) < 0 ? -errno : 0;
}

/* Whoever comes first makes it, for all processes of the node, whatever its umask and its user's own group. */
static int open_pipe(const char *path)
{
	struct stat found;
	int fd, error = -EEXIST;

	if (mkfifo(path, 0660) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &found) == 0 && S_ISFIFO(found.st_mode))
		error = found.st_uid == geteuid() ? share(fd) : 0;
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

/* Nobody's but root's to remove, and the group's to ring. */
static int make_bell(const char *node, enum process_role role, unsigned int worker)
{
	char path[PROCESS_SOCKET_PATH];
	int fd = bell_path(path, node, role, worker), error = 0;

	if (fd == 0)
		fd = open_pipe(path);
	if (fd < 0)
		return fd;
	/* One that a process made once is taken away from it. */
	if (fchown(fd, 0, segment_group()) < 0 || fchmod(fd, 0660) < 0)
		error = -errno;
	close(fd);
	return error;
}

int bells_make(const struct config *config)
{
	int error = 0;

	if (geteuid() != 0 || segment_group() == (gid_t)-1)
		return 0;
	for (enum process_role role = 0; role < ROLE_COUNT; role++)
		for (unsigned int worker = 0; worker < config->process[role].workers_count && !error; worker++)
			error = make_bell(config->node, role, worker);
	return error;
}

static int open_bell(const struct process *process, enum process_role role, unsigned int worker)
{
	char path[PROCESS_SOCKET_PATH];
	int fd = bell_path(path, process->config->node, role, worker);

	if (fd == 0)
		fd = open_pipe(path);
	if (fd < 0)
		log_warn("bell", "no bell for %s worker %u, it will hear of others late: %s", process_role_name[role],
			 worker, strerror(-fd));
	return fd;
}

void bell_open(struct bell *bell, struct process *process, enum process_role role, unsigned int worker)
{
	static _Atomic uint32_t awake;
	struct status *status = process->status_segment.content;

	bell->fd = open_bell(process, role, worker);
	bell->asleep = bell->fd >= 0 ? &status->process[role].worker[worker].asleep : &awake;
	bell->told = 0;
}

void bell_close(struct bell *bell)
{
	if (bell->asleep != NULL && bell->fd >= 0)
		close(bell->fd);
	*bell = (struct bell){0};
}

int bell_listen(struct process *process, unsigned int worker)
{
	return open_bell(process, process->hooks->role, worker);
}

void bell_hush(int fd)
{
	char rung[64];

	while (read(fd, rung, sizeof(rung)) == sizeof(rung))
		;
}

void bell_strike(const struct bell *bell)
{
	/* A pipe that is full has been rung often enough. */
	if (write(bell->fd, "", 1) < 0)
		return;
}
