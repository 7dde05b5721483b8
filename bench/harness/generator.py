# SPDX-License-Identifier: Apache-2.0
"""The load generator as a process: its two files, its progress and its report (bench/README.md)."""
import json
import os
import re
import subprocess
import sys
import time

from . import Failed
from .node import CUSTOMER, GATEWAYS, MEDIA_PEER, PEERS, PREFIX, PREFIXES, SIP, VENDORS

PROGRESS = re.compile(r"^\s*\d+ s +(\S+)")


def find(build):
    path = os.path.join(build, "bench", "generator", "tandem-generator")
    if not os.access(path, os.X_OK):
        raise Failed("the load generator is not in the build (bench/generator/tandem-generator)")
    return path


def link(bench, layout, phones=False):
    """Ports and addresses of everybody around the switch; phones: those that register, too."""
    sip_addresses = [f"{CUSTOMER}/24", f"{VENDORS}/24"] + ([f"{PEERS}{100 + i}/24" for i in range(14)] if phones else [])
    link_file = {
        "core": layout.rest, "worker": layout.generator, "idle": "nap" if layout.shared else "spin", "hugepages": "auto",
        "ports": [
            {"name": "sip", "driver": "memif", "device": bench.socket("sip"), "options": "role=server",
             "addresses": sip_addresses},
            {"name": "rtp", "driver": "memif", "device": bench.socket("rtp"), "options": "role=server",
             "addresses": [MEDIA_PEER[:-3] + f"{200 + i}/24" for i in range(16)]},
        ],
        "switch": f"{SIP}:5060",
        "customer": f"{CUSTOMER}:5060",
        "vendors": [{"address": f"{VENDORS}:5060", "count": GATEWAYS}],
        "media": {"addresses": [MEDIA_PEER[:-3] + str(200 + i) for i in range(16)], "first": 1024, "last": 65534},
    }
    if phones:
        link_file["phones"] = {"addresses": [f"{PEERS}{100 + i}" for i in range(14)], "first": 1024, "last": 65535}
    return link_file


def carrier(**load):
    """Calls to all prefixes, answered, and hung up by the caller after a second."""
    return {"name": "carrier", "load": {"arrivals": "poisson", **load},
            "call": {"prefixes": PREFIXES, "prefix": PREFIX, "digits": 18, "hold": 1, "hang_up": "caller"}}


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
