/* SPDX-License-Identifier: Apache-2.0 */
/* What time does to a session: silence, and sessions that nobody has any more. */
#include "../check.h"
#include "bench.h"
#include "media/watch.h"

static struct media_core *const core = &bench.core[0];
static struct media_request request;
static uint16_t seq;

static void begin(enum silence_watch watch)
{
	bench_begin();
	request = bench_request(0, 1);
	request.silence_limit_ms = 5000;
	request.silence_watch = (uint8_t)watch;
	request.answered = true;
	sessions_apply(core, &request, bench.now_us);
	seq = 0;
}

static void again(void)
{
	sessions_apply(core, &request, bench.now_us);
}

static void says(enum media_leg_index leg)
{
	struct datagram d = bench_rtp(&request.leg[leg].remote, &request.leg[leg].local, ++seq, leg + 1u);

	CHECK_INT(bench_relay(&d), RELAY_SEND);
}

static void talk(enum media_leg_index leg, unsigned int seconds)
{
	for (unsigned int i = 0; i < seconds; i++) {
		says(leg);
		bench_sleep(US_PER_S);
	}
}

static void both(void)
{
	begin(SILENCE_BOTH);
	talk(LEG_CALLEE, 20); /* one side alive is enough */
	CHECK_INT(bench.silent, 0);
	bench_sleep(4 * US_PER_S - 200000);
	CHECK_INT(bench.silent, 0);
	bench_sleep(400000);
	CHECK_INT(bench.silent, 1);
	CHECK(bench.silent_ms >= 5000 && bench.silent_ms <= 5300);
	bench_sleep(60 * US_PER_S);
	CHECK_INT(bench.silent, 1); /* once a period */
	talk(LEG_CALLER, 1);
	bench_sleep(20 * US_PER_S);
	CHECK_INT(bench.silent, 2);
}

static void never_any(void)
{
	begin(SILENCE_BOTH);
	bench_sleep(6 * US_PER_S);
	CHECK_INT(bench.silent, 1);
}

static void before_answer(void)
{
	begin(SILENCE_BOTH);
	session_end(core, 0, COUNTER_media_sessions_closed);
	request.answered = false;
	again();
	bench_sleep(60 * US_PER_S);
	CHECK_INT(bench.silent, 0);
	request.answered = true;
	again();
	bench_sleep(4 * US_PER_S);
	CHECK_INT(bench.silent, 0);
	bench_sleep(2 * US_PER_S);
	CHECK_INT(bench.silent, 1);
}

static void one_side(void)
{
	begin(SILENCE_CALLER);
	talk(LEG_CALLEE, 10);
	CHECK_INT(bench.silent, 1);
	begin(SILENCE_CALLEE);
	talk(LEG_CALLEE, 10);
	CHECK_INT(bench.silent, 0);
	begin(SILENCE_NONE);
	bench_sleep(60 * US_PER_S);
	CHECK_INT(bench.silent, 0);
	begin(SILENCE_CALLER);
	request.leg[LEG_CALLER].udptl = true; /* it gets a page, and says nothing */
	again();
	talk(LEG_CALLEE, 10);
	CHECK_INT(bench.silent, 0);
	bench_sleep(10 * US_PER_S);
	CHECK_INT(bench.silent, 1);
	begin(SILENCE_CALLER);
	request.leg[LEG_CALLER].udptl = true;
	again();
	talk(LEG_CALLEE, 10);
	request.leg[LEG_CALLER].udptl = false; /* it need not have spoken during the page */
	again();
	talk(LEG_CALLEE, 4);
	CHECK_INT(bench.silent, 0);
	talk(LEG_CALLEE, 2);
	CHECK_INT(bench.silent, 1);
	begin(SILENCE_BOTH);
	request.silence_limit_ms = 0;
	again();
	bench_sleep(60 * US_PER_S);
	CHECK_INT(bench.silent, 0);
}

