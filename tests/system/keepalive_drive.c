/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays all signaling workers for the test of tandem-keepalive: announces endpoints, answers resyncs, takes bursts.
 *
 *   keepalive-drive --config FILE --endpoints N --seconds N [--ignore N]
 *
 * Worker w has the endpoints w, w + workers, ... Only the bursts of the last `seconds - ignore` are counted. Prints one
 * JSON object: how often endpoints were reached, the shortest and longest time between two messages to the same
 * one, the largest ring message, the largest burst (what came within 50 ms) and the resyncs answered.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/rings.h"
#include "proto/messages.h"
#include "proto/messages.pb-c.h"

#define BURST_US (50 * US_PER_MS)

struct seen {
	uint64_t last_us;
	uint32_t count;
};

static struct {
	const char *config;
	uint32_t endpoints;
	uint64_t seconds, ignore;
} options;

static struct ring_producer to[CONFIG_MAX_WORKERS];
static struct ring_consumer from[CONFIG_MAX_WORKERS];
static unsigned int workers;
static struct seen *seen;
static uint64_t min_gap_us = UINT64_MAX, max_gap_us, wrong, resyncs, last_life, bursts, burst_us;
static uint32_t largest_message, largest_burst, burst_size;

static void announce(uint32_t endpoint)
{
	Tandem__BindingAdded added = TANDEM__BINDING_ADDED__INIT;
	struct ring_producer *ring = &to[endpoint % workers];
	uint8_t *body;

	added.endpoint = endpoint;
	added.id = endpoint + 1;
	added.expires_us = clock_now_us() + 3600 * US_PER_S;
	uint32_t len = (uint32_t)tandem__binding_added__get_packed_size(&added);

	while (!(body = ring_reserve(ring, len)))
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	tandem__binding_added__pack(&added, body);
	ring_publish(ring, MESSAGE_BINDING_ADDED, len);
}

static void announce_of(unsigned int worker)
{
	for (uint32_t i = worker; i < options.endpoints; i += workers)
		announce(i);
}

static void take_endpoint(unsigned int worker, uint32_t endpoint, uint64_t id, uint64_t now_us, bool counts)
{
	if (endpoint >= options.endpoints || endpoint % workers != worker || id != endpoint + 1ull) {
		wrong++;
		return;
	}
	struct seen *s = &seen[endpoint];

	if (s->last_us > 0 && counts) {
		uint64_t gap = now_us - s->last_us;

		min_gap_us = gap < min_gap_us ? gap : min_gap_us;
		max_gap_us = gap > max_gap_us ? gap : max_gap_us;
	}
	s->last_us = now_us;
	s->count += counts;
	if (now_us - burst_us > BURST_US) {
		burst_us = now_us;
		burst_size = 0;
		bursts++;
	}
	burst_size++;
	largest_burst = burst_size > largest_burst ? burst_size : largest_burst;
}

static void take_message(unsigned int worker, const struct ring_message *message, uint64_t now_us, bool counts)
{
	if (message->type == MESSAGE_BINDINGS_RESYNC) {
		Tandem__Resync *resync = tandem__resync__unpack(NULL, message->len, message->body);

		resyncs += worker == 0 && resync->life != last_life;
		last_life = resync->life;
		tandem__resync__free_unpacked(resync, NULL);
		announce_of(worker);
		return;
	}
	Tandem__KeepaliveBurst *burst = tandem__keepalive_burst__unpack(NULL, message->len, message->body);

	if (burst->n_endpoint > largest_message)
		largest_message = (uint32_t)burst->n_endpoint;
	for (size_t i = 0; i < burst->n_endpoint; i++)
		take_endpoint(worker, burst->endpoint[i], burst->id[i], now_us, counts);
	tandem__keepalive_burst__free_unpacked(burst, NULL);
}

static void drive(void)
{
	uint64_t start_us = clock_now_us(), now_us;

	while ((now_us = clock_now_us()) < start_us + options.seconds * US_PER_S) {
		bool counts = now_us >= start_us + options.ignore * US_PER_S;

		for (unsigned int worker = 0; worker < workers; worker++) {
			struct ring_message message;

			while (ring_peek(&from[worker], &message)) {
				take_message(worker, &message, now_us, counts);
				ring_release(&from[worker], message.end);
			}
		}
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

static void report(void)
{
	uint32_t least = UINT32_MAX, most = 0;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < options.endpoints; i++) {
		least = seen[i].count < least ? seen[i].count : least;
		most = seen[i].count > most ? seen[i].count : most;
		sum += seen[i].count;
	}
	printf("{\"least\": %u, \"most\": %u, \"sum\": %" PRIu64 ", \"min_gap_ms\": %" PRIu64
	       ", \"max_gap_ms\": %" PRIu64 ", \"largest_message\": %u, \"largest_burst\": %u, \"bursts\": %" PRIu64
	       ", \"wrong\": %" PRIu64 ", \"resyncs\": %" PRIu64 "}\n",
	       least, most, sum, min_gap_us == UINT64_MAX ? 0 : min_gap_us / 1000, max_gap_us / 1000, largest_message,
	       largest_burst, bursts, wrong, resyncs);
}

static int parse(int argc, char **argv)
{
	static const struct option table[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"endpoints", required_argument, NULL, 'e'},
	    {"seconds", required_argument, NULL, 's'},
	    {"ignore", required_argument, NULL, 'i'},
	    {0},
	};

	for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		if (c == 'c')
			options.config = optarg;
		else if (c == 'e')
			options.endpoints = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 's')
			options.seconds = strtoull(optarg, NULL, 10);
		else if (c == 'i')
			options.ignore = strtoull(optarg, NULL, 10);
		else
			return -1;
	}
	return options.config && options.endpoints ? 0 : -1;
}

int main(int argc, char **argv)
{
	log_init("keepalive-drive", LOG_WARN);
	if (parse(argc, argv) < 0) {
		fprintf(stderr, "usage: keepalive-drive --config FILE --endpoints N --seconds N [--ignore N]\n");
		return 2;
	}
	struct config *config = config_load(options.config);

	seen = calloc(options.endpoints, sizeof(*seen));
	if (!config || !seen)
		return 1;
	workers = rings_threads(config, ROLE_SIGNALING);
	for (unsigned int worker = 0; worker < workers; worker++)
		if (rings_producer(&to[worker], config, ROLE_SIGNALING, worker, ROLE_KEEPALIVE, 0) < 0 ||
		    rings_consumer(&from[worker], NULL, config, ROLE_KEEPALIVE, 0, ROLE_SIGNALING, worker) < 0)
			return 1;
	for (unsigned int worker = 0; worker < workers; worker++)
		announce_of(worker);
	drive();
	report();
	free(seen);
	config_free(config);
	return 0;
}
