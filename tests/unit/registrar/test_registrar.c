/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "../check.h"
#include "fixture.h"

static struct fixture f;

#define CONTACT      "<sip:alice@192.0.2.77:5060>"
#define CONTACT_HOME "<sip:alice@192.168.1.5:5060>"

static void login(const struct request *request)
{
	fixture_login(&f, &home, request, "wonderland");
}

/* The 200's Contact lines, in no particular order: does it have this one, and how many are there? */
static bool lists(const char *line)
{
	char wanted[400];

	snprintf(wanted, sizeof(wanted), "Contact: %s\r\n", line);
	return strstr(answer.headers, wanted) != NULL;
}

static int listed(void)
{
	int count = 0;

	for (const char *at = answer.headers; (at = strstr(at, "Contact: ")) != NULL; at++)
		count++;
	return count;
}

static void test_register_and_lookup(void)
{
	struct binding_target target;

	fixture_init(&f);
	CHECK_INT(binding_lookup(&f.engine, "alice", 5, &target), -EAGAIN);
	CHECK_INT(binding_lookup(&f.engine, "nobody", 6, &target), -ENOENT);
	CHECK_INT(binding_lookup(&f.engine, "roam", 4, &target), -ENOENT); /* a customer, not a phone */
	login(&(struct request){.contact = CONTACT, .cseq = 1});
	CHECK_INT(answer.code, 200);
	CHECK(lists(CONTACT ";expires=3600"));
	CHECK_INT(binding_lookup(&f.engine, "alice", 5, &target), 0);
	CHECK_TEXT(target.contact, target.contact_len, "sip:alice@192.0.2.77:5060");
	CHECK(!target.behind_nat);
	CHECK(net_addr_equal(&target.flow.remote, &home.remote));
	CHECK(net_addr_equal(&target.flow.local, &home.local));
	CHECK(target.gateway != GATEWAY_NO_ID);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_bindings), 1);
	fixture_fini(&f);
}

static void test_refresh_shows_remaining_time(void)
{
	fixture_init(&f);
	login(&(struct request){.contact = CONTACT ";expires=600", .cseq = 1});
	CHECK(lists(CONTACT ";expires=600"));
	fixture_sleep(&f, 100);
	login(&(struct request){.cseq = 2}); /* a fetch changes nothing */
	CHECK_INT(answer.code, 200);
	CHECK(lists(CONTACT ";expires=500"));
	login(&(struct request){.contact = CONTACT, .extra = "Expires: 700\r\n", .cseq = 3});
	CHECK(lists(CONTACT ";expires=700"));
	CHECK_INT(listed(), 1);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_registered), 1);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_refreshed), 1);
	fixture_sleep(&f, 699);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_bindings), 1);
	fixture_sleep(&f, 1);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_bindings), 0);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_expired), 1);
	login(&(struct request){.cseq = 4});
	CHECK_INT(answer.code, 200);
	CHECK_INT(listed(), 0);
	fixture_fini(&f);
}

static void test_expires_limits(void)
{
	fixture_init(&f);
	login(&(struct request){.contact = CONTACT, .extra = "Expires: 29\r\n", .cseq = 1});
	CHECK_INT(answer.code, 423);
	CHECK_TEXT(answer.headers, strlen(answer.headers), "Min-Expires: 30\r\n");
	CHECK_INT(fixture_count(&f, COUNTER_registrar_bindings), 0);
	login(&(struct request){.contact = CONTACT ";expires=30", .extra = "Expires: 5\r\n", .cseq = 2});
	CHECK(lists(CONTACT ";expires=30"));
	login(&(struct request){.contact = CONTACT ";expires=99999", .cseq = 3});
	CHECK(lists(CONTACT ";expires=3600"));
	login(&(struct request){.contact = CONTACT ";expires=99999999999", .cseq = 4});
	CHECK(lists(CONTACT ";expires=3600"));
	login(&(struct request){.contact = CONTACT, .extra = "Expires: soon\r\n", .cseq = 5});
	CHECK(lists(CONTACT ";expires=3600"));
	/* One contact too brief: nothing of the request is done. */
	login(&(struct request){.contact = "<sip:x@192.0.2.77>;expires=600, " CONTACT ";expires=7", .cseq = 6});
	CHECK_INT(answer.code, 423);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_bindings), 1);
	fixture_fini(&f);
}

