# SPDX-License-Identifier: Apache-2.0
"""tandem-media alone, told what to do by a stand-in for signaling: every packet at the wire, payloads compared."""
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from lab.net import wait_for
from lab.sockets import udp_socket
from lab.switch import RTP4, RTP6, base_config

SPACING_S = 0.02


def rtp(seq, ssrc, payload=None, payload_type=8):
    """One packet; without a payload, 160 random octets."""
    payload = os.urandom(160) if payload is None else payload
    return struct.pack(">BBHII", 0x80, payload_type, seq & 0xffff, seq * 160 & 0xffffffff, ssrc) + payload


class Relay:
    """tandem-media and the stand-in for signaling."""

    def __init__(self, net, build, folder):
        self.build, self.lines = build, []
        self.host = net.hosts.get("switch") or net.host("switch").plug_bare("sip0").plug_bare("rtp0")
        config = base_config(f"tm{os.getpid() % 10000}", folder, "host=/nowhere")
        # Two workers where there are two cores: most flows then arrive at the wrong one and are handed over.
        cores = sorted(os.sched_getaffinity(0))
        config["processes"]["media"]["workers"] = sorted({cores[0], cores[-1]})
        self.workers = len(config["processes"]["media"]["workers"])
        self.config_path = os.path.join(folder, "media.yaml")
        self.log = open(os.path.join(folder, "media.log"), "a")
        self.environment = {**os.environ, "TANDEM_RUNTIME_DIRECTORY": folder}
        with open(self.config_path, "w") as file:
            json.dump(config, file)
        self.drive = subprocess.Popen([os.path.join(build, "tests", "unit", "media", "media-drive"), self.config_path],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        threading.Thread(target=self._listen, daemon=True).start()
        self.heard("ready")
        self.start()
        self.heard("resync")

    def _listen(self):
        for line in self.drive.stdout:
            self.lines.append(line.strip())

    def start(self):
        self.media = self.host.start([os.path.join(self.build, "media", "tandem-media"), "--config", self.config_path],
                                     stdout=self.log, stderr=self.log, env=self.environment)

    def kill(self, how=signal.SIGKILL):
        """`ip netns exec` has become the process itself."""
        os.kill(self.media.pid, how)
        return self.media.wait(20)

    def say(self, line):
        self.drive.stdin.write(line + "\n")
        self.drive.stdin.flush()

    def open(self, slot, ident, a, b, generation=0, nat=False, limit_ms=0):
        """a and b: (our address, our port, the peer's socket or (address, port))"""
        def text(address):
            return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
        words = []
        for ip, port, peer in (a, b):
            words += [text((ip, port)), text(peer if isinstance(peer, tuple) else peer.getsockname())]
        self.say(f"open {slot} {ident} {' '.join(words)} {generation} {'nat' if nat else '-'} {limit_ms}")
        time.sleep(0.05)

    def close_session(self, slot, ident):
        """(caller, callee), each (packets, sent, lost)"""
        self.say(f"close {slot} {ident}")
        line = self.heard(f"closed {slot} {ident} ")
        return [tuple(map(int, figures)) for figures in re.findall(r"=(\d+)/(\d+)/(\d+)", line)]

    def heard(self, start, timeout_s=20):
        found = []

        def look():
            if self.drive.poll() is not None or (hasattr(self, "media") and self.media.poll() is not None):
                raise RuntimeError("a process has ended")
            found[:] = [line for line in self.lines if (line + " ").startswith(start)]
            return bool(found)
        wait_for(look, timeout_s, lambda: f"'{start}' is heard from media; so far: {self.lines}")
        self.lines.remove(found[0])
        return found[0]

    def counters(self):
        done = subprocess.run([os.path.join(self.build, "tandemctl", "tandemctl"), "--config", self.config_path, "--json",
                               "counters"], stdout=subprocess.PIPE, text=True, check=True, env=self.environment)
        return {f"{c['group']}.{c['name']}": c["value"] for c in json.loads(done.stdout)["counters"]}

    def close(self):
        self.media.send_signal(signal.SIGTERM)
        status = self.media.wait(20)
        self.drive.stdin.close()
        self.drive.wait(10)
        self.log.close()
        return status


@pytest.fixture(scope="module")
def relay(net, build, folder):
    relay = Relay(net, build, folder)
    try:
        yield relay
    finally:
        assert relay.close() == 0


@pytest.fixture(scope="module")
def hosts(net):
    return {name: net.peer(name, number) for name, number in (("caller", 11), ("callee", 12), ("stranger", 13))}


def ip_of(host, family):
    return host.ip4 if family == 4 else host.ip6


def ours(family):
    return RTP4 if family == 4 else RTP6


def pair(hosts, caller_family, callee_family):
    return (udp_socket(hosts["caller"], ip_of(hosts["caller"], caller_family)),
            udp_socket(hosts["callee"], ip_of(hosts["callee"], callee_family)))


def receive_all(sock, timeout_s=0.5):
    got = []
    while select.select([sock], [], [], timeout_s)[0]:
        got.append(sock.recvfrom(4096))
    return got


@pytest.mark.parametrize("caller_family,callee_family", [(4, 4), (6, 6), (4, 6), (6, 4)])
def test_audio_is_bit_exact_both_ways(relay, hosts, caller_family, callee_family):
    caller, callee = pair(hosts, caller_family, callee_family)
    relay.open(1, 100, (ours(caller_family), 20000, caller), (ours(callee_family), 20002, callee))
    there = [rtp(seq, 1) for seq in range(65500, 65700)]
    back = [rtp(seq, 2) for seq in range(200)]
    for a, b in zip(there, back):
        caller.sendto(a, (ours(caller_family), 20000))
        callee.sendto(b, (ours(callee_family), 20002))
        time.sleep(0.005)
    at_callee, at_caller = receive_all(callee), receive_all(caller)
    for got, sent in ((at_callee, there), (at_caller, back)):
        data = [packet for packet, _ in got]
        assert [i for i, packet in enumerate(sent) if packet not in data] == []
        assert data == sent
    assert {source[:2] for _, source in at_callee} == {(ours(callee_family), 20002)}
    assert {source[:2] for _, source in at_caller} == {(ours(caller_family), 20000)}
    assert relay.heard("started 1 caller") and relay.heard("started 1 callee")
    assert relay.close_session(1, 100) == [(200, 200, 0), (200, 200, 0)]
    caller.sendto(rtp(1, 1), (ours(caller_family), 20000))
    assert receive_all(callee, 0.2) == []


def test_rtcp_goes_port_to_port(relay, hosts):
    caller, callee = pair(hosts, 4, 4)
    caller_rtcp = udp_socket(hosts["caller"], hosts["caller"].ip4, caller.getsockname()[1] + 1)
    callee_rtcp = udp_socket(hosts["callee"], hosts["callee"].ip4, callee.getsockname()[1] + 1)
    relay.open(1, 110, (RTP4, 20000, caller), (RTP4, 20002, callee))
    report = struct.pack(">BBHI", 0x80, 201, 1, 7)
    caller_rtcp.sendto(report, (RTP4, 20001))
    assert receive_all(callee_rtcp) == [(report, (RTP4, 20003))]
    callee_rtcp.sendto(report, (RTP4, 20003))
    assert receive_all(caller_rtcp) == [(report, (RTP4, 20001))]
    relay.close_session(1, 110)


def test_packets_carry_the_tos_of_the_call(relay, hosts):
    caller, callee = pair(hosts, 4, 6)
    caller.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    callee.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    relay.open(1, 120, (RTP4, 20000, caller), (RTP6, 20002, callee))
    callee.sendto(rtp(1, 2), (RTP6, 20002))
    caller.sendto(rtp(1, 1), (RTP4, 20000))
    for sock in caller, callee:
        assert select.select([sock], [], [], 5)[0]
        _, ancillary, _, _ = sock.recvmsg(4096, 128)
        assert [data[0] for _, _, data in ancillary] == [0xb8]
    relay.close_session(1, 120)


def test_strangers_neither_hear_nor_are_heard(relay, hosts):
    caller, callee = pair(hosts, 4, 4)
    stranger = udp_socket(hosts["stranger"], hosts["stranger"].ip4)
    relay.open(2, 200, (RTP4, 20010, caller), (RTP4, 20012, callee), nat=True)
    sent = [rtp(seq, 1) for seq in range(50)]
    callee.sendto(rtp(1, 2), (RTP4, 20012))
    for packet in sent:
        caller.sendto(packet, (RTP4, 20010))
        for port in (20010, 20011, 20012, 20013):
            stranger.sendto(rtp(int.from_bytes(os.urandom(2), "big"), 66), (RTP4, port))
        time.sleep(0.002)
    assert [data for data, _ in receive_all(callee)] == sent
    assert len(receive_all(caller, 0.2)) == 1
    assert receive_all(stranger, 0.2) == []
    relay.close_session(2, 200)


def test_a_peer_behind_nat_is_learned_and_kept(relay, hosts):
    caller, callee = pair(hosts, 4, 4)
    relay.open(3, 300, (RTP4, 20020, caller), (RTP4, 20022, ("192.168.1.2", 4444)), nat=True)
    sent = [rtp(seq, 2) for seq in range(10)]
    for packet in sent:
        callee.sendto(packet, (RTP4, 20022))
        time.sleep(0.005)
    assert [data for data, _ in receive_all(caller)] == sent  # probation delays the first two, no more
    caller.sendto(rtp(1, 1), (RTP4, 20020))
    assert len(receive_all(callee)) == 1
    relay.close_session(3, 300)


def test_digits_and_silence_are_told(relay, hosts):
    caller, callee = pair(hosts, 4, 4)
    relay.open(4, 400, (RTP4, 20030, caller), (RTP4, 20032, callee), limit_ms=1500)
    for seq in range(5):
        end = 0x80 if seq >= 2 else 0
        caller.sendto(struct.pack(">BBHII", 0x80, 101, seq, 1000, 1) + struct.pack(">BBH", 7, end | 10, 800),
                      (RTP4, 20030))
        time.sleep(0.005)
    assert relay.heard("dtmf 4") == "dtmf 4 caller 7 100"
    assert len(receive_all(callee, 0.2)) == 5
    began = time.monotonic()
    relay.heard("silent")
    assert 1 < time.monotonic() - began + 0.5 < 10  # a loaded machine may be late, but never early
    assert not [line for line in relay.lines if line.startswith("dtmf")]
    relay.close_session(4, 400)


def test_a_datagram_finds_the_worker_that_owns_its_port(relay, hosts):
    if relay.workers == 1:
        pytest.fail("needs two cores")
    before = relay.counters()
    for _ in range(32):  # the driver spreads flows; none of these is anybody's
        udp_socket(hosts["caller"], hosts["caller"].ip4).sendto(rtp(1, 1), (RTP4, 20100))
    time.sleep(0.2)
    after = relay.counters()
    assert after["media.drop_no_session"] - before["media.drop_no_session"] == 32
    assert 0 < after["media.handed_over"] - before["media.handed_over"] < 32
    assert after["media.drop_hand_over"] == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_ended_in_mid_stream(relay, hosts, how):
    """Killed or stopped: standing sessions are the next life's."""
    caller, callee = pair(hosts, 4, 6)
    relay.open(5, 500, (RTP4, 20040, caller), (RTP6, 20042, callee))
    stop, arrivals = threading.Event(), []

    def talk():
        seq = 0
        while not stop.is_set():
            caller.sendto(rtp(seq, 1), (RTP4, 20040))
            callee.sendto(rtp(seq, 2), (RTP6, 20042))
            seq += 1
            time.sleep(SPACING_S)

    def listen():
        while not stop.is_set():
            if select.select([callee], [], [], 0.1)[0]:
                callee.recv(4096)
                arrivals.append(time.monotonic())

    threads = [threading.Thread(target=talk), threading.Thread(target=listen)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    killed = time.monotonic()
    assert relay.kill(how) == (-how if how == signal.SIGKILL else 0)
    relay.start()
    relay.heard("resync")
    time.sleep(1.5)
    stop.set()
    for thread in threads:
        thread.join()
    gap = max(b - a for a, b in zip(arrivals, arrivals[1:]))
    after = [t for t in arrivals if t > killed + 0.5]
    print(f"audio gap {gap:.3f} s")
    assert gap < 1.0
    assert after
    caller_side, callee_side = relay.close_session(5, 500)
    assert caller_side[1] > 80 and callee_side[1] > 80
    assert caller_side[2] > 0  # what the gap cost is known
