/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/number_rules.h"

#include <string.h>

static bool is_number(struct sip_text text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if ((c < '0' || c > '9') && c != '+' && c != '*' && c != '#')
			return false;
	}
	return true;
}

static bool matches(const char *pattern, size_t len, const char *at)
{
	for (size_t i = 0; i < len; i++)
		if (pattern[i] == 'x' ? at[i] < '0' || at[i] > '9' : at[i] != pattern[i])
			return false;
	return true;
}

static bool fits(const struct config_number_rule *rule, struct sip_text number)
{
	size_t prefix = rule->prefix ? strlen(rule->prefix) : 0, suffix = rule->suffix ? strlen(rule->suffix) : 0;

	return number.len >= rule->min_length && (rule->max_length == 0 || number.len <= rule->max_length) &&
	       number.len >= prefix && number.len >= suffix && matches(rule->prefix, prefix, number.at) &&
	       matches(rule->suffix, suffix, number.at + number.len - suffix);
}

/* Of three pieces, as much as there is room for. */
static size_t join(const char *add, struct sip_text middle, const char *add_end, char *out, size_t size)
{
	struct sip_text piece[] = {sip_text_of(add ? add : ""), middle, sip_text_of(add_end ? add_end : "")};
	size_t len = 0;

	for (unsigned int i = 0; i < 3; i++) {
		size_t part = piece[i].len < size - len ? piece[i].len : size - len;

		memcpy(out + len, piece[i].at, part);
		len += part;
	}
	return len;
}

static size_t apply(const struct config_number_rule *rule, struct sip_text number, char *out, size_t size)
{
	size_t strip = rule->strip < number.len ? rule->strip : number.len, left = number.len - strip;
	size_t strip_end = rule->strip_end < left ? rule->strip_end : left;

	return join(rule->add, sip_text(number.at + strip, left - strip_end), rule->add_end, out, size);
}

size_t number_rewrite(const struct config_rewrite *rewrite, struct sip_text number, char *out, size_t size)
{
	struct config_number_rule otherwise = {0};
	size_t len = number.len < size ? number.len : size;

	/* Nothing to do is what most gateways want. */
	if (!rewrite || (!rewrite->strip && !rewrite->add && !rewrite->rules_count) || !is_number(number)) {
		memcpy(out, number.at, len);
		return len;
	}
	for (unsigned int i = 0; i < rewrite->rules_count; i++)
		if (fits(&rewrite->rules[i], number))
			return apply(&rewrite->rules[i], number, out, size);
	otherwise.strip = rewrite->strip;
	otherwise.add = rewrite->add;
	return apply(&otherwise, number, out, size);
}
