# SPDX-License-Identifier: Apache-2.0
"""Calls: the highest clean rate, what a call costs the worker, how long set-up takes, and what overload does."""
import os

from . import Failed, generator
from .machine import Layout
from .node import Node, Sampler, between, busy_between, config

STANDING = 100000
LIMIT_RATE = 200000  # the search's upper end
CURVE = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5)
HOLD_S = 1


def node_for(bench, layout, standing, rate):
    calls = standing + int(rate * (HOLD_S + 2)) + 10000
    relayed = standing + int(rate * (HOLD_S + 1))
    return Node(bench, config(bench, layout, "signaling", min(calls, 4000000), min(relayed, standing + 60000)))


def play(bench, layout, node, scenario, *options, timeout_s, phase="measure", link=None):
    """One run of the generator. Its report, and the switch's first and last sample within the phase (None: no phase)."""
    run = generator.Generator(bench, link or generator.link(bench, layout), scenario, *options)
    with Sampler(node, lambda: run.phase) as sampler:
        report = run.run(timeout_s)
    if not node.alive():
        raise Failed("a process of the switch died:\n" + node.log_tail(15))
    return report, sampler.span(phase) if phase else None


def scenario_for(bench, standing, **load):
    return generator.carrier(standing=standing, standing_rate=bench.standing_rate, drain=3, **load)


def search(bench, layout, node, standing):
    scenario = scenario_for(bench, standing, rate=1000, seconds=bench.seconds, warm_up=2)
    report, _ = play(bench, layout, node, scenario, "--search", f"500:{LIMIT_RATE}:0.05", phase=None,
                     timeout_s=300 + 40 * bench.seconds)
    found = report["search"]
    if not found or not found["highest"]:
        raise Failed("no clean rate was found; the lowest tried was 500 calls a second")
    return report, found["highest"]


def at_half_load(bench, layout, node, standing, rate):
    """Busy time a call, and the latencies."""
    scenario = scenario_for(bench, standing, rate=rate, seconds=max(bench.seconds, 5), warm_up=3)
    report, (first, last) = play(bench, layout, node, scenario, timeout_s=300 + 3 * bench.seconds)
    phase = generator.only(report)
    busy_s, share, waited = busy_between(first, last, "signaling")
    calls = between(first, last, "signaling.calls_ended")
    messages = between(first, last, "signaling.datagrams")
    if calls <= 0:
        raise Failed("no call ended while it was measured")
    added = generator.latency(phase, "setup_added") or {}
    return {
        "rate": phase["achieved"], "clean": phase["clean"], "limited": phase["limited"], "busy_share": share,
        "waited_share": waited,
        "busy_us_per_call": 1e6 * busy_s / calls, "busy_ns_per_message": 1e9 * busy_s / messages,
        "cycles_per_call": busy_s * last["busy"]["signaling"]["hz"] / calls, "messages_in_per_call": messages / calls,
        "standing": report["standing"], "setup_added_us": added, "latency_us": phase["latency"],
        "media_busy_us_per_call": 1e6 * busy_between(first, last, "media")[0] / calls,
        "records_per_call": between(first, last, "cdr.spooled") / calls,
        "failed": phase["calls"]["failed"] + phase["calls"]["timed_out"], "disagreements": phase["disagreements"]["total"],
    }


def point(phase):
    seconds = phase["seconds"] or 1
    calls = phase["calls"]
    added = generator.latency(phase, "setup_added") or {}
    return {"offered": phase["achieved"], "completed": calls["as_expected"] / seconds, "shed": calls["shed"] / seconds,
            "failed": (calls["failed"] + calls["timed_out"]) / seconds, "clean": phase["clean"],
            "limited": phase["limited"], "p50_us": added.get("p50"), "p99_us": added.get("p99")}


def overload(bench, layout, node, peak):
    """Offered against completed, and whether all is well again two seconds after five times the peak."""
    points = []
    for factor in CURVE:
        scenario = scenario_for(bench, 0, rate=factor * peak, seconds=min(bench.seconds, 10), warm_up=2)
        report, _ = play(bench, layout, node, scenario, phase=None, timeout_s=200)
        points.append({"factor": factor, **point(generator.only(report))})
        bench.progress("{factor} times: offered {offered:.0f}/s, completed {completed:.0f}/s, shed {shed:.0f}/s, failed "
                       "{failed:.0f}/s".format(**points[-1]))
    # No draining in between: what is measured then begins two seconds after the last call too many.
    scenario = {**scenario_for(bench, 0), "load": {"arrivals": "poisson", "seconds": 5, "warm_up": 2, "drain": 0}}
    much, normal = round(5 * peak), round(peak / 2)
    report, _ = play(bench, layout, node, scenario, "--ramp", f"{much}:{normal}:{much - normal}", phase=None, timeout_s=200)
    after = generator.measured(report)[-1]
    best = max(p["completed"] for p in points if p["factor"] <= 1)
    worst = points[-1]
    return {"points": points, "kept": worst["completed"] / best if best else 0.0,
            "rest_shed": worst["failed"] <= 0.001 * worst["offered"], "limited": worst["limited"],
            "back_to_normal": bool(after["clean"]) if after["rate"] < peak else None}


def memory(bench, layout, node, standing):
    """Bytes a standing call takes in signaling and media."""
    before = node.memory()
    calls_before = node.sample()["calls"]
    run = generator.Generator(bench, generator.link(bench, layout),
                              scenario_for(bench, standing, rate=10, seconds=6, warm_up=1))
    found = {}

    class Watch(Sampler):
        def _run(self):
            while not self.done.wait(0.5):
                if self.phase() == "measure" and not found:
                    try:
                        found.update(bytes=node.memory(), calls=node.sample()["calls"])
                    except (RuntimeError, OSError) as fault:
                        self.fault = fault

    with Watch(node, lambda: run.phase):
        run.run(300 + standing / bench.standing_rate)
    if not found or found["calls"] - calls_before < standing / 2:
        raise Failed("the standing calls did not come about, so that their memory can't be told")
    calls = found["calls"] - calls_before
    return {"bytes_per_call": (found["bytes"] - before) / calls, "calls": calls, "before_bytes": before,
            "after_bytes": found["bytes"]}


def one_count(bench, workers, whole):
    """Everything for one number of workers; `whole`: more than the highest rate."""
    layout = Layout(workers)
    bench.say(f"calls: {workers} signaling worker{'s' * (workers > 1)}, {bench.standing} calls standing; {layout.text()}")
    result = {"workers": workers, "where": layout.text()}
    node = node_for(bench, layout, bench.standing, 60000)
    with bench.running(node, layout):
        if whole:
            result["memory"] = bench.attempt("memory", lambda: memory(bench, layout, node, bench.standing))
        report, peak = search(bench, layout, node, bench.standing)
        result.update(highest_clean_rate=peak, limited=report["limited"],
                      curve=[point(phase) for phase in generator.measured(report)])
        bench.say(f"highest clean rate: {peak:.0f} calls/s{' (limited by the generator)' if report['limited'] else ''}")
        result["half_load"] = at_half_load(bench, layout, node, bench.standing, peak / 2)
        if whole:
            result["overload"] = bench.attempt("overload", lambda: overload(bench, layout, node, peak))
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
            "spool": os.path.join(bench.folder, "spool")}
