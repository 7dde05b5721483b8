/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The af_packet driver joins its sockets into a fanout group that makes the kernel put IPv4 fragments together first.
 * What comes out is longer than a frame of the ring and arrives cut off. The driver has no option against it, so the
 * linker leads its setsockopt() through here (--wrap), where that flag is taken off; every other call passes as it is.
 * Fragments of a datagram still meet on one queue: the kernel's hash leaves the ports out for all of them.
 */
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	unsigned int fanout;

	if (level != SOL_PACKET || name != PACKET_FANOUT || len != sizeof(fanout))
		return __real_setsockopt(fd, level, name, value, len);
	memcpy(&fanout, value, sizeof(fanout));
	fanout &= ~((unsigned int)PACKET_FANOUT_FLAG_DEFRAG << 16);
	return __real_setsockopt(fd, level, name, &fanout, sizeof(fanout));
}
