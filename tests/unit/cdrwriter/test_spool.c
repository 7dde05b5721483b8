/* SPDX-License-Identifier: Apache-2.0 */
/* The spool on a real file system, with the disk's failures made by the linker (--wrap): see meson.build. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cdrwriter/batch.h"
#include "cdrwriter/crc32c.h"
#include "cdrwriter/spool.h"
#include "common/clock.h"
#include "tests/unit/check.h"

#define MB (1024u * 1024u)

/* ---- a disk that fails when told
 * ------------------------------------------------------------------------------------- */

static int fail_fdatasync, fail_pwrite, fail_fallocate; /* an errno for the next calls, 0 = works */

static off_t unreadable_from, unreadable_to; /* of every file */

int __real_fdatasync(int fd);
ssize_t __real_pread64(int fd, void *data, size_t len, off_t offset);
ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t offset);
ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t offset);
int __real_fallocate64(int fd, int mode, off_t offset, off_t len);
int __wrap_fdatasync(int fd);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t offset);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t len);

int __wrap_fdatasync(int fd)
{
	errno = fail_fdatasync;
	return fail_fdatasync ? -1 : __real_fdatasync(fd);
}

/* As the kernel: short up to the bad sector, then an error. */
ssize_t __wrap_pread64(int fd, void *data, size_t len, off_t offset)
{
	if (offset + (off_t)len > unreadable_from && offset < unreadable_to) {
		errno = EIO;
		if (offset >= unreadable_from)
			return -1;
		len = (size_t)(unreadable_from - offset);
	}
	return __real_pread64(fd, data, len, offset);
}

/* Fails after half of the bytes: a torn write. */
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t offset)
{
	static bool half;

	if (!fail_pwrite)
		return __real_pwrite64(fd, data, len, offset);
	half = !half;
	if (half && len > 1)
		return __real_pwrite64(fd, data, len / 2, offset);
	errno = fail_pwrite;
	return -1;
}

int __wrap_fallocate64(int fd, int mode, off_t offset, off_t len)
{
	errno = fail_fallocate;
	return fail_fallocate ? -1 : __real_fallocate64(fd, mode, offset, len);
}

/* ---- helpers
 * --------------------------------------------------------------------------------------------------------- */

static char directory[64];
static struct spool spool;

static void new_directory(void)
{
	snprintf(directory, sizeof(directory), "/tmp/test-spool-XXXXXX");
	CHECK(mkdtemp(directory) != NULL);
}

static void remove_directory(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	CHECK_INT(system(command), 0);
}

static void reopen(void)
{
	CHECK_INT(spool_open(&spool, directory, MB, 1000), 0);
}

/* A record whose body says its number, `position` in the ring of worker 3. */
static bool add(uint64_t generation, uint64_t position, uint32_t length)
{
	static uint8_t body[SPOOL_BODY_MAX];

	memset(body, (int)position, length);
	return spool_group_add(&spool, 3, generation, position, body, length);
}

/* Everything durable from `place` on: how many, and are the positions of the ring in order without a gap of `step`? */
static unsigned int read_from(struct spool_place *place, uint64_t first, uint64_t step)
{
	struct spool_cursor cursor;
	struct spool_record record;
	struct spool_segment segment;
	unsigned int n = 0;
	bool last;

	CHECK_INT(spool_cursor_init(&cursor), 0);
	while (spool_find(&spool, place, &segment, &last)) {
		CHECK_INT(spool_cursor_open(&cursor, spool.directory_fd, segment.number), 0);
		if (place->segment == segment.number)
			cursor.offset = place->offset;
		cursor.end = segment.bytes;
		while (spool_cursor_next(&cursor, &record) == 1)
			if (record.header.type == SPOOL_CDR) {
				CHECK_INT(record.header.position, first + step * n);
				CHECK_INT(record.header.worker, 3);
				CHECK(record.header.length == 0 || record.body[0] == (uint8_t)record.header.position);
				n++;
				place->records = record.header.number + 1;
			}
		CHECK(!cursor.torn);
		*place = (struct spool_place){segment.number, segment.bytes, place->records};
	}
	spool_cursor_fini(&cursor);
	return n;
}

