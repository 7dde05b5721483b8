/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/call_world.h"

#include <openssl/rand.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/log.h"
#include "signaling/call.h"
#include "signaling/gateway_address.h"
#include "signaling/sip/digest.h"
#include "tests/fuzz/call_ledger.h"

#define WORD(text) ((char *)(uintptr_t)(text))

struct world world;

/* ---- no chance: what the engine asks the system for ---- */

static uint64_t chance;

static void fill(uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		chance = chance * 6364136223846793005u + 1442695040888963407u;
		out[i] = (uint8_t)(chance >> 56);
	}
}

ssize_t getrandom(void *out, size_t len, unsigned int flags)
{
	fill(out, len);
	return (ssize_t)len;
}

int RAND_bytes(unsigned char *out, int len)
{
	fill(out, (size_t)len);
	return 1;
}

uint64_t clock_now_us(void)
{
	return world.lab ? world.lab->now_us : 0;
}

int64_t clock_wall_us(uint64_t monotonic_us)
{
	return (int64_t)(monotonic_us + 1600000000 * US_PER_S);
}

/* ---- bodies ---- */

#define MULTIPART "multipart/mixed;boundary=b"
#define PART      "--b\r\nContent-Type: application/sdp\r\n\r\n"
#define ISUP      "\r\n--b\r\nContent-Type: application/ISUP;version=itu-t92+\r\n\r\n\x01\x02\x03\r\n--b--\r\n"
#define SDP(version, ip, port, more)                                                                                   \
	"v=0\r\no=peer 1 " version " IN IP4 " ip "\r\ns=-\r\nc=IN IP4 " ip "\r\nt=0 0\r\nm=audio " port                \
	" RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n" more

const struct world_body world_bodies[WORLD_BODIES] = {
    {NULL, NULL},
    {"application/sdp", SDP("1", "10.1.0.5", "4000", "")},
    {"application/sdp", SDP("2", "10.1.0.6", "4002", "a=sendonly\r\n")},
    {"application/sdp", "v=0\r\nrubbish"},
    {MULTIPART, PART SDP("3", "10.1.0.7", "4004", "") ISUP},
    {"application/sdp", SDP("4", "10.1.0.5", "0", "")},
    {"application/sdp", SDP("5", "0.0.0.0", "4000", "m=video 4010 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n")},
    {"application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"},
};

/* ---- configurations ---- */

static unsigned int down_codes[] = {408, 503};
static struct config_probe probe = {
    .interval_s = 20, .down_after = 2, .up_after = 2, .down_codes = down_codes, .down_codes_count = 2};
static struct config_credentials credentials = {WORD("trunk"), WORD("secret"), NULL, DIGEST_BOTH};
static struct config_register registration = {.user = WORD("trunk"),
					      .domain = WORD("vendor.example"),
					      .contact = WORD("line1"),
					      .expires_s = 600,
					      .retry_s = 30,
					      .calls = WORD("pbx")};
static struct config_digest digest = {WORD("pbx"), WORD("secret")};
static struct config_phone phones[WORLD_PHONES] = {{WORD("alice"), WORD("wonderland"), 1, 1},
						   {WORD("bob"), WORD("builder"), 1, 0}};
static struct config_mapping_gateway customers[2];
static struct segment gateways;

static void configure_vendors(struct lab *lab, unsigned int on)
{
	struct config_routing_gateway *vendor = lab->routing;

	lab->config.routing_gateways_count = on & WORLD_FEWER ? 2 : LAB_GATEWAYS;
	vendor[0].redirect = (struct config_redirect){4, REDIRECT_ANY};
	vendor[1].redirect = (struct config_redirect){1, REDIRECT_KNOWN};
	vendor[0].probe = vendor[1].probe = on & WORLD_PROBE ? &probe : NULL;
	vendor[0].digest = on & WORLD_REGISTER ? &credentials : NULL;
	vendor[0].registration = on & WORLD_REGISTER ? &registration : NULL;
	vendor[3].host = on & WORLD_NAME ? WORD("vendor.test") : NULL;
	/* Reached where it has registered from. */
	vendor[2].registered = on & WORLD_NAME ? WORD("pbx") : NULL;
	vendor[0].capacity = on & WORLD_LIMITS ? 1 : 0;
	vendor[1].calls_per_second = on & WORLD_LIMITS ? 1 : 0;
	vendor[1].headers = (struct config_headers){.untrusted = on & WORLD_UNTRUSTED,
						    .identity = on & WORLD_UNTRUSTED ? IDENTITY_PAI : IDENTITY_PASS,
						    .strip_bodies = on & WORLD_UNTRUSTED};
}

