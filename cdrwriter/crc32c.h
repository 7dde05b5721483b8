/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), by the processor's instruction where it has one. Any thread. */
#ifndef TANDEM_CDRWRITER_CRC32C_H
#define TANDEM_CDRWRITER_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Go on from `crc`, which is 0 at first. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* The same by table alone: what other processors use, and the test compares with. */
uint32_t crc32c_table(uint32_t crc, const void *data, size_t len);

#endif
