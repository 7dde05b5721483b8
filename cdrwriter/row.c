/* SPDX-License-Identifier: Apache-2.0 */
#include "row.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/addr.h"
#include "common/end_reason.h"

#define POSTGRES_EPOCH_US 946684800000000ll /* 2000-01-01, where PostgreSQL's times begin */
#define DAY_US            86400000000ll
#define COLUMNS           (sizeof(columns) / sizeof(columns[0]))

/* ---- values --------------------------------------------------------------------------------------------------------
 */

enum value_type {
	VALUE_NULL,
	VALUE_BOOL,
	VALUE_INT4,
	VALUE_INT8,
	VALUE_REAL,
	VALUE_TEXT,
	VALUE_UUID,
	VALUE_INET,
	VALUE_TIME,
	VALUE_INTERVAL
};

struct value {
	enum value_type type;
	int64_t number; /* BOOL, INT4, INT8; TIME: microseconds since 1970; INTERVAL: microseconds */
	float real;
	const char *text;     /* TEXT */
	char own_text[32];    /* TEXT when text is NULL */
	const uint8_t *bytes; /* UUID: 16; INET: 4 or 16 */
	size_t len;
};

typedef struct value (*value_getter)(const Tandem__CdrRecord *record, size_t offset);

#define FIELD(type, base, offset) (*(const type *)((const uint8_t *)(base) + (offset)))

static const struct value null_value = {.type = VALUE_NULL};

static struct value int4_value(uint64_t n)
{
	return (struct value){.type = VALUE_INT4, .number = n <= INT32_MAX ? (int64_t)n : INT32_MAX};
}

static struct value int8_value(uint64_t n)
{
	return (struct value){.type = VALUE_INT8, .number = n <= INT64_MAX ? (int64_t)n : INT64_MAX};
}

static struct value get_uuid(const Tandem__CdrRecord *record, size_t offset)
{
	const ProtobufCBinaryData *data = &FIELD(ProtobufCBinaryData, record, offset);

	return (struct value){.type = VALUE_UUID, .bytes = data->data, .len = data->len};
}

static struct value get_bool(const Tandem__CdrRecord *record, size_t offset)
{
	return (struct value){.type = VALUE_BOOL, .number = FIELD(protobuf_c_boolean, record, offset) != 0};
}

static struct value get_int4(const Tandem__CdrRecord *record, size_t offset)
{
	return int4_value(FIELD(uint32_t, record, offset));
}

/* A code that is 0 was never given. */
static struct value get_code(const Tandem__CdrRecord *record, size_t offset)
{
	uint32_t code = FIELD(uint32_t, record, offset);

	return code > 0 ? int4_value(code) : null_value;
}

static struct value get_text_or_empty(const Tandem__CdrRecord *record, size_t offset)
{
	const char *text = FIELD(char *, record, offset);

	return (struct value){.type = VALUE_TEXT, .text = text ? text : ""};
}

static struct value get_text(const Tandem__CdrRecord *record, size_t offset)
{
	struct value value = get_text_or_empty(record, offset);

	return value.text[0] ? value : null_value;
}

static struct value get_time_always(const Tandem__CdrRecord *record, size_t offset)
{
	return (struct value){.type = VALUE_TIME, .number = FIELD(int64_t, record, offset)};
}

static struct value get_time(const Tandem__CdrRecord *record, size_t offset)
{
	struct value value = get_time_always(record, offset);

	return value.number != 0 ? value : null_value;
}

static struct value get_interval(const Tandem__CdrRecord *record, size_t offset)
{
	struct value value = int8_value(FIELD(uint64_t, record, offset));

	value.type = VALUE_INTERVAL;
	return value;
}

/* There is a post-dial delay when something came back that ends it. */
static struct value get_pdd(const Tandem__CdrRecord *record, size_t offset)
{
	return record->progress_us || record->answer_us ? int4_value(record->pdd_ms) : null_value;
}

