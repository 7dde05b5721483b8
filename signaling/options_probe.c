/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/options_probe.h"

#include <stddef.h>

#include "common/log.h"
#include "signaling/dialog.h"
#include "signaling/gateway_address.h"
#include "signaling/local_headers.h"
#include "signaling/snapshot_signaling.h"
#include "signaling/transaction.h"

static struct party *party_of(const struct options_probe *probe)
{
	return party_get(probe->engine->snapshot->state->parties, probe->id);
}

/* ---- what was found ---- */

static void store(_Atomic uint32_t *value, uint32_t n)
{
	atomic_store_explicit(value, n, memory_order_relaxed);
}

static void set_state(struct party *party, enum gateway_probe_state state, uint64_t now_us)
{
	struct gateway_probe *seen = &party->slot->probe;

	if (atomic_load_explicit(&seen->state, memory_order_relaxed) == (uint32_t)state)
		return;
	store(&seen->state, state);
	atomic_store_explicit(&seen->changed_us, now_us, memory_order_relaxed);
	atomic_store_explicit(&party->down, state == GATEWAY_IS_DOWN, memory_order_relaxed);
}

static void note_answer(struct options_probe *probe, const struct config_probe *config)
{
	struct party *party = party_of(probe);
	struct gateway_probe *seen = &party->slot->probe;
	uint32_t answers = atomic_load_explicit(&seen->answers, memory_order_relaxed) + 1;
	bool was_down = atomic_load_explicit(&party->down, memory_order_relaxed);

	store(&seen->failures, 0);
	store(&seen->answers, answers);
	if (was_down && answers < config->up_after)
		return;
	set_state(party, GATEWAY_UP, probe->engine->now_us);
	if (!was_down)
		return;
	counter_inc(probe->engine->counters, COUNTER_probe_went_up);
	log_info("probe", "gateway=%s answers again and is called again", party->name);
}

static void note_failure(struct options_probe *probe, const struct config_probe *config, unsigned int code)
{
	struct party *party = party_of(probe);
	struct gateway_probe *seen = &party->slot->probe;
	uint32_t failures = atomic_load_explicit(&seen->failures, memory_order_relaxed) + 1;

	store(&seen->code, code);
	store(&seen->answers, 0);
	store(&seen->failures, failures);
	if (atomic_load_explicit(&party->down, memory_order_relaxed) || failures < config->down_after)
		return;
	set_state(party, GATEWAY_IS_DOWN, probe->engine->now_us);
	counter_inc(probe->engine->counters, COUNTER_probe_went_down);
	if (code)
		log_warn("probe", "gateway=%s is passed over: it answered %u probes with %u", party->name, failures,
			 code);
	else
		log_warn("probe", "gateway=%s is passed over: %u probes were not answered", party->name, failures);
}

/* As its entry in the configuration is now. NULL: it is probed no more. */
static const struct config_probe *config_of(const struct options_probe *probe)
{
	const struct config_routing_gateway *gateway = gateway_routing(probe->engine->snapshot, probe->id);

	return gateway && gateway->enabled ? gateway->probe : NULL;
}

static bool means_down(const struct config_probe *config, unsigned int code)
{
	for (unsigned int i = 0; i < config->down_codes_count; i++)
		if (config->down_codes[i] == code)
			return true;
	return false;
}

static void on_response(struct engine *engine, struct transaction *t, struct sip_message *response)
{
	struct options_probe *probe = t->owner;
	const struct config_probe *config = config_of(probe);

	if (response->status < 200)
		return;
	probe->transaction = NULL;
	if (!config)
		return;
	if (means_down(config, response->status)) {
		counter_inc(engine->counters, COUNTER_probe_refused);
		note_failure(probe, config, response->status);
		return;
	}
	struct gateway_probe *seen = &party_of(probe)->slot->probe;

	counter_inc(engine->counters, COUNTER_probe_answered);
	probe->tried = 0;
	store(&seen->code, response->status);
	store(&seen->rtt_us, (uint32_t)(engine->now_us - probe->sent_us));
	note_answer(probe, config);
}

static void unanswered(struct options_probe *probe)
{
	const struct config_probe *config = config_of(probe);

	probe->transaction = NULL;
	counter_inc(probe->engine->counters, COUNTER_probe_unanswered);
	if (config)
		note_failure(probe, config, 0);
}

static void on_failed(struct engine *engine, struct transaction *t)
{
	unanswered(t->owner);
}

static const struct transaction_user probe_user = {.response = on_response, .failed = on_failed};

/* ---- sending ---- */

static int build(struct engine *engine, const struct config_routing_gateway *gateway, struct options_probe *probe,
		 struct transaction *t)
{
	char branch[IDENTIFIER_BRANCH], from[NET_ADDR_TEXT + 32], to[300], call_id[40], host[NET_ADDR_TEXT];
	struct dialog dialog = {.call_id = SIP_TEXT("")};
	struct sip_builder b;

