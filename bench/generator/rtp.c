/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "generator.h"

#define RTP_HEADER     12
#define MAGIC          0x54616e64u
#define TIMESTAMP_STEP 160
#define BURST          64    /* packets between two looks at what came in */
#define AHEAD          8     /* packets: whose stream is sent for */
#define BEHIND_NS      100e6 /* so far behind the rest is given up */

/* The beginning of every payload; the rest is the pattern. */
struct mark {
	uint32_t magic, slot, serial, side;
	uint64_t due_ns;
};

/* ---- addresses ----------------------------------------------------------------------------------------------- */

void media_endpoint(const struct generator *g, uint32_t slot, enum side side, unsigned int *address, uint16_t *port)
{
	uint32_t index = (slot * 2 + side) % g->rtp.endpoints;

	*address = index / g->rtp.per_address;
	*port = (uint16_t)(g->link->media.first + 2 * (index % g->rtp.per_address));
}

static int media_address_index(const struct generator *g, const struct net_addr *addr)
{
	for (unsigned int i = 0; i < g->link->media.addresses; i++)
		if (same_ip(&g->link->media.address[i], addr))
			return (int)i;
	return -1;
}

static bool is_alive(const struct call *call)
{
	return (call->flags & (CALL_IN_USE | CALL_JUDGED)) == CALL_IN_USE && call->caller >= CALLER_CALLING &&
	       call->caller <= CALLER_UP && call->callee >= CALLEE_ASKED && call->callee <= CALLEE_UP;
}

bool media_is_plausible(struct generator *g, struct call *call, enum side side, const struct net_addr *told)
{
	struct told *entry = &g->rtp.told[(net_addr_hash(told) ^ told->port) & (TOLD - 1)];
	int index = media_address_index(g, told);
	bool plausible = true;
	unsigned int address;
	uint16_t port;

	if (index >= 0) { /* no relay between them */
		media_endpoint(g, call->slot, side == SIDE_CALLER ? SIDE_CALLEE : SIDE_CALLER, &address, &port);
		return address == (unsigned int)index && port == told->port;
	}
	if (entry->addr.port == told->port && same_ip(&entry->addr, told)) {
		const struct call *before = &g->calls.call[entry->slot];

		plausible = before == call || before->serial != entry->serial || !is_alive(before);
	}
	entry->addr = *told;
	entry->slot = call->slot;
	entry->serial = call->serial;
	return plausible;
}

/* ---- set-up -------------------------------------------------------------------------------------------------- */

static int wheel_init(struct rtp_load *r, uint32_t streams)
{
	r->spoke_size = streams / RTP_SPOKES + 1;
	for (unsigned int i = 0; i < RTP_SPOKES; i++) {
		r->spoke[i].stream = calloc(r->spoke_size, sizeof(*r->spoke[i].stream));
		if (!r->spoke[i].stream)
			return -ENOMEM;
	}
	return 0;
}

