/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tandem-carrier: a customer and its vendors in one process, on kernel sockets, each side in a network namespace
 * of its own. It places calls through a switch, talks both ways with audio that can be checked bit by bit, answers
 * retransmissions as a real peer does, and reports what each side saw, down to calls whose two sides disagree.
 *
 * It shares no code with the switch, so that neither can hide the other's mistakes. One thread.
 */
#ifndef TANDEM_BENCH_CARRIER_H
#define TANDEM_BENCH_CARRIER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MAX_VENDORS   8
#define MAX_CODES     700
#define TEXT_MAX      256
#define ROUTE_MAX     2560
#define RTP_PAYLOAD   160
#define RTP_PACKET_MS 20

union endpoint {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* What a vendor does with an INVITE. */
enum behaviour { ANSWER, SILENT, REFUSE };

struct vendor {
	char netns[64];
	union endpoint address;
	enum behaviour behaviour;
	int code; /* of REFUSE */
	int fd;
	uint64_t invites; /* distinct ones */
};

struct options {
	char caller_netns[64];
	union endpoint caller_address;
	union endpoint target; /* the switch */
	struct vendor vendor[MAX_VENDORS];
	int vendors;
	unsigned int standing; /* calls set up first and held until the end */
	double rate;           /* further calls a second */
	unsigned int calls;    /* how many of those; 0 = as many as `seconds` allow */
	double seconds;        /* how long they are placed */
	double hold_s;
	unsigned int ring_ms;
	bool audio;
	bool early_media;       /* 183 with SDP and audio before the answer */
	char number[64];        /* dialled: this, then six digits of the call's number */
	unsigned int padding;   /* bytes of further headers in each INVITE and 200 */
	const char *hangup;     /* caller, callee or alternate */
	const char *calls_file; /* one JSON line a call */
	double drain_s;         /* longest wait for the last calls to end */
	double disagree_s;      /* one side of a call has ended: how long the other may take */
};

enum call_state { CALL_FREE, CALL_INVITED, CALL_RINGING, CALL_UP, CALL_BYE_SENT, CALL_DONE };

/* One direction of audio as its receiver saw it. */
struct audio {
	int fd;
	uint16_t port;
	union endpoint remote; /* where the switch wants ours; family 0 = unknown yet */
	uint32_t ssrc, peer_ssrc;
	uint16_t seq, first_seq, highest_seq;
	uint32_t timestamp;
	uint64_t sent, received, duplicates, corrupted, foreign;
	uint64_t last_us, max_gap_us, gap_at_us;
	uint32_t seen[8]; /* the last 256 sequence numbers */
};

/* One side of a call: a dialog with the switch. */
struct side {
	char call_id[TEXT_MAX], from[TEXT_MAX], to[TEXT_MAX], target[TEXT_MAX];
	char request[8192], branch[64]; /* the request that waits for its answer, resent until then */
	char response[8192];            /* the callee's last one to the INVITE, resent until ACK or on demand */
	size_t request_len, response_len;
	uint64_t resend_us, interval_us, give_up_us;
	uint32_t cseq;
	bool established, bye_received, bye_answered, acked;
	char route[ROUTE_MAX];   /* the Route headers of its own requests */
	union endpoint peer;     /* where the INVITE came from, or went to */
	union endpoint next_hop; /* where its own requests go */
	struct audio audio;
};

struct call {
	enum call_state state;
	uint32_t number;
	bool standing, canceled;
	int code; /* final response at the caller's side */
	int vendor;
	char ended_by; /* 'a' caller, 'b' callee, 's' the switch, 0 nobody yet */
	char wants;    /* who will hang up: 'a' or 'b' */
	uint64_t invite_us, ring_us, answer_us, answered_us, hangup_us, end_a_us, end_b_us, done_us;
	struct side a, b;
};

struct totals {
	uint64_t offered, answered_a, answered_b, up_both, ended_clean, lost, disagree, timeouts, refused[MAX_CODES];
	uint64_t audio_sent[2], audio_received[2], audio_lost[2], corrupted, foreign, duplicates, max_gap_us,
	    gaps_over_1s;
	uint64_t unexpected, resent, bye_481;
};

struct carrier {
	struct options options;
	struct totals totals;
	struct call *calls;
	unsigned int slots, active;
	uint32_t placed, tag; /* `tag` makes identifiers unique to this run */
	int caller_fd, epoll_fd;
	uint64_t now_us, start_us;
	FILE *calls_out;
	bool stopping;
};

/* call.c: the two dialogs of a call */
void call_place(struct carrier *c, bool standing);
void call_caller_datagram(struct carrier *c, const char *text, size_t len, const union endpoint *from);
void call_callee_datagram(struct carrier *c, int vendor, const char *text, size_t len, const union endpoint *from);
void call_tick(struct carrier *c, struct call *call);
void call_hang_up(struct carrier *c, struct call *call, char who);

/* text.c: just enough SIP and SDP reading */
bool text_header(const char *text, size_t len, const char *name, const char *compact, char *out, size_t size);
size_t text_all_headers(const char *text, size_t len, const char *name, const char *compact, char *out, size_t size);
bool text_parameter(const char *value, const char *name, char *out, size_t size);
bool text_uri(const char *name_addr, char *out, size_t size);
bool text_sdp_endpoint(const char *text, size_t len, union endpoint *out);
int text_status(const char *text, size_t len); /* 0 for a request */
int text_values(const char *text, size_t len, const char *name, const char *compact, char values[][TEXT_MAX], int max);

/* route.c: remote target, route set and next hop of a side, from the message that makes its dialog: the caller's
 * response or the callee's INVITE. Without a usable Contact the target is "". */
void route_learn(struct side *side, const char *text, size_t len, bool caller);

/* audio.c */
int audio_open(struct carrier *c, struct audio *audio, const char *netns, const union endpoint *address, uint64_t key);
void audio_start(struct audio *audio, uint32_t ssrc, uint32_t peer_ssrc);
void audio_send(struct carrier *c, struct audio *audio);
void audio_receive(struct carrier *c, struct audio *audio);
uint64_t audio_lost(const struct audio *audio);

/* socket.c */
int udp_open(const char *netns, const union endpoint *address);
int endpoint_parse(union endpoint *out, const char *text);
socklen_t endpoint_len(const union endpoint *e);
uint16_t endpoint_port(const union endpoint *e);
void endpoint_print(const union endpoint *e, char *out, size_t size, bool with_port);

#endif
