/* SPDX-License-Identifier: Apache-2.0 */
/* Our registration at a vendor, by the clock: what is sent when, and what is made of each answer. */
#include "lab.h"
#include "signaling/register_client.h"
#include "tests/unit/check.h"

#define WORD(text) ((char *)(uintptr_t)(text))
#define REGISTRAR  VENDOR(0)

static struct config_credentials credentials = {WORD("trunk"), WORD("secret"), NULL, DIGEST_BOTH};
static struct config_register registration;
static struct sip_message message;

/* What a new configuration wants is seen at the next poll, and begins a little later. */
static void settle(struct lab *lab)
{
	lab_sleep(lab, 1);
	lab_sleep(lab, 100);
}

static struct lab *registering(void)
{
	struct lab *lab = lab_new();

	registration = (struct config_register){.user = WORD("trunk"),
						.domain = WORD("vendor.example"),
						.contact = WORD("line1"),
						.expires_s = 3600,
						.retry_s = 30};
	lab->routing[0].digest = &credentials;
	lab->routing[0].registration = &registration;
	lab_reload(lab);
	settle(lab);
	return lab;
}

static bool says(const char *what)
{
	return memmem(message.data, message.len, what, strlen(what));
}

/* The REGISTER that has been sent by now; false: none. */
static bool asked(struct lab *lab)
{
	if (lab_waiting(lab, REGISTRAR) == 0)
		return false;
	message = *lab_take(lab, REGISTRAR, "REGISTER sip:vendor.example SIP/2.0");
	CHECK(says("\r\nContact: <sip:line1@10.0.0.1:5060>\r\n"));
	return true;
}

static void answer(struct lab *lab, unsigned int code, const char *headers)
{
	lab_reply(lab, &message, REGISTRAR, code, "r", NULL, headers);
}

#define CHALLENGE  "WWW-Authenticate: Digest realm=\"vendor.example\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n"
#define GRANTED(s) "Contact: <sip:line1@10.0.0.1:5060>;expires=" #s "\r\n"

/* Registered with credentials; what was granted. */
static struct lab *registered(const char *granted)
{
	struct lab *lab = registering();

	CHECK(asked(lab));
	answer(lab, 401, CHALLENGE);
	CHECK(asked(lab));
	CHECK(says("\r\nAuthorization: Digest username=\"trunk\""));
	answer(lab, 200, granted);
	CHECK_INT(lab_count(lab, COUNTER_register_client_standing), 1);
	return lab;
}

/* Seconds until the next REGISTER; 4000 at most. */
static unsigned int silence_s(struct lab *lab)
{
	unsigned int seconds = 0;

	for (; seconds < 4000 && !asked(lab); seconds++)
		lab_sleep(lab, 1000);
	lab_skip(lab, REGISTRAR); /* it may have been sent again by now */
	return seconds;
}

static void refresh(void)
{
	struct lab *lab = registered("Contact: <sip:line1@10.9.9.9:5060>;expires=60\r\n" GRANTED(1000));
	unsigned int waited;
	uint32_t cseq = sip_message_cseq(&message)->number;
	struct sip_text call_id = sip_message_call_id(&message);
	char before[64] = "";

	CHECK(says("\r\nExpires: 3600\r\n"));
	memcpy(before, call_id.at, call_id.len);
	waited = silence_s(lab);
	CHECK(waited >= 870 && waited <= 901);
	CHECK(says(before));
	CHECK_INT(sip_message_cseq(&message)->number, cseq + 1);
	answer(lab, 401, CHALLENGE);
	CHECK(asked(lab));
	answer(lab, 200, "Expires: 100\r\n");
	waited = silence_s(lab);
	CHECK(waited >= 36 && waited <= 51);
	CHECK_INT(lab_count(lab, COUNTER_register_client_registered), 2);
	lab_free(lab);
}

