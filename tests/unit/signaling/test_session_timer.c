/* SPDX-License-Identifier: Apache-2.0 */
/* Session timers (RFC 4028) and our own requests in a dialog, through a whole engine and on a clock of the test's. */
#include <stdlib.h>

#include "lab.h"
#include "signaling/call.h"
#include "tests/unit/check.h"

#define TIMER  "Supported: timer\r\n"
#define UPDATE "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n"

static struct sip_message answer, invite; /* what the customer and the vendor got */

/* An established call; what both say of timers. */
static struct lab *established_in(struct lab *lab, const char *customer, const char *vendor)
{
	lab_invite(lab, 1, "4930123", lab_sdp, customer);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, vendor);
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	CHECK_INT(lab_waiting(lab, NULL), 0);
	return lab;
}

static struct lab *established(const char *customer, const char *vendor)
{
	return established_in(lab_new(), customer, vendor);
}

static const struct call_record *record_of(const struct lab *lab)
{
	return call_table_record(lab->calls, 0);
}

/* Ended by us: BYE to both. */
static void check_ended(struct lab *lab, enum end_reason reason, unsigned int code)
{
	char says[64] = "\r\nReason: Q.850;cause=";

	if (code >= 300)
		snprintf(says, sizeof(says), "\r\nReason: SIP;cause=%u, Q.850;cause=", code);
	CHECK(has(lab_take(lab, CUSTOMER, "BYE "), says));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	lab_over(lab, reason, END_BY_SERVER, code);
	lab_free(lab);
}

static void hang_up(struct lab *lab)
{
	lab->extra = NULL;
	lab_caller_request(lab, &answer, "BYE", 90, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);
}

/* Nothing is sent till ms from now, and then something. */
static void quiet_till(struct lab *lab, uint64_t ms)
{
	lab_sleep(lab, ms - 50);
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_sleep(lab, 100);
}

/* A whole refresh at this time by this method, as the vendor sees it. */
static struct sip_message *refreshed(struct lab *lab, uint64_t ms, const char *method, const char *says)
{
	static struct sip_message refresh;
	const char *sdp = *method == 'I' ? lab_sdp : NULL;

	quiet_till(lab, ms);
	refresh = *lab_take(lab, VENDOR(0), method);
	lab_reply(lab, &refresh, VENDOR(0), 200, "", sdp, says);
	if (sdp)
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK_INT(lab_waiting(lab, NULL), 0);
	return &refresh;
}

/* ---- who has timers ---- */

static void nobody(void)
{
	struct lab *lab = established("", "");

	CHECK(has(&invite, "Supported: timer\r\nSession-Expires: 600\r\nMin-SE: 90\r\n"));
	CHECK(!has(&answer, "Session-Expires"));
	CHECK_INT(sizeof(struct call_record), 1536);
	quiet_till(lab, 7200 * 1000);
	check_ended(lab, END_NO_TIMER_LIMIT, 200);
}

/* The limit of calls without a timer ends with the caller's first word of one, which stays: then we refresh. */
static void begun_in_the_call(void)
{
	struct lab *lab = lab_new();

	lab->config.parameters.no_timer_reinvite_interval_s = 200;
	lab->config.parameters.max_call_duration_s = 900;
	lab_reload(lab);
	established_in(lab, "", "");
	lab_sleep(lab, 100 * 1000);
	lab->extra = TIMER "Session-Expires: 600;refresher=uac\r\n";
	lab_caller_request(lab, &answer, "UPDATE", 2, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "Session-Expires: 600;refresher=uac"));
	quiet_till(lab, 400 * 1000);
	lab->extra = UPDATE;
	lab_caller_request(lab, &answer, "UPDATE", 3, NULL); /* without a word of timers */
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "Session-Expires: 600;refresher=uas"));
	quiet_till(lab, 300 * 1000);
	lab_reply(lab, lab_take(lab, CUSTOMER, "UPDATE "), CUSTOMER, 200, "", NULL, "");
	lab_restart(lab);
	quiet_till(lab, 100 * 1000 - 100);
	check_ended(lab, END_MAX_DURATION, 200);
}

/* Off: nothing is said of timers, nothing is refused, and the limit of calls without one holds for all. */
static void off(void)
{
	struct lab *lab = lab_new();

	lab->config.parameters.session_ttl_s = 0;
	lab_reload(lab);
	established_in(lab, TIMER "Session-Expires: 60\r\n", TIMER "Session-Expires: 300;refresher=uac\r\n" UPDATE);
	CHECK(!has(&invite, "Session-Expires") && !has(&invite, "Min-SE"));
	CHECK(!has(&answer, "Session-Expires"));
	quiet_till(lab, 7200 * 1000);
	check_ended(lab, END_NO_TIMER_LIMIT, 200);
}

/* Where the caller has a timer the limit does not hold; the shortest of the others does. */
static void limits(void)
{
	struct lab *lab = lab_new();

	lab->config.parameters.no_timer_reinvite_interval_s = 0;
	lab_reload(lab);
	established_in(lab, "", "");
	quiet_till(lab, 86400 * 1000);
	CHECK_INT(lab_standing(lab), 1);
	hang_up(lab);

	lab = lab_new();
	lab->config.parameters.max_call_duration_s = 100;
	lab_reload(lab);
	established_in(lab, TIMER, "");
	/* Calls keep the values they started with. */
	lab->config.parameters.max_call_duration_s = 1;
	lab->config.parameters.session_ttl_s = 60;
	lab_reload(lab);
	quiet_till(lab, 100 * 1000);
	check_ended(lab, END_MAX_DURATION, 200);
}

/* ---- negotiation ---- */

