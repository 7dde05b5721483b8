/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp.h"

#include <errno.h>

#define STUN_HEADER 20
#define STUN_COOKIE 0x2112a442u

#define DTLS_HEADER        13 /* of a record in the clear, or of DTLS 1.2: type, version, epoch, sequence number, length */
#define DTLS_VERSION_MAJOR 254
#define DTLS_TYPE_CID      25 /* RFC 9146: a connection ID of unknown length stands before the length */
#define DTLS_UNIFIED       32 /* RFC 9147: from here on, the first octet of a record that is encrypted */
#define DTLS_UNIFIED_LEAST 18 /* two octets at least, and sixteen that are encrypted (its section 4.2.3) */

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

enum rtp_kind rtp_classify(const uint8_t *data, uint32_t len)
{
	if (len < 2)
		return RTP_KIND_OTHER;
	if (data[0] >> 6 == 2)
		return data[1] >= 192 && data[1] <= 223 ? RTP_KIND_RTCP : RTP_KIND_RTP;
	if (data[0] < 4 && len >= STUN_HEADER && get32(data + 4) == STUN_COOKIE)
		return RTP_KIND_STUN;
	return data[0] >= 20 && data[0] <= 63 ? RTP_KIND_DTLS : RTP_KIND_OTHER;
}

int srtp_parse(struct rtp_header *header, const uint8_t *data, uint32_t len)
{
	uint32_t at = RTP_HEADER;

	if (len < RTP_HEADER || data[0] >> 6 != 2)
		return -EBADMSG;
	at += 4u * (data[0] & 0x0f);
	if (data[0] & 0x10) {
		if (len < at + 4)
			return -EBADMSG;
		at += 4 + 4u * get16(data + at + 2);
	}
	if (len < at)
		return -EBADMSG;
	*header = (struct rtp_header){
	    .timestamp = get32(data + 4),
	    .ssrc = get32(data + 8),
	    .payload = at,
	    .payload_len = len - at,
	    .seq = get16(data + 2),
	    .payload_type = data[1] & 0x7f,
	    .marker = data[1] >> 7,
	};
	return 0;
}

int rtp_parse(struct rtp_header *header, const uint8_t *data, uint32_t len)
{
	if (srtp_parse(header, data, len))
		return -EBADMSG;
	if (data[0] & 0x20) {
		uint8_t padding = data[len - 1];

		if (padding == 0 || padding > header->payload_len)
			return -EBADMSG;
		header->payload_len -= padding;
	}
	return 0;
}

int dtls_check(const uint8_t *data, uint32_t len)
{
	if (len && data[0] >= DTLS_UNIFIED)
		return len >= DTLS_UNIFIED_LEAST ? 0 : -EBADMSG;
	if (len < DTLS_HEADER || data[1] != DTLS_VERSION_MAJOR)
		return -EBADMSG;
	return data[0] == DTLS_TYPE_CID || DTLS_HEADER + (uint32_t)get16(data + 11) <= len ? 0 : -EBADMSG;
}

int rtp_event_parse(struct rtp_event *event, const uint8_t *payload, uint32_t len)
{
	if (len < RTP_EVENT_BYTES)
		return -EBADMSG;
	*event = (struct rtp_event){
	    .duration = get16(payload + 2),
	    .event = payload[0],
	    .volume = payload[1] & 0x3f,
	    .end = payload[1] >> 7,
	};
	return 0;
}

char rtp_event_digit(uint8_t event)
{
	static const char digits[16] = {'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'};

	return event < sizeof(digits) ? digits[event] : 0;
}
