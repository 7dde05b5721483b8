/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <stdlib.h>

#include "cdrwriter/row.h"
#include "common/end_reason.h"
#include "tests/unit/check.h"

#define NO_RTP                                                                                                         \
	"\"from_callee_jitter_us\":null,\"from_callee_max_jitter_us\":null,\"from_callee_mos\":null,"                  \
	"\"from_callee_payload_type\":null"

static struct cdr_record record;
static const char call_id[16] = {'\xab', [15] = 0x01};

static void fresh(void)
{
	record = (struct cdr_record){.call_id = {call_id, sizeof(call_id)}, .end_reason = END_NORMAL};
}

static const char *json(void)
{
	static char text[8192];
	FILE *out = fmemopen(text, sizeof(text), "w");

	row_print_json(out, &record);
	fclose(out);
	return text;
}

static bool says(const char *part)
{
	return strstr(json(), part) != NULL;
}

static void an_empty_record(void)
{
	fresh();
	CHECK(row_fault(&record) == NULL);
	CHECK(says("\"call_id\":\"ab000000-0000-0000-0000-000000000001\""));
	CHECK(says("\"caller_ip\":null"));
	CHECK(says("\"answer_time\":null"));
	CHECK(says("\"pdd_ms\":null"));
	CHECK(says("\"sip_code\":null"));
	CHECK(says("\"duration\":0.000000"));
	CHECK(says("\"end_reason\":\"Normal\""));
	CHECK(says("\"end_direction\":null"));
	CHECK(says("\"from_caller_packets\":null"));
	CHECK(says("\"setup_time\":\"1970-01-01T00:00:00.000000Z\""));
	record.call_id.len = 15;
	CHECK(row_fault(&record) != NULL);
}

static void words_and_numbers(void)
{
	fresh();
	record.setup_us = 1767225600123456;
	record.end_reason = 9999;
	record.end_direction = END_BY_SERVER;
	record.media_mode = 1;
	record.sip_code = UINT32_MAX;
	record.duration_us = 61500000;
	record.answer_us = 1;
	record.pdd_ms = 0;
	CHECK(says("\"setup_time\":\"2026-01-01T00:00:00.123456Z\""));
	CHECK(says("\"end_reason\":\"Unknown(9999)\""));
	CHECK(says("\"end_direction\":\"server\""));
	CHECK(says("\"media_mode\":\"direct\""));
	record.media_mode = 2;
	CHECK(says("\"media_mode\":\"none\""));
	CHECK(says("\"sip_code\":2147483647"));
	CHECK(says("\"duration\":61.500000"));
	CHECK(says("\"pdd_ms\":0"));
}

static void text_is_always_utf8(void)
{
	static const struct {
		const char *in, *out;
	} texts[] = {
	    {"just eight bytes", "just eight bytes"},
	    {"eight and \xc3\xa4 one", "eight and \xc3\xa4 one"},
	    {"plain", "plain"},
	    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
	    {"a\xff z", "a\\\\xFF z"},
	    {"\xc3", "\\\\xC3"}, /* cut short */
	    {"\xe2\x82", "\\\\xE2\\\\x82"},
	    {"\xc0\xaf", "\\\\xC0\\\\xAF"}, /* overlong */
	    {"\xe0\x80\x80", "\\\\xE0\\\\x80\\\\x80"},
	    {"\xed\xa0\x80", "\\\\xED\\\\xA0\\\\x80"}, /* surrogate */
	    {"\xf5\x80\x80\x80", "\\\\xF5\\\\x80\\\\x80\\\\x80"},
	    {"\xf4\x90\x80\x80", "\\\\xF4\\\\x90\\\\x80\\\\x80"},
	    {"quote\" back\\ line\n", "quote\\\" back\\\\ line\\u000a"},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char expected[128];

		fresh();
		record.codec = (struct wire_text){texts[i].in, (uint32_t)strlen(texts[i].in)};
		snprintf(expected, sizeof(expected), "\"codec\":\"%s\"", texts[i].out);
		CHECK(says(expected));
	}
}

/* PostgreSQL can't store it. */
static void a_zero_byte_in_text(void)
{
	fresh();
	record.codec = (struct wire_text){"PC\0A", 4};
	CHECK(says("\"codec\":\"PC\\\\x00A\""));
	record.codec = (struct wire_text){"eight by\0es", 11};
	CHECK(says("\"codec\":\"eight by\\\\x00es\""));
}

