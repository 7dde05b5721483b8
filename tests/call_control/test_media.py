# SPDX-License-Identifier: Apache-2.0
"""Who carries the media, from whom it is taken, and what ends a call without any."""
import contextlib
import copy
import os
import re
import struct
import threading
import time

import pytest
from audio import Audio
from credentials import digest
from lab.sockets import udp_socket
from node import INNER, NotingPeer
from sip_peer import Message
from test_registrations import register

scenario = pytest.mark.scenario

OURS = {"10.77.0.2": "relay", f"{INNER}2": "relay", "fd77::2": "relay"}


@pytest.fixture(scope="module")
def inner_host(the_node):
    """Who is in the second network: a customer, a vendor, and who registers or has credentials alone."""
    host = the_node.net.peer("inner", 24)
    for number in 10, 24, 30:
        host.run(f"ip addr add {INNER}{number}/24 dev eth0")
    before = copy.deepcopy(the_node.switch.config)
    the_node.switch.config["mapping_gateways"] += [{"name": "inner", "network": "inner", "addresses": [f"{INNER}10"]},
                                                   {"name": "pbx", "digest": {"user": "pbx", "password": "secret"}}]
    the_node.switch.config["routing_gateways"] += [
        {"name": "inner", "network": "inner", "address": f"{INNER}24:5060", "prefixes": ["46"], "priority": 10},
        {"name": "pbx", "registered": "pbx", "prefixes": ["47"], "priority": 10},
        {"name": "six", "address": "[fd77::14]:5060", "prefixes": ["43"], "priority": 10}]
    the_node.switch.reload()
    yield host
    the_node.switch.reload(before)


@pytest.fixture
def inner(node, inner_host):
    with NotingPeer(inner_host, f"{INNER}24", "inner", node.notes) as peer:
        yield peer


@pytest.fixture
def inner_phone(node, inner_host):
    with NotingPeer(inner_host, f"{INNER}30", "inner phone", node.notes, switch=(f"{INNER}1", 5060)) as peer:
        yield peer


@pytest.fixture
def inner_caller(node, inner_host):
    with NotingPeer(inner_host, f"{INNER}10", "inner caller", node.notes, switch=(f"{INNER}1", 5060)) as peer:
        yield peer


def media_of(node, caller, callee, number, **options):
    """Who carries the audio of a call: by what both sides are told, and by its record."""
    invite, ok, received = caller.connect(callee, number, **options)
    seen = OURS.get(received.media()[0], "direct")
    assert seen == OURS.get(ok.media()[0], "direct")
    caller.hang_up(invite, ok, callee)
    assert node.record(number, "Normal", 200).media_mode == seen
    return seen


@scenario("SS_MEDIAPROXYMODE and the gateways' media_mode")
@pytest.mark.parametrize("system, customer, vendor, expected", [
    ("on", "system", "system", "relay"), ("off", "system", "system", "direct"), ("auto", "system", "system", "direct"),
    ("must_on", "system", "system", "relay"), ("must_on", "off", "off", "relay"), ("off", "on", "off", "relay"), ("off", "off", "must_on", "relay"),
    ("on", "off", "system", "relay"), ("auto", "off", "auto", "direct"), ("on", "off", "off", "direct")])
def test_media_mode(node, caller, last, system, customer, vendor, expected, saw):
    with node.changed(SS_MEDIAPROXYMODE=system, customer={"media_mode": customer}, last={"media_mode": vendor}):
        seen = media_of(node, caller, last, node.number())
        saw(seen)
        assert seen == expected


@scenario("SS_MEDIAPROXYMODE, its default")
def test_media_mode_default(node, caller, last, saw):
    with node.changed():
        del node.switch.config["parameters"]["SS_MEDIAPROXYMODE"]
        node.switch.reload()
        seen = media_of(node, caller, last, node.number())
        saw(seen)
        assert seen == "direct"  # auto, and nobody is behind NAT


