/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any datagram from a name server: as it is, and as an answer to the question that was asked, so that what is behind
 * the question is reached. First byte: the type asked for; then flags (2), counts (6), and the records.
 */
#include "signaling/dns.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 12u
#define OPT    11u /* EDNS: not in the answer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check(const struct dns_question *question, const uint8_t *message, size_t len)
{
	static struct dns_answer answer;

	if (dns_answer_read(question, message, len, &answer) != 0)
		return;
	must(answer.count <= DNS_RECORDS);
	for (unsigned int i = 0; i < answer.count; i++) {
		const struct dns_record *record = &answer.record[i];

		must(answer.ttl_s <= INT32_MAX);
		if (question->type == DNS_SRV)
			must(record->target[0] != '\0' && memchr(record->target, '\0', DNS_NAME) != NULL);
		else
			must(record->addr.family == (question->type == DNS_A ? NET_IP4 : NET_IP6) &&
			     !net_addr_is_any(&record->addr));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_SRV};
	struct dns_question question = {.id = 0x1234, .name = "sip.vendor.test"};
	uint8_t message[4096];
	int len;

	if (size < 9)
		return 0;
	question.type = types[data[0] % 3];
	check(&question, data + 1, size - 1);
	len = dns_question_write(&question, message, sizeof(message)) - (int)OPT;
	must(len > (int)HEADER && dns_name_is_good(question.name));
	memcpy(message + 2, data + 1, 2);
	memcpy(message + 6, data + 3, 6);
	size = size - 9 < sizeof(message) - (size_t)len ? size - 9 : sizeof(message) - (size_t)len;
	memcpy(message + len, data + 9, size);
	check(&question, message, (size_t)len + size);
	return 0;
}
