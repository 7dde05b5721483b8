/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions the relay spends on a packet, its port left out: G.711 in both directions of eight calls, and RTCP. */
#include <stdlib.h>
#include <string.h>

#include "count.h"
#include "tests/unit/media/bench.h"

#define CALLS    BENCH_SLOTS
#define PACKETS  (CALLS * LEG_COUNT)
#define RTP_LEN  172
#define WARM_UP  200u
#define BURSTS   200u
#define RTCP_LEN 32

static uint8_t rtp[PACKETS][RTP_LEN], rtcp[PACKETS][RTCP_LEN];
static struct net_addr from[LEG_COUNT], to[PACKETS];

static void put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void begin(void)
{
	bench_begin();
	for (uint32_t slot = 0; slot < CALLS; slot++) {
		struct media_request request = bench_request(slot, slot + 1);

		if (sessions_apply(&bench.core[0], &request, bench.now_us) < 0)
			abort();
		for (unsigned int leg = 0; leg < LEG_COUNT; leg++) {
			from[leg] = request.leg[leg].remote;
			to[slot * LEG_COUNT + leg] = request.leg[leg].local;
		}
	}
}

static void put_rtp(uint16_t seq)
{
	for (unsigned int i = 0; i < PACKETS; i++) {
		rtp[i][0] = 0x80;
		rtp[i][1] = 8;
		rtp[i][2] = (uint8_t)(seq >> 8);
		rtp[i][3] = (uint8_t)seq;
		put32(&rtp[i][4], seq * 160u);
		put32(&rtp[i][8], 0x1000 + i);
	}
}

/* A receiver report on the stream of the other side. */
static void put_rtcp(void)
{
	static const uint8_t report[] = {0x81, 201, 0, 7};

	for (unsigned int i = 0; i < PACKETS; i++) {
		memset(rtcp[i], 0, RTCP_LEN);
		memcpy(rtcp[i], report, sizeof(report));
		put32(&rtcp[i][4], 0x1000 + i);
		put32(&rtcp[i][8], 0x1000 + (i ^ 1));
	}
}

static void relay(uint8_t *data, uint32_t step, uint32_t len, unsigned int port)
{
	struct datagram d[PACKETS];
	struct relay_verdict verdicts[PACKETS];
	struct relay_sum sum = {0};

	for (unsigned int i = 0; i < PACKETS; i++) {
		d[i] = (struct datagram){
		    .local = to[i], .remote = from[i % LEG_COUNT], .data = data + i * step, .len = len};
		d[i].local.port = (uint16_t)(d[i].local.port + port);
		d[i].remote.port = (uint16_t)(d[i].remote.port + port);
	}
	relay_burst(&bench.core[0], d, verdicts, PACKETS, bench.now_us);
	for (unsigned int i = 0; i < PACKETS; i++) {
		if (verdicts[i].action != RELAY_SEND)
			abort();
		relay_sent(&sum, &verdicts[i]);
	}
	relay_count(&bench.core[0], &sum);
}

static void count_rtp(uint16_t seq)
{
	for (unsigned int i = 0; i < BURSTS; i++, bench.now_us += 20000) {
		put_rtp((uint16_t)(seq + i));
		count_begin();
		for (int n = 0; n < COUNT_REPEAT; n++)
			relay(rtp[0], RTP_LEN, RTP_LEN, 0);
		if (i + 1 < BURSTS)
			count_pause();
	}
	count_end("rtp: an RTP packet relayed", PACKETS * BURSTS);
}

static void count_rtcp(void)
{
	put_rtcp();
	for (unsigned int i = 0; i < BURSTS; i++, bench.now_us += 20000) {
		count_begin();
		relay(rtcp[0], RTCP_LEN, RTCP_LEN, 1);
		if (i + 1 < BURSTS)
			count_pause();
	}
	count_end("rtp: an RTCP packet relayed", PACKETS * BURSTS);
}

int main(void)
{
	uint16_t seq = 1;

	begin();
	for (unsigned int i = 0; i < WARM_UP; i++, bench.now_us += 20000) {
		put_rtp(seq++);
		relay(rtp[0], RTP_LEN, RTP_LEN, 0);
	}
	count_rtp(seq);
	count_rtcp();
	bench_end();
	return 0;
}
