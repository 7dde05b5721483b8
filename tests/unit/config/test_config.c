/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#define HEAD                                                                                                           \
	"node: t\n"                                                                                                    \
	"processes: {signaling: {workers: [0]}, media: {workers: [1]}}\n"                                              \
	"limits: {calls: 100}\n"
#define PORTS                                                                                                          \
	"ports:\n"                                                                                                     \
	"  - {name: sip0, process: signaling, network: net, driver: tap, device: t0, addresses: [192.0.2.1/24]}\n"     \
	"  - {name: rtp0, process: media, network: net, driver: tap, device: t1, addresses: [192.0.2.2/24]}\n"

static void test_sample_loads(void)
{
	struct config *config = load_file(SAMPLE);

	CHECK(config != NULL);
	CHECK_TEXT(load_report, strlen(load_report), "");
	if (config == NULL)
		return;
	CHECK_TEXT(config->node, strlen(config->node), "tandem-1");
	CHECK_INT(config->ports_count, 2);
	CHECK_INT(config->process[ROLE_MEDIA].workers_count, 4);
	CHECK_INT(config->process[ROLE_SIGNALING].idle, IDLE_SPIN);
	CHECK_INT(config->process[ROLE_KEEPALIVE].core, 0);
	CHECK_INT(config->parameters.timeout_invite_ms, 4000);
	CHECK_INT(config->mapping_gateways_count, 2);
	CHECK_INT(config->mapping_gateways[0].addresses_count, 3);
	CHECK_INT(config->mapping_gateways[0].addresses[1].addr.port, 5060);
	CHECK_INT(config->mapping_gateways[0].addresses[2].len, 28);
	CHECK_INT(config->mapping_gateways[0].callee.strip, 2);
	CHECK(config->mapping_gateways[0].callee.add == NULL);
	CHECK_TEXT(config->routing_gateways[0].callee.add, strlen(config->routing_gateways[0].callee.add), "00");
	CHECK_INT(config->mapping_gateways[0].response_codes[0].to, 480);
	CHECK(config->mapping_gateways[0].digest == NULL && config->mapping_gateways[1].digest != NULL);
	/* No network named: that of the first signaling port. */
	CHECK_TEXT(config->mapping_gateways[1].network, strlen(config->mapping_gateways[1].network), "public");
	CHECK_INT(config->routing_gateways[0].timeout_invite_ms, 3000);
	CHECK_INT(config->routing_gateways[0].stop_codes_count, 2);
	CHECK_INT(config->routing_gateways[0].stop_switch_after_sdp, 1);
	CHECK_INT(config->routing_gateways[0].stop_switch_after_invite_timeout, -1);
	CHECK_INT(config->routing_gateways[1].priority, 100);
	CHECK_TEXT(config->routing_gateways[1].digest->realm, strlen(config->routing_gateways[1].digest->realm),
		   "vendor-b.example");
	CHECK_INT(config->routing_gateways[1].digest->algorithms, DIGEST_BOTH);
	CHECK_INT(config->routing_gateways[1].address.family, NET_IP6);
	CHECK_INT(config->phones[1].count, 1000);
	CHECK_INT(config->phones[0].count, 1);
	config_free(config);
}

static void test_defaults(void)
{
	struct config *config = load_text(HEAD PORTS);

	CHECK(config != NULL);
	CHECK_TEXT(load_report, strlen(load_report), "");
	if (config == NULL)
		return;
	CHECK_TEXT(config->realm, strlen(config->realm), "t");
	CHECK_INT(config->log_level, LOG_INFO);
	CHECK_INT(config->process[ROLE_MEDIA].core, -1);
	CHECK_INT(config->process[ROLE_MEDIA].idle, IDLE_NAP);
	CHECK_INT(config->process[ROLE_MEDIA].nap_us, 1000);
	CHECK_INT(config->process[ROLE_SIGNALING].nap_us, 4000);
	CHECK_INT(config->process[ROLE_MEDIA].hugepages, HUGEPAGES_AUTO);
	CHECK_INT(config->limits.registrations, 100000);
	CHECK_INT(config->limits.cdr_ring_kb, 8192);
	CHECK_INT(config->ports[0].mtu, 1500);
	CHECK_INT(config->ports[0].sip_port, 5060);
	CHECK_INT(config->ports[1].rtp_ports.first, 20000);
	CHECK_INT(config->ports[1].rtp_ports.last, 59999);
	CHECK_INT(config->database.batch, 20000);
	CHECK_INT(config->spool.segment_mb, 64);
	CHECK_INT(config->spool.group_wait_ms, 100);
	config_free(config);
}