static void configure_customers(struct lab *lab, unsigned int on)
{
	static const struct config_ringback ringback = {RINGBACK_180, RINGBACK_183, RINGBACK_DROP, RINGBACK_180};

	customers[0] = lab->mapping;
	customers[0].redirect_pass = on & WORLD_PASS;
	customers[0].capacity = on & WORLD_LIMITS ? 2 : 0;
	if (on & WORLD_UNTRUSTED) {
		customers[0].ringback = ringback;
		customers[0].headers = (struct config_headers){.untrusted = true, .strip_diversion = true};
	}
	customers[1] = (struct config_mapping_gateway){.name = WORD("pbx"), .enabled = true, .digest = &digest};
	lab->config.mapping_gateways = customers;
	lab->config.mapping_gateways_count = 2;
	lab->config.phones = phones;
	lab->config.phones_count = WORLD_PHONES;
}

void world_configure(unsigned int on)
{
	struct lab *lab = world.lab;

	configure_vendors(lab, on);
	configure_customers(lab, on);
	lab->config.parameters.session_ttl_s = on & WORLD_SESSIONS ? 0 : 600;
	lab->config.parameters.no_media_hangup_s = on & WORLD_LIMITS ? 30 : 0;
	lab_reload(lab);
}

void world_resolve(unsigned int count)
{
	struct lab *lab = world.lab;
	struct gateway_addresses *found;
	uint32_t id;

	if (gateway_find(lab->engine, GATEWAY_CALLEE, false, "v4", 2, &id) < 0)
		return;
	found = calloc(1, sizeof(*found));
	found->count = count;
	for (unsigned int i = 0; i < count; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.2.%u.4:5060", i);
		net_addr_parse(&found->target[i].addr, text, strlen(text));
		found->target[i].priority = (uint16_t)(i / 2);
	}
	gateway_addresses_publish(party_get(lab->state.parties, id), found, 1, lab->now_us);
}

/* ---- beginning and end ---- */

static jmp_buf killed;

/* With TANDEM_FUZZ_TRACE set, what crosses the wire is written down: for who looks into a finding. */
static void trace(const char *way, const char *address, const char *data, size_t len)
{
	static int wanted = -1;

	if (wanted < 0)
		wanted = getenv("TANDEM_FUZZ_TRACE") != NULL;
	if (wanted)
		fprintf(stderr, "---- %.3f %s %s\n%.*s\n", (double)world.lab->now_us / US_PER_S, way, address, (int)len,
			data);
}

/* The peers' datagrams of late, for those that come twice. */
static struct {
	char from[NET_ADDR_TEXT], data[8192];
	size_t len;
	uint64_t at_us;
} heard[WORLD_HEARD];
static unsigned int heard_count;
static bool repeated; /* what is being handled had been before */

static void on_heard(struct lab *lab, const char *from, const char *data, size_t len)
{
	unsigned int place = heard_count % WORLD_HEARD;

	trace("from", from, data, len);
	ledger_hear(lab, data, len);
	if (len > sizeof(heard[0].data) || data == heard[place].data)
		return;
	snprintf(heard[place].from, sizeof(heard[0].from), "%s", from);
	memcpy(heard[place].data, data, len);
	heard[place].len = len;
	heard[place].at_us = lab->now_us;
	heard_count++;
}

