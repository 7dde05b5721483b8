/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "../check.h"
#include "media/rtp/rtp.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__})

static void kinds(void)
{
	const uint8_t stun[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};

	CHECK_INT(rtp_classify(BYTES(0x80, 0), 2), RTP_KIND_RTP);
	CHECK_INT(rtp_classify(BYTES(0x80, 0x80 | 63), 2), RTP_KIND_RTP);
	CHECK_INT(rtp_classify(BYTES(0x80, 192), 2), RTP_KIND_RTCP);
	CHECK_INT(rtp_classify(BYTES(0x81, 223), 2), RTP_KIND_RTCP);
	CHECK_INT(rtp_classify(BYTES(0x81, 224), 2), RTP_KIND_RTP);
	CHECK_INT(rtp_classify(stun, 20), RTP_KIND_STUN);
	CHECK_INT(rtp_classify(stun, 19), RTP_KIND_OTHER);
	CHECK_INT(rtp_classify(BYTES(0, 1, 2, 3), 4), RTP_KIND_OTHER);
	CHECK_INT(rtp_classify(BYTES(19, 254), 2), RTP_KIND_OTHER);
	CHECK_INT(rtp_classify(BYTES(20, 254), 2), RTP_KIND_DTLS);
	CHECK_INT(rtp_classify(BYTES(63, 0), 2), RTP_KIND_DTLS);
	CHECK_INT(rtp_classify(BYTES(64, 0), 2), RTP_KIND_OTHER);
	CHECK_INT(rtp_classify(BYTES(0x80), 1), RTP_KIND_OTHER);
	CHECK_INT(rtp_classify(NULL, 0), RTP_KIND_OTHER);
}

static void plain_header(void)
{
	const uint8_t data[] = {0x80, 0x88, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3};
	struct rtp_header h;

	CHECK_INT(rtp_parse(&h, data, sizeof(data)), 0);
	CHECK_INT(h.payload_type, 8);
	CHECK(h.marker);
	CHECK_INT(h.seq, 0x1234);
	CHECK_INT(h.timestamp, 160);
	CHECK_INT(h.ssrc, 0xdeadbeefu);
	CHECK_INT(h.payload, 12);
	CHECK_INT(h.payload_len, 3);
	CHECK_INT(rtp_parse(&h, data, 12), 0);
	CHECK_INT(h.payload_len, 0);
	CHECK_INT(rtp_parse(&h, data, 11), -EBADMSG);
}

static void csrc_extension_padding(void)
{
	/* two CSRCs, an extension of one word, two octets of payload, two of padding */
	uint8_t data[12 + 8 + 8 + 4] = {0x80 | 0x20 | 0x10 | 2, 0};
	struct rtp_header h;

	data[23] = 1;
	data[31] = 2;
	CHECK_INT(rtp_parse(&h, data, sizeof(data)), 0);
	CHECK_INT(h.payload, 28);
	CHECK_INT(h.payload_len, 2);
	data[31] = 4;
	CHECK_INT(rtp_parse(&h, data, sizeof(data)), 0);
	CHECK_INT(h.payload_len, 0);
	data[31] = 5; /* more padding than payload */
	CHECK_INT(rtp_parse(&h, data, sizeof(data)), -EBADMSG);
	data[31] = 0;
	CHECK_INT(rtp_parse(&h, data, sizeof(data)), -EBADMSG);
	data[31] = 2;
	data[23] = 3; /* the extension would end beyond the packet */
	CHECK_INT(rtp_parse(&h, data, sizeof(data)), -EBADMSG);
	data[22] = 0xff;
	data[23] = 0xff;
	CHECK_INT(rtp_parse(&h, data, sizeof(data)), -EBADMSG);
	CHECK_INT(rtp_parse(&h, data, 23), -EBADMSG);
	data[0] = 0x8f; /* fifteen CSRCs */
	CHECK_INT(rtp_parse(&h, data, sizeof(data)), -EBADMSG);
	data[0] = 0x40;
	CHECK_INT(rtp_parse(&h, data, sizeof(data)), -EBADMSG);
}

static void rtcp(void)
{
	uint8_t data[8 + 12] = {0x80, 201, 0, 1, 1, 2, 3, 4, 0x81, 202, 0, 2, 1, 2, 3, 4, 1, 1, 'x', 0};

	CHECK_INT(rtcp_check(data, sizeof(data)), 0);
	CHECK_INT(rtcp_check(data, 8), 0);
	CHECK_INT(rtcp_check(data, 7), -EBADMSG);
	CHECK_INT(rtcp_check(data, 0), -EBADMSG);
	CHECK_INT(rtcp_check(data, sizeof(data) - 4), -EBADMSG);
	data[0] = 0x81; /* a report block that is not there */
	CHECK_INT(rtcp_check(data, sizeof(data)), -EBADMSG);
	data[0] = 0xa0; /* padding on a part that is not the last */
	CHECK_INT(rtcp_check(data, sizeof(data)), -EBADMSG);
	data[0] = 0x80;
	data[8] = 0x41;
	CHECK_INT(rtcp_check(data, sizeof(data)), -EBADMSG);
	data[8] = 0x81;
	data[9] = 100;
	CHECK_INT(rtcp_check(data, sizeof(data)), -EBADMSG);
}

