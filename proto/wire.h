/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protobuf wire format, for the messages that every call sends: written straight to where they go, and read where
 * they lie. messages.proto stays the contract; what is written is what any protobuf library writes, byte for byte
 * (fields in the order of their numbers, zeros and empty strings left out).
 *
 * Writing does not look at the room: the caller has reserved what the longest message takes, and WIRE_SLACK bytes
 * more. Reading never passes the end, and never takes a number that does not fit into 64 bits. No call here allocates.
 */
#ifndef TANDEM_PROTO_WIRE_H
#define TANDEM_PROTO_WIRE_H

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/addr.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* What stands before a value: the field's number in messages.proto, and how long the value is. */
#define WIRE_TAG(number, type) ((uint32_t)(number) << 3 | (uint32_t)(type))

/* Bytes that a field of this kind takes at most, numbers below 16; above, one more. */
#define WIRE_U32_MAX     6u
#define WIRE_U64_MAX     11u
#define WIRE_FIXED64_MAX 9u
#define WIRE_BOOL_MAX    2u
#define WIRE_ADDRESS_MAX 24u
#define WIRE_SLACK       32u /* bytes behind the end of a message that writing it may touch */

/* Text, bytes, or a message, borrowed. */
struct wire_text {
	const char *at;
	uint32_t len;
};

/* ---- writing: each returns where to go on ---- */

uint8_t *wire_put_long_varint(uint8_t *to, uint64_t n);

static inline uint8_t *wire_put_varint(uint8_t *to, uint64_t n)
{
	if (n >= 0x4000)
		return wire_put_long_varint(to, n);
	if (n < 0x80) {
		*to = (uint8_t)n;
		return to + 1;
	}
	to[0] = (uint8_t)(n | 0x80);
	to[1] = (uint8_t)(n >> 7);
	return to + 2;
}

/* The number is below 2048, and a constant where this is used. */
static inline uint8_t *wire_put_tag(uint8_t *to, uint32_t number, enum wire_type type)
{
	uint32_t tag = WIRE_TAG(number, type);

	if (tag >= 0x80) {
		*to++ = (uint8_t)(tag | 0x80);
		tag >>= 7;
	}
	*to = (uint8_t)tag;
	return to + 1;
}

/* uint32, uint64, int64, bool and enum; zero is left out. */
static inline uint8_t *wire_put_uint(uint8_t *to, uint32_t number, uint64_t n)
{
	if (n == 0)
		return to;
	return wire_put_varint(wire_put_tag(to, number, WIRE_VARINT), n);
}

static inline uint8_t *wire_put_fixed64(uint8_t *to, uint32_t number, uint64_t n)
{
	if (n == 0)
		return to;
	to = wire_put_tag(to, number, WIRE_FIXED64);
	n = htole64(n);
	memcpy(to, &n, sizeof(n));
	return to + sizeof(n);
}

/* bytes, and string where it is known to be one. */
static inline uint8_t *wire_put_bytes(uint8_t *to, uint32_t number, const void *bytes, uint32_t len)
{
	if (len == 0)
		return to;
	to = wire_put_varint(wire_put_tag(to, number, WIRE_BYTES), len);
	memcpy(to, bytes, len);
	return to + len;
}

/* string: a byte that is not printable ASCII is written as '?', because a string has to be UTF-8. */
uint8_t *wire_copy_printable(uint8_t *to, const char *text, uint32_t len);

static inline uint8_t *wire_put_text(uint8_t *to, uint32_t number, struct wire_text text)
{
	if (text.len == 0)
		return to;
	return wire_copy_printable(wire_put_varint(wire_put_tag(to, number, WIRE_BYTES), text.len), text.at, text.len);
}

/* A message inside, or packed numbers: what is put between these two. wire_begin() says where it starts. */
static inline uint8_t *wire_begin(uint8_t *to, uint32_t number)
{
	return wire_put_tag(to, number, WIRE_BYTES) + 1;
}

uint8_t *wire_end_long(uint8_t *start, uint8_t *to);

static inline uint8_t *wire_end(uint8_t *start, uint8_t *to)
{
	if (to - start >= 0x80)
		return wire_end_long(start, to);
	start[-1] = (uint8_t)(to - start);
	return to;
}

