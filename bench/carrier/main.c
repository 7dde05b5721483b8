/* SPDX-License-Identifier: Apache-2.0 */
/* Options, the event loop and the report. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "carrier.h"

#define TICK_US          10000ull
#define HANGUPS_PER_TICK 2 /* of the standing calls at the end: 200 a second */
#define KEY_CALLER       0ull
#define KEY_VENDOR       1ull
#define KEY_AUDIO        0x100ull

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
	stop_asked = 1;
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void usage(void)
{
	fputs(
	    "usage: tandem-carrier --caller NETNS,IP:PORT --switch IP:PORT --vendor NETNS,IP:PORT[,silent|,CODE] ...\n"
	    "  --standing N     calls set up first and held until the end\n"
	    "  --rate R         further calls a second\n"
	    "  --calls N        how many of them (default: as many as --seconds allow)\n"
	    "  --seconds S      how long they are placed, and the standing ones held\n"
	    "  --hold S         how long each of them lasts (default 2)\n"
	    "  --ring MS        from INVITE to answer (default 0)\n"
	    "  --audio          RTP both ways, every payload checked\n"
	    "  --early-media    183 with SDP before the answer\n"
	    "  --number DIGITS  dialled, followed by six digits of the call's own number\n"
	    "  --padding BYTES  of further headers in INVITE and 200\n"
	    "  --hangup WHO     caller, callee or alternate (default)\n"
	    "  --calls-file F   one JSON line for each call\n"
	    "  --drain S        longest wait for the last calls to end (default 40)\n"
	    "  --disagree S     one side has ended: how long the other may take (default 5)\n"
	    "Prints a JSON report; exits 0 when it could run, whatever the figures.\n",
	    stderr);
	exit(2);
}

static void split_place(char *text, char *netns, size_t size, union endpoint *address, char **rest)
{
	char *place = strchr(text, ',');

	if (!place)
		usage();
	*place++ = 0;
	snprintf(netns, size, "%s", text);
	*rest = strchr(place, ',');
	if (*rest)
		*(*rest)++ = 0;
	if (endpoint_parse(address, place) < 0) {
		fprintf(stderr, "tandem-carrier: %s is no address:port\n", place);
		exit(2);
	}
}

static void add_vendor(struct options *o, char *text)
{
	struct vendor *v = &o->vendor[o->vendors++];
	char *rest;

	if (o->vendors > MAX_VENDORS)
		usage();
	split_place(text, v->netns, sizeof(v->netns), &v->address, &rest);
	if (rest && strcmp(rest, "silent") == 0) {
		v->behaviour = SILENT;
	} else if (rest) {
		v->behaviour = REFUSE;
		v->code = atoi(rest);
	}
}

static void read_options(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
	    {"caller", 1, 0, 'c'},      {"switch", 1, 0, 's'},     {"vendor", 1, 0, 'v'},
	    {"standing", 1, 0, 'S'},    {"rate", 1, 0, 'r'},       {"calls", 1, 0, 'n'},
	    {"seconds", 1, 0, 't'},     {"hold", 1, 0, 'h'},       {"ring", 1, 0, 'R'},
	    {"audio", 0, 0, 'a'},       {"number", 1, 0, 'N'},     {"padding", 1, 0, 'p'},
	    {"hangup", 1, 0, 'u'},      {"calls-file", 1, 0, 'f'}, {"drain", 1, 0, 'd'},
	    {"early-media", 0, 0, 'e'}, {"disagree", 1, 0, 'D'},   {0, 0, 0, 0}};
	char *rest;
	int option;

	*o = (struct options){
	    .hold_s = 2, .hangup = "alternate", .number = "49", .drain_s = 40, .disagree_s = 5, .seconds = 10};
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'c':
			split_place(optarg, o->caller_netns, sizeof(o->caller_netns), &o->caller_address, &rest);
			break;
		case 's':
			if (endpoint_parse(&o->target, optarg) < 0)
				usage();
			break;
		case 'v':
			add_vendor(o, optarg);
			break;
		case 'S':
			o->standing = (unsigned int)atoi(optarg);
			break;
		case 'r':
			o->rate = atof(optarg);
			break;
		case 'n':
			o->calls = (unsigned int)atoi(optarg);
			break;
		case 't':
			o->seconds = atof(optarg);
			break;
		case 'h':
			o->hold_s = atof(optarg);
			break;
		case 'R':
			o->ring_ms = (unsigned int)atoi(optarg);
			break;
		case 'a':
			o->audio = true;
			break;
		case 'e':
			o->early_media = true;
			break;
		case 'N':
			snprintf(o->number, sizeof(o->number), "%s", optarg);
			break;
		case 'p':
			o->padding = (unsigned int)atoi(optarg);
			break;
		case 'u':
			o->hangup = optarg;
			break;
		case 'f':
			o->calls_file = optarg;
			break;
		case 'D':
			o->disagree_s = atof(optarg);
			break;
		case 'd':
			o->drain_s = atof(optarg);
			break;
		default:
			usage();
		}
	}
	if (!o->caller_address.sa.sa_family || !o->target.sa.sa_family || !o->vendors || optind != argc)
		usage();
}

