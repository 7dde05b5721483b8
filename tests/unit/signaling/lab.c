/* SPDX-License-Identifier: Apache-2.0 */
#include "lab.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/messages.h"
#include "signaling/sip/build.h"
#include "tests/unit/check.h"

const char lab_sdp[] = "v=0\r\no=peer 1 1 IN IP4 10.1.0.5\r\ns=-\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\n"
		       "m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n";

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	printf("  lab: %s\n", what);
	abort();
}

static void parse(struct net_addr *addr, const char *text)
{
	must(net_addr_parse(addr, text, strlen(text)) == 0, text);
}

/* ---- the world around the engine ---- */

static void io_send(void *context, const struct sip_flow *flow, const uint8_t *data, uint32_t len)
{
	struct lab *lab = context;
	struct lab_sent *sent = &lab->sent[lab->sent_count];

	if (lab->sent_count == LAB_SENT)
		return; /* a fuzzer's storm; no test waits for so many */
	*sent = (struct lab_sent){.flow = *flow, .len = len, .data = malloc(len + 1)};
	memcpy(sent->data, data, len);
	sent->data[len] = '\0';
	lab->sent_count++;
	if (lab->moment)
		lab->moment(lab);
}

static int io_flow_to(void *context, const char *network, const struct net_addr *remote, struct sip_flow *flow)
{
	struct lab *lab = context;

	memset(flow, 0, sizeof(*flow));
	if (remote->family != NET_IP4)
		return -EHOSTUNREACH;
	flow->local = lab->addresses[0].addr;
	flow->local.port = 5060;
	flow->remote = *remote;
	return 0;
}

static void set_parameters(struct parameters *p)
{
	static const uint32_t intervals[] = {500, 1000, 2000, 4000, 4000, 4000, 4000, 4000, 4000, 4000};

	memcpy(p->resend_interval_ms, intervals, sizeof(intervals));
	p->resend_count = 10;
	p->send_retry = PARAMETER_NO_LIMIT;
	p->timeout_invite_ms = 10000;
	p->timeout_trying_ms = 20000;
	p->timeout_progress_ms = 20000;
	p->timeout_progress_sdp_ms = 120000;
	p->timeout_ringing_ms = 120000;
	p->gateway_switch_limit = PARAMETER_NO_LIMIT;
	p->max_call_duration_s = PARAMETER_NO_LIMIT;
	p->no_timer_reinvite_interval_s = 7200;
	p->session_ttl_s = 600;
	p->session_min_se_s = 90;
	p->session_update_segment = 2;
	p->switch_stop_after_rtp_start = p->switch_stop_after_user_busy = p->stop_switch_after_sdp = true;
	p->media_proxy_behind_nat = p->media_proxy_between_net = true;
	p->media_proxy_mode = MEDIA_PROXY_ON;
	p->cdr_record_nonconnect = true;
	p->reply_unauthorized = true;
	p->endpoint_expire_s = 3600;
	p->endpoint_nat_expire_s = 300;
	p->authentication_max_retry = 6;
	p->authentication_failed_suspend_s = 180;
}

