/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured, levelled, rate-limited logging to stderr (journald or deploy/run takes it from there):
 *   2026-01-31T12:00:00.123456Z warn signaling-0 call: no route number=4930*** gateway=acme
 * A worker never writes: it hands its line to the process's housekeeping thread through a small in-process ring
 * (log_worker_init()), formats only what the rate limit lets pass, and logs only events that are rare by nature;
 * what can happen per packet has a counter instead. A line that finds the ring full, or stderr blocked, is lost
 * and counted in a later line. Control characters are printed as '?', so that a peer can't forge a line.
 */
#ifndef TANDEM_COMMON_LOG_H
#define TANDEM_COMMON_LOG_H

#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_init(const char *process, enum log_level level);
void log_set_level(enum log_level level);

/*
 * From start-up and housekeeping code. `area` is the module, a string literal ("config", "port"). At most a burst of 20
 * lines and then 5 a second for each call site (known by its format); the next line that passes says how many were
 * suppressed.
 */
void log_write(enum log_level level, const char *area, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define log_error(area, ...) log_write(LOG_ERROR, area, __VA_ARGS__)
#define log_warn(area, ...)  log_write(LOG_WARN, area, __VA_ARGS__)
#define log_info(area, ...)  log_write(LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...) log_write(LOG_DEBUG, area, __VA_ARGS__)

/*
 * A worker thread calls this once; its log_write() then only queues, and the housekeeping thread's log_drain() prints.
 * `thread` names it in the lines. Returns 0, -ENOMEM, or -ENOSPC when 64 threads have one already.
 */
int log_worker_init(const char *thread);
void log_drain(void);

/* A subscriber number or user as logs may show it: all but the first four characters masked. Returns out. */
const char *log_mask(char out[static 40], const char *text, size_t len);

#endif
