# SPDX-License-Identifier: Apache-2.0
"""Calls: the highest clean rate, what a call costs the worker, how long set-up takes, and what overload does."""
import os

from . import Failed, generator
from .machine import Layout, own_gaps
from .node import Node, Sampler, between, busy_between, config

STANDING = 100000
LOWEST_RATE, LIMIT_RATE = 1000, 200000  # of the search
PROBE_S = 5  # of each of its trials, at most
CURVE = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5)
HOLD_S = 1
STRETCH_MS = 10  # where the generator shares its core: the load comes, and the generator spins, for so long at a time


def node_for(bench, layout, standing, rate):
    calls = standing + int(rate * (HOLD_S + 2)) + 10000
    relayed = standing + int(rate * (HOLD_S + 1))
    return Node(bench, config(bench, layout, "signaling", min(calls, 4000000), min(relayed, standing + 140000)))


def play(bench, layout, node, scenario, *options, timeout_s, phase="measure", link=None):
    """One run of the generator. Its report, and the switch's first and last sample within the phase (None: no phase)."""
    run = generator.Generator(bench, link or generator.link(bench, layout), scenario, *options)
    with Sampler(node, lambda: run.phase) as sampler:
        report = run.run(timeout_s)
    if not node.alive():
        raise Failed("a process of the switch died:\n" + node.log_tail(15))
    return report, sampler.span(phase) if phase else None


def point(phase):
    seconds = phase["seconds"] or 1
    calls = phase["calls"]
    added = generator.latency(phase, "setup_added") or {}
    return {"offered": phase["achieved"], "completed": calls["as_expected"] / seconds, "shed": calls["shed"] / seconds,
            "failed": (calls["failed"] + calls["timed_out"]) / seconds, "clean": phase["clean"],
            "limited": phase["limited"], "p50_us": added.get("p50"), "p99_us": added.get("p99")}


def half_load(report, phase, samples):
    """Busy time a call, and the latencies."""
    first, last = samples
    busy_s, share, waited = busy_between(first, last, "signaling")
    calls = between(first, last, "signaling.calls_ended")
    messages = between(first, last, "signaling.datagrams")
    if calls <= 0:
        raise Failed("no call ended while it was measured")
    return {
        "rate": phase["achieved"], "clean": phase["clean"], "limited": phase["limited"], "busy_share": share,
        "waited_share": waited,
        "long_polls_per_second": (last["busy"]["signaling"]["long_polls"] - first["busy"]["signaling"]["long_polls"])
                                 / (last["time"] - first["time"]),
        "busy_us_per_call": 1e6 * busy_s / calls, "busy_ns_per_message": 1e9 * busy_s / messages,
        "cycles_per_call": busy_s * last["busy"]["signaling"]["hz"] / calls, "messages_in_per_call": messages / calls,
        "standing": report["standing"], "generator_busy": phase["busy"],
        "media_busy_us_per_call": 1e6 * busy_between(first, last, "media")[0] / calls,
        "records_per_call": between(first, last, "cdr.spooled") / calls,
        "failed": phase["calls"]["failed"] + phase["calls"]["timed_out"], "disagreements": phase["disagreements"]["total"],
    }


def latencies(phase, gaps):
    """Of calls at half load, with the generator spinning; beside it what the machine itself took from the cores just before,
    when nobody else was there."""
    return {"rate": phase["achieved"], "stretch_ms": phase.get("stretch_ms"), "clean": phase["clean"],
            "setup_added_us": generator.latency(phase, "setup_added") or {}, "latency_us": phase["latency"],
            "machine_p99_us": max(one["p99_us"] for one in gaps), "machine_p999_us": max(one["p999_us"] for one in gaps),
            "machine_max_us": max(one["max_us"] for one in gaps), "machine_taken": max(one["taken"] for one in gaps)}


def overload(curve, back):
    """Offered against completed, and whether all is well again two seconds after five times the peak."""
    points = [{"factor": phase["factor"], **point(phase)} for phase in curve]
    best = max(p["completed"] for p in points if p["factor"] <= 1)
    worst = points[-1]
    return {"points": points, "kept": worst["completed"] / best if best else 0.0,
            "rest_shed": worst["failed"] <= 0.001 * worst["offered"], "limited": worst["limited"],
            "back_to_normal": bool(back["clean"])}


