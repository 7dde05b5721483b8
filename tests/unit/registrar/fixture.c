/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "signaling/sip/digest.h"
#include "signaling/transaction.h"

struct answer answer;
struct sent sent;
struct sip_flow home;

/* ---- what the engine would do ---- */

int transaction_respond(struct engine *engine, struct transaction *transaction, const struct sip_message *request,
			unsigned int code, const char *reason, const struct response_extra *extra)
{
	answer.count++;
	answer.code = code;
	answer.headers[0] = '\0';
	if (extra != NULL && extra->headers_len > 0)
		snprintf(answer.headers, sizeof(answer.headers), "%.*s", (int)extra->headers_len, extra->headers);
	return 0;
}

void transaction_reply_stateless(struct engine *engine, const struct sip_flow *flow, struct sip_message *request,
				 unsigned int code, const char *reason, const struct response_extra *extra)
{
	transaction_respond(engine, NULL, request, code, reason, extra);
}

void transaction_ignore(struct engine *engine, struct transaction *transaction)
{
	answer.ignored = true;
}

static void send_datagram(void *context, const struct sip_flow *flow, const uint8_t *data, uint32_t len)
{
	sent.count++;
	sent.flow = *flow;
	sent.len = len;
	memcpy(sent.data, data, len < sizeof(sent.data) ? len : sizeof(sent.data));
}

/* ---- the fixture ---- */

void address(struct net_addr *out, const char *text)
{
	if (net_addr_parse(out, text, strlen(text)) < 0)
		abort();
}

static void prefix(struct net_prefix *out, const char *text)
{
	if (net_prefix_parse(out, text, strlen(text)) < 0)
		abort();
}

static void configure(struct fixture *f)
{
	struct config *config = &f->config;

	config->node = WORDS("test");
	config->realm = WORDS("sip.example.net");
	config->digest_algorithms = DIGEST_BOTH;
	config->path = WORDS("test.yaml");
	f->phones[0] = (struct config_phone){WORDS("alice"), WORDS("wonderland"), 1, 2};
	f->phones[1] = (struct config_phone){WORDS("0998"), WORDS("fleet"), 5, 0};
	f->phones[2] = (struct config_phone){WORDS("b b"), WORDS("space"), 1, 0};
	config->phones = f->phones;
	config->phones_count = 3;
	f->digest = (struct config_digest){WORDS("roam"), WORDS("secret")};
	f->digest_bound = (struct config_digest){WORDS("bound"), WORDS("secret")};
	prefix(&f->prefixes[0], "198.51.100.10");
	prefix(&f->prefixes[1], "198.51.100.64/28");
	prefix(&f->prefixes[2], "198.51.100.10:5080");
	prefix(&f->prefixes[3], "2001:db8:7::/48");
	prefix(&f->prefixes[4], "198.51.100.200");
	f->mapping[0] =
	    (struct config_mapping_gateway){.name = WORDS("acme"), .enabled = true, .network = WORDS("public")};
	f->mapping[0].addresses = &f->prefixes[0];
	f->mapping[0].addresses_count = 2;
	f->mapping[1] = (struct config_mapping_gateway){.name = WORDS("acme-5080"), .enabled = true};
	f->mapping[1].addresses = &f->prefixes[2];
	f->mapping[1].addresses_count = 2;
	f->mapping[2] =
	    (struct config_mapping_gateway){.name = WORDS("roaming"), .enabled = true, .digest = &f->digest};
	f->mapping[3] =
	    (struct config_mapping_gateway){.name = WORDS("both"), .enabled = true, .digest = &f->digest_bound};
	f->mapping[3].addresses = &f->prefixes[4];
	f->mapping[3].addresses_count = 1;
	config->mapping_gateways = f->mapping;
	config->mapping_gateways_count = 4;
	config->parameters.endpoint_expire_s = 3600;
	config->parameters.endpoint_nat_expire_s = 300;
	config->parameters.authentication_max_retry = 6;
	config->parameters.authentication_failed_suspend_s = 180;
	config->parameters.reply_unauthorized = true;
	strcpy(config->parameters.nat_keep_alive_message, "HELLO");
}

static void start(struct fixture *f)
{
	struct binding_store_options store = {f->records, FIXTURE_SLOTS, 0x1122334455667788, 1, f->engine.now_us};
	struct registrar_options registrar;

	f->timers = calloc(FIXTURE_SLOTS, sizeof(*f->timers));
	f->store = binding_store_new(&store);
	if (ring_producer_attach(&f->to_keepalive, f->ring) < 0 || signaling_state_init(&f->state, NULL) < 0)
		abort();
	f->snapshot = signaling_snapshot_new(&f->config, &f->state);
	if (f->snapshot == NULL)
		abort();
	signaling_snapshot_apply(f->snapshot);
	f->engine.snapshot = f->snapshot;
	f->engine.counters = &f->counters;
	f->engine.io.send = send_datagram;
	timer_wheel_init(&f->engine.wheel, f->engine.now_us, &f->engine);
	registrar = (struct registrar_options){0, f->store, f->timers, &f->to_keepalive, &f->counters};
	f->engine.registrar = registrar_new(&registrar);
	registrar_start(&f->engine);
}

