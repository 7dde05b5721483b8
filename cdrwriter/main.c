/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tandem-cdrwriter: takes call records out of the signaling workers' rings and brings each into PostgreSQL, once.
 *
 *   ring -> spooler.c -> spool.c (durable; the ring may forget) -> batch.c -> loader.c -> PostgreSQL (the spool may)
 *
 * One thread for each half, and the housekeeping thread; a kill at any moment loses nothing and doubles nothing.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/process.h"
#include "dump.h"
#include "loader.h"
#include "spool.h"
#include "spooler.h"

#define MB (1024ull * 1024)

struct cdrwriter {
	struct process process;
	struct spool spool;
	struct spooler spooler;
	struct loader loader;
	pthread_t spooler_thread, loader_thread;
	bool spool_open, loader_ready, spooler_runs, loader_runs;
};

static int reload(struct process *process, const struct config *next)
{
	struct cdrwriter *w = process->context;

	return loader_configure(&w->loader, next);
}

static void *spooler_thread(void *context)
{
	struct cdrwriter *w = context;

	log_worker_init("spooler");
	spooler_run(&w->spooler);
	return NULL;
}

static void *loader_thread(void *context)
{
	struct cdrwriter *w = context;

	log_worker_init("loader");
	loader_run(&w->loader);
	return NULL;
}

static int start(struct cdrwriter *w)
{
	const struct config *config = w->process.config;
	struct counter_row *spooler_row = counters_row(&w->process.counters_segment, "cdrwriter-spooler");
	struct counter_row *loader_row = counters_row(&w->process.counters_segment, "cdrwriter-loader");
	int error;

	if (!spooler_row || !loader_row)
		return -ENOSPC;
	error = spool_open(&w->spool, config->spool.directory, config->spool.segment_mb * MB,
			   config->spool.reserve_mb * MB);
	w->spool_open = error == 0;
	if (error == 0)
		error = spooler_init(&w->spooler, &w->spool, &w->process, spooler_row);
	if (error == 0) {
		error = loader_init(&w->loader, &w->spool, &w->process, loader_row);
		w->loader_ready = true;
	}
	if (error == 0)
		error = -pthread_create(&w->spooler_thread, NULL, spooler_thread, w);
	w->spooler_runs = error == 0;
	if (error == 0)
		error = -pthread_create(&w->loader_thread, NULL, loader_thread, w);
	w->loader_runs = w->spooler_runs && error == 0;
	return error;
}

/* The spooler empties the rings and tells the loader that nothing more will come; the loader ends soon after. */
static void stop(struct cdrwriter *w)
{
	w->process.stopping = true;
	if (w->spooler_runs)
		pthread_join(w->spooler_thread, NULL);
	if (w->loader_runs)
		pthread_join(w->loader_thread, NULL);
	if (w->loader_ready)
		loader_fini(&w->loader);
	if (w->spool_open)
		spool_close(&w->spool);
}

int main(int argc, char **argv)
{
	static const struct process_hooks hooks = {
	    .role = ROLE_CDRWRITER,
	    .reload = reload,
	    .more_usage =
		"or:    tandem-cdrwriter --dump-spool DIR\n"
		"                     print the records in a spool's files, a line of JSON each: those that are\n"
		"                     not in the database yet, and the last that are; reads only\n",
	};
	static struct cdrwriter w;

	if (argc == 3 && strcmp(argv[1], "--dump-spool") == 0)
		return dump_spool(argv[2]);
	int status = process_init(&w.process, &hooks, argc, argv);

	if (status)
		return status;
	w.process.context = &w;
	int error = start(&w);

	if (error)
		log_error("cdrwriter", "cannot start: %s", strerror(-error));
	else
		process_run(&w.process);
	stop(&w);
	process_fini(&w.process);
	return error ? 1 : 0;
}
