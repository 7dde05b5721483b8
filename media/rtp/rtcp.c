/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp.h"

#include <errno.h>

#define SRTCP_CLEAR 8u /* octets: the first part's header and SSRC */
#define SRTCP_INDEX 4u

/* The least a part can be, in 32-bit words after its first, by what its header says it holds. */
static uint32_t least_words(const uint8_t *part)
{
	uint32_t count = part[0] & 0x1f;

	switch (part[1]) {
	case 200: /* SR: sender's SSRC and information, report blocks */
		return 6 + 6 * count;
	case 201: /* RR */
		return 1 + 6 * count;
	case 202: /* SDES: a chunk is an SSRC and at least a null item */
		return 2 * count;
	case 203: /* BYE */
		return count;
	case 204: /* APP: SSRC and name */
	case 205: /* feedback (RFC 4585): two SSRCs */
	case 206:
		return 2;
	default:
		return 0;
	}
}

int rtcp_check(const uint8_t *data, uint32_t len)
{
	uint32_t at = 0;

	if (len == 0)
		return -EBADMSG;
	while (at < len) {
		const uint8_t *part = data + at;

		if (len - at < 4 || part[0] >> 6 != 2 || part[1] < 192 || part[1] > 223)
			return -EBADMSG;
		uint32_t words = (uint32_t)(part[2] << 8 | part[3]);
		uint32_t bytes = 4 * (words + 1);

		if (bytes > len - at || words < least_words(part))
			return -EBADMSG;
		if (part[0] & 0x20) {
			uint8_t padding = part[bytes - 1];

			if (at + bytes != len || padding == 0 || padding % 4 != 0 || padding > bytes - 4)
				return -EBADMSG;
		}
		at += bytes;
	}
	return 0;
}

int srtcp_check(const uint8_t *data, uint32_t len)
{
	if (len < SRTCP_CLEAR + SRTCP_INDEX || data[0] >> 6 != 2 || data[1] < 192 || data[1] > 223)
		return -EBADMSG;
	uint32_t words = (uint32_t)(data[2] << 8 | data[3]);

	return words >= 1 && words >= least_words(data) && 4 * (words + 1) + SRTCP_INDEX <= len ? 0 : -EBADMSG;
}
