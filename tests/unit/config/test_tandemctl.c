/* SPDX-License-Identifier: Apache-2.0 */
/* tandemctl as a user meets it, on a node whose shared memory this program fills in and whose process it plays. */
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/counters.h"
#include "common/layout/binding_record.h"
#include "common/layout/call_record.h"
#include "common/layout/gateway_status.h"
#include "common/layout/media_session.h"
#include "common/status.h"
#include "load.h"

#define CALL_ID "000102030405060708090a0b0c0d0e0f"

static char folder[] = "/tmp/tandemctl-XXXXXX";
static char config_path[128];
static struct config *config;
static char output[65536];

/* Run tandemctl; returns its exit status, with what it wrote in `output`. */
static int ctl(const char *arguments)
{
	char command[1024];
	size_t len;
	FILE *pipe;

	snprintf(command, sizeof(command), "%s --config %s %s 2>&1", TANDEMCTL, config_path, arguments);
	pipe = popen(command, "r");
	len = fread(output, 1, sizeof(output) - 1, pipe);
	output[len] = '\0';
	return WEXITSTATUS(pclose(pipe));
}

static bool says(const char *part)
{
	if (strstr(output, part) != NULL)
		return true;
	printf("  expected: %s\n  got: %s\n", part, output);
	return false;
}

/* Python reads it. */
static void check_json(const char *arguments, const char *expression)
{
	char command[2048];

	snprintf(command, sizeof(command),
		 "%s --config %s --json %s | python3 -c 'import json, sys; d = json.load(sys.stdin); assert %s, d'",
		 TANDEMCTL, config_path, arguments, expression);
	CHECK_INT(system(command), 0);
}

static void set_up(void)
{
	FILE *file;

	if (mkdtemp(folder) == NULL)
		exit(1);
	snprintf(config_path, sizeof(config_path), "%s/tandem.yaml", folder);
	setenv("TANDEM_RUNTIME_DIRECTORY", folder, 1);
	file = fopen(config_path, "w");
	fprintf(file,
		"node: unit-%d\n"
		"processes: {signaling: {workers: [0]}, media: {workers: [0]}}\n"
		"limits: {calls: 64, registrations: 16, cdr_ring_kb: 64}\n"
		"parameters: {SS_SIP_TIMEOUT_INVITE: 4.5}\n"
		"mapping_gateways: [{name: acme, addresses: [192.0.2.10, '2001:db8::/32'], capacity: 5}]\n"
		"routing_gateways: [{name: vendor, address: 192.0.2.20, prefixes: ['']}]\n",
		(int)getpid());
	fclose(file);
	config = load_file(config_path);
}

static void tear_down(void)
{
	char command[128];

	ctl("segments remove");
	config_free(config);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	if (system(command) != 0)
		exit(1);
}

static struct call_text put_text(struct call_record *record, const char *text)
{
	struct call_text at = {record->arena_used, (uint16_t)strlen(text)};

	memcpy(record->arena + record->arena_used, text, at.len);
	record->arena_used = (uint16_t)(record->arena_used + at.len);
	return at;
}

static void put_call(void *content, uint32_t slot, uint8_t id, enum call_state state, const char *caller)
{
	struct call_record *record = call_table_record(content, slot);

	for (unsigned int i = 0; i < 16; i++)
		record->id[i] = (uint8_t)(id + i);
	record->life = 7;
	record->attempt = 1;
	record->setup_us = clock_now_us() - 20 * US_PER_S;
	record->setup_wall_us = 1700000000000000;
	if (state >= CALL_ANSWERED)
		record->answer_us = clock_now_us() - 10 * US_PER_S;
	record->caller_in = put_text(record, caller);
	record->callee_in = put_text(record, "4989000");
	record->mapping_gateway = put_text(record, "acme");
	record->routing_gateway = put_text(record, "vendor");
	net_addr_parse(&record->dialog[CALLER].flow.remote, "192.0.2.10:5060", 15);
	atomic_store(&record->state, (uint8_t)state);
}

