/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sends what to whom, as a table: one line a message, and the ring it travels on. A message that is not in
 * the table for its ring is refused and counted.
 */
#ifndef TANDEM_PROTO_MESSAGES_H
#define TANDEM_PROTO_MESSAGES_H

/*       type               from       to          protobuf message */
#define MESSAGE_TABLE(X)                                                \
	X(MEDIA_OPEN,       SIGNALING, MEDIA,     media_open)           \
	X(MEDIA_UPDATE,     SIGNALING, MEDIA,     media_update)         \
	X(MEDIA_CLOSE,      SIGNALING, MEDIA,     media_close)          \
	X(MEDIA_STARTED,    MEDIA,     SIGNALING, media_started)        \
	X(MEDIA_SILENT,     MEDIA,     SIGNALING, media_silent)         \
	X(DTMF,             MEDIA,     SIGNALING, dtmf)                 \
	X(MEDIA_CLOSED,     MEDIA,     SIGNALING, media_closed)         \
	X(MEDIA_RESYNC,     MEDIA,     SIGNALING, resync)               \
	X(BINDING_ADDED,    SIGNALING, KEEPALIVE, binding_added)        \
	X(BINDING_REMOVED,  SIGNALING, KEEPALIVE, binding_removed)      \
	X(BINDINGS_RESYNC,  KEEPALIVE, SIGNALING, resync)               \
	X(KEEPALIVE_BURST,  KEEPALIVE, SIGNALING, keepalive_burst)      \
	X(CDR_RECORD,       SIGNALING, CDRWRITER, cdr_record)

enum message_type {
	MESSAGE_NONE,
#define X(type, from, to, message) MESSAGE_##type,
	MESSAGE_TABLE(X)
#undef X
	MESSAGE_TYPE_COUNT
};

#endif
