# SPDX-License-Identifier: Apache-2.0
"""Who makes the calls. The same load for every switch: start(plan) → finish() → Outcome.

The customer is 10.77.0.10 and calls 10.77.0.1; the vendor is 10.77.0.20; the generator's audio is at 10.78.0.10.
Calls come at even intervals, the vendor rings and answers at once, the customer hangs up.
"""
import json
import math
import os
import subprocess
from dataclasses import asdict, dataclass, field

from lab.carrier import Carrier
from lab.switch import SIP_PORT

from . import usage
from .switches import BITS, CUSTOMER, DEVICES, MEDIA, SIP, VENDOR

NUMBER = "49"


@dataclass
class Plan:
    """Calls at `rate` a second for `seconds`, each `hold` seconds long, with audio both ways or without."""
    rate: float
    seconds: float
    hold: float
    audio: bool = False

    @property
    def calls(self):
        return round(self.rate * self.seconds)


@dataclass
class Outcome:
    """What both sides of the calls saw. `faults` is empty when every call came up, ended on both sides and lost no audio."""
    offered: int
    answered: int
    ended: int
    setup_p50_ms: float
    setup_p99_ms: float
    rtp_sent: int = 0
    rtp_received: int = 0
    again: int = 0      # messages that had to be sent more than once
    limited: bool = False  # the load fell behind its own schedule
    faults: list = field(default_factory=list)

    def judge(self, plan, others):
        """Note what is wrong; `others` are counters that have to be 0."""
        # Some more may fall into the time: the load ends between two of its own ticks.
        if abs(self.offered - plan.calls) > max(5, plan.calls * 0.02):
            self.faults.append(f"{self.offered} calls offered, {plan.calls} planned")
        if self.answered != self.offered:
            self.faults.append(f"{self.answered} of {self.offered} calls answered")
        if self.ended != self.answered:
            self.faults.append(f"{self.ended} of {self.answered} calls ended on both sides")
        # Each side's last packet may be on its way when the call ends. Gaps before that are in `others`.
        if plan.audio and not max(0, self.rtp_sent - 2 * self.offered) < self.rtp_received <= self.rtp_sent:
            self.faults.append(f"{self.rtp_received} of {self.rtp_sent} RTP packets arrived")
        self.faults += [f"{name}: {count}" for name, count in others.items() if count]
        return self

    def as_dict(self):
        return asdict(self)


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * share) - 1)] if ordered else float("nan")


class CarrierLoad:
    """tandem-carrier, on kernel sockets: some hundred calls a second."""
    RATE, AUDIO_CALLS = 200, 100

    def __init__(self, host, folder, build, core):
        self.host, self.folder, self.build, self.core = host, folder, build, core
        for device, ips in zip(DEVICES, ((CUSTOMER, VENDOR), (MEDIA,))):
            for ip in ips:
                host.run(f"ip addr add {ip}/{BITS} dev {device}")
        self.carrier = None

    def start(self, plan):
        self.plan = plan
        calls_file = os.path.join(self.folder, "calls.json")
        self.carrier = Carrier(self.build, self.host, CUSTOMER, f"{SIP}:{SIP_PORT}", [(self.host, VENDOR, "")],
                               calls_file=calls_file, number=NUMBER, rate=plan.rate, calls=plan.calls, seconds=plan.seconds + 5,
                               hold=plan.hold, hangup="caller", audio=plan.audio)
        with usage.pinned(self.core):
            self.carrier.start()
        return self

    def finish(self):
        report = self.carrier.finish(self.plan.seconds + self.plan.hold + 120)
        setups = sorted((call["answered_us"] - call["invite_us"]) / 1000 for call in self.carrier.calls() if call["answered_us"])
        audio = report["audio"]
        outcome = Outcome(report["offered"], report["answered"], report["ended_clean"],
                          percentile(setups, 0.5), percentile(setups, 0.99), audio["caller_sent"] + audio["callee_sent"], audio["caller_received"] + audio["callee_received"],
                          report["resent"])
        return outcome.judge(self.plan, {name: report[name] for name in ("lost", "disagree", "timeouts", "bye_refused", "unexpected")}
                             | {"RTP " + name: audio[name] for name in ("lost", "corrupted", "foreign", "duplicates")})

    def stop(self):
        """End what is under way."""
        if self.carrier and self.carrier.process.poll() is None:
            self.carrier.process.kill()
            self.carrier.process.wait()


