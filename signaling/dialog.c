/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/dialog.h"

#include <errno.h>
#include <string.h>

static void build_party(struct sip_builder *b, enum sip_header_id id, struct sip_text party, struct sip_text tag)
{
	sip_build_begin(b, id);
	sip_build_text(b, party);
	if (tag.len) {
		sip_build_string(b, ";tag=");
		sip_build_text(b, tag);
	}
	sip_build_end(b);
}

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

void dialog_build_request(struct sip_builder *b, const struct dialog *d, struct sip_text method, uint32_t cseq,
			  const struct net_addr *sent_by, struct sip_text branch)
{
	struct sip_text uri, rest;
	bool strict = strict_router(d->route, &uri, &rest);

	sip_build_request(b, method, strict ? uri : d->target);
	sip_build_via(b, sent_by, branch);
	sip_build_number(b, SIP_H_MAX_FORWARDS, 70);
	if (strict)
		build_route(b, rest, d->target);
	else
		build_route(b, d->route, SIP_TEXT(""));
	build_party(b, SIP_H_FROM, d->local, d->local_tag);
	build_party(b, SIP_H_TO, d->remote, d->remote_tag);
	sip_build_header(b, SIP_H_CALL_ID, d->call_id);
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

struct sip_text dialog_contact(const struct sip_message *message)
{
	struct sip_values it;
	struct sip_text value;
	struct sip_name_addr name;
	struct sip_uri uri;

	sip_values_init(&it, message, SIP_H_CONTACT);
	if (sip_values_next(&it, &value) != 1 || sip_name_addr_parse(&name, value) < 0 || name.star ||
	    sip_uri_parse(&uri, name.uri) < 0)
		return (struct sip_text){NULL, 0};
	return name.uri;
}

int dialog_without_tag(const struct sip_name_addr *name, char *out, size_t size)
{
	struct sip_text params = name->params, key, value;
	uint32_t head = (uint32_t)(name->params.len ? name->params.at - name->text.at : name->text.len);
	size_t len = head;

	if (head > size)
		return -EMSGSIZE;
	memcpy(out, name->text.at, head);
	while (sip_param_next(&params, &key, &value) == 1) {
		if (sip_text_is_nocase(key, "tag"))
			continue;
		const char *end = value.at ? sip_text_end(value) : sip_text_end(key);
		size_t room = (size_t)(end - key.at) + 2;

		/* The closing quote of a quoted value is not part of it. */
		if (value.at && end < sip_text_end(name->text) && *end == '"')
			end++;
		if (len + room > size)
			return -EMSGSIZE;
		out[len++] = ';';
		memcpy(out + len, key.at, (size_t)(end - key.at));
		len += (size_t)(end - key.at);
	}
	return (int)len;
}
