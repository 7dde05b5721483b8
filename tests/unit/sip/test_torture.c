/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of our own with the defects of RFC 4475, one file for each of its names, and what becomes of each. The
 * directory of the files is the first argument.
 */
#include "signaling/sip/build.h"
#include "signaling/sip/check.h"
#include "tests/unit/check.h"

#include <stdlib.h>

static const char *const extensions[] = {"timer", "100rel", NULL};
static const struct sip_abilities abilities = {
    .extensions = extensions,
    .methods =
	1u << SIP_INVITE | 1u << SIP_ACK | 1u << SIP_BYE | 1u << SIP_CANCEL | 1u << SIP_OPTIONS | 1u << SIP_REGISTER,
    .schemes = 1u << SIP_SCHEME_SIP | 1u << SIP_SCHEME_TEL,
};

/* clang-format off */
static const struct {
	const char *name;
	uint8_t verdict;
	uint16_t code;
	const char *why; /* section of RFC 4475, and what decides */
} cases[] = {
	{"wsinv", SIP_ACCEPT, 0, "3.1.1.1: white space and folding everywhere, all legal"},
	{"intmeth", SIP_RESPOND, 501, "3.1.1.2: well formed, but nobody knows the method (RFC 3261 section 21.5.2)"},
	{"esc01", SIP_ACCEPT, 0, "3.1.1.3: escapes are legal in a URI"},
	{"escnull", SIP_ACCEPT, 0, "3.1.1.4: an escaped NUL is a character like others"},
	{"esc02", SIP_RESPOND, 501, "3.1.1.5: escapes mean nothing in a method, so it is an unknown one"},
	{"lwsdisp", SIP_ACCEPT, 0, "3.1.1.6: no white space needed before '<'"},
	{"longreq", SIP_ACCEPT, 0, "3.1.1.7: long, and legal"},
	{"dblreq", SIP_ACCEPT, 0, "3.1.1.8: over UDP, what follows the body is ignored"},
	{"semiuri", SIP_ACCEPT, 0, "3.1.1.9: semicolons in the user part belong to it"},
	{"transports", SIP_ACCEPT, 0, "3.1.1.10: unknown transports in lower Vias are none of our business"},
	{"mpart01", SIP_RESPOND, 405, "3.1.1.11: well formed; MESSAGE is known and not served (RFC 3261 section 8.2.1)"},
	{"unreason", SIP_ACCEPT, 0, "3.1.1.12: a reason phrase may hold UTF-8"},
	{"noreason", SIP_ACCEPT, 0, "3.1.1.13: a reason phrase may be empty"},
	{"badinv01", SIP_RESPOND, 400, "3.1.2.1: empty parameters in Via"},
	{"clerr", SIP_RESPOND, 400, "3.1.2.2: Content-Length beyond the datagram"},
	{"ncl", SIP_RESPOND, 400, "3.1.2.3: negative Content-Length"},
	{"scalar02", SIP_RESPOND, 400, "3.1.2.4: numbers over their ranges"},
	{"scalarlg", SIP_DROP, 0, "3.1.2.5: the same in a response: discarded"},
	{"quotbal", SIP_RESPOND, 400, "3.1.2.6: a quote without its other half"},
	{"ltgtruri", SIP_RESPOND, 400, "3.1.2.7: angle brackets around the Request-URI"},
	{"lwsruri", SIP_RESPOND, 400, "3.1.2.8: white space in the Request-URI"},
	{"lwsstart", SIP_RESPOND, 400, "3.1.2.9: more than one space in the start line"},
	{"trws", SIP_RESPOND, 400, "3.1.2.10: white space behind the version"},
	{"escruri", SIP_RESPOND, 400, "3.1.2.11: headers in the Request-URI"},
	{"baddate", SIP_ACCEPT, 0, "3.1.2.12: nobody reads Date, so its time zone does no harm"},
	{"regbadct", SIP_RESPOND, 400, "3.1.2.13: a '?' in a Contact without brackets"},
	{"badaspec", SIP_ACCEPT, 0, "3.1.2.14: blanks inside the brackets are harmless: read liberally"},
	{"baddn", SIP_ACCEPT, 0, "3.1.2.15: a comma in an unquoted name is harmless in To and From: read liberally"},
	{"badvers", SIP_RESPOND, 505, "3.1.2.16: another version"},
	{"mismatch01", SIP_RESPOND, 400, "3.1.2.17: CSeq names another method"},
	{"mismatch02", SIP_RESPOND, 400, "3.1.2.18: the same with an unknown method"},
	{"bigcode", SIP_DROP, 0, "3.1.2.19: a status code of ten digits"},
	{"badbranch", SIP_ACCEPT, 0, "3.2.1: the magic cookie alone: matched as RFC 2543 does"},
	{"insuf", SIP_RESPOND, 400, "3.3.1: no From, To and Call-ID"},
	{"unkscm", SIP_RESPOND, 416, "3.3.2: an unknown scheme"},
	{"novelsc", SIP_RESPOND, 416, "3.3.3: a known scheme of something else"},
	{"unksm2", SIP_ACCEPT, 0, "3.3.4: schemes in From, To and Contact: the registrar looks them up and finds nobody"},
	{"bext01", SIP_RESPOND, 420, "3.3.5: Require with what nobody can"},
	{"invut", SIP_RESPOND, 415, "3.3.6: a body we cannot read"},
	{"regaut01", SIP_ACCEPT, 0, "3.3.7: an unknown scheme of authorization: the registrar challenges"},
	{"multi01", SIP_RESPOND, 400, "3.3.8: headers twice that may be there once"},
	{"mcl01", SIP_RESPOND, 400, "3.3.9: two lengths that differ"},
	{"bcast", SIP_DROP, 0, "3.3.10: a response with more than one Via"},
	{"zeromf", SIP_RESPOND, 483, "3.3.11: no hops left"},
	{"cparam01", SIP_ACCEPT, 0, "3.3.12: a Contact parameter"},
	{"cparam02", SIP_ACCEPT, 0, "3.3.13: a URI parameter"},
	{"regescrt", SIP_ACCEPT, 0, "3.3.14: headers in the URI of a Contact in brackets"},
	{"sdp01", SIP_RESPOND, 406, "3.3.15: a caller who accepts no SDP"},
	{"inv2543", SIP_ACCEPT, 0, "3.4.1: no tag, branch, Max-Forwards and Content-Length: as RFC 2543 had it"},
};
/* clang-format on */