static int watch(struct carrier *c, int fd, uint64_t key)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = key};

	return fd < 0 ? fd : epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int carrier_open(struct carrier *c)
{
	struct options *o = &c->options;
	int rc;

	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c->slots = o->standing + (unsigned int)(o->rate * (o->hold_s + 40)) + 16;
	if (o->calls && o->standing + o->calls < c->slots)
		c->slots = o->standing + o->calls;
	if (c->slots > 100000)
		c->slots = 100000;
	c->calls = calloc(c->slots, sizeof(*c->calls));
	if (c->epoll_fd < 0 || !c->calls || getrandom(&c->tag, sizeof(c->tag), 0) != sizeof(c->tag))
		return -ENOMEM;
	if (o->calls_file && !(c->calls_out = fopen(o->calls_file, "w")))
		return -errno;
	for (unsigned int i = 0; o->audio && i < c->slots; i++) {
		rc = audio_open(c, &c->calls[i].a.audio, o->caller_netns, &o->caller_address, KEY_AUDIO + 2 * i);
		if (rc == 0)
			rc = audio_open(c, &c->calls[i].b.audio, o->vendor[o->vendors - 1].netns,
					&o->vendor[o->vendors - 1].address, KEY_AUDIO + 2 * i + 1);
		if (rc < 0)
			return rc;
	}
	c->caller_fd = udp_open(o->caller_netns, &o->caller_address);
	rc = watch(c, c->caller_fd, KEY_CALLER);
	for (int i = 0; i < o->vendors && rc == 0; i++) {
		o->vendor[i].fd = udp_open(o->vendor[i].netns, &o->vendor[i].address);
		rc = watch(c, o->vendor[i].fd, KEY_VENDOR + (uint64_t)i);
	}
	return rc;
}

static void receive(struct carrier *c, uint64_t key)
{
	static char buffer[65536];
	union endpoint from;
	socklen_t from_len;
	ssize_t len;
	int fd;

	if (key >= KEY_AUDIO) {
		struct call *call = &c->calls[(key - KEY_AUDIO) / 2];

		audio_receive(c, key & 1 ? &call->b.audio : &call->a.audio);
		return;
	}
	fd = key == KEY_CALLER ? c->caller_fd : c->options.vendor[key - KEY_VENDOR].fd;
	for (;;) {
		from_len = sizeof(from);
		len = recvfrom(fd, buffer, sizeof(buffer) - 1, MSG_DONTWAIT, &from.sa, &from_len);
		if (len < 0)
			return;
		if (len < 12)
			continue; /* a keep-alive */
		buffer[len] = 0;
		if (key == KEY_CALLER)
			call_caller_datagram(c, buffer, (size_t)len, &from);
		else
			call_callee_datagram(c, (int)(key - KEY_VENDOR), buffer, (size_t)len, &from);
	}
}

/* New calls that are due: the standing ones first, 100 a second, then the rate. */
static void place_due(struct carrier *c, uint64_t *next_us)
{
	struct options *o = &c->options;
	uint64_t rest;

	while (!c->stopping && c->now_us >= *next_us) {
		bool standing = c->totals.offered < o->standing;

		rest = c->totals.offered - o->standing;
		if (!standing && (o->rate <= 0 || (o->calls && rest >= o->calls)))
			return;
		call_place(c, standing);
		*next_us += (uint64_t)(1e6 / (standing ? 100 : o->rate));
	}
}

static void audio_due(struct carrier *c, unsigned int phase)
{
	for (unsigned int i = phase; i < c->slots; i += RTP_PACKET_MS / 10) {
		struct call *call = &c->calls[i];

		if (call->state == CALL_UP || (call->state == CALL_RINGING && c->options.early_media)) {
			audio_send(c, &call->a.audio);
			audio_send(c, &call->b.audio);
		}
	}
}