static void test_remove(void)
{
	fixture_init(&f);
	login(&(struct request){.contact = CONTACT ", <sip:alice@192.0.2.77:5070>;q=0.5", .cseq = 1});
	CHECK_INT(listed(), 2);
	CHECK(lists("<sip:alice@192.0.2.77:5070>;expires=3600;q=0.500"));
	login(&(struct request){.contact = CONTACT ";expires=0", .cseq = 2});
	CHECK_INT(answer.code, 200);
	CHECK_INT(listed(), 1);
	login(&(struct request){.contact = CONTACT ";expires=0", .cseq = 3}); /* what is not there can be removed */
	CHECK_INT(answer.code, 200);
	login(&(struct request){.contact = CONTACT, .cseq = 4});
	CHECK_INT(listed(), 2);
	login(&(struct request){.contact = "*", .cseq = 5});
	CHECK_INT(answer.code, 400); /* needs Expires: 0 */
	login(&(struct request){.contact = "*, " CONTACT, .extra = "Expires: 0\r\n", .cseq = 6});
	CHECK_INT(answer.code, 400);
	login(&(struct request){.contact = "*", .extra = "Expires: 0\r\n", .cseq = 7});
	CHECK_INT(answer.code, 200);
	CHECK_INT(listed(), 0);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_bindings), 0);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_removed), 3);
	fixture_fini(&f);
}

/* Two contacts, each equal to the one that stands, but not to each other: only one of them can be about it. */
static void test_remove_as_two(void)
{
	static const char *const users[] = {"0998", "0999", "1000"};
	struct binding_target target;

	for (unsigned int brief = 0; brief < 2; brief++) {
		fixture_init(&f);
		login(&(struct request){.contact = "<sip:a@192.0.2.77>", .cseq = 1});
		login(&(struct request){.contact = brief ? "<sip:a@192.0.2.77;x=1>;expires=0,<sip:a@192.0.2.77;x=2>"
							 : "<sip:a@192.0.2.77;x=1>;expires=0,"
							   "<sip:a@192.0.2.77;x=2>;expires=0",
					.cseq = 2});
		CHECK_INT(answer.code, 200);
		CHECK_INT(listed(), brief);
		CHECK_INT(fixture_count(&f, COUNTER_registrar_removed), 1);
		CHECK_INT(fixture_count(&f, COUNTER_registrar_bindings), brief);
		for (unsigned int i = 0; i < 3; i++)
			fixture_login(&f, &home,
				      &(struct request){.user = users[i], .contact = "<sip:p@192.0.2.77>", .cseq = 1},
				      "fleet");
		CHECK_INT(binding_store_standing(f.store), 3 + brief);
		for (unsigned int i = 0; i < 3; i++)
			CHECK_INT(binding_lookup(&f.engine, users[i], 4, &target), 0);
		fixture_sleep(&f, 3600);
		CHECK_INT(binding_store_standing(f.store), 0);
		fixture_fini(&f);
	}
}

static void test_order_of_requests(void)
{
	fixture_init(&f);
	login(&(struct request){.contact = CONTACT, .cseq = 10});
	login(&(struct request){.contact = CONTACT ";expires=60", .cseq = 9});
	CHECK_INT(answer.code, 500);
	login(&(struct request){.contact = "*", .extra = "Expires: 0\r\n", .cseq = 9});
	CHECK_INT(answer.code, 500);
	login(&(struct request){.contact = CONTACT, .cseq = 10}); /* a resend after a restart */
	CHECK_INT(answer.code, 200);
	login(&(struct request){.contact = CONTACT ";expires=60", .call_id = "another", .cseq = 1});
	CHECK_INT(answer.code, 200);
	CHECK(lists(CONTACT ";expires=60"));
	CHECK_INT(fixture_count(&f, COUNTER_registrar_out_of_order), 2);
	fixture_fini(&f);
}