static void test_no_yaml(void)
{
	CHECK_REFUSED("node: [\n", 2, "no valid YAML");
	CHECK_REFUSED("- node\n", 1, "expected a mapping");
	CHECK_REFUSED("# nothing\n\nrealm: x\n", 3, "");
	CHECK_REFUSED("node: t\nphones: alice\n", 2, "expected a list");
	CHECK_REFUSED("node: t\nlog: debug\n", 2, "expected a mapping");
	CHECK_REFUSED("node: t\nrealm: [x]\n", 2, "expected a single value");
	CHECK_REFUSED("node: t\nrealm: x\nnode: u\n", 3, "given twice");
	CHECK(load_text("node: t\n---\nnode: u\n") == NULL);
	CHECK_REFUSED("{\"node\": \"t\"}\nphones:\n", 2, "no valid YAML");
	CHECK(load_text("") == NULL);
	CHECK(load_file("/nonexistent/tandem.yaml") == NULL);
	CHECK(strstr(load_report, "No such file") != NULL);
	CHECK_ACCEPTED("node: t\nphones:\nports: []\n");
}

static void test_unknown_keys(void)
{
	CHECK_REFUSED("node: t\n\ncolour: red\n", 3, "colour: 'colour': unknown key");
	CHECK_REFUSED(HEAD "ports:\n  - name: sip0\n    mtuu: 1500\n", 6, "ports[0].mtuu: 'mtuu': unknown key");
	CHECK_REFUSED("node: t\nprocesses: {keepalive: {workers: [0]}}\n", 2, "processes.keepalive.workers");
	CHECK_REFUSED("node: t\nphones:\n  - {user: a, password: b}\n  - {user: c, pasword: d}\n", 4,
		      "phones[1].pasword");
}

/* All faults of a file at once, in the order of its lines. */
static void test_every_fault_is_reported(void)
{
	CHECK(load_text("node: T\nlog: {level: loud}\nlimits: {calls: 0}\n") == NULL);
	CHECK(reported(1, "node: 'T': expected 1 to 32 of a-z, 0-9 and '-'"));
	CHECK(reported(2, "log.level: 'loud': expected one of: error, warn, info, debug"));
	CHECK(reported(3, "limits.calls: '0': expected 1 to 4000000"));
	CHECK(strstr(load_report, "loud") < strstr(load_report, "limits"));
}

static void test_node_and_realm(void)
{
	CHECK_REFUSED("realm: x\n", 1, "node: missing");
	CHECK_REFUSED("node: a.b\n", 1, "node: 'a.b'");
	CHECK_REFUSED("node: a/b\n", 1, "node");
	CHECK_REFUSED("node: a2345678901234567890123456789012x\n", 1, "node");
	CHECK_ACCEPTED("node: a2345678901234567890123456789012\n");
	CHECK_REFUSED("node: t\nrealm: 'a\"b'\n", 2, "realm");
}

static void test_passwords_stay_out(void)
{
	CHECK_REFUSED("node: t\nphones: [{user: a, password: ''}]\n", 2, "phones[0].password: ***");
	CHECK(load_text("node: t\nphones: [{user: a, password: \"hush\\u0007\"}]\n") == NULL);
	CHECK(strstr(load_report, "hush") == NULL);
	CHECK(load_text("node: t\ndatabase: {connection: \"password=hush\\u0007\"}\n") == NULL);
	CHECK(reported(2, "database.connection: ***"));
}

static void test_port_values(void)
{
	CHECK_REFUSED(HEAD
		      "ports:\n  - {name: a b, process: signaling, driver: tap, device: x, addresses: [1.2.3.4/24]}\n",
		      5, "ports[0].name: 'a b'");
	CHECK_REFUSED(HEAD
		      "ports:\n  - {name: a, process: keepalive, driver: tap, device: x, addresses: [1.2.3.4/24]}\n",
		      5, "ports[0].process: 'keepalive': expected one of: signaling, media");
	CHECK_REFUSED(HEAD
		      "ports:\n  - {name: a, process: signaling, driver: e1000, device: x, addresses: [1.2.3.4/24]}\n",
		      5, "ports[0].driver: 'e1000'");
	CHECK_REFUSED(HEAD "ports:\n  - {name: a, process: signaling, driver: tap, addresses: [1.2.3.4/24]}\n", 5,
		      "ports[0].device: missing");
	CHECK_REFUSED(HEAD "ports:\n  - {name: a, process: signaling, driver: tap, device: x}\n", 5,
		      "ports[0].addresses: missing");
	CHECK_REFUSED(HEAD
		      "ports:\n  - name: a\n    process: signaling\n    driver: tap\n    device: x\n    addresses:\n"
		      "      - 1.2.3.4/24\n      - 1.2.3.400\n",
		      11, "ports[0].addresses[1]: '1.2.3.400'");
	CHECK_REFUSED(HEAD "ports:\n  - {name: a, process: signaling, driver: tap, device: x, mtu: 575, addresses: "
			   "[1.2.3.4/24]}\n",
		      5, "ports[0].mtu: '575': expected 576 to 9600");
	CHECK_REFUSED(HEAD "ports:\n  - {name: a, process: signaling, driver: tap, device: x, mtu: 1279, addresses: "
			   "['2001:db8::1/64']}\n",
		      5, "1280");
	CHECK_REFUSED(HEAD "ports:\n  - {name: a, process: signaling, driver: tap, device: x, addresses: [1.2.3.4/24], "
			   "gateways: [1.2.3.1, 1.2.3.2]}\n",
		      5, "ports[0].gateways[1]");
	CHECK_WARNED(HEAD "ports:\n  - {name: a, process: signaling, driver: tap, device: x, addresses: [1.2.3.4/24], "
			  "gateways: [1.2.4.1]}\n",
		     5, "ports[0].gateways[0]: '1.2.4.1': is in the network of none");
}

