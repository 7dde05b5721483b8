/* SPDX-License-Identifier: Apache-2.0 */
/* Where an attempt may go: redirections, the contacts of a phone, and what an attempt that is over still says. */
#include <stdlib.h>

#include "lab.h"
#include "common/end_reason.h"
#include "proto/messages.h"
#include "signaling/gateway_address.h"
#include "signaling/sip/digest.h"
#include "tests/unit/check.h"

#define ELSEWHERE "10.9.9.9:5060"
#define NOBODY    "Contact: <sip:4930999@10.9.9.9>\r\n"

static struct lab *redirecting_lab(unsigned int follow, enum redirect_to to)
{
	struct lab *lab = lab_new();

	lab->routing[0].redirect = (struct config_redirect){follow, to};
	lab_reload(lab);
	return lab;
}

/* The customer calls; what the first vendor got. */
static struct sip_message *call_vendor(struct lab *lab, unsigned int n)
{
	lab_skip(lab, NULL);
	lab_invite(lab, n, "4930123", lab_sdp, "");
	lab_skip(lab, CUSTOMER);
	return lab_take(lab, VENDOR(0), "INVITE ");
}

/* The INVITE that has come to this address, answered so; NULL: none has. */
static struct sip_message *answered(struct lab *lab, const char *at, unsigned int code, const char *extra)
{
	static struct sip_message invite;
	struct sip_message *m = lab_take(lab, at, "INVITE ");

	if (!m)
		return NULL;
	invite = *m;
	lab_reply(lab, &invite, at, code, "t", code < 200 ? lab_sdp : NULL, extra);
	if (code >= 300)
		CHECK(lab_take(lab, at, "ACK "));
	return &invite;
}

/* Of the call's records in order: gateway, code and number. */
struct row {
	const char *gateway;
	unsigned int code;
	const char *number;
};

