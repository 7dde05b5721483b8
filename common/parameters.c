/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "parameters.h"

/* One wait of the resend schedule. */
#define RESEND_LEAST_MS 100
#define RESEND_MOST_MS  60000

#define MS_PER_S 1000u

#define TYPE_SECONDS    PARAMETER_SECONDS
#define TYPE_SECONDS_MS PARAMETER_SECONDS_MS
#define TYPE_MS         PARAMETER_MS
#define TYPE_COUNT      PARAMETER_COUNT_OF
#define TYPE_BYTE       PARAMETER_BYTE
#define TYPE_FLAG       PARAMETER_FLAG
#define TYPE_MESSAGE    PARAMETER_MESSAGE
#define TYPE_PROXY_MODE PARAMETER_PROXY_MODE
#define TYPE_RESEND     PARAMETER_RESEND
#define SPECIAL_0       0
#define SPECIAL_NONE    PARAMETER_MAY_BE_NONE
#define SPECIAL_OFF     PARAMETER_ZERO_IS_OFF

/* The group of a parameter is the last title above it: found by walking titles and parameters in one list. */
#define PARAMETER_GROUP(title) {-1, title},
#define PARAMETER(name, ...)   {PARAMETER_##name, NULL},
#define PARAMETER_ALIAS(name, of)
static const struct {
	int id;
	const char *title;
} group_list[] = {
#include "parameters.def"
};
#undef PARAMETER_GROUP
#undef PARAMETER
#undef PARAMETER_ALIAS

#define PARAMETER_GROUP(title)
#define PARAMETER(name_, field_, type_, default_, least_, most_, special_, unit_, help_)                               \
	{.name = #name_,                                                                                               \
	 .offset = offsetof(struct parameters, field_),                                                                \
	 .type = TYPE_##type_,                                                                                         \
	 .default_text = default_,                                                                                     \
	 .least = least_,                                                                                              \
	 .most = most_,                                                                                                \
	 .special = SPECIAL_##special_,                                                                                \
	 .unit = unit_,                                                                                                \
	 .help = help_},
#define PARAMETER_ALIAS(name, of)
const struct parameter_info parameter_info[PARAMETER_COUNT] = {
#include "parameters.def"
};
#undef PARAMETER_GROUP
#undef PARAMETER
#undef PARAMETER_ALIAS

#define PARAMETER_GROUP(title)
#define PARAMETER(...)
#define PARAMETER_ALIAS(name, of) {#name, PARAMETER_##of},
const struct parameter_alias parameter_alias[] = {
#include "parameters.def"
    {NULL, 0}};
#undef PARAMETER_GROUP
#undef PARAMETER
#undef PARAMETER_ALIAS

static const char *const proxy_mode_word[] = {
    [MEDIA_PROXY_AUTO] = "auto",
    [MEDIA_PROXY_ON] = "on",
    [MEDIA_PROXY_OFF] = "off",
    [MEDIA_PROXY_MUST_ON] = "must_on",
};

const char *parameter_group(enum parameter_id id)
{
	const char *title = "";

	for (size_t i = 0; i < sizeof(group_list) / sizeof(group_list[0]); i++) {
		if (group_list[i].title != NULL)
			title = group_list[i].title;
		else if (group_list[i].id == (int)id)
			break;
	}
	return title;
}

int text_to_uint(const char *text, uint32_t *value)
{
	int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
	const char *digits = base == 16 ? text + 2 : text;
	uint64_t sum = 0;

	if (*digits == '\0')
		return -EINVAL;
	for (; *digits != '\0'; digits++) {
		int digit = *digits >= '0' && *digits <= '9'   ? *digits - '0'
			    : *digits >= 'a' && *digits <= 'f' ? *digits - 'a' + 10
			    : *digits >= 'A' && *digits <= 'F' ? *digits - 'A' + 10
							       : 16;

		if (digit >= base)
			return -EINVAL;
		sum = sum * (unsigned int)base + (unsigned int)digit;
		/* The largest value stands for "none" elsewhere, so it is no number here. */
		if (sum >= UINT32_MAX)
			return -EINVAL;
	}
	*value = (uint32_t)sum;
	return 0;
}

