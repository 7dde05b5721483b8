# SPDX-License-Identifier: Apache-2.0
"""Hosts in network namespaces, all on one bridge.

Everything that a network makes carries its name as a prefix, and close() removes it, whatever state it is in.
No address of the lab exists outside its namespaces.
"""
import os
import re
import shlex
import signal
import subprocess
import time

BIT4, BIT6 = 24, 64
NET4, NET6 = "10.77.0.", "fd77::"


def sh(command, check=True):
    """Run one command (a string is split as a shell would); returns what it printed."""
    argv = shlex.split(command) if isinstance(command, str) else command
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: exit status {done.returncode}: {done.stdout.strip()}")
    return done.stdout


class Host:
    """A namespace with processes of its own."""

    def __init__(self, net, name):
        self.net, self.name = net, name
        self.namespace = f"{net.name}-{name}"
        self.ip4 = self.ip6 = None
        self.processes = []
        sh(f"ip netns add {self.namespace}")
        self.run("ip link set lo up")

    def run(self, command, check=True):
        """Run a command here and wait for it; returns what it printed."""
        argv = shlex.split(command) if isinstance(command, str) else command
        return sh(["ip", "netns", "exec", self.namespace] + argv, check=check)

    def start(self, command, **options):
        """Start a command here; it is killed when the network is closed, at the latest."""
        argv = shlex.split(command) if isinstance(command, str) else command
        process = subprocess.Popen(["ip", "netns", "exec", self.namespace] + argv, start_new_session=True,
                                   stdin=subprocess.DEVNULL, **options)
        self.processes.append(process)
        return process

    def sysctl(self, name, value):
        self.run(["sh", "-c", f"echo {value} > /proc/sys/{name}"])

    def plug(self, device, number, peer_checksums=False):
        """A veth into the bridge as `device` with the addresses of `number` on it."""
        self._veth(device, self.net.bridge_host)
        self.ip4, self.ip6 = f"{NET4}{number}", f"{NET6}{number:x}"
        self.run(f"ip addr add {self.ip4}/{BIT4} dev {device}")
        self.run(f"ip -6 addr add {self.ip6}/{BIT6} dev {device} nodad")
        if not peer_checksums:
            # A veth leaves checksums to a hardware that isn't there; peers must send what a wire would carry.
            self.run(f"ethtool -K {device} tx off", check=False)
        return self

    def plug_bare(self, device):
        """A veth into the bridge without any kernel address: a port of the switch."""
        self._veth(device, self.net.bridge_host)
        self.sysctl(f"net/ipv6/conf/{device}/disable_ipv6", 1)
        self.run(f"ethtool -K {device} tx off gro off", check=False)
        return self

    def _veth(self, device, bridge_host):
        far = f"{self.name[:7]}-{device}"[:15]
        sh(f"ip link add {device} netns {self.namespace} type veth peer name {far} netns {bridge_host.namespace}")
        self.run(f"ip link set {device} up")
        bridge_host.run(f"ip link set {far} master br0 up")

    def link(self, up):
        """Pull or plug the cable (every device of the host but lo)."""
        for device in re.findall(r"^\d+: ([^@:]+)@", self.run("ip -o link"), re.M):
            self.run(f"ip link set {device} {'up' if up else 'down'}")

    def nft(self, rules):
        subprocess.run(["ip", "netns", "exec", self.namespace, "nft", "-f", "-"], input=rules, text=True, check=True)

    def kill_all(self):
        for process in self.processes:
            if process.poll() is None:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
        self.processes = []


def remove(name):
    """The namespaces of a network, and what runs in them, whoever made them."""
    for line in sh("ip netns list").splitlines():
        namespace = line.split()[0] if line.split() else ""
        if namespace.startswith(name + "-"):
            for pid in sh(f"ip netns pids {namespace}", check=False).split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except (ProcessLookupError, ValueError):
                    pass
            sh(f"ip netns del {namespace}", check=False)


class Network:
    """One bridge; hosts are plugged into it."""

    def __init__(self, name):
        self.name = name
        self.hosts = {}
        self.close()  # what a killed run left behind
        self.bridge_host = self.host("bridge")
        self.bridge_host.run("ip link add br0 type bridge mcast_snooping 0")
        self.bridge_host.sysctl("net/ipv6/conf/br0/disable_ipv6", 1)
        self.bridge_host.run("ip link set br0 up")

    def host(self, name):
        self.hosts[name] = Host(self, name)
        return self.hosts[name]

    def peer(self, name, number):
        """A host with kernel addresses 10.77.0.number and fd77::number."""
        return self.host(name).plug("eth0", number)

    def nat(self, name, number, udp_timeout_s):
        """A masquerading router with address `number` outside; returns (router, host inside)."""
        router = self.peer(name, number)
        inside = self.host(f"{name}-in")
        sh(f"ip link add in0 netns {router.namespace} type veth peer name eth0 netns {inside.namespace}")
        router.run("ip addr add 192.168.77.1/24 dev in0")
        router.run("ip link set in0 up")
        inside.run("ip addr add 192.168.77.10/24 dev eth0")
        inside.run("ip link set eth0 up")
        inside.run("ip route add default via 192.168.77.1")
        inside.run("ethtool -K eth0 tx off", check=False)
        inside.ip4 = "192.168.77.10"
        router.sysctl("net/ipv4/ip_forward", 1)
        router.nft("""
            table ip nat {
                chain post {
                    type nat hook postrouting priority 100;
                    oifname eth0 masquerade
                }
            }
            table ip filter {
                chain forward {
                    type filter hook forward priority 0; policy drop;
                    iifname in0 accept
                    ct state established,related accept
                }
            }
        """)
        router.sysctl("net/netfilter/nf_conntrack_udp_timeout", udp_timeout_s)
        router.sysctl("net/netfilter/nf_conntrack_udp_timeout_stream", udp_timeout_s)
        return router, inside

    def close(self):
        for host in self.hosts.values():
            host.kill_all()
        self.hosts = {}
        remove(self.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def wait_for(condition, timeout_s, what, interval_s=0.05):
    """Poll until condition() is true; returns its value. TimeoutError says what did not happen."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s} s: {what() if callable(what) else what}")
        time.sleep(interval_s)