/* All of them, the best first: by q, then the latest. */
static void test_contacts_in_order(void)
{
	struct binding_target targets[BINDINGS_PER_USER];
	static const uint16_t ports[] = {1003, 1004, 1002, 1001};

	fixture_init(&f);
	CHECK_INT(binding_lookup_all(&f.engine, "alice", 5, targets, BINDINGS_PER_USER), 0);
	CHECK_INT(binding_lookup_all(&f.engine, "nobody", 6, targets, BINDINGS_PER_USER), -ENOENT);
	login(&(struct request){.contact = "<sip:a@192.0.2.77:1001>;q=0.2,<sip:a@192.0.2.77:1002>;q=0.5", .cseq = 1});
	login(&(struct request){.contact = "<sip:a@192.0.2.77:1003>;q=0.9", .cseq = 2});
	fixture_sleep(&f, 1);
	login(&(struct request){.contact = "<sip:a@192.0.2.77:1004>;q=0.5", .cseq = 3});
	CHECK_INT(binding_lookup_all(&f.engine, "alice", 5, targets, BINDINGS_PER_USER), 4);
	for (unsigned int i = 0; i < 4; i++)
		CHECK_INT(targets[i].flow.remote.port, ports[i]);
	CHECK_INT(binding_lookup_all(&f.engine, "alice", 5, targets, 2), 2);
	CHECK_INT(targets[1].flow.remote.port, 1004);
	fixture_fini(&f);
}

/* A customer with a password may register, from its own addresses if it has any; nobody dials it by that name. */
static void test_gateway_registers(void)
{
	struct binding_target target;
	struct sip_flow bound = home;
	struct config_routing_gateway routing[] = {
	    {.name = (char *)(uintptr_t) "r", .registered = (char *)(uintptr_t) "roam"},
	    {.name = (char *)(uintptr_t) "b", .registered = (char *)(uintptr_t) "bound"}};
	struct request request = {
	    .user = "bound", .contact = "<sip:gw@198.51.100.200>", .via = "198.51.100.200", .cseq = 1};

	fixture_init(&f);
	f.config.routing_gateways = routing;
	f.config.routing_gateways_count = 2;
	fixture_restart(&f);
	CHECK_INT(binding_lookup_gateway(&f.engine, "roam", &target), -EAGAIN);
	fixture_login(&f, &home, &(struct request){.user = "roam", .contact = "<sip:pbx@192.168.1.9:5070>", .cseq = 1},
		      "secret");
	CHECK_INT(answer.code, 200);
	CHECK_INT(binding_lookup_gateway(&f.engine, "roam", &target), 0);
	CHECK(target.behind_nat && net_addr_equal(&target.flow.remote, &home.remote));
	CHECK_INT(binding_lookup(&f.engine, "roam", 4, &target), -ENOENT);
	CHECK_INT(binding_lookup_gateway(&f.engine, "alice", &target), -ENOENT);
	fixture_register(&f, &home, &request);
	CHECK_INT(answer.code, 403);
	address(&bound.remote, "198.51.100.200:5060");
	fixture_login(&f, &bound, &request, "secret");
	CHECK_INT(answer.code, 200);
	CHECK_INT(binding_lookup_gateway(&f.engine, "bound", &target), 0);
	CHECK(!target.behind_nat);
	fixture_fini(&f);
}

