/* SPDX-License-Identifier: Apache-2.0 */
/* Brings the database to what this program needs: the schema, its migrations, the words, the daily partitions. */
#ifndef TANDEM_CDRWRITER_SCHEMA_H
#define TANDEM_CDRWRITER_SCHEMA_H

#include <stdint.h>

#include "database.h"

/* How far from today a day may be and still get a partition; what lies outside goes to the default partition. */
#define SCHEMA_DAYS_BACK  400
#define SCHEMA_DAYS_AHEAD 40

/* Apply what is missing. 0, or -1 with the reason logged; also when the schema is newer than this program. */
int schema_prepare(struct database *db);

/* Make one day's partition (days since 1970 UTC) if it is missing. 1 when it was, 0, or -1. */
int schema_add_partition(struct database *db, int64_t day);

#endif
