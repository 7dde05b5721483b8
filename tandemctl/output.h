/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command prints, for people or for programs, from one declaration: lists of rows with named columns, and
 * single values. Rows go out as they come, whatever their number, so that a million of them take no memory.
 */
#ifndef TANDEM_TANDEMCTL_OUTPUT_H
#define TANDEM_TANDEMCTL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* width: characters on the terminal, negative = flush left; 0 = in JSON only. The title is "" for none. */
struct column {
	const char *key;
	const char *title;
	int width;
};

struct output {
	FILE *file;
	bool json;
	bool any_member; /* of the JSON object */
	const struct column *columns;
	unsigned int count, at;
	uint64_t rows;
};

/* Everything is inside one object; human output has no trace of it. */
void output_begin(struct output *output, FILE *file, bool json);
void output_end(struct output *output);

/* A member beside the lists: JSON only. */
void output_member_text(struct output *output, const char *key, const char *value);
void output_member_uint(struct output *output, const char *key, uint64_t value);
void output_member_bool(struct output *output, const char *key, bool value);
/* A line for people only. */
void output_say(struct output *output, const char *format, ...) __attribute__((format(printf, 2, 3)));

void output_list(struct output *output, const char *key, const struct column *columns, unsigned int count);
void output_list_end(struct output *output);

/* The values of a row, in the order of the columns; the last one ends the row. */
void output_text(struct output *output, const char *value);
void output_text_len(struct output *output, const char *value, size_t len);
void output_uint(struct output *output, uint64_t value);
void output_decimal(struct output *output, double value, int decimals);
void output_bool(struct output *output, bool value);
void output_none(struct output *output); /* null, "-" */
/* Seconds: a number in JSON, 1h02m03s for people. */
void output_seconds(struct output *output, double seconds);

#endif
