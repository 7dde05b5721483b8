/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ports without devices, "a" and "b", each sending into a ring from which the test takes the frames, looks at
 * them, and hands them to the other, or not. Time is the test's own.
 */
#ifndef TANDEM_TESTS_PORT_LAB_H
#define TANDEM_TESTS_PORT_LAB_H

#include <stdint.h>

#include "common/port/internal.h"
#include "tests/unit/check.h"

#define FRAMES 2048

struct side {
	struct port *port;
	struct port_queue *q;
	struct counter_row *row;
	struct net_addr ip4, ip6;
};

extern struct side a, b;
extern struct port_pools pools;
extern uint64_t now_us;
extern uint8_t payload[PORT_MAX_DATAGRAM]; /* random */

struct net_addr addr(const char *text);
/* gateway NULL: none. */
void side_open(struct side *s, const char *ip4, const char *ip6, const char *gateway, uint16_t id, uint16_t queues);
void open_both(void);
void close_both(void); /* and checks that no buffer is missing */
/* The frames that wait to go out; room for FRAMES. */
unsigned int take(struct side *s, struct rte_mbuf **frames);
unsigned int input(struct side *s, struct rte_mbuf **frames, unsigned int count, struct datagram *out);
/* All frames to the other side, to and fro until both are quiet; datagrams that came out are in `out`. */
unsigned int pump(struct datagram *out);
void advance(uint64_t us);
int send_text(struct side *from, const struct net_addr *local, const struct net_addr *remote, const void *data,
	      uint32_t len);
void get_acquainted(void); /* each knows the other's Ethernet addresses */
/* A datagram of that length from a to b, which sends it back. */
void exchange(const struct net_addr *local, const struct net_addr *remote, uint32_t len);
uint64_t count_of(const struct side *s, enum counter_id id);
void mend_checksum(uint8_t *frame); /* so that what is wrong behind the IPv4 header is reached */
int lab_main(const struct check_case *cases, int count);

#endif