static void test_port_of_wrong_process(void)
{
	CHECK_REFUSED(HEAD "ports:\n  - {name: a, process: media, driver: tap, device: x, addresses: [1.2.3.4/24],\n"
			   "     sip_port: 5060}\n",
		      6, "ports[0].sip_port: '5060': expected only on a port of signaling");
	CHECK_REFUSED(HEAD
		      "ports:\n  - {name: a, process: signaling, driver: tap, device: x, addresses: [1.2.3.4/24],\n"
		      "     rtp_ports: {first: 20000, last: 20001}}\n",
		      6, "ports[0].rtp_ports");
	CHECK_REFUSED(
	    "node: t\nports:\n  - {name: a, process: media, driver: tap, device: x, addresses: [1.2.3.4/24]}\n", 3,
	    "processes.media.workers lists none");
}

static void test_rtp_ports(void)
{
	static const char *const port =
	    HEAD "ports:\n  - {name: a, process: media, driver: tap, device: x, addresses: [1.2.3.4/24],\n"
		 "     rtp_ports: {first: %s, last: %s}}\n";
	char text[1024];

	snprintf(text, sizeof(text), port, "20001", "20999");
	CHECK_REFUSED(text, 6, "expected an even port");
	snprintf(text, sizeof(text), port, "20000", "20998");
	CHECK_REFUSED(text, 6, "expected an odd port");
	snprintf(text, sizeof(text), port, "20000", "19999");
	CHECK_REFUSED(text, 6, "expected first below last");
	snprintf(text, sizeof(text), port, "20000", "65536");
	CHECK_REFUSED(text, 6, "ports[0].rtp_ports.last: '65536'");
	/* 100 calls of two pairs. */
	snprintf(text, sizeof(text), port, "20000", "20399");
	CHECK_ACCEPTED(text);
	snprintf(text, sizeof(text), port, "20000", "20397");
	CHECK_WARNED(text, 6, "enough for 99 relayed calls");
	/* Nobody wrote the default that a refused limit leaves. */
	CHECK(load_text("node: t\nprocesses: {media: {workers: [1]}}\nlimits: {calls: 0}\n"
			"ports: [{name: a, process: media, driver: tap, device: x, addresses: [1.2.3.4/24],\n"
			"     rtp_ports: {first: 20000, last: 20003}}]\n") == NULL);
	CHECK(reported(3, "limits.calls: '0'") && strstr(load_report, "relayed calls") == NULL);
}

static void test_ports_apart(void)
{
	CHECK_REFUSED(
	    HEAD PORTS
	    "  - {name: sip0, process: media, network: net, driver: tap, device: t2, addresses: [192.0.2.3/24]}\n",
	    7, "ports[2].name: 'sip0': expected a name of its own");
	CHECK_REFUSED(
	    HEAD PORTS
	    "  - {name: rtp1, process: media, network: net, driver: tap, device: t2, addresses: [192.0.2.2/24]}\n",
	    7, "ports[2].addresses[0]: '192.0.2.2/24': expected an address of its own; port rtp0");
	CHECK_REFUSED(
	    HEAD PORTS
	    "  - {name: rtp1, process: media, network: net, driver: tap, device: t1, addresses: [192.0.2.3/24]}\n",
	    7, "ports[2].device: 't1'");
}

static void test_cores(void)
{
	CHECK_REFUSED("node: t\nprocesses:\n  media: {workers: [0, 8]}\n", 3,
		      "processes.media.workers[1]: '8': expected a core of this machine, 0 to 7");
	CHECK_REFUSED("node: t\nprocesses:\n  media: {workers: [0, 1, 0]}\n", 3,
		      "processes.media.workers[2]: '0': expected another core");
	CHECK_REFUSED("node: t\nprocesses:\n  cdrwriter: {core: 8}\n", 3, "processes.cdrwriter.core");
	CHECK_REFUSED("node: t\nprocesses:\n  cdrwriter: {core: -1}\n", 3, "processes.cdrwriter.core: '-1'");
	CHECK_ACCEPTED("node: t\nprocesses:\n  media: {workers: [0, 7], core: any}\n  signaling: {workers: [0, 7]}\n");
	CHECK_WARNED("node: t\nprocesses:\n  media: {workers: [0], core: 0, idle: spin}\n", 3, "a worker that spins");
	CHECK_WARNED("node: t\nprocesses:\n  media: {workers: [0], idle: spin}\n  keepalive: {core: 0}\n", 4,
		     "processes.keepalive.core: '0': is the core of a worker that spins");
	CHECK_WARNED("node: t\nprocesses:\n  media: {workers: [0, 1], idle: spin}\n  signaling: {workers: [2, 1]}\n", 4,
		     "processes.signaling.workers[1]: '1': is the core of another process's worker");
}

