# SPDX-License-Identifier: Apache-2.0
"""The machine: what it is, what is installed and built on it, and which core does what."""
import json
import os
import platform
import subprocess

from . import TOP, Failed

CORES = sorted(os.sched_getaffinity(0))  # when we began: later this process has one of them only
OPTIONS = ["-Dbuildtype=release", "-Ddebug=true", "-Db_sanitize=none"]
HUGEPAGES_MB = 2048


def read(path, default=""):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return default


def sh(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stdout[-3000:].strip()}")
    return done.stdout.strip()


def prepare(build, say):
    """Packages, hugepages, a release build. Returns the build folder."""
    if os.geteuid() != 0:
        raise SystemExit("bench/run: needs root, for hugepages, ports and packages: sudo bench/run")
    say("packages")
    sh([os.path.join(TOP, "deploy", "packages"), "run", "build", "demo", "bench"])
    pages = subprocess.run([os.path.join(TOP, "deploy", "hugepages"), str(HUGEPAGES_MB)], stdout=subprocess.PIPE, text=True)
    say(f"hugepages: {pages.stdout.strip()}")
    say(f"release build in {build}")
    options = [] if os.path.exists(os.path.join(build, "build.ninja")) else OPTIONS
    sh([os.path.join(TOP, "deploy", "build"), build, *options], env={**os.environ, "CC": "gcc"})


def describe():
    """What a figure can't be understood without."""
    cpu = {}
    for line in read("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        cpu.setdefault(key.strip(), value.strip())
    memory = {line.split(":")[0]: line.split()[1] for line in read("/proc/meminfo").splitlines()}
    commit = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty", "--tags"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True).stdout.strip()
    return {
        "cpu": cpu.get("model name", platform.machine()),
        "cores": len(CORES),
        "virtual": "hypervisor" in cpu.get("flags", "").split(),
        "memory_mb": int(memory["MemTotal"]) // 1024,
        "kernel": platform.release(),
        "system": next((line.split("=", 1)[1].strip('"') for line in read("/etc/os-release").splitlines()
                        if line.startswith("PRETTY_NAME=")), platform.system()),
        "hugepages_mb": int(memory.get("HugePages_Total", 0)) * int(memory.get("Hugepagesize", 2048)) // 1024,
        "isolated_cores": read("/sys/devices/system/cpu/isolated"),
        "load_at_start": float(read("/proc/loadavg", "0").split()[0]),
        "compiler": sh(["gcc", "-dumpfullversion"]),
        "commit": commit or "unknown",
    }


def describe_text(machine, layout):
    return "\n".join([
        f"{machine['cores']} cores of {machine['cpu']}{' (virtual)' if machine['virtual'] else ''}, "
        f"{machine['memory_mb'] / 1024:.0f} GiB, {machine['system']}, kernel {machine['kernel']}, "
        f"{machine['hugepages_mb']} MB in hugepages, isolated cores: {machine['isolated_cores'] or 'none'}",
        f"commit {machine['commit']}, gcc {machine['compiler']}, load when it began: {machine['load_at_start']:.1f}",
        layout.text()])


def steer_interrupts(core):
    """Devices' interrupts to the first core, away from the worker under test. What has to be written back."""
    before = []
    for number in sorted(name for name in os.listdir("/proc/irq") if name.isdigit()):
        path = f"/proc/irq/{number}/smp_affinity_list"
        old = read(path)
        if old and old != str(core) and write(path, str(core)):
            before.append((path, old))
    return before


def write(path, text):
    """False: this machine does not allow it."""
    try:
        with open(path, "w") as file:
            file.write(text)
        return True
    except OSError:
        return False


def own_gaps(build, cores, seconds=2):
    """How long the machine takes each of these cores away from a thread that only looks at the clock."""
    program = os.path.join(build, "bench", "generator", "bench-gaps")
    running = [subprocess.Popen([program, str(core), str(seconds)], stdout=subprocess.PIPE, text=True) for core in cores]
    return [json.loads(one.communicate()[0]) for one in running]


class Layout:
    """Which core does what. The workers under test have cores of their own; the generator, too, if there are enough."""

    def __init__(self, workers=1):
        cores = CORES
        if len(cores) < workers + 1:
            raise Failed(f"{workers} workers under test need {workers + 1} cores at least, this machine has {len(cores)}")
        self.under_test = cores[-workers:]
        others = cores[:-workers]
        self.rest = others[0]  # housekeeping, PostgreSQL, keepalive, cdrwriter, this program
        self.generator = others[1] if len(others) > 1 else others[0]
        self.helper = others[2] if len(others) > 2 else self.rest  # the worker that is not under test
        self.shared = self.generator == self.rest

    def text(self):
        return (f"under test: core {', '.join(map(str, self.under_test))}; generator: core {self.generator}; "
                f"the other kind of worker: core {self.helper}; everything else: core {self.rest}"
                + ("  (the generator shares its core)" if self.shared else ""))
