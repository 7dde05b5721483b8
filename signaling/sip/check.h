/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a user agent must refuse before it thinks about a message (RFC 3261 sections 8.1.3, 8.2, 16.3, 17, 18.2).
 * Pure functions over one message, any thread, no allocation.
 */
#ifndef TANDEM_SIGNALING_SIP_CHECK_H
#define TANDEM_SIGNALING_SIP_CHECK_H

#include "signaling/sip/message.h"

enum sip_verdict {
	SIP_ACCEPT = 0, /* go on with it */
	SIP_DROP,       /* no answer at all; why says what was wrong */
	SIP_RESPOND,    /* answer with code and reason, and the extra header where there is one */
};

#define SIP_CHECK_EXTRAS 8

/* Start line and headers of a request: its answer repeats them, perhaps, and has to say something of its own. */
#define SIP_CHECK_HEAD_MAX 60000

struct sip_check {
	uint8_t verdict;    /* enum sip_verdict */
	uint16_t code;      /* SIP_RESPOND */
	const char *reason; /* reason phrase, or for SIP_DROP why */
	/* An extra header: Unsupported (420), Allow (405), Accept or Accept-Encoding (415). SIP_H_OTHER = none. */
	uint8_t extra;
	uint8_t extra_count;
	struct sip_text extras[SIP_CHECK_EXTRAS];
	uint32_t allow; /* extra == SIP_H_ALLOW: bits 1 << enum sip_method */
};

/* What we are able to do. Borrowed. */
struct sip_abilities {
	const char *const *extensions; /* option tags we understand in Require, NULL-terminated */
	uint32_t methods;              /* bits 1 << enum sip_method that we serve */
	uint32_t schemes;              /* bits 1 << enum sip_scheme accepted in a Request-URI */
};

/*
 * Judge what sip_message_parse() made of a datagram, defective or not. An ACK is never answered: SIP_DROP instead of
 * SIP_RESPOND. The order of the tests: syntax, length, what any answer needs (mandatory headers), then section 8.2's:
 * method, Request-URI, numbers, Contacts, Require, body.
 */
void sip_check_request(struct sip_check *out, struct sip_message *msg, const struct sip_abilities *abilities);

/* A response is accepted or dropped (section 18.1.2: a malformed one is discarded). */
void sip_check_response(struct sip_check *out, struct sip_message *msg);

struct sip_builder;
/* Write the extra header, if any (between sip_build_response() and the end of the headers). */
void sip_check_build_extra(const struct sip_check *check, struct sip_builder *b);

#endif