static void configure(struct lab *lab, uint32_t calls)
{
	static const char *const names[LAB_GATEWAYS] = {"v1", "v2", "v3", "v4"};
	struct config *config = &lab->config;

	set_parameters(&config->parameters);
	config->node = (char *)(uintptr_t) "lab";
	config->realm = (char *)(uintptr_t) "lab.example.net";
	config->digest_algorithms = DIGEST_BOTH;
	config->path = (char *)(uintptr_t) "lab.yaml";
	config->limits.calls = calls;
	lab->any_prefix[0] = (char *)(uintptr_t) "";
	parse(&lab->addresses[0].addr, "10.0.0.1");
	parse(&lab->addresses[1].addr, "10.0.0.2");
	lab->addresses[0].len = lab->addresses[1].len = 8;
	lab->ports[0] =
	    (struct config_port){.name = (char *)(uintptr_t) "sip0", .process = ROLE_SIGNALING, .sip_port = 5060};
	lab->ports[1] = (struct config_port){
	    .name = (char *)(uintptr_t) "rtp0", .process = ROLE_MEDIA, .rtp_ports = {20000, 20199}};
	if (calls > LAB_CALLS)
		lab->ports[1].rtp_ports.last = 65535;
	lab->ports[0].addresses = &lab->addresses[0];
	lab->ports[1].addresses = &lab->addresses[1];
	lab->ports[0].addresses_count = lab->ports[1].addresses_count = 1;
	config->ports = lab->ports;
	config->ports_count = 2;
	must(net_prefix_parse(&lab->mapping_address, "10.1.0.0/24", 11) == 0, "prefix");
	lab->mapping = (struct config_mapping_gateway){.name = (char *)(uintptr_t) "acme", .enabled = true};
	lab->mapping.addresses = &lab->mapping_address;
	lab->mapping.addresses_count = 1;
	config->mapping_gateways = &lab->mapping;
	config->mapping_gateways_count = 1;
	for (unsigned int i = 0; i < LAB_GATEWAYS; i++) {
		struct config_routing_gateway *gateway = &lab->routing[i];

		*gateway = (struct config_routing_gateway){.name = (char *)(uintptr_t)names[i], .enabled = true};
		parse(&gateway->address, VENDOR(i));
		gateway->prefixes = lab->any_prefix;
		gateway->prefixes_count = 1;
		gateway->priority = i + 1;
		gateway->stop_switch_after_sdp = gateway->stop_switch_after_invite_timeout = -1;
	}
	config->routing_gateways = lab->routing;
	config->routing_gateways_count = LAB_GATEWAYS;
}

/* Whole pages, so that a test may protect them. */
static void *zeroed(size_t size)
{
	size_t pages = (size + 4095) & ~(size_t)4095;
	void *memory = aligned_alloc(4096, pages);

	must(memory, "memory");
	memset(memory, 0, pages);
	return memory;
}

static void start(struct lab *lab)
{
	struct binding_store_options store = {lab->bindings, LAB_CALLS, 0x1122334455667788, 1, lab->now_us};
	struct registrar_options registrar = {.counters = lab->counters};
	struct engine_options options = {
	    .worker = lab->worker,
	    .workers = lab->workers,
	    .config = &lab->config,
	    .counters = lab->counters,
	    .io = {io_send, io_flow_to, lab},
	    .to_media = &lab->to_media,
	    .media_workers = 1,
	    .to_cdrwriter = &lab->to_cdr,
	    .calls_segment = lab->calls,
	    .status = lab->status,
	    .transactions = lab->transactions,
	    .now_us = lab->now_us,
	};

	must(signaling_state_init(&lab->state, lab->gateways) == 0, "state");
	lab->snapshot = signaling_snapshot_new(&lab->config, &lab->state);
	must(lab->snapshot, "snapshot");
	signaling_snapshot_apply(lab->snapshot);
	lab->binding_timers = zeroed(LAB_CALLS * sizeof(*lab->binding_timers));
	lab->store = binding_store_new(&store);
	registrar.store = lab->store;
	registrar.expiry = lab->binding_timers;
	lab->registrar = registrar_new(&registrar);
	options.snapshot = lab->snapshot;
	options.registrar = lab->registrar;
	must(ring_producer_attach(&lab->to_media, lab->media_ring) == 0, "ring");
	must(ring_producer_attach(&lab->to_cdr, lab->cdr_ring) == 0, "ring");
	lab->engine = engine_new(&options);
	must(lab->engine, "engine");
	registrar_start(lab->engine);
}

static void stop(struct lab *lab)
{
	engine_free(lab->engine);
	registrar_free(lab->registrar);
	binding_store_free(lab->store);
	free(lab->binding_timers);
	signaling_snapshot_free(lab->snapshot);
	signaling_state_fini(&lab->state);
}

struct lab *lab_new(void)
{
	return lab_new_for(LAB_CALLS);
}

struct lab *lab_new_for(uint32_t calls)
{
	return lab_new_with(calls, 0, NULL);
}

/* All memory is there, and zero. */
static void begin(struct lab *lab, uint32_t calls)
{
	configure(lab, calls);
	ring_create(lab->media_ring, LAB_RING);
	ring_create(lab->cdr_ring, LAB_CDR_RING);
	must(ring_consumer_attach(&lab->media, lab->media_ring) == 0, "ring");
	must(ring_consumer_attach(&lab->cdr, lab->cdr_ring) == 0, "ring");
	lab->now_us = 1000 * US_PER_S;
	lab->workers = 1;
	start(lab);
}