static void too_brief(void)
{
	struct lab *lab = registering();

	CHECK(asked(lab));
	answer(lab, 423, "Min-Expires: 7200\r\n");
	CHECK(asked(lab));
	CHECK(says("\r\nExpires: 7200\r\n"));
	answer(lab, 423, "Min-Expires: 7200\r\n"); /* it can't be pleased */
	CHECK(!asked(lab));
	CHECK(silence_s(lab) >= 1790);
	CHECK(says("\r\nExpires: 3600\r\n"));
	CHECK_INT(lab_count(lab, COUNTER_register_client_too_brief), 1);
	CHECK_INT(lab_count(lab, COUNTER_register_client_refused), 1);
	lab_free(lab);
}

static void refused(void)
{
	static const unsigned int codes[] = {302, 401, 403, 404, 603};

	for (unsigned int i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct lab *lab = registering();
		unsigned int waited;

		CHECK(asked(lab));
		if (codes[i] == 401) {
			answer(lab, 401, CHALLENGE);
			CHECK(asked(lab));
		}
		answer(lab, codes[i], codes[i] == 401 ? CHALLENGE : "Contact: <sip:other@10.8.8.8>\r\n");
		CHECK_INT(lab_waiting(lab, NULL), 0);
		waited = silence_s(lab);
		CHECK(waited >= 1799 && waited <= 2251);
		lab_free(lab);
	}
}

/* 30 s, 60 s, ... half an hour, each less a random part of its half; and at once when it is back. */
static void back_off(void)
{
	struct lab *lab = registered(GRANTED(600));
	unsigned int most = 30, waited;

	CHECK(silence_s(lab) > 0);
	for (unsigned int i = 0; i < 9; i++) {
		answer(lab, i % 2 ? 503 : 500, "");
		waited = silence_s(lab);
		CHECK(waited >= most / 2 && waited <= most + 1);
		most = most * 2 < 1800 ? most * 2 : 1800;
	}
	CHECK_INT(lab_count(lab, COUNTER_register_client_lost), 1);
	CHECK_INT(lab_count(lab, COUNTER_register_client_standing), 0);
	answer(lab, 503, "Retry-After: 3000\r\n");
	CHECK(silence_s(lab) >= 2999);
	answer(lab, 200, GRANTED(600));
	CHECK_INT(lab_count(lab, COUNTER_register_client_standing), 1);
	waited = silence_s(lab);
	CHECK(waited > 500 && waited < 535);
	lab_free(lab);
}

static void dead_registrar(void)
{
	struct lab *lab = registering();

	CHECK(asked(lab));
	lab_sleep(lab, 33000);
	CHECK_INT(lab_waiting(lab, REGISTRAR), 10); /* its resends */
	lab_skip(lab, REGISTRAR);
	CHECK_INT(lab_count(lab, COUNTER_register_client_unanswered), 1);
	CHECK(silence_s(lab) <= 30);
	answer(lab, 200, GRANTED(600));
	CHECK_INT(lab_count(lab, COUNTER_register_client_standing), 1);
	lab_free(lab);
}

/* The registrar and those who take the calls of one vendor may name realms of their own, each one only. */
static void two_realms(void)
{
	struct lab *lab = registered(GRANTED(1000));
	static struct sip_message invite;

	for (unsigned int n = 1; n <= 2; n++) {
		lab_invite(lab, n, "4930123", lab_sdp, "");
		invite = *lab_take(lab, REGISTRAR, "INVITE ");
		lab_reply(lab, &invite, REGISTRAR, 407, "v", NULL,
			  "Proxy-Authenticate: Digest realm=\"calls.example\", nonce=\"n\", qop=\"auth\"\r\n");
		CHECK(lab_take(lab, REGISTRAR, "ACK "));
		message = *lab_take(lab, REGISTRAR, "INVITE ");
		CHECK(says("\r\nProxy-Authorization: Digest username=\"trunk\", realm=\"calls.example\""));
		lab_reply(lab, &message, REGISTRAR, 486, "v", NULL, "");
		lab_skip(lab, NULL);
	}
	silence_s(lab);
	answer(lab, 401, "WWW-Authenticate: Digest realm=\"calls.example\", nonce=\"n\", qop=\"auth\"\r\n");
	CHECK(!asked(lab));
	CHECK_INT(lab_count(lab, COUNTER_client_auth_foreign), 1);
	lab_free(lab);
}