int text_to_ms(const char *text, uint32_t *ms)
{
	size_t whole = strspn(text, "0123456789");
	uint64_t sum = 0;
	unsigned int unit = MS_PER_S;

	if (whole == 0 || whole > 9)
		return -EINVAL;
	for (size_t i = 0; i < whole; i++)
		sum = sum * 10 + (uint64_t)(text[i] - '0');
	sum *= MS_PER_S;
	if (text[whole] == '.') {
		const char *p = text + whole + 1;

		if (*p == '\0')
			return -EINVAL;
		for (; *p >= '0' && *p <= '9' && unit > 1; p++) {
			unit /= 10;
			sum += (uint64_t)(*p - '0') * unit;
		}
		if (*p != '\0')
			return -EINVAL;
	} else if (text[whole] != '\0') {
		return -EINVAL;
	}
	if (sum >= UINT32_MAX)
		return -EINVAL;
	*ms = (uint32_t)sum;
	return 0;
}

int text_to_flag(const char *text, bool *value)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {{"on", true}, {"off", false}, {"true", true}, {"false", false}, {"yes", true}, {"no", false}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(text, words[i].word) == 0) {
			*value = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_number(uint32_t *field, const struct parameter_info *info, const char *text)
{
	bool in_ms = info->type == PARAMETER_SECONDS_MS;
	uint32_t scale = in_ms ? MS_PER_S : 1;
	uint32_t value;

	if ((info->special & PARAMETER_MAY_BE_NONE) != 0 && strcasecmp(text, "none") == 0) {
		*field = PARAMETER_NO_LIMIT;
		return 0;
	}
	if ((in_ms ? text_to_ms(text, &value) : text_to_uint(text, &value)) != 0)
		return -EINVAL;
	if (value == 0 && (info->special & PARAMETER_ZERO_IS_OFF) != 0) {
		*field = 0;
		return 0;
	}
	if (value < info->least * scale || value > info->most * scale)
		return -EINVAL;
	*field = value;
	return 0;
}

static int set_resend(struct parameters *parameters, const char *text)
{
	uint32_t interval[RESEND_MAX];
	uint32_t count = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, ",");
		char one[16];

		if (count == RESEND_MAX || len >= sizeof(one))
			return -EINVAL;
		memcpy(one, text, len);
		one[len] = '\0';
		if (text_to_ms(one, &interval[count]) != 0 || interval[count] < RESEND_LEAST_MS ||
		    interval[count] > RESEND_MOST_MS)
			return -EINVAL;
		count++;
		text += len;
		if (*text == ',' && *++text == '\0')
			return -EINVAL;
	}
	if (count == 0)
		return -EINVAL;
	memset(parameters->resend_interval_ms, 0, sizeof(parameters->resend_interval_ms));
	memcpy(parameters->resend_interval_ms, interval, count * sizeof(interval[0]));
	parameters->resend_count = count;
	return 0;
}

static int set_proxy_mode(enum media_proxy_mode *mode, const char *text)
{
	bool flag;

	for (unsigned int i = 0; i < sizeof(proxy_mode_word) / sizeof(proxy_mode_word[0]); i++) {
		if (strcasecmp(text, proxy_mode_word[i]) == 0) {
			*mode = (enum media_proxy_mode)i;
			return 0;
		}
	}
	if (text_to_flag(text, &flag) != 0)
		return -EINVAL;
	*mode = flag ? MEDIA_PROXY_ON : MEDIA_PROXY_OFF;
	return 0;
}

int parameter_set(struct parameters *parameters, enum parameter_id id, const char *text)
{
	const struct parameter_info *info = &parameter_info[id];
	void *field = (char *)parameters + info->offset;

	switch (info->type) {
	case PARAMETER_FLAG:
		return text_to_flag(text, field);
	case PARAMETER_MESSAGE:
		if (strlen(text) > info->most)
			return -EINVAL;
		strcpy(field, text);
		return 0;
	case PARAMETER_PROXY_MODE:
		return set_proxy_mode(field, text);
	case PARAMETER_RESEND:
		return set_resend(parameters, text);
	default:
		return set_number(field, info, text);
	}
}

