/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every peer was told, and said, of every call: at the end each knows that it is over, and what the record says of
 * it is what they saw.
 */
#ifndef TANDEM_TESTS_FUZZ_CALL_LEDGER_H
#define TANDEM_TESTS_FUZZ_CALL_LEDGER_H

#include "tests/unit/signaling/lab.h"

void expect(bool ok, const char *what); /* else the input is a finding */

void ledger_begin(void);
/* Take note of what a peer is about to say... */
void ledger_hear(struct lab *lab, const char *data, size_t len);
/* ...and of what has been sent since the last time. */
void ledger_note(struct lab *lab);
/* Is it a 2xx without its ACK, which would come again? */
bool ledger_awaits_ack(const char *data, size_t len);
/* All is over, and time enough has passed: nothing is left anywhere. */
void ledger_check(struct lab *lab);

#endif