/* message Address; none is left out. */
static inline uint8_t *wire_put_address(uint8_t *to, uint32_t number, const struct net_addr *addr)
{
	uint8_t *start = wire_begin(to, number);

	if (addr->family == NET_NONE)
		return to;
	uint32_t len = addr->family == NET_IP6 ? 16 : 4;

	to = wire_put_varint(wire_put_tag(start, 1, WIRE_BYTES), len);
	memcpy(to, addr->ip, 16); /* what is too much, the next field overwrites */
	return wire_end(start, wire_put_uint(to + len, 2, addr->port));
}

/* ---- reading ---- */

struct wire_reader {
	const uint8_t *at, *end;
};

struct wire_field {
	uint64_t tag;         /* WIRE_TAG() */
	uint64_t value;       /* the number; of WIRE_BYTES, how many */
	const uint8_t *bytes; /* WIRE_BYTES: as long as the message is there */
};

static inline struct wire_reader wire_reader(struct wire_text bytes)
{
	return (struct wire_reader){(const uint8_t *)bytes.at, (const uint8_t *)bytes.at + bytes.len};
}

struct wire_number {
	uint64_t n;
	const uint8_t *after; /* where to go on; NULL: it does not end, or is no number of 64 bits */
};

struct wire_number wire_get_long_varint(const uint8_t *at, const uint8_t *end);

static inline int wire_get_varint(struct wire_reader *reader, uint64_t *n)
{
	const uint8_t *at = reader->at;

	if (at < reader->end && at[0] < 0x80) {
		*n = at[0];
		reader->at = at + 1;
		return 0;
	}
	if (reader->end - at >= 2 && at[1] < 0x80) {
		*n = (at[0] & 0x7fu) | (uint32_t)at[1] << 7;
		reader->at = at + 2;
		return 0;
	}
	struct wire_number number = wire_get_long_varint(at, reader->end);

	*n = number.n;
	reader->at = number.after;
	return number.after ? 0 : -EBADMSG;
}

/* Tags and lengths: 32 bits, which is five bytes. */
static inline int wire_get_short_varint(struct wire_reader *reader, uint64_t *n)
{
	const uint8_t *from = reader->at;

	if (from < reader->end && *from < 0x80) {
		*n = *from;
		reader->at = from + 1;
		return 0;
	}
	return wire_get_varint(reader, n) < 0 || reader->at - from > 5 ? -EBADMSG : 0;
}

static inline int wire_get_fixed(struct wire_reader *reader, uint32_t size, uint64_t *n)
{
	*n = 0;
	if ((size_t)(reader->end - reader->at) < size)
		return -EBADMSG;
	memcpy(n, reader->at, size);
	*n = le64toh(*n);
	reader->at += size;
	return 0;
}

static inline int wire_get_bytes(struct wire_reader *reader, struct wire_field *field)
{
	if (wire_get_short_varint(reader, &field->value) < 0 || field->value > (size_t)(reader->end - reader->at))
		return -EBADMSG;
	field->bytes = reader->at;
	reader->at += field->value;
	return 0;
}

static inline int wire_get_value(struct wire_reader *reader, struct wire_field *field)
{
	uint64_t type = field->tag & 7;

	if (type == WIRE_VARINT)
		return wire_get_varint(reader, &field->value);
	if (type == WIRE_BYTES)
		return wire_get_bytes(reader, field);
	if (type == WIRE_FIXED64 || type == WIRE_FIXED32)
		return wire_get_fixed(reader, type == WIRE_FIXED64 ? 8 : 4, &field->value);
	return -EBADMSG;
}

/* The next field, whatever it is: 1; 0: there is none; -EBADMSG. Who does not know its tag asks wire_unknown(). */
static inline int wire_next(struct wire_reader *reader, struct wire_field *field)
{
	if (reader->at == reader->end)
		return 0;
	if (wire_get_short_varint(reader, &field->tag) < 0)
		return -EBADMSG;
	return wire_get_value(reader, field) < 0 ? -EBADMSG : 1;
}

/* A tag that a message with the fields 1 to `last` does not know: 0 when a newer sender may have written it, to be
 * passed over; -EBADMSG when it is a known number with a value of another kind, or none. */
static inline int wire_unknown(struct wire_field field, uint32_t last)
{
	return field.tag >> 3 <= last ? -EBADMSG : 0;
}

static inline struct wire_text wire_text(struct wire_field field)
{
	return (struct wire_text){(const char *)field.bytes, (uint32_t)field.value};
}

/* message Address: 0, or -EBADMSG unless it is of 4 or 16 bytes, or none, with a port that is one. */
int wire_get_address(struct wire_text message, struct net_addr *addr);

#endif
