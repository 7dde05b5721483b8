/* SPDX-License-Identifier: Apache-2.0 */
/* What the other side is told: who calls, why a call ends, what it hears while it rings. */
#include <stdlib.h>

#include "lab.h"
#include "signaling/sip/digest.h"
#include "tests/unit/check.h"

static void show(const char *what, const char *expected, struct sip_message *m)
{
	printf("  %s: expected %s in\n%.*s\n", what, expected, m ? (int)m->len : 0, m ? (const char *)m->data : "");
}

/* ---- who calls ---- */

#define PAI       "P-Asserted-Identity: \"A\" <sip:4930555@10.1.0.5>\r\n"
#define RPID      "Remote-Party-ID: <sip:4930555@10.1.0.5>;party=calling;privacy=full\r\n"
#define RPID_OFF  "Remote-Party-ID: <sip:4930555@10.1.0.5>;party=calling;privacy=off\r\n"
#define DIVERSION "Diversion: <sip:4930777@10.1.0.5>;reason=unconditional\r\n"
#define HISTORY   "History-Info: <sip:4930777@10.1.0.5?Reason=SIP%3Bcause%3D302>;index=1\r\n"

struct identity_case {
	const char *what, *headers;
	bool customer_untrusted, customer_strips, vendor_untrusted, strip_diversion, strip_history;
	enum identity_mode mode;
	const char *there[3], *absent[4];
};

static const struct identity_case identity_cases[] = {
    {"trusted both", PAI "Privacy: id\r\n",
     .there = {"P-Asserted-Identity: \"A\" <sip:004930555@10.0.0.1", "Privacy: id"}, .absent = {"10.1.0.5"}},
    {"vendor not trusted", PAI RPID_OFF "Privacy: id\r\n", .vendor_untrusted = true,
     .there = {"From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="},
     .absent = {"P-Asserted", "Remote-Party", "4930555"}},
    {"vendor not trusted, user and critical", PAI "Privacy: user;critical\r\n", .vendor_untrusted = true,
     .there = {"anonymous.invalid"}, .absent = {"P-Asserted"}},
    {"vendor not trusted, no privacy asked", PAI, .vendor_untrusted = true, .there = {"P-Asserted-Identity: "},
     .absent = {"anonymous"}},
    {"vendor not trusted, none", PAI "Privacy: none\r\n", .vendor_untrusted = true, .there = {"P-Asserted-Identity: "}},
    {"vendor not trusted, private by RPID", RPID DIVERSION HISTORY, .vendor_untrusted = true,
     .there = {"anonymous.invalid"}, .absent = {"Remote-Party", "Diversion", "History", "4930777"}},
    {"vendor not trusted, private in a second line", PAI "Privacy: session\r\nPrivacy: id\r\n",
     .vendor_untrusted = true, .there = {"anonymous.invalid"}, .absent = {"P-Asserted"}},
    {"vendor not trusted, a private history", PAI HISTORY "Privacy: history\r\n", .vendor_untrusted = true,
     .there = {"P-Asserted-Identity: "}, .absent = {"History"}},
    {"vendor not trusted, one private Diversion", "Diversion: <sip:4930776@10.1.0.5>;privacy=full\r\n" DIVERSION,
     .vendor_untrusted = true, .there = {"Diversion: <sip:4930777@"}, .absent = {"4930776"}},
    {"customer not trusted", PAI RPID_OFF DIVERSION, .customer_untrusted = true,
     .absent = {"P-Asserted", "Remote-Party", "Diversion"}},
    {"customer's word not taken", PAI DIVERSION, .customer_strips = true, .there = {"Diversion: <sip:4930777@10.0.0.1"},
     .absent = {"P-Asserted"}},
    {"strip", PAI RPID, .mode = IDENTITY_STRIP, .absent = {"P-Asserted", "Remote-Party"}},
    {"RPID to PAI", RPID_OFF, .mode = IDENTITY_PAI, .there = {"P-Asserted-Identity: <sip:004930555@10.0.0.1"},
     .absent = {"Remote-Party"}},
    {"PAI to RPID", PAI, .mode = IDENTITY_RPID,
     .there = {"Remote-Party-ID: \"A\" <sip:004930555@10.0.0.1", ";party=calling;screen=yes;privacy=off"},
     .absent = {"P-Asserted"}},
    {"private PAI to RPID", PAI "Privacy: id\r\n", .mode = IDENTITY_RPID, .there = {";screen=yes;privacy=full"}},
    {"added", "", .mode = IDENTITY_PAI, .there = {"P-Asserted-Identity: <sip:00"}},
    {"nothing to vouch for", PAI, .customer_untrusted = true, .mode = IDENTITY_PAI, .absent = {"P-Asserted"}},
    {"added, not vouched for", PAI, .customer_untrusted = true, .mode = IDENTITY_RPID,
     .there = {";screen=no;privacy=off"}, .absent = {"4930555"}},
    {"tel: URI", "P-Asserted-Identity: <tel:+4930555>, <sip:4930555@10.1.0.5>\r\n",
     .there = {"P-Asserted-Identity: <sip:00+4930555@10.0.0.1", "P-Asserted-Identity: <sip:004930555@10.0.0.1"}},
    {"by which way", DIVERSION HISTORY,
     .there = {"Diversion: <sip:4930777@10.0.0.1:5060>;reason=unconditional",
	       "History-Info: <sip:4930777@10.0.0.1:5060?Reason=SIP%3Bcause%3D302>;index=1"},
     .absent = {"10.1.0.5"}},
    {"by which way, not told", DIVERSION HISTORY, .strip_diversion = true, .strip_history = true,
     .absent = {"Diversion", "History"}},
    {"rubbish", "P-Asserted-Identity: <<>\r\nDiversion: \r\n", .absent = {"P-Asserted", "Diversion"}},
};

