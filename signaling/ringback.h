/* SPDX-License-Identifier: Apache-2.0 */
/* What a customer hears while it waits: its rules for provisional responses (`ringback:` of a mapping gateway). */
#ifndef TANDEM_SIGNALING_RINGBACK_H
#define TANDEM_SIGNALING_RINGBACK_H

#include "signaling/sip/text.h"

struct call;

/*
 * What this response of the callee's is for the caller: its code, and *sdp emptied where the description is not for
 * it; 0: nothing. The set-up time-outs go by what the callee said.
 */
unsigned int ringback_code(const struct call *call, unsigned int code, struct sip_text *sdp);

#endif