static void addresses_and_figures(void)
{
	fresh();
	CHECK_INT(net_addr_parse(&record.caller_address, "192.0.2.1:5060", 14), 0);
	CHECK_INT(net_addr_parse(&record.callee_address, "2001:db8::9", 11), 0);
	record.has_figures[CALLEE] = true;
	record.figures[CALLEE] = (struct call_direction_figures){.packets = UINT64_MAX,
								 .bytes = 2,
								 .lost = 3,
								 .sent = 4,
								 .jitter_us = 5,
								 .max_jitter_us = 6,
								 .mos_x100 = 438};
	CHECK(says("\"caller_ip\":\"192.0.2.1\",\"caller_port\":5060"));
	CHECK(says("\"callee_ip\":\"2001:db8::9\",\"callee_port\":null"));
	CHECK(says("\"from_caller_packets\":null"));
	CHECK(says("\"from_callee_packets\":9223372036854775807,\"from_callee_bytes\":2,\"from_callee_lost\":3,"
		   "\"from_callee_relayed\":4,\"from_callee_jitter_us\":5,\"from_callee_max_jitter_us\":6,"
		   "\"from_callee_mos\":4.38,\"from_callee_payload_type\":0"));
	record.figures[CALLEE].mos_x100 = 0;
	CHECK(says("\"from_callee_mos\":null"));
	/* A fax, and silence: no RTP, so nothing that only RTP has. */
	record.figures[CALLEE] = (struct call_direction_figures){.packets = 7, .sent = 7};
	CHECK(says("\"from_callee_packets\":7") && says(NO_RTP));
	record.figures[CALLEE] = (struct call_direction_figures){.packets = 0};
	CHECK(says("\"from_callee_packets\":0") && says(NO_RTP));
}

/* Every text as long as it gets, and nothing in it that stays as it is. */
static void the_longest_row(void)
{
	static char text[60000];
	struct buffer buffer = {0};
	struct wire_text all = {text, sizeof(text)};

	memset(text, 0xff, sizeof(text));
	fresh();
	record.caller_sip_call_id = record.callee_sip_call_id = record.caller_number_in = record.caller_number_out =
	    all;
	record.callee_number_in = record.callee_number_out = record.mapping_gateway = record.routing_gateway = all;
	record.node = record.codec = all;
	CHECK_INT(row_append(&buffer, &record), 0);
	CHECK(buffer.len > 10 * 4 * sizeof(text) && buffer.len <= buffer.room);
	buffer_fini(&buffer);
}

/* The layout of binary COPY: header, rows of a field count and (length, bytes), trailer. */
static void binary_copy(void)
{
	struct buffer buffer = {0};
	uint16_t count;
	size_t at = 19, fields = 0;

	fresh();
	record.node = (struct wire_text){"n1", 2};
	CHECK_INT(row_begin_copy(&buffer), 0);
	CHECK_INT(buffer.len, 19);
	CHECK(memcmp(buffer.bytes, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19) == 0);
	CHECK_INT(row_append(&buffer, &record), 0);
	CHECK_INT(row_end_copy(&buffer), 0);
	memcpy(&count, buffer.bytes + at, 2);
	for (at += 2; at + 4 <= buffer.len - 2; fields++) {
		uint32_t len;

		memcpy(&len, buffer.bytes + at, 4);
		len = be32toh(len);
		at += 4 + (len == UINT32_MAX ? 0 : len);
	}
	CHECK_INT(at, buffer.len - 2);
	CHECK_INT(fields, be16toh(count));
	CHECK(memcmp(buffer.bytes + at, "\xff\xff", 2) == 0);

	size_t columns = 1;

	for (const char *p = row_columns(); *p; p++)
		columns += *p == ',';
	CHECK_INT(columns, fields);
	buffer_fini(&buffer);
}

static void days(void)
{
	CHECK_INT(row_day(0), 0);
	CHECK_INT(row_day(86400000000ll - 1), 0);
	CHECK_INT(row_day(86400000000ll), 1);
	CHECK_INT(row_day(-1), -1);
	CHECK_INT(row_day(-86400000000ll), -1);
	CHECK_INT(row_day(INT64_MIN) < 0, 1);
}

static const struct check_case cases[] = {
    {"an empty record", an_empty_record},
    {"words and numbers", words_and_numbers},
    {"text is always UTF-8", text_is_always_utf8},
    {"a zero byte in text", a_zero_byte_in_text},
    {"addresses and figures", addresses_and_figures},
    {"the longest row", the_longest_row},
    {"binary copy", binary_copy},
    {"days", days},
};

CHECK_MAIN(cases)
