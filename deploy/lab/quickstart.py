# SPDX-License-Identifier: Apache-2.0
"""The main job, seen from outside: a customer, vendors, a phone behind NAT, a database, and the switch between them."""
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lab.carrier import Carrier  # noqa: E402
from lab.net import Network, remove, wait_for  # noqa: E402
from lab.phone import Phone, Watch  # noqa: E402
from lab.postgres import PrivatePostgres  # noqa: E402
from lab.switch import SIP4, SIP_PORT, Switch, TOP, base_config  # noqa: E402

NAME = "tandem-quickstart"
FOLDER = os.path.join("/var/tmp", NAME)
BUILD = os.environ.get("TANDEM_BUILD") or os.path.join(TOP, "build")
SWITCH = f"{SIP4}:{SIP_PORT}"

NAT_UDP_TIMEOUT_S = 20
QUIET_S = 60
KEEP_ALIVE_PERIOD_S = 10
INVITE_TIMEOUT_S = 2
AUDIO_S = 4

PHONE, PASSWORD = "1001", "quickstart"


def say(line):
    print(line, flush=True)


def configure(config):
    config["parameters"] |= {"SS_SIP_NAT_KEEP_ALIVE_PERIOD": KEEP_ALIVE_PERIOD_S, "SS_SIP_TIMEOUT_INVITE": INVITE_TIMEOUT_S}
    config["mapping_gateways"] = [{"name": "customer", "addresses": ["10.77.0.10"], "capacity": 200}]
    config["routing_gateways"] = [
        {"name": "vendor", "address": "10.77.0.21:5060", "prefixes": ["49", "44"], "priority": 20, "capacity": 200},
        {"name": "vendor-silent", "address": "10.77.0.20:5060", "prefixes": ["44"], "priority": 10},
        {"name": "vendor-refusing", "address": "10.77.0.22:5060", "prefixes": ["33"], "priority": 10},
    ]
    config["phones"] = [{"user": PHONE, "password": PASSWORD}]
    return config