static struct segment attach(const struct segment_spec *spec)
{
	struct segment segment;

	if (segment_attach(&segment, config->node, spec, true) != 0) {
		tear_down();
		exit(1);
	}
	return segment;
}

static void test_not_there(void)
{
	CHECK_INT(ctl("status"), 4);
	CHECK(says("is not here"));
	CHECK(says("segments create"));
	CHECK_INT(ctl("calls"), 4);
	CHECK_INT(ctl("segments list"), 4);
	CHECK(says("missing"));
	CHECK_INT(ctl("reload"), 4);
	CHECK(says("not there"));
	CHECK(says("$TANDEM_RUNTIME_DIRECTORY"));
	CHECK_INT(ctl("--node nowhere calls"), 4);
	CHECK(says("is not here"));
	CHECK(!says("segments create"));
	CHECK_INT(ctl("--config /nonexistent calls"), 3);
	CHECK(says("tandemctl --node NAME calls"));
	CHECK_INT(ctl("--config /nonexistent reload"), 3);
	CHECK(!says("--node"));
}

static void test_command_line(void)
{
	CHECK_INT(ctl("dance"), 2);
	CHECK_INT(ctl("status now"), 2);
	CHECK_INT(ctl("calls --limit many"), 2);
	CHECK_INT(ctl("calls --limit"), 2);
	CHECK_INT(ctl("calls --state sleeping"), 2);
	CHECK_INT(ctl("segments"), 2);
	CHECK_INT(ctl("--help"), 0);
	CHECK(says("usage: tandemctl"));
	CHECK_INT(ctl("--config /nonexistent status"), 3);
	CHECK_INT(ctl("--config /nonexistent check"), 3);
	CHECK_INT(ctl("check"), 0);
	check_json("check", "d[\"valid\"] is True and d[\"messages\"] == []");
	check_json("--config /nonexistent check", "d[\"valid\"] is False and len(d[\"messages\"]) == 1");
}

static void test_segments(void)
{
	struct segment_spec spec;

	CHECK_INT(ctl("segments create"), 0);
	CHECK(says("0 kept"));
	CHECK_INT(ctl("segments create"), 0);
	CHECK(says("0 segments created"));
	CHECK_INT(ctl("segments list"), 0);
	check_json("segments list", "all(s[\"state\"] == \"good\" for s in d[\"segments\"])");
	/* One that the configuration no longer wants as it is; another make of it. */
	config->limits.calls = 65;
	calls_spec(&spec, config);
	CHECK_INT(segment_create(config->node, &spec, 0600, true), 0);
	CHECK_INT(ctl("segments list"), 4);
	CHECK(says("differs"));
	CHECK_INT(ctl("status"), 0);
	CHECK(says("at most 65"));
	config->limits.calls = 64;
	calls_spec(&spec, config);
	spec.version++;
	CHECK_INT(segment_create(config->node, &spec, 0600, true), 0);
	CHECK_INT(ctl("calls"), 4);
	CHECK_INT(ctl("segments create"), 1);
	CHECK_INT(ctl("segments create --replace"), 0);
	CHECK(says("1 segments created"));
	CHECK_INT(ctl("calls"), 0);
}

