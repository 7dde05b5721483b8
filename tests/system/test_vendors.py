# SPDX-License-Identifier: Apache-2.0
"""Vendors as they are: down, banned, full, over their rate; and what a kill -9, a reload and a restart leave of that."""
import os
import signal
import threading

import pytest
from lab.net import wait_for
from lab.switch import Switch, base_config
from scaled_clock import ScaledClock
from sip_peer import SipPeer

pytestmark = pytest.mark.every_build


class Vendor(threading.Thread):
    """Answers probes and calls as it is told to: a code, or None for silence."""

    def __init__(self, host, ip, port=5060):
        super().__init__(daemon=True)
        self.peer = SipPeer(host, ip, port)
        self.options, self.invite, self.headers = 200, 200, ()
        self.probes, self.invites, self.stopping = [], [], False
        self.start()

    def run(self):
        while not self.stopping:
            message = self.peer.receive(0.1)
            if message and message.method == "OPTIONS" and not message.code:
                self.probes.append(message)
                if self.options:
                    self.peer.respond(message, self.options)
            elif message and message.method == "INVITE" and not message.code:
                self.invites.append(message)
                if self.invite:
                    self.peer.respond(message, self.invite, headers=self.headers,
                                      body=self.peer.sdp() if self.invite == 200 else "")
            elif message and message.method in ("BYE", "CANCEL") and not message.code:
                self.peer.respond(message, 200, "OK")

    def close(self):
        self.stopping = True
        self.join()
        self.peer.close()


class Lab:
    """A customer, two vendors, a switch of two workers."""

    def __init__(self, net, folder, postgres, build, change):
        self.postgres, self.clock = postgres, ScaledClock(folder, build)
        self.customer = SipPeer(net.hosts.get("customer") or net.peer("customer", 10), "10.77.0.10")
        self.a = Vendor(net.hosts.get("a") or net.peer("a", 20), "10.77.0.20")
        self.b = Vendor(net.hosts.get("b") or net.peer("b", 21), "10.77.0.21")
        config = base_config("tt-vendors", folder, postgres.connection)
        cores = sorted(os.sched_getaffinity(0))
        config["processes"]["signaling"]["workers"] = cores[:2]
        config["parameters"]["SS_SIP_TIMEOUT_INVITE"] = 1
        config["mapping_gateways"] = [{"name": "customer", "addresses": ["10.77.0.10"]}]
        config["routing_gateways"] = [
            {"name": "a", "address": "10.77.0.20:5060", "prefixes": ["49"], "priority": 10},
            {"name": "b", "address": "10.77.0.21:5060", "prefixes": ["49"], "priority": 20}]
        change(config)
        self.switch = Switch(net, folder, config)
        self.switch.environment |= self.clock.environment
        self.switch.start()

    def close(self):
        print(self.switch.log_tail(60))
        for one in (self.customer, self.a, self.b, self.switch, self.clock):
            one.close()

    def until(self, condition, timeout_s, what):
        """wait_for() by the node's clock, which runs ten times as fast meanwhile."""
        ends = self.clock.now() + timeout_s
        while not condition():
            assert self.clock.now() < ends, f"not within {timeout_s} s: {what() if callable(what) else what}"
            self.clock.advance(0.5, rate=10)

    def gateway(self, name):
        return self.switch.ctl_json("gateways", name)["gateways"][0]

    def wait_state(self, name, state):
        self.until(lambda: self.gateway(name)["state"] == state, 10, f"{name} is {state}")

    def call(self, number, end=True):
        """The code a call gets, and what is needed to end it."""
        invite = self.customer.invite(number)
        final = self.final_of(invite)
        self.customer.ack(invite, final)
        if final.code == 200 and end:
            self.hang_up(invite, final)
        return final.code, invite, final

    def final_of(self, request):
        while True:
            final = self.customer.expect((200, 403, 404, 480, 486, 500, 503))
            if final["call-id"] == request["call-id"]:
                return final

    def answers(self):
        """An OPTIONS gets its 200: it can be called again."""
        self.customer.send(self.customer.request("OPTIONS", "sip:10.77.0.1:5060"))
        return self.customer.receive(0.3)

    def hang_up(self, invite, final):
        self.customer.send(self.customer.in_dialog("BYE", invite, final))
        self.customer.expect(200)

    def goes_to(self, number):
        """Which vendors got an INVITE of a call."""
        before = len(self.a.invites), len(self.b.invites)
        self.call(number)
        return ("a" if len(self.a.invites) > before[0] else "") + ("b" if len(self.b.invites) > before[1] else "")

    def kill(self):
        pid = self.switch.pid("signaling")
        os.kill(pid, signal.SIGKILL)
        self.wait_restarted(pid)

    def restart(self):
        pid = self.switch.pid("signaling")
        os.kill(pid, signal.SIGTERM)
        self.wait_restarted(pid)

    def wait_restarted(self, pid):
        wait_for(lambda: self.switch.status()["signaling"]["ready"] and self.switch.pid("signaling") != pid, 20, "again")
        wait_for(self.answers, 10, "an answer again")

    def end_reason(self, number):
        rows = wait_for(lambda: self.postgres.query(
            f"SELECT end_reason FROM tandem.cdr WHERE final AND callee_number_in = '{number}'"), 10, "the record")
        return rows[0][0]


