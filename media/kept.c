/* SPDX-License-Identifier: Apache-2.0 */
#include "kept.h"

#define KEPT_FOR_US (1 * US_PER_S)

static_assert(MEDIA_KEPT_PACKETS == LATCH_PACKETS - 1, "the last of the row is sent at once");

static struct media_kept *place(struct media_core *core, uint32_t slot, enum media_leg_index leg)
{
	return &core->kept[(slot * LEG_COUNT + leg) % MEDIA_KEPT];
}

static void drop(struct media_core *core, struct media_kept *kept)
{
	for (unsigned int i = 0; i < kept->count; i++)
		core->notify->free_kept(core, &kept->datagram[i]);
	counter_add(core->row, COUNTER_media_drop_learning, kept->count);
	kept->count = 0;
}

void kept_add(struct media_core *core, uint32_t slot, enum media_leg_index leg, const struct datagram *d,
	      uint64_t now_us)
{
	struct media_kept *kept = place(core, slot, leg);

	if (kept->slot != slot || kept->leg != leg || core->session[slot].cold[leg].candidate_packets <= 1 ||
	    kept->count == MEDIA_KEPT_PACKETS)
		drop(core, kept);
	kept->slot = slot;
	kept->leg = (uint8_t)leg;
	kept->last_us = now_us;
	kept->datagram[kept->count++] = *d;
}

unsigned int kept_take(struct media_core *core, uint32_t slot, enum media_leg_index leg, const struct net_addr *source,
		       struct datagram out[static LATCH_PACKETS - 1], uint64_t now_us)
{
	struct media_kept *kept = place(core, slot, leg);
	unsigned int count = kept->count;

	if (count == 0 || kept->slot != slot || kept->leg != leg)
		return 0;
	if (now_us > kept->last_us + KEPT_FOR_US || !net_addr_equal(&kept->datagram[0].remote, source)) {
		drop(core, kept);
		return 0;
	}
	for (unsigned int i = 0; i < count; i++)
		out[i] = kept->datagram[i];
	kept->count = 0;
	return count;
}

void kept_sweep(struct media_core *core, uint64_t now_us)
{
	struct media_kept *kept = &core->kept[core->kept_swept++ % MEDIA_KEPT];

	if (kept->count && now_us > kept->last_us + KEPT_FOR_US)
		drop(core, kept);
}

void kept_flush(struct media_core *core)
{
	for (unsigned int i = 0; i < MEDIA_KEPT; i++)
		drop(core, &core->kept[i]);
}
