# SPDX-License-Identifier: Apache-2.0
"""Session timers (RFC 4028) on either leg, the limits of a conversation, and peers that are gone."""
import re

import pytest
from credentials import challenge, proves
from lab.net import wait_for

scenario = pytest.mark.scenario

TIMER, UPDATE = "Supported: timer", "Allow: INVITE, ACK, BYE, CANCEL, UPDATE"


def passes(node, seconds):
    """Nothing is resent meanwhile: the clock may run faster than usual."""
    node.clock.advance(seconds, rate=500)


def says(interval_s, refresher=None):
    return f"Session-Expires: {interval_s}" + (f";refresher={refresher}" if refresher else "")


def connected(node, caller, last, number, customer=(), vendor=()):
    """An established call; returns INVITE sent, 200 got, INVITE at the vendor."""
    invite = caller.invite(number, headers=customer)
    received = last.expect("INVITE")
    last.respond(received, 200, "OK", body=last.sdp(41000), headers=vendor)
    ok = caller.take_answer(invite, last)
    wait_for(lambda: node.standing(number), 3, "the call stands")
    return invite, ok, received


def ended(node, caller, last, number, reason, code=None):
    """We have ended it: BYE to both, which say why."""
    reasons = [peer.take_bye()["reason"] for peer in (caller, last)]
    record = node.record(number, reason, code, "server")
    sip = f"SIP;cause={record.sip_code}, " if record.sip_code >= 300 else ""
    assert reasons == [f"{sip}Q.850;cause={record.q850_cause}"] * 2
    node.gone(number)
    return record


def hang_up(node, caller, last, number, invite, ok):
    caller.hang_up(invite, ok, last, cseq=90)
    node.record(number, "Normal", 200, "caller")
    node.gone(number)


def refresh_due(node, peer, method, in_s, *others):
    """Nothing till a second before, then it comes."""
    passes(node, in_s - 1.5)
    for other in (peer, *others):
        other.nothing(0.2)
    node.clock.advance(1)
    return peer.expect(method, 2)


@scenario("4028: an interval too short gets 422, and the longer one 200")
def test_too_short(node, caller, last):
    number = node.number()
    invite = caller.invite(number, headers=[TIMER, says(60)])
    refusal = caller.expect(422)
    assert refusal["min-se"] == "90"
    caller.ack(invite, refusal)
    last.nothing(0.2)
    invite, ok, _ = connected(node, caller, last, number, [TIMER, says(90), "Min-SE: 90"])
    assert ok["session-expires"] == "90;refresher=uac" and "timer" in ok.all("require")
    hang_up(node, caller, last, number, invite, ok)


@scenario("4028: 422 of a vendor: the same vendor, a longer interval, one record")
def test_vendor_wants_longer(node, caller, last):
    number = node.number()
    invite = caller.invite(number)
    last.refuse(422, headers=["Min-SE: 1800"])
    received = last.expect("INVITE")
    assert received["session-expires"] == "1800" and received["min-se"] == "1800"
    last.respond(received, 200, "OK", body=last.sdp(41000), headers=[UPDATE, says(1800, "uac")])
    ok = caller.take_answer(invite, last)
    last.respond(refresh_due(node, last, "UPDATE", 900), 200, "OK", headers=[says(1800, "uac")])
    hang_up(node, caller, last, number, invite, ok)


@scenario("4028: who refreshes, and when")
@pytest.mark.parametrize("leg,parameter,asked,agreed", [
    ("caller", 0, says(120), "uac"), ("caller", 1, says(120), "uas"), ("caller", 1, says(120, "uac"), "uac"), ("caller", 0, says(120, "uas"), "uas"),
    ("callee", 0, says(120), "uac"), ("callee", 1, says(120), "uas"), ("callee", 1, says(120, "uac"), "uac"), ("callee", 0, says(120, "uas"), "uas")])
