/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from somebody else than it should: responses that name another sender, challenges of strangers. */
#include <string.h>

#include "lab.h"
#include "tests/unit/check.h"

#define STRANGER "10.9.0.1:5060"
#define VICTIM   "10.8.0.1:5060"

#define DIGEST(realm, rest) "Digest realm=\"" realm "\", nonce=\"n\", qop=\"auth\"" rest

static struct config_credentials credentials = {(char *)(uintptr_t) "tandem", (char *)(uintptr_t) "secret", NULL,
						DIGEST_BOTH};
static struct sip_message invite;

/* A call that waits for the answer of the first vendor, for which we have credentials. */
static struct lab *ringing(const char *realm, enum digest_algorithms algorithms)
{
	struct lab *lab = lab_new();

	credentials.realm = (char *)(uintptr_t)realm;
	credentials.algorithms = algorithms;
	lab->routing[0].digest = &credentials;
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	return lab;
}

static void challenge_from(struct lab *lab, const char *from, unsigned int code, const char *challenge)
{
	char header[256];

	snprintf(header, sizeof(header), "%s: %s\r\n", code == 401 ? "WWW-Authenticate" : "Proxy-Authenticate",
		 challenge);
	lab_reply(lab, &invite, from, code, "v", NULL, header);
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
}

/* The next INVITE to the first vendor, with credentials. */
static bool is_answered(struct lab *lab)
{
	struct sip_message *again;

	if (lab_waiting(lab, VENDOR(0)) == 0)
		return false;
	again = lab_take(lab, VENDOR(0), "INVITE ");
	if (again == NULL)
		return false;
	invite = *again;
	return sip_message_has(&invite, SIP_H_PROXY_AUTHORIZATION) || sip_message_has(&invite, SIP_H_AUTHORIZATION);
}

static bool is_foreign(struct lab *lab)
{
	return !is_answered(lab) && lab_waiting(lab, VENDOR(1)) == 1 &&
	       lab_count(lab, COUNTER_client_auth_foreign) == 1 && lab_count(lab, COUNTER_client_auth_answered) == 0;
}

static void another_address(void)
{
	struct lab *lab = ringing(NULL, DIGEST_BOTH);

	challenge_from(lab, "10.9.9.9:5060", 407, DIGEST("v", ""));
	CHECK(is_foreign(lab));
	lab_free(lab);
	lab = ringing(NULL, DIGEST_BOTH);
	challenge_from(lab, "10.2.0.1:40000", 401, DIGEST("v", "")); /* its own, from another port */
	CHECK(is_answered(lab));
	lab_free(lab);
}

static void another_realm(void)
{
	struct lab *lab = ringing("vendor.example", DIGEST_BOTH);

	challenge_from(lab, VENDOR(0), 407, DIGEST("bank.example", ""));
	CHECK(is_foreign(lab));
	lab_free(lab);
	lab = ringing("vendor.example", DIGEST_BOTH);
	challenge_from(
	    lab, VENDOR(0), 407,
	    DIGEST("bank.example", ", algorithm=SHA-256") "\r\nProxy-Authenticate: " DIGEST("vendor.example", ""));
	CHECK(is_answered(lab));
	CHECK(memmem(invite.data, invite.len, "realm=\"vendor.example\"", 22));
	lab_free(lab);
}

