/* SPDX-License-Identifier: Apache-2.0 */
/* The progress line and the JSON report (bench/README.md). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "generator.h"
#include "phones.h"

/* ---- JSON ---------------------------------------------------------------------------------------------------- */

struct json {
	FILE *out;
	unsigned int depth;
	bool first; /* of the object or list being written */
};

static void separate(struct json *j)
{
	if (!j->first)
		fputc(',', j->out);
	if (j->depth < 3)
		fprintf(j->out, "\n%*s", (int)j->depth * 2, "");
	else if (!j->first)
		fputc(' ', j->out);
	j->first = false;
}

static void key(struct json *j, const char *name)
{
	separate(j);
	if (!name)
		return;
	fputc('"', j->out);
	for (const char *c = name; *c; c++)
		if (*c == '"' || *c == '\\')
			fprintf(j->out, "\\%c", *c);
		else if ((unsigned char)*c >= ' ')
			fputc(*c, j->out);
	fputs("\": ", j->out);
}

static void open_level(struct json *j, const char *name, char bracket)
{
	if (j->depth > 0)
		key(j, name);
	fputc(bracket, j->out);
	j->depth++;
	j->first = true;
}

static void close_level(struct json *j, char bracket)
{
	j->depth--;
	if (!j->first && j->depth < 3)
		fprintf(j->out, "\n%*s", (int)j->depth * 2, "");
	fputc(bracket, j->out);
	j->first = false;
}

static void put_text(struct json *j, const char *name, const char *text)
{
	key(j, name);
	fputc('"', j->out);
	for (const char *c = text; *c; c++)
		if (*c == '"' || *c == '\\')
			fprintf(j->out, "\\%c", *c);
		else if ((unsigned char)*c >= ' ')
			fputc(*c, j->out);
	fputc('"', j->out);
}

static void put_integer(struct json *j, const char *name, uint64_t value)
{
	key(j, name);
	fprintf(j->out, "%llu", (unsigned long long)value);
}

static void put_double(struct json *j, const char *name, double value, int digits)
{
	key(j, name);
	fprintf(j->out, "%.*f", digits, value);
}

static void put_bool(struct json *j, const char *name, bool value)
{
	key(j, name);
	fputs(value ? "true" : "false", j->out);
}

static void put_null(struct json *j, const char *name)
{
	key(j, name);
	fputs("null", j->out);
}

/* ---- parts --------------------------------------------------------------------------------------------------- */

/* What is summed over phases, or taken from a single one. */
struct sums {
	uint64_t stat[STAT_COUNT], code[CODES], offered[MAX_FLOWS], as_expected[MAX_FLOWS];
};

static void sums_add(struct sums *s, const struct phase *phase)
{
	for (unsigned int i = 0; i < STAT_COUNT; i++)
		s->stat[i] += stat_read(phase, i);
	for (unsigned int i = 0; i < CODES; i++)
		s->code[i] += tally_read(&phase->code[i]);
	for (unsigned int i = 0; i < MAX_FLOWS; i++) {
		s->offered[i] += tally_read(&phase->flow_offered[i]);
		s->as_expected[i] += tally_read(&phase->flow_as_expected[i]);
	}
}

static void put_group(struct json *j, const char *group, const struct sums *s)
{
	open_level(j, group, '{');
	for (unsigned int i = 0; i < STAT_COUNT; i++)
		if (strcmp(stat_info[i].group, group) == 0)
			put_integer(j, stat_info[i].name, s->stat[i]);
	close_level(j, '}');
}

static void put_sums(struct json *j, const struct generator *g, const struct sums *s)
{
	char name[8];

	put_group(j, "calls", s);
	put_group(j, "disagreements", s);
	put_group(j, "link", s);
	put_group(j, "rtp", s);
	open_level(j, "codes", '{');
	for (unsigned int i = 0; i < CODES; i++)
		if (s->code[i]) {
			snprintf(name, sizeof(name), "%u", i);
			put_integer(j, name, s->code[i]);
		}
	close_level(j, '}');
	open_level(j, "flows", '{');
	for (unsigned int i = 0; i < g->scenario->flows; i++) {
		open_level(j, g->scenario->flow[i].name, '{');
		put_integer(j, "offered", s->offered[i]);
		put_integer(j, "as_expected", s->as_expected[i]);
		close_level(j, '}');
	}
	close_level(j, '}');
}