static void test_several_contacts(void)
{
	struct binding_target target;
	char contact[64];

	fixture_init(&f);
	login(&(struct request){.contact = "<sip:a@192.0.2.77:1001>;q=0.2,<sip:a@192.0.2.77:1002>;q=0.9", .cseq = 1});
	CHECK_INT(binding_lookup(&f.engine, "alice", 5, &target), 0);
	CHECK_TEXT(target.contact, target.contact_len, "sip:a@192.0.2.77:1002");
	CHECK_INT(target.flow.remote.port, 1002);
	/* The same twice: once. */
	login(&(struct request){.contact = "<sip:a@192.0.2.77:1001>;expires=60,<sip:a@192.0.2.77:1001>;expires=90",
				.cseq = 2});
	CHECK_INT(listed(), 2);
	CHECK(lists("<sip:a@192.0.2.77:1001>;expires=90"));
	/* Of equal q the latest. */
	fixture_sleep(&f, 1);
	login(&(struct request){.contact = "<sip:a@192.0.2.77:1003>;q=1.0", .cseq = 3});
	fixture_sleep(&f, 1);
	login(&(struct request){.contact = "<sip:a@192.0.2.77:1004>", .cseq = 4});
	CHECK_INT(binding_lookup(&f.engine, "alice", 5, &target), 0);
	CHECK_INT(target.flow.remote.port, 1004);
	/* A phone with a new contact every time keeps the latest eight. */
	for (unsigned int i = 0; i < 10; i++) {
		fixture_sleep(&f, 1);
		snprintf(contact, sizeof(contact), "<sip:a@192.0.2.77:%u>", 2000 + i);
		login(&(struct request){.contact = contact, .cseq = 5 + i});
		CHECK_INT(answer.code, 200);
	}
	CHECK_INT(listed(), (int)BINDINGS_PER_USER);
	CHECK(!lists("<sip:a@192.0.2.77:2001>;expires=3600"));
	CHECK_INT(binding_lookup(&f.engine, "alice", 5, &target), 0);
	CHECK_INT(target.flow.remote.port, 2009);
	login(&(struct request){.contact = "<sip:1@h>,<sip:2@h>,<sip:3@h>,<sip:4@h>,<sip:5@h>,<sip:6@h>,<sip:7@h>,"
					   "<sip:8@h>,<sip:9@h>",
				.cseq = 20});
	CHECK_INT(answer.code, 400);
	fixture_fini(&f);
}

static void test_nat(void)
{
	struct binding_target target;
	struct sip_flow outside = home;

	fixture_init(&f);
	address(&outside.remote, "203.0.113.9:41234");
	fixture_login(&f, &outside, &(struct request){.via = "192.168.1.5:5060", .contact = CONTACT_HOME, .cseq = 1},
		      "wonderland");
	CHECK_INT(answer.code, 200);
	CHECK(lists(CONTACT_HOME ";expires=300"));
	CHECK_INT(binding_lookup(&f.engine, "alice", 5, &target), 0);
	CHECK(target.behind_nat);
	CHECK(net_addr_equal(&target.flow.remote, &outside.remote));
	/* The NAT has given it another port: same contact, new flow. */
	outside.remote.port = 41999;
	fixture_login(&f, &outside, &(struct request){.via = "192.168.1.5:5060", .contact = CONTACT_HOME, .cseq = 2},
		      "wonderland");
	CHECK_INT(listed(), 1);
	CHECK_INT(binding_lookup(&f.engine, "alice", 5, &target), 0);
	CHECK_INT(target.flow.remote.port, 41999);
	/* A host name in Contact says nothing: behind NAT. A right Via with a private Contact: too. */
	login(&(struct request){.contact = "<sip:alice@phone.invalid>", .cseq = 3});
	CHECK(lists("<sip:alice@phone.invalid>;expires=300"));
	login(&(struct request){.contact = CONTACT_HOME, .cseq = 4});
	CHECK(lists(CONTACT_HOME ";expires=300"));
	fixture_fini(&f);
}

