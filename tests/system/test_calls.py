# SPDX-License-Identifier: Apache-2.0
"""Simple calls at the wire: what the customer and the vendor see, what the record says."""
import os
import os
import re
import signal
import subprocess
import time

import pytest
from lab.carrier import Carrier
from lab.net import wait_for
from sip_peer import SipPeer

pytestmark = pytest.mark.every_build

SWITCH4, SWITCH6 = "10.77.0.1:5060", "[fd77::1]:5060"


class Lab:
    pass


def configure(config):
    config["digest_algorithms"] = "both"
    config["parameters"] |= {"SS_SIP_TIMEOUT_INVITE": 1, "SS_SIP_TIMEOUT_TRYING": 2, "SS_SIP_TIMEOUT_RINGING": 3}
    config["mapping_gateways"] = [{"name": "customer", "addresses": ["10.77.0.10", "fd77::a"]}]
    config["routing_gateways"] = [
        {"name": "vendor", "address": "10.77.0.20:5060", "prefixes": ["49", "44", "33"], "priority": 20},
        {"name": "vendor6", "address": "[fd77::14]:5060", "prefixes": ["46"]},
        {"name": "first", "address": "10.77.0.21:5060", "prefixes": ["44"], "priority": 10},
        {"name": "stopping", "address": "10.77.0.21:5060", "prefixes": ["33"], "priority": 10, "stop_codes": [404]},
        {"name": "rewriting", "address": "10.77.0.20:5060", "prefixes": ["0049"], "callee": {"strip": 2, "add": "+"},
         "caller": {"strip": 2, "add": "0"}},
        {"name": "full", "address": "10.77.0.20:5060", "prefixes": ["55"], "enabled": False},
    ]


@pytest.fixture(scope="module")
def lab(net, folder, postgres, build):
    from lab.switch import Switch, base_config

    lab = Lab()
    lab.customer, lab.vendor, lab.first = net.peer("customer", 10), net.peer("vendor", 20), net.peer("first", 21)
    lab.stranger = net.peer("stranger", 66)
    lab.net, lab.folder, lab.postgres, lab.build = net, folder, postgres, build
    config = base_config("tt-calls", folder, postgres.connection)
    configure(config)
    lab.switch = Switch(net, folder, config).start()
    yield lab
    print(lab.switch.log_tail(80))
    lab.switch.close()


@pytest.fixture
def caller(lab):
    with SipPeer(lab.customer, "10.77.0.10") as peer:
        yield peer


@pytest.fixture
def callee(lab):
    with SipPeer(lab.vendor, "10.77.0.20") as peer:
        yield peer


@pytest.fixture
def first(lab):
    with SipPeer(lab.first, "10.77.0.21") as peer:
        yield peer


def records(lab, number, count=1):
    """The records of the call to that number, as dictionaries, in the order of the attempts."""
    columns = ("attempt, final, end_reason, end_direction, sip_code, q850_cause, mapping_gateway, routing_gateway, "
               "callee_number_out, caller_number_out, extract(epoch from duration), codec, media_mode, host(caller_ip), host(callee_ip)")
    names = [re.split(r"[ (]", c.strip())[-1].strip(")") if "(" in c else c.strip() for c in columns.split(", ")]

    def rows():
        found = lab.postgres.query(f"SELECT {columns} FROM tandem.cdr WHERE callee_number_in = '{number}' ORDER BY attempt")
        return found if len(found) >= count else None

    found = wait_for(rows, 10, f"{count} records for {number}")
    assert len(found) == count
    return [dict(zip(names, row)) for row in found]


def answer(callee, sdp_port=41000, **options):
    invite = callee.expect("INVITE")
    callee.respond(invite, 100, "Trying")
    callee.respond(invite, 180, "Ringing")
    callee.respond(invite, 200, "OK", body=callee.sdp(sdp_port), **options)
    return invite


def establish(caller, callee, number):
    invite = caller.invite(number)
    received = answer(callee)
    ok = caller.expect(200)
    caller.ack(invite, ok)
    callee.expect("ACK")
    return invite, ok, received


