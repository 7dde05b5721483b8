/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/identity.h"

#include "signaling/call.h"
#include "signaling/number_rules.h"
#include "signaling/redirect.h"

/* ---- what a side may say and hear ---- */

static const struct config_headers of_phone = {.untrusted = true};

static const struct config_headers *policy(const struct call *call, enum call_side side)
{
	const struct signaling_snapshot *snapshot = call->engine->snapshot;

	if (call->record->dialog[side].flags & DIALOG_PHONE)
		return &of_phone;
	if (side == CALLER) {
		const struct config_mapping_gateway *customer = gateway_mapping(snapshot, call->customer);

		return customer ? &customer->headers : &of_phone;
	}
	const struct config_routing_gateway *vendor = gateway_routing(snapshot, call->callee_gateway);

	return vendor ? &vendor->headers : &of_phone;
}

/* Where a vendor sends the call is not in our trust domain because the vendor is. */
static bool is_untrusted(const struct call *call, enum call_side side)
{
	return policy(call, side)->untrusted || (call->record->dialog[side].flags & DIALOG_LED_AWAY);
}

struct privacy {
	bool of_caller, of_history, none;
};

static void read_privacy(struct privacy *privacy, struct sip_text value)
{
	for (size_t at = 0, end; at < value.len; at = end + 1) {
		for (end = at; end < value.len && value.at[end] != ';' && value.at[end] != ',';)
			end++;
		struct sip_text word = sip_text_trim(sip_text(value.at + at, end - at));

		privacy->none |= sip_text_is_nocase(word, "none");
		privacy->of_history |= sip_text_is_nocase(word, "history");
		privacy->of_caller |= sip_text_is_nocase(word, "id") || sip_text_is_nocase(word, "user") ||
				      sip_text_is_nocase(word, "header");
	}
}

/* RFC 3323 section 4.2: header, session, user, none, critical; RFC 3325: id; RFC 7044 section 10.1.1: history. */
static struct privacy privacy_of(const struct sip_message *message)
{
	const struct sip_header *header = sip_header_first(message, SIP_H_PRIVACY);
	struct privacy privacy = {.none = false};

	for (; header; header = sip_header_next(message, header))
		read_privacy(&privacy, sip_header_value(message, header));
	return privacy.none ? (struct privacy){.none = true} : privacy;
}

/* RFC 5806, and draft-ietf-sip-privacy: privacy=full, or of the name or the URI. */
static bool value_is_private(struct sip_text value)
{
	struct sip_name_addr name;
	struct sip_text privacy;

	return sip_name_addr_parse(&name, value) == 0 && sip_param_find(name.params, "privacy", &privacy) &&
	       !sip_text_is_nocase(privacy, "off");
}

static bool rpid_is_private(const struct sip_message *message)
{
	struct sip_values it;
	struct sip_text value;

	sip_values_init(&it, message, SIP_H_REMOTE_PARTY_ID);
	while (sip_values_next(&it, &value) == 1)
		if (value_is_private(value))
			return true;
	return false;
}

static bool is_private(const struct sip_message *message)
{
	return (sip_message_has(message, SIP_H_PRIVACY) && privacy_of(message).of_caller) ||
	       (sip_message_has(message, SIP_H_REMOTE_PARTY_ID) && rpid_is_private(message));
}

bool identity_is_withheld(const struct call *call, const struct sip_message *invite)
{
	return is_untrusted(call, CALLEE) && is_private(invite);
}

/* ---- one value ---- */

/* As From has it: by the customer's rules, then by the vendor's. */
static struct sip_text rewrite_caller(const struct call *call, struct sip_text number, char out[CALL_NUMBER_MAX])
{
	const struct signaling_snapshot *snapshot = call->engine->snapshot;
	const struct config_mapping_gateway *customer = gateway_mapping(snapshot, call->customer);
	const struct config_routing_gateway *vendor = gateway_routing(snapshot, call->callee_gateway);
	char first[CALL_NUMBER_MAX];

	number = sip_text(first, number_rewrite(customer ? &customer->caller : NULL, number, first, sizeof(first)));
	return sip_text(out, number_rewrite(vendor ? &vendor->caller : NULL, number, out, CALL_NUMBER_MAX));
}

