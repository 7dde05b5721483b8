/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/clock.h"
#include "common/layout/binding_record.h"
#include "tandemctl/ctl.h"

static const struct column columns[] = {
    {"user", "USER", -16},
    {"contact", "CONTACT", -36},
    {"remote", "FROM", -21},
    {"local", "", 0},
    {"behind_nat", "NAT", 3},
    {"expires_in_s", "EXPIRES IN", 10},
    {"registered_for_s", "REGISTERED", 10},
    {"refreshed_ago_s", "", 0},
    {"q", "", 0},
    {"user_agent", "USER AGENT", -16},
};

static double between_s(uint64_t from_us, uint64_t to_us)
{
	return to_us > from_us ? (double)(to_us - from_us) / (double)US_PER_S : 0;
}

static void put_address(struct output *output, const struct net_addr *address)
{
	char text[NET_ADDR_TEXT] = "";

	if (address->family == NET_IP4 || address->family == NET_IP6)
		net_addr_print(address, text);
	output_text(output, text);
}

static void put_binding(struct output *output, const struct binding_record *binding, uint64_t now_us)
{
	output_text_len(output, binding->user, binding->user_len);
	output_text_len(output, binding->contact, binding->contact_len);
	put_address(output, &binding->remote);
	put_address(output, &binding->local);
	output_bool(output, (binding->flags & BINDING_NAT) != 0);
	output_seconds(output, between_s(now_us, binding->expires_us));
	output_seconds(output, between_s(binding->registered_us, now_us));
	output_seconds(output, between_s(binding->refreshed_us, now_us));
	output_decimal(output, binding->q_x1000 / 1000.0, 3);
	output_text_len(output, binding->user_agent, binding->user_agent_len);
}

int ctl_registrations(struct ctl *ctl, int argc, char **argv)
{
	const char *limit_text = NULL, *user = NULL;
	const struct ctl_option options[] = {
	    {"--limit", true, &limit_text}, {"--user", true, &user}, {NULL, false, NULL}};
	struct output *output = &ctl->output;
	struct segment_spec spec;
	struct segment segment;
	uint32_t limit, shown = 0;

	if (ctl_parse(argc, argv, options, 0) < 0 || !ctl_number("--limit", limit_text, &limit, UINT32_MAX))
		return CTL_USAGE;
	binding_segment_spec(&spec, ctl->config->limits.registrations);
	if (ctl_attach(ctl, &segment, &spec) != CTL_OK)
		return CTL_NOT_THERE;
	const struct binding_record *bindings = segment.content;
	uint64_t now_us = clock_now_us();
	output_begin(output, stdout, ctl->json);
	output_list(output, "registrations", columns, sizeof(columns) / sizeof(columns[0]));
	for (uint32_t i = 0; i < spec.item_count && shown < limit; i++) {
		struct binding_record binding;

		if (__atomic_load_n(&bindings[i].state, __ATOMIC_RELAXED) != BINDING_STANDING ||
		    !binding_record_read(&bindings[i], &binding))
			continue;
		if (user != NULL && memmem(binding.user, binding.user_len, user, strlen(user)) == NULL)
			continue;
		put_binding(output, &binding, now_us);
		shown++;
	}
	output_list_end(output);
	output_end(output);
	segment_detach(&segment);
	return CTL_OK;
}