static void stranger(void)
{
	struct lab *lab = registering();

	CHECK(asked(lab));
	lab_reply(lab, &message, "10.6.6.6:5060", 401, "r", NULL, CHALLENGE);
	CHECK_INT(lab_waiting(lab, NULL), 0);
	CHECK_INT(lab_count(lab, COUNTER_client_auth_foreign), 1);
	lab_free(lab);
}

/* Removed, changed, added again: what is no longer wanted is taken back, with credentials. */
static void reloads(void)
{
	struct lab *lab = registered(GRANTED(600));

	lab_reload(lab);
	settle(lab);
	CHECK_INT(lab_waiting(lab, REGISTRAR), 0); /* nothing of it has changed */
	lab->routing[0].registration = NULL;
	lab->routing[0].digest = NULL;
	lab_reload(lab);
	settle(lab);
	CHECK(asked(lab) && says("\r\nExpires: 0\r\n"));
	answer(lab, 401, CHALLENGE);
	CHECK(asked(lab) && says("\r\nExpires: 0\r\n") && says("username=\"trunk\""));
	answer(lab, 200, "");
	CHECK_INT(lab_count(lab, COUNTER_register_client_standing), 0);
	CHECK_INT(lab_count(lab, COUNTER_register_client_removed), 1);
	lab_sleep(lab, 700000);
	CHECK_INT(lab_waiting(lab, REGISTRAR), 0);
	lab->routing[0].registration = &registration;
	lab->routing[0].digest = &credentials;
	lab_reload(lab);
	settle(lab);
	CHECK(asked(lab) && says("\r\nExpires: 3600\r\n"));
	answer(lab, 200, GRANTED(600));
	lab->routing[0].enabled = false;
	lab_reload(lab);
	settle(lab);
	CHECK(asked(lab) && says("\r\nExpires: 0\r\n"));
	/* Wanted again before that is answered: the late answer says nothing of the new one. */
	static struct sip_message removal;

	removal = message;
	lab->routing[0].enabled = true;
	lab_reload(lab);
	settle(lab);
	CHECK(asked(lab) && says("\r\nExpires: 3600\r\n"));
	lab_reply(lab, &removal, REGISTRAR, 200, "r", NULL, "");
	CHECK_INT(lab_count(lab, COUNTER_register_client_standing), 0);
	answer(lab, 200, GRANTED(600));
	CHECK_INT(lab_count(lab, COUNTER_register_client_standing), 1);
	lab_free(lab);
}

/* What is taken back, or wanted again, before the registrar has spoken: only the last word is said again. */
static void silent_registrar(void)
{
	struct lab *lab = registering();

	CHECK(asked(lab) && says("\r\nExpires: 3600\r\n"));
	for (unsigned int round = 0; round < 2; round++) {
		lab->routing[0].enabled = round != 0;
		lab_reload(lab);
		settle(lab);
		lab_skip(lab, REGISTRAR);
		lab_sleep(lab, 5000);
		CHECK(lab_waiting(lab, REGISTRAR) > 1);
		for (unsigned int i = lab_waiting(lab, REGISTRAR); i > 0; i--)
			CHECK(asked(lab) && says(round != 0 ? "\r\nExpires: 3600\r\n" : "\r\nExpires: 0\r\n"));
	}
	lab_free(lab);
}

/* Another address-of-record: the old one is taken back, the new one begins. */
static void renamed(void)
{
	struct lab *lab = registered(GRANTED(600));
	static struct config_register other;

	other = registration;
	other.user = WORD("other");
	lab->routing[0].registration = &other;
	lab_reload(lab);
	settle(lab);
	CHECK(asked(lab) && says("\r\nExpires: 0\r\n") && says("\r\nTo: <sip:trunk@vendor.example>\r\n"));
	CHECK(asked(lab) && says("\r\nExpires: 3600\r\n") && says("\r\nTo: <sip:other@vendor.example>\r\n"));
	lab_free(lab);
}

