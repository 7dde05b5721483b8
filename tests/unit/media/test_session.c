/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "../check.h"
#include "bench.h"
#include "common/layout/rtp_ranges.h"
#include "media/watch.h"

static struct media_core *const core = &bench.core[0];

static enum relay_action caller_says(uint32_t slot, uint16_t seq, struct datagram *d)
{
	struct net_addr from = bench_addr("192.0.2.1:4000"), to = bench_addr("10.0.0.1");

	to.port = (uint16_t)(20000 + 16 * slot);
	*d = bench_rtp(&from, &to, seq, 1);
	return bench_relay(d);
}

static void relays(void)
{
	struct media_request request;
	struct datagram d;

	bench_begin();
	CHECK_INT(caller_says(3, 1, &d), RELAY_DROP);
	request = bench_request(3, 42);
	CHECK_INT(sessions_apply(core, &request, bench.now_us), 0);
	CHECK_INT(caller_says(3, 1, &d), RELAY_SEND);
	CHECK(net_addr_equal(&d.local, &request.leg[LEG_CALLEE].local));
	CHECK(net_addr_equal(&d.remote, &request.leg[LEG_CALLEE].remote));
	CHECK_INT(d.tos, 0xa0);
	CHECK_INT(bench.started[LEG_CALLER], 1);
	CHECK_INT(caller_says(3, 2, &d), RELAY_SEND);
	CHECK_INT(bench.started[LEG_CALLER], 1);
	CHECK_INT(bench.session[3].hot[LEG_CALLER].sent, 2);
	CHECK_INT(bench_count(COUNTER_media_rtp_relayed), 2);
	CHECK_INT(bench_count(COUNTER_media_drop_no_session), 1);
}

static void twice_is_once(void)
{
	struct media_request request;
	struct datagram d;

	bench_begin();
	request = bench_request(0, 1);
	for (int i = 0; i < 3; i++) {
		CHECK_INT(sessions_apply(core, &request, bench.now_us), 0);
		CHECK_INT(caller_says(0, (uint16_t)i, &d), RELAY_SEND);
	}
	CHECK_INT(bench.session[0].hot[LEG_CALLER].packets, 3);
	CHECK_INT(bench.session[0].hot[LEG_CALLER].latch, LATCH_LOCKED);
	CHECK_INT(bench_count(COUNTER_media_sessions_opened), 1);
	CHECK_INT(bench_count(COUNTER_media_sessions), 1);
	CHECK(sessions_find(core, 0, 1) != NULL);
	CHECK(sessions_find(core, 0, 2) == NULL);
	CHECK(sessions_find(core, BENCH_SLOTS, 1) == NULL);
	session_end(core, 0, COUNTER_media_sessions_closed);
	CHECK(sessions_find(core, 0, 1) == NULL);
	CHECK_INT(caller_says(0, 9, &d), RELAY_DROP);
	CHECK_INT(bench_count(COUNTER_media_sessions), 0);
}

static void another_id_replaces(void)
{
	struct media_request request;
	struct datagram d;

	bench_begin();
	request = bench_request(0, 1);
	sessions_apply(core, &request, bench.now_us);
	caller_says(0, 1, &d);
	request.id = 2;
	sessions_apply(core, &request, bench.now_us);
	CHECK_INT(bench.session[0].hot[LEG_CALLER].packets, 0);
	CHECK_INT(bench.session[0].hot[LEG_CALLER].latch, LATCH_SIGNALLED);
	CHECK_INT(bench_count(COUNTER_media_sessions_replaced), 1);
	CHECK_INT(bench_count(COUNTER_media_sessions), 1);
}

static void ports_change_hands(void)
{
	struct media_request first, second;
	struct datagram d;

	bench_begin();
	first = bench_request(0, 1);
	second = bench_request(1, 2);
	second.leg[LEG_CALLEE].local = first.leg[LEG_CALLER].local;
	sessions_apply(core, &first, bench.now_us);
	sessions_apply(core, &second, bench.now_us);
	CHECK(sessions_find(core, 0, 1) == NULL); /* its ports are another call's: it is gone */
	CHECK(sessions_find(core, 1, 2) != NULL);
	CHECK_INT(caller_says(1, 1, &d), RELAY_SEND);
	CHECK(net_addr_equal(&d.local, &first.leg[LEG_CALLER].local));
	second.leg[LEG_CALLEE].local.port += 2; /* and a leg may move to another port */
	sessions_apply(core, &second, bench.now_us);
	CHECK_INT(caller_says(1, 2, &d), RELAY_SEND);
	CHECK_INT(d.local.port, second.leg[LEG_CALLEE].local.port);
	CHECK_INT(caller_says(0, 2, &d), RELAY_DROP);
}