#define CASES ((int)(sizeof(cases) / sizeof(cases[0])))

static const char *directory;

/* Into a block of just its size, so that a sanitizer sees a byte read too far. */
static char *load(const char *name, size_t *len)
{
	char path[512], *data;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.sip", directory, name);
	file = fopen(path, "rb");
	if (!file)
		return NULL;
	fseek(file, 0, SEEK_END);
	*len = (size_t)ftell(file);
	rewind(file);
	data = malloc(*len);
	if (data && fread(data, 1, *len, file) != *len) {
		free(data);
		data = NULL;
	}
	fclose(file);
	return data;
}

/* Whatever was wrong with the request, the answer must be a message that others accept. */
static bool answer_is_sound(struct sip_message *request, const struct sip_check *check)
{
	static struct sip_message response;
	const struct net_addr source = {.ip = {192, 0, 2, 1}, .port = 5061, .family = NET_IP4};
	struct sip_builder b;
	char data[8192];
	int len;

	sip_build_init(&b, data, sizeof(data));
	sip_build_response(&b, request, check->code ? check->code : 200, check->code ? check->reason : NULL,
			   SIP_TEXT("answer"), &source);
	sip_check_build_extra(check, &b);
	sip_build_no_body(&b);
	len = sip_build_finish(&b);
	if (len <= 0 || sip_message_parse(&response, data, (size_t)len) != SIP_PARSE_OK)
		return false;
	if (response.status != (check->code ? check->code : 200))
		return false;
	if (check->code == 420 && !sip_message_has(&response, SIP_H_UNSUPPORTED))
		return false;
	return check->code != 405 || sip_message_lists(&response, SIP_H_ALLOW, "INVITE");
}

static bool run_case(int i)
{
	static struct sip_message msg;
	struct sip_check check;
	bool ok = true;
	size_t len;
	char *data = load(cases[i].name, &len);

	if (!data) {
		printf("FAIL %s: no such file in %s\n", cases[i].name, directory);
		return false;
	}
	sip_message_parse(&msg, data, len);
	if (msg.is_request)
		sip_check_request(&check, &msg, &abilities);
	else
		sip_check_response(&check, &msg);
	if (check.verdict != cases[i].verdict || check.code != cases[i].code) {
		printf("FAIL %s: verdict %d code %d (%s), expected %d code %d: %s\n", cases[i].name, check.verdict,
		       check.code, check.reason, cases[i].verdict, cases[i].code, cases[i].why);
		ok = false;
	} else if (msg.is_request && check.verdict != SIP_DROP && !answer_is_sound(&msg, &check)) {
		printf("FAIL %s: the answer is malformed\n", cases[i].name);
		ok = false;
	} else {
		printf("ok   %s: %s\n", cases[i].name, cases[i].why);
	}
	free(data);
	return ok;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s directory-of-torture-messages\n", argv[0]);
		return 2;
	}
	directory = argv[1];
	for (int i = 0; i < CASES; i++)
		failed += !run_case(i);
	printf("%d passed, %d failed\n", CASES - failed, failed);
	return failed != 0;
}
