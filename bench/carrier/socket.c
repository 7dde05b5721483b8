/* SPDX-License-Identifier: Apache-2.0 */
/* UDP sockets in the namespace of whoever they stand for. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "carrier.h"

static int enter_netns(const char *name)
{
	char path[128];
	int fd, rc;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

int udp_open(const char *netns, const union endpoint *address)
{
	int fd, rc, size = 4 << 20;

	if (*netns && (rc = enter_netns(netns)) < 0)
		return rc;
	fd = socket(address->sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Root may exceed the system's limit: a burst must not be lost at the peer and be blamed on the switch. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, &address->sa, endpoint_len(address)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

socklen_t endpoint_len(const union endpoint *e)
{
	return e->sa.sa_family == AF_INET6 ? sizeof(e->in6) : sizeof(e->in);
}

uint16_t endpoint_port(const union endpoint *e)
{
	return ntohs(e->sa.sa_family == AF_INET6 ? e->in6.sin6_port : e->in.sin_port);
}

/* "192.0.2.1:5060" or "[2001:db8::1]:5060" */
int endpoint_parse(union endpoint *out, const char *text)
{
	char host[TEXT_MAX];
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	uint16_t port;

	memset(out, 0, sizeof(*out));
	if (!colon || len == 0 || len >= sizeof(host))
		return -EINVAL;
	port = htons((uint16_t)atoi(colon + 1));
	memcpy(host, text, len);
	host[len] = 0;
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = 0;
		out->in6.sin6_family = AF_INET6;
		out->in6.sin6_port = port;
		return inet_pton(AF_INET6, host + 1, &out->in6.sin6_addr) == 1 ? 0 : -EINVAL;
	}
	out->in.sin_family = AF_INET;
	out->in.sin_port = port;
	return inet_pton(AF_INET, host, &out->in.sin_addr) == 1 ? 0 : -EINVAL;
}

void endpoint_print(const union endpoint *e, char *out, size_t size, bool with_port)
{
	char ip[INET6_ADDRSTRLEN];
	bool six = e->sa.sa_family == AF_INET6;

	inet_ntop(e->sa.sa_family, six ? (const void *)&e->in6.sin6_addr : (const void *)&e->in.sin_addr, ip,
		  sizeof(ip));
	if (with_port)
		snprintf(out, size, six ? "[%s]:%u" : "%s:%u", ip, endpoint_port(e));
	else
		snprintf(out, size, "%s", ip);
}