static void put_latency(struct json *j, const char *name, const struct histogram *h)
{
	static const struct {
		const char *name;
		double share;
	} points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};

	open_level(j, name, '{');
	put_integer(j, "count", h->count);
	put_double(j, "min", (double)h->min / 1e3, 1);
	put_double(j, "mean", (double)histogram_mean(h) / 1e3, 1);
	for (unsigned int i = 0; i < sizeof(points) / sizeof(*points); i++)
		put_double(j, points[i].name, (double)histogram_quantile(h, points[i].share) / 1e3, 1);
	put_double(j, "max", (double)h->max / 1e3, 1);
	close_level(j, '}');
}

static double busy_share(uint64_t busy, uint64_t all)
{
	return all ? (double)busy / (double)all : 0;
}

static void put_phase(struct json *j, const struct generator *g, const struct phase *phase)
{
	double seconds = phase_seconds(phase);
	struct sums s = {0};
	uint64_t done;

	sums_add(&s, phase);
	done = phase->of_rtp      ? s.stat[STAT_sent]
	       : phase->registers ? tally_read(&phones_counts(g)->asked)
				  : s.stat[STAT_offered];
	open_level(j, NULL, '{');
	put_text(j, "name", phase->name);
	put_bool(j, "measured", phase->measured);
	put_text(j, "of", phase->of_rtp ? "rtp" : phase->registers ? "registrations" : "calls");
	put_double(j, "rate", phase->rate, 1);
	if (phase->factor > 0)
		put_double(j, "factor", phase->factor, 3);
	put_double(j, "seconds", seconds, 3);
	if (phase->stretch_ns)
		put_double(j, "stretch_ms", (double)phase->stretch_ns / 1e6, 3);
	put_double(j, "achieved", seconds > 0 ? (double)done / seconds : 0, 1);
	put_bool(j, "clean", phase->clean);
	put_bool(j, "limited", phase->limited);
	put_double(j, "busy", busy_share(s.stat[STAT_busy_cycles], s.stat[STAT_cycles]), 4);
	put_sums(j, g, &s);
	open_level(j, "latency", '{');
	for (unsigned int i = 0; i < LATENCY_COUNT; i++)
		if (phase->latency[i].count)
			put_latency(j, latency_name[i], &phase->latency[i]);
	close_level(j, '}');
	close_level(j, '}');
}

static void put_messages(struct json *j, const struct generator *g)
{
	open_level(j, "messages", '{');
	for (unsigned int role = 0; role < ROLES; role++) {
		open_level(j, role_name[role], '{');
		for (unsigned int way = 0; way < WAYS; way++) {
			open_level(j, way_name[way], '{');
			for (unsigned int type = 0; type < MESSAGE_TYPES; type++)
				if (tally_read(&g->message[role][way][type]))
					put_integer(j, message_name[type], tally_read(&g->message[role][way][type]));
			close_level(j, '}');
		}
		close_level(j, '}');
	}
	close_level(j, '}');
}

static void put_registrations(struct json *j, const struct generator *g)
{
	const struct phone_counts *c = phones_counts(g);

	if (!c) {
		put_null(j, "registrations");
		return;
	}
	open_level(j, "registrations", '{');
	put_integer(j, "endpoints", g->scenario->registrations.endpoints);
	put_integer(j, "registered", tally_read(&c->registered));
	put_integer(j, "refused", tally_read(&c->refused));
	put_integer(j, "timed_out", tally_read(&c->timed_out));
	put_integer(j, "hellos", tally_read(&c->hellos));
	put_integer(j, "endpoints_heard", tally_read(&c->endpoints_heard));
	put_integer(j, "missed", tally_read(&c->missed));
	put_integer(j, "foreign", tally_read(&c->foreign));
	put_latency(j, "deviation", &c->deviation);
	close_level(j, '}');
}

