/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/targets.h"

#include <errno.h>
#include <string.h>

#include "signaling/call.h"
#include "signaling/gateway_address.h"
#include "signaling/keyed_hash.h"
#include "signaling/redirect.h"
#include "signaling/registrar.h"
#include "signaling/route.h"

#define CONTACT_HASH 0x636f6e74

/* ---- gateways ---- */

/* To its address, or to where it has registered from. */
static bool reach(struct call *call, const struct config_routing_gateway *gateway, uint32_t id,
		  struct attempt_target *target)
{
	struct targets *targets = &call->work->targets;
	struct binding_target binding;

	target->behind_nat = false;
	if (!gateway->registered)
		return gateway_address_pick(call->engine, id, &targets->addresses, &target->flow) == 0;
	targets->addresses = UINT8_MAX; /* it has no other */
	if (binding_lookup_gateway(call->engine, gateway->registered, &binding) < 0)
		return false;
	target->flow = binding.flow;
	target->network = signaling_snapshot_network(call->engine->snapshot, binding.flow.port);
	target->behind_nat = binding.behind_nat;
	return true;
}

static bool fill_gateway(struct call *call, uint32_t id, struct attempt_target *target)
{
	const struct config_routing_gateway *gateway = gateway_routing(call->engine->snapshot, id);

	if (!gateway)
		return false;
	target->kind = TARGET_GATEWAY;
	target->gateway = id;
	target->config = gateway;
	target->network = gateway->network;
	target->uri = SIP_TEXT("");
	target->host = sip_text_of(gateway->host ? gateway->host : "");
	target->host_port = gateway->host_port;
	target->name = sip_text_of(gateway->name);
	return reach(call, gateway, id, target);
}

bool targets_gateways_left(const struct call *call)
{
	return call->work->targets.gateway_next < call->work->targets.gateways;
}

bool targets_next_gateway(struct call *call, struct attempt_target *target)
{
	struct targets *targets = &call->work->targets;

	while (targets_gateways_left(call)) {
		uint32_t id = call->work->list.gateway[targets->gateway_next++];

		targets->addresses = 0;
		if (fill_gateway(call, id, target) &&
		    gateway_admit(call->engine, id, false) == GATEWAY_OK)
			return true;
	}
	return false;
}

bool targets_next_address(struct call *call, struct attempt_target *target)
{
	const struct config_routing_gateway *gateway = NULL;

	if (call->work->targets.kind == TARGET_GATEWAY)
		gateway = gateway_routing(call->engine->snapshot, call->callee_gateway);
	return gateway && gateway->host && fill_gateway(call, call->callee_gateway, target);
}

static int first_gateway(struct call *call, struct attempt_target *target)
{
	struct route_result result = {0};

	route_select(call->engine, call->work->callee, call->work->callee_len, &result);
	if (!result.matched)
		return -ENOENT;
	call->work->targets.gateways = (uint8_t)result.count;
	memcpy(call->work->list.gateway, result.gateway, result.count * sizeof(result.gateway[0]));
	return targets_next_gateway(call, target) ? 0 : -EBUSY;
}

/* ---- a phone ---- */

static bool was_tried(const struct call *call, uint64_t contact)
{
	for (unsigned int i = 0; i < call->work->targets.contacts; i++)
		if (call->work->list.contact[i] == contact)
			return true;
	return false;
}

static bool try_contact(struct call *call, const struct binding_target *binding, struct attempt_target *target)
{
	struct call_work *work = call->work;
	uint64_t hash = keyed_hash(call->engine->hash_key, CONTACT_HASH, binding->contact, binding->contact_len);

	if (was_tried(call, hash))
		return false;
	work->list.contact[work->targets.contacts++] = hash;
	*target = (struct attempt_target){
	    .kind = TARGET_PHONE,
	    .gateway = binding->gateway,
	    .flow = binding->flow,
	    .network = signaling_snapshot_network(call->engine->snapshot, binding->flow.port),
	    .uri = sip_text(binding->contact, binding->contact_len),
	    .name = sip_text(work->callee, work->callee_len),
	    .behind_nat = binding->behind_nat,
	};
	return true;
}

/* The best contact that has not been tried, as they are now. 0 or as binding_lookup(). */
static int next_contact(struct call *call, struct attempt_target *target)
{
	struct call_work *work = call->work;
	struct binding_target found[BINDINGS_PER_USER];
	int count = 0;

	if (work->targets.contacts < BINDINGS_PER_USER)
		count = binding_lookup_all(call->engine, work->callee, work->callee_len, found, BINDINGS_PER_USER);
	for (int i = 0; i < count; i++)
		if (try_contact(call, &found[i], target))
			return 0;
	return count < 0 ? count : -EAGAIN;
}

/* ---- all ---- */

int targets_first(struct call *call, struct attempt_target *target)
{
	int error = next_contact(call, target);

	if (error == -ENOENT)
		return first_gateway(call, target);
	if (error == 0 && gateway_admit(call->engine, target->gateway, false) != GATEWAY_OK)
		return -EDQUOT;
	return error;
}

bool targets_next_place(struct call *call, struct attempt_target *target)
{
	if (call->work->targets.kind == TARGET_PHONE)
		return next_contact(call, target) == 0;
	return redirect_next(call, target);
}
