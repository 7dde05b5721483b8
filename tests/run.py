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


# Folders of the suites that run by pytest.
WIRE = {"system": "system", "long": "system", "bench": "system", "call-control": "call_control", "impairment": "impairment"}


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


def build(folder, compiler, options, tally):
    started = time.monotonic()
    path = os.path.join(TOP, folder)
    done = subprocess.run([os.path.join(TOP, "deploy", "build"), path, *options], env={**os.environ, "CC": compiler},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    step(f"{folder}: built with {compiler} in {time.monotonic() - started:.0f} s")
    if done.returncode != 0:
        print(done.stdout[-6000:])
    tally.count(f"{folder}: build", done.returncode == 0)
    tally.builds += 1
    return done.returncode == 0


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


class Instructions(threading.Thread):
    """
    The guard against slow-downs, the proof that it finds one, and that calls and packets lock nothing. What it counts is no time: so it
    runs beside the suites that mostly wait, and after everybody else on the processor.
    """
    PARTS = (("compared with the baseline", []), ("a deliberate slow-down is found", ["--show-it-bites"]),
             ("nothing shared is locked", ["--atomics"]))

    def __init__(self):
        super().__init__(daemon=True)
        self.done = []

    def run(self):
        for name, options in self.PARTS:
            self.done.append((name, subprocess.run(["nice", "-n", "19", os.path.join(TOP, "bench", "instructions"), *options],
                                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)))

    def add_up(self, tally):
        self.join()
        for name, done in self.done:
            step(f"instructions: {name}")
            print(done.stdout, end="", flush=True)
            tally.count(f"instructions: {name}", done.returncode == 0)
        if len(self.done) < len(self.PARTS):
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
    started, tally, instructions = time.monotonic(), Tally(), None
    if "instructions" in suites and not arguments.build and not arguments.only:
        instructions = Instructions()

    for folder, compiler, options, offered in BUILDS:
        wanted = [suite for suite in suites if suite in offered]
        if not wanted or (arguments.build and folder not in arguments.build):
            continue
        if not build(folder, compiler, options, tally):
            continue
        if set(wanted) & {"unit", "fuzz"}:
            run_meson_suites(folder, [s for s in wanted if s in ("unit", "fuzz")], arguments.only, tally)
        for suite in ("system", "call-control"):
            if suite == "call-control" and instructions and not instructions.ident:
                instructions.start()
            if suite in wanted:
                run_wire(folder, suite, "not bench and not long" if folder == "build" else "every_build", arguments.only, tally)
        if "long" in wanted:
            run_wire(folder, "long", "long", arguments.only, tally)
        if "impairment" in wanted:
            run_wire(folder, "impairment", None, arguments.only, tally)
        if "bench" in wanted:
            run_wire(folder, "bench", "bench", arguments.only, tally)

    if instructions:
        if not instructions.ident:
            instructions.start()
        instructions.add_up(tally)

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