class Demo:
    def __init__(self):
        self.net = Network("tq")
        self.customer = self.net.peer("customer", 10)
        self.silent = self.net.peer("silent", 20)
        self.vendor = self.net.peer("vendor", 21)
        self.refusing = self.net.peer("refusing", 22)
        self.router, self.behind_nat = self.net.nat("nat", 30, NAT_UDP_TIMEOUT_S)
        self.rows = []  # of the table: what, expected, seen, right?

    def check(self, what, seen, expected, right=None):
        right = seen == expected if right is None else right
        self.rows.append((what, str(expected), str(seen), right))

    def carry(self, what, number, vendors, **options):
        """One group of calls; prints its progress and returns the report."""
        carrier = Carrier(BUILD, self.customer, self.customer.ip4, SWITCH, vendors, number=number, **options).start()
        done = threading.Event()

        def progress():
            while not done.wait(1.0):
                say(f"   {what}: {len(self.switch.calls())} calls standing")

        watcher = threading.Thread(target=progress, daemon=True)
        watcher.start()
        try:
            return carrier.finish(120)
        finally:
            done.set()
            watcher.join()

    def audio_rows(self, name, report):
        audio = report["audio"]
        self.check(f"{name}: audio packets customer to vendor, received of sent", audio["callee_received"], audio["caller_sent"],
                   audio["callee_received"] == audio["caller_sent"] > 0)
        self.check(f"{name}: audio packets vendor to customer, received of sent", audio["caller_received"], audio["callee_sent"],
                   audio["caller_received"] == audio["callee_sent"] > 0)
        self.check(f"{name}: audio packets that were altered", audio["corrupted"], 0)

    def start(self):
        say("== database")
        self.postgres = PrivatePostgres(os.path.join(FOLDER, "pg")).create()
        say("== switch")
        config = configure(base_config(NAME, FOLDER, self.postgres.connection))
        self.switch = Switch(self.net, FOLDER, config, build=BUILD, runtime=f"/run/{NAME}").start()
        for name, process in sorted(self.switch.status().items()):
            say(f"   tandem-{name}: pid {process['pid']}")

    def phone_registers(self):
        say(f"== a phone behind NAT registers (UDP mappings live {NAT_UDP_TIMEOUT_S} s) and goes quiet for {QUIET_S} s")
        self.hellos = Watch(self.behind_nat, "eth0", "HELLO")
        self.phone = Phone(self.behind_nat, os.path.join(FOLDER, "phone"), PHONE, PASSWORD, SWITCH).start()
        self.phone.wait_registered()
        self.registered_at = time.monotonic()

    def calls_with_audio(self):
        say(f"== 50 calls of {AUDIO_S} s with audio, customer to vendor")
        report = self.carry("audio", "49", [(self.vendor, self.vendor.ip4, "")], calls=50, rate=10, hold=AUDIO_S, ring=200,
                            audio=True)
        self.check("calls offered", report["offered"], 50)
        self.check("calls answered", report["answered"], 50)
        self.check("calls ended on both sides", report["ended_clean"], 50)
        self.audio_rows("calls", report)

    def calls_switched(self):
        say(f"== 10 calls whose first vendor is silent ({INVITE_TIMEOUT_S} s) and whose second answers")
        report = self.carry("switched", "44", [(self.silent, self.silent.ip4, "silent"), (self.vendor, self.vendor.ip4, "")],
                            calls=10, rate=5, hold=1, audio=True)
        self.check("silent vendor: calls answered by the next", report["answered"], 10)
        self.check("silent vendor: calls ended on both sides", report["ended_clean"], 10)
        self.audio_rows("silent vendor", report)

    def calls_refused(self):
        say("== 5 calls that the only vendor answers with 503")
        report = self.carry("refused", "33", [(self.refusing, self.refusing.ip4, "503")], calls=5, rate=5, hold=1)
        self.check("refusing vendor: 503 at the customer", report["refused"].get("503", 0), 5)

    def phone_is_called(self):
        left = self.registered_at + QUIET_S - time.monotonic()
        while left > 0:
            say(f"   quiet: {left:.0f} s to go, {self.hellos.count} HELLOs at the phone")
            time.sleep(min(left, 10))
            left = self.registered_at + QUIET_S - time.monotonic()
        least = QUIET_S // KEEP_ALIVE_PERIOD_S - 1
        hellos = self.hellos.count
        self.check("HELLOs at the phone", hellos, f"{least} to {least + 2}", least <= hellos <= least + 2)
        say("== the phone is called through its pinhole")
        out = self.customer.run(["sipp", "-sn", "uac", "-s", PHONE, "-m", "1", "-d", "3000", "-i", self.customer.ip4, "-p", "5070",
                                 "-nostdin", "-timeout", "40", "-timeout_error", SWITCH], check=False)
        answered = "1 call established" in self.phone.log() or "Call established" in self.phone.log() or \
            "call established" in self.phone.log().lower()
        completed = [line for line in out.splitlines() if "Successful call" in line]
        right = bool(completed) and completed[-1].split("|")[-1].strip() == "1"
        self.check("calls to the phone, completed at the caller", 1 if right else 0, 1)
        self.check("calls to the phone, established at the phone", 1 if answered else 0, 1)

    def database_rows(self):
        query = ("SELECT end_reason, final, count(*) FROM tandem.cdr GROUP BY 1, 2 ORDER BY 1, 2")
        expected = {("InviteTimeout", "f"): 10, ("Normal", "t"): 61, ("ServerFailure", "t"): 5}

        def seen():
            return {(reason, final): int(count) for reason, final, count in self.postgres.query(query)}

        try:
            wait_for(lambda: seen() == expected, 15, "all records", interval_s=0.5)
        except TimeoutError:
            pass
        rows = seen()
        for reason, final in sorted(set(expected) | set(rows)):
            kind = "final" if final == "t" else "switched away from"
            self.check(f"records: {reason}, {kind}", rows.get((reason, final), 0), expected.get((reason, final), 0))

    def table(self):
        width = [max(len(row[i]) for row in self.rows + [("", "must be", "is", True)]) for i in range(3)]
        say("")
        say(f"{'':{width[0]}}  {'must be':>{width[1]}}  {'is':>{width[2]}}")
        for what, expected, seen, right in self.rows:
            say(f"{what:{width[0]}}  {expected:>{width[1]}}  {seen:>{width[2]}}{'' if right else '   <-- WRONG'}")
        return all(row[3] for row in self.rows)

    def leave_running(self):
        self.hellos.stop()
        self.vendor.start(["sipp", "-sn", "uas", "-i", self.vendor.ip4, "-p", "5060", "-nostdin", "-rtp_echo"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        say(f"""
The switch is running. A vendor answers numbers that begin with 49, a phone answers 1001. As root:

  call through it   ip netns exec {self.customer.namespace} sipp -sn uac -s 4930123456 -i {self.customer.ip4} -m 5 -d 10000 {SWITCH}
                    (five calls, each of ten seconds; SIPp's caller is silent)
  look at it        export TANDEM_CONFIG={self.switch.config_path} TANDEM_RUNTIME_DIRECTORY=/run/{NAME}
                    export PATH={BUILD}/tandemctl:$PATH
                    tandemctl status
                    tandemctl calls
                    tandemctl counters --nonzero
  its records       {self.postgres.bin}/psql "{self.postgres.connection}"
                    SELECT setup_time, attempt, final, routing_gateway, sip_code, end_reason, duration
                    FROM tandem.cdr ORDER BY setup_time DESC LIMIT 20;
  its log           {self.switch.log_path}
  its configuration {self.switch.config_path}; change it, then: tandemctl reload
  stop it           deploy/quickstart --stop
""")


def command_of(pid):
    """The command line of a process; nothing of one that is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def stop_all():
    """What an earlier run left: processes in its namespaces, its database, its shared memory. True: there was something."""
    found = os.path.exists("/run/netns/tq-switch")
    for pid in subprocess.run(["ip", "netns", "pids", "tq-switch"], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.DEVNULL).stdout.split():
        if b"deploy/run" in command_of(pid):
            os.kill(int(pid), signal.SIGTERM)
            wait_for(lambda: not command_of(pid), 30, "the switch stops")
    remove("tq")
    if os.path.isdir(os.path.join(FOLDER, "pg", "data")):
        PrivatePostgres(os.path.join(FOLDER, "pg")).close()
    for name in os.listdir("/dev/shm"):
        if name.startswith(f"tandem.{NAME}."):
            os.unlink(os.path.join("/dev/shm", name))
    shutil.rmtree(f"/run/{NAME}", ignore_errors=True)
    return found


def only_one():
    """Held until this process ends, however it does."""
    lock = open(f"/run/lock/{NAME}", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("deploy/quickstart: another one is at work; wait for its end, or interrupt it")
    return lock


def main():
    once, stop = "--once" in sys.argv[1:], "--stop" in sys.argv[1:]
    lock = only_one()  # noqa: F841
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found = stop_all()
    if stop:
        say(f"stopped; its database is gone, log and configuration are in {FOLDER}" if found else "nothing was running")
        return 0
    if found:
        say("== the switch that an earlier run left running is stopped")
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    os.chmod(FOLDER, 0o755)
    keep = False
    try:
        demo = Demo()
        demo.start()
        demo.phone_registers()
        demo.calls_with_audio()
        demo.calls_switched()
        demo.calls_refused()
        demo.phone_is_called()
        demo.database_rows()
        right = demo.table()
        say("\n" + ("every figure is what it must be" if right else "NOT every figure is what it must be; the switch's log:"))
        if not right:
            say(demo.switch.log_tail())
        keep = not once
        if keep:
            demo.leave_running()
        return 0 if right else 1
    except KeyboardInterrupt:
        say("\ninterrupted: taking everything down again")
        return 130
    finally:
        if not keep:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            stop_all()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # before anything was set up
        sys.exit(130)