/* The first realm is the one, for every call, until the configuration is read again. */
static void pinned_realm(void)
{
	struct lab *lab = ringing(NULL, DIGEST_BOTH);

	challenge_from(lab, VENDOR(0), 407, DIGEST("one", ""));
	CHECK(is_answered(lab));
	lab_invite(lab, 2, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	challenge_from(lab, VENDOR(0), 407, DIGEST("two", ""));
	CHECK(!is_answered(lab));
	CHECK_INT(lab_count(lab, COUNTER_client_auth_foreign), 1);
	lab_reload(lab);
	lab_invite(lab, 3, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	challenge_from(lab, VENDOR(0), 407, DIGEST("two", ""));
	CHECK(is_answered(lab));
	lab_free(lab);
}

static void weak_algorithm(void)
{
	struct lab *lab = ringing(NULL, DIGEST_SHA256);

	challenge_from(lab, VENDOR(0), 407, DIGEST("v", ""));
	CHECK(is_foreign(lab));
	lab_free(lab);
	lab = ringing(NULL, DIGEST_SHA256);
	challenge_from(lab, VENDOR(0), 407,
		       DIGEST("v", ", algorithm=MD5") "\r\nProxy-Authenticate: " DIGEST("v", ", algorithm=SHA-256"));
	CHECK(is_answered(lab));
	lab_free(lab);
}

/* A nonce that is too old is no refusal; but nobody keeps us busy with that for ever. */
static void stale_nonce(void)
{
	struct lab *lab = ringing(NULL, DIGEST_BOTH);

	challenge_from(lab, VENDOR(0), 407, DIGEST("v", ""));
	CHECK(is_answered(lab));
	challenge_from(lab, VENDOR(0), 407, DIGEST("v", ", stale=true"));
	CHECK(is_answered(lab));
	challenge_from(lab, VENDOR(0), 407, DIGEST("v", ", stale=true"));
	CHECK(is_answered(lab));
	challenge_from(lab, VENDOR(0), 407, DIGEST("v", ", stale=true"));
	CHECK(!is_answered(lab));
	CHECK_INT(lab_waiting(lab, VENDOR(1)), 1);
	lab_free(lab);
}

static void refused_digest(void)
{
	struct lab *lab = ringing(NULL, DIGEST_BOTH);

	challenge_from(lab, VENDOR(0), 407, DIGEST("v", ""));
	CHECK(is_answered(lab));
	challenge_from(lab, VENDOR(0), 407, DIGEST("v", ""));
	CHECK(!is_answered(lab));
	CHECK_INT(lab_waiting(lab, VENDOR(1)), 1);
	lab_free(lab);
}

/* The dialog's requests go to a stranger by now, who has a challenge sent with the vendor's address. */
static void moved_dialog(void)
{
	struct lab *lab = ringing(NULL, DIGEST_BOTH);
	static struct sip_message answer;

	for (int moved = 0; moved < 2; moved++) {
		const char *callee = moved ? "10.9.9.9:5060" : VENDOR(0);

		lab_skip(lab, NULL);
		CHECK(lab_call(lab, 2 + (unsigned int)moved, &answer, &invite));
		lab_callee_request(lab, &invite, callee, "v", "UPDATE", 1, NULL);
		CHECK(lab_take(lab, callee, "SIP/2.0 200"));
		lab_caller_request(lab, &answer, "BYE", 2, NULL);
		lab_reply(lab, lab_take(lab, callee, "BYE "), VENDOR(0), 407, "", NULL,
			  "Proxy-Authenticate: " DIGEST("v", "") "\r\n");
		CHECK_INT(lab_waiting(lab, callee), !moved);
		CHECK_INT(lab_count(lab, COUNTER_client_auth_foreign), moved);
	}
	lab_free(lab);
}

/* RFC 3261 section 18.1.2: what names another sender than us is not ours, whatever its branch. */
static void sent_by(void)
{
	static const struct {
		const char *sent_by;
		bool ours;
	} cases[] = {
	    {"10.0.0.2:5060", false}, /* the port of media */
	    {"10.0.0.1:5061", false}, {"10.0.0.1:50600", false}, {"10.9.0.1:5060", false},  {"gw.example.net", false},
	    {"[2001:db8::1]", false}, {"10.0.0.1", true},        {"10.0.0.1 : 5060", true}, {"10.0.0.1:5060", true},
	};
	char text[2048], via[256];

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lab *lab = ringing(NULL, DIGEST_BOTH);
		struct sip_text branch = sip_message_via(&invite)->branch;
		struct sip_text from = sip_message_value(&invite, SIP_H_FROM),
				to = sip_message_value(&invite, SIP_H_TO);
		struct sip_text call_id = sip_message_call_id(&invite);

		snprintf(via, sizeof(via), "SIP/2.0/UDP %s;rport=5060;branch=%.*s", cases[i].sent_by, (int)branch.len,
			 branch.at);
		snprintf(text, sizeof(text),
			 "SIP/2.0 180 Ringing\r\nVia: %s\r\nFrom: %.*s\r\nTo: %.*s;tag=v\r\nCall-ID: %.*s\r\n"
			 "CSeq: %u INVITE\r\nContact: <sip:v@10.2.0.1>\r\nContent-Length: 0\r\n\r\n",
			 via, (int)from.len, from.at, (int)to.len, to.at, (int)call_id.len, call_id.at,
			 sip_message_cseq(&invite)->number);
		lab_skip(lab, CUSTOMER);
		lab_receive(lab, VENDOR(0), text, strlen(text));
		CHECK_INT(lab_waiting(lab, CUSTOMER), cases[i].ours);
		CHECK_INT(lab_count(lab, COUNTER_signaling_responses_foreign), !cases[i].ours);
		lab_free(lab);
	}
}

/* A 200 to an INVITE, with this From tag, which wants its ACK and BYE sent to a victim. */
static void answer_from(struct lab *lab, const char *from, const char *tag, int tag_len, unsigned int n)
{
	lab_text(lab, from,
		 "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKx\r\nFrom: <sip:x@y>;tag=%.*s\r\n"
		 "To: <sip:z@y>;tag=%u\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:v@" VICTIM ">\r\n"
		 "Record-Route: <sip:" VICTIM ";lr>\r\nContent-Length: 0\r\n\r\n",
		 tag_len, tag, n);
}

/* A tag of an answer of ours is anybody's to have: it proves nothing. Nor does that of a caller's own side. */
static void answer_with_a_known_tag(void)
{
	struct lab *lab = lab_new();
	struct sip_message *answer;

	lab_text(lab, STRANGER,
		 "OPTIONS sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP " STRANGER ";branch=z9hG4bKo\r\nMax-Forwards: 70\r\n"
		 "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\n"
		 "Content-Length: 0\r\n\r\n");
	answer = lab_take(lab, STRANGER, "SIP/2.0 200");
	answer_from(lab, STRANGER, sip_message_to(answer)->tag.at, (int)sip_message_to(answer)->tag.len, 1);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 180, "v", NULL, "");
	lab_take(lab, CUSTOMER, "SIP/2.0 100");
	answer = lab_take(lab, CUSTOMER, "SIP/2.0 180");
	answer_from(lab, STRANGER, sip_message_to(answer)->tag.at, (int)sip_message_to(answer)->tag.len, 2);
	CHECK_INT(lab_waiting(lab, NULL), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_responses_stray), 2);
	lab_free(lab);
}

