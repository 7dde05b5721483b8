/* SPDX-License-Identifier: Apache-2.0 */
#include "loader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "quarantine.h"
#include "schema.h"

#define DELAY_FIRST_US (100 * US_PER_MS)
#define DELAY_MOST_US  (3 * US_PER_S)
#define IDLE_WAIT_US   (500 * US_PER_MS)
#define FLUSH_MOST_US  (5 * US_PER_S)
#define PARTITIONS_US  (600 * US_PER_S)
#define UNREADABLE_US  (30 * US_PER_S) /* so long a disk may take to come back */
#define ROWS_A_PIECE   256u            /* made between two looks at what the server says */

/* ---- settings ------------------------------------------------------------------------------------------------------
 */

static int copy_settings(struct loader_settings *settings, const struct config_database *from)
{
	char *connection = strdup(from->connection);

	if (!connection)
		return -ENOMEM;
	free(settings->connection);
	*settings = (struct loader_settings){connection, from->batch, from->batch_wait_ms, from->partitions_ahead_days};
	return 0;
}

int loader_configure(struct loader *l, const struct config *config)
{
	pthread_mutex_lock(&l->lock);
	int error = copy_settings(&l->wanted, &config->database);

	l->changed = l->changed || error == 0;
	pthread_mutex_unlock(&l->lock);
	return error;
}

static void take_settings(struct loader *l)
{
	pthread_mutex_lock(&l->lock);
	if (l->changed) {
		if (!l->settings.connection || strcmp(l->settings.connection, l->wanted.connection) != 0)
			database_close(&l->db);
		free(l->settings.connection);
		l->settings = l->wanted;
		l->wanted.connection = NULL;
		l->changed = false;
		l->limit = l->settings.batch;
		l->retry_us = l->partitions_us = 0;
		l->delay_us = DELAY_FIRST_US;
	}
	pthread_mutex_unlock(&l->lock);
}

/* The server is at a batch: rows for the one after it. */
static bool make_rows(void *context)
{
	struct loader *l = context;
	struct batch *next = l->next;
	unsigned int before = next->count, limit = before + ROWS_A_PIECE;

	/* An error is met again when it is its turn. */
	if (batch_add(next, &l->reader, limit < l->limit ? limit : l->limit) < 0)
		return false;
	return next->count > before && next->count < l->limit && !next->complete;
}

int loader_init(struct loader *l, struct spool *spool, struct process *process, struct counter_row *counters)
{
	*l = (struct loader){.spool = spool, .process = process, .counters = counters};
	snprintf(l->node, sizeof(l->node), "%s", process->config->node);
	l->recovered = spool_durable(spool);
	l->batch = &l->batches[0];
	l->next = &l->batches[1];
	l->db.context = l;
	pthread_mutex_init(&l->lock, NULL);
	int error = batch_reader_init(&l->reader, spool);

	if (error == 0)
		error = batch_begin(l->batch, &l->reader);
	if (error == 0)
		error = batch_begin(l->next, &l->reader);
	return error ? error : loader_configure(l, process->config);
}

void loader_fini(struct loader *l)
{
	database_close(&l->db);
	batch_fini(&l->batches[0]);
	batch_fini(&l->batches[1]);
	batch_reader_fini(&l->reader);
	free(l->settings.connection);
	free(l->wanted.connection);
	pthread_mutex_destroy(&l->lock);
}

/* ---- trouble
 * --------------------------------------------------------------------------------------------------------- */

static void retry_later(struct loader *l)
{
	l->retry_us = clock_now_us() + l->delay_us;
	l->delay_us = 2 * l->delay_us < DELAY_MOST_US ? 2 * l->delay_us : DELAY_MOST_US;
}

/* The database is not as it should be: begin again with a new connection, which tells where it stands. */
static void disconnect(struct loader *l, const char *doing)
{
	if (l->db.timed_out)
		counter_inc(l->counters, COUNTER_cdr_database_timeouts);
	counter_inc(l->counters, COUNTER_cdr_database_errors);
	log_warn("database", "%s: %s%s%s; connecting again", doing, l->db.sqlstate, l->db.sqlstate[0] ? " " : "",
		 l->db.reason);
	database_close(&l->db);
	retry_later(l);
}

/* ---- connecting
 * ------------------------------------------------------------------------------------------------------ */

static void forget_days(struct loader *l)
{
	l->days_count = 0;
}

