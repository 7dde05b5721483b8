/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world of fuzz_call: a lab (tests/unit/signaling/lab.h) with phones, registrations, probes and names of its own,
 * in which the same input runs the same way each time, and in which the engine can be killed in the middle of an event.
 */
#ifndef TANDEM_TESTS_FUZZ_CALL_WORLD_H
#define TANDEM_TESTS_FUZZ_CALL_WORLD_H

#include "tests/unit/signaling/lab.h"

#define WORLD_PHONES  2
#define WORLD_CALLERS 8 /* calls that the customer has under way at once */
#define WORLD_HEARD   16

/* What a reload may turn on and off. */
enum world_switch {
	WORLD_PROBE = 1u << 0,    /* the first two vendors are probed */
	WORLD_REGISTER = 1u << 1, /* we register at the first one, and have credentials for it */
	WORLD_PASS = 1u << 2,     /* the customer follows a 3xx itself */
	WORLD_NAME = 1u << 3,     /* the fourth vendor is known by name */
	WORLD_LIMITS = 1u << 4,
	WORLD_UNTRUSTED = 1u << 5, /* headers, bodies and ringback as a cautious operator has them */
	WORLD_FEWER = 1u << 6,     /* the third and fourth vendor are gone */
	WORLD_SESSIONS = 1u << 7,  /* no session timers of ours */
};

struct world {
	struct lab *lab;
	unsigned int calls;               /* so many so far, each with a Call-ID of its own */
	unsigned int call[WORLD_CALLERS]; /* number of the one under way */
	unsigned int cseq;                /* of the latest request in a dialog */
	unsigned int rseq;                /* of the latest reliable response */
	unsigned int kill_in;             /* datagrams until the engine is killed; 0 = not at all */
	uint64_t born_us;                 /* when this life of the engine began */
};

extern struct world world;

/* A description, or another body, that a peer may send. */
struct world_body {
	const char *type, *text; /* NULL: none */
};
#define WORLD_BODIES 8
extern const struct world_body world_bodies[WORLD_BODIES];

void world_begin(void);
void world_end(void); /* all anew, whatever the input has left */
void world_configure(unsigned int switches);
/* The fourth vendor's name stands for so many addresses. */
void world_resolve(unsigned int count);
void world_kill(void);
/* One of the peers' latest datagrams comes again. */
void world_again(unsigned int back);
/* Do it; if the engine is killed meanwhile, a new one takes its place. */
void world_do(void (*move)(struct lab *lab, uint8_t a), uint8_t a);

/* A REGISTER of a phone's (or of the exchange that registers), or its INVITE, with credentials if it was challenged. */
void world_register(unsigned int phone, unsigned int expires_s, bool elsewhere);
void world_phone_calls(unsigned int phone, const char *number, const struct world_body *body);

#endif
