# SPDX-License-Identifier: Apache-2.0
"""The workers' loops under load, seen by the kernel: no allocation, no lock, no system call but the port driver's own."""
import collections
import glob
import os
import re
import subprocess
import time

import pytest
from fixtures import a_lab
from lab.carrier import Carrier
from lab.net import sh

SECONDS = 5
# An af_packet port hands a poll's frames to the kernel.
DRIVER_CALLS = {"sendmmsg"}
NAMES = {7: "poll", 44: "sendto", 202: "futex", 35: "nanosleep", 230: "clock_nanosleep", 228: "clock_gettime", 24: "sched_yield",
         9: "mmap", 11: "munmap", 28: "madvise", 1: "write", 0: "read", 45: "recvfrom", 47: "recvmsg", 46: "sendmsg",
         307: "sendmmsg", 271: "ppoll"}


@pytest.fixture(scope="module")
def allocator_probes():
    """A uprobe on each entry of the allocator: they see every call, whoever makes it."""
    library = sh(["sh", "-c", "ldconfig -p | awk '/libjemalloc.so.2/ {print $NF; exit}'"]).strip()
    assert library
    if not os.path.isdir("/sys/kernel/tracing/events"):
        sh("mount -t tracefs none /sys/kernel/tracing")
    sh("perf probe -q -d probe_libjemalloc:*", check=False)
    for function in ("malloc", "calloc", "realloc", "free", "posix_memalign", "aligned_alloc"):
        sh(["perf", "probe", "-q", "-x", library, function])
    yield sorted(set(re.findall(r"(probe_libjemalloc:\w+)", sh("perf probe -l"))))
    sh("perf probe -q -d probe_libjemalloc:*", check=False)


@pytest.fixture(scope="module")
def lab(net, folder, postgres):
    def change(config):
        for process in config["processes"].values():
            process["idle"] = "spin"

    with a_lab(net, folder, postgres, "tt-loop", change) as lab:
        yield lab


def count_allocations(probes, target, seconds):
    """{probe: hits} of a thread (["-t", tid]) or a process (["-p", pid])."""
    events = sum((["-e", probe] for probe in probes), [])
    out = subprocess.run(["perf", "stat", "-x", ";", *target, *events, "--", "sleep", str(seconds)], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True).stdout
    counts = {line.split(";")[2]: int(line.split(";")[0]) for line in out.splitlines() if line.count(";") > 3}
    assert sorted(counts) == probes, out
    return counts


def worker_thread(pid):
    """The thread that spins: the one that used most time."""
    def used(task):
        with open(f"{task}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    return os.path.basename(max(glob.glob(f"/proc/{pid}/task/*"), key=used))


@pytest.mark.parametrize("role", ["signaling", "media"])
def test_no_allocation_and_no_system_call(lab, build, allocator_probes, role):
    load = Carrier(build, lab.customer, "10.77.0.10", "10.77.0.1:5060", [(lab.vendor, "10.77.0.20", "")], rate=100,
                   seconds=SECONDS + 6, hold=1, audio=True).start()
    time.sleep(3)
    thread = worker_thread(lab.switch.pid(role))
    before = lab.switch.counters()
    trace = os.path.join(lab.folder, f"{role}.perf")
    record = subprocess.Popen(["perf", "record", "-q", "-e", "raw_syscalls:sys_enter", "-t", thread, "-o", trace, "--", "sleep",
                               str(SECONDS)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    counts = count_allocations(allocator_probes, ["-t", thread], SECONDS)
    others = count_allocations(allocator_probes, ["-p", str(lab.switch.pid("cdrwriter"))], 1)
    record.wait()
    after = lab.switch.counters()
    report = load.finish()
    assert report["answered"] == report["offered"]

    # The load was really there, and the thread watched is the one that carried it.
    moved = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    print(role, {name: moved[name] for name in sorted(moved)})
    assert max(moved.values()) > 1000

    print(counts, "the CDR writer's, for comparison:", others)
    assert sum(others.values()) > 0, "the probes see nothing at all"
    assert sum(counts.values()) == 0

    numbers = collections.Counter(int(n) for n in re.findall(r"sys_enter: NR (\d+)", sh(["perf", "script", "-i", trace])))
    calls = {NAMES.get(number, str(number)): count for number, count in numbers.items()}
    print(calls)
    assert calls.get("sendmmsg", 0) > 100, "the port sent nothing: this is not the worker"
    assert set(calls) <= DRIVER_CALLS