/* Make a day's partition unless it is known to be there or too far away to deserve one. */
static int want_day(struct loader *l, int64_t day)
{
	int64_t today = row_day(clock_wall_us(clock_now_us()));

	if (day < today - SCHEMA_DAYS_BACK || day > today + SCHEMA_DAYS_AHEAD)
		return 0;
	for (unsigned int i = l->days_count; i-- > 0;)
		if (l->days[i] == day)
			return 0;
	int made = schema_add_partition(&l->db, day);

	if (made < 0)
		return -1;
	if (made)
		counter_inc(l->counters, COUNTER_cdr_partitions);
	if (l->days_count == sizeof(l->days) / sizeof(l->days[0]))
		forget_days(l);
	l->days[l->days_count++] = day;
	return 0;
}

static int want_days_ahead(struct loader *l, uint64_t now_us)
{
	int64_t today = row_day(clock_wall_us(now_us));

	if (now_us < l->partitions_us)
		return 0;
	forget_days(l); /* the operator may have dropped some */
	for (int64_t day = today; day <= today + l->settings.partitions_ahead_days && day <= today + SCHEMA_DAYS_AHEAD;
	     day++)
		if (want_day(l, day) < 0)
			return -1;
	l->partitions_us = now_us + PARTITIONS_US;
	return 0;
}

/* The row for this spool, made if it is new; locked, so that a transaction in doubt has ended before we read. */
static int read_position(struct loader *l)
{
	char spool_id[24];
	const char *values[] = {l->node, spool_id};

	snprintf(spool_id, sizeof(spool_id), "%" PRIu64, l->spool->id);
	PGresult *result =
	    database_query(&l->db,
			   "INSERT INTO tandem.spool_position (node, spool_id, segment, position, records)"
			   " VALUES ($1, $2, 0, 0, 0) ON CONFLICT DO NOTHING",
			   2, values);
	if (!result)
		return -1;
	PQclear(result);
	result = database_query(&l->db,
				"SELECT segment, position, records FROM tandem.spool_position"
				" WHERE node = $1 AND spool_id = $2 FOR UPDATE",
				2, values);
	if (!result)
		return -1;
	if (PQntuples(result) == 1)
		l->in_database = (struct spool_place){
		    .segment = strtoull(PQgetvalue(result, 0, 0), NULL, 10),
		    .offset = strtoull(PQgetvalue(result, 0, 1), NULL, 10),
		    .records = strtoull(PQgetvalue(result, 0, 2), NULL, 10),
		};
	PQclear(result);
	return 0;
}

/* The next batch begins here; what was made of it already is dropped. */
static void read_from(struct loader *l, const struct spool_place *place)
{
	batch_reader_seek(&l->reader, place);
	/* Its buffer has room for the little that every batch begins with. */
	batch_begin(l->next, &l->reader);
}

/* Where to go on reading: where the database is, unless one of the two has lost something. */
static void seek(struct loader *l)
{
	struct spool_place from = l->in_database;
	struct spool_segment first;
	bool is_last;

	if (!l->agreed && spool_place_compare(&from, &l->recovered) > 0) {
		log_error("database",
			  "it has records up to segment %" PRIu64 " position %" PRIu64 ", beyond this spool's end: "
			  "the spool has lost some that were committed; going on with what is new",
			  from.segment, from.offset);
		from = l->recovered;
	}
	if (spool_find(l->spool, &from, &first, &is_last) && first.number != from.segment &&
	    first.first_record > from.records)
		log_error(
		    "database",
		    "it has %" PRIu64 " records of this spool, which begins with number %" PRIu64 ": those "
		    "between are not in the spool any more (an older database was restored, or files were removed)",
		    from.records, first.first_record);
	read_from(l, &from);
	spool_committed(l->spool, &from);
}

static void set_connected(struct loader *l, bool connected)
{
	atomic_store_explicit(&l->process->status->database_connected, connected, memory_order_relaxed);
}

static void connect_again(struct loader *l)
{
	uint64_t now_us = clock_now_us();

	if (now_us < l->retry_us) {
		uint64_t wait_us = l->retry_us < now_us + IDLE_WAIT_US ? l->retry_us : now_us + IDLE_WAIT_US;

		spool_wait(l->spool, UINT64_MAX, wait_us);
		return;
	}
	if (database_connect(&l->db, l->settings.connection) < 0) {
		counter_inc(l->counters, COUNTER_cdr_connect_failures);
		log_warn("database", "cannot connect: %s", l->db.reason);
		database_close(&l->db);
		retry_later(l);
		return;
	}
	l->partitions_us = 0;
	if (schema_prepare(&l->db) < 0 || read_position(l) < 0 || want_days_ahead(l, now_us) < 0) {
		disconnect(l, "preparing the database");
		return;
	}
	counter_inc(l->counters, COUNTER_cdr_connects);
	log_info("database", "connected; %" PRIu64 " records committed so far", l->in_database.records);
	set_connected(l, true);
	seek(l);
}

