# SPDX-License-Identifier: Apache-2.0
"""The switch registers at vendors: Kamailio as the registrar, and peers that answer oddly."""
import os
import signal
import subprocess
import time

import pytest
from lab.net import wait_for
from sip_peer import SipPeer

HERE = os.path.dirname(os.path.abspath(__file__))
CHALLENGE = 'WWW-Authenticate: Digest realm="vendor.example", nonce="{}", qop="auth", algorithm=SHA-256'


class Registrar:
    """Kamailio at 10.77.0.40."""

    def __init__(self, host, folder, algorithm):
        self.host, self.folder, self.algorithm, self.process = host, folder, algorithm, None

    def start(self):
        command = ["kamailio", "-f", os.path.join(HERE, "registrar.cfg"), "-DD", "-E", "-Y", self.folder, "-m", "32", "-M", "4",
                   "-l", "udp:10.77.0.40:5060", "-A", f'ALGORITHM="{self.algorithm}"', "-P", os.path.join(self.folder, "kamailio.pid")]
        with open(os.path.join(self.folder, "kamailio.log"), "ab") as log:
            self.process = self.host.start(command, stdout=log, stderr=log)
        return self

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process = None


def vendor(**register):
    return {"name": "vendor", "address": "10.77.0.40:5060", "prefixes": ["99"],
            "digest": {"user": "trunk", "password": "secret", "realm": "vendor.example"},
            "register": {"domain": "vendor.example", "retry": 1, "expires": 30, **register}}


@pytest.fixture
def vendor_host(net):
    return net.hosts.get("vendor40") if hasattr(net, "hosts") and "vendor40" in net.hosts else net.peer("vendor40", 40)


@pytest.fixture
def switch(make_switch):
    def make(**register):
        def change(config):
            config["mapping_gateways"] = [{"name": "inbound", "addresses": ["10.77.0.250"]}]
            config["routing_gateways"] = [vendor(**register),
                                          {"name": "inside", "address": "10.77.0.20:5060", "prefixes": ["49"]}]
            config["parameters"].update({"SS_SIP_RESEND_INTERVAL": [0.5, 0.5]})
        return make_switch(change)
    return make


def state(switch):
    row, = [g for g in switch.ctl_json("gateways")["gateways"] if g["gateway"] == "vendor"]
    return row["registration"]


def wait_state(switch, what, timeout_s=10):
    wait_for(lambda: state(switch) == what, timeout_s, f"registration is {what}")


def call_in(net, expected):
    """A call to our Contact by way of Kamailio; what the vendor inside, or the caller, gets."""
    with SipPeer(net.peer_at["caller"], "10.77.0.50", switch=("10.77.0.40", 5060)) as caller, \
            SipPeer(net.peer_at["inside"], "10.77.0.20") as inside:
        invite = caller.invite("4930777")
        if expected == 404:
            caller.ack(invite, caller.expect(404))
            return
        received = inside.expect("INVITE")
        assert received.uri.startswith("sip:4930777@10.77.0.20")
        inside.respond(received, 486, "Busy Here")
        inside.expect("ACK")
        caller.ack(invite, caller.expect(486))


@pytest.fixture(scope="module", autouse=True)
def hosts(net):
    net.peer_at = {name: net.peer(name, number) for name, number in (("caller", 50), ("inside", 20), ("vendor40", 40),
                                                                     ("stranger", 66))}
    return net


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_kamailio(hosts, folder, switch, algorithm):
    registrar = Registrar(hosts.peer_at["vendor40"], folder, algorithm).start()
    try:
        node = switch(calls="inbound")
        wait_state(node, "registered")
        assert node.counters()["client_auth.answered"] >= 1
        call_in(hosts, 200)  # the vendor calls us: the customer's that `calls` names, the number from To
        node.kill("signaling")
        wait_for(lambda: node.counters().get("register_client.registered", 0) >= 2, 15, "registered anew after a kill")
        call_in(hosts, 200)
        if algorithm == "SHA-256":
            # It forgets us, and is away for a while: the next refresh, or a try after it, brings us back.
            registrar.stop()
            wait_for(lambda: node.counters().get("register_client.unanswered", 0) >= 1, 30, "it is missed")
            registrar.start()
            before = node.counters()["register_client.registered"]
            wait_for(lambda: node.counters()["register_client.registered"] > before, 20, "it is back")
            call_in(hosts, 200)
        node.config["routing_gateways"][0].pop("register")
        node.reload()
        wait_for(lambda: node.counters().get("register_client.removed", 0) == 1, 5, "taken back")
        assert state(node) == ""
        call_in(hosts, 404)
    finally:
        registrar.stop()
        print(open(os.path.join(folder, "kamailio.log"), errors="replace").read()[-3000:])


@pytest.fixture
def peer(hosts):
    with SipPeer(hosts.peer_at["vendor40"], "10.77.0.40") as peer:
        yield peer


def test_odd_answers(hosts, peer, switch):
    node = switch()
    asked = peer.expect("REGISTER", 10)
    assert asked.uri == "sip:vendor.example" and asked["to"] == "<sip:trunk@vendor.example>" and asked["expires"] == "30"
    peer.respond(asked, 423, "Interval Too Brief", headers=["Min-Expires: 40"], contact=False)
    asked = peer.expect("REGISTER")
    assert asked["expires"] == "40"
    # A stranger who knows all that is in the request: no digest for it.
    with SipPeer(hosts.peer_at["stranger"], "10.77.0.66") as stranger:
        asked.source = ("10.77.0.1", 5060)
        stranger.respond(asked, 401, "Unauthorized", headers=[CHALLENGE.format("evil")], contact=False)
        stranger.nothing(1)
    assert node.counters()["client_auth.foreign"] == 1
    wait_state(node, "refused")
    node.reload()  # the operator's word: again, now
    asked = peer.expect("REGISTER")
    peer.respond(asked, 401, "Unauthorized", headers=[CHALLENGE.format("old")], contact=False)
    peer.respond(peer.expect("REGISTER"), 401, "Unauthorized", headers=[CHALLENGE.format("new") + ", stale=true"], contact=False)
    asked = peer.expect("REGISTER")
    assert 'nonce="new"' in asked["authorization"] and asked["contact"] == "<sip:trunk@10.77.0.1:5060>"
    peer.respond(asked, 200, "OK", headers=[f"Contact: {asked['contact']};expires=6"], contact=False)
    wait_state(node, "registered")
    started = time.monotonic()
    asked = peer.expect("REGISTER", 8)
    assert 1.5 < time.monotonic() - started < 4  # half its time, less a little
    peer.respond(asked, 503, "Later", headers=["Retry-After: 2"], contact=False)
    started = time.monotonic()
    asked = peer.expect("REGISTER")
    assert 1.7 < time.monotonic() - started < 3.5
    peer.respond(asked, 302, "Elsewhere", headers=["Contact: <sip:10.77.0.66>"], contact=False)
    wait_state(node, "refused")
    peer.nothing(3)


def test_wrong_password(peer, switch):
    node = switch()
    peer.respond(peer.expect("REGISTER", 10), 401, "Unauthorized", headers=[CHALLENGE.format("a")], contact=False)
    peer.respond(peer.expect("REGISTER"), 401, "Unauthorized", headers=[CHALLENGE.format("b")], contact=False)
    wait_state(node, "refused")
    peer.nothing(4)
    assert node.counters()["register_client.requests"] == 2
