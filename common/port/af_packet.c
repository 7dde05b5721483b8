/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The af_packet driver joins its sockets into a fanout group, with two habits that do harm here and no options against
 * them, so the linker leads its setsockopt() through here (--wrap); every other call passes as it is.
 *
 * It makes the kernel put IPv4 fragments together first. What comes out is longer than a frame of the ring and arrives
 * cut off: that flag is taken off. Fragments of a datagram still meet on one queue, since the kernel's hash leaves the
 * ports out for all of them.
 *
 * It makes up the group's number from the process's and the interface's, so that two processes started one after the
 * other on neighbouring interfaces pick the same, and the second can't open its port. The interface's alone is unique:
 * an interface belongs to one process.
 *
 * A queue that is the only one needs no group: it would cost the hash of every frame.
 *
 * It also keeps its sockets to itself, though a worker that rests needs to sleep on them. They are noted as they pass,
 * from one thread, in the order of ports and queues.
 */
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

#include "internal.h"

#define SOCKETS (CONFIG_MAX_PORTS * CONFIG_MAX_WORKERS)

static struct {
	unsigned int interface;
	int fd;
	bool claimed;
} noted[SOCKETS];
static unsigned int noted_count;
static bool groups; /* there are several queues */

void af_packet_queues(unsigned int queues)
{
	groups = queues > 1;
}

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);

static void note(unsigned int interface, int fd)
{
	if (noted_count == SOCKETS)
		return;
	noted[noted_count].interface = interface;
	noted[noted_count++].fd = fd;
}

int af_packet_claim(unsigned int interface)
{
	for (unsigned int i = 0; i < noted_count; i++)
		if (noted[i].interface == interface && !noted[i].claimed) {
			noted[i].claimed = true;
			return noted[i].fd;
		}
	return -1;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct sockaddr_ll bound;
	socklen_t bound_len = sizeof(bound);
	unsigned int fanout;

	if (level != SOL_PACKET || name != PACKET_FANOUT || len != sizeof(fanout))
		return __real_setsockopt(fd, level, name, value, len);
	memcpy(&fanout, value, sizeof(fanout));
	fanout &= ~((unsigned int)PACKET_FANOUT_FLAG_DEFRAG << 16);
	if (getsockname(fd, (struct sockaddr *)&bound, &bound_len) == 0) {
		fanout = (fanout & 0xffff0000) | ((unsigned int)bound.sll_ifindex & 0xffff);
		note((unsigned int)bound.sll_ifindex, fd);
	}
	return groups ? __real_setsockopt(fd, level, name, &fanout, sizeof(fanout)) : 0;
}