int rtp_init(struct generator *g)
{
	struct rtp_load *r = &g->rtp;
	uint32_t streams = g->scenario->load.calls * 2;
	void *memory;

	r->per_address =
	    (g->link->media.last - g->link->media.first + 1u) / 4 * 2; /* even: a side is known by its parity */
	r->endpoints = r->per_address * g->link->media.addresses;
	r->told = calloc(TOLD, sizeof(*r->told));
	r->pattern = malloc(2048);
	if (!r->told || !r->pattern)
		return -ENOMEM;
	for (unsigned int i = 0; i < 2048; i++)
		r->pattern[i] = (uint8_t)(i * 7 + 0xd5);
	rtp_set_interval(g, (double)g->scenario->rtp.interval_ns);
	if (g->scenario->rtp.share <= 0)
		return 0;
	memory = mmap(NULL, (size_t)streams * sizeof(struct stream), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	madvise(memory, (size_t)streams * sizeof(struct stream), MADV_HUGEPAGE);
	r->stream = memory;
	return wheel_init(r, streams);
}

void rtp_fini(struct generator *g)
{
	struct rtp_load *r = &g->rtp;

	if (r->stream)
		munmap(r->stream, (size_t)g->scenario->load.calls * 2 * sizeof(struct stream));
	for (unsigned int i = 0; i < RTP_SPOKES; i++)
		free(r->spoke[i].stream);
	free(r->told);
	free(r->pattern);
}

void rtp_set_interval(struct generator *g, double interval_ns)
{
	g->rtp.step_ns = interval_ns / RTP_SPOKES;
}

/* ---- streams ------------------------------------------------------------------------------------------------- */

static struct stream *stream_of(const struct generator *g, const struct call *call, enum side side)
{
	return &g->rtp.stream[call->slot * 2 + side];
}

void rtp_remote(struct generator *g, struct call *call, enum side side, const struct net_addr *remote)
{
	struct stream *s;

	if (!g->rtp.stream || !(call->flags & CALL_HAS_RTP))
		return;
	s = stream_of(g, call, side);
	s->remote = *remote;
	s->has_remote = remote->port != 0 && !net_addr_is_any(remote);
}

/* Into the next spoke with room, so that all are equally full. */
static void wheel_add(struct rtp_load *r, uint32_t index)
{
	struct stream *s = &r->stream[index];

	while (r->spoke[r->fill].count == r->spoke_size)
		r->fill = (r->fill + 1) % RTP_SPOKES;
	s->spoke = (uint16_t)r->fill;
	s->place = r->spoke[r->fill].count;
	r->spoke[r->fill].stream[r->spoke[r->fill].count++] = index;
	/* A stride coprime to the number of spokes: the two sides of a call are not sent in one go. */
	r->fill = (r->fill + 97) % RTP_SPOKES;
	r->running++;
}

static void wheel_remove(struct rtp_load *r, struct stream *s)
{
	struct spoke *spoke = &r->spoke[s->spoke];
	uint32_t last = spoke->stream[--spoke->count];

	spoke->stream[s->place] = last;
	r->stream[last].place = s->place;
	r->running--;
}

void rtp_start(struct generator *g, struct call *call, enum side side)
{
	struct stream *s;
	uint64_t random;

	if (!g->rtp.stream)
		return;
	s = stream_of(g, call, side);
	if (s->running || !s->has_remote)
		return;
	random = random_next(g);
	s->serial = call->serial;
	s->ssrc = (uint32_t)random;
	s->timestamp = (uint32_t)(random >> 16);
	s->seq = (uint16_t)(random >> 48);
	s->heard = false;
	s->seen = 0;
	s->running = true;
	if (g->rtp.running == 0)
		g->rtp.due_ns = (double)g->now_ns;
	wheel_add(&g->rtp, call->slot * 2 + side);
}

void rtp_stop(struct generator *g, struct call *call)
{
	if (!g->rtp.stream || !(call->flags & CALL_HAS_RTP))
		return;
	for (unsigned int side = 0; side < 2; side++) {
		struct stream *s = stream_of(g, call, side);

		if (s->running)
			wheel_remove(&g->rtp, s);
		s->running = s->has_remote = false;
	}
}

/* ---- sending ------------------------------------------------------------------------------------------------- */

static void write_header(uint8_t *to, const struct stream *s, unsigned int payload_type)
{
	uint32_t timestamp = __builtin_bswap32(s->timestamp), ssrc = __builtin_bswap32(s->ssrc);

	to[0] = 0x80;
	to[1] = (uint8_t)payload_type;
	to[2] = (uint8_t)(s->seq >> 8);
	to[3] = (uint8_t)s->seq;
	memcpy(to + 4, &timestamp, 4);
	memcpy(to + 8, &ssrc, 4);
}

static void send_packet(struct generator *g, uint32_t index, uint64_t due_ns)
{
	struct stream *s = &g->rtp.stream[index];
	const struct rtp_options *options = &g->scenario->rtp;
	struct mark mark = {MAGIC, index / 2, s->serial, index % 2, due_ns};
	unsigned int address;
	struct datagram d;
	uint16_t port;

	media_endpoint(g, index / 2, index % 2, &address, &port);
	if (port_buffer(g->queue[g->media_port[address]], &d, RTP_HEADER + options->payload) != 0)
		return;
	d.local = g->link->media.address[address];
	d.local.port = port;
	d.remote = s->remote;
	d.tos = 0xb8;
	d.len = RTP_HEADER + options->payload;
	write_header(d.data, s, options->payload_type);
	memcpy(d.data + RTP_HEADER, &mark, sizeof(mark));
	memcpy(d.data + RTP_HEADER + sizeof(mark), g->rtp.pattern, options->payload - sizeof(mark));
	s->seq++;
	s->timestamp += TIMESTAMP_STEP;
	port_send(g->queue[g->media_port[address]], &d, now_us(g));
	stat_inc(g->phase, STAT_sent);
}

/* Of the spoke under the hand; its packets are due one after the other until the hand comes to the next. */
static unsigned int send_due(struct generator *g, const struct spoke *spoke, unsigned int most)
{
	struct rtp_load *r = &g->rtp;
	double due_ns = r->due_ns + r->progress * r->gap_ns;
	unsigned int sent = 0;

	for (; r->progress < spoke->count && sent < most && due_ns <= (double)g->now_ns; due_ns += r->gap_ns, sent++) {
		if (r->progress + AHEAD < spoke->count)
			__builtin_prefetch(&r->stream[spoke->stream[r->progress + AHEAD]], 1);
		send_packet(g, spoke->stream[r->progress++], (uint64_t)due_ns);
	}
	return sent;
}

/* Nothing is due then; at the beginning of the next stretch the hand goes on from where it was. */
static bool between_stretches(struct generator *g)
{
	uint64_t stretch = g->phase->stretch_ns, at = stretch ? (g->now_ns - g->entered_ns) % (2 * stretch) : 0;
	struct rtp_load *r = &g->rtp;

	if (stretch && at >= stretch) {
		r->paused = true;
		return true;
	}
	if (r->paused)
		r->due_ns = (double)(g->now_ns - at) - r->progress * r->gap_ns;
	r->paused = false;
	return false;
}

unsigned int rtp_send(struct generator *g)
{
	struct rtp_load *r = &g->rtp;
	unsigned int sent = 0;

	if (r->running == 0 || between_stretches(g))
		return 0;
	if ((double)g->now_ns - r->due_ns > BEHIND_NS) {
		latency_add(g->phase, LATENCY_schedule, (uint64_t)r->due_ns, g->now_ns);
		r->due_ns = (double)g->now_ns;
	}
	while (r->due_ns <= (double)g->now_ns && sent < BURST) {
		const struct spoke *spoke = &r->spoke[r->hand];

		if (r->progress == 0) {
			r->gap_ns = r->step_ns / fmax(spoke->count, 1);
			if (spoke->count)
				latency_add(g->phase, LATENCY_schedule, (uint64_t)r->due_ns, g->now_ns);
		}
		sent += send_due(g, spoke, BURST - sent);
		if (r->progress < spoke->count)
			break;
		r->progress = 0;
		r->hand = (r->hand + 1) % RTP_SPOKES;
		r->due_ns += r->step_ns;
	}
	return sent;
}

/* ---- receiving ----------------------------------------------------------------------------------------------- */

static void follow_sequence(struct phase *phase, struct stream *s, uint16_t seq)
{
	int16_t ahead = (int16_t)(seq - s->next_seq);

	if (!s->heard) {
		s->heard = true;
		s->seen = 1;
		s->next_seq = (uint16_t)(seq + 1);
		return;
	}
	if (ahead >= 0) {
		if (ahead > 0)
			stat_add(phase, STAT_lost, (uint64_t)ahead);
		s->seen = ahead < 63 ? s->seen << (ahead + 1) | 1 : 1;
		s->next_seq = (uint16_t)(seq + 1);
		return;
	}
	if (-ahead > 64 || (s->seen >> (-ahead - 1) & 1)) {
		stat_inc(phase, STAT_duplicated);
		return;
	}
	/* It had been counted as lost. */
	s->seen |= 1ull << (-ahead - 1);
	stat_inc(phase, STAT_reordered);
	tally_add(&phase->stat[STAT_lost], UINT64_MAX);
}

/* The same by the stream alone, which says all while it runs: one line of memory instead of the call's, too. Else NULL.
 */
static struct stream *running_stream(const struct generator *g, uint32_t endpoint, const struct mark *mark)
{
	struct stream *s;

	if (!g->rtp.stream || mark->slot >= g->calls.size || mark->side == (endpoint & 1) ||
	    (mark->slot * 2 + (endpoint & 1)) % g->rtp.endpoints != endpoint)
		return NULL;
	s = &g->rtp.stream[mark->slot * 2 + (endpoint & 1)];
	return s->running && s->serial == mark->serial ? s : NULL;
}

/* The call that a media port belongs to by its number; with fewer ports than calls, the mark says which of them. */
static struct call *call_of(struct generator *g, uint32_t endpoint, const struct mark *mark)
{
	struct call *call;

	if (mark->slot >= g->calls.size || (mark->slot * 2 + (endpoint & 1)) % g->rtp.endpoints != endpoint)
		return NULL;
	call = &g->calls.call[mark->slot];
	return call->serial == mark->serial && mark->side != (endpoint & 1) ? call : NULL;
}

static void blame(struct generator *g, uint32_t endpoint, uint32_t slot)
{
	struct call *call = slot < g->calls.size ? &g->calls.call[slot] : NULL;

	stat_inc(g->phase, STAT_wrong_call);
	if (endpoint / 2 < g->calls.size && (g->calls.call[endpoint / 2].flags & CALL_IN_USE))
		g->calls.call[endpoint / 2].flags |= CALL_MEDIA_WRONG;
	if (call && (call->flags & CALL_IN_USE))
		call->flags |= CALL_MEDIA_WRONG;
}

static void take(struct generator *g, const struct datagram *d, uint32_t endpoint)
{
	const uint8_t *payload = d->data + RTP_HEADER;
	uint32_t len = d->len - RTP_HEADER;
	struct mark mark;
	struct call *call;
	struct stream *s;

	memcpy(&mark, payload, sizeof(mark));
	if (mark.magic != MAGIC || len != g->scenario->rtp.payload ||
	    memcmp(payload + sizeof(mark), g->rtp.pattern, len - sizeof(mark)) != 0) {
		stat_inc(g->phase, STAT_corrupted);
		return;
	}
	s = running_stream(g, endpoint, &mark);
	call = s ? NULL : call_of(g, endpoint, &mark);
	if (!s && !call) {
		blame(g, endpoint, mark.slot);
		return;
	}
	latency_add(g->phase, LATENCY_rtp_transit, mark.due_ns, g->now_ns);
	/* After a side's end packets may still be on their way. */
	if (!s && (call->flags & CALL_IN_USE) && g->rtp.stream)
		s = stream_of(g, call, endpoint & 1);
	if (s)
		follow_sequence(g->phase, s, (uint16_t)(d->data[2] << 8 | d->data[3]));
}

void rtp_look_ahead(const struct generator *g, const struct datagram *d, unsigned int count)
{
	struct mark mark;

	if (!g->rtp.stream)
		return;
	for (unsigned int i = 0; i < count; i++) {
		if (d[i].len < RTP_HEADER + sizeof(mark))
			continue;
		memcpy(&mark, d[i].data + RTP_HEADER, sizeof(mark));
		if (mark.magic == MAGIC && mark.slot < g->calls.size)
			__builtin_prefetch(&g->rtp.stream[mark.slot * 2 + (mark.side ^ 1) % 2], 1);
	}
}

void rtp_receive(struct generator *g, struct datagram *d, unsigned int address)
{
	uint32_t offset = (uint32_t)d->local.port - g->link->media.first;

	if (offset % 2 == 0) {
		stat_inc(g->phase, STAT_received);
		if (d->len < RTP_HEADER + sizeof(struct mark) || d->data[0] >> 6 != 2)
			stat_inc(g->phase, STAT_unknown);
		else
			take(g, d, address * g->rtp.per_address + offset / 2);
	}
	datagram_free(d);
}
