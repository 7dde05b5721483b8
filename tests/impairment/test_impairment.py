# SPDX-License-Identifier: Apache-2.0
"""10,000 calls at 200 a second over a bad network: no call is stuck, both sides agree how each ended, one final record a call.

Loss, duplication and reordering of 5 % each way, between the switch and its peers, by bench/meddle; without any of
them first, and all of them at once last. IMPAIRED_CALLS in the environment makes it fewer calls.
"""
import collections
import os
import signal
import subprocess
import time

import pytest
from fixtures import TOP
from lab.carrier import Carrier
from lab.net import sh, wait_for
from lab.switch import Switch, base_config

CALLS, RATE, HOLD_S = int(os.environ.get("IMPAIRED_CALLS", 10000)), 200, 2
TRANSACTION_S = 32  # 64·T1


@pytest.fixture(scope="module")
def lab(net, folder, postgres):
    """The switch's SIP port does not lead to the bridge but to a wire that bench/meddle spans."""
    class Lab:
        pass

    lab = Lab()
    lab.customer, lab.vendor = net.peer("customer", 10), net.peer("vendor", 20)
    lab.wire, switch = net.host("wire").plug_bare("far0"), net.host("switch")
    sh(f"ip link add sip0 netns {switch.namespace} type veth peer name near0 netns {lab.wire.namespace}")
    for host, device in ((switch, "sip0"), (lab.wire, "near0")):
        host.sysctl(f"net/ipv6/conf/{device}/disable_ipv6", 1)
        host.run(f"ip link set {device} up")
        host.run(f"ethtool -K {device} tx off gro off", check=False)
    switch.plug_bare("rtp0")
    config = base_config(f"ti-{os.getpid() % 10000}", folder, postgres.connection)
    config["limits"]["calls"] = 9000
    config["mapping_gateways"] = [{"name": "customer", "addresses": ["10.77.0.10"]}]
    config["routing_gateways"] = [{"name": "vendor", "address": "10.77.0.20:5060", "prefixes": ["4"]}]
    lab.switch = Switch(net, folder, config)
    lab.folder, lab.postgres = folder, postgres
    lab.meddle = None
    yield lab
    print(lab.switch.log_tail())
    lab.switch.close()


@pytest.mark.parametrize("number, impairment", [
    (41, {}), (42, {"loss": 5}), (43, {"duplicate": 5}), (44, {"reorder": 5}), (45, {"loss": 5, "duplicate": 5, "reorder": 5})],
    ids=["none", "loss", "duplication", "reordering", "all three"])
def test_impaired(lab, build, capsys, request, number, impairment):
    meddle = lab.wire.start([os.path.join(TOP, "bench", "meddle"), "--from", "near0", "--to", "far0"] +
                            [word for name, per_cent in impairment.items() for word in (f"--{name}", str(per_cent))],
                            stdout=subprocess.PIPE, text=True)
    assert meddle.stdout.readline() == "ready\n"
    if lab.switch.supervisor is None:
        lab.switch.start()
    seen = {}
    try:
        calls(lab, build, number, CALLS if impairment else CALLS // 10, seen)
    finally:
        meddle.send_signal(signal.SIGTERM)
        seen["datagrams"] = meddle.stdout.readline().strip()
        meddle.wait()
        with capsys.disabled():
            print(f"\n{request.node.callspec.id} | " + " | ".join(f"{name} {value}" for name, value in seen.items()))


def calls(lab, build, number, count, seen):
    carrier = Carrier(build, lab.customer, "10.77.0.10", "10.77.0.1:5060", [(lab.vendor, "10.77.0.20", "")], number=number, calls=count,
                      rate=RATE, seconds=count / RATE + 5, hold=HOLD_S, ring=100, drain=TRANSACTION_S + HOLD_S, disagree=TRANSACTION_S,
                      calls_file=os.path.join(lab.folder, f"calls-{number}.jsonl"))
    report = carrier.run(600)
    ended = time.monotonic()
    seen |= {name: report[name] for name in ("offered", "answered", "ended_clean", "lost", "disagree", "unfinished", "resent")}
    assert report["offered"] == count
    assert report["lost"] == report["disagree"] == report["unfinished"] == report["timeouts"] == 0, report
    wait_for(lambda: not lab.switch.calls(), TRANSACTION_S + 2, lambda: f"calls are stuck: {lab.switch.calls()[:3]}")
    seen["all gone after"] = f"{time.monotonic() - ended:.1f} s"
    check_records(lab, number, carrier.calls(), seen)


def check_records(lab, number, calls, seen):
    """One for each call, final, and it says what both sides of the call saw."""
    where = f"FROM tandem.cdr WHERE callee_number_in LIKE '{number}%'"
    wait_for(lambda: lab.switch.status()["cdrwriter"]["spool_pending_records"] == 0 and
             int(lab.postgres.value(f"SELECT count(*) {where}")) >= len(calls), 20, "all records")
    rows = lab.postgres.query(f"SELECT callee_number_in, final, sip_code, end_direction, end_reason {where}")
    by_number = collections.defaultdict(list)
    for row in rows:
        by_number[int(row[0][2:])].append(row[1:])
    assert len(by_number) == len(calls)
    wrong = []
    for call in calls:
        (final, code, direction, reason), *more = by_number[call["number"]]
        by = {"caller": "a", "callee": "b", "server": "s"}[direction]
        agrees = final == "t" and not more and (int(code) == 200) == (call["code"] == 200) and (call["code"] != 200 or by == call["ended_by"])
        if not agrees:
            wrong.append((call["number"], call["code"], call["ended_by"], by_number[call["number"]]))
    seen["records"] = ", ".join(f"{count} {' '.join(what)}" for what, count in collections.Counter((r[4], r[3], r[2]) for r in rows).items())
    assert not wrong, f"{len(wrong)} calls: {wrong[:5]}"
