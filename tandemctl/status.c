/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/layout/binding_record.h"
#include "common/layout/call_record.h"
#include "common/status.h"
#include "tandemctl/ctl.h"

#define SAMPLE_MS         200
#define HEARTBEAT_MOST_US (3 * US_PER_S)
#define READ(field)       atomic_load_explicit(&(field), memory_order_relaxed)

static const struct column process_columns[] = {
    {"process", "PROCESS", -10},
    {"state", "STATE", -8},
    {"pid", "PID", 8},
    {"ready", "", 0},
    {"workers", "WORKERS", 7},
    {"starts", "STARTS", 6},
    {"uptime_s", "UPTIME", 10},
    {"heartbeat_age_s", "HEARTBEAT", 9},
    {"config_age_s", "CONFIG AGE", 10},
    {"config_generation", "", 0},
    {"version", "VERSION", -8},
    {"spool_full", "", 0},
    {"database_connected", "", 0},
    {"spool_pending_records", "", 0},
    {"spool_pending_bytes", "", 0},
};

static const struct column worker_columns[] = {
    {"process", "PROCESS", -10},  {"worker", "WORKER", 6},
    {"core", "CORE", 4},          {"busy_percent", "BUSY %", 6},
    {"polls", "POLLS", 16},       {"beat_age_s", "LAST BEAT", 9},
    {"busy_cycles", "", 0},       {"total_cycles", "", 0},
    {"cycles_per_second", "", 0}, {"longest_poll_us", "LONGEST us", 10},
    {"polls_over_100us", "", 0},  {"polls_over_1ms", "", 0},
};

static double age_s(uint64_t now_us, uint64_t stamp_us)
{
	return now_us > stamp_us ? (double)(now_us - stamp_us) / (double)US_PER_S : 0;
}

/* stopped: ended cleanly or never ran; dead: ended otherwise; stuck: there, but its housekeeping thread is not. */
static const char *process_state(const struct process_status *process, uint64_t now_us)
{
	int32_t pid = READ(process->pid);
	bool gone = pid > 0 && kill(pid, 0) < 0 && errno == ESRCH;
	uint64_t beat_us = READ(process->heartbeat_us);

	if (pid <= 0)
		return "stopped";
	if (gone)
		return "dead";
	if (now_us > beat_us && now_us - beat_us > HEARTBEAT_MOST_US)
		return "stuck";
	return READ(process->ready) != 0 ? "ready" : "starting";
}

static void put_stamp(struct output *output, uint64_t now_us, uint64_t stamp_us)
{
	if (stamp_us == 0)
		output_none(output);
	else
		output_seconds(output, age_s(now_us, stamp_us));
}

/* Spool and database are the CDR writer's; NULL for the others, who have none. */
static void put_records(struct output *output, const struct process_status *writer)
{
	if (writer == NULL) {
		for (int i = 0; i < 4; i++)
			output_none(output);
		return;
	}
	output_bool(output, READ(writer->spool_full) != 0);
	output_bool(output, READ(writer->database_connected) != 0);
	output_uint(output, READ(writer->spool_pending_records));
	output_uint(output, READ(writer->spool_pending_bytes));
}

static void put_process(struct output *output, const struct process_status *process, unsigned int role, uint64_t now_us)
{
	const char *state = process_state(process, now_us);
	bool alive = strcmp(state, "stopped") != 0 && strcmp(state, "dead") != 0;
	int32_t pid = READ(process->pid);
	char version[sizeof(process->version) + 1] = "";

	memcpy(version, process->version, sizeof(process->version));
	output_text(output, process_role_name[role]);
	output_text(output, state);
	if (pid > 0)
		output_uint(output, (uint64_t)pid);
	else
		output_none(output);
	output_bool(output, strcmp(state, "ready") == 0);
	output_uint(output, READ(process->workers));
	output_uint(output, READ(process->starts));
	put_stamp(output, now_us, alive ? READ(process->started_us) : 0);
	put_stamp(output, now_us, READ(process->heartbeat_us));
	put_stamp(output, now_us, alive ? READ(process->config_loaded_us) : 0);
	output_uint(output, READ(process->config_generation));
	output_text(output, version);
	put_records(output, role == ROLE_CDRWRITER ? process : NULL);
}

struct cycles {
	uint64_t busy, total;
};

static void sample(const struct status *status, struct cycles cycles[ROLE_COUNT][CONFIG_MAX_WORKERS])
{
	for (unsigned int role = 0; role < ROLE_COUNT; role++) {
		for (unsigned int w = 0; w < CONFIG_MAX_WORKERS; w++) {
			cycles[role][w].busy = READ(status->process[role].worker[w].busy_cycles);
			cycles[role][w].total = READ(status->process[role].worker[w].total_cycles);
		}
	}
}

static void put_polls(struct output *output, const struct worker_status *worker)
{
	uint64_t per_second = READ(worker->cycles_per_second);
	double seconds = per_second ? (double)READ(worker->longest_poll_cycles) / (double)per_second : 0;

	output_uint(output, per_second);
	output_uint(output, (uint64_t)(seconds * (double)US_PER_S));
	output_uint(output, READ(worker->polls_over_100us));
	output_uint(output, READ(worker->polls_over_1ms));
}

