# SPDX-License-Identifier: Apache-2.0
"""What DPDK's own testpmd forwards on a memif when it does nothing but swap the MAC addresses: the ground of the relay."""
import os
import re
import shutil
import subprocess
import time

from . import Failed
from .machine import CORES

FRAME = 214  # G.711, 20 ms: 160 + RTP 12 + UDP 8 + IPv4 20 + Ethernet 14
SETTLE_S = 3
MOST_S = 8
# Who feeds it: an open loop that sends as fast as it can, and as many packets as the ring holds going round. The one
# that gets more through counts.
FEEDERS = {"flowgen": "start", "io": "start tx_first 28"}


def command(name, main_core, core, socket, role, *options):
    return ["dpdk-testpmd", "-l", f"{main_core},{core}", f"--main-lcore={main_core}", "--no-pci", "--no-huge", "-m", "512",
            f"--file-prefix={name}{os.getpid()}", f"--vdev=net_memif0,role={role},socket={socket},socket-abstract=no",
            "--", "--port-topology=loop", "--nb-cores=1", "--total-num-mbufs=32768", *options]


def kill(process):
    if process and process.poll() is None:
        process.kill()
        process.wait()


def tell(process, line):
    process.stdin.write(line + "\n")
    process.stdin.flush()


def fed_by(bench, layout, mode, seconds):
    socket, log_path = os.path.join(bench.folder, "testpmd.sock"), os.path.join(bench.folder, f"testpmd-{mode}.log")
    core, other = layout.under_test[0], layout.generator
    feeder = swapper = None
    if os.path.exists(socket):
        os.unlink(socket)
    try:
        with open(log_path, "w") as log, bench.pinned(CORES):
            swapper = subprocess.Popen(command("swap", other, core, socket, "server", "-i", "--forward-mode=macswap",
                                               "--record-core-cycles"),
                                       stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, text=True)
            tell(swapper, "start")
            time.sleep(SETTLE_S)
            feeder = subprocess.Popen(command("feed", core, other, socket, "client", "-i", f"--forward-mode={mode}",
                                              f"--txpkts={FRAME}"),
                                      stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
            time.sleep(SETTLE_S)
            tell(feeder, FEEDERS[mode])
            time.sleep(1)
            for _ in range(round(seconds)):
                tell(swapper, "show port stats 0")
                time.sleep(1)
            tell(swapper, "stop")
            tell(swapper, "quit")  # what it has printed stands in a buffer until it ends
            swapper.wait(timeout=10)
    finally:
        kill(swapper)  # first: a testpmd whose memif peer goes away crashes
        kill(feeder)
    with open(log_path, errors="replace") as log:
        text = log.read()
    rates = [int(rate) for rate in re.findall(r"Tx-pps:\s+(\d+)", text)]
    rates = [rate for rate in rates if rate]
    cycles = re.search(r"CPU cycles/packet=([\d.]+)", text)
    return {"packets_per_second": sorted(rates)[len(rates) // 2] if rates else 0,
            "cycles_per_packet": float(cycles.group(1)) if cycles else None}


def run(bench, layout):
    """Packets a second that the swapping side forwards, on the core that the relay has in this run."""
    if not shutil.which("dpdk-testpmd"):
        raise Failed("dpdk-testpmd is not installed (deploy/packages bench)")
    seconds = min(max(bench.seconds, 5), MOST_S)
    fed = {mode: fed_by(bench, layout, mode, seconds) for mode in FEEDERS}
    best = max(fed.values(), key=lambda found: found["packets_per_second"])
    if not best["packets_per_second"]:
        raise Failed(f"testpmd forwarded nothing: see {bench.folder}/testpmd-io.log")
    return {**best, "frame_bytes": FRAME, "fed_by": fed}