static struct value get_ip(const Tandem__CdrRecord *record, size_t offset)
{
	const Tandem__Address *address = FIELD(Tandem__Address *, record, offset);

	if (!address || (address->ip.len != 4 && address->ip.len != 16))
		return null_value;
	return (struct value){.type = VALUE_INET, .bytes = address->ip.data, .len = address->ip.len};
}

static struct value get_port(const Tandem__CdrRecord *record, size_t offset)
{
	const Tandem__Address *address = FIELD(Tandem__Address *, record, offset);

	return address && address->port > 0 ? int4_value(address->port) : null_value;
}

/* A word out of a list; a number that a newer switch may have added stays readable. */
static struct value word_value(const char *word, uint32_t number)
{
	struct value value = {.type = VALUE_TEXT, .text = word};

	if (!word)
		snprintf(value.own_text, sizeof(value.own_text), "Unknown(%u)", number);
	return value;
}

static struct value get_end_direction(const Tandem__CdrRecord *record, size_t offset)
{
	uint32_t number = record->end_direction;

	if (number == END_BY_NOBODY)
		return null_value;
	return word_value(number <= END_BY_SERVER ? end_direction_word[number] : NULL, number);
}

static struct value get_end_reason(const Tandem__CdrRecord *record, size_t offset)
{
	uint32_t number = record->end_reason;

	return word_value(number > END_NONE && number < END_REASON_COUNT ? end_reason_info[number].word : NULL, number);
}

static struct value get_media_mode(const Tandem__CdrRecord *record, size_t offset)
{
	static const char *const words[] = {"relay", "direct", "none"};

	return word_value(record->media_mode < sizeof(words) / sizeof(words[0]) ? words[record->media_mode] : NULL,
			  record->media_mode);
}

/* The statistics of one direction: `offset` is the figure's place in MediaDirection; absent when audio was not relayed.
 */
static const Tandem__MediaDirection *from_caller(const Tandem__CdrRecord *record)
{
	return record->media ? record->media->caller_to_callee : NULL;
}

static const Tandem__MediaDirection *from_callee(const Tandem__CdrRecord *record)
{
	return record->media ? record->media->callee_to_caller : NULL;
}

#define DIRECTION_GETTERS(side)                                                                                        \
	static struct value get_##side##_int8(const Tandem__CdrRecord *record, size_t offset)                          \
	{                                                                                                              \
		const Tandem__MediaDirection *d = side(record);                                                        \
		return d ? int8_value(FIELD(uint64_t, d, offset)) : null_value;                                        \
	}                                                                                                              \
	static struct value get_##side##_int4(const Tandem__CdrRecord *record, size_t offset)                          \
	{                                                                                                              \
		const Tandem__MediaDirection *d = side(record);                                                        \
		return d ? int4_value(FIELD(uint32_t, d, offset)) : null_value;                                        \
	}                                                                                                              \
	static struct value get_##side##_mos(const Tandem__CdrRecord *record, size_t offset)                           \
	{                                                                                                              \
		const Tandem__MediaDirection *d = side(record);                                                        \
		return d && d->mos_x100 ? (struct value){.type = VALUE_REAL, .real = (float)d->mos_x100 / 100.0f}      \
					: null_value;                                                                  \
	}
DIRECTION_GETTERS(from_caller)
DIRECTION_GETTERS(from_callee)

/* ---- columns -------------------------------------------------------------------------------------------------------
 */

