# SPDX-License-Identifier: Apache-2.0
"""A node as systemd runs it: every process with the user, the rights and the view of the files that its unit says.

systemd itself is not needed: the units are read, and what they ask for is done with mount namespaces and setpriv. The
users are those of tandem.sysusers, in a copy of /etc/passwd that only these processes see.
"""
import json
import os
import shlex
import shutil
import stat
import subprocess
import tempfile

import pytest

from lab.net import wait_for
from lab.switch import Switch, base_config
from sip_peer import SipPeer

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROLES = ("signaling", "media", "keepalive", "cdrwriter")
RUNTIME = "/run/tandem"
GID = 64990
UIDS = {f"tandem-{role}": GID + 1 + i for i, role in enumerate(ROLES)}


def read_unit(name):
    """{"User": "tandem-media", ...}; a key that stands twice has both values."""
    unit = {}
    with open(os.path.join(TOP, "deploy", "systemd", name + ".service")) as file:
        for line in file:
            key, equals, value = line.strip().partition("=")
            if equals and not key.startswith("#"):
                unit[key] = (unit.get(key, "") + " " + value).strip()
    return unit


class Units:
    """A folder of programs that start the real ones as their units would."""

    def __init__(self, build, folder, spool):
        self.folder, self.spool = folder, spool
        self.bin, self.installed = os.path.join(folder, "bin"), os.path.join(folder, "installed")
        os.makedirs(self.bin)
        os.makedirs(self.installed)  # a build under /tmp is out of the units' sight
        self._accounts()
        for role in ROLES:
            self._program("tandem-" + role, f"{build}/{role}/tandem-{role}")
        self._program("tandemctl", f"{build}/tandemctl/tandemctl", "tandem-segments")

    def _accounts(self):
        """/etc/passwd and /etc/group as they are once systemd-sysusers has been there."""
        with open(os.path.join(TOP, "deploy", "systemd", "tandem.sysusers")) as file:
            words = [line.split() for line in file if line[0] in "gum"]
        assert {w[1] for w in words if w[0] == "u"} == set(UIDS)
        assert {(w[1], w[2]) for w in words if w[0] == "m"} == {(user, "tandem") for user in UIDS}
        with open("/etc/passwd") as old, open(f"{self.folder}/passwd", "w") as new:
            new.writelines(line for line in old if not line.startswith("tandem"))
            new.writelines(f"{user}:x:{uid}:{uid}::/:/usr/sbin/nologin\n" for user, uid in UIDS.items())
        with open("/etc/group") as old, open(f"{self.folder}/group", "w") as new:
            new.writelines(line for line in old if not line.startswith("tandem"))
            new.write(f"tandem:x:{GID}:{','.join(UIDS)}\n")
            new.writelines(f"{user}:x:{uid}:\n" for user, uid in UIDS.items())

    def _see_accounts(self):
        return [f"mount --bind {self.folder}/{name} /etc/{name}" for name in ("passwd", "group")]

    def ctl(self, config, *arguments, check=True):
        """tandemctl, as root on that machine runs it."""
        script = "\n".join(["set -eu"] + self._see_accounts() + [f'exec {self.installed}/tandemctl --config {config} "$@"'])
        return subprocess.run(["unshare", "-m", "sh", "-c", script, "tandemctl", *arguments], check=check,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout

    def command(self, unit_name, argv):
        """The shell script that does what the unit says and then runs argv."""
        unit = read_unit(unit_name)
        writable = unit.get("ReadWritePaths", "").replace("/var/spool/tandem", self.spool).split()
        if "RuntimeDirectory" in unit:
            writable.append(os.path.join("/run", unit["RuntimeDirectory"]))
        assert unit["ProtectSystem"] == "strict" and unit["NoNewPrivileges"] == "yes" and unit["Group"] == "tandem"
        lines = ["set -eu", f"umask {unit['UMask']}", "unset TANDEM_RUNTIME_DIRECTORY"]
        # deploy/run's own sockets are for root; systemd's is for everybody.
        lines.append('if [ -n "${NOTIFY_SOCKET-}" ]; then chmod 711 "${NOTIFY_SOCKET%/*}"; chmod 666 "$NOTIFY_SOCKET"; fi')
        lines += [f"mount --bind {path} {path}" for path in writable]  # /proc, /sys and /dev are mounts of their own
        lines += self._see_accounts()
        if unit.get("PrivateTmp") == "yes":
            lines.append("mount -t tmpfs -o mode=1777 tmpfs /tmp")
        lines.append("mount -o remount,bind,ro /")
        if "CPUAffinity" in unit:
            lines.append(f"taskset -p -c {unit['CPUAffinity']} $$ >/dev/null")
        network = ["unshare", "-n"] if unit.get("PrivateNetwork") == "yes" else []
        lines.append(" ".join(["exec"] + network + self._privileges(unit) + argv))
        return "\n".join(lines)

    @staticmethod
    def _capabilities(text):
        return ",".join(["-all"] + ["+" + name.lower().removeprefix("cap_") for name in text.split()])

    def _privileges(self, unit):
        bounds = self._capabilities(unit["CapabilityBoundingSet"])
        ambient = self._capabilities(unit.get("AmbientCapabilities", ""))
        if "User" not in unit:  # root keeps what the bounding set leaves it
            return ["setpriv", "--regid=tandem", "--clear-groups", f"--bounding-set={bounds}", "--no-new-privs"]
        return ["setpriv", f"--reuid={unit['User']}", "--regid=tandem", "--clear-groups", f"--inh-caps={ambient}",
                f"--ambient-caps={ambient}", f"--bounding-set={bounds}", "--no-new-privs"]

    def _program(self, name, program, unit=None):
        path = os.path.join(self.bin, name)
        shutil.copy(program, self.installed)
        script = self.command(unit or name, [os.path.join(self.installed, name), '"$@"'])
        with open(path, "w") as file:
            file.write("#!/bin/sh\nexec unshare -m sh -c " + shlex.quote(script) + f" {name} \"$@\"\n")
        os.chmod(path, 0o755)

    def python_as(self, role, code):
        """Run some Python as that role's user, with all that its unit gives it; returns what it printed."""
        script = self.command("tandem-" + role, ["/usr/bin/python3", "-c", shlex.quote(code)])
        return subprocess.run(["unshare", "-m", "sh", "-c", script], check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture(scope="module")
def lab(net, build, postgres):
    class Lab:
        pass

    lab = Lab()
    folder = tempfile.mkdtemp(prefix="tandem-users-", dir="/var/tmp")  # /tmp is private to each unit
    os.chmod(folder, 0o755)
    spool = os.path.join(folder, "spool")
    os.makedirs(spool)
    os.chown(spool, UIDS["tandem-cdrwriter"], GID)  # as deploy/install makes it
    os.chmod(spool, 0o2750)
    os.makedirs(RUNTIME, exist_ok=True)  # as RuntimeDirectory= of tandem-segments
    os.chown(RUNTIME, 0, GID)
    os.chmod(RUNTIME, 0o750)
    # PostgreSQL's socket lies under /tmp, too: here it is seen.
    database = os.path.join(folder, "pg")
    os.makedirs(database)
    subprocess.run(["mount", "--bind", postgres.folder, database], check=True)
    lab.node = f"tt-users{os.getpid() % 10000}"
    config = base_config(lab.node, folder, postgres.connection.replace(postgres.folder, database))
    cores = sorted(os.sched_getaffinity(0))
    for role in ("signaling", "media"):  # the sample's way: housekeeping on one core, workers on another
        config["processes"][role].update(core=cores[0], workers=[cores[-1]])
    config["spool"]["directory"] = spool
    config["mapping_gateways"] = [{"name": "customer", "addresses": ["10.77.0.10"]}]
    config["routing_gateways"] = [{"name": "vendor", "address": "10.77.0.20:5060", "prefixes": ["49"]}]
    lab.customer, lab.vendor = net.peer("customer", 10), net.peer("vendor", 20)
    lab.units = Units(build, folder, spool)
    lab.postgres, lab.spool = postgres, spool
    os.environ["TMPDIR"] = "/var/tmp"
    lab.switch = Switch(net, folder, config)
    lab.switch.environment.pop("TANDEM_RUNTIME_DIRECTORY")
    lab.switch.build = lab.units.bin
    lab.switch.ctl = lambda *arguments, check=True: lab.units.ctl(lab.switch.config_path, *arguments, check=check)
    try:
        lab.switch.start()
        yield lab
    finally:
        del os.environ["TMPDIR"]
        print(lab.switch.log_tail(80))
        lab.switch.close()
        subprocess.run(["umount", database])
        shutil.rmtree(folder)
        shutil.rmtree(os.path.join(RUNTIME, lab.node), ignore_errors=True)
        if not os.listdir(RUNTIME):
            os.rmdir(RUNTIME)


def test_each_process_has_its_user(lab):
    for role in ROLES:
        with open(f"/proc/{lab.switch.pid(role)}/status") as file:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        assert fields["Uid"].split() == [str(UIDS["tandem-" + role])] * 4
        assert fields["Gid"].split() == [str(GID)] * 4
        expected = read_unit("tandem-" + role)["CapabilityBoundingSet"].split()
        assert bin(int(fields["CapEff"], 16)).count("1") == len(expected)


def call(lab):
    with SipPeer(lab.customer, "10.77.0.10") as caller, SipPeer(lab.vendor, "10.77.0.20") as vendor:
        invite = caller.invite("4930100")
        vendor.respond(vendor.expect("INVITE"), 200, "OK", body=vendor.sdp(42000))
        ok = caller.expect(200)
        caller.ack(invite, ok)
        vendor.expect("ACK")
        caller.send(caller.in_dialog("BYE", invite, ok))
        vendor.respond(vendor.expect("BYE"), 200, "OK")
        caller.expect(200)


def test_a_call_and_its_record(lab):
    call(lab)
    wait_for(lambda: lab.postgres.value("SELECT count(*) FROM tandem.cdr") == "1", 10, "the record is in the database")


def test_killed_processes_come_back(lab):
    for role in ROLES:
        starts = lab.switch.status()[role]["starts"]
        lab.switch.kill(role)
        wait_for(lambda: lab.switch.status()[role]["starts"] > starts and lab.switch.status()[role]["state"] == "ready", 20,
                 f"{role} is back")
        assert "is in force" in lab.switch.ctl("reload", role)
    call(lab)


# What a process tries of what belongs to others; prints what it could do.
ATTACK = """
import os, json
node, spool, me = %r, %r, %r
done = []
def attempt(what, action):
    try:
        action()
        done.append(what)
    except OSError:
        pass
for name in os.listdir("/dev/shm"):
    if not name.startswith("tandem." + node + "."):
        continue
    path, short = "/dev/shm/" + name, name[len("tandem." + node) + 1:]
    attempt("read " + short, lambda: os.close(os.open(path, os.O_RDONLY)))
    attempt("write " + short, lambda: os.close(os.open(path, os.O_RDWR)))
    attempt("rename " + short, lambda: (os.rename(path, path + ".x"), os.rename(path + ".x", path)))
run = "/run/tandem/" + node
for name in os.listdir(run):
    role = name.split(".")[0]
    if role != me:
        attempt("write " + name, lambda: os.close(os.open(run + "/" + name, os.O_RDWR)))
        attempt("remove " + name, lambda: os.unlink(run + "/" + name))
attempt("make /run/tandem/other", lambda: os.mkdir("/run/tandem/other"))
attempt("make a spool file", lambda: os.close(os.open(spool + "/x", os.O_CREAT | os.O_WRONLY)))
attempt("make /etc/x", lambda: os.close(os.open("/etc/x", os.O_CREAT | os.O_WRONLY)))
attempt("make /var/tmp/x", lambda: os.mkdir("/var/tmp/x-%%d" %% os.getpid()))
print(json.dumps(done))
"""


@pytest.mark.parametrize("role", ["keepalive", "media", "cdrwriter", "signaling"])
def test_nobody_writes_what_is_anothers(lab, role):
    done = json.loads(lab.units.python_as(role, ATTACK % (lab.node, lab.spool, role)))
    writers = {"calls": "signaling", "bindings": "signaling", "gateways": "signaling", "media-sessions": "media"}
    segments = {name.split(".", 2)[2] for name in os.listdir("/dev/shm") if name.startswith(f"tandem.{lab.node}.")}
    assert set(writers) < segments
    own = {name for name in writers if writers[name] == role}
    # The rings, the two tables of everybody's figures and the bells are the group's; a bell is nobody's to take away.
    bells = {name for name in os.listdir(os.path.join(RUNTIME, lab.node)) if name.endswith(".bell")}
    assert bells == {"signaling.0.bell", "media.0.bell"}
    expected = {f"read {name}" for name in segments} | {f"write {name}" for name in segments - set(writers) | own}
    expected |= {f"rename {name}" for name in own}
    expected |= {f"write {name}" for name in bells if name.split(".")[0] != role}
    if role == "cdrwriter":
        expected.add("make a spool file")
    assert set(done) == expected


def test_modes(lab):
    run = os.path.join(RUNTIME, lab.node)
    assert stat.S_IMODE(os.stat(run).st_mode) == 0o1770 and os.stat(run).st_gid == GID
    for role in ROLES:
        socket = os.stat(f"{run}/{role}.sock")
        assert (stat.S_IMODE(socket.st_mode), socket.st_uid, socket.st_gid) == (0o660, UIDS["tandem-" + role], GID)
