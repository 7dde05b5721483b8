/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/redirect.h"

#include <string.h>

#include "signaling/call.h"
#include "signaling/gateway_address.h"

#define PLACES   (1u + CONFIG_REDIRECTS)
#define TEXT_MAX 1400u

#define CONTACTS_MAX 4096u /* bytes of them that are passed to a caller */

/* Where the call has been on a gateway's account, and where else it may go. */
struct place {
	struct sip_flow flow;
	uint32_t owner; /* the routing gateway whose address it is; GATEWAY_NO_ID: nobody's */
	uint16_t uri_at, uri_len;
	uint16_t q_x1000;
	uint16_t code; /* its own 3xx; 0 = none */
	uint8_t level; /* which of the 3xx named it, from 1 */
	uint8_t by;    /* whose that was: a place */
	bool tried;
};

/* In a buffer for messages. The first place is the gateway itself. */
struct redirects {
	uint8_t count, now, levels, followed;
	uint16_t text_len;
	struct place place[PLACES];
	char text[TEXT_MAX];
};
static_assert(sizeof(struct redirects) <= 2048, "it fits into a buffer of that size");

static struct redirects *redirects_of(const struct call *call)
{
	struct message_buffer *buffer = call->work ? call->work->targets.redirects : NULL;

	return buffer ? (struct redirects *)(void *)buffer->data : NULL;
}

static struct sip_text uri_of(const struct redirects *r, const struct place *place)
{
	return sip_text(r->text + place->uri_at, place->uri_len);
}

static bool put_uri(struct redirects *r, struct place *place, struct sip_text uri)
{
	if (uri.len > TEXT_MAX - r->text_len)
		return false;
	memcpy(r->text + r->text_len, uri.at, uri.len);
	place->uri_at = r->text_len;
	place->uri_len = (uint16_t)uri.len;
	r->text_len = (uint16_t)(r->text_len + uri.len);
	return true;
}

/* Made at the gateway's first 3xx. NULL: no room. */
static struct redirects *begin(struct call *call)
{
	struct targets *targets = &call->work->targets;
	struct redirects empty;

	if (targets->redirects)
		return redirects_of(call);
	memset(&empty, 0, sizeof(empty));
	empty.count = 1;
	empty.place[0] =
	    (struct place){.flow = call->record->dialog[CALLEE].flow, .owner = call->callee_gateway, .tried = true};
	if (!put_uri(&empty, &empty.place[0], call_text(call, call->record->dialog[CALLEE].target)))
		return NULL;
	targets->redirects = message_pool_keep(&call->engine->transactions->messages, &empty, sizeof(empty));
	return redirects_of(call);
}

void redirect_forget(struct call *call)
{
	message_pool_free(&call->engine->transactions->messages, call->work->targets.redirects);
	call->work->targets.redirects = NULL;
}

/* ---- what a 3xx names ---- */

static bool is_called(const struct config_routing_gateway *gateway, struct sip_text host)
{
	return gateway->host && sip_text_is_nocase(host, gateway->host);
}

/* The routing gateway that has this address, or this name; `first` if it does. */
static uint32_t owner_of(const struct engine *engine, uint32_t first, const struct net_addr *addr, struct sip_text host)
{
	const struct signaling_snapshot *snapshot = engine->snapshot;
	const struct config_routing_gateway *own = gateway_routing(snapshot, first);

	if (own && (addr ? gateway_is_at(engine, first, addr) : is_called(own, host)))
		return first;
	for (unsigned int i = 0; i < snapshot->config->routing_gateways_count; i++) {
		uint32_t id = snapshot->route_entries[i].id;
		const struct config_routing_gateway *gateway = snapshot->route_entries[i].config;

		if (gateway->enabled && (addr ? gateway_is_at(engine, id, addr) : is_called(gateway, host)))
			return id;
	}
	return GATEWAY_NO_ID;
}