/* One tick: timers, audio and, towards the end, the hang-up of the standing calls. */
static void tick(struct carrier *c, uint64_t number)
{
	unsigned int hung_up = 0;

	for (unsigned int i = 0; i < c->slots; i++) {
		struct call *call = &c->calls[i];

		if (c->stopping && call->standing && call->state == CALL_UP && hung_up < HANGUPS_PER_TICK) {
			call_hang_up(c, call, call->wants);
			hung_up++;
		}
		call_tick(c, call);
	}
	if (c->options.audio)
		audio_due(c, number % (RTP_PACKET_MS / 10));
}

static bool placed_all(const struct carrier *c)
{
	const struct options *o = &c->options;

	return o->calls && !o->standing && c->totals.offered >= o->calls;
}

static void run(struct carrier *c)
{
	struct epoll_event events[256];
	uint64_t next_call_us, next_tick_us, end_us, ticks = 0;
	int n, wait_ms;

	c->start_us = c->now_us = now_us();
	next_call_us = next_tick_us = c->now_us;
	end_us = c->now_us + (uint64_t)(c->options.seconds * 1e6);
	for (;;) {
		c->now_us = now_us();
		if (!c->stopping && (stop_asked || c->now_us >= end_us || placed_all(c))) {
			c->stopping = true;
			end_us = c->now_us + (uint64_t)((c->options.drain_s + c->options.hold_s) * 1e6);
		}
		if (c->stopping && (c->active == 0 || c->now_us >= end_us))
			return;
		place_due(c, &next_call_us);
		if (c->now_us >= next_tick_us) {
			tick(c, ticks++);
			next_tick_us += TICK_US;
		}
		wait_ms = next_tick_us > c->now_us ? (int)((next_tick_us - c->now_us + 999) / 1000) : 0;
		n = epoll_wait(c->epoll_fd, events, 256, wait_ms);
		c->now_us = now_us();
		for (int i = 0; i < n; i++)
			receive(c, events[i].data.u64);
	}
}

static void report(struct carrier *c)
{
	struct totals *t = &c->totals;
	const char *comma = "";

	printf("{\"offered\":%llu,\"answered\":%llu,\"answered_callee\":%llu,\"ended_clean\":%llu,\"lost\":%llu,"
	       "\"disagree\":%llu,"
	       "\"timeouts\":%llu,\"unfinished\":%u,\"bye_refused\":%llu,\"unexpected\":%llu,\"resent\":%llu,",
	       (unsigned long long)t->offered, (unsigned long long)t->answered_a, (unsigned long long)t->answered_b,
	       (unsigned long long)t->ended_clean, (unsigned long long)t->lost, (unsigned long long)t->disagree,
	       (unsigned long long)t->timeouts, c->active, (unsigned long long)t->bye_481,
	       (unsigned long long)t->unexpected, (unsigned long long)t->resent);
	printf("\"refused\":{");
	for (int code = 0; code < MAX_CODES; code++)
		if (t->refused[code]) {
			printf("%s\"%d\":%llu", comma, code, (unsigned long long)t->refused[code]);
			comma = ",";
		}
	printf("},\"vendor_invites\":[");
	for (int i = 0; i < c->options.vendors; i++)
		printf("%s%llu", i ? "," : "", (unsigned long long)c->options.vendor[i].invites);
	printf(
	    "],\"audio\":{\"caller_sent\":%llu,\"callee_received\":%llu,\"callee_sent\":%llu,\"caller_received\":%llu,"
	    "\"lost\":%llu,\"corrupted\":%llu,\"foreign\":%llu,\"duplicates\":%llu,\"max_gap_ms\":%.1f,\"gaps_over_"
	    "1s\":%llu}}\n",
	    (unsigned long long)t->audio_sent[0], (unsigned long long)t->audio_received[0],
	    (unsigned long long)t->audio_sent[1], (unsigned long long)t->audio_received[1],
	    (unsigned long long)(t->audio_lost[0] + t->audio_lost[1]), (unsigned long long)t->corrupted,
	    (unsigned long long)t->foreign, (unsigned long long)t->duplicates, (double)t->max_gap_us / 1000.0,
	    (unsigned long long)t->gaps_over_1s);
}

int main(int argc, char **argv)
{
	static struct carrier c;
	int rc;

	read_options(&c.options, argc, argv);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	rc = carrier_open(&c);
	if (rc < 0) {
		fprintf(stderr, "tandem-carrier: can't start: %s\n", strerror(-rc));
		return 1;
	}
	run(&c);
	report(&c);
	if (c.calls_out)
		fclose(c.calls_out);
	return 0;
}
