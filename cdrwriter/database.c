/* SPDX-License-Identifier: Apache-2.0 */
#include "database.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"

#define COPY_CHUNK  65536u
#define SEND_BUFFER (4 << 20)

/* Shorter than our own deadline, so that it is the server that gives up first. */
static const char session[] = "SET synchronous_commit = on; SET statement_timeout = 8000; SET lock_timeout = 5000;"
			      "SET idle_in_transaction_session_timeout = 30000; SET client_min_messages = warning";

/*
 * Classes of SQLSTATE that speak of the data; in every other case it would be wrong to give up a record. A check of
 * the operator's own (23, 44), a trigger's RAISE (P0), a value that does not fit (22, 54).
 */
enum database_error database_classify(const char *sqlstate)
{
	static const char *const refused[] = {"21", "22", "23", "44", "54", "P0"};

	if (!sqlstate || !sqlstate[0] || strncmp(sqlstate, "08", 2) == 0)
		return DATABASE_LOST;
	if (strcmp(sqlstate, "23505") == 0)
		return DATABASE_DUPLICATE;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (strncmp(sqlstate, refused[i], 2) == 0)
			return DATABASE_REFUSED;
	return DATABASE_PASSING;
}

static void note(struct database *db, const char *sqlstate, const char *reason)
{
	snprintf(db->sqlstate, sizeof(db->sqlstate), "%s", sqlstate ? sqlstate : "");
	snprintf(db->reason, sizeof(db->reason), "%s", reason && reason[0] ? reason : "connection lost");
	/* It comes in several lines, indented. */
	for (char *p = db->reason; *p; p++)
		if (*p == '\n' || *p == '\t')
			*p = p[1] ? ' ' : '\0';
	db->error = database_classify(db->sqlstate);
}

static int lost(struct database *db, const char *reason)
{
	note(db, NULL, reason);
	database_close(db);
	return -1;
}

void database_close(struct database *db)
{
	if (db->conn)
		PQfinish(db->conn);
	db->conn = NULL;
}

bool database_is_alive(struct database *db)
{
	if (db->conn && PQconsumeInput(db->conn) && PQstatus(db->conn) == CONNECTION_OK)
		return true;
	lost(db, db->conn ? PQerrorMessage(db->conn) : "not connected");
	return false;
}

/* Wait for the socket; 0, or -1 when the deadline is over. */
static int wait_socket(struct database *db, short events, uint64_t deadline_us)
{
	bool busy = db->meanwhile != NULL;

	for (;;) {
		struct pollfd fd = {.fd = PQsocket(db->conn), .events = events};
		uint64_t now_us = clock_now_us();
		int left_ms = now_us >= deadline_us ? 0 : (int)((deadline_us - now_us) / US_PER_MS) + 1;
		int n = poll(&fd, 1, busy ? 0 : left_ms);

		if (n > 0 || (n < 0 && errno != EINTR))
			return 0;
		if (busy && now_us < deadline_us) {
			busy = db->meanwhile(db->context);
			continue;
		}
		if (n == 0) {
			db->timed_out = true;
			return -1;
		}
	}
}

static uint64_t deadline(void)
{
	return clock_now_us() + DATABASE_DEADLINE_MS * US_PER_MS;
}

/* ---- connecting
 * ------------------------------------------------------------------------------------------------------ */

static int finish_connecting(struct database *db)
{
	uint64_t deadline_us = deadline();
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;

	if (PQstatus(db->conn) == CONNECTION_BAD)
		return lost(db, PQerrorMessage(db->conn));
	while (state != PGRES_POLLING_OK) {
		if (wait_socket(db, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_us) < 0)
			return lost(db, "no answer to the connection request in time");
		state = PQconnectPoll(db->conn);
		if (state == PGRES_POLLING_FAILED)
			return lost(db, PQerrorMessage(db->conn));
	}
	return 0;
}

/*
 * A socket on this host holds a quarter of a megabyte, and wakes its writer when most of that is gone: a server that
 * has a core of its own would then wait for us. The system cuts what is asked for to what it allows. Not for TCP, which
 * finds its size itself.
 */
