/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <rte_eal.h>
#include <rte_launch.h>

#include "common/log.h"
#include "generator.h"
#include "phones.h"

struct arguments {
	const char *link, *scenario, *report;
	struct overrides overrides;
	bool check, quiet;
};

static const struct option options[] = {
    {"link", required_argument, NULL, 'l'},     {"scenario", required_argument, NULL, 's'},
    {"report", required_argument, NULL, 'o'},   {"rate", required_argument, NULL, 'r'},
    {"seconds", required_argument, NULL, 't'},  {"warm-up", required_argument, NULL, 'w'},
    {"ramp", required_argument, NULL, 'R'},     {"search", required_argument, NULL, 'S'},
    {"after", required_argument, NULL, 'a'},    {"of", required_argument, NULL, 'f'},
    {"standing", required_argument, NULL, 'n'}, {"check", no_argument, NULL, 'c'},
    {"quiet", no_argument, NULL, 'q'},          {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},        {NULL, 0, NULL, 0}};

static void usage(FILE *out)
{
	fputs("tandem-generator --link FILE --scenario FILE [--report FILE] [--rate N] [--seconds N] [--warm-up N]\n"
	      "                 [--ramp FROM:TO:STEP | --search LOW:HIGH[:PRECISION] [--after "
	      "FACTOR[:SECONDS[:MS]],...]]\n"
	      "                 [--of calls|rtp] [--standing N]\n"
	      "                 [--check] [--quiet]\n"
	      "bench/README.md describes the files and the report.\n",
	      out);
}

static bool number(const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return end != text && *end == 0 && *out >= 0 && *out <= 1e9;
}

static bool parse_one(struct arguments *a, int option)
{
	struct overrides *o = &a->overrides;
	double value;

	switch (option) {
	case 'l':
		a->link = optarg;
		return true;
	case 's':
		a->scenario = optarg;
		return true;
	case 'o':
		a->report = optarg;
		return true;
	case 'r':
		return number(optarg, &o->rate);
	case 't':
		return number(optarg, &o->seconds);
	case 'w':
		o->has_warm_up = true;
		return number(optarg, &o->warm_up_s);
	case 'R':
		o->ramp = optarg;
		return true;
	case 'S':
		o->search = optarg;
		return true;
	case 'a':
		o->after = optarg;
		return true;
	case 'f':
		o->of = optarg;
		return true;
	case 'n':
		o->has_standing = true;
		if (!number(optarg, &value) || value > NUMBER_SLOTS / 2)
			return false;
		o->standing = (unsigned int)value;
		return true;
	case 'c':
		a->check = true;
		return true;
	case 'q':
		a->quiet = true;
		return true;
	default:
		return false;
	}
}

static bool parse_arguments(struct arguments *a, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			exit(0);
		}
		if (option == 'V') {
			puts("tandem-generator " TANDEM_VERSION);
			exit(0);
		}
		if (!parse_one(a, option))
			return false;
	}
	return optind == argc && a->link && a->scenario;
}

/* What can only be said of both files together. */
static bool check_together(const struct scenario *s, const struct link *link)
{
	unsigned int endpoints = link_media_endpoints(link);
	unsigned int phones = link->phones.addresses * (link->phones.last - link->phones.first + 1u);

	if (s->flows && link->vendors == 0) {
		fprintf(stderr, "the link file has no vendors, and the scenario has calls\n");
		return false;
	}
	if (s->rtp.share > 0 && (uint64_t)s->load.calls * 2 > endpoints) {
		fprintf(stderr,
			"media: %u endpoints are too few for the RTP of %u calls at once: more addresses, a wider "
			"range, or "
			"load.calls\n",
			endpoints, s->load.calls);
		return false;
	}
	if (s->registrations.endpoints > (link->has_phones ? phones : 0)) {
		fprintf(stderr, "phones: the link file has addresses for %u, and the scenario has %u\n",
			link->has_phones ? phones : 0, s->registrations.endpoints);
		return false;
	}
	return true;
}

/* ---- the life of the process --------------------------------------------------------------------------------- */

static struct generator generator;

static void on_signal(int number)
{
	plan_interrupt();
}

static int prepare(struct generator *g)
{
	if (getrandom(&g->run, sizeof(g->run), 0) != sizeof(g->run))
		return -1;
	g->phases[0] = calloc(1, sizeof(*g->phases[0]));
	if (!g->phases[0])
		return -1;
	g->phases[0]->name = "idle";
	g->phases_count = 1;
	g->messages = messages_new(g->scenario, g->link, g->run);
	g->authorization = authorization_new();
	g->customer_port = (unsigned int)link_port_of(g->link, &g->link->customer);
	for (unsigned int i = 0; i < g->link->media.addresses; i++)
		g->media_port[i] = (unsigned int)link_port_of(g->link, &g->link->media.address[i]);
	for (unsigned int i = 0; i < g->link->phones.addresses; i++)
		g->phone_port[i] = (unsigned int)link_port_of(g->link, &g->link->phones.address[i]);
	if (!g->messages || !g->authorization || calls_init(&g->calls, g->scenario->load.calls) != 0 ||
	    rtp_init(g) != 0 || phones_init(g) != 0) {
		fprintf(stderr, "not enough memory\n");
		return -1;
	}
	return 0;
}

static int open_ports(struct generator *g)
{
	int count;

	if (port_eal_init(&g->link->config, ROLE_SIGNALING) != 0)
		return -1;
	count = ports_open(&g->link->config, ROLE_SIGNALING, 1, g->ports);
	if (count < 0)
		return -1;
	g->ports_count = (unsigned int)count;
	return 0;
}

static int play(struct generator *g, const struct arguments *a)
{
	struct plan_result result = {0};
	int rc;

	rc = rte_eal_remote_launch(load_run, g, port_worker_lcore(0));
	if (rc != 0)
		return rc;
	plan_run(g, a->quiet, &result);
	atomic_store(&g->command.stop, true);
	rte_eal_mp_wait_lcore();
	return report_write(g, &result, a->report);
}

static void finish(struct generator *g)
{
	for (unsigned int i = 0; i < g->ports_count; i++)
		port_close(g->ports[i]);
	phones_fini(g);
	rtp_fini(g);
	calls_fini(&g->calls);
	authorization_free(g->authorization);
	messages_free(g->messages);
	for (unsigned int i = 0; i < g->phases_count; i++)
		free(g->phases[i]);
}

int main(int argc, char **argv)
{
	struct arguments arguments = {0};
	struct generator *g = &generator;
	struct scenario *scenario;
	struct link *link;
	int rc = 1;

	if (!parse_arguments(&arguments, argc, argv)) {
		usage(stderr);
		return 2;
	}
	link = link_load(arguments.link);
	scenario = scenario_load(arguments.scenario, &arguments.overrides);
	if (!link || !scenario || !check_together(scenario, link)) {
		scenario_free(scenario);
		link_free(link);
		return 2;
	}
	g->link = link;
	g->scenario = scenario;
	log_init("generator", LOG_WARN);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	if (arguments.check)
		rc = 0;
	else if (prepare(g) == 0 && open_ports(g) == 0)
		rc = play(g, &arguments) == 0 ? 0 : 1;
	if (!arguments.check)
		finish(g);
	scenario_free(scenario);
	link_free(link);
	return rc;
}
