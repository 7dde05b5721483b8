/* SPDX-License-Identifier: Apache-2.0 */
/* tandem-media: the RTP relay. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_launch.h>

#include "common/layout/media_session.h"
#include "common/log.h"
#include "common/port.h"
#include "common/process.h"
#include "port_map.h"
#include "worker.h"

struct media {
	struct process process;
	struct segment sessions;
	struct port_map map;
	struct port *ports[CONFIG_MAX_PORTS];
	unsigned int ports_count;
	struct timer *timers; /* one a slot */
	struct media_worker *workers;
	unsigned int workers_count;
	bool eal;
};

static int open_sessions(struct media *m)
{
	const struct config *config = m->process.config;
	struct segment_spec spec;
	int error;

	media_sessions_spec(&spec, config);
	error = segment_attach(&m->sessions, config->node, &spec, true);
	if (error)
		return error;
	m->timers = calloc(config->limits.calls, sizeof(*m->timers));
	if (!m->timers)
		return -ENOMEM;
	return port_map_init(&m->map, config);
}

static int open_ports(struct media *m)
{
	const struct config *config = m->process.config;
	int count = port_eal_init(config, ROLE_MEDIA);

	if (count < 0)
		return count;
	m->eal = true;
	count = ports_open(config, ROLE_MEDIA, config->process[ROLE_MEDIA].workers_count, m->ports);
	if (count < 0)
		return count;
	m->ports_count = (unsigned int)count;
	return 0;
}

static int make_workers(struct media *m)
{
	const struct config *config = m->process.config;
	unsigned int count = config->process[ROLE_MEDIA].workers_count;
	int error = 0;

	m->workers = aligned_alloc(64, count * sizeof(*m->workers));
	if (!m->workers)
		return -ENOMEM;
	memset(m->workers, 0, count * sizeof(*m->workers));
	m->workers_count = count;
	for (unsigned int i = 0; i < count && error == 0; i++) {
		struct media_core *core = &m->workers[i].core;

		core->session = m->sessions.content;
		core->slots = config->limits.calls;
		core->map = &m->map;
		core->timer = m->timers;
		core->worker = i;
		core->signaling = &((struct status *)m->process.status_segment.content)->process[ROLE_SIGNALING];
		core->peers = config->process[ROLE_SIGNALING].workers_count;
		error = media_worker_init(&m->workers[i], &m->process, m->ports, m->ports_count, m->workers, count);
	}
	return error;
}

static void restore_sessions(struct media *m)
{
	struct media_core *cores[CONFIG_MAX_WORKERS];
	uint64_t open = 0;

	for (unsigned int i = 0; i < m->workers_count; i++)
		cores[i] = &m->workers[i].core;
	sessions_restore(cores, m->workers_count, clock_now_us());
	for (unsigned int i = 0; i < m->workers_count; i++)
		open += cores[i]->open;
	log_info("media", "sessions restored count=%llu", (unsigned long long)open);
}

/* The audio of restored sessions comes at once, and much of it goes to a few peers: ask for their next hops now. */
static void resolve_peers(struct media *m)
{
	uint64_t now_us = clock_now_us();

	for (uint32_t slot = 0; slot < m->process.config->limits.calls; slot++) {
		const struct media_session *session = (struct media_session *)m->sessions.content + slot;

		if (session->state != MEDIA_SESSION_OPEN)
			continue;
		for (unsigned int leg = 0; leg < LEG_COUNT; leg++) {
			const struct media_leg_hot *hot = &session->hot[leg];

			if (hot->latch != LATCH_NONE)
				port_resolve(m->workers[session->worker].queue[m->map.address[hot->address].port],
					     &hot->remote, now_us);
		}
	}
	for (unsigned int i = 0; i < m->workers_count; i++)
		for (unsigned int port = 0; port < m->ports_count; port++)
			port_flush(m->workers[i].queue[port], now_us);
}

static int start_workers(struct media *m)
{
	for (unsigned int i = 0; i < m->workers_count; i++) {
		int error = rte_eal_remote_launch(media_worker_run, &m->workers[i], port_worker_lcore(i));

		if (error) {
			log_error("media", "worker %u can't be started: %s", i, strerror(-error));
			return error;
		}
	}
	return 0;
}

static int start(struct media *m)
{
	int error = open_sessions(m);

	if (error == 0)
		error = open_ports(m);
	if (error == 0)
		error = make_workers(m);
	if (error)
		return error;
	restore_sessions(m);
	resolve_peers(m);
	return start_workers(m);
}

/* The sessions stay in shared memory: the next life goes on with them. */
static void stop(struct media *m)
{
	m->process.stopping = true;
	if (m->eal)
		rte_eal_mp_wait_lcore();
	for (unsigned int i = 0; i < m->workers_count; i++)
		media_worker_fini(&m->workers[i]);
	free(m->workers);
	for (unsigned int i = 0; i < m->ports_count; i++)
		port_close(m->ports[i]);
	if (m->eal)
		rte_eal_cleanup();
	port_map_fini(&m->map);
	free(m->timers);
	segment_detach(&m->sessions);
}

/* What a session needs comes with its messages; the rest of what concerns media needs a restart. */
static int reload(struct process *process, const struct config *next)
{
	return 0;
}

int main(int argc, char **argv)
{
	static const struct process_hooks hooks = {.role = ROLE_MEDIA, .reload = reload};
	static struct media m;
	int status = process_init(&m.process, &hooks, argc, argv);

	if (status)
		return status;
	m.process.context = &m;
	int error = start(&m);

	if (error)
		log_error("media", "cannot start: %s", strerror(-error));
	else
		process_run(&m.process);
	stop(&m);
	process_fini(&m.process);
	return error ? 1 : 0;
}