static void test_calls(void)
{
	struct segment_spec spec;

	calls_spec(&spec, config);
	struct segment calls = attach(&spec);
	media_sessions_spec(&spec, config);
	struct segment media = attach(&spec);
	struct media_session *session = (struct media_session *)media.content + 3;
	session->id = 7;
	session->hot[LEG_CALLER].packets = 500;
	session->state = MEDIA_SESSION_OPEN;
	put_call(calls.content, 3, 0, CALL_ESTABLISHED, "4930\"1\xff");
	put_call(calls.content, 60, 0x80, CALL_SETUP, "4940222");
	put_call(calls.content, 61, 0x90, CALL_ESTABLISHED, "half");
	atomic_fetch_add(&call_table_record(calls.content, 61)->sequence, 1); /* its writer died in the middle */
	CHECK_INT(ctl("calls"), 0);
	CHECK(says(CALL_ID) && says("talking") && says("4940222") && says("acme") && says("500"));
	CHECK(strstr(output, "half") == NULL);
	check_json("calls", "[c[\"caller_packets\"] for c in d[\"calls\"]] == [500, 0]");
	check_json("calls", "d[\"calls\"][0][\"caller\"] == \"4930\\\"1\\xff\"");
	check_json("calls", "9 < d[\"calls\"][0][\"duration_s\"] < 60 and d[\"calls\"][1][\"duration_s\"] is None");
	check_json("calls --state setup", "[c[\"callee\"] for c in d[\"calls\"]] == [\"4989000\"]");
	check_json("calls --limit 1", "len(d[\"calls\"]) == 1");
	check_json("calls --number 0222", "len(d[\"calls\"]) == 1");
	check_json("calls --gateway vendor", "len(d[\"calls\"]) == 2");
	check_json("calls --gateway nobody", "d[\"calls\"] == []");
	check_json("calls --min-duration 5", "len(d[\"calls\"]) == 1");
	check_json("calls --min-duration 500", "d[\"calls\"] == []");
	segment_detach(&calls);
	segment_detach(&media);
}

static void test_registrations(void)
{
	struct segment_spec spec;

	binding_segment_spec(&spec, config->limits.registrations);
	struct segment segment = attach(&spec);
	struct binding_record *binding = (struct binding_record *)segment.content + 5;
	memcpy(binding->user, "alice", 5);
	binding->user_len = 5;
	memcpy(binding->contact, "sip:alice@10.0.0.5", 18);
	binding->contact_len = 18;
	binding->expires_us = clock_now_us() + 100 * US_PER_S;
	binding->registered_us = binding->refreshed_us = clock_now_us() - US_PER_S;
	binding->flags = BINDING_NAT;
	net_addr_parse(&binding->remote, "198.51.100.5:4000", 17);
	binding->state = BINDING_STANDING;
	CHECK_INT(ctl("registrations"), 0);
	CHECK(says("alice") && says("198.51.100.5:4000"));
	check_json("registrations",
		   "[(r[\"user\"], r[\"behind_nat\"]) for r in d[\"registrations\"]] == [(\"alice\", True)]");
	check_json("registrations --user bob", "d[\"registrations\"] == []");
	check_json("status", "d[\"registrations\"] == 1 and d[\"calls\"] == 3");
	segment_detach(&segment);
}

static void test_gateways(void)
{
	struct segment_spec spec;

	gateway_status_spec(&spec, config);
	struct segment segment = attach(&spec);
	struct gateway_slot *slot = gateway_status_claim(&segment, GATEWAY_ROUTING, "vendor");
	slot->worker[0].attempts = 10;
	slot->worker[0].answered = 5;
	slot->worker[0].ended = 4;
	slot->worker[0].talk_ms = 120000;
	slot->worker[0].ban_until_us = clock_now_us() + 60 * US_PER_S;
	slot->probe.state = GATEWAY_UP;
	slot->probe.code = 200;
	slot->probe.rtt_us = 12340;
	CHECK(gateway_status_claim(&segment, GATEWAY_MAPPING, "gone") != NULL);
	check_json("gateways", "[(g[\"gateway\"], g[\"state\"]) for g in d[\"gateways\"]] == [(\"acme\", \"enabled\"), "
			       "(\"vendor\", \"banned\"), (\"gone\", \"removed\")]");
	check_json("gateways vendor", "[(g[\"asr_percent\"], g[\"acd_s\"]) for g in d[\"gateways\"]] == [(50, 30)]");
	check_json("gateways vendor", "[(g[\"probe\"], g[\"rtt_ms\"]) for g in d[\"gateways\"]] == [(\"up\", 12.3)]");
	slot->probe.state = GATEWAY_IS_DOWN;
	check_json("gateways vendor", "[(g[\"state\"], g[\"probe\"], g[\"rtt_ms\"]) for g in d[\"gateways\"]] == "
				      "[(\"down\", \"down\", None)]");
	check_json("gateways vendor", "[g[\"registration\"] for g in d[\"gateways\"]] == [\"\"]");
	slot->registration.state = GATEWAY_REGISTER_FAILED;
	slot->registration.code = 503;
	slot->registration.expires_us = clock_now_us() + 60 * US_PER_S;
	check_json("gateways vendor",
		   "[(g[\"registration\"], g[\"registration_code\"], 50 < g[\"registration_expires_s\"] <= 60) "
		   "for g in d[\"gateways\"]] == [(\"registered\", 503, True)]");
	slot->registration.expires_us = 0;
	check_json("gateways vendor", "[g[\"registration\"] for g in d[\"gateways\"]] == [\"failed\"]");
	check_json("gateways", "[g[\"addresses\"] for g in d[\"gateways\"]] == "
			       "[\"192.0.2.10 2001:db8::/32\", \"192.0.2.20:5060\", \"\"]");
	CHECK_INT(ctl("gateways vendor"), 0);
	CHECK(says("ADDRESS") && says("192.0.2.20:5060\n"));
	CHECK_INT(ctl("gateways nobody"), 1);
	segment_detach(&segment);
}

