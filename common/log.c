/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define TEXT_MAX       1000
#define QUEUE_LINES    128 /* a power of two */
#define MAX_QUEUES     64
#define NAME_MAX_CHARS 32
#define SITES          256 /* call sites remembered for the rate limit; a power of two */
#define SITE_PROBES    8
#define BURST          20
#define LINE_COST_US   (US_PER_S / 5)
#define STDERR_WAIT_MS 50

struct line {
	uint64_t stamp_us; /* monotonic */
	enum log_level level;
	uint32_t suppressed; /* lines of this call site that the rate limit dropped before this one */
	uint32_t len;
	const char *area;
	char text[TEXT_MAX];
};

/* One call site's allowance: every line pays 200 ms of time, up to 20 lines in advance. */
struct site {
	uintptr_t key;
	uint64_t paid_until_us;
	uint32_t suppressed;
};

struct limiter {
	struct site site[SITES];
};

/* One worker's lines on their way to the housekeeping thread. */
struct queue {
	_Alignas(64) _Atomic uint32_t head; /* the worker's: lines ever queued */
	_Atomic uint32_t lost;              /* the worker's: found the queue full */
	struct limiter limiter;             /* the worker's */
	_Alignas(64) _Atomic uint32_t tail; /* the drainer's */
	uint32_t lost_seen;                 /* the drainer's */
	char thread[NAME_MAX_CHARS];
	struct line line[QUEUE_LINES];
};

static const char *const level_word[] = {"error", "warn", "info", "debug"};

static _Atomic int threshold = LOG_INFO;
static char process_name[NAME_MAX_CHARS] = "tandem";

static _Thread_local struct queue *own_queue;
static struct queue *_Atomic queues[MAX_QUEUES];
static _Atomic unsigned int queue_count;

/* Everything below belongs to whoever holds the lock: threads without a queue, and log_drain(). */
static pthread_mutex_t direct_lock = PTHREAD_MUTEX_INITIALIZER;
static struct limiter direct_limiter;
static struct line direct_line;
static uint32_t stderr_lost;
static bool stderr_stuck;

void log_init(const char *process, enum log_level level)
{
	snprintf(process_name, sizeof(process_name), "%s", process);
	log_set_level(level);
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

static struct site *find_site(struct limiter *limiter, uintptr_t key)
{
	size_t start = (size_t)((key * 0x9e3779b97f4a7c15ull) >> 40);
	struct site *oldest = NULL;

	for (size_t i = 0; i < SITE_PROBES; i++) {
		struct site *site = &limiter->site[(start + i) % SITES];

		if (site->key == key)
			return site;
		if (!oldest || site->paid_until_us < oldest->paid_until_us)
			oldest = site;
	}
	*oldest = (struct site){.key = key};
	return oldest;
}

/* True when the line may pass; then *suppressed says how many before it might not. */
static bool may_pass(struct limiter *limiter, uintptr_t key, uint64_t now_us, uint32_t *suppressed)
{
	struct site *site = find_site(limiter, key);

	if (site->paid_until_us > now_us + (BURST - 1) * LINE_COST_US) {
		site->suppressed++;
		return false;
	}
	site->paid_until_us = (site->paid_until_us > now_us ? site->paid_until_us : now_us) + LINE_COST_US;
	*suppressed = site->suppressed;
	site->suppressed = 0;
	return true;
}

static void format_line(struct line *line, const char *format, va_list arguments)
{
	int len = vsnprintf(line->text, sizeof(line->text), format, arguments);

	if (len < 0)
		len = 0;
	line->len = (uint32_t)len < sizeof(line->text) ? (uint32_t)len : (uint32_t)sizeof(line->text) - 1;
}

static size_t print_stamp(char *out, size_t room, uint64_t stamp_us)
{
	int64_t wall_us = clock_wall_us(stamp_us);
	time_t seconds = (time_t)(wall_us / (int64_t)US_PER_S);
	struct tm utc;
	size_t len;

	gmtime_r(&seconds, &utc);
	len = strftime(out, room, "%Y-%m-%dT%H:%M:%S", &utc);
	return len + (size_t)snprintf(out + len, room - len, ".%06dZ", (int)(wall_us % (int64_t)US_PER_S));
}

/* A reader of stderr that stands still must not stop the heartbeat: wait once, then lose lines until it moves. */
static bool stderr_ready(void)
{
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

	stderr_stuck = poll(&fd, 1, stderr_stuck ? 0 : STDERR_WAIT_MS) == 0;
	return !stderr_stuck;
}

static void print_text(uint64_t stamp_us, enum log_level level, const char *thread, const char *area, const char *text,
		       uint32_t suppressed)
{
	char out[TEXT_MAX + 200];
	size_t len, room = sizeof(out) - 1;

	len = print_stamp(out, room, stamp_us);
	len += (size_t)snprintf(out + len, room - len, " %s %s %.32s: %s", level_word[level], thread, area, text);
	if (suppressed)
		len += (size_t)snprintf(out + len, room - len, " suppressed=%u", suppressed);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)out[i] < ' ' || out[i] == 127)
			out[i] = '?';
	out[len++] = '\n';
	if (write(STDERR_FILENO, out, len) < 0)
		stderr_lost++;
}

