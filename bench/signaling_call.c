/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a whole call costs the signalling engine on one core, network and other processes left out: seven messages in
 * (INVITE, 100, 180, 200, ACK, BYE, 200), seven out, media told and the record written. Thousands of calls stand
 * meanwhile, and the transactions of half a minute, so that caches are as cold as in service.
 *
 * Prints nanoseconds for each step and the whole (the best of several rounds), instructions where the kernel
 * lets us count them, and the memory of a call.
 */
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "proto/messages.h"
#include "signaling/call.h"
#include "signaling/sip/build.h"
#include "tests/unit/signaling/lab.h"

#ifdef COUNT_INSTRUCTIONS
#include "tests/instructions/count.h"
#define COUNTED 4u /* batches */
#endif

#define BATCH       32u   /* datagrams of a kind that arrive together */
#define STANDING    4096u /* calls, while others come and go */
#define CALLS       8192u /* the limit: twice as many */
#define RATE        512u  /* calls a second: what lingers is half a minute of that */
#define WARM_UP     600u  /* batches, till as many transactions end as are made */
#define ROUNDS      20u
#define ROUND       32u /* batches */
#define TEXT_MAX    2048u
#define SENT_MAX    (BATCH * 4)
#define TAG         27
#define VENDOR_ADDR "10.2.0.1:5060"

enum step { INVITE, TRYING, RINGING, ANSWER, ACK, BYE, BYE_ANSWER, MEDIA, TICK, STEPS };

static const char *const step_name[STEPS] = {
    "INVITE in, 100 and INVITE out",
    "100 in",
    "180 in, 180 out",
    "200 in, ACK and 200 out",
    "ACK in",
    "BYE in, 200 and BYE out",
    "200 in",
    "media's figures in, record out",
    "timers",
};

struct text {
	uint32_t len;
	char data[TEXT_MAX];
};

static struct text in[BATCH], sent[SENT_MAX];
static unsigned int sent_count;
static struct conversation {
	uint64_t number;
	char tag[TAG];
} talking[STANDING + BATCH], ending[BATCH];
static unsigned int talking_count;
static struct sip_flow from_customer, from_vendor;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

#ifdef COUNT_INSTRUCTIONS
static bool counting;

static void step_begin(uint64_t *start)
{
	sent_count = 0;
	if (counting)
		count_begin();
}

static void step_end(enum step step, uint64_t start)
{
	char name[64];

	snprintf(name, sizeof(name), "call: %s", step_name[step]);
	if (counting)
		count_end(name, BATCH);
}
#else
static uint64_t spent_ns[STEPS];
static int instructions_fd = -1;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void instructions_open(void)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE, .size = sizeof(attr), .disabled = 1};

	attr.config = PERF_COUNT_HW_INSTRUCTIONS;
	attr.exclude_kernel = 1;
	instructions_fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static void step_begin(uint64_t *start)
{
	sent_count = 0;
	if (instructions_fd >= 0)
		ioctl(instructions_fd, PERF_EVENT_IOC_ENABLE, 0);
	*start = now_ns();
}

static void step_end(enum step step, uint64_t start)
{
	spent_ns[step] += now_ns() - start;
	if (instructions_fd >= 0)
		ioctl(instructions_fd, PERF_EVENT_IOC_DISABLE, 0);
}
#endif

/* ---- the peers ---- */

static void io_send(void *context, const struct sip_flow *flow, const uint8_t *data, uint32_t len)
{
	struct text *to = &sent[sent_count++];

	must(sent_count <= SENT_MAX && len <= TEXT_MAX, "more was sent than a call sends");
	to->len = len;
	memcpy(to->data, data, len);
}