@pytest.fixture
def make_lab(net, folder, postgres, build):
    labs = []

    def make(change):
        labs.append(Lab(net, folder, postgres, build, change))
        return labs[-1]

    yield make
    for lab in labs:
        lab.close()


def test_probes(make_lab):
    """Down after two silent probes, up after two answers; between them a kill -9 and a reload, and both down."""
    def change(config):
        for gateway in config["routing_gateways"]:
            gateway["probe"] = {"interval": 1, "down_after": 2, "up_after": 2}
    lab = make_lab(change)
    lab.until(lambda: lab.gateway("a")["probe"] == "up", 5, "a is up")
    assert lab.gateway("a")["rtt_ms"] > 0 and lab.gateway("a")["probe_code"] == 200
    probe = lab.a.probes[0]
    assert probe.uri == "sip:10.77.0.20:5060" and probe["max-forwards"] == "70" and not probe.tag("to")
    lab.a.options = 404  # somebody lives there
    lab.clock.advance(2.5, rate=10)
    assert lab.goes_to("49301") == "a"
    lab.a.options = None
    lab.wait_state("a", "down")
    assert lab.goes_to("49302") == "b"
    lab.kill()
    assert lab.gateway("a")["state"] == "down" and lab.goes_to("49303") == "b"
    lab.switch.reload()
    assert lab.gateway("a")["state"] == "down" and lab.goes_to("49304") == "b"
    lab.b.options = 503
    lab.wait_state("b", "down")
    assert lab.call("49305")[0] == 503 and lab.end_reason("49305") == "AllGatewayBusy"
    lab.a.options = 200
    lab.wait_state("a", "enabled")
    assert lab.goes_to("49306") == "a"
    counters = lab.switch.counters()
    assert counters["probe.went_down"] == 2 and counters["probe.went_up"] == 1 and counters["probe.unanswered"] >= 2


def test_bans(make_lab):
    """Retry-After of a failing server bans it, over a kill -9; that of a busy subscriber doesn't."""
    lab = make_lab(lambda config: None)
    lab.a.invite, lab.a.headers = 486, ["Retry-After: 600"]
    assert lab.call("49310")[0] == 486
    assert lab.gateway("a")["state"] == "enabled" and lab.goes_to("49311") == "a"
    lab.a.invite, lab.a.headers = 503, ["Retry-After: 15"]
    banned = lab.clock.now()
    assert lab.goes_to("49312") == "ab"
    assert lab.gateway("a")["state"] == "banned"
    lab.kill()
    assert lab.gateway("a")["state"] == "banned" and lab.goes_to("49313") == "b"
    lab.switch.reload()
    assert lab.goes_to("49314") == "b"
    lab.a.invite, lab.a.headers = 200, ()
    lab.clock.advance(banned + 13.5 - lab.clock.now())
    assert lab.gateway("a")["state"] == "banned"
    lab.clock.advance(3)
    assert lab.goes_to("49315") == "a"


