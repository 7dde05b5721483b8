# SPDX-License-Identifier: Apache-2.0
"""The races of RFC 5407, on either leg, and what gets lost, comes late, comes twice or comes from elsewhere."""
import re

import pytest

scenario = pytest.mark.scenario
pytestmark = pytest.mark.every_build


def over(node, number, reason="Normal", code=200, direction=None):
    node.record(number, reason, code, direction)
    node.gone(number)


def reinvite(peer, *dialog, cseq, **options):
    """A re-INVITE with an offer, of the caller (INVITE, 200) or of the callee (INVITE)."""
    make = peer.in_dialog if len(dialog) == 2 else peer.in_dialog_callee
    return make("INVITE", *dialog, cseq=cseq, body=peer.sdp(options.pop("port", 40000)), headers=[f"Contact: <sip:x@{peer.shown}>"], **options)


def branch_of(text):
    return re.search(r"branch=([^;]+)", text).group(1)


def refuse_ack(peer, invite, refusal, ok, request):
    """The ACK of a caller whose request in the dialog was refused."""
    cseq = int(refusal["cseq"].split()[0])
    peer.send(peer.in_dialog("ACK", invite, refusal, uri=ok.contact_uri(), cseq=cseq, branch=branch_of(request)))


def callee_ack(peer, received, request):
    """The ACK of a callee whose re-INVITE was refused."""
    ack = peer.in_dialog_callee("ACK", received, cseq=int(re.search(r"CSeq: (\d+)", request).group(1)))
    return ack.replace(branch_of(ack), branch_of(request))


@scenario("5407 3.1.1: the INVITE is resent after the 200")
def test_invite_again(node, caller, last):
    number = node.number()
    invite = caller.invite(number)
    last.answer()
    ok = caller.expect(200)
    caller.send(invite.data)
    assert caller.expect(200).data == ok.data
    caller.ack(invite, ok)
    last.expect("ACK")
    caller.send(invite.data)
    caller.nothing(0.2)  # the dialog stands: absorbed
    caller.hang_up(invite, ok, last)
    over(node, number)


@scenario("5407 3.1.2: CANCEL crosses the 200, seen by the callee's leg")
def test_cancel_crosses_200(node, caller, last):
    number = node.number()
    invite, received, _ = caller.ring(last, number)
    caller.cancel(invite)
    request = last.expect("CANCEL")
    last.respond(received, 200, "OK", body=last.sdp(41000))
    last.respond(request, 200, "OK")
    last.expect("ACK")
    last.take_bye()
    caller.expect(200)
    caller.take_refusal(invite, 487)
    over(node, number, "CallerCancel", None, "caller")


@scenario("5407 3.1.2: CANCEL crosses the 200, seen by the caller's leg")
def test_cancel_after_200(node, caller, last):
    number = node.number()
    invite = caller.invite(number)
    last.answer()
    caller.cancel(invite)  # before the 200 was read
    ok = caller.expect(200)
    while "INVITE" not in ok["cseq"]:
        ok = caller.expect(200)
    caller.ack(invite, ok)
    last.expect("ACK")
    caller.hang_up(invite, ok, last)
    over(node, number, "Normal", 200, "caller")


@scenario("5407 3.1.3, A: the caller's BYE in the early dialog, instead of CANCEL")
def test_early_bye(node, caller, last):
    number = node.number()
    invite, received, early = caller.ring(last, number)
    caller.send(caller.in_dialog("BYE", invite, early, uri=early.contact_uri()))
    answers = {message.code: message for message in (caller.expect((200, 487)), caller.expect((200, 487)))}
    assert set(answers) == {200, 487}
    caller.ack(invite, answers[487])
    last.take_cancel(received)
    over(node, number, "CallerCancel", 487, "caller")


@scenario("5407 3.1.4, 3.1.5: the ACK is lost and a re-INVITE comes")
def test_reinvite_before_ack(node, caller, last):
    number = node.number()
    invite = caller.invite(number)
    last.answer()
    ok = caller.expect(200)
    last.expect("ACK")
    early = reinvite(caller, invite, ok, cseq=2)
    caller.send(early)
    refuse_ack(caller, invite, caller.expect(491), ok, early)
    caller.ack(invite, ok)
    caller.hang_up(invite, ok, last, cseq=3)
    over(node, number)


