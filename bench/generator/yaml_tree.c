/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml_tree.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int yaml_tree_load(struct yaml_tree *tree, const char *path)
{
	FILE *file = fopen(path, "r");
	yaml_parser_t parser;
	int rc = 0;

	*tree = (struct yaml_tree){.path = path};
	if (!file) {
		rc = -errno;
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return rc;
	}
	if (!yaml_parser_initialize(&parser)) {
		fclose(file);
		return -ENOMEM;
	}
	yaml_parser_set_input_file(&parser, file);
	if (!yaml_parser_load(&parser, &tree->document)) {
		fprintf(stderr, "%s:%zu: %s\n", path, parser.problem_mark.line + 1,
			parser.problem ? parser.problem : "not readable");
		rc = -EINVAL;
	}
	yaml_parser_delete(&parser);
	fclose(file);
	return rc;
}

void yaml_tree_free(struct yaml_tree *tree)
{
	yaml_document_delete(&tree->document);
}

void yaml_fault(struct yaml_tree *tree, const yaml_node_t *node, const char *format, ...)
{
	va_list ap;

	tree->errors++;
	fprintf(stderr, "%s:%zu: ", tree->path, node ? node->start_mark.line + 1 : 1);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}

yaml_node_t *yaml_root(struct yaml_tree *tree)
{
	return yaml_document_get_root_node(&tree->document);
}

const char *yaml_scalar(const yaml_node_t *node)
{
	return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static bool is_word_of(const char *word, const char *words)
{
	size_t len = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += len)
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == 0) && len)
			return true;
	return false;
}

void yaml_keys(struct yaml_tree *tree, yaml_node_t *map, const char *keys)
{
	if (!map)
		return;
	if (map->type != YAML_MAPPING_NODE) {
		yaml_fault(tree, map, "expected a mapping with keys out of: %s", keys);
		return;
	}
	for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top; pair++) {
		yaml_node_t *node = yaml_document_get_node(&tree->document, pair->key);
		const char *key = yaml_scalar(node);

		if (!key || !is_word_of(key, keys))
			yaml_fault(tree, node, "%s: no such key; expected one of: %s", key ? key : "?", keys);
	}
}

yaml_node_t *yaml_member(struct yaml_tree *tree, yaml_node_t *map, const char *key)
{
	if (!map || map->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top; pair++) {
		const char *name = yaml_scalar(yaml_document_get_node(&tree->document, pair->key));

		if (name && strcmp(name, key) == 0)
			return yaml_document_get_node(&tree->document, pair->value);
	}
	return NULL;
}

unsigned int yaml_length(const yaml_node_t *sequence)
{
	if (!sequence || sequence->type != YAML_SEQUENCE_NODE)
		return 0;
	return (unsigned int)(sequence->data.sequence.items.top - sequence->data.sequence.items.start);
}

yaml_node_t *yaml_item(struct yaml_tree *tree, yaml_node_t *sequence, unsigned int index)
{
	if (index >= yaml_length(sequence))
		return NULL;
	return yaml_document_get_node(&tree->document, sequence->data.sequence.items.start[index]);
}

bool yaml_node_number(struct yaml_tree *tree, yaml_node_t *node, double *out, double min, double max)
{
	const char *text = yaml_scalar(node);
	char *end = NULL;
	double value = text ? strtod(text, &end) : NAN;

	if (!text || end == text || *end || !(value >= min && value <= max)) {
		yaml_fault(tree, node, "%s: expected a number from %.10g to %.10g", text ? text : "?", min, max);
		return false;
	}
	*out = value;
	return true;
}

void yaml_number(struct yaml_tree *tree, yaml_node_t *map, const char *key, double *out, double min, double max)
{
	yaml_node_t *node = yaml_member(tree, map, key);

	if (node)
		yaml_node_number(tree, node, out, min, max);
}

void yaml_count(struct yaml_tree *tree, yaml_node_t *map, const char *key, unsigned int *out, unsigned int min,
		unsigned int max)
{
	yaml_node_t *node = yaml_member(tree, map, key);
	double value;

	if (!node || !yaml_node_number(tree, node, &value, min, max))
		return;
	if (value != floor(value))
		yaml_fault(tree, node, "%s: expected a whole number", key);
	*out = (unsigned int)value;
}

void yaml_seconds(struct yaml_tree *tree, yaml_node_t *map, const char *key, uint64_t *out_ns)
{
	double seconds = -1;

	yaml_number(tree, map, key, &seconds, 0, 1e6);
	if (seconds >= 0)
		*out_ns = (uint64_t)(seconds * 1e9);
}

void yaml_flag(struct yaml_tree *tree, yaml_node_t *map, const char *key, bool *out)
{
	yaml_node_t *node = yaml_member(tree, map, key);
	const char *text = yaml_scalar(node);

	if (!node)
		return;
	if (text && is_word_of(text, "on true yes 1"))
		*out = true;
	else if (text && is_word_of(text, "off false no 0"))
		*out = false;
	else
		yaml_fault(tree, node, "%s: expected on or off", key);
}

void yaml_text(struct yaml_tree *tree, yaml_node_t *map, const char *key, char *out, size_t size)
{
	yaml_node_t *node = yaml_member(tree, map, key);
	const char *text = yaml_scalar(node);

	if (!node)
		return;
	if (!text || strlen(text) >= size)
		yaml_fault(tree, node, "%s: expected a text of less than %zu bytes", key, size);
	else
		strcpy(out, text);
}
