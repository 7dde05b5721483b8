/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/clock.h"
#include "common/layout/gateway_status.h"
#include "tandemctl/ctl.h"

static const struct column columns[] = {
    {"gateway", "GATEWAY", -24},
    {"kind", "KIND", -7},
    {"state", "STATE", -8},
    {"calls", "CALLS", 7},
    {"capacity", "CAPACITY", 8},
    {"attempts", "ATTEMPTS", 10},
    {"answered", "ANSWERED", 10},
    {"refused", "REFUSED", 8},
    {"asr_percent", "ASR %", 6},
    {"acd_s", "ACD", 9},
    {"ban_s", "BAN", 8},
    {"last_attempt_ago_s", "LAST", 10},
    {"rtt_ms", "RTT MS", 7},
    {"probe", "", 0},
    {"probe_code", "", 0},
    {"probe_since_s", "", 0},
    {"registration", "REGISTERED", -10},
    {"registration_code", "", 0},
    {"registration_expires_s", "", 0},
    {"calls_per_second", "", 0},
    {"priority", "", 0},
    {"address", "", 0},
    {"addresses", "ADDRESS", -21},
};

/* A gateway as the configuration has it; `config` false: it is in shared memory alone, left by an older file. */
struct gateway {
	const char *name;
	enum gateway_kind kind;
	bool configured, enabled;
	bool unknown; /* without a configuration nobody can tell */
	unsigned int capacity, calls_per_second, priority;
	char address[NET_ADDR_TEXT + 256];
	bool by_name, is_address;         /* what `address` is; neither: a user who registers here */
	const struct net_prefix *sources; /* a mapping gateway's */
	unsigned int sources_count;
};

static void put_ratio(struct output *output, double part, double whole, double scale, int decimals)
{
	if (whole > 0)
		output_decimal(output, scale * part / whole, decimals);
	else
		output_none(output);
}

/* What its probes have found; nothing, for one that is not probed. */
static void put_probe(struct output *output, const struct gateway_probe *seen, uint64_t now_us)
{
	static const char *const states[] = {"", "unknown", "up", "down"};
	uint32_t state = seen != NULL ? atomic_load_explicit(&seen->state, memory_order_relaxed) : GATEWAY_NOT_PROBED;
	uint32_t rtt_us = state > GATEWAY_PROBED ? atomic_load_explicit(&seen->rtt_us, memory_order_relaxed) : 0;
	uint64_t since_us = state > GATEWAY_PROBED ? atomic_load_explicit(&seen->changed_us, memory_order_relaxed) : 0;

	if (rtt_us > 0 && state == GATEWAY_UP)
		output_decimal(output, rtt_us / 1000.0, 1);
	else
		output_none(output);
	output_text(output, state <= GATEWAY_IS_DOWN ? states[state] : "");
	if (state > GATEWAY_PROBED)
		output_uint(output, atomic_load_explicit(&seen->code, memory_order_relaxed));
	else
		output_none(output);
	if (since_us != 0 && now_us >= since_us)
		output_seconds(output, (double)(now_us - since_us) / (double)US_PER_S);
	else
		output_none(output);
}

static size_t print_source(const struct net_prefix *source, char *text)
{
	size_t len = net_addr_print(&source->addr, text);

	if (source->len < (source->addr.family == NET_IP4 ? 32 : 128))
		len += (size_t)sprintf(text + len, "/%u", source->len);
	return len;
}

/* Where it is, separated by blanks: its own, or those that its name has now. As many as there is room for. */
static void put_addresses(struct output *output, const struct gateway *gateway, const struct gateway_slot *slot)
{
	struct net_addr addrs[GATEWAY_ADDRESSES];
	unsigned int count = slot != NULL && gateway->by_name ? gateway_status_place(slot, addrs) : 0;
	char text[GATEWAY_ADDRESSES * (NET_ADDR_TEXT + sizeof("/128 "))] = "";
	size_t len = 0;

	if (gateway->sources != NULL)
		count = gateway->sources_count < GATEWAY_ADDRESSES ? gateway->sources_count : GATEWAY_ADDRESSES;
	for (unsigned int i = 0; i < count; i++) {
		if (i > 0)
			text[len++] = ' ';
		len += gateway->sources != NULL ? print_source(&gateway->sources[i], text + len)
						: net_addr_print(&addrs[i], text + len);
	}
	output_text(output, gateway->is_address ? gateway->address : text);
}