static void deliver(struct lab *lab, enum step step, const struct sip_flow *flow)
{
	uint64_t start;

	step_begin(&start);
	for (unsigned int i = 0; i < ENGINE_LOOK_AHEAD; i++)
		engine_look_ahead(lab->engine, (const uint8_t *)in[i].data, in[i].len);
	for (unsigned int i = 0; i < BATCH; i++) {
		const struct text *next = &in[i + ENGINE_LOOK_AHEAD < BATCH ? i + ENGINE_LOOK_AHEAD : i];

		if (next != &in[i])
			engine_look_ahead(lab->engine, (const uint8_t *)next->data, next->len);
		engine_receive(lab->engine, flow, (const uint8_t *)in[i].data, in[i].len);
	}
	step_end(step, start);
}

/* The n-th of the messages sent that begin so. */
static struct sip_message *sent_message(const char *start, unsigned int n)
{
	static struct sip_message message;

	for (unsigned int i = 0; i < sent_count; i++)
		if (strncmp(sent[i].data, start, strlen(start)) == 0 && n-- == 0) {
			must(sip_message_parse(&message, sent[i].data, sent[i].len) == SIP_PARSE_OK, "parse");
			return &message;
		}
	must(false, start);
	return NULL;
}

static void put_request(unsigned int i, const char *method, uint64_t call, unsigned int cseq, const char *tag,
			const char *sdp)
{
	int len = snprintf(
	    in[i].data, TEXT_MAX,
	    "%s sip:+4930123%s SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.5:5060;rport;branch=z9hG4bK%s%lx\r\n"
	    "Max-Forwards: 70\r\nContact: <sip:+49401234@10.1.0.5:5060>\r\n"
	    "To: <sip:+4930123@10.0.0.1>%s%.*s\r\nFrom: \"Customer\" <sip:+49401234@10.1.0.5>;tag=c%lx\r\n"
	    "Call-ID: 7f3a2b1c-4d5e-%lx@10.1.0.5\r\nCSeq: %u %s\r\n"
	    "Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, UPDATE\r\nUser-Agent: Gateway 4.2\r\n%s"
	    "Content-Length: %zu\r\n\r\n%s",
	    method, "@10.0.0.1:5060", method, call, tag ? ";tag=" : "", tag ? TAG : 0, tag ? tag : "", call, call, cseq,
	    method, sdp ? "Content-Type: application/sdp\r\n" : "", sdp ? strlen(sdp) : 0, sdp ? sdp : "");

	must(len > 0 && (unsigned int)len < TEXT_MAX, "request");
	in[i].len = (uint32_t)len;
}

static void put_response(unsigned int i, const struct text *request, unsigned int code, const char *sdp)
{
	static struct sip_message message;
	struct sip_builder b;

	must(sip_message_parse(&message, request->data, request->len) == SIP_PARSE_OK, "parse");
	sip_build_init(&b, in[i].data, TEXT_MAX);
	sip_build_response(&b, &message, code, NULL, code > 100 ? SIP_TEXT("vendor1") : SIP_TEXT(""), NULL);
	if (code > 100 && message.method == SIP_INVITE)
		sip_build_header(&b, SIP_H_CONTACT, SIP_TEXT("<sip:vendor@" VENDOR_ADDR ">"));
	sip_build_header(&b, SIP_H_SERVER, SIP_TEXT("Vendor 1.0"));
	if (sdp)
		sip_build_body(&b, SIP_TEXT("application/sdp"), sip_text_of(sdp));
	else
		sip_build_no_body(&b);
	in[i].len = (uint32_t)sip_build_finish(&b);
}

static void keep(struct text to[BATCH], const char *start)
{
	for (unsigned int i = 0; i < BATCH; i++) {
		const struct sip_message *m = sent_message(start, i);

		to[i].len = m->len;
		memcpy(to[i].data, m->data, m->len);
	}
}

static void answer(struct lab *lab, enum step step, const struct text request[BATCH], unsigned int code,
		   const char *sdp)
{
	for (unsigned int i = 0; i < BATCH; i++)
		put_response(i, &request[i], code, sdp);
	deliver(lab, step, &from_vendor);
}

/* ---- the other processes ---- */

