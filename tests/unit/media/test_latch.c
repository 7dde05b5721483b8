/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a leg listens to, with and without strangers who spray its port. */
#include "../check.h"
#include "bench.h"
#include "media/kept.h"
#include "media/latch.h"

#define CALLEE_SSRC 77

static struct net_addr caller, callee, ours, stranger;
static uint16_t seq;

/* Slot 0 with a caller at the signalled address; behind_nat says so of the callee, whose port is `ours`. */
static void begin(bool behind_nat)
{
	struct media_request request = bench_request(0, 1);

	bench_begin();
	request = bench_request(0, 1);
	request.leg[LEG_CALLEE].behind_nat = behind_nat;
	CHECK_INT(sessions_apply(&bench.core[0], &request, bench.now_us), 0);
	caller = bench_addr("192.0.2.1:4000");
	callee = bench_addr("192.0.2.2:5000");
	ours = bench_addr("10.0.0.1:20008");
	stranger = bench_addr("198.51.100.66:6666");
	seq = 1000;
}

static enum relay_action from(const struct net_addr *source, uint16_t number, uint32_t ssrc)
{
	struct datagram d = bench_rtp(source, &ours, number, ssrc);

	return bench_relay(&d);
}

static const struct net_addr *peer(void)
{
	return &bench.session[0].hot[LEG_CALLEE].remote;
}

static void signalled(void)
{
	begin(false);
	CHECK_INT(from(&callee, seq++, CALLEE_SSRC), RELAY_SEND);
	CHECK_INT(bench.session[0].hot[LEG_CALLEE].latch, LATCH_LOCKED);
	CHECK_INT(bench_count(COUNTER_media_latched_signalled), 1);
	for (int i = 0; i < 20; i++)
		CHECK_INT(from(&stranger, (uint16_t)i, 1), RELAY_DROP);
	CHECK_INT(from(&callee, seq++, CALLEE_SSRC), RELAY_SEND);
	CHECK(net_addr_equal(peer(), &callee));
	CHECK_INT(bench_count(COUNTER_media_drop_stranger), 20);
	CHECK_INT(bench.session[0].cold[LEG_CALLEE].strangers, 20);
	CHECK_INT(bench.session[0].hot[LEG_CALLEE].packets, 2);
}

static void stranger_first(void)
{
	begin(false);
	for (int i = 0; i < 20; i++)
		CHECK_INT(from(&stranger, (uint16_t)i, 1), RELAY_DROP);
	CHECK(net_addr_equal(peer(), &callee));
	CHECK_INT(from(&callee, seq++, CALLEE_SSRC), RELAY_SEND);
}

static void other_port(void)
{
	struct net_addr moved = bench_addr("192.0.2.2:61000");

	begin(false);
	for (int i = 1; i < LATCH_PACKETS; i++)
		CHECK_INT(from(&moved, seq++, CALLEE_SSRC), RELAY_KEPT);
	CHECK_INT(from(&moved, seq++, CALLEE_SSRC), RELAY_SEND);
	CHECK(net_addr_equal(peer(), &moved));
	CHECK_INT(bench_count(COUNTER_media_latched_learned), 1);
	CHECK_INT(from(&callee, seq++, CALLEE_SSRC), RELAY_DROP);
}

static void behind_nat(void)
{
	struct net_addr outside = bench_addr("203.0.113.9:33333");
	struct datagram back;

	begin(true);
	for (int i = 1; i < LATCH_PACKETS; i++)
		CHECK_INT(from(&outside, seq++, CALLEE_SSRC), RELAY_KEPT);
	CHECK_INT(from(&outside, seq++, CALLEE_SSRC), RELAY_SEND);
	CHECK_INT(bench_count(COUNTER_media_drop_learning), 0);
	CHECK_INT(bench.kept, 2); /* in order, and before the one that was sent at once */
	CHECK_INT(bench.kept_sent[0], 1000);
	CHECK_INT(bench.kept_sent[1], 1001);
	CHECK(net_addr_equal(&bench.kept_to, &caller));
	CHECK_INT(bench.session[0].hot[LEG_CALLEE].packets, 3);
	CHECK_INT(bench.session[0].hot[LEG_CALLEE].sent, 3);
	CHECK_INT(bench.session[0].cold[LEG_CALLEE].reordered, 0);
	back = bench_rtp(&caller, &(struct net_addr){0}, 1, 5);
	back.local = bench_addr("10.0.0.1:20000");
	CHECK_INT(bench_relay(&back), RELAY_SEND);
	CHECK(net_addr_equal(&back.remote, &outside));
	CHECK(net_addr_equal(&back.local, &ours));
}