def test_refresher(node, caller, last, leg, parameter, asked, agreed):
    with node.changed(SS_SESSION_TIMER_REFRESHER=parameter):
        number = node.number()
        if leg == "caller":
            invite, ok, _ = connected(node, caller, last, number, [TIMER, UPDATE, asked])
            assert ok["session-expires"] == f"120;refresher={agreed}"
            assert ("timer" in ok.all("require")) == (agreed == "uac")
            peer, ours = caller, agreed == "uas"
        else:
            invite, ok, received = connected(node, caller, last, number, (), [UPDATE, asked])
            assert received["session-expires"] == "600" and received["min-se"] == "90"
            peer, ours = last, agreed == "uac"
        if ours:
            refresh = refresh_due(node, peer, "UPDATE", 60)
            assert refresh["session-expires"] == "120;refresher=uac" and not refresh.body
            peer.respond(refresh, 200, "OK", headers=[says(120, "uac")])
            hang_up(node, caller, last, number, invite, ok)
        else:
            passes(node, 118)
            peer.nothing(0.2)
            node.clock.advance(1.5)
            ended(node, caller, last, number, "SessionTimeout")


@scenario("4028: a re-INVITE says what was said before, to the byte")
@pytest.mark.parametrize("leg", ["caller", "callee"])
def test_reinvite(node, caller, last, leg):
    number = node.number()
    invite, ok, received = connected(node, caller, last, number, [TIMER, says(600, "uas")] if leg == "caller" else (),
                                     [says(600, "uac")] if leg == "callee" else ())
    peer, before = (caller, ok) if leg == "caller" else (last, received)
    for _ in range(2):
        refresh = refresh_due(node, peer, "INVITE", 300)
        assert refresh.body and refresh.body == before.body and refresh["call-id"] == before["call-id"]
        peer.respond(refresh, 200, "OK", body=peer.sdp(40000 if leg == "caller" else 41000), headers=[says(600, "uac")])
        peer.expect("ACK")
    hang_up(node, caller, last, number, invite, ok)


@scenario("4028: a method that is refused is left for the other")
@pytest.mark.parametrize("first,code", [("UPDATE", 405), ("UPDATE", 501), ("UPDATE", 488), ("INVITE", 405), ("INVITE", 488)])
def test_method_refused(node, caller, last, first, code):
    number = node.number()
    invite, ok, _ = connected(node, caller, last, number, (), [says(600, "uac")] + ([UPDATE] if first == "UPDATE" else []))
    refresh = refresh_due(node, last, first, 300)
    last.respond(refresh, code, "No")
    other = {"UPDATE": "INVITE", "INVITE": "UPDATE"}[first]
    for again in range(2):
        refresh = refresh_due(node, last, other, 300) if again else last.expect(other)
        last.respond(refresh, 200, "OK", body=last.sdp(41000) if other == "INVITE" else "")
        if other == "INVITE":
            last.expect("ACK")
    hang_up(node, caller, last, number, invite, ok)


@scenario("4028: a re-INVITE that gets 100 and no more is taken back, and refreshed nothing")
def test_refresh_rings_for_ever(node, caller, last):
    number = node.number()
    invite, ok, _ = connected(node, caller, last, number, vendor=[says(600, "uac")])
    refresh = refresh_due(node, last, "INVITE", 300)
    last.respond(refresh, 100, "Trying")
    passes(node, 41)
    last.respond(last.expect("CANCEL"), 200, "OK")
    last.respond(refresh, 487, "Request Terminated")
    last.expect("ACK")
    last.respond(last.expect("UPDATE"), 200, "OK")
    hang_up(node, caller, last, number, invite, ok)


@scenario("4028: 491 waits as long as RFC 3261 section 14.1 wants")
@pytest.mark.parametrize("leg,least_s,most_s", [("caller", 0, 2.2), ("callee", 2.0, 4.2)])
def test_glare(node, caller, last, leg, least_s, most_s, saw):
    number = node.number()
    invite, ok, _ = connected(node, caller, last, number, [TIMER, UPDATE, says(600, "uas")] if leg == "caller" else (),
                              [UPDATE, says(600, "uac")] if leg == "callee" else ())
    peer = caller if leg == "caller" else last
    peer.respond(refresh_due(node, peer, "UPDATE", 300), 491, "Later")
    start, refresh = node.clock.now(), None
    while not refresh and node.clock.now() < start + most_s:
        node.clock.advance(0.1, rate=10)
        refresh = peer.receive(0.01)
    waited_s = node.clock.now() - start
    saw(f"again after {waited_s:.1f} s")
    assert refresh.method == "UPDATE" and least_s <= waited_s <= most_s
    peer.respond(refresh, 200, "OK")
    hang_up(node, caller, last, number, invite, ok)


