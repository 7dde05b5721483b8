/* SPDX-License-Identifier: Apache-2.0 */
#include "scenario.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sip_view.h"
#include "yaml_tree.h"

#define NS_PER_S 1e9

/* ---- load ---------------------------------------------------------------------------------------------------- */

/* Up or down. */
static bool ramp_is_good(const struct load *load)
{
	return load->from > 0 && load->to > 0 && load->step > 0 && fabs(load->to - load->from) / load->step <= 200;
}

static void read_ramp(struct yaml_tree *tree, yaml_node_t *map, struct load *load)
{
	if (!map)
		return;
	yaml_keys(tree, map, "from to step");
	load->plan = PLAN_RAMP;
	yaml_number(tree, map, "from", &load->from, 0.001, 1e9);
	yaml_number(tree, map, "to", &load->to, 0.001, 1e9);
	yaml_number(tree, map, "step", &load->step, 0.001, 1e9);
	if (!ramp_is_good(load))
		yaml_fault(tree, map, "ramp: expected from, to and step, and at most 200 steps");
}

static void read_search(struct yaml_tree *tree, yaml_node_t *map, struct load *load)
{
	if (!map)
		return;
	yaml_keys(tree, map, "low high precision");
	load->plan = PLAN_SEARCH;
	load->step = 0.02;
	yaml_number(tree, map, "low", &load->from, 0.001, 1e9);
	yaml_number(tree, map, "high", &load->to, 0.001, 1e9);
	yaml_number(tree, map, "precision", &load->step, 0.001, 0.5);
	if (load->from <= 0 || load->to <= load->from)
		yaml_fault(tree, map, "search: expected low and a greater high");
}

static void read_of(struct yaml_tree *tree, yaml_node_t *map, struct load *load)
{
	char of[16] = "calls";

	yaml_text(tree, map, "of", of, sizeof(of));
	load->of_rtp = strcmp(of, "rtp") == 0;
	if (!load->of_rtp && strcmp(of, "calls") != 0)
		yaml_fault(tree, yaml_member(tree, map, "of"), "of: expected calls or rtp");
}

static void read_load(struct yaml_tree *tree, yaml_node_t *map, struct load *load)
{
	char arrivals[16] = "even";
	double stretch_ms = 0;

	*load = (struct load){
	    .rate = 100, .seconds = 10, .warm_up_s = 1, .clean = 0.0001, .drain_s = 5, .standing_rate = 2000};
	yaml_keys(tree, map,
		  "rate seconds warm_up arrivals clean drain standing standing_rate calls ramp search of "
		  "stretch");
	yaml_number(tree, map, "rate", &load->rate, 0, 1e9);
	yaml_number(tree, map, "seconds", &load->seconds, 0, 1e6);
	yaml_number(tree, map, "warm_up", &load->warm_up_s, 0, 1e6);
	yaml_number(tree, map, "clean", &load->clean, 0, 1);
	yaml_number(tree, map, "drain", &load->drain_s, 0, 3600);
	yaml_number(tree, map, "stretch", &stretch_ms, 0, 1000);
	load->stretch_ns = (uint64_t)(stretch_ms * 1e6);
	yaml_number(tree, map, "standing_rate", &load->standing_rate, 1, 1e6);
	yaml_count(tree, map, "standing", &load->standing, 0, NUMBER_SLOTS / 2);
	yaml_count(tree, map, "calls", &load->calls, 1, NUMBER_SLOTS);
	yaml_text(tree, map, "arrivals", arrivals, sizeof(arrivals));
	load->poisson = strcmp(arrivals, "poisson") == 0;
	if (!load->poisson && strcmp(arrivals, "even") != 0)
		yaml_fault(tree, map, "arrivals: expected even or poisson");
	read_ramp(tree, yaml_member(tree, map, "ramp"), load);
	read_search(tree, yaml_member(tree, map, "search"), load);
	read_of(tree, map, load);
}

/* ---- calls --------------------------------------------------------------------------------------------------- */

/* A number, {mean: number}, or absent. */
static void read_hold(struct yaml_tree *tree, yaml_node_t *map, struct flow *flow)
{
	yaml_node_t *node = yaml_member(tree, map, "hold");

	if (!node)
		return;
	flow->hold_random = node->type == YAML_MAPPING_NODE;
	if (flow->hold_random) {
		yaml_keys(tree, node, "mean");
		yaml_seconds(tree, node, "mean", &flow->hold_ns);
	} else {
		yaml_seconds(tree, map, "hold", &flow->hold_ns);
	}
}