static void test_counters(void)
{
	struct segment_spec spec;

	counters_spec(&spec);
	struct segment segment = attach(&spec);
	struct counter_row *a = counters_row(&segment, "signaling-0"), *b = counters_row(&segment, "media-0");
	CHECK(COUNTER_COUNT > 0 && a != NULL && b != NULL);
	counter_add(a, 0, 40);
	counter_add(b, 0, 2);
	check_json("counters --nonzero", "[c[\"value\"] for c in d[\"counters\"]] == [42]");
	check_json("counters --threads --nonzero",
		   "[c[\"thread\"] for c in d[\"counters\"]] == [\"signaling-0\", \"media-0\"]");
	CHECK_INT(ctl("counters nonsense"), 1);
	segment_detach(&segment);
}

static void test_parameters(void)
{
	check_json("parameters --changed", "[p[\"value\"] for p in d[\"parameters\"]] == [\"4.5\"]");
	check_json("parameters SS_SESSION_TIMER", "d[\"parameters\"][0][\"name\"] == \"SS_SIP_SESSION_TTL\"");
	CHECK_INT(ctl("parameters SS_NONSENSE"), 1);
}

/* A process that takes `count` connections, expects a line and gives an answer. */
static pid_t play_process(const char *expected, const char *answer)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t child;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/signaling.sock", folder);
	unlink(address.sun_path);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 1) != 0)
		exit(1);
	child = fork();
	if (child == 0) {
		char line[256];
		int fd = accept(listener, NULL, NULL);
		ssize_t len = read(fd, line, sizeof(line) - 1);

		line[len > 0 ? len : 0] = '\0';
		if (write(fd, answer, strlen(answer)) < 0)
			_exit(2);
		_exit(strcmp(line, expected) != 0);
	}
	close(listener);
	return child;
}