static void test_credentials(void)
{
	struct request request = {.contact = CONTACT, .cseq = 1};
	char challenge[sizeof(answer.headers)], credentials[1024];

	fixture_init(&f);
	fixture_register(&f, &home, &request);
	CHECK_INT(answer.code, 401);
	CHECK(strstr(answer.headers, "SHA-256") < strstr(answer.headers, "MD5"));
	CHECK(strstr(answer.headers, "stale") == NULL);
	snprintf(challenge, sizeof(challenge), "%s", answer.headers);
	/* MD5 for those who can no better. */
	request.credentials = fixture_credentials(&f, challenge, "MD5", "alice", "wonderland", "REGISTER", 1);
	fixture_register(&f, &home, &request);
	CHECK_INT(answer.code, 200);
	/* The same again is a replay; the nonce goes on with a higher count. */
	request.cseq = 2;
	fixture_register(&f, &home, &request);
	CHECK_INT(answer.code, 401);
	CHECK(strstr(answer.headers, "stale=true") != NULL);
	snprintf(credentials, sizeof(credentials), "%s",
		 fixture_credentials(&f, challenge, "SHA-256", "alice", "wonderland", "REGISTER", 2));
	request.credentials = credentials;
	fixture_register(&f, &home, &request);
	CHECK_INT(answer.code, 200);
	/* Expired, or given to another address: stale to who knows the password. */
	fixture_sleep(&f, NONCE_LIFETIME_S + 1);
	request.credentials = fixture_credentials(&f, challenge, "SHA-256", "alice", "wonderland", "REGISTER", 3);
	fixture_register(&f, &home, &request);
	CHECK_INT(answer.code, 401);
	CHECK(strstr(answer.headers, "stale=true") != NULL);
	/* Another's credentials. */
	fixture_login(&f, &home, &(struct request){.contact = CONTACT, .cseq = 4, .user = "1001"}, "fleet");
	CHECK_INT(answer.code, 200);
	fixture_register(&f, &home, &(struct request){.contact = CONTACT, .cseq = 5});
	request = (struct request){.contact = CONTACT, .cseq = 6};
	request.credentials = fixture_credentials(&f, answer.headers, "MD5", "1001", "fleet", "REGISTER", 1);
	fixture_register(&f, &home, &request);
	CHECK_INT(answer.code, 403);
	fixture_fini(&f);
}

/* Only what the configuration offers is asked for, and only that is accepted. */
static void test_algorithms_offered(void)
{
	struct request request = {.contact = CONTACT, .cseq = 1};
	char both[sizeof(answer.headers)];

	fixture_init(&f);
	fixture_register(&f, &home, &request);
	snprintf(both, sizeof(both), "%s", answer.headers);
	f.config.digest_algorithms = DIGEST_MD5;
	request.credentials = fixture_credentials(&f, both, "SHA-256", "alice", "wonderland", "REGISTER", 1);
	fixture_register(&f, &home, &request);
	CHECK_INT(answer.code, 401);
	CHECK(strstr(answer.headers, "SHA-256") == NULL && strstr(answer.headers, "algorithm=MD5") != NULL);
	request.credentials = fixture_credentials(&f, answer.headers, "MD5", "alice", "wonderland", "REGISTER", 1);
	fixture_register(&f, &home, &request);
	CHECK_INT(answer.code, 200);
	f.config.digest_algorithms = DIGEST_SHA256;
	request.credentials = NULL;
	fixture_register(&f, &home, &request);
	CHECK(strstr(answer.headers, "SHA-256") != NULL && strstr(answer.headers, "MD5") == NULL);
	fixture_fini(&f);
}