static bool is_unresolved(const struct gateway *gateway, const struct gateway_slot *slot)
{
	struct net_addr addrs[GATEWAY_ADDRESSES];

	return gateway->by_name && (slot == NULL || gateway_status_place(slot, addrs) == 0);
}

/* Ours at a vendor. One that stands goes on standing through failures until it expires. */
static void put_registration(struct output *output, const struct gateway_registration *seen, uint64_t now_us)
{
	static const char *const states[] = {"", "trying", "expired", "failed", "refused"};
	uint32_t state = seen != NULL ? atomic_load_explicit(&seen->state, memory_order_relaxed) : 0;
	uint64_t expires_us = state != 0 ? atomic_load_explicit(&seen->expires_us, memory_order_relaxed) : 0;

	output_text(output, expires_us > now_us                 ? "registered"
			    : state <= GATEWAY_REGISTER_REFUSED ? states[state]
								: "");
	if (state != GATEWAY_NOT_REGISTERING)
		output_uint(output, atomic_load_explicit(&seen->code, memory_order_relaxed));
	else
		output_none(output);
	if (expires_us > now_us)
		output_seconds(output, (double)(expires_us - now_us) / (double)US_PER_S);
	else
		output_none(output);
}

static void put_gateway(struct output *output, const struct gateway *gateway, const struct gateway_sum *sum,
			const struct gateway_slot *slot, uint64_t now_us)
{
	const struct gateway_probe *seen = slot != NULL ? &slot->probe : NULL;
	bool banned = sum->ban_until_us > now_us;
	bool down = seen != NULL && atomic_load_explicit(&seen->state, memory_order_relaxed) == GATEWAY_IS_DOWN;

	output_text(output, gateway->name);
	output_text(output, gateway->kind == GATEWAY_MAPPING ? "mapping" : "routing");
	output_text(output, gateway->unknown               ? ""
			    : !gateway->configured         ? "removed"
			    : !gateway->enabled            ? "disabled"
			    : is_unresolved(gateway, slot) ? "unknown"
			    : down                         ? "down"
			    : banned                       ? "banned"
							   : "enabled");
	output_uint(output, sum->calls);
	if (gateway->capacity > 0)
		output_uint(output, gateway->capacity);
	else
		output_none(output);
	output_uint(output, sum->attempts);
	output_uint(output, sum->answered);
	output_uint(output, sum->refused);
	put_ratio(output, (double)sum->answered, (double)sum->attempts, 100, 1);
	if (sum->ended > 0)
		output_seconds(output, (double)sum->talk_ms / (double)sum->ended / 1000);
	else
		output_none(output);
	if (banned)
		output_seconds(output, (double)(sum->ban_until_us - now_us) / (double)US_PER_S);
	else
		output_none(output);
	if (sum->last_attempt_us != 0 && now_us > sum->last_attempt_us)
		output_seconds(output, (double)(now_us - sum->last_attempt_us) / (double)US_PER_S);
	else
		output_none(output);
	put_probe(output, seen, now_us);
	put_registration(output, slot != NULL ? &slot->registration : NULL, now_us);
	output_uint(output, gateway->calls_per_second);
	output_uint(output, gateway->priority);
	output_text(output, gateway->address);
	put_addresses(output, gateway, slot);
}

struct table {
	const struct gateway_slot *slots;
	unsigned int used; /* slots are claimed from the first on */
};

static const struct gateway_slot *find_slot(const struct table *table, enum gateway_kind kind, const char *name)
{
	for (unsigned int i = 0; i < table->used; i++) {
		const struct gateway_slot *slot = &table->slots[i];

		if (atomic_load_explicit(&slot->kind, memory_order_acquire) == (uint32_t)kind &&
		    strncmp(slot->name, name, sizeof(slot->name)) == 0)
			return slot;
	}
	return NULL;
}

static void put_configured(struct output *output, const struct table *table, const struct gateway *gateway,
			   uint64_t now_us)
{
	const struct gateway_slot *slot = find_slot(table, gateway->kind, gateway->name);
	struct gateway_sum sum = {0};

	if (slot != NULL)
		gateway_status_sum(slot, &sum);
	put_gateway(output, gateway, &sum, slot, now_us);
}