static void check_rows(struct lab *lab, const struct row *rows, unsigned int count)
{
	lab_sleep(lab, 70000);
	CHECK_INT(lab->cdr_count, count);
	for (unsigned int i = 0; i < count && i < lab->cdr_count; i++) {
		CHECK_TEXT(lab->cdrs[i].gateway, strlen(lab->cdrs[i].gateway), rows[i].gateway);
		CHECK_TEXT(lab->cdrs[i].callee_out, strlen(lab->cdrs[i].callee_out), rows[i].number);
		CHECK_INT(lab->cdrs[i].code, rows[i].code);
		CHECK_INT(lab->cdrs[i].attempt, i + 1);
		CHECK_INT(lab->cdrs[i].final, i + 1 == count);
	}
	CHECK_INT(lab_standing(lab), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
}
#define CHECK_ROWS(lab, ...)                                                                                           \
	do {                                                                                                           \
		const struct row rows[] = {__VA_ARGS__};                                                               \
		check_rows(lab, rows, sizeof(rows) / sizeof(rows[0]));                                                 \
	} while (0)

/* ---- which 3xx is followed, and to where ---- */

struct policy_case {
	const char *what;
	unsigned int follow;
	enum redirect_to to;
	unsigned int code;
	const char *extra;
	const char *where, *uri; /* NULL: the route's next gateway */
	enum counter_id counter;
};

static const struct policy_case policies[] = {
    {"off", 0, REDIRECT_ANY, 302, NOBODY, .counter = COUNTER_signaling_switches},
    {"any", 1, REDIRECT_ANY, 302, NOBODY, ELSEWHERE, "sip:4930999@10.9.9.9", COUNTER_redirect_followed},
    {"nobody's", 1, REDIRECT_KNOWN, 302, NOBODY, .counter = COUNTER_redirect_refused},
    {"known", 1, REDIRECT_KNOWN, 302, "Contact: <sip:4930999@10.2.0.4>\r\n", "10.2.0.4:5060", "sip:4930999@10.2.0.4",
     COUNTER_redirect_followed},
    {"another's", 1, REDIRECT_SAME, 302, "Contact: <sip:4930999@10.2.0.4>\r\n", .counter = COUNTER_redirect_refused},
    {"its own", 1, REDIRECT_SAME, 301, "Contact: sip:4930999@10.2.0.1:5070;q=0.1\r\n", "10.2.0.1:5070",
     "sip:4930999@10.2.0.1:5070", COUNTER_redirect_followed},
    {"multiple choices", 1, REDIRECT_ANY, 300, NOBODY, ELSEWHERE, "sip:4930999@10.9.9.9", COUNTER_redirect_followed},
    {"use proxy", 1, REDIRECT_ANY, 305, NOBODY, ELSEWHERE, "sip:4930999@10.9.9.9", COUNTER_redirect_followed},
    {"another service", 1, REDIRECT_ANY, 380, NOBODY, .counter = COUNTER_signaling_switches},
    {"no Contact", 1, REDIRECT_ANY, 302, "", .counter = COUNTER_signaling_switches},
    {"nonsense", 1, REDIRECT_ANY, 302, "Contact: <sip:@@>\r\n", .counter = COUNTER_redirect_unusable},
    {"all of them", 1, REDIRECT_ANY, 302, "Contact: *\r\n", .counter = COUNTER_redirect_unusable},
    {"secure", 1, REDIRECT_ANY, 302, "Contact: <sips:4930999@10.9.9.9>\r\n", .counter = COUNTER_redirect_unusable},
    {"over TCP", 1, REDIRECT_ANY, 302, "Contact: <sip:4930999@10.9.9.9;transport=tcp>\r\n",
     .counter = COUNTER_redirect_unusable},
    {"a number alone", 1, REDIRECT_ANY, 302, "Contact: <tel:+4930999>\r\n", .counter = COUNTER_redirect_unusable},
    {"a name", 1, REDIRECT_ANY, 302, "Contact: <sip:4930999@vendor.example>\r\n", .counter = COUNTER_redirect_unusable},
    {"not reached", 1, REDIRECT_ANY, 302, "Contact: <sip:4930999@[2001:db8::1]>\r\n",
     .counter = COUNTER_redirect_unusable},
    {"another method", 1, REDIRECT_ANY, 302, "Contact: <sip:4930999@10.9.9.9;method=BYE>\r\n",
     .counter = COUNTER_redirect_unusable},
    {"headers are left out", 1, REDIRECT_ANY, 302, "Contact: <sip:4930999@10.9.9.9?Replaces=x>\r\n", ELSEWHERE,
     "sip:4930999@10.9.9.9 SIP/2.0", COUNTER_redirect_followed},
    {"where it was", 1, REDIRECT_ANY, 302, "Contact: <sip:4930123@10.2.0.1:5060>\r\n",
     .counter = COUNTER_redirect_loops},
    {"maddr decides", 1, REDIRECT_KNOWN, 302, "Contact: <sip:4930999@10.2.0.4;maddr=10.9.9.9>\r\n",
     .counter = COUNTER_redirect_refused},
};

static void run_policy(const struct policy_case *c)
{
	struct lab *lab = redirecting_lab(c->follow, c->to);
	char start[128];

	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), c->code, "t", NULL, c->extra);
	struct sip_message *m = lab_take(lab, c->where ? c->where : VENDOR(1), "INVITE ");

	snprintf(start, sizeof(start), "INVITE %s", c->uri ? c->uri : "sip:4930123@10.2.0.2:5060");
	if (!has(m, start) || has(m, "Diversion:") != (c->where != NULL) || lab_count(lab, c->counter) != 1) {
		printf("  %s\n", c->what);
		CHECK(false);
	}
	lab_cancel(lab, 1, "4930123");
	lab_sleep(lab, 70000);
	CHECK_INT(lab->cdr_count, 2);
	CHECK_INT(lab_standing(lab), 0);
	lab_free(lab);
}

static void policy(void)
{
	for (unsigned int i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
		run_policy(&policies[i]);
}

/* A vendor that is known by name: by that, and by each of its addresses. */
static void names(void)
{
	struct lab *lab = redirecting_lab(2, REDIRECT_KNOWN);
	struct gateway_addresses *found = calloc(1, sizeof(*found));
	uint32_t id;

	lab->routing[3].host = (char *)(uintptr_t) "vendor.test";
	lab_reload(lab);
	CHECK_INT(gateway_find(lab->engine, GATEWAY_CALLEE, false, "v4", 2, &id), 0);
	found->count = 2;
	net_addr_parse(&found->target[0].addr, "10.3.0.1:5062", 13);
	net_addr_parse(&found->target[1].addr, "10.3.0.2:5060", 13);
	found->target[1].priority = 1;
	gateway_addresses_publish(party_get(lab->state.parties, id), found, 1, lab->now_us);
	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 302, "t", NULL,
		  "Contact: <sip:4931@Vendor.test>, <sip:4932@10.3.0.2>;q=0.5, <sip:4933@other.test>;q=0.2\r\n");
	CHECK(has(answered(lab, "10.3.0.1:5062", 404, ""), "INVITE sip:4931@Vendor.test SIP/2.0\r\n"));
	CHECK(has(answered(lab, "10.3.0.2:5060", 486, ""), "INVITE sip:4932@10.3.0.2 SIP/2.0\r\n"));
	CHECK_INT(lab_count(lab, COUNTER_redirect_unusable), 1);
	CHECK_ROWS(lab, {"v1", 302, "4930123"}, {"v1", 404, "4931"}, {"v1", 486, "4932"});
	lab_free(lab);
}