struct rewriting {
	const struct call *call; /* NULL: numbers stay */
	const struct net_addr *ours;
	bool leaves_private; /* values that say that they are private do not cross */
};

static void put_uri(struct sip_builder *b, const struct sip_uri *uri, struct sip_text text, const struct rewriting *how)
{
	char user[CALL_NUMBER_MAX], number[CALL_NUMBER_MAX];
	int len = sip_uri_number(uri, number, sizeof(number));
	bool is_tel = uri->scheme == SIP_SCHEME_TEL;

	if (how->call && len > 0) {
		struct sip_text rewritten = rewrite_caller(how->call, sip_text(number, (size_t)len), user);

		call_build_user_uri(b, rewritten, how->ours);
	} else if (!is_tel) {
		len = uri->user.at ? sip_unescape(uri->user, user, sizeof(user)) : 0;
		call_build_user_uri(b, sip_text(user, len > 0 ? (size_t)len : 0), how->ours);
	} else {
		sip_build_text(b, text);
	}
	if (uri->headers.len) { /* History-Info: why it went on from there */
		sip_build_string(b, "?");
		sip_build_text(b, uri->headers);
	}
}

static bool put_value(struct sip_builder *b, enum sip_header_id id, struct sip_text value, const struct rewriting *how)
{
	struct sip_name_addr name;
	struct sip_uri uri;

	if (sip_name_addr_parse(&name, value) < 0 || sip_uri_parse(&uri, name.uri) < 0)
		return false;
	sip_build_begin(b, id);
	if (name.display.len && name.display_quoted) {
		sip_build_string(b, "\"");
		sip_build_text(b, name.display);
		sip_build_string(b, "\" ");
	} else if (name.display.len) {
		sip_build_quoted(b, name.display);
		sip_build_string(b, " ");
	}
	sip_build_string(b, "<");
	put_uri(b, &uri, name.uri, how);
	sip_build_string(b, ">");
	return true;
}

static void copy(struct sip_builder *b, const struct sip_message *from, enum sip_header_id id,
		 const struct rewriting *how)
{
	struct sip_values it;
	struct sip_text value;
	struct sip_name_addr name;

	sip_values_init(&it, from, id);
	while (sip_values_next(&it, &value) == 1) {
		if ((how->leaves_private && value_is_private(value)) || !put_value(b, id, value, how))
			continue;
		if (sip_name_addr_parse(&name, value) == 0)
			sip_build_text(b, name.params);
		sip_build_end(b);
	}
}

/* ---- all of them ---- */

/*
 * What we may assert of a caller who says nothing that is believed (RFC 3325 section 5): of a phone the user that has
 * proved itself, whatever its From says; of a customer outside the trust domain nothing.
 */
static struct sip_text proven_number(const struct call *call, struct sip_text from, char out[CALL_NUMBER_MAX])
{
	if (call->record->dialog[CALLER].flags & DIALOG_PHONE)
		return rewrite_caller(call, call_text(call, call->record->mapping_gateway), out);
	return policy(call, CALLER)->untrusted ? SIP_TEXT("") : from;
}

/* The header that says best who calls; none: what From will say, or of that what is proven. */
static void put_one(const struct call *call, struct sip_builder *b, enum sip_header_id id,
		    const struct sip_message *from, bool believed, const struct rewriting *how)
{
	static const enum sip_header_id sources[] = {SIP_H_P_ASSERTED_IDENTITY, SIP_H_REMOTE_PARTY_ID};
	struct sip_text value = SIP_TEXT("");
	struct sip_values it;

	for (unsigned int i = 0; believed && i < 2 && !value.len; i++) {
		sip_values_init(&it, from, sources[i]);
		if (sip_values_next(&it, &value) != 1)
			value = SIP_TEXT("");
	}
	if (!value.len || !put_value(b, id, value, how)) {
		struct sip_text number = call_text(call, call->record->caller_out);
		char proven[CALL_NUMBER_MAX];

		if (sip_text_is_nocase(number, "anonymous"))
			return;
		if (id == SIP_H_P_ASSERTED_IDENTITY)
			number = proven_number(call, number, proven);
		if (!number.len)
			return;
		sip_build_begin(b, id);
		sip_build_string(b, "<");
		call_build_user_uri(b, number, how->ours);
		sip_build_string(b, ">");
	}
	if (id == SIP_H_REMOTE_PARTY_ID) {
		sip_build_string(b, ";party=calling;screen=");
		sip_build_string(b, believed && value.len ? "yes" : "no");
		sip_build_string(b, is_private(from) ? ";privacy=full" : ";privacy=off");
	}
	sip_build_end(b);
}