@scenario("4028: a peer that is gone")
@pytest.mark.parametrize("answer", ["481", "408", "nothing"])
@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_peer_gone(node, caller, last, method, answer):
    number = node.number()
    connected(node, caller, last, number, (), [says(600, "uac")] + ([UPDATE] if method == "UPDATE" else []))
    refresh = refresh_due(node, last, method, 300)
    if answer != "nothing":
        last.respond(refresh, int(answer), "Gone")
    else:
        node.clock.advance(33)
    assert ended(node, caller, last, number, "SessionTimeout").sip_code == (481 if answer == "481" else 408)


@scenario("12.2.1.2: a peer that is gone, found by what the other side sends")
@pytest.mark.parametrize("method,answer", [("INVITE", 481), ("INVITE", 408), ("UPDATE", 481), ("UPDATE", 0), ("INFO", 481)])
def test_passed_to_the_gone(node, caller, last, method, answer):
    number = node.number()
    invite, ok, _ = connected(node, caller, last, number)
    body = "" if method == "INFO" else caller.sdp(40002)
    request = caller.in_dialog(method, invite, ok, cseq=2, body=body, headers=[f"Contact: <sip:x@{caller.shown}>"])
    caller.send(request)
    passed = last.expect(method)
    if answer:
        last.respond(passed, answer, "Gone")
        refusal = caller.expect(answer)
        if method == "INVITE":
            caller.send(caller.in_dialog("ACK", invite, refusal, uri=ok.contact_uri(), cseq=2,
                                         branch=re.search(r"branch=([^;]+)", request).group(1)))
    else:
        node.clock.advance(33)
    ended(node, caller, last, number, "SessionTimeout", answer or 408)
    assert method == "INVITE" or not [message for message in caller.heard if message.code == 408]


@scenario("4028: nobody refreshes; and SS_SIP_SESSION_TIMEOUT_EARLY_HANGUP")
@pytest.mark.parametrize("early_s", [0, 30])
def test_expires(node, caller, last, early_s):
    with node.changed(SS_SIP_SESSION_TIMEOUT_EARLY_HANGUP=early_s):
        number = node.number()
        connected(node, caller, last, number, [TIMER])
        passes(node, 600 - early_s - 1.5)
        caller.nothing(0.2)
        assert node.standing(number)
        node.clock.advance(1.5)
        record = ended(node, caller, last, number, "SessionTimeout", 200)
        assert 599 - early_s < record.duration < 602 - early_s


@scenario("4028: the refresher changes hands")
def test_changes_hands(node, caller, last):
    number = node.number()
    invite, ok, _ = connected(node, caller, last, number, [TIMER, UPDATE, says(600, "uas")])
    passes(node, 200)
    caller.send(caller.in_dialog("UPDATE", invite, ok, cseq=2, headers=[TIMER, says(600, "uac")]))
    answer = caller.expect(200)
    assert answer["session-expires"] == "600;refresher=uac" and answer["contact"]
    passes(node, 590)
    caller.nothing(0.2)
    caller.send(caller.in_dialog("UPDATE", invite, ok, cseq=3, headers=[TIMER, says(600, "uas")]))
    assert caller.expect(200)["session-expires"] == "600;refresher=uas"
    last.nothing(0.2)
    caller.respond(refresh_due(node, caller, "UPDATE", 300), 200, "OK", headers=[says(600, "uas")])
    passes(node, 601)
    ended(node, caller, last, number, "SessionTimeout")


