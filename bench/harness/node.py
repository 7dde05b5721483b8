# SPDX-License-Identifier: Apache-2.0
"""The switch under test: on memif, without a network, and how busy it is."""
import contextlib
import itertools
import os
import subprocess
import threading
import time

from . import Failed

from lab.switch import Switch

SIP, RTP_NET, PEERS = "10.99.0.1", "10.98.0.", "10.99.0."
CUSTOMER, VENDORS = PEERS + "10", PEERS + "20"
GATEWAYS, PREFIXES, PREFIX = 200, 10000, "49"
RTP_FIRST, RTP_LAST = 1024, 65535
# Descriptors, as many as a network card has: what a peer without a core of its own doesn't read at once. For SIP 4,096, a
# large card's: what is more than a worker can do waits there for the 10 ms after which it begins to refuse.
RING, SIP_RING = "rsize=11", "rsize=12"
CALLS_AN_ADDRESS = (RTP_LAST + 1 - RTP_FIRST) // 4  # four ports a relayed call


NUMBERS = itertools.count(1)


class Here:
    """Takes the place of a lab network: processes run where we are."""

    def __init__(self):
        self.hosts = {"switch": self}

    def start(self, command, **options):
        return subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, **options)


def gateways():
    """10,000 prefixes over 200 vendors."""
    share = PREFIXES // GATEWAYS
    return [{"name": f"vendor-{i}", "address": f"{VENDORS}:{5060 + i}",
             "prefixes": [f"{PREFIX}{10000 + i * share + n}" for n in range(share)]} for i in range(GATEWAYS)]


