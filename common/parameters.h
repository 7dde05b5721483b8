/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's parameters (SS_...), declared once in parameters.def and expanded into this structure, the
 * configuration schema, `tandemctl parameters` and docs/parameters.md.
 */
#ifndef TANDEM_COMMON_PARAMETERS_H
#define TANDEM_COMMON_PARAMETERS_H

#include <stdbool.h>
#include <stdint.h>

#define PARAMETER_NO_LIMIT UINT32_MAX /* "none" */
#define RESEND_MAX 10
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

#endif