static void too_short(void)
{
	struct lab *lab = lab_new();
	struct sip_message *m;

	lab_invite(lab, 7, "4930123", lab_sdp, TIMER "x: 60\r\n");
	m = lab_take(lab, CUSTOMER, "SIP/2.0 422");
	CHECK(has(m, "Min-SE: 90\r\n"));
	lab_ack_failure(lab, CUSTOMER, m);
	CHECK_INT(lab_standing(lab), 0);
	CHECK_INT(lab_count(lab, COUNTER_session_timer_too_short), 1);
	established_in(lab, TIMER "Session-Expires: 90\r\nMin-SE: 90\r\n", "");
	CHECK(has(&answer, "Session-Expires: 90;refresher=uac\r\n") && has(&answer, "Require: timer\r\n"));
	/* In the dialog, too. */
	lab->extra = TIMER "Session-Expires: 89\r\n";
	lab_caller_request(lab, &answer, "UPDATE", 2, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 422"), "Min-SE: 90\r\n"));
	lab_caller_request(lab, &answer, "INVITE", 3, lab_sdp);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 422"));
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	hang_up(lab);
}

/* A proxy on the way wants a timer, the caller knows none: it is not refused, and we refresh. */
static void wanted_by_a_proxy(void)
{
	struct lab *lab = established("Session-Expires: 60\r\n", "");

	CHECK(has(&answer, "Session-Expires: 90;refresher=uas\r\n") && !has(&answer, "Require"));
	hang_up(lab);
}

static void raised(void)
{
	struct lab *lab = lab_new();
	struct sip_message *m;

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &invite, VENDOR(0), 422, "v", NULL, "Min-SE: 1800\r\n");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	invite = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK(has(&invite, "Session-Expires: 1800\r\nMin-SE: 1800\r\n"));
	lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, "Session-Expires: 1800;refresher=uac\r\n" UPDATE);
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
	lab_caller_request(lab, &answer, "ACK", 1, NULL);
	m = refreshed(lab, 900 * 1000, "UPDATE ", "Session-Expires: 1800;refresher=uac\r\n");
	CHECK(has(m, "Session-Expires: 1800;refresher=uac\r\nMin-SE: 1800\r\n"));
	CHECK_INT(lab->cdr_count, 0);
	hang_up(lab);
}

/* A vendor that is never content is left like any that refuses. */
static void raised_for_ever(void)
{
	struct lab *lab = lab_new();
	char min[32];

	lab_invite(lab, 1, "4930123", lab_sdp, "");
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	for (unsigned int i = 0; i < 4; i++) {
		snprintf(min, sizeof(min), "Min-SE: %u\r\n", 1000 + i);
		lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 422, "v", NULL, min);
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
	}
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	/* The next vendor is offered what we want ourselves. */
	CHECK(has(lab_take(lab, VENDOR(1), "INVITE "), "Session-Expires: 600\r\nMin-SE: 90\r\n"));
	lab_cancel(lab, 1, "4930123");
	lab_over(lab, END_CALLER_CANCEL, END_BY_CALLER, 487);
	lab_free(lab);
}

static const struct {
	const char *says, *refresher;
	uint32_t parameter, interval_s;
} caller_cases[] = {
    {TIMER, "uac", 0, 600},
    {TIMER, "uas", 1, 600},
    {TIMER "Session-Expires: 1800\r\n", "uac", 0, 600},
    {TIMER "Session-Expires: 1800\r\n", "uas", 1, 600},
    {TIMER "Session-Expires: 120;refresher=uas\r\n", "uas", 0, 120},
    {TIMER "Session-Expires: 120;refresher=uac\r\n", "uac", 1, 120},
    {TIMER "Session-Expires: 1800;refresher=uac\r\nMin-SE: 900\r\n", "uac", 0, 900},
    {"Require: timer\r\nSession-Expires: 200\r\n", "uac", 0, 200},
};

static void caller_leg(void)
{
	for (size_t i = 0; i < sizeof(caller_cases) / sizeof(caller_cases[0]); i++) {
		struct lab *lab = lab_new();
		char expected[64];

		lab->config.parameters.session_timer_refresher = caller_cases[i].parameter;
		lab_reload(lab);
		established_in(lab, caller_cases[i].says, "");
		snprintf(expected, sizeof(expected), "Session-Expires: %u;refresher=%s\r\n", caller_cases[i].interval_s,
			 caller_cases[i].refresher);
		CHECK(has(&answer, expected));
		CHECK(has(&answer, "Require: timer\r\n") == (caller_cases[i].refresher[2] == 'c'));
		lab_sleep(lab, caller_cases[i].interval_s * 500 + 100);
		CHECK_INT(lab_waiting(lab, CUSTOMER), caller_cases[i].refresher[2] == 's');
		lab_skip(lab, NULL);
		hang_up(lab);
	}
}

static const struct {
	const char *says;
	uint32_t parameter;
	bool runs, we_refresh;
	uint32_t interval_s;
} callee_cases[] = {
    {UPDATE "Session-Expires: 600;refresher=uac\r\n", 1, true, true, 600},
    {UPDATE "Session-Expires: 300;refresher=uas\r\n", 0, true, false, 300},
    {UPDATE "Session-Expires: 300\r\n", 0, true, true, 300},
    {UPDATE "Session-Expires: 300\r\n", 1, true, false, 300},
    {UPDATE TIMER, 1, true, true, 600},
    {UPDATE, 0, false, false, 0},
    {UPDATE "Session-Expires: 1;refresher=uac\r\n", 0, true, true, 60},
    {UPDATE "Session-Expires: 4000000000;refresher=uac\r\n", 0, true, true, 86400},
    {UPDATE "Session-Expires: rubbish\r\n", 0, false, false, 0},
};