/* 0, with the port that is meant where none is written: to us, unlike to RFC 3261 section 19.1.4, it is the same. */
static int parse_uri(struct sip_uri *uri, struct sip_text text)
{
	int error = sip_uri_parse(uri, text);

	if (error == 0 && !uri->port)
		uri->port = 5060;
	return error;
}

static bool is_there(const struct redirects *r, const struct sip_uri *uri)
{
	struct sip_uri other;

	for (unsigned int i = 0; i < r->count; i++)
		if (parse_uri(&other, uri_of(r, &r->place[i])) == 0 && sip_uri_equal(&other, uri))
			return true;
	return false;
}

static bool is_allowed(const struct config_routing_gateway *gateway, uint32_t id, uint32_t owner)
{
	if (gateway->redirect.to == REDIRECT_SAME)
		return owner == id;
	return owner != GATEWAY_NO_ID || gateway->redirect.to == REDIRECT_ANY;
}

/* On the network of whose address it is. */
static const char *network_of(const struct call *call, uint32_t owner)
{
	const struct config_routing_gateway *gateway = gateway_routing(call->engine->snapshot, owner);

	if (!gateway)
		gateway = gateway_routing(call->engine->snapshot, call->callee_gateway);
	return gateway ? gateway->network : NULL;
}

static bool is_for_us(const struct sip_uri *uri)
{
	struct sip_text method;

	return uri->scheme == SIP_SCHEME_SIP && uri->transport <= SIP_TRANSPORT_UDP &&
	       !sip_param_find(uri->params, "method", &method);
}

/* Where a URI leads, and whose that is: an address, or the name of a gateway, whose addresses are known. */
static bool locate(const struct call *call, const struct sip_uri *uri, struct place *place)
{
	struct engine *engine = call->engine;
	struct sip_text host = uri->maddr.at ? uri->maddr : uri->host;
	struct net_addr addr;
	uint8_t tried = 0;

	if (net_addr_parse(&addr, host.at, host.len) < 0) {
		place->owner = owner_of(engine, call->callee_gateway, NULL, host);
		return place->owner != GATEWAY_NO_ID &&
		       gateway_address_pick(engine, place->owner, &tried, &place->flow) == 0;
	}
	addr.port = uri->port;
	place->owner = owner_of(engine, call->callee_gateway, &addr, host);
	return engine->io.flow_to(engine->io.context, network_of(call, place->owner), &addr, &place->flow) == 0;
}

/* A Contact's URI, without the headers that it wants in the request; false with why it is not tried. */
static bool read_place(const struct call *call, const struct config_routing_gateway *gateway, struct redirects *r,
		       struct sip_text value, struct place *place, enum counter_id *why)
{
	struct sip_name_addr contact;
	struct sip_uri uri;

	*why = COUNTER_redirect_unusable;
	if (sip_name_addr_parse(&contact, value) < 0 || contact.star || parse_uri(&uri, contact.uri) < 0)
		return false;
	if (uri.headers.len)
		contact.uri.len = (uint32_t)(uri.headers.at - 1 - contact.uri.at);
	if (parse_uri(&uri, contact.uri) < 0 || !is_for_us(&uri) || !locate(call, &uri, place))
		return false;
	*why = COUNTER_redirect_loops;
	if (is_there(r, &uri))
		return false;
	*why = COUNTER_redirect_refused;
	if (!is_allowed(gateway, call->callee_gateway, place->owner))
		return false;
	*why = COUNTER_redirect_exhausted;
	place->q_x1000 = sip_contact_q(contact.params);
	return put_uri(r, place, contact.uri);
}

#define CONTACTS_READ (2 * PLACES) /* of one response, of whatever kind: each is looked for among all gateways */

