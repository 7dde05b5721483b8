/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config_report.h"

#define ENTRIES_MAX 100
#define KEY_TEXT    256
#define VALUE_TEXT  120

struct report_entry {
	unsigned int line;
	bool is_warning;
	char text[KEY_TEXT + VALUE_TEXT + 420];
};

void report_init(struct report *report, const char *path, const char *text, size_t text_len)
{
	memset(report, 0, sizeof(*report));
	report->path = path;
	report->text = text;
	report->text_len = text_len;
}

void report_fini(struct report *report)
{
	if (report->has_document)
		yaml_document_delete(&report->document);
	free(report->entries);
}

static struct report_entry *report_add(struct report *report, unsigned int line, bool is_warning)
{
	*(is_warning ? &report->warnings : &report->errors) += 1;
	if (report->entries == NULL)
		report->entries = calloc(ENTRIES_MAX, sizeof(*report->entries));
	if (report->entries == NULL || report->count == ENTRIES_MAX) {
		report->dropped++;
		return NULL;
	}
	struct report_entry *entry = &report->entries[report->count++];
	entry->line = line;
	entry->is_warning = is_warning;
	return entry;
}

void report_file_error(struct report *report, unsigned int line, const char *what, ...)
{
	struct report_entry *entry = report_add(report, line, false);
	va_list arguments;

	if (entry == NULL)
		return;
	va_start(arguments, what);
	vsnprintf(entry->text, sizeof(entry->text), what, arguments);
	va_end(arguments);
}

/* ports[0].rtp_ports.first */
static size_t place_print(const struct place *place, char *out, size_t size)
{
	size_t len;

	if (place == NULL)
		return 0;
	len = place_print(place->parent, out, size);
	if (len >= size - 1)
		return len;
	if (place->key != NULL)
		len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? "." : "", place->key);
	else
		len += (size_t)snprintf(out + len, size - len, "[%u]", place->index);
	return len < size ? len : size - 1;
}

static void report_no_yaml(struct report *report, const yaml_parser_t *parser)
{
	report_file_error(report, (unsigned int)parser->problem_mark.line + 1, "no valid YAML: %s%s%s",
			  parser->problem != NULL ? parser->problem : "unreadable", parser->context != NULL ? " " : "",
			  parser->context != NULL ? parser->context : "");
}

/* Parse into nodes, once. Returns NULL after reporting why it is no YAML. */
static yaml_document_t *report_document(struct report *report)
{
	yaml_parser_t parser;

	if (report->has_document)
		return &report->document;
	if (!yaml_parser_initialize(&parser))
		return NULL;
	yaml_parser_set_input_string(&parser, (const unsigned char *)report->text, report->text_len);
	report->has_document = yaml_parser_load(&parser, &report->document) != 0;
	if (!report->has_document)
		report_no_yaml(report, &parser);
	yaml_parser_delete(&parser);
	return report->has_document ? &report->document : NULL;
}

static yaml_node_t *node_child(yaml_document_t *document, yaml_node_t *node, const struct place *place)
{
	if (place->key == NULL) {
		if (node->type != YAML_SEQUENCE_NODE ||
		    place->index >= (size_t)(node->data.sequence.items.top - node->data.sequence.items.start))
			return NULL;
		return yaml_document_get_node(document, node->data.sequence.items.start[place->index]);
	}
	if (node->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = yaml_document_get_node(document, pair->key);

		if (key->type == YAML_SCALAR_NODE && strcmp((char *)key->data.scalar.value, place->key) == 0)
			return yaml_document_get_node(document, pair->value);
	}
	return NULL;
}

/* The node at a place, or NULL; *line is the line of the deepest node on the way that exists. */
static yaml_node_t *place_find(yaml_document_t *document, const struct place *place, unsigned int *line)
{
	yaml_node_t *node;

	if (place == NULL) {
		node = yaml_document_get_root_node(document);
	} else {
		node = place_find(document, place->parent, line);
		if (node != NULL)
			node = node_child(document, node, place);
	}
	if (node != NULL)
		*line = (unsigned int)node->start_mark.line + 1;
	return node;
}

/* A database's connection string may hold a password, too. */
static bool is_secret(const struct place *place)
{
	return place != NULL && place->key != NULL &&
	       (strcmp(place->key, "password") == 0 || strcmp(place->key, "connection") == 0);
}

