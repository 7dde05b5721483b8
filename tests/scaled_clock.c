/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A monotonic clock that a test may let run fast, for the processes of one node (LD_PRELOAD): time-outs of minutes pass
 * in moments, in their order, and nothing in the processes knows. tests/scaled_clock.py writes the plan that they
 * share.
 *
 * The plan is a stretch of real time [t0, t1] in which the clock goes from v0 to v1; before and after it, it goes as
 * ever. Sleeps are cut into pieces shorter than the notice that a plan gives (t0 lies that far ahead when it is
 * written), so that nobody sleeps through the beginning of one. The TSC is left alone: it only counts cycles.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S  1000000000ll
#define NS_PER_MS 1000000ll
#define PIECE_NS  (20 * NS_PER_MS)

struct plan {
	int64_t t0, t1, v0, v1; /* ns */
};

struct shared_plan {
	_Atomic uint32_t version; /* odd while it is written */
	struct plan plan;
};

static const struct shared_plan *shared; /* NULL: this process keeps real time */
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_ppoll)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
static int (*real_nanosleep)(const struct timespec *, struct timespec *);
static int (*real_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

/* The processes under test alone: the shell that starts them, and its python, keep real time. */
__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("TANDEM_SCALED_CLOCK");
	void *map;
	int fd;

	real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	real_ppoll =
	    (int (*)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))dlsym(RTLD_NEXT, "ppoll");
	real_nanosleep = (int (*)(const struct timespec *, struct timespec *))dlsym(RTLD_NEXT, "nanosleep");
	/* An unversioned look-up finds the one for programs of the last century. */
	real_cond_timedwait = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))dlvsym(
	    RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
	if (!path || strncmp(program_invocation_short_name, "tandem", 6) != 0)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*shared), PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		abort(); /* a test with the wrong clock is worse than none */
	close(fd);
	shared = map;
}

static struct plan plan_now(void)
{
	struct plan plan;
	uint32_t before, after;

	do {
		before = atomic_load_explicit(&shared->version, memory_order_acquire);
		plan = shared->plan;
		atomic_thread_fence(memory_order_acquire);
		after = atomic_load_explicit(&shared->version, memory_order_relaxed);
	} while (before != after || before & 1);
	return plan;
}

static int64_t real_ns(void)
{
	struct timespec now;

	real_clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int64_t scaled(const struct plan *p, int64_t t)
{
	if (t <= p->t0)
		return p->v0 + (t - p->t0);
	if (t >= p->t1)
		return p->v1 + (t - p->t1);
	return p->v0 + (int64_t)((__int128)(t - p->t0) * (p->v1 - p->v0) / (p->t1 - p->t0));
}

/* The real time at which the clock shows v. */
static int64_t when(const struct plan *p, int64_t v)
{
	if (v <= p->v0)
		return p->t0 + (v - p->v0);
	if (v >= p->v1)
		return p->t1 + (v - p->v1);
	return p->t0 + (int64_t)((__int128)(v - p->v0) * (p->t1 - p->t0) / (p->v1 - p->v0));
}

static int64_t scaled_now(void)
{
	struct plan plan = plan_now();

	return scaled(&plan, real_ns());
}

/* How long to sleep now on the way to v, in real time; 0: it is there. */
static int64_t piece_to(int64_t v)
{
	struct plan plan = plan_now();
	int64_t left = when(&plan, v) - real_ns();

	return left <= 0 ? 0 : left < PIECE_NS ? left : PIECE_NS;
}

int clock_gettime(clockid_t id, struct timespec *out)
{
	int64_t now;

	if (!real_clock_gettime) /* another constructor was first */
		real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	if (id != CLOCK_MONOTONIC || !shared)
		return real_clock_gettime(id, out);
	now = scaled_now();
	*out = (struct timespec){.tv_sec = now / NS_PER_S, .tv_nsec = now % NS_PER_S};
	return 0;
}

int nanosleep(const struct timespec *request, struct timespec *left)
{
	int64_t until, piece;

	if (!shared)
		return real_nanosleep(request, left);
	until = scaled_now() + request->tv_sec * NS_PER_S + request->tv_nsec;
	while ((piece = piece_to(until)) > 0) {
		struct timespec time = {.tv_nsec = piece};

		if (real_nanosleep(&time, NULL) < 0) {
			if (left)
				*left = (struct timespec){0};
			return -1;
		}
	}
	return 0;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *signals)
{
	int64_t until, piece;
	int found;

	if (!shared || !timeout)
		return real_ppoll(fds, count, timeout, signals);
	until = scaled_now() + timeout->tv_sec * NS_PER_S + timeout->tv_nsec;
	do {
		piece = piece_to(until);
		found = real_ppoll(fds, count, &(struct timespec){.tv_nsec = piece}, signals);
	} while (found == 0 && piece > 0);
	return found;
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * NS_PER_MS};

	return ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, NULL);
}

/* Conditions that wait by the monotonic clock, which began to count when the machine did. */
int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until)
{
	struct timespec piece_ends;
	int64_t piece, ends;
	int rc;

	if (!shared || until->tv_sec > 1000000000)
		return real_cond_timedwait(cond, lock, until);
	piece = piece_to(until->tv_sec * NS_PER_S + until->tv_nsec);
	ends = real_ns() + piece;
	piece_ends = (struct timespec){.tv_sec = ends / NS_PER_S, .tv_nsec = ends % NS_PER_S};
	rc = real_cond_timedwait(cond, lock, &piece_ends);
	return rc == ETIMEDOUT && piece > 0 ? 0 : rc; /* awake without a reason, as it may be */
}