static void run_identity(const struct identity_case *c)
{
	struct lab *lab = lab_new();

	lab->mapping.headers.untrusted = c->customer_untrusted;
	lab->mapping.headers.identity = c->customer_strips ? IDENTITY_STRIP : IDENTITY_PASS;
	lab->routing[0].headers = (struct config_headers){.untrusted = c->vendor_untrusted,
							  .identity = c->mode,
							  .strip_diversion = c->strip_diversion,
							  .strip_history = c->strip_history};
	lab->routing[0].caller = (struct config_rewrite){0, (char *)(uintptr_t) "00"};
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, c->headers);
	struct sip_message *invite = lab_take(lab, VENDOR(0), "INVITE ");

	for (unsigned int i = 0; i < 3 && c->there[i]; i++) {
		CHECK(has(invite, c->there[i]));
		if (!has(invite, c->there[i]))
			show(c->what, c->there[i], invite);
	}
	for (unsigned int i = 0; i < 4 && c->absent[i]; i++) {
		CHECK(!has(invite, c->absent[i]));
		if (has(invite, c->absent[i]))
			show(c->what, "no such thing", invite);
	}
	lab_free(lab);
}

static void who_calls(void)
{
	for (size_t i = 0; i < sizeof(identity_cases) / sizeof(identity_cases[0]); i++)
		run_identity(&identity_cases[i]);
}

/* The credentials that answer the challenge. */
static const char *proof(struct sip_message *challenge, const char *user, const char *password)
{
	static char header[SIP_DIGEST_TEXT + 32] = "Proxy-Authorization: ";
	const struct sip_digest_limits any = {.refused = 0};
	struct sip_digest *digest = sip_digest_new();
	struct sip_challenge chosen;
	size_t start = strlen("Proxy-Authorization: ");
	bool proxy;

	CHECK_INT(sip_digest_choose(digest, challenge, &any, &chosen, &proxy), 0);
	int len =
	    sip_digest_authorize(digest, &chosen, sip_text_of(user), sip_text_of(password), SIP_TEXT("INVITE"),
				 SIP_TEXT("sip:4930123@10.0.0.1"), SIP_TEXT("c"), 1, header + start, SIP_DIGEST_TEXT);

	strcpy(header + start + (len > 0 ? len : 0), "\r\n");
	sip_digest_free(digest);
	return header;
}

/* It writes into From what it likes; what we assert is who it has proved to be. */
static void phone_calls(void)
{
	static struct config_phone phones[2] = {{(char *)(uintptr_t) "4911", (char *)(uintptr_t) "one", 1, 1},
						{(char *)(uintptr_t) "4922", (char *)(uintptr_t) "two", 1, 1}};
	static struct sip_message challenge;
	struct lab *lab = lab_new();

	lab->config.mapping_gateways_count = 0;
	lab->config.phones = phones;
	lab->config.phones_count = 2;
	lab->routing[0].headers.identity = IDENTITY_PAI;
	lab->routing[0].caller = (struct config_rewrite){0, (char *)(uintptr_t) "00"};
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	challenge = *lab_take(lab, CUSTOMER, "SIP/2.0 407");
	lab_ack_failure(lab, CUSTOMER, &challenge);
	lab_invite(lab, 2, "4930123", lab_sdp, proof(&challenge, "4922", "two"));
	struct sip_message *invite = lab_take(lab, VENDOR(0), "INVITE ");

	CHECK(has(invite, "P-Asserted-Identity: <sip:004922@10.0.0.1") && has(invite, "<sip:004911@10.0.0.1"));
	lab_free(lab);
}

