# SPDX-License-Identifier: Apache-2.0
"""The pictures of a run, from its results alone."""
import os

from . import plot


def latency_over_rate(curve):
    lines = {}
    for key, name in (("p50_us", "median"), ("p99_us", "99 %")):
        lines[name] = [(p["offered"], p[key]) for p in curve if p[key]]
    return lines


def over_workers(found, value):
    return [(r["workers"], value(r)) for r in found["by_workers"] if "not_run" not in r]


def draw(results, folder, note):
    """Returns the files made."""
    os.makedirs(folder, exist_ok=True)
    made = []

    def chart(name, *arguments, **options):
        path = os.path.join(folder, name + ".svg")
        if plot.chart(path, *arguments, note=note, **options):
            made.append(path)

    for mode, title, unit, step in (("cps", "Calls", "calls/s", "added set-up time"), ("rtp", "RTP relay", "packets/s", "transit")):
        found = results.get(mode)
        if not found or "by_workers" not in found:
            continue
        for one in found["by_workers"]:
            if one.get("curve"):
                chart(f"{mode}-latency-{one['workers']}", f"{title}: {step} against rate, workers: {one['workers']}", unit,
                      f"{step}, µs", latency_over_rate(one["curve"]), log_y=True)
        rates = over_workers(found, lambda r: r["highest_clean_rate"])
        if rates:
            first = rates[0]
            chart(f"{mode}-workers", f"{title}: highest clean rate against workers", "workers", unit,
                  {"measured": [(0, 0)] + rates,
                   "-in proportion": [(0, 0), (rates[-1][0], first[1] / first[0] * rates[-1][0])]})
        for one in found["by_workers"]:
            if (one.get("overload") or {}).get("points"):
                points = one["overload"]["points"]
                most = max(p["offered"] for p in points)
                peak = one["highest_clean_rate"]
                chart("overload", f"Overload: completed against offered (peak {peak:.0f}/s)", "offered, calls/s", "calls/s",
                      {"completed": [(0, 0)] + [(p["offered"], p["completed"]) for p in points],
                       "503 with Retry-After": [(p["offered"], p["shed"]) for p in points],
                       "failed": [(p["offered"], p["failed"]) for p in points],
                       "-offered": [(0, 0), (most, most)]})
    return made
