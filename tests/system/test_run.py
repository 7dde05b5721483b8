# SPDX-License-Identifier: Apache-2.0
"""deploy/run: its own death."""
import os

import pytest
from lab.net import wait_for
from sip_peer import SipPeer


def configure(config):
    config["mapping_gateways"] = [{"name": "customer", "addresses": ["10.77.0.10"]}]
    config["routing_gateways"] = [{"name": "vendor", "address": "10.77.0.20:5060", "prefixes": ["49"]}]


@pytest.fixture(scope="module")
def peers(net):
    with SipPeer(net.peer("customer", 10), "10.77.0.10") as caller, SipPeer(net.peer("vendor", 20), "10.77.0.20") as callee:
        yield caller, callee


def carries_a_call(caller, callee, number):
    invite = caller.invite(number)
    received = callee.expect("INVITE")
    callee.respond(received, 200, "OK", body=callee.sdp())
    ok = caller.expect(200)
    caller.ack(invite, ok)
    callee.expect("ACK")
    caller.send(caller.in_dialog("BYE", invite, ok))
    callee.respond(callee.expect("BYE"), 200, "OK")
    caller.expect(200)


def test_killed_supervisor_leaves_nobody_behind(make_switch, peers):
    switch = make_switch(configure)
    pids = [process["pid"] for process in switch.status().values()]
    switch.supervisor.kill()
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), 15, "the processes follow their supervisor")
    switch.supervisor.wait(10)
    switch.start()
    carries_a_call(*peers, "4930001")