/* ---- one transaction ------------------------------------------------------------------------------------------------
 */

enum step { STEP_DONE, STEP_FAILED, STEP_MOVED, STEP_IN_DOUBT };

/* BEGIN, and move the position: it is a lock, too. */
static int begin_sql(struct loader *l, const struct spool_place *to, char *sql, size_t size)
{
	char *node = PQescapeLiteral(l->db.conn, l->node, strlen(l->node));

	if (!node) {
		snprintf(l->db.reason, sizeof(l->db.reason), "no memory");
		l->db.error = DATABASE_PASSING;
		return -1;
	}
	int len = snprintf(sql, size,
			   "BEGIN; UPDATE tandem.spool_position SET segment = %" PRIu64 ", position = %" PRIu64
			   ", records = %" PRIu64 ", updated_at = now() WHERE node = %s AND spool_id = %" PRIu64
			   " AND segment = %" PRIu64 " AND position = %" PRIu64,
			   to->segment, to->offset, to->records, node, l->spool->id, l->in_database.segment,
			   l->in_database.offset);

	PQfreemem(node);
	return len;
}

static enum step begin(struct loader *l, const struct spool_place *to)
{
	char sql[512];

	if (begin_sql(l, to, sql, sizeof(sql)) < 0)
		return STEP_FAILED;
	l->db.affected = 0;
	if (database_run(&l->db, sql) < 0)
		return STEP_FAILED;
	return l->db.affected == 1 ? STEP_DONE : STEP_MOVED;
}

static enum step commit(struct loader *l)
{
	if (database_run(&l->db, "COMMIT") == 0)
		return STEP_DONE;
	return l->db.error == DATABASE_LOST ? STEP_IN_DOUBT : STEP_FAILED;
}

static int send_rows(struct loader *l)
{
	return database_copy_data(&l->db, l->batch->copy.bytes, l->batch->copy.len);
}

/* All of a transaction in one string: the server goes from one statement to the next without asking us. */
static enum step load_at_once(struct loader *l)
{
	char sql[3000];
	int len = begin_sql(l, &l->batch->end, sql, 512);

	if (len < 0)
		return STEP_FAILED;
	snprintf(sql + len, sizeof(sql) - (size_t)len, "; COPY tandem.cdr (%s) FROM STDIN (FORMAT binary); COMMIT",
		 row_columns());
	if (database_copy_begin(&l->db, sql) < 0)
		return STEP_FAILED;
	if (l->db.affected != 1)
		return STEP_MOVED;
	if (send_rows(l) < 0)
		return STEP_FAILED;
	if (database_copy_end(&l->db) == 0)
		return STEP_DONE;
	return l->db.error == DATABASE_LOST ? STEP_IN_DOUBT : STEP_FAILED;
}

/* By way of a table of our own, leaving out what is there already. */
static int copy_staged(struct loader *l, uint64_t *duplicates)
{
	char sql[5000];

	snprintf(sql, sizeof(sql),
		 "CREATE TEMP TABLE cdr_staging (LIKE tandem.cdr INCLUDING DEFAULTS) ON COMMIT DROP;"
		 "COPY pg_temp.cdr_staging (%s) FROM STDIN (FORMAT binary)",
		 row_columns());
	if (database_copy_begin(&l->db, sql) < 0 || send_rows(l) < 0 || database_copy_end(&l->db) < 0)
		return -1;
	snprintf(sql, sizeof(sql),
		 "INSERT INTO tandem.cdr (%s) SELECT %s FROM pg_temp.cdr_staging"
		 " ON CONFLICT (setup_time, call_id, attempt) DO NOTHING",
		 row_columns(), row_columns());
	PGresult *result = database_query(&l->db, sql, 0, NULL);

	if (!result)
		return -1;
	*duplicates = l->batch->count - strtoull(PQcmdTuples(result), NULL, 10);
	PQclear(result);
	return 0;
}

static enum step load_staged(struct loader *l, uint64_t *duplicates)
{
	enum step step = begin(l, &l->batch->end);

	if (step != STEP_DONE)
		return step;
	return copy_staged(l, duplicates) < 0 ? STEP_FAILED : commit(l);
}

