/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The "calls" segment: everything a call needs to go on after the signaling process was killed, and what
 * tandemctl shows of it. A fixed-size record a call; strings in the record's own arena; those that only the set-up
 * needs, and what does not fit, in a block out of two pools behind the records: of the smaller size there is one for
 * every eighth call, of the larger one for every 64th.
 *
 * One writer: the signaling worker that owns the call (`worker` modulo the number of workers; a free slot belongs
 * to call_home_worker()). Readers in other processes copy a record with call_record_read(), which retries while
 * the writer is at it.
 *
 * A kill can come between any two stores. So: `state` is stored last (release) when a record becomes what the
 * state says; a string is written to the arena before the one store that points to it; what ends a call
 * (end_us, end_reason ...) is complete before `state` says CALL_CLOSING, the media figures before it says
 * CALL_ENDING, and only then is the record published, so that a second life publishes the very same bytes.
 */
#ifndef TANDEM_COMMON_LAYOUT_CALL_RECORD_H
#define TANDEM_COMMON_LAYOUT_CALL_RECORD_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/config.h"
#include "common/layout/sip_flow.h"
#include "common/segment.h"

#define CALLS_SEGMENT "calls"
#define CALLS_VERSION 5

#define CALL_ARENA       768u   /* bytes for strings in the record */
#define CALL_SMALL_BLOCK 1024u  /* and in a block... */
#define CALL_LARGE_BLOCK 16384u /* ...or a large one: the longest message that a port puts together has room */

enum call_state {
	CALL_FREE,        /* the rest of the record means nothing */
	CALL_SETUP,       /* an INVITE came in; no answer yet */
	CALL_ANSWERED,    /* 200 sent (or about to be) to the caller, whose ACK is awaited */
	CALL_ESTABLISHED, /* conversation */
	CALL_CLOSING,     /* over: the end's figures are final; BYEs and media statistics are on their way */
	CALL_ENDING,      /* the CDR's content is final and to be published */
	CALL_BILLED,      /* published; only the other side's answers to our BYEs are awaited */
	CALL_STATE_COUNT
};

enum call_side { CALLER, CALLEE, CALL_SIDES };

static inline enum call_side call_other_side(enum call_side side)
{
	return side == CALLER ? CALLEE : CALLER;
}

/* A string: offset < CALL_ARENA lies in the arena, beyond it in the block. One 32-bit store. */
struct call_text {
	uint16_t offset, len;
};

enum call_dialog_flag {
	DIALOG_BEHIND_NAT = 1u << 0,   /* requests go to the flow, not to what Contact says */
	DIALOG_BYE_DUE = 1u << 1,      /* a BYE has to reach this side and has not been answered */
	DIALOG_ACK_DUE = 1u << 2,      /* caller: awaits its ACK to our 200 */
	DIALOG_TIMER = 1u << 3,        /* a session timer (RFC 4028) runs on this leg, or will from the answer on */
	DIALOG_RESPONSE_DUE = 1u << 4, /* caller: its INVITE has to get a final response */
	DIALOG_CANCEL_DUE = 1u << 5,   /* callee: our INVITE has to be cancelled */
	DIALOG_PHONE = 1u << 6,        /* a phone; mapping_gateway or routing_gateway is its user */
	DIALOG_HOP_KNOWN = 1u << 7,    /* `hop` follows from target and route */
	DIALOG_UPDATE = 1u << 8,       /* the peer says that it knows UPDATE */
	DIALOG_REFRESHER = 1u << 9,    /* we refresh the session, not the peer */
	DIALOG_UPDATE_REFUSED = 1u << 10,
	DIALOG_REINVITE_REFUSED = 1u << 11,
	DIALOG_LED_AWAY = 1u << 12,  /* callee: a redirect led the call to somebody else than the gateway */
	DIALOG_SDP_PLAIN = 1u << 13, /* what was sent there last was one stream of RTP/AVP, as the record can say it */
	DIALOG_OFFER_DUE = 1u << 14, /* the other side, to which the peer sends itself, has moved: local_sdp says it */
	DIALOG_OF_SDP = DIALOG_SDP_PLAIN | DIALOG_OFFER_DUE,
};

/* Between two attempts. */
enum call_attempt_over {
	ATTEMPT_RUNS,
	ATTEMPT_TO_PUBLISH, /* its figures are final; its CDR may be published already */
	ATTEMPT_PUBLISHED,  /* what belongs to it may be gone */
};

