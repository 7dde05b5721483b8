/* SPDX-License-Identifier: Apache-2.0 */
#include "quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *hexadecimal(const struct quarantined *q, const char *prefix)
{
	char *text = malloc(2 * q->len + 8);
	int at = text ? sprintf(text, "%s", prefix) : 0;

	for (size_t i = 0; text && i < q->len; i++)
		at += sprintf(text + at, "%02x", q->record[i]);
	return text;
}

int quarantine_insert(struct database *db, const struct quarantined *q)
{
	char spool_id[24], segment[24], position[24];
	char *record = hexadecimal(q, "\\x");
	const char *values[] = {q->node, spool_id, segment, position, q->sqlstate, q->reason, record};

	snprintf(spool_id, sizeof(spool_id), "%" PRIu64, q->spool_id);
	snprintf(segment, sizeof(segment), "%" PRIu64, q->segment);
	snprintf(position, sizeof(position), "%" PRIu64, q->position);
	PGresult *result = record ? database_query(db,
						   "INSERT INTO tandem.cdr_quarantine"
						   " (node, spool_id, segment, position, sqlstate, reason, record)"
						   " VALUES ($1, $2, $3, $4, nullif($5, ''), $6, $7)",
						   7, values)
				  : NULL;

	if (!record)
		db->error = DATABASE_PASSING;
	free(record);
	PQclear(result);
	return result ? 0 : -1;
}

/* The reason is the server's text: only what JSON can't have in a string is replaced. */
static void print_text(FILE *out, const char *text)
{
	putc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		putc(*p < 0x20 || *p == '"' || *p == '\\' ? '\'' : *p, out);
	putc('"', out);
}

int quarantine_write(int directory_fd, const struct quarantined *q)
{
	int fd = openat(directory_fd, QUARANTINE_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	FILE *out = fd >= 0 ? fdopen(fd, "a") : NULL;
	char *record = hexadecimal(q, "");
	int error = 0;

	if (!out || !record) {
		error = !out ? -errno : -ENOMEM;
		if (out)
			fclose(out);
		else if (fd >= 0)
			close(fd);
		free(record);
		return error;
	}
	fprintf(out,
		"{\"node\":\"%s\",\"spool_id\":%" PRIu64 ",\"segment\":%" PRIu64 ",\"position\":%" PRIu64
		",\"sqlstate\":",
		q->node, q->spool_id, q->segment, q->position);
	print_text(out, q->sqlstate);
	fputs(",\"reason\":", out);
	print_text(out, q->reason);
	fprintf(out, ",\"record\":\"%s\"}\n", record);
	/* The directory too: the file may be new. */
	if (fflush(out) != 0 || fdatasync(fd) < 0 || fsync(directory_fd) < 0)
		error = -errno;
	fclose(out);
	free(record);
	return error;
}
