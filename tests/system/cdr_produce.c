/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays a signaling worker for the tests of the CDR writer: publishes call records into its ring.
 *
 *   cdr-produce --config FILE --first N --count N [--rate PER_SECOND] [--worker N] [--bad EVERY] [--again EVERY]
 *
 * Record number n has n as its call id. `--bad` makes every EVERY-th one's caller number "refuse-me" (a constraint of
 * the test refuses it); `--again` publishes every EVERY-th a second time, as a signaling process does that was killed
 * between publishing and remembering that it had. Prints "published N waited N began T" at the end: waited counts the
 * times the ring was full or the writer had no room; T is when the first was made, monotonic, in microseconds.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/end_reason.h"
#include "common/rings.h"
#include "proto/cdr_record.h"
#include "proto/messages.h"

static struct {
	const char *config;
	uint64_t first, count, rate, bad, again;
	unsigned int worker;
} options = {.rate = 1000};

static uint64_t waited;

static void pause_us(uint64_t us)
{
	struct timespec ts = {.tv_sec = (time_t)(us / US_PER_S), .tv_nsec = (long)(us % US_PER_S * 1000)};

	nanosleep(&ts, NULL);
}

static struct wire_text text(const char *text)
{
	return (struct wire_text){text, (uint32_t)strlen(text)};
}

static void publish(struct ring_producer *ring, const struct cdr_record *record, bool dirty)
{
	uint8_t *body, *number;

	while (!(body = ring_reserve(ring, cdr_record_room(record)))) {
		waited++;
		pause_us(1000);
	}
	uint32_t len = cdr_record_write(record, body);

	/* Signaling writes none of these; a record of another version might have one. */
	if (dirty && (number = memmem(body, len, "43?", 3)))
		number[2] = 0xff;
	ring_publish(ring, MESSAGE_CDR_RECORD, len);
}

/* What all records have in common. */
static void template_init(struct cdr_record *record)
{
	*record = (struct cdr_record){
	    .attempt = 1,
	    .final = true,
	    .node = text("test"),
	    .caller_sip_call_id = text("in@example.net"),
	    .callee_sip_call_id = text("out@example.net"),
	    .mapping_gateway = text("customer"),
	    .routing_gateway = text("vendor"),
	    .caller_address = {.ip = {192, 0, 2, 1}, .port = 5060, .family = NET_IP4},
	    .callee_address = {.ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 9}, .port = 5062, .family = NET_IP6},
	    .pdd_ms = 120,
	    .duration_us = 60250000,
	    .sip_code = 200,
	    .q850_cause = 16,
	    .end_direction = END_BY_CALLER,
	    .end_reason = END_NORMAL,
	    .codec = text("PCMA"),
	    .has_figures = {true, true},
	};
	for (unsigned int side = 0; side < CALL_SIDES; side++)
		record->figures[side] = (struct call_direction_figures){
		    .packets = 3000, .bytes = 516000, .lost = 3, .jitter_us = 1250, .mos_x100 = 438};
}

static void produce(struct ring_producer *ring, struct cdr_record *record, uint64_t n, int64_t setup_us)
{
	char id[16] = {0};
	bool bad = options.bad && n % options.bad == 0, dirty = n % 3 == 0;

	for (int i = 0; i < 8; i++)
		id[15 - i] = (char)(n >> (8 * i));
	record->call_id = (struct wire_text){id, sizeof(id)};
	record->caller_number_in = text(bad ? "refuse-me" : "4930123456");
	record->callee_number_in = text(dirty ? "43?\"1999" : "43199999");
	record->setup_us = setup_us;
	record->progress_us = setup_us + 120000;
	record->answer_us = setup_us + 3000000;
	record->end_us = setup_us + 63250000;
	publish(ring, record, dirty);
	if (options.again && n % options.again == 0)
		publish(ring, record, dirty);
}

static int parse(int argc, char **argv)
{
	static const struct option table[] = {
	    {"config", required_argument, NULL, 'c'}, {"first", required_argument, NULL, 'f'},
	    {"count", required_argument, NULL, 'n'},  {"rate", required_argument, NULL, 'r'},
	    {"worker", required_argument, NULL, 'w'}, {"bad", required_argument, NULL, 'b'},
	    {"again", required_argument, NULL, 'a'},  {0},
	};

	for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		uint64_t n = c != 'c' && optarg ? strtoull(optarg, NULL, 10) : 0;

		switch (c) {
		case 'c':
			options.config = optarg;
			break;
		case 'f':
			options.first = n;
			break;
		case 'n':
			options.count = n;
			break;
		case 'r':
			options.rate = n;
			break;
		case 'w':
			options.worker = (unsigned int)n;
			break;
		case 'b':
			options.bad = n;
			break;
		case 'a':
			options.again = n;
			break;
		default:
			return -1;
		}
	}
	return options.config && options.rate ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct ring_producer ring;
	struct cdr_record record;

	log_init("cdr-produce", LOG_WARN);
	if (parse(argc, argv) < 0) {
		fprintf(stderr, "usage: cdr-produce --config FILE --first N --count N [--rate N] [--worker N] [--bad N]"
				" [--again N]\n");
		return 2;
	}
	struct config *config = config_load(options.config);

	if (!config || rings_producer(&ring, config, ROLE_SIGNALING, options.worker, ROLE_CDRWRITER, 0) < 0)
		return 1;
	template_init(&record);
	uint64_t start_us = clock_now_us();
	int64_t wall_us = clock_wall_us(start_us);

	for (uint64_t i = 0; i < options.count; i++) {
		uint64_t due_us = start_us + i * US_PER_S / options.rate, now_us = clock_now_us();

		if (due_us > now_us)
			pause_us(due_us - now_us);
		produce(&ring, &record, options.first + i, wall_us + (int64_t)i);
	}
	printf("published %llu waited %llu began %llu\n", (unsigned long long)options.count, (unsigned long long)waited,
	       (unsigned long long)start_us);
	config_free(config);
	return 0;
}