static void put_caller(struct call *call, enum call_side to, struct sip_builder *b, const struct sip_message *from,
		       bool believed, const struct net_addr *ours)
{
	enum identity_mode mode = to == CALLEE ? policy(call, to)->identity : IDENTITY_PASS;
	struct rewriting how = {.call = to == CALLEE ? call : NULL, .ours = ours};

	if (mode == IDENTITY_PAI || mode == IDENTITY_RPID) {
		put_one(call, b, mode == IDENTITY_PAI ? SIP_H_P_ASSERTED_IDENTITY : SIP_H_REMOTE_PARTY_ID, from,
			believed, &how);
	} else if (mode == IDENTITY_PASS && believed) {
		copy(b, from, SIP_H_P_ASSERTED_IDENTITY, &how);
		copy(b, from, SIP_H_REMOTE_PARTY_ID, &how);
	}
}

bool identity_passes_bodies(const struct call *call, enum call_side to)
{
	return !(call->record->dialog[to].flags & DIALOG_PHONE) && !policy(call, to)->strip_bodies &&
	       !policy(call, call_other_side(to))->strip_bodies;
}

static bool is_believed(const struct config_headers *from)
{
	return !from->untrusted && from->identity != IDENTITY_STRIP;
}

/* What follows in the dialog need not say again what the INVITE has asked for. */
static bool is_withheld(const struct call *call, enum call_side to, const struct sip_message *from)
{
	return is_private(from) ||
	       (to == CALLEE && sip_text_is(call_text(call, call->record->caller_out), "anonymous"));
}

void identity_put_request(struct call *call, enum call_side to, struct sip_builder *b, const struct sip_message *from,
			  const struct net_addr *ours)
{
	const struct config_headers *theirs = policy(call, call_other_side(to)), *its = policy(call, to);
	bool untrusted = is_untrusted(call, to);
	struct rewriting as_it_is = {.ours = ours, .leaves_private = untrusted};

	if (untrusted && is_withheld(call, to, from))
		return;
	put_caller(call, to, b, from, is_believed(theirs), ours);
	bool diversion = !theirs->untrusted && !theirs->strip_diversion;
	bool history = !theirs->untrusted && !theirs->strip_history &&
		       !(untrusted && sip_message_has(from, SIP_H_PRIVACY) && privacy_of(from).of_history);
	bool redirected = to == CALLEE && from->method == SIP_INVITE;

	if (!its->strip_diversion) {
		if (redirected)
			redirect_put_diversion(call, b, ours);
		if (diversion)
			copy(b, from, SIP_H_DIVERSION, &as_it_is);
	}
	if (!its->strip_history) {
		if (history)
			copy(b, from, SIP_H_HISTORY_INFO, &as_it_is);
		if (redirected)
			redirect_put_history(call, b, history ? from : NULL, ours);
	}
}

void identity_put_response(struct call *call, enum call_side to, struct sip_builder *b, const struct sip_message *from,
			   const struct net_addr *ours)
{
	struct rewriting as_it_is = {.ours = ours};

	if (!sip_message_has(from, SIP_H_P_ASSERTED_IDENTITY) && !sip_message_has(from, SIP_H_REMOTE_PARTY_ID))
		return;
	if (!is_believed(policy(call, call_other_side(to))) || (is_untrusted(call, to) && is_withheld(call, to, from)))
		return;
	copy(b, from, SIP_H_P_ASSERTED_IDENTITY, &as_it_is);
	copy(b, from, SIP_H_REMOTE_PARTY_ID, &as_it_is);
}
