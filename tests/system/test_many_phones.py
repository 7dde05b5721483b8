# SPDX-License-Identifier: Apache-2.0
"""100,000 registered phones behind NAT: each hears exactly one HELLO a period, and calls don't notice."""
import collections
import os
import statistics
import subprocess
import time

import pytest
from fixtures import a_lab
from lab.carrier import Carrier
from lab.net import wait_for

PHONES, ROUNDS, PERIOD_S = 100_000, 3, 30
BASE = "10.80.0.0"


@pytest.fixture(scope="module")
def lab(net, folder, postgres):
    def change(config):
        config["parameters"] |= {"SS_SIP_NAT_KEEP_ALIVE_SEND_ONE_TIME": 3000, "SS_SIP_NAT_KEEP_ALIVE_SEND_INTERVAL": 500}
        config["ports"][0]["gateways"] = ["10.77.0.40"]
        config["limits"]["registrations"] = PHONES + 1000
        config["phones"] = [{"user": "1000000", "count": PHONES, "password": "secret"}]

    with a_lab(net, folder, postgres, "tt-many", change) as lab:
        lab.fleet = net.peer("fleet", 40)
        lab.fleet.run("ip route add local 10.80.0.0/15 dev lo")
        yield lab


@pytest.mark.long
def test_one_hello_a_period_for_each(lab, build):
    hellos = os.path.join(lab.folder, "hellos")
    listen_s = PERIOD_S * (ROUNDS + 1) + 5
    phones = subprocess.Popen([os.path.join(build, "bench", "phones", "tandem-phones"), "--netns", lab.fleet.namespace, "--switch",
                               "10.77.0.1:5060", "--base", BASE, "--count", str(PHONES), "--listen", str(listen_s), "--hellos", hellos,
                               "--expires", "300"], stdout=subprocess.PIPE, text=True)
    try:
        line = phones.stdout.readline()
        print(line)
        registered = time.monotonic()
        assert line.startswith(f"registered {PHONES} ")
        assert wait_for(lambda: lab.switch.counters().get("keepalive.endpoints") == PHONES, 5, "keep-alive knows every phone")
        calls = Carrier(build, lab.customer, "10.77.0.10", "10.77.0.1:5060", [(lab.vendor, "10.77.0.20", "")],
                        rate=40, seconds=listen_s - 8, hold=0.5, calls_file=os.path.join(lab.folder, "calls.jsonl")).start()
        report = calls.finish(listen_s + 60)
        phones.wait(listen_s + 30)
        ended = time.monotonic()
    finally:
        phones.kill()
    assert report["answered"] == report["offered"] == report["ended_clean"]

    with open(hellos) as file:
        heard = [(int(at) / 1e6, int(phone)) for phone, at in (line.split() for line in file)]
    heard.sort()
    check_rounds(heard, registered, ended)
    compare_set_up(heard, calls.calls())


def check_rounds(heard, registered, ended):
    """Three whole periods, cut in the pause between two rounds: each phone exactly once in each."""
    times = [at for at, _ in heard]
    pauses = [after for before, after in zip(times, times[1:]) if after - before > 2]
    assert pauses, "no pause between rounds: they do not fit their period"
    # A round that was under way when the last phone registered is not a whole one.
    start = (times[0] if times[0] > registered else pauses[0]) - 1
    assert ended > start + ROUNDS * PERIOD_S
    for number in range(ROUNDS):
        begin = start + number * PERIOD_S
        counts = collections.Counter(phone for at, phone in heard if begin <= at < begin + PERIOD_S)
        twice = [phone for phone, count in counts.items() if count != 1]
        print(f"round {number}: {len(counts)} phones heard one, {len(twice)} more than one")
        assert len(counts) == PHONES and twice == []


def compare_set_up(heard, calls):
    """INVITE to 200 at the caller, for calls set up during a burst and between bursts. Printed, not judged: a figure."""
    burst_slots = collections.Counter(int(at * 20) for at, _ in heard)  # 50 ms
    during, between = [], []
    for call in calls:
        slot = int(call["invite_us"] / 1e6 * 20)
        (during if burst_slots[slot] > 500 else between).append((call["answered_us"] - call["invite_us"]) / 1000)
    print(f"set-up in a burst: {len(during)} calls, median {statistics.median(during):.2f} ms; "
          f"otherwise: {len(between)} calls, median {statistics.median(between):.2f} ms")
    assert len(during) > 50 and len(between) > 500