static void check_played(pid_t child)
{
	int status;

	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_without_configuration(void)
{
	char arguments[128];

	snprintf(arguments, sizeof(arguments), "--config /nonexistent --node %s status", config->node);
	CHECK_INT(ctl(arguments), 0);
	CHECK(says("3 calls (at most 64)"));
	snprintf(arguments, sizeof(arguments), "--node %s gateways", config->node);
	check_json(arguments, "[g[\"gateway\"] for g in d[\"gateways\"]] == [\"vendor\", \"gone\"]");
	snprintf(arguments, sizeof(arguments), "--node %s segments create", config->node);
	CHECK_INT(ctl(arguments), 2);
	CHECK_INT(ctl("--node nowhere status"), 4);
}

static void test_hangup(void)
{
	pid_t child = play_process("hangup " CALL_ID "\n", "ok\n");

	CHECK_INT(ctl("hangup 00010203"), 0);
	CHECK(says(CALL_ID));
	check_played(child);
	child = play_process("hangup " CALL_ID "\n", "error\nno such call\n");
	CHECK_INT(ctl("hangup " CALL_ID), 1);
	CHECK(says("no such call"));
	check_played(child);
	CHECK_INT(ctl("hangup 00010203"), 4);
	CHECK_INT(ctl("hangup ffffffff"), 1);
	CHECK_INT(ctl("hangup 00010203-0405-0607"), 4);
	CHECK_INT(ctl("hangup 00"), 2);
	CHECK_INT(ctl("hangup 0001020x"), 2);
	CHECK_INT(ctl("hangup"), 2);
}

static void test_reload(void)
{
	pid_t child = play_process("reload\n", "error\ntandem.yaml:3: nonsense\n");

	CHECK_INT(ctl("reload signaling"), 1);
	CHECK(says("refused") && says("tandem.yaml:3: nonsense"));
	check_played(child);
	child = play_process("reload\n", "ok\n");
	CHECK_INT(ctl("reload signaling"), 0);
	CHECK(says("reloaded"));
	check_played(child);
	CHECK_INT(ctl("reload nobody"), 2);
}

static void test_status(void)
{
	struct segment_spec spec;

	status_spec(&spec);
	struct segment segment = attach(&spec);
	struct process_status *process = &((struct status *)segment.content)->process[ROLE_SIGNALING];
	uint64_t now_us = clock_now_us();
	process->pid = (int32_t)getpid();
	process->workers = 1;
	process->started_us = now_us - 5 * US_PER_S;
	process->heartbeat_us = now_us;
	check_json("status", "d[\"processes\"][0][\"state\"] == \"starting\" and len(d[\"workers\"]) == 1");
	process->worker[0].busy_cycles = 12;
	process->worker[0].total_cycles = 48;
	process->worker[0].cycles_per_second = 2600000000u;
	process->worker[0].longest_poll_cycles = 5200000u;
	process->worker[0].polls_over_1ms = 3;
	check_json("status", "[d[\"workers\"][0][k] for k in (\"busy_cycles\", \"total_cycles\", \"cycles_per_second\","
			     " \"longest_poll_us\", \"polls_over_1ms\")] == [12, 48, 2600000000, 2000, 3]");
	process->ready = 1;
	check_json("status",
		   "d[\"processes\"][0][\"state\"] == \"ready\" and d[\"processes\"][1][\"state\"] == \"stopped\"");
	/* Only who has a database says how it stands. */
	check_json("status", "[(p[\"process\"], p[\"database_connected\"], p[\"spool_full\"], "
			     "p[\"spool_pending_records\"], p[\"spool_pending_bytes\"]) for p in d[\"processes\"] if "
			     "p[\"database_connected\"] is not None] == [(\"cdrwriter\", False, False, 0, 0)]");
	process->heartbeat_us = now_us - 10 * US_PER_S;
	check_json("status", "d[\"processes\"][0][\"state\"] == \"stuck\"");
	/* What runs keeps its memory. */
	CHECK_INT(ctl("segments remove"), 1);
	CHECK(says("signaling is running"));
	process->pid = INT32_MAX;
	check_json("status", "d[\"processes\"][0][\"state\"] == \"dead\"");
	CHECK_INT(ctl("status"), 0);
	segment_detach(&segment);
	CHECK_INT(ctl("segments remove"), 0);
	CHECK_INT(ctl("status"), 4);
}

static const struct check_case cases[] = {
    {"a node that is not there", test_not_there},
    {"command line and exit status", test_command_line},
    {"segments", test_segments},
    {"calls", test_calls},
    {"registrations", test_registrations},
    {"gateways", test_gateways},
    {"counters", test_counters},
    {"parameters", test_parameters},
    {"without a configuration", test_without_configuration},
    {"hangup", test_hangup},
    {"reload", test_reload},
    {"status", test_status},
};

int main(void)
{
	int failed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	set_up();
	failed = check_main(cases, (int)(sizeof(cases) / sizeof(cases[0])));
	tear_down();
	return failed;
}
