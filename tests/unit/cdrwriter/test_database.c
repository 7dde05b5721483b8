/* SPDX-License-Identifier: Apache-2.0 */
/* What each kind of error means for a record: to give one up for a reason of the server's would lose money. */
#include "cdrwriter/database.h"
#include "tests/unit/check.h"

static void classes(void)
{
	static const struct {
		const char *sqlstate;
		enum database_error meaning;
	} states[] = {
	    {NULL, DATABASE_LOST},       {"", DATABASE_LOST},           {"08006", DATABASE_LOST},
	    {"57P01", DATABASE_PASSING}, {"57014", DATABASE_PASSING},   {"53100", DATABASE_PASSING},
	    {"53300", DATABASE_PASSING}, {"40001", DATABASE_PASSING},   {"40P01", DATABASE_PASSING},
	    {"25006", DATABASE_PASSING}, {"55P03", DATABASE_PASSING},   {"42P01", DATABASE_PASSING},
	    {"42501", DATABASE_PASSING}, {"58030", DATABASE_PASSING},   {"XX001", DATABASE_PASSING},
	    {"28P01", DATABASE_PASSING}, {"23505", DATABASE_DUPLICATE}, {"23514", DATABASE_REFUSED},
	    {"23502", DATABASE_REFUSED}, {"22021", DATABASE_REFUSED},   {"22008", DATABASE_REFUSED},
	    {"54000", DATABASE_REFUSED}, {"P0001", DATABASE_REFUSED},
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		CHECK_INT(database_classify(states[i].sqlstate), states[i].meaning);
}

static void nobody_there(void)
{
	struct database db = {0};

	CHECK_INT(database_connect(&db, "host=/nonexistent dbname=none"), -1);
	CHECK_INT(db.error, DATABASE_LOST);
	CHECK(db.conn == NULL && db.reason[0]);
	CHECK_INT(database_run(&db, "SELECT 1"), -1);
	CHECK(!database_is_alive(&db));
	CHECK_INT(database_connect(&db, "this is no connection string"), -1);
	database_close(&db);
}

static const struct check_case cases[] = {
    {"classes of SQLSTATE", classes},
    {"nobody there", nobody_there},
};

CHECK_MAIN(cases)