#define VENDOR_WITH(keys) "node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: [''],\n     " keys "}\n"

#define VENDOR_AT(address) "node: t\nrouting_gateways:\n  - {name: a, address: " address ", prefixes: ['']}\n"

static void test_names_of_vendors(void)
{
	struct config *config = load_text(VENDOR_AT("sip-1.vendor_2.example"));
	const struct config_routing_gateway *gateway = config ? &config->routing_gateways[0] : NULL;

	CHECK(gateway && strcmp(gateway->host, "sip-1.vendor_2.example") == 0 && gateway->host_port == 0);
	CHECK(config && config->resolver.servers_count == 0 && config->resolver.timeout_ms == 2000);
	config_free(config);
	config = load_text(VENDOR_AT("'vendor.example:5070'") "resolver: {servers: ['192.0.2.53', '[2001:db8::53]:5353'], "
							      "timeout_ms: 100}\n");
	gateway = config ? &config->routing_gateways[0] : NULL;
	CHECK(gateway && strcmp(gateway->host, "vendor.example") == 0 && gateway->host_port == 5070);
	CHECK(config && config->resolver.servers_count == 2 && config->resolver.servers[0].port == 53 &&
	      config->resolver.servers[1].port == 5353 && config->resolver.timeout_ms == 100);
	config_free(config);
	CHECK_REFUSED(VENDOR_AT("10.0.0.300"), 3, "address: '10.0.0.300': expected an IP address or a host name");
	CHECK_REFUSED(VENDOR_AT("a..example"), 3, "address: 'a..example'");
	CHECK_REFUSED(VENDOR_AT("'a b'"), 3, "address: 'a b'");
	CHECK_REFUSED(VENDOR_AT("'a.example:0'"), 3, "address: 'a.example:0'");
	CHECK_REFUSED(VENDOR_AT("'a.example:65536'"), 3, "address: 'a.example:65536'");
	CHECK_REFUSED("node: t\nresolver: {servers: [ns.example]}\n", 2, "resolver.servers[0]: 'ns.example'");
	CHECK_REFUSED("node: t\nresolver: {servers: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4]}\n", 2, "at most 3 servers");
	CHECK_REFUSED("node: t\nresolver: {timeout_ms: 99}\n", 2, "resolver.timeout_ms: '99': expected 100 to 30000");
}

static void test_number_rules(void)
{
	struct config *config = load_text(VENDOR_WITH(
	    "callee: {rules: [{prefix: 0x, min_length: 3, strip: 1, add: '+49'}, {suffix: '#', strip_end: 1, add_end: '0'}]}"));
	const struct config_rewrite *callee = config ? &config->routing_gateways[0].callee : NULL;

	CHECK(callee && callee->rules_count == 2 && strcmp(callee->rules[0].prefix, "0x") == 0);
	CHECK(callee && callee->rules[0].min_length == 3 && callee->rules[0].max_length == 0 &&
	      callee->rules[0].strip == 1 && strcmp(callee->rules[0].add, "+49") == 0);
	CHECK(callee && callee->rules[1].strip_end == 1 && strcmp(callee->rules[1].add_end, "0") == 0);
	config_free(config);
	CHECK_REFUSED(VENDOR_WITH("callee: {rules: [{prefix: 4y}]}"), 4,
		      "callee.rules[0].prefix: '4y': expected at most 32 digits, '+', '*', '#' or 'x'");
	CHECK_REFUSED(VENDOR_WITH("callee: {rules: [{}, {add: 4x}]}"), 4, "callee.rules[1].add: '4x'");
	CHECK_REFUSED(VENDOR_WITH("caller: {rules: [{min_length: 9, max_length: 8}]}"), 4,
		      "caller.rules[0].min_length: '9': expected at most max_length, 8");
	CHECK_REFUSED(VENDOR_WITH("caller: {rules: [{strip_end: 33}]}"), 4, "rules[0].strip_end: '33': expected 0 to 32");
	CHECK_REFUSED(VENDOR_WITH("caller: {rules: [{regex: '^0'}]}"), 4, "regex");
}