/* ---- in which order, how many ---- */

static void by_q(void)
{
	struct lab *lab = redirecting_lab(8, REDIRECT_ANY);

	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 300, "t", NULL,
		  "Contact: <sip:4931@10.9.9.1>;q=0.3, <sip:4932@10.9.9.2>;q=0.9\r\nContact: <sip:4933@10.9.9.3>\r\n"
		  "Contact: <sip:4932@10.9.9.2>\r\n");
	CHECK_INT(lab_waiting(lab, "10.9.9.1:5060") + lab_waiting(lab, "10.9.9.2:5060"), 0);
	CHECK(answered(lab, "10.9.9.3:5060", 404, ""));
	CHECK(answered(lab, "10.9.9.2:5060", 503, "Retry-After: 60\r\n"));
	CHECK(answered(lab, "10.9.9.1:5060", 480, ""));
	CHECK(answered(lab, VENDOR(1), 486, ""));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 486"));
	CHECK_INT(lab_count(lab, COUNTER_signaling_switches), 1);
	CHECK_INT(lab_count(lab, COUNTER_redirect_followed), 3);
	CHECK_INT(lab_count(lab, COUNTER_redirect_loops), 1);
	CHECK_INT(lab_count(lab, COUNTER_registrar_gateway_banned), 0);
	CHECK_ROWS(lab, {"v1", 300, "4930123"}, {"v1", 404, "4933"}, {"v1", 503, "4932"}, {"v1", 480, "4931"},
		   {"v2", 486, "4930123"});
	lab_free(lab);
}

/* A target that redirects, too: the latest goes first, nobody twice. */
static void redirected_again(void)
{
	struct lab *lab = redirecting_lab(8, REDIRECT_ANY);
	struct sip_message *m;

	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 302, "t", NULL,
		  "Contact: <sip:4931@10.9.9.1>, <sip:4932@10.9.9.2>;q=0.9\r\n");
	CHECK(answered(lab, "10.9.9.1:5060", 301,
		       "Contact: <sip:4933@10.9.9.3>;q=0.1, <sip:4931@10.9.9.1:5060>, <sip:4930123@10.2.0.1:5060>, "
		       "<sip:4932@10.9.9.2>\r\n"));
	m = answered(lab, "10.9.9.3:5060", 404, "");
	CHECK(has(m, "Diversion: <sip:4931@10.0.0.1:5060>;reason=unconditional;counter=1\r\n"
		     "Diversion: <sip:4930123@10.0.0.1:5060>;reason=unconditional;counter=1\r\n"));
	CHECK(has(m, "History-Info: <sip:4930123@10.0.0.1:5060>;index=1\r\n"
		     "History-Info: <sip:4930123@10.0.0.1:5060?Reason=SIP%3Bcause%3D302>;index=1.1\r\n"
		     "History-Info: <sip:4931@10.0.0.1:5060?Reason=SIP%3Bcause%3D301>;index=1.2;mp=1.1\r\n"
		     "History-Info: <sip:4933@10.9.9.3:5060>;index=1.3;mp=1.2\r\n"));
	m = answered(lab, "10.9.9.2:5060", 603, "");
	CHECK(has(m, "Diversion: <sip:4930123@10.0.0.1:5060>"));
	CHECK(!has(m, "Diversion: <sip:4931@"));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 603"));
	CHECK_INT(lab_count(lab, COUNTER_redirect_loops), 3);
	CHECK_ROWS(lab, {"v1", 302, "4930123"}, {"v1", 301, "4931"}, {"v1", 404, "4933"}, {"v1", 603, "4932"});
	lab_free(lab);
}

static void limits(void)
{
	struct lab *lab = redirecting_lab(2, REDIRECT_ANY);

	lab->config.parameters.gateway_switch_limit = 0;
	lab_reload(lab);
	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 302, "t", NULL,
		  "Contact: <sip:4931@10.9.9.1>, <sip:4932@10.9.9.2>, <sip:4933@10.9.9.3>\r\n");
	CHECK(answered(lab, "10.9.9.1:5060", 404, ""));
	CHECK(answered(lab, "10.9.9.2:5060", 302, NOBODY));
	CHECK_INT(lab_waiting(lab, "10.9.9.3:5060") + lab_waiting(lab, ELSEWHERE), 0);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 480"));
	CHECK_INT(lab_count(lab, COUNTER_redirect_exhausted), 1);
	CHECK_ROWS(lab, {"v1", 302, "4930123"}, {"v1", 404, "4931"}, {"v1", 302, "4932"});
	CHECK_INT(lab_final(lab)->reason, END_SWITCH_LIMIT);
	lab_free(lab);
}