static void read_ring(struct yaml_tree *tree, yaml_node_t *map, struct flow *flow)
{
	const char *text = yaml_scalar(yaml_member(tree, map, "ring"));

	if (text && strcmp(text, "none") == 0) {
		flow->rings = false;
		flow->ring_ns = 0;
	} else if (text) {
		flow->rings = true;
		yaml_seconds(tree, map, "ring", &flow->ring_ns);
	}
}

static void read_hang_up(struct yaml_tree *tree, yaml_node_t *map, struct flow *flow)
{
	const char *text = yaml_scalar(yaml_member(tree, map, "hang_up"));

	if (text && strcmp(text, "caller") == 0)
		flow->callee_hangs_up = 0;
	else if (text && strcmp(text, "callee") == 0)
		flow->callee_hangs_up = 1;
	else
		yaml_number(tree, map, "hang_up", &flow->callee_hangs_up, 0, 1);
}

/* What `call` and every entry of `mix` may say. */
static void read_course(struct yaml_tree *tree, yaml_node_t *map, struct flow *flow)
{
	read_hold(tree, map, flow);
	read_ring(tree, map, flow);
	read_hang_up(tree, map, flow);
}

static unsigned int read_lines(struct yaml_tree *tree, yaml_node_t *map, const char *key, char out[MAX_LINES][MAX_LINE])
{
	yaml_node_t *node = yaml_member(tree, map, key);
	unsigned int count = yaml_length(node);

	if (node && (node->type != YAML_SEQUENCE_NODE || count > MAX_LINES)) {
		yaml_fault(tree, node, "%s: expected a list of at most %d lines", key, MAX_LINES);
		return 0;
	}
	for (unsigned int i = 0; i < count; i++) {
		yaml_node_t *item = yaml_item(tree, node, i);
		const char *text = yaml_scalar(item);

		if (!text || strlen(text) >= MAX_LINE || strpbrk(text, "\r\n{"))
			yaml_fault(tree, item, "%s: expected a line of less than %d bytes without {", key, MAX_LINE);
		else
			strcpy(out[i], text);
	}
	return count;
}

static bool is_digits(const char *text)
{
	return text[strspn(text, "0123456789")] == 0;
}

/* A list of prefixes, or how many there are to be: as many numbers of equal length. */
static void read_prefixes(struct yaml_tree *tree, yaml_node_t *map, struct call_options *call)
{
	yaml_node_t *node = yaml_member(tree, map, "prefixes");
	bool is_list = node && node->type == YAML_SEQUENCE_NODE;
	char before[32] = "", text[64];
	double count = 1;

	yaml_text(tree, map, "prefix", before, sizeof(before));
	if (is_list)
		count = yaml_length(node);
	else if (node && !yaml_node_number(tree, node, &count, 1, MAX_PREFIXES))
		return;
	call->prefix = calloc((size_t)count + 1, sizeof(*call->prefix));
	for (unsigned int i = 0; call->prefix && i < (unsigned int)count; i++) {
		const char *item = is_list ? yaml_scalar(yaml_item(tree, node, i)) : NULL;

		if (is_list)
			snprintf(text, sizeof(text), "%s%s", before, item ? item : "?");
		else if (node)
			snprintf(text, sizeof(text), "%s%u", before, (unsigned int)count + i);
		else
			snprintf(text, sizeof(text), "%s", before);
		if (!is_digits(text) || strlen(text) + NUMBER_TAIL > call->digits)
			yaml_fault(tree, node, "%s: expected digits, %d less than the %u dialled", text, NUMBER_TAIL,
				   call->digits);
		call->prefix[call->prefixes++] = strdup(text);
	}
}

