/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTP and RTCP as they stand in a datagram: what it is, whether its parts fit its length, and the fields a relay
 * needs. Knows nothing of sockets, DPDK or shared memory. Everything reads only data[0..len); nothing allocates;
 * any thread.
 */
#ifndef TANDEM_MEDIA_RTP_RTP_H
#define TANDEM_MEDIA_RTP_RTP_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define RTP_HEADER      12
#define RTP_EVENT_BYTES 4

enum rtp_kind {
	RTP_KIND_OTHER,
	RTP_KIND_RTP,
	RTP_KIND_RTCP, /* second octet 192-223: RFC 5761 section 4 */
	RTP_KIND_STUN, /* RFC 8489: by its magic cookie */
	RTP_KIND_DTLS, /* first octet 20-63: RFC 7983 section 7 */
};

/* Tell them apart on one port (RFC 7983, RFC 5761); says nothing about whether the rest is well-formed. */
enum rtp_kind rtp_classify(const uint8_t *data, uint32_t len);

struct rtp_header {
	uint32_t timestamp;
	uint32_t ssrc;
	uint32_t payload;     /* offset: after CSRCs and header extension */
	uint32_t payload_len; /* without padding */
	uint16_t seq;
	uint8_t payload_type;
	bool marker;
};

/* RFC 3550 section 5.1 with the checks of appendix A.1. Returns 0, or -EBADMSG when a part does not fit. */
int rtp_parse(struct rtp_header *header, const uint8_t *data, uint32_t len);

/* The same of SRTP (RFC 3711 section 3.1): of its padding nothing can be known, so payload_len includes it. */
int srtp_parse(struct rtp_header *header, const uint8_t *data, uint32_t len);

/*
 * The same for what nearly all RTP is: no CSRCs, no header extension, no padding, and by its second octet no RTCP.
 * False: it may be anything.
 */
static inline bool rtp_parse_plain(struct rtp_header *header, const uint8_t *data, uint32_t len)
{
	uint32_t timestamp, ssrc;
	uint16_t seq;

	if (len < RTP_HEADER || data[0] != 0x80 || (data[1] & 0xe0) == 192)
		return false;
	memcpy(&seq, data + 2, sizeof(seq));
	memcpy(&timestamp, data + 4, sizeof(timestamp));
	memcpy(&ssrc, data + 8, sizeof(ssrc));
	header->timestamp = be32toh(timestamp);
	header->ssrc = be32toh(ssrc);
	header->payload = RTP_HEADER;
	header->payload_len = len - RTP_HEADER;
	header->seq = be16toh(seq);
	header->payload_type = data[1] & 0x7f;
	header->marker = data[1] >> 7;
	return true;
}

/*
 * A compound packet, RFC 3550 section 6.1 and appendix A.2: every part version 2, lengths adding up exactly, padding
 * on the last part only. A reduced-size one (RFC 5506), which need not begin with a report, is as good.
 * Returns 0 or -EBADMSG.
 */
int rtcp_check(const uint8_t *data, uint32_t len);

/*
 * SRTCP (RFC 3711 section 3.4) by what of it is in the clear, the first eight octets: the first part and the index
 * behind the last must fit. Returns 0 or -EBADMSG.
 */
int srtcp_check(const uint8_t *data, uint32_t len);

/* The first record of a datagram of DTLS (RFC 6347 section 4.1, RFC 9147 section 4) fits. Returns 0 or -EBADMSG. */
int dtls_check(const uint8_t *data, uint32_t len);

/* A telephone event, RFC 4733 section 2.3. */
struct rtp_event {
	uint16_t duration; /* in clock units, of the event so far */
	uint8_t event;     /* 0-15: 0-9 * # A-D */
	uint8_t volume;    /* -dBm0 */
	bool end;
};

/* Returns 0, or -EBADMSG when the payload is too short. */
int rtp_event_parse(struct rtp_event *event, const uint8_t *payload, uint32_t len);

/* '0'-'9', '*', '#', 'A'-'D'; 0 for an event that is no digit. */
char rtp_event_digit(uint8_t event);

#endif
