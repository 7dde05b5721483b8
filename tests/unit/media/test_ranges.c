/* SPDX-License-Identifier: Apache-2.0 */
/* Every RTP port belongs to at most one pair of workers, and both sides agree on which. */
#include "../check.h"
#include "common/layout/rtp_ranges.h"

static void whole(const struct config_range *range, unsigned int media, unsigned int signaling)
{
	static uint8_t taken[65536];
	unsigned int pairs = 0;

	memset(taken, 0, sizeof(taken));
	for (unsigned int m = 0; m < media; m++) {
		for (unsigned int s = 0; s < signaling; s++) {
			struct rtp_slice slice = rtp_range_of_signaling(range, media, m, signaling, s);

			CHECK_INT(slice.first % 2, 0);
			for (unsigned int i = 0; i < slice.pairs; i++) {
				uint16_t port = (uint16_t)(slice.first + 2 * i);

				CHECK(port >= range->first && port + 1 <= range->last);
				CHECK(!taken[port]++);
				CHECK_INT(rtp_range_owner(range, media, port), m);
				CHECK_INT(rtp_range_owner(range, media, (uint16_t)(port + 1)), m);
			}
			pairs += slice.pairs;
		}
	}
	CHECK(pairs <= rtp_range_pairs(range));
	CHECK(pairs + media * signaling + media > rtp_range_pairs(range));
}

static void all_shapes(void)
{
	static const struct config_range ranges[] = {
	    {20000, 59999}, {20001, 20100}, {1024, 65535}, {65534, 65535}, {40000, 40001}};

	for (unsigned int i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		for (unsigned int media = 1; media <= 5; media++)
			for (unsigned int signaling = 1; signaling <= 3; signaling++)
				whole(&ranges[i], media, signaling);
}

static void outside(void)
{
	const struct config_range range = {20000, 20099}, nothing = {20001, 20002};

	CHECK_INT(rtp_range_owner(&range, 3, 19999), -1);
	CHECK_INT(rtp_range_owner(&range, 3, 20100), -1);
	CHECK_INT(rtp_range_owner(&range, 3, 20099), -1); /* left over by the division */
	CHECK_INT(rtp_range_pairs(&nothing), 0);
	CHECK_INT(rtp_range_owner(&nothing, 1, 20001), -1);
	CHECK_INT(rtp_range_of_media(&range, 3, 3).pairs, 0);
}

static const struct check_case cases[] = {
    {"no port belongs to two", all_shapes},
    {"outside of the range", outside},
};
CHECK_MAIN(cases)
