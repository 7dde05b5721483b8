# SPDX-License-Identifier: Apache-2.0
"""bench/compare: each switch really carries the calls, and each figure is there. No assertion about speed."""
import json
import os
import subprocess

import pytest
from fixtures import TOP

pytestmark = pytest.mark.bench

SWITCHES = ("tandem+relay", "kamailio+topoh", "kamailio+rtpengine")
RATE, SECONDS, AUDIO_CALLS = 20, 1, 5


@pytest.fixture(scope="module")
def result(build, tmp_path_factory):
    path = tmp_path_factory.mktemp("compare") / "compare.json"
    done = subprocess.run(
        [os.path.join(TOP, "bench", "compare"), "--build", build, "--load", "carrier", "--rate", str(RATE), "--seconds", str(SECONDS),
         "--runs", "1", "--standing", "20", "--linger", "0", "--audio-calls", str(AUDIO_CALLS), "--only", ",".join(SWITCHES),
         "--json", str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180)
    assert done.returncode == 0, done.stdout[-4000:]
    result = json.loads(path.read_text())
    result["printed"] = done.stdout
    return result


@pytest.mark.parametrize("name", SWITCHES)
def test_switch_carries_every_call(result, name):
    run, = [run for run in result["runs"] if run["switch"] == name]
    carried = 0
    for phase in ("memory", "calls"):
        load = run[phase]["load"]
        assert load["offered"] == load["answered"] == load["ended"] >= RATE and load["faults"] == []
        carried += load["offered"]
        assert run[phase]["records"] == carried
    assert 0 < run["calls"]["setup_p50_ms"] <= run["calls"]["setup_p99_ms"] < 5000
    if name == "kamailio+topoh":
        assert "audio" not in run
        return
    load = run["audio"]["load"]
    assert load["offered"] == load["ended"] == AUDIO_CALLS
    assert AUDIO_CALLS * 2 * 50 * SECONDS < load["rtp_received"] <= load["rtp_sent"]
    assert run["audio"]["records"] == carried + AUDIO_CALLS


def test_figures_are_plausible(result):
    assert set(result["medians"]) == set(SWITCHES) and result["faults"] == []
    for name, figures in result["medians"].items():
        assert 0 < figures["cpu_per_1000_calls_s"] < 1000 / RATE  # no more than the whole core
        assert 0 < figures["postgres_per_1000_calls_s"] < 1000 / RATE
        assert 0 < figures["memory_per_call_kib"] < 4096
        assert 0 <= figures["idle_cpu_share"] < 1
        assert figures["cpu_per_1000_calls_s"] == pytest.approx(
            figures["cpu_signalling_per_1000_calls_s"] + figures.get("cpu_media_per_1000_calls_s", 0))
        if name != "kamailio+topoh":
            assert 0 < figures["cpu_per_million_packets_s"] < 1e6 / (AUDIO_CALLS * 100) * 1.2
            assert figures["packets_per_second"] == pytest.approx(AUDIO_CALLS * 100, rel=0.15)


def test_ratios_are_tandems_figure_by_the_peers(result):
    ratio, = result["ratios"]
    assert (ratio["tandem"], ratio["peer"]) == ("tandem+relay", "kamailio+rtpengine")
    ours, theirs = result["medians"]["tandem+relay"], result["medians"]["kamailio+rtpengine"]
    for figure in ("cpu_per_1000_calls_s", "cpu_per_million_packets_s", "memory_per_call_kib", "setup_p50_ms", "setup_p99_ms"):
        assert ratio[figure] == pytest.approx(ours[figure] / theirs[figure])


def test_machine_and_method_are_told(result):
    assert result["machine"]["cores"] >= 2 and result["machine"]["processor"]
    assert result["method"]["core"] != result["method"]["load_core"]
    for text in (result["machine"]["processor"], "kamailio 5.", "rtpengine 1", "PostgreSQL", "CPU s per 1,000 calls"):
        assert text in result["printed"]
