# SPDX-License-Identifier: Apache-2.0
"""Vendors that are known by name (RFC 3263): A, AAAA and SRV, TTLs, and a name server that lies, fails or is dead."""
import time

import pytest
from dns_server import DnsServer
from lab.net import wait_for
from sip_peer import SipPeer
from test_vendors import Vendor, make_lab  # noqa: F401 (a fixture)

pytestmark = pytest.mark.every_build

HOST = "sip.vendor.test"


@pytest.fixture
def dns(net):
    if "switch" not in net.hosts:
        net.host("switch").plug_bare("sip0").plug_bare("rtp0")
    server = DnsServer(net.hosts["switch"])
    yield server
    server.close()


def by_name(address, **more):
    """Gateway a by name; b stands behind it."""
    def change(config):
        config["resolver"] = {"servers": ["127.0.0.1:5353"], "timeout_ms": 200}
        config["routing_gateways"][0] |= {"address": address, **more}
    return change


def addresses(lab):
    return lab.gateway("a")["addresses"].split()


def wait_addresses(lab, *expected, timeout_s=12):
    lab.until(lambda: addresses(lab) == list(expected), timeout_s, lambda: f"{expected}, not {addresses(lab)}")


def test_ttl_is_followed_and_the_last_answer_stays(dns, make_lab):
    dns.lie_first = True
    dns.zone = {(HOST, "CNAME"): [(3600, "node1.vendor.test")], ("node1.vendor.test", "A"): [(5, "10.77.0.20")]}
    lab = make_lab(by_name(f"{HOST}:5060"))
    wait_addresses(lab, "10.77.0.20:5060")
    assert lab.goes_to("49400") == "a"
    assert lab.a.invites[0].uri == f"sip:49400@{HOST}:5060" and f"@{HOST}:5060>" in lab.a.invites[0]["to"]
    dns.zone["node1.vendor.test", "A"] = [(5, "10.77.0.21")]
    wait_addresses(lab, "10.77.0.21:5060")
    assert lab.goes_to("49401") == "b"
    for trouble in ("silent", "code"):
        setattr(dns, trouble, 2)
        before = lab.switch.counters()["resolver.stale"]
        lab.until(lambda: lab.switch.counters()["resolver.stale"] > before, 15, "a look-up that fails")
        assert addresses(lab) == ["10.77.0.21:5060"] and lab.goes_to("49402") == "b"
        lab.kill()
        assert lab.goes_to("49403") == "b"
        lab.switch.reload()
        assert lab.goes_to("49404") == "b"
        setattr(dns, trouble, 0)
    dns.zone["node1.vendor.test", "A"] = [(5, "10.77.0.20")]
    wait_addresses(lab, "10.77.0.20:5060", timeout_s=40)
    counters = lab.switch.counters()
    assert counters["resolver.ignored"] >= 3 and counters["resolver.resolved"] >= 2


def test_a_server_that_fails_at_aaaa(dns, make_lab):
    """What A says counts all the same, now and later."""
    dns.failing = ("AAAA",)
    dns.zone = {(HOST, "A"): [(5, "10.77.0.20")]}
    lab = make_lab(by_name(f"{HOST}:5060"))
    wait_addresses(lab, "10.77.0.20:5060")
    dns.zone[HOST, "A"] = [(5, "10.77.0.21")]
    wait_addresses(lab, "10.77.0.21:5060")
    assert lab.goes_to("49405") == "b"


def test_srv(net, dns, make_lab):
    """The second server of a vendor is asked within the attempt when the first is silent, or answers 503."""
    third = Vendor(net.hosts.get("third") or net.peer("third", 22), "10.77.0.22", 5070)
    dns.zone = {(f"_sip._udp.{HOST}", "SRV"): [(60, (20, 0, 5060, "two.test")), (60, (10, 0, 5070, "one.test"))],
                ("one.test", "A"): [(60, "10.77.0.22")], ("two.test", "A"): [(60, "10.77.0.20")]}
    lab = make_lab(by_name(HOST))
    wait_addresses(lab, "10.77.0.22:5070", "10.77.0.20:5060")
    try:
        assert lab.call("49410")[0] == 200 and len(third.invites) == 1 and lab.a.invites == []
        assert third.invites[0].uri == f"sip:49410@{HOST}"
        third.invite = None
        started = time.monotonic()
        assert lab.call("49411")[0] == 200
        assert 0.9 < time.monotonic() - started < 1.5 and len(lab.a.invites) == 1
        third.invite, third.headers = 503, ["Retry-After: 60"]
        assert lab.call("49412")[0] == 200
        assert lab.gateway("a")["state"] == "enabled" and len(lab.a.invites) == 2
        rows = wait_for(lambda: (found := lab.postgres.query(
            "SELECT callee_number_in, attempt, final, routing_gateway, host(callee_ip) FROM tandem.cdr "
            "WHERE callee_number_in ~ '^4941[012]' ORDER BY 1")) and len(found) == 3 and found, 10, "three records")
        assert [tuple(row) for row in rows] == [("49410", "1", "t", "a", "10.77.0.22"), ("49411", "1", "t", "a", "10.77.0.20"),
                                                ("49412", "1", "t", "a", "10.77.0.20")]
        # Both fail: now it is the gateway that has, and the last one's Retry-After counts.
        lab.a.invite, lab.a.headers = 503, ["Retry-After: 60"]
        assert lab.call("49413")[0] == 200 and len(lab.b.invites) == 1
        assert lab.gateway("a")["state"] == "banned"
        assert lab.switch.counters()["resolver.next_addresses"] == 3
    finally:
        third.close()


