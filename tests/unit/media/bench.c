/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#include "media/watch.h"

struct bench bench;

static bool on_started(struct media_core *core, uint32_t slot, enum media_leg_index leg)
{
	if (!bench.full)
		bench.started[leg]++;
	return !bench.full;
}

static bool on_silent(struct media_core *core, uint32_t slot, uint32_t silent_ms)
{
	bench.silent += !bench.full;
	bench.silent_ms = silent_ms;
	return !bench.full;
}

static bool on_dtmf(struct media_core *core, uint32_t slot, enum media_leg_index leg, char digit, uint32_t duration_ms)
{
	size_t len = strlen(bench.dtmf);

	if (bench.full || len + 1 == sizeof(bench.dtmf))
		return false;
	bench.dtmf[len] = digit;
	bench.dtmf_ms = duration_ms;
	return true;
}

static bool on_resync(struct media_core *core, unsigned int peer)
{
	bench.resync += !bench.full;
	return !bench.full;
}

static void on_let_go(struct media_core *core, unsigned int worker, uint32_t slot)
{
	bench.let_go++;
	sessions_let_go(&bench.core[worker], slot);
}

static void on_send_kept(struct media_core *core, struct datagram *d, const struct relay_verdict *verdict)
{
	struct relay_sum sum = {0};

	bench.kept_sent[bench.kept++ % 8] = (uint16_t)(d->data[2] << 8 | d->data[3]);
	bench.kept_to = d->remote;
	relay_sent(&sum, verdict);
	relay_count(core, &sum);
}

static void on_free_kept(struct media_core *core, struct datagram *d)
{
	bench.kept_freed++;
}

static const struct media_notify notify = {on_started, on_silent,    on_dtmf,     on_resync,
					   on_let_go,  on_send_kept, on_free_kept};

struct net_addr bench_addr(const char *text)
{
	struct net_addr addr = {0};

	if (net_addr_parse(&addr, text, strlen(text)))
		abort();
	return addr;
}

static void process_start(void)
{
	if (port_map_init(&bench.map, &bench.config))
		abort();
	memset(bench.timer, 0, sizeof(bench.timer));
	for (unsigned int i = 0; i < BENCH_WORKERS; i++) {
		bench.core[i] = (struct media_core){.session = bench.session,
						    .slots = BENCH_SLOTS,
						    .map = &bench.map,
						    .timer = bench.timer,
						    .row = &bench.row[i],
						    .notify = &notify,
						    .signaling = &bench.signaling,
						    .worker = i,
						    .peers = BENCH_PEERS};
		sessions_init(&bench.core[i], bench.now_us);
	}
}

void bench_begin(void)
{
	bench_end();
	memset(&bench, 0, sizeof(bench));
	bench.now_us = 1000 * US_PER_S;
	bench.address[0].addr = bench_addr("10.0.0.1");
	bench.address[0].len = 24;
	bench.address[1].addr = bench_addr("2001:db8::1");
	bench.address[1].len = 64;
	bench.port = (struct config_port){
	    .process = ROLE_MEDIA, .addresses = bench.address, .addresses_count = 2, .rtp_ports = {20000, 29999}};
	bench.config.ports = &bench.port;
	bench.config.ports_count = 1;
	bench.config.process[ROLE_MEDIA].workers_count = BENCH_WORKERS;
	bench.session = aligned_alloc(64, BENCH_SLOTS * sizeof(*bench.session));
	if (!bench.session)
		abort();
	memset(bench.session, 0, BENCH_SLOTS * sizeof(*bench.session));
	process_start();
}

void bench_kill(void)
{
	struct media_core *const cores[] = {&bench.core[0], &bench.core[1]};

	port_map_fini(&bench.map);
	process_start();
	sessions_restore(cores, BENCH_WORKERS, bench.now_us);
}

void bench_end(void)
{
	port_map_fini(&bench.map);
	free(bench.session);
	bench.session = NULL;
}

struct media_request bench_request(uint32_t slot, uint64_t id)
{
	struct media_request request = {.slot = slot, .id = id, .tos = 0xa0};

	for (unsigned int leg = 0; leg < LEG_COUNT; leg++) {
		struct media_leg_request *r = &request.leg[leg];

		r->local = bench_addr("10.0.0.1");
		r->local.port = (uint16_t)(20000 + 16 * slot + 8 * leg);
		r->remote = bench_addr(leg == LEG_CALLER ? "192.0.2.1:4000" : "192.0.2.2:5000");
		r->remote_rtcp = r->remote;
		r->remote_rtcp.port++;
		r->dtmf_payload_type = 101;
	}
	return request;
}

struct datagram bench_rtp(const struct net_addr *from, const struct net_addr *to, uint16_t seq, uint32_t ssrc)
{
	static uint8_t buffers[8][32]; /* some packets are kept back for a while */
	static unsigned int next;
	uint8_t *data = buffers[next++ % 8];
	uint32_t timestamp = seq * 160u;

	memset(data, 0, sizeof(buffers[0]));
	data[0] = 0x80;
	data[2] = (uint8_t)(seq >> 8);
	data[3] = (uint8_t)seq;
	for (int i = 0; i < 4; i++) {
		data[4 + i] = (uint8_t)(timestamp >> (24 - 8 * i));
		data[8 + i] = (uint8_t)(ssrc >> (24 - 8 * i));
	}
	return (struct datagram){.local = *to, .remote = *from, .data = data, .len = sizeof(buffers[0])};
}

enum relay_action bench_relay(struct datagram *d)
{
	struct relay_verdict verdict;
	struct relay_sum sum = {0};

	bench.now_us += 20000;
	relay_burst(&bench.core[0], d, &verdict, 1, bench.now_us);
	if (verdict.action == RELAY_SEND)
		relay_sent(&sum, &verdict);
	relay_count(&bench.core[0], &sum);
	return verdict.action;
}

void bench_sleep(uint64_t us)
{
	for (uint64_t end_us = bench.now_us + us; bench.now_us < end_us;) {
		bench.now_us += 100000;
		for (unsigned int i = 0; i < BENCH_WORKERS; i++)
			watch_sweep(&bench.core[i], bench.now_us);
	}
}

uint64_t bench_count(enum counter_id id)
{
	return bench.row[0].value[id];
}
