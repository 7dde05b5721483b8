/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file as written: its structure checked by libcyaml, its values still text (config_fill.c
 * reads them, so that every value is judged by one set of rules and refused in one form of words).
 */
#ifndef TANDEM_COMMON_CONFIG_RAW_H
#define TANDEM_COMMON_CONFIG_RAW_H

#include <cyaml/cyaml.h>

struct raw_range {
	char *first, *last;
};

struct raw_number_rule {
	char *prefix, *suffix, *min_length, *max_length, *strip, *strip_end, *add, *add_end;
};

struct raw_rewrite {
	char *strip, *add;
	struct raw_number_rule *rules;
	unsigned int rules_count;
};

struct raw_digest {
	char *user, *password;
};

/* Ours towards a vendor. */
struct raw_credentials {
	char *user, *password, *realm, *algorithms;
};

struct raw_register {
	char *user, *domain, *registrar, *contact, *expires, *retry, *calls;
};

struct raw_rewrite_code {
	char *from, *to;
};

struct raw_timeouts {
	char *invite, *trying, *progress, *progress_sdp, *ringing;
};

struct raw_probe {
	char *interval, *down_after, *up_after;
	char **down_codes;
	unsigned int down_codes_count;
};

struct raw_log {
	char *level;
};

/* One member a parameter and alias, under its own name; a resend schedule is a list. */
#define RAW_VALUE(name) char *name
#define RAW_LIST(name)                                                                                                 \
	char **name;                                                                                                   \
	unsigned int name##_count
#define RAW_SECONDS    RAW_VALUE
#define RAW_SECONDS_MS RAW_VALUE
#define RAW_MS         RAW_VALUE
#define RAW_COUNT      RAW_VALUE
#define RAW_BYTE       RAW_VALUE
#define RAW_FLAG       RAW_VALUE
#define RAW_MESSAGE    RAW_VALUE
#define RAW_PROXY_MODE RAW_VALUE
#define RAW_RESEND     RAW_LIST
struct raw_parameters {
#define PARAMETER_GROUP(title)
#define PARAMETER(name, field, type, ...) RAW_##type(name);
#define PARAMETER_ALIAS(name, of)         char *name;
#include "parameters.def"
#undef PARAMETER_GROUP
#undef PARAMETER
#undef PARAMETER_ALIAS
};

struct raw_process {
	char **workers;
	unsigned int workers_count;
	char *core, *idle, *nap_us, *hugepages, *memory_mb;
};

struct raw_processes {
	struct raw_process signaling, media, keepalive, cdrwriter;
};

struct raw_limits {
	char *calls, *registrations, *cdr_ring_kb;
};

struct raw_port {
	char *name, *process, *network, *driver, *device, *options, *mtu, *sip_port;
	char **addresses;
	unsigned int addresses_count;
	char **gateways;
	unsigned int gateways_count;
	struct raw_range *rtp_ports;
};

struct raw_headers {
	char *trusted, *identity, *diversion, *history, *bodies;
};

struct raw_ringback {
	char *ringing, *ringing_with_sdp, *progress, *progress_with_sdp;
};

struct raw_redirect {
	char *follow, *to;
};

struct raw_mapping_gateway {
	char *name, *enabled, *network, *capacity, *calls_per_second, *media_mode;
	char **addresses;
	unsigned int addresses_count;
	char **prefixes;
	unsigned int prefixes_count;
	struct raw_digest *digest;
	struct raw_rewrite caller, callee;
	struct raw_rewrite_code *response_codes;
	unsigned int response_codes_count;
	struct raw_headers headers;
	struct raw_ringback ringback;
	char *redirect;
};

struct raw_routing_gateway {
	char *name, *enabled, *network, *address, *registered, *priority, *capacity, *calls_per_second;
	char *media_mode, *silence_watch;
	char *stop_switch_after_sdp, *stop_switch_after_invite_timeout;
	char **prefixes;
	unsigned int prefixes_count;
	char **stop_codes;
	unsigned int stop_codes_count;
	struct raw_credentials *digest;
	struct raw_register *registration;
	struct raw_rewrite caller, callee;
	struct raw_timeouts timeouts;
	struct raw_probe *probe;
	struct raw_headers headers;
	struct raw_redirect redirect;
};

struct raw_phone {
	char *user, *password, *count, *capacity;
};

struct raw_resolver {
	char **servers;
	unsigned int servers_count;
	char *timeout_ms;
};

struct raw_database {
	char *connection, *batch, *batch_wait_ms, *partitions_ahead_days;
};

struct raw_spool {
	char *directory, *segment_mb, *reserve_mb, *group_wait_ms;
};

struct raw_config {
	char *node, *realm, *digest_algorithms;
	struct raw_log log;
	struct raw_parameters parameters;
	struct raw_processes processes;
	struct raw_limits limits;
	struct raw_port *ports;
	unsigned int ports_count;
	struct raw_mapping_gateway *mapping_gateways;
	unsigned int mapping_gateways_count;
	struct raw_routing_gateway *routing_gateways;
	unsigned int routing_gateways_count;
	struct raw_phone *phones;
	unsigned int phones_count;
	struct raw_resolver resolver;
	struct raw_database database;
	struct raw_spool spool;
};

extern const cyaml_schema_value_t raw_schema;

#endif