static void callee_leg(void)
{
	for (size_t i = 0; i < sizeof(callee_cases) / sizeof(callee_cases[0]); i++) {
		struct lab *lab = lab_new();

		lab->config.parameters.session_timer_refresher = callee_cases[i].parameter;
		lab_reload(lab);
		established_in(lab, "", callee_cases[i].says);
		const struct call_dialog *d = &record_of(lab)->dialog[CALLEE];

		CHECK_INT((d->flags & DIALOG_TIMER) != 0, callee_cases[i].runs);
		CHECK_INT(d->session_interval_s, callee_cases[i].interval_s);
		CHECK_INT(d->session_refresh_us != 0, callee_cases[i].we_refresh);
		lab_sleep(lab, callee_cases[i].interval_s < 10000 ? callee_cases[i].interval_s * 500 + 100 : 1000);
		CHECK_INT(lab_waiting(lab, VENDOR(0)),
			  callee_cases[i].we_refresh && callee_cases[i].interval_s < 10000);
		lab_skip(lab, NULL);
		hang_up(lab);
	}
}

/* ---- refreshes ---- */

static void by_update(void)
{
	struct lab *lab = established("", UPDATE "Session-Expires: 600;refresher=uac\r\n");
	struct sip_message *m;

	for (unsigned int i = 0; i < 20; i++) {
		/* What a 2xx does not say goes on as it was. */
		m = refreshed(lab, 300 * 1000, "UPDATE ", i & 1 ? "Session-Expires: 600;refresher=uac\r\n" : "");
		CHECK(has(m, "Session-Expires: 600;refresher=uac\r\n") && has(m, TIMER) && m->body.len == 0);
	}
	CHECK_INT(lab_count(lab, COUNTER_session_timer_confirmed), 20);
	hang_up(lab);
}

static struct sip_text sdp_of(struct sip_message *m)
{
	return m ? m->body : SIP_TEXT("");
}

/* The re-INVITE says what its INVITE said, to the byte. */
static void by_reinvite(void)
{
	struct lab *lab = established(TIMER "Session-Expires: 600;refresher=uas\r\n", "Session-Expires: 600\r\n");
	static struct sip_message m;

	quiet_till(lab, 300 * 1000);
	m = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK(sdp_of(&m).len && sip_text_equal(sdp_of(&m), sdp_of(&invite)));
	lab_reply(lab, &m, VENDOR(0), 100, "", NULL, "");
	lab_reply(lab, &m, VENDOR(0), 200, "", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	m = *lab_take(lab, CUSTOMER, "INVITE ");
	CHECK(sdp_of(&m).len && sip_text_equal(sdp_of(&m), sdp_of(&answer)));
	CHECK(has(&m, "Session-Expires: 600;refresher=uac\r\n"));
	lab_reply(lab, &m, CUSTOMER, 200, "", lab_sdp, "Session-Expires: 600;refresher=uac\r\n");
	CHECK(has(lab_take(lab, CUSTOMER, "ACK "), "Content-Length: 0"));
	CHECK(lab->engine->calls->call[0].work == NULL);
	quiet_till(lab, 300 * 1000);
	CHECK(lab_take(lab, CUSTOMER, "INVITE "));
	CHECK(sip_text_equal(sdp_of(lab_take(lab, VENDOR(0), "INVITE ")), sdp_of(&invite)));
	hang_up(lab);
}

/* It says what was said last, whichever way that came: not what was said when it was last needed. */
static void by_reinvite_after_a_change(void)
{
	static const char held[] = "v=0\r\no=peer 1 2 IN IP4 10.1.0.5\r\ns=-\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\n"
				   "m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n";
	struct lab *lab = established(TIMER, "Session-Expires: 600\r\n");
	static struct sip_message m, refresh;

	lab->extra = TIMER;
	for (unsigned int i = 0; i < 41; i++) {
		const char *sdp = i & 1 ? lab_sdp : held;

		/* A re-INVITE of the customer's; each fourth leaves the refreshes to the vendor for a while. */
		lab_sleep(lab, 1000);
		lab_caller_request(lab, &answer, "INVITE", 2 + i, sdp);
		m = *lab_take(lab, VENDOR(0), "INVITE ");
		lab_reply(lab, &m, VENDOR(0), 200, "", lab_sdp,
			  i % 4 == 3 ? "Session-Expires: 600;refresher=uas\r\n"
				     : "Session-Expires: 600;refresher=uac\r\n");
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
		lab_caller_request(lab, &answer, "ACK", 2 + i, NULL);
		lab_skip(lab, NULL);
		CHECK_INT(record_of(lab)->dialog[CALLEE].local_sdp.len != 0, i % 4 != 3);
	}
	quiet_till(lab, 300 * 1000);
	refresh = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK(sip_text_equal(sdp_of(&refresh), sdp_of(&m)) && has(&m, "a=sendonly"));
	/* Nothing grows meanwhile. */
	CHECK(record_of(lab)->block_used < 2 * CALL_SMALL_BLOCK);
	hang_up(lab);
}

/* Without room for the description, one is made of what the record knows: here at last, that the customer holds. */
static void by_reinvite_without_room(void)
{
	static const char held[] = "v=0\r\no=peer 1 2 IN IP4 10.1.0.5\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
				   "m=audio 4000 RTP/AVP 8\r\n";
	struct lab *lab = lab_new();
	static struct sip_message m;
	static char version[2][64];

	lab->engine->calls->small_blocks.count = lab->engine->calls->large_blocks.count = 0;
	established_in(lab, "", "Session-Expires: 600\r\n");
	for (unsigned int i = 0; i < 2; i++) {
		lab_sleep(lab, 300 * 1000 + 100);
		m = *lab_take(lab, VENDOR(0), "INVITE ");
		CHECK(has(&m, "c=IN IP4 10.0.0.2\r\n") && has(&m, " RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"));
		CHECK(sscanf(memmem(m.data, m.len, "o=", 2), "%63[^\r]", version[i]) == 1);
		lab_reply(lab, &m, VENDOR(0), 200, "", lab_sdp, "");
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
	}
	CHECK_TEXT(version[0], strlen(version[0]), version[1]);
	lab_caller_request(lab, &answer, "INVITE", 2, held);
	m = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &m, VENDOR(0), 200, "", lab_sdp, "Session-Expires: 600;refresher=uac\r\n");
	lab_caller_request(lab, &answer, "ACK", 2, NULL);
	lab_skip(lab, NULL);
	lab_sleep(lab, 300 * 1000 + 100);
	m = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK(has(&m, "c=IN IP4 0.0.0.0\r\n") && has(&m, "a=sendrecv\r\n"));
	lab_reply(lab, &m, VENDOR(0), 200, "", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	hang_up(lab);
}

/* What the record knows makes no offer of what was encrypted, or of more than one stream: UPDATE needs none. */
static void by_update_without_room(void)
{
	static const char *const said[] = {
	    "m=audio 4000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 "
	    "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n",
	    "m=audio 4000 RTP/AVP 8\r\nm=video 4002 RTP/AVP 97\r\n",
	};

	for (unsigned int i = 0; i < 2; i++) {
		struct lab *lab = lab_new();
		char sdp[512];

		snprintf(sdp, sizeof(sdp), "v=0\r\no=- 1 1 IN IP4 10.1.0.5\r\ns=-\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\n%s",
			 said[i]);
		lab->engine->calls->small_blocks.count = lab->engine->calls->large_blocks.count = 0;
		lab_invite(lab, 1, "4930123", sdp, "");
		lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 200, "v", sdp,
			  "Session-Expires: 600\r\n");
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
		answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
		lab_caller_request(lab, &answer, "ACK", 1, NULL);
		call_put_description(&lab->engine->calls->call[0], CALLEE, SIP_TEXT(""));
		lab_skip(lab, NULL);
		CHECK_INT(refreshed(lab, 300 * 1000, "UPDATE ", "")->body.len, 0);
		/* Refused: not at once again, but in time. */
		quiet_till(lab, 300 * 1000);
		lab_reply(lab, lab_take(lab, VENDOR(0), "UPDATE "), VENDOR(0), 405, "", NULL, "");
		CHECK_INT(lab_waiting(lab, NULL), 0);
		lab_sleep(lab, 151 * 1000);
		CHECK(lab_take(lab, VENDOR(0), "UPDATE "));
		lab_skip(lab, NULL);
		hang_up(lab);
	}
}