/*
 * With the tag of an INVITE, which every phone behind a vendor has seen: one message for one, to where it comes from,
 * and nothing stands.
 */
static void answer_to_no_invite(void)
{
	struct lab *lab = ringing(NULL, DIGEST_BOTH);
	const struct sip_name_addr *from = sip_message_from(&invite);
	unsigned int standing = (unsigned int)lab_count(lab, COUNTER_signaling_transactions);

	lab_skip(lab, NULL);
	for (unsigned int i = 0; i < 3; i++)
		answer_from(lab, STRANGER, from->tag.at, (int)from->tag.len, i);
	CHECK_INT(lab_waiting(lab, VICTIM), 0);
	CHECK_INT(lab_waiting(lab, STRANGER), 3);
	for (unsigned int i = 0; i < 3; i++)
		CHECK(has(lab_take(lab, STRANGER, "BYE "), "Reason: Q.850;cause=31\r\n"));
	CHECK_INT(lab_count(lab, COUNTER_signaling_late_answers), 3);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), standing);
	lab_free(lab);
}

/* Who was called answers as many phones: nothing grows with that but what it sends itself. */
static void flood_of_forks(void)
{
	struct lab *lab = ringing(NULL, DIGEST_BOTH);
	unsigned int sent;
	char tag[16];

	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
	lab_skip(lab, NULL);
	for (unsigned int i = 0; i < 1000; i++) {
		snprintf(tag, sizeof(tag), "f%u", i);
		lab_reply(lab, &invite, VENDOR(0), 200, tag, NULL, "");
	}
	sent = lab_waiting(lab, VENDOR(0));
	CHECK(sent >= 1000 && sent < 1200);
	CHECK(lab_count(lab, COUNTER_signaling_transactions) < 100);
	lab_skip(lab, NULL);
	lab_sleep(lab, 40000);
	lab_skip(lab, NULL);
	lab_reply(lab, &invite, VENDOR(0), 200, "late", NULL, ""); /* long after: only the call's tag is known */
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_free(lab);
}

/* The BYE to an answer that crossed the CANCEL: what the vendor challenges goes again with credentials, nobody else's.
 */