void parameters_defaults(struct parameters *parameters)
{
	memset(parameters, 0, sizeof(*parameters));
	for (unsigned int id = 0; id < PARAMETER_COUNT; id++)
		parameter_set(parameters, id, parameter_info[id].default_text);
}

const char *parameter_expected(enum parameter_id id, char out[static PARAMETER_TEXT])
{
	const struct parameter_info *info = &parameter_info[id];
	const char *none = (info->special & PARAMETER_MAY_BE_NONE) != 0 ? "none, or " : "";
	const char *off = (info->special & PARAMETER_ZERO_IS_OFF) != 0 && info->least > 0 ? "0 (off), or " : "";
	const char *space = info->unit[0] != '\0' ? " " : "";

	switch (info->type) {
	case PARAMETER_FLAG:
		snprintf(out, PARAMETER_TEXT, "on or off");
		break;
	case PARAMETER_MESSAGE:
		snprintf(out, PARAMETER_TEXT, "text of at most %u bytes", info->most);
		break;
	case PARAMETER_PROXY_MODE:
		snprintf(out, PARAMETER_TEXT, "on, off, auto or must_on");
		break;
	case PARAMETER_RESEND:
		snprintf(out, PARAMETER_TEXT, "a list of %u to %u values, each 0.1 to 60 s", info->least, info->most);
		break;
	case PARAMETER_BYTE:
		snprintf(out, PARAMETER_TEXT, "0 to 0x%x", info->most);
		break;
	default:
		snprintf(out, PARAMETER_TEXT, "%s%s%u to %u%s%s", none, off, info->least, info->most, space,
			 info->unit);
	}
	return out;
}

/* Milliseconds as seconds with no more decimals than needed. Returns what snprintf() does. */
static int print_ms(char *out, size_t size, uint32_t ms)
{
	int len = snprintf(out, size, "%u", ms / MS_PER_S);

	if (ms % MS_PER_S != 0) {
		len += snprintf(out + len, size - (size_t)len, ".%03u", ms % MS_PER_S);
		while (out[len - 1] == '0')
			out[--len] = '\0';
	}
	return len;
}

const char *parameter_print(const struct parameters *parameters, enum parameter_id id, char out[static PARAMETER_TEXT])
{
	const struct parameter_info *info = &parameter_info[id];
	const void *field = (const char *)parameters + info->offset;
	size_t len = 0;

	switch (info->type) {
	case PARAMETER_FLAG:
		snprintf(out, PARAMETER_TEXT, "%s", *(const bool *)field ? "on" : "off");
		break;
	case PARAMETER_MESSAGE:
		snprintf(out, PARAMETER_TEXT, "%s", (const char *)field);
		break;
	case PARAMETER_PROXY_MODE:
		snprintf(out, PARAMETER_TEXT, "%s", proxy_mode_word[*(const enum media_proxy_mode *)field]);
		break;
	case PARAMETER_RESEND:
		for (uint32_t i = 0; i < parameters->resend_count && i < RESEND_MAX; i++) {
			if (i > 0)
				out[len++] = ',';
			len += (size_t)print_ms(out + len, PARAMETER_TEXT - len, parameters->resend_interval_ms[i]);
		}
		out[len] = '\0';
		break;
	case PARAMETER_BYTE:
		snprintf(out, PARAMETER_TEXT, "0x%02x", *(const uint32_t *)field);
		break;
	default:
		if (*(const uint32_t *)field == PARAMETER_NO_LIMIT)
			snprintf(out, PARAMETER_TEXT, "none");
		else if (info->type == PARAMETER_SECONDS_MS)
			print_ms(out, PARAMETER_TEXT, *(const uint32_t *)field);
		else
			snprintf(out, PARAMETER_TEXT, "%u", *(const uint32_t *)field);
	}
	return out;
}
