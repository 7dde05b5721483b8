/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sip/fields.h"
#include "tests/unit/check.h"

#define CHECK_SLICE(slice, expected) CHECK_TEXT((slice).at, (slice).len, expected)

static void uri_parts(void)
{
	struct sip_uri uri;

	CHECK_INT(sip_uri_parse(&uri, SIP_TEXT("sip:+4930;x=1:pw@[2001:db8::1]:5070;transport=TCP;lr;user=phone;"
					       "maddr=192.0.2.9;ttl=3?Subject=a&b=c")),
		  0);
	CHECK_INT(uri.scheme, SIP_SCHEME_SIP);
	CHECK_SLICE(uri.user, "+4930;x=1");
	CHECK_SLICE(uri.password, "pw");
	CHECK_SLICE(uri.host, "2001:db8::1");
	CHECK(uri.host_is_ip6 && uri.lr && uri.user_is_phone);
	CHECK_INT(uri.port, 5070);
	CHECK_INT(uri.transport, SIP_TRANSPORT_TCP);
	CHECK_INT(uri.ttl, 3);
	CHECK_SLICE(uri.maddr, "192.0.2.9");
	CHECK_SLICE(uri.headers, "Subject=a&b=c");
	CHECK_INT(sip_uri_parse(&uri, SIP_TEXT("SIPS:host.example")), 0);
	CHECK_INT(uri.scheme, SIP_SCHEME_SIPS);
	CHECK(uri.user.at == NULL && uri.port == 0);
	CHECK_INT(sip_uri_parse(&uri, SIP_TEXT("tel:+1-201-555-0123;phone-context=example.com")), 0);
	CHECK_SLICE(uri.user, "+1-201-555-0123");
	CHECK_SLICE(uri.params, ";phone-context=example.com");
	CHECK_INT(sip_uri_parse(&uri, SIP_TEXT("http://example.com/a b")), -EINVAL);
	CHECK_INT(sip_uri_parse(&uri, SIP_TEXT("http://example.com/")), 0);
	CHECK_INT(uri.scheme, SIP_SCHEME_OTHER);
}

static void uri_defects(void)
{
	static const char *const bad[] = {
	    "",
	    "sip",
	    "sip:",
	    ":a",
	    "sip:@host",
	    "sip:a@",
	    "sip:a@b:",
	    "sip:a@b:0",
	    "sip:a@b:65536",
	    "sip:a@b:99999999999",
	    "sip:a@[::1",
	    "sip:a@[]",
	    "sip:a b@c",
	    "sip:a@b;",
	    "sip:a@b;;lr",
	    "sip:a@b;=x",
	    "sip:%4@b",
	    "sip:%zz@b",
	    "sip:a@b@c",
	    "1sip:a@b",
	    "sip:a@b;ttl=256",
	    "sip:<a>@b",
	    "tel:",
	    "tel:abc xyz",
	    "tel:+1+2",
	    "sip:a@b c",
	    "sip:a@[zz]",
	    "sip:a@b;lr x",
	};
	struct sip_uri uri;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (sip_uri_parse(&uri, sip_text_of(bad[i])) == 0)
			printf("  accepted: '%s'\n", bad[i]);
		CHECK(sip_uri_parse(&uri, sip_text_of(bad[i])) == -EINVAL);
	}
}

static bool same(const char *a, const char *b)
{
	struct sip_uri ua, ub;

	return sip_uri_parse(&ua, sip_text_of(a)) == 0 && sip_uri_parse(&ub, sip_text_of(b)) == 0 &&
	       sip_uri_equal(&ua, &ub) && sip_uri_equal(&ub, &ua);
}