struct lab *lab_new_with(uint32_t calls, uint32_t transactions, struct segment *gateways)
{
	struct lab *lab = zeroed(sizeof(*lab));
	struct segment_spec spec;

	lab->config.limits.calls = calls;
	calls_spec(&spec, &lab->config);
	lab->calls_size = spec.size - SEGMENT_HEADER;
	lab->calls = zeroed(lab->calls_size);
	lab->counters = zeroed(sizeof(*lab->counters));
	lab->status = zeroed(sizeof(*lab->status));
	lab->bindings = zeroed(LAB_CALLS * sizeof(*lab->bindings));
	lab->media_ring = zeroed(ring_bytes(LAB_RING));
	lab->cdr_ring = zeroed(ring_bytes(LAB_CDR_RING));
	lab->transactions = transactions;
	lab->gateways = gateways;
	begin(lab, calls);
	return lab;
}

/* The engine's life and what it has sent. */
static void end(struct lab *lab)
{
	stop(lab);
	for (unsigned int i = 0; i < lab->sent_count; i++)
		free(lab->sent[i].data);
	free(lab->received);
}

void lab_renew(struct lab *lab)
{
	uint32_t calls = lab->config.limits.calls;

	end(lab);
	memset(&lab->config, 0, offsetof(struct lab, sent) - offsetof(struct lab, config));
	memset(lab->calls, 0, lab->calls_size);
	memset(lab->counters, 0, sizeof(*lab->counters));
	memset(lab->status, 0, sizeof(*lab->status));
	memset(lab->bindings, 0, LAB_CALLS * sizeof(*lab->bindings));
	begin(lab, calls);
}

void lab_free(struct lab *lab)
{
	end(lab);
	free(lab->calls);
	free(lab->counters);
	free(lab->status);
	free(lab->bindings);
	free(lab->media_ring);
	free(lab->cdr_ring);
	free(lab);
}

void lab_reload(struct lab *lab)
{
	struct signaling_snapshot *old = lab->snapshot;

	lab->snapshot = signaling_snapshot_new(&lab->config, &lab->state);
	must(lab->snapshot, "snapshot");
	signaling_snapshot_apply(lab->snapshot);
	lab->engine->snapshot = lab->snapshot;
	signaling_snapshot_free(old);
}

void lab_kill(struct lab *lab)
{
	stop(lab);
	start(lab);
}

void lab_restart(struct lab *lab)
{
	lab_kill(lab);
	engine_tick(lab->engine, lab->now_us);
	lab_drain(lab);
}

/* ---- media and the CDR writer ---- */

static void confirm_closed(struct lab *lab, uint32_t session, uint64_t id)
{
	Tandem__MediaClosed closed = TANDEM__MEDIA_CLOSED__INIT;
	Tandem__MediaStatistics statistics = TANDEM__MEDIA_STATISTICS__INIT;
	Tandem__MediaDirection direction = TANDEM__MEDIA_DIRECTION__INIT;
	uint8_t body[256];

	direction.packets = lab->media_mute ? 0 : 50;
	statistics.caller_to_callee = statistics.callee_to_caller = &direction;
	closed.session = session;
	closed.id = id;
	closed.statistics = &statistics;
	struct ring_message message = {.body = body, .type = MESSAGE_MEDIA_CLOSED};

	message.len = (uint32_t)tandem__media_closed__pack(&closed, body);
	engine_media_message(lab->engine, 0, &message);
}

static bool has_port(const struct lab_session *session, uint16_t port)
{
	return session->id && (session->ports[CALLER] == port || session->ports[CALLEE] == port);
}

/* Is it the only one that stands in its place, and on its ports? */
static void note_session(struct lab *lab, const Tandem__MediaOpen *open)
{
	struct lab_session *session = &lab->sessions[open->session % LAB_CALLS];

	if (lab->config.limits.calls > LAB_CALLS)
		return;
	lab->clashes += session->id && session->id != open->id;
	*session = (struct lab_session){.ports = {lab->caller_port, lab->callee_port}};
	for (unsigned int i = 0; i < LAB_CALLS; i++)
		lab->clashes += (lab->caller_port && has_port(&lab->sessions[i], lab->caller_port)) ||
				(lab->callee_port && has_port(&lab->sessions[i], lab->callee_port));
	session->id = open->id;
}

