# SPDX-License-Identifier: Apache-2.0
"""The CDR writer alone, with a real PostgreSQL: whatever is killed, each record becomes one row."""
import json
import os
import random
import signal
import subprocess
import time

import pytest

from commit_proxy import CommitProxy
from lab.switch import base_config


def wait_until(what, timeout_s=20, step_s=0.05):
    end = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(step_s)


class Writer:
    """A cdrwriter on a node of its own, without the other processes."""

    def __init__(self, build, folder, connection, spool=None, workers=1, **spool_options):
        self.build, self.folder = build, folder
        self.node = f"cdr{os.getpid() % 10000}-{random.randrange(10**6)}"
        self.spool = spool or os.path.join(folder, "spool-" + self.node)
        self.config_path = os.path.join(folder, self.node + ".yaml")
        config = base_config(self.node, folder, connection)
        config["processes"]["signaling"]["workers"] = list(range(workers))
        config["database"] = {"connection": connection, "batch": 500, "batch_wait_ms": 50}
        config["spool"] = {"directory": self.spool, "segment_mb": 1, "reserve_mb": 1, **spool_options}
        with open(self.config_path, "w") as file:
            json.dump(config, file)
        self.environment = {**os.environ, "TANDEM_RUNTIME_DIRECTORY": os.path.join(folder, "run-" + self.node)}
        os.makedirs(self.environment["TANDEM_RUNTIME_DIRECTORY"])
        self.ctl("segments", "create")
        self.process = None
        self.published = 0

    def ctl(self, *arguments):
        return subprocess.run([f"{self.build}/tandemctl/tandemctl", "--config", self.config_path, *arguments], check=True,
                              stdout=subprocess.PIPE, text=True, env=self.environment).stdout

    def start(self):
        with open(os.path.join(self.folder, self.node + ".log"), "a") as log:
            self.process = subprocess.Popen([f"{self.build}/cdrwriter/tandem-cdrwriter", "--config", self.config_path],
                                            stderr=log, stdout=log, env=self.environment)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(20)

    def produce(self, count, wait=True, **options):
        arguments = [text for key, value in options.items() for text in (f"--{key}", str(value))]
        producer = subprocess.Popen([f"{self.build}/tests/unit/cdrwriter/cdr-produce", "--config", self.config_path,
                                     "--first", str(self.published + 1), "--count", str(count), *arguments],
                                    stdout=subprocess.PIPE, text=True)
        self.published += count
        if wait:
            assert producer.wait(60) == 0
        return producer

    def counters(self):
        return {f"{c['group']}.{c['name']}": c["value"]
                for c in json.loads(self.ctl("--json", "counters"))["counters"]}

    def status(self):
        return {p["process"]: p for p in json.loads(self.ctl("--json", "status"))["processes"]}["cdrwriter"]

    def log(self):
        with open(os.path.join(self.folder, self.node + ".log"), errors="replace") as file:
            return file.read()

    def dump(self, directory=None):
        out = subprocess.run([f"{self.build}/cdrwriter/tandem-cdrwriter", "--dump-spool", directory or self.spool],
                             stdout=subprocess.PIPE, text=True)
        return out.returncode, [json.loads(line) for line in out.stdout.splitlines()]

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        self.ctl("segments", "remove")


@pytest.fixture
def clean(postgres):
    """The database without records of an earlier test."""
    if postgres.value("SELECT to_regclass('tandem.cdr')"):
        postgres.query("TRUNCATE tandem.cdr, tandem.cdr_quarantine")
    return postgres


@pytest.fixture
def writer(build, folder, clean):
    made = []

    def make(connection=None, **options):
        made.append(Writer(build, folder, connection or clean.connection, **options))
        return made[-1].start()

    yield make
    for one in made:
        one.close()


def rows(postgres):
    try:
        return int(postgres.value("SELECT count(*) FROM tandem.cdr"))
    except RuntimeError:  # stopped, or no schema yet
        return -1


def assert_each_once(postgres, count):
    wait_until(lambda: rows(postgres) >= count)
    time.sleep(0.3)
    assert rows(postgres) == count
    assert int(postgres.value("SELECT count(DISTINCT call_id) FROM tandem.cdr")) == count


