/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to those who have registered: a phone with several contacts, a gateway that is where it registered from. */
#include "lab.h"
#include "tests/unit/check.h"

#define WORD(text) ((char *)(uintptr_t)(text))

static struct config_phone phone = {WORD("alice"), WORD("wonderland"), 1, 1};
static struct config_digest digest = {WORD("pbx"), WORD("secret")};
static struct config_mapping_gateway customers[2];
static struct sip_message invite;

static void put_binding(struct lab *lab, const char *user, const char *remote, uint16_t q_x1000, uint8_t flags,
			uint16_t port)
{
	struct binding_record record = {
	    .state = BINDING_STANDING, .flags = flags, .q_x1000 = q_x1000, .port_index = port};
	uint32_t slot;

	record.expires_us = lab->now_us + 600 * US_PER_S;
	record.refreshed_us = lab->now_us;
	record.local = lab->addresses[0].addr;
	record.local.port = 5060;
	net_addr_parse(&record.remote, remote, strlen(remote));
	record.user_len = (uint8_t)strlen(user);
	memcpy(record.user, user, strlen(user));
	record.contact_len = (uint16_t)snprintf(record.contact, sizeof(record.contact), "sip:%s@%s", user, remote);
	CHECK_INT(binding_store_add(lab->store, &record, &slot), 0);
}

static struct lab *with_users(void)
{
	struct lab *lab = lab_new();

	customers[0] = lab->mapping;
	customers[1] = (struct config_mapping_gateway){.name = WORD("pbx"), .enabled = true, .digest = &digest};
	lab->config.mapping_gateways = customers;
	lab->config.mapping_gateways_count = 2;
	lab->config.phones = &phone;
	lab->config.phones_count = 1;
	lab->routing[0].registered = WORD("pbx");
	lab->routing[0].address = (struct net_addr){.family = NET_NONE};
	lab_reload(lab);
	return lab;
}

static void refuse(struct lab *lab, const char *where, unsigned int code)
{
	invite = *lab_take(lab, where, "INVITE sip:alice@");
	lab_reply(lab, &invite, where, code, "p", NULL, "");
	CHECK(lab_take(lab, where, "ACK "));
}

#define DESK   "10.3.0.1:5060"
#define MOBILE "10.3.0.2:5060"
#define HOME   "10.3.0.3:5060"

static void ring_alice(struct lab *lab)
{
	put_binding(lab, "alice", MOBILE, 500, BINDING_NAT, 0);
	put_binding(lab, "alice", DESK, 1000, 0, 0);
	put_binding(lab, "alice", HOME, 100, 0, 0);
	lab_invite(lab, 1, "alice", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
}

/* One after the other, by q; a record for each. */
static void by_q(void)
{
	struct lab *lab = with_users();

	ring_alice(lab);
	refuse(lab, DESK, 480);
	invite = *lab_take(lab, MOBILE, "INVITE sip:alice@10.3.0.2:5060");
	CHECK_INT(lab_waiting(lab, HOME), 0);
	lab_sleep(lab, 10100); /* SS_SIP_TIMEOUT_INVITE */
	lab_skip(lab, MOBILE);
	invite = *lab_take(lab, HOME, "INVITE sip:alice@10.3.0.3:5060");
	lab_reply(lab, &invite, HOME, 200, "p", lab_sdp, "");
	CHECK(lab_take(lab, HOME, "ACK "));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	CHECK_INT(lab->cdr_count, 2);
	CHECK_INT(lab->cdrs[0].code, 480);
	CHECK_INT(lab->cdrs[1].attempt, 2);
	CHECK_INT(lab_count(lab, COUNTER_signaling_switches), 2);
	lab_free(lab);
}

static void all_fail(void)
{
	struct lab *lab = with_users();

	ring_alice(lab);
	refuse(lab, DESK, 480);
	refuse(lab, MOBILE, 503);
	refuse(lab, HOME, 404);
	lab_ack_failure(lab, CUSTOMER, lab_take(lab, CUSTOMER, "SIP/2.0 404"));
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	CHECK_INT(lab->cdr_count, 3);
	CHECK(lab_final(lab));
	/* Its place came back each time: it can be called again. */
	lab_invite(lab, 2, "alice", lab_sdp, "");
	CHECK(lab_take(lab, DESK, "INVITE sip:alice@"));
	lab_free(lab);
}

static void busy_ends_it(void)
{
	struct lab *lab = with_users();

	ring_alice(lab);
	refuse(lab, DESK, 486);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 486"));
	CHECK_INT(lab_waiting(lab, MOBILE), 0);
	lab_free(lab);
}

/* Where it registered from, with the number dialled in the Request-URI; passed over while it is not registered. */
static void registered_gateway(void)
{
	struct lab *lab = with_users();

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(1), "INVITE sip:4930123@10.2.0.2:5060"));
	lab_skip(lab, NULL);
	put_binding(lab, "pbx", "10.4.0.9:40000", 1000, BINDING_NAT, 0);
	lab_invite(lab, 2, "4930123", lab_sdp, "");
	invite = *lab_take(lab, "10.4.0.9:40000", "INVITE sip:4930123@10.4.0.9:40000");
	/* It answers with an address that only its own network knows: what follows goes to the flow. */
	lab_text(lab, "10.4.0.9:40000",
		 "SIP/2.0 200 OK\r\nVia: %.*s\r\nFrom: %.*s\r\nTo: %.*s;tag=p\r\nCall-ID: %.*s\r\nCSeq: %u INVITE\r\n"
		 "Contact: <sip:pbx@192.168.1.9>\r\nContent-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
		 (int)sip_message_value(&invite, SIP_H_VIA).len, sip_message_value(&invite, SIP_H_VIA).at,
		 (int)sip_message_value(&invite, SIP_H_FROM).len, sip_message_value(&invite, SIP_H_FROM).at,
		 (int)sip_message_value(&invite, SIP_H_TO).len, sip_message_value(&invite, SIP_H_TO).at,
		 (int)sip_message_call_id(&invite).len, sip_message_call_id(&invite).at,
		 sip_message_cseq(&invite)->number, strlen(lab_sdp), lab_sdp);
	CHECK(lab_take(lab, "10.4.0.9:40000", "ACK sip:pbx@192.168.1.9 "));
	lab_free(lab);
}