static void note_open(struct lab *lab, const Tandem__MediaOpen *open)
{
	lab->last_session = open->session;
	lab->last_id = open->id;
	lab->caller_port = open->caller->local ? (uint16_t)open->caller->local->port : 0;
	lab->callee_port = open->callee->local ? (uint16_t)open->callee->local->port : 0;
	lab->caller_udptl = open->caller->udptl;
	lab->callee_udptl = open->callee->udptl;
	for (unsigned int side = 0; side < CALL_SIDES; side++) {
		const Tandem__MediaLeg *leg = side == CALLER ? open->caller : open->callee;

		lab->direction[side] = leg->direction;
		lab->clock_rate[side] = leg->clock_rate;
		lab->encrypted[side] = leg->encrypted;
	}
	note_session(lab, open);
}

static void note_close(struct lab *lab, const Tandem__MediaClose *close)
{
	struct lab_session *session = &lab->sessions[close->session % LAB_CALLS];

	if (session->id == close->id)
		session->id = 0;
}

static void media_message(struct lab *lab, const struct ring_message *m)
{
	if (m->type == MESSAGE_MEDIA_OPEN) {
		Tandem__MediaOpen *open = tandem__media_open__unpack(NULL, m->len, m->body);

		lab->media_opens++;
		note_open(lab, open);
		tandem__media_open__free_unpacked(open, NULL);
	} else if (m->type == MESSAGE_MEDIA_UPDATE) {
		Tandem__MediaUpdate *update = tandem__media_update__unpack(NULL, m->len, m->body);

		lab->media_updates++;
		note_open(lab, update->session);
		tandem__media_update__free_unpacked(update, NULL);
	} else if (m->type == MESSAGE_MEDIA_CLOSE) {
		Tandem__MediaClose *close = tandem__media_close__unpack(NULL, m->len, m->body);

		lab->media_closes++;
		note_close(lab, close);
		if (!lab->media_dead)
			confirm_closed(lab, close->session, close->id);
		tandem__media_close__free_unpacked(close, NULL);
	}
}

static void cdr_message(struct lab *lab, const struct ring_message *m)
{
	Tandem__CdrRecord *cdr = tandem__cdr_record__unpack(NULL, m->len, m->body);
	struct lab_cdr *to = &lab->cdrs[lab->cdr_count];

	must(cdr, "CDR");
	if (lab->cdr_count == LAB_CDRS) {
		tandem__cdr_record__free_unpacked(cdr, NULL);
		return;
	}
	*to = (struct lab_cdr){.attempt = cdr->attempt,
			       .code = cdr->sip_code,
			       .cause = cdr->q850_cause,
			       .reason = cdr->end_reason,
			       .direction = cdr->end_direction,
			       .final = cdr->final,
			       .setup_us = cdr->setup_us,
			       .progress_us = cdr->progress_us,
			       .pdd_ms = cdr->pdd_ms,
			       .answer_us = cdr->answer_us,
			       .end_us = cdr->end_us,
			       .duration_us = cdr->duration_us,
			       .packets = cdr->media ? cdr->media->caller_to_callee->packets : 0,
			       .has_media = cdr->media,
			       .media_mode = cdr->media_mode};
	memcpy(to->id, cdr->call_id.data, 16);
	snprintf(to->gateway, sizeof(to->gateway), "%s", cdr->routing_gateway);
	snprintf(to->callee_out, sizeof(to->callee_out), "%s", cdr->callee_number_out);
	snprintf(to->call_id, sizeof(to->call_id), "%s", cdr->caller_sip_call_id);
	lab->cdr_count++;
	tandem__cdr_record__free_unpacked(cdr, NULL);
}

void lab_drain(struct lab *lab)
{
	struct ring_message m;

	while (!lab->media_stops && ring_peek(&lab->media, &m)) {
		media_message(lab, &m);
		ring_release(&lab->media, m.end);
	}
	while (!lab->cdrs_stay && ring_peek(&lab->cdr, &m)) {
		cdr_message(lab, &m);
		ring_release(&lab->cdr, m.end);
	}
}