@scenario("SS_MEDIAPROXYBEHINDNAT: a registered phone behind NAT is called")
@pytest.mark.parametrize("relay", [None, True, False])
def test_behind_nat(node, caller, phone, relay, saw):
    with node.changed(SS_MEDIAPROXYMODE="auto", **({} if relay is None else {"SS_MEDIAPROXYBEHINDNAT": relay})):
        assert register(phone, "alice", "wonderland", contact="<sip:alice@192.168.1.5:5060>").code == 200
        invite = caller.invite("alice")
        received = phone.expect("INVITE")
        seen = "relay" if received.media()[0] == "10.77.0.2" else "direct"
        phone.respond(received, 486, "Busy")
        phone.expect("ACK")
        caller.take_refusal(invite, 486)
        saw(seen)
        assert seen == ("direct" if relay is False else "relay")


# ---- the order of auto, a test for each row: what decides against everything below it ----

def says_private(peer):
    """It names an address in Via and Contact that is not the one it sends from."""
    peer.shown = "192.168.1.9:5060"


ENCRYPTED = {"SDES": ("RTP/SAVP", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + 40 * "A" + "\r\n"),
             "DTLS": ("UDP/TLS/RTP/SAVP", "a=fingerprint:sha-256 " + ":".join(32 * ["A0"]) + "\r\na=setup:actpass\r\n")}


def encrypted(peer, keys="SDES", port=40000):
    protocol, lines = ENCRYPTED[keys]
    return peer.sdp(port).replace("RTP/AVP", protocol) + lines


def srtp(number):
    """Its last octet, of the tag, would be more padding than there is packet."""
    return struct.pack(">BBHII", 0xa0, 8, number, 160 * number, 7) + os.urandom(169) + b"\xff"


def srtcp(index):
    """A receiver report: header and SSRC in the clear, then E and the index, and a tag of ten octets."""
    return struct.pack(">BBHI", 0x80, 201, 1, 7) + os.urandom(20) + struct.pack(">I", 1 << 31 | index) + os.urandom(10)


def dtls(number):
    return struct.pack(">BHHHIH", 22, 0xfefd, 0, 0, number, 100) + os.urandom(100)


@contextlib.contextmanager
def auto(node, customer="system", vendors="system", **parameters):
    """Mode auto, and what the gateways say."""
    with node.changed():
        node.switch.config["parameters"] |= {"SS_MEDIAPROXYMODE": "auto"} | parameters
        for gateway in node.switch.config["mapping_gateways"]:
            gateway["media_mode"] = customer
        for gateway in node.switch.config["routing_gateways"]:
            gateway["media_mode"] = vendors
        node.switch.reload()
        yield


ALL_OFF = {"SS_MEDIAPROXYBEHINDNAT": False, "SS_MEDIAPROXYBETWEENNET": False}


@scenario("auto: must_on of the system, against off of both gateways")
def test_auto_must_on(node, caller, last):
    with auto(node, "off", "off", SS_MEDIAPROXYMODE="must_on", **ALL_OFF):
        assert media_of(node, caller, last, node.number()) == "relay"


@scenario("auto: IPv4 and IPv6, against off of both gateways")
def test_auto_families(node, caller, inner_host):
    with auto(node, "off", "off", **ALL_OFF), NotingPeer(node.hosts["last"], "fd77::14", "last", node.notes, switch=("fd77::1", 5060)) as six:
        assert media_of(node, caller, six, node.number("43")) == "relay"


@scenario("auto: on of one gateway, against off of the other")
@pytest.mark.parametrize("customer, vendor", [("on", "off"), ("off", "on"), ("must_on", "off"), ("off", "must_on")])
def test_auto_on(node, caller, last, customer, vendor):
    with auto(node, customer, vendor, **ALL_OFF):
        assert media_of(node, caller, last, node.number()) == "relay"


@scenario("auto: off of one gateway, against encryption, two networks and NAT")
@pytest.mark.parametrize("customer, vendor", [("off", "system"), ("system", "off")])
def test_auto_off(node, caller, inner, customer, vendor):
    with auto(node, customer, vendor):
        says_private(caller)
        assert media_of(node, caller, inner, node.number("46"), body=encrypted(caller)) == "direct"


