/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session descriptions (RFC 8866, offer/answer: RFC 3264), read without copying and written again with other
 * addresses.
 *
 * sdp_parse() goes over the lines once and notes what a switch needs of them; every slice points into the body and
 * lives as long as it does. sdp_rewrite() writes the same description with our addresses; lines it has no reason to
 * change come out byte for byte. No allocation; one thread at a time for each struct.
 */
#ifndef TANDEM_SIGNALING_SDP_SDP_H
#define TANDEM_SIGNALING_SDP_SDP_H

#include "common/addr.h"
#include "signaling/sip/text.h"

#define SDP_BODY_MAX 65535
#define SDP_MEDIAS   16  /* m= lines; more is -E2BIG */
#define SDP_FORMATS  32  /* formats of one m= line that are kept; more are passed but not looked at */
#define SDP_LINES    512 /* lines in all; more is -E2BIG */

enum sdp_direction { SDP_SENDRECV = 0, SDP_SENDONLY, SDP_RECVONLY, SDP_INACTIVE };

enum sdp_kind { SDP_OTHER = 0, SDP_AUDIO, SDP_VIDEO, SDP_IMAGE, SDP_TEXT, SDP_APPLICATION, SDP_MESSAGE };

struct sdp_connection {       /* c= */
	struct sip_text host; /* address or name as written; at NULL when there is no such line */
	struct net_addr addr; /* parsed; family NET_NONE for a host name; port 0 */
	bool is_ip6;          /* "IN IP6" stood there */
};

struct sdp_origin { /* o= */
	struct sip_text username;
	struct sip_text session_id;
	struct sip_text version;
	struct sip_text host;
};

struct sdp_media {               /* one m= line and what follows it */
	struct sip_text media;   /* "audio" */
	struct sip_text proto;   /* "RTP/AVP" */
	struct sip_text formats; /* the list, as written */
	struct sip_text lines;   /* from the m= line to the next one */
	uint8_t format_count;
	uint8_t kind;        /* enum sdp_kind */
	uint8_t direction;   /* enum sdp_direction; the session's where the media has none */
	bool has_direction;  /* it has one of its own */
	uint16_t port;       /* 0 = rejected or switched off */
	uint16_t port_count; /* 1 unless "port/count" */
	uint16_t rtcp_port;  /* a=rtcp; 0 = not written (port + 1 by default) */
	uint16_t ptime_ms;   /* 0 = not written */
	bool has_rtcp;       /* a=rtcp stood there */
	bool rtcp_mux;
	bool encrypted;                   /* SAVP in the proto, or crypto or fingerprint on it */
	bool has_ice;                     /* candidates or ufrag */
	struct net_addr rtcp_addr;        /* address in a=rtcp; NET_NONE = same as the media */
	struct sdp_connection connection; /* its own c= line; host.at NULL = the session's applies */
	/* format_count of each; last, so that nobody clears them */
	struct sip_text format[SDP_FORMATS];
	struct sdp_rtpmap {       /* private: what the first a=rtpmap of the format says */
		uint16_t at, len; /* into `lines`; at 0 = there is none */
	} rtpmap[SDP_FORMATS];
};

/* Private: a line that sdp_rewrite() may have to write anew. Everything between them stays. */
enum sdp_mark_kind { SDP_MARK_ORIGIN, SDP_MARK_CONNECTION, SDP_MARK_MEDIA, SDP_MARK_RTCP, SDP_MARK_ICE };

struct sdp_mark {
	uint16_t at;   /* offset into the body */
	uint16_t len;  /* of the line and its end */
	uint8_t kind;  /* enum sdp_mark_kind */
	uint8_t media; /* index, or SDP_MEDIAS at session level */
};

struct sdp_session {
	struct sip_text body;
	struct sdp_origin origin;
	struct sdp_connection connection; /* session level */
	uint8_t direction;                /* session level, SDP_SENDRECV unless written */
	bool has_direction;
	bool has_ice;
	bool has_fingerprint;
	uint8_t media_count;
	uint16_t mark_count;  /* private, as the next three */
	struct sip_text text; /* the lines, without empty ones behind them */
	uint8_t open_end;     /* bytes of the text behind the last line that has no LF (a CR), and one more; else 0 */
	struct sdp_media media[SDP_MEDIAS];
	struct sdp_mark marks[SDP_LINES];
};

/*
 * Parse a description: 0, -EINVAL (malformed), -E2BIG (over a limit above), -ENODATA (empty). Lines end in CR LF or
 * LF, the last one may lack it. v=, o=, s= must be there in order; every media with a port needs a c= of its own or
 * one of the session.
 */
int sdp_parse(struct sdp_session *sdp, struct sip_text body);

/* Where this media is to be sent: its own or the session's address with its port. NET_NONE for host names. */
void sdp_media_addr(const struct sdp_session *sdp, const struct sdp_media *media, struct net_addr *rtp);
/* And its RTCP: a=rtcp, the RTP port under rtcp-mux, or the port after it. */
void sdp_media_rtcp_addr(const struct sdp_session *sdp, const struct sdp_media *media, struct net_addr *rtcp);

/*
 * Index of the media that a call is about: the first audio with a port over RTP/AVP, RTP/AVPF or their secure kin, else
 * the first image with one over UDPTL (T.38: a fax); -ENOENT.
 */
int sdp_main_media(const struct sdp_session *sdp);

/*
 * Name of a format of this media: from a=rtpmap ("PCMA/8000"), else of the static payload type (RFC 3551);
 * at NULL when neither knows it.
 */
struct sip_text sdp_format_name(const struct sdp_media *media, struct sip_text format);

/* Name of the first format that is not telephone-event, comfort noise or redundancy; at NULL when there is none. */
struct sip_text sdp_codec_name(const struct sdp_media *media);

/* Payload type of telephone-event (RFC 4733), or -ENOENT. */
int sdp_telephone_event(const struct sdp_media *media);

/* Value of the first a=name: line of this media; at NULL when absent; an empty value for a property. */
struct sip_text sdp_media_attribute(const struct sdp_media *media, const char *name);

/* What to write for a media. */
struct sdp_put {
	bool reject;        /* port 0 (RFC 3264 section 6); the rest of the m= line stays */
	uint16_t port;      /* ours */
	uint16_t rtcp_port; /* for a=rtcp when the original has the line; 0 = port + 1 */
};

struct sdp_rewrite {
	struct sip_text username; /* o=; "-" when empty */
	uint64_t session_id;
	uint64_t version;                 /* one more for each change we send in the dialog (RFC 3264 section 8) */
	struct net_addr addr;             /* ours, in o= and c= lines */
	bool held;                        /* c= says 0.0.0.0, or :: (RFC 3264 section 8.4) */
	bool keep;                        /* no relay: o= is ours, and all else stays; `media` does not matter */
	struct sdp_put media[SDP_MEDIAS]; /* as many as the description has; a media with port 0 stays 0 */
};

/*
 * Write the description into out: o= is ours, c= lines say our address at the levels where they stood, m= lines our
 * ports, a=rtcp our RTCP; ICE attributes go. Everything else stays. Returns the length, or -EMSGSIZE.
 */
int sdp_rewrite(const struct sdp_session *sdp, const struct sdp_rewrite *rewrite, char *out, size_t size);

#endif
