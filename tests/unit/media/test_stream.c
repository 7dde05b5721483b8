/* SPDX-License-Identifier: Apache-2.0 */
/* Streams whose figures have been worked out by hand. */
#include "../check.h"
#include "media/stream.h"

static struct media_session session;
static struct media_leg_hot *const hot = &session.hot[LEG_CALLER];
static struct media_leg_cold *const cold = &session.cold[LEG_CALLER];

static void begin(void)
{
	memset(&session, 0, sizeof(session));
	hot->clock_rate = 8000;
	hot->dtmf_payload_type = 101;
}

static bool packet_at(uint16_t seq, uint32_t timestamp, uint64_t now_us)
{
	struct rtp_header header = {.seq = seq, .timestamp = timestamp, .ssrc = 1};

	return stream_packet(hot, cold, &header, 172, now_us);
}

static bool packet(uint16_t seq)
{
	return packet_at(seq, seq * 160u, seq * 20000ull);
}

static uint64_t lost(void)
{
	return media_leg_lost(&session, LEG_CALLER);
}

static void clean(void)
{
	begin();
	CHECK_INT(lost(), 0);
	CHECK(packet(100));
	for (uint16_t seq = 101; seq < 150; seq++)
		CHECK(!packet(seq));
	CHECK_INT(hot->packets, 50);
	CHECK_INT(hot->bytes, 50 * 172);
	CHECK_INT(lost(), 0);
	CHECK_INT(hot->jitter, 0);
	CHECK_INT(hot->last_us, 149 * 20000);
	CHECK_INT(hot->streams, 1);
}

static void loss(void)
{
	begin();
	packet(10);
	packet(11);
	packet(15); /* 12, 13, 14 missing */
	CHECK_INT(lost(), 3);
	packet(13); /* late after all */
	CHECK_INT(lost(), 2);
	CHECK_INT(cold->reordered, 1);
	CHECK_INT(cold->duplicates, 0);
}

static void wrap(void)
{
	begin();
	for (uint32_t seq = 65500; seq < 65536 + 65536 + 100; seq++)
		if (seq != 65535 && seq != 65536 && seq != 131072)
			packet((uint16_t)seq);
	CHECK_INT(hot->max_seq, 131171);
	CHECK_INT(lost(), 3);
	CHECK_INT(hot->streams, 1);
}

static void duplicates(void)
{
	begin();
	packet(1);
	packet(2);
	packet(2);
	packet(1);
	packet(5);
	packet(3);
	packet(3);
	CHECK_INT(cold->duplicates, 3);
	CHECK_INT(cold->reordered, 1);
	CHECK_INT(hot->packets, 7);
}

static void jump_confirmed(void)
{
	begin();
	packet(100);
	packet(102); /* one lost */
	CHECK(!packet(30000));
	CHECK(packet(30001));
	packet(30002);
	packet(30005); /* two lost */
	CHECK_INT(cold->jumps, 1);
	CHECK_INT(hot->streams, 2);
	CHECK_INT(lost(), 3);
	CHECK_INT(hot->packets, 6);
}

static void jump_stray(void)
{
	begin();
	packet(100);
	packet(30000); /* believed by nobody */
	packet(101);
	packet(103);
	CHECK_INT(cold->jumps, 0);
	CHECK_INT(hot->streams, 1);
	CHECK_INT(lost(), 1);
	packet(40000);
	packet(50000);
	packet(104);
	CHECK_INT(lost(), 1);
}

static void new_ssrc(void)
{
	struct rtp_header other = {.seq = 7, .ssrc = 2};

	begin();
	packet(1);
	packet(4); /* two lost */
	CHECK(stream_packet(hot, cold, &other, 100, 1000));
	other.seq = 9; /* one lost */
	stream_packet(hot, cold, &other, 100, 2000);
	CHECK_INT(hot->streams, 2);
	CHECK_INT(lost(), 3);
	CHECK_INT(hot->packets, 4);
}

/* Every second packet 5 ms late: |D| is 40 clock units each time. J += (40 - J) / 16, in sixteenths as A.8 has it. */
static void jitter(void)
{
	uint32_t expected = 0, max = 0;

	begin();
	for (unsigned int i = 0; i < 200; i++) {
		packet_at((uint16_t)i, i * 160u, i * 20000ull + (i % 2) * 5000);
		if (i > 0)
			expected += 40 - ((expected + 8) >> 4);
		max = expected > max ? expected : max;
		CHECK_INT(hot->jitter, expected);
	}
	CHECK_INT(hot->max_jitter, max);
	CHECK_INT(media_jitter_us(hot->jitter, 8000), (hot->jitter >> 4) * 125);
	CHECK((hot->jitter >> 4) >= 39 && (hot->jitter >> 4) <= 40);
}

static void jitter_leaves_out(void)
{
	struct rtp_header event = {.seq = 3, .timestamp = 0, .ssrc = 1, .payload_type = 101};

	begin();
	packet_at(1, 160, 20000);
	packet_at(2, 320, 40000);
	stream_packet(hot, cold, &event, 16, 60000); /* an event repeats its first time stamp */
	CHECK_INT(hot->jitter, 0);
	packet_at(4, 999999, 80000); /* the sender's clock starts anew */
	CHECK_INT(hot->jitter, 0);
	packet_at(5, 999999 + 160, 100000);
	CHECK_INT(hot->jitter, 0);
}

static void mos(void)
{
	CHECK_INT(stream_mos_x100(0, 0, 0, 0), 0);
	/* R = 93.2 - 0.024 * 20 = 92.72 */
	CHECK_INT(stream_mos_x100(1000, 0, 0, 8), 440);
	/* 5 % loss: Ie-eff = 95 * 5 / 30.1 = 15.78, R = 76.94 */
	CHECK_INT(stream_mos_x100(950, 50, 0, 0), 390);
	CHECK(stream_mos_x100(1000, 0, 0, 18) < stream_mos_x100(1000, 0, 0, 8));
	CHECK(stream_mos_x100(1000, 0, 200000, 8) < 350);
	CHECK_INT(stream_mos_x100(1, 1000000, 4000000, 8), 100);
}

static const struct check_case cases[] = {
    {"a clean stream", clean},
    {"loss, and a late packet", loss},
    {"sequence numbers wrap", wrap},
    {"duplicates are not reordering", duplicates},
    {"a jump that goes on is a new stream", jump_confirmed},
    {"a stray packet is no jump and hides no loss", jump_stray},
    {"a new SSRC keeps the loss so far", new_ssrc},
    {"jitter as RFC 3550 A.8", jitter},
    {"events and clock leaps are no jitter", jitter_leaves_out},
    {"MOS of worked examples", mos},
};
CHECK_MAIN(cases)