def config(bench, layout, under_test, calls, relayed, registrations=1000):
    """
    under_test: signaling or media: its workers spin on cores of their own. A name and a spool that no node of this run had
    before: what one leaves behind, half a minute's records perhaps, is not loaded by the next.
    """
    number = next(NUMBERS)
    addresses = max(1, -(-relayed // CALLS_AN_ADDRESS))
    workers = {role: {"workers": layout.under_test if role == under_test else [layout.helper], "core": layout.rest,
                      "idle": "spin" if role == under_test else "nap", "hugepages": "auto"}
               for role in ("signaling", "media")}
    return {
        "node": f"bench{os.getpid()}n{number}",
        "log": {"level": "info"},
        "digest_algorithms": "MD5",
        "parameters": {"SS_MEDIAPROXYMODE": "on", "SS_NOMEDIAHANGUPTIME": 0},
        "processes": {**workers, "keepalive": {"core": layout.rest}, "cdrwriter": {"core": layout.rest}},
        "limits": {"calls": calls, "registrations": registrations, "cdr_ring_kb": 65536},
        "ports": [
            {"name": "sip0", "process": "signaling", "driver": "memif", "device": bench.socket("sip"),
             "options": f"role=server,{SIP_RING}", "addresses": [f"{SIP}/24"], "sip_port": 5060},
            {"name": "rtp0", "process": "media", "driver": "memif", "device": bench.socket("rtp"),
             "options": f"role=server,{RING}", "addresses": [f"{RTP_NET}{1 + i}/24" for i in range(addresses)],
             "rtp_ports": {"first": RTP_FIRST, "last": RTP_LAST}},
        ],
        "mapping_gateways": [{"name": "customer", "addresses": [CUSTOMER]}],
        "routing_gateways": gateways(),
        "phones": [],
        "database": {"connection": bench.database.connection, "batch": 10000, "batch_wait_ms": 200},
        "spool": {"directory": os.path.join(bench.folder, f"spool{number}"), "segment_mb": 64, "reserve_mb": 16},
    }


def threads(pid, name):
    """The threads of a process whose name begins so."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/comm") as comm:
            if comm.read().startswith(name):
                yield int(task)


def worker_threads(role, pid):
    return threads(pid, role + "-")


def prefer(tasks, priority):
    """Before every ordinary thread of their core, and before those of a lower number: the order on a shared core."""
    for task in tasks:
        with contextlib.suppress(OSError):  # not allowed everywhere: then the core is shared evenly
            os.sched_setscheduler(task, os.SCHED_FIFO, os.sched_param(priority))


def waited_s(role, pid):
    """How long the workers of a process have waited for a core that somebody else had."""
    waited = 0
    for task in worker_threads(role, pid):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/schedstat") as file:
            waited += int(file.read().split()[1])
    return waited / 1e9


class Node(Switch):
    def __init__(self, bench, settings):
        super().__init__(Here(), bench.folder, settings, build=bench.build)

    def prefer_workers(self, role):
        """Before everybody else on their cores, as far as an ordinary priority goes."""
        pid = self.pid(role)
        with contextlib.suppress(OSError), open(f"/proc/{pid}/autogroup", "w") as file:
            file.write("-20")  # where sessions are weighed against each other, a thread's own priority says little
        for task in worker_threads(role, pid):
            os.setpriority(os.PRIO_PROCESS, task, -20)

    def share_core(self, layout, under_test):
        """Who goes first on the core that everything else shares: after the generator what the calls wait for, then the
        spool; PostgreSQL and housekeeping have what is left."""
        other = "media" if under_test == "signaling" else "signaling"
        if layout.helper == layout.rest:
            prefer(worker_threads(other, self.pid(other)), 2)
        prefer(threads(self.pid("keepalive"), ""), 2)
        prefer(threads(self.pid("cdrwriter"), ""), 1)

    def sample(self):
        """Cycles and counters at one moment."""
        status = self.ctl_json("status")
        pids = {process["process"]: process["pid"] for process in status["processes"]}
        busy = {}
        for worker in status["workers"]:
            hz = worker["cycles_per_second"]
            if hz:
                role = busy.setdefault(worker["process"], {"busy_s": 0.0, "total_s": 0.0, "hz": hz, "long_polls": 0})
                role["long_polls"] += worker["polls_over_100us"]
                role["busy_s"] += worker["busy_cycles"] / hz
                role["total_s"] += worker["total_cycles"] / hz
        for name, role in busy.items():
            role["waited_s"] = waited_s(name, pids[name])
        return {"time": time.monotonic(), "busy": busy, "counters": self.counters(), "calls": status["calls"]}

    def tables(self):
        """Bytes of the segments that have a record for each call, and how many calls that is."""
        names = [f"/dev/shm/tandem.{self.config['node']}.{name}" for name in ("calls", "media-sessions")]
        return sum(os.stat(name).st_size for name in names), self.config["limits"]["calls"]

    def memory(self):
        """Bytes that signaling and media really use; what both have is counted once. Hugepages included."""
        used = 0
        for role in ("signaling", "media"):
            with open(f"/proc/{self.pid(role)}/smaps_rollup") as file:
                for line in file:
                    key, *rest = line.split()
                    if key in ("Pss:", "Private_Hugetlb:", "Shared_Hugetlb:"):
                        used += int(rest[0]) * 1024
        return used

    def alive(self):
        starts = {name: process["starts"] for name, process in self.status().items()}
        return all(count == 1 for count in starts.values())


class Sampler:
    """Samples a node while something else runs; each sample is stamped with the generator's phase. `once`: what else is
    asked when a phase is first seen; the answers are in `found`."""

    def __init__(self, node, phase, every_s=1.0, once=None):
        self.node, self.phase, self.every_s = node, phase, every_s
        self.once, self.found = once or {}, {}
        self.samples, self.fault = [], None
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def _run(self):
        try:
            while not self.done.wait(self.every_s):
                before = self.phase()
                if before in self.once and before not in self.found:
                    self.found[before] = self.once[before]()
                sample = self.node.sample()
                if self.phase() == before:
                    self.samples.append((before, sample))
        except (RuntimeError, OSError, KeyError, ValueError) as fault:
            self.fault = fault

    def span(self, phase):
        """The first and the last sample within a phase: the first of this name, up to the next of another."""
        names = [name for name, _ in self.samples]
        start = names.index(phase) if phase in names else len(names)
        found = [sample for _, sample in itertools.takewhile(lambda one: one[0] == phase, self.samples[start:])]
        if len(found) < 2:
            raise Failed(f"too few samples of the switch during \"{phase}\": {self.fault or 'the measurement was too short'}")
        return found[0], found[-1]


def between(first, last, counter):
    return last["counters"][counter] - first["counters"][counter]


def busy_between(first, last, role):
    """Seconds of work, its share of the time, and the share that the worker waited for its core (which looks like work)."""
    busy, total, waited = (last["busy"][role][key] - first["busy"][role][key] for key in ("busy_s", "total_s", "waited_s"))
    return busy, busy / total if total else 0.0, waited / total if total else 0.0
