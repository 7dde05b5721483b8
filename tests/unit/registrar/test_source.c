/* SPDX-License-Identifier: Apache-2.0 */
#include "../check.h"
#include "fixture.h"

static struct fixture f;
static struct source source;

/* An INVITE of `user` from this address. */
static enum source_verdict invite(const char *from, const char *user, const char *credentials)
{
	struct sip_flow flow = home;

	address(&flow.remote, from);
	fixture_request(&f, &(struct request){.method = "INVITE", .user = user, .cseq = 1, .credentials = credentials});
	return source_identify(&f.engine, &flow, &f.message, &source);
}

static void check_gateway(const char *from, const char *expected)
{
	CHECK_INT(invite(from, "whoever", NULL), SOURCE_ADMIT);
	CHECK_INT(source.kind, SOURCE_GATEWAY);
	CHECK_TEXT(source.name, source.name_len, expected);
	CHECK_TEXT(source.config->name, strlen(source.config->name), expected);
}

static void test_by_address(void)
{
	fixture_init(&f);
	check_gateway("198.51.100.10:5060", "acme");
	check_gateway("198.51.100.10:9", "acme");
	check_gateway("198.51.100.10:5080", "acme-5080"); /* a port is more specific than none */
	check_gateway("198.51.100.79:1", "acme");
	check_gateway("[2001:db8:7:1::5]:5060", "acme-5080");
	CHECK_INT(invite("198.51.100.80:1", "whoever", NULL), SOURCE_REFUSE);
	CHECK_INT(invite("[2001:db8:8::5]:5060", "whoever", NULL), SOURCE_REFUSE);
	CHECK_INT(source.code, 403);
	CHECK_INT(source.reason, END_FORBIDDEN_SOURCE);
	f.config.parameters.reply_unauthorized = false;
	CHECK_INT(invite("198.51.100.80:1", "whoever", NULL), SOURCE_IGNORE);
	fixture_fini(&f);
}

static void test_behind_nat(void)
{
	static const struct {
		const char *remote, *via, *contact, *extra;
		bool nat;
	} cases[] = {
	    {"203.0.113.5", "203.0.113.5", "<sip:a@203.0.113.5>", "", false},
	    {"203.0.113.5", "192.168.1.9", "<sip:a@203.0.113.5>", "", true},
	    {"203.0.113.5", "203.0.113.5", "<sip:a@192.168.1.9>", "", true}, /* an ALG that sees only the Via */
	    {"203.0.113.5", "203.0.113.5", "<sip:a@192.168.1.9>", "Record-Route: <sip:203.0.113.5;lr>\r\n", false},
	    {"203.0.113.5", "203.0.113.5", "<sip:a@203.0.113.6>", "", false}, /* media and signalling apart, say */
	    {"203.0.113.5", "203.0.113.5", "<sip:a@gw.example.net>", "", false},
	    {"203.0.113.5", "203.0.113.5", NULL, "", false},
	    {"203.0.113.5", "gw.example.net", "<sip:a@203.0.113.5>", "", false},
	    {"203.0.113.5", "gw.example.net", "<sip:a@gw.example.net>", "", false},
	    {"203.0.113.5", "gw.example.net", "<sip:a@100.100.1.9>", "", true},
	    {"10.8.0.5", "gw.example.net", "<sip:a@192.168.1.9>", "", true},
	    {"10.8.0.5", "gw.example.net", "<sip:a@10.8.0.5>", "", false},
	    {"10.8.0.5", "10.8.0.5", "<sip:a@10.8.0.6>", "", false}, /* inside one network */
	    {"2001:db8::5", "[2001:db8::5]", "<sip:a@[fd00::9]>", "", true},
	    {"2001:db8::5", "[2001:db8::5]", "<sip:a@[2001:db8::6]>", "", false},
	};
	struct net_addr remote;

	fixture_init(&f);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fixture_request(&f, &(struct request){.method = "INVITE",
						      .via = cases[i].via,
						      .contact = cases[i].contact,
						      .extra = cases[i].extra,
						      .cseq = 1});
		address(&remote, cases[i].remote);
		CHECK_INT(source_is_behind_nat(&f.message, &remote) ? i + 1 : 0, cases[i].nat ? i + 1 : 0);
	}
	fixture_fini(&f);
}

