/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays a signaling worker for the tests of the CDR writer: publishes call records into its ring.
 *
 *   cdr-produce --config FILE --first N --count N [--rate PER_SECOND] [--worker N] [--bad EVERY] [--again EVERY]
 *
 * Record number n has n as its call id. `--bad` makes every EVERY-th one's caller number "refuse-me" (a constraint of
 * the test refuses it); `--again` publishes every EVERY-th a second time, as a signaling process does that was killed
 * between publishing and remembering that it had. Prints "published N waited N" at the end: waited counts the times
 * the ring was full or the writer had no room.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/end_reason.h"
#include "common/rings.h"
#include "proto/messages.h"
#include "proto/messages.pb-c.h"

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

static void publish(struct ring_producer *ring, Tandem__CdrRecord *record)
{
	uint32_t len = (uint32_t)tandem__cdr_record__get_packed_size(record);
	uint8_t *body;

	while (!(body = ring_reserve(ring, len))) {
		waited++;
		pause_us(1000);
	}
	tandem__cdr_record__pack(record, body);
	ring_publish(ring, MESSAGE_CDR_RECORD, len);
}

static void produce(struct ring_producer *ring, uint64_t n, int64_t setup_us)
{
	Tandem__CdrRecord record = TANDEM__CDR_RECORD__INIT;
	Tandem__Address caller = TANDEM__ADDRESS__INIT, callee = TANDEM__ADDRESS__INIT;
	Tandem__MediaStatistics media = TANDEM__MEDIA_STATISTICS__INIT;
	Tandem__MediaDirection direction = TANDEM__MEDIA_DIRECTION__INIT;
	static uint8_t ip4[4] = {192, 0, 2, 1}, ip6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 9};
	uint8_t id[16] = {0};
	bool bad = options.bad && n % options.bad == 0;

	for (int i = 0; i < 8; i++)
		id[15 - i] = (uint8_t)(n >> (8 * i));
	record.call_id = (ProtobufCBinaryData){.len = sizeof(id), .data = id};
	record.attempt = 1;
	record.final = 1;
	record.node = (char *)"test";
	record.caller_sip_call_id = (char *)"in@example.net";
	record.callee_sip_call_id = (char *)"out@example.net";
	record.caller_number_in = (char *)(bad ? "refuse-me" : "4930123456");
	record.callee_number_in = (char *)(n % 3 ? "43199999" : "43\xff\"1999"); /* a peer may send anything */
	record.mapping_gateway = (char *)"customer";
	record.routing_gateway = (char *)"vendor";
	caller.ip = (ProtobufCBinaryData){.len = sizeof(ip4), .data = ip4};
	caller.port = 5060;
	callee.ip = (ProtobufCBinaryData){.len = sizeof(ip6), .data = ip6};
	callee.port = 5062;
	record.caller_address = &caller;
	record.callee_address = &callee;
	record.setup_us = setup_us;
	record.progress_us = setup_us + 120000;
	record.answer_us = setup_us + 3000000;
	record.end_us = setup_us + 63250000;
	record.pdd_ms = 120;
	record.duration_us = 60250000;
	record.sip_code = 200;
	record.q850_cause = 16;
	record.end_direction = END_BY_CALLER;
	record.end_reason = END_NORMAL;
	record.codec = (char *)"PCMA";
	direction.packets = 3000;
	direction.bytes = 516000;
	direction.lost = 3;
	direction.jitter_us = 1250;
	direction.mos_x100 = 438;
	media.caller_to_callee = &direction;
	media.callee_to_caller = &direction;
	record.media = &media;
	publish(ring, &record);
	if (options.again && n % options.again == 0)
		publish(ring, &record);
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

	log_init("cdr-produce", LOG_WARN);
	if (parse(argc, argv) < 0) {
		fprintf(stderr, "usage: cdr-produce --config FILE --first N --count N [--rate N] [--worker N] [--bad N]"
				" [--again N]\n");
		return 2;
	}
	struct config *config = config_load(options.config);

	if (!config || rings_producer(&ring, config, ROLE_SIGNALING, options.worker, ROLE_CDRWRITER, 0) < 0)
		return 1;
	uint64_t start_us = clock_now_us();
	int64_t wall_us = clock_wall_us(start_us);

	for (uint64_t i = 0; i < options.count; i++) {
		uint64_t due_us = start_us + i * US_PER_S / options.rate, now_us = clock_now_us();

		if (due_us > now_us)
			pause_us(due_us - now_us);
		produce(&ring, options.first + i, wall_us + (int64_t)i);
	}
	printf("published %llu waited %llu\n", (unsigned long long)options.count, (unsigned long long)waited);
	config_free(config);
	return 0;
}
