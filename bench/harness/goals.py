# SPDX-License-Identifier: Apache-2.0
"""The goals, each with the figure that was found beside it. Met is True, False, or None: not measured in this run."""


NOISE = 0.01  # of the time that a worker waited for its core


def noise(found):
    """What a worker did not get of its core looks like work: a figure from such a run is an upper bound."""
    waited = found.get("waited_share", 0)
    return f" [its core was taken away {100 * waited:.0f} % of the time]" if waited > NOISE else ""


def one_worker(results, mode):
    found = results.get(mode) or {}
    return next((r for r in found.get("by_workers", ()) if r["workers"] == 1 and "not_run" not in r), None)


def whole_call(results):
    found = one_worker(results, "cps")
    if not found:
        return None
    half = found["half_load"]
    figure = f"{half['busy_us_per_call']:.1f} µs ({half['standing']} standing; highest clean {found['highest_clean_rate']:.0f}/s)"
    figure += f", limited by {found['limited_by']}" + noise(half)
    return half["busy_us_per_call"], figure


def relay(results):
    found = one_worker(results, "rtp")
    if not found or not found.get("rounds"):
        return None
    middle = found["rounds"][len(found["rounds"]) // 2]
    relayed, ground, share = middle["relay"], middle["testpmd"], 100 * middle["share"]
    all_of_them = ", ".join(f"{100 * one['share']:.0f}" for one in found["rounds"])
    return share, (f"{share:.0f} % by busy time ({all_of_them}): {relayed['busy_ns_per_packet']:.0f} ns a packet, testpmd "
                   f"{1e9 / ground['packets_per_second']:.0f}; highest clean {found['highest_clean_rate'] / 1e6:.2f} M/s") + noise(relayed)


def setup(results):
    found = one_worker(results, "cps")
    added = found and found["latency"]["setup_added_us"]
    if not added:
        return None
    times = found["latency"]
    machine = f"the machine's own gaps: p99 {times['machine_p99_us']:.0f}, at most {times['machine_max_us']:.0f}"
    return added["p99"], f"{added['p99']:.0f} µs (p50 {added['p50']:.0f}, at {times['rate']:.0f}/s; {machine})"


def transit(results):
    found = one_worker(results, "rtp")
    times = found and found["half_load"]["transit_us"]
    if not times:
        return None
    half = found["half_load"]
    return times["p99"], f"{times['p99']:.0f} µs (p50 {times['p50']:.0f}, at {half['rate']:.0f}/s)" + noise(half)


def keepalive(results):
    found = results.get("keepalive")
    if not found or "missed" not in found:
        return None
    deviation, share = found["deviation_us"]["max"] / 1000, 100 * found["signaling_busy_share"]
    good = found["missed"] == 0 and deviation <= 10 and share <= 1 and found["endpoints"] >= 1000000
    return (0 if good else 1), (f"{found['missed']} of {found['endpoints']} missed, {deviation:.1f} ms at most, busy {share:.2f} %") + noise(found)


def records(results):
    found = results.get("cdr")
    if not found or "ratio" not in found:
        return None
    return 100 * found["ratio"], (f"{100 * found['ratio']:.0f} %: {found['rows_per_second']:.0f} of "
                                  f"{found['copy_rows_per_second']:.0f} rows/s")


def memory(results):
    found = one_worker(results, "cps")
    used = found and found.get("memory")
    if not used or "bytes_per_call" not in used:
        return None
    return used["bytes_per_call"] / 1024, f"{used['bytes_per_call'] / 1024:.2f} KiB ({used['calls']} calls)"


def overload(results):
    found = one_worker(results, "cps")
    load = found and found.get("overload")
    if not load or "kept" not in load:
        return None
    good = load["kept"] >= 0.95 and load["rest_shed"] and load["back_to_normal"]
    rest = "the rest 503" if load["rest_shed"] else "not all of the rest 503"
    normal = {True: "back at once", False: "NOT back", None: "return not seen"}[load["back_to_normal"]]
    return (0 if good else 1), (f"{100 * load['kept']:.0f} % completed, {rest}, {normal}"
                                + (" (the generator fell behind)" if load["limited"] else ""))


def elsewhere(results):
    return None


# what, the goal in words, its limit, the further goal in words, its limit, larger is better, how it is found
GOALS = [
    ("a whole call, busy", "≤ 10 µs", 10, "5 µs", 5, False, whole_call),
    ("a call over veth against Kamailio, CPU", "≤ 1/8", 0, "1/15", 0, False, elsewhere),
    ("RTP relay against testpmd's mac-swap", "≥ 60 %", 60, "80 %", 80, True, relay),
    ("RTP over veth against rtpengine, CPU", "≤ 1/4", 0, "1/8", 0, False, elsewhere),
    ("added set-up latency, half load, p99", "≤ 100 µs", 100, "50 µs", 50, False, setup),
    ("RTP transit, half load, p99", "≤ 50 µs", 50, "20 µs", 20, False, transit),
    ("keep-alive: none missed, ± 10 ms, busy ≤ 1 %", "1,000,000", 0, "", None, False, keepalive),
    ("call records against a bare COPY", "≥ 80 %", 80, "95 %", 95, True, records),
    ("memory for an established call", "≤ 3 KiB", 3, "2 KiB", 2, False, memory),
    ("overload: completed of the peak at 5 times", "≥ 95 %", 0, "", None, False, overload),
]


def judge(results):
    rows = []
    for what, goal, limit, further, further_limit, larger, find in GOALS:
        found = find(results)
        row = {"what": what, "goal": goal, "then": further, "met": None, "then_met": None,
               "figure": "by bench/compare" if find is elsewhere else "not measured"}
        if found:
            value, row["figure"] = found
            row["value"] = value
            row["met"] = value >= limit if larger else value <= limit
            if further_limit is not None:
                row["then_met"] = value >= further_limit if larger else value <= further_limit
        rows.append(row)
    return rows


def table(rows):
    words = {True: "met", False: "NOT MET", None: "-"}
    what, goal = max(len(r["what"]) for r in rows), max(len(r["goal"]) for r in rows)
    lines = [f"{'what':{what}}  {'goal':{goal}}  {'':8} {'then':8} {'':8} figure"]
    for row in rows:
        then = words[row["then_met"]] if row["then"] else ""
        lines.append(f"{row['what']:{what}}  {row['goal']:{goal}}  {words[row['met']]:8} {row['then']:8} {then:8} {row['figure']}")
    return "\n".join(lines)
