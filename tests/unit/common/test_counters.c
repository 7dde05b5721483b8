/* SPDX-License-Identifier: Apache-2.0 */
#include "common/counters.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/check.h"

/* The segment without /dev/shm, shared with children. */
static struct segment segment_new(void)
{
	struct segment_spec spec;
	struct segment segment = {0};

	counters_spec(&spec);
	segment.header = mmap(NULL, spec.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	segment.content = (uint8_t *)segment.header + SEGMENT_HEADER;
	segment.size = spec.size;
	return segment;
}

static void names_and_help(void)
{
	for (int i = 0; i < COUNTER_COUNT; i++) {
		size_t len = strlen(counter_info[i].help);

		CHECK(counter_info[i].group[0] && counter_info[i].name[0]);
		if (len == 0 || counter_info[i].help[len - 1] != '.') {
			printf("  %s.%s: its help is not a full sentence\n", counter_info[i].group,
			       counter_info[i].name);
			check_failures++;
		}
		for (int k = 0; k < i; k++)
			CHECK(strcmp(counter_info[i].name, counter_info[k].name) != 0 ||
			      strcmp(counter_info[i].group, counter_info[k].group) != 0);
	}
}

static void a_row_goes_on_where_it_stood(void)
{
	struct segment segment = segment_new();
	struct counter_row *one = counters_row(&segment, "signaling-0"), *two = counters_row(&segment, "signaling-1");

	CHECK(one && two && one != two);
	CHECK_TEXT(one->owner, strlen(one->owner), "signaling-0");
	CHECK((uintptr_t)one->value % 64 == 0);
	counter_inc(one, 0);
	counter_add(one, 0, 41);
	CHECK(counters_row(&segment, "signaling-0") == one);
	CHECK_INT(one->value[0], 42);
	gauge_set(one, 0, 7);
	CHECK_INT(one->value[0], 7);
	CHECK_INT(two->value[0], 0);
	segment_detach(&segment);
}

static void rows_end(void)
{
	struct segment segment = segment_new();
	char owner[64];

	for (int i = 0; i < COUNTER_ROWS; i++) {
		snprintf(owner, sizeof(owner), "a-thread-with-a-longer-name-%d", i);
		CHECK(counters_row(&segment, owner) != NULL);
	}
	CHECK(counters_row(&segment, "one more") == NULL);
	CHECK(counters_row(&segment, "a-thread-with-a-longer-name-255") != NULL);
	segment_detach(&segment);
}

/* Processes that start at once get rows of their own. */
static void claims_do_not_collide(void)
{
	struct segment segment = segment_new();
	struct counter_row *rows = segment.content;
	int found = 0;

	for (int child = 0; child < 16; child++) {
		if (fork() == 0) {
			for (int i = 0; i < 8; i++) {
				char owner[64];
				struct counter_row *row;

				snprintf(owner, sizeof(owner), "process-%d-%d", child, i);
				row = counters_row(&segment, owner);
				if (row)
					counter_inc(row, 0);
			}
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
	for (int i = 0; i < COUNTER_ROWS; i++) {
		if (!rows[i].owner[0])
			continue;
		found++;
		CHECK_INT(rows[i].value[0], 1);
	}
	CHECK_INT(found, 16 * 8);
	segment_detach(&segment);
}

/* Killed between taking a row and naming it: the row is not lost. */
static void a_dead_claim_is_taken_over(void)
{
	struct segment segment = segment_new();
	struct counter_row *rows = segment.content;
	pid_t dead = fork();
	uint64_t word;

	if (dead == 0)
		_exit(0);
	waitpid(dead, NULL, 0);
	word = ((uint64_t)dead << 32) | 0xff;
	memcpy(rows[0].owner, &word, sizeof(word));
	word = ((uint64_t)getpid() << 32) | 0xff;
	memcpy(rows[1].owner, &word, sizeof(word));
	CHECK(counters_row(&segment, "media-0") == &rows[0]);
	CHECK(counters_row(&segment, "media-1") == &rows[2]); /* the living one's is its own */
	segment_detach(&segment);
}

static const struct check_case cases[] = {
    {"names and help", names_and_help},
    {"a row goes on where it stood", a_row_goes_on_where_it_stood},
    {"rows end", rows_end},
    {"claims do not collide", claims_do_not_collide},
    {"a dead claim is taken over", a_dead_claim_is_taken_over},
};
CHECK_MAIN(cases)