static void rtcp_padding(void)
{
	uint8_t data[12] = {0xa0, 201, 0, 2, 1, 2, 3, 4, 0, 0, 0, 4};

	CHECK_INT(rtcp_check(data, sizeof(data)), 0);
	data[11] = 3;
	CHECK_INT(rtcp_check(data, sizeof(data)), -EBADMSG);
	data[11] = 12;
	CHECK_INT(rtcp_check(data, sizeof(data)), -EBADMSG);
}

/* What would be padding is part of the tag. */
static void srtp(void)
{
	uint8_t data[12 + 4 + 8] = {0x80 | 0x20 | 1, 8};
	struct rtp_header h;

	CHECK_INT(srtp_parse(&h, data, sizeof(data)), 0);
	CHECK_INT(h.payload_len, 8);
	CHECK_INT(rtp_parse(&h, data, sizeof(data)), -EBADMSG);
	CHECK_INT(srtp_parse(&h, data, 15), -EBADMSG);
	data[0] |= 0x10;
	data[19] = 1;
	CHECK_INT(srtp_parse(&h, data, sizeof(data)), 0);
	data[19] = 2; /* the extension would end beyond the packet */
	CHECK_INT(srtp_parse(&h, data, sizeof(data)), -EBADMSG);
}

static void srtcp(void)
{
	/* a report without blocks, and what is encrypted behind it; E, index, and a tag of ten octets */
	uint8_t data[8 + 12 + 4 + 10] = {0x80, 201, 0, 1, 1, 2, 3, 4, 0xe5, 0x1d, 0xff, 0xff};

	data[20] = 0x80;
	CHECK_INT(srtcp_check(data, sizeof(data)), 0);
	CHECK_INT(rtcp_check(data, sizeof(data)), -EBADMSG);
	CHECK_INT(srtcp_check(data, 12), 0);
	CHECK_INT(srtcp_check(data, 11), -EBADMSG);
	CHECK_INT(srtcp_check(data, 0), -EBADMSG);
	data[0] = 0x81; /* a block that is not there */
	CHECK_INT(srtcp_check(data, sizeof(data)), -EBADMSG);
	data[0] = 0x40;
	CHECK_INT(srtcp_check(data, sizeof(data)), -EBADMSG);
	data[0] = 0x80;
	data[3] = 6;
	CHECK_INT(srtcp_check(data, sizeof(data)), 0);
	data[3] = 7; /* no room for the index */
	CHECK_INT(srtcp_check(data, sizeof(data)), -EBADMSG);
	data[2] = 0xff;
	data[3] = 0xff;
	CHECK_INT(srtcp_check(data, sizeof(data)), -EBADMSG);
	data[2] = data[3] = 0; /* no SSRC */
	data[1] = 203;
	CHECK_INT(srtcp_check(data, sizeof(data)), -EBADMSG);
	data[3] = 1;
	CHECK_INT(srtcp_check(data, sizeof(data)), 0);
	data[1] = 191;
	CHECK_INT(srtcp_check(data, sizeof(data)), -EBADMSG);
}

static void dtls(void)
{
	uint8_t data[20] = {22, 254, 253, [12] = 7};

	CHECK_INT(dtls_check(data, 20), 0);
	CHECK_INT(dtls_check(data, 19), -EBADMSG);
	CHECK_INT(dtls_check(data, 12), -EBADMSG);
	CHECK_INT(dtls_check(data, 0), -EBADMSG);
	data[11] = 0xff;
	CHECK_INT(dtls_check(data, 20), -EBADMSG);
	data[0] = 25; /* the length is somewhere else */
	CHECK_INT(dtls_check(data, 20), 0);
	data[1] = 3; /* TLS */
	CHECK_INT(dtls_check(data, 20), -EBADMSG);
	data[0] = 0x2f; /* DTLS 1.3 */
	CHECK_INT(dtls_check(data, 18), 0);
	CHECK_INT(dtls_check(data, 17), -EBADMSG);
}

static void events(void)
{
	struct rtp_event event;

	CHECK_INT(rtp_event_parse(&event, BYTES(11, 0x8a, 0x03, 0x20), 4), 0);
	CHECK_INT(event.event, 11);
	CHECK(event.end);
	CHECK_INT(event.volume, 10);
	CHECK_INT(event.duration, 800);
	CHECK_INT(rtp_event_digit(event.event), '#');
	CHECK_INT(rtp_event_digit(0), '0');
	CHECK_INT(rtp_event_digit(15), 'D');
	CHECK_INT(rtp_event_digit(16), 0);
	CHECK_INT(rtp_event_parse(&event, BYTES(11, 0x8a, 0x03), 3), -EBADMSG);
}

static const struct check_case cases[] = {
    {"what a datagram is", kinds},
    {"a plain header", plain_header},
    {"CSRCs, extension and padding must fit", csrc_extension_padding},
    {"RTCP compound packets", rtcp},
    {"RTCP padding", rtcp_padding},
    {"SRTP: the clear header must fit", srtp},
    {"SRTCP: its first eight octets must fit", srtcp},
    {"DTLS: its first record must fit", dtls},
    {"telephone events", events},
};
CHECK_MAIN(cases)