@scenario("5407 3.1.6: the ACK is lost and BYE comes")
def test_bye_before_ack(node, caller, last):
    number = node.number()
    invite = caller.invite(number)
    last.answer()
    ok = caller.expect(200)
    last.expect("ACK")
    caller.hang_up(invite, ok, last)
    over(node, number)
    node.clock.advance(2)
    caller.nothing(0.2)  # the 200 is not resent any more


@scenario("5407 3.1.6: the callee hangs up before the caller's ACK")
def test_callee_bye_before_ack(node, caller, last):
    number = node.number()
    invite = caller.invite(number)
    received = last.answer()
    ok = caller.expect(200)
    last.expect("ACK")
    last.send(last.in_dialog_callee("BYE", received))
    last.expect(200)
    caller.ack(invite, ok)
    caller.take_bye()
    over(node, number, "Normal", 200, "callee")


@scenario("5407 3.2.1: BYE crosses BYE")
def test_byes_cross(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    caller.send(caller.in_dialog("BYE", invite, ok))
    bye = last.expect("BYE")
    last.send(last.in_dialog_callee("BYE", received))
    last.expect(200)
    last.respond(bye, 200, "OK")
    caller.expect(200)
    over(node, number, "Normal", 200, "caller")


@scenario("5407 3.2.2: a re-INVITE crosses the BYE")
@pytest.mark.parametrize("who", ["caller", "callee"])
def test_reinvite_crosses_bye(node, caller, last, who):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    if who == "caller":
        last.send(last.in_dialog_callee("BYE", received))
        last.expect(200)
        late = reinvite(caller, invite, ok, cseq=2)
        caller.send(late)
        refuse_ack(caller, invite, caller.expect(481), ok, late)
        node.clock.advance(1)
        caller.take_bye()
        over(node, number, "Normal", 200, "callee")
    else:
        caller.send(caller.in_dialog("BYE", invite, ok))
        caller.expect(200)
        late = reinvite(last, received, cseq=100)
        last.send(late)
        last.expect(481)
        last.send(callee_ack(last, received, late))
        node.clock.advance(1)
        last.take_bye()
        over(node, number, "Normal", 200, "caller")


@scenario("5407 3.2.3: BYE crosses the 200 to a re-INVITE")
def test_bye_crosses_reinvite_answer(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    asked = reinvite(caller, invite, ok, cseq=2)
    caller.send(asked)
    crossed = last.expect("INVITE")
    caller.send(caller.in_dialog("BYE", invite, ok, cseq=3))
    last.respond(crossed, 200, "OK", body=last.sdp(41000))
    last.expect("ACK")  # acknowledged, whatever follows
    answers = {message.code: message for message in (caller.expect((200, 487)), caller.expect((200, 487)))}
    assert set(answers) == {200, 487}
    refuse_ack(caller, invite, answers[487], ok, asked)
    node.clock.advance(1)
    assert len({bye["via"] for bye in last.answer_byes()}) == 1
    over(node, number, "Normal", 200, "caller")


@scenario("5407 3.2.4: BYE overtakes the ACK of a re-INVITE")
def test_bye_overtakes_reinvite_ack(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    caller.send(reinvite(caller, invite, ok, cseq=2))
    last.respond(last.expect("INVITE"), 200, "OK", body=last.sdp(41000))
    caller.expect(200)
    caller.send(caller.in_dialog("BYE", invite, ok, cseq=3))
    caller.send(caller.in_dialog("ACK", invite, ok, cseq=2))
    last.take_bye()
    caller.expect(200)
    last.drain()
    assert len([message for message in last.heard if message.method == "ACK"]) == 2  # the vendor's 200 is acknowledged all the same
    over(node, number, "Normal", 200, "caller")
    node.clock.advance(2)
    caller.nothing(0.2)  # the 200 to the re-INVITE is not resent any more


@scenario("a re-INVITE rings for ever")
def test_reinvite_rings_for_ever(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    asked = reinvite(caller, invite, ok, cseq=2)
    caller.send(asked)
    crossed = last.expect("INVITE")
    last.respond(crossed, 180, "Ringing")
    node.clock.advance(181)
    last.respond(last.expect("CANCEL"), 200, "OK")
    last.respond(crossed, 487, "Request Terminated")
    last.expect("ACK")
    refuse_ack(caller, invite, caller.expect(487), ok, asked)
    assert node.standing(number)
    caller.hang_up(invite, ok, last, cseq=3)
    over(node, number)


@scenario("5407 3.3.1: re-INVITE crosses re-INVITE")
def test_reinvites_cross(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    ours = reinvite(caller, invite, ok, cseq=2)
    caller.send(ours)
    crossed = last.expect("INVITE")
    theirs = reinvite(last, received, cseq=100, port=41000)
    last.send(theirs)
    last.expect(491)
    last.send(callee_ack(last, received, theirs))
    last.respond(crossed, 491, "Request Pending")
    last.expect("ACK")
    refuse_ack(caller, invite, caller.expect(491), ok, ours)
    assert node.standing(number)
    caller.hang_up(invite, ok, last, cseq=3)
    over(node, number)


@scenario("while a re-INVITE stands: 5407 3.3.2 UPDATE, 3.3.3 REFER")
@pytest.mark.parametrize("method, offer, code", [("UPDATE", True, 491), ("UPDATE", False, 200), ("REFER", False, 405)])
def test_request_crosses_reinvite(node, caller, last, method, offer, code):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    caller.send(reinvite(caller, invite, ok, cseq=2))
    crossed = last.expect("INVITE")
    last.send(last.in_dialog_callee(method, received, body=last.sdp(41002) if offer else "",
                                    headers=["Refer-To: <sip:x@10.77.0.20>"] if method == "REFER" else ()))
    assert last.receive().code == code
    last.respond(crossed, 200, "OK", body=last.sdp(41000))
    caller.expect(200)
    caller.send(caller.in_dialog("ACK", invite, ok, cseq=2))
    last.expect("ACK")
    caller.hang_up(invite, ok, last, cseq=3)
    over(node, number)


@scenario("two UPDATEs with offers cross")
def test_updates_cross(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    caller.send(caller.in_dialog("UPDATE", invite, ok, body=caller.sdp(40002)))
    crossed = last.expect("UPDATE")
    last.send(last.in_dialog_callee("UPDATE", received, body=last.sdp(41002)))
    last.expect(491)
    last.respond(crossed, 200, "OK", body=last.sdp(41000))
    caller.expect(200)
    caller.hang_up(invite, ok, last, cseq=3)
    over(node, number)


@scenario("5407 C: CANCEL before any response")
def test_cancel_before_provisional(node, caller, last):
    number = node.number()
    invite = caller.invite(number)
    received = last.expect("INVITE")
    caller.cancel(invite)
    caller.take_refusal(invite, 487)
    last.nothing(0.2)  # a CANCEL must wait for the first provisional response (RFC 3261 9.1)
    last.respond(received, 180, "Ringing")
    last.take_cancel(received)
    over(node, number, "CallerCancel", None, "caller")


@scenario("5407 D: a fork downstream: 18x of two callees, then both answer")
def test_forked_answers(node, caller, last):
    number = node.number()
    invite = caller.invite(number)
    received = last.expect("INVITE")
    for fork in "one", "two":
        last.respond(received, 180, "Ringing", to_tag=fork)
    last.respond(received, 200, "OK", to_tag="one", body=last.sdp(41000))
    last.respond(received, 200, "OK", to_tag="two", body=last.sdp(42000))
    ok = caller.expect(200)
    caller.ack(invite, ok)
    seen = [last.expect("ACK"), last.expect("ACK")]
    assert {message.tag("to") for message in seen} == {"one", "two"}
    bye = last.expect("BYE")
    assert bye.tag("to") == "two"
    last.respond(bye, 200, "OK")
    assert node.standing(number)
    caller.hang_up(invite, ok, last)
    over(node, number)


@scenario("an 18x after the 200")
def test_late_provisional(node, caller, last):
    number = node.number()
    invite = caller.invite(number)
    received = last.expect("INVITE")
    last.respond(received, 200, "OK", body=last.sdp(41000))
    last.respond(received, 180, "Ringing")
    ok = caller.take_answer(invite, last)
    caller.nothing(0.2)
    caller.hang_up(invite, ok, last)
    over(node, number)


@scenario("our ACK is lost: each 200 of the callee is acknowledged")
def test_200_again(node, caller, last):
    number = node.number()
    invite = caller.invite(number)
    received = last.answer()
    ok = caller.expect(200)
    caller.ack(invite, ok)
    first = last.expect("ACK")
    last.respond(received, 200, "OK", body=last.sdp(41000))
    assert last.expect("ACK").data == first.data
    caller.hang_up(invite, ok, last)
    last.respond(received, 200, "OK", body=last.sdp(41000))
    last.expect("ACK")  # even after the end
    over(node, number)


@scenario("the 200 is never acknowledged")
def test_ack_never_comes(node, caller, last, saw):
    number = node.number()
    caller.invite(number)
    last.answer()
    caller.expect(200)
    last.expect("ACK")
    before = node.clock.now()
    node.clock.advance(31)
    assert node.calls(number)
    assert not [message for message in last.drain() if message.method == "BYE"]
    node.clock.advance(2)
    bye = last.expect("BYE")
    saw(f"BYE within {node.clock.now() - before:.1f} s of the node's clock")
    last.respond(bye, 200, "OK")
    caller.take_bye()
    assert len([message for message in caller.heard if message.code == 200]) == 1 + 10
    over(node, number, "AckTimeout", None, "server")


@scenario("every message of a call comes twice")
def test_all_twice(node, caller, last):
    number = node.number()
    real = {peer: peer.send for peer in (caller, last)}
    for peer in real:
        peer.send = lambda text, to=None, send=real[peer]: (send(text, to), send(text, to))
    invite = caller.invite(number)
    received = last.expect("INVITE")
    last.respond(received, 180, "Ringing")
    last.respond(received, 200, "OK", body=last.sdp(41000))
    ok = caller.take_answer(invite, last)
    caller.send(caller.in_dialog("BYE", invite, ok))
    bye = last.expect("BYE")
    last.respond(bye, 200, "OK")
    caller.expect(200)
    for peer in caller, last:
        peer.drain(0.3)
        for what in "INVITE", "BYE":  # requests at the one, responses at the other: again, and no others
            assert len({message.data for message in peer.heard if message.method == what and message.code in (0, 200)}) == 1
    over(node, number, "Normal", 200, "caller")


@scenario("the same INVITE by another branch (merged)")
def test_merged(node, caller, last):
    number = node.number()
    invite = caller.invite(number)
    received = last.expect("INVITE")
    caller.send(invite.data.replace(b"branch=z9hG4bK", b"branch=z9hG4bKother"))
    caller.expect(482)
    last.answer(received)
    ok = caller.take_answer(invite, last)
    caller.hang_up(invite, ok, last)
    over(node, number)


@scenario("a response whose top Via is not ours")
@pytest.mark.parametrize("via", ["another branch", "no Via", "two Vias"])
def test_wrong_via(node, caller, last, via):
    number = node.number()
    invite = caller.invite(number)
    received = last.expect("INVITE")
    ok = [f"SIP/2.0 200 OK", f"Via: {received['via']}", f"From: {received['from']}", f"To: {received['to']};tag=x",
          f"Call-ID: {received['call-id']}", f"CSeq: {received['cseq']}", f"Contact: <sip:x@{last.shown}>", "Content-Length: 0", "", ""]
    if via == "another branch":
        ok[1] = re.sub(r"branch=z9hG4bK\w{8}", "branch=z9hG4bKffffffff", ok[1])
    elif via == "no Via":
        del ok[1]
    else:
        ok.insert(1, "Via: SIP/2.0/UDP 10.77.0.99:5060;branch=z9hG4bKforeign")
    last.send("\r\n".join(ok))
    caller.expect(100)
    caller.nothing(0.2)
    if via == "another branch":  # somebody else who answers, in our dialog: hung up
        assert last.take_bye().tag("to") == "x"
    last.nothing(0.1)
    last.answer(received)
    good = caller.take_answer(invite, last)
    caller.hang_up(invite, good, last)
    over(node, number)


@scenario("a request with an old CSeq in a dialog")
def test_old_cseq(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    caller.send(caller.in_dialog("INFO", invite, ok, cseq=5))
    last.respond(last.expect("INFO"), 200, "OK")
    caller.expect(200)
    caller.send(caller.in_dialog("INFO", invite, ok, cseq=4))
    caller.expect(500)
    last.nothing(0.2)
    caller.hang_up(invite, ok, last, cseq=6)
    over(node, number)


@scenario("a peer that lost its state: BYE is answered 481")
def test_bye_gets_481(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    caller.send(caller.in_dialog("BYE", invite, ok))
    last.respond(last.expect("BYE"), 481, "Call/Transaction Does Not Exist")
    caller.expect(200)
    over(node, number, "Normal", 200, "caller")


@scenario("requests of a dialog that nobody knows")
@pytest.mark.parametrize("method, code", [("BYE", 481), ("INVITE", 481), ("UPDATE", 481), ("INFO", 481), ("ACK", None), ("CANCEL", 481)])
def test_no_dialog(node, caller, method, code):
    caller.send(caller.request(method, "sip:x@10.77.0.1:5060", to_tag="nobody", body=caller.sdp() if method == "INVITE" else ""))
    if code:
        caller.expect(code)
    else:
        caller.nothing(0.2)


@scenario("requests in a call that are not served")
@pytest.mark.parametrize("method, code", [("MESSAGE", 405), ("SUBSCRIBE", 405), ("PUBLISH", 405), ("REFER", 405), ("FROBNICATE", 501)])
def test_methods_in_dialog(node, caller, last, method, code):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    caller.send(caller.in_dialog(method, invite, ok))
    refused = caller.expect(code)
    assert code == 501 or "UPDATE" in refused["allow"]
    last.nothing(0.1)
    caller.hang_up(invite, ok, last, cseq=3)
    over(node, number)


@scenario("NOTIFY without a subscription")
def test_notify(node, caller, last):
    invite, ok, received = caller.connect(last, node.number())
    caller.send(caller.in_dialog("NOTIFY", invite, ok, headers=["Event: refer", "Subscription-State: active"]))
    caller.expect(481)
    caller.send(caller.request("NOTIFY", "sip:x@10.77.0.1:5060", headers=["Event: presence", "Subscription-State: active"]))
    caller.expect(481)
    caller.hang_up(invite, ok, last, cseq=3)


@scenario("a non-INVITE request is never answered 408, and an INFO that nobody answers is no reason to hang up")
def test_no_408(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    caller.send(caller.in_dialog("INFO", invite, ok))
    last.expect("INFO")
    node.clock.advance(34)
    caller.nothing(0.3)
    assert node.standing(number)
    last.drain()
    caller.hang_up(invite, ok, last, cseq=3)
    over(node, number)


@scenario("INFOs that nobody answers: the call may owe 16 answers, and leaves room to others")
def test_unanswered_are_bounded(node, caller, last):
    number, other = node.number(), node.number()
    invite, ok, received = caller.connect(last, number)
    for n in range(20):
        caller.send(caller.in_dialog("INFO", invite, ok, cseq=2 + n))
    refused = [caller.expect(500) for _ in range(4)]
    assert sorted(int(r["cseq"].split()[0]) for r in refused) == [18, 19, 20, 21]
    assert all(int(r["retry-after"]) > 0 for r in refused)
    asked = [last.expect("INFO") for _ in range(16)]
    last.respond(asked[3], 200, "OK")
    caller.expect(200)
    caller.send(caller.in_dialog("INFO", invite, ok, cseq=22))  # one place is free again
    while (crossed := last.expect("INFO"))["cseq"] in {message["cseq"] for message in asked}:
        pass  # sent again
    last.respond(crossed, 200, "OK")
    caller.expect(200)
    caller.hang_up(invite, ok, last, cseq=23)
    over(node, number)
    caller.drain()
    invite, ok, _ = caller.connect(last, other)
    caller.hang_up(invite, ok, last)
    over(node, other)


@scenario("signalling is killed in the middle of a call")
def test_killed(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    node.kill_signaling()
    assert node.standing(number)
    caller.hang_up(invite, ok, last)
    over(node, number)
