/* SPDX-License-Identifier: Apache-2.0 */
#include "config_raw.h"

/* Every key may be left out as far as the structure goes; what must be there is config_fill.c's to say. */
#define KEY(type, member)                                                                                              \
	CYAML_FIELD_STRING_PTR(#member, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct type, member, 0,              \
			       CYAML_UNLIMITED)
#define LIST(type, member, entry)                                                                                      \
	CYAML_FIELD_SEQUENCE(#member, CYAML_FLAG_POINTER_NULL | CYAML_FLAG_OPTIONAL, struct type, member, &entry, 0,   \
			     CYAML_UNLIMITED)
#define SECTION(type, member, fields) CYAML_FIELD_MAPPING(#member, CYAML_FLAG_OPTIONAL, struct type, member, fields)
#define SECTION_IF_ANY(type, member, fields)                                                                           \
	CYAML_FIELD_MAPPING_PTR(#member, CYAML_FLAG_OPTIONAL, struct type, member, fields)

static const cyaml_schema_value_t text_value = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, CYAML_UNLIMITED)};

static const cyaml_schema_field_t range_fields[] = {
    KEY(raw_range, first),
    KEY(raw_range, last),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t number_rule_fields[] = {
    KEY(raw_number_rule, prefix),     KEY(raw_number_rule, suffix), KEY(raw_number_rule, min_length),
    KEY(raw_number_rule, max_length), KEY(raw_number_rule, strip),  KEY(raw_number_rule, strip_end),
    KEY(raw_number_rule, add),        KEY(raw_number_rule, add_end), CYAML_FIELD_END,
};
static const cyaml_schema_value_t number_rule_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_number_rule, number_rule_fields)};