@scenario("auto: encryption, with the rest switched off; DTLS, SRTP and SRTCP cross as they are, a stranger's DTLS does not")
@pytest.mark.parametrize("keys", ENCRYPTED)
def test_auto_encrypted(node, caller, last, keys):
    with auto(node, **ALL_OFF), contextlib.ExitStack() as stack:
        number, before = node.number(), node.switch.counters()
        invite = caller.invite(number, body=encrypted(caller, keys))
        received = last.answer(body=encrypted(last, keys, 41000))
        ok = caller.take_answer(invite, last)
        assert OURS[received.media()[0]] == OURS[ok.media()[0]] == "relay"
        assert all(message.body.endswith(ENCRYPTED[keys][1]) for message in (received, ok))
        a, a_rtcp = (stack.enter_context(Audio(caller, node.hosts["caller"], 40000 + port)) for port in range(2))
        b, b_rtcp = (stack.enter_context(Audio(last, node.hosts["last"], 41000 + port)) for port in range(2))
        stranger = stack.enter_context(udp_socket(node.hosts["stranger"], "10.77.0.66"))
        for described, this, other in (ok, (a, a_rtcp), (b, b_rtcp)), (received, (b, b_rtcp), (a, a_rtcp)):
            ours = [(described.media()[0], described.media()[1] + port) for port in range(2)]
            for number_of_record in range(5):
                for to in ours:
                    stranger.sendto(dtls(number_of_record), to)
            for packet in dtls, srtp, srtcp, dtls:
                # RTP has the even port, RTCP the odd one, and DTLS both.
                for port in {dtls: (0, 1), srtp: (0,), srtcp: (1,)}[packet]:
                    assert this[port].send_these(ours[port], [packet(i) for i in range(5)]) == other[port].heard()
        caller.hang_up(invite, ok, last)
        record, after = node.record(number, "Normal", 200), node.switch.counters()
    assert (record.media_mode, record.from_caller_packets, record.from_callee_packets) == ("relay", 5, 5)
    counted = {name: after[f"media.{name}"] - before[f"media.{name}"] for name in ("dtls_relayed", "rtp_relayed", "rtcp_relayed", "drop_stranger")}
    assert counted == {"dtls_relayed": 40, "rtp_relayed": 10, "rtcp_relayed": 10, "drop_stranger": 20}


@scenario("auto: two networks, SS_MEDIAPROXYBETWEENNET")
@pytest.mark.parametrize("between, expected", [(None, "relay"), (True, "relay"), (False, "direct")])
def test_auto_networks(node, caller, inner, between, expected):
    with auto(node, SS_MEDIAPROXYBEHINDNAT=False, **({} if between is None else {"SS_MEDIAPROXYBETWEENNET": between})):
        assert media_of(node, caller, inner, node.number("46")) == expected


@scenario("auto: NAT, SS_MEDIAPROXYBEHINDNAT")
@pytest.mark.parametrize("behind, expected", [(None, "relay"), (True, "relay"), (False, "direct")])
def test_auto_nat(node, caller, last, behind, expected):
    with auto(node, SS_MEDIAPROXYBETWEENNET=False, **({} if behind is None else {"SS_MEDIAPROXYBEHINDNAT": behind})):
        says_private(caller)
        assert media_of(node, caller, last, node.number()) == expected


@scenario("auto: nothing speaks for a relay")
def test_auto_direct(node, caller, last):
    with auto(node):
        assert media_of(node, caller, last, node.number()) == "direct"


@scenario("a call between two networks takes an RTP address on each")
def test_network_addresses(node, inner_host, inner_caller, last):
    number = node.number()
    invite, ok, received = inner_caller.connect(last, number)
    assert ok.media()[0] == f"{INNER}2" and received.media()[0] == "10.77.0.2"
    with Audio(inner_caller, inner_host) as a, Audio(last, node.hosts["last"]) as b:
        sent = a.send(ok), b.send(received)
        assert (b.heard(), a.heard()) == sent
    inner_caller.hang_up(invite, ok, last)
    record = node.record(number, "Normal", 200)
    assert (record.media_mode, record.from_caller_packets, record.from_callee_packets) == ("relay", 5, 5)


@scenario("auto, SS_MEDIAPROXYBETWEENNET on: both in the second network")
def test_same_inner_network(node, inner_caller, inner):
    with auto(node):
        assert media_of(node, inner_caller, inner, node.number("46")) == "direct"


