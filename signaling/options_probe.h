/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a vendor there? OPTIONS outside a dialog (RFC 3261 section 11) to each routing gateway that has a `probe`, every
 * `interval` seconds. Any final response but one of `down_codes` says yes: a 404 comes from somebody who lives. So many
 * failures in a row (`down_after`) take it out of the choice, so many answers (`up_after`) put it back. One probe at a
 * time: one that stands unanswered when the next is due has failed. Of several addresses of a name the next one is
 * probed then, so that a gateway is down when none answers.
 *
 * A gateway is probed by one worker, id modulo workers; all others read party->down. What was found lies in the
 * gateways segment, so that a killed process goes on with it: a vendor that was down is not called after a restart
 * before it has answered.
 */
#ifndef TANDEM_SIGNALING_OPTIONS_PROBE_H
#define TANDEM_SIGNALING_OPTIONS_PROBE_H

#include "signaling/engine.h"

/* A routing gateway's, made with its party; touched by the worker that probes it, and by nobody else. */
struct options_probe {
	struct timer next;
	struct transaction *transaction; /* under way; NULL: none */
	struct engine *engine;
	uint32_t id; /* party */
	uint32_t cseq;
	uint8_t tried; /* addresses that did not answer: the next probe goes to another, if there is one */
	uint64_t sent_us;
};

/* Once per poll: begins with the gateways of a configuration that has just been put in force. */
void options_probes_step(struct engine *engine);

#endif
