/* SPDX-License-Identifier: Apache-2.0 */
/* Which headers cross from one side to the other, and what becomes of addresses in them. */
#include <string.h>

#include "signaling/call.h"
#include "signaling/local_headers.h"

/* Passed as they are: they say nothing of where they come from. */
static const enum sip_header_id request_plain[] = {SIP_H_PRIVACY,       SIP_H_REASON,           SIP_H_USER_TO_USER,
						   SIP_H_PRIORITY,      SIP_H_SUBJECT,          SIP_H_ACCEPT_LANGUAGE,
						   SIP_H_P_EARLY_MEDIA, SIP_H_RESOURCE_PRIORITY};
/* Passed with our address in place of the peer's. */
static const enum sip_header_id request_identities[] = {SIP_H_P_ASSERTED_IDENTITY, SIP_H_REMOTE_PARTY_ID,
							SIP_H_DIVERSION};
static const enum sip_header_id response_plain[] = {SIP_H_PRIVACY, SIP_H_REASON, SIP_H_USER_TO_USER,
						    SIP_H_P_EARLY_MEDIA};
static const enum sip_header_id response_identities[] = {SIP_H_P_ASSERTED_IDENTITY, SIP_H_REMOTE_PARTY_ID};

/* What a user part may hold as it is (RFC 3261 section 25.1: unreserved and user-unreserved). */
static bool user_char(uint8_t c)
{
	/* Bit n of the whole: character n. */
	static const uint64_t allowed[4] = {0xabffffd200000000, 0x47fffffe87fffffe, 0, 0};

	return allowed[c / 64] >> c % 64 & 1;
}

static void build_escaped(struct sip_builder *b, struct sip_text user)
{
	uint32_t done = 0;

	for (uint32_t i = 0; i < user.len; i++) {
		uint8_t c = (uint8_t)user.at[i];

		if (user_char(c))
			continue;
		const char hex[] = {'%', "0123456789ABCDEF"[c >> 4], "0123456789ABCDEF"[c & 15], 0};

		sip_build_text(b, sip_text(user.at + done, i - done));
		sip_build_string(b, hex);
		done = i + 1;
	}
	sip_build_text(b, sip_text(user.at + done, user.len - done));
}

void call_build_user(struct sip_builder *b, struct sip_text user)
{
	sip_build_string(b, "sip:");
	if (user.len) {
		build_escaped(b, user);
		sip_build_string(b, "@");
	}
}

void call_build_user_uri(struct sip_builder *b, struct sip_text user, const struct net_addr *host)
{
	call_build_user(b, user);
	sip_build_addr(b, host);
}

static void build_identity(struct sip_builder *b, enum sip_header_id id, struct sip_text value,
			   const struct net_addr *ours)
{
	struct sip_name_addr name;
	struct sip_uri uri;
	char user[CALL_NUMBER_MAX];

	if (sip_name_addr_parse(&name, value) < 0 || sip_uri_parse(&uri, name.uri) < 0)
		return;
	sip_build_begin(b, id);
	if (name.display.len) {
		sip_build_string(b, "\"");
		sip_build_text(b, name.display);
		sip_build_string(b, "\" ");
	}
	sip_build_string(b, "<");
	if (uri.scheme == SIP_SCHEME_SIP || uri.scheme == SIP_SCHEME_SIPS) {
		int len = uri.user.at ? sip_unescape(uri.user, user, sizeof(user)) : 0;

		call_build_user_uri(b, sip_text(user, len > 0 ? (size_t)len : 0), ours);
	} else {
		sip_build_text(b, name.uri);
	}
	sip_build_string(b, ">");
	sip_build_text(b, name.params);
	sip_build_end(b);
}

static void copy_identities(struct sip_builder *b, const struct sip_message *from, enum sip_header_id id,
			    const struct net_addr *ours)
{
	struct sip_values it;
	struct sip_text value;

	sip_values_init(&it, from, id);
	while (sip_values_next(&it, &value) == 1)
		build_identity(b, id, value, ours);
}

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

void call_copy_request_headers(struct sip_builder *b, const struct sip_message *from, const struct net_addr *ours)
{
	for (size_t i = 0; i < COUNT(request_plain); i++)
		sip_build_copy(b, from, request_plain[i]);
	for (size_t i = 0; i < COUNT(request_identities); i++)
		copy_identities(b, from, request_identities[i], ours);
}

void call_copy_response_headers(struct sip_builder *b, const struct sip_message *from, const struct net_addr *ours)
{
	for (size_t i = 0; i < COUNT(response_plain); i++)
		sip_build_copy(b, from, response_plain[i]);
	for (size_t i = 0; i < COUNT(response_identities); i++)
		copy_identities(b, from, response_identities[i], ours);
}

void call_build_allow(struct sip_builder *b)
{
	local_headers_put(b, SIP_TEXT("Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO\r\n"));
}