def calls_with_credentials(caller, callee, number, user, password):
    """A call of a customer's who is asked for credentials; as connect()."""
    invite = caller.invite(number, user=user)
    challenged = caller.expect(407)
    caller.ack(invite, challenged)
    invite = caller.invite(number, user=user, call_id=invite["call-id"], cseq=2, from_tag=invite.tag("from"),
                           headers=[digest(challenged, user, password, "INVITE", invite.uri)])
    received = callee.answer()
    return invite, caller.take_answer(invite, callee), received


@scenario("who is known by credentials alone is in the network that it came from: a called phone, a gateway that registered, a customer")
@pytest.mark.parametrize("mode, between, relay", [("auto", True, True), ("auto", False, False), ("on", False, True)])
@pytest.mark.parametrize("who", ["phone", "gateway", "customer"])
def test_network_of_the_flow(node, inner_host, inner_phone, caller, last, who, mode, between, relay):
    user, password = ("alice", "wonderland") if who == "phone" else ("pbx", "secret")
    number = "alice" if who == "phone" else node.number("47" if who == "gateway" else "49")
    with auto(node, SS_MEDIAPROXYMODE=mode, SS_MEDIAPROXYBETWEENNET=between):
        if who == "customer":
            a, b, outer = inner_phone, last, last
            invite, inside, outside = calls_with_credentials(a, b, number, user, password)
            ok = inside
        else:
            assert register(inner_phone, user, password).code == 200
            a, b, outer = caller, inner_phone, caller
            invite, ok, inside = a.connect(b, number)
            outside = ok
        told = inside.media()[0], outside.media()[0]
        assert told == ((f"{INNER}2", "10.77.0.2") if relay else (outer.ip, inner_phone.ip))
        if relay:
            with Audio(inner_phone, inner_host, 40000 if who == "customer" else 41000) as inner, Audio(outer, node.hosts[outer.name]) as other:
                assert inner.send(inside) == other.heard() and other.send(outside) == inner.heard()
        a.hang_up(invite, ok, b, cseq=3)
        if who != "customer":
            assert register(inner_phone, user, password, "Expires: 0", contact="*").code == 200


# ---- silence ----

@scenario("SS_NOMEDIAHANGUPTIME: no RTP, and the call ends")
@pytest.mark.parametrize("seconds", [None, 1, 60, 3600])
def test_no_media(node, caller, last, seconds, saw):
    with node.changed(**({} if seconds is None else {"SS_NOMEDIAHANGUPTIME": seconds})):
        number = node.number()
        invite, ok, _ = caller.connect(last, number)
        if seconds is None:
            node.clock.advance(3700, rate=2000)
            assert node.standing(number)
            caller.hang_up(invite, ok, last)
            saw("off: it stands after 3,700 s")
            return
        if seconds > 1:
            node.clock.advance(seconds * 0.9, rate=max(100, seconds))
            assert node.standing(number)
        node.clock.advance(seconds * 0.3 + 3, rate=max(100, seconds))
        for peer in caller, last:
            peer.take_bye()
        record = node.record(number, "NoMedia", None, "server")
        saw(f"duration {record.duration:.1f} s")
        assert seconds <= record.duration <= seconds * 1.3 + 4


SILENCE = [  # silence_watch, who speaks, does the call end?
    ("both", "nobody", True), ("both", "caller", False), ("both", "callee", False),
    ("caller", "nobody", True), ("caller", "callee", True), ("caller", "caller", False),
    ("callee", "nobody", True), ("callee", "caller", True), ("callee", "callee", False),
    ("either", "nobody", True), ("either", "caller", True), ("either", "callee", True), ("either", "both", False),
    ("none", "nobody", False)]


@contextlib.contextmanager
def speaking(audio, to):
    """20 ms after 20 ms; for the node two seconds after two seconds while its clock runs fast."""
    stop = threading.Event()

    def speak():
        while not stop.is_set():
            audio.send(to, 1)

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def ends_silent(node, number, *peers):
    """The call ends by our BYEs, and the record says why."""
    for peer in peers:
        peer.take_bye()
    return node.record(number, "NoMedia", 200, "server")


