/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is alive: the "status" segment. One cache-line group a process, written by that process alone; read by
 * tandemctl, by deploy's supervision and by the other processes.
 */
#ifndef TANDEM_COMMON_STATUS_H
#define TANDEM_COMMON_STATUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "segment.h"

/*
 * Busy and all cycles of a worker's loop since its start: utilisation of a polling core; and how long it was away from
 * its ports at a time, be it by work or because somebody took its core. Written by that worker.
 */
struct worker_status {
	_Alignas(64) _Atomic uint64_t busy_cycles;
	_Atomic uint64_t total_cycles;
	_Atomic uint64_t polls;
	_Atomic uint64_t beat_us;                          /* monotonic, at least once a second: a stuck worker shows */
	_Atomic uint64_t cycles_per_second;                /* how long those are; 0 = it has never run */
	_Atomic uint64_t polls_over_100us, polls_over_1ms; /* since its start; these are among those */
	_Atomic uint64_t longest_poll_cycles;              /* of this minute and the last one */
	/* It sleeps, or is about to: ring its bell (bell.h). Others look at it after every poll, so a line of its own.
	 */
	_Alignas(64) _Atomic uint32_t asleep;
};

struct process_status {
	_Alignas(64) _Atomic int32_t pid; /* 0 = has never run, or stopped cleanly */
	_Atomic uint32_t ready;           /* takes work */
	_Atomic uint32_t starts;          /* lives so far */
	_Atomic uint32_t workers;
	_Atomic uint64_t started_us;   /* monotonic */
	_Atomic uint64_t heartbeat_us; /* monotonic; housekeeping, several times a second */
	_Atomic uint64_t config_loaded_us;
	_Atomic uint64_t config_generation; /* counts successful loads in this life */
	char version[32];
	/* cdrwriter: no room in the spool, so signaling takes no new calls; the others leave it 0 */
	_Alignas(64) _Atomic uint32_t spool_full;
	_Atomic uint32_t database_connected;
	_Atomic uint64_t spool_pending_records; /* on disk, not yet committed in PostgreSQL */
	_Atomic uint64_t spool_pending_bytes;
	struct worker_status worker[CONFIG_MAX_WORKERS];
};

struct status {
	struct process_status process[ROLE_COUNT];
};

void status_spec(struct segment_spec *spec);

#endif