static void widen(struct database *db)
{
	int fd = PQsocket(db->conn), domain = 0, bytes = SEND_BUFFER;
	socklen_t len = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

int database_connect(struct database *db, const char *connection)
{
	/* What the operator's string says wins: it is expanded where dbname stands, after the others. */
	static const char *const keywords[] = {
	    "application_name",    "client_encoding",  "keepalives_idle", "keepalives_count",
	    "keepalives_interval", "tcp_user_timeout", "dbname",          NULL};
	const char *values[] = {"tandem-cdrwriter", "UTF8", "10", "3", "3", "10000", connection, NULL};

	database_close(db);
	db->timed_out = false;
	db->conn = PQconnectStartParams(keywords, values, 1);
	if (!db->conn)
		return lost(db, "out of memory");
	if (finish_connecting(db) < 0)
		return -1;
	widen(db);
	PQsetnonblocking(db->conn, 1);
	PQsetClientEncoding(db->conn, "UTF8");
	return database_run(db, session);
}

/* ---- statements
 * ------------------------------------------------------------------------------------------------------ */

static int flush(struct database *db, uint64_t deadline_us)
{
	int left;

	while ((left = PQflush(db->conn)) > 0) {
		/* The server may be unable to read on before we have read what it says. */
		if (wait_socket(db, POLLIN | POLLOUT, deadline_us) < 0)
			return lost(db, "the server stopped reading");
		if (!PQconsumeInput(db->conn))
			return lost(db, PQerrorMessage(db->conn));
	}
	return left < 0 ? lost(db, PQerrorMessage(db->conn)) : 0;
}

/* The next result; *end is set when there is no more of this statement. */
static PGresult *next_result(struct database *db, uint64_t deadline_us, bool *end)
{
	*end = false;
	while (PQisBusy(db->conn)) {
		if (wait_socket(db, POLLIN, deadline_us) < 0) {
			lost(db, "no answer in time");
			return NULL;
		}
		if (!PQconsumeInput(db->conn)) {
			lost(db, PQerrorMessage(db->conn));
			return NULL;
		}
	}
	PGresult *result = PQgetResult(db->conn);

	*end = !result;
	return result;
}

static bool is_failure(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
}

/* Everything up to the end of the statements, or up to a COPY that waits for data; the first failure counts, else the
 * last result. */
static PGresult *collect(struct database *db, uint64_t deadline_us)
{
	PGresult *kept = NULL, *result;
	bool end = false;

	while ((result = next_result(db, deadline_us, &end))) {
		if (kept && is_failure(kept)) {
			PQclear(result);
			continue;
		}
		PQclear(kept);
		kept = result;
		if (PQresultStatus(kept) == PGRES_COPY_IN)
			return kept;
		if (PQcmdTuples(kept)[0])
			db->affected = strtoull(PQcmdTuples(kept), NULL, 10);
	}
	if (!end) { /* lost on the way: what there was means nothing */
		PQclear(kept);
		return NULL;
	}
	if (!kept) {
		lost(db, PQerrorMessage(db->conn));
		return NULL;
	}
	if (is_failure(kept)) {
		note(db, PQresultErrorField(kept, PG_DIAG_SQLSTATE), PQresultErrorMessage(kept));
		PQclear(kept);
		if (PQstatus(db->conn) == CONNECTION_BAD) {
			db->error = DATABASE_LOST;
			database_close(db);
		}
		return NULL;
	}
	return kept;
}

PGresult *database_query(struct database *db, const char *sql, int parameters, const char *const *values)
{
	uint64_t deadline_us = deadline();
	int sent;

	db->timed_out = false;
	if (!db->conn) {
		lost(db, "not connected");
		return NULL;
	}
	sent = parameters ? PQsendQueryParams(db->conn, sql, parameters, NULL, values, NULL, NULL, 0)
			  : PQsendQuery(db->conn, sql);
	if (!sent) {
		lost(db, PQerrorMessage(db->conn));
		return NULL;
	}
	return flush(db, deadline_us) < 0 ? NULL : collect(db, deadline_us);
}

int database_run(struct database *db, const char *sql)
{
	PGresult *result = database_query(db, sql, 0, NULL);

	PQclear(result);
	return result ? 0 : -1;
}

int database_copy_begin(struct database *db, const char *sql)
{
	db->affected = 0;
	PGresult *result = database_query(db, sql, 0, NULL);
	bool wanted = PQresultStatus(result) == PGRES_COPY_IN;

	PQclear(result);
	if (result && !wanted)
		return lost(db, "the server does not expect data");
	return result ? 0 : -1;
}

int database_copy_data(struct database *db, const uint8_t *data, size_t len)
{
	uint64_t deadline_us = deadline();

	for (size_t done = 0; done < len;) {
		size_t chunk = len - done < COPY_CHUNK ? len - done : COPY_CHUNK;
		int put = PQputCopyData(db->conn, (const char *)data + done, (int)chunk);

		if (put < 0)
			return lost(db, PQerrorMessage(db->conn));
		if (put > 0)
			done += chunk;
		if (flush(db, deadline_us) < 0)
			return -1;
	}
	return 0;
}

int database_copy_end(struct database *db)
{
	uint64_t deadline_us = deadline();

	for (int put = 0; put == 0;) {
		put = PQputCopyEnd(db->conn, NULL);
		if (put < 0)
			return lost(db, PQerrorMessage(db->conn));
		if (flush(db, deadline_us) < 0)
			return -1;
	}
	PGresult *result = collect(db, deadline_us);

	PQclear(result);
	return result ? 0 : -1;
}
