/* SPDX-License-Identifier: Apache-2.0 */
/* The shared record of a call: slots, states, strings. */
#include <errno.h>
#include <string.h>

#include "signaling/call.h"
#include "signaling/local_headers.h"
#include "signaling/redirect.h"

bool call_write_begin(struct call *call)
{
	uint32_t sequence = atomic_load_explicit(&call->record->sequence, memory_order_relaxed);

	if (sequence & 1)
		return false;
	atomic_store_explicit(&call->record->sequence, sequence + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	return true;
}

void call_write_end(struct call *call, bool begun)
{
	uint32_t sequence = atomic_load_explicit(&call->record->sequence, memory_order_relaxed);

	if (begun)
		atomic_store_explicit(&call->record->sequence, sequence + 1, memory_order_release);
}

void call_set_state(struct call *call, enum call_state state)
{
	atomic_store_explicit(&call->record->state, (uint8_t)state, memory_order_release);
}

/* Everything but the sequence, which readers watch over the record's lives. */
static void clear(struct call_record *record)
{
	char *from = (char *)record + offsetof(struct call_record, state);

	memset(from, 0, offsetof(struct call_record, arena) - offsetof(struct call_record, state));
}

struct call *call_new(struct engine *engine)
{
	struct calls *calls = engine->calls;

	if (!calls->free_slots)
		return NULL;
	uint32_t slot = calls->free_slot[--calls->free_slots];
	struct call *call = &calls->call[slot];
	uint64_t half = engine_random(engine);

	memset(call, 0, sizeof(*call));
	call->engine = engine;
	call_work(call);
	call->slot = slot;
	call->record = call_table_record(calls->table, slot);
	call->caller_gateway = call->callee_gateway = call->customer = GATEWAY_NO_ID;
	call_write_begin(call);
	clear(call->record);
	call->record->worker = (uint8_t)engine->worker;
	/* The slot is in the id, so that nobody has to search for it. */
	half = (half & ~(uint64_t)UINT32_MAX) | slot;
	memcpy(call->record->id, &half, 8);
	do
		half = engine_random(engine);
	while (!half);
	memcpy(call->record->id + 8, &half, 8);
	call->record->life = half;
	call->record->media_mode = CALL_MEDIA_NONE;
	call->record->setup_us = engine->now_us;
	call->record->setup_wall_us = clock_wall_us(engine->now_us);
	calls->standing++;
	gauge_set(engine->counters, COUNTER_signaling_calls, calls->standing);
	return call;
}

void call_give_block(struct calls *calls, uint32_t block)
{
	struct free_blocks *to =
	    block <= call_table_small_blocks(calls->count) ? &calls->small_blocks : &calls->large_blocks;

	/* Records that were damaged may have claimed one twice. */
	if (block && block <= calls->blocks && to->count < calls->blocks)
		to->block[to->count++] = block - 1;
}

void call_free(struct call *call)
{
	struct engine *engine = call->engine;
	struct calls *calls = engine->calls;

	timer_stop(&engine->wheel, &call->timer);
	call_work_free(call);
	timer_stop(&engine->wheel, &call->media);
	/* Its block is ours again only once nobody can find it through the record. */
	uint32_t block = call->record->block;

	call_set_state(call, CALL_FREE);
	call_give_block(calls, block);
	call_write_end(call, atomic_load_explicit(&call->record->sequence, memory_order_relaxed) & 1);
	call->record = NULL;
	if (calls->passed[call->slot].count)
		calls->passed[call->slot] = (struct passed_requests){.life = calls->passed[call->slot].life + 1};
	calls->free_slot[calls->free_slots++] = call->slot;
	calls->standing--;
	gauge_set(engine->counters, COUNTER_signaling_calls, calls->standing);
}

struct call_work *call_work(struct call *call)
{
	struct calls *calls = call->engine->calls;
	struct call_work *work = call->work;

	if (work)
		return work;
	work = calls->free_work;
	if (work)
		calls->free_work = work->next;
	else
		work = &calls->works[calls->works_used++];
	memset(work, 0, offsetof(struct call_work, caller_network));
	work->caller_network[0] = '\0';
	call->work = work;
	return work;
}

void call_work_free(struct call *call)
{
	struct calls *calls = call->engine->calls;

	if (!call->work)
		return;
	reliable_forget_attempt(call);
	redirect_forget(call);
	call->work->next = calls->free_work;
	calls->free_work = call->work;
	call->work = NULL;
}

/* An offer, an ACK or a PRACK is under way. */
static bool is_work_left(const struct call *call)
{
	const struct call_work *work = call->work;

	for (enum call_side side = CALLER; side < CALL_SIDES; side++)
		if (call_reinvite(call, side) || work->updates[side] || work->own[side].transaction)
			return true;
	return work->answer_awaiting_ack || work->reliable.pending;
}

void call_work_done(struct call *call)
{
	if (call->work && call_state(call) != CALL_SETUP && !is_work_left(call))
		call_work_free(call);
}

/* ---- strings ---- */

static uint32_t block_size(const struct call *call)
{
	const struct calls *calls = call->engine->calls;
	uint32_t block = call->record->block;

	return block && block <= calls->blocks ? call_table_block_size(calls->count, block - 1) : 0;
}

static char *block_of(const struct call *call)
{
	const struct calls *calls = call->engine->calls;

	return call_table_block(calls->table, calls->count, call->record->block - 1);
}

struct sip_text call_text(const struct call *call, struct call_text text)
{
	uint32_t size = text.offset < CALL_ARENA ? 0 : block_size(call);
	size_t len;
	const char *at = call_record_text(call->record, size ? block_of(call) : NULL, size, text, &len);

	return sip_text(at, len);
}

/* Into a larger block, as far as that is used; none before: any. */
static bool take_block(struct call *call, bool large)
{
	struct calls *calls = call->engine->calls;
	struct call_record *record = call->record;
	uint32_t old = record->block;
	struct free_blocks *from = large ? &calls->large_blocks : &calls->small_blocks;

	if (!from->count)
		return false;
	uint32_t block = from->block[--from->count];

	if (old)
		memcpy(call_table_block(calls->table, calls->count, block), block_of(call), record->block_used);
	atomic_thread_fence(memory_order_release);
	record->block = block + 1;
	call_give_block(calls, old);
	return true;
}

static bool put_at(struct call_text *ref, char *to, uint32_t offset, uint16_t *used, struct sip_text text)
{
	memcpy(to, text.at, text.len);
	*used = (uint16_t)(*used + text.len);
	atomic_thread_fence(memory_order_release);
	*ref = (struct call_text){(uint16_t)offset, (uint16_t)text.len};
	return true;
}

static bool put_into_arena(struct call *call, struct call_text *ref, struct sip_text text)
{
	struct call_record *record = call->record;
	uint32_t at = record->arena_used;

	return text.len <= CALL_ARENA - at && put_at(ref, record->arena + at, at, &record->arena_used, text);
}

/* A block of at least so many bytes. */
static bool make_room(struct call *call, uint32_t bytes, bool may_be_large)
{
	uint32_t size = block_size(call);

	if (bytes <= size)
		return true;
	if (!size && bytes <= CALL_SMALL_BLOCK && take_block(call, false))
		return true;
	return may_be_large && size < CALL_LARGE_BLOCK && bytes <= CALL_LARGE_BLOCK && take_block(call, true);
}

static bool put_into_block(struct call *call, struct call_text *ref, struct sip_text text, bool may_be_large)
{
	struct call_record *record = call->record;
	uint32_t at = record->block_used;

	return make_room(call, at + text.len, may_be_large) &&
	       put_at(ref, block_of(call) + at, CALL_ARENA + at, &record->block_used, text);
}

bool call_put(struct call *call, struct call_text *ref, struct sip_text text)
{
	if (!text.len) {
		*ref = (struct call_text){0, 0};
		return true;
	}
	if (put_into_arena(call, ref, text))
		return true;
	call->record->block_stays = true;
	if (put_into_block(call, ref, text, true))
		return true;
	if (call_lacks_block(call))
		counter_inc(call->engine->counters, COUNTER_signaling_overflow_exhausted);
	return false;
}

bool call_put_for_setup(struct call *call, struct call_text *ref, struct sip_text text)
{
	return (text.len && put_into_block(call, ref, text, false)) || call_put(call, ref, text);
}

/* Half of the blocks of each size are for set-ups, which fail without. */
static bool spares_block(const struct call *call, bool large)
{
	const struct calls *calls = call->engine->calls;
	uint32_t left = large ? calls->large_blocks.count : calls->small_blocks.count;
	uint32_t all = large ? call_table_large_blocks(calls->count) : call_table_small_blocks(calls->count);

	return left > all / call->engine->workers / 2;
}

/* For as long as the call lasts; what can be made anew is not worth a large block. */
static bool keep_in_block(struct call *call, struct call_text *place, struct sip_text sdp, bool plain)
{
	struct call_record *record = call->record;
	bool stays = record->block_stays, large = !plain && spares_block(call, true);

	if (!stays && block_size(call) != CALL_LARGE_BLOCK && !spares_block(call, false) &&
	    !(large && take_block(call, true)))
		return false;
	/* Before it is there: a life that begins now must not give the block away. */
	record->block_stays = true;
	if (put_into_block(call, place, sdp, large))
		return true;
	record->block_stays = stays;
	return false;
}

void call_put_description(struct call *call, enum call_side side, struct sip_text sdp)
{
	struct call_dialog *d = &call->record->dialog[side];
	/* Its room stays, whether or not anything is there now. */
	struct call_text place = {d->local_sdp.offset, d->local_sdp_room};
	struct sip_text room = call_text(call, place);
	bool fits = room.len && sdp.len <= room.len;

	/* While it is being written there is none: a life that begins now makes one of its own. */
	d->local_sdp.len = 0;
	atomic_thread_fence(memory_order_release);
	if (!sdp.len)
		return;
	if (fits) {
		memcpy((char *)(uintptr_t)room.at, sdp.at, sdp.len);
		atomic_thread_fence(memory_order_release);
		d->local_sdp = (struct call_text){place.offset, (uint16_t)sdp.len};
		return;
	}
	if (put_into_arena(call, &place, sdp) || keep_in_block(call, &place, sdp, d->flags & DIALOG_SDP_PLAIN)) {
		d->local_sdp_room = (uint16_t)sdp.len;
		d->local_sdp = place;
	}
}

bool call_lacks_block(const struct call *call)
{
	return block_size(call) != CALL_LARGE_BLOCK && !call->engine->calls->large_blocks.count;
}

void call_forget_setup(struct call *call)
{
	struct call_record *record = call->record;
	uint32_t block = record->block;

	if (!block || record->block_stays)
		return;
	record->response = record->answer = (struct call_text){0, 0};
	record->block_mark = 0;
	atomic_thread_fence(memory_order_release);
	record->block_used = 0;
	atomic_thread_fence(memory_order_release);
	record->block = 0;
	call_give_block(call->engine->calls, block);
}

/* Where the attempts' strings lie, though it is not theirs: an UPDATE in the early dialog has brought it. */
static bool lies_among_attempts(const struct call_record *record, struct call_text text)
{
	if (text.offset < CALL_ARENA)
		return text.len && text.offset >= record->arena_mark;
	return text.offset - CALL_ARENA >= record->block_mark;
}

/* There is room for it: it had some there already. */
static void put_target_first(struct call *call, const char *target, uint32_t len)
{
	struct call_record *record = call->record;

	call_put(call, &record->dialog[CALLER].target, sip_text(target, len));
	record->dialog[CALLER].target_room = 0;
	record->arena_mark = record->arena_used;
	record->block_mark = record->block_used;
}

void call_forget_attempt(struct call *call)
{
	struct call_record *record = call->record;
	struct sip_text target = call_text(call, record->dialog[CALLER].target);
	bool moved = lies_among_attempts(record, record->dialog[CALLER].target);
	char *kept = call->engine->calls->head;

	if (moved)
		memcpy(kept, target.at, target.len);
	memset(&record->dialog[CALLEE], 0, sizeof(record->dialog[CALLEE]));
	record->caller_out = record->callee_out = record->routing_gateway = (struct call_text){0, 0};
	memset(record->codec, 0, sizeof(record->codec));
	record->media_mode = CALL_MEDIA_NONE;
	atomic_thread_fence(memory_order_release);
	record->arena_used = record->arena_mark;
	record->block_used = record->block_mark;
	if (moved)
		put_target_first(call, kept, target.len);
}

void call_dialog(const struct call *call, enum call_side side, struct dialog *dialog)
{
	const struct call_dialog *d = &call->record->dialog[side];

	dialog->head = call_text(call, d->head);
	dialog->target = call_text(call, d->target);
	dialog->route = call_text(call, d->route);
	dialog->flow = d->flow;
	dialog->behind_nat = d->flags & DIALOG_BEHIND_NAT;
}

void call_next_hop(struct call *call, enum call_side side, const struct dialog *dialog, struct sip_flow *flow)
{
	struct call_dialog *d = &call->record->dialog[side];

	if (d->flags & DIALOG_HOP_KNOWN) {
		*flow = d->flow;
		flow->remote = d->hop;
		return;
	}
	dialog_next_hop(call->engine, dialog, flow);
	/* An address of the other family may be reached from elsewhere tomorrow. */
	if (flow->remote.family != d->flow.remote.family)
		return;
	d->hop = flow->remote;
	atomic_thread_fence(memory_order_release);
	d->flags |= DIALOG_HOP_KNOWN;
}

void call_make_tag(struct call *call, enum call_side side, char out[static IDENTIFIER_TAG])
{
	struct engine *engine = call->engine;
	struct identifier_tag id = {.worker = engine->worker, .slot = call->slot};

	/* The lowest bit tells the side. */
	id.nonce = ((uint32_t)engine_random(engine) & ~1u) | (uint32_t)side;
	identifier_tag_print(&id, engine->hash_key, out);
}

static struct call_text piece(struct call_text of, uint32_t at, uint32_t len)
{
	return (struct call_text){len ? (uint16_t)(of.offset + at) : 0, (uint16_t)len};
}

/* Whom the dialog is with, by To; empty: no URI there. */
static struct call_text uri_of_to(const struct call *call, const struct call_dialog *d)
{
	static const char to[] = "\r\nTo: ";
	struct sip_text head = call_text(call, d->head);
	const char *at = head.len ? memmem(head.at, head.len, to, sizeof(to) - 1) : NULL;
	struct sip_name_addr name;

	if (!at || sip_name_addr_parse(&name, sip_text_span(at + sizeof(to) - 1, head.at + head.len)) < 0)
		return (struct call_text){0, 0};
	return piece(d->head, (uint32_t)(name.uri.at - head.at), name.uri.len);
}

/* A peer may change it as often as it likes: into the place of the one before, where that is its own and long enough.
 */
static bool rewrite_target(struct call *call, struct call_dialog *d, struct sip_text contact)
{
	bool in_head = (uint32_t)(d->target.offset - d->head.offset) < d->head.len;
	uint16_t room = d->target_room > d->target.len ? d->target_room : d->target.len;
	struct call_text place = {d->target.offset, room}, meanwhile = uri_of_to(call, d);
	struct sip_text old = call_text(call, place);

	if (in_head || !meanwhile.len || contact.len > old.len)
		return false;
	d->target_room = room;
	/* For a life that begins now. */
	d->target = meanwhile;
	atomic_thread_fence(memory_order_release);
	memcpy((char *)(uintptr_t)old.at, contact.at, contact.len);
	atomic_thread_fence(memory_order_release);
	d->target = (struct call_text){place.offset, (uint16_t)contact.len};
	return true;
}

void call_refresh_target(struct call *call, enum call_side side, struct sip_message *message)
{
	struct call_dialog *d = &call->record->dialog[side];
	struct sip_text contact = dialog_contact(message);
	struct call_text place;

	if (!contact.at || sip_text_equal(contact, call_text(call, d->target)))
		return;
	d->flags &= ~(uint32_t)DIALOG_HOP_KNOWN;
	if (rewrite_target(call, d, contact))
		return;
	if (put_into_arena(call, &place, contact) || keep_in_block(call, &place, contact, false)) {
		d->target_room = 0;
		d->target = place;
	} else {
		counter_inc(call->engine->counters, COUNTER_signaling_targets_kept);
	}
}

bool call_put_head(struct call *call, enum call_side side, const struct call_head *head)
{
	struct call_dialog *d = &call->record->dialog[side];
	struct call_text put;

	if (!call_put(call, &put, head->text))
		return false;
	d->call_id = piece(put, head->call_id_at, head->call_id_len);
	d->local_tag = piece(put, head->local_tag_at, IDENTIFIER_TAG);
	d->remote_tag = piece(put, head->remote_tag_at, head->remote_tag_len);
	if (head->uri_len)
		d->target = piece(put, head->uri_at, head->uri_len);
	d->head = put;
	return true;
}

bool call_put_remote_tag(struct call *call, enum call_side side, struct sip_text tag)
{
	struct calls *calls = call->engine->calls;
	struct call_dialog *d = &call->record->dialog[side];
	struct call_text old = d->head, put;
	struct sip_builder b;

	if (!tag.len || d->remote_tag.len)
		return true;
	sip_build_init(&b, calls->head, sizeof(calls->head));
	local_headers_put(&b, call_text(call, old));
	sip_build_string(&b, ";tag=");
	sip_build_text(&b, tag);
	if (b.overflow)
		return false;
	/* Behind the old one, unless something lies there. */
	if (old.offset + old.len == call->record->arena_used &&
	    put_into_arena(call, &put, sip_text(b.data + old.len, b.len - old.len)))
		put = (struct call_text){old.offset, (uint16_t)b.len};
	else if (!call_put(call, &put, sip_text(b.data, b.len)))
		return false;
	d->call_id.offset = (uint16_t)(d->call_id.offset - old.offset + put.offset);
	d->local_tag.offset = (uint16_t)(d->local_tag.offset - old.offset + put.offset);
	d->remote_tag = piece(put, b.len - tag.len, tag.len);
	d->head = put;
	return true;
}