#define AT(port)                                                                                                       \
	"v=0\r\no=peer 1 2 IN IP4 10.2.0.1\r\ns=-\r\nc=IN IP4 10.2.0.1\r\nt=0 0\r\nm=audio " port                      \
	" RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"

/* Audio passes by, and the answer to our refresh says that it goes elsewhere now: the other side has to know. */
static void moves_at_refresh(void)
{
	for (unsigned int way = 0; way < 3; way++) {
		struct lab *lab = lab_new();
		static struct sip_message m;

		lab->config.parameters.media_proxy_mode = MEDIA_PROXY_OFF;
		lab_reload(lab);
		established_in(lab, way == 2 ? TIMER : "", "Session-Expires: 600\r\n");
		quiet_till(lab, 300 * 1000);
		m = *lab_take(lab, VENDOR(0), "INVITE ");
		lab_reply(lab, &m, VENDOR(0), 200, "", AT("6000"), "");
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
		if (way == 1)
			lab_restart(lab);
		lab_sleep(lab, 100);
		m = *lab_take(lab, CUSTOMER, "INVITE ");
		CHECK(has(&m, "c=IN IP4 10.2.0.1\r\n") && has(&m, "m=audio 6000 RTP/AVP 8\r\n"));
		lab_reply(lab, &m, CUSTOMER, 491, "", NULL, "");
		CHECK(lab_take(lab, CUSTOMER, "ACK "));
		lab_sleep(lab, 2200);
		m = *lab_take(lab, CUSTOMER, "INVITE ");
		CHECK(has(&m, "m=audio 6000 RTP/AVP 8\r\n"));
		lab_skip(lab, CUSTOMER); /* sent again */
		lab_reply(lab, &m, CUSTOMER, way == 2 ? 488 : 200, "", way == 2 ? NULL : lab_sdp, "");
		CHECK(lab_take(lab, CUSTOMER, "ACK "));
		CHECK_INT(record_of(lab)->dialog[CALLER].flags & DIALOG_OFFER_DUE, 0);
		CHECK_INT(lab_waiting(lab, NULL), 0);
		quiet_till(lab, 295 * 1000);
		lab_skip(lab, NULL);
		hang_up(lab);
	}
}

/* A method that is refused is not used again, and the other one is at once. */
static void methods_refused(void)
{
	static const unsigned int codes[] = {405, 501, 488};

	for (unsigned int i = 0; i < 3; i++) {
		struct lab *lab = established("", UPDATE "Session-Expires: 600\r\n");
		static struct sip_message m;

		quiet_till(lab, 300 * 1000);
		lab_reply(lab, lab_take(lab, VENDOR(0), "UPDATE "), VENDOR(0), codes[i], "", NULL, "");
		m = *lab_take(lab, VENDOR(0), "INVITE ");
		lab_reply(lab, &m, VENDOR(0), 200, "", lab_sdp, "");
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
		m = *refreshed(lab, 300 * 1000, "INVITE ", "");
		hang_up(lab);
		/* And the other way round. */
		lab = established("", "Session-Expires: 600\r\n");
		quiet_till(lab, 300 * 1000);
		lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), codes[i], "", NULL, "");
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
		lab_reply(lab, lab_take(lab, VENDOR(0), "UPDATE "), VENDOR(0), 200, "", NULL, "");
		refreshed(lab, 300 * 1000, "UPDATE ", "");
		hang_up(lab);
	}
}

