/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A media worker: one pinned thread with its own queue of every port, its rings and its sessions. Its loop is receive,
 * relay, send, and what is due; the rest of what it does is in relay.h, links.h and watch.h.
 */
#ifndef TANDEM_MEDIA_WORKER_H
#define TANDEM_MEDIA_WORKER_H

#include "common/bell.h"
#include "common/port.h"
#include "common/process.h"
#include "common/pulse.h"
#include "links.h"
#include "session.h"

struct rte_ring;

struct media_worker {
	_Alignas(64) struct media_core core;
	struct media_links links;
	struct process *process;
	struct port_queue *queue[CONFIG_MAX_PORTS]; /* by port, in configuration order */
	unsigned int queues;
	struct media_worker *workers; /* all of them, in order */
	unsigned int workers_count;
	struct rte_ring
	    *inbox[CONFIG_MAX_WORKERS]; /* from each of the others: datagrams on our ports, slots to let go of */
	struct bell colleague[CONFIG_MAX_WORKERS]; /* to wake the others: what they were handed is in their inboxes */
	uint64_t handed[CONFIG_MAX_WORKERS];       /* to each of the others, ever */
	struct bell signaling_bell[CONFIG_MAX_WORKERS];
	struct pulse pulse;
	uint64_t now_us; /* of the poll in progress */
	char name[32];
};

/*
 * Fill in a worker, zeroed but for `core` (session, slots, map, timer, worker, peers). Main thread, with the ports
 * open. 0 or a negative errno (logged).
 */
int media_worker_init(struct media_worker *worker, struct process *process, struct port *const *ports,
		      unsigned int ports_count, struct media_worker *workers, unsigned int workers_count);
void media_worker_fini(struct media_worker *worker);

/* The thread: returns when the process is stopping. For rte_eal_remote_launch(). */
int media_worker_run(void *worker);

#endif