static void test_by_digest(void)
{
	const char *credentials;

	fixture_init(&f);
	CHECK_INT(invite("203.0.113.5:5060", "alice", NULL), SOURCE_CHALLENGE);
	CHECK(strncmp(source.challenge, "Proxy-Authenticate: Digest realm=\"sip.example.net\"", 50) == 0);
	CHECK(strcmp(source.challenge + strlen(source.challenge) - 2, "\r\n") == 0);
	credentials = fixture_credentials(&f, source.challenge, "SHA-256", "alice", "wonderland", "INVITE", 1);
	CHECK_INT(invite("203.0.113.5:5060", "alice", credentials), SOURCE_ADMIT);
	CHECK_INT(source.kind, SOURCE_PHONE);
	CHECK_TEXT(source.name, source.name_len, "alice");
	CHECK(source.config == NULL);
	CHECK(source.behind_nat);                                                      /* the Via says 192.0.2.77 */
	CHECK_INT(invite("203.0.113.5:5060", "alice", credentials), SOURCE_CHALLENGE); /* replayed */
	CHECK(strstr(source.challenge, "stale=true") != NULL);
	/* A customer, whatever From says. */
	CHECK_INT(invite("203.0.113.6:5060", "roam", NULL), SOURCE_CHALLENGE);
	credentials = fixture_credentials(&f, source.challenge, "MD5", "roam", "secret", "INVITE", 1);
	CHECK_INT(invite("203.0.113.6:5060", "+4930123", credentials), SOURCE_ADMIT);
	CHECK_INT(source.kind, SOURCE_GATEWAY);
	CHECK_TEXT(source.name, source.name_len, "roaming");
	/* A wrong password. */
	CHECK_INT(invite("203.0.113.6:5060", "roam", NULL), SOURCE_CHALLENGE);
	credentials = fixture_credentials(&f, source.challenge, "MD5", "roam", "Secret", "INVITE", 1);
	CHECK_INT(invite("203.0.113.6:5060", "roam", credentials), SOURCE_REFUSE);
	CHECK_INT(source.reason, END_AUTHENTICATION_FAILED);
	fixture_fini(&f);
}

static void test_address_and_digest(void)
{
	const char *credentials;

	fixture_init(&f);
	/* From elsewhere its user is a stranger; from its address the digest is asked for. */
	CHECK_INT(invite("203.0.113.5:5060", "bound", NULL), SOURCE_REFUSE);
	CHECK_INT(invite("198.51.100.200:5060", "whoever", NULL), SOURCE_CHALLENGE);
	credentials = fixture_credentials(&f, source.challenge, "SHA-256", "alice", "wonderland", "INVITE", 1);
	CHECK_INT(invite("198.51.100.200:5060", "whoever", credentials), SOURCE_REFUSE);
	CHECK_INT(invite("198.51.100.200:5060", "whoever", NULL), SOURCE_CHALLENGE);
	credentials = fixture_credentials(&f, source.challenge, "SHA-256", "bound", "secret", "INVITE", 1);
	CHECK_INT(invite("198.51.100.200:5060", "whoever", credentials), SOURCE_ADMIT);
	CHECK_TEXT(source.name, source.name_len, "both");
	fixture_fini(&f);
}

/* Known by its address: the configured one. By its digest alone: that of the port it came in on. */
static void test_networks(void)
{
	static struct config_port ports[] = {{.process = ROLE_SIGNALING, .network = WORDS("public")},
					     {.process = ROLE_MEDIA, .network = WORDS("media")},
					     {.process = ROLE_SIGNALING, .network = WORDS("inner")}};
	const char *credentials;

	fixture_init(&f);
	f.config.ports = ports;
	f.config.ports_count = 3;
	f.mapping[2].network = WORDS("public");
	fixture_restart(&f);
	for (home.port = 0; home.port < 2; home.port++) {
		CHECK_INT(invite("198.51.100.10:5060", "whoever", NULL), SOURCE_ADMIT);
		CHECK_TEXT(source.network, strlen(source.network), "public");
		CHECK_INT(invite("203.0.113.6:5060", "roam", NULL), SOURCE_CHALLENGE);
		credentials = fixture_credentials(&f, source.challenge, "MD5", "roam", "secret", "INVITE", 1);
		CHECK_INT(invite("203.0.113.6:5060", "roam", credentials), SOURCE_ADMIT);
		CHECK_TEXT(source.network, strlen(source.network), home.port == 0 ? "public" : "inner");
	}
	home.port = 0;
	fixture_fini(&f);
}

