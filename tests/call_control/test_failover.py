# SPDX-License-Identifier: Apache-2.0
"""The search for a gateway that takes the call: each branch of the tree, each parameter of it, the records of each attempt."""
import time

import pytest
from credentials import challenge
from node import send_rtp

scenario = pytest.mark.scenario


def connected(node, caller, last, invite, number, records):
    """The call goes on to `last` and ends; the records must be (gateway, reason, code) in that order."""
    last.answer()
    ok = caller.take_answer(invite, last)
    caller.hang_up(invite, ok, last)
    seen(node, number, records + [("last", "Normal", 200)])


def seen(node, number, records):
    rows = node.records(number, len(records))
    assert [(row.routing_gateway, row.end_reason, row.sip_code) for row in rows] == records
    assert [row.attempt for row in rows] == list(range(1, len(rows) + 1))
    node.gone(number)


def refused(node, caller, invite, number, code, records):
    caller.take_refusal(invite, code)
    seen(node, number, records)


def where_set(node, where, parameter, setting, preset):
    """A parameter with an override at the first vendor: neither is set, the parameter is the other way, or the override has its say."""
    gateway = {"gateway on": True, "gateway off": False}.get(where)
    system = {"default": {}, "system": {parameter: not preset}}.get(where, {parameter: not gateway})
    return node.changed(**system, **({} if gateway is None else {"first": {setting: gateway}}))


@scenario("nothing at all: 408, or the next gateway")
@pytest.mark.parametrize("where", ["default", "system", "gateway on", "gateway off"])
def test_silent(node, caller, first, last, where):
    """SS_SIP_USER_AGENT_STOP_SWITCH_AFTER_INVITE_TIMEOUT and its override."""
    with where_set(node, where, "SS_SIP_USER_AGENT_STOP_SWITCH_AFTER_INVITE_TIMEOUT", "stop_switch_after_invite_timeout", False):
        number = node.number("44")
        invite = caller.invite(number)
        first.expect("INVITE")
        node.clock.advance(10.2)
        if where in ("system", "gateway on"):
            refused(node, caller, invite, number, 408, [("first", "InviteTimeout", 408)])
            last.nothing(0.1)
        else:
            connected(node, caller, last, invite, number, [("first", "InviteTimeout", 408)])


@scenario("an error before any progress: the next gateway")
@pytest.mark.parametrize("code, reason", [(404, "NotFound"), (403, "Forbidden"), (488, "Rejected"), (500, "ServerFailure"), (503, "ServerFailure"),
                                          (302, "Rejected")])
def test_error_then_next(node, caller, first, last, code, reason):
    number = node.number("44")
    invite = caller.invite(number)
    first.refuse(code)
    connected(node, caller, last, invite, number, [("first", reason, code)])


@scenario("an error after 100, 180 or 183 without SDP: the next gateway")
@pytest.mark.parametrize("progress", [100, 180, 183])
def test_error_after_progress(node, caller, first, last, progress):
    number = node.number("44")
    invite = caller.invite(number)
    received = first.expect("INVITE")
    first.respond(received, progress, "Progress")
    first.respond(received, 500, "No")
    first.expect("ACK")
    connected(node, caller, last, invite, number, [("first", "ServerFailure", 500)])


@scenario("a vendor whose SDP has come, who then wants credentials and is silent: no other one")
def test_silent_after_sdp(node, caller, first, last):
    with node.changed(first={"digest": {"user": "us", "password": "secret"}}):
        number = node.number("44")
        invite = caller.invite(number)
        received = first.expect("INVITE")
        first.respond(received, 183, "Progress", body=first.sdp(41000))
        challenge(first, received, 407)
        first.expect("ACK")
        first.expect("INVITE")
        node.clock.advance(10.5)
        caller.take_refusal(invite, 408)
        node.record(number, "InviteTimeout", 408, "server")
        last.nothing(0.2)


@scenario("an error after SDP: SS_SIP_STOP_SWITCH_AFTER_SDP")
@pytest.mark.parametrize("code", [183, 180])
@pytest.mark.parametrize("where", ["default", "system", "gateway off", "gateway on"])
def test_error_after_sdp(node, caller, first, last, code, where):
    with where_set(node, where, "SS_SIP_STOP_SWITCH_AFTER_SDP", "stop_switch_after_sdp", True):
        number = node.number("44")
        invite = caller.invite(number)
        received = first.expect("INVITE")
        first.respond(received, code, "Progress", body=first.sdp(41000))
        first.respond(received, 500, "No")
        first.expect("ACK")
        if where in ("default", "gateway on"):
            refused(node, caller, invite, number, 500, [("first", "ServerFailure", 500)])
        else:
            connected(node, caller, last, invite, number, [("first", "ServerFailure", 500)])


