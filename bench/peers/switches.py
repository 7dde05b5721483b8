# SPDX-License-Identifier: Apache-2.0
"""The switches under test. Each takes the same place: 10.77.0.1 for SIP, 10.78.0.1 for RTP, at the ends of the same two
veth pairs, whose other ends are the load's.

A switch has `name`, start(), stop(), pid() (one in its namespace), records() (the CDRs that are in
the database), parts() → {part: [pid]} (its "media" part relays the audio), busy() → {part: seconds} that its workers
had something to do, where it polls, READING_S (how long parts() and busy() take together), and log_tail().
"""
import os
import shutil
import signal
import subprocess
import time

from lab.net import sh, wait_for
from lab.switch import SIP_PORT, Switch, base_config

from . import usage

HERE = os.path.dirname(os.path.abspath(__file__))
DEVICES = ("sip0", "rtp0")  # at both ends
SIP, RTP, BITS = "10.77.0.1", "10.78.0.1", 24
CUSTOMER, VENDOR, MEDIA = "10.77.0.10", "10.77.0.20", "10.78.0.10"
MORE_CALLS = 20000
SCHEMAS = "/usr/share/kamailio/postgres"


def version_of(command):
    try:
        out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout.strip()
    except FileNotFoundError:
        raise SystemExit(f"bench/compare: {command[0]} is not installed: sudo deploy/packages bench")
    return out.splitlines()[0] if out else "?"


class Place:
    """Where the switch under test stands, and opposite it the load; `core` is its own.

    No bridge is between them: what it costs would be charged to whoever sends.
    """

    def __init__(self, net, folder, postgres, core):
        self.net, self.folder, self.postgres, self.core = net, folder, postgres, core
        self.host, self.load = net.host("switch"), net.host("load")
        for device in DEVICES:
            sh(f"ip link add {device} netns {self.host.namespace} type veth peer name {device} netns {self.load.namespace}")
            for host in (self.host, self.load):
                host.sysctl(f"net/ipv6/conf/{device}/disable_ipv6", 1)
                # What crosses has whole checksums, as on a wire: DPDK looks at them at the other end.
                host.run(f"ethtool -K {device} tx off gro off", check=False)
                host.run(f"ip link set {device} up")

    def give_kernel_addresses(self):
        """For a peer."""
        for device, ip in zip(DEVICES, (SIP, RTP)):
            self.host.run(f"ip addr add {ip}/{BITS} dev {device}", check=False)
        self.load.run("ip neigh flush all")

    def take_kernel_addresses(self):
        """For Tandem: the devices are bare."""
        for device in DEVICES:
            self.host.run(f"ip addr flush dev {device}")
        self.load.run("ip neigh flush all")


class Tandem:
    """Tandem over af_packet, all its processes on one core."""
    READING_S = 0.4  # `tandemctl status` looks for 200 ms

    def __init__(self, place, build, relay, calls, nap_us=None):
        self.place, self.build, self.relay, self.calls, self.nap_us = place, build, relay, calls, nap_us
        self.name = "tandem+relay" if relay else "tandem"
        self.node = f"cmp{os.getpid()}-{'relay' if relay else 'plain'}"
        self.switch = None

    def version(self):
        return version_of([os.path.join(self.build, "tandemctl", "tandemctl"), "--version"])

    def _config(self, folder, calls):
        config = base_config(self.node, folder, self.place.postgres.connection)
        core = self.place.core
        config["log"] = {"level": "warn"}
        config["parameters"]["SS_MEDIAPROXYMODE"] = "on" if self.relay else "off"
        config["processes"] = {"signaling": {"workers": [core], "core": core}, "media": {"workers": [core], "core": core},
                               "keepalive": {"core": core}, "cdrwriter": {"core": core}}
        for role in ("signaling", "media") if self.nap_us else ():
            config["processes"][role]["nap_us"] = self.nap_us
        config["limits"] = {"calls": calls, "registrations": 1}
        config["ports"][0]["addresses"] = [f"{SIP}/{BITS}"]
        # The carrier's audio comes from its SIP addresses: through the other end of the RTP pair.
        config["ports"][1] |= {"addresses": [f"{RTP}/{BITS}"], "gateways": [MEDIA], "rtp_ports": {"first": 10240, "last": 65535}}
        config["mapping_gateways"] = [{"name": "customer", "addresses": [CUSTOMER]}]
        config["routing_gateways"] = [
            {"name": "vendor", "address": f"{VENDOR}:5060", "prefixes": [""], "priority": 10},
            {"name": "spare", "address": f"{VENDOR}:5070", "prefixes": [""], "priority": 20}]
        return config

    def start(self):
        self._start(self.calls)
        self.count_before = self._count()

    def _start(self, calls):
        self.place.take_kernel_addresses()
        folder = os.path.join(self.place.folder, self.node)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        with usage.pinned(self.place.core):
            self.switch = Switch(self.place.net, folder, self._config(folder, calls), build=self.build)
            self.switch.start()

    def stop(self):
        if self.switch:
            self.switch.close()
            self.switch = None

    def pid(self):
        return self.switch.supervisor.pid

    def parts(self):
        status = self.switch.status()
        media = [status["media"]["pid"]]
        rest = [pid for pid in usage.family(self.switch.supervisor.pid) if pid not in media]
        return {"signalling": rest, "media": media}

    def busy(self):
        """By the workers' own account; time in the kernel is in it."""
        parts = {"signalling": 0.0, "media": 0.0}
        for worker in self.switch.ctl_json("status")["workers"]:
            part = "media" if worker["process"] == "media" else "signalling"
            parts[part] += worker["busy_cycles"] / (worker["cycles_per_second"] or 1)
        return parts

    def _count(self):
        return int(self.place.postgres.value("SELECT count(*) FROM tandem.cdr WHERE final AND sip_code = 200") or 0)

    def records(self):
        return self._count() - self.count_before

    def memory_per_call_bytes(self):
        """Its memory is taken at the start, for as many calls as the configuration says: what one more call adds to it."""
        sizes = []
        for calls in (self.calls, self.calls + MORE_CALLS):
            self._start(calls)
            sizes.append(usage.memory_bytes(usage.family(self.switch.supervisor.pid)))
            self.stop()
        return (sizes[1] - sizes[0]) / MORE_CALLS

    def log_tail(self):
        return self.switch.log_tail() if self.switch else ""


