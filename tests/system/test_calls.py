# SPDX-License-Identifier: Apache-2.0
"""Calls of both IP families through a whole switch: their audio, messages that need fragments, and a node that is taken out."""
import os
import signal

import pytest
from fixtures import a_lab
from lab.carrier import Carrier
from lab.net import wait_for
from sip_peer import SipPeer

pytestmark = pytest.mark.every_build

# From a caller of either family to a callee of either: (his address, the switch's), his port, number, address and port of the callee.
V4, V6 = ("10.77.0.10", "10.77.0.1:5060"), ("fd77::a", "[fd77::1]:5060")
WAYS = [(V4, 5060, "49", "10.77.0.20", 5060), (V6, 5060, "46", "fd77::14", 5060),
        (V4, 5062, "56", "fd77::14", 5062), (V6, 5062, "59", "10.77.0.20", 5062)]


@pytest.fixture(scope="module")
def lab(net, folder, postgres):
    def change(config):
        config["mapping_gateways"][0]["addresses"].append("fd77::a")
        config["routing_gateways"] = [{"name": f"vendor{number}", "address": f"{f'[{ip}]' if ':' in ip else ip}:{port}", "prefixes": [number]}
                                      for _, _, number, ip, port in WAYS]

    with a_lab(net, folder, postgres, "tt-calls", change) as lab:
        yield lab


def test_audio_is_bit_exact(lab, build):
    """30 seconds, every payload compared, both ways."""
    hold = 30 if os.path.basename(build) == "build" else 5
    carriers = [Carrier(build, lab.customer, caller, switch, [(lab.vendor, callee, "")], port=port, vendor_port=vendor_port,
                        number=number, calls=3, rate=20, hold=hold, audio=True).start()
                for (caller, switch), port, number, callee, vendor_port in WAYS]
    for report in [carrier.finish() for carrier in carriers]:
        audio = report["audio"]
        print(audio)
        assert report["ended_clean"] == report["offered"] == 3
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


def test_stopping_sends_new_calls_elsewhere(lab):
    pid = lab.switch.pid("signaling")
    os.kill(pid, signal.SIGTERM)
    refused = None
    with SipPeer(lab.customer, "10.77.0.10") as caller:
        for n in range(20):
            caller.invite("4930118", call_id=f"stopping-{n}")
            message = caller.receive(0.005)
            if message and message.code == 503:
                refused = message
                break
    assert refused and refused["Retry-After"]
    wait_for(lambda: lab.switch.status()["signaling"]["ready"] and lab.switch.pid("signaling") != pid, 20, "signaling again")
