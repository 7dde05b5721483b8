# SPDX-License-Identifier: Apache-2.0
"""Messages with the defects of RFC 4475, at the wire: each is answered or dropped, and a call succeeds after each."""
import glob
import os
import re
import time

import pytest
from lab.switch import Switch, base_config
from sip_peer import SipPeer

pytestmark = pytest.mark.every_build

TORTURE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fuzz", "torture")
DROPPED = None
ANSWERED = "a final response"  # well formed: what it gets is up to routing, registrations and so on

# What a message must get; the reasons stand beside the same names in tests/unit/sip/test_torture.c.
EXPECTED = {
    "intmeth": 501, "esc02": 501, "mpart01": 405, "badinv01": 400, "clerr": 400, "ncl": 400, "scalar02": 400, "quotbal": 400,
    "ltgtruri": 400, "lwsruri": 400, "lwsstart": 400, "trws": 400, "escruri": 400, "regbadct": 400, "badvers": 505,
    "mismatch01": 400, "mismatch02": 400, "insuf": 400, "unkscm": 416, "novelsc": 416, "unksm2": ANSWERED, "bext01": 420,
    "invut": 415, "multi01": 400, "mcl01": 400, "zeromf": 483,
    # responses that belong to nothing
    "unreason": DROPPED, "noreason": DROPPED, "scalarlg": DROPPED, "bigcode": DROPPED, "bcast": DROPPED,
}
NAMES = sorted(os.path.basename(path)[:-4] for path in glob.glob(os.path.join(TORTURE, "*.sip")))


@pytest.fixture(scope="module")
def lab(net, folder, postgres):
    class Lab:
        pass

    lab = Lab()
    customer, vendor = net.peer("customer", 10), net.peer("vendor", 20)
    config = base_config("tt-torture", folder, postgres.connection)
    config["mapping_gateways"] = [{"name": "customer", "addresses": ["10.77.0.10"]}]
    config["routing_gateways"] = [{"name": "vendor", "address": "10.77.0.20:5060", "prefixes": ["49"]}]
    lab.switch = Switch(net, folder, config).start()
    lab.caller, lab.callee = SipPeer(customer, "10.77.0.10"), SipPeer(vendor, "10.77.0.20")
    lab.calls = 0
    yield lab
    print(lab.switch.log_tail())
    lab.caller.close()
    lab.callee.close()
    lab.switch.close()


def test_all_of_them_are_here():
    assert len(NAMES) == 49 and set(EXPECTED) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_torture(lab, name):
    with open(os.path.join(TORTURE, f"{name}.sip"), "rb") as file:
        message = file.read()
    lab.caller.send(message)
    expected = EXPECTED.get(name, ANSWERED)
    final = final_response(lab.caller, call_id(message), 0.4 if expected is DROPPED else 3)
    if expected is DROPPED:
        assert final is None
    else:
        print(name, final)
        assert final, f"{name}: no final response"
        if expected is not ANSWERED:
            assert final.code == expected
    a_call_succeeds(lab)
    assert all(process["starts"] == 1 for process in lab.switch.status().values())


def call_id(message):
    """Each message has its own: answers to the one before may still be resent."""
    found = re.search(rb"^(?:call-id|i)[ \t]*:\s*(\S+)", message, re.M | re.I)
    return found.group(1).decode(errors="replace") if found else None


def final_response(peer, wanted, timeout_s):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        message = peer.receive(deadline - time.monotonic())
        if message and message.code >= 200 and message["call-id"] == wanted:
            return message
    return None


def a_call_succeeds(lab):
    drain(lab.caller)
    drain(lab.callee)
    lab.calls += 1
    invite = lab.caller.invite(f"4930{lab.calls:06}")
    number = f"4930{lab.calls:06}"
    while True:
        received = lab.callee.expect("INVITE")
        if number in received.uri:
            break
        lab.callee.respond(received, 404, "Not Found")  # a torture message that was routed
    lab.callee.respond(received, 200, "OK", body=lab.callee.sdp())
    while True:
        ok = lab.caller.expect(200)
        if ok["call-id"] == invite["call-id"]:
            break
    lab.caller.ack(invite, ok)
    lab.caller.send(lab.caller.in_dialog("BYE", invite, ok))
    bye = lab.callee.expect("BYE")
    lab.callee.respond(bye, 200, "OK")
    lab.caller.expect(200)


def drain(peer):
    while peer.receive(0.01):
        pass