static void test_unknown_users(void)
{
	fixture_init(&f);
	fixture_register(&f, &home, &(struct request){.contact = CONTACT, .user = "mallory", .cseq = 1});
	CHECK_INT(answer.code, 403);
	fixture_register(&f, &home, &(struct request){.contact = CONTACT, .user = "roam", .cseq = 1});
	CHECK_INT(answer.code, 403);
	f.config.parameters.reply_unauthorized = false;
	fixture_register(&f, &home, &(struct request){.contact = CONTACT, .user = "mallory", .cseq = 1});
	CHECK(answer.ignored);
	CHECK_INT(answer.count, 0);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_unknown_ignored), 1);
	/* An escaped user is the user. */
	fixture_login(&f, &home, &(struct request){.contact = CONTACT, .user = "b%20b", .cseq = 1}, "space");
	CHECK_INT(answer.code, 403); /* ...but the credentials have to name it as it is */
	fixture_register(&f, &home, &(struct request){.contact = CONTACT, .user = "alice", .cseq = 1});
	fixture_register(&f, &home,
			 &(struct request){.contact = CONTACT,
					   .user = "b%20b",
					   .cseq = 2,
					   .credentials = fixture_credentials(&f, answer.headers, "MD5", "b b", "space",
									      "REGISTER", 1)});
	CHECK_INT(answer.code, 200);
	fixture_fini(&f);
}

static void try_password(const struct sip_flow *flow, const char *password)
{
	static unsigned int cseq;

	fixture_login(&f, flow, &(struct request){.contact = CONTACT, .call_id = "try", .cseq = ++cseq}, password);
}

static void test_suspension(void)
{
	struct sip_flow elsewhere = home;

	fixture_init(&f);
	address(&elsewhere.remote, "203.0.113.66:5060");
	login(&(struct request){.contact = CONTACT, .cseq = 1});
	CHECK_INT(answer.code, 200);
	for (int i = 0; i < 5; i++)
		try_password(&elsewhere, "guess");
	try_password(&elsewhere, "wonderland"); /* the right one in between forgives */
	CHECK_INT(answer.code, 200);
	fixture_restart(&f);
	login(&(struct request){.contact = "*", .extra = "Expires: 0\r\n", .cseq = 2, .call_id = "c2"});
	login(&(struct request){.contact = CONTACT, .cseq = 3});
	for (int i = 0; i < 6; i++)
		try_password(&elsewhere, "guess");
	CHECK_INT(fixture_count(&f, COUNTER_registrar_suspensions), 1);
	try_password(&elsewhere, "wonderland");
	CHECK_INT(answer.code, 403);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_suspended), 1);
	/* The phone at home is not locked out by strangers. */
	login(&(struct request){.contact = CONTACT, .cseq = 4});
	CHECK_INT(answer.code, 200);
	fixture_sleep(&f, 180);
	try_password(&elsewhere, "wonderland");
	CHECK_INT(answer.code, 200);
	/* Nor by a flood of digests over nonces that were never given out. */
	for (int i = 0; i < 20; i++)
		fixture_register(&f, &elsewhere,
				 &(struct request){.contact = CONTACT,
						   .cseq = 9,
						   .credentials = "Digest username=\"alice\",realm=\"sip.example.net\","
								  "nonce=\"1\",uri=\"sip:x\",response="
								  "\"00000000000000000000000000000000\""});
	CHECK_INT(answer.code, 401);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_suspensions), 1);
	fixture_fini(&f);
}

static void test_bad_contacts(void)
{
	static const char *const bad[] = {"<sip:>", "<tel:+4930>", "<sips:alice@192.0.2.77>", "\"open", "<sip:a b@h>"};
	char longest[400];
	unsigned int cseq = 1;

	fixture_init(&f);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		login(&(struct request){.contact = bad[i], .cseq = cseq++});
		CHECK_INT(answer.code, 400);
	}
	snprintf(longest, sizeof(longest), "<sip:%0*d@192.0.2.77>", 300, 0);
	login(&(struct request){.contact = longest, .cseq = cseq++});
	CHECK_INT(answer.code, 400);
	snprintf(longest, sizeof(longest), "<sip:%0*d@192.0.2.77>", BINDING_CONTACT_MAX - 15, 0);
	login(&(struct request){.contact = longest, .cseq = cseq++});
	CHECK_INT(answer.code, 200);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_bindings), 1);
	fixture_fini(&f);
}

