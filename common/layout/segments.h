/* SPDX-License-Identifier: Apache-2.0 */
/* All shared memory of a node, as its configuration asks for: what `tandemctl segments create` makes. */
#ifndef TANDEM_COMMON_LAYOUT_SEGMENTS_H
#define TANDEM_COMMON_LAYOUT_SEGMENTS_H

#include "common/config.h"
#include "common/segment.h"

/* 0 with an array that the caller frees, or -ENOMEM. The tables first, then the rings. */
int segments_specs(const struct config *config, struct segment_spec **specs, unsigned int *count);

#endif