@contextlib.contextmanager
def watched(node, watch, seconds=30, **parameters):
    with node.changed(SS_NOMEDIAHANGUPTIME=seconds, last={"silence_watch": watch}, **parameters):
        yield


@scenario("silence_watch: whose silence ends a call")
@pytest.mark.parametrize("watch, speaks, ends", SILENCE)
def test_silence_watch(node, caller, last, watch, speaks, ends, saw):
    with watched(node, watch), Audio(caller, node.hosts["caller"]) as a, Audio(last, node.hosts["last"]) as b:
        number = node.number()
        invite, ok, received = caller.connect(last, number)
        with contextlib.ExitStack() as said:
            if speaks in ("caller", "both"):
                said.enter_context(speaking(a, ok))
            if speaks in ("callee", "both"):
                said.enter_context(speaking(b, received))
            node.clock.advance(25)
            assert node.standing(number)
            node.clock.advance(25)
            assert bool(node.standing(number)) != ends
        if ends:
            record = ends_silent(node, number, caller, last)
            saw(f"duration {record.duration:.1f} s")
            assert 30 <= record.duration <= 40
        else:
            caller.hang_up(invite, ok, last)
            record = node.record(number, "Normal", 200)
        assert (record.from_caller_packets > 0) == (speaks in ("caller", "both"))
        assert (record.from_callee_packets > 0) == (speaks in ("callee", "both"))


def renegotiate(asker, other, dialog, cseq, offer, answer):
    """A re-INVITE of the caller's: (request at the callee, its answer at the caller)."""
    asker.send(asker.in_dialog("INVITE", *dialog, cseq=cseq, body=offer, headers=[f"Contact: <sip:c@{asker.shown}>"]))
    crossed = other.expect("INVITE")
    other.respond(crossed, 200, "OK", body=answer)
    ok = asker.expect(200)
    asker.send(asker.in_dialog("ACK", *dialog, cseq=cseq))
    other.expect("ACK")
    return crossed, ok


@scenario("SS_NOMEDIAHANGUPTIME: on hold nobody has to speak, and after it everybody has again")
@pytest.mark.parametrize("watch, hold, held", [("both", "inactive", "inactive"), ("either", "inactive", "inactive"),
                                               ("callee", "sendonly", "recvonly"), ("caller", "recvonly", "sendonly"), ("both", "0.0.0.0", ""),
                                               ("callee", "0.0.0.0", ""), ("caller", "0.0.0.0", "")])
def test_hold(node, caller, last, watch, hold, held):
    offer, answer = caller.sdp(40000, hold), last.sdp(41000, held)
    if not held:  # RFC 2543: the address alone says it, and the answer nothing
        offer = caller.sdp(40000).replace("a=sendrecv\r\n", "").replace(f"c=IN IP4 {caller.ip}", f"c=IN IP4 {hold}")
        answer = last.sdp(41000).replace("a=sendrecv\r\n", "")
    with watched(node, watch):
        number = node.number()
        invite, ok, _ = caller.connect(last, number)
        crossed, _ = renegotiate(caller, last, (invite, ok), 2, offer, answer)
        assert crossed.media()[0] == ("10.77.0.2" if held else hold)
        time.sleep(0.1)
        node.clock.advance(120)
        assert node.standing(number)
        renegotiate(caller, last, (invite, ok), 3, caller.sdp(40000), last.sdp(41000))
        time.sleep(0.1)
        node.clock.advance(25)
        assert node.standing(number)
        node.clock.advance(15)
        ends_silent(node, number, caller, last)


@scenario("SS_NOMEDIAHANGUPTIME: who sends on hold has to go on")
def test_silent_hold(node, caller, last):
    with watched(node, "both"):
        number = node.number()
        invite, ok, _ = caller.connect(last, number)
        renegotiate(caller, last, (invite, ok), 2, caller.sdp(40000, "sendonly"), last.sdp(41000, "recvonly"))
        node.clock.advance(45)
        ends_silent(node, number, caller, last)