/* Scattered packets, each from elsewhere or with other numbers, never add up. */
static void sprayer(void)
{
	begin(true);
	for (int i = 0; i < 50; i++) {
		stranger.port++;
		CHECK_INT(from(&stranger, (uint16_t)i, 1), RELAY_KEPT);
	}
	for (int i = 0; i < 50; i++)
		CHECK_INT(from(&stranger, (uint16_t)(i * 1000), 1), RELAY_KEPT);
	for (int i = 0; i < 50; i++)
		CHECK_INT(from(&stranger, (uint16_t)i, (uint32_t)i), RELAY_KEPT);
	for (int i = 0; i < 50; i++)
		CHECK_INT(from(&stranger, 5, 1), RELAY_KEPT);
	CHECK_INT(bench.session[0].hot[LEG_CALLEE].latch, LATCH_SIGNALLED);
	CHECK_INT(bench.kept, 0);
	CHECK_INT(bench.kept_freed, 199); /* all but the latest */
}

/* Who says a word on a port and is never heard of again holds no buffer for it. */
static void kept_for_a_second(void)
{
	begin(true);
	CHECK_INT(from(&stranger, 1, 1), RELAY_KEPT);
	CHECK_INT(from(&stranger, 2, 1), RELAY_KEPT);
	for (int i = 0; i < MEDIA_KEPT; i++)
		kept_sweep(&bench.core[0], bench.now_us + US_PER_S);
	CHECK_INT(bench.kept_freed, 0);
	for (int i = 0; i < MEDIA_KEPT; i++)
		kept_sweep(&bench.core[0], bench.now_us + US_PER_S + 1);
	CHECK_INT(bench.kept_freed, 2);
	CHECK_INT(bench_count(COUNTER_media_drop_learning), 2);
	kept_flush(&bench.core[0]);
	CHECK_INT(bench.kept_freed, 2);
}

static void signalled_wins_probation(void)
{
	begin(true);
	CHECK_INT(from(&stranger, 1, 1), RELAY_KEPT);
	CHECK_INT(from(&stranger, 2, 1), RELAY_KEPT);
	CHECK_INT(from(&callee, seq++, CALLEE_SSRC), RELAY_SEND);
	CHECK_INT(from(&stranger, 3, 1), RELAY_DROP);
	CHECK_INT(bench.kept, 0); /* what the other had said is not heard */
	CHECK(net_addr_equal(peer(), &callee));
}

static void lossy_path_latches(void)
{
	struct net_addr outside = bench_addr("203.0.113.9:33333");

	begin(true);
	from(&outside, 65530, 9);
	from(&outside, 65533, 9);
	CHECK_INT(from(&outside, 2, 9), RELAY_SEND);
}

static void ssrc_change(void)
{
	begin(false);
	from(&callee, seq++, CALLEE_SSRC);
	CHECK_INT(from(&callee, 1, 4711), RELAY_SEND); /* the peer may: music on hold, a transfer */
	CHECK_INT(from(&stranger, 2, 4711), RELAY_DROP);
	CHECK_INT(bench.session[0].hot[LEG_CALLEE].streams, 2);
}