/* How busy each worker was during the sample. */
static void put_workers(struct ctl *ctl, const struct status *status)
{
	struct cycles before[ROLE_COUNT][CONFIG_MAX_WORKERS], after[ROLE_COUNT][CONFIG_MAX_WORKERS];
	struct timespec pause = {.tv_nsec = (long)SAMPLE_MS * 1000000};
	struct output *output = &ctl->output;

	sample(status, before);
	nanosleep(&pause, NULL);
	sample(status, after);
	uint64_t now_us = clock_now_us();
	output_list(output, "workers", worker_columns, sizeof(worker_columns) / sizeof(worker_columns[0]));
	for (unsigned int role = 0; role < ROLE_COUNT; role++) {
		const struct process_status *process = &status->process[role];
		uint32_t workers = READ(process->workers);

		for (unsigned int w = 0; w < workers && w < CONFIG_MAX_WORKERS; w++) {
			uint64_t total = after[role][w].total - before[role][w].total;

			output_text(output, process_role_name[role]);
			output_uint(output, w);
			if (w < ctl->config->process[role].workers_count)
				output_uint(output, ctl->config->process[role].workers[w]);
			else
				output_none(output);
			if (total > 0)
				output_decimal(
				    output,
				    100.0 * (double)(after[role][w].busy - before[role][w].busy) / (double)total, 1);
			else
				output_none(output);
			output_uint(output, READ(process->worker[w].polls));
			put_stamp(output, now_us, READ(process->worker[w].beat_us));
			output_uint(output, after[role][w].busy);
			output_uint(output, after[role][w].total);
			put_polls(output, &process->worker[w]);
		}
	}
	output_list_end(output);
}

/* Records that are not free: a look at one byte each. */
static int count_records(struct ctl *ctl, uint64_t *calls, uint64_t *registrations)
{
	struct segment_spec spec;
	struct segment segment;

	*calls = *registrations = 0;
	calls_spec(&spec, ctl->config);
	if (ctl_attach(ctl, &segment, &spec) != CTL_OK)
		return CTL_NOT_THERE;
	for (uint32_t i = 0; i < spec.item_count; i++)
		*calls += READ(call_table_record(segment.content, i)->state) != CALL_FREE;
	segment_detach(&segment);
	binding_segment_spec(&spec, ctl->config->limits.registrations);
	if (ctl_attach(ctl, &segment, &spec) != CTL_OK)
		return CTL_NOT_THERE;
	const struct binding_record *bindings = segment.content;
	for (uint32_t i = 0; i < spec.item_count; i++)
		*registrations += __atomic_load_n(&bindings[i].state, __ATOMIC_RELAXED) == BINDING_STANDING;
	segment_detach(&segment);
	return CTL_OK;
}

static void say_spool(struct output *output, const struct process_status *writer)
{
	output_say(output, "records: database %s, %llu waiting in the spool (%llu bytes)%s",
		   READ(writer->database_connected) != 0 ? "connected" : "not connected",
		   (unsigned long long)READ(writer->spool_pending_records),
		   (unsigned long long)READ(writer->spool_pending_bytes),
		   READ(writer->spool_full) != 0 ? "; THE SPOOL IS FULL: no new calls" : "");
}

int ctl_status(struct ctl *ctl, int argc, char **argv)
{
	struct output *output = &ctl->output;
	struct segment_spec spec;
	struct segment segment;
	uint64_t calls, registrations;

	if (ctl_parse(argc, argv, NULL, 0) < 0)
		return CTL_USAGE;
	status_spec(&spec);
	if (ctl_attach(ctl, &segment, &spec) != CTL_OK || count_records(ctl, &calls, &registrations) != CTL_OK)
		return CTL_NOT_THERE;
	const struct status *status = segment.content;
	output_begin(output, stdout, ctl->json);
	output_member_text(output, "node", ctl->config->node);
	output_member_uint(output, "calls", calls);
	output_member_uint(output, "calls_limit", ctl->config->limits.calls);
	output_member_uint(output, "registrations", registrations);
	output_member_uint(output, "registrations_limit", ctl->config->limits.registrations);
	output_say(output, "node %s: %llu calls (at most %u), %llu registrations (at most %u)", ctl->config->node,
		   (unsigned long long)calls, ctl->config->limits.calls, (unsigned long long)registrations,
		   ctl->config->limits.registrations);
	say_spool(output, &status->process[ROLE_CDRWRITER]);
	output_say(output, "%s", "");
	output_list(output, "processes", process_columns, sizeof(process_columns) / sizeof(process_columns[0]));
	for (unsigned int role = 0; role < ROLE_COUNT; role++)
		put_process(output, &status->process[role], role, clock_now_us());
	output_list_end(output);
	output_say(output, "%s", "");
	put_workers(ctl, status);
	output_end(output);
	segment_detach(&segment);
	return CTL_OK;
}
