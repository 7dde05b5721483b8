/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The "media-sessions" segment: one record for each call slot, both sides of the call. It outlives tandem-media,
 * so that the relay goes on at the next packet after a restart.
 *
 * One writer: the media worker that owns the session's ports (`worker`). Readers in other processes take the
 * counts as they are (each is written whole and only grows within one `id`) and everything else through
 * media_session_read(), which retries while the writer is at it.
 *
 * Lines, by who needs them: control (set-up, silence watch), two hot lines a leg (every packet), and not quite two
 * cold ones a leg (learning, RTCP, rare events). A packet from one leg to the other touches the two hot lines
 * of its leg and the first one of the other.
 */
#ifndef TANDEM_COMMON_LAYOUT_MEDIA_SESSION_H
#define TANDEM_COMMON_LAYOUT_MEDIA_SESSION_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/config.h"
#include "common/segment.h"

#define MEDIA_SESSIONS_SEGMENT "media-sessions"
#define MEDIA_SESSIONS_VERSION 2

enum media_leg_index { LEG_CALLER, LEG_CALLEE, LEG_COUNT };

enum media_session_state { MEDIA_SESSION_FREE, MEDIA_SESSION_OPEN, MEDIA_SESSION_FILLING };

/* Where a leg's packets go to and may come from. */
enum media_latch {
	LATCH_NONE,      /* no address known yet */
	LATCH_SIGNALLED, /* the address of the SDP; nothing valid has come from there yet */
	LATCH_LOCKED,    /* learned from valid packets: only this source is heard */
};

/* media_leg_hot.flags */
#define MEDIA_BEHIND_NAT 0x01u /* may learn from any source */
#define MEDIA_RTCP_MUX   0x02u /* sends RTCP on its RTP port, so gets it there, too */
#define MEDIA_STARTED    0x04u /* its first valid packet has been told to signaling */
#define MEDIA_DIGIT      0x08u /* a DTMF digit of it is in progress */
#define MEDIA_UDPTL      0x10u /* the session is a fax (T.38): on both legs */
#define MEDIA_ENCRYPTED  0x20u /* SRTP, and DTLS where its keys come so: on both legs */

/* media_session.flags */
#define MEDIA_ANSWERED    0x01u
#define MEDIA_SILENT_TOLD 0x02u /* this period of silence has been told to signaling */

/* What every packet from (and, for the first line, to) one leg needs. */
struct media_leg_hot {
	/* first line: who is heard, where packets to this leg go */
	_Alignas(64) struct net_addr remote; /* as signalled, or as learned once `latch` is LATCH_LOCKED */
	struct net_addr local;               /* ours: even RTP port; RTCP is the next */
	uint8_t latch;                       /* enum media_latch */
	uint8_t flags;                       /* MEDIA_BEHIND_NAT ... */
	uint8_t dtmf_payload_type;           /* 0 = none */
	uint8_t tos;                         /* of packets sent to this leg */
	uint32_t clock_rate;                 /* Hz, for the jitter */
	_Atomic uint32_t max_jitter;         /* as `jitter` */
	uint32_t base_seq;                   /* first extended sequence number of the stream now running */
	uint8_t address;                     /* private to media: which of its addresses `local` is */
	uint8_t reserved[3];
	uint32_t udptl_packets; /* of `packets`, those of faxes */
	/* second line: the stream that comes from this leg */
	_Alignas(64) _Atomic uint64_t packets; /* valid ones received, RTP or UDPTL */
	_Atomic uint64_t bytes;                /* theirs, headers included */
	_Atomic uint64_t sent;                 /* of those, relayed to the other leg */
	_Atomic uint64_t last_us;              /* monotonic stamp of the latest; 0 = none yet */
	uint64_t window;                       /* bit n: max_seq - n has been received */
	uint32_t ssrc;
	_Atomic uint32_t max_seq; /* extended (cycles in the upper half): the highest received */
	uint32_t transit;         /* arrival minus RTP time stamp of the latest, in clock units */
	_Atomic uint32_t jitter;  /* RFC 3550 A.8, in clock units x 16 */
	_Atomic uint32_t streams; /* SSRCs and restarts seen; 0 = no packet yet */
	uint16_t bad_seq;         /* where the stream goes on if the jump just seen is real */
	uint8_t jumping;          /* bad_seq is set */
	uint8_t payload_type;     /* last seen */
};