#define OF(member)    offsetof(Tandem__CdrRecord, member)
#define MEDIA(member) offsetof(Tandem__MediaDirection, member)
#define DIRECTION_COLUMNS(side)                                                                                        \
	{#side "_packets", get_##side##_int8, MEDIA(packets)}, {#side "_bytes", get_##side##_int8, MEDIA(bytes)},      \
	    {#side "_lost", get_##side##_int8, MEDIA(lost)}, {#side "_relayed", get_##side##_int8, MEDIA(sent)},       \
	    {#side "_jitter_us", get_##side##_int4, MEDIA(jitter_us)},                                                 \
	    {#side "_max_jitter_us", get_##side##_int4, MEDIA(max_jitter_us)}, {#side "_mos", get_##side##_mos, 0},    \
	{                                                                                                              \
#side "_payload_type", get_##side##_int4, MEDIA(payload_type)                                          \
	}

static const struct column {
	const char *name;
	value_getter get;
	size_t offset;
} columns[] = {
    {"setup_time", get_time_always, OF(setup_us)},
    {"call_id", get_uuid, OF(call_id)},
    {"attempt", get_int4, OF(attempt)},
    {"final", get_bool, OF(final)},
    {"node", get_text_or_empty, OF(node)},
    {"mapping_gateway", get_text, OF(mapping_gateway)},
    {"routing_gateway", get_text, OF(routing_gateway)},
    {"caller_number_in", get_text, OF(caller_number_in)},
    {"caller_number_out", get_text, OF(caller_number_out)},
    {"callee_number_in", get_text, OF(callee_number_in)},
    {"callee_number_out", get_text, OF(callee_number_out)},
    {"caller_ip", get_ip, OF(caller_address)},
    {"caller_port", get_port, OF(caller_address)},
    {"callee_ip", get_ip, OF(callee_address)},
    {"callee_port", get_port, OF(callee_address)},
    {"caller_sip_call_id", get_text, OF(caller_sip_call_id)},
    {"callee_sip_call_id", get_text, OF(callee_sip_call_id)},
    {"progress_time", get_time, OF(progress_us)},
    {"answer_time", get_time, OF(answer_us)},
    {"end_time", get_time, OF(end_us)},
    {"pdd_ms", get_pdd, 0},
    {"duration", get_interval, OF(duration_us)},
    {"sip_code", get_code, OF(sip_code)},
    {"q850_cause", get_code, OF(q850_cause)},
    {"end_direction", get_end_direction, 0},
    {"end_reason", get_end_reason, 0},
    {"codec", get_text, OF(codec)},
    {"media_mode", get_media_mode, 0},
    DIRECTION_COLUMNS(from_caller),
    DIRECTION_COLUMNS(from_callee),
};

const char *row_columns(void)
{
	static char list[2048];

	if (!list[0]) {
		size_t len = 0;

		for (size_t i = 0; i < COLUMNS; i++)
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "", columns[i].name);
	}
	return list;
}

int64_t row_day(int64_t wall_us)
{
	return wall_us / DAY_US - (wall_us % DAY_US < 0);
}

const char *row_fault(const Tandem__CdrRecord *record)
{
	if (record->call_id.len != 16)
		return "call_id is not 16 bytes";
	return NULL;
}

/* ---- growing bytes -------------------------------------------------------------------------------------------------
 */

uint8_t *buffer_grow(struct buffer *buffer, size_t more)
{
	if (more > buffer->room - buffer->len) {
		size_t room = buffer->room ? buffer->room : 4096;

		while (room - buffer->len < more)
			room *= 2;
		uint8_t *bytes = realloc(buffer->bytes, room);

		if (!bytes)
			return NULL;
		buffer->bytes = bytes;
		buffer->room = room;
	}
	buffer->len += more;
	return buffer->bytes + buffer->len - more;
}

void buffer_fini(struct buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct buffer){0};
}

/* ---- text: always valid UTF-8, whatever a peer has put into its headers -------------------------------------------
 */

/* Length of the UTF-8 character at p, 0 when it is none (RFC 3629: no overlong forms, no surrogates). */
static unsigned int utf8_length(const uint8_t *p)
{
	if (p[0] < 0x80)
		return 1;
	unsigned int len = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
			   : (p[0] & 0xf0) == 0xe0        ? 3
			   : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
							  : 0;

	for (unsigned int i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/*
 * Append text; a byte that is no part of a UTF-8 character becomes "\xHH". PostgreSQL would refuse it, and then
 * a caller could keep a call from being billed by what it writes into a header.
 */
static int append_text(struct buffer *buffer, const char *text)
{
	for (const uint8_t *p = (const uint8_t *)text; *p;) {
		unsigned int len = utf8_length(p);
		uint8_t *to = buffer_grow(buffer, len ? len : 4);
		char escaped[8];

		if (!to)
			return -ENOMEM;
		if (len) {
			memcpy(to, p, len);
			p += len;
		} else {
			snprintf(escaped, sizeof(escaped), "\\x%02X", *p++);
			memcpy(to, escaped, 4);
		}
	}
	return 0;
}

static const char *value_text(const struct value *value)
{
	return value->text ? value->text : value->own_text;
}

/* ---- binary COPY
 * ----------------------------------------------------------------------------------------------------- */

static int put_bytes(struct buffer *buffer, const void *bytes, size_t len)
{
	uint8_t *to = buffer_grow(buffer, len);

	if (to)
		memcpy(to, bytes, len);
	return to ? 0 : -ENOMEM;
}

/* A field is its length and its bytes. */
static int put_field(struct buffer *buffer, const void *bytes, uint32_t len)
{
	uint32_t length = htobe32(len);

	if (put_bytes(buffer, &length, 4) < 0)
		return -ENOMEM;
	return put_bytes(buffer, bytes, len);
}

static int put_int4(struct buffer *buffer, uint32_t n)
{
	n = htobe32(n);
	return put_field(buffer, &n, 4);
}

static int put_int8(struct buffer *buffer, int64_t n)
{
	uint64_t swapped = htobe64((uint64_t)n);

	return put_field(buffer, &swapped, 8);
}

static int put_text(struct buffer *buffer, const struct value *value)
{
	size_t at = buffer->len;
	uint32_t length = 0;

	if (put_bytes(buffer, &length, 4) < 0 || append_text(buffer, value_text(value)) < 0)
		return -ENOMEM;
	length = htobe32((uint32_t)(buffer->len - at - 4));
	memcpy(buffer->bytes + at, &length, 4);
	return 0;
}

static int put_inet(struct buffer *buffer, const struct value *value)
{
	/* PostgreSQL's own numbers for the families: AF_INET, AF_INET + 1. */
	uint8_t bytes[4 + 16] = {value->len == 4 ? 2 : 3, (uint8_t)(value->len * 8), 0, (uint8_t)value->len};

	memcpy(bytes + 4, value->bytes, value->len);
	return put_field(buffer, bytes, 4 + (uint32_t)value->len);
}

static int put_interval(struct buffer *buffer, int64_t us)
{
	struct {
		uint64_t us;
		uint32_t days, months;
	} interval = {.us = htobe64((uint64_t)us)};

	return put_field(buffer, &interval, 16);
}

static int put_value(struct buffer *buffer, const struct value *value)
{
	static const uint32_t null_length = UINT32_MAX;
	uint8_t truth = value->number != 0;
	uint32_t bits;

	switch (value->type) {
	case VALUE_NULL:
		return put_bytes(buffer, &null_length, 4);
	case VALUE_BOOL:
		return put_field(buffer, &truth, 1);
	case VALUE_INT4:
		return put_int4(buffer, (uint32_t)value->number);
	case VALUE_INT8:
		return put_int8(buffer, value->number);
	case VALUE_REAL:
		memcpy(&bits, &value->real, 4);
		return put_int4(buffer, bits);
	case VALUE_TEXT:
		return put_text(buffer, value);
	case VALUE_UUID:
		return put_field(buffer, value->bytes, (uint32_t)value->len);
	case VALUE_INET:
		return put_inet(buffer, value);
	case VALUE_TIME: /* one below what a timestamp can be is one that PostgreSQL refuses, too */
		return put_int8(buffer, value->number < INT64_MIN + POSTGRES_EPOCH_US
					    ? INT64_MIN + 2
					    : value->number - POSTGRES_EPOCH_US);
	case VALUE_INTERVAL:
		return put_interval(buffer, value->number);
	}
	return -EINVAL;
}

int row_begin_copy(struct buffer *buffer)
{
	static const char signature[11 + 4 + 4] = "PGCOPY\n\377\r\n";

	buffer->len = 0;
	return put_bytes(buffer, signature, sizeof(signature));
}

int row_append(struct buffer *buffer, const Tandem__CdrRecord *record)
{
	size_t before = buffer->len;
	uint16_t count = htobe16(COLUMNS);
	int error = put_bytes(buffer, &count, 2);

	for (size_t i = 0; i < COLUMNS && error == 0; i++) {
		struct value value = columns[i].get(record, columns[i].offset);

		error = put_value(buffer, &value);
	}
	if (error)
		buffer->len = before;
	return error;
}

int row_end_copy(struct buffer *buffer)
{
	static const uint16_t trailer = 0xffff;

	return put_bytes(buffer, &trailer, 2);
}

/* ---- JSON
 * ------------------------------------------------------------------------------------------------------------ */

static void print_json_text(FILE *out, const char *text)
{
	struct buffer valid = {0};

	putc('"', out);
	if (append_text(&valid, text) == 0)
		for (size_t i = 0; i < valid.len; i++) {
			uint8_t c = valid.bytes[i];

			if (c == '"' || c == '\\')
				fprintf(out, "\\%c", c);
			else if (c < 0x20 || c == 0x7f)
				fprintf(out, "\\u%04x", c);
			else
				putc(c, out);
		}
	putc('"', out);
	buffer_fini(&valid);
}

static void print_json_time(FILE *out, int64_t us)
{
	int64_t part = us % 1000000;
	time_t seconds = (time_t)(us / 1000000 - (part < 0));
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		fprintf(out, "\"%04d-%02d-%02dT%02d:%02d:%02d.%06dZ\"", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
			tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(part < 0 ? part + 1000000 : part));
	else
		fprintf(out, "%" PRId64, us);
}

static void print_json_bytes(FILE *out, const struct value *value)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (value->type == VALUE_INET) {
		inet_ntop(value->len == 4 ? AF_INET : AF_INET6, value->bytes, text, sizeof(text));
		fprintf(out, "\"%s\"", text);
		return;
	}
	putc('"', out);
	for (size_t i = 0; i < value->len; i++) {
		bool dash = value->len == 16 && (i == 4 || i == 6 || i == 8 || i == 10);

		fprintf(out, "%s%02x", dash ? "-" : "", value->bytes[i]);
	}
	putc('"', out);
}

static void print_json_value(FILE *out, const struct value *value)
{
	switch (value->type) {
	case VALUE_NULL:
		fputs("null", out);
		break;
	case VALUE_BOOL:
		fputs(value->number ? "true" : "false", out);
		break;
	case VALUE_INT4:
	case VALUE_INT8:
		fprintf(out, "%" PRId64, value->number);
		break;
	case VALUE_REAL:
		fprintf(out, "%.2f", (double)value->real);
		break;
	case VALUE_TEXT:
		print_json_text(out, value_text(value));
		break;
	case VALUE_UUID:
	case VALUE_INET:
		print_json_bytes(out, value);
		break;
	case VALUE_TIME:
		print_json_time(out, value->number);
		break;
	case VALUE_INTERVAL: /* seconds */
		fprintf(out, "%" PRId64 ".%06" PRId64, value->number / 1000000, value->number % 1000000);
		break;
	}
}

void row_print_json(FILE *out, const Tandem__CdrRecord *record)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		struct value value = columns[i].get(record, columns[i].offset);

		fprintf(out, "%c\"%s\":", i ? ',' : '{', columns[i].name);
		print_json_value(out, &value);
	}
	putc('}', out);
}
