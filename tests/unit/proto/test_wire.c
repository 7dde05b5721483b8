/* SPDX-License-Identifier: Apache-2.0 */
/* Messages written and read by hand, beside protobuf-c: byte for byte, value for value. */
#include "agree.h"

#include <stdlib.h>

#include "tests/unit/check.h"

#define ROUNDS 3000

static uint64_t state = 88172645463325252ull;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Of every length, and often none or all ones. */
static uint64_t any_number(void)
{
	uint64_t kind = any() % 8;

	return kind == 0 ? 0 : kind == 1 ? UINT64_MAX : any() >> (any() % 64);
}

/* ---- any message, made by protobuf-c's own descriptor ---- */

static struct {
	uint8_t memory[1u << 16];
	size_t used;
} pool;

static void *take(size_t size)
{
	size_t at = (pool.used + 15) & ~(size_t)15;

	if (at + size > sizeof(pool.memory))
		abort();
	pool.used = at + size;
	memset(pool.memory + at, 0, size);
	return pool.memory + at;
}

static char *any_text(void)
{
	size_t len = any() % 4 ? any() % 40 : any() % 300;
	char *text = take(len + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)(' ' + any() % 95);
	return text;
}

static ProtobufCMessage *any_message(const ProtobufCMessageDescriptor *descriptor);

static void fill_bytes(ProtobufCBinaryData *bytes, const char *name)
{
	bytes->len = strcmp(name, "ip") == 0 ? (any() & 1 ? 4 : 16) : any() % 20;
	bytes->data = take(bytes->len);
	for (size_t i = 0; i < bytes->len; i++)
		bytes->data[i] = (uint8_t)any();
}

/* Numbers that have a range keep to it. */
static uint64_t number_for(const char *name)
{
	static const struct {
		const char *name;
		uint64_t below;
	} ranges[] = {{"port", 65536}, {"direction", 4},     {"payload_type", 128},  {"dtmf_payload_type", 128},
		      {"tos", 256},    {"silence_watch", 5}, {"clock_rate", 384001}, {"silence_limit_ms", 86400001}};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (strcmp(name, ranges[i].name) == 0)
			return any_number() % ranges[i].below;
	return any_number();
}

static void fill_field(const ProtobufCFieldDescriptor *field, uint8_t *at)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)at = any_message(field->descriptor);
		break;
	case PROTOBUF_C_TYPE_STRING:
		*(char **)at = any_text();
		break;
	case PROTOBUF_C_TYPE_BYTES:
		fill_bytes((ProtobufCBinaryData *)at, field->name);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at = any() & 1;
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_FIXED64:
		*(uint64_t *)at = number_for(field->name);
		break;
	default:
		*(uint32_t *)at = (uint32_t)number_for(field->name);
	}
}

static void fill_repeated(const ProtobufCFieldDescriptor *field, ProtobufCMessage *message, size_t count)
{
	size_t size = field->type == PROTOBUF_C_TYPE_FIXED64 ? 8 : 4;
	uint8_t *values = take(count * size);

	for (size_t i = 0; i < count; i++)
		fill_field(field, values + i * size);
	*(size_t *)((uint8_t *)message + field->quantifier_offset) = count;
	*(void **)((uint8_t *)message + field->offset) = values;
}

static ProtobufCMessage *any_message(const ProtobufCMessageDescriptor *descriptor)
{
	ProtobufCMessage *message = take(descriptor->sizeof_message);
	size_t count = any() % AGREE_BURST_MAX;

	protobuf_c_message_init(descriptor, message);
	for (unsigned int i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			fill_repeated(field, message, count);
		else
			fill_field(field, (uint8_t *)message + field->offset);
	}
	return message;
}

/* ---- what both make of it ---- */

static uint8_t theirs[1u << 15], ours[1u << 15], mixed[1u << 16];

static void both_ways(void)
{
	for (unsigned int i = 0; i < agree_count * ROUNDS && !check_failures; i++) {
		const struct agree_message *m = &agree_messages[i % agree_count];

		pool.used = 0;
		ProtobufCMessage *message = any_message(m->descriptor);
		uint32_t len = (uint32_t)protobuf_c_message_pack(message, theirs), room, written;

		CHECK(m->read(theirs, len) >= 0);
		CHECK(m->same(message));
		written = m->write(ours, &room);
		CHECK_INT(written, len);
		CHECK(memcmp(ours, theirs, len) == 0);
		CHECK(written <= room);
		for (uint32_t cut = 0; cut < len && i < agree_count * 20; cut++) {
			uint8_t *shorter = malloc(cut ? cut : 1); /* just its size, for the sanitizer */

			memcpy(shorter, theirs, cut);
			m->read(shorter, cut);
			free(shorter);
		}
		if (check_failures)
			printf("  %s, round %u\n", m->name, i);
	}
}

