# SPDX-License-Identifier: Apache-2.0
"""Calls that go as they should, and the ways they end: RFC 3665 section 3, offers and answers, hold, another codec."""
import pytest
from credentials import challenge, digest, proves
from lab.sockets import udp_socket
from node import send_rtp

scenario = pytest.mark.scenario
pytestmark = pytest.mark.every_build


@scenario("RFC 3665 3.1: a call is set up and ends")
@pytest.mark.parametrize("who", ["caller hangs up", "callee hangs up"])
def test_session(node, caller, last, who):
    number = node.number()
    invite = caller.invite(number)
    received = last.expect("INVITE")
    last.respond(received, 100, "Trying")
    last.respond(received, 180, "Ringing")
    ringing = caller.expect(180)
    last.respond(received, 200, "OK", body=last.sdp(41000))
    ok = caller.expect(200)
    assert ringing.tag("to") == ok.tag("to") and ok.media()[0] == "10.77.0.2"
    caller.ack(invite, ok)
    last.expect("ACK")
    if who == "caller hangs up":
        caller.hang_up(invite, ok, last)
    else:
        last.send(last.in_dialog_callee("BYE", received))
        last.expect(200)
        caller.take_bye()
    record = node.record(number, "Normal", 200, who.split()[0])
    assert record.q850_cause == "16" and record.codec.startswith("PCMA")
    node.gone(number)


@scenario("nothing of one side crosses to the other")
def test_sides_are_hidden(node, caller, last):
    invite = caller.invite(node.number())
    received = last.expect("INVITE")
    text = received.data.decode()
    assert caller.ip not in text and invite["call-id"] not in text and invite.tag("from") not in text
    assert len(received.all("via")) == 1 and received["max-forwards"] == "69" and received.media()[0] == "10.77.0.2"
    last.answer(received)
    ok = caller.take_answer(invite, last)
    assert last.ip not in ok.data.decode() and ok.media()[0] == "10.77.0.2"
    assert "cause=16" in caller.hang_up(invite, ok, last)["reason"]


@scenario("RFC 3326: a peer's Reason crosses; where it has no Q.850 cause, ours follows")
@pytest.mark.parametrize("says, passed, cause", [
    (['Reason: SIP;cause=200;text="elsewhere"'], 'SIP;cause=200;text="elsewhere", Q.850;cause=16', "16"),
    (["Reason: SIP;cause=200", "Reason: Q.850;cause=31"], "SIP;cause=200, Q.850;cause=31", "31"),
    (['Reason: Q.850;cause=31;text="gone"'], 'Q.850;cause=31;text="gone"', "31")], ids=["SIP", "two lines", "Q.850"])
def test_reason_crosses(node, caller, last, says, passed, cause):
    number = node.number()
    invite, ok, _ = caller.connect(last, number)
    caller.send(caller.in_dialog("BYE", invite, ok, cseq=2, headers=says))
    assert last.take_bye()["reason"] == passed
    assert node.record(number, "Normal", 200, "caller").q850_cause == cause


@scenario("OPTIONS: what we can do")
def test_options(node, caller):
    caller.send(caller.request("OPTIONS", "sip:10.77.0.1:5060"))
    assert {"INVITE", "PRACK", "UPDATE"} <= set(caller.expect(200)["allow"].split(", "))


@scenario("RFC 3665 3.2: the vendor's proxy wants credentials")
@pytest.mark.parametrize("code", [401, 407])
def test_vendor_challenges(node, caller, last, code):
    with node.changed(last={"digest": {"user": "us", "password": "secret"}}):
        number = node.number()
        invite = caller.invite(number)
        challenged = last.expect("INVITE")
        challenge(last, challenged, code)
        last.expect("ACK")
        received = last.expect("INVITE")
        assert proves(received, code, "us", "secret")
        assert received["call-id"] == challenged["call-id"] and int(received["cseq"].split()[0]) == int(challenged["cseq"].split()[0]) + 1
        last.answer(received)
        ok = caller.take_answer(invite, last)
        caller.hang_up(invite, ok, last)
        node.record(number, "Normal", 200, "caller")


def prack(caller, invite, progress, **options):
    caller.send(caller.in_dialog("PRACK", invite, progress, headers=[f"RAck: {progress['rseq']} 1 INVITE"], **options))