/* More of them, and longer ones, than there is room for. */
static void too_many(void)
{
	struct lab *lab = redirecting_lab(8, REDIRECT_ANY);
	static char contacts[16384];
	size_t len = 0;

	for (unsigned int i = 0; i < 12; i++)
		len += (size_t)snprintf(contacts + len, sizeof(contacts) - len,
					"Contact: <sip:49%02u@10.9.9.%u;x=%0500u>\r\n", i, i + 1, i & 1 ? 0 : 7);
	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 302, "t", NULL, contacts);
	CHECK(answered(lab, "10.9.9.1:5060", 404, ""));
	CHECK(answered(lab, "10.9.9.2:5060", 404, ""));
	CHECK(answered(lab, VENDOR(1), 486, ""));
	CHECK_INT(lab_count(lab, COUNTER_redirect_exhausted), 10);
	CHECK_ROWS(lab, {"v1", 302, "4930123"}, {"v1", 404, "4900"}, {"v1", 404, "4901"}, {"v2", 486, "4930123"});
	lab_free(lab);

	/* However many it names, it does not keep us busy: a good one behind so many others is not seen. */
	for (unsigned int others = 17; others <= 18; others++) {
		lab = redirecting_lab(8, REDIRECT_ANY);
		len = 0;
		for (unsigned int i = 0; i < others; i++)
			len += (size_t)snprintf(contacts + len, sizeof(contacts) - len, "Contact: <tel:+%u>\r\n", i);
		snprintf(contacts + len, sizeof(contacts) - len, NOBODY NOBODY);
		lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 302, "t", NULL, contacts);
		CHECK_INT(lab_waiting(lab, ELSEWHERE), others == 17);
		CHECK_INT(lab_waiting(lab, VENDOR(1)), others == 18);
		CHECK_INT(lab_count(lab, COUNTER_redirect_unusable), others);
		CHECK_INT(lab_count(lab, COUNTER_redirect_loops), 0);
		lab_free(lab);
	}
}

/* What ends the search ends it for targets, too: a stop code, a description that was heard. */
static void stops(void)
{
	static unsigned int codes[] = {302};
	struct lab *lab = redirecting_lab(8, REDIRECT_ANY);
	struct sip_message *invite = call_vendor(lab, 1);

	lab_reply(lab, invite, VENDOR(0), 183, "t", lab_sdp, "");
	lab_reply(lab, invite, VENDOR(0), 302, "t", NULL, NOBODY);
	CHECK_INT(lab_waiting(lab, ELSEWHERE), 0);
	lab->routing[0].stop_codes = codes;
	lab->routing[0].stop_codes_count = 1;
	lab_reload(lab);
	lab_reply(lab, call_vendor(lab, 2), VENDOR(0), 302, "t", NULL, NOBODY);
	CHECK_INT(lab_waiting(lab, ELSEWHERE) + lab_waiting(lab, VENDOR(1)), 0);
	lab_sleep(lab, 70000);
	CHECK_INT(lab->cdr_count, 2);
	lab_free(lab);
}

/* ---- on whose account ---- */

static void capacity(void)
{
	struct lab *lab = redirecting_lab(8, REDIRECT_ANY);
	static struct sip_message invite;

	lab->routing[0].capacity = 1;
	lab_reload(lab);
	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 302, "t", NULL, NOBODY);
	invite = *lab_take(lab, ELSEWHERE, "INVITE ");
	/* The place is taken meanwhile... */
	lab_invite(lab, 2, "4930123", lab_sdp, "");
	CHECK(answered(lab, VENDOR(1), 486, ""));
	lab_reply(lab, &invite, ELSEWHERE, 486, "t", NULL, "");
	/* ...and free again, once. */
	CHECK(call_vendor(lab, 3));
	lab_invite(lab, 4, "4930123", lab_sdp, "");
	CHECK(answered(lab, VENDOR(1), 486, ""));
	lab_free(lab);
}

static void rate(void)
{
	struct lab *lab = redirecting_lab(8, REDIRECT_ANY);

	lab->routing[0].calls_per_second = 2;
	lab_reload(lab);
	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 302, "t", NULL,
		  "Contact: <sip:4931@10.9.9.1>, <sip:4932@10.9.9.2>\r\n");
	CHECK(answered(lab, "10.9.9.1:5060", 404, ""));
	CHECK_INT(lab_waiting(lab, "10.9.9.2:5060"), 0);
	CHECK(answered(lab, VENDOR(1), 486, ""));
	lab_free(lab);
}

