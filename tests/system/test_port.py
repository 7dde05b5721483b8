# SPDX-License-Identifier: Apache-2.0
"""Ports against the kernel's own network stack: port_echo on one end of a link, sockets and ping on the other."""
import os
import re
import signal
import subprocess
import sys
import time

import pytest

OURS4, OURS6, PEER4, PEER6 = "10.79.0.1", "fd79::1", "10.79.0.2", "fd79::2"
SIZES = [0, 1, 2, 3, 160, 1000, 1451, 1452, 1453, 1471, 1472, 1473, 2000, 2960, 4000, 6000, 8000]

# Runs in the peer's namespace: echo each size and compare. Arguments: address, sizes.
ECHO = r"""
import os, socket, sys
address, sizes = sys.argv[1], [int(s) for s in sys.argv[2].split(",")]
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.setsockopt(*((socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if ":" in address else (socket.IPPROTO_IP, socket.IP_TOS)), 0xa0)
s.connect((address, 7))
for size in sizes:
    data = os.urandom(size)
    s.send(data)
    assert s.recv(70000) == data, size
"""

# Frames made by hand. Arguments: interface, our MAC, what to break.
FORGE = r"""
import socket, struct, sys
interface, to, what = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), sys.argv[3]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((interface, 0))
own = s.getsockname()[4]
A4, B4 = socket.inet_aton("10.79.0.2"), socket.inet_aton("10.79.0.1")
A6, B6 = socket.inet_pton(socket.AF_INET6, "fd79::2"), socket.inet_pton(socket.AF_INET6, "fd79::1")

def checksum(data):
    data += bytes(len(data) % 2)
    n = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff

def udp(payload, wrong=0, v6=False, none=False):
    head = struct.pack("!HHHH", 4000, 7, 8 + len(payload), 0)
    pseudo = (A6 + B6 + struct.pack("!II", 8 + len(payload), 17)) if v6 else A4 + B4 + struct.pack("!HH", 17, 8 + len(payload))
    sum_ = 0 if none else checksum(pseudo + head + payload) ^ wrong
    return struct.pack("!HHHH", 4000, 7, 8 + len(payload), sum_) + payload

def ip4(body, fragment=0, wrong=0, ident=77, source=A4, protocol=17, total=None):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body) if total is None else total, ident, fragment, 64, protocol, 0, source, B4)
    return head[:10] + struct.pack("!H", checksum(head) ^ wrong) + head[12:] + body

def ip6(body, protocol=17):
    return struct.pack("!IHBB16s16s", 6 << 28, len(body), protocol, 64, A6, B6) + body

def send4(packet):
    s.send(to + own + b"\x08\x00" + packet)

def send6(packet):
    s.send(to + own + b"\x86\xdd" + packet)

data = bytes(range(256)) * 8
whole = udp(data)
if what == "udp_checksum":
    send4(ip4(udp(b"x" * 50, wrong=0x0101)))
    send6(ip6(udp(b"x" * 50, wrong=0x0101, v6=True)))
    send6(ip6(udp(b"x" * 50, v6=True, none=True)))
elif what == "ip_checksum":
    send4(ip4(udp(b"x" * 50), wrong=0x0101))
elif what == "short":
    send4(ip4(udp(b"x" * 50), total=300))
    send4(ip4(udp(b"x" * 50), total=10))
    send6(ip6(udp(b"x" * 50, v6=True))[:60])
    send4(b"\x45")
elif what == "overlap":
    send4(ip4(whole[:1024], 0x2000))
    send4(ip4(whole[1000:1512], 0x2000 | 125))
    send4(ip4(whole[1512:], 189))
elif what == "tiny":
    send4(ip4(whole[:8], 0x2000))
elif what == "beyond":
    send4(ip4(b"x" * 1024, 0x1fff))
elif what == "repeat":
    for part in (whole[:1024], 0x2000), (whole[:1024], 0x2000), (whole[1024:], 128):
        send4(ip4(*part))
elif what == "reversed":
    send4(ip4(whole[1024:], 128, ident=78))
    send4(ip4(whole[:1024], 0x2000, ident=78))
elif what == "missing":
    send4(ip4(whole[:1024], 0x2000))
elif what == "source":
    for source in "127.0.0.1", "224.0.0.1", "0.0.0.0", "10.79.0.1":
        send4(ip4(udp(b"x"), source=socket.inet_aton(source)))
elif what == "protocol":
    send4(ip4(b"x" * 40, protocol=6))
elif what == "arp":  # a reply nobody asked for, from a new station that wants the traffic of the peer
    s.send(to + own + b"\x08\x06" + bytes.fromhex("0001080006040002") + b"\x02\0\0\0\0\x66" + A4 + to + B4)
elif what == "zero":  # no checksum at all: allowed over IPv4
    send4(ip4(udp(b"x" * 50, none=True)))
"""