@scenario("RFC 3262: the vendor wants credentials with the PRACK, too")
def test_prack_challenged(node, caller, last):
    with node.changed(last={"digest": {"user": "us", "password": "secret"}}):
        number = node.number()
        invite = caller.invite(number, headers=["Supported: 100rel"])
        received = last.expect("INVITE")
        last.respond(received, 183, "Progress", body=last.sdp(41000), headers=["Require: 100rel", "RSeq: 7"])
        prack(caller, invite, caller.expect(183))
        caller.expect(200)
        challenged = last.expect("PRACK")
        challenge(last, challenged, 407)
        again = last.expect("PRACK")
        assert proves(again, 407, "us", "secret") and again["rack"] == challenged["rack"]
        last.respond(again, 200, "OK")
        last.respond(received, 200, "OK")
        ok = caller.take_answer(invite, last)
        caller.hang_up(invite, ok, last, cseq=3)
        node.record(number, "Normal", 200)


@scenario("RFC 3262 5: an INVITE without an offer, and two phones with one each")
def test_two_offers(node, caller, last):
    number = node.number()
    invite = caller.invite(number, body="", headers=["Supported: 100rel"])
    received = last.expect("INVITE")
    for fork, port in (("one", 41000), ("two", 42000)):
        last.respond(received, 183, "Progress", to_tag=fork, body=last.sdp(port), headers=["Require: 100rel", "RSeq: 7"])
    assert last.take_bye().tag("to") == "two"
    prack(caller, invite, caller.expect(183), body=caller.sdp(40000))
    acknowledged = last.expect("PRACK")
    assert acknowledged.tag("to") == "one" and acknowledged.media()[0] == "10.77.0.2"
    last.respond(acknowledged, 200, "OK")
    caller.expect(200)
    last.respond(received, 200, "OK", to_tag="one")
    ok = caller.take_answer(invite, last)
    caller.hang_up(invite, ok, last, cseq=3)
    node.record(number, "Normal", 200)


@scenario("RFC 3665 3.2, 3.3: both sides want credentials")
def test_both_challenge(node, caller, last, stranger):
    with node.changed():
        node.switch.config["mapping_gateways"].append({"name": "roaming", "digest": {"user": "roam", "password": "er"}})
        node.gateway("last")["digest"] = {"user": "us", "password": "secret"}
        node.switch.reload()
        number = node.number()
        uri = f"sip:{number}@10.77.0.1:5060"
        invite = stranger.invite(number, user="roam")
        challenged = stranger.expect(407)
        stranger.ack(invite, challenged)
        invite = stranger.invite(number, user="roam", call_id=invite["call-id"], cseq=2, from_tag=invite.tag("from"),
                                 headers=[digest(challenged, "roam", "er", "INVITE", uri)])
        received = last.expect("INVITE")
        assert received["proxy-authorization"] is None  # the caller's is none of the vendor's business
        challenge(last, received, 407, qop=False)
        last.expect("ACK")
        received = last.answer()
        assert proves(received, 407, "us", "secret")
        ok = stranger.take_answer(invite, last)
        stranger.hang_up(invite, ok, last, cseq=3)
        assert node.record(number, "Normal", 200, "caller").mapping_gateway == "roaming"


@scenario("RFC 3665 3.4: the first proxy is dead")
def test_first_is_dead(node, caller, first, last):
    number = node.number("44")
    invite = caller.invite(number)
    first.expect("INVITE")
    node.clock.advance(10.2)
    last.answer()
    ok = caller.take_answer(invite, last)
    caller.hang_up(invite, ok, last)
    dead, live = node.records(number, 2)
    assert (dead.end_reason, dead.routing_gateway, live.end_reason) == ("InviteTimeout", "first", "Normal")


@scenario("RFC 3665 3.6: redirected, then an INVITE without SDP and the answer in the ACK")
def test_redirected(node, caller, first, second):
    with node.changed(first={"redirect": {"follow": 1, "to": "known"}}):
        number = node.number("44")
        invite = caller.invite(number, body="")
        first.refuse(302, "Moved", headers=[f"Contact: <sip:{number}@10.77.0.22>"], contact=False)
        received = second.expect("INVITE")
        assert received.body == ""
        second.respond(received, 200, "OK", body=second.sdp(41000))
        ok = caller.expect(200)
        assert "m=audio" in ok.body
        caller.send(caller.in_dialog("ACK", invite, ok, cseq=1, body=caller.sdp(40000)))
        assert "m=audio" in second.expect("ACK").body
        caller.hang_up(invite, ok, second)
        one, two = node.records(number, 2)
        assert (one.sip_code, two.sip_code, two.end_reason) == (302, 200, "Normal")


