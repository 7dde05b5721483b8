/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to PostgreSQL that never waits for ever: every call has a deadline of its own, because a proxy or
 * a dead network can swallow an answer while the kernel thinks all is well. The server's own time-outs are set
 * shorter, so that a slow server gives up before we drop it. Synchronous commit is always on: a commit that a crash
 * of the server can undo would let us delete the only copy of a record.
 *
 * The loader's thread only.
 */
#ifndef TANDEM_CDRWRITER_DATABASE_H
#define TANDEM_CDRWRITER_DATABASE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATABASE_DEADLINE_MS 10000

/* What a failure means for what was tried. */
enum database_error {
	DATABASE_OK,
	DATABASE_LOST,      /* no connection any more, or no answer in time: its outcome is unknown */
	DATABASE_PASSING,   /* the server refused for a reason of its own: shutdown, no disk, standby, deadlock ... */
	DATABASE_DUPLICATE, /* a unique constraint: the row is there already */
	DATABASE_REFUSED,   /* the data: it will be refused again */
};

struct database {
	PGconn *conn;
	enum database_error error; /* of the last call that failed */
	bool timed_out;            /* DATABASE_LOST because of the deadline */
	uint64_t affected;         /* rows of the last statement that changed any */
	/* Something useful to do while the server is at it, in small pieces; false: nothing now. May be NULL. */
	bool (*meanwhile)(void *context);
	void *context;
	char sqlstate[6];
	char reason[512];
};

enum database_error database_classify(const char *sqlstate);

/* `connection`: a libpq connection string; what it leaves open gets safe values. 0 or -1 with error and reason set. */
int database_connect(struct database *db, const char *connection);
void database_close(struct database *db);
/* Has the server closed an idle connection? Asks the kernel only. */
bool database_is_alive(struct database *db);

/*
 * Run one statement (or several in one string without parameters: the last result counts). Parameters are text.
 * The result is the caller's (PQclear), or NULL with error, sqlstate and reason set. The connection is closed when
 * it is of no use any more (DATABASE_LOST).
 */
PGresult *database_query(struct database *db, const char *sql, int parameters, const char *const *values);
/* As above for statements without an interesting result. */
int database_run(struct database *db, const char *sql);
/*
 * COPY ... FROM STDIN, among other statements in one string: begin runs those before it, data sends rows, end runs what
 * comes behind it. 0 or -1. After an end that failed with DATABASE_LOST nobody knows whether its statements were run.
 */
int database_copy_begin(struct database *db, const char *sql);
int database_copy_data(struct database *db, const uint8_t *data, size_t len);
int database_copy_end(struct database *db);

#endif