#define CHALLENGE "Proxy-Authenticate: Digest realm=\"v\", nonce=\"n\", algorithm=MD5\r\n"

static void credentials(void)
{
	struct lab *lab = redirecting_lab(8, REDIRECT_ANY);
	struct config_credentials secret = {
	    .user = (char *)(uintptr_t) "u", .password = (char *)(uintptr_t) "p", .algorithms = DIGEST_BOTH};
	static struct sip_message invite;

	lab->routing[0].digest = &secret;
	lab_reload(lab);
	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 302, "t", NULL,
		  "Contact: <sip:4931@10.9.9.1>, <sip:4932@10.9.9.2>, <sip:4933@10.2.0.1:5070>\r\n");
	CHECK(answered(lab, "10.9.9.1:5060", 407, CHALLENGE));
	/* Not even when the challenge looks as if it came from the gateway. */
	invite = *lab_take(lab, "10.9.9.2:5060", "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 407, "t", NULL, CHALLENGE);
	CHECK(lab_take(lab, "10.9.9.2:5060", "ACK "));
	CHECK_INT(lab_waiting(lab, "10.9.9.1:5060") + lab_waiting(lab, "10.9.9.2:5060"), 0);
	CHECK_INT(lab_count(lab, COUNTER_client_auth_foreign), 2);
	/* At its own address it gets them. */
	CHECK(answered(lab, "10.2.0.1:5070", 407, CHALLENGE));
	CHECK(has(lab_take(lab, "10.2.0.1:5070", "INVITE "), "Proxy-Authorization: Digest username=\"u\""));
	lab_cancel(lab, 1, "4930123");
	lab_sleep(lab, 70000);
	CHECK_INT(lab->cdr_count, 4);
	lab->routing[0].digest = NULL;
	lab_free(lab);
}

/* An answered call that was redirected: its BYE does not get them, either. */
static void credentials_of_bye(void)
{
	struct lab *lab = redirecting_lab(8, REDIRECT_ANY);
	struct config_credentials secret = {
	    .user = (char *)(uintptr_t) "u", .password = (char *)(uintptr_t) "p", .algorithms = DIGEST_BOTH};
	static struct sip_message invite, answer;

	lab->routing[0].digest = &secret;
	lab_reload(lab);
	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 302, "t", NULL, NOBODY);
	invite = *lab_take(lab, ELSEWHERE, "INVITE ");
	lab_reply(lab, &invite, ELSEWHERE, 200, "t", lab_sdp, "");
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	CHECK(lab_take(lab, ELSEWHERE, "ACK "));
	lab_reply(lab, lab_take(lab, ELSEWHERE, "BYE "), VENDOR(0), 407, "", NULL, CHALLENGE);
	CHECK_INT(lab_waiting(lab, ELSEWHERE), 0);
	CHECK_ROWS(lab, {"v1", 302, "4930123"}, {"v1", 200, "4930999"});
	lab->routing[0].digest = NULL;
	lab_free(lab);
}

static void over_a_kill(void)
{
	struct lab *lab = redirecting_lab(8, REDIRECT_ANY);

	lab->routing[0].capacity = 1;
	lab_reload(lab);
	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 302, "t", NULL, NOBODY);
	CHECK(lab_take(lab, ELSEWHERE, "INVITE "));
	lab_restart(lab);
	lab_sleep(lab, 1000);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 503"));
	CHECK_ROWS(lab, {"v1", 302, "4930123"}, {"v1", 503, "4930999"});
	CHECK(call_vendor(lab, 2));
	lab_free(lab);
}

/* The gateway is taken out of the configuration while its redirect is being followed. */
static void over_a_reload(void)
{
	struct lab *lab = redirecting_lab(8, REDIRECT_ANY);

	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 302, "t", NULL,
		  "Contact: <sip:4931@10.9.9.1>, <sip:4932@10.9.9.2>\r\n");
	lab->config.routing_gateways++;
	lab->config.routing_gateways_count--;
	lab_reload(lab);
	CHECK(answered(lab, "10.9.9.1:5060", 302, NOBODY));
	CHECK(answered(lab, VENDOR(1), 486, ""));
	CHECK_ROWS(lab, {"v1", 302, "4930123"}, {"v1", 302, "4931"}, {"v2", 486, "4930123"});
	lab_free(lab);
}

/* ---- headers ---- */

