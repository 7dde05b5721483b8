/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An INVITE that is forked behind the callee's gateway brings descriptions of several phones (RFC 3261 section 12.1,
 * RFC 3960 section 3). The audio follows the one that spoke last; which of them has the call, its 200 says: often with
 * a description, else with that of its last provisional response. Of a call being set up: nothing outlives the process.
 */
#ifndef TANDEM_SIGNALING_FORK_H
#define TANDEM_SIGNALING_FORK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/layout/call_record.h"
#include "signaling/sip/message.h"

#define FORKS_LEFT 4u /* that are remembered beside the one which spoke last */

struct call;

struct forks {
	bool described;       /* somebody has sent a description in this attempt */
	uint32_t speaker;     /* who did so last: hash of the To tag */
	uint8_t left, oldest; /* how many entries of `said` stand, and which is overwritten next */
};

/* What a fork said before another did. */
struct fork_said {
	uint32_t fork;
	struct call_media media;
	char codec[18];
	struct call_text answer; /* as the caller gets it */
};

enum fork_answer { FORK_SILENT, FORK_SPOKE_LAST, FORK_TAKEN_BACK };

/* Hash of the tag that a response gives the callee. */
uint32_t fork_of(const struct call *call, struct sip_message *response);
/* A provisional response comes: should it describe something, what another fork has said is put aside... */
void fork_put_aside(struct call *call, struct sip_message *response);
/* ...and it does. */
void fork_has_spoken(struct call *call, struct sip_message *response);
/* A 200 without a description: is there one of this fork? When another spoke last, it stands in the record again. */
enum fork_answer fork_answers(struct call *call, struct sip_message *response);
void forks_forget(struct call *call);

#endif
