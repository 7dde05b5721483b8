/* SPDX-License-Identifier: Apache-2.0 */
/* Vendors that are down, or have banned us for a while: who is passed over, and for how long. */
#include <stdlib.h>

#include "lab.h"
#include "common/end_reason.h"
#include "signaling/gateway_address.h"
#include "tests/unit/check.h"

static unsigned int codes[] = {408, 503};
static struct config_probe probe = {
    .interval_s = 10, .down_after = 2, .up_after = 2, .down_codes = codes, .down_codes_count = 2};

/* A lab whose first `count` vendors are probed, with the memory that outlives a kill. */
static struct lab *probed_lab(unsigned int count)
{
	struct lab *lab = lab_new();
	struct segment_spec spec;

	gateway_status_spec(&spec, &lab->config);
	lab->gateways = calloc(1, sizeof(*lab->gateways));
	lab->gateways->content = aligned_alloc(64, spec.size - SEGMENT_HEADER);
	memset(lab->gateways->content, 0, spec.size - SEGMENT_HEADER);
	for (unsigned int i = 0; i < count; i++)
		lab->routing[i].probe = &probe;
	lab_restart(lab);
	return lab;
}

static void free_lab(struct lab *lab)
{
	struct segment *gateways = lab->gateways;

	lab_free(lab);
	free(gateways->content);
	free(gateways);
}

static struct sip_message *next_probe(struct lab *lab, unsigned int vendor)
{
	lab_skip(lab, VENDOR(vendor)); /* the one before, sent again */
	for (unsigned int s = 0; s < 11 && lab_waiting(lab, VENDOR(vendor)) == 0; s++)
		lab_sleep(lab, 1000);
	return lab_take(lab, VENDOR(vendor), "OPTIONS ");
}

static void answer_probe(struct lab *lab, unsigned int vendor, unsigned int code)
{
	lab_reply(lab, next_probe(lab, vendor), VENDOR(vendor), code, "o", NULL, "");
}

/* Two in a row that nobody answers; each is sent again meanwhile, as the schedule says. */
static void miss_two(struct lab *lab, unsigned int vendor)
{
	CHECK(next_probe(lab, vendor) != NULL);
	lab_sleep(lab, 21000);
	lab_skip(lab, VENDOR(vendor));
}

/* Which vendor a call goes to, which then ends; LAB_GATEWAYS: none. */
static unsigned int vendor_of(struct lab *lab, unsigned int n)
{
	lab_skip(lab, CUSTOMER);
	lab_invite(lab, n, "4930123", lab_sdp, "");
	for (unsigned int i = 0; i < LAB_GATEWAYS; i++) {
		for (unsigned int s = 0; s < lab->sent_count; s++) {
			struct lab_sent *sent = &lab->sent[s];
			struct net_addr to;

			net_addr_parse(&to, VENDOR(i), strlen(VENDOR(i)));
			if (sent->taken || strncmp(sent->data, "INVITE ", 7) != 0 ||
			    !net_addr_equal(&to, &sent->flow.remote))
				continue;
			lab_cancel(lab, n, "4930123");
			sent->taken = true;
			return i;
		}
	}
	return LAB_GATEWAYS;
}

static void down_and_up(void)
{
	struct lab *lab = probed_lab(1);
	struct sip_message *options;

	lab_sleep(lab, 1100);
	options = lab_take(lab, VENDOR(0), "OPTIONS sip:10.2.0.1:5060");
	CHECK_INT(lab_waiting(lab, VENDOR(1)), 0);
	lab_reply(lab, options, VENDOR(0), 200, "o", NULL, "");
	/* Whoever answers lives, whatever it says. */
	answer_probe(lab, 0, 404);
	answer_probe(lab, 0, 503);
	CHECK_INT(vendor_of(lab, 1), 0);
	answer_probe(lab, 0, 408);
	CHECK_INT(vendor_of(lab, 2), 1);
	CHECK_INT(lab_count(lab, COUNTER_probe_refused), 2);
	CHECK_INT(lab_count(lab, COUNTER_probe_went_down), 1);
	/* One answer is not enough, and not two that are not in a row. */
	answer_probe(lab, 0, 200);
	CHECK_INT(vendor_of(lab, 3), 1);
	answer_probe(lab, 0, 503);
	answer_probe(lab, 0, 200);
	CHECK_INT(vendor_of(lab, 4), 1);
	answer_probe(lab, 0, 486);
	CHECK_INT(vendor_of(lab, 5), 0);
	CHECK_INT(lab_count(lab, COUNTER_probe_went_up), 1);
	miss_two(lab, 0);
	CHECK_INT(vendor_of(lab, 6), 1);
	CHECK(lab_count(lab, COUNTER_probe_unanswered) >= 2);
	free_lab(lab);
}