static void headers(void)
{
	struct lab *lab = redirecting_lab(8, REDIRECT_ANY);
	struct sip_message *m;

	lab_invite(lab, 1, "4930123", lab_sdp,
		   "Diversion: <sip:4930777@10.1.0.5>;reason=no-answer\r\n"
		   "History-Info: <sip:4930777@10.1.0.5>;index=1, <sip:4930123@10.1.0.5>;index=1.1\r\n");
	CHECK(answered(lab, VENDOR(0), 300, NOBODY));
	m = lab_take(lab, ELSEWHERE, "INVITE ");
	CHECK(has(m, "Diversion: <sip:4930123@10.0.0.1:5060>;reason=unknown;counter=1\r\n"
		     "Diversion: <sip:4930777@10.0.0.1:5060>;reason=no-answer\r\n"));
	CHECK(has(m, ";index=1.1\r\nHistory-Info: <sip:4930123@10.0.0.1:5060?Reason=SIP%3Bcause%3D300>;index=1.1.1\r\n"
		     "History-Info: <sip:4930999@10.9.9.9:5060>;index=1.1.2;mp=1.1.1\r\n"));
	lab->routing[0].headers.strip_diversion = lab->routing[0].headers.strip_history = true;
	lab_reload(lab);
	lab_reply(lab, call_vendor(lab, 2), VENDOR(0), 302, "t", NULL, NOBODY);
	m = lab_take(lab, ELSEWHERE, "INVITE ");
	CHECK(m && !has(m, "Diversion") && !has(m, "History-Info"));
	/* The customer's word does not count, ours does. */
	lab->routing[0].headers.strip_diversion = lab->routing[0].headers.strip_history = false;
	lab->mapping.headers.untrusted = true;
	lab_reload(lab);
	lab_skip(lab, NULL);
	lab_invite(lab, 3, "4930123", lab_sdp, "History-Info: <sip:4930777@10.1.0.5>;index=1.4\r\n");
	CHECK(answered(lab, VENDOR(0), 302, NOBODY));
	m = lab_take(lab, ELSEWHERE, "INVITE ");
	CHECK(has(m, "History-Info: <sip:4930123@10.0.0.1:5060>;index=1\r\n") && has(m, "Diversion:"));
	CHECK(!has(m, "4930777"));
	lab_free(lab);
}

/* ---- to the caller ---- */

static void passed(void)
{
	static struct config_rewrite_code rewritten = {302, 404};
	struct lab *lab = redirecting_lab(0, REDIRECT_ANY);
	struct sip_message *m;

	lab->mapping.redirect_pass = true;
	lab_reload(lab);
	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 302, "t", NULL,
		  "Contact: <sip:4930999@10.9.9.9>;q=0.4\r\nContact: <sip:4931@10.9.9.1>\r\n");
	m = lab_take(lab, CUSTOMER, "SIP/2.0 302");
	CHECK(has(m, "Contact: <sip:4930999@10.9.9.9>;q=0.4\r\nContact: <sip:4931@10.9.9.1>\r\n"));
	CHECK_INT(lab_waiting(lab, VENDOR(1)), 0);
	lab_ack_failure(lab, CUSTOMER, m);
	CHECK_INT(lab_count(lab, COUNTER_redirect_passed), 1);
	CHECK_ROWS(lab, {"v1", 302, "4930123"});
	/* Without a Contact nobody can follow it. */
	lab_reply(lab, call_vendor(lab, 2), VENDOR(0), 302, "t", NULL, "");
	CHECK(answered(lab, VENDOR(1), 486, ""));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 486"));
	/* Followed here as far as that goes. */
	lab->routing[0].redirect = (struct config_redirect){1, REDIRECT_KNOWN};
	lab_reload(lab);
	lab_reply(lab, call_vendor(lab, 3), VENDOR(0), 302, "t", NULL, NOBODY);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 302"), NOBODY));
	lab_reply(lab, call_vendor(lab, 4), VENDOR(0), 302, "t", NULL, "Contact: <sip:4930999@10.2.0.4>\r\n");
	CHECK(answered(lab, VENDOR(3), 380, NOBODY));
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 380"), NOBODY));
	/* The customer's own table goes before. */
	lab->mapping.response_codes = &rewritten;
	lab->mapping.response_codes_count = 1;
	lab_reload(lab);
	lab_reply(lab, call_vendor(lab, 5), VENDOR(0), 302, "t", NULL, NOBODY);
	m = lab_take(lab, CUSTOMER, "SIP/2.0 404");
	CHECK(m && !has(m, "Contact"));
	lab_free(lab);
}