def test_basic_call_hides_each_side(lab, caller, callee):
    invite = caller.invite("4930100")
    received = callee.expect("INVITE")
    # Nothing of the customer's side crosses, and both bodies point at the relay.
    text = received.data.decode()
    assert "10.77.0.10" not in text and invite["call-id"] not in text and invite.tag("from") not in text
    assert len(received.all("via")) == 1 and received["max-forwards"] == "69"
    assert received.media()[0] == "10.77.0.2"
    assert received.uri.startswith("sip:4930100@10.77.0.20")
    callee.respond(received, 180, "Ringing")
    ringing = caller.expect(180)
    assert ringing["call-id"] == invite["call-id"] and ringing.tag("to")
    callee.respond(received, 200, "OK", body=callee.sdp(41000))
    ok = caller.expect(200)
    assert ok.media()[0] == "10.77.0.2" and "10.77.0.20" not in ok.data.decode()
    caller.ack(invite, ok)
    callee.expect("ACK")
    time.sleep(0.3)
    caller.send(caller.in_dialog("BYE", invite, ok))
    bye = callee.expect("BYE")
    assert bye["reason"] and "cause=16" in bye["reason"]
    callee.respond(bye, 200, "OK")
    caller.expect(200)
    record, = records(lab, "4930100")
    assert record["end_reason"] == "Normal" and record["end_direction"] == "caller" and record["final"] == "t"
    assert record["sip_code"] == "200" and record["q850_cause"] == "16" and record["codec"].startswith("PCMA")
    assert 0.25 < float(record["duration"]) < 1.5
    assert record["mapping_gateway"] == "customer" and record["routing_gateway"] == "vendor"


def test_callee_hangs_up(lab, caller, callee):
    invite, ok, received = establish(caller, callee, "4930101")
    callee.send(callee.in_dialog_callee("BYE", received))
    callee.expect(200)
    bye = caller.expect("BYE")
    caller.respond(bye, 200, "OK")
    assert records(lab, "4930101")[0]["end_direction"] == "callee"


def test_byes_cross(lab, caller, callee):
    invite, ok, received = establish(caller, callee, "4930102")
    caller.send(caller.in_dialog("BYE", invite, ok))
    callee.send(callee.in_dialog_callee("BYE", received))
    caller.expect(200)
    callee.expect(200)
    assert records(lab, "4930102")[0]["end_reason"] == "Normal"


def test_cancel(lab, caller, callee):
    invite = caller.invite("4930103")
    received = callee.expect("INVITE")
    callee.respond(received, 180, "Ringing")
    caller.expect(180)
    caller.cancel(invite)
    caller.expect(200)
    terminated = caller.expect(487)
    caller.ack(invite, terminated)
    request = callee.expect("CANCEL")
    assert "cause=" in (request["reason"] or "")
    callee.respond(request, 200, "OK")
    callee.respond(received, 487, "Request Terminated")
    callee.expect("ACK")
    assert records(lab, "4930103")[0]["end_reason"] == "CallerCancel"


def test_cancel_crosses_200(lab, caller, callee):
    invite = caller.invite("4930104")
    received = callee.expect("INVITE")
    callee.respond(received, 180, "Ringing")
    caller.expect(180)
    caller.cancel(invite)
    request = callee.expect("CANCEL")
    callee.respond(received, 200, "OK", body=callee.sdp(41000))
    callee.respond(request, 200, "OK")
    callee.expect("ACK")
    bye = callee.expect("BYE")
    callee.respond(bye, 200, "OK")
    terminated = caller.expect(487)
    caller.ack(invite, terminated)
    assert records(lab, "4930104")[0]["end_reason"] == "CallerCancel"


def test_unknown_source_is_refused(lab):
    with SipPeer(lab.stranger, "10.77.0.66") as stranger:
        stranger.invite("4930105")
        assert stranger.expect((401, 403, 407)).code
    assert [call for call in lab.switch.calls() if call["callee"] == "4930105"] == []


def test_no_route(lab, caller):
    invite = caller.invite("9930106")
    final = caller.expect(503)
    caller.ack(invite, final)
    record, = records(lab, "9930106")
    assert record["end_reason"] == "NoAvailableRouter" and record["routing_gateway"] == ""


def test_all_gateways_disabled(lab, caller):
    invite = caller.invite("5530107")
    final = caller.expect(503)
    caller.ack(invite, final)
    assert records(lab, "5530107")[0]["end_reason"] == "AllGatewayBusy"