static void refuses(void)
{
	struct media_request request;

	bench_begin();
	request = bench_request(BENCH_SLOTS, 1);
	CHECK_INT(sessions_apply(core, &request, bench.now_us), -EINVAL);
	request = bench_request(0, 1);
	request.leg[LEG_CALLER].local.port++; /* odd */
	CHECK_INT(sessions_apply(core, &request, bench.now_us), -EINVAL);
	request = bench_request(0, 1);
	request.leg[LEG_CALLER].local.port = 25000; /* the other worker's */
	CHECK_INT(sessions_apply(core, &request, bench.now_us), -EINVAL);
	request.leg[LEG_CALLER].local.port = 30000; /* nobody's */
	CHECK_INT(sessions_apply(core, &request, bench.now_us), -EINVAL);
	request.leg[LEG_CALLER].local = bench_addr("10.0.0.2:20000");
	CHECK_INT(sessions_apply(core, &request, bench.now_us), -EINVAL);
	request.leg[LEG_CALLER].local = request.leg[LEG_CALLEE].local;
	CHECK_INT(sessions_apply(core, &request, bench.now_us), -EINVAL);
	request = bench_request(0, 1);
	request.signaling_worker = BENCH_PEERS;
	CHECK_INT(sessions_apply(core, &request, bench.now_us), -EINVAL);
	CHECK_INT(bench_count(COUNTER_media_refused), 7);
	CHECK_INT(bench_count(COUNTER_media_sessions), 0);
}

static void owners(void)
{
	bench_begin();
	for (unsigned int port = 0; port <= UINT16_MAX; port++)
		CHECK_INT(port_map_owner(&bench.map, 0, (uint16_t)port),
			  rtp_range_owner(&bench.port.rtp_ports, BENCH_WORKERS, (uint16_t)port));
	CHECK_INT(port_map_owner(&bench.map, 0, 20000), 0);
}

static void slot_moves_between_workers(void)
{
	struct media_request request;

	bench_begin();
	request = bench_request(0, 1);
	sessions_apply(core, &request, bench.now_us);
	request.id = 2;
	request.leg[LEG_CALLER].local.port = 25000;
	request.leg[LEG_CALLEE].local.port = 25008;
	CHECK_INT(sessions_apply(&bench.core[1], &request, bench.now_us), -EAGAIN);
	CHECK_INT(bench.let_go, 1);
	CHECK_INT(sessions_apply(&bench.core[1], &request, bench.now_us), 0);
	CHECK(sessions_find(core, 0, 2) == NULL);
	CHECK(sessions_find(&bench.core[1], 0, 2) != NULL);
}

static void hands_over(void)
{
	struct net_addr from = bench_addr("192.0.2.1:4000"), to = bench_addr("10.0.0.1:25000");
	struct datagram d = bench_rtp(&from, &to, 1, 1);
	struct relay_verdict verdict;

	bench_begin();
	relay_burst(core, &d, &verdict, 1, bench.now_us);
	CHECK_INT(verdict.action, RELAY_HAND_OVER);
	CHECK_INT(verdict.target, 1);
	CHECK(net_addr_equal(&d.local, &to));
}

static void between_families(void)
{
	struct media_request request;
	struct net_addr callee = bench_addr("[2001:db8::2]:5000");
	struct datagram d;

	bench_begin();
	request = bench_request(0, 1);
	request.leg[LEG_CALLEE].local = bench_addr("[2001:db8::1]:20000"); /* the same number, another address */
	request.leg[LEG_CALLEE].remote = callee;
	CHECK_INT(sessions_apply(core, &request, bench.now_us), 0);
	CHECK_INT(caller_says(0, 1, &d), RELAY_SEND);
	CHECK(net_addr_equal(&d.remote, &callee));
	CHECK(net_addr_equal(&d.local, &request.leg[LEG_CALLEE].local));
	d = bench_rtp(&callee, &request.leg[LEG_CALLEE].local, 1, 2);
	CHECK_INT(bench_relay(&d), RELAY_SEND);
	CHECK(net_addr_equal(&d.remote, &request.leg[LEG_CALLER].remote));
	CHECK(net_addr_equal(&d.local, &request.leg[LEG_CALLER].local));
}

