/* SPDX-License-Identifier: Apache-2.0 */
/* Where records go that can't become rows: a table, or a file when the table refuses them as well. */
#ifndef TANDEM_CDRWRITER_QUARANTINE_H
#define TANDEM_CDRWRITER_QUARANTINE_H

#include <stddef.h>
#include <stdint.h>

#include "database.h"

#define QUARANTINE_FILE "quarantine.jsonl"

struct quarantined {
	const char *node;
	uint64_t spool_id, segment, position; /* where it lay: just after the record */
	const char *sqlstate, *reason;
	const uint8_t *record; /* the protobuf CdrRecord as it came */
	size_t len;
};

/* Into tandem.cdr_quarantine, in the running transaction. 0, or -1 with the error in db. */
int quarantine_insert(struct database *db, const struct quarantined *q);

/* One line of JSON at the end of QUARANTINE_FILE, durable. 0 or a negative errno. */
int quarantine_write(int directory_fd, const struct quarantined *q);

#endif
