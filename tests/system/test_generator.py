# SPDX-License-Identifier: Apache-2.0
"""The load generator: its counts agree with SIPp's, a good switch is found good, and a bad one is found out."""
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from fixtures import TOP
from lab.net import BIT4, sh, wait_for
from lab.switch import Switch, base_config

pytestmark = pytest.mark.bench

SCENARIOS = os.path.join(TOP, "bench", "scenarios")
# What a number of calls makes the switch count, whoever makes them.
COUNTED = ("invites", "calls_answered", "calls_ended", "attempts", "switches", "resends", "requests_again", "cdrs")


class Generator:
    """tandem-generator in a host: customer 10.77.0.10, vendors 10.77.0.20 with ports from 5060 on."""

    def __init__(self, build, folder, host, device="eth0", name="load"):
        self.program = os.path.join(build, "bench", "generator", "tandem-generator")
        self.folder, self.host, self.name = folder, host, name
        cores = sorted(os.sched_getaffinity(0))
        self.link = {
            "node": name, "core": cores[0], "worker": cores[-1], "idle": "nap",
            "ports": [{"name": name, "driver": "af_packet", "device": device,
                       "addresses": [f"10.77.0.10/{BIT4}", f"10.77.0.20/{BIT4}"]}],
            "switch": "10.77.0.1:5060", "customer": "10.77.0.10:5060",
            "vendors": [{"address": "10.77.0.20:5060", "count": 4}],
            "phones": {"addresses": ["10.77.0.20"], "first": 20000, "last": 30000},
        }

    def run(self, scenario, *options, timeout_s=120):
        """Play a scenario (a file's name in bench/scenarios, or a dictionary); returns the report."""
        path = os.path.join(SCENARIOS, f"{scenario}.yaml") if isinstance(scenario, str) else self.write("scenario", scenario)
        report = os.path.join(self.folder, f"{self.name}-report.json")
        process = self.host.start([self.program, "--link", self.write("link", self.link), "--scenario", path, "--report", report,
                                   *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            out, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert process.returncode == 0, out
        with open(report) as file:
            return json.load(file)

    def write(self, what, content):
        path = os.path.join(self.folder, f"{self.name}-{what}.json")
        with open(path, "w") as file:
            json.dump(content, file)
        return path


class Lab:
    def counters(self):
        """Of the switch, once no call stands any more."""
        wait_for(lambda: not self.switch.calls(), 20, "all calls are over")
        counters = self.switch.counters()
        return {name: counters.get(f"signaling.{name}", 0) for name in COUNTED}

    def counted(self, act):
        before = self.counters()
        result = act()
        after = self.counters()
        return result, {name: after[name] - before[name] for name in COUNTED}


def configure(config):
    config["mapping_gateways"] = [{"name": "customer", "addresses": ["10.77.0.10", "10.77.0.30"]}]
    config["mapping_gateways"] += [{"name": "roaming", "digest": {"user": "roam", "password": "secret"}}]
    config["routing_gateways"] = [{"name": f"vendor{i}", "address": f"10.77.0.20:{5060 + i}", "prefixes": ["49"],
                                   "priority": 10 + i, "digest": {"user": "tandem", "password": "x"}} for i in range(4)]
    config["routing_gateways"] += [{"name": "sipp", "address": "10.77.0.40:5060", "prefixes": ["44"]}]
    config["phones"] = [{"user": "100000000", "count": 500, "password": "fleet"}]
    config["parameters"] |= {"SS_SIP_TIMEOUT_INVITE": 1, "SS_SIP_NAT_KEEP_ALIVE_PERIOD": 10}


@pytest.fixture(scope="module")
def lab(net, folder, postgres, build):
    lab = Lab()
    lab.net, lab.folder, lab.build = net, folder, build
    config = base_config("tt-generator", folder, postgres.connection)
    configure(config)
    lab.switch = Switch(net, folder, config).start()
    # The generator's cable leads through the meddler's host; nothing crosses unless bench/meddle runs there.
    lab.meddler, lab.load = net.host("meddler").plug_bare("far0"), net.host("load")
    sh(f"ip link add near0 netns {lab.meddler.namespace} type veth peer name eth0 netns {lab.load.namespace}")
    for host, device in (lab.meddler, "near0"), (lab.load, "eth0"):
        host.sysctl(f"net/ipv6/conf/{device}/disable_ipv6", 1)
        host.run(f"ethtool -K {device} tx off gro off", check=False)
        host.run(f"ip link set {device} up")
    lab.generator = Generator(build, folder, lab.load)
    yield lab
    print(lab.switch.log_tail(80))
    lab.switch.close()


@pytest.fixture
def meddle(lab):
    """meddle("--ack", "20") → runs until the end of the test; without arguments it only passes on."""
    started = []

    def start(*options):
        process = lab.meddler.start([os.path.join(TOP, "bench", "meddle"), "--from", "far0", "--to", "near0", *options],
                                    stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "ready\n"

    yield start
    for process in started:
        process.terminate()
        process.wait()


CALLS = {"load": {"rate": 50, "seconds": 4, "warm_up": 0}, "call": {"prefix": "49", "hold": 0.5, "settle": 3},
         "mix": [{"name": "answered"}]}


def nothing_disagrees(report):
    return not any(report["totals"]["disagreements"].values())


def test_a_good_switch_is_found_good(lab, meddle):
    meddle()
    report, counted = lab.counted(lambda: lab.generator.run(CALLS))
    calls, messages = report["totals"]["calls"], report["totals"]["messages"]
    assert 195 <= calls["offered"] <= 205
    assert calls["offered"] == calls["answered"] == calls["as_expected"] == calls["ended"] == counted["invites"]
    assert nothing_disagrees(report)
    assert report["completed"] and report["totals"]["codes"] == {"200": calls["offered"]}
    for role, way, types in (("caller", "sent", ("INVITE", "ACK", "BYE")), ("callee", "received", ("INVITE", "ACK", "BYE")),
                             ("caller", "received", ("100", "180", "200 INVITE", "200 BYE"))):
        again = messages[role][way + "_again"]
        for kind in types:
            assert messages[role][way][kind] - again.get(kind, 0) == calls["offered"], (role, way, kind)


@pytest.mark.parametrize("options, named", [(("--ack", "20"), {"ack_never"}), (("--sdp", "20"), {"sdp_swapped"}),
                                            (("--bye", "50"), {"bye_lost"})], ids=["ack", "sdp", "bye"])
def test_a_bad_one_is_found_out(lab, meddle, options, named):
    meddle(*options)
    report = lab.generator.run(CALLS)
    found = report["totals"]["disagreements"]
    expected = report["totals"]["calls"]["offered"] // int(options[1]) * (2 if "--sdp" in options else 1)
    assert {name for name, count in found.items() if count} == named | {"total"}, found
    assert abs(found["total"] - expected) <= 1
    assert not report["phases"][0]["clean"]


def test_every_flow_ends_as_expected(lab, meddle):
    meddle()
    report = lab.generator.run("mix", "--seconds", "5", "--rate", "40")
    assert report["totals"]["calls"]["as_expected"] == report["totals"]["calls"]["offered"] > 150
    assert nothing_disagrees(report)
    for name, flow in report["totals"]["flows"].items():
        assert flow["offered"] == flow["as_expected"] > 0, name


def test_the_switch_is_challenged(lab, meddle):
    meddle()
    report = lab.generator.run({"load": {"rate": 20, "seconds": 1, "warm_up": 0}, "call": {"prefix": "49", "hold": 0.1},
                                "mix": [{"name": "challenged", "vendors": ["challenge"]}]})
    assert report["totals"]["calls"]["as_expected"] == report["totals"]["calls"]["offered"] >= 20
    assert report["totals"]["messages"]["callee"]["sent"]["407"] == report["totals"]["calls"]["offered"]
    assert nothing_disagrees(report)


def test_the_customer_is_challenged(lab, meddle):
    meddle()
    generator = Generator(lab.build, lab.folder, lab.load, name="roaming")
    generator.link["customer"] = "10.77.0.20:5059"
    report = generator.run({"load": {"rate": 20, "seconds": 1, "warm_up": 0}, "mix": [{"name": "authorized"}],
                            "call": {"prefix": "49", "hold": 0.1, "caller": "roam",
                                     "digest": {"user": "roam", "password": "secret"}}})
    received = report["totals"]["messages"]["caller"]["received"]
    assert report["totals"]["calls"]["as_expected"] == report["totals"]["calls"]["offered"] >= 20
    assert received.get("401", 0) + received.get("407", 0) == report["totals"]["calls"]["offered"]
    assert nothing_disagrees(report)


def test_a_search_ends_at_a_clean_rate(lab, meddle):
    meddle()
    report = lab.generator.run(CALLS, "--seconds", "1", "--search", "10:20:0.5")
    assert report["search"]["highest"] in (10, 20)
    assert {phase["name"] for phase in report["phases"]} >= {"probe"}


def test_audio_arrives_where_it_belongs(lab, meddle):
    meddle()
    report = lab.generator.run("rtp", "--seconds", "2", "--rate", "500", "--standing", "10")
    rtp = report["totals"]["rtp"]
    assert report["standing"] == 10 and rtp["sent"] > 1200
    assert rtp["sent"] - 2 * 10 <= rtp["received"] <= rtp["sent"]
    assert not any(rtp[name] for name in ("lost", "duplicated", "corrupted", "wrong_call", "unknown"))
    assert nothing_disagrees(report)


def test_sipp_counts_the_same(lab, meddle):
    """The same 100 calls from SIPp and from the generator: the switch can't tell which."""
    meddle()
    if "customer" not in lab.net.hosts:
        lab.net.peer("customer", 30)
        lab.net.peer("vendor", 40)
    uas = lab.net.hosts["vendor"].start("sipp -sn uas -i 10.77.0.40 -p 5060 -nostdin", cwd=lab.folder,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def sipp():
        uac = lab.net.hosts["customer"].start("sipp -sn uac 10.77.0.1:5060 -i 10.77.0.30 -p 5060 -s 44123456 -r 50 -m 100 "
                                              "-d 500 -nostdin", cwd=lab.folder, stdout=subprocess.DEVNULL,
                                              stderr=subprocess.DEVNULL)
        assert uac.wait(60) == 0

    _, of_sipp = lab.counted(sipp)
    uas.kill()
    uas.wait()
    # Two seconds at 50 a second, less half an interval, so that scheduling does not decide whether there is one more.
    report, of_generator = lab.counted(lambda: lab.generator.run(CALLS, "--seconds", "1.98"))
    calls = report["totals"]["calls"]["offered"]
    assert of_sipp["invites"] == 100 and of_generator["invites"] == calls and abs(calls - 100) <= 2
    for name in COUNTED:
        assert of_sipp[name] * calls == of_generator[name] * 100, name


def test_phones_register_and_are_kept_reachable(lab, meddle):
    meddle()
    report = lab.generator.run({"load": {"seconds": 32}, "registrations": {"endpoints": 300, "rate": 300, "user": "100000000",
                                "password": "fleet", "contact": "192.168.1.2", "period": 10}})
    phones = report["registrations"]
    assert phones["registered"] == phones["endpoints_heard"] == 300
    assert phones["missed"] == phones["foreign"] == phones["refused"] == phones["timed_out"] == 0
    assert phones["hellos"] >= 600 and phones["deviation"]["count"] >= 300


def test_over_memif_there_is_no_kernel(net, folder, postgres, build):
    """Signalling and media each on a shared-memory link to the generator; calls and their audio."""
    own = os.path.join(folder, "memif")
    os.mkdir(own)
    config = base_config("tt-memif", own, postgres.connection)
    configure(config)
    host = net.host("memif")
    sockets = {name: os.path.join(own, f"{name}.sock") for name in ("sip", "rtp")}
    for port, name in zip(config["ports"], sockets):
        port |= {"driver": "memif", "device": sockets[name]}
    config["ports"][1]["addresses"] = ["10.78.0.1/24"]
    generator = Generator(build, own, host, name="memif")
    generator.link["ports"] = [
        {"name": name, "driver": "memif", "device": sockets[name], "options": "role=server", "addresses": addresses}
        for name, addresses in (("sip", [f"10.77.0.10/{BIT4}", f"10.77.0.20/{BIT4}"]), ("rtp", ["10.78.0.10/24"]))]
    generator.link["media"] = {"addresses": ["10.78.0.10"]}
    switch = Switch(net, own, config)
    with ThreadPoolExecutor() as pool:
        playing = pool.submit(generator.run, {**CALLS, "rtp": {"share": 0.5}})
        try:
            wait_for(lambda: all(os.path.exists(path) for path in sockets.values()), 20, "the generator's sockets are there")
            switch.start()
            report = playing.result()
        finally:
            host.kill_all()
            switch.close()
    calls, rtp = report["totals"]["calls"], report["totals"]["rtp"]
    assert calls["offered"] == calls["as_expected"] == calls["ended"] >= 195
    assert nothing_disagrees(report)
    assert rtp["sent"] > 3000 and rtp["lost"] == rtp["wrong_call"] == rtp["corrupted"] == 0


def test_wrong_files_are_refused(lab):
    generator = lab.generator
    bad = generator.write("bad", {"mix": [{"nmae": "x"}]})
    done = subprocess.run([generator.program, "--link", generator.write("link", generator.link), "--scenario", bad, "--check"],
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and "nmae" in done.stderr