/* What the INVITE wanted to be private still is in a re-INVITE that does not say so again. */
static void still_private(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer;

	lab->routing[0].headers.untrusted = true;
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, PAI "Privacy: id\r\n");
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 200, "v", lab_sdp, "");
	lab_take(lab, CUSTOMER, "SIP/2.0 100");
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	lab_skip(lab, NULL);
	lab->extra = PAI;
	lab_caller_request(lab, &answer, "INVITE", 2, lab_sdp);
	CHECK(!has(lab_take(lab, VENDOR(0), "INVITE "), "P-Asserted"));
	lab_free(lab);
}

/* The callee's identity, on its way back. */
static void who_answers(void)
{
	for (unsigned int i = 0; i < 3; i++) {
		struct lab *lab = lab_new();

		lab->mapping.headers.untrusted = i == 1;
		lab->routing[0].headers.untrusted = i == 2;
		lab_reload(lab);
		lab_invite(lab, 1, "4930123", lab_sdp, "");
		lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 180, "v", NULL,
			  "P-Asserted-Identity: <sip:4930124@10.2.0.1>\r\nPrivacy: id\r\n");
		lab_take(lab, CUSTOMER, "SIP/2.0 100");
		CHECK_INT(has(lab_take(lab, CUSTOMER, "SIP/2.0 180"), "P-Asserted-Identity: <sip:4930124@10.0.0.1"),
			  i == 0);
		lab_free(lab);
	}
}

/* ---- while it rings ---- */

struct ringback_case {
	const char *what;
	struct config_ringback rules;
	unsigned int code;
	bool sdp;
	const char *told; /* NULL: nothing */
	bool told_sdp;
};

static const struct ringback_case ringback_cases[] = {
    {"180 as it is", {0}, 180, false, "SIP/2.0 180", false},
    {"183 as it is", {0}, 183, true, "SIP/2.0 183", true},
    {"180 with SDP to 183", {.ringing_with_sdp = RINGBACK_183}, 180, true, "SIP/2.0 183", true},
    {"180 with SDP to 180", {.ringing_with_sdp = RINGBACK_180}, 180, true, "SIP/2.0 180", false},
    {"183 with SDP to 180", {.progress_with_sdp = RINGBACK_180}, 183, true, "SIP/2.0 180", false},
    {"183 without to 180", {.progress = RINGBACK_180}, 183, false, "SIP/2.0 180", false},
    {"180 to 183", {.ringing = RINGBACK_183}, 180, false, "SIP/2.0 183", false},
    {"181 dropped", {.progress = RINGBACK_DROP}, 181, false, NULL, false},
    {"another rule's", {.progress = RINGBACK_DROP}, 180, false, "SIP/2.0 180", false},
};

static void while_it_rings(void)
{
	for (size_t i = 0; i < sizeof(ringback_cases) / sizeof(ringback_cases[0]); i++) {
		const struct ringback_case *c = &ringback_cases[i];
		struct lab *lab = lab_new();
		static struct sip_message invite;

		lab->mapping.ringback = c->rules;
		lab_reload(lab);
		lab_invite(lab, 1, "4930123", lab_sdp, "");
		lab_take(lab, CUSTOMER, "SIP/2.0 100");
		invite = *lab_take(lab, VENDOR(0), "INVITE ");
		lab_reply(lab, &invite, VENDOR(0), c->code, "v", c->sdp ? lab_sdp : NULL, "");
		if (c->told)
			CHECK_INT(has(lab_take(lab, CUSTOMER, c->told), "m=audio"), c->told_sdp);
		CHECK_INT(lab_waiting(lab, CUSTOMER), 0);
		/* The 200 has it, whether the vendor says it again or not. */
		lab_reply(lab, &invite, VENDOR(0), 200, "v", c->sdp ? NULL : lab_sdp, "");
		CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "m=audio"));
		lab_free(lab);
	}
}

/* Where the early description was acknowledged, the 200 needs none. */
static void acknowledged_early(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite, progress;

	lab_invite(lab, 1, "4930123", lab_sdp, "Supported: 100rel\r\n");
	lab_take(lab, CUSTOMER, "SIP/2.0 100");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 183, "v", lab_sdp, "Require: 100rel\r\nRSeq: 1\r\n");
	progress = *lab_take(lab, CUSTOMER, "SIP/2.0 183");
	lab_prack(lab, &progress, 2, NULL);
	lab_skip(lab, NULL);
	lab_reply(lab, &invite, VENDOR(0), 200, "v", NULL, "");
	CHECK(!has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "m=audio"));
	lab_free(lab);
}