static void killed(void)
{
	struct lab *lab = registered(GRANTED(600));
	char before[64] = "";

	memcpy(before, sip_message_call_id(&message).at, sip_message_call_id(&message).len);
	lab_restart(lab);
	settle(lab);
	CHECK(asked(lab) && !says(before)); /* its Contact is the same: checked there */
	answer(lab, 200, GRANTED(600));
	lab_sleep(lab, 100000);
	CHECK_INT(lab_waiting(lab, REGISTRAR), 0);
	lab_free(lab);
}

/* Each worker has its share. */
static void shared_out(void)
{
	struct lab *lab = lab_new();

	lab->workers = 2;
	registration = (struct config_register){.user = WORD("trunk"),
						.domain = WORD("vendor.example"),
						.contact = WORD("line1"),
						.expires_s = 3600,
						.retry_s = 30};
	for (unsigned int i = 0; i < 2; i++)
		lab->routing[i].registration = &registration;
	lab_restart(lab);
	settle(lab);
	CHECK_INT(lab_waiting(lab, NULL), 1);
	lab_skip(lab, NULL);
	lab->worker = 1;
	lab_restart(lab);
	settle(lab);
	CHECK_INT(lab_waiting(lab, NULL), 1);
	lab_free(lab);
}

#define TO_US                                                                                                          \
	"INVITE sip:%s@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKin\r\nMax-Forwards: 70\r\n"               \
	"From: <sip:4977@vendor.example>;tag=f\r\nTo: <sip:4930123@vendor.example>\r\nCall-ID: in\r\nCSeq: 1 "         \
	"INVITE\r\n"                                                                                                   \
	"Contact: <sip:v@%s>\r\nContent-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s"

static void call_from(struct lab *lab, const char *from, const char *user)
{
	lab_skip(lab, NULL);
	lab_text(lab, from, TO_US, user, from, from, strlen(lab_sdp), lab_sdp);
}

/* A call to our Contact is the customer's that `calls` names, and the number is the one in To. */
static void vendor_calls_us(void)
{
	struct lab *lab = registered(GRANTED(600));

	registration.calls = WORD("acme");
	lab_reload(lab);
	call_from(lab, "10.6.6.6:5060", "line1"); /* a stranger who has found out the name */
	CHECK(lab_take(lab, "10.6.6.6:5060", "SIP/2.0 403"));
	lab_free(lab);
	lab = registered(GRANTED(600));
	registration.calls = WORD("acme");
	lab_reload(lab);
	call_from(lab, REGISTRAR, "line2");
	CHECK(lab_take(lab, REGISTRAR, "SIP/2.0 403"));
	lab_free(lab);
	lab = registered(GRANTED(600));
	registration.calls = WORD("acme");
	lab->routing[0].prefixes_count = 0; /* the call goes to another vendor than it comes from */
	lab_reload(lab);
	call_from(lab, REGISTRAR, "line1");
	CHECK(lab_take(lab, REGISTRAR, "SIP/2.0 100"));
	CHECK(lab_take(lab, VENDOR(1), "INVITE sip:4930123@10.2.0.2"));
	lab_free(lab);
}

static const struct check_case cases[] = {
    {"refreshed in time", refresh},
    {"423", too_brief},
    {"refused", refused},
    {"back-off", back_off},
    {"a dead registrar", dead_registrar},
    {"a realm for calls, and one for registrations", two_realms},
    {"a stranger's challenge", stranger},
    {"reloads", reloads},
    {"a registrar that is silent", silent_registrar},
    {"another address-of-record", renamed},
    {"killed", killed},
    {"shared out among workers", shared_out},
    {"calls to our Contact", vendor_calls_us},
};
CHECK_MAIN(cases)
