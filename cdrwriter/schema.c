/* SPDX-License-Identifier: Apache-2.0 */
#include "schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/end_reason.h"
#include "common/log.h"

extern const char schema_sql[]; /* deploy/schema.sql, put into the program by embed.py */

/* In order; the database remembers the last one applied. Append only. */
static const struct {
	int version;
	const char *sql;
} migrations[] = {
    {1, schema_sql},
};

#define MIGRATIONS (sizeof(migrations) / sizeof(migrations[0]))

static int query_number(struct database *db, const char *sql, int64_t *number)
{
	PGresult *result = database_query(db, sql, 0, NULL);

	if (!result)
		return -1;
	*number =
	    PQntuples(result) == 1 && !PQgetisnull(result, 0, 0) ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
	PQclear(result);
	return 0;
}

/* 0 when there is no schema yet. */
static int schema_version(struct database *db, int64_t *version)
{
	int64_t there;

	*version = 0;
	if (query_number(db, "SELECT (to_regclass('tandem.schema_version') IS NOT NULL)::int", &there) < 0)
		return -1;
	return there ? query_number(db, "SELECT max(version) FROM tandem.schema_version", version) : 0;
}

/* Several nodes may find an empty database at the same moment: one of them applies, the others wait and see it done. */
static int migrate(struct database *db, int64_t *version)
{
	if (database_run(db, "BEGIN; SELECT pg_advisory_xact_lock(hashtext('tandem.schema'))") < 0 ||
	    schema_version(db, version) < 0)
		return -1;
	for (size_t i = 0; i < MIGRATIONS; i++) {
		if (migrations[i].version <= *version)
			continue;
		if (database_run(db, migrations[i].sql) < 0)
			return -1;
		log_info("database", "schema version %d applied", migrations[i].version);
		*version = migrations[i].version;
	}
	return database_run(db, "COMMIT");
}

static int fill_end_reasons(struct database *db)
{
	static const char sql[] =
	    "INSERT INTO tandem.end_reason AS r (word, number, q850_cause, meaning) VALUES ($1, $2, $3, $4)"
	    " ON CONFLICT (word) DO UPDATE SET number = $2, q850_cause = $3, meaning = $4"
	    " WHERE (r.number, r.q850_cause, r.meaning) IS DISTINCT FROM ($2, $3, $4)";

	for (int i = END_NONE + 1; i < END_REASON_COUNT; i++) {
		char number[16], cause[16];
		const char *values[] = {end_reason_info[i].word, number, cause, end_reason_info[i].when};

		snprintf(number, sizeof(number), "%d", i);
		snprintf(cause, sizeof(cause), "%u", end_reason_info[i].q850_cause);
		PGresult *result = database_query(db, sql, 4, values);

		if (!result)
			return -1;
		PQclear(result);
	}
	return 0;
}

int schema_prepare(struct database *db)
{
	const int64_t ours = migrations[MIGRATIONS - 1].version;
	int64_t version;

	if (schema_version(db, &version) < 0 || (version < ours && migrate(db, &version) < 0)) {
		log_error("database",
			  "the schema \"tandem\" is not there or not up to date, and cannot be made so: %s"
			  " (grant CREATE on the database, or apply deploy/schema.sql by hand)",
			  db->reason);
		return -1;
	}
	if (version > ours) {
		log_error("database",
			  "the schema \"tandem\" is version %" PRId64 ", this program knows %" PRId64
			  ": install the newer program",
			  version, ours);
		return -1;
	}
	return fill_end_reasons(db);
}

int schema_add_partition(struct database *db, int64_t day)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT tandem.cdr_add_partition(date '1970-01-01' + %" PRId64 ")::int", day);
	int64_t made;

	if (query_number(db, sql, &made) < 0)
		return -1;
	return made == 1;
}