static void stop(struct fixture *f)
{
	registrar_free(f->engine.registrar);
	signaling_snapshot_free(f->snapshot);
	signaling_state_fini(&f->state);
	binding_store_free(f->store);
	free(f->timers);
}

void fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	configure(f);
	f->records = aligned_alloc(64, FIXTURE_SLOTS * sizeof(*f->records));
	memset(f->records, 0, FIXTURE_SLOTS * sizeof(*f->records));
	f->ring = aligned_alloc(64, ring_bytes(FIXTURE_RING));
	memset(f->ring, 0, ring_bytes(FIXTURE_RING));
	ring_create(f->ring, FIXTURE_RING);
	if (ring_consumer_attach(&f->keepalive, f->ring) < 0)
		abort();
	f->engine.now_us = 1000 * US_PER_S;
	address(&home.remote, "192.0.2.77:5060");
	address(&home.local, "192.0.2.1:5060");
	start(f);
}

void fixture_fini(struct fixture *f)
{
	stop(f);
	free(f->records);
	free(f->ring);
}

void fixture_restart(struct fixture *f)
{
	stop(f);
	start(f);
}

void fixture_sleep(struct fixture *f, uint64_t seconds)
{
	f->engine.now_us += seconds * US_PER_S;
	while (timer_wheel_sweep(&f->engine.wheel, f->engine.now_us, 1000) > 0)
		;
}

uint64_t fixture_count(const struct fixture *f, enum counter_id id)
{
	return atomic_load(&f->counters.value[id]);
}

/* ---- requests ---- */

static const char * or (const char *value, const char *otherwise)
{
	return value != NULL ? value : otherwise;
}

void fixture_request(struct fixture *f, const struct request *r)
{
	static char text[8192];
	const char *method = or (r->method, "REGISTER"), *user = or (r->user, "alice");
	bool is_register = strcmp(method, "REGISTER") == 0;
	int len;

	len = snprintf(
	    text, sizeof(text),
	    "%s sip:sip.example.net SIP/2.0\r\n"
	    "Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%u;rport\r\n"
	    "Max-Forwards: 70\r\nFrom: <sip:%s@sip.example.net>;tag=1\r\nTo: <sip:%s@sip.example.net>\r\n"
	    "Call-ID: %s\r\nCSeq: %u %s\r\nUser-Agent: test phone\r\n%s%s%s%s%s%s%sContent-Length: 0\r\n\r\n",
	    method, or (r->via, "192.0.2.77:5060"), or (r->call_id, "c1"), r->cseq, user, user, or (r->call_id, "c1"),
	    r->cseq, method, r->contact ? "Contact: " : "", or (r->contact, ""), r->contact ? "\r\n" : "",
	    or (r->extra, ""), r->credentials ? (is_register ? "Authorization: " : "Proxy-Authorization: ") : "",
	    or (r->credentials, ""), r->credentials ? "\r\n" : "");
	if (sip_message_parse(&f->message, text, (size_t)len) != SIP_PARSE_OK)
		abort();
}

void fixture_register(struct fixture *f, const struct sip_flow *flow, const struct request *request)
{
	fixture_request(f, request);
	memset(&answer, 0, sizeof(answer));
	registrar_request(&f->engine, NULL, &f->message, flow);
}

const char *fixture_credentials(struct fixture *f, const char *headers, const char *algorithm, const char *user,
				const char *password, const char *method, unsigned int nc)
{
	static char text[1024], wanted[32];
	struct sip_digest *digest = sip_digest_new();
	struct sip_challenge challenge = {0};
	int len;

	snprintf(wanted, sizeof(wanted), "algorithm=%s", algorithm);
	for (const char *line = headers; *line; line = strstr(line, "\r\n") + 2) {
		const char *value = strstr(line, ": ") + 2, *end = strstr(line, "\r\n");
		const char *found = strstr(line, wanted);

		if (found != NULL && found < end && sip_challenge_parse(&challenge, sip_text_span(value, end)) == 0)
			break;
	}
	len = sip_digest_authorize(digest, &challenge, sip_text_of(user), sip_text_of(password), sip_text_of(method),
				   SIP_TEXT("sip:sip.example.net"), SIP_TEXT("0a4f113b"), nc, text, sizeof(text) - 1);
	text[len > 0 ? len : 0] = '\0';
	sip_digest_free(digest);
	return text;
}

void fixture_login(struct fixture *f, const struct sip_flow *flow, const struct request *request, const char *password)
{
	struct request again = *request;

	again.credentials = NULL;
	fixture_register(f, flow, &again);
	if (answer.code != 401)
		return;
	again.credentials =
	    fixture_credentials(f, answer.headers, "SHA-256", or (request->user, "alice"), password, "REGISTER", 1);
	fixture_register(f, flow, &again);
}