static void late_bye_challenged(void)
{
	static const struct {
		const char *from;
		bool answered;
	} challenges[] = {{"10.2.0.1:5060", true}, {STRANGER, false}};

	for (unsigned int i = 0; i < 2; i++) {
		struct lab *lab = ringing(NULL, DIGEST_BOTH);
		static struct sip_message bye, again;

		lab_reply(lab, &invite, VENDOR(0), 180, "v", NULL, "");
		lab_cancel(lab, 1, "4930123");
		CHECK(lab_take(lab, VENDOR(0), "CANCEL "));
		lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "");
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
		bye = *lab_take(lab, VENDOR(0), "BYE ");
		CHECK(memmem(bye.data, bye.len, "\r\nReason: SIP;cause=487, Q.850;cause=", 37));
		lab_skip(lab, NULL);
		lab_reply(lab, &bye, challenges[i].from, 407, "", NULL, "Proxy-Authenticate: " DIGEST("v", "") "\r\n");
		CHECK_INT(lab_waiting(lab, NULL), challenges[i].answered);
		if (challenges[i].answered) {
			again = *lab_take(lab, VENDOR(0), "BYE ");
			CHECK(sip_message_has(&again, SIP_H_PROXY_AUTHORIZATION) &&
			      sip_message_has(&again, SIP_H_REASON));
			CHECK_INT(sip_message_cseq(&again)->number, sip_message_cseq(&bye)->number + 1);
			CHECK(sip_text_equal(sip_message_to(&again)->tag, SIP_TEXT("v")));
			CHECK(!sip_text_equal(sip_message_via(&again)->branch, sip_message_via(&bye)->branch));
			/* It does not go on for ever. */
			lab_reply(lab, &again, VENDOR(0), 407, "", NULL, "Proxy-Authenticate: " DIGEST("v", "") "\r\n");
			CHECK_INT(lab_waiting(lab, NULL), 0);
		}
		lab_sleep(lab, 70000);
		CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
		lab_free(lab);
	}
}

/*
 * The gateway has moved while its call stood: that call's BYE is with it where it was, but not if a redirect led it
 * there. What realm counts is said where the gateway is now.
 */
static void moved_gateway(void)
{
	for (int led_away = 0; led_away < 2; led_away++) {
		struct lab *lab = lab_new();
		static struct sip_message answer;
		struct vendor *vendor = party_get(lab->state.parties, lab->snapshot->route_entries[0].id)->vendor;

		lab_give_credentials(lab);
		CHECK(lab_call(lab, 1, &answer, &invite));
		if (led_away)
			((struct call_record *)call_table_record(lab->calls, 0))->dialog[CALLEE].flags |=
			    DIALOG_LED_AWAY;
		net_addr_parse(&lab->routing[0].address, "10.2.0.9:5060", 13);
		lab_reload(lab);
		lab_caller_request(lab, &answer, "BYE", 2, NULL);
		lab_reply(lab, lab_take(lab, VENDOR(0), "BYE "), VENDOR(0), 407, "", NULL,
			  "Proxy-Authenticate: Digest realm=\"v\", nonce=\"n\", qop=\"auth\"\r\n");
		CHECK_INT(lab_waiting(lab, VENDOR(0)), !led_away);
		CHECK_INT(atomic_load(&vendor->realm[REALM_OF_CALLS]), 0);
		if (!led_away)
			CHECK(has(lab_take(lab, VENDOR(0), "BYE "), "Proxy-Authorization: Digest username=\"tandem\""));
		lab_check_empty(lab);
		lab_free(lab);
	}
}

static const struct check_case cases[] = {
    {"a challenge from another address", another_address},
    {"a challenge for another realm", another_realm},
    {"the first realm is the one", pinned_realm},
    {"an algorithm too weak", weak_algorithm},
    {"a stale nonce", stale_nonce},
    {"a refused digest", refused_digest},
    {"a dialog that has moved", moved_dialog},
    {"a response with another's sent-by", sent_by},
    {"an answer with a tag that everybody knows", answer_with_a_known_tag},
    {"an answer to no INVITE", answer_to_no_invite},
    {"a flood of forks", flood_of_forks},
    {"the BYE of a late answer is challenged", late_bye_challenged},
    {"a gateway that has moved", moved_gateway},
};
CHECK_MAIN(cases)
