/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending through a kernel's interface. DPDK's af_packet driver copies frames into a ring in which the kernel then
 * looks for them, and which a veth has to copy once more into buffers of its own. A poll's frames handed over in one
 * sendmmsg() cost a ninth less than that, so only its receive side is used.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "internal.h"

#define SEND_BUFFER (4 << 20) /* what may lie in an interface's queue; the kernel grants what it allows */

struct packet_tx {
	int fd;
	struct mmsghdr message[PORT_TX_BATCH]; /* each with its own piece */
	struct iovec piece[PORT_TX_BATCH];
};

/* Protocol 0: it sends, and nothing is ever received on it. */
static int open_socket(unsigned int interface)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)interface};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1, bytes = SEND_BUFFER, error = 0;

	if (fd < 0)
		return -errno;
	/* Without the bypass whatever is sent would come in again on our own receiving sockets. */
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		error = -errno;
	if (error) {
		close(fd);
		return error;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	return fd;
}

int packet_tx_open(struct port_queue *q)
{
	struct packet_tx *tx = calloc(1, sizeof(*tx));

	if (!tx)
		return -ENOMEM;
	q->packet_tx = tx;
	tx->fd = open_socket(if_nametoindex(q->port->config.device));
	for (unsigned int i = 0; i < PORT_TX_BATCH; i++)
		tx->message[i].msg_hdr = (struct msghdr){.msg_iov = &tx->piece[i], .msg_iovlen = 1};
	return tx->fd < 0 ? tx->fd : 0;
}

void packet_tx_close(struct port_queue *q)
{
	if (q->packet_tx && q->packet_tx->fd >= 0)
		close(q->packet_tx->fd);
	free(q->packet_tx);
	q->packet_tx = NULL;
}

uint16_t packet_tx_burst(struct port_queue *q, struct rte_mbuf **frames, uint16_t count)
{
	struct packet_tx *tx = q->packet_tx;
	int sent;

	for (uint16_t i = 0; i < count; i++)
		tx->piece[i] =
		    (struct iovec){.iov_base = rte_pktmbuf_mtod(frames[i], void *), .iov_len = frames[i]->data_len};
	sent = sendmmsg(tx->fd, tx->message, count, MSG_DONTWAIT);
	/* Too long since somebody lowered the interface's MTU: it goes alone, not with all that is behind it. */
	if (unlikely(sent < 0 && errno == EMSGSIZE)) {
		counter_inc(q->row, COUNTER_port_tx_driver_full);
		sent = 1;
	}
	if (sent <= 0)
		return 0;
	rte_pktmbuf_free_bulk(frames, (unsigned int)sent);
	return (uint16_t)sent;
}
