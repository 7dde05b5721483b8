# SPDX-License-Identifier: Apache-2.0
"""Build with both compilers and with the sanitizers, run every suite, and add up.

    unit, fuzz   in each build: gcc, clang, gcc with address and undefined sanitizers, clang with the thread sanitizer (unit)
    system       the switch in a network of its own; those marked `long` only when asked for, --suite long
    call-control what the switch does with calls and registrations, at the wire, as a table: scenario | what was seen | verdict
                 (of both all with gcc, and those marked `every_build` with the address and undefined sanitizers, too)
    impairment   calls under loss, duplication and reordering: only when asked for
    bench        that the load generator and the comparison tell the truth: only when asked for, --suite bench
    instructions what fixed work costs, counted and compared with the baseline (bench/instructions), in a build of its own
"""
import argparse
import json
import os
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

ASAN = ["-Db_sanitize=address,undefined", "-Dbuildtype=debugoptimized"]
# folder, compiler, meson options, suites run in it
BUILDS = [
    ("build", "gcc", [], ("unit", "fuzz", "system", "call-control", "long", "impairment", "bench")),
    ("build-clang", "clang", [], ("unit", "fuzz")),
    ("build-asan", "gcc", ASAN, ("unit", "fuzz", "system", "call-control")),
    ("build-tsan", "clang", ["-Db_sanitize=thread", "-Db_lundef=false"], ("unit",)),
]

SANITIZER_OPTIONS = {
    # The scaled clock is preloaded before the sanitizer's library.
    "ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=1:verify_asan_link_order=0",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}


# The suites that run by pytest: their folders, and which of the tests in them.
WIRE = {"system": "system", "long": "system", "bench": "system", "call-control": "call_control", "impairment": "impairment"}
MARKS = {"system": "not bench and not long", "long": "long", "bench": "bench", "call-control": "not bench and not long", "impairment": None}


class Tally:
    def __init__(self):
        self.passed, self.failed, self.failures, self.missing = 0, 0, [], 0
        self.builds = 0

    def count(self, name, good):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            self.failures.append(name)


def step(text):
    print(f"== {text}", flush=True)


