# SPDX-License-Identifier: Apache-2.0
"""A mix of calls for a set time: memory stays what it is, nothing is left over, and every figure is what the peers counted."""
import argparse
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lab.carrier import Carrier  # noqa: E402
from lab.net import Network, wait_for  # noqa: E402
from lab.postgres import PrivatePostgres  # noqa: E402
from lab.sockets import udp_socket  # noqa: E402
from lab.switch import SIP4, SIP_PORT, Switch, TOP, base_config  # noqa: E402

NAME = "tandem-soak"
FOLDER = os.path.join("/var/tmp", NAME)
SWITCH = f"{SIP4}:{SIP_PORT}"
SIPP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sipp")
DRAIN_S = 45           # 64·T1 and a little
GROWTH_KIB = 1024      # what a heap may grow after the warm-up: caches of the allocator that fill late
HOLD_S = 3

# What is dialled, the share of the calls, the vendors that are tried (the last digits of the address, and what it does).
MIX = [
    ("49", 0.50, [(20, "")], {"audio": True}),                      # answered, with audio
    ("55", 0.15, [(21, "")], {"audio": True, "early_media": True}),  # audio before the answer
    ("44", 0.10, [(22, "silent"), (23, "")], {}),                    # a dead vendor, then one that answers
    ("33", 0.15, [(24, "503"), (25, "")], {}),                       # a failing vendor, then one that answers
    ("22", 0.10, [(26, "486")], {}),                                 # busy
]
# SIPp: what is dialled, the caller's scenario, calls a second, whether they are answered, the callees in their order (the last digits, their scenario)
SIPP_MIX = [
    ("66", "cancel", 2, False, [(27, "cancel")]),
    ("77", "hold", 2, True, [(28, "hold")]),
    ("81", "reliable", 2, True, [(29, "reliable")]),                        # PRACK from end to end
    ("82", "call", 2, True, [(30, "challenge")]),                           # a vendor who wants our digest
    ("83", "call", 2, True, [(31, "redirect"), (32, "call")]),              # a 302, which is followed
    ("84", "refresh", 0.5, True, [(33, "refresh")]),                        # a minute long; session timers on both sides
]
REDIRECTED_TO = "10.77.0.32"
PHONES = 50


def say(line):
    print(line, flush=True)


