/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of header names, for who reads and who writes them. Private to the codec. */
#ifndef TANDEM_SIGNALING_SIP_ROWS_H
#define TANDEM_SIGNALING_SIP_ROWS_H

#include "signaling/sip/names.h"
#include "signaling/sip/scan.h"

#define SIP_HEADER_NAME_MAX 24

struct sip_header_row {
	char name[2 * SIP_BLOCK - sizeof(uint32_t)];
	uint32_t len;
};

extern const struct sip_header_row sip_header_rows[];
extern const uint8_t sip_header_row_of_length[SIP_HEADER_NAME_MAX + 1]; /* the last of them, 0 = none */
extern const uint8_t sip_header_row_of_compact[32];                     /* by the letter's low bits, 0 = none */

/* What stands before a value: "Call-ID: ". */
struct sip_header_start {
	uint8_t len;
	char text[2 * SIP_BLOCK - 1];
};

extern const struct sip_header_start sip_header_starts[SIP_H_COUNT];

static inline const struct sip_header_row *sip_header_row_last(uint32_t len)
{
	return &sip_header_rows[sip_header_row_of_length[len]];
}

static inline enum sip_header_id sip_header_row_id(const struct sip_header_row *row)
{
	return (enum sip_header_id)(row - sip_header_rows - 1);
}

static inline enum sip_header_id sip_header_find_compact(char c)
{
	uint8_t row = sip_header_row_of_compact[c & 31];

	c = sip_lower(c);
	return row && c >= 'a' && c <= 'z' ? (enum sip_header_id)(row - 1) : SIP_H_OTHER;
}

/*
 * The name of fewer than 16 bytes that a block of a text begins with. No control character is in it: a CR would pass
 * for a hyphen that is spelled differently.
 */
static inline enum sip_header_id sip_header_find_block(const char *at, size_t len)
{
	const struct sip_header_row *row = sip_header_row_last((uint32_t)len);
	sip_block block = sip_load(at) | 0x20;
	uint32_t name = ~0u << len;

	if (row == sip_header_rows)
		return len == 1 ? sip_header_find_compact(*at) : SIP_H_OTHER;
	do {
		sip_block equal = (sip_block)((sip_load(row->name) | 0x20) == block);

		if ((sip_bits(equal) | name) == ~0u)
			return sip_header_row_id(row);
		row--;
	} while (row->len == len);
	return SIP_H_OTHER;
}

#endif
