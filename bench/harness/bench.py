# SPDX-License-Identifier: Apache-2.0
"""One run of the harness: its folder, its database, its processes; whatever happens, nothing of it stays behind."""
import contextlib
import os
import shutil
import sys
import tempfile
import time

from . import Failed
from .machine import CORES, steer_interrupts, write

from lab.postgres import PrivatePostgres

# A database as an operator would give it: everything durable, checkpoints not every minute.
POSTGRES = ("max_wal_size = 4GB", "checkpoint_timeout = 30min", "shared_buffers = 512MB")


class Bench:
    def __init__(self, options, build):
        self.seconds, self.workers = options.seconds, options.workers
        self.peak = options.peak
        self.standing, self.sessions, self.endpoints = options.standing, options.sessions, options.endpoints
        self.standing_rate, self.priority = options.standing_rate, options.priority
        self.build, self.children, self.interrupts = build, [], []
        self.started, self.open_line = time.monotonic(), False
        self.folder = tempfile.mkdtemp(prefix="tandem-bench-", dir=options.folder)
        self.kept = options.keep
        os.chmod(self.folder, 0o755)
        self.database = PrivatePostgres(os.path.join(self.folder, "pg"))

    def __enter__(self):
        self.database.create(POSTGRES)
        self.pin({CORES[0]})
        self.interrupts = steer_interrupts(CORES[0])
        return self

    def __exit__(self, *_):
        self.end_line()
        for child in list(self.children):
            if child.poll() is None:
                child.kill()
                child.wait()
        self.database.close()
        for path, old in self.interrupts:
            write(path, old)
        if self.kept:
            self.say(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def socket(self, name):
        return os.path.join(self.folder, name + ".sock")

    # ---- what the person at the terminal sees

    def end_line(self):
        if self.open_line:
            print(flush=True)
        self.open_line = False

    def say(self, text):
        self.end_line()
        print(f"[{time.monotonic() - self.started:5.0f} s] {text}", flush=True)

    def progress(self, text):
        """Overwritten by the next one on a terminal."""
        if sys.stdout.isatty():
            print(f"\r\x1b[K   {text[:150]}", end="", flush=True)
            self.open_line = True
        else:
            print(f"   {text}", flush=True)

    # ---- what measurements share

    def attempt(self, what, measure):
        """A part that may fail without the rest: its fault stands in its place."""
        try:
            return measure()
        except (Failed, RuntimeError, OSError, KeyError) as fault:
            self.say(f"{what}: FAILED: {fault}")
            return {"failed": f"{type(fault).__name__}: {fault}"}

    @contextlib.contextmanager
    def running(self, node, layout, under_test="signaling"):
        try:
            # What is not given a core (threads of libraries) stays where we are; workers pin themselves anywhere.
            node.start(timeout_s=120)
            node.share_core(layout, under_test)
            if self.priority:
                node.prefer_workers(under_test)
            yield node
        except (Failed, RuntimeError) as fault:
            raise Failed(f"{fault}\n{node.log_tail(12)}") from fault
        finally:
            node.close()

    def pin(self, cores):
        """Where we are, and what we start, and PostgreSQL."""
        os.sched_setaffinity(0, cores)
        with open(os.path.join(self.database.data, "postmaster.pid")) as file:
            postmaster = int(file.readline())
        with open(f"/proc/{postmaster}/task/{postmaster}/children") as file:
            children = [int(pid) for pid in file.read().split()]
        for pid in [postmaster, *children]:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(pid, cores)

    @contextlib.contextmanager
    def pinned(self, cores):
        before = os.sched_getaffinity(0)
        self.pin(cores)
        try:
            yield
        finally:
            self.pin(before)