@scenario("RTP from the gateway, then an error: SS_GATEWAY_SWITCH_STOP_AFTER_RTP_START")
@pytest.mark.parametrize("stops", [True, False])
def test_error_after_rtp(node, caller, first, last, stops):
    with node.changed(SS_GATEWAY_SWITCH_STOP_AFTER_RTP_START=stops, SS_SIP_STOP_SWITCH_AFTER_SDP=False):
        number = node.number("44")
        invite = caller.invite(number)
        received = first.expect("INVITE")
        first.respond(received, 183, "Progress", body=first.sdp(41000))
        caller.expect(183)
        send_rtp(node.hosts["first"], first.ip, 41000, received.media())
        first.respond(received, 500, "No")
        first.expect("ACK")
        if stops:
            refused(node, caller, invite, number, 500, [("first", "ServerFailure", 500)])
        else:
            connected(node, caller, last, invite, number, [("first", "ServerFailure", 500)])


@scenario("RTP of the gateway before comes late: it does not keep the call at the next one")
def test_late_rtp(node, caller, first, second, last):
    with node.changed(SS_GATEWAY_SWITCH_STOP_AFTER_RTP_START=True, SS_SIP_STOP_SWITCH_AFTER_SDP=False, third={"enabled": False}):
        number = node.number("41")
        invite = caller.invite(number)
        received = first.expect("INVITE")
        first.respond(received, 183, "Progress", body=first.sdp(41000))
        caller.expect(183)
        first.respond(received, 500, "No")
        first.expect("ACK")
        send_rtp(node.hosts["first"], first.ip, 41000, received.media())
        second.refuse(500)
        connected(node, caller, last, invite, number, [("first", "ServerFailure", 500), ("second", "ServerFailure", 500)])


@scenario("busy: SS_GATEWAY_SWITCH_STOP_AFTER_USER_BUSY")
@pytest.mark.parametrize("code, told", [(486, 486), (600, 486)])
@pytest.mark.parametrize("stops", [True, False])
def test_busy(node, caller, first, last, code, told, stops):
    with node.changed(**({} if stops else {"SS_GATEWAY_SWITCH_STOP_AFTER_USER_BUSY": False})):
        number = node.number("44")
        invite = caller.invite(number)
        first.refuse(code)
        if stops:
            refused(node, caller, invite, number, told, [("first", "Busy", code)])
        else:
            connected(node, caller, last, invite, number, [("first", "Busy", code)])


@scenario("6xx ends the search")
@pytest.mark.parametrize("code, reason", [(603, "GlobalFailure"), (604, "NotFound"), (606, "GlobalFailure")])
def test_global_failure(node, caller, first, last, code, reason):
    number = node.number("44")
    invite = caller.invite(number)
    first.refuse(code)
    refused(node, caller, invite, number, code, [("first", reason, code)])
    last.nothing(0.1)


@scenario("a code on the gateway's stop list")
@pytest.mark.parametrize("code", [404, 403, 503])
def test_stop_codes(node, caller, first, last, code):
    with node.changed(first={"stop_codes": [403, 404]}):
        number = node.number("44")
        invite = caller.invite(number)
        first.refuse(code)
        reason = {404: "NotFound", 403: "Forbidden", 503: "ServerFailure"}[code]
        if code == 503:
            connected(node, caller, last, invite, number, [("first", reason, code)])
        else:
            refused(node, caller, invite, number, code, [("first", reason, code)])


STAGES = [("100 and nothing after it", 100, False, "TRYING", 20, "TryingTimeout", 408),
          ("183 and nothing after it", 183, False, "SESSION_PROGRESS", 20, "ProgressTimeout", 480),
          ("183 with SDP and no answer", 183, True, "SESSION_PROGRESS_SDP", 120, "ProgressTimeout", 480),
          ("ringing and no answer", 180, False, "RINGING", 120, "RingingTimeout", 480)]