void lab_sleep(struct lab *lab, uint64_t ms)
{
	uint64_t end = lab->now_us + ms * US_PER_MS;

	while (lab->now_us < end) {
		uint64_t next = engine_next_us(lab->engine);

		if (next < lab->now_us + US_PER_MS)
			next = lab->now_us + US_PER_MS;
		lab->now_us = next < end ? next : end;
		engine_tick(lab->engine, lab->now_us);
		lab_drain(lab);
	}
}

/* ---- messages ---- */

void lab_receive(struct lab *lab, const char *from, const char *data, size_t len)
{
	struct sip_flow flow = {.local = lab->addresses[0].addr};

	flow.local.port = 5060;
	parse(&flow.remote, from);
	/* A copy of its own, so that a sanitizer sees who reads beyond its end or keeps it. */
	free(lab->received);
	lab->received = malloc(len + 1);
	memcpy(lab->received, data, len);
	if (lab->heard)
		lab->heard(lab, from, data, len);
	engine_receive(lab->engine, &flow, lab->received, (uint32_t)len);
	free(lab->received);
	lab->received = NULL;
	lab_drain(lab);
}

void lab_text(struct lab *lab, const char *from, const char *format, ...)
{
	static char text[SIP_MESSAGE_MAX + 1];
	va_list arguments;

	va_start(arguments, format);
	int len = vsnprintf(text, sizeof(text), format, arguments);

	va_end(arguments);
	must(len > 0 && len < (int)sizeof(text), "text");
	lab_receive(lab, from, text, (size_t)len);
}

static bool goes_to(const struct lab_sent *sent, const char *to)
{
	struct net_addr addr;

	if (!to)
		return true;
	parse(&addr, to);
	return net_addr_equal(&sent->flow.remote, &addr);
}

struct sip_message *lab_take(struct lab *lab, const char *to, const char *start)
{
	for (unsigned int i = 0; i < lab->sent_count; i++) {
		struct lab_sent *sent = &lab->sent[i];
		struct sip_message *message = &lab->parsed[lab->parsed_next % 8];

		if (sent->taken || !goes_to(sent, to))
			continue;
		if (strncmp(sent->data, start, strlen(start)) != 0) {
			printf("  expected '%s' to %s, found '%.60s'\n", start, to, sent->data);
			return NULL;
		}
		sent->taken = true;
		lab->parsed_next++;
		must(sip_message_parse(message, sent->data, sent->len) == SIP_PARSE_OK, sent->data);
		return message;
	}
	printf("  expected '%s' to %s, found nothing\n", start, to);
	return NULL;
}

unsigned int lab_waiting(const struct lab *lab, const char *to)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < lab->sent_count; i++)
		count += !lab->sent[i].taken && goes_to(&lab->sent[i], to);
	return count;
}

void lab_skip(struct lab *lab, const char *to)
{
	for (unsigned int i = 0; i < lab->sent_count; i++)
		if (goes_to(&lab->sent[i], to))
			lab->sent[i].taken = true;
}

uint64_t lab_count(const struct lab *lab, enum counter_id id)
{
	return atomic_load(&lab->counters->value[id]);
}

unsigned int lab_standing(const struct lab *lab)
{
	unsigned int count = 0;

	for (uint32_t slot = 0; slot < LAB_CALLS; slot++)
		count += atomic_load(&call_table_record(lab->calls, slot)->state) != CALL_FREE;
	return count;
}

unsigned int lab_sessions(const struct lab *lab)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < LAB_CALLS; i++)
		count += lab->sessions[i].id != 0;
	return count;
}

const struct lab_cdr *lab_final(const struct lab *lab)
{
	const struct lab_cdr *found = NULL;

	for (unsigned int i = 0; i < lab->cdr_count; i++) {
		if (!lab->cdrs[i].final)
			continue;
		if (found) {
			printf("  more than one final record\n");
			return NULL;
		}
		found = &lab->cdrs[i];
	}
	if (!found)
		printf("  no final record\n");
	return found;
}

bool has(struct sip_message *m, const char *what)
{
	return m && memmem(m->data, m->len, what, strlen(what));
}

