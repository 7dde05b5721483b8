/* SPDX-License-Identifier: Apache-2.0 */
/* Which headers cross from one side to the other; those that say who calls: identity.c. */
#include <string.h>

#include "signaling/call.h"
#include "signaling/identity.h"
#include "signaling/local_headers.h"

/* Passed as they are: they say nothing of where they come from. */
static const enum sip_header_id request_plain[] = {
    SIP_H_PRIVACY,         SIP_H_REASON,        SIP_H_USER_TO_USER,      SIP_H_PRIORITY, SIP_H_SUBJECT,
    SIP_H_ACCEPT_LANGUAGE, SIP_H_P_EARLY_MEDIA, SIP_H_RESOURCE_PRIORITY, SIP_H_RECV_INFO};
static const enum sip_header_id response_plain[] = {SIP_H_PRIVACY, SIP_H_REASON, SIP_H_USER_TO_USER,
						    SIP_H_P_EARLY_MEDIA, SIP_H_RECV_INFO};

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

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

void call_copy_request_headers(struct call *call, enum call_side to, struct sip_builder *b,
			       const struct sip_message *from, const struct net_addr *ours)
{
	for (size_t i = 0; i < COUNT(request_plain); i++)
		sip_build_copy(b, from, request_plain[i]);
	identity_put_request(call, to, b, from, ours);
}

void call_copy_response_headers(struct call *call, enum call_side to, struct sip_builder *b,
				const struct sip_message *from, const struct net_addr *ours)
{
	for (size_t i = 0; i < COUNT(response_plain); i++)
		sip_build_copy(b, from, response_plain[i]);
	identity_put_response(call, to, b, from, ours);
}

void call_build_body(struct call *call, enum call_side to, struct sip_builder *b, const struct sip_message *from,
		     struct sip_text sdp)
{
	if (!from->body.len || sip_body_is_plain(from) || !identity_passes_bodies(call, to))
		sip_build_body(b, SIP_TEXT("application/sdp"), sdp);
	else
		sip_build_body_of(b, from, sdp);
}

void call_build_allow(struct sip_builder *b)
{
	local_headers_put(b, SIP_TEXT("Allow: " CALL_METHODS "\r\n"));
}
