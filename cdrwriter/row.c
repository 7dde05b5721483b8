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
#define COLUMN_MAX        40u /* bytes of a column that is none of the record's texts, its length included */
#define ESCAPED           4u  /* bytes that a byte of text may become */

/* ---- growing bytes ---------------------------------------------------------------------------------------------- */

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

/* ---- text: always valid UTF-8, whatever a peer has put into its headers ------------------------------------------ */

/* Copy, eight bytes at a time, and tell whether it is nothing but ASCII without a zero byte. `to` has room for more. */
static bool copy_plain(uint8_t *to, const char *text, size_t len)
{
	const uint64_t ones = 0x0101010101010101ull;
	uint64_t word, strange = 0;

	for (; len >= sizeof(word); to += sizeof(word), text += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		memcpy(to, &word, sizeof(word));
		strange |= word | (word - ones);
	}
	for (word = ones; len > 0; len--)
		word = word << 8 | (uint8_t)text[len - 1];
	strange |= word | (word - ones);
	word = htole64(word);
	memcpy(to, &word, sizeof(word));
	return !(strange & (ones << 7));
}

/* Length of the UTF-8 character at p, 0 when it is none (RFC 3629: no overlong forms, no surrogates). */
static unsigned int utf8_length(const uint8_t *p, size_t left)
{
	if (p[0] < 0x80)
		return p[0] != 0; /* which PostgreSQL can't store */
	unsigned int len = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
			   : (p[0] & 0xf0) == 0xe0        ? 3
			   : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
							  : 0;

	if (len > left)
		return 0;
	for (unsigned int i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/*
 * A byte that is no part of a UTF-8 character becomes "\xHH". PostgreSQL would refuse it, and then a caller could keep
 * a call from being billed by what it writes into a header.
 */
static uint8_t *escape_text(uint8_t *to, const char *text, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	const uint8_t *p = (const uint8_t *)text, *end = p + len;

	while (p < end) {
		unsigned int whole = utf8_length(p, (size_t)(end - p));

		if (whole) {
			memcpy(to, p, whole);
			to += whole;
			p += whole;
		} else {
			*to++ = '\\';
			*to++ = 'x';
			*to++ = (uint8_t)digits[*p >> 4];
			*to++ = (uint8_t)digits[*p++ & 15];
		}
	}
	return to;
}

/* ---- values of a binary COPY: a length and as many bytes, numbers with the highest byte first ------------------- */

static uint8_t *put_null(uint8_t *to)
{
	memset(to, 0xff, 4);
	return to + 4;
}

static uint8_t *put_length(uint8_t *to, uint32_t len)
{
	len = htobe32(len);
	memcpy(to, &len, sizeof(len));
	return to + sizeof(len);
}

static uint8_t *put_bytes(uint8_t *to, const void *bytes, uint32_t len)
{
	to = put_length(to, len);
	memcpy(to, bytes, len);
	return to + len;
}

static uint8_t *put_int4(uint8_t *to, uint32_t n)
{
	uint64_t field = htobe64(4ull << 32 | n);

	memcpy(to, &field, sizeof(field));
	return to + sizeof(field);
}

static uint8_t *put_int8(uint8_t *to, uint64_t n)
{
	n = htobe64(n);
	return put_bytes(to, &n, sizeof(n));
}

/* What is too much for the column is the most that it holds. */
static uint8_t *put_count4(uint8_t *to, uint32_t n)
{
	return put_int4(to, n <= INT32_MAX ? n : INT32_MAX);
}

static uint8_t *put_text(uint8_t *to, const char *text, size_t len)
{
	uint8_t *end = to + 4 + len;

	if (!copy_plain(to + 4, text, len))
		end = escape_text(to + 4, text, len);
	put_length(to, (uint32_t)(end - to - 4));
	return end;
}

/* A word out of a list; a number that a newer switch may have added stays readable. */
static uint8_t *put_word(uint8_t *to, const char *word, uint32_t number)
{
	char unknown[32];

	if (!word) {
		snprintf(unknown, sizeof(unknown), "Unknown(%u)", number);
		word = unknown;
	}
	return put_bytes(to, word, (uint32_t)strlen(word));
}

/* ---- what the columns make of a record --------------------------------------------------------------------------- */

typedef uint8_t *(*column_put)(uint8_t *to, const struct cdr_record *record, size_t offset);

#define FIELD(type, record, offset) (*(const type *)((const uint8_t *)(record) + (offset)))

static uint8_t *column_uuid(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	const struct wire_text *id = &FIELD(struct wire_text, record, offset);

	return put_bytes(to, id->at, id->len);
}

static uint8_t *column_bool(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	uint8_t truth = FIELD(bool, record, offset);

	return put_bytes(to, &truth, 1);
}

static uint8_t *column_int4(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	return put_count4(to, FIELD(uint32_t, record, offset));
}

static uint8_t *column_int8(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	uint64_t n = FIELD(uint64_t, record, offset);

	return put_int8(to, n <= INT64_MAX ? n : INT64_MAX);
}

/* A code that is 0 was never given. */
static uint8_t *column_code(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	return FIELD(uint32_t, record, offset) ? column_int4(to, record, offset) : put_null(to);
}

static uint8_t *column_text_or_empty(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	const struct wire_text *text = &FIELD(struct wire_text, record, offset);

	return put_text(to, text->len ? text->at : "", text->len);
}

static uint8_t *column_text(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	return FIELD(struct wire_text, record, offset).len ? column_text_or_empty(to, record, offset) : put_null(to);
}

/* One below what a timestamp can be is one that PostgreSQL refuses, too. */
static uint8_t *column_time_always(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	int64_t us = FIELD(int64_t, record, offset);

	return put_int8(to, (uint64_t)(us < INT64_MIN + POSTGRES_EPOCH_US ? INT64_MIN + 2 : us - POSTGRES_EPOCH_US));
}

static uint8_t *column_time(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	return FIELD(int64_t, record, offset) ? column_time_always(to, record, offset) : put_null(to);
}

static uint8_t *column_interval(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	uint8_t *at = column_int8(to, record, offset);

	put_length(to, 16);
	memset(at, 0, 8); /* days and months */
	return at + 8;
}

/* There is a post-dial delay when something came back that ends it. */
static uint8_t *column_pdd(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	return record->progress_us || record->answer_us ? column_int4(to, record, offset) : put_null(to);
}

static uint8_t *column_ip(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	const struct net_addr *addr = &FIELD(struct net_addr, record, offset);
	uint8_t len = addr->family == NET_IP6 ? 16 : 4;
	/* PostgreSQL's own numbers for the families: AF_INET, AF_INET + 1. */
	uint8_t bytes[4 + 16] = {len == 4 ? 2 : 3, (uint8_t)(len * 8), 0, len};

	if (addr->family == NET_NONE)
		return put_null(to);
	memcpy(bytes + 4, addr->ip, sizeof(addr->ip));
	return put_bytes(to, bytes, 4u + len);
}

static uint8_t *column_port(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	uint16_t port = FIELD(struct net_addr, record, offset).port;

	return port ? put_int4(to, port) : put_null(to);
}

static uint8_t *column_end_direction(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	uint32_t number = record->end_direction;

	if (number == END_BY_NOBODY)
		return put_null(to);
	return put_word(to, number <= END_BY_SERVER ? end_direction_word[number] : NULL, number);
}

static uint8_t *column_end_reason(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	uint32_t number = record->end_reason;
	bool known = number > END_NONE && number < END_REASON_COUNT;

	return put_word(to, known ? end_reason_info[number].word : NULL, number);
}

static uint8_t *column_media_mode(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	static const char *const words[CALL_MEDIA_MODES] = {
	    [CALL_MEDIA_RELAY] = "relay", [CALL_MEDIA_DIRECT] = "direct", [CALL_MEDIA_NONE] = "none"};
	uint32_t mode = record->media_mode;

	return put_word(to, mode < CALL_MEDIA_MODES ? words[mode] : NULL, mode);
}

/*
 * Of RTP only: neither of a direction that nothing came from nor of a fax, whose packets are none and leave these at
 * zero. Payload type 0 is PCMU.
 */
static uint8_t *column_rtp(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	size_t side = (offset - offsetof(struct cdr_record, figures)) / sizeof(record->figures[0]);
	const struct call_direction_figures *f = &record->figures[side];
	bool is_rtp = f->packets && (f->mos_x100 || f->max_jitter_us || f->payload_type);

	return is_rtp ? column_int4(to, record, offset) : put_null(to);
}

static uint8_t *column_mos(uint8_t *to, const struct cdr_record *record, size_t offset)
{
	float mos = (float)FIELD(uint32_t, record, offset) / 100.0f;
	uint32_t bits;

	memcpy(&bits, &mos, sizeof(bits));
	return mos > 0 ? put_int4(to, bits) : put_null(to);
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

enum column_type { BOOL, INT4, INT8, REAL, TEXT, UUID, INET, TIME, INTERVAL };

#define OF(member)           offsetof(struct cdr_record, member)
#define FIGURE(side, member) OF(figures[side].member), OF(has_figures[side])
#define FIGURES(prefix, side)                                                                                          \
	{prefix "_packets", INT8, column_int8, FIGURE(side, packets)},                                                 \
	    {prefix "_bytes", INT8, column_int8, FIGURE(side, bytes)},                                                 \
	    {prefix "_lost", INT8, column_int8, FIGURE(side, lost)},                                                   \
	    {prefix "_relayed", INT8, column_int8, FIGURE(side, sent)},                                                \
	    {prefix "_jitter_us", INT4, column_rtp, FIGURE(side, jitter_us)},                                          \
	    {prefix "_max_jitter_us", INT4, column_rtp, FIGURE(side, max_jitter_us)},                                  \
	    {prefix "_mos", REAL, column_mos, FIGURE(side, mos_x100)},                                                 \
	{                                                                                                              \
		prefix "_payload_type", INT4, column_rtp, FIGURE(side, payload_type)                                   \
	}

static const struct column {
	const char *name;
	enum column_type type;
	column_put put;
	size_t offset;
	size_t given; /* a bool of the record: without it, the column is NULL; 0 = always */
} columns[] = {
    {"setup_time", TIME, column_time_always, OF(setup_us)},
    {"call_id", UUID, column_uuid, OF(call_id)},
    {"attempt", INT4, column_int4, OF(attempt)},
    {"final", BOOL, column_bool, OF(final)},
    {"node", TEXT, column_text_or_empty, OF(node)},
    {"mapping_gateway", TEXT, column_text, OF(mapping_gateway)},
    {"routing_gateway", TEXT, column_text, OF(routing_gateway)},
    {"caller_number_in", TEXT, column_text, OF(caller_number_in)},
    {"caller_number_out", TEXT, column_text, OF(caller_number_out)},
    {"callee_number_in", TEXT, column_text, OF(callee_number_in)},
    {"callee_number_out", TEXT, column_text, OF(callee_number_out)},
    {"caller_ip", INET, column_ip, OF(caller_address)},
    {"caller_port", INT4, column_port, OF(caller_address)},
    {"callee_ip", INET, column_ip, OF(callee_address)},
    {"callee_port", INT4, column_port, OF(callee_address)},
    {"caller_sip_call_id", TEXT, column_text, OF(caller_sip_call_id)},
    {"callee_sip_call_id", TEXT, column_text, OF(callee_sip_call_id)},
    {"progress_time", TIME, column_time, OF(progress_us)},
    {"answer_time", TIME, column_time, OF(answer_us)},
    {"end_time", TIME, column_time, OF(end_us)},
    {"pdd_ms", INT4, column_pdd, OF(pdd_ms)},
    {"duration", INTERVAL, column_interval, OF(duration_us)},
    {"sip_code", INT4, column_code, OF(sip_code)},
    {"q850_cause", INT4, column_code, OF(q850_cause)},
    {"end_direction", TEXT, column_end_direction},
    {"end_reason", TEXT, column_end_reason},
    {"codec", TEXT, column_text, OF(codec)},
    {"media_mode", TEXT, column_media_mode},
    FIGURES("from_caller", CALLER),
    FIGURES("from_callee", CALLEE),
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

const char *row_fault(const struct cdr_record *record)
{
	return record->call_id.len == 16 ? NULL : "call_id is not 16 bytes";
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static int append(struct buffer *buffer, const void *bytes, size_t len)
{
	uint8_t *to = buffer_grow(buffer, len);

	if (to)
		memcpy(to, bytes, len);
	return to ? 0 : -ENOMEM;
}

int row_begin_copy(struct buffer *buffer)
{
	static const char signature[11 + 4 + 4] = "PGCOPY\n\377\r\n";

	buffer->len = 0;
	return append(buffer, signature, sizeof(signature));
}

int row_end_copy(struct buffer *buffer)
{
	static const uint16_t trailer = 0xffff;

	return append(buffer, &trailer, sizeof(trailer));
}

/* As much as its row takes at most: its texts make up most of its room in a ring. */
static size_t room_for(const struct cdr_record *record)
{
	return COLUMNS * COLUMN_MAX + ESCAPED * cdr_record_room(record);
}

int row_append(struct buffer *buffer, const struct cdr_record *record)
{
	size_t room = room_for(record);
	uint8_t *row = buffer_grow(buffer, room), *to = row;
	uint16_t count = htobe16(COLUMNS);

	if (!row)
		return -ENOMEM;
	memcpy(to, &count, sizeof(count));
	to += sizeof(count);
	for (const struct column *c = columns; c < columns + COLUMNS; c++)
		to = c->given && !FIELD(bool, record, c->given) ? put_null(to) : c->put(to, record, c->offset);
	buffer->len -= room - (size_t)(to - row);
	return 0;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void print_text(FILE *out, const uint8_t *text, size_t len)
{
	putc('"', out);
	for (size_t i = 0; i < len; i++) {
		uint8_t c = text[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

static void print_time(FILE *out, int64_t us)
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

static void print_ip(FILE *out, const uint8_t *bytes, size_t len)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(len == 8 ? AF_INET : AF_INET6, bytes + 4, text, sizeof(text));
	fprintf(out, "\"%s\"", text);
}

static void print_uuid(FILE *out, const uint8_t *bytes, size_t len)
{
	putc('"', out);
	for (size_t i = 0; i < len; i++) {
		bool dash = len == 16 && (i == 4 || i == 6 || i == 8 || i == 10);

		fprintf(out, "%s%02x", dash ? "-" : "", bytes[i]);
	}
	putc('"', out);
}

static void print_real(FILE *out, uint32_t bits)
{
	float real;

	memcpy(&real, &bits, sizeof(real));
	fprintf(out, "%.2f", (double)real);
}

static void print_value(FILE *out, enum column_type type, const uint8_t *bytes, size_t len)
{
	int64_t number = 0;

	for (size_t i = 0; i < len && i < 8; i++)
		number = (int64_t)((uint64_t)number << 8 | bytes[i]);
	switch (type) {
	case BOOL:
		fputs(number ? "true" : "false", out);
		break;
	case INT4:
	case INT8:
		fprintf(out, "%" PRId64, number);
		break;
	case REAL:
		print_real(out, (uint32_t)number);
		break;
	case TEXT:
		print_text(out, bytes, len);
		break;
	case UUID:
		print_uuid(out, bytes, len);
		break;
	case INET:
		print_ip(out, bytes, len);
		break;
	case TIME:
		print_time(out, number + POSTGRES_EPOCH_US);
		break;
	case INTERVAL: /* seconds */
		fprintf(out, "%" PRId64 ".%06" PRId64, number / 1000000, number % 1000000);
		break;
	}
}

void row_print_json(FILE *out, const struct cdr_record *record)
{
	struct buffer row = {0};

	if (row_append(&row, record) < 0) {
		fputs("null", out);
		return;
	}
	const uint8_t *at = row.bytes + 2;

	for (size_t i = 0; i < COLUMNS; i++) {
		uint32_t len;

		memcpy(&len, at, sizeof(len));
		len = be32toh(len);
		at += sizeof(len);
		fprintf(out, "%c\"%s\":", i ? ',' : '{', columns[i].name);
		if (len == UINT32_MAX) {
			fputs("null", out);
			continue;
		}
		print_value(out, columns[i].type, at, len);
		at += len;
	}
	putc('}', out);
	buffer_fini(&row);
}
