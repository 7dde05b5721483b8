/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What our parser and libosip2 make of the same message: method or status, Call-ID, CSeq, tags, the top Via and the
 * numbers of Vias, Contacts, Routes and Record-Routes.
 */
#ifndef TANDEM_TESTS_FUZZ_OSIP_COMPARE_H
#define TANDEM_TESTS_FUZZ_OSIP_COMPARE_H

#include <osipparser2/osip_parser.h>

#include "signaling/sip/message.h"

typedef void (*osip_differs)(const char *what, const char *ours, const char *theirs);

extern int osip_compared; /* values so far */

void osip_compare_init(osip_differs on_difference);
void osip_compare(struct sip_message *ours, osip_message_t *theirs);
void osip_same_number(const char *what, long ours, long theirs);

#endif