/* One field with its tag, as it lies in the message. */
static uint32_t fields_of(const uint8_t *bytes, uint32_t len, uint32_t from[64])
{
	struct wire_reader reader = wire_reader((struct wire_text){(const char *)bytes, (uint32_t)len});
	struct wire_field f;
	uint32_t count = 0;

	do
		from[count] = (uint32_t)(reader.at - bytes);
	while (wire_next(&reader, &f) == 1 && ++count < 63);
	return count;
}

/* Fields backwards, with some between that no version knows. */
static void out_of_order(void)
{
	static const uint8_t strangers[] = {0xd0, 0x0f, 0x96, 0x01,                       /* 250: a number */
					    0xda, 0x0f, 0x03, 'x',  'y', 'z',             /* 251: bytes */
					    0xe1, 0x0f, 1,    2,    3,   4,   5, 6, 7, 8, /* 252: eight bytes */
					    0xed, 0x0f, 1,    2,    3,   4};              /* 253: four */
	uint32_t from[64];

	for (unsigned int i = 0; i < agree_count * 100 && !check_failures; i++) {
		const struct agree_message *m = &agree_messages[i % agree_count];

		pool.used = 0;
		ProtobufCMessage *message = any_message(m->descriptor);
		uint32_t len = (uint32_t)protobuf_c_message_pack(message, theirs), at = 0;

		for (uint32_t n = fields_of(theirs, len, from); n-- > 0;) {
			memcpy(mixed + at, theirs + from[n], from[n + 1] - from[n]);
			at += from[n + 1] - from[n];
			memcpy(mixed + at, strangers, sizeof(strangers));
			at += (uint32_t)sizeof(strangers);
		}
		CHECK(m->read(mixed, at) >= 0);
		CHECK(m->same(message));
	}
}

static void the_last_one_counts(void)
{
	static const uint8_t twice[] = {0x08, 1, 0x11, 2, 0, 0, 0, 0, 0, 0, 0, 0x08, 3};
	struct media_close close;

	CHECK_INT(media_close_read(&close, twice, sizeof(twice)), 0);
	CHECK_INT(close.session, 3);
	CHECK_INT(close.id, 2);
}

static void refused(void)
{
	static const struct {
		const char *why;
		uint8_t bytes[12];
		uint32_t len;
	} bad[] = {
	    {"the number does not end", {0x08, 0xff}, 2},
	    {"65 bits", {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x03}, 11},
	    {"a number that is bytes", {0x0a, 0}, 2},
	    {"longer than the message", {0x7a, 5, 1}, 3},
	    {"a group", {0x7b}, 1},
	    {"a tag of six bytes", {0x88, 0x80, 0x80, 0x80, 0x80, 0, 1}, 7},
	    {"four bytes that are three", {0x7d, 1, 2, 3}, 4},
	};
	struct media_close close;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (media_close_read(&close, bad[i].bytes, bad[i].len) == 0)
			printf("  %s\n", bad[i].why);
		CHECK_INT(media_close_read(&close, bad[i].bytes, bad[i].len), -EBADMSG);
	}
}

static void text_is_made_printable(void)
{
	struct wire_text text = {"tab\t high\xc3\xa4 nul\0 del\x7f, and what comes behind stays", 50};
	uint8_t to[128], *end = wire_put_text(to, 1, text);

	CHECK_INT(end - to, 52);
	CHECK_TEXT((char *)to + 2, 50, "tab? high?? nul? del?, and what comes behind stays");
}

static void numbers(void)
{
	for (unsigned int bits = 0; bits <= 64; bits++) {
		uint64_t n = bits < 64 ? (1ull << bits) - 1 : UINT64_MAX, got = 0;

		for (int more = 0; more < 2; more++, n++) {
			uint8_t to[WIRE_SLACK];
			uint32_t len = (uint32_t)(wire_put_varint(to, n) - to);
			struct wire_reader reader = wire_reader((struct wire_text){(char *)to, len}),
					   longer = wire_reader((struct wire_text){(char *)to, sizeof(to)});

			CHECK_INT(wire_get_varint(&reader, &got), 0);
			CHECK(got == n && reader.at == to + len);
			CHECK_INT(wire_get_varint(&longer, &got), 0);
			CHECK(got == n && longer.at == to + len);
		}
	}
}

static const struct check_case cases[] = {
    {"numbers of every length", numbers},
    {"both ways, as protobuf-c does", both_ways},
    {"fields out of order, and unknown ones", out_of_order},
    {"the last one counts", the_last_one_counts},
    {"what is no message is refused", refused},
    {"text is made printable", text_is_made_printable},
};

CHECK_MAIN(cases)