static void take_contacts(const struct call *call, const struct config_routing_gateway *gateway, struct redirects *r,
			  const struct sip_message *response)
{
	struct sip_values it;
	struct sip_text value;
	enum counter_id why;

	r->levels++;
	r->place[r->now].code = response->status;
	sip_values_init(&it, response, SIP_H_CONTACT);
	for (unsigned int read = 0; read < CONTACTS_READ && sip_values_next(&it, &value) == 1; read++) {
		struct place *place = &r->place[r->count];

		if (r->count == PLACES) {
			counter_inc(call->engine->counters, COUNTER_redirect_exhausted);
			continue;
		}
		*place = (struct place){.level = r->levels, .by = r->now};
		if (read_place(call, gateway, r, value, place, &why))
			r->count++;
		else
			counter_inc(call->engine->counters, why);
	}
}

static struct place *best(struct redirects *r)
{
	struct place *best = NULL;

	for (unsigned int i = 1; i < r->count; i++) {
		struct place *place = &r->place[i];

		if (place->tried)
			continue;
		if (!best || place->level > best->level ||
		    (place->level == best->level && place->q_x1000 > best->q_x1000))
			best = place;
	}
	return best;
}

static bool is_followed(unsigned int code)
{
	return (code >= 300 && code <= 302) || code == 305;
}

static const struct config_routing_gateway *follows(const struct call *call)
{
	const struct config_routing_gateway *gateway = NULL;

	if (call->work->targets.kind != TARGET_PHONE)
		gateway = gateway_routing(call->engine->snapshot, call->callee_gateway);
	return gateway && gateway->redirect.follow ? gateway : NULL;
}

bool redirect_take(struct call *call, const struct sip_message *response)
{
	const struct config_routing_gateway *gateway = follows(call);
	struct redirects *r;

	if (!gateway || !is_followed(response->status))
		return false;
	r = begin(call);
	if (!r) {
		counter_inc(call->engine->counters, COUNTER_redirect_exhausted);
		return false;
	}
	take_contacts(call, gateway, r, response);
	return best(r) && r->followed < gateway->redirect.follow;
}

/* ---- where the call goes ---- */

bool redirect_next(struct call *call, struct attempt_target *target)
{
	const struct config_routing_gateway *gateway = follows(call);
	struct redirects *r = redirects_of(call);
	struct place *place = r && gateway ? best(r) : NULL;

	if (!place)
		return false;
	if (r->followed >= gateway->redirect.follow) {
		counter_inc(call->engine->counters, COUNTER_redirect_exhausted);
		return false;
	}
	if (!gateway_admit_again(call->engine, call->callee_gateway))
		return false;
	place->tried = true;
	r->now = (uint8_t)(place - r->place);
	r->followed++;
	counter_inc(call->engine->counters, COUNTER_redirect_followed);
	*target = (struct attempt_target){
	    .kind = TARGET_REDIRECT,
	    .gateway = call->callee_gateway,
	    .config = gateway,
	    .flow = place->flow,
	    .network = network_of(call, place->owner),
	    .uri = uri_of(r, place),
	    .name = sip_text_of(gateway->name),
	};
	return true;
}

bool redirect_leads_away(const struct call *call)
{
	const struct redirects *r = redirects_of(call);

	return r && r->place[r->now].owner != call->callee_gateway;
}

/* ---- to the caller ---- */

bool redirect_pass(struct call *call, const struct sip_message *response)
{
	const struct config_mapping_gateway *customer = gateway_mapping(call->engine->snapshot, call->customer);

	if (!customer || !customer->redirect_pass || !sip_message_has(response, SIP_H_CONTACT))
		return false;
	call->engine->calls->redirect_told = response;
	return true;
}

void redirect_put_contacts(struct call *call, struct sip_builder *b)
{
	const uint32_t most = b->len + CONTACTS_MAX;
	struct sip_values it;
	struct sip_text value;

	counter_inc(call->engine->counters, COUNTER_redirect_passed);
	sip_values_init(&it, call->engine->calls->redirect_told, SIP_H_CONTACT);
	while (sip_values_next(&it, &value) == 1)
		if (b->len + value.len < most)
			sip_build_header(b, SIP_H_CONTACT, value);
}