static void path_of(char path[static 128], uint64_t number)
{
	char name[32];

	spool_segment_name(name, number);
	snprintf(path, 128, "%s/%s", directory, name);
}

/* ---- cases
 * ------------------------------------------------------------------------------------------------------------ */

static void sums(void)
{
	uint8_t bytes[300];

	CHECK_INT(crc32c(0, "123456789", 9), 0xe3069283u); /* the check value of CRC-32C */
	CHECK_INT(crc32c_table(0, "123456789", 9), 0xe3069283u);
	memset(bytes, 0, 32);
	CHECK_INT(crc32c(0, bytes, 32), 0x8a9136aau); /* RFC 3720 B.4: 32 zeros */
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 37);
	for (size_t len = 0; len < sizeof(bytes); len++) {
		CHECK(crc32c(7, bytes, len) == crc32c_table(7, bytes, len));
		CHECK(crc32c(crc32c(0, bytes, len), bytes + len, sizeof(bytes) - len) ==
		      crc32c(0, bytes, sizeof(bytes)));
	}
}

static void what_goes_in_comes_out(void)
{
	struct spool_place place = {0};

	new_directory();
	reopen();
	CHECK_INT(spool_group_commit(&spool), 0); /* nothing to do */
	for (uint64_t i = 1; i <= 5000; i++) {
		CHECK(add(77, i * 8, (uint32_t)(i % 700)));
		if (i % 100 == 0)
			CHECK_INT(spool_group_commit(&spool), 0);
	}
	CHECK_INT(spool_durable(&spool).records, 5000);
	CHECK(spool.segments_count > 1);
	CHECK_INT(read_from(&place, 8, 8), 5000);
	spool_close(&spool);

	reopen(); /* and again from the disk alone */
	place = (struct spool_place){0};
	CHECK_INT(spool_durable(&spool).records, 5000);
	CHECK(spool_has(&spool, 77, 40000));
	CHECK(!spool_has(&spool, 77, 40001));
	CHECK(!spool_has(&spool, 78, 8));
	CHECK_INT(read_from(&place, 8, 8), 5000);
	spool_close(&spool);
	remove_directory();
}

static void only_one_writer(void)
{
	struct spool second;

	new_directory();
	reopen();
	CHECK_INT(spool_open(&second, directory, MB, 0), -EBUSY);
	spool_close(&spool);
	remove_directory();
}

static void positions_outlive_segments(void)
{
	new_directory();
	reopen();
	CHECK(add(11, 500, 10)); /* a ring that then falls silent */
	CHECK_INT(spool_group_commit(&spool), 0);
	for (uint64_t i = 1; i <= 40; i++) {
		CHECK(add(22, i, 200000));
		CHECK(add(22, i + 1000, 100));
		CHECK_INT(spool_group_commit(&spool), 0);
	}
	struct spool_place all = spool_durable(&spool);

	spool_committed(&spool, &all);
	CHECK_INT(spool.segments_count, 1);
	CHECK(spool.deleted >= 5);
	spool_close(&spool);
	reopen();
	CHECK(spool_has(&spool, 11, 500));
	CHECK(!spool_has(&spool, 11, 501));
	CHECK(spool_has(&spool, 22, 1040));
	CHECK_INT(spool_durable(&spool).records, 81);
	spool_close(&spool);
	remove_directory();
}

/* Cut the last segment at every length: what was whole stays, and nothing else appears. */
static void torn_anywhere(void)
{
	char path[128];
	uint64_t ends[6] = {0};

	new_directory();
	for (uint64_t cut = 0;; cut += 13) {
		unsigned int whole = 0;
		struct spool_place place = {0};

		reopen();
		uint64_t begin = spool.end.segment + 1;

		for (uint64_t i = 1; i <= 5; i++) {
			CHECK(add(begin, i, 56)); /* without padding */
			CHECK_INT(spool_group_commit(&spool), 0);
			ends[i] = spool.end.offset;
		}
		uint64_t first_end = ends[1] - spool_record_bytes(56);

		spool_close(&spool);
		path_of(path, begin);
		if (first_end + cut >= ends[5])
			break;
		CHECK_INT(truncate(path, (off_t)(first_end + cut)), 0);
		reopen();
		for (unsigned int i = 1; i <= 5; i++)
			whole += ends[i] <= first_end + cut;
		CHECK(spool_has(&spool, begin, whole) || whole == 0);
		CHECK(!spool_has(&spool, begin, whole + 1));
		place.segment = begin;
		CHECK_INT(read_from(&place, 1, 1), whole);
		struct spool_place all = spool_durable(&spool);

		spool_committed(&spool, &all);
		spool_close(&spool);
	}
	remove_directory();
}

