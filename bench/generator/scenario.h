/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario file (bench/README.md) as read and checked. The directing thread makes it; afterwards nobody changes it.
 */
#ifndef TANDEM_GENERATOR_SCENARIO_H
#define TANDEM_GENERATOR_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_FLOWS    16
#define MAX_ACTIONS  8
#define MAX_EXPECTED 8
#define MAX_LINES    16
#define MAX_PREFIXES 100000u
#define MAX_LINE     256
#define NEVER_NS     UINT64_MAX

/* What a vendor does with an INVITE. */
enum action_kind { ACTION_ANSWER, ACTION_CODE, ACTION_SILENT, ACTION_RING, ACTION_CHALLENGE };

struct action {
	uint8_t kind;
	uint16_t code; /* of ACTION_CODE */
};

struct flow {
	char name[32];
	double share;
	struct action action[MAX_ACTIONS]; /* of the first, second... vendor asked */
	unsigned int actions;
	uint64_t cancel_ns; /* after the INVITE; NEVER_NS: not cancelled */
	uint16_t expect[MAX_EXPECTED];
	unsigned int expects;
	bool digest, hold_random, rings, answers;
	uint64_t hold_ns, ring_ns;
	double callee_hangs_up; /* share */
};

#define MAX_AFTER 24

enum plan_kind { PLAN_FIXED, PLAN_RAMP, PLAN_SEARCH };

struct load {
	double rate, seconds, warm_up_s, clean, drain_s, standing_rate;
	bool poisson, of_rtp;
	unsigned int standing, calls;
	enum plan_kind plan;
	uint64_t stretch_ns;   /* of every measurement, as in struct phase */
	double from, to, step; /* of a ramp; low, high, precision of a search */
	struct {
		double factor, seconds;
		uint64_t stretch_ns; /* as in struct phase */
	} after[MAX_AFTER];          /* measurements at multiples of what a search has found, or of the rate */
	unsigned int afters;
};

struct call_options {
	char **prefix; /* whole ones */
	unsigned int prefixes, digits;
	char caller[64], codecs[64], user[64], password[64];
	char header[MAX_LINES][MAX_LINE], sdp[MAX_LINES][MAX_LINE];
	unsigned int headers, sdp_lines;
	bool trying;
	uint64_t settle_ns, linger_ns;
};

struct rtp_options {
	double share;
	uint64_t interval_ns;
	unsigned int payload, payload_type;
};

struct registration_options {
	unsigned int endpoints;
	double rate;
	unsigned int expires;
	char user[32], password[64], contact[64], hello[64];
	uint64_t period_ns;
};

struct scenario {
	char name[64];
	struct load load;
	struct call_options call;
	struct flow flow[MAX_FLOWS];
	unsigned int flows; /* 0: registrations only */
	struct rtp_options rtp;
	struct registration_options registrations;
};

/* What the command line says instead of the file; 0 or NULL: nothing. */
struct overrides {
	double rate, seconds, warm_up_s;
	const char *ramp, *search, *of, *after;
	unsigned int standing;
	bool has_warm_up, has_standing;
};

/* Returns a new scenario (scenario_free()), or NULL with what is wrong written to stderr. */
struct scenario *scenario_load(const char *path, const struct overrides *overrides);
void scenario_free(struct scenario *scenario);

#endif