void lab_over(struct lab *lab, enum end_reason reason, enum end_direction direction, unsigned int code)
{
	const struct lab_cdr *cdr;

	lab_skip(lab, NULL);
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_calls), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
	cdr = lab_final(lab);
	CHECK(cdr);
	if (!cdr)
		return;
	CHECK_INT(cdr->reason, reason);
	CHECK_INT(cdr->direction, direction);
	CHECK_INT(cdr->code, code);
}

/* ---- scripts ---- */

static const char *content_type(const struct lab *lab)
{
	return lab->content_type ? lab->content_type : "application/sdp";
}

void lab_invite(struct lab *lab, unsigned int n, const char *number, const char *sdp, const char *extra)
{
	lab_text(lab, CUSTOMER,
		 "INVITE sip:%s@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.5:5060;branch=z9hG4bKi%u\r\n"
		 "Max-Forwards: 70\r\nFrom: \"Ann\" <sip:4911@10.1.0.5>;tag=c%u\r\nTo: <sip:%s@10.0.0.1>\r\n"
		 "Call-ID: call%u\r\nCSeq: 1 INVITE\r\nContact: <sip:ann@10.1.0.5:5060>\r\n%s%s%s%s"
		 "Content-Length: %zu\r\n\r\n%s",
		 number, n, n, number, n, extra, sdp ? "Content-Type: " : "", sdp ? content_type(lab) : "",
		 sdp ? "\r\n" : "", sdp ? strlen(sdp) : 0, sdp ? sdp : "");
}

void lab_cancel(struct lab *lab, unsigned int n, const char *number)
{
	lab_text(lab, CUSTOMER,
		 "CANCEL sip:%s@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.5:5060;branch=z9hG4bKi%u\r\n"
		 "Max-Forwards: 70\r\nFrom: \"Ann\" <sip:4911@10.1.0.5>;tag=c%u\r\nTo: <sip:%s@10.0.0.1>\r\n"
		 "Call-ID: call%u\r\nCSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n",
		 number, n, n, number, n);
}

void lab_reply(struct lab *lab, struct sip_message *request, const char *vendor, unsigned int code, const char *tag,
	       const char *sdp, const char *extra)
{
	char text[8192], contact[64];
	struct sip_builder b;

	must(request, "no request to reply to");
	sip_build_init(&b, text, sizeof(text));
	sip_build_response(&b, request, code, NULL, sip_text_of(tag), NULL);
	snprintf(contact, sizeof(contact), "<sip:vendor@%s>", vendor);
	if (code > 100 && code < 300)
		sip_build_header(&b, SIP_H_CONTACT, sip_text_of(contact));
	sip_build_string(&b, extra);
	if (sdp)
		sip_build_body(&b, sip_text_of(content_type(lab)), sip_text_of(sdp));
	else
		sip_build_no_body(&b);
	int len = sip_build_finish(&b);

	must(len > 0, "reply");
	lab_receive(lab, vendor, text, (size_t)len);
}

static void request(struct lab *lab, const char *from_addr, const char *method, struct sip_text uri,
		    struct sip_text from, struct sip_text to, struct sip_text call_id, unsigned int cseq,
		    const char *sdp, const char *extra)
{
	lab_text(lab, from_addr,
		 "%s %.*s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKr%u\r\nMax-Forwards: 70\r\n"
		 "From: %.*s\r\nTo: %.*s\r\nCall-ID: %.*s\r\nCSeq: %u %s\r\nContact: <sip:x@%s>\r\n%s%s%s%s%s"
		 "Content-Length: %zu\r\n\r\n%s",
		 method, (int)uri.len, uri.at, from_addr, ++lab->branches, (int)from.len, from.at, (int)to.len, to.at,
		 (int)call_id.len, call_id.at, cseq, method, from_addr, extra, lab->extra ? lab->extra : "",
		 sdp ? "Content-Type: " : "", sdp ? content_type(lab) : "", sdp ? "\r\n" : "", sdp ? strlen(sdp) : 0,
		 sdp ? sdp : "");
}

static struct sip_text contact_uri(struct sip_message *message)
{
	struct sip_name_addr name;

	must(sip_name_addr_parse(&name, sip_message_value(message, SIP_H_CONTACT)) == 0, "Contact");
	return name.uri;
}