/* Refused by both methods, again and again: tried at each segment, and over when the session is. */
static void refused_for_ever(void)
{
	struct lab *lab = lab_new();
	unsigned int tries = 0;

	lab->config.parameters.session_update_segment = 10;
	lab_reload(lab);
	established_in(lab, "", UPDATE "Session-Expires: 600\r\n");
	while (lab_standing(lab) && tries < 100) {
		lab_sleep(lab, 60 * 1000);
		while (lab_waiting(lab, VENDOR(0)) && lab_waiting(lab, CUSTOMER) == 0) {
			struct sip_message *m = lab_take(lab, VENDOR(0), "");

			if (m->method != SIP_ACK)
				lab_reply(lab, m, VENDOR(0), 403, "", NULL, "");
			tries += m->method != SIP_ACK;
		}
		if (lab_waiting(lab, CUSTOMER))
			break;
	}
	CHECK(tries >= 16 && tries <= 20);
	CHECK(lab->now_us - 1000 * US_PER_S < 601 * US_PER_S);
	while (lab_waiting(lab, VENDOR(0)) > 1)
		lab_take(lab, VENDOR(0), "");
	check_ended(lab, END_SESSION_TIMEOUT, 200);
}

static void glare(void)
{
	for (unsigned int i = 0; i < 20; i++) {
		struct lab *lab =
		    established(TIMER "Session-Expires: 600;refresher=uas\r\n", "Session-Expires: 600\r\n");
		static struct sip_message m;
		const char *peer[] = {CUSTOMER, VENDOR(0)};
		uint64_t since_us, waited_us[2] = {0, 0};

		quiet_till(lab, 300 * 1000);
		since_us = lab->now_us;
		for (unsigned int side = 0; side < 2; side++) {
			m = *lab_take(lab, peer[side], "INVITE ");
			lab_reply(lab, &m, peer[side], 491, "", NULL, "");
			CHECK(lab_take(lab, peer[side], "ACK "));
		}
		while (lab->now_us < since_us + 5 * US_PER_S) {
			lab_sleep(lab, 10);
			for (unsigned int side = 0; side < 2; side++)
				if (!waited_us[side] && lab_waiting(lab, peer[side]))
					waited_us[side] = lab->now_us - since_us;
		}
		/* The caller made its Call-ID, we the callee's. */
		CHECK(waited_us[0] && waited_us[0] <= 2100 * US_PER_MS);
		CHECK(waited_us[1] >= 2100 * US_PER_MS && waited_us[1] <= 4100 * US_PER_MS);
		lab_skip(lab, NULL);
		hang_up(lab);
	}
}

/* A re-INVITE that is answered 1xx and no more is taken back, and has not refreshed anything. */
static void never_final(void)
{
	static const unsigned int codes[] = {487, 200, 0};

	for (unsigned int i = 0; i < 3; i++) {
		struct lab *lab = established("", "Session-Expires: 600\r\n");
		static struct sip_message m, cancel;

		quiet_till(lab, 300 * 1000);
		m = *lab_take(lab, VENDOR(0), "INVITE ");
		lab_reply(lab, &m, VENDOR(0), 100, "", NULL, "");
		quiet_till(lab, 40 * 1000 - 50);
		cancel = *lab_take(lab, VENDOR(0), "CANCEL ");
		lab_reply(lab, &cancel, VENDOR(0), 200, "", NULL, "");
		lab_caller_request(lab, &answer, "INVITE", 2, lab_sdp);
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 491")); /* ours stands still */
		if (codes[i]) {
			lab_reply(lab, &m, VENDOR(0), codes[i], "", codes[i] == 200 ? lab_sdp : NULL, "");
			CHECK(lab_take(lab, VENDOR(0), "ACK "));
		} else {
			lab_sleep(lab, 33 * 1000);
		}
		CHECK_INT(lab_count(lab, COUNTER_session_timer_confirmed), codes[i] == 200);
		if (codes[i] != 200)
			lab_reply(lab, lab_take(lab, VENDOR(0), "UPDATE "), VENDOR(0), 200, "", NULL, "");
		CHECK(lab->engine->calls->call[0].work == NULL);
		lab_skip(lab, NULL); /* what came again */
		lab_caller_request(lab, &answer, "INVITE", 3, lab_sdp);
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
		CHECK(lab_take(lab, VENDOR(0), "INVITE "));
		lab_skip(lab, NULL);
		hang_up(lab);
	}
}

/* 481, 408 or nothing at all: nobody is there any more. */
static void dead(void)
{
	static const unsigned int codes[] = {481, 408, 0};

	for (unsigned int i = 0; i < 3; i++) {
		for (unsigned int reinvite = 0; reinvite < 2; reinvite++) {
			struct lab *lab =
			    established("", reinvite ? "Session-Expires: 600\r\n" : UPDATE "Session-Expires: 600\r\n");
			static struct sip_message m;

			quiet_till(lab, 300 * 1000);
			m = *lab_take(lab, VENDOR(0), reinvite ? "INVITE " : "UPDATE ");
			if (codes[i])
				lab_reply(lab, &m, VENDOR(0), codes[i], "", NULL, "");
			else
				lab_sleep(lab, 32 * 1000);
			while (lab_waiting(lab, VENDOR(0)) > 1)
				lab_take(lab, VENDOR(0), ""); /* resends, ACK */
			check_ended(lab, END_SESSION_TIMEOUT, codes[i] ? codes[i] : 408);
		}
	}
}