static void test_probe(void)
{
	struct config *config = load_text(VENDOR_WITH("probe: {}"));
	const struct config_probe *probe = config ? config->routing_gateways[0].probe : NULL;

	CHECK(probe && probe->interval_s == 30 && probe->down_after == 3 && probe->up_after == 2);
	CHECK(probe && probe->down_codes_count == 2 && probe->down_codes[0] == 408 && probe->down_codes[1] == 503);
	config_free(config);
	config = load_text(VENDOR_WITH("probe: {interval: 3600, down_after: 100, up_after: 1, down_codes: [480]}"));
	probe = config ? config->routing_gateways[0].probe : NULL;
	CHECK(probe && probe->interval_s == 3600 && probe->down_after == 100 && probe->up_after == 1);
	CHECK(probe && probe->down_codes_count == 1 && probe->down_codes[0] == 480);
	config_free(config);
	config = load_text(VENDOR_WITH("probe: {down_codes: [none]}"));
	probe = config ? config->routing_gateways[0].probe : NULL;
	CHECK(probe && probe->down_codes_count == 0);
	config_free(config);
	config = load_text(VENDOR_WITH("probe: {down_codes: []}")); /* as if it were not there */
	probe = config ? config->routing_gateways[0].probe : NULL;
	CHECK(probe && probe->down_codes_count == 2);
	config_free(config);
}

static void test_gateway_values(void)
{
	CHECK_REFUSED("node: t\nmapping_gateways:\n  - {name: a}\n", 3, "mapping_gateways[0].addresses: missing");
	CHECK_REFUSED("node: t\nmapping_gateways:\n  - {name: a, addresses: [host.example]}\n", 3,
		      "mapping_gateways[0].addresses[0]: 'host.example'");
	CHECK_REFUSED("node: t\nmapping_gateways:\n  - {name: a, digest: {user: a}}\n", 3,
		      "mapping_gateways[0].digest.password: missing");
	CHECK_REFUSED("node: t\nmapping_gateways:\n  - {name: a, addresses: [10.0.0.1], prefixes: [49, 4x]}\n", 3,
		      "mapping_gateways[0].prefixes[1]: '4x'");
	CHECK_REFUSED("node: t\nmapping_gateways:\n  - {name: a, addresses: [10.0.0.1], callee: {strip: 33}}\n", 3,
		      "mapping_gateways[0].callee.strip");
	CHECK_REFUSED(
	    "node: t\nmapping_gateways:\n  - {name: a, addresses: [10.0.0.1], response_codes: [{from: 200, to: "
	    "480}]}\n",
	    3, "mapping_gateways[0].response_codes[0].from: '200': expected 300 to 699");
	CHECK_REFUSED(
	    "node: t\nmapping_gateways:\n  - {name: a, addresses: [10.0.0.1], response_codes: [{from: 503, to: "
	    "480}, {from: 503, to: 486}]}\n",
	    3, "response_codes[1].from: '503': expected each code once");
	CHECK_REFUSED("node: t\nmapping_gateways:\n  - {name: a, digest: {user: a, password: b, realm: c}}\n", 3,
		      "mapping_gateways[0].digest.realm: 'realm': unknown key");
	CHECK_REFUSED("node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: [''], "
		      "digest: {user: a, password: b, algorithms: MD4}}\n",
		      3, "routing_gateways[0].digest.algorithms: 'MD4': expected one of: both, MD5, SHA-256");
	CHECK_REFUSED("node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: [''], "
		      "digest: {user: a, password: b, realm: 'a\"b'}}\n",
		      3, "routing_gateways[0].digest.realm");
	CHECK_REFUSED("node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: [''], register: {}}\n", 3,
		      "routing_gateways[0].register.user: missing");
	CHECK_REFUSED("node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: [''], "
		      "register: {user: a, expires: 29}}\n",
		      3, "routing_gateways[0].register.expires: '29': expected 30 to 86400");
	CHECK_REFUSED("node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: [''], "
		      "register: {user: a, registrar: host}}\n",
		      3, "routing_gateways[0].register.registrar: 'host'");
	CHECK_REFUSED("node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: [''], "
		      "register: {user: a, calls: nobody}}\n",
		      3, "routing_gateways[0].register.calls: 'nobody': expected the name of a mapping gateway");
	CHECK_REFUSED("node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: [''], register: {user: u}}\n"
		      "  - {name: b, address: 10.0.0.1:5070, prefixes: [''], register: {user: v, contact: u}}\n",
		      4, "routing_gateways[1].register.contact: 'u': expected a contact of its own");
	CHECK_REFUSED("node: t\nrouting_gateways:\n  - {name: a, address: v.example, prefixes: [''], "
		      "register: {user: a}}\n",
		      3, "routing_gateways[0].register.registrar: missing");
	CHECK_REFUSED("node: t\nrouting_gateways:\n  - {name: a, prefixes: [''], registered: nobody}\n", 3,
		      "routing_gateways[0].registered: 'nobody': expected the digest user of a mapping gateway");
	CHECK_REFUSED("node: t\nmapping_gateways:\n  - {name: a, digest: {user: u, password: p}}\nrouting_gateways:\n"
		      "  - {name: a, address: 10.0.0.1, prefixes: [''], registered: u}\n",
		      5, "routing_gateways[0].registered: 'u': expected alone");
	CHECK_REFUSED("node: t\nrouting_gateways:\n  - {name: a, prefixes: ['']}\n", 3,
		      "routing_gateways[0].address: missing");
	CHECK_REFUSED("node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1}\n", 3,
		      "routing_gateways[0].prefixes: missing");
	CHECK_REFUSED(VENDOR_WITH("probe: {interval: 0}"), 4, "routing_gateways[0].probe.interval: '0': expected 1 to 3600");
	CHECK_REFUSED(VENDOR_WITH("probe: {down_after: 101}"), 4, "probe.down_after: '101': expected 1 to 100");
	CHECK_REFUSED(VENDOR_WITH("probe: {up_after: 0}"), 4, "probe.up_after: '0': expected 1 to 100");
	CHECK_REFUSED(VENDOR_WITH("probe: {down_codes: [404, 200]}"), 4, "probe.down_codes[1]: '200': expected 300 to 699");
	CHECK_REFUSED(VENDOR_WITH("probe: {down_codes: [404, none]}"), 4, "probe.down_codes[1]: 'none'");
	CHECK_REFUSED(VENDOR_WITH("probe: {every: 10}"), 4, "every");
	CHECK_REFUSED(
	    "node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: [''], stop_codes: [700]}\n", 3,
	    "routing_gateways[0].stop_codes[0]: '700'");
	CHECK_REFUSED("node: t\nmapping_gateways:\n  - {name: a, addresses: [10.0.0.1], headers: {identity: pai}}\n", 3,
		      "mapping_gateways[0].headers.identity: 'pai': expected one of: pass, strip");
	CHECK_REFUSED("node: t\nmapping_gateways:\n  - {name: a, addresses: [10.0.0.1], ringback: {progress: 200}}\n",
		      3, "mapping_gateways[0].ringback.progress: '200': expected one of: pass, 180, 183, drop");
	CHECK_REFUSED("node: t\nmapping_gateways:\n  - {name: a, addresses: [10.0.0.1], redirect: follow}\n", 3,
		      "mapping_gateways[0].redirect: 'follow': expected one of: hide, pass");
	CHECK_REFUSED(
	    "node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: [''], redirect: {follow: 9}}\n", 3,
	    "routing_gateways[0].redirect.follow: '9'");
	CHECK_REFUSED(
	    "node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: [''], redirect: {to: all}}\n", 3,
	    "routing_gateways[0].redirect.to: 'all': expected one of: same, known, any");
	CHECK_REFUSED(
	    "node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: [''], timeouts: {invite: 121}}\n",
	    3, "routing_gateways[0].timeouts.invite: '121': expected 1 to 120 s, or 0");
	CHECK_REFUSED("node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: [''], media_mode: x}\n",
		      3, "routing_gateways[0].media_mode: 'x'");
	CHECK_ACCEPTED(
	    "node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: [''], timeouts: {invite: "
	    "0, ringing: 0.0, trying: 1.5}}\n");
}

