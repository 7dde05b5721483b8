/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The identifiers that the switch itself puts into messages: tags and branches. They carry the worker's number (so
 * that a datagram finds its worker) and where on that worker the thing is (so that nothing is looked up), and
 * something made with our secret key, so that a stranger cannot make one up: a tag a check value, a branch its serial.
 *
 *   tag     w<worker 2><slot 8><nonce 8><check 8>           all hexadecimal
 *   branch  z9hG4bKt<worker 2><index 8><serial 16>
 */
#ifndef TANDEM_SIGNALING_IDENTIFIER_H
#define TANDEM_SIGNALING_IDENTIFIER_H

#include <stdbool.h>
#include <stdint.h>

#include "signaling/sip/text.h"

#define IDENTIFIER_TAG       27
#define IDENTIFIER_BRANCH    34
#define IDENTIFIER_NO_SLOT   UINT32_MAX       /* a tag of an answer that belongs to no call */
#define IDENTIFIER_SHED_SLOT (UINT32_MAX - 1) /* likewise, and to no transaction (overload.h) */

struct identifier_tag {
	unsigned int worker;
	uint32_t slot, nonce;
};

struct identifier_branch {
	unsigned int worker;
	uint32_t index;
	uint64_t serial;
};

void identifier_tag_print(const struct identifier_tag *tag, const uint8_t key[16], char out[static IDENTIFIER_TAG]);
/* 0, or -EINVAL: not one of ours. key NULL = its check value is not looked at. */
int identifier_tag_parse(struct identifier_tag *tag, const uint8_t key[16], struct sip_text text);

void identifier_branch_print(const struct identifier_branch *branch, char out[static IDENTIFIER_BRANCH]);
int identifier_branch_parse(struct identifier_branch *branch, struct sip_text text);

/* Where the slot stands in a tag, and the index in a branch; and reading it alone. False: no number. */
#define IDENTIFIER_TAG_SLOT     3
#define IDENTIFIER_BRANCH_INDEX 10
bool identifier_peek(const char *at, uint32_t *value);
/* Do its first bytes (eight at least) say that it is a branch of ours? */
bool identifier_is_branch(const char *at);

#endif