def test_silent_vendor_then_next(lab, caller, callee, first):
    started = time.monotonic()
    invite = caller.invite("4430108")
    first.expect("INVITE")
    received = answer(callee)
    assert 0.9 < time.monotonic() - started < 2.0
    ok = caller.expect(200)
    caller.ack(invite, ok)
    callee.expect("ACK")
    caller.send(caller.in_dialog("BYE", invite, ok))
    bye = callee.expect("BYE")
    callee.respond(bye, 200, "OK")
    one, two = records(lab, "4430108", 2)
    assert one["end_reason"] == "InviteTimeout" and one["final"] == "f" and one["routing_gateway"] == "first"
    assert two["end_reason"] == "Normal" and two["final"] == "t" and two["routing_gateway"] == "vendor"
    assert received["call-id"] != invite["call-id"]


def test_error_then_next(lab, caller, callee, first):
    invite = caller.invite("4430109")
    refused = first.expect("INVITE")
    first.respond(refused, 500, "No")
    first.expect("ACK")
    answer(callee)
    ok = caller.expect(200)
    caller.ack(invite, ok)
    callee.expect("ACK")
    caller.send(caller.in_dialog("BYE", invite, ok))
    callee.respond(callee.expect("BYE"), 200, "OK")
    one, two = records(lab, "4430109", 2)
    assert (one["end_reason"], one["sip_code"]) == ("ServerFailure", "500") and two["end_reason"] == "Normal"


def test_busy_and_stop_codes_end_the_search(lab, caller, callee, first):
    for number, code, reason in (("4430110", 486, "Busy"), ("3330110", 404, "NotFound"), ("4430111", 603, "GlobalFailure")):
        invite = caller.invite(number)
        first.respond(first.expect("INVITE"), code, "No")
        first.expect("ACK")
        caller.ack(invite, caller.expect(code))
        callee.nothing(0.2)
        assert records(lab, number)[0]["end_reason"] == reason


def test_ringing_times_out(lab, caller, callee):
    invite = caller.invite("4930112")
    received = callee.expect("INVITE")
    callee.respond(received, 180, "Ringing")
    caller.expect(180)
    request = callee.expect("CANCEL", 6)
    callee.respond(request, 200, "OK")
    callee.respond(received, 487, "Request Terminated")
    caller.ack(invite, caller.expect(480))
    assert records(lab, "4930112")[0]["end_reason"] == "RingingTimeout"


def test_numbers_are_rewritten(lab, caller, callee):
    invite = caller.invite("004930113")
    received = callee.expect("INVITE")
    assert received.uri.startswith("sip:+4930113@") and "sip:0228001@" in received["from"]
    callee.respond(received, 404, "Not Found")
    callee.expect("ACK")
    caller.ack(invite, caller.expect(404))
    record, = records(lab, "004930113")
    assert record["callee_number_out"] == "+4930113" and record["caller_number_out"] == "0228001"


def test_reinvite_passes_both_ways(lab, caller, callee):
    invite, ok, received = establish(caller, callee, "4930114")
    hold = caller.in_dialog("INVITE", invite, ok, body=caller.sdp(40000, "sendonly"),
                            headers=[f"Contact: <sip:c@{caller.shown}>"])
    caller.send(hold)
    crossed = callee.expect("INVITE")
    assert "a=sendonly" in crossed.body and crossed.media()[0] == "10.77.0.2" and crossed.tag("to")
    callee.respond(crossed, 200, "OK", body=callee.sdp(41000, "recvonly"))
    answer_ = caller.expect(200)
    assert "a=recvonly" in answer_.body
    caller.send(caller.in_dialog("ACK", invite, ok, cseq=2))
    callee.expect("ACK")
    callee.send(callee.in_dialog_callee("INVITE", received, body=callee.sdp(41002), headers=[f"Contact: <sip:v@{callee.shown}>"]))
    crossed = caller.expect("INVITE")
    caller.respond(crossed, 200, "OK", body=caller.sdp(40000))
    back = callee.expect(200)
    callee.send(callee.in_dialog_callee("ACK", received, cseq=100))
    caller.expect("ACK")
    assert back.media()[0] == "10.77.0.2"
    caller.send(caller.in_dialog("BYE", invite, ok, cseq=3))
    callee.respond(callee.expect("BYE"), 200, "OK")
    caller.expect(200)


def test_options(lab, caller):
    caller.send(caller.request("OPTIONS", "sip:10.77.0.1:5060"))
    options = caller.expect(200)
    assert "INVITE" in options["allow"]


def test_in_dialog_request_without_dialog(lab, caller):
    caller.send(caller.request("BYE", "sip:x@10.77.0.1:5060", to_tag="nobody"))
    caller.expect(481)