@scenario("SS_NOMEDIAHANGUPTIME: it counts from the answer")
def test_silence_from_the_answer(node, caller, last):
    with watched(node, "both"):
        number = node.number()
        invite = caller.invite(number)
        received = last.expect("INVITE")
        last.respond(received, 183, "Session Progress", body=last.sdp(41000))
        caller.expect(183)
        node.clock.advance(90)
        last.respond(received, 200, "OK", body=last.sdp(41000))
        ok = caller.take_answer(invite, last)
        node.clock.advance(25)
        assert node.standing(number)
        node.clock.advance(15)
        assert ends_silent(node, number, caller, last).duration < 45


@scenario("SS_NOMEDIAHANGUPTIME: direct media is not watched")
def test_direct_is_not_watched(node, caller, last):
    with watched(node, "both", SS_MEDIAPROXYMODE="off"):
        number = node.number()
        invite, ok, _ = caller.connect(last, number)
        node.clock.advance(120)
        assert node.standing(number)
        caller.hang_up(invite, ok, last)
        assert node.record(number, "Normal", 200).media_mode == "direct"


# ---- NAT ----

@pytest.fixture(scope="module")
def behind_nat(the_node):
    """A host behind a router at 10.77.0.40 that masquerades, with ports of its own."""
    router, inside = the_node.net.nat("router", 40, 120)
    router.nft("flush chain ip nat post\nadd rule ip nat post oifname eth0 ip protocol udp masquerade to :30000-39999")
    before = copy.deepcopy(the_node.switch.config)
    the_node.switch.config["mapping_gateways"].append({"name": "natted", "addresses": ["10.77.0.40"]})
    the_node.switch.reload()
    yield inside
    the_node.switch.reload(before)


@scenario("a customer behind a real NAT: its own and our requests, and audio, through what it opened")
def test_masqueraded(node, behind_nat, last, saw):
    with auto(node), NotingPeer(behind_nat, behind_nat.ip4, "inside", node.notes) as inside:
        number = node.number()
        invite, ok, received = inside.connect(last, number)
        outside = re.search(r";received=10\.77\.0\.40;rport=(\d+)|;rport=(\d+);received=10\.77\.0\.40", ok["via"])
        assert outside and 30000 <= int(outside.group(1) or outside.group(2)) <= 39999, ok["via"]
        assert ok.media()[0] == received.media()[0] == "10.77.0.2"
        with Audio(inside, behind_nat) as a, Audio(last, node.hosts["last"]) as b:
            there = a.send(ok)
            assert b.heard() == there
            back = b.send(received)
            assert a.heard() == back and a.source == ok.media()
            # The vendor's re-INVITE and BYE reach it through its flow.
            last.send(last.in_dialog_callee("INVITE", received, body=last.sdp(41000), headers=[f"Contact: <sip:v@{last.shown}>"]))
            inside.respond(inside.expect("INVITE"), 200, "OK", body=inside.sdp(40000))
            last.expect(200)
            last.send(last.in_dialog_callee("ACK", received, cseq=100))
            inside.expect("ACK")
            back = b.send(received)
            assert a.heard() == back
        last.send(last.in_dialog_callee("BYE", received, cseq=101))
        inside.take_bye()
        last.expect(200)
        record = node.record(number, "Normal", 200, "callee")
        assert (record.media_mode, record.from_caller_packets, record.from_callee_packets) == ("relay", 5, 10)
        saw(f"SIP from port {outside.group(1) or outside.group(2)} of the router")


@scenario("a customer behind a real NAT: our own BYE")
def test_masqueraded_hangup(node, behind_nat, last):
    with auto(node), NotingPeer(behind_nat, behind_nat.ip4, "inside", node.notes) as inside:
        number = node.number()
        inside.connect(last, number)
        node.switch.ctl("hangup", node.standing(number)[0]["id"])
        for peer in inside, last:
            peer.take_bye()
        node.record(number, "OperatorHangup")


@scenario("a carrier with a host name in Via and a public Contact is not behind NAT")
@pytest.mark.parametrize("via, contact, expected", [
    ("sbc1.carrier.example:5060", "203.0.113.7:5060", "direct"), ("sbc1.carrier.example:5060", "sbc1.carrier.example:5060", "direct"),
    ("10.77.0.10:5060", "203.0.113.7:5060", "direct"), ("sbc1.carrier.example:5060", "192.168.1.9:5060", "relay"),
    ("203.0.113.7:5060", "203.0.113.7:5060", "relay")])
