/* SPDX-License-Identifier: Apache-2.0 */
#include "common/end_reason.h"

#include "tests/unit/check.h"

static void words_are_whole_and_different(void)
{
	for (int i = 1; i < END_REASON_COUNT; i++) {
		CHECK(end_reason_info[i].word && end_reason_info[i].word[0]);
		CHECK(end_reason_info[i].when && end_reason_info[i].when[0]);
		CHECK(end_reason_info[i].q850_cause >= 1 && end_reason_info[i].q850_cause <= 127);
		for (int k = 1; k < i; k++)
			CHECK(strcmp(end_reason_info[i].word, end_reason_info[k].word) != 0);
	}
	CHECK_TEXT(end_reason_info[END_NONE].word, 0, "");
}

/* They are in databases: a change of the order must not go unnoticed. */
static void values_stay(void)
{
	CHECK_INT(END_NORMAL, 1);
	CHECK_INT(END_BUSY, 9);
	CHECK_INT(END_NODE_RESTART, 27);
	CHECK_INT(END_BAD_REQUEST, 29);
	CHECK_TEXT(end_direction_word[END_BY_CALLER], 6, "caller");
	CHECK_TEXT(end_direction_word[END_BY_SERVER], 6, "server");
}

static const struct check_case cases[] = {
    {"words are whole and different", words_are_whole_and_different},
    {"values stay", values_stay},
};
CHECK_MAIN(cases)