static void damage_in_the_middle(void)
{
	char path[128];
	struct spool_cursor cursor;
	struct spool_record record;
	unsigned int n = 0;

	new_directory();
	reopen();
	for (uint64_t i = 1; i <= 100; i++)
		CHECK(add(5, i, 100));
	CHECK_INT(spool_group_commit(&spool), 0);
	spool_close(&spool);
	path_of(path, 1);
	int fd = open(path, O_RDWR);

	CHECK_INT(pwrite(fd, "garbage garbage", 15, 5000), 15);
	close(fd);
	reopen();
	CHECK_INT(spool_durable(&spool).records, 100);
	CHECK(spool_has(&spool, 5, 100));
	CHECK_INT(spool_cursor_init(&cursor), 0);
	CHECK_INT(spool_cursor_open(&cursor, spool.directory_fd, 1), 0);
	while (spool_cursor_next(&cursor, &record) == 1)
		n += record.header.type == SPOOL_CDR;
	CHECK_INT(n, 99);
	CHECK_INT(cursor.damaged, 1);
	spool_cursor_fini(&cursor);
	spool_close(&spool);

	fd = open(path, O_RDWR); /* the header: the whole file is put aside */
	CHECK_INT(pwrite(fd, "x", 1, 20), 1);
	close(fd);
	reopen();
	CHECK_INT(spool.segments_count, 0);
	CHECK_INT(spool.damaged, 1);
	CHECK(access(path, F_OK) < 0);
	CHECK(add(6, 1, 10));
	CHECK_INT(spool_group_commit(&spool), 0);
	CHECK_INT(spool.end.segment, 2); /* its number is not used again */
	spool_close(&spool);
	remove_directory();
}

/* After a failed fdatasync the group is written again, into another segment; nothing of the first try counts. */
static void failing_disk(void)
{
	static const int errors[] = {EIO, ENOSPC};
	struct spool_place place = {0};

	new_directory();
	reopen();
	CHECK(add(9, 1, 100));
	CHECK_INT(spool_group_commit(&spool), 0);
	for (size_t i = 0; i < 2; i++) {
		uint64_t segment = spool.end.segment;

		CHECK(add(9, 2 + i, 100));
		fail_fdatasync = errors[i];
		CHECK_INT(spool_group_commit(&spool), -errors[i]);
		CHECK(!spool_has(&spool, 9, 2 + i));
		CHECK_INT(spool_durable(&spool).records, 1 + i);
		CHECK(add(9, 2 + i, 100));
		CHECK_INT(spool_group_commit(&spool), -errors[i]); /* the new segment can't be begun either */
		fail_fdatasync = 0;
		CHECK(add(9, 2 + i, 100));
		CHECK_INT(spool_group_commit(&spool), 0);
		CHECK(spool.end.segment > segment);
	}
	CHECK(add(9, 4, 100));
	fail_pwrite = ENOSPC;
	CHECK_INT(spool_group_commit(&spool), -ENOSPC);
	fail_pwrite = 0;
	CHECK(add(9, 4, 100));
	CHECK_INT(spool_group_commit(&spool), 0);
	CHECK_INT(read_from(&place, 1, 1), 4);
	spool_close(&spool);
	reopen();
	place = (struct spool_place){0};
	CHECK_INT(read_from(&place, 1, 1), 4);
	spool_close(&spool);
	remove_directory();
}