/* The examples' kinds in RFC 3261 section 19.1.4. */
static void uri_comparison(void)
{
	CHECK(same("sip:%61da@gw.example;transport=TCP", "sip:ada@GW.example;Transport=tcp"));
	CHECK(same("sip:bob@a.example", "sip:bob@a.example;newparam=5"));
	CHECK(same("sip:bob@a.example;q=1;r=2", "sip:bob@a.example;r=2;q=1"));
	CHECK(same("sip:a@b.example?x=1&y=2", "sip:a@b.example?y=2&x=1"));
	CHECK(!same("sip:Bob@a.example", "sip:bob@a.example"));
	CHECK(!same("sip:bob@a.example", "sips:bob@a.example"));
	CHECK(!same("sip:bob@a.example", "sip:bob@a.example:5060"));
	CHECK(!same("sip:bob@a.example", "sip:bob@a.example;transport=udp"));
	CHECK(!same("sip:bob@a.example;q=1", "sip:bob@a.example;q=2"));
	CHECK(!same("sip:bob@a.example?x=1", "sip:bob@a.example"));
	CHECK(!same("sip:a.example", "sip:bob@a.example"));
	CHECK(same("tel:+1-201-555-0123", "tel:+12015550123"));
	CHECK(!same("tel:+12015550123", "tel:+12015550124"));
	CHECK(!same("tel:0123;phone-context=+49", "tel:0123"));
}

/* So many parts that each looked for among all of the other's would keep a worker busy. */
static void long_uris(void)
{
	static const char separators[] = {';', '&'};
	char a[400], b[400];

	for (unsigned int s = 0; s < sizeof(separators); s++)
		for (unsigned int parts = 32; parts <= 34; parts++) {
			unsigned int len_a = 0, len_b = 0;

			len_a += (unsigned int)snprintf(a, sizeof(a), "sip:h%s", separators[s] == '&' ? "?z=1" : "");
			len_b += (unsigned int)snprintf(b, sizeof(b), "sip:h%s", separators[s] == '&' ? "?z=1" : "");
			for (unsigned int i = 0; i < parts; i++) {
				len_a +=
				    (unsigned int)snprintf(a + len_a, sizeof(a) - len_a, "%cp%02u=1", separators[s], i);
				len_b += (unsigned int)snprintf(b + len_b, sizeof(b) - len_b, "%cp%02u=1",
								separators[s], parts - 1 - i);
			}
			CHECK_INT(same(a, b), parts <= 32);
			CHECK(same(a, a));
			CHECK_INT(same(a, "sip:h"), parts <= 32 && separators[s] == ';');
		}
}

static void uri_numbers(void)
{
	struct sip_uri uri;
	char out[16];

	sip_uri_parse(&uri, SIP_TEXT("sip:+49-30.(100)%31;npdi@h"));
	CHECK_TEXT(out, sip_uri_number(&uri, out, sizeof(out)), "+49301001");
	sip_uri_parse(&uri, SIP_TEXT("sip:first.last@h"));
	CHECK_TEXT(out, sip_uri_number(&uri, out, sizeof(out)), "first.last");
	sip_uri_parse(&uri, SIP_TEXT("sip:%00@h"));
	CHECK_INT(sip_uri_number(&uri, out, sizeof(out)), -EINVAL);
	sip_uri_parse(&uri, SIP_TEXT("sip:12345678901234567@h"));
	CHECK_INT(sip_uri_number(&uri, out, sizeof(out)), -EMSGSIZE);
	sip_uri_parse(&uri, SIP_TEXT("sip:h"));
	CHECK_INT(sip_uri_number(&uri, out, sizeof(out)), 0);
}

