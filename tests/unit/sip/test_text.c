/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/chars.h"
#include "signaling/sip/fields.h"
#include "signaling/sip/rows.h"
#include "tests/unit/check.h"

static void to_u32(void)
{
	uint32_t n = 0;

	CHECK_INT(sip_text_to_u32(SIP_TEXT("0"), &n), 0);
	CHECK_INT(n, 0);
	CHECK_INT(sip_text_to_u32(SIP_TEXT("4294967295"), &n), 0);
	CHECK_INT(n, UINT32_MAX);
	CHECK_INT(sip_text_to_u32(SIP_TEXT("0000000000000000000000000042"), &n), 0);
	CHECK_INT(n, 42);
	CHECK_INT(sip_text_to_u32(SIP_TEXT("4294967296"), &n), -ERANGE);
	CHECK_INT(sip_text_to_u32(SIP_TEXT("99999999999999999999999999999999"), &n), -ERANGE);
	CHECK_INT(sip_text_to_u32(SIP_TEXT("9999999999999999999999999999999x"), &n), -EINVAL);
	CHECK_INT(sip_text_to_u32(SIP_TEXT(""), &n), -EINVAL);
	CHECK_INT(sip_text_to_u32(SIP_TEXT("-1"), &n), -EINVAL);
	CHECK_INT(sip_text_to_u32(SIP_TEXT("1 "), &n), -EINVAL);
	CHECK_INT(n, 42);
}

static bool one_of(const char *set, int c)
{
	return c && strchr(set, c) != NULL;
}

/* The generated table against the words of RFC 3261 section 25.1. */
static void classes(void)
{
	for (int c = 0; c < 256; c++) {
		bool alpha = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'), digit = c >= '0' && c <= '9';
		bool printable = (c > 0x20 && c < 0x7f) || c >= 0x80;

		CHECK_INT(sip_char_is((char)c, SIP_C_ALPHA), alpha);
		CHECK_INT(sip_char_is((char)c, SIP_C_DIGIT), digit);
		CHECK_INT(sip_char_is((char)c, SIP_C_HEX), digit || one_of("abcdefABCDEF", c));
		CHECK_INT(sip_char_is((char)c, SIP_C_TOKEN), alpha || digit || one_of("-.!%*_+`'~", c));
		CHECK_INT(sip_char_is((char)c, SIP_C_HOST), alpha || digit || one_of("-._", c));
		CHECK_INT(sip_char_is((char)c, SIP_C_URI), printable && !one_of("\"<>", c));
		CHECK_INT(sip_char_is((char)c, SIP_C_VALUE), printable && !one_of(";,\"<>", c));
		CHECK_INT(sip_char_is((char)c, SIP_C_PARAM), alpha || digit || one_of("-_.!~*'()[]/:&+$%`", c));
	}
}

static void eol_scan(void)
{
	char line[80];

	for (int at = 0; at < 70; at++) {
		memset(line, 'x', sizeof(line));
		line[at] = at & 1 ? '\r' : '\n';
		CHECK(sip_find_eol(line, line + 70) == line + at);
		CHECK(sip_find_eol(line, line + at) == line + at);
	}
}

/* Every line end of 64 bytes has its bit; nothing behind the end of the text counts. */
static void eol_mask(void)
{
	char text[64];

	for (int gap = 1; gap < 64; gap++) {
		for (int len = 0; len <= 64; len++) {
			uint64_t expected = 0;

			for (int i = 0; i < 64; i++) {
				text[i] = i % gap ? 'x' : i / gap & 1 ? '\r' : '\n';
				if (i % gap == 0 && i < len)
					expected |= (uint64_t)1 << i;
			}
			CHECK(sip_eol_mask(text, text + len) == expected);
		}
	}
}

/* What is shorter than a block: its own bytes, then zeros. */
static void short_blocks(void)
{
	const char *text = "abcdefghijklmnopq";

	for (int len = 0; len <= 17; len++) {
		char expected[SIP_BLOCK] = "", block[SIP_BLOCK];
		sip_block loaded = sip_load_upto(text, text + len);

		memcpy(expected, text, (size_t)(len < SIP_BLOCK ? len : SIP_BLOCK));
		memcpy(block, &loaded, sizeof(block));
		CHECK(memcmp(block, expected, sizeof(block)) == 0);
	}
}

/* The scans by blocks stop where the table says, at every place in a block and in the rest behind it. */
static void class_scans(void)
{
	char text[48];

	for (int c = 0; c < 256; c++) {
		for (int at = 0; at < (int)sizeof(text); at++) {
			memset(text, 'x', sizeof(text));
			text[at] = (char)c;
			CHECK(sip_skip_uri(text, text + sizeof(text)) ==
			      (sip_char_is((char)c, SIP_C_URI) ? text + sizeof(text) : text + at));
			CHECK(sip_skip_value(text, text + sizeof(text)) ==
			      (sip_char_is((char)c, SIP_C_VALUE) ? text + sizeof(text) : text + at));
			CHECK(sip_skip_host(text, text + sizeof(text)) ==
			      (sip_char_is((char)c, SIP_C_HOST) ? text + sizeof(text) : text + at));
			CHECK(sip_skip_name(text, text + sizeof(text), SIP_C_TOKEN) ==
			      (sip_char_is((char)c, SIP_C_TOKEN) ? text + sizeof(text) : text + at));
		}
	}
}