@scenario("a stage times out: SS_GATEWAY_SWITCH_UNTIL_CONNECT")
@pytest.mark.parametrize("until_connect", [False, True])
@pytest.mark.parametrize("stage", STAGES, ids=[stage[0] for stage in STAGES])
def test_stage_times_out(node, caller, first, last, stage, until_connect):
    _, code, sdp, _, seconds, reason, final = stage
    with node.changed(SS_GATEWAY_SWITCH_UNTIL_CONNECT=until_connect, SS_SIP_STOP_SWITCH_AFTER_SDP=False):
        number = node.number("44")
        invite = caller.invite(number)
        received = first.expect("INVITE")
        first.respond(received, code, "Progress", body=first.sdp(41000) if sdp else "")
        time.sleep(0.05)
        node.clock.advance(seconds + 0.3)
        first.take_cancel(received)
        if until_connect or code == 100:
            connected(node, caller, last, invite, number, [("first", reason, final)])
        else:
            refused(node, caller, invite, number, final, [("first", reason, final)])


@scenario("the gateway that is left answers after all: ACK and BYE")
def test_left_one_answers(node, caller, first, last):
    number = node.number("44")
    invite = caller.invite(number)
    received = first.expect("INVITE")
    first.respond(received, 100, "Trying")
    time.sleep(0.05)
    node.clock.advance(20.3)
    request = first.expect("CANCEL")
    first.respond(received, 200, "OK", body=first.sdp(41000))
    first.respond(request, 200, "OK")
    first.expect("ACK")
    first.take_bye()
    connected(node, caller, last, invite, number, [("first", "TryingTimeout", 408)])


@scenario("the caller hangs up during the second attempt: everything ends")
def test_caller_cancels(node, caller, first, last):
    number = node.number("44")
    invite = caller.invite(number)
    first.refuse(500)
    received = last.expect("INVITE")
    last.respond(received, 180, "Ringing")
    caller.expect(180)
    caller.cancel(invite)
    caller.take_refusal(invite, 487)
    last.take_cancel(received)
    first.nothing(0.1)
    one, two = node.records(number, 2)
    assert (one.end_reason, two.end_reason, two.end_direction) == ("ServerFailure", "CallerCancel", "caller")


@scenario("SS_GATEWAY_SWITCH_LIMIT")
@pytest.mark.parametrize("limit, attempts", [(0, 1), (1, 2), (2, 3), (100, 4), ("none", 4)])
def test_switch_limit(node, caller, first, second, third, last, limit, attempts):
    with node.changed(SS_GATEWAY_SWITCH_LIMIT=limit):
        number = node.number("41")
        invite = caller.invite(number)
        tried = [first, second, third, last][:attempts]
        for peer in tried:
            peer.refuse(500)
        rows = [(peer.name, "ServerFailure", 500) for peer in tried]
        if attempts < 4:
            rows[-1] = (tried[-1].name, "SwitchLimit", 500)
        refused(node, caller, invite, number, 500, rows)


@scenario("every gateway is silent: the last one's code")
def test_all_silent(node, caller, first, second, third, last):
    number = node.number("41")
    invite = caller.invite(number)
    for peer in first, second, third, last:
        peer.expect("INVITE")
        node.clock.advance(10.2)
    refused(node, caller, invite, number, 408, [(peer, "InviteTimeout", 408) for peer in ("first", "second", "third", "last")])


@scenario("no gateway can be tried: disabled, full, over its rate, banned")
@pytest.mark.parametrize("why", ["disabled", "full", "over its rate", "banned"])
def test_none_free(node, caller, last, why):
    setting = {"disabled": {"enabled": False}, "full": {"capacity": 1}, "over its rate": {"calls_per_second": 1}, "banned": {}}[why]
    with node.changed(last=setting):
        call = None
        if why == "full":
            call = caller.connect(last, node.number())
        elif why == "over its rate":
            other = caller.invite(node.number())
            last.refuse(404)
            caller.take_refusal(other, 404)
        elif why == "banned":
            other = caller.invite(node.number())
            last.refuse(503, headers=["Retry-After: 30"])
            caller.take_refusal(other, 503)
        number = node.number()
        invite = caller.invite(number)
        caller.take_refusal(invite, 503)
        assert node.record(number, "AllGatewayBusy", 503, "server").routing_gateway == ""
        if call:
            caller.hang_up(call[0], call[1], last)
        if why == "banned":
            node.clock.advance(31)
            call = caller.connect(last, node.number())
            caller.hang_up(call[0], call[1], last)