#define INNER "10.5.0.9:5060"

/* They are where they registered, whatever network the gateway is in by the configuration. */
static void networks(void)
{
	static struct config_port ports[4];
	static const char *const network[] = {"default", "default", "inner", "inner"};
	static const struct {
		const char *user, *callee;
		enum media_proxy_mode mode;
		uint16_t port;
		const char *told;
	} cases[] = {
	    {"alice", "alice", MEDIA_PROXY_AUTO, 1, "c=IN IP4 10.5.0.2"},
	    {"alice", "alice", MEDIA_PROXY_AUTO, 0, "c=IN IP4 10.1.0.5"},
	    {"alice", "alice", MEDIA_PROXY_ON, 1, "c=IN IP4 10.5.0.2"},
	    {"alice", "alice", MEDIA_PROXY_ON, 0, "c=IN IP4 10.0.0.2"},
	    {"pbx", "4930123", MEDIA_PROXY_AUTO, 1, "c=IN IP4 10.5.0.2"},
	    {"pbx", "4930123", MEDIA_PROXY_AUTO, 0, "c=IN IP4 10.1.0.5"},
	    {"pbx", "4930123", MEDIA_PROXY_ON, 1, "c=IN IP4 10.5.0.2"},
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lab *lab = with_users();

		for (unsigned int p = 0; p < 4; p++) {
			ports[p] = lab->ports[p % 2];
			ports[p].network = WORD(network[p]);
		}
		CHECK_INT(net_prefix_parse(&lab->addresses[3], "10.5.0.2/16", 11), 0);
		ports[3].addresses = &lab->addresses[3];
		lab->config.ports = ports;
		lab->config.ports_count = 4;
		lab->config.parameters.media_proxy_mode = cases[i].mode;
		lab->routing[0].network = WORD("default");
		lab_restart(lab);
		put_binding(lab, cases[i].user, INNER, 1000, 0, cases[i].port);
		lab_invite(lab, 1, cases[i].callee, lab_sdp, "");
		CHECK(has(lab_take(lab, INNER, "INVITE "), cases[i].told));
		lab_free(lab);
	}
}

static const struct check_case cases[] = {
    {"a phone's contacts by q", by_q},     {"none of them", all_fail},
    {"busy at one of them", busy_ends_it}, {"a gateway that registered", registered_gateway},
    {"their networks", networks},
};
CHECK_MAIN(cases)
