/* SPDX-License-Identifier: Apache-2.0 */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* Longest text of an address with port and brackets, without the zero. */
#define TEXT_MAX (NET_ADDR_TEXT - 1)

/* Digits only, 1 to 65535. */
static int parse_port(uint16_t *port, const char *text, size_t len)
{
	unsigned int value = 0;

	if (len == 0 || len > 5)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		value = value * 10 + (unsigned int)(text[i] - '0');
	}
	if (value == 0 || value > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)value;
	return 0;
}

/* Four numbers up to 255 without leading zeros, as inet_pton() wants them, many times faster. */
static int parse_ip4(struct net_addr *addr, const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	memset(addr, 0, sizeof(*addr));
	for (int i = 0; i < 4; i++, at++) {
		unsigned int value = 0, digit, digits = 0;

		for (; at < end && (digit = (unsigned char)*at - (unsigned int)'0') <= 9 && digits < 4; at++, digits++)
			value = value * 10 + digit;
		if (digits == 0 || value > 255 || (digits > 1 && at[-(int)digits] == '0'))
			return -EINVAL;
		if (i < 3 ? at == end || *at != '.' : at != end)
			return -EINVAL;
		addr->ip[i] = (uint8_t)value;
	}
	addr->family = NET_IP4;
	return 0;
}

static int parse_ip6(struct net_addr *addr, const char *text, size_t len)
{
	char buffer[NET_ADDR_TEXT];

	if (len == 0 || len > TEXT_MAX || memchr(text, '\0', len))
		return -EINVAL;
	memcpy(buffer, text, len);
	buffer[len] = '\0';
	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET6, buffer, addr->ip) != 1)
		return -EINVAL;
	addr->family = NET_IP6;
	return 0;
}

static int parse_bracketed(struct net_addr *addr, const char *text, size_t len)
{
	const char *close = memchr(text, ']', len);
	size_t inside, rest;

	if (!close)
		return -EINVAL;
	inside = (size_t)(close - text) - 1;
	rest = len - inside - 2;
	if (parse_ip6(addr, text + 1, inside))
		return -EINVAL;
	if (rest == 0)
		return 0;
	return close[1] == ':' ? parse_port(&addr->port, close + 2, rest - 1) : -EINVAL;
}

int net_addr_parse(struct net_addr *addr, const char *text, size_t len)
{
	const char *colon;
	size_t head;
	int error;

	memset(addr, 0, sizeof(*addr));
	if (len == 0 || len > TEXT_MAX)
		return -EINVAL;
	if (text[0] == '[') {
		error = parse_bracketed(addr, text, len);
	} else {
		colon = memchr(text, ':', len);
		head = colon ? (size_t)(colon - text) : len;
		if (colon && memchr(colon + 1, ':', len - head - 1)) {
			error = parse_ip6(addr, text, len);
		} else {
			error = parse_ip4(addr, text, head);
			if (!error && colon)
				error = parse_port(&addr->port, colon + 1, len - head - 1);
		}
	}
	if (error)
		memset(addr, 0, sizeof(*addr));
	return error;
}

int net_prefix_parse(struct net_prefix *prefix, const char *text, size_t len)
{
	const char *slash = len ? memchr(text, '/', len) : NULL;
	size_t head = slash ? (size_t)(slash - text) : len;
	unsigned int bits = 0, most;
	int error;

	memset(prefix, 0, sizeof(*prefix));
	error = net_addr_parse(&prefix->addr, text, head);
	if (error)
		return error;
	most = prefix->addr.family == NET_IP4 ? 32 : 128;
	prefix->len = (uint8_t)most;
	if (!slash)
		return 0;
	if (len - head < 2 || len - head > 4)
		return -EINVAL;
	for (const char *c = slash + 1; c < text + len; c++) {
		if (*c < '0' || *c > '9')
			return -EINVAL;
		bits = bits * 10 + (unsigned int)(*c - '0');
	}
	if (bits > most)
		return -EINVAL;
	prefix->len = (uint8_t)bits;
	return 0;
}

/* At most five digits. */
static size_t print_number(char *out, unsigned int value)
{
	size_t count = value < 10 ? 1 : value < 100 ? 2 : value < 1000 ? 3 : value < 10000 ? 4 : 5;

	for (size_t i = count; i-- > 0; value /= 10)
		out[i] = (char)('0' + value % 10);
	return count;
}