def sh(command):
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout


class Link:
    """Two namespaces and a veth pair between them; `host` is where port_echo runs, `peer` is the kernel's end."""

    def __init__(self):
        name = f"prt{os.getpid() % 10000}"
        self.host, self.peer, self.interface, self.far = f"{name}h", f"{name}p", "prt0", "prt1"
        sh(f"ip netns add {self.host}; ip netns add {self.peer}")
        sh(f"ip link add {self.interface} netns {self.host} type veth peer name {self.far} netns {self.peer}")
        sh(f"ip netns exec {self.host} sysctl -qw net.ipv6.conf.{self.interface}.disable_ipv6=1")
        sh(f"ip -n {self.host} link set {self.interface} up; ip -n {self.peer} link set {self.far} up")
        sh(f"ip -n {self.peer} addr add {PEER4}/24 dev {self.far}")
        sh(f"ip -n {self.peer} addr add {PEER6}/64 dev {self.far} nodad")

    def close(self):
        sh(f"ip netns del {self.host}; ip netns del {self.peer}")

    def mac(self):
        text = sh(f"ip -n {self.host} link show {self.interface}")
        return re.search(r"link/ether (\S+)", text).group(1)

    def at_peer(self, script, *arguments, namespace=None):
        subprocess.run(["ip", "netns", "exec", namespace or self.peer, sys.executable, "-c", script, *arguments], check=True,
                       timeout=60)

    def ping(self, address, size=56, count=2, namespace=None):
        sh(f"ip netns exec {namespace or self.peer} ping -c {count} -i 0.05 -W 2 -s {size} {address}")


class Echo:
    """A running port_echo; stop() returns its counters."""

    def __init__(self, build, folder, link, driver, device, options=None, workers=(0,), node="port-echo",
                 addresses=(OURS4 + "/24", OURS6 + "/64"), gateways=(), send=None):
        self.path = os.path.join(folder, f"{node}.yaml")
        self.command = ["ip", "netns", "exec", link.host, os.path.join(build, "tests/unit/port/port_echo"), self.path]
        self.command += ["send", *send.split()] if send else []
        port = [f"name: {node}", "process: signaling", f"driver: {driver}", f"device: {device}",
                "addresses: [" + ", ".join(f'"{a}"' for a in addresses) + "]"]
        port += ["gateways: [" + ", ".join(f'"{g}"' for g in gateways) + "]"] if gateways else []
        port += [f'options: "{options}"'] if options else []
        with open(self.path, "w", encoding="ascii") as file:
            file.write(f"""
node: {node}
processes:
  signaling: {{workers: [{", ".join(map(str, workers))}], core: 0, idle: nap, hugepages: "off"}}
  media: {{workers: [0], core: 0, idle: nap}}
ports:
  - {{{", ".join(port)}}}
  - {{name: media, process: media, driver: af_packet, device: lo, addresses: [192.0.2.1/24]}}
limits: {{calls: 1000}}
database: {{connection: "dbname=none"}}
spool: {{directory: "{folder}"}}
""")
        # libxdp forgets a few bytes of its own when a socket is closed; a sanitizer would take them for ours.
        self.environment = os.environ | ({"ASAN_OPTIONS": "detect_leaks=0"} if driver == "af_xdp" else {})
        self.start()

    def start(self):
        started = time.monotonic()
        self.process = subprocess.Popen(self.command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(self.process.communicate()[1])
        self.start_s = time.monotonic() - started

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=10)
        assert self.process.returncode == 0, out + err
        counters = {}
        for line in out.splitlines():
            name, value = line.split()
            counters[name.removeprefix("port.")] = int(value)
        return counters