static void destination_comes_later(void)
{
	struct media_request request;
	struct datagram d;

	bench_begin();
	request = bench_request(0, 1);
	request.leg[LEG_CALLEE].remote = (struct net_addr){0};
	sessions_apply(core, &request, bench.now_us);
	CHECK_INT(caller_says(0, 1, &d), RELAY_DROP);
	CHECK_INT(bench_count(COUNTER_media_drop_no_destination), 1);
	request = bench_request(0, 1);
	sessions_apply(core, &request, bench.now_us);
	CHECK_INT(caller_says(0, 2, &d), RELAY_SEND);
	CHECK_INT(bench.session[0].hot[LEG_CALLER].packets, 2);
	CHECK_INT(bench.session[0].hot[LEG_CALLER].sent, 1);
}

static void attach_after_kill(void)
{
	struct media_request request;
	struct datagram d;

	bench_begin();
	for (uint32_t slot = 0; slot < 4; slot++) {
		request = bench_request(slot, slot + 100);
		sessions_apply(core, &request, bench.now_us);
		caller_says(slot, 1, &d);
	}
	request = bench_request(5, 105);
	sessions_apply(core, &request, bench.now_us);
	bench.session[5].hot[LEG_CALLEE].clock_rate = 0; /* digits are divided by it */
	session_end(core, 1, COUNTER_media_sessions_closed);
	bench.session[2].sequence++; /* killed in the middle of a change */
	bench.session[3].hot[LEG_CALLER].local.port = 7;
	bench.session[4].state = MEDIA_SESSION_FILLING;
	request = bench_request(4, 104);
	CHECK_INT(sessions_apply(core, &request, bench.now_us), -EAGAIN);
	bench_kill();
	CHECK_INT(caller_says(0, 2, &d), RELAY_SEND);
	CHECK_INT(bench.session[0].hot[LEG_CALLER].packets, 2);
	CHECK_INT(bench.started[LEG_CALLER], 4); /* not told again */
	CHECK_INT(caller_says(1, 2, &d), RELAY_DROP);
	CHECK_INT(caller_says(2, 2, &d), RELAY_DROP);
	CHECK_INT(bench_count(COUNTER_media_sessions_restored), 1);
	CHECK_INT(bench_count(COUNTER_media_sessions_damaged), 3);
	CHECK_INT(bench_count(COUNTER_media_sessions), 1);
	CHECK_INT(bench.resync, 0);
	bench_sleep(200000);
	CHECK_INT(bench.resync, BENCH_WORKERS * BENCH_PEERS);
	CHECK_INT(bench.session[4].state, MEDIA_SESSION_FREE);
	request = bench_request(2, 102); /* and signaling says it all again */
	CHECK_INT(sessions_apply(core, &request, bench.now_us), 0);
	CHECK_INT(caller_says(2, 3, &d), RELAY_SEND);
}

static void readers(void)
{
	static struct media_session copy;
	struct media_request request;

	bench_begin();
	CHECK(!media_session_read(&bench.session[0], &copy));
	request = bench_request(0, 9);
	sessions_apply(core, &request, bench.now_us);
	CHECK(media_session_read(&bench.session[0], &copy));
	CHECK_INT(copy.id, 9);
	bench.session[0].sequence++;
	CHECK(!media_session_read(&bench.session[0], &copy));
	bench.session[0].sequence++;
}

static const struct check_case cases[] = {
    {"a session relays", relays},
    {"told twice is told once", twice_is_once},
    {"another id in the slot replaces", another_id_replaces},
    {"ports change hands", ports_change_hands},
    {"what is not ours is refused", refuses},
    {"the map's owners are those of the ranges", owners},
    {"a slot moves to another worker", slot_moves_between_workers},
    {"another worker's packet is handed over", hands_over},
    {"IPv4 on one side, IPv6 on the other", between_families},
    {"packets before the other side is known", destination_comes_later},
    {"the relay goes on after a kill", attach_after_kill},
    {"readers get whole records only", readers},
};
CHECK_MAIN(cases)
