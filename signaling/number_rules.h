/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as a gateway wants them: an ordered list of rules, of which the first that fits decides. What fits is said by
 * prefix, suffix and length alone, so that a number costs as many steps as there are rules, whatever it looks like.
 */
#ifndef TANDEM_SIGNALING_NUMBER_RULES_H
#define TANDEM_SIGNALING_NUMBER_RULES_H

#include "common/config.h"
#include "signaling/sip/text.h"

/*
 * `out` has room for `size` bytes; what does not fit is left out. Returns the length. A text with anything in it but
 * digits, +, * and # (a user's name, "anonymous") is no number and stays as it is. rewrite NULL = no change.
 */
size_t number_rewrite(const struct config_rewrite *rewrite, struct sip_text number, char *out, size_t size);

#endif
