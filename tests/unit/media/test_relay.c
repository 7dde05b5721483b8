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

/* ---- encrypted media ---- */

static const uint8_t hello[] = {22, 254, 253, [12] = 3, 1, 2, 3};
static const uint8_t srtp[] = {0xa0, 8, 0, 1, [8] = 9, [14] = 0xff}; /* by its last octet it is all padding, or none */
static const uint8_t srtcp[] = {0x80, 201, 0, 1, 1, 2, 3, 4, 0x80, 0, 0, 1, [21] = 0xff};

static void apply(bool by_caller, bool by_callee, const char *callee_at)
{
	struct media_request request = bench_request(0, 1);

	request.leg[LEG_CALLER].encrypted = by_caller;
	request.leg[LEG_CALLEE].encrypted = by_callee;
	request.leg[LEG_CALLEE].remote = callee_at ? bench_addr(callee_at) : (struct net_addr){0};
	CHECK_INT(sessions_apply(&bench.core[0], &request, bench.now_us), 0);
}

static void begin_encrypted(void)
{
	begin();
	apply(true, true, "192.0.2.2:5000");
}

#define SEND(data, port) send(data, sizeof(data), port)

static void encrypted_passes(void)
{
	const struct media_leg_hot *hot;

	begin_encrypted();
	hot = &bench.session[0].hot[LEG_CALLER];
	CHECK_INT(SEND(hello, 20000), RELAY_SEND);
	CHECK_INT(hot->latch, LATCH_LOCKED);
	CHECK_INT(bench.started[LEG_CALLER], 0); /* keys are no audio */
	CHECK_INT(hot->packets, 0);
	CHECK_INT(hot->last_us, 0);
	CHECK_INT(SEND(srtp, 20000), RELAY_SEND);
	CHECK_INT(bench.started[LEG_CALLER], 1);
	CHECK_INT(SEND(srtcp, 20001), RELAY_SEND);
	CHECK_INT(SEND(srtcp, 20000), RELAY_SEND);
	CHECK_INT(SEND(hello, 20001), RELAY_SEND);
	bench_kill();
	CHECK_INT(SEND(hello, 20000), RELAY_SEND);
	CHECK_INT(SEND(srtcp, 20001), RELAY_SEND);
	CHECK_INT(event(1000, 5, 800, true), RELAY_SEND);
	CHECK_TEXT(bench.dtmf, strlen(bench.dtmf), ""); /* what is encrypted spells no digit */
	CHECK_INT(hot->packets, 2);
	CHECK_INT(bench_count(COUNTER_media_dtls_relayed), 3);
	CHECK_INT(bench_count(COUNTER_media_rtcp_relayed), 3);
	CHECK_INT(bench_count(COUNTER_media_rtp_relayed), 2);
}