static void generation(void)
{
	struct media_request request;

	begin(false);
	from(&callee, seq++, CALLEE_SSRC);
	request = bench_request(0, 1);
	request.leg[LEG_CALLEE].remote = bench_addr("192.0.2.99:7000");
	sessions_apply(&bench.core[0], &request, bench.now_us); /* an SDP already known: nothing moves */
	CHECK(net_addr_equal(peer(), &callee));
	request.leg[LEG_CALLEE].generation = 1;
	sessions_apply(&bench.core[0], &request, bench.now_us);
	CHECK_INT(from(&callee, seq++, CALLEE_SSRC), RELAY_DROP);
	CHECK_INT(from(&request.leg[LEG_CALLEE].remote, 1, 3), RELAY_SEND);
	CHECK_INT(bench.started[LEG_CALLEE], 2);
	request.leg[LEG_CALLEE].generation = 0;
	request.leg[LEG_CALLEE].remote = callee;
	sessions_apply(&bench.core[0], &request, bench.now_us); /* an old message, late */
	CHECK_INT(from(&callee, seq++, CALLEE_SSRC), RELAY_DROP);
}

/* A description of the callee's in the conversation. */
static void describe(const char *remote, uint32_t generation, bool nat)
{
	struct media_request request = bench_request(0, 1);

	request.answered = true;
	request.leg[LEG_CALLEE].remote = bench_addr(remote);
	request.leg[LEG_CALLEE].generation = generation;
	request.leg[LEG_CALLEE].behind_nat = nat;
	CHECK_INT(sessions_apply(&bench.core[0], &request, bench.now_us), 0);
}

/* Where the caller's packets go. */
static struct net_addr told(void)
{
	struct datagram d = bench_rtp(&caller, &(struct net_addr){0}, 1, 5);

	d.local = bench_addr("10.0.0.1:20000");
	CHECK_INT(bench_relay(&d), RELAY_SEND);
	return d.remote;
}

/* Its audio goes on from the old port until its offer is answered: that must not keep it there. */
static void moves(void)
{
	struct net_addr moved = bench_addr("192.0.2.2:5004"), to;

	begin(false);
	describe("192.0.2.2:5000", 0, false);
	from(&callee, seq++, CALLEE_SSRC);
	describe("192.0.2.2:5004", 1, false);
	for (int i = 0; i < 20; i++)
		CHECK_INT(from(&callee, seq++, CALLEE_SSRC), RELAY_SEND);
	to = told();
	CHECK(net_addr_equal(&to, &moved));
	CHECK_INT(from(&stranger, 1, 1), RELAY_DROP);
	CHECK_INT(from(&moved, seq++, CALLEE_SSRC), RELAY_SEND);
	CHECK_INT(from(&callee, seq, CALLEE_SSRC), RELAY_DROP);
	/* Refused: back at the old one, at once. */
	describe("192.0.2.2:5008", 2, false);
	describe("192.0.2.2:5004", 3, false);
	CHECK_INT(from(&moved, seq++, CALLEE_SSRC), RELAY_SEND);
	CHECK_INT(bench.session[0].hot[LEG_CALLEE].latch, LATCH_LOCKED);
}

static void moves_behind_nat(void)
{
	struct net_addr outside = bench_addr("203.0.113.9:33333"), next = bench_addr("203.0.113.9:44444"), to;

	begin(true);
	describe("192.168.1.5:5000", 0, true);
	for (int i = 0; i < LATCH_PACKETS; i++)
		from(&outside, seq++, CALLEE_SSRC);
	describe("192.168.1.5:5004", 1, true);
	CHECK_INT(from(&outside, seq++, CALLEE_SSRC), RELAY_SEND);
	to = told();
	CHECK(net_addr_equal(&to, &outside));
	from(&next, seq++, CALLEE_SSRC);
	from(&next, seq++, CALLEE_SSRC);
	CHECK_INT(from(&next, seq++, CALLEE_SSRC), RELAY_SEND);
	CHECK_INT(from(&outside, seq++, CALLEE_SSRC), RELAY_DROP);
	CHECK_INT(bench.session[0].cold[LEG_CALLEE].reordered, 0);
}

