/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in a header: one struct and one parse function for each kind of value. Slices point into the text
 * that was parsed and live as long as it does. Each returns 0 or -EINVAL (-ERANGE for a number that is too large)
 * and touches nothing but *out. Pure functions, any thread, no allocation.
 */
#ifndef TANDEM_SIGNALING_SIP_FIELDS_H
#define TANDEM_SIGNALING_SIP_FIELDS_H

#include "signaling/sip/names.h"
#include "signaling/sip/uri.h"

/* Via: SIP/2.0/UDP host:port;branch=... (RFC 3261 section 20.42, rport: RFC 3581). One value, not the whole list. */
struct sip_via {
	struct sip_text text;           /* the value as it came */
	struct sip_text protocol;       /* "SIP/2.0" as it came */
	struct sip_text transport_text; /* "UDP" */
	struct sip_text host;           /* without brackets */
	struct sip_text params;         /* ";branch=..." or empty */
	struct sip_text branch;         /* at NULL when absent */
	struct sip_text received;       /* at NULL when absent */
	struct sip_text maddr;          /* at NULL when absent */
	struct sip_text received_param; /* all of ";received=...", for who writes another; at NULL when absent */
	struct sip_text rport_param;    /* all of ";rport" or ";rport=..." */
	uint16_t port;                  /* sent-by; 0 = none written */
	uint16_t rport;                 /* its value; 0 when it has none */
	uint8_t transport;              /* enum sip_transport */
	uint8_t ttl;
	bool version_ok; /* "SIP/2.0" */
	bool has_rport;
	bool host_is_ip6;
	bool branch_is_rfc3261; /* begins with z9hG4bK */
};
int sip_via_parse(struct sip_via *out, struct sip_text value);

/* From, To, Contact, Route, Record-Route, Refer-To, P-Asserted-Identity and their kind (section 20.10). */
struct sip_name_addr {
	struct sip_text text;    /* the value as it came */
	struct sip_text display; /* without quotes, its backslashes left in; empty when absent */
	struct sip_text uri;     /* without angle brackets; parse it with sip_uri_parse() when it is needed */
	struct sip_text params;  /* header parameters, ";tag=..." or empty */
	struct sip_text tag;     /* at NULL when absent */
	bool star;               /* Contact: * */
	bool brackets;           /* the URI stood in angle brackets */
	bool display_quoted;     /* the display name stood in quotes */
};
int sip_name_addr_parse(struct sip_name_addr *out, struct sip_text value);
/* A Contact's preference in its parameters, 0-1000: "q=0.7" is 700. Without one, or with nonsense: the highest. */
uint16_t sip_contact_q(struct sip_text params);

/* CSeq (section 20.16): the number is below 2^31 (section 8.1.1.5). */
struct sip_cseq {
	struct sip_text method_text;
	uint32_t number;
	uint8_t method; /* enum sip_method */
};
int sip_cseq_parse(struct sip_cseq *out, struct sip_text value);

/* RAck (RFC 3262): response number, CSeq number, method. */
struct sip_rack {
	struct sip_text method_text;
	uint32_t rseq;
	uint32_t cseq;
	uint8_t method;
};
int sip_rack_parse(struct sip_rack *out, struct sip_text value);

/* Content-Type, Accept: type/subtype;params (section 20.15). */
struct sip_media_type {
	struct sip_text type;
	struct sip_text subtype;
	struct sip_text params;
};
int sip_media_type_parse(struct sip_media_type *out, struct sip_text value);
bool sip_media_type_is(const struct sip_media_type *type, const char *name, const char *subtype);

/* A number alone: Max-Forwards, Expires, Min-Expires, Content-Length, RSeq. */
int sip_number_parse(uint32_t *out, struct sip_text value);

/* Session-Expires and Min-SE (RFC 4028): delta-seconds with parameters. */
enum sip_refresher { SIP_REFRESHER_NONE = 0, SIP_REFRESHER_UAC, SIP_REFRESHER_UAS };
struct sip_session_expires {
	struct sip_text params;
	uint32_t delta_s;
	uint8_t refresher; /* enum sip_refresher */
};
int sip_session_expires_parse(struct sip_session_expires *out, struct sip_text value);

/* Retry-After (section 20.33): seconds, a comment that is skipped, duration. */
struct sip_retry_after {
	struct sip_text params;
	uint32_t delta_s;
	uint32_t duration_s; /* 0 = none written */
};
int sip_retry_after_parse(struct sip_retry_after *out, struct sip_text value);

/* Reason (RFC 3326): one value of the list, such as Q.850;cause=16;text="Normal". */
struct sip_reason {
	struct sip_text protocol; /* "SIP", "Q.850" */
	struct sip_text reason;   /* text=, without quotes; at NULL when absent */
	uint32_t cause;           /* 0 when absent */
};
int sip_reason_parse(struct sip_reason *out, struct sip_text value);

/* Event (RFC 6665), Subscription-State and other "token;params" values. */
struct sip_token {
	struct sip_text token;
	struct sip_text params;
};
int sip_token_parse(struct sip_token *out, struct sip_text value);

/*
 * Next value of a comma list; commas in quotes and in angle brackets do not count. *list starts as the header's
 * value and is moved along. Empty elements are skipped. Returns 1, 0 at the end, -EINVAL for unbalanced quotes or
 * brackets. Over all lines of a header: struct sip_values in message.h.
 */
int sip_list_next(struct sip_text *list, struct sip_text *value);

/* True where a well-formed token list (Supported, Allow...) names this token, letters of any case. */
bool sip_list_has(struct sip_text list, const char *token);

/* Digest parameters (RFC 3261 section 22.4, RFC 7616, RFC 8760). Quotes are off, backslashes are left in. */
enum sip_digest_algorithm { SIP_DIGEST_MD5 = 0, SIP_DIGEST_SHA256, SIP_DIGEST_SHA512_256, SIP_DIGEST_UNKNOWN };
enum sip_digest_qop { SIP_QOP_NONE = 0, SIP_QOP_AUTH, SIP_QOP_UNKNOWN };

struct sip_challenge { /* WWW-Authenticate, Proxy-Authenticate: one header line */
	struct sip_text realm;
	struct sip_text nonce;
	struct sip_text opaque;         /* at NULL when absent */
	struct sip_text algorithm_text; /* at NULL when absent (MD5) */
	uint8_t algorithm;              /* enum sip_digest_algorithm */
	bool has_qop;                   /* some qop was offered */
	bool qop_auth;                  /* "auth" among them */
	bool stale;
};
/* -ENOENT: a scheme other than Digest. */
int sip_challenge_parse(struct sip_challenge *out, struct sip_text value);

struct sip_credentials { /* Authorization, Proxy-Authorization: one header line */
	struct sip_text username;
	struct sip_text realm;
	struct sip_text nonce;
	struct sip_text uri;
	struct sip_text response;
	struct sip_text cnonce;         /* at NULL when absent */
	struct sip_text nc_text;        /* eight hex digits, or at NULL */
	struct sip_text qop_text;       /* at NULL when absent */
	struct sip_text opaque;         /* at NULL when absent */
	struct sip_text algorithm_text; /* at NULL when absent (MD5) */
	uint32_t nc;
	uint8_t algorithm; /* enum sip_digest_algorithm */
	uint8_t qop;       /* enum sip_digest_qop */
};
/* All mandatory parameters are there, and cnonce and nc with a qop. -ENOENT: a scheme other than Digest. */
int sip_credentials_parse(struct sip_credentials *out, struct sip_text value);

#endif
