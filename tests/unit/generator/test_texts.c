/* SPDX-License-Identifier: Apache-2.0 */
/* What the generator reads and writes: SIP, templates, scenario and link files. */
#include <stdlib.h>
#include <unistd.h>

#include "bench/generator/link.h"
#include "bench/generator/scenario.h"
#include "bench/generator/sip_view.h"
#include "bench/generator/template.h"
#include "tests/unit/check.h"

#define CHECK_SPAN(span, expected) CHECK_TEXT((span).at, (span).len, expected)

static const char invite[] = "INVITE sip:4930000000012007@10.0.0.20:5061 SIP/2.0\r\n"
			     "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKone;rport\r\n"
			     "v: SIP/2.0/UDP 10.0.0.9\r\n"
			     " ;branch=z9hG4bKtwo\r\n"
			     "Record-Route: <sip:10.0.0.1;lr>\r\n"
			     "f: \"A; B\" <sip:a@b>;tag=from1\r\n"
			     "To: <sip:4930000000012007@b>\r\n"
			     "Call-ID : abc@def\r\n"
			     "CSeq: 7 INVITE\r\n"
			     "Contact: <sip:x@10.0.0.1:5060;transport=udp>;expires=5\r\n"
			     "Content-Length: 10\r\n"
			     "\r\n"
			     "v=0\r\nc=IN IP4 192.0.2.7\r\nm=audio 4002 RTP/AVP 8\r\na=label:b0000000c00000007\r\n";

static int view_of(struct sip_view *view, const char *text)
{
	return sip_view_read(view, text, (uint32_t)strlen(text));
}

static void a_request_is_read(void)
{
	struct sip_view view;
	struct identity id;
	struct net_addr media;
	char printed[NET_ADDR_TEXT];

	CHECK_INT(view_of(&view, invite), 0);
	CHECK_INT(view.code, 0);
	CHECK_INT(view.method, VIEW_INVITE);
	CHECK_INT(view.vias, 2);
	CHECK_SPAN(view.via[1], "SIP/2.0/UDP 10.0.0.9\r\n ;branch=z9hG4bKtwo");
	CHECK_SPAN(view.route[0], "<sip:10.0.0.1;lr>");
	CHECK_SPAN(view.call_id, "abc@def");
	CHECK_INT(view.cseq_number, 7);
	CHECK_SPAN(value_parameter(view.from, "tag"), "from1");
	CHECK_INT(value_parameter(view.to, "tag").len, 0);
	CHECK_SPAN(value_uri(view.contact), "sip:x@10.0.0.1:5060;transport=udp");
	CHECK(identity_of_uri(&id, view.uri));
	CHECK(id.kind == 0 && id.slot == 12 && id.serial == 7);
	CHECK(identity_of_label(&id, view.body));
	CHECK(id.kind == 'b' && id.slot == 12 && id.serial == 7);
	CHECK(sdp_media_address(&media, view.body));
	net_addr_print(&media, printed);
	CHECK_TEXT(printed, strlen(printed), "192.0.2.7:4002");
}

static void the_medium_has_its_own_address(void)
{
	static const char both[] =
	    "v=0\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4002 RTP/AVP 8\r\nc=IN IP4 192.0.2.7\r\n";
	static const char one[] = "v=0\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4002 RTP/AVP 8\r\na=sendrecv\r\n";
	char printed[NET_ADDR_TEXT];
	struct net_addr media;

	CHECK(sdp_media_address(&media, (struct span){both, sizeof(both) - 1}));
	net_addr_print(&media, printed);
	CHECK_TEXT(printed, strlen(printed), "192.0.2.7:4002");
	CHECK(sdp_media_address(&media, (struct span){one, sizeof(one) - 1}));
	net_addr_print(&media, printed);
	CHECK_TEXT(printed, strlen(printed), "192.0.2.1:4002");
	CHECK(!sdp_media_address(&media, (struct span){one, 20}));
}

static void a_response_is_read(void)
{
	struct sip_view view;
	struct identity id;

	CHECK_INT(view_of(&view,
			  "SIP/2.0 503 Later\r\nVia: SIP/2.0/UDP "
			  "10.0.0.10:5060;rport=5060;branch=z9hG4bK10000000c00000007deadbeef;received=1.2.3.4\r\n"
			  "From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\nCall-ID: q\r\nCSeq: 1 INVITE\r\n"
			  "Retry-After: 3\r\n\r\n"),
		  0);
	CHECK_INT(view.code, 503);
	CHECK_INT(view.method, VIEW_INVITE);
	CHECK(view.retry_after);
	CHECK(identity_of_branch(&id, view.via[0], 0xdeadbeef));
	CHECK(id.kind == '1' && id.slot == 12 && id.serial == 7);
	CHECK(!identity_of_branch(&id, view.via[0], 0xdeadbee0));
}

