# SPDX-License-Identifier: Apache-2.0
"""Others' equipment on both sides: SIPp, baresip, sipsak, and Kamailio as a vendor's proxy."""
import os
import re
import subprocess
import time

import pytest
from lab.net import wait_for
from lab.phone import Phone

scenario = pytest.mark.scenario
HERE = os.path.dirname(os.path.abspath(__file__))
SWITCH = "10.77.0.1:5060"


@pytest.fixture(scope="session")
def proxy(the_node):
    """Kamailio at 10.77.0.24, and a routing gateway for it."""
    host = the_node.net.peer("proxy", 24)
    log = open(os.path.join(the_node.folder, "kamailio.log"), "w")
    process = host.start(["kamailio", "-f", os.path.join(HERE, "proxy.cfg"), "-DD", "-E", "-Y", the_node.folder, "-l", "udp:10.77.0.24:5060"],
                         stdout=log, stderr=log)
    the_node.switch.config["routing_gateways"].append(
        {"name": "proxy", "address": "10.77.0.24:5060", "prefixes": ["48"], "digest": {"user": "us", "password": "secret"}})
    the_node.switch.reload()
    wait_for(lambda: "10.77.0.24:5060" in host.run("ss -lun", check=False), 10, "Kamailio listens")
    assert process.poll() is None
    yield host
    log.close()


@scenario("Kamailio stays in the dialog: Record-Route and Route, RFC 3665 3.1")
@pytest.mark.parametrize("who", ["caller", "callee"])
def test_record_route(node, proxy, caller, last, who):
    number = node.number("481")
    invite = caller.invite(number)
    received = last.expect("INVITE")
    assert "10.77.0.24" in received["record-route"] and len(received.all("via")) == 2
    routes = [f"Record-Route: {value}" for value in received.all("record-route")]
    last.respond(received, 180, "Ringing", headers=routes)
    last.respond(received, 200, "OK", body=last.sdp(41000), headers=routes)
    ok = caller.expect(200)
    assert not ok.all("record-route")
    caller.ack(invite, ok)
    assert len(last.expect("ACK").all("via")) == 2  # by the proxy, too
    if who == "caller":
        assert len(caller.hang_up(invite, ok, last).all("via")) == 2
    else:
        bye = last.in_dialog_callee("BYE", received, headers=[f"Route: {received['record-route']}"])
        last.send(bye, ("10.77.0.24", 5060))
        last.expect(200)
        caller.take_bye()
    node.record(number, "Normal", 200, who)


@scenario("Kamailio forks: both ring, one answers, the other is cancelled")
def test_fork(node, proxy, caller, first, last):
    number = node.number("482")
    invite = caller.invite(number)
    one, two = last.expect("INVITE"), first.expect("INVITE")
    headers = [f"Record-Route: {one['record-route']}"]
    last.respond(one, 180, "Ringing", to_tag="one", headers=headers)
    first.respond(two, 180, "Ringing", to_tag="two", headers=headers)
    caller.expect(180)
    first.respond(two, 200, "OK", to_tag="two", body=first.sdp(42000), headers=headers)
    request = last.expect("CANCEL")
    last.respond(request, 200, "OK")
    last.respond(one, 487, "Request Terminated", to_tag="one")
    ok = caller.expect(200)
    caller.ack(invite, ok)
    assert first.expect("ACK").tag("to") == "two"
    caller.hang_up(invite, ok, first)
    node.record(number, "Normal", 200, "caller")


@scenario("Kamailio forks: both answer at once; the second is acknowledged and hung up")
def test_fork_two_answers(node, proxy, caller, first, last):
    number = node.number("482")
    invite = caller.invite(number)
    one, two = last.expect("INVITE"), first.expect("INVITE")
    headers = [f"Record-Route: {one['record-route']}"]
    last.respond(one, 200, "OK", to_tag="one", body=last.sdp(41000), headers=headers)
    first.respond(two, 200, "OK", to_tag="two", body=first.sdp(42000), headers=headers)
    ok = caller.take_answer(invite, last)
    first.expect("ACK")
    byes = [(peer, {bye["via"] for bye in peer.answer_byes()}) for peer in (first, last)]  # one may have come again by now
    assert sorted(len(found) for _, found in byes) == [0, 1]
    stays = next(peer for peer, found in byes if not found)
    caller.hang_up(invite, ok, stays)
    node.record(number, "Normal", 200, "caller")


