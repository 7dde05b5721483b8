# SPDX-License-Identifier: Apache-2.0
"""Medians, ratios and the table."""
import statistics

# Tandem in the same role as which peer.
PAIRS = (("tandem", "kamailio"), ("tandem", "kamailio+topoh"),
         ("tandem+relay", "kamailio+rtpengine"), ("tandem+relay", "kamailio+topoh+rtpengine"))

# What is compared: name, where it is in a run, text.
FIGURES = (
    ("cpu_per_1000_calls_s", ("calls", "cpu"), "CPU s per 1,000 calls"),
    ("cpu_signalling_per_1000_calls_s", ("calls", "cpu_signalling"), "  of which signalling"),
    ("cpu_media_per_1000_calls_s", ("calls", "cpu_media"), "  of which media control"),
    ("cpu_above_idle_per_1000_calls_s", ("calls", "cpu_above_idle"), "  less what it spends without calls"),
    ("busy_per_1000_calls_s", ("calls", "busy"), "  busy s of its workers, by their own account"),
    ("softirq_per_1000_calls_s", ("calls", "softirq"), "  softirq s on its core (partly in the above)"),
    ("postgres_per_1000_calls_s", ("calls", "cpu_postgres"), "PostgreSQL CPU s per 1,000 calls"),
    ("setup_p50_ms", ("calls", "setup_p50_ms"), "set-up p50, ms"),
    ("setup_p99_ms", ("calls", "setup_p99_ms"), "set-up p99, ms"),
    ("cpu_per_million_packets_s", ("audio", "cpu_media"), "CPU s of the relay per million RTP packets"),
    ("cpu_above_idle_per_million_packets_s", ("audio", "cpu_media_above_idle"), "  less what it spends without calls"),
    ("busy_per_million_packets_s", ("audio", "busy_media"), "  busy s of its workers, by their own account"),
    ("packets_per_second", ("audio", "packets_per_second"), "  at RTP packets a second"),
    ("memory_per_call_kib", ("memory", "memory_per_call_kib"), "memory of a standing call, KiB"),
    ("idle_cpu_share", ("idle", "cpu"), "CPU share without any call"),
    ("core_foreign_share", ("calls", "core_foreign"), "its core, used by others meanwhile"),
)
RATE_FIGURES = {"cpu": "CPU s per 1,000 calls", "setup_p50_ms": "set-up p50, ms", "setup_p99_ms": "set-up p99, ms"}
NO_RATIO = {"packets_per_second", "softirq_per_1000_calls_s", "core_foreign_share", "idle_cpu_share"}


def _get(run, path):
    for key in path:
        if not isinstance(run, dict) or key not in run:
            return None
        run = run[key]
    return run


def summary(runs):
    """{"medians": {switch: {figure: value}}, "ratios": [{"tandem", "peer", figure: ratio}], "faults": [text]}

    What a switch spent on calls that failed says nothing: a load with faults is in no median.
    """
    medians, faults = {}, []
    for name in dict.fromkeys(run["switch"] for run in runs):
        medians[name] = {}
        for figure, path, _ in FIGURES:
            values = [value for run in runs if run["switch"] == name and not _get(run, (path[0], "load", "faults"))
                      and (value := _get(run, path)) is not None]
            if values:
                medians[name][figure] = statistics.median(values)
    for run in runs:
        for phase in ("memory", "calls", "audio"):
            for fault in _get(run, (phase, "load", "faults")) or []:
                faults.append(f"run {run['run']}, {run['switch']}, {phase}: {fault}")
    ratios = []
    for tandem, peer in PAIRS:
        if tandem in medians and peer in medians:
            ratio = {"tandem": tandem, "peer": peer}
            for figure, _, _ in FIGURES:
                ours, theirs = medians[tandem].get(figure), medians[peer].get(figure)
                if figure not in NO_RATIO and ours is not None and theirs:
                    ratio[figure] = ours / theirs
            ratios.append(ratio)
    return {"medians": medians, "ratios": ratios, "faults": faults, "rates": by_rate(runs)}


def by_rate(runs):
    """{rate: {switch: {"cpu", "setup_p50_ms", "setup_p99_ms"}}}, of the switches that were clean there in every run."""
    found = {}
    for run in runs:
        for rate, figures in run.get("climb", []):
            found.setdefault(rate, {}).setdefault(run["switch"], []).append(figures)
    return {rate: {name: {key: statistics.median(step[key] for step in steps) for key in RATE_FIGURES}
                   for name, steps in switches.items() if not any(step["load"]["faults"] for step in steps)}
            for rate, switches in sorted(found.items())}


def _row(text, cells, width):
    print(f"{text:<46}" + "".join(f"{cell:>{width}}" for cell in cells))


def _number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def print_rates(rates, names, width):
    """Where a switch was not clean it has no figure; a peer's last one is its capacity here."""
    for rate, switches in rates.items():
        print(f"\n{rate:g} calls a second")
        for key, text in RATE_FIGURES.items():
            _row(text, [_number(switches.get(name, {}).get(key)) for name in names], width)
        for tandem, peer in PAIRS:
            if tandem in switches and peer in switches:
                ratio = switches[tandem]["cpu"] / switches[peer]["cpu"]
                print(f"  {tandem} / {peer}: CPU {ratio:.3f}   1/{1 / ratio:.1f}")


def print_report(result):
    machine, method, medians = result["machine"], result["method"], result["medians"]
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
          f"kernel {machine['kernel']}; load average before: {machine['load_average'][0]:.1f}")
    print(f"core {method['core']}: the switch under test; core {method['load_core']}: {method['load']}; "
          f"core {method['database_core']}: PostgreSQL")
    print(f"{method['rate']:g} calls a second of {method['hold']:g} s; memory with {method['standing']} standing; "
          f"audio with {method['audio_calls']} calls; {method['seconds']:g} s each; "
          f"medians of {len(result['runs']) // len(medians)} runs")
    for name, version in result["versions"].items():
        print(f"  {name}: {version}")
    width = max(len(name) for name in medians) + 2
    print()
    _row("", medians, width)
    for figure, _, text in FIGURES:
        _row(text, [_number(values.get(figure)) for values in medians.values()], width)
    print("\nTandem's figure divided by the other's")
    for ratio in result["ratios"]:
        print(f"  {ratio['tandem']} / {ratio['peer']}")
        for figure, _, text in FIGURES:
            if figure in ratio:
                inverse = f"   1/{1 / ratio[figure]:.1f}" if 0 < ratio[figure] < 1 else ""
                print(f"    {text.strip():<44}{ratio[figure]:8.3f}{inverse}")
    print_rates(result["rates"], medians, width)
    for fault in result["faults"]:
        print(f"FAULT {fault}")
