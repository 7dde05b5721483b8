/* SPDX-License-Identifier: Apache-2.0 */
/* What process.c is made of; for nobody else. All on the housekeeping thread. */
#ifndef TANDEM_COMMON_PROCESS_INTERNAL_H
#define TANDEM_COMMON_PROCESS_INTERNAL_H

#include <poll.h>

#include "process.h"

/* ---- process_control.c: the control socket ---- */

#define CONTROL_CLIENTS 8

/* Listen at the role's path. 0 or a negative errno (logged). */
int control_open(struct process *process);
void control_close(struct process *process);
/* What to poll for: the listener and the clients. Returns how many entries of fds it filled (at most 1 +
 * CONTROL_CLIENTS). */
unsigned int control_poll_set(struct process *process, struct pollfd *fds);
/* Accept, read, run commands, write answers: whatever can be done without waiting. Drops who takes too long. */
void control_serve(struct process *process, uint64_t now_us);

/* ---- process_notify.c: the sd_notify protocol ---- */

void notify_open(struct process *process);
void notify_close(struct process *process);
void notify_ready(struct process *process);
void notify_reloading(struct process *process);
void notify_stopping(struct process *process);
/* Tell the watchdog when it is time to. */
void notify_watchdog(struct process *process, uint64_t now_us);

#endif