static void test_gateway_names(void)
{
	CHECK_REFUSED("node: t\nmapping_gateways:\n  - {name: a, addresses: [10.0.0.1]}\n  - {name: b, addresses: "
		      "[10.0.0.2]}\n  - {name: a, addresses: [10.0.0.3]}\n",
		      5, "mapping_gateways[2].name: 'a': expected a name of its own; entry 0");
	CHECK_REFUSED("node: t\nrouting_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: ['']}\n"
		      "  - {name: a, address: 10.0.0.2, prefixes: ['']}\n",
		      4, "routing_gateways[1].name");
	/* One carrier may be customer and vendor. */
	CHECK_ACCEPTED("node: t\nmapping_gateways:\n  - {name: a, addresses: [10.0.0.1]}\n"
		       "routing_gateways:\n  - {name: a, address: 10.0.0.1, prefixes: ['']}\n");
}

static void test_networks(void)
{
	CHECK_REFUSED(HEAD PORTS "mapping_gateways:\n  - {name: a, network: elsewhere, addresses: [10.0.0.1]}\n", 8,
		      "mapping_gateways[0].network: 'elsewhere'");
	CHECK_REFUSED(HEAD PORTS
		      "routing_gateways:\n  - {name: a, network: elsewhere, address: 10.0.0.1, prefixes: ['']}\n",
		      8, "routing_gateways[0].network: 'elsewhere'");
	CHECK_ACCEPTED(HEAD PORTS
		       "routing_gateways:\n  - {name: a, network: net, address: 10.0.0.1, prefixes: ['']}\n");
}

