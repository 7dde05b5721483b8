/* SPDX-License-Identifier: Apache-2.0 */
#include "common/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/check.h"

static char node[32];

static struct segment_spec table_spec(uint32_t items)
{
	return (struct segment_spec){
	    .name = "calls",
	    .layout = SEGMENT_CALLS,
	    .version = 3,
	    .item_size = 128,
	    .item_count = items,
	    .size = SEGMENT_HEADER + 128ull * items,
	};
}

static void path_of(char out[static 128], const char *name)
{
	snprintf(out, 128, "/dev/shm/tandem.%s.%s", node, name);
}

static void keeps_what_is_there(void)
{
	struct segment_spec spec = table_spec(1000);
	struct segment segment, reader;
	uint64_t generation;

	CHECK_INT(segment_attach(&segment, node, &spec, true), -ENOENT);
	CHECK_INT(segment_create(node, &spec, 0600, false), 0);
	CHECK_INT(segment_attach(&segment, node, &spec, true), 0);
	generation = segment.header->generation;
	CHECK(generation != 0);
	CHECK_INT(segment.size, SEGMENT_HEADER + 128000);
	for (size_t i = 0; i < 128000; i++)
		CHECK(((uint8_t *)segment.content)[i] == 0);
	memcpy(segment.content, "standing", 8);
	segment_detach(&segment);
	CHECK_INT(segment_create(node, &spec, 0600, false), 1);
	CHECK_INT(segment_create(node, &spec, 0600, true), 1); /* equal: nothing to replace */
	CHECK_INT(segment_attach(&reader, node, &spec, false), 0);
	CHECK(reader.header->generation == generation);
	CHECK_TEXT((char *)reader.content, 8, "standing");
	segment_detach(&reader);
	CHECK_INT(segment_remove(node, "calls"), 0);
	CHECK_INT(segment_remove(node, "calls"), -ENOENT);
}

static void refuses_another_make(void)
{
	struct segment_spec spec = table_spec(10), other;
	struct segment segment;

	CHECK_INT(segment_create(node, &spec, 0600, false), 0);
	other = spec;
	other.version = 4;
	CHECK_INT(segment_attach(&segment, node, &other, true), -EPROTO);
	CHECK_INT(segment_create(node, &other, 0600, false), -EEXIST);
	other = spec;
	other.layout = SEGMENT_BINDINGS;
	CHECK_INT(segment_attach(&segment, node, &other, true), -EPROTO);
	other = spec;
	other.item_size = 64;
	CHECK_INT(segment_attach(&segment, node, &other, true), -EPROTO);
	other = table_spec(11);
	CHECK_INT(segment_attach(&segment, node, &other, true), -EPROTO);
	CHECK_INT(segment_create(node, &other, 0600, true), 0); /* and now it is the other one */
	CHECK_INT(segment_attach(&segment, node, &spec, true), -EPROTO);
	CHECK_INT(segment_attach(&segment, node, &other, true), 0);
	segment_detach(&segment);
	segment_remove(node, "calls");
}

static void refuses_damage_and_strangers(void)
{
	struct segment_spec spec = table_spec(10);
	struct segment segment;
	char path[128];
	int fd;

	path_of(path, "calls");
	CHECK_INT(segment_create(node, &spec, 0600, false), 0);
	CHECK_INT(truncate(path, SEGMENT_HEADER + 10), 0); /* reading past the end would be SIGBUS */
	CHECK_INT(segment_attach(&segment, node, &spec, true), -EPROTO);
	CHECK_INT(truncate(path, 5), 0);
	CHECK_INT(segment_attach(&segment, node, &spec, true), -EPROTO);
	segment_remove(node, "calls");
	fd = open(path, O_CREAT | O_RDWR | O_EXCL, 0600);
	CHECK_INT(ftruncate(fd, (off_t)spec.size), 0); /* right size, no magic */
	close(fd);
	CHECK_INT(segment_attach(&segment, node, &spec, true), -EPROTO);
	segment_remove(node, "calls");
	CHECK_INT(segment_create(node, &spec, 0600, false), 0);
	CHECK_INT(chmod(path, 0666), 0); /* anybody may write it */
	CHECK_INT(segment_attach(&segment, node, &spec, true), -EPERM);
	segment_remove(node, "calls");
	CHECK_INT(symlink("/dev/shm/elsewhere", path), 0);
	CHECK(segment_attach(&segment, node, &spec, true) < 0);
	segment_remove(node, "calls");
}

static void has_mode_and_size(void)
{
	struct segment_spec spec = table_spec(1 << 15); /* 4 MiB: large enough for huge pages */
	char path[128];
	struct stat file;

	path_of(path, "calls");
	CHECK_INT(segment_create(node, &spec, 0640, false), 0);
	CHECK_INT(stat(path, &file), 0);
	CHECK_INT(file.st_mode & 07777, 0640);
	CHECK_INT(file.st_size, spec.size);
	CHECK(file.st_blocks * 512 >= file.st_size); /* the memory is taken, not promised */
	segment_remove(node, "calls");
}

/* More than the file system has is an error at creation, and leaves nothing behind. */
static void full_is_an_error_now(void)
{
	struct segment_spec spec = table_spec(10);
	char path[128];

	spec.size = 1ull << 45;
	CHECK_INT(segment_create(node, &spec, 0600, false), -ENOSPC);
	path_of(path, "calls");
	CHECK(access(path, F_OK) != 0);
}

static void refuses_impossible_names(void)
{
	struct segment_spec spec = table_spec(1);

	snprintf(spec.name, sizeof(spec.name), "../x");
	CHECK_INT(segment_create(node, &spec, 0600, false), -EINVAL);
	CHECK_INT(segment_remove("a/b", "calls"), -EINVAL);
	spec = table_spec(1);
	spec.size = 10;
	CHECK_INT(segment_create(node, &spec, 0600, false), -EINVAL);
}

/* Creators killed at random moments: whoever attaches meets nothing or a whole segment. */
static void killed_creator_leaves_nothing_half(void)
{
	struct segment_spec spec = table_spec(1 << 14);
	struct segment segment;
	int whole = 0;

	for (int i = 0; i < 200; i++) {
		pid_t child = fork();
		int error;

		if (child == 0) {
			for (;;) {
				segment_create(node, &spec, 0600, false);
				usleep(200);
				segment_remove(node, "calls");
			}
		}
		/* Longer and longer: a busy machine takes its time before the first creation is done. */
		usleep((useconds_t)(i * 997 % (500 + i * 100)));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		error = segment_attach(&segment, node, &spec, true);
		CHECK(error == 0 || error == -ENOENT);
		if (!error) {
			whole++;
			CHECK(segment.header->generation != 0);
			segment_detach(&segment);
			segment_remove(node, "calls");
		}
	}
	CHECK(whole > 0);
}

static const struct check_case cases[] = {
    {"keeps what is there", keeps_what_is_there},
    {"refuses another make", refuses_another_make},
    {"refuses damage and strangers", refuses_damage_and_strangers},
    {"has mode and size", has_mode_and_size},
    {"full is an error now", full_is_an_error_now},
    {"refuses impossible names", refuses_impossible_names},
    {"a killed creator leaves nothing half", killed_creator_leaves_nothing_half},
};

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!freopen("/dev/null", "w", stderr)) /* the refusals are logged, as they should be */
		return 1;
	snprintf(node, sizeof(node), "test-%d", (int)getpid());
	return check_main(cases, sizeof(cases) / sizeof(cases[0]));
}
