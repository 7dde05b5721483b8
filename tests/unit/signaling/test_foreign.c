/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from somebody else than it should: responses that name another sender, challenges of strangers. */
#include <string.h>

#include "lab.h"
#include "tests/unit/check.h"

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

static const struct check_case cases[] = {
    {"a challenge from another address", another_address},
    {"a challenge for another realm", another_realm},
    {"the first realm is the one", pinned_realm},
    {"an algorithm too weak", weak_algorithm},
    {"a stale nonce", stale_nonce},
    {"a refused digest", refused_digest},
    {"a response with another's sent-by", sent_by},
};
CHECK_MAIN(cases)