/* Where no code counts as none, whoever answers lives. */
static void no_down_codes(void)
{
	struct lab *lab;

	probe.down_codes_count = 0;
	lab = probed_lab(1);
	for (unsigned int i = 0; i < 4; i++)
		answer_probe(lab, 0, i & 1 ? 408 : 503);
	CHECK_INT(vendor_of(lab, 1), 0);
	CHECK_INT(lab_count(lab, COUNTER_probe_answered), 4);
	CHECK_INT(lab_count(lab, COUNTER_probe_refused), 0);
	miss_two(lab, 0);
	CHECK_INT(vendor_of(lab, 2), 1);
	probe.down_codes_count = 2;
	free_lab(lab);
}

static void all_down(void)
{
	struct lab *lab = probed_lab(LAB_GATEWAYS);

	lab_sleep(lab, 22000);
	CHECK_INT(lab_count(lab, COUNTER_probe_went_down), LAB_GATEWAYS);
	CHECK_INT(vendor_of(lab, 1), LAB_GATEWAYS);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100") && lab_take(lab, CUSTOMER, "SIP/2.0 503"));
	CHECK_INT(lab_final(lab)->reason, END_ALL_GATEWAY_BUSY);
	free_lab(lab);
}

static void over_kill_and_reload(void)
{
	struct lab *lab = probed_lab(1);

	miss_two(lab, 0);
	CHECK_INT(vendor_of(lab, 1), 1);
	lab_restart(lab);
	CHECK_INT(vendor_of(lab, 2), 1);
	lab_reload(lab);
	lab_sleep(lab, 1);
	CHECK_INT(vendor_of(lab, 3), 1);
	/* Answers before and after a kill are in a row, too. */
	lab_skip(lab, VENDOR(0));
	answer_probe(lab, 0, 200);
	lab_restart(lab);
	lab_skip(lab, NULL);
	answer_probe(lab, 0, 200);
	CHECK_INT(vendor_of(lab, 4), 0);
	miss_two(lab, 0);
	/* Not probed any more: nobody says that it is down. */
	lab->routing[0].probe = NULL;
	lab_reload(lab);
	lab_sleep(lab, 1);
	CHECK_INT(vendor_of(lab, 5), 0);
	lab_skip(lab, VENDOR(0));
	lab_sleep(lab, 30000);
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	/* And again. */
	lab->routing[0].probe = &probe;
	lab_reload(lab);
	lab_sleep(lab, 1); /* the worker takes it up, and only then knows what is due */
	lab_sleep(lab, 2000);
	CHECK(lab_take(lab, VENDOR(0), "OPTIONS "));
	free_lab(lab);
}

/* Each gateway is probed by one worker. */
static void of_several_workers(void)
{
	struct lab *lab = probed_lab(LAB_GATEWAYS);

	lab->workers = 2;
	for (lab->worker = 0; lab->worker < 2; lab->worker++) {
		unsigned int probed = 0;

		lab_restart(lab);
		lab_skip(lab, NULL);
		lab_sleep(lab, 1500);
		for (unsigned int i = 0; i < LAB_GATEWAYS; i++)
			probed += lab_waiting(lab, VENDOR(i)) > 0;
		CHECK_INT(probed, LAB_GATEWAYS / 2);
	}
	free_lab(lab);
}

/* A gateway that a reload takes away is probed no more, and does no harm. */
static void removed(void)
{
	struct lab *lab = probed_lab(LAB_GATEWAYS);

	lab_sleep(lab, 1500);
	lab->config.routing_gateways_count = 1;
	lab_reload(lab);
	lab_skip(lab, NULL);
	lab_sleep(lab, 40000);
	lab_skip(lab, VENDOR(0));
	lab_skip(lab, VENDOR(3));
	lab_sleep(lab, 40000);
	CHECK_INT(lab_waiting(lab, VENDOR(3)), 0);
	lab->config.routing_gateways_count = LAB_GATEWAYS;
	lab_reload(lab);
	CHECK(next_probe(lab, 3) != NULL);
	free_lab(lab);
}

