/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages that are read by hand, against protobuf-c: what our reader takes, protobuf-c takes, and both see the
 * same values; what protobuf-c writes of it, our reader takes and our writer writes the same. The first byte says
 * which message it is.
 */
#include <stdlib.h>

#include "tests/unit/proto/agree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* A message inside that comes twice: protobuf-c puts the second in the place of the first, where the two are one by
 * the specification. */
static bool has_twice(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes, size_t len)
{
	struct wire_reader reader = wire_reader((struct wire_text){(const char *)bytes, (uint32_t)len});
	struct wire_field f;
	uint64_t seen = 0;

	while (wire_next(&reader, &f) == 1) {
		const ProtobufCFieldDescriptor *field =
		    protobuf_c_message_descriptor_get_field(descriptor, (unsigned int)(f.tag >> 3));

		if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE || (f.tag & 7) != WIRE_BYTES)
			continue;
		if (seen & 1ull << field->id || has_twice(field->descriptor, f.bytes, f.value))
			return true;
		seen |= 1ull << field->id;
	}
	return false;
}

/* What protobuf-c writes of it, we read as the same, and what we write of that, too. */
static void write_again(const struct agree_message *m, const ProtobufCMessage *theirs)
{
	static uint8_t packed[1u << 18], written[1u << 18];
	uint32_t room, len = (uint32_t)protobuf_c_message_pack(theirs, packed);

	must(m->read(packed, len) >= 0 && m->same(theirs));
	len = m->write(written, &room);
	must(len <= room && m->read(written, len) >= 0);
}

static void check(const struct agree_message *m, const uint8_t *data, size_t size)
{
	bool taken = m->read(data, (uint32_t)size) >= 0;
	const ProtobufCMessage *theirs = agree_unpack(m, data, size);

	if (taken)
		must(theirs && (has_twice(m->descriptor, data, size) || m->same(theirs)));
	if (theirs && m->is_sound(theirs))
		write_again(m, theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && size < 65536)
		check(&agree_messages[data[0] % agree_count], data + 1, size - 1);
	return 0;
}