class Kamailio:
    """Kamailio with dialogs and CDRs; `topoh` masks headers, `relay` adds rtpengine."""
    READING_S = 0.0

    def __init__(self, place, topoh=False, relay=False):
        self.place, self.topoh, self.relay = place, topoh, relay
        self.name = "kamailio" + ("+topoh" if topoh else "") + ("+rtpengine" if relay else "")
        self.log_path = os.path.join(place.folder, f"{self.name}.log")
        self.main = self.rtpengine = self.log = None

    def version(self):
        found = [version_of(["kamailio", "-v"]).replace("version: ", "")]
        if self.relay:
            found.append("rtpengine " + version_of(["rtpengine", "--version"]).replace("Version: ", ""))
        return ", ".join(found)

    def start(self):
        self.place.give_kernel_addresses()
        make_database(self.place.postgres)
        self.log = open(self.log_path, "w")
        with usage.pinned(self.place.core):
            if self.relay:
                self.rtpengine = self._start_rtpengine()
            self.main = self._start_kamailio()
        self.count_before = self._count()

    def _start_rtpengine(self):
        process = self.place.host.start(
            ["rtpengine", "--config-file", os.path.join(HERE, "rtpengine.conf"), "--interface", RTP,
             "--listen-ng", "127.0.0.1:2223"],
            stdout=self.log, stderr=subprocess.STDOUT)
        self._wait_listening(process, 2223)
        return process

    def _start_kamailio(self):
        postgres = self.place.postgres
        defines = {"CUSTOMER": CUSTOMER, "DATABASE": "postgres://postgres@localhost/kamailio",
                   "DATABASE_HOST": f"host={postgres.folder}", "GATEWAYS": os.path.join(HERE, "dispatcher.list")}
        command = ["kamailio", "-f", os.path.join(HERE, "kamailio.cfg"), "-DD", "-E", "-Y", self.place.folder,
                   "-l", f"udp:{SIP}:{SIP_PORT}",
                   # 1 GiB shared, touched as it is needed, and 16 MiB for each process.
                   "-m", "1024", "-M", "16",
                   # The allocator without checks: a call costs a third less CPU than with the default one, which has them.
                   "-x", "fm", "-X", "fm"]
        if self.topoh:
            command += ["-A", "WITH_TOPOH"]
        if self.relay:
            command += ["-A", "WITH_RTPENGINE"]
            defines["RTPENGINE"] = "udp:127.0.0.1:2223"
        for name, value in defines.items():
            command += ["-A", f'{name}="{value}"']
        process = self.place.host.start(command, stdout=self.log, stderr=subprocess.STDOUT)
        self._wait_listening(process, SIP_PORT)
        return process

    def _wait_listening(self, process, port):
        def is_listening():
            if process.poll() is not None:
                raise RuntimeError(f"{process.args[4]} stopped while starting:\n{self.log_tail()}")
            return f":{port} " in self.place.host.run("ss -lunH")
        wait_for(is_listening, 20, lambda: f"UDP port {port} is open:\n{self.log_tail()}")
        time.sleep(0.3)  # the socket is there before the processes that read it

    def stop(self):
        for process in (self.main, self.rtpengine):
            if process and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        if self.log:
            self.log.close()
        self.main = self.rtpengine = self.log = None

    def pid(self):
        return self.main.pid

    def parts(self):
        parts = {"signalling": usage.family(self.main.pid)}
        if self.rtpengine:
            parts["media"] = usage.family(self.rtpengine.pid)
        return parts

    def busy(self):
        return {}

    def _count(self):
        return int(kamailio_value(self.place.postgres, "SELECT count(*) FROM acc_cdrs"))

    def records(self):
        return self._count() - self.count_before

    def log_tail(self):
        with open(self.log_path, errors="replace") as file:
            return "".join(file.readlines()[-40:])


def psql(postgres, *arguments):
    done = subprocess.run([f"{postgres.bin}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", postgres.folder,
                           "-U", "postgres", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stdout.strip())
    return done.stdout.strip()


def kamailio_value(postgres, sql):
    return psql(postgres, "-d", "kamailio", "-c", sql)


def make_database(postgres):
    """Kamailio's database, once."""
    if psql(postgres, "-d", "postgres", "-c", "SELECT 1 FROM pg_database WHERE datname = 'kamailio'"):
        return
    psql(postgres, "-d", "postgres", "-c", "CREATE DATABASE kamailio")
    for name in (f"{SCHEMAS}/standard-create.sql", f"{SCHEMAS}/acc-create.sql", os.path.join(HERE, "kamailio-schema.sql")):
        psql(postgres, "-d", "kamailio", "-f", name)
