/* SPDX-License-Identifier: Apache-2.0 */
/*
 * We register at a vendor (RFC 3261 section 10.2): for each routing gateway with a `register` section a REGISTER,
 * refreshed before what was granted runs out. One worker keeps it up, the gateway's id modulo workers.
 *
 *   trying      a REGISTER is under way: at once after a start, and again with credentials (401, 407: client_auth.h) or
 * a longer expiry (423) registered  the timer says when to refresh failed      no answer, 408, 480, 5xx, a redirect to
 * nowhere: waits `retry` seconds, twice as long each time up to half an hour, a random half of it left out (RFC 5626
 * section 4.5), Retry-After obeyed refused     3xx, other 4xx, 6xx: no use in asking again soon, and harm where
 * attempts are counted: half an hour
 *
 * A registration that stands goes on standing through failures until it expires. After a kill a new life registers
 * anew, under another Call-ID; our Contact is the same, so the old binding is replaced. What the configuration no
 * longer has is taken back with "Expires: 0".
 */
#ifndef TANDEM_SIGNALING_REGISTER_CLIENT_H
#define TANDEM_SIGNALING_REGISTER_CLIENT_H

#include "signaling/engine.h"

/* Once per poll: what a new configuration asks for begins, and what it no longer has ends. */
void register_clients_step(struct engine *engine);

#endif