/* The numbers up to 255, so that an address is printed without a division. */
#define TEN(tens) tens "0", tens "1", tens "2", tens "3", tens "4", tens "5", tens "6", tens "7", tens "8", tens "9"
static const char octets[256][4] = {
    TEN(""),   TEN("1"),  TEN("2"),  TEN("3"),  TEN("4"),  TEN("5"),  TEN("6"),  TEN("7"),  TEN("8"),
    TEN("9"),  TEN("10"), TEN("11"), TEN("12"), TEN("13"), TEN("14"), TEN("15"), TEN("16"), TEN("17"),
    TEN("18"), TEN("19"), TEN("20"), TEN("21"), TEN("22"), TEN("23"), TEN("24"), "250",     "251",
    "252",     "253",     "254",     "255",
};
#undef TEN

static size_t print_octet(char *out, uint8_t value)
{
	memcpy(out, octets[value], sizeof(octets[value]));
	return 1u + (value > 9) + (value > 99);
}

size_t net_addr_print_ip(const struct net_addr *addr, char out[static NET_ADDR_TEXT])
{
	size_t len = 0;

	if (addr->family == NET_IP4) {
		for (int i = 0; i < 4; i++) {
			if (i)
				out[len++] = '.';
			len += print_octet(out + len, addr->ip[i]);
		}
	} else if (addr->family == NET_IP6) {
		inet_ntop(AF_INET6, addr->ip, out, NET_ADDR_TEXT);
		return strlen(out);
	} else {
		out[len++] = '-';
	}
	out[len] = '\0';
	return len;
}

size_t net_addr_print(const struct net_addr *addr, char out[static NET_ADDR_TEXT])
{
	char ip[NET_ADDR_TEXT];
	size_t len;

	if (addr->port == 0 || addr->family == NET_NONE)
		return net_addr_print_ip(addr, out);
	if (addr->family == NET_IP4) {
		len = net_addr_print_ip(addr, out);
	} else {
		len = net_addr_print_ip(addr, ip);
		out[0] = '[';
		memcpy(out + 1, ip, len);
		out[len + 1] = ']';
		len += 2;
	}
	out[len++] = ':';
	len += print_number(out + len, addr->port);
	out[len] = '\0';
	return len;
}

bool net_addr_equal(const struct net_addr *a, const struct net_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool net_addr_equal_ip(const struct net_addr *a, const struct net_addr *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

int net_addr_compare(const struct net_addr *a, const struct net_addr *b)
{
	int order;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	order = memcmp(a->ip, b->ip, sizeof(a->ip));
	if (order)
		return order;
	return (a->port > b->port) - (a->port < b->port);
}

bool net_prefix_contains(const struct net_prefix *prefix, const struct net_addr *addr)
{
	unsigned int whole = prefix->len / 8, bits = prefix->len % 8;
	uint8_t mask = (uint8_t)(0xff00u >> bits);

	if (prefix->addr.family != addr->family || (prefix->addr.port && prefix->addr.port != addr->port))
		return false;
	if (whole > sizeof(addr->ip) || memcmp(prefix->addr.ip, addr->ip, whole) != 0)
		return false;
	return bits == 0 || ((prefix->addr.ip[whole] ^ addr->ip[whole]) & mask) == 0;
}

static uint64_t hash_key[4];

__attribute__((constructor)) static void hash_key_init(void)
{
	if (getrandom(hash_key, sizeof(hash_key), 0) != sizeof(hash_key))
		__builtin_trap(); /* a guessable key would let a flood aim at one bucket */
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t net_addr_hash(const struct net_addr *addr)
{
	uint64_t high, low, rest = ((uint64_t)addr->family << 16) | addr->port;

	memcpy(&high, addr->ip, 8);
	memcpy(&low, addr->ip + 8, 8);
	return fold(fold(high ^ hash_key[0], low ^ hash_key[1]) ^ hash_key[2], rest ^ hash_key[3]);
}

bool net_addr_is_any(const struct net_addr *addr)
{
	static const uint8_t zero[sizeof(addr->ip)];

	return addr->family != NET_NONE && memcmp(addr->ip, zero, sizeof(zero)) == 0;
}
