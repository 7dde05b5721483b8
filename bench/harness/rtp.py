# SPDX-License-Identifier: Apache-2.0
"""The relay: the highest clean packet rate, what a packet costs the worker, its transit, and testpmd on the same ground."""
from . import Failed, generator, machine, testpmd
from .cps import STRETCH_MS, play
from .machine import Layout
from .node import Node, between, busy_between, config

SESSIONS = 50000
LOWEST_RATE, LIMIT_RATE = 10000, 10000000
FLOOD_RATE = 4000000  # more than the generator can make on a core that it shares: bursts are as large as they get
ROUNDS = 3


def scenario_for(bench, rate, **load):
    """
    Standing calls that all have RTP; hardly a new one comes. A generator that shares its core would never leave it to the others, which
    the kernel then gives 50 ms of it at a time: so the packets come in stretches.
    """
    stretch_ms = STRETCH_MS if machine.Layout(1).shared else 0
    scenario = generator.carrier(standing=bench.sessions, standing_rate=bench.standing_rate, rate=rate, of="rtp", drain=2,
                                 stretch=stretch_ms, **load)
    scenario["rtp"] = {"share": 1, "payload": 160, "interval_ms": 20, "payload_type": 8}
    return scenario


def point(phase):
    transit = generator.latency(phase, "rtp_transit") or {}
    seconds = phase["seconds"] or 1
    return {"offered": phase["rtp"]["sent"] / seconds, "completed": phase["rtp"]["received"] / seconds, "clean": phase["clean"],
            "limited": phase["limited"], "p50_us": transit.get("p50"), "p99_us": transit.get("p99")}


def at_rate(bench, layout, node, rate):
    """The rate comes when all sessions stand: it would keep signaling, on the generator's core, from setting them up."""
    report, (first, last) = play(bench, layout, node, scenario_for(bench, LOWEST_RATE, seconds=max(bench.seconds, 5), warm_up=3),
                                 "--of", "rtp", "--ramp", f"{rate}:{rate}:{rate}", phase="ramp", timeout_s=400 + 3 * bench.seconds)
    phase = generator.only(report)
    busy_s, share, waited = busy_between(first, last, "media")
    packets = between(first, last, "media.rtp_relayed")
    if packets <= 0:
        raise Failed("no packet was relayed while it was measured")
    return {"rate": phase["rtp"]["sent"] / phase["seconds"], "stretch_ms": phase.get("stretch_ms"), "busy_share": share,
            "waited_share": waited, "busy_ns_per_packet": 1e9 * busy_s / packets,
            "cycles_per_packet": busy_s * last["busy"]["media"]["hz"] / packets, "rtp": phase["rtp"],
            "sessions": last["calls"], "transit_us": generator.latency(phase, "rtp_transit"), "clean": phase["clean"],
            "limited": phase["limited"]}


def one_count(bench, workers):
    layout = Layout(workers)
    bench.say(f"RTP: {workers} media worker{'s' * (workers > 1)}, {bench.sessions} sessions; {layout.text()}")
    node = Node(bench, config(bench, layout, "media", bench.sessions + 5000, bench.sessions + 1000))
    with bench.running(node, layout, "media"):
        report, _ = play(bench, layout, node, scenario_for(bench, LOWEST_RATE, seconds=min(bench.seconds, 5), warm_up=2), "--of", "rtp",
                         "--search", f"{LOWEST_RATE}:{LIMIT_RATE}:0.05", phase=None, timeout_s=600 + 40 * bench.seconds)
        highest = report["search"] and report["search"]["highest"]
        if not highest:
            raise Failed(f"no clean packet rate was found; the lowest tried was {LOWEST_RATE} packets a second")
        bench.say(f"highest clean rate: {highest:.0f} packets/s{' (limited by the generator)' if report['limited'] else ''}")
        half = at_rate(bench, layout, node, highest / 2)
    rounds = paired(bench, layout) if workers == 1 else []
    full = rounds[len(rounds) // 2]["relay"] if rounds else half
    return {"rounds": rounds, "workers": workers, "where": layout.text(), "highest_clean_rate": highest, "limited": report["limited"],
            "curve": [point(phase) for phase in generator.measured(report)], "half_load": half, "full_load": full,
            "worker_packets_per_second": workers * 1e9 / full["busy_ns_per_packet"]}


def paired(bench, layout):
    """
    The relay with all that the generator can make, lost packets and all, as testpmd gets it, and testpmd, by turns: what a cache line costs from one
    core to the other, and with it both figures, changes tenfold within minutes on a machine whose cores are moved about. In order of
    their ratio: the middle round is the figure.
    """
    rounds = []
    for _ in range(ROUNDS):
        node = Node(bench, config(bench, layout, "media", bench.sessions + 5000, bench.sessions + 1000))
        with bench.running(node, layout, "media"):
            relay = at_rate(bench, layout, node, FLOOD_RATE)
        ground = testpmd.run(bench, layout)
        rounds.append({"relay": relay, "testpmd": ground,
                       "share": 1e9 / relay["busy_ns_per_packet"] / ground["packets_per_second"]})
        bench.say(f"relay {relay['busy_ns_per_packet']:.0f} ns a packet, testpmd {1e9 / ground['packets_per_second']:.0f} ns")
    return sorted(rounds, key=lambda one: one["share"])


def run(bench):
    generator.find(bench.build)
    results = []
    for workers in bench.workers:
        try:
            Layout(workers)
        except Failed as fault:
            results.append({"workers": workers, "not_run": str(fault)})
            bench.say(f"not run: {fault}")
            continue
        results.append(one_count(bench, workers))
    return {"by_workers": results, "sessions": bench.sessions}