@scenario("RFC 3665 3.7: a re-INVITE moves the audio to another address")
def test_reinvite_moves(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    last.send(last.in_dialog_callee("INVITE", received, body=last.sdp(41500), headers=[f"Contact: <sip:v@{last.shown}>"]))
    crossed = caller.expect("INVITE")
    assert crossed.media()[0] == "10.77.0.2" and crossed["call-id"] == invite["call-id"]
    caller.respond(crossed, 200, "OK", body=caller.sdp(40000))
    last.expect(200)
    last.send(last.in_dialog_callee("ACK", received, cseq=100))
    caller.expect("ACK")
    caller.hang_up(invite, ok, last)
    node.record(number, "Normal", 200, "caller")


@scenario("RFC 3665 3.8: no answer, the caller gives up")
def test_no_answer(node, caller, last):
    number = node.number()
    invite, received, _ = caller.ring(last, number)
    caller.cancel(invite)
    caller.expect(200)
    caller.take_refusal(invite, 487)
    assert "cause=" in last.take_cancel(received)["reason"]
    node.record(number, "CallerCancel", None, "caller")
    node.gone(number)


@scenario("RFC 3665 3.9 to 3.11: the callee can't take it")
@pytest.mark.parametrize("code, reason", [(486, "Busy"), (480, "Rejected"), (404, "NotFound"), (500, "ServerFailure"), (603, "GlobalFailure")])
def test_refused(node, caller, last, code, reason):
    number = node.number()
    invite = caller.invite(number)
    last.refuse(code)
    final = caller.expect(code)
    assert "Q.850" in (final["reason"] or "")
    caller.ack(invite, final)
    node.record(number, reason, code, "callee")
    caller.nothing(0.2)


@scenario("RFC 3665 3.10: nobody responds at all")
def test_nobody_responds(node, caller, last):
    number = node.number()
    invite = caller.invite(number)
    last.expect("INVITE")
    node.clock.advance(10.2)
    caller.take_refusal(invite, 408)
    node.record(number, "InviteTimeout", 408, "server")


@scenario("an INVITE without an offer: the callee offers, the ACK answers")
def test_offerless(node, caller, last):
    number = node.number()
    invite = caller.invite(number, body="")
    received = last.expect("INVITE")
    assert received.body == ""
    last.respond(received, 180, "Ringing")
    last.respond(received, 200, "OK", body=last.sdp(41000))
    ok = caller.expect(200)
    assert ok.media()[0] == "10.77.0.2"
    last.nothing(0.2)  # the ACK is kept back until it can bring the answer
    caller.send(caller.in_dialog("ACK", invite, ok, cseq=1, body=caller.sdp(40000)))
    assert last.expect("ACK").media()[0] == "10.77.0.2"
    caller.hang_up(invite, ok, last)
    node.record(number, "Normal", 200, "caller")


@scenario("hold and resume")
@pytest.mark.parametrize("hold, held", [("sendonly", "recvonly"), ("inactive", "inactive")])
def test_hold_and_resume(node, caller, last, hold, held):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    for cseq, offer, answer in ((2, hold, held), (3, "sendrecv", "sendrecv")):
        caller.send(caller.in_dialog("INVITE", invite, ok, cseq=cseq, body=caller.sdp(40000, offer),
                                     headers=[f"Contact: <sip:c@{caller.shown}>"]))
        crossed = last.expect("INVITE")
        assert f"a={offer}" in crossed.body and crossed.media()[0] == "10.77.0.2"
        last.respond(crossed, 200, "OK", body=last.sdp(41000, answer))
        assert f"a={answer}" in caller.expect(200).body
        caller.send(caller.in_dialog("ACK", invite, ok, cseq=cseq))
        last.expect("ACK")
    caller.hang_up(invite, ok, last, cseq=4)
    node.record(number, "Normal", 200, "caller")


@scenario("hold by an address that is none, as RFC 2543 had it, and resume")
def test_hold_by_address(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    plain = caller.sdp(40000).replace("a=sendrecv\r\n", "")
    for cseq, offer, seen in ((2, plain.replace(f"c=IN IP4 {caller.ip}", "c=IN IP4 0.0.0.0"), "0.0.0.0"), (3, plain, "10.77.0.2")):
        caller.send(caller.in_dialog("INVITE", invite, ok, cseq=cseq, body=offer, headers=[f"Contact: <sip:c@{caller.shown}>"]))
        crossed = last.expect("INVITE")
        assert crossed.media()[0] == seen and "a=sendrecv" not in crossed.body
        last.respond(crossed, 200, "OK", body=last.sdp(41000))
        assert caller.expect(200).media()[0] == "10.77.0.2"
        caller.send(caller.in_dialog("ACK", invite, ok, cseq=cseq))
        last.expect("ACK")
    caller.hang_up(invite, ok, last, cseq=4)
    node.record(number, "Normal", 200, "caller")


@scenario("another codec in the middle of a call")
def test_codec_change(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)

    def pcmu(sdp):
        return sdp.replace("AVP 8", "AVP 0").replace("rtpmap:8 PCMA", "rtpmap:0 PCMU")

    caller.send(caller.in_dialog("INVITE", invite, ok, body=pcmu(caller.sdp(40000)), headers=[f"Contact: <sip:c@{caller.shown}>"]))
    crossed = last.expect("INVITE")
    assert "RTP/AVP 0 101" in crossed.body and "PCMA" not in crossed.body
    last.respond(crossed, 200, "OK", body=pcmu(last.sdp(41000)))
    assert "PCMU" in caller.expect(200).body
    caller.send(caller.in_dialog("ACK", invite, ok, cseq=2))
    last.expect("ACK")
    caller.hang_up(invite, ok, last, cseq=3)
    assert node.record(number, "Normal", 200, "caller").codec.startswith("PCMU")


@scenario("a re-INVITE without an offer")
def test_offerless_reinvite(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    caller.send(caller.in_dialog("INVITE", invite, ok, headers=[f"Contact: <sip:c@{caller.shown}>"]))
    crossed = last.expect("INVITE")
    assert crossed.body == ""
    last.respond(crossed, 200, "OK", body=last.sdp(41000))
    assert caller.expect(200).media()[0] == "10.77.0.2"
    caller.send(caller.in_dialog("ACK", invite, ok, cseq=2, body=caller.sdp(40000)))
    assert last.expect("ACK").media()[0] == "10.77.0.2"
    caller.hang_up(invite, ok, last, cseq=3)
    node.record(number, "Normal", 200, "caller")


@scenario("a re-INVITE that is refused changes nothing")
def test_reinvite_refused(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    reinvite = caller.in_dialog("INVITE", invite, ok, body=caller.sdp(40002), headers=[f"Contact: <sip:c@{caller.shown}>"],
                                branch="z9hG4bKrefused")
    caller.send(reinvite)
    last.respond(last.expect("INVITE"), 488, "Not Acceptable Here")
    last.expect("ACK")
    refused = caller.expect(488)
    caller.send(caller.in_dialog("ACK", invite, refused, uri=ok.contact_uri(), cseq=2, branch="z9hG4bKrefused"))
    assert node.standing(number)
    caller.hang_up(invite, ok, last, cseq=3)
    node.record(number, "Normal", 200, "caller")


@scenario("DTMF by INFO, both ways")
def test_info(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    relay = "Signal=5\r\nDuration=160\r\n"

    def info(text):
        return text.replace("application/sdp", "application/dtmf-relay")

    caller.send(info(caller.in_dialog("INFO", invite, ok, body=relay)))
    crossed = last.expect("INFO")
    assert crossed.body == relay and crossed["content-type"] == "application/dtmf-relay"
    last.respond(crossed, 200, "OK")
    caller.expect(200)
    last.send(info(last.in_dialog_callee("INFO", received, body=relay)))
    crossed = caller.expect("INFO")
    caller.respond(crossed, 200, "OK")
    last.expect(200)
    caller.hang_up(invite, ok, last, cseq=3)
    node.record(number, "Normal", 200, "caller")


@scenario("ringing with audio: 183 with SDP reaches the caller, the 200 has it again")
def test_early_media(node, caller, last):
    number = node.number()
    invite = caller.invite(number)
    received = last.expect("INVITE")
    last.respond(received, 183, "Session Progress", body=last.sdp(41000))
    early = caller.expect(183).media()
    with udp_socket(node.hosts["caller"], caller.ip, 40000) as sock:
        send_rtp(node.hosts["last"], last.ip, 41000, received.media())
        sock.settimeout(3)
        assert sock.recvfrom(2000)[1] == early and early[0] == "10.77.0.2"
    last.respond(received, 200, "OK", body=last.sdp(41000))
    ok = caller.take_answer(invite, last)
    assert ok.media() == early
    caller.hang_up(invite, ok, last)
    node.record(number, "Normal", 200, "caller")


@scenario("a 200 without SDP after a 183 with SDP")
def test_early_answer_only(node, caller, last):
    number = node.number()
    invite = caller.invite(number)
    received = last.expect("INVITE")
    last.respond(received, 183, "Session Progress", body=last.sdp(41000))
    caller.expect(183)
    last.respond(received, 200, "OK")
    ok = caller.take_answer(invite, last)
    assert ok.body and ok.media()[0] == "10.77.0.2"
    caller.hang_up(invite, ok, last)
    node.record(number, "Normal", 200)


@scenario("no route")
def test_no_route(node, caller):
    number = node.number("99")
    invite = caller.invite(number)
    caller.take_refusal(invite, 503)
    record = node.record(number, "NoAvailableRouter", 503, "server")
    assert record.routing_gateway == ""