static void empty(struct ring_consumer *ring)
{
	struct ring_message m;

	while (ring_peek(ring, &m))
		ring_release(ring, m.end);
}

/* Media confirms what was closed. */
static void close_media(struct lab *lab)
{
	static uint8_t bodies[BATCH][128];
	static struct ring_message closed[BATCH];
	Tandem__MediaStatistics statistics = TANDEM__MEDIA_STATISTICS__INIT;
	Tandem__MediaDirection direction = TANDEM__MEDIA_DIRECTION__INIT;
	struct ring_message m;
	unsigned int count = 0;
	uint64_t start;

	direction.packets = 500;
	direction.bytes = 86000;
	statistics.caller_to_callee = statistics.callee_to_caller = &direction;
	while (ring_peek(&lab->media, &m)) {
		if (m.type == MESSAGE_MEDIA_CLOSE && count < BATCH) {
			Tandem__MediaClose *close = tandem__media_close__unpack(NULL, m.len, m.body);
			Tandem__MediaClosed reply = TANDEM__MEDIA_CLOSED__INIT;

			reply.session = close->session;
			reply.id = close->id;
			reply.statistics = &statistics;
			closed[count] = (struct ring_message){.body = bodies[count], .type = MESSAGE_MEDIA_CLOSED};
			closed[count].len = (uint32_t)tandem__media_closed__pack(&reply, bodies[count]);
			tandem__media_close__free_unpacked(close, NULL);
			count++;
		}
		ring_release(&lab->media, m.end);
	}
	step_begin(&start);
	for (unsigned int i = 0; i < count; i++)
		engine_media_message(lab->engine, 0, &closed[i]);
	step_end(MEDIA, start);
	empty(&lab->cdr);
}

/* ---- batches ---- */

static void begin_calls(struct lab *lab, uint64_t first)
{
	static struct text invites[BATCH];

	for (unsigned int i = 0; i < BATCH; i++)
		put_request(i, "INVITE", first + i, 1, NULL, lab_sdp);
	deliver(lab, INVITE, &from_customer);
	keep(invites, "INVITE ");
	answer(lab, TRYING, invites, 100, NULL);
	answer(lab, RINGING, invites, 180, NULL);
	answer(lab, ANSWER, invites, 200, lab_sdp);
	for (unsigned int i = 0; i < BATCH; i++) {
		const struct sip_name_addr *to = sip_message_to(sent_message("SIP/2.0 200", i));

		must(to && to->tag.len == TAG, "tag");
		talking[talking_count].number = first + i;
		memcpy(talking[talking_count].tag, to->tag.at, TAG);
		put_request(i, "ACK", first + i, 1, talking[talking_count].tag, NULL);
		talking_count++;
	}
	deliver(lab, ACK, &from_customer);
}

/* They end in any order, as conversations do: what comes next is not what lies next in memory. */
static void choose_ending(void)
{
	static uint64_t random = 88172645463325252;

	for (unsigned int i = 0; i < BATCH; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		unsigned int chosen = (unsigned int)((random >> 33) % talking_count);

		ending[i] = talking[chosen];
		talking[chosen] = talking[--talking_count];
	}
}

static void end_calls(struct lab *lab)
{
	static struct text byes[BATCH];

	choose_ending();
	for (unsigned int i = 0; i < BATCH; i++)
		put_request(i, "BYE", ending[i].number, 2, ending[i].tag, NULL);
	deliver(lab, BYE, &from_customer);
	keep(byes, "BYE ");
	answer(lab, BYE_ANSWER, byes, 200, NULL);
	close_media(lab);
}

static void run_batch(struct lab *lab, uint64_t *next)
{
	uint64_t start;

	begin_calls(lab, *next);
	if (*next >= STANDING)
		end_calls(lab);
	else
		empty(&lab->media);
	*next += BATCH;
	lab->now_us += US_PER_S * BATCH / RATE;
	step_begin(&start);
	engine_tick(lab->engine, lab->now_us);
	step_end(TICK, start);
}

