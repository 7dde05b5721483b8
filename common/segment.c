/* SPDX-License-Identifier: Apache-2.0 */
#include "segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "log.h"

#define DIRECTORY "/dev/shm"
#define GROUP     "tandem"
#define HUGE_PAGE (2u << 20)

static_assert(sizeof(struct segment_header) == SEGMENT_HEADER, "the first cache line");

struct path {
	char text[192];
};

static int segment_path(struct path *path, const char *node, const char *name, const char *suffix)
{
	int len = snprintf(path->text, sizeof(path->text), DIRECTORY "/tandem.%s.%s%s", node, name, suffix);

	if (len < 0 || (size_t)len >= sizeof(path->text) || strchr(node, '/') || strchr(name, '/')) {
		log_error("segment", "impossible name node=%s name=%s", node, name);
		return -EINVAL;
	}
	return 0;
}

const char *segment_layout_name(uint32_t layout)
{
	static const char *const names[] = {
	    [SEGMENT_COUNTERS] = "counters",
	    [SEGMENT_STATUS] = "status",
	    [SEGMENT_RING] = "ring",
	    [SEGMENT_CALLS] = "calls",
	    [SEGMENT_MEDIA_SESSIONS] = "media sessions",
	    [SEGMENT_BINDINGS] = "bindings",
	    [SEGMENT_GATEWAYS] = "gateways",
	};

	return layout && layout < sizeof(names) / sizeof(names[0]) ? names[layout] : "unknown";
}

gid_t segment_group(void)
{
	struct group group, *found = NULL;
	char buffer[4096];

	getgrnam_r(GROUP, &group, buffer, sizeof(buffer), &found);
	return found ? group.gr_gid : (gid_t)-1;
}

/* The user of a role; (uid_t)-1: none, or not ours to give files to. */
static uid_t role_user(const char *role)
{
	struct passwd user, *found = NULL;
	char name[32], buffer[4096];

	if (!role || geteuid() != 0)
		return (uid_t)-1;
	snprintf(name, sizeof(name), GROUP "-%s", role);
	getpwnam_r(name, &user, buffer, sizeof(buffer), &found);
	return found ? user.pw_uid : (uid_t)-1;
}

/* 0 when the file is what the spec says, else -EPROTO and one log line at `level` that names the difference. */
static int check_header(int fd, const char *path, const struct segment_spec *spec, enum log_level level)
{
	struct segment_header header;
	struct stat file;

	if (fstat(fd, &file) < 0)
		return -errno;
	if (file.st_size < SEGMENT_HEADER || pread(fd, &header, sizeof(header), 0) != sizeof(header)) {
		log_write(level, "segment", "%s: file of %lld bytes is too short for a segment", path,
			  (long long)file.st_size);
		return -EPROTO;
	}
	if (header.layout != spec->layout) {
		log_write(level, "segment", "%s: layout is %s (%u), expected %s (%u)", path,
			  segment_layout_name(header.layout), header.layout, segment_layout_name(spec->layout),
			  (unsigned int)spec->layout);
		return -EPROTO;
	}

	const struct {
		const char *name;
		uint64_t found, expected;
	} fields[] = {
	    {"magic", header.magic, SEGMENT_MAGIC},
	    {"layout version", header.version, spec->version},
	    {"item size", header.item_size, spec->item_size},
	    {"item count", header.item_count, spec->item_count},
	    {"size", header.size, spec->size},
	    {"file size", (uint64_t)file.st_size, spec->size},
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].found != fields[i].expected) {
			log_write(level, "segment", "%s: %s is %llu, expected %llu", path, fields[i].name,
				  (unsigned long long)fields[i].found, (unsigned long long)fields[i].expected);
			return -EPROTO;
		}
	}
	return 0;
}

/*
 * /dev/shm is open to every user, so a name alone proves nothing. What is root's, ours, or of our group (which only
 * its members can give away) was put there by someone we trust.
 */
static int check_owner(int fd, const char *path)
{
	struct stat file;

	if (fstat(fd, &file) < 0)
		return -errno;
	if (!S_ISREG(file.st_mode) || (file.st_mode & S_IWOTH) ||
	    (file.st_uid != 0 && file.st_uid != geteuid() && file.st_gid != segment_group())) {
		log_error("segment", "%s: not trusted: owner %u, group %u, mode %04o", path, file.st_uid, file.st_gid,
			  file.st_mode & 07777);
		return -EPERM;
	}
	return 0;
}

/* 1: an equal one is there. 0: nothing is there, or (with replace) something else. */
static int look_for_existing(const char *path, const struct segment_spec *spec, bool replace)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int error;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	error = check_owner(fd, path);
	if (!error)
		error = check_header(fd, path, spec, replace ? LOG_INFO : LOG_ERROR);
	close(fd);
	if (!error)
		return 1;
	return replace ? 0 : -EEXIST;
}

static void fill_segment(void *memory, const struct segment_spec *spec)
{
	struct segment_header *header = memory;

	*header = (struct segment_header){
	    .magic = SEGMENT_MAGIC,
	    .size = spec->size,
	    .layout = spec->layout,
	    .version = spec->version,
	    .item_size = spec->item_size,
	    .item_count = spec->item_count,
	};
	while (header->generation == 0)
		if (getrandom(&header->generation, sizeof(header->generation), 0) < 0)
			continue;
	if (spec->fill)
		spec->fill((uint8_t *)memory + SEGMENT_HEADER, spec);
}