@scenario("SS_SIP_SESSION_UPDATE_SEGMENT: when a refresh goes out, and when one that failed does again")
@pytest.mark.parametrize("segment,first_s,again_s", [(2, 300, 150), (10, 60, 60)])
def test_segments(node, caller, last, segment, first_s, again_s):
    with node.changed(SS_SIP_SESSION_UPDATE_SEGMENT=segment):
        number = node.number()
        invite, ok, _ = connected(node, caller, last, number, (), [UPDATE, says(600, "uac")])
        last.respond(refresh_due(node, last, "UPDATE", first_s), 500, "Not now")
        last.respond(refresh_due(node, last, "INVITE", again_s), 200, "OK", body=last.sdp(41000))
        last.expect("ACK")
        hang_up(node, caller, last, number, invite, ok)


@scenario("limits of a conversation, where a timer was asked for")
@pytest.mark.parametrize("limits,headers,end_s,reason", [
    ({"SS_SIP_NO_TIMER_REINVITE_INTERVAL": 400, "SS_MAX_CALL_DURATION": 500}, [TIMER], 500, "MaxDuration"),
    ({"SS_SIP_SESSION_TTL": 0, "SS_SIP_NO_TIMER_REINVITE_INTERVAL": 400}, [TIMER, says(60)], 400, "NoTimerLimit")],
    ids=["the longest duration", "timers are off"])
def test_limits(node, caller, last, limits, headers, end_s, reason):
    with node.changed(**limits):
        number = node.number()
        _, ok, received = connected(node, caller, last, number, headers)
        if limits.get("SS_SIP_SESSION_TTL") == 0:
            assert ok["session-expires"] is None and received["session-expires"] is None and received["min-se"] is None
    # Calls keep the values they started with.
    passes(node, end_s - 2)
    assert node.standing(number)
    node.clock.advance(3)
    record = ended(node, caller, last, number, reason, 200)
    assert end_s - 1 < record.duration < end_s + 3


@scenario("the limit of callers without a timer is none for one that begins a timer in the call")
def test_timer_begun_later(node, caller, last):
    with node.changed(SS_SIP_NO_TIMER_REINVITE_INTERVAL=100):
        number = node.number()
        invite, ok, _ = connected(node, caller, last, number)
        passes(node, 60)
        caller.send(caller.in_dialog("UPDATE", invite, ok, cseq=2, headers=[TIMER, says(600, "uac")]))
        assert caller.expect(200)["session-expires"] == "600;refresher=uac"
        passes(node, 200)
        assert node.standing(number)
        hang_up(node, caller, last, number, invite, ok)


@scenario("kill -9 of tandem-signaling between two refreshes, and during one")
def test_killed(node, caller, last):
    number = node.number()
    invite, ok, _ = connected(node, caller, last, number, (), [UPDATE, says(600, "uac")])

    def kill():
        node.kill_signaling()
        wait_for(lambda: node.standing(number), 5, "the call stands")

    passes(node, 200)
    kill()
    passes(node, 80)
    last.nothing(0.1)
    node.clock.advance(18)
    refresh = last.expect("UPDATE")
    kill()
    last.respond(refresh, 200, "OK")
    node.clock.advance(38)
    last.respond(last.expect("UPDATE"), 200, "OK", headers=[says(600, "uac")])
    last.nothing(0.2)
    assert node.standing(number)
    hang_up(node, caller, last, number, invite, ok)


@scenario("a vendor wants credentials with the BYE, too")
@pytest.mark.parametrize("code", [401, 407])
def test_bye_challenged(node, caller, last, code):
    with node.changed(last={"digest": {"user": "us", "password": "secret"}}):
        number = node.number()
        invite, ok, _ = connected(node, caller, last, number)
        caller.send(caller.in_dialog("BYE", invite, ok))
        bye = last.expect("BYE")
        challenge(last, bye, code)
        again = last.expect("BYE")
        assert proves(again, code, "us", "secret")
        assert int(again["cseq"].split()[0]) == int(bye["cseq"].split()[0]) + 1
        last.respond(again, 200, "OK")
        caller.expect(200)
        node.record(number, "Normal", 200, "caller")
        node.gone(number)
