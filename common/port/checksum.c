/* SPDX-License-Identifier: Apache-2.0 */
/* The Internet checksum (RFC 1071), summed in memory order, so that nothing needs swapping. */
#include <string.h>

#include "internal.h"

typedef uint64_t lanes __attribute__((vector_size(16)));

/* Each 64-bit lane sums 32-bit halves: room for 2^32 of them, so no carry is ever lost. */
static uint64_t add_blocks(uint64_t sum, const uint8_t *at, size_t blocks)
{
	lanes low = {0}, high = {0}, low2 = {0}, high2 = {0}, word[2];

	for (; blocks > 0; blocks--, at += sizeof(word)) {
		memcpy(word, at, sizeof(word));
		low += word[0] & UINT32_MAX;
		high += word[0] >> 32;
		low2 += word[1] & UINT32_MAX;
		high2 += word[1] >> 32;
	}
	low += high + low2 + high2;
	return sum + low[0] + low[1];
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t last;
	uint32_t four;
	uint16_t two;

	if (len >= 32) {
		sum = add_blocks(sum, at, len / 32);
		at += len & ~(size_t)31;
		len &= 31;
	}
	for (; len >= sizeof(last); at += sizeof(last), len -= sizeof(last)) {
		memcpy(&last, at, sizeof(last));
		sum += (last & UINT32_MAX) + (last >> 32);
	}
	if (len & 4) {
		memcpy(&four, at, sizeof(four));
		sum += four;
		at += sizeof(four);
	}
	if (len & 2) {
		memcpy(&two, at, sizeof(two));
		sum += two;
		at += sizeof(two);
	}
	if (len & 1) {
		two = 0;
		memcpy(&two, at, 1); /* padded with a zero behind it, whatever the byte order */
		sum += two;
	}
	return sum;
}

uint64_t checksum_pseudo(const uint8_t *source, const uint8_t *destination, uint8_t family, uint8_t protocol,
			 uint32_t len)
{
	size_t ip_len = family == NET_IP4 ? 4 : 16;
	uint64_t sum = checksum_add(0, source, ip_len);

	sum = checksum_add(sum, destination, ip_len);
	return sum + rte_cpu_to_be_32(len) + rte_cpu_to_be_16(protocol);
}