static void no_room_for_a_segment(void)
{
	new_directory();
	reopen();
	CHECK(add(9, 1, 100));
	CHECK_INT(spool_group_commit(&spool), 0);
	for (uint64_t i = 2; spool.end.offset + 300000 < spool.allocated; i++) {
		CHECK(add(9, i, 200000));
		CHECK_INT(spool_group_commit(&spool), 0);
	}
	fail_fallocate = ENOSPC;
	CHECK(add(9, 100, 200000));
	CHECK(add(9, 101, 200000));
	CHECK_INT(spool_group_commit(&spool), -ENOSPC);
	CHECK_INT(spool.segments_count, 1); /* what the database has not is not given up */

	struct spool_place all = spool_durable(&spool);

	spool_committed(&spool, &all);
	CHECK(add(9, 100, 200000));
	CHECK_INT(spool_group_commit(&spool), -ENOSPC); /* still fails, but the room has been given back */
	CHECK_INT(spool.segments_count, 0);
	fail_fallocate = EOPNOTSUPP; /* a file system that can't set room aside */
	CHECK(add(9, 100, 200000));
	CHECK_INT(spool_group_commit(&spool), 0);
	fail_fallocate = 0;
	CHECK_INT(spool.segments_count, 1);
	struct spool_place place = all;

	CHECK_INT(read_from(&place, 100, 1), 1);
	spool_close(&spool);
	remove_directory();
}

static void room_is_watched(void)
{
	new_directory();
	CHECK_INT(spool_open(&spool, directory, MB, 1), 0);
	CHECK_INT(spool_check_room(&spool), 0);
	spool.reserve_bytes = UINT64_MAX / 2;
	CHECK_INT(spool_check_room(&spool), -ENOSPC);
	spool.reserve_bytes = 1;
	CHECK_INT(spool_check_room(&spool), 0);
	spool_close(&spool);
	remove_directory();
}

static void a_full_group_says_so(void)
{
	uint64_t i = 0;

	new_directory();
	reopen();
	while (add(1, i + 1, SPOOL_BODY_MAX - 100))
		i++;
	CHECK_INT(i, 2);
	CHECK(!spool_has(&spool, 1, 3));
	CHECK_INT(spool_group_commit(&spool), 0);
	CHECK(add(1, 3, SPOOL_BODY_MAX));
	CHECK_INT(spool_group_commit(&spool), 0);
	CHECK_INT(spool_durable(&spool).records, 3);
	spool_close(&spool);
	remove_directory();
}

static void pending_is_counted(void)
{
	uint64_t records, bytes;

	new_directory();
	reopen();
	spool_pending(&spool, &records, &bytes);
	CHECK_INT(records, 0);
	CHECK_INT(bytes, 0);
	CHECK(add(1, 1, 60));
	CHECK_INT(spool_group_commit(&spool), 0);
	struct spool_place one = spool_durable(&spool);

	CHECK(add(1, 2, 60));
	CHECK_INT(spool_group_commit(&spool), 0);
	spool_pending(&spool, &records, &bytes);
	CHECK_INT(records, 2);
	spool_committed(&spool, &one);
	spool_pending(&spool, &records, &bytes);
	CHECK_INT(records, 1);
	CHECK_INT(bytes, 104);
	spool_close(&spool);
	remove_directory();
}

/* ---- batches
 * ----------------------------------------------------------------------------------------------------------- */

static void add_cdr(uint64_t position, int64_t setup_us, size_t id_len)
{
	struct cdr_record record = {.call_id = {"\1              \2", (uint32_t)id_len}, .setup_us = setup_us};
	uint8_t packed[1024];

	CHECK(spool_group_add(&spool, 0, 1, position, packed, cdr_record_write(&record, packed)));
}

static int fill(struct batch *batch, struct batch_reader *reader, unsigned int limit)
{
	CHECK_INT(batch_begin(batch, reader), 0);
	int error = batch_add(batch, reader, limit);

	CHECK_INT(batch_close(batch), 0);
	return error;
}

