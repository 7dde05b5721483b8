/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "load.h"

/* The reference, apart from the code's own table. */
static const struct expectation {
	const char *name, *preset;
	/* Accepted; refused. NULL: no such case. */
	const char *least, *most, *below, *above, *special;
} expectations[] = {
    {"SS_SIP_SESSION_TTL", "600", "60", "86400", "59", "86401", "0"},
    {"SS_SIP_SESSION_UPDATE_SEGMENT", "2", "2", "10", "1", "11", NULL},
    {"SS_SIP_SESSION_TIMEOUT_EARLY_HANGUP", "0", "0", "3600", NULL, "3601", NULL},
    {"SS_SIP_SESSION_MIN_SE", "90", "90", "3600", "89", "3601", NULL},
    {"SS_SIP_NO_TIMER_REINVITE_INTERVAL", "7200", "0", "86400", NULL, "86401", NULL},
    {"SS_SESSION_TIMER_REFRESHER", "0", "0", "1", NULL, "2", NULL},
    {"SS_MAX_CALL_DURATION", "none", "1", "604800", "0", "604801", "none"},
    {"SS_SIP_NAT_KEEP_ALIVE_MESSAGE", "HELLO", "\"\"", "ping", NULL, NULL, NULL},
    {"SS_SIP_NAT_KEEP_ALIVE_PERIOD", "30", "10", "86400", "9", "86401", NULL},
    {"SS_SIP_NAT_KEEP_ALIVE_SEND_INTERVAL", "500", "1", "10000", "0", "10001", NULL},
    {"SS_SIP_NAT_KEEP_ALIVE_SEND_ONE_TIME", "3000", "1", "10000", "0", "10001", NULL},
    {"SS_ENDPOINT_EXPIRE", "3600", "30", "86400", "29", "86401", NULL},
    {"SS_ENDPOINT_NAT_EXPIRE", "300", "30", "86400", "29", "86401", NULL},
    {"SS_AUTHENTICATION_MAX_RETRY", "6", "0", "999", NULL, "1000", NULL},
    {"SS_AUTHENTICATION_FAILED_SUSPEND", "180", "60", "3600", "59", "3601", NULL},
    {"SS_REPLY_UNAUTHORIZED", "on", "off", "on", NULL, "2", "yes"},
    {"SS_SIP_RESEND_INTERVAL", "0.5,1,2,4,4,4,4,4,4,4", "[0.1]", "[60, 1, 1, 1, 1, 1, 1, 1, 1, 0.25]", NULL,
     "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]", NULL},
    {"SS_SIP_SEND_RETRY", "none", "0", "10", NULL, "11", "none"},
    {"SS_SIP_TIMEOUT_INVITE", "10", "1", "120", "0.999", "120.001", "2.5"},
    {"SS_SIP_TIMEOUT_TRYING", "20", "1", "300", "0", "301", NULL},
    {"SS_SIP_TIMEOUT_SESSION_PROGRESS", "20", "1", "300", "0", "301", NULL},
    {"SS_SIP_TIMEOUT_SESSION_PROGRESS_SDP", "120", "1", "600", "0", "601", NULL},
    {"SS_SIP_TIMEOUT_RINGING", "120", "1", "600", "0", "601", NULL},
    {"SS_GATEWAY_SWITCH_LIMIT", "none", "0", "100", NULL, "101", "none"},
    {"SS_GATEWAY_SWITCH_UNTIL_CONNECT", "off", "off", "on", NULL, "maybe", "no"},
    {"SS_GATEWAY_SWITCH_STOP_AFTER_RTP_START", "on", "off", "on", NULL, "1", "true"},
    {"SS_GATEWAY_SWITCH_STOP_AFTER_USER_BUSY", "on", "off", "on", NULL, "1", "false"},
    {"SS_SIP_STOP_SWITCH_AFTER_SDP", "on", "off", "on", NULL, "none", "Yes"},
    {"SS_SIP_USER_AGENT_STOP_SWITCH_AFTER_INVITE_TIMEOUT", "off", "off", "on", NULL, "0", "No"},
    {"SS_MEDIAPROXYMODE", "auto", "off", "must_on", NULL, "sometimes", "on"},
    {"SS_MEDIAPROXYBEHINDNAT", "on", "off", "on", NULL, "x", NULL},
    {"SS_MEDIAPROXYBETWEENNET", "on", "off", "on", NULL, "x", NULL},
    {"SS_NOMEDIAHANGUPTIME", "0", "0", "3600", NULL, "3601", NULL},
    {"SS_QOS_SIGNAL", "0xa0", "0", "0xff", "-1", "0x100", "184"},
    {"SS_QOS_RTP", "0xa0", "0", "255", "-1", "256", "0xB8"},
    {"SS_CDR_RECORD_NONCONNECT", "on", "off", "on", NULL, "x", NULL},
};
#define EXPECTATIONS (sizeof(expectations) / sizeof(expectations[0]))

