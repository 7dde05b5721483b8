/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_fill.h"

#define USER_MAX   64
#define HOST_MAX   200
#define NUMBER_MAX 32 /* digits of a prefix or of what is put before a number */

#define ARRAY_COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define PLACE(parent, name) (&(struct place){parent, name, 0})
#define ENTRY(parent, i)    (&(struct place){parent, NULL, i})

/* ---- one value -------------------------------------------------------------------------------------------------- */

static void fill_uint(struct report *report, const struct place *place, const char *raw, unsigned int *value,
		      unsigned int fallback, unsigned int least, unsigned int most)
{
	uint32_t number;

	*value = fallback;
	if (raw == NULL)
		return;
	if (text_to_uint(raw, &number) != 0 || number < least || number > most)
		report_error(report, place, "expected %u to %u", least, most);
	else
		*value = number;
}

static void fill_u16(struct report *report, const struct place *place, const char *raw, uint16_t *value,
		     uint16_t fallback)
{
	unsigned int number;

	fill_uint(report, place, raw, &number, fallback, 1, UINT16_MAX);
	*value = (uint16_t)number;
}

static void fill_flag(struct report *report, const struct place *place, const char *raw, bool *value, bool fallback)
{
	*value = fallback;
	if (raw != NULL && text_to_flag(raw, value) != 0)
		report_error(report, place, "expected on or off");
}

struct word {
	const char *word;
	int value;
};

static void fill_word(struct report *report, const struct place *place, const char *raw, int *value, int fallback,
		      const struct word *words, size_t count)
{
	char expected[200] = "";
	size_t len = 0;

	*value = fallback;
	if (raw == NULL)
		return;
	for (size_t i = 0; i < count; i++) {
		if (strcasecmp(raw, words[i].word) == 0) {
			*value = words[i].value;
			return;
		}
		len +=
		    (size_t)snprintf(expected + len, sizeof(expected) - len, "%s%s", i > 0 ? ", " : "", words[i].word);
	}
	report_error(report, place, "expected one of: %s", expected);
}
#define FILL_WORD(report, place, raw, field, fallback, words)                                                          \
	do {                                                                                                           \
		int value_;                                                                                            \
		fill_word(report, place, raw, &value_, fallback, words, ARRAY_COUNT(words));                           \
		(field) = value_;                                                                                      \
	} while (0)

/* Move a text over; NULL stays NULL. */
static char *take(char **raw)
{
	char *text = *raw;

	*raw = NULL;
	return text;
}

