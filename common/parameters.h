/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's parameters (SS_...), declared once in parameters.def and expanded into this structure, the
 * configuration schema, `tandemctl parameters` and docs/parameters.md.
 */
#ifndef TANDEM_COMMON_PARAMETERS_H
#define TANDEM_COMMON_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARAMETER_NO_LIMIT     UINT32_MAX /* "none" */
#define RESEND_MAX             10
#define KEEP_ALIVE_MESSAGE_MAX 512

enum media_proxy_mode { MEDIA_PROXY_AUTO, MEDIA_PROXY_ON, MEDIA_PROXY_OFF, MEDIA_PROXY_MUST_ON };

/* Values in the unit that the name says; PARAMETER_NO_LIMIT where a parameter may be "none" and is. */
struct parameters {
	/* session timer */
	uint32_t session_ttl_s, session_update_segment, session_timeout_early_hangup_s, session_min_se_s;
	uint32_t no_timer_reinvite_interval_s, session_timer_refresher, max_call_duration_s;
	/* NAT keep-alive */
	char nat_keep_alive_message[KEEP_ALIVE_MESSAGE_MAX + 1]; /* "" = off */
	uint32_t nat_keep_alive_period_s, nat_keep_alive_send_interval_ms, nat_keep_alive_send_one_time;
	/* registration */
	uint32_t endpoint_expire_s, endpoint_nat_expire_s, authentication_max_retry, authentication_failed_suspend_s;
	bool reply_unauthorized;
	/* set-up timers and retransmission */
	uint32_t resend_interval_ms[RESEND_MAX], resend_count;
	uint32_t send_retry;
	uint32_t timeout_invite_ms, timeout_trying_ms, timeout_progress_ms, timeout_progress_sdp_ms, timeout_ringing_ms;
	/* switching */
	uint32_t gateway_switch_limit;
	bool switch_until_connect, switch_stop_after_rtp_start, switch_stop_after_user_busy;
	bool stop_switch_after_sdp, stop_switch_after_invite_timeout;
	/* media */
	enum media_proxy_mode media_proxy_mode;
	bool media_proxy_behind_nat, media_proxy_between_net;
	uint32_t no_media_hangup_s, qos_signal, qos_rtp;
	/* records */
	bool cdr_record_nonconnect;
};

enum parameter_id {
#define PARAMETER_GROUP(title)
#define PARAMETER(name, ...) PARAMETER_##name,
#define PARAMETER_ALIAS(name, of)
#include "parameters.def"
#undef PARAMETER_GROUP
#undef PARAMETER
#undef PARAMETER_ALIAS
	PARAMETER_COUNT
};

enum parameter_type {
	PARAMETER_SECONDS,
	PARAMETER_SECONDS_MS, /* written in seconds, kept in milliseconds */
	PARAMETER_MS,
	PARAMETER_COUNT_OF,
	PARAMETER_BYTE,
	PARAMETER_FLAG,
	PARAMETER_MESSAGE,
	PARAMETER_PROXY_MODE,
	PARAMETER_RESEND,
};

enum parameter_special { PARAMETER_MAY_BE_NONE = 1, PARAMETER_ZERO_IS_OFF = 2 };

struct parameter_info {
	const char *name;
	size_t offset; /* of its member in struct parameters */
	enum parameter_type type;
	const char *default_text; /* as it would stand in the file */
	uint32_t least, most;     /* in `unit` */
	unsigned int special;     /* enum parameter_special */
	const char *unit;         /* "s", "ms", "bytes" or "" */
	const char *help;
};
extern const struct parameter_info parameter_info[PARAMETER_COUNT];

/* Older names that are accepted; ends with a NULL name. */
struct parameter_alias {
	const char *name;
	enum parameter_id id;
};
extern const struct parameter_alias parameter_alias[];

#define PARAMETER_TEXT 640 /* room for any value or expectation in words */

void parameters_defaults(struct parameters *parameters);

/*
 * Read one value as it stands in the file (a RESEND list: joined by commas). Returns 0, or -EINVAL with nothing
 * changed; parameter_expected() then says what would have been accepted.
 */
int parameter_set(struct parameters *parameters, enum parameter_id id, const char *text);
/* The title it stands under: "Media". */
const char *parameter_group(enum parameter_id id);
/* "10 to 86400 s", "on or off", "none, or 0 to 10". Returns out. */
const char *parameter_expected(enum parameter_id id, char out[static PARAMETER_TEXT]);
/* The value in force, as it would stand in the file. Returns out. */
const char *parameter_print(const struct parameters *parameters, enum parameter_id id, char out[static PARAMETER_TEXT]);

/*
 * Scalars as the whole file writes them. 0, or -EINVAL when the text is nothing of the kind or does not fit.
 * Numbers: decimal or 0x hexadecimal, no sign; seconds may have up to three decimals. Flags: on, off, true,
 * false, yes, no in any case.
 */
int text_to_uint(const char *text, uint32_t *value);
int text_to_ms(const char *text, uint32_t *ms);
int text_to_flag(const char *text, bool *value);

#endif
