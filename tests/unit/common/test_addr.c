/* SPDX-License-Identifier: Apache-2.0 */
#include "common/addr.h"

#include <stdlib.h>

#include "tests/unit/check.h"

static struct net_addr parsed(const char *text)
{
	struct net_addr addr;

	CHECK_INT(net_addr_parse(&addr, text, strlen(text)), 0);
	return addr;
}

static void check_round_trip(const char *text, const char *expected, enum net_family family, unsigned int port)
{
	struct net_addr addr = parsed(text);
	char out[NET_ADDR_TEXT];

	CHECK_INT(addr.family, family);
	CHECK_INT(addr.port, port);
	CHECK_TEXT(out, net_addr_print(&addr, out), expected);
	CHECK_INT(strlen(out), strlen(expected));
}

static void reads_and_prints(void)
{
	check_round_trip("192.0.2.1", "192.0.2.1", NET_IP4, 0);
	check_round_trip("192.0.2.1:5060", "192.0.2.1:5060", NET_IP4, 5060);
	check_round_trip("0.0.0.0", "0.0.0.0", NET_IP4, 0);
	check_round_trip("255.255.255.255:65535", "255.255.255.255:65535", NET_IP4, 65535);
	check_round_trip("2001:db8::1", "2001:db8::1", NET_IP6, 0);
	check_round_trip("[2001:DB8:0:0::1]", "2001:db8::1", NET_IP6, 0);
	check_round_trip("[2001:db8::1]:1", "[2001:db8::1]:1", NET_IP6, 1);
	check_round_trip("[2001:db8:1111:2222:3333:4444:5555:6666]:65535",
			 "[2001:db8:1111:2222:3333:4444:5555:6666]:65535", NET_IP6, 65535);
	check_round_trip("::ffff:192.0.2.1", "::ffff:192.0.2.1", NET_IP6, 0);
}

static void refuses_what_is_none(void)
{
	static const char *const bad[] = {
	    "",
	    "host",
	    "192.0.2",
	    "192.0.2.256",
	    "192.0.2.1:",
	    "192.0.2.1:0",
	    "1.2.3.4:65536",
	    "1.2.3.4:99999",
	    "1.2.3.4:+1",
	    "1.2.3.4:5060x",
	    " 1.2.3.4",
	    "[1.2.3.4]:5060",
	    "[2001:db8::1",
	    "[]",
	    "[",
	    "2001:db8::g",
	    "[2001:db8::1]5060",
	    "[2001:db8::1]:",
	    "2001:db8::1%eth0",
	    "::1::",
	    "1.2.3.4:5060:1",
	};
	struct net_addr addr, none = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&addr, 0xff, sizeof(addr));
		if (net_addr_parse(&addr, bad[i], strlen(bad[i])) == 0) {
			printf("  '%s' was taken for an address\n", bad[i]);
			check_failures++;
		}
		CHECK(net_addr_equal(&addr, &none));
	}
	CHECK(net_addr_parse(&addr, "1.2.3.4\0junk", 12) < 0);
	CHECK_INT(net_addr_parse(&addr, "192.0.2.1:5060", 9), 0); /* only len bytes are read */
	CHECK_INT(addr.port, 0);
}

