/* SPDX-License-Identifier: Apache-2.0 */
/* message CdrRecord: written by signaling into its ring, read by the CDR writer out of its spool. */
#ifndef TANDEM_PROTO_CDR_RECORD_H
#define TANDEM_PROTO_CDR_RECORD_H

#include "common/layout/call_record.h"
#include "proto/wire.h"

/* The members are those of the message. Texts are borrowed: of a record that was read, from the message. */
struct cdr_record {
	struct wire_text call_id; /* 16 bytes */
	struct wire_text node;
	struct wire_text caller_sip_call_id, callee_sip_call_id;
	struct wire_text caller_number_in, caller_number_out;
	struct wire_text callee_number_in, callee_number_out;
	struct wire_text mapping_gateway, routing_gateway;
	struct wire_text codec;
	struct net_addr caller_address, callee_address;
	int64_t setup_us, progress_us, answer_us, end_us;
	uint64_t duration_us;
	uint32_t attempt, pdd_ms, sip_code, q850_cause, end_direction, end_reason, media_mode;
	bool final;
	bool has_figures[CALL_SIDES]; /* neither of them: the attempt had no relayed audio */
	struct call_direction_figures figures[CALL_SIDES];
};

/* How many bytes to reserve for writing it. */
uint32_t cdr_record_room(const struct cdr_record *record);
/* Returns its length. What is not printable ASCII in its texts becomes '?'. */
uint32_t cdr_record_write(const struct cdr_record *record, uint8_t *to);

/* 0 or -EBADMSG: the bytes are no such message, or an address in it is none. */
int cdr_record_read(struct cdr_record *record, const uint8_t *bytes, uint32_t len);

#endif