class Build:
    """One build folder: made here and now, or by Beside before its turn comes."""

    def __init__(self, folder, compiler, options, suites):
        self.folder, self.compiler, self.options, self.suites = folder, compiler, options, suites
        self.done, self.seconds, self.made = None, 0, threading.Event()

    def make(self, *prefix):
        started = time.monotonic()
        try:
            self.done = subprocess.run([*prefix, os.path.join(TOP, "deploy", "build"), os.path.join(TOP, self.folder), *self.options],
                                       env={**os.environ, "CC": self.compiler}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        finally:
            self.seconds = time.monotonic() - started
            self.made.set()

    def result(self, tally):
        self.made.wait()
        step(f"{self.folder}: built with {self.compiler} in {self.seconds:.0f} s")
        good = self.done is not None and self.done.returncode == 0
        if not good:
            print(self.done.stdout[-6000:] if self.done else "it could not be run")
        tally.count(f"{self.folder}: build", good)
        tally.builds += 1
        return good


def names_that_match(path, suites, only):
    listed = subprocess.run(["meson", "introspect", path, "--tests"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [test["name"] for test in json.loads(listed)
            if only in test["name"] and {suite.split(":")[-1] for suite in test["suite"]} & set(suites)]


def run_meson_suites(folder, suites, only, tally):
    path = os.path.join(TOP, folder)
    names = names_that_match(path, suites, only) if only else []
    if only and not names:
        return
    command = ["meson", "test", "-C", path, "--no-rebuild", "--print-errorlogs", "--num-processes", "2", "-t", "3"]
    for suite in suites:
        command += ["--suite", suite]
    log = os.path.join(path, "meson-logs", "testlog.json")
    if os.path.exists(log):
        os.unlink(log)
    done = subprocess.run(command + names, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env={**SANITIZER_OPTIONS, **os.environ})
    good = 0
    if os.path.exists(log):
        with open(log) as file:
            for line in file:
                test = json.loads(line)
                good += test["result"] == "OK"
                tally.count(f"{folder}: {test['name']}", test["result"] == "OK")
    if done.returncode != 0:
        print(done.stdout[-12000:])
        tally.count(f"{folder}: meson test", False)
    print(f"   {folder}: {good} passed", flush=True)


def run_wire(folder, suite, marker, only, tally):
    path = os.path.join(TOP, folder)
    report = os.path.join(path, f"{suite}.xml")
    if os.path.exists(report):
        os.unlink(report)
    command = ["/usr/bin/python3", "-m", "pytest", "-p", "no:cacheprovider", "-v", "--tb=short", "--durations=15", f"--junitxml={report}",
               os.path.join(TOP, "tests", WIRE[suite])]
    if marker:
        command += ["-m", marker]
    if only:
        command += ["-k", only]
    step(f"{folder}: {suite} tests" + (f" marked {marker}" if marker else ""))
    done = subprocess.run(command, env={**SANITIZER_OPTIONS, **os.environ, "TANDEM_BUILD": path, "PYTHONDONTWRITEBYTECODE": "1"})
    cases = list(xml.etree.ElementTree.parse(report).iter("testcase")) if os.path.exists(report) else []
    for case in cases:
        skipped = case.find("skipped")
        if skipped is not None and skipped.get("type") == "pytest.xfail":
            tally.missing += 1  # the mark says what the switch does not do yet; when it does, this is a failure
            continue
        bad = skipped is not None or any(case.find(kind) is not None for kind in ("failure", "error"))
        tally.count(f"{folder}: {case.get('classname')}.{case.get('name')}", not bad)
    if done.returncode not in (0, 1, 5) or (done.returncode == 5 and not only):
        tally.count(f"{folder}: pytest exit status {done.returncode}", False)


class Beside(threading.Thread):
    """
    What needs a processor but no quiet machine, after everybody else, beside the suites that mostly wait: the builds whose turn comes
    later; then the guard against slow-downs, the proof that it finds one, and that calls and packets lock nothing.
    """
    INSTRUCTIONS = (("compared with the baseline", []), ("a deliberate slow-down is found", ["--show-it-bites"]),
                    ("nothing shared is locked", ["--atomics"]))
    LAST = ("nice", "-n", "19")

    def __init__(self, builds, count_instructions):
        super().__init__(daemon=True)
        self.builds, self.parts = builds, self.INSTRUCTIONS if count_instructions else ()
        self.counted = []

    def start_once(self):
        if not self.ident:
            self.start()

    def run(self):
        for build in self.builds:
            build.make(*self.LAST)
        for name, options in self.parts:
            self.counted.append((name, subprocess.run([*self.LAST, os.path.join(TOP, "bench", "instructions"), *options],
                                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)))

    def add_up(self, tally):
        self.start_once()
        self.join()
        for name, done in self.counted:
            step(f"instructions: {name}")
            print(done.stdout, end="", flush=True)
            tally.count(f"instructions: {name}", done.returncode == 0)
        if len(self.counted) < len(self.parts):
            tally.count("instructions: could not be run", False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", action="append", choices=["unit", "fuzz", "system", "call-control", "long", "impairment", "instructions", "bench"],
                        help="default: all of them but bench, long and impairment")
    parser.add_argument("--only", metavar="PATTERN",
                        help="only tests with this in their name; for the system suite, an expression of pytest's -k")
    parser.add_argument("--build", action="append", choices=[build[0] for build in BUILDS],
                        help="only these build folders")
    arguments = parser.parse_args()
    suites = arguments.suite or ["unit", "fuzz", "system", "call-control", "instructions"]
    started, tally = time.monotonic(), Tally()
    builds = [Build(folder, compiler, options, [suite for suite in suites if suite in offered])
              for folder, compiler, options, offered in BUILDS if not arguments.build or folder in arguments.build]
    builds = [build for build in builds if build.suites]
    beside = Beside(builds[1:], "instructions" in suites and not arguments.build and not arguments.only)

    for build in builds:
        if build is builds[0]:
            build.make()
        else:
            beside.start_once()
        if not build.result(tally):
            continue
        folder = build.folder
        if {"unit", "fuzz"} & set(build.suites):
            run_meson_suites(folder, [suite for suite in build.suites if suite in ("unit", "fuzz")], arguments.only, tally)
        for suite in build.suites:
            if suite == "call-control":
                beside.start_once()
            if suite in MARKS:
                run_wire(folder, suite, MARKS[suite] if folder == "build" else "every_build", arguments.only, tally)
    beside.add_up(tally)

    if arguments.only and tally.passed + tally.failed == tally.builds:
        tally.count(f"no test matches --only {arguments.only}", False)
    if tally.failures:
        step("failed")
        for name in tally.failures:
            print(f"   {name}")
    if tally.missing:
        print(f"{tally.missing} more expect what is still missing; the tables name it")
    print(f"{(time.monotonic() - started) / 60:.1f} minutes", flush=True)
    print(f"{tally.passed} passed, {tally.failed} failed", flush=True)
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
