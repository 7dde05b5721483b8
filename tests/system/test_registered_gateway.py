# SPDX-License-Identifier: Apache-2.0
"""Those who register to us, and are called: a gateway behind NAT, and a phone with several contacts."""
import pytest
from sip_peer import SipPeer
from test_registrar import digest, register


@pytest.fixture
def lab(net, make_switch):
    def change(config):
        config["digest_algorithms"] = "both"
        config["phones"] = [{"user": "alice", "password": "wonderland"}]
        config["mapping_gateways"] = [{"name": "customer", "addresses": ["10.77.0.10"]},
                                      {"name": "pbx", "digest": {"user": "pbx", "password": "trunk"}}]
        config["routing_gateways"] = [{"name": "pbx", "registered": "pbx", "prefixes": ["49"], "priority": 1},
                                      {"name": "other", "address": "10.77.0.20:5060", "prefixes": ["49"], "priority": 2}]

    class Lab:
        switch = make_switch(change)
        customer, other, home = net.peer("customer", 10), net.peer("other", 20), net.peer("home", 30)
        _, inside = net.nat("router", 70, 60)

    return Lab


def test_gateway_behind_nat_and_contacts_by_q(lab):
    switch = lab.switch
    with SipPeer(lab.customer, "10.77.0.10") as customer, SipPeer(lab.other, "10.77.0.20") as other, \
            SipPeer(lab.inside, lab.inside.ip4) as pbx, SipPeer(lab.home, "10.77.0.30", 5060) as desk, \
            SipPeer(lab.home, "10.77.0.30", 5070) as mobile:
        # Not registered yet: passed over.
        invite = customer.invite("4930100")
        other.respond(other.expect("INVITE"), 486, "Busy Here")
        customer.ack(invite, customer.expect(486))
        # Registered from behind NAT: called there, and what follows goes there, too.
        assert register(pbx, "pbx", "wrong").code == 403
        assert register(pbx, "pbx", "trunk").code == 200
        row, = switch.ctl_json("registrations")["registrations"]
        assert row["behind_nat"] and row["user"] == "pbx"
        invite = customer.invite("4930100")
        received = pbx.expect("INVITE")
        assert received.uri.startswith("sip:4930100@10.77.0.70:")
        pbx.respond(received, 200, "OK", body=pbx.sdp(41000))
        ok = customer.expect(200)
        customer.ack(invite, ok)
        pbx.expect("ACK")
        customer.send(customer.in_dialog("BYE", invite, ok))
        pbx.respond(pbx.expect("BYE"), 200, "OK")
        customer.expect(200)
        # And it calls, with the same credentials.
        uri = "sip:4930200@10.77.0.1:5060"
        asked = pbx.invite("4930200", user="pbx", call_id="from-pbx")
        challenge = pbx.expect(407)
        pbx.ack(asked, challenge)
        switch.config["routing_gateways"][0]["enabled"] = False  # not back to itself
        switch.reload()
        pbx.invite("4930200", user="pbx", call_id="from-pbx", cseq=2, from_tag=asked.tag("from"),
                   headers=[digest(challenge, "pbx", "trunk", "INVITE", uri)])
        other.respond(other.expect("INVITE"), 404, "Not Found")
        assert pbx.expect(404)
        # A phone with two contacts: the better one first, then the other.
        assert register(mobile, "alice", "wonderland", "Contact: <sip:alice@10.77.0.30:5070>;q=0.4").code == 200
        assert register(desk, "alice", "wonderland", "Contact: <sip:alice@10.77.0.30:5060>;q=0.9").code == 200
        invite = customer.invite("alice")
        desk.respond(desk.expect("INVITE"), 480, "Not Now")
        received = mobile.expect("INVITE")
        assert received.uri == "sip:alice@10.77.0.30:5070"
        mobile.respond(received, 486, "Busy Here")
        customer.ack(invite, customer.expect(486))
