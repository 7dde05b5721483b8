/* SPDX-License-Identifier: Apache-2.0 */
/* Two media workers over one session table in ordinary memory, a clock and a record of what they told signaling. */
#ifndef TANDEM_TESTS_MEDIA_BENCH_H
#define TANDEM_TESTS_MEDIA_BENCH_H

#include "media/relay.h"
#include "media/session.h"

#define BENCH_SLOTS   8
#define BENCH_WORKERS 2
#define BENCH_PEERS   2

struct bench {
	struct config config;
	struct config_port port;
	struct net_prefix address[2]; /* 10.0.0.1, 2001:db8::1 */
	struct port_map map;
	struct media_session *session; /* outlives bench_kill() */
	struct timer timer[BENCH_SLOTS];
	struct counter_row row[BENCH_WORKERS];
	struct media_core core[BENCH_WORKERS];
	struct process_status signaling;
	uint64_t now_us;
	bool full; /* the rings to signaling are */
	unsigned int started[LEG_COUNT], silent, resync, let_go;
	unsigned int kept, kept_freed; /* kept packets sent on, and dropped */
	uint16_t kept_sent[8];         /* their sequence numbers */
	struct net_addr kept_to;
	uint32_t silent_ms, dtmf_ms;
	char dtmf[32];
};

extern struct bench bench;

void bench_begin(void); /* a fresh table */
void bench_kill(void);  /* the process dies and starts again */
void bench_end(void);

struct net_addr bench_addr(const char *text);

/* A session in `slot` on worker 0: caller 192.0.2.1:4000 at our 10.0.0.1:20000 + 16 x slot, callee 192.0.2.2:5000 eight
 * above. */
struct media_request bench_request(uint32_t slot, uint64_t id);

/* An RTP packet, sequence number seq, time stamp 160 x seq, 20 octets of payload. */
struct datagram bench_rtp(const struct net_addr *from, const struct net_addr *to, uint16_t seq, uint32_t ssrc);

/* Through worker 0, 20 ms later. */
enum relay_action bench_relay(struct datagram *d);

/* Let time pass in steps of 100 ms. */
void bench_sleep(uint64_t us);

uint64_t bench_count(enum counter_id id); /* worker 0's */

#endif