/* A value as it stands in the file, on one line; secrets don't go into logs. */
static void value_print(const struct place *place, const yaml_node_t *node, char out[static VALUE_TEXT])
{
	if (node == NULL) {
		snprintf(out, VALUE_TEXT, "missing");
	} else if (is_secret(place)) {
		snprintf(out, VALUE_TEXT, "***");
	} else if (node->type == YAML_SEQUENCE_NODE) {
		snprintf(out, VALUE_TEXT, "a list");
	} else if (node->type == YAML_MAPPING_NODE) {
		snprintf(out, VALUE_TEXT, "a mapping");
	} else {
		bool cut = node->data.scalar.length >= VALUE_TEXT - 8;

		snprintf(out, VALUE_TEXT, "'%.*s'%s", VALUE_TEXT - 8, (const char *)node->data.scalar.value,
			 cut ? "..." : "");
		for (char *p = out; *p != '\0'; p++) {
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				*p = '?';
		}
	}
}

static void report_place(struct report *report, const struct place *place, bool is_warning, const char *format,
			 va_list arguments)
{
	yaml_document_t *document = report_document(report);
	unsigned int line = 0;
	yaml_node_t *node = document != NULL ? place_find(document, place, &line) : NULL;
	struct report_entry *entry = report_add(report, line, is_warning);
	char key[KEY_TEXT] = "", value[VALUE_TEXT], text[400];

	if (entry == NULL)
		return;
	place_print(place, key, sizeof(key));
	value_print(place, node, value);
	vsnprintf(text, sizeof(text), format, arguments);
	snprintf(entry->text, sizeof(entry->text), "%s: %s: %s", key, value, text);
}

void report_error(struct report *report, const struct place *place, const char *expected, ...)
{
	va_list arguments;

	va_start(arguments, expected);
	report_place(report, place, false, expected, arguments);
	va_end(arguments);
}

void report_warning(struct report *report, const struct place *place, const char *advice, ...)
{
	va_list arguments;

	va_start(arguments, advice);
	report_place(report, place, true, advice, arguments);
	va_end(arguments);
}

static const char *kind_word(enum cyaml_type type)
{
	return type == CYAML_MAPPING ? "a mapping (key: value)" : type == CYAML_SEQUENCE ? "a list" : "a single value";
}

static void structure_value(struct report *report, const struct place *place, const cyaml_schema_value_t *schema,
			    yaml_node_t *node);

static const cyaml_schema_field_t *schema_field(const cyaml_schema_value_t *schema, const char *key)
{
	for (const cyaml_schema_field_t *field = schema->mapping.fields; field->key != NULL; field++) {
		if (strcmp(field->key, key) == 0)
			return field;
	}
	return NULL;
}

/* The keys that are known, as far as they fit. */
static void schema_keys(const cyaml_schema_value_t *schema, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (const cyaml_schema_field_t *field = schema->mapping.fields; field->key != NULL; field++) {
		if (len + strlen(field->key) + 8 > size) {
			snprintf(out + len, size - len, ", ...");
			return;
		}
		len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? ", " : "", field->key);
	}
}

static void structure_mapping(struct report *report, const struct place *place, const cyaml_schema_value_t *schema,
			      yaml_node_t *node)
{
	yaml_node_pair_t *start = node->data.mapping.pairs.start;

	for (yaml_node_pair_t *pair = start; pair < node->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = yaml_document_get_node(&report->document, pair->key);
		const char *name = key->type == YAML_SCALAR_NODE ? (const char *)key->data.scalar.value : "?";
		const cyaml_schema_field_t *field = schema_field(schema, name);
		unsigned int line = (unsigned int)key->start_mark.line + 1;
		struct place here = {place, name, 0};
		char path[KEY_TEXT] = "", known[240];
		bool again = false;

		place_print(&here, path, sizeof(path));
		for (yaml_node_pair_t *before = start; before < pair && !again; before++) {
			yaml_node_t *other = yaml_document_get_node(&report->document, before->key);

			again = other->type == YAML_SCALAR_NODE &&
				strcmp((const char *)other->data.scalar.value, name) == 0;
		}
		if (field == NULL) {
			schema_keys(schema, known, sizeof(known));
			report_file_error(report, line, "%s: '%s': unknown key; expected one of: %s", path, name,
					  known);
		} else if (again) {
			report_file_error(report, line, "%s: '%s': given twice; expected once", path, name);
		} else {
			structure_value(report, &here, &field->value,
					yaml_document_get_node(&report->document, pair->value));
		}
	}
}