/* So long, and in the life that heard it, what comes again is known. */
#define RESEND_US (30 * US_PER_S)

void world_again(unsigned int back)
{
	unsigned int place = (heard_count - 1 - back % WORLD_HEARD) % WORLD_HEARD;

	if (back % WORLD_HEARD < heard_count && heard[place].at_us >= world.born_us &&
	    world.lab->now_us - heard[place].at_us < RESEND_US) {
		repeated = true;
		lab_receive(world.lab, heard[place].from, heard[place].data, heard[place].len);
	}
}

static void on_sent(struct lab *lab)
{
	const struct lab_sent *sent = &lab->sent[lab->sent_count - 1];
	char address[NET_ADDR_TEXT];

	net_addr_print(&sent->flow.remote, address);
	trace("to", address, sent->data, sent->len);
	if (world.kill_in && --world.kill_in == 0)
		longjmp(killed, 1);
}

#define TRANSACTIONS 128 /* few: each life of an engine begins with empty tables */
#define SLOTS        16  /* of the gateways segment: more than there are gateways, and the first ones are taken */

static void make_lab(void)
{
	struct segment_spec spec;

	gateway_status_spec(&spec, &(struct config){.routing_gateways_count = 0});
	gateways.content = aligned_alloc(64, spec.size - SEGMENT_HEADER);
	memset(gateways.content, 0, spec.size - SEGMENT_HEADER);
	log_init("fuzz", LOG_ERROR);
	world.lab = lab_new_with(LAB_CALLS, TRANSACTIONS, &gateways);
}

/* The world is as it was at the beginning, and nothing is left of what an input had allocated. */
static void renew(struct lab *lab)
{
	chance = 1;
	memset(gateways.content, 0, SLOTS * sizeof(struct gateway_slot));
	lab_renew(lab);
}

void world_begin(void)
{
	struct lab *lab = world.lab;

	if (!lab) {
		make_lab();
		lab = world.lab;
		renew(lab);
	}
	world = (struct world){.lab = lab, .cseq = 1};
	lab->moment = on_sent;
	lab->heard = on_heard;
	heard_count = 0;
	ledger_begin();
	world_configure(0);
}

void world_end(void)
{
	renew(world.lab);
}

/* The datagram at which the engine died has not left. */
static void unsend(struct lab *lab)
{
	free(lab->sent[--lab->sent_count].data);
}

/* An ACK may have been lost with the engine: its 2xx comes again. */
static void answer_again(struct lab *lab)
{
	for (unsigned int i = heard_count > WORLD_HEARD ? heard_count - WORLD_HEARD : 0, end = heard_count; i < end;
	     i++) {
		unsigned int place = i % WORLD_HEARD;

		if (lab->now_us - heard[place].at_us < RESEND_US &&
		    ledger_awaits_ack(heard[place].data, heard[place].len))
			lab_receive(lab, heard[place].from, heard[place].data, heard[place].len);
	}
}

void world_kill(void)
{
	struct lab *lab = world.lab;

	trace("kill -9", "", "", 0);
	lab_restart(lab);
	world.born_us = ++lab->now_us;
	ledger_note(lab);
	answer_again(lab);
}

void world_do(void (*move)(struct lab *lab, uint8_t a), uint8_t a)
{
	struct lab *lab = world.lab;

	repeated = false;
	if (setjmp(killed) == 0) {
		move(lab, a);
	} else {
		bool was_hearing = lab->received != NULL && !repeated && heard_count;
		unsigned int last = (heard_count - 1) % WORLD_HEARD;

		unsend(lab);
		world_kill();
		/* Whose datagram was being handled sends it again. */
		if (was_hearing)
			lab_receive(lab, heard[last].from, heard[last].data, heard[last].len);
	}
	ledger_note(lab);
}

/* ---- phones ---- */