static void a_glance_is_enough(void)
{
	static const char ringing[] = "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP "
				      "10.0.0.10:5060;rport=5060;branch=z9hG4bK10000000c00000007deadbeef\r\n";
	static const char ack[] = "ACK sip:b0000000c00000007@10.0.0.20 SIP/2.0\r\n";
	struct sip_view view;
	struct identity id;

	CHECK(sip_view_glance(&view, ringing, sizeof(ringing) - 1));
	CHECK_INT(view.code, 180);
	CHECK(identity_of_branch(&id, view.via[0], 0xdeadbeef));
	CHECK(id.kind == '1' && id.slot == 12 && id.serial == 7);
	CHECK(sip_view_glance(&view, ack, sizeof(ack) - 1));
	CHECK(view.code == 0 && view.method == VIEW_ACK && view.call_id.len == 0);
	CHECK(identity_of_uri(&id, view.uri));
	CHECK(!sip_view_glance(&view, "SIP/2.0 180 Ringing\r\nTo: <sip:a@b>\r\n", 37));
	CHECK(!sip_view_glance(&view, "SIP/2.0 180 Ringing\r\nVia: ", 26));
	for (size_t i = 0; i < sizeof(ringing) - 1; i++) {
		char *copy = malloc(i + 1);

		memcpy(copy, ringing, i);
		CHECK(!sip_view_glance(&view, copy, (uint32_t)i));
		free(copy);
	}
}

static void our_contact_is_known_again(void)
{
	struct identity id;
	struct span uri = {"sip:b0000000c00000007@10.0.0.20:5060", 36};

	CHECK(identity_of_uri(&id, uri));
	CHECK(id.kind == 'b' && id.slot == 12 && id.serial == 7);
	CHECK(!identity_of_uri(&id, (struct span){"sip:10.0.0.20", 13}));
	CHECK(!identity_of_uri(&id, (struct span){"sip:123@10.0.0.20", 17}));
}

/* Every beginning of a message is read without a look beyond its end (the sanitizers watch). */
static void truncated_ones_are_refused(void)
{
	size_t len = sizeof(invite) - 1, end = (size_t)(strstr(invite, "\r\n\r\n") - invite);
	struct sip_view view;

	for (size_t i = 0; i < len; i++) {
		char *copy = malloc(i + 1);
		int rc;

		memcpy(copy, invite, i);
		rc = sip_view_read(&view, copy, (uint32_t)i);
		if (rc == 0) {
			struct identity id;
			struct net_addr media;

			identity_of_label(&id, view.body);
			sdp_media_address(&media, view.body);
		}
		CHECK(i > end / 2 || rc != 0);
		free(copy);
	}
	CHECK(view_of(&view, "HELLO") != 0);
	CHECK(view_of(&view, "SIP/2.0 99 X\r\n\r\n") != 0);
}

static void templates_are_filled(void)
{
	struct template t;
	struct template_values values = {.k = '2'};
	char out[128], *end;

	CHECK_INT(template_compile(&t, "<{number}> {id}/{k} m={port} {other}", 16), 0);
	values_id(&values, 0x12cdef90, 0xa9);
	CHECK_TEXT(values.id, ID_HEX, "12cdef90000000a9");
	values_id(&values, 12, 7);
	values_port(&values, 16384);
	values_number(&values, "49", 16, 123456, 12, 5007);
	end = template_fill(&t, out, &values);
	CHECK_TEXT(out, end - out, "<4934560000012007> 0000000c00000007/2 m=16384 {other}");
	CHECK(template_compile(&t, "{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}{k}", 16) !=
	      0);
}

/* ---- files --------------------------------------------------------------------------------------------------- */

static char path[64];