#ifdef COUNT_INSTRUCTIONS
static void measure(struct lab *lab, uint64_t *next)
{
	counting = true;
	for (unsigned int i = 0; i < COUNTED; i++)
		run_batch(lab, next);
}
#else
static void measure_rounds(struct lab *lab, uint64_t *next)
{
	double best[STEPS], whole = 1e18;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t sum = 0;

		memset(spent_ns, 0, sizeof(spent_ns));
		for (unsigned int i = 0; i < ROUND; i++)
			run_batch(lab, next);
		for (unsigned int step = 0; step < STEPS; step++)
			sum += spent_ns[step];
		if ((double)sum / (ROUND * BATCH) >= whole)
			continue;
		whole = (double)sum / (ROUND * BATCH);
		for (unsigned int step = 0; step < STEPS; step++)
			best[step] = (double)spent_ns[step] / (ROUND * BATCH);
	}
	for (unsigned int step = 0; step < STEPS; step++)
		printf("%-32s %8.0f ns\n", step_name[step], best[step]);
	printf("%-32s %8.0f ns\n", "a whole call", whole);
}

/* What the calls that stand take, and what comes on top of it for a while: in bytes for each of them. */
static void print_memory(const struct lab *lab)
{
	const struct transactions *ts = lab->engine->transactions;
	const struct calls *calls = lab->engine->calls;
	uint64_t used = 0, blocks = call_table_blocks(CALLS) - calls->small_blocks.count - calls->large_blocks.count;

	for (uint32_t slot = 0; slot < CALLS; slot++) {
		const struct call_record *record = call_table_record(calls->table, slot);

		if (atomic_load_explicit(&record->state, memory_order_relaxed) != CALL_FREE)
			used += offsetof(struct call_record, arena) + record->arena_used;
	}
	printf("%-32s %8zu bytes, %.0f of them and %.0f lines in use\n", "record", sizeof(struct call_record),
	       (double)used / STANDING, (double)used / STANDING / 64 + 1);
	printf("%-32s %8zu bytes\n", "private to the worker", sizeof(struct call));
	printf("%-32s %8.2f\n", "blocks", (double)blocks / STANDING);
	printf("%-32s %8.0f bytes\n", "tombstones of half a minute",
	       (double)tombstones_standing(&ts->tombstones) * sizeof(struct tombstone) / STANDING);
	printf("%-32s %8.0f bytes\n", "transactions, set-ups, messages",
	       ((double)ts->used * sizeof(struct transaction) + calls->works_used * sizeof(struct call_work) +
		(double)message_pool_touched(&ts->messages)) /
		   STANDING);
}

static void measure(struct lab *lab, uint64_t *next)
{
	uint64_t count = 0;

	instructions_open();
	measure_rounds(lab, next);
	print_memory(lab);
	if (instructions_fd >= 0 && read(instructions_fd, &count, sizeof(count)) == sizeof(count))
		printf("%-32s %8.0f instructions\n", "a whole call", (double)count / (ROUNDS * ROUND * BATCH));
}
#endif

static void net(struct net_addr *addr, const char *text)
{
	must(net_addr_parse(addr, text, strlen(text)) == 0, text);
}

int main(void)
{
	struct lab *lab = lab_new_for(CALLS);
	uint64_t next = 0;

	lab->engine->io.send = io_send;
	net(&from_customer.local, "10.0.0.1:5060");
	net(&from_customer.remote, CUSTOMER);
	from_vendor = from_customer;
	net(&from_vendor.remote, VENDOR_ADDR);
	while (next < BATCH * WARM_UP)
		run_batch(lab, &next);
	measure(lab, &next);
	must(lab_count(lab, COUNTER_signaling_calls) == STANDING, "calls were lost");
	must(lab_count(lab, COUNTER_signaling_transactions_given_up) == 0, "transactions ran short");
	lab_free(lab);
	return 0;
}