static void test_sources(void)
{
#define CUSTOMER(name, address) "  - {name: " name ", addresses: [" address "]}\n"
	CHECK_REFUSED("node: t\nmapping_gateways:\n" CUSTOMER("a", "10.0.0.1") CUSTOMER("b", "10.0.0.1"), 4,
		      "mapping_gateways[1].addresses[0]: '10.0.0.1': expected a source of its own; gateway a");
	CHECK_REFUSED("node: t\nmapping_gateways:\n" CUSTOMER("a", "10.0.0.1/24") CUSTOMER("b", "10.0.0.2/24"), 4,
		      "expected a source of its own");
	CHECK_REFUSED("node: t\nmapping_gateways:\n" CUSTOMER("a", "'2001:db8::/32'") CUSTOMER("b", "'2001:db8::1/32'"),
		      4, "expected a source of its own");
	CHECK_WARNED("node: t\nmapping_gateways:\n" CUSTOMER("a", "10.0.0.7") CUSTOMER("b", "10.0.0.0/24"), 3,
		     "overlaps a source of gateway b");
	CHECK_WARNED("node: t\nmapping_gateways:\n" CUSTOMER("a", "10.0.0.7") CUSTOMER("b", "'10.0.0.7:5060'"), 4,
		     "the more specific one decides");
	CHECK_ACCEPTED("node: t\nmapping_gateways:\n" CUSTOMER("a", "'10.0.0.7:5060'")
			   CUSTOMER("b", "'10.0.0.7:5070'"));
	CHECK_ACCEPTED("node: t\nmapping_gateways:\n" CUSTOMER("a", "10.0.0.0/25") CUSTOMER("b", "10.0.0.128/25"));
	CHECK_ACCEPTED("node: t\nmapping_gateways:\n  - {name: a, addresses: [10.0.0.1]}\n"
		       "  - {name: b, addresses: [10.0.0.1], digest: {user: u, password: p}}\n");
#undef CUSTOMER
}

static void test_phones(void)
{
#define PHONE(user, count) "  - {user: " user ", password: p, count: " count "}\n"
	CHECK_REFUSED("node: t\nphones:\n  - {password: p}\n", 3, "phones[0].user: missing");
	CHECK_REFUSED("node: t\nphones:\n  - {user: a}\n", 3, "phones[0].password: missing");
	CHECK_REFUSED("node: t\nphones:\n  - {user: a@b, password: p}\n", 3, "phones[0].user: 'a@b'");
	CHECK_REFUSED("node: t\nphones:\n" PHONE("bob", "2"), 3, "expected at most 18 digits, to count up from");
	CHECK_REFUSED("node: t\nphones:\n" PHONE("'998'", "3"), 3, "as many digits as the first");
	CHECK_REFUSED("node: t\nphones:\n" PHONE("'1'", "0"), 3, "phones[0].count: '0'");
	CHECK_REFUSED("node: t\nphones:\n" PHONE("bob", "1") PHONE("alice", "1") PHONE("bob", "1"), 5,
		      "phones[2].user: 'bob': expected a user of its own; phones[0] has it, too");
	CHECK_REFUSED("node: t\nphones:\n" PHONE("'100'", "50") PHONE("'149'", "1"), 4, "phones[1].user: '149'");
	CHECK_REFUSED("node: t\nphones:\n" PHONE("'100'", "50") PHONE("'105'", "2") PHONE("'120'", "2"), 5,
		      "phones[2].user: '120': expected a user of its own; phones[0]");
	CHECK_REFUSED("node: t\nmapping_gateways:\n  - {name: a, digest: {user: '101', password: p}}\nphones:\n"
		      "  - {user: '100', password: p, count: 5}\n",
		      3, "mapping_gateways[0].digest.user: '101'");
	CHECK_REFUSED("node: t\nmapping_gateways:\n  - {name: a, digest: {user: u, password: p}}\n"
		      "  - {name: b, digest: {user: u, password: p}}\n",
		      4, "mapping_gateways[1].digest.user: 'u'");
	CHECK_ACCEPTED("node: t\nphones:\n" PHONE("'100'", "50") PHONE("'150'", "1") PHONE("'0100'", "50"));
	CHECK_ACCEPTED("node: t\nphones:\n" PHONE("'1000000000'", "10000000"));
#undef PHONE
}