def test_carrier(node, caller, last, via, contact, expected):
    with auto(node):
        number = node.number()
        text = caller.request("INVITE", f"sip:{number}@10.77.0.1:5060", body=caller.sdp(), headers=[f"Contact: <sip:sbc@{contact}>"])
        text = text.replace(f"Via: SIP/2.0/UDP {caller.shown}", f"Via: SIP/2.0/UDP {via}")
        caller.send(text)
        received = last.expect("INVITE")
        assert OURS.get(received.media()[0], "direct") == expected
        last.answer(received)
        invite = Message(text.encode())
        ok = caller.take_answer(invite, last)
        caller.hang_up(invite, ok, last)
        assert node.record(number, "Normal", 200).media_mode == expected


# ---- the way of a description ----

@scenario("a re-INVITE moves the audio: the old port is heard until the new one speaks, and does not hold the leg")
def test_moves(node, caller, last):
    number = node.number()
    invite, ok, received = caller.connect(last, number)
    with Audio(caller, node.hosts["caller"]) as old, Audio(caller, node.hosts["caller"], 40004) as new, Audio(last, node.hosts["last"]) as b:
        assert old.send(ok) == b.heard()
        caller.send(caller.in_dialog("INVITE", invite, ok, body=caller.sdp(40004), headers=[f"Contact: <sip:c@{caller.shown}>"]))
        crossed = last.expect("INVITE")
        assert old.send(ok) == b.heard() and b.send(received) == old.heard()  # the offer is on its way, and the audio goes on
        last.respond(crossed, 200, "OK", body=last.sdp(41000))
        caller.expect(200)
        caller.send(caller.in_dialog("ACK", invite, ok))
        last.expect("ACK")
        assert old.send(ok) == b.heard()  # some of it was under way still
        assert new.send(ok) == b.heard()
        old.send(ok)
        assert b.heard() == []
        assert b.send(received) == new.heard() and old.heard() == []
    caller.hang_up(invite, ok, last, cseq=3)
    assert node.record(number, "Normal", 200).from_caller_packets == 20


MEDIAS = ("c=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\nc=IN IP4 10.77.0.91\r\na={direction}\r\nm=video 40002 RTP/AVP 31\r\n"
          "m=image 40004 udptl t38\r\nc=IN IP4 10.77.0.92\r\n")


def version(message):
    return int(re.match(r"v=0\r\no=\S+ \d+ (\d+) IN IP4 10\.77\.0\.1\r\n", message.body).group(1))


@scenario("direct media: every line but o= crosses as it is; o= counts the changes")
def test_direct_media(node, caller, last):
    def medias(peer, number, direction="sendrecv"):
        return f"v=0\r\no=peer 1 {number} IN IP4 {peer.ip}\r\ns=-\r\n" + MEDIAS.format(ip=peer.ip, direction=direction)

    number = node.number()
    with node.changed(SS_MEDIAPROXYMODE="off"):
        invite = caller.invite(number, body=medias(caller, 1))
        received = last.expect("INVITE")
        assert received.body.endswith(MEDIAS.format(ip=caller.ip, direction="sendrecv"))
        last.answer(received, body=medias(last, 1))
        ok = caller.expect(200)
        assert ok.body.endswith(MEDIAS.format(ip=last.ip, direction="sendrecv"))
        caller.ack(invite, ok)
        last.expect("ACK")
        at = version(received), version(ok)
        for cseq, said, direction, ahead in ((2, 1, "sendrecv", 0), (3, 5, "inactive", 1), (4, 6, "sendrecv", 2)):
            crossed, answered = renegotiate(caller, last, (invite, ok), cseq, medias(caller, said, direction), medias(last, said, direction))
            assert (version(crossed), version(answered)) == (at[0] + ahead, at[1] + ahead)
            assert crossed.body.endswith(MEDIAS.format(ip=caller.ip, direction=direction))
        caller.hang_up(invite, ok, last, cseq=5)
        assert node.record(number, "Normal", 200).media_mode == "direct"