def test_capacity_is_counted_right_after_a_kill(make_lab):
    def change(config):
        config["mapping_gateways"][0]["capacity"] = 3
        config["routing_gateways"][0]["capacity"] = 2
        config["routing_gateways"][1]["capacity"] = 2
    lab = make_lab(change)
    standing = [lab.call("49320", end=False) for _ in range(3)]
    assert [code for code, *_ in standing] == [200] * 3
    assert (lab.gateway("a")["calls"], lab.gateway("b")["calls"]) == (2, 1)
    for trouble in (lambda: None, lab.kill, lab.switch.reload, lab.restart):
        trouble()
        assert lab.call("49321")[0] == 503  # the customer's three
        assert (lab.gateway("a")["calls"], lab.gateway("b")["calls"], lab.gateway("customer")["calls"]) == (2, 1, 3)
    # A place that is given back is there again, and only that one.
    lab.hang_up(*standing[0][1:])
    again = lab.call("49322", end=False)
    assert again[0] == 200 and lab.call("49323")[0] == 503
    lab.kill()
    assert lab.call("49324")[0] == 503
    for code, invite, final in standing[1:] + [again]:
        lab.hang_up(invite, final)
    wait_for(lambda: lab.gateway("a")["calls"] == lab.gateway("b")["calls"] == 0, 5, "all places free")
    assert lab.call("49325")[0] == 200


def test_rate(make_lab):
    """Ten a second: the eleventh in a second is refused."""
    def change(config):
        config["mapping_gateways"][0]["calls_per_second"] = 10
    lab = make_lab(change)
    lab.b.invite = lab.a.invite = 404
    invites = {}
    for number in range(11):
        invite = lab.customer.invite(f"4933{number}")
        invites[invite["call-id"]] = invite
    codes = {}
    while len(codes) < 11:
        final = lab.customer.expect((404, 503))
        lab.customer.ack(invites[final["call-id"]], final)
        codes[final["call-id"]] = final.code
    assert sorted(codes.values()) == [404] * 10 + [503]
    lab.clock.advance(1.1)
    assert lab.call("49339")[0] == 404


def test_number_rules(make_lab):
    """In and out, caller and callee; each attempt from what the customer's rules left."""
    def change(config):
        config["mapping_gateways"][0] |= {
            "callee": {"rules": [{"prefix": "00", "min_length": 6, "strip": 2}, {"prefix": "0", "strip": 1, "add": "49"}]},
            "caller": {"rules": [{"prefix": "49xx", "strip": 2, "add": "0"}], "add": "999"}}
        config["routing_gateways"][0] |= {
            "callee": {"rules": [{"prefix": "49", "suffix": "77", "strip": 2, "strip_end": 2, "add": "+49", "add_end": "#"}]},
            "caller": {"rules": [{"max_length": 3, "add": "1"}, {"strip": 1, "add": "+49"}]}}
        config["routing_gateways"][1] |= {"callee": {"rules": [{"min_length": 99, "add": "1"}], "add": "00"}}
        config["routing_gateways"].append({"name": "c", "address": "10.77.0.20:5060", "prefixes": ["49"], "priority": 30})
    lab = make_lab(change)
    lab.a.invite = lab.b.invite = 503
    lab.call("03012377")
    first, second, third = lab.a.invites[0], lab.b.invites[0], lab.a.invites[1]
    assert [m.uri.split("@")[0] for m in (first, second, third)] == ["sip:+4930123%23", "sip:00493012377",
                                                                     "sip:493012377"]
    assert [m["from"].split("@")[0] for m in (first, second, third)] == ["<sip:+49228001", "<sip:0228001", "<sip:0228001"]
    lab.call("0043123477")
    assert lab.a.invites[2:] == [] and len(lab.b.invites) == 1  # 43...: no route
    rows = wait_for(lambda: (found := lab.postgres.query(
        "SELECT caller_number_in, callee_number_out, caller_number_out FROM tandem.cdr WHERE callee_number_in = '03012377' "
        "ORDER BY attempt")) and len(found) == 3 and found, 10, "three records")
    assert [tuple(row) for row in rows] == [("49228001", "+4930123#", "+49228001"), ("49228001", "00493012377", "0228001"),
                                            ("49228001", "493012377", "0228001")]