@scenario("Kamailio tries one gateway, then the other: RFC 3665 3.4")
def test_proxy_switches(node, proxy, caller, first, last):
    number = node.number("483")
    invite = caller.invite(number)
    last.refuse(503)
    received = first.expect("INVITE")
    first.respond(received, 200, "OK", body=first.sdp(42000), headers=[f"Record-Route: {received['record-route']}"])
    ok = caller.take_answer(invite, first)
    caller.hang_up(invite, ok, first)
    assert node.record(number, "Normal", 200, "caller").routing_gateway == "proxy"


@scenario("Kamailio challenges: RFC 3665 3.2")
def test_proxy_challenges(node, proxy, caller, last):
    number = node.number("484")
    invite = caller.invite(number)
    received = last.expect("INVITE")
    last.respond(received, 200, "OK", body=last.sdp(41000), headers=[f"Record-Route: {received['record-route']}"])
    ok = caller.take_answer(invite, last)
    caller.hang_up(invite, ok, last)
    node.record(number, "Normal", 200, "caller")


@scenario("Kamailio's gateway is silent: its 408 is told")
def test_proxy_gives_up(node, proxy, caller, last):
    number = node.number("481")
    invite = caller.invite(number)
    last.expect("INVITE")
    caller.take_refusal(invite, 408, 6)
    node.record(number, "Rejected", 408, "callee")


def sipp(node, host, *arguments):
    out = node.hosts[host].run(["sipp", *arguments, "-nostdin", "-timeout", "30", "-timeout_error"], check=False)
    done = [line for line in out.splitlines() if "Successful call" in line]
    assert done, out[-2000:]
    return int(done[-1].split("|")[-1])


@scenario("SIPp on both sides: 100 calls")
def test_sipp(node, saw):
    number = node.number()
    uas = node.hosts["last"].start(["sipp", "-sn", "uas", "-i", "10.77.0.20", "-p", "5060"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.3)
        done = sipp(node, "caller", "-sn", "uac", "-s", number, "-i", "10.77.0.10", "-p", "5060", "-m", "100", "-r", "50", "-d", "200", SWITCH)
    finally:
        uas.kill()
        uas.wait()
    wait_for(lambda: node.postgres.value(f"SELECT count(*) FROM tandem.cdr WHERE callee_number_in = '{number}' AND final AND end_reason = 'Normal'")
             == "100", 10, "100 records")
    saw(f"{done} calls done, 100 records")
    assert done == 100


@scenario("sipsak asks by OPTIONS")
def test_sipsak(node, saw):
    out = node.hosts["caller"].run(["sipsak", "-vv", "-s", "sip:ping@10.77.0.1:5060"])  # its exit status says whether it got a 200
    saw(re.sub(r"\s+", " ", out.strip())[:60])
    assert "SIP/2.0 200" in out


@pytest.fixture(scope="session")
def baresip(the_node):
    """A phone, bob, at 10.77.0.31: it answers by itself."""
    host = the_node.net.peer("baresip", 31)
    phone = Phone(host, os.path.join(the_node.folder, "baresip"), "bob", "builder", SWITCH)
    the_node.switch.config["digest_algorithms"] = "MD5"
    the_node.switch.reload()
    phone.start().wait_registered()
    yield phone
    phone.stop()
    the_node.switch.config["digest_algorithms"] = "both"
    the_node.switch.reload()


@scenario("baresip registers and is called by SIPp, with audio")
def test_baresip_is_called(node, baresip, saw):
    done = sipp(node, "caller", "-sn", "uac", "-s", "bob", "-m", "1", "-d", "1500", "-i", "10.77.0.10", "-p", "5070", SWITCH)
    assert done == 1
    wait_for(lambda: "established" in baresip.log().lower(), 5, "the phone says so")
    wait_for(lambda: node.postgres.query("SELECT 1 FROM tandem.cdr WHERE callee_number_in = 'bob'"), 5, "its record")
    rows = node.postgres.query("SELECT end_reason, sip_code, from_callee_packets > 0 FROM tandem.cdr WHERE callee_number_in = 'bob'")
    saw(f"record {rows}")
    assert rows == [["Normal", "200", "t"]]


@scenario("baresip calls: RFC 3665 3.1 with proxy authentication of the caller")
def test_baresip_calls(node, baresip, last):
    number = node.number()
    host = node.net.peer("dialling", 32)
    phone = Phone(host, os.path.join(node.folder, "dialling"), "alice", "wonderland", SWITCH)
    dial = host.start(["baresip", "-f", phone.folder, "-e", f"/dial sip:{number}@{SWITCH}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    received = last.answer(last.expect("INVITE", 10))
    last.expect("ACK")
    time.sleep(0.5)
    last.send(last.in_dialog_callee("BYE", received))
    last.expect(200)
    dial.terminate()
    assert node.record(number, "Normal", 200, "callee").mapping_gateway == "alice"
