/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966). Slices point into the text that was parsed.
 * Pure functions, any thread, no allocation.
 */
#ifndef TANDEM_SIGNALING_SIP_URI_H
#define TANDEM_SIGNALING_SIP_URI_H

#include "signaling/sip/text.h"

enum sip_scheme { SIP_SCHEME_OTHER = 0, SIP_SCHEME_SIP, SIP_SCHEME_SIPS, SIP_SCHEME_TEL };

enum sip_transport {
	SIP_TRANSPORT_NONE = 0,
	SIP_TRANSPORT_UDP,
	SIP_TRANSPORT_TCP,
	SIP_TRANSPORT_TLS,
	SIP_TRANSPORT_SCTP,
	SIP_TRANSPORT_WS,
	SIP_TRANSPORT_WSS,
	SIP_TRANSPORT_OTHER
};

struct sip_uri {
	struct sip_text text;        /* all of it */
	struct sip_text scheme_text; /* "sip" */
	struct sip_text user;     /* escaped as it came (sip_unescape); for tel: the subscriber; at NULL when absent */
	struct sip_text password; /* at NULL when absent */
	struct sip_text host;     /* without the brackets of an IPv6 reference; empty for tel: */
	struct sip_text params;   /* ";transport=udp;lr" with its first semicolon, or empty */
	struct sip_text headers;  /* after the '?', or empty */
	struct sip_text user_param; /* value of user=, or at NULL */
	struct sip_text maddr;      /* value of maddr=, or at NULL */
	uint16_t port;              /* 0 = none written */
	uint8_t ttl;                /* 0 = none written */
	uint8_t scheme;             /* enum sip_scheme */
	uint8_t transport;          /* enum sip_transport */
	bool host_is_ip6;           /* it stood in brackets */
	bool lr;                    /* loose routing */
	bool user_is_phone;         /* user=phone */
};

/*
 * Parse text as a URI: 0, or -EINVAL. A scheme that is none of ours gives 0 and SIP_SCHEME_OTHER with only text and
 * scheme_text set (the caller answers 416). White space inside is an error.
 */
int sip_uri_parse(struct sip_uri *uri, struct sip_text text);

/*
 * Next parameter of a ";name=value;flag" list. *params starts as the list and is moved along; value.at is NULL for
 * a flag; the quotes of a quoted value are taken off. Returns 1, 0 at the end, -EINVAL where the list is malformed.
 */
int sip_param_next(struct sip_text *params, struct sip_text *name, struct sip_text *value);

/* Find a parameter by name (letters of any case): true with its value, whose at is NULL for a flag. */
bool sip_param_find(struct sip_text params, const char *name, struct sip_text *value);

/* "UDP" in letters of any case; SIP_TRANSPORT_OTHER for what has no number. */
enum sip_transport sip_transport_find(struct sip_text text);

/*
 * Read "host[:port]" at *at and move *at behind it (a following ':' after white space belongs to it). The host comes
 * without its brackets; port 0 = none written. 0 or -EINVAL.
 */
int sip_hostport_parse(const char **at, const char *end, struct sip_text *host, uint16_t *port, bool *is_ip6);

/*
 * Equality of two SIP/SIPS URIs by RFC 3261 section 19.1.4, or of two tel: URIs by RFC 3966 section 4. Of one with more
 * than 32 parameters or headers: byte for byte.
 */
bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b);

/* Decode %HH into out. Returns the length, or -EMSGSIZE (did not fit), or -EINVAL (a stray '%'). NULs may come out. */
int sip_unescape(struct sip_text text, char *out, size_t size);

/*
 * The number or name dialled: the user part decoded, without its parameters (";phone-context=") and, for telephone
 * numbers ("+" or digits), without visual separators ("-.()"). Returns the length or a negative error as above.
 */
int sip_uri_number(const struct sip_uri *uri, char *out, size_t size);

#endif
