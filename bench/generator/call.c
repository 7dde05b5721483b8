/* SPDX-License-Identifier: Apache-2.0 */
/* The pool of calls, and the verdict on each when it is over. */
#include "call.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "generator.h"

#define NO_CALL UINT32_MAX

/* ---- the pool ------------------------------------------------------------------------------------------------ */

int calls_init(struct call_pool *pool, uint32_t size)
{
	void *memory = mmap(NULL, (size_t)size * sizeof(struct call), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return -ENOMEM;
	madvise(memory, (size_t)size * sizeof(struct call), MADV_HUGEPAGE);
	*pool = (struct call_pool){.call = memory, .size = size, .first_free = 0, .last_free = size - 1};
	for (uint32_t i = 0; i < size; i++) {
		pool->call[i].slot = i;
		pool->call[i].next_free = i + 1 < size ? i + 1 : NO_CALL;
	}
	return 0;
}

void calls_fini(struct call_pool *pool)
{
	if (pool->call)
		munmap(pool->call, (size_t)pool->size * sizeof(struct call));
}

struct call *call_take(struct generator *g)
{
	struct call_pool *pool = &g->calls;
	struct call *call;

	if (pool->first_free == NO_CALL)
		return NULL;
	call = &pool->call[pool->first_free];
	pool->first_free = call->next_free;
	if (pool->first_free == NO_CALL)
		pool->last_free = NO_CALL;
	else
		__builtin_prefetch(&pool->call[pool->first_free], 1);
	pool->used++;
	call->serial++; /* lives of this slot */
	call->flags = CALL_IN_USE;
	call->code = 0;
	call->caller = CALLER_IDLE;
	call->callee = CALLEE_IDLE;
	call->attempts = call->resends = call->callee_resends = 0;
	call->callee_code = 0;
	call->kind = '1';
	call->asked_ns = call->answered_ns = call->bye_ns = 0;
	call->callee_call_id_hash = 0;
	call->to.len = call->target.len = call->route.len = call->head.len = call->credentials.len = 0;
	return call;
}

/* First in, first out, so that a slot rests for as long as possible before it is somebody else's. */
static void call_release(struct call_pool *pool, struct call *call)
{
	call->flags = 0;
	call->next_free = NO_CALL;
	if (pool->last_free == NO_CALL)
		pool->first_free = call->slot;
	else
		pool->call[pool->last_free].next_free = call->slot;
	pool->last_free = call->slot;
	pool->used--;
}

struct call *call_find(struct call_pool *pool, const struct identity *id)
{
	struct call *call = id->slot < pool->size ? &pool->call[id->slot] : NULL;
	uint32_t serial;

	if (!call || !(call->flags & CALL_IN_USE))
		return NULL;
	serial = id->kind ? call->serial : call->serial % NUMBER_SERIALS;
	return serial == id->serial ? call : NULL;
}

struct phase *call_phase(struct generator *g, const struct call *call)
{
	return g->phases[call->phase];
}

void call_resent(struct generator *g, struct call *call)
{
	struct phase *phase = call_phase(g, call);

	stat_inc(phase, STAT_resent);
	if (call->flags & CALL_RESENT)
		return;
	call->flags |= CALL_RESENT;
	stat_inc(phase, STAT_retransmitted);
}

/* ---- the verdict --------------------------------------------------------------------------------------------- */

static bool is_expected(const struct flow *flow, unsigned int code)
{
	for (unsigned int i = 0; i < flow->expects; i++)
		if (flow->expect[i] == code)
			return true;
	return false;
}

static void judge_outcome(struct phase *phase, struct call *call, const struct flow *flow)
{
	if (call->flags & CALL_TIMED_OUT) {
		stat_inc(phase, STAT_timed_out);
	} else if (is_expected(flow, call->code)) {
		stat_inc(phase, STAT_as_expected);
		tally_add(&phase->flow_as_expected[call->flow], 1);
	} else if (call->flags & CALL_SHED) {
		stat_inc(phase, STAT_shed);
	} else {
		stat_inc(phase, STAT_failed);
	}
}

/* Something that the two sides may see differently. */
struct difference {
	bool there;
	enum stat stat;
};

/* What one side believes and the other does not; true when anything. */
static bool judge_sides(struct phase *phase, const struct call *call, bool in_doubt)
{
	bool up = (call->flags & CALL_WAS_UP) != 0, answered = (call->flags & CALL_ANSWERED) != 0;
	bool caller_over = call->caller == CALLER_DONE,
	     callee_over = call->callee == CALLEE_IDLE || call->callee == CALLEE_DONE;
	const struct difference difference[] = {
	    {up && !answered, STAT_answered_alone},
	    {answered && !up && !(call->flags & CALL_CALLEE_BYE), STAT_callee_alone},
	    {(call->flags & CALL_ACK_MISSING) || call->callee == CALLEE_ANSWERED || call->callee == CALLEE_REFUSED,
	     STAT_ack_never},
	    {caller_over != callee_over && ((up && answered) || call->callee == CALLEE_ASKED), STAT_bye_lost}};
	bool any = false;

	for (unsigned int i = 0; i < sizeof(difference) / sizeof(*difference); i++) {
		if (!difference[i].there)
			continue;
		any = true;
		if (!in_doubt)
			stat_inc(phase, difference[i].stat);
	}
	return any;
}

/* A side that was not told because we ourselves lost the message accuses nobody. */
static void judge_disagreements(struct generator *g, struct phase *phase, const struct call *call)
{
	bool in_doubt = (call->flags & CALL_UNSENT) || g->overrun_ns >= call->due_ns;
	bool any = judge_sides(phase, call, in_doubt);

	if (any && in_doubt) {
		stat_inc(phase, STAT_in_doubt);
		any = false;
	}
	if (call->flags & CALL_SDP_SWAPPED)
		stat_inc(phase, STAT_sdp_swapped);
	if (call->flags & CALL_MEDIA_WRONG)
		stat_inc(phase, STAT_media_wrong_call);
	if (any || (call->flags & (CALL_SDP_SWAPPED | CALL_MEDIA_WRONG)))
		stat_inc(phase, STAT_total);
}

static void on_linger(struct timer *timer, void *context)
{
	struct generator *g = context;
	struct call *call = (struct call *)((char *)timer - offsetof(struct call, caller_timer));

	call_release(&g->calls, call);
}

static void judge(struct generator *g, struct call *call, bool both_over)
{
	struct phase *phase = call_phase(g, call);

	call->flags |= CALL_JUDGED;
	judge_outcome(phase, call, &g->scenario->flow[call->flow]);
	judge_disagreements(g, phase, call);
	if (both_over)
		stat_inc(phase, STAT_ended);
	stat_inc(phase, STAT_judged);
	rtp_stop(g, call);
	timer_stop(&g->wheel, &call->callee_timer);
	timer_start(&g->wheel, &call->caller_timer, wheel_time(g->now_ns + g->scenario->call.linger_ns), on_linger);
}

static void on_settle(struct timer *timer, void *context)
{
	struct call *call = (struct call *)((char *)timer - offsetof(struct call, caller_timer));

	judge(context, call, false);
}

void call_check_end(struct generator *g, struct call *call)
{
	bool caller_over = call->caller == CALLER_DONE;
	bool callee_over = call->callee == CALLEE_IDLE || call->callee == CALLEE_DONE;

	if (call->flags & CALL_JUDGED)
		return;
	if (caller_over && callee_over)
		judge(g, call, true);
	else if (caller_over || (callee_over && call->caller == CALLER_UP))
		timer_start(&g->wheel, &call->caller_timer, wheel_time(g->now_ns + g->scenario->call.settle_ns),
			    on_settle);
}