/* One alone that speaks is not enough, and only who has to speak counts. */
static void either_side(void)
{
	for (unsigned int leg = 0; leg < LEG_COUNT; leg++) {
		begin(SILENCE_EITHER);
		for (unsigned int i = 0; i < 20; i++) {
			says(LEG_CALLER);
			talk(LEG_CALLEE, 1);
		}
		talk((enum media_leg_index)leg, 3);
		CHECK_INT(bench.silent, 0);
		talk((enum media_leg_index)leg, 2);
		CHECK_INT(bench.silent, 1);
		begin(SILENCE_EITHER);
		request.leg[leg].direction = 1; /* sendonly */
		request.leg[!leg].direction = 2;
		again();
		talk((enum media_leg_index)leg, 60);
		CHECK_INT(bench.silent, 0);
		bench_sleep(5 * US_PER_S);
		CHECK_INT(bench.silent, 1);
	}
	begin(SILENCE_EITHER);
	request.leg[LEG_CALLER].udptl = true;
	again();
	talk(LEG_CALLEE, 10);
	CHECK_INT(bench.silent, 0);
	bench_sleep(10 * US_PER_S);
	CHECK_INT(bench.silent, 1);
	begin(SILENCE_EITHER);
	bench_kill();
	talk(LEG_CALLER, 6);
	CHECK_INT(bench.silent, 1);
}

static void hold(void)
{
	begin(SILENCE_BOTH);
	request.leg[LEG_CALLER].direction = 3; /* inactive */
	request.leg[LEG_CALLEE].direction = 2; /* recvonly */
	again();
	bench_sleep(60 * US_PER_S);
	CHECK_INT(bench.silent, 0);
	request.leg[LEG_CALLER].direction = 2; /* recvonly */
	request.leg[LEG_CALLEE].direction = 1; /* sendonly: music on hold is expected */
	again();
	bench_sleep(4 * US_PER_S);
	CHECK_INT(bench.silent, 0); /* the limit runs from here */
	bench_sleep(2 * US_PER_S);
	CHECK_INT(bench.silent, 1);
}

/* Who is held has nobody to send to, whatever he answers, whichever side is watched. */
static void held_says_nothing(void)
{
	for (unsigned int watch = SILENCE_BOTH; watch <= SILENCE_EITHER; watch++) {
		if (watch == SILENCE_NONE)
			continue;
		for (unsigned int holder = 0; holder < LEG_COUNT; holder++) {
			for (uint8_t answer = 0; answer <= 3; answer++) {
				begin((enum silence_watch)watch);
				request.leg[holder].direction = 3; /* inactive; by 0.0.0.0, too */
				request.leg[!holder].direction = answer;
				again();
				bench_sleep(60 * US_PER_S);
				CHECK_INT(bench.silent, 0);
			}
			request.leg[holder].direction = 1; /* sendonly, and it does; no direction in the answer */
			request.leg[!holder].direction = 0;
			again();
			talk((enum media_leg_index)holder, 60);
			CHECK_INT(bench.silent, 0);
			request.leg[holder].direction = 0; /* from the end of the hold on, all is as before */
			again();
			bench_sleep(3 * US_PER_S);
			CHECK_INT(bench.silent, 0);
			bench_sleep(3 * US_PER_S);
			CHECK_INT(bench.silent, 1);
		}
	}
}

static void watch_after_kill(void)
{
	begin(SILENCE_BOTH);
	talk(LEG_CALLER, 2);
	bench.now_us += 60 * US_PER_S; /* away: nobody could have been heard */
	bench_kill();
	bench_sleep(4 * US_PER_S);
	CHECK_INT(bench.silent, 0);
	bench_sleep(2 * US_PER_S);
	CHECK_INT(bench.silent, 1);
	bench_kill();
	bench_sleep(4 * US_PER_S);
	CHECK_INT(bench.silent, 1);
}

