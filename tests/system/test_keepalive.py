# SPDX-License-Identifier: Apache-2.0
"""tandem-keepalive alone: the pace on the wire of its rings, through kills and reloads."""
import json
import os
import signal
import struct
import subprocess
import time

import pytest

from lab.net import wait_for
from lab.switch import base_config

PERIOD_S = 10  # the shortest there is


class Keepalive:
    def __init__(self, build, folder, name, **parameters):
        self.build = build
        self.node = f"ka{os.getpid() % 10000}-{name}"
        self.config_path = os.path.join(folder, self.node + ".yaml")
        self.log_path = os.path.join(folder, self.node + ".log")
        self.config = base_config(self.node, folder, "dbname=none")
        self.config["processes"]["signaling"]["workers"] = [0, 1]
        self.config["limits"]["registrations"] = 20000
        self.environment = {**os.environ, "TANDEM_RUNTIME_DIRECTORY": os.path.join(folder, "run-" + self.node)}
        os.makedirs(self.environment["TANDEM_RUNTIME_DIRECTORY"])
        self.write(PERIOD=PERIOD_S, **parameters)
        self.ctl("segments", "create")
        self.process = None

    def write(self, **parameters):
        for name, value in parameters.items():
            self.config["parameters"]["SS_SIP_NAT_KEEP_ALIVE_" + name] = value
        with open(self.config_path, "w") as file:
            json.dump(self.config, file)

    def ctl(self, *arguments):
        return subprocess.run([f"{self.build}/tandemctl/tandemctl", "--config", self.config_path, *arguments], check=True,
                              stdout=subprocess.PIPE, text=True, env=self.environment).stdout

    def counter(self, name):
        counters = json.loads(self.ctl("--json", "counters"))["counters"]
        return next(c["value"] for c in counters if c["group"] == "keepalive" and c["name"] == name)

    def start(self):
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen([f"{self.build}/keepalive/tandem-keepalive", "--config", self.config_path],
                                            stdout=log, stderr=log, env=self.environment)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def drive(self, endpoints, seconds, ignore=0):
        return subprocess.Popen([f"{self.build}/tests/unit/keepalive/keepalive-drive", "--config", self.config_path,
                                 "--endpoints", str(endpoints), "--seconds", str(seconds), "--ignore", str(ignore)],
                                stdout=subprocess.PIPE, text=True)

    def log(self):
        with open(self.log_path) as file:
            return file.read()

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        self.ctl("segments", "remove")


def result(driver):
    out, _ = driver.communicate(timeout=60)
    assert driver.returncode == 0
    return json.loads(out)


@pytest.fixture
def keepalive(build, folder):
    made = []

    def make(name, **parameters):
        made.append(Keepalive(build, folder, name, **parameters))
        made[-1].start()
        while made[-1].counter("rounds") == 0:  # the first finds nobody, and those who come wait for the second
            time.sleep(0.05)
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_each_once_per_period_also_through_a_kill(keepalive):
    """10,000 endpoints, bursts of 300 every 150 ms: a round takes half its period; killed in the middle of one."""
    k = keepalive("kill", SEND_INTERVAL=150, SEND_ONE_TIME=300)
    driver = k.drive(10000, 2 * PERIOD_S + 7)
    time.sleep(PERIOD_S + 3)  # the second round is under way
    k.kill()
    time.sleep(0.3)
    k.start()
    seen = result(driver)
    assert seen["wrong"] == 0 and seen["resyncs"] >= 1
    assert seen["largest_message"] <= 256
    assert 256 < seen["largest_burst"] <= 300
    assert seen["least"] == seen["most"] == 2
    assert PERIOD_S * 1000 - 1500 <= seen["min_gap_ms"] and seen["max_gap_ms"] <= PERIOD_S * 1000 + 1500
    assert k.counter("rounds_overrun") == 0 and k.counter("missed") == 0


def test_overrun_alarms_and_a_reload_heals(keepalive):
    k = keepalive("overrun", SEND_INTERVAL=1000, SEND_ONE_TIME=100)  # 1,000 fit
    driver = k.drive(2000, 2 * PERIOD_S + 7, ignore=2 * PERIOD_S - 1)
    time.sleep(2 * PERIOD_S + 1)
    assert k.counter("rounds_overrun") == 1
    assert "SS_SIP_NAT_KEEP_ALIVE_SEND_ONE_TIME 200" in k.log()
    k.write(SEND_ONE_TIME=500)
    k.process.send_signal(signal.SIGHUP)
    seen = result(driver)
    assert seen["least"] >= 1 and seen["most"] <= 2  # in eight seconds: the pace changed at once
    k.write(MESSAGE="")  # off
    k.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert result(k.drive(2000, PERIOD_S // 2))["sum"] == 0
    assert k.counter("rounds_overrun") == 1


def test_what_a_damaged_ring_held_is_said_again(keepalive):
    k = keepalive("damage")
    k.process.send_signal(signal.SIGSTOP)
    driver = k.drive(1000, 5)
    with open(f"/dev/shm/tandem.{k.node}.ring.signaling-0.keepalive-0", "r+b", buffering=0) as ring:
        def number(at):
            ring.seek(64 + at)  # behind the segment's header: capacity, head and tail, a cache line each, and the data
            return struct.unpack("=Q", ring.read(8))[0]
        wait_for(lambda: number(64) - number(128) >= 500 * 16, 10, "the endpoints are announced")
        ring.seek(64 + 192 + number(128) % number(0))
        ring.write(b"\xee" * 8)
    k.process.send_signal(signal.SIGCONT)
    wait_for(lambda: k.counter("endpoints") == 1000, 4, "all endpoints are known")
    assert k.counter("ring_damaged") == 1
    assert result(driver)["wrong"] == 0