static void test_full(void)
{
	char contact[64], user[8];
	unsigned int registered = 0;

	fixture_init(&f);
	/* Eight each for eight users is all there is room for: alice is the ninth. */
	for (unsigned int u = 0; u < 5; u++) {
		snprintf(user, sizeof(user), "%04u", 998 + u);
		for (unsigned int i = 0; i < 8; i++) {
			snprintf(contact, sizeof(contact), "<sip:p@192.0.2.77:%u>", 3000 + i);
			fixture_login(&f, &home, &(struct request){.user = user, .contact = contact, .cseq = i + 1},
				      "fleet");
			registered += answer.code == 200;
		}
	}
	CHECK_INT(registered, 40);
	while (binding_store_standing(f.store) < FIXTURE_SLOTS) {
		struct binding_record record = {.user_len = 1, .user = "x", .expires_us = UINT64_MAX};
		uint32_t slot;

		CHECK_INT(binding_store_add(f.store, &record, &slot), 0);
	}
	login(&(struct request){.contact = CONTACT, .cseq = 1});
	CHECK_INT(answer.code, 503);
	CHECK(strstr(answer.headers, "Retry-After: ") != NULL);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_full), 1);
	/* All or nothing: room for one of two. */
	fixture_login(&f, &home,
		      &(struct request){.user = "0998", .contact = "<sip:p@192.0.2.77:3000>;expires=0", .cseq = 99},
		      "fleet");
	CHECK_INT(answer.code, 200);
	login(&(struct request){.contact = CONTACT ", <sip:b@192.0.2.77>", .cseq = 2});
	CHECK_INT(answer.code, 503);
	CHECK_INT(binding_store_standing(f.store), FIXTURE_SLOTS - 1);
	login(&(struct request){.contact = CONTACT, .cseq = 3});
	CHECK_INT(answer.code, 200);
	fixture_fini(&f);
}

static void test_restart(void)
{
	struct binding_target target;

	fixture_init(&f);
	login(&(struct request){.contact = CONTACT ";expires=600;q=0.25", .cseq = 5});
	fixture_restart(&f);
	CHECK_INT(binding_lookup(&f.engine, "alice", 5, &target), 0);
	CHECK_TEXT(target.contact, target.contact_len, "sip:alice@192.0.2.77:5060");
	login(&(struct request){.contact = CONTACT, .cseq = 4});
	CHECK_INT(answer.code, 500); /* the order of requests is remembered, too */
	fixture_sleep(&f, 600);
	CHECK_INT(binding_lookup(&f.engine, "alice", 5, &target), -EAGAIN);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_expired), 1);
	fixture_fini(&f);
}