static void read_call(struct yaml_tree *tree, yaml_node_t *map, struct call_options *call, struct flow *course)
{
	yaml_node_t *digest = yaml_member(tree, map, "digest");

	*call = (struct call_options){.digits = 18,
				      .caller = "49301234567",
				      .codecs = "8 0 101",
				      .settle_ns = (uint64_t)(8 * NS_PER_S),
				      .linger_ns = (uint64_t)NS_PER_S};
	*course = (struct flow){.cancel_ns = NEVER_NS, .rings = true, .hold_ns = (uint64_t)NS_PER_S, .share = 1};
	yaml_keys(tree, map,
		  "prefixes prefix digits caller ring trying hold hang_up settle linger headers codecs sdp digest");
	yaml_count(tree, map, "digits", &call->digits, NUMBER_TAIL, 32);
	read_prefixes(tree, map, call);
	yaml_text(tree, map, "caller", call->caller, sizeof(call->caller));
	yaml_text(tree, map, "codecs", call->codecs, sizeof(call->codecs));
	yaml_flag(tree, map, "trying", &call->trying);
	yaml_seconds(tree, map, "settle", &call->settle_ns);
	yaml_seconds(tree, map, "linger", &call->linger_ns);
	call->headers = read_lines(tree, map, "headers", call->header);
	call->sdp_lines = read_lines(tree, map, "sdp", call->sdp);
	yaml_keys(tree, digest, "user password");
	yaml_text(tree, digest, "user", call->user, sizeof(call->user));
	yaml_text(tree, digest, "password", call->password, sizeof(call->password));
	course->digest = digest != NULL;
	read_course(tree, map, course);
}

/* ---- mix ----------------------------------------------------------------------------------------------------- */

static void read_action(struct yaml_tree *tree, yaml_node_t *node, struct action *action)
{
	static const char *const names[] = {[ACTION_ANSWER] = "answer",
					    [ACTION_CODE] = "a code from 300 to 699",
					    [ACTION_SILENT] = "silent",
					    [ACTION_RING] = "ring",
					    [ACTION_CHALLENGE] = "challenge"};
	const char *text = yaml_scalar(node);
	long code = text ? strtol(text, NULL, 10) : 0;

	if (code >= 300 && code <= 699) {
		*action = (struct action){ACTION_CODE, (uint16_t)code};
		return;
	}
	for (unsigned int i = 0; text && i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i], text) == 0) {
			action->kind = (uint8_t)i;
			return;
		}
	yaml_fault(tree, node, "%s: expected answer, a code from 300 to 699, silent, ring or challenge",
		   text ? text : "?");
}

static void read_vendors(struct yaml_tree *tree, yaml_node_t *map, struct flow *flow)
{
	yaml_node_t *node = yaml_member(tree, map, "vendors");

	flow->actions = yaml_length(node);
	if (flow->actions > MAX_ACTIONS || (node && flow->actions == 0)) {
		yaml_fault(tree, node, "vendors: expected a list of 1 to %d", MAX_ACTIONS);
		flow->actions = 0;
	}
	for (unsigned int i = 0; i < flow->actions; i++)
		read_action(tree, yaml_item(tree, node, i), &flow->action[i]);
	if (flow->actions == 0)
		flow->actions = 1; /* answer */
}

static void read_expect(struct yaml_tree *tree, yaml_node_t *map, struct flow *flow)
{
	yaml_node_t *node = yaml_member(tree, map, "expect");
	const struct action *last = &flow->action[flow->actions - 1];
	double code;

	for (unsigned int i = 0; i < flow->actions; i++)
		flow->answers |= flow->action[i].kind == ACTION_ANSWER || flow->action[i].kind == ACTION_CHALLENGE;
	if (yaml_length(node) > MAX_EXPECTED)
		yaml_fault(tree, node, "expect: expected at most %d codes", MAX_EXPECTED);
	for (unsigned int i = 0; i < yaml_length(node) && i < MAX_EXPECTED; i++)
		if (yaml_node_number(tree, yaml_item(tree, node, i), &code, 200, 699))
			flow->expect[flow->expects++] = (uint16_t)code;
	if (node && node->type == YAML_SCALAR_NODE && yaml_node_number(tree, node, &code, 200, 699))
		flow->expect[flow->expects++] = (uint16_t)code;
	if (flow->expects)
		return;
	flow->expects = 1;
	if (flow->cancel_ns != NEVER_NS)
		flow->expect[0] = 487;
	else
		flow->expect[0] = flow->answers ? 200 : last->kind == ACTION_CODE ? last->code : 408;
}