static void print_line(const struct line *line, const char *thread)
{
	char lost[64];

	if (!stderr_ready()) {
		stderr_lost++;
		return;
	}
	if (stderr_lost) {
		snprintf(lost, sizeof(lost), "stderr was blocked lines_lost=%u", stderr_lost);
		stderr_lost = 0;
		print_text(line->stamp_us, LOG_WARN, process_name, "log", lost, 0);
	}
	print_text(line->stamp_us, line->level, thread, line->area, line->text, line->suppressed);
}

static void queue_line(struct queue *queue, enum log_level level, const char *area, uintptr_t site, const char *format,
		       va_list arguments)
{
	uint32_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);
	struct line *line = &queue->line[head % QUEUE_LINES];
	uint64_t now_us = clock_now_us();
	uint32_t suppressed;

	if (!may_pass(&queue->limiter, site, now_us, &suppressed))
		return;
	if (head - atomic_load_explicit(&queue->tail, memory_order_acquire) >= QUEUE_LINES) {
		atomic_fetch_add_explicit(&queue->lost, 1, memory_order_relaxed);
		return;
	}
	line->stamp_us = now_us;
	line->level = level;
	line->area = area;
	line->suppressed = suppressed;
	format_line(line, format, arguments);
	atomic_store_explicit(&queue->head, head + 1, memory_order_release);
}

static void write_direct(enum log_level level, const char *area, uintptr_t site, const char *format, va_list arguments)
{
	uint64_t now_us = clock_now_us();

	pthread_mutex_lock(&direct_lock);
	if (may_pass(&direct_limiter, site, now_us, &direct_line.suppressed)) {
		direct_line.stamp_us = now_us;
		direct_line.level = level;
		direct_line.area = area;
		format_line(&direct_line, format, arguments);
		print_line(&direct_line, process_name);
	}
	pthread_mutex_unlock(&direct_lock);
}

void log_write(enum log_level level, const char *area, const char *format, ...)
{
	/* The literals tell one call site from the next; a return address would not, where the compiler copies a call.
	 */
	uintptr_t site = (uintptr_t)format ^ ((uintptr_t)area << 20);
	va_list arguments;

	if ((int)level > atomic_load_explicit(&threshold, memory_order_relaxed))
		return;
	va_start(arguments, format);
	if (own_queue)
		queue_line(own_queue, level, area, site, format, arguments);
	else
		write_direct(level, area, site, format, arguments);
	va_end(arguments);
}

int log_worker_init(const char *thread)
{
	struct queue *queue;
	unsigned int count;
	int error = 0;

	queue = aligned_alloc(64, sizeof(*queue));
	if (!queue)
		return -ENOMEM;
	memset(queue, 0, sizeof(*queue));
	snprintf(queue->thread, sizeof(queue->thread), "%s", thread);
	pthread_mutex_lock(&direct_lock);
	count = atomic_load_explicit(&queue_count, memory_order_relaxed);
	if (count < MAX_QUEUES) {
		atomic_store_explicit(&queues[count], queue, memory_order_relaxed);
		atomic_store_explicit(&queue_count, count + 1, memory_order_release);
	} else {
		error = -ENOSPC;
	}
	pthread_mutex_unlock(&direct_lock);
	if (error)
		free(queue);
	else
		own_queue = queue;
	return error;
}

static void report_lost(struct queue *queue)
{
	uint32_t lost = atomic_load_explicit(&queue->lost, memory_order_relaxed);
	char text[64];

	if (lost == queue->lost_seen)
		return;
	snprintf(text, sizeof(text), "queue was full lines_lost=%u", lost - queue->lost_seen);
	queue->lost_seen = lost;
	if (stderr_ready())
		print_text(clock_now_us(), LOG_WARN, queue->thread, "log", text, 0);
}

static void drain_queue(struct queue *queue)
{
	uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&queue->head, memory_order_acquire);

	for (; tail != head; tail++) {
		print_line(&queue->line[tail % QUEUE_LINES], queue->thread);
		atomic_store_explicit(&queue->tail, tail + 1, memory_order_release);
	}
	report_lost(queue);
}

void log_drain(void)
{
	unsigned int count = atomic_load_explicit(&queue_count, memory_order_acquire);

	pthread_mutex_lock(&direct_lock);
	for (unsigned int i = 0; i < count; i++)
		drain_queue(atomic_load_explicit(&queues[i], memory_order_relaxed));
	pthread_mutex_unlock(&direct_lock);
}

const char *log_mask(char out[static 40], const char *text, size_t len)
{
	size_t shown = len < 39 ? len : 39;

	for (size_t i = 0; i < shown; i++)
		out[i] = i >= 4 ? '*' : ((unsigned char)text[i] > ' ' && text[i] != 127 ? text[i] : '?');
	out[shown] = '\0';
	return out;
}
