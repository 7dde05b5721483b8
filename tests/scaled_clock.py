# SPDX-License-Identifier: Apache-2.0
"""The clock of a node under test: real time, but for the stretches that a test lets pass fast (see scaled_clock.c)."""
import mmap
import os
import struct
import time

NOTICE_NS = 40_000_000  # longer than the pieces that sleeps are cut into
RATE = 100              # clock seconds a real one


class ScaledClock:
    def __init__(self, folder, build):
        self.path = os.path.join(folder, "clock")
        with open(self.path, "wb") as file:
            file.write(bytes(mmap.PAGESIZE))
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.version, self.ahead_ns = 0, 0
        self._write(0, 0)
        self.environment = {"TANDEM_SCALED_CLOCK": self.path, "LD_PRELOAD": os.path.join(build, "tests", "libscaled_clock.so")}

    def _write(self, start_ns, stretch_ns, real_ns=0):
        """From start_ns on, in real_ns, the clock goes on by stretch_ns."""
        shown_ns = start_ns + self.ahead_ns
        struct.pack_into("=I", self.map, 0, self.version + 1)
        struct.pack_into("=4q", self.map, 8, start_ns, start_ns + real_ns, shown_ns, shown_ns + stretch_ns)
        self.version += 2
        struct.pack_into("=I", self.map, 0, self.version)
        self.ahead_ns += stretch_ns - real_ns

    def advance(self, seconds, rate=RATE):
        """Let so many seconds pass on the node's clock; returns when they have."""
        start_ns, stretch_ns = time.monotonic_ns() + NOTICE_NS, int(seconds * 1e9)
        real_ns = int(stretch_ns / rate)
        self._write(start_ns, stretch_ns, real_ns)
        time.sleep((start_ns + real_ns - time.monotonic_ns()) / 1e9)

    def close(self):
        self.map.close()

    def now(self):
        """What the clock of the node shows, in seconds. Only between stretches."""
        return (time.monotonic_ns() + self.ahead_ns) / 1e9