static void ban(struct lab *lab, unsigned int n, unsigned int code)
{
	struct sip_message *invite;

	lab_skip(lab, NULL);
	lab_invite(lab, n, "4930123", lab_sdp, "");
	invite = lab_take(lab, VENDOR(0), "INVITE ");
	CHECK(invite != NULL);
	lab_reply(lab, invite, VENDOR(0), code, "v", NULL, "Retry-After: 60\r\n");
}

static void bans(void)
{
	struct lab *lab = probed_lab(0);

	ban(lab, 1, 486);
	ban(lab, 2, 480);
	CHECK_INT(vendor_of(lab, 3), 0);
	ban(lab, 4, 503);
	CHECK_INT(vendor_of(lab, 5), 1);
	lab_sleep(lab, 30000);
	lab_restart(lab);
	CHECK_INT(vendor_of(lab, 6), 1);
	lab_reload(lab);
	CHECK_INT(vendor_of(lab, 7), 1);
	lab_sleep(lab, 30000);
	CHECK_INT(vendor_of(lab, 8), 0);
	ban(lab, 9, 500);
	CHECK_INT(vendor_of(lab, 10), 1);
	free_lab(lab);
}

/* The last word is the operator's: disabled and enabled again, or elsewhere, it is tried. */
static void bans_end(void)
{
	struct lab *lab = probed_lab(0);
	static struct sip_message first, second;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	first = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_invite(lab, 2, "4930123", lab_sdp, "");
	second = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &first, VENDOR(0), 503, "v", NULL, "Retry-After: 3600\r\n");
	lab_reply(lab, &second, VENDOR(0), 503, "v", NULL, "Retry-After: 1\r\n");
	lab_sleep(lab, 2000);
	CHECK_INT(vendor_of(lab, 3), 1);
	lab->routing[0].enabled = false;
	lab_reload(lab);
	CHECK_INT(vendor_of(lab, 4), 1);
	lab->routing[0].enabled = true;
	lab_reload(lab);
	CHECK_INT(vendor_of(lab, 5), 0);
	ban(lab, 6, 503);
	lab_restart(lab);
	CHECK_INT(vendor_of(lab, 7), 1);
	CHECK_INT(net_addr_parse(&lab->routing[0].address, "10.2.0.9:5060", 13), 0);
	lab_reload(lab);
	lab_skip(lab, NULL);
	lab_invite(lab, 8, "4930123", lab_sdp, "");
	CHECK(lab_take(lab, "10.2.0.9:5060", "INVITE "));
	free_lab(lab);
}

/* The first vendor is known by a name that has these addresses, best first. */
static void name_first(struct lab *lab, unsigned int count)
{
	struct gateway_addresses *found = calloc(1, sizeof(*found));
	uint32_t id;

	lab->routing[0].host = (char *)(uintptr_t) "vendor.test";
	lab_reload(lab);
	CHECK_INT(gateway_find(lab->engine, GATEWAY_CALLEE, false, "v1", 2, &id), 0);
	found->count = count;
	for (unsigned int i = 0; i < count; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.3.0.%u:5060", i + 1);
		net_addr_parse(&found->target[i].addr, text, strlen(text));
		found->target[i].priority = (uint16_t)i;
	}
	gateway_addresses_publish(party_get(lab->state.parties, id), found, 1, lab->now_us);
}