static const char *file_with(const char *text)
{
	int fd;
	size_t len = strlen(text);

	strcpy(path, "/tmp/test-generator-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	close(fd);
	return path;
}

static struct scenario *scenario_of(const char *text, const struct overrides *overrides)
{
	struct scenario *s = scenario_load(file_with(text), overrides);

	unlink(path);
	return s;
}

static struct link *link_of(const char *text)
{
	struct link *link = link_load(file_with(text));

	unlink(path);
	return link;
}

static void a_scenario_is_read(void)
{
	static const char text[] = "name: x\nload: {rate: 50, standing: 10, search: {low: 10, high: 100}}\n"
				   "call: {prefixes: 100, prefix: '49', hold: {mean: 2}, ring: none, hang_up: callee}\n"
				   "mix:\n"
				   "  - {name: a, share: 3}\n"
				   "  - {name: b, share: 1, vendors: [silent, '503', answer], hold: 1, ring: 0.5}\n"
				   "  - {name: c, cancel: 0.5, vendors: [ring], share: 0}\n"
				   "  - {name: d, vendors: ['486'], share: 0}\n";
	struct overrides none = {0}, some = {.ramp = "1:3:1", .seconds = 7};
	struct scenario *s = scenario_of(text, &none);

	CHECK(s != NULL);
	if (!s)
		return;
	CHECK_INT(s->load.plan, PLAN_SEARCH);
	CHECK_INT(s->call.prefixes, 100);
	CHECK_TEXT(s->call.prefix[99], strlen(s->call.prefix[99]), "49199");
	CHECK_INT(s->flows, 4);
	CHECK(s->flow[0].hold_random && s->flow[0].hold_ns == 2000000000u && !s->flow[0].rings);
	CHECK(s->flow[0].share == 0.75 && s->flow[0].callee_hangs_up == 1 && s->flow[0].expect[0] == 200);
	CHECK(!s->flow[1].hold_random && s->flow[1].rings && s->flow[1].ring_ns == 500000000u);
	CHECK(s->flow[1].actions == 3 && s->flow[1].action[1].code == 503 && s->flow[1].expect[0] == 200);
	CHECK_INT(s->flow[2].expect[0], 487);
	CHECK_INT(s->flow[3].expect[0], 486);
	scenario_free(s);
	s = scenario_of(text, &some);
	CHECK(s && s->load.plan == PLAN_RAMP && s->load.to == 3 && s->load.seconds == 7);
	scenario_free(s);
}

static void wrong_scenarios_are_refused(void)
{
	static const char *const wrong[] = {
	    "mix: []",
	    "mix: [{name: a}]\nload: {rate: fast}",
	    "mix: [{name: a}]\nlaod: {}",
	    "mix: [{name: a, vendors: [sleep]}]",
	    "mix: [{name: a}]\ncall: {prefixes: ['12x']}",
	    "mix: [{name: a}]\ncall: {headers: [\"X: {id}\"]}",
	    "mix: [{name: a}]\nload: {ramp: {from: 5, to: 1, step: 0}}",
	    "mix: [{name: a, share: 0}]",
	    "mix: [",
	};
	struct overrides none = {0}, bad = {.search = "100:10"};

	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct scenario *s = scenario_of(wrong[i], &none);

		CHECK(s == NULL);
		scenario_free(s);
	}
	CHECK(scenario_of("mix: [{name: a}]", &bad) == NULL);
}

static void a_link_is_read(void)
{
	struct link *link =
	    link_of("worker: 1\nidle: spin\nports:\n"
		    "  - {name: a, driver: memif, device: /tmp/x, options: \"role=server\", "
		    "addresses: [10.0.0.1/24, \"fd00::1/64\"]}\n"
		    "  - {name: b, driver: af_packet, device: eth0, addresses: [10.0.1.1/24]}\n"
		    "switch: 10.0.0.9\ncustomer: 10.0.0.1:5070\n"
		    "vendors: [{address: \"10.0.0.1:6000\", count: 200}, {address: \"[fd00::1]:5060\"}]\n"
		    "media: {addresses: [10.0.1.1], first: 20000, last: 20007}\n");

	CHECK(link != NULL);
	if (!link)
		return;
	CHECK_INT(link->target.port, 5060);
	CHECK_INT(link->vendors, 201);
	CHECK_INT(link->vendor[1].first, 200);
	CHECK_INT(link_port_of(link, &link->media.address[0]), 1);
	CHECK_INT(link_media_endpoints(link), 4);
	CHECK_INT(link->config.process[ROLE_SIGNALING].idle, IDLE_SPIN);
	link_free(link);
	CHECK(link_of("ports: [{name: a, driver: tap, device: t, addresses: [10.0.0.1/24]}]\nswitch: 10.0.0.9\n"
		      "customer: 10.0.0.2\n") == NULL);
	CHECK(link_of("ports: []\nswitch: 10.0.0.9\ncustomer: 10.0.0.2\n") == NULL);
}

static const struct check_case cases[] = {
    {"a request is read", a_request_is_read},
    {"the medium has its own address", the_medium_has_its_own_address},
    {"a response is read", a_response_is_read},
    {"a glance is enough", a_glance_is_enough},
    {"our contact is known again", our_contact_is_known_again},
    {"truncated ones are refused", truncated_ones_are_refused},
    {"templates are filled", templates_are_filled},
    {"a scenario is read", a_scenario_is_read},
    {"wrong scenarios are refused", wrong_scenarios_are_refused},
    {"a link is read", a_link_is_read},
};

CHECK_MAIN(cases)
