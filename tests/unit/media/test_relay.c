/* SPDX-License-Identifier: Apache-2.0 */
/* What is let through, and DTMF. */
#include "../check.h"
#include "bench.h"

static struct net_addr caller, ours;

static void begin(void)
{
	struct media_request request;

	bench_begin();
	request = bench_request(0, 1);
	sessions_apply(&bench.core[0], &request, bench.now_us);
	caller = bench_addr("192.0.2.1:4000");
	ours = bench_addr("10.0.0.1:20000");
}

static enum relay_action send(const void *data, uint32_t len, uint16_t port)
{
	struct datagram d = {.local = ours, .remote = caller, .data = (uint8_t *)(uintptr_t)data, .len = len};

	d.local.port = port;
	d.remote.port = (uint16_t)(caller.port + port % 2);
	return bench_relay(&d);
}

static void junk(void)
{
	static const uint8_t stun[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, short_rtp[11] = {0x80}, rtp[12] = {0x80},
			     bad_rtcp[8] = {0x80, 200, 0, 1};

	begin();
	CHECK_INT(send("hello", 5, 20000), RELAY_DROP);
	CHECK_INT(send("", 0, 20000), RELAY_DROP);
	CHECK_INT(send(rtp, 12, 20001), RELAY_DROP); /* RTP on the RTCP port */
	CHECK_INT(bench_count(COUNTER_media_drop_not_rtp), 3);
	CHECK_INT(send(stun, 20, 20000), RELAY_DROP);
	CHECK_INT(bench_count(COUNTER_media_drop_stun), 1);
	CHECK_INT(send(short_rtp, 11, 20000), RELAY_DROP);
	CHECK_INT(bench_count(COUNTER_media_drop_bad_rtp), 1);
	CHECK_INT(send(bad_rtcp, 8, 20001), RELAY_DROP);
	CHECK_INT(bench_count(COUNTER_media_drop_bad_rtcp), 1);
	CHECK_INT(send(rtp, 12, 19998), RELAY_DROP);
	CHECK_INT(send(rtp, 12, 20100), RELAY_DROP);
	CHECK_INT(bench_count(COUNTER_media_drop_no_session), 2);
	CHECK_INT(bench.session[0].hot[LEG_CALLER].packets, 0);
	CHECK_INT(bench.session[0].hot[LEG_CALLER].latch, LATCH_SIGNALLED);
	CHECK_INT(send(rtp, 12, 20000), RELAY_SEND);
}

static void muxed_rtcp(void)
{
	static const uint8_t report[8] = {0x80, 201, 0, 1};
	struct datagram d;

	begin();
	d = (struct datagram){.data = (uint8_t *)(uintptr_t)report, .len = 8, .local = ours, .remote = caller};
	CHECK_INT(bench_relay(&d), RELAY_SEND);
	CHECK_INT(d.remote.port, 5001); /* the callee does not mux */
	CHECK_INT(d.local.port, 20009);
	d.local = bench_addr("10.0.0.1:20009");
	d.remote = bench_addr("192.0.2.2:5001");
	CHECK_INT(bench_relay(&d), RELAY_SEND);
	CHECK_INT(d.remote.port, 4000); /* the caller does */
	CHECK_INT(d.local.port, 20000);
	CHECK_INT(bench_count(COUNTER_media_rtcp_relayed), 2);
	CHECK_INT(bench.session[0].cold[LEG_CALLER].rtcp_packets, 1);
	CHECK_INT(bench.session[0].hot[LEG_CALLER].packets, 0);
}

static uint16_t seq;

static enum relay_action event(uint32_t timestamp, uint8_t digit, uint16_t duration, bool end)
{
	uint8_t data[16] = {0x80, 101};

	seq++;
	data[2] = (uint8_t)(seq >> 8);
	data[3] = (uint8_t)seq;
	for (int i = 0; i < 4; i++)
		data[4 + i] = (uint8_t)(timestamp >> (24 - 8 * i));
	data[12] = digit;
	data[13] = (uint8_t)(10 | end << 7);
	data[14] = (uint8_t)(duration >> 8);
	data[15] = (uint8_t)duration;
	return send(data, sizeof(data), 20000);
}

static void audio(uint32_t timestamp)
{
	uint8_t data[12] = {0x80, 0};

	seq++;
	data[2] = (uint8_t)(seq >> 8);
	data[3] = (uint8_t)seq;
	for (int i = 0; i < 4; i++)
		data[4 + i] = (uint8_t)(timestamp >> (24 - 8 * i));
	send(data, sizeof(data), 20000);
}

static void digits(void)
{
	begin();
	for (unsigned int i = 1; i <= 5; i++)
		CHECK_INT(event(1000, 5, (uint16_t)(160 * i), false), RELAY_SEND);
	CHECK_TEXT(bench.dtmf, strlen(bench.dtmf), "");
	for (int i = 0; i < 3; i++)
		event(1000, 5, 960, true);
	CHECK_TEXT(bench.dtmf, strlen(bench.dtmf), "5");
	CHECK_INT(bench.dtmf_ms, 120);
	event(3000, 5, 160, false); /* the same key again */
	event(3000, 5, 320, true);
	event(1000, 5, 960, true); /* late */
	event(5000, 11, 160, true);
	event(7000, 16, 160, true); /* flash is no digit */
	CHECK_TEXT(bench.dtmf, strlen(bench.dtmf), "55#");
	CHECK_INT(bench_count(COUNTER_media_dtmf), 3);
	CHECK_INT(bench_count(COUNTER_media_rtp_relayed), 13);
}

static void ends_lost(void)
{
	begin();
	event(1000, 1, 800, false);
	event(3000, 2, 800, false); /* ends the 1 */
	CHECK_TEXT(bench.dtmf, strlen(bench.dtmf), "1");
	audio(3000 + 400);
	CHECK_TEXT(bench.dtmf, strlen(bench.dtmf), "1");
	audio(3000 + 800 + 1760); /* ends the 2 */
	CHECK_TEXT(bench.dtmf, strlen(bench.dtmf), "12");
	CHECK_INT(bench.dtmf_ms, 100);
	event(9000, 3, 160, false);
	session_end(&bench.core[0], 0, COUNTER_media_sessions_closed);
	CHECK_TEXT(bench.dtmf, strlen(bench.dtmf), "123");
}

static void digit_over_a_kill(void)
{
	begin();
	event(1000, 7, 160, false);
	bench_kill();
	event(1000, 7, 320, true);
	bench_kill();
	event(1000, 7, 320, true);
	CHECK_TEXT(bench.dtmf, strlen(bench.dtmf), "7");
}

static void digits_with_full_ring(void)
{
	begin();
	bench.full = true;
	event(1000, 7, 160, true);
	CHECK_INT(bench_count(COUNTER_media_dtmf_lost), 1);
}

/* ---- faxes ---- */

static void describe(bool udptl)
{
	struct media_request request = bench_request(0, 1);

	request.leg[LEG_CALLEE].udptl = udptl;
	request.leg[LEG_CALLER].behind_nat = true;
	CHECK_INT(sessions_apply(&bench.core[0], &request, bench.now_us), 0);
}

static enum relay_action says(enum media_leg_index leg, const char *payload)
{
	struct media_request request = bench_request(0, 1);
	struct datagram d = {.local = request.leg[leg].local,
			     .remote = request.leg[leg].remote,
			     .data = (uint8_t *)(uintptr_t)payload,
			     .len = (uint32_t)strlen(payload)};

	return bench_relay(&d);
}

static void fax(void)
{
	static const uint8_t stun[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	const struct media_leg_hot *hot;

	begin();
	hot = &bench.session[0].hot[LEG_CALLER];
	for (int i = 0; i < 10; i++)
		audio(0);
	describe(true); /* the callee wants to; until the caller agrees it goes on with its audio */
	for (int i = 0; i < 10; i++)
		audio(0);
	CHECK_INT(hot->packets, 20);
	CHECK_INT(bench_count(COUNTER_media_udptl_relayed), 0);
	CHECK_INT(says(LEG_CALLEE, "\x01\x02 indicator"), RELAY_SEND);
	for (int i = 0; i < 5; i++)
		CHECK_INT(says(LEG_CALLER, "\x80\x01 looks like RTP, and like nobody's"), RELAY_SEND);
	bench_kill();
	CHECK_INT(says(LEG_CALLER, "\x80\xc8 looks like RTCP"), RELAY_SEND);
	CHECK_INT(says(LEG_CALLER, "x"), RELAY_DROP);
	CHECK_INT(bench_count(COUNTER_media_drop_not_rtp), 1);
	CHECK_INT(send(stun, 20, 20000), RELAY_DROP);
	CHECK_INT(bench_count(COUNTER_media_udptl_relayed), 7);
	CHECK_INT(hot->packets, 26);
	CHECK_INT(hot->sent, 26);
	describe(false);
	CHECK_INT(says(LEG_CALLER, "\x01\x02 late"), RELAY_DROP);
	audio(0);
	CHECK_INT(hot->packets, 27);
	CHECK_INT(hot->streams, 1);
	CHECK_INT(media_leg_lost(&bench.session[0], LEG_CALLER), 0);
}

/* From behind NAT, and under one number: it is learned all the same, and loses nothing. */
static void fax_is_learned(void)
{
	static const uint8_t packet[] = {0, 0, 1, 6, 0, 0};
	struct datagram d;

	begin();
	describe(true);
	for (int i = 0; i < 3; i++) {
		d = (struct datagram){.local = ours, .data = (uint8_t *)(uintptr_t)packet, .len = sizeof(packet)};
		d.remote = bench_addr("203.0.113.9:33333");
		CHECK_INT(bench_relay(&d), i < 2 ? RELAY_KEPT : RELAY_SEND);
	}
	CHECK_INT(bench.kept, 2);
	CHECK_INT(bench_count(COUNTER_media_udptl_relayed), 3);
	CHECK_INT(bench_count(COUNTER_media_drop_learning), 0);
	CHECK_INT(send(packet, sizeof(packet), 20000), RELAY_DROP);
	CHECK_INT(bench.session[0].cold[LEG_CALLER].strangers, 1);
}

static const struct check_case cases[] = {
    {"junk is dropped and counted", junk},
    {"muxed RTCP", muxed_rtcp},
    {"digits are told once, with duration", digits},
    {"digits whose end was lost", ends_lost},
    {"a digit over a kill is told once", digit_over_a_kill},
    {"a digit that can't be told is counted", digits_with_full_ring},
    {"a fax passes as it is, between audio and audio", fax},
    {"a fax from behind NAT is learned", fax_is_learned},
};
CHECK_MAIN(cases)