static void hidden(void)
{
	struct lab *lab = redirecting_lab(0, REDIRECT_ANY);
	struct sip_message *m;

	lab->config.parameters.gateway_switch_limit = 0;
	lab_reload(lab);
	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 302, "t", NULL, NOBODY);
	m = lab_take(lab, CUSTOMER, "SIP/2.0 480");
	CHECK(m && !has(m, "Contact"));
	lab_free(lab);
}

/* ---- a phone with several contacts ---- */

#define PHONE(n) ((const char *const[]){"10.3.0.1:5060", "10.3.0.2:5060", "10.3.0.3:5060"}[n])

static void add_contact(struct lab *lab, unsigned int n, unsigned int q_x1000)
{
	struct binding_record record = {.q_x1000 = (uint16_t)q_x1000, .user_len = 3};
	uint32_t slot;

	memcpy(record.user, "bob", 3);
	record.contact_len = (uint16_t)snprintf(record.contact, sizeof(record.contact), "sip:bob@%s", PHONE(n));
	record.local = lab->addresses[0].addr;
	record.local.port = 5060;
	net_addr_parse(&record.remote, PHONE(n), strlen(PHONE(n)));
	record.refreshed_us = lab->now_us + n;
	record.expires_us = lab->now_us + 3600 * US_PER_S;
	CHECK_INT(binding_store_add(lab->store, &record, &slot), 0);
}

static struct lab *phone_lab(struct config_phone *phone)
{
	struct lab *lab = lab_new();

	*phone = (struct config_phone){
	    .user = (char *)(uintptr_t) "bob", .password = (char *)(uintptr_t) "secret", .count = 1, .capacity = 1};
	lab->config.phones = phone;
	lab->config.phones_count = 1;
	lab_reload(lab);
	add_contact(lab, 0, 300);
	add_contact(lab, 1, 1000);
	add_contact(lab, 2, 300);
	return lab;
}

static void contacts(void)
{
	struct config_phone phone;
	struct lab *lab = phone_lab(&phone);

	lab_invite(lab, 1, "bob", lab_sdp, "");
	/* The highest q first; of equal ones the latest. */
	CHECK(answered(lab, PHONE(1), 480, ""));
	CHECK(answered(lab, PHONE(2), 302, NOBODY));
	CHECK_INT(lab_waiting(lab, ELSEWHERE), 0);
	CHECK(answered(lab, PHONE(0), 404, ""));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100") && lab_take(lab, CUSTOMER, "SIP/2.0 404"));
	CHECK_INT(lab_count(lab, COUNTER_signaling_switches), 2);
	CHECK_ROWS(lab, {"bob", 480, "bob"}, {"bob", 302, "bob"}, {"bob", 404, "bob"});
	/* Its one place is free again. */
	lab_invite(lab, 2, "bob", lab_sdp, "");
	CHECK(lab_take(lab, PHONE(1), "INVITE "));
	lab_invite(lab, 3, "bob", lab_sdp, "");
	lab_skip(lab, CUSTOMER);
	CHECK_INT(lab_waiting(lab, PHONE(2)), 0);
	/* Silence leads on; busy ends it. */
	lab_sleep(lab, 10100);
	lab_skip(lab, PHONE(1));
	CHECK(answered(lab, PHONE(2), 486, ""));
	CHECK_INT(lab_waiting(lab, PHONE(0)), 0);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 486"));
	lab_free(lab);
}

/* ---- a late word of media ---- */

static void say_started(struct lab *lab, const struct call_record *record, uint32_t generation)
{
	Tandem__MediaStarted started = TANDEM__MEDIA_STARTED__INIT;
	uint8_t body[64];
	struct ring_message m = {.body = body, .type = MESSAGE_MEDIA_STARTED};

	started.session = lab->last_session;
	started.id = record->life;
	started.from_callee = true;
	started.generation = generation;
	m.len = (uint32_t)tandem__media_started__pack(&started, body);
	engine_media_message(lab->engine, 0, &m);
}