def test_srv_weight(dns, make_lab):
    dns.zone = {(f"_sip._udp.{HOST}", "SRV"): [(60, (1, 30, 5060, "one.test")), (60, (1, 10, 5060, "two.test"))],
                ("one.test", "A"): [(60, "10.77.0.20")], ("two.test", "A"): [(60, "10.77.0.21")]}
    lab = make_lab(by_name(HOST))
    lab.a.invite = lab.b.invite = 486
    wait_for(lambda: len(addresses(lab)) == 2, 5, "two addresses")
    for number in range(60):
        assert lab.call(f"4942{number}")[0] == 486
    assert len(lab.a.invites) + len(lab.b.invites) == 60 and 30 <= len(lab.a.invites) <= 57


def test_no_srv_and_ipv6(net, dns, make_lab):
    """Without SRV: A and AAAA, port 5060. Here there is AAAA alone."""
    dns.zone = {(HOST, "AAAA"): [(60, "fd77::16")]}
    sixth = Vendor(net.hosts.get("third") or net.peer("third", 22), "fd77::16")
    lab = make_lab(by_name(HOST))
    try:
        wait_addresses(lab, "[fd77::16]:5060")
        assert lab.call("49430")[0] == 200 and len(sixth.invites) == 1
    finally:
        sixth.close()


def test_unresolved(dns, make_lab):
    """Who cannot be found is passed over, and found when the name appears."""
    lab = make_lab(by_name(HOST, probe={"interval": 1}))
    lab.until(lambda: lab.switch.counters()["resolver.failures"] >= 1, 10, "a look-up that fails")
    lab.until(lambda: f"no address of {HOST} can be found (NXDOMAIN)" in lab.switch.log(), 5, "why")
    assert lab.gateway("a")["state"] == "unknown" and lab.goes_to("49440") == "b"
    lab.switch.config["routing_gateways"][1]["enabled"] = False
    lab.switch.reload()
    assert lab.call("49441")[0] == 503 and lab.end_reason("49441") == "AllGatewayBusy"
    dns.zone = {(HOST, "A"): [(60, "10.77.0.20")]}
    wait_addresses(lab, "10.77.0.20:5060")
    lab.until(lambda: lab.gateway("a")["probe"] == "up", 5, "it is probed")
    assert lab.a.probes[0].uri == f"sip:{HOST}" and lab.goes_to("49442") == "a"
    # Its owner takes the service back, and says so.
    dns.zone = {(f"_sip._udp.{HOST}", "SRV"): [(5, (0, 0, 0, "."))]}
    lab.switch.config["routing_gateways"][0]["address"] = HOST.upper()
    lab.switch.reload()
    lab.until(lambda: lab.gateway("a")["state"] == "unknown", 5, "there is no such service")


def test_a_vendor_is_no_stranger(net, dns, make_lab):
    """Where strangers get no answer, whoever is at an address of a name gets one: as long as it is there."""
    def change(config):
        by_name(f"{HOST}:5060")(config)
        config["parameters"]["SS_REPLY_UNAUTHORIZED"] = False
    dns.zone = {(HOST, "A"): [(5, "10.77.0.20")]}
    lab = make_lab(change)
    wait_addresses(lab, "10.77.0.20:5060")
    with SipPeer(net.hosts["a"], "10.77.0.20", 5099) as peer:
        def answered():
            peer.send(peer.request("OPTIONS", "sip:10.77.0.1:5060"))
            return peer.receive(0.3)
        wait_for(answered, 2, "an answer")
        lab.kill()
        assert answered().code == 200
        dns.zone[HOST, "A"] = [(60, "10.77.0.22")]
        wait_addresses(lab, "10.77.0.22:5060")
        wait_for(lambda: not answered(), 2, "no answer")


def test_calls_do_not_wait_for_the_name_server(dns, make_lab):
    """Two seconds for each answer that does not come; a call that waited for one would take as long."""
    def change(config):
        by_name(HOST)(config)
        config["resolver"]["timeout_ms"] = 2000
    dns.silent = True
    lab = make_lab(change)
    took, ends = [], time.monotonic() + 5
    while time.monotonic() < ends:
        started = time.monotonic()
        assert lab.call(f"4945{len(took)}")[0] == 200
        took.append(time.monotonic() - started)
    print(f"{len(took)} calls, the median {sorted(took)[len(took) // 2]:.4f} s, the longest {max(took):.4f} s")
    assert sorted(took)[len(took) // 2] < 0.1 and max(took) < 1 and lab.switch.counters()["resolver.queries"] >= 2