static unsigned int put_mapping(struct ctl *ctl, const struct table *table, const char *only, uint64_t now_us)
{
	unsigned int shown = 0;

	for (unsigned int i = 0; i < ctl->config->mapping_gateways_count; i++) {
		const struct config_mapping_gateway *config = &ctl->config->mapping_gateways[i];
		struct gateway gateway = {.name = config->name,
					  .kind = GATEWAY_MAPPING,
					  .configured = true,
					  .enabled = config->enabled,
					  .capacity = config->capacity,
					  .calls_per_second = config->calls_per_second,
					  .sources = config->addresses,
					  .sources_count = config->addresses_count};

		if (only != NULL && strcmp(only, config->name) != 0)
			continue;
		if (config->addresses_count > 0)
			net_addr_print(&config->addresses[0].addr, gateway.address);
		put_configured(&ctl->output, table, &gateway, now_us);
		shown++;
	}
	return shown;
}

static unsigned int put_routing(struct ctl *ctl, const struct table *table, const char *only, uint64_t now_us)
{
	unsigned int shown = 0;

	for (unsigned int i = 0; i < ctl->config->routing_gateways_count; i++) {
		const struct config_routing_gateway *config = &ctl->config->routing_gateways[i];
		struct gateway gateway = {.name = config->name,
					  .kind = GATEWAY_ROUTING,
					  .configured = true,
					  .enabled = config->enabled,
					  .capacity = config->capacity,
					  .calls_per_second = config->calls_per_second,
					  .priority = config->priority};

		if (only != NULL && strcmp(only, config->name) != 0)
			continue;
		if (config->registered != NULL) {
			snprintf(gateway.address, sizeof(gateway.address), "%s", config->registered);
		} else if (config->host == NULL) {
			net_addr_print(&config->address, gateway.address);
			gateway.is_address = true;
		} else {
			gateway.by_name = true;
			snprintf(gateway.address, sizeof(gateway.address), "%s", config->host);
			if (config->host_port)
				snprintf(gateway.address + strlen(config->host), 8, ":%u", config->host_port);
		}
		put_configured(&ctl->output, table, &gateway, now_us);
		shown++;
	}
	return shown;
}

static bool is_configured(const struct config *config, uint32_t kind, const char *name)
{
	if (kind == GATEWAY_MAPPING) {
		for (unsigned int i = 0; i < config->mapping_gateways_count; i++) {
			if (strcmp(config->mapping_gateways[i].name, name) == 0)
				return true;
		}
	} else {
		for (unsigned int i = 0; i < config->routing_gateways_count; i++) {
			if (strcmp(config->routing_gateways[i].name, name) == 0)
				return true;
		}
	}
	return false;
}

/* Gateways that the file no longer has may still have calls. */
static unsigned int put_removed(struct ctl *ctl, const struct table *table, const char *only, uint64_t now_us)
{
	unsigned int shown = 0;

	for (unsigned int i = 0; i < table->used; i++) {
		const struct gateway_slot *slot = &table->slots[i];
		char name[sizeof(slot->name) + 1] = "";
		struct gateway gateway = {
		    .name = name, .kind = atomic_load(&slot->kind), .unknown = ctl->config->path == NULL};
		struct gateway_sum sum;

		memcpy(name, slot->name, sizeof(slot->name));
		if ((only != NULL && strcmp(only, name) != 0) || is_configured(ctl->config, gateway.kind, name))
			continue;
		gateway_status_sum(slot, &sum);
		put_gateway(&ctl->output, &gateway, &sum, slot, now_us);
		shown++;
	}
	return shown;
}

int ctl_gateways(struct ctl *ctl, int argc, char **argv)
{
	struct segment_spec spec;
	struct segment segment;
	unsigned int shown;
	int given = ctl_parse(argc, argv, NULL, 1);
	const char *only = given == 1 ? argv[1] : NULL;

	if (given < 0)
		return CTL_USAGE;
	gateway_status_spec(&spec, ctl->config);
	if (ctl_attach(ctl, &segment, &spec) != CTL_OK)
		return CTL_NOT_THERE;
	struct table table = {.slots = segment.content};
	while (table.used < GATEWAY_STATUS_SLOTS &&
	       atomic_load_explicit(&table.slots[table.used].kind, memory_order_acquire) != GATEWAY_NONE)
		table.used++;
	uint64_t now_us = clock_now_us();
	output_begin(&ctl->output, stdout, ctl->json);
	output_list(&ctl->output, "gateways", columns, sizeof(columns) / sizeof(columns[0]));
	shown = put_mapping(ctl, &table, only, now_us);
	shown += put_routing(ctl, &table, only, now_us);
	shown += put_removed(ctl, &table, only, now_us);
	output_list_end(&ctl->output);
	output_end(&ctl->output);
	segment_detach(&segment);
	if (only != NULL && shown == 0) {
		ctl_error("gateways: there is none named %s", only);
		return CTL_FAILED;
	}
	return CTL_OK;
}
