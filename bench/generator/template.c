/* SPDX-License-Identifier: Apache-2.0 */
#include "template.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *name;
	uint8_t kind, width; /* 0: the number's */
} fields[] = {
    {"{number}", FIELD_NUMBER, 0}, {"{id}", FIELD_ID, ID_HEX}, {"{k}", FIELD_K, 1}, {"{port}", FIELD_PORT, 5}};

/* The field that begins here; -1: plain text. */
static int field_at(const char *at)
{
	for (unsigned int i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (strncmp(fields[i].name, at, strlen(fields[i].name)) == 0)
			return (int)i;
	return -1;
}

int template_compile(struct template *t, const char *source, unsigned int number_len)
{
	t->len = 0;
	t->fields = 0;
	while (*source) {
		int found = *source == '{' ? field_at(source) : -1;
		unsigned int width = found < 0 ? 1 : fields[found].width ? fields[found].width : number_len;

		if (t->len + width > TEMPLATE_MAX || (found >= 0 && t->fields == TEMPLATE_FIELDS))
			return -EMSGSIZE;
		if (found < 0) {
			t->text[t->len++] = *source++;
			continue;
		}
		t->field[t->fields].at = t->len;
		t->field[t->fields++].kind = fields[found].kind;
		memset(t->text + t->len, '0', width);
		t->len = (uint16_t)(t->len + width);
		source += strlen(fields[found].name);
	}
	return 0;
}

char *template_fill(const struct template *t, char *out, const struct template_values *values)
{
	memcpy(out, t->text, t->len);
	for (unsigned int i = 0; i < t->fields; i++) {
		char *at = out + t->field[i].at;

		switch (t->field[i].kind) {
		case FIELD_NUMBER:
			memcpy(at, values->number, values->number_len);
			break;
		case FIELD_ID:
			memcpy(at, values->id, ID_HEX);
			break;
		case FIELD_K:
			*at = values->k;
			break;
		default:
			memcpy(at, values->port, 5);
			break;
		}
	}
	return out + t->len;
}

static void hex8(char *out, uint32_t value)
{
	uint64_t x = __builtin_bswap32(value), letters;

	/* A nibble to each byte, the first digit lowest; then '0', and what is missing to 'a' where it is above nine.
	 */
	x = (x | x << 16) & 0x0000ffff0000ffffull;
	x = (x | x << 8) & 0x00ff00ff00ff00ffull;
	x = ((x >> 4) | x << 8) & 0x0f0f0f0f0f0f0f0full;
	letters = ((x + 0x0606060606060606ull) >> 4) & 0x0101010101010101ull;
	x += 0x3030303030303030ull + letters * ('a' - '0' - 10);
	memcpy(out, &x, 8);
}

static void decimal(char *out, unsigned int width, uint64_t value)
{
	while (width > 0) {
		out[--width] = (char)('0' + value % 10);
		value /= 10;
	}
}

void values_id(struct template_values *values, uint32_t slot, uint32_t serial)
{
	hex8(values->id, slot);
	hex8(values->id + 8, serial);
}

void values_port(struct template_values *values, uint16_t port)
{
	decimal(values->port, 5, port);
}

void values_number(struct template_values *values, const char *prefix, unsigned int digits, uint64_t seed,
		   uint32_t slot, uint32_t serial)
{
	unsigned int len = (unsigned int)strlen(prefix);

	values->number_len = (uint8_t)digits;
	memcpy(values->number, prefix, len);
	decimal(values->number + len, digits - NUMBER_TAIL - len, seed);
	decimal(values->number + digits - NUMBER_TAIL, 7, slot);
	decimal(values->number + digits - 3, 3, serial % NUMBER_SERIALS);
}