static void test_keep_alive(void)
{
	CHECK_WARNED("node: t\nlimits: {registrations: 10}\nparameters:\n  SS_SIP_NAT_KEEP_ALIVE_PERIOD: 61\n", 4,
		     "above a fifth of SS_ENDPOINT_NAT_EXPIRE");
	CHECK_ACCEPTED("node: t\nlimits: {registrations: 10}\nparameters:\n  SS_SIP_NAT_KEEP_ALIVE_PERIOD: 60\n");
	/* 20 bursts of 100 */
	CHECK_WARNED("node: t\nlimits: {registrations: 2001}\nparameters:\n  SS_SIP_NAT_KEEP_ALIVE_SEND_ONE_TIME: 100\n"
		     "  SS_SIP_NAT_KEEP_ALIVE_PERIOD: 10\n",
		     5, "a round reaches 2000 endpoints");
	CHECK_ACCEPTED(
	    "node: t\nlimits: {registrations: 2000}\nparameters:\n  SS_SIP_NAT_KEEP_ALIVE_SEND_ONE_TIME: 100\n"
	    "  SS_SIP_NAT_KEEP_ALIVE_PERIOD: 10\n");
	CHECK_ACCEPTED(
	    "node: t\nparameters: {SS_SIP_NAT_KEEP_ALIVE_PERIOD: 3600, SS_SIP_NAT_KEEP_ALIVE_MESSAGE: ''}\n");
}

static void test_records(void)
{
	CHECK_REFUSED("node: t\nspool: {directory: spool}\n", 2, "spool.directory: 'spool': expected an absolute path");
	CHECK_REFUSED("node: t\nspool: {segment_mb: 0}\n", 2, "spool.segment_mb");
	CHECK_REFUSED("node: t\nspool: {group_wait_ms: 0}\n", 2, "spool.group_wait_ms");
	CHECK_REFUSED("node: t\nspool: {group_wait_ms: 901}\n", 2, "spool.group_wait_ms");
	CHECK_REFUSED("node: t\ndatabase: {batch: 0}\n", 2, "database.batch: '0'");
	CHECK_REFUSED("node: t\ndatabase: {batch_wait_ms: 60001}\n", 2, "database.batch_wait_ms");
	CHECK_REFUSED("node: t\nlimits: {cdr_ring_kb: 63}\n", 2, "limits.cdr_ring_kb");
}

static const char *difference(const char *a, const char *b)
{
	struct config *running = load_text(a), *loaded = load_text(b);
	const char *key = running != NULL && loaded != NULL ? config_needs_restart(running, loaded) : "refused";

	config_free(running);
	config_free(loaded);
	return key != NULL ? key : "";
}

static void test_needs_restart(void)
{
#define CHECK_DIFFERENCE(a, b, key) CHECK_TEXT(difference(a, b), strlen(difference(a, b)), key)
	CHECK_DIFFERENCE("node: a\n", "node: b\n", "node");
	CHECK_DIFFERENCE("node: a\nlimits: {calls: 10}\n", "node: a\nlimits: {calls: 11}\n", "limits");
	CHECK_DIFFERENCE("node: a\nspool: {directory: /a}\n", "node: a\nspool: {directory: /b}\n", "spool");
	CHECK_DIFFERENCE("node: a\n", "node: a\nspool: {group_wait_ms: 20}\n", "spool");
	CHECK_DIFFERENCE("node: a\nprocesses: {media: {workers: [1]}}\n",
			 "node: a\nprocesses: {media: {workers: [2]}}\n", "processes.media");
	CHECK_DIFFERENCE(HEAD PORTS, HEAD, "ports");
	CHECK_DIFFERENCE(HEAD PORTS, HEAD PORTS "phones: [{user: a, password: b}]\nparameters: {SS_QOS_RTP: 1}\n", "");
}

static void test_many_phones(void)
{
	const unsigned int phones = 20000;
	char *text = malloc(phones * 48 + 64), *end = text;
	struct config *config;

	end += sprintf(end, "node: t\nphones:\n");
	for (unsigned int i = 0; i < phones; i++)
		end += sprintf(end, "  - {user: '%u', password: p}\n", 100000 + i);
	config = load_text(text);
	CHECK(config != NULL);
	CHECK_INT(config != NULL ? config->phones_count : 0, phones);
	config_free(config);
	free(text);
}

static const struct check_case cases[] = {
    {"the sample loads", test_sample_loads},
    {"defaults", test_defaults},
    {"what is no configuration at all", test_no_yaml},
    {"unknown keys", test_unknown_keys},
    {"every fault is reported, in the order of lines", test_every_fault_is_reported},
    {"node and realm", test_node_and_realm},
    {"passwords are not reported", test_passwords_stay_out},
    {"values of a port", test_port_values},
    {"keys of the wrong process", test_port_of_wrong_process},
    {"RTP port ranges", test_rtp_ports},
    {"ports don't share names, addresses and devices", test_ports_apart},
    {"cores", test_cores},
    {"names of vendors", test_names_of_vendors},
    {"number rules", test_number_rules},
    {"probes", test_probe},
    {"values of gateways", test_gateway_values},
    {"names of gateways", test_gateway_names},
    {"networks", test_networks},
    {"sources of mapping gateways", test_sources},
    {"phones and other users", test_phones},
    {"keep-alive parameters that don't fit", test_keep_alive},
    {"database, spool and limits", test_records},
    {"what a reload can't change", test_needs_restart},
    {"many phones", test_many_phones},
};
CHECK_MAIN(cases)
