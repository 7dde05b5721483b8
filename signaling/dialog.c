/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/dialog.h"

#include <errno.h>
#include <string.h>

#include "signaling/local_headers.h"

/* A first route without ;lr is a strict router: it goes into the Request-URI, and the target to the end. */
static bool strict_router(struct sip_text route, struct sip_text *uri_text, struct sip_text *rest)
{
	struct sip_text list = route, value;
	struct sip_name_addr name;
	struct sip_uri uri;

	if (sip_list_next(&list, &value) != 1 || sip_name_addr_parse(&name, value) < 0 ||
	    sip_uri_parse(&uri, name.uri) < 0 || uri.lr)
		return false;
	*uri_text = name.uri;
	*rest = sip_text_trim(list);
	return true;
}

static void build_route(struct sip_builder *b, struct sip_text route, struct sip_text last)
{
	if (!route.len && !last.len)
		return;
	sip_build_begin(b, SIP_H_ROUTE);
	sip_build_text(b, route);
	if (last.len) {
		sip_build_string(b, route.len ? ", <" : "<");
		sip_build_text(b, last);
		sip_build_string(b, ">");
	}
	sip_build_end(b);
}

static void build_head(struct sip_builder *b, const struct dialog *d)
{
	if (d->head.len) {
		local_headers_put(b, d->head);
		local_headers_put(b, SIP_TEXT("\r\n"));
		return;
	}
	sip_build_header(b, SIP_H_FROM, d->local);
	sip_build_header(b, SIP_H_CALL_ID, d->call_id);
	sip_build_header(b, SIP_H_TO, d->remote);
}

void dialog_build_request(struct engine *engine, struct sip_builder *b, const struct dialog *d, struct sip_text method,
			  uint32_t cseq, const struct net_addr *sent_by, struct sip_text branch)
{
	struct sip_text uri, rest;
	bool strict = d->route.len && strict_router(d->route, &uri, &rest);

	sip_build_request(b, method, strict ? uri : d->target);
	local_headers_via(engine, b, sent_by, branch);
	local_headers_put(b, SIP_TEXT("Max-Forwards: 70\r\n"));
	if (strict)
		build_route(b, rest, d->target);
	else
		build_route(b, d->route, SIP_TEXT(""));
	build_head(b, d);
	sip_build_cseq(b, cseq, method);
}

static bool uri_addr(struct sip_text text, struct net_addr *addr)
{
	struct sip_uri uri;

	if (sip_uri_parse(&uri, text) < 0 || uri.scheme != SIP_SCHEME_SIP)
		return false;
	struct sip_text host = uri.maddr.at ? uri.maddr : uri.host;

	if (net_addr_parse(addr, host.at, host.len) < 0)
		return false;
	addr->port = uri.port ? uri.port : 5060;
	return true;
}

void dialog_next_hop(const struct engine *engine, const struct dialog *d, struct sip_flow *flow)
{
	struct sip_text list = d->route, value, uri = d->target;
	struct sip_name_addr name;
	struct net_addr addr;

	*flow = d->flow;
	if (d->behind_nat)
		return;
	if (d->route.len && sip_list_next(&list, &value) == 1 && sip_name_addr_parse(&name, value) == 0)
		uri = name.uri;
	if (!uri_addr(uri, &addr) || net_addr_equal(&addr, &flow->remote))
		return;
	if (addr.family == flow->remote.family) {
		flow->remote = addr;
		return;
	}
	struct sip_flow other;

	if (engine->io.flow_to(engine->io.context, NULL, &addr, &other) == 0)
		*flow = other;
}

#define ROUTES_MAX 32

int dialog_route_set(const struct sip_message *message, bool reversed, char *out, size_t size)
{
	struct sip_text route[ROUTES_MAX];
	unsigned int count = 0;
	struct sip_values it;
	size_t len = 0;

	sip_values_init(&it, message, SIP_H_RECORD_ROUTE);
	while (count < ROUTES_MAX && sip_values_next(&it, &route[count]) == 1)
		count++;
	for (unsigned int i = 0; i < count; i++) {
		struct sip_text one = route[reversed ? count - 1 - i : i];

		if (len + one.len + 1 > size)
			return -EMSGSIZE;
		if (len)
			out[len++] = ',';
		memcpy(out + len, one.at, one.len);
		len += one.len;
	}
	return (int)len;
}

struct sip_text dialog_contact(struct sip_message *message)
{
	const struct sip_name_addr *contact = sip_message_contact(message);
	struct sip_uri uri;

	if (!contact || contact->star || sip_uri_parse(&uri, contact->uri) < 0)
		return (struct sip_text){NULL, 0};
	return contact->uri;
}

bool dialog_of_response(struct dialog *dialog, const struct sip_flow *flow, bool behind_nat,
			struct sip_message *response, char route[static DIALOG_ROUTE_MAX])
{
	int route_len = dialog_route_set(response, true, route, DIALOG_ROUTE_MAX);

	*dialog = (struct dialog){
	    .call_id = sip_message_call_id(response),
	    .local = sip_message_value(response, SIP_H_FROM),
	    .remote = sip_message_value(response, SIP_H_TO),
	    .target = dialog_contact(response),
	    .route = sip_text(route, route_len > 0 ? (size_t)route_len : 0),
	    .flow = *flow,
	    .behind_nat = behind_nat,
	};
	return dialog->target.at;
}