static void structure_value(struct report *report, const struct place *place, const cyaml_schema_value_t *schema,
			    yaml_node_t *node)
{
	yaml_node_type_t wanted = schema->type == CYAML_MAPPING    ? YAML_MAPPING_NODE
				  : schema->type == CYAML_SEQUENCE ? YAML_SEQUENCE_NODE
								   : YAML_SCALAR_NODE;

	if (wanted == YAML_SEQUENCE_NODE && node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
	    schema->sequence.min == 0)
		return; /* a list with nothing in it */
	if (node->type != wanted) {
		report_error(report, place, "expected %s", kind_word(schema->type));
	} else if (schema->type == CYAML_MAPPING) {
		structure_mapping(report, place, schema, node);
	} else if (schema->type == CYAML_SEQUENCE) {
		yaml_node_item_t *items = node->data.sequence.items.start;
		unsigned int count = (unsigned int)(node->data.sequence.items.top - items);

		if (count < schema->sequence.min)
			report_error(report, place, "expected a list of at least %u", schema->sequence.min);
		for (unsigned int i = 0; i < count; i++) {
			struct place here = {place, NULL, i};

			structure_value(report, &here, schema->sequence.entry,
					yaml_document_get_node(&report->document, items[i]));
		}
	}
}

/* What comes after a good first document and is no YAML; libcyaml's words for it name no line. */
static void structure_end(struct report *report)
{
	yaml_document_t first, next;
	yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser))
		return;
	yaml_parser_set_input_string(&parser, (const unsigned char *)report->text, report->text_len);
	if (yaml_parser_load(&parser, &first)) {
		yaml_document_delete(&first);
		if (yaml_parser_load(&parser, &next))
			yaml_document_delete(&next);
		else
			report_no_yaml(report, &parser);
	}
	yaml_parser_delete(&parser);
}

void report_structure(struct report *report, const cyaml_schema_value_t *schema)
{
	yaml_document_t *document = report_document(report);
	yaml_node_t *node = document != NULL ? yaml_document_get_root_node(document) : NULL;

	if (node != NULL && node->type != YAML_MAPPING_NODE)
		report_file_error(report, (unsigned int)node->start_mark.line + 1, "expected a mapping (key: value)");
	else if (node != NULL)
		structure_mapping(report, NULL, schema, node);
	if (report->errors == 0)
		structure_end(report);
	/* libcyaml knows a rule that we don't: its own words then. */
	if (report->errors == 0) {
		const char *line = strstr(report->loader, "(line: ");

		report_file_error(report, line != NULL ? (unsigned int)strtoul(line + 7, NULL, 10) : 0, "%s",
				  report->loader);
	}
}

void report_loader_log(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
	struct report *report = context;
	size_t len = strlen(report->loader);

	vsnprintf(report->loader + len, sizeof(report->loader) - len, format, arguments);
	for (char *p = report->loader + len; *p != '\0'; p++) {
		if (*p == '\n')
			*p = ' ';
	}
}

static int entry_compare(const void *a, const void *b)
{
	const struct report_entry *first = a, *second = b;

	if (first->line != second->line)
		return first->line < second->line ? -1 : 1;
	return strcmp(first->text, second->text);
}

void report_print(struct report *report, FILE *out)
{
	if (report->count > 0)
		qsort(report->entries, report->count, sizeof(*report->entries), entry_compare);
	for (size_t i = 0; i < report->count; i++) {
		const struct report_entry *entry = &report->entries[i];

		fprintf(out, "%s:", report->path);
		if (entry->line > 0)
			fprintf(out, "%u:", entry->line);
		fprintf(out, "%s %s\n", entry->is_warning ? " warning:" : "", entry->text);
	}
	if (report->dropped > 0)
		fprintf(out, "%s: and %zu more\n", report->path, report->dropped);
	fflush(out);
}