static void batches(void)
{
	struct batch_reader reader;
	struct batch batch = {0};

	new_directory();
	reopen();
	for (uint64_t i = 1; i <= 10; i++)
		add_cdr(i, (int64_t)i * 3600 * 1000000, i == 4 ? 15 : 16);
	CHECK(spool_group_add(&spool, 0, 1, 11, "\xff\xff\xff", 3)); /* no protobuf */
	for (uint64_t i = 12; i <= 111; i++)
		add_cdr(i, (int64_t)i * 86400 * 1000000, 16);
	CHECK_INT(spool_group_commit(&spool), 0);
	CHECK_INT(batch_reader_init(&reader, &spool), 0);

	static const struct {
		unsigned int limit, count;
		bool fault;
		uint64_t records;
	} steps[] = {
	    {2, 2, false, 2},   {100, 1, false, 3}, {100, 1, true, 4},     {100, 6, false, 10},
	    {100, 1, true, 11}, {5, 5, false, 16},  {1000, 64, false, 80}, {1000, 31, false, 111},
	};
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		for (int again = 0; again < 2; again++) { /* a batch that failed is made anew, the same */
			CHECK_INT(fill(&batch, &reader, steps[i].limit), 0);
			CHECK_INT(batch.count, steps[i].count);
			CHECK_INT(batch.fault != NULL, steps[i].fault);
			CHECK_INT(batch.end.records, steps[i].records);
			if (again == 0)
				batch_reader_seek(&reader, &batch.begin);
		}
	}
	CHECK_INT(fill(&batch, &reader, 10), 0);
	CHECK_INT(batch.count, 0);
	batch_fini(&batch);
	batch_reader_fini(&reader);
	spool_close(&spool);
	remove_directory();
}

static unsigned int fill_all(struct batch_reader *reader, struct batch *batch, unsigned int *skips)
{
	unsigned int count = 0;

	for (;;) {
		int error = fill(batch, reader, 100000);

		CHECK(error == 0 || error == -EIO);
		count += batch->count;
		if (error == 0 && batch->count == 0)
			return count;
		if (error) {
			CHECK_INT(batch->count, 0);
			batch_reader_skip(reader);
			(*skips)++;
		}
	}
}

static bool exists(uint64_t number, const char *suffix)
{
	char path[128], whole[160];

	path_of(path, number);
	snprintf(whole, sizeof(whole), "%s%s", path, suffix);
	return access(whole, F_OK) == 0;
}

/* Sectors that are gone cost the records in them; the segment stays for a person. */
static void unreadable_sectors(void)
{
	static const struct {
		off_t from, to;
		unsigned int least, most, skips; /* of 2000 records in each of two segments */
	} disks[] = {
	    {98304, 102400, 3800, 3990, 2}, /* the same sector in both */
	    {0, 1, 0, 0, 2},                /* not even the headers */
	    {4096, 1 << 30, 2, 200, 12},    /* nearly all: skipped in strides */
	};

	for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
		struct batch_reader reader;
		struct batch batch = {0};
		struct spool_place end;
		unsigned int skips = 0, count;

		new_directory();
		reopen();
		for (uint64_t n = 1; n <= 4000; n++) {
			add_cdr(n, 1000000, 16);
			if (n % 2000 == 0) {
				CHECK_INT(spool_group_commit(&spool), 0);
				if (n == 2000) { /* a start begins a new segment */
					spool_close(&spool);
					reopen();
				}
			}
		}
		CHECK_INT(batch_reader_init(&reader, &spool), 0);
		unreadable_from = disks[i].from;
		unreadable_to = disks[i].to;
		count = fill_all(&reader, &batch, &skips);
		CHECK(count >= disks[i].least && count <= disks[i].most);
		CHECK(skips >= 2 && skips <= disks[i].skips);
		CHECK(exists(1, ".damaged") && exists(2, ".damaged"));
		end = batch.end;
		spool_committed(&spool, &end);
		CHECK(!exists(1, "") && exists(2, ""));
		batch_fini(&batch);
		batch_reader_fini(&reader);
		spool_close(&spool);
		/* A start gets over it, too. */
		reopen();
		spool_close(&spool);
		unreadable_from = unreadable_to = 0;
		remove_directory();
	}
}

static const struct check_case cases[] = {
    {"sums", sums},
    {"what goes in comes out, also after a restart", what_goes_in_comes_out},
    {"only one writer", only_one_writer},
    {"positions outlive their segments", positions_outlive_segments},
    {"torn anywhere", torn_anywhere},
    {"damage in the middle", damage_in_the_middle},
    {"a failing disk", failing_disk},
    {"no room for a segment", no_room_for_a_segment},
    {"room is watched", room_is_watched},
    {"a full group says so", a_full_group_says_so},
    {"what is pending is counted", pending_is_counted},
    {"batches", batches},
    {"unreadable sectors", unreadable_sectors},
};

CHECK_MAIN(cases)