static void next_addresses(void)
{
	struct lab *lab = probed_lab(0);
	struct sip_message *invite;

	name_first(lab, 3);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = lab_take(lab, "10.3.0.1:5060", "INVITE sip:4930123@vendor.test SIP/2.0");
	CHECK(invite != NULL);
	lab_reply(lab, invite, "10.3.0.1:5060", 503, "v", NULL, "Retry-After: 60\r\n");
	CHECK(lab_take(lab, "10.3.0.1:5060", "ACK "));
	/* Silence, too, leads to the next one; nothing is billed, and nobody banned. */
	CHECK(lab_take(lab, "10.3.0.2:5060", "INVITE "));
	lab_sleep(lab, 10100);
	invite = lab_take(lab, "10.3.0.3:5060", "INVITE ");
	CHECK(invite != NULL && lab->cdr_count == 0);
	lab_reply(lab, invite, "10.3.0.3:5060", 404, "v", NULL, "");
	/* Another failure is the vendor's word. */
	CHECK(lab_take(lab, VENDOR(1), "INVITE sip:4930123@10.2.0.2:5060 "));
	CHECK_INT(lab->cdr_count, 1);
	CHECK(strcmp(lab->cdrs[0].gateway, "v1") == 0 && lab->cdrs[0].attempt == 1 && lab->cdrs[0].code == 404);
	CHECK_INT(lab_count(lab, COUNTER_resolver_next_addresses), 2);
	CHECK_INT(lab_count(lab, COUNTER_registrar_gateway_banned), 0);
	lab_cancel(lab, 1, "4930123");
	lab_skip(lab, NULL);
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	CHECK_INT(lab_count(lab, COUNTER_signaling_transactions), 0);
	free_lab(lab);
}

/* What was found outlives a kill; a name without addresses is passed over. */
static void addresses_left(void)
{
	struct lab *lab = probed_lab(0);
	struct gateway_addresses *left;
	struct party *party;
	uint32_t id;

	name_first(lab, 2);
	lab_restart(lab);
	CHECK_INT(vendor_of(lab, 1), 1);
	CHECK_INT(lab_count(lab, COUNTER_resolver_unresolved), 1);
	CHECK_INT(gateway_find(lab->engine, GATEWAY_CALLEE, false, "v1", 2, &id), 0);
	party = party_get(lab->state.parties, id);
	CHECK(gateway_addresses_left(party, 2) == NULL);
	left = gateway_addresses_left(party, 1);
	CHECK(left && left->count == 2 && left->target[1].addr.ip[3] == 2);
	free(left);
	party->slot->place.count = 9;
	CHECK(gateway_addresses_left(party, 1) == NULL);
	party->slot->place.count = 2;
	party->slot->place.target[0].addr.family = 5;
	CHECK(gateway_addresses_left(party, 1) == NULL);
	free_lab(lab);
}

/* A vendor that says where else, and answers there, has failed nobody: RFC 6076. */
static void redirects_are_no_failures(void)
{
	struct lab *lab = probed_lab(0);
	static struct sip_message invite;
	struct gateway_sum sum;

	lab->routing[0].redirect = (struct config_redirect){.follow = 1, .to = REDIRECT_ANY};
	lab_reload(lab);
	for (unsigned int n = 1; n <= 2; n++) {
		lab_invite(lab, n, "4930123", lab_sdp, "");
		invite = *lab_take(lab, VENDOR(0), "INVITE ");
		lab_reply(lab, &invite, VENDOR(0), 302, "t", NULL, "Contact: <sip:4930999@10.2.0.1:5070>\r\n");
		lab_skip(lab, VENDOR(0));
		invite = *lab_take(lab, "10.2.0.1:5070", "INVITE ");
		lab_reply(lab, &invite, "10.2.0.1:5070", n == 1 ? 200 : 486, "t", n == 1 ? lab_sdp : NULL, "");
		lab_skip(lab, "10.2.0.1:5070");
	}
	gateway_status_sum(gateway_status_claim(lab->gateways, GATEWAY_ROUTING, "v1"), &sum);
	CHECK_INT(sum.attempts, 2);
	CHECK_INT(sum.answered, 1);
	free_lab(lab);
}

static const struct check_case cases[] = {
    {"redirects are no failures", redirects_are_no_failures},
    {"the next address of a name, within the attempt", next_addresses},
    {"addresses of a name over a kill", addresses_left},
    {"a vendor goes down and comes back", down_and_up},
    {"no code counts as down", no_down_codes},
    {"all are down", all_down},
    {"what is down stays so over a kill and a reload", over_kill_and_reload},
    {"each worker probes its own", of_several_workers},
    {"a removed gateway is probed no more", removed},
    {"Retry-After, over a kill and a reload", bans},
    {"Retry-After, and the operator knows better", bans_end},
};
CHECK_MAIN(cases)