@pytest.fixture(scope="module")
def link():
    link = Link()
    yield link
    link.close()


@pytest.fixture
def echo(build, folder, link):
    """echo(driver, device, ...) → an Echo that is stopped with the test at the latest."""
    started = []

    def start(*arguments, **options):
        started.append(Echo(build, folder, link, *arguments, **options))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()


@pytest.fixture
def forge(echo, link):
    """forge(what) → the counters after frames made by hand, and a proof that the port still works."""

    def run(what, wait_s=0.2):
        one = echo("af_packet", link.interface)
        link.at_peer(ECHO, OURS4, "100")
        link.at_peer(FORGE, link.far, link.mac(), what)
        time.sleep(wait_s)
        link.at_peer(ECHO, OURS4, "100,3000")
        return one.stop()

    return run


def check_traffic(link, namespace=None):
    for address in OURS4, OURS6:
        for size in 0, 56, 1472, 3000, 8000:
            link.ping(address, size, namespace=namespace)
        link.at_peer(ECHO, address, ",".join(map(str, SIZES)), namespace=namespace)


@pytest.mark.parametrize("workers", [(0,), (0, 1)])
def test_af_packet(echo, link, workers):
    one = echo("af_packet", link.interface, workers=workers)
    check_traffic(link)
    counters = one.stop()
    assert counters["rx_datagrams"] == counters["tx_datagrams"] == 2 * len(SIZES)
    assert counters["rx_partial_checksum"] > 0
    assert counters["icmp_echo_answered"] == 20
    for name in "rx_bad_udp_checksum", "tx_driver_full", "rx_fragment_timeout", "tx_no_buffer", "tx_unresolved":
        assert name not in counters


def test_tap(echo, link):
    one = echo("tap", "prttap")
    sh(f"ip -n {link.host} addr add {PEER4}/24 dev prttap; ip -n {link.host} addr add {PEER6}/64 dev prttap nodad")
    sh(f"ip -n {link.host} link set prttap up")
    time.sleep(0.5)
    check_traffic(link, link.host)
    counters = one.stop()
    assert counters["rx_datagrams"] == 2 * len(SIZES)


def test_af_xdp(echo, link):
    one = echo("af_xdp", link.interface, "force_copy=1")
    check_traffic(link)
    counters = one.stop()
    assert counters["rx_datagrams"] == 2 * len(SIZES)


def test_memif(echo, link, folder):
    path = os.path.join(folder, "memif.sock")
    server = echo("memif", path, "role=server", node="server")
    client = echo("memif", path, node="client", addresses=[PEER4 + "/24"], send=OURS4 + ":5060")
    time.sleep(2)
    client = client.stop()
    server.kill()  # leaves its socket behind
    server.start()
    assert client["rx_datagrams"] > 5
    again = echo("memif", path, node="client", addresses=[PEER6 + "/64"], send=f"[{OURS6}]:5060")
    time.sleep(2)
    assert again.stop()["rx_datagrams"] > 5
    assert server.stop()["rx_datagrams"] > 5


def test_bad_checksums(forge):
    counters = forge("udp_checksum")
    assert counters["rx_bad_udp_checksum"] == 3
    assert forge("ip_checksum")["rx_bad_ip_checksum"] == 1
    assert forge("zero")["rx_datagrams"] == 4


def test_bad_lengths(forge):
    assert forge("short")["rx_bad_ip_header"] == 4


def test_impossible_sources(forge):
    assert forge("source")["rx_bad_source"] == 4


def test_other_protocols(forge):
    assert forge("protocol")["rx_unknown_protocol"] == 1


def test_fragment_attacks(forge):
    counters = forge("overlap")
    assert counters["rx_fragment_overlap"] == 1 and counters["rx_reassembled"] == 1
    assert forge("tiny")["rx_fragment_bad"] == 1
    assert forge("beyond")["rx_fragment_bad"] == 1
    assert forge("missing", 2.5)["rx_fragment_timeout"] == 1


def test_fragments_repeated_and_reversed(forge):
    counters = forge("repeat")
    assert counters["rx_fragment_duplicate"] == 1 and counters["rx_reassembled"] == 2
    assert forge("reversed")["rx_reassembled"] == 2


