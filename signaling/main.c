/* SPDX-License-Identifier: Apache-2.0 */
/* tandem-signaling: the SIP side of the switch. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_launch.h>

#include "common/clock.h"
#include "common/layout/binding_record.h"
#include "common/layout/call_record.h"
#include "common/layout/gateway_status.h"
#include "common/layout/media_session.h"
#include "common/log.h"
#include "common/table_memory.h"
#include "signaling/worker.h"

static int open_segments(struct signaling *s)
{
	const struct config *config = s->process.config;
	struct segment_spec spec;
	int error;

	calls_spec(&spec, config);
	error = segment_attach(&s->calls, config->node, &spec, true);
	media_sessions_spec(&spec, config);
	if (error == 0)
		error = segment_attach(&s->media_sessions, config->node, &spec, false);
	binding_segment_spec(&spec, config->limits.registrations);
	if (error == 0)
		error = segment_attach(&s->bindings_segment, config->node, &spec, true);
	gateway_status_spec(&spec, config);
	if (error == 0)
		error = segment_attach(&s->gateways, config->node, &spec, true);
	return error;
}

static int build_snapshot(struct signaling *s)
{
	struct signaling_snapshot *snapshot;
	int error = signaling_state_init(&s->state, &s->gateways);

	if (error < 0)
		return error;
	snapshot = signaling_snapshot_new(s->process.config, &s->state);
	if (snapshot == NULL)
		return -EINVAL;
	signaling_snapshot_apply(snapshot);
	rcu_assign_pointer(s->snapshot.current, snapshot);
	s->resolver = resolver_new(counters_row(&s->process.counters_segment, "signaling-resolver"));
	return s->resolver != NULL ? resolver_configure(s->resolver, snapshot) : -ENOMEM;
}

/* Registrations of an earlier life. */
static int find_bindings(struct signaling *s)
{
	struct binding_store_options options = {
	    .segment = s->bindings_segment.content,
	    .slots = s->process.config->limits.registrations,
	    .generation = s->bindings_segment.header->generation,
	    .workers = s->workers,
	    .now_us = clock_now_us(),
	};

	s->bindings = binding_store_new(&options);
	s->binding_timers = table_calloc((size_t)options.slots + 1, sizeof(*s->binding_timers));
	if (s->bindings == NULL || s->binding_timers == NULL)
		return -ENOMEM;
	log_info("registrar", "registrations found standing=%llu torn=%u took_ms=%llu",
		 (unsigned long long)binding_store_standing(s->bindings), binding_store_torn(s->bindings),
		 (unsigned long long)((clock_now_us() - options.now_us) / US_PER_MS));
	return 0;
}

static int open_ports(struct signaling *s)
{
	int count = port_eal_init(s->process.config, ROLE_SIGNALING);

	if (count < 0)
		return count;
	s->eal = true;
	count = ports_open(s->process.config, ROLE_SIGNALING, s->workers, s->port);
	if (count < 0)
		return count;
	s->ports = (unsigned int)count;
	return 0;
}

static int make_workers(struct signaling *s)
{
	for (unsigned int i = 0; i < s->workers; i++) {
		s->worker[i] = worker_new(s, i);
		if (s->worker[i] == NULL)
			return -EIO;
	}
	return 0;
}

static int start_workers(struct signaling *s)
{
	for (unsigned int i = 0; i < s->workers; i++) {
		int error = rte_eal_remote_launch(worker_run, s->worker[i], port_worker_lcore(i));

		if (error) {
			log_error("signaling", "worker %u can't be started: %s", i, strerror(-error));
			return error;
		}
	}
	return 0;
}

static int start(struct signaling *s)
{
	int error;

	s->workers = s->process.config->process[ROLE_SIGNALING].workers_count;
	error = open_segments(s);
	if (error == 0)
		error = build_snapshot(s);
	if (error == 0)
		error = open_ports(s);
	if (error == 0)
		error = find_bindings(s);
	if (error == 0)
		error = make_workers(s);
	if (error == 0)
		error = start_workers(s);
	return error == 0 ? resolver_start(s->resolver, s->process.config->process[ROLE_SIGNALING].core) : error;
}

/* Calls and registrations stay in shared memory: the next life goes on with them. */
static void stop(struct signaling *s)
{
	s->process.stopping = true;
	resolver_free(s->resolver);
	if (s->eal)
		rte_eal_mp_wait_lcore();
	for (unsigned int i = 0; i < s->workers; i++)
		worker_free(s->worker[i]);
	for (unsigned int i = 0; i < s->ports; i++)
		port_close(s->port[i]);
	if (s->eal)
		rte_eal_cleanup();
	free(s->binding_timers);
	binding_store_free(s->bindings);
	signaling_snapshot_free(s->snapshot.current);
	signaling_state_fini(&s->state);
	segment_detach(&s->gateways);
	segment_detach(&s->bindings_segment);
	segment_detach(&s->media_sessions);
	segment_detach(&s->calls);
}

static int reload(struct process *process, const struct config *next)
{
	struct signaling *s = process->context;
	struct signaling_snapshot *snapshot = signaling_snapshot_new(next, &s->state);
	int error;

	if (snapshot == NULL)
		return -EINVAL;
	error = resolver_configure(s->resolver, snapshot);
	if (error < 0) {
		signaling_snapshot_free(snapshot);
		return error;
	}
	signaling_snapshot_apply(snapshot);
	signaling_snapshot_free(snapshot_replace(&s->snapshot, snapshot));
	return 0;
}

/* ---- commands ---- */

/* 32 hexadecimal digits; hyphens anywhere are skipped. */
static bool call_id_read(const char *text, uint8_t id[static 16])
{
	unsigned int digits = 0;

	for (; *text; text++) {
		unsigned int c = (unsigned char)*text;

		if (c == '-')
			continue;
		if (!isxdigit(c) || digits == 32)
			return false;
		c = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
		id[digits / 2] = (uint8_t)(digits % 2 == 0 ? c << 4 : id[digits / 2] | c);
		digits++;
	}
	return digits == 32;
}

static int command_hangup(struct process *process, int argc, char **argv, FILE *out)
{
	struct signaling *s = process->context;
	bool silent = false;
	uint8_t id[16];

	if (argc != 2 || !call_id_read(argv[1], id)) {
		fprintf(out, "expected the call's id: 32 hexadecimal digits, as `tandemctl calls` shows it\n");
		return -EINVAL;
	}
	for (unsigned int i = 0; i < s->workers; i++) {
		int error = worker_hangup(s->worker[i], id);

		if (error == 0) {
			fprintf(out, "call %s is being hung up\n", argv[1]);
			return 0;
		}
		silent |= error == -ETIMEDOUT;
	}
	fprintf(out, silent ? "a worker does not answer\n" : "no call has the id %s\n", argv[1]);
	return silent ? -ETIMEDOUT : -ENOENT;
}

static const struct control_command commands[] = {
    {"hangup", "ID", "end a call, whatever its state; the record says OperatorHangup", command_hangup},
    {0},
};

int main(int argc, char **argv)
{
	static const struct process_hooks hooks = {.role = ROLE_SIGNALING, .reload = reload, .commands = commands};
	static struct signaling s;
	int status = process_init(&s.process, &hooks, argc, argv), error;

	if (status)
		return status;
	s.process.context = &s;
	error = start(&s);
	if (error)
		log_error("signaling", "cannot start: %s", strerror(-error));
	else
		process_run(&s.process);
	stop(&s);
	process_fini(&s.process);
	return error ? 1 : 0;
}
