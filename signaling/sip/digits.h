/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers in decimal, two digits at a time. Private to the SIP and SDP codecs. */
#ifndef TANDEM_SIGNALING_SIP_DIGITS_H
#define TANDEM_SIGNALING_SIP_DIGITS_H

#include <stdint.h>
#include <string.h>

#define SIP_TEN(tens) tens "0" tens "1" tens "2" tens "3" tens "4" tens "5" tens "6" tens "7" tens "8" tens "9"

/* The digits of the number, at the end of a buffer: where they begin. */
static inline char *sip_digits_before(char *end, uint64_t number)
{
	static const char pairs[] = SIP_TEN("0") SIP_TEN("1") SIP_TEN("2") SIP_TEN("3") SIP_TEN("4") SIP_TEN("5")
	    SIP_TEN("6") SIP_TEN("7") SIP_TEN("8") SIP_TEN("9");

	for (; number > 99; number /= 100) {
		end -= 2;
		memcpy(end, &pairs[number % 100 * 2], 2);
	}
	if (number > 9) {
		end -= 2;
		memcpy(end, &pairs[number * 2], 2);
		return end;
	}
	*--end = (char)('0' + number);
	return end;
}

#undef SIP_TEN

#endif