/* A refresh is challenged like any other request. */
static void challenged(void)
{
	struct lab *lab = lab_new();
	static struct sip_message m;
	uint32_t cseq;

	lab_give_credentials(lab);
	established_in(lab, "", UPDATE "Session-Expires: 600\r\n");
	quiet_till(lab, 300 * 1000);
	m = *lab_take(lab, VENDOR(0), "UPDATE ");
	cseq = sip_message_cseq(&m)->number;
	lab_reply(lab, &m, VENDOR(0), 407, "", NULL, "Proxy-Authenticate: Digest realm=\"v\", nonce=\"n\"\r\n");
	m = *lab_take(lab, VENDOR(0), "UPDATE ");
	CHECK(has(&m, "Proxy-Authorization: Digest username=\"tandem\""));
	CHECK_INT(sip_message_cseq(&m)->number, cseq + 1);
	lab_reply(lab, &m, VENDOR(0), 200, "", NULL, "");
	/* Our BYE, too; and once is enough. */
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
	for (unsigned int i = 0; i < 2; i++) {
		m = *lab_take(lab, VENDOR(0), "BYE ");
		CHECK(has(&m, "Proxy-Authorization: ") == (i == 1));
		CHECK_INT(sip_message_cseq(&m)->number, cseq + 2 + i);
		lab_reply(lab, &m, VENDOR(0), 407, "", NULL, "Proxy-Authenticate: Digest realm=\"v\", nonce=\"n\"\r\n");
	}
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0);
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);
}

/* SEGMENT says when; what failed is tried again a segment later, and before the end in any case. */
static void segments(void)
{
	static const uint32_t segment[] = {2, 10};

	for (unsigned int i = 0; i < 2; i++) {
		struct lab *lab = lab_new();
		uint64_t wait_ms = 600 * 1000 / segment[i];

		lab->config.parameters.session_update_segment = segment[i];
		lab_reload(lab);
		established_in(lab, "", UPDATE "Session-Expires: 600\r\n");
		refreshed(lab, wait_ms, "UPDATE ", "");
		quiet_till(lab, wait_ms);
		lab_reply(lab, lab_take(lab, VENDOR(0), "UPDATE "), VENDOR(0), 500, "", NULL, "");
		quiet_till(lab, i ? wait_ms : wait_ms / 2);
		lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 200, "", lab_sdp, "");
		CHECK(lab_take(lab, VENDOR(0), "ACK "));
		hang_up(lab);
	}
}

/* ---- the peer refreshes ---- */

/* It stops: the session ends, on time or early; but no earlier than a third of the interval. */
static void peer_stops(void)
{
	static const struct {
		uint32_t early_s, end_s;
	} cases[] = {{0, 600}, {30, 570}, {3600, 400}};

	for (unsigned int i = 0; i < 3; i++) {
		struct lab *lab = lab_new();

		lab->config.parameters.session_timeout_early_hangup_s = cases[i].early_s;
		lab_reload(lab);
		established_in(lab, TIMER, "");
		quiet_till(lab, cases[i].end_s * 1000);
		CHECK_INT(lab_count(lab, COUNTER_session_timer_timeouts), 1);
		check_ended(lab, END_SESSION_TIMEOUT, 200);
	}
}

/* It goes on: by UPDATE, which is answered here, and by re-INVITE, which crosses. */
static void peer_refreshes(void)
{
	struct lab *lab = established(TIMER, UPDATE "Session-Expires: 600;refresher=uas\r\n");
	struct sip_message *m;
	static struct sip_message passed;
	unsigned int cseq = 2;

	lab->extra = TIMER "Session-Expires: 600;refresher=uac\r\n";
	for (unsigned int i = 0; i < 20; i++) {
		lab_sleep(lab, 500 * 1000);
		lab_caller_request(lab, &answer, "UPDATE", cseq++, NULL);
		m = lab_take(lab, CUSTOMER, "SIP/2.0 200");
		CHECK(has(m, "Session-Expires: 600;refresher=uac\r\nRequire: timer\r\n") && has(m, "Contact: "));
		lab_callee_request(lab, &invite, VENDOR(0), "v", "INVITE", cseq, lab_sdp);
		CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 100"));
		passed = *lab_take(lab, CUSTOMER, "INVITE ");
		CHECK(has(&passed, "Session-Expires: 600;refresher=uas\r\n"));
		lab_reply(lab, &passed, CUSTOMER, 200, "", lab_sdp, "Session-Expires: 600;refresher=uas\r\n");
		CHECK(lab_take(lab, CUSTOMER, "ACK "));
		CHECK(has(lab_take(lab, VENDOR(0), "SIP/2.0 200"), "Session-Expires: 600;refresher=uac\r\n"));
		lab_callee_request(lab, &invite, VENDOR(0), "v", "ACK", cseq, NULL);
		CHECK_INT(lab_waiting(lab, NULL), 0);
	}
	CHECK_INT(lab_standing(lab), 1);
	hang_up(lab);
}

/* Whoever refreshes may change with every request. */
static void changes_hands(void)
{
	struct lab *lab = established(TIMER "Session-Expires: 600;refresher=uas\r\n" UPDATE, "");

	lab_sleep(lab, 200 * 1000);
	lab->extra = TIMER "Session-Expires: 600;refresher=uac\r\n";
	lab_caller_request(lab, &answer, "UPDATE", 2, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "Session-Expires: 600;refresher=uac\r\n"));
	lab_sleep(lab, 500 * 1000);
	CHECK_INT(lab_waiting(lab, NULL), 0);
	/* One that leaves it open leaves it as it is; one that has forgotten its timer no longer needs one. */
	lab->extra = TIMER "Session-Expires: 600\r\n";
	lab_caller_request(lab, &answer, "UPDATE", 3, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "Session-Expires: 600;refresher=uac\r\n"));
	lab->extra = NULL;
	lab_caller_request(lab, &answer, "UPDATE", 4, NULL);
	CHECK(has(lab_take(lab, CUSTOMER, "SIP/2.0 200"), "Session-Expires: 600;refresher=uas\r\n"));
	quiet_till(lab, 300 * 1000);
	/* Handed over by the answer to our own. */
	lab_reply(lab, lab_take(lab, CUSTOMER, "UPDATE "), CUSTOMER, 200, "", NULL,
		  "Session-Expires: 600;refresher=uas\r\n");
	quiet_till(lab, 600 * 1000);
	check_ended(lab, END_SESSION_TIMEOUT, 200);
}

