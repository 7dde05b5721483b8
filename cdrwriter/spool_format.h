/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool on disk. A directory of segment files NNNNNNNNNNNN.spool, numbered upwards and never used again:
 *
 *   segment header | record: positions | record: call record | record: call record | ... | (zeros)
 *
 * The first record of a segment says how far each ring had been spooled when it was begun, so that only the last
 * segment need be read at a start to know what a ring still holds that the spool has already. Records are
 * aligned to 8 bytes. Every sum is seeded with the spool's id and the segment's number: bytes that come from
 * elsewhere don't pass. Numbers are in the machine's own order (little-endian on everything DPDK runs on here).
 */
#ifndef TANDEM_CDRWRITER_SPOOL_FORMAT_H
#define TANDEM_CDRWRITER_SPOOL_FORMAT_H

#include <assert.h>
#include <stdint.h>

#include "common/ring.h"

#define SPOOL_SUFFIX        ".spool"
#define SPOOL_SEGMENT_MAGIC 0x314c4f4f5053444eull /* "NDSPOOL1" */
#define SPOOL_RECORD_MAGIC  0x52444354u           /* "TCDR" */
#define SPOOL_VERSION       1
#define SPOOL_ALIGN         8u

struct spool_segment_header {
	uint64_t magic;
	uint32_t version;
	uint32_t crc;      /* of what follows */
	uint64_t spool_id; /* random; which directory this is, whatever its name */
	uint64_t number;
	uint64_t first_record; /* call records spooled before this segment */
	int64_t created_us;    /* wall clock, for people */
	uint8_t reserved[16];
};
static_assert(sizeof(struct spool_segment_header) == 64, "on disk");

enum spool_type { SPOOL_POSITIONS = 1, SPOOL_CDR = 2 };

struct spool_record_header {
	uint32_t magic;
	uint32_t crc;    /* of what follows and the body */
	uint32_t length; /* of the body */
	uint8_t version;
	uint8_t type;        /* enum spool_type */
	uint16_t worker;     /* the signaling worker it came from */
	uint64_t generation; /* of that worker's ring: which life of the segment */
	uint64_t position;   /* in that ring, just after the message */
	uint64_t number;     /* call records spooled before this one */
};
static_assert(sizeof(struct spool_record_header) == 40, "on disk");

/* The body of SPOOL_POSITIONS is an array of these. */
struct spool_ring_position {
	uint64_t generation;
	uint64_t position;
	uint32_t worker;
	uint32_t zero;
};
static_assert(sizeof(struct spool_ring_position) == 24, "on disk");

#define SPOOL_BODY_MAX RING_MAX_MESSAGE

/* Bytes a record takes in its segment. */
static inline uint64_t spool_record_bytes(uint32_t length)
{
	return (sizeof(struct spool_record_header) + (uint64_t)length + SPOOL_ALIGN - 1) & ~(uint64_t)(SPOOL_ALIGN - 1);
}

uint32_t spool_segment_crc(const struct spool_segment_header *header);
/* `seed` belongs to the segment: spool_seed(). `body` is header->length bytes. */
uint32_t spool_seed(uint64_t spool_id, uint64_t number);
uint32_t spool_record_crc(uint32_t seed, const struct spool_record_header *header, const void *body);

#endif
