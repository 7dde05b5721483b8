/* SPDX-License-Identifier: Apache-2.0 */
/* What signaling says to media: MediaOpen, MediaUpdate (the same thing once more) and MediaClose. */
#ifndef TANDEM_PROTO_MEDIA_REQUEST_H
#define TANDEM_PROTO_MEDIA_REQUEST_H

#include "proto/wire.h"

struct media_leg_request {
	struct net_addr local, remote, remote_rtcp; /* the latter two: family NET_NONE = not known */
	uint32_t clock_rate, generation;
	uint8_t direction, payload_type, dtmf_payload_type;
	bool behind_nat, udptl, encrypted; /* udptl: a fax (T.38), not audio; encrypted: SRTP */
};

struct media_request {
	uint32_t slot; /* `session` of the message */
	uint64_t id;
	struct media_leg_request leg[2]; /* of the caller, of the callee */
	uint32_t silence_limit_ms;
	uint8_t silence_watch, tos;
	uint8_t signaling_worker; /* who says so: known by the ring, not in the message */
	bool answered;
};

struct media_close {
	uint32_t session;
	uint64_t id;
};

/* Bytes to reserve for any of them. */
#define MEDIA_LEG_MAX     (2u + 3 * WIRE_ADDRESS_MAX + 4 * WIRE_BOOL_MAX + 4 * WIRE_U32_MAX)
#define MEDIA_REQUEST_MAX (3u + 2 * MEDIA_LEG_MAX + 4 * WIRE_U32_MAX + WIRE_FIXED64_MAX + WIRE_BOOL_MAX + WIRE_SLACK)

/* Each returns its length. */
uint32_t media_open_write(const struct media_request *request, uint8_t *to);
uint32_t media_update_write(const struct media_request *request, uint8_t *to);
uint32_t media_close_write(const struct media_close *message, uint8_t *to);

/* 0, or -EBADMSG: no such message, a leg is missing, or a value is none that the sender could mean. */
int media_open_read(struct media_request *request, const uint8_t *bytes, uint32_t len);
int media_update_read(struct media_request *request, const uint8_t *bytes, uint32_t len);
int media_close_read(struct media_close *message, const uint8_t *bytes, uint32_t len);

#endif