/* ---- requests that cross ---- */

/* A re-INVITE comes while ours is under way, and for the other side, too: RFC 3261 section 14. */
static void crossing(void)
{
	struct lab *lab = established("", "Session-Expires: 600\r\n");
	static struct sip_message m;

	quiet_till(lab, 300 * 1000);
	m = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_callee_request(lab, &invite, VENDOR(0), "v", "INVITE", 2, lab_sdp);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 491"));
	lab_caller_request(lab, &answer, "INVITE", 2, lab_sdp);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 491"));
	/* A refresh without offer is none. */
	lab_callee_request(lab, &invite, VENDOR(0), "v", "UPDATE", 3, NULL);
	CHECK(lab_take(lab, VENDOR(0), "SIP/2.0 200"));
	/* Hung up in the middle of it: the late 200 is acknowledged and ended. */
	lab_reply(lab, &m, VENDOR(0), 100, "", NULL, "");
	lab_caller_request(lab, &answer, "BYE", 3, NULL);
	CHECK(has(lab_take(lab, VENDOR(0), "CANCEL "), "Reason: Q.850;cause=16\r\n"));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	lab_reply(lab, &m, VENDOR(0), 200, "", lab_sdp, "");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	CHECK_INT(lab_waiting(lab, VENDOR(0)), 0); /* BYE has been said */
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	lab_free(lab);
}

/* Ours waits while a passed one is under way; that one refreshes just as well. */
static void waits_for_passed(void)
{
	struct lab *lab = established("", "Session-Expires: 600\r\n");
	static struct sip_message m;

	lab_sleep(lab, 299 * 1000);
	lab_caller_request(lab, &answer, "INVITE", 2, lab_sdp);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
	m = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK(has(&m, "Session-Expires: 600;refresher=uac\r\n"));
	lab_reply(lab, &m, VENDOR(0), 180, "", NULL, "");
	lab_sleep(lab, 10 * 1000);
	CHECK_INT(lab_waiting(lab, NULL), 0);
	lab_reply(lab, &m, VENDOR(0), 200, "", lab_sdp, "Session-Expires: 600;refresher=uac\r\n");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	lab_skip(lab, NULL);
	lab_caller_request(lab, &answer, "ACK", 2, NULL);
	quiet_till(lab, 300 * 1000);
	CHECK(lab_take(lab, VENDOR(0), "INVITE "));
	hang_up(lab);
}