void lab_caller_request(struct lab *lab, struct sip_message *answer, const char *method, unsigned int cseq,
			const char *sdp)
{
	must(answer, "no answer");
	request(lab, CUSTOMER, method, contact_uri(answer), sip_message_value(answer, SIP_H_FROM),
		sip_message_value(answer, SIP_H_TO), sip_message_call_id(answer), cseq, sdp, "");
}

void lab_prack(struct lab *lab, struct sip_message *provisional, unsigned int cseq, const char *sdp)
{
	char rack[64];
	uint32_t rseq = 0;

	must(provisional && sip_message_number(provisional, SIP_H_RSEQ, &rseq) == 0, "no RSeq to acknowledge");
	snprintf(rack, sizeof(rack), "RAck: %u %u INVITE\r\n", rseq, sip_message_cseq(provisional)->number);
	request(lab, CUSTOMER, "PRACK", contact_uri(provisional), sip_message_value(provisional, SIP_H_FROM),
		sip_message_value(provisional, SIP_H_TO), sip_message_call_id(provisional), cseq, sdp, rack);
}

void lab_callee_request(struct lab *lab, struct sip_message *invite, const char *vendor, const char *tag,
			const char *method, unsigned int cseq, const char *sdp)
{
	char from[512];
	struct sip_text to = sip_message_value(invite, SIP_H_TO);

	snprintf(from, sizeof(from), "%.*s;tag=%s", (int)to.len, to.at, tag);
	request(lab, vendor, method, contact_uri(invite), sip_text_of(from), sip_message_value(invite, SIP_H_FROM),
		sip_message_call_id(invite), cseq, sdp, "");
}

void lab_give_credentials(struct lab *lab)
{
	static struct config_credentials digest = {(char *)(uintptr_t) "tandem", (char *)(uintptr_t) "secret", NULL,
						   DIGEST_BOTH};

	lab->routing[0].digest = &digest;
	lab_reload(lab);
}

void lab_challenge(struct lab *lab, struct sip_message *invite, const char *nonce)
{
	char header[128];

	snprintf(header, sizeof(header), "Proxy-Authenticate: Digest realm=\"v\", nonce=\"%s\", qop=\"auth\"\r\n",
		 nonce);
	lab_reply(lab, invite, VENDOR(0), 407, "v", NULL, header);
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
}

void lab_ack_failure(struct lab *lab, const char *from, struct sip_message *response)
{
	must(response, "no response to acknowledge");
	struct sip_text via = sip_message_value(response, SIP_H_VIA), peer = sip_message_value(response, SIP_H_FROM);
	struct sip_text to = sip_message_value(response, SIP_H_TO), call_id = sip_message_call_id(response);

	lab_text(
	    lab, from,
	    "ACK sip:10.0.0.1 SIP/2.0\r\nVia: %.*s\r\nMax-Forwards: 70\r\nFrom: %.*s\r\nTo: %.*s\r\nCall-ID: %.*s\r\n"
	    "CSeq: %u ACK\r\nContent-Length: 0\r\n\r\n",
	    (int)via.len, via.at, (int)peer.len, peer.at, (int)to.len, to.at, (int)call_id.len, call_id.at,
	    sip_message_cseq(response)->number);
}

bool lab_call(struct lab *lab, unsigned int n, struct sip_message *answer, struct sip_message *invite)
{
	struct sip_message *m;

	lab_invite(lab, n, "4930123", lab_sdp, "");
	if (!lab_take(lab, CUSTOMER, "SIP/2.0 100") || !(m = lab_take(lab, VENDOR(0), "INVITE ")))
		return false;
	*invite = *m;
	lab_reply(lab, invite, VENDOR(0), 180, "v", NULL, "");
	lab_reply(lab, invite, VENDOR(0), 200, "v", lab_sdp, "");
	if (!lab_take(lab, CUSTOMER, "SIP/2.0 180") || !(m = lab_take(lab, CUSTOMER, "SIP/2.0 200")))
		return false;
	*answer = *m;
	lab_caller_request(lab, answer, "ACK", 1, NULL);
	return lab_take(lab, VENDOR(0), "ACK ") != NULL;
}

void lab_check_empty(struct lab *lab)
{
	lab_skip(lab, NULL);
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_calls), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
}