def test_unknown_method(lab, caller):
    caller.send(caller.request("FROBNICATE", "sip:x@10.77.0.1:5060"))
    assert caller.expect((405, 501)).code


def test_200_is_resent_until_ack(lab, caller, callee):
    invite = caller.invite("4930115")
    answer(callee)
    first = caller.expect(200)
    again = caller.expect(200, 2)
    assert first.data == again.data
    caller.ack(invite, again)
    callee.expect("ACK")
    caller.send(caller.in_dialog("BYE", invite, again))
    callee.respond(callee.expect("BYE"), 200, "OK")


V4, V6 = ("10.77.0.10", SWITCH4), ("fd77::a", SWITCH6)
TO_V4, TO_V6 = ("49", "10.77.0.20"), ("46", "fd77::14")


@pytest.mark.parametrize("pairs", [((V4, TO_V4), (V6, TO_V6)), ((V4, TO_V6), (V6, TO_V4))], ids=["same-family", "across"])
def test_audio_is_bit_exact(lab, pairs):
    """30 seconds, every payload compared, both ways; two families at a time."""
    hold = 30 if os.path.basename(lab.build) == "build" else 5
    carriers = [Carrier(lab.build, lab.customer, caller_ip, switch, [(lab.vendor, vendor_ip, "")], number=number, calls=5, rate=20,
                        hold=hold, audio=True).start() for (caller_ip, switch), (number, vendor_ip) in pairs]
    for report in [carrier.finish() for carrier in carriers]:
        audio = report["audio"]
        print(audio)
        assert report["ended_clean"] == report["offered"] == 5
        assert audio["corrupted"] == audio["foreign"] == audio["lost"] == audio["duplicates"] == 0
        assert audio["callee_received"] == audio["caller_sent"] > 0 and audio["caller_received"] == audio["callee_sent"] > 0


@pytest.mark.parametrize("caller_ip, switch, number, callee_ip", [("10.77.0.10", "10.77.0.1", "4930117", "10.77.0.20"),
                                                                  ("fd77::a", "fd77::1", "4630117", "fd77::14")])
def test_large_messages_cross_in_fragments(lab, caller_ip, switch, number, callee_ip):
    """6,000 bytes of INVITE and of its answer, in and out: an MTU of 1,500 leaves no other way than fragments."""
    filler = "".join(f"a=x-line-{n}:{'abcdefghij' * 8}\r\n" for n in range(62))
    with SipPeer(lab.customer, caller_ip, switch=(switch, 5060)) as caller, SipPeer(lab.vendor, callee_ip) as callee:
        invite = caller.invite(number, body=caller.sdp() + filler)
        received = callee.expect("INVITE")
        assert len(invite.data) > 6000 and len(received.data) > 6000 and filler in received.body
        callee.respond(received, 200, "OK", body=callee.sdp() + filler)
        ok = caller.expect(200)
        assert len(ok.data) > 6000 and filler in ok.body
        caller.ack(invite, ok)
        callee.expect("ACK")
        caller.send(caller.in_dialog("BYE", invite, ok))
        callee.respond(callee.expect("BYE"), 200, "OK")
        caller.expect(200)


def test_sipp_as_both_peers(lab):
    uas = lab.vendor.start(["sipp", "-sn", "uas", "-i", "10.77.0.20", "-p", "5060", "-nostdin"], stdout=subprocess.DEVNULL)
    try:
        out = lab.customer.run(["sipp", "-sn", "uac", "-s", "4930116", "-i", "10.77.0.10", "-p", "5060", "-m", "50", "-r", "50", "-d",
                                "500", "-nostdin", "-timeout", "30", "-timeout_error", SWITCH4], check=False)
        done = [line for line in out.splitlines() if "Successful call" in line][-1]
        assert done.split("|")[-1].strip() == "50", out[-3000:]
    finally:
        uas.kill()
        uas.wait()
    assert len(records(lab, "4930116", 50)) == 50


def test_stopping_sends_new_calls_elsewhere(lab, caller):
    pid = lab.switch.pid("signaling")
    os.kill(pid, signal.SIGTERM)
    refused = None
    for n in range(20):
        caller.invite("4930118", call_id=f"stopping-{n}")
        message = caller.receive(0.005)
        if message and message.code == 503:
            refused = message
            break
    assert refused and refused["Retry-After"]
    wait_for(lambda: lab.switch.status()["signaling"]["ready"] and lab.switch.pid("signaling") != pid, 20, "signaling again")