/* A phone that makes up a new contact at every start does not leave the old one behind. */
static void test_taken_over(void)
{
	struct sip_flow far = home;
	struct binding_target target;

	fixture_init(&f);
	login(&(struct request){.contact = "<sip:one@192.0.2.77:5060>;q=1", .cseq = 1, .call_id = "first"});
	login(&(struct request){.contact = "<sip:two@192.0.2.77:5060>;q=0.5", .cseq = 1, .call_id = "second"});
	CHECK_INT(listed(), 1);
	CHECK(lists("<sip:two@192.0.2.77:5060>;expires=3600;q=0.500"));
	CHECK_INT(fixture_count(&f, COUNTER_registrar_taken_over), 1);
	/* With its Call-ID, or at another port, it is one more. */
	login(&(struct request){.contact = "<sip:three@192.0.2.77:5060>", .cseq = 3, .call_id = "second"});
	login(&(struct request){.contact = "<sip:four@192.0.2.77:5070>", .cseq = 1, .call_id = "third"});
	CHECK_INT(listed(), 3);
	login(&(struct request){.contact = "*", .extra = "Expires: 0\r\n", .cseq = 5, .call_id = "second"});
	CHECK_INT(listed(), 0);
	/* The instance tells wherever it comes from; another instance in the same place is another phone. */
	address(&far.remote, "192.0.2.99:40000");
	login(&(struct request){
	    .contact = "<sip:a@192.0.2.77>;+sip.instance=\"<urn:uuid:1>\"", .cseq = 1, .call_id = "a"});
	login(&(struct request){
	    .contact = "<sip:b@192.0.2.77>;+sip.instance=\"<urn:uuid:2>\"", .cseq = 1, .call_id = "b"});
	CHECK_INT(listed(), 2);
	fixture_login(&f, &far,
		      &(struct request){.contact = "<sip:c@192.0.2.99:40000>;+sip.instance=\"<urn:uuid:1>\"",
					.cseq = 1,
					.call_id = "c"},
		      "wonderland");
	CHECK_INT(listed(), 2);
	CHECK(lists("<sip:b@192.0.2.77>;expires=3600") && lists("<sip:c@192.0.2.99:40000>;expires=300"));
	CHECK_INT(binding_lookup(&f.engine, "alice", 5, &target), 0);
	CHECK(net_addr_equal(&target.flow.remote, &far.remote));
	/* Several flows of one phone stand side by side. */
	login(&(struct request){
	    .contact = "<sip:d@192.0.2.77>;+sip.instance=\"<urn:uuid:1>\";reg-id=2", .cseq = 1, .call_id = "d"});
	CHECK_INT(listed(), 3);
	CHECK_INT(fixture_count(&f, COUNTER_registrar_bindings), 3);
	fixture_fini(&f);
}

static void test_owner_of_a_request(void)
{
	static const char text[] =
	    "\r\n\r\nREGISTER sip:x SIP/2.0\r\nt: \"<sip:bob@x>\"\r\n <sip:al%69ce@x>;a=b\r\n\r\n";
	struct binding_record records[4] = {0};
	struct binding_store *store = binding_store_new(&(struct binding_store_options){records, 4, 1, 7, 0});
	static struct sip_message scratch;

	CHECK_INT(registrar_worker_of(store, &scratch, (const uint8_t *)text, sizeof(text) - 1),
		  binding_store_owner(store, "alice", 5));
	CHECK_INT(registrar_worker_of(store, &scratch, (const uint8_t *)text + 4, sizeof(text) - 5),
		  binding_store_owner(store, "alice", 5));
	CHECK_INT(registrar_worker_of(store, &scratch, (const uint8_t *)text, 34), -1);
	CHECK_INT(registrar_worker_of(store, &scratch, (const uint8_t *)"INVITE sip:x SIP/2.0\r\n", 22), -1);
	CHECK_INT(registrar_worker_of(store, &scratch, (const uint8_t *)"", 0), -1);
	binding_store_free(store);
}

static const struct check_case cases[] = {
    {"register, look up", test_register_and_lookup},
    {"refresh, fetch, expire", test_refresh_shows_remaining_time},
    {"expires: 423, caps, nonsense", test_expires_limits},
    {"remove one, remove all", test_remove},
    {"two contacts like the one that stands", test_remove_as_two},
    {"Call-ID and CSeq", test_order_of_requests},
    {"several contacts", test_several_contacts},
    {"behind NAT", test_nat},
    {"credentials", test_credentials},
    {"algorithms offered", test_algorithms_offered},
    {"unknown users", test_unknown_users},
    {"suspension", test_suspension},
    {"bad contacts", test_bad_contacts},
    {"no room", test_full},
    {"contacts in order", test_contacts_in_order},
    {"a gateway registers", test_gateway_registers},
    {"killed and started again", test_restart},
    {"another contact of the same phone", test_taken_over},
    {"whose REGISTER is this", test_owner_of_a_request},
};
CHECK_MAIN(cases)