/* Take all the memory now. Huge pages where the system lets shared memory have them, ordinary ones elsewhere. */
static int populate(int fd, const struct segment_spec *spec)
{
	struct statvfs room;
	void *memory;
	int error;

	/* Before the machine's memory is filled with what can't be whole anyway. */
	if (fstatvfs(fd, &room) < 0)
		return -errno;
	if (room.f_blocks && (uint64_t)room.f_bavail * room.f_frsize < spec->size)
		return -ENOSPC;
	if (ftruncate(fd, (off_t)spec->size) < 0)
		return -errno;
	memory = mmap(NULL, spec->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	if (spec->size >= HUGE_PAGE && madvise(memory, spec->size, MADV_HUGEPAGE) == 0)
		madvise(memory, spec->size, MADV_POPULATE_WRITE);
	do {
		error = -posix_fallocate(fd, 0, (off_t)spec->size);
	} while (error == -EINTR);
	if (!error)
		fill_segment(memory, spec);
	munmap(memory, spec->size);
	return error;
}

static int give_away(int fd, const struct segment_spec *spec, unsigned int mode)
{
	uid_t writer = role_user(spec->writer);

	if (writer != (uid_t)-1)
		mode &= ~(unsigned int)S_IWGRP;
	if (fchmod(fd, mode) < 0)
		return -errno;
	/* Not being allowed to is fine where all processes are one user's. */
	return fchown(fd, writer, segment_group()) < 0 && errno != EPERM ? -errno : 0;
}

/* A file without a name becomes one with a name at once: nobody ever sees, or is left with, half a segment. */
static int publish(int fd, const struct path *path, const struct path *temporary, bool replace)
{
	char self[64];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (!replace)
		return linkat(AT_FDCWD, self, AT_FDCWD, path->text, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
	unlink(temporary->text);
	if (linkat(AT_FDCWD, self, AT_FDCWD, temporary->text, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	if (rename(temporary->text, path->text) < 0) {
		int error = -errno;

		unlink(temporary->text);
		return error;
	}
	return 0;
}

int segment_create(const char *node, const struct segment_spec *spec, unsigned int mode, bool replace)
{
	struct path path, temporary;
	int fd, error;

	error = segment_path(&path, node, spec->name, "");
	if (!error)
		error = segment_path(&temporary, node, spec->name, ".new");
	if (error)
		return error;
	if (spec->size < SEGMENT_HEADER || spec->size > INT64_MAX) {
		log_error("segment", "%s: impossible size %llu", path.text, (unsigned long long)spec->size);
		return -EINVAL;
	}
	error = look_for_existing(path.text, spec, replace);
	if (error)
		return error;
	fd = open(DIRECTORY, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) {
		error = -errno;
		goto out;
	}
	error = populate(fd, spec);
	if (!error)
		error = give_away(fd, spec, mode);
	if (!error)
		error = publish(fd, &path, &temporary, replace);
	close(fd);
out:
	if (error)
		log_error("segment", "%s: can't create %llu bytes: %s", path.text, (unsigned long long)spec->size,
			  strerror(-error));
	return error;
}

int segment_attach(struct segment *segment, const char *node, const struct segment_spec *spec, bool writable)
{
	struct path path;
	void *memory;
	int fd, error;

	memset(segment, 0, sizeof(*segment));
	error = segment_path(&path, node, spec->name, "");
	if (error)
		return error;
	fd = open(path.text, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		error = -errno;
		log_error("segment", "%s: can't open: %s", path.text, strerror(-error));
		return error;
	}
	error = check_owner(fd, path.text);
	if (!error)
		error = check_header(fd, path.text, spec, LOG_ERROR);
	if (error)
		goto out;
	/* A writer's loop must not meet page faults; a reader, who comes and goes, need not pay for all pages. */
	memory = mmap(NULL, spec->size, writable ? PROT_READ | PROT_WRITE : PROT_READ,
		      MAP_SHARED | (writable ? MAP_POPULATE : 0), fd, 0);
	if (memory == MAP_FAILED) {
		error = -errno;
		log_error("segment", "%s: can't map %llu bytes: %s", path.text, (unsigned long long)spec->size,
			  strerror(-error));
		goto out;
	}
	segment->header = memory;
	segment->content = (uint8_t *)memory + SEGMENT_HEADER;
	segment->size = spec->size;
	snprintf(segment->name, sizeof(segment->name), "%s", spec->name);
out:
	close(fd);
	return error;
}

void segment_detach(struct segment *segment)
{
	if (segment->header)
		munmap(segment->header, segment->size);
	memset(segment, 0, sizeof(*segment));
}

int segment_hold(const char *node, const char *name, unsigned int byte)
{
	/* Of the open file, not of the process: that one would end with any other descriptor of the file. */
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	struct path path;
	int fd, error = segment_path(&path, node, name, "");

	if (error)
		return error;
	fd = open(path.text, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int segment_remove(const char *node, const char *name)
{
	struct path path;
	int error = segment_path(&path, node, name, "");

	if (error)
		return error;
	return unlink(path.text) < 0 ? -errno : 0;
}
