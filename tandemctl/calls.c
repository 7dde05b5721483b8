/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/end_reason.h"
#include "common/layout/call_record.h"
#include "common/layout/media_session.h"
#include "tandemctl/ctl.h"

static const char *const state_word[CALL_STATE_COUNT] = {
    [CALL_FREE] = "free",       [CALL_SETUP] = "setup",   [CALL_ANSWERED] = "answered", [CALL_ESTABLISHED] = "talking",
    [CALL_CLOSING] = "closing", [CALL_ENDING] = "ending", [CALL_BILLED] = "billed",
};

static const char *const media_word[CALL_MEDIA_MODES] = {
    [CALL_MEDIA_RELAY] = "relay",
    [CALL_MEDIA_DIRECT] = "direct",
    [CALL_MEDIA_NONE] = "none",
};

static const struct column columns[] = {
    {"id", "ID", -32},
    {"state", "STATE", -8},
    {"setup_us", "", 0},
    {"age_s", "", 0},
    {"duration_s", "TALKED", 9},
    {"caller", "CALLER", -15},
    {"callee", "CALLEE", -15},
    {"caller_out", "", 0},
    {"callee_out", "", 0},
    {"mapping_gateway", "FROM", -12},
    {"routing_gateway", "TO", -12},
    {"attempt", "", 0},
    {"sip_code", "", 0},
    {"end_reason", "", 0},
    {"codec", "", 0},
    {"pdd_ms", "", 0},
    {"worker", "", 0},
    {"media_worker", "", 0},
    {"media_mode", "", 0},
    {"caller_address", "", 0},
    {"callee_address", "", 0},
    {"caller_call_id", "", 0},
    {"callee_call_id", "", 0},
    {"caller_packets", "RTP IN", 8},
    {"callee_packets", "RTP BACK", 8},
    {"caller_bytes", "", 0},
    {"callee_bytes", "", 0},
};

struct filter {
	const char *gateway, *number;
	int state; /* -1 = any */
	uint32_t limit, min_duration_s;
};

struct reader {
	struct segment calls, media;
	bool has_media;
	uint64_t now_us;
	struct call_record record;
	char block[CALL_LARGE_BLOCK];
};

static const char *text_of(const struct reader *reader, struct call_text text, size_t *len)
{
	return call_record_text(&reader->record, reader->block, sizeof(reader->block), text, len);
}

static void put_text(struct output *output, const struct reader *reader, struct call_text text)
{
	size_t len;
	const char *bytes = text_of(reader, text, &len);

	output_text_len(output, bytes, len);
}

static bool is(const struct reader *reader, struct call_text text, const char *word)
{
	size_t len;
	const char *bytes = text_of(reader, text, &len);

	return len == strlen(word) && memcmp(bytes, word, len) == 0;
}

static bool has(const struct reader *reader, struct call_text text, const char *part)
{
	size_t len;
	const char *bytes = text_of(reader, text, &len);

	return memmem(bytes, len, part, strlen(part)) != NULL;
}

/* Conversation so far, or in all. */
static uint64_t talked_us(const struct reader *reader)
{
	const struct call_record *record = &reader->record;
	uint64_t end_us = record->end_us != 0 ? record->end_us : reader->now_us;

	return record->answer_us != 0 && end_us > record->answer_us ? end_us - record->answer_us : 0;
}

static bool wanted(const struct reader *reader, const struct filter *filter)
{
	const struct call_record *record = &reader->record;

	if (filter->state >= 0 && atomic_load_explicit(&record->state, memory_order_relaxed) != filter->state)
		return false;
	if (talked_us(reader) < filter->min_duration_s * US_PER_S)
		return false;
	if (filter->gateway != NULL && !is(reader, record->mapping_gateway, filter->gateway) &&
	    !is(reader, record->routing_gateway, filter->gateway))
		return false;
	return filter->number == NULL || has(reader, record->caller_in, filter->number) ||
	       has(reader, record->caller_out, filter->number) || has(reader, record->callee_in, filter->number) ||
	       has(reader, record->callee_out, filter->number);
}

static void put_address(struct output *output, const struct net_addr *address)
{
	char text[NET_ADDR_TEXT] = "";

	if (address->family == NET_IP4 || address->family == NET_IP6)
		net_addr_print(address, text);
	output_text(output, text);
}

/* What the relay counts now; after the end, what the record kept. */
static void put_figures(struct output *output, const struct reader *reader, uint32_t slot)
{
	const struct call_record *record = &reader->record;
	uint64_t packets[CALL_SIDES], bytes[CALL_SIDES];
	struct media_session session;
	bool live = reader->has_media && slot < reader->media.header->item_count &&
		    media_session_read((const struct media_session *)reader->media.content + slot, &session) &&
		    session.id == record->life;

	for (int side = 0; side < CALL_SIDES; side++) {
		packets[side] = live ? session.hot[side].packets : record->figures[side].packets;
		bytes[side] = live ? session.hot[side].bytes : record->figures[side].bytes;
	}
	for (int side = 0; side < CALL_SIDES; side++)
		output_uint(output, packets[side]);
	for (int side = 0; side < CALL_SIDES; side++)
		output_uint(output, bytes[side]);
}