static void read_flow(struct yaml_tree *tree, yaml_node_t *map, struct flow *flow, unsigned int index)
{
	snprintf(flow->name, sizeof(flow->name), "flow %u", index + 1);
	yaml_keys(tree, map, "name share vendors cancel expect digest hold ring hang_up");
	yaml_text(tree, map, "name", flow->name, sizeof(flow->name));
	yaml_number(tree, map, "share", &flow->share, 0, 1e9);
	yaml_flag(tree, map, "digest", &flow->digest);
	yaml_seconds(tree, map, "cancel", &flow->cancel_ns);
	read_vendors(tree, map, flow);
	read_expect(tree, map, flow);
	read_course(tree, map, flow);
}

static void read_mix(struct yaml_tree *tree, yaml_node_t *root, struct scenario *s, const struct flow *course)
{
	yaml_node_t *node = yaml_member(tree, root, "mix");
	double sum = 0;

	s->flows = yaml_length(node);
	if (s->flows > MAX_FLOWS) {
		yaml_fault(tree, node, "mix: expected at most %d entries", MAX_FLOWS);
		s->flows = MAX_FLOWS;
	}
	if (s->flows == 0 && s->registrations.endpoints == 0)
		yaml_fault(tree, node, "expected a mix of calls, or registrations, or both");
	for (unsigned int i = 0; i < s->flows; i++) {
		s->flow[i] = *course;
		read_flow(tree, yaml_item(tree, node, i), &s->flow[i], i);
		sum += s->flow[i].share;
	}
	if (s->flows && sum <= 0)
		yaml_fault(tree, node, "mix: the shares are all 0");
	for (unsigned int i = 0; i < s->flows; i++)
		s->flow[i].share /= sum;
}

/* ---- media and phones ---------------------------------------------------------------------------------------- */

static void read_rtp(struct yaml_tree *tree, yaml_node_t *map, struct rtp_options *rtp)
{
	double interval_ms = 20;

	*rtp = (struct rtp_options){.payload = 160, .payload_type = 8};
	yaml_keys(tree, map, "share interval_ms payload payload_type");
	yaml_number(tree, map, "share", &rtp->share, 0, 1);
	yaml_number(tree, map, "interval_ms", &interval_ms, 0.1, 1000);
	yaml_count(tree, map, "payload", &rtp->payload, 32, 1400);
	yaml_count(tree, map, "payload_type", &rtp->payload_type, 0, 127);
	rtp->interval_ns = (uint64_t)(interval_ms * 1e6);
}

static void read_registrations(struct yaml_tree *tree, yaml_node_t *map, struct registration_options *r)
{
	*r = (struct registration_options){
	    .rate = 5000, .expires = 3600, .user = "100000", .hello = "HELLO", .period_ns = (uint64_t)(30 * NS_PER_S)};
	yaml_keys(tree, map, "endpoints rate expires user password contact hello period");
	yaml_count(tree, map, "endpoints", &r->endpoints, 0, NUMBER_SLOTS);
	yaml_number(tree, map, "rate", &r->rate, 1, 1e7);
	yaml_count(tree, map, "expires", &r->expires, 1, 1000000);
	yaml_text(tree, map, "user", r->user, sizeof(r->user));
	yaml_text(tree, map, "password", r->password, sizeof(r->password));
	yaml_text(tree, map, "contact", r->contact, sizeof(r->contact));
	yaml_text(tree, map, "hello", r->hello, sizeof(r->hello));
	yaml_seconds(tree, map, "period", &r->period_ns);
	if (!is_digits(r->user) || strlen(r->user) > 15)
		yaml_fault(tree, map, "user: expected up to 15 digits");
	if (r->period_ns < 1000000)
		yaml_fault(tree, map, "period: expected at least 0.001");
}

/* ---- the whole ----------------------------------------------------------------------------------------------- */

/* FACTOR[:SECONDS[:MILLISECONDS]],... */
static bool read_after(struct load *load, const char *text)
{
	while (text && *text) {
		double seconds = load->seconds, factor, stretch_ms = 0;
		char *end;

		factor = strtod(text, &end);
		if (*end == ':')
			seconds = strtod(end + 1, &end);
		if (*end == ':')
			stretch_ms = strtod(end + 1, &end);
		if ((*end && *end != ',') || !(factor > 0 && factor <= 100) || !(seconds > 0) ||
		    !(stretch_ms >= 0 && stretch_ms <= 1000) || load->afters == MAX_AFTER)
			return false;
		load->after[load->afters].stretch_ns = (uint64_t)(stretch_ms * 1e6);
		load->after[load->afters].factor = factor;
		load->after[load->afters++].seconds = seconds;
		text = *end ? end + 1 : end;
	}
	return true;
}