static const struct {
	const char *user, *password, *address, *elsewhere;
} registrants[WORLD_PHONES + 1] = {{"alice", "wonderland", "10.3.0.1:5060", "10.3.0.9:5060"},
				   {"bob", "builder", "10.3.0.2:5060", "10.3.0.8:5070"},
				   {"pbx", "secret", "10.3.0.3:5060", "10.3.0.7:5060"}};

/* The latest challenge that went to this address, answered: a header line, or "". */
static const char *credentials_for(unsigned int who, const char *address, const char *method, const char *uri)
{
	static char line[SIP_DIGEST_TEXT + 32], value[SIP_DIGEST_TEXT];
	static struct sip_message response;
	struct lab *lab = world.lab;
	struct sip_digest *hashes = lab->engine->calls->digest;
	struct sip_digest_limits any = {.refused = 0};
	struct sip_challenge challenge;
	struct net_addr to;
	bool proxy;

	net_addr_parse(&to, address, strlen(address));
	for (unsigned int i = lab->sent_count; i > 0 && i + 32 > lab->sent_count; i--) {
		struct lab_sent *sent = &lab->sent[i - 1];

		if (strncmp(sent->data, "SIP/2.0 40", 10) != 0 || !net_addr_equal(&sent->flow.remote, &to) ||
		    sip_message_parse(&response, sent->data, sent->len) != SIP_PARSE_OK ||
		    sip_digest_choose(hashes, &response, &any, &challenge, &proxy) < 0)
			continue;
		int len = sip_digest_authorize(hashes, &challenge, sip_text_of(registrants[who].user),
					       sip_text_of(registrants[who].password), sip_text_of(method),
					       sip_text_of(uri), SIP_TEXT("c"), ++world.cseq, value, sizeof(value));

		if (len < 0)
			return "";
		snprintf(line, sizeof(line), "%s: %.*s\r\n", proxy ? "Proxy-Authorization" : "Authorization", len,
			 value);
		return line;
	}
	return "";
}

void world_register(unsigned int who, unsigned int expires_s, bool elsewhere)
{
	const char *user = registrants[who].user;
	const char *address = elsewhere ? registrants[who].elsewhere : registrants[who].address;
	const char *login = credentials_for(who, address, "REGISTER", "sip:lab.example.net");

	world.cseq++;
	lab_text(world.lab, address,
		 "REGISTER sip:lab.example.net SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKp%u;rport\r\n"
		 "Max-Forwards: 70\r\nFrom: <sip:%s@lab.example.net>;tag=p\r\nTo: <sip:%s@lab.example.net>\r\n"
		 "Call-ID: register-%s\r\nCSeq: %u REGISTER\r\nContact: <sip:%s@%s>;expires=%u;q=0.%u\r\n%s"
		 "Content-Length: 0\r\n\r\n",
		 address, world.cseq, user, user, user, world.cseq, user, elsewhere ? "192.168.0.9:5060" : address,
		 expires_s, elsewhere ? 3 : 7, login);
}

void world_phone_calls(unsigned int phone, const char *number, const struct world_body *body)
{
	unsigned int n = ++world.calls;
	const char *user = registrants[phone].user, *address = registrants[phone].address;
	char uri[64];

	snprintf(uri, sizeof(uri), "sip:%s@10.0.0.1", number);
	const char *login = credentials_for(phone, address, "INVITE", uri);

	world.cseq++;
	lab_text(world.lab, address,
		 "INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKf%u\r\nMax-Forwards: 70\r\n"
		 "From: <sip:%s@lab.example.net>;tag=p%u\r\nTo: <%s>\r\nCall-ID: phone%u\r\nCSeq: %u INVITE\r\n"
		 "Contact: <sip:%s@%s>\r\n%s%s%s%sContent-Length: %zu\r\n\r\n%s",
		 uri, address, n, user, n, uri, n, world.cseq, user, address, login, body->text ? "Content-Type: " : "",
		 body->text ? body->type : "", body->text ? "\r\n" : "", body->text ? strlen(body->text) : 0,
		 body->text ? body->text : "");
}