static void put_call(struct output *output, const struct reader *reader, uint32_t slot)
{
	const struct call_record *record = &reader->record;
	char id[2 * sizeof(record->id) + 1];

	for (size_t i = 0; i < sizeof(record->id); i++)
		snprintf(id + 2 * i, 3, "%02x", record->id[i]);
	output_text(output, id);
	output_text(output, state_word[atomic_load_explicit(&record->state, memory_order_relaxed)]);
	output_uint(output, record->setup_wall_us > 0 ? (uint64_t)record->setup_wall_us : 0);
	output_seconds(output, reader->now_us > record->setup_us
				   ? (double)(reader->now_us - record->setup_us) / (double)US_PER_S
				   : 0);
	if (record->answer_us != 0)
		output_seconds(output, (double)talked_us(reader) / (double)US_PER_S);
	else
		output_none(output);
	put_text(output, reader, record->caller_in);
	put_text(output, reader, record->callee_in);
	put_text(output, reader, record->caller_out);
	put_text(output, reader, record->callee_out);
	put_text(output, reader, record->mapping_gateway);
	put_text(output, reader, record->routing_gateway);
	output_uint(output, record->attempt);
	output_uint(output, record->sip_code);
	output_text(output, record->end_reason < END_REASON_COUNT ? end_reason_info[record->end_reason].word : "");
	output_text_len(output, record->codec, strnlen(record->codec, sizeof(record->codec)));
	output_uint(output, record->pdd_ms);
	output_uint(output, record->worker);
	output_uint(output, record->media_worker);
	output_text(output, record->media_mode < CALL_MEDIA_MODES ? media_word[record->media_mode] : "");
	put_address(output, &record->dialog[CALLER].flow.remote);
	put_address(output, &record->dialog[CALLEE].flow.remote);
	put_text(output, reader, record->dialog[CALLER].call_id);
	put_text(output, reader, record->dialog[CALLEE].call_id);
	put_figures(output, reader, slot);
}

static int parse_filter(int argc, char **argv, struct filter *filter)
{
	const char *limit = NULL, *state = NULL, *min_duration = NULL;
	const struct ctl_option options[] = {
	    {"--limit", true, &limit}, {"--gateway", true, &filter->gateway},   {"--number", true, &filter->number},
	    {"--state", true, &state}, {"--min-duration", true, &min_duration}, {NULL, false, NULL},
	};

	if (ctl_parse(argc, argv, options, 0) < 0 || !ctl_number("--limit", limit, &filter->limit, UINT32_MAX) ||
	    !ctl_number("--min-duration", min_duration, &filter->min_duration_s, 0))
		return CTL_USAGE;
	filter->state = -1;
	for (int i = CALL_SETUP; state != NULL && i < CALL_STATE_COUNT; i++) {
		if (strcasecmp(state, state_word[i]) == 0)
			filter->state = i;
	}
	if (state != NULL && filter->state < 0) {
		ctl_error("--state: '%s': expected setup, answered, talking, closing, ending or billed", state);
		return CTL_USAGE;
	}
	return CTL_OK;
}

static int attach(struct ctl *ctl, struct reader *reader)
{
	struct segment_spec spec;

	calls_spec(&spec, ctl->config);
	if (ctl_attach(ctl, &reader->calls, &spec) != CTL_OK)
		return CTL_NOT_THERE;
	media_sessions_spec(&spec, ctl->config);
	if (ctl_attach(ctl, &reader->media, &spec) != CTL_OK) {
		segment_detach(&reader->calls);
		return CTL_NOT_THERE;
	}
	reader->has_media = true;
	reader->now_us = clock_now_us();
	return CTL_OK;
}

int ctl_calls(struct ctl *ctl, int argc, char **argv)
{
	struct output *output = &ctl->output;
	struct filter filter = {NULL};
	static struct reader reader;
	uint32_t shown = 0;
	int status = parse_filter(argc, argv, &filter);

	if (status == CTL_OK)
		status = attach(ctl, &reader);
	if (status != CTL_OK)
		return status;
	output_begin(output, stdout, ctl->json);
	output_list(output, "calls", columns, sizeof(columns) / sizeof(columns[0]));
	for (uint32_t slot = 0; slot < ctl->config->limits.calls && shown < filter.limit; slot++) {
		if (!call_record_read(reader.calls.content, ctl->config->limits.calls, slot, &reader.record,
				      reader.block) ||
		    !wanted(&reader, &filter))
			continue;
		put_call(output, &reader, slot);
		shown++;
	}
	output_list_end(output);
	output_end(output);
	segment_detach(&reader.calls);
	segment_detach(&reader.media);
	return CTL_OK;
}