static void via(void)
{
	struct sip_via v;

	CHECK_INT(sip_via_parse(&v, SIP_TEXT("SIP/2.0/UDP 192.0.2.1:5062;rport;branch=z9hG4bKabc;received=192.0.2.7")),
		  0);
	CHECK(v.version_ok && v.has_rport && v.branch_is_rfc3261 && v.rport == 0);
	CHECK_INT(v.transport, SIP_TRANSPORT_UDP);
	CHECK_INT(v.port, 5062);
	CHECK_SLICE(v.host, "192.0.2.1");
	CHECK_SLICE(v.branch, "z9hG4bKabc");
	CHECK_SLICE(v.received, "192.0.2.7");
	CHECK_INT(sip_via_parse(&v, SIP_TEXT("sip / 2.0 / tls [2001:db8::1] : 99 ; branch = x")), 0);
	CHECK(v.version_ok && v.host_is_ip6 && !v.branch_is_rfc3261);
	CHECK_SLICE(v.host, "2001:db8::1");
	CHECK_SLICE(v.branch, "x");
	CHECK_INT(v.port, 99);
	CHECK_INT(sip_via_parse(&v, SIP_TEXT("SIP/2.0/UDP h;rport=1234;branch=z9hG4bK")), 0);
	CHECK(v.rport == 1234 && !v.branch_is_rfc3261);
	CHECK_INT(sip_via_parse(&v, SIP_TEXT("SIP/7.0/UDP h")), 0);
	CHECK(!v.version_ok);
	CHECK_INT(sip_via_parse(&v, SIP_TEXT("SIP/2.0/UDP")), -EINVAL);
	CHECK_INT(sip_via_parse(&v, SIP_TEXT("SIP/2.0 UDP h")), -EINVAL);
	CHECK_INT(sip_via_parse(&v, SIP_TEXT("SIP/2.0/UDP h;rport=0")), -EINVAL);
	CHECK_INT(sip_via_parse(&v, SIP_TEXT("SIP/2.0/UDP h;rport=70000")), -EINVAL);
	CHECK_INT(sip_via_parse(&v, SIP_TEXT("SIP/2.0/UDP h;;branch=x")), -EINVAL);
	CHECK_INT(sip_via_parse(&v, SIP_TEXT("SIP/2.0/UDP h x")), -EINVAL);
	CHECK_INT(sip_via_parse(&v, SIP_TEXT("SIP/2.0/UDP h;branch=x;Branch=y")), -EINVAL);
	CHECK_INT(sip_via_parse(&v, SIP_TEXT("SIP/2.0/UDP h;rport;branch=y;rport=1")), -EINVAL);
	CHECK_INT(sip_via_parse(&v, SIP_TEXT("SIP/2.0/UDP h;received=1.1.1.1;received=2.2.2.2")), -EINVAL);
	CHECK_INT(sip_via_parse(&v, SIP_TEXT("SIP/2.0/UDP h ;received=h2 ; rport = 7;x")), 0);
	CHECK_SLICE(v.received_param, ";received=h2 ");
	CHECK_SLICE(v.rport_param, "; rport = 7");
	CHECK_INT(sip_via_parse(&v, SIP_TEXT("")), -EINVAL);
}