static void header_names(void)
{
	for (int id = 0; id < SIP_H_OTHER; id++) {
		struct sip_text name = sip_header_name((enum sip_header_id)id);
		char other[64] = "";

		CHECK_INT(sip_header_find(name), id);
		for (uint32_t i = 0; i < name.len; i++)
			other[i] = (char)(i & 1 ? name.at[i] | 0x20 : name.at[i] & ~(name.at[i] >= 'a' ? 0x20 : 0));
		CHECK_INT(sip_header_find(sip_text(other, name.len)), id);
		if (name.len < SIP_BLOCK)
			CHECK_INT(sip_header_find_block(other, name.len), id);
		memcpy(other, name.at, name.len);
		CHECK_INT(sip_header_find(sip_text(other, name.len)), id);
		if (name.len < SIP_BLOCK)
			CHECK_INT(sip_header_find_block(other, name.len), id);
		other[name.len - 1] = '!';
		CHECK_INT(sip_header_find(sip_text(other, name.len)), SIP_H_OTHER);
		if (name.len < SIP_BLOCK)
			CHECK_INT(sip_header_find_block(other, name.len), SIP_H_OTHER);
	}
	CHECK_INT(sip_header_find_block(":                ", 0), SIP_H_OTHER);
	CHECK_INT(sip_header_find_block("V:               ", 1), SIP_H_VIA);
	CHECK_INT(sip_header_find(SIP_TEXT("v")), SIP_H_VIA);
	CHECK_INT(sip_header_find(SIP_TEXT("I")), SIP_H_CALL_ID);
	CHECK_INT(sip_header_find(SIP_TEXT("l")), SIP_H_CONTENT_LENGTH);
	CHECK_INT(sip_header_find(SIP_TEXT("x")), SIP_H_SESSION_EXPIRES);
	CHECK_INT(sip_header_find(SIP_TEXT("z")), SIP_H_OTHER);
	CHECK_INT(sip_header_find(SIP_TEXT("!")), SIP_H_OTHER);
	CHECK_INT(sip_header_find(SIP_TEXT("")), SIP_H_OTHER);
	CHECK_INT(sip_header_find(SIP_TEXT("A-Name-Longer-Than-Any-Header-There-Is")), SIP_H_OTHER);
}

static void methods_and_codes(void)
{
	CHECK_INT(sip_method_find(SIP_TEXT("INVITE")), SIP_INVITE);
	CHECK_INT(sip_method_find(SIP_TEXT("invite")), SIP_METHOD_OTHER);
	CHECK_INT(sip_method_find(SIP_TEXT("")), SIP_METHOD_OTHER);
	for (int m = 1; m < SIP_METHOD_COUNT; m++)
		CHECK_INT(sip_method_find(sip_text_of(sip_method_text((enum sip_method)m))), m);
	CHECK(strcmp(sip_status_reason(486), "Busy Here") == 0);
	CHECK(strcmp(sip_status_reason(499), "Bad Request") == 0);
	CHECK(strcmp(sip_status_reason(100), "Trying") == 0);
	CHECK(strcmp(sip_status_reason(799), "Unknown") == 0);
	CHECK(sip_text_is(sip_status_line(200), "SIP/2.0 200 OK\r\n"));
	CHECK(sip_text_is(sip_status_line(499), ""));
	CHECK(sip_text_is(sip_header_start(SIP_H_CALL_ID), "Call-ID: "));
	CHECK(sip_text_is(sip_header_name(SIP_H_OTHER), ""));
}

static void lists(void)
{
	struct sip_text list = SIP_TEXT(" ,\"a,\\\"b\" <sip:x,y@h>;p=\"q,r\" , second ,, third"), value;

	CHECK_INT(sip_list_next(&list, &value), 1);
	CHECK_TEXT(value.at, value.len, "\"a,\\\"b\" <sip:x,y@h>;p=\"q,r\"");
	CHECK_INT(sip_list_next(&list, &value), 1);
	CHECK_TEXT(value.at, value.len, "second");
	CHECK_INT(sip_list_next(&list, &value), 1);
	CHECK_TEXT(value.at, value.len, "third");
	CHECK_INT(sip_list_next(&list, &value), 0);
	list = SIP_TEXT("<sip:a@b");
	CHECK_INT(sip_list_next(&list, &value), -EINVAL);
	list = SIP_TEXT("\"a");
	CHECK_INT(sip_list_next(&list, &value), -EINVAL);
	list = SIP_TEXT("\"a\\");
	CHECK_INT(sip_list_next(&list, &value), -EINVAL);
	CHECK(sip_list_has(SIP_TEXT("timer, 100REL"), "100rel"));
	CHECK(!sip_list_has(SIP_TEXT("timers, 100rel2"), "timer"));
}

static const struct check_case cases[] = {
    {"numbers", to_u32},
    {"character classes", classes},
    {"line end scan", eol_scan},
    {"line end mask", eol_mask},
    {"short blocks", short_blocks},
    {"scans for classes", class_scans},
    {"header names", header_names},
    {"methods and codes", methods_and_codes},
    {"lists", lists},
};
CHECK_MAIN(cases)
