/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <string.h>

#include "tandemctl/output.h"

/* Bytes of the UTF-8 character at text (RFC 3629), or 0 when there is none. */
static size_t utf8_len(const char *text, size_t left)
{
	unsigned char c = (unsigned char)text[0];
	size_t len = c < 0x80                ? 1
		     : c >= 0xc2 && c < 0xe0 ? 2
		     : c >= 0xe0 && c < 0xf0 ? 3
		     : c >= 0xf0 && c < 0xf5 ? 4
					     : 0;

	if (len > left)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

/* What is no UTF-8 comes from a peer and goes out byte by byte. */
static void json_string(FILE *file, const char *text, size_t len)
{
	putc_unlocked('"', file);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		size_t character = utf8_len(text + i, len - i);

		if (c == '"' || c == '\\') {
			fprintf(file, "\\%c", c);
		} else if (c < ' ' || c == 0x7f || character == 0) {
			fprintf(file, "\\u%04x", c);
		} else {
			fwrite(text + i, 1, character, file);
			i += character - 1;
		}
	}
	putc_unlocked('"', file);
}

void output_begin(struct output *output, FILE *file, bool json)
{
	*output = (struct output){.file = file, .json = json};
	if (json)
		putc_unlocked('{', file);
}

void output_end(struct output *output)
{
	if (output->json)
		fputs("}\n", output->file);
	fflush(output->file);
}

static bool member(struct output *output, const char *key)
{
	if (!output->json)
		return false;
	if (output->any_member)
		fputs(",\n", output->file);
	output->any_member = true;
	json_string(output->file, key, strlen(key));
	putc_unlocked(':', output->file);
	return true;
}

void output_member_text(struct output *output, const char *key, const char *value)
{
	if (member(output, key))
		json_string(output->file, value, strlen(value));
}

void output_member_uint(struct output *output, const char *key, uint64_t value)
{
	if (member(output, key))
		fprintf(output->file, "%llu", (unsigned long long)value);
}

void output_member_bool(struct output *output, const char *key, bool value)
{
	if (member(output, key))
		fputs(value ? "true" : "false", output->file);
}

void output_say(struct output *output, const char *format, ...)
{
	va_list arguments;

	if (output->json)
		return;
	va_start(arguments, format);
	vfprintf(output->file, format, arguments);
	va_end(arguments);
	putc_unlocked('\n', output->file);
}

void output_list(struct output *output, const char *key, const struct column *columns, unsigned int count)
{
	output->columns = columns;
	output->count = count;
	output->at = 0;
	output->rows = 0;
	if (member(output, key)) {
		putc_unlocked('[', output->file);
		return;
	}
	for (unsigned int i = 0, shown = 0; i < count; i++) {
		if (columns[i].width != 0)
			fprintf(output->file, "%s%*s", shown++ > 0 ? "  " : "", columns[i].width, columns[i].title);
	}
	putc_unlocked('\n', output->file);
}

void output_list_end(struct output *output)
{
	if (output->json)
		fputs(output->rows > 0 ? "\n]" : "]", output->file);
}

/* Before a value; returns its column. */
static const struct column *cell(struct output *output)
{
	const struct column *column = &output->columns[output->at];

	if (output->json) {
		fputs(output->at > 0 ? "," : output->rows > 0 ? ",\n{" : "\n{", output->file);
		json_string(output->file, column->key, strlen(column->key));
		putc_unlocked(':', output->file);
	} else if (column->width != 0 && output->at > 0) {
		fputs("  ", output->file);
	}
	return column;
}

static void cell_end(struct output *output)
{
	if (++output->at < output->count)
		return;
	fputs(output->json ? "}" : "\n", output->file);
	output->at = 0;
	output->rows++;
}

/* People's form of a value, with what could upset a terminal taken out. */
static void put_cell(struct output *output, const struct column *column, const char *text, size_t len)
{
	bool last = output->at + 1 == output->count;
	int width = column->width < 0 ? -column->width : column->width;
	int pad = (int)len < width ? width - (int)len : 0;

	if (width == 0)
		return;
	if (column->width > 0)
		fprintf(output->file, "%*s", pad, "");
	for (size_t i = 0; i < len; i++)
		putc_unlocked((unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i], output->file);
	if (column->width < 0 && !last)
		fprintf(output->file, "%*s", pad, "");
}

static void put_value(struct output *output, const char *text)
{
	const struct column *column = cell(output);

	if (output->json)
		fputs(text, output->file);
	else
		put_cell(output, column, text, strlen(text));
	cell_end(output);
}

void output_text_len(struct output *output, const char *value, size_t len)
{
	const struct column *column = cell(output);

	if (output->json)
		json_string(output->file, value, len);
	else if (len == 0)
		put_cell(output, column, "-", 1);
	else
		put_cell(output, column, value, len);
	cell_end(output);
}

void output_text(struct output *output, const char *value)
{
	output_text_len(output, value, strlen(value));
}

void output_uint(struct output *output, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	put_value(output, text);
}

void output_decimal(struct output *output, double value, int decimals)
{
	char text[64];

	snprintf(text, sizeof(text), "%.*f", decimals, value);
	put_value(output, text);
}

void output_bool(struct output *output, bool value)
{
	put_value(output, output->json ? (value ? "true" : "false") : (value ? "yes" : "no"));
}

void output_none(struct output *output)
{
	put_value(output, output->json ? "null" : "-");
}

void output_seconds(struct output *output, double seconds)
{
	uint64_t whole = seconds > 0 ? (uint64_t)seconds : 0;
	char text[40];

	if (output->json)
		snprintf(text, sizeof(text), "%.3f", seconds);
	else if (whole >= 86400)
		snprintf(text, sizeof(text), "%llud%02lluh%02llum", (unsigned long long)(whole / 86400),
			 (unsigned long long)(whole / 3600 % 24), (unsigned long long)(whole / 60 % 60));
	else if (whole >= 3600)
		snprintf(text, sizeof(text), "%lluh%02llum%02llus", (unsigned long long)(whole / 3600),
			 (unsigned long long)(whole / 60 % 60), (unsigned long long)(whole % 60));
	else if (whole >= 60)
		snprintf(text, sizeof(text), "%llum%02llus", (unsigned long long)(whole / 60),
			 (unsigned long long)(whole % 60));
	else
		snprintf(text, sizeof(text), "%.1fs", seconds > 0 ? seconds : 0);
	put_value(output, text);
}