def test_a_record_becomes_a_row(writer, postgres):
    w = writer()
    w.produce(30)
    assert_each_once(postgres, 30)
    row = json.loads(postgres.value("SELECT row_to_json(c) FROM tandem.cdr c ORDER BY call_id LIMIT 1"))
    expected = {
        "call_id": "00000000-0000-0000-0000-000000000001", "attempt": 1, "final": True, "node": "test",
        "mapping_gateway": "customer", "routing_gateway": "vendor", "caller_number_in": "4930123456",
        "caller_number_out": None, "callee_number_in": "43199999", "caller_ip": "192.0.2.1", "caller_port": 5060,
        "callee_ip": "2001:db8::9", "callee_port": 5062, "pdd_ms": 120, "duration": "00:01:00.25", "sip_code": 200,
        "q850_cause": 16, "end_direction": "caller", "end_reason": "Normal", "codec": "PCMA", "media_mode": "relay",
        "from_caller_packets": 3000, "from_callee_bytes": 516000, "from_callee_jitter_us": 1250, "from_caller_mos": 4.38,
    }
    assert {key: row[key] for key in expected} == expected
    assert postgres.value("SELECT callee_number_in FROM tandem.cdr WHERE call_id::text LIKE '%003'") == '43\\xFF"1999'
    assert postgres.value("SELECT extract(epoch FROM answer_time - setup_time) = 3 AND now() - setup_time < '1 min'"
                          " FROM tandem.cdr LIMIT 1") == "t"
    # Today's partition and those ahead are there, and nothing strayed.
    assert int(postgres.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'tandem.cdr'::regclass")) == 1 + 1 + 3
    assert int(postgres.value("SELECT count(*) FROM tandem.cdr_default")) == 0
    # What a vendor redirects is no attempt that failed, nor what it was never asked.
    postgres.query("""INSERT INTO tandem.cdr SELECT (jsonb_populate_record(c, '{"attempt": 8, "sip_code": 488, "duration": "0",
        "end_reason": "BadRequest", "answer_time": null}')).* FROM tandem.cdr c LIMIT 1""")
    postgres.query("""INSERT INTO tandem.cdr SELECT (jsonb_populate_record(c, '{"attempt": 9, "sip_code": 302, "duration": "0",
        "answer_time": null}')).* FROM tandem.cdr c LIMIT 1""")
    assert postgres.query("SELECT attempts, answered, asr, acd, minutes FROM tandem.asr_acd")[0] == [
        "30", "30", "100.0", "00:01:00.25", "30.13"]
    status, dumped = w.dump()
    assert status == 0 and len(dumped) == 30 and dumped[0]["record"]["caller_ip"] == "192.0.2.1"
    assert w.stop() == 0
    assert w.status()["spool_pending_records"] == 0


def test_killed_at_random_moments(writer, postgres):
    w = writer(workers=2)
    producers = [w.produce(6000, wait=False, rate=2000), w.produce(6000, wait=False, rate=2000, worker=1)]
    while any(p.poll() is None for p in producers):
        time.sleep(random.uniform(0.05, 0.5))
        w.kill()
        w.start()
    assert_each_once(postgres, 12000)
    counters = w.counters()
    assert counters["cdr.quarantined"] == 0 and counters["cdr.spool_damaged"] == 0


def test_database_away(writer, postgres):
    w = writer()
    producer = w.produce(8000, wait=False, rate=2000)
    time.sleep(1)
    postgres.stop("immediate")
    time.sleep(2)
    w.kill()
    w.start()
    wait_until(lambda: producer.poll() is not None)
    wait_until(lambda: w.status()["spool_pending_records"] > 3000)
    assert not w.status()["database_connected"]
    _, dumped = w.dump()
    assert len(dumped) > 3000
    postgres.start()
    assert_each_once(postgres, 8000)
    wait_until(lambda: w.status()["spool_pending_records"] == 0)


def test_commit_reply_swallowed(writer, folder, postgres):
    proxy_folder = os.path.join(folder, "proxy")
    with CommitProxy(proxy_folder, os.path.join(postgres.folder, ".s.PGSQL.5432")) as proxy:
        w = writer(connection=postgres.connection.replace(postgres.folder, proxy_folder))
        producer = w.produce(4000, wait=False, rate=1500)
        while producer.poll() is None:
            proxy.swallow_next()
            time.sleep(0.4)
        assert_each_once(postgres, 4000)
        assert proxy.swallowed >= 2
        assert w.counters()["cdr.in_doubt"] >= 1


def test_spool_disk_fills_and_recovers(writer, folder, postgres):
    disk = os.path.join(folder, "small-disk")
    os.makedirs(disk)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", disk], check=True)
    try:
        w = writer(spool=disk, segment_mb=4, reserve_mb=2)
        wait_until(lambda: rows(postgres) == 0)  # it has made the tables
        postgres.stop("immediate")
        producer = w.produce(30000, wait=False, rate=20000)
        wait_until(lambda: w.status()["spool_full"])
        with open(os.path.join(disk, "something-else"), "wb", buffering=0) as file:  # and now really nothing is left
            try:
                while True:
                    file.write(bytes(65536))
            except OSError:
                pass
        time.sleep(1)
        w.kill()
        w.start()
        wait_until(lambda: w.status()["spool_full"])
        postgres.start()
        assert_each_once(postgres, 30000)
        assert producer.wait(10) == 0
        os.unlink(os.path.join(disk, "something-else"))
        wait_until(lambda: not w.status()["spool_full"])
        assert w.counters()["cdr.spool_full"] >= 1
        w.stop()
    finally:
        subprocess.run(["umount", "-l", disk])


def test_refused_records_and_duplicates(writer, postgres):
    w = writer()
    w.produce(1)
    wait_until(lambda: rows(postgres) == 1)
    postgres.query("ALTER TABLE tandem.cdr ADD CONSTRAINT picky CHECK (caller_number_in <> 'refuse-me')")
    try:
        w.produce(3000, rate=20000, bad=1000, again=7)
        wait_until(lambda: rows(postgres) == 3001 - 3)
        wait_until(lambda: int(postgres.value("SELECT count(*) FROM tandem.cdr_quarantine")) >= 3)
        time.sleep(0.5)
        assert rows(postgres) == 3001 - 3
        quarantined = postgres.query("SELECT sqlstate, reason FROM tandem.cdr_quarantine")
        assert all(state == "23514" and "picky" in reason for state, reason in quarantined)
        counters = w.counters()
        assert counters["cdr.duplicates"] >= 400 and counters["cdr.staged_batches"] >= 1
        # The quarantine table refuses as well: a file takes them.
        postgres.query("ALTER TABLE tandem.cdr_quarantine ADD CONSTRAINT full_up CHECK (false) NOT VALID")
        w.produce(1000, rate=20000, bad=500)
        wait_until(lambda: rows(postgres) == 4001 - 5)
        with open(os.path.join(w.spool, "quarantine.jsonl")) as file:
            lines = [json.loads(line) for line in file]
        assert len(lines) == 2 and all("picky" in line["reason"] for line in lines)
    finally:
        postgres.query("ALTER TABLE tandem.cdr DROP CONSTRAINT picky;"
                       "ALTER TABLE tandem.cdr_quarantine DROP CONSTRAINT IF EXISTS full_up")


def test_reload_moves_to_another_database(writer, postgres):
    w = writer(connection=postgres.connection.replace("dbname=tandem", "dbname=nowhere"))
    w.produce(10)
    wait_until(lambda: "nowhere" in w.log())
    assert rows(postgres) <= 0
    with open(w.config_path) as file:
        config = json.load(file)
    config["database"]["connection"] = postgres.connection
    with open(w.config_path, "w") as file:
        json.dump(config, file)
    w.process.send_signal(signal.SIGHUP)
    assert_each_once(postgres, 10)


def test_damaged_segment(writer, postgres):
    """A disk that lost a sector: the records around it are saved, and the log says where."""
    w = writer()
    w.produce(1)
    wait_until(lambda: rows(postgres) == 1)
    postgres.stop("immediate")
    w.produce(200, rate=5000)
    wait_until(lambda: w.status()["spool_pending_records"] >= 200)
    w.kill()
    segment = os.path.join(w.spool, sorted(name for name in os.listdir(w.spool) if name.endswith(".spool"))[-1])
    with open(segment, "r+b") as file:
        file.seek(30000)
        file.write(os.urandom(512))
    w.start()
    postgres.start()
    wait_until(lambda: rows(postgres) > 190)
    time.sleep(0.5)
    assert 195 <= rows(postgres) < 201
    assert w.counters()["cdr.spool_damaged"] >= 1
    w.produce(100)
    wait_until(lambda: rows(postgres) > 290)
    assert w.dump()[0] in (0, 1)