@scenario("Retry-After of the callee (486, 404, 600) bans nobody")
@pytest.mark.parametrize("code, told", [(486, 486), (404, 404), (600, 486)])
def test_retry_after_of_the_callee(node, caller, last, code, told):
    other = caller.invite(node.number())
    last.refuse(code, headers=["Retry-After: 30"])
    caller.take_refusal(other, told)
    number = node.number()
    invite, ok, _ = caller.connect(last, number)
    caller.hang_up(invite, ok, last)
    node.record(number, "Normal", 200)


@scenario("each attempt rewrites what the caller dialled, not what the one before made of it")
def test_numbers_afresh(node, caller, first, last):
    with node.changed(first={"callee": {"strip": 2, "add": "00"}}, last={"callee": {"strip": 1, "add": "+"}, "caller": {"strip": 2, "add": "0"}}):
        number = node.number("44")
        invite = caller.invite(number)
        assert first.refuse(500).uri.startswith(f"sip:00{number[2:]}@")
        received = last.expect("INVITE")
        assert received.uri.startswith(f"sip:+{number[1:]}@") and "<sip:0228001@" in received["from"]
        last.answer(received)
        ok = caller.take_answer(invite, last)
        caller.hang_up(invite, ok, last)
        one, two = node.records(number, 2)
        assert (one.callee_number_out, two.callee_number_out) == (f"00{number[2:]}", f"+{number[1:]}")
        assert (one.caller_number_out, two.caller_number_out) == ("49228001", "0228001")


@scenario("what the customer is told: response_codes, and 401, 407, 600, 3xx made others")
@pytest.mark.parametrize("code, told", [(503, 480), (404, 604), (401, 403), (407, 403), (600, 486), (301, 480), (500, 500)])
def test_response_codes(node, caller, last, code, told):
    with node.changed(customer={"response_codes": [{"from": 503, "to": 480}, {"from": 404, "to": 604}]}):
        number = node.number()
        invite = caller.invite(number)
        last.refuse(code)
        caller.take_refusal(invite, told)
        node.record(number, None, code, "callee")


@scenario("post-dial delay: three dead vendors, a second each, before a live one (in real time)")
def test_post_dial_delay(node, caller, first, second, third, last, saw):
    with node.changed(SS_SIP_TIMEOUT_INVITE=1):
        number = node.number("41")
        started = time.monotonic()
        invite = caller.invite(number)
        received = last.expect("INVITE")
        last.respond(received, 200, "OK", body=last.sdp(41000))
        ok = caller.expect(200)
        took = time.monotonic() - started
        saw(f"connected after {took:.3f} s")
        caller.ack(invite, ok)
        last.expect("ACK")
        caller.hang_up(invite, ok, last)
        rows = node.records(number, 4)
        assert [row.end_reason for row in rows] == ["InviteTimeout"] * 3 + ["Normal"]
        saw(f"pdd_ms {rows[-1].pdd_ms}")
        assert 3.0 <= took <= 3.1 and 3000 <= rows[-1].pdd_ms <= 3100
        assert rows[-1].progress == "f"  # no 18x came


@scenario("SS_CDR_RECORD_NONCONNECT off: only the last row")
@pytest.mark.parametrize("answered", [True, False])
def test_record_nonconnect(node, caller, first, last, answered):
    with node.changed(SS_CDR_RECORD_NONCONNECT=False):
        number = node.number("44")
        invite = caller.invite(number)
        first.refuse(500)
        if answered:
            last.answer()
            ok = caller.take_answer(invite, last)
            caller.hang_up(invite, ok, last)
        else:
            last.refuse(404)
            caller.take_refusal(invite, 404)
        row = node.record(number, "Normal" if answered else "NotFound", 200 if answered else 404)
        assert row.attempt == 2


@scenario("kill -9 with one place left: the count is right after it")
def test_count_after_kill(node, caller, last):
    with node.changed(last={"capacity": 2}):
        calls = [caller.connect(last, node.number()) for _ in range(2)]
        node.kill_signaling()
        for _ in range(2):
            caller.take_refusal(caller.invite(node.number()), 503)
            invite, ok, _ = calls.pop()
            caller.hang_up(invite, ok, last)
            calls.insert(0, caller.connect(last, node.number()))
        for invite, ok, _ in calls:
            caller.hang_up(invite, ok, last)