static enum parameter_id id_of(const char *name)
{
	for (unsigned int id = 0; id < PARAMETER_COUNT; id++) {
		if (strcmp(parameter_info[id].name, name) == 0)
			return id;
	}
	printf("  %s is not in the table\n", name);
	CHECK(false);
	return 0;
}

static struct config *load_value(const char *name, const char *value)
{
	char text[4096];

	snprintf(text, sizeof(text), "node: t\nlimits: {registrations: 1}\nparameters:\n  # a comment\n  %s: %s\n",
		 name, value);
	return load_text(text);
}

static void test_table_is_whole(void)
{
	CHECK_INT(PARAMETER_COUNT, EXPECTATIONS);
	for (unsigned int id = 0; id < PARAMETER_COUNT; id++) {
		CHECK(parameter_info[id].help[0] != '\0');
		CHECK(parameter_group(id)[0] != '\0');
	}
	CHECK_TEXT(parameter_group(PARAMETER_SS_QOS_RTP), strlen(parameter_group(PARAMETER_SS_QOS_RTP)), "Media");
}

static void test_defaults(void)
{
	struct config *config = load_text("node: t\n");
	struct parameters defaults;
	char value[PARAMETER_TEXT];

	CHECK(config != NULL);
	for (size_t i = 0; i < EXPECTATIONS && config != NULL; i++) {
		parameter_print(&config->parameters, id_of(expectations[i].name), value);
		CHECK_TEXT(value, strlen(value), expectations[i].preset);
	}
	parameters_defaults(&defaults);
	CHECK(config != NULL && memcmp(&defaults, &config->parameters, sizeof(defaults)) == 0);
	CHECK_INT(defaults.timeout_invite_ms, 10000);
	CHECK_INT(defaults.resend_count, 10);
	CHECK_INT(defaults.resend_interval_ms[0], 500);
	CHECK_INT(defaults.send_retry, PARAMETER_NO_LIMIT);
	config_free(config);
}

static void accepted(const char *name, const char *value)
{
	struct config *config = value != NULL ? load_value(name, value) : NULL;
	char text[PARAMETER_TEXT];
	struct parameters again;

	if (value == NULL)
		return;
	if (config == NULL)
		printf("  %s: %s refused: %s\n", name, value, load_report);
	CHECK(config != NULL);
	/* What is printed reads back as the same. */
	if (config != NULL) {
		parameters_defaults(&again);
		CHECK_INT(parameter_set(&again, id_of(name), parameter_print(&config->parameters, id_of(name), text)),
			  0);
		CHECK(memcmp(&again, &config->parameters, sizeof(again)) == 0);
	}
	config_free(config);
}

static void refused(const char *name, const char *value)
{
	struct config *config = value != NULL ? load_value(name, value) : NULL;
	char expected[PARAMETER_TEXT];

	if (value == NULL)
		return;
	if (config != NULL)
		printf("  %s: %s accepted\n", name, value);
	CHECK(config == NULL);
	CHECK(reported(5, name));
	CHECK(reported(5, parameter_expected(id_of(name), expected)));
	if (value[0] != '[')
		CHECK(reported(5, value));
	config_free(config);
}

static void test_ranges(void)
{
	for (size_t i = 0; i < EXPECTATIONS; i++) {
		const struct expectation *e = &expectations[i];

		accepted(e->name, e->least);
		accepted(e->name, e->most);
		accepted(e->name, e->special);
		refused(e->name, e->below);
		refused(e->name, e->above);
	}
}

static void test_wrong_kinds(void)
{
	refused("SS_ENDPOINT_EXPIRE", "soon");
	refused("SS_ENDPOINT_EXPIRE", "1.5");
	refused("SS_ENDPOINT_EXPIRE", "60s");
	refused("SS_ENDPOINT_EXPIRE", "99999999999999999999");
	refused("SS_SIP_TIMEOUT_INVITE", "2.");
	refused("SS_SIP_TIMEOUT_INVITE", ".5");
	refused("SS_SIP_TIMEOUT_INVITE", "1.2345");
	refused("SS_SIP_RESEND_INTERVAL", "[1, soon]");
	refused("SS_SIP_RESEND_INTERVAL", "[0.05]");
	refused("SS_SIP_RESEND_INTERVAL", "[61]");
	refused("SS_SIP_RESEND_INTERVAL", "['1,2']");
	refused("SS_QOS_RTP", "0x");
	CHECK(load_value("SS_SIP_RESEND_INTERVAL", "[]") == NULL);
	CHECK(reported(5, "expected a list of at least 1"));
	CHECK(load_value("SS_SIP_RESEND_INTERVAL", "") == NULL);
	CHECK(reported(5, "expected a list"));
	CHECK(load_value("SS_SIP_RESEND_INTERVAL", "4") == NULL);
	CHECK(reported(5, "expected a list"));
	CHECK(load_value("SS_ENDPOINT_EXPIRE", "[60]") == NULL);
	CHECK(reported(5, "expected a single value"));
}