static void late_media(void)
{
	struct lab *lab = lab_new();
	static struct sip_message invite;

	lab->config.parameters.stop_switch_after_sdp = false;
	lab_reload(lab);
	invite = *call_vendor(lab, 1);
	const struct call_record *record = call_table_record(lab->calls, lab->last_session);

	lab_reply(lab, &invite, VENDOR(0), 183, "t", lab_sdp, "");
	uint32_t generation = record->media[CALLEE].generation;

	lab_reply(lab, &invite, VENDOR(0), 500, "t", NULL, "");
	/* The first vendor was heard; that says nothing of the second. */
	say_started(lab, record, generation);
	CHECK_INT(lab_count(lab, COUNTER_signaling_media_strays), 1);
	invite = *lab_take(lab, VENDOR(1), "INVITE ");
	lab_reply(lab, &invite, VENDOR(1), 183, "t", lab_sdp, "");
	lab_reply(lab, &invite, VENDOR(1), 500, "t", NULL, "");
	/* The third is heard itself, by an earlier fork of it: that counts. */
	invite = *lab_take(lab, VENDOR(2), "INVITE ");
	lab_reply(lab, &invite, VENDOR(2), 183, "t", lab_sdp, "");
	say_started(lab, record, record->media[CALLEE].generation);
	lab_reply(lab, &invite, VENDOR(2), 500, "t", NULL, "");
	CHECK_INT(lab_waiting(lab, VENDOR(3)), 0);
	CHECK_ROWS(lab, {"v1", 500, "4930123"}, {"v2", 500, "4930123"}, {"v3", 500, "4930123"});
	lab_free(lab);
}

static void no_record(void)
{
	struct lab *lab = redirecting_lab(8, REDIRECT_ANY);

	lab->config.parameters.cdr_record_nonconnect = false;
	lab_reload(lab);
	lab_reply(lab, call_vendor(lab, 1), VENDOR(0), 302, "t", NULL, NOBODY);
	CHECK(answered(lab, ELSEWHERE, 404, ""));
	CHECK(answered(lab, VENDOR(1), 603, ""));
	lab_sleep(lab, 70000);
	CHECK_INT(lab->cdr_count, 1);
	CHECK_INT(lab_final(lab)->attempt, 3);
	CHECK_INT(lab_final(lab)->code, 603);
	lab_free(lab);
}

/* Whom a vendor sends us to is not in its trust domain with it (RFC 3325). */
static void privacy_stays(void)
{
	static const char identity[] = "P-Asserted-Identity: <sip:4930555@10.1.0.5>\r\n";
	struct lab *lab = redirecting_lab(8, REDIRECT_ANY);
	static struct sip_message there, answer, m;

	lab_invite(lab, 1, "4930123", lab_sdp, "P-Asserted-Identity: <sip:4930555@10.1.0.5>\r\nPrivacy: id\r\n");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	CHECK(has(answered(lab, VENDOR(0), 302, NOBODY), "P-Asserted-Identity: "));
	there = *lab_take(lab, ELSEWHERE, "INVITE ");
	CHECK(has(&there, "anonymous.invalid") && !has(&there, "P-Asserted") && !has(&there, "4930555"));
	lab_reply(lab, &there, ELSEWHERE, 200, "t", lab_sdp, "");
	CHECK(lab_take(lab, ELSEWHERE, "ACK "));
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	/* What follows in the dialog does not say again that it is private. */
	for (unsigned int life = 0; life < 2; life++) {
		lab->extra = identity;
		lab_caller_request(lab, &answer, "INVITE", 2 + life, lab_sdp);
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
		m = *lab_take(lab, ELSEWHERE, "INVITE ");
		CHECK(!has(&m, "P-Asserted") && !has(&m, "4930555"));
		lab_reply(lab, &m, ELSEWHERE, 488, "", NULL, "");
		CHECK(lab_take(lab, ELSEWHERE, "ACK "));
		lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 488"));
		lab->extra = NULL;
		lab_callee_request(lab, &there, ELSEWHERE, "t", "UPDATE", 2 + life, lab_sdp);
		lab_reply(lab, lab_take(lab, CUSTOMER, "UPDATE "), CUSTOMER, 200, "", lab_sdp, identity);
		CHECK(!has(lab_take(lab, ELSEWHERE, "SIP/2.0 200"), "P-Asserted"));
		lab_restart(lab);
	}
	lab_free(lab);
}

static const struct check_case cases[] = {
    {"which 3xx is followed, and to where", policy},
    {"a vendor's name", names},
    {"the highest q first", by_q},
    {"a target that redirects, too", redirected_again},
    {"no more than so many", limits},
    {"no room", too_many},
    {"what ends the search", stops},
    {"capacity", capacity},
    {"rate", rate},
    {"credentials are for the gateway alone", credentials},
    {"in a BYE, too", credentials_of_bye},
    {"a kill", over_a_kill},
    {"a reload", over_a_reload},
    {"Diversion and History-Info", headers},
    {"passed to the caller", passed},
    {"hidden from the caller", hidden},
    {"a phone's contacts", contacts},
    {"a late MediaStarted", late_media},
    {"records of the last attempt alone", no_record},
    {"privacy stays", privacy_stays},
};
CHECK_MAIN(cases)
