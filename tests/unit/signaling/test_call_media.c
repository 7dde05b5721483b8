/* SPDX-License-Identifier: Apache-2.0 */
/* The audio of calls as signalling has it: relayed or direct, ports, silence, the figures in the record. */
#include <stdlib.h>

#include "lab.h"
#include "proto/messages.h"
#include "tests/unit/check.h"

/* The first vendor's call is relayed, the second's is not. */
static void relay_then_direct(void)
{
	struct lab *lab = lab_new();
	struct sip_message *m;

	lab->config.parameters.media_proxy_mode = MEDIA_PROXY_AUTO;
	lab->routing[0].media_mode = MEDIA_ON;
	lab_reload(lab);
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 503, "v", NULL, "");
	CHECK_INT(lab->media_opens, 1);
	m = lab_take(lab, VENDOR(0), "ACK ");
	CHECK(m);
	m = lab_take(lab, VENDOR(1), "INVITE ");
	CHECK(has(m, "c=IN IP4 10.1.0.5"));
	lab_cancel(lab, 1, "4930123");
	lab_skip(lab, NULL);
	lab_over(lab, END_CALLER_CANCEL, END_BY_CALLER, 487);
	CHECK_INT(lab->media_closes, 1);
	lab_free(lab);
}

static void limits(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	lab->config.parameters.max_call_duration_s = 60;
	lab_reload(lab);
	CHECK(lab_call(lab, 1, &answer, &invite));
	lab_sleep(lab, 60100);
	CHECK(lab_take(lab, CUSTOMER, "BYE "));
	CHECK(lab_take(lab, VENDOR(0), "BYE "));
	lab->media_dead = true;
	lab_over(lab, END_MAX_DURATION, END_BY_SERVER, 200);
	lab_free(lab);
}

/* Every port comes back, however the call ended: many more calls than there are pairs. */
static void ports_come_back(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	for (unsigned int i = 0; i < 150; i++) {
		if (i % 3 == 0) {
			lab_invite(lab, i, "4930123", lab_sdp, "");
			lab_cancel(lab, i, "4930123");
		} else if (i % 3 == 1) {
			lab_invite(lab, i, "4930123", lab_sdp, "");
			lab_skip(lab, NULL);
			lab_sleep(lab, 41000); /* all four are silent */
		} else {
			CHECK(lab_call(lab, i, &answer, &invite));
			if (i % 2)
				lab_restart(lab);
			lab_caller_request(lab, &answer, "BYE", 2, NULL);
		}
		lab_sleep(lab, 2000);
		lab_skip(lab, NULL);
		for (unsigned int j = 0; j < lab->sent_count; j++)
			free(lab->sent[j].data);
		lab->sent_count = 0;
	}
	CHECK_INT(lab_count(lab, COUNTER_signaling_rtp_ports_exhausted), 0);
	lab_sleep(lab, 70000);
	CHECK_INT(lab_standing(lab), 0);
	lab_free(lab);
}

static void direct_media(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	lab->config.parameters.media_proxy_mode = MEDIA_PROXY_AUTO;
	lab_reload(lab);
	CHECK(lab_call(lab, 1, &answer, &invite));
	CHECK(has(&invite, "c=IN IP4 10.1.0.5"));
	CHECK(has(&invite, "m=audio 4000 "));
	CHECK(!has(&invite, "o=peer"));
	CHECK_INT(lab->media_opens, 0);
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	lab_skip(lab, NULL);
	lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
	CHECK(!lab->cdrs[0].has_media);
	CHECK_INT(lab->cdrs[0].media_mode, CALL_MEDIA_DIRECT);
	lab_free(lab);
}

/* Its ring is full when the call ends: the record does not wait long, but media hears of it once there is room. */
static void media_ring_full(void)
{
	static const struct {
		unsigned int full_ms, then_ms;
		bool bye_answered;
		unsigned int closes, standing; /* then */
	} cases[] = {
	    {600, 300, true, 1, 0}, {600, 300, false, 1, 1}, {11000, 300, true, 0, 0}, {20000, 20000, false, 1, 0}};

	for (unsigned int i = 0; i < 4; i++) {
		struct lab *lab = lab_new();
		static struct sip_message answer, invite;

		CHECK(lab_call(lab, 1, &answer, &invite));
		lab->media_stops = true;
		while (ring_reserve(&lab->to_media, 64))
			ring_publish(&lab->to_media, MESSAGE_DTMF, 64);
		lab_caller_request(lab, &answer, "BYE", 2, NULL);
		answer = *lab_take(lab, VENDOR(0), "BYE ");
		if (cases[i].bye_answered)
			lab_reply(lab, &answer, VENDOR(0), 200, "", NULL, "");
		lab_sleep(lab, 600);
		CHECK_INT(lab->cdr_count, 1);
		CHECK_INT(lab_standing(lab), 1);
		lab_sleep(lab, cases[i].full_ms - 600);
		lab->media_stops = false;
		lab_sleep(lab, cases[i].then_ms);
		CHECK_INT(lab->media_closes, cases[i].closes);
		CHECK_INT(lab_standing(lab), cases[i].standing);
		lab_skip(lab, NULL);
		lab_over(lab, END_NORMAL, END_BY_CALLER, 200);
		lab_free(lab);
	}
}

/* Figures are in the record when there was something to measure: not of a session that was opened in vain. */
static void media_in_records(void)
{
	struct lab *lab = lab_new();
	static struct sip_message answer, invite;

	lab->media_mute = true;
	lab_invite(lab, 1, "4930123", lab_sdp, "");
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 503, "v", NULL, "");
	lab_skip(lab, VENDOR(0));
	lab_reply(lab, lab_take(lab, VENDOR(1), "INVITE "), VENDOR(1), 486, "v", NULL, "");
	lab_skip(lab, NULL);
	lab_invite(lab, 2, "4930123", "v=0\r\nrubbish\r\n", ""); /* refused before anything was decided */
	lab_skip(lab, NULL);
	lab->media_mute = false; /* early media, and no answer */
	lab_invite(lab, 3, "4930123", lab_sdp, "");
	lab_reply(lab, lab_take(lab, VENDOR(0), "INVITE "), VENDOR(0), 486, "v", NULL, "");
	lab_skip(lab, NULL);
	lab->media_mute = true; /* answered, and silent: that is a finding */
	CHECK(lab_call(lab, 4, &answer, &invite));
	lab_caller_request(lab, &answer, "BYE", 2, NULL);
	lab_skip(lab, NULL);
	lab_sleep(lab, 70000);
	CHECK_INT(lab->cdr_count, 5);
	for (unsigned int i = 0; i < 5; i++) {
		CHECK_INT(lab->cdrs[i].has_media, i >= 3);
		CHECK_INT(lab->cdrs[i].media_mode, i == 2 ? CALL_MEDIA_NONE : CALL_MEDIA_RELAY);
	}
	lab_free(lab);
}

static const struct check_case cases[] = {
    {"relayed, then direct", relay_then_direct}, {"longest duration, dead media", limits},
    {"ports come back", ports_come_back},        {"direct media", direct_media},
    {"media in the records", media_in_records},  {"no room in the ring of media", media_ring_full},
};
CHECK_MAIN(cases)
