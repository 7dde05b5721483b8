# SPDX-License-Identifier: Apache-2.0
"""What processes cost, read from /proc."""
import os
import platform
import time

TICKS = os.sysconf("SC_CLK_TCK")


def _read(path):
    try:
        with open(path) as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _stat(pid):
    """The fields of /proc/PID/stat from the third on (the second, a name, may contain anything)."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def family(pid):
    """That process and all that descend from it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(name)
            if fields:
                children.setdefault(int(fields[1]), []).append(int(name))
    found, new = [], [pid]
    while new:
        found += new
        new = [child for parent in new for child in children.get(parent, [])]
    return found


class Cpu:
    """CPU seconds of some processes until now: `total` is exact, user and system are the kernel's split of it.

    Softirqs that run when a process leaves the kernel are charged to it by the kernel and are in it.
    """

    def __init__(self, pids, reaped_of=None):
        self.total = self.user = self.system = 0.0
        for pid in pids:
            fields = _stat(pid)
            if not fields:
                continue
            self.user += int(fields[11]) / TICKS
            self.system += int(fields[12]) / TICKS
            self.total += self._threads_ns(pid) / 1e9
        if reaped_of:  # children that ended already: PostgreSQL's connections
            fields = _stat(reaped_of)
            self.total += (int(fields[13]) + int(fields[14])) / TICKS

    @staticmethod
    def _threads_ns(pid):
        ns = 0
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                ns += int((_read(f"/proc/{pid}/task/{thread}/schedstat") or "0").split()[0])
        except FileNotFoundError:
            pass
        return ns

    def since(self, before):
        spent = Cpu([])
        for name in ("total", "user", "system"):
            setattr(spent, name, getattr(self, name) - getattr(before, name))
        return spent


def memory_bytes(pids):
    """Resident memory; what several of the processes share counts once (PSS)."""
    kilobytes = 0
    for pid in pids:
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
            name, _, value = line.partition(":")
            if name in ("Pss", "Private_Hugetlb", "Shared_Hugetlb"):
                kilobytes += int(value.split()[0])
    return kilobytes * 1024


class Cores:
    """Seconds since the start of the machine that each core was busy, and those in softirqs."""

    def __init__(self):
        self.busy, self.softirq, self.stolen = {}, {}, {}
        for line in _read("/proc/stat").splitlines():
            name, *fields = line.split()
            if name.startswith("cpu") and name[3:].isdigit():
                user, nice, system, _, _, irq, softirq, steal = (int(field) / TICKS for field in fields[:8])
                core = int(name[3:])
                self.busy[core] = user + nice + system + irq + softirq
                self.softirq[core], self.stolen[core] = softirq, steal
        self.at = time.monotonic()

    def since(self, before):
        spent = Cores()
        for name in ("busy", "softirq", "stolen"):
            setattr(spent, name, {core: value - getattr(before, name).get(core, 0) for core, value in getattr(spent, name).items()})
        spent.at -= before.at
        return spent


def packets_received(pid, devices):
    """Packets that the network brought to those devices of the process's namespace."""
    packets = 0
    for line in _read(f"/proc/{pid}/net/dev").splitlines():
        name, _, fields = line.partition(":")
        if name.strip() in devices:
            packets += int(fields.split()[1])
    return packets


def machine():
    model = next((line.partition(":")[2].strip() for line in _read("/proc/cpuinfo").splitlines()
                  if line.startswith("model name")), "?")
    total = next(line.split()[1] for line in _read("/proc/meminfo").splitlines() if line.startswith("MemTotal"))
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "memory_gib": round(int(total) / 2**20, 1),
            "kernel": platform.release(), "system": _os_name(), "load_average": list(os.getloadavg())}


def _os_name():
    for line in _read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "?"


class pinned:
    """What is started inside runs on that core."""

    def __init__(self, core):
        self.core = core

    def __enter__(self):
        self.before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {self.core})

    def __exit__(self, *_):
        os.sched_setaffinity(0, self.before)
