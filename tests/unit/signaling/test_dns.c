/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/dns.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/unit/check.h"

/* An answer as it is put together. */
struct message {
	uint8_t data[1024];
	size_t len;
};

static struct dns_question question = {.id = 0x1234, .type = DNS_A, .name = "sip.vendor.test"};
static struct dns_answer answer;

static void put(struct message *m, const void *data, size_t len)
{
	memcpy(m->data + m->len, data, len);
	m->len += len;
}

#define PUT(m, literal) put(m, literal, sizeof(literal) - 1)

static struct message begin(enum dns_type type, unsigned int answers)
{
	struct message m = {.len = 0};
	int len;

	question.type = type;
	len = dns_question_write(&question, m.data, sizeof(m.data));
	CHECK(len > 0);
	m.len = (size_t)len - 11; /* without EDNS */
	m.data[2] = 0x81;
	m.data[3] = 0x80;
	m.data[7] = (uint8_t)answers;
	m.data[11] = 0;
	return m;
}

/* In exactly the memory that it has, so that a sanitizer sees who reads beyond. */
static int parse(const struct message *m, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int error;

	memcpy(copy, m->data, len);
	error = dns_answer_read(&question, copy, len, &answer);
	free(copy);
	return error;
}

#define NAME "\xc0\x0c" /* that of the question */

static void addresses(void)
{
	struct message m = begin(DNS_A, 3);

	PUT(&m, NAME "\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1");
	PUT(&m, NAME "\0\1\0\1\0\0\0\x1e\0\4\xc0\0\2\2");
	PUT(&m, "\5other\0\0\1\0\1\0\0\0\1\0\4\xc0\0\2\3"); /* nobody asked for it */
	CHECK_INT(parse(&m, m.len), 0);
	CHECK_INT(answer.count, 2);
	CHECK_INT(answer.ttl_s, 30);
	CHECK(answer.record[1].addr.family == NET_IP4 && answer.record[1].addr.ip[3] == 2);
	m = begin(DNS_AAAA, 1);
	PUT(&m, NAME "\0\x1c\0\1\xff\0\0\1\0\x10\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1");
	CHECK_INT(parse(&m, m.len), 0);
	CHECK(answer.count == 1 && answer.record[0].addr.family == NET_IP6 && answer.ttl_s == 0);
}

static void aliases(void)
{
	struct message m = begin(DNS_A, 3);

	PUT(&m, "\1b\0\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\7");
	PUT(&m, NAME "\0\5\0\1\0\0\0\7\0\3\1a\0");
	PUT(&m, "\1A\0\0\5\0\1\0\0\0\x9\0\3\1b\0");
	CHECK_INT(parse(&m, m.len), 0);
	CHECK(answer.count == 1 && answer.record[0].addr.ip[3] == 7 && answer.ttl_s == 7);
	/* Two that name each other end somewhere. */
	m = begin(DNS_A, 2);
	PUT(&m, NAME "\0\5\0\1\0\0\0\7\0\3\1a\0");
	PUT(&m, "\1a\0\0\5\0\1\0\0\0\x9\0\2" NAME);
	CHECK_INT(parse(&m, m.len), 0);
	CHECK_INT(answer.count, 0);
}

static void services(void)
{
	struct message m = begin(DNS_SRV, 2);

	PUT(&m, NAME "\0\x21\0\1\0\0\0\x3c\0\xd\0\xa\0\5\x13\xc4\4node" NAME);
	PUT(&m, NAME "\0\x21\0\1\0\0\0\x3c\0\7\0\0\0\0\0\0\0");
	CHECK_INT(parse(&m, m.len), 0);
	CHECK_INT(answer.count, 2);
	CHECK(answer.record[0].priority == 10 && answer.record[0].weight == 5 && answer.record[0].port == 5060);
	CHECK(strcmp(answer.record[0].target, "node.sip.vendor.test") == 0);
	CHECK(strcmp(answer.record[1].target, ".") == 0);
}

static void not_answers(void)
{
	struct message m = begin(DNS_A, 1), other;

	PUT(&m, NAME "\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1");
	other = m;
	other.data[1] ^= 1; /* another id */
	CHECK_INT(parse(&other, other.len), -EBADMSG);
	other = m;
	other.data[2] &= 0x7f; /* a question */
	CHECK_INT(parse(&other, other.len), -EBADMSG);
	other = m;
	other.data[13] = 'x'; /* for another name */
	CHECK_INT(parse(&other, other.len), -EBADMSG);
	other = m;
	other.data[14] = 'I'; /* the same name, in other letters */
	CHECK_INT(parse(&other, other.len), 0);
	other = m;
	other.data[2] |= 2; /* cut off */
	CHECK_INT(parse(&other, other.len), -EIO);
	CHECK(strcmp(answer.why, "an answer too long for a datagram") == 0);
	other = m;
	other.data[3] |= 2; /* the server failed */
	CHECK_INT(parse(&other, other.len), -EIO);
	CHECK(strcmp(answer.why, "SERVFAIL") == 0);
	other.data[3] = 0x8f; /* nobody knows what */
	CHECK_INT(parse(&other, other.len), -EIO);
	CHECK(strcmp(answer.why, "an error") == 0);
	other.data[3] = 0x83; /* no such name */
	CHECK_INT(parse(&other, other.len), 0);
	CHECK_INT(answer.count, 0);
	CHECK(strcmp(answer.why, "NXDOMAIN") == 0);
	other = begin(DNS_A, 0);
	CHECK_INT(parse(&other, other.len), 0);
	CHECK(strcmp(answer.why, "no such record") == 0);
	CHECK(parse(&m, m.len) == 0 && answer.why == NULL);
	CHECK_INT(parse(&m, m.len - 1), -EBADMSG);
}

/* Cut anywhere, and with any byte changed: it ends, and touches nothing that is not there. */
static void broken(void)
{
	struct message m = begin(DNS_SRV, 3);

	PUT(&m, NAME "\0\x21\0\1\0\0\0\x3c\0\xd\0\xa\0\5\x13\xc4\4node" NAME);
	PUT(&m, NAME "\0\5\0\1\0\0\0\7\0\3\1a\0");
	PUT(&m, "\1a\0\0\x21\0\1\0\0\0\x3c\0\x9\0\0\0\0\0\0\1b\0");
	for (size_t len = 0; len < m.len; len++)
		CHECK(parse(&m, len) != 0);
	for (size_t at = 0; at < m.len; at++)
		for (unsigned int value = 0; value < 256; value++) {
			struct message changed = m;

			changed.data[at] = (uint8_t)value;
			parse(&changed, changed.len);
			CHECK(answer.count <= DNS_RECORDS);
		}
}

static void names(void)
{
	static const char *const good[] = {"a", "sip.example.net", "a-b_c.1x", "10.0.0.1.example"};
	static const char *const bad[] = {"", ".", "a..b", ".a", "10.0.0.1", "1", "a b", "a.1", "a/b"};
	char label[80] = "";

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(dns_name_is_good(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!dns_name_is_good(bad[i]));
	memset(label, 'a', 64);
	CHECK(!dns_name_is_good(label));
	label[63] = '\0';
	CHECK(dns_name_is_good(label));
}

static const struct check_case cases[] = {
    {"addresses", addresses},     {"aliases", aliases}, {"services", services},
    {"no answers", not_answers}, {"broken", broken},   {"names", names},
};
CHECK_MAIN(cases)
