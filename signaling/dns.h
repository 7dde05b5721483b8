/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS messages (RFC 1035, RFC 2782, RFC 6891): a question is written, and the answer to it is read. Nothing here sends,
 * waits or allocates; what comes from the network is judged before a byte of it counts.
 */
#ifndef TANDEM_SIGNALING_DNS_H
#define TANDEM_SIGNALING_DNS_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

#define DNS_NAME    254u  /* with its terminating zero */
#define DNS_MESSAGE 1232u /* the longest answer we ask for: no path breaks it up */
#define DNS_RECORDS 32u   /* of one answer, as many as are taken */

enum dns_type { DNS_A = 1, DNS_AAAA = 28, DNS_SRV = 33 };

struct dns_question {
	uint16_t id;
	enum dns_type type;
	char name[DNS_NAME];
};

struct dns_record {
	struct net_addr addr; /* A, AAAA: without a port */
	uint16_t priority, weight, port;
	char target[DNS_NAME]; /* SRV; "." = none, by the owner's own word */
};

struct dns_answer {
	unsigned int count;
	uint32_t ttl_s;  /* the shortest of all that were used */
	const char *why; /* it has nothing, for a log: "NXDOMAIN"; NULL while it has something */
	struct dns_record record[DNS_RECORDS];
};

/* Is it a name that can be asked for: labels of letters, digits, '-' and '_', the last not a number? */
bool dns_name_is_good(const char *name);

/* Length of the message, or -EINVAL: no such name. */
int dns_question_write(const struct dns_question *question, uint8_t *out, size_t size);

/*
 * 0: answered; count may be 0 (no such name, or nothing of this type there).
 * -EBADMSG: not an answer to this question: forget it. -EIO: the server could not say, or said too much for one
 * datagram: ask another one.
 */
int dns_answer_read(const struct dns_question *question, const uint8_t *data, size_t len, struct dns_answer *answer);

#endif