static bool override_load(struct load *load, const struct overrides *o)
{
	char rest;

	if (o->rate > 0)
		load->rate = o->rate;
	if (o->seconds > 0)
		load->seconds = o->seconds;
	if (o->has_warm_up)
		load->warm_up_s = o->warm_up_s;
	if (o->has_standing)
		load->standing = o->standing;
	if (o->of)
		load->of_rtp = strcmp(o->of, "rtp") == 0;
	if (o->rate > 0)
		load->plan = PLAN_FIXED;
	if (o->ramp) {
		load->plan = PLAN_RAMP;
		if (sscanf(o->ramp, "%lf:%lf:%lf%c", &load->from, &load->to, &load->step, &rest) != 3 ||
		    !ramp_is_good(load))
			return false;
	}
	if (o->search) {
		load->plan = PLAN_SEARCH;
		load->step = 0.02;
		if (sscanf(o->search, "%lf:%lf:%lf%c", &load->from, &load->to, &load->step, &rest) < 2 ||
		    load->from <= 0 || load->to <= load->from || load->step <= 0 || load->step > 0.5)
			return false;
	}
	if (!read_after(load, o->after) || (load->afters && load->plan == PLAN_RAMP))
		return false;
	return !o->of || load->of_rtp || strcmp(o->of, "calls") == 0;
}

/* The highest multiple of a rate that is known. */
static double after_factor(const struct load *load)
{
	double highest = 1;

	for (unsigned int i = 0; i < load->afters; i++)
		highest = fmax(highest, load->after[i].factor);
	return highest;
}

/* Room for every call that may stand at once: by rate and length, with a quarter more. */
static unsigned int calls_needed(const struct scenario *s)
{
	double highest = s->load.of_rtp               ? 0
			 : s->load.plan == PLAN_FIXED ? s->load.rate * after_factor(&s->load)
						      : s->load.to,
	       longest = 0, needed;

	for (unsigned int i = 0; i < s->flows; i++) {
		const struct flow *flow = &s->flow[i];
		double s_hold = (double)flow->hold_ns / NS_PER_S * (flow->hold_random ? 3 : 1);

		longest = fmax(longest, s_hold + (double)flow->ring_ns / NS_PER_S);
	}
	needed = highest * (longest + (double)s->call.linger_ns / NS_PER_S + 1) * 1.25 + s->load.standing + 1000;
	return needed < NUMBER_SLOTS ? (unsigned int)needed : NUMBER_SLOTS;
}

static void read_all(struct yaml_tree *tree, struct scenario *s)
{
	yaml_node_t *root = yaml_root(tree);
	struct flow course;

	snprintf(s->name, sizeof(s->name), "unnamed");
	yaml_keys(tree, root, "name load call mix rtp registrations");
	yaml_text(tree, root, "name", s->name, sizeof(s->name));
	read_load(tree, yaml_member(tree, root, "load"), &s->load);
	read_call(tree, yaml_member(tree, root, "call"), &s->call, &course);
	read_rtp(tree, yaml_member(tree, root, "rtp"), &s->rtp);
	read_registrations(tree, yaml_member(tree, root, "registrations"), &s->registrations);
	read_mix(tree, root, s, &course);
}

struct scenario *scenario_load(const char *path, const struct overrides *overrides)
{
	struct scenario *s = calloc(1, sizeof(*s));
	struct yaml_tree tree;
	bool ok = s && yaml_tree_load(&tree, path) == 0;

	if (ok) {
		read_all(&tree, s);
		ok = tree.errors == 0;
		yaml_tree_free(&tree);
	}
	if (ok && !override_load(&s->load, overrides)) {
		fprintf(stderr, "--ramp, --search, --after or --of: expected FROM:TO:STEP, LOW:HIGH[:PRECISION], "
				"FACTOR[:SECONDS[:MILLISECONDS]],... behind a rate or a search, calls or rtp\n");
		ok = false;
	}
	if (!ok) {
		scenario_free(s);
		return NULL;
	}
	if (s->load.calls == 0)
		s->load.calls = calls_needed(s);
	return s;
}

void scenario_free(struct scenario *scenario)
{
	if (!scenario)
		return;
	for (unsigned int i = 0; i < scenario->call.prefixes; i++)
		free(scenario->call.prefix[i]);
	free(scenario->call.prefix);
	free(scenario);
}
