/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays signaling worker 0 towards tandem-media: makes the node's segments, takes one command a line, and prints what
 * media says.
 *   media-drive CONFIG
 *   open SLOT ID CALLER-LOCAL CALLER-REMOTE CALLEE-LOCAL CALLEE-REMOTE GENERATION [nat] [LIMIT-MS]
 *   close SLOT ID
 * End of input ends it and removes the segments.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "common/layout/segments.h"
#include "common/log.h"
#include "common/rings.h"
#include "proto/messages.h"
#include "proto/messages.pb-c.h"

static struct ring_producer to;
static struct ring_consumer from;

static int segments_make(const struct config *config, bool make)
{
	struct segment_spec *specs;
	unsigned int count;
	int error = segments_specs(config, &specs, &count);

	for (unsigned int i = 0; error >= 0 && i < count; i++) {
		if (make)
			error = segment_create(config->node, &specs[i], 0600, true);
		else
			segment_remove(config->node, specs[i].name);
	}
	free(specs);
	return error < 0 ? error : 0;
}

static void say(uint16_t type, const ProtobufCMessage *message)
{
	uint8_t *room = ring_reserve(&to, (uint32_t)protobuf_c_message_get_packed_size(message));

	if (!room) {
		printf("full\n");
		return;
	}
	ring_publish(&to, type, (uint32_t)protobuf_c_message_pack(message, room));
}

static bool address(Tandem__Address *out, struct net_addr *addr, const char *text)
{
	tandem__address__init(out);
	if (net_addr_parse(addr, text, strlen(text)))
		return false;
	out->ip.data = addr->ip;
	out->ip.len = addr->family == NET_IP4 ? 4 : 16;
	out->port = addr->port;
	return true;
}

static void say_open(const char *line)
{
	char text[4][64], nat[8] = "";
	struct net_addr addr[4];
	Tandem__Address out[4];
	Tandem__MediaLeg leg[2] = {TANDEM__MEDIA_LEG__INIT, TANDEM__MEDIA_LEG__INIT};
	Tandem__MediaOpen open = TANDEM__MEDIA_OPEN__INIT;
	unsigned int slot, generation, limit_ms = 0;
	unsigned long long id;

	if (sscanf(line, "open %u %llu %63s %63s %63s %63s %u %7s %u", &slot, &id, text[0], text[1], text[2], text[3],
		   &generation, nat, &limit_ms) < 7)
		exit(2);
	for (int i = 0; i < 4; i++)
		if (!address(&out[i], &addr[i], text[i]))
			exit(2);
	for (int i = 0; i < 2; i++) {
		leg[i].local = &out[2 * i];
		leg[i].remote = &out[2 * i + 1];
		leg[i].clock_rate = 8000;
		leg[i].dtmf_payload_type = 101;
		leg[i].generation = generation;
		leg[i].behind_nat = strcmp(nat, "nat") == 0;
	}
	open.session = slot;
	open.id = id;
	open.caller = &leg[0];
	open.callee = &leg[1];
	open.tos = 0xb8;
	open.answered = true;
	open.silence_limit_ms = limit_ms;
	say(MESSAGE_MEDIA_OPEN, &open.base);
}

static void say_close(const char *line)
{
	Tandem__MediaClose ask = TANDEM__MEDIA_CLOSE__INIT;
	unsigned long long id;

	if (sscanf(line, "close %u %llu", &ask.session, &id) != 2)
		exit(2);
	ask.id = id;
	say(MESSAGE_MEDIA_CLOSE, &ask.base);
}

static void print_direction(const char *name, const Tandem__MediaDirection *d)
{
	printf(" %s=%llu/%llu/%llu", name, (unsigned long long)d->packets, (unsigned long long)d->sent,
	       (unsigned long long)d->lost);
}

static void print_closed(const struct ring_message *message)
{
	Tandem__MediaClosed *closed = tandem__media_closed__unpack(NULL, message->len, message->body);

	if (!closed)
		exit(3);
	printf("closed %u %llu", closed->session, (unsigned long long)closed->id);
	print_direction("caller", closed->statistics->caller_to_callee);
	print_direction("callee", closed->statistics->callee_to_caller);
	printf("\n");
	tandem__media_closed__free_unpacked(closed, NULL);
}

static void print_dtmf(const struct ring_message *message)
{
	Tandem__Dtmf *dtmf = tandem__dtmf__unpack(NULL, message->len, message->body);

	if (!dtmf)
		exit(3);
	printf("dtmf %u %s %s %u\n", dtmf->session, dtmf->from_callee ? "callee" : "caller", dtmf->digit,
	       dtmf->duration_ms);
	tandem__dtmf__free_unpacked(dtmf, NULL);
}

static void print_started(const struct ring_message *message)
{
	Tandem__MediaStarted *started = tandem__media_started__unpack(NULL, message->len, message->body);

	if (!started)
		exit(3);
	printf("started %u %s\n", started->session, started->from_callee ? "callee" : "caller");
	tandem__media_started__free_unpacked(started, NULL);
}

static void listen_once(void)
{
	struct ring_message message;

	while (ring_peek(&from, &message)) {
		switch (message.type) {
		case MESSAGE_MEDIA_CLOSED:
			print_closed(&message);
			break;
		case MESSAGE_DTMF:
			print_dtmf(&message);
			break;
		case MESSAGE_MEDIA_STARTED:
			print_started(&message);
			break;
		case MESSAGE_MEDIA_SILENT:
			printf("silent\n");
			break;
		case MESSAGE_MEDIA_RESYNC:
			printf("resync\n");
			break;
		default:
			exit(3);
		}
		ring_release(&from, message.end);
	}
}

static void run(void)
{
	char line[512];
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	for (;;) {
		listen_once();
		if (poll(&in, 1, 1) == 0)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return;
		if (strncmp(line, "open ", 5) == 0)
			say_open(line);
		else if (strncmp(line, "close ", 6) == 0)
			say_close(line);
		else
			exit(2);
	}
}

int main(int argc, char **argv)
{
	struct config *config;
	int error;

	log_init("media-drive", LOG_INFO);
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0); /* poll() must see what has not been read */
	config = argc == 2 ? config_load(argv[1]) : NULL;
	if (!config)
		return 2;
	error = segments_make(config, true);
	if (error == 0)
		error = rings_producer(&to, config, ROLE_SIGNALING, 0, ROLE_MEDIA, 0);
	if (error == 0)
		error = rings_consumer(&from, NULL, config, ROLE_MEDIA, 0, ROLE_SIGNALING, 0);
	if (error) {
		fprintf(stderr, "media-drive: %s\n", strerror(-error));
		return 1;
	}
	printf("ready\n");
	run();
	segments_make(config, false);
	config_free(config);
	return 0;
}