static void prefixes(void)
{
	struct net_prefix p;
	struct net_addr in = parsed("198.51.100.79:5061"), out = parsed("198.51.100.80:5061"),
			six = parsed("2001:db8:1::9");

	CHECK_INT(net_prefix_parse(&p, "198.51.100.64/28", 16), 0);
	CHECK_INT(p.len, 28);
	CHECK(net_prefix_contains(&p, &in));
	CHECK(!net_prefix_contains(&p, &out));
	CHECK(!net_prefix_contains(&p, &six));
	CHECK_INT(net_prefix_parse(&p, "198.51.100.79:5060", 18), 0);
	CHECK_INT(p.len, 32);
	CHECK(!net_prefix_contains(&p, &in)); /* another port */
	CHECK_INT(net_prefix_parse(&p, "0.0.0.0/0", 9), 0);
	CHECK(net_prefix_contains(&p, &in) && net_prefix_contains(&p, &out) && !net_prefix_contains(&p, &six));
	CHECK_INT(net_prefix_parse(&p, "2001:db8:1::10/64", 17), 0);
	CHECK(net_prefix_contains(&p, &six));
	CHECK_INT(net_prefix_parse(&p, "2001:db8:1::9/128", 17), 0);
	CHECK(net_prefix_contains(&p, &six));
	CHECK(net_prefix_parse(&p, "192.0.2.0/33", 12) < 0);
	CHECK(net_prefix_parse(&p, "192.0.2.0/", 10) < 0);
	CHECK(net_prefix_parse(&p, "192.0.2.0/2x", 12) < 0);
	CHECK(net_prefix_parse(&p, "2001:db8::/129", 14) < 0);
	CHECK(net_prefix_parse(&p, "2001:db8::/1280", 15) < 0);
	CHECK(net_prefix_parse(&p, "/24", 3) < 0);
	CHECK(net_prefix_parse(&p, "", 0) < 0);
}

static void compares(void)
{
	struct net_addr a = parsed("192.0.2.1:5060"), b = parsed("192.0.2.1:5061"), c = parsed("192.0.2.2:1");
	struct net_addr six = parsed("::1"), any4 = parsed("0.0.0.0:9"), any6 = parsed("::"), none = {0};

	CHECK(net_addr_equal(&a, &a) && !net_addr_equal(&a, &b));
	CHECK(net_addr_equal_ip(&a, &b) && !net_addr_equal_ip(&a, &c));
	CHECK(net_addr_compare(&a, &a) == 0);
	CHECK(net_addr_compare(&a, &b) < 0 && net_addr_compare(&b, &a) > 0);
	CHECK(net_addr_compare(&b, &c) < 0 && net_addr_compare(&c, &six) < 0);
	CHECK(net_addr_is_any(&any4) && net_addr_is_any(&any6) && !net_addr_is_any(&a) && !net_addr_is_any(&none));
	CHECK(!net_addr_equal_ip(&any4, &any6));
}

/* A hundred thousand neighbours must spread over the buckets as chance would have it. */
static void hash_spreads(void)
{
	static unsigned int bucket[4096];
	struct net_addr addr = parsed("10.0.0.0:5060");
	unsigned int fullest = 0;

	memset(bucket, 0, sizeof(bucket));
	for (unsigned int i = 0; i < 100000; i++) {
		addr.ip[1] = (uint8_t)(i >> 16);
		addr.ip[2] = (uint8_t)(i >> 8);
		addr.ip[3] = (uint8_t)i;
		if (++bucket[net_addr_hash(&addr) % 4096] > fullest)
			fullest = bucket[net_addr_hash(&addr) % 4096];
	}
	CHECK(fullest < 60); /* 24 on average */
	CHECK(net_addr_hash(&addr) == net_addr_hash(&addr));
	uint64_t before = net_addr_hash(&addr);
	addr.port++;
	CHECK(net_addr_hash(&addr) != before);
}

/* Random bytes and random cuts of good text: no crash, and what is accepted prints and reads back the same. */
static void survives_noise(void)
{
	static const char alphabet[] = "0123456789abcdef:.[]/%";

	srandom(1);
	for (int i = 0; i < 300000; i++) {
		char text[64], out[NET_ADDR_TEXT];
		size_t len = (size_t)random() % 24;
		struct net_addr addr, again;

		for (size_t k = 0; k < len; k++)
			text[k] = alphabet[(size_t)random() % (sizeof(alphabet) - 1)];
		if (net_addr_parse(&addr, text, len))
			continue;
		CHECK_INT(net_addr_parse(&again, out, net_addr_print(&addr, out)), 0);
		CHECK(net_addr_equal(&addr, &again));
	}
}

static const struct check_case cases[] = {
    {"reads and prints", reads_and_prints},
    {"refuses what is none", refuses_what_is_none},
    {"prefixes", prefixes},
    {"compares", compares},
    {"hash spreads", hash_spreads},
    {"survives noise", survives_noise},
};
CHECK_MAIN(cases)