	net_addr_print(&t->flow.local, host);
	snprintf(from, sizeof(from), "<sip:%s>;tag=%08x", host, (unsigned int)engine_random(engine));
	net_addr_print(&t->flow.remote, host);
	if (gateway->host && gateway->host_port)
		snprintf(to, sizeof(to), "<sip:%s:%u>", gateway->host, gateway->host_port);
	else
		snprintf(to, sizeof(to), "<sip:%s>", gateway->host ? gateway->host : host);
	snprintf(call_id, sizeof(call_id), "probe-%016llx", (unsigned long long)engine_random(engine));
	dialog.call_id = sip_text_of(call_id);
	dialog.local = sip_text_of(from);
	dialog.remote = sip_text_of(to);
	dialog.target = sip_text(to + 1, strlen(to) - 2);
	transaction_branch(engine, t, branch);
	sip_build_init(&b, (char *)engine->scratch, ENGINE_MESSAGE_MAX);
	dialog_build_request(engine, &b, &dialog, SIP_TEXT("OPTIONS"), ++probe->cseq, &t->flow.local,
			     sip_text(branch, sizeof(branch)));
	local_headers_contact(engine, &b, &t->flow.local);
	local_headers_put(&b, SIP_TEXT("Accept: application/sdp\r\n"));
	sip_build_no_body(&b);
	return sip_build_finish(&b);
}

/* Where to: the best address, after a failure another one, round and round. */
static bool pick(struct options_probe *probe, struct sip_flow *flow)
{
	if (gateway_address_pick(probe->engine, probe->id, &probe->tried, flow) == 0)
		return true;
	if (probe->tried == 0)
		return false;
	probe->tried = 0;
	return gateway_address_pick(probe->engine, probe->id, &probe->tried, flow) == 0;
}

static bool send(struct options_probe *probe, const struct config_routing_gateway *gateway)
{
	struct engine *engine = probe->engine;
	struct transaction *t;
	struct sip_flow flow;
	int len;

	if (!pick(probe, &flow))
		return false;
	t = transaction_client_new(engine, SIP_OPTIONS, &flow, &probe_user, probe);
	if (!t)
		return false;
	len = build(engine, gateway, probe, t);
	if (len < 0) {
		transaction_free(engine, t);
		return false;
	}
	probe->transaction = t;
	probe->sent_us = engine->now_us;
	if (transaction_send_request(engine, t, engine->scratch, (uint32_t)len) == 0)
		return true;
	probe->transaction = NULL;
	return false;
}

static void stop(struct options_probe *probe)
{
	struct party *party = party_of(probe);
	struct gateway_probe *seen = &party->slot->probe;

	timer_stop(&probe->engine->wheel, &probe->next);
	if (probe->transaction)
		transaction_free(probe->engine, probe->transaction);
	probe->transaction = NULL;
	set_state(party, GATEWAY_NOT_PROBED, probe->engine->now_us);
	store(&seen->failures, 0);
	store(&seen->answers, 0);
}

static void on_due(struct timer *timer, void *context)
{
	struct options_probe *probe = (struct options_probe *)((char *)timer - offsetof(struct options_probe, next));
	const struct config_probe *config = config_of(probe);
	struct transaction *t = probe->transaction;
	struct engine *engine = context;

	if (t) {
		unanswered(probe);
		transaction_free(engine, t);
	}
	if (!config) {
		stop(probe);
		return;
	}
	timer_start(&engine->wheel, &probe->next, engine->now_us + config->interval_s * US_PER_S, on_due);
	counter_inc(engine->counters, send(probe, gateway_routing(engine->snapshot, probe->id)) ? COUNTER_probe_sent
												: COUNTER_probe_unsent);
}

/* ---- which ---- */

/* Not all at once; where nothing is known yet, soon. */
static uint64_t first_due_us(struct engine *engine, const struct party *party, const struct config_probe *config)
{
	bool known = atomic_load_explicit(&party->slot->probe.state, memory_order_relaxed) > GATEWAY_PROBED;
	uint64_t within_us = known ? config->interval_s * US_PER_S : US_PER_S;

	return engine->now_us + engine_random(engine) % within_us;
}

static void take(struct engine *engine, uint32_t id)
{
	struct party *party = party_get(engine->snapshot->state->parties, id);
	struct options_probe *probe = party->vendor->probe;
	const struct config_probe *config;

	probe->engine = engine;
	probe->id = id;
	config = config_of(probe);
	if (!config) {
		stop(probe);
	} else if (!timer_is_running(&probe->next)) {
		timer_start(&engine->wheel, &probe->next, first_due_us(engine, party, config), on_due);
		if (atomic_load_explicit(&party->slot->probe.state, memory_order_relaxed) == GATEWAY_NOT_PROBED)
			set_state(party, GATEWAY_PROBED, engine->now_us);
	}
}

void options_probes_step(struct engine *engine)
{
	const struct signaling_snapshot *snapshot = engine->snapshot;

	if (engine->probing == snapshot->serial)
		return;
	engine->probing = snapshot->serial;
	for (unsigned int i = 0; i < snapshot->config->routing_gateways_count; i++)
		if (snapshot->route_entries[i].id % engine->workers == engine->worker)
			take(engine, snapshot->route_entries[i].id);
}