static bool text_has_only(const char *text, const char *others)
{
	for (; *text != '\0'; text++) {
		bool alnum =
		    (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || (*text >= '0' && *text <= '9');

		if (!alnum && strchr(others, *text) == NULL)
			return false;
	}
	return true;
}

/* A name of a port, network or gateway: it stands in logs, records and commands. */
static char *take_name(struct report *report, const struct place *place, char **raw, bool required)
{
	if (*raw == NULL) {
		if (required)
			report_error(report, place, "expected a name");
		return NULL;
	}
	size_t len = strlen(*raw);
	if (len < 1 || len > CONFIG_NAME_MAX || !text_has_only(*raw, "-_."))
		report_error(report, place, "expected 1 to %d letters, digits, '-', '_' or '.'", CONFIG_NAME_MAX);
	return take(raw);
}

/* Free text of bounded length without control characters. */
static char *take_text(struct report *report, const struct place *place, char **raw, const char *fallback, size_t most)
{
	if (*raw == NULL)
		return fallback != NULL ? strdup(fallback) : NULL;
	size_t len = strlen(*raw);
	bool clean = len >= 1 && len <= most;
	for (size_t i = 0; i < len && clean; i++)
		clean = (unsigned char)(*raw)[i] >= ' ' && (*raw)[i] != 0x7f;
	if (!clean)
		report_error(report, place, "expected text of 1 to %zu characters", most);
	return take(raw);
}

static char *take_user(struct report *report, const struct place *place, char **raw)
{
	if (*raw == NULL) {
		report_error(report, place, "expected a user name");
		return NULL;
	}
	size_t len = strlen(*raw);
	/* RFC 3261 section 25.1, "user", without escapes. */
	if (len < 1 || len > USER_MAX || !text_has_only(*raw, "-_.!~*'()&=+$,;?/#"))
		report_error(report, place, "expected 1 to %d characters that a SIP user part may have", USER_MAX);
	return take(raw);
}

static char *take_password(struct report *report, const struct place *place, char **raw)
{
	if (*raw == NULL)
		report_error(report, place, "expected a password");
	return take_text(report, place, raw, NULL, 128);
}

static bool number_is_good(const char *text)
{
	size_t len = strlen(text);

	return len <= NUMBER_MAX && strspn(text, "0123456789+*#") == len;
}

/* Room for `count` items, zeroed; NULL for none. */
static void *array_of(struct report *report, unsigned int count, size_t size)
{
	void *array = count > 0 ? calloc(count, size) : NULL;

	if (count > 0 && array == NULL)
		report_file_error(report, 0, "out of memory");
	return array;
}

/* ---- what gateways have in common ------------------------------------------------------------------------------- */

static const struct word media_modes[] = {
    {"system", MEDIA_SYSTEM}, {"auto", MEDIA_AUTO}, {"on", MEDIA_ON}, {"off", MEDIA_OFF}, {"must_on", MEDIA_MUST_ON}};

static void fill_prefixes(struct report *report, const struct place *place, char **raw, unsigned int count,
			  char ***prefixes, unsigned int *prefixes_count)
{
	*prefixes = array_of(report, count, sizeof(char *));
	if (*prefixes == NULL)
		return;
	*prefixes_count = count;
	for (unsigned int i = 0; i < count; i++) {
		if (!number_is_good(raw[i]))
			report_error(report, ENTRY(place, i), "expected at most %d digits, '+', '*' or '#'",
				     NUMBER_MAX);
		(*prefixes)[i] = take(&raw[i]);
	}
}

static char *take_number(struct report *report, const struct place *place, char **raw)
{
	if (*raw != NULL && !number_is_good(*raw))
		report_error(report, place, "expected at most %d digits, '+', '*' or '#'", NUMBER_MAX);
	return take(raw);
}

static char *take_pattern(struct report *report, const struct place *place, char **raw)
{
	if (*raw != NULL &&
	    (strlen(*raw) > NUMBER_MAX || strspn(*raw, "0123456789+*#x") != strlen(*raw)))
		report_error(report, place, "expected at most %d digits, '+', '*', '#' or 'x' for any digit",
			     NUMBER_MAX);
	return take(raw);
}

static void fill_number_rule(struct report *report, const struct place *place, struct raw_number_rule *raw,
			     struct config_number_rule *rule)
{
	rule->prefix = take_pattern(report, PLACE(place, "prefix"), &raw->prefix);
	rule->suffix = take_pattern(report, PLACE(place, "suffix"), &raw->suffix);
	fill_uint(report, PLACE(place, "min_length"), raw->min_length, &rule->min_length, 0, 0, 128);
	fill_uint(report, PLACE(place, "max_length"), raw->max_length, &rule->max_length, 0, 0, 128);
	if (rule->max_length != 0 && rule->min_length > rule->max_length)
		report_error(report, PLACE(place, "min_length"), "expected at most max_length, %u", rule->max_length);
	fill_uint(report, PLACE(place, "strip"), raw->strip, &rule->strip, 0, 0, NUMBER_MAX);
	fill_uint(report, PLACE(place, "strip_end"), raw->strip_end, &rule->strip_end, 0, 0, NUMBER_MAX);
	rule->add = take_number(report, PLACE(place, "add"), &raw->add);
	rule->add_end = take_number(report, PLACE(place, "add_end"), &raw->add_end);
}

static void fill_rewrite(struct report *report, const struct place *place, struct raw_rewrite *raw,
			 struct config_rewrite *rewrite)
{
	const struct place *rules = PLACE(place, "rules");

	fill_uint(report, PLACE(place, "strip"), raw->strip, &rewrite->strip, 0, 0, NUMBER_MAX);
	rewrite->add = take_number(report, PLACE(place, "add"), &raw->add);
	if (raw->rules_count > CONFIG_NUMBER_RULES)
		report_error(report, rules, "expected at most %d rules", CONFIG_NUMBER_RULES);
	rewrite->rules = array_of(report, raw->rules_count, sizeof(*rewrite->rules));
	for (unsigned int i = 0; i < raw->rules_count && rewrite->rules != NULL; i++) {
		rewrite->rules_count = i + 1;
		fill_number_rule(report, ENTRY(rules, i), &raw->rules[i], &rewrite->rules[i]);
	}
}

static struct config_digest *fill_digest(struct report *report, const struct place *place, struct raw_digest *raw)
{
	struct config_digest *digest = raw != NULL ? array_of(report, 1, sizeof(*digest)) : NULL;

	if (digest == NULL)
		return NULL;
	digest->user = take_user(report, PLACE(place, "user"), &raw->user);
	digest->password = take_password(report, PLACE(place, "password"), &raw->password);
	return digest;
}

static const struct word algorithms[] = {{"both", DIGEST_BOTH}, {"MD5", DIGEST_MD5}, {"SHA-256", DIGEST_SHA256}};

/* A realm stands between quotation marks. */
static char *take_realm(struct report *report, const struct place *place, char **raw, const char *fallback)
{
	if (*raw != NULL && strpbrk(*raw, "\"\\") != NULL)
		report_error(report, place, "expected text without quotation marks and backslashes");
	return take_text(report, place, raw, fallback, 128);
}

static struct config_credentials *fill_credentials(struct report *report, const struct place *place,
						   struct raw_credentials *raw)
{
	struct config_credentials *credentials = raw != NULL ? array_of(report, 1, sizeof(*credentials)) : NULL;

	if (credentials == NULL)
		return NULL;
	credentials->user = take_user(report, PLACE(place, "user"), &raw->user);
	credentials->password = take_password(report, PLACE(place, "password"), &raw->password);
	credentials->realm = take_realm(report, PLACE(place, "realm"), &raw->realm, NULL);
	FILL_WORD(report, PLACE(place, "algorithms"), raw->algorithms, credentials->algorithms, DIGEST_BOTH, algorithms);
	return credentials;
}

static void fill_headers(struct report *report, const struct place *place, const struct raw_headers *raw,
			 bool is_vendor, struct config_headers *headers)
{
	static const struct word identities[] = {
	    {"pass", IDENTITY_PASS}, {"strip", IDENTITY_STRIP}, {"pai", IDENTITY_PAI}, {"rpid", IDENTITY_RPID}};
	static const struct word pass[] = {{"pass", false}, {"strip", true}};
	bool trusted;

	fill_flag(report, PLACE(place, "trusted"), raw->trusted, &trusted, true);
	headers->untrusted = !trusted;
	if (is_vendor)
		FILL_WORD(report, PLACE(place, "identity"), raw->identity, headers->identity, IDENTITY_PASS,
			  identities);
	else
		FILL_WORD(report, PLACE(place, "identity"), raw->identity, headers->identity, IDENTITY_PASS, pass);
	FILL_WORD(report, PLACE(place, "diversion"), raw->diversion, headers->strip_diversion, false, pass);
	FILL_WORD(report, PLACE(place, "history"), raw->history, headers->strip_history, false, pass);
	FILL_WORD(report, PLACE(place, "bodies"), raw->bodies, headers->strip_bodies, false, pass);
}

static void fill_ringback(struct report *report, const struct place *place, const struct raw_ringback *raw,
			  struct config_ringback *ringback)
{
	static const struct word rules[] = {
	    {"pass", RINGBACK_PASS}, {"180", RINGBACK_180}, {"183", RINGBACK_183}, {"drop", RINGBACK_DROP}};

	FILL_WORD(report, PLACE(place, "ringing"), raw->ringing, ringback->ringing, RINGBACK_PASS, rules);
	FILL_WORD(report, PLACE(place, "ringing_with_sdp"), raw->ringing_with_sdp, ringback->ringing_with_sdp,
		  RINGBACK_PASS, rules);
	FILL_WORD(report, PLACE(place, "progress"), raw->progress, ringback->progress, RINGBACK_PASS, rules);
	FILL_WORD(report, PLACE(place, "progress_with_sdp"), raw->progress_with_sdp, ringback->progress_with_sdp,
		  RINGBACK_PASS, rules);
}

/* A host of a SIP URI, without a port. */
static char *take_domain(struct report *report, const struct place *place, char **raw)
{
	if (*raw != NULL && (strlen(*raw) < 1 || strlen(*raw) > 255 || !text_has_only(*raw, "-.:[]")))
		report_error(report, place, "expected the host of a SIP address");
	return take(raw);
}

/* What a user is called when it is not named itself. */
static char *user_like(const char *other)
{
	return other != NULL ? strdup(other) : NULL;
}

static struct config_register *fill_register(struct report *report, const struct place *place, struct raw_register *raw,
					     const struct config_credentials *credentials)
{
	struct config_register *to = raw != NULL ? array_of(report, 1, sizeof(*to)) : NULL;

	if (to == NULL)
		return NULL;
	to->user = raw->user != NULL || credentials == NULL ? take_user(report, PLACE(place, "user"), &raw->user)
							     : user_like(credentials->user);
	to->contact = raw->contact != NULL ? take_user(report, PLACE(place, "contact"), &raw->contact)
					   : user_like(to->user);
	to->domain = take_domain(report, PLACE(place, "domain"), &raw->domain);
	if (raw->registrar != NULL && (net_addr_parse(&to->registrar, raw->registrar, strlen(raw->registrar)) != 0 ||
				       net_addr_is_any(&to->registrar)))
		report_error(report, PLACE(place, "registrar"), "expected an IP address or address:port");
	if (to->registrar.family != NET_NONE && to->registrar.port == 0)
		to->registrar.port = 5060;
	fill_uint(report, PLACE(place, "expires"), raw->expires, &to->expires_s, 3600, 30, 86400);
	fill_uint(report, PLACE(place, "retry"), raw->retry, &to->retry_s, 30, 1, 1800);
	to->calls = take_name(report, PLACE(place, "calls"), &raw->calls, false);
	return to;
}

static void fill_redirect(struct report *report, const struct place *place, const struct raw_redirect *raw,
			  struct config_redirect *redirect)
{
	static const struct word where[] = {{"same", REDIRECT_SAME}, {"known", REDIRECT_KNOWN}, {"any", REDIRECT_ANY}};

	fill_uint(report, PLACE(place, "follow"), raw->follow, &redirect->follow, 0, 0, CONFIG_REDIRECTS);
	FILL_WORD(report, PLACE(place, "to"), raw->to, redirect->to, REDIRECT_SAME, where);
}

static void fill_mapping_gateway(struct report *report, const struct place *place, struct raw_mapping_gateway *raw,
				 struct config_mapping_gateway *gateway)
{
	const struct place *addresses = PLACE(place, "addresses");
	const struct place *codes = PLACE(place, "response_codes");
	static const struct word redirects[] = {{"hide", false}, {"pass", true}};

	gateway->name = take_name(report, PLACE(place, "name"), &raw->name, true);
	fill_flag(report, PLACE(place, "enabled"), raw->enabled, &gateway->enabled, true);
	gateway->network = take_name(report, PLACE(place, "network"), &raw->network, false);
	gateway->addresses = array_of(report, raw->addresses_count, sizeof(*gateway->addresses));
	for (unsigned int i = 0; i < raw->addresses_count && gateway->addresses != NULL; i++) {
		gateway->addresses_count = i + 1;
		if (net_prefix_parse(&gateway->addresses[i], raw->addresses[i], strlen(raw->addresses[i])) != 0)
			report_error(report, ENTRY(addresses, i),
				     "expected an IP address, address:port or address/length");
	}
	gateway->digest = fill_digest(report, PLACE(place, "digest"), raw->digest);
	if (raw->addresses_count == 0 && raw->digest == NULL)
		report_error(report, addresses, "expected addresses, or a digest, to know this gateway by");
	fill_uint(report, PLACE(place, "capacity"), raw->capacity, &gateway->capacity, 0, 0, 10000000);
	fill_uint(report, PLACE(place, "calls_per_second"), raw->calls_per_second, &gateway->calls_per_second, 0, 0,
		  1000000);
	fill_prefixes(report, PLACE(place, "prefixes"), raw->prefixes, raw->prefixes_count, &gateway->prefixes,
		      &gateway->prefixes_count);
	fill_rewrite(report, PLACE(place, "caller"), &raw->caller, &gateway->caller);
	fill_rewrite(report, PLACE(place, "callee"), &raw->callee, &gateway->callee);
	gateway->response_codes = array_of(report, raw->response_codes_count, sizeof(*gateway->response_codes));
	for (unsigned int i = 0; i < raw->response_codes_count && gateway->response_codes != NULL; i++) {
		struct raw_rewrite_code *from = &raw->response_codes[i];
		struct config_rewrite_code *code = &gateway->response_codes[i];
		const struct place *entry = ENTRY(codes, i);

		gateway->response_codes_count = i + 1;
		fill_uint(report, PLACE(entry, "from"), from->from, &code->from, 0, 300, 699);
		fill_uint(report, PLACE(entry, "to"), from->to, &code->to, 0, 400, 699);
		if (from->from == NULL || from->to == NULL)
			report_error(report, PLACE(entry, from->from == NULL ? "from" : "to"),
				     "expected a SIP response code");
		for (unsigned int before = 0; before < i; before++) {
			if (code->from != 0 && gateway->response_codes[before].from == code->from)
				report_error(report, PLACE(entry, "from"), "expected each code once");
		}
	}
	FILL_WORD(report, PLACE(place, "media_mode"), raw->media_mode, gateway->media_mode, MEDIA_SYSTEM, media_modes);
	fill_headers(report, PLACE(place, "headers"), &raw->headers, false, &gateway->headers);
	fill_ringback(report, PLACE(place, "ringback"), &raw->ringback, &gateway->ringback);
	FILL_WORD(report, PLACE(place, "redirect"), raw->redirect, gateway->redirect_pass, false, redirects);
}

/* A gateway's own time-out: the range of the parameter it overrides, or 0. */
static void fill_timeout(struct report *report, const struct place *place, const char *raw, uint32_t *ms,
			 enum parameter_id overrides)
{
	const struct parameter_info *info = &parameter_info[overrides];

	*ms = 0;
	if (raw == NULL)
		return;
	if (text_to_ms(raw, ms) != 0 || (*ms != 0 && (*ms < info->least * 1000 || *ms > info->most * 1000)))
		report_error(report, place, "expected %u to %u s, or 0 for the system's value", info->least,
			     info->most);
}

static void fill_override(struct report *report, const struct place *place, const char *raw, int *value)
{
	bool flag = false;

	fill_flag(report, place, raw, &flag, false);
	*value = raw == NULL ? -1 : flag;
}

static void fill_timeouts(struct report *report, const struct place *place, const struct raw_timeouts *raw,
			  struct config_routing_gateway *gateway)
{
	fill_timeout(report, PLACE(place, "invite"), raw->invite, &gateway->timeout_invite_ms,
		     PARAMETER_SS_SIP_TIMEOUT_INVITE);
	fill_timeout(report, PLACE(place, "trying"), raw->trying, &gateway->timeout_trying_ms,
		     PARAMETER_SS_SIP_TIMEOUT_TRYING);
	fill_timeout(report, PLACE(place, "progress"), raw->progress, &gateway->timeout_progress_ms,
		     PARAMETER_SS_SIP_TIMEOUT_SESSION_PROGRESS);
	fill_timeout(report, PLACE(place, "progress_sdp"), raw->progress_sdp, &gateway->timeout_progress_sdp_ms,
		     PARAMETER_SS_SIP_TIMEOUT_SESSION_PROGRESS_SDP);
	fill_timeout(report, PLACE(place, "ringing"), raw->ringing, &gateway->timeout_ringing_ms,
		     PARAMETER_SS_SIP_TIMEOUT_RINGING);
}

static void fill_codes(struct report *report, const struct place *place, char **raw, unsigned int count,
		       unsigned int **codes, unsigned int *codes_count)
{
	*codes = array_of(report, count, sizeof(**codes));
	for (unsigned int i = 0; i < count && *codes != NULL; i++) {
		*codes_count = i + 1;
		fill_uint(report, ENTRY(place, i), raw[i], &(*codes)[i], 0, 300, 699);
	}
}

static struct config_probe *fill_probe(struct report *report, const struct place *place, struct raw_probe *raw)
{
	static const unsigned int down_codes[] = {408, 503};
	struct config_probe *probe = raw != NULL ? array_of(report, 1, sizeof(*probe)) : NULL;

	if (probe == NULL)
		return NULL;
	fill_uint(report, PLACE(place, "interval"), raw->interval, &probe->interval_s, 30, 1, 3600);
	fill_uint(report, PLACE(place, "down_after"), raw->down_after, &probe->down_after, 3, 1, 100);
	fill_uint(report, PLACE(place, "up_after"), raw->up_after, &probe->up_after, 2, 1, 100);
	/* A list without entries can't be told from none. */
	if (raw->down_codes_count != 1 || strcmp(raw->down_codes[0], "none") != 0)
		fill_codes(report, PLACE(place, "down_codes"), raw->down_codes, raw->down_codes_count,
			   &probe->down_codes, &probe->down_codes_count);
	if (raw->down_codes == NULL && (probe->down_codes = array_of(report, 2, sizeof(*down_codes))) != NULL) {
		memcpy(probe->down_codes, down_codes, sizeof(down_codes));
		probe->down_codes_count = 2;
	}
	return probe;
}

/* Labels of letters, digits, '-' and '_', the last of them not a number: else it would be an address. */
static bool host_is_good(const char *host)
{
	const char *label = host;

	if (strlen(host) > HOST_MAX || !text_has_only(host, "-_."))
		return false;
	for (;; label += strcspn(label, ".") + 1) {
		size_t len = strcspn(label, ".");

		if (len == 0 || len > 63)
			return false;
		if (label[len] == '\0')
			return strspn(label, "0123456789") != len;
	}
}

/* host or host:port */
static char *take_host(const char *raw, uint16_t *port)
{
	const char *colon = strchr(raw, ':');
	char *host = colon != NULL ? strndup(raw, (size_t)(colon - raw)) : strdup(raw);
	uint32_t number = 0;

	if (host != NULL && host_is_good(host) &&
	    (colon == NULL || (text_to_uint(colon + 1, &number) == 0 && number >= 1 && number <= UINT16_MAX))) {
		*port = (uint16_t)number;
		return host;
	}
	free(host);
	return NULL;
}

static void fill_gateway_address(struct report *report, const struct place *place, const char *raw,
				 struct config_routing_gateway *gateway)
{
	if (raw != NULL && net_addr_parse(&gateway->address, raw, strlen(raw)) == 0 &&
	    !net_addr_is_any(&gateway->address)) {
		if (gateway->address.port == 0)
			gateway->address.port = 5060;
		return;
	}
	memset(&gateway->address, 0, sizeof(gateway->address));
	gateway->host = raw != NULL ? take_host(raw, &gateway->host_port) : NULL;
	if (gateway->host == NULL)
		report_error(report, place, "expected an IP address or a host name, with or without :port");
}

/* Where its calls go: to an address, or to wherever it registered from. */
static void fill_target(struct report *report, const struct place *place, struct raw_routing_gateway *raw,
			struct config_routing_gateway *gateway)
{
	if (raw->registered != NULL) {
		gateway->registered = take_user(report, PLACE(place, "registered"), &raw->registered);
		if (raw->address != NULL || raw->digest != NULL || raw->registration != NULL)
			report_error(report, PLACE(place, "registered"),
				     "expected alone: address, digest and register are for a vendor that stays in its place");
		return;
	}
	fill_gateway_address(report, PLACE(place, "address"), raw->address, gateway);
}

static void fill_routing_gateway(struct report *report, const struct place *place, struct raw_routing_gateway *raw,
				 struct config_routing_gateway *gateway)
{
	static const struct word watches[] = {
	    {"both", SILENCE_BOTH}, {"caller", SILENCE_CALLER}, {"callee", SILENCE_CALLEE},
	    {"none", SILENCE_NONE}, {"either", SILENCE_EITHER}};

	gateway->name = take_name(report, PLACE(place, "name"), &raw->name, true);
	fill_flag(report, PLACE(place, "enabled"), raw->enabled, &gateway->enabled, true);
	gateway->network = take_name(report, PLACE(place, "network"), &raw->network, false);
	fill_target(report, place, raw, gateway);
	fill_prefixes(report, PLACE(place, "prefixes"), raw->prefixes, raw->prefixes_count, &gateway->prefixes,
		      &gateway->prefixes_count);
	if (raw->prefixes_count == 0)
		report_error(report, PLACE(place, "prefixes"),
			     "expected at least one prefix; \"\" stands for every number");
	fill_uint(report, PLACE(place, "priority"), raw->priority, &gateway->priority, 100, 0, 65535);
	fill_uint(report, PLACE(place, "capacity"), raw->capacity, &gateway->capacity, 0, 0, 10000000);
	fill_uint(report, PLACE(place, "calls_per_second"), raw->calls_per_second, &gateway->calls_per_second, 0, 0,
		  1000000);
	fill_rewrite(report, PLACE(place, "caller"), &raw->caller, &gateway->caller);
	fill_rewrite(report, PLACE(place, "callee"), &raw->callee, &gateway->callee);
	gateway->digest = fill_credentials(report, PLACE(place, "digest"), raw->digest);
	gateway->registration = fill_register(report, PLACE(place, "register"), raw->registration, gateway->digest);
	gateway->probe = fill_probe(report, PLACE(place, "probe"), raw->probe);
	fill_codes(report, PLACE(place, "stop_codes"), raw->stop_codes, raw->stop_codes_count, &gateway->stop_codes,
		   &gateway->stop_codes_count);
	FILL_WORD(report, PLACE(place, "media_mode"), raw->media_mode, gateway->media_mode, MEDIA_SYSTEM, media_modes);
	FILL_WORD(report, PLACE(place, "silence_watch"), raw->silence_watch, gateway->silence_watch, SILENCE_BOTH,
		  watches);
	fill_timeouts(report, PLACE(place, "timeouts"), &raw->timeouts, gateway);
	fill_override(report, PLACE(place, "stop_switch_after_sdp"), raw->stop_switch_after_sdp,
		      &gateway->stop_switch_after_sdp);
	fill_override(report, PLACE(place, "stop_switch_after_invite_timeout"), raw->stop_switch_after_invite_timeout,
		      &gateway->stop_switch_after_invite_timeout);
	fill_headers(report, PLACE(place, "headers"), &raw->headers, true, &gateway->headers);
	fill_redirect(report, PLACE(place, "redirect"), &raw->redirect, &gateway->redirect);
}

static void fill_phone(struct report *report, const struct place *place, struct raw_phone *raw,
		       struct config_phone *phone)
{
	phone->user = take_user(report, PLACE(place, "user"), &raw->user);
	phone->password = take_password(report, PLACE(place, "password"), &raw->password);
	fill_uint(report, PLACE(place, "count"), raw->count, &phone->count, 1, 1, 10000000);
	fill_uint(report, PLACE(place, "capacity"), raw->capacity, &phone->capacity, 0, 0, 10000000);
	if (phone->count > 1 && phone->user != NULL) {
		size_t len = strlen(phone->user);
		unsigned long long last = strtoull(phone->user, NULL, 10) + phone->count - 1;
		char text[32];

		if (strspn(phone->user, "0123456789") != len || len > 18)
			report_error(report, PLACE(place, "user"), "expected at most 18 digits, to count up from");
		else if ((size_t)snprintf(text, sizeof(text), "%llu", last) > len)
			report_error(report, PLACE(place, "count"),
				     "expected the last user to have as many digits as the first, %s", phone->user);
	}
}

/* ---- the switch itself ------------------------------------------------------------------------------------------ */

static void fill_addresses(struct report *report, const struct place *place, struct raw_port *raw,
			   struct config_port *port)
{
	const struct place *addresses = PLACE(place, "addresses"), *gateways = PLACE(place, "gateways");

	if (raw->addresses_count == 0)
		report_error(report, addresses, "expected at least one address/length of our own");
	port->addresses = array_of(report, raw->addresses_count, sizeof(*port->addresses));
	for (unsigned int i = 0; i < raw->addresses_count && port->addresses != NULL; i++) {
		struct net_prefix *prefix = &port->addresses[i];

		port->addresses_count = i + 1;
		if (net_prefix_parse(prefix, raw->addresses[i], strlen(raw->addresses[i])) != 0 ||
		    prefix->addr.port != 0 || net_addr_is_any(&prefix->addr))
			report_error(report, ENTRY(addresses, i), "expected an IP address/length without a port");
	}
	port->gateways = array_of(report, raw->gateways_count, sizeof(*port->gateways));
	for (unsigned int i = 0; i < raw->gateways_count && port->gateways != NULL; i++) {
		struct net_addr *gateway = &port->gateways[i];

		port->gateways_count = i + 1;
		if (net_addr_parse(gateway, raw->gateways[i], strlen(raw->gateways[i])) != 0 || gateway->port != 0)
			report_error(report, ENTRY(gateways, i), "expected an IP address without a port");
		for (unsigned int before = 0; before < i; before++) {
			if (gateway->family != NET_NONE && port->gateways[before].family == gateway->family)
				report_error(report, ENTRY(gateways, i),
					     "expected one gateway for IPv4 and one for IPv6");
		}
	}
}

static void fill_rtp_ports(struct report *report, const struct place *place, struct raw_range *raw,
			   struct config_range *range)
{
	fill_u16(report, PLACE(place, "first"), raw != NULL ? raw->first : NULL, &range->first, 20000);
	fill_u16(report, PLACE(place, "last"), raw != NULL ? raw->last : NULL, &range->last, 59999);
	if (range->first % 2 != 0)
		report_error(report, PLACE(place, "first"),
			     "expected an even port: RTP is even, RTCP the next odd one");
	if (range->last % 2 != 1)
		report_error(report, PLACE(place, "last"), "expected an odd port: RTP is even, RTCP the next odd one");
	if (range->first >= range->last)
		report_error(report, place, "expected first below last");
}

static void fill_port(struct report *report, const struct place *place, struct raw_port *raw, struct config_port *port)
{
	static const struct word processes[] = {{"signaling", ROLE_SIGNALING}, {"media", ROLE_MEDIA}};
	static const struct word drivers[] = {{"af_packet", DRIVER_AF_PACKET},
					      {"af_xdp", DRIVER_AF_XDP},
					      {"memif", DRIVER_MEMIF},
					      {"tap", DRIVER_TAP},
					      {"pci", DRIVER_PCI}};

	port->name = take_name(report, PLACE(place, "name"), &raw->name, true);
	FILL_WORD(report, PLACE(place, "process"), raw->process, port->process, ROLE_SIGNALING, processes);
	if (raw->process == NULL)
		report_error(report, PLACE(place, "process"), "expected signaling or media");
	port->network = take_name(report, PLACE(place, "network"), &raw->network, false);
	if (port->network == NULL)
		port->network = strdup("default");
	FILL_WORD(report, PLACE(place, "driver"), raw->driver, port->driver, DRIVER_AF_PACKET, drivers);
	if (raw->driver == NULL)
		report_error(report, PLACE(place, "driver"), "expected af_packet, af_xdp, memif, tap or pci");
	if (raw->device == NULL)
		report_error(report, PLACE(place, "device"),
			     "expected an interface, a PCI address or a socket, as the driver needs");
	port->device = take_text(report, PLACE(place, "device"), &raw->device, NULL, 107);
	port->options = take_text(report, PLACE(place, "options"), &raw->options, NULL, 255);
	fill_uint(report, PLACE(place, "mtu"), raw->mtu, &port->mtu, 1500, 576, 9600);
	fill_addresses(report, place, raw, port);
	fill_u16(report, PLACE(place, "sip_port"), raw->sip_port, &port->sip_port, 5060);
	fill_rtp_ports(report, PLACE(place, "rtp_ports"), raw->rtp_ports, &port->rtp_ports);
	if (port->process == ROLE_MEDIA && raw->sip_port != NULL)
		report_error(report, PLACE(place, "sip_port"), "expected only on a port of signaling");
	if (port->process == ROLE_SIGNALING && raw->rtp_ports != NULL)
		report_error(report, PLACE(place, "rtp_ports"), "expected only on a port of media");
}

static void fill_process(struct report *report, const struct place *place, struct raw_process *raw, unsigned int nap_us,
			 struct config_process *process)
{
	static const struct word idles[] = {{"spin", IDLE_SPIN}, {"nap", IDLE_NAP}};
	static const struct word hugepages[] = {{"auto", HUGEPAGES_AUTO}, {"on", HUGEPAGES_ON}, {"off", HUGEPAGES_OFF}};
	const struct place *workers = PLACE(place, "workers");
	unsigned int core;

	if (raw->workers_count > CONFIG_MAX_WORKERS)
		report_error(report, workers, "expected at most %d workers", CONFIG_MAX_WORKERS);
	process->workers = array_of(report, raw->workers_count, sizeof(*process->workers));
	for (unsigned int i = 0; i < raw->workers_count && process->workers != NULL; i++) {
		process->workers_count = i + 1;
		fill_uint(report, ENTRY(workers, i), raw->workers[i], &process->workers[i], 0, 0, 4095);
	}
	process->core = -1;
	if (raw->core != NULL && strcasecmp(raw->core, "any") != 0) {
		if (text_to_uint(raw->core, &core) != 0 || core > 4095)
			report_error(report, PLACE(place, "core"), "expected the number of a core, or any");
		else
			process->core = (int)core;
	}
	FILL_WORD(report, PLACE(place, "idle"), raw->idle, process->idle, IDLE_NAP, idles);
	fill_uint(report, PLACE(place, "nap_us"), raw->nap_us, &process->nap_us, nap_us, 50, 10000);
	FILL_WORD(report, PLACE(place, "hugepages"), raw->hugepages, process->hugepages, HUGEPAGES_AUTO, hugepages);
	fill_uint(report, PLACE(place, "memory_mb"), raw->memory_mb, &process->memory_mb, 0, 0, 1048576);
}

/* ---- parameters ------------------------------------------------------------------------------------------------- */

/* Where the text of each parameter and alias is in struct raw_parameters; count_offset 0 = a single value. */
struct raw_slot {
	const char *key;
	enum parameter_id id;
	size_t offset, count_offset;
};

#define SLOT_VALUE(name)                                                                                               \
	{                                                                                                              \
#name, PARAMETER_##name, offsetof(struct raw_parameters, name), 0                                      \
	}
#define SLOT_LIST(name)                                                                                                \
	{                                                                                                              \
#name, PARAMETER_##name, offsetof(struct raw_parameters, name),                                        \
		    offsetof(struct raw_parameters, name##_count)                                                      \
	}
#define SLOT_SECONDS    SLOT_VALUE
#define SLOT_SECONDS_MS SLOT_VALUE
#define SLOT_MS         SLOT_VALUE
#define SLOT_COUNT      SLOT_VALUE
#define SLOT_BYTE       SLOT_VALUE
#define SLOT_FLAG       SLOT_VALUE
#define SLOT_MESSAGE    SLOT_VALUE
#define SLOT_PROXY_MODE SLOT_VALUE
#define SLOT_RESEND     SLOT_LIST
static const struct raw_slot raw_slots[] = {
#define PARAMETER_GROUP(title)
#define PARAMETER(name, field, type, ...) SLOT_##type(name),
#define PARAMETER_ALIAS(name, of)         {#name, PARAMETER_##of, offsetof(struct raw_parameters, name), 0},
#include "parameters.def"
#undef PARAMETER_GROUP
#undef PARAMETER
#undef PARAMETER_ALIAS
};

/* The items of a list joined by commas, as parameter_set() reads them. */
static const char *join(char **items, unsigned int count, char out[static PARAMETER_TEXT])
{
	size_t len = 0;

	out[0] = '\0';
	for (unsigned int i = 0; i < count; i++) {
		if (len + strlen(items[i]) + 2 > PARAMETER_TEXT || strchr(items[i], ',') != NULL)
			return "";
		len += (size_t)snprintf(out + len, PARAMETER_TEXT - len, "%s%s", i > 0 ? "," : "", items[i]);
	}
	return out;
}

static void fill_parameters(struct report *report, const struct place *place, struct raw_parameters *raw,
			    struct parameters *parameters)
{
	const char *given[PARAMETER_COUNT] = {NULL};

	parameters_defaults(parameters);
	for (size_t i = 0; i < ARRAY_COUNT(raw_slots); i++) {
		const struct raw_slot *slot = &raw_slots[i];
		const void *field = (const char *)raw + slot->offset;
		char expected[PARAMETER_TEXT], joined[PARAMETER_TEXT];
		const char *text;

		if (slot->count_offset == 0) {
			text = *(char *const *)field;
		} else {
			char **items = *(char **const *)field;
			unsigned int count = *(const unsigned int *)((const char *)raw + slot->count_offset);

			text = items != NULL ? join(items, count, joined) : NULL;
		}
		if (text == NULL)
			continue;
		if (given[slot->id] != NULL)
			report_error(report, PLACE(place, slot->key), "expected only one of %s and %s", given[slot->id],
				     slot->key);
		given[slot->id] = slot->key;
		if (parameter_set(parameters, slot->id, text) != 0)
			report_error(report, PLACE(place, slot->key), "expected %s",
				     parameter_expected(slot->id, expected));
	}
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

static void fill_node(struct report *report, struct raw_config *raw, struct config *config)
{
	static const struct word levels[] = {
	    {"error", LOG_ERROR}, {"warn", LOG_WARN}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}};
	const struct place *log = PLACE(NULL, "log");
	size_t len = raw->node != NULL ? strlen(raw->node) : 0;

	if (len < 1 || len > 32 || strspn(raw->node, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
		report_error(report, PLACE(NULL, "node"), "expected 1 to 32 of a-z, 0-9 and '-'");
	config->node = take(&raw->node);
	config->realm = take_realm(report, PLACE(NULL, "realm"), &raw->realm, config->node);
	FILL_WORD(report, PLACE(NULL, "digest_algorithms"), raw->digest_algorithms, config->digest_algorithms, DIGEST_BOTH,
		  algorithms);
	FILL_WORD(report, PLACE(log, "level"), raw->log.level, config->log_level, LOG_INFO, levels);
}

static void fill_processes(struct report *report, struct raw_processes *raw, struct config *config)
{
	struct raw_process *const processes[ROLE_COUNT] = {
	    [ROLE_SIGNALING] = &raw->signaling,
	    [ROLE_MEDIA] = &raw->media,
	    [ROLE_KEEPALIVE] = &raw->keepalive,
	    [ROLE_CDRWRITER] = &raw->cdrwriter,
	};

	/* Audio has to come evenly; nobody hears whether a call rings a few milliseconds later. */
	for (unsigned int role = 0; role < ROLE_COUNT; role++)
		fill_process(report, PLACE(PLACE(NULL, "processes"), process_role_name[role]), processes[role],
			     role == ROLE_SIGNALING ? 4000 : 1000, &config->process[role]);
}

static void fill_resolver(struct report *report, struct raw_resolver *raw, struct config_resolver *resolver)
{
	const struct place *place = PLACE(NULL, "resolver"), *servers = PLACE(place, "servers");

	if (raw->servers_count > CONFIG_NAME_SERVERS)
		report_error(report, servers, "expected at most %d servers", CONFIG_NAME_SERVERS);
	for (unsigned int i = 0; i < raw->servers_count && i < CONFIG_NAME_SERVERS; i++) {
		struct net_addr *server = &resolver->servers[i];

		resolver->servers_count = i + 1;
		if (net_addr_parse(server, raw->servers[i], strlen(raw->servers[i])) != 0 || net_addr_is_any(server))
			report_error(report, ENTRY(servers, i), "expected an IP address or address:port");
		if (server->port == 0)
			server->port = 53;
	}
	fill_uint(report, PLACE(place, "timeout_ms"), raw->timeout_ms, &resolver->timeout_ms, 2000, 100, 30000);
}

static void fill_records(struct report *report, struct raw_config *raw, struct config *config)
{
	const struct place *limits = PLACE(NULL, "limits"), *database = PLACE(NULL, "database");
	const struct place *spool = PLACE(NULL, "spool");

	fill_uint(report, PLACE(limits, "calls"), raw->limits.calls, &config->limits.calls, 20000, 1, 4000000);
	fill_uint(report, PLACE(limits, "registrations"), raw->limits.registrations, &config->limits.registrations,
		  100000, 1, 10000000);
	fill_uint(report, PLACE(limits, "cdr_ring_kb"), raw->limits.cdr_ring_kb, &config->limits.cdr_ring_kb, 8192, 64,
		  1048576);
	config->database.connection =
	    take_text(report, PLACE(database, "connection"), &raw->database.connection, "dbname=tandem", 1024);
	fill_uint(report, PLACE(database, "batch"), raw->database.batch, &config->database.batch, 20000, 1, 1000000);
	fill_uint(report, PLACE(database, "batch_wait_ms"), raw->database.batch_wait_ms,
		  &config->database.batch_wait_ms, 200, 1, 60000);
	fill_uint(report, PLACE(database, "partitions_ahead_days"), raw->database.partitions_ahead_days,
		  &config->database.partitions_ahead_days, 3, 1, 366);
	if (raw->spool.directory != NULL && raw->spool.directory[0] != '/')
		report_error(report, PLACE(spool, "directory"), "expected an absolute path");
	config->spool.directory =
	    take_text(report, PLACE(spool, "directory"), &raw->spool.directory, "/var/spool/tandem", 1024);
	fill_uint(report, PLACE(spool, "segment_mb"), raw->spool.segment_mb, &config->spool.segment_mb, 64, 1, 4096);
	fill_uint(report, PLACE(spool, "reserve_mb"), raw->spool.reserve_mb, &config->spool.reserve_mb, 16, 1, 1048576);
	fill_uint(report, PLACE(spool, "group_wait_ms"), raw->spool.group_wait_ms, &config->spool.group_wait_ms, 100, 1,
		  900);
}

/* A list of mappings: each entry filled by `fill`. */
#define FILL_LIST(report, raw, config, list, fill)                                                                     \
	do {                                                                                                           \
		const struct place *place_ = PLACE(NULL, #list);                                                       \
		(config)->list = array_of(report, (raw)->list##_count, sizeof(*(config)->list));                       \
		for (unsigned int i_ = 0; i_ < (raw)->list##_count && (config)->list != NULL; i_++) {                  \
			(config)->list##_count = i_ + 1;                                                               \
			fill(report, ENTRY(place_, i_), &(raw)->list[i_], &(config)->list[i_]);                        \
		}                                                                                                      \
	} while (0)

void config_fill(struct config *config, struct raw_config *raw, struct report *report)
{
	fill_node(report, raw, config);
	fill_parameters(report, PLACE(NULL, "parameters"), &raw->parameters, &config->parameters);
	fill_processes(report, &raw->processes, config);
	fill_resolver(report, &raw->resolver, &config->resolver);
	fill_records(report, raw, config);
	if (raw->ports_count > CONFIG_MAX_PORTS)
		report_error(report, PLACE(NULL, "ports"), "expected at most %d ports", CONFIG_MAX_PORTS);
	FILL_LIST(report, raw, config, ports, fill_port);
	FILL_LIST(report, raw, config, mapping_gateways, fill_mapping_gateway);
	FILL_LIST(report, raw, config, routing_gateways, fill_routing_gateway);
	FILL_LIST(report, raw, config, phones, fill_phone);
}