/* It says so, but does not move. */
static void stays(void)
{
	begin(false);
	describe("192.0.2.2:5000", 0, false);
	from(&callee, seq++, CALLEE_SSRC);
	describe("192.0.2.2:5004", 1, false);
	for (int i = 1; i < LATCH_STAYS; i++)
		CHECK_INT(from(&callee, seq++, CALLEE_SSRC), RELAY_SEND);
	CHECK_INT(bench.session[0].hot[LEG_CALLEE].latch, LATCH_SIGNALLED);
	CHECK_INT(from(&callee, seq++, CALLEE_SSRC), RELAY_SEND);
	CHECK(net_addr_equal(peer(), &callee) && bench.session[0].hot[LEG_CALLEE].latch == LATCH_LOCKED);
}

static void survives_kill(void)
{
	struct net_addr outside = bench_addr("203.0.113.9:33333");

	begin(true);
	for (int i = 0; i < LATCH_PACKETS; i++)
		from(&outside, seq++, CALLEE_SSRC);
	bench_kill();
	for (int i = 0; i < 10; i++)
		CHECK_INT(from(&stranger, (uint16_t)i, 1), RELAY_DROP);
	CHECK_INT(from(&outside, seq++, CALLEE_SSRC), RELAY_SEND);
}

static void unusable_sources(void)
{
	struct net_addr group = bench_addr("239.1.1.1:5000"), zero = bench_addr("203.0.113.9");

	begin(true);
	for (int i = 0; i < 10; i++) {
		CHECK_INT(from(&group, (uint16_t)i, 1), RELAY_DROP);
		CHECK_INT(from(&zero, (uint16_t)i, 1), RELAY_DROP);
	}
}

static void rtcp_follows(void)
{
	static uint8_t report[8] = {0x80, 201, 0, 1};
	struct net_addr outside = bench_addr("203.0.113.9:33333"), near = bench_addr("203.0.113.9:44444");
	struct datagram d = {.data = report, .len = sizeof(report)};

	begin(true);
	d.local = bench_addr("10.0.0.1:20009");
	d.remote = near;
	CHECK_INT(bench_relay(&d), RELAY_DROP); /* nobody is learned from RTCP */
	for (int i = 0; i < LATCH_PACKETS; i++)
		from(&outside, seq++, CALLEE_SSRC);
	d.remote = stranger;
	CHECK_INT(bench_relay(&d), RELAY_DROP);
	d.remote = near;
	CHECK_INT(bench_relay(&d), RELAY_SEND);
	CHECK(net_addr_equal(&d.remote, &(struct net_addr){.ip = {192, 0, 2, 1}, .port = 4001, .family = NET_IP4}));
	CHECK_INT(d.local.port, 20001);
	d.local = bench_addr("10.0.0.1:20001");
	d.remote = bench_addr("192.0.2.1:4001");
	CHECK_INT(bench_relay(&d), RELAY_SEND);
	CHECK(net_addr_equal(&d.remote, &near));
}

static const struct check_case cases[] = {
    {"the signalled source is locked at once, strangers stay out", signalled},
    {"a stranger before the peer is not heard", stranger_first},
    {"the signalled IP may send from another port", other_port},
    {"behind NAT any source may be learned", behind_nat},
    {"a sprayer is never learned", sprayer},
    {"the signalled address wins over one on probation", signalled_wins_probation},
    {"a source on probation holds no buffers", kept_for_a_second},
    {"a lossy path latches, too", lossy_path_latches},
    {"a new SSRC from the peer passes, from others not", ssrc_change},
    {"only a raised generation learns afresh", generation},
    {"who moves is heard from both places, and then from the new one", moves},
    {"who moves behind NAT keeps its audio meanwhile", moves_behind_nat},
    {"who says so and stays is locked again", stays},
    {"a lock survives a kill", survives_kill},
    {"sources that can't be sent to are not learned", unusable_sources},
    {"RTCP follows RTP", rtcp_follows},
};
CHECK_MAIN(cases)