static void ring_full(void)
{
	begin(SILENCE_BOTH);
	bench.full = true;
	says(LEG_CALLER);
	bench_sleep(10 * US_PER_S);
	CHECK_INT(bench.silent, 0);
	CHECK_INT(bench.started[LEG_CALLER], 0);
	bench.full = false;
	bench_sleep(2 * US_PER_S);
	CHECK_INT(bench.silent, 1);
	says(LEG_CALLER);
	CHECK_INT(bench.started[LEG_CALLER], 1);
}

static void signaling_never_comes_back(void)
{
	begin(SILENCE_NONE);
	talk(LEG_CALLER, 10);
	bench_sleep(WATCH_EXPIRE_US - 60 * US_PER_S);
	CHECK(sessions_find(core, 0, 1) != NULL);
	CHECK(bench.resync > 0);
	bench_sleep(700 * US_PER_S);
	CHECK(sessions_find(core, 0, 1) == NULL);
	CHECK_INT(bench_count(COUNTER_media_sessions_expired), 1);
}

static void told_again_stays(void)
{
	begin(SILENCE_NONE);
	for (int i = 0; i < 5; i++) {
		bench_sleep(WATCH_TOLD_US);
		again();
	}
	CHECK(sessions_find(core, 0, 1) != NULL);
}

/* After a restart signaling tells of its calls; one with RTP that it leaves out is not a call any more. */
static void left_out(void)
{
	struct media_request other;

	begin(SILENCE_NONE);
	other = bench_request(1, 2);
	sessions_apply(core, &other, bench.now_us);
	bench_sleep(US_PER_S);
	bench_kill();
	bench_sleep(US_PER_S);
	sessions_apply(core, &other, bench.now_us);
	for (int i = 0; i < 150 && sessions_find(core, 0, 1); i++)
		talk(LEG_CALLER, 8);
	CHECK(sessions_find(core, 0, 1) == NULL);
	CHECK(sessions_find(core, 1, 2) != NULL);
	CHECK_INT(bench_count(COUNTER_media_sessions_forgotten), 1);
}

/* Its next life is asked again, and until that has told of something, nothing ends. */
static void signaling_died_while_telling(void)
{
	struct media_request other;

	begin(SILENCE_NONE);
	other = bench_request(1, 2);
	sessions_apply(core, &other, bench.now_us);
	bench_kill();
	bench_sleep(US_PER_S);
	sessions_apply(core, &other, bench.now_us);
	talk(LEG_CALLER, 60);
	bench.resync = 0;
	bench.signaling.starts++;
	talk(LEG_CALLER, 1);
	CHECK_INT(bench.resync, BENCH_WORKERS * BENCH_PEERS);
	for (int i = 0; i < 300; i++)
		talk(LEG_CALLER, 5);
	CHECK(sessions_find(core, 0, 1) != NULL);
	again();
	bench_sleep(2 * WATCH_ANSWER_US);
	CHECK(sessions_find(core, 0, 1) != NULL);
	CHECK(sessions_find(core, 1, 2) == NULL); /* now it is the one left out */
}

static void silent_signaling_ends_nothing(void)
{
	begin(SILENCE_NONE);
	bench_kill();
	for (int i = 0; i < 200; i++) {
		says(LEG_CALLER);
		bench_sleep(60 * US_PER_S);
	}
	CHECK(sessions_find(core, 0, 1) != NULL);
}

static const struct check_case cases[] = {
    {"silence of both, once a period", both},
    {"a call that never had RTP", never_any},
    {"the watch starts at answer", before_answer},
    {"one side watched, none, no limit", one_side},
    {"either side watched", either_side},
    {"hold stops the expectation", hold},
    {"who is held need not speak", held_says_nothing},
    {"time away is not silence", watch_after_kill},
    {"a full ring delays the word", ring_full},
    {"no RTP and no word for hours ends a session", signaling_never_comes_back},
    {"what is told again stays", told_again_stays},
    {"what signaling leaves out is ended", left_out},
    {"a telling cut short ends nothing", signaling_died_while_telling},
    {"signaling away ends no call with RTP", silent_signaling_ends_nothing},
};
CHECK_MAIN(cases)