class GeneratorLoad:
    """tandem-generator, on DPDK: a port for the SIP of both sides, one for their audio."""
    RATE, AUDIO_CALLS = 1000, 250

    def __init__(self, host, folder, build, core):
        self.host, self.folder, self.core = host, folder, core
        self.program = os.path.join(build, "bench", "generator", "tandem-generator")
        self.process = None
        # The generator reads from the devices; its host's own IP would look at everything once more, and whoever sends
        # to it would pay for that.
        for device in DEVICES:
            host.nft(f"""
                table netdev load-{device} {{
                    chain before {{
                        type filter hook ingress device {device} priority 0; policy drop;
                    }}
                }}
            """)

    def _link(self):
        return {"core": self.core, "worker": self.core, "idle": "nap", "hugepages": "auto",
                "ports": [{"name": device, "driver": "af_packet", "device": device, "addresses": [f"{ip}/{BITS}" for ip in ips]}
                          for device, ips in zip(DEVICES, ((CUSTOMER, VENDOR), (MEDIA,)))],
                "switch": f"{SIP}:{SIP_PORT}", "customer": f"{CUSTOMER}:5060",
                "vendors": [{"address": f"{VENDOR}:5060", "count": 1}],
                "media": {"addresses": [MEDIA], "first": 10240, "last": 65534}}

    @staticmethod
    def _scenario(plan):
        return {"name": "compare",
                "load": {"rate": plan.rate, "seconds": plan.seconds, "warm_up": 0, "arrivals": "even", "drain": plan.hold + 5},
                "call": {"prefixes": [""], "prefix": NUMBER, "digits": 12, "ring": 0, "hold": plan.hold, "hang_up": "caller"},
                "mix": [{"name": "answered", "share": 1}], "rtp": {"share": 1 if plan.audio else 0}}

    def _write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            json.dump(content, file, indent=1)  # JSON is YAML
        return path

    def start(self, plan):
        self.plan = plan
        self.report_path = os.path.join(self.folder, "generator-report.json")
        with usage.pinned(self.core), open(os.path.join(self.folder, "generator.log"), "w") as log:
            self.process = self.host.start(
                [self.program, "--link", self._write("link.json", self._link()),
                 "--scenario", self._write("scenario.json", self._scenario(plan)), "--report", self.report_path, "--quiet"],
                stdout=log, stderr=subprocess.STDOUT)
        return self

    def finish(self):
        if self.process.wait(self.plan.seconds + self.plan.hold + 120) != 0:
            with open(os.path.join(self.folder, "generator.log")) as file:
                raise RuntimeError("the generator failed:\n" + file.read()[-4000:])
        with open(self.report_path) as file:
            report = json.load(file)
        measured = next(phase for phase in report["phases"] if phase["measured"])
        calls, rtp, setup = measured["calls"], measured["rtp"], measured["latency"]["invite_200"]
        outcome = Outcome(calls["offered"], calls["answered"], calls["ended"], setup["p50"] / 1000, setup["p99"] / 1000,
                          rtp["sent"], rtp["received"], calls["retransmitted"], measured["limited"])
        return outcome.judge(self.plan, {name: calls[name] for name in ("failed", "shed", "timed_out", "not_placed")}
                             | {f"disagreements, {kind}": count for kind, count in measured["disagreements"].items()
                                if kind not in ("total", "in_doubt")}
                             | {"RTP " + name: rtp[name] for name in ("duplicated", "corrupted", "wrong_call")})

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


LOADS = {"carrier": CarrierLoad, "generator": GeneratorLoad}
