/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One address type for every datagram, IPv4 or IPv6 (never a bare uint32_t).
 *
 * Plain values: copy, compare and store them freely, in shared memory too.
 * Any thread may call anything here; nothing allocates.
 */
#ifndef TANDEM_COMMON_ADDR_H
#define TANDEM_COMMON_ADDR_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum net_family { NET_NONE = 0, NET_IP4 = 4, NET_IP6 = 6 };

struct net_addr {
	uint8_t ip[16];  /* network order; IPv4 uses the first four, the rest is zero */
	uint16_t port;   /* host order; 0 = no port */
	uint8_t family;  /* enum net_family */
	uint8_t pad;     /* always zero, so that whole values compare with memcmp */
};
static_assert(sizeof(struct net_addr) == 20, "stored in shared memory");

struct net_prefix {
	struct net_addr addr; /* host bits as written; port 0 = any port */
	uint8_t len;          /* 0-32 or 0-128 */
};

/* "[2001:db8::1]:65535" and its terminating zero. */
#define NET_ADDR_TEXT 56

/*
 * Read an address from text[0..len): "192.0.2.1", "192.0.2.1:5060", "2001:db8::1", "[2001:db8::1]:5060".
 * Returns 0, or -EINVAL when it is no address (a host name, say).
 */
int net_addr_parse(struct net_addr *addr, const char *text, size_t len);

/* As above with an optional "/length"; without one the prefix is the single address. */
int net_prefix_parse(struct net_prefix *prefix, const char *text, size_t len);

/* Write "ip:port" ("[ip]:port", no port when it is 0) and a zero; returns the length. */
size_t net_addr_print(const struct net_addr *addr, char out[static NET_ADDR_TEXT]);

/* Write the address alone: no port, no brackets; returns the length. */
size_t net_addr_print_ip(const struct net_addr *addr, char out[static NET_ADDR_TEXT]);

bool net_addr_equal(const struct net_addr *a, const struct net_addr *b);    /* address and port */
bool net_addr_equal_ip(const struct net_addr *a, const struct net_addr *b); /* address alone */
int net_addr_compare(const struct net_addr *a, const struct net_addr *b);   /* a total order */
bool net_prefix_contains(const struct net_prefix *prefix, const struct net_addr *addr);
uint64_t net_addr_hash(const struct net_addr *addr); /* address and port; keyed per process against flooding */

/* True for 0.0.0.0 and ::, which SDP uses for "on hold". */
bool net_addr_is_any(const struct net_addr *addr);

#endif
