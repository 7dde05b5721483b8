/* SPDX-License-Identifier: Apache-2.0 */
/* message KeepaliveBurst: from keepalive to the worker that announced the endpoints. */
#ifndef TANDEM_PROTO_KEEPALIVE_BURST_H
#define TANDEM_PROTO_KEEPALIVE_BURST_H

#include "proto/wire.h"

/* Bytes to reserve for so many endpoints. */
#define KEEPALIVE_BURST_ROOM(count) ((count) * (5u + 8u) + 16u + WIRE_SLACK)

/* Returns its length. */
uint32_t keepalive_burst_write(const uint32_t *endpoint, const uint64_t *id, uint32_t count, uint8_t *to);
/* Both arrays have room for `most`. How many there are, or -EBADMSG: no such message, too many, or not as many of
 * both. */
int keepalive_burst_read(uint32_t *endpoint, uint64_t *id, uint32_t most, const uint8_t *bytes, uint32_t len);

#endif