static void put_generator(struct json *j, const struct generator *g, const struct sums *all)
{
	open_level(j, "generator", '{');
	put_double(j, "busy", busy_share(all->stat[STAT_busy_cycles], all->stat[STAT_cycles]), 4);
	put_integer(j, "core", g->link->worker);
	put_integer(j, "stray", tally_read(&g->stray));
	put_integer(j, "malformed", tally_read(&g->malformed));
	put_integer(j, "oversized", tally_read(&g->oversized));
	open_level(j, "port", '{');
	for (unsigned int i = 0; i < COUNTER_COUNT; i++)
		if (strcmp(counter_info[i].group, "port") == 0 && g->row.value[i])
			put_integer(j, counter_info[i].name, g->row.value[i]);
	close_level(j, '}');
	close_level(j, '}');
}

static void put_search(struct json *j, const struct generator *g, const struct plan_result *result)
{
	if (g->scenario->load.plan != PLAN_SEARCH) {
		put_null(j, "search");
		return;
	}
	open_level(j, "search", '{');
	put_text(j, "of", g->scenario->load.of_rtp ? "rtp" : "calls");
	put_double(j, "highest", result->highest, 1);
	put_double(j, "lowest_not_clean", result->lowest_not_clean, 1);
	close_level(j, '}');
}

static void put_report(struct json *j, const struct generator *g, const struct plan_result *result)
{
	struct sums all = {0};

	open_level(j, NULL, '{');
	put_text(j, "version", TANDEM_VERSION);
	put_text(j, "scenario", g->scenario->name);
	put_double(j, "seconds", result->seconds, 3);
	put_bool(j, "completed", result->completed);
	put_bool(j, "limited", result->limited);
	put_search(j, g, result);
	open_level(j, "phases", '[');
	for (unsigned int i = 0; i < g->phases_count; i++) {
		sums_add(&all, g->phases[i]);
		if (i > 0) /* the load's first one is idleness */
			put_phase(j, g, g->phases[i]);
	}
	close_level(j, ']');
	open_level(j, "totals", '{');
	put_sums(j, g, &all);
	put_messages(j, g);
	close_level(j, '}');
	put_integer(j, "standing", result->standing);
	put_registrations(j, g);
	put_generator(j, g, &all);
	close_level(j, '}');
	fputc('\n', j->out);
}

int report_write(const struct generator *g, const struct plan_result *result, const char *path)
{
	struct json j = {.out = path ? fopen(path, "w") : stdout, .first = true};
	int rc = 0;

	if (!j.out) {
		rc = -errno;
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return rc;
	}
	put_report(&j, g, result);
	if (ferror(j.out))
		rc = -EIO;
	if (path && fclose(j.out) != 0)
		rc = -errno;
	return rc;
}

/* ---- progress ------------------------------------------------------------------------------------------------ */

void progress_print(const struct generator *g, double seconds)
{
	static uint64_t rtp_before, busy_before, cycles_before;
	uint32_t count = atomic_load(&g->phases_count);
	const struct phase *now = g->phases[atomic_load(&g->answer.phase)];
	struct sums all = {0};
	uint64_t rtp, busy, cycles;

	for (unsigned int i = 0; i < count; i++)
		sums_add(&all, g->phases[i]);
	rtp = all.stat[STAT_received] - rtp_before;
	busy = all.stat[STAT_busy_cycles] - busy_before;
	cycles = all.stat[STAT_cycles] - cycles_before;
	rtp_before = all.stat[STAT_received];
	busy_before = all.stat[STAT_busy_cycles];
	cycles_before = all.stat[STAT_cycles];
	fprintf(stderr,
		"%.0f s  %s  %.1f/s  placed %llu  answered %llu  failed %llu  shed %llu  standing %llu  again %llu  "
		"disagree %llu  rtp %llu/s  busy %.0f %%\n",
		seconds, now->name, now->rate, (unsigned long long)all.stat[STAT_offered],
		(unsigned long long)all.stat[STAT_answered],
		(unsigned long long)(all.stat[STAT_failed] + all.stat[STAT_timed_out]),
		(unsigned long long)all.stat[STAT_shed], (unsigned long long)atomic_load(&g->answer.standing),
		(unsigned long long)all.stat[STAT_resent], (unsigned long long)all.stat[STAT_total],
		(unsigned long long)rtp, busy_share(busy, cycles) * 100);
}
