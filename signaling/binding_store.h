/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registrations: records in the "bindings" segment (common/layout/binding_record.h) and the private indexes over
 * them. Each user belongs to one worker, by a keyed hash of the name; that worker alone makes, changes and removes its
 * bindings, any worker may look one up. Slots come from one free list for all, so the configured number of
 * registrations is reached however users fall among the workers.
 *
 * Survives a kill: binding_store_new() finds the records again and shares them out afresh, also among another
 * number of workers. A record that was being written is dropped: its phone had no answer and comes again.
 */
#ifndef TANDEM_SIGNALING_BINDING_STORE_H
#define TANDEM_SIGNALING_BINDING_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/layout/binding_record.h"

#define BINDINGS_PER_USER 8u
#define BINDING_NONE      UINT32_MAX

struct binding_store;

struct binding_store_options {
	void *segment;       /* content of "bindings" */
	uint32_t slots;      /* its item_count */
	uint64_t generation; /* of the segment: ids of a new segment do not repeat those of the one before */
	unsigned int workers;
	uint64_t now_us; /* what has expired by then is dropped */
};

/* Start-up only. NULL when out of memory. */
struct binding_store *binding_store_new(const struct binding_store_options *options);
void binding_store_free(struct binding_store *store);

uint32_t binding_store_slots(const struct binding_store *store);
uint64_t binding_store_standing(const struct binding_store *store); /* all workers' */
/* Records found torn at start. */
uint32_t binding_store_torn(const struct binding_store *store);

/* The worker that owns a user. Any thread. */
unsigned int binding_store_owner(const struct binding_store *store, const char *user, size_t len);

/*
 * The user's standing bindings, copied, unsorted, expired ones left out; slots[] may be NULL. Any thread, lock-free.
 * Returns how many (at most max and BINDINGS_PER_USER).
 */
unsigned int binding_store_find(const struct binding_store *store, const char *user, size_t len, uint64_t now_us,
				struct binding_record *out, uint32_t *slots, unsigned int max);

/* ---- owner worker only ---- */

/*
 * Make a binding: `record`'s user, contact, flow, ... become a new life in a free slot; id and state are set here.
 * Returns 0 with *slot, -ENOSPC: the segment is full.
 */
int binding_store_add(struct binding_store *store, struct binding_record *record, uint32_t *slot);
/* Rewrite a standing binding in place (same user). */
void binding_store_update(struct binding_store *store, uint32_t slot, const struct binding_record *record);
/* False: it does not stand, and nothing was done. */
bool binding_store_remove(struct binding_store *store, uint32_t slot);
/* The record in a slot. Any thread; false as binding_record_read(). */
bool binding_store_read(const struct binding_store *store, uint32_t slot, struct binding_record *out);
/* How the phone in a slot is reached, of which no more than a cache line is read. Any thread; false as above. */
bool binding_store_reach(const struct binding_store *store, uint32_t slot, struct binding_reach *out);
/* That line is about to be asked for. */
void binding_store_prefetch(const struct binding_store *store, uint32_t slot);
/* A standing record's flags without reading it all; 0 when the slot (< slots) is free. Any thread. */
uint8_t binding_store_flags(const struct binding_store *store, uint32_t slot);
/* KEEPALIVE_DUE on or off, nothing else. */
void binding_store_flag(struct binding_store *store, uint32_t slot, enum binding_flag flag, bool on);

#endif