static void name_addr(void)
{
	struct sip_name_addr n;

	CHECK_INT(sip_name_addr_parse(&n, SIP_TEXT("\"A \\\"B\\\" <c>\" <sip:a@b;p=1>;tag=x;q=\"1;tag=y\"")), 0);
	CHECK_SLICE(n.display, "A \\\"B\\\" <c>");
	CHECK_SLICE(n.uri, "sip:a@b;p=1");
	CHECK_SLICE(n.tag, "x");
	CHECK(n.display_quoted && n.brackets);
	CHECK_INT(sip_name_addr_parse(&n, SIP_TEXT("sip:a@b;tag=z")), 0);
	CHECK_SLICE(n.uri, "sip:a@b");
	CHECK_SLICE(n.tag, "z");
	CHECK_INT(sip_name_addr_parse(&n, SIP_TEXT("Two Words<sip:a@b>")), 0);
	CHECK_SLICE(n.display, "Two Words");
	CHECK(n.tag.at == NULL);
	CHECK_INT(sip_name_addr_parse(&n, SIP_TEXT(" * ")), 0);
	CHECK(n.star);
	static const char *const bad[] = {
	    "",
	    "<sip:a@b",
	    "\"x <sip:a@b>",
	    "\"x\" sip:a@b",
	    "x\" <sip:a@b>",
	    "<>",
	    "sip:a@b?x=y",
	    "sip:a@b,sip:c@d",
	    "nocolon",
	    "<sip:a@b>tag=x",
	    "<sip:a@b>;",
	    "<sip:a@b>;tag=x y",
	    "<sip:a b@c>",
	    "<sip:a@b>;tag",
	    "<sip:a@b>;tag=;x",
	    "<sip:a@b>;tag=x;TAG=y",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(sip_name_addr_parse(&n, sip_text_of(bad[i])), -EINVAL);
}

static void numbers(void)
{
	struct sip_cseq c;
	struct sip_rack r;
	struct sip_session_expires se;
	struct sip_retry_after ra;
	struct sip_reason reason;

	CHECK_INT(sip_cseq_parse(&c, SIP_TEXT("0009\r\n INVITE")), 0);
	CHECK(c.number == 9 && c.method == SIP_INVITE);
	CHECK_INT(sip_cseq_parse(&c, SIP_TEXT("2147483647 ACK")), 0);
	CHECK_INT(sip_cseq_parse(&c, SIP_TEXT("2147483648 ACK")), -ERANGE);
	CHECK_INT(sip_cseq_parse(&c, SIP_TEXT("36893488147419103232 ACK")), -ERANGE);
	CHECK_INT(sip_cseq_parse(&c, SIP_TEXT("1ACK")), -EINVAL);
	CHECK_INT(sip_cseq_parse(&c, SIP_TEXT("1 ")), -EINVAL);
	CHECK_INT(sip_cseq_parse(&c, SIP_TEXT("1 A B")), -EINVAL);
	CHECK_INT(sip_rack_parse(&r, SIP_TEXT("776656 1 INVITE")), 0);
	CHECK(r.rseq == 776656 && r.cseq == 1 && r.method == SIP_INVITE);
	CHECK_INT(sip_session_expires_parse(&se, SIP_TEXT("1800;refresher=UAS")), 0);
	CHECK(se.delta_s == 1800 && se.refresher == SIP_REFRESHER_UAS);
	CHECK_INT(sip_session_expires_parse(&se, SIP_TEXT("x")), -EINVAL);
	CHECK_INT(sip_retry_after_parse(&ra, SIP_TEXT("120 (in a (short) meeting) ;duration=60")), 0);
	CHECK(ra.delta_s == 120 && ra.duration_s == 60);
	CHECK_INT(sip_retry_after_parse(&ra, SIP_TEXT("949302838503028349304023988")), -ERANGE);
	CHECK_INT(sip_retry_after_parse(&ra, SIP_TEXT("1 (open")), -EINVAL);
	CHECK_INT(sip_reason_parse(&reason, SIP_TEXT("Q.850 ;cause=16 ;text=\"Normal, clear\"")), 0);
	CHECK(reason.cause == 16);
	CHECK_SLICE(reason.protocol, "Q.850");
	CHECK_SLICE(reason.reason, "Normal, clear");
}

static void credentials(void)
{
	struct sip_credentials c;
	struct sip_challenge ch;

	CHECK_INT(
	    sip_credentials_parse(&c, SIP_TEXT("Digest username=\"u,\\\"v\", realm = \"r\",nonce=\"n\", uri=\"sip:h\","
					       " response=\"00ff\", algorithm=SHA-256, qop=auth, nc=0000000a,"
					       " cnonce=\"c\"")),
	    0);
	CHECK_SLICE(c.username, "u,\\\"v");
	CHECK(c.algorithm == SIP_DIGEST_SHA256 && c.qop == SIP_QOP_AUTH && c.nc == 10);
	CHECK_INT(sip_credentials_parse(&c, SIP_TEXT("Basic dTpw")), -ENOENT);
	CHECK_INT(sip_credentials_parse(&c, SIP_TEXT("Digest username=\"u\"")), -EINVAL);
	CHECK_INT(sip_credentials_parse(&c, SIP_TEXT("Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"x:y\","
						     " response=\"0\", qop=auth, nc=1, cnonce=\"c\"")),
		  -EINVAL);
	CHECK_INT(sip_credentials_parse(&c, SIP_TEXT("Digest username=\"u\", username=\"v\", realm=\"r\", nonce=\"n\","
						     " uri=\"x:y\", response=\"0\"")),
		  -EINVAL);
	CHECK_INT(sip_credentials_parse(&c, SIP_TEXT("Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"x:y\","
						     " response=\"0\", algorithm=SHA-256, algorithm=MD5")),
		  -EINVAL);
	CHECK_INT(
	    sip_challenge_parse(&ch, SIP_TEXT("Digest realm=\"r\", qop=\"auth-int, auth\", nonce=\"n\", stale=TRUE")),
	    0);
	CHECK(ch.qop_auth && ch.stale && ch.algorithm == SIP_DIGEST_MD5);
	CHECK_INT(sip_challenge_parse(&ch, SIP_TEXT("Digest realm=\"r\"")), -EINVAL);
}

static const struct check_case cases[] = {
    {"URI parts", uri_parts},
    {"URI defects", uri_defects},
    {"URI comparison", uri_comparison},
    {"URIs of many parts", long_uris},
    {"dialled numbers", uri_numbers},
    {"Via", via},
    {"name-addr", name_addr},
    {"numbers", numbers},
    {"credentials", credentials},
};
CHECK_MAIN(cases)