def heap_kib(pid):
    """Anonymous memory of a process; hugepages and segments are not in it, they do not grow."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return int(re.search(r"^Anonymous:\s+(\d+)", file.read(), re.M).group(1))


class Sipp:
    """One SIPp, and what it counted."""

    def __init__(self, host, *arguments):
        self.path = os.path.join(FOLDER, f"sipp-{time.monotonic_ns()}.csv")
        self.process = host.start(["sipp", *arguments, "-nostdin", "-trace_stat", "-stf", self.path, "-fd", "1"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)

    def counts(self):
        """(created, successful, failed)"""
        with open(self.path) as file:
            lines = [line.split(";") for line in file.read().splitlines()]
        row = dict(zip(lines[0], lines[-1]))
        return tuple(int(row[name]) for name in ("TotalCallCreated", "SuccessfulCall(C)", "FailedCall(C)"))

    def stop(self):
        self.process.send_signal(signal.SIGUSR1)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


class Soak:
    def __init__(self, build, minutes, rate):
        self.build, self.seconds, self.rate = build, minutes * 60, rate
        self.rows = []
        self.done = threading.Event()
        self.net = Network("tk")
        self.customer, self.stranger = self.net.peer("customer", 10), self.net.peer("stranger", 66)
        self.vendors = {number: self.net.peer(f"v{number}", number)
                        for number in sorted({n for _, _, tried, _ in MIX for n, _ in tried} | {n for *_, callees in SIPP_MIX for n, _ in callees})}

    def configure(self, config):
        config["parameters"] |= {"SS_SIP_TIMEOUT_INVITE": 2, "SS_NOMEDIAHANGUPTIME": 60, "SS_SIP_SESSION_TTL": 90, "SS_SIP_SESSION_MIN_SE": 90}
        config["mapping_gateways"] = [{"name": "customer", "addresses": ["10.77.0.10"]}]
        config["routing_gateways"] = [
            {"name": f"v{number}", "address": f"10.77.0.{number}:5060", "prefixes": [prefix], "priority": 10 + at,
             "digest": {"user": "tandem", "password": "soak"}, "redirect": {"follow": 1, "to": "known"}}
            for prefix, vendors in [(prefix, vendors) for prefix, _, vendors, _ in MIX] + [(prefix, callees) for prefix, *_, callees in SIPP_MIX]
            for at, (number, _) in enumerate(vendors)]
        config["phones"] = [{"user": "1000", "password": "fleet", "count": PHONES}]
        return config

    def check(self, what, seen, expected, right=None):
        self.rows.append((what, str(expected), str(seen), seen == expected if right is None else right))

    def start(self):
        self.postgres = PrivatePostgres(os.path.join(FOLDER, "pg")).create()
        config = self.configure(base_config(NAME, FOLDER, self.postgres.connection))
        self.switch = Switch(self.net, FOLDER, config, build=self.build).start()

    def torment(self):
        """Messages that are broken or belong to nothing, and mere noise; none is an INVITE, which would be counted."""
        sock = udp_socket(self.stranger, "10.77.0.66", 5060)
        messages = []
        for path in sorted(glob.glob(os.path.join(TOP, "tests", "fuzz", "torture*", "*.sip"))):
            with open(path, "rb") as file:
                data = file.read()
            if b"INVITE" not in data:
                messages.append(data)
        while not self.done.is_set():
            for message in messages + [os.urandom(200), b"\r\n\r\n"]:
                sock.sendto(message, (SIP4, SIP_PORT))
                if self.done.wait(0.2):
                    break
        sock.close()

    def traffic(self):
        self.carriers = []
        for at, (prefix, share, tried, options) in enumerate(MIX):
            vendors = [(self.vendors[number], f"10.77.0.{number}", does) for number, does in tried]
            self.carriers.append(Carrier(self.build, self.customer, "10.77.0.10", SWITCH, vendors, port=5060 + at, number=prefix,
                                         rate=self.rate * share, seconds=self.seconds, hold=HOLD_S, ring=200, drain=DRAIN_S, **options).start())
        self.callees, self.callers = [], []
        for at, (prefix, name, rate, _, callees) in enumerate(SIPP_MIX):
            for number, scenario in callees:
                self.callees.append(Sipp(self.vendors[number], "-sf", f"{SIPP}/{scenario}_uas.xml", "-i", f"10.77.0.{number}", "-p", "5060",
                                         "-s", f"{prefix}30123", "-key", "target", REDIRECTED_TO))
            time.sleep(0.3)
            self.callers.append(Sipp(self.customer, "-sf", f"{SIPP}/{name}_uac.xml", "-s", f"{prefix}30123", "-i", "10.77.0.10",
                                     "-p", str(5080 + at), "-r", str(int(rate * 10)), "-rp", "10000", "-m", str(int(rate * self.seconds)), SWITCH))
        self.registrations = [Sipp(self.stranger, "-sf", f"{SIPP}/register.xml", "-s", str(user), "-au", str(user), "-ap", "fleet", "-i", "10.77.0.66",
                                   "-p", str(4100 + user), "-r", "1", "-m", str(int(self.seconds)), SWITCH) for user in (1000, 1001)]
        threading.Thread(target=self.torment, daemon=True).start()

    def heaps(self):
        return {role: heap_kib(process["pid"]) for role, process in self.switch.status().items()}

    def watch(self):
        """A line now and then, until the callers have placed their last calls; the heaps after the warm-up."""
        started, next_line, first = time.monotonic(), 0, None
        while (passed := time.monotonic() - started) < self.seconds:
            heaps = self.heaps()
            if first is None and passed > self.seconds / 4:
                first = heaps
            if passed >= next_line:
                counters = self.switch.counters()
                say(f"   {passed:6.0f} s  {counters['signaling.calls']:5} calls stand, {counters['signaling.invites']} offered; heaps in KiB: " +
                    ", ".join(f"{role} {kib}" for role, kib in heaps.items()))
                next_line += max(10, self.seconds / 20)
            time.sleep(1)
        return first, self.heaps()

    def run(self):
        self.start()
        pids = {role: process["pid"] for role, process in self.switch.status().items()}
        say(f"== {self.rate:g} calls a second of {len(MIX)} kinds, {len(SIPP_MIX)} more by SIPp, registrations and noise: {self.seconds / 60:g} minutes")
        self.traffic()
        first, end = self.watch()
        self.done.set()
        reports = [carrier.finish(self.seconds + 2 * DRAIN_S) for carrier in self.carriers]
        for sipp in self.callers + self.registrations:
            sipp.process.wait(2 * DRAIN_S)
        say("== until nothing stands")
        try:
            wait_for(lambda: self.switch.counters()["signaling.transactions"] == 0 and not self.switch.calls(), DRAIN_S + 20, "nothing stands")
        except TimeoutError:
            pass
        for sipp in self.callees:
            sipp.stop()
        for role, kib in first.items():
            self.check(f"heap of {role}: KiB after a quarter of the time, and at the end", f"{kib} {end[role]}", f"at most {GROWTH_KIB} more",
                       end[role] <= kib + GROWTH_KIB)
        self.check("processes that died", sum(process["pid"] != pids[role] for role, process in self.switch.status().items()), 0)
        self.reconcile(reports)

    def reconcile(self, reports):
        counters = self.switch.counters()
        callers, callees = [sipp.counts() for sipp in self.callers], [sipp.counts() for sipp in self.callees]
        total = {name: sum(report[name] for report in reports) for name in ("offered", "answered", "answered_callee", "lost", "disagree", "unfinished")}
        offered = total["offered"] + sum(created for created, _, _ in callers)
        # Who is silent is sent it again and again: one for each call, then.
        attempts = sum(report["offered"] if does == "silent" else invites for report, (_, _, tried, _) in zip(reports, MIX)
                       for invites, (_, does) in zip(report["vendor_invites"], tried)) + sum(created for created, _, _ in callees)
        answered = total["answered"] + sum(good for (_, _, _, is_answered, _), (_, good, _) in zip(SIPP_MIX, callers) if is_answered)
        self.check("calls whose sides disagree, lost or unfinished", total["disagree"] + total["lost"] + total["unfinished"], 0)
        self.check("SIPp: calls that failed", sum(failed for _, _, failed in callers + [r.counts() for r in self.registrations]), 0)
        self.check("calls offered: the switch's count, the peers'", counters["signaling.invites"], offered)
        self.check("calls answered", counters["signaling.calls_answered"], answered)
        self.check("calls ended", counters["signaling.calls_ended"], offered)
        self.check("INVITEs to vendors", counters["signaling.attempts"], attempts)
        self.check("records handed over", counters["signaling.cdrs"], attempts)
        wait_for(lambda: self.switch.counters()["cdr.committed"] == self.switch.counters()["signaling.cdrs"], 10, "all records are committed")
        for what, where, expected in (("rows", "true", attempts), ("rows that are final", "final", offered),
                                      ("rows that say Normal", "end_reason = 'Normal'", answered),
                                      ("calls with more or less than one final row", None, 0)):
            query = f"SELECT count(*) FROM tandem.cdr WHERE {where}" if where else \
                "SELECT count(*) FROM (SELECT call_id FROM tandem.cdr GROUP BY call_id HAVING count(*) FILTER (WHERE final) <> 1) x"
            self.check(what, int(self.postgres.value(query)), expected)
        audio = {name: sum(report["audio"][name] for report in reports)
                 for name in ("caller_sent", "callee_sent", "caller_received", "callee_received", "corrupted", "foreign")}
        sent, heard = audio["caller_sent"] + audio["callee_sent"], audio["caller_received"] + audio["callee_received"]
        relayed = counters["media.rtp_relayed"]
        self.check("RTP packets: sent by the peers, relayed, heard by the peers", f"{sent} {relayed} {heard}", "all the same but 1 in 1,000",
                   sent >= relayed >= heard >= sent * 0.999)
        self.check("RTP packets that were altered, or another call's", audio["corrupted"] + audio["foreign"], 0)
        for gauge in ("signaling.calls", "signaling.transactions", "media.sessions"):
            self.check(f"left over: {gauge}", counters[gauge], 0)
        bad = {name: value for name, value in counters.items()
               if value and re.search(r"exhausted|ring_full|_full$|damaged|build_failures|given_up|refused_(spool|ring|slots|memory)|spool_errors|quarantined", name)}
        self.check("counters of what ran out, was full or damaged", bad or "none", "none")

    def table(self):
        width = [max(len(row[i]) for row in self.rows) for i in range(3)]
        for what, expected, seen, right in self.rows:
            say(f"{what:{width[0]}}  must be {expected:>{width[1]}}  is {seen:>{width[2]}}{'' if right else '   <-- WRONG'}")
        return all(row[3] for row in self.rows)

    def close(self):
        self.done.set()
        for closing in (getattr(self, "switch", None), getattr(self, "postgres", None), self.net):
            if closing:
                closing.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=40, help="calls a second, besides SIPp's")
    parser.add_argument("--build", default=os.environ.get("TANDEM_BUILD") or os.path.join(TOP, "build"))
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    os.chmod(FOLDER, 0o755)
    soak = Soak(arguments.build, arguments.minutes, arguments.rate)
    try:
        soak.run()
        right = soak.table()
        say("\n" + ("every figure is what it must be" if right else "NOT every figure is what it must be; the switch's log:"))
        if not right:
            say(soak.switch.log_tail())
        return 0 if right else 1
    finally:
        soak.close()


if __name__ == "__main__":
    sys.exit(main())
