/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of SIP as numbers: methods, header names, status codes. Tables: method.def, header.def, status.def.
 * Pure functions, any thread.
 */
#ifndef TANDEM_SIGNALING_SIP_NAMES_H
#define TANDEM_SIGNALING_SIP_NAMES_H

#include "signaling/sip/text.h"

enum sip_method {
	SIP_METHOD_OTHER = 0, /* a method this codec has no number for; its text still tells it */
#define METHOD(id) SIP_##id,
#include "signaling/sip/method.def"
#undef METHOD
	SIP_METHOD_COUNT
};

enum sip_header_id {
#define HEADER(id, name, compact) SIP_H_##id,
#include "signaling/sip/header.def"
#undef HEADER
	SIP_H_OTHER, /* a header this codec has no number for */
	SIP_H_COUNT
};

enum sip_method sip_method_find(struct sip_text text);
const char *sip_method_text(enum sip_method method); /* "INVITE"; "" for SIP_METHOD_OTHER */

/* By full name or compact form, whatever the case of its letters. */
enum sip_header_id sip_header_find(struct sip_text name);
struct sip_text sip_header_name(enum sip_header_id id);  /* "Call-ID"; empty for SIP_H_OTHER */
struct sip_text sip_header_start(enum sip_header_id id); /* "Call-ID: ", the same up to the value */

/* The reason phrase for a code ("Bad Request"); an unknown code gets that of its class ("400" for 499). */
const char *sip_status_reason(unsigned int code);
/* "SIP/2.0 400 Bad Request" and its line end, for a code that has a phrase of its own; else empty. */
struct sip_text sip_status_line(unsigned int code);

#endif
