/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML file as a tree whose faults have lines. Every reader below leaves its result alone when the key is absent, so
 * that defaults are set before; whatever is wrong is written to stderr and counted.
 */
#ifndef TANDEM_GENERATOR_YAML_TREE_H
#define TANDEM_GENERATOR_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

struct yaml_tree {
	const char *path; /* borrowed */
	yaml_document_t document;
	unsigned int errors;
};

/* 0, or a negative errno with the fault written to stderr. */
int yaml_tree_load(struct yaml_tree *tree, const char *path);
void yaml_tree_free(struct yaml_tree *tree);

void yaml_fault(struct yaml_tree *tree, const yaml_node_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Every key of the mapping has to be one of `keys`, which are separated by spaces. */
void yaml_keys(struct yaml_tree *tree, yaml_node_t *map, const char *keys);
yaml_node_t *yaml_root(struct yaml_tree *tree);
/* NULL when absent, or when `map` is NULL or no mapping. */
yaml_node_t *yaml_member(struct yaml_tree *tree, yaml_node_t *map, const char *key);
/* Entries of a sequence; 0 and NULL for anything else. */
unsigned int yaml_length(const yaml_node_t *sequence);
yaml_node_t *yaml_item(struct yaml_tree *tree, yaml_node_t *sequence, unsigned int index);
/* A scalar's text; NULL for anything else. */
const char *yaml_scalar(const yaml_node_t *node);

bool yaml_node_number(struct yaml_tree *tree, yaml_node_t *node, double *out, double min, double max);
void yaml_number(struct yaml_tree *tree, yaml_node_t *map, const char *key, double *out, double min, double max);
void yaml_count(struct yaml_tree *tree, yaml_node_t *map, const char *key, unsigned int *out, unsigned int min,
		unsigned int max);
void yaml_seconds(struct yaml_tree *tree, yaml_node_t *map, const char *key, uint64_t *out_ns);
void yaml_flag(struct yaml_tree *tree, yaml_node_t *map, const char *key, bool *out);
void yaml_text(struct yaml_tree *tree, yaml_node_t *map, const char *key, char *out, size_t size);

#endif