static const cyaml_schema_field_t rewrite_fields[] = {
    KEY(raw_rewrite, strip),
    KEY(raw_rewrite, add),
    LIST(raw_rewrite, rules, number_rule_value),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t digest_fields[] = {
    KEY(raw_digest, user),
    KEY(raw_digest, password),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t credentials_fields[] = {
    KEY(raw_credentials, user),
    KEY(raw_credentials, password),
    KEY(raw_credentials, realm),
    KEY(raw_credentials, algorithms),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t register_fields[] = {
    KEY(raw_register, user),    KEY(raw_register, domain), KEY(raw_register, registrar), KEY(raw_register, contact),
    KEY(raw_register, expires), KEY(raw_register, retry),  KEY(raw_register, calls),     CYAML_FIELD_END,
};

static const cyaml_schema_field_t rewrite_code_fields[] = {
    KEY(raw_rewrite_code, from),
    KEY(raw_rewrite_code, to),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t rewrite_code_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_rewrite_code, rewrite_code_fields)};

static const cyaml_schema_field_t timeouts_fields[] = {
    KEY(raw_timeouts, invite),       KEY(raw_timeouts, trying),  KEY(raw_timeouts, progress),
    KEY(raw_timeouts, progress_sdp), KEY(raw_timeouts, ringing), CYAML_FIELD_END,
};

static const cyaml_schema_field_t probe_fields[] = {
    KEY(raw_probe, interval), KEY(raw_probe, down_after),
    KEY(raw_probe, up_after), LIST(raw_probe, down_codes, text_value),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t log_fields[] = {
    KEY(raw_log, level),
    CYAML_FIELD_END,
};

#define KEY_VALUE(name) KEY(raw_parameters, name)
#define KEY_SECONDS     KEY_VALUE
#define KEY_SECONDS_MS  KEY_VALUE
#define KEY_MS          KEY_VALUE
#define KEY_COUNT       KEY_VALUE
#define KEY_BYTE        KEY_VALUE
#define KEY_FLAG        KEY_VALUE
#define KEY_MESSAGE     KEY_VALUE
#define KEY_PROXY_MODE  KEY_VALUE
#define KEY_RESEND(name)                                                                                               \
	CYAML_FIELD_SEQUENCE(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw_parameters, name,             \
			     &text_value, 1, CYAML_UNLIMITED)
static const cyaml_schema_field_t parameters_fields[] = {
#define PARAMETER_GROUP(title)
#define PARAMETER(name, field, type, ...) KEY_##type(name),
#define PARAMETER_ALIAS(name, of)         KEY_VALUE(name),
#include "parameters.def"
#undef PARAMETER_GROUP
#undef PARAMETER
#undef PARAMETER_ALIAS
    CYAML_FIELD_END,
};

/* Processes with workers, and those that are one thread. */
static const cyaml_schema_field_t worker_process_fields[] = {
    LIST(raw_process, workers, text_value),
    KEY(raw_process, core),
    KEY(raw_process, idle),
    KEY(raw_process, nap_us),
    KEY(raw_process, hugepages),
    KEY(raw_process, memory_mb),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t plain_process_fields[] = {
    KEY(raw_process, core),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t processes_fields[] = {
    SECTION(raw_processes, signaling, worker_process_fields),
    SECTION(raw_processes, media, worker_process_fields),
    SECTION(raw_processes, keepalive, plain_process_fields),
    SECTION(raw_processes, cdrwriter, plain_process_fields),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t limits_fields[] = {
    KEY(raw_limits, calls),
    KEY(raw_limits, registrations),
    KEY(raw_limits, cdr_ring_kb),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t port_fields[] = {
    KEY(raw_port, name),
    KEY(raw_port, process),
    KEY(raw_port, network),
    KEY(raw_port, driver),
    KEY(raw_port, device),
    KEY(raw_port, options),
    KEY(raw_port, mtu),
    LIST(raw_port, addresses, text_value),
    LIST(raw_port, gateways, text_value),
    KEY(raw_port, sip_port),
    SECTION_IF_ANY(raw_port, rtp_ports, range_fields),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t port_value = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_port, port_fields)};

static const cyaml_schema_field_t headers_fields[] = {
    KEY(raw_headers, trusted), KEY(raw_headers, identity), KEY(raw_headers, diversion),
    KEY(raw_headers, history), KEY(raw_headers, bodies),   CYAML_FIELD_END,
};

static const cyaml_schema_field_t ringback_fields[] = {
    KEY(raw_ringback, ringing),
    KEY(raw_ringback, ringing_with_sdp),
    KEY(raw_ringback, progress),
    KEY(raw_ringback, progress_with_sdp),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t redirect_fields[] = {
    KEY(raw_redirect, follow),
    KEY(raw_redirect, to),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t mapping_gateway_fields[] = {
    KEY(raw_mapping_gateway, name),
    KEY(raw_mapping_gateway, enabled),
    KEY(raw_mapping_gateway, network),
    LIST(raw_mapping_gateway, addresses, text_value),
    SECTION_IF_ANY(raw_mapping_gateway, digest, digest_fields),
    KEY(raw_mapping_gateway, capacity),
    KEY(raw_mapping_gateway, calls_per_second),
    LIST(raw_mapping_gateway, prefixes, text_value),
    SECTION(raw_mapping_gateway, caller, rewrite_fields),
    SECTION(raw_mapping_gateway, callee, rewrite_fields),
    LIST(raw_mapping_gateway, response_codes, rewrite_code_value),
    KEY(raw_mapping_gateway, media_mode),
    SECTION(raw_mapping_gateway, headers, headers_fields),
    SECTION(raw_mapping_gateway, ringback, ringback_fields),
    KEY(raw_mapping_gateway, redirect),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t mapping_gateway_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_mapping_gateway, mapping_gateway_fields)};

static const cyaml_schema_field_t routing_gateway_fields[] = {
    KEY(raw_routing_gateway, name),
    KEY(raw_routing_gateway, enabled),
    KEY(raw_routing_gateway, network),
    KEY(raw_routing_gateway, address),
    KEY(raw_routing_gateway, registered),
    LIST(raw_routing_gateway, prefixes, text_value),
    KEY(raw_routing_gateway, priority),
    KEY(raw_routing_gateway, capacity),
    KEY(raw_routing_gateway, calls_per_second),
    SECTION(raw_routing_gateway, caller, rewrite_fields),
    SECTION(raw_routing_gateway, callee, rewrite_fields),
    SECTION_IF_ANY(raw_routing_gateway, digest, credentials_fields),
    /* "register" is a word of C's. */
    CYAML_FIELD_MAPPING_PTR("register", CYAML_FLAG_OPTIONAL, struct raw_routing_gateway, registration, register_fields),
    SECTION(raw_routing_gateway, timeouts, timeouts_fields),
    SECTION_IF_ANY(raw_routing_gateway, probe, probe_fields),
    LIST(raw_routing_gateway, stop_codes, text_value),
    KEY(raw_routing_gateway, media_mode),
    KEY(raw_routing_gateway, silence_watch),
    KEY(raw_routing_gateway, stop_switch_after_sdp),
    KEY(raw_routing_gateway, stop_switch_after_invite_timeout),
    SECTION(raw_routing_gateway, headers, headers_fields),
    SECTION(raw_routing_gateway, redirect, redirect_fields),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t routing_gateway_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_routing_gateway, routing_gateway_fields)};

static const cyaml_schema_field_t phone_fields[] = {
    KEY(raw_phone, user), KEY(raw_phone, password), KEY(raw_phone, count), KEY(raw_phone, capacity), CYAML_FIELD_END,
};
static const cyaml_schema_value_t phone_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_phone, phone_fields)};

static const cyaml_schema_field_t resolver_fields[] = {
    LIST(raw_resolver, servers, text_value),
    KEY(raw_resolver, timeout_ms),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t database_fields[] = {
    KEY(raw_database, connection),
    KEY(raw_database, batch),
    KEY(raw_database, batch_wait_ms),
    KEY(raw_database, partitions_ahead_days),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t spool_fields[] = {
    KEY(raw_spool, directory), KEY(raw_spool, segment_mb), KEY(raw_spool, reserve_mb), KEY(raw_spool, group_wait_ms),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t config_fields[] = {
    KEY(raw_config, node),
    KEY(raw_config, realm),
    KEY(raw_config, digest_algorithms),
    SECTION(raw_config, log, log_fields),
    SECTION(raw_config, parameters, parameters_fields),
    SECTION(raw_config, processes, processes_fields),
    SECTION(raw_config, limits, limits_fields),
    LIST(raw_config, ports, port_value),
    LIST(raw_config, mapping_gateways, mapping_gateway_value),
    LIST(raw_config, routing_gateways, routing_gateway_value),
    LIST(raw_config, phones, phone_value),
    SECTION(raw_config, resolver, resolver_fields),
    SECTION(raw_config, database, database_fields),
    SECTION(raw_config, spool, spool_fields),
    CYAML_FIELD_END,
};

const cyaml_schema_value_t raw_schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_config, config_fields)};
