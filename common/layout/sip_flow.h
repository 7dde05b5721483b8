/* SPDX-License-Identifier: Apache-2.0 */
/* Where a SIP message came from, or is to go to. */
#ifndef TANDEM_COMMON_LAYOUT_SIP_FLOW_H
#define TANDEM_COMMON_LAYOUT_SIP_FLOW_H

#include <assert.h>
#include <stdint.h>

#include "common/addr.h"

struct sip_flow {
	uint32_t port;         /* index in ports_open()'s array, the order of the configuration's signaling ports */
	struct net_addr local; /* ours: address and SIP port */
	struct net_addr remote;
};
static_assert(sizeof(struct sip_flow) == 44, "stored in shared memory");

#endif