/* ---- one batch
 * ------------------------------------------------------------------------------------------------------- */

static void batch_done(struct loader *l)
{
	l->in_database = l->batch->end;
	l->agreed = true;
	l->delay_us = DELAY_FIRST_US;
	spool_committed(l->spool, &l->in_database);
}

static void split(struct loader *l, unsigned int count)
{
	l->limit = count > 1 ? count / 2 : 1;
	counter_inc(l->counters, COUNTER_cdr_split_batches);
}

static void quarantine(struct loader *l, const char *sqlstate, const char *reason)
{
	struct quarantined q = {
	    .node = l->node,
	    .spool_id = l->spool->id,
	    .segment = l->batch->end.segment,
	    .position = l->batch->end.offset,
	    .sqlstate = sqlstate,
	    .reason = reason,
	    .record = l->batch->raw.bytes,
	    .len = l->batch->raw.len,
	};
	enum step step = begin(l, &l->batch->end);
	bool to_file = false;

	if (step == STEP_DONE && quarantine_insert(&l->db, &q) < 0) {
		if (l->db.error != DATABASE_REFUSED && l->db.error != DATABASE_DUPLICATE) {
			disconnect(l, "writing to the quarantine");
			return;
		}
		to_file = true;
		int error = quarantine_write(l->spool->directory_fd, &q);

		if (error) {
			log_error("database", "the quarantine file cannot be written: %s", strerror(-error));
			disconnect(l, "writing to the quarantine");
			return;
		}
		step = database_run(&l->db, "ROLLBACK") < 0 ? STEP_FAILED : begin(l, &l->batch->end);
	}
	if (step != STEP_DONE || commit(l) != STEP_DONE) {
		disconnect(l, "writing to the quarantine");
		return;
	}
	counter_inc(l->counters, to_file ? COUNTER_cdr_quarantined_to_file : COUNTER_cdr_quarantined);
	log_error("database", "a record could not become a row and is in quarantine (%s): %s%s%s",
		  to_file ? QUARANTINE_FILE " in the spool" : "tandem.cdr_quarantine", sqlstate, sqlstate[0] ? " " : "",
		  reason);
	batch_done(l);
}

/* The server refused, in a transaction that is still to be rolled back. */
static void refused(struct loader *l)
{
	char sqlstate[sizeof(l->db.sqlstate)], reason[sizeof(l->db.reason)];

	memcpy(sqlstate, l->db.sqlstate, sizeof(sqlstate));
	memcpy(reason, l->db.reason, sizeof(reason));
	if (database_run(&l->db, "ROLLBACK") < 0) {
		disconnect(l, "rolling back");
		return;
	}
	if (l->batch->count == 1) {
		quarantine(l, sqlstate, reason);
		return;
	}
	log_warn("database", "%u rows refused, trying fewer: %s %s", l->batch->count, sqlstate, reason);
	forget_days(l); /* a partition may have been dropped */
	split(l, l->batch->count);
	read_from(l, &l->batch->begin);
}

static void failed(struct loader *l, enum step step, bool staged)
{
	if (step == STEP_MOVED) {
		snprintf(l->db.reason, sizeof(l->db.reason), "the position has moved on the server");
		l->db.sqlstate[0] = '\0';
		disconnect(l, "loading");
	} else if (l->db.error == DATABASE_REFUSED || (staged && l->db.error == DATABASE_DUPLICATE)) {
		refused(l);
	} else {
		if (step == STEP_IN_DOUBT)
			counter_inc(l->counters, COUNTER_cdr_in_doubt);
		/* Too slow for so many rows, perhaps (57014: the server's own limit). */
		if (l->db.timed_out || strcmp(l->db.sqlstate, "57014") == 0)
			split(l, l->batch->count);
		disconnect(l, step == STEP_IN_DOUBT ? "committing (the outcome is not known)" : "loading");
	}
}

