/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/ringback.h"

#include "signaling/call.h"

unsigned int ringback_code(const struct call *call, unsigned int code, struct sip_text *sdp)
{
	const struct config_mapping_gateway *customer = gateway_mapping(call->engine->snapshot, call->customer);
	enum ringback_rule rule;

	/* Where the offer is the callee's, its description has to be answered. */
	if (!customer || call->record->bodyless)
		return code;
	if (code == 180)
		rule = sdp->len ? customer->ringback.ringing_with_sdp : customer->ringback.ringing;
	else
		rule = sdp->len ? customer->ringback.progress_with_sdp : customer->ringback.progress;
	switch (rule) {
	case RINGBACK_180:
		*sdp = SIP_TEXT("");
		return 180;
	case RINGBACK_183:
		return 183;
	case RINGBACK_DROP:
		return 0;
	default:
		return code;
	}
}