static void test_message_length(void)
{
	char message[KEEP_ALIVE_MESSAGE_MAX + 2];

	memset(message, 'x', sizeof(message));
	message[KEEP_ALIVE_MESSAGE_MAX] = '\0';
	accepted("SS_SIP_NAT_KEEP_ALIVE_MESSAGE", message);
	message[KEEP_ALIVE_MESSAGE_MAX] = 'x';
	message[KEEP_ALIVE_MESSAGE_MAX + 1] = '\0';
	CHECK(load_value("SS_SIP_NAT_KEEP_ALIVE_MESSAGE", message) == NULL);
	CHECK(reported(5, "512 bytes"));
}

static void test_values_in_force(void)
{
	struct config *config = load_text("node: t\n"
					  "parameters:\n"
					  "  SS_SIP_TIMEOUT_INVITE: 2.5\n"
					  "  SS_SIP_RESEND_INTERVAL: [0.25, 1]\n"
					  "  SS_MAX_CALL_DURATION: 3600\n"
					  "  SS_GATEWAY_SWITCH_LIMIT: None\n"
					  "  SS_MEDIAPROXYMODE: must_on\n"
					  "  SS_REPLY_UNAUTHORIZED: no\n"
					  "  SS_QOS_SIGNAL: 0xB8\n"
					  "  SS_SIP_NAT_KEEP_ALIVE_MESSAGE: ''\n"
					  "  SS_MEDIA_PROXY_BEHIND_NAT: off\n"
					  "  SS_SESSION_TIMER: 0\n");

	CHECK(config != NULL);
	if (config == NULL)
		return;
	CHECK_INT(config->parameters.timeout_invite_ms, 2500);
	CHECK_INT(config->parameters.resend_count, 2);
	CHECK_INT(config->parameters.resend_interval_ms[0], 250);
	CHECK_INT(config->parameters.resend_interval_ms[2], 0);
	CHECK_INT(config->parameters.max_call_duration_s, 3600);
	CHECK_INT(config->parameters.gateway_switch_limit, PARAMETER_NO_LIMIT);
	CHECK_INT(config->parameters.media_proxy_mode, MEDIA_PROXY_MUST_ON);
	CHECK(!config->parameters.reply_unauthorized);
	CHECK_INT(config->parameters.qos_signal, 0xb8);
	CHECK_TEXT(config->parameters.nat_keep_alive_message, strlen(config->parameters.nat_keep_alive_message), "");
	CHECK(!config->parameters.media_proxy_behind_nat);
	CHECK_INT(config->parameters.session_ttl_s, 0);
	config_free(config);
}

static void test_aliases(void)
{
	CHECK_REFUSED("node: t\nparameters:\n  SS_SIP_SESSION_TTL: 600\n  SS_SESSION_TIMER: 600\n", 4,
		      "expected only one of SS_SIP_SESSION_TTL and SS_SESSION_TIMER");
	CHECK_REFUSED("node: t\nparameters:\n  SS_SESSION_TIMER_MIN_SE: 90\n  SS_SIP_SESSION_MIN_SE: 90\n", 3,
		      "expected only one of SS_SIP_SESSION_MIN_SE and SS_SESSION_TIMER_MIN_SE");
	CHECK_REFUSED("node: t\nparameters:\n  SS_SESSION_TIMER: 59\n", 3, "60 to 86400 s");
}

static void test_unknown_name(void)
{
	CHECK_REFUSED("node: t\nparameters:\n  SS_ENDPOINT_EXPIRE: 60\n  SS_NO_SUCH_THING: 1\n", 4, "unknown key");
	CHECK_REFUSED("node: t\nparameters:\n  SS_QOS_RTP: 1\n  SS_QOS_SIGNAL: 1\n  SS_QOS_RTP: 1\n", 5, "given twice");
}

static const struct check_case cases[] = {
    {"every parameter of the reference is in the table", test_table_is_whole},
    {"defaults", test_defaults},
    {"both ends of each range, and one past them", test_ranges},
    {"values of the wrong kind", test_wrong_kinds},
    {"length of the keep-alive message", test_message_length},
    {"values as the switch uses them", test_values_in_force},
    {"older names", test_aliases},
    {"unknown and repeated names", test_unknown_name},
};
CHECK_MAIN(cases)
