# SPDX-License-Identifier: Apache-2.0
"""A Tandem node inside a lab network: its configuration, its life, and how to look at it."""
import json
import os
import re
import signal
import subprocess

from .net import NET4, NET6, BIT4, BIT6, wait_for

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROLES = ("signaling", "media", "keepalive", "cdrwriter")

SIP4, SIP6 = NET4 + "1", NET6 + "1"
RTP4, RTP6 = NET4 + "2", NET6 + "2"
SIP_PORT = 5060

BAD_END = r"(died|stopped) \((?!status 0\)|signal 9\))|did not stop in time|runtime error: |ERROR: \w+Sanitizer"


def base_config(node, folder, database):
    """The smallest whole configuration; callers add gateways, phones and parameters."""
    cores = sorted(os.sched_getaffinity(0))
    return {
        "node": node,
        "realm": "tandem.test",
        "digest_algorithms": "MD5",  # Debian's baresip knows no other, and gives up when it sees one
        "log": {"level": "info"},
        "parameters": {"SS_MEDIAPROXYMODE": "on"},
        "processes": {
            "signaling": {"workers": [cores[0]], "core": cores[0], "idle": "nap", "hugepages": "auto"},
            "media": {"workers": [cores[-1]], "core": cores[0], "idle": "nap", "hugepages": "auto"},
        },
        "limits": {"calls": 4000, "registrations": 1000},
        "ports": [
            {"name": "sip0", "process": "signaling", "driver": "af_packet", "device": "sip0",
             "addresses": [f"{SIP4}/{BIT4}", f"{SIP6}/{BIT6}"], "sip_port": SIP_PORT},
            {"name": "rtp0", "process": "media", "driver": "af_packet", "device": "rtp0",
             "addresses": [f"{RTP4}/{BIT4}", f"{RTP6}/{BIT6}"], "rtp_ports": {"first": 20000, "last": 59999}},
        ],
        "mapping_gateways": [],
        "routing_gateways": [],
        "phones": [],
        "database": {"connection": database, "batch_wait_ms": 100},
        "spool": {"directory": os.path.join(folder, "spool"), "segment_mb": 16, "reserve_mb": 4},
    }


def as_yaml(config):
    """The configuration as a person writes it: a block for each part, an entry a line. JSON's values are YAML's."""
    lines = []
    for key, value in config.items():
        if isinstance(value, dict) and value:
            lines += [f"{key}:"] + [f"  {name}: {json.dumps(inner)}" for name, inner in value.items()]
        elif isinstance(value, list) and value:
            lines += [f"{key}:"] + [f"  - {json.dumps(inner)}" for inner in value]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    return "\n".join(lines) + "\n"


class Switch:
    """One node. `config` is a dictionary like base_config()'s; change it before start() or with reload()."""

    def __init__(self, net, folder, config, build=None, runtime=None):
        self.net, self.folder, self.config = net, folder, config
        self.build = build or os.environ.get("TANDEM_BUILD") or os.path.join(TOP, "build")
        self.node = config["node"]
        self.config_path = os.path.join(folder, "tandem.yaml")
        self.log_path = os.path.join(folder, "switch.log")
        self.environment = {**os.environ, "TANDEM_RUNTIME_DIRECTORY": runtime or os.path.join(folder, "run")}
        self.supervisor = None
        os.makedirs(config["spool"]["directory"], exist_ok=True)
        os.makedirs(self.environment["TANDEM_RUNTIME_DIRECTORY"], exist_ok=True)
        if "switch" not in net.hosts:
            net.host("switch").plug_bare("sip0").plug_bare("rtp0")
        self.host = net.hosts["switch"]

    def write_config(self, config=None):
        if config is not None:
            self.config = config
        with open(self.config_path, "w") as file:
            file.write(as_yaml(self.config))

    def start(self, timeout_s=30):
        self.write_config()
        before = len(self.log())  # an earlier life's
        with open(self.log_path, "a") as log:
            self.supervisor = self.host.start(
                [os.path.join(TOP, "deploy", "run"), "--config", self.config_path, "--bin", self.build,
                 "--replace-segments"], stdout=log, stderr=subprocess.STDOUT, env=self.environment)
        self._wait_ready(timeout_s, before)
        return self

    def _wait_ready(self, timeout_s, before):
        def is_ready():
            if self.supervisor.poll() is not None:
                raise RuntimeError("the switch stopped while starting:\n" + self.log_tail())
            return "\nready\n" in "\n" + self.log()[before:]
        wait_for(is_ready, timeout_s, lambda: "the switch is ready:\n" + self.log_tail())

    def stop(self, timeout_s=30):
        """Stop cleanly; returns the supervisor's exit status."""
        if self.supervisor and self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGTERM)
            try:
                self.supervisor.wait(timeout_s)
            except subprocess.TimeoutExpired:
                os.killpg(self.supervisor.pid, signal.SIGKILL)
                raise RuntimeError("the switch did not stop:\n" + self.log_tail())
        return self.supervisor.returncode if self.supervisor else None

    def close(self):
        """Stop, leave nothing behind. RuntimeError when a process died other than by kill -9, stopped badly, or a sanitizer spoke."""
        try:
            self.stop()
        finally:
            self.ctl("segments", "remove", check=False)
        bad = [line for line in self.log().splitlines() if re.search(BAD_END, line)]
        if bad:
            raise RuntimeError("\n".join(bad))

    def pid(self, role):
        return self.status()[role]["pid"]

    def kill(self, role):
        """kill -9; deploy/run starts it again."""
        os.kill(self.pid(role), signal.SIGKILL)

    def reload(self, config=None):
        self.write_config(config)
        return self.ctl("reload")

    def ctl(self, *arguments, check=True):
        """tandemctl; returns what it printed."""
        done = subprocess.run([os.path.join(self.build, "tandemctl", "tandemctl"), "--config", self.config_path, *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environment)
        if check and done.returncode != 0:
            raise RuntimeError(f"tandemctl {' '.join(arguments)}: exit status {done.returncode}: {done.stdout}")
        return done.stdout

    def ctl_json(self, *arguments):
        return json.loads(self.ctl("--json", *arguments))

    def status(self):
        return {process["process"]: process for process in self.ctl_json("status")["processes"]}

    def counters(self):
        """{"group.name": value}"""
        return {f"{c['group']}.{c['name']}": c["value"] for c in self.ctl_json("counters")["counters"]}

    def calls(self):
        return self.ctl_json("calls")["calls"]

    def log(self):
        try:
            with open(self.log_path, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def log_tail(self, lines=40):
        return "\n".join(self.log().splitlines()[-lines:])