def test_reply_nobody_asked_for(forge):
    # The peer is known already, so the forged address is looked into and the traffic goes on to the right one.
    counters = forge("arp")
    assert counters["tx_datagrams"] == counters["rx_datagrams"] == 3
    assert counters["neighbor_requests"] >= 1


@pytest.mark.parametrize("address, addresses", [("10.79.0.99", [OURS4 + "/24"]), ("fd79::99", [OURS6 + "/64"])])
def test_unresolved_next_hop(echo, link, address, addresses):
    target = f"[{address}]:9" if ":" in address else f"{address}:9"
    one = echo("af_packet", link.interface, addresses=addresses, send=target)
    time.sleep(3.6)
    counters = one.stop()
    assert counters["neighbor_unresolved"] == 1
    assert counters["neighbor_requests"] == 4
    assert counters["tx_unresolved"] > 20


def test_gateway(echo, link):
    sh(f"ip -n {link.peer} addr add 198.51.100.1/32 dev {link.far}")
    one = echo("af_packet", link.interface, gateways=[PEER4], send="198.51.100.1:9")
    time.sleep(1)
    counters = one.stop()
    assert counters["tx_datagrams"] > 5 and "tx_no_route" not in counters and "tx_unresolved" not in counters
    one = echo("af_packet", link.interface, send="198.51.100.1:9")
    time.sleep(0.5)
    assert one.stop()["tx_no_route"] > 2


@pytest.mark.parametrize("driver", ["af_packet", "af_xdp"])
def test_restart_after_kill(echo, link, driver):
    one = echo(driver, link.interface)
    link.ping(OURS4)
    for _ in range(3):
        one.kill()
        one.start()
        link.at_peer(ECHO, OURS4, "100,3000")
        assert one.start_s < 5  # a fraction of a second; a figure, not a promise of this machine
    one.stop()
    assert not [name for name in os.listdir("/dev/shm") if "port-echo" in name]


@pytest.mark.parametrize("end", ["host", "peer"])
def test_link_down_does_not_hold_a_worker(echo, link, end):
    one = echo("af_packet", link.interface, send=f"{PEER4}:9 100")
    time.sleep(0.3)
    namespace, interface = (link.host, link.interface) if end == "host" else (link.peer, link.far)
    sh(f"ip -n {namespace} link set {interface} down")
    time.sleep(2)
    sh(f"ip -n {namespace} link set {interface} up; ip -n {link.peer} addr replace {PEER6}/64 dev {link.far} nodad")
    time.sleep(1.5)
    link.ping(OURS4)
    counters = one.stop()
    assert counters["icmp_echo_answered"] == 2
    assert counters["tx_datagrams"] > 5000


# A long one, which arrives in fragments, and short ones behind it, while the worker is stopped. Arguments: address, its
# process.
BEHIND = r"""
import os, signal, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.connect((sys.argv[1], 7))
s.send(b"x")
s.recv(100)
worker = int(sys.argv[2])
os.kill(worker, signal.SIGSTOP)
for size in 1400, *range(1, 11):
    s.send(bytes(size))
os.kill(worker, signal.SIGCONT)
assert [len(s.recv(2000)) for _ in range(10)] == list(range(1, 11))
"""


def test_one_too_long_goes_alone(echo, link):
    one = echo("af_packet", link.interface)
    try:
        for namespace, interface in (link.host, link.interface), (link.peer, link.far):
            sh(f"ip -n {namespace} link set {interface} mtu 1000")
        link.at_peer(BEHIND, OURS4, str(one.process.pid))
    finally:
        for namespace, interface in (link.host, link.interface), (link.peer, link.far):
            sh(f"ip -n {namespace} link set {interface} mtu 1500")
        # An MTU below 1,280 has ended IPv6.
        sh(f"ip -n {link.peer} addr replace {PEER6}/64 dev {link.far} nodad")
    counters = one.stop()
    assert counters["rx_reassembled"] == 1
    assert counters["tx_driver_full"] == 1


def test_wrong_device_is_an_error(echo):
    with pytest.raises(RuntimeError, match="nosuch0"):
        echo("af_packet", "nosuch0")
