# SPDX-License-Identifier: Apache-2.0
"""Call records from the ring to a COMMIT in PostgreSQL, against a bare binary COPY of the same rows."""
import json
import os
import re
import statistics
import subprocess
import time

from . import TOP, Failed
from .machine import CORES, Layout, read, sh
from .node import Node, config

ROUNDS = 3
FIRST_GUESS = 60000  # rows a second: how many are made for the time asked for


def columns():
    """The columns the writer fills: those of the table but the one with a default."""
    schema = read(os.path.join(TOP, "deploy", "schema.sql"))
    table = re.search(r"CREATE TABLE tandem[.]cdr \((.*?)\n[)]", schema, re.S).group(1)
    names = re.findall(r"^\t([a-z_]+) ", table, re.M)
    return ", ".join(name for name in names if name != "recorded_at")


class Writer:
    """tandem-cdrwriter alone; the producer plays signaling."""

    def __init__(self, bench, node, round_number):
        self.bench, self.node = bench, node
        self.log = open(os.path.join(bench.folder, f"cdrwriter-{round_number}.log"), "w")
        self.process = subprocess.Popen([os.path.join(bench.build, "cdrwriter", "tandem-cdrwriter"), "--config",
                                         node.config_path], stdout=self.log, stderr=self.log, env=node.environment)
        bench.children.append(self.process)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.bench.children.remove(self.process)
        self.log.close()


def committed(node):
    return node.counters()["cdr.committed"]


def wait_for(condition, timeout_s, what):
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"waited too long until {what}")
        time.sleep(0.02)


def through_the_writer(bench, node, writer, first, rows):
    """Rows a second from the first record in the ring to the last COMMIT; the processor time of the writer."""
    before = committed(node)
    ticks = cpu_s(writer.process.pid)
    started = time.monotonic()
    producer = subprocess.Popen([os.path.join(bench.build, "tests", "unit", "cdrwriter", "cdr-produce"), "--config",
                                 node.config_path, "--first", str(first), "--count", str(rows), "--rate", "100000000"],
                                stdout=subprocess.PIPE, text=True, env=node.environment)
    bench.children.append(producer)
    shown, done = started, 0
    while done < rows:
        time.sleep(0.25 if done < 0.9 * rows else 0.02)  # asking costs processor time, too
        now, done = time.monotonic(), committed(node) - before
        if now - started > 600 or writer.process.poll() is not None:
            raise Failed("the records did not all reach PostgreSQL: " + read(writer.log.name)[-1000:])
        if now - shown > 5:
            shown = now
            bench.progress(f"{now - started:4.0f} s  {done} of {rows} rows committed")
    took = time.monotonic() - started
    producer.wait(10)
    bench.children.remove(producer)
    return rows / took, (cpu_s(writer.process.pid) - ticks) / rows


def cpu_s(pid):
    fields = read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bare_copy(bench, file, rows):
    """Rows a second of one COPY of these rows into the same, emptied table, on one connection."""
    database = bench.database
    database.query("TRUNCATE tandem.cdr")
    database.query("CHECKPOINT")
    started = time.monotonic()
    sh([f"{database.bin}/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.connection, "-c",
        f"\\copy tandem.cdr ({columns()}) from '{file}' with (format binary)"])
    took = time.monotonic() - started
    found = int(database.value("SELECT count(*) FROM tandem.cdr"))
    if found != rows:
        raise Failed(f"COPY left {found} rows of {rows}")
    return rows / took


def one_round(bench, node, writer, first, rows):
    database = bench.database
    database.query("TRUNCATE tandem.cdr")
    database.query("CHECKPOINT")
    rate, cpu = through_the_writer(bench, node, writer, first, rows)
    found = int(database.value("SELECT count(*) FROM tandem.cdr"))
    if found != rows:
        raise Failed(f"{rows} records became {found} rows")
    file = os.path.join(database.folder, "rows.copy")
    database.query(f"COPY (SELECT {columns()} FROM tandem.cdr ORDER BY setup_time) TO '{file}' WITH (FORMAT binary)")
    size = os.path.getsize(file)
    copy = bare_copy(bench, file, rows)
    os.unlink(file)
    return {"rows": rows, "rows_per_second": rate, "copy_rows_per_second": copy, "ratio": rate / copy,
            "writer_cpu_us_per_row": 1e6 * cpu, "bytes_per_row": size / rows}


def run(bench):
    bench.say("call records: from the ring to a COMMIT, and a bare COPY of the same rows")
    node = Node(bench, config(bench, Layout(), "signaling", 1000, 0))
    del node.config["processes"]["cdrwriter"]  # its threads go where the scheduler likes: all cores are theirs
    node.write_config()
    node.ctl("segments", "create", "--replace")
    rows = max(20000, int(bench.seconds * FIRST_GUESS))
    with bench.pinned(CORES):
        writer = Writer(bench, node, 0)
        try:
            wait_for(lambda: node.status()["cdrwriter"]["database_connected"], 30, "the writer has its database")
            wait_for(lambda: bench.database.value("SELECT to_regclass('tandem.cdr')"), 30, "the schema is there")
            through_the_writer(bench, node, writer, 1, 20000)  # partitions, buffers, plans
            rounds = []
            for number in range(ROUNDS):
                rounds.append(one_round(bench, node, writer, 1 + (number + 1) * 100000000, rows))
                bench.progress("{rows_per_second:.0f} rows/s through the writer, {copy_rows_per_second:.0f} with COPY, "
                               "ratio {ratio:.2f}".format(**rounds[-1]))
        finally:
            writer.stop()
            node.ctl("segments", "remove", check=False)
    middle = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
    return {**middle, "rounds": rounds, "where": "no pinning: writer, producer, client and PostgreSQL share all cores"}