/* ---- by which way it came ---- */

/* Of the attempt that runs; NULL: it goes where the route led. */
static const struct redirects *way(const struct call *call)
{
	const struct redirects *r = call_state(call) == CALL_SETUP ? redirects_of(call) : NULL;

	return r && r->now ? r : NULL;
}

/* Whom the call was for there: at our address, but for where it goes now. */
static void put_user(const struct redirects *r, struct sip_builder *b, const struct place *place,
		     const struct net_addr *host)
{
	char number[CALL_NUMBER_MAX];
	struct sip_uri uri;
	int len = -1;

	if (sip_uri_parse(&uri, uri_of(r, place)) == 0)
		len = sip_uri_number(&uri, number, sizeof(number));
	call_build_user_uri(b, sip_text(number, len > 0 ? (size_t)len : 0), host);
}

void redirect_put_diversion(const struct call *call, struct sip_builder *b, const struct net_addr *ours)
{
	const struct redirects *r = way(call);

	for (unsigned int at = r ? r->now : 0; at;) {
		at = r->place[at].by;
		sip_build_begin(b, SIP_H_DIVERSION);
		sip_build_string(b, "<");
		put_user(r, b, &r->place[at], ours);
		sip_build_string(b, r->place[at].code == 301 || r->place[at].code == 302
					? ">;reason=unconditional;counter=1"
					: ">;reason=unknown;counter=1");
		sip_build_end(b);
	}
}

/* The index of the last entry; "1" after an entry of our own when there is none. */
static struct sip_text last_index(const struct sip_message *from)
{
	struct sip_text value, index, last = SIP_TEXT("");
	struct sip_name_addr name;
	struct sip_values it;

	if (!from)
		return last;
	sip_values_init(&it, from, SIP_H_HISTORY_INFO);
	while (sip_values_next(&it, &value) == 1)
		if (sip_name_addr_parse(&name, value) == 0 && sip_param_find(name.params, "index", &index) && index.len)
			last = index;
	return last;
}

static void put_index(struct sip_builder *b, const char *name, struct sip_text base, unsigned int n)
{
	sip_build_string(b, name);
	sip_build_text(b, base);
	sip_build_string(b, ".");
	sip_build_u32(b, n);
}

static void put_entry(const struct redirects *r, struct sip_builder *b, const struct place *place,
		      const struct net_addr *host)
{
	sip_build_begin(b, SIP_H_HISTORY_INFO);
	sip_build_string(b, "<");
	put_user(r, b, place, host);
}

void redirect_put_history(const struct call *call, struct sip_builder *b, const struct sip_message *from,
			  const struct net_addr *ours)
{
	const struct redirects *r = way(call);
	struct sip_text base = last_index(from);
	unsigned int chain[PLACES], length = 0;

	if (!r)
		return;
	for (unsigned int at = r->now; at; at = r->place[at].by)
		chain[length++] = at;
	chain[length++] = 0;
	if (!base.len) {
		sip_build_begin(b, SIP_H_HISTORY_INFO);
		sip_build_string(b, "<");
		call_build_user_uri(b, call_text(call, call->record->callee_in), ours);
		sip_build_string(b, ">;index=1");
		sip_build_end(b);
		base = SIP_TEXT("1");
	}
	for (unsigned int n = 1; n <= length; n++) {
		const struct place *place = &r->place[chain[length - n]];

		put_entry(r, b, place, n == length ? &place->flow.remote : ours);
		if (n < length) {
			sip_build_string(b, "?Reason=SIP%3Bcause%3D");
			sip_build_u32(b, place->code);
		}
		put_index(b, ">;index=", base, n);
		if (n > 1)
			put_index(b, ";mp=", base, n - 1);
		sip_build_end(b);
	}
}
