# SPDX-License-Identifier: Apache-2.0
"""The load generator as a process: its two files, its progress and its report (bench/README.md)."""
import json
import os
import re
import subprocess
import sys
import time

from . import Failed
from .node import CUSTOMER, GATEWAYS, PEERS, PREFIX, PREFIXES, RING, RTP_NET, SIP, SIP_RING, VENDORS, prefer, threads

MOST_ADDRESSES = 16  # of one family on a port of the generator
PROGRESS = re.compile(r"^\s*\d+ s +(\S+)")


def find(build):
    path = os.path.join(build, "bench", "generator", "tandem-generator")
    if not os.access(path, os.X_OK):
        raise Failed("the load generator is not in the build (bench/generator/tandem-generator)")
    return path


def link(bench, layout):
    """Ports and addresses of everybody around the switch."""
    media = [f"{RTP_NET}{200 + i}" for i in range(MOST_ADDRESSES)]
    return {
        **cores(layout),
        "ports": [port(bench, "sip", [CUSTOMER, VENDORS]), port(bench, "rtp", media)],
        "switch": f"{SIP}:5060",
        "customer": f"{CUSTOMER}:5060",
        "vendors": [{"address": f"{VENDORS}:5060", "count": GATEWAYS}],
        "media": {"addresses": media, "first": 10000, "last": 65534},
    }


def phones_link(bench, layout):
    """Each phone has an address and port of its own, so a million of them need all there are."""
    addresses = [CUSTOMER, *(f"{PEERS}{100 + i}" for i in range(MOST_ADDRESSES - 1))]
    return {
        **cores(layout),
        "ports": [port(bench, "sip", addresses), port(bench, "rtp", [f"{RTP_NET}200"])],
        "switch": f"{SIP}:5060",
        "customer": f"{CUSTOMER}:500",
        "vendors": [{"address": f"{CUSTOMER}:600"}],
        "media": {"addresses": [f"{RTP_NET}200"], "first": 10000, "last": 65534},  # not by default the customer's
        "phones": {"addresses": addresses, "first": 1024, "last": 65535},
    }


def cores(layout):
    return {"core": layout.rest, "worker": layout.generator, "idle": "nap" if layout.shared else "spin", "hugepages": "auto"}


def port(bench, name, addresses):
    ring = SIP_RING if name == "sip" else RING
    return {"name": name, "driver": "memif", "device": bench.socket(name), "options": f"role=client,{ring}",
            "addresses": [f"{address}/24" for address in addresses]}


def carrier(**load):
    """Calls to all prefixes, answered, and hung up by the caller after a second."""
    return {"name": "carrier", "load": {"arrivals": "poisson", **load},
            "mix": [{"name": "answered", "share": 1}],
            "call": {"prefixes": PREFIXES, "prefix": PREFIX, "digits": 18, "hold": 1, "trying": "on", "hang_up": "caller"}}


class Generator:
    def __init__(self, bench, link_file, scenario, *options):
        self.bench, self.phase = bench, "starting"
        self.program = find(bench.build)
        names = {}
        for name, content in (("link", link_file), ("scenario", scenario)):
            names[name] = os.path.join(bench.folder, f"{name}.yaml")
            with open(names[name], "w") as file:
                json.dump(content, file, indent=1)  # JSON is YAML
        self.report_path = os.path.join(bench.folder, "report.json")
        self.command = [self.program, "--link", names["link"], "--scenario", names["scenario"], "--report", self.report_path,
                        *map(str, options)]

    def run(self, timeout_s):
        """Until it ends; returns its report."""
        if os.path.exists(self.report_path):
            os.unlink(self.report_path)
        lines, deadline, shown = [], time.monotonic() + timeout_s, 0.0
        process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   text=True)
        self.bench.children.append(process)
        try:
            for line in process.stderr:
                line = line.rstrip()
                found = PROGRESS.match(line)
                if not found:
                    lines.append(line)
                else:
                    if self.phase == "starting":
                        prefer(threads(process.pid, "rte-worker"), 3)
                    self.phase = found.group(1)
                    if sys.stdout.isatty() or time.monotonic() - shown > 5:
                        shown = time.monotonic()
                        self.bench.progress(line)
                if time.monotonic() > deadline:
                    raise Failed(f"the generator did not end within {timeout_s:.0f} s")
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            self.bench.children.remove(process)
        self.phase = "ended"
        if process.returncode != 0 or not os.path.exists(self.report_path):
            raise Failed(f"the generator ended with {process.returncode}: " + " / ".join(lines[-6:]))
        with open(self.report_path) as file:
            return json.load(file)


def measured(report):
    return [phase for phase in report["phases"] if phase["measured"]]


def only(report):
    """The one measured phase of a run at one rate."""
    phases = measured(report)
    if not phases:
        raise Failed("the generator's report has no measurement in it")
    return phases[-1]


def latency(phase, step):
    found = phase["latency"].get(step)
    return found if found and found["count"] else None
