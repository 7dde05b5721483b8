/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults of a configuration file, each with the line it is on.
 *
 * What reads the file (libcyaml) forgets the lines, so a fault names its place in the tree instead, and only when
 * there is one is the file parsed again, into nodes that know their lines. A good file pays nothing.
 */
#ifndef TANDEM_COMMON_CONFIG_REPORT_H
#define TANDEM_COMMON_CONFIG_REPORT_H

#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <stdio.h>
#include <yaml.h>

/* A place in the tree, linked upwards on the stack: a key of a mapping, or (key NULL) an entry of a sequence. */
struct place {
	const struct place *parent; /* NULL: the top of the file */
	const char *key;
	unsigned int index;
};

struct report_entry;

struct report {
	const char *path;
	const char *text; /* of the whole file; borrowed */
	size_t text_len;
	yaml_document_t document;
	bool has_document;
	struct report_entry *entries;
	size_t count, dropped;
	unsigned int errors, warnings;
	char loader[1024]; /* what libcyaml had to say */
};

void report_init(struct report *report, const char *path, const char *text, size_t text_len);
void report_fini(struct report *report);

/* "The value at this place is wrong; `expected`." The file's own words for the value are looked up and quoted. */
void report_error(struct report *report, const struct place *place, const char *expected, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what is legal and yet unlikely to be meant. */
void report_warning(struct report *report, const struct place *place, const char *advice, ...)
    __attribute__((format(printf, 3, 4)));
/* The file as a whole (line 0 = none). */
void report_file_error(struct report *report, unsigned int line, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

/* After libcyaml refused the file: find everything in it that does not fit the schema, with lines. */
void report_structure(struct report *report, const cyaml_schema_value_t *schema);
/* Give this to libcyaml, with the report as context. */
void report_loader_log(cyaml_log_t level, void *context, const char *format, va_list arguments);

/* Write everything in the order of lines:  file:line: key: value: what was expected */
void report_print(struct report *report, FILE *out);

#endif
