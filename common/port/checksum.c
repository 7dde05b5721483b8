/* SPDX-License-Identifier: Apache-2.0 */
/* The Internet checksum (RFC 1071), summed in memory order, so that nothing needs swapping. */
#include <string.h>

#include "internal.h"

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t word[4], last = 0;

	/* Sums of 32-bit halves: 2^32 of them fit in 64 bits. */
	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(word, at, sizeof(word));
		sum += (word[0] & UINT32_MAX) + (word[0] >> 32) + (word[1] & UINT32_MAX) + (word[1] >> 32);
		sum += (word[2] & UINT32_MAX) + (word[2] >> 32) + (word[3] & UINT32_MAX) + (word[3] >> 32);
	}
	for (; len >= sizeof(last); at += sizeof(last), len -= sizeof(last)) {
		memcpy(&last, at, sizeof(last));
		sum += (last & UINT32_MAX) + (last >> 32);
	}
	last = 0;
	memcpy(&last, at, len);
	return sum + (last & UINT32_MAX) + (last >> 32);
}

uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

uint64_t checksum_pseudo(const uint8_t *source, const uint8_t *destination, uint8_t family, uint8_t protocol,
			 uint32_t len)
{
	size_t ip_len = family == NET_IP4 ? 4 : 16;
	uint64_t sum = checksum_add(0, source, ip_len);

	sum = checksum_add(sum, destination, ip_len);
	return sum + rte_cpu_to_be_32(len) + rte_cpu_to_be_16(protocol);
}