static bool is_ignored(const char *from)
{
	struct sip_flow flow = home;

	address(&flow.remote, from);
	fixture_request(&f, &(struct request){.method = "OPTIONS", .user = "whoever", .cseq = 1});
	return source_is_ignored(&f.engine, &flow, &f.message);
}

/* A vendor is no stranger: at its address, at those of its name, and where we register. */
static void test_vendors(void)
{
	static struct config_routing_gateway routing[40];
	static struct config_register registration;
	static char names[40][16];
	struct net_addr found;

	fixture_init(&f);
	f.config.parameters.reply_unauthorized = false;
	for (unsigned int i = 0; i < 40; i++) {
		char text[32];

		snprintf(names[i], sizeof(names[i]), "v%u", i);
		snprintf(text, sizeof(text), i & 1 ? "[2001:db8::%u]:5060" : "192.0.2.%u:5060", i + 100);
		routing[i] = (struct config_routing_gateway){.name = names[i], .enabled = true};
		address(&routing[i].address, text);
	}
	routing[39].address = (struct net_addr){.family = NET_NONE};
	routing[39].host = WORDS("vendor.test");
	registration = (struct config_register){
	    .user = WORDS("trunk"), .domain = WORDS("x"), .contact = WORDS("line1"), .expires_s = 60};
	address(&registration.registrar, "203.0.113.9:5060");
	routing[0].registration = &registration;
	f.config.routing_gateways = routing;
	f.config.routing_gateways_count = 40;
	fixture_restart(&f);
	for (unsigned int i = 0; i < 39; i++) {
		char text[NET_ADDR_TEXT];

		net_addr_print(&routing[i].address, text);
		CHECK(!is_ignored(text));
	}
	CHECK(!is_ignored("192.0.2.100:40000") && !is_ignored("203.0.113.9:5060"));
	CHECK(is_ignored("192.0.2.99:5060") && is_ignored("203.0.113.1:5060"));
	f.state.resolved_vendors = address_set_new(2);
	address(&found, "203.0.113.1:5070");
	address_set_add(f.state.resolved_vendors, &found);
	address_set_add(f.state.resolved_vendors, &found);
	address(&found, "[2001:db8:f::1]:5060");
	address_set_add(f.state.resolved_vendors, &found);
	CHECK(!is_ignored("203.0.113.1:5060") && !is_ignored("[2001:db8:f::1]:9"));
	CHECK(is_ignored("203.0.113.2:5060") && is_ignored("[2001:db8:f::2]:5060"));
	fixture_fini(&f);
}

static void test_suspended(void)
{
	const char *credentials;

	fixture_init(&f);
	for (int i = 0; i < 6; i++) {
		CHECK_INT(invite("203.0.113.5:5060", "alice", NULL), SOURCE_CHALLENGE);
		credentials = fixture_credentials(&f, source.challenge, "MD5", "alice", "guess", "INVITE", 1);
		CHECK_INT(invite("203.0.113.5:5060", "alice", credentials), SOURCE_REFUSE);
		CHECK_INT(source.reason, END_AUTHENTICATION_FAILED);
	}
	CHECK_INT(invite("203.0.113.5:5060", "alice", credentials), SOURCE_REFUSE);
	CHECK_INT(source.reason, END_SUSPENDED);
	CHECK_INT(source.code, 403);
	fixture_fini(&f);
}

static const struct check_case cases[] = {
    {"by address", test_by_address}, {"behind NAT", test_behind_nat},
    {"by digest", test_by_digest},   {"by address and digest", test_address_and_digest},
    {"suspended", test_suspended},   {"vendors are no strangers", test_vendors},
    {"networks", test_networks},
};
CHECK_MAIN(cases)
