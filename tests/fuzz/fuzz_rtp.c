/* SPDX-License-Identifier: Apache-2.0 */
/* RTP, RTCP and telephone events: whatever comes in, what is reported lies inside the datagram. */
#include <stdlib.h>

#include "media/rtp/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rtp_header header;
	struct rtp_event event;
	uint32_t len = (uint32_t)size;

	if (size > 65535)
		return 0;
	rtp_classify(data, len);
	if (rtp_parse(&header, data, len) == 0) {
		if (header.payload < RTP_HEADER || header.payload > len || header.payload_len > len - header.payload)
			abort();
		if (rtp_event_parse(&event, data + header.payload, header.payload_len) == 0)
			rtp_event_digit(event.event);
	}
	if (srtp_parse(&header, data, len) == 0 &&
	    (header.payload < RTP_HEADER || header.payload > len || header.payload_len != len - header.payload))
		abort();
	if (srtcp_check(data, len) == 0 && rtp_classify(data, len) != RTP_KIND_RTCP)
		abort();
	dtls_check(data, len);
	if (rtcp_check(data, len) == 0 && (len % 4 != 0 || rtp_classify(data, len) != RTP_KIND_RTCP))
		abort();
	return 0;
}