/* One side's dialog (RFC 3261 section 12). "local" is ours. */
struct call_dialog {
	struct sip_flow flow;
	uint32_t local_cseq, remote_cseq;                /* the last used */
	uint32_t invite_cseq;                            /* of the INVITE that made the dialog, whoever sent it */
	uint32_t flags;                                  /* enum call_dialog_flag */
	struct call_text head;                           /* From, Call-ID, To of our requests: struct dialog */
	struct call_text call_id, local_tag, remote_tag; /* pieces of it */
	struct call_text target;                         /* the peer's Contact URI */
	struct call_text route; /* Route values, in the order they are sent, separated by commas */
	struct net_addr hop;    /* with DIALOG_HOP_KNOWN: where requests go to, on the flow's port */
	uint32_t sdp_version;   /* of the last o= line we sent on this side */
	uint64_t sdp_id;
	uint64_t sdp_hash; /* of the other side's body that it was made from; 1 = from none */
	/* Session timer, with DIALOG_TIMER: */
	uint64_t session_expires_us; /* monotonic: the session is over then, unless it is refreshed; 0 = not begun */
	uint64_t session_refresh_us; /* we refresh it then, or try again; 0 = the peer refreshes it */
	uint32_t session_interval_s; /* as agreed */
	uint32_t session_min_se_s;   /* the shortest that the peer takes, by its 422; 0 = it has not said */
	struct call_text local_sdp;  /* what we sent last, where a refresh has to repeat it; empty = not kept */
	uint16_t local_sdp_room;     /* bytes there */
	uint16_t target_room;        /* likewise, where a longer one stood there before */
};

/* What media was last told about one side. */
struct call_media {
	struct net_addr local;  /* ours: RTP port; 0 = none */
	struct net_addr remote; /* the peer's, by its SDP */
	struct net_addr remote_rtcp;
	uint32_t clock_rate;
	uint32_t generation;
	uint8_t direction; /* as in proto */
	uint8_t payload_type;
	uint8_t dtmf_payload_type;
	uint8_t behind_nat : 1;
	uint8_t udptl : 1;     /* a fax (T.38) by the latest description, not audio */
	uint8_t encrypted : 1; /* SRTP by the latest description */
	uint8_t holds : 1;     /* by its address, 0.0.0.0 (RFC 3264 section 8.4) */
};

struct call_direction_figures {
	uint64_t packets, bytes, lost, sent;
	uint32_t jitter_us, max_jitter_us;
	uint32_t mos_x100, payload_type;
};

/* NONE: not decided, because no gateway or phone was tried (yet). The values are those of the CDR (proto). */
enum call_media_mode { CALL_MEDIA_RELAY, CALL_MEDIA_DIRECT, CALL_MEDIA_NONE, CALL_MEDIA_MODES };

struct call_record {
	/* identity and state */
	_Alignas(64) _Atomic uint32_t sequence; /* odd while the writer changes the record */
	_Atomic uint8_t state;                  /* enum call_state */
	uint8_t worker;                         /* signaling worker that made it */
	uint8_t media_worker;
	uint8_t media_mode;    /* enum call_media_mode */
	uint8_t id[16];        /* the CDR's key, with attempt */
	uint64_t life;         /* the call's life in this slot: media's session id; never 0 */
	uint32_t block;        /* its number + 1; 0 = none. Those under call_table_small_blocks() are small */
	uint16_t arena_used;   /* bytes */
	uint16_t arena_mark;   /* where the current attempt's strings begin */
	uint64_t setup_us;     /* monotonic: INVITE received */
	int64_t setup_wall_us; /* the same moment, since 1970 */
	uint16_t block_used;   /* as the two above, in the block */
	uint16_t block_mark;
	uint8_t block_stays; /* a string lies there that is needed after the set-up, too */
	/* the parameters of session timers, as they were when the call came */
	uint8_t session_segment;   /* refreshes in an interval */
	uint8_t session_uas;       /* who refreshes where the peer leaves it open: 0 the uac, 1 the uas */
	uint8_t attempt_published; /* the last one with ATTEMPT_PUBLISHED, modulo 256 */
	uint32_t session_ttl_s;    /* 0 = no session timers */
	uint16_t session_min_se_s; /* shortest we take */
	uint16_t session_early_s;  /* hang up so long before the end */

	/* the current attempt */
	uint64_t attempt_us; /* monotonic, as the next four; 0 = not yet */
	uint64_t progress_us, answer_us, end_us;
	uint32_t attempt; /* from 1; 0 = none begun */
	uint32_t pdd_ms;
	uint16_t sip_code;
	uint16_t q850_cause;
	uint8_t end_direction, end_reason;
	uint8_t final;         /* this attempt is the call's last */
	uint8_t attempt_over;  /* enum call_attempt_over: of an attempt that is not the last */
	uint32_t branch_index; /* client transaction of the INVITE to the callee */
	uint64_t branch_serial;
	uint32_t silence_limit_ms;
	uint8_t silence_watch;
	uint8_t tos;
	uint8_t bodyless;        /* the caller's INVITE had no offer */
	uint8_t callee_acked;    /* our ACK to the callee's 200 has been sent */
	/* limits of the conversation, as they were when the call came; 0 = none */
	uint32_t max_duration_s;
	uint32_t no_timer_s; /* while the caller's leg has no session timer */
	uint8_t media_open;  /* media was told of the session and has not confirmed its end */
	char codec[18];

	struct call_dialog dialog[CALL_SIDES];
	struct call_media media[CALL_SIDES];
	struct call_direction_figures figures[CALL_SIDES]; /* what came from each side */