/* What a leg needs now and then. */
struct media_leg_cold {
	struct net_addr rtcp_remote; /* as signalled, or as learned when rtcp_latch is LATCH_LOCKED */
	struct net_addr candidate;   /* source on probation */
	uint32_t candidate_ssrc;
	uint16_t candidate_seq;
	uint8_t candidate_packets; /* in a row; 0 = nobody */
	uint8_t rtcp_latch;        /* enum media_latch */
	uint32_t generation;       /* of the SDP that these addresses come from */
	_Atomic uint32_t reordered, duplicates, jumps;
	_Atomic uint32_t rtcp_packets; /* valid ones received */
	_Atomic uint32_t strangers;    /* packets from a source not heard */
	uint32_t dtmf_timestamp;       /* of the event in progress, or the latest */
	uint16_t dtmf_duration;        /* in clock units */
	uint8_t dtmf_event;            /* its digit */
	uint8_t dtmf_state;            /* 0 none yet, 1 in progress, 2 told */
	_Atomic uint64_t lost_before;  /* packets lost in streams that have ended */
	uint64_t packets_before;       /* of `packets`, those that are not the running stream's */
	struct net_addr left;          /* who was locked when this description came: heard until another is */
};

struct media_session {
	_Alignas(64) _Atomic uint32_t sequence; /* odd while the writer changes what is not a count */
	_Atomic uint8_t state;                  /* enum media_session_state */
	uint8_t worker;                         /* of media: the writer */
	uint8_t signaling_worker;               /* whose call it is */
	uint8_t flags;                          /* MEDIA_ANSWERED ... */
	uint64_t id;                            /* the call's life in this slot */
	uint64_t opened_us;                     /* all stamps monotonic */
	uint64_t told_us;                       /* signaling's latest word about this session */
	uint64_t expect_us[LEG_COUNT];          /* RTP of this leg is expected since; 0 = not expected */
	uint32_t silence_limit_ms;              /* 0 = no watch */
	uint8_t silence_watch;                  /* enum silence_watch */
	uint8_t direction[LEG_COUNT];           /* as in proto: 0 sendrecv, 1 sendonly, 2 recvonly, 3 inactive */
	uint8_t reserved;
	struct media_leg_hot hot[LEG_COUNT];
	struct media_leg_cold cold[LEG_COUNT];
};

static_assert(sizeof(struct media_leg_hot) == 128, "two lines a leg for every packet");
static_assert(sizeof(struct media_leg_cold) == 120, "not quite two lines a leg");
static_assert(sizeof(struct media_session) == 576, "MEDIA_SESSIONS_VERSION must change with the layout");
static_assert(offsetof(struct media_session, hot) == 64, "MEDIA_SESSIONS_VERSION must change with the layout");
static_assert(offsetof(struct media_session, cold) == 320, "MEDIA_SESSIONS_VERSION must change with the layout");
static_assert(offsetof(struct media_leg_hot, packets) == 64, "what is counted has its own line");

/* limits.calls records; a call's slot is its index. */
static inline void media_sessions_spec(struct segment_spec *spec, const struct config *config)
{
	*spec = (struct segment_spec){
	    .name = MEDIA_SESSIONS_SEGMENT,
	    .layout = SEGMENT_MEDIA_SESSIONS,
	    .writer = "media",
	    .version = MEDIA_SESSIONS_VERSION,
	    .item_size = sizeof(struct media_session),
	    .item_count = config->limits.calls,
	    .size = SEGMENT_HEADER + (uint64_t)config->limits.calls * sizeof(struct media_session),
	};
}

/*
 * For readers: a consistent copy of a record. False when it is free, or when the writer was at it for as long as
 * we tried (it died in the middle, say): show what is known without it.
 */
static inline bool media_session_read(const struct media_session *session, struct media_session *copy)
{
	for (int attempt = 0; attempt < 1000; attempt++) {
		uint32_t before = atomic_load_explicit(&session->sequence, memory_order_acquire);

		if (before & 1)
			continue;
		__builtin_memcpy(copy, (const void *)session, sizeof(*copy));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&session->sequence, memory_order_relaxed) == before)
			return copy->state == MEDIA_SESSION_OPEN;
	}
	return false;
}

/* Packets lost from this leg so far (RFC 3550 A.3), never below zero. */
static inline uint64_t media_leg_lost(const struct media_session *session, enum media_leg_index leg)
{
	const struct media_leg_hot *hot = &session->hot[leg];
	int64_t received = (int64_t)(hot->packets - session->cold[leg].packets_before);
	int64_t expected = (int64_t)(uint32_t)(hot->max_seq - hot->base_seq) + 1;
	int64_t lost = hot->streams && expected > received ? expected - received : 0;

	return session->cold[leg].lost_before + (uint64_t)lost;
}

/* A jitter figure of the record in microseconds. */
static inline uint32_t media_jitter_us(uint32_t jitter, uint32_t clock_rate)
{
	uint64_t us = clock_rate ? (uint64_t)(jitter >> 4) * 1000000u / clock_rate : 0;

	return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

#endif