/* ---- why it ends ---- */

#define ELSEWHERE "Reason: SIP;cause=200;text=\"Call completed elsewhere\""

/* Of a BYE: the Q.850 cause goes into the record; where there is none, ours goes on behind the peer's words. */
static const struct {
	const char *says, *passed;
	unsigned int cause;
} reasons[] = {
    {"Reason: Q.850;cause=31;text=\"gone\"\r\n", "\r\nReason: Q.850;cause=31;text=\"gone\"\r\n", 31},
    {"Reason: SIP;cause=200, Q.850;cause=31\r\n", "\r\nReason: SIP;cause=200, Q.850;cause=31\r\n", 31},
    {"Reason: SIP;cause=200\r\nReason: Q.850;cause=31\r\n", "\r\nReason: SIP;cause=200, Q.850;cause=31\r\n", 31},
    {ELSEWHERE "\r\n", "\r\n" ELSEWHERE ", Q.850;cause=16\r\n", 16},
    {NULL, "\r\nReason: Q.850;cause=16\r\n", 16},
};

static void reasons_cross(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 180, "v", NULL, "");
	lab_text(lab, CUSTOMER,
		 "CANCEL sip:4930123@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.1.0.5:5060;branch=z9hG4bKi1\r\n"
		 "Max-Forwards: 70\r\nFrom: \"Ann\" <sip:4911@10.1.0.5>;tag=c1\r\nTo: <sip:4930123@10.0.0.1>\r\n"
		 "Call-ID: call1\r\nCSeq: 1 CANCEL\r\n" ELSEWHERE "\r\nContent-Length: 0\r\n\r\n");
	CHECK(has(lab_take(lab, VENDOR(0), "CANCEL "), ELSEWHERE ", Q.850;cause=16\r\n"));
	lab_sleep(lab, 70000);
	lab_free(lab);

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		lab = lab_new();
		CHECK(lab_call(lab, 1, &answer, &invite));
		lab->extra = reasons[i].says;
		lab_callee_request(lab, &invite, VENDOR(0), "v", "BYE", 1, NULL);
		CHECK(has(lab_take(lab, CUSTOMER, "BYE "), reasons[i].passed));
		lab->extra = NULL;
		lab_sleep(lab, 70000);
		CHECK_INT(lab_final(lab)->cause, reasons[i].cause);
		lab_free(lab);
	}
}

/* RFC 3398 section 8.2.6.1. */
static const struct {
	unsigned int code, cause;
} causes[] = {
    {400, 41}, {401, 21},  {402, 21},  {403, 21},  {404, 1},   {405, 63},  {406, 79},  {407, 21},  {408, 102},
    {410, 22}, {413, 127}, {414, 127}, {415, 79},  {416, 127}, {420, 127}, {421, 127}, {423, 127}, {480, 18},
    {481, 41}, {482, 25},  {483, 25},  {484, 28},  {485, 1},   {486, 17},  {500, 41},  {501, 79},  {502, 38},
    {503, 41}, {504, 102}, {505, 127}, {513, 127}, {600, 17},  {603, 21},  {604, 1},
};

static void causes_of_codes(void)
{
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		struct lab *lab = lab_new();
		char reason[64];

		lab->config.parameters.gateway_switch_limit = 0;
		lab_reload(lab);
		lab_invite(lab, 1, "4930123", lab_sdp, "");
		lab_take(lab, CUSTOMER, "SIP/2.0 100");
		lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), causes[i].code, "v", NULL, "");
		snprintf(reason, sizeof(reason), "Reason: Q.850;cause=%u\r\n", causes[i].cause);
		struct sip_message *told = lab_take(lab, CUSTOMER, "SIP/2.0 ");

		CHECK(has(told, reason));
		if (!has(told, reason))
			show("cause", reason, told);
		lab_sleep(lab, 70000);
		CHECK_INT(lab_final(lab)->cause, causes[i].cause);
		lab_free(lab);
	}
}

static const struct check_case cases[] = {
    {"who calls", who_calls},
    {"a phone calls", phone_calls},
    {"still private", still_private},
    {"who answers", who_answers},
    {"while it rings", while_it_rings},
    {"a description acknowledged early", acknowledged_early},
    {"reasons cross", reasons_cross},
    {"causes of codes (RFC 3398)", causes_of_codes},
};
CHECK_MAIN(cases)
