/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everybody who has a password: phones (ranges expanded) and mapping gateways known by digest. The table belongs to
 * a snapshot; a user's state (failed digests, suspension) outlives reloads: it is never freed or moved.
 */
#ifndef TANDEM_SIGNALING_USERS_H
#define TANDEM_SIGNALING_USERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "signaling/gateway.h"

#define USER_NAME_MAX 64

/*
 * Failed digests are counted apart for the address that the user is registered from and for everywhere else, so that
 * a stranger who guesses passwords suspends the user for strangers and not for the phone that is at home.
 */
enum user_place { USER_AWAY, USER_AT_HOME, USER_PLACES };

struct user_state {
	_Atomic uint32_t failed[USER_PLACES];             /* digests since the last right one */
	_Atomic uint64_t suspended_until_us[USER_PLACES]; /* monotonic */
};

enum user_kind { USER_PHONE, USER_MAPPING };

struct user {
	uint64_t hash;
	const char *name; /* borrowed or the table's own; not zero-terminated */
	uint8_t name_len;
	uint8_t kind;      /* enum user_kind */
	bool may_register; /* phones, and customers that a routing gateway reaches where they registered from */
	uint32_t id;       /* party */
	uint32_t capacity; /* USER_PHONE: concurrent calls; 0 = no limit */
	uint8_t ha1_md5[16], ha1_sha256[32];
	const struct config_mapping_gateway *mapping; /* USER_MAPPING */
	struct user_state *state;
};

struct users;
struct user_states; /* the process's: state by name */

struct user_states *user_states_new(void);
void user_states_free(struct user_states *states);

/* Housekeeping. NULL when out of memory or when a user is there twice (logged). `config` is borrowed. */
struct users *users_new(const struct config *config, struct user_states *states, struct parties *parties);
void users_free(struct users *users);

/* NULL: nobody. Any thread. */
const struct user *users_find(const struct users *users, const char *name, size_t len);
unsigned int users_count(const struct users *users);
const struct user *users_at(const struct users *users, unsigned int i); /* i < users_count() */

#endif