static void encrypted_junk(void)
{
	static const uint8_t stun[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
	uint8_t bad[sizeof(srtcp)];

	begin_encrypted();
	CHECK_INT(SEND(stun, 20000), RELAY_DROP);
	CHECK_INT(bench_count(COUNTER_media_drop_stun), 1);
	CHECK_INT(send(hello, sizeof(hello) - 1, 20000), RELAY_DROP);
	CHECK_INT(bench_count(COUNTER_media_drop_bad_dtls), 1);
	CHECK_INT(send(srtp, 11, 20000), RELAY_DROP);
	CHECK_INT(bench_count(COUNTER_media_drop_bad_rtp), 1);
	memcpy(bad, srtcp, sizeof(bad));
	bad[3] = 5;
	CHECK_INT(SEND(bad, 20001), RELAY_DROP);
	CHECK_INT(bench_count(COUNTER_media_drop_bad_rtcp), 1);
	CHECK_INT(SEND("\x40nothing", 20000), RELAY_DROP);
	CHECK_INT(bench_count(COUNTER_media_drop_not_rtp), 1);
	CHECK_INT(bench.session[0].hot[LEG_CALLER].latch, LATCH_SIGNALLED);
	CHECK_INT(SEND(hello, 20000), RELAY_SEND);
}

/* What both say counts; until one has said anything, what the other says. */
static void encrypted_by_both(void)
{
	static const struct {
		bool by_caller, by_callee, callee_known, encrypted;
	} cases[] = {{true, true, true, true},
		     {true, false, true, false},
		     {false, true, true, false},
		     {true, false, false, true},
		     {false, false, false, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		apply(cases[i].by_caller, cases[i].by_callee, cases[i].callee_known ? "192.0.2.2:5000" : NULL);
		CHECK_INT(SEND(srtcp, 20001), cases[i].encrypted ? RELAY_SEND : RELAY_DROP);
		CHECK_INT(SEND(hello, 20000), cases[i].encrypted ? RELAY_SEND : RELAY_DROP);
		CHECK_INT(bench_count(COUNTER_media_drop_bad_rtcp), !cases[i].encrypted);
		CHECK_INT(bench_count(COUNTER_media_drop_not_rtp), !cases[i].encrypted);
	}
	begin_encrypted();
	apply(false, false, "192.0.2.2:5000");
	CHECK_INT(SEND(srtp, 20000), RELAY_DROP);
}

/* DTLS of a stranger: neither heard, nor learned, at either port. */
static void encrypted_strangers(void)
{
	struct datagram d;

	for (unsigned int locked = 0; locked < 2; locked++) {
		begin_encrypted();
		if (locked)
			CHECK_INT(SEND(hello, 20000), RELAY_SEND);
		for (int i = 0; i < 20; i++) {
			d = (struct datagram){.local = ours, .data = (uint8_t *)(uintptr_t)hello, .len = sizeof(hello)};
			d.local.port = (uint16_t)(d.local.port + i % 2);
			d.remote = bench_addr("203.0.113.9:33333");
			CHECK_INT(bench_relay(&d), RELAY_DROP);
		}
		CHECK_INT(bench_count(COUNTER_media_drop_stranger), 20);
		CHECK_INT(bench.session[0].cold[LEG_CALLER].strangers, 20);
		CHECK(net_addr_equal(&bench.session[0].hot[LEG_CALLER].remote, &caller));
		CHECK_INT(SEND(hello, 20000), RELAY_SEND);
	}
}

/* A peer behind NAT: its DTLS comes before any audio, and is what it is learned by. */
static void dtls_is_learned(void)
{
	struct media_request request = bench_request(0, 1);
	struct datagram d;

	begin();
	request.leg[LEG_CALLER].encrypted = request.leg[LEG_CALLEE].encrypted = true;
	request.leg[LEG_CALLER].behind_nat = true;
	CHECK_INT(sessions_apply(&bench.core[0], &request, bench.now_us), 0);
	for (int i = 0; i < 3; i++) {
		d = (struct datagram){.local = ours, .data = (uint8_t *)(uintptr_t)hello, .len = sizeof(hello)};
		d.remote = bench_addr("203.0.113.9:33333");
		CHECK_INT(bench_relay(&d), i < 2 ? RELAY_KEPT : RELAY_SEND);
	}
	CHECK_INT(bench.kept, 2);
	CHECK_INT(bench_count(COUNTER_media_dtls_relayed), 3);
	CHECK_INT(bench.session[0].hot[LEG_CALLER].packets, 0);
	CHECK_INT(SEND(hello, 20000), RELAY_DROP);
	CHECK_INT(bench.session[0].cold[LEG_CALLER].strangers, 1);
}

/* Each of its ports has an association of its own, even to a peer that sends RTCP on the RTP port. */
static void dtls_of_rtcp(void)
{
	struct datagram d;

	begin_encrypted();
	CHECK_INT(SEND(srtcp, 20000), RELAY_SEND); /* the caller muxes */
	for (uint16_t rtcp = 0; rtcp < 2; rtcp++) {
		d = (struct datagram){.data = (uint8_t *)(uintptr_t)hello, .len = sizeof(hello)};
		d.local = bench_addr("10.0.0.1:20008");
		d.remote = bench_addr("192.0.2.2:5000");
		d.local.port = (uint16_t)(d.local.port + rtcp);
		d.remote.port = (uint16_t)(d.remote.port + rtcp);
		CHECK_INT(bench_relay(&d), RELAY_SEND);
		CHECK_INT(d.local.port, 20000 + rtcp);
		CHECK_INT(d.remote.port, 4000 + rtcp);
	}
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
    {"encrypted media passes as it is", encrypted_passes},
    {"junk in an encrypted call is dropped and counted", encrypted_junk},
    {"a call is encrypted when both sides say so", encrypted_by_both},
    {"a stranger's DTLS is not heard", encrypted_strangers},
    {"DTLS from behind NAT is learned", dtls_is_learned},
    {"DTLS for RTCP goes to the port of RTCP", dtls_of_rtcp},
};
CHECK_MAIN(cases)