	/* what the records say */
	struct call_text caller_in, caller_out, callee_in, callee_out; /* numbers */
	struct call_text mapping_gateway, routing_gateway;             /* names (or a phone's user) */
	/* the caller's INVITE, as long as it has no acknowledged final response: in the block, if there is one */
	struct call_text response; /* the lines of each response to it, from Via to CSeq */
	struct call_text answer;   /* body of our 200 */

	char arena[CALL_ARENA];
};
static_assert(sizeof(struct call_record) == 1536, "CALLS_VERSION must change with the layout");
static_assert(offsetof(struct call_record, dialog) % 8 == 0, "stored in shared memory");

/* Content of the segment: this header, the records, the small blocks, the large ones. */
struct call_table {
	_Alignas(64) uint8_t hash_key[16]; /* all zero until the first signaling process fills it */
	uint8_t reserved[48];
};
static_assert(sizeof(struct call_table) == 64, "stored in shared memory");

static inline uint32_t call_table_small_blocks(uint32_t calls)
{
	return calls / 8 + 64;
}

static inline uint32_t call_table_large_blocks(uint32_t calls)
{
	return calls / 64 + 16;
}

/* Both together. */
static inline uint32_t call_table_blocks(uint32_t calls)
{
	return call_table_small_blocks(calls) + call_table_large_blocks(calls);
}

/* `calls`: the segment's item_count. */
static inline uint32_t call_table_block_size(uint32_t calls, uint32_t block)
{
	return block < call_table_small_blocks(calls) ? CALL_SMALL_BLOCK : CALL_LARGE_BLOCK;
}

static inline void calls_spec(struct segment_spec *spec, const struct config *config)
{
	uint32_t calls = config->limits.calls;

	*spec = (struct segment_spec){
	    .name = CALLS_SEGMENT,
	    .layout = SEGMENT_CALLS,
	    .writer = "signaling",
	    .version = CALLS_VERSION,
	    .item_size = sizeof(struct call_record),
	    .item_count = calls,
	    .size = SEGMENT_HEADER + sizeof(struct call_table) + (uint64_t)calls * sizeof(struct call_record) +
		    (uint64_t)call_table_small_blocks(calls) * CALL_SMALL_BLOCK +
		    (uint64_t)call_table_large_blocks(calls) * CALL_LARGE_BLOCK,
	};
}

static inline struct call_record *call_table_record(const void *content, uint32_t slot)
{
	return (struct call_record *)((char *)(uintptr_t)content + sizeof(struct call_table)) + slot;
}

static inline char *call_table_block(const void *content, uint32_t calls, uint32_t block)
{
	uint32_t small = call_table_small_blocks(calls);
	char *blocks = (char *)call_table_record(content, calls);

	if (block < small)
		return blocks + (size_t)block * CALL_SMALL_BLOCK;
	return blocks + (size_t)small * CALL_SMALL_BLOCK + (size_t)(block - small) * CALL_LARGE_BLOCK;
}

/* The worker whose a slot (or a block) is while it is free. */
static inline unsigned int call_home_worker(uint32_t index, uint32_t count, unsigned int workers)
{
	return (unsigned int)((uint64_t)index * workers / count);
}

/*
 * For readers: a consistent copy of a record and, when it has one, of its block (NULL: not wanted). False when the
 * slot is free, or when the writer was at it for as long as we tried (it died in the middle, say).
 */
static inline bool call_record_read(const void *content, uint32_t calls, uint32_t slot, struct call_record *copy,
				    char block[CALL_LARGE_BLOCK])
{
	const struct call_record *record = call_table_record(content, slot);

	for (int attempt = 0; attempt < 1000; attempt++) {
		uint32_t before = atomic_load_explicit(&record->sequence, memory_order_acquire);

		if (atomic_load_explicit(&record->state, memory_order_relaxed) == CALL_FREE)
			return false;
		if (before & 1)
			continue;
		__builtin_memcpy(copy, (const void *)record, sizeof(*copy));
		if (block && copy->block && copy->block <= call_table_blocks(calls))
			__builtin_memcpy(block, call_table_block(content, calls, copy->block - 1),
					 call_table_block_size(calls, copy->block - 1));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&record->sequence, memory_order_relaxed) == before)
			return copy->state != CALL_FREE && copy->state < CALL_STATE_COUNT;
	}
	return false;
}

/*
 * A string of a record (or of its copy), whose block has so many bytes (NULL and 0 when there is none). Never reaches
 * outside; "" when it does not fit.
 */
static inline const char *call_record_text(const struct call_record *record, const char *block, size_t size,
					   struct call_text text, size_t *len)
{
	*len = text.len;
	if (text.offset < CALL_ARENA && text.len <= CALL_ARENA - text.offset)
		return record->arena + text.offset;
	if (text.offset >= CALL_ARENA && text.offset - CALL_ARENA <= size &&
	    text.len <= size - (text.offset - CALL_ARENA))
		return block + (text.offset - CALL_ARENA);
	*len = 0;
	return "";
}

#endif
