/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message prepared once: its text, and the places where what differs from call to call is put. Filling one is a copy
 * and a few patches of fixed width. A source says "{id}" and the like where a field belongs.
 */
#ifndef TANDEM_GENERATOR_TEMPLATE_H
#define TANDEM_GENERATOR_TEMPLATE_H

#include <stdint.h>

#include "sip_view.h"

#define TEMPLATE_MAX    1800
#define TEMPLATE_FIELDS 24
#define NUMBER_MAX      32

/* {number}: dialled; {id}: slot and serial, 16 hex digits; {k}: one character; {port}: five digits. */
enum template_field { FIELD_NUMBER, FIELD_ID, FIELD_K, FIELD_PORT };

struct template
{
	uint16_t len;
	uint8_t fields;
	struct {
		uint16_t at;
		uint8_t kind;
	} field[TEMPLATE_FIELDS];
	char text[TEMPLATE_MAX];
};

/* What goes into the fields of one message. */
struct template_values {
	char id[ID_HEX], number[NUMBER_MAX], port[5], k;
	uint8_t number_len; /* the same for all messages of a run: templates leave so much room */
};

/* 0, or -EMSGSIZE: too long, or too many fields. */
int template_compile(struct template *t, const char *source, unsigned int number_len);
/* Returns the end of what was written: t->len bytes. */
char *template_fill(const struct template *t, char *out, const struct template_values *values);

void values_id(struct template_values *values, uint32_t slot, uint32_t serial);
void values_port(struct template_values *values, uint16_t port);
/* `digits` long: prefix, digits out of `seed`, slot and serial. */
void values_number(struct template_values *values, const char *prefix, unsigned int digits, uint64_t seed,
		   uint32_t slot, uint32_t serial);

#endif
