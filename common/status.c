/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"

#define STATUS_VERSION 3

void status_spec(struct segment_spec *spec)
{
	*spec = (struct segment_spec){
	    .name = "status",
	    .layout = SEGMENT_STATUS,
	    .version = STATUS_VERSION,
	    .item_size = sizeof(struct process_status),
	    .item_count = ROLE_COUNT,
	    .size = SEGMENT_HEADER + sizeof(struct status),
	};
}