static void load(struct loader *l)
{
	struct batch *batch = l->batch;
	uint64_t duplicates = 0;
	bool staged = false;

	if (batch->fault) {
		quarantine(l, "", batch->fault);
		return;
	}
	for (unsigned int i = 0; i < batch->days_count; i++)
		if (want_day(l, batch->days[i]) < 0) {
			disconnect(l, "making a partition");
			return;
		}
	l->db.meanwhile = make_rows;
	enum step step = load_at_once(l);

	if (step == STEP_FAILED && l->db.error == DATABASE_DUPLICATE) {
		staged = true;
		step = database_run(&l->db, "ROLLBACK") < 0 ? STEP_FAILED : load_staged(l, &duplicates);
	}
	l->db.meanwhile = NULL;
	if (step != STEP_DONE) {
		failed(l, step, staged);
		return;
	}
	batch_done(l);
	counter_inc(l->counters, COUNTER_cdr_batches);
	counter_add(l->counters, COUNTER_cdr_committed, batch->count - duplicates);
	counter_add(l->counters, COUNTER_cdr_duplicates, duplicates);
	counter_add(l->counters, COUNTER_cdr_staged_batches, staged);
	l->limit = 2 * l->limit < l->settings.batch ? 2 * l->limit : l->settings.batch;
}

/* ---- the thread
 * -------------------------------------------------------------------------------------------------------- */

/* Wait for a batch to fill; true when there is one to load. */
static bool wait_for_batch(struct loader *l, bool flushing)
{
	uint64_t have = l->next->begin.records;

	spool_wait(l->spool, have + 1, clock_now_us() + IDLE_WAIT_US);
	if (spool_durable(l->spool).records <= have)
		return false;
	if (!flushing && !l->next->complete)
		spool_wait(l->spool, have + l->limit, clock_now_us() + l->settings.batch_wait_ms * US_PER_MS);
	return true;
}

/* A disk may come back; a sector does not: then the records behind it are not kept waiting for ever. */
static void unreadable(struct loader *l, int error)
{
	uint64_t now_us = clock_now_us();

	log_error("spool", "cannot be read: %s", strerror(-error));
	if (l->unreadable_us == 0)
		l->unreadable_us = now_us;
	if (spool_cursor_is_unreadable(error) && now_us - l->unreadable_us >= UNREADABLE_US) {
		batch_reader_skip(&l->reader);
		batch_begin(l->next, &l->reader);
		l->unreadable_us = 0;
		return;
	}
	spool_wait(l->spool, UINT64_MAX, now_us + DELAY_MOST_US);
}

/* The next batch, with what has become durable, becomes the one to load; another is begun behind it. */
static int take_batch(struct loader *l)
{
	struct batch *batch = l->next;
	int error = batch_add(batch, &l->reader, l->limit);

	if (error == 0)
		error = batch_close(batch);
	if (error)
		return error;
	l->next = l->batch;
	l->batch = batch;
	return batch_begin(l->next, &l->reader);
}

static void turn(struct loader *l, bool flushing)
{
	if (!l->db.conn) {
		set_connected(l, false);
		connect_again(l);
		return;
	}
	if (want_days_ahead(l, clock_now_us()) < 0) {
		disconnect(l, "making partitions");
		return;
	}
	if (!wait_for_batch(l, flushing)) {
		read_from(l, &l->next->begin); /* a deleted file that is open still takes up room */
		if (!database_is_alive(&l->db))
			disconnect(l, "idle");
		return;
	}
	struct spool_place durable = spool_durable(l->spool);
	int error = take_batch(l);

	if (error) {
		unreadable(l, error);
		return;
	}
	l->unreadable_us = 0;
	if (l->batch->count > 0) {
		load(l);
	} else if (spool_place_compare(&l->next->begin, &durable) >= 0) {
		l->reader.place.records = durable.records; /* the rest was damaged */
		batch_begin(l->next, &l->reader);
	} else {
		spool_wait(l->spool, UINT64_MAX, clock_now_us() + IDLE_WAIT_US);
	}
}

static void publish_pending(struct loader *l)
{
	uint64_t records, bytes;

	spool_pending(l->spool, &records, &bytes);
	atomic_store_explicit(&l->process->status->spool_pending_records, records, memory_order_relaxed);
	atomic_store_explicit(&l->process->status->spool_pending_bytes, bytes, memory_order_relaxed);
}

void loader_run(struct loader *l)
{
	uint64_t deleted = 0, stop_us = 0;

	for (;;) {
		take_settings(l);
		bool flushing = spool_is_finished(l->spool);

		if (flushing && stop_us == 0)
			stop_us = clock_now_us() + FLUSH_MOST_US;
		if (flushing && (!l->db.conn || clock_now_us() >= stop_us ||
				 l->next->begin.records >= spool_durable(l->spool).records))
			break;
		turn(l, flushing);
		publish_pending(l);
		counter_add(l->counters, COUNTER_cdr_segments_deleted, l->spool->deleted - deleted);
		deleted = l->spool->deleted;
	}
	publish_pending(l);
	set_connected(l, false);
}