/* A request of the other side's that nobody knows any more, or answers: the call is over. */
static void passed_to_the_dead(void)
{
	static const struct {
		const char *method;
		unsigned int code;
		bool ends;
	} cases[] = {{"INVITE", 481, true}, {"INVITE", 408, true}, {"INVITE", 0, true}, {"INVITE", 488, false},
		     {"UPDATE", 481, true}, {"UPDATE", 408, true}, {"UPDATE", 0, true}, {"UPDATE", 500, false},
		     {"INFO", 481, true},   {"INFO", 408, false},  {"INFO", 0, false},  {"INFO", 415, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lab *lab = established("", "");
		bool info = cases[i].method[2] == 'F';

		lab_caller_request(lab, &answer, cases[i].method, 2, info ? NULL : lab_sdp);
		invite = *lab_take(lab, VENDOR(0), cases[i].method);
		if (cases[i].code)
			lab_reply(lab, &invite, VENDOR(0), cases[i].code, "", NULL, "");
		else
			lab_sleep(lab, 33 * 1000);
		CHECK_INT(lab_standing(lab) && call_table_record(lab->calls, 0)->state <= CALL_ESTABLISHED,
			  !cases[i].ends);
		if (cases[i].ends) {
			CHECK_INT(lab->cdr_count, 1);
			CHECK_INT(lab->cdrs[0].reason, END_SESSION_TIMEOUT);
			CHECK_INT(lab->cdrs[0].code, cases[i].code ? cases[i].code : 408);
			lab_skip(lab, NULL);
			lab_sleep(lab, 70000);
			CHECK_INT(lab_standing(lab), 0);
			lab_free(lab);
		} else {
			lab_skip(lab, NULL);
			hang_up(lab);
		}
	}
}

/* A passed request is challenged, or its session too short: what the asker sees is the answer after that. */
static void passed_again(void)
{
	static const char *const methods[] = {"INVITE", "UPDATE", "INFO"};
	static const char challenge[] = "WWW-Authenticate: Digest realm=\"v\", nonce=\"n\"\r\n";
	struct lab *lab = lab_new();
	static struct sip_message m, again;
	unsigned int cseq = 2;

	lab_give_credentials(lab);
	established_in(lab, "", UPDATE "Session-Expires: 600;refresher=uas\r\n");
	for (unsigned int i = 0; i < 3; i++, cseq++) {
		lab_caller_request(lab, &answer, methods[i], cseq, i < 2 ? lab_sdp : NULL);
		m = *lab_take(lab, VENDOR(0), methods[i]);
		lab_reply(lab, &m, VENDOR(0), 401, "", NULL, challenge);
		if (i == 0)
			CHECK(lab_take(lab, VENDOR(0), "ACK "));
		again = *lab_take(lab, VENDOR(0), methods[i]);
		CHECK(has(&again, "Authorization: Digest username=\"tandem\""));
		CHECK(sip_text_equal(sdp_of(&m), sdp_of(&again)));
		if (i < 2) {
			lab_reply(lab, &again, VENDOR(0), 422, "", NULL, i ? "Min-SE: 2000\r\n" : "Min-SE: 1800\r\n");
			if (i == 0)
				CHECK(lab_take(lab, VENDOR(0), "ACK "));
			again = *lab_take(lab, VENDOR(0), methods[i]);
			CHECK(has(&again, i ? "Session-Expires: 2000;" : "Session-Expires: 1800;"));
			CHECK(sip_text_equal(sdp_of(&m), sdp_of(&again)));
		}
		lab_reply(lab, &again, VENDOR(0), 200, "", i < 2 ? lab_sdp : NULL, "");
		if (i == 0) {
			CHECK(lab_take(lab, VENDOR(0), "ACK "));
			CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
		}
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 200"));
		lab_caller_request(lab, &answer, "ACK", cseq, NULL);
		CHECK_INT(lab_waiting(lab, NULL), 0);
		CHECK(lab->engine->calls->call[0].work == NULL);
	}
	/* For ever: then it is refused, and the asker's credentials can't help. */
	lab_caller_request(lab, &answer, "UPDATE", cseq++, lab_sdp);
	for (unsigned int i = 0; i < 2; i++)
		lab_reply(lab, lab_take(lab, VENDOR(0), "UPDATE "), VENDOR(0), 401, "", NULL, challenge);
	CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 403"));
	CHECK_INT(lab_waiting(lab, NULL), 0);
	hang_up(lab);
}

/* ---- kill -9 ---- */

static void stop_for(struct lab *lab, uint64_t seconds)
{
	lab->now_us += seconds * US_PER_S;
	lab_restart(lab);
}

static void killed(void)
{
	struct lab *lab = established(TIMER, "Session-Expires: 600\r\n");
	static struct sip_message m;

	/* Between two refreshes. */
	lab_sleep(lab, 100 * 1000);
	lab_restart(lab);
	quiet_till(lab, 200 * 1000);
	m = *lab_take(lab, VENDOR(0), "INVITE ");
	CHECK(sip_text_equal(sdp_of(&m), sdp_of(&invite)));
	/* During one: its answer is acknowledged, and it is tried again. */
	lab_restart(lab);
	lab_reply(lab, &m, VENDOR(0), 200, "", lab_sdp, "Session-Expires: 600;refresher=uac\r\n");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	quiet_till(lab, 40 * 1000 - 50);
	m = *lab_take(lab, VENDOR(0), "INVITE ");
	lab_reply(lab, &m, VENDOR(0), 200, "", lab_sdp, "Session-Expires: 600;refresher=uac\r\n");
	CHECK(lab_take(lab, VENDOR(0), "ACK "));
	/* For so long that both are overdue: nobody is hung up without a chance. */
	stop_for(lab, 1000);
	CHECK_INT(lab_standing(lab), 1);
	lab_sleep(lab, 34 * 1000);
	CHECK_INT(lab_standing(lab), 1);
	lab_skip(lab, NULL);
	lab_sleep(lab, 600 * 1000);
	CHECK_INT(lab->cdrs[0].reason, END_SESSION_TIMEOUT);
	lab_over(lab, END_SESSION_TIMEOUT, END_BY_SERVER, lab->cdrs[0].code);
	lab_free(lab);
}

/* All that fell due while nobody was there is not sent in one go. */
static void no_storm(void)
{
	struct lab *lab = lab_new();
	uint64_t most = 0, before;

	for (unsigned int i = 0; i < 24; i++) {
		lab_invite(lab, i, "4930123", lab_sdp, "");
		invite = *lab_take(lab, VENDOR(0), "INVITE ");
		lab_reply(lab, &invite, VENDOR(0), 200, "v", lab_sdp, UPDATE "Session-Expires: 600\r\n");
		CHECK(lab_take(lab, CUSTOMER, "SIP/2.0 100"));
		answer = *lab_take(lab, CUSTOMER, "SIP/2.0 200");
		lab_caller_request(lab, &answer, "ACK", 1, NULL);
		lab_skip(lab, NULL);
	}
	stop_for(lab, 310);
	for (unsigned int i = 0; i < 250; i++) {
		before = lab_count(lab, COUNTER_session_timer_refreshes);
		lab_sleep(lab, 400);
		while (lab_waiting(lab, VENDOR(0)))
			lab_reply(lab, lab_take(lab, VENDOR(0), "UPDATE "), VENDOR(0), 200, "", NULL, "");
		before = lab_count(lab, COUNTER_session_timer_refreshes) - before;
		most = before > most ? before : most;
	}
	CHECK_INT(lab_count(lab, COUNTER_session_timer_confirmed), 24);
	CHECK(most < 8);
	lab_free(lab);
}

static const struct check_case cases[] = {
    {"nobody has a timer", nobody},
    {"begun in the call", begun_in_the_call},
    {"off", off},
    {"limits", limits},
    {"too short an interval", too_short},
    {"a proxy wants a timer", wanted_by_a_proxy},
    {"422 from a vendor", raised},
    {"422 for ever", raised_for_ever},
    {"the caller's leg", caller_leg},
    {"the callee's leg", callee_leg},
    {"by UPDATE", by_update},
    {"by re-INVITE", by_reinvite},
    {"by re-INVITE, after a change", by_reinvite_after_a_change},
    {"by re-INVITE, without room", by_reinvite_without_room},
    {"by UPDATE, without room", by_update_without_room},
    {"audio moves at a refresh", moves_at_refresh},
    {"methods refused", methods_refused},
    {"refused for ever", refused_for_ever},
    {"glare", glare},
    {"a re-INVITE that is never answered", never_final},
    {"a dead peer", dead},
    {"challenged", challenged},
    {"segments", segments},
    {"the peer stops", peer_stops},
    {"the peer refreshes", peer_refreshes},
    {"the refresher changes", changes_hands},
    {"crossing", crossing},
    {"ours waits for a passed one", waits_for_passed},
    {"passed to the dead", passed_to_the_dead},
    {"passed again", passed_again},
    {"killed", killed},
    {"no storm", no_storm},
};
CHECK_MAIN(cases)
