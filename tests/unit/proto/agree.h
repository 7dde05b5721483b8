/* SPDX-License-Identifier: Apache-2.0 */
/* Does what our reader made of a message agree with what protobuf-c makes of it? */
#ifndef TANDEM_TESTS_PROTO_AGREE_H
#define TANDEM_TESTS_PROTO_AGREE_H

#include "proto/cdr_record.h"
#include "proto/keepalive_burst.h"
#include "proto/media_report.h"
#include "proto/media_request.h"
#include "proto/messages.pb-c.h"

#define AGREE_BURST_MAX 512u

/* One message that is written and read by hand. */
struct agree_message {
	const char *name;
	const ProtobufCMessageDescriptor *descriptor;
	int (*read)(const uint8_t *bytes, uint32_t len);  /* into a place of its own; < 0: refused */
	bool (*same)(const ProtobufCMessage *theirs);     /* as what was read last */
	bool (*is_sound)(const ProtobufCMessage *theirs); /* are its values ones that our reader takes? */
	uint32_t (*write)(uint8_t *to, uint32_t *room);   /* what was read last */
};

extern const struct agree_message agree_messages[];
extern const unsigned int agree_count;

/* protobuf-c's reading, without fields that are unknown; until the next call. NULL: it is no such message. */
ProtobufCMessage *agree_unpack(const struct agree_message *message, const uint8_t *bytes, size_t len);

#endif