def memory(before, after, standing):
    """
    Bytes a standing call takes in signaling and media: what they grow by, and its part of the tables that are taken, and touched
    from end to end, when the node starts.
    """
    if not after or after["calls"] - before["calls"] < standing / 2:
        return {"failed": "the standing calls did not come about, so that their memory can't be told"}
    tables, limit = before["tables"]
    if before["bytes"] < tables:
        return {"failed": "the tables were not touched at the start, so that a call's part of them can't be told"}
    calls = after["calls"] - before["calls"]
    grown = (after["bytes"] - before["bytes"]) / calls
    return {"bytes_per_call": grown + tables / limit, "grown_per_call": grown, "tables_per_call": tables / limit,
            "calls": calls, "before_bytes": before["bytes"], "after_bytes": after["bytes"]}


def limited_by(report, peak, waited):
    """Who kept the rate from being higher, as far as the rates just above it tell."""
    above = [phase for phase in generator.measured(report) if phase["name"] == "probe" and phase["rate"] > peak]
    if not above:
        return "the search's upper end"
    if all(phase["limited"] for phase in above[-2:]):
        return "the generator"
    return "others on the worker's core" if waited > 0.01 else "the switch"


def one_count(bench, workers, whole):
    """Everything for one number of workers, under calls that stand from the beginning to the end; `whole`: with the
    overload, too."""
    layout = Layout(workers)
    bench.say(f"calls: {workers} signaling worker{'s' * (workers > 1)}, {bench.standing} calls standing; {layout.text()}")
    half_s, curve_s = max(bench.seconds, 5), min(bench.seconds, 6)
    stretch_ms = STRETCH_MS if layout.shared else 0
    after = [(0.5, half_s, 0), (0.5, half_s, stretch_ms)]
    after += [(factor, curve_s, 0) for factor in CURVE] + [(0.5, 5, 0)] if whole else []
    cores = sorted({layout.generator, *layout.under_test})
    gaps = own_gaps(bench.build, cores)
    scenario = generator.carrier(standing=bench.standing, standing_rate=bench.standing_rate, drain=3, rate=1000,
                                 seconds=min(bench.seconds, PROBE_S), warm_up=2)
    node = node_for(bench, layout, bench.standing, 70000)
    with bench.running(node, layout):
        def used():
            return {"bytes": node.memory(), "calls": node.sample()["calls"], "tables": node.tables()}

        before = used()
        plan = ("--rate", bench.peak) if bench.peak else ("--search", f"{LOWEST_RATE}:{LIMIT_RATE}:0.05")
        run = generator.Generator(bench, generator.link(bench, layout), scenario, *plan,
                                  "--after", ",".join(f"{factor}:{seconds:g}:{ms:g}" for factor, seconds, ms in after))
        with Sampler(node, lambda: run.phase, once={"warm-up": used}) as sampler:
            report = run.run(600 + sum(seconds + 5 for _, seconds, _ in after))
        if not node.alive():
            raise Failed("a process of the switch died:\n" + node.log_tail(15))
    peak = bench.peak or report["search"] and report["search"]["highest"]
    if not peak:
        raise Failed(f"no clean rate was found; the lowest tried was {LOWEST_RATE} calls a second")
    phases = [phase for phase in generator.measured(report) if phase["name"] == "after"]
    result = {"workers": workers, "where": layout.text(), "highest_clean_rate": peak,
              "memory": memory(before, sampler.found.get("warm-up"), bench.standing),
              "curve": [point(phase) for phase in generator.measured(report) if phase["name"] == "probe"],
              "half_load": half_load(report, phases[0], sampler.span("after")), "latency": latencies(phases[1], gaps)}
    result["limited_by"] = limited_by(report, peak, result["half_load"]["waited_share"])
    result["limited"] = result["limited_by"] == "the generator"
    bench.say(f"highest clean rate: {peak:.0f} calls/s, limited by {result['limited_by']}")
    if whole:
        result["overload"] = overload(phases[2:-1], phases[-1])
    return result


def run(bench):
    generator.find(bench.build)
    results = []
    for number, workers in enumerate(bench.workers):
        try:
            Layout(workers)
        except Failed as fault:
            results.append({"workers": workers, "not_run": str(fault)})
            bench.say(f"not run: {fault}")
            continue
        results.append(one_count(bench, workers, whole=number == 0))
    return {"by_workers": results, "standing": bench.standing, "prefixes": 10000, "gateways": 200,
            "spool": bench.folder}
